//! The calls of the port that ask once and get one answer.

use reqwest::{Method, StatusCode};

use super::gate::Kind;
use super::readable::Readable;
use super::transport::{Concerns, Question, contract, drain, parsed};
use super::{XPhone, wire};
use crate::domain::ids::UserGuid;
use crate::xphone::Error;
use crate::xphone::values::{Appointment, Capabilities, ListedAppointment, Location, PresenceState, Snapshot, User, UsersPage};

/// The contract we speak.
const CONTRACT_VERSION: i64 = 1;
/// The most users that the server gives at a time.
const USERS_PER_PAGE_MAX: u16 = 1000;
/// Far more than the product serves: a server that never comes to its last page is broken.
const PAGES_MAX: usize = 2000;

impl XPhone {
    /// What the server can.
    ///
    /// # Errors
    /// `Contract` if it does not speak contract version 1; and as all calls fail.
    pub(in crate::xphone) async fn capabilities(&self) -> Result<Capabilities, Error> {
        const CALL: &str = "server/capabilities";
        let answer: Box<serde_json::value::RawValue> = self.get(CALL, &["server", "capabilities"], &[]).await?;
        let version: wire::ContractVersion = parsed(CALL, answer.get().as_bytes())?;
        if version.contract_version != CONTRACT_VERSION {
            let spoken = version.contract_version;
            return Err(contract(CALL, format!("contract version {spoken}, while we speak {CONTRACT_VERSION}")));
        }
        parsed::<wire::Capabilities>(CALL, answer.get().as_bytes()).map(Into::into)
    }

    /// How this server names the fixed presence statuses.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub(in crate::xphone) async fn presence_states(&self) -> Result<Vec<PresenceState>, Error> {
        let states: Vec<wire::PresenceState> = self.get("presenceStates", &["presenceStates"], &[]).await?;
        Ok(states.into_iter().map(Into::into).collect())
    }

    /// All locations with their configuration groups.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub(in crate::xphone) async fn locations(&self) -> Result<Vec<Location>, Error> {
        let locations: Vec<wire::Location> = self.get("locations", &["locations"], &[]).await?;
        Ok(locations.into_iter().map(Into::into).collect())
    }

    /// Up to `limit` users (1 to 1000; other numbers are brought within) after the one given, or from the first. Users that
    /// cannot be read are passed over.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub(in crate::xphone) async fn users_page(&self, after: Option<UserGuid>, limit: u16) -> Result<UsersPage, Error> {
        let limit = limit.clamp(1, USERS_PER_PAGE_MAX).to_string();
        let after = after.map(|after| after.to_string());
        let mut query = vec![("limit", limit.as_str())];
        if let Some(after) = &after {
            query.push(("after", after));
        }
        let page: wire::UsersPage = self.get("users", &["users"], &query).await?;
        Ok(page.into())
    }

    /// All users, page by page.
    ///
    /// # Errors
    /// `Contract` if the pages do not end; and as all calls fail, then without any user.
    pub(in crate::xphone) async fn users(&self) -> Result<Vec<User>, Error> {
        let mut users = Vec::new();
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let page = self.users_page(after, USERS_PER_PAGE_MAX).await?;
            users.extend(page.users);
            match page.next {
                None => return Ok(users),
                next if next == after => break,
                next => after = next,
            }
        }
        Err(contract("users", "pages that do not end"))
    }

    /// Everybody's presence, and the event sequence it stands at. Entries that cannot be read are passed over.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub(in crate::xphone) async fn presence(&self) -> Result<Snapshot, Error> {
        let snapshot: wire::Snapshot = self.get("presence", &["presence"], &[]).await?;
        Ok(snapshot.into())
    }

    /// Every user's appointments of this origin. Those that cannot be read are passed over.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub(in crate::xphone) async fn appointments(&self, origin: &str) -> Result<Vec<ListedAppointment>, Error> {
        const CALL: &str = "appointments";
        let listed: Readable<wire::ListedAppointment> = self.get(CALL, &["appointments"], &[("origin", origin)]).await?;
        Ok(listed.into_values(CALL))
    }

    /// Sets a user's appointment under this key, in place of what was there; may be repeated.
    ///
    /// # Errors
    /// `Refused`, about this user: 404 no such user, 409 the key belongs to another origin, 422 no such profile or status;
    /// and as all calls fail.
    pub(in crate::xphone) async fn put_appointment(
        &self,
        user: UserGuid,
        key: &str,
        appointment: &Appointment,
    ) -> Result<(), Error> {
        let body = serde_json::to_vec(&wire::Appointment::from(appointment))
            .map_err(|_| contract("put appointment", "our own question cannot be written"))?;
        let question = self.about_appointment("put appointment", Method::PUT, user, key, Some(body));
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        drain(self.transport.sorted(&question, response).await?).await;
        Ok(())
    }

    /// Removes a user's appointment under this key; may be repeated, and is done where nothing was there.
    ///
    /// # Errors
    /// `Refused`, about this user: 409 the key belongs to another origin; and as all calls fail.
    pub(in crate::xphone) async fn delete_appointment(&self, user: UserGuid, key: &str) -> Result<(), Error> {
        let question = self.about_appointment("delete appointment", Method::DELETE, user, key, None);
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        drain(self.transport.sorted(&question, response).await?).await;
        Ok(())
    }

    fn about_appointment(
        &self,
        call: &'static str,
        method: Method,
        user: UserGuid,
        key: &str,
        body: Option<Vec<u8>>,
    ) -> Question {
        let url = self.transport.url(&["users", &user.to_string(), "appointments", key]);
        Question { call, method, url, body, concerns: Concerns::One, kind: Kind::AppointmentWrites }
    }
}
