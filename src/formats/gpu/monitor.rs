//! The columns that scroll: `nvidia-smi dmon`, `nvidia-smi pmon` and `dcgmi dmon`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::csv::Unit;
use super::form::Form;
use super::out::{Lines, Out, compact_time};
use super::reading::{named, quantity, says_nothing};
use crate::evidence::{AnomalyKind, quoted};
use crate::model::{GpuProcess, GpuSample};
use crate::time::{SECOND, Span};

/// Devices.
pub(super) static DMON: Form = Form {
    id: "nvidia-smi-dmon",
    title: "nvidia-smi dmon, any choice of metrics (-s), date and time (-o) or CSV (--format csv)",
    record: "line",
    probe: |head| (of_head(head)? == Which::Devices).then_some("the head of columns of nvidia-smi dmon"),
    reader: || Box::new(Monitor::of(Which::Devices)),
};

/// Processes.
pub(super) static PMON: Form = Form {
    id: "nvidia-smi-pmon",
    title: "nvidia-smi pmon, any choice of metrics (-s), date and time (-o) or CSV (--format csv)",
    record: "line",
    probe: |head| (of_head(head)? == Which::Processes).then_some("the head of columns of nvidia-smi pmon"),
    reader: || Box::new(Monitor::of(Which::Processes)),
};

/// The data centre manager.
pub(super) static DCGMI: Form = Form {
    id: "dcgmi-dmon",
    title: "dcgmi dmon: fields of the NVIDIA data centre GPU manager by their short names",
    record: "line",
    probe: |head| (of_head(head)? == Which::Entities).then_some("the head of columns of dcgmi dmon"),
    reader: || Box::new(Monitor::of(Which::Entities)),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Devices,
    Processes,
    Entities,
}

fn of_head(head: &str) -> Option<Which> {
    let first = head.lines().find(|line| !line.trim().is_empty())?;
    Header::of(first).map(|(which, _)| which)
}

/// Names of columns, in lower case.
#[derive(Debug)]
struct Header {
    names: Vec<String>,
    commas: bool,
}

impl Header {
    fn of(line: &str) -> Option<(Which, Header)> {
        let line = line.trim().strip_prefix('#')?;
        let commas = line.contains(',');
        let names: Vec<String> = cells(line, commas).map(str::to_ascii_lowercase).collect();
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
        let which = if names.first().is_some_and(|first| first == "entity") {
            Which::Entities
        } else if has(&["gpu"]) && has(&["pid"]) && has(&["command", "name"]) {
            Which::Processes
        } else if has(&["gpu"])
            && !has(&["pid"])
            && has(&["pwr", "gtemp", "temp", "sm", "mclk", "pclk", "fb", "rxpci", "pviol", "sbecc"])
        {
            Which::Devices
        } else {
            return None;
        };
        Some((which, Header { names, commas }))
    }

    /// Whether a line is that of the units: one for each column, and "Idx" among them.
    fn is_above(&self, line: &str) -> bool {
        let units: Vec<&str> = cells(line.trim_start_matches('#'), self.commas).collect();
        units.len() == self.names.len() && units.iter().any(|unit| unit.eq_ignore_ascii_case("idx"))
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

fn cells(line: &str, commas: bool) -> Box<dyn Iterator<Item = &str> + '_> {
    if commas { Box::new(line.split(',').map(str::trim)) } else { Box::new(line.split_whitespace()) }
}

struct Monitor {
    which: Which,
    header: Option<Header>,
    gpus: BTreeSet<u32>,
    rows: u64,
    /// Rows with power but without load: on a GPU in MIG mode.
    without_load: u64,
    clock_without_date: bool,
}

impl Monitor {
    fn of(which: Which) -> Monitor {
        Monitor { which, header: None, gpus: BTreeSet::new(), rows: 0, without_load: 0, clock_without_date: false }
    }
}

impl Lines for Monitor {
    fn advice(&self) -> &'static str {
        match self.which {
            Which::Entities => ": dcgmi dmon writes none",
            _ if self.clock_without_date => ": they have a clock without date; record with -o DT",
            _ => "; record with -o DT so that they can be compared",
        }
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        let trimmed = line.trim();
        if trimmed.is_empty() || (self.which == Which::Entities && trimmed == "ID") {
            return;
        }
        if trimmed.starts_with('#') {
            match Header::of(trimmed) {
                Some((which, header)) if which == self.which => self.header = Some(header),
                Some(_) => out.unread(number, "the head of another monitor", trimmed),
                // The line of units below the head: "# Idx     W     C".
                None if self.header.as_ref().is_some_and(|header| header.is_above(trimmed)) => {}
                None => out.unread(number, "a comment", trimmed),
            }
            return;
        }
        let Some(header) = self.header.take() else {
            out.unread(number, "no head names the columns", trimmed);
            return;
        };
        match row(&header, trimmed, self.which) {
            Some(row) => self.row(number, &header, &row, out),
            None => out.unread(number, "other cells than columns", trimmed),
        }
        self.header = Some(header);
    }

    fn end(&mut self, out: &mut Out<'_>) {
        // nvidia-smi(1): pmon monitors the first four GPUs unless told which.
        if self.which == Which::Processes && self.gpus.iter().copied().eq(0..4) {
            let detail =
                "GPUs 0 to 3, the most that pmon shows unless told others with -i: of further GPUs it says nothing";
            out.anomaly(0, AnomalyKind::BoundReached, detail);
        }
        if self.which == Which::Devices && self.rows > 0 && self.without_load == self.rows {
            let detail = "no row has a load, as of GPUs in MIG mode: power, clocks and memory alone show work";
            out.anomaly(0, AnomalyKind::Unsupported, detail);
        }
    }
}

/// The cells of a row, as many as the head has names. A command may hold blanks; so does an entity ("GPU 0").
fn row<'l>(header: &Header, line: &'l str, which: Which) -> Option<Vec<Cow<'l, str>>> {
    let mut found: Vec<Cow<'l, str>> = cells(line, header.commas).map(Cow::Borrowed).collect();
    let names = header.names.len();
    if which == Which::Entities && !header.commas && found.len() == names + 1 {
        let entity = format!("{} {}", found.first()?, found.get(1)?);
        found.splice(0..2, [Cow::Owned(entity)]);
    }
    let surplus = which == Which::Processes && found.len() > names;
    if surplus {
        let between = if header.commas { ", " } else { " " };
        let command = found.get(names - 1..)?.join(between);
        found.truncate(names - 1);
        found.push(Cow::Owned(command));
    }
    (found.len() == names).then_some(found)
}

impl Monitor {
    fn row(&mut self, number: u64, header: &Header, row: &[Cow<'_, str>], out: &mut Out<'_>) {
        let cell = |name: &str| header.at(name).and_then(|at| row.get(at)).map(|cell| cell.trim());
        let measured = |name: &str, unit: Unit| cell(name).and_then(|cell| quantity(cell, Some(unit)));
        // Its head names the time "Time", its unit "HH:MM:SS"; the date "YYYYMMDD".
        let span: Option<Span> = match (cell("date"), cell("time")) {
            (Some(date), Some(clock)) => {
                let span = compact_time(date, clock).and_then(|local| out.local(number, local, SECOND));
                if span.is_none() {
                    let detail = format!("the time {} {} cannot be read", quoted(date), quoted(clock));
                    out.anomaly(number, AnomalyKind::MalformedRecord, detail);
                }
                span
            }
            (_, clock) => {
                self.clock_without_date |= clock.is_some();
                None
            }
        };
        if self.which == Which::Entities {
            self.entity(number, header, row, out);
            return;
        }
        let Some(gpu) = cell("gpu").and_then(|cell| cell.parse::<u32>().ok()) else {
            out.unread(number, "no index of a GPU", row.first().map_or("", |cell| cell));
            return;
        };
        self.gpus.insert(gpu);
        self.rows += 1;
        out.record();
        if self.which == Which::Devices {
            let sample = GpuSample {
                gpu: Some(gpu),
                utilization_percent: measured("sm", Unit::Percent),
                memory_utilization_percent: measured("mem", Unit::Percent),
                memory_used_mib: measured("fb", Unit::Mib),
                power_w: measured("pwr", Unit::Watt),
                sm_clock_mhz: measured("pclk", Unit::Mhz),
                temperature_c: cell("gtemp").or(cell("temp")).and_then(|cell| quantity(cell, None)),
                ..GpuSample::default()
            };
            let blank = sample.power_w.is_some() && cell("sm").is_some_and(says_nothing);
            self.without_load += u64::from(blank);
            out.sample(number, span, sample);
            return;
        }
        // An idle GPU has a row without process.
        let Some(pid) = cell("pid").and_then(|cell| cell.parse().ok()) else { return };
        let process = GpuProcess {
            gpu: Some(gpu),
            pid: Some(pid),
            process: cell("command").or(cell("name")).and_then(named),
            memory_used_mib: measured("fb", Unit::Mib),
            utilization_percent: measured("sm", Unit::Percent),
            memory_utilization_percent: measured("mem", Unit::Percent),
            ..GpuProcess::default()
        };
        out.process(number, span, process);
    }

    /// Field identifiers of DCGM (dcgm_fields.h): ratios of profiling go from 0 to 1, the others are what they are.
    fn entity(&mut self, number: u64, header: &Header, row: &[Cow<'_, str>], out: &mut Out<'_>) {
        let cell = |name: &str| header.at(name).and_then(|at| row.get(at)).map(|cell| cell.trim());
        let figure = |name: &str| cell(name).and_then(|cell| quantity(cell, None));
        let gpu = cell("entity").and_then(|entity| entity.strip_prefix("GPU ")).and_then(|index| index.parse().ok());
        let Some(gpu) = gpu else {
            out.unread(number, "not an entity that is a GPU", cell("entity").unwrap_or_default());
            return;
        };
        out.record();
        let sample = GpuSample {
            gpu: Some(gpu),
            utilization_percent: figure("gputl").or_else(|| figure("gract").map(|ratio| ratio * 100.0)),
            memory_utilization_percent: figure("mcutl"),
            memory_used_mib: figure("fbusd"),
            memory_total_mib: figure("fbttl"),
            power_w: figure("power"),
            sm_clock_mhz: figure("smclk"),
            temperature_c: figure("tmptr"),
            ..GpuSample::default()
        };
        out.sample(number, None, sample);
    }
}
