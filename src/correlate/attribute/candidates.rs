//! Which steps could have set an event off, without a look at every step for every event.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Steps;
use crate::correlate::attribution::CANDIDATE_NS;
use crate::correlate::events::Event;
use crate::correlate::identity::Place;
use crate::correlate::tokens::{self, Token};
use crate::time::{Instant, SECOND};
use std::collections::BTreeSet;

/// What a launcher leaves behind may begin this long after, in nanoseconds.
const LAUNCHED_HORIZON_NS: i64 = 86_400 * SECOND;

/// A step that could have set an event off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Possible {
    pub(super) step: usize,
    /// The lag that the clocks allow, in nanoseconds, where both sides have a time.
    pub(super) lag: Option<(i64, i64)>,
    /// The lags that order alone allows, in nanoseconds.
    pub(super) reach: (i64, i64),
}

/// Steps by what they wrote.
#[derive(Default)]
struct Writers<'a> {
    of: BTreeMap<&'a Token, Vec<usize>>,
    networks: BTreeMap<IpNet, Vec<usize>>,
}

impl<'a> Writers<'a> {
    fn add(&mut self, step: usize, written: &'a BTreeSet<Token>) {
        for token in written {
            self.of.entry(token).or_default().push(step);
        }
        for (_, network) in tokens::networks(written) {
            self.networks.entry(*network).or_default().push(step);
        }
    }

    /// Steps that wrote something which is shown, ascending.
    fn of(&self, shown: &BTreeSet<Token>) -> Vec<usize> {
        let mut found: Vec<usize> = shown.iter().filter_map(|token| self.of.get(token)).flatten().copied().collect();
        for (network, steps) in &self.networks {
            if shown.range(tokens::addresses_of(network)).next().is_some() {
                found.extend(steps);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Steps of one host by start: those whose traffic begins soon, and those with a launcher or a delay.
#[derive(Default)]
struct Lane {
    soon: Vec<(Instant, usize)>,
    late: Vec<(Instant, usize)>,
}

/// Steps that ran and could reach the network, by start and by what they wrote.
pub(super) struct Index<'a> {
    steps: &'a Steps<'a>,
    /// Where each step ran, by step.
    places: Vec<Option<&'a Place>>,
    /// Timed steps by the addresses of their host; of hosts that are not known, by none.
    lanes: BTreeMap<&'a [IpNet], Lane>,
    /// The same lanes by each network of their addresses: every opener is looked up.
    by_network: BTreeMap<IpNet, Vec<&'a [IpNet]>>,
    /// Lengths of those networks' prefixes.
    prefixes: BTreeSet<u8>,
    /// How long after its start the latest traffic of a step of `late` may begin, in nanoseconds.
    latest_ns: i64,
    /// The largest uncertainty of any step, in nanoseconds.
    slack_ns: i64,
    timed: Writers<'a>,
    untimed: Writers<'a>,
    /// Those that install something to be run again, with a time.
    kept: Writers<'a>,
}

impl<'a> Index<'a> {
    pub(super) fn new(steps: &'a Steps<'a>) -> Self {
        let place = |step: &crate::model::Step| steps.identity.place(&step.episode);
        let mut index = Index {
            steps,
            places: steps.intake.steps.iter().map(place).collect(),
            lanes: BTreeMap::new(),
            by_network: BTreeMap::new(),
            prefixes: BTreeSet::new(),
            latest_ns: 0,
            slack_ns: 0,
            timed: Writers::default(),
            untimed: Writers::default(),
            kept: Writers::default(),
        };
        for (at, (step, act)) in steps.intake.steps.iter().zip(steps.acts).enumerate() {
            if !act.network || step.not_executed {
                continue;
            }
            let time = steps.times[at];
            if !time.stamped {
                index.untimed.add(at, act.tokens());
                continue;
            }
            index.timed.add(at, act.tokens());
            if act.install.is_some() {
                index.kept.add(at, act.tokens());
            }
            index.slack_ns = index.slack_ns.max(time.slack_ns);
            let Some(start) = time.start else { continue };
            let place = index.places.get(at).copied().flatten();
            let lane = index.lanes.entry(place.map_or(&[], |place| place.addresses.as_slice())).or_default();
            if act.leaves_running() || act.delay_ns > 0 {
                lane.late.push((start, at));
                index.latest_ns = index.latest_ns.max(horizon(act.leaves_running()).saturating_add(act.delay_ns));
            } else {
                lane.soon.push((start, at));
            }
        }
        for (addresses, lane) in &mut index.lanes {
            lane.soon.sort_unstable();
            lane.late.sort_unstable();
            for network in addresses.iter().map(IpNet::trunc) {
                index.prefixes.insert(network.prefix_len());
                index.by_network.entry(network).or_default().push(addresses);
            }
        }
        index
    }

    /// Whether an event from there may come from the step, as [`crate::correlate::identity::Identity::fits`].
    pub(super) fn fits(&self, step: usize, event: &Event<'_>) -> Option<bool> {
        self.places.get(step).copied().flatten()?.fits_at(event.src, event.at)
    }

    /// Whether what the step did can reach the network from there at all: on its own host, or where it is installed as well.
    fn may_be_from(&self, step: usize, event: &Event<'_>) -> bool {
        let installed = || self.steps.acts.get(step)?.install.as_ref()?.reaches(event.src);
        self.fits(step, event) != Some(false) || installed().is_some()
    }

    /// Steps that wrote something which is shown, ascending.
    pub(super) fn writers(&self, shown: &BTreeSet<Token>) -> Vec<usize> {
        let mut found = self.timed.of(shown);
        found.extend(self.untimed.of(shown));
        found.sort_unstable();
        found
    }

    /// Steps that could have set the event off, ascending, with the lag that the clocks allow where both have a time.
    /// O(log steps + those nearby).
    pub(super) fn candidates(&self, event: &Event<'_>) -> Vec<Possible> {
        let mut found = Vec::new();
        if event.timed {
            let lanes = self.lanes_of(event);
            for (list, reach) in
                lanes.iter().flat_map(|lane| [(&lane.soon, CANDIDATE_NS), (&lane.late, self.latest_ns)])
            {
                let from = event.at.plus(-reach);
                let to = event.at.plus(event.slack_ns.saturating_add(self.slack_ns));
                let first = list.partition_point(|(start, _)| *start < from);
                let near = list[first..].iter().take_while(|(start, _)| *start <= to);
                found.extend(near.filter_map(|(start, at)| self.by_time(*at, *start, event)));
            }
            self.by_install(event, &mut found);
        } else {
            found.extend(self.timed.of(event.tokens).into_iter().filter_map(|at| self.by_words(at, event)));
        }
        found.extend(self.untimed.of(event.tokens).into_iter().filter_map(|at| self.by_words(at, event)));
        found.sort_unstable_by_key(|one| one.step);
        found
    }

    /// The lanes whose steps an event may come from: of its opener's host and of hosts that are not known; all if nobody
    /// says who opened it.
    fn lanes_of(&self, event: &Event<'_>) -> Vec<&Lane> {
        let Some(src) = event.src else { return self.lanes.values().collect() };
        let networks = self.prefixes.iter().filter_map(|prefix| IpNet::new(src, *prefix).ok().map(|net| net.trunc()));
        let known = networks.filter_map(|network| self.by_network.get(&network)).flatten().copied();
        let lanes: BTreeSet<&[IpNet]> = known.chain([[].as_slice()]).collect();
        lanes.into_iter().filter_map(|addresses| self.lanes.get(addresses)).collect()
    }

    /// What was installed to be run again waits for as long as it takes, wherever it was installed, for the peer that it
    /// names. Of one episode that installs it twice the last counts: it is the one that is run.
    fn by_install(&self, event: &Event<'_>, found: &mut Vec<Possible>) {
        let named = self.kept.of(event.tokens);
        if named.is_empty() {
            return;
        }
        found.retain(|one| named.binary_search(&one.step).is_err());
        let mut last: BTreeMap<&str, Possible> = BTreeMap::new();
        for at in named {
            let time = self.steps.times[at];
            let (Some(start), Some(step)) = (time.start, self.steps.intake.steps.get(at)) else { continue };
            let slack = event.slack_ns.saturating_add(time.slack_ns);
            let lag = event.at.since(start);
            if lag >= -slack && self.may_be_from(at, event) {
                let lag = (lag.saturating_sub(slack), lag.saturating_add(slack));
                last.insert(&step.episode, Possible { step: at, lag: Some(lag), reach: (0, i64::MAX) });
            }
        }
        found.extend(last.into_values());
    }

    fn by_time(&self, at: usize, start: Instant, event: &Event<'_>) -> Option<Possible> {
        let act = &self.steps.acts[at];
        let slack = event.slack_ns.saturating_add(self.steps.times[at].slack_ns);
        let lag = event.at.since(start);
        let within = lag >= -slack && lag <= horizon(act.leaves_running()).saturating_add(act.delay_ns);
        if !within || self.fits(at, event) == Some(false) {
            return None;
        }
        // What the command waits for by its own words is not lag; what came sooner did not wait.
        let waited = lag >= act.delay_ns.saturating_sub(slack);
        let lag = if waited { lag.saturating_sub(act.delay_ns) } else { lag };
        let lag = (lag.saturating_sub(slack), lag.saturating_add(slack));
        Some(Possible { step: at, lag: Some(lag), reach: (0, i64::MAX) })
    }

    /// Without a clock a step is a candidate only by what it wrote, and within the bounds of its order.
    fn by_words(&self, at: usize, event: &Event<'_>) -> Option<Possible> {
        if !self.may_be_from(at, event) {
            return None;
        }
        let time = self.steps.times[at];
        let slack = event.slack_ns.saturating_add(time.slack_ns);
        let after = time.start.is_none_or(|start| event.at.plus(slack) >= start);
        if event.timed && !after {
            return None;
        }
        let bound = |limit: Option<Instant>| limit.filter(|_| event.timed).map(|at| event.at.since(at).max(0));
        let (least, most) = (bound(time.end).unwrap_or(0), bound(time.start).unwrap_or(i64::MAX));
        Some(Possible { step: at, lag: None, reach: (least.min(most), most) })
    }
}

fn horizon(leaves_running: bool) -> i64 {
    if leaves_running { LAUNCHED_HORIZON_NS } else { CANDIDATE_NS }
}

#[cfg(test)]
mod tests;
