//! Everything that runs by itself. A task is woken with nothing and reads everything: it never learns what happened.
//!
//! | task | does |
//! |---|---|
//! | [`depositor`] | makes what Graph posts durable, many posts in one commit |
//! | [`intake`] | turns posts into observations, with what is decided from them, or into refusals |
//! | [`lifecycle`] | lets lifecycle notifications wake the renewal of their subscription |
//! | [`policies`] | wakes whom a change of policy concerns |
//! | [`reconciler`] | decides for whoever's time has come |
//! | [`dispatcher`] | sends what was decided, one for each side |
//! | [`confirmer`] | reads again what notifications told |
//! | [`sweep`] | reads everybody in turn |
//! | [`subscriptions`] | keeps Graph telling us |
//! | [`directory`] | reads people, profiles and the tree |
//! | [`listener`] | reads what XPhone shows, and follows its events |
//! | [`appointments`] | compares our appointments in XPhone with what we recorded |
//! | [`templates`] | makes, adapts and removes profile templates in XPhone |
//! | [`logins`] | proves links anew with the login data that users left |
//! | [`enrolment`] | waits for people who sign subscriber accounts in |
//! | [`heartbeat`] | says that this replica lives, and divides the request budget among the living |
//! | [`upkeep`] | forgets what has served its time |

pub mod appointments;
pub mod confirmer;
pub mod depositor;
pub mod directory;
pub mod dispatcher;
pub mod driver;
pub mod enrolment;
pub mod heartbeat;
pub mod intake;
pub mod lifecycle;
pub mod listener;
pub mod logins;
mod named;
pub mod opener;
pub mod policies;
pub mod reconciler;
pub mod subscriptions;
pub mod sweep;
pub mod templates;
mod tenure;
pub mod upkeep;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::store::StoreError;
use crate::{graph, xphone};

/// Wakes a task; carries nothing. Waking twice before the task looks wakes it once.
#[derive(Clone, Debug, Default)]
pub struct Activator(Arc<Notify>);

impl Activator {
    /// Lets the task run now.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    async fn woken(&self) {
        self.0.notified().await;
    }
}

/// The activators of the tasks that others wake.
#[derive(Clone, Debug, Default)]
pub struct Activators {
    /// Posts came in.
    pub intake: Activator,
    /// Lifecycle notifications came in.
    pub lifecycle: Activator,
    /// A policy was changed.
    pub policies: Activator,
    /// Somebody's time may have come.
    pub reconciler: Activator,
    /// Something may be to send to XPhone.
    pub xphone_dispatcher: Activator,
    /// Something may be to send to Teams.
    pub teams_dispatcher: Activator,
    /// Something is to be confirmed.
    pub confirmer: Activator,
    /// Subscriptions may want care.
    pub subscriptions: Activator,
    /// People are known whose presence in XPhone is not.
    pub listener: Activator,
    /// People are known whose presence in Teams is not.
    pub sweep: Activator,
    /// Somebody wants people and the tree read now.
    pub directory: Activator,
    /// Somebody wants our appointments compared now.
    pub appointments: Activator,
    /// A profile template in XPhone may be to make, adapt or remove.
    pub templates: Activator,
    /// Somebody wants links proved anew now.
    pub logins: Activator,
    /// Somebody wants a sign of life now.
    pub heartbeat: Activator,
    /// Somebody wants old things forgotten now.
    pub upkeep: Activator,
}

/// How a run of a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There was nothing, or nothing more, to do.
    Idle,
    /// A full batch was done: there may be more.
    More,
}

/// Why a task could not do its work; the next run tries again.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Our own memory fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Graph fails.
    #[error(transparent)]
    Graph(#[from] graph::client::Error),
    /// Entra ID gives no token.
    #[error(transparent)]
    Token(#[from] graph::token::Error),
    /// XPhone fails.
    #[error(transparent)]
    Xphone(#[from] xphone::Error),
    /// A stored private key is broken.
    #[error("a notification certificate's private key cannot be used")]
    Key(#[from] graph::certificate::KeyError),
    /// No certificate could be made.
    #[error("a notification certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A system answered something that would make us lose people.
    #[error("{0}")]
    Implausible(&'static str),
    /// A defect of ours; the panic's own message went to standard error.
    #[error("the task met a defect of the gateway; please report the panic message above")]
    Panicked,
}
