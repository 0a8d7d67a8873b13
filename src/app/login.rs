//! The sign-in pages' way to Entra ID: the one place where a request waits for somebody else's server.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::timeout;
use url::Url;

use crate::graph::token::{self, Error, People, Person, PersonError, Realm};
use crate::http::sign_in::{Login, LoginData, NotSignedIn, Question, SignedIn};
use crate::tasks::driver::chain;

/// A person waits: the page must come before the listener gives the request up.
const IDENTIFIED_WITHIN: Duration = Duration::from_secs(8);
/// The link does not depend on it.
const REALM_WITHIN: Duration = Duration::from_secs(4);

/// Signs people in at Entra ID.
pub struct EntraLogin {
    /// Who asks there.
    pub people: Arc<People>,
}

impl Login for EntraLogin {
    fn address(&self, question: Question<'_>) -> Url {
        let Question { state, nonce, verifier, remember } = question;
        self.people.address(token::Question { state, nonce, verifier, remember })
    }

    fn identify<'a>(&'a self, code: &'a str, question: Question<'a>) -> BoxFuture<'a, Result<SignedIn, NotSignedIn>> {
        async move {
            let identified = self.people.identify(code, question.verifier, question.nonce);
            let identified = timeout(IDENTIFIED_WITHIN, identified).await.map_err(|_| NotSignedIn::Later)?;
            let person = identified.map_err(|error| sorted(&error))?;
            let login = self.login_data(&person).await;
            Ok(SignedIn { account: person.id, name: person.user_principal_name, login })
        }
        .boxed()
    }
}

impl EntraLogin {
    /// Only what Entra ID itself gave to its own account is offered; in doubt nothing is.
    async fn login_data(&self, person: &Person) -> LoginData {
        let (Some(refresh_token), Some(name)) = (&person.refresh_token, &person.user_principal_name) else {
            return LoginData::None;
        };
        match timeout(REALM_WITHIN, self.people.realm(name)).await {
            Ok(Ok(Realm::Managed)) => LoginData::Given(refresh_token.clone()),
            Ok(Ok(Realm::Federated)) => LoginData::Federated,
            Ok(Ok(Realm::Unknown)) | Err(_) => LoginData::Unclear,
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "Entra ID does not say how an account signs in; its login data is not kept");
                LoginData::Unclear
            }
        }
    }
}

fn sorted(error: &PersonError) -> NotSignedIn {
    let told = match error {
        PersonError::OtherTenant => return NotSignedIn::OtherTenant,
        PersonError::Token(Error::SignInAgain { .. } | Error::NotApproved { .. }) => NotSignedIn::Again,
        PersonError::NotGenuine(_) => NotSignedIn::Forged,
        PersonError::Keys(_) | PersonError::Token(Error::Throttled { .. } | Error::Unreachable { .. }) => NotSignedIn::Later,
        PersonError::Token(Error::Misconfigured { .. } | Error::WrongPlace { .. }) => NotSignedIn::Refused,
    };
    tracing::warn!(error = %chain(error), "a sign-in failed");
    told
}
