//! What stays in memory while evidence is analysed, estimated once all of it is read.

use std::sync::atomic::Ordering;

use super::{Held, Memory};
use crate::intake::segments;
use crate::intake::{CrossingFact, Facts, GpuPoint, GpuSettingsFact, Intake, SequenceFact, WrittenFact};
use crate::model::{Conversation, ConversationKey, Step};

/// More stays in memory than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// About so many bytes do.
    pub bytes: u64,
    /// Connections among what takes them.
    pub connections: u64,
}

/// What the analysis makes of a connection, wherever its conversation lies (measured: docs/benchmarks.md).
const CONNECTION: u64 = 30;
/// A step with what is understood of it and its place in every index (measured likewise).
const STEP: u64 = 1_800;
/// A fact with texts of its own.
const FACT: u64 = 300;

impl Memory {
    /// Whether what cannot be laid aside takes more than is allowed: steps, facts, and what is made of connections; with
    /// texts, conversations and readings as far as they were not laid aside.
    pub fn excess(&self, intake: &Intake) -> Option<Excess> {
        let allowed = self.allowed?;
        let (mut connections, mut conversations) = (0, 0);
        for conversation in intake.conversations.iter() {
            connections += connections_of(&conversation);
            if let Held::Here(conversation) = conversation {
                conversations += bytes_of(conversation);
            }
        }
        let readings: usize = intake.facts.gpu.iter().map(|series| series.points.held()).sum();
        let bytes = self.texts.load(Ordering::Relaxed)
            + conversations
            + connections * CONNECTION
            + (readings * size_of::<GpuPoint>()) as u64
            + intake.steps.iter().map(|step| STEP + words(step)).sum::<u64>()
            + facts(&intake.facts);
        (bytes > allowed).then_some(Excess { bytes, connections })
    }
}

/// As the analysis counts them: a stretch of which no connection was kept is one.
fn connections_of(conversation: &Conversation) -> u64 {
    conversation.segments.iter().map(|segment| segment.starts.len().max(1) as u64).sum()
}

fn bytes_of(conversation: &Conversation) -> u64 {
    let segments: isize = conversation.segments.iter().map(segments::bytes).sum();
    size_of::<ConversationKey>() as u64 + segments.unsigned_abs() as u64
}

fn words(step: &Step) -> u64 {
    step.command.as_ref().map_or(0, |command| command.len() as u64)
}

fn facts(facts: &Facts) -> u64 {
    let with_texts = [
        facts.dns.len(),
        facts.queries.len(),
        facts.names.len(),
        facts.http.len(),
        facts.ssh.len(),
        facts.mining.len(),
        facts.tunnels.len(),
        facts.zones.len(),
        facts.files.len(),
        facts.probes.len(),
        facts.anchors.len(),
        facts.gpu_processes.len(),
        facts.alerts.len(),
        facts.verdicts.len(),
        facts.executions.len(),
        facts.processes.len(),
        facts.leases.len(),
    ];
    let settings: usize = facts.gpu.iter().map(|series| series.settings.len()).sum();
    let flat = facts.crossings.len() * size_of::<CrossingFact>()
        + facts.sequences.len() * size_of::<SequenceFact>()
        + facts.written.len() * size_of::<WrittenFact>()
        + settings * size_of::<GpuSettingsFact>();
    with_texts.iter().map(|count| *count as u64 * FACT).sum::<u64>() + flat as u64
}
