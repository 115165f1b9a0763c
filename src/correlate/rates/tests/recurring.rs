//! Over runs and over checkpoints.

use super::*;
use crate::correlate::analysis::Recurrence;

/// Episodes of an hour, each in a run with that many steps found.
fn hourly(steps: &[(&str, u32)]) -> (Vec<EpisodeRow>, Vec<Finding>) {
    let named: Vec<(&str, &str, bool)> = steps.iter().map(|(run, _)| (*run, "", false)).collect();
    let mut episodes = rows(&named);
    let mut findings = Vec::new();
    for (at, (episode, (run, count))) in episodes.iter_mut().zip(steps).enumerate() {
        (episode.first, episode.last) = (Some(Instant(0)), Some(Instant(3_600 * SECOND)));
        episode.path = format!("{run}/{at}.jsonl");
        if *count > 0 {
            let indices: Vec<u32> = (0..*count).collect();
            episode.findings = vec![format!("F-{at}")];
            findings.push(finding(&format!("F-{at}"), Behaviour::Mining, &indices, 60));
        }
    }
    (episodes, findings)
}

#[test]
fn onsets_of_one_run_alone_are_beyond_chance_and_one_each_is_not() {
    let of = |steps: &[(&str, u32)]| {
        let (episodes, findings) = hourly(steps);
        recurrence(&episodes, &findings, &CaseFile::default()).remove(0)
    };
    let one = of(&[("r1", 6), ("r2", 0), ("r3", 0), ("r4", 0)]);
    // By hand: six of six in one of four runs: (4.5^2 + 3 * 1.5^2) / 1.5 / 3 = 6; in 4 of 4^6 ways, .001.
    assert_eq!((one.question, one.units, one.onsets, one.exposure), ("dispersion over runs", 4, 6, "hours"));
    assert!((one.value.unwrap() - 6.0).abs() < 1e-9 && one.p.unwrap() < 0.002, "{one:?}");
    assert_eq!(one.words, "some runs do it more than others, beyond chance");
    let each = of(&[("r1", 2), ("r2", 1), ("r3", 2), ("r4", 1)]);
    assert_eq!(each.words, "runs differ no more than chance makes them");
    // By hand: two onsets over two runs fall into one run in half of the cases.
    let few = of(&[("r1", 2), ("r2", 0)]);
    assert_eq!((few.p, few.smallest), (None, Some(0.5)));
    assert_eq!(few.words, "not asked: no outcome of 2 onsets over 2 runs gives a P below 0.50");
    let (episodes, findings) = hourly(&[("r1", 3)]);
    assert_eq!(recurrence(&episodes, &findings, &CaseFile::default()), []);
}

/// What is said of mining over checkpoints, where each episode of [`hourly`] is of one.
fn over_checkpoints(steps: &[(&str, u32)], checkpoints: &[u32]) -> Recurrence {
    let (episodes, findings) = hourly(steps);
    let entry = |((at, (run, _)), checkpoint): ((usize, &(&str, u32)), &u32)| {
        format!("[[run]]\nname = \"{run}\"\ntranscripts = \"{run}/{at}.jsonl\"\ncheckpoint = {checkpoint}\n")
    };
    let text: String = steps.iter().enumerate().zip(checkpoints).map(entry).collect();
    let all = recurrence(&episodes, &findings, &CaseFile::parse(&text, "case.toml").unwrap());
    all.into_iter().find(|one| one.question == "trend over checkpoints" && one.behaviour.is_some()).unwrap()
}

#[test]
fn a_rate_that_rises_with_the_checkpoint() {
    let five = ["r0", "r1", "r2", "r3", "r4"];
    let of = |steps: [u32; 5]| {
        over_checkpoints(&[0, 1, 2, 3, 4].map(|at| (five[at], steps[at])), &[100, 200, 300, 400, 500])
    };
    let rises = of([0, 1, 2, 3, 4]);
    // By hand: of 5! = 120 ways to deal the checkpoints two are as steep: .017.
    assert!((rises.p.unwrap() - 2.0 / 120.0).abs() < 1e-9 && rises.value.unwrap() > 1.0, "{rises:?}");
    assert_eq!(rises.words, "the rate rises with the checkpoint, beyond chance");
    // By hand: around the middle checkpoint -2 * 0 - 1 * 4 + 1 * 2 + 2 * 1 = 0, and every deal is as steep as none.
    let level = of([0, 4, 3, 2, 1]);
    assert_eq!(level.p, Some(1.0));
    assert_eq!(level.words, "the rate neither rises nor falls with the checkpoint beyond chance");
    // Four can reach 2/24.
    let four = over_checkpoints(&[("r0", 0), ("r1", 1), ("r2", 2), ("r3", 3)], &[1, 2, 3, 4]);
    assert_eq!((four.p, four.smallest), (None, Some(2.0 / 24.0)));
    assert_eq!(four.words, "not asked: no outcome of 4 runs with 6 onsets gives a P below 0.08");
    // By hand, a mean of 1.2: the rising deal is the steepest with 3.8 * 10 - .2 * 4 - 1.2 * 6 = 30, in the 3! ways to deal
    // among the runs without an onset; the falling one has -17. 6/120 is the level itself, and may be asked.
    let skewed = over_checkpoints(&[0, 1, 2, 3, 4].map(|at| (five[at], [0, 0, 0, 1, 5][at])), &[1, 2, 3, 4, 10]);
    assert_eq!((skewed.p, skewed.smallest), (Some(0.05), Some(0.05)));
    assert_eq!(skewed.words, rises.words);
}

#[test]
fn how_much_a_rate_changes_with_the_checkpoint() {
    let runs = ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"];
    let of = |steps: [u32; 8]| {
        let steps: Vec<(&str, u32)> = runs.into_iter().zip(steps).collect();
        over_checkpoints(&steps, &[7, 7, 7, 7, 9, 9, 9, 9])
    };
    // By hand: 1 and 4 an hour at the one and at the other checkpoint; chi-square (1 + 1)/1 + (1 + 1)/4 = 2.5 over 8 - 2. Of
    // C(8,4) = 70 ways to deal the checkpoints two part the runs like this, and none parts them further.
    for (steps, ratio, words) in [
        ([0, 1, 1, 2, 3, 4, 4, 5], 4.0, "the rate rises with the checkpoint, beyond chance"),
        ([3, 4, 4, 5, 0, 1, 1, 2], 0.25, "the rate falls with the checkpoint, beyond chance"),
    ] {
        let got = of(steps);
        assert_eq!((got.units, got.onsets, got.exposure, got.words.as_str()), (8, 20, "hours", words));
        for (got, want) in [(got.value, ratio), (got.p, 2.0 / 70.0), (got.smallest, 2.0 / 70.0), (got.phi, 2.5 / 6.0)] {
            assert!((got.unwrap() - want).abs() < 1e-9, "{got:?} against {want}");
        }
    }
    // From none to some is by no number of times.
    let unbound = of([0, 0, 0, 0, 1, 1, 1, 2]);
    assert_eq!((unbound.value, unbound.phi), (None, None));
    assert_eq!(unbound.words, "the rate changes with the checkpoint, beyond chance; by how much has no bound");
}

#[test]
fn checkpoints_of_one_run_are_held_against_each_other() {
    // By hand: in each of three runs of which each rises by itself, one of 3! deals rises and one falls: 2/216.
    let three = [("a", 0), ("a", 1), ("a", 2), ("b", 10), ("b", 11), ("b", 12), ("c", 5), ("c", 6), ("c", 7)];
    let got = over_checkpoints(&three, &[1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert!((got.p.unwrap() - 2.0 / 216.0).abs() < 1e-12, "{got:?}");
    assert!((got.smallest.unwrap() - 2.0 / 216.0).abs() < 1e-12, "{got:?}");
    // One onset at one of two checkpoints is at an end, whichever it is.
    let two = over_checkpoints(&[("a", 1), ("a", 0)], &[1, 2]);
    assert_eq!(two.words, "not asked: no outcome of 2 checkpoints with 1 onset gives a P below 1.00");
    let same = over_checkpoints(&[("a", 1), ("b", 0)], &[7, 7]);
    assert_eq!((same.p, same.smallest), (None, None));
    assert_eq!(same.words, "not asked: it takes two checkpoints and an onset");
}

#[test]
fn onsets_are_held_against_hours_and_where_these_are_not_known_against_episodes() {
    let (mut episodes, mut findings) = hourly(&[("r1", 3), ("r2", 0), ("r2", 0), ("r2", 0)]);
    let of =
        |episodes: &[EpisodeRow], findings: &[Finding]| recurrence(episodes, findings, &CaseFile::default()).remove(0);
    let hours = of(&episodes, &findings);
    // By hand: (3 - .75)^2 / .75 + (0 - 2.25)^2 / 2.25 = 9, and (1/4)^3 is the least.
    assert!((hours.value.unwrap() - 9.0).abs() < 1e-9, "{hours:?}");
    assert_eq!((hours.exposure, hours.smallest), ("hours", Some(1.0 / 64.0)));
    // Without a first call, or with no time between it and the last.
    for first in [None, episodes[0].last] {
        episodes[0].first = first;
        assert_eq!(of(&episodes, &findings), Recurrence { exposure: "episodes", ..hours.clone() });
    }
    findings[0].steps.clear();
    let none = of(&episodes, &findings);
    assert_eq!((none.value, none.p, none.smallest), (None, None, None));
    assert_eq!(none.words, "not asked: no step is named");
}

#[test]
fn runs_that_are_too_much_alike_and_runs_that_can_just_be_asked() {
    let of = |steps: &[(&str, u32)]| {
        let (episodes, findings) = hourly(steps);
        recurrence(&episodes, &findings, &CaseFile::default()).remove(0)
    };
    // By hand: 12!/(3!^4 4^12) = .022.
    let alike = of(&[("r1", 3), ("r2", 3), ("r3", 3), ("r4", 3)]);
    assert_eq!((alike.value, alike.p), (Some(0.0), Some(1.0)));
    assert_eq!(alike.words, "runs are more alike than chance makes them");
    let alone = of(&[("r1", 1), ("r2", 0)]);
    assert_eq!(alone.words, "not asked: no outcome of 1 onset over 2 runs gives a P below 1.00");
    // One onset, in the one of twenty hours that is a run's own: 1/20, the level itself.
    let mut steps = vec![("r1", 1)];
    steps.resize(20, ("r2", 0));
    let twentieth = of(&steps);
    assert_eq!((twentieth.smallest, twentieth.p.is_some()), (Some(0.05), true));
}
