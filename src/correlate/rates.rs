//! How often episodes are flagged, per run and per reward configuration, and what cannot be concluded.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{ConfigRate, EpisodeRow};
use crate::stats;

/// Shares of flagged episodes with exact intervals, runs first, and the sentences that bound their reading.
pub(crate) fn rates(episodes: &[EpisodeRow]) -> (Vec<ConfigRate>, Vec<String>) {
    let mut rates = group(episodes, "run", |episode| episode.run.as_deref());
    let configs = group(episodes, "reward-config", |episode| episode.reward_config.as_deref());
    let sentence = (configs.len() > 1).then(|| compare(episodes, &configs)).flatten();
    rates.extend(configs);
    (rates, sentence.into_iter().collect())
}

fn group<'a>(
    episodes: &'a [EpisodeRow],
    group: &'static str,
    name: impl Fn(&'a EpisodeRow) -> Option<&'a str>,
) -> Vec<ConfigRate> {
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for episode in episodes {
        if let Some(name) = name(episode) {
            let (flagged, all) = counts.entry(name).or_default();
            *flagged += u32::from(!episode.findings.is_empty());
            *all += 1;
        }
    }
    counts
        .into_iter()
        .map(|(name, (flagged, episodes))| ConfigRate {
            group,
            name: name.to_owned(),
            behaviour: None,
            flagged,
            episodes,
            interval: stats::clopper_pearson(u64::from(flagged), u64::from(episodes), 0.05).unwrap_or((0.0, 1.0)),
        })
        .collect()
}

/// Runs are the unit of inference: episodes of a run share a policy. Labels are permuted over runs.
fn compare(episodes: &[EpisodeRow], configs: &[ConfigRate]) -> Option<String> {
    let mut runs: BTreeMap<&str, (BTreeSet<&str>, f64, f64)> = BTreeMap::new();
    for episode in episodes {
        if let (Some(run), Some(config)) = (episode.run.as_deref(), episode.reward_config.as_deref()) {
            let (of, flagged, all) = runs.entry(run).or_default();
            of.insert(config);
            *flagged += f64::from(u8::from(!episode.findings.is_empty()));
            *all += 1.0;
        }
    }
    let [a, b] = configs else {
        return Some("More than two reward configurations: compared in the table only.".to_owned());
    };
    let pure: Vec<(bool, f64)> = runs
        .values()
        .filter(|(of, ..)| of.len() == 1)
        .map(|(of, flagged, all)| (of.contains(a.name.as_str()), flagged / all))
        .collect();
    let of_a = pure.iter().filter(|(is_a, _)| *is_a).count();
    let of_b = pure.len() - of_a;
    if of_a < 4 || of_b < 4 {
        return Some(format!(
            "Runs per reward configuration: {of_a} of {} and {of_b} of {}; too few for an inference over configurations \
             (4 and 4 are the least that can reach P = 0.03).",
            a.name, b.name
        ));
    }
    let labels: Vec<bool> = pure.iter().map(|(is_a, _)| *is_a).collect();
    let values: Vec<f64> = pure.iter().map(|(_, rate)| *rate).collect();
    let test = stats::permute_labels(&values, &labels, 20_000, 1)?;
    Some(format!(
        "Runs of {} against runs of {}: difference of rates {:+.2}, P = {:.3} (labels permuted over {} runs, two-sided).",
        a.name,
        b.name,
        test.difference,
        test.two_sided,
        pure.len()
    ))
}

#[cfg(test)]
mod tests;
