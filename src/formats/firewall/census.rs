//! What the head of a file holds, line by line: which dialects, how often.

use std::collections::BTreeMap;
use std::io::Read;

use super::DIALECTS;
use super::dialect::Dialect;
use super::layout::Layout;
use super::mixed::claimant;
use super::notation::delimited::cells;
use super::record::{self, Record};
use super::table::Table;
use crate::evidence::Head;
use crate::formats::Match;

/// Lines of a head that are looked at.
const LINES: usize = 200;

/// Counts over the first lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    lines: usize,
    /// Lines by the dialect that claims them.
    claimed: BTreeMap<&'static str, usize>,
    /// Lines with a header that tells a time.
    dated: usize,
    /// Lines of programs of a Linux machine's own log, and journal entries: where these stand, lines of interest may
    /// follow.
    programs: usize,
}

const PROGRAMS: [&[u8]; 13] = [
    b"kernel",
    b"CRON",
    b"cron",
    b"crond",
    b"systemd",
    b"systemd-logind",
    b"sudo",
    b"su",
    b"sshd",
    b"rsyslogd",
    b"anacron",
    b"dhclient",
    b"NetworkManager",
];

impl Census {
    /// Of the complete lines of a head.
    pub(crate) fn of(head: &Head) -> Census {
        let mut census = Census::default();
        // Each record of an audit trail tells by itself what it is.
        let layout = Layout::of(&head.bytes).filter(|layout| *layout != Layout::Trail);
        if head.bytes.contains(&0) && layout != Some(Layout::Export) {
            return census;
        }
        let mut laid_out = Vec::new();
        let text = match layout {
            Some(layout) => {
                // Reading from memory does not fail.
                let _ = layout.lines(&head.bytes[..]).read_to_end(&mut laid_out);
                &laid_out[..]
            }
            None => &head.bytes[..],
        };
        let end = if head.whole { text.len() } else { memchr::memrchr(b'\n', text).unwrap_or(0) };
        let lines = text.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
        let lines: Vec<&[u8]> = lines
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .take(LINES)
            .collect();
        census.lines = lines.len();
        let mut rows = lines.first().and_then(|first| Rows::under(first));
        for line in lines {
            if let Some(rows) = &mut rows
                && rows.take(line, &mut census)
            {
                continue;
            }
            census.count(line);
        }
        census
    }

    fn count(&mut self, line: &[u8]) {
        let mut seen = None;
        let mut dated = false;
        let mut program = false;
        record::open(line, &mut |record| {
            dated |= record.peeled.stamp.is_some();
            program |= PROGRAMS.iter().any(|name| record.peeled.is_program(name));
            seen = seen.or_else(|| claimant(None, record));
            seen.is_some()
        });
        self.dated += usize::from(dated);
        self.programs += usize::from(program);
        if let Some(dialect) = seen {
            *self.claimed.entry(dialect.id()).or_default() += 1;
        }
    }

    /// Most lines have a syslog or kernel header: the events may be few among them.
    fn is_log(&self) -> bool {
        self.dated * 10 >= self.lines * 8
    }

    /// What the counts say of a dialect.
    pub(crate) fn of_dialect(&self, dialect: &dyn Dialect) -> Match {
        let lines = self.lines;
        let count = |id: &str| self.claimed.get(id).copied().unwrap_or_default();
        let own = count(dialect.id());
        if own == 0 {
            let quiet = self.claimed.is_empty() && self.programs > 0 && self.is_log();
            return match dialect.id() {
                "iptables" if quiet => Match::Likely(
                    5,
                    format!("the log of a Linux machine; none of its first {lines} lines is of a known format"),
                ),
                _ => Match::No,
            };
        }
        let reason = format!("{own} of its first {lines} lines: {}", dialect.signature());
        let most = DIALECTS.iter().max_by_key(|other| (count(other.id()), std::cmp::Reverse(place(**other))));
        let leads = most.is_some_and(|most| most.id() == dialect.id());
        let all: usize = DIALECTS.iter().map(|other| count(other.id())).sum();
        if leads && all * 2 >= lines {
            Match::Certain(reason)
        } else if all * 10 >= lines || self.is_log() {
            let share = u8::try_from(own * 60 / lines.max(1)).unwrap_or(60);
            Match::Likely(if leads { 80 } else { 10 + share }, reason)
        } else {
            Match::No
        }
    }
}

fn place(dialect: &dyn Dialect) -> usize {
    DIALECTS.iter().position(|other| other.id() == dialect.id()).unwrap_or_default()
}

/// Rows under a header that one of the dialects knows.
struct Rows {
    dialect: &'static dyn Dialect,
    table: Table,
}

impl Rows {
    fn under(first: &[u8]) -> Option<Self> {
        let known = |dialect: &&'static dyn Dialect| Some((*dialect, dialect.header(first, &Table::default())?));
        let (dialect, table) = DIALECTS.iter().find_map(known)?;
        Some(Rows { dialect, table })
    }

    /// Counts a header or row; says whether it was one.
    fn take(&mut self, line: &[u8], census: &mut Census) -> bool {
        let claimed = match self.dialect.header(line, &self.table) {
            Some(table) => {
                self.table = table;
                true
            }
            None => {
                let row = cells(line, self.table.header().delimiter);
                let record = Record { row: Some((&self.table, &row)), ..Record::new(line) };
                self.dialect.claims(&record)
            }
        };
        if claimed {
            *census.claimed.entry(self.dialect.id()).or_default() += 1;
        }
        claimed
    }
}
