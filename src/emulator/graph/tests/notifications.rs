//! Change and lifecycle notifications, as a subscriber sees them.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::*;

/// A subscription that is made, with its tenant and receiver.
pub(super) struct Subscribed {
    pub(super) tenant: Tenant,
    pub(super) receiver: Receiver,
    token: String,
    id: String,
}

impl Subscribed {
    pub(super) async fn start() -> Self {
        let (tenant, receiver) = (Tenant::start().await, Receiver::start().await);
        let token = tenant.user_token("otto@example.org").await;
        let (status, made) = tenant.subscribe(&token, tenant.subscription(&receiver)).await;
        assert_eq!(status, 201, "{made}");
        Self { tenant, receiver, token, id: made["id"].as_str().unwrap().to_owned() }
    }

    async fn faults(&self, notifications: Value) {
        let (status, body) = self.tenant.control(Method::PUT, "faults", json!({ "notifications": notifications })).await;
        assert_eq!(status, 200, "{body}");
    }

    /// The claims of the validation token, if the published keys vouch for it.
    async fn claims(&self, envelope: &Value) -> Option<Value> {
        let token = envelope["validationTokens"][0].as_str()?;
        let (_, metadata) =
            self.tenant.send(Method::GET, "common/v2.0/.well-known/openid-configuration", None, Value::Null).await;
        let keys = self.tenant.http.get(metadata["jwks_uri"].as_str()?).send().await.ok()?;
        let keys: JwkSet = keys.json().await.ok()?;
        let key = keys.find(&decode_header(token).ok()?.kid?)?.clone();
        let mut validation = Validation::new(Algorithm::RS256);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        Some(decode::<Value>(token, &DecodingKey::from_jwk(&key).ok()?, &validation).ok()?.claims)
    }
}

#[tokio::test]
async fn a_change_arrives_encrypted_and_vouched_for() {
    let mut story = Subscribed::start().await;
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    let envelope = story.receiver.next().await;
    let notification = &envelope["value"][0];
    assert_eq!(notification["subscriptionId"], json!(story.id));
    assert_eq!(notification["clientState"], "between us");
    assert_eq!(notification["tenantId"], json!(story.tenant.id));
    assert_eq!(notification["resourceData"]["id"], json!(OTTO));
    assert_eq!(notification["encryptedContent"]["encryptionCertificateId"], "autumn");
    let content = story.receiver.open(notification);
    assert_eq!(
        (&content["id"], &content["availability"], &content["activity"]),
        (&json!(OTTO), &json!("Busy"), &json!("InACall"))
    );
    let claims = story.claims(&envelope).await.unwrap();
    assert_eq!(claims["iss"], json!(format!("https://login.microsoftonline.com/{}/v2.0", story.tenant.id)));
    assert_eq!(
        (&claims["aud"], &claims["azp"]),
        (&json!(story.tenant.client_id), &json!("0bf30f3b-4a52-48df-9a82-234910c4a086"))
    );
    story.faults(json!({ "v1_tokens": true })).await;
    story.tenant.teams(OTTO, "Away", "Away").await;
    let envelope = story.receiver.next().await;
    let claims = story.claims(&envelope).await.unwrap();
    assert_eq!(claims["iss"], json!(format!("https://sts.windows.net/{}/", story.tenant.id)));
    assert_eq!((&claims["ver"], &claims["appid"]), (&json!("1.0"), &json!("0bf30f3b-4a52-48df-9a82-234910c4a086")));
    story.tenant.running.stop().await;
}

#[tokio::test]
async fn what_is_refused_comes_again() {
    let mut story = Subscribed::start().await;
    story.receiver.answer_next.send(StatusCode::SERVICE_UNAVAILABLE).unwrap();
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    let first = story.receiver.next().await;
    assert_eq!(story.receiver.next().await, first);
    let (_, left) = story.tenant.control(Method::GET, "notifications/pending", Value::Null).await;
    assert!(left["pending"].as_u64() <= Some(1));
    story.tenant.running.stop().await;
}

#[tokio::test]
async fn many_changes_travel_together() {
    let mut story = Subscribed::start().await;
    let in_call = json!({ "availability": "Busy", "activity": "InACall" });
    let both = json!({ OTTO.to_string(): in_call, ANNA.to_string(): in_call });
    assert_eq!(story.tenant.control(Method::PUT, "teams", both).await.0, 204);
    let envelope = story.receiver.next().await;
    assert_eq!(envelope["value"].as_array().unwrap().len(), 2);
    assert_eq!(envelope["validationTokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn notifications_are_lost_doubled_held_and_reversed() {
    let mut story = Subscribed::start().await;
    let activity =
        |receiver: &Receiver, envelope: &Value| receiver.open(&envelope["value"][0])["activity"].as_str().unwrap().to_owned();
    story.faults(json!({ "lose": 1, "duplicate": 1 })).await;
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    story.tenant.teams(OTTO, "Away", "Away").await;
    for _ in 0..2 {
        let envelope = story.receiver.next().await;
        assert_eq!(activity(&story.receiver, &envelope), "Away");
    }
    story.faults(json!({ "hold": true, "reverse": true })).await;
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    story.tenant.teams(OTTO, "Available", "Available").await;
    let (_, waiting) = story.tenant.control(Method::GET, "notifications/pending", Value::Null).await;
    assert_eq!(waiting["held"], 2);
    story.tenant.control(Method::POST, "notifications/release", Value::Null).await;
    for expected in ["Available", "InACall"] {
        let envelope = story.receiver.next().await;
        assert_eq!(activity(&story.receiver, &envelope), expected);
    }
}

#[tokio::test]
async fn tampered_notifications_are_wrong_in_just_one_way() {
    let mut story = Subscribed::start().await;
    let tampers = [
        "signature",
        "token_signature",
        "wrong_audience",
        "wrong_publisher",
        "expired_token",
        "wrong_tenant",
        "unknown_key",
        "no_token",
        "wrong_client_state",
        "foreign_certificate_id",
    ];
    for (turn, tamper) in tampers.into_iter().enumerate() {
        story.faults(json!({ "tamper": tamper, "times": 1 })).await;
        story.tenant.teams(OTTO, "Busy", if turn % 2 == 0 { "InACall" } else { "InAConferenceCall" }).await;
        let envelope = story.receiver.next().await;
        let notification = &envelope["value"][0];
        let claims = story.claims(&envelope).await;
        let says = |field: &str, expected: Value| claims.as_ref().is_some_and(|claims| claims[field] == expected);
        let now = story.tenant.clock.now().as_second();
        let wrong = [
            ("no_token", envelope["validationTokens"].is_null()),
            ("token_signature", claims.is_none() && tamper == "token_signature"),
            ("unknown_key", claims.is_none() && tamper == "unknown_key"),
            ("wrong_audience", claims.is_some() && !says("aud", json!(story.tenant.client_id))),
            ("wrong_publisher", claims.is_some() && !says("azp", json!("0bf30f3b-4a52-48df-9a82-234910c4a086"))),
            ("wrong_tenant", claims.is_some() && !says("tid", json!(story.tenant.id))),
            ("expired_token", claims.as_ref().is_some_and(|claims| claims["exp"].as_i64() < Some(now))),
            ("wrong_client_state", notification["clientState"] != "between us"),
            ("foreign_certificate_id", notification["encryptedContent"]["encryptionCertificateId"] != "autumn"),
            ("signature", notification["encryptedContent"]["dataSignature"] == STANDARD.encode([0; 32])),
        ];
        let found: Vec<_> = wrong.into_iter().filter_map(|(name, is_wrong)| is_wrong.then_some(name)).collect();
        assert_eq!(found, [tamper]);
    }
}

#[tokio::test]
async fn a_rotated_key_signs_and_is_published() {
    let mut story = Subscribed::start().await;
    let (_, rotated) = story.tenant.control(Method::POST, "signing-keys/rotate", Value::Null).await;
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    let envelope = story.receiver.next().await;
    let kid = decode_header(envelope["validationTokens"][0].as_str().unwrap()).unwrap().kid;
    assert_eq!(kid.as_deref(), rotated["kid"].as_str());
    assert!(story.claims(&envelope).await.is_some());
    let (_, counts) = story.tenant.control(Method::GET, "requests", Value::Null).await;
    assert_eq!(counts["jwks_fetches"], 1);
}

#[tokio::test]
async fn a_subscription_asks_to_be_renewed_and_keeps_back_what_its_token_does_not_cover() {
    let mut story = Subscribed::start().await;
    story.tenant.control(Method::POST, "clock/advance", json!({ "seconds": 44 * 60 })).await;
    let lifecycle = story.receiver.next().await;
    assert_eq!(lifecycle["value"][0]["lifecycleEvent"], "reauthorizationRequired");
    assert_eq!(lifecycle["value"][0]["clientState"], "between us");
    let path = format!("subscriptions/{}/expire-token", story.id);
    assert_eq!(story.tenant.control(Method::POST, &path, Value::Null).await.0, 204);
    story.tenant.teams(OTTO, "Busy", "InACall").await;
    let (_, live) = story.tenant.control(Method::GET, "subscriptions", Value::Null).await;
    assert_eq!(live[0]["retained"], 1);
    let end = json!({ "expirationDateTime": story.tenant.in_minutes(58) });
    assert_eq!(story.tenant.renew(&story.token, &story.id, end).await.0, 200);
    let late = story.receiver.next().await;
    assert_eq!(story.receiver.open(&late["value"][0])["activity"], "InACall");
}
