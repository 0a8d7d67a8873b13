//! What is not believed: answered 202 all the same, counted by reason, kept without content, and changing nothing.

use presence_gateway::store::commit;
use presence_gateway::store::inbox::{self, Holding, PostKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sealed::{damaged, sealed};
use crate::world::{Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const NOTIFICATIONS: &str = "graph/notifications";
const LIFECYCLE: &str = "graph/lifecycle";

type Edit = fn(&mut Value);

/// What the emulator can spoil, and the check that finds it.
const TAMPERED: [(&str, &str); 10] = [
    ("signature", "signature"),
    ("token_signature", "token_signature"),
    ("wrong_audience", "token_audience"),
    ("wrong_publisher", "token_publisher"),
    ("expired_token", "token_expired"),
    ("wrong_tenant", "token_issuer"),
    ("unknown_key", "unknown_key"),
    ("no_token", "no_token"),
    ("wrong_client_state", "client_state"),
    ("foreign_certificate_id", "unknown_certificate"),
];

/// What is changed by hand in a genuine post about one user, and the check that finds it.
const FORGED: [(&str, Edit); 20] = [
    ("unknown_subscription", |post| post["value"][0]["subscriptionId"] = json!(Uuid::nil())),
    ("unknown_subscription", |post| post["value"][0]["subscriptionId"] = json!("NA")),
    ("client_state", |post| post["value"][0]["clientState"] = json!(null)),
    ("client_state", |post| post["value"][0]["clientState"] = json!("")),
    ("tenant", |post| post["value"][0]["tenantId"] = json!(Uuid::nil())),
    ("tenant", |post| post["value"][0]["organizationId"] = json!(Uuid::nil())),
    ("tenant", |post| {
        post["value"][0]["tenantId"] = json!(null);
        post["value"][0]["organizationId"] = json!(null);
    }),
    ("no_token", |post| _ = post.as_object_mut().unwrap().remove("validationTokens")),
    ("no_token", |post| post["validationTokens"] = json!(null)),
    ("no_token", |post| post["validationTokens"] = json!([])),
    ("token_malformed", |post| post["validationTokens"] = json!(["not.a.token"])),
    ("token_malformed", |post| post["validationTokens"].as_array_mut().unwrap().push(json!("one of several"))),
    ("token_malformed", |post| post["validationTokens"] = json!(vec![post["validationTokens"][0].clone(); 33])),
    // {"alg":"none","typ":"JWT"} and {"alg":"HS256","kid":"x"}: a signature that anybody could make.
    ("token_malformed", |post| post["validationTokens"] = json!(["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30."])),
    ("token_signature", |post| post["validationTokens"] = json!(["eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.AAAA"])),
    ("no_content", |post| {
        post["value"][0].as_object_mut().unwrap().remove("encryptedContent");
        post["value"][0]["resourceData"]["availability"] = json!("Busy");
        post["value"][0]["resourceData"]["activity"] = json!("InACall");
    }),
    ("unknown_certificate", |post| post["value"][0]["encryptedContent"]["encryptionCertificateId"] = json!(null)),
    ("key_unwrap", |post| in_content(post, |content| damaged(content, "dataKey"))),
    ("signature", |post| in_content(post, |content| damaged(content, "data"))),
    ("kind", |post| post["value"][0]["lifecycleEvent"] = json!("missed")),
];

fn in_content(post: &mut Value, change: impl FnOnce(&Value) -> Value) {
    post["value"][0]["encryptedContent"] = change(&post["value"][0]["encryptedContent"]);
}

impl World {
    /// Catches what Graph has posted before the gateway takes it in, to be changed and posted by hand.
    async fn intercept(&self) -> Value {
        self.delivered().await;
        let mut holding = Holding::begin(&self.app.store).await.unwrap();
        let taken = holding.take(&self.app.store, PostKind::Notification, self.clock.now(), 100).await.unwrap();
        let mut tx = holding.finish();
        inbox::remove(&mut tx, &taken.iter().map(|post| post.id).collect::<Vec<_>>()).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(taken.len(), 1);
        serde_json::from_slice(&taken[0].body).unwrap()
    }

    async fn post_json(&self, path: &str, body: &Value) {
        assert_eq!(self.post(path, body.to_string()).await, StatusCode::ACCEPTED, "whatever it says");
    }

    /// How often this reason has been counted, which is also how often it is on record.
    async fn refused(&self, reason: &str) -> u64 {
        let kept = self.app.store.refusals().await.unwrap();
        let kept = kept.iter().find(|(kept, _)| kept == reason).map_or(0, |(_, count)| u64::try_from(*count).unwrap());
        assert_eq!(self.count(&format!("notifications_total{{result={reason:?}}}")).await, kept, "{reason}");
        kept
    }

    async fn back_to_available(&self, person: Person) {
        self.teams(person, "Available/Available").await;
        self.settle().await;
        assert_eq!(self.text(person).await, "Available");
    }
}

#[tokio::test]
async fn what_was_spoiled_on_the_way_is_refused_and_the_next_counts() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for (tamper, reason) in TAMPERED {
        // So that the signing keys may be fetched again.
        world.advance(jiff::SignedDuration::from_secs(61));
        let before = world.refused(reason).await;
        world.graph_faults(json!({"notifications": {"tamper": tamper, "times": 1}})).await;
        world.teams(anna, "Busy/InACall").await;
        world.settle().await;
        assert_eq!(world.refused(reason).await, before + 1, "{tamper}");
        assert_eq!(world.text(anna).await, "Available", "{tamper}");
        world.teams(anna, "Busy/InAConferenceCall").await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "after {tamper}");
        world.back_to_available(anna).await;
    }
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
    assert_eq!(world.graph_look("requests").await["notifications"]["refused"], 0, "Graph was told 202 each time");
}

#[tokio::test]
async fn what_was_made_by_hand_is_refused_and_the_genuine_one_counts() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for (row, (reason, forge)) in FORGED.into_iter().enumerate() {
        let before = world.refused(reason).await;
        world.teams(anna, "Busy/InACall").await;
        let genuine = world.intercept().await;
        let mut forged = genuine.clone();
        forge(&mut forged);
        world.post_json(NOTIFICATIONS, &forged).await;
        world.settle().await;
        assert_eq!(world.refused(reason).await, before + 1, "row {row}: {reason}");
        assert_eq!(world.text(anna).await, "Available", "row {row}: {reason}");
        world.post_json(NOTIFICATIONS, &genuine).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "after row {row}: {reason}");
        world.back_to_available(anna).await;
    }
}

#[tokio::test]
async fn a_forged_newer_one_does_not_shadow_a_genuine_older_one() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let certificate = world.app.store.newest_certificate().await.unwrap().unwrap();
    let sealed = |plain: &[u8]| sealed(&certificate.certificate, &certificate.id.to_string(), plain);
    let available = json!({"id": anna.teams, "availability": "Available", "activity": "Available"}).to_string();
    let of_ben = json!({"id": ben.teams, "availability": "Available", "activity": "Available"}).to_string();
    for (reason, content) in [
        ("content", sealed(b"no JSON")),
        ("content", sealed(br#"{"availability":"Available"}"#)),
        ("mismatch", sealed(of_ben.as_bytes())),
        ("signature", damaged(&sealed(available.as_bytes()), "dataSignature")),
        ("key_unwrap", damaged(&sealed(available.as_bytes()), "dataKey")),
    ] {
        let before = world.refused(reason).await;
        world.teams(anna, "Busy/InACall").await;
        let genuine = world.intercept().await;
        let mut forged = genuine.clone();
        forged["value"][0]["encryptedContent"] = content;
        world.post_json(NOTIFICATIONS, &genuine).await;
        world.post_json(NOTIFICATIONS, &forged).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "{reason}");
        assert_eq!(world.refused(reason).await, before + 1);
        world.back_to_available(anna).await;
    }
}

#[tokio::test]
async fn one_bad_notification_does_not_spoil_the_others_of_its_post() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let mut spoiled_alone = 0;
    for (reason, forge) in FORGED {
        world.teams_of_many(&[anna, ben], "Busy/InACall").await;
        let mut post = world.intercept().await;
        let (about, token) = (post["value"][0]["resourceData"]["id"].clone(), post["validationTokens"].clone());
        forge(&mut post);
        if post["validationTokens"] == token {
            spoiled_alone += 1;
            let (spoiled, other) = if about == json!(anna.teams) { (anna, ben) } else { (ben, anna) };
            world.post_json(NOTIFICATIONS, &post).await;
            world.settle().await;
            assert_eq!([world.text(spoiled).await, world.text(other).await], ["Available", ON_THE_PHONE], "{reason}");
        }
        world.teams_of_many(&[anna, ben], "Available/Available").await;
        world.settle().await;
    }
    assert_eq!(spoiled_alone, 12);
}

#[tokio::test]
async fn refusals_are_kept_without_what_they_said() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"notifications": {"tamper": "wrong_client_state", "times": 1}})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let database = world.database().await;
    let kept: Vec<String> = sqlx::query_scalar("select to_jsonb(refusal)::text from refusal").fetch_all(&database).await.unwrap();
    let kept: Value = serde_json::from_str(&kept[0]).unwrap();
    let columns: Vec<&String> = kept.as_object().unwrap().keys().collect();
    assert_eq!(columns, ["minute", "reason", "refused", "subscription_id"]);
    assert_eq!(kept["subscription_id"], world.graph_look("subscriptions").await[0]["id"]);
}

#[tokio::test]
async fn lifecycle_notifications_are_believed_by_their_client_state_alone() {
    let (world, _) = World::with_people(["anna"]).await;
    let subscription = world.graph_look("subscriptions").await[0]["id"].clone();
    let (known, state) = world.app.store.client_states().await.unwrap().remove(0);
    assert_eq!(json!(known), subscription);
    let state = secrecy::ExposeSecret::expose_secret(&state).to_owned();
    let genuine = json!({
        "subscriptionId": subscription, "tenantId": world.config.graph.tenant_id, "clientState": state,
        "lifecycleEvent": "reauthorizationRequired",
    });
    for (part, value, reason) in [
        ("clientState", json!("guessed"), "client_state"),
        ("clientState", json!(null), "client_state"),
        ("subscriptionId", json!(Uuid::nil()), "unknown_subscription"),
        ("tenantId", json!(Uuid::nil()), "tenant"),
        ("lifecycleEvent", json!(null), "kind"),
    ] {
        let before = world.refused(reason).await;
        let mut forged = genuine.clone();
        forged[part] = value;
        world.post_json(LIFECYCLE, &json!({"value": [forged]})).await;
        world.settle().await;
        assert_eq!(world.refused(reason).await, before + 1, "{part}");
        world.tend_subscriptions().await;
        assert_eq!(world.graph_look("requests").await["endpoints"]["renewSubscription"], json!(null), "{part} renews nothing");
    }
    world.post_json(LIFECYCLE, &json!({"value": [genuine]})).await;
    world.settle().await;
    assert_eq!(world.count(r#"notifications_total{result="lifecycle"}"#).await, 1);
    world.tend_subscriptions().await;
    assert_eq!(world.graph_look("requests").await["endpoints"]["renewSubscription"]["200"], 1);
}

#[tokio::test]
async fn signing_keys_that_change_delay_but_lose_nothing() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let fetches = async || world.graph_look("requests").await["jwks_fetches"].as_u64().unwrap();
    assert_eq!(fetches().await, 1);
    world.advance(jiff::SignedDuration::from_secs(10));
    world.graph_control(Method::POST, "signing-keys/rotate", json!({"drop_old": true})).await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!((world.text(anna).await.as_str(), fetches().await), (ON_THE_PHONE, 1), "keys were fetched seconds ago: it waits");
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 1);
    world.advance(jiff::SignedDuration::from_secs(51));
    world.settle().await;
    assert_eq!((world.text(anna).await.as_str(), fetches().await), ("Available", 2));
    assert_eq!(world.refused("unknown_key").await, 0);
}

#[tokio::test]
async fn whoever_names_unknown_keys_makes_us_fetch_once_a_minute() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.back_to_available(anna).await;
    world.graph_faults(json!({"notifications": {"tamper": "unknown_key"}})).await;
    for _ in 0..12 {
        world.advance(jiff::SignedDuration::from_secs(10));
        world.teams(anna, "Busy/InACall").await;
        world.teams(anna, "Available/Available").await;
        world.settle().await;
    }
    world.advance(jiff::SignedDuration::from_secs(60));
    world.settle().await;
    assert_eq!(world.graph_look("requests").await["jwks_fetches"], 4, "once at first, then in each of three minutes");
    assert_eq!(world.refused("unknown_key").await, 24);
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
}

#[tokio::test]
async fn while_no_signing_keys_can_be_had_notifications_wait() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"deny": [{"endpoint": "keys", "status": 503}]})).await;
    world.teams(anna, "Busy/InACall").await;
    for _ in 0..10 {
        world.settle().await;
        assert_eq!(world.text(anna).await, "Available");
        assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 1);
        world.advance(jiff::SignedDuration::from_secs(60));
    }
    world.graph_faults(json!({})).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!(world.app.store.refusals().await.unwrap(), []);
}

#[tokio::test]
async fn tokens_of_version_one_are_as_good() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"notifications": {"v1_tokens": true}})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}
