//! `nvidia-smi --query-gpu` and `--query-compute-apps` with `--format=csv`: one observation per row.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use super::csv::{Unit, cells, column_name, fit, is_column_name, is_status, is_uuid, time, value};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Detail, GpuProcess, GpuSample, Observation};
use crate::time::{SECOND, Span, TimeContext};

/// `nvidia-smi --query-gpu=... --format=csv[,noheader][,nounits]`, once or in a loop.
pub struct QueryGpu;

/// `nvidia-smi --query-compute-apps=... --format=csv[,noheader][,nounits]`, once or in a loop.
pub struct QueryApps;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    Gpu,
    Apps,
}

impl Query {
    fn option(self) -> &'static str {
        match self {
            Query::Gpu => "--query-gpu",
            Query::Apps => "--query-compute-apps",
        }
    }
}

/// What a column holds, by the name that the driver or the user gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Timestamp,
    Index,
    Uuid,
    Name,
    Utilization,
    MemoryUtilization,
    MemoryUsed,
    MemoryTotal,
    Power,
    /// `power.draw.instant`, `power.draw.average`: used where `power.draw` is not there.
    PowerOther,
    SmClock,
    Temperature,
    Pid,
    Process,
    Other,
}

impl Column {
    fn of(name: &str, query: Query) -> Column {
        match (name, query) {
            ("timestamp", _) => Column::Timestamp,
            ("index" | "gpu_index", Query::Gpu) => Column::Index,
            ("uuid" | "gpu_uuid", _) => Column::Uuid,
            ("name", Query::Gpu) | ("gpu_name", _) => Column::Name,
            ("utilization.gpu", Query::Gpu) => Column::Utilization,
            ("utilization.memory", Query::Gpu) => Column::MemoryUtilization,
            ("memory.used", Query::Gpu) => Column::MemoryUsed,
            ("memory.total", Query::Gpu) => Column::MemoryTotal,
            ("power.draw", Query::Gpu) => Column::Power,
            ("power.draw.instant" | "power.draw.average", Query::Gpu) => Column::PowerOther,
            ("clocks.current.sm" | "clocks.sm", Query::Gpu) => Column::SmClock,
            ("temperature.gpu", Query::Gpu) => Column::Temperature,
            ("pid", Query::Apps) => Column::Pid,
            ("process_name" | "name", Query::Apps) => Column::Process,
            ("used_gpu_memory" | "used_memory", Query::Apps) => Column::MemoryUsed,
            _ => Column::Other,
        }
    }
}

/// Where the columns are known from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns {
    columns: Vec<Column>,
    /// The column that may hold commas.
    free: Option<usize>,
}

impl Columns {
    fn named<'a>(names: impl Iterator<Item = &'a str>, query: Query) -> Columns {
        let columns: Vec<Column> = names.map(|name| Column::of(column_name(name), query)).collect();
        let place = |wanted: Column| columns.iter().position(|column| *column == wanted);
        let free = place(Column::Process).or_else(|| place(Column::Name));
        Columns { columns, free }
    }

    /// From a header line, if it is one of this query.
    fn of_header(line: &str, query: Query) -> Option<Columns> {
        let names = cells(line);
        if !names.iter().all(|name| is_column_name(name)) {
            return None;
        }
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&column_name(name)));
        let processes = has(&["pid"]) && has(&["process_name", "name", "used_gpu_memory", "used_memory"]);
        // Other queries share columns with these two: accounted applications and retired pages.
        let other = has(&["max_memory_usage", "gpu_utilization", "mem_utilization", "time"])
            || names.iter().any(|name| name.starts_with("retired_pages."));
        let families = [
            "utilization.",
            "memory.",
            "power.",
            "clocks.",
            "temperature.",
            "fan.speed",
            "pstate",
            "clocks_throttle_reasons.",
            "clocks_event_reasons.",
        ];
        let of_gpus = !has(&["pid"]) && names.iter().any(|name| families.iter().any(|family| name.starts_with(family)));
        let matches = match query {
            Query::Apps => processes && !other,
            Query::Gpu => of_gpus && !other,
        };
        matches.then(|| Columns::named(names.iter().copied(), query))
    }

    /// From a comment that holds the command line.
    fn of_comment(line: &str, query: Query) -> Option<Columns> {
        let comment = line.trim_start().strip_prefix('#')?;
        let (_, rest) = comment.split_once(query.option())?;
        let rest = rest.strip_prefix('=').or_else(|| rest.strip_prefix(' '))?;
        let list = rest.trim_start_matches(['"', '\'']).split([' ', '"', '\'', '\t']).next()?;
        let columns = Columns::named(list.split(','), query);
        (!list.is_empty()).then_some(columns)
    }

    /// From a row without header: only what its values say beyond doubt.
    ///
    /// A time and a UUID are what they are. A unit tells what was measured if one cell alone has it: two cells in MiB may
    /// be any of used, free and total. Numbers without unit tell nothing.
    fn of_row(line: &str, query: Query) -> Option<Columns> {
        let row = cells(line);
        let units: Vec<Option<Unit>> = row.iter().map(|cell| value(cell).and_then(|(_, unit)| unit)).collect();
        let alone = |wanted: Unit| units.iter().filter(|unit| **unit == Some(wanted)).count() == 1;
        let mut columns: Vec<Column> = row
            .iter()
            .zip(&units)
            .map(|(cell, unit)| match unit {
                _ if time(cell).is_some() => Column::Timestamp,
                _ if is_uuid(cell) => Column::Uuid,
                Some(Unit::Mib) if alone(Unit::Mib) => Column::MemoryUsed,
                Some(Unit::Percent) if alone(Unit::Percent) && query == Query::Gpu => Column::Utilization,
                Some(Unit::Watt) if alone(Unit::Watt) && query == Query::Gpu => Column::Power,
                _ => Column::Other,
            })
            .collect();
        let mut free = None;
        if query == Query::Apps {
            // A path is a process; the number before it is its id.
            let process = row.iter().position(|cell| is_path(cell))?;
            let pid = process.checked_sub(1)?;
            row.get(pid)?.parse::<u32>().ok()?;
            *columns.get_mut(process)? = Column::Process;
            *columns.get_mut(pid)? = Column::Pid;
            free = Some(process);
        }
        let known = columns.iter().any(|column| *column != Column::Other);
        known.then_some(Columns { columns, free })
    }

    fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }
}

fn is_path(cell: &str) -> bool {
    cell.starts_with('/') || cell.starts_with("./") || cell.get(1..3) == Some(":\\") || cell == "[Not Found]"
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
        Query::Apps if certain || gpu_units => Match::Likely(60, reason()),
        Query::Gpu if columns.has(Column::Process) || cells(first).iter().any(|cell| is_path(cell)) => Match::No,
        Query::Gpu if certain && (gpu_units || columns.has(Column::Timestamp)) => Match::Likely(55, reason()),
        Query::Gpu if cells(first).iter().all(|cell| matches!(value(cell), Some((_, Some(_))))) => {
            Match::Likely(40, reason())
        }
        _ => Match::No,
    }
}

/// As text; UTF-16 as the `>` of PowerShell 5 writes it, told by its byte order mark.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest)),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

const LONGEST_ROW: usize = 1 << 20;

struct Reader<'s> {
    query: Query,
    time: TimeContext,
    sink: &'s mut dyn Sink,
    columns: Option<Columns>,
    /// The columns were told by the values of the first row.
    guessed: bool,
    undated: u64,
    nul_bytes: u64,
    last_time: Option<Span>,
}

impl<'s> Reader<'s> {
    fn new(query: Query, time: &TimeContext, sink: &'s mut dyn Sink) -> Self {
        let (columns, last_time) = (None, None);
        Reader { query, time: *time, sink, columns, guessed: false, undated: 0, nul_bytes: 0, last_time }
    }

    fn read(mut self, input: &mut Input) -> io::Result<()> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let wide = input.fill_buf()?.starts_with(&[0xff, 0xfe]);
        if wide {
            input.consume(2);
        } else if input.fill_buf()?.starts_with(&[0xef, 0xbb, 0xbf]) {
            input.consume(3);
        }
        let mut line = Vec::new();
        let mut number = 0;
        let outcome = loop {
            line.clear();
            let read = (&mut input).take(LONGEST_ROW as u64).read_until(b'\n', &mut line);
            if line.is_empty() {
                break read.map(drop);
            }
            number += 1;
            let failed = read.err();
            let too_long = line.len() == LONGEST_ROW && line.last() != Some(&b'\n');
            if too_long {
                self.sink.unread(number, "row longer than 1 MiB", &line);
                self.anomaly(number, AnomalyKind::BoundReached, "a row longer than 1 MiB was passed over".to_owned());
                if let Err(error) = skip_line(&mut input) {
                    break Err(error);
                }
                continue;
            }
            if wide {
                // The line break is two bytes: the second one still stands before the next line.
                if line.last() == Some(&b'\n') {
                    let mut high = [0];
                    let _ = (&mut input).take(1).read(&mut high)?;
                    line.extend_from_slice(&high);
                }
                let text = utf16(&line);
                self.line(&text, number);
            } else {
                let text = String::from_utf8_lossy(&line);
                self.line(&text, number);
            }
            if let Some(error) = failed {
                break Err(error);
            }
        };
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
            self.guessed = false;
            return;
        }
        if line.starts_with('#') {
            if let Some(columns) = Columns::of_comment(line, self.query) {
                self.columns = Some(columns);
                self.guessed = false;
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
                    "no header names the columns: of {} only these are read, by the look of their values: {}; put the command \
                     line into a comment (# nvidia-smi {}=...) to have all",
                    columns.columns.len(),
                    read.join(", "),
                    self.query.option()
                );
                self.guessed = true;
                self.anomaly(number, AnomalyKind::Unsupported, detail);
            }
        }
        let Some(columns) = self.columns.clone() else {
            self.sink.unread(number, "no header, and no value that tells its column", line.as_bytes());
            return;
        };
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
        self.row(&columns, &row, number);
    }

    fn row(&mut self, columns: &Columns, row: &[&str], number: u64) {
        self.sink.record();
        let span = self.span(columns, row, number);
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
                    unreadable.push(format!("{wanted:?} {cell:?}"));
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
            }),
            Query::Apps => Detail::GpuProcess(GpuProcess {
                gpu: None,
                gpu_uuid: owned(cell(Column::Uuid)),
                pid: cell(Column::Pid).and_then(|cell| cell.parse().ok()),
                process: owned(cell(Column::Process)),
                memory_used_mib: memory,
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
                let detail = format!("the time {cell:?} cannot be read");
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

/// Reads on to the end of the line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let block = input.fill_buf()?;
        let (used, done) = match memchr::memchr(b'\n', block) {
            Some(end) => (end + 1, true),
            None => (block.len(), block.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}
