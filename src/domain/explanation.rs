//! Why one user shows what they show: everything the decision sees and says, in one plain value for programs and for people.
//!
//! Nothing here reads the rules a second time: [`decide`] itself is asked, on the facts as they are now, and nothing is stored.

use jiff::Timestamp;

use super::ids::{TeamsUserId, UserGuid};
use super::mapping::{Cause, TeamsNative, TeamsWords, XphoneEntry, read_teams, telling_word};
use super::microphone::{Microphone, MicrophoneSync, Process};
use super::policy::{self, Level, Mode, TeamsSync};
use super::presence::Presence;
use super::reconcile::{Decision, Echo, Profile, Reason, Remembered, Snapshot, Source, decide, echo, microphone_entry, on_trial};
use super::slot::{Audience, Held, Look, Record, Slot, SlotName, Suppression, TeamsSlot};
use super::template::ProfileTemplate;
use super::timeline::{OnTrial, Sending, reason, sending};

/// Everything known about one user at one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who.
    pub user: UserGuid,
    /// What matching found, by its label.
    pub matched: String,
    /// What the decision sees.
    pub snapshot: Snapshot,
    /// Teams' two words, as they were last observed.
    pub words: Option<(String, String)>,
    /// When Teams is to be read to make sure of them.
    pub confirm_at: Option<Timestamp>,
    /// When XPhone was last seen to change.
    pub xphone_changed_at: Option<Timestamp>,
    /// Whether a client of the user is connected to XPhone.
    pub client_connected: Option<bool>,
    /// What is set for the location.
    pub location: Option<TeamsSync>,
    /// What is set for the configuration group.
    pub group: Option<TeamsSync>,
    /// What the user chose.
    pub choice: Option<Mode>,
    /// Which programs are told of.
    pub microphone: Holds<MicrophoneSync>,
    /// The profile template.
    pub template: Holds<ProfileTemplate>,
    /// What lies in the mailboxes.
    pub letters: Vec<Letter>,
    /// When the last decision was made.
    pub decided_at: Option<Timestamp>,
    /// When to look again; whoever was woken has a time long past.
    pub revisit_at: Option<Timestamp>,
}

/// What holds for somebody, and the level that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds<T> {
    /// What holds.
    pub value: T,
    /// Who said so.
    pub from: Level,
}

/// Something on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// For which slot.
    pub slot: SlotName,
    /// Whether it sets something, rather than taking it away.
    pub shows: bool,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// What failed last, without personal content.
    pub problem: Option<String>,
    /// When it is tried next.
    pub next_try_at: Timestamp,
    /// Until then somebody may be sending it.
    pub claimed_until: Option<Timestamp>,
}

/// Why one user shows what they show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub user: UserGuid,
    /// As of when.
    pub now: Timestamp,
    /// What matching found, by its label.
    pub matched: String,
    /// Who they are in Teams.
    pub teams_user: Option<TeamsUserId>,
    /// What Teams was last seen to say; `None`: nothing yet.
    pub teams: Option<TeamsSays>,
    /// What Teams itself says, without what is ours there; `None`: that is not known.
    pub teams_itself: Option<Remembered>,
    /// What XPhone was last seen to say; `None`: nothing yet.
    pub xphone: Option<XphoneSays>,
    /// What may be shown, and who said so.
    pub policy: PolicySays,
    /// Which programs are told of when they use the microphone.
    pub microphone: Holds<MicrophoneSync>,
    /// What the user's workstations report of it.
    pub microphone_use: MicrophoneUse,
    /// The central profile template.
    pub template: Holds<ProfileTemplate>,
    /// The user's *My Profiles*, in their order.
    pub profiles: Vec<Profile>,
    /// Whether XPhone's server names a status *Busy*.
    pub has_busy_status: bool,
    /// Each place where something can be shown, in the order of [`SlotName::ALL`].
    pub slots: [SlotSays; 3],
    /// When the last decision was made.
    pub decided_at: Option<Timestamp>,
    /// When to look again though nothing happens; `None`: when something changes.
    pub next_look_at: Option<Timestamp>,
}

/// What Teams was last seen to say, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamsSays {
    /// Graph's word.
    pub availability: String,
    /// Graph's other word.
    pub activity: String,
    /// Whether a read said so, or only a notification.
    pub source: Source,
    /// A notification's arrival, a read's beginning.
    pub observed_at: Timestamp,
    /// When Teams is to be read to make sure.
    pub confirm_at: Option<Timestamp>,
    /// The last time that Teams was read.
    pub read_at: Option<Timestamp>,
    /// The word that decides; `None`: none does, so it means free.
    pub word: Option<&'static str>,
    /// Whether both words are documented ones.
    pub is_known: bool,
    /// What they mean where they are not our own doing; `None`: Teams does not know, which tells nothing.
    pub means: Option<TeamsNative>,
    /// It was taken for our own doing, and tells nothing.
    pub echo: Option<Echo>,
}

/// What XPhone was last seen to say, and what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XphoneSays {
    /// As it came.
    pub entry: XphoneEntry,
    /// Whether a client of the user is connected.
    pub client_connected: Option<bool>,
    /// When that changed last.
    pub changed_at: Option<Timestamp>,
    /// Until when it is known to be true: when XPhone was last heard.
    pub heard_at: Option<Timestamp>,
    /// What XPhone itself says, without what is ours there.
    pub native: Presence,
    /// Whether it gives a call as a cause to show something in Teams.
    pub says_call: bool,
    /// The same for do not disturb.
    pub says_do_not_disturb: bool,
}

/// What a user's workstations report of the microphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicrophoneUse {
    /// All programs that were reported lately, by the names of their entries.
    pub reported: Microphone,
    /// What is to be told of them.
    pub tells: Option<Process>,
    /// That is not shown again before it has ended.
    pub held: Option<Held>,
}

/// What may be shown, and the level that each part of it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicySays {
    /// How much is kept in step.
    pub mode: Mode,
    /// Who said so.
    pub mode_from: Level,
    /// Decide, but show nothing.
    pub shadow: bool,
    /// Whether users choose for themselves.
    pub user_may_change: bool,
    /// Whether log-in data of users who link themselves is kept.
    pub remember_login_data: bool,
    /// Where the last three come from.
    pub set_at: Level,
    /// What the user chose; it holds only where `mode_from` says so.
    pub choice: Option<Mode>,
}

/// A place where something can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSays {
    /// Which.
    pub slot: SlotName,
    /// What was recorded as shown.
    pub shows: Option<Shows>,
    /// It is not set again before its cause has ended: what happened, and when.
    pub held_back: Option<(Suppression, Timestamp)>,
    /// Why it is so, or is to be so.
    pub reason: Reason,
    /// What would be shown, were the policy not on trial.
    pub would_show: Option<Presence>,
    /// What is on its way.
    pub letter: Option<Letter>,
    /// What the next decision will send, if nothing else happens.
    pub to_do: Option<Sending>,
}

/// Something shown, or on its way to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shows {
    /// Where it stands on the ladder.
    pub presence: Presence,
    /// What people read, in XPhone.
    pub subject: Option<String>,
    /// How it looks, in XPhone.
    pub look: Option<Look>,
    /// Who sees it.
    pub audience: Audience,
    /// What it is shown for; `None`: not known, an earlier run made it.
    pub cause: Option<Cause>,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself unless it is moved on; `None`: Graph has not confirmed it yet.
    pub until: Option<Timestamp>,
    /// It only waits until a read tells whether it is still ours to take away.
    pub given_up: bool,
}

impl<T> Holds<T> {
    /// What is inherited: see [`policy::inherit`].
    #[must_use]
    pub fn inherited(location: Option<T>, group: Option<T>, unset: T) -> Self {
        let (value, from) = policy::inherit(location, group, unset);
        Self { value, from }
    }
}

impl Explanation {
    /// Explains.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let snapshot = &facts.snapshot;
        let decision = decide(snapshot);
        let trial = on_trial(snapshot, &decision).map_or(OnTrial::default(), |trial| OnTrial::of(&decision, &trial));
        Self {
            user: facts.user,
            now: snapshot.now,
            matched: facts.matched.clone(),
            teams_user: snapshot.teams_user,
            teams: teams(facts),
            teams_itself: decision.remembered,
            xphone: xphone(facts),
            policy: policy(facts),
            microphone: facts.microphone.clone(),
            microphone_use: MicrophoneUse {
                reported: snapshot.microphone.clone(),
                tells: microphone_entry(snapshot).cloned(),
                held: decision.microphone_held,
            },
            template: facts.template.clone(),
            profiles: snapshot.profiles.clone(),
            has_busy_status: snapshot.busy_status.is_some(),
            slots: SlotName::ALL.map(|slot| slot_says(facts, slot, &decision, trial)),
            decided_at: facts.decided_at,
            next_look_at: facts.revisit_at.map(|at| at.max(snapshot.now)),
        }
    }

    /// What is said about a slot.
    #[must_use]
    pub fn slot(&self, slot: SlotName) -> &SlotSays {
        let [appointment, session, preferred] = &self.slots;
        match slot {
            SlotName::XphoneAppointment => appointment,
            SlotName::TeamsSession => session,
            SlotName::TeamsPreferred => preferred,
        }
    }
}

fn teams(facts: &Facts) -> Option<TeamsSays> {
    let (availability, activity) = facts.words.clone()?;
    let observation = facts.snapshot.teams?;
    let reading = read_teams(&availability, &activity);
    Some(TeamsSays {
        word: telling_word(&availability, &activity),
        is_known: reading.known,
        means: reading.words.map(TeamsWords::native),
        availability,
        activity,
        source: observation.source,
        observed_at: observation.observed_at,
        confirm_at: facts.confirm_at,
        read_at: facts.snapshot.confirmed.map(|read| read.observed_at),
        echo: echo(&facts.snapshot),
    })
}

fn xphone(facts: &Facts) -> Option<XphoneSays> {
    let entry = facts.snapshot.xphone?;
    Some(XphoneSays {
        entry,
        client_connected: facts.client_connected,
        changed_at: facts.xphone_changed_at,
        heard_at: facts.snapshot.xphone_heard_at,
        native: entry.native(),
        says_call: entry.says(Cause::Call),
        says_do_not_disturb: entry.says(Cause::DoNotDisturb),
    })
}

fn policy(facts: &Facts) -> PolicySays {
    let effective = facts.snapshot.policy;
    let (set, set_at) = policy::inherit(facts.location, facts.group, TeamsSync::UNSET);
    PolicySays {
        mode: effective.mode,
        mode_from: effective.mode_from,
        shadow: effective.shadow,
        user_may_change: set.user_may_change,
        remember_login_data: set.remember_login_data,
        set_at,
        choice: facts.choice,
    }
}

fn slot_says(facts: &Facts, slot: SlotName, decision: &Decision, trial: OnTrial) -> SlotSays {
    let snapshot = &facts.snapshot;
    let (shows, held_back) = match slot {
        SlotName::XphoneAppointment => in_xphone(&snapshot.appointment),
        SlotName::TeamsSession => in_teams(snapshot.session, Presence::OnThePhone, Cause::Call),
        SlotName::TeamsPreferred => in_teams(snapshot.preferred, Presence::DoNotDisturb, Cause::DoNotDisturb),
    };
    SlotSays {
        slot,
        shows,
        held_back,
        reason: reason(slot, decision),
        would_show: trial.at(slot),
        letter: facts.letters.iter().find(|letter| letter.slot == slot).cloned(),
        to_do: sending(slot, decision),
    }
}

type Recorded = (Option<Shows>, Option<(Suppression, Timestamp)>);

fn in_xphone(slot: &Slot) -> Recorded {
    match slot {
        Slot::Empty => (None, None),
        Slot::Suppressed { why, since, .. } => (None, Some((*why, *since))),
        Slot::Shown(held) => {
            let shows = Shows {
                presence: held.presence,
                subject: Some(held.appointment.subject.clone()),
                look: Some(held.appointment.look),
                audience: held.appointment.audience,
                cause: held.cause,
                since: held.since,
                until: Some(held.until),
                given_up: false,
            };
            (Some(shows), None)
        }
    }
}

fn in_teams(slot: TeamsSlot, presence: Presence, cause: Cause) -> Recorded {
    match slot.record {
        Record::Empty => (None, None),
        Record::Suppressed { why, since } => (None, Some((why, since))),
        Record::Shown { since, reached, given_up, .. } => {
            let (until, audience) = (reached.map(|reached| reached.until), Audience::Everybody);
            (Some(Shows { presence, subject: None, look: None, audience, cause: Some(cause), since, until, given_up }), None)
        }
    }
}
