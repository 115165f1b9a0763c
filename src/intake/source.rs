use crate::evidence::{Anomaly, EvidenceId};
use crate::formats::Kind;
use crate::time::{Basis, Instant, YearSource};

/// One evidence file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: String,
    /// SHA-256 of the file as it lies on disk, lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    /// `None` if no format knows the file.
    pub format: Option<&'static str>,
    pub kind: Option<Kind>,
    pub compression: &'static str,
    /// What a record is called in this format.
    pub record_unit: &'static str,
    /// Why this format, and which came second.
    pub reason: String,
    pub runner_up: Option<String>,
    pub records: u64,
    pub unread: u64,
    pub unread_reasons: Vec<Unread>,
    /// First and last moment on its own clock; `None` if it has no dated record.
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    /// Loosest basis of its times.
    pub basis: Option<Basis>,
    pub declared_zone: bool,
    pub declared_offset_ns: i64,
    /// Where the year of year-less stamps came from.
    pub year: YearSource,
    /// Where the boots are laid that its times count from, if these are several.
    pub boots: Vec<Instant>,
    /// The file could not be read to its end, and why.
    pub failure: Option<String>,
}

/// Records of one source that were not used, by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub reason: String,
    pub count: u64,
    pub first_record: u64,
    /// The beginning of the first of them.
    pub example: String,
}

/// An anomaly with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceAnomaly {
    pub evidence: EvidenceId,
    pub anomaly: Anomaly,
    /// How many of this kind the evidence has; only the first few are listed one by one.
    pub of: u64,
}
