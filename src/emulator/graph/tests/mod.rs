//! Stories over real HTTP: an emulator, a client of it and a receiver of its notifications.

mod batch;
mod browser;
mod delta;
mod lag;
mod notifications;
mod presence;
mod sign_in;
mod subscriptions;
mod writing;

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::super::clock::EmulatedClock;
use super::{Options, Running, start};

const OTTO: Uuid = Uuid::from_u128(1);
const ANNA: Uuid = Uuid::from_u128(2);
const SCOPES: &str = "openid profile offline_access https://graph.microsoft.com/Presence.Read.All";

/// An emulator with the users Otto and Anna, and what is needed to talk to it.
struct Tenant {
    running: Running,
    http: reqwest::Client,
    id: Uuid,
    client_id: Uuid,
    client_secret: String,
    clock: EmulatedClock,
}

impl Tenant {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let clock = EmulatedClock::standing_at("2026-10-09T10:00:00Z".parse().unwrap());
        let mut options = Options::new(clock.clone());
        adjust(&mut options);
        let (id, client_id, client_secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let running = start(options).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let tenant = Self { running, http, id, client_id, client_secret, clock };
        for (id, name) in [(OTTO, "otto"), (ANNA, "anna")] {
            let body = json!({ "userPrincipalName": format!("{name}@example.org"), "mail": format!("{name}@example.org") });
            assert_eq!(tenant.control(Method::PUT, &format!("users/{id}"), body).await.0, 200);
        }
        tenant
    }

    fn in_minutes(&self, minutes: i64) -> Timestamp {
        self.clock.now() + SignedDuration::from_mins(minutes)
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/{path}", self.running.base_url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.send(method, &format!("control/{path}"), None, body).await
    }

    async fn teams(&self, id: Uuid, availability: &str, activity: &str) {
        let body = json!({ "availability": availability, "activity": activity });
        assert_eq!(self.control(Method::PUT, &format!("users/{id}/teams"), body).await.0, 200);
    }

    async fn login(&self, endpoint: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let client_id = self.client_id.to_string();
        let mut form: HashMap<&str, &str> = HashMap::from([("client_id", client_id.as_str())]);
        form.extend(fields.iter().copied());
        let url = format!("{}/{}/oauth2/v2.0/{endpoint}", self.running.base_url, self.id);
        let response = self.http.post(url).form(&form).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// An access token for the app itself.
    async fn app_token(&self) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_secret", &self.client_secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let (status, body) = self.login("token", &fields).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Signs a user in with a device code; the whole answer.
    async fn sign_in(&self, name: &str) -> Value {
        let (_, begun) = self.login("devicecode", &[("scope", SCOPES)]).await;
        let path = format!("device-codes/{}/approve", begun["user_code"].as_str().unwrap());
        assert_eq!(self.control(Method::POST, &path, json!({ "user_principal_name": name })).await.0, 204);
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", begun["device_code"].as_str().unwrap()),
        ];
        let (status, body) = self.login("token", &fields).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn user_token(&self, name: &str) -> String {
        self.sign_in(name).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn presence(&self, id: Uuid) -> (String, Value) {
        let token = self.app_token().await;
        let (status, body) = self.send(Method::GET, &format!("v1.0/users/{id}/presence"), Some(&token), Value::Null).await;
        assert_eq!(status, 200, "{body}");
        let shown = format!("{}/{}", body["availability"].as_str().unwrap(), body["activity"].as_str().unwrap());
        (shown, body)
    }

    /// What a valid create for Otto and Anna says.
    fn subscription(&self, receiver: &Receiver) -> Value {
        json!({
            "changeType": "updated",
            "notificationUrl": receiver.url,
            "lifecycleNotificationUrl": receiver.url,
            "resource": format!("/communications/presences?$filter=id in ('{OTTO}','{ANNA}')"),
            "expirationDateTime": self.in_minutes(58),
            "clientState": "between us",
            "includeResourceData": true,
            "encryptionCertificate": receiver.certificate,
            "encryptionCertificateId": "autumn",
        })
    }
}

/// Where notifications arrive: answers handshakes, and everything else with the next status it was given, else 202.
struct Receiver {
    url: String,
    certificate: String,
    key: Vec<u8>,
    arrived: mpsc::UnboundedReceiver<Value>,
    answer_next: mpsc::UnboundedSender<StatusCode>,
}

#[derive(Clone)]
struct Inbox {
    arrivals: mpsc::UnboundedSender<Value>,
    answers: std::sync::Arc<std::sync::Mutex<mpsc::UnboundedReceiver<StatusCode>>>,
}

impl Receiver {
    async fn start() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let (answer_next, answers) = mpsc::unbounded_channel();
        let inbox = Inbox { arrivals, answers: std::sync::Arc::new(answers.into()) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graph?tag=1", listener.local_addr().unwrap());
        let router = Router::new().route("/graph", post(receive)).with_state(inbox);
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Self { url, certificate: STANDARD.encode(certificate.der()), key: key.serialized_der().to_vec(), arrived, answer_next }
    }

    async fn next(&mut self) -> Value {
        tokio::time::timeout(Duration::from_secs(20), self.arrived.recv()).await.expect("a notification in time").unwrap()
    }

    /// The decrypted content of a notification; panics where the signature does not fit.
    fn open(&self, notification: &Value) -> Value {
        let bytes = |field: &str| STANDARD.decode(notification["encryptedContent"][field].as_str().unwrap()).unwrap();
        let private = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&self.key).unwrap()).unwrap();
        let mut room = vec![0; private.min_output_size()];
        let key = private.decrypt(&OAEP_SHA1_MGF1SHA1, &bytes("dataKey"), &mut room, None).unwrap().to_vec();
        let mut data = bytes("data");
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data, &bytes("dataSignature")).expect("a fitting signature");
        let vector = FixedLength::<16>::try_from(&key[..16]).unwrap();
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
        serde_json::from_slice(cipher.decrypt(&mut data, DecryptionContext::Iv128(vector)).unwrap()).unwrap()
    }
}

async fn receive(State(inbox): State<Inbox>, Query(query): Query<HashMap<String, String>>, body: Bytes) -> Response {
    assert_eq!(query.get("tag").map(String::as_str), Some("1"), "the query string is preserved");
    if let Some(token) = query.get("validationToken") {
        return token.clone().into_response();
    }
    let status = inbox.answers.lock().unwrap().try_recv().unwrap_or(StatusCode::ACCEPTED);
    inbox.arrivals.send(serde_json::from_slice(&body).unwrap()).unwrap();
    status.into_response()
}
