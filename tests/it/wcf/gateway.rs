//! The whole gateway on the Integration API: what users see.

use presence_gateway::command::check::probe;
use presence_gateway::config::{XphoneNetTcp, XphoneTransport};
use presence_gateway::domain::directory::{MembershipRow, membership};
use presence_gateway::domain::ids::UserGuid;
use presence_gateway::emulator::wcf::{Host, Program};
use presence_gateway::store::audit::Actor;
use presence_gateway::tasks::driver::Task;
use serde_json::json;
use uuid::Uuid;

use super::{AVAILABLE, BUSY, DO_NOT_DISTURB, ON_THE_PHONE};
use crate::world::{Person, World, exhaust};

const ANNA: &str = "anna@example.com";
const LUNCH: &str = "10000000-0000-0000-0000-000000000077";
const NOT_DISTURBED: &str = "Do not disturb (MS Teams)";
const SUBSCRIBER: &str = "subscriber@example.com";
/// Far more passes than any of these stories needs; each waits for something to be told.
const PASSES_MAX: usize = 60;

struct Story {
    _program: Program,
    host: Host,
    world: World,
    anna: Person,
}

impl Story {
    /// Anna, in a location that was imported, with a policy, at rest.
    async fn begin() -> Self {
        let program = Program::compile().await.unwrap();
        let host = Host::start(&program).await.unwrap();
        host.order(&["add", ANNA, AVAILABLE]).await.unwrap();
        Self::with(program, host).await
    }

    async fn with(program: Program, host: Host) -> Self {
        let address = host.address();
        let settings = |sources: presence_gateway::config::Sources| {
            sources
                .with("GATEWAY__XPHONE__TRANSPORT", "net-tcp")
                .with("GATEWAY__XPHONE__NET_TCP__ADDRESS", &address)
                .with("GATEWAY__XPHONE__NET_TCP__ALLOW_UNENCRYPTED", true)
                .with("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__BUSY", BUSY)
                .with("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__DO_NOT_DISTURB", DO_NOT_DISTURB)
        };
        let mut world = World::with(settings).await;
        let teams = Uuid::new_v4();
        world.teams_account(teams, ANNA, Some(ANNA), true).await;
        let row = |email: &str, location: &str| MembershipRow {
            line: 1,
            email: email.to_owned(),
            location: location.to_owned(),
            group: String::new(),
        };
        let tree = membership([row(ANNA, "Munich")]).unwrap();
        world.app.store.import_tree(&tree, &Actor::CommandLine(None), world.clock.now()).await.unwrap();
        world.directory().await;
        let people = world.app.store.people().await.unwrap();
        let [person] = people.as_slice() else { panic!("{people:?}") };
        world.location = person.xphone.seat.location.unwrap().0;
        let anna = Person { xphone: person.xphone.guid.0, teams };
        world.teams(anna, "Available/Available").await;
        world.set_policy("telephony_and_presence", false).await;
        let account = json!({"userPrincipalName": SUBSCRIBER});
        world.graph_control(reqwest::Method::PUT, &format!("users/{}", Uuid::new_v4()), account).await;
        world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
        let story = Self { _program: program, host, world, anna };
        story.listen_until_read().await;
        story.world.tend_subscriptions().await;
        story.world.sweep().await;
        story.world.settle().await;
        story
    }

    /// Until everybody's presence has been read and recorded.
    async fn listen_until_read(&self) {
        for _ in 0..PASSES_MAX {
            self.world.app.tasks.listener.run().await.unwrap();
            if self.world.app.tasks.listener.recorded_up_to().await.is_some() {
                return;
            }
        }
        panic!("everybody's presence is never recorded");
    }

    /// Listens and acts until Teams shows this.
    async fn until_in_teams(&self, expected: &str) {
        for _ in 0..PASSES_MAX {
            if self.world.in_teams(self.anna).await == expected {
                return;
            }
            self.world.app.tasks.listener.run().await.unwrap();
            self.world.settle().await;
        }
        panic!("Teams never shows {expected}, but {}", self.world.in_teams(self.anna).await);
    }

    async fn shown(&self) -> String {
        self.host.order(&["show", ANNA]).await.unwrap()
    }

    async fn compare(&self) {
        self.world.app.tasks.appointments.run().await.unwrap();
        self.world.settle().await;
    }
}

fn alone() -> String {
    format!("Free\t-|{AVAILABLE}|")
}

fn with_ours(status: &str, text: &str) -> String {
    format!("{}\tMSTeams|{status}|{text}", alone())
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn a_teams_call_shows_in_xphone_and_goes() {
    let story = Box::pin(Story::begin()).await;
    story.compare().await;
    story.world.teams(story.anna, "Busy/InACall").await;
    story.world.settle().await;
    assert_eq!(story.shown().await, with_ours(BUSY, ON_THE_PHONE));
    story.world.teams(story.anna, "DoNotDisturb/Presenting").await;
    story.world.settle().await;
    assert_eq!(story.shown().await, with_ours(DO_NOT_DISTURB, NOT_DISTURBED));
    story.world.teams(story.anna, "Available/Available").await;
    story.world.settle().await;
    assert_eq!(story.shown().await, alone());
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn an_xphone_call_shows_in_teams_and_goes() {
    let story = Box::pin(Story::begin()).await;
    story.host.order(&["telephone", ANNA, "Busy"]).await.unwrap();
    story.until_in_teams("Busy/InACall").await;
    story.host.order(&["telephone", ANNA, "Free"]).await.unwrap();
    story.until_in_teams("Available/Available").await;
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn what_nothing_ends_by_itself_the_gateway_ends() {
    let story = Box::pin(Story::begin()).await;
    story.world.teams(story.anna, "Busy/InACall").await;
    story.world.settle().await;
    assert_eq!(story.shown().await, with_ours(BUSY, ON_THE_PHONE));
    // Nobody confirms the call any more: after twelve hours at the latest it goes, and the server is told so.
    story.world.advance(jiff::SignedDuration::from_hours(12));
    story.world.reconcile().await;
    exhaust(&story.world.app.tasks.xphone_dispatcher).await;
    assert_eq!(story.shown().await, alone());
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn a_do_not_disturb_goes_after_a_day_and_is_not_set_again() {
    let story = Box::pin(Story::begin()).await;
    story.world.teams(story.anna, "DoNotDisturb/DoNotDisturb").await;
    story.world.settle().await;
    assert_eq!(story.shown().await, with_ours(DO_NOT_DISTURB, NOT_DISTURBED));
    // Both sides confirm it each hour, so that nothing but the day can end it: the twelve hours are moved on.
    for hour in 1..=25 {
        story.world.advance(jiff::SignedDuration::from_hours(1));
        story.listen_until_read().await;
        story.world.sweep().await;
        story.world.settle().await;
        let expected = if hour < 24 { with_ours(DO_NOT_DISTURB, NOT_DISTURBED) } else { alone() };
        assert_eq!(story.shown().await, expected, "after {hour} hours");
    }
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn check_tells_which_statuses_people_show_and_which_setting_names_them() {
    let story = Box::pin(Story::begin()).await;
    for email in ["ben@example.com", "carl@example.com"] {
        story.host.order(&["add", email, LUNCH, "Back at one"]).await.unwrap();
    }
    let check = async |change: fn(&mut XphoneNetTcp)| {
        let mut config = story.world.config.clone();
        config.database.url = Some(story.world.database_url());
        let XphoneTransport::NetTcp(settings) = &mut config.xphone.transport else { panic!("another transport") };
        change(settings);
        let findings = probe(&config, &story.world.clock).await;
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        told.into_iter().filter(|line| line.contains("xphone") || line.contains("status")).collect::<Vec<_>>().join("\n")
    };
    let told = check(|_| {}).await;
    assert!(!told.contains("FAIL") && !told.contains("warn"), "{told}");
    assert!(told.contains(&format!("{LUNCH}: not named, 2 people \"Back at one\"")), "{told}");
    assert!(told.contains(&format!("{AVAILABLE}: not named, 1 people")), "{told}");
    let told = check(|settings| settings.presence_states.clear()).await;
    assert!(told.contains("FAIL    xphone statuses") && told.contains("xphone.net_tcp.presence_states.busy"), "{told}");
    assert!(told.contains(LUNCH), "{told}");
    // A server whose contract is too old to tell of changes is read instead.
    story.host.order(&["version", "3"]).await.unwrap();
    let told = check(|_| {}).await;
    assert!(told.contains("warn    xphone capabilities") && told.contains("each minute"), "{told}");
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn what_an_earlier_run_left_is_taken_away_at_start() {
    let program = Program::compile().await.unwrap();
    let host = Host::start(&program).await.unwrap();
    host.order(&["add", ANNA, AVAILABLE]).await.unwrap();
    // Left by a gateway whose database is lost, and covered by a calendar, so that nothing lists it.
    host.order(&["set", ANNA, "MSTeams", BUSY, ON_THE_PHONE]).await.unwrap();
    host.order(&["set", ANNA, "calendar", BUSY, "Meeting"]).await.unwrap();
    let story = Story::with(program, host).await;
    story.compare().await;
    assert_eq!(story.shown().await, format!("{}\tcalendar|{BUSY}|Meeting", alone()));
    assert!(
        story
            .world
            .app
            .store
            .explain(UserGuid(story.anna.xphone), story.world.clock.now(), story.world.config.terms())
            .await
            .unwrap()
            .is_some()
    );
}
