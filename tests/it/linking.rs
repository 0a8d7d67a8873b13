//! Users linked to Teams accounts by hand: at once, clearly refused, and forgotten again.

use presence_gateway::store::api_token::Role;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::admin_entra::Entra;
use crate::world::{ADMIN_TOKEN, Person, World};

const IN_A_CALL: &str = "Busy/InACall";

impl World {
    pub fn teams_account_request(&self, method: Method, person: Person) -> RequestBuilder {
        self.admin_request(method, &format!("v1/users/{}/teams-account", person.xphone))
    }

    /// An operator links the user; fails with the kind of problem.
    pub async fn link(&self, person: Person, teams_user: Uuid) -> Result<Value, String> {
        let request = self.teams_account_request(Method::PUT, person).bearer_auth(ADMIN_TOKEN);
        let answer = request.json(&json!({"id": teams_user})).send().await.unwrap();
        let is_done = answer.status().is_success();
        let body: Value = answer.json().await.unwrap();
        if is_done { Ok(body) } else { Err(body["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()) }
    }

    pub async fn unlink(&self, person: Person) {
        let request = self.teams_account_request(Method::DELETE, person).bearer_auth(ADMIN_TOKEN);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }

    pub async fn linked(&self, person: Person) -> Value {
        self.told(self.teams_account_request(Method::GET, person).bearer_auth(ADMIN_TOKEN)).await
    }
}

#[tokio::test]
async fn a_link_takes_effect_at_once_and_the_old_account_is_cleared() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let other = Uuid::new_v4();
    world.teams_account(other, "Anna.Other@Tenant.example", None, true).await;
    let other_anna = Person { teams: other, ..anna };
    world.teams(other_anna, "Available/Available").await;
    world.next_directory().await;
    world.xphone_telephone(anna, 4).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL);
    let request = world.teams_account_request(Method::PUT, anna).bearer_auth(ADMIN_TOKEN);
    let told = world.told(request.json(&json!({"user_principal_name": "anna.other@tenant.example"}))).await;
    let now = world.clock.now();
    let expected = json!({"id": other, "user_principal_name": "Anna.Other@Tenant.example",
        "link": {"by": "bootstrap", "at": now}, "login": null});
    assert_eq!(told, expected);
    world.directory().await;
    world.settle().await;
    world.seconds(1).await;
    assert_eq!(world.in_teams(anna).await, "Available/Available", "nothing of ours is left on the old account");
    world.seconds(61).await;
    world.hear().await;
    assert_eq!(world.in_teams(other_anna).await, IN_A_CALL);
    world.unlink(anna).await;
    world.unlink(anna).await;
    world.directory().await;
    world.settle().await;
    world.seconds(1).await;
    assert_eq!(world.in_teams(other_anna).await, "Available/Available");
    let linked = world.linked(anna).await;
    assert_eq!(linked, json!({"id": anna.teams, "user_principal_name": "anna@example.com", "link": null, "login": null}));
    let audit = world.audit("").await;
    let what: Vec<_> = audit["items"].as_array().unwrap().iter().map(|item| &item["what"]).collect();
    assert_eq!(what[..2], [&json!("teams-account unlinked"), &json!("teams-account linked")], "once each");
    assert_eq!((&audit["items"][0]["before"], &audit["items"][0]["after"]), (&json!({"id": other}), &Value::Null));
    assert_eq!((&audit["items"][1]["before"], &audit["items"][1]["after"]), (&Value::Null, &json!({"id": other})));
}

#[tokio::test]
async fn a_link_that_cannot_be_is_refused_and_changes_nothing() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let (disabled, other) = (Uuid::new_v4(), Uuid::new_v4());
    world.teams_account(disabled, "gone@example.com", None, false).await;
    world.teams_account(other, "other@example.com", None, true).await;
    world.next_directory().await;
    world.link(anna, other).await.unwrap();
    let before = world.linked(ben).await;
    let put = |body: Value| world.teams_account_request(Method::PUT, ben).bearer_auth(ADMIN_TOKEN).json(&body);
    check_problem(put(json!({"id": disabled})), 409, "teams-account-disabled").await;
    check_problem(put(json!({"user_principal_name": "GONE@example.com"})), 409, "teams-account-disabled").await;
    check_problem(put(json!({"id": Uuid::new_v4()})), 409, "teams-account-unknown").await;
    check_problem(put(json!({"user_principal_name": "nobody@example.com"})), 409, "teams-account-unknown").await;
    check_problem(put(json!({"id": other})), 409, "teams-account-taken").await;
    let strange = [
        json!({}),
        json!({"id": null}),
        json!({"id": other, "user_principal_name": "other@example.com"}),
        json!({"id": "x"}),
        json!({"user_principal_name": ""}),
        json!({"user_principal_name": "nobody"}),
        json!({"user_principal_name": "a@b\u{0}"}),
        json!({"user_principal_name": format!("{}@example.com", "x".repeat(300))}),
        json!({"id": other, "force": true}),
        json!([other]),
    ];
    for body in strange {
        check_problem(put(body), 422, "bad-body").await;
    }
    let nobody = Person { xphone: Uuid::new_v4(), ..ben };
    let of_nobody = |method| world.teams_account_request(method, nobody).bearer_auth(ADMIN_TOKEN).json(&json!({"id": other}));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        check_problem(of_nobody(method), 404, "not-found").await;
    }
    assert_eq!(world.linked(ben).await, before);
    assert_eq!(world.app.store.links().await.unwrap().len(), 1);
    let audit = world.audit("").await;
    let links = audit["items"].as_array().unwrap().iter().filter(|item| item["what"] == "teams-account linked");
    assert_eq!(links.count(), 1, "what was refused is no change");
}

#[tokio::test]
async fn people_see_their_own_account_and_operators_link_where_they_may() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    let own = entra.token(&world, anna.teams, &[], &json!({}));
    let see = |person, token: &str| world.teams_account_request(Method::GET, person).bearer_auth(token);
    assert_eq!(world.told(see(anna, &own)).await["id"], json!(anna.teams));
    check_problem(see(ben, &own), 403, "not-yours").await;
    // Nobody says by hand who they are themselves.
    let put = |person, token: &str| {
        world.teams_account_request(Method::PUT, person).bearer_auth(token).json(&json!({"id": anna.teams}))
    };
    check_problem(put(anna, &own), 403, "wrong-role").await;
    check_problem(world.teams_account_request(Method::DELETE, ben).bearer_auth(&own), 403, "not-yours").await;
    let viewer = world.token("viewer", Role::Viewer, None).await;
    assert_eq!(world.told(see(ben, &viewer)).await["id"], json!(ben.teams));
    check_problem(put(anna, &viewer), 403, "wrong-role").await;
    let elsewhere = world.token("elsewhere", Role::Operator, Some(Uuid::new_v4())).await;
    check_problem(put(anna, &elsewhere), 403, "wrong-location").await;
    check_problem(see(anna, &elsewhere), 403, "wrong-location").await;
    let here = world.token("here", Role::Operator, Some(world.location)).await;
    assert_eq!(world.told(put(anna, &here)).await["link"]["by"], "token here");
    check_problem(world.teams_account_request(Method::DELETE, anna).bearer_auth(&own), 403, "wrong-role").await;
}

/// Whoever is confined to a location takes no account that is somebody's elsewhere, by the address or by a link, and learns nothing.
#[tokio::test]
async fn a_confined_operator_takes_no_account_of_another_location() {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    let (linked, free) = (Uuid::new_v4(), Uuid::new_v4());
    world.teams_account(linked, "linked@example.com", None, true).await;
    world.teams_account(free, "free@example.com", None, true).await;
    world.next_directory().await;
    world.link(ben, linked).await.unwrap();
    world.next_directory().await;
    let here = world.token("here", Role::Operator, Some(world.location)).await;
    let put = |account: &Value| world.teams_account_request(Method::PUT, anna).bearer_auth(&here).json(account);
    let moved = async |person: Person, location: Option<Uuid>| {
        sqlx::query("update person set location_guid = $2 where guid = $1")
            .bind(person.xphone)
            .bind(location)
            .execute(&world.database().await)
            .await
            .unwrap();
    };
    check_problem(put(&json!({"id": linked})), 409, "teams-account-taken").await;
    let before = world.linked(anna).await;
    for elsewhere in [None, Some(Uuid::new_v4())] {
        moved(ben, elsewhere).await;
        moved(cleo, elsewhere).await;
        for account in [
            json!({"id": linked}),
            json!({"user_principal_name": "linked@example.com"}),
            json!({"id": cleo.teams}),
            json!({"user_principal_name": "cleo@example.com"}),
        ] {
            check_problem(put(&account), 403, "wrong-location").await;
            let problem = put(&account).send().await.unwrap().text().await.unwrap();
            assert!(!problem.contains(&ben.xphone.to_string()) && !problem.contains(&cleo.xphone.to_string()), "{problem}");
        }
    }
    assert_eq!(world.linked(anna).await, before);
    assert_eq!(world.app.store.links().await.unwrap().len(), 1, "nothing changed");
    moved(cleo, Some(world.location)).await;
    for (account, name) in [(cleo.teams, "cleo@example.com"), (free, "free@example.com")] {
        assert_eq!(world.told(put(&json!({"id": account}))).await["user_principal_name"], name);
    }
}

#[tokio::test]
async fn whoever_links_may_say_which_account_they_saw() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let other = Uuid::new_v4();
    world.teams_account(other, "other@example.com", None, true).await;
    world.next_directory().await;
    let request = |method| world.teams_account_request(method, anna).bearer_auth(ADMIN_TOKEN);
    let answer = request(Method::GET).send().await.unwrap();
    let seen = answer.headers()["etag"].to_str().unwrap().to_owned();
    let put = |tag: &str| request(Method::PUT).header("if-match", tag).json(&json!({"id": other}));
    check_problem(put("\"another\""), 412, "stale").await;
    let answer = put(&seen).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let now = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(now, seen);
    check_problem(put(&seen), 412, "stale").await;
    check_problem(request(Method::DELETE).header("if-match", &seen), 412, "stale").await;
    assert_eq!(world.linked(anna).await["id"], json!(other));
    assert_eq!(request(Method::GET).send().await.unwrap().headers()["etag"], now.as_str());
    assert_eq!(request(Method::DELETE).header("if-match", &now).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    check_problem(request(Method::DELETE).header("if-match", &now), 412, "stale").await;
    assert_eq!(world.linked(anna).await["link"], Value::Null);
}

#[tokio::test]
async fn subscriptions_are_told_and_everybodys_place_among_them() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let list = async |query: &str| {
        world.told(world.admin_request(Method::GET, &format!("v1/subscriptions{query}")).bearer_auth(ADMIN_TOKEN)).await
    };
    let whole = list("").await;
    let subscription = &whole["items"][0];
    assert_eq!((&subscription["state"], &subscription["users"]), (&json!("live"), &json!(1)));
    assert_eq!(subscription["account"]["user_principal_name"], "presence@example.com");
    let at_graph = world.graph_look("subscriptions").await;
    assert_eq!((&subscription["id"], &subscription["expires_at"]), (&at_graph[0]["id"], &at_graph[0]["expiresAt"]));
    assert_eq!(subscription["certificate"], at_graph[0]["encryptionCertificateId"]);
    assert_eq!(list(&format!("?user={}", anna.xphone)).await, whole);
    let nothing = json!({"items": [], "next": null, "coverage": whole["coverage"]});
    assert_eq!(list(&format!("?user={}", Uuid::new_v4())).await, nothing);
    assert_eq!(list(&format!("?after={}", subscription["id"].as_str().unwrap())).await, nothing);
    world.advance(jiff::SignedDuration::from_mins(26));
    assert_eq!(list("").await["items"][0]["state"], "overdue");
    world.advance(jiff::SignedDuration::from_mins(60));
    assert_eq!(list("").await["items"][0]["state"], "ended");
}
