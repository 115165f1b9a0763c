use crate::model::Confidence;

/// What a detector saw in one flow, before it becomes a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Machine-readable: "stratum-v1", "ssh-reverse", ...
    pub kind: String,
    pub confidence: Confidence,
    /// One line for a person, with figures.
    pub summary: String,
    /// Numbers of the records that carry the proof, sorted; empty where it is the observation itself.
    pub records: Vec<u64>,
}
