//! The document of the admin API and a page that shows it; and the headers that keep browsers from mischief.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Nothing of ours is to be shown as a page, framed, or to load anything.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The page shows itself and asks this gateway; its styles stand in its elements.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn router<S: Clone + Send + Sync + 'static>(document: OpenApi) -> Router<S> {
    // Nobody else's server is asked whether the document is right.
    let config = Config::from("/openapi.json").validator_url("none").use_base_layout();
    let page = Router::from(SwaggerUi::new("/docs").config(config));
    page.route("/openapi.json", get(async move || Json(document)))
}

/// Adds to every answer what browsers should know.
pub async fn secure(request: Request, next: Next) -> Response {
    let is_page = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await.into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CONTENT_SECURITY_POLICY, if is_page { PAGE } else { NOTHING });
    response
}
