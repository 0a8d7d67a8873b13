//! How things are shown, how long they last, and what people can do about it.

use super::course::{self, Course};
use super::people::{QUIET_PROFILE, XPHONE_FREE, profiles, somebody, spell};
use super::shown::in_xphone;
use super::table::{Table, grouped, spoken};
use crate::domain::expiry::{APPOINTMENT_AHEAD_MAX, APPOINTMENT_LIFE, DO_NOT_DISTURB_LIFE, XPHONE_TRUSTED};
use crate::domain::mapping::TeamsNative;
use crate::domain::policy::Mode;
use crate::domain::reconcile::{
    APPOINTMENT_PROFILE, DO_NOT_DISTURB_SUBJECT, ON_THE_PHONE_SUBJECT, Snapshot, TEAMS_PROFILE, Timing, decide,
};
use crate::domain::slot::LOST_TOGETHER_MIN;

pub(super) fn times() -> String {
    format!("## 4. How, and until when\n\n{}\n{}\n{}", carriers(), lives(), hands())
}

/// Which profile or status carries what Teams says, for people with fewer and fewer profiles.
fn carriers() -> String {
    let says = TeamsNative::ALL.into_iter().filter(|native| native.cause().is_some());
    let heads = says.clone().map(|native| format!("Teams says: {}", spoken(native.label())));
    let mut table = Table::new(["active profiles".to_owned()].into_iter().chain(heads));
    let shows = |equipped: Equipped| says.clone().map(|native| equipped.shows(native)).collect::<Vec<_>>();
    for (equipped, shows) in grouped(EQUIPPED.map(|equipped| (equipped.names(), shows(equipped)))) {
        table.row([equipped.join("; or ")].into_iter().chain(shows));
    }
    format!(
        "\
### As what it shows in XPhone

An appointment with this subject and this profile or status, under `{}`. A profile comes with everything it sets,
such as call forwarding. Names count letter by letter, and profiles that are switched off do not count. `{QUIET_PROFILE}` stands for
the first active profile in *My Profiles* with the status do not disturb, whatever its name.

{table}",
        Mode::TelephonyAndPresence.label()
    )
}

/// What can carry a presence in XPhone.
#[derive(Clone, Copy)]
struct Equipped {
    profiles: &'static [&'static str],
    busy_status: bool,
}

const EQUIPPED: [Equipped; 9] = [
    with(&[TEAMS_PROFILE, APPOINTMENT_PROFILE, QUIET_PROFILE]),
    with(&[TEAMS_PROFILE, QUIET_PROFILE]),
    with(&[APPOINTMENT_PROFILE, QUIET_PROFILE]),
    with(&[QUIET_PROFILE]),
    with(&[TEAMS_PROFILE, APPOINTMENT_PROFILE]),
    with(&[TEAMS_PROFILE]),
    with(&[APPOINTMENT_PROFILE]),
    with(&[]),
    Equipped { profiles: &[], busy_status: false },
];

const fn with(profiles: &'static [&'static str]) -> Equipped {
    Equipped { profiles, busy_status: true }
}

impl Equipped {
    fn shows(self, native: TeamsNative) -> String {
        let base = somebody(Mode::TelephonyAndPresence, native, XPHONE_FREE);
        let busy_status = base.busy_status.filter(|_| self.busy_status);
        let snapshot = Snapshot { profiles: profiles(self.profiles), busy_status, ..base };
        in_xphone(&snapshot, &decide(&snapshot))
    }

    fn names(self) -> String {
        let names: Vec<String> = self.profiles.iter().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "none of them".to_owned() } else { names.join(", ") };
        if self.busy_status { names } else { format!("{names}, and no status busy") }
    }
}

fn lives() -> String {
    let mut table = Table::new(["what shows", "ends by itself after", "is set anew after", "lasts at most"]);
    let mut row = |what: String, course: Course| {
        let moved_on = course.moved_on_after.map_or("never".to_owned(), spell);
        let longest = course.longest.map_or("as long as its cause".to_owned(), spell);
        table.row([what, spell(course.life), moved_on, longest]);
    };
    row(format!("XPhone: `{ON_THE_PHONE_SUBJECT}`"), course::appointment(TeamsNative::Call));
    row(format!("XPhone: `{DO_NOT_DISTURB_SUBJECT}`, Teams presents"), course::appointment(TeamsNative::Presenting));
    row(format!("XPhone: `{DO_NOT_DISTURB_SUBJECT}`"), course::appointment(TeamsNative::DoNotDisturb));
    row("Teams: call, as a presence session Busy/InACall".to_owned(), course::session());
    row("Teams: do not disturb, as the preferred presence".to_owned(), course::preferred());
    let (ahead, life, dnd) = (spell(APPOINTMENT_AHEAD_MAX), spell(APPOINTMENT_LIFE), spell(DO_NOT_DISTURB_LIFE));
    let (trusted, session) = (spell(XPHONE_TRUSTED), spell(Timing::default().session_life));
    format!(
        "\
### How long it lasts

Everything goes as soon as its cause has ended. The ends below are for the case that nobody takes it away: the gateway is switched off,
or cut off from one of the two. Then nothing is set anew, and everything ends by itself.

{table}
- XPhone takes no appointment that ends more than {ahead} ahead; with {life} there is room for clocks that differ. Its end is moved on
  only while reads of Teams confirm the cause, and not while a status picked by hand hides it.
- Do not disturb has its day: Microsoft drops it after {dnd}, and XPhone shows it for {dnd} from when it was first seen.
- A session lives {session} unless the setting `graph.session_minutes` says otherwise, and is renewed at half time. Once XPhone was not
  heard for {trusted}, what it said last renews nothing any more.
- What ran out by itself is not set again before its cause has ended.
"
    )
}

fn hands() -> String {
    let Timing { notification_grace, read_grace, .. } = Timing::default();
    let (notified, read) = (spell(notification_grace), spell(read_grace));
    format!(
        "\
### Whose it is

- While something of the gateway's is set in Teams, readings that look like it count as its echo: they change nothing, and for a grace
  after it was taken away they still do, {read} for reads and {notified} for notifications (`graph.read_grace_seconds` and
  `graph.notification_grace_seconds`). After that the same words are Teams' own, such as a Teams call that had been hidden behind ours.
- Who removes the appointment in XPhone, or switches do not disturb off in Teams, has the last word: it is not set again before its cause
  has ended. Where most appointments are missing at once, {LOST_TOGETHER_MIN} or more, nobody removed them: XPhone lost them, and they are set again.
- Do not disturb is taken away in Teams only if a read of the last two minutes shows that it is still ours: what the user picked instead stays.
"
    )
}
