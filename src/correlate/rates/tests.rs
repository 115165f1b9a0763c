mod recurring;

use super::*;
use crate::correlate::analysis::{Judgement, StepRef, Strength};
use crate::evidence::{EvidenceId, Record};
use crate::time::Instant;

fn rated(episodes: &[EpisodeRow], findings: &[Finding]) -> (Vec<ConfigRate>, Vec<String>) {
    super::rates(episodes, findings, &CaseFile::default())
}

/// One episode per entry: run, configuration, whether it is flagged.
fn rows(episodes: &[(&str, &str, bool)]) -> Vec<EpisodeRow> {
    let row = |(number, (run, config, flagged)): (usize, &(&str, &str, bool))| EpisodeRow {
        name: format!("ep-{number}"),
        run: Some((*run).to_owned()),
        reward_config: (!config.is_empty()).then(|| (*config).to_owned()),
        reward: None,
        agent: None,
        model: None,
        host: None,
        host_basis: String::new(),
        path: String::new(),
        steps: 1,
        first: None,
        last: None,
        findings: if *flagged { vec!["F-0001".to_owned()] } else { Vec::new() },
    };
    episodes.iter().enumerate().map(row).collect()
}

#[test]
fn one_run_each_says_that_no_inference_is_possible() {
    let episodes = [("r1", "a", true), ("r1", "a", true), ("r1", "a", true), ("r2", "b", false), ("r2", "b", false)];
    let (rates, limits) = rated(&rows(&episodes), &[]);
    let counts: Vec<_> =
        rates.iter().map(|rate| (rate.group, rate.name.as_str(), rate.flagged, rate.episodes)).collect();
    assert_eq!(
        counts,
        [("run", "r1", 3, 3), ("run", "r2", 0, 2), ("reward-config", "a", 3, 3), ("reward-config", "b", 0, 2)]
    );
    // Clopper-Pearson by hand: 3 of 3 has the lower end .025^(1/3) = 0.2924, 0 of 2 the upper end 1 - .025^(1/2) = 0.8419.
    assert!((rates[2].interval.0 - 0.292_4).abs() < 1e-4 && rates[2].interval.1 == 1.0, "{:?}", rates[2].interval);
    assert!(rates[3].interval.0 == 0.0 && (rates[3].interval.1 - 0.841_9).abs() < 1e-4, "{:?}", rates[3].interval);
    assert_eq!(limits.len(), 1);
    assert!(limits[0].starts_with("Runs per reward configuration: 1 of a and 1 of b; too few"), "{limits:?}");
}

#[test]
fn four_runs_each_are_compared_by_runs_and_not_by_episodes() {
    let mut episodes = Vec::new();
    let runs = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"];
    for (number, run) in runs.into_iter().enumerate() {
        // Twenty episodes of a run count as one run.
        for _ in 0..20 {
            episodes.push((run, if number < 4 { "a" } else { "b" }, number < 4));
        }
    }
    let (_, limits) = rated(&rows(&episodes), &[]);
    // By hand: of the C(8,4) = 70 ways to label the runs two are as far apart: P = 2/70 = 0.029.
    assert_eq!(
        limits,
        ["Runs of a against runs of b: difference of rates +1.00, P = 0.029 (labels permuted over 8 runs, two-sided; \
          2.9e-2 is the least that so many can reach)."]
    );
}

#[test]
fn a_run_under_both_configurations_is_of_neither() {
    let mut episodes = vec![("mixed", "a", true), ("mixed", "b", false)];
    for run in ["r1", "r2", "r3", "r4"] {
        episodes.push((run, "a", true));
    }
    for run in ["r5", "r6", "r7"] {
        episodes.push((run, "b", false));
    }
    let (_, limits) = rated(&rows(&episodes), &[]);
    assert!(limits[0].starts_with("Runs per reward configuration: 4 of a and 3 of b; too few"), "{limits:?}");
    // By hand: C(7,4) = 35 ways, 1/35 = .029. The mixed run has 1 of 1 under a and 0 of 1 under b: one half by chance.
    assert!(limits[0].ends_with("No outcome of these gives a P below 0.03."), "{limits:?}");
    assert!(limits[1].starts_with("1 run has episodes of both a and b: odds ratio unbounded, P = 0.500"), "{limits:?}");
}

#[test]
fn three_configurations_of_one_run_each_are_too_few_and_one_needs_no_sentence() {
    let three = rows(&[("r1", "a", true), ("r2", "b", false), ("r3", "c", false)]);
    // By hand: one run each can be labelled in 3! ways, all of them the same partition: P = 1 at the least.
    let few = "Runs per reward configuration: 1 of a, 1 of b, 1 of c; too few for an inference over configurations: P = 1.00 \
               is the least they can reach.";
    assert_eq!(rated(&three, &[]).1, [few]);
    assert_eq!(rated(&rows(&[("r1", "a", true), ("r2", "", false)]), &[]).1, Vec::<String>::new());
    assert_eq!(rated(&[], &[]).0, Vec::new());
}

/// A finding of that behaviour in an episode, at these steps, so many seconds after the epoch.
fn finding(id: &str, behaviour: Behaviour, steps: &[u32], at_s: i64) -> Finding {
    let step = |index: &u32| StepRef {
        episode: String::new(),
        index: *index,
        record: Record { evidence: EvidenceId(0), number: 1 },
        tool: "Bash".to_owned(),
        command: None,
        span: None,
    };
    Finding {
        id: id.to_owned(),
        behaviour,
        episode: String::new(),
        run: None,
        steps: steps.iter().map(step).collect(),
        signals: Vec::new(),
        strength: Strength::default(),
        initiator: "agent",
        rivals: Vec::new(),
        judgement: Judgement::default(),
        attack: Vec::new(),
        atlas: Vec::new(),
        owasp: Vec::new(),
        level: "high",
        summary: String::new(),
        persistence: None,
        would_decide: Vec::new(),
        limits: Vec::new(),
        stability: None,
        first: Some(Instant(at_s * SECOND)),
        last: None,
    }
}

#[test]
fn rates_are_per_behaviour_and_hour() {
    let mut episodes = rows(&[("r1", "a", true), ("r1", "a", true), ("r1", "a", false)]);
    for (episode, ids) in episodes.iter_mut().zip([vec!["F-1", "F-2"], vec!["F-3"], vec![]]) {
        // An hour and twenty minutes each: four hours in all.
        (episode.first, episode.last) = (Some(Instant(0)), Some(Instant(4_800 * SECOND)));
        episode.findings = ids.into_iter().map(str::to_owned).collect();
    }
    let findings = [
        finding("F-1", Behaviour::Mining, &[4, 6], 100),
        finding("F-2", Behaviour::Tunnel, &[4], 50),
        finding("F-3", Behaviour::Mining, &[1], 300),
    ];
    let (rates, _) = rated(&episodes, &findings);
    let of = |behaviour| rates.iter().find(|rate| rate.group == "run" && rate.behaviour == behaviour).unwrap();
    let mining = of(Some(Behaviour::Mining));
    assert_eq!((mining.flagged, mining.episodes, mining.onsets, mining.hours), (2, 3, 3, Some(4.0)));
    // Garwood for 3 (appendix): .6186721 to 8.7672731, over four hours.
    let (low, high) = mining.per_hour.unwrap();
    assert!((low - 0.154_668).abs() < 1e-5 && (high - 2.191_818).abs() < 1e-5, "{low} {high}");
    // Medians of 4 and 1, of 100 and 300 s.
    assert_eq!((mining.first_step, mining.first_after_s), (Some(2.5), Some(200.0)));
    // Step 4 of the first episode is one onset, whatever it set off: 4, 6 and 1.
    let any = of(None);
    assert_eq!((any.flagged, any.onsets, any.first_after_s), (2, 3, Some(175.0)));
    assert_eq!(of(Some(Behaviour::Tunnel)).flagged, 1);
    // Without the times of one episode the hours are not known.
    episodes[2].first = None;
    let (rates, _) = rated(&episodes, &findings);
    assert_eq!((rates[0].hours, rates[0].per_hour), (None, None));
}

#[test]
fn more_than_two_configurations_are_compared_by_the_variance_between_them() {
    let mut episodes = Vec::new();
    for (config, flagged) in [("a", true), ("b", false), ("c", false)] {
        for run in 0..3 {
            episodes.push((
                ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"]
                    [run + 3 * usize::from(config > "a") + 3 * usize::from(config > "b")],
                config,
                flagged,
            ));
        }
    }
    let (_, limits) = rated(&rows(&episodes), &[]);
    // By hand: three runs of nine have a rate of 1. They are under one configuration in 3 of C(9,3) = 84 ways: P = .036.
    // Of 9!/(3!)^3 = 1680 labellings 3! are the same partition: .0036 at the least.
    assert!(limits[0].contains("(3 of a, 3 of b, 3 of c): P = 0.036 "), "{limits:?}");
    assert!(limits[0].contains("3.6e-3 is the least"), "{limits:?}");
}

#[test]
fn runs_in_order_of_time_show_a_trend() {
    let names = ["r1", "r2", "r3", "r4", "r5"];
    let mut episodes = Vec::new();
    for (number, run) in names.into_iter().enumerate() {
        // Run n has n of 4 flagged.
        episodes.extend((0..4).map(|episode| (run, "a", episode < number)));
    }
    let mut dated = rows(&episodes);
    let undated = dated.clone();
    for (at, episode) in dated.iter_mut().enumerate() {
        episode.first = Some(Instant(at as i64 * SECOND));
    }
    // By hand: of 5! = 120 orders two are as steep: .017.
    let limits = rated(&dated, &[]).1;
    assert!(limits[0].starts_with("Over 5 runs in order of time: P = 0.017 "), "{limits:?}");
    assert_eq!(rated(&undated, &[]).1, Vec::<String>::new());
}

#[test]
fn a_run_without_times_leaves_the_order_of_runs_open() {
    let mut episodes = Vec::new();
    for (number, run) in ["r1", "r2", "r3", "r4", "r5", "r6"].into_iter().enumerate() {
        episodes.extend((0..5).map(|episode| (run, "a", episode < number)));
    }
    let mut dated = rows(&episodes);
    // The other five would show a trend.
    for (at, episode) in dated.iter_mut().enumerate().take(25) {
        episode.first = Some(Instant(at as i64 * SECOND));
    }
    assert_eq!(rated(&dated, &[]).1, Vec::<String>::new());
}

#[test]
fn three_runs_are_too_few_however_many_there_are_of_the_other_configuration() {
    let runs = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"];
    for of_a in [3, 5] {
        let one = |(at, run)| (run, if at < of_a { "a" } else { "b" }, at < of_a);
        let episodes: Vec<(&str, &str, bool)> = runs.into_iter().enumerate().map(one).collect();
        let limits = rated(&rows(&episodes), &[]).1;
        let few = format!("Runs per reward configuration: {of_a} of a and {} of b; too few", 8 - of_a);
        // By hand: C(8,3) = 56 ways: 1/56 = .018.
        let least = "No outcome of these gives a P below 0.02.";
        assert!(limits.len() == 1 && limits[0].starts_with(&few) && limits[0].ends_with(least), "{limits:?}");
    }
}

#[test]
fn runs_under_both_configurations_are_compared_within_themselves() {
    let said = |episodes: &[(&str, &str, bool)]| {
        let limits = rated(&rows(episodes), &[]).1;
        assert!(
            limits.len() == 2 && limits[0].starts_with("Runs per reward configuration: 0 of a and 0 of b"),
            "{limits:?}"
        );
        // Without a run of its own nothing can be labelled.
        assert!(!limits[0].contains("No outcome"), "{limits:?}");
        limits[1].clone()
    };
    // By hand: 2 of 3 under a and 1 of 3 under b, odds 2/1 against 1/2. Of C(6,3) = 20 ways to flag three 9 + 1 have at least
    // two under a, 1 + 9 + 9 at most two.
    let three = [true, true, false].map(|flagged| ("r1", "a", flagged)).into_iter();
    let three: Vec<_> = three.chain([true, false, false].map(|flagged| ("r1", "b", flagged))).collect();
    assert_eq!(
        said(&three),
        "1 run has episodes of both a and b: odds ratio 4.0, P = 0.500 that a has so many, 0.950 so few flagged episodes by \
         chance (exact, the runs as strata, if its episodes are independent)."
    );
    // By hand: in each of the runs one of two is flagged, and it is that under a: 1/2 * 1/2.
    let two = said(&[("r1", "a", true), ("r1", "b", false), ("r2", "a", true), ("r2", "b", false)]);
    let begins =
        "2 runs have episodes of both a and b: odds ratio unbounded, P = 0.250 that a has so many, 1.000 so few";
    assert!(two.starts_with(begins), "{two}");
    assert_eq!(
        said(&[("r1", "a", false), ("r1", "b", false)]),
        "1 run has episodes of both a and b, and none of these tells the two apart."
    );
}

#[test]
fn behaviours_are_compared_each_by_itself_and_their_p_adjusted() {
    let runs = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"];
    let findings = [finding("F-1", Behaviour::Mining, &[1], 0), finding("F-2", Behaviour::Tunnel, &[1], 0)];
    let of = |configs: &[&str], findings: &[Finding]| {
        let named: Vec<(&str, &str, bool)> =
            runs.into_iter().zip(configs).map(|(run, config)| (run, *config, false)).collect();
        let mut episodes = rows(&named);
        // Mining in every run under a, a tunnel in the first of them as well.
        for (at, episode) in episodes.iter_mut().enumerate().filter(|(at, _)| configs[*at] == "a") {
            episode.findings =
                ["F-1", "F-2"].iter().take(if at == 0 { 2 } else { 1 }).map(|id| (*id).to_owned()).collect();
        }
        rated(&episodes, findings).1
    };
    // By hand: 2/70 = .029 for four of eight runs, twice that among two tests; and whatever run has the tunnel, the
    // configurations lie as far apart: 1.
    let two = ["a", "a", "a", "a", "b", "b", "b", "b"];
    let said = "The same per behaviour, P: mining 0.029 (adjusted 0.057), tunnel 1.000 (adjusted 1.000).";
    assert_eq!(of(&two, &findings)[1..], [said]);
    // By hand: 3/84 = .036 for three of nine under one of three configurations.
    let three = ["a", "a", "a", "b", "b", "b", "c", "c", "c"];
    let said = "The same per behaviour, P: mining 0.036 (adjusted 0.071), tunnel 1.000 (adjusted 1.000).";
    assert_eq!(of(&three, &findings)[1..], [said]);
    // Of one behaviour all is said already.
    for configs in [two.as_slice(), &three] {
        assert_eq!(of(configs, &findings[..1]).len(), 1);
    }
}

#[test]
fn episodes_without_transcript_bound_the_share() {
    let text = "[[run]]\nname = \"r1\"\ntranscripts = \"r1/*\"\nreward_config = \"a\"\nrollouts = 44\n\
                [[run]]\nname = \"r2\"\ntranscripts = \"r2/*\"\nreward_config = \"b\"\n";
    let case = CaseFile::parse(text, "case.toml").unwrap();
    let episodes: Vec<(&str, &str, bool)> = (0..33).map(|_| ("r1", "a", false)).chain([("r2", "b", true)]).collect();
    let (rates, sentences) = super::rates(&rows(&episodes), &[], &case);
    // 11 of 44 are a quarter. Of the second run nothing is said: unknown, not 0.
    for name in ["r1", "a"] {
        let rate = rates.iter().find(|rate| rate.name == name).unwrap();
        assert_eq!((rate.missing, rate.worst.map(|worst| (worst.none, worst.all))), (Some(11), Some((0.0, 0.25))));
    }
    assert!(rates.iter().filter(|rate| ["r2", "b"].contains(&rate.name.as_str())).all(|rate| rate.missing.is_none()));
    let said = "Episodes without transcript, and the worst that can mean: r1 has 11 of 44 (0.00 if none of them is flagged, \
                0.25 if all are; 95 % 0.00 to ";
    assert!(sentences.last().unwrap().starts_with(said), "{sentences:?}");
}

#[test]
fn what_is_missing_is_summed_over_runs_and_said_once_of_each() {
    let entry = |(name, config, rollouts): &(&str, &str, &str)| {
        format!("[[run]]\nname = \"{name}\"\ntranscripts = \"{name}/*\"\nreward_config = \"{config}\"\n{rollouts}\n")
    };
    let entries =
        [("r1", "a", "rollouts = 2"), ("r2", "a", ""), ("r3", "b", "rollouts = 3"), ("r4", "b", "rollouts = 1")];
    let case = CaseFile::parse(&entries.iter().map(entry).collect::<String>(), "case.toml").unwrap();
    let mut episodes =
        rows(&[("r1", "a", true), ("r2", "a", false), ("r3", "b", false), ("r3", "b", false), ("r4", "b", false)]);
    // A model that is called like a run is none.
    episodes.iter_mut().for_each(|episode| episode.model = Some("r1".to_owned()));
    let (rates, sentences) = super::rates(&episodes, &[finding("F-0001", Behaviour::Mining, &[1], 0)], &case);
    let any = rates.iter().filter(|rate| rate.behaviour.is_none());
    let missing: Vec<_> = any.map(|rate| (rate.group, rate.name.as_str(), rate.episodes, rate.missing)).collect();
    // Of a it is not known how many rollouts there were; b has 3 of 4.
    assert_eq!(
        missing,
        [
            ("run", "r1", 1, Some(1)),
            ("run", "r2", 1, None),
            ("run", "r3", 2, Some(1)),
            ("run", "r4", 1, Some(0)),
            ("reward-config", "a", 2, None),
            ("reward-config", "b", 3, Some(1)),
            ("model", "r1", 5, None)
        ]
    );
    // Clopper-Pearson by hand: 1 of 2 has the lower end 1 - .975^(1/2) = .0126. 1 of 3 ends at .9057: (1 - p)^3 + 3p(1 - p)^2 =
    // .0008 + .0242 = .025.
    assert_eq!(
        sentences.last().unwrap(),
        "Episodes without transcript, and the worst that can mean: r1 has 1 of 2 (0.50 if none of them is flagged, 1.00 if all \
         are; 95 % 0.01 to 1.00), r3 has 1 of 3 (0.00 if none of them is flagged, 0.33 if all are; 95 % 0.00 to 0.91)."
    );
}

#[test]
fn one_moment_has_no_rate_per_hour() {
    let mut episodes = rows(&[("r1", "a", true)]);
    (episodes[0].first, episodes[0].last) = (Some(Instant(0)), Some(Instant(0)));
    let (rates, _) = rated(&episodes, &[]);
    assert_eq!((rates[0].flagged, rates[0].hours, rates[0].per_hour), (1, None, None));
}
