//! A browser as far as signing in needs one: it keeps cookies, is sent around, and shows pages.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT_LANGUAGE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

/// What a browser was answered.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// What the form of the page sends.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let inputs = self.text.split("<input type=\"hidden\" name=\"").skip(1);
        let fields = inputs.map(|input| input.split_once("\" value=\"").unwrap());
        fields.map(|(name, rest)| (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())).collect()
    }
}

pub struct Browser {
    http: Client,
    /// Whose cookies it keeps: the gateway's; the login server sets none.
    gateway: String,
    login: String,
    pub cookies: BTreeMap<String, String>,
    pub language: &'static str,
}

impl Browser {
    pub fn new(world: &World) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        let (gateway, login) = (world.public.clone(), world.graph.base_url.clone());
        Self { http, gateway, login, cookies: BTreeMap::new(), language: "en" }
    }

    /// Opens an address and follows nothing.
    pub async fn open(&mut self, url: &str) -> Page {
        self.send(url, self.http.get(url)).await
    }

    /// Presses the button of the page at this address; follows nothing.
    pub async fn press(&mut self, page: &Page) -> Page {
        let url = format!("{}/sign-in", self.gateway);
        let request = self.http.post(&url).form(&page.fields());
        self.send(&url, request).await
    }

    async fn send(&mut self, url: &str, request: RequestBuilder) -> Page {
        let is_gateway = url.starts_with(&self.gateway);
        let mut request = request.header(ACCEPT_LANGUAGE, self.language);
        if is_gateway && !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        let answer = request.send().await.unwrap();
        if is_gateway {
            self.keep_cookies(answer.headers());
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens the one-time address, says yes, and waits on the login server's page; tells under which id.
    pub async fn go_to_sign_in(&mut self, url: &str) -> Uuid {
        let asked = self.open(url).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        let sent = self.press(&asked).await;
        assert_eq!(sent.status, 303, "{}", sent.text);
        let login = self.open(sent.headers[LOCATION].to_str().unwrap()).await;
        assert_eq!(login.status, 200, "{}", login.text);
        let id = login.text.split_once("/control/sign-ins/").unwrap().1.split_once('/').unwrap().0;
        id.parse().unwrap()
    }

    /// The whole way: opens the address, signs in as this account, comes back.
    pub async fn link(&mut self, url: &str, account: &str) -> Page {
        let back = self.sign_in(url, account).await;
        self.open(&back).await
    }

    /// The same up to the address under which the browser comes back.
    pub async fn sign_in(&mut self, url: &str, account: &str) -> String {
        let id = self.go_to_sign_in(url).await;
        approve(&self.http, &self.login, id, account).await
    }
}

async fn approve(http: &Client, base: &str, id: Uuid, account: &str) -> String {
    let request = http.post(format!("{base}/control/sign-ins/{id}/approve")).json(&json!({"user_principal_name": account}));
    let told: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    told["redirect_to"].as_str().unwrap().to_owned()
}

impl World {
    /// The person signs in as this account; tells where the browser goes.
    pub async fn approve_sign_in(&self, id: Uuid, account: &str) -> String {
        approve(&self.http, &self.graph.base_url, id, account).await
    }

    /// The person declines, or Entra ID says something else; tells where the browser goes.
    pub async fn deny_sign_in(&self, id: Uuid, error: &str) -> String {
        let told = self.graph_control(Method::POST, &format!("sign-ins/{id}/deny"), json!({"error": error})).await;
        told.json::<serde_json::Value>().await.unwrap()["redirect_to"].as_str().unwrap().to_owned()
    }
}
