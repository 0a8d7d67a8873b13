//! Asks XPhone: log-in, contract, rights, statuses, and whether people or other programs there will make trouble.

use std::collections::HashMap;

use super::Finding;
use crate::clock::Clock;
use crate::config::{Config, XphoneTransport};
use crate::domain::ids::UserGuid;
use crate::domain::mapping::StatusKind;
use crate::xphone::values::{Capabilities, PresenceState, User};
use crate::xphone::{APPOINTMENT_KEY, Error, XPhone};

const LOG_IN: &str = "xphone log-in";
const CAPABILITIES: &str = "xphone capabilities";
const RIGHTS: &str = "xphone rights";
const STATUSES: &str = "xphone statuses";
const ADDRESSES: &str = "e-mail addresses";
const SECOND: &str = "second synchroniser";
/// What the product's own synchronisation writes beside a presence, in any language.
const TEAMS_MARK: &str = "ms teams";

/// Tells what was found.
pub(super) async fn probe(config: &Config, clock: &Clock) -> Vec<Finding> {
    let xphone = match XPhone::new(&config.xphone, clock.clone()) {
        Ok(xphone) => xphone,
        Err(error) => {
            return unanswered(Finding::fail(
                LOG_IN,
                error.to_string(),
                "check xphone.ca_file and the system's root certificates",
            ));
        }
    };
    let capabilities = match xphone.capabilities().await {
        Ok(capabilities) => capabilities,
        Err(error) => return unanswered(no_entry(&error)),
    };
    let found = match &config.xphone.transport {
        XphoneTransport::Http(http) => format!("{} is let in; server {}", http.account_name, capabilities.server_version),
        XphoneTransport::NetTcp(_) => format!("the Integration API answers; server {}", capabilities.server_version),
    };
    let mut findings = vec![Finding::ok(LOG_IN, found), judge_capabilities(&capabilities)];
    let (rights, users) = rights(&xphone, &config.xphone.origin).await;
    findings.push(rights);
    findings.push(match xphone.presence_states().await {
        Ok(states) => judge_statuses(&states),
        Err(error) => Finding::fail(STATUSES, error.to_string(), "let the account read the presence statuses"),
    });
    findings.push(users.map_or_else(|| Finding::skipped(ADDRESSES, "the users could not be read"), |users| addresses(&users)));
    findings.push(second_writer(&xphone, &config.xphone.origin).await);
    findings
}

fn unanswered(failure: Finding) -> Vec<Finding> {
    let rest = [CAPABILITIES, RIGHTS, STATUSES, ADDRESSES, SECOND];
    std::iter::once(failure).chain(rest.map(|probe| Finding::skipped(probe, "XPhone does not let us in"))).collect()
}

fn no_entry(error: &Error) -> Finding {
    let remedy = match error {
        Error::LogIn { .. } => "check xphone.account_name and xphone.password",
        Error::Contract { .. } => "check that xphone.base_url leads to a server that speaks docs/xphone-server-api.yaml",
        Error::Wait { .. } => "wait, then check again",
        error if error.to_string().contains("certificate") => {
            "name the file of the authority that signed XPhone's certificate in xphone.ca_file, and use the host name that it was issued to"
        }
        _ => "let this machine reach xphone.base_url, and see that the server runs",
    };
    Finding::fail(LOG_IN, error.to_string(), remedy)
}

fn judge_capabilities(can: &Capabilities) -> Finding {
    let needed = [(can.appointments, "appointments"), (can.events, "events")];
    let missing: Vec<&str> = needed.iter().filter(|(there, _)| !there).map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        let found = format!("the server offers no {}", missing.join(" and no "));
        return Finding::fail(
            CAPABILITIES,
            found,
            "use a server version, or a layer before it, that offers them: nothing works without",
        );
    }
    let wanted = [
        (can.forwarding_on_appointment, "call forwarding with appointments: profiles show, and do not forward"),
        (can.profile_templates, "profile templates: the setting profile-template has no effect"),
        (can.audience, "audience of a status: nothing is shown of microphones, which everybody would see"),
    ];
    let without: Vec<&str> = wanted.iter().filter(|(there, _)| !there).map(|(_, without)| *without).collect();
    if without.is_empty() {
        return Finding::ok(CAPABILITIES, "appointments, call forwarding, events, profile templates, audience");
    }
    let found = format!("the server offers no {}", without.join("; no "));
    Finding::warn(CAPABILITIES, found, "do without, or use a newer server version")
}

/// By calls that change nothing; the users are of use further on.
async fn rights(xphone: &XPhone, origin: &str) -> (Finding, Option<Vec<User>>) {
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
        Some((right, error)) => Finding::fail(RIGHTS, format!("cannot {right}: {error}"), format!("let the account {right}")),
        None => Finding::ok(RIGHTS, "users, presence, locations and appointments can be read, appointments removed"),
    };
    (finding, users.ok())
}

fn judge_statuses(states: &[PresenceState]) -> Finding {
    let has = |kind: StatusKind| states.iter().any(|state| state.kind == Some(kind));
    let needed = [(StatusKind::Busy, "Busy"), (StatusKind::DoNotDisturb, "Do not disturb")];
    let missing: Vec<&str> = needed.into_iter().filter(|(kind, _)| !has(*kind)).map(|(_, name)| name).collect();
    if missing.is_empty() {
        return Finding::ok(STATUSES, format!("{} statuses, Busy and Do not disturb among them", states.len()));
    }
    let found = format!("the server names no status {}", missing.join(" and no status "));
    Finding::fail(
        STATUSES,
        found,
        "let GET /api/v1/presenceStates name the kinds busy and doNotDisturb: what they mean cannot be shown else",
    )
}

/// People are matched by address: of two with the same one, neither is.
fn addresses(users: &[User]) -> Finding {
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
    let remedy = "give each an address of their own in XPhone, or link them (PUT /v1/users/{guid}/teams-account); \
                  `presence-gateway explain --unmatched` names them";
    Finding::warn(ADDRESSES, found, remedy)
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
