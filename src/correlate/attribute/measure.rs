//! What the case itself says of commands and connections that nobody suspects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::served::Served;
use super::{Steps, Yardstick};
use crate::correlate::attribution::{Background, Containment, LagModel, Recurrence};
use crate::correlate::events::{Event, Events};
use crate::correlate::tokens::{self, Token};
use crate::correlate::traffic::Traffic;
use crate::time::SECOND;

impl Yardstick {
    /// Measures the case by the connections that agents may have opened. Steps whose command meets a rule are left out
    /// throughout.
    pub(crate) fn new(steps: &Steps<'_>, traffic: &Traffic<'_>, timing: bool) -> Self {
        let events = traffic.events();
        let mut written: BTreeMap<Token, u64> = BTreeMap::new();
        let mut reference = 0;
        let benign = |at: usize| !steps.acts[at].is_suspect();
        for (at, step) in steps.intake.steps.iter().enumerate() {
            if benign(at) && step.command.is_some() {
                reference += 1;
                for token in steps.acts[at].tokens() {
                    *written.entry(token.clone()).or_insert(0) += 1;
                }
            }
        }
        let (mut calls, mut literal, mut matched, mut mismatched) = (0, 0, 0, 0);
        let (mut launched, mut launched_persisted, mut persisted) = (0, 0, 0);
        let mut lags = Vec::new();
        let mut seen_from: Option<BTreeMap<Token, BTreeSet<Option<IpAddr>>>> = None;
        for (at, step) in steps.intake.steps.iter().enumerate() {
            if !benign(at) || !steps.acts[at].is_control() || step.not_executed {
                continue;
            }
            let time = steps.times[at];
            let place = steps.identity.place(&step.episode);
            let fits_at = |event: &Event<'_>| place.and_then(|place| place.fits_at(event.src, event.at)) != Some(false);
            let fits = |src: Option<IpAddr>| place.and_then(|place| place.fits(src)) != Some(false);
            if !time.stamped {
                // Without times a control is a call whose words the traffic bears out at all.
                let seen_from = seen_from.get_or_insert_with(|| sources_by_token(events));
                let written = steps.acts[at].tokens();
                let literal_from = written.iter().filter_map(|token| seen_from.get(token));
                let inside = tokens::networks(written).flat_map(|(_, network)| {
                    seen_from.range(tokens::addresses_of(network)).map(|(_, sources)| sources)
                });
                calls += 1;
                literal += u64::from(literal_from.chain(inside).flatten().any(|src| fits(*src)));
                continue;
            }
            let (Some(start), Some(end)) = (time.start, time.end) else { continue };
            let wide = time.slack_ns.saturating_add(60 * SECOND);
            let (from, to) = (start.plus(-wide), end.plus(wide));
            let here = traffic.of_place(place, from, to).into_iter().any(|event| steps.during(at, &event));
            calls += u64::from(here);
            let named = traffic.named(steps.acts[at].tokens(), from, to);
            let mut named = named.into_iter().filter(|event| steps.during(at, event)).peekable();
            let met_any = named.peek().is_some();
            if let Some(event) = named.find(|event| fits_at(event)) {
                literal += 1;
                lags.push(event.at.since(start));
                matched += 1;
                let outlived = event.until > end.plus(event.slack_ns.saturating_add(time.slack_ns));
                persisted += u64::from(outlived);
                if steps.acts[at].leaves_running() {
                    launched += 1;
                    launched_persisted += u64::from(outlived);
                }
            } else if met_any {
                matched += 1;
                mismatched += 1;
            }
        }
        let mut from: BTreeMap<Option<IpAddr>, u64> = BTreeMap::new();
        // One by one: a list of them all, to be sorted, would be as long as there are connections.
        let (mut peers, mut without_name) = (BTreeSet::new(), BTreeSet::new());
        for event in events.iter() {
            *from.entry(event.src).or_insert(0) += 1;
            peers.insert((event.dst, event.dst_port));
            if event.tokens.iter().any(|token| matches!(token, Token::UnresolvedPort(_))) {
                without_name.insert((event.dst, event.dst_port));
            }
        }
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
        // Means over tokens, each at least once by half.
        let distinct = written.len().max(1) as f64;
        let total: u64 = written.values().sum();
        Yardstick {
            reference,
            coincidence: (total as f64 / distinct + 0.5) / (reference as f64 + 1.0),
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
            containment: containment(steps, traffic, events),
            served: Served::new(steps, traffic),
            background,
            any_step,
            observed_s: observed_s(events).min(86_400.0),
            whole_s: observed_s(events),
            timing,
        }
    }
}

/// How long benign calls take, and how many of the connections that they name begin before they end.
fn containment(steps: &Steps<'_>, traffic: &Traffic<'_>, events: &Events) -> Containment {
    let widest = events.iter().map(|event| event.slack_ns).max().unwrap_or(0);
    let (mut calls, mut inside, mut anchors) = (Vec::new(), 0, 0);
    for (at, act) in steps.acts.iter().enumerate() {
        let (step, time) = (&steps.intake.steps[at], steps.times[at]);
        let (Some(start), Some(end)) = (time.start, time.end) else { continue };
        let plain = act.network && !act.is_suspect() && !act.leaves_running() && act.delay_ns == 0;
        if !plain || !time.stamped || step.not_executed {
            continue;
        }
        let next = steps.next_start(at).map_or(i64::MAX, |next| next.since(start));
        calls.push((end.since(start), next));
        let latest = start.plus(Containment::SOON_NS);
        let earliest = start.plus(-widest.saturating_add(time.slack_ns));
        let fits = |event: &Event<'_>| steps.identity.fits_at(&step.episode, event.src, event.at) != Some(false);
        if let Some(event) = traffic.named(act.tokens(), earliest, latest).into_iter().find(fits) {
            anchors += 1;
            inside += u64::from(event.at <= end.plus(event.slack_ns.saturating_add(time.slack_ns)));
        }
    }
    Containment::new(&calls, inside, anchors)
}

/// From which addresses each token was reached.
fn sources_by_token(events: &Events) -> BTreeMap<Token, BTreeSet<Option<IpAddr>>> {
    let mut sources: BTreeMap<Token, BTreeSet<Option<IpAddr>>> = BTreeMap::new();
    for event in events.iter() {
        for token in event.tokens.iter() {
            match sources.get_mut(token) {
                Some(known) => drop(known.insert(event.src)),
                None => drop(sources.insert(token.clone(), BTreeSet::from([event.src]))),
            }
        }
    }
    sources
}

/// First to last event in seconds, at least 1.
fn observed_s(events: &Events) -> f64 {
    events.extent().map_or(1.0, |(first, last)| (last.since(first) as f64 / SECOND as f64).max(1.0))
}
