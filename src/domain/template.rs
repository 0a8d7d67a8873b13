//! The central profile template `MS Teams`: what is set for it, and what is to be done about the one that XPhone has.

use super::ids::PresenceStateGuid;
use super::mapping::StatusKind;

/// What users see it as; the profile of this name is the one used for calls.
pub const TEMPLATE_NAME: &str = "MS Teams";
/// So many characters a number has at most.
pub const NUMBER_CHARACTERS_MAX: usize = 40;

/// The profile template as set for a location or a configuration group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileTemplate {
    /// Whether it is to be in XPhone.
    pub create: bool,
    /// The status it shows.
    pub status: StatusKind,
    /// Where calls go meanwhile.
    pub call_forwarding: CallForwarding,
}

/// Where calls go while a profile is active.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallForwarding {
    /// Nowhere else.
    None,
    /// To the voice mailbox.
    Voicemail,
    /// To a number.
    Number(String),
}

/// What is wrong with call forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardingError {
    /// A number without the mode that wants one, or that mode without it.
    #[error("a number is given with the mode number, and only then")]
    NumberMismatch,
    /// That is no number.
    #[error(
        "number must have 1 to {NUMBER_CHARACTERS_MAX} characters: digits, blanks and + * # ( ) / - . with one digit at least"
    )]
    NoNumber,
}

/// A template as it should be in XPhone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The status it shows, as this server names it.
    pub status: PresenceStateGuid,
    /// Where calls go meanwhile.
    pub call_forwarding: CallForwarding,
}

/// A template as it is in XPhone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTemplate {
    /// The status it shows.
    pub status: PresenceStateGuid,
    /// Where calls go meanwhile; `None`: somewhere this gateway does not know.
    pub call_forwarding: Option<CallForwarding>,
    /// Whether users are offered it.
    pub active: bool,
}

/// Who made the template that XPhone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Nobody has looked.
    Unknown,
    /// Not the gateway: it is adapted where that is wanted, and never removed.
    Others,
    /// The gateway was about to make it, and does not know whether that arrived.
    PerhapsUs,
    /// The gateway: it may remove it.
    Us,
}

/// What is to be done about a place's template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as it should be.
    Keep,
    /// It is not there, and should be.
    Make,
    /// It is there, and not as it should be.
    Adapt,
    /// It is there, ours, and should not be.
    Remove,
    /// It is no concern of the gateway's (any more).
    Forget,
}

impl CallForwarding {
    /// Stable text for storage, the admin API and XPhone.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Voicemail => "voicemail",
            Self::Number(_) => "number",
        }
    }

    /// The number, where calls go to one.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        match self {
            Self::Number(number) => Some(number),
            Self::None | Self::Voicemail => None,
        }
    }

    /// What label and number say; `None`: there is no such mode, or the number is missing.
    #[must_use]
    pub fn from_parts(label: &str, number: Option<String>) -> Option<Self> {
        match label {
            "none" => Some(Self::None),
            "voicemail" => Some(Self::Voicemail),
            "number" => number.map(Self::Number),
            _ => None,
        }
    }

    /// The same for somebody who set it by hand.
    ///
    /// # Errors
    /// See [`ForwardingError`].
    pub fn checked(label: &str, number: Option<String>) -> Result<Self, ForwardingError> {
        if (label == "number") != number.is_some() {
            return Err(ForwardingError::NumberMismatch);
        }
        if !number.as_deref().is_none_or(is_number) {
            return Err(ForwardingError::NoNumber);
        }
        Self::from_parts(label, number).ok_or(ForwardingError::NumberMismatch)
    }
}

fn is_number(text: &str) -> bool {
    let is_fit = |character: char| character.is_ascii_digit() || " +*#()/-.".contains(character);
    (1..=NUMBER_CHARACTERS_MAX).contains(&text.len())
        && text.chars().all(is_fit)
        && text.contains(|character: char| character.is_ascii_digit())
}

impl ProfileTemplate {
    /// What holds where nothing was ever set: no template.
    #[must_use]
    pub fn unset() -> Self {
        Self { create: false, status: StatusKind::Busy, call_forwarding: CallForwarding::None }
    }
}

impl FoundTemplate {
    fn is(&self, template: &Template) -> bool {
        self.active && self.status == template.status && self.call_forwarding.as_ref() == Some(&template.call_forwarding)
    }
}

impl Maker {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Others, Self::PerhapsUs, Self::Us];

    /// Stable text for storage.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Others => "others",
            Self::PerhapsUs => "perhaps_us",
            Self::Us => "us",
        }
    }

    /// The maker that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|maker| maker.label() == label)
    }
}

/// What is to be done, and who made what is there. `put`: what we were about to make.
#[must_use]
pub fn step(wanted: Option<&Template>, found: Option<&FoundTemplate>, maker: Maker, put: Option<&Template>) -> (Step, Maker) {
    let Some(found) = found else {
        return (if wanted.is_some() { Step::Make } else { Step::Forget }, Maker::Unknown);
    };
    let maker = match maker {
        Maker::PerhapsUs if put.is_some_and(|put| found.is(put)) => Maker::Us,
        Maker::PerhapsUs | Maker::Unknown => Maker::Others,
        known => known,
    };
    let step = match wanted {
        Some(wanted) if found.is(wanted) => Step::Keep,
        Some(_) => Step::Adapt,
        None if maker == Maker::Us => Step::Remove,
        None => Step::Forget,
    };
    (step, maker)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn template(status: u128) -> Template {
        Template { status: PresenceStateGuid(Uuid::from_u128(status)), call_forwarding: CallForwarding::Voicemail }
    }

    fn found(status: u128) -> FoundTemplate {
        let Template { status, call_forwarding } = template(status);
        FoundTemplate { status, call_forwarding: Some(call_forwarding), active: true }
    }

    #[test]
    fn what_is_to_be_done_about_a_template() {
        use Maker::{Others, PerhapsUs, Unknown, Us};
        let check = |wanted: Option<u128>, there: Option<u128>, maker, put: Option<u128>, expected| {
            let (wanted, there, put) = (wanted.map(template), there.map(found), put.map(template));
            assert_eq!(step(wanted.as_ref(), there.as_ref(), maker, put.as_ref()), expected);
        };
        check(Some(1), None, Unknown, None, (Step::Make, Unknown));
        check(Some(1), None, PerhapsUs, Some(1), (Step::Make, Unknown));
        check(Some(1), None, Us, None, (Step::Make, Unknown));
        check(Some(1), Some(1), Unknown, None, (Step::Keep, Others));
        check(Some(1), Some(2), Unknown, None, (Step::Adapt, Others));
        check(Some(1), Some(2), Us, None, (Step::Adapt, Us));
        check(Some(1), Some(1), Us, None, (Step::Keep, Us));
        // Died between making it and remembering that.
        check(Some(1), Some(1), PerhapsUs, Some(1), (Step::Keep, Us));
        check(Some(2), Some(1), PerhapsUs, Some(1), (Step::Adapt, Us));
        check(None, Some(1), PerhapsUs, Some(1), (Step::Remove, Us));
        // It never arrived, and somebody else made one.
        check(None, Some(2), PerhapsUs, Some(1), (Step::Forget, Others));
        check(None, Some(1), Us, None, (Step::Remove, Us));
        check(None, Some(1), Others, None, (Step::Forget, Others));
        check(None, Some(1), Unknown, None, (Step::Forget, Others));
        check(None, None, Us, None, (Step::Forget, Unknown));
    }

    #[test]
    fn every_difference_counts() {
        let check = |change: fn(&mut FoundTemplate)| {
            let mut there = found(1);
            change(&mut there);
            assert_eq!(step(Some(&template(1)), Some(&there), Maker::Us, None), (Step::Adapt, Maker::Us), "{there:?}");
        };
        check(|there| there.active = false);
        check(|there| there.status = PresenceStateGuid(Uuid::from_u128(2)));
        check(|there| there.call_forwarding = Some(CallForwarding::None));
        check(|there| there.call_forwarding = None);
    }

    #[test]
    fn call_forwarding_names_a_number_exactly_where_it_must() {
        let check = |label: &str, number: Option<&str>, expected| {
            assert_eq!(CallForwarding::checked(label, number.map(str::to_owned)), expected, "{label} {number:?}");
        };
        check("none", None, Ok(CallForwarding::None));
        check("voicemail", None, Ok(CallForwarding::Voicemail));
        check("number", Some("+49 (89) 1234-0"), Ok(CallForwarding::Number("+49 (89) 1234-0".to_owned())));
        check("number", Some("*72#4"), Ok(CallForwarding::Number("*72#4".to_owned())));
        check("number", None, Err(ForwardingError::NumberMismatch));
        check("none", Some("4711"), Err(ForwardingError::NumberMismatch));
        check("fax", None, Err(ForwardingError::NumberMismatch));
        for bad in ["", " ", "+", "reception", "4711\n", &"1".repeat(41)] {
            check("number", Some(bad), Err(ForwardingError::NoNumber));
        }
    }
}
