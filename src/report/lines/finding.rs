//! Findings: their steps, strength, rivals and stability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordLine;

/// A step that a finding names. Times on the reference clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StepLine {
    /// Of the tool call within its episode, from 0.
    pub index: u32,
    /// Of the transcript.
    pub path: String,
    /// Place within it.
    pub locator: String,
    /// Low end of when it ran, on the reference clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time: Option<String>,
    /// High end, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time_hi: Option<String>,
    /// Name of the tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// What was run, where the call says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Why a step and its events belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StrengthLine {
    /// Sum of the weights: log10 of the likelihood ratio of this step against no step; absent if unbounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    /// The same on the verbal scale.
    pub words: String,
    /// The weights.
    pub terms: Vec<TermLine>,
    /// Probability of no step among the candidates for its events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_none: Option<f64>,
    /// Probability of this step among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_step: Option<f64>,
}

/// One weight of evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TermLine {
    /// Its short name.
    pub term: String,
    /// What was observed.
    pub observed: String,
    /// Its weight; absent if unbounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    /// The counts that it comes from.
    pub counts: String,
    /// What bounds it; empty where nothing did.
    pub cap: String,
    /// What it rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordLine>,
}

/// One hypothesis, relative to the best.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RivalLine {
    /// Its name.
    pub hypothesis: String,
    /// Its log10 likelihood against the best; absent if unbounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    /// Observable by observable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RivalCellLine>,
    /// Rows with log10 P of at most -1.
    pub inconsistent: usize,
}

/// log10 P(observable | hypothesis).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RivalCellLine {
    /// In words.
    pub observable: String,
    /// log10 of its probability if the hypothesis holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
    /// From a class of likelihood, not from counts of the case.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub judged: bool,
}

/// What the ranking of the rivals rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JudgementLine {
    /// One per observable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<JudgedRowLine>,
    /// A smallest set of rows without which another hypothesis leads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overturned_without: Vec<String>,
    /// How many sets of that size there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub overturning_sets: usize,
    /// What no source could show.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JudgedRowLine {
    /// Its short name.
    pub row: String,
    /// In words.
    pub observable: String,
    /// The counts that it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub counts: String,
    /// Largest minus smallest log10 P.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Another row of its independence group counts instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_counted: bool,
    /// Who leads without it.
    pub leader_without: String,
}

/// What no source could show, and which source would.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MissingRowLine {
    /// What to fetch.
    pub source: String,
    /// How much it is expected to tell apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spread: Option<f64>,
}

/// An episode and a behaviour that line up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FindingLine {
    /// `F-0001`, the highest level first.
    pub id: String,
    /// mining, tunnel, probing, download, concealment, privilege, persistence, egress-violation, value-transfer or
    /// limit-crossed.
    pub behaviour: String,
    /// Name of the episode.
    pub episode: String,
    /// Name of its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Tool calls that it names.
    pub steps: Vec<StepLine>,
    /// Ids of its signals.
    pub signals: Vec<String>,
    /// How strongly they line up.
    pub strength: StrengthLine,
    /// Hypothesis held to have started it, or `undecided`.
    pub initiator: String,
    /// Hypotheses, the best first.
    pub rivals: Vec<RivalLine>,
    /// What their order rests on.
    pub judgement: JudgementLine,
    /// Techniques of MITRE ATT&CK (Enterprise 19) that it is consistent with.
    pub attack: Vec<String>,
    /// Techniques of MITRE ATLAS (5.4.0) that it is consistent with.
    pub atlas: Vec<String>,
    /// Entries of the OWASP Top 10 for Agentic Applications (2026) that it is consistent with.
    pub owasp: Vec<String>,
    /// low, medium or high.
    pub level: String,
    /// What lines up, in one line.
    pub summary: String,
    /// By which step it was installed or left running, and where it is met again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<String>,
    /// Of its signals and steps, on the reference clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub first: Option<String>,
    /// Of its signals and steps, on the reference clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last: Option<String>,
    /// What would decide or overturn it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_decide: Vec<String>,
    /// What bounds its reading.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// How it fares with less evidence or other settings; with `--stability`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<StabilityLine>,
}

/// How a finding fares where less is known, or where the test against chance is set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StabilityLine {
    /// What was left out at a time: source, format or kind.
    pub by: String,
    /// Least and most log10 likelihood ratio over all analyses that find it.
    pub log10_lr: [f64; 2],
    /// Without any of these it is not found.
    pub rests_on: Vec<String>,
    /// The analyses without something.
    pub without: Vec<WithoutLine>,
    /// The analyses with other settings of the test against chance.
    pub settings: Vec<SettingLine>,
    /// The same in words.
    pub sentences: Vec<String>,
}

/// A finding in the analysis without some sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WithoutLine {
    /// What was left out.
    pub name: String,
    /// Its files.
    pub paths: Vec<String>,
    /// Whether it is found without them.
    pub found: bool,
    /// Its strength then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_lr: Option<f64>,
    /// Who is held to have started it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// It names other steps then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_steps: bool,
    /// Some signal of it is from there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}

/// A finding with another setting of the test against chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SettingLine {
    /// What was set otherwise.
    pub setting: String,
    /// Of at least as many onsets in windows by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// Onsets follow calls; absent if that is open or withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligned: Option<bool>,
    /// Who is held to have started it then.
    pub initiator: String,
}
