//! People followed live: what changes on either side is written and nothing else, nobody is lost half way, and links beat addresses.

use jiff::SignedDuration;
use presence_gateway::domain::directory::{Link, Match, Person as Known, Seat, XphonePerson, difference};
use presence_gateway::domain::ids::{TeamsUserId, UserGuid};
use presence_gateway::store::audit::Actor;
use presence_gateway::store::directory::Accepted;
use presence_gateway::store::lease::Lease;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::people::{PROFILES, users};
use crate::world::{ADMIN_TOKEN, Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const IN_A_CALL: &str = "Busy/InACall";
const CALLING: u32 = 4;

impl World {
    async fn mail(&self, person: Person, mail: &str) {
        self.teams_account(person.teams, mail, Some(mail), true).await;
    }

    async fn delete_in_teams(&self, id: Uuid, for_good: bool) {
        self.graph_control(Method::DELETE, &format!("users/{id}"), json!({"for_good": for_good})).await;
    }

    async fn users_a_page(&self, users: usize) {
        self.graph_faults(json!({"delta": {"page_users": users}})).await;
    }

    /// So many pages come, then Graph breaks.
    async fn break_after_pages(&self, pages: u32) {
        let deny = json!({"endpoint": "users", "status": 500, "after": pages, "times": 1});
        self.graph_faults(json!({"delta": {"page_users": 1}, "deny": [deny]})).await;
    }

    async fn texts(&self, people: &[Person]) -> Vec<String> {
        let mut texts = Vec::new();
        for person in people {
            texts.push(self.text(*person).await);
        }
        texts
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}")).collect()
}

async fn crowd(count: usize) -> (World, Vec<Person>) {
    // On the heap: a whole world is large.
    Box::pin(build_crowd(count)).await
}

async fn build_crowd(count: usize) -> (World, Vec<Person>) {
    let world = World::new().await;
    let mut people = Vec::new();
    for name in names(count) {
        people.push(world.person(&name).await);
    }
    world.go_live().await;
    (world, people)
}

#[tokio::test]
async fn a_newcomer_is_matched_by_what_changed_alone() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let asked = world.asked_graph("usersDelta", 200).await;
    let ben = world.person("ben").await;
    world.next_directory().await;
    world.teams_of_many(&[anna, ben], IN_A_CALL).await;
    world.minute().await;
    assert_eq!(world.texts(&[anna, ben]).await, [ON_THE_PHONE; 2]);
    assert_eq!(world.asked_graph("usersDelta", 200).await, asked + 1, "one page told it all");
    assert_eq!(world.asked_graph("users", 200).await, 0);
}

#[tokio::test]
async fn a_renamed_mail_box_parts_and_joins() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.teams_of_many(&[anna, ben], IN_A_CALL).await;
    world.settle().await;
    world.mail(anna, "anna.b@example.com").await;
    world.next_directory().await;
    assert_eq!(world.texts(&[anna, ben]).await, ["Available", ON_THE_PHONE]);
    assert_eq!(users(&world, "not_in_teams").await, 1);
    // XPhone follows.
    world.xphone_user(anna.xphone, "anna.b@example.com", &[("Appointment", "busy", true)]).await;
    world.next_directory().await;
    assert_eq!(world.texts(&[anna, ben]).await, [ON_THE_PHONE; 2]);
    // The mail box goes, and the sign-in name that was told long ago is the address.
    world.teams_account(anna.teams, "anna.b@example.com", None, true).await;
    world.next_directory().await;
    assert_eq!(users(&world, "matched").await, 2);
}

#[tokio::test]
async fn whoever_changed_addresses_is_somebody_else_at_once() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.teams(anna, IN_A_CALL).await;
    world.settle().await;
    assert_eq!(world.texts(&[anna, ben]).await, [ON_THE_PHONE, "Available"]);
    world.mail(anna, "ben@example.com").await;
    world.mail(ben, "anna@example.com").await;
    world.next_directory().await;
    assert_eq!(world.texts(&[anna, ben]).await, ["Available", ON_THE_PHONE]);
    assert_eq!([users(&world, "matched").await, world.held_back().await], [2, 0]);
}

#[tokio::test]
async fn whoever_is_matched_anew_in_a_call_is_cleared_on_the_old_account() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL);
    let new = Person { xphone: anna.xphone, teams: Uuid::new_v4() };
    world.mail(anna, "left@example.com").await;
    world.mail(new, "anna@example.com").await;
    world.teams(new, "Available/Available").await;
    world.next_directory().await;
    world.minute().await;
    assert_eq!([world.in_teams(anna).await, world.in_teams(new).await], ["Available/Available", IN_A_CALL]);
    // Nobody is in XPhone any more for the new account: its letters stay behind.
    world.xphone_control(Method::DELETE, &format!("users/{}", anna.xphone), Value::Null).await;
    world.next_directory().await;
    assert_eq!(world.held_back().await, 1, "the only one there is");
    world.accept_directory(1).await;
    world.minute().await;
    assert_eq!(world.in_teams(new).await, "Available/Available");
    assert_eq!(world.app.store.people().await.unwrap(), []);
}

#[tokio::test]
async fn deleted_restored_and_disabled() {
    let (world, people) = crowd(10).await;
    let anna = people[0];
    world.teams(anna, IN_A_CALL).await;
    world.settle().await;
    for for_good in [false, true] {
        world.delete_in_teams(anna.teams, for_good).await;
        world.next_directory().await;
        assert_eq!((world.text(anna).await.as_str(), users(&world, "not_in_teams").await), ("Available", 1));
        assert_eq!(world.appointment(anna).await, None);
        world.mail(anna, "user0@example.com").await;
        world.teams(anna, IN_A_CALL).await;
        world.next_directory().await;
        assert_eq!((world.text(anna).await.as_str(), users(&world, "not_in_teams").await), (ON_THE_PHONE, 0));
    }
    world.teams_account(anna.teams, "user0@example.com", Some("user0@example.com"), false).await;
    world.next_directory().await;
    assert_eq!((world.text(anna).await.as_str(), users(&world, "disabled_in_teams").await), ("Available", 1));
    world.mail(anna, "user0@example.com").await;
    world.next_directory().await;
    assert_eq!((world.text(anna).await.as_str(), users(&world, "disabled_in_teams").await), (ON_THE_PHONE, 0));
}

#[tokio::test]
async fn a_lost_place_is_made_good_by_reading_everybody_anew() {
    for code in [None, Some("syncStateNotFound"), Some("resyncRequired")] {
        let (world, people) = crowd(12).await;
        let (gone, renamed) = (people[0], people[1]);
        world.users_a_page(5).await;
        world.delete_in_teams(gone.teams, true).await;
        // What was known of it must not come back: the first round does not tell what is not set.
        world.teams_account(renamed.teams, "renamed@example.com", None, true).await;
        world.xphone_user(renamed.xphone, "renamed@example.com", &[]).await;
        let newcomer = world.person("newcomer").await;
        if let Some(code) = code {
            let deny = json!({"endpoint": "users", "status": 400, "error_code": code, "times": 1});
            world.graph_faults(json!({"delta": {"page_users": 5}, "deny": [deny]})).await;
        } else {
            world.graph_control(Method::POST, "users/delta/expire", Value::Null).await;
        }
        world.next_directory().await;
        assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await], [12, 1], "{code:?}");
        world.teams_of_many(&[renamed, newcomer], IN_A_CALL).await;
        world.minute().await;
        assert_eq!(world.texts(&[renamed, newcomer]).await, ["On the phone (MS Teams)"; 2], "{code:?}");
    }
}

#[tokio::test]
async fn a_place_is_good_for_one_tenant_only() {
    let world = World::new().await;
    world.person("anna").await;
    world.directory().await;
    let store = &world.app.store;
    let position = store.teams_position(world.config.graph.tenant_id).await.unwrap().unwrap();
    assert!(position.complete && position.link.as_deref().is_some_and(|link| link.starts_with(&world.graph.base_url)));
    assert_eq!(store.teams_position(Uuid::new_v4()).await.unwrap(), None);
    let stored: Vec<u8> = sqlx::query_scalar("select link from teams_feed").fetch_one(&world.database().await).await.unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("deltatoken"), "it is sealed");
}

#[tokio::test]
async fn a_crash_between_pages_repeats_little_and_loses_nobody() {
    let (mut world, people) = crowd(6).await;
    world.users_a_page(1).await;
    for person in &people[..3] {
        world.teams_account(person.teams, "x@example.com", Some("x@example.com"), true).await;
    }
    for (number, person) in people[..3].iter().enumerate() {
        world.mail(*person, &format!("user{number}@example.com")).await;
    }
    world.delete_in_teams(people[5].teams, false).await;
    world.break_after_pages(2).await;
    world.advance(SignedDuration::from_secs(300));
    assert!(world.app.tasks.directory.run().await.is_err());
    assert_eq!(users(&world, "matched").await, 6, "nobody is matched by half of what changed");
    let asked = world.asked_graph("usersDelta", 200).await;
    world.restart().await;
    world.minute().await;
    assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await], [5, 1]);
    assert_eq!(world.asked_graph("usersDelta", 200).await, asked + 3, "of five pages two were told before");

    // The same while everybody is read anew.
    world.graph_control(Method::POST, "users/delta/expire", Value::Null).await;
    world.break_after_pages(4).await;
    world.advance(SignedDuration::from_secs(300));
    assert!(world.app.tasks.directory.run().await.is_err());
    world.restart().await;
    // The place half way is lost as well.
    world.graph_control(Method::POST, "users/delta/expire", Value::Null).await;
    world.minute().await;
    assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await], [5, 1]);
    let known = world.app.store.teams_people().await.unwrap();
    assert_eq!(known.len(), 6, "five people and the subscriber account");
}

#[tokio::test]
async fn what_a_failure_left_unwritten_is_written_by_the_next_comparison() {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    world.teams_of_many(&[anna, cleo], IN_A_CALL).await;
    world.settle().await;
    world.mail(anna, "ben@example.com").await;
    world.mail(ben, "anna@example.com").await;
    world.mail(cleo, "away@example.com").await;
    let database = world.database().await;
    // Whoever changes places is written at once or not at all: nobody is nobody in between.
    let fail = "create function fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
        create trigger fail before insert on person for each row execute function fail()";
    sqlx::raw_sql(fail).execute(&database).await.unwrap();
    world.advance(SignedDuration::from_secs(300));
    assert!(world.app.tasks.directory.run().await.is_err());
    assert_eq!(users(&world, "matched").await, 3);
    sqlx::raw_sql("drop trigger fail on person").execute(&database).await.unwrap();
    world.minute().await;
    world.minute().await;
    assert_eq!(world.texts(&[anna, ben, cleo]).await, ["Available", ON_THE_PHONE, "Available"]);
    assert_eq!([users(&world, "matched").await, world.held_back().await], [2, 0]);
}

#[tokio::test]
async fn more_than_a_tenth_waits_for_an_operators_word() {
    let (world, people) = crowd(20).await;
    world.teams_of_many(&people, IN_A_CALL).await;
    world.settle().await;
    for person in &people[..2] {
        world.delete_in_teams(person.teams, false).await;
    }
    world.next_directory().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [18, 0], "two of twenty are a tenth");
    for person in &people[2..4] {
        world.delete_in_teams(person.teams, false).await;
    }
    world.xphone_control(Method::DELETE, &format!("users/{}", people[19].xphone), Value::Null).await;
    let newcomer = world.person("newcomer").await;
    world.next_directory().await;
    // Nobody is dropped, and yet whoever is new comes in at once.
    assert_eq!([users(&world, "matched").await, world.held_back().await], [19, 3]);
    world.teams(newcomer, IN_A_CALL).await;
    world.settle().await;
    assert_eq!(world.texts(&people[2..4]).await, [ON_THE_PHONE; 2]);
    assert_eq!(world.text(newcomer).await, ON_THE_PHONE);
    let store = &world.app.store;
    let refusal = store.directory_refusal().await.unwrap().unwrap();
    assert_eq!((refusal.people, refusal.gone, refusal.unmatched, refusal.accepted), (20, 1, 2, None));
    assert_eq!(refusal.dropped[0], UserGuid(people[19].xphone));
    // It does not become usual.
    world.next_directory().await;
    let later = store.directory_refusal().await.unwrap().unwrap();
    assert!(later.since == refusal.since && later.seen_at > refusal.seen_at);
    assert_eq!(world.held_back().await, 3);
    assert_eq!(
        store.accept_directory(2, ("me", &Actor::CommandLine(None)), world.clock.now()).await.unwrap(),
        Accepted::Others(3)
    );
    // The word is about three people; four more are too many again.
    world.accept_directory(3).await;
    assert_eq!(world.held_back().await, 0);
    for person in &people[4..8] {
        world.delete_in_teams(person.teams, false).await;
    }
    world.minute().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [19, 7]);
    for (number, person) in people.iter().enumerate().take(8).skip(4) {
        world.mail(*person, &format!("user{number}@example.com")).await;
        world.teams(*person, IN_A_CALL).await;
    }
    world.next_directory().await;
    assert_eq!(world.held_back().await, 3, "four are back");
    world.accept_directory(3).await;
    world.minute().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [16, 0]);
    assert_eq!(world.texts(&people[2..5]).await, ["Available", "Available", ON_THE_PHONE]);
    assert_eq!(
        store.accept_directory(3, ("me", &Actor::CommandLine(None)), world.clock.now()).await.unwrap(),
        Accepted::NothingHeld
    );
}

#[tokio::test]
async fn while_a_drop_is_held_back_everything_else_goes_on() {
    let (world, people) = crowd(5).await;
    world.teams_of_many(&people, IN_A_CALL).await;
    world.settle().await;
    // Two of five leave XPhone, with their location; one lost the address that somebody new has by now.
    for person in &people[..2] {
        world.xphone_control(Method::DELETE, &format!("users/{}", person.xphone), Value::Null).await;
    }
    world.xphone_user(people[2].xphone, "moved@example.com", &PROFILES).await;
    let (heir, newcomer) = (Uuid::new_v4(), world.person("newcomer").await);
    world.xphone_user(heir, "user2@example.com", &PROFILES).await;
    let branch = Uuid::new_v4();
    world.xphone_control(Method::PUT, &format!("locations/{branch}"), json!({"name": "Branch", "configurationGroups": []})).await;
    world.next_directory().await;
    world.settle().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [6, 3]);
    let told = world.look_up(&format!("users/{}", people[2].xphone)).await;
    assert_eq!([&told["match"], &told["email"]], [&json!("matched"), &json!("moved@example.com")], "the rest is known");
    let unknown = world.admin_request(Method::GET, &format!("v1/users/{heir}")).bearer_auth(ADMIN_TOKEN);
    check_problem(unknown, 404, "not-found").await;
    assert_eq!(world.look_up("locations?search=branch").await["items"][0]["name"], "Branch");
    assert_eq!(world.texts(&people[2..]).await, [ON_THE_PHONE; 3], "nothing was taken back");
    world.teams(newcomer, IN_A_CALL).await;
    world.settle().await;
    assert_eq!(world.text(newcomer).await, ON_THE_PHONE);
    // With the operator's word the rest follows, and the account goes to its new owner.
    world.accept_directory(3).await;
    world.minute().await;
    assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await, world.held_back().await], [4, 1, 0]);
    assert_eq!(world.look_up(&format!("users/{heir}")).await["teams"], json!(people[2].teams));
}

#[tokio::test]
async fn what_operators_link_and_unlink_by_hand_is_no_drop() {
    let (world, people) = crowd(6).await;
    // Three accounts are given to others by hand, one of whom is freed again.
    for (person, other) in [(3, 0), (4, 1), (5, 2)] {
        world.link(people[person], people[other].teams).await.unwrap();
    }
    world.minute().await;
    assert_eq!([users(&world, "linked_to_another").await, world.held_back().await], [3, 0]);
    for (number, person) in people[3..].iter().enumerate() {
        world.xphone_user(person.xphone, &format!("elsewhere{number}@example.com"), &PROFILES).await;
    }
    world.next_directory().await;
    for person in &people[3..] {
        world.unlink(*person).await;
    }
    world.minute().await;
    assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await, world.held_back().await], [3, 3, 0]);
    let departed: i64 =
        sqlx::query_scalar("select count(*) from directory_departure").fetch_one(&world.database().await).await.unwrap();
    assert_eq!(departed, 0, "nor does it count later");
    // The word was about this once.
    world.link(people[3], people[3].teams).await.unwrap();
    world.link(people[4], people[4].teams).await.unwrap();
    world.minute().await;
    for person in &people[3..5] {
        world.delete_in_teams(person.teams, false).await;
    }
    world.next_directory().await;
    assert_eq!(world.held_back().await, 2);
}

#[tokio::test]
async fn a_slow_leak_is_added_up_for_a_day() {
    let (world, people) = crowd(40).await;
    let leave = async |these: &[Person]| {
        for person in these {
            world.delete_in_teams(person.teams, true).await;
        }
        world.next_directory().await;
    };
    leave(&people[..2]).await;
    leave(&people[2..4]).await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [36, 0], "a tenth within a day");
    // One at a time, and yet too many.
    leave(&people[4..5]).await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [36, 1]);
    let refusal = world.app.store.directory_refusal().await.unwrap().unwrap();
    assert_eq!((refusal.unmatched, refusal.recent, refusal.dropped), (1, 4, vec![UserGuid(people[4].xphone)]));
    // One of those who left before is back, so another may go.
    world.mail(people[0], "user0@example.com").await;
    world.next_directory().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [36, 0]);
    leave(&people[5..6]).await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [36, 1]);
    // Whoever agrees has looked at all of them.
    world.accept_directory(1).await;
    world.minute().await;
    leave(&people[6..9]).await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [32, 0]);
    leave(&people[9..10]).await;
    assert_eq!(world.held_back().await, 1);
    // A day later nobody remembers them.
    world.advance(SignedDuration::from_hours(24));
    world.app.tasks.upkeep.run().await.unwrap();
    world.next_directory().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [31, 0]);
    let remembered: i64 =
        sqlx::query_scalar("select count(*) from directory_departure").fetch_one(&world.database().await).await.unwrap();
    assert_eq!(remembered, 1);
}

#[tokio::test]
async fn what_was_held_back_is_forgotten_when_they_are_back() {
    let (world, people) = crowd(5).await;
    for person in &people {
        world.delete_in_teams(person.teams, false).await;
    }
    world.next_directory().await;
    assert_eq!(world.held_back().await, 5);
    for (number, person) in people.iter().enumerate() {
        world.mail(*person, &format!("user{number}@example.com")).await;
    }
    world.next_directory().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [5, 0]);
    assert_eq!(world.app.store.directory_refusal().await.unwrap(), None);
}

#[tokio::test]
async fn a_link_by_hand_beats_the_address_until_it_is_taken_away() {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    let other = Uuid::new_v4();
    world.teams_account(other, "somebody@tenant.example", None, true).await;
    world.teams(Person { teams: other, ..anna }, IN_A_CALL).await;
    world.next_directory().await;
    world.link(anna, other).await.unwrap();
    let asked = world.asked_graph("usersDelta", 200).await;
    world.minute().await;
    assert_eq!(world.asked_graph("usersDelta", 200).await, asked, "nothing need be read for it");
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    // Nobody is two people, and only who is there can be linked.
    assert_eq!(world.link(ben, other).await.unwrap_err(), "teams-account-taken");
    assert_eq!(world.link(ben, Uuid::new_v4()).await.unwrap_err(), "teams-account-unknown");
    assert_eq!(world.link(Person { xphone: Uuid::new_v4(), ..ben }, ben.teams).await.unwrap_err(), "not-found");
    // Ben is linked to whom Cleo would be by her address.
    world.teams(cleo, IN_A_CALL).await;
    world.settle().await;
    world.link(ben, cleo.teams).await.unwrap();
    world.minute().await;
    assert_eq!(world.texts(&[anna, ben, cleo]).await, [ON_THE_PHONE, ON_THE_PHONE, "Available"]);
    assert_eq!(world.app.store.unmatched_people(9).await.unwrap(), [(UserGuid(cleo.xphone), "linked_to_another".to_owned())]);
    // Another link in the place of the first.
    world.link(ben, ben.teams).await.unwrap();
    world.minute().await;
    assert_eq!(world.texts(&[anna, ben, cleo]).await, [ON_THE_PHONE, "Available", ON_THE_PHONE]);
    world.unlink(anna).await;
    world.unlink(anna).await;
    world.minute().await;
    assert_eq!(world.texts(&[anna, ben, cleo]).await, ["Available", "Available", ON_THE_PHONE]);
    let links = world.app.store.links().await.unwrap();
    assert_eq!(links, [Link { user: UserGuid(ben.xphone), teams_user: TeamsUserId(ben.teams) }]);
}

#[tokio::test]
async fn many_are_written_in_batches_and_nobody_elses_row_is_waited_for() {
    let world = World::new().await;
    let store = &world.app.store;
    let people = |shift: u128| -> Vec<Known> {
        let person = |number: u128| {
            let xphone = XphonePerson {
                guid: UserGuid(Uuid::from_u128(number)),
                name: String::new(),
                email: None,
                seat: Seat::default(),
                profiles: Vec::new(),
            };
            Known { xphone, matched: Match::Matched(TeamsUserId(Uuid::from_u128((number + shift) % 1201))) }
        };
        (0..1201).map(person).collect()
    };
    let lease = Lease { name: "directory", holder: Uuid::new_v4() };
    let now = world.clock.now();
    assert!(!store.write_difference(&difference(&[], people(0), &[]), lease, now).await.unwrap(), "only with the lease");
    assert!(store.hold_lease(lease.name, lease.holder, now, SignedDuration::from_mins(1)).await.unwrap());
    assert!(store.write_difference(&difference(&[], people(0), &[]), lease, now).await.unwrap());
    // Everybody becomes their neighbour, all around.
    let before = store.people().await.unwrap();
    assert!(store.write_difference(&difference(&before, people(1), &[]), lease, now).await.unwrap());
    let before = store.people().await.unwrap();
    assert!(difference(&before, people(1), &[]).is_empty() && before.len() == 1201);
    // Somebody holds a user's row; whoever is not concerned is not held up.
    let database = world.database().await;
    let mut tx = database.begin().await.unwrap();
    let held = "select from user_state where user_guid = $1 for update";
    sqlx::query(held).bind(Uuid::from_u128(7)).execute(&mut *tx).await.unwrap();
    let mut after = people(1);
    after.retain(|person| person.xphone.guid.0.as_u128() != 8);
    after[20].xphone.email = Some("new@example.com".to_owned());
    assert!(store.write_difference(&difference(&before, after.clone(), &[]), lease, now).await.unwrap());
    assert!(difference(&store.people().await.unwrap(), after, &[]).is_empty());
    tx.rollback().await.unwrap();
}
