//! Entra ID's token endpoint: what it grants, to whom, for how long, and how it refuses.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::device_codes::DeviceCode;
use super::refusal::{EntraRefusal, Refusal};
use super::sign_ins;
use super::state::{Emulator, World};

/// What the app registration has been consented to.
const APPLICATION_PERMISSIONS: [&str; 3] = ["User.Read.All", "Presence.Read.All", "Presence.ReadWrite.All"];
/// `expires_in` of every access token.
pub const ACCESS_TOKEN_SECONDS: i64 = 3599;
/// A refresh token nobody uses dies after this.
const REFRESH_IDLE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// A refresh token that was exchanged goes on working for this.
const SUPERSEDED_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// Every token given out that may still come back.
#[derive(Default)]
pub struct TokenLedger {
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    pub devices: HashMap<String, DeviceCode>,
    /// `jti` of assertions that were used, until they expire.
    pub used_assertions: HashMap<String, Timestamp>,
}

/// For whom a request speaks.
#[derive(Clone, Debug)]
pub enum Caller {
    App,
    Delegated { user: Uuid, scopes: Scopes },
}

/// A valid access token's bearer.
#[derive(Clone, Debug)]
pub struct Access {
    pub who: Caller,
    pub expires_at: Timestamp,
}

struct Refresh {
    user: Uuid,
    scopes: Scopes,
    /// Whoever uses it must prove to be the app.
    confidential: bool,
    expires_at: Timestamp,
    revoked: Option<Revoked>,
}

/// Why a refresh token stopped working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The password was changed or the tokens were revoked: AADSTS50173.
    Credentials,
    /// Conditional access wants a fresh sign-in: AADSTS50078.
    SignInFrequency,
    /// The consent was withdrawn: AADSTS65001.
    Consent,
}

/// What a delegated token was asked for, space-separated.
#[derive(Clone, Debug)]
pub struct Scopes(pub String);

impl Scopes {
    /// Whether a Graph permission, or an OpenID scope, was asked for.
    pub fn allow(&self, permission: &str) -> bool {
        let short = |scope: &str| scope.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(permission));
        self.0.split_whitespace().any(|scope| short(scope) || (permission.contains('.') && scope.ends_with("/.default")))
    }
}

/// Somebody who has signed in.
pub struct SignedIn {
    pub user: Uuid,
    pub scopes: Scopes,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// Whether it was an app that proved itself to which they did.
    pub confidential: bool,
}

/// A form as clients post it.
pub struct Form(HashMap<String, String>);

impl Form {
    pub fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub fn of(fields: &HashMap<String, String>) -> Self {
        Self(fields.clone())
    }

    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn require(&self, field: &str) -> Result<&str, EntraRefusal> {
        let missing = || {
            EntraRefusal::new(
                "invalid_request",
                900_144,
                format!("The request body must contain the following parameter: '{field}'."),
            )
        };
        self.get(field).ok_or_else(missing)
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub async fn token(State(emulator): State<Arc<Emulator>>, Path(tenant): Path<String>, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let now = emulator.now();
    let outcome = emulator.look(|world| {
        let named = form.get("grant_type").unwrap_or("none").rsplit(':').next().unwrap_or("none").to_owned();
        *world.requests.grants.entry(named).or_default() += 1;
        grant(&emulator, world, &tenant, &form, now)
    });
    match outcome {
        Ok(body) => ([(header::CACHE_CONTROL, "no-store, no-cache")], Json(body)).into_response(),
        Err(refusal) => refusal.into_response(now),
    }
}

fn grant(emulator: &Emulator, world: &mut World, tenant: &str, form: &Form, now: Timestamp) -> Result<Value, EntraRefusal> {
    check_tenant(emulator, tenant)?;
    check_client(emulator, form)?;
    match form.require("grant_type")? {
        "client_credentials" => {
            if !emulator.authenticate(world, tenant, form, now)? {
                let message =
                    "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.";
                return Err(EntraRefusal::new("invalid_client", 7_000_216, message));
            }
            app_only(world, form.require("scope")?, now)
        }
        "refresh_token" => {
            let proved = emulator.authenticate(world, tenant, form, now)?;
            let signed_in = world.tokens.redeem_refresh(form, proved, now)?;
            delegated(emulator, world, &signed_in, now)
        }
        "authorization_code" => {
            let proved = emulator.authenticate(world, tenant, form, now)?;
            let signed_in = sign_ins::redeem_code(world, form, proved, now)?;
            delegated(emulator, world, &signed_in, now)
        }
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => {
            emulator.authenticate(world, tenant, form, now)?;
            let (user, scopes) = world.tokens.redeem_device_code(form.require("device_code")?, now)?;
            delegated(emulator, world, &SignedIn { user, scopes, nonce: None, confidential: false }, now)
        }
        other => Err(EntraRefusal::new(
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{other}'."),
        )),
    }
}

/// The answer to an app that speaks for itself.
fn app_only(world: &mut World, scope: &str, now: Timestamp) -> Result<Value, EntraRefusal> {
    if !scope.ends_with("/.default") {
        let message = "The provided value for scope is not valid. Client credential flows must have a scope value with \
                       /.default suffixed to the resource identifier.";
        return Err(EntraRefusal::new("invalid_scope", 1_002_012, message));
    }
    Ok(json!({
        "token_type": "Bearer", "expires_in": ACCESS_TOKEN_SECONDS, "ext_expires_in": ACCESS_TOKEN_SECONDS,
        "access_token": world.grant_access(Caller::App, now),
    }))
}

/// The answer to a user's sign-in or its continuation: access token, and what the scopes add.
fn delegated(emulator: &Emulator, world: &mut World, signed_in: &SignedIn, now: Timestamp) -> Result<Value, EntraRefusal> {
    let SignedIn { user, scopes, .. } = signed_in;
    let user = *user;
    let account = world
        .users
        .get(&user)
        .ok_or_else(|| EntraRefusal::new("invalid_grant", 50_034, "The user account does not exist in the directory."))?;
    if !account.is_enabled() {
        return Err(EntraRefusal::new("invalid_grant", 50_057, "The user account is disabled."));
    }
    let name = account.text("userPrincipalName").unwrap_or_default().to_owned();
    let display_name = account.text("displayName").unwrap_or_default().to_owned();
    let who = Caller::Delegated { user, scopes: scopes.clone() };
    let mut body = json!({
        "token_type": "Bearer", "scope": scopes.0, "expires_in": ACCESS_TOKEN_SECONDS, "ext_expires_in": ACCESS_TOKEN_SECONDS,
        "access_token": world.grant_access(who, now),
    });
    if scopes.allow("offline_access") {
        body["refresh_token"] = Value::from(world.tokens.grant_refresh(signed_in, now));
    }
    if scopes.allow("openid") {
        let mut claims = id_claims(emulator, signed_in, now);
        if scopes.allow("profile") {
            claims["oid"] = Value::from(user.to_string());
            claims["preferred_username"] = Value::from(name);
            claims["name"] = Value::from(display_name);
        }
        body["id_token"] = Value::from(id_token(world, claims));
    }
    Ok(body)
}

fn id_claims(emulator: &Emulator, signed_in: &SignedIn, now: Timestamp) -> Value {
    let tenant = emulator.options.tenant_id;
    let mut claims = json!({
        "aud": emulator.options.client_id, "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + ACCESS_TOKEN_SECONDS,
        "sub": signed_in.user.simple().to_string(), "tid": tenant, "ver": "2.0",
    });
    if let Some(nonce) = &signed_in.nonce {
        claims["nonce"] = Value::from(nonce.clone());
    }
    claims
}

/// Signed, unless a fault forges it.
fn id_token(world: &World, mut claims: Value) -> String {
    let faults = &world.faults.id_token;
    for (name, value) in &faults.claims {
        claims[name] = value.clone();
    }
    let token = world.signing.current().sign(&claims);
    match token.rsplit_once('.') {
        Some((signed, signature)) if faults.forged => format!("{signed}.{}", signature.chars().rev().collect::<String>()),
        _ => token,
    }
}

/// Users sign in under the tenant's id or the shared names; anything else is another tenant.
pub fn check_tenant(emulator: &Emulator, tenant: &str) -> Result<(), EntraRefusal> {
    let known = Uuid::parse_str(tenant) == Ok(emulator.options.tenant_id) || matches!(tenant, "common" | "organizations");
    if known { Ok(()) } else { Err(EntraRefusal::new("invalid_request", 90_002, format!("Tenant '{tenant}' not found."))) }
}

pub fn check_client(emulator: &Emulator, form: &Form) -> Result<(), EntraRefusal> {
    let client = form.require("client_id")?;
    if Uuid::parse_str(client) == Ok(emulator.options.client_id) {
        return Ok(());
    }
    Err(EntraRefusal::new(
        "unauthorized_client",
        700_016,
        format!("Application with identifier '{client}' was not found in the directory."),
    ))
}

impl Emulator {
    /// Refuses what needs an application permission that a fault withholds.
    pub fn app_may(&self, permission: &str) -> Result<(), Refusal> {
        let withheld = self.look(|world| world.faults.withheld_application.iter().any(|held| held == permission));
        if withheld { Err(Refusal::forbidden("Insufficient privileges to complete the operation.")) } else { Ok(()) }
    }

    /// Whose access token a Graph request carries.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Access, Refusal> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Refusal::unauthenticated("Access token is empty."))?;
        let access = self.look(|world| world.tokens.access.get(token).cloned());
        match access {
            Some(access) if access.expires_at > self.now() => Ok(access),
            Some(_) => Err(Refusal::unauthenticated("Lifetime validation failed, the token is expired.")),
            None => Err(Refusal::unauthenticated("Access token validation failure. Invalid audience.")),
        }
    }
}

impl World {
    /// Shaped like a real one, so that it says what it allows; what it is good for is remembered here.
    fn grant_access(&mut self, who: Caller, now: Timestamp) -> String {
        let withheld = |permission: &&str, list: &[String]| list.iter().any(|held| held.eq_ignore_ascii_case(permission));
        let faults = &self.faults;
        let payload = match &who {
            Caller::App => {
                let roles = APPLICATION_PERMISSIONS.into_iter().filter(|role| !withheld(role, &faults.withheld_application));
                json!({ "idtyp": "app", "roles": roles.collect::<Vec<_>>() })
            }
            Caller::Delegated { scopes, .. } => {
                let names = scopes.0.split_whitespace().filter_map(|scope| scope.rsplit('/').next());
                let granted: Vec<&str> = names.filter(|name| !withheld(name, &faults.withheld_delegated)).collect();
                json!({ "idtyp": "user", "scp": granted.join(" ") })
            }
        };
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let token = format!("{}.{}.{}", part(&json!({ "typ": "JWT", "alg": "RS256" })), part(&payload), random_text());
        let expires_at = now + SignedDuration::from_secs(ACCESS_TOKEN_SECONDS);
        self.tokens.access.insert(token.clone(), Access { who, expires_at });
        token
    }
}

impl TokenLedger {
    fn grant_refresh(&mut self, signed_in: &SignedIn, now: Timestamp) -> String {
        let token = format!("1.{}", random_text());
        let SignedIn { user, scopes, confidential, .. } = signed_in;
        let (expires_at, scopes) = (now + REFRESH_IDLE, scopes.clone());
        let refresh = Refresh { user: *user, scopes, confidential: *confidential, expires_at, revoked: None };
        self.refresh.insert(token.clone(), refresh);
        token
    }

    /// A refresh token's user and the scopes the new tokens get; from now on the old one has only its grace.
    fn redeem_refresh(&mut self, form: &Form, proved: bool, now: Timestamp) -> Result<SignedIn, EntraRefusal> {
        let (token, asked) = (form.require("refresh_token")?, form.get("scope"));
        let unknown = || EntraRefusal::new("invalid_grant", 9_002_313, "Invalid request. Request is malformed or invalid.");
        let refresh = self.refresh.get_mut(token).ok_or_else(unknown)?;
        if refresh.confidential && !proved {
            let message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            return Err(EntraRefusal::new("invalid_client", 7_000_218, message));
        }
        match refresh.revoked {
            Some(Revoked::Credentials) => {
                let message = "The provided grant has expired due to it being revoked, a fresh auth token is \
                        needed. The user might have changed or reset their password.";
                return Err(EntraRefusal::new("invalid_grant", 50_173, message).suberror("bad_token"));
            }
            Some(Revoked::SignInFrequency) => {
                let message = "Presented multi-factor authentication has expired due to policies configured by your \
                        administrator, you must refresh your multi-factor authentication to access.";
                return Err(EntraRefusal::new("interaction_required", 50_078, message).suberror("basic_action"));
            }
            Some(Revoked::Consent) => {
                let message = "The user or administrator has not consented to use the application. Send an interactive \
                        authorization request for this user and resource.";
                return Err(EntraRefusal::new("invalid_grant", 65_001, message).suberror("consent_required"));
            }
            None if refresh.expires_at <= now => {
                return Err(EntraRefusal::new("invalid_grant", 700_082, "The refresh token has expired due to inactivity.")
                    .suberror("token_expired"));
            }
            None => {}
        }
        let beyond =
            |scope: &str| !refresh.scopes.allow(scope.rsplit('/').next().unwrap_or(scope)) && !scope.ends_with("/.default");
        if asked.is_some_and(|asked| asked.split_whitespace().any(beyond)) {
            let message = "The user or administrator has not consented to use the application. Send an \
                    interactive authorization request for this user and resource.";
            return Err(EntraRefusal::new("invalid_grant", 65_001, message).suberror("consent_required"));
        }
        refresh.expires_at = refresh.expires_at.min(now + SUPERSEDED_GRACE);
        let (user, scopes, confidential) = (refresh.user, refresh.scopes.clone(), refresh.confidential);
        Ok(SignedIn { user, scopes, nonce: None, confidential })
    }

    /// Revokes every refresh token of a user; tells how many.
    pub fn revoke(&mut self, user: Uuid, why: Revoked) -> usize {
        let theirs = self.refresh.values_mut().filter(|refresh| refresh.user == user);
        theirs.map(|refresh| refresh.revoked = Some(why)).count()
    }

    /// Undoes what can be undone without the user: a consent is given again, a policy was changed. Tells how many tokens work again.
    pub fn restore(&mut self, user: Uuid) -> usize {
        let undone = |refresh: &&mut Refresh| {
            refresh.user == user && matches!(refresh.revoked, Some(Revoked::Consent | Revoked::SignInFrequency))
        };
        self.refresh.values_mut().filter(undone).map(|refresh| refresh.revoked = None).count()
    }

    /// Drops what is long past; expired access tokens stay known for a day, so that they are called expired.
    pub fn forget_expired(&mut self, now: Timestamp) {
        let a_day_ago = now - SignedDuration::from_hours(24);
        self.access.retain(|_, access| access.expires_at > a_day_ago);
        self.refresh.retain(|_, refresh| refresh.expires_at > a_day_ago);
        self.devices.retain(|_, device| device.expires_at > a_day_ago);
        self.used_assertions.retain(|_, expires_at| *expires_at > a_day_ago);
    }
}

/// Text that nobody can guess.
pub fn random_text() -> String {
    let bytes: Vec<u8> = (0..4).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}
