//! Which step, if any, set an event off: weights of evidence per step, and the shares of all candidates.

mod candidates;
mod measure;
mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rayon::prelude::*;

use super::acts::Act;
use super::analysis::{Strength, Term};
use super::attribution::{self, Background, CANDIDATE_NS, Candidate, Containment, LagModel, Weight};
use super::events::Event;
use super::identity::Identity;
use super::steptime::StepTime;
use super::tokens::{self, Token};
use super::traced::{LEAST_SHARE, LEAST_WHERE_ALIGNED};
use crate::evidence::{EvidenceId, Record};
use crate::intake::Intake;
use crate::stats;
use crate::time::{Instant, SECOND};
use candidates::{Index, Possible};
use served::Served;

/// What the case itself says about commands and connections that nobody suspects: the yardstick of every weight.
pub(crate) struct Yardstick {
    /// Benign commands, and in how many of them each token stands.
    reference: u64,
    written: BTreeMap<Token, u64>,
    /// Mean rate at which a benign command names any one peer.
    coincidence: f64,
    /// Distinct peers without a name per port, and all distinct peers.
    nameless: BTreeMap<u16, u64>,
    peers: u64,
    /// Benign network calls during which a connection began, and those of them that name it.
    calls: u64,
    literal: u64,
    /// Benign calls matched to connections: how many came from another address than the episode's.
    matched: u64,
    mismatched: u64,
    /// Of those: with a launcher, and how many connections began after the call or outlived it.
    launched: u64,
    launched_persisted: u64,
    persisted: u64,
    /// Connections per source address, and all.
    from: BTreeMap<Option<IpAddr>, u64>,
    connections: u64,
    lag: LagModel,
    /// Whether connections begin within their calls.
    containment: Containment,
    /// Calls that have met what they name.
    served: Served,
    /// Lags behind the model of them: 0 if it is assumed.
    anchors: u64,
    /// Lags of unrelated moments to the nearest call before, per episode's host, by circular shifts.
    background: Background,
    /// The same to any call before.
    any_step: Background,
    /// Length of the evidence in seconds, at most a day.
    observed_s: f64,
    /// The same without that bound.
    whole_s: f64,
    /// The clocks allow lags to be weighed.
    pub(crate) timing: bool,
}

/// A step with its weights for one event.
#[derive(Clone, Debug)]
pub(crate) struct Attributed {
    pub(crate) step: usize,
    /// With its terms where the two line up; what does not is not worth its words.
    pub(crate) strength: Strength,
    /// What step and event share.
    pub(crate) shared: BTreeSet<Token>,
}

/// The outcome for one event. The share of "no step" stands in the strength.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribution {
    pub(crate) best: Option<Attributed>,
}

/// Everything about steps that attribution needs, in one place.
pub(crate) struct Steps<'a> {
    pub(crate) intake: &'a Intake,
    pub(crate) acts: &'a [Act],
    pub(crate) times: &'a [StepTime],
    pub(crate) identity: &'a Identity,
}

impl Steps<'_> {
    /// When the next step of the same episode began.
    fn next_start(&self, at: usize) -> Option<Instant> {
        let (step, next) = (self.intake.steps.get(at)?, self.intake.steps.get(at + 1)?);
        self.times.get(at + 1)?.start.filter(|_| next.episode == step.episode)
    }

    /// Whether an event began in the time of a step, give or take the clocks.
    fn during(&self, at: usize, event: &Event) -> bool {
        let time = self.times[at];
        let slack = event.slack_ns.saturating_add(time.slack_ns);
        match (time.start, time.end) {
            (Some(start), Some(end)) if time.stamped && event.timed => {
                event.at >= start.plus(-slack) && event.at <= end.plus(slack)
            }
            _ => false,
        }
    }
}

impl Yardstick {
    /// How long what a launcher left behind may live, in seconds: as long as the evidence, and no longer than a day unless it
    /// was installed to be run again. `None` for other steps.
    fn life_s(&self, steps: &Steps<'_>, at: usize) -> Option<f64> {
        let installed = steps.acts[at].install.is_some();
        steps.acts[at].leaves_running().then_some(if installed { self.whole_s } else { self.observed_s })
    }

    /// Weighs every candidate of every event, and lets the candidates of an event share it.
    pub(crate) fn attribute(&self, steps: &Steps<'_>, events: &[Event]) -> Vec<Attribution> {
        let index = Index::new(steps);
        let moments = || events.iter().map(|event| event.at);
        let observed = match (moments().min(), moments().max()) {
            (Some(first), Some(last)) => last.since(first).max(SECOND),
            _ => SECOND,
        };
        let peers = Peers::new(self, &index, steps, events);
        let weigh = |at: usize, event: &Event| -> (Vec<Possible>, Vec<Candidate>) {
            let found = index.candidates(event);
            let same = self.same_host(event.src).log10;
            let named = peers.named(at);
            let weigh = |one: &Possible| {
                let naming = named.binary_search_by_key(&one.step, |(step, _)| *step).ok();
                Candidate {
                    step: one.step,
                    log10_indicator: naming.map_or_else(
                        || peers.unnamed + self.served.weight(one.step, event).log10,
                        |place| named[place].1,
                    ),
                    // Only a launcher that names the peer may wait for long: else every launcher would draw every event.
                    life_s: naming.and_then(|_| self.life_s(steps, one.step)),
                    log10_identity: if index.fits(one.step, event) == Some(true) { same } else { Weight::NONE.log10 },
                    log10_containment: self.within_call(steps, one, event).log10,
                    // Without a clock the event may have begun at any time that order and evidence leave.
                    lag_ns: one.lag.filter(|_| self.timing).unwrap_or({
                        let most = observed.min(CANDIDATE_NS);
                        (one.reach.0.min(most), one.reach.1.min(most))
                    }),
                }
            };
            let weighed = found.iter().map(weigh).collect();
            (found, weighed)
        };
        // Twice over the events, so that no more than the candidates of one event per thread are held at a time.
        let sums: Vec<f64> =
            events.par_iter().enumerate().map(|(at, event)| attribution::sum(&weigh(at, event).1, &self.lag)).collect();
        let network = (0..steps.acts.len()).filter(|at| steps.acts[*at].network).count();
        let seconds = observed as f64 / SECOND as f64;
        let Some(rates) = attribution::rates(&sums, network, seconds) else {
            return vec![Attribution { best: None }; events.len()];
        };
        let best = |(at, event): (usize, &Event)| {
            let (found, weighed) = weigh(at, event);
            let unclocked = found.iter().all(|one| one.lag.is_none());
            let shares = match unclocked {
                true => without_clocks(&weighed, &self.lag, peers.explained(at)),
                false => rates.shares(&weighed, &self.lag),
            };
            let best =
                found.iter().zip(&shares.p_step).max_by(|(a, p), (b, q)| p.total_cmp(q).then(b.step.cmp(&a.step))).map(
                    |(one, p_step)| Attributed {
                        step: one.step,
                        strength: self.strength(steps, event, *one, is_nearest(&found, one), (*p_step, shares.p_none)),
                        shared: tokens::shared(&steps.acts[one.step].tokens, &event.tokens),
                    },
                );
            Attribution { best }
        };
        events.par_iter().enumerate().map(best).collect()
    }

    fn strength(
        &self,
        steps: &Steps<'_>,
        event: &Event,
        one: Possible,
        is_nearest: bool,
        (p_step, p_none): (f64, f64),
    ) -> Strength {
        let at = one.step;
        let mut terms = vec![
            self.indicator(steps, at, event),
            self.identity(steps, at, event),
            self.lag(steps, event, one, is_nearest),
            self.persistence(steps, at, event),
        ];
        let sum: f64 = terms.iter().map(|term| term.log10_lr).sum();
        let log10_lr = sum.clamp(-stats::scale::MOST_BANS, stats::scale::MOST_BANS);
        if log10_lr < LEAST_WHERE_ALIGNED || p_step < LEAST_SHARE {
            terms = Vec::new();
        }
        Strength { log10_lr, words: stats::words(log10_lr), terms, p_none, p_step }
    }

    fn indicator(&self, steps: &Steps<'_>, at: usize, event: &Event) -> Term {
        let records = vec![steps.intake.steps[at].record, event.record];
        let shared = tokens::shared(&steps.acts[at].tokens, &event.tokens);
        let controls = format!("named by {} of {} control calls", self.literal, self.calls);
        match self.rarest(&shared) {
            Some((n_v, token)) => {
                let weight = attribution::lr_indicator(n_v, self.reference, self.literal, self.calls);
                let from = match steps.acts[at].script_from {
                    Some(script) => {
                        format!("{token} in the script written by step {}", steps.intake.steps[script].index)
                    }
                    None => format!("{token} in the command"),
                };
                term(
                    "indicator",
                    from,
                    weight,
                    format!("in {n_v} of {} benign commands; {controls}", self.reference),
                    records,
                )
            }
            None => {
                let (plain, served) = (self.no_indicator(), self.served.weight(at, event));
                let log10 = plain.log10 + served.log10;
                let weight = Weight { log10, uncapped: log10, cap: None };
                let (observed, counts) = if served.log10 < 0.0 {
                    let met = "the command does not name the peer, and met the one that it names";
                    (met, format!("{controls}; {}", self.served.counts()))
                } else {
                    ("the command does not name the peer", controls)
                };
                term("indicator", observed.to_owned(), weight, counts, records)
            }
        }
    }

    fn rarest<'t>(&self, shared: &'t BTreeSet<Token>) -> Option<(u64, &'t Token)> {
        shared.iter().map(|token| (self.coincidences(token), token)).min()
    }

    fn no_indicator(&self) -> Weight {
        attribution::lr_no_indicator(self.coincidence, self.literal, self.calls)
    }

    /// The weight of an event that comes from the host of a step.
    fn same_host(&self, src: Option<IpAddr>) -> Weight {
        let there = self.from.get(&src).copied().unwrap_or(0);
        attribution::lr_identity(attribution::Identity::Same, there, self.connections, self.mismatched, self.matched)
    }

    /// How many of the benign commands would bear the token out by chance: those that have it; for the port of an
    /// unresolved name at least as many as the share of nameless peers on that port would make.
    fn coincidences(&self, token: &Token) -> u64 {
        let written = self.written.get(token).copied().unwrap_or(0);
        match token {
            Token::UnresolvedPort(port) => {
                let peers = self.nameless.get(port).copied().unwrap_or(0);
                written.max(peers.saturating_mul(self.reference).div_ceil(self.peers.max(1)))
            }
            _ => written,
        }
    }

    fn identity(&self, steps: &Steps<'_>, at: usize, event: &Event) -> Term {
        let records = vec![event.record];
        let src = event.src.map_or_else(String::new, |src| src.to_string());
        match steps.identity.fits_at(&steps.intake.steps[at].episode, event.src, event.at) {
            Some(true) => {
                let there = self.from.get(&event.src).copied().unwrap_or(0);
                let weight = self.same_host(event.src);
                let counts = format!("{there} of {} connections come from it", self.connections);
                term("identity", format!("from {src}, the episode's host"), weight, counts, records)
            }
            fits => {
                let install = steps.acts[at].install.as_ref();
                match install.and_then(|install| install.reaches(event.src)).filter(|_| fits == Some(false)) {
                    Some(through) => {
                        neutral("identity", &format!("from {src}, which gets what it installs by {through}"), records)
                    }
                    None => neutral("identity", "the host of the episode is not known", records),
                }
            }
        }
    }

    fn lag(&self, steps: &Steps<'_>, event: &Event, one: Possible, is_nearest: bool) -> Term {
        let (at, lag) = (one.step, one.lag);
        let records = vec![steps.intake.steps[at].record, event.record];
        let Some((lo, hi)) = lag else { return neutral("lag", "no times to compare", records) };
        if !self.timing {
            return neutral("lag", "withheld: the clocks are not good enough", records);
        }
        let life_s = self.life_s(steps, at).filter(|_| tokens::any_shared(&steps.acts[at].tokens, &event.tokens));
        let weight = match life_s {
            // Against the event falling anywhere in the time observed: this one step is asked about, not any step.
            Some(life_s) => {
                let anywhere = Background::Flat { rate_per_s: 1.0 / life_s };
                attribution::lr_lag((lo, hi), &self.lag.of_launcher(life_s), &anywhere, self.anchors)
            }
            None => {
                let background = if is_nearest { &self.background } else { &self.any_step };
                let lag = attribution::lr_lag((lo, hi), &self.lag, background, self.anchors);
                lag.joined(self.within_call(steps, &one, event), self.anchors)
            }
        };
        let seconds = |ns: i64| ns as f64 / SECOND as f64;
        let (middle, tolerance) = (seconds(lo / 2 + hi / 2), seconds(hi.saturating_sub(lo) / 2));
        let delay = steps.acts[at].delay_ns;
        let waited = if delay > 0 { format!(" after its own delay of {} s", delay / SECOND) } else { String::new() };
        let counts = format!("{} control lags, median {:.1} s", self.anchors, self.lag.main.m.exp());
        term("lag", format!("{middle:+.1} s{waited} (clocks ±{tolerance:.1} s)"), weight, counts, records)
    }

    /// The weight of having begun while the call ran. Nothing if that cannot be told, or if the call left something running.
    fn within_call(&self, steps: &Steps<'_>, one: &Possible, event: &Event) -> Weight {
        let (time, act) = (steps.times[one.step], &steps.acts[one.step]);
        let (Some((lo, hi)), Some(end)) = (one.lag.filter(|_| self.timing), time.end) else { return Weight::NONE };
        let slack = event.slack_ns.saturating_add(time.slack_ns);
        // So near to the end that the clocks cannot tell; or another call had begun, and this one had ended for sure.
        let unclear = event.at.since(end).saturating_abs() <= slack;
        let superseded = steps.next_start(one.step).is_some_and(|next| event.at > next);
        if act.leaves_running() || act.delay_ns > 0 || unclear || superseded {
            return Weight::NONE;
        }
        // What runs code of any kind may leave something running that its text does not show.
        if event.at >= end && !act.done_on_return {
            return Weight::NONE;
        }
        self.containment.weight(lo / 2 + hi / 2, event.at < end, &self.lag)
    }

    fn persistence(&self, steps: &Steps<'_>, at: usize, event: &Event) -> Term {
        let (step, act) = (&steps.intake.steps[at], &steps.acts[at]);
        let records = vec![step.record, event.record];
        let Some(end) = steps.times[at].end.filter(|_| steps.times[at].stamped && event.timed) else {
            return neutral("persistence", "no end of the call to compare", records);
        };
        let limit = end.plus(event.slack_ns.saturating_add(steps.times[at].slack_ns));
        if event.at <= limit && event.until <= limit {
            return neutral("persistence", "ended within the call", records);
        }
        let counts = format!("{} of {} control connections outlived their call", self.persisted, self.matched);
        let what = if event.at > limit { "began" } else { "went on" };
        let (weight, observed) = if act.leaves_running() {
            let weight =
                attribution::lr_persistence(self.launched_persisted, self.launched, self.persisted, self.matched);
            (weight, format!("{what} after the call, which left something running ({})", act.launchers.join(", ")))
        } else {
            let plain = (self.persisted - self.launched_persisted, self.matched - self.launched);
            let weight = attribution::lr_persistence(plain.0, plain.1, self.persisted, self.matched);
            (weight, format!("{what} after the call, which left nothing running that its text shows"))
        };
        term("persistence", observed, weight, counts, records)
    }
}

/// Per peer, the steps that name it with the weight of that: many connections have one peer.
struct Peers {
    /// By event.
    of: Vec<usize>,
    named: Vec<Vec<(usize, f64)>>,
    /// Most of the onsets that honest steps can have opened, as a share of all: each step that names the peer one.
    explained: Vec<f64>,
    /// The weight of not naming it.
    unnamed: f64,
}

impl Peers {
    fn new(yardstick: &Yardstick, index: &Index<'_>, steps: &Steps<'_>, events: &[Event]) -> Self {
        let mut known: BTreeMap<&BTreeSet<Token>, usize> = BTreeMap::new();
        let mut first: Vec<&Event> = Vec::new();
        let of: Vec<usize> = events
            .iter()
            .map(|event| {
                *known.entry(&event.tokens).or_insert_with(|| {
                    first.push(event);
                    first.len() - 1
                })
            })
            .collect();
        let by_peer = (0..first.len()).map(|_| Vec::new());
        let mut met: Vec<Vec<&Event>> = by_peer.collect();
        for (peer, event) in of.iter().zip(events) {
            met[*peer].push(event);
        }
        // What is run again and again opens as many connections as there are onsets after it was installed; a call opens one.
        let again = |at: usize, met: &[&Event]| -> f64 {
            let since = steps.times[at].start.filter(|_| steps.acts[at].install.is_some());
            since.map_or(1.0, |since| onsets_of(met.iter().copied().filter(|event| event.at >= since)).max(1) as f64)
        };
        let named = |(event, met): (&&Event, &Vec<&Event>)| -> Vec<(usize, f64)> {
            let weight = |at: usize| {
                let shared = tokens::shared(&steps.acts[at].tokens, &event.tokens);
                let (n_v, _) = yardstick.rarest(&shared)?;
                let weight = attribution::lr_indicator(n_v, yardstick.reference, yardstick.literal, yardstick.calls);
                Some((at, weight.log10 + again(at, met).log10()))
            };
            index.writers(event).into_iter().filter_map(weight).collect()
        };
        let named: Vec<Vec<(usize, f64)>> = first.par_iter().zip(&met).map(named).collect();
        let onsets: Vec<usize> = met.iter().map(|met| onsets_of(met.iter().copied())).collect();
        let explained = |(steps_of, seen): (&Vec<(usize, f64)>, &usize)| {
            // What was left running may come again and again, and so may what nobody asked for.
            let once = |(at, _): &(usize, f64)| !steps.acts[*at].leaves_running() && !steps.acts[*at].is_suspect();
            if steps_of.iter().all(once) { (steps_of.len() as f64 / (*seen).max(1) as f64).min(1.0) } else { 1.0 }
        };
        let explained = named.iter().zip(&onsets).map(explained).collect();
        Peers { of, named, explained, unnamed: yardstick.no_indicator().log10 }
    }

    fn explained(&self, event: usize) -> f64 {
        self.explained[self.of[event]]
    }

    fn named(&self, event: usize) -> &[(usize, f64)] {
        &self.named[self.of[event]]
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

/// Onsets among events of one peer, ascending, as the source that saw most of them has it.
fn onsets_of<'a>(events: impl Iterator<Item = &'a Event>) -> usize {
    let mut seen: BTreeMap<EvidenceId, (usize, Instant)> = BTreeMap::new();
    for event in events {
        let (count, last) = seen.entry(event.evidence).or_insert((0, Instant(i64::MIN)));
        *count += usize::from(*count == 0 || event.at.since(*last) > ONSET_NS);
        *last = event.at;
    }
    seen.into_values().map(|(count, _)| count).max().unwrap_or(0)
}

/// Whether no other candidate started closer before the event.
fn is_nearest(candidates: &[Possible], one: &Possible) -> bool {
    let Some(own) = one.lag else { return false };
    candidates.iter().all(|other| other.lag.is_none_or(|lag| lag.0 >= own.0))
}

fn neutral(name: &'static str, observed: &str, records: Vec<Record>) -> Term {
    term(name, observed.to_owned(), Weight::NONE, String::new(), records)
}

fn term(name: &'static str, observed: String, weight: Weight, counts: String, records: Vec<Record>) -> Term {
    let cap = weight.cap.map_or_else(String::new, |cap| cap.to_string());
    Term { term: name, observed, log10_lr: weight.log10, counts, cap, records }
}

#[cfg(test)]
mod tests;
