//! The candidates of an event, weighed against each other and against none of them.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::candidates::{Index, Possible};
use super::{Attributed, Attribution, Steps, Yardstick, is_nearest};
use crate::correlate::attribution::{self, CANDIDATE_NS, Candidate, LagModel, Rates, Weight};
use crate::correlate::events::{Event, Events};
use crate::correlate::tokens::{self, Token};
use crate::correlate::traced::{LEAST, LEAST_SHARE};
use crate::evidence::EvidenceId;
use crate::time::{Instant, SECOND};

/// Attributes events one by one, with rates that were measured over all of them: what is asked for is worked out, and nothing
/// of the others is held.
pub(crate) struct Attributor<'a> {
    yardstick: &'a Yardstick,
    steps: &'a Steps<'a>,
    index: Index<'a>,
    peers: Peers,
    /// None where there is nothing to attribute to.
    rates: Option<Rates>,
    /// Length of what is observed, in nanoseconds.
    observed_ns: i64,
}

/// An event and the step that it lines up with, where that is worth a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinedUp {
    /// Place of the event.
    pub(crate) event: u32,
    pub(crate) step: u32,
    pub(crate) log10_lr: f64,
    /// Step and event share a token, and one that names the peer.
    pub(crate) shares: bool,
    pub(crate) names_peer: bool,
}

impl<'a> Attributor<'a> {
    /// Measures the rates over connections, in order of time, and other events numbered beside them ([`Events::beside`]).
    pub(crate) fn new(yardstick: &'a Yardstick, steps: &'a Steps<'a>, events: &Events, others: &Events) -> Self {
        let index = Index::new(steps);
        let moments =
            || others.iter().map(|event| event.at).chain(events.extent().into_iter().flat_map(<[Instant; 2]>::from));
        let observed_ns = match (moments().min(), moments().max()) {
            (Some(first), Some(last)) => last.since(first).max(SECOND),
            _ => SECOND,
        };
        let peers = Peers::new(yardstick, &index, steps, events, others);
        let mut attributor = Attributor { yardstick, steps, index, peers, rates: None, observed_ns };
        if steps.intake.steps.is_empty() {
            return attributor;
        }
        let sum = |_, event: &Event<'_>| Some(attribution::sum(&attributor.weigh(event).1, &yardstick.lag));
        let mut sums = events.map(sum);
        sums.extend(others.map(sum));
        let network = (0..steps.acts.len()).filter(|at| steps.acts[*at].network).count();
        attributor.rates = attribution::rates(sums, network, observed_ns as f64 / SECOND as f64);
        attributor
    }

    /// Every candidate of an event, with its weights.
    fn weigh(&self, event: &Event<'_>) -> (Vec<Possible>, Vec<Candidate>) {
        let Attributor { yardstick, steps, index, peers, .. } = self;
        let found = index.candidates(event);
        let same = yardstick.same_host(event.src).log10;
        let named = peers.named(event);
        let weigh = |one: &Possible| {
            let naming = named.binary_search_by_key(&one.step, |(step, _)| *step).ok();
            Candidate {
                step: one.step,
                log10_indicator: naming.map_or_else(
                    || peers.unnamed + yardstick.served.weight(one.step, event).log10,
                    |place| named[place].1,
                ),
                // Only a launcher that names the peer may wait for long: else every launcher would draw every event.
                life_s: naming.and_then(|_| yardstick.life_s(steps, one.step)),
                log10_identity: if index.fits(one.step, event) == Some(true) { same } else { Weight::NONE.log10 },
                log10_containment: yardstick.within_call(steps, one, event).log10,
                // Without a clock the event may have begun at any time that order and evidence leave.
                lag_ns: one.lag.filter(|_| yardstick.timing).unwrap_or({
                    let most = self.observed_ns.min(CANDIDATE_NS);
                    (one.reach.0.min(most), one.reach.1.min(most))
                }),
            }
        };
        let weighed = found.iter().map(weigh).collect();
        (found, weighed)
    }

    /// Lets the candidates of an event share it: the step with most of it, and of those with as much the first.
    pub(crate) fn attribute(&self, event: &Event<'_>) -> Attribution {
        let Some(rates) = &self.rates else { return Attribution { best: None } };
        let (yardstick, steps) = (self.yardstick, self.steps);
        let (found, weighed) = self.weigh(event);
        let unclocked = found.iter().all(|one| one.lag.is_none());
        let shares = match unclocked {
            true => without_clocks(&weighed, &yardstick.lag, self.peers.explained(event)),
            false => rates.shares(&weighed, &yardstick.lag),
        };
        let best = found.iter().zip(&shares.p_step).max_by(|(a, p), (b, q)| p.total_cmp(q).then(b.step.cmp(&a.step)));
        let best = best.map(|(one, p_step)| Attributed {
            step: one.step,
            strength: yardstick.strength(steps, event, *one, is_nearest(&found, one), (*p_step, shares.p_none)),
            shared: tokens::shared(steps.acts[one.step].tokens(), event.tokens),
        });
        Attribution { best }
    }

    /// The events that line up with a step, in their order.
    pub(crate) fn lined_up(&self, events: &Events) -> Vec<LinedUp> {
        if self.rates.is_none() {
            return Vec::new();
        }
        events.map(|at, event| {
            let Attributed { step, strength, shared } = self.attribute(event).best?;
            let names_peer = |token: &Token| !matches!(token, Token::Program(_) | Token::Network(_));
            (strength.log10_lr >= LEAST && strength.p_step >= LEAST_SHARE).then_some(LinedUp {
                event: u32::try_from(at).ok()?,
                step: u32::try_from(step).ok()?,
                log10_lr: strength.log10_lr,
                shares: !shared.is_empty(),
                names_peer: shared.iter().any(names_peer),
            })
        })
    }
}

/// Per peer, the steps that name it with the weight of that: many connections have one peer. Peers are told apart by what they
/// show ([`crate::correlate::events::Row::shows`]).
struct Peers {
    named: Vec<Vec<(usize, f64)>>,
    /// Most of the onsets that honest steps can have opened, as a share of all: each step that names the peer one.
    explained: Vec<f64>,
    /// The weight of not naming it.
    unnamed: f64,
}

impl Peers {
    fn new(yardstick: &Yardstick, index: &Index<'_>, steps: &Steps<'_>, events: &Events, others: &Events) -> Self {
        let shown = if others.shown().len() > events.shown().len() { others.shown() } else { events.shown() };
        let writers: Vec<Vec<usize>> = shown.par_iter().map(|tokens| index.writers(tokens)).collect();
        let mut onsets: Vec<Onsets> = vec![Onsets::default(); shown.len()];
        // What is run again and again opens as many connections as there are onsets after it was installed; a call opens one.
        let installed = |at: &usize| steps.times[*at].start.filter(|_| steps.acts[*at].install.is_some());
        let mut again: Vec<Since> = writers
            .iter()
            .map(|of| of.iter().filter_map(installed).map(|since| (since, Onsets::default())).collect())
            .collect();
        for event in events.iter().chain(others.iter()) {
            let peer = event.shows as usize;
            if let Some(onsets) = onsets.get_mut(peer) {
                onsets.add(event.evidence, event.at);
            }
            let since = again.get_mut(peer).into_iter().flatten().filter(|(since, _)| event.at >= *since);
            since.for_each(|(_, onsets)| onsets.add(event.evidence, event.at));
        }
        let named = |((tokens, of), again): ((&BTreeSet<Token>, Vec<usize>), Since)| {
            let mut again = again.into_iter().map(|(_, onsets)| onsets.most().max(1) as f64);
            let weight = |at: usize| {
                let times = installed(&at).and_then(|_| again.next()).unwrap_or(1.0);
                let shared = tokens::shared(steps.acts[at].tokens(), tokens);
                let (n_v, _) = yardstick.rarest(&shared)?;
                let weight = attribution::lr_indicator(n_v, yardstick.reference, yardstick.literal, yardstick.calls);
                Some((at, weight.log10 + times.log10()))
            };
            of.into_iter().filter_map(weight).collect()
        };
        let named: Vec<Vec<(usize, f64)>> = shown.iter().zip(writers).zip(again).map(named).collect();
        let explained = |(steps_of, onsets): (&Vec<(usize, f64)>, &Onsets)| {
            // What was left running may come again and again, and so may what nobody asked for.
            let once = |(at, _): &(usize, f64)| !steps.acts[*at].leaves_running() && !steps.acts[*at].is_suspect();
            match steps_of.iter().all(once) {
                true => (steps_of.len() as f64 / onsets.most().max(1) as f64).min(1.0),
                false => 1.0,
            }
        };
        let explained = named.iter().zip(&onsets).map(explained).collect();
        Peers { named, explained, unnamed: yardstick.no_indicator().log10 }
    }

    fn explained(&self, event: &Event<'_>) -> f64 {
        self.explained.get(event.shows as usize).copied().unwrap_or(1.0)
    }

    fn named(&self, event: &Event<'_>) -> &[(usize, f64)] {
        self.named.get(event.shows as usize).map_or(&[], Vec::as_slice)
    }
}

/// Shares where no candidate has a time. Rates per second mean nothing then: even odds for "some step of these" and
/// "none", and the weights of what each wrote. Among steps that wrote the same, those whose order puts them nearer before
/// the event have more of it. No more than the share that can be explained at all is: where a peer is met more often than
/// it is named, some of that is nobody's.
fn without_clocks(candidates: &[Candidate], lag: &LagModel, explained: f64) -> attribution::Attributed {
    let near = |one: &Candidate| {
        let lag = one.life_s.map_or(*lag, |life_s| lag.of_launcher(life_s));
        lag.mean_density(one.lag_ns.0, one.lag_ns.1)
    };
    let nearest = candidates.iter().map(near).fold(f64::MIN_POSITIVE, f64::max);
    let weigh = |one: &Candidate| 10_f64.powf(one.log10_indicator + one.log10_identity) * near(one) / nearest;
    // Steps that lie alike share what one of them would have.
    let alike: f64 = candidates.iter().map(|one| near(one) / nearest).sum::<f64>().max(1.0);
    let sum: f64 = candidates.iter().map(|one| weigh(one) / alike).sum();
    attribution::Attributed {
        p_none: 1.0 - explained * sum / (1.0 + sum),
        p_step: candidates.iter().map(|one| explained * weigh(one) / alike / (1.0 + sum)).collect(),
    }
}

/// Connections to one peer with shorter pauses count once where steps have no times, in nanoseconds.
const ONSET_NS: i64 = 60 * SECOND;

/// Onsets from moments on.
type Since = Vec<(Instant, Onsets)>;

/// Onsets among events of one peer, in order of time: how many each source saw, and the last.
#[derive(Clone, Debug, Default)]
struct Onsets(BTreeMap<EvidenceId, (usize, Instant)>);

impl Onsets {
    fn add(&mut self, evidence: EvidenceId, at: Instant) {
        let (count, last) = self.0.entry(evidence).or_insert((0, Instant(i64::MIN)));
        *count += usize::from(*count == 0 || at.since(*last) > ONSET_NS);
        *last = at;
    }

    /// As the source that saw most of them has it.
    fn most(&self) -> usize {
        self.0.values().map(|(count, _)| *count).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
