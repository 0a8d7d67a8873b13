//! The Integration API against a real WCF host that Mono runs: calls, events, refusals, a cut connection, a server that restarts, and the
//! whole gateway on it. Left out unless asked for: `deploy/test-wcf`.

mod gateway;

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use presence_gateway::clock::Clock;
use presence_gateway::config::{Xphone, XphoneNetTcp, XphoneTransport};
use presence_gateway::domain::ids::{PresenceStateGuid, UserGuid};
use presence_gateway::domain::mapping::StatusKind;
use presence_gateway::emulator::wcf::{Host, Program};
use presence_gateway::xphone::values::{Appointment, Entry, Shows};
use presence_gateway::xphone::{APPOINTMENT_KEY, Error, Heard, XPhone};
use uuid::Uuid;

const AVAILABLE: &str = "10000000-0000-0000-0000-000000000001";
const BUSY: &str = "10000000-0000-0000-0000-000000000003";
const DO_NOT_DISTURB: &str = "10000000-0000-0000-0000-000000000004";
const ANNA: &str = "anna@example.org";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";

fn status(guid: &str) -> PresenceStateGuid {
    PresenceStateGuid(guid.parse().unwrap())
}

fn now() -> Timestamp {
    "2026-11-02T09:00:00Z".parse().unwrap()
}

/// A server with two people of their own, and two who share an address.
struct Server {
    program: Program,
    host: Host,
    xphone: XPhone,
}

impl Server {
    async fn start() -> Self {
        let program = Program::compile().await.unwrap();
        let host = Host::start(&program).await.unwrap();
        people(&host).await;
        let xphone = client(&host.address());
        Self { program, host, xphone }
    }

    async fn show(&self, email: &str) -> String {
        self.host.order(&["show", email]).await.unwrap()
    }

    async fn guid(&self, email: &str) -> UserGuid {
        let users = self.xphone.users().await.unwrap();
        users.iter().find(|user| user.email.as_deref() == Some(email)).unwrap().guid
    }

    async fn listen(&self) -> BoxStream<'static, Result<Heard, Error>> {
        let snapshot = self.xphone.presence().await.unwrap();
        self.xphone.events(snapshot.sequence).await.unwrap()
    }

    async fn put(&self, user: UserGuid, subject: &str) -> Result<(), Error> {
        self.xphone.put_appointment(user, APPOINTMENT_KEY, &appointment(subject, now() + SignedDuration::from_hours(1))).await
    }

    async fn listed(&self) -> Vec<UserGuid> {
        self.xphone.appointments("MSTeams").await.unwrap().into_iter().map(|listed| listed.user).collect()
    }
}

async fn people(host: &Host) {
    for email in [ANNA, "ben@example.org", "eve@example.org", "Eve@example.org"] {
        host.order(&["add", email, AVAILABLE]).await.unwrap();
    }
}

fn client(address: &str) -> XPhone {
    let server = XphoneNetTcp {
        server: address.parse().unwrap(),
        trust: None,
        allow_unencrypted: true,
        language: "de".to_owned(),
        presence_states: vec![(StatusKind::Busy, status(BUSY)), (StatusKind::DoNotDisturb, status(DO_NOT_DISTURB))],
    };
    let settings = Xphone { transport: XphoneTransport::NetTcp(server), origin: "MSTeams".to_owned() };
    XPhone::new(&settings, Clock::standing_at(now())).unwrap()
}

fn appointment(subject: &str, end: Timestamp) -> Appointment {
    Appointment {
        origin: "MSTeams".to_owned(),
        subject: subject.to_owned(),
        shows: Shows::PresenceState(status(BUSY)),
        start: now(),
        end,
        visible_from: None,
    }
}

/// What is told next about somebody.
async fn told(events: &mut BoxStream<'static, Result<Heard, Error>>) -> Entry {
    loop {
        match events.next().await.unwrap().unwrap() {
            Heard::Event(event) => return event.entry,
            Heard::KeepAlive => {}
        }
    }
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn presence_is_set_and_removed_by_origin() {
    let server = Server::start().await;
    let can = server.xphone.capabilities().await.unwrap();
    assert_eq!(can.server_version, "Integration API, contract version 6, IntegrationEndpointV2");
    assert!(
        can.appointments
            && can.events
            && !can.appointments_end
            && !can.audience
            && !can.tree
            && !can.profiles
            && !can.profile_templates
    );
    let anna = server.guid(ANNA).await;
    assert_eq!(server.listed().await, []);
    server.put(anna, ON_THE_PHONE).await.unwrap();
    server.put(anna, ON_THE_PHONE).await.unwrap();
    assert_eq!(server.show(ANNA).await, format!("Free\t-|{AVAILABLE}|\tMSTeams|{BUSY}|{ON_THE_PHONE}"));
    assert_eq!(server.host.order(&["language"]).await.unwrap(), "de");
    assert_eq!(server.listed().await, [anna]);
    // A calendar covers ours, people replace it.
    server.host.order(&["set", ANNA, "calendar", BUSY, "Meeting"]).await.unwrap();
    assert_eq!(server.listed().await, [anna]);
    server.host.order(&["pick", ANNA, AVAILABLE, "Here"]).await.unwrap();
    assert_eq!(server.listed().await, []);
    server.host.order(&["remove", ANNA, "calendar"]).await.unwrap();
    server.xphone.delete_appointment(anna, APPOINTMENT_KEY).await.unwrap();
    server.xphone.delete_appointment(anna, APPOINTMENT_KEY).await.unwrap();
    assert_eq!(server.show(ANNA).await, format!("Free\t-|{AVAILABLE}|Here"));
    // What is over already would stay for ever.
    server.put(anna, ON_THE_PHONE).await.unwrap();
    server.xphone.put_appointment(anna, APPOINTMENT_KEY, &appointment(ON_THE_PHONE, now())).await.unwrap();
    assert_eq!(server.show(ANNA).await, format!("Free\t-|{AVAILABLE}|Here"));
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn an_address_that_is_not_distinct_is_that_users_error() {
    let server = Server::start().await;
    let users = server.xphone.users().await.unwrap();
    let eves: Vec<_> = users.iter().filter(|user| user.email.as_ref().unwrap().eq_ignore_ascii_case("eve@example.org")).collect();
    assert_eq!(eves.len(), 2);
    assert_ne!(eves[0].guid, eves[1].guid);
    for user in [eves[0].guid, eves[1].guid, UserGuid(Uuid::new_v4())] {
        let refused = server.put(user, ON_THE_PHONE).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { status: 404, .. }), "{refused:?}");
        server.xphone.delete_appointment(user, APPOINTMENT_KEY).await.unwrap();
    }
    // A defect of the server is nobody's error, and stops nobody else.
    let anna = server.guid(ANNA).await;
    let failed = server.put(anna, "fail").await.unwrap_err();
    assert!(matches!(failed, Error::Unreachable { maybe_applied: true, .. }), "{failed:?}");
    server.put(anna, ON_THE_PHONE).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn changes_are_told_as_whole_entries() {
    let server = Server::start().await;
    let mut events = server.listen().await;
    let anna = server.guid(ANNA).await;
    server.host.order(&["telephone", ANNA, "Busy BusyExternal"]).await.unwrap();
    let entry = told(&mut events).await;
    assert_eq!((entry.user, entry.telephone_state, entry.presence_state), (anna, 12, status(AVAILABLE)));
    server.host.order(&["pick", ANNA, DO_NOT_DISTURB, "Quiet"]).await.unwrap();
    told(&mut events).await;
    let entry = told(&mut events).await;
    assert_eq!((entry.presence_state, entry.presence_text.as_deref()), (status(DO_NOT_DISTURB), Some("Quiet")));
    assert_eq!((entry.telephone_state, entry.origin), (12, None));
    // Ours comes with our origin; when it is gone, what shows is the user's own, though the event names us.
    server.put(anna, ON_THE_PHONE).await.unwrap();
    let entry = told(&mut events).await;
    assert_eq!((entry.origin.as_deref(), entry.presence_text.as_deref()), (Some("MSTeams"), Some(ON_THE_PHONE)));
    told(&mut events).await;
    server.xphone.delete_appointment(anna, APPOINTMENT_KEY).await.unwrap();
    let entry = told(&mut events).await;
    assert_eq!((entry.origin, entry.presence_state), (None, status(DO_NOT_DISTURB)));
    // Everybody can be read beside it, and stands where the events do.
    let snapshot = server.xphone.presence().await.unwrap();
    assert_eq!(snapshot.entries.len(), 4);
    let seen = server.xphone.statuses_seen().await.unwrap();
    assert_eq!((seen[0].guid, seen[0].kind, seen[0].people), (status(AVAILABLE), None, 3));
    assert_eq!((seen[1].guid, seen[1].kind), (status(DO_NOT_DISTURB), Some(StatusKind::DoNotDisturb)));
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn what_happens_while_everybody_is_read_is_told_after_it() {
    let server = Server::start().await;
    let snapshot = server.xphone.presence().await.unwrap();
    server.host.order(&["telephone", ANNA, "Busy"]).await.unwrap();
    let mut events = server.xphone.events(snapshot.sequence).await.unwrap();
    assert_eq!(told(&mut events).await.telephone_state, 4);
    assert!(matches!(server.xphone.events(snapshot.sequence).await, Err(Error::Gone)), "events are told once");
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn an_older_contract_tells_of_presence_only() {
    let server = Server::start().await;
    server.host.order(&["version", "5"]).await.unwrap();
    let mut events = server.listen().await;
    server.host.order(&["telephone", ANNA, "Busy"]).await.unwrap();
    assert_eq!(told(&mut events).await.telephone_state, 4);
    server.host.order(&["pick", ANNA, DO_NOT_DISTURB, "Quiet"]).await.unwrap();
    assert_eq!(told(&mut events).await.presence_state, status(DO_NOT_DISTURB));
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn a_cut_connection_ends_the_events_and_is_made_anew() {
    let server = Server::start().await;
    let mut events = server.listen().await;
    let anna = server.guid(ANNA).await;
    server.host.order(&["cut"]).await.unwrap();
    loop {
        match events.next().await {
            Some(Err(error)) => break assert!(matches!(error, Error::Unreachable { .. }), "{error:?}"),
            Some(Ok(_)) => {}
            None => panic!("the end says why"),
        }
    }
    assert!(events.next().await.is_none());
    let mut events = server.listen().await;
    server.put(anna, ON_THE_PHONE).await.unwrap();
    assert_eq!(told(&mut events).await.origin.as_deref(), Some("MSTeams"));
}

#[tokio::test]
#[ignore = "needs Mono: deploy/test-wcf"]
async fn a_server_that_restarts_is_found_again() {
    let Server { program, host, xphone } = Server::start().await;
    let snapshot = xphone.presence().await.unwrap();
    let mut events = xphone.events(snapshot.sequence).await.unwrap();
    let port = host.port;
    host.kill().await.unwrap();
    assert!(matches!(events.next().await, Some(Err(Error::Unreachable { .. }))));
    let away = xphone.users().await.unwrap_err();
    assert!(matches!(away, Error::Unreachable { maybe_applied: false, .. }), "{away:?}");
    let host = Host::start_on(&program, port).await.unwrap();
    people(&host).await;
    let server = Server { program, host, xphone };
    let mut events = server.listen().await;
    server.host.order(&["telephone", ANNA, "Busy"]).await.unwrap();
    assert_eq!(told(&mut events).await.telephone_state, 4);
}
