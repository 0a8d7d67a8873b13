//! The calls of the contract by name, for faults and for counting.

use serde::{Deserialize, Serialize};

/// Where the contract's calls begin.
pub const BASE_PATH: &str = "/XPhoneConnect/WebClientApi";

/// One call of the contract, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// Every call; only faults name it.
    All,
    Authenticate,
    RefreshToken,
    Capabilities,
    PresenceStates,
    Locations,
    Users,
    Presence,
    Events,
    Appointments,
    ProfileTemplates,
    /// An address the contract does not have.
    Unknown,
}

impl Endpoint {
    /// The call a path stands for.
    pub fn of(path: &str) -> Self {
        let path = path.strip_prefix(BASE_PATH).and_then(|path| path.strip_prefix("/api/v1/")).unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            ["user", "authenticate"] => Self::Authenticate,
            ["user", "refreshToken"] => Self::RefreshToken,
            ["server", "capabilities"] => Self::Capabilities,
            ["presenceStates"] => Self::PresenceStates,
            ["locations"] => Self::Locations,
            ["users"] => Self::Users,
            ["presence"] => Self::Presence,
            ["presence", "events"] => Self::Events,
            ["appointments"] | ["users", _, "appointments", _] => Self::Appointments,
            ["locations" | "configurationGroups", _, "profileTemplates", ..] => Self::ProfileTemplates,
            _ => Self::Unknown,
        }
    }

    /// Whether a fault aimed at `self` strikes the other call.
    pub fn covers(self, other: Self) -> bool {
        match self {
            Self::All => true,
            Self::Authenticate => matches!(other, Self::Authenticate | Self::RefreshToken),
            Self::Presence => matches!(other, Self::Presence | Self::Events),
            one => one == other,
        }
    }
}
