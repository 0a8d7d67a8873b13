//! What each side's words mean, and what a policy lets through.

use super::people::{NOW, SOMEBODY, XPHONE_FREE, read, somebody};
use super::table::{Table, grouped, listed, spoken};
use crate::domain::mapping::{
    Cause, Meeting, StatusKind, TELEPHONE_BUSY, TeamsNative, TeamsWords, XphoneEntry, own_status, read_teams, teams_words,
};
use crate::domain::policy::Mode;
use crate::domain::presence::Presence;
use crate::domain::reconcile::{Snapshot, echo};
use crate::domain::slot::{Live, Reached, Record, TeamsSlot};

/// Stands for every word that the domain does not know.
const UNHEARD_OF: &str = "SomethingElse";
/// More of them make a row too wide to read.
const WORDS_IN_ROW_MAX: usize = 5;

pub(super) fn sources() -> String {
    let (teams, ours, xphone) = (teams(), ours(), xphone());
    format!(
        "\
## 1. What each source says

### Teams

Teams says two words, *availability* and *activity*, for instance Busy/InACall. Read this table from the top: the first row that holds
either of the two decides, whatever the other one is. Upper and lower case are the same, and so is the order of the two.

{teams}
Who presents is in a call as well: where only telephony is synchronised, that is what counts. A meeting of the calendar (InAMeeting)
proves no call. A word that is not named here is also counted, in the metric `presence_gateway_unknown_presence_words_total`.

Teams does not say who set a presence. Two readings look like what the gateway itself sets there. As long as it has set the one or the
other, that reading is not taken for what Teams says by itself (section 4):

{ours}
### XPhone

XPhone names the origin of a presence; what the gateway made is left out. Of several, the strongest counts, and each may be a cause
to show something in Teams.

{xphone}
The bits of the telephone state are listed in [xphone-server-api.yaml](xphone-server-api.yaml).
"
    )
}

fn teams() -> Table {
    let modes = [Mode::Telephony, Mode::TelephonyAndPresence];
    let heads = modes.map(|mode| format!("counts, under `{}`, as", mode.label()));
    let mut table = Table::new(["one of the two is", "Teams itself says"].map(str::to_owned).into_iter().chain(heads));
    for (words, native) in by_weight() {
        let says = native.map_or("not known".to_owned(), |native| spoken(native.label()));
        let counts =
            modes.map(|mode| native.map_or("what it said before".to_owned(), |native| spoken(native.presence(mode).label())));
        for some in words.chunks(WORDS_IN_ROW_MAX) {
            table.row([list(some), says.clone()].into_iter().chain(counts.clone()));
        }
    }
    table
}

fn list(words: &[&str]) -> String {
    words.iter().copied().map(written).collect::<Vec<_>>().join(", ")
}

fn written(word: &str) -> String {
    match word {
        "" => "(left out)".to_owned(),
        UNHEARD_OF => "any other word".to_owned(),
        word => word.to_owned(),
    }
}

fn meaning(availability: &str, activity: &str) -> Option<TeamsNative> {
    read_teams(availability, activity).words.map(TeamsWords::native)
}

/// Asks for the meaning of every pair of words, and sorts them so that the first row that holds one of two words tells their
/// meaning: a word may stand as soon as its meaning is the same beside every word that is left.
fn by_weight() -> Vec<(Vec<&'static str>, Option<TeamsNative>)> {
    let mut left: Vec<&str> = teams_words().chain([UNHEARD_OF]).collect();
    let mut rows = Vec::new();
    while !left.is_empty() {
        let decides = |word: &&str| {
            let own = meaning(word, word);
            left.iter().all(|other| meaning(word, other) == own && meaning(other, word) == own)
        };
        let deciding: Vec<&str> = left.iter().copied().filter(decides).collect();
        let (words, native) = grouped(deciding.into_iter().map(|word| (word, meaning(word, word))))
            .into_iter()
            .next()
            .expect("one word outweighs others");
        left.retain(|word| !words.contains(word));
        rows.push((words, native));
    }
    rows
}

/// Which words may be our own doing.
fn ours() -> Table {
    let mut table = Table::new(["word", "beside it", "looks like what the gateway sets as"]);
    for word in teams_words().filter(|word| is_ours(word, word)) {
        let alike = |other: &&str| is_ours(word, other) && read_teams(word, other) == read_teams(word, word);
        let (ours, others): (Vec<&str>, Vec<&str>) = teams_words().partition(alike);
        let beside = if ours.len() > others.len() { format!("anything but {}", list(&others)) } else { list(&ours) };
        let like = meaning(word, word).map_or(String::new(), |native| spoken(native.label()));
        table.row([word.to_owned(), beside, like]);
    }
    table
}

/// Asks the decision: with both slots set, only what may be ours is an echo.
fn is_ours(availability: &str, activity: &str) -> bool {
    let words = read_teams(availability, activity).words;
    let set = TeamsSlot {
        record: Record::Shown {
            teams_user: SOMEBODY,
            since: NOW,
            reached: Some(Reached { at: NOW, until: NOW }),
            given_up: false,
        },
        live: Some(Live { from: NOW, until: None }),
        pending: None,
    };
    let base = somebody(Mode::TelephonyAndPresence, TeamsNative::Free, XPHONE_FREE);
    echo(&Snapshot { teams: Some(read(words)), session: set, preferred: set, ..base }).is_some()
}

fn xphone() -> Table {
    let mut table = Table::new(["XPhone says", "counts as", "cause to show in Teams"]);
    let mut rows = |what: &str, entries: Vec<(String, XphoneEntry)>| {
        let all = entries.len();
        for (labels, (presence, causes)) in grouped(entries.into_iter().map(|(label, entry)| (label, says(entry)))) {
            table.row([format!("{what}: {}", listed(&labels, all)), presence, causes]);
        }
    };
    rows("telephone state", telephone_states());
    rows("meeting", Meeting::ALL.map(|meeting| (spoken(meeting.label()), XphoneEntry { meeting, ..XPHONE_FREE })).into());
    let status = |ours, before| {
        let entry = |shown| XphoneEntry { own_status: own_status(shown, ours, Some(before)).flatten(), ours, ..XPHONE_FREE };
        let known = StatusKind::ALL.map(|kind| (spoken(kind.label()), entry(Some(kind))));
        known.into_iter().chain([("unknown to the gateway".to_owned(), entry(None))]).collect()
    };
    rows("status of the user", status(false, None));
    for before in [StatusKind::Available, StatusKind::DoNotDisturb] {
        rows(&format!("status that the gateway set over {}", spoken(before.label())), status(true, Some(before)));
    }
    table
}

/// One bit at a time; those that tell no more than none are taken together.
fn telephone_states() -> Vec<(String, XphoneEntry)> {
    let entry = |telephone_state| XphoneEntry { telephone_state, ..XPHONE_FREE };
    let telling = (0..i32::BITS - 1).map(|bit| 1 << bit).filter(|bit| says(entry(*bit)) != says(entry(0)));
    let name = |bit| if bit == TELEPHONE_BUSY { format!("bit {bit} (connected or dialling out)") } else { format!("bit {bit}") };
    telling.map(|bit| (name(bit), entry(bit))).chain([("only other bits, such as ringing".to_owned(), entry(0))]).collect()
}

fn says(entry: XphoneEntry) -> (String, String) {
    let causes: Vec<String> = [Cause::Call, Cause::DoNotDisturb]
        .into_iter()
        .filter(|cause| entry.says(*cause))
        .map(|cause| spoken(cause.label()))
        .collect();
    (spoken(entry.native().label()), if causes.is_empty() { "none".to_owned() } else { causes.join(" and ") })
}

pub(super) fn policies() -> String {
    let modes = Mode::ALL.map(|mode| format!("`{}`", mode.label()));
    let mut table = Table::new(["counts as".to_owned()].into_iter().chain(modes));
    for presence in Presence::ALL {
        let through = Mode::ALL.map(|mode| if mode.lets_through(presence) { "may show" } else { "does not show" }.to_owned());
        table.row([spoken(presence.label())].into_iter().chain(through));
    }
    format!(
        "\
## 2. What a policy lets through

What the two say counts as one of these; further down is stronger. The mode of a location or configuration group holds both ways, for
what Teams says and XPhone may show and the other way round. Where no mode was ever set, nothing shows.

{table}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_holds_one_of_two_words_tells_their_meaning() {
        let rows = by_weight();
        for availability in teams_words().chain([UNHEARD_OF]) {
            for activity in teams_words().chain([UNHEARD_OF]) {
                let holds = |(words, _): &&(Vec<&str>, Option<TeamsNative>)| {
                    words.iter().any(|word| [availability, activity].contains(word))
                };
                let told = rows.iter().find(holds).unwrap().1;
                assert_eq!(told, meaning(availability, activity), "{availability}/{activity}");
                assert_eq!(is_ours(availability, activity), is_ours(activity, availability), "{availability}/{activity}");
            }
        }
    }
}
