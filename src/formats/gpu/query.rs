//! `nvidia-smi --query-gpu` and `--query-compute-apps` with `--format=csv`: one observation per row.

use std::borrow::Cow;
use std::io;

use super::columns::{Column, Columns, Query, is_path};
use super::csv::{Unit, cells, fit, is_status, time, value};
use super::missing::Missing;
use super::reading::switched;
use super::text::{each_line, text_of};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input, quoted};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{ComputeMode, Detail, GpuProcess, GpuSample, GpuSettings, Observation};
use crate::time::{SECOND, Span, TimeContext};

/// `nvidia-smi --query-gpu=... --format=csv[,noheader][,nounits]`, once or in a loop.
pub struct QueryGpu;

/// `nvidia-smi --query-compute-apps=... --format=csv[,noheader][,nounits]`, once or in a loop.
pub struct QueryApps;

/// `nvidia-smi --query-accounted-apps=... --format=csv[,noheader][,nounits]`, once or in a loop.
pub struct QueryAccounted;

impl Format for QueryGpu {
    fn id(&self) -> &'static str {
        "nvidia-smi-gpu"
    }

    fn kind(&self) -> Kind {
        Kind::Gpu
    }

    fn title(&self) -> &'static str {
        "nvidia-smi --query-gpu as CSV, with or without header and units, once or in a loop (-l, -lms)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        probe(head, Query::Gpu)
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        Reader::new(Query::Gpu, time, sink).read(input)
    }
}

impl Format for QueryApps {
    fn id(&self) -> &'static str {
        "nvidia-smi-apps"
    }

    fn kind(&self) -> Kind {
        Kind::Gpu
    }

    fn title(&self) -> &'static str {
        "nvidia-smi --query-compute-apps as CSV, with or without header and units, once or in a loop (-l, -lms)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        probe(head, Query::Apps)
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        Reader::new(Query::Apps, time, sink).read(input)
    }
}

impl Format for QueryAccounted {
    fn id(&self) -> &'static str {
        "nvidia-smi-accounted"
    }

    fn kind(&self) -> Kind {
        Kind::Gpu
    }

    fn title(&self) -> &'static str {
        "nvidia-smi --query-accounted-apps as CSV with its header, once or in a loop (-l, -lms)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        probe(head, Query::Accounted)
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        Reader::new(Query::Accounted, time, sink).read(input)
    }
}

fn probe(head: &Head, query: Query) -> Match {
    let text = text_of(&head.bytes);
    let mut rows = text.lines().map(|line| line.trim_end_matches(['\r', '\0'])).filter(|line| !line.trim().is_empty());
    let mut first = rows.next();
    let mut commented = None;
    while let Some(line) = first.filter(|line| line.trim_start().starts_with('#')) {
        commented = commented.or_else(|| Columns::of_comment(line, query));
        first = rows.next();
    }
    let Some(first) = first else { return Match::No };
    if Columns::of_header(first, query).is_some() {
        return Match::Certain(format!("its first row names columns of nvidia-smi {}", query.option()));
    }
    let complete: Vec<&str> = std::iter::once(first).chain(rows).collect();
    let complete = match complete.split_last() {
        Some((_, before)) if !head.whole => before,
        _ => complete.as_slice(),
    };
    if let Some(columns) = commented {
        let fitting = complete.iter().filter(|line| fit(line, columns.columns.len(), columns.free).is_some()).count();
        return if fitting * 2 > complete.len() {
            Match::Certain(format!("a comment holds the command line with {}", query.option()))
        } else {
            Match::No
        };
    }
    let Some(columns) = Columns::of_row(first, query) else { return Match::No };
    let like_first = complete
        .iter()
        .take(100)
        .filter(|line| Columns::of_row(line, query).is_some_and(|other| other == columns))
        .count();
    if like_first * 10 < complete.len().min(100) * 9 {
        return Match::No;
    }
    let certain = columns.has(Column::Timestamp) || columns.has(Column::Uuid);
    let gpu_units = cells(first).iter().any(|cell| matches!(value(cell), Some((_, Some(_)))));
    let reason = || format!("rows like those of nvidia-smi {} without header", query.option());
    match query {
        // Its columns are numbers that any other query may have.
        Query::Accounted => Match::No,
        Query::Apps if certain || gpu_units => Match::Likely(60, reason()),
        Query::Gpu if columns.has(Column::Process) || cells(first).iter().any(|cell| is_path(cell)) => Match::No,
        Query::Gpu if certain && (gpu_units || columns.has(Column::Timestamp)) => Match::Likely(55, reason()),
        Query::Gpu if cells(first).iter().all(|cell| matches!(value(cell), Some((_, Some(_))))) => {
            Match::Likely(40, reason())
        }
        _ => Match::No,
    }
}

struct Reader<'s> {
    query: Query,
    time: TimeContext,
    sink: &'s mut dyn Sink,
    columns: Option<Columns>,
    undated: u64,
    nul_bytes: u64,
    missing: Missing,
    last_time: Option<Span>,
}

impl<'s> Reader<'s> {
    fn new(query: Query, time: &TimeContext, sink: &'s mut dyn Sink) -> Self {
        let (columns, last_time) = (None, None);
        Reader {
            query,
            time: time.clone(),
            sink,
            columns,
            undated: 0,
            nul_bytes: 0,
            missing: Missing::default(),
            last_time,
        }
    }

    fn read(mut self, input: &mut Input) -> io::Result<()> {
        self.columns = input.columns.as_deref().and_then(|list| Columns::of_list(list, self.query));
        let outcome = each_line(input, |number, line| match line {
            Ok(line) => self.line(line, number),
            Err(beginning) => {
                self.sink.unread(number, "row longer than 1 MiB", beginning);
                self.anomaly(number, AnomalyKind::BoundReached, "a row longer than 1 MiB was passed over".to_owned());
            }
        });
        self.finish();
        outcome
    }

    fn anomaly(&mut self, record: u64, kind: AnomalyKind, detail: String) {
        self.sink.anomaly(Anomaly { record, kind, detail });
    }

    fn finish(mut self) {
        if self.undated > 0 {
            let detail = format!(
                "{} rows have no time; record with {}=timestamp,... so that they can be compared",
                self.undated,
                self.query.option()
            );
            self.anomaly(0, AnomalyKind::UndatedTimes, detail);
        }
        if let Some(detail) = self.missing.told() {
            self.anomaly(0, AnomalyKind::Unsupported, detail);
        }
        if self.nul_bytes > 0 {
            let detail = format!("{} NUL bytes, as a loss of power leaves them: rows may be missing", self.nul_bytes);
            self.anomaly(0, AnomalyKind::Gap, detail);
        }
    }

    fn line(&mut self, line: &str, number: u64) {
        let nuls = line.bytes().filter(|byte| *byte == 0).count();
        self.nul_bytes = self.nul_bytes.saturating_add(nuls as u64);
        let line = line.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace());
        if line.is_empty() {
            return;
        }
        if let Some(columns) = Columns::of_header(line, self.query) {
            self.columns = Some(columns);
            return;
        }
        if line.starts_with('#') {
            if let Some(columns) = Columns::of_comment(line, self.query) {
                self.columns = Some(columns);
            }
            return;
        }
        if self.columns.is_none() {
            self.columns = Columns::of_row(line, self.query);
            if let Some(columns) = &self.columns {
                let read: Vec<String> = columns
                    .columns
                    .iter()
                    .zip(1..)
                    .filter(|(column, _)| **column != Column::Other)
                    .map(|(column, place)| format!("{place} as {column:?}"))
                    .collect();
                let detail = format!(
                    "no header names the columns: of {} only these are read, by the look of their values: {}; state what was \
                     asked for with --gpu-query PATTERN=COLUMNS, or in a comment (# nvidia-smi {}=...), to have all",
                    columns.columns.len(),
                    read.join(", "),
                    self.query.option()
                );
                self.anomaly(number, AnomalyKind::Unsupported, detail);
            }
        }
        let Some(columns) = self.columns.take() else {
            self.sink.unread(number, "columns unknown: no header; state them with --gpu-query", line.as_bytes());
            return;
        };
        self.cells(&columns, line, number);
        self.columns = Some(columns);
    }

    fn cells(&mut self, columns: &Columns, line: &str, number: u64) {
        let Some(row) = fit(line, columns.columns.len(), columns.free) else {
            let reason = if cells(line).len() < columns.columns.len() {
                "fewer cells than columns"
            } else {
                "more cells than columns"
            };
            self.sink.unread(number, reason, line.as_bytes());
            return;
        };
        // nvidia-smi's own messages end up in the file too.
        if row.len() == 1 && value(line).is_none() && !is_status(line) && !columns.has(Column::Name) {
            self.sink.unread(number, "no value", line.as_bytes());
            return;
        }
        self.row(columns, &row, number);
    }

    fn row(&mut self, columns: &Columns, row: &[&str], number: u64) {
        self.sink.record();
        let span = self.span(columns, row, number);
        for (column, words) in columns.columns.iter().zip(row).filter(|(_, cell)| is_status(cell)) {
            if let Some(name) = column.figure().filter(|_| self.query == Query::Gpu) {
                self.missing.note(name, words);
            }
        }
        let cell = |wanted: Column| {
            columns
                .columns
                .iter()
                .zip(row)
                .find(|(column, cell)| **column == wanted && !is_status(cell))
                .map(|(_, cell)| *cell)
        };
        let mut unreadable = Vec::new();
        let mut measured = |wanted: Column, unit: Option<Unit>| {
            let cell = cell(wanted)?;
            match value(cell) {
                Some((number, found)) if found.is_none() || found == unit => Some(number),
                _ => {
                    unreadable.push(format!("{wanted:?} {}", quoted(cell)));
                    None
                }
            }
        };
        let owned = |text: Option<&str>| text.map(|text| Cow::Owned::<str>(text.to_owned()));
        let memory = measured(Column::MemoryUsed, Some(Unit::Mib));
        let detail = match self.query {
            Query::Gpu => Detail::GpuSample(GpuSample {
                gpu: cell(Column::Index).and_then(|cell| cell.parse().ok()),
                gpu_uuid: owned(cell(Column::Uuid)),
                name: owned(cell(Column::Name)),
                utilization_percent: measured(Column::Utilization, Some(Unit::Percent)),
                memory_utilization_percent: measured(Column::MemoryUtilization, Some(Unit::Percent)),
                memory_used_mib: memory,
                memory_total_mib: measured(Column::MemoryTotal, Some(Unit::Mib)),
                power_w: measured(Column::Power, Some(Unit::Watt))
                    .or_else(|| measured(Column::PowerOther, Some(Unit::Watt))),
                sm_clock_mhz: measured(Column::SmClock, Some(Unit::Mhz)),
                temperature_c: measured(Column::Temperature, None),
                settings: GpuSettings {
                    power_limit_w: measured(Column::PowerLimit, Some(Unit::Watt)).map(|watts| watts as f32),
                    enforced_power_limit_w: measured(Column::EnforcedPowerLimit, Some(Unit::Watt))
                        .map(|watts| watts as f32),
                    power_cap_w: None,
                    application_graphics_clock_mhz: measured(Column::ApplicationGraphicsClock, Some(Unit::Mhz))
                        .map(|mhz| mhz as f32),
                    application_memory_clock_mhz: measured(Column::ApplicationMemoryClock, Some(Unit::Mhz))
                        .map(|mhz| mhz as f32),
                    max_sm_clock_mhz: measured(Column::MaxSmClock, Some(Unit::Mhz)).map(|mhz| mhz as f32),
                    persistence: cell(Column::Persistence).and_then(switched),
                    compute_mode: cell(Column::ComputeMode).and_then(ComputeMode::of),
                    mig: cell(Column::Mig).and_then(switched),
                },
            }),
            Query::Apps => Detail::GpuProcess(GpuProcess {
                gpu: None,
                gpu_uuid: owned(cell(Column::Uuid)),
                pid: cell(Column::Pid).and_then(|cell| cell.parse().ok()),
                process: owned(cell(Column::Process)),
                memory_used_mib: memory,
                ..GpuProcess::default()
            }),
            Query::Accounted => Detail::GpuProcess(GpuProcess {
                gpu_uuid: owned(cell(Column::Uuid)),
                pid: cell(Column::Pid).and_then(|cell| cell.parse().ok()),
                memory_used_mib: memory,
                utilization_percent: measured(Column::Utilization, Some(Unit::Percent)),
                memory_utilization_percent: measured(Column::MemoryUtilization, Some(Unit::Percent)),
                accounted_ms: cell(Column::ActiveTime)
                    .and_then(|cell| cell.strip_suffix(" ms").unwrap_or(cell).parse().ok()),
                ..GpuProcess::default()
            }),
        };
        if !unreadable.is_empty() {
            let detail = format!("values that cannot be read: {}", unreadable.join(", "));
            self.anomaly(number, AnomalyKind::ImpossibleValue, detail);
        }
        self.sink.observation(&Observation { record: number, span, host: None, flow: None, detail });
    }

    fn span(&mut self, columns: &Columns, row: &[&str], number: u64) -> Option<Span> {
        let stamp = columns.columns.iter().position(|column| *column == Column::Timestamp);
        let Some(cell) = stamp.and_then(|place| row.get(place)) else {
            self.undated = self.undated.saturating_add(1);
            return None;
        };
        let span = time(cell).and_then(|(local, resolution)| self.time.local(local, resolution));
        match (span, self.last_time) {
            (None, _) => {
                let detail = format!("the time {} cannot be read", quoted(cell));
                self.anomaly(number, AnomalyKind::MalformedRecord, detail);
            }
            (Some(now), Some(before)) if before.lo.since(now.lo) > SECOND => {
                let back = before.lo.since(now.lo);
                let detail = format!("the clock went back by {}.{:09} s", back / SECOND, back % SECOND);
                self.anomaly(number, AnomalyKind::ClockStepBack, detail);
            }
            _ => {}
        }
        self.last_time = span.or(self.last_time);
        span
    }
}
