//! Who we are at Entra ID: the app and its proofs, subscriber accounts, and what Graph may ask of our patience.

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use presence_gateway::clock::Clock;
use presence_gateway::command::sign_in::{SignInError, enrol};
use presence_gateway::config::{Config, Sources};
use presence_gateway::domain::ids::TeamsUserId;
use presence_gateway::emulator::clock::EmulatedClock;
use presence_gateway::emulator::graph;
use presence_gateway::graph::client::{Class, Client, Error};
use presence_gateway::graph::http_client;
use presence_gateway::graph::token::{self, Delegated, Identity};
use presence_gateway::store::audit::Actor;
use presence_gateway::tasks::driver::Task;
use presence_gateway::tasks::enrolment::EnrolmentError;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{SUBSCRIBER, World, exhaust};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";

/// Entra ID and Graph alone, and our client of them.
struct Desk {
    client: Client,
    config: Config,
    clock: Clock,
    emulated: EmulatedClock,
    graph: graph::Running,
}

impl Desk {
    /// `prove` names the credential; `options` what the other side knows of it.
    async fn new(
        prove: impl FnOnce(Sources, &graph::Options) -> Sources,
        options: impl FnOnce(graph::Options) -> graph::Options,
    ) -> Self {
        let now: Timestamp = "2026-11-02T09:00:00Z".parse().unwrap();
        let (clock, emulated) = (Clock::standing_at(now), EmulatedClock::standing_at(now));
        let options = options(graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(emulated.clone()) });
        let sources = Sources::default()
            .with("GATEWAY__GRAPH__PUSH", false)
            .with("GATEWAY__GRAPH__TENANT_ID", options.tenant_id)
            .with("GATEWAY__GRAPH__CLIENT_ID", options.client_id)
            .with("GATEWAY__XPHONE__BASE_URL", "http://127.0.0.1:1")
            .with("GATEWAY__XPHONE__ACCOUNT_NAME", "gateway")
            .with("GATEWAY__XPHONE__PASSWORD", "password")
            .with("GATEWAY__SECRETS__KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let sources = prove(sources, &options);
        let graph = graph::start(options).await.unwrap();
        let sources =
            sources.with("GATEWAY__GRAPH__BASE_URL", &graph.base_url).with("GATEWAY__GRAPH__LOGIN_URL", &graph.base_url);
        let config = Config::load(&sources).unwrap();
        let http = http_client().unwrap();
        let identity = Identity::app(&config.graph, http.clone(), clock.clone()).unwrap();
        let client = Client::new(&config.graph, identity, http, clock.clone(), Arc::new(|_, _| ()));
        Self { client, config, clock, emulated, graph }
    }

    async fn with_secret() -> Self {
        Self::new(|sources, options| sources.with("GATEWAY__GRAPH__CLIENT_SECRET", &options.client_secret), |options| options)
            .await
    }

    fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.emulated.advance(by);
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/control/{path}", self.graph.base_url);
        let answer = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.json().await.unwrap_or_default()
    }

    /// How often an endpoint was asked, whatever it answered.
    async fn asked(&self, endpoint: &str) -> u64 {
        let requests = self.control(Method::GET, "requests", Value::Null).await;
        requests["endpoints"][counted(endpoint)].as_object().map_or(0, |by| by.values().filter_map(Value::as_u64).sum())
    }

    /// Asks what carries a token; an empty tenant answers nothing.
    async fn ask(&self, endpoint: &str) -> Result<(), Error> {
        match endpoint {
            "users" => self.client.users_changes(None).await.map(|_| ()),
            "getPresencesByUserId" => {
                let answer = self.client.presences_bisecting(&[TeamsUserId(Uuid::new_v4())], Class::Sweep).await;
                answer.stopped_by.map_or(Ok(()), Err)
            }
            "token" => {
                let identity = self.client.identity();
                let token = identity.token().await?;
                identity.invalidate(&token);
                Ok(())
            }
            _ => unreachable!("{endpoint}"),
        }
    }
}

/// A certificate of the app registration: where both of its files are, and its DER.
fn certificate(folder: &Path) -> (String, String, Vec<u8>) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let file = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    (file("client.pem", certificate.pem()), file("client.key", key.serialize_pem()), certificate.der().to_vec())
}

/// The name under which the emulator counts what it refuses under another.
fn counted(endpoint: &str) -> &str {
    if endpoint == "users" { "usersDelta" } else { endpoint }
}

#[tokio::test]
async fn a_certificate_proves_the_app_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, der) = certificate(folder.path());
    let prove = |sources: Sources, _: &graph::Options| {
        sources.with("GATEWAY__GRAPH__CLIENT_CERTIFICATE_FILE", certificate).with("GATEWAY__GRAPH__CLIENT_KEY_FILE", key)
    };
    let desk = Desk::new(prove, |options| graph::Options { client_certificate_der: Some(der), ..options }).await;
    for hour in 1..=3 {
        desk.ask("users").await.unwrap();
        assert_eq!(desk.asked("token").await, hour);
        desk.advance(SignedDuration::from_hours(1));
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_uploaded_is_told_to_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, _) = certificate(folder.path());
    let prove = |sources: Sources, _: &graph::Options| {
        sources.with("GATEWAY__GRAPH__CLIENT_CERTIFICATE_FILE", certificate).with("GATEWAY__GRAPH__CLIENT_KEY_FILE", key)
    };
    let desk = Desk::new(prove, |options| options).await;
    let told = desk.ask("users").await.unwrap_err().to_string();
    assert!(told.contains("AADSTS700027") && told.contains("upload the certificate"), "{told}");
}

#[tokio::test]
async fn a_federated_token_is_read_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let prove = |sources: Sources, _: &graph::Options| sources.with("GATEWAY__GRAPH__FEDERATED_TOKEN_FILE", file.display());
    let desk = Desk::new(prove, |options| graph::Options { federated_token: Some("the good one".to_owned()), ..options }).await;
    let told = desk.ask("users").await.unwrap_err().to_string();
    assert!(told.contains("graph.federated_token_file") && told.contains("cannot be read"), "{told}");
    std::fs::write(&file, "an old one").unwrap();
    assert!(matches!(desk.ask("users").await, Err(Error::Token(token::Error::Misconfigured { .. }))));
    std::fs::write(&file, "the good one\n").unwrap();
    desk.ask("users").await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_not_repeated() {
    let desk = Desk::new(|sources, _| sources.with("GATEWAY__GRAPH__CLIENT_SECRET", "mistyped-secret"), |options| options).await;
    let told = desk.ask("users").await.unwrap_err().to_string();
    assert!(told.contains("AADSTS7000215") && told.contains("graph.client_secret"), "{told}");
    assert!(!told.contains("mistyped"), "{told}");
    assert!(!format!("{:?}", desk.config).contains("mistyped"));
}

#[tokio::test]
async fn one_token_serves_all_and_is_refreshed_ahead_of_its_end_and_once() {
    let desk = Desk::with_secret().await;
    let everybody = || join_all((0..100).map(|_| desk.ask("users")));
    for (minutes, tokens) in [(0, 1), (50, 1), (6, 2), (50, 2), (30, 3)] {
        desk.advance(SignedDuration::from_mins(minutes));
        assert!(everybody().await.iter().all(Result::is_ok));
        assert_eq!(desk.asked("token").await, tokens, "{minutes} minutes later");
    }
    assert_eq!(desk.asked("users").await, 500);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let desk = Desk::with_secret().await;
    for (refusals, fine, asked, tokens) in [(1, true, 2, 2), (2, false, 4, 3), (0, true, 5, 3)] {
        let faults = json!({"deny": [{"endpoint": "users", "status": 401, "times": refusals}]});
        desk.control(Method::PUT, "faults", faults).await;
        let answer = desk.ask("users").await;
        assert!(if fine { answer.is_ok() } else { matches!(answer, Err(Error::TokenRefused)) });
        assert_eq!((desk.asked("users").await, desk.asked("token").await), (asked, tokens));
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    for endpoint in ["users", "getPresencesByUserId", "token"] {
        for status in [429, 503, 504] {
            let desk = Desk::with_secret().await;
            let faults = json!({"deny": [{"endpoint": endpoint, "status": status, "retry_after_seconds": 40, "times": 1}]});
            desk.control(Method::PUT, "faults", faults).await;
            assert!(desk.ask(endpoint).await.is_err());
            for _ in 0..39 {
                assert!(desk.ask(endpoint).await.is_err(), "{endpoint} {status}: too early");
                desk.advance(SignedDuration::from_secs(1));
            }
            assert_eq!(desk.asked(endpoint).await, 1, "{endpoint} {status}");
            desk.advance(SignedDuration::from_secs(1));
            desk.ask(endpoint).await.unwrap();
            assert_eq!(desk.asked(endpoint).await, 2);
        }
    }
}

#[tokio::test]
async fn a_refresh_that_is_throttled_waits_too() {
    let desk = Desk::with_secret().await;
    let account = json!({"userPrincipalName": SUBSCRIBER});
    desk.control(Method::PUT, &format!("users/{}", Uuid::new_v4()), account).await;
    let delegated = Delegated::new(&desk.config.graph, http_client().unwrap(), desk.clock.clone()).unwrap();
    let code = delegated.start().await.unwrap();
    let path = format!("device-codes/{}/approve", code.user_code);
    desk.control(Method::POST, &path, json!({"user_principal_name": SUBSCRIBER})).await;
    let enrolled = delegated.poll(&code).await.unwrap();
    let before = desk.asked("token").await;
    let faults = json!({"deny": [{"endpoint": "token", "status": 429, "retry_after_seconds": 40, "times": 1}]});
    desk.control(Method::PUT, "faults", faults).await;
    for _ in 0..3 {
        let refused = delegated.refresh(&enrolled.refresh_token).await;
        assert!(matches!(refused, Err(token::Error::Throttled { .. })), "{refused:?}");
    }
    assert_eq!(desk.asked("token").await, before + 1);
    desk.advance(SignedDuration::from_secs(40));
    delegated.refresh(&enrolled.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_throttled_sweep_goes_on_when_graph_allows() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let asked = async || {
        let requests = world.graph_look("requests").await;
        requests["endpoints"]["getPresencesByUserId"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>()
    };
    let faults = json!({"notifications": {"lose": 1},
        "deny": [{"endpoint": "getPresencesByUserId", "status": 429, "retry_after_seconds": 120, "times": 1}]});
    world.graph_faults(faults).await;
    world.teams(anna, "Busy/InACall").await;
    let before = asked().await;
    world.minute().await;
    world.minute().await;
    assert_eq!((asked().await, world.text(anna).await.as_str()), (before + 1, "Available"));
    assert!(world.metric(r#"graph_requests_total{endpoint="presences",status="gate_closed"}"#).await >= 1.0);
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn the_request_budget_is_kept_and_everything_is_read_in_the_end() {
    const MAX: u64 = 10;
    let world = World::with(|sources| {
        sources.with("GATEWAY__GRAPH__REQUESTS_PER_30_SECONDS_MAX", MAX).with("GATEWAY__GRAPH__SWEEP_SECONDS", 1)
    });
    let world = world.await;
    let anna = world.person("anna").await;
    let account = json!({"userPrincipalName": SUBSCRIBER});
    world.graph_control(Method::PUT, &format!("users/{}", Uuid::new_v4()), account).await;
    world.directory().await;
    world.set_policy("telephony_and_presence", false).await;
    world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
    let mut sent = Vec::new();
    for second in 0..120 {
        if second == 60 {
            world.graph_faults(json!({"notifications": {"lose": 1}})).await;
            world.teams(anna, "Busy/InACall").await;
        }
        world.advance(SignedDuration::from_secs(1));
        world.xphone_read().await;
        // Over the budget it fails, and is tried again.
        _ = world.app.tasks.directory.run().await;
        _ = world.try_tend_subscriptions().await;
        exhaust(&world.app.tasks.sweep).await;
        exhaust(&world.app.tasks.confirmer).await;
        world.settle().await;
        sent.push(graph_requests(&world.graph_look("requests").await));
    }
    for window in sent.windows(31) {
        assert!(window[30] - window[0] <= MAX, "{sent:?}");
    }
    assert!(sent[119] > 25, "it is used, too: {sent:?}");
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!(world.graph_look("subscriptions").await.as_array().unwrap().len(), 1);
    let remaining = world.metric("graph_budget_remaining").await;
    assert!((0.0..=2.0).contains(&remaining), "{remaining}");
}

/// Requests to Graph so far; Entra ID has limits of its own.
fn graph_requests(requests: &Value) -> u64 {
    let entra = ["token", "devicecode", "metadata", "keys"];
    let of_graph = requests["endpoints"].as_object().unwrap().iter().filter(|(endpoint, _)| !entra.contains(&endpoint.as_str()));
    of_graph.flat_map(|(_, by_status)| by_status.as_object().unwrap().values().filter_map(Value::as_u64)).sum()
}

#[tokio::test]
async fn somebody_else_who_signs_in_is_not_kept() {
    let world = World::new().await;
    for name in [SUBSCRIBER, "somebody@example.com"] {
        world.graph_control(Method::PUT, &format!("users/{}", Uuid::new_v4()), json!({"userPrincipalName": name})).await;
    }
    let refused = world.sign_in(SUBSCRIBER, "somebody@example.com").await;
    assert!(matches!(refused, Err(SignInError::Enrolment(EnrolmentError::SomebodyElse { .. }))), "{refused:?}");
    assert!(world.app.store.accounts().await.unwrap().is_empty());
    world.sign_in("Presence@Example.COM", SUBSCRIBER).await.unwrap();
    assert_eq!(world.app.store.accounts().await.unwrap()[0].user_principal_name, SUBSCRIBER);
}

#[tokio::test]
async fn a_sign_in_that_is_denied_keeps_nothing() {
    let world = World::new().await;
    let (told, code) = tokio::sync::oneshot::channel();
    let show = |code: &token::DeviceCode| _ = told.send(code.user_code.clone());
    let deny = async {
        world.graph_control(Method::POST, &format!("device-codes/{}/deny", code.await.unwrap()), Value::Null).await;
    };
    let enrolled = enrol(&world.config, &world.app.store, &world.clock, SUBSCRIBER, &Actor::CommandLine(None), show);
    let refused = tokio::join!(enrolled, deny).0;
    let is_told = matches!(refused, Err(SignInError::Enrolment(EnrolmentError::Token(token::Error::NotApproved { .. }))));
    assert!(is_told, "{refused:?}");
    assert!(world.app.store.accounts().await.unwrap().is_empty());
}

#[tokio::test]
async fn refresh_tokens_rotate_and_lie_sealed() {
    let (mut world, _) = World::with_people(["anna"]).await;
    let account = world.app.store.accounts().await.unwrap()[0].id;
    let mut seen = Vec::new();
    for round in 0..4 {
        let token = world.app.store.refresh_token(account).await.unwrap().expose_secret().to_owned();
        let sealed: Vec<u8> =
            sqlx::query_scalar("select refresh_token from subscriber_account").fetch_one(&world.database().await).await.unwrap();
        assert!(!sealed.windows(16).any(|part| token.as_bytes().windows(16).any(|known| known == part)));
        assert!(!seen.contains(&token), "round {round}: a new one each time");
        seen.push(token);
        // The one before would be dead by now; a renewal is due.
        world.advance(SignedDuration::from_mins(21));
        if round == 2 {
            world.restart().await;
        }
        world.tend_subscriptions().await;
    }
    assert_eq!(world.graph_look("subscriptions").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_account_says_so_is_swept_and_heals_by_signing_in() {
    for (error, code) in [("AADSTS50173", "AADSTS50173"), ("AADSTS50078", "AADSTS50078")] {
        let (world, [anna]) = World::with_people(["anna"]).await;
        let revoked = json!({"user_principal_name": SUBSCRIBER, "error": error});
        world.graph_control(Method::POST, "refresh-tokens/revoke", revoked).await;
        world.advance(SignedDuration::from_mins(21));
        assert!(world.try_tend_subscriptions().await.is_err());
        let problem = world.app.store.accounts().await.unwrap()[0].problem.clone().unwrap();
        assert!(problem.contains(code) && problem.contains("presence-gateway sign-in"), "{problem}");
        let asked = world.graph_look("requests").await["grants"]["refresh_token"].clone();
        world.teams(anna, "Busy/InACall").await;
        for _ in 0..45 {
            world.minute().await;
            assert_eq!(world.text(anna).await, ON_THE_PHONE);
        }
        world.teams(anna, "Available/Available").await;
        world.minute().await;
        assert_eq!(world.text(anna).await, "Available", "a sweep found it");
        let again = world.graph_look("requests").await["grants"]["refresh_token"].as_u64().unwrap() - asked.as_u64().unwrap();
        // A policy may be undone, and then the token works again: that is asked each half hour.
        let expected = u64::from(code != "AADSTS50173");
        assert_eq!(again, expected, "a dead token is not tried again");
        world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
        assert_eq!(world.app.store.accounts().await.unwrap()[0].problem, None);
        world.tend_subscriptions().await;
        world.teams(anna, "Busy/InACall").await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "a notification told it");
    }
}
