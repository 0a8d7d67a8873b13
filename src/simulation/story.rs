//! What happens to one person, step by step, and how it reads.

use std::fmt;

use super::graph::{Client, Preferred};
use super::xphone::{Kind, Meeting};

/// Milliseconds of true time, counted from the story's beginning.
pub type Ms = i64;

/// Replicas' clocks are never further apart: more makes it worthless to compare one's reads with another's pushes.
pub const APART_MAX: Ms = 5 * SECOND;

/// No clock jumps further.
pub const JUMP_MAX: Ms = 3 * HOUR;

/// One second.
pub const SECOND: Ms = 1_000;
/// One minute.
pub const MINUTE: Ms = 60 * SECOND;
/// One hour.
pub const HOUR: Ms = 60 * MINUTE;

/// The user's workstations.
pub const WORKSTATIONS: usize = 2;
/// Programs that may use a microphone.
pub const PROGRAMS: usize = 3;

/// What keeps a workstation's agent from reporting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It is gone at once.
    Killed,
    /// Asked to end, it says that nothing is in use.
    Ended,
    /// The whole machine sleeps; the agent goes on where it was.
    Asleep,
}

/// Which programs are told of, the first first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Off,
    ZoomFirst,
    /// And Zoom's recorder proves no conversation.
    ChromeFirst,
    /// Zoom is in the table, and not told of.
    ZoomSilent,
}

/// What is synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Nothing,
    Telephony,
    TelephonyAndPresence,
}

/// How the world misbehaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotificationsLost,
    NotificationsDoubled,
    /// By up to four hours.
    NotificationsLate,
    /// By up to just below the read grace.
    ReadsLag,
    /// Nothing arrives, and mostly nobody says so.
    GraphDown,
    /// Everything arrives, no answer does.
    GraphAnswersLost,
    /// Throttled, or a token that ran out: refused at once.
    GraphRefuses,
    /// Reads are answered, pushes are throttled.
    GraphRefusesPushes,
    /// The same, but whether they were carried out nobody knows, and none is tried again for a minute.
    GraphThrottlesPushes,
    /// Reads are answered; pushes arrive, and nobody says so.
    PushAnswersLost,
    /// Seconds for every way.
    GraphSlow,
    XphoneDown,
    XphoneAnswersLost,
    XphoneRefuses,
    XphoneSlow,
    EventsLost,
    ReportsLost,
    /// A copy of each comes, too, up to a minute later: perhaps after what was said since.
    ReportsDoubled,
    /// By up to a minute: longer than the agent waits.
    ReportsLate,
}

/// Every fault that lasts.
pub const FAULTS: [Fault; 19] = [
    Fault::NotificationsLost,
    Fault::NotificationsDoubled,
    Fault::NotificationsLate,
    Fault::ReadsLag,
    Fault::GraphDown,
    Fault::GraphAnswersLost,
    Fault::GraphRefuses,
    Fault::GraphRefusesPushes,
    Fault::GraphThrottlesPushes,
    Fault::PushAnswersLost,
    Fault::GraphSlow,
    Fault::XphoneDown,
    Fault::XphoneAnswersLost,
    Fault::XphoneRefuses,
    Fault::XphoneSlow,
    Fault::EventsLost,
    Fault::ReportsLost,
    Fault::ReportsDoubled,
    Fault::ReportsLate,
];

/// The first of them are about both sides; the others are about workstations' reports.
pub const SIDES_FAULTS: usize = 16;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What the Teams client does; `None`: it signs out.
    Teams(Option<Client>),
    /// What the person picks in Teams; `None`: back to automatic.
    Pick(Option<Preferred>),
    /// The telephone state's bits.
    Telephone(i32),
    Meeting(Meeting),
    /// What the person picks in XPhone; `None`: back to automatic.
    PickStatus(Option<Kind>),
    /// The XPhone client starts or stops.
    XphoneClient(bool),
    /// The person removes the appointment.
    RemoveAppointment,
    Policy(Mode, bool),
    /// What is told of the microphone.
    Microphone(Table),
    /// A program uses the microphone.
    Use {
        workstation: usize,
        program: usize,
        lasting: Ms,
    },
    /// A workstation falls silent.
    Silence {
        workstation: usize,
        how: Outage,
        lasting: Ms,
    },
    /// Which Teams user the person is matched with.
    Match(Option<usize>),
    Fault(Fault, Ms),
    CutStream,
    RestartXphone(bool),
    LoseAppointments,
    /// A replica dies after so many more of its steps, and is back later.
    Crash {
        replica: usize,
        after: u32,
        down_for: Ms,
    },
    /// A replica's clock jumps; by more than a claim bears, all jump together.
    Jump {
        replica: usize,
        by: Ms,
    },
}

impl Step {
    /// Whether it is about the microphone alone: what it changes is known to the second.
    pub fn is_of_microphone(self) -> bool {
        match self {
            Self::Microphone(_) | Self::Use { .. } | Self::Silence { .. } => true,
            Self::Fault(fault, _) => fault.is_of_reports(),
            _ => false,
        }
    }
}

impl Fault {
    /// Whether only workstations' reports suffer.
    pub fn is_of_reports(self) -> bool {
        FAULTS[SIDES_FAULTS..].contains(&self)
    }
}

/// A step, and the time before it; its own seed makes delays the same when other steps are taken out.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pub pause: Ms,
    pub seed: u64,
    pub step: Step,
}

/// What holds from the start.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub replicas: usize,
    pub mode: Mode,
    pub profiles: u8,
    /// Graph tells sequence numbers.
    pub numbered: bool,
    pub conference_wins: bool,
    pub table: Table,
    /// In the end every replica dies for good.
    pub dies: bool,
}

/// What happens to one person.
#[derive(Clone, Debug)]
pub struct Story {
    pub seed: u64,
    pub setup: Setup,
    pub beats: Vec<Beat>,
}

/// A time as people read it.
pub struct Clock(pub Ms);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ms = self.0.abs();
        write!(f, "{sign}{}:{:02}:{:02}.{:03}", ms / HOUR, ms / MINUTE % 60, ms / SECOND % 60, ms % SECOND)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?}", self.seed, self.setup)?;
        for beat in &self.beats {
            write!(f, "  after {:>12}  ", Clock(beat.pause).to_string())?;
            match beat.step {
                Step::Fault(fault, lasting) => writeln!(f, "{fault:?} for {}", Clock(lasting))?,
                Step::Crash { replica, after, down_for } => {
                    writeln!(f, "replica {replica} crashes after {after} more steps, for {}", Clock(down_for))?;
                }
                Step::Jump { replica, by } => writeln!(f, "the clock of replica {replica} jumps by {}", Clock(by))?,
                Step::Use { workstation, program, lasting } => {
                    writeln!(f, "program {program} uses the microphone of workstation {workstation} for {}", Clock(lasting))?;
                }
                Step::Silence { workstation, how, lasting } => {
                    writeln!(f, "the agent of workstation {workstation} is {how:?} for {}", Clock(lasting))?;
                }
                step => writeln!(f, "{step:?}")?,
            }
        }
        Ok(())
    }
}
