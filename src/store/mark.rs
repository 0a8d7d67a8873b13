//! Whether anything about people has changed, without reading them: triggers count the changes of their tables.
//!
//! Read the mark first and then what it stands for: what changes in between is then read twice, and never missed. The count is part of
//! the transaction that changes the table, and its row is held until that ends. So of two transactions the later number is committed
//! later, and whoever sees a number sees everything that was counted up to it.

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
