//! Which step, if any, set an event off: weights of evidence per step, and the shares of all candidates.

use std::collections::{BTreeMap, BTreeSet};

use super::acts::Act;
use super::analysis::{Strength, Term};
use super::attribution::{self, Background, CANDIDATE_NS, Candidate, LagModel, Recurrence, Weight};
use super::events::Event;
use super::identity::Identity;
use super::steptime::StepTime;
use super::tokens::{self, Token};
use crate::evidence::Record;
use crate::intake::Intake;
use crate::stats;
use crate::time::{Instant, SECOND};

/// What a launcher leaves behind may begin this long after, in nanoseconds.
const LAUNCHED_HORIZON_NS: i64 = 86_400 * SECOND;

/// What the case itself says about commands and connections that nobody suspects: the yardstick of every weight.
pub(crate) struct Yardstick {
    /// Benign commands, and in how many of them each token stands.
    reference: u64,
    written: BTreeMap<Token, u64>,
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
    from: BTreeMap<Option<std::net::IpAddr>, u64>,
    connections: u64,
    lag: LagModel,
    /// Lags behind the model of them: 0 if it is assumed.
    anchors: u64,
    /// Lags of unrelated moments to the nearest call before, per episode's host, by circular shifts.
    background: Background,
    /// The same to any call before.
    any_step: Background,
    /// The clocks allow lags to be weighed.
    pub(crate) timing: bool,
}

/// A step with its weights for one event.
#[derive(Clone, Debug)]
pub(crate) struct Attributed {
    pub(crate) step: usize,
    pub(crate) strength: Strength,
    /// What step and event share.
    pub(crate) shared: BTreeSet<Token>,
}

/// The outcome for one event. The share of "no step" stands in the strength.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribution {
    pub(crate) best: Option<Attributed>,
}

/// A step that could have set an event off.
#[derive(Clone, Copy)]
struct Possible {
    step: usize,
    /// The lag that the clocks allow, in nanoseconds, where both sides have a time.
    lag: Option<(i64, i64)>,
    /// The lags that order alone allows, in nanoseconds.
    reach: (i64, i64),
}

/// Everything about steps that attribution needs, in one place.
pub(crate) struct Steps<'a> {
    pub(crate) intake: &'a Intake,
    pub(crate) acts: &'a [Act],
    pub(crate) times: &'a [StepTime],
    pub(crate) identity: &'a Identity,
}

impl Steps<'_> {
    /// Steps that could have set the event off, with the lag that the clocks allow where both have a time.
    fn candidates(&self, event: &Event) -> Vec<Possible> {
        let mut found = Vec::new();
        for (at, (step, act)) in self.intake.steps.iter().zip(self.acts).enumerate() {
            if !act.network || step.not_executed || self.identity.fits(&step.episode, event.src) == Some(false) {
                continue;
            }
            let time = self.times[at];
            let slack = event.slack_ns.saturating_add(time.slack_ns);
            if !time.stamped || !event.timed {
                // Without a clock a step is a candidate only by what it wrote, and within the bounds of its order.
                let after = time.start.is_none_or(|start| event.at.plus(slack) >= start);
                let named = !tokens::shared(&act.tokens, &event.tokens).is_empty();
                if named && (after || !event.timed) {
                    let bound =
                        |limit: Option<Instant>| limit.filter(|_| event.timed).map(|at| event.at.since(at).max(0));
                    let (least, most) = (bound(time.end).unwrap_or(0), bound(time.start).unwrap_or(i64::MAX));
                    found.push(Possible { step: at, lag: None, reach: (least.min(most), most) });
                }
                continue;
            }
            let Some(start) = time.start else { continue };
            let horizon = if act.leaves_running() { LAUNCHED_HORIZON_NS } else { CANDIDATE_NS };
            let lag = event.at.since(start);
            if lag >= -slack && lag <= horizon.saturating_add(act.delay_ns) {
                // What the command waits for by its own words is not lag; what came sooner did not wait.
                let lag = if lag >= act.delay_ns - slack { lag - act.delay_ns } else { lag };
                let lag = (lag.saturating_sub(slack), lag.saturating_add(slack));
                found.push(Possible { step: at, lag: Some(lag), reach: (0, i64::MAX) });
            }
        }
        found
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
    /// Measures the case. Steps whose command meets a rule are left out throughout.
    pub(crate) fn new(steps: &Steps<'_>, events: &[Event], timing: bool) -> Self {
        let mut written: BTreeMap<Token, u64> = BTreeMap::new();
        let mut reference = 0;
        let benign = |at: usize| !steps.acts[at].is_suspect();
        for (at, step) in steps.intake.steps.iter().enumerate() {
            if benign(at) && step.command.is_some() {
                reference += 1;
                for token in &steps.acts[at].tokens {
                    *written.entry(token.clone()).or_insert(0) += 1;
                }
            }
        }
        let (mut calls, mut literal, mut matched, mut mismatched) = (0, 0, 0, 0);
        let (mut launched, mut launched_persisted, mut persisted) = (0, 0, 0);
        let mut lags = Vec::new();
        for (at, step) in steps.intake.steps.iter().enumerate() {
            if !benign(at) || !steps.acts[at].network || step.not_executed {
                continue;
            }
            let time = steps.times[at];
            if !time.stamped {
                // Without times a control is a call whose words the traffic bears out at all.
                let fits = |event: &&Event| steps.identity.fits(&step.episode, event.src) != Some(false);
                let named = |event: &Event| !tokens::shared(&steps.acts[at].tokens, &event.tokens).is_empty();
                calls += 1;
                literal += u64::from(events.iter().filter(fits).any(named));
                continue;
            }
            let (Some(start), Some(end)) = (time.start, time.end) else { continue };
            // Events are sorted by time: only those around the call are looked at.
            let wide = time.slack_ns.saturating_add(60 * SECOND);
            let from = events.partition_point(|event| event.at < start.plus(-wide));
            let around = events[from..].iter().take_while(|event| event.at <= end.plus(wide));
            let inside: Vec<&Event> = around.filter(|event| steps.during(at, event)).collect();
            let here: Vec<&&Event> =
                inside.iter().filter(|event| steps.identity.fits(&step.episode, event.src) != Some(false)).collect();
            if !here.is_empty() {
                calls += 1;
            }
            let named = |event: &Event| !tokens::shared(&steps.acts[at].tokens, &event.tokens).is_empty();
            if let Some(event) = here.iter().find(|event| named(event)) {
                literal += 1;
                lags.push(event.at.since(start));
                matched += 1;
                let outlived = event.until > end.plus(event.slack_ns.saturating_add(time.slack_ns));
                persisted += u64::from(outlived);
                if steps.acts[at].leaves_running() {
                    launched += 1;
                    launched_persisted += u64::from(outlived);
                }
            } else if inside.iter().any(|event| named(event)) {
                matched += 1;
                mismatched += 1;
            }
        }
        let mut from: BTreeMap<Option<std::net::IpAddr>, u64> = BTreeMap::new();
        for event in events {
            *from.entry(event.src).or_insert(0) += 1;
        }
        let peers: BTreeSet<_> = events.iter().map(|event| (event.dst, event.dst_port)).collect();
        let is_nameless = |token: &Token| matches!(token, Token::UnresolvedPort(_));
        let without_name = events.iter().filter(|event| event.tokens.iter().any(is_nameless));
        let without_name: BTreeSet<_> = without_name.map(|event| (event.dst, event.dst_port)).collect();
        let mut nameless: BTreeMap<u16, u64> = BTreeMap::new();
        for port in without_name.into_iter().filter_map(|(_, port)| port) {
            *nameless.entry(port).or_insert(0) += 1;
        }
        let model = LagModel::from_anchors(&lags);
        let starts: Vec<i64> = (0..steps.acts.len())
            .filter(|at| steps.acts[*at].network && steps.times[*at].stamped)
            .filter_map(|at| steps.times[at].start.map(|start| start.0))
            .collect();
        let observed = match (starts.iter().min(), starts.iter().max()) {
            (Some(first), Some(last)) => last.saturating_sub(*first).saturating_add(60 * SECOND),
            _ => 60 * SECOND,
        };
        let background = match Recurrence::of(&starts, observed) {
            Some(recurrence) => Background::Recurrence(recurrence),
            None => Background::Exponential { rate_per_s: 1.0 / 60.0 },
        };
        let any_step = Background::Flat { rate_per_s: starts.len().max(1) as f64 * SECOND as f64 / observed as f64 };
        Yardstick {
            reference,
            written,
            nameless,
            peers: peers.len() as u64,
            calls,
            literal,
            matched,
            mismatched,
            launched,
            launched_persisted,
            persisted,
            from,
            connections: events.len() as u64,
            anchors: if model.is_some() { lags.len() as u64 } else { 0 },
            lag: model.unwrap_or_else(LagModel::assumed),
            background,
            any_step,
            timing,
        }
    }

    /// Weighs every candidate of every event, and lets the candidates of an event share it.
    pub(crate) fn attribute(&self, steps: &Steps<'_>, events: &[Event]) -> Vec<Attribution> {
        let candidates: Vec<Vec<Possible>> = events.iter().map(|event| steps.candidates(event)).collect();
        let moments = || events.iter().map(|event| event.at);
        let observed = match (moments().min(), moments().max()) {
            (Some(first), Some(last)) => last.since(first).max(SECOND),
            _ => SECOND,
        };
        let weighed: Vec<Vec<Candidate>> = events
            .iter()
            .zip(&candidates)
            .map(|(event, found)| {
                let weigh = |one: &Possible| Candidate {
                    step: one.step,
                    log10_indicator: self.indicator(steps, one.step, event).log10_lr,
                    log10_identity: self.identity(steps, one.step, event).log10_lr,
                    // Without a clock the event may have begun at any time that order and evidence leave.
                    lag_ns: one.lag.filter(|_| self.timing).unwrap_or({
                        let most = observed.min(CANDIDATE_NS);
                        (one.reach.0.min(most), one.reach.1.min(most))
                    }),
                };
                found.iter().map(weigh).collect()
            })
            .collect();
        let network = (0..steps.acts.len()).filter(|at| steps.acts[*at].network).count();
        let seconds = observed as f64 / SECOND as f64;
        let Some(outcome) = attribution::attribute(&weighed, network, seconds, &self.lag) else {
            return vec![Attribution { best: None }; events.len()];
        };
        events
            .iter()
            .zip(&candidates)
            .zip(&weighed)
            .zip(outcome.events)
            .map(|(((event, found), weighed), shares)| {
                let unclocked = found.iter().all(|one| one.lag.is_none());
                let shares = if unclocked { without_clocks(weighed) } else { shares };
                let best = found
                    .iter()
                    .zip(&shares.p_step)
                    .max_by(|(a, p), (b, q)| p.total_cmp(q).then(b.step.cmp(&a.step)))
                    .map(|(one, p_step)| Attributed {
                        step: one.step,
                        strength: self.strength(steps, event, *one, is_nearest(found, one), (*p_step, shares.p_none)),
                        shared: tokens::shared(&steps.acts[one.step].tokens, &event.tokens),
                    });
                Attribution { best }
            })
            .collect()
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
        let terms = vec![
            self.indicator(steps, at, event),
            self.identity(steps, at, event),
            self.lag(steps, event, one, is_nearest),
            self.persistence(steps, at, event),
        ];
        let sum: f64 = terms.iter().map(|term| term.log10_lr).sum();
        let log10_lr = sum.clamp(-stats::scale::MOST_BANS, stats::scale::MOST_BANS);
        Strength { log10_lr, words: stats::words(log10_lr), terms, p_none, p_step }
    }

    fn indicator(&self, steps: &Steps<'_>, at: usize, event: &Event) -> Term {
        let records = vec![steps.intake.steps[at].record, event.record];
        let shared = tokens::shared(&steps.acts[at].tokens, &event.tokens);
        let count = |token: &Token| self.coincidences(token);
        let controls = format!("named by {} of {} control calls", self.literal, self.calls);
        match shared.iter().min_by_key(|token| (count(token), (*token).clone())) {
            Some(token) => {
                let n_v = count(token);
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
                let weight = attribution::lr_no_indicator(self.coincidence(), self.literal, self.calls);
                term("indicator", "the command does not name the peer".to_owned(), weight, controls, records)
            }
        }
    }

    /// How many of the benign commands would bear the token out by chance: those that have it; for the port of an
    /// unresolved name at least as many as the share of nameless peers on that port would make.
    fn coincidences(&self, token: &Token) -> u64 {
        let written = self.written.get(token).copied().unwrap_or(0);
        match token {
            Token::UnresolvedPort(port) => {
                let peers = self.nameless.get(port).copied().unwrap_or(0);
                written.max((peers * self.reference).div_ceil(self.peers.max(1)))
            }
            _ => written,
        }
    }

    /// Mean rate at which a benign command names any one peer.
    fn coincidence(&self) -> f64 {
        let tokens = self.written.len().max(1) as f64;
        let total: u64 = self.written.values().sum();
        (total as f64 / tokens + 0.5) / (self.reference as f64 + 1.0)
    }

    fn identity(&self, steps: &Steps<'_>, at: usize, event: &Event) -> Term {
        let records = vec![event.record];
        let src = event.src.map_or_else(String::new, |src| src.to_string());
        match steps.identity.fits(&steps.intake.steps[at].episode, event.src) {
            Some(true) => {
                let there = self.from.get(&event.src).copied().unwrap_or(0);
                let same = attribution::Identity::Same;
                let weight = attribution::lr_identity(same, there, self.connections, self.mismatched, self.matched);
                let counts = format!("{there} of {} connections come from it", self.connections);
                term("identity", format!("from {src}, the episode's host"), weight, counts, records)
            }
            _ => neutral("identity", "the host of the episode is not known", records),
        }
    }

    fn lag(&self, steps: &Steps<'_>, event: &Event, one: Possible, is_nearest: bool) -> Term {
        let (at, lag) = (one.step, one.lag);
        let records = vec![steps.intake.steps[at].record, event.record];
        let Some((lo, hi)) = lag else { return neutral("lag", "no times to compare", records) };
        if !self.timing {
            return neutral("lag", "withheld: the clocks are not good enough", records);
        }
        let background = if is_nearest { &self.background } else { &self.any_step };
        let weight = attribution::lr_lag((lo, hi), &self.lag, background, self.anchors);
        let seconds = |ns: i64| ns as f64 / SECOND as f64;
        let (middle, tolerance) = (seconds(lo / 2 + hi / 2), seconds((hi - lo) / 2));
        let delay = steps.acts[at].delay_ns;
        let waited = if delay > 0 { format!(" after its own delay of {} s", delay / SECOND) } else { String::new() };
        let counts = format!("{} control lags, median {:.1} s", self.anchors, self.lag.main.m.exp());
        term("lag", format!("{middle:+.1} s{waited} (clocks ±{tolerance:.1} s)"), weight, counts, records)
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

/// Shares where no candidate has a time. Rates per second mean nothing then: even odds for "some step of these" and
/// "none", and the weights of what each wrote.
fn without_clocks(candidates: &[Candidate]) -> attribution::Attributed {
    let ratio = |one: &Candidate| 10_f64.powf(one.log10_indicator + one.log10_identity) / candidates.len() as f64;
    let sum: f64 = candidates.iter().map(ratio).sum();
    attribution::Attributed {
        p_none: 1.0 / (1.0 + sum),
        p_step: candidates.iter().map(|one| ratio(one) / (1.0 + sum)).collect(),
    }
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
