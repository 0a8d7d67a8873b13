//! Presences written, alone and in batches.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::graph::testing::CLIENT;

const ON_THE_PHONE: PresenceWrite = PresenceWrite::SetSession { minutes: 15 };
const EVERY_KIND: [PresenceWrite; 4] =
    [ON_THE_PHONE, PresenceWrite::ClearSession, PresenceWrite::SetDoNotDisturb, PresenceWrite::ClearPreferred];

/// The same write for so many users.
fn writes(count: u128, write: PresenceWrite) -> Vec<(TeamsUserId, PresenceWrite)> {
    users(count).into_iter().map(|user| (user, write)).collect()
}

/// What became of each: `ok`, or the error with `?` if it may have been applied and `!` if it is about one user.
fn told(answers: &[Result<(), Error>]) -> Vec<String> {
    let tell = |error: &Error| {
        let what = match error {
            Error::Unclear { .. } => "unclear".to_owned(),
            Error::BatchRefused { status, .. } => format!("batch refused {status}"),
            other => sort(other),
        };
        let maybe = if error.maybe_applied() { "?" } else { "" };
        let one_user = if error.is_about_one_user() { "!" } else { "" };
        format!("{what}{maybe}{one_user}")
    };
    answers.iter().map(|answer| answer.as_ref().map_or_else(tell, |()| "ok".to_owned())).collect()
}

fn answer(id: usize, status: u16) -> Value {
    json!({"id": id.to_string(), "status": status, "body": {"error": {"code": "Code", "message": "for 'Alice'"}}})
}

fn batch(responses: &[Value]) -> Value {
    json!({ "responses": responses })
}

/// Writes that set something leave so many of 1500 requests in 30 s to what is more important.
const LEFT_BY_SETS: u32 = 30;

impl World {
    async fn write(&self, writes: &[(TeamsUserId, PresenceWrite)]) -> Vec<String> {
        told(&self.client.write_presences(writes).await)
    }

    /// Spends the budget until so much is left.
    fn leave_of_the_budget(&self, left: u32) {
        while self.client.budget_remaining() > left {
            self.client.budget.spend(Class::Renewal).unwrap();
        }
    }
}

#[tokio::test]
async fn each_kind_of_write_has_its_path_and_its_body() {
    let world = World::new().await;
    let session =
        |lasts: &str| json!({"sessionId": CLIENT, "availability": "Busy", "activity": "InACall", "expirationDuration": lasts});
    let preferred = json!({"availability": "DoNotDisturb", "activity": "DoNotDisturb", "expirationDuration": "P1D"});
    let table = [
        (PresenceWrite::SetSession { minutes: 15 }, "setPresence", session("PT15M")),
        (PresenceWrite::SetSession { minutes: 240 }, "setPresence", session("PT240M")),
        (PresenceWrite::SetSession { minutes: 0 }, "setPresence", session("PT5M")),
        (PresenceWrite::SetSession { minutes: 241 }, "setPresence", session("PT240M")),
        (PresenceWrite::ClearSession, "clearPresence", json!({"sessionId": CLIENT})),
        (PresenceWrite::SetDoNotDisturb, "setUserPreferredPresence", preferred),
        (PresenceWrite::ClearPreferred, "clearUserPreferredPresence", json!({})),
    ];
    let user = users(1)[0];
    for (write, action, body) in table {
        world.will_answer(200, None, Value::Null);
        assert_eq!(world.write(&[(user, write)]).await, ["ok"], "{write:?}");
        let call = format!("POST /v1.0/users/{user}/presence/{action}");
        assert_eq!(world.asked(), [(call, "Bearer app 1".to_owned(), body)]);
        assert_eq!(world.seen(), ["presence_writes 200"]);
    }
    assert!(world.write(&[]).await.is_empty() && world.asked().is_empty());
}

#[tokio::test]
async fn an_answer_means_the_same_alone_and_in_a_batch() {
    let [set, clear, disturb_not, clear_preferred] = EVERY_KIND;
    let table = [
        (set, 200, "ok"),
        (set, 204, "ok"),
        (set, 404, "refused 404!"),
        (clear, 404, "ok"),
        (disturb_not, 404, "refused 404!"),
        (clear_preferred, 404, "ok"),
        (clear, 400, "refused 400!"),
        (clear_preferred, 403, "refused 403!"),
        (set, 302, "refused 302"),
        (set, 408, "retry?"),
        (set, 424, "retry?"),
        (clear, 500, "retry?"),
        (disturb_not, 503, "retry?"),
        (set, 429, "wait 30?"),
    ];
    for (write, status, expected) in table {
        let world = World::new().await;
        world.will_answer(status, None, json!({"error": {"code": "NotFound", "message": "no 'Alice'"}}));
        assert_eq!(world.write(&writes(1, write)).await, [expected], "{write:?} {status} alone");
        assert_eq!(world.seen(), [format!("presence_writes {status}")]);

        let world = World::new().await;
        world.will_answer(200, None, batch(&[answer(1, status), answer(2, 200)]));
        assert_eq!(world.write(&writes(2, write)).await, [expected, "ok"], "{write:?} {status} in a batch");
        assert_eq!(world.seen(), ["batch 200".to_owned(), format!("presence_writes {status}"), "presence_writes 200".to_owned()]);
    }
}

#[tokio::test]
async fn twenty_writes_go_in_one_batch_whose_answers_come_in_any_order() {
    let world = World::new().await;
    let all: Vec<_> = users(20).into_iter().zip(EVERY_KIND.into_iter().cycle()).collect();
    let statuses: Vec<u16> = (1..=20).map(|id| if id == 20 { 500 } else { [200, 404, 400, 204][(id - 1) % 4] }).collect();
    let mut answers: Vec<Value> = statuses.iter().enumerate().map(|(index, status)| answer(index + 1, *status)).collect();
    answers.rotate_left(7);
    answers.swap(0, 11);
    answers.insert(3, answer(21, 500));
    answers.insert(9, json!({"id": 4, "status": "odd"}));
    let full = world.client.budget_remaining();
    world.will_answer(200, None, batch(&answers));

    let mut expected = ["ok", "ok", "refused 400!", "ok"].repeat(5);
    expected[19] = "retry?";
    assert_eq!(world.write(&all).await, expected);
    assert_eq!(full - world.client.budget_remaining(), 21);
    let (call, bearer, body) = world.asked().remove(0);
    assert_eq!((call.as_str(), bearer.as_str()), ("POST /v1.0/$batch", "Bearer app 1"));
    let requests = body["requests"].as_array().unwrap();
    let second = json!({
        "id": "2",
        "method": "POST",
        "url": format!("/users/{}/presence/clearPresence", all[1].0),
        "headers": {"Content-Type": "application/json"},
        "body": {"sessionId": CLIENT},
    });
    assert_eq!((requests.len(), &requests[1]), (20, &second));
    let seen = world.seen();
    let count = |line: &str| seen.iter().filter(|seen| *seen == line).count();
    let counted = ["batch 200", "presence_writes 200", "presence_writes 404", "presence_writes 500"].map(count);
    assert_eq!((counted, seen.len()), ([1, 5, 5, 1], 21));

    let too_many = world.client.write_presences(&writes(21, ON_THE_PHONE)).await;
    assert_eq!(too_many.len(), 21);
    assert!(too_many.iter().all(|answer| matches!(answer, Err(Error::TooMany { asked: 21, max: 20 }))));
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn an_item_without_an_answer_may_have_been_applied() {
    let world = World::new().await;
    world.will_answer(200, None, batch(&[answer(3, 200), json!({"id": "2"}), json!({"id": "4", "status": 7}), answer(3, 500)]));
    assert_eq!(world.write(&writes(4, ON_THE_PHONE)).await, ["unclear?", "unclear?", "ok", "unclear?"]);
    let unanswered = "presence_writes unreachable";
    assert_eq!(world.seen(), ["batch 200", unanswered, unanswered, "presence_writes 200", unanswered]);

    for nonsense in [json!({"responses": null}), json!([]), json!("Alice")] {
        world.will_answer(200, None, nonsense);
        let answers = world.client.write_presences(&writes(2, ON_THE_PHONE)).await;
        assert_eq!(told(&answers), ["unclear?", "unclear?"]);
        assert!(!format!("{answers:?}").contains("Alice"));
    }
}

#[tokio::test]
async fn a_throttled_item_closes_the_gate_of_writes_and_no_other() {
    let table = [
        (429, json!({"Retry-After": "17"}), "wait 17?", Some(17)),
        (429, json!({"retry-after": 5}), "wait 5?", Some(5)),
        (429, Value::Null, "wait 30?", Some(30)),
        (429, json!(["Retry-After"]), "wait 30?", Some(30)),
        (503, json!({"RETRY-AFTER": "Sun, 22 Nov 2026 12:00:40 GMT"}), "wait 40?", Some(40)),
        (504, json!({"Retry-After": "3"}), "wait 3?", Some(3)),
        (503, json!({"Content-Type": "application/json"}), "retry?", None),
        (500, json!({"Retry-After": "3"}), "retry?", None),
    ];
    for (status, headers, expected, closed_for) in table {
        let world = World::new().await;
        let throttled = json!({"id": "2", "status": status, "headers": headers});
        world.will_answer(200, None, batch(&[throttled, answer(1, 200)]));
        assert_eq!(world.write(&writes(2, ON_THE_PHONE)).await, ["ok", expected], "{status} {headers}");
        world.client.presences(&users(1), Class::Renewal).await.unwrap();
        world.asked();
        let Some(seconds) = closed_for else {
            world.will_answer(200, None, Value::Null);
            assert_eq!(world.write(&writes(1, ON_THE_PHONE)).await, ["ok"], "{status} {headers}");
            continue;
        };
        world.seen();
        let held_back = [format!("wait {seconds}"), format!("wait {seconds}")];
        assert_eq!(world.write(&writes(2, ON_THE_PHONE)).await, held_back);
        assert_eq!(world.seen(), ["presence_writes gate_closed", "presence_writes gate_closed"]);
        assert!(world.asked().is_empty());
        world.clock.advance(SignedDuration::from_secs(seconds));
        world.will_answer(200, None, Value::Null);
        assert_eq!(world.write(&writes(1, ON_THE_PHONE)).await, ["ok"]);
    }
}

#[tokio::test]
async fn what_happens_to_the_batch_happens_to_all_in_it() {
    let table = [
        (429, Some("8"), "wait 8?", "wait 8"),
        (503, Some("9"), "wait 9?", "wait 9"),
        (503, None, "retry?", "ok"),
        (400, None, "batch refused 400", "ok"),
        (404, None, "batch refused 404", "ok"),
        (302, None, "batch refused 302", "ok"),
    ];
    for (status, retry_after, expected, then) in table {
        let world = World::new().await;
        world.will_answer(status, retry_after, json!({"error": {"code": "Code"}}));
        assert_eq!(world.write(&writes(3, PresenceWrite::ClearSession)).await, [expected; 3], "{status}");
        assert_eq!(world.seen(), [format!("batch {status}")]);
        world.client.presences(&users(1), Class::Renewal).await.unwrap();
        world.will_answer(200, None, Value::Null);
        assert_eq!(world.write(&writes(1, ON_THE_PHONE)).await, [then], "after {status}");
    }
}

#[tokio::test]
async fn what_there_is_budget_for_goes_and_the_rest_waits() {
    // The batch itself costs one; where only one write can go it goes alone.
    for (left, sent) in [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 5)] {
        let world = World::new().await;
        world.leave_of_the_budget(LEFT_BY_SETS + left);
        let all: Vec<Value> = (1..=sent).map(|id| answer(id, 200)).collect();
        world.will_answer(200, None, batch(&all));
        let answers = world.client.write_presences(&writes(5, ON_THE_PHONE)).await;
        assert_eq!(answers.iter().take_while(|answer| answer.is_ok()).count(), sent, "{left}");
        for error in answers.into_iter().skip(sent).map(Result::unwrap_err) {
            assert!(matches!(error, Error::Wait { waiting: Waiting::Budget, .. }) && !error.maybe_applied(), "{error}");
        }
        let seen = world.seen();
        assert_eq!(seen.iter().filter(|line| *line == "presence_writes over_budget").count(), 5 - sent, "{left}");
        assert_eq!(seen.iter().filter(|line| *line == "batch 200").count(), usize::from(sent > 1), "{left}");
        assert_eq!(world.asked().len(), usize::from(sent > 0), "{left}");
    }
}

#[tokio::test]
async fn what_clears_goes_before_what_sets() {
    let world = World::new().await;
    world.leave_of_the_budget(LEFT_BY_SETS + 1);
    let mixed: Vec<_> = users(4).into_iter().zip([ON_THE_PHONE, PresenceWrite::ClearSession].into_iter().cycle()).collect();
    world.will_answer(200, None, batch(&[answer(1, 200), answer(2, 200)]));
    let answers = world.write(&mixed).await;
    assert!(answers[0].starts_with("wait") && answers[2].starts_with("wait"), "{answers:?}");
    assert_eq!([&answers[1], &answers[3]], ["ok", "ok"]);
    let asked = world.asked();
    let urls: Vec<_> = asked[0].2["requests"].as_array().unwrap().iter().map(|item| item["url"].as_str().unwrap()).collect();
    assert!(urls.len() == 2 && urls.iter().all(|url| url.ends_with("/clearPresence")), "{urls:?}");
}

#[tokio::test]
async fn a_token_refused_is_replaced_once_for_those_it_was_refused_to() {
    let bearers = |world: &World| world.asked().into_iter().map(|(_, bearer, _)| bearer).collect::<Vec<_>>();
    let both = ["Bearer app 1", "Bearer app 2"];

    let world = World::new().await;
    world.will_answer(401, None, json!({}));
    world.will_answer(200, None, Value::Null);
    assert_eq!(world.write(&writes(1, ON_THE_PHONE)).await, ["ok"]);
    assert_eq!(bearers(&world), both);

    let world = World::new().await;
    world.will_answer(401, None, json!({}));
    world.will_answer(200, None, batch(&[answer(2, 200), answer(1, 200)]));
    assert_eq!(world.write(&writes(2, ON_THE_PHONE)).await, ["ok", "ok"]);
    assert_eq!(bearers(&world), both);
    assert_eq!(world.seen(), ["batch 401", "batch 200", "presence_writes 200", "presence_writes 200"]);

    let world = World::new().await;
    world.will_answer(200, None, batch(&[answer(1, 401), answer(2, 200), answer(3, 401)]));
    world.will_answer(200, None, batch(&[answer(2, 200), answer(1, 401)]));
    let all = writes(3, ON_THE_PHONE);
    assert_eq!(world.write(&all).await, ["refused 401!", "ok", "ok"], "a token good for others is good");
    let repeated = world.asked().remove(1).2["requests"].clone();
    let urls = repeated.as_array().unwrap().iter().map(|item| item["url"].as_str().unwrap().to_owned());
    let expected = [all[0].0, all[2].0].map(|user| format!("/users/{user}/presence/setPresence"));
    assert_eq!(urls.collect::<Vec<_>>(), expected);

    let world = World::new().await;
    for _ in 0..2 {
        world.will_answer(200, None, batch(&[answer(1, 401), answer(2, 401)]));
    }
    assert_eq!(world.write(&writes(2, ON_THE_PHONE)).await, ["token refused", "token refused"]);
    assert_eq!(bearers(&world), both);
}

#[tokio::test]
async fn a_dead_graph_applied_nothing_and_one_that_hangs_up_may_have() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody: Url = format!("http://{}", closed.local_addr().unwrap()).parse().unwrap();
    drop(closed);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut running = JoinSet::new();
    running.spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            _ = connection.read(&mut [0; 1024]).await;
        }
    });
    for (graph, expected) in [(nobody, "retry"), (hangs_up, "retry?")] {
        let world = World::with_graph_at(Some(graph)).await;
        assert_eq!(world.write(&writes(1, ON_THE_PHONE)).await, [expected]);
        assert_eq!(world.write(&writes(3, ON_THE_PHONE)).await, [expected; 3]);
        assert_eq!(world.seen(), ["presence_writes unreachable", "batch unreachable"]);
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let World { client, server, seen, .. } = World::new().await;
    drop(server);
    let answers = client.write_presences(&writes(2, ON_THE_PHONE)).await;
    for error in answers.into_iter().map(Result::unwrap_err) {
        assert!(matches!(error, Error::Token(_)) && !error.maybe_applied() && !error.is_about_one_user(), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty());
}
