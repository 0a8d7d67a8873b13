//! What the dispatcher asks of whoever takes letters to a side.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::SignedDuration;

use crate::domain::slot::{Side, SlotName};
use crate::store::outbox::Letter;
use crate::tasks::driver::chain;

/// Takes letters to one side.
pub trait Courier: Send + Sync + 'static {
    /// Where to.
    const SIDE: Side;
    /// Letters under way at the same time.
    const UNDER_WAY_MAX: usize;
    /// Letters in one request.
    const TOGETHER_MAX: usize;

    /// Takes these letters there, at most [`TOGETHER_MAX`](Self::TOGETHER_MAX), in one request; answers in their order.
    fn carry<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Vec<Result<(), Failure>>>;

    /// How long what was set lives by itself; of no meaning where the letter itself says when it ends.
    fn life(&self, _slot: SlotName) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Something arrived and was settled.
    fn note_settled(&self) {}

    /// Whether the side answers, as far as was just seen.
    fn note_answers(&self, _answers: bool) {}
}

/// Why a letter did not arrive.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose trouble it is.
    pub trouble: Trouble,
    /// Whether it may have taken effect all the same.
    pub maybe_applied: bool,
    /// For the log.
    pub told: String,
    /// For whoever asks why: besides, what the side said in its own words.
    pub problem: String,
}

impl Failure {
    /// What an error comes to.
    pub fn of(error: &dyn std::error::Error, words: Option<&str>, trouble: Trouble, maybe_applied: bool) -> Self {
        let told = chain(error);
        let problem = words.map_or_else(|| told.clone(), |words| format!("{told}: {words}"));
        Self { trouble, maybe_applied, told, problem }
    }
}

/// Whose trouble a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The side asks to be left alone for so long.
    AsksToWait(Duration),
    /// It does not answer.
    Unreachable,
    /// It refuses this user's push.
    AboutTheUser,
    /// It answered what nobody understands.
    StrangeAnswer,
    /// It refuses whatever we send: log-in, permissions, contract.
    OurStanding,
}
