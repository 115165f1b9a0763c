//! `nvidia-smi -q`: keys and values by indentation, once or in a loop.

use super::form::Form;
use super::missing::Missing;
use super::out::{Lines, Out, ctime};
use super::reading::{Reading, Running};
use crate::evidence::{AnomalyKind, quoted};
use crate::time::{SECOND, Span};

/// The long text.
pub(super) static QUERY_TEXT: Form = Form {
    id: "nvidia-smi-q",
    title: "nvidia-smi -q as text, drivers 535 to 610, whole or a part of it (-d), once or in a loop (-l)",
    record: "line",
    probe: |head| {
        let first = head.lines().find(|line| !line.trim().is_empty())?;
        is_title(first).then_some("the title of nvidia-smi -q")
    },
    reader: || Box::new(QueryText::default()),
};

fn is_title(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("=====") && line.trim_matches('=') == "NVSMI LOG"
}

/// Deeper keys than this do not occur.
const DEEPEST: usize = 16;

#[derive(Default)]
struct QueryText {
    open: bool,
    line: u64,
    span: Option<Span>,
    gpu: Option<Reading>,
    /// Section of processes was there: the block is whole up to them.
    processes: bool,
    running: Option<Running>,
    missing: Missing,
    /// Keys that the line stands below, with their indentation.
    above: Vec<(usize, String)>,
}

impl Lines for QueryText {
    fn advice(&self) -> &'static str {
        ": the line of the time below the title is missing"
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        self.line = number;
        if line.trim().is_empty() {
            return;
        }
        if is_title(line) {
            self.finish_gpu(out);
            let missing = std::mem::take(&mut self.missing);
            *self = QueryText { open: true, line: number, missing, ..QueryText::default() };
            return;
        }
        if !self.open {
            out.unread(number, "not below the title of nvidia-smi -q", line);
            return;
        }
        let indent = line.len() - line.trim_start().len();
        let (key, value) = match line.split_once(" : ") {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            // Behind the colon nothing: an empty value.
            None => match line.trim_end().strip_suffix(" :") {
                Some(key) => (key.trim(), Some("")),
                None => (line.trim(), None),
            },
        };
        if indent == 0 {
            self.top(number, key, value, out);
            return;
        }
        if self.gpu.is_none() {
            return;
        }
        while self.above.last().is_some_and(|(above, _)| *above >= indent) {
            self.above.pop();
        }
        let name = key.to_ascii_lowercase().replace(' ', "_");
        let in_processes =
            self.above.first().is_some_and(|(_, name)| matches!(name.as_str(), "processes" | "accounted_processes"));
        if self.above.is_empty() && matches!(name.as_str(), "processes" | "accounted_processes") {
            self.finish_running(out);
            self.processes |= name == "processes";
        } else if in_processes {
            self.process(number, &name, value.unwrap_or_default(), out);
        } else if let (Some(value), Some(gpu)) = (value, &mut self.gpu) {
            let path: Vec<&str> =
                self.above.iter().map(|(_, name)| name.as_str()).chain(std::iter::once(name.as_str())).collect();
            gpu.set(&path.join("."), value);
        }
        if self.above.len() < DEEPEST {
            self.above.push((indent, name));
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        if self.open && self.gpu.is_none() {
            out.anomaly(self.line, AnomalyKind::TruncatedRecord, "the text ends before its first GPU");
        }
        self.finish_gpu(out);
        if let Some(detail) = self.missing.told() {
            out.anomaly(0, AnomalyKind::Unsupported, detail);
        }
    }
}

impl QueryText {
    fn top(&mut self, number: u64, key: &str, value: Option<&str>, out: &mut Out<'_>) {
        match value {
            Some(value) if key == "Timestamp" => {
                self.finish_gpu(out);
                self.span = ctime(value).and_then(|local| out.local(number, local, SECOND));
                if self.span.is_none() {
                    out.anomaly(
                        number,
                        AnomalyKind::MalformedRecord,
                        format!("the time {} cannot be read", quoted(value)),
                    );
                }
            }
            None if key.starts_with("GPU ") => {
                self.finish_gpu(out);
                self.gpu = Some(Reading::new(number));
            }
            Some(_) => {}
            None => out.unread(number, "neither key nor GPU", key),
        }
    }

    /// Processes stand one below the other: a new one begins with its instance or, before MIG, with its id.
    fn process(&mut self, number: u64, name: &str, value: &str, out: &mut Out<'_>) {
        match name {
            "process_id" => {
                self.finish_running(out);
                self.running = Some(Running { record: number, ..Running::default() });
            }
            "gpu_instance_id" => self.finish_running(out),
            _ => {}
        }
        if let Some(running) = &mut self.running {
            // "GPU Utilization" and "Time" belong to the accounting.
            running.set(name, value);
        }
        if matches!(name, "used_gpu_memory" | "is_running") {
            self.finish_running(out);
        }
    }

    fn finish_running(&mut self, out: &mut Out<'_>) {
        let (Some(mut running), Some(gpu)) = (self.running.take(), &self.gpu) else { return };
        running.process.gpu_uuid = gpu.sample.gpu_uuid.clone();
        out.record();
        out.process(running.record, self.span, running.process);
    }

    fn finish_gpu(&mut self, out: &mut Out<'_>) {
        if let Some(running) = &self.running {
            let detail = "the text ends within a process";
            out.anomaly(running.record, AnomalyKind::TruncatedRecord, detail);
        }
        self.finish_running(out);
        self.above.clear();
        let Some(gpu) = self.gpu.take() else { return };
        gpu.note_missing(&mut self.missing);
        if !std::mem::take(&mut self.processes) {
            // With the place, for a block that was written with -d may be cut too.
            let lines = self.line.saturating_sub(gpu.record);
            let detail = format!(
                "the block of a GPU ends {lines} lines below its head and before its processes: it was cut, or written with -d"
            );
            out.anomaly(gpu.record, AnomalyKind::TruncatedRecord, detail);
        }
        if !gpu.unreadable.is_empty() {
            let detail = format!("values that cannot be read: {}", gpu.unreadable.join(", "));
            out.anomaly(gpu.record, AnomalyKind::ImpossibleValue, detail);
        }
        out.record();
        out.sample(gpu.record, self.span, gpu.sample);
    }
}
