//! Evidence without one of its files, and back again, without reading anything twice.

use std::ops::Range;

use super::{Conversation, EvidenceAnomaly, EvidenceId, Facts, Intake, Ledger, Source};

/// What [`Intake::leave_out`] took of one file.
#[derive(Debug)]
pub struct LeftOut {
    evidence: EvidenceId,
    source: Source,
    conversations: Ledger<Conversation>,
    facts: Facts,
    anomalies: Vec<EvidenceAnomaly>,
}

/// Each list with what tells the evidence of an entry: all lists are sorted by it, so that an evidence is one stretch.
macro_rules! each_fact {
    ($with:ident) => {
        $with!(dns, record.evidence);
        $with!(queries, record.evidence);
        $with!(names, record.evidence);
        $with!(http, record.evidence);
        $with!(ssh, record.evidence);
        $with!(mining, record.evidence);
        $with!(tunnels, record.evidence);
        $with!(zones, record.evidence);
        $with!(files, record.evidence);
        $with!(probes, record.evidence);
        $with!(anchors, record.evidence);
        $with!(crossings, record.evidence);
        $with!(sequences, record.evidence);
        $with!(written, record.evidence);
        $with!(gpu, evidence);
        $with!(gpu_processes, first_record.evidence);
        $with!(alerts, record.evidence);
        $with!(verdicts, record.evidence);
        $with!(executions, record.evidence);
        $with!(processes, record.evidence);
        $with!(leases, record.evidence);
    };
}

impl Intake {
    /// Places of the conversations of a file.
    pub fn conversations_of(&self, evidence: EvidenceId) -> Range<usize> {
        let before = |evidence| self.conversations.partition_point(|one| one.key.evidence < evidence);
        before(evidence)..before(EvidenceId(evidence.0.saturating_add(1)))
    }

    /// Takes away all that a file told of traffic, GPUs and hosts: what is left is the evidence as it would be if no format
    /// knew that file. Steps and texts stay: of a transcript nothing is taken away but its name as a source. `None` if there
    /// is no such file. O(what is taken, and what lies behind it).
    pub fn leave_out(&mut self, evidence: EvidenceId) -> Option<LeftOut> {
        let place = self.sources.get_mut(evidence.0 as usize)?;
        let source = place.clone();
        // Its place stays: evidence is known by it.
        (place.format, place.kind, place.records, place.unread) = (None, None, 0, 0);
        (place.first, place.last, place.basis) = (None, None, None);
        place.boots.clear();
        let mut facts = Facts::default();
        macro_rules! taken {
            ($list:ident, $($evidence:ident).+) => {
                facts.$list = stretch(&mut self.facts.$list, evidence, |one| one.$($evidence).+);
            };
        }
        each_fact!(taken);
        let own = self.conversations_of(evidence);
        Some(LeftOut {
            evidence,
            source,
            conversations: self.conversations.remove(own),
            facts,
            anomalies: stretch(&mut self.anomalies, evidence, |one| one.evidence),
        })
    }

    /// Puts back what was taken away.
    pub fn put_back(&mut self, left_out: LeftOut) {
        let LeftOut { evidence, source, conversations, facts, anomalies } = left_out;
        if let Some(place) = self.sources.get_mut(evidence.0 as usize) {
            *place = source;
        }
        macro_rules! returned {
            ($list:ident, $($evidence:ident).+) => {
                join(&mut self.facts.$list, evidence, facts.$list, |one| one.$($evidence).+);
            };
        }
        each_fact!(returned);
        self.conversations.insert(self.conversations_of(evidence).start, conversations);
        join(&mut self.anomalies, evidence, anomalies, |one| one.evidence);
    }
}

fn stretch<T>(list: &mut Vec<T>, evidence: EvidenceId, of: impl Fn(&T) -> EvidenceId) -> Vec<T> {
    let from = list.partition_point(|one| of(one) < evidence);
    let to = list.partition_point(|one| of(one) <= evidence);
    list.drain(from..to.max(from)).collect()
}

fn join<T>(list: &mut Vec<T>, evidence: EvidenceId, entries: Vec<T>, of: impl Fn(&T) -> EvidenceId) {
    let at = list.partition_point(|one| of(one) < evidence);
    drop(list.splice(at..at, entries));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::intake::{Options, take_in};

    fn told(intake: &Intake) -> [String; 5] {
        [
            format!("{:?}", intake.sources),
            format!("{:?}", intake.conversations),
            format!("{:?}", intake.facts),
            format!("{:?}", intake.anomalies),
            format!("{:?} {:?}", intake.episodes, intake.steps),
        ]
    }

    #[test]
    fn what_is_left_is_what_the_other_files_tell_and_all_of_it_comes_back() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/intruder/evidence");
        let mut intake = take_in(std::slice::from_ref(&folder), &Options::default());
        let whole = told(&intake);
        for at in 0..intake.sources.len() {
            let evidence = EvidenceId(at as u32);
            let count = |intake: &Intake| {
                intake.conversations.iter().filter(|conversation| conversation.key.evidence == evidence).count()
            };
            let (own, all) = (count(&intake), intake.conversations.len());
            let left_out = intake.leave_out(evidence).unwrap();
            assert_eq!((count(&intake), intake.conversations.len()), (0, all - own));
            // No list holds a word of it any more.
            let name = format!("EvidenceId({at})");
            let [_, conversations, facts, anomalies, _] = told(&intake);
            assert!(!conversations.contains(&name) && !facts.contains(&name) && !anomalies.contains(&name));
            intake.put_back(left_out);
            assert_eq!(told(&intake), whole, "{}", intake.sources[at].path);
        }
        assert!(intake.leave_out(EvidenceId(99)).is_none());
    }
}
