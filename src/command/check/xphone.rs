//! Asks XPhone: log-in, contract, rights, statuses, and whether people or other programs there will make trouble.

mod words;

use std::collections::HashMap;

use self::words::{Ability, Words};
use super::Finding;
use crate::clock::Clock;
use crate::command::statuses;
use crate::config::Config;
use crate::domain::ids::UserGuid;
use crate::domain::mapping::StatusKind;
use crate::xphone::values::{Capabilities, PresenceState, User};
use crate::xphone::{APPOINTMENT_KEY, Error, SeenStatus, XPhone};

const LOG_IN: &str = "xphone log-in";
const CAPABILITIES: &str = "xphone capabilities";
const RIGHTS: &str = "xphone rights";
const STATUSES: &str = "xphone statuses";
const ADDRESSES: &str = "e-mail addresses";
const SECOND: &str = "second synchroniser";
/// What the product's own synchronisation writes beside a presence, in any language.
const TEAMS_MARK: &str = "ms teams";

/// So many statuses are told of; a server has a dozen.
const STATUSES_TOLD_MAX: usize = 40;

/// Tells what was found.
pub(super) async fn probe(config: &Config, clock: &Clock) -> Vec<Finding> {
    let words = words::of(&config.xphone.transport);
    let xphone = match XPhone::new(&config.xphone, clock.clone()) {
        Ok(xphone) => xphone,
        Err(error) => return unanswered(Finding::fail(LOG_IN, error.to_string(), words.set_up)),
    };
    let capabilities = match xphone.capabilities().await {
        Ok(capabilities) => capabilities,
        Err(error) => return unanswered(no_entry(&error, words)),
    };
    let let_in = words::let_in(&config.xphone.transport, &capabilities.server_version);
    let mut findings = vec![Finding::ok(LOG_IN, let_in), judge_capabilities(&capabilities, words)];
    let (rights, users) = rights(&xphone, &config.xphone.origin, words).await;
    findings.push(rights);
    findings.append(&mut seen_and_needed(&xphone, words).await);
    findings
        .push(users.map_or_else(|| Finding::skipped(ADDRESSES, "the users could not be read"), |users| addresses(&users, words)));
    findings.push(second_writer(&xphone, &config.xphone.origin).await);
    findings
}

fn unanswered(failure: Finding) -> Vec<Finding> {
    let rest = [CAPABILITIES, RIGHTS, STATUSES, ADDRESSES, SECOND];
    std::iter::once(failure).chain(rest.map(|probe| Finding::skipped(probe, "XPhone does not let us in"))).collect()
}

fn no_entry(error: &Error, words: &Words) -> Finding {
    let remedy = match error {
        Error::LogIn { .. } => words.account,
        Error::Contract { .. } => words.contract,
        Error::Wait { .. } => "wait, then check again",
        error if error.to_string().contains("certificate") => words.certificate,
        _ => words.reach,
    };
    Finding::fail(LOG_IN, error.to_string(), remedy)
}

fn judge_capabilities(can: &Capabilities, words: &Words) -> Finding {
    let lacks =
        |abilities: &'static [Ability]| abilities.iter().filter(|ability| !(ability.there)(can)).map(|lacking| lacking.name);
    let missing: Vec<&str> = lacks(words.needed).collect();
    if !missing.is_empty() {
        let found = format!("the server offers no {}", missing.join(" and no "));
        return Finding::fail(
            CAPABILITIES,
            found,
            "use a server version, or a layer before it, that offers them: nothing works without",
        );
    }
    let without: Vec<&str> = lacks(words.wanted).collect();
    if without.is_empty() {
        return Finding::ok(CAPABILITIES, words.able);
    }
    Finding::warn(CAPABILITIES, format!("the server offers no {}", without.join("; no ")), words.without_wanted)
}

/// By calls that change nothing; the users are of use further on.
async fn rights(xphone: &XPhone, origin: &str, words: &Words) -> (Finding, Option<Vec<User>>) {
    let nobody = UserGuid(uuid::Uuid::nil());
    let (users, presence, locations, listed, deleted) = tokio::join!(
        xphone.users(),
        xphone.presence(),
        xphone.locations(),
        xphone.appointments(origin),
        // Nobody has this guid: there is nothing to remove, and only somebody without the right is refused.
        xphone.delete_appointment(nobody, APPOINTMENT_KEY),
    );
    let asked = [
        ("read all users", users.as_ref().err()),
        ("read everybody's presence", presence.as_ref().err()),
        ("read the locations", locations.as_ref().err()),
        ("read everybody's appointments", listed.as_ref().err()),
        ("set and remove everybody's appointments", deleted.as_ref().err()),
    ];
    let finding = match asked.into_iter().find_map(|(right, error)| Some((right, error?))) {
        Some((right, error)) => Finding::fail(RIGHTS, format!("cannot {right}: {error}"), format!("{}{right}", words.let_us)),
        None => Finding::ok(RIGHTS, words.rights),
    };
    (finding, users.ok())
}

/// Whether those that the rules need are known; and, where the settings say what they are, one line for each that people show.
async fn seen_and_needed(xphone: &XPhone, words: &Words) -> Vec<Finding> {
    let mut findings = vec![match xphone.presence_states().await {
        Ok(states) => judge_statuses(&states, words),
        Err(error) => Finding::fail(STATUSES, error.to_string(), "let the account read the presence statuses"),
    }];
    if words.lists_statuses {
        match xphone.statuses_seen().await {
            Ok(seen) => findings.extend(list(&seen)),
            Err(error) => findings.push(Finding::skipped(STATUSES, format!("those that people show could not be read: {error}"))),
        }
    }
    findings
}

fn judge_statuses(states: &[PresenceState], words: &Words) -> Finding {
    let has = |kind: StatusKind| states.iter().any(|state| state.kind == Some(kind));
    let needed = [(StatusKind::Busy, "Busy"), (StatusKind::DoNotDisturb, "Do not disturb")];
    let missing: Vec<&str> = needed.into_iter().filter(|(kind, _)| !has(*kind)).map(|(_, name)| name).collect();
    if missing.is_empty() {
        return Finding::ok(STATUSES, format!("{} statuses, Busy and Do not disturb among them", states.len()));
    }
    let found = format!("there is no status known as {}", missing.join(", and none as "));
    Finding::fail(STATUSES, found, words.name_statuses)
}

fn list(seen: &[SeenStatus]) -> Vec<Finding> {
    let told = seen.iter().take(STATUSES_TOLD_MAX).map(|status| Finding::ok("status seen", statuses::in_words(status)));
    let more = seen.len().saturating_sub(STATUSES_TOLD_MAX);
    let rest = (more > 0).then(|| Finding::ok("status seen", format!("and {more} more: `presence-gateway statuses` lists all")));
    told.chain(rest).collect()
}

/// People are matched by address: of two with the same one, neither is.
fn addresses(users: &[User], words: &Words) -> Finding {
    let mut count: HashMap<String, usize> = HashMap::new();
    for email in users.iter().filter_map(|user| user.email.as_deref()) {
        *count.entry(email.trim().to_lowercase()).or_default() += 1;
    }
    let shared: usize = count.values().filter(|count| **count > 1).sum();
    let without = users.iter().filter(|user| user.email.as_deref().is_none_or(|email| email.trim().is_empty())).count();
    let found = format!("{} users: {shared} share their e-mail address with another, {without} have none", users.len());
    if shared == 0 && without == 0 {
        return Finding::ok(ADDRESSES, found);
    }
    Finding::warn(ADDRESSES, found, words.addresses)
}

/// Entries that mirror Teams and are not ours, and appointments of our origin that are not ours.
async fn second_writer(xphone: &XPhone, origin: &str) -> Finding {
    let (snapshot, listed) = match tokio::try_join!(xphone.presence(), xphone.appointments(origin)) {
        Ok(read) => read,
        Err(error) => return Finding::skipped(SECOND, format!("XPhone could not be asked: {error}")),
    };
    let mirrors = |text: &Option<String>| text.as_deref().is_some_and(|text| text.to_lowercase().contains(TEAMS_MARK));
    let foreign = |entry: &&crate::xphone::values::Entry| entry.origin.as_deref().is_some_and(|from| from != origin);
    let entries = snapshot.entries.iter().filter(foreign).filter(|entry| mirrors(&entry.presence_text)).count();
    let strangers = listed.iter().filter(|one| one.key != APPOINTMENT_KEY).count();
    if entries + strangers == 0 {
        return Finding::ok(SECOND, "nobody else writes what Teams says into XPhone, as far as shows just now");
    }
    let found =
        format!("{entries} users show Teams' presence by another origin, {strangers} appointments of our origin are not ours");
    let remedy = "set the clients' own synchronisation to `No synchronisation` (User management > Location > Presence management), and run no \
                  second gateway with the same xphone.origin";
    Finding::warn(SECOND, found, remedy)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::PresenceStateGuid;

    #[test]
    fn statuses_are_listed_up_to_a_bound() {
        let status = |n| SeenStatus { guid: PresenceStateGuid(Uuid::from_u128(n)), kind: None, people: 2, texts: Vec::new() };
        let seen: Vec<SeenStatus> = (0..).map(status).take(STATUSES_TOLD_MAX + 3).collect();
        let listed = list(&seen);
        assert_eq!(listed.len(), STATUSES_TOLD_MAX + 1);
        assert!(listed[0].found.starts_with("00000000-0000-0000-0000-000000000000: not named"), "{}", listed[0]);
        assert!(listed[STATUSES_TOLD_MAX].found.starts_with("and 3 more"), "{}", listed[STATUSES_TOLD_MAX]);
        assert_eq!(list(&seen[..STATUSES_TOLD_MAX]).len(), STATUSES_TOLD_MAX);
    }
}
