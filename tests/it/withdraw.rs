//! Before the gateway is removed everything it shows goes, on both sides, and nothing that is the users' own.

use std::net::TcpListener;

use jiff::SignedDuration;
use presence_gateway::app::Withdrawal;
use presence_gateway::store::Store;
use presence_gateway::store::sign::Saying;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::command::{changed, check_failure, gateway, run, text};
use crate::world::{Person, SUBSCRIBER, World, scratch_database};

const CALLING: u32 = 4;
const AVAILABLE: &str = "Available/Available";
const IN_A_CALL: &str = "Busy/InACall";
const DO_NOT_DISTURB: &str = "DoNotDisturb/DoNotDisturb";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";
/// More than any withdrawal needs.
const PASSES_MAX: usize = 120;

impl World {
    /// As a process of its own has it.
    async fn withdrawal(&self) -> Withdrawal {
        let store = Store::connect(&self.database_url(), 4, self.config.secrets.clone()).await.unwrap();
        Withdrawal::new(&self.config, store, self.clock.clone()).unwrap()
    }

    /// Passes with a second between them, until nothing is left; what is left after so many.
    async fn passes(&self, withdrawal: &Withdrawal, passes: usize) -> i64 {
        withdrawal.begin().await.unwrap();
        let mut left = 0;
        for _ in 0..passes {
            left = withdrawal.pass().await.unwrap().0.count();
            if left == 0 {
                break;
            }
            self.advance(SignedDuration::from_secs(1));
        }
        left
    }

    /// All of it, as the command does it.
    async fn withdraw(&self) {
        let withdrawal = self.withdrawal().await;
        assert_eq!(self.passes(&withdrawal, PASSES_MAX).await, 0);
        assert_eq!(withdrawal.remove_strays().await.unwrap().removed, 0);
        assert_eq!(withdrawal.end_subscriptions().await.unwrap(), []);
        withdrawal.finish().await.unwrap();
    }

    async fn rows(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.database().await).await.unwrap()
    }

    async fn subscriptions_at_graph(&self) -> usize {
        self.graph_look("subscriptions").await.as_array().map_or(usize::MAX, Vec::len)
    }
}

/// Anna is in a Teams call, Ben in an XPhone call, Cleo on do not disturb in XPhone; each shows on the other side.
async fn everything_shown() -> (World, [Person; 3]) {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    world.teams(anna, IN_A_CALL).await;
    world.xphone_telephone(ben, CALLING).await;
    world.xphone_status(cleo, "doNotDisturb").await;
    world.hear().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!([world.in_teams(ben).await, world.in_teams(cleo).await], [IN_A_CALL, DO_NOT_DISTURB]);
    (world, [anna, ben, cleo])
}

#[tokio::test]
async fn what_is_shown_on_both_sides_goes_and_comes_back_with_the_next_start() {
    let (mut world, [anna, ben, cleo]) = everything_shown().await;
    assert_eq!(world.subscriptions_at_graph().await, 1);
    world.stop_softly().await;
    world.withdraw().await;
    assert_eq!(world.text(anna).await, "Available");
    assert_eq!([world.in_teams(ben).await, world.in_teams(cleo).await], [AVAILABLE, AVAILABLE]);
    assert!(world.teams_user(cleo).await["preferred"].is_null());
    assert_eq!(world.subscriptions_at_graph().await, 0);
    assert_eq!(world.in_teams(anna).await, IN_A_CALL, "what Teams itself says is nobody else's");
    let left = "select (select count(*) from outbox) + (select count(*) from slot where state = 'shown') + (select count(*) from subscription)
        + (select count(*) from user_state where coalesce(teams_availability, native, xphone_meeting) is not null)";
    assert_eq!(world.rows(left).await, 0);
    assert_eq!(world.rows("select count(*) from teams_sync where mode <> 'none'").await, 1, "settings stay");
    assert_eq!(world.rows("select count(*) from subscriber_account").await, 1, "accounts stay");
    // Again changes nothing, and needs nothing.
    let asked = world.asked_graph("clearPresence", 200).await;
    world.withdraw().await;
    assert_eq!(world.asked_graph("clearPresence", 200).await, asked);

    world.restart().await;
    world.minute().await;
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!([world.in_teams(ben).await, world.in_teams(cleo).await], [IN_A_CALL, DO_NOT_DISTURB]);
    assert_eq!(world.subscriptions_at_graph().await, 1);
}

#[tokio::test]
async fn what_people_picked_themselves_is_left_alone() {
    let (mut world, [_, _, cleo]) = everything_shown().await;
    world.seconds(12).await;
    world.stop_softly().await;
    // While nobody looks.
    world.pick_in_teams(cleo, "Busy/Busy").await;
    world.withdraw().await;
    assert_eq!(world.in_teams(cleo).await, "Busy/Busy");
    assert_eq!(world.asked_graph("clearUserPreferredPresence", 200).await, 0);
}

#[tokio::test]
async fn what_was_undone_stays_undone_after_the_next_start() {
    let (mut world, [anna, ..]) = everything_shown().await;
    world.seconds(1).await;
    world.remove_appointment(anna).await;
    world.minute().await;
    assert_eq!(world.reason(anna).await, "overridden");
    world.stop_softly().await;
    world.withdraw().await;
    world.restart().await;
    world.minute().await;
    world.minute().await;
    assert_eq!((world.text(anna).await.as_str(), world.reason(anna).await.as_str()), ("Available", "overridden"));
}

#[tokio::test]
async fn killed_halfway_and_repeated_it_takes_back_the_rest() {
    let (mut world, [anna, ben, cleo]) = everything_shown().await;
    world.stop_softly().await;
    world.graph_faults(json!({"deny": [{"endpoint": "presence", "status": 503}, {"endpoint": "batch", "status": 503}]})).await;
    let first = world.withdrawal().await;
    assert_eq!(world.passes(&first, 5).await, 2, "Teams takes nothing");
    drop(first);
    assert_eq!([world.text(anna).await.as_str(), &world.in_teams(ben).await], ["Available", IN_A_CALL]);
    world.graph_faults(json!({})).await;
    world.withdraw().await;
    assert_eq!([world.in_teams(ben).await, world.in_teams(cleo).await], [AVAILABLE, AVAILABLE]);
}

#[tokio::test]
async fn what_the_database_has_forgotten_is_found_by_its_origin() {
    let (mut world, [anna, ..]) = everything_shown().await;
    world.stop_softly().await;
    sqlx::raw_sql("delete from outbox; delete from slot").execute(&world.database().await).await.unwrap();
    let withdrawal = world.withdrawal().await;
    assert_eq!(world.passes(&withdrawal, PASSES_MAX).await, 0);
    assert_eq!(withdrawal.remove_strays().await.unwrap().removed, 1);
    assert_eq!(world.text(anna).await, "Available");
}

#[tokio::test]
async fn an_account_that_must_sign_in_again_is_told_with_when_its_subscription_ends() {
    let (mut world, _) = everything_shown().await;
    world.stop_softly().await;
    world.graph_control(reqwest::Method::POST, "refresh-tokens/revoke", json!({"user_principal_name": SUBSCRIBER})).await;
    let undeleted = world.withdrawal().await.end_subscriptions().await.unwrap();
    assert_eq!(undeleted.len(), 1);
    assert!(undeleted[0].problem.contains("sign-in") && undeleted[0].ends_at > world.clock.now(), "{undeleted:?}");
}

#[tokio::test]
async fn nobody_serves_while_everything_is_taken_back_nor_the_other_way_round() {
    let database = scratch_database(true).await;
    let url = database.url();
    let settings = changed(&[
        ("GATEWAY__DATABASE__URL", Some(url.expose_secret())),
        ("GATEWAY__HTTP__PUBLIC_LISTEN", Some("127.0.0.1:0")),
        ("GATEWAY__HTTP__ADMIN_LISTEN", Some("127.0.0.1:0")),
    ]);
    let config = presence_gateway::config::Config::load(&crate::world::settings()).unwrap();
    let store = Store::connect(&url, 2, config.secrets).await.unwrap();
    let withdraw = || gateway(&["withdraw"], &settings);

    let serving = [store.put_up(Saying::Serving).await.unwrap().unwrap(), store.put_up(Saying::Serving).await.unwrap().unwrap()];
    assert!(store.put_up(Saying::Withdrawing).await.unwrap().is_none());
    assert_eq!(store.signs().await.unwrap(), [Saying::Serving, Saying::Serving]);
    check_failure(withdraw(), &["nothing was taken back", "2 gateways run"], &[]).await;
    for sign in serving {
        sign.take_down().await;
    }

    let mut withdrawing = store.put_up(Saying::Withdrawing).await.unwrap().unwrap();
    assert_eq!(store.signs().await.unwrap(), [Saying::Withdrawing]);
    check_failure(withdraw(), &["another `presence-gateway withdraw`"], &[]).await;
    check_failure(gateway(&["serve"], &settings), &["`presence-gateway withdraw`", "start again when it has ended"], &[]).await;

    // Postgres loses the connection, and with it the sign; whoever comes first has it then.
    let kill = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 2";
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    sqlx::raw_sql(kill).execute(&pool).await.unwrap();
    assert!(withdrawing.look().await.is_err());
    let serving = loop {
        if let Some(serving) = store.put_up(Saying::Serving).await.unwrap() {
            break serving;
        }
    };
    assert!(!withdrawing.put_up_again(Saying::Withdrawing).await.unwrap());
    serving.take_down().await;
    store.close().await;
    pool.close().await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn a_side_that_is_down_is_told_with_what_is_left_there() {
    let database = scratch_database(true).await;
    let url = database.url();
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    let shown = "insert into location (guid, name) values ('10000000-0000-0000-0000-000000000000', 'here');
        insert into person (guid, email, location_guid, match) values ('20000000-0000-0000-0000-000000000000', 'anna@example.com',
            '10000000-0000-0000-0000-000000000000', 'not_in_teams');
        insert into user_state (user_guid) values ('20000000-0000-0000-0000-000000000000');
        insert into slot (user_guid, name, state, cause, since, until, presence, subject, presence_status_guid) values
            ('20000000-0000-0000-0000-000000000000', 'xphone_appointment', 'shown', 'call', now(), now() + interval '1 hour', 'on_the_phone',
            'On the phone (MS Teams)', '30000000-0000-0000-0000-000000000000')";
    sqlx::raw_sql(shown).execute(&pool).await.unwrap();
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let settings =
        changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret())), ("GATEWAY__XPHONE__BASE_URL", Some(nobody.as_str()))]);
    let output = run(gateway(&["withdraw", "--patience-seconds", "1"], &settings)).await;
    let (told, progress) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{told}{progress}");
    assert_eq!(progress, "still to take back: 1 appointments in XPhone\n");
    for words in [
        "run `presence-gateway withdraw` again",
        "the appointment in XPhone of XPhone user 20000000-0000-0000-0000-000000000000: XPhone cannot be reached",
        "it ends by itself within 12 hours",
        "XPhone cannot be asked for what is left there",
    ] {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
    pool.close().await;
    database.remove().await.unwrap();
}
