//! Users who link their own Teams account: with a one-time address, by signing in, in one browser, and what goes wrong on the way.

mod asked;
mod browser;
mod login_data;
mod refusals;

use jiff::SignedDuration;
use presence_gateway::store::api_token::Role;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::admin::check_problem;
use crate::admin_entra::Entra;
use crate::world::{ADMIN_TOKEN, Person, World, exhaust};
use browser::Browser;

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const PRIVATE: &str = "anna.private@example.com";

impl World {
    /// Another Teams account, known to the gateway.
    async fn account(&self, name: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.teams_account(id, name, None, true).await;
        self.next_directory().await;
        id
    }

    /// A fresh one-time address for this user.
    async fn sign_in_link(&self, person: Person) -> String {
        let request = self.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", person.xphone));
        let answer = request.bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let link: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(link["expires_at"], json!(self.clock.now() + SignedDuration::from_hours(1)));
        link["url"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_user_links_the_own_account_and_it_takes_effect_at_once() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let private = world.account(PRIVATE).await;
    world.teams(Person { teams: private, ..anna }, "Busy/InACall").await;
    let url = world.sign_in_link(anna).await;
    assert!(url.starts_with(&format!("{}/sign-in?ticket=", world.public)), "{url}");
    let mut browser = Browser::new(&world);
    let page = browser.link(&url, PRIVATE).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains(PRIVATE) && page.text.contains("anna@example.com"), "{}", page.text);
    assert!(browser.cookies.is_empty(), "nothing stays in the browser");
    let linked = world.linked(anna).await;
    assert_eq!((&linked["id"], &linked["link"]["by"], &linked["login"]), (&json!(private), &json!("sign-in"), &json!(null)));
    world.directory().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "what the other account says");
    let audit = world.audit("").await;
    let entry = &audit["items"][0];
    assert_eq!((&entry["what"], &entry["target"]["id"]), (&json!("teams-account linked by signing in"), &json!(anna.xphone)));
    assert_eq!(entry["who"], json!({"kind": "person", "name": private}));
    assert_eq!(
        entry["after"],
        json!({"id": private, "login_data_kept": false,
        "address_made_by": {"kind": "bootstrap", "name": null}})
    );
    assert_eq!(audit["items"][1]["what"], "sign-in link made");
    let ticket = url.split_once("ticket=").unwrap().1;
    assert!(!audit.to_string().contains(ticket), "the ticket is told once");
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("select hash from sign_in_ticket").fetch_all(&world.database().await).await.unwrap();
    assert!(hashes.iter().all(|hash| hash.len() == 32 && hash != ticket.as_bytes()), "and kept as a hash");
}

#[tokio::test]
async fn an_address_is_good_for_an_hour_and_for_one_link() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let private = world.account(PRIVATE).await;
    let (used, late, begun) = (world.sign_in_link(anna).await, world.sign_in_link(anna).await, world.sign_in_link(anna).await);
    assert_ne!(used, late);
    let mut browser = Browser::new(&world);
    // Mail scanners open addresses: that uses nothing up.
    for _ in 0..3 {
        assert_eq!(Browser::new(&world).open(&used).await.status, 200);
    }
    assert_eq!(browser.link(&used, PRIVATE).await.status, 200);
    assert_eq!(browser.open(&used).await.status, 410);
    assert_eq!(world.count(r#"sign_ins_total{result="linked"}"#).await, 1);
    assert_eq!(world.count(r#"sign_ins_total{result="ticket_gone"}"#).await, 1);
    assert_eq!(world.count(r#"sign_ins_total{result="asked"}"#).await, 4);
    world.advance(SignedDuration::from_mins(59));
    let mut in_time = Browser::new(&world);
    let waiting = in_time.go_to_sign_in(&begun).await;
    let mut reader = Browser::new(&world);
    let read = reader.open(&late).await;
    let mut slow = Browser::new(&world);
    let too_long = slow.go_to_sign_in(&late).await;
    world.advance(SignedDuration::from_mins(1));
    assert_eq!(browser.open(&late).await.status, 410);
    assert_eq!(reader.press(&read).await.status, 303, "whoever opened it in time may read");
    let back = world.approve_sign_in(waiting, "anna@example.com").await;
    assert_eq!(in_time.open(&back).await.status, 200, "whoever began in time may finish");
    world.advance(SignedDuration::from_mins(10));
    assert_eq!(reader.press(&read).await.status, 410);
    let back = world.approve_sign_in(too_long, PRIVATE).await;
    assert_eq!(slow.open(&back).await.status, 410);
    assert_eq!(world.linked(anna).await["id"], json!(anna.teams));
    assert_ne!(private, anna.teams);
    exhaust(&world.app.tasks.upkeep).await;
    let left: i64 = sqlx::query_scalar("select count(*) from sign_in_ticket").fetch_one(&world.database().await).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn people_make_an_address_for_themselves_where_anything_is_kept_in_step_for_them() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    let make = |person: Person, token: &str| {
        world.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", person.xphone)).bearer_auth(token)
    };
    let own = entra.token(&world, anna.teams, &[], &json!({}));
    check_problem(make(anna, &own), 403, "no-choice").await;
    world.set_policy("telephony", false).await;
    assert_eq!(make(anna, &own).send().await.unwrap().status(), 201);
    check_problem(make(ben, &own), 403, "not-yours").await;
    let operator = world.token("operator", Role::Operator, Some(world.location)).await;
    assert_eq!(make(ben, &operator).send().await.unwrap().status(), 201);
    check_problem(make(ben, &world.token("viewer", Role::Viewer, None).await), 403, "wrong-role").await;
    check_problem(make(ben, &world.token("elsewhere", Role::Admin, Some(Uuid::new_v4())).await), 403, "wrong-location").await;
    check_problem(make(Person { xphone: Uuid::nil(), ..ben }, ADMIN_TOKEN), 404, "not-found").await;
    check_problem(world.admin_request(Method::POST, "v1/users/x/sign-in-link").bearer_auth(ADMIN_TOKEN), 400, "bad-guid").await;
}

#[tokio::test]
async fn whoever_linked_the_own_account_can_undo_it_but_nobody_elses_word() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let anna = world.person("anna").await;
    world.directory().await;
    let private = world.account(PRIVATE).await;
    let page = Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await;
    assert_eq!(page.status, 200, "{}", page.text);
    world.directory().await;
    let own = entra.token(&world, private, &[], &json!({}));
    let undo = |token: &str| world.teams_account_request(Method::DELETE, anna).bearer_auth(token);
    let by_hand = world.link(anna, private).await.unwrap();
    assert_eq!(by_hand["link"]["by"], "bootstrap");
    check_problem(undo(&own), 403, "wrong-role").await;
    let page = Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await;
    assert_eq!(page.status, 200, "{}", page.text);
    check_problem(undo(&own).header("if-match", "\"another\""), 412, "stale").await;
    assert_eq!(undo(&own).send().await.unwrap().status(), 204);
    assert_eq!(world.linked(anna).await["link"], json!(null));
    let audit = world.audit("?limit=1").await["items"][0].clone();
    assert_eq!((&audit["what"], &audit["who"]), (&json!("teams-account unlinked"), &json!({"kind": "person", "name": private})));
    world.directory().await;
    assert_eq!(world.linked(anna).await["id"], json!(anna.teams), "the address decides again");
    check_problem(undo(&own), 403, "not-yours").await;
    let again = entra.token(&world, anna.teams, &[], &json!({}));
    assert_eq!(undo(&again).send().await.unwrap().status(), 204, "there is nothing to undo");
}

#[tokio::test]
async fn without_a_public_address_there_is_no_address_to_give() {
    let world = World::with(|sources| sources.without("GATEWAY__HTTP__PUBLIC_URL").with("GATEWAY__GRAPH__PUSH", false)).await;
    let anna = world.person("anna").await;
    world.directory().await;
    let make = world.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", anna.xphone)).bearer_auth(ADMIN_TOKEN);
    check_problem(make, 409, "no-public-url").await;
    assert_eq!(Browser::new(&world).open(&format!("{}/sign-in?ticket=x", world.public)).await.status, 404);
    assert!(world.app.tasks.logins.is_none());
}
