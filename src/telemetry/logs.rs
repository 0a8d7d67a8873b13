//! Log lines: one JSON object each, with the ids of the trace that it belongs to.

use std::fmt::{self, Debug};
use std::io::IsTerminal;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, Telemetry};
use crate::trace;

/// Sends log lines to standard error. `filter` is of the form `info,presence_gateway=debug`.
pub fn init_logs(settings: &Telemetry, filter: Option<&str>) {
    let filter = EnvFilter::new(filter.unwrap_or("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => lines.event_format(JsonLine).init(),
        LogFormat::Text if std::io::stderr().is_terminal() => lines.init(),
        // Colours are for eyes: a file or a journal would keep their control characters.
        LogFormat::Text => lines.with_ansi(false).init(),
    }
}

/// A line: when, how grave, where, what, and what else belongs to it.
#[derive(Clone, Copy, Debug)]
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        if let Some((trace_id, span_id)) = trace::ids() {
            line.insert("trace_id".to_owned(), trace_id.into());
            line.insert("span_id".to_owned(), span_id.into());
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Writes fields into the line.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    /// Lines of libraries that log in the older way bring their place along as fields.
    fn put(&mut self, field: &Field, value: Value) {
        match field.name().strip_prefix("log.") {
            None => _ = self.0.insert(field.name().to_owned(), value),
            Some("target") => _ = self.0.insert("target".to_owned(), value),
            Some(_) => {}
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::trace::{TraceContext, Tracer};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged meanwhile.
    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt().event_format(JsonLine).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_an_object_with_its_fields() {
        let logged = lines(|| tracing::warn!(users = 3, slot = "a \"quoted\"\nword", open = true, "some are\nodd"));
        let [line] = &logged[..] else { panic!("{logged:?}") };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "presence_gateway::telemetry::logs::tests");
        assert_eq!(line["message"], "some are\nodd");
        assert_eq!((&line["users"], &line["slot"], &line["open"]), (&3.into(), &"a \"quoted\"\nword".into(), &true.into()));
        let timestamp: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(timestamp.as_second() > 1_700_000_000);
        assert_eq!(line.get("trace_id"), None);
    }

    #[test]
    fn a_line_within_a_traced_step_names_it() {
        let tracer = Tracer::unsent(100);
        let from = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let step = tracer.go_on(from, "push").unwrap();
        let logged = lines(|| {
            let entered = step.enter();
            tracing::info!("inside");
            drop(entered);
            tracing::info!("outside");
        });
        let written = step.context().to_string();
        let inside = format!("00-{}-{}-01", logged[0]["trace_id"].as_str().unwrap(), logged[0]["span_id"].as_str().unwrap());
        assert_eq!(inside, written);
        assert_eq!((logged[1].get("trace_id"), logged[1].get("span_id")), (None, None));
    }
}
