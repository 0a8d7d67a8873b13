//! XPhone Connect as a protocol: one small port that the rest of the gateway speaks to XPhone through.
//!
//! The port is [`XPhone`]: its calls, the plain values they take and give ([`values`]) and the ways they fail ([`Error`]), sorted by what
//! the caller can do. Nothing of HTTP shows through it, so that another transport (the product's Integration API) can stand behind the
//! same calls as a second folder beside `http`.
//!
//! | call | does |
//! |---|---|
//! | [`capabilities`](XPhone::capabilities) | what the server can; fails unless it speaks our contract |
//! | [`presence_states`](XPhone::presence_states), [`locations`](XPhone::locations) | how this server names statuses and places |
//! | [`users`](XPhone::users), [`users_page`](XPhone::users_page) | people with their profiles |
//! | [`presence`](XPhone::presence) | everybody's presence, and the event sequence it stands at |
//! | [`events`](XPhone::events) | what changes from a sequence on |
//! | [`appointments`](XPhone::appointments) | what an origin has set |
//! | [`put_appointment`](XPhone::put_appointment), [`delete_appointment`](XPhone::delete_appointment) | sets and removes, both repeatable |
//! | [`profile_templates`](XPhone::profile_templates) | the central profile templates of a place |
//! | [`put_profile_template`](XPhone::put_profile_template), [`delete_profile_template`](XPhone::delete_profile_template) | sets and removes one, both repeatable |
//!
//! Every call logs in where needed, asks once and says how it went; it neither waits nor repeats, except after the server called our
//! token outdated. Pauses and repetitions are the caller's.

mod error;
mod http;
/// What the port's calls take and give.
pub mod values;

pub use error::Error;
pub use http::{Heard, XPhone};
