//! Episodes and conversations as rows of the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use by_flow::ByFlow;

use super::analysis::{ConnectionStep, ConversationRow, EpisodeRow, Finding};
use super::attribute::{Attributor, LinedUp, Steps};
use super::clocks::Clocks;
use super::events::{Event, Events};
use super::jitter::{self, Range};
use super::names::Names;
use super::traced::Traced;
use crate::detect::beacon;
use crate::evidence::EvidenceId;
use crate::intake::{Intake, Ledger, Memory, Sorter};
use crate::time::Instant;

mod by_flow;

/// One row per episode, sorted by run and name.
pub(crate) fn episodes(findings: &mut [Finding], steps: &Steps<'_>) -> Vec<EpisodeRow> {
    let mut bounds: BTreeMap<&str, (u32, Option<crate::time::Instant>, Option<crate::time::Instant>)> = BTreeMap::new();
    for (step, time) in steps.intake.steps.iter().zip(steps.times) {
        let (count, first, last) = bounds.entry(&*step.episode).or_default();
        *count += 1;
        if time.stamped {
            let moments = || [time.start, time.end].into_iter().flatten();
            *first = moments().chain(*first).min();
            *last = moments().chain(*last).max();
        }
    }
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for finding in findings.iter() {
        ids.entry(finding.episode.as_str()).or_default().push(finding.id.clone());
    }
    let mut rows: Vec<EpisodeRow> = steps
        .intake
        .episodes
        .iter()
        .map(|episode| {
            let (count, first, last) = bounds.get(episode.id.as_str()).copied().unwrap_or_default();
            let place = steps.identity.place(&episode.id).cloned().unwrap_or_default();
            EpisodeRow {
                name: episode.name.clone(),
                run: episode.run.clone(),
                reward_config: episode.reward_config.clone(),
                reward: episode.reward,
                agent: episode.agent.clone(),
                model: episode.model.clone(),
                host: place.host,
                host_basis: place.basis,
                path: episode.id.clone(),
                steps: count,
                first,
                last,
                findings: ids.get(episode.name.as_str()).cloned().unwrap_or_default(),
            }
        })
        .collect();
    rows.sort_by(|a, b| (&a.run, &a.name, &a.path).cmp(&(&b.run, &b.name, &b.path)));
    rows
}

/// Names of episodes by id.
fn episode_names(intake: &Intake) -> BTreeMap<&str, &str> {
    intake.episodes.iter().map(|episode| (episode.id.as_str(), episode.name.as_str())).collect()
}

/// What each connection was attributed to, in order of time.
pub(crate) fn connections(events: &Events, attributor: &Attributor<'_>, steps: &Steps<'_>) -> Vec<ConnectionStep> {
    let names = episode_names(steps.intake);
    let open = unclocked(steps);
    // A step without a time may have opened it, and nothing says whether it did.
    let unknown = |event: &Event<'_>| {
        let at = open.partition_point(|(_, until)| *until < event.at.0);
        open.get(at).is_some_and(|(from, _)| *from <= event.at.plus(event.slack_ns).0)
    };
    events.map(|_, event| {
        let attribution = attributor.attribute(event);
        let step = attribution.best.as_ref().map(|best| {
            let step = &steps.intake.steps[best.step];
            let episode = &*step.episode;
            (names.get(episode).copied().unwrap_or(episode).to_owned(), step.index)
        });
        let strength = attribution.best.as_ref().map(|best| &best.strength);
        Some(ConnectionStep {
            evidence: event.evidence,
            at: event.at,
            src: event.src,
            src_port: event.src_port,
            dst: event.dst,
            dst_port: event.dst_port,
            step,
            log10_lr: strength.map_or(f64::NEG_INFINITY, |strength| strength.log10_lr),
            p_step: strength.map_or(0.0, |strength| strength.p_step),
            p_none: strength.map_or(if unknown(event) { 0.5 } else { 1.0 }, |strength| strength.p_none),
        })
    })
}

/// When steps without times may have run, as disjoint stretches, ascending.
fn unclocked(steps: &Steps<'_>) -> Vec<Range> {
    let could =
        |at: &usize| steps.acts[*at].network && !steps.times[*at].stamped && !steps.intake.steps[*at].not_executed;
    let bounds = |at: usize| {
        let time = steps.times[at];
        (time.start.map_or(i64::MIN, |start| start.0), time.end.map_or(i64::MAX, |end| end.0))
    };
    let all: Vec<Range> = (0..steps.acts.len()).filter(could).map(bounds).collect();
    jitter::exposure_windows(&all, 0, 0)
}

/// One row per conversation segment, sorted by time, with its signals and the step held to have opened it.
pub(crate) fn conversations(
    traced: &[Traced],
    events: &Events,
    lined_up: &[LinedUp],
    intake: &Intake,
    (clocks, names): (&Clocks, &Names),
    memory: &Arc<Memory>,
) -> Ledger<ConversationRow> {
    let opened = opened(events, lined_up);
    let signals = ByFlow::new(traced);
    let mut spans: BTreeMap<EvidenceId, (Instant, Instant)> = BTreeMap::new();
    for conversation in intake.conversations.iter() {
        for segment in &conversation.segments {
            let span = spans.entry(conversation.key.evidence).or_insert((segment.first, segment.last));
            *span = (span.0.min(segment.first), span.1.max(segment.last));
        }
    }
    let names_of = episode_names(intake);
    let step_of = |segment: (usize, usize)| {
        let one = opened.get(opened.binary_search_by_key(&segment, |one| one.segment).ok()?)?;
        let step = intake.steps.get(one.step)?;
        let episode = &*step.episode;
        Some((names_of.get(episode).copied().unwrap_or(episode).to_owned(), step.index, one.log10_lr))
    };
    let order = |row: &ConversationRow| (row.first, row.evidence, row.first_record, row.src, row.dst, row.dst_port);
    let mut rows = Sorter::new(memory, order);
    for (index, conversation) in intake.conversations.iter().enumerate() {
        let key = conversation.key;
        let flow = key.flow();
        let starts = conversation.segments.iter().flat_map(|segment| &segment.starts);
        let starts: Vec<Instant> = starts.map(|start| start.at).collect();
        let beacon = spans.get(&key.evidence).and_then(|(from, to)| beacon::score(&starts, *from, *to));
        for (part, segment) in conversation.segments.iter().enumerate() {
            let (first, last) = (clocks.align(key.evidence, segment.first), clocks.align(key.evidence, segment.last));
            let inside = |one: &&Traced| {
                one.signal.span.is_none_or(|span| span.lo <= last.plus(1_000_000_000) && span.hi >= first)
            };
            let of_flow = signals.of(key.evidence, flow);
            let mut ids: Vec<String> = of_flow.filter(inside).map(|one| one.signal.id.clone()).collect();
            ids.sort();
            ids.dedup();
            rows.push(ConversationRow {
                evidence: key.evidence,
                first,
                last,
                src: key.src,
                dst: key.dst,
                dst_port: key.dst_port,
                protocol: key.protocol,
                domains: key.dst.map(|dst| names.of(dst)).unwrap_or_default(),
                observations: segment.observations,
                connections: segment.starts.len() as u64,
                allowed: segment.allowed,
                denied: segment.denied,
                bytes_out: segment.bytes_out.get(),
                bytes_in: segment.bytes_in.get(),
                packets_out: segment.packets_out.get(),
                packets_in: segment.packets_in.get(),
                first_record: segment.first_record,
                signals: ids,
                step: step_of((index, part)),
                beacon_score: beacon.map(beacon::Score::total),
            });
        }
    }
    rows.finish()
}

/// The step that opened a segment.
struct Opened {
    /// Place of the conversation, and of the segment in it.
    segment: (usize, usize),
    step: usize,
    log10_lr: f64,
}

/// By segment. Events come in order of time: the first connection of a segment opened it.
fn opened(events: &Events, lined_up: &[LinedUp]) -> Vec<Opened> {
    let of = |one: &LinedUp| {
        let (conversation, part) = events.get(one.event as usize)?.segment?;
        let segment = (conversation as usize, part as usize);
        Some(Opened { segment, step: one.step as usize, log10_lr: one.log10_lr })
    };
    let mut opened: Vec<Opened> = lined_up.iter().filter_map(of).collect();
    opened.sort_by_key(|one| one.segment);
    opened.dedup_by_key(|one| one.segment);
    opened
}

#[cfg(test)]
mod tests;
