//! What comes before a behaviour within its episode more often than in the other episodes of the same run: tools, programs
//! and calls that failed. That it comes before does not show that it leads to it.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::analysis::{Finding, Preceding};
use super::attribute::Steps;
use crate::detect::command::CommandLine;
use crate::model::{Behaviour, Step};
use crate::stats::benjamini_hochberg;
use crate::stats::stratified::{Table, stratified};

/// Episodes with the behaviour, and without, below which nothing is asked.
const FEWEST: usize = 3;
const LEVEL: f64 = 0.05;

/// What an episode did, and at which of its steps first.
struct Done<'a> {
    name: &'a str,
    /// Run, or reward configuration where no run is known.
    stratum: Option<&'a str>,
    items: BTreeMap<String, u32>,
}

/// Episodes of one run.
#[derive(Default)]
struct Stratum<'e> {
    /// With the behaviour, and at which step it begins.
    with: Vec<(&'e Done<'e>, u32)>,
    without: Vec<&'e Done<'e>>,
}

/// What comes before each behaviour that was found, the smallest P first, and for which behaviours that could not be asked.
///
/// Exact conditional test (greater) over episodes with runs as strata. Of an episode without the behaviour all steps count,
/// which gives it more chances: that errs on the safe side. P is adjusted (Benjamini-Hochberg) over everything that was
/// tested before one behaviour; what stays at or below 0.05 is given.
pub(crate) fn preceding(findings: &[Finding], steps: &Steps<'_>) -> (Vec<Preceding>, Vec<String>) {
    if findings.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let episodes = done(steps);
    let mut onsets: BTreeMap<Behaviour, BTreeMap<&str, u32>> = BTreeMap::new();
    for finding in findings {
        if let Some(first) = finding.steps.iter().map(|step| step.index).min() {
            let onset = onsets.entry(finding.behaviour).or_default().entry(finding.episode.as_str()).or_insert(first);
            *onset = first.min(*onset);
        }
    }
    let (mut all, mut unasked) = (Vec::new(), Vec::new());
    for (behaviour, onsets) in &onsets {
        match before(*behaviour, onsets, &episodes) {
            Some(found) => all.extend(found),
            None => unasked.push(behaviour.name()),
        }
    }
    let sentence = format!(
        "What comes before {} was not asked: it needs {FEWEST} episodes with it and {FEWEST} without in the same runs.",
        unasked.join(", ")
    );
    (all, if unasked.is_empty() { Vec::new() } else { vec![sentence] })
}

fn done<'a>(steps: &Steps<'a>) -> Vec<Done<'a>> {
    let add = |items: &mut BTreeMap<String, u32>, item: String, index: u32| {
        let first = items.entry(item).or_insert(index);
        *first = index.min(*first);
    };
    let items_of = |of: &[Step]| {
        let mut items = BTreeMap::new();
        for step in of {
            add(&mut items, format!("tool {}", step.tool), step.index);
            for command in step.command.iter().flat_map(|command| CommandLine::parse(command).commands) {
                if !command.name().is_empty() {
                    add(&mut items, format!("program {}", command.name()), step.index);
                }
            }
            if step.exit_code.is_some_and(|code| code != 0) {
                add(&mut items, "a call that failed".to_owned(), step.index);
            }
        }
        items
    };
    let by_episode: Vec<&'a [Step]> = steps.intake.steps.chunk_by(|one, next| one.episode == next.episode).collect();
    let of_episode = |of: &&'a [Step]| Some((&*of.first()?.episode, items_of(of)));
    let mut by_id: BTreeMap<&str, BTreeMap<String, u32>> = by_episode.par_iter().filter_map(of_episode).collect();
    let episode = |episode: &'a crate::model::Episode| Done {
        name: episode.name.as_str(),
        stratum: episode.run.as_deref().or(episode.reward_config.as_deref()),
        items: by_id.remove(episode.id.as_str()).unwrap_or_default(),
    };
    steps.intake.episodes.iter().map(episode).collect()
}

/// `None` if there are too few episodes to ask.
fn before(behaviour: Behaviour, onsets: &BTreeMap<&str, u32>, episodes: &[Done<'_>]) -> Option<Vec<Preceding>> {
    let mut strata: BTreeMap<Option<&str>, Stratum<'_>> = BTreeMap::new();
    for episode in episodes {
        let stratum = strata.entry(episode.stratum).or_default();
        match onsets.get(episode.name) {
            Some(onset) => stratum.with.push((episode, *onset)),
            None => stratum.without.push(episode),
        }
    }
    // A run in which all episodes have it, or none, tells nothing.
    strata.retain(|_, stratum| !stratum.with.is_empty() && !stratum.without.is_empty());
    let of = strata.values().map(|stratum| stratum.with.len()).sum::<usize>();
    let others = strata.values().map(|stratum| stratum.without.len()).sum::<usize>();
    if of < FEWEST || others < FEWEST {
        return None;
    }
    let items: BTreeSet<&str> = strata
        .values()
        .flat_map(|stratum| &stratum.with)
        .flat_map(|(episode, onset)| episode.items.iter().filter(move |(_, at)| *at < onset))
        .map(|(item, _)| item.as_str())
        .collect();
    let mut tested: Vec<Preceding> = Vec::new();
    for item in items {
        let table = |Stratum { with, without }: &Stratum<'_>| -> Table {
            let precedes = |(episode, onset): &&(&Done<'_>, u32)| episode.items.get(item).is_some_and(|at| at < onset);
            let yes = with.iter().filter(precedes).count() as u64;
            let other = without.iter().filter(|one| one.items.contains_key(item)).count() as u64;
            [[yes, with.len() as u64 - yes], [other, without.len() as u64 - other]]
        };
        let tables: Vec<Table> = strata.values().map(table).collect();
        // What every episode has tells nothing.
        let Some(test) = stratified(&tables) else { continue };
        let sum = |cell: fn(&Table) -> u64| tables.iter().map(cell).sum::<u64>();
        tested.push(Preceding {
            behaviour,
            what: item.to_owned(),
            before: sum(|[[yes, _], _]| *yes),
            of: of as u64,
            others_with: sum(|[_, [yes, _]]| *yes),
            others: others as u64,
            p: test.greater,
            adjusted: 1.0,
        });
    }
    let adjusted = benjamini_hochberg(&tested.iter().map(|one| one.p).collect::<Vec<_>>());
    for (one, adjusted) in tested.iter_mut().zip(adjusted) {
        one.adjusted = adjusted;
    }
    tested.retain(|one| one.adjusted <= LEVEL);
    tested.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.what.cmp(&b.what)));
    Some(tested)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(name: &'static str, stratum: &'static str, items: &[(&str, u32)]) -> Done<'static> {
        Done { name, stratum: Some(stratum), items: items.iter().map(|(item, at)| ((*item).to_owned(), *at)).collect() }
    }

    #[test]
    fn what_comes_before_in_every_episode_with_it_and_in_none_without() {
        let mut episodes = vec![
            episode("m1", "r1", &[("program nvidia-smi", 1), ("tool Bash", 0), ("program late", 9)]),
            episode("m2", "r1", &[("program nvidia-smi", 0), ("tool Bash", 0), ("program late", 9)]),
            episode("m3", "r1", &[("program nvidia-smi", 4), ("tool Bash", 0), ("program late", 9)]),
        ];
        for name in ["o1", "o2", "o3", "o4", "o5"] {
            episodes.push(episode(name, "r1", &[("tool Bash", 0)]));
        }
        // A run in which all have it.
        episodes.push(episode("x", "r2", &[("program nvidia-smi", 0)]));
        let onsets = BTreeMap::from([("m1", 5), ("m2", 5), ("m3", 5), ("x", 5)]);
        let found = before(Behaviour::Mining, &onsets, &episodes).unwrap();
        // By hand: 3 of 3 against 0 of 5, one way of C(8,3) = 56. Every episode has Bash; "late" comes after.
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (one.what.as_str(), one.before, one.of, one.others_with, one.others),
            ("program nvidia-smi", 3, 3, 0, 5)
        );
        assert!((one.p - 1.0 / 56.0).abs() < 1e-12 && (one.adjusted - one.p).abs() < 1e-15);
        // Of four items that are equally telling each keeps its P; four that tell nothing make it four times as large.
        for (at, episode) in episodes.iter_mut().enumerate() {
            for (number, name) in ["program a", "program b", "program c"].iter().enumerate() {
                if at == number || at == number + 4 {
                    episode.items.insert((*name).to_owned(), 0);
                }
            }
        }
        // By hand: 4 tested, the smallest P is 1/56: adjusted 4/56 = .071, above .05.
        assert_eq!(before(Behaviour::Mining, &onsets, &episodes), Some(Vec::new()));
    }

    #[test]
    fn fewer_than_three_on_a_side_are_not_asked() {
        let mut episodes = vec![episode("m1", "r1", &[]), episode("m2", "r1", &[]), episode("m3", "r2", &[])];
        for name in ["o1", "o2", "o3"] {
            episodes.push(episode(name, "r1", &[]));
        }
        // The third is alone in its run.
        assert_eq!(before(Behaviour::Mining, &BTreeMap::from([("m1", 5), ("m2", 5), ("m3", 5)]), &episodes), None);
    }
}
