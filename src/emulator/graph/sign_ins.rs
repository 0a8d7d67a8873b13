//! The authorization code flow: a browser comes with a question, the control API plays the person, the browser leaves with a code.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::control::parse;
use super::refusal::{EntraRefusal, Refusal};
use super::state::{Emulator, World};
use super::tokens::{Form, Scopes, SignedIn, check_client, check_tenant, random_text};

/// Entra says *about ten minutes*.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What there is to sign in with a browser.
#[derive(Default)]
pub struct Browsers {
    /// As registered for the app.
    redirect_uris: BTreeSet<String>,
    /// Whose accounts sign in elsewhere.
    federated_domains: BTreeSet<String>,
    waiting: HashMap<Uuid, Question>,
    codes: HashMap<String, Code>,
}

/// A browser that waits for its person.
#[derive(Clone)]
struct Question {
    redirect_uri: String,
    scopes: Scopes,
    state: Option<String>,
    nonce: Option<String>,
    /// As `S256` makes it.
    challenge: Option<String>,
}

struct Code {
    user: Uuid,
    question: Question,
    expires_at: Timestamp,
    used: bool,
}

type Asked = HashMap<String, String>;

/// `GET /{tenant}/oauth2/v2.0/authorize`: the page on which a person would sign in.
pub async fn authorize(
    State(emulator): State<Arc<Emulator>>,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let outcome = emulator.look(|world| ask(&emulator, world, &tenant, &asked));
    match outcome {
        Ok(Ok(id)) => {
            let text = format!(
                "<!doctype html><title>Sign in (emulated)</title><p>Play the person: POST /control/sign-ins/{id}/approve or .../deny, \
                 and go where the answer says.</p>"
            );
            ([(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
        }
        Ok(Err(address)) => (StatusCode::FOUND, [(header::LOCATION, address)]).into_response(),
        // Whoever may not be sent back is shown the refusal.
        Err(refusal) => {
            let told = refusal.shown();
            (StatusCode::BAD_REQUEST, Html(format!("<!doctype html><title>Sign in (emulated)</title><p>{told}</p>")))
                .into_response()
        }
    }
}

/// The waiting browser; inside, where it is sent back to with a refusal; outside, why it stays here.
fn ask(emulator: &Emulator, world: &mut World, tenant: &str, asked: &Asked) -> Result<Result<Uuid, String>, EntraRefusal> {
    check_tenant(emulator, tenant)?;
    check_client(emulator, &Form::of(asked))?;
    let get = |name: &str| asked.get(name).filter(|value| !value.is_empty()).cloned();
    let redirect_uri = get("redirect_uri").unwrap_or_default();
    if !world.browsers.redirect_uris.contains(&redirect_uri) {
        let message =
            "The redirect URI specified in the request does not match the redirect URIs configured for the application.";
        return Err(EntraRefusal::new("invalid_request", 50_011, message));
    }
    let question = Question {
        scopes: Scopes(get("scope").unwrap_or_default()),
        state: get("state"),
        nonce: get("nonce"),
        challenge: get("code_challenge"),
        redirect_uri,
    };
    let wrong = match (get("response_type").as_deref(), get("response_mode").as_deref().unwrap_or("query")) {
        _ if !question.scopes.allow("openid") => Some("scope must contain openid"),
        (Some("code"), "query") if question.challenge.is_some() == (get("code_challenge_method").as_deref() == Some("S256")) => {
            None
        }
        (Some("code"), "query") => Some("code_challenge wants code_challenge_method S256"),
        _ => Some("only response_type code and response_mode query are emulated"),
    };
    if let Some(wrong) = wrong {
        return Ok(Err(question.back(&[("error", "invalid_request"), ("error_description", wrong)])));
    }
    let id = Uuid::new_v4();
    world.browsers.waiting.insert(id, question);
    Ok(Ok(id))
}

impl Question {
    fn back(&self, told: &[(&str, &str)]) -> String {
        let state = self.state.iter().map(|state| ("state", state.as_str()));
        let told = told.iter().copied().chain(state);
        Url::parse_with_params(&self.redirect_uri, told).map_or_else(|_| self.redirect_uri.clone(), Into::into)
    }
}

/// Who signed in, once, for whoever knows the verifier and comes from the same address.
pub fn redeem_code(world: &mut World, form: &Form, proved: bool, now: Timestamp) -> Result<SignedIn, EntraRefusal> {
    let refused = |number, message: &str| EntraRefusal::new("invalid_grant", number, message);
    let code = world.browsers.codes.get_mut(form.require("code")?);
    let code = code.ok_or_else(|| refused(9_002_313, "Invalid request. Request is malformed or invalid."))?;
    if !proved {
        let message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(EntraRefusal::new("invalid_client", 7_000_218, message));
    }
    if code.used {
        return Err(refused(54_005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code."));
    }
    if code.expires_at <= now {
        return Err(refused(70_008, "The provided authorization code or refresh token has expired due to inactivity."));
    }
    if form.require("redirect_uri")? != code.question.redirect_uri {
        return Err(refused(50_011, "The redirect URI does not match the one the code was asked for with."));
    }
    let made = form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())));
    if made != code.question.challenge {
        return Err(refused(
            501_481,
            "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
        ));
    }
    code.used = true;
    let Question { scopes, nonce, .. } = code.question.clone();
    Ok(SignedIn { user: code.user, scopes, nonce, confidential: true })
}

/// `PUT /control/redirect-uris`
pub async fn put_redirect_uris(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let uris = parse(&body)?;
    emulator.look(|world| world.browsers.redirect_uris = uris);
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /control/federated-domains`
pub async fn put_federated_domains(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let domains: Vec<String> = parse(&body)?;
    let domains = domains.iter().map(|domain| domain.to_lowercase()).collect();
    emulator.look(|world| world.browsers.federated_domains = domains);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /control/sign-ins`
pub async fn waiting(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    emulator.look(|world| {
        let waiting = world.browsers.waiting.iter();
        Json(
            waiting
                .map(|(id, question)| json!({ "id": id, "scope": question.scopes.0, "redirect_uri": question.redirect_uri }))
                .collect(),
        )
    })
}

#[derive(Deserialize)]
struct Person {
    #[serde(alias = "userPrincipalName")]
    user_principal_name: String,
}

/// `POST /control/sign-ins/{id}/approve`
pub async fn approve(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let person: Person = parse(&body)?;
    let now = emulator.now();
    emulator.look(|world| {
        let user = world.user_by_name(&person.user_principal_name).ok_or_else(|| Refusal::not_found("No such user."))?;
        let question = world.browsers.waiting.remove(&id).ok_or_else(nobody)?;
        let (code, expires_at) = (format!("1.{}", random_text()), now + CODE_LIFE);
        let address = question.back(&[("code", &code), ("session_state", "emulated")]);
        world.browsers.codes.insert(code, Code { user, question, expires_at, used: false });
        Ok(Json(json!({ "redirect_to": address })))
    })
}

#[derive(Deserialize)]
struct Denial {
    error: Option<String>,
}

/// `POST /control/sign-ins/{id}/deny`
pub async fn deny(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let denial: Option<Denial> = parse(&body)?;
    let error = denial.and_then(|denial| denial.error).unwrap_or_else(|| "access_denied".to_owned());
    let description = "AADSTS65004: User declined to consent to access the app.";
    emulator.look(|world| {
        let question = world.browsers.waiting.remove(&id).ok_or_else(nobody)?;
        Ok(Json(json!({ "redirect_to": question.back(&[("error", &error), ("error_description", description)]) })))
    })
}

fn nobody() -> Refusal {
    Refusal::not_found("No browser waits under this id.")
}

/// `GET /common/userrealm/{user_principal_name}`: how such an account signs in.
pub async fn realm(
    State(emulator): State<Arc<Emulator>>,
    Path((_, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    if asked.get("api-version").map(String::as_str) != Some("1.0") {
        return Err(Refusal::bad_request("api-version must be 1.0."));
    }
    let domain = name.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default();
    let kind = emulator.look(|world| {
        if world.browsers.federated_domains.contains(&domain) {
            return "Federated";
        }
        if world.user_by_name(&name).is_some() { "Managed" } else { "Unknown" }
    });
    let mut body =
        json!({ "ver": "1.0", "account_type": kind, "domain_name": domain, "cloud_instance_name": "microsoftonline.com" });
    if kind == "Federated" {
        body["federation_protocol"] = Value::from("WSTrust");
        body["federation_active_auth_url"] = Value::from(format!("https://adfs.{domain}/adfs/services/trust/2005/usernamemixed"));
    }
    Ok(Json(body))
}

impl Browsers {
    /// Drops codes that are long past.
    pub fn forget_expired(&mut self, now: Timestamp) {
        self.codes.retain(|_, code| code.expires_at + SignedDuration::from_hours(24) > now);
    }
}
