//! Sign-ins that link nothing, each with a page that says why and what to do.

use jiff::SignedDuration;
use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::PRIVATE;
use super::browser::{Browser, Page};
use crate::world::World;

impl Page {
    pub fn says(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(words), "{}", self.text);
        let header = |name: &str| self.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with("text/html"));
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        for strange in ["<script", "http://", "https://", "<link", "<img", "<form", "<a "] {
            assert!(!self.text.contains(strange), "{strange} in {}", self.text);
        }
    }
}

async fn nothing_is_linked(world: &World) {
    assert!(world.app.store.links().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_address_that_was_never_made_leads_nowhere() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let never = format!("pgs_{}", "x".repeat(43));
    let queries = ["", "?ticket=", "?ticket=<script>alert(1)</script>", "?ticket=a&ticket=b", "?ticket=%00", "?other=1"];
    for query in queries.map(str::to_owned).into_iter().chain([format!("?ticket={never}")]) {
        browser.open(&format!("{}/sign-in{query}", world.public)).await.says(410, "no longer valid");
        assert!(browser.cookies.is_empty(), "{query}");
    }
    browser.language = "de-DE,de;q=0.9,en;q=0.5";
    let page = browser.open(&format!("{}/sign-in?ticket={never}", world.public)).await;
    page.says(410, "gilt nicht mehr");
    assert_eq!(
        (&page.headers["content-language"], &page.headers["vary"]),
        (&"de".parse().unwrap(), &"Accept-Language".parse().unwrap())
    );
}

#[tokio::test]
async fn nothing_else_answers_on_the_public_listener() {
    let world = World::new().await;
    for (method, path) in [
        (Method::PUT, "sign-in"),
        (Method::POST, "sign-in/callback"),
        (Method::HEAD, "sign-in"),
        (Method::PUT, "sign-in/callback"),
        (Method::HEAD, "sign-in/callback"),
        (Method::OPTIONS, "sign-in"),
        (Method::GET, "sign-in/"),
        (Method::GET, "sign-in/callback/x"),
        (Method::GET, ""),
        (Method::GET, "v1/users"),
        (Method::GET, "metrics"),
        (Method::GET, "graph/notifications"),
    ] {
        let answer = world.http.request(method.clone(), format!("{}/{path}", world.public)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert!(answer.text().await.unwrap().is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn whoever_declines_is_told_and_may_try_again() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    for (error, status, words) in [
        ("access_denied", 403, "You did not agree"),
        ("consent_required", 403, "You did not agree"),
        ("server_error", 503, "Microsoft does not answer"),
        ("temporarily_unavailable", 503, "Microsoft does not answer"),
        ("interaction_required", 400, "Please begin again"),
        ("invalid_request", 502, "not set up correctly"),
        ("<script>alert(1)</script>", 502, "not set up correctly"),
    ] {
        let id = browser.go_to_sign_in(&url).await;
        let back = world.deny_sign_in(id, error).await;
        browser.open(&back).await.says(status, words);
        assert!(browser.cookies.is_empty());
    }
    nothing_is_linked(&world).await;
    assert_eq!(browser.link(&url, PRIVATE).await.status, 200, "the address is still good");
}

#[tokio::test]
async fn only_the_browser_that_was_sent_may_come_back_and_only_once() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.account(PRIVATE).await;
    let (url, of_ben) = (world.sign_in_link(anna).await, world.sign_in_link(ben).await);
    let mut browser = Browser::new(&world);
    let back = browser.sign_in(&url, PRIVATE).await;
    // Another browser, with no cookie, with its own, or with none that makes sense.
    let mut other = Browser::new(&world);
    other.open(&back).await.says(400, "Please begin again");
    other.go_to_sign_in(&of_ben).await;
    other.open(&back).await.says(400, "Please begin again");
    other.cookies.insert("presence-gateway-sign-in".to_owned(), "x.y".to_owned());
    other.open(&back).await.says(400, "Please begin again");
    // The right browser with something else than it was sent back with.
    let changed = |name: &str, value: Option<&str>| {
        let mut url: Url = back.parse().unwrap();
        let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
        url.to_string()
    };
    let cookies = browser.cookies.clone();
    let twice = format!("{back}&state=x");
    for strange in [changed("state", None), changed("state", Some("x")), changed("state", Some("")), changed("code", None), twice]
    {
        browser.cookies.clone_from(&cookies);
        browser.open(&strange).await.says(400, "Please begin again");
    }
    browser.cookies.clone_from(&cookies);
    browser.open(&changed("code", Some("1.guessed"))).await.says(400, "Please begin again");
    nothing_is_linked(&world).await;
    browser.cookies.clone_from(&cookies);
    browser.open(&back).await.says(200, "Your account is linked");
    // Again, with and without what the browser has forgotten.
    browser.open(&back).await.says(400, "Please begin again");
    browser.cookies = cookies;
    browser.open(&back).await.says(410, "no longer valid");
    assert_eq!(world.app.store.links().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_opening_takes_the_place_of_the_first() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    let (first, second) = (browser.sign_in(&url, PRIVATE).await, browser.sign_in(&url, PRIVATE).await);
    let cookies = browser.cookies.clone();
    browser.open(&first).await.says(400, "Please begin again");
    browser.cookies = cookies;
    browser.open(&second).await.says(200, "Your account is linked");
}

#[tokio::test]
async fn of_two_who_come_back_at_once_one_is_linked() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    world.account("another@example.com").await;
    let url = world.sign_in_link(anna).await;
    let (mut one, mut other) = (Browser::new(&world), Browser::new(&world));
    let backs = (one.sign_in(&url, PRIVATE).await, other.sign_in(&url, "another@example.com").await);
    let (first, second) = tokio::join!(one.open(&backs.0), other.open(&backs.1));
    let mut answers = [first.status, second.status];
    answers.sort_unstable();
    assert_eq!(answers, [200, 410]);
    let winner = if first.status == 200 { PRIVATE } else { "another@example.com" };
    assert_eq!(world.linked(anna).await["user_principal_name"], winner);
}

#[tokio::test]
async fn an_eleventh_address_ends_the_oldest() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let mut urls = Vec::new();
    for _ in 0..11 {
        urls.push(world.sign_in_link(anna).await);
        world.advance(SignedDuration::from_secs(1));
    }
    let mut browser = Browser::new(&world);
    assert_eq!(browser.open(&urls[0]).await.status, 410);
    for url in &urls[1..] {
        assert_eq!(browser.open(url).await.status, 200);
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_links_nothing() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let private = world.account(PRIVATE).await;
    let url = world.sign_in_link(anna).await;
    let now = world.clock.now().as_second();
    let other = Uuid::new_v4();
    let check = async |faults: Value, status: u16, words: &str| {
        let mut browser = Browser::new(&world);
        let back = browser.sign_in(&url, PRIVATE).await;
        world.graph_faults(json!({"id_token": faults})).await;
        browser.open(&back).await.says(status, words);
        world.graph_faults(json!({})).await;
    };
    // None of that is the person's doing.
    let again = "You did nothing wrong";
    check(json!({"forged": true}), 502, again).await;
    check(json!({"claims": {"nonce": "of another sign-in"}}), 502, again).await;
    check(json!({"claims": {"nonce": null}}), 502, again).await;
    check(json!({"claims": {"aud": other}}), 502, again).await;
    check(json!({"claims": {"iss": "https://login.microsoftonline.com/common/v2.0"}}), 502, again).await;
    check(json!({"claims": {"exp": now - 301}}), 502, again).await;
    check(json!({"claims": {"nbf": now + 301}}), 502, again).await;
    check(json!({"claims": {"oid": null}}), 502, again).await;
    let issuer = format!("https://login.microsoftonline.com/{other}/v2.0");
    check(json!({"claims": {"tid": other, "iss": issuer}}), 403, "another organisation").await;
    check(json!({"claims": {"tid": other}}), 403, "another organisation").await;
    nothing_is_linked(&world).await;
    // Keys that Entra ID has changed meanwhile are found.
    world.graph_control(Method::POST, "signing-keys/rotate", json!({"drop_old": true})).await;
    world.advance(SignedDuration::from_mins(1));
    check(json!({"claims": {"preferred_username": "<b>anna</b>", "exp": now + 61 - 240}}), 200, "&lt;b&gt;anna&lt;/b&gt;").await;
    assert_eq!(world.linked(anna).await["id"], json!(private));
}

#[tokio::test]
async fn an_account_that_cannot_be_linked_says_so_and_another_may_be() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let taken = world.account("taken@example.com").await;
    world.link(ben, taken).await.unwrap();
    let private = world.account(PRIVATE).await;
    let gone = Uuid::new_v4();
    world.teams_account(gone, "gone@example.com", None, false).await;
    world.next_directory().await;
    world.teams_account(gone, "gone@example.com", None, true).await;
    world.teams_account(Uuid::new_v4(), "newer@example.com", None, true).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    browser.link(&url, "taken@example.com").await.says(409, "linked to somebody else");
    browser.link(&url, "newer@example.com").await.says(409, "not known yet");
    browser.link(&url, "gone@example.com").await.says(409, "is disabled");
    assert_eq!(world.app.store.links().await.unwrap().len(), 1);
    browser.link(&url, PRIVATE).await.says(200, "Your account is linked");
    assert_eq!(world.linked(anna).await["id"], json!(private));
}

#[tokio::test]
async fn a_login_server_that_is_away_or_refuses_us_says_so() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    let url = world.sign_in_link(anna).await;
    let check = async |deny: Value, status: u16, words: &str| {
        let mut browser = Browser::new(&world);
        let back = browser.sign_in(&url, PRIVATE).await;
        world.graph_faults(json!({"deny": [deny]})).await;
        let page = browser.open(&back).await;
        page.says(status, words);
        world.graph_faults(json!({})).await;
        page
    };
    check(json!({"endpoint": "keys", "status": 503}), 503, "Microsoft does not answer").await;
    world.advance(SignedDuration::from_secs(10));
    let page = check(json!({"endpoint": "token", "status": 503}), 503, "Microsoft does not answer").await;
    assert_eq!(page.headers["retry-after"], "30");
    check(json!({"endpoint": "token", "status": 401}), 502, "not set up correctly").await;
    check(json!({"endpoint": "token", "status": 429, "retry_after_seconds": 5}), 503, "Microsoft does not answer").await;
    nothing_is_linked(&world).await;
    world.advance(SignedDuration::from_secs(6));
    let mut browser = Browser::new(&world);
    let id = browser.go_to_sign_in(&url).await;
    let back = world.approve_sign_in(id, PRIVATE).await;
    // A code lives ten minutes, and is of no use after.
    world.advance(SignedDuration::from_mins(10));
    browser.open(&back).await.says(400, "Please begin again");
    browser.link(&url, PRIVATE).await.says(200, "Your account is linked");
}

#[tokio::test]
async fn a_gateway_that_is_out_of_order_says_so() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let url = world.sign_in_link(anna).await;
    world.lose_database().await;
    Browser::new(&world).open(&url).await.says(503, "out of order");
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    let nowhere = format!("{}/sign-in?ticket=x", world.public);
    let mut answered = 0;
    while browser.open(&nowhere).await.status == 410 {
        answered += 1;
    }
    assert_eq!(answered, 600);
    let page = browser.open(&url).await;
    page.says(429, "Too many requests");
    assert_eq!(page.headers["retry-after"], "60");
    world.advance(SignedDuration::from_mins(1));
    let asked = browser.open(&url).await;
    let sent = browser.press(&asked).await;
    assert_eq!(sent.status, 303);
    let address: Url = sent.headers[LOCATION].to_str().unwrap().parse().unwrap();
    let asked: std::collections::BTreeMap<_, _> = address.query_pairs().into_owned().collect();
    assert_eq!((asked["scope"].as_str(), asked["code_challenge_method"].as_str()), ("openid profile", "S256"));
    assert_eq!((asked["prompt"].as_str(), asked["response_type"].as_str()), ("select_account", "code"));
    assert_eq!(asked["redirect_uri"], format!("{}/sign-in/callback", world.public));
    assert!(asked["state"].len() == 43 && asked["nonce"].len() == 43 && asked["state"] != asked["nonce"]);
    assert!(!address.as_str().contains(url.split_once("ticket=").unwrap().1), "the ticket goes nowhere");
}
