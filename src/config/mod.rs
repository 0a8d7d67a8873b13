//! Every setting, read from a file and the environment, checked once and turned into the values the rest works with.

mod oidc;
mod raw;
mod secrets;
mod sources;
mod xphone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::domain::ids::PresenceStateGuid;
use crate::domain::mapping::StatusKind;
use crate::domain::reconcile::{Terms, Timing};

pub use secrets::{KEY_BYTES, SealingKeys};
pub use sources::Sources;

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Postgres is.
    pub database: Database,
    /// What we listen on.
    pub http: Http,
    /// Microsoft Graph.
    pub graph: Graph,
    /// People and profiles.
    pub directory: Directory,
    /// XPhone Connect.
    pub xphone: Xphone,
    /// The keys that close what is secret in Postgres.
    pub secrets: SealingKeys,
    /// The admin API.
    pub admin: Admin,
    /// Logs and traces.
    pub telemetry: Telemetry,
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct Database {
    /// `postgres://...`; `None`: the demo and the tests start one of their own.
    pub url: Option<SecretString>,
    /// Connections kept, at most.
    pub connections_max: u32,
}

/// `[http]`
#[derive(Clone, Debug)]
pub struct Http {
    /// Faces the internet.
    pub public_listen: SocketAddr,
    /// Stays inside.
    pub admin_listen: SocketAddr,
    /// How Graph reaches the public listener; ends without a slash. Needed only with push.
    pub public_url: Option<Url>,
    /// What the public listener encrypts with; `None`: a proxy does.
    pub public_tls: Option<TlsFiles>,
    /// The same for the admin listener.
    pub admin_tls: Option<TlsFiles>,
}

/// A certificate and its key, both PEM; read anew when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[graph]`
#[derive(Clone, Debug)]
pub struct Graph {
    /// Which Microsoft cloud.
    pub cloud: Cloud,
    /// Graph's address, without `/v1.0`.
    pub base_url: Url,
    /// Entra ID's address, without the tenant.
    pub login_url: Url,
    /// The Entra ID tenant.
    pub tenant_id: Uuid,
    /// The app registration, also our presence session's id.
    pub client_id: Uuid,
    /// How we prove to be that app.
    pub credential: Credential,
    /// Whether we subscribe to change notifications.
    pub push: bool,
    /// Everybody's presence is read once in this time.
    pub sweep: Duration,
    /// Requests in any 30 seconds, at most.
    pub requests_per_30_seconds_max: u32,
    /// For how long what we took away in Teams may still be told of, and how long our session lives unless renewed.
    pub timing: Timing,
}

/// A Microsoft cloud: where it is, and whether it notifies of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The worldwide cloud, GCC included.
    Global,
    /// GCC High.
    UsGovL4,
    /// The Department of Defense.
    UsGovL5,
}

/// How the app registration proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A shared secret.
    Secret(SecretString),
    /// A certificate and its private key, both PEM.
    Certificate {
        /// The certificate, PEM.
        certificate: String,
        /// Its private key, PEM.
        key: SecretString,
    },
    /// A file with a token of a trusted issuer; read anew at each use, since it changes.
    FederatedTokenFile(PathBuf),
}

/// `[directory]`
#[derive(Clone, Debug)]
pub struct Directory {
    /// How often people and profiles are read again.
    pub refresh: Duration,
}

/// `[xphone]`
#[derive(Clone, Debug)]
pub struct Xphone {
    /// How we speak to the server.
    pub transport: XphoneTransport,
    /// Says in XPhone who made a presence.
    pub origin: String,
}

/// How we speak to XPhone's server.
#[derive(Clone, Debug)]
pub enum XphoneTransport {
    /// By its web API.
    Http(XphoneHttp),
    /// By its Integration API.
    NetTcp(XphoneNetTcp),
}

impl XphoneTransport {
    /// Whether a status can be kept from others than team colleagues: the Integration API knows no audience.
    #[must_use]
    pub fn keeps_audience(&self) -> bool {
        matches!(self, Self::Http(_))
    }
}

/// `[xphone]`, for the web API.
#[derive(Clone, Debug)]
pub struct XphoneHttp {
    /// The server's web API, without a trailing slash.
    pub base_url: Url,
    /// The account we log in with.
    pub account_name: String,
    /// Its password.
    pub password: SecretString,
    /// Certificates (PEM) of an authority that is believed beside the system's.
    pub authorities: Option<String>,
}

/// `[xphone.net_tcp]`
#[derive(Clone, Debug)]
pub struct XphoneNetTcp {
    /// `net.tcp://...`, without the endpoint's name.
    pub server: Url,
    /// How the server proves to be that one; `None`: it need not, and endpoints with TLS are not used.
    pub trust: Option<NetTcpTrust>,
    /// Whether endpoints without TLS may be used.
    pub allow_unencrypted: bool,
    /// In which texts are set.
    pub language: String,
    /// What this server's statuses are.
    pub presence_states: Vec<(StatusKind, PresenceStateGuid)>,
}

/// How a server proves to be the one that is meant.
#[derive(Clone, Debug)]
pub enum NetTcpTrust {
    /// By a certificate with this SHA-256 fingerprint.
    Fingerprint([u8; 32]),
    /// By a certificate of one of these authorities, for this name.
    Authority {
        /// PEM.
        certificates: String,
        /// `None`: the address's host.
        server_name: Option<String>,
    },
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// An admin token valid while set.
    pub bootstrap_token: Option<SecretString>,
    /// Whose people may sign in besides; `None`: nobody's.
    pub oidc: Option<Oidc>,
    /// How long the audit log remembers.
    pub audit_retention: SignedDuration,
    /// How long anything is remembered of what people showed.
    pub presence_retention: SignedDuration,
}

/// Entra ID as an issuer of tokens for the admin API.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// What a token must name as its issuer.
    pub issuer: String,
    /// What a token must name as its audience.
    pub audience: String,
    /// Where the issuer says which keys it signs with.
    pub metadata_url: Url,
}

/// `[telemetry]`
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where traces go, without `/v1/traces`; `None`: nowhere.
    pub otlp_endpoint: Option<Url>,
    /// Of a hundred changes, so many are followed.
    pub traces_percent: u8,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Cloud {
    /// Entra ID's address in this cloud.
    #[must_use]
    pub fn login_url(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGovL4 | Self::UsGovL5 => "https://login.microsoftonline.us",
        }
    }

    /// Graph's address in this cloud.
    #[must_use]
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGovL4 => "https://graph.microsoft.us",
            Self::UsGovL5 => "https://dod-graph.microsoft.us",
        }
    }

    /// Whether presence subscriptions exist in this cloud.
    #[must_use]
    pub fn has_push(self) -> bool {
        self == Self::Global
    }

    /// The issuers that a token of `tenant` may name, version 1 and version 2, wherever `login_url` may point.
    #[must_use]
    pub fn issuers(self, tenant: Uuid) -> [String; 2] {
        [format!("https://sts.windows.net/{tenant}/"), format!("{}/{tenant}/v2.0", self.login_url())]
    }
}

/// What is wrong with the settings: each line names a setting, what it got and what it may be.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used:\n{}", .0.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    fn one(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// A setting is unknown, missing or has a value it may not have; every such setting is named, no secret is quoted.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        raw::check(sources.read()?)
    }

    /// What the rules depend on besides facts.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms { timing: self.graph.timing, keeps_audience: self.xphone.transport.keeps_audience() }
    }

    /// Reads where the admin listener is, and whether it encrypts; of the environment's settings only those of `[http]`, so no secret is opened.
    ///
    /// # Errors
    /// The settings cannot be read, or this one is no address.
    pub fn admin_listen(sources: &Sources) -> Result<(SocketAddr, bool), ConfigError> {
        raw::admin_listen(&sources.of_section("HTTP").read()?)
    }
}
