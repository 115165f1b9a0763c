//! The lines of `analyze --format jsonl` and `findings.jsonl` as types, schema version 1.
//!
//! One object per line, `type` first, unknown fields absent. `explain` needs nothing but these lines.

mod rates;

use serde::{Deserialize, Serialize};

pub use rates::{PrecedingLine, RateLine, RecurrenceLine};

/// Version of the JSON lines. Raised when a field changes its meaning or goes; additions do not raise it.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// An evidence file with its clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceLine {
    pub schema: u32,
    /// "sha256:" and the digest of the file as it lies on disk.
    pub evidence: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compression: String,
    pub bytes: u64,
    pub records: u64,
    pub unread: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread_reasons: Vec<UnreadLine>,
    /// On the file's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockLine>,
    /// Why it could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Records that were not used, by reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnreadLine {
    pub reason: String,
    pub count: u64,
    pub first_record: u64,
}

/// A clock against the reference. Offsets in seconds, source minus reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockLine {
    /// Absent where nothing ties the clock to the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_s: Option<[f64; 2]>,
    pub grade: String,
    pub basis: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reference: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_error_h: Option<f64>,
    pub pairs: usize,
    pub inliers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_up_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_ratio: Option<f64>,
    /// How it ran, where pairs tell: in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<ClockSegmentLine>,
    /// Against UTC, by servers that tell their time in it: offset, its ends, and how many servers agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_offset_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_support_s: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_servers: Option<usize>,
    /// Mining pools that allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_pools: Option<usize>,
    /// Against UTC by clocks that wrote its records down and state their offset: at least, at most, how many records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_s: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_records: Option<usize>,
    pub method: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A stretch of time in which nobody set the clock, from its first to its last agreeing pair on the reference clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockSegmentLine {
    pub from: String,
    pub to: String,
    /// In the middle of it, and all that the pairs allow there.
    pub offset_s: f64,
    pub support_s: [f64; 2],
    /// Parts per million, and all that the pairs allow.
    pub drift_ppm: f64,
    pub drift_range_ppm: [f64; 2],
    pub inliers: usize,
}

/// A record by file and place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    pub path: String,
    /// "line 12", "packet 88"; "file" for the file as a whole.
    pub locator: String,
}

/// One end of a fan-out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// A behaviour seen by a rule or detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalLine {
    pub id: String,
    pub behaviour: String,
    pub kind: String,
    pub confidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_hi: Option<String>,
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
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// "network", "gpu" or "command".
    pub source: String,
    pub summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetLine>,
    pub records: Vec<RecordLine>,
}

/// A step that a finding names. Times on the reference clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepLine {
    pub index: u32,
    pub path: String,
    pub locator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_hi: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Why a step and its events belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrengthLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    pub words: String,
    pub terms: Vec<TermLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_none: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_step: Option<f64>,
}

/// One weight of evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TermLine {
    pub term: String,
    pub observed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    pub counts: String,
    pub cap: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordLine>,
}

/// One hypothesis, relative to the best.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RivalLine {
    pub hypothesis: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RivalCellLine>,
    /// Rows with log10 P of at most -1.
    pub inconsistent: usize,
}

/// log10 P(observable | hypothesis).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RivalCellLine {
    pub observable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
    /// From a class of likelihood, not from counts of the case.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub judged: bool,
}

/// What the ranking of the rivals rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgementLine {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<JudgedRowLine>,
    /// A smallest set of rows without which the leader is another, and how many sets of that size there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overturned_without: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub overturning_sets: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingRowLine>,
    /// Why no initiator is named although a hypothesis leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One observable over all hypotheses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgedRowLine {
    pub row: String,
    pub observable: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub counts: String,
    /// Largest minus smallest log10 P.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Another row of its independence group counts instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_counted: bool,
    pub leader_without: String,
}

/// What no source could show, and which source would.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MissingRowLine {
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spread: Option<f64>,
}

/// An episode and a behaviour that line up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingLine {
    pub id: String,
    pub behaviour: String,
    pub episode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    pub steps: Vec<StepLine>,
    pub signals: Vec<String>,
    pub strength: StrengthLine,
    pub initiator: String,
    pub rivals: Vec<RivalLine>,
    pub judgement: JudgementLine,
    pub attack: Vec<String>,
    pub atlas: Vec<String>,
    pub owasp: Vec<String>,
    pub level: String,
    pub summary: String,
    /// "installed by step 3 of ep-001 (cron); met again in ep-004", where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_decide: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<StabilityLine>,
}

/// How a finding fares where less is known, or where the test against chance is set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StabilityLine {
    /// What was left out at a time: "source", "format" or "kind".
    pub by: String,
    /// Least and most log10 LR over all analyses that find it.
    pub log10_lr: [f64; 2],
    /// Without any of these it is not found.
    pub rests_on: Vec<String>,
    pub without: Vec<WithoutLine>,
    pub settings: Vec<SettingLine>,
    pub sentences: Vec<String>,
}

/// A finding in the analysis without some sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WithoutLine {
    pub name: String,
    pub paths: Vec<String>,
    pub found: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// It names other steps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_steps: bool,
    /// Some signal of it is from there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}

/// A finding with another setting of the test against chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingLine {
    pub setting: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// Onsets follow calls; absent if that is open or withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligned: Option<bool>,
    pub initiator: String,
}

/// Signals that no step explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnexplainedLine {
    /// "U-0001", in the order of reports.
    pub id: String,
    pub behaviour: String,
    pub signals: Vec<String>,
    pub leading: String,
    pub summary: String,
    pub rivals: Vec<RivalLine>,
    pub judgement: JudgementLine,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_decide: Vec<String>,
}

/// An act in a transcript whose effect no telemetry shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UncoveredLine {
    pub behaviour: String,
    pub episode: String,
    pub step: StepLine,
    pub rule: String,
    pub coverage: String,
}

/// Something odd in the evidence itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnomalyLine {
    pub path: String,
    pub locator: String,
    pub anomaly: String,
    pub detail: String,
    /// How many of this kind the file has.
    pub of: u64,
}

/// One jitter test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestLine {
    pub onsets: usize,
    pub in_window: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// Is the alignment better than chance?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlignmentLine {
    #[serde(flatten)]
    pub test: TestLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_control: Option<TestLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_exposure: Option<TestLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_outcome: Option<TestLine>,
    pub jitter_s: f64,
    pub window_s: [f64; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty_cycle: Option<f64>,
    pub at_gaps: Vec<GapLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<String>,
}

/// The test at another session gap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GapLine {
    pub gap: String,
    #[serde(flatten)]
    pub test: TestLine,
}

/// The last line. Output without it was cut off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SummaryLine {
    pub schema: u32,
    /// "complete"; "partial" where some evidence could not be read; "error" where there was none.
    pub status: String,
    pub episodes: usize,
    pub flagged: usize,
    pub findings: usize,
    pub unexplained: usize,
    pub uncovered: usize,
    pub sources: usize,
    pub unread_records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recurrence: Vec<RecurrenceLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preceding: Vec<PrecedingLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Paths that could not be listed or opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
}
