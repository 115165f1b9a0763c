//! The lines of `analyze --format jsonl` and `findings.jsonl` as types, schema version 1.
//!
//! One object per line, `type` first, unknown fields absent. `explain` needs nothing but these lines.

mod finding;
mod rates;
mod source;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use finding::{
    FindingLine, JudgedRowLine, JudgementLine, MissingRowLine, RivalCellLine, RivalLine, SettingLine, StabilityLine,
    StepLine, StrengthLine, TermLine, WithoutLine,
};
pub use rates::{PrecedingLine, RateLine, RecurrenceLine};
pub use source::{ClockLine, ClockSegmentLine, SourceLine, UnreadLine};

/// Version of the JSON lines. Raised when a field changes its meaning or goes; additions do not raise it.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    Source(SourceLine),
    Signal(SignalLine),
    Finding(Box<FindingLine>),
    Unexplained(UnexplainedLine),
    Uncovered(UncoveredLine),
    Anomaly(AnomalyLine),
    Summary(Box<SummaryLine>),
}

/// A record by file and place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordLine {
    /// Of the file.
    pub path: String,
    /// "line 12", "packet 88"; "file" for the file as a whole.
    pub locator: String,
}

/// One end of a fan-out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TargetLine {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    /// Transport, or its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// A behaviour seen by a rule or detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SignalLine {
    /// `S-0001`, in the order of reports.
    pub id: String,
    /// What it is about.
    pub behaviour: String,
    /// What was seen, for machines: `ssh-reverse`.
    pub kind: String,
    /// certain, strong or weak: how sure a rule or detector is of what it saw, not of who did it.
    pub confidence: String,
    /// Low end of when it happened, on the reference clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time: Option<String>,
    /// High end, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time_hi: Option<String>,
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
    /// As the record or the case file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Id of the rule or list entry that matched; absent for detectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// network, gpu, host or command.
    pub source: String,
    /// What was seen, in one line.
    pub summary: String,
    /// Names of the other end that the evidence gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Ends of a fan-out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetLine>,
    /// What it rests on.
    pub records: Vec<RecordLine>,
}

/// Signals that no step explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UnexplainedLine {
    /// `U-0001`, in the order of reports; `explain` takes it as well.
    pub id: String,
    /// What it is about.
    pub behaviour: String,
    /// Ids of its signals.
    pub signals: Vec<String>,
    /// The best supported hypothesis, or `undecided`.
    pub leading: String,
    /// What was seen, in one line.
    pub summary: String,
    /// Hypotheses, the best first.
    pub rivals: Vec<RivalLine>,
    /// What their order rests on.
    pub judgement: JudgementLine,
    /// What would decide or overturn it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_decide: Vec<String>,
}

/// An act in a transcript whose effect no telemetry shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UncoveredLine {
    /// What it is about.
    pub behaviour: String,
    /// Name of the episode.
    pub episode: String,
    /// The tool call.
    pub step: StepLine,
    /// Id of the rule that matched it.
    pub rule: String,
    /// Why nothing shows its effect.
    pub coverage: String,
}

/// Something odd in the evidence itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AnomalyLine {
    /// Of the file.
    pub path: String,
    /// Place within it.
    pub locator: String,
    /// truncated-record, malformed-record, impossible-value, clock-step-back, gap, duplicate, bound-reached,
    /// unsupported, undated-times, unreadable, changed-while-read, sequence-gap, missing-parent, conflicting-id,
    /// clock-contradiction or logging-stopped.
    pub anomaly: String,
    /// What is odd about it.
    pub detail: String,
    /// How many of this kind the file has; the first are listed.
    pub of: u64,
}

/// One jitter test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TestLine {
    /// Beginnings of traffic that the test is over.
    pub onsets: usize,
    /// How many of them fall into windows of calls.
    pub in_window: usize,
    /// How many would by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Of at least as many by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// Is the alignment better than chance?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AlignmentLine {
    #[serde(flatten)]
    pub test: TestLine,
    /// The test on benign calls and their traffic, which must line up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_control: Option<TestLine>,
    /// The test on calls that cannot reach the network, which must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_exposure: Option<TestLine>,
    /// The test on traffic of other hosts, which must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_outcome: Option<TestLine>,
    /// How far windows are moved for the comparison.
    pub jitter_s: f64,
    /// From when to when after a call its window lasts.
    pub window_s: [f64; 2],
    /// Share of the time that windows cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty_cycle: Option<f64>,
    /// The test with other lengths of quiet between sessions.
    pub at_gaps: Vec<GapLine>,
    /// Why nothing may be concluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<String>,
}

/// The test at another session gap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GapLine {
    /// Length of quiet that parts sessions.
    pub gap: String,
    #[serde(flatten)]
    pub test: TestLine,
}

/// The last line. Output without it was cut off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SummaryLine {
    /// Version of these lines.
    pub schema: u32,
    /// complete; partial: something was not read; error: nothing was.
    pub status: String,
    /// Episodes in the evidence.
    pub episodes: usize,
    /// Episodes with a finding.
    pub flagged: usize,
    /// Lines of type `finding`.
    pub findings: usize,
    /// Lines of type `unexplained`.
    pub unexplained: usize,
    /// Lines of type `uncovered`.
    pub uncovered: usize,
    /// Lines of type `source`.
    pub sources: usize,
    /// Records that were not used, over all sources.
    pub unread_records: u64,
    /// The test against chance; absent where it could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentLine>,
    /// How often, per run, reward configuration and model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateLine>,
    /// Whether runs and checkpoints differ beyond chance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recurrence: Vec<RecurrenceLine>,
    /// What comes before a behaviour more often than elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preceding: Vec<PrecedingLine>,
    /// What bounds the reading of the whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// A sentence per path or file that was not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
}
