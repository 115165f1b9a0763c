//! The present time as tools print it in front of an agent: what a server says in the head of its response (RFC 9110
//! section 6.6.1), and what a machine's own clock shows (`date`, `timedatectl`, the head of `nvidia-smi`).
//!
//! Most dates in outputs are of other times (files, logs, commits). A date counts only where the command is one that
//! prints the present, and only while there are no more of them than it prints: a log beside it, or a loop, leaves
//! open which is which, and then none counts.

mod http;
mod machine;
mod stamp;

use std::borrow::Cow;

use super::command::CommandLine;
use crate::time::Instant;

/// Who told the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Teller {
    /// A server, by the name or address it was asked under; empty where several may have answered.
    Server(String),
    /// The machine that the command ran on.
    Machine,
}

/// A time that was the present while the command ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub teller: Teller,
    /// In UTC if `zoned`, else local time read as UTC.
    pub at: Instant,
    /// What it was cut to, in nanoseconds.
    pub resolution_ns: i64,
    /// Its zone was printed or asked for. Letters such as CST name several zones and are none.
    pub zoned: bool,
    /// What printed it, for people.
    pub by: &'static str,
}

/// Bound on what one output tells.
pub const MOST_TOLD: usize = 64;

/// Words without which no command prints the present in a form read here.
const TELLING: [&str; 8] = ["date", "curl", "wget", "http", "xh", "timedatectl", "nvidia-smi", "time.time"];

/// Whether the output of a command is worth looking at for times.
pub fn may_tell(command: &str) -> bool {
    TELLING.iter().any(|word| command.contains(word))
}

/// The times that a command printed as the present. `cut` says that the end of the output is missing: its last line
/// may be half of a time.
pub fn told(command: &str, output: &str, cut: bool) -> Vec<Told> {
    if !may_tell(command) {
        return Vec::new();
    }
    let line = CommandLine::parse(command);
    let plain = without_escapes(output);
    let whole = if cut { plain.rfind('\n').and_then(|end| plain.get(..end)).unwrap_or("") } else { &plain };
    let mut told = http::told(&line, command, whole);
    told.extend(machine::told(&line, command, whole));
    told.truncate(MOST_TOLD);
    told
}

/// The text without the sequences by which terminals are told colours and titles (ECMA-48: CSI, and OSC to its end).
fn without_escapes(text: &str) -> Cow<'_, str> {
    const ESCAPE: char = '\u{1b}';
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != ESCAPE {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('[') => drop(rest.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c))),
            Some(']') => {
                // A title ends with BEL or ESC \; one that never ends does not swallow the lines behind it.
                let ends = |c: &char| matches!(c, '\u{7}' | '\\' | '\n');
                if rest.by_ref().find(ends) == Some('\n') {
                    plain.push('\n');
                }
            }
            _ => {}
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
