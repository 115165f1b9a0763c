//! The columns of the timeline.

use serde::Serialize;

use super::escape;

/// A row of the timeline. What is not known is absent from JSON and empty in CSV.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// "observation" or "step".
    #[serde(rename = "type")]
    pub row_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Low end, on the reference clock where the source's clock is known well enough. Absent if undated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_hi: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_basis: Option<&'static str>,
    /// "written" where the time is when the record was made and the connection had begun before: it has a row of its
    /// own for that. Absent where the time is when it happened or began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub path: String,
    pub locator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Who made the step, where it was not the model under study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'static str>,
    /// The model that decided the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the ends of the step's time are the times of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Process group of the command within its sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_executed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// What else the record says, in one line for a person.
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

    /// The row as a line of CSV under [`Row::COLUMNS`].
    pub fn csv(&self) -> Vec<u8> {
        csv_line(self.cells().iter().map(|cell| cell.as_deref().unwrap_or_default()))
    }

    /// The cells under [`Row::COLUMNS`], fit for CSV.
    pub(super) fn cells(&self) -> [Option<String>; 50] {
        let text = |text: &Option<String>| text.as_deref().map(|text| escape::csv_cell(text).into_owned());
        fn number<N: ToString>(number: Option<N>) -> Option<String> {
            number.map(|number| number.to_string())
        }
        let word = |word: Option<&'static str>| word.map(str::to_owned);
        let flag = |flag: bool| flag.then(|| "true".to_owned());
        [
            self.time.clone(),
            self.time_hi.clone(),
            word(self.time_basis),
            word(self.time_meaning),
            word(Some(self.row_type)),
            word(self.kind),
            Some(escape::csv_cell(&self.path).into_owned()),
            Some(self.locator.clone()),
            text(&self.host),
            text(&self.episode),
            text(&self.run),
            number(self.index),
            text(&self.tool),
            text(&self.command),
            number(self.exit_code),
            word(self.actor),
            text(&self.model),
            word(self.start_kind),
            word(self.end_kind),
            text(&self.sandbox),
            text(&self.container),
            number(self.pgid),
            word(self.approval),
            number(self.reward),
            flag(self.not_executed),
            flag(self.background),
            word(self.action),
            word(self.direction),
            text(&self.src_ip),
            number(self.src_port),
            text(&self.dst_ip),
            number(self.dst_port),
            text(&self.protocol),
            number(self.bytes_out),
            number(self.bytes_in),
            number(self.packets_out),
            number(self.packets_in),
            text(&self.rule),
            text(&self.domain),
            text(&self.app),
            number(self.gpu),
            text(&self.gpu_uuid),
            number(self.utilization_percent),
            number(self.memory_used_mib),
            number(self.power_w),
            number(self.sm_clock_mhz),
            number(self.temperature_c),
            number(self.pid),
            text(&self.process),
            text(&self.message),
        ]
    }
}

/// A line of CSV (RFC 4180 quoting, line feed at the end).
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}
