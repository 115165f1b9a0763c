//! What is seen in the observations: rules and detectors, behaviour by behaviour.

pub mod beacon;
pub mod command;
pub mod gpu;
pub mod mining;
pub mod network;
pub mod probing;
pub mod rules;
pub mod ssh;

pub struct Seen {
    pub kind: String,
    pub confidence: crate::model::Confidence,
    pub summary: String,
    pub records: Vec<u64>,
}
