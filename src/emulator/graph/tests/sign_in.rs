//! Every grant, and every way in which Entra ID refuses one.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::*;

fn fails_with(answer: &(u16, Value), status: u16, error: &str, number: u32) {
    assert_eq!((answer.0, answer.1["error"].as_str()), (status, Some(error)), "{}", answer.1);
    assert_eq!(answer.1["error_codes"], json!([number]));
    assert!(answer.1["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
}

#[tokio::test]
async fn an_app_proves_itself_with_its_secret() {
    let tenant = Tenant::start().await;
    let scope = ("scope", "https://graph.microsoft.com/.default");
    let secret = tenant.client_secret.clone();
    let good = [("grant_type", "client_credentials"), ("client_secret", secret.as_str()), scope];
    let (status, body) = tenant.login("token", &good).await;
    assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &json!("Bearer"), &json!(3599)));
    let wrong = [("grant_type", "client_credentials"), ("client_secret", "guessed"), scope];
    fails_with(&tenant.login("token", &wrong).await, 401, "invalid_client", 7_000_215);
    let none = [("grant_type", "client_credentials"), scope];
    fails_with(&tenant.login("token", &none).await, 401, "invalid_client", 7_000_216);
    let narrow = [("grant_type", "client_credentials"), ("client_secret", &secret), ("scope", "Presence.Read.All")];
    fails_with(&tenant.login("token", &narrow).await, 400, "invalid_scope", 1_002_012);
    let stranger = [("grant_type", "client_credentials"), ("client_id", "6f0c5f4a-1d0c-4dbb-9d0e-0a8c0a3f6b1e")];
    fails_with(&tenant.login("token", &stranger).await, 400, "unauthorized_client", 700_016);
    tenant.running.stop().await;
}

#[tokio::test]
async fn an_app_proves_itself_with_its_certificate_once_per_assertion() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let tenant = Tenant::start_with(|options| options.client_certificate_der = Some(certificate.der().to_vec())).await;
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let mut header = Header::new(Algorithm::PS256);
    header.x5t_s256 = Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(thumbprint));
    let now = tenant.clock.now().as_second();
    let assertion = |audience: String, expires: i64| {
        let claims = json!({
            "aud": audience, "iss": tenant.client_id, "sub": tenant.client_id, "jti": Uuid::new_v4(), "nbf": now, "iat": now,
            "exp": expires,
        });
        encode(&header, &claims, &EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap()).unwrap()
    };
    let ask = async |assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        tenant.login("token", &fields).await
    };
    let audience = format!("{}/{}/oauth2/v2.0/token", tenant.running.base_url, tenant.id);
    let good = assertion(audience.clone(), now + 300);
    assert_eq!(ask(&good).await.0, 200);
    fails_with(&ask(&good).await, 401, "invalid_client", 50_027);
    fails_with(&ask(&assertion("https://elsewhere".to_owned(), now + 300)).await, 401, "invalid_client", 700_023);
    fails_with(&ask(&assertion(audience.clone(), now - 600)).await, 401, "invalid_client", 700_024);
    let (signed, _) = good.rsplit_once('.').unwrap();
    fails_with(&ask(&format!("{signed}.AAAA")).await, 401, "invalid_client", 700_027);
    tenant.running.stop().await;
}

#[tokio::test]
async fn an_app_proves_itself_with_a_federated_token() {
    let tenant = Tenant::start_with(|options| options.federated_token = Some("from elsewhere".to_owned())).await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "from elsewhere"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    assert_eq!(tenant.login("token", &fields).await.0, 200);
}

#[tokio::test]
async fn a_person_signs_in_with_a_device_code() {
    let tenant = Tenant::start().await;
    let (_, begun) = tenant.login("devicecode", &[("scope", SCOPES)]).await;
    assert_eq!((&begun["interval"], &begun["expires_in"]), (&json!(5), &json!(900)));
    let fields =
        [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", begun["device_code"].as_str().unwrap())];
    fails_with(&tenant.login("token", &fields).await, 400, "authorization_pending", 70_016);
    fails_with(&tenant.login("token", &fields).await, 400, "slow_down", 70_019);
    let path = format!("device-codes/{}/approve", begun["user_code"].as_str().unwrap());
    let nobody = json!({ "user_principal_name": "nobody@example.org" });
    assert_eq!(tenant.control(Method::POST, &path, nobody).await.0, 404);
    assert_eq!(tenant.control(Method::POST, &path, json!({ "user_principal_name": "otto@example.org" })).await.0, 204);
    let (status, body) = tenant.login("token", &fields).await;
    assert_eq!(status, 200, "{body}");
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(body["id_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims["preferred_username"], "otto@example.org");
    assert_eq!((&claims["oid"], &claims["tid"]), (&json!(OTTO), &json!(tenant.id)));
    fails_with(&tenant.login("token", &fields).await, 400, "invalid_grant", 54_005);
}

#[tokio::test]
async fn a_device_code_is_declined_or_expires() {
    let tenant = Tenant::start().await;
    let (_, begun) = tenant.login("devicecode", &[("scope", SCOPES)]).await;
    let fields = [("grant_type", "device_code"), ("device_code", begun["device_code"].as_str().unwrap())];
    let path = format!("device-codes/{}/deny", begun["user_code"].as_str().unwrap());
    assert_eq!(tenant.control(Method::POST, &path, Value::Null).await.0, 204);
    fails_with(&tenant.login("token", &fields).await, 400, "authorization_declined", 70_018);
    tenant.control(Method::POST, "clock/advance", json!({ "seconds": 901 })).await;
    fails_with(&tenant.login("token", &fields).await, 400, "expired_token", 70_020);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_are_revoked() {
    let tenant = Tenant::start().await;
    let first = tenant.sign_in("otto@example.org").await["refresh_token"].as_str().unwrap().to_owned();
    let ask = async |token: &str| tenant.login("token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
    let (status, body) = ask(&first).await;
    let second = body["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(status, 200);
    assert_ne!(first, second);
    assert_eq!(ask(&first).await.0, 200, "the old one goes on working for a while");
    tenant.clock.advance(SignedDuration::from_mins(11));
    fails_with(&ask(&first).await, 400, "invalid_grant", 700_082);
    assert_eq!(ask(&second).await.0, 200);
    for (error, wording, number) in [("AADSTS50173", "invalid_grant", 50_173), ("AADSTS50078", "interaction_required", 50_078)] {
        let token = tenant.sign_in("otto@example.org").await["refresh_token"].as_str().unwrap().to_owned();
        let body = json!({ "user_principal_name": "otto@example.org", "error": error });
        assert_eq!(tenant.control(Method::POST, "refresh-tokens/revoke", body).await.0, 200);
        fails_with(&ask(&token).await, 400, wording, number);
    }
}
