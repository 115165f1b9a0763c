//! What the readers of GPU telemetry have in common: where their records go, and the times they state.

use std::io;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::text::each_line;
use crate::evidence::{Anomaly, AnomalyKind, Input};
use crate::formats::Sink;
use crate::model::{Detail, GpuProcess, GpuSample, Observation};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// Takes samples and processes, and counts what has no time.
pub(super) struct Out<'s> {
    sink: &'s mut dyn Sink,
    time: TimeContext,
    undated: u64,
    last: Option<Span>,
}

impl<'s> Out<'s> {
    pub(super) fn new(time: &TimeContext, sink: &'s mut dyn Sink) -> Self {
        Out { sink, time: time.clone(), undated: 0, last: None }
    }

    pub(super) fn record(&mut self) {
        self.sink.record();
    }

    pub(super) fn unread(&mut self, record: u64, reason: &str, example: &str) {
        self.sink.unread(record, reason, example.as_bytes());
    }

    pub(super) fn anomaly(&mut self, record: u64, kind: AnomalyKind, detail: impl Into<String>) {
        self.sink.anomaly(Anomaly { record, kind, detail: detail.into() });
    }

    /// A local time without zone, in whole seconds unless told finer.
    pub(super) fn local(&mut self, record: u64, local: NaiveDateTime, resolution_ns: i64) -> Option<Span> {
        let span = self.time.local(local, resolution_ns);
        self.follow(record, span);
        span
    }

    /// A time in seconds since 1970, as JSON numbers and Prometheus have it: to the millisecond.
    pub(super) fn epoch(&mut self, record: u64, seconds: f64) -> Option<Span> {
        const MILLISECOND: i64 = 1_000_000;
        // Beyond the years that an instant can hold (1678 to 2262).
        if !(0.0..9.0e9).contains(&seconds) {
            return None;
        }
        let at = Instant((seconds * 1000.0).round() as i64 * MILLISECOND);
        let span = self.time.epoch(at, MILLISECOND);
        self.follow(record, Some(span));
        Some(span)
    }

    fn follow(&mut self, record: u64, span: Option<Span>) {
        if let (Some(now), Some(before)) = (span, self.last)
            && before.lo.since(now.lo) > SECOND
        {
            let back = before.lo.since(now.lo);
            let detail = format!("the clock went back by {}.{:09} s", back / SECOND, back % SECOND);
            self.anomaly(record, AnomalyKind::ClockStepBack, detail);
        }
        self.last = span.or(self.last);
    }

    /// For files whose order is not that of time.
    pub(super) fn forget_order(&mut self) {
        self.last = None;
    }

    pub(super) fn sample(&mut self, record: u64, span: Option<Span>, sample: GpuSample<'_>) {
        self.put(record, span, Detail::GpuSample(sample));
    }

    pub(super) fn process(&mut self, record: u64, span: Option<Span>, process: GpuProcess<'_>) {
        self.put(record, span, Detail::GpuProcess(process));
    }

    fn put(&mut self, record: u64, span: Option<Span>, detail: Detail<'_>) {
        if span.is_none() {
            self.undated = self.undated.saturating_add(1);
        }
        self.sink.observation(&Observation { record, span, host: None, flow: None, detail });
    }

    /// At the end of a file; `advice` is how to record it with times.
    pub(super) fn finish(mut self, advice: &str) {
        if self.undated > 0 {
            let detail = format!("{} readings have no time{advice}", self.undated);
            self.anomaly(0, AnomalyKind::UndatedTimes, detail);
        }
    }
}

/// A reader that takes line after line.
pub(super) trait Lines {
    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>);
    /// At the end of the file.
    fn end(&mut self, out: &mut Out<'_>);
    /// Whether every line of the form ends with a line feed, so that one without was cut.
    fn ends_lines(&self) -> bool {
        false
    }
    /// How to record the form with times.
    fn advice(&self) -> &'static str {
        ""
    }
}

/// Reads a file line by line.
pub(super) fn read(input: &mut Input, mut out: Out<'_>, reader: &mut dyn Lines) -> io::Result<()> {
    let mut nul_bytes = 0;
    let ends_lines = reader.ends_lines();
    let outcome = each_line(input, |number, line| match line {
        // Half a time or figure would be another one.
        Ok(line) if ends_lines && !line.ends_with('\n') => {
            out.unread(number, "a line without its end: it was cut", line)
        }
        Ok(line) if line.contains('\0') => {
            nul_bytes += line.bytes().filter(|byte| *byte == 0).count();
            reader.line(number, line.replace('\0', "").trim_end_matches(['\n', '\r']), &mut out);
        }
        Ok(line) => reader.line(number, line.trim_end_matches(['\n', '\r']), &mut out),
        Err(beginning) => {
            out.sink.unread(number, "row longer than 1 MiB", beginning);
            out.anomaly(number, AnomalyKind::BoundReached, "a row longer than 1 MiB was passed over");
        }
    });
    reader.end(&mut out);
    if nul_bytes > 0 {
        let detail = format!("{nul_bytes} NUL bytes, as a loss of power leaves them: rows may be missing");
        out.anomaly(0, AnomalyKind::Gap, detail);
    }
    out.finish(reader.advice());
    outcome
}

/// `Tue Jul  4 08:12:53 2026`, as ctime of C writes it, the day padded or not, white space behind.
pub(super) fn ctime(text: &str) -> Option<NaiveDateTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut parts = text.split_ascii_whitespace();
    let (weekday, month, day, clock, year) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !DAYS.contains(&weekday) || year.len() != 4 {
        return None;
    }
    let month = u32::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month, day.parse().ok()?)?;
    Some(date.and_time(NaiveTime::parse_from_str(clock, "%H:%M:%S").ok()?))
}

/// `20260714 08:12:53` of `dmon -o DT`; with strokes or hyphens in the date too.
pub(super) fn compact_time(date: &str, clock: &str) -> Option<NaiveDateTime> {
    let digits: String = date.chars().filter(|letter| !matches!(letter, '-' | '/')).collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = NaiveDate::parse_from_str(&digits, "%Y%m%d").ok()?;
    Some(date.and_time(NaiveTime::parse_from_str(clock, "%H:%M:%S").ok()?))
}
