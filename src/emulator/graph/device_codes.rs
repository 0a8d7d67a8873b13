//! The device code flow: a person types a short code elsewhere while the app keeps asking.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::refusal::EntraRefusal;
use super::state::{Emulator, World};
use super::tokens::{Form, Scopes, TokenLedger, check_client, check_tenant, random_text};

const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// No letters that look like others or make words.
const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// One attempt to sign in.
pub struct DeviceCode {
    pub user_code: String,
    pub expires_at: Timestamp,
    pub verdict: Verdict,
    scopes: Scopes,
    interval: SignedDuration,
    asked_at: Option<Timestamp>,
}

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pending,
    Approved(Uuid),
    Denied,
    /// The tokens were fetched.
    Used,
}

/// `POST /{tenant}/oauth2/v2.0/devicecode`
pub async fn begin(State(emulator): State<Arc<Emulator>>, Path(tenant): Path<String>, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let now = emulator.now();
    let outcome = emulator.look(|world| issue(&emulator, world, &tenant, &form, now));
    match outcome {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refusal.into_response(now),
    }
}

fn issue(emulator: &Emulator, world: &mut World, tenant: &str, form: &Form, now: Timestamp) -> Result<Value, EntraRefusal> {
    check_tenant(emulator, tenant)?;
    check_client(emulator, form)?;
    let interval_seconds = emulator.options.device_code_interval_seconds;
    let device = DeviceCode {
        user_code: user_code(),
        expires_at: now + LIFETIME,
        verdict: Verdict::Pending,
        scopes: Scopes(form.require("scope")?.to_owned()),
        interval: SignedDuration::from_secs(interval_seconds.into()),
        asked_at: None,
    };
    let device_code = random_text();
    let verification_uri = "https://microsoft.com/devicelogin";
    let user_code = &device.user_code;
    let message = format!(
        "To sign in, use a web browser to open the page {verification_uri} and enter the code {user_code} to authenticate."
    );
    let body = json!({
        "user_code": user_code, "device_code": device_code, "verification_uri": verification_uri,
        "expires_in": LIFETIME.as_secs(), "interval": interval_seconds, "message": message,
    });
    world.tokens.devices.insert(device_code, device);
    Ok(body)
}

fn user_code() -> String {
    let letter = |byte: &u8| char::from(USER_CODE_LETTERS[usize::from(*byte) % USER_CODE_LETTERS.len()]);
    // The seventh and ninth byte of a random UUID are not all random.
    Uuid::new_v4().as_bytes().iter().rev().take(7).chain(Uuid::new_v4().as_bytes().iter().take(2)).map(letter).collect()
}

impl TokenLedger {
    /// The user who approved and the scopes, once; until then why not.
    pub fn redeem_device_code(&mut self, code: &str, now: Timestamp) -> Result<(Uuid, Scopes), EntraRefusal> {
        let unknown = || EntraRefusal::new("bad_verification_code", 70_000, "The device_code is invalid or malformed.");
        let device = self.devices.get_mut(code).ok_or_else(unknown)?;
        if device.expires_at <= now && device.verdict != Verdict::Used {
            return Err(EntraRefusal::new("expired_token", 70_020, "The provided device code has expired."));
        }
        let asked_before = device.asked_at.replace(now);
        match device.verdict {
            Verdict::Approved(user) => {
                device.verdict = Verdict::Used;
                Ok((user, device.scopes.clone()))
            }
            Verdict::Denied => {
                Err(EntraRefusal::new("authorization_declined", 70_018, "The user declined the authorization request."))
            }
            Verdict::Used => Err(EntraRefusal::new(
                "invalid_grant",
                54_005,
                "OAuth2 device code was already redeemed, please retry with a new valid code.",
            )),
            Verdict::Pending if asked_before.is_some_and(|before| now.duration_since(before) < device.interval) => {
                device.interval += SignedDuration::from_secs(5);
                Err(EntraRefusal::new("slow_down", 70_019, "Too many requests for this device code. Poll less often."))
            }
            Verdict::Pending => {
                let message = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
                Err(EntraRefusal::new("authorization_pending", 70_016, message))
            }
        }
    }

    /// Answers for the person; `false` where the code is unknown, expired or answered already.
    pub fn decide_device_code(&mut self, user_code: &str, verdict: Verdict, now: Timestamp) -> bool {
        let open = |device: &&mut DeviceCode| {
            device.user_code.eq_ignore_ascii_case(user_code) && device.verdict == Verdict::Pending && device.expires_at > now
        };
        let device = self.devices.values_mut().find(open);
        device.map(|device| device.verdict = verdict).is_some()
    }
}
