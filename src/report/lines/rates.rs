//! How often, in the summary line.

use serde::{Deserialize, Serialize};

/// Flagged episodes of one run, reward configuration or model, with the exact 95 % interval of their share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLine {
    pub group: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    pub flagged: u32,
    pub episodes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Distinct steps that findings name.
    pub onsets: u32,
    /// Of sandbox time, and the exact 95 % interval of onsets in an hour of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<[f64; 2]>,
    /// Medians over flagged episodes: index of the first step, and seconds into the episode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_after_s: Option<f64>,
    /// Episodes without transcript, where the case says how many there were; the share if none and if all of them are flagged;
    /// and the outer ends of the 95 % intervals of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_transcript: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_if: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<[f64; 2]>,
}

/// Whether runs, or checkpoints of the policy, differ beyond chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecurrenceLine {
    pub question: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    pub units: u32,
    pub onsets: u32,
    /// "hours" or "episodes".
    pub exposure: String,
    /// Index of dispersion; or rate at the last checkpoint over that at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phi: Option<f64>,
    pub reading: String,
}

/// What comes before a behaviour more often than in other episodes of the same run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrecedingLine {
    pub behaviour: String,
    pub what: String,
    pub before: u64,
    pub of: u64,
    pub others_with: u64,
    pub others: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted: Option<f64>,
}
