//! Browsers that come to sign in: sent back only where they may, with a code for one app, one verifier, once.

use aws_lc_rs::digest::{SHA256, digest};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::redirect::Policy;
use url::Url;

use super::*;

const CALLBACK: &str = "https://gateway.example/sign-in/callback";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";

impl Tenant {
    fn question(&self) -> Vec<(&'static str, String)> {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        vec![
            ("client_id", self.client_id.to_string()),
            ("response_type", "code".to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid profile offline_access".to_owned()),
            ("state", "a state".to_owned()),
            ("nonce", "a nonce".to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    /// Status, text, and where the browser is sent.
    async fn authorize(&self, question: &[(&str, String)]) -> (u16, String, Option<Url>) {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let url = format!("{}/{}/oauth2/v2.0/authorize", self.running.base_url, self.id);
        let answer = http.get(url).query(question).send().await.unwrap();
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().parse().unwrap());
        (answer.status().as_u16(), answer.text().await.unwrap(), location)
    }

    async fn register(&self) {
        assert_eq!(self.control(Method::PUT, "redirect-uris", json!([CALLBACK])).await.0, 204);
    }

    /// Otto signs in; what the browser brings back.
    async fn code(&self) -> String {
        assert_eq!(self.authorize(&self.question()).await.0, 200);
        let id = self.control(Method::GET, "sign-ins", Value::Null).await.1[0]["id"].as_str().unwrap().to_owned();
        let approve = json!({"user_principal_name": "otto@example.org"});
        let (status, told) = self.control(Method::POST, &format!("sign-ins/{id}/approve"), approve).await;
        assert_eq!(status, 200);
        let back: Url = told["redirect_to"].as_str().unwrap().parse().unwrap();
        let told: HashMap<_, _> = back.query_pairs().into_owned().collect();
        assert_eq!(told["state"], "a state");
        told["code"].clone()
    }

    async fn redeem(&self, changes: &[(&'static str, &str)]) -> (u16, Value) {
        let mut form = HashMap::from([
            ("grant_type", "authorization_code"),
            ("client_secret", self.client_secret.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(changes.iter().copied());
        self.login("token", &form.into_iter().collect::<Vec<_>>()).await
    }
}

fn refused(answer: &(u16, Value), number: u32) {
    assert_eq!((answer.0 / 100, &answer.1["error_codes"]), (4, &json!([number])), "{}", answer.1);
}

#[tokio::test]
async fn a_browser_is_sent_back_only_where_it_may() {
    let tenant = Tenant::start().await;
    let (status, text, location) = tenant.authorize(&tenant.question()).await;
    assert!(status == 400 && text.contains("AADSTS50011") && location.is_none(), "{text}");
    tenant.register().await;
    let without = |name: &str| tenant.question().into_iter().filter(|(key, _)| *key != name).collect::<Vec<_>>();
    let (status, text, location) = tenant.authorize(&without("client_id")).await;
    assert!(status == 400 && text.contains("AADSTS900144") && location.is_none(), "{text}");
    for name in ["response_type", "scope", "code_challenge", "code_challenge_method"] {
        let (status, _, location) = tenant.authorize(&without(name)).await;
        let location = location.unwrap();
        assert!(status == 302 && location.as_str().starts_with(CALLBACK), "{name}");
        assert!(location.query_pairs().any(|(key, value)| key == "error" && value == "invalid_request"), "{name}");
    }
    assert_eq!(tenant.authorize(&tenant.question()).await.0, 200);
    let id = tenant.control(Method::GET, "sign-ins", Value::Null).await.1[0]["id"].as_str().unwrap().to_owned();
    let (_, told) = tenant.control(Method::POST, &format!("sign-ins/{id}/deny"), Value::Null).await;
    assert!(told["redirect_to"].as_str().unwrap().contains("error=access_denied"), "{told}");
    assert_eq!(tenant.control(Method::POST, &format!("sign-ins/{id}/deny"), Value::Null).await.0, 404, "it has left");
    tenant.running.stop().await;
}

#[tokio::test]
async fn a_code_is_good_once_for_the_app_that_knows_the_verifier() {
    let tenant = Tenant::start().await;
    tenant.register().await;
    let code = tenant.code().await;
    refused(&tenant.redeem(&[("code", "guessed")]).await, 9_002_313);
    refused(&tenant.redeem(&[("code", &code), ("client_secret", "")]).await, 7_000_218);
    refused(&tenant.redeem(&[("code", &code), ("code_verifier", "another-verifier-of-forty-three-characters-x")]).await, 501_481);
    refused(&tenant.redeem(&[("code", &code), ("code_verifier", "")]).await, 501_481);
    refused(&tenant.redeem(&[("code", &code), ("redirect_uri", "https://elsewhere.example/")]).await, 50_011);
    let (status, body) = tenant.redeem(&[("code", &code)]).await;
    assert_eq!(status, 200, "{body}");
    let id_token: Value = jsonwebtoken::dangerous::insecure_decode_claims(body["id_token"].as_str().unwrap()).unwrap();
    assert_eq!((&id_token["nonce"], &id_token["oid"]), (&json!("a nonce"), &json!(OTTO)));
    refused(&tenant.redeem(&[("code", &code)]).await, 54_005);
    let late = tenant.code().await;
    tenant.clock.advance(SignedDuration::from_mins(10));
    refused(&tenant.redeem(&[("code", &late)]).await, 70_008);
    // What keeps the user signed in is good for the app alone.
    let refresh = body["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "openid profile offline_access")];
    refused(&tenant.login("token", &form).await, 7_000_218);
    let proved: Vec<_> = form.into_iter().chain([("client_secret", tenant.client_secret.as_str())]).collect();
    let (status, body) = tenant.login("token", &proved).await;
    let id_token: Value = jsonwebtoken::dangerous::insecure_decode_claims(body["id_token"].as_str().unwrap()).unwrap();
    assert_eq!((status, &id_token["nonce"]), (200, &Value::Null));
    tenant.running.stop().await;
}

#[tokio::test]
async fn accounts_of_federated_domains_are_told() {
    let tenant = Tenant::start().await;
    assert_eq!(tenant.control(Method::PUT, "federated-domains", json!(["ADFS.example"])).await.0, 204);
    let realm = async |name: &str| {
        let (_, body) = tenant.send(Method::GET, &format!("common/userrealm/{name}?api-version=1.0"), None, Value::Null).await;
        body["account_type"].as_str().unwrap().to_owned()
    };
    assert_eq!(realm("otto@example.org").await, "Managed");
    assert_eq!(realm("otto@adfs.example").await, "Federated");
    assert_eq!(realm("nobody@example.org").await, "Unknown");
    tenant.running.stop().await;
}
