//! One browser's attempt to sign in: everything about it follows from a secret that only this browser has, in a cookie.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::text;
use crate::store::ticket::{SIGN_IN_LIFE, is_ticket};

/// Over TLS the name itself makes browsers take the cookie from this very host only.
const SECURE_NAME: &str = "__Host-presence-gateway-sign-in";
const PLAIN_NAME: &str = "presence-gateway-sign-in";
const SECRET_BYTES: usize = 32;

/// An attempt.
pub struct Attempt {
    ticket: String,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl Attempt {
    /// A new one; `None`: the system gives no random numbers.
    pub fn new(ticket: String) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(secret.as_mut()).ok()?;
        Some(Self { ticket, secret })
    }

    /// The one that this browser brings back.
    pub fn of(headers: &HeaderMap, is_secure: bool) -> Option<Self> {
        let named = |pair: &str| {
            pair.trim().split_once('=').filter(|(name, _)| *name == name_of(is_secure)).map(|(_, value)| value.to_owned())
        };
        let value = text(headers, &header::COOKIE).flat_map(|line| line.split(';')).find_map(named)?;
        let (ticket, secret) = value.split_once('.')?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let secret = Zeroizing::new(<[u8; SECRET_BYTES]>::try_from(secret.as_slice()).ok()?);
        is_ticket(ticket).then(|| Self { ticket: ticket.to_owned(), secret })
    }

    pub fn ticket(&self) -> &str {
        &self.ticket
    }

    pub fn state(&self) -> String {
        self.derived("state")
    }

    pub fn nonce(&self) -> String {
        self.derived("nonce")
    }

    /// 43 characters, as PKCE wants.
    pub fn verifier(&self) -> String {
        self.derived("verifier")
    }

    pub fn is_state(&self, told: &str) -> bool {
        self.state().as_bytes().ct_eq(told.as_bytes()).into()
    }

    /// What the page puts into its form: whoever posts without it did not see for whom the link is.
    pub fn proof(&self) -> String {
        self.derived("confirmed")
    }

    pub fn is_proof(&self, told: &str) -> bool {
        self.proof().as_bytes().ct_eq(told.as_bytes()).into()
    }

    /// Lax: the browser comes back from another site, by following an address.
    pub fn cookie(&self, is_secure: bool) -> HeaderValue {
        let secret = URL_SAFE_NO_PAD.encode(self.secret.as_slice());
        set(is_secure, &format!("{}.{secret}", self.ticket), SIGN_IN_LIFE.as_secs())
    }

    /// Nobody who knows one of them can make another.
    fn derived(&self, what: &str) -> String {
        let key = hmac::Key::new(HMAC_SHA256, self.secret.as_slice());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{what} {}", self.ticket).as_bytes()))
    }
}

/// Takes the cookie away.
pub fn forget(is_secure: bool) -> HeaderValue {
    set(is_secure, "", 0)
}

fn name_of(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { PLAIN_NAME }
}

fn set(is_secure: bool, value: &str, seconds: i64) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", name_of(is_secure));
    HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> String {
        format!("pgs_{}", "t".repeat(43))
    }

    fn brought_back(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_browser_brings_back_what_it_was_given() {
        for is_secure in [true, false] {
            let attempt = Attempt::new(ticket()).unwrap();
            let cookie = attempt.cookie(is_secure).to_str().unwrap().to_owned();
            let pair = cookie.split(';').next().unwrap();
            let back = Attempt::of(&brought_back(&format!("other=1; {pair}; third=3")), is_secure).unwrap();
            assert_eq!(back.ticket(), ticket());
            assert!(back.is_state(&attempt.state()) && !back.is_state(&attempt.nonce()) && !back.is_state(""));
            assert!(back.is_proof(&attempt.proof()) && !back.is_proof(&attempt.state()) && !back.is_proof(""));
            assert_eq!((back.nonce(), back.verifier()), (attempt.nonce(), attempt.verifier()));
            assert!(Attempt::of(&brought_back(pair), !is_secure).is_none(), "under another name");
            assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Path=/;"));
            assert_eq!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), is_secure, "{cookie}");
        }
    }

    #[test]
    fn what_is_no_attempt_is_none() {
        let good = Attempt::new(ticket()).unwrap().cookie(false).to_str().unwrap().split(';').next().unwrap().to_owned();
        let check = |cookie: &str| assert!(Attempt::of(&brought_back(cookie), false).is_none(), "{cookie}");
        check("presence-gateway-sign-in=");
        check("presence-gateway-sign-in=.");
        check(&good.replace("pgs_", "pgw_"));
        check(&good[..good.len() - 1]);
        check(&format!("{good}A"));
        check(&good.replacen("presence", "absence", 1));
    }

    #[test]
    fn no_two_attempts_are_alike() {
        let (one, other) = (Attempt::new(ticket()).unwrap(), Attempt::new(ticket()).unwrap());
        assert!(!one.is_state(&other.state()) && one.verifier() != other.verifier());
        assert_eq!(one.verifier().len(), 43);
    }
}
