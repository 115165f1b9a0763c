//! Files of logs: told by what their lines are, and read line by line, each by the dialect that it is in.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::DIALECTS;
use super::census::Census;
use super::dialect::{Dialect, Out, Outcome};
use super::documents::UNCLOSED;
use super::layout::Layout;
use super::logger;
use super::notation::delimited::cells;
use super::numbers::Numbers;
use super::record::{self, JOURNAL_WITHOUT_MESSAGE, Record};
use super::shape;
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
        let layout = Layout::of(&beginning);
        if let Some(layout) = layout {
            input.through(|reader| layout.lines(reader));
        }
        let ends_lines = matches!(layout, None | Some(Layout::Trail));
        let mixed =
            Mixed { ends_lines, numbers: self.0.counting().map(Numbers::new), ..Mixed::new(Some(self.0), time) };
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
    /// Its writer ends each line with a line break.
    ends_lines: bool,
    numbers: Option<Numbers>,
}

impl Mixed {
    pub(super) fn new(own: Option<&'static dyn Dialect>, time: &TimeContext) -> Self {
        Mixed { own, time: time.clone(), undated: AtomicU64::new(0), ends_lines: false, numbers: None }
    }

    /// What is known only at the end of a file.
    pub(super) fn close(&self, sink: &mut dyn Sink) {
        let undated = self.undated.load(Ordering::Relaxed);
        if undated > 0 {
            let detail =
                format!("{undated} records have no time of their own; export the log with the times of its headers");
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::UndatedTimes, detail });
        }
        if let Some(numbers) = &self.numbers {
            numbers.close(sink);
        }
    }

    /// Reads one record, whatever it is wrapped in.
    pub(super) fn record(&self, text: &[u8], number: u64, sink: &mut dyn Sink) {
        let mut reason = None;
        let mut told = None;
        let taken = record::open(text, &mut |record| {
            match claimant(self.own, record) {
                Some(dialect) => match self.read_by(dialect, record, number, sink) {
                    Ok(()) => return true,
                    Err(why) => reason = Some(why),
                },
                None => drop(reason.get_or_insert_with(|| unknown(record))),
            }
            told = told.take().or_else(|| logger::told(&record.peeled));
            false
        });
        if taken {
            return;
        }
        if let Some((kind, detail)) = told {
            sink.record();
            sink.anomaly(Anomaly { record: number, kind, detail });
            return;
        }
        match reason {
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

    fn block(&self, lines: &[u8], first_line: u64) {
        if let Some(numbers) = &self.numbers {
            numbers.block(lines, first_line);
        }
    }

    fn unended(&self, number: u64, table: &Table, sink: &mut dyn Sink) {
        if self.ends_lines && table.is_empty() {
            let detail = "the last line has no line break: the file was cut within it, was still being written, or was \
                          saved by an editor";
            sink.anomaly(Anomaly { record: number, kind: AnomalyKind::TruncatedRecord, detail: detail.to_owned() });
        }
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

/// Why a record that no dialect claims is not read: the shape of it.
fn unknown(record: &Record<'_>) -> Cow<'static, str> {
    if record.peeled.message == JOURNAL_WITHOUT_MESSAGE {
        return "journal entry without its message (null: export again with journalctl --all)".into();
    }
    shape::of(record).into()
}
