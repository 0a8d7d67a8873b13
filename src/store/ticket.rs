//! Tickets: one-time addresses with which users link their own Teams account.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::SecretString;

use super::audit::Actor;
use super::directory::link::lock_link;
use super::secret::{RANDOM_CHARACTERS, hash, random};
use super::{Store, StoreError, Tx};
use crate::domain::ids::UserGuid;

/// How a ticket begins.
const PREFIX: &str = "pgs_";
/// How long a ticket is good.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Whoever opened the address in time may take this long to sign in.
pub const SIGN_IN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Tickets of one user that are good at a time; one more ends the oldest.
const TICKETS_MAX: i64 = 10;

/// A ticket that is good, and what its user needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose account is linked with it.
    pub user: UserGuid,
    /// What XPhone calls them, their name with their address, to tell them whose account it is.
    pub called: Option<String>,
    /// Whether what holds for the user says to remember login data.
    pub remembers_login: bool,
    /// Who made it.
    pub maker: Maker,
}

/// Who made a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Whoever made it may not take an account that is somebody else's: the user alone, or somebody who reaches one location only.
    pub takes_nothing: bool,
    /// As the audit log calls them; `None`: it was not noted.
    pub kind: Option<String>,
    /// Which token, which person.
    pub name: Option<String>,
}

impl Maker {
    /// Whoever asks for a ticket, and whether with it they may take an account that is somebody else's.
    #[must_use]
    pub fn new(actor: &Actor, takes_nothing: bool) -> Self {
        Self { takes_nothing, kind: Some(actor.kind().to_owned()), name: actor.name().map(str::to_owned) }
    }
}

/// Whether this can be a ticket at all: what cannot is not looked up.
#[must_use]
pub fn is_ticket(text: &str) -> bool {
    let random = text.strip_prefix(PREFIX).unwrap_or_default();
    random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Makes a ticket for a user, and tells it this once.
///
/// # Errors
/// Postgres could not, the user is gone, or the system gives no random numbers.
pub async fn make_ticket(
    tx: &mut Tx<'_>,
    user: UserGuid,
    maker: &Maker,
    now: Timestamp,
) -> Result<(SecretString, Timestamp), StoreError> {
    let ticket = random(PREFIX)?;
    let expires_at = now + TICKET_LIFE;
    let made = sqlx::query!(
        "insert into sign_in_ticket (hash, user_guid, made_at, expires_at, is_own, maker_kind, maker_name)
         values ($1, $2, $3, $4, $5, $6, $7)",
        hash(&ticket),
        user.0,
        now.to_sqlx(),
        expires_at.to_sqlx(),
        maker.takes_nothing,
        maker.kind.as_deref(),
        maker.name.as_deref(),
    );
    made.execute(&mut **tx).await?;
    sqlx::query!(
        "delete from sign_in_ticket where hash in
             (select hash from sign_in_ticket where user_guid = $1 order by made_at desc, hash <> $3 offset $2)",
        user.0,
        TICKETS_MAX,
        hash(&ticket),
    )
    .execute(&mut **tx)
    .await?;
    Ok((SecretString::from(ticket), expires_at))
}

/// Uses a ticket up, if it is good, or was when the sign-in can have begun; nobody else can before this transaction ends.
///
/// The user is locked before the ticket, as by whoever removes a user and with it the tickets: neither waits for the other in turn.
///
/// # Errors
/// Postgres could not.
pub async fn use_ticket(tx: &mut Tx<'_>, ticket: &str, now: Timestamp) -> Result<Option<Ticket>, StoreError> {
    let whose = sqlx::query_scalar!("select user_guid from sign_in_ticket where hash = $1", hash(ticket));
    let Some(user) = whose.fetch_optional(&mut **tx).await? else { return Ok(None) };
    if lock_link(tx, UserGuid(user)).await?.is_none() {
        return Ok(None);
    }
    let marked = sqlx::query!(
        "update sign_in_ticket set used_at = $2 where hash = $1 and used_at is null and expires_at > $3
         returning is_own, maker_kind, maker_name",
        hash(ticket),
        now.to_sqlx(),
        (now - SIGN_IN_LIFE).to_sqlx(),
    );
    let Some(marked) = marked.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let maker = Maker { takes_nothing: marked.is_own, kind: marked.maker_kind, name: marked.maker_name };
    let person = sqlx::query!(
        r#"select p.name, p.email, e.remember_login_data as "remembers!"
           from person p join person_policy e on e.user_guid = p.guid where p.guid = $1"#,
        user,
    );
    let person = person.fetch_one(&mut **tx).await?;
    let called = called(person.name, person.email);
    Ok(Some(Ticket { user: UserGuid(user), called, remembers_login: person.remembers, maker }))
}

/// Those whom an address must be made for have no address in XPhone, or share theirs: alone it would not tell whose account it is.
fn called(name: String, email: Option<String>) -> Option<String> {
    match email {
        Some(email) if name.is_empty() || name == email => Some(email),
        Some(email) => Some(format!("{name} ({email})")),
        None => (!name.is_empty()).then_some(name),
    }
}

impl Store {
    /// A ticket that is good now; opening its address uses nothing up.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn ticket(&self, ticket: &str, now: Timestamp) -> Result<Option<Ticket>, StoreError> {
        let found = sqlx::query!(
            r#"select t.user_guid, t.is_own, t.maker_kind, t.maker_name, p.name, p.email, e.remember_login_data as "remembers!"
               from sign_in_ticket t join person p on p.guid = t.user_guid join person_policy e on e.user_guid = p.guid
               where t.hash = $1 and t.used_at is null and t.expires_at > $2"#,
            hash(ticket),
            now.to_sqlx(),
        );
        let found = found.fetch_optional(&self.pool).await?;
        Ok(found.map(|row| Ticket {
            user: UserGuid(row.user_guid),
            called: called(row.name, row.email),
            remembers_login: row.remembers,
            maker: Maker { takes_nothing: row.is_own, kind: row.maker_kind, name: row.maker_name },
        }))
    }

    /// Whether a link could be made with this ticket now, by whoever opened its address in time.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn can_be_used(&self, ticket: &str, now: Timestamp) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"select exists (select from sign_in_ticket where hash = $1 and used_at is null and expires_at > $2) as "exists!""#,
            hash(ticket),
            (now - SIGN_IN_LIFE).to_sqlx(),
        );
        Ok(found.fetch_one(&self.pool).await?)
    }

    /// Forgets tickets that nobody can use any more.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_tickets(&self, now: Timestamp) -> Result<(), StoreError> {
        let gone = sqlx::query!("delete from sign_in_ticket where expires_at <= $1", (now - SIGN_IN_LIFE).to_sqlx());
        gone.execute(&self.pool).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_calls_people() {
        let check = |name: &str, email: Option<&str>, expected: Option<&str>| {
            assert_eq!(called(name.to_owned(), email.map(str::to_owned)).as_deref(), expected, "{name:?} {email:?}");
        };
        check("Anna Adler", Some("anna@example.com"), Some("Anna Adler (anna@example.com)"));
        check("anna@example.com", Some("anna@example.com"), Some("anna@example.com"));
        check("", Some("anna@example.com"), Some("anna@example.com"));
        check("Gina Gruber", None, Some("Gina Gruber"));
        check("", None, None);
    }

    #[test]
    fn what_can_be_a_ticket() {
        let check = |text: &str, expected| assert_eq!(is_ticket(text), expected, "{text}");
        check(&random(PREFIX).unwrap(), true);
        check(&random("pgw_").unwrap(), false);
        check("", false);
        check("pgs_", false);
        check(&format!("pgs_{}", "x".repeat(42)), false);
        check(&format!("pgs_{}<", "x".repeat(42)), false);
    }
}
