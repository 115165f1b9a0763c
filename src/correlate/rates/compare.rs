//! Runs against runs: the unit of inference is the run, for episodes of a run share a policy.

use std::collections::{BTreeMap, BTreeSet};

use super::{LEVEL, Told};
use crate::model::Behaviour;
use crate::stats::stratified::{Table, stratified};
use crate::stats::{self, permutation};
use crate::time::Instant;

const DRAWS: u64 = 20_000;

/// A run with its reward configurations and the share of its episodes that are flagged.
#[derive(Default)]
struct Run<'a> {
    /// Flagged and all episodes per configuration.
    of: BTreeMap<&'a str, (u64, u64)>,
    first: Option<Instant>,
}

impl Run<'_> {
    fn share(&self) -> f64 {
        let (flagged, all) = self.of.values().fold((0, 0), |(flagged, all), one| (flagged + one.0, all + one.1));
        flagged as f64 / all as f64
    }
}

fn runs<'a>(told: &[Told<'a>], behaviour: Option<Behaviour>) -> BTreeMap<&'a str, Run<'a>> {
    let mut runs: BTreeMap<&str, Run<'_>> = BTreeMap::new();
    for one in told {
        let (Some(run), Some(config)) = (one.row.run.as_deref(), one.row.reward_config.as_deref()) else { continue };
        let run = runs.entry(run).or_default();
        let (flagged, all) = run.of.entry(config).or_default();
        *flagged += u64::from(one.flagged(behaviour));
        *all += 1;
        run.first = [run.first, one.row.first].into_iter().flatten().min();
    }
    runs
}

/// What the configurations and the order of runs allow to be said: of any behaviour first, then of each that was found,
/// with P adjusted over these (Benjamini-Hochberg).
pub(super) fn sentences(told: &[Told<'_>], behaviours: &[Option<Behaviour>]) -> Vec<String> {
    let all = runs(told, None);
    let configs: BTreeSet<&str> = all.values().flat_map(|run| run.of.keys().copied()).collect();
    let configs: Vec<&str> = configs.into_iter().collect();
    let mut sentences = Vec::new();
    match configs.as_slice() {
        [] | [_] => {}
        [a, b] => {
            let (sentence, testable) = two(&all, a, b);
            sentences.push(sentence);
            sentences.extend(within(&all, a, b));
            if testable {
                sentences.extend(per_behaviour(told, behaviours, &configs));
            }
        }
        many => {
            let (sentence, testable) = several(&all, many);
            sentences.push(sentence);
            if testable {
                sentences.extend(per_behaviour(told, behaviours, &configs));
            }
        }
    }
    sentences.extend(trend(&all));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Runs under one configuration only: index of the configuration and share.
fn pure(runs: &BTreeMap<&str, Run<'_>>, configs: &[&str]) -> (Vec<usize>, Vec<f64>) {
    let of_one = runs.values().filter(|run| run.of.len() == 1);
    let label = |run: &Run<'_>| {
        let config = run.of.keys().next()?;
        configs.iter().position(|known| known == config)
    };
    of_one.filter_map(|run| Some((label(run)?, run.share()))).unzip()
}

fn two(runs: &BTreeMap<&str, Run<'_>>, a: &str, b: &str) -> (String, bool) {
    let (labels, shares) = pure(runs, &[a, b]);
    let of_a = labels.iter().filter(|label| **label == 0).count();
    let of_b = labels.len() - of_a;
    if of_a < 4 || of_b < 4 {
        let least = permutation::smallest_two_sided(labels.len() as u64, of_a as u64);
        let least = least.map_or_else(String::new, |p| format!(" No outcome of these gives a P below {p:.2}."));
        let sentence = format!(
            "Runs per reward configuration: {of_a} of {a} and {of_b} of {b}; too few for an inference over configurations, \
             which needs 4 of each.{least}"
        );
        return (sentence, false);
    }
    let is_a: Vec<bool> = labels.iter().map(|label| *label == 0).collect();
    let Some(test) = stats::permute_labels(&shares, &is_a, DRAWS, 1) else { return (String::new(), false) };
    let sentence = format!(
        "Runs of {a} against runs of {b}: difference of rates {:+.2}, P = {:.3} (labels permuted over {} runs, two-sided; \
         {:.1e} is the least that so many can reach).",
        test.difference,
        test.two_sided,
        labels.len(),
        test.smallest_two_sided
    );
    (sentence, true)
}

fn several(runs: &BTreeMap<&str, Run<'_>>, configs: &[&str]) -> (String, bool) {
    let (labels, shares) = pure(runs, configs);
    let number = |config: usize| labels.iter().filter(|label| **label == config).count();
    let counts: Vec<String> =
        configs.iter().enumerate().map(|(at, config)| format!("{} of {config}", number(at))).collect();
    let test = stats::permute_groups(&shares, &labels, DRAWS, 1);
    match test.filter(|test| test.smallest <= LEVEL) {
        Some(test) => (
            format!(
                "Runs of {} reward configurations ({}): P = {:.3} that their rates differ so much by chance (labels permuted \
                 over {} runs, variance between configurations; {:.1e} is the least that so many can reach).",
                configs.len(),
                counts.join(", "),
                test.p,
                labels.len(),
                test.smallest
            ),
            true,
        ),
        None => {
            let least =
                test.map_or_else(String::new, |test| format!(": P = {:.2} is the least they can reach", test.smallest));
            (
                format!(
                    "Runs per reward configuration: {}; too few for an inference over configurations{least}.",
                    counts.join(", ")
                ),
                false,
            )
        }
    }
}

/// Each behaviour over runs of one configuration, the P values adjusted together.
fn per_behaviour(told: &[Told<'_>], behaviours: &[Option<Behaviour>], configs: &[&str]) -> Option<String> {
    let named: Vec<Behaviour> = behaviours.iter().flatten().copied().collect();
    if named.len() < 2 {
        return None;
    }
    let tested: Vec<(Behaviour, f64)> = named
        .into_iter()
        .filter_map(|behaviour| {
            let (labels, shares) = pure(&runs(told, Some(behaviour)), configs);
            Some((behaviour, stats::permute_groups(&shares, &labels, DRAWS, 1)?.p))
        })
        .collect();
    let raw: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
    let adjusted = stats::benjamini_hochberg(&raw);
    let parts: Vec<String> = tested
        .iter()
        .zip(adjusted)
        .map(|((behaviour, p), adjusted)| format!("{} {p:.3} (adjusted {adjusted:.3})", behaviour.name()))
        .collect();
    Some(format!("The same per behaviour, P: {}.", parts.join(", ")))
}

/// Both configurations within runs: exact test over the runs as strata.
fn within(runs: &BTreeMap<&str, Run<'_>>, a: &str, b: &str) -> Option<String> {
    let table = |run: &Run<'_>| -> Option<Table> {
        let (of_a, of_b) = (run.of.get(a)?, run.of.get(b)?);
        Some([[of_a.0, of_a.1.saturating_sub(of_a.0)], [of_b.0, of_b.1.saturating_sub(of_b.0)]])
    };
    let tables: Vec<Table> = runs.values().filter_map(table).collect();
    if tables.is_empty() {
        return None;
    }
    let strata = if tables.len() == 1 { "1 run has".to_owned() } else { format!("{} runs have", tables.len()) };
    Some(match stratified(&tables) {
        Some(test) => {
            let odds = test.odds_ratio.map_or_else(|| "unbounded".to_owned(), |odds| format!("{odds:.1}"));
            format!(
                "{strata} episodes of both {a} and {b}: odds ratio {odds}, P = {:.3} that {a} has so many, {:.3} so few \
                 flagged episodes by chance (exact, the runs as strata, if its episodes are independent).",
                test.greater, test.less
            )
        }
        None => format!("{strata} episodes of both {a} and {b}, and none of these tells the two apart."),
    })
}

/// Whether the share of flagged episodes rises or falls from run to run.
fn trend(runs: &BTreeMap<&str, Run<'_>>) -> Option<String> {
    let mut dated: Vec<(Instant, &str, f64)> =
        runs.iter().filter_map(|(name, run)| Some((run.first?, *name, run.share()))).collect();
    if dated.len() < runs.len() {
        return None;
    }
    dated.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let shares: Vec<f64> = dated.iter().map(|(_, _, share)| *share).collect();
    let test = stats::permute_order(&shares, DRAWS, 1).filter(|test| test.smallest <= LEVEL)?;
    Some(format!(
        "Over {} runs in order of time: P = {:.3} that the share of flagged episodes rises or falls so steadily by chance \
         (runs permuted, either direction).",
        dated.len(),
        test.p
    ))
}
