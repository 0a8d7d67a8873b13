//! The reporter against a gateway of a few lines.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;

/// Nobody waits so long.
const NEVER: Duration = Duration::from_hours(1);

/// Answers each request by the next status line and headers, the last one again and again, and tells what was asked.
async fn gateway(answers: &'static [&'static str]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, heard) = mpsc::unbounded_channel();
    let serve = async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                let read = stream.read(&mut piece).await.unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            let answer = answers[number.min(answers.len() - 1)];
            stream.write_all(format!("HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
            _ = asked.send(String::from_utf8(request).unwrap());
        }
    };
    start(serve);
    (address, heard)
}

/// It ends with the runtime of its test.
#[expect(clippy::disallowed_methods, reason = "it lives no longer than the test's runtime")]
fn start<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

fn reporter(gateway: &str) -> Reporter {
    let settings = Settings {
        reports: format!("{gateway}/v1/microphone-reports").parse().unwrap(),
        token_file: "/nowhere".into(),
        token: "secret".to_owned(),
        certificates: Vec::new(),
        workstation: "pc-1".to_owned(),
    };
    let rhythm = Rhythm { in_use: NEVER, idle: NEVER, distance: Duration::ZERO };
    Reporter { rhythm, ..Reporter::new(settings).unwrap() }
}

fn programs(names: &[&str]) -> Programs {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn each_change_is_told_at_once_and_the_end_too() {
    let (address, mut heard) = gateway(&["204 No Content"]).await;
    let (told, known) = watch::channel(None);
    let (end, ended) = oneshot::channel::<()>();
    let reporting = start(reporter(&address).report(known, async { _ = ended.await }));
    programs(&["zoom"]).tell(&told);
    let first = heard.recv().await.unwrap();
    assert!(first.starts_with("POST /v1/microphone-reports HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("authorization: Bearer secret\r\n"), "{first}");
    assert_eq!(body(&first), r#"{"workstation":"pc-1","programs":["zoom"]}"#);
    programs(&["skype", "zoom"]).tell(&told);
    assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":["skype","zoom"]}"#);
    end.send(()).unwrap();
    assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":[]}"#);
    assert_eq!(reporting.await.unwrap(), Ok(()));
    assert!(heard.try_recv().is_err(), "once");
}

#[tokio::test]
async fn an_end_does_not_wait_behind_its_beginning_and_what_begins_again_does() {
    let (address, mut heard) = gateway(&["204 No Content"]).await;
    let (told, known) = watch::channel(Some(programs(&["skype", "zoom"])));
    let (end, ended) = oneshot::channel::<()>();
    let mut reporter = reporter(&address);
    reporter.rhythm.distance = NEVER;
    start(reporter.report(known, async { _ = ended.await }));
    assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":["skype","zoom"]}"#);
    programs(&["skype"]).tell(&told);
    let second = timeout(Duration::from_secs(30), heard.recv()).await.expect("it waits");
    assert_eq!(body(&second.unwrap()), r#"{"workstation":"pc-1","programs":["skype"]}"#);
    programs(&["skype", "zoom"]).tell(&told);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    end.send(()).unwrap();
    assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":[]}"#, "its last word");
}

#[tokio::test]
async fn what_is_in_use_is_told_again_and_again() {
    let (address, mut heard) = gateway(&["204 No Content"]).await;
    let (told, known) = watch::channel(None);
    let mut reporter = reporter(&address);
    reporter.rhythm.in_use = Duration::from_millis(1);
    start(reporter.report(known, std::future::pending()));
    programs(&["zoom"]).tell(&told);
    for _ in 0..3 {
        assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":["zoom"]}"#);
    }
}

#[tokio::test]
async fn whoever_follows_no_sound_any_more_ends() {
    let (address, mut heard) = gateway(&["204 No Content"]).await;
    let (told, known) = watch::channel(Some(programs(&["zoom"])));
    drop(told);
    assert!(reporter(&address).report(known, std::future::pending()).await.is_err());
    heard.recv().await.unwrap();
    assert_eq!(body(&heard.recv().await.unwrap()), r#"{"workstation":"pc-1","programs":[]}"#);
}

#[tokio::test]
async fn the_gateway_says_how_long_to_wait() {
    let within = |next: Next, least: u64, most: u64| {
        let Next::Retry(pause) = next else { panic!("{next:?}") };
        assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&pause), "{pause:?}");
    };
    let answers = &[
        "429 Too Many Requests\r\nretry-after: 30",
        "503 Service Unavailable\r\nretry-after: 86400",
        "401 Unauthorized",
        "204 No Content",
    ];
    let (address, _heard) = gateway(answers).await;
    let mut reporter = reporter(&address);
    within(reporter.tell(&programs(&["zoom"])).await, 30, 38);
    within(reporter.tell(&programs(&["zoom"])).await, 600, 750);
    within(reporter.tell(&programs(&["zoom"])).await, 300, 375);
    assert_eq!(reporter.tell(&programs(&["zoom"])).await, Next::Heartbeat(NEVER));
}

#[tokio::test]
async fn a_problem_is_said_with_what_to_do_about_it() {
    let answers = &["401 Unauthorized", "404 Not Found", "302 Found\r\nlocation: /login", "502 Bad Gateway"];
    let (address, _heard) = gateway(answers).await;
    let mut reporter = reporter(&address);
    let address = "MICROPHONE_AGENT_GATEWAY_URL";
    for (status, advice) in [("401", "token in /nowhere. Enrol"), ("404", address), ("302", address)] {
        reporter.tell(&programs(&["zoom"])).await;
        let said = reporter.said.as_deref().unwrap();
        assert!(said.contains(status) && said.contains(advice) && !said.contains("secret"), "{said}");
    }
    reporter.tell(&programs(&["zoom"])).await;
    assert_eq!(reporter.said.as_deref(), Some("the gateway answers 502 Bad Gateway"));
    assert!(unreached("invalid peer certificate: UnknownIssuer").contains("MICROPHONE_AGENT_CA_FILE"));
    assert!(unreached("Connection refused").contains(address));
}

#[tokio::test]
async fn offline_is_tried_ever_more_seldom() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut reporter = reporter(&format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let Next::Retry(pause) = reporter.tell(&programs(&["zoom"])).await else { panic!("nobody is there") };
        pauses.push(pause);
    }
    assert!(pauses[0] <= Duration::from_secs(1) && pauses[7] >= Duration::from_secs(30), "{pauses:?}");
    assert!(!reporter.said.unwrap().contains("secret"));
}

/// Whether the next report goes at once, `zoom` having been told.
async fn goes_at_once(next: Next, room: Room, changes: &[&[&str]]) -> bool {
    let zoom = programs(&["zoom"]);
    let (told, mut known) = watch::channel(Some(zoom.clone()));
    for change in changes {
        programs(change).tell(&told);
    }
    tokio::select! {
        biased;
        _ = wait(next, &zoom, room, &mut known) => true,
        () = tokio::task::yield_now() => false
    }
}

#[tokio::test]
async fn what_is_told_at_once() {
    let (past, later) = (Instant::now() - Duration::from_secs(1), Instant::now() + NEVER);
    let (free, half, full) =
        (Room { for_end: past, for_any: past }, Room { for_end: past, for_any: later }, Room { for_end: later, for_any: later });
    let (goes_on, failed) = (Next::Heartbeat(NEVER), Next::Retry(NEVER));
    let check = async |next: Next, room: Room, changes: &[&[&str]], expected: bool| {
        assert_eq!(goes_at_once(next, room, changes).await, expected, "{next:?} {room:?} {changes:?}");
    };
    check(goes_on, free, &[&["skype", "zoom"]], true).await;
    check(goes_on, free, &[&[]], true).await;
    // What begins keeps room for its end.
    check(goes_on, half, &[&["skype", "zoom"]], false).await;
    check(goes_on, half, &[&[]], true).await;
    check(goes_on, half, &[&["skype"]], true).await;
    check(goes_on, full, &[&[]], false).await;
    // What came and went is no news, and what failed is not hastened.
    check(goes_on, free, &[&[], &["zoom"]], false).await;
    check(failed, free, &[&[]], false).await;
}

#[test]
fn what_is_in_use_survives_two_missed_reports() {
    assert_eq!(RHYTHM.in_use * 3, Duration::from_secs(90));
}

#[test]
fn the_end_of_a_probe_is_told_before_it_shows() {
    // The gateway shows what was in use for 2 s; a report takes its time there and back.
    let (shows_after, journey) = (Duration::from_secs(2), Duration::from_millis(400));
    let began = Instant::now();
    let idle = Room { for_end: began, for_any: began };
    let told = idle.after_report(began, RHYTHM.distance);
    assert_eq!(told.for_end, began, "even at once");
    // Of two that began together the second may end a moment after the first.
    let one_ended = told.after_report(began, RHYTHM.distance);
    assert!(one_ended.for_end + journey < began + shows_after);
    // Whatever begins later has the same.
    let told = one_ended.after_report(one_ended.for_any, RHYTHM.distance);
    assert_eq!(told.for_end, one_ended.for_any);
}

#[test]
fn the_gateway_takes_as_many_reports_as_there_can_be() {
    let began = Instant::now();
    let (mut now, mut room, mut reports) = (began, Room { for_end: began, for_any: began }, 0);
    while now < began + Duration::from_mins(1) {
        reports += 1;
        room = room.after_report(now, RHYTHM.distance);
        now = now.max(room.for_end);
    }
    assert_eq!(reports, 41, "of 60");
}
