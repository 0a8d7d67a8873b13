//! What Prometheus is told: what is documented and nothing else, with labels that do not grow; and alerts and panels that speak of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use presence_gateway::tasks::Activators;
use presence_gateway::telemetry::{Described, Kind, Metrics};
use serde_json::Value;

use crate::world::{Person, World, exhaust};

/// Counted by the driver of tasks, which these stories do without; `telemetry::everything_documented_is_exported` has it.
const OF_THE_DRIVER: [&str; 2] = ["presence_gateway_task_runs_total", "presence_gateway_task_last_success_timestamp_seconds"];
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// What a scrape holds: each family's kind and the names of its labels, and each series without its value.
pub struct Scrape {
    pub families: BTreeMap<String, (String, BTreeSet<String>)>,
    pub series: BTreeSet<String>,
}

impl Scrape {
    pub fn read(text: &str) -> Self {
        let mut scrape = Self { families: BTreeMap::new(), series: BTreeSet::new() };
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                scrape.families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
            } else if !line.starts_with('#') {
                let (series, _) = line.rsplit_once(' ').unwrap();
                scrape.series.insert(series.to_owned());
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let names = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('='));
                let names: Vec<String> = names.map(|(name, _)| name.to_owned()).filter(|label| label != "le").collect();
                let family = scrape.families.get_mut(family(name)).or(None);
                family.unwrap_or_else(|| panic!("{name} has no TYPE")).1.extend(names);
            }
        }
        scrape
    }

    /// Everything in it that is not documented as it is.
    pub fn undocumented(&self, catalogue: &[Described]) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, (kind, labels)) in &self.families {
            match catalogue.iter().find(|described| described.name == *name) {
                None => complaints.push(format!("{name} is exported and not documented")),
                Some(described) => {
                    let documented: BTreeSet<String> = described.labels.iter().map(|label| (*label).to_owned()).collect();
                    if described.kind.label() != kind || documented != *labels {
                        complaints
                            .push(format!("{name} is a {kind} of {labels:?}, documented {:?} of {documented:?}", described.kind));
                    }
                }
            }
        }
        complaints
    }
}

/// A histogram's samples bear its name and more.
fn family(sample: &str) -> &str {
    let stem = SUFFIXES.iter().find_map(|suffix| sample.strip_suffix(suffix));
    stem.filter(|stem| stem.ends_with("_seconds")).unwrap_or(sample)
}

pub async fn scrape(world: &World) -> Scrape {
    Scrape::read(&world.http.get(format!("{}/metrics", world.admin)).send().await.unwrap().text().await.unwrap())
}

/// Calls both ways, a word nobody documented, what is undone by hand, somebody who is not believed, a page shown.
async fn traffic(world: &World, people: &[Person]) {
    for words in ["Busy/InACall", "DoNotDisturb/Presenting", "Busy/Juggling", "Available/Available"] {
        world.teams_of_many(people, words).await;
        world.settle().await;
        world.confirm().await;
    }
    for state in [4, 2] {
        for person in people {
            world.xphone_telephone(*person, state).await;
        }
        world.hear().await;
        world.seconds(1).await;
        world.seconds(15).await;
    }
    world.post("graph/notifications", r#"{"value":[{"subscriptionId":"nobody's"}]}"#).await;
    world.post("graph/notifications", "no JSON").await;
    world.http.get(format!("{}/sign-in?ticket=none", world.public)).send().await.unwrap();
    exhaust(&world.app.tasks.heartbeat).await;
    world.minute().await;
}

#[tokio::test]
async fn what_is_exported_is_documented_and_the_other_way_round() {
    let (world, people) = World::with_people(["anna", "ben"]).await;
    traffic(&world, &people).await;
    let scrape = scrape(&world).await;
    let catalogue = world.app.metrics.catalogue();
    assert_eq!(scrape.undocumented(catalogue), Vec::<String>::new());
    let missing: Vec<&str> = catalogue.iter().map(|described| described.name.as_str()).collect();
    let missing: Vec<&str> =
        missing.into_iter().filter(|name| !scrape.families.contains_key(*name) && !OF_THE_DRIVER.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "documented, but a story in which everything happens does not export it");
}

/// What operators' own panels and checks elsewhere rely on: these names and labels stay.
const RELIED_ON: [(&str, &[&str]); 27] = [
    ("notifications_total", &["result"]),
    ("notification_ack_seconds", &[]),
    ("inbox_depth", &[]),
    ("inbox_oldest_seconds", &[]),
    ("decisions_total", &["slot", "result"]),
    ("push_total", &["slot", "result"]),
    ("change_to_push_seconds", &["direction"]),
    ("outbox_depth", &[]),
    ("outbox_oldest_seconds", &[]),
    ("shown", &["slot"]),
    ("slot_ended_total", &["slot", "cause"]),
    ("users", &["state"]),
    ("subscriptions", &["state"]),
    ("subscription_expires_seconds", &[]),
    ("sweep_seconds", &[]),
    ("missed_changes_total", &[]),
    ("graph_requests_total", &["endpoint", "status"]),
    ("graph_budget_remaining", &[]),
    ("xphone_connected", &[]),
    ("xphone_events_total", &["result"]),
    ("task_runs_total", &["task", "result"]),
    ("task_last_success_timestamp_seconds", &["task"]),
    ("clock_skew_seconds", &["against"]),
    ("feed_age_seconds", &["feed"]),
    ("database_connected", &[]),
    ("stuck_statuses", &["slot"]),
    ("subscriber_accounts", &["state"]),
];

#[test]
fn what_others_rely_on_is_there() {
    let metrics = Metrics::new().unwrap();
    for (name, labels) in RELIED_ON {
        let found = metrics.catalogue().iter().find(|described| described.name == format!("presence_gateway_{name}"));
        assert_eq!(found.map(|described| described.labels), Some(labels), "{name}");
    }
}

/// So many more people, whom the gateway gets to know and subscribes to.
async fn grow(world: &World, people: &mut Vec<Person>, more: usize) {
    for _ in 0..more {
        people.push(world.person(&format!("user{}", people.len())).await);
    }
    world.next_directory().await;
    traffic(world, people).await;
}

#[tokio::test]
async fn no_label_grows_with_users() {
    let (world, people) = World::with_people(["anna", "ben"]).await;
    let mut people = people.to_vec();
    traffic(&world, &people).await;
    grow(&world, &mut people, 1).await;
    let with_few = scrape(&world).await.series;
    grow(&world, &mut people, 22).await;
    let with_many = scrape(&world).await.series;
    let new: Vec<&String> = with_many.difference(&with_few).collect();
    assert_eq!(new, Vec::<&String>::new(), "of {} series", with_many.len());
    assert_eq!(world.count(r#"users{state="matched"}"#).await, 25);
}

/// Boundaries stand in seconds: the limits that Graph's words depend on are among them.
#[test]
fn histograms_measure_seconds() {
    let metrics = Metrics::new().unwrap();
    metrics.note_ack(std::time::Duration::from_millis(4));
    metrics.note_change_to_push("teams_to_xphone", 0.2);
    metrics.note_sweep(0.2, 0);
    let text = metrics.text().unwrap();
    for expected in [
        r#"notification_ack_seconds_bucket{le="0.005"} 1"#,
        r#"notification_ack_seconds_bucket{le="3"} 1"#,
        r#"notification_ack_seconds_bucket{le="10"} 1"#,
        r#"change_to_push_seconds_bucket{direction="teams_to_xphone",le="0.1"} 0"#,
        r#"change_to_push_seconds_bucket{direction="teams_to_xphone",le="0.25"} 1"#,
        r#"change_to_push_seconds_bucket{direction="teams_to_xphone",le="5"} 1"#,
        r#"sweep_seconds_bucket{le="0.25"} 1"#,
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    let (world, _) = World::with_people(["anna"]).await;
    let skew = |against| world.metric(against);
    let (database, graph) = (r#"clock_skew_seconds{against="database"}"#, r#"clock_skew_seconds{against="graph"}"#);
    // The story's clock stands, and so does the emulated Graph's; the database tells the machine's time.
    let before = [skew(database).await, skew(graph).await];
    world.advance(jiff::SignedDuration::from_secs(5000));
    world.graph_faults(serde_json::json!({"date_ahead_seconds": -5000})).await;
    world.tend_subscriptions().await;
    world.sweep().await;
    for (before, after) in before.into_iter().zip([skew(database).await, skew(graph).await]) {
        assert!((after - before - 5000.0).abs() < 600.0, "{before} became {after}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_told() {
    let (world, _) = World::with_people(["anna"]).await;
    assert_eq!(world.count("database_connected").await, 1);
    world.lose_database().await;
    assert_eq!(world.measured("database_connected").await.as_deref(), Some("0"));
    assert!(world.measured(r#"users{state="matched"}"#).await.is_some(), "what was told last stands still");
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn alerts() -> Vec<String> {
    let alerts = file("deploy/prometheus/alerts.yaml");
    alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

#[test]
fn each_alert_has_its_section_its_test_and_its_name_once() {
    let (rules, tests, book) =
        (file("deploy/prometheus/alerts.yaml"), file("deploy/prometheus/alerts_test.yaml"), file("docs/runbooks.md"));
    let alerts = alerts();
    assert!(alerts.len() > 15, "the alerts were not found");
    let sections: Vec<&str> = book.split("\n## ").skip(1).collect();
    let titles: Vec<&str> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(alerts, titles, "alerts, and sections of docs/runbooks.md in their order");
    for (alert, section) in alerts.iter().zip(sections) {
        let link = format!("runbook: docs/runbooks.md#{}", alert.to_lowercase());
        assert_eq!(rules.matches(&format!("{link}\n")).count(), 1, "{link}");
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is fired by no unit test");
        for part in ["**What it means.**", "**What users see.**", "**How to look.**\n\n```sh\n", "**What to do.**"] {
            assert!(section.contains(part), "{alert}: {part:?} is missing");
        }
    }
}

/// Whoever is woken has no source at hand.
#[test]
fn runbooks_name_every_task_and_no_source() {
    let book = file("docs/runbooks.md");
    assert!(!book.contains("src/") && !book.contains(".rs"), "operators have no source");
    let section = book.split("\n## ").find(|section| section.starts_with("PresenceGatewayTaskFailing")).unwrap();
    let rows: String = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next()).collect();
    for (task, ..) in Activators::default().named() {
        assert!(rows.contains(&format!("{task}`")), "nothing is said of {task}");
    }
}

/// A query on a metric that does not exist never fails: it just never fires.
#[test]
fn alerts_panels_and_runbooks_speak_of_metrics_that_exist() {
    let metrics = Metrics::new().unwrap();
    for path in ["deploy/prometheus/alerts.yaml", "deploy/prometheus/alerts_test.yaml", "deploy/grafana/presence-gateway.json"] {
        let text = file(path);
        for (place, _) in text.match_indices("presence_gateway_") {
            let name: String = text[place..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let known = metrics.catalogue().iter().find(|described| described.name == family(&name));
            let known = known.unwrap_or_else(|| panic!("{path} speaks of {name}, which does not exist"));
            assert!(known.kind == Kind::Histogram || known.name == name, "{path}: {name}");
        }
    }
    let book = file("docs/runbooks.md");
    for line in book.lines().filter_map(|line| line.strip_prefix("metric '")) {
        let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let found = metrics
            .catalogue()
            .iter()
            .any(|described| described.name.starts_with(&format!("presence_gateway_{}", family(&name))));
        assert!(found, "docs/runbooks.md looks for {name}, which does not exist");
    }
}

#[test]
fn panels_have_each_their_place() {
    let board: Value = serde_json::from_str(&file("deploy/grafana/presence-gateway.json")).unwrap();
    let mut taken = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for place in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies on another panel", panel["title"]);
        }
    }
}
