//! Which years the records of a file are of whose stamps have none: a look through it ahead of its reader, since lines
//! are read in parallel and in any order.

use std::any::Any;
use std::io::{self, Read};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate};

use super::Probed;
use crate::evidence::{Anomaly, AnomalyKind, EvidenceFile, EvidenceId, Input};
use crate::formats::Sink;
use crate::formats::firewall::syslog::{Stamp, peel};
use crate::model::{Episode, EpisodeText, Observation, Step, StepResult};
use crate::time::{Anchor, Basis, TimeContext, YearScan, YearSource, Years};

const BLOCK: usize = 1 << 20;
/// A stamp stands within so many bytes of the beginning of its line.
const HEADERS: usize = 512;
/// What stands at the beginning of lines of the same day ("Nov 20"), and of the same ISO date at least mostly.
const SAME_DAY: usize = 6;
/// More changes of day than this are no order.
const MOST_CHANGES: usize = 1 << 20;

/// The context with the years by the order of records, if the file's stamps have none and its order tells more than the
/// context does.
pub(super) fn in_order(file: &EvidenceFile, probed: &Probed, time: TimeContext) -> TimeContext {
    if !probed.without_year {
        return time;
    }
    let anchor = match time.year {
        YearSource::Declared(year) => Anchor::Declared(year),
        YearSource::NearestTo(neighbour) => Anchor::NearestTo(neighbour),
        _ => Anchor::Unknown,
    };
    // A failure to read comes again, and is reported, when the file is read.
    let mut scan = lines(file).unwrap_or_default();
    if scan.years(anchor).is_none() {
        scan = records(file, probed, &time);
    }
    match scan.years(anchor) {
        Some(years) if scan.is_needed() || !years.also_possible.is_empty() => {
            TimeContext { year: YearSource::ByRecord(Arc::new(years)), ..time }
        }
        _ => time,
    }
}

/// What is odd about the order of the records.
pub(super) fn anomalies(years: &Years) -> Vec<Anomaly> {
    let anomaly = |kind, detail| Anomaly { record: 0, kind, detail };
    let mut found = Vec::new();
    if !years.also_possible.is_empty() {
        let others: Vec<String> = years.also_possible.iter().map(ToString::to_string).collect();
        let detail = format!(
            "its stamps have no year: the last is read as of {}, but {} would fit as well; declare it with --year \
             PATTERN=YYYY",
            years.last,
            others.join(" or ")
        );
        found.push(anomaly(AnomalyKind::UndatedTimes, detail));
    }
    if years.out_of_order > 0 {
        let detail = format!(
            "{} changes of day go back by more than a day without a year ending: out of order, or a gap of most of a year",
            years.out_of_order
        );
        found.push(anomaly(AnomalyKind::ClockStepBack, detail));
    }
    if years.not_set > 0 {
        let detail = format!(
            "the clock showed a day of more than half a year away and then went on where it had been, {} times: it was \
             not set; these records have wrong times",
            years.not_set
        );
        found.push(anomaly(AnomalyKind::ClockStepBack, detail));
    }
    found
}

/// By the stamps at the beginning of lines. Only where a line begins otherwise than the one before it is more looked at.
fn lines(file: &EvidenceFile) -> io::Result<YearScan> {
    let mut scan = YearScan::default();
    let mut before = [0_u8; SAME_DAY];
    each_line(file, &mut |text, number| line(text, number, &mut before, &mut scan))?;
    Ok(scan)
}

/// Calls `each` with the beginning of every line, at least [`HEADERS`] bytes if it has as many, and its number from 1 on.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn each_line(file: &EvidenceFile, each: &mut dyn FnMut(&[u8], u64)) -> io::Result<()> {
    let mut input = Input::look_through(&file.name, &file.path, EvidenceId(0))?;
    let (mut block, mut filled) = (vec![0; BLOCK], 0);
    let mut number = 1_u64;
    // The rest of a line whose beginning has been seen.
    let mut skipping = false;
    loop {
        let read = block.get_mut(filled..).map_or(Ok(0), |free| input.read(free))?;
        filled += read;
        let text = block.get(..filled).unwrap_or_default();
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', text.get(from..).unwrap_or_default()) {
            if !skipping {
                each(text.get(from..from + length).unwrap_or_default(), number);
            }
            (skipping, number, from) = (false, number + 1, from + length + 1);
        }
        let rest = text.get(from..).unwrap_or_default();
        if read == 0 || rest.len() >= BLOCK / 2 {
            if !skipping {
                each(rest, number);
            }
            (skipping, from) = (true, filled);
        }
        if read == 0 {
            return Ok(());
        }
        block.copy_within(from..filled, 0);
        filled -= from;
    }
}

fn line(text: &[u8], number: u64, before: &mut [u8; SAME_DAY], scan: &mut YearScan) {
    // `<13>Nov 20`: what comes before the day is not always the same.
    let begins = match text.first() {
        Some(b'<') => memchr::memchr(b'>', text.get(..6).unwrap_or(text)).and_then(|end| text.get(end + 1..)),
        _ => Some(text),
    };
    let Some(begins) = begins.and_then(|text| text.first_chunk::<SAME_DAY>()) else { return };
    if begins == before {
        return;
    }
    *before = *begins;
    match peel(text.get(..HEADERS).unwrap_or(text)).stamp {
        Some(Stamp::WithoutYear { month, day, .. }) => scan.see(number, month, day),
        Some(Stamp::Local { at, .. }) => scan.see_dated(number, at.date()),
        Some(Stamp::Epoch { at, .. }) => scan.see_dated(number, at.to_utc().date_naive()),
        _ => {}
    }
}

/// By reading the file: for stamps that stand anywhere else.
fn records(file: &EvidenceFile, probed: &Probed, time: &TimeContext) -> YearScan {
    let mut days = Days::default();
    if let Some(format) = probed.format
        && let Ok(mut input) = Input::look_through(&file.name, &file.path, EvidenceId(0))
    {
        let time = TimeContext { year: YearSource::Unknown, ..time.clone() };
        let _ = format.read(&mut input, &time, &mut days);
    }
    let mut scan = YearScan::default();
    if !days.too_many {
        days.seen.sort_unstable();
        for (record, date, dated) in days.seen {
            if dated { scan.see_dated(record, date) } else { scan.see(record, date.month(), date.day()) }
        }
    }
    scan
}

/// Keeps the days of records, where they change.
#[derive(Default)]
struct Days {
    /// Record, its day, and whether it states its year.
    seen: Vec<(u64, NaiveDate, bool)>,
    last: Option<(NaiveDate, bool)>,
    too_many: bool,
}

impl Sink for Days {
    fn observation(&mut self, observation: &Observation<'_>) {
        let Some(span) = observation.span.filter(|span| span.basis != Basis::BootRelative) else { return };
        let seen = (DateTime::from_timestamp_nanos(span.lo.0).date_naive(), span.basis != Basis::UnknownYear);
        if self.last != Some(seen) && !self.too_many {
            self.last = Some(seen);
            self.seen.push((observation.record, seen.0, seen.1));
            self.too_many = self.seen.len() > MOST_CHANGES;
        }
    }

    fn fork(&self) -> Box<dyn Sink> {
        Box::new(Days::default())
    }

    fn join(&mut self, fork: Box<dyn Sink>) {
        if let Ok(fork) = fork.into_any().downcast::<Days>() {
            self.too_many |= fork.too_many || self.seen.len() + fork.seen.len() > MOST_CHANGES;
            if !self.too_many {
                self.seen.extend(fork.seen);
            }
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn record(&mut self) {}
    fn unread(&mut self, _record: u64, _reason: &str, _example: &[u8]) {}
    fn episode(&mut self, _episode: Episode) {}
    fn step(&mut self, _step: Step) {}
    fn result(&mut self, _result: StepResult) {}
    fn text(&mut self, _text: EpisodeText) {}
    fn anomaly(&mut self, _anomaly: Anomaly) {}
}

#[cfg(test)]
mod tests;
