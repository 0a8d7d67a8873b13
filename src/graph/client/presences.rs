//! Presences read by request, up to 650 users at a time.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Bearer, Call, Class, Client, Endpoint, Error};
use crate::domain::ids::TeamsUserId;

/// Users in one request, at most; Graph's own limit.
pub const PRESENCES_MAX: usize = 650;
/// Requests spent on finding ids that Graph refuses, at most: enough for four among 650.
const BISECTION_REQUESTS_MAX: usize = 64;
/// Refusals in a row, with nothing accepted, after which the request is to blame and not the ids.
const REFUSALS_BEFORE_BLAMING_THE_REQUEST: usize = 16;

/// A user's presence as Graph tells it; words unknown to us are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRead {
    /// Whose.
    pub user: TeamsUserId,
    /// Such as `Busy`.
    pub availability: String,
    /// Such as `InACall`.
    pub activity: String,
    /// Sorts the states of one user; not in every cloud.
    pub sequence_number: Option<String>,
}

/// What could be read although some ids were refused.
#[derive(Debug, Default)]
pub struct Bisected {
    /// The presences of those that Graph knows.
    pub presences: Vec<PresenceRead>,
    /// Ids that Graph refused by themselves, while it took others.
    pub refused: Vec<TeamsUserId>,
    /// Ids nothing is known of, because the search ended early.
    pub unread: Vec<TeamsUserId>,
    /// Why it ended early; `None` with `unread`: it took too many requests.
    pub stopped_by: Option<Error>,
}

#[derive(Serialize)]
struct Ids<'a> {
    ids: &'a [Uuid],
}

#[derive(Deserialize)]
struct Presences {
    /// Read one by one: an odd one must not cost the others.
    value: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePresence {
    id: Uuid,
    availability: String,
    activity: String,
    sequence_number: Option<String>,
}

impl Client {
    /// Reads the presences of up to [`PRESENCES_MAX`] users in one request. Users that Graph does not know may be missing,
    /// and those of whom it tells something odd are.
    ///
    /// # Errors
    /// See [`Error`]. One bad id lets Graph refuse all with 400: then [`Self::presences_bisecting`] finds it.
    pub async fn presences(&self, users: &[TeamsUserId], class: Class) -> Result<Vec<PresenceRead>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        if users.len() > PRESENCES_MAX {
            return Err(Error::TooMany { asked: users.len(), max: PRESENCES_MAX });
        }
        let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        let request = self.request(Method::POST, "communications/getPresencesByUserId").json(&Ids { ids: &ids });
        let answer: Presences = self.ask(Call { endpoint: Endpoint::Presences, class }, Bearer::App, request).await?;
        Ok(answer.readable())
    }

    /// Like [`Self::presences`], and when Graph refuses the lot, halves it until the bad ids stand alone.
    ///
    /// Takes at most 64 requests; without bad ids just one.
    pub async fn presences_bisecting(&self, users: &[TeamsUserId], class: Class) -> Bisected {
        let mut found = Bisected::default();
        let mut pieces: Vec<&[TeamsUserId]> = users.chunks(PRESENCES_MAX).rev().collect();
        let requests_max = BISECTION_REQUESTS_MAX + pieces.len();
        let mut is_anything_accepted = false;
        for request in 0..requests_max {
            let Some(piece) = pieces.pop() else { break };
            match self.presences(piece, class).await {
                Ok(presences) => {
                    is_anything_accepted = true;
                    found.presences.extend(presences);
                }
                Err(Error::Refused { status: 400 | 404, .. }) if piece.len() == 1 => found.refused.extend(piece),
                Err(error @ Error::Refused { status: 400 | 404, .. }) => {
                    let (left, right) = piece.split_at(piece.len() / 2);
                    pieces.extend([right, left]);
                    if !is_anything_accepted && request + 1 >= REFUSALS_BEFORE_BLAMING_THE_REQUEST {
                        found.stopped_by = Some(error);
                        break;
                    }
                }
                Err(error) => {
                    pieces.push(piece);
                    found.stopped_by = Some(error);
                    break;
                }
            }
        }
        if found.stopped_by.is_some() && !is_anything_accepted {
            found.unread.append(&mut found.refused);
        }
        found.unread.extend(pieces.into_iter().rev().flatten());
        found
    }
}

impl Presences {
    fn readable(self) -> Vec<PresenceRead> {
        let all = self.value.len();
        let read = |entry: Box<RawValue>| serde_json::from_str::<WirePresence>(entry.get()).ok();
        let presences: Vec<PresenceRead> = self.value.into_iter().filter_map(read).map(PresenceRead::from).collect();
        let passed_over = all - presences.len();
        if passed_over > 0 {
            tracing::warn!(
                presences = all,
                passed_over,
                "Graph's answer has presences that cannot be read; they are passed over"
            );
        }
        presences
    }
}

impl From<WirePresence> for PresenceRead {
    fn from(presence: WirePresence) -> Self {
        Self {
            user: TeamsUserId(presence.id),
            availability: presence.availability,
            activity: presence.activity,
            sequence_number: presence.sequence_number,
        }
    }
}
