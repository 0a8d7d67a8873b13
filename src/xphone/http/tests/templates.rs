//! Central profile templates: what is asked and what the answers mean.

use serde_json::json;
use uuid::Uuid;

use super::server::{Reply, open_world};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid};
use crate::domain::template::{CallForwarding, FoundTemplate, Template};
use crate::xphone::Error;
use crate::xphone::values::{ListedTemplate, Place, Put};

const PLACE: Uuid = Uuid::from_u128(0x1);
const STATE: Uuid = Uuid::from_u128(0x5);

const LOCATION: Place = Place::Location(LocationGuid(PLACE));
const GROUP: Place = Place::ConfigurationGroup(ConfigurationGroupGuid(PLACE));

fn template() -> Template {
    Template { status: PresenceStateGuid(STATE), call_forwarding: CallForwarding::Number("+49 89 1".to_owned()) }
}

#[tokio::test]
async fn templates_are_listed_with_whatever_they_set() {
    let forwardings = [
        (json!({"mode": "none", "number": null}), Some(CallForwarding::None)),
        (json!({"mode": "voicemail"}), Some(CallForwarding::Voicemail)),
        (json!({"mode": "number", "number": "4711"}), Some(CallForwarding::Number("4711".to_owned()))),
        (json!({"mode": "number", "number": null}), None),
        (json!({"mode": "secretary", "number": null}), None),
    ];
    for (forwarding, call_forwarding) in forwardings {
        let listed =
            json!([{"name": "MS Teams", "presenceStateGuid": STATE, "callForwarding": forwarding, "active": false, "more": 1}]);
        let world = open_world(move |_| Reply::Json(200, listed.clone())).await;
        let template = FoundTemplate { status: PresenceStateGuid(STATE), call_forwarding, active: false };
        let expected = [ListedTemplate { name: "MS Teams".to_owned(), template }];
        assert_eq!(world.xphone.profile_templates(LOCATION).await.unwrap(), expected);
        assert_eq!(world.last().what, format!("GET /locations/{PLACE}/profileTemplates"));
    }
}

#[tokio::test]
async fn a_template_is_put_and_whether_it_was_there_is_told() {
    for (status, expected) in [(201, Put::Made), (200, Put::Replaced), (204, Put::Replaced)] {
        let world = open_world(move |_| Reply::Text(status, "")).await;
        assert_eq!(world.xphone.put_profile_template(GROUP, "MS Teams", &template()).await.unwrap(), expected);
        let asked = world.last();
        assert_eq!(asked.what, format!("PUT /configurationGroups/{PLACE}/profileTemplates/MS%20Teams"));
        let forwarding = json!({"mode": "number", "number": "+49 89 1"});
        let body = json!({"name": "MS Teams", "presenceStateGuid": STATE, "callForwarding": forwarding, "active": true});
        assert_eq!(asked.body, body);
    }
}

#[tokio::test]
async fn what_is_refused_is_about_this_place_only() {
    for status in [400, 404, 409, 422] {
        let world = open_world(move |_| Reply::Json(status, json!({"error": "not like this"}))).await;
        let put = world.xphone.put_profile_template(LOCATION, "MS Teams", &template()).await.unwrap_err();
        assert!(matches!(&put, Error::Refused { status: told, reason } if *told == status && reason == "not like this"), "{put}");
        assert!(world.xphone.profile_templates(LOCATION).await.unwrap_err().is_about_one());
        let deleted = world.xphone.delete_profile_template(LOCATION, "MS Teams").await;
        assert_eq!(deleted.is_ok(), status == 404, "what is gone already counts as deleted");
    }
}
