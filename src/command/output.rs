//! What commands print: to whoever reads it, as long as they read.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

use super::Failure;

/// Prints to standard output, as `println!` does, but ends the command if nobody reads it any more.
macro_rules! say {
    ($($words:tt)*) => { $crate::command::output::line(format_args!($($words)*))? };
}
pub(super) use say;

/// A line of output.
pub(super) fn line(words: Arguments<'_>) -> Result<(), Failure> {
    Ok(writeln!(stdout(), "{words}")?)
}

/// A text of several lines.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    Ok(stdout().write_all(text.as_bytes())?)
}

/// Whether whoever read the output has seen enough, such as `head`: that is no failure.
pub(super) fn is_unread(failure: &Failure) -> bool {
    failure.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
