//! Which step, if any, set an event off: weights of evidence per step, and the shares of all candidates.

mod attributor;
mod candidates;
mod measure;
mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::acts::Act;
use super::analysis::{Strength, Term};
use super::attribution::{self, Background, Containment, LagModel, Weight};
use super::events::Event;
use super::identity::Identity;
use super::steptime::StepTime;
use super::tokens::{self, Token};
use super::traced::{LEAST_SHARE, LEAST_WHERE_ALIGNED};
use crate::evidence::Record;
use crate::intake::Intake;
use crate::stats;
use crate::time::{Instant, SECOND};
pub(crate) use attributor::{Attributor, LinedUp};
use candidates::Possible;
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
    fn during(&self, at: usize, event: &Event<'_>) -> bool {
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

    fn strength(
        &self,
        steps: &Steps<'_>,
        event: &Event<'_>,
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

    fn indicator(&self, steps: &Steps<'_>, at: usize, event: &Event<'_>) -> Term {
        let records = vec![steps.intake.steps[at].record, event.record()];
        let shared = tokens::shared(steps.acts[at].tokens(), event.tokens);
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

    fn identity(&self, steps: &Steps<'_>, at: usize, event: &Event<'_>) -> Term {
        let records = vec![event.record()];
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

    fn lag(&self, steps: &Steps<'_>, event: &Event<'_>, one: Possible, is_nearest: bool) -> Term {
        let (at, lag) = (one.step, one.lag);
        let records = vec![steps.intake.steps[at].record, event.record()];
        let Some((lo, hi)) = lag else { return neutral("lag", "no times to compare", records) };
        if !self.timing {
            return neutral("lag", "withheld: the clocks are not good enough", records);
        }
        let life_s = self.life_s(steps, at).filter(|_| tokens::any_shared(steps.acts[at].tokens(), event.tokens));
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
    fn within_call(&self, steps: &Steps<'_>, one: &Possible, event: &Event<'_>) -> Weight {
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

    fn persistence(&self, steps: &Steps<'_>, at: usize, event: &Event<'_>) -> Term {
        let (step, act) = (&steps.intake.steps[at], &steps.acts[at]);
        let records = vec![step.record, event.record()];
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
