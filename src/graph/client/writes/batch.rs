//! Several presence writes in one `$batch`, and its answers, which come in any order.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::{AccessToken, Client, Endpoint, Error, Outcome, wire};
use super::{PresenceWrite, to_each};
use crate::domain::ids::TeamsUserId;

#[derive(Serialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: String,
    method: &'static str,
    url: String,
    headers: ItemHeaders,
    body: Value,
}

#[derive(Serialize)]
struct ItemHeaders {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

#[derive(Deserialize)]
struct BatchAnswer {
    /// Read one by one: an odd one must not cost the others.
    responses: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct ItemAnswer {
    id: String,
    status: u16,
    /// Names in any case; whatever a proxy makes of them must not cost the status.
    #[serde(default)]
    headers: Value,
    body: Option<Box<RawValue>>,
}

impl Client {
    /// Sends writes that are paid for.
    pub(super) async fn write_batch(
        &self,
        token: &AccessToken,
        writes: &[(TeamsUserId, PresenceWrite)],
    ) -> Vec<Result<(), Error>> {
        let item = |(index, (user, write)): (usize, &(TeamsUserId, PresenceWrite))| Item {
            id: item_id(index),
            method: "POST",
            url: format!("/{}", write.path(*user)),
            headers: ItemHeaders { content_type: "application/json" },
            body: write.body(self.session_id),
        };
        let batch = Batch { requests: writes.iter().enumerate().map(item).collect() };
        let request = self.request(Method::POST, "$batch").json(&batch);
        match self.exchange(Endpoint::Batch, token, request).await.map(|answer| read(&answer)) {
            Ok(Ok(answers)) => self.judge_each(&answers, writes),
            Ok(Err(unclear)) => to_each(writes, &unclear),
            Err(error) => to_each(writes, &error.of_the_batch()),
        }
    }

    fn judge_each(&self, answers: &[ItemAnswer], writes: &[(TeamsUserId, PresenceWrite)]) -> Vec<Result<(), Error>> {
        let judge = |(index, (_, write)): (usize, &(TeamsUserId, PresenceWrite))| {
            let id = item_id(index);
            let answer = answers.iter().find(|answer| answer.id == id);
            match answer.and_then(|answer| Some((answer, StatusCode::from_u16(answer.status).ok()?))) {
                Some((answer, status)) => write.judge(self.sort_item(answer, status)),
                None => Err(self.unanswered()),
            }
        };
        writes.iter().enumerate().map(judge).collect()
    }

    fn sort_item(&self, answer: &ItemAnswer, status: StatusCode) -> Result<Vec<u8>, Error> {
        let body = answer.body.as_ref().map(|body| body.get().as_bytes().to_vec());
        self.sort(Endpoint::PresenceWrites, status, self.retry_after(answer), body.unwrap_or_default())
    }

    fn retry_after(&self, answer: &ItemAnswer) -> Option<Duration> {
        let (_, value) = answer.headers.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        wire::pause(&text, self.clock.now())
    }

    fn unanswered(&self) -> Error {
        (self.observer)(Endpoint::PresenceWrites, Outcome::Unreachable);
        Error::unclear(Endpoint::PresenceWrites, serde_json::Error::custom("the batch's answer says nothing of this request"))
    }
}

fn item_id(index: usize) -> String {
    (index + 1).to_string()
}

/// The answers that can be read. What is wrong with the others is not told: it would quote them.
fn read(body: &[u8]) -> Result<Vec<ItemAnswer>, Error> {
    let answer: BatchAnswer = serde_json::from_slice(body)
        .map_err(|_| Error::unclear(Endpoint::Batch, serde_json::Error::custom("this is not the answer to a batch")))?;
    Ok(answer.responses.iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect())
}
