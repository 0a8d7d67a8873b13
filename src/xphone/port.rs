//! The port: every call, handed on to the transport that the settings chose.

use futures::stream::BoxStream;

use super::seen::{self, SeenStatus};
use super::values::{
    Appointment, Capabilities, Event, ListedAppointment, ListedTemplate, Location, Place, PresenceState, Put, Snapshot, User,
};
use super::{Error, http, net_tcp};
use crate::clock::Clock;
use crate::config::{self, XphoneTransport};
use crate::domain::ids::UserGuid;
use crate::domain::template::Template;

/// What the gateway's one appointment per user is put under. A transport without keys has no other.
pub const APPOINTMENT_KEY: &str = "presence-gateway";

/// XPhone, as the gateway speaks to it. Clones share one log-in and one set of connections.
#[derive(Clone)]
pub struct XPhone(Transport);

#[derive(Clone)]
enum Transport {
    Http(http::XPhone),
    NetTcp(net_tcp::XPhone),
}

use Transport::{Http, NetTcp};

/// What an event stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A user's presence changed.
    Event(Box<Event>),
    /// Nothing changed, and the connection is alive.
    KeepAlive,
}

impl XPhone {
    /// Prepares to speak to the server that the settings name; nothing is sent yet.
    ///
    /// # Errors
    /// `SetUp` if there can be no encrypted connections at all, for instance for want of root certificates.
    pub fn new(settings: &config::Xphone, clock: Clock) -> Result<Self, Error> {
        Ok(Self(match &settings.transport {
            XphoneTransport::Http(server) => Http(http::XPhone::new(server, clock)?),
            XphoneTransport::NetTcp(server) => NetTcp(net_tcp::XPhone::new(server, &settings.origin, clock)?),
        }))
    }

    /// What the server can.
    ///
    /// # Errors
    /// `Contract` if it does not speak a version of the contract that we do; and as all calls fail.
    pub async fn capabilities(&self) -> Result<Capabilities, Error> {
        match &self.0 {
            Http(xphone) => xphone.capabilities().await,
            NetTcp(xphone) => xphone.capabilities().await,
        }
    }

    /// How this server names the fixed presence statuses, as far as it, or the settings, say.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub async fn presence_states(&self) -> Result<Vec<PresenceState>, Error> {
        match &self.0 {
            Http(xphone) => xphone.presence_states().await,
            NetTcp(xphone) => Ok(xphone.presence_states()),
        }
    }

    /// All locations with their configuration groups; none where the server does not tell the [tree](Capabilities::tree).
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub async fn locations(&self) -> Result<Vec<Location>, Error> {
        match &self.0 {
            Http(xphone) => xphone.locations().await,
            NetTcp(_) => Ok(Vec::new()),
        }
    }

    /// All users. Those that cannot be read are passed over.
    ///
    /// # Errors
    /// As all calls fail, then without any user.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        match &self.0 {
            Http(xphone) => xphone.users().await,
            NetTcp(xphone) => xphone.users().await,
        }
    }

    /// Everybody's presence, and the event sequence it stands at. Entries that cannot be read are passed over.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub async fn presence(&self) -> Result<Snapshot, Error> {
        match &self.0 {
            Http(xphone) => xphone.presence().await,
            NetTcp(xphone) => xphone.presence().await,
        }
    }

    /// Listens to what changed after the sequence `since`, as it stands in a snapshot or in the last event.
    ///
    /// The stream ends where the server ends it, and after the first error; then listen again, after a pause. `Unreachable` stands for
    /// a broken connection and for a long time without even a sign of life. After `Contract` an event could not be read: read the
    /// snapshot before listening again. Events may repeat.
    ///
    /// # Errors
    /// `Gone`: the events after `since` are not held; read the snapshot and listen from its sequence. And as all calls fail.
    pub async fn events(&self, since: u64) -> Result<BoxStream<'static, Result<Heard, Error>>, Error> {
        match &self.0 {
            Http(xphone) => xphone.events(since).await,
            NetTcp(xphone) => xphone.events(since).await,
        }
    }

    /// Every user's appointments of this origin. Those that cannot be read are passed over. Where appointments have no
    /// [end](Capabilities::appointments_end), the one told is counted from now.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub async fn appointments(&self, origin: &str) -> Result<Vec<ListedAppointment>, Error> {
        match &self.0 {
            Http(xphone) => xphone.appointments(origin).await,
            NetTcp(xphone) => xphone.appointments(origin).await,
        }
    }

    /// Sets a user's appointment under this key, in place of what was there; may be repeated. Where appointments have no
    /// [end](Capabilities::appointments_end) it stays until it is removed.
    ///
    /// # Errors
    /// `Refused`, about this user: 404 no such user, or none that can be told from others, 409 the key belongs to another origin, 422 no
    /// such profile or status; and as all calls fail.
    pub async fn put_appointment(&self, user: UserGuid, key: &str, appointment: &Appointment) -> Result<(), Error> {
        match &self.0 {
            Http(xphone) => xphone.put_appointment(user, key, appointment).await,
            NetTcp(xphone) => xphone.put_appointment(user, appointment).await,
        }
    }

    /// Removes a user's appointment under this key; may be repeated, and is done where nothing was there.
    ///
    /// # Errors
    /// `Refused`, about this user: 409 the key belongs to another origin; and as all calls fail.
    pub async fn delete_appointment(&self, user: UserGuid, key: &str) -> Result<(), Error> {
        match &self.0 {
            Http(xphone) => xphone.delete_appointment(user, key).await,
            NetTcp(xphone) => xphone.delete_appointment(user).await,
        }
    }

    /// The central profile templates of a place.
    ///
    /// # Errors
    /// `Refused`, about this place: 404 there is no such place, or there are no [templates](Capabilities::profile_templates); and as all
    /// calls fail.
    pub async fn profile_templates(&self, place: Place) -> Result<Vec<ListedTemplate>, Error> {
        match &self.0 {
            Http(xphone) => xphone.profile_templates(place).await,
            NetTcp(_) => Err(no_templates()),
        }
    }

    /// Sets the template of this name, for users to be offered, in place of what was there; may be repeated.
    ///
    /// # Errors
    /// `Refused`, about this place: 404 there is no such place, 409 and 422 the server does not accept it; and as all calls fail.
    pub async fn put_profile_template(&self, place: Place, name: &str, template: &Template) -> Result<Put, Error> {
        match &self.0 {
            Http(xphone) => xphone.put_profile_template(place, name, template).await,
            NetTcp(_) => Err(no_templates()),
        }
    }

    /// Removes the template of this name; may be repeated, and is done where nothing was there.
    ///
    /// # Errors
    /// `Refused`, about this place: 409 the template is in use; and as all calls fail.
    pub async fn delete_profile_template(&self, place: Place, name: &str) -> Result<(), Error> {
        match &self.0 {
            Http(xphone) => xphone.delete_profile_template(place, name).await,
            NetTcp(_) => Err(no_templates()),
        }
    }

    /// Which statuses people show now, and how many people each: where the server does not say what its statuses are, an operator
    /// learns here which the settings leave unnamed.
    ///
    /// # Errors
    /// As all calls fail; never about one user.
    pub async fn statuses_seen(&self) -> Result<Vec<SeenStatus>, Error> {
        let entries = match &self.0 {
            Http(xphone) => xphone.presence().await?.entries,
            NetTcp(xphone) => xphone.presence_now().await?,
        };
        Ok(seen::statuses(&entries, &self.presence_states().await?))
    }
}

fn no_templates() -> Error {
    Error::Refused { status: 404, reason: "this server's interface knows no profile templates".to_owned() }
}
