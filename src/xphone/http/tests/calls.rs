//! What is asked and what the answers mean.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::{Reply, noon, open_world};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid, ProfileGuid, UserGuid};
use crate::domain::mapping::{Meeting, StatusKind};
use crate::xphone::Error;
use crate::xphone::values::{Appointment, ConfigurationGroup, Entry, ListedAppointment, Location, Profile, Shows, VisibleFrom};

const ANNA: Uuid = Uuid::from_u128(0xA);
const STATE: Uuid = Uuid::from_u128(0x5);
const PROFILE: Uuid = Uuid::from_u128(0x9);

pub(super) fn user() -> UserGuid {
    UserGuid(ANNA)
}

pub(super) fn appointment() -> Appointment {
    Appointment {
        origin: "MSTeams".to_owned(),
        subject: "On the phone (MS Teams)".to_owned(),
        shows: Shows::Profile(ProfileGuid(PROFILE)),
        start: noon(),
        end: noon() + SignedDuration::from_hours(12),
        visible_from: None,
    }
}

pub(super) fn entry() -> Value {
    json!({
        "userGuid": ANNA, "email": "anna@example.org", "presenceStateGuid": STATE, "presenceText": "", "profileGuid": null,
        "origin": "MSTeams", "telephoneState": 12, "meeting": "screenShare", "clientConnected": true, "later": {"a": 1},
    })
}

pub(super) fn anna() -> Entry {
    Entry {
        user: user(),
        email: Some("anna@example.org".to_owned()),
        presence_state: PresenceStateGuid(STATE),
        presence_text: Some(String::new()),
        profile: None,
        origin: Some("MSTeams".to_owned()),
        telephone_state: 12,
        meeting: Meeting::ScreenShare,
        client_connected: true,
    }
}

#[tokio::test]
async fn capabilities_need_our_contract() {
    let world = open_world(|_| {
        let answer = json!({"serverVersion": "10.0.1", "contractVersion": 1, "appointments": true, "events": true, "later": 1});
        Reply::Json(200, answer)
    })
    .await;
    let capabilities = world.xphone.capabilities().await.unwrap();
    assert_eq!(world.last().what, "GET /server/capabilities");
    assert_eq!(capabilities.server_version, "10.0.1");
    assert!(capabilities.appointments && capabilities.events);
    assert!(!capabilities.forwarding_on_appointment && !capabilities.profile_templates);

    let world = open_world(|_| Reply::Json(200, json!({"contractVersion": 2}))).await;
    let error = world.xphone.capabilities().await.unwrap_err();
    assert!(matches!(error, Error::Contract { .. }), "{error:?}");
    assert!(error.to_string().contains("contract version 2"), "{error}");
}

#[tokio::test]
async fn unknown_kinds_of_status_are_tolerated() {
    let world = open_world(|_| {
        let state = |kind: &str| json!({"guid": STATE, "kind": kind, "name": kind, "colour": "red"});
        Reply::Json(200, json!([state("doNotDisturb"), state("beRightBack"), state("onHoliday")]))
    })
    .await;
    let states = world.xphone.presence_states().await.unwrap();
    let kinds: Vec<_> = states.iter().map(|state| state.kind).collect();
    assert_eq!(kinds, [Some(StatusKind::DoNotDisturb), Some(StatusKind::BeRightBack), None]);
    assert_eq!(world.last().what, "GET /presenceStates");
}

#[tokio::test]
async fn locations_hold_their_groups() {
    let world = open_world(|_| {
        let groups = json!([{"guid": PROFILE, "name": "Sales"}]);
        Reply::Json(200, json!([{"guid": STATE, "name": "Munich", "configurationGroups": groups}]))
    })
    .await;
    let groups = vec![ConfigurationGroup { guid: ConfigurationGroupGuid(PROFILE), name: "Sales".to_owned() }];
    let munich = Location { guid: LocationGuid(STATE), name: "Munich".to_owned(), configuration_groups: groups };
    assert_eq!(world.xphone.locations().await.unwrap(), [munich]);
}

fn person(guid: Uuid) -> Value {
    let profiles = json!([{"guid": PROFILE, "name": "MS Teams", "presenceStateGuid": STATE, "active": true}]);
    json!({"guid": guid, "email": "", "accountName": "a", "displayName": "A", "distinguishedName": "cn=A", "profiles": profiles})
}

#[tokio::test]
async fn users_are_collected_page_by_page() {
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let world = open_world(move |asked| {
        let is_first = !asked.what.contains("after");
        let guid = if is_first { first } else { second };
        Reply::Json(200, json!({"users": [person(guid)], "next": is_first.then_some(first)}))
    })
    .await;
    let users = world.xphone.users().await.unwrap();
    assert_eq!(users.iter().map(|user| user.guid).collect::<Vec<_>>(), [UserGuid(first), UserGuid(second)]);
    assert_eq!(users[0].email, None, "an empty address is none");
    let profile = Profile {
        guid: ProfileGuid(PROFILE),
        name: "MS Teams".to_owned(),
        presence_state: PresenceStateGuid(STATE),
        active: true,
    };
    assert_eq!(users[0].profiles, [profile]);
    assert_eq!(world.last().what, format!("GET /users?limit=1000&after={first}"));
    world.xphone.users_page(None, 0).await.unwrap();
    assert_eq!(world.last().what, "GET /users?limit=1");
}

#[tokio::test]
async fn pages_that_go_in_circles_are_an_error() {
    let world = open_world(|_| Reply::Json(200, json!({"users": [], "next": ANNA}))).await;
    let error = world.xphone.users().await.unwrap_err();
    assert!(matches!(error, Error::Contract { .. }), "{error:?}");
    assert_eq!(world.count(&format!("GET /users?limit=1000&after={ANNA}")), 1);
}

#[tokio::test]
async fn the_snapshot_has_entries_and_a_sequence() {
    let world = open_world(|_| Reply::Json(200, json!({"sequence": 41, "entries": [entry()]}))).await;
    let snapshot = world.xphone.presence().await.unwrap();
    assert_eq!((snapshot.sequence, snapshot.entries), (41, vec![anna()]));
    assert_eq!(world.last().what, "GET /presence");
}

#[tokio::test]
async fn appointments_are_put_as_the_contract_says() {
    let world = open_world(|_| Reply::Text(201, "")).await;
    world.xphone.put_appointment(user(), "presence/1", &appointment()).await.unwrap();
    let asked = world.last();
    assert_eq!(asked.what, format!("PUT /users/{ANNA}/appointments/presence%2F1"));
    let body = json!({
        "origin": "MSTeams", "subject": "On the phone (MS Teams)", "profileGuid": PROFILE,
        "start": "2026-11-22T12:00:00Z", "end": "2026-11-23T00:00:00Z",
    });
    assert_eq!(asked.body, body);

    let shows = Shows::PresenceState(PresenceStateGuid(STATE));
    let seen_by_colleagues = Appointment { shows, visible_from: Some(VisibleFrom::TeamColleague), ..appointment() };
    world.xphone.put_appointment(user(), "presence", &seen_by_colleagues).await.unwrap();
    let body = world.last().body;
    assert_eq!((&body["presenceStateGuid"], &body["visibleFrom"]), (&json!(STATE), &json!("teamColleague")));
    assert_eq!(body.get("profileGuid"), None);
}

#[tokio::test]
async fn what_is_gone_already_counts_as_deleted() {
    for status in [204, 404] {
        let world = open_world(move |_| Reply::Text(status, "")).await;
        world.xphone.delete_appointment(user(), "presence").await.unwrap();
        assert_eq!(world.last().what, format!("DELETE /users/{ANNA}/appointments/presence"));
    }
    let world = open_world(|_| Reply::Text(409, "")).await;
    assert!(world.xphone.delete_appointment(user(), "presence").await.unwrap_err().is_about_one());
}

#[tokio::test]
async fn appointments_are_listed_by_origin() {
    let listed = |shows: Value| {
        let mut appointment = json!({
            "userGuid": ANNA, "key": "presence", "origin": "MSTeams", "subject": "On the phone (MS Teams)",
            "start": "2026-11-22T13:00:00+01:00", "end": "2026-11-23T00:00:00Z", "visibleFrom": null,
        });
        appointment.as_object_mut().unwrap().extend(shows.as_object().unwrap().clone());
        json!([appointment])
    };
    let good = listed(json!({"profileGuid": PROFILE, "presenceStateGuid": null}));
    let world = open_world(move |_| Reply::Json(200, good.clone())).await;
    let found = world.xphone.appointments("MS Teams & co").await.unwrap();
    assert_eq!(found, [ListedAppointment { user: user(), key: "presence".to_owned(), appointment: appointment() }]);
    assert_eq!(world.last().what, "GET /appointments?origin=MS+Teams+%26+co");

    let (neither, both) = (json!({}), json!({"profileGuid": PROFILE, "presenceStateGuid": STATE}));
    let good = json!({"profileGuid": PROFILE});
    let mixed: Vec<Value> = [neither, good, both].into_iter().map(|shows| listed(shows)[0].clone()).collect();
    let world = open_world(move |_| Reply::Json(200, json!(mixed))).await;
    assert_eq!(world.xphone.appointments("MSTeams").await.unwrap(), found, "odd ones are passed over");
}

#[tokio::test]
async fn an_odd_entry_costs_no_other() {
    let mut odd = entry();
    odd["telephoneState"] = Value::Null;
    let snapshot = json!({"sequence": 41, "entries": [odd, entry(), 7]});
    let world = open_world(move |_| Reply::Json(200, snapshot.clone())).await;
    assert_eq!(world.xphone.presence().await.unwrap().entries, [anna()]);

    let page = json!({"users": [person(ANNA), {"guid": "none"}], "next": null});
    let world = open_world(move |_| Reply::Json(200, page.clone())).await;
    let users = world.xphone.users().await.unwrap();
    assert_eq!(users.iter().map(|user| user.guid).collect::<Vec<_>>(), [user()]);
}
