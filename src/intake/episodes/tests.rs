use super::*;
use crate::evidence::{EvidenceId, Record};
use crate::stats::random::Random;

fn record(evidence: u32, number: u64) -> Record {
    Record { evidence: EvidenceId(evidence), number }
}

fn call(episode: &str, place: u64, id: Option<&str>, evidence: u32) -> Called {
    let mut step = Step::new(episode, (place, 0), record(evidence, place), "bash");
    step.call_id = id.map(str::to_owned);
    (step, None)
}

fn result(episode: &str, id: &str, number: u64, evidence: u32, output: &str) -> Answer {
    let result = StepResult {
        episode: episode.to_owned(),
        call_id: id.to_owned(),
        record: record(evidence, number),
        end: None,
        duration_ns: None,
        output: None,
        output_omitted_bytes: 0,
        exit_code: Some(0),
        not_executed: false,
        place: Default::default(),
        approval: None,
        reward: None,
    };
    (result, Some(Packed::of(output)))
}

fn joined(files: impl Iterator<Item = (Vec<Called>, Vec<Answer>)>) -> Joined {
    let mut join = Join { episodes: BTreeMap::new(), steps: Vec::new(), results: Vec::new(), texts: Vec::new() };
    for (steps, results) in files {
        join.steps.extend(steps);
        join.results.extend(results);
    }
    join.finish()
}

#[test]
fn a_call_has_the_first_result_of_its_file_and_others_are_left() {
    let mut steps = vec![call("a", 1, Some("x"), 0), call("a", 3, Some("y"), 0), call("a", 5, None, 0)];
    let results = vec![
        result("a", "x", 4, 0, "second"),
        result("a", "x", 2, 0, "first"),
        result("a", "z", 6, 0, "of another file"),
        result("b", "y", 7, 0, "of another episode"),
    ];
    let left = answered(&mut steps, results);
    assert_eq!(steps[0].0.result_record, Some(record(0, 2)));
    assert_eq!(steps[0].1.as_ref().map(|output| output.text().into_owned()).as_deref(), Some("first"));
    assert_eq!((steps[1].0.result_record, steps[2].0.result_record), (None, None));
    let left: Vec<u64> = left.iter().map(|left| left.answer.0.record.number).collect();
    assert_eq!(left, [4, 6, 7]);
}

#[test]
fn a_result_in_a_file_before_does_not_take_the_place_of_the_one_beside_the_call() {
    let (mut steps, beside) = (vec![call("a", 1, Some("x"), 1)], vec![result("a", "x", 2, 1, "beside it")]);
    let left = answered(&mut steps, beside).into_iter().map(|left| left.answer).collect();
    let files = [(Vec::new(), vec![result("a", "x", 9, 0, "elsewhere")]), (steps, left)];
    let Joined { steps, anomalies, .. } = joined(files.into_iter());
    assert_eq!(steps[0].result_record, Some(record(1, 2)));
    assert_eq!(anomalies.len(), 1);
    assert_eq!((anomalies[0].anomaly.kind, anomalies[0].evidence), (AnomalyKind::ConflictingId, EvidenceId(0)));
}

/// Where no file answers another's calls, joining each by itself first changes nothing.
#[test]
fn joined_file_by_file_is_joined_as_well() {
    let mut random = Random::new(7);
    for _ in 0..200 {
        let files: Vec<(Vec<Called>, Vec<Answer>)> = (0..3_u32)
            .map(|evidence| {
                let mut one = || {
                    let episode = format!("{evidence}#{}", random.below(2));
                    (episode, format!("call-{}", random.below(4)), random.below(30))
                };
                let calls = (0..6).map(|_| one()).map(|(episode, id, at)| call(&episode, at, Some(&id), evidence));
                let calls: Vec<Called> = calls.collect();
                let results = (0..8).map(|_| one());
                let results =
                    results.map(|(episode, id, at)| result(&episode, &id, at, evidence, &(at % 2).to_string()));
                (calls, results.collect())
            })
            .collect();
        let first = files.clone().into_iter().map(|(mut steps, results)| {
            let left = answered(&mut steps, results);
            (steps, left.into_iter().map(|left| left.answer).collect())
        });
        let (first, at_once) = (joined(first), joined(files.clone().into_iter()));
        assert!(at_once.steps.iter().any(|step| step.result_record.is_some()));
        assert_eq!(first.steps, at_once.steps);
        assert_eq!(first.outputs, at_once.outputs);
        assert_eq!(first.anomalies, at_once.anomalies);
    }
}
