//! One rollout told by several files: the trainer's dump knows the rewards and not when anything ran, the logs of the
//! sandbox and of its model service know when and not what it was worth.
//!
//! Steps that are the same are made one, so that nothing is counted twice: what remains is the step that has a time, with
//! what the other knows besides and a note of where that stands. Two steps are the same if their files name the same call
//! id, or if their sandbox is the same and they stand at the same place; and in either case only if they also say the
//! same. Where two rollouts fit, none is chosen.
//!
//! Everything goes by the ids of episodes, which are names of files: the order in which files come changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

use super::Intake;
use super::packed::Packed;
use super::source::EvidenceAnomaly;
use crate::evidence::{Anomaly, AnomalyKind, Record};
use crate::model::{Actor, Episode, Step};

/// Bound on the episodes that one is compared with.
const MOST_RIVALS: usize = 64;
/// Shorter ids are counted up by programs, and every episode has them.
const SHORTEST_ID: usize = 8;

/// Joins what tells of the same rollout.
pub(super) fn join(intake: &mut Intake) {
    share_places(&mut intake.episodes);
    for find in [by_trace, by_content] {
        let found = find(&Evidence::of(intake));
        if found.pairs.is_empty() && found.unclear.is_empty() {
            continue;
        }
        let unclear = found.unclear.iter().filter_map(|(episode, rivals)| {
            let id = &intake.episodes.get(*episode)?.id;
            let record = intake.steps.iter().find(|step| *step.episode == **id)?.record;
            let detail = format!(
                "{rivals} records fit this rollout, which has no times of its own, and more than one of them may be it; \
                 none was joined to it"
            );
            Some(anomaly(record, AnomalyKind::Gap, detail))
        });
        let mut said: Vec<EvidenceAnomaly> = unclear.collect();
        said.extend(merge(intake, &found.pairs));
        intake.anomalies.extend(said);
        intake.anomalies.sort();
    }
}

fn anomaly(record: Record, kind: AnomalyKind, detail: String) -> EvidenceAnomaly {
    EvidenceAnomaly { evidence: record.evidence, anomaly: Anomaly { record: record.number, kind, detail }, of: 1 }
}

/// Host and address of a sandbox hold for all episodes in it, where its records agree.
fn share_places(episodes: &mut [Episode]) {
    let mut hosts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut addresses: BTreeMap<String, BTreeSet<std::net::IpAddr>> = BTreeMap::new();
    for episode in episodes.iter() {
        let Some(sandbox) = &episode.sandbox else { continue };
        if let Some(host) = &episode.host {
            hosts.entry(sandbox.clone()).or_default().insert(host.clone());
        }
        if let Some(ip) = episode.sandbox_ip {
            addresses.entry(sandbox.clone()).or_default().insert(ip);
        }
    }
    for episode in episodes {
        let Some(sandbox) = &episode.sandbox else { continue };
        if let Some(host) = hosts.get(sandbox).filter(|hosts| hosts.len() == 1).and_then(BTreeSet::first) {
            episode.host.get_or_insert_with(|| host.clone());
        }
        if let Some(ip) = addresses.get(sandbox).filter(|ips| ips.len() == 1).and_then(BTreeSet::first) {
            episode.sandbox_ip.get_or_insert(*ip);
        }
    }
}

/// (of one, of the other), as places in the list of steps.
type Pairs = Vec<(usize, usize)>;

/// What is to be joined: places in the lists of the intake.
#[derive(Default)]
struct Found {
    /// (episode that remains, episode that goes, pairs of a step that goes and one that remains)
    pairs: Vec<(usize, usize, Pairs)>,
    /// Episodes without times that several others fit, and how many.
    unclear: Vec<(usize, usize)>,
}

/// An episode with its steps.
struct Told<'a> {
    at: usize,
    episode: &'a Episode,
    steps: Range<usize>,
    /// Some step has a time of its own.
    timed: bool,
    /// Format and agent: two of the same program are two rollouts.
    program: (Option<&'static str>, Option<&'a str>),
}

struct Evidence<'a> {
    told: Vec<Told<'a>>,
    steps: &'a [Step],
    /// Which of `told` have times and name a call so.
    by_id: BTreeMap<&'a str, BTreeSet<usize>>,
}

impl<'a> Evidence<'a> {
    fn of(intake: &'a Intake) -> Self {
        let (told, steps) = (told(intake), intake.steps.as_slice());
        let mut by_id: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (index, one) in told.iter().enumerate().filter(|(_, one)| one.timed) {
            for id in ids(steps, &one.steps) {
                by_id.entry(id).or_default().insert(index);
            }
        }
        Evidence { told, steps, by_id }
    }

    /// Who has times and shares a call id with that one.
    fn rivals(&self, index: usize) -> BTreeSet<usize> {
        let Some(one) = self.told.get(index) else { return BTreeSet::new() };
        let sharing = ids(self.steps, &one.steps).filter_map(|id| self.by_id.get(id)).flatten().copied();
        sharing.filter(|other| *other != index).take(MOST_RIVALS).collect()
    }
}

/// Two logs that both have times tell of the same calls: the two of a rocklet, that of a model service and the session
/// of the agent that it served. Which program wrote them must differ: sessions that were copied share ids as well.
fn by_trace(evidence: &Evidence<'_>) -> Found {
    let mut found = Found::default();
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    for (index, one) in evidence.told.iter().enumerate().filter(|(_, one)| one.timed) {
        let of_sandbox = |told: &Told<'_>| {
            told.episode.sandbox.is_some()
                || told.episode.agent.as_deref().is_some_and(|agent| agent.starts_with("ROCK"))
        };
        let fits = |other: &Told<'_>| {
            let same_place = match (&one.episode.sandbox, &other.episode.sandbox) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            };
            same_place && one.program != other.program && (of_sandbox(one) || of_sandbox(other))
        };
        for rival in evidence.rivals(index).into_iter().filter(|rival| *rival < index && !gone.contains(rival)) {
            let Some(other) = evidence.told.get(rival).filter(|other| fits(other)) else { continue };
            let pairs = by_ids(evidence.steps, &one.steps, &other.steps);
            if !pairs.is_empty() {
                found.pairs.push((other.at, one.at, pairs));
                gone.insert(index);
                break;
            }
        }
    }
    found
}

/// A rollout without times, and what has the times of its steps. The views of several programs on one sandbox may fit
/// alike; of two of the same program only one can be it.
fn by_content(evidence: &Evidence<'_>) -> Found {
    let Evidence { told, steps, .. } = evidence;
    let sandboxes: BTreeSet<&str> = told.iter().filter_map(|one| one.episode.sandbox.as_deref()).collect();
    let mut by_sandbox: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, one) in told.iter().enumerate().filter(|(_, one)| one.timed) {
        // A sandbox's files are kept under its id, where they do not name it.
        let of_path = || one.episode.path().split(['/', '\\']).find(|part| sandboxes.contains(part));
        if let Some(sandbox) = one.episode.sandbox.as_deref().or_else(of_path) {
            by_sandbox.entry(sandbox).or_default().push(index);
        }
    }
    let mut found = Found::default();
    let mut claims: Vec<(usize, Vec<(usize, Pairs)>)> = Vec::new();
    for (index, one) in told.iter().enumerate().filter(|(_, one)| !one.timed) {
        let mut rivals = evidence.rivals(index);
        if let Some(same) = one.episode.sandbox.as_deref().and_then(|sandbox| by_sandbox.get(sandbox)) {
            rivals.extend(same.iter().take(MOST_RIVALS));
        }
        let fits: Vec<(usize, Pairs)> = rivals
            .into_iter()
            .filter_map(|rival| {
                let pairs = pairs(steps, &one.steps, &told.get(rival)?.steps);
                (!pairs.is_empty()).then_some((rival, pairs))
            })
            .collect();
        let programs: BTreeSet<_> = fits.iter().filter_map(|(rival, _)| Some(told.get(*rival)?.program)).collect();
        if programs.len() < fits.len() {
            found.unclear.push((one.at, fits.len()));
        } else if !fits.is_empty() {
            claims.push((index, fits));
        }
    }
    // A step that two rollouts claim belongs to neither.
    let mut owners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (index, fits) in &claims {
        for (_, to) in fits.iter().flat_map(|(_, pairs)| pairs) {
            owners.entry(*to).or_default().insert(*index);
        }
    }
    for (index, fits) in claims {
        let Some(one) = told.get(index) else { continue };
        let contested = |to: &usize| owners.get(to).is_some_and(|owners| owners.len() > 1);
        if fits.iter().flat_map(|(_, pairs)| pairs).any(|(_, to)| contested(to)) {
            found.unclear.push((one.at, fits.len()));
            continue;
        }
        // The finest clock remains.
        let width = |fit: &(usize, Pairs)| {
            let step = fit.1.first().and_then(|(_, to)| steps.get(*to));
            step.and_then(|step| step.start).map_or(i64::MAX, |start| start.span.hi.since(start.span.lo))
        };
        let Some((best, base)) = fits.iter().min_by_key(|fit| (width(fit), fit.0)) else { continue };
        let Some(remains) = told.get(*best) else { continue };
        found.pairs.push((remains.at, one.at, base.clone()));
        let place: BTreeMap<usize, usize> = base.iter().copied().collect();
        for (rival, pairs) in fits.iter().filter(|(rival, _)| rival != best) {
            let Some(goes) = told.get(*rival) else { continue };
            let pairs = pairs.iter().filter_map(|(from, to)| Some((*to, *place.get(from)?))).collect();
            found.pairs.push((remains.at, goes.at, pairs));
        }
    }
    found
}

fn told(intake: &Intake) -> Vec<Told<'_>> {
    let Intake { episodes, steps, sources, .. } = intake;
    let places: BTreeMap<&str, usize> =
        episodes.iter().enumerate().map(|(at, episode)| (episode.id.as_str(), at)).collect();
    let mut all = Vec::new();
    let mut from = 0;
    for chunk in steps.chunk_by(|a, b| a.episode == b.episode) {
        let to = from + chunk.len();
        let place = chunk.first().and_then(|step| places.get(&*step.episode));
        if let Some((at, episode)) = place.and_then(|at| Some((*at, episodes.get(*at)?))) {
            let timed = chunk.iter().any(|step| step.start.is_some_and(|start| start.span.basis.is_dated()));
            let source = chunk.first().and_then(|step| sources.get(step.record.evidence.0 as usize));
            let program = (source.and_then(|source| source.format), episode.agent.as_deref());
            all.push(Told { at, episode, steps: from..to, timed, program });
        }
        from = to;
    }
    all
}

/// Ids that the producer gave to the calls.
fn ids<'s>(steps: &'s [Step], of: &Range<usize>) -> impl Iterator<Item = &'s str> {
    let steps = steps.get(of.clone()).unwrap_or_default();
    steps.iter().filter_map(|step| step.call_id.as_deref()).filter(|id| id.len() >= SHORTEST_ID && !id.contains('#'))
}

/// Steps with the same call id that say the same.
fn by_ids(steps: &[Step], one: &Range<usize>, other: &Range<usize>) -> Pairs {
    let known: BTreeMap<&str, usize> = other
        .clone()
        .filter_map(|at| Some((steps.get(at)?.call_id.as_deref()?, at)))
        .filter(|(id, _)| id.len() >= SHORTEST_ID && !id.contains('#'))
        .collect();
    let pair = |at: usize| {
        let step = steps.get(at)?;
        let to = *known.get(step.call_id.as_deref()?)?;
        same(step, steps.get(to)?).then_some((at, to))
    };
    one.clone().filter_map(pair).collect()
}

/// Which steps are the same: by their ids, else by their place if every pair says the same. Empty if they are not the
/// same rollout.
fn pairs(steps: &[Step], one: &Range<usize>, other: &Range<usize>) -> Pairs {
    let by_ids = by_ids(steps, one, other);
    if !by_ids.is_empty() {
        return by_ids;
    }
    let by_place: Pairs = one.clone().zip(other.clone()).collect();
    let alike = |(a, b): &(usize, usize)| match (steps.get(*a), steps.get(*b)) {
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    if by_place.iter().all(alike) { by_place } else { Vec::new() }
}

/// Whether two calls say the same. What was copied from elsewhere is the same as nothing.
fn same(a: &Step, b: &Step) -> bool {
    if a.actor == Actor::Replayed || b.actor == Actor::Replayed {
        return false;
    }
    let command = |step: &Step| step.command.as_deref().map(|command| command.trim().to_owned());
    if a.command.is_some() && command(a) == command(b) {
        return true;
    }
    let parsed = |step: &Step| serde_json::from_str::<Value>(&step.arguments).ok();
    a.tool == b.tool && (a.arguments == b.arguments || matches!((parsed(a), parsed(b)), (Some(a), Some(b)) if a == b))
}

/// Makes pairs of steps one. Says what was joined.
fn merge(intake: &mut Intake, joined: &[(usize, usize, Pairs)]) -> Vec<EvidenceAnomaly> {
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    let mut heirs: BTreeMap<String, String> = BTreeMap::new();
    let mut said = Vec::new();
    for (remains, goes, pairs) in joined {
        for (from, to) in pairs {
            let Some(other) = intake.steps.get(*from).cloned() else { continue };
            let Some(step) = intake.steps.get_mut(*to) else { continue };
            step.reward = step.reward.or(other.reward);
            step.exit_code = step.exit_code.or(other.exit_code);
            step.approval = step.approval.or(other.approval);
            step.not_executed |= other.not_executed;
            step.place.fill_from(other.place);
            let came_back = |at: &usize| intake.outputs.get(*at).and_then(Option::as_ref);
            if came_back(to).is_none_or(Packed::is_empty)
                && let Some(output) = came_back(from).cloned()
            {
                step.output_omitted_bytes = other.output_omitted_bytes;
                step.result_record = step.result_record.or(other.result_record);
                if let Some(known) = intake.outputs.get_mut(*to) {
                    *known = Some(output);
                }
            }
            if step.command.is_none() {
                step.command = other.command;
            }
            step.also.push(other.record);
            step.also.extend(other.also);
            gone.insert(*from);
        }
        let (Some(other), Some(known)) = (intake.episodes.get(*goes).cloned(), intake.episodes.get(*remains)) else {
            continue;
        };
        let places: Vec<String> = pairs
            .first()
            .into_iter()
            .chain(pairs.last().filter(|_| pairs.len() > 1))
            .filter_map(|(_, to)| {
                let step = intake.steps.get(*to)?;
                let source = intake.sources.get(step.record.evidence.0 as usize)?;
                Some(format!("{} {} {}", source.path, source.record_unit, step.record.number))
            })
            .collect();
        if let Some(first) = pairs.first().and_then(|(from, _)| intake.steps.get(*from)) {
            let detail = format!(
                "{} steps of {} are those of {} ({}) and were counted once, with the times from there",
                pairs.len(),
                other.name,
                known.name,
                places.join(" to ")
            );
            said.push(anomaly(first.record, AnomalyKind::Duplicate, detail));
        }
        heirs.insert(other.id.clone(), known.id.clone());
        if let Some(known) = intake.episodes.get_mut(*remains) {
            let (name, span) = (known.name.clone(), known.span);
            let places = (known.host.clone(), other.host.clone());
            super::merge::join_episode(known, other);
            // The other's clock is another, and its span may be a guess.
            (known.name, known.span) = (name, span);
            known.host = places.0.or(places.1);
        }
    }
    let stays = || {
        let mut places = 0..;
        let gone = &gone;
        move || places.next().is_some_and(|at| !gone.contains(&at))
    };
    let mut stay = stays();
    intake.steps.retain(|_| stay());
    let mut stay = stays();
    intake.outputs.retain(|_| stay());
    let left: BTreeSet<&str> = intake.steps.iter().map(|step| &*step.episode).collect();
    heirs.retain(|goes, _| !left.contains(goes.as_str()));
    intake.episodes.retain(|episode| !heirs.contains_key(&episode.id));
    let inherit: BTreeSet<&String> = heirs.values().collect();
    let of_heirs = intake.texts.iter().filter(|(text, _)| inherit.contains(&text.episode));
    let mut known: Vec<(String, Packed)> = of_heirs.map(|(text, said)| (text.episode.clone(), said.clone())).collect();
    known.sort();
    intake.texts.retain_mut(|(text, said)| match heirs.get(&text.episode) {
        Some(heir) if known.binary_search(&(heir.clone(), said.clone())).is_ok() => false,
        Some(heir) => {
            heir.clone_into(&mut text.episode);
            true
        }
        None => true,
    });
    intake.texts.sort_by(|(a, _), (b, _)| (&a.episode, a.order, a.record).cmp(&(&b.episode, b.order, b.record)));
    let mut index = 0;
    for at in 0..intake.steps.len() {
        let begins =
            at == 0 || intake.steps.get(at - 1).map(|s| &s.episode) != intake.steps.get(at).map(|s| &s.episode);
        index = if begins { 0 } else { index + 1 };
        if let Some(step) = intake.steps.get_mut(at) {
            step.index = index;
        }
    }
    said
}

#[cfg(test)]
mod tests;
