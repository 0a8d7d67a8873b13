//! The profile template `MS Teams` in XPhone: made where it is set, kept as it is set, removed only if it is ours.

use jiff::SignedDuration;
use presence_gateway::store::Store;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::settings::profile_template;
use crate::world::World;

const TEMPLATE: &str = "profileTemplates/MS%20Teams";

impl World {
    fn of_location(&self, what: &str) -> String {
        format!("locations/{}/{what}", self.location)
    }

    /// What the gateway says of the location's template: state, refusal, whether it made the template.
    async fn standing(&self) -> (String, Value, bool) {
        let told = self.look_up(&self.of_location("profile-template/state")).await;
        let state = told["state"].as_str().unwrap().to_owned();
        (state, told["refusal"].clone(), told["made_by_gateway"].as_bool().unwrap())
    }

    /// The templates that XPhone has at this place, as `name status forwarding`.
    async fn templates_at(&self, place: &str) -> Vec<String> {
        let states = json!({"busy": self.status_guid("busy").await, "doNotDisturb": self.status_guid("doNotDisturb").await});
        let kind = |guid: &Value| states.as_object().unwrap().iter().find(|(_, known)| *known == guid).unwrap().0.clone();
        let listed = self.xphone_look(&format!("{place}/profileTemplates")).await;
        let word = |template: &Value| {
            let (name, forwarding) = (&template["name"], &template["callForwarding"]["mode"]);
            format!("{} {} {}", name.as_str().unwrap(), kind(&template["presenceStateGuid"]), forwarding.as_str().unwrap())
        };
        listed.as_array().unwrap().iter().map(word).collect()
    }

    async fn templates(&self) -> Vec<String> {
        self.templates_at(&format!("locations/{}", self.location)).await
    }

    async fn status_guid(&self, kind: &str) -> Value {
        let snake = if kind == "doNotDisturb" { "do_not_disturb" } else { kind };
        let query = "select guid from presence_status where kind = $1";
        let guid: Uuid = sqlx::query_scalar(query).bind(snake).fetch_one(&self.database().await).await.unwrap();
        json!(guid)
    }

    /// An administrator of XPhone makes or changes the template.
    async fn template_by_hand(&self, status: &str) {
        let body = json!({
            "presenceStateGuid": self.status_guid(status).await, "callForwarding": {"mode": "none", "number": null}, "active": true,
        });
        self.xphone_control(Method::PUT, &self.of_location(TEMPLATE), body).await;
    }

    async fn use_template(&self, in_use: bool) {
        self.xphone_control(Method::PUT, &self.of_location(&format!("{TEMPLATE}/use")), json!({"inUse": in_use})).await;
    }

    async fn deny_templates(&self, status: u16) {
        self.xphone_faults(json!({"deny": [{"endpoint": "profileTemplates", "status": status}]})).await;
    }

    async fn set_template(&self, create: bool, status: &str) {
        self.put_setting(&self.of_location("profile-template"), &profile_template(create, status)).await;
    }

    async fn unset_template(&self) {
        self.delete_setting(&self.of_location("profile-template")).await;
    }

    async fn tend(&self) {
        self.app.tasks.templates.run().await.unwrap();
    }

    /// Until all are compared again.
    async fn next_comparison(&self) {
        self.advance(SignedDuration::from_secs(300));
        self.tend().await;
    }

    /// How many requests about templates XPhone got.
    async fn template_requests(&self) -> u64 {
        let requests = self.xphone_look("requests").await;
        let counts = requests["counts"].as_array().unwrap().iter().filter(|count| count["endpoint"] == "profileTemplates");
        counts.map(|count| count["count"].as_u64().unwrap()).sum()
    }
}

fn standing(state: &str, refusal: Option<&str>, ours: bool) -> (String, Value, bool) {
    (state.to_owned(), json!(refusal), ours)
}

#[tokio::test]
async fn a_template_is_made_adapted_and_removed() {
    let world = World::new().await;
    let group = world.with_group().await;
    assert_eq!(world.standing().await, standing("none", None, false));
    world.set_template(true, "busy").await;
    assert_eq!(world.standing().await, standing("pending", None, false));
    world.tend().await;
    assert_eq!(world.standing().await, standing("in_step", None, true));
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    assert_eq!(world.templates_at(&format!("configurationGroups/{group}")).await, [""; 0], "it is inherited in XPhone");
    world.set_template(true, "do_not_disturb").await;
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams doNotDisturb voicemail"]);
    // A group with a setting of its own has a template of its own.
    let of_group = format!("configuration-groups/{group}/profile-template");
    world.put_setting(&of_group, &profile_template(true, "busy")).await;
    world.tend().await;
    assert_eq!(world.templates_at(&format!("configurationGroups/{group}")).await, ["MS Teams busy voicemail"]);
    assert_eq!(world.look_up(&format!("{of_group}/state")).await["state"], "in_step");
    assert_eq!(world.count(r#"profile_templates{state="in_step"}"#).await, 2);
    world.delete_setting(&of_group).await;
    world.unset_template().await;
    world.tend().await;
    assert_eq!(world.templates().await, [""; 0]);
    assert_eq!(world.templates_at(&format!("configurationGroups/{group}")).await, [""; 0]);
    assert_eq!(world.standing().await, standing("none", None, false));
    // To set that none is to be created is as good as to set nothing.
    world.set_template(true, "busy").await;
    world.tend().await;
    world.set_template(false, "busy").await;
    world.tend().await;
    assert_eq!((world.templates().await.len(), world.standing().await), (0, standing("none", None, false)));
}

#[tokio::test]
async fn whatever_happens_to_it_in_xphone_is_mended() {
    let world = World::new().await;
    world.with_group().await;
    world.set_template(true, "busy").await;
    world.tend().await;
    let asked = world.template_requests().await;
    world.next_comparison().await;
    assert_eq!(world.template_requests().await, asked + 1, "what is in step is only looked at");
    world.xphone_control(Method::DELETE, &world.of_location(TEMPLATE), Value::Null).await;
    world.tend().await;
    assert_eq!(world.templates().await.len(), 0, "it is not looked at all the time");
    world.next_comparison().await;
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    world.template_by_hand("doNotDisturb").await;
    world.next_comparison().await;
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    world.unset_template().await;
    world.tend().await;
    assert_eq!(world.templates().await.len(), 0, "somebody changed it meanwhile, and it was ours all the same");
}

#[tokio::test]
async fn somebody_elses_template_is_never_removed_and_touched_only_where_that_is_set() {
    let world = World::new().await;
    world.with_group().await;
    world.template_by_hand("doNotDisturb").await;
    world.next_comparison().await;
    world.set_template(false, "busy").await;
    world.next_comparison().await;
    assert_eq!(world.templates().await, ["MS Teams doNotDisturb none"]);
    assert_eq!(world.standing().await, standing("none", None, false));
    world.set_template(true, "busy").await;
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    assert_eq!(world.standing().await, standing("in_step", None, false));
    world.unset_template().await;
    world.next_comparison().await;
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    assert_eq!(world.standing().await, standing("none", None, false));
}

#[tokio::test]
async fn a_template_in_use_stays_until_it_is_not_and_that_is_told() {
    let world = World::new().await;
    world.with_group().await;
    world.set_template(true, "busy").await;
    world.tend().await;
    world.use_template(true).await;
    world.unset_template().await;
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    assert_eq!(world.standing().await, standing("refused", Some("in_use"), true));
    let told = world.look_up(&world.of_location("profile-template/state")).await;
    assert!(told["detail"].as_str().unwrap().contains("in use") && told["compared_at"] == told["since"], "{told}");
    assert_eq!(world.count(r#"profile_templates{state="refused"}"#).await, 1);
    world.next_comparison().await;
    let later = world.look_up(&world.of_location("profile-template/state")).await;
    assert!(later["since"] == told["since"] && later["compared_at"] != told["compared_at"], "the same refusal: {later}");
    // It can be adapted nonetheless, and goes when nothing uses it any more.
    world.set_template(true, "do_not_disturb").await;
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams doNotDisturb voicemail"]);
    assert_eq!(world.standing().await, standing("in_step", None, true));
    world.unset_template().await;
    world.tend().await;
    world.use_template(false).await;
    world.next_comparison().await;
    assert_eq!((world.templates().await.len(), world.standing().await), (0, standing("none", None, false)));
    assert_eq!(world.count(r#"profile_templates{state="refused"}"#).await, 0);
}

#[tokio::test]
async fn what_xphone_refuses_is_told_and_tried_again() {
    for (status, refusal) in [(422, "not_accepted"), (404, "not_found"), (409, "in_use"), (403, "not_accepted")] {
        let world = World::new().await;
        let group = world.with_group().await;
        world.set_template(true, "busy").await;
        world.deny_templates(status).await;
        world.tend().await;
        assert_eq!(world.standing().await, standing("refused", Some(refusal), false), "{status}");
        world.xphone_faults(json!({})).await;
        // Another place is not held up by it, nor is it tried again at each turn.
        world.put_setting(&format!("configuration-groups/{group}/profile-template"), &profile_template(true, "busy")).await;
        world.tend().await;
        assert_eq!(
            (world.templates().await.len(), world.templates_at(&format!("configurationGroups/{group}")).await.len()),
            (0, 1)
        );
        world.next_comparison().await;
        assert_eq!(world.standing().await, standing("in_step", None, true), "{status}");
    }
}

#[tokio::test]
async fn a_server_without_templates_or_without_the_status_is_told_of() {
    let world = World::new().await;
    world.with_group().await;
    world.set_template(true, "busy").await;
    world.xphone_faults(json!({"no_profile_templates": true})).await;
    world.tend().await;
    assert_eq!(world.standing().await, standing("refused", Some("no_templates"), false));
    assert_eq!(world.template_requests().await, 0);
    // It was updated.
    world.xphone_faults(json!({})).await;
    world.next_comparison().await;
    assert_eq!(world.standing().await, standing("in_step", None, true));
    let query = "delete from presence_status where kind = 'offline'";
    sqlx::query(query).execute(&world.database().await).await.unwrap();
    world.set_template(true, "offline").await;
    world.tend().await;
    assert_eq!(world.standing().await, standing("refused", Some("no_such_status"), true));
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"], "what was there stays");
}

#[tokio::test]
async fn xphone_is_down_and_comes_back() {
    let world = World::new().await;
    world.with_group().await;
    world.xphone_faults(json!({"down": true})).await;
    world.set_template(true, "busy").await;
    for _ in 0..3 {
        assert!(world.app.tasks.templates.run().await.is_err());
        world.advance(SignedDuration::from_secs(10));
    }
    assert_eq!(world.standing().await, standing("pending", None, false));
    assert_eq!(world.count(r#"profile_templates{state="pending"}"#).await, 1);
    world.xphone_faults(json!({})).await;
    world.tend().await;
    assert_eq!(world.standing().await, standing("in_step", None, true));
    // The same when it is to go.
    world.deny_templates(503).await;
    world.unset_template().await;
    assert!(world.app.tasks.templates.run().await.is_err());
    assert_eq!(world.standing().await, standing("pending", None, true));
    world.xphone_faults(json!({})).await;
    world.advance(SignedDuration::from_secs(10));
    world.tend().await;
    assert_eq!((world.templates().await.len(), world.standing().await), (0, standing("none", None, false)));
}

#[tokio::test]
async fn a_place_that_fails_holds_up_no_other() {
    let world = World::new().await;
    let group = world.with_group().await;
    world.set_template(true, "busy").await;
    world.put_setting(&format!("configuration-groups/{group}/profile-template"), &profile_template(true, "busy")).await;
    world.xphone_faults(json!({"deny": [{"endpoint": "profileTemplates", "status": 500, "times": 1}]})).await;
    assert!(world.app.tasks.templates.run().await.is_err());
    let states = ["pending", "in_step"].map(|state| format!("profile_templates{{state=\"{state}\"}}"));
    assert_eq!([world.count(&states[0]).await, world.count(&states[1]).await], [1, 1]);
    world.tend().await;
    assert_eq!([world.count(&states[0]).await, world.count(&states[1]).await], [0, 2]);
}

#[tokio::test]
async fn three_places_that_always_fail_starve_nobody() {
    let world = World::new().await;
    // Failing places come first in the order of the guids.
    let groups: Vec<Uuid> = (1..=5).map(Uuid::from_u128).collect();
    let named: Vec<Value> = groups.iter().map(|guid| json!({"guid": guid, "name": guid.to_string()})).collect();
    let headquarters = json!({"name": "Headquarters", "configurationGroups": named});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    world.directory().await;
    for group in &groups {
        world.put_setting(&format!("configuration-groups/{group}/profile-template"), &profile_template(true, "busy")).await;
    }
    let deny = |group: &Uuid| json!({"endpoint": "profileTemplates", "user": group, "status": 500});
    world.xphone_faults(json!({"deny": groups[..3].iter().map(deny).collect::<Value>()})).await;
    let made = async || {
        let mut made = Vec::new();
        for group in &groups {
            made.push(world.templates_at(&format!("configurationGroups/{group}")).await.len());
        }
        made
    };
    let fails = async || {
        world.advance(SignedDuration::from_secs(5));
        assert!(world.app.tasks.templates.run().await.is_err());
    };
    fails().await;
    assert_eq!(made().await, [0; 5], "after three failures XPhone is left alone");
    fails().await;
    assert_eq!(made().await, [0, 0, 0, 1, 1]);
    // What is changed by hand there is mended as ever, and no more often.
    let asked = world.template_requests().await;
    fails().await;
    assert_eq!(world.template_requests().await, asked + 3, "what is in order is not looked at with each failure");
    world.xphone_control(Method::DELETE, &format!("configurationGroups/{}/{TEMPLATE}", groups[4]), Value::Null).await;
    world.advance(SignedDuration::from_secs(300));
    fails().await;
    fails().await;
    assert_eq!(made().await, [0, 0, 0, 1, 1]);
    let told = world.look_up(&format!("configuration-groups/{}/profile-template/state", groups[0])).await;
    assert_eq!((&told["state"], &told["compared_at"]), (&json!("pending"), &Value::Null), "it was tried, not compared");
    world.xphone_faults(json!({})).await;
    world.tend().await;
    assert_eq!(made().await, [1; 5]);
}

#[tokio::test]
async fn a_crash_between_making_and_remembering_leaves_it_ours() {
    let mut world = World::new().await;
    world.with_group().await;
    world.set_template(true, "busy").await;
    // XPhone made it, and its answer was lost with us.
    world.xphone_faults(json!({"applied_but_answer_lost": 1})).await;
    assert!(world.app.tasks.templates.run().await.is_err());
    assert_eq!(world.templates().await, ["MS Teams busy voicemail"]);
    world.restart().await;
    world.tend().await;
    assert_eq!(world.standing().await, standing("in_step", None, true));
    world.unset_template().await;
    world.tend().await;
    assert_eq!(world.templates().await.len(), 0);

    // The same, but it was unset before we came back.
    world.set_template(true, "busy").await;
    world.xphone_faults(json!({"applied_but_answer_lost": 1})).await;
    assert!(world.app.tasks.templates.run().await.is_err());
    world.unset_template().await;
    world.restart().await;
    world.tend().await;
    assert_eq!((world.templates().await.len(), world.standing().await), (0, standing("none", None, false)));

    // It never arrived, and somebody else made another one meanwhile: that is theirs.
    world.set_template(true, "busy").await;
    let deny = json!({"deny": [{"endpoint": "profileTemplates", "writes_only": true, "status": 500}]});
    world.xphone_faults(deny).await;
    assert!(world.app.tasks.templates.run().await.is_err());
    world.xphone_faults(json!({})).await;
    world.template_by_hand("doNotDisturb").await;
    world.unset_template().await;
    world.restart().await;
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams doNotDisturb none"]);
}

#[tokio::test]
async fn what_is_set_while_it_is_carried_out_is_carried_out_again() {
    let world = World::new().await;
    world.with_group().await;
    world.set_template(true, "busy").await;
    let store: &Store = &world.app.store;
    let seen = store.template_cares(None).await.unwrap().remove(0);
    world.set_template(true, "do_not_disturb").await;
    let (maker, now) = (presence_gateway::domain::template::Maker::Us, world.clock.now());
    store.answer_template(&seen, maker, &presence_gateway::store::template::Answer::InStep, now).await.unwrap();
    assert_eq!(world.standing().await, standing("pending", None, true));
    world.tend().await;
    assert_eq!(world.templates().await, ["MS Teams doNotDisturb voicemail"]);
}

#[tokio::test]
async fn only_one_gateway_cares_and_another_takes_over() {
    let world = World::new().await;
    world.with_group().await;
    world.tend().await;
    let other = world.replica(&world.clock).await;
    world.set_template(true, "busy").await;
    other.tasks.templates.run().await.unwrap();
    assert_eq!(world.templates().await.len(), 0, "the lease is another's");
    world.advance(SignedDuration::from_secs(121));
    other.tasks.templates.run().await.unwrap();
    assert_eq!(world.templates().await.len(), 1);
}
