//! The one ladder on which both sides are compared.

/// How little a person can be reached; a later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// Nothing that the other side should know.
    Free,
    /// Occupied, but not on a call: a program holds the microphone, or a status says so.
    Busy,
    /// On a call or in a meeting with sound.
    OnThePhone,
    /// Wants no disturbance.
    DoNotDisturb,
}

impl Presence {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Busy, Self::OnThePhone, Self::DoNotDisturb];

    /// Stable text for storage, metrics and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Busy => "busy",
            Self::OnThePhone => "on_the_phone",
            Self::DoNotDisturb => "do_not_disturb",
        }
    }

    /// The presence that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|presence| presence.label() == label)
    }
}
