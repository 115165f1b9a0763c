//! What episodes without a transcript could make of a rate.

use std::collections::BTreeMap;

use super::{ConfigRate, LEVEL};
use crate::correlate::analysis::Worst;
use crate::intake::CaseFile;
use crate::stats::clopper_pearson;

/// Rollouts as the case declares them, by the name that `name` takes of an entry: only where all its entries say how many.
fn declared<'a>(
    case: &'a CaseFile,
    name: impl Fn(&'a crate::intake::Run) -> Option<&'a str>,
) -> BTreeMap<&'a str, Option<u32>> {
    let mut all: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    for run in &case.runs {
        let Some(name) = name(run) else { continue };
        let sum = all.entry(name).or_insert(Some(0));
        *sum = sum.zip(run.rollouts).and_then(|(sum, more)| sum.checked_add(more));
    }
    all
}

/// Notes, for runs and reward configurations, how many episodes have no transcript, and the worst that can mean.
pub(super) fn note(rates: &mut [ConfigRate], case: &CaseFile) {
    let runs = declared(case, |run| Some(run.name.as_str()));
    let configs = declared(case, |run| run.reward_config.as_deref());
    for rate in rates {
        let declared = match rate.group {
            "run" => runs.get(rate.name.as_str()),
            _ => configs.get(rate.name.as_str()),
        };
        let Some(missing) = declared.copied().flatten().map(|all| all.saturating_sub(rate.episodes)) else { continue };
        rate.missing = Some(missing);
        rate.worst = worst(rate.flagged, rate.episodes, missing);
    }
}

/// The share if none of the missing episodes is flagged, and if all are. `None` if none is missing.
pub(crate) fn worst(flagged: u32, episodes: u32, missing: u32) -> Option<Worst> {
    let (flagged, missing) = (u64::from(flagged), u64::from(missing));
    let all = u64::from(episodes) + missing;
    let (low, _) = clopper_pearson(flagged, all, LEVEL).filter(|_| missing > 0)?;
    let (_, high) = clopper_pearson(flagged + missing, all, LEVEL)?;
    let share = |count: u64| count as f64 / all as f64;
    Some(Worst { none: share(flagged), all: share(flagged + missing), interval: (low, high) })
}

/// The runs of which something is missing, any behaviour.
pub(super) fn sentence(rates: &[ConfigRate]) -> Option<String> {
    let of_runs = rates.iter().filter(|rate| rate.group == "run" && rate.behaviour.is_none());
    let said: Vec<String> = of_runs
        .filter_map(|rate| {
            let worst = rate.worst?;
            Some(format!(
                "{} has {} of {} ({:.2} if none of them is flagged, {:.2} if all are; 95 % {:.2} to {:.2})",
                rate.name,
                rate.missing?,
                rate.episodes + rate.missing?,
                worst.none,
                worst.all,
                worst.interval.0,
                worst.interval.1
            ))
        })
        .collect();
    (!said.is_empty())
        .then(|| format!("Episodes without transcript, and the worst that can mean: {}.", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Clopper-Pearson: 0/40 ends at 0.0880973, 7/7 begins at 0.5903836 (scipy 1.17.1); of 7 of 7 the upper end is 1.
    #[test]
    fn none_and_all_of_what_is_missing() {
        let bounds = worst(0, 33, 7).unwrap();
        assert_eq!((bounds.none, bounds.all, bounds.interval.0), (0.0, 7.0 / 40.0, 0.0));
        let unseen = worst(0, 0, 7).unwrap();
        assert_eq!((unseen.none, unseen.all, unseen.interval), (0.0, 1.0, (0.0, 1.0)));
        let seen = worst(7, 7, 1).unwrap();
        // By hand: .5 = 8 p^7 (1 - p) + p^8 has no closed form; the interval of 7 of 8 begins at 0.4735 (tables).
        assert!((seen.interval.0 - 0.4735).abs() < 1e-4 && seen.all == 1.0, "{seen:?}");
        assert_eq!(worst(3, 3, 0), None);
    }
}
