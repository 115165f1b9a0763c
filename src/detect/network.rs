//! What conversations show: pool protocols, SSH sessions, names on lists, refusals by the firewall.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::rules::{ConnectionContext, DnsContext, RuleHit, RuleSet};
use super::seen::cited;
use super::{Seen, mining, ssh};
use crate::evidence::Record;
use crate::intake::{Facts, HashPrice, Ledger, NameSource};
use crate::model::{Behaviour, Confidence, Conversation, Flow, Signal, SignalSource};
use crate::time::{SECOND, Span};

/// Refused connections to one peer, from which on they are a signal.
const FEWEST_REFUSALS: u64 = 3;

/// Pool protocols in the clear and SSH sessions that are more than sessions.
pub fn protocols(facts: &Facts, prices: &[HashPrice]) -> Vec<Signal> {
    let mut all = mining::discovery(&facts.mining);
    for fact in facts.mining.iter().filter(|fact| !mining::is_discovery(&fact.mining.dialect)) {
        let span = fact.span.map(|span| span.until(fact.mining.last));
        if let Some(mut seen) = mining::judge(&fact.mining) {
            if let Some(value) = mining::value(&fact.mining, prices) {
                seen.summary.push_str(&format!(", {value}"));
            }
            all.push(signal(Behaviour::Mining, seen, fact.flow, span, fact.record));
        }
    }
    for fact in &facts.ssh {
        let span = fact.span.map(|span| span.until(fact.ssh.last));
        for seen in ssh::judge(&fact.ssh, &fact.flow) {
            all.push(signal(Behaviour::Tunnel, seen, fact.flow, span, fact.record));
        }
    }
    for (seen, fact) in ssh::guessing(&facts.ssh) {
        all.push(signal(Behaviour::Probing, seen, fact.flow, fact.span, fact.record));
    }
    all
}

/// Names that rules know, asked for in DNS or spoken to a peer.
pub fn names(facts: &Facts, rules: &RuleSet) -> Vec<Signal> {
    let mut all = Vec::new();
    for fact in &facts.queries {
        for hit in rules.dns(&DnsContext { query: &fact.name, record_type: None }) {
            let flow = Flow { src: fact.client, ..Flow::default() };
            let summary = format!("DNS query for {}: {} ({} times)", fact.name, hit.title, fact.count);
            all.push(named(&hit, "dns", summary, &fact.name, Some(flow), fact.first, fact.record));
        }
    }
    for fact in &facts.names {
        for hit in rules.dns(&DnsContext { query: &fact.name, record_type: None }) {
            let how = match fact.source {
                NameSource::Sni => "TLS to",
                NameSource::Certificate => "TLS with a certificate for",
                NameSource::Host => "HTTP to",
                NameSource::Device => "by the device's word, a connection to",
            };
            let peer = fact.flow.dst.zip(fact.flow.dst_port);
            let peer =
                peer.map_or_else(String::new, |(dst, port)| format!(" ({})", std::net::SocketAddr::new(dst, port)));
            let times = if fact.count == 1 { String::new() } else { format!(", {} connections", fact.count) };
            let summary = format!("{how} {}{peer}: {}{times}", fact.name, hit.title);
            let span = fact.first.map(|span| span.until(fact.last));
            all.push(named(&hit, "name", summary, &fact.name, Some(fact.flow), span, fact.record));
        }
    }
    all
}

/// Peers that rules know by address and port. A port alone, or an address alone, stays a lead and is left to whoever
/// asks for it: only what a rule calls strong becomes a signal.
pub fn connections(conversations: &Ledger<Conversation>, rules: &RuleSet) -> Vec<Signal> {
    let mut all = Vec::new();
    for conversation in conversations.iter() {
        let key = conversation.key;
        let context = ConnectionContext {
            src: key.src,
            dst: key.dst,
            dst_port: key.dst_port,
            protocol: key.protocol,
            ..ConnectionContext::default()
        };
        let (Some(first), Some(last)) = (conversation.segments.first(), conversation.segments.last()) else { continue };
        for hit in rules.connection(&context).iter().filter(|hit| hit.confidence >= Confidence::Strong) {
            let flow = key.flow();
            let count: u64 = conversation.segments.iter().map(|segment| segment.observations).sum();
            let mut signal = named(
                hit,
                "connection",
                format!("{}: {} ({count} records)", hit.title, peer(key.dst, key.dst_port)),
                "",
                Some(flow),
                Some(Span { lo: first.first, hi: last.last, basis: first.basis }),
                Record { evidence: key.evidence, number: first.first_record },
            );
            signal.domains.clear();
            all.push(signal);
        }
    }
    all
}

fn peer(dst: Option<IpAddr>, port: Option<u16>) -> String {
    match (dst, port) {
        (Some(dst), Some(port)) => std::net::SocketAddr::new(dst, port).to_string(),
        (Some(dst), None) => dst.to_string(),
        _ => "an unknown peer".to_owned(),
    }
}

/// Peers that the firewall refused again and again, other than the targets of a sweep or of another signal.
pub fn denied(conversations: &Ledger<Conversation>, known: &[Signal]) -> Vec<Signal> {
    if conversations.iter().all(|conversation| conversation.segments.iter().all(|segment| segment.denied == 0)) {
        // A capture refuses nothing.
        return Vec::new();
    }
    let mut told: BTreeSet<(Option<IpAddr>, Option<IpAddr>, Option<u16>)> = BTreeSet::new();
    for signal in known {
        let own = signal.flow.iter().filter(|flow| flow.dst.is_some());
        told.extend(own.chain(&signal.targets).map(|flow| (flow.src, flow.dst, flow.dst_port)));
    }
    let mut all = Vec::new();
    for conversation in conversations.iter() {
        let key = conversation.key;
        let refused: u64 = conversation.segments.iter().map(|segment| segment.denied).sum();
        let allowed: u64 = conversation.segments.iter().map(|segment| segment.allowed).sum();
        if refused < FEWEST_REFUSALS || allowed > 0 || told.contains(&(key.src, key.dst, key.dst_port)) {
            continue;
        }
        let (Some(first), Some(last)) = (conversation.segments.first(), conversation.segments.last()) else { continue };
        let seconds = last.last.since(first.first) as f64 / SECOND as f64;
        let peer = peer(key.dst, key.dst_port);
        let flow = key.flow();
        let record = |number| Record { evidence: key.evidence, number };
        let mut records = vec![record(first.first_record), record(last.last_record)];
        records.dedup();
        all.push(Signal {
            kind: "denied".to_owned(),
            confidence: Confidence::Strong,
            span: Some(Span { lo: first.first, hi: last.last, basis: first.basis }),
            flow: Some(flow),
            rule: first.rules.as_slice().first().map(|(rule, _)| rule.clone()),
            summary: format!("{refused} connections to {peer} refused by the firewall over {seconds:.0} s"),
            records,
            ..Signal::new(Behaviour::EgressViolation, SignalSource::Network)
        });
    }
    all
}

fn signal(behaviour: Behaviour, seen: Seen, flow: Flow, span: Option<Span>, record: Record) -> Signal {
    Signal {
        records: cited(record, &seen.records),
        kind: seen.kind,
        confidence: seen.confidence,
        span,
        flow: Some(flow),
        summary: seen.summary,
        ..Signal::new(behaviour, SignalSource::Network)
    }
}

fn named(
    hit: &RuleHit<'_>,
    how: &str,
    summary: String,
    name: &str,
    flow: Option<Flow>,
    span: Option<Span>,
    record: Record,
) -> Signal {
    Signal {
        kind: format!("{}-{how}", hit.kind),
        confidence: hit.confidence,
        span,
        flow,
        rule: Some(hit.id.clone()),
        summary,
        domains: vec![name.to_owned()],
        records: vec![record],
        ..Signal::new(hit.behaviour, SignalSource::Network)
    }
}
