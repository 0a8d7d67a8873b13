//! Asks Postgres: reachable, new enough, its schema, its clock, and whether what is sealed in it opens.

use jiff::SignedDuration;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::expiry::CLOCK_SKEW_TOLERATED;
use crate::store::inspection::Sealed;
use crate::store::sign::Saying;
use crate::store::{Store, StoreError};
use crate::tasks::driver::chain;

/// The oldest release that is tested.
const VERSION_TESTED_MIN: i32 = 15;
/// How far Postgres' clock may be off, and Graph's. The alert `PresenceGatewayClocksApart` has the same numbers: what wakes somebody is not
/// fine here. Decisions compare our times with those that others wrote into the database, and bear a second or two; with Graph's clock only
/// tokens are judged, five minutes of leeway included, and Graph tells its time to the second.
const DATABASE_APART_MAX: SignedDuration = SignedDuration::from_secs(2);
pub(super) const GRAPH_APART_MAX: SignedDuration = SignedDuration::from_secs(30);

/// A database that answers.
pub(super) struct Base {
    pub store: Store,
    /// Whether its tables are what this version knows.
    pub up_to_date: bool,
    /// How many gateways serve from it just now.
    pub gateways: usize,
}

/// Tells what was found; `None`: it does not answer.
pub(super) async fn probe(config: &Config, clock: &Clock, findings: &mut Vec<Finding>) -> Option<Base> {
    let store = match connect(config).await {
        Ok(store) => store,
        Err(failure) => {
            findings.push(failure);
            let rest = ["schema", "database clock", "secrets"];
            findings.extend(rest.map(|probe| Finding::skipped(probe, "the database does not answer")));
            return None;
        }
    };
    let signs = store.signs().await.unwrap_or_default();
    let gateways = signs.iter().filter(|saying| **saying == Saying::Serving).count();
    findings.push(version(&store, gateways).await);
    let (schema, up_to_date) = schema(&store).await;
    findings.push(schema);
    findings.push(skew_to_database(&store, clock).await);
    findings.push(if up_to_date { secrets(&store).await } else { Finding::skipped("secrets", "the tables are not there yet") });
    Some(Base { store, up_to_date, gateways })
}

async fn connect(config: &Config) -> Result<Store, Finding> {
    let unset = || Finding::fail("database", "database.url is not set", "set GATEWAY__DATABASE__URL");
    let url = config.database.url.as_ref().ok_or_else(unset)?;
    // What a check needs, not what a gateway would take.
    let connected = Store::connect(url, 4, config.secrets.clone()).await;
    connected.map_err(|error| fault("database", &error))
}

/// What is wrong, and what helps: some errors say both, and a line says each once.
pub(super) fn fault(probe: &str, error: &StoreError) -> Finding {
    match error {
        StoreError::Unavailable(cause) => {
            let found = format!("Postgres cannot be used just now: {}", chain(cause));
            Finding::fail(probe, found, "check database.url, and that Postgres runs; its log says more")
        }
        StoreError::NotLetIn(cause) => {
            let found = format!("Postgres does not let the gateway in: {}", chain(cause));
            Finding::fail(probe, found, "check user and password in database.url, and whom Postgres' pg_hba.conf lets in")
        }
        _ => Finding::fail(probe, chain(error), "look at Postgres' log"),
    }
}

async fn version(store: &Store, gateways: usize) -> Finding {
    match store.server_version().await {
        Ok(number) => judge_version(number, gateways),
        Err(error) => fault("database", &error),
    }
}

/// As Postgres numbers itself: 150004 is 15.4.
fn judge_version(number: i32, gateways: usize) -> Finding {
    let (major, minor) = (number / 10_000, number % 10_000);
    let found = format!("PostgreSQL {major}.{minor}, {gateways} gateways serve from it");
    if major >= VERSION_TESTED_MIN {
        return Finding::ok("database", found);
    }
    Finding::warn("database", found, format!("older than what is tested: upgrade it to {VERSION_TESTED_MIN} or newer"))
}

async fn schema(store: &Store) -> (Finding, bool) {
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => (Finding::ok("schema", "up to date"), true),
        Ok(pending) => {
            let found = format!("migrations are pending: {}", pending.join(", "));
            (Finding::fail("schema", found, "run `presence-gateway migrate`, or start `serve`, which does so too"), false)
        }
        Err(error) => (Finding::fail("schema", chain(&error), "the user of database.url must own the tables"), false),
    }
}

async fn skew_to_database(store: &Store, clock: &Clock) -> Finding {
    let before = clock.now();
    match store.time().await {
        Ok(there) => judge_skew("database clock", "Postgres", there.duration_since(before), DATABASE_APART_MAX),
        Err(error) => fault("database clock", &error),
    }
}

/// What it means that a clock is this far ahead of ours.
pub(super) fn judge_skew(probe: &str, whose: &str, ahead: SignedDuration, apart_max: SignedDuration) -> Finding {
    let off = ahead.abs();
    let found = format!("{whose} and this machine differ by {:.1} s", off.as_secs_f64());
    let remedy = "let NTP set the clocks of both machines";
    match off {
        off if off <= apart_max => Finding::ok(probe, found),
        off if off <= CLOCK_SKEW_TOLERATED => Finding::warn(probe, found, remedy),
        _ => Finding::fail(probe, found, format!("{remedy}: tokens and leases go by them")),
    }
}

async fn secrets(store: &Store) -> Finding {
    match store.inspect_sealed().await {
        Ok(Sealed { closed: 0, by_previous: 0, total, .. }) => {
            Finding::ok("secrets", format!("secrets.key opens all {total} sealed values"))
        }
        Ok(Sealed { closed: 0, by_previous, total, .. }) => {
            let found = format!("{by_previous} of {total} sealed values still need secrets.previous_keys");
            Finding::warn("secrets", found, "start `serve`: it seals them anew; keep the previous key until this says ok")
        }
        Ok(Sealed { closed, total, pseudonyms_closed, .. }) => {
            let found = format!("{closed} of {total} sealed values open with no key");
            let mut remedy =
                "name the key that sealed them in secrets.previous_keys; without it, sign the accounts in again with \
                              `presence-gateway sign-in`"
                    .to_owned();
            if pseudonyms_closed {
                remedy.push_str(
                    ", and for exports of the audit log let Postgres `delete from pseudonym_key`: the next export makes another key, \
                     and everybody's pseudonym is another from then on",
                );
            }
            Finding::fail("secrets", found, remedy)
        }
        Err(error) => fault("secrets", &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::check::Outcome;

    #[test]
    fn versions_are_judged() {
        let check = |number, outcome, words: &str| {
            let finding = judge_version(number, 0);
            assert_eq!(finding.outcome, outcome);
            assert!(finding.found.contains(words), "{finding}");
        };
        check(150_004, Outcome::Ok, "15.4");
        check(180_000, Outcome::Ok, "18.0");
        check(140_011, Outcome::Warn, "14.11");
    }

    #[test]
    fn clocks_are_judged() {
        let check = |apart_max, millis, outcome| {
            let finding = judge_skew("graph clock", "Graph", SignedDuration::from_millis(millis), apart_max);
            assert_eq!(finding.outcome, outcome, "{finding}");
        };
        check(DATABASE_APART_MAX, 900, Outcome::Ok);
        check(DATABASE_APART_MAX, -2_000, Outcome::Ok);
        check(DATABASE_APART_MAX, 2_100, Outcome::Warn);
        check(GRAPH_APART_MAX, -29_000, Outcome::Ok);
        check(GRAPH_APART_MAX, 31_000, Outcome::Warn);
        check(GRAPH_APART_MAX, -301_000, Outcome::Fail);
    }

    #[test]
    fn a_clock_is_fine_for_as_long_as_no_alert_rises() {
        let alerts = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yaml")).unwrap();
        for (against, apart_max) in [("database", DATABASE_APART_MAX), ("graph", GRAPH_APART_MAX)] {
            let limit =
                format!("max(abs(presence_gateway_clock_skew_seconds{{against=\"{against}\"}})) > {}\n", apart_max.as_secs());
            assert!(alerts.contains(&limit), "{limit}");
        }
    }
}
