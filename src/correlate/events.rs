//! Connections as events on the reference clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::{Deref, Range};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::acts::Act;
use super::clocks::Clocks;
use super::names::Names;
use super::tokens::{Token, Written};
use crate::evidence::{EvidenceId, Record};
use crate::intake::{Intake, Ledger, Memory, Sorter};
use crate::model::{ConversationKey, Flow, Protocol};
use crate::time::Instant;

/// Something that a step may have set off, but for what commands call it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) evidence: EvidenceId,
    /// When it began, on the reference clock, and how far off that may be either way, in nanoseconds.
    pub(crate) at: Instant,
    pub(crate) slack_ns: i64,
    /// Last moment of the connection, as far as its first record tells.
    pub(crate) until: Instant,
    pub(crate) src: Option<IpAddr>,
    pub(crate) src_port: Option<u16>,
    pub(crate) dst: Option<IpAddr>,
    pub(crate) dst_port: Option<u16>,
    pub(crate) protocol: Option<Protocol>,
    /// Number of its record.
    pub(crate) number: u64,
    /// Which of [`Events::shown`] it shows.
    pub(crate) shows: u32,
    /// Index into [`Intake::conversations`] and its segment; `None` for what is not a connection.
    pub(crate) segment: Option<(u32, u32)>,
    /// The time of it can be compared with steps at all.
    pub(crate) timed: bool,
    /// The firewall or the peer let it through, as far as known.
    pub(crate) failed: bool,
}

impl Row {
    /// Opener, peer, port and protocol.
    pub(crate) fn peers(&self) -> Flow {
        Flow { src: self.src, src_port: None, dst: self.dst, dst_port: self.dst_port, protocol: self.protocol }
    }

    /// Where it stands.
    pub(crate) fn record(&self) -> Record {
        Record { evidence: self.evidence, number: self.number }
    }

    fn order(&self) -> (Instant, EvidenceId, u64, Option<u16>) {
        (self.at, self.evidence, self.number, self.src_port)
    }
}

/// Something that a step may have set off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'e> {
    row: Row,
    /// By what commands have named it, and the port of a peer without a name.
    pub(crate) tokens: &'e BTreeSet<Token>,
}

impl Deref for Event<'_> {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
}

/// Events, as many as there are: beyond what memory is allowed they lie aside.
#[derive(Debug, Default)]
pub(crate) struct Events {
    rows: Ledger<Row>,
    /// Sets of tokens, each once: many connections show the same.
    shown: Arc<Vec<BTreeSet<Token>>>,
    /// Places of some rows, ascending, with their times: a search in time looks between two of them alone.
    marks: Vec<(Instant, Range<usize>)>,
}

/// Rows from one mark to the next.
const MARK: usize = 512;
/// Rows that a thread takes at a time.
const SHARE: usize = 4096;

impl Events {
    /// `rows` sorted by time.
    fn new(rows: Ledger<Row>, shown: Arc<Vec<BTreeSet<Token>>>) -> Self {
        let mark = |range: Range<usize>| Some((rows.stretch(range.clone()).first()?.at, range));
        let marks = rows.ranges(MARK).into_iter().filter_map(mark).collect();
        Events { rows, shown, marks }
    }

    fn event(&self, row: Row) -> Event<'_> {
        static NOTHING: BTreeSet<Token> = BTreeSet::new();
        Event { row, tokens: self.shown.get(row.shows as usize).unwrap_or(&NOTHING) }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// In order of time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        self.rows.iter().map(|row| self.event(*row))
    }

    pub(crate) fn get(&self, at: usize) -> Option<Event<'_>> {
        self.rows.get(at).map(|row| self.event(*row))
    }

    /// From the first moment to the last.
    pub(crate) fn extent(&self) -> Option<(Instant, Instant)> {
        Some((self.rows.first()?.at, self.rows.last()?.at))
    }

    /// Sets of tokens by [`Row::shows`].
    pub(crate) fn shown(&self) -> &[BTreeSet<Token>] {
        &self.shown
    }

    /// Place of the first event at that moment or later.
    pub(crate) fn place_of(&self, moment: Instant) -> usize {
        let after = self.marks.partition_point(|(at, _)| *at < moment);
        let Some((_, range)) = after.checked_sub(1).and_then(|mark| self.marks.get(mark)) else { return 0 };
        range.start + self.rows.stretch(range.clone()).partition_point(|row| row.at < moment)
    }

    /// Events from one moment to another, both included, in order of time.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = Event<'_>> {
        (self.place_of(from)..self.len()).map_while(|at| self.get(at)).take_while(move |event| event.at <= to)
    }

    /// What `make` makes of each event and its place, in order of time. They are shared out among threads.
    pub(crate) fn map<T: Send>(&self, make: impl Fn(usize, &Event<'_>) -> Option<T> + Sync) -> Vec<T> {
        let of_range = |range: Range<usize>| -> Vec<T> {
            let rows = self.rows.stretch(range.clone());
            range.zip(rows.iter()).filter_map(|(at, row)| make(at, &self.event(*row))).collect()
        };
        self.rows.ranges(SHARE).into_par_iter().flat_map_iter(of_range).collect()
    }

    /// Those that `wanted` lets through.
    pub(crate) fn filtered(&self, memory: &Arc<Memory>, wanted: impl Fn(&Event<'_>) -> bool) -> Events {
        let rows = self.iter().filter(wanted).map(|event| event.row);
        Events::new(Ledger::of(memory, rows), Arc::clone(&self.shown))
    }

    /// Other events with what they show, in any order, numbered beside these: of two that show the same, in either list,
    /// [`Row::shows`] is the same.
    pub(crate) fn beside(&self, others: Vec<(Row, BTreeSet<Token>)>) -> Events {
        let mut shown = Shown::default();
        let numbers: Vec<u32> = self.shown.iter().map(|tokens| shown.number(tokens)).collect();
        debug_assert!(numbers.iter().zip(0..).all(|(number, at)| *number == at), "each set stands there once");
        let rows =
            others.into_iter().map(|(row, tokens)| Row { shows: shown.number(&tokens), ..row }).collect::<Vec<_>>();
        Events { rows: Ledger::from(rows), shown: Arc::new(shown.list), marks: Vec::new() }
    }
}

/// Numbers sets of tokens.
#[derive(Default)]
struct Shown {
    list: Vec<BTreeSet<Token>>,
    known: BTreeMap<BTreeSet<Token>, u32>,
}

impl Shown {
    fn number(&mut self, tokens: &BTreeSet<Token>) -> u32 {
        if let Some(number) = self.known.get(tokens) {
            return *number;
        }
        // There are no more sets than peers that commands name, and ports.
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(tokens.clone());
        self.known.insert(tokens.clone(), number);
        number
    }
}

/// Every connection start of every conversation that `wanted` lets through, sorted by time.
pub(crate) fn events(
    intake: &Intake,
    clocks: &Clocks,
    names: &Names,
    acts: &[Act],
    wanted: &dyn Fn(&ConversationKey) -> bool,
    memory: &Arc<Memory>,
) -> Events {
    let mut rows = Sorter::new(memory, Row::order);
    let written = Written::of(acts.iter().map(|act| act.tokens()));
    let mut shown = Shown::default();
    let mut strangers: BTreeMap<Option<u16>, u32> = BTreeMap::new();
    for (index, conversation) in intake.conversations.iter().enumerate() {
        let key = conversation.key;
        if !wanted(&key) {
            continue;
        }
        let shows = match key.dst {
            Some(dst) if !names.has(dst) && written.is_stranger(dst, key.dst_port) => {
                let port = || key.dst_port.map(Token::UnresolvedPort);
                *strangers.entry(key.dst_port).or_insert_with(|| shown.number(&port().into_iter().collect()))
            }
            _ => shown.number(
                &names.shown(key.dst, key.dst_port).into_iter().filter(|token| written.counts(token)).collect(),
            ),
        };
        for (part, segment) in conversation.segments.iter().enumerate() {
            let row = |at, src_port, number, last| {
                let (at, slack_ns) = clocks.align_stamp(key.evidence, at);
                Row {
                    evidence: key.evidence,
                    at,
                    slack_ns,
                    until: clocks.align(key.evidence, last).max(at),
                    src: key.src,
                    src_port,
                    dst: key.dst,
                    dst_port: key.dst_port,
                    protocol: key.protocol,
                    number,
                    shows,
                    segment: u32::try_from(index).ok().zip(u32::try_from(part).ok()),
                    timed: segment.basis.is_dated() || clocks.is_tied(key.evidence, segment.first),
                    failed: segment.failed > 0 && segment.allowed == 0 && segment.answered == 0,
                }
            };
            if segment.starts.is_empty() {
                rows.push(row(segment.first, None, segment.first_record, segment.last));
            }
            for start in &segment.starts {
                rows.push(row(start.at, Some(start.src_port), start.record, start.last));
            }
        }
    }
    Events::new(rows.finish(), Arc::new(shown.list))
}

#[cfg(test)]
impl Events {
    /// Made-up ones, in order of time.
    pub(crate) fn of(made_up: Vec<(Row, BTreeSet<Token>)>) -> Events {
        let Events { rows, shown, .. } = Events::default().beside(made_up);
        Events::new(rows, shown)
    }

    /// The same with other rows, in the same order of time.
    pub(crate) fn changed(&self, mut change: impl FnMut(usize, &mut Row)) -> Events {
        let changed = self.iter().enumerate().map(|(at, Event { mut row, .. })| {
            change(at, &mut row);
            row
        });
        Events::new(Ledger::from(changed.collect::<Vec<_>>()), Arc::clone(&self.shown))
    }
}

#[cfg(test)]
mod tests;
