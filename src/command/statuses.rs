//! Lists the presence statuses that people show in XPhone, for naming them in the settings where the server does not.

use std::process::ExitCode;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::domain::mapping::StatusKind;
use crate::xphone::{SeenStatus, XPhone};

/// `presence-gateway statuses`
pub(super) async fn run(sources: &Sources) -> Result<ExitCode, Failure> {
    let config = Config::load(sources)?;
    let seen = XPhone::new(&config.xphone, Clock::system())?.statuses_seen().await?;
    for status in &seen {
        println!("{}", line(status));
    }
    Ok(ExitCode::SUCCESS)
}

/// In columns.
fn line(status: &SeenStatus) -> String {
    let SeenStatus { guid, people, .. } = status;
    format!("{guid} {:<14} {people:>6} people {}", kind(status), texts(status)).trim_end().to_owned()
}

/// Among other findings.
pub(super) fn in_words(status: &SeenStatus) -> String {
    let SeenStatus { guid, people, .. } = status;
    format!("{guid}: {}, {people} people {}", kind(status), texts(status)).trim_end().to_owned()
}

fn kind(status: &SeenStatus) -> &'static str {
    status.kind.map_or("not named", StatusKind::label)
}

/// Whoever wrote a text must not write to the terminal with it.
fn texts(status: &SeenStatus) -> String {
    status.texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::PresenceStateGuid;

    #[test]
    fn lines_say_what_is_named_and_what_is_not() {
        let guid = PresenceStateGuid(Uuid::nil());
        let check = |kind, texts: &[&str], expected: &str| {
            let texts = texts.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(line(&SeenStatus { guid, kind, people: 12, texts }), expected);
        };
        let nil = "00000000-0000-0000-0000-000000000000";
        check(Some(StatusKind::Busy), &[], &format!("{nil} busy               12 people"));
        let shared = SeenStatus { guid, kind: None, people: 2, texts: vec!["Lunch".to_owned(), "Back at one".to_owned()] };
        assert_eq!(in_words(&shared), format!("{nil}: not named, 2 people \"Lunch\", \"Back at one\""));
        check(None, &["In a \u{7}meeting"], &format!("{nil} not named          12 people \"In a \\u{{7}}meeting\""));
    }
}
