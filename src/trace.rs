//! Follows single changes through the gateway, from where they come in to where they arrive, by OpenTelemetry's spans.
//!
//! Whether a change is followed is decided once, where it comes in; from then on its [`TraceContext`] lies in its row of each queue. Of
//! a change that is not followed there is none, and whoever handles it makes no span: that costs a look at an empty column. Nobody
//! outside can have a change followed: a `traceparent` that comes with a request is not looked at.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{
    FutureExt, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider,
};
use opentelemetry::{Context, ContextGuard, KeyValue, Value};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use uuid::Uuid;

/// Where a receiver takes spans, behind its address.
const PATH: &str = "v1/traces";
/// How long the last spans may take to leave when the gateway stops.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// A change that is followed, and the span that its next step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
}

impl TraceContext {
    /// Reads what a row holds; `None`: nothing that this version understands.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (trace, span) = traceparent.strip_prefix("00-")?.strip_suffix("-01")?.split_once('-')?;
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits(trace, 32) || !digits(span, 16) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span })
    }

    fn remote(self) -> SpanContext {
        SpanContext::new(self.trace, self.span, TraceFlags::SAMPLED, true, TraceState::NONE)
    }
}

impl Display for TraceContext {
    /// As W3C's `traceparent` writes it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

/// The spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to telemetry.otlp_endpoint")]
pub struct TraceError(#[from] ExporterBuildError);

/// Begins and goes on with traces; clones send together.
#[derive(Clone, Debug)]
pub struct Tracer(Option<Arc<Sending>>);

#[derive(Debug)]
struct Sending {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    percent: u8,
}

impl Tracer {
    /// Follows nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Follows so many of a hundred changes, and sends what it sees, over OTLP, to the receiver at `endpoint`.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn sending(endpoint: &str, percent: u8, instance: Uuid) -> Result<Self, TraceError> {
        let endpoint = format!("{}/{PATH}", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(endpoint).build()?;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "presence-gateway"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_string()),
        ]);
        // Only spans of changes that are followed are ever begun.
        let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_sampler(Sampler::AlwaysOn);
        let provider = provider.with_batch_exporter(exporter).build();
        let tracer = provider.tracer("presence-gateway");
        Ok(Self(Some(Arc::new(Sending { tracer, provider, percent }))))
    }

    /// Follows so many of a hundred changes, and sends nothing anywhere.
    #[cfg(test)]
    pub(crate) fn unsent(percent: u8) -> Self {
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
        Self(Some(Arc::new(Sending { tracer: provider.tracer("presence-gateway"), provider, percent })))
    }

    /// A change comes in: decides whether it is followed, and begins its trace.
    #[must_use]
    pub fn begin(&self, name: &'static str) -> Option<Span> {
        let sending = self.0.as_ref()?;
        (fastrand::u8(0..100) < sending.percent).then(|| self.start(sending, name, SpanKind::Server, &Context::new()))
    }

    /// The next step of a change, if it is followed.
    #[must_use]
    pub fn go_on(&self, from: Option<TraceContext>, name: &'static str) -> Option<Span> {
        let parent = Context::new().with_remote_span_context(from?.remote());
        Some(self.start(self.0.as_ref()?, name, SpanKind::Consumer, &parent))
    }

    fn start(&self, sending: &Sending, name: &'static str, kind: SpanKind, parent: &Context) -> Span {
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        let span = sending.tracer.build_with_context(builder, parent);
        Span(Context::new().with_span(span).with_value(self.clone()))
    }

    /// Sends what has ended and not been sent. Takes its time: not for threads that others wait for.
    pub fn flush_and_stop(&self) {
        let Some(sending) = &self.0 else { return };
        if let Err(error) = sending.provider.shutdown_with_timeout(FLUSH_MAX) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// A step of a change that is followed; ends when it is dropped.
#[derive(Debug)]
pub struct Span(Context);

impl Span {
    /// What the change's next row is to hold.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        let span = self.0.span();
        TraceContext { trace: span.span_context().trace_id(), span: span.span_context().span_id() }
    }

    /// Notes something; never what is personal.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        self.0.span().set_attribute(KeyValue::new(key, value));
    }

    /// The step failed.
    pub fn fail(&self, why: String) {
        self.0.span().set_status(Status::error(why));
    }

    /// This step and another were taken together.
    pub fn link(&self, other: TraceContext) {
        self.0.span().add_link(other.remote(), Vec::new());
    }

    /// What happens until the guard is dropped, without waiting, belongs to this step.
    #[must_use]
    pub fn enter(&self) -> ContextGuard {
        self.0.clone().attach()
    }
}

/// Lets what a future does belong to this step, if there is one.
pub async fn within<F: Future>(span: Option<&Span>, future: F) -> F::Output {
    match span {
        Some(span) => future.with_context(span.0.clone()).await,
        None => future.await,
    }
}

/// A call to another system, if the step under way is followed.
#[must_use]
pub fn call(name: &'static str, what: &'static str) -> Option<Span> {
    let under_way = Context::map_current(|current| current.has_active_span().then(|| current.clone()))?;
    let tracer = under_way.get::<Tracer>()?;
    let span = tracer.start(tracer.0.as_ref()?, name, SpanKind::Client, &under_way);
    span.set("call", what);
    Some(span)
}

/// Notes something about the step under way, if it is followed.
pub fn note(key: &'static str, value: impl Into<Value>) {
    Context::map_current(|current| {
        if current.has_active_span() {
            current.span().set_attribute(KeyValue::new(key, value));
        }
    });
}

/// The trace and the span under way, as text.
#[must_use]
pub fn ids() -> Option<(String, String)> {
    Context::map_current(|current| {
        let span = current.has_active_span().then(|| current.span())?;
        let context = span.span_context();
        Some((format!("{:032x}", context.trace_id()), format!("{:016x}", context.span_id())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        assert_eq!(TraceContext::parse(WRITTEN).unwrap().to_string(), WRITTEN);
        for broken in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(TraceContext::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn switched_off_nothing_is_ever_followed() {
        let tracer = Tracer::off();
        assert!(tracer.begin("webhook").is_none());
        assert!(tracer.go_on(TraceContext::parse(WRITTEN), "decide").is_none(), "not even what another gateway follows");
        assert!(call("graph", "presences").is_none());
        assert_eq!(ids(), None);
    }

    #[test]
    fn whether_a_change_is_followed_is_decided_by_share() {
        let check = |percent, expected: std::ops::RangeInclusive<usize>| {
            let tracer = Tracer::unsent(percent);
            let followed = (0..1000).filter(|_| tracer.begin("webhook").is_some()).count();
            assert!(expected.contains(&followed), "{percent} %: {followed}");
        };
        check(0, 0..=0);
        check(5, 10..=120);
        check(100, 1000..=1000);
    }

    #[tokio::test]
    async fn calls_belong_to_the_step_under_way() {
        let tracer = Tracer::unsent(100);
        let step = tracer.go_on(TraceContext::parse(WRITTEN), "push").unwrap();
        let (call_ids, step_ids) =
            within(Some(&step), async { (within(call("graph", "batch").as_ref(), async { ids() }).await, ids()) }).await;
        let (call_trace, call_span) = call_ids.unwrap();
        let (step_trace, step_span) = step_ids.unwrap();
        assert_eq!((call_trace.as_str(), &call_trace), ("0af7651916cd43dd8448eb211c80319c", &step_trace));
        assert_ne!(call_span, step_span);
        assert_eq!(ids(), None);
        assert_eq!(step.context().to_string(), format!("00-{step_trace}-{step_span}-01"));
    }
}
