//! What one evidence told, in its final order.

use std::collections::BTreeMap;

use super::Fold;
use crate::evidence::{Anomaly, AnomalyKind};
use crate::intake::episodes::{Answer, Called, answered};
use crate::intake::facts::Facts;
use crate::intake::memory::Ledger;
use crate::intake::packed::Packed;
use crate::model::{Conversation, Episode, EpisodeText};

/// A fold when its evidence has ended.
pub(in crate::intake) struct Settled {
    pub(in crate::intake) conversations: Ledger<Conversation>,
    pub(in crate::intake) facts: Facts,
    pub(in crate::intake) episodes: BTreeMap<String, Episode>,
    pub(in crate::intake) steps: Vec<Called>,
    /// Those that do not answer a call of the same evidence, or not as the first.
    pub(in crate::intake) results: Vec<Answer>,
    pub(in crate::intake) texts: Vec<(EpisodeText, Packed)>,
    pub(in crate::intake) anomalies: BTreeMap<AnomalyKind, (u64, Vec<Anomaly>)>,
}

impl Fold {
    /// Everything in its final order.
    pub(in crate::intake) fn settle(mut self) -> Settled {
        let (episodes, anomalies) = (std::mem::take(&mut self.episodes), std::mem::take(&mut self.anomalies));
        let mut steps = std::mem::take(&mut self.steps);
        let left = answered(&mut steps, std::mem::take(&mut self.results));
        let results = left.into_iter().map(|left| left.answer).collect();
        let mut texts = std::mem::take(&mut self.texts);
        // Of thousands of files, what was kept in reserve would stay until all are read.
        steps.shrink_to_fit();
        texts.shrink_to_fit();
        let (conversations, facts) = self.into_parts();
        Settled { conversations, facts, episodes, steps, results, texts, anomalies }
    }

    /// Conversations by key, facts by record.
    pub(super) fn into_parts(self) -> (Ledger<Conversation>, Facts) {
        let mut facts = Facts {
            dns: self.dns.into_values().collect(),
            queries: self.queries.into_values().collect(),
            names: self.names.into_values().collect(),
            http: self.http.into_values().collect(),
            ssh: self.ssh,
            mining: self.mining,
            tunnels: self.tunnels.into_values().collect(),
            zones: self.zones.into_values().collect(),
            files: self.files.into_vec(),
            probes: self.probes.into_vec(),
            anchors: self.anchors.into_values().collect(),
            crossings: self.crossings.into_values().collect(),
            sequences: self.sequences.into_values().collect(),
            written: self.written.into_values().collect(),
            gpu: self.gpu.settle(),
            gpu_processes: self.gpu_processes.into_values().collect(),
            alerts: self.alerts.into_values().collect(),
            verdicts: self.verdicts.into_values().collect(),
            executions: self.executions.into_values().collect(),
            processes: self.processes.into_vec(),
            leases: self.leases.into_vec(),
        };
        facts.dns.sort_by_key(|fact| (fact.record, fact.address));
        facts.queries.sort_by_key(|fact| fact.record);
        facts.names.sort_by_key(|fact| (fact.record, fact.source));
        facts.http.sort_by_key(|fact| fact.record);
        facts.ssh.sort_by_key(|fact| fact.record);
        facts.mining.sort_by_key(|fact| fact.record);
        facts.tunnels.sort_by(|a, b| (a.record, a.tunnel.protocol, a.flow).cmp(&(b.record, b.tunnel.protocol, b.flow)));
        facts.zones.sort_by(|a, b| (a.record, &a.zone).cmp(&(b.record, &b.zone)));
        facts.files.sort_by_key(|fact| fact.record);
        facts.probes.sort_by_key(|fact| (fact.record, fact.flow));
        facts.gpu_processes.sort_by_key(|fact| fact.first_record);
        facts.alerts.sort_by_key(|fact| fact.record);
        facts.executions.sort_by_key(|fact| fact.record);
        facts.verdicts.sort_by_key(|fact| (fact.record, fact.behaviour));
        (self.conversations.settle(), facts)
    }
}
