//! Whether anything about people has changed, without reading them: triggers count the changes of their tables.
//!
//! Read the mark first and then what it stands for: what changes in between is then read twice, and never missed. The count is part of
//! the transaction that changes the table, and its row is held until that ends. So of two transactions the later number is committed
//! later, and whoever sees a number sees everything that was counted up to it.

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError};

/// A table whose changes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// XPhone's people, who they are in Teams, and their profiles, which are written with them.
    People,
    /// Teams synchronisation as set for places.
    TeamsSync,
    /// The people of Teams.
    TeamsPeople,
    /// Who is who, said by hand or by signing in.
    Links,
    /// Whose link was taken away and was not matched without it yet.
    Unlinked,
    /// Who sits where, as imported.
    ImportedSeats,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::People => "person",
            Self::TeamsSync => "teams_sync",
            Self::TeamsPeople => "teams_person",
            Self::Links => "teams_link",
            Self::Unlinked => "teams_unlinked",
            Self::ImportedSeats => "imported_seat",
        }
    }
}

/// How often some tables were changed; the same as before: they hold what they held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(Vec<(String, i64)>);

/// Where the tables were when something was read of them, and when that was.
#[derive(Clone, Debug)]
pub struct AsOf {
    mark: Mark,
    at: Timestamp,
}

impl AsOf {
    /// Reading follows the mark, at this time.
    #[must_use]
    pub fn new(mark: Mark, at: Timestamp) -> Self {
        Self { mark, at }
    }

    /// Whether what was read need not be read again: no mark has moved, and it is not as old as `life`, after which it is read whatever
    /// the marks say. A clock that was set back makes nothing younger.
    #[must_use]
    pub fn holds(&self, mark: &Mark, now: Timestamp, life: SignedDuration) -> bool {
        self.mark == *mark && self.at <= now && now.duration_since(self.at) < life
    }
}

impl Store {
    /// Where these tables are.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn mark(&self, tables: &[Table]) -> Result<Mark, StoreError> {
        let names: Vec<String> = tables.iter().map(|table| table.name().to_owned()).collect();
        let marks = sqlx::query!("select name, changes from table_mark where name = any($1) order by name", &names);
        Ok(Mark(marks.fetch_all(&self.pool).await?.into_iter().map(|row| (row.name, row.changes)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_holds_until_a_mark_moves_it_is_old_or_the_clock_is_set_back() {
        let mark = |changes| Mark(vec![("person".to_owned(), changes), ("teams_sync".to_owned(), 1)]);
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let read = AsOf::new(mark(7), at(0));
        for (changes, seconds, expected) in
            [(7, 0, true), (7, 299, true), (7, 300, false), (7, -1, false), (8, 0, false), (6, 299, false)]
        {
            let holds = read.holds(&mark(changes), at(seconds), SignedDuration::from_mins(5));
            assert_eq!(holds, expected, "{changes} changes after {seconds} s");
        }
        assert!(!read.holds(&Mark(Vec::new()), at(0), SignedDuration::from_mins(5)), "another table's mark");
    }
}
