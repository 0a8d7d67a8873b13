//! One change is followed from where it comes in to its push, in both directions, across queues, batches and restarts.

use serde_json::json;

use crate::receiver::{Receiver, Told};
use crate::world::{Person, World};

const FOREIGN: &str = "0af7651916cd43dd8448eb211c80319c";

/// A world that follows so many of a hundred changes, with these people in it.
async fn followed(receiver: &Receiver, percent: u8, names: &[&str]) -> (World, Vec<Person>) {
    let change = |sources: presence_gateway::config::Sources| {
        let sources = sources.with("GATEWAY__TELEMETRY__OTLP_ENDPOINT", &receiver.address);
        sources.with("GATEWAY__TELEMETRY__TRACES_PERCENT", percent)
    };
    let world = World::with(change).await;
    let mut people = Vec::new();
    for name in names {
        people.push(world.person(name).await);
    }
    world.go_live().await;
    (world, people)
}

/// From a span up to where its trace begins.
fn way<'a>(spans: &'a [Told], span: &'a Told) -> Vec<&'a Told> {
    let mut way = vec![span];
    while let Some(parent) = spans.iter().find(|other| other.span == way[way.len() - 1].parent) {
        way.push(parent);
    }
    way
}

fn names<'a>(way: &[&'a Told]) -> Vec<&'a str> {
    way.iter().map(|span| span.name.as_str()).collect()
}

fn pushes<'a>(spans: &'a [Told], person: Person, slot: &str, shows: &str) -> Vec<&'a Told> {
    let is_it = |span: &&Told| {
        span.name == "push"
            && span.get("slot") == slot
            && span.get("shows") == shows
            && span.get("user") == person.xphone.to_string()
    };
    spans.iter().filter(is_it).collect()
}

/// The one push, the way that led to it, and the call that carried it out.
fn check(spans: &[Told], push: &Told, expected: &[&str], call: (&str, &str)) {
    let way = way(spans, push);
    assert_eq!(names(&way), expected);
    assert!(way.iter().all(|span| span.trace == push.trace), "{way:#?}");
    assert_eq!(way.last().unwrap().parent, "", "a trace begins with us");
    // After a restart a log-in may come before it.
    let calls: Vec<&Told> = spans.iter().filter(|span| span.parent == push.span && span.get("call") == call.1).collect();
    let [one] = &calls[..] else { panic!("{calls:#?}") };
    assert_eq!((one.name.as_str(), one.trace.as_str()), (call.0, push.trace.as_str()));
    assert!(one.get("http.response.status_code").starts_with('2') && !one.is_error, "{one:#?}");
    assert_eq!(push.get("result"), "ok");
}

#[tokio::test]
async fn a_teams_call_is_followed_to_xphone_and_an_xphone_call_to_teams() {
    let receiver = Receiver::start().await;
    let (mut world, people) = followed(&receiver, 100, &["anna", "ben"]).await;
    let [anna, ben] = people[..] else { panic!() };
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.xphone_telephone(ben, 4).await;
    world.hear().await;
    assert_eq!(
        (world.text(anna).await.as_str(), world.in_teams(ben).await.as_str()),
        ("On the phone (MS Teams)", "Busy/InACall")
    );
    // What has not left by then leaves with the soft stop.
    world.stop_softly().await;
    let spans = receiver.spans();
    let [push] = pushes(&spans, anna, "xphone_appointment", "true")[..] else { panic!("{spans:#?}") };
    check(&spans, push, &["push", "decide", "intake", "webhook"], ("xphone", "put appointment"));
    let decided = way(&spans, push)[1];
    assert_eq!((decided.get("user"), decided.get("xphone_appointment")), (anna.xphone.to_string().as_str(), "shown_call"));
    let [push] = pushes(&spans, ben, "teams_session", "true")[..] else { panic!("{spans:#?}") };
    check(&spans, push, &["push", "decide", "xphone event"], ("graph", "presence_writes"));
}

#[tokio::test]
async fn changes_that_travel_together_are_linked() {
    let receiver = Receiver::start().await;
    let (mut world, people) = followed(&receiver, 100, &["anna", "ben", "carl"]).await;
    for person in &people {
        world.xphone_telephone(*person, 4).await;
    }
    world.hear().await;
    world.stop_softly().await;
    let spans = receiver.spans();
    let pushes: Vec<&Told> = people.iter().flat_map(|person| pushes(&spans, *person, "teams_session", "true")).collect();
    assert_eq!(pushes.len(), 3, "{pushes:#?}");
    let carriers: Vec<&&Told> = pushes.iter().filter(|push| push.links.is_empty()).collect();
    let [carrier] = carriers[..] else { panic!("{pushes:#?}") };
    check(&spans, carrier, &["push", "decide", "xphone event"], ("graph", "batch"));
    for other in pushes.iter().filter(|push| push.span != carrier.span) {
        assert_eq!(other.links, [carrier.span.as_str()]);
        assert_eq!(names(&way(&spans, other)), ["push", "decide", "xphone event"]);
        assert_ne!(other.trace, carrier.trace, "each change has a trace of its own");
    }
}

#[tokio::test]
async fn a_trace_goes_on_after_a_restart_between_any_two_steps() {
    let receiver = Receiver::start().await;
    let (mut world, people) = followed(&receiver, 100, &["anna"]).await;
    let [anna] = people[..] else { panic!() };
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    restart(&mut world).await;
    world.intake().await;
    restart(&mut world).await;
    world.reconcile().await;
    restart(&mut world).await;
    world.dispatch().await;
    world.stop_softly().await;
    let spans = receiver.spans();
    let [push] = pushes(&spans, anna, "xphone_appointment", "true")[..] else { panic!("{spans:#?}") };
    check(&spans, push, &["push", "decide", "intake", "webhook"], ("xphone", "put appointment"));
}

/// Softly, so that what was seen leaves.
async fn restart(world: &mut World) {
    world.stop_softly().await;
    world.restart().await;
}

#[tokio::test]
async fn what_failed_shows_in_the_trace() {
    let receiver = Receiver::start().await;
    let (mut world, people) = followed(&receiver, 100, &["anna"]).await;
    let [anna] = people[..] else { panic!() };
    world.xphone_faults(json!({"deny": [{"endpoint": "appointments", "status": 422, "writes_only": true, "times": 1}]})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    world.stop_softly().await;
    let spans = receiver.spans();
    let attempts = pushes(&spans, anna, "xphone_appointment", "true");
    assert_eq!(attempts.iter().map(|push| push.get("result")).collect::<Vec<_>>(), ["refused", "ok"], "{attempts:#?}");
    let call = spans.iter().find(|span| span.parent == attempts[0].span).unwrap();
    assert_eq!((call.name.as_str(), call.get("http.response.status_code")), ("xphone", "422"));
}

/// Else anybody on the internet could have everything followed, or write into somebody's traces.
#[tokio::test]
async fn nobody_outside_decides_what_is_followed() {
    let receiver = Receiver::start().await;
    let (mut world, people) = followed(&receiver, 0, &["anna"]).await;
    let post = |path: String| {
        let request = world.http.post(path).header("traceparent", format!("00-{FOREIGN}-b7ad6b7169203331-01"));
        request.body(r#"{"value":[{"subscriptionId":"nobody's"}]}"#).send()
    };
    post(format!("{}/graph/notifications", world.public)).await.unwrap();
    world.teams(people[0], "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(people[0]).await, "On the phone (MS Teams)");
    world.stop_softly().await;
    assert!(receiver.spans().is_empty(), "{:#?}", receiver.spans());
}

#[tokio::test]
async fn a_foreign_trace_is_not_gone_on_with() {
    let receiver = Receiver::start().await;
    let (mut world, _) = followed(&receiver, 100, &["anna"]).await;
    let request = world.http.post(format!("{}/graph/notifications", world.public));
    let request = request.header("traceparent", format!("00-{FOREIGN}-b7ad6b7169203331-01"));
    request.body(r#"{"value":[{"subscriptionId":"nobody's"}]}"#).send().await.unwrap();
    world.settle().await;
    world.stop_softly().await;
    let spans = receiver.spans();
    assert!(spans.iter().any(|span| span.name == "intake"), "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace != FOREIGN && !span.links.contains(&"b7ad6b7169203331".to_owned())));
}

/// Switched off, no row of any queue holds anything of it.
#[tokio::test]
async fn switched_off_nothing_is_kept() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let database = world.database().await;
    let kept = async || {
        let rows =
            "select (select count(trace) from inbox) + (select count(trace) from user_state) + (select count(trace) from outbox)";
        sqlx::query_scalar::<_, i64>(rows).fetch_one(&database).await.unwrap()
    };
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    assert_eq!(kept().await, 0);
    world.intake().await;
    assert_eq!(kept().await, 0);
    world.reconcile().await;
    assert_eq!(kept().await, 0);
}
