//! The lists of people: who is who, who is nobody and why, and who may see whom.

use presence_gateway::store::api_token::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::admin_entra::Entra;
use crate::world::{ADMIN_TOKEN, World};

impl World {
    /// Somebody of XPhone alone, in this seat.
    async fn in_xphone(&self, name: &str, email: &str, location: Uuid, group: Option<Uuid>) -> Uuid {
        let guid = Uuid::new_v4();
        let user = json!({"email": email, "accountName": name, "displayName": name, "location": location,
            "configurationGroup": group, "profiles": []});
        self.xphone_control(Method::PUT, &format!("users/{guid}"), user).await;
        guid
    }

    pub async fn get(&self, path: &str, token: &str) -> Value {
        self.told(self.admin_request(Method::GET, path).bearer_auth(token)).await
    }

    /// The names of a list, sorted: the list's own order is that of random guids.
    async fn listed(&self, query: &str, token: &str) -> Vec<String> {
        let page = self.get(&format!("v1/users{query}"), token).await;
        let names = page["items"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

/// A place with everybody the lists must tell apart; the second location has one person.
struct Company {
    here: Uuid,
    there: Uuid,
    sales: Uuid,
}

async fn populate(world: &World) -> Company {
    let (here, there, sales) = (world.location, Uuid::new_v4(), Uuid::new_v4());
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": sales, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{here}"), headquarters).await;
    let branch = json!({"name": "Branch", "configurationGroups": []});
    world.xphone_control(Method::PUT, &format!("locations/{there}"), branch).await;
    world.in_xphone("Anna Adler", "anna@example.com", here, Some(sales)).await;
    world.in_xphone("Ben Bär", "BEN@example.com", there, None).await;
    world.in_xphone("Nobody", "", here, None).await;
    world.in_xphone("Stranger", "stranger@example.com", here, None).await;
    world.in_xphone("Twin One", "twin@example.com", here, None).await;
    world.in_xphone("Twin Two", "twin@example.com", here, Some(sales)).await;
    world.in_xphone("Hal", "hal@example.com", here, None).await;
    world.in_xphone("Ina", "ina@example.com", here, None).await;
    for (name, mail, enabled) in [
        ("anna@example.com", Some("anna@example.com"), true),
        ("ben@example.com", Some("ben@example.com"), true),
        ("twin@example.com", Some("twin@example.com"), true),
        ("h1@example.com", Some("hal@example.com"), true),
        ("h2@example.com", Some("hal@example.com"), true),
        ("ina@example.com", Some("ina@example.com"), false),
    ] {
        world.teams_account(Uuid::new_v4(), name, mail, enabled).await;
    }
    world.directory().await;
    Company { here, there, sales }
}

#[tokio::test]
async fn people_are_found_by_name_address_seat_and_difficulty() {
    let world = World::new().await;
    let Company { here, there, sales } = populate(&world).await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(world.listed(query, ADMIN_TOKEN).await, expected, "{query}");
    };
    let everybody = ["Anna Adler", "Ben Bär", "Hal", "Ina", "Nobody", "Stranger", "Twin One", "Twin Two"];
    check("", &everybody).await;
    check("?search=ADLER", &["Anna Adler"]).await;
    check("?search=B%C3%A4R", &["Ben Bär"]).await;
    check("?search=ben%40EXAMPLE", &["Ben Bär"]).await;
    check("?search=twin%25", &[]).await;
    check("?search=", &everybody).await;
    check(&format!("?location={there}"), &["Ben Bär"]).await;
    check(&format!("?group={sales}"), &["Anna Adler", "Twin Two"]).await;
    check(&format!("?location={here}&group={sales}&search=twin"), &["Twin Two"]).await;
    check("?problem=any", &["Hal", "Ina", "Nobody", "Stranger", "Twin One", "Twin Two"]).await;
    check("?problem=no_email", &["Nobody"]).await;
    check("?problem=not_in_teams", &["Stranger"]).await;
    check("?problem=duplicate_in_xphone", &["Twin One", "Twin Two"]).await;
    check("?problem=duplicate_in_teams", &["Hal"]).await;
    check("?problem=disabled_in_teams", &["Ina"]).await;
    check("?problem=linked_to_another", &[]).await;
    check(&format!("?problem=any&group={sales}"), &["Twin Two"]).await;
    assert_eq!(world.count(r#"users{state="duplicate_in_xphone"}"#).await, 2);
    assert_eq!(world.count(r#"users{state="disabled_in_teams"}"#).await, 1);
    assert_eq!(world.count(r#"users{state="matched"}"#).await, 2);
    assert_eq!(world.count(r#"users{state="linked_to_another"}"#).await, 0);
}

#[tokio::test]
async fn a_list_is_told_page_by_page() {
    let world = World::new().await;
    populate(&world).await;
    let (mut after, mut seen) = (String::new(), Vec::new());
    for size in [3, 3, 2] {
        let page = world.get(&format!("v1/users?limit=3{after}"), ADMIN_TOKEN).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), size);
        seen.extend(items.iter().map(|user| user["guid"].as_str().unwrap().to_owned()));
        after = page["next"].as_str().map_or(String::new(), |next| format!("&after={next}"));
    }
    assert_eq!(after, "");
    assert!(seen.len() == 8 && seen.is_sorted(), "{seen:?}");
    for guid in seen {
        assert_eq!(world.get(&format!("v1/users/{guid}"), ADMIN_TOKEN).await["guid"], guid);
    }
}

#[tokio::test]
async fn a_token_for_a_location_sees_its_own_people_only() {
    let world = World::new().await;
    let Company { here, there, .. } = populate(&world).await;
    let local = world.token("local", Role::Viewer, Some(there)).await;
    assert_eq!(world.listed("", &local).await, ["Ben Bär"]);
    assert_eq!(world.listed(&format!("?location={there}"), &local).await, ["Ben Bär"]);
    assert_eq!(world.listed("?problem=any", &local).await, Vec::<String>::new());
    let get = |path: String| world.admin_request(Method::GET, &path).bearer_auth(&local);
    check_problem(get(format!("v1/users?location={here}")), 403, "wrong-location").await;
    let anna = world.get("v1/users?search=anna", ADMIN_TOKEN).await["items"][0]["guid"].as_str().unwrap().to_owned();
    for what in ["", "/explain", "/timeline"] {
        check_problem(get(format!("v1/users/{anna}{what}")), 403, "wrong-location").await;
    }
}

#[tokio::test]
async fn a_person_without_a_role_sees_the_own_user_only() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    let own = entra.token(&world, anna.teams, &[], &json!({}));
    let page = world.get("v1/users", &own).await;
    let guids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|user| &user["guid"]).collect();
    assert_eq!(guids, [&json!(anna.xphone)]);
    assert_eq!(world.get("v1/users?search=ben", &own).await["items"], json!([]));
    for what in ["", "/explain", "/timeline"] {
        world.get(&format!("v1/users/{}{what}", anna.xphone), &own).await;
        let of_ben = world.admin_request(Method::GET, &format!("v1/users/{}{what}", ben.xphone)).bearer_auth(&own);
        check_problem(of_ben, 403, "not-yours").await;
        let of_nobody = world.admin_request(Method::GET, &format!("v1/users/{}{what}", Uuid::nil())).bearer_auth(&own);
        check_problem(of_nobody, 403, "not-yours").await;
    }
    let again = world.admin_request(Method::POST, &format!("v1/users/{}/reconcile", anna.xphone)).bearer_auth(&own);
    check_problem(again, 403, "wrong-role").await;
    let stranger = entra.token(&world, Uuid::new_v4(), &[], &json!({}));
    assert_eq!(world.get("v1/users", &stranger).await["items"], json!([]));
    let viewer = entra.token(&world, anna.teams, &["Gateway.Viewer"], &json!({}));
    assert_eq!(world.listed("", &viewer).await.len(), 2);
}

#[tokio::test]
async fn who_is_asked_for_wrongly_is_refused() {
    let world = World::new().await;
    let check = async |path: &str, status: u16, kind: &str| {
        check_problem(world.admin_request(Method::GET, &format!("v1/users{path}")).bearer_auth(ADMIN_TOKEN), status, kind).await;
    };
    let long = format!("?search={}", "ä".repeat(257));
    for query in [
        "?limit=0",
        "?limit=1001",
        "?after=x",
        "?location=x",
        "?group=x",
        "?problem=x",
        "?problem=matched",
        "?problem=",
        "?search=%00",
        "?page=2",
        &long,
    ] {
        check(query, 400, "bad-query").await;
    }
    for what in ["", "/explain", "/timeline"] {
        check(&format!("/x{what}"), 400, "bad-guid").await;
        check(&format!("/{}{what}", Uuid::nil()), 404, "not-found").await;
    }
    let anna = world.person("anna").await;
    world.directory().await;
    for query in ["limit=0", "limit=1001", "after=x", "before=1"] {
        check(&format!("/{}/timeline?{query}", anna.xphone), 400, "bad-query").await;
    }
}
