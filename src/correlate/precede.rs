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
    use crate::correlate::kit::{World, ms, rules};
    use crate::correlate::{Analysis, analyze};
    use crate::formats::Kind;
    use crate::intake::Options;
    use crate::time::Basis;

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

    // By hand: three of three against none of three is one way of C(6,3) = 20, which is the level itself.
    #[test]
    fn three_on_each_side_are_enough() {
        let mut episodes = Vec::new();
        for name in ["m1", "m2", "m3"] {
            episodes.push(episode(name, "r1", &[("program nvidia-smi", 1)]));
        }
        for name in ["o1", "o2"] {
            episodes.push(episode(name, "r1", &[]));
        }
        let onsets = BTreeMap::from([("m1", 5), ("m2", 5), ("m3", 5)]);
        assert_eq!(before(Behaviour::Mining, &onsets, &episodes), None);
        episodes.push(episode("o3", "r1", &[]));
        let found = before(Behaviour::Mining, &onsets, &episodes).unwrap();
        assert_eq!(found.iter().map(|one| (one.before, one.others)).collect::<Vec<_>>(), [(3, 3)]);
        assert!((found[0].p - 0.05).abs() < 1e-12);
    }

    #[test]
    fn what_comes_with_the_first_step_of_a_behaviour_is_not_before_it() {
        let with = |name, at| episode(name, "r1", &[("program a", 4), ("program b", at), ("program c", 5)]);
        let mut episodes = vec![with("m1", 4), with("m2", 5), with("m3", 5)];
        for name in ["o1", "o2", "o3", "o4", "o5"] {
            let items = if name == "o1" { &[("program c", 0)][..] } else { &[] };
            episodes.push(episode(name, "r1", items));
        }
        let onsets = BTreeMap::from([("m1", 5), ("m2", 5), ("m3", 5)]);
        let found = before(Behaviour::Mining, &onsets, &episodes).unwrap();
        // By hand: a comes before all three (1/56), b before one (3/8); c before none, so that two are tested.
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.what.as_str(), one.before), ("program a", 3));
        assert!((one.adjusted - 2.0 / 56.0).abs() < 1e-12, "{}", one.adjusted);
    }

    #[test]
    fn what_an_episode_did_counts_from_the_first_time() {
        let mut world = World::default();
        for (path, commands) in
            [("a.jsonl", &["ls | grep x", "X=1", "grep y; false", "ls"][..]), ("b.jsonl", &["date"]), ("c.jsonl", &[])]
        {
            let transcript = world.episode(path, None);
            for command in commands {
                world.step(transcript, Some((ms(0), ms(1))), command);
            }
        }
        world.intake.steps[2].exit_code = Some(1);
        world.intake.steps[3].exit_code = None;
        world.intake.episodes[0].run = Some("r1".to_owned());
        world.intake.episodes[0].reward_config = Some("config".to_owned());
        world.intake.episodes[1].reward_config = Some("config".to_owned());
        let laid = world.lay();
        let done = done(&laid.steps());
        let items = |at: usize| done[at].items.iter().map(|(item, at)| (item.as_str(), *at)).collect::<Vec<_>>();
        let first =
            [("a call that failed", 2), ("program false", 2), ("program grep", 0), ("program ls", 0), ("tool Bash", 0)];
        assert_eq!(items(0), first);
        assert_eq!(items(1), [("program date", 0), ("tool Bash", 0)]);
        assert_eq!(items(2), []);
        let known: Vec<_> = done.iter().map(|one| (one.name, one.stratum)).collect();
        assert_eq!(known, [("a", Some("r1")), ("b", Some("config")), ("c", None)]);
    }

    /// Three episodes of a run that look at the GPUs and then mine, and so many that do neither.
    fn analyzed(without: usize) -> Analysis {
        let mut world = World::with_case(
            "[[host]]\nname = \"h1\"\naddresses = [\"10.20.0.5\"]\nagent = true\n\
             [[run]]\ntranscripts = \"*.jsonl\"\nhost = \"h1\"\n",
        );
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        for number in 0..3 + without {
            let (transcript, at) = (world.episode(&format!("{number}.jsonl"), None), number as i64 * 3_600_000);
            world.step(transcript, Some((ms(at), ms(at + 2_000))), &format!("curl http://203.0.113.{}/", number + 1));
            world.connection(capture, "10.20.0.5", &format!("203.0.113.{}:80", number + 1), ms(at + 1_000));
            if number < 3 {
                let pool = format!("198.51.100.{}:3333", number + 1);
                world.step(transcript, Some((ms(at + 60_000), ms(at + 62_000))), "nvidia-smi");
                let miner = format!("./xmrig -o {pool} -u wallet");
                world.step(transcript, Some((ms(at + 120_000), ms(at + 180_000))), &miner);
                world.connection(capture, "10.20.0.5", &pool, ms(at + 121_000));
            }
        }
        let options = Options { case: world.case, ..Options::default() };
        analyze(&world.intake, &options, rules())
    }

    // By hand: three of three against none of four is one way of C(7,3) = 35, and all else is in every episode.
    #[test]
    fn what_comes_before_what_was_found_is_given() {
        let analysis = analyzed(4);
        let found: Vec<_> = analysis.preceding.iter().filter(|one| one.behaviour == Behaviour::Mining).collect();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (one.what.as_str(), one.before, one.of, one.others_with, one.others),
            ("program nvidia-smi", 3, 3, 0, 4)
        );
        assert!((one.p - 1.0 / 35.0).abs() < 1e-12);
        let unasked = |analysis: &Analysis| -> Vec<String> {
            analysis.limits.iter().filter(|limit| limit.starts_with("What comes before")).cloned().collect()
        };
        assert_eq!(unasked(&analysis), [""; 0]);
        let few = analyzed(2);
        assert_eq!(few.preceding, []);
        assert_eq!(
            unasked(&few),
            ["What comes before mining was not asked: it needs 3 episodes with it and 3 without in the same runs."]
        );
    }
}
