use std::collections::BTreeMap;

use super::fold::Settled;
use super::packed::Packed;
use super::source::EvidenceAnomaly;
use super::{contradictions, repeats};
use crate::evidence::{Anomaly, AnomalyKind};
use crate::model::{Episode, EpisodeText, Step, StepResult};

/// A call with what came back, as far as that is known.
pub(super) type Called = (Step, Option<Packed>);
/// A result with what it says.
pub(super) type Answer = (StepResult, Option<Packed>);

/// Joins calls with their results and numbers the steps, over all files of a case.
pub(super) struct Join {
    episodes: BTreeMap<String, Episode>,
    steps: Vec<Called>,
    results: Vec<Answer>,
    texts: Vec<(EpisodeText, Packed)>,
}

/// What [`Join`] made.
pub(super) struct Joined {
    pub(super) episodes: Vec<Episode>,
    pub(super) steps: Vec<Step>,
    /// What came back, step by step.
    pub(super) outputs: Vec<Option<Packed>>,
    pub(super) texts: Vec<(EpisodeText, Packed)>,
    pub(super) anomalies: Vec<EvidenceAnomaly>,
}

impl Join {
    /// With room for what all files told.
    pub(super) fn with_room_for<'a>(all: impl Iterator<Item = &'a Settled>) -> Self {
        let sum = |(steps, results, texts): (usize, usize, usize), one: &Settled| {
            (steps + one.steps.len(), results + one.results.len(), texts + one.texts.len())
        };
        let (steps, results, texts) = all.fold((0, 0, 0), sum);
        Join {
            episodes: BTreeMap::new(),
            steps: Vec::with_capacity(steps),
            results: Vec::with_capacity(results),
            texts: Vec::with_capacity(texts),
        }
    }

    pub(super) fn take(&mut self, settled: &mut Settled) {
        for (id, episode) in std::mem::take(&mut settled.episodes) {
            match self.episodes.get_mut(&id) {
                Some(known) => super::merge::join_episode(known, episode),
                None => drop(self.episodes.insert(id, episode)),
            }
        }
        self.steps.append(&mut settled.steps);
        self.results.append(&mut settled.results);
        self.texts.append(&mut settled.texts);
    }

    pub(super) fn finish(mut self) -> Joined {
        self.steps.sort_by(|(a, _), (b, _)| (&a.episode, a.order, a.record).cmp(&(&b.episode, b.order, b.record)));
        self.texts.sort_by(|(a, _), (b, _)| (&a.episode, a.order, a.record).cmp(&(&b.episode, b.order, b.record)));
        let left = answered(&mut self.steps, std::mem::take(&mut self.results));
        let mut anomalies: BTreeMap<(crate::evidence::EvidenceId, AnomalyKind), Vec<Anomaly>> = BTreeMap::new();
        for Left { answer: (result, output), call } in left {
            let mut odd = |kind, detail: &str| {
                let anomaly = Anomaly { record: result.record.number, kind, detail: detail.to_owned() };
                anomalies.entry((result.record.evidence, kind)).or_default().push(anomaly);
            };
            match call.and_then(|at| self.steps.get(at)) {
                None => odd(AnomalyKind::Gap, "the result of a tool call that the evidence does not hold"),
                Some((_, known)) if output.is_some() && *known != output => odd(
                    AnomalyKind::ConflictingId,
                    "a second result for the same tool call, with other content; the first was used (a writer that completes \
                     or shortens what it wrote, ids that start anew, or an edit)",
                ),
                Some(_) => odd(AnomalyKind::Duplicate, "a second result for the same tool call; the first was used"),
            }
        }
        let (mut steps, outputs) = apart(self.steps);
        for (evidence, anomaly) in contradictions::of(&steps).chain(repeats::of(&steps)) {
            anomalies.entry((evidence, anomaly.kind)).or_default().push(anomaly);
        }
        let mut index = 0;
        for at in 0..steps.len() {
            index = if at > 0 && steps[at - 1].episode == steps[at].episode { index + 1 } else { 0 };
            steps[at].index = index;
        }
        for step in &steps {
            if let Some(episode) = self.episodes.get_mut(&*step.episode) {
                for endpoint in [step.start, step.end].into_iter().flatten() {
                    episode.span = Some(episode.span.map_or(endpoint.span, |known| known.cover(endpoint.span)));
                }
            }
        }
        let anomalies = anomalies
            .into_iter()
            .flat_map(|((evidence, _), mut anomalies)| {
                anomalies.sort();
                let of = anomalies.len() as u64;
                anomalies.into_iter().take(20).map(move |anomaly| EvidenceAnomaly { evidence, anomaly, of })
            })
            .collect();
        Joined { episodes: self.episodes.into_values().collect(), steps, outputs, texts: self.texts, anomalies }
    }
}

/// Steps and what came back apart. From the end, so that what was moved need not lie there twice.
fn apart(mut together: Vec<Called>) -> (Vec<Step>, Vec<Option<Packed>>) {
    let (mut steps, mut outputs) = (Vec::with_capacity(together.len()), Vec::with_capacity(together.len()));
    while let Some((step, output)) = together.pop() {
        steps.push(step);
        outputs.push(output);
        if together.len().is_multiple_of(8_192) {
            together.shrink_to_fit();
        }
    }
    steps.reverse();
    outputs.reverse();
    (steps, outputs)
}

/// A result that answers no call, or one that has its answer.
pub(super) struct Left {
    pub(super) answer: Answer,
    /// Place of that call.
    call: Option<usize>,
}

/// Joins calls with their results, each with its first; gives those that are left, in order. Of one file before all are read:
/// there are thousands, and most results need not wait for them.
pub(super) fn answered(steps: &mut [Called], mut results: Vec<Answer>) -> Vec<Left> {
    results.sort_by(|(a, _), (b, _)| (&a.episode, &a.call_id, a.record).cmp(&(&b.episode, &b.call_id, b.record)));
    let mut places: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].0.call_id.is_some()).collect();
    let call = |at: usize| (&*steps[at].0.episode, steps[at].0.call_id.as_ref());
    places.sort_by_key(|at| (call(*at), steps[*at].0.order, steps[*at].0.record));
    let of = |(result, _): &Answer| {
        let wanted = (result.episode.as_str(), Some(&result.call_id));
        let first = places.partition_point(|at| call(*at) < wanted);
        places.get(first).copied().filter(|at| call(*at) == wanted)
    };
    let calls: Vec<Option<usize>> = results.iter().map(of).collect();
    let mut left = Vec::new();
    for ((result, output), call) in results.into_iter().zip(calls) {
        match call.and_then(|at| steps.get_mut(at)) {
            Some((step, known)) if step.result_record.is_none() => {
                answer(step, result);
                *known = output.or(known.take());
            }
            _ => left.push(Left { answer: (result, output), call }),
        }
    }
    left
}

fn answer(step: &mut Step, result: StepResult) {
    step.result_record = Some(result.record);
    step.end = result.end.or(step.end);
    step.duration_ns = result.duration_ns.or(step.duration_ns);
    step.output_omitted_bytes += result.output_omitted_bytes;
    step.exit_code = result.exit_code.or(step.exit_code);
    step.not_executed |= result.not_executed;
    step.place.fill_from(result.place);
    step.approval = result.approval.or(step.approval);
    step.reward = result.reward.or(step.reward);
}

#[cfg(test)]
mod tests;
