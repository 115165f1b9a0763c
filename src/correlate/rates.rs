//! How often behaviours are found, per run, per reward configuration and per model, and what cannot be concluded.

mod compare;
mod missing;
mod recurrence;

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{ConfigRate, EpisodeRow, Finding};
use crate::intake::CaseFile;
use crate::model::Behaviour;
use crate::stats;
use crate::time::SECOND;

pub(super) use recurrence::recurrence;

const LEVEL: f64 = 0.05;

/// An episode with what was found in it.
pub(super) struct Told<'a> {
    row: &'a EpisodeRow,
    findings: Vec<&'a Finding>,
}

impl<'a> Told<'a> {
    /// The findings of a behaviour, or all.
    fn of(&self, behaviour: Option<Behaviour>) -> impl Iterator<Item = &'a Finding> + '_ {
        self.findings.iter().copied().filter(move |finding| behaviour.is_none_or(|wanted| finding.behaviour == wanted))
    }

    /// Distinct steps that its findings of a behaviour name.
    fn steps(&self, behaviour: Option<Behaviour>) -> BTreeSet<u32> {
        self.of(behaviour).flat_map(|finding| finding.steps.iter().map(|step| step.index)).collect()
    }

    fn flagged(&self, behaviour: Option<Behaviour>) -> bool {
        // Findings are all there is to know of a behaviour; that there is any, the row itself tells.
        if behaviour.is_none() { !self.row.findings.is_empty() } else { self.of(behaviour).next().is_some() }
    }

    /// From its first to its last call, in hours.
    fn hours(&self) -> Option<f64> {
        let (first, last) = self.row.first.zip(self.row.last)?;
        Some(last.since(first).max(0) as f64 / SECOND as f64 / 3600.0)
    }
}

/// Rates with exact intervals: runs first, then reward configurations, then models; of each any behaviour, then those that
/// were found at all. And the sentences that bound their reading.
pub(crate) fn rates(episodes: &[EpisodeRow], findings: &[Finding], case: &CaseFile) -> (Vec<ConfigRate>, Vec<String>) {
    let (told, behaviours) = told(episodes, findings);
    let mut rates = group(&told, &behaviours, "run", |row| row.run.as_deref());
    rates.extend(group(&told, &behaviours, "reward-config", |row| row.reward_config.as_deref()));
    missing::note(&mut rates, case);
    rates.extend(group(&told, &behaviours, "model", |row| row.model.as_deref()));
    let mut sentences = compare::sentences(&told, &behaviours);
    sentences.extend(missing::sentence(&rates));
    (rates, sentences)
}

/// Episodes with their findings; and what to count: any behaviour, then those that were found at all.
fn told<'a>(episodes: &'a [EpisodeRow], findings: &'a [Finding]) -> (Vec<Told<'a>>, Vec<Option<Behaviour>>) {
    let by_id: BTreeMap<&str, &Finding> = findings.iter().map(|finding| (finding.id.as_str(), finding)).collect();
    let told = |row: &'a EpisodeRow| Told {
        row,
        findings: row.findings.iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect(),
    };
    let found: BTreeSet<Behaviour> = findings.iter().map(|finding| finding.behaviour).collect();
    (episodes.iter().map(told).collect(), std::iter::once(None).chain(found.into_iter().map(Some)).collect())
}

fn group<'a>(
    told: &[Told<'a>],
    behaviours: &[Option<Behaviour>],
    group: &'static str,
    name: impl Fn(&'a EpisodeRow) -> Option<&'a str>,
) -> Vec<ConfigRate> {
    let mut members: BTreeMap<&str, Vec<&Told<'a>>> = BTreeMap::new();
    for one in told {
        if let Some(name) = name(one.row) {
            members.entry(name).or_default().push(one);
        }
    }
    let rates = members.iter().flat_map(|(name, members)| behaviours.iter().map(|of| rate(group, name, members, *of)));
    rates.collect()
}

fn rate(group: &'static str, name: &str, members: &[&Told<'_>], behaviour: Option<Behaviour>) -> ConfigRate {
    let flagged: Vec<&&Told<'_>> = members.iter().filter(|one| one.flagged(behaviour)).collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let onsets: usize = flagged.iter().map(|one| one.steps(behaviour).len()).sum();
    let hours = members.iter().map(|one| one.hours()).sum::<Option<f64>>().filter(|hours| *hours > 0.0);
    let per_hour =
        hours.zip(stats::garwood(onsets as u64, LEVEL)).map(|(hours, (low, high))| (low / hours, high / hours));
    let first_steps = flagged.iter().filter_map(|one| one.steps(behaviour).first().map(|index| f64::from(*index)));
    let first_after = flagged.iter().filter_map(|one| {
        let first = one.of(behaviour).filter_map(|finding| finding.first).min()?;
        Some(first.since(one.row.first?) as f64 / SECOND as f64)
    });
    ConfigRate {
        group,
        name: name.to_owned(),
        behaviour,
        flagged: count(flagged.len()),
        episodes: count(members.len()),
        interval: stats::clopper_pearson(flagged.len() as u64, members.len() as u64, LEVEL).unwrap_or((0.0, 1.0)),
        onsets: count(onsets),
        hours,
        per_hour,
        first_step: median(first_steps.collect()),
        first_after_s: median(first_after.collect()),
        missing: None,
        worst: None,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied()?;
    let lower = values.get((values.len() - 1) / 2).copied()?;
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests;
