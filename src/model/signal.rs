use super::{Behaviour, Confidence, Flow};
use crate::evidence::Record;
use crate::time::Span;

/// A behaviour seen by a rule or detector in a conversation, a capture, a GPU series or a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// "S-0001", numbered over the case in the order (time, evidence, record, kind).
    pub id: String,
    pub behaviour: Behaviour,
    /// What was seen, machine-readable: "stratum-v1", "ssh-reverse", "fan-out", "gpu-unallocated-process", ...
    pub kind: String,
    pub confidence: Confidence,
    /// First to last moment of it, on the clock of its source.
    pub span: Option<Span>,
    pub flow: Option<Flow>,
    pub host: Option<String>,
    /// Rule id where a rule said so.
    pub rule: Option<String>,
    /// One line for a person: what was seen, with figures.
    pub summary: String,
    /// Names that belong to the peer as far as the evidence says (SNI, DNS, Host).
    pub domains: Vec<String>,
    /// Other peers of the same signal (the targets of a fan-out), sorted; empty if there is one peer.
    pub targets: Vec<Flow>,
    /// The records that carry the proof, sorted.
    pub records: Vec<Record>,
    pub source: SignalSource,
}

impl Signal {
    /// A signal of which no more is known than what it is about: a lead without words, flow or proof, to be filled in.
    pub fn new(behaviour: Behaviour, source: SignalSource) -> Self {
        Signal {
            id: String::new(),
            behaviour,
            kind: String::new(),
            confidence: Confidence::Weak,
            span: None,
            flow: None,
            host: None,
            rule: None,
            summary: String::new(),
            domains: Vec::new(),
            targets: Vec::new(),
            records: Vec::new(),
            source,
        }
    }
}

/// What a signal was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalSource {
    Network,
    Gpu,
    /// The audit trail of a machine: a program ran there, whoever started it.
    Host,
    /// The command of a step: an act recorded by the agent's own transcript, not yet seen by any other witness.
    Command,
}
