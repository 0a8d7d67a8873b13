//! Looks that change nothing, for whoever wants to know whether the database is well.

use jiff::Timestamp;
use uuid::Uuid;

use super::sealed::{self, Purpose};
use super::{Store, StoreError};
use crate::config::SealingKeys;
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Whether what is sealed opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Sealed values, all in all.
    pub total: usize,
    /// Those that only an earlier key opens.
    pub by_previous: usize,
    /// Those that no key opens.
    pub closed: usize,
    /// Among those the key of the pseudonyms in exports of the audit log, which no sign-in makes anew.
    pub pseudonyms_closed: bool,
}

impl Store {
    /// Postgres' own version number: 150004 is 15.4.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn server_version(&self) -> Result<i32, StoreError> {
        let number = sqlx::query_scalar!(r#"select current_setting('server_version_num')::int4 as "number!""#);
        Ok(number.fetch_one(&self.pool).await?)
    }

    /// What Postgres' clock shows.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn time(&self) -> Result<Timestamp, StoreError> {
        let time = sqlx::query_scalar!(r#"select clock_timestamp() as "time!""#).fetch_one(&self.pool).await?;
        Ok(time.to_jiff())
    }

    /// Tries the keys on everything that is sealed.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn inspect_sealed(&self) -> Result<Sealed, StoreError> {
        let rows = sqlx::query!(
            r#"select 'refresh token' as "kind!", refresh_token as "sealed!", null::uuid as user_guid, null::uuid as teams_id
                   from subscriber_account
               union all select 'private key', private_key, null, null from notification_certificate
               union all select 'client state', client_state, null, null from subscription
               union all select 'people link', link, null, null from teams_feed where link is not null
               union all select 'pseudonym key', key, null, null from pseudonym_key
               union all select 'kept login', refresh_token, user_guid, teams_id from kept_login where refresh_token is not null"#
        );
        let mut found = Sealed::default();
        for row in rows.fetch_all(&self.pool).await? {
            let Some(purpose) = purpose(&row.kind, row.user_guid.zip(row.teams_id)) else { continue };
            found.total += 1;
            let current = SealingKeys { current: self.keys.current.clone(), previous: Vec::new() };
            if sealed::open(&current, purpose, &row.sealed).is_err() {
                if sealed::open(&self.keys, purpose, &row.sealed).is_ok() {
                    found.by_previous += 1;
                } else {
                    found.closed += 1;
                    found.pseudonyms_closed |= matches!(purpose, Purpose::PseudonymKey);
                }
            }
        }
        Ok(found)
    }
}

fn purpose(kind: &str, whose: Option<(Uuid, Uuid)>) -> Option<Purpose> {
    match kind {
        "refresh token" => Some(Purpose::RefreshToken),
        "private key" => Some(Purpose::PrivateKey),
        "client state" => Some(Purpose::ClientState),
        "people link" => Some(Purpose::PeopleLink),
        "pseudonym key" => Some(Purpose::PseudonymKey),
        _ => whose.map(|(user, teams)| Purpose::KeptLogin(UserGuid(user), TeamsUserId(teams))),
    }
}
