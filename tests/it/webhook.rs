//! The public listener: the handshake, what is taken and what is turned away, and that nothing is lost on the way.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::world::World;

const NOTIFICATIONS: &str = "graph/notifications";
const LIFECYCLE: &str = "graph/lifecycle";
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn the_handshake_gives_the_token_back_decoded_as_plain_text() {
    let world = World::new().await;
    for path in [NOTIFICATIONS, LIFECYCLE] {
        for (query, token) in [
            ("validationToken=abc", "abc"),
            ("validationToken=Validation%3A%20Testing%20%2B%3D", "Validation: Testing +="),
            ("validationToken=a+b%2Bc", "a b+c"),
            ("validationToken=%253Cb%253E", "%3Cb%3E"),
            ("validationToken=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "<script>alert(1)</script>"),
            ("validationToken=%C3%BCber%26x%3Dy", "über&x=y"),
            ("tenant=one&validationToken=abc", "abc"),
        ] {
            let request = world.http.post(format!("{}/{path}?{query}", world.public));
            let answer = request.header("content-type", "text/plain; charset=utf-8").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}?{query}");
            assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            assert_eq!(answer.text().await.unwrap(), token);
        }
    }
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
}

#[tokio::test]
async fn only_the_documented_shape_is_taken() {
    let world = World::new().await;
    for path in [NOTIFICATIONS, LIFECYCLE] {
        for (body, expected) in [
            ("", 400),
            ("hello", 400),
            ("<html></html>", 400),
            ("{}", 400),
            ("[]", 400),
            (r#"{"value":null}"#, 400),
            (r#"{"value":[{}]}"#, 400),
            (r#"{"value":[{"subscriptionId":7}]}"#, 400),
            (r#"{"value":[]"#, 400),
            (r#"{"value":[]}"#, 202),
            (r#"{"value":[{"subscriptionId":"x"}],"validationTokens":null,"new":1}"#, 202),
        ] {
            assert_eq!(world.post(path, body).await.as_u16(), expected, "{path} {body}");
        }
    }
    assert_eq!(world.count(r#"notifications_total{result="not_json"}"#).await, 18);
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 4);
    world.settle().await;
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
}

#[tokio::test]
async fn four_mebibytes_are_taken_and_not_a_byte_more() {
    let world = World::new().await;
    let body = |bytes: usize| [r#"{"value":[]}"#, &" ".repeat(bytes - 12)].concat();
    for path in [NOTIFICATIONS, LIFECYCLE] {
        assert_eq!(world.post(path, body(BODY_BYTES_MAX)).await, StatusCode::ACCEPTED);
        assert_eq!(world.post(path, body(BODY_BYTES_MAX + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(world.count(r#"notifications_total{result="too_large"}"#).await, 2);
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 2);
}

#[tokio::test]
async fn nothing_else_answers_on_the_public_listener() {
    let world = World::new().await;
    let not_found = |path: &'static str| [(Method::GET, path, 404), (Method::POST, path, 404)];
    let not_allowed = |method: Method| [(method.clone(), NOTIFICATIONS, 404), (method, LIFECYCLE, 404)];
    let teams_sync = "v1/locations/00000000-0000-0000-0000-000000000000/teams-sync";
    let table = [
        not_found(""),
        not_found("metrics"),
        not_found("healthz"),
        not_found("readyz"),
        not_found("v1"),
        not_found(teams_sync),
        not_found("graph"),
        not_found("graph/notifications/"),
        not_found("graph/notifications/x"),
        not_found("graph/%6eotifications%00"),
        not_allowed(Method::GET),
        not_allowed(Method::HEAD),
        not_allowed(Method::PUT),
        not_allowed(Method::PATCH),
        not_allowed(Method::DELETE),
        not_allowed(Method::OPTIONS),
    ];
    for (method, path, expected) in table.into_iter().flatten() {
        let answer =
            world.http.request(method.clone(), format!("{}/{path}", world.public)).bearer_auth(crate::world::ADMIN_TOKEN);
        let status = answer.body(r#"{"value":[]}"#).send().await.unwrap().status();
        assert_eq!(status.as_u16(), expected, "{method} /{path}");
    }
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
}

#[tokio::test]
async fn without_a_database_nothing_is_taken_and_nothing_is_lost() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    world.app.store.close().await;
    for path in [NOTIFICATIONS, LIFECYCLE] {
        assert_eq!(world.post(path, r#"{"value":[]}"#).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(world.count(r#"notifications_total{result="not_durable"}"#).await, 2);
    world.teams(anna, "Busy/InACall").await;
    while world.graph_look("requests").await["notifications"]["refused"] == 0 {
        tokio::task::yield_now().await;
    }
    world.restart().await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "On the phone (MS Teams)", "Graph told it again");
    assert_eq!(world.graph_look("requests").await["notifications"]["given_up"], 0);
}

#[tokio::test]
async fn decryption_stands_back_from_the_first_byte_until_the_post_is_durable() {
    let world = World::new().await;
    let room = world.app.tasks.intake.opener.room().clone();
    let mut holding = world.database().await.begin().await.unwrap();
    sqlx::query("lock table inbox in share mode").execute(&mut *holding).await.unwrap();
    assert!(!room.is_awaited());
    let letting_go = async {
        while !room.is_awaited() {
            tokio::task::yield_now().await;
        }
        holding.rollback().await.unwrap();
    };
    let (status, ()) = tokio::join!(world.post(NOTIFICATIONS, r#"{"value":[]}"#), letting_go);
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(!room.is_awaited(), "the answer has gone out");
}

#[tokio::test]
async fn a_database_that_is_gone_turns_posts_away() {
    let world = World::new().await;
    world.lose_database().await;
    assert_eq!(world.post(NOTIFICATIONS, r#"{"value":[]}"#).await, StatusCode::SERVICE_UNAVAILABLE);
    let handshake = world.http.post(format!("{}/{NOTIFICATIONS}?validationToken=x", world.public)).send().await.unwrap();
    assert_eq!(handshake.status(), StatusCode::OK, "the handshake needs none");
}

#[tokio::test]
async fn of_ten_notifications_about_one_user_the_newest_wins() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"notifications": {"hold": true}})).await;
    for _ in 0..5 {
        world.teams(anna, "DoNotDisturb/Presenting").await;
        world.teams(anna, "Busy/InACall").await;
    }
    world.graph_control(Method::POST, "notifications/release", json!({})).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "On the phone (MS Teams)");
    assert_eq!(world.writes().await, 1);
    assert_eq!(world.count(r#"notifications_total{result="superseded"}"#).await, 9);
    assert_eq!(world.count(r#"notifications_total{result="recorded"}"#).await, 1);
}

#[tokio::test]
async fn many_users_travel_in_few_posts_and_all_count() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let (world, people) = World::with_people(names).await;
    world.teams_of_many(&people, "Busy/InACall").await;
    world.delivered().await;
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 1, "one post");
    world.settle().await;
    for person in people {
        assert_eq!(world.text(person).await, "On the phone (MS Teams)");
    }
    assert_eq!(world.writes().await, 12);
    assert_eq!(world.count(r#"notifications_total{result="recorded"}"#).await, 12);
}
