//! A receiver of traces as operators have one: takes OTLP over HTTP and keeps what it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Bytes>>>);

pub struct Receiver {
    pub address: String,
    kept: Kept,
    stop: CancellationToken,
}

/// A span, as far as stories speak of it.
#[derive(Clone, Debug)]
pub struct Told {
    pub name: String,
    pub trace: String,
    pub span: String,
    /// Empty: a trace begins here.
    pub parent: String,
    /// The spans it is linked to.
    pub links: Vec<String>,
    pub is_error: bool,
    attributes: Vec<(String, String)>,
}

impl Told {
    fn of(span: Span) -> Self {
        let text = |value: Option<Value>| match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::BoolValue(flag)) => flag.to_string(),
            other => panic!("{other:?}"),
        };
        let attributes = span.attributes.into_iter().map(|one| (one.key, text(one.value.and_then(|value| value.value))));
        Self {
            name: span.name,
            trace: hex(&span.trace_id),
            span: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            is_error: span.status.is_some_and(|status| status.code == 2),
            attributes: attributes.collect(),
        }
    }

    pub fn get(&self, key: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (kept, stop) = (Kept::default(), CancellationToken::new());
        let router = Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        let stopped = stop.clone().cancelled_owned();
        TaskTracker::new().spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Self { address, kept, stop }
    }

    /// Everything that was told, as text; ids are numbers in it.
    pub fn text(&self) -> String {
        let kept = self.kept.0.lock().unwrap();
        let told: Vec<_> = kept.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap()).collect();
        format!("{told:?}")
    }

    pub fn spans(&self) -> Vec<Told> {
        let mut spans = Vec::new();
        for body in self.kept.0.lock().unwrap().iter() {
            for resource in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
                let named = resource.resource.unwrap().attributes;
                assert!(named.iter().any(|one| one.key == "service.name"), "{named:?}");
                let scopes = resource.scope_spans.into_iter();
                spans.extend(scopes.flat_map(|scope| scope.spans).map(Told::of));
            }
        }
        spans
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn take(State(kept): State<Kept>, body: Bytes) -> (StatusCode, [(header::HeaderName, &'static str); 1], Vec<u8>) {
    kept.0.lock().unwrap().push(body);
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/x-protobuf")], answer)
}
