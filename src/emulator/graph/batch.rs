//! `POST /v1.0/$batch`: up to 20 requests in one, each through the same router as if it came alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::state::Emulator;

const MAX_ITEMS: usize = 20;
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The whole router, lent to the batch.
#[derive(Clone)]
pub struct Whole(Next);

/// Marks a request that is part of a batch.
#[derive(Clone, Copy)]
pub struct Part;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Option<Vec<String>>,
}

/// Lends the router beneath to the batch.
pub async fn lend_router(mut request: Request, next: Next) -> Response {
    if request.uri().path() == "/v1.0/$batch" {
        request.extensions_mut().insert(Whole(next.clone()));
    }
    next.run(request).await
}

/// `POST /v1.0/$batch`: the order is Graph's to choose, so the last is done and answered first.
pub async fn evaluate(
    State(emulator): State<Arc<Emulator>>,
    router: Option<Extension<Whole>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    emulator.caller(&headers)?;
    let Some(Extension(Whole(router))) = router else {
        return Err(Refusal::bad_request("A batch cannot be part of a batch."));
    };
    let batch: Batch = serde_json::from_slice(&body).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", format!("Invalid batch payload format: {error}."))
    })?;
    batch.check()?;
    let mut responses = Vec::with_capacity(batch.requests.len());
    for item in batch.requests.iter().rev() {
        let response = match item.request(&headers) {
            Ok(request) => router.clone().run(request).await,
            Err(refusal) => refusal.into_response(),
        };
        responses.push(answer(&item.id, response).await);
    }
    Ok(Json(json!({ "responses": responses })))
}

impl Batch {
    /// What Graph refuses as a whole.
    fn check(&self) -> Result<(), Refusal> {
        let refuse = |code: &str, message: String| Err(Refusal::new(StatusCode::BAD_REQUEST, code, message));
        if self.requests.is_empty() {
            return refuse("BadRequest", "Invalid batch payload format: no requests.".to_owned());
        }
        if self.requests.len() > MAX_ITEMS {
            let message = format!("Number of batch request steps exceeds the maximum value of {MAX_ITEMS}.");
            return refuse("MaximumValueExceeded", message);
        }
        let mut ids = BTreeSet::new();
        for item in &self.requests {
            if item.id.is_empty() || !ids.insert(item.id.to_ascii_lowercase()) {
                return refuse("BadRequest", format!("Request id '{}' is missing or not unique in the batch.", item.id));
            }
            if item.depends_on.as_ref().is_some_and(|others| !others.is_empty()) {
                return refuse("BadRequest", format!("Request id '{}': this emulator knows no dependsOn.", item.id));
            }
            if item.writes() && (item.body.is_none() || item.content_type().is_none()) {
                let message = format!("Write request id : {} does not contain Content-Type header or body.", item.id);
                return refuse("BadRequest", message);
            }
        }
        Ok(())
    }
}

impl Item {
    fn writes(&self) -> bool {
        ["POST", "PATCH", "PUT"].iter().any(|method| self.method.eq_ignore_ascii_case(method))
    }

    fn content_type(&self) -> Option<&str> {
        let named = |(name, _): &(&String, &String)| name.eq_ignore_ascii_case("content-type");
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// The request as it would come alone, but with the authorization of the batch.
    fn request(&self, batch: &HeaderMap) -> Result<Request, Refusal> {
        let mut request = Request::new(Body::from(self.bytes()?));
        *request.method_mut() = Method::from_bytes(self.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Refusal::bad_request(format!("'{}' is no method.", self.method)))?;
        *request.uri_mut() = self.uri()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            let header = name.zip(HeaderValue::from_str(value).ok());
            let (name, value) = header.ok_or_else(|| Refusal::bad_request("A header of the request is malformed."))?;
            request.headers_mut().insert(name, value);
        }
        request.headers_mut().remove(header::AUTHORIZATION);
        request.headers_mut().extend(batch.get(header::AUTHORIZATION).map(|value| (header::AUTHORIZATION, value.clone())));
        request.extensions_mut().insert(Part);
        Ok(request)
    }

    /// Relative to the version, with or without a leading slash.
    fn uri(&self) -> Result<Uri, Refusal> {
        let invalid = || Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", format!("Invalid request URL '{}'.", self.url));
        if self.url.contains("://") {
            return Err(invalid());
        }
        format!("/v1.0/{}", self.url.trim_start_matches('/')).parse().map_err(|_| invalid())
    }

    /// JSON as it is; anything else is a text in base64.
    fn bytes(&self) -> Result<Vec<u8>, Refusal> {
        let is_json = self.content_type().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        match &self.body {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if !is_json => {
                STANDARD.decode(text).map_err(|_| Refusal::bad_request("The body of the request is not in base64."))
            }
            Some(body) => Ok(body.to_string().into_bytes()),
        }
    }
}

/// One answer of the batch: `headers` are the item's own.
async fn answer(id: &str, response: Response) -> Value {
    let (head, body) = response.into_parts();
    let mut headers = Map::new();
    for (name, spelled) in [(header::CONTENT_TYPE, "Content-Type"), (header::RETRY_AFTER, "Retry-After")] {
        if let Some(value) = head.headers.get(name).and_then(|value| value.to_str().ok()) {
            headers.insert(spelled.to_owned(), Value::from(value));
        }
    }
    let bytes = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    json!({ "id": id, "status": head.status.as_u16(), "headers": headers, "body": body })
}
