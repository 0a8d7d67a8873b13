//! Posts what was made ahead, over connections that are kept open, and times the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::task::JoinSet;

use crate::Failure;
use crate::posts::Post;
use crate::stand_ins::World;

/// What was not taken (503, or no answer in time) is posted again after this; Graph waits longer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Graph waits this long for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What is posted, where to, and who must know.
pub struct Load {
    pub posts: Vec<Post>,
    pub url: String,
    pub world: Arc<World>,
    pub http: reqwest::Client,
}

/// How the posts were answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// From sending to the answer, or to giving up after 3 s; sorted.
    pub answered: Vec<Duration>,
    /// How many posts were accepted: in the end, all.
    pub accepted: usize,
    /// How often a post had to be sent again.
    pub again: usize,
    /// How much later than planned each post went out, sorted; only where there was a plan.
    pub late: Vec<Duration>,
    /// From the first post to the last answer.
    pub took: Duration,
}

impl Load {
    /// The client that [`Load`] needs.
    pub fn client() -> Result<reqwest::Client, Failure> {
        Ok(reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build()?)
    }

    /// Posts on so many connections, on each one after the other.
    pub async fn one_after_the_other(self, connections: usize) -> Result<Answers, Failure> {
        let (load, next, began) = (Arc::new(self), Arc::new(AtomicUsize::new(0)), Instant::now());
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let (load, next) = (Arc::clone(&load), Arc::clone(&next));
            running.spawn(async move {
                let mut answers = Answers::default();
                while let Some(post) = load.posts.get(next.fetch_add(1, Ordering::SeqCst)) {
                    load.post(post, &mut answers).await?;
                }
                Ok(answers)
            });
        }
        gathered(running, began).await
    }

    /// Posts at a steady pace, however fast the answers come.
    pub async fn at_pace(self, posts_per_second: f64) -> Result<Answers, Failure> {
        let (load, began) = (Arc::new(self), Instant::now());
        let mut running = JoinSet::new();
        let mut due = began;
        for place in 0..load.posts.len() {
            tokio::time::sleep_until(due.into()).await;
            let (load, planned) = (Arc::clone(&load), due);
            running.spawn(async move {
                let mut answers = Answers { late: vec![planned.elapsed()], ..Answers::default() };
                load.post(&load.posts[place], &mut answers).await?;
                Ok(answers)
            });
            due += Duration::from_secs_f64(1.0 / posts_per_second);
        }
        gathered(running, began).await
    }

    async fn post(&self, post: &Post, answers: &mut Answers) -> Result<(), Failure> {
        post.tells.iter().for_each(|told| self.world.tell(*told));
        loop {
            let sent = Instant::now();
            let request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(post.body.clone());
            let answer = request.send().await;
            answers.answered.push(sent.elapsed());
            match answer.map(|answer| answer.status()) {
                Ok(StatusCode::ACCEPTED) => {
                    answers.accepted += 1;
                    return Ok(());
                }
                Ok(StatusCode::SERVICE_UNAVAILABLE) => answers.again += 1,
                Ok(other) => return Err(format!("a post was answered with {other}").into()),
                Err(error) if error.is_timeout() => answers.again += 1,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

async fn gathered(mut running: JoinSet<Result<Answers, Failure>>, began: Instant) -> Result<Answers, Failure> {
    let mut all = Answers::default();
    while let Some(ended) = running.join_next().await {
        let answers = ended??;
        all.answered.extend(answers.answered);
        all.late.extend(answers.late);
        all.accepted += answers.accepted;
        all.again += answers.again;
    }
    all.took = began.elapsed();
    all.answered.sort_unstable();
    all.late.sort_unstable();
    Ok(all)
}
