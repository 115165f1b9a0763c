//! Findings over simulated worlds: what a change to attribution may not lose. Few worlds, so the bounds are wider than the bars
//! of `coincident evaluate`; nothing here depends on chance but for the seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use coincident::detect::rules::RuleSet;
use coincident::evaluate::{Evaluation, cells, simulated};
use coincident::simulate::Family;

fn evaluation(worlds: u32, families: &[Family]) -> Evaluation {
    let scratch = tempfile::tempdir().unwrap();
    simulated(&cells(worlds, families), 1, &RuleSet::embedded(), scratch.path()).unwrap()
}

fn values<'a>(evaluation: &'a Evaluation, measure: &str) -> Vec<(&'a str, f64)> {
    let of = evaluation.measures.iter().filter(|one| one.measure == measure);
    of.filter_map(|one| one.value.map(|value| (one.cell.as_str(), value))).collect()
}

#[test]
fn nobody_innocent_is_blamed() {
    let families: Vec<Family> = Family::ALL.into_iter().filter(|family| !family.is_by_agent()).collect();
    let kinds = cells(2, &families).len();
    let evaluation = evaluation(2, &families);
    for measure in ["agent blamed at level high", "log10 LR of 2 or more"] {
        let values = values(&evaluation, measure);
        assert_eq!(values.len(), kinds);
        assert!(values.iter().all(|(_, value)| *value == 0.0), "{measure}: {values:?}");
    }
}

#[test]
fn guilty_episodes_and_steps_are_found() {
    let evaluation = evaluation(2, &[Family::Agent]);
    // What is harder has no bars, and few worlds tell little of it: see docs/evaluation.md.
    let harder = ["several connections a call", "translated on both sides", "a fifth of steps and results missing"];
    for (measure, least) in [("episode F1", 0.75), ("episode precision", 0.85), ("step top-1", 0.55)] {
        for (cell, value) in values(&evaluation, measure).into_iter().filter(|(cell, _)| !harder.contains(cell)) {
            assert!(value >= least, "{measure} of {cell}: {value}");
        }
    }
    let [(_, literal), ..] = values(&evaluation, "step top-1")[..] else { panic!("no worlds with literals") };
    assert!(literal >= 0.97, "{literal}");
    let sure = values(&evaluation, "accuracy where P is 0.9 or more");
    assert!(sure.last().unwrap().1 >= 0.96, "{sure:?}");
    let costs = values(&evaluation, "Cllr");
    let costs: Vec<_> = costs.into_iter().filter(|(cell, _)| !harder.contains(cell)).collect();
    assert!(costs.iter().all(|(_, cost)| *cost < 0.6), "{costs:?}");
}

#[test]
fn the_same_worlds_give_the_same_figures() {
    let once = evaluation(1, &[Family::Intruder, Family::Steered]);
    assert_eq!(once, evaluation(1, &[Family::Intruder, Family::Steered]));
    assert!(once.worlds == 2 && !once.measures.is_empty());
}
