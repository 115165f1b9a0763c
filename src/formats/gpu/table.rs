//! The table that `nvidia-smi` prints without options, once or again and again (`-l`, `watch`).

use super::csv::Unit;
use super::form::Form;
use super::out::{Lines, Out, ctime};
use super::reading::{Reading, named, quantity, says_nothing, switched};
use crate::evidence::AnomalyKind;
use crate::model::{ComputeMode, GpuProcess};
use crate::time::{SECOND, Span};

/// The default table.
pub(super) static TABLE: Form = Form {
    id: "nvidia-smi-table",
    title: "nvidia-smi default table, drivers 390 to 610, Linux and Windows, once or repeated (-l, watch)",
    record: "line",
    probe: |head| {
        let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty()).take(200);
        let framed = lines.any(|line| line.starts_with("| NVIDIA-SMI ") && line.ends_with('|'));
        framed.then_some("the head line of the table of nvidia-smi")
    },
    reader: || Box::new(Table::default()),
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Outside of a table.
    #[default]
    Out,
    /// Behind its head line, in the names of columns.
    Head,
    /// GPUs and what belongs to them.
    Gpus,
    /// MIG devices: their figures are those of slices, and their SM column counts, it does not measure.
    Mig,
    ProcessHead,
    Processes,
}

#[derive(Debug, Default)]
struct Table {
    part: Part,
    line: u64,
    span: Option<Span>,
    /// A GPU whose second line is still to come.
    pending: Option<Reading>,
    /// Columns of the head of processes stand here: "GI" is there from driver 450 on.
    with_instances: bool,
    rows: u64,
    busy: bool,
    none_told: bool,
}

impl Lines for Table {
    fn advice(&self) -> &'static str {
        ": the line of the date above the table is missing"
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        let line = line.trim();
        self.line = number;
        if line.is_empty() {
            return;
        }
        if let Some(local) = ctime(line) {
            self.close(number, out);
            self.span = out.local(number, local, SECOND);
            return;
        }
        if line.starts_with("| NVIDIA-SMI ") {
            // The date above is this table's, unless another one is open.
            let span = self.span.filter(|_| self.part == Part::Out);
            self.close(number, out);
            (self.part, self.span) = (Part::Head, span);
            return;
        }
        let ruled = line.starts_with("|==") || line.starts_with("+==");
        let part = self.part;
        match part {
            // The rule above the head line.
            Part::Out if line.starts_with("+--") => {}
            Part::Out => out.unread(number, "not in a table of nvidia-smi", line),
            Part::Head if ruled => self.part = Part::Gpus,
            Part::Head => {}
            Part::Mig => {
                self.section(line);
            }
            Part::Gpus if line.starts_with('+') || line.starts_with("|--") || self.section(line) => {}
            Part::Gpus => self.gpu(number, line, out),
            Part::ProcessHead if ruled => self.part = Part::Processes,
            Part::ProcessHead => {
                self.with_instances |= line.split_whitespace().any(|word| word == "GI");
            }
            Part::Processes if line.starts_with('+') => self.end_of_processes(number, out),
            Part::Processes => self.process(number, line, out),
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        self.close(self.line, out);
    }
}

impl Table {
    /// What is open ends where it should not.
    fn close(&mut self, number: u64, out: &mut Out<'_>) {
        if let Some(pending) = self.pending.take() {
            out.unread(pending.record, "a GPU without the second line of its row", "");
        }
        if self.part != Part::Out {
            out.anomaly(number, AnomalyKind::TruncatedRecord, "the table ends before the rule below its processes");
        }
        *self = Table { line: self.line, ..Table::default() };
    }

    /// Whether a line opens the next part of the table.
    fn section(&mut self, line: &str) -> bool {
        let part = if line.starts_with("| MIG devices:") {
            Part::Mig
        } else if line.starts_with("| Processes:") {
            Part::ProcessHead
        } else {
            return false;
        };
        self.part = part;
        true
    }

    /// `|   0  NVIDIA H200   On  | 00000000:83:00.0 Off | On |` and below it
    /// `| N/A   36C    P0   295W /  700W | 16959MiB / 143771MiB |  N/A  Default |`.
    fn gpu(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (Some(first), Some(second), Some(third)) = (cells.next(), cells.next(), cells.next()) else {
            out.unread(number, "not a row of GPUs", line);
            return;
        };
        let Some(mut reading) = self.pending.take() else {
            // The third line of a row ("MIG M.") has nothing in its first cell.
            let Some((index, rest)) = first.split_once(' ') else { return };
            let Ok(index) = index.parse() else {
                out.unread(number, "not a row of GPUs", line);
                return;
            };
            let name = rest.trim().rsplit_once(' ').map_or("", |(name, _)| name.trim());
            let mut reading = Reading::new(number);
            (reading.sample.gpu, reading.sample.name) = (Some(index), named(name));
            // "Persistence-M" on Linux; on Windows its place has the driver model.
            reading.sample.settings.persistence = rest.trim().rsplit_once(' ').and_then(|(_, mode)| switched(mode));
            self.pending = Some(reading);
            return;
        };
        let first_with = |unit: char| {
            first.split_whitespace().find(|word| word.ends_with(unit) && word.starts_with(|c: char| c.is_ascii_digit()))
        };
        let sample = &mut reading.sample;
        sample.temperature_c = first_with('C').and_then(|word| quantity(word, None));
        // Before the stroke what is drawn, behind it the limit; "N/A" has a stroke without blanks.
        let drawn = first.rsplit_once(" / ").and_then(|(before, _)| before.split_whitespace().last());
        sample.power_w = drawn.and_then(|word| quantity(word, Some(Unit::Watt)));
        // The limit is the last word of the cell.
        let cap = first.rsplit_once('/').and_then(|(_, cap)| quantity(cap, Some(Unit::Watt)));
        sample.settings.power_cap_w = cap.map(|watts| watts as f32);
        if let Some((used, total)) = second.split_once('/') {
            sample.memory_used_mib = quantity(used, Some(Unit::Mib));
            sample.memory_total_mib = quantity(total, Some(Unit::Mib));
        }
        let (load, mode) = third.split_once(char::is_whitespace).unwrap_or((third, ""));
        sample.settings.compute_mode = ComputeMode::of(mode.trim());
        sample.utilization_percent = quantity(load, Some(Unit::Percent));
        self.busy |= sample.utilization_percent.is_some_and(|load| load > 0.0);
        out.record();
        out.sample(reading.record, self.span, reading.sample);
    }

    /// `|    0    2    1   12249   C   /root/tools/memhog   2194MiB |`; before driver 450 without the two instances.
    fn process(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        let line = line.trim_matches('|').trim();
        if line == "No running processes found" {
            self.none_told = true;
            return;
        }
        let mut rest = line;
        let mut word = || {
            let (word, behind) = rest.split_once(char::is_whitespace)?;
            rest = behind.trim_start();
            Some(word)
        };
        let gpu = word().and_then(|word| word.parse().ok());
        if self.with_instances {
            word();
            word();
        }
        let pid = word().and_then(|word| word.parse().ok());
        let kind = word();
        let Some((name, memory)) = rest.rsplit_once(char::is_whitespace) else {
            out.unread(number, "not a row of processes", line);
            return;
        };
        let memory_used_mib = quantity(memory, Some(Unit::Mib));
        if gpu.is_none() || pid.is_none() || kind.is_none() || (memory_used_mib.is_none() && !says_nothing(memory)) {
            out.unread(number, "not a row of processes", line);
            return;
        }
        self.rows += 1;
        out.record();
        let process = named(name.trim());
        out.process(number, self.span, GpuProcess { gpu, pid, process, memory_used_mib, ..GpuProcess::default() });
    }

    fn end_of_processes(&mut self, number: u64, out: &mut Out<'_>) {
        if self.rows == 0 && !self.none_told {
            // NVIDIA/nvidia-docker issue 1460: within a container NVML cannot resolve the ids of the host.
            let load = if self.busy { " while a GPU is at work" } else { "" };
            let detail = format!(
                "the table of processes is empty{load} and does not say that none was found: inside a container                  nvidia-smi cannot name processes, so that none is excluded"
            );
            out.anomaly(number, AnomalyKind::Gap, detail);
        }
        *self = Table { line: self.line, ..Table::default() };
    }
}
