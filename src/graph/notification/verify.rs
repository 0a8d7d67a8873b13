//! Whether a notification came from Graph, for one of our subscriptions.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::parse::{EncryptedContent, Received, Text};
use super::{Refusal, TokensGenuine};
use crate::domain::ids::TeamsUserId;
use crate::graph::wire::SubscriptionId;

/// What we know of a subscription that its notifications must prove to know.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The secret we gave Graph when we subscribed.
    pub client_state: SecretString,
}

/// A change notification that came from Graph, still encrypted. Owns what it holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The subscription it is of.
    pub subscription_id: SubscriptionId,
    /// Whose presence it is about; `None`: only its content tells.
    pub user: Option<TeamsUserId>,
    pub(super) content: EncryptedContent<'static>,
}

/// Something that happened to a subscription itself; came from Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// The subscription it happened to.
    pub subscription_id: SubscriptionId,
    /// What happened.
    pub event: LifecycleEvent,
}

/// What happened to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// It is to be renewed, or it stops: the only one that presence subscriptions are said to get.
    ReauthorizationRequired,
    /// It is gone.
    SubscriptionRemoved,
    /// Notifications were lost.
    Missed,
    /// One we do not know.
    Other,
}

impl LifecycleEvent {
    fn from_text(text: &str) -> Self {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match text {
            _ if is("reauthorizationRequired") => Self::ReauthorizationRequired,
            _ if is("subscriptionRemoved") || is("removed") => Self::SubscriptionRemoved,
            _ if is("missed") => Self::Missed,
            _ => Self::Other,
        }
    }
}

impl Received<'_> {
    /// Verifies a change notification. `known` tells of our subscriptions; `tokens` is what [`super::TokenVerifier`] made of the
    /// tokens of the same POST.
    ///
    /// # Errors
    /// The first check that failed, cheapest first.
    pub fn verify<'k>(
        &self,
        known: impl Fn(&str) -> Option<&'k Expected>,
        tenant: Uuid,
        tokens: &Result<TokensGenuine, Refusal>,
    ) -> Result<Verified, Refusal> {
        if self.is_lifecycle() {
            return Err(Refusal::Kind);
        }
        self.is_of_ours(known, tenant)?;
        let content = self.encrypted_content.clone().ok_or(Refusal::NoContent)?;
        tokens.as_ref().map_err(|refusal| *refusal)?;
        Ok(Verified { subscription_id: self.subscription(), user: self.user(), content: content.into_owned() })
    }

    /// Verifies a lifecycle notification; those carry no tokens, `clientState` is their proof.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify_lifecycle<'k>(&self, known: impl Fn(&str) -> Option<&'k Expected>, tenant: Uuid) -> Result<Lifecycle, Refusal> {
        let event = self.lifecycle_event.as_ref().ok_or(Refusal::Kind)?;
        self.is_of_ours(known, tenant)?;
        Ok(Lifecycle { subscription_id: self.subscription(), event: LifecycleEvent::from_text(event.as_str()) })
    }

    fn is_of_ours<'k>(&self, known: impl Fn(&str) -> Option<&'k Expected>, tenant: Uuid) -> Result<(), Refusal> {
        let expected = known(self.subscription_id()).ok_or(Refusal::UnknownSubscription)?;
        let state = self.client_state.as_ref().map_or("", Text::as_str);
        let is_state_right = state.as_bytes().ct_eq(expected.client_state.expose_secret().as_bytes());
        if !bool::from(is_state_right) || state.is_empty() {
            return Err(Refusal::ClientState);
        }
        let mut tenants = self.tenant_id.iter().chain(&self.organization_id).peekable();
        let is_tenant_named = tenants.peek().is_some();
        let is_tenant_right = tenants.all(|named| named.as_str().parse() == Ok(tenant));
        if is_tenant_named && is_tenant_right { Ok(()) } else { Err(Refusal::Tenant) }
    }

    fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.subscription_id().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::graph::notification::parse;
    use crate::graph::testing::TENANT;

    fn known() -> HashMap<String, Expected> {
        HashMap::from([("ours".to_owned(), Expected { client_state: SecretString::from("state") })])
    }

    fn genuine() -> Value {
        json!({
            "subscriptionId": "ours", "clientState": "state", "tenantId": TENANT,
            "resource": "communications/presences/1f2e3d4c-aaaa-4bbb-8ccc-333344445555",
            "encryptedContent": {"data": "d", "dataKey": "k", "dataSignature": "s", "encryptionCertificateId": "c"},
        })
    }

    fn with(mut notification: Value, changes: &[(&str, Value)]) -> String {
        for (name, value) in changes {
            notification[name] = value.clone();
        }
        json!({ "value": [notification] }).to_string()
    }

    #[test]
    fn changes_are_refused_by_the_first_check_that_fails() {
        let check = |changes: &[(&str, Value)], tokens: Result<(), Refusal>, expected: Result<(), Refusal>| {
            let body = with(genuine(), changes);
            let batch = parse(body.as_bytes()).unwrap();
            let known = known();
            let tokens = tokens.map(|()| TokensGenuine::for_test());
            let verified = batch.value[0].verify(|id| known.get(id), TENANT, &tokens);
            assert_eq!(verified.map(|_| ()), expected, "{body}");
        };
        check(&[], Ok(()), Ok(()));
        check(&[("organizationId", json!(TENANT)), ("tenantId", Value::Null)], Ok(()), Ok(()));
        check(&[("resource", Value::Null)], Ok(()), Ok(()));
        check(&[("subscriptionId", json!("theirs"))], Ok(()), Err(Refusal::UnknownSubscription));
        check(&[("clientState", json!("stat"))], Ok(()), Err(Refusal::ClientState));
        check(&[("clientState", json!("State"))], Ok(()), Err(Refusal::ClientState));
        check(&[("clientState", Value::Null)], Ok(()), Err(Refusal::ClientState));
        check(&[("tenantId", json!(Uuid::nil()))], Ok(()), Err(Refusal::Tenant));
        check(&[("tenantId", Value::Null)], Ok(()), Err(Refusal::Tenant));
        check(&[("tenantId", json!("x"))], Ok(()), Err(Refusal::Tenant));
        check(&[("organizationId", json!(Uuid::nil()))], Ok(()), Err(Refusal::Tenant));
        check(&[("encryptedContent", Value::Null)], Ok(()), Err(Refusal::NoContent));
        check(&[("lifecycleEvent", json!("missed"))], Ok(()), Err(Refusal::Kind));
        check(&[], Err(Refusal::NoToken), Err(Refusal::NoToken));
        check(&[], Err(Refusal::TokenAudience), Err(Refusal::TokenAudience));
        check(&[("clientState", json!("x"))], Err(Refusal::NoToken), Err(Refusal::ClientState));
    }

    #[test]
    fn an_empty_client_state_proves_nothing() {
        let body = with(genuine(), &[("clientState", Value::Null)]);
        let batch = parse(body.as_bytes()).unwrap();
        let expected = Expected { client_state: SecretString::from("") };
        let verified = batch.value[0].verify(|_| Some(&expected), TENANT, &Ok(TokensGenuine::for_test()));
        assert_eq!(verified.unwrap_err(), Refusal::ClientState);
    }

    #[test]
    fn lifecycle_events_are_told_by_client_state_alone() {
        let check = |changes: &[(&str, Value)], expected: Result<LifecycleEvent, Refusal>| {
            let body = with(json!({"subscriptionId": "ours", "clientState": "state", "tenantId": TENANT}), changes);
            let batch = parse(body.as_bytes()).unwrap();
            let known = known();
            let verified = batch.value[0].verify_lifecycle(|id| known.get(id), TENANT);
            assert_eq!(verified.map(|lifecycle| lifecycle.event), expected, "{body}");
        };
        let event = |name: &str| ("lifecycleEvent", json!(name));
        check(&[event("reauthorizationRequired")], Ok(LifecycleEvent::ReauthorizationRequired));
        check(&[event("subscriptionRemoved")], Ok(LifecycleEvent::SubscriptionRemoved));
        check(&[event("missed")], Ok(LifecycleEvent::Missed));
        check(&[event("brandNew")], Ok(LifecycleEvent::Other));
        check(&[], Err(Refusal::Kind));
        check(&[event("missed"), ("clientState", json!("x"))], Err(Refusal::ClientState));
        check(&[event("missed"), ("subscriptionId", json!("x"))], Err(Refusal::UnknownSubscription));
        check(&[event("missed"), ("tenantId", json!(Uuid::nil()))], Err(Refusal::Tenant));
    }
}
