//! A seed expands into a story: a few themes that meet one another, and pauses from none to more than a day.

use super::graph::{Client, Preferred};
use super::story::{
    APART_MAX, Beat, FAULTS, Fault, HOUR, JUMP_MAX, MINUTE, Mode, Ms, SECOND, SIDES_FAULTS, Setup, Step, Story, Table,
};
use super::xphone::{Kind, Meeting};

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut story = Self::of_sides(seed);
        story.weave();
        story
    }

    /// Without the microphone.
    fn of_sides(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let setup = Setup {
            replicas: 1 + usize::from(rng.u8(0..3) == 0),
            mode: pick(&mut rng, &[(16, Mode::TelephonyAndPresence), (4, Mode::Telephony), (1, Mode::Nothing)]),
            profiles: rng.u8(0..4),
            numbered: rng.bool(),
            conference_wins: rng.bool(),
            table: Table::Off,
            dies: rng.u8(0..8) == 0,
        };
        let themes = Themes::of(&mut rng, setup.replicas);
        let length = rng.usize(2..12);
        let quarrels = rng.u8(0..10) == 0;
        let mut beat = || {
            if quarrels {
                Beat { pause: rng.i64(0..7 * SECOND), seed: rng.u64(..), step: quarrel(&mut rng) }
            } else {
                Beat { pause: pause(&mut rng), seed: rng.u64(..), step: themes.step(&mut rng) }
            }
        };
        let beats = (0..length).map(|_| beat()).collect();
        Self { seed, setup, beats }
    }
}

/// What a story is about, so that its steps meet one another.
struct Themes {
    /// Weights: Teams, XPhone, hands, policy, faults that last, faults of a moment, crashes, clocks.
    weights: [u32; 8],
    replicas: usize,
    /// The story's own fault: most of them are this one.
    fault: Fault,
}

impl Themes {
    fn of(rng: &mut fastrand::Rng, replicas: usize) -> Self {
        let mut weights = [4, 4, 2, 1, 3, 1, 1, 1];
        for weight in &mut weights[2..] {
            *weight *= [0, 1, 1, 3][rng.usize(0..4)];
        }
        if rng.u8(0..6) == 0 {
            weights[rng.usize(0..2)] = 0;
        }
        if rng.u8(0..4) != 0 {
            weights[7] = 0;
        }
        Self { weights, replicas, fault: FAULTS[rng.usize(..SIDES_FAULTS)] }
    }

    fn step(&self, rng: &mut fastrand::Rng) -> Step {
        let themes: Vec<_> = self.weights.iter().copied().zip(0..).collect();
        match pick(rng, &themes) {
            0 => Step::Teams(teams(rng)),
            1 => xphone(rng),
            2 => hand(rng),
            3 => policy(rng),
            4 if rng.u8(0..3) == 0 => Step::Fault(FAULTS[rng.usize(..SIDES_FAULTS)], lasting(rng)),
            4 => Step::Fault(self.fault, lasting(rng)),
            5 => pick(
                rng,
                &[
                    (2, Step::CutStream),
                    (1, Step::RestartXphone(false)),
                    (1, Step::RestartXphone(true)),
                    (1, Step::LoseAppointments),
                ],
            ),
            6 => Step::Crash { replica: rng.usize(..self.replicas), after: rng.u32(0..12), down_for: lasting(rng) },
            _ => {
                let by = [APART_MAX, 10 * MINUTE, HOUR, JUMP_MAX][rng.usize(0..4)];
                Step::Jump { replica: rng.usize(..self.replicas), by: if rng.bool() { by } else { -by } }
            }
        }
    }
}

/// One of several, by weight.
pub fn pick<T: Copy>(rng: &mut fastrand::Rng, choices: &[(u32, T)]) -> T {
    let mut at = rng.u32(..choices.iter().map(|(weight, _)| *weight).sum::<u32>());
    for (weight, choice) in choices {
        match at.checked_sub(*weight) {
            Some(left) => at = left,
            None => return *choice,
        }
    }
    choices[0].1
}

fn pause(rng: &mut fastrand::Rng) -> Ms {
    let (from, to) = pick(
        rng,
        &[
            (20, (0, 2 * SECOND)),
            (35, (2 * SECOND, MINUTE)),
            (30, (MINUTE, 15 * MINUTE)),
            (5, (15 * MINUTE, 3 * HOUR)),
            (2, (3 * HOUR, 30 * HOUR)),
        ],
    );
    rng.i64(from..to)
}

pub fn lasting(rng: &mut fastrand::Rng) -> Ms {
    let (from, to) = pick(rng, &[(12, (SECOND, 2 * MINUTE)), (9, (2 * MINUTE, 20 * MINUTE)), (1, (20 * MINUTE, 4 * HOUR))]);
    rng.i64(from..to)
}

fn teams(rng: &mut fastrand::Rng) -> Option<Client> {
    pick(
        rng,
        &[
            (6, Some(Client::InACall)),
            (2, Some(Client::InAConferenceCall)),
            (3, Some(Client::Presenting)),
            (1, Some(Client::Focusing)),
            (6, Some(Client::Available)),
            (1, Some(Client::Away)),
            (1, Some(Client::InAMeeting)),
            (2, None),
        ],
    )
}

fn xphone(rng: &mut fastrand::Rng) -> Step {
    pick(
        rng,
        &[
            (6, Step::Telephone(4)),
            (6, Step::Telephone(2)),
            (1, Step::Telephone(16)),
            (1, Step::Telephone(4 | 8)),
            (2, Step::Meeting(Meeting::Audio)),
            (1, Step::Meeting(Meeting::ScreenShare)),
            (2, Step::Meeting(Meeting::None)),
            (1, Step::XphoneClient(false)),
            (1, Step::XphoneClient(true)),
            (4, Step::PickStatus(Some(Kind::DoNotDisturb))),
            (4, Step::PickStatus(None)),
        ],
    )
}

fn hand(rng: &mut fastrand::Rng) -> Step {
    pick(
        rng,
        &[
            (4, Step::Pick(Some(Preferred::DoNotDisturb))),
            (5, Step::Pick(None)),
            (1, Step::Pick(Some(Preferred::Available))),
            (1, Step::Pick(Some(Preferred::Busy))),
            (1, Step::Pick(Some(Preferred::BeRightBack))),
            (2, Step::Pick(Some(Preferred::AppearOffline))),
            (3, Step::PickStatus(Some(Kind::DoNotDisturb))),
            (2, Step::PickStatus(Some(Kind::Busy))),
            (1, Step::PickStatus(Some(Kind::Available))),
            (3, Step::PickStatus(None)),
            (4, Step::RemoveAppointment),
        ],
    )
}

/// Do not disturb on one side and on the other, faster than reads can tell.
fn quarrel(rng: &mut fastrand::Rng) -> Step {
    pick(
        rng,
        &[
            (4, Step::PickStatus(Some(Kind::DoNotDisturb))),
            (4, Step::PickStatus(None)),
            (2, Step::Pick(None)),
            (1, Step::Pick(Some(Preferred::BeRightBack))),
            (1, Step::Pick(Some(Preferred::DoNotDisturb))),
        ],
    )
}

fn policy(rng: &mut fastrand::Rng) -> Step {
    pick(
        rng,
        &[
            (4, Step::Policy(Mode::TelephonyAndPresence, false)),
            (2, Step::Policy(Mode::Telephony, false)),
            (2, Step::Policy(Mode::Nothing, false)),
            (1, Step::Policy(Mode::TelephonyAndPresence, true)),
            (1, Step::Match(None)),
            (2, Step::Match(Some(0))),
            (2, Step::Match(Some(1))),
        ],
    )
}
