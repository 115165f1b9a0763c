//! What a step installed or left running and that is met again: after its episode, in later ones, in other sandboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::analysis::Finding;
use super::attribute::{LinedUp, Steps};
use super::events::{Event, Events};
use crate::evidence::Record;
use crate::time::Instant;

/// From the first to the last moment of an episode's steps.
struct Extent<'a> {
    id: &'a str,
    name: &'a str,
    first: Instant,
    last: Instant,
}

/// Says of each finding by which step its traffic was installed or left running, where it goes on after the episode of that
/// step or elsewhere: "installed by step 3 of ep-001 (cron); met again in ep-004".
pub(crate) fn note(findings: &mut [Finding], events: &Events, lined_up: &[LinedUp], steps: &Steps<'_>) {
    let mut later: BTreeMap<usize, Vec<Event<'_>>> = BTreeMap::new();
    let extents = extents(steps);
    for one in lined_up.iter().filter(|one| one.shares) {
        let place = one.step as usize;
        let Some(step) = steps.intake.steps.get(place) else { continue };
        if !steps.acts.get(place).is_some_and(|act| act.leaves_running()) {
            continue;
        }
        let Some(event) = events.get(one.event as usize).filter(|event| event.timed) else { continue };
        let ended = extents.iter().find(|one| *one.id == *step.episode).map(|one| one.last);
        let after = ended.is_some_and(|ended| event.at > ended.plus(event.slack_ns));
        if after || steps.identity.fits_at(&step.episode, event.src, event.at) == Some(false) {
            later.entry(place).or_default().push(event);
        }
    }
    let by_record: BTreeMap<Record, usize> =
        later.keys().filter_map(|at| Some((steps.intake.steps.get(*at)?.record, *at))).collect();
    for finding in findings {
        let theirs = finding.steps.iter().filter_map(|step| Some((step.index, *by_record.get(&step.record)?)));
        let said: Vec<String> = theirs
            .filter_map(|(index, at)| sentence(index, at, &finding.episode, later.get(&at)?, &extents, steps))
            .collect();
        finding.persistence = (!said.is_empty()).then(|| said.join("; "));
    }
}

fn extents<'a>(steps: &Steps<'a>) -> Vec<Extent<'a>> {
    let mut ends: BTreeMap<&str, (Instant, Instant)> = BTreeMap::new();
    for (step, time) in steps.intake.steps.iter().zip(steps.times) {
        let (Some(start), Some(end)) = (time.start, time.end) else { continue };
        let known = ends.entry(&*step.episode).or_insert((start, end));
        *known = (known.0.min(start), known.1.max(end));
    }
    let extent = |episode: &'a crate::model::Episode| {
        let (first, last) = *ends.get(episode.id.as_str())?;
        Some(Extent { id: &episode.id, name: &episode.name, first, last })
    };
    steps.intake.episodes.iter().filter_map(extent).collect()
}

fn sentence(
    index: u32,
    at: usize,
    episode: &str,
    later: &[Event<'_>],
    extents: &[Extent<'_>],
    steps: &Steps<'_>,
) -> Option<String> {
    let act = steps.acts.get(at)?;
    let own = &*steps.intake.steps.get(at)?.episode;
    let mut met: BTreeSet<String> = BTreeSet::new();
    let mut outside: BTreeSet<Option<IpAddr>> = BTreeSet::new();
    for event in later {
        // An episode whose host is not known may not be where it was met.
        let here = extents.iter().filter(|one| {
            one.id != own
                && one.first <= event.at
                && event.at <= one.last
                && steps.identity.fits_at(one.id, event.src, event.at) == Some(true)
        });
        let names: Vec<&str> = here.map(|one| one.name).collect();
        if names.is_empty() {
            outside.insert(event.src);
        }
        met.extend(names.into_iter().map(str::to_owned));
    }
    let how = match &act.install {
        Some(install) => format!("installed by step {index} of {episode} ({})", install.by),
        None => format!("left running by step {index} of {episode} ({})", act.launchers.join(", ")),
    };
    let mut places: Vec<String> = Vec::new();
    if !met.is_empty() {
        places.push(format!("in {}", met.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if !outside.is_empty() {
        let hosts: Vec<String> = outside.into_iter().flatten().map(|src| src.to_string()).collect();
        let from = if hosts.is_empty() { String::new() } else { format!(" from {}", hosts.join(", ")) };
        places.push(format!("while no episode is known to run there{from}"));
    }
    Some(format!("{how}; met again {}", places.join(", and ")))
}

#[cfg(test)]
mod tests;
