//! Making, renewing and losing subscriptions.

use super::*;

impl Tenant {
    pub(super) async fn subscribe(&self, token: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, "v1.0/subscriptions", Some(token), body).await
    }

    pub(super) async fn renew(&self, token: &str, id: &str, body: Value) -> (u16, Value) {
        self.send(Method::PATCH, &format!("v1.0/subscriptions/{id}"), Some(token), body).await
    }
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[tokio::test]
async fn only_a_signed_in_user_subscribes_and_only_once() {
    let (tenant, receiver) = (Tenant::start().await, Receiver::start().await);
    let otto = tenant.user_token("otto@example.org").await;
    let wanted = tenant.subscription(&receiver);
    let (status, body) = tenant.subscribe(&tenant.app_token().await, wanted.clone()).await;
    assert_eq!(status, 403);
    assert_eq!(body["error"]["message"], "The request is not authorized for this user or application.");
    let (status, made) = tenant.subscribe(&otto, with(wanted.clone(), "expirationDateTime", json!(tenant.in_minutes(10)))).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["expirationDateTime"], json!(tenant.in_minutes(45)));
    let (status, body) = tenant.subscribe(&otto, wanted.clone()).await;
    assert_eq!(status, 409);
    assert_eq!(body["error"]["message"], "A subscripton already exists. It must be deleted before a another can be made.");
    assert_eq!(tenant.subscribe(&tenant.user_token("anna@example.org").await, wanted.clone()).await.0, 201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(tenant.renew(&otto, id, json!({ "expirationDateTime": tenant.in_minutes(59) })).await.0, 200);
    assert_eq!(tenant.renew(&otto, id, json!({ "resource": wanted["resource"] })).await.0, 400);
    assert_eq!(tenant.renew(&otto, &Uuid::new_v4().to_string(), json!({})).await.0, 404);
    let (_, listed) = tenant.send(Method::GET, "v1.0/subscriptions", Some(&otto), Value::Null).await;
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    let path = format!("v1.0/subscriptions/{id}");
    assert_eq!(tenant.send(Method::DELETE, &path, Some(&otto), Value::Null).await.0, 204);
    assert_eq!(tenant.send(Method::DELETE, &path, Some(&otto), Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_graph_would_refuse_is_refused() {
    let (tenant, receiver) = (Tenant::start().await, Receiver::start().await);
    let otto = tenant.user_token("otto@example.org").await;
    let wanted = tenant.subscription(&receiver);
    let refused = [
        ("expirationDateTime", json!(tenant.in_minutes(61))),
        ("expirationDateTime", json!("soon")),
        ("resource", json!(format!("/communications/presences?$filter=id in ({OTTO})"))),
        ("changeType", json!("created,updated")),
        ("clientState", json!("x".repeat(129))),
        ("encryptionCertificateId", Value::Null),
        ("encryptionCertificate", json!("AAAA")),
        ("notificationUrl", json!("http://gateway.example.org/graph")),
        ("notificationUrl", json!(receiver.url.replace("/graph", "/missing"))),
        ("lifecycleNotificationUrl", json!("http://127.0.0.1:1/nobody")),
    ];
    for (field, value) in refused {
        let (status, body) = tenant.subscribe(&otto, with(wanted.clone(), field, value.clone())).await;
        assert_eq!(status, 400, "{field} = {value}: {body}");
    }
    assert_eq!(tenant.subscribe(&otto, wanted).await.0, 201);
}

#[tokio::test]
async fn subscriptions_expire_get_lost_and_haunt() {
    let (tenant, receiver) = (Tenant::start().await, Receiver::start().await);
    let otto = tenant.user_token("otto@example.org").await;
    let (_, made) = tenant.subscribe(&otto, tenant.subscription(&receiver)).await;
    let id = made["id"].as_str().unwrap();
    tenant.control(Method::PUT, "faults", json!({ "ghost_subscription": true })).await;
    assert_eq!(tenant.renew(&otto, id, json!({})).await.0, 404);
    assert_eq!(tenant.subscribe(&otto, tenant.subscription(&receiver)).await.0, 409);
    tenant.control(Method::PUT, "faults", json!({})).await;
    assert_eq!(tenant.control(Method::DELETE, &format!("subscriptions/{id}"), Value::Null).await.0, 204);
    assert_eq!(tenant.renew(&otto, id, json!({})).await.0, 404);
    let (_, made) = tenant.subscribe(&otto, tenant.subscription(&receiver)).await;
    tenant.clock.advance(SignedDuration::from_mins(58));
    assert_eq!(tenant.renew(&otto, made["id"].as_str().unwrap(), json!({})).await.0, 404);
}
