//! No token, address, name or body leaves in log lines, traces or metrics: a full story played against the program, with everything watched.

use std::fmt::Write;
use std::time::Duration;

use presence_gateway::emulator::clock::EmulatedClock;
use presence_gateway::emulator::{graph, xphone};
use presence_gateway::telemetry::Metrics;
use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::command::{free_address, gateway};
use crate::metrics::Scrape;
use crate::receiver::Receiver;
use crate::world::scratch_database;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whatever is secret or personal has this in it, with what it is behind.
const MARK: &str = "Kolibri";
const CLIENT_SECRET: &str = "Kolibri-client-secret";
const PASSWORD: &str = "Kolibri-password";
const ADMIN_TOKEN: &str = "Kolibri-admin-token-of-forty-characters-or-so";
/// Base64 of 32 bytes.
const KEY: &str = "Kolibrikolibrikolibrikolibrikolibrikolibrik=";
const SUBSCRIBER: &str = "subscriber@kolibri-mail.example";
/// What the systems say when they refuse: quoted, with an address, and with a name that nothing gives away.
const WORDS: &str = "User 'Anna Kolibri' (anna@kolibri-mail.example), Kolibri of kolibri, may not";

/// The two systems, the program between them, and who watches it.
struct Stage {
    graph: graph::Running,
    xphone: xphone::Running,
    program: Child,
    lines: mpsc::UnboundedReceiver<String>,
    receiver: Receiver,
    http: reqwest::Client,
    public: String,
    admin: String,
    location: Uuid,
    anna: Someone,
    ben: Someone,
}

#[derive(Clone, Copy)]
struct Someone {
    xphone: Uuid,
    teams: Uuid,
}

impl Stage {
    async fn set() -> Self {
        let mut options = graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(EmulatedClock::default()) };
        CLIENT_SECRET.clone_into(&mut options.client_secret);
        let (tenant, client) = (options.tenant_id.to_string(), options.client_id.to_string());
        let graph = graph::start(options).await.unwrap();
        let account = xphone::Options {
            listen: ([127, 0, 0, 1], 0).into(),
            account_name: "Kolibri-account".to_owned(),
            password: PASSWORD.to_owned(),
            clock: EmulatedClock::default(),
        };
        let xphone = xphone::start(account).await.unwrap();
        let receiver = Receiver::start().await;
        let database = scratch_database(true).await;
        let (public, admin) = (free_address(), free_address());
        let (public_url, url) = (format!("http://{public}"), database.url().expose_secret().to_owned());
        let mut command = gateway(
            &["serve"],
            &[
                ("GATEWAY__DATABASE__URL", &url),
                ("GATEWAY__HTTP__PUBLIC_URL", &public_url),
                ("GATEWAY__HTTP__PUBLIC_LISTEN", &public),
                ("GATEWAY__HTTP__ADMIN_LISTEN", &admin),
                ("GATEWAY__GRAPH__BASE_URL", &graph.base_url),
                ("GATEWAY__GRAPH__LOGIN_URL", &graph.base_url),
                ("GATEWAY__GRAPH__TENANT_ID", &tenant),
                ("GATEWAY__GRAPH__CLIENT_ID", &client),
                ("GATEWAY__GRAPH__CLIENT_SECRET", CLIENT_SECRET),
                ("GATEWAY__GRAPH__SWEEP_SECONDS", "1"),
                ("GATEWAY__XPHONE__BASE_URL", &xphone.base_url),
                ("GATEWAY__XPHONE__ACCOUNT_NAME", "Kolibri-account"),
                ("GATEWAY__XPHONE__PASSWORD", PASSWORD),
                ("GATEWAY__SECRETS__KEY", KEY),
                ("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", ADMIN_TOKEN),
                ("GATEWAY__TELEMETRY__OTLP_ENDPOINT", &receiver.address),
                ("GATEWAY__TELEMETRY__TRACES_PERCENT", "100"),
                ("RUST_LOG", "info,presence_gateway=trace"),
            ],
        );
        let (program, lines) = started(&mut command);
        let (http, location) = (reqwest::Client::new(), Uuid::new_v4());
        let someone = || Someone { xphone: Uuid::new_v4(), teams: Uuid::new_v4() };
        let admin = format!("http://{admin}");
        let (anna, ben) = (someone(), someone());
        Self { graph, xphone, program, lines, receiver, http, public: public_url, admin, location, anna, ben }
    }

    async fn call(&self, method: Method, url: String, body: Value) -> Response {
        let answer = self.http.request(method, &url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.text().await.unwrap());
        answer
    }

    async fn in_graph(&self, method: Method, path: &str, body: Value) -> Response {
        self.call(method, format!("{}/control/{path}", self.graph.base_url), body).await
    }

    async fn in_xphone(&self, method: Method, path: &str, body: Value) -> Response {
        self.call(method, format!("{}/{path}", self.xphone.control_url()), body).await
    }

    /// What the admin API answers, whatever that is.
    async fn admin(&self, method: Method, path: &str, token: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}/v1/{path}", self.admin)).bearer_auth(token).json(body);
        request.send().await.unwrap().json().await.unwrap_or_default()
    }

    async fn people(&self) {
        self.in_xphone(
            Method::PUT,
            &format!("locations/{}", self.location),
            json!({"name": "Kolibri site", "configurationGroups": []}),
        )
        .await;
        self.in_graph(Method::PUT, &format!("users/{}", Uuid::new_v4()), json!({"userPrincipalName": SUBSCRIBER})).await;
        for (name, Someone { xphone, teams }) in [("anna", self.anna), ("ben", self.ben)] {
            let mail = format!("{name}@kolibri-mail.example");
            let account = json!({"userPrincipalName": mail, "mail": mail, "displayName": format!("{name} Kolibri")});
            self.in_graph(Method::PUT, &format!("users/{teams}"), account).await;
            self.in_graph(Method::PUT, &format!("users/{teams}/teams"), words("Available/Available")).await;
            let profile = |name: &str, kind: &str| json!({"name": name, "kind": kind, "active": true});
            let user = json!({
                "email": mail, "accountName": format!("KOLIBRI\\{name}"), "displayName": format!("{name} Kolibri"), "location": self.location,
                "configurationGroup": null, "profiles": [profile("Appointment", "busy"), profile("Kolibri profile", "doNotDisturb")],
            });
            self.in_xphone(Method::PUT, &format!("users/{xphone}"), user).await;
            self.in_xphone(Method::PUT, &format!("users/{xphone}/client"), json!({"connected": true})).await;
        }
    }

    /// Signs the subscriber account in over the admin API, and switches synchronisation on.
    async fn go_live(&self) {
        until("ready", async || reqwest::get(format!("{}/readyz", self.admin)).await.is_ok_and(|answer| answer.status() == 200))
            .await;
        let path = format!("locations/{}/teams-sync", self.location);
        let sync =
            json!({"mode": "telephony_and_presence", "user_may_change": true, "remember_login_data": true, "shadow": false});
        until("switched on", async || {
            self.admin(Method::PUT, &path, ADMIN_TOKEN, &sync).await["mode"] == "telephony_and_presence"
        })
        .await;
        let name = json!({"user_principal_name": SUBSCRIBER});
        let enrolment = self.admin(Method::POST, "subscriber-accounts", ADMIN_TOKEN, &name).await;
        let code = enrolment["user_code"].as_str().unwrap();
        self.in_graph(Method::POST, &format!("device-codes/{code}/approve"), name).await;
        until("subscribed", async || self.metric("subscriptions{state=\"live\"}").await == "1").await;
        until("swept", async || self.metric("users{state=\"matched\"}").await == "2").await;
    }

    async fn metrics(&self) -> String {
        reqwest::get(format!("{}/metrics", self.admin)).await.unwrap().text().await.unwrap()
    }

    async fn metric(&self, line: &str) -> String {
        let name = format!("presence_gateway_{line} ");
        self.metrics().await.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default().to_owned()
    }

    async fn shown(&self, person: Someone) -> String {
        let user = self.http.get(format!("{}/users/{}", self.xphone.control_url(), person.xphone)).send().await.unwrap();
        user.json::<Value>().await.unwrap()["entry"]["presenceText"].as_str().unwrap().to_owned()
    }

    async fn in_teams(&self, person: Someone) -> String {
        let user = self.http.get(format!("{}/control/users/{}", self.graph.base_url, person.teams)).send().await.unwrap();
        user.json::<Value>().await.unwrap()["activity"].as_str().unwrap().to_owned()
    }

    async fn says(&self, person: Someone, pair: &str) {
        self.in_graph(Method::PUT, &format!("users/{}/teams", person.teams), words(pair)).await;
    }

    /// Both ways, and back.
    async fn calls(&self) {
        self.says(self.anna, "Busy/InACall").await;
        // What is heard by a snapshot rather than by an event is not followed.
        until("XPhone is listened to", async || self.metric("xphone_connected").await == "1").await;
        self.in_xphone(Method::PUT, &format!("users/{}/telephone", self.ben.xphone), json!({"state": 4})).await;
        until("shown in XPhone", async || self.shown(self.anna).await == "On the phone (MS Teams)").await;
        until("shown in Teams", async || self.in_teams(self.ben).await == "InACall").await;
        self.says(self.anna, "Busy/Juggling").await;
        until("taken back", async || self.shown(self.anna).await == "Available").await;
    }

    /// Strangers, forgers, administrators who look for somebody, users who sign in.
    async fn requests(&self) {
        let forged = json!({"value": [{"subscriptionId": "Kolibri", "clientState": "Kolibri", "tenantId": "Kolibri", "resource": "Kolibri",
            "encryptedContent": {"data": "Kolibri"}}], "validationTokens": ["Kolibri.Kolibri.Kolibri"]});
        for body in [forged.to_string(), "Kolibri".to_owned(), format!("{{\"value\": \"{MARK}\"}}")] {
            for path in ["notifications", "lifecycle"] {
                self.http.post(format!("{}/graph/{path}", self.public)).body(body.clone()).send().await.unwrap();
            }
        }
        let genuine = self.http.get(format!("{}/control/subscriptions", self.graph.base_url)).send().await.unwrap();
        let id = genuine.json::<Value>().await.unwrap()[0]["id"].clone();
        let known = json!({"value": [{"subscriptionId": id, "clientState": "Kolibri", "resource": "communications/presences('Kolibri')"}]});
        self.http.post(format!("{}/graph/notifications", self.public)).json(&known).send().await.unwrap();
        for query in ["ticket=Kolibri", "code=Kolibri&state=Kolibri"] {
            self.http.get(format!("{}/sign-in?{query}", self.public)).send().await.unwrap();
            self.http
                .get(format!("{}/sign-in/callback?{query}", self.public))
                .header("cookie", "presence=Kolibri")
                .send()
                .await
                .unwrap();
        }
        let look = |path: String| async move { self.admin(Method::GET, &path, ADMIN_TOKEN, &Value::Null).await };
        let found = look("users?search=kolibri".to_owned()).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
        for path in ["explain", "timeline"] {
            assert!(look(format!("users/{}/{path}", self.anna.xphone)).await.is_object());
        }
        for path in [
            "users?search=Kolibri&limit=x",
            "users/Kolibri",
            "audit",
            "tasks",
            "subscriptions",
            "subscriber-accounts",
            "locations",
        ] {
            look(path.to_owned()).await;
        }
        for token in ["Kolibri-no-such-token", "eyJhbGciOiJSUzI1NiJ9.eyJLb2xpYnJpIjoxfQ.Kolibri"] {
            self.admin(Method::GET, "users", token, &Value::Null).await;
        }
        let link = self.admin(Method::POST, &format!("users/{}/sign-in-link", self.anna.xphone), ADMIN_TOKEN, &Value::Null).await;
        self.http.get(link["url"].as_str().unwrap_or(&self.public)).send().await.unwrap();
        for body in [json!({"user_principal_name": "Kolibri"}), json!({"Kolibri": "Kolibri"}), json!("Kolibri")] {
            self.admin(Method::PUT, &format!("users/{}/teams-account", self.anna.xphone), ADMIN_TOKEN, &body).await;
            self.admin(Method::PUT, &format!("locations/{}/teams-sync", self.location), ADMIN_TOKEN, &body).await;
        }
    }

    /// Everything that the systems may refuse is refused, in words that give somebody away.
    async fn refusals(&self) {
        let endpoints = ["getPresencesByUserId", "subscriptions", "users", "presence", "batch", "token", "keys"];
        let deny = |endpoint: &&str| json!({"endpoint": endpoint, "status": 400, "times": 2, "message": WORDS});
        let deny: Vec<Value> = endpoints.iter().map(deny).collect();
        self.in_graph(Method::PUT, "faults", json!({"deny": deny})).await;
        let refusals = ["users", "appointments", "presence", "locations", "profileTemplates"];
        let deny = |endpoint: &&str| {
            let writes_only = *endpoint == "appointments";
            json!({"endpoint": endpoint, "status": 422, "times": 2, "reason": WORDS, "writes_only": writes_only})
        };
        let deny: Vec<Value> = refusals.iter().map(deny).collect();
        self.in_xphone(Method::PUT, "faults", json!({"deny": deny, "unreadable_events": 1})).await;
        let template =
            json!({"create": true, "presence_status": "busy", "call_forwarding": {"mode": "number", "number": "0Kolibri"}});
        self.admin(Method::PUT, &format!("locations/{}/profile-template", self.location), ADMIN_TOKEN, &template).await;
        for task in ["directory", "sweep", "subscriptions", "appointments", "templates"] {
            self.admin(Method::POST, &format!("tasks/{task}/run"), ADMIN_TOKEN, &Value::Null).await;
        }
        self.says(self.anna, "DoNotDisturb/Presenting").await;
        self.in_xphone(Method::PUT, &format!("users/{}/telephone", self.ben.xphone), json!({"state": 2})).await;
        until("a push was refused", async || {
            self.metric(r#"push_total{result="refused",slot="xphone_appointment"}"#).await != "0"
        })
        .await;
        until("a read was refused", async || {
            !self.metric(r#"graph_requests_total{endpoint="presences",status="400"}"#).await.is_empty()
        })
        .await;
        // Whoever may see the user is told in XPhone's words, as far as nothing in them looks like somebody.
        let told =
            async || self.admin(Method::GET, &format!("users/{}/timeline", self.anna.xphone), ADMIN_TOKEN, &Value::Null).await;
        until("the words are told", async || told().await.to_string().contains("Kolibri of kolibri, may not")).await;
        self.in_xphone(Method::PUT, "faults", json!({"down": true})).await;
        until("XPhone is missed", async || self.metric("xphone_connected").await == "0").await;
        self.in_xphone(Method::PUT, "faults", json!({})).await;
        self.in_graph(Method::PUT, "faults", json!({})).await;
        until("XPhone is back", async || self.metric("xphone_connected").await == "1").await;
    }

    /// Stops softly; everything that was logged.
    async fn strike(mut self) -> (Vec<String>, Receiver) {
        let id = self.program.id().unwrap().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.program.wait()).await.expect("it does not stop").unwrap();
        assert!(ended.success());
        let mut lines = Vec::new();
        while let Some(line) = self.lines.recv().await {
            lines.push(line);
        }
        (lines, self.receiver)
    }
}

fn words(pair: &str) -> Value {
    let (availability, activity) = pair.split_once('/').unwrap();
    json!({"availability": availability, "activity": activity})
}

/// The program, and every line of its log.
fn started(command: &mut Command) -> (Child, mpsc::UnboundedReceiver<String>) {
    let mut child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let (sender, lines) = mpsc::unbounded_channel();
    tokio_util::task::TaskTracker::new().spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            _ = sender.send(line);
        }
    });
    (child, lines)
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        while !is_so().await {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "it does not become so: {what}");
}

/// Where something secret or personal stands, with some of what is around it.
fn leaks(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut found = String::new();
    let secret = MARK.to_lowercase();
    for mark in [secret.as_str(), "eyj", "bearer ", "@"] {
        for (place, _) in lower.match_indices(mark) {
            let around: String = lower.chars().skip(lower[..place].chars().count().saturating_sub(200)).take(300).collect();
            writeln!(found, "{mark:?} in: {around}").unwrap();
        }
    }
    found
}

#[tokio::test]
async fn no_token_address_name_or_body_leaves_in_logs_traces_or_metrics() {
    let stage = Box::pin(Stage::set()).await;
    stage.people().await;
    stage.go_live().await;
    stage.calls().await;
    stage.requests().await;
    stage.refusals().await;
    let metrics = stage.metrics().await;
    let (lines, receiver) = stage.strike().await;

    // Everything was watched: lines down to the finest, spans of both ways, every metric.
    let logged: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let has = |message: &str| logged.iter().any(|line| line["message"] == message);
    for message in [
        "Graph answered",
        "a task failed and will be tried again",
        "a push failed and will be tried again",
        "subscribed to presence",
    ] {
        assert!(has(message), "{message:?} was not logged:\n{}", lines.join("\n"));
    }
    let spans = receiver.spans();
    let traced: Vec<&Value> = logged.iter().filter(|line| line["trace_id"].is_string()).collect();
    assert!(!traced.is_empty(), "no line names its trace");
    for line in traced {
        let is_known = spans.iter().any(|span| line["trace_id"] == span.trace.as_str() && line["span_id"] == span.span.as_str());
        assert!(is_known, "no such span: {line}");
    }
    for name in ["webhook", "intake", "xphone event", "decide", "push", "graph", "xphone"] {
        assert!(spans.iter().any(|span| span.name == name), "no span {name:?}");
    }
    let catalogue = Metrics::new().unwrap();
    let scrape = Scrape::read(&metrics);
    assert_eq!(scrape.undocumented(catalogue.catalogue()), Vec::<String>::new());
    for described in catalogue.catalogue() {
        assert!(scrape.families.contains_key(&described.name), "{} is documented and not exported", described.name);
    }

    let leaked = leaks(&lines.join("\n"));
    assert!(leaked.is_empty(), "log lines say too much:\n{leaked}");
    let leaked = leaks(&receiver.text());
    assert!(leaked.is_empty(), "traces say too much:\n{leaked}");
    let leaked = leaks(&metrics);
    assert!(leaked.is_empty(), "metrics say too much:\n{leaked}");
}
