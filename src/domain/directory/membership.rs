//! Who sits where, as somebody wrote it down: for servers that do not tell their tree.

use std::collections::{BTreeMap, BTreeSet};

/// More rows than any server has users.
const ROWS_MAX: usize = 1_000_000;
const CHARACTERS_MAX: usize = 256;
/// So many complaints are told; the rest of a wrong file says nothing new.
const COMPLAINTS_MAX: usize = 20;

/// One row: a person, a location, and perhaps a group in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    /// For complaints.
    pub line: u64,
    /// Whose seat.
    pub email: String,
    /// The location's name.
    pub location: String,
    /// The configuration group's name; empty: directly at the location.
    pub group: String,
}

/// A tree by names, and who sits where in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Locations with their groups.
    pub tree: BTreeMap<String, BTreeSet<String>>,
    /// By address, in lower case: the location, and the group.
    pub seats: BTreeMap<String, (String, Option<String>)>,
}

/// Puts rows together.
///
/// # Errors
/// What is wrong with them, line by line. Addresses are not quoted.
pub fn membership(rows: impl IntoIterator<Item = MembershipRow>) -> Result<Membership, Vec<String>> {
    let (mut membership, mut complaints) = (Membership::default(), Vec::new());
    for (n, row) in rows.into_iter().enumerate() {
        if n >= ROWS_MAX {
            complaints.push(format!("there are more than {ROWS_MAX} rows"));
            break;
        }
        if let Err(complaint) = take(&mut membership, &row) {
            complaints.push(format!("line {}: {complaint}", row.line));
        }
        if complaints.len() >= COMPLAINTS_MAX {
            break;
        }
    }
    if complaints.is_empty() { Ok(membership) } else { Err(complaints) }
}

fn take(membership: &mut Membership, row: &MembershipRow) -> Result<(), &'static str> {
    let [email, location, group] = [&row.email, &row.location, &row.group].map(|text| text.trim());
    let unfit = |text: &str| text.chars().count() > CHARACTERS_MAX || text.chars().any(char::is_control);
    if [email, location, group].into_iter().any(unfit) {
        return Err("a text is longer than 256 characters, or holds control characters");
    }
    if location.is_empty() {
        return Err("the location is empty");
    }
    let groups = membership.tree.entry(location.to_owned()).or_default();
    if !group.is_empty() {
        groups.insert(group.to_owned());
    }
    // A place without anybody may be named too, so that its policy can be set before people come.
    if email.is_empty() {
        return Ok(());
    }
    if !email.contains('@') {
        return Err("the e-mail address has no @");
    }
    let seat = (location.to_owned(), (!group.is_empty()).then(|| group.to_owned()));
    match membership.seats.insert(email.to_lowercase(), seat.clone()) {
        Some(before) if before != seat => Err("the same address sits elsewhere in an earlier line"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, email: &str, location: &str, group: &str) -> MembershipRow {
        MembershipRow { line, email: email.to_owned(), location: location.to_owned(), group: group.to_owned() }
    }

    #[test]
    fn rows_become_a_tree_and_seats() {
        let rows = [
            row(2, "Anna@example.org", " Munich ", "Sales"),
            row(3, "ben@example.org", "Munich", ""),
            row(4, "", "Berlin", "Support"),
            row(5, "anna@example.org", "Munich", "Sales"),
        ];
        let Membership { tree, seats } = membership(rows).unwrap();
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(tree, [("Berlin".to_owned(), named(&["Support"])), ("Munich".to_owned(), named(&["Sales"]))].into());
        let seat = |email: &str, group: Option<&str>| (email.to_owned(), ("Munich".to_owned(), group.map(str::to_owned)));
        assert_eq!(seats, [seat("anna@example.org", Some("Sales")), seat("ben@example.org", None)].into());
    }

    #[test]
    fn complaints_name_lines_and_nobody() {
        let rows = [
            row(2, "anna@example.org", "", ""),
            row(3, "anna", "Munich", ""),
            row(4, "ben@example.org", "Munich", ""),
            row(5, "BEN@example.org", "Berlin", ""),
            row(6, "carl@example.org", &"x".repeat(257), ""),
        ];
        let expected = [
            "line 2: the location is empty",
            "line 3: the e-mail address has no @",
            "line 5: the same address sits elsewhere in an earlier line",
            "line 6: a text is longer than 256 characters, or holds control characters",
        ];
        assert_eq!(membership(rows).unwrap_err(), expected);
    }
}
