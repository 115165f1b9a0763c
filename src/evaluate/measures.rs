//! Worlds that were judged, as measures with intervals and bars.

use super::judge::{Attributed, FoundClock, Judged, MISLEADING};
use super::plan::{Cell, Question};
use crate::correlate::Grade;
use crate::stats::calibration::{brier, cllr, cllr_min, expected_calibration_error};
use crate::stats::wilson_95;

/// What a measure has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// Shown, not judged.
    None,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// What is measured, and over which worlds.
    pub measure: &'static str,
    pub cell: String,
    /// Worlds, connections, episodes or clocks that went into it.
    pub count: u64,
    /// `None` if nothing could be measured.
    pub value: Option<f64>,
    /// 95 %, by Wilson, where the value is a share.
    pub interval: Option<(f64, f64)>,
    pub bar: Bar,
}

impl Measure {
    /// Whether the bar is reached; `None` without a bar or a value.
    pub fn is_met(&self) -> Option<bool> {
        match (self.bar, self.value) {
            (Bar::AtMost(bar), Some(value)) => Some(value <= bar),
            (Bar::AtLeast(bar), Some(value)) => Some(value >= bar),
            _ => None,
        }
    }
}

/// What plots are drawn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Ten bins of equal size, by stated probability: mean stated, share that was right, how many.
    pub reliability: Vec<(f64, f64, u64)>,
    /// The surest answers first: share of all that are answered, share of those that are wrong.
    pub risk_coverage: Vec<(f64, f64)>,
}

/// All measures, in order of the cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    pub worlds: u64,
    pub measures: Vec<Measure>,
    pub curves: Curves,
}

/// Rows that an answer of this probability on counts as sure.
const SURE: f64 = 0.9;
/// Clocks with fewer pairs are not held to the bars for clocks with twenty.
const ENOUGH_PAIRS: usize = 20;
const FEWEST_ZONE_PAIRS: usize = 5;
/// Beyond this an offset is of another peak, not of a wide one: seconds.
const WRONG_PEAK_S: f64 = 20.0;

pub(super) fn measure(judged: &[(Cell, Vec<Judged>)]) -> Evaluation {
    let mut measures = Vec::new();
    let mut stated: Vec<(f64, bool)> = Vec::new();
    for (cell, worlds) in judged {
        let mut add = |measure: &'static str, count: u64, value: Option<f64>, bar: Bar| {
            measures.push(Measure { measure, cell: cell.name.clone(), count, value, interval: None, bar });
        };
        let everything = matches!(cell.question, Question::Everything | Question::Harder);
        if let Question::Strength { cllr: bar } = cell.question {
            strengths(worlds, Bar::AtMost(bar), &mut add);
        } else if everything {
            strengths(worlds, Bar::None, &mut add);
        }
        if let Question::Episodes { f1 } = cell.question {
            episodes(worlds, Bar::AtLeast(f1), &mut add);
        } else if everything {
            episodes(worlds, Bar::None, &mut add);
        }
        match cell.question {
            Question::Innocent => measures.extend(innocent(cell, worlds)),
            Question::Steps { top_1 } => measures.push(steps(cell, worlds, Bar::AtLeast(top_1))),
            Question::Everything | Question::Harder => measures.push(steps(cell, worlds, Bar::None)),
            Question::Clocks => measures.extend(clocks(cell, worlds)),
            Question::Power => measures.extend(power(cell, worlds)),
            Question::Initiator { name } => measures.push(initiator(cell, worlds, name)),
            _ => {}
        }
        if !matches!(cell.question, Question::Innocent | Question::Power) {
            let here: Vec<(f64, bool)> = connections(worlds).map(|one| (one.p, one.answer_right)).collect();
            measures.extend(sure(&cell.name, &here, Bar::None));
            if cell.question != Question::Harder {
                stated.extend(here);
            }
        }
    }
    let all = "every connection of agents' worlds";
    measures.extend(sure(all, &stated, Bar::AtLeast(0.97)));
    measures.extend(calibration(all, &stated));
    let worlds = judged.iter().map(|(_, worlds)| worlds.len() as u64).sum();
    Evaluation { worlds, measures, curves: curves(stated) }
}

fn share(measure: &'static str, cell: &str, hits: u64, of: u64, bar: Bar) -> Measure {
    Measure {
        measure,
        cell: cell.to_owned(),
        count: of,
        value: (of > 0).then(|| hits as f64 / of as f64),
        interval: wilson_95(hits, of).filter(|_| of > 0),
        bar,
    }
}

fn count(worlds: &[Judged], holds: impl Fn(&Judged) -> bool) -> u64 {
    worlds.iter().filter(|world| holds(world)).count() as u64
}

fn connections(worlds: &[Judged]) -> impl Iterator<Item = &Attributed> {
    worlds.iter().flat_map(|world| &world.connections)
}

fn innocent(cell: &Cell, worlds: &[Judged]) -> Vec<Measure> {
    let all = worlds.len() as u64;
    let tested = count(worlds, |world| world.better_than_chance.is_some());
    let said = count(worlds, |world| world.better_than_chance == Some(true));
    let misled = count(worlds, |world| world.strongest.is_some_and(|lr| lr >= MISLEADING));
    let blamed = count(worlds, |world| world.agent_blamed);
    vec![
        share("better than chance, where tested", &cell.name, said, tested, Bar::AtMost(0.05)),
        share("timing conclusions withheld", &cell.name, count(worlds, |world| world.withheld), all, Bar::None),
        share("log10 LR of 2 or more", &cell.name, misled, all, Bar::AtMost(0.01)),
        share("agent blamed at level high", &cell.name, blamed, all, Bar::AtMost(0.0)),
    ]
}

/// Onsets of a world, at most, and the name of the measure over worlds with so many.
const BY_ONSETS: [(usize, &str); 5] = [
    (1, "power of the timing test: 1 onset"),
    (2, "power of the timing test: 2 onsets"),
    (4, "power of the timing test: 3 or 4 onsets"),
    (8, "power of the timing test: 5 to 8 onsets"),
    (usize::MAX, "power of the timing test: 9 onsets or more"),
];

/// How often the timing test says "better than chance" over worlds in which a step did open what was found.
fn power(cell: &Cell, worlds: &[Judged]) -> Vec<Measure> {
    let mut fewest = 1;
    let mut all = Vec::new();
    for (most, measure) in BY_ONSETS {
        let here = |world: &&Judged| world.onsets.is_some_and(|onsets| (fewest..=most).contains(&onsets));
        let tested: Vec<&Judged> = worlds.iter().filter(here).collect();
        let said = tested.iter().filter(|world| world.better_than_chance == Some(true)).count();
        all.push(share(measure, &cell.name, said as u64, tested.len() as u64, Bar::None));
        fewest = most.saturating_add(1);
    }
    let withheld = count(worlds, |world| world.withheld);
    all.push(share("timing conclusions withheld", &cell.name, withheld, worlds.len() as u64, Bar::None));
    all
}

fn strengths(worlds: &[Judged], bar: Bar, add: &mut dyn FnMut(&'static str, u64, Option<f64>, Bar)) {
    let of = |holds: &dyn Fn(&Attributed) -> bool| -> Vec<f64> {
        let finite = |one: &&Attributed| one.log10_lr.is_finite() && holds(one);
        connections(worlds).filter(finite).map(|one| one.log10_lr).collect()
    };
    // The question of the ratio: did this step open it, or none? A connection of another step is neither.
    let (caused, unrelated) = (of(&|one| one.step_right), of(&|one| !one.by_step));
    let pairs = (caused.len() + unrelated.len()) as u64;
    let cost = cllr(&caused, &unrelated);
    add("Cllr", pairs, cost, bar);
    let loss = cost.zip(cllr_min(&caused, &unrelated)).map(|(all, least)| all - least);
    add("Cllr, of it calibration", pairs, loss, if bar == Bar::None { Bar::None } else { Bar::AtMost(0.05) });
    let mistaken = of(&|one| !one.step_right);
    add(
        "Cllr with connections of other steps",
        (caused.len() + mistaken.len()) as u64,
        cllr(&caused, &mistaken),
        Bar::None,
    );
}

fn episodes(worlds: &[Judged], bar: Bar, add: &mut dyn FnMut(&'static str, u64, Option<f64>, Bar)) {
    let sum = |of: fn(&Judged) -> u64| worlds.iter().map(of).sum::<u64>();
    let right = sum(|world| world.true_positives);
    let (wrong, missed) = (sum(|world| world.false_positives), sum(|world| world.false_negatives));
    let ratio = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
    add("episode F1", right + missed, ratio(2 * right, 2 * right + wrong + missed), bar);
    add("episode precision", right + wrong, ratio(right, right + wrong), Bar::None);
    add("episode recall", right + missed, ratio(right, right + missed), Bar::None);
}

fn steps(cell: &Cell, worlds: &[Judged], bar: Bar) -> Measure {
    let acts: Vec<&Attributed> = connections(worlds).filter(|one| one.is_act).collect();
    let right = acts.iter().filter(|one| one.step_right).count() as u64;
    share("step top-1", &cell.name, right, acts.len() as u64, bar)
}

fn initiator(cell: &Cell, worlds: &[Judged], name: &str) -> Measure {
    let all = worlds.iter().flat_map(|world| world.initiators.values()).sum();
    let right = worlds.iter().filter_map(|world| world.initiators.get(name)).sum();
    share("initiator named rightly", &cell.name, right, all, Bar::None)
}

fn clocks(cell: &Cell, worlds: &[Judged]) -> Vec<Measure> {
    let all: Vec<&FoundClock> = worlds.iter().flat_map(|world| &world.clocks).collect();
    let enough: Vec<&FoundClock> = all.iter().copied().filter(|clock| clock.pairs >= ENOUGH_PAIRS).collect();
    let mut errors: Vec<f64> = enough.iter().map(|clock| clock.error_s).collect();
    errors.sort_by(f64::total_cmp);
    let quantile =
        |share: f64| errors.get(((errors.len() as f64 * share) as usize).min(errors.len().saturating_sub(1)));
    let figure = |measure, value, bar| Measure {
        measure,
        cell: cell.name.clone(),
        count: errors.len() as u64,
        value,
        interval: None,
        bar,
    };
    let covered = enough.iter().filter(|clock| clock.covered).count() as u64;
    let zones: Vec<bool> =
        all.iter().filter(|clock| clock.pairs >= FEWEST_ZONE_PAIRS).filter_map(|clock| clock.zone_right).collect();
    let right = zones.iter().filter(|right| **right).count() as u64;
    let wrong = all.iter().filter(|clock| clock.error_s > WRONG_PEAK_S && clock.grade <= Grade::B).count() as u64;
    vec![
        figure("clock error in seconds, median", quantile(0.5).copied(), Bar::AtMost(0.5)),
        figure("clock error in seconds, 95th percentile", quantile(0.95).copied(), Bar::AtMost(1.5)),
        share("clock support covers the truth", &cell.name, covered, enough.len() as u64, Bar::AtLeast(0.95)),
        share("wrong zone found", &cell.name, right, zones.len() as u64, Bar::AtLeast(1.0)),
        share("wrong peak at grade A or B", &cell.name, wrong, all.len() as u64, Bar::AtMost(0.005)),
    ]
}

/// The surest answers: how many of them are right, and how many of all they are.
fn sure(cell: &str, stated: &[(f64, bool)], bar: Bar) -> [Measure; 2] {
    let sure: Vec<&(f64, bool)> = stated.iter().filter(|(p, _)| *p >= SURE).collect();
    let (right, all) = (sure.iter().filter(|(_, right)| *right).count() as u64, sure.len() as u64);
    [
        share("accuracy where P is 0.9 or more", cell, right, all, bar),
        share("coverage at P of 0.9 or more", cell, all, stated.len() as u64, Bar::None),
    ]
}

fn calibration(cell: &str, stated: &[(f64, bool)]) -> [Measure; 2] {
    let figures = [("expected calibration error", expected_calibration_error(stated)), ("Brier score", brier(stated))];
    figures.map(|(measure, value)| Measure {
        measure,
        cell: cell.to_owned(),
        count: stated.len() as u64,
        value,
        interval: None,
        bar: Bar::None,
    })
}

/// At most so many points are drawn of a curve.
const POINTS: usize = 200;

fn curves(mut stated: Vec<(f64, bool)>) -> Curves {
    stated.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let n = stated.len();
    if n == 0 {
        return Curves::default();
    }
    let bin = |at: usize| -> Option<(f64, f64, u64)> {
        let rows = stated.get(at * n / 10..(at + 1) * n / 10).filter(|rows| !rows.is_empty())?;
        let mean = rows.iter().map(|(p, _)| p).sum::<f64>() / rows.len() as f64;
        let right = rows.iter().filter(|(_, right)| *right).count();
        Some((mean, right as f64 / rows.len() as f64, rows.len() as u64))
    };
    let mut reliability: Vec<(f64, f64, u64)> = (0..10).filter_map(bin).collect();
    reliability.reverse();
    let every = n.div_ceil(POINTS);
    let mut wrong = 0;
    let mut risk_coverage = Vec::new();
    for (at, (_, right)) in stated.iter().enumerate() {
        wrong += usize::from(!right);
        if (at + 1).is_multiple_of(every) || at + 1 == n {
            risk_coverage.push(((at + 1) as f64 / n as f64, wrong as f64 / (at + 1) as f64));
        }
    }
    Curves { reliability, risk_coverage }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::cells;
    use crate::simulate::Family;

    // By hand: of three worlds with two onsets two are better than chance; the one that was withheld, and the one in which there
    // was nothing to test, count for no number of onsets.
    #[test]
    fn power_is_a_share_of_the_worlds_with_so_many_onsets() {
        let world = |onsets: Option<usize>, said: Option<bool>| Judged {
            onsets,
            better_than_chance: said,
            withheld: onsets.is_none(),
            ..Judged::default()
        };
        let worlds = [
            world(Some(2), Some(true)),
            world(Some(2), Some(false)),
            world(Some(2), Some(true)),
            world(Some(9), Some(true)),
            world(None, None),
        ];
        let cells = cells(1, &[Family::Agent]);
        let cell = cells.iter().find(|cell| cell.question == Question::Power).unwrap();
        let found = power(cell, &worlds);
        let values: Vec<(u64, Option<f64>)> = found.iter().map(|one| (one.count, one.value)).collect();
        assert_eq!(values, [(0, None), (3, Some(2.0 / 3.0)), (0, None), (0, None), (1, Some(1.0)), (5, Some(0.2))]);
        // Wilson for 1 of 1: 1 / (1 + 1.96^2) = 0.2065 is the lower end.
        let (low, high) = found[4].interval.unwrap();
        assert!((low - 0.2065).abs() < 1e-3 && high == 1.0, "{low} {high}");
    }
}
