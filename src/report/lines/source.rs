//! Evidence files and their clocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An evidence file with its clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SourceLine {
    /// Version of these lines.
    pub schema: u32,
    /// "sha256:" and the digest of the file as it lies on disk.
    pub evidence: String,
    /// As it was found, below what was given.
    pub path: String,
    /// Id of the format that read it, as in `docs/formats.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// firewall, capture, gpu or transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// gzip, zstd or xz.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compression: String,
    /// Length as it lies on disk.
    pub bytes: u64,
    /// Lines, packets, rows or events that it holds.
    pub records: u64,
    /// Records that were not used.
    pub unread: u64,
    /// Why, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread_reasons: Vec<UnreadLine>,
    /// First dated record, on the file's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub first: Option<String>,
    /// Last dated record, on the file's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last: Option<String>,
    /// The clock that holds for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockLine>,
    /// Why it could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Records that were not used, by reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnreadLine {
    /// In words that are the same for all records of its kind.
    pub reason: String,
    /// Records with it.
    pub count: u64,
    /// Number of the first of them.
    pub first_record: u64,
}

/// A clock against the reference. Offsets in seconds, source minus reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClockLine {
    /// Source minus reference; absent where nothing ties the clock to the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_s: Option<f64>,
    /// Lowest and highest offset with at least 0.8 of the best support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_s: Option<[f64; 2]>,
    /// A to D; conclusions from timing need A or B.
    pub grade: String,
    /// What its times rest on: explicit-offset, declared-zone, assumed-zone, assumed-year, unknown-year,
    /// boot-relative or order-only.
    pub basis: String,
    /// Others are measured against it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reference: bool,
    /// The part of the offset that a wrong zone label explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_error_h: Option<f64>,
    /// Keyed pairs of records that vote.
    pub pairs: usize,
    /// How many of them agree.
    pub inliers: usize,
    /// The next best offset more than 20 s away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_up_s: Option<f64>,
    /// Its support against the best; above 0.7 the clock is ambiguous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_ratio: Option<f64>,
    /// How it ran, where pairs tell: in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<ClockSegmentLine>,
    /// This clock minus UTC, by servers that tell their time in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_offset_s: Option<f64>,
    /// Least and most that most of these servers allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_support_s: Option<[f64; 2]>,
    /// How many servers agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_servers: Option<usize>,
    /// Mining pools whose job times allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_pools: Option<usize>,
    /// This clock minus UTC by relays and collectors that wrote its records down and state their offset: at least, at
    /// most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_s: Option<[f64; 2]>,
    /// Records that agree with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_records: Option<usize>,
    /// How the offset was found.
    pub method: String,
    /// Decisions on zone, year and ambiguity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A stretch of time in which nobody set the clock, from its first to its last agreeing pair on the reference clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockSegmentLine {
    /// First agreeing pair, on the reference clock.
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// Last agreeing pair, on the reference clock.
    #[schemars(extend("format" = "date-time"))]
    pub to: String,
    /// Source minus reference in the middle of it.
    pub offset_s: f64,
    /// Least and most that the pairs allow there.
    pub support_s: [f64; 2],
    /// What the clock gains in a million.
    pub drift_ppm: f64,
    /// Least and most that the pairs allow.
    pub drift_range_ppm: [f64; 2],
    /// Agreeing pairs.
    pub inliers: usize,
}
