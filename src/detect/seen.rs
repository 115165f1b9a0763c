use crate::evidence::Record;
use crate::model::Confidence;

/// Records cited for a signal of many; its summary gives the full count.
pub(super) const RECORDS_CITED: usize = 50;

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

/// The record of a fact with those that prove it, in order, each once.
pub(super) fn cited(record: Record, proof: &[u64]) -> Vec<Record> {
    let mut records: Vec<Record> = proof.iter().map(|number| Record { number: *number, ..record }).collect();
    records.push(record);
    records.sort();
    records.dedup();
    records
}
