//! Whoever leaves one of both systems leaves nothing of ours behind, on either side, whichever of them is down just then.

use jiff::SignedDuration;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Person, World};

const CALLING: u32 = 4;
const FREE: u32 = 2;
const IN_A_CALL: &str = "Busy/InACall";
const AVAILABLE: &str = "Available/Available";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";

/// How somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// XPhone deletes the user.
    Xphone,
    /// XPhone has the user, and our account does not see them any more.
    OurSight,
    /// Entra ID deletes the account.
    Teams,
    /// Entra ID disables the account.
    Disabled,
}

impl World {
    /// Ten people at rest, of whom one may go without a word.
    async fn with_ten() -> (Self, Vec<Person>) {
        let (world, people) = Self::with_people(["anna", "ben", "cleo", "dan", "eve", "fred", "gina", "hal", "ina", "jo"]).await;
        (world, people.to_vec())
    }

    async fn leaves(&self, person: Person, how: Leaving) {
        match how {
            Leaving::Xphone => {
                self.xphone_control(Method::DELETE, &format!("users/{}", person.xphone), Value::Null).await;
            }
            Leaving::OurSight => {
                self.xphone_control(Method::PUT, &format!("users/{}/listed", person.xphone), json!({"listed": false})).await;
            }
            Leaving::Teams => {
                self.graph_control(Method::DELETE, &format!("users/{}", person.teams), json!({"for_good": true})).await;
            }
            Leaving::Disabled => self.teams_account(person.teams, "anna@example.com", Some("anna@example.com"), false).await,
        }
    }

    /// Neither letters nor anything recorded as shown for this person.
    async fn owes_nothing(&self, person: Person) -> bool {
        let query = "select (select count(*) from outbox where user_guid = $1)
            + (select count(*) from slot where user_guid = $1 and state = 'shown')";
        let owed: i64 = sqlx::query_scalar(query).bind(person.xphone).fetch_one(&self.database().await).await.unwrap();
        owed == 0
    }

    /// Neither side takes anything from us, and both can be read.
    async fn writes_are_refused(&self) {
        let deny = |endpoint: &str| json!({"endpoint": endpoint, "status": 503, "retry_after_seconds": 5});
        let mut appointments = deny("appointments");
        appointments["writes_only"] = json!(true);
        self.xphone_faults(json!({"deny": [appointments]})).await;
        let deny = |endpoint: &str| json!({"endpoint": endpoint, "method": "POST", "status": 503, "retry_after_seconds": 5});
        self.graph_faults(json!({"deny": [deny("presence"), deny("batch")]})).await;
    }

    async fn writes_are_taken_again(&self) {
        self.xphone_faults(json!({})).await;
        self.graph_faults(json!({})).await;
        self.advance(SignedDuration::from_secs(30));
        self.dispatch().await;
        self.minute().await;
    }
}

#[tokio::test]
async fn whoever_leaves_while_something_is_shown_leaves_nothing() {
    for (how, down) in [
        (Leaving::Xphone, false),
        (Leaving::Xphone, true),
        (Leaving::OurSight, false),
        (Leaving::OurSight, true),
        (Leaving::Teams, false),
        (Leaving::Teams, true),
        (Leaving::Disabled, false),
        (Leaving::Disabled, true),
    ] {
        // What is shown in Teams, for a call in XPhone.
        let (world, people) = World::with_ten().await;
        let anna = people[0];
        world.xphone_telephone(anna, CALLING).await;
        world.hear().await;
        assert_eq!(world.in_teams(anna).await, IN_A_CALL);
        let what = leave(&world, anna, how, down, "what is shown in Teams").await;
        if how != Leaving::Teams {
            assert_eq!(world.in_teams(anna).await, AVAILABLE, "{what}");
        }

        // What is shown in XPhone, for a call in Teams.
        let (world, people) = World::with_ten().await;
        let anna = people[0];
        world.teams(anna, IN_A_CALL).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE);
        let what = leave(&world, anna, how, down, "what is shown in XPhone").await;
        if how != Leaving::Xphone {
            assert_eq!((world.appointment(anna).await, world.text(anna).await.as_str()), (None, "Available"), "{what}");
        }
    }
}

/// Somebody leaves, perhaps while nothing can be sent; then everything is as it should be with the others.
async fn leave(world: &World, anna: Person, how: Leaving, down: bool, shown: &str) -> String {
    let what = format!("{how:?}, {}, {shown}", if down { "sides down" } else { "sides up" });
    if down {
        world.writes_are_refused().await;
    }
    world.leaves(anna, how).await;
    world.next_directory().await;
    assert_eq!(world.held_back().await, 0, "{what}");
    if down {
        assert!(!world.owes_nothing(anna).await, "{what}: still to be sent");
        world.writes_are_taken_again().await;
    }
    assert!(world.owes_nothing(anna).await, "{what}: nothing is left to be sent");
    what
}

#[tokio::test]
async fn a_crash_forgets_no_letter_of_whoever_left() {
    let (mut world, people) = Box::pin(World::with_ten()).await;
    let (anna, ben) = (people[0], people[1]);
    world.xphone_telephone(anna, CALLING).await;
    world.teams(ben, IN_A_CALL).await;
    world.hear().await;
    assert_eq!((world.in_teams(anna).await.as_str(), world.text(ben).await.as_str()), (IN_A_CALL, ON_THE_PHONE));
    world.writes_are_refused().await;
    world.leaves(anna, Leaving::Xphone).await;
    world.next_directory().await;
    world.restart().await;
    world.leaves(ben, Leaving::Teams).await;
    world.next_directory().await;
    assert_eq!(world.held_back().await, 1, "two of ten within a day");
    world.accept_directory(1).await;
    world.minute().await;
    world.restart().await;
    world.writes_are_taken_again().await;
    assert_eq!((world.in_teams(anna).await.as_str(), world.text(ben).await.as_str()), (AVAILABLE, "Available"));
    assert!(world.owes_nothing(anna).await && world.owes_nothing(ben).await);
}

#[tokio::test]
async fn what_can_never_be_sent_for_whoever_left_is_forgotten_after_a_day() {
    let (world, people) = World::with_ten().await;
    let (anna, ben) = (people[0], people[1]);
    for person in [anna, ben] {
        world.xphone_telephone(person, CALLING).await;
    }
    world.hear().await;
    world.graph_faults(json!({"deny": [{"endpoint": "presence", "method": "POST", "status": 403}]})).await;
    world.leaves(anna, Leaving::Xphone).await;
    world.xphone_telephone(ben, FREE).await;
    world.next_directory().await;
    assert!(!world.owes_nothing(anna).await && !world.owes_nothing(ben).await);
    world.advance(SignedDuration::from_hours(24));
    world.app.tasks.upkeep.run().await.unwrap();
    assert!(world.owes_nothing(anna).await, "a session ends by itself, and so does everything else");
    assert!(!world.owes_nothing(ben).await, "who is still here is told of");
}
