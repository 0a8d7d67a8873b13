//! XPhone Connect as a protocol: one small port that the rest of the gateway speaks to XPhone through.
//!
//! The port is [`XPhone`]: its calls, the plain values they take and give ([`values`]) and the ways they fail ([`Error`]), sorted by what
//! the caller can do. Two transports stand behind it, and nothing of them shows through: `http`, the web API, and `net_tcp`, the
//! product's Integration API. Where they differ, [`capabilities`](XPhone::capabilities) say so.
//!
//! | call | does |
//! |---|---|
//! | [`capabilities`](XPhone::capabilities) | what the server can; fails unless it speaks our contract |
//! | [`presence_states`](XPhone::presence_states), [`locations`](XPhone::locations) | how this server names statuses and places |
//! | [`users`](XPhone::users) | people with their profiles |
//! | [`presence`](XPhone::presence) | everybody's presence, and the event sequence it stands at |
//! | [`events`](XPhone::events) | what changes from a sequence on |
//! | [`appointments`](XPhone::appointments) | what an origin has set |
//! | [`put_appointment`](XPhone::put_appointment), [`delete_appointment`](XPhone::delete_appointment) | sets and removes, both repeatable |
//! | [`profile_templates`](XPhone::profile_templates) | the central profile templates of a place |
//! | [`put_profile_template`](XPhone::put_profile_template), [`delete_profile_template`](XPhone::delete_profile_template) | sets and removes one, both repeatable |
//! | [`statuses_seen`](XPhone::statuses_seen) | which statuses people show, for naming them in the settings |
//!
//! Every call connects and logs in where needed, asks once and says how it went; it neither waits nor repeats, except after the server
//! called our token outdated. Pauses and repetitions are the caller's.

mod error;
mod http;
mod net_tcp;
mod port;
mod seen;
/// What the port's calls take and give.
pub mod values;

pub use error::Error;
pub use port::{APPOINTMENT_KEY, Heard, XPhone};
pub use seen::SeenStatus;
