//! Where in the traffic an episode without times lies: its steps name peers in an order, and only one stretch of the
//! traffic has connections to these peers in that order, as far apart as the steps allow.
//!
//! A weighted alignment of two sequences with bounded gaps (Needleman & Wunsch, J. Mol. Biol. 48 (1970) 443), by dynamic
//! programming. Held to be found only where it stands out against the best one that lies elsewhere.

use std::collections::BTreeMap;

use crate::correlate::acts::Act;
use crate::correlate::events::{Event, Events};
use crate::correlate::traffic::Traffic;
use crate::model::Step;
use crate::time::{Instant, SECOND};

/// A model thinks at most so long between two calls, in nanoseconds.
const THINKS_NS: i64 = 300 * SECOND;
/// A call whose length is not known takes at most so long, in nanoseconds.
const LASTS_NS: i64 = 600 * SECOND;
/// A step's connection is looked for in about so many seconds: what a chance hit is measured by.
const LOOKED_FOR_S: f64 = 60.0;
/// Share of calls whose connection the evidence shows.
const SHOWN: f64 = 0.9;
/// The chain has to be so many times likelier than any elsewhere, as a natural logarithm: a hundred times.
const STANDS_OUT: f64 = 4.605;
const FEWEST: usize = 3;
/// Elsewhere is so far away, in nanoseconds.
const ELSEWHERE_NS: i64 = 120 * SECOND;
/// Bound on the pairs of a step and a connection that are looked at: the dearest steps are left out beyond it.
const MOST_NODES: usize = 2_500;

/// The connections that any step may have named, over so many seconds.
pub(super) struct Chains<'a> {
    traffic: Traffic<'a>,
    seconds: f64,
}

/// A step that may have opened a connection.
#[derive(Clone, Copy)]
struct Node {
    /// Place of the step among those of the episode, and of the connection.
    step: usize,
    event: usize,
    weight: f64,
}

impl<'a> Chains<'a> {
    /// `events` come sorted by time; `acts` are those of all steps.
    pub(super) fn new(events: &'a Events, acts: &[Act]) -> Self {
        let moments = || events.iter().filter(|event| event.timed).map(|event| event.at);
        let length = moments().max().zip(moments().min()).map_or(0, |(last, first)| last.since(first));
        Chains { traffic: Traffic::new(events, acts), seconds: (length as f64 / SECOND as f64).max(1.0) }
    }

    fn events(&self) -> &'a Events {
        self.traffic.events()
    }

    /// For the steps of one episode, in order: the connection of each that the chain holds, as the earliest and the latest
    /// moment it may have begun at. Empty if no chain stands out. `fits` says whether a connection may come from there.
    pub(super) fn lay(
        &self,
        steps: &[Step],
        acts: &[Act],
        fits: &dyn Fn(&Event<'_>) -> bool,
    ) -> BTreeMap<usize, (Instant, Instant)> {
        let nodes = self.nodes(steps, acts, fits);
        let spans = spans(steps);
        let Some((score, chain)) = best(&nodes, &spans, self.events()) else { return BTreeMap::new() };
        let at = |node: &Node| self.events().get(node.event).map_or(Instant(0), |event| event.at);
        let times: BTreeMap<usize, Instant> = chain.iter().map(|node| (node.step, at(node))).collect();
        let near = |node: &Node| {
            let before = times.range(..=node.step).next_back();
            let after = times.range(node.step..).next();
            let close =
                |one: Option<(&usize, &Instant)>| one.is_some_and(|(_, t)| at(node).since(*t).abs() < ELSEWHERE_NS);
            let between = before.zip(after).is_some_and(|((_, lo), (_, hi))| at(node) >= *lo && at(node) <= *hi);
            close(before) || close(after) || between
        };
        let elsewhere: Vec<Node> = nodes.iter().filter(|node| !near(node)).copied().collect();
        let rival = best(&elsewhere, &spans, self.events()).map_or(0.0, |(score, _)| score.max(0.0));
        if chain.len() < FEWEST || score - rival < STANDS_OUT {
            return BTreeMap::new();
        }
        let bounds = |node: &Node| {
            let slack = self.events().get(node.event).map_or(0, |event| event.slack_ns);
            (node.step, (at(node).plus(-slack), at(node).plus(slack)))
        };
        chain.iter().map(bounds).collect()
    }

    /// Every step with every connection that it names, by step and time.
    fn nodes(&self, steps: &[Step], acts: &[Act], fits: &dyn Fn(&Event<'_>) -> bool) -> Vec<Node> {
        let mut of_steps: Vec<Vec<Node>> = Vec::new();
        for (at, (step, act)) in steps.iter().zip(acts).enumerate() {
            // What a launcher leaves behind comes at any time.
            if !act.network || step.not_executed || act.leaves_running() || act.delay_ns > 0 {
                continue;
            }
            // The rarest token decides; a name and its address are not two witnesses.
            let literal = act.tokens().iter().filter_map(|token| self.traffic.showing(token));
            let Some(hits) = literal.min_by_key(|hits| hits.len()) else { continue };
            let theirs: Vec<usize> = hits
                .iter()
                .map(|at| *at as usize)
                .filter(|event| self.events().get(*event).is_some_and(|event| fits(&event)))
                .collect();
            let chance = theirs.len() as f64 / self.seconds * LOOKED_FOR_S;
            let weight = (SHOWN / chance.min(1.0)).ln();
            if weight > 0.0 {
                of_steps.push(theirs.into_iter().map(|event| Node { step: at, event, weight }).collect());
            }
        }
        let mut order: Vec<usize> = (0..of_steps.len()).collect();
        order.sort_by_key(|at| of_steps.get(*at).map_or(0, Vec::len));
        let mut room = MOST_NODES;
        let mut kept: Vec<Node> = Vec::new();
        for nodes in order.into_iter().filter_map(|at| of_steps.get(at)) {
            if nodes.len() <= room {
                room -= nodes.len();
                kept.extend(nodes);
            }
        }
        kept.sort_by_key(|node| (node.step, node.event));
        kept
    }
}

/// For each step, what all before it take at least and at most, calls and pauses together, in nanoseconds.
fn spans(steps: &[Step]) -> Vec<(i64, i64)> {
    let mut total = (0_i64, 0_i64);
    let mut spans = vec![total];
    for step in steps {
        let (least, most) = step.duration_ns.map_or((0, LASTS_NS), |took| (took.max(0), took.max(0)));
        total = (total.0.saturating_add(least), total.1.saturating_add(most).saturating_add(THINKS_NS));
        spans.push(total);
    }
    spans
}

/// The chain of most weight, less what steps that it leaves out cost. O(nodes squared).
fn best(nodes: &[Node], spans: &[(i64, i64)], events: &Events) -> Option<(f64, Vec<Node>)> {
    let named: Vec<usize> = {
        let mut steps: Vec<usize> = nodes.iter().map(|node| node.step).collect();
        steps.dedup();
        steps
    };
    let missed = (1.0 - SHOWN).ln();
    let rank = |step: usize| named.partition_point(|other| *other < step);
    let time = |node: &Node| events.get(node.event).map_or(0, |event| event.at.0);
    let span = |step: usize| spans.get(step).copied().unwrap_or((0, 0));
    let mut scores: Vec<(f64, Option<usize>)> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let own = rank(node.step);
        // A chain may begin anywhere: steps before it cost as much as steps left out within, but no more than four.
        let mut found = (node.weight + missed * own.min(4) as f64, None);
        for (before, other) in nodes.iter().enumerate().take(at) {
            if other.step >= node.step {
                break;
            }
            let gap = time(node) - time(other);
            // Calls between the two ran to their end; that of the first may have been under way.
            let least = span(node.step).0 - span(other.step + 1).0;
            let most = span(node.step).1 - span(other.step).1;
            if gap < least || gap > most.saturating_add(SECOND) {
                continue;
            }
            let Some((score, _)) = scores.get(before) else { continue };
            let left_out = own - rank(other.step) - 1;
            let through = score + node.weight + missed * left_out as f64;
            if through > found.0 {
                found = (through, Some(before));
            }
        }
        scores.push(found);
    }
    let total = |at: usize| {
        let (score, step) = scores.get(at).zip(nodes.get(at)).map_or((f64::MIN, 0), |(one, node)| (one.0, node.step));
        let after = named.len().saturating_sub(rank(step) + 1);
        score + missed * after.min(4) as f64
    };
    let last = (0..nodes.len()).max_by(|a, b| total(*a).total_cmp(&total(*b)).then(b.cmp(a)))?;
    let chain = std::iter::successors(Some(last), |at| scores.get(*at).and_then(|(_, before)| *before));
    let mut chain: Vec<Node> = chain.filter_map(|at| nodes.get(at).copied()).collect();
    chain.reverse();
    Some((total(last), chain))
}

#[cfg(test)]
mod tests;
