//! A server that notes what it is asked and answers as the test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config;
use crate::xphone::http::XPhone;
use crate::xphone::http::transport::Patience;

pub(super) const PREFIX: &str = "/XPhoneConnect/WebClientApi/api/v1";
pub(super) const AUTHENTICATE: &str = "POST /user/authenticate";
pub(super) const REFRESH: &str = "POST /user/refreshToken";
pub(super) const PASSWORD: &str = "correct horse";

/// A question as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method and path below `api/v1`, query included.
    pub what: String,
    pub token: Option<String>,
    pub agent: Option<String>,
    pub body: Value,
}

/// What the server does about it.
pub(super) enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    With(u16, &'static str, String),
    Stream(Vec<&'static str>),
    StreamAndHold(Vec<&'static str>),
    Never,
}

impl Reply {
    async fn into_response(self) -> Response {
        let with = |status: u16, body: Body| Response::builder().status(status).body(body).unwrap();
        let chunks = |pieces: Vec<&'static str>| stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        match self {
            Self::Json(status, value) => with(status, Body::from(value.to_string())),
            Self::Text(status, text) => with(status, Body::from(text)),
            Self::With(status, name, value) => {
                Response::builder().status(status).header(name, value).body(Body::empty()).unwrap()
            }
            Self::Stream(pieces) => with(200, Body::from_stream(chunks(pieces))),
            Self::StreamAndHold(pieces) => with(200, Body::from_stream(chunks(pieces).chain(stream::pending()))),
            Self::Never => std::future::pending().await,
        }
    }
}

/// A server and a client of it.
pub(super) struct World {
    pub xphone: XPhone,
    pub clock: Clock,
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: TaskTracker,
}

impl World {
    /// Another client of the same server, that does not wait long.
    pub fn impatient(&self) -> XPhone {
        let patience = Patience { request: Duration::from_secs(1), silence: Duration::from_millis(500), ..Patience::default() };
        client_of(self.port, patience).0
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often this was asked.
    pub fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|asked| asked.what == what).count()
    }

    /// The last question that was not about tokens.
    pub fn last(&self) -> Asked {
        self.asked().into_iter().rfind(|asked| asked.what != AUTHENTICATE && asked.what != REFRESH).unwrap()
    }
}

pub(super) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A server that lets everybody in and answers the rest by `reply`.
pub(super) async fn open_world(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> World {
    world(move |asked| if asked.what == AUTHENTICATE { welcome("token-1", 1800) } else { reply(asked) }).await
}

/// A server that answers everything by `reply`.
pub(super) async fn world(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> World {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (noted, reply) = (asked.clone(), Arc::new(reply));
    let router = axum::Router::new().fallback(move |request: Request| {
        let (noted, reply) = (noted.clone(), reply.clone());
        async move {
            let asked = note(request).await;
            noted.lock().unwrap().push(asked.clone());
            reply(&asked).into_response().await
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (xphone, clock) = client_of(port, Patience::default());
    let server = TaskTracker::new();
    server.spawn(async move { axum::serve(listener, router).await });
    World { xphone, clock, port, asked, _server: server }
}

/// A client of a server on this port.
pub(super) fn client_of(port: u16, patience: Patience) -> (XPhone, Clock) {
    let clock = Clock::standing_at(noon());
    let settings = config::XphoneHttp {
        base_url: format!("http://127.0.0.1:{port}/XPhoneConnect/WebClientApi").parse().unwrap(),
        account_name: "gateway".to_owned(),
        password: PASSWORD.into(),
        authorities: None,
    };
    (XPhone::with_patience(&settings, clock.clone(), patience).unwrap(), clock)
}

async fn note(request: Request) -> Asked {
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned());
    let path = head.uri.path_and_query().unwrap().as_str();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Asked {
        what: format!("{} {}", head.method, path.strip_prefix(PREFIX).unwrap_or(path)),
        token: header("authorization").map(|value| value.strip_prefix("Bearer ").unwrap().to_owned()),
        agent: header("user-agent"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

/// The answer to a log-in, as of noon.
pub(super) fn welcome(token: &str, lives_seconds: i64) -> Reply {
    let data =
        json!({"guid": "00000000-0000-0000-0000-000000000001", "displayName": "Gateway", "distinguishedName": "cn=Gateway"});
    Reply::Json(
        200,
        json!({"result": 0, "userData": data, "tokenData": tokens(token, noon(), lives_seconds), "sessionGuid": "session"}),
    )
}

/// Tokens given at `now`, the refresh token for 4 days.
pub(super) fn tokens(token: &str, now: Timestamp, lives_seconds: i64) -> Value {
    let after = |duration: SignedDuration| (now + duration).as_millisecond();
    json!({
        "token": token,
        "tokenExpiresAt": after(SignedDuration::from_secs(lives_seconds)),
        "refreshToken": format!("refresh-{token}"),
        "refreshTokenExpiresAt": after(SignedDuration::from_hours(96)),
    })
}
