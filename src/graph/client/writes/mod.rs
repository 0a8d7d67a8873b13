//! Presences written: one alone, or up to 20 in one batch.

mod batch;

use std::collections::HashMap;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AccessToken, Class, Client, Endpoint, Error, Waiting, error};
use crate::domain::ids::TeamsUserId;

/// Writes in one batch, at most; Graph's own limit.
pub const WRITES_MAX: usize = 20;
/// The shortest and the longest life of a presence session that Graph takes.
const SESSION_MINUTES_MIN: u16 = 5;
const SESSION_MINUTES_MAX: u16 = 240;

/// One thing to say about a user's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PresenceWrite {
    /// Shows the user in a call, in our own presence session, until it is cleared or its time is over.
    SetSession {
        /// How long; the nearest of 5 to 240 is taken.
        minutes: u16,
    },
    /// Ends our presence session; that there is none is as good.
    ClearSession,
    /// Shows do not disturb for a day, in place of whatever the user picked by hand.
    SetDoNotDisturb,
    /// Takes back what the user picked by hand, or we for them; that there is nothing is as good.
    ClearPreferred,
}

/// How many of some writes may go now, and when and why the others may not.
struct Admission {
    admitted: usize,
    retry_after: Duration,
    waiting: Waiting,
}

impl Client {
    /// Writes presences, and answers each write in their order. One is asked alone, more go in one batch, which Graph carries
    /// out in any order: so let no two of them be about one slot of one user.
    ///
    /// Each write takes a request from the budget, and so does the batch. If there is budget for some only, those that clear go
    /// before those that set, the first ones first, and the others are told to wait. For more than [`WRITES_MAX`] nothing is sent.
    /// With a token that Graph refuses a write is repeated once with a new one.
    pub async fn write_presences(&self, writes: &[(TeamsUserId, PresenceWrite)]) -> Vec<Result<(), Error>> {
        if writes.len() > WRITES_MAX {
            return to_each(writes, &Error::TooMany { asked: writes.len(), max: WRITES_MAX });
        }
        let token = match self.identity.token().await {
            Ok(token) => token,
            Err(error) => return to_each(writes, &error.into()),
        };
        let mut answers = self.write_once(&token, writes).await;
        let again: Vec<usize> = (0..answers.len()).filter(|index| is_token_refused(&answers[*index])).collect();
        if !again.is_empty() {
            self.identity.invalidate(&token);
            let writes: Vec<_> = again.iter().map(|index| writes[*index]).collect();
            let repeated = match self.identity.token().await {
                Ok(token) => self.write_once(&token, &writes).await,
                Err(error) => to_each(&writes, &error.into()),
            };
            again.into_iter().zip(repeated).for_each(|(index, answer)| answers[index] = answer);
        }
        blame_the_user_where_the_token_is_good(&mut answers);
        answers
    }

    async fn write_once(&self, token: &AccessToken, writes: &[(TeamsUserId, PresenceWrite)]) -> Vec<Result<(), Error>> {
        let mut order: Vec<usize> = (0..writes.len()).collect();
        order.sort_by_key(|index| writes[*index].1.class());
        let classes: Vec<Class> = order.iter().map(|index| writes[*index].1.class()).collect();
        let Admission { admitted, retry_after, waiting } = self.admit(&classes);
        order.truncate(admitted);
        order.sort_unstable();
        let now: Vec<_> = order.iter().map(|index| writes[*index]).collect();
        let answers = match now.as_slice() {
            [] => Vec::new(),
            [(user, write)] => vec![self.write_alone(token, *user, *write).await],
            several => self.write_batch(token, several).await,
        };
        let mut answers: HashMap<usize, Result<(), Error>> = order.into_iter().zip(answers).collect();
        let later = || Err(self.hold_back(Endpoint::PresenceWrites, retry_after, waiting));
        (0..writes.len()).map(|index| answers.remove(&index).unwrap_or_else(later)).collect()
    }

    /// Takes what writes of these classes cost from the budget, as far as it goes.
    fn admit(&self, classes: &[Class]) -> Admission {
        if let Err(retry_after) = self.gate(Endpoint::PresenceWrites).pass() {
            return Admission { admitted: 0, retry_after, waiting: Waiting::GateClosed };
        }
        let batch = classes.first().filter(|_| classes.len() > 1);
        for (paid, class) in batch.into_iter().chain(classes).enumerate() {
            if let Err(retry_after) = self.budget.spend(*class) {
                return Admission { admitted: writes_for(paid), retry_after, waiting: Waiting::Budget };
            }
        }
        Admission { admitted: classes.len(), retry_after: Duration::ZERO, waiting: Waiting::Budget }
    }

    async fn write_alone(&self, token: &AccessToken, user: TeamsUserId, write: PresenceWrite) -> Result<(), Error> {
        let request = self.request(Method::POST, &write.path(user)).json(&write.body(self.session_id));
        write.judge(self.exchange(Endpoint::PresenceWrites, token, request).await)
    }
}

impl PresenceWrite {
    fn class(self) -> Class {
        match self {
            Self::ClearSession | Self::ClearPreferred => Class::Clear,
            Self::SetSession { .. } | Self::SetDoNotDisturb => Class::Set,
        }
    }

    fn path(self, user: TeamsUserId) -> String {
        let action = match self {
            Self::SetSession { .. } => "setPresence",
            Self::ClearSession => "clearPresence",
            Self::SetDoNotDisturb => "setUserPreferredPresence",
            Self::ClearPreferred => "clearUserPreferredPresence",
        };
        format!("users/{user}/presence/{action}")
    }

    fn body(self, session_id: Uuid) -> Value {
        match self {
            Self::SetSession { minutes } => json!({
                "sessionId": session_id,
                "availability": "Busy",
                "activity": "InACall",
                "expirationDuration": format!("PT{}M", minutes.clamp(SESSION_MINUTES_MIN, SESSION_MINUTES_MAX)),
            }),
            Self::ClearSession => json!({ "sessionId": session_id }),
            Self::SetDoNotDisturb => json!({
                "availability": "DoNotDisturb",
                "activity": "DoNotDisturb",
                "expirationDuration": "P1D",
            }),
            Self::ClearPreferred => json!({}),
        }
    }

    /// What an answer means to this write, whatever its body says.
    ///
    /// 404 tells that there is no session, and just as well that there is no user. Either way nothing is left to be cleared.
    fn judge(self, answer: Result<Vec<u8>, Error>) -> Result<(), Error> {
        let is_clearing = matches!(self, Self::ClearSession | Self::ClearPreferred);
        match answer {
            Err(Error::Refused { status: 404, .. }) if is_clearing => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// How many writes so many requests pay for: of several, one pays for the batch.
fn writes_for(requests: usize) -> usize {
    if requests > 1 { requests - 1 } else { requests }
}

fn to_each(writes: &[(TeamsUserId, PresenceWrite)], error: &Error) -> Vec<Result<(), Error>> {
    writes.iter().map(|_| Err(error.clone())).collect()
}

fn is_token_refused(answer: &Result<(), Error>) -> bool {
    matches!(answer, Err(Error::TokenRefused))
}

/// A token that was good for one write is good: who is refused with 401 nonetheless is refused for what they are.
fn blame_the_user_where_the_token_is_good(answers: &mut [Result<(), Error>]) {
    if answers.iter().any(Result::is_ok) {
        for answer in answers.iter_mut().filter(|answer| is_token_refused(answer)) {
            *answer = Err(error::refused(StatusCode::UNAUTHORIZED, b""));
        }
    }
}
