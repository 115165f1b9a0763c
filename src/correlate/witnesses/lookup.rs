//! What is asked about every group of signals, laid out once: a case may have any number of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::peers::Peers;
use super::{ROW_OF_FAILURES, SSH, WAYS_IN, WayIn};
use crate::correlate::attribute::Steps;
use crate::correlate::clocks::Clocks;
use crate::correlate::events::{Event, Events};
use crate::correlate::tokens::{self, Token};
use crate::intake::CaseFile;
use crate::model::{Flow, is_private};
use crate::time::{Instant, SECOND};

/// What is kept of a connection from outside: a host that the Internet reaches has millions.
pub(super) struct Session {
    pub(super) at: Instant,
    pub(super) src: IpAddr,
    pub(super) src_port: Option<u16>,
}

pub(super) struct Lookup<'a> {
    /// Of the peers of signals alone.
    pub(super) peers: Peers,
    /// First moments of rows of failed logins from strangers; `None` where they have no time.
    pub(super) rows_of_failures: Vec<Option<Instant>>,
    /// Logins by SSH that strangers were granted: host as logged, when first and last, and who from where.
    pub(super) accepted: Vec<Accepted<'a>>,
    /// Connections from outside to port 22 of a host, by time.
    pub(super) ssh_from_outside: BTreeMap<IpAddr, Vec<Session>>,
    /// The same to other ways in that ask for no login, where the host did not refuse them.
    pub(super) services_from_outside: BTreeMap<IpAddr, Vec<(Session, &'static WayIn)>>,
    /// Who opened anything.
    pub(super) openers: BTreeSet<IpAddr>,
    /// There are hosts inside without agents ...
    pub(super) any_others: bool,
    /// ... and what they reach.
    pub(super) others_reach: BTreeSet<(Option<IpAddr>, Option<u16>)>,
    /// What agents' hosts reach.
    pub(super) agents_reach: BTreeSet<(Option<IpAddr>, Option<u16>)>,
    /// How many peers that is, and how many of them others reach as well.
    pub(super) reached: (u64, u64),
    /// Share of the time of all events in which no call ran; `None` if that cannot be told.
    pub(super) idle_share: Option<f64>,
    pub(super) calls: Calls,
    /// Places of steps and of texts by episode.
    pub(super) steps_of: BTreeMap<&'a str, Vec<usize>>,
    pub(super) texts_of: BTreeMap<&'a str, Vec<usize>>,
    /// Earliest start of a command that writes a token; [`Instant`] of the beginning where one has no time.
    written: BTreeMap<&'a Token, Instant>,
    networks: BTreeMap<IpNet, Instant>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(
        steps: &Steps<'a>,
        clocks: &Clocks,
        case: &CaseFile,
        events: &'a Events,
        peers: Vec<Flow>,
    ) -> Self {
        let mut lookup = Lookup {
            peers: Peers::of(peers, events),
            rows_of_failures: rows_of_failures(steps, clocks, case),
            accepted: accepted(steps, clocks, case),
            ssh_from_outside: BTreeMap::new(),
            services_from_outside: BTreeMap::new(),
            openers: BTreeSet::new(),
            any_others: false,
            others_reach: BTreeSet::new(),
            agents_reach: BTreeSet::new(),
            reached: (0, 0),
            idle_share: None,
            calls: Calls::new(steps),
            steps_of: BTreeMap::new(),
            texts_of: BTreeMap::new(),
            written: BTreeMap::new(),
            networks: BTreeMap::new(),
        };
        for (at, step) in steps.intake.steps.iter().enumerate() {
            lookup.steps_of.entry(&step.episode).or_default().push(at);
        }
        for (at, (text, _)) in steps.intake.texts.iter().enumerate() {
            lookup.texts_of.entry(&text.episode).or_default().push(at);
        }
        let identity = steps.identity;
        // Addresses recur; what they are is asked once.
        let mut kinds: BTreeMap<IpAddr, (bool, bool)> = BTreeMap::new();
        for event in events.iter() {
            let Some(src) = event.src else { continue };
            let (private, outsider) = *kinds.entry(src).or_insert_with(|| {
                let private = is_private(src);
                (private, !private && case.host_of_address(src).is_none())
            });
            let agent = identity.is_agent_at(src, event.at);
            if private && !agent {
                lookup.any_others = true;
                lookup.others_reach.insert((event.dst, event.dst_port));
            } else if agent {
                lookup.agents_reach.insert((event.dst, event.dst_port));
            }
            let (Some(dst), Some(port), true) = (event.dst, event.dst_port, outsider) else { continue };
            let session = Session { at: event.at, src, src_port: event.src_port };
            match WAYS_IN.iter().find(|way| way.port == port) {
                Some(way) if way.port == SSH => {
                    lookup.ssh_from_outside.entry(dst).or_default().push(session);
                }
                Some(way) if !event.failed => {
                    lookup.services_from_outside.entry(dst).or_default().push((session, way));
                }
                _ => {}
            }
        }
        lookup.openers = kinds.into_keys().collect();
        let shared = lookup.agents_reach.intersection(&lookup.others_reach).count();
        lookup.reached = (lookup.agents_reach.len() as u64, shared as u64);
        if let Some((first, last)) = events.extent() {
            lookup.idle_share = lookup.calls.idle_share(first, last);
        }
        for conversation in steps.intake.conversations.iter() {
            let segments = conversation.segments.iter();
            let (denied, allowed) = segments.fold((0_u64, 0_u64), |(denied, allowed), segment| {
                (denied.saturating_add(segment.denied), allowed.saturating_add(segment.allowed))
            });
            // A capture gives no verdicts.
            if denied > 0 || allowed > 0 {
                lookup.peers.judged(&conversation.key.flow(), denied, allowed);
            }
        }
        for (act, time) in steps.acts.iter().zip(steps.times).filter(|(act, _)| act.network) {
            let start = time.start.filter(|_| time.stamped).unwrap_or(Instant(i64::MIN));
            for token in act.tokens() {
                let earliest = lookup.written.entry(token).or_insert(start);
                *earliest = start.min(*earliest);
            }
            for (_, network) in tokens::networks(act.tokens()) {
                let earliest = lookup.networks.entry(*network).or_insert(start);
                *earliest = start.min(*earliest);
            }
        }
        lookup
    }

    /// Whether any command written before the event names its peer.
    pub(super) fn anyone_wrote(&self, shown: &BTreeSet<Token>, first: Option<Instant>) -> bool {
        let before = |start: &Instant| first.is_none_or(|first| *start <= first);
        shown.iter().filter_map(|token| self.written.get(token)).any(before)
            || self
                .networks
                .iter()
                .any(|(network, start)| before(start) && shown.range(tokens::addresses_of(network)).next().is_some())
    }
}

/// First moments of what strangers who failed [`ROW_OF_FAILURES`] times to log in did.
fn rows_of_failures(steps: &Steps<'_>, clocks: &Clocks, case: &CaseFile) -> Vec<Option<Instant>> {
    let alerts = &steps.intake.facts.alerts;
    let mut failures: BTreeMap<IpAddr, u64> = BTreeMap::new();
    let failed = || alerts.iter().filter(|alert| alert.category == "ssh-login-failed");
    for (src, count) in failed().filter_map(|alert| Some((alert.src?, alert.count))) {
        let sum = failures.entry(src).or_insert(0);
        *sum = sum.saturating_add(count);
    }
    failures.retain(|src, count| *count >= ROW_OF_FAILURES && case.host_of_address(*src).is_none());
    failed()
        .filter(|alert| alert.src.is_some_and(|src| failures.contains_key(&src)))
        .map(|alert| alert.first.map(|span| clocks.align(alert.record.evidence, span.lo)))
        .collect()
}

/// A login by SSH that a stranger was granted.
pub(super) struct Accepted<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) src: IpAddr,
    /// The first and the last of them; `None` where the log has no times.
    pub(super) moments: Option<(Instant, Instant)>,
}

fn accepted<'a>(steps: &Steps<'a>, clocks: &Clocks, case: &CaseFile) -> Vec<Accepted<'a>> {
    let granted = steps.intake.facts.alerts.iter().filter(|alert| alert.category == "ssh-login-accepted");
    granted
        .filter_map(|alert| {
            let src = alert.src.filter(|src| !is_private(*src) && case.host_of_address(*src).is_none())?;
            let align = |at: Instant| clocks.align(alert.record.evidence, at);
            let moments = alert.first.zip(alert.last).map(|(first, last)| (align(first.lo), align(last.lo)));
            Some(Accepted { host: alert.host.as_deref(), user: alert.user.as_deref(), src, moments })
        })
        .collect()
}

/// When calls that could reach the network ran, give or take their clocks.
pub(super) struct Calls {
    /// By uncertainty of the clock: starts with the latest end of any that began until then, ascending.
    by_slack: BTreeMap<i64, Vec<(Instant, Instant)>>,
}

impl Calls {
    fn new(steps: &Steps<'_>) -> Self {
        let mut by_slack: BTreeMap<i64, Vec<(Instant, Instant)>> = BTreeMap::new();
        for (time, act) in steps.times.iter().zip(steps.acts).filter(|(time, act)| time.stamped && act.network) {
            if let (Some(start), Some(end)) = (time.start, time.end) {
                // A launcher explains whatever comes later: then nothing lies outside for certain.
                let end = if act.leaves_running() { Instant(i64::MAX) } else { end };
                by_slack.entry(time.slack_ns).or_default().push((start, end));
            }
        }
        for calls in by_slack.values_mut() {
            calls.sort_unstable();
            let mut latest = Instant(i64::MIN);
            for (_, end) in calls.iter_mut() {
                latest = latest.max(*end);
                *end = latest;
            }
        }
        Calls { by_slack }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_slack.is_empty()
    }

    /// Share of the time from `first` to `last` in which no call ran or had ended less than a second before.
    fn idle_share(&self, first: Instant, last: Instant) -> Option<f64> {
        let whole = last.since(first);
        if whole <= 0 || self.is_empty() {
            return None;
        }
        let mut calls: Vec<(Instant, Instant)> = Vec::new();
        for (slack, of) in &self.by_slack {
            let slack = slack.saturating_add(SECOND);
            calls.extend(of.iter().map(|(start, end)| (start.plus(-slack).max(first), end.plus(slack).min(last))));
        }
        calls.sort_unstable();
        let (mut covered, mut until) = (0_i64, first);
        for (start, end) in calls {
            covered = covered.saturating_add(end.since(start.max(until)).max(0));
            until = until.max(end);
        }
        Some(1.0 - covered.min(whole) as f64 / whole as f64)
    }

    /// Whether a call ran when the event began, or had ended less than a second before.
    pub(super) fn cover(&self, event: &Event<'_>) -> bool {
        self.by_slack.iter().any(|(slack, calls)| {
            let slack = slack.saturating_add(event.slack_ns).saturating_add(SECOND);
            let begun = calls.partition_point(|(start, _)| start.plus(-slack) <= event.at);
            let latest = begun.checked_sub(1).and_then(|last| calls.get(last));
            latest.is_some_and(|(_, end)| event.at <= end.plus(slack))
        })
    }
}
