//! What an access token says of itself. Graph alone may judge by it: we read it to tell people what is missing, and never verify it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::AccessToken;

/// What a token allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Application permissions.
    pub roles: Vec<String>,
    /// Delegated permissions.
    pub scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scp: String,
}

impl AccessToken {
    /// What it says that it allows; `None`: it says nothing that can be read.
    #[must_use]
    pub fn claims(&self) -> Option<Claims> {
        let payload = self.expose().split('.').nth(1)?;
        let payload: Payload = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Claims { roles: payload.roles, scopes: payload.scp.split_whitespace().map(str::to_owned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn permissions_are_read_from_a_token() {
        let check = |payload: Option<&str>, expected: Option<(&[&str], &[&str])>| {
            let text =
                payload.map_or_else(|| "opaque".to_owned(), |payload| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload)));
            let token = AccessToken::new(SecretString::from(text), Timestamp::MAX);
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(token.claims(), expected.map(|(roles, scopes)| Claims { roles: owned(roles), scopes: owned(scopes) }));
        };
        check(Some(r#"{"roles":["User.Read.All","Presence.Read.All"]}"#), Some((&["User.Read.All", "Presence.Read.All"], &[])));
        check(Some(r#"{"scp":"openid  Presence.Read.All"}"#), Some((&[], &["openid", "Presence.Read.All"])));
        check(Some("{}"), Some((&[], &[])));
        check(Some("nonsense"), None);
        check(None, None);
    }
}
