//! Calls that stand under an id which another call of their episode has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::evidence::{Anomaly, AnomalyKind, EvidenceId};
use crate::model::Step;

/// What is said of each such call, with the evidence that it stands in. The results of the id went to the first call. Steps of an
/// episode stand together, in their order.
pub(super) fn of(steps: &[Step]) -> Vec<(EvidenceId, Anomaly)> {
    let mut said = Vec::new();
    for episode in steps.chunk_by(|a, b| a.episode == b.episode) {
        let mut calls: BTreeMap<&str, &Step> = BTreeMap::new();
        for step in episode {
            let Some(id) = step.call_id.as_deref() else { continue };
            match calls.entry(id) {
                Entry::Vacant(place) => drop(place.insert(step)),
                Entry::Occupied(first) => said.push((step.record.evidence, anomaly(first.get(), step))),
            }
        }
    }
    said
}

fn anomaly(first: &Step, other: &Step) -> Anomaly {
    let is_same = (&first.tool, &first.arguments, &first.command) == (&other.tool, &other.arguments, &other.command);
    let (kind, detail) = if is_same {
        (AnomalyKind::Duplicate, "the same call a second time under its id; both are steps, results go to the first")
    } else {
        (
            AnomalyKind::ConflictingId,
            "a second call under the id of another, with another tool or other arguments; both are steps, results go to the \
             first (ids that start anew, or an edit)",
        )
    };
    Anomaly { record: other.record.number, kind, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Record;

    fn call(episode: &str, id: Option<&str>, number: u64, command: &str) -> Step {
        let mut step = Step::new(episode, (number, 0), Record { evidence: EvidenceId(7), number }, "bash");
        (step.call_id, step.command) = (id.map(str::to_owned), Some(command.to_owned()));
        step
    }

    #[test]
    fn a_call_under_the_id_of_another_is_told_of_each_time() {
        let steps = [
            call("a", Some("x"), 1, "id"),
            call("a", None, 2, "id"),
            call("a", None, 3, "id"),
            call("a", Some("y"), 4, "id"),
            call("a", Some("x"), 5, "id"),
            call("a", Some("x"), 6, "curl pool"),
            call("b", Some("x"), 7, "whoami"),
        ];
        let said: Vec<_> =
            of(&steps).into_iter().map(|(evidence, told)| (evidence.0, told.record, told.kind)).collect();
        assert_eq!(said, [(7, 5, AnomalyKind::Duplicate), (7, 6, AnomalyKind::ConflictingId)]);
    }
}
