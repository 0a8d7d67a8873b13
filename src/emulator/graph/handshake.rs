//! Before a subscription holds, each of its addresses must answer with the token it is sent.

use std::time::Duration;

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use uuid::Uuid;

use super::refusal::Refusal;
use super::state::Emulator;

const DEADLINE: Duration = Duration::from_secs(10);

/// Posts a validation token to the address; refuses unless it comes back decoded, as plain text, with 200, in time.
pub async fn check_reachable(emulator: &Emulator, url: &str) -> Result<(), Refusal> {
    let token = validation_token();
    let mut url = Url::parse(url).map_err(|_| failed("The notification URL is not valid."))?;
    url.query_pairs_mut().append_pair("validationToken", &token);
    let request = emulator.http.post(url).header(header::CONTENT_TYPE, "text/plain; charset=utf-8").body("").timeout(DEADLINE);
    let exchange = async {
        let response = request.send().await.map_err(|error| why(&error))?;
        let status = response.status();
        let content_type =
            response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
        let body = response.text().await.map_err(|error| why(&error))?;
        if status.as_u16() != StatusCode::OK.as_u16() {
            return Err(failed(format!(
                "Subscription validation request failed. Notification endpoint must respond \
                        with 200 OK to validation request, it responded with {}.",
                status.as_u16()
            )));
        }
        if !content_type.is_some_and(|value| value.starts_with("text/plain")) {
            return Err(failed(
                "Subscription validation request failed. Notification endpoint \
                        must respond with content type text/plain.",
            ));
        }
        if body != token {
            return Err(failed(
                "Subscription validation request failed. Notification endpoint \
                        must respond with the decoded validation token.",
            ));
        }
        Ok(())
    };
    tokio::select! {
        outcome = exchange => outcome,
        () = emulator.stopping.cancelled() => Err(failed("The emulator is stopping.")),
    }
}

/// Text with blanks, colons, a plus and an equals sign, so that an answer decoded too little or too often shows.
fn validation_token() -> String {
    let seal = STANDARD.encode(Uuid::new_v4());
    format!(
        "Validation: Testing client application reachability \
            for subscription Request-Id: {} +{seal}",
        Uuid::new_v4()
    )
}

fn why(error: &reqwest::Error) -> Refusal {
    failed(if error.is_timeout() {
        "Subscription validation request timed out."
    } else {
        "Subscription validation request failed. The notification endpoint cannot be reached."
    })
}

fn failed(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ValidationError", message)
}
