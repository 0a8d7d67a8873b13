//! Why a notification is not believed.

/// Why a notification is not believed. None of these gets better by waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Forged, or of a subscription we gave up.
    #[error("it names a subscription that is not ours")]
    UnknownSubscription,
    /// Forged: only Graph knows the state.
    #[error("its clientState is not the subscription's")]
    ClientState,
    /// Forged, or Graph mixed tenants up.
    #[error("it is of another tenant")]
    Tenant,
    /// Resource data must come with tokens; without: see `appRoleAssignmentRequired` of the service principal.
    #[error("it came without a validation token")]
    NoToken,
    /// Not a token at all.
    #[error("a validation token cannot be read")]
    TokenMalformed,
    /// Signed with a key that Entra ID does not publish.
    #[error("a validation token names a key that Entra ID does not publish")]
    UnknownKey,
    /// Forged.
    #[error("a validation token's signature is wrong")]
    TokenSignature,
    /// A token for somebody else.
    #[error("a validation token is for another app")]
    TokenAudience,
    /// A token of another tenant or cloud.
    #[error("a validation token was issued by another tenant or cloud")]
    TokenIssuer,
    /// Too late, or too early: look at this machine's clock.
    #[error("a validation token is outside its time")]
    TokenExpired,
    /// A token that another app got.
    #[error("a validation token was not given to Microsoft Graph Change Tracking")]
    TokenPublisher,
    /// We always subscribe with resource data.
    #[error("it has no resource data")]
    NoContent,
    /// Encrypted for a certificate we do not hold (any more).
    #[error("it is encrypted for a certificate whose private key is not here")]
    UnknownCertificate,
    /// RSA-OAEP: the data key is for another key, or damaged.
    #[error("its data key cannot be decrypted: it is damaged or encrypted for another key")]
    KeyUnwrap,
    /// HMAC-SHA256: the resource data was changed on the way.
    #[error("its data signature is wrong")]
    Signature,
    /// AES or JSON: the resource data is not what it should be.
    #[error("its resource data cannot be decrypted or read")]
    Content,
    /// Outside and inside name different users.
    #[error("its resource data is about another user than it says")]
    Mismatch,
    /// A lifecycle notification where a change should be, or the other way round.
    #[error("it is of another kind than was asked for")]
    Kind,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::UnknownSubscription,
        Self::ClientState,
        Self::Tenant,
        Self::NoToken,
        Self::TokenMalformed,
        Self::UnknownKey,
        Self::TokenSignature,
        Self::TokenAudience,
        Self::TokenIssuer,
        Self::TokenExpired,
        Self::TokenPublisher,
        Self::NoContent,
        Self::UnknownCertificate,
        Self::KeyUnwrap,
        Self::Signature,
        Self::Content,
        Self::Mismatch,
        Self::Kind,
    ];

    /// For metrics and the record; stays the same for ever.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownSubscription => "unknown_subscription",
            Self::ClientState => "client_state",
            Self::Tenant => "tenant",
            Self::NoToken => "no_token",
            Self::TokenMalformed => "token_malformed",
            Self::UnknownKey => "unknown_key",
            Self::TokenSignature => "token_signature",
            Self::TokenAudience => "token_audience",
            Self::TokenIssuer => "token_issuer",
            Self::TokenExpired => "token_expired",
            Self::TokenPublisher => "token_publisher",
            Self::NoContent => "no_content",
            Self::UnknownCertificate => "unknown_certificate",
            Self::KeyUnwrap => "key_unwrap",
            Self::Signature => "signature",
            Self::Content => "content",
            Self::Mismatch => "mismatch",
            Self::Kind => "kind",
        }
    }
}
