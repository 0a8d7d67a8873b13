//! Reads a POST of Graph's: its shape, nothing more.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use uuid::Uuid;

use crate::domain::ids::TeamsUserId;

/// The body is not a collection of change notifications.
#[derive(Debug, thiserror::Error)]
#[error("not a collection of change notifications: {0}")]
pub struct NotJson(#[from] serde_json::Error);

/// What one POST brought. Nothing in it is verified.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch<'a> {
    /// In the order of the POST, changes and lifecycle notifications alike.
    #[serde(borrow)]
    pub value: Vec<Received<'a>>,
    #[serde(borrow, default)]
    validation_tokens: Option<Vec<Text<'a>>>,
}

/// One notification as it came. Nothing in it is verified.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received<'a> {
    #[serde(borrow)]
    pub(super) subscription_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) client_state: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tenant_id: Option<Text<'a>>,
    /// Samples of presence notifications have this beside or instead of the tenant.
    #[serde(borrow, default)]
    pub(super) organization_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    resource: Option<Text<'a>>,
    #[serde(borrow, default)]
    resource_data: Option<ResourceData<'a>>,
    #[serde(borrow, default)]
    pub(super) encrypted_content: Option<EncryptedContent<'a>>,
    #[serde(borrow, default)]
    pub(super) lifecycle_event: Option<Text<'a>>,
}

/// Encrypted resource data, every part base64.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptedContent<'a> {
    #[serde(borrow)]
    pub(super) data: Text<'a>,
    #[serde(borrow)]
    pub(super) data_key: Text<'a>,
    #[serde(borrow)]
    pub(super) data_signature: Text<'a>,
    #[serde(borrow, default)]
    pub(super) encryption_certificate_id: Option<Text<'a>>,
}

#[derive(Clone, Debug, Deserialize)]
struct ResourceData<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
}

/// Text, borrowed unless it has escapes. (Serde borrows a `Cow` only where it is not inside an `Option`.)
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Only the length: it may be a secret, a token or a name.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

/// Reads the body of a POST.
///
/// # Errors
/// It is not JSON, or not of this shape; a genuine POST never is.
pub fn parse(body: &[u8]) -> Result<Batch<'_>, NotJson> {
    Ok(serde_json::from_slice(body)?)
}

impl Batch<'_> {
    /// The tokens that are to prove the whole POST; none for lifecycle notifications.
    #[must_use]
    pub fn validation_tokens(&self) -> Vec<&str> {
        self.validation_tokens.iter().flatten().map(Text::as_str).collect()
    }
}

impl Received<'_> {
    /// The subscription it claims to be of.
    #[must_use]
    pub fn subscription_id(&self) -> &str {
        self.subscription_id.as_str()
    }

    /// Whose presence it claims to be about, from `resourceData.id`, else from `resource`.
    #[must_use]
    pub fn user(&self) -> Option<TeamsUserId> {
        let id = self.resource_data.as_ref().and_then(|data| data.id.as_ref());
        let id = id.and_then(|id| id.as_str().parse::<Uuid>().ok());
        let id = id.or_else(|| self.resource.as_ref().and_then(|resource| user_of_resource(resource.as_str())));
        id.map(TeamsUserId)
    }

    /// Whether it tells of the subscription's own life rather than of a change.
    #[must_use]
    pub fn is_lifecycle(&self) -> bool {
        self.lifecycle_event.is_some()
    }
}

impl EncryptedContent<'_> {
    /// Which certificate it was encrypted for, by the id we gave.
    #[must_use]
    pub fn certificate_id(&self) -> Option<&str> {
        self.encryption_certificate_id.as_ref().map(Text::as_str)
    }

    pub(super) fn into_owned(self) -> EncryptedContent<'static> {
        EncryptedContent {
            data: self.data.into_owned(),
            data_key: self.data_key.into_owned(),
            data_signature: self.data_signature.into_owned(),
            encryption_certificate_id: self.encryption_certificate_id.map(Text::into_owned),
        }
    }
}

/// The id in `communications/presences/{id}`, `/communications/presences('{id}')` or `users/{id}/presence`, in any case.
fn user_of_resource(resource: &str) -> Option<Uuid> {
    let mut parts = resource.trim_matches('/').split(['/', '(', ')']).map(|part| part.trim_matches('\''));
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let is_presence = first.eq_ignore_ascii_case("communications") && second.eq_ignore_ascii_case("presences");
    let is_of_user = first.eq_ignore_ascii_case("users") && third.eq_ignore_ascii_case("presence");
    match (is_presence, is_of_user) {
        (true, _) => third.parse().ok(),
        (_, true) => second.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1f2e3d4c-aaaa-4bbb-8ccc-333344445555";

    #[test]
    fn the_user_is_found_in_every_form() {
        let check = |resource_data: &str, resource: &str, expected: bool| {
            let body = format!(
                r#"{{"value":[{{"subscriptionId":"s","resource":{resource},"resourceData":{resource_data},"new":[1]}}],"x":1}}"#
            );
            let batch = parse(body.as_bytes()).unwrap();
            let expected = expected.then(|| TeamsUserId(ID.parse().unwrap()));
            assert_eq!(batch.value[0].user(), expected, "{body}");
        };
        let nothing = "null";
        check(&format!(r#"{{"id":"{ID}","@odata.type":"x"}}"#), nothing, true);
        check(&format!(r#"{{"id":"{}"}}"#, ID.to_uppercase()), nothing, true);
        for resource in [
            format!("communications/presences/{ID}"),
            format!("/communications/presences('{ID}')"),
            format!("Communications/Presences/{}", ID.to_uppercase()),
            format!("/COMMUNICATIONS/presences('{ID}')/"),
            format!("users/{ID}/presence"),
        ] {
            check(nothing, &format!(r#""{resource}""#), true);
            check(r#"{"id":null}"#, &format!(r#""{resource}""#), true);
        }
        check(nothing, &format!(r#""chats/{ID}/messages""#), false);
        check(nothing, &format!(r#""communications/calls/{ID}""#), false);
        check(nothing, &format!(r#""/communications/presences?$filter=id in ('{ID}')""#), false);
        check(r#"{"id":"not a guid"}"#, nothing, false);
        check(nothing, nothing, false);
    }

    #[test]
    fn only_the_documented_shape_is_taken() {
        let check = |body: &str, expected: bool| assert_eq!(parse(body.as_bytes()).is_ok(), expected, "{body}");
        check(r#"{"value":[]}"#, true);
        check(r#"{"value":[],"validationTokens":null}"#, true);
        check(r#"{"value":[],"validationTokens":["a","b"]}"#, true);
        check(r#"{"value":[{"subscriptionId":"s"}]}"#, true);
        check(r#"{"value":[{"subscriptionId":"s\u0041","clientState":null,"encryptedContent":null}]}"#, true);
        check(r#"{"value":[{}]}"#, false);
        check(r#"{"value":[{"subscriptionId":7}]}"#, false);
        check(r#"{"value":[{"subscriptionId":"s","encryptedContent":{"data":"x"}}]}"#, false);
        check(r#"{"value":null}"#, false);
        check(r#"{"value":{}}"#, false);
        check(r#"{"value":[]} {}"#, false);
        check("{}", false);
        check("[]", false);
        check("hello", false);
        check("", false);
    }

    #[test]
    fn nothing_shows_its_text() {
        let body = br#"{"value":[{"subscriptionId":"s","clientState":"secret"}],"validationTokens":["token"]}"#;
        let shown = format!("{:?}", parse(body).unwrap());
        assert!(!shown.contains("secret") && !shown.contains("token\""), "{shown}");
        assert!(shown.contains("Text(6 bytes)"), "{shown}");
    }

    #[test]
    fn text_without_escapes_is_not_copied() {
        let body = br#"{"value":[{"subscriptionId":"s","clientState":"c"}],"validationTokens":["t"]}"#;
        let batch = parse(body).unwrap();
        assert!(matches!(batch.value[0].client_state, Some(Text(Cow::Borrowed("c")))));
        assert_eq!(batch.validation_tokens(), ["t"]);
    }
}
