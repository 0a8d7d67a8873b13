//! Following the changes of users.

use serde_json::Value;

use super::*;

const FIRST: &str = "v1.0/users/delta?$select=id,mail,accountEnabled";

impl Tenant {
    /// Everything told from `link` on, in order, and where it ends.
    async fn follow(&self, link: &str) -> (Vec<Value>, String) {
        let token = self.app_token().await;
        let (mut link, mut told) = (link.to_owned(), Vec::new());
        loop {
            let path = link.strip_prefix(&format!("{}/", self.running.base_url)).unwrap_or(&link).to_owned();
            let (status, body) = self.send(Method::GET, &path, Some(&token), Value::Null).await;
            assert_eq!(status, 200, "{body}");
            told.extend(body["value"].as_array().unwrap().iter().cloned());
            if let Some(later) = body["@odata.deltaLink"].as_str() {
                return (told, later.to_owned());
            }
            body["@odata.nextLink"].as_str().unwrap().clone_into(&mut link);
        }
    }

    async fn put(&self, id: Uuid, mail: Value, enabled: bool) {
        let body = json!({ "userPrincipalName": "somebody@example.org", "mail": mail, "accountEnabled": enabled });
        assert_eq!(self.control(Method::PUT, &format!("users/{id}"), body).await.0, 200);
    }
}

#[tokio::test]
async fn everybody_is_told_first_and_what_changed_later() {
    let tenant = Tenant::start().await;
    tenant.control(Method::PUT, "faults", json!({ "delta": { "page_users": 1 } })).await;
    let (told, link) = tenant.follow(FIRST).await;
    let user = |id: Uuid, name: &str| json!({ "id": id, "mail": format!("{name}@example.org"), "accountEnabled": true });
    assert_eq!(told, [user(OTTO, "otto"), user(ANNA, "anna")]);
    let (told, link) = tenant.follow(&link).await;
    assert!(told.is_empty());
    // Only what is selected and changed is told, and what is no longer set is null.
    tenant.put(OTTO, Value::from("otto@example.org"), true).await;
    tenant.put(ANNA, Value::Null, true).await;
    let eve = Uuid::from_u128(3);
    tenant.put(eve, Value::Null, false).await;
    let (told, link) = tenant.follow(&link).await;
    assert_eq!(told, [json!({ "id": ANNA, "mail": null }), json!({ "id": eve, "accountEnabled": false })]);
    for (id, for_good, reason) in [(OTTO, false, "changed"), (ANNA, true, "deleted")] {
        assert_eq!(tenant.control(Method::DELETE, &format!("users/{id}"), json!({ "for_good": for_good })).await.0, 204);
        let (told, _) = tenant.follow(&link).await;
        assert!(told.contains(&json!({ "id": id, "@removed": { "reason": reason } })), "{told:?}");
    }
    let (told, _) = tenant.follow(FIRST).await;
    assert_eq!(told, [json!({ "id": eve, "accountEnabled": false })], "the first round knows nobody who left");
}

#[tokio::test]
async fn a_place_is_forgotten_on_demand_and_after_seven_days() {
    let tenant = Tenant::start().await;
    let (_, link) = tenant.follow(FIRST).await;
    let path = link.strip_prefix(&format!("{}/", tenant.running.base_url)).unwrap();
    tenant.clock.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(tenant.send(Method::GET, path, Some(&tenant.app_token().await), Value::Null).await.0, 200);
    assert_eq!(tenant.control(Method::POST, "users/delta/expire", Value::Null).await.0, 204);
    let (status, body) = tenant.send(Method::GET, path, Some(&tenant.app_token().await), Value::Null).await;
    assert_eq!((status, &body["error"]["code"]), (410, &Value::from("syncStateNotFound")));
    let (_, link) = tenant.follow("v1.0/users/delta?$deltatoken=").await;
    let path = link.strip_prefix(&format!("{}/", tenant.running.base_url)).unwrap();
    tenant.clock.advance(SignedDuration::from_hours(7 * 24) + SignedDuration::from_secs(1));
    assert_eq!(tenant.send(Method::GET, path, Some(&tenant.app_token().await), Value::Null).await.0, 410);
    for odd in ["$top=5", "$deltatoken=x", "$skiptoken=x", "$count=true"] {
        let answer =
            tenant.send(Method::GET, &format!("v1.0/users/delta?{odd}"), Some(&tenant.app_token().await), Value::Null).await;
        assert_eq!(answer.0, 400, "{odd}");
    }
}
