//! `[xphone]`: which transport, and what it needs.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::raw::{Complaints, read};
use super::{NetTcpTrust, Xphone, XphoneHttp, XphoneNetTcp, XphoneTransport};
use crate::domain::ids::PresenceStateGuid;
use crate::domain::mapping::StatusKind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawXphone {
    transport: String,
    base_url: Option<String>,
    account_name: Option<String>,
    password: Option<SecretString>,
    ca_file: Option<PathBuf>,
    origin: String,
    net_tcp: RawNetTcp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetTcp {
    address: Option<String>,
    certificate_sha256: Option<String>,
    authority_file: Option<PathBuf>,
    server_name: Option<String>,
    allow_unencrypted: bool,
    language: String,
    #[serde(default)]
    presence_states: RawPresenceStates,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPresenceStates {
    available: Option<String>,
    be_right_back: Option<String>,
    busy: Option<String>,
    do_not_disturb: Option<String>,
    unavailable: Option<String>,
    offline: Option<String>,
}

pub(super) fn xphone(raw: RawXphone, complaints: &mut Complaints) -> Option<Xphone> {
    if raw.origin.is_empty() {
        complaints.add("xphone.origin", "empty", "a short name such as MSTeams");
    }
    let transport = match raw.transport.as_str() {
        "http" => {
            let authorities = authorities(raw.ca_file, complaints);
            let http = http(raw.base_url, raw.account_name, raw.password, complaints);
            http.map(|http| XphoneTransport::Http(XphoneHttp { authorities, ..http }))
        }
        "net-tcp" => net_tcp(raw.net_tcp, complaints).map(XphoneTransport::NetTcp),
        other => {
            complaints.add("xphone.transport", format_args!("{other:?}"), "http or net-tcp");
            None
        }
    };
    Some(Xphone { transport: transport?, origin: raw.origin })
}

fn http(
    base_url: Option<String>,
    account_name: Option<String>,
    password: Option<SecretString>,
    complaints: &mut Complaints,
) -> Option<XphoneHttp> {
    let base_url = complaints.required("xphone.base_url", base_url, "the address of XPhone's web API");
    let base_url = base_url.and_then(|text| complaints.address("xphone.base_url", &text));
    let account_name = complaints.required("xphone.account_name", account_name, "the account the gateway logs in with");
    let password = complaints.required("xphone.password", password, "that account's password");
    Some(XphoneHttp { base_url: base_url?, account_name: account_name?, password: password?, authorities: None })
}

/// Whom to believe beside the system's authorities.
fn authorities(file: Option<PathBuf>, complaints: &mut Complaints) -> Option<String> {
    let pem = read("xphone.ca_file", &file?, complaints)?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        complaints.add("xphone.ca_file", "a file without any certificate", "a file with certificates in PEM");
    }
    Some(pem)
}

fn net_tcp(raw: RawNetTcp, complaints: &mut Complaints) -> Option<XphoneNetTcp> {
    let server = server(raw.address, complaints);
    let trust = trust(raw.certificate_sha256, raw.authority_file, raw.server_name, complaints);
    if !raw.allow_unencrypted && trust.is_none() {
        const MAY_BE: &str = "the SHA-256 fingerprint of the server's certificate, unless xphone.net_tcp.authority_file is set, or \
                              xphone.net_tcp.allow_unencrypted is true";
        complaints.missing("xphone.net_tcp.certificate_sha256", MAY_BE);
    }
    let is_language =
        |text: &str| !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_language(&raw.language) {
        complaints.add("xphone.net_tcp.language", format_args!("{:?}", raw.language), "a language such as de");
    }
    let presence_states = presence_states(raw.presence_states, complaints);
    let (allow_unencrypted, language) = (raw.allow_unencrypted, raw.language);
    Some(XphoneNetTcp { server: server?, trust, allow_unencrypted, language, presence_states })
}

fn server(address: Option<String>, complaints: &mut Complaints) -> Option<Url> {
    const KEY: &str = "xphone.net_tcp.address";
    const MAY_BE: &str = "an address such as net.tcp://xphone.example:3344/, without path, query or user";
    let url: Url = complaints.required(KEY, address, MAY_BE).and_then(|text| complaints.parsed(KEY, &text, MAY_BE))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let has_no_path = matches!(url.path(), "" | "/");
    if url.scheme() == "net.tcp" && url.host_str().is_some_and(|host| !host.is_empty()) && plain && has_no_path {
        return Some(url);
    }
    complaints.add(KEY, "an address of another form", MAY_BE);
    None
}

fn trust(
    fingerprint: Option<String>,
    authority_file: Option<PathBuf>,
    server_name: Option<String>,
    complaints: &mut Complaints,
) -> Option<NetTcpTrust> {
    const FINGERPRINT: &str = "xphone.net_tcp.certificate_sha256";
    const ONE: &str = "left out where xphone.net_tcp.authority_file is set: one or the other says whom to trust";
    match (fingerprint, authority_file) {
        (Some(_), Some(_)) => {
            complaints.add(FINGERPRINT, "set", ONE);
            None
        }
        (Some(text), None) => {
            let sha256 = sha256(&text);
            if sha256.is_none() {
                complaints.add(FINGERPRINT, "something else", "64 hexadecimal digits, with or without colons");
            }
            sha256.map(NetTcpTrust::Fingerprint)
        }
        (None, Some(file)) => {
            let certificates = read("xphone.net_tcp.authority_file", &file, complaints)?;
            Some(NetTcpTrust::Authority { certificates, server_name })
        }
        (None, None) => None,
    }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().filter(|c| !matches!(c, ':' | ' ')).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low)).collect::<Result<_, _>>().ok()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

fn presence_states(raw: RawPresenceStates, complaints: &mut Complaints) -> Vec<(StatusKind, PresenceStateGuid)> {
    let named = [
        (StatusKind::Available, raw.available),
        (StatusKind::BeRightBack, raw.be_right_back),
        (StatusKind::Busy, raw.busy),
        (StatusKind::DoNotDisturb, raw.do_not_disturb),
        (StatusKind::Unavailable, raw.unavailable),
        (StatusKind::Offline, raw.offline),
    ];
    let mut states: Vec<(StatusKind, PresenceStateGuid)> = Vec::new();
    for (kind, text) in named {
        let key = format!("xphone.net_tcp.presence_states.{}", kind.label());
        let Some(guid) = text.and_then(|text| complaints.guid(&key, Some(&text))).map(PresenceStateGuid) else { continue };
        if states.iter().any(|(_, other)| *other == guid) {
            complaints.add(&key, "the GUID of another status too", "a GUID that no other status has");
        }
        states.push((kind, guid));
    }
    states
}
