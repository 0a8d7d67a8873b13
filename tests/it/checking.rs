//! `presence-gateway check`: a table of faults, each switched on alone, and the line that tells of it with its remedy.

use presence_gateway::command::check::{Finding, Outcome, probe};
use presence_gateway::config::{Config, NetTcpTrust, XphoneNetTcp, XphoneTransport};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::command::{changed, gateway, run, text};
use crate::world::{SUBSCRIBER, World, scratch_database};

const TEAMS_PLAN: &str = "57ff2da0-773e-42df-b2af-ffb7a2317929";

impl World {
    /// What a check finds, as the process beside a gateway finds it.
    async fn check(&self) -> Vec<Finding> {
        self.check_with(|_| {}).await
    }

    async fn check_with(&self, change: impl FnOnce(&mut Config)) -> Vec<Finding> {
        let mut config = self.config.clone();
        config.database.url = Some(self.database_url());
        change(&mut config);
        probe(&config, &self.clock).await
    }

    async fn licensed(&self, plans: Value) {
        let users = self.graph_look("users").await;
        let is_subscriber = |user: &&Value| user["user"]["userPrincipalName"] == SUBSCRIBER;
        let id = users.as_array().unwrap().iter().find(is_subscriber).unwrap()["user"]["id"].as_str().unwrap();
        let account = json!({"userPrincipalName": SUBSCRIBER, "assignedPlans": plans});
        self.graph_control(Method::PUT, &format!("users/{id}"), account).await;
    }
}

/// A gateway between both systems, with an account and two people, that is well.
async fn well() -> World {
    let (world, _) = World::with_people(["anna", "ben"]).await;
    let plan = json!([{"servicePlanId": TEAMS_PLAN, "capabilityStatus": "Enabled"}]);
    world.licensed(plan).await;
    world
}

#[track_caller]
fn line(findings: &[Finding], probe: &str, outcome: Outcome, words: &[&str]) {
    let found = findings.iter().find(|finding| finding.probe == probe && finding.outcome == outcome);
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let line = found.unwrap_or_else(|| panic!("{probe} is not {outcome:?}:\n{}", all.join("\n"))).to_string();
    assert!(!line.contains('\n'), "one line each");
    for words in words {
        assert!(line.contains(words), "{words:?} is missing in: {line}");
    }
}

/// Postgres has its own clock, whatever time the story plays at.
fn failed(findings: &[Finding]) -> Vec<String> {
    let bad = |finding: &&Finding| finding.outcome == Outcome::Fail && finding.probe != "database clock";
    findings.iter().filter(bad).map(ToString::to_string).collect()
}

#[tokio::test]
async fn nothing_is_wrong_where_nothing_is_wrong() {
    let world = well().await;
    let asked = world.writes().await;
    let findings = world.check().await;
    assert_eq!(failed(&findings), [""; 0]);
    for probe in [
        "settings",
        "database",
        "schema",
        "secrets",
        "people",
        "token",
        "graph clock",
        "User.Read.All",
        "Presence.Read.All",
        "Presence.ReadWrite.All",
        "subscriber accounts",
        "webhook",
        "xphone log-in",
        "xphone capabilities",
        "xphone rights",
        "xphone statuses",
        "e-mail addresses",
        "second synchroniser",
    ] {
        line(&findings, probe, Outcome::Ok, &[]);
    }
    line(&findings, &format!("account {SUBSCRIBER}"), Outcome::Ok, &["Teams licence"]);
    line(&findings, "webhook", Outcome::Ok, &["asked from this machine"]);
    assert_eq!(world.writes().await, asked + 1, "only somebody's appointment whom nobody is was asked to go");
}

#[tokio::test]
async fn a_clock_that_is_off_is_told() {
    let world = well().await;
    line(&world.check().await, "database clock", Outcome::Fail, &["differ by", "NTP"]);
    world.graph_faults(json!({"date_ahead_seconds": 40})).await;
    line(&world.check().await, "graph clock", Outcome::Warn, &["differ by 40", "NTP"]);
    world.graph_faults(json!({"date_ahead_seconds": -600})).await;
    line(&world.check().await, "graph clock", Outcome::Fail, &["differ by 600", "NTP"]);
}

#[tokio::test]
async fn a_wrong_client_secret_is_told() {
    let world = well().await;
    let findings = world.check_with(|config| {
        config.graph.credential = presence_gateway::config::Credential::Secret("wrong".into());
    });
    let findings = findings.await;
    line(&findings, "token", Outcome::Fail, &["AADSTS7000215", "graph.client_secret"]);
    line(&findings, "User.Read.All", Outcome::Skipped, &["no token"]);
}

#[tokio::test]
async fn an_entra_that_cannot_be_reached_is_told() {
    let world = well().await;
    let findings = world.check_with(|config| config.graph.login_url = "http://127.0.0.1:1".parse().unwrap()).await;
    line(&findings, "token", Outcome::Fail, &["graph.login_url", "443"]);
}

#[tokio::test]
async fn each_missing_application_permission_is_named() {
    for permission in ["User.Read.All", "Presence.Read.All", "Presence.ReadWrite.All"] {
        let world = World::new().await;
        world.graph_faults(json!({"withheld_application": [permission]})).await;
        let findings = world.check().await;
        let remedy = format!("add the application permission {permission} of Microsoft Graph");
        line(&findings, permission, Outcome::Fail, &["missing", &remedy, "admin consent"]);
        assert_eq!(failed(&findings).len(), 1, "{findings:?}");
    }
}

#[tokio::test]
async fn a_permission_that_graph_refuses_all_the_same_is_told() {
    let world = World::new().await;
    world.graph_faults(json!({"deny": [{"endpoint": "getPresencesByUserId", "status": 403}]})).await;
    line(&world.check().await, "Presence.Read.All", Outcome::Fail, &["the token names it", "some minutes"]);
    world.graph_faults(json!({"deny": [{"endpoint": "users", "status": 503}]})).await;
    line(&world.check().await, "User.Read.All", Outcome::Warn, &["503"]);
    world.graph_faults(json!({"deny": [{"endpoint": "presence", "status": 429}]})).await;
    line(&world.check().await, "Presence.ReadWrite.All", Outcome::Warn, &["throttles"]);
}

#[tokio::test]
async fn a_missing_delegated_permission_is_named() {
    let world = well().await;
    world.graph_faults(json!({"withheld_delegated": ["Presence.Read.All"]})).await;
    let account = format!("account {SUBSCRIBER}");
    line(
        &world.check().await,
        &account,
        Outcome::Fail,
        &["delegated permission Presence.Read.All", "sign-in presence@example.com"],
    );
}

#[tokio::test]
async fn an_account_that_must_sign_in_again_is_named_with_the_command() {
    for (error, code) in [("AADSTS50173", "AADSTS50173"), ("interaction_required", "AADSTS50078")] {
        let world = well().await;
        let revoke = json!({"user_principal_name": SUBSCRIBER, "error": error});
        world.graph_control(Method::POST, "refresh-tokens/revoke", revoke).await;
        let account = format!("account {SUBSCRIBER}");
        line(&world.check().await, &account, Outcome::Fail, &[code, "run `presence-gateway sign-in presence@example.com`"]);
    }
}

#[tokio::test]
async fn an_account_without_a_licence_is_told() {
    let world = well().await;
    world.licensed(json!([{"servicePlanId": TEAMS_PLAN, "capabilityStatus": "Suspended"}])).await;
    line(&world.check().await, &format!("account {SUBSCRIBER}"), Outcome::Fail, &["no Teams licence", "assign"]);
}

#[tokio::test]
async fn too_few_accounts_are_told() {
    let world = World::new().await;
    line(&world.check().await, "subscriber accounts", Outcome::Warn, &["0 enrolled", "enrol 1 more", "presence-gateway sign-in"]);
    let findings = world.check_with(|config| config.graph.push = false).await;
    line(&findings, "subscriber accounts", Outcome::Skipped, &["graph.push is off"]);
    line(&findings, "webhook", Outcome::Skipped, &["graph.push is off"]);
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_told() {
    let world = well().await;
    let nowhere = |config: &mut Config| config.http.public_url = Some("http://127.0.0.1:1".parse().unwrap());
    line(&world.check_with(nowhere).await, "webhook", Outcome::Warn, &["no gateway runs", "presence-gateway serve"]);
    let _serving = world.app.store.put_up(presence_gateway::store::sign::Saying::Serving).await.unwrap().unwrap();
    line(&world.check_with(nowhere).await, "webhook", Outcome::Fail, &["/graph/notifications", "http.public_url"]);
    // Somebody answers there, and it is not the gateway.
    let graph = world.graph.base_url.parse().unwrap();
    let strange = |config: &mut Config| config.http.public_url = Some(graph);
    line(&world.check_with(strange).await, "webhook", Outcome::Fail, &["not our validation token", "reverse proxy"]);
}

#[tokio::test]
async fn an_xphone_that_does_not_let_us_in_is_told() {
    let world = well().await;
    let findings = world.check_with(|config| {
        if let XphoneTransport::Http(http) = &mut config.xphone.transport {
            http.password = "wrong".into();
        }
    });
    let findings = findings.await;
    line(&findings, "xphone log-in", Outcome::Fail, &["xphone.account_name and xphone.password"]);
    line(&findings, "xphone rights", Outcome::Skipped, &[]);
    world.xphone_faults(json!({"down": true})).await;
    line(&world.check().await, "xphone log-in", Outcome::Fail, &["reach xphone.base_url"]);
}

#[tokio::test]
async fn over_net_tcp_its_own_settings_are_named() {
    let world = well().await;
    let fingerprint = NetTcpTrust::Fingerprint([0; 32]);
    let findings = world.check_with(|config| config.xphone.transport = net_tcp("net.tcp://127.0.0.1:1", fingerprint)).await;
    line(&findings, "xphone log-in", Outcome::Fail, &["xphone.net_tcp.address", "3344", "xphone.net_tcp.allow_unencrypted"]);
    line(&findings, "xphone statuses", Outcome::Skipped, &[]);
    let certificates = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned();
    let authority = NetTcpTrust::Authority { certificates, server_name: None };
    let findings = world.check_with(|config| config.xphone.transport = net_tcp("net.tcp://127.0.0.1:1", authority)).await;
    line(&findings, "xphone log-in", Outcome::Fail, &["xphone.net_tcp.authority_file", "xphone.net_tcp.server_name"]);
    assert!(!findings.iter().any(|finding| finding.to_string().contains("xphone.base_url")), "{findings:?}");
}

fn net_tcp(server: &str, trust: NetTcpTrust) -> XphoneTransport {
    XphoneTransport::NetTcp(XphoneNetTcp {
        server: server.parse().unwrap(),
        trust: Some(trust),
        allow_unencrypted: false,
        language: "de".to_owned(),
        presence_states: Vec::new(),
    })
}

#[tokio::test]
async fn what_xphone_cannot_do_is_told() {
    let world = well().await;
    for (faults, outcome, words) in [
        (json!({"incapable_of": ["appointments"]}), Outcome::Fail, "no appointments"),
        (json!({"incapable_of": ["events"]}), Outcome::Fail, "no events"),
        (json!({"incapable_of": ["forwardingOnAppointment"]}), Outcome::Warn, "call forwarding"),
        (json!({"no_profile_templates": true}), Outcome::Warn, "profile-template"),
    ] {
        world.xphone_faults(faults).await;
        line(&world.check().await, "xphone capabilities", outcome, &[words]);
    }
}

#[tokio::test]
async fn a_status_that_the_rules_need_and_xphone_has_not_is_told() {
    let world = well().await;
    for (kind, name) in [("busy", "Busy"), ("doNotDisturb", "Do not disturb")] {
        world.xphone_faults(json!({"unnamed_statuses": [kind]})).await;
        line(&world.check().await, "xphone statuses", Outcome::Fail, &["no status", name, "presenceStates"]);
    }
    world.xphone_faults(json!({"unnamed_statuses": ["beRightBack"]})).await;
    line(&world.check().await, "xphone statuses", Outcome::Ok, &["5 statuses"]);
}

#[tokio::test]
async fn each_missing_right_in_xphone_is_named() {
    let world = well().await;
    for (endpoint, writes_only, right) in [
        ("users", false, "read all users"),
        ("presence", false, "read everybody's presence"),
        ("locations", false, "read the locations"),
        ("appointments", false, "read everybody's appointments"),
        ("appointments", true, "set and remove everybody's appointments"),
    ] {
        world.xphone_faults(json!({"deny": [{"endpoint": endpoint, "writes_only": writes_only, "status": 403}]})).await;
        line(
            &world.check().await,
            "xphone rights",
            Outcome::Fail,
            &[&format!("cannot {right}"), &format!("let the account {right}")],
        );
    }
}

#[tokio::test]
async fn shared_and_missing_addresses_are_counted() {
    let world = well().await;
    world.xphone_user(Uuid::new_v4(), "ANNA@example.com", &[]).await;
    let findings = world.check().await;
    line(&findings, "e-mail addresses", Outcome::Warn, &["3 users: 2 share", "explain --unmatched", "teams-account"]);
}

#[tokio::test]
async fn a_second_synchroniser_is_noticed() {
    let world = well().await;
    let anna = Uuid::new_v4();
    world.xphone_user(anna, "carl@example.com", &[]).await;
    let end = (world.clock.now() + jiff::SignedDuration::from_hours(1)).to_string();
    let foreign = |origin: &str| {
        json!({"origin": origin, "subject": "On the phone (MS Teams)", "presenceStateGuid": "0c9f1d77-5b2d-4f27-a3c8-7f2e90d1a303",
            "start": world.clock.now().to_string(), "end": end})
    };
    let path = format!("users/{anna}/appointments/teams-client");
    world.xphone_control(Method::PUT, &path, foreign("XPhoneClient")).await;
    line(&world.check().await, "second synchroniser", Outcome::Warn, &["1 users show", "No synchronisation"]);
    world.xphone_control(Method::DELETE, &path, Value::Null).await;
    world.xphone_control(Method::PUT, &path, foreign("MSTeams")).await;
    line(&world.check().await, "second synchroniser", Outcome::Warn, &["1 appointments of our origin", "xphone.origin"]);
}

#[tokio::test]
async fn what_no_key_opens_is_told() {
    use presence_gateway::config::SealingKeys;
    let world = well().await;
    let key = |byte: u8| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [byte; 32]);
    let keys = |current: u8, previous: &str| SealingKeys::parse(&key(current), previous).unwrap();
    let findings = world.check_with(|config| config.secrets = keys(8, &key(7))).await;
    line(&findings, "secrets", Outcome::Warn, &["secrets.previous_keys", "start `serve`"]);
    let findings = world.check_with(|config| config.secrets = keys(8, "")).await;
    line(&findings, "secrets", Outcome::Fail, &["open with no key", "presence-gateway sign-in"]);

    // The key of the audit export's pseudonyms is made by the first export, and is sealed like everything else.
    let of = |findings: &[Finding]| findings.iter().find(|finding| finding.probe == "secrets").unwrap().found.clone();
    let before = of(&world.check().await);
    assert!(!findings.iter().any(|finding| finding.remedy.as_deref().unwrap_or_default().contains("pseudonym_key")));
    world.app.store.pseudonym_key().await.unwrap();
    assert_ne!(of(&world.check().await), before, "it is counted");
    let findings = world.check_with(|config| config.secrets = keys(8, "")).await;
    line(&findings, "secrets", Outcome::Fail, &["delete from pseudonym_key", "pseudonym is another"]);
}

#[tokio::test]
async fn people_who_are_held_back_are_told_with_what_releases_them() {
    let (world, people) = World::with_people(["anna", "ben"]).await;
    for person in people {
        world.graph_control(Method::DELETE, &format!("users/{}", person.teams), json!({"for_good": false})).await;
    }
    world.next_directory().await;
    assert_eq!(world.held_back().await, 2);
    let status = ["2 of 2 would be dropped", "2 without a match", "presence-gateway directory status", "accept --people 2"];
    line(&world.check().await, "people", Outcome::Warn, &status);
    world.accept_directory(2).await;
    line(&world.check().await, "people", Outcome::Ok, &["an operator agreed that 2 of 2"]);
    world.next_directory().await;
    line(&world.check().await, "people", Outcome::Ok, &["nobody is held back"]);
}

#[tokio::test]
async fn a_database_that_is_not_ready_is_told() {
    let world = World::new().await;
    let empty = scratch_database(false).await;
    let findings = world.check_with(|config| config.database.url = Some(empty.url())).await;
    line(&findings, "schema", Outcome::Fail, &["0001", "presence-gateway migrate"]);
    line(&findings, "subscriber accounts", Outcome::Skipped, &[]);
    line(&findings, "people", Outcome::Skipped, &[]);
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    let findings = world.check_with(|config| config.database.url = Some(nowhere.into())).await;
    line(&findings, "database", Outcome::Fail, &["refused", "database.url", "that Postgres runs"]);
    line(&findings, "secrets", Outcome::Skipped, &[]);
    line(&findings, "xphone log-in", Outcome::Ok, &[]);
    let mut nobody: Url = empty.url().expose_secret().parse().unwrap();
    nobody.set_username("nobody_of_this_name").unwrap();
    let findings = world.check_with(|config| config.database.url = Some(String::from(nobody).into())).await;
    line(&findings, "database", Outcome::Fail, &["does not let the gateway in: ", "check user and password", "pg_hba.conf"]);
    for finding in findings.iter().filter(|finding| finding.probe == "database") {
        assert_eq!(finding.to_string().matches("database.url").count(), 1, "said once: {finding}");
    }
    empty.remove().await.unwrap();
}

#[tokio::test]
async fn a_collector_that_takes_no_traces_is_told() {
    let world = World::new().await;
    line(&world.check().await, "traces", Outcome::Skipped, &["telemetry.otlp_endpoint"]);
    for (endpoint, words) in [(world.public.as_str(), "404"), ("http://127.0.0.1:1", "onnect")] {
        let endpoint = endpoint.parse().unwrap();
        let findings = world.check_with(|config| config.telemetry.otlp_endpoint = Some(endpoint)).await;
        line(&findings, "traces", Outcome::Fail, &[words, "OTLP over HTTP"]);
    }
}

#[tokio::test]
async fn the_program_prints_lines_or_json_and_fails_where_anything_does() {
    let database = scratch_database(true).await;
    let url = database.url();
    let broken =
        changed(&[("GATEWAY__GRAPH__TENANT_ID", Some("contoso")), ("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let output = run(gateway(&["check"], &broken)).await;
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("FAIL    settings") && told.contains("graph.tenant_id") && told.contains("skipped database"),
        "{told}"
    );
    assert!(!told.contains("the-secret") && !told.contains("the-password"));

    let output = run(gateway(&["check", "--json"], &broken)).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told["ok"], false);
    let first = &told["findings"][0];
    assert_eq!((&first["probe"], &first["outcome"]), (&json!("settings"), &json!("fail")));
    assert!(first["remedy"].is_string() && first["found"].as_str().unwrap().contains("graph.tenant_id"));
    database.remove().await.unwrap();
}
