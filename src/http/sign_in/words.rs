//! What the pages say, in English and in German: for whom the link is, what was linked, or what went wrong and what to do.

use std::time::Duration;

use axum::http::StatusCode;

use super::language::Language;

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing has happened yet: whether this person is the XPhone user of this address.
    Asked {
        user: Option<String>,
    },
    Linked(Linked),
    Failed(Failure),
}

/// What was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The Teams account's name.
    pub account: Option<String>,
    /// What XPhone calls its user.
    pub user: Option<String>,
    pub login: Login,
}

/// Why nothing was linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Used, expired, or never made.
    TicketGone,
    /// The person declined, or may not consent.
    Denied,
    OtherTenant,
    /// Somebody else is linked to the account.
    AccountTaken,
    /// Teams' directory does not have it.
    AccountUnknown,
    AccountDisabled,
    /// The browser brought back what does not belong together.
    BeginAgain,
    LoginServerAway(Duration),
    LoginServerRefuses,
    /// What it says of who signed in is not its word.
    NotBelieved,
    GatewayAway,
    TooMany(Duration),
}

/// What became of the login data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The policy does not want it.
    NotWanted,
    Kept,
    /// It cannot be.
    Federated,
    /// It was not, because nobody said that it can be.
    Unclear,
}

impl Message {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Asked { .. } | Self::Linked(_) => StatusCode::OK,
            Self::Failed(failure) => failure.status(),
        }
    }

    /// Stable text for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Linked(_) => "linked",
            Self::Failed(failure) => failure.label(),
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(Failure::LoginServerAway(wait) | Failure::TooMany(wait)) => Some(*wait),
            _ => None,
        }
    }

    /// What the page's button says, if it has one.
    pub fn button(&self, language: Language) -> Option<&'static str> {
        matches!(self, Self::Asked { .. }).then_some(match language {
            Language::English => "That is me: sign in",
            Language::German => "Das bin ich: anmelden",
        })
    }

    /// The title, and the paragraphs under it; plain text.
    pub fn words(&self, language: Language) -> (&'static str, Vec<String>) {
        let failure = match self {
            Self::Asked { user } => return asked(user.as_deref(), language),
            Self::Linked(linked) => return linked.words(language),
            Self::Failed(failure) => failure,
        };
        let (title, text, what_to_do) = match language {
            Language::English => failure.english(),
            Language::German => failure.german(),
        };
        (title, vec![text.to_owned(), what_to_do.to_owned()])
    }
}

fn asked(user: Option<&str>, language: Language) -> (&'static str, Vec<String>) {
    let (title, what, whose) = match language {
        Language::English => (
            "Link your Teams account?",
            format!(
                "The Teams account with which you sign in next is linked to the XPhone user {}. Each then shows when you are on the \
                 phone in the other, as far as your organisation wants that.",
                user.unwrap_or("for whom this link was made")
            ),
            "Go on only if that XPhone user is you. If it is not, close this page, even if somebody you know sent you the link: \
             nothing is linked then.",
        ),
        Language::German => (
            "Teams-Konto verknüpfen?",
            format!(
                "Sie verknüpfen das Teams-Konto, mit dem Sie sich gleich anmelden, mit dem XPhone-Benutzer {}. Dann zeigt jedes der \
                 beiden, wenn Sie im anderen telefonieren, soweit Ihre Organisation das will.",
                user.unwrap_or("dieses Links")
            ),
            "Fahren Sie nur fort, wenn Sie dieser XPhone-Benutzer sind. Sind Sie es nicht, schließen Sie diese Seite, auch wenn jemand, \
             den Sie kennen, Ihnen den Link geschickt hat: Dann wird nichts verknüpft.",
        ),
    };
    (title, vec![what, whose.to_owned()])
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Self::TicketGone => StatusCode::GONE,
            Self::Denied | Self::OtherTenant => StatusCode::FORBIDDEN,
            Self::AccountTaken | Self::AccountUnknown | Self::AccountDisabled => StatusCode::CONFLICT,
            Self::BeginAgain => StatusCode::BAD_REQUEST,
            Self::LoginServerRefuses | Self::NotBelieved => StatusCode::BAD_GATEWAY,
            Self::LoginServerAway(_) | Self::GatewayAway => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::TicketGone => "ticket_gone",
            Self::Denied => "denied",
            Self::OtherTenant => "other_tenant",
            Self::AccountTaken => "account_taken",
            Self::AccountUnknown => "account_unknown",
            Self::AccountDisabled => "account_disabled",
            Self::BeginAgain => "begin_again",
            Self::LoginServerAway(_) => "login_server_away",
            Self::LoginServerRefuses => "login_server_refuses",
            Self::NotBelieved => "not_believed",
            Self::GatewayAway => "gateway_away",
            Self::TooMany(_) => "too_many",
        }
    }

    fn english(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::TicketGone => (
                "This link is no longer valid",
                "It has been used, or it is older than an hour.",
                "Ask whoever sent it to you for a new one. If you have linked your account with it already, there is nothing to do.",
            ),
            Self::Denied => (
                "You did not agree",
                "Microsoft says that the sign-in was declined. Nothing was linked.",
                "Open the link again if that was a mistake. If you were not asked, your organisation does not let you agree: tell your administrator.",
            ),
            Self::OtherTenant => (
                "This is an account of another organisation",
                "You signed in with an account that does not belong to the organisation whose Teams is connected here. Nothing was linked.",
                "Open the link again and choose the account with which you use Teams at work.",
            ),
            Self::AccountTaken => (
                "This account is linked to somebody else",
                "The Teams account you signed in with belongs to another XPhone user. Nothing was linked.",
                "Open the link again and choose your own account. If it is yours, tell your administrator, who can take the other link away.",
            ),
            Self::AccountUnknown => (
                "This account is not known yet",
                "The Teams account you signed in with is not in the directory that is read here. Nothing was linked.",
                "If the account is new, open the link again in a few minutes. Otherwise tell your administrator.",
            ),
            Self::AccountDisabled => (
                "This account is disabled",
                "The Teams account you signed in with may not be used. Nothing was linked.",
                "Open the link again and choose another account, or tell your administrator.",
            ),
            Self::BeginAgain => (
                "Please begin again",
                "This sign-in does not belong to a link that was opened in this browser just now, or it took too long. Nothing was linked.",
                "Open the link you were given again, in one browser window, and allow cookies for this page.",
            ),
            Self::LoginServerAway(_) => (
                "Microsoft does not answer",
                "Microsoft's sign-in cannot be reached just now. Nothing was linked.",
                "Open the link again in a minute.",
            ),
            Self::LoginServerRefuses => (
                "The sign-in is not set up correctly",
                "Microsoft does not accept how this page asks it. Nothing was linked.",
                "You can do nothing about that. Tell your administrator, who finds the reason in the log.",
            ),
            Self::NotBelieved => (
                "The sign-in could not be verified",
                "What came back from the sign-in is not to be trusted. Nothing was linked. You did nothing wrong.",
                "Try again once. If it happens again, tell your administrator, who finds the reason in the log.",
            ),
            Self::GatewayAway => (
                "That did not work",
                "Something is out of order here just now. Nothing was linked.",
                "Open the link again in a minute. If it does not help, tell your administrator.",
            ),
            Self::TooMany(_) => {
                ("Too many requests", "This page is asked for too often just now.", "Open the link again in a minute.")
            }
        }
    }

    fn german(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::TicketGone => (
                "Dieser Link gilt nicht mehr",
                "Er wurde bereits benutzt oder ist älter als eine Stunde.",
                "Bitten Sie um einen neuen, wo Sie ihn erhalten haben. Haben Sie Ihr Konto schon damit verknüpft, ist nichts zu tun.",
            ),
            Self::Denied => (
                "Sie haben nicht zugestimmt",
                "Laut Microsoft wurde die Anmeldung abgelehnt. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link erneut, falls das ein Versehen war. Wurden Sie nicht gefragt, lässt Ihre Organisation keine Zustimmung zu: Wenden Sie sich an Ihre Administration.",
            ),
            Self::OtherTenant => (
                "Dieses Konto gehört zu einer anderen Organisation",
                "Sie haben sich mit einem Konto angemeldet, das nicht zu der Organisation gehört, deren Teams hier angebunden ist. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link erneut und wählen Sie das Konto, mit dem Sie Teams bei der Arbeit benutzen.",
            ),
            Self::AccountTaken => (
                "Dieses Konto ist mit jemand anderem verknüpft",
                "Das Teams-Konto, mit dem Sie sich angemeldet haben, gehört zu einem anderen XPhone-Benutzer. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link erneut und wählen Sie Ihr eigenes Konto. Ist es Ihres, wenden Sie sich an Ihre Administration: Sie kann die andere Verknüpfung aufheben.",
            ),
            Self::AccountUnknown => (
                "Dieses Konto ist noch nicht bekannt",
                "Das Teams-Konto, mit dem Sie sich angemeldet haben, steht nicht in dem Verzeichnis, das hier gelesen wird. Es wurde nichts verknüpft.",
                "Ist das Konto neu, öffnen Sie den Link in einigen Minuten erneut. Wenden Sie sich sonst an Ihre Administration.",
            ),
            Self::AccountDisabled => (
                "Dieses Konto ist gesperrt",
                "Das Teams-Konto, mit dem Sie sich angemeldet haben, darf nicht benutzt werden. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link erneut und wählen Sie ein anderes Konto, oder wenden Sie sich an Ihre Administration.",
            ),
            Self::BeginAgain => (
                "Bitte beginnen Sie noch einmal",
                "Diese Anmeldung gehört zu keinem Link, der gerade in diesem Browser geöffnet wurde, oder sie hat zu lange gedauert. Es wurde nichts verknüpft.",
                "Öffnen Sie Ihren Link erneut, in nur einem Browserfenster, und lassen Sie Cookies für diese Seite zu.",
            ),
            Self::LoginServerAway(_) => (
                "Microsoft antwortet nicht",
                "Die Anmeldung bei Microsoft ist gerade nicht erreichbar. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link in einer Minute erneut.",
            ),
            Self::LoginServerRefuses => (
                "Die Anmeldung ist nicht richtig eingerichtet",
                "Microsoft nimmt nicht an, wie diese Seite anfragt. Es wurde nichts verknüpft.",
                "Sie selbst können nichts tun. Wenden Sie sich an Ihre Administration: Der Grund steht im Protokoll.",
            ),
            Self::NotBelieved => (
                "Die Anmeldung ließ sich nicht bestätigen",
                "Was von der Anmeldung zurückkam, ist nicht vertrauenswürdig. Es wurde nichts verknüpft. Sie haben nichts falsch gemacht.",
                "Versuchen Sie es noch einmal. Geschieht es wieder, wenden Sie sich an Ihre Administration: Der Grund steht im Protokoll.",
            ),
            Self::GatewayAway => (
                "Das hat nicht geklappt",
                "Hier ist gerade etwas nicht in Ordnung. Es wurde nichts verknüpft.",
                "Öffnen Sie den Link in einer Minute erneut. Hilft das nicht, wenden Sie sich an Ihre Administration.",
            ),
            Self::TooMany(_) => {
                ("Zu viele Anfragen", "Diese Seite wird gerade zu oft aufgerufen.", "Öffnen Sie den Link in einer Minute erneut.")
            }
        }
    }
}

impl Linked {
    fn words(&self, language: Language) -> (&'static str, Vec<String>) {
        let Self { account, user, login } = self;
        let (title, done, next) = match language {
            Language::English => {
                let (account, user) =
                    (account.as_deref().unwrap_or("you signed in with"), user.as_deref().unwrap_or("whose link this was"));
                let done = format!("The Teams account {account} now belongs to the XPhone user {user}.");
                let next = "Within a minute or so each shows when you are on the phone in the other, as far as your organisation wants that. \
                If the XPhone user is not you, tell your administrator. You can close this page.";
                ("Your account is linked", done, next)
            }
            Language::German => {
                let (account, user) =
                    (account.as_deref().unwrap_or("dieser Anmeldung"), user.as_deref().unwrap_or("dieses Links"));
                let done = format!("Das Teams-Konto {account} gehört jetzt zum XPhone-Benutzer {user}.");
                let next = "In etwa einer Minute zeigt jedes der beiden, wenn Sie im anderen telefonieren, soweit Ihre Organisation das will. \
                Sind Sie nicht dieser XPhone-Benutzer, wenden Sie sich an Ihre Administration. Sie können diese Seite schließen.";
                ("Ihr Konto ist verknüpft", done, next)
            }
        };
        let kept = match language {
            Language::English => login.english(),
            Language::German => login.german(),
        };
        let paragraphs = [Some(done), kept.map(str::to_owned), Some(next.to_owned())];
        (title, paragraphs.into_iter().flatten().collect())
    }
}

impl Login {
    fn english(self) -> Option<&'static str> {
        match self {
            Self::NotWanted => None,
            Self::Kept => Some(
                "As your organisation has set, what keeps you signed in was stored, encrypted. It is used to check now and then that \
                 this account is still yours, and for nothing else. When the link is removed, it is forgotten.",
            ),
            Self::Federated => Some(
                "Your organisation signs you in with a login server of its own, so your login data cannot be stored. The link holds all \
                 the same.",
            ),
            Self::Unclear => Some("Your login data was not stored. The link holds all the same."),
        }
    }

    fn german(self) -> Option<&'static str> {
        match self {
            Self::NotWanted => None,
            Self::Kept => Some(
                "Wie von Ihrer Organisation eingestellt, wurde verschlüsselt gespeichert, was Sie angemeldet hält. Damit wird ab und zu \
                 geprüft, ob dieses Konto noch Ihres ist, sonst nichts. Wird die Verknüpfung entfernt, wird es vergessen.",
            ),
            Self::Federated => Some(
                "Ihre Organisation meldet Sie über einen eigenen Anmeldeserver an. Darum können Ihre Anmeldedaten nicht gespeichert \
                 werden. Die Verknüpfung gilt trotzdem.",
            ),
            Self::Unclear => Some("Ihre Anmeldedaten wurden nicht gespeichert. Die Verknüpfung gilt trotzdem."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_says_what_happened_and_what_to_do_in_both_languages() {
        let wait = Duration::from_mins(1);
        let failures = [
            Failure::TicketGone,
            Failure::Denied,
            Failure::OtherTenant,
            Failure::AccountTaken,
            Failure::AccountUnknown,
            Failure::AccountDisabled,
            Failure::BeginAgain,
            Failure::LoginServerAway(wait),
            Failure::LoginServerRefuses,
            Failure::NotBelieved,
            Failure::GatewayAway,
            Failure::TooMany(wait),
        ];
        let linked = Linked { account: None, user: None, login: Login::Federated };
        let messages = failures.map(Message::Failed).into_iter().chain([Message::Linked(linked), Message::Asked { user: None }]);
        for message in messages {
            let (english, german) = (message.words(Language::English), message.words(Language::German));
            assert_ne!(english.0, german.0);
            for (title, paragraphs) in [english, german] {
                assert!(
                    !title.is_empty() && paragraphs.len() >= 2 && paragraphs.iter().all(|text| text.len() > 20),
                    "{message:?}"
                );
            }
        }
    }
}
