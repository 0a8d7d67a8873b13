//! The settings as text says them, and their check.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};
use uuid::Uuid;

use super::oidc::metadata_url;
use super::xphone::{RawXphone, xphone};
use super::{
    Admin, Cloud, Config, ConfigError, Credential, Database, Directory, Graph, Http, LogFormat, Oidc, SealingKeys, Telemetry,
    TlsFiles,
};

use crate::domain::reconcile::Timing;

const SESSION_MINUTES: std::ops::RangeInclusive<u64> = 5..=240;
const SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;
/// Tasks that hold a connection ask for a second one.
const CONNECTIONS: std::ops::RangeInclusive<u32> = 4..=1000;
/// What Graph documents as its own limit.
const REQUESTS_PER_30_SECONDS: std::ops::RangeInclusive<u32> = 1..=10_000;
const AUDIT_DAYS: std::ops::RangeInclusive<u64> = 1..=36_500;
const PRESENCE_DAYS: std::ops::RangeInclusive<u64> = 1..=366;
const BOOTSTRAP_TOKEN_CHARACTERS_MIN: usize = 32;
const LISTEN: &str = "an address and a port such as 127.0.0.1:8081";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    database: RawDatabase,
    http: RawHttp,
    graph: RawGraph,
    directory: RawDirectory,
    xphone: RawXphone,
    secrets: RawSecrets,
    admin: RawAdmin,
    telemetry: RawTelemetry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    url: Option<SecretString>,
    connections_max: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    public_listen: String,
    admin_listen: String,
    public_url: Option<String>,
    public_tls_certificate_file: Option<PathBuf>,
    public_tls_key_file: Option<PathBuf>,
    admin_tls_certificate_file: Option<PathBuf>,
    admin_tls_key_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGraph {
    cloud: String,
    base_url: Option<String>,
    login_url: Option<String>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    federated_token_file: Option<PathBuf>,
    push: bool,
    sweep_seconds: u64,
    requests_per_30_seconds_max: u32,
    notification_grace_seconds: u64,
    read_grace_seconds: u64,
    session_minutes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDirectory {
    refresh_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecrets {
    key: Option<SecretString>,
    previous_keys: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdmin {
    bootstrap_token: Option<SecretString>,
    oidc_issuer: Option<String>,
    oidc_audience: Option<String>,
    audit_retention_days: u64,
    presence_retention_days: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTelemetry {
    log_format: String,
    otlp_endpoint: Option<String>,
    traces_percent: u64,
}

/// Collects what is wrong, so that an operator mends everything in one go.
#[derive(Default)]
pub(super) struct Complaints(Vec<String>);

impl Complaints {
    pub(super) fn add(&mut self, key: &str, got: impl Display, may_be: &str) {
        self.0.push(format!("{key} is {got}; it must be {may_be} ({})", variable(key)));
    }

    pub(super) fn missing(&mut self, key: &str, may_be: &str) {
        self.add(key, "not set", may_be);
    }

    pub(super) fn required<T>(&mut self, key: &str, value: Option<T>, may_be: &str) -> Option<T> {
        if value.is_none() {
            self.missing(key, may_be);
        }
        value
    }

    pub(super) fn parsed<T: std::str::FromStr>(&mut self, key: &str, text: &str, may_be: &str) -> Option<T> {
        let value = text.parse().ok();
        if value.is_none() {
            self.add(key, format_args!("{text:?}"), may_be);
        }
        value
    }

    pub(super) fn guid(&mut self, key: &str, text: Option<&str>) -> Option<Uuid> {
        let text = self.required(key, text, "a GUID")?;
        self.parsed(key, text, "a GUID")
    }

    fn seconds(&mut self, key: &str, value: u64) {
        if !SECONDS.contains(&value) {
            self.add(key, value, "1 to 86400");
        }
    }

    /// An address with https, or http to this very machine; without a trailing slash.
    pub(super) fn address(&mut self, key: &str, text: &str) -> Option<Url> {
        const MAY_BE: &str = "an https address (http only to loopback) without query, user or fragment";
        let url = self.parsed::<Url>(key, text.trim_end_matches('/'), MAY_BE)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        if plain && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
            return Some(url);
        }
        self.add(key, "an address of another form", MAY_BE);
        None
    }
}

fn variable(key: &str) -> String {
    format!("GATEWAY__{}", key.replace('.', "__").to_uppercase())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(super) fn check(raw: Raw) -> Result<Config, ConfigError> {
    let mut complaints = Complaints::default();
    let database = database(raw.database, &mut complaints);
    let graph = graph(raw.graph, &mut complaints);
    let push = graph.as_ref().is_some_and(|graph| graph.push);
    let http = http(raw.http, push, &mut complaints);
    complaints.seconds("directory.refresh_seconds", raw.directory.refresh_seconds);
    let directory = Directory { refresh: Duration::from_secs(raw.directory.refresh_seconds) };
    let xphone = xphone(raw.xphone, &mut complaints);
    let secrets = secrets(&raw.secrets, &mut complaints);
    let entra = graph.as_ref().map(|graph| (graph.cloud, &graph.login_url));
    let admin = admin(raw.admin, entra, &mut complaints);
    let telemetry = telemetry(&raw.telemetry, &mut complaints);
    match (database, http, graph, xphone, secrets, telemetry) {
        (Some(database), Some(http), Some(graph), Some(xphone), Some(secrets), Some(telemetry)) if complaints.0.is_empty() => {
            Ok(Config { database, http, graph, directory, xphone, secrets, admin, telemetry })
        }
        _ => Err(ConfigError(complaints.0)),
    }
}

fn database(raw: RawDatabase, complaints: &mut Complaints) -> Option<Database> {
    if !CONNECTIONS.contains(&raw.connections_max) {
        complaints.add("database.connections_max", raw.connections_max, "4 to 1000");
    }
    // From a `#` on, nothing of an address is read: a password with one would make its beginning the host.
    let fits = raw.url.as_ref().is_none_or(|url| {
        let url = url.expose_secret();
        (url.starts_with("postgres://") || url.starts_with("postgresql://")) && !url.contains('#')
    });
    if !fits {
        const MAY_BE: &str =
            "postgres://user:password@host/database; of a password, each of `@ : / ? # %` is written as `%40` and so on";
        complaints.add("database.url", "an address of another form", MAY_BE);
        return None;
    }
    Some(Database { url: raw.url, connections_max: raw.connections_max })
}

/// Only where the admin listener is, and whether it encrypts, whatever else the settings say.
pub(super) fn admin_listen(raw: &Raw) -> Result<(SocketAddr, bool), ConfigError> {
    let mut complaints = Complaints::default();
    let listen = complaints.parsed("http.admin_listen", &raw.http.admin_listen, LISTEN);
    let encrypts = raw.http.admin_tls_certificate_file.is_some();
    listen.map(|listen| (listen, encrypts)).ok_or(ConfigError(complaints.0))
}

fn http(raw: RawHttp, push: bool, complaints: &mut Complaints) -> Option<Http> {
    let public_listen = complaints.parsed::<SocketAddr>("http.public_listen", &raw.public_listen, LISTEN);
    let admin_listen = complaints.parsed::<SocketAddr>("http.admin_listen", &raw.admin_listen, LISTEN);
    if push && raw.public_url.is_none() {
        complaints.missing("http.public_url", "the https address under which Graph reaches us, or graph.push must be false");
    }
    let public_url = raw.public_url.and_then(|text| complaints.address("http.public_url", &text));
    let public_tls = tls("public", raw.public_tls_certificate_file, raw.public_tls_key_file, complaints);
    let admin_tls = tls("admin", raw.admin_tls_certificate_file, raw.admin_tls_key_file, complaints);
    Some(Http { public_listen: public_listen?, admin_listen: admin_listen?, public_url, public_tls, admin_tls })
}

/// Both files or none; what is in them is looked at when they are first needed.
fn tls(listener: &str, certificate: Option<PathBuf>, key: Option<PathBuf>, complaints: &mut Complaints) -> Option<TlsFiles> {
    let names = ["certificate", "key"].map(|what| format!("http.{listener}_tls_{what}_file"));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let [first, second] = &names;
            let (missing, other) = if certificate.is_none() { (first, second) } else { (second, first) };
            complaints.missing(missing, &format!("a PEM file, as {other} is set, or neither"));
            None
        }
    }
}

fn graph(raw: RawGraph, complaints: &mut Complaints) -> Option<Graph> {
    let cloud = match raw.cloud.as_str() {
        "global" => Some(Cloud::Global),
        "us-gov-l4" => Some(Cloud::UsGovL4),
        "us-gov-l5" => Some(Cloud::UsGovL5),
        other => {
            complaints.add("graph.cloud", format_args!("{other:?}"), "global, us-gov-l4 or us-gov-l5");
            None
        }
    };
    let addresses = cloud.unwrap_or(Cloud::Global);
    let base_url = complaints.address("graph.base_url", raw.base_url.as_deref().unwrap_or(addresses.base_url()));
    let login_url = complaints.address("graph.login_url", raw.login_url.as_deref().unwrap_or(addresses.login_url()));
    let tenant_id = complaints.guid("graph.tenant_id", raw.tenant_id.as_deref());
    let client_id = complaints.guid("graph.client_id", raw.client_id.as_deref());
    complaints.seconds("graph.sweep_seconds", raw.sweep_seconds);
    if !REQUESTS_PER_30_SECONDS.contains(&raw.requests_per_30_seconds_max) {
        complaints.add("graph.requests_per_30_seconds_max", raw.requests_per_30_seconds_max, "1 to 10000");
    }
    for (key, grace) in
        [("notification_grace_seconds", raw.notification_grace_seconds), ("read_grace_seconds", raw.read_grace_seconds)]
    {
        complaints.seconds(&format!("graph.{key}"), grace);
    }
    if !SESSION_MINUTES.contains(&raw.session_minutes) {
        complaints.add("graph.session_minutes", raw.session_minutes, "5 to 240");
    }
    let push = raw.push && cloud.is_none_or(Cloud::has_push);
    let sweep = Duration::from_secs(raw.sweep_seconds);
    let requests_per_30_seconds_max = raw.requests_per_30_seconds_max;
    let seconds = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let timing = Timing {
        notification_grace: seconds(raw.notification_grace_seconds),
        read_grace: seconds(raw.read_grace_seconds),
        session_life: seconds(raw.session_minutes.saturating_mul(60)),
    };
    let credential = credential(raw, complaints);
    Some(Graph {
        cloud: cloud?,
        base_url: base_url?,
        login_url: login_url?,
        tenant_id: tenant_id?,
        client_id: client_id?,
        credential: credential?,
        push,
        sweep,
        requests_per_30_seconds_max,
        timing,
    })
}

fn credential(raw: RawGraph, complaints: &mut Complaints) -> Option<Credential> {
    const MAY_BE: &str = "exactly one of client_secret, client_certificate_file with client_key_file, federated_token_file";
    match (raw.client_secret, raw.client_certificate_file, raw.client_key_file, raw.federated_token_file) {
        (Some(secret), None, None, None) => Some(Credential::Secret(secret)),
        (None, Some(certificate), Some(key), None) => {
            let certificate = read("graph.client_certificate_file", &certificate, complaints);
            let key = read("graph.client_key_file", &key, complaints).map(SecretString::from);
            Some(Credential::Certificate { certificate: certificate?, key: key? })
        }
        (None, None, None, Some(file)) => Some(Credential::FederatedTokenFile(file)),
        (None, None, None, None) => {
            complaints.missing("graph.client_secret", MAY_BE);
            None
        }
        _ => {
            complaints.add("graph.client_secret", "one of several credentials, or half of one", MAY_BE);
            None
        }
    }
}

pub(super) fn read(key: &str, file: &PathBuf, complaints: &mut Complaints) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) => {
            complaints.add(key, format_args!("{} ({error})", file.display()), "a PEM file that can be read");
            None
        }
    }
}

fn secrets(raw: &RawSecrets, complaints: &mut Complaints) -> Option<SealingKeys> {
    const MAY_BE: &str = "32 bytes of base64; make them with: openssl rand -base64 32";
    let key = complaints.required("secrets.key", raw.key.as_ref(), MAY_BE)?;
    match SealingKeys::parse(key.expose_secret(), raw.previous_keys.expose_secret()) {
        Ok(keys) => Some(keys),
        Err(setting) => {
            complaints.add(setting, "something else", MAY_BE);
            None
        }
    }
}

fn admin(raw: RawAdmin, entra: Option<(Cloud, &Url)>, complaints: &mut Complaints) -> Admin {
    let short = |token: &SecretString| token.expose_secret().chars().count() < BOOTSTRAP_TOKEN_CHARACTERS_MIN;
    if raw.bootstrap_token.as_ref().is_some_and(short) {
        complaints.add("admin.bootstrap_token", "shorter", "at least 32 characters");
    }
    if !AUDIT_DAYS.contains(&raw.audit_retention_days) {
        complaints.add("admin.audit_retention_days", raw.audit_retention_days, "1 to 36500");
    }
    if !PRESENCE_DAYS.contains(&raw.presence_retention_days) {
        complaints.add("admin.presence_retention_days", raw.presence_retention_days, "1 to 366");
    }
    let days = |days: u64| SignedDuration::from_secs(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(86_400));
    let (audit_retention, presence_retention) = (days(raw.audit_retention_days), days(raw.presence_retention_days));
    let oidc = oidc(raw.oidc_issuer, raw.oidc_audience, entra, complaints);
    Admin { bootstrap_token: raw.bootstrap_token, oidc, audit_retention, presence_retention }
}

fn oidc(
    issuer: Option<String>,
    audience: Option<String>,
    entra: Option<(Cloud, &Url)>,
    complaints: &mut Complaints,
) -> Option<Oidc> {
    const ISSUER: &str = "set together with admin.oidc_audience, to the issuer that tokens name";
    const AUDIENCE: &str = "set together with admin.oidc_issuer, to the audience that tokens name";
    if issuer.is_none() && audience.is_none() {
        return None;
    }
    let issuer = complaints.required("admin.oidc_issuer", issuer, ISSUER);
    let audience = complaints.required("admin.oidc_audience", audience.filter(|text| !text.is_empty()), AUDIENCE);
    let (issuer, audience) = (issuer?, audience?);
    let address = complaints.address("admin.oidc_issuer", &issuer)?;
    let (cloud, login_url) = entra?;
    let metadata_url = metadata_url(&address, cloud, login_url)?;
    Some(Oidc { issuer, audience, metadata_url })
}

fn telemetry(raw: &RawTelemetry, complaints: &mut Complaints) -> Option<Telemetry> {
    let log_format = match raw.log_format.as_str() {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        other => {
            complaints.add("telemetry.log_format", format_args!("{other:?}"), "json or text");
            return None;
        }
    };
    let traces_percent = u8::try_from(raw.traces_percent).ok().filter(|percent| *percent <= 100);
    if traces_percent.is_none() {
        complaints.add("telemetry.traces_percent", raw.traces_percent, "0 to 100");
    }
    let otlp_endpoint = match &raw.otlp_endpoint {
        None => None,
        Some(text) => Some(receiver(text, complaints)?),
    };
    Some(Telemetry { log_format, otlp_endpoint, traces_percent: traces_percent? })
}

/// A receiver of traces may stand inside, without TLS: traces hold no secrets.
fn receiver(text: &str, complaints: &mut Complaints) -> Option<Url> {
    let is_receiver = |url: &Url| {
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain
    };
    let url = text.parse().ok().filter(is_receiver);
    if url.is_none() {
        complaints.add(
            "telemetry.otlp_endpoint",
            "something else",
            "the address of an OTLP receiver over HTTP, without /v1/traces, such as http://collector:4318",
        );
    }
    url
}
