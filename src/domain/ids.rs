//! Identifiers that cannot be taken for one another.

use std::fmt;

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A user of XPhone Connect, by the guid that XPhone gave.
    UserGuid
}
id! {
    /// A user of Microsoft Teams, by the object id that Entra ID gave.
    TeamsUserId
}
id! {
    /// A presence profile in a user's *My Profiles*.
    ProfileGuid
}
id! {
    /// One of XPhone's fixed presence statuses, as this server names it.
    PresenceStateGuid
}
id! {
    /// A location of XPhone's tree.
    LocationGuid
}
id! {
    /// A configuration group of XPhone's tree.
    ConfigurationGroupGuid
}
