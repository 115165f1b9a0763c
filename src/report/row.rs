//! The columns of the timeline.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::escape;

/// A row of the timeline. What is not known is absent from JSON and empty in CSV.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// `observation` or `step`.
    #[serde(rename = "type")]
    pub row_type: &'static str,
    /// Of steps: name of the episode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    /// Of steps: name of its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Of steps: which tool call of the episode, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Low end, on the reference clock where the source's clock is known well enough; empty if undated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// High end; empty if undated, in JSON absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_hi: Option<String>,
    /// As `basis` of `clocks.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_basis: Option<&'static str>,
    /// `written` where the time is when a firewall made the record of a connection that had begun before; such a
    /// record has a row for each. Empty where the time is when it happened or began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_meaning: Option<&'static str>,
    /// Of observations: connection, dns, tls, ssh, http, ntp, mining, tunnel, gpu-sample, gpu-process, alert, probe,
    /// file, process, lease or other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// File of the record.
    pub path: String,
    /// Place of the record.
    pub locator: String,
    /// `allow` or `deny` of a firewall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    /// inbound, outbound or forwarded, where the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<&'static str>,
    /// Who opened the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<String>,
    /// Port of the opener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    /// The other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    /// Port of the other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    /// Transport, or its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// What the opener sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// What the opener was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// What the opener sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_out: Option<u64>,
    /// What the opener was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_in: Option<u64>,
    /// As the record or the case file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Of the firewall or alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Name of the other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Application protocol or program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Index of the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    /// Its lasting name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_uuid: Option<String>,
    /// Share of the time in which kernels ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization_percent: Option<f64>,
    /// Memory in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<f64>,
    /// Power drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Clock of the multiprocessors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<f64>,
    /// Temperature of the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Of GPU processes, of steps, of host logs and of firewalls that name the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Name of that program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Of steps: name of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Of steps: what was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Of steps: what the command left with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Who made the step, where it was not the model under study: harness, replayed, sub-agent or human.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'static str>,
    /// The model that decided the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What `time` of a step is the time of: call-recorded, tool-started, tool-ended, result-recorded, turn-flushed
    /// (written with the rest of its turn, after it ran) or file-saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_kind: Option<&'static str>,
    /// What `time_hi` of a step is the time of, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_kind: Option<&'static str>,
    /// Where a step ran, as its transcript says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Where a step ran, as its transcript says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Process group of the command within its sandbox's own namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgid: Option<u32>,
    /// asked, given or refused; waived where the agent was run so that nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<&'static str>,
    /// What the step itself was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// The call was refused or interrupted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_executed: bool,
    /// It was left running.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// What else the record says, in one line for a person. Of TLS: offered and `chosen` version, `cipher`,
    /// `subject`, `issuer` and `names` of the server's certificate (`client-...` of the client's) where it went in
    /// the clear, `ja3`, `ja3s`, `ja4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Row {
    /// The columns of the CSV timeline.
    pub const COLUMNS: [&'static str; 50] = [
        "time",
        "time_hi",
        "time_basis",
        "time_meaning",
        "type",
        "kind",
        "path",
        "locator",
        "host",
        "episode",
        "run",
        "index",
        "tool",
        "command",
        "exit_code",
        "actor",
        "model",
        "start_kind",
        "end_kind",
        "sandbox",
        "container",
        "pgid",
        "approval",
        "reward",
        "not_executed",
        "background",
        "action",
        "direction",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "protocol",
        "bytes_out",
        "bytes_in",
        "packets_out",
        "packets_in",
        "rule",
        "domain",
        "app",
        "gpu",
        "gpu_uuid",
        "utilization_percent",
        "memory_used_mib",
        "power_w",
        "sm_clock_mhz",
        "temperature_c",
        "pid",
        "process",
        "message",
    ];

    /// What stands in a column, by its place in [`Row::COLUMNS`]. `None` where it is not known or not true.
    pub fn cell(&self, column: usize) -> Option<Cell<'_>> {
        self.cells().into_iter().nth(column).flatten()
    }

    fn cells(&self) -> [Option<Cell<'_>>; 50] {
        fn text(text: &Option<String>) -> Option<Cell<'_>> {
            text.as_deref().map(Cell::Text)
        }
        fn whole<'a>(number: Option<impl Into<i128>>) -> Option<Cell<'a>> {
            number.map(|number| Cell::Whole(number.into()))
        }
        let word = |word: Option<&'static str>| word.map(Cell::Text);
        let real = |number: Option<f64>| number.map(Cell::Real);
        let flag = |flag: bool| flag.then_some(Cell::True);
        [
            text(&self.time),
            text(&self.time_hi),
            word(self.time_basis),
            word(self.time_meaning),
            word(Some(self.row_type)),
            word(self.kind),
            Some(Cell::Text(&self.path)),
            Some(Cell::Text(&self.locator)),
            text(&self.host),
            text(&self.episode),
            text(&self.run),
            whole(self.index),
            text(&self.tool),
            text(&self.command),
            whole(self.exit_code),
            word(self.actor),
            text(&self.model),
            word(self.start_kind),
            word(self.end_kind),
            text(&self.sandbox),
            text(&self.container),
            whole(self.pgid),
            word(self.approval),
            real(self.reward),
            flag(self.not_executed),
            flag(self.background),
            word(self.action),
            word(self.direction),
            text(&self.src_ip),
            whole(self.src_port),
            text(&self.dst_ip),
            whole(self.dst_port),
            text(&self.protocol),
            whole(self.bytes_out),
            whole(self.bytes_in),
            whole(self.packets_out),
            whole(self.packets_in),
            text(&self.rule),
            text(&self.domain),
            text(&self.app),
            whole(self.gpu),
            text(&self.gpu_uuid),
            real(self.utilization_percent),
            real(self.memory_used_mib),
            real(self.power_w),
            real(self.sm_clock_mhz),
            real(self.temperature_c),
            whole(self.pid),
            text(&self.process),
            text(&self.message),
        ]
    }

    /// The cells under [`Row::COLUMNS`], fit for CSV.
    pub(super) fn safe_cells(&self) -> [Cow<'_, str>; 50] {
        self.cells().map(safe)
    }

    /// The row as a line of CSV under [`Row::COLUMNS`].
    pub fn csv(&self) -> Vec<u8> {
        csv_cells(self.cells().into_iter())
    }

    /// The row as a line of CSV of these columns, by their places in [`Row::COLUMNS`].
    pub fn csv_of(&self, columns: &[usize]) -> Vec<u8> {
        let cells = self.cells();
        csv_cells(columns.iter().map(|column| cells.get(*column).copied().flatten()))
    }

    /// The row as a line of JSON with the fields of these columns; `type` stands first and is always there.
    pub fn jsonl_of(&self, columns: &[usize]) -> Vec<u8> {
        let cells = self.cells();
        let mut line = format!("{{\"type\":\"{}\"", self.row_type);
        for column in columns {
            let (Some(name), Some(Some(cell))) = (Self::COLUMNS.get(*column), cells.get(*column)) else { continue };
            if *name != "type" {
                line.push_str(&format!(",\"{name}\":{}", cell.json()));
            }
        }
        line.push('}');
        let mut line = escape::json(line).into_bytes();
        line.push(b'\n');
        line
    }
}

/// What stands in one column of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Text(&'a str),
    Whole(i128),
    Real(f64),
    True,
}

impl<'a> Cell<'a> {
    /// The cell as text, before anything in it is made safe.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Whole(number) => Cow::Owned(number.to_string()),
            Cell::Real(number) => Cow::Owned(number.to_string()),
            Cell::True => Cow::Borrowed("true"),
        }
    }

    fn json(self) -> String {
        match self {
            // Text is written whatever it holds; numbers of rows are finite.
            Cell::Text(text) => serde_json::to_string(text).unwrap_or_default(),
            Cell::Real(number) => serde_json::to_string(&number).unwrap_or_default(),
            other => other.text().into_owned(),
        }
    }
}

/// Fit for CSV; empty where nothing is known.
fn safe(cell: Option<Cell<'_>>) -> Cow<'_, str> {
    match cell {
        None => Cow::Borrowed(""),
        Some(Cell::Text(text)) => escape::csv_cell(text),
        Some(number) => number.text(),
    }
}

fn csv_cells<'a>(cells: impl Iterator<Item = Option<Cell<'a>>>) -> Vec<u8> {
    let cells: Vec<Cow<'_, str>> = cells.map(safe).collect();
    csv_line(cells.iter().map(AsRef::as_ref))
}

/// A line of CSV (RFC 4180 quoting, line feed at the end).
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}
