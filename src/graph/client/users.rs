//! The tenant's users, as far as matching them needs.

use reqwest::Method;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::{Bearer, Client, Endpoint, Error};
use crate::domain::ids::TeamsUserId;

const FIRST_PAGE: &str = "users?$select=id,userPrincipalName,mail,accountEnabled&$top=999";

/// A user of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphUser {
    /// The object id.
    pub id: TeamsUserId,
    /// The name to sign in with.
    pub user_principal_name: Option<String>,
    /// The e-mail address.
    pub mail: Option<String>,
    /// Whether the account may sign in; true unless Graph says otherwise.
    pub account_enabled: bool,
}

/// Some users, and where to go on.
#[derive(Debug)]
pub struct UsersPage {
    /// Up to 999.
    pub users: Vec<GraphUser>,
    /// The next page; `None`: this was the last.
    pub next: Option<NextLink>,
}

/// A link to a next page, known to lead to Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextLink(Url);

#[derive(Deserialize)]
struct Page {
    value: Vec<WireUser>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUser {
    id: Uuid,
    user_principal_name: Option<String>,
    mail: Option<String>,
    account_enabled: Option<bool>,
}

impl Client {
    /// Reads one page of the tenant's users: the first, or the one a previous page led to.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::StrangeLink`] when the page leads away from Graph.
    pub async fn users_page(&self, next: Option<&NextLink>) -> Result<UsersPage, Error> {
        let request = match next {
            Some(link) => self.http.get(link.0.clone()),
            None => self.request(Method::GET, FIRST_PAGE),
        };
        let page: Page = self.ask(Endpoint::Users, Bearer::App, request).await?;
        let next = page.next.map(|link| self.next_link(&link)).transpose()?;
        Ok(UsersPage { users: page.value.into_iter().map(GraphUser::from).collect(), next })
    }

    /// Believes a link only if it leads where our token belongs.
    pub(super) fn next_link(&self, link: &str) -> Result<NextLink, Error> {
        let link: Url = link.parse().map_err(|_| Error::StrangeLink)?;
        let is_ours = link.origin() == self.base_url.origin() && link.username().is_empty() && link.password().is_none();
        if is_ours { Ok(NextLink(link)) } else { Err(Error::StrangeLink) }
    }
}

impl NextLink {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl From<WireUser> for GraphUser {
    fn from(user: WireUser) -> Self {
        Self {
            id: TeamsUserId(user.id),
            user_principal_name: user.user_principal_name.filter(|name| !name.is_empty()),
            mail: user.mail.filter(|mail| !mail.is_empty()),
            account_enabled: user.account_enabled.unwrap_or(true),
        }
    }
}
