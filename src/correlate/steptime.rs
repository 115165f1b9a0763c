//! When each step ran, on the reference clock. Steps of transcripts without times get the bounds that follow from
//! their order and from the traffic that one of them alone can have set off.

mod chain;
mod printed;

use std::collections::BTreeMap;

use super::acts::Act;
use super::clocks::Clocks;
use super::events::{Event, Events};
use super::identity::Identity;
use super::tokens::Token;
use crate::intake::Intake;
use crate::time::{Basis, Instant, Span};

/// Bounds of a step. Both ends of a timed step are stamps; those of an order-only step are what its neighbours allow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StepTime {
    /// The call did not start before ...
    pub(crate) start: Option<Instant>,
    /// ... and had returned by.
    pub(crate) end: Option<Instant>,
    /// From stamps of its own.
    pub(crate) stamped: bool,
    /// The clock's uncertainty either way, in nanoseconds.
    pub(crate) slack_ns: i64,
}

impl StepTime {
    /// As a span for reports, where both ends are known.
    pub(crate) fn span(&self) -> Option<Span> {
        let (lo, hi) = (self.start?, self.end.or(self.start)?);
        let basis = if self.stamped { Basis::ExplicitOffset } else { Basis::OrderOnly };
        Some(Span { lo, hi: hi.max(lo), basis })
    }
}

/// The times of all steps, by index into `intake.steps`.
pub(crate) fn step_times(intake: &Intake, clocks: &Clocks) -> Vec<StepTime> {
    intake
        .steps
        .iter()
        .map(|step| {
            let evidence = step.record.evidence;
            let align = |at: Instant| clocks.align(evidence, at);
            let start = step.start.map(|start| start.span).filter(|span| span.basis.is_dated());
            let end = step.end.map(|end| end.span).filter(|span| span.basis.is_dated());
            StepTime {
                start: start.map(|span| align(span.lo)),
                end: end.map(|span| align(span.hi)),
                stamped: start.is_some(),
                slack_ns: start.or(end).map_or(0, |span| clocks.slack_ns(evidence, span.lo)),
            }
        })
        .collect()
}

/// Bounds for order-only steps, propagated along each episode as a chain of difference constraints: a step that alone
/// names what an event shows had started by the event; unless it left something running, the next step started after.
/// O(steps + events).
pub(crate) fn bound_by_order(
    times: &mut [StepTime],
    intake: &Intake,
    acts: &[Act],
    events: &Events,
    identity: &Identity,
    clocks: &Clocks,
) {
    if times.iter().all(|time| time.stamped) {
        return;
    }
    let mut anchors = sole_witnesses(intake, acts, events, identity);
    let chains = chain::Chains::new(events, acts);
    let mut from = 0;
    while from < intake.steps.len() {
        let episode = &intake.steps[from].episode;
        let to = from + intake.steps[from..].iter().take_while(|step| step.episode == *episode).count();
        if intake.steps[from..to].iter().all(|step| step.start.is_none()) {
            let (steps, acts, times) = (&intake.steps[from..to], &acts[from..to], &mut times[from..to]);
            let fits = |event: &Event<'_>| identity.fits_at(episode, event.src, event.at) != Some(false);
            for (at, bounds) in chains.lay(steps, acts, &fits) {
                anchors.entry(from + at).or_insert(bounds);
            }
            propagate(times, steps, acts, from, &anchors);
            let printed = printed::in_order(times, acts, clocks);
            if !printed.is_empty() {
                for (at, (lo, hi)) in printed {
                    let seen = anchors.entry(from + at).or_insert((lo, hi));
                    *seen = (seen.0.max(lo), seen.1.min(hi));
                }
                propagate(times, steps, acts, from, &anchors);
            }
        }
        from = to;
    }
}

fn propagate(
    times: &mut [StepTime],
    steps: &[crate::model::Step],
    acts: &[Act],
    first: usize,
    anchors: &BTreeMap<usize, (Instant, Instant)>,
) {
    let duration = |at: usize| steps[at].duration_ns.unwrap_or(0).max(0);
    let mut earliest: Option<Instant> = None;
    for at in 0..steps.len() {
        times[at].start = earliest;
        let after = earliest.map(|earliest| earliest.plus(duration(at)));
        let seen = anchors.get(&(first + at)).filter(|_| !acts[at].leaves_running()).map(|(lo, _)| *lo);
        earliest = after.max(seen);
    }
    let mut latest: Option<Instant> = None;
    for at in (0..steps.len()).rev() {
        // A trainer that saves a rollout says when all of it had ended.
        times[at].end = match (times[at].end, latest) {
            (Some(saved), Some(latest)) => Some(saved.min(latest)),
            (saved, latest) => saved.or(latest),
        };
        let before = latest.map(|latest| latest.plus(-duration(at)));
        let seen = anchors.get(&(first + at)).map(|(_, hi)| *hi);
        // The start of this step bounds the end of the one before.
        latest = match (before, seen) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Steps that alone, in the whole case, name a peer that their host reached: with the earliest and the latest moment
/// that the first event there may have been at, as far as stamp and clock tell.
fn sole_witnesses(
    intake: &Intake,
    acts: &[Act],
    events: &Events,
    identity: &Identity,
) -> BTreeMap<usize, (Instant, Instant)> {
    let mut writers: BTreeMap<&Token, Vec<usize>> = BTreeMap::new();
    for (step, act) in acts.iter().enumerate().filter(|(at, act)| act.network && !intake.steps[*at].not_executed) {
        for token in act.tokens() {
            writers.entry(token).or_default().push(step);
        }
    }
    let mut anchors: BTreeMap<usize, (Instant, Instant)> = BTreeMap::new();
    for event in events.iter().filter(|event| event.timed) {
        for token in event.tokens.iter() {
            let Some([step]) = writers.get(token).map(Vec::as_slice) else { continue };
            if identity.fits_at(&intake.steps[*step].episode, event.src, event.at) != Some(false) {
                let (lo, hi) = (event.at.plus(-event.slack_ns), event.at.plus(event.slack_ns));
                let first = anchors.entry(*step).or_insert((lo, hi));
                *first = (lo.min(first.0), hi.min(first.1));
            }
        }
    }
    anchors
}

#[cfg(test)]
mod tests;
