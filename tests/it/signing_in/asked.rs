//! Nobody is linked without having been asked: a page names for whom the address is, and nothing happens before its button is pressed.

use std::collections::BTreeMap;

use presence_gateway::store::api_token::Role;
use reqwest::Method;
use reqwest::header::{COOKIE, LOCATION};
use serde_json::{Value, json};
use uuid::Uuid;

use super::PRIVATE;
use super::browser::Browser;
use crate::admin_entra::Entra;
use crate::world::{Person, World};

/// Who posts what, with which cookies of theirs.
async fn posted(world: &World, cookies: &BTreeMap<String, String>, fields: &BTreeMap<String, String>) -> (u16, String) {
    let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = world.http.post(format!("{}/sign-in", world.public)).header(COOKIE, cookies.join("; ")).form(fields);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_page_says_for_whom_and_its_button_leads_to_the_login_server() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    let page = browser.open(&url).await;
    assert_eq!(page.status, 200);
    assert!(!page.headers.contains_key(LOCATION), "nobody is sent anywhere yet");
    assert!(
        page.text.contains("anna@example.com") && page.text.contains("Go on only if that XPhone user is you"),
        "{}",
        page.text
    );
    assert!(page.text.contains(r#"<form method="post" action="sign-in">"#) && !page.text.contains("<script"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let login: url::Url = world.graph.base_url.parse().unwrap();
    let allowed = format!("form-action 'self' {};", login.origin().ascii_serialization());
    assert!(policy.starts_with("default-src 'none';") && policy.contains(&allowed) && !policy.contains("unsafe"), "{policy}");
    let sent = browser.press(&page).await;
    assert_eq!(sent.status, 303);
    assert!(sent.headers[LOCATION].to_str().unwrap().starts_with(&world.graph.base_url), "where the policy lets browsers go");
    browser.language = "de";
    let page = browser.open(&url).await;
    assert!(page.text.contains("anna@example.com") && page.text.contains("Das bin ich: anmelden"), "{}", page.text);
}

#[tokio::test]
async fn the_page_names_whoever_has_no_address_or_shares_it() {
    let world = World::new().await;
    let people = [
        (Uuid::new_v4(), "Gina <Gruber>", "", "linked to the XPhone user Gina &lt;Gruber&gt;."),
        (Uuid::new_v4(), "Anna Eins", "anna@example.com", "linked to the XPhone user Anna Eins (anna@example.com)."),
        (Uuid::new_v4(), "Anna Zwei", "anna@example.com", "linked to the XPhone user Anna Zwei (anna@example.com)."),
    ];
    for (guid, name, email, _) in people {
        let user = json!({"email": email, "accountName": name, "displayName": name, "location": world.location,
            "configurationGroup": null, "profiles": []});
        world.xphone_control(Method::PUT, &format!("users/{guid}"), user).await;
    }
    world.directory().await;
    for (xphone, _, _, told) in people {
        let url = world.sign_in_link(Person { xphone, teams: Uuid::nil() }).await;
        let page = Browser::new(&world).open(&url).await;
        assert!(page.text.contains(told), "{}", page.text);
    }
}

#[tokio::test]
async fn nobody_goes_on_but_with_the_button_of_the_page_that_this_browser_shows() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let (url, of_ben) = (world.sign_in_link(anna).await, world.sign_in_link(ben).await);
    let (mut browser, mut sender) = (Browser::new(&world), Browser::new(&world));
    let page = browser.open(&url).await;
    let senders = sender.open(&url).await;
    let bens = Browser::new(&world).open(&of_ben).await;
    let fields = page.fields();
    let with = |name: &str, value: &str| {
        let mut fields = fields.clone();
        fields.insert(name.to_owned(), value.to_owned());
        fields
    };
    let nothing = BTreeMap::new();
    let without_proof = BTreeMap::from([("ticket".to_owned(), fields["ticket"].clone())]);
    for (cookies, fields) in [
        // A page of somebody else's makes this browser post: browsers add no cookie, or the sender knows no proof that fits it.
        (&nothing, fields.clone()),
        (&browser.cookies, senders.fields()),
        (&browser.cookies, bens.fields()),
        (&browser.cookies, without_proof),
        (&browser.cookies, with("proof", "")),
        (&browser.cookies, with("ticket", &bens.fields()["ticket"])),
        (&browser.cookies, with("more", &"x".repeat(3000))),
        (&browser.cookies, nothing.clone()),
    ] {
        let (status, text) = posted(&world, cookies, &fields).await;
        assert!(status == 400 && text.contains("Please begin again"), "{status} {fields:?} {text}");
    }
    assert_eq!(world.graph_look("sign-ins").await, json!([]));
    assert_eq!(browser.press(&page).await.status, 303, "the address is still good");
}

/// Whoever may make an address for themselves sends it to a colleague, who signs in.
#[tokio::test]
async fn an_address_of_ones_own_takes_no_account_of_somebody_else() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    world.set_policy("telephony", false).await;
    world.account(PRIVATE).await;
    let own = async |person: Person| {
        let token = entra.token(&world, person.teams, &[], &json!({}));
        let request = world.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", person.xphone)).bearer_auth(token);
        request.send().await.unwrap().json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned()
    };
    let of_ben = own(ben).await;
    let mut browser = Browser::new(&world);
    browser.link(&of_ben, "anna@example.com").await.says(409, "linked to somebody else");
    assert!(world.app.store.links().await.unwrap().is_empty());
    // The own account, and one that nobody has, may be linked.
    browser.link(&of_ben, "ben@example.com").await.says(200, "Your account is linked");
    let audit = world.audit("").await;
    assert_eq!(audit["items"][0]["after"]["address_made_by"], json!({"kind": "person", "name": ben.teams}));
    browser.link(&own(ben).await, PRIVATE).await.says(200, "Your account is linked");
    // Whoever reaches ben's location only takes nobody's account from elsewhere.
    let confined = world.token("confined", Role::Operator, Some(world.location)).await;
    let request = world.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", ben.xphone)).bearer_auth(confined);
    let by_confined = request.send().await.unwrap().json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned();
    browser.link(&by_confined, "anna@example.com").await.says(409, "linked to somebody else");
    // An operator knows whose account it is.
    browser.link(&world.sign_in_link(ben).await, "anna@example.com").await.says(200, "Your account is linked");
    assert_eq!(world.linked(ben).await["id"], json!(anna.teams));
}

/// XPhone drops somebody while they come back from signing in: neither of the two waits for the other in turn.
#[tokio::test]
async fn somebody_who_leaves_while_signing_in_is_not_linked_and_leaves() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    let mut browser = Browser::new(&world);
    let back = browser.sign_in(&world.sign_in_link(anna).await, PRIVATE).await;
    let database = world.database().await;
    // As the directory does: it locks whom it drops, then takes away what is theirs.
    let mut leaving = database.begin().await.unwrap();
    sqlx::query("select from user_state where user_guid = $1 for no key update")
        .bind(anna.xphone)
        .execute(&mut *leaving)
        .await
        .unwrap();
    let leave = async {
        let waits =
            "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&database).await.unwrap() {
            tokio::task::yield_now().await;
        }
        sqlx::query("delete from person where guid = $1").bind(anna.xphone).execute(&mut *leaving).await.unwrap();
        leaving.commit().await.unwrap();
    };
    let (page, ()) = tokio::join!(browser.open(&back), leave);
    page.says(410, "no longer valid");
    assert!(world.app.store.links().await.unwrap().is_empty());
}
