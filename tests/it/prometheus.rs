//! A real Prometheus scrapes a running gateway: every panel's query answers, every alert is evaluated, and trouble lets the right ones rise.
//!
//! Needs Prometheus' own programs, which `deploy/prometheus/test` brings along.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use presence_gateway::app::Running;
use presence_gateway::domain::subscription::ProblemKind;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::world::World;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SCRAPES_MIN: f64 = 5.0;

struct Prometheus {
    programs: PathBuf,
    url: String,
    _folder: tempfile::TempDir,
    /// Dies with the test.
    _program: Child,
}

impl Prometheus {
    #[expect(clippy::disallowed_methods, reason = "the script that brings the programs along says where they are")]
    async fn scraping(target: &str) -> Self {
        let programs = PathBuf::from(std::env::var("PROMETHEUS_PROGRAMS").expect("run deploy/prometheus/test"));
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yaml");
        let settings = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "presence-gateway", "static_configs": [{"targets": [target]}]}],
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("prometheus.yml"), settings.to_string()).unwrap();
        let program = Command::new(programs.join("prometheus"))
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={free}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { programs, url: format!("http://{free}"), _folder: folder, _program: program }
    }

    async fn ask(&self, path: &str) -> Option<Value> {
        reqwest::get(format!("{}/api/v1/{path}", self.url)).await.ok()?.json().await.ok()
    }

    /// What an expression without labels says.
    async fn value(&self, expression: &str) -> Option<f64> {
        let answer = self.ask(&format!("query?query={expression}")).await?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// As the operator's tool prints it; empty: no series.
    async fn query(&self, expression: &str) -> String {
        let mut promtool = Command::new(self.programs.join("promtool"));
        let output = promtool.args(["query", "instant", &self.url, expression]).output().await.unwrap();
        assert!(output.status.success(), "{expression}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every rule, by its alert: its health, and its state.
    async fn rules(&self) -> Vec<(String, String, String)> {
        let answer = self.ask("rules").await.unwrap();
        let rules = answer["data"]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        rules.map(|rule| (text(&rule["name"]), text(&rule["health"]), text(&rule["state"]))).collect()
    }

    async fn risen(&self) -> BTreeSet<String> {
        let risen = self.rules().await.into_iter().filter(|(.., state)| state != "inactive");
        risen.map(|(name, ..)| name).collect()
    }
}

/// Waits until something is as it should be.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        while !is_so().await {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "it does not become so: {what}");
}

/// A second gateway on the world's database, with everything running by itself.
async fn running(world: &World) -> (Running, String, String) {
    // The world's own, whose tasks run by hand only, gives its leases up.
    world.advance(jiff::SignedDuration::from_secs(121));
    let replica = world.replica(&world.clock).await;
    let (public, admin) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (target, posts) = (admin.local_addr().unwrap().to_string(), format!("http://{}", public.local_addr().unwrap()));
    (replica.start_on(public, admin), target, posts)
}

fn queries() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/presence-gateway.json");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    targets.flatten().map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")).collect()
}

#[tokio::test]
#[ignore = "needs Prometheus: deploy/prometheus/test brings it along"]
async fn a_real_prometheus_answers_every_panel_and_lets_the_right_alerts_rise() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let (gateway, target, posts) = running(&world).await;
    let prometheus = Prometheus::scraping(&target).await;
    until("scraped", async || prometheus.value("count_over_time(up[5m])").await.is_some_and(|scrapes| scrapes >= 2.0)).await;

    // Both ways, and back; Graph posts to the other gateway, a stranger to this one.
    world.http.post(format!("{posts}/graph/notifications")).body(r#"{"value":[]}"#).send().await.unwrap();
    world.teams(anna, "Busy/InACall").await;
    world.xphone_telephone(ben, 4).await;
    until("shown in XPhone", async || world.text(anna).await == "On the phone (MS Teams)").await;
    until("shown in Teams", async || world.in_teams(ben).await == "Busy/InACall").await;
    world.teams(anna, "Available/Available").await;
    until("taken back", async || world.text(anna).await == "Available").await;
    let scrapes = prometheus.value("count_over_time(up[5m])").await.unwrap();
    let enough = async || prometheus.value("count_over_time(up[5m])").await.is_some_and(|now| now >= scrapes + SCRAPES_MIN);
    until("scraped since", enough).await;

    let queries = queries();
    assert!(queries.len() > 40, "the panels were not found");
    for query in &queries {
        assert!(!prometheus.query(query).await.trim().is_empty(), "no series: {query}");
    }
    for (alert, health, _) in prometheus.rules().await {
        assert_eq!(health, "ok", "{alert}");
    }
    // The story's clock stands in another week than the database's.
    assert_eq!(prometheus.risen().await, BTreeSet::from(["PresenceGatewayClocksApart".to_owned()]));

    world.xphone_faults(json!({"down": true})).await;
    let account = world.app.store.accounts().await.unwrap().remove(0).id;
    let (kind, now) = (ProblemKind::RefreshRefused, world.clock.now());
    world.app.store.note_account_problem(account, kind, "its sessions were revoked", now, None).await.unwrap();
    world.teams(anna, "Busy/InACall").await;
    for expected in ["PresenceGatewayXPhoneUnreachable", "PresenceGatewayAccountNeedsSignIn"] {
        until(expected, async || prometheus.risen().await.contains(expected)).await;
    }
    gateway.stop(std::future::ready(())).await;
}
