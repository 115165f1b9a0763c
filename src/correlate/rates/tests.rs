use super::*;

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
    let (rates, limits) = super::rates(&rows(&episodes));
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
    let (_, limits) = super::rates(&rows(&episodes));
    // By hand: of the C(8,4) = 70 ways to label the runs two are as far apart: P = 2/70 = 0.029.
    assert_eq!(
        limits,
        ["Runs of a against runs of b: difference of rates +1.00, P = 0.029 (labels permuted over 8 runs, two-sided)."]
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
    let (_, limits) = super::rates(&rows(&episodes));
    assert!(limits[0].starts_with("Runs per reward configuration: 4 of a and 3 of b; too few"), "{limits:?}");
}

#[test]
fn three_configurations_are_left_to_the_table_and_one_needs_no_sentence() {
    let three = rows(&[("r1", "a", true), ("r2", "b", false), ("r3", "c", false)]);
    assert_eq!(super::rates(&three).1, ["More than two reward configurations: compared in the table only."]);
    assert_eq!(super::rates(&rows(&[("r1", "a", true), ("r2", "", false)])).1, Vec::<String>::new());
    assert_eq!(super::rates(&[]).0, Vec::new());
}
