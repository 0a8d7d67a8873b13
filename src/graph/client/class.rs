//! What a request to Graph is for, and who goes first when the budget is short.

/// What a request is for, the most important first: the last yields first.
///
/// Renewals come first because they are few and everything that is pushed hangs on them. Taking something back comes before
/// setting something: what is shown wrongly hides the truth. Reading yields to writing, since what is not read now is read in a
/// minute; the directory, which is read every few minutes, yields to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Keeping subscriptions: create, renew, list, delete.
    Renewal,
    /// Taking back what we show in Teams.
    Clear,
    /// Showing something in Teams.
    Set,
    /// Reading again what notifications told.
    Confirm,
    /// Reading everybody in turn.
    Sweep,
    /// Reading who there is.
    Directory,
}

impl Class {
    /// Every one, in the order of their importance.
    pub const ALL: [Self; 6] = [Self::Renewal, Self::Clear, Self::Set, Self::Confirm, Self::Sweep, Self::Directory];

    /// For metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Clear => "clear",
            Self::Set => "set",
            Self::Confirm => "confirm",
            Self::Sweep => "sweep",
            Self::Directory => "directory",
        }
    }

    /// So many percent of what may go out at once a class leaves to those before it.
    pub(super) fn leaves_percent(self) -> u32 {
        match self {
            Self::Renewal => 0,
            Self::Clear => 5,
            Self::Set => 10,
            Self::Confirm => 20,
            Self::Sweep => 30,
            Self::Directory => 40,
        }
    }
}
