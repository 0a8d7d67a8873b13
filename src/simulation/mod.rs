//! Proof by simulation: the real decision between two made-up systems, through thousands of stories full of delays and failures.
//!
//! A *story* is expanded from a seed: what people do on both sides and at their workstations, what operators set, and what fails. The *world* plays it, one
//! event after another, with models of Microsoft Teams and XPhone Connect that know nothing of our tables, and with the gateway's
//! database and tasks in memory, each step by itself so that a crash can fall between any two. The decision is the real one. An
//! *oracle* says from the rules alone what would be right, and invariants are checked all along. A story that breaks one is shrunk
//! to its essence and told. *Mutants* are gateways that are wrong on purpose: each must be found.

mod effect;
mod gateway;
mod graph;
mod laws;
mod mailbox;
mod mutant;
mod network;
mod oracle;
mod overheard;
mod play;
mod queue;
mod replica;
mod reports;
mod seed;
mod shrink;
mod store;
mod story;
mod stream;
#[cfg(test)]
mod tests;
mod trace;
mod verdict;
mod weave;
mod workstation;
mod world;
mod xphone;

use uuid::Uuid;

use crate::domain::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId};
use crate::domain::mapping::StatusKind;
use crate::domain::reconcile::Profile;

pub use mutant::{MUTANTS, Mutant};
pub use shrink::{Failure, Report, find, simulate, tell};

/// XPhone's status *Busy*.
const BUSY_STATUS: PresenceStateGuid = PresenceStateGuid(Uuid::from_u128(7));

fn profile_guid(index: usize) -> ProfileGuid {
    ProfileGuid(Uuid::from_u128(100 + index as u128))
}

fn teams_user(account: usize) -> TeamsUserId {
    TeamsUserId(Uuid::from_u128(200 + account as u128))
}

fn account_of(user: TeamsUserId) -> usize {
    usize::from(user != teams_user(0))
}

/// The user's *My Profiles*, of one kind or another.
fn profiles(kind: u8) -> Vec<Profile> {
    let profiles: &[(&str, StatusKind, bool)] = match kind {
        0 => &[],
        1 => &[("MS Teams", StatusKind::Busy, true)],
        2 => &[("Appointment", StatusKind::Busy, true), ("Quiet", StatusKind::DoNotDisturb, true)],
        _ => &[
            ("Out", StatusKind::BeRightBack, true),
            ("Old", StatusKind::DoNotDisturb, false),
            ("Quiet", StatusKind::DoNotDisturb, true),
            ("MS Teams", StatusKind::Busy, true),
        ],
    };
    let profiles = profiles.iter().zip(0..).map(|((name, status, active), index)| Profile {
        guid: profile_guid(index),
        name: (*name).to_owned(),
        status: Some(*status),
        active: *active,
    });
    profiles.collect()
}
