//! The six fixed presence statuses, as this server names and numbers them.

use serde::{Deserialize, Serialize};
use uuid::uuid;

use super::guid::Guid;

/// What a presence status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Available,
    BeRightBack,
    Busy,
    DoNotDisturb,
    Unavailable,
    Offline,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Available, Self::BeRightBack, Self::Busy, Self::DoNotDisturb, Self::Unavailable, Self::Offline];

    /// The opaque guid that stands for the status on the wire.
    pub const fn guid(self) -> Guid {
        Guid::fixed(match self {
            Self::Available => uuid!("b0d4a0c1-3a52-4e1c-8a53-61d2a5b1f001"),
            Self::BeRightBack => uuid!("5e5a3d3b-8f0e-4b7c-9f6a-1c7be1f4c202"),
            Self::Busy => uuid!("0c9f1d77-5b2d-4f27-a3c8-7f2e90d1a303"),
            Self::DoNotDisturb => uuid!("e71b6c24-94a5-47d9-bb0e-2a86f3c5d404"),
            Self::Unavailable => uuid!("93c2f5e8-0d1a-4c63-8e7b-d54b1a69e505"),
            Self::Offline => uuid!("2f8e7a90-c6b3-4d58-96d1-b87c03e2f606"),
        })
    }

    pub fn of(guid: Guid) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.guid() == guid)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::BeRightBack => "Be right back",
            Self::Busy => "Busy",
            Self::DoNotDisturb => "Do not disturb",
            Self::Unavailable => "Unavailable",
            Self::Offline => "Offline",
        }
    }

    pub const fn colour(self) -> &'static str {
        match self {
            Self::Available => "green",
            Self::BeRightBack => "yellow",
            Self::Busy | Self::DoNotDisturb => "red",
            Self::Unavailable | Self::Offline => "grey",
        }
    }
}
