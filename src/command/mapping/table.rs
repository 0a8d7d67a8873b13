//! A Markdown table that is also readable as plain text.

use std::fmt;

/// Rows under a head, all with the same number of cells.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<Head: Into<String>>(heads: impl IntoIterator<Item = Head>) -> Self {
        Self { rows: vec![heads.into_iter().map(Into::into).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let (head, body) = self.rows.split_at(1);
        for row in head.iter().chain([&rule]).chain(body) {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
        }
        Ok(())
    }
}

/// Puts together what has the same outcome, in the order in which the outcomes first come up.
pub(super) fn grouped<Label, Outcome: PartialEq>(all: impl IntoIterator<Item = (Label, Outcome)>) -> Vec<(Vec<Label>, Outcome)> {
    let mut groups: Vec<(Vec<Label>, Outcome)> = Vec::new();
    for (label, outcome) in all {
        match groups.iter_mut().find(|(_, known)| *known == outcome) {
            Some((labels, _)) => labels.push(label),
            None => groups.push((vec![label], outcome)),
        }
    }
    groups
}

/// All of them by name, or *any* where nothing is left out.
pub(super) fn listed(labels: &[impl AsRef<str>], all: usize) -> String {
    let labels: Vec<&str> = labels.iter().map(AsRef::as_ref).collect();
    if labels.len() == all { "any".to_owned() } else { labels.join(", ") }
}

/// A label of the domain as people say it.
pub(super) fn spoken(label: &str) -> String {
    label.replace('_', " ")
}
