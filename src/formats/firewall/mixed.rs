//! Files of logs: told by what their lines are, and read line by line, each by the dialect that it is in.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::DIALECTS;
use super::bytes;
use super::census::Census;
use super::dialect::{Dialect, Out, Outcome};
use super::documents::UNCLOSED;
use super::layout::Layout;
use super::notation::delimited::cells;
use super::record::{self, JOURNAL_WITHOUT_MESSAGE, Record};
use super::shape;
use super::syslog::Peeled;
use super::table::Table;
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, LineReader, Match, Sink, read_lines};
use crate::time::TimeContext;

/// A file whose lines are mostly of one dialect.
pub struct Log(pub(crate) &'static dyn Dialect);

impl Format for Log {
    fn id(&self) -> &'static str {
        self.0.id()
    }

    fn kind(&self) -> Kind {
        Kind::Firewall
    }

    fn title(&self) -> &'static str {
        self.0.title()
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        head.derived(Census::of).of_dialect(self.0)
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let beginning = input.peek(4096)?;
        if let Some(layout) = Layout::of(&beginning) {
            input.through(|reader| layout.lines(reader));
        }
        let mixed = Mixed::new(Some(self.0), time);
        let outcome = read_lines(input, &mixed, sink);
        mixed.close(sink);
        outcome
    }
}

/// Reads records of any dialect.
pub(super) struct Mixed {
    /// What the file was recognised as: asked first.
    own: Option<&'static dyn Dialect>,
    time: TimeContext,
    undated: AtomicU64,
}

impl Mixed {
    pub(super) fn new(own: Option<&'static dyn Dialect>, time: &TimeContext) -> Self {
        Mixed { own, time: time.clone(), undated: AtomicU64::new(0) }
    }

    /// What is known only at the end of a file.
    pub(super) fn close(&self, sink: &mut dyn Sink) {
        let undated = self.undated.load(Ordering::Relaxed);
        if undated > 0 {
            let detail =
                format!("{undated} records have no time of their own; export the log with the times of its headers");
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::UndatedTimes, detail });
        }
    }

    /// Reads one record, whatever it is wrapped in.
    pub(super) fn record(&self, text: &[u8], number: u64, sink: &mut dyn Sink) {
        let mut reason = None;
        let taken = record::open(text, &mut |record| {
            let Some(dialect) = claimant(self.own, record) else {
                reason.get_or_insert_with(|| unknown(record));
                return false;
            };
            if let Err(why) = self.read_by(dialect, record, number, sink) {
                reason = Some(why);
                return false;
            }
            true
        });
        if taken {
            return;
        }
        match reason {
            Some(Cow::Borrowed(SUPPRESSED)) => self.suppressed(text, number, sink),
            Some(reason) => sink.unread(number, &reason, text),
            None => sink.unread(number, "an empty record", text),
        }
    }

    fn read_by(&self, dialect: &dyn Dialect, record: &Record<'_>, number: u64, sink: &mut dyn Sink) -> Outcome {
        let time = self.time.at_record(number);
        let (undated, stated) = (&self.undated, record.peeled.stated);
        let mut out = Out { number, time: &time, stated, undated, sink, recorded: false };
        let outcome = dialect.read(record, &mut out);
        match outcome {
            Err(why) if !out.recorded => Err(format!("{}: {why}", dialect.id()).into()),
            _ => Ok(()),
        }
    }

    fn suppressed(&self, text: &[u8], number: u64, sink: &mut dyn Sink) {
        let mut count = None;
        record::open(text, &mut |record| {
            count = count.or(suppressed(&record.peeled));
            false
        });
        sink.record();
        let count = count.unwrap_or_default();
        let detail = format!("{count} messages were suppressed by the logger: absence of a line proves nothing here");
        sink.anomaly(Anomaly { record: number, kind: AnomalyKind::Gap, detail });
    }
}

impl LineReader for Mixed {
    type Layout = Table;

    fn line(&self, line: &[u8], number: u64, table: &Table, sink: &mut dyn Sink) {
        if line == UNCLOSED {
            let detail = "the document ends before the list of its records does; later ones may be missing".to_owned();
            sink.anomaly(Anomaly { record: number, kind: AnomalyKind::TruncatedRecord, detail });
            return;
        }
        if let Some(own) = self.own
            && !table.is_empty()
        {
            let row = cells(line, table.header().delimiter);
            let record = Record { row: Some((table, &row)), ..Record::new(line) };
            if own.claims(&record) {
                if let Err(why) = self.read_by(own, &record, number, sink) {
                    sink.unread(number, &why, line);
                }
                return;
            }
        }
        self.record(line, number, sink);
    }

    fn header(&self, line: &[u8], before: &Table) -> Option<Table> {
        self.own?.header(line, before)
    }
}

/// The dialect that claims a record: the first of them, `own` before all.
pub(super) fn claimant(own: Option<&'static dyn Dialect>, record: &Record<'_>) -> Option<&'static dyn Dialect> {
    if let Some(own) = own.filter(|own| own.claims(record)) {
        return Some(own);
    }
    let others = DIALECTS.iter().copied().filter(|other| own.is_none_or(|own| own.id() != other.id()));
    others.into_iter().find(|dialect| dialect.claims(record))
}

const SUPPRESSED: &str = "suppressed";

/// Why a record that no dialect claims is not read: the shape of it.
fn unknown(record: &Record<'_>) -> Cow<'static, str> {
    if suppressed(&record.peeled).is_some() {
        return Cow::Borrowed(SUPPRESSED);
    }
    if record.peeled.message == JOURNAL_WITHOUT_MESSAGE {
        return "journal entry without its message (null: export again with journalctl --all)".into();
    }
    shape::of(record).into()
}

/// `net_ratelimit: 12 callbacks suppressed` and its kin (printk, journald, rsyslog): the number that is missing.
fn suppressed(peeled: &Peeled<'_>) -> Option<u64> {
    const WORDS: [&[u8]; 5] =
        [b" callbacks suppressed", b" messages suppressed", b" kernel messages", b" messages from ", b" messages lost"];
    let message = peeled.message;
    for words in WORDS {
        let Some(at) = memchr::memmem::find(message, words) else { continue };
        let before = message.get(..at)?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let count = bytes::number(before.get(before.len() - digits..)?)?;
        let said = |word: &[u8]| memchr::memmem::find(message, word).is_some();
        return (said(b"uppressed") || said(b"Missed ") || said(b"lost")).then_some(count);
    }
    None
}
