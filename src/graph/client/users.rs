//! The tenant's users, as far as matching them needs: read once, then followed by what changes.

use std::fmt;

use reqwest::Method;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;
use uuid::Uuid;

use super::{Bearer, Call, Class, Client, Endpoint, Error};
use crate::domain::directory::{TeamsChange, Told};
use crate::domain::ids::TeamsUserId;

/// Asked once; Graph repeats what was selected inside its links.
const FROM_THE_BEGINNING: &str = "users/delta?$select=id,userPrincipalName,mail,accountEnabled";

/// Some changes, and where to go on.
#[derive(Debug)]
pub struct ChangesPage {
    /// In the order in which they are told; `None`: the user is gone. The same user may come more than once.
    pub users: Vec<(TeamsUserId, Option<TeamsChange>)>,
    /// Where to go on.
    pub next: Next,
}

/// Where to go on after some changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more.
    Page(NextLink),
    /// That was all; what changes from now on will be told here.
    Later(NextLink),
}

/// A link to go on with, known to lead to Graph. It holds a token that says from where.
#[derive(Clone, PartialEq, Eq)]
pub struct NextLink(Url);

#[derive(Deserialize)]
struct Page {
    value: Vec<WireUser>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    later: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUser {
    id: Uuid,
    /// `changed`: may be restored within 30 days; `deleted`: for good. Either way the user is gone.
    #[serde(rename = "@removed")]
    removed: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "told")]
    user_principal_name: Told<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    mail: Told<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    account_enabled: Told<Option<bool>>,
}

/// What is there was told, be it null.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Told<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Told::Now)
}

impl Client {
    /// Reads one page of changes: everybody from the beginning, or what a previous page led to.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::StrangeLink`] when the page leads away from Graph. A link that Graph no longer knows is
    /// [refused](Error::is_about_a_lost_place): then only the beginning is left.
    pub async fn users_changes(&self, from: Option<&NextLink>) -> Result<ChangesPage, Error> {
        let request = match from {
            Some(link) => self.http.get(link.0.clone()),
            None => self.request(Method::GET, FROM_THE_BEGINNING),
        };
        let page: Page = self.ask(Call { endpoint: Endpoint::Users, class: Class::Directory }, Bearer::App, request).await?;
        let next = match (page.next, page.later) {
            (Some(link), _) => Next::Page(self.next_link(&link)?),
            (None, Some(link)) => Next::Later(self.next_link(&link)?),
            (None, None) => return Err(Error::unclear(Endpoint::Users, serde_json::Error::custom("it leads nowhere"))),
        };
        Ok(ChangesPage { users: page.value.into_iter().map(WireUser::change).collect(), next })
    }

    /// Believes a link only if it leads where our token belongs.
    ///
    /// # Errors
    /// [`Error::StrangeLink`].
    pub fn next_link(&self, link: &str) -> Result<NextLink, Error> {
        let link: Url = link.parse().map_err(|_| Error::StrangeLink)?;
        let is_ours = link.origin() == self.base_url.origin() && link.username().is_empty() && link.password().is_none();
        if is_ours { Ok(NextLink(link)) } else { Err(Error::StrangeLink) }
    }
}

impl NextLink {
    /// The link itself, to be kept; whoever has it learns nothing without an access token.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for NextLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextLink(..)")
    }
}

impl WireUser {
    fn change(self) -> (TeamsUserId, Option<TeamsChange>) {
        let change = TeamsChange {
            user_principal_name: filled(self.user_principal_name),
            mail: filled(self.mail),
            // True unless Graph says otherwise.
            enabled: match self.account_enabled {
                Told::Unchanged => Told::Unchanged,
                Told::Now(enabled) => Told::Now(enabled.unwrap_or(true)),
            },
        };
        (TeamsUserId(self.id), self.removed.is_none().then_some(change))
    }
}

/// An empty text is none.
fn filled(text: Told<Option<String>>) -> Told<Option<String>> {
    match text {
        Told::Unchanged => Told::Unchanged,
        Told::Now(text) => Told::Now(text.filter(|text| !text.is_empty())),
    }
}
