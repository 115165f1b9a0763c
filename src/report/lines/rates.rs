//! How often, in the summary line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Flagged episodes of one run, reward configuration or model, with the exact 95 % interval of their share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RateLine {
    /// run, reward-config or model.
    pub group: String,
    /// Which.
    pub name: String,
    /// The behaviour counted; absent for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    /// Episodes with a finding of it.
    pub flagged: u32,
    /// Of so many.
    pub episodes: u32,
    /// Exact 95 % interval (Clopper-Pearson) of their share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Distinct steps that findings name.
    pub onsets: u32,
    /// First to last call, summed over the episodes; absent if one of them has no times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// Exact 95 % interval (Garwood) of onsets in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<[f64; 2]>,
    /// Median over flagged episodes of the index of the first step that a finding names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_step: Option<f64>,
    /// Median over flagged episodes of the time into the episode of its first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_after_s: Option<f64>,
    /// Episodes without a transcript, where the case file says how many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_transcript: Option<u32>,
    /// The share if none of these is flagged, and if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_if: Option<[f64; 2]>,
    /// Lower end of the exact 95 % interval of the one, upper end of that of the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<[f64; 2]>,
}

/// Whether runs, or checkpoints of the policy, differ beyond chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecurrenceLine {
    /// `dispersion over runs` or `trend over checkpoints`.
    pub question: String,
    /// The behaviour counted; absent for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    /// Runs, or pairs of a run and a checkpoint.
    pub units: u32,
    /// Distinct steps that findings name.
    pub onsets: u32,
    /// What onsets are held against: hours, or episodes where some have no times.
    pub exposure: String,
    /// Variance over mean (1 by chance); or the rate at the last checkpoint over that at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Of at least as uneven counts, or as steep a trend, by chance; absent where the question was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The least that so many onsets could reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_p: Option<f64>,
    /// Of a trend: how much more counts vary than Poisson counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phi: Option<f64>,
    /// What it says, or why it was not asked.
    pub reading: String,
}

/// What comes before a behaviour more often than in other episodes of the same run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PrecedingLine {
    /// What it comes before.
    pub behaviour: String,
    /// What comes before it.
    pub what: String,
    /// Episodes with the behaviour in which it does.
    pub before: u64,
    /// Episodes with the behaviour.
    pub of: u64,
    /// Episodes without the behaviour that have it.
    pub others_with: u64,
    /// Episodes without the behaviour.
    pub others: u64,
    /// Of as many by chance (exact).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same over everything that was tested (Benjamini-Hochberg).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted: Option<f64>,
}
