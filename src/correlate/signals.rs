//! Signals on the reference clock, traced to the steps that line up with them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rayon::prelude::*;

use super::attribute::{Attribution, Attributor, LinedUp, Steps};
use super::clocks::Clocks;
use super::events::{Event, Events, Row};
use super::names::Names;
use super::tokens::{Token, Written};
use super::traced::Traced;
use crate::evidence::{EvidenceId, Record};
use crate::model::{Behaviour, Confidence, Flow, Signal, SignalSource};
use crate::time::{Basis, Instant, Span};

/// A peer in one source: evidence, address, port.
type Peer = (Option<EvidenceId>, Option<IpAddr>, Option<u16>);

/// Where the event of a signal stands: among the connections, or beside them.
#[derive(Clone, Copy)]
enum Place {
    Connection(usize),
    Beside(usize),
}

/// A connection, by what a signal is told its own by.
struct Begun {
    place: usize,
    at: Instant,
    src_port: Option<u16>,
}

/// Signals with their events: those of a connection take the attribution of that connection; sweeps and GPU signals are
/// events of their own.
pub(crate) struct Placed {
    signals: Vec<Signal>,
    places: Vec<Place>,
    pub(crate) others: Events,
}

impl Placed {
    pub(crate) fn new(
        signals: Vec<Signal>,
        events: &Events,
        steps: &Steps<'_>,
        clocks: &Clocks,
        names: &Names,
    ) -> Self {
        let mut by_peers: BTreeMap<(EvidenceId, Flow), Vec<Begun>> = BTreeMap::new();
        let cited = |signal: &Signal| Some((signal.records.first()?.evidence, Flow { src_port: None, ..signal.flow? }));
        // Without steps there is nothing to be attributed to: a signal stands for itself.
        let cited: BTreeSet<(EvidenceId, Flow)> = match steps.intake.steps.is_empty() {
            true => BTreeSet::new(),
            false => signals.iter().filter_map(cited).collect(),
        };
        for (at, event) in events.iter().enumerate() {
            let peers = (event.evidence, event.peers());
            if cited.contains(&peers) {
                by_peers.entry(peers).or_default().push(Begun { place: at, at: event.at, src_port: event.src_port });
            }
        }
        let written = Written::of(steps.acts.iter().map(|act| act.tokens()));
        let mut others = Vec::new();
        let place = |signal: &Signal| {
            let known = connection_of(signal, &by_peers).filter(|_| signal.targets.is_empty());
            known.map(Place::Connection).unwrap_or_else(|| {
                others.push(as_event(signal, clocks, names, &written));
                Place::Beside(others.len() - 1)
            })
        };
        let places = signals.iter().map(place).collect();
        Placed { signals, places, others: events.beside(others) }
    }

    /// Each signal with the step that its event lines up with.
    pub(crate) fn trace(self, events: &Events, steps: &Steps<'_>, attributor: &Attributor<'_>) -> Vec<Traced> {
        let Placed { signals, places, others } = self;
        let traced = |(mut signal, place): (Signal, Place)| {
            let event = match place {
                Place::Connection(at) => events.get(at),
                Place::Beside(at) => others.get(at),
            };
            let attribution = event.map(|event| attributor.attribute(&event)).unwrap_or_default();
            raise_named_sweep(&mut signal, &attribution, steps);
            Traced { timed: event.is_some_and(|event| event.timed), attribution, signal }
        };
        signals.into_par_iter().zip(places).map(traced).collect()
    }
}

/// A sweep whose outcome the log does not tell is strong where the command that lines up with it is a sweep by a
/// strong rule and names the targets.
fn raise_named_sweep(signal: &mut Signal, attribution: &Attribution, steps: &Steps<'_>) {
    let swept = attribution.best.as_ref().is_some_and(|best| {
        let probing =
            |hit: &super::acts::Hit| hit.behaviour == Behaviour::Probing && hit.confidence >= Confidence::Strong;
        !best.shared.is_empty() && steps.acts[best.step].hits.iter().any(probing)
    });
    if signal.behaviour == Behaviour::Probing && swept {
        signal.confidence = signal.confidence.max(Confidence::Strong);
    }
}

/// The connection that the signal was seen in: the last of its flow in the same evidence that had begun when the
/// signal did, or the first of all if none had.
fn connection_of(signal: &Signal, by_peers: &BTreeMap<(EvidenceId, Flow), Vec<Begun>>) -> Option<usize> {
    let flow = signal.flow?;
    let evidence = signal.records.first()?.evidence;
    let first = signal.span.map(|span| span.lo);
    let theirs = by_peers.get(&(evidence, Flow { src_port: None, ..flow }))?.iter();
    let same = theirs.filter(|one| flow.src_port.is_none_or(|port| one.src_port == Some(port)));
    let latest = same.max_by_key(|one| {
        let begun = first.is_none_or(|first| one.at <= first);
        (begun, if begun { one.at.0 } else { one.at.0.saturating_neg() }, std::cmp::Reverse(one.place))
    });
    latest.map(|one| one.place)
}

/// With what it shows of what any command has: of the thousands that a sweep tries, most are named by none.
fn as_event(signal: &Signal, clocks: &Clocks, names: &Names, written: &Written<'_>) -> (Row, BTreeSet<Token>) {
    let flow = signal.flow.unwrap_or_default();
    let evidence = signal.records.first().map_or(EvidenceId(0), |record| record.evidence);
    let mut tokens = names.shown(flow.dst, flow.dst_port);
    tokens.extend(signal.domains.iter().map(|domain| Token::Name(domain.clone())));
    for target in &signal.targets {
        tokens.extend(names.tokens(target.dst, target.dst_port).into_iter().filter(|token| written.counts(token)));
    }
    if matches!(signal.source, SignalSource::Gpu | SignalSource::Host) {
        // The program as the GPU or the machine named it: the last component of a path.
        for word in signal.summary.split_whitespace().filter(|word| word.contains('/')) {
            tokens.extend(
                word.rsplit('/').next().filter(|name| !name.is_empty()).map(|name| Token::Program(name.to_owned())),
            );
        }
    }
    tokens.retain(|token| written.counts(token));
    let dated = signal.span.is_some_and(|span| span.basis.is_dated())
        || signal.span.is_some_and(|span| clocks.is_tied_on_reference(evidence, span.lo));
    // The span has been aligned already: only the stamp's own width is left to add.
    let half = clocks.half_unit_ns(evidence);
    let slack_ns = signal.span.map_or(0, |span| clocks.slack_on_reference_ns(evidence, span.lo)).saturating_add(half);
    let at = signal.span.map(|span| span.lo.plus(half)).unwrap_or_default();
    let row = Row {
        evidence,
        at,
        slack_ns,
        until: signal.span.map_or(at, |span| span.hi.max(at)),
        src: flow.src,
        src_port: flow.src_port,
        dst: flow.dst,
        dst_port: flow.dst_port,
        protocol: flow.protocol,
        number: signal.records.first().map_or(0, |record| record.number),
        shows: 0,
        segment: None,
        timed: signal.span.is_some() && dated,
        failed: false,
    };
    (row, tokens)
}

/// Whether a command that is of it makes a signal of the connection that it names.
fn leaves_traffic(behaviour: Behaviour) -> bool {
    matches!(behaviour, Behaviour::Mining | Behaviour::Tunnel | Behaviour::Download)
}

/// What a connection is a signal of because the command that set it off is one: a pool named on a miner's command
/// line is reached, whatever the bytes inside are.
pub(crate) fn named_by_command(
    events: &Events,
    lined_up: &[LinedUp],
    attributor: &Attributor<'_>,
    traced: &[Traced],
    steps: &Steps<'_>,
    names: &Names,
) -> Vec<Traced> {
    let known: BTreeSet<(Behaviour, Peer)> = traced
        .iter()
        .filter(|one| one.signal.confidence >= Confidence::Strong && leaves_traffic(one.signal.behaviour))
        .flat_map(|one| {
            let signal = &one.signal;
            let evidence = signal.records.first().map(|record| record.evidence);
            let peers = signal.flow.iter().chain(&signal.targets);
            peers.map(move |flow| (signal.behaviour, (evidence, flow.dst, flow.dst_port)))
        })
        .collect();
    let mut found: BTreeMap<(usize, Behaviour, Peer), Traced> = BTreeMap::new();
    for one in lined_up.iter().filter(|one| one.names_peer) {
        let (step, Some(event)) = (one.step as usize, events.get(one.event as usize)) else { continue };
        for hit in &steps.acts[step].hits {
            let at = (Some(event.evidence), event.dst, event.dst_port);
            let said = known.contains(&(hit.behaviour, at));
            if !leaves_traffic(hit.behaviour) || hit.confidence < Confidence::Strong || said {
                continue;
            }
            let span = Span { lo: event.at, hi: event.until, basis: Basis::ExplicitOffset };
            let key = (step, hit.behaviour, at);
            match found.get_mut(&key) {
                Some(traced) => {
                    traced.signal.records.push(event.record());
                    if let Some(known) = &mut traced.signal.span {
                        *known = known.cover(span);
                    }
                }
                None => drop(found.insert(key, named(&event, attributor.attribute(&event), hit, span, names))),
            }
        }
    }
    found.into_values().collect()
}

fn named(event: &Event<'_>, attribution: Attribution, hit: &super::acts::Hit, span: Span, names: &Names) -> Traced {
    let peer = match (event.dst, event.dst_port) {
        (Some(dst), Some(port)) => std::net::SocketAddr::new(dst, port).to_string(),
        (Some(dst), None) => dst.to_string(),
        _ => "its peer".to_owned(),
    };
    let seconds = (event.until.since(event.at) as f64 / crate::time::SECOND as f64).round();
    let outcome = if event.failed { "refused or unanswered" } else { "let through" };
    // A log line tells of a beginning alone.
    let lasted = if seconds > 0.0 { format!(", {seconds:.0} s") } else { String::new() };
    let name =
        event.dst.and_then(|dst| names.of(dst).first().cloned()).map_or_else(String::new, |name| format!(" ({name})"));
    Traced {
        signal: Signal {
            kind: format!("{}-traffic", hit.kind),
            // Refused traffic is an attempt.
            confidence: if event.failed { Confidence::Weak } else { Confidence::Strong },
            span: event.timed.then_some(span),
            flow: Some(Flow { src_port: event.src_port, ..event.peers() }),
            rule: Some(hit.rule.clone()),
            summary: format!("connection to {peer}{name} that the command names, {outcome}{lasted}"),
            domains: event.dst.map(|dst| names.of(dst)).unwrap_or_default(),
            records: vec![event.record()],
            ..Signal::new(hit.behaviour, SignalSource::Network)
        },
        attribution,
        timed: event.timed,
    }
}

/// Acts that the transcripts record, as signals of their own.
pub(crate) fn from_commands(steps: &Steps<'_>) -> Vec<Traced> {
    let mut all = Vec::new();
    for (at, act) in steps.acts.iter().enumerate() {
        let step = &steps.intake.steps[at];
        for hit in act.hits.iter().filter(|_| !step.not_executed) {
            let records: BTreeSet<Record> = [Some(step.record), step.result_record]
                .into_iter()
                .flatten()
                .chain(step.also.iter().copied())
                .collect();
            all.push(Traced {
                signal: Signal {
                    kind: hit.kind.clone(),
                    confidence: hit.confidence,
                    span: steps.times[at].span().filter(|_| steps.times[at].stamped),
                    host: steps.identity.place(&step.episode).and_then(|place| place.host.clone()),
                    rule: Some(hit.rule.clone()),
                    summary: format!("{} (step {})", hit.title, step.index),
                    records: records.into_iter().collect(),
                    ..Signal::new(hit.behaviour, SignalSource::Command)
                },
                attribution: Attribution { best: None },
                timed: steps.times[at].stamped,
            });
        }
    }
    all
}

/// Moves a signal of a detector from the clock of its source to the reference clock.
pub(crate) fn align(mut signal: Signal, clocks: &Clocks) -> Signal {
    if let (Some(span), Some(record)) = (signal.span, signal.records.first()) {
        let evidence = record.evidence;
        signal.span =
            Some(Span { lo: clocks.align(evidence, span.lo), hi: clocks.align(evidence, span.hi), basis: span.basis });
    }
    signal
}

/// Sorts and numbers: by time, then evidence, record and kind.
pub(crate) fn number(traced: &mut [Traced]) {
    traced.sort_by(|a, b| {
        let key = |one: &Traced| {
            let span = one.signal.span;
            (
                span.is_none(),
                span.map(|span| span.lo),
                one.signal.records.clone(),
                one.signal.behaviour,
                one.signal.kind.clone(),
                one.signal.flow,
            )
        };
        key(a).cmp(&key(b))
    });
    for (number, one) in traced.iter_mut().enumerate() {
        one.signal.id = format!("S-{:04}", number + 1);
    }
}

#[cfg(test)]
mod tests;
