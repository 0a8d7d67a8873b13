//! Into some stories the microphone is woven: uses of all lengths, workstations that fall silent, tables that change.

use super::seed::{lasting, pick};
use super::story::{Beat, FAULTS, HOUR, MINUTE, Ms, Outage, PROGRAMS, SECOND, SIDES_FAULTS, Step, Story, Table, WORKSTATIONS};

/// So that its stories are not those that the seed makes without it.
const SALT: u64 = 0x006d_6963_726f;

impl Story {
    /// Every third story has the microphone; the others stay as they are.
    pub fn weave(&mut self) {
        let mut rng = fastrand::Rng::with_seed(self.seed ^ SALT);
        if rng.u8(0..3) != 0 {
            return;
        }
        self.setup.table = table(&mut rng);
        // Mostly one program at one workstation, so that uses meet one another.
        let usual = (rng.usize(..WORKSTATIONS), rng.usize(..PROGRAMS));
        for _ in 0..rng.usize(2..9) {
            let at = rng.usize(..=self.beats.len());
            let beat = Beat { pause: pause(&mut rng), seed: rng.u64(..), step: step(&mut rng, usual) };
            self.beats.insert(at, beat);
        }
    }
}

fn step(rng: &mut fastrand::Rng, usual: (usize, usize)) -> Step {
    let (workstation, program) = if rng.u8(0..3) == 0 { (rng.usize(..WORKSTATIONS), rng.usize(..PROGRAMS)) } else { usual };
    match rng.u8(0..20) {
        0..11 => Step::Use { workstation, program, lasting: use_of(rng) },
        11..14 => Step::RemoveAppointment,
        14..16 => Step::Microphone(table(rng)),
        16..18 => {
            let how = pick(rng, &[(2, Outage::Killed), (1, Outage::Ended), (2, Outage::Asleep)]);
            Step::Silence { workstation, how, lasting: lasting(rng) }
        }
        _ => Step::Fault(FAULTS[rng.usize(SIDES_FAULTS..FAULTS.len())], lasting(rng)),
    }
}

fn table(rng: &mut fastrand::Rng) -> Table {
    pick(rng, &[(4, Table::ZoomFirst), (2, Table::ChromeFirst), (1, Table::ZoomSilent), (1, Table::Off)])
}

fn pause(rng: &mut fastrand::Rng) -> Ms {
    let (from, to) = pick(rng, &[(3, (0, 3 * SECOND)), (4, (3 * SECOND, MINUTE)), (3, (MINUTE, 5 * MINUTE))]);
    rng.i64(from..to)
}

/// From probes to a use that outlasts every appointment.
fn use_of(rng: &mut fastrand::Rng) -> Ms {
    let (from, to) = pick(
        rng,
        &[
            (75, (100, 2 * SECOND)),
            (45, (2 * SECOND, 5 * SECOND)),
            (90, (5 * SECOND, 3 * MINUTE)),
            (75, (3 * MINUTE, 30 * MINUTE)),
            (9, (30 * MINUTE, 3 * HOUR)),
            (1, (3 * HOUR, 30 * HOUR)),
        ],
    );
    rng.i64(from..to)
}
