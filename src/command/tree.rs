//! Imports the tree and who sits where, for servers that do not tell it.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use crate::clock::Clock;
use crate::config::{Sources, XphoneTransport};
use crate::domain::directory::{Membership, MembershipRow, membership};
use crate::store::audit::Actor;
use crate::store::directory::Imported;

/// More than a million rows need.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// `presence-gateway tree`
#[derive(Debug, Args)]
pub(super) struct Tree {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Put the locations, groups and people of a CSV file in place of those imported before.
    ///
    /// Its first line names the columns: email, location and, if wanted, `configuration_group`, separated by commas or semicolons. A row
    /// without an address names a place. Places that keep their names keep what is set for them.
    Import {
        /// The file; `-`: standard input.
        file: PathBuf,
        /// Say what is in the file and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

impl Tree {
    pub(super) async fn run(self, sources: &Sources, actor: &Actor) -> Result<ExitCode, Failure> {
        let Act::Import { file, dry_run } = self.act;
        let bytes = if file.as_os_str() == "-" { bytes(std::io::stdin())? } else { bytes(std::fs::File::open(&file)?)? };
        let membership = match parse(&bytes) {
            Ok(membership) => membership,
            Err(complaints) => {
                for complaint in complaints {
                    eprintln!("presence-gateway: {complaint}");
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        if dry_run {
            let groups = membership.tree.values().map(std::collections::BTreeSet::len).sum();
            say("the file has", Imported { locations: membership.tree.len(), groups, people: membership.seats.len() });
            return Ok(ExitCode::SUCCESS);
        }
        let (config, store) = super::open_migrated(sources).await?;
        if let XphoneTransport::Http(_) = config.xphone.transport {
            eprintln!(
                "presence-gateway: with xphone.transport = \"http\" the server tells its tree itself; nothing was imported"
            );
            return Ok(ExitCode::FAILURE);
        }
        let imported = store.import_tree(&membership, actor, Clock::system().now()).await?;
        say("imported", imported);
        Ok(ExitCode::SUCCESS)
    }
}

fn say(what: &str, Imported { locations, groups, people }: Imported) {
    println!("{what} {locations} locations, {groups} configuration groups, {people} people");
}

fn bytes(from: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX { Err("the file has more than 256 MiB".into()) } else { Ok(bytes) }
}

/// Reads CSV as spreadsheets write it: commas or semicolons, perhaps a byte order mark.
fn parse(bytes: &[u8]) -> Result<Membership, Vec<String>> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if first_line.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text);
    let unreadable = |error: csv::Error| vec![csv_complaint(&error)];
    let headers = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let (Some(email), Some(location)) = (column("email"), column("location")) else {
        return Err(vec!["the first line must name the columns email and location, and may name configuration_group".to_owned()]);
    };
    let group = column("configuration_group");
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let text = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default().to_owned();
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(MembershipRow { line, email: text(Some(email)), location: text(Some(location)), group: text(group) });
    }
    membership(rows)
}

/// What is wrong with the file, without quoting it.
fn csv_complaint(error: &csv::Error) -> String {
    let line = error.position().map(csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8",
        csv::ErrorKind::UnequalLengths { .. } => "has another number of columns than the first",
        _ => "cannot be read as CSV",
    };
    line.map_or_else(|| format!("the file {what}"), |line| format!("line {line} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_spreadsheets_are_read() {
        let check = |file: &str| {
            let Membership { tree, seats } = parse(file.as_bytes()).unwrap();
            assert_eq!(tree.into_keys().collect::<Vec<_>>(), ["Munich, south"], "{file}");
            assert_eq!(seats["anna@example.org"], ("Munich, south".to_owned(), Some("Sales".to_owned())), "{file}");
        };
        check("email,location,configuration_group\nanna@example.org,\"Munich, south\",Sales\n");
        check("\u{feff}Email;Location;Configuration_Group\r\nANNA@example.org;Munich, south; Sales\r\n");
        check("configuration_group,x,location,email\nSales,1,\"Munich, south\",anna@example.org");
    }

    #[test]
    fn what_is_wrong_is_told_by_line() {
        let check = |file: &[u8], expected: &str| assert_eq!(parse(file).unwrap_err(), [expected]);
        let columns = "the first line must name the columns email and location, and may name configuration_group";
        check(b"", columns);
        check(b"mail,location\n", columns);
        check(b"email,location\na@x,Munich,Sales\n", "line 2 has another number of columns than the first");
        check(b"email,location\na@x,M\xFCnchen\n", "line 2 is not UTF-8");
        check(b"email,location\na@x,Munich\nb@x,\n", "line 3: the location is empty");
    }
}
