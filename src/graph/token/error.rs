//! Why there is no access token, sorted by what the caller can do.

use std::time::Duration;

use crate::domain::subscription::ProblemKind;

/// Why there is no access token. Says nothing of the account it is for: the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The refresh token is no longer good: only a person can help.
    #[error("Entra ID wants the account to sign in again ({code}): run `presence-gateway sign-in` for it")]
    SignInAgain {
        /// What is wrong, as far as the code tells.
        kind: ProblemKind,
        /// Entra ID's own code, such as `invalid_grant, AADSTS50173`.
        code: String,
    },
    /// Nobody approved the device code, or somebody declined.
    #[error("the sign-in was not approved ({code}): start it again")]
    NotApproved {
        /// Entra ID's own code.
        code: String,
    },
    /// Somebody signed in, but the token is of another tenant or for another app.
    #[error("the sign-in belongs to another {what} than the one in the settings")]
    WrongPlace {
        /// `tenant` or `app registration`.
        what: &'static str,
    },
    /// Entra ID has enough of us for now.
    #[error("Entra ID asks us to wait {} s", retry_after.as_secs())]
    Throttled {
        /// Not before.
        retry_after: Duration,
    },
    /// No answer, or none that makes sense; later may be better.
    #[error("no token from Entra ID: {reason}")]
    Unreachable {
        /// What happened instead.
        reason: String,
    },
    /// Waiting does not help: the settings or the app registration must change.
    #[error("Entra ID refuses the app registration ({code}): {remedy}")]
    Misconfigured {
        /// Entra ID's own code, or ours.
        code: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// Whose token was asked for: the same refusal means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    App,
    Account,
}

/// Entra ID's codes that a person can cure by signing in again: revoked, expired, password changed, more proof wanted, consent missing.
const SIGN_IN_AGAIN: [u32; 30] = [
    16_000, 50_034, 50_053, 50_055, 50_057, 50_058, 50_072, 50_074, 50_076, 50_078, 50_079, 50_089, 50_105, 50_126, 50_132,
    50_133, 50_144, 50_158, 50_173, 53_000, 53_001, 53_003, 65_001, 70_000, 70_008, 70_043, 500_133, 530_003, 700_082, 700_084,
];

/// Entra ID's codes that only the app registration or the settings can cure, and how.
const MISCONFIGURED: [(u32, &str); 12] = [
    (90_002, "no such tenant: check graph.tenant_id and graph.cloud"),
    (500_011, "the tenant does not know Microsoft Graph by this address: check graph.cloud"),
    (700_016, "the tenant has no such app: check graph.client_id and graph.tenant_id"),
    (700_024, "the client assertion is outside its time: set this machine's clock"),
    (700_027, "the certificate's assertion is not accepted: upload the certificate to the app registration"),
    (700_030, "the certificate is not accepted: upload the certificate to the app registration"),
    (700_211, "no federated credential of the app registration names this issuer"),
    (700_212, "no federated credential of the app registration names this audience"),
    (700_213, "no federated credential of the app registration names this subject"),
    (7_000_215, "the client secret is wrong: graph.client_secret wants the secret's value, not its id"),
    (7_000_218, "allow public client flows in the app registration: device sign-in needs it"),
    (7_000_222, "the client secret has expired: make a new one in the app registration"),
];

/// Sorts a refusal of the token endpoint; of the description only the number is kept, since it may name people.
pub(super) fn refusal(error: &str, description: Option<&str>, whose: Whose) -> Error {
    let number = description.and_then(aadsts);
    let error: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    let code = number.map_or_else(|| error.clone(), |number| format!("{error}, AADSTS{number}"));

    if let Some((_, remedy)) = MISCONFIGURED.iter().find(|(known, _)| Some(*known) == number) {
        return Error::Misconfigured { code, remedy };
    }
    let is_known_cure = number.is_some_and(|number| SIGN_IN_AGAIN.contains(&number));
    match error.as_str() {
        "authorization_declined" | "access_denied" | "expired_token" | "code_expired" | "bad_verification_code" => {
            Error::NotApproved { code }
        }
        "temporarily_unavailable" | "server_error" => Error::Unreachable { reason: code },
        "invalid_grant" | "interaction_required" | "login_required" | "consent_required" if whose == Whose::Account => {
            Error::SignInAgain { kind: problem_kind(&error, number), code }
        }
        _ if is_known_cure && whose == Whose::Account => Error::SignInAgain { kind: problem_kind(&error, number), code },
        "invalid_client" | "unauthorized_client" => {
            Error::Misconfigured { code, remedy: "check graph.client_id and the credential against the app registration" }
        }
        _ => Error::Misconfigured { code, remedy: "look the code up at https://login.microsoftonline.com/error" },
    }
}

/// What is wrong with an account that Entra ID gives no token.
fn problem_kind(error: &str, number: Option<u32>) -> ProblemKind {
    match number {
        Some(50_105 | 65_001 | 65_004 | 65_005 | 90_094) => ProblemKind::ConsentWithdrawn,
        Some(50_034 | 50_053 | 50_057) => ProblemKind::AccountGone,
        Some(
            16_000 | 50_055 | 50_058 | 50_072 | 50_074 | 50_076 | 50_078 | 50_079 | 50_089 | 50_158 | 53_000 | 53_001 | 53_003
            | 70_043 | 530_003,
        ) => ProblemKind::InteractionRequired,
        _ if error == "consent_required" => ProblemKind::ConsentWithdrawn,
        _ if matches!(error, "interaction_required" | "login_required") => ProblemKind::InteractionRequired,
        _ => ProblemKind::RefreshRefused,
    }
}

fn aadsts(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sorted_by_what_helps() {
        let check = |error: &str, description: &str, whose: Whose, expected: &str| {
            let sorted = match refusal(error, Some(description), whose) {
                Error::SignInAgain { .. } => "sign in",
                Error::NotApproved { .. } => "not approved",
                Error::Unreachable { .. } => "later",
                Error::Misconfigured { .. } => "operator",
                Error::WrongPlace { .. } | Error::Throttled { .. } => "?",
            };
            assert_eq!(sorted, expected, "{error} {description} {whose:?}");
        };
        check("invalid_grant", "AADSTS50173: The provided grant has expired", Whose::Account, "sign in");
        check("invalid_grant", "AADSTS700082: The refresh token has expired", Whose::Account, "sign in");
        check("interaction_required", "AADSTS50076: use multi-factor", Whose::Account, "sign in");
        check("invalid_request", "AADSTS50078: MFA expired", Whose::Account, "sign in");
        check("invalid_grant", "", Whose::Account, "sign in");
        check("invalid_client", "AADSTS7000218: body must contain client_assertion", Whose::Account, "operator");
        check("invalid_client", "AADSTS7000215: Invalid client secret", Whose::App, "operator");
        check("unauthorized_client", "AADSTS700016: not found", Whose::App, "operator");
        check("invalid_grant", "AADSTS50173", Whose::App, "operator");
        check("invalid_scope", "AADSTS1002012", Whose::App, "operator");
        check("temporarily_unavailable", "AADSTS90033", Whose::App, "later");
        check("authorization_declined", "AADSTS70018", Whose::Account, "not approved");
        check("expired_token", "AADSTS70020", Whose::Account, "not approved");
    }

    #[test]
    fn what_is_wrong_with_an_account_is_told_by_the_code() {
        let check = |error: &str, description: &str, expected| {
            let Error::SignInAgain { kind, .. } = refusal(error, Some(description), Whose::Account) else { panic!("{error}") };
            assert_eq!(kind, expected, "{error} {description}");
        };
        check("invalid_grant", "AADSTS50173: The provided grant has expired", ProblemKind::RefreshRefused);
        check("invalid_grant", "AADSTS700082: The refresh token has expired", ProblemKind::RefreshRefused);
        check("invalid_grant", "", ProblemKind::RefreshRefused);
        check("interaction_required", "AADSTS50078: MFA expired", ProblemKind::InteractionRequired);
        check("invalid_grant", "AADSTS50076: use multi-factor", ProblemKind::InteractionRequired);
        check("interaction_required", "AADSTS99999", ProblemKind::InteractionRequired);
        check("invalid_grant", "AADSTS53003: blocked by conditional access", ProblemKind::InteractionRequired);
        check("invalid_grant", "AADSTS65001: not consented", ProblemKind::ConsentWithdrawn);
        check("consent_required", "", ProblemKind::ConsentWithdrawn);
        check("invalid_grant", "AADSTS50057: The user account is disabled", ProblemKind::AccountGone);
        check("invalid_grant", "AADSTS50034: no such account", ProblemKind::AccountGone);
    }

    #[test]
    fn a_refusal_repeats_the_number_and_nothing_else() {
        let told = refusal("invalid_grant", Some("AADSTS50076: alice@example.com must"), Whose::Account).to_string();
        assert!(told.contains("invalid_grant, AADSTS50076") && !told.contains("alice"), "{told}");
    }
}
