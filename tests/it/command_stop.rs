//! SIGTERM while somebody is still sending: what has begun to come in is taken, nothing new is.

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::command::{PATIENCE, Serving, changed, free_address, gateway, read_until};
use crate::world::scratch_database;

/// Where nothing answers, so that a gateway runs that reaches neither system.
const NOWHERE: &str = "http://127.0.0.1:9";
const POST: &str = r#"{"value":[{"subscriptionId":"00000000-0000-0000-0000-000000000009","resource":"x"}]}"#;

#[tokio::test]
async fn a_post_that_is_coming_in_when_the_gateway_stops_is_kept_and_answered() {
    let database = scratch_database(true).await;
    let (url, public, admin) = (database.url(), free_address(), free_address());
    let settings = changed(&[
        ("GATEWAY__DATABASE__URL", Some(url.expose_secret())),
        ("GATEWAY__HTTP__PUBLIC_LISTEN", Some(&public)),
        ("GATEWAY__HTTP__ADMIN_LISTEN", Some(&admin)),
        ("GATEWAY__GRAPH__BASE_URL", Some(NOWHERE)),
        ("GATEWAY__GRAPH__LOGIN_URL", Some(NOWHERE)),
        ("GATEWAY__XPHONE__BASE_URL", Some(NOWHERE)),
    ]);
    let mut serving = Serving::start(gateway(&["serve"], &settings));
    read_until(&mut serving.log, "the gateway runs").await;

    let mut sender = TcpStream::connect(&public).await.unwrap();
    let length = POST.len();
    let head = format!(
        "POST /graph/notifications HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    let (begun, rest) = POST.split_at(length / 2);
    sender.write_all(begun.as_bytes()).await.unwrap();
    // Somebody else's whole request is answered: the gateway has seen what this sender began.
    let handshake = format!("http://{public}/graph/notifications?validationToken=x");
    assert_eq!(reqwest::Client::new().post(handshake).send().await.unwrap().text().await.unwrap(), "x");

    serving.terminate().await;
    let closed = async { while TcpStream::connect(&public).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("it goes on listening");
    sender.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, sender.read_to_string(&mut answer)).await.expect("no answer comes").unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let (code, log) = serving.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("stopping hard"), "{log}");
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    let kept: i64 = sqlx::query_scalar("select (select count(*) from inbox) + (select count(*) from refusal)")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(kept, 1, "whoever was told 202 must not be forgotten");
}
