//! What to say about XPhone, and which settings to name: each way to speak to it has its own.

use crate::config::XphoneTransport;
use crate::xphone::values::Capabilities;

/// Something that a server may be able to do.
pub(super) struct Ability {
    pub there: fn(&Capabilities) -> bool,
    pub name: &'static str,
}

/// What is told of one transport.
pub(super) struct Words {
    pub set_up: &'static str,
    pub account: &'static str,
    pub contract: &'static str,
    pub certificate: &'static str,
    pub reach: &'static str,
    /// Without one of these nothing works.
    pub needed: &'static [Ability],
    /// Without one of these less does.
    pub wanted: &'static [Ability],
    pub without_wanted: &'static str,
    pub able: &'static str,
    pub rights: &'static str,
    /// Before the right that is missing.
    pub let_us: &'static str,
    pub name_statuses: &'static str,
    /// Whether the settings name the statuses, so that those that people show are of use.
    pub lists_statuses: bool,
    pub addresses: &'static str,
}

const EVENTS: Ability = Ability { there: |can| can.events, name: "events" };

static HTTP: Words = Words {
    set_up: "check xphone.ca_file and the system's root certificates",
    account: "check xphone.account_name and xphone.password",
    contract: "check that xphone.base_url leads to a server that speaks docs/xphone-server-api.yaml",
    certificate: "name the file of the authority that signed XPhone's certificate in xphone.ca_file, and use the host name that it was \
                  issued to",
    reach: "let this machine reach xphone.base_url, and see that the server runs",
    needed: &[Ability { there: |can| can.appointments, name: "appointments" }, EVENTS],
    wanted: &[
        Ability {
            there: |can| can.forwarding_on_appointment,
            name: "call forwarding with appointments: profiles show, and do not forward",
        },
        Ability { there: |can| can.profile_templates, name: "profile templates: the setting profile-template has no effect" },
    ],
    without_wanted: "do without, or use a newer server version",
    able: "appointments, call forwarding, events, profile templates, audience",
    rights: "users, presence, locations and appointments can be read, appointments removed",
    let_us: "let the account ",
    name_statuses: "let GET /api/v1/presenceStates name the kinds busy and doNotDisturb: what they mean cannot be shown else",
    lists_statuses: false,
    addresses: "give each an address of their own in XPhone, or link them (PUT /v1/users/{guid}/teams-account); \
                `presence-gateway explain --unmatched` names them",
};

/// What the Integration API can never do is no fault of a server: docs/xphone-transports.md tells of it.
static NET_TCP: Words = Words {
    set_up: "check xphone.net_tcp.authority_file and xphone.net_tcp.server_name",
    account: "check xphone.net_tcp.address: the Integration API asks for no log-in",
    contract: "check that xphone.net_tcp.address leads to XPhone's Integration API",
    certificate: "compare xphone.net_tcp.certificate_sha256 with the server's certificate, as docs/xphone-transports.md says; or check \
                  xphone.net_tcp.authority_file, and xphone.net_tcp.server_name against the name that it was issued to",
    reach: "let this machine reach xphone.net_tcp.address (port 3344 if it names none), and see that the server runs; endpoints \
            without encryption are used with xphone.net_tcp.allow_unencrypted only",
    needed: &[],
    wanted: &[EVENTS],
    without_wanted: "do without: everybody is read each minute; or use a server with contract version 4 or later",
    able: "presence with status and text, events; nothing is shown of microphones, which everybody would see",
    rights: "everybody's presence can be read; whoever reaches the port may set it, so that nobody but the gateway should",
    let_us: "look at the server's log, and let it ",
    name_statuses: "set xphone.net_tcp.presence_states.busy and .do_not_disturb to this server's GUIDs; people show those below",
    lists_statuses: true,
    addresses: "give each an address of their own in XPhone: the Integration API knows people by nothing else",
};

pub(super) fn of(transport: &XphoneTransport) -> &'static Words {
    match transport {
        XphoneTransport::Http(_) => &HTTP,
        XphoneTransport::NetTcp(_) => &NET_TCP,
    }
}

/// Who answers, and to whom.
pub(super) fn let_in(transport: &XphoneTransport, server: &str) -> String {
    match transport {
        XphoneTransport::Http(http) => format!("{} is let in; server {server}", http.account_name),
        XphoneTransport::NetTcp(_) => format!("the server answers: {server}"),
    }
}
