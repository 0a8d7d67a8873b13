//! Thousands switched at once: in batches, within Graph's budget, seen by whoever asks, and nobody else waits for them.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use jiff::SignedDuration;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::teams_sync;
use crate::world::{Person, World, exhaust};

/// On each side.
const CALLING: usize = 5000;
const EVERYBODY: u64 = 2 * CALLING as u64;
const IN_A_CALL: &str = "Busy/InACall";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";
/// Graph's budget of 1500 requests in 30 s lets through so many writes a second and more; this is the slowest it may be.
const SECONDS_MAX: usize = 900;

struct Crowd {
    in_teams_calls: Vec<Person>,
    in_xphone_calls: Vec<Person>,
}

impl Crowd {
    fn all(&self) -> impl Iterator<Item = &Person> {
        self.in_teams_calls.iter().chain(&self.in_xphone_calls)
    }
}

impl World {
    /// Ten thousand people at the location, half of them in a call in Teams, half in XPhone; no notifications are needed for this.
    async fn with_crowd() -> (Self, Crowd) {
        Box::pin(Self::build_with_crowd()).await
    }

    async fn build_with_crowd() -> (Self, Crowd) {
        let world = Self::with(|sources| sources.with("GATEWAY__GRAPH__PUSH", false)).await;
        let people: Vec<Person> = (0..2 * CALLING).map(|_| Person { xphone: Uuid::new_v4(), teams: Uuid::new_v4() }).collect();
        let mail = |person: &Person| format!("{}@example.com", person.xphone);
        let user = |person: &Person| {
            json!({
                "guid": person.xphone, "email": mail(person), "accountName": mail(person), "displayName": "somebody",
                "location": world.location, "configurationGroup": null, "profiles": [],
            })
        };
        world.xphone_control(Method::POST, "users", people.iter().map(user).collect()).await;
        let accounts = people.iter().map(async |person| {
            let account = json!({"userPrincipalName": mail(person), "mail": mail(person)});
            world.graph_control(Method::PUT, &format!("users/{}", person.teams), account).await;
        });
        stream::iter(accounts).buffer_unordered(16).collect::<()>().await;
        let (in_teams_calls, in_xphone_calls) = people.split_at(CALLING);
        let said: Map<String, Value> = people
            .iter()
            .enumerate()
            .map(|(number, person)| {
                let pair = if number < CALLING { ("Busy", "InACall") } else { ("Available", "Available") };
                (person.teams.to_string(), json!({"availability": pair.0, "activity": pair.1}))
            })
            .collect();
        world.graph_control(Method::PUT, "teams", said.into()).await;
        let calls = in_xphone_calls.iter().map(async |person| world.xphone_telephone(*person, 4).await);
        stream::iter(calls).buffer_unordered(16).collect::<()>().await;
        let crowd = Crowd { in_teams_calls: in_teams_calls.to_vec(), in_xphone_calls: in_xphone_calls.to_vec() };
        (world, crowd)
    }

    async fn progress(&self) -> Value {
        self.look_up(&format!("locations/{}/progress", self.location)).await
    }

    /// A second passes, in which queues are worked.
    async fn work_a_second(&self) {
        self.advance(SignedDuration::from_secs(1));
        self.reconcile().await;
        self.dispatch().await;
        exhaust(&self.app.tasks.confirmer).await;
    }

    /// Until nobody at the location waits any more; says how many letters waited after each second.
    async fn until_done(&self) -> Vec<u64> {
        let mut letters = Vec::new();
        for _ in 0..SECONDS_MAX {
            self.work_a_second().await;
            let progress = self.progress().await;
            letters.push(how_many_letters(&progress));
            if progress["done"] == true {
                return letters;
            }
        }
        panic!("it is never done: {letters:?}");
    }

    /// How many of these the emulated Graph shows in a call.
    async fn in_a_call(&self, people: &[Person]) -> usize {
        let ids: HashSet<String> = people.iter().map(|person| person.teams.to_string()).collect();
        let users = self.graph_look("users").await;
        let are = |user: &&Value| user["activity"] == "InACall" && ids.contains(user["user"]["id"].as_str().unwrap());
        users.as_array().unwrap().iter().filter(are).count()
    }
}

fn how_many_letters(progress: &Value) -> u64 {
    let letters = &progress["to_send"];
    [&letters["xphone"], &letters["teams"]].map(|waiting| waiting.as_u64().unwrap()).iter().sum()
}

#[tokio::test]
async fn a_location_of_thousands_is_switched_off_in_step_with_graphs_budget() {
    let (world, crowd) = World::with_crowd().await;
    // Somebody elsewhere, whom all of this does not concern.
    let elsewhere = Uuid::new_v4();
    let branch = json!({"name": "Branch", "configurationGroups": []});
    world.xphone_control(Method::PUT, &format!("locations/{elsewhere}"), branch).await;
    let (ben, cleo) = (world.person("ben").await, world.person("cleo").await);
    for (person, name) in [(ben, "ben"), (cleo, "cleo")] {
        let email = format!("{name}@example.com");
        let user = json!({
            "email": email, "accountName": email, "displayName": name, "location": elsewhere, "configurationGroup": null,
            "profiles": [{"name": "Appointment", "kind": "busy", "active": true}],
        });
        world.xphone_control(Method::PUT, &format!("users/{}", person.xphone), user).await;
    }
    world.xphone_client(cleo, false).await;
    world.directory().await;
    let everything = teams_sync("telephony_and_presence");
    world.put_setting(&format!("locations/{}/teams-sync", world.location), &everything).await;
    world.put_setting(&format!("locations/{elsewhere}/teams-sync"), &everything).await;
    let begun = world.progress().await;
    assert_eq!([&begun["users"], &begun["to_decide"], &begun["to_read"]], [EVERYBODY; 3], "{begun}");
    world.listen().await;
    // They are read for the first time, and that is no news of each: whoever changes just now comes first all the same.
    exhaust(&world.app.tasks.policies).await;
    exhaust(&world.app.tasks.confirmer).await;
    world.xphone_telephone(ben, 4).await;
    world.listen().await;
    world.app.tasks.reconciler.run().await.unwrap();
    world.app.tasks.teams_dispatcher.run().await.unwrap();
    let told = world.look_up(&format!("users/{}/explain", ben.xphone)).await;
    assert_eq!(world.in_teams(ben).await, IN_A_CALL, "before the thousands: {told}");
    assert!(world.progress().await["to_decide"].as_u64().unwrap() >= EVERYBODY - 500);
    world.xphone_telephone(ben, 0).await;
    world.listen().await;
    world.sweep().await;
    world.until_done().await;
    let shown = json!({"xphone": CALLING, "teams": CALLING});
    assert_eq!(world.progress().await["shown"], shown);
    assert_eq!(world.in_a_call(&crowd.in_xphone_calls).await, CALLING);
    world.advance(SignedDuration::from_secs(30));

    // Graph takes fewer writes from now on than our budget allows.
    world.graph_faults(json!({"writes_per_30_seconds": 900})).await;
    world.put_setting(&format!("locations/{}/teams-sync", world.location), &teams_sync("none")).await;
    let changed_at = world.clock.now().to_string();
    let begun = world.progress().await;
    assert_eq!(begun["to_read"], 0, "nobody need be read for that: {begun}");
    assert_eq!(
        (&begun["to_decide"], &begun["done"], &begun["changed_at"]),
        (&json!(EVERYBODY), &json!(false), &json!(changed_at))
    );
    assert!(world.count(r#"users_waiting{for="decision"}"#).await >= EVERYBODY);
    // One batch, then another in which two fresh changes from elsewhere pass the thousands, in both directions.
    world.app.tasks.reconciler.run().await.unwrap();
    assert_eq!(world.progress().await["to_decide"], EVERYBODY - 500);
    world.xphone_telephone(ben, 4).await;
    world.teams(cleo, IN_A_CALL).await;
    // Her client starts, so she is read at once.
    world.xphone_client(cleo, true).await;
    world.listen().await;
    exhaust(&world.app.tasks.confirmer).await;
    world.app.tasks.reconciler.run().await.unwrap();
    let waiting = world.progress().await;
    let left = EVERYBODY - 1000..EVERYBODY - 500;
    assert!(left.contains(&waiting["to_decide"].as_u64().unwrap()), "another batch: {waiting}");
    assert_eq!(waiting["shown"], shown, "what is to go is there until the side has confirmed that it went");
    assert_eq!(world.count(r#"shown{slot="teams_session"}"#).await, EVERYBODY / 2);
    assert!(waiting["to_send"]["teams"].as_u64().unwrap() > 300, "more than may be sent at once: {waiting}");
    world.app.tasks.xphone_dispatcher.run().await.unwrap();
    world.app.tasks.teams_dispatcher.run().await.unwrap();
    assert_eq!((world.in_teams(ben).await.as_str(), world.text(cleo).await.as_str()), (IN_A_CALL, ON_THE_PHONE));
    assert!(
        world.progress().await["to_decide"].as_u64().unwrap() >= EVERYBODY - 1000,
        "before the thousands are even decided about"
    );

    let letters = world.until_done().await;
    let is_falling = letters.is_sorted_by(|before, after| before >= after);
    assert!(letters.len() > 10 && is_falling, "it takes a while, and counts down: {letters:?}");
    assert!(throttled(&world).await > 0, "Graph asked to wait in between");
    // Nothing is left on either side, in our books or theirs.
    assert_eq!(world.progress().await["shown"], json!({"xphone": 0, "teams": 0}));
    assert_eq!(world.in_a_call(&crowd.in_xphone_calls).await, 0);
    let appointments = stream::iter(crowd.all()).map(|person| world.appointment(*person)).buffer_unordered(16);
    assert!(appointments.all(async |appointment| appointment.is_none()).await);
    assert_eq!((world.in_teams(ben).await.as_str(), world.text(cleo).await.as_str()), (IN_A_CALL, ON_THE_PHONE));
    let sent_in_vain = world.progress().await["to_send"]["failed"].clone();
    assert_eq!((sent_in_vain, world.count(r#"users_waiting{for="decision"}"#).await), (json!(0), 0));
}

/// How many requests Graph answered with 429.
async fn throttled(world: &World) -> u64 {
    let requests = world.graph_look("requests").await;
    requests["endpoints"].as_object().unwrap().values().map(|statuses| statuses["429"].as_u64().unwrap_or_default()).sum()
}
