//! Names resolved inside of TLS or QUIC (DNS over HTTPS, RFC 8484; over TLS, RFC 7858; over QUIC, RFC 9250): where they
//! go is seen, what is asked is not.

use std::net::{IpAddr, Ipv4Addr};

use crate::evidence::Record;
use crate::intake::{Facts, Ledger, NameFact, NameSource};
use crate::model::{Behaviour, Confidence, Conversation, Flow, Protocol, Signal, SignalSource};
use crate::time::Span;

/// Names that are those of resolvers and of nothing else, with all that is under them; each as its operator documents
/// it for DNS over HTTPS, TLS or QUIC.
const NAMES: [&str; 17] = [
    "cloudflare-dns.com",
    "dns.adguard-dns.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.google",
    "dns.nextdns.io",
    "dns.quad9.net",
    "dns.sb",
    "dns11.quad9.net",
    "dns9.quad9.net",
    "doh.cleanbrowsing.org",
    "doh.dns.sb",
    "doh.opendns.com",
    "doh.pub",
    "doh.xfinity.com",
    "dot.pub",
    "one.one.one.one",
];

/// Addresses at which the same resolvers answer. Not all that they serve is resolution.
const ADDRESSES: [Ipv4Addr; 10] = [
    Ipv4Addr::new(1, 0, 0, 1),
    Ipv4Addr::new(1, 1, 1, 1),
    Ipv4Addr::new(8, 8, 4, 4),
    Ipv4Addr::new(8, 8, 8, 8),
    Ipv4Addr::new(9, 9, 9, 9),
    Ipv4Addr::new(94, 140, 14, 14),
    Ipv4Addr::new(94, 140, 15, 15),
    Ipv4Addr::new(149, 112, 112, 112),
    Ipv4Addr::new(208, 67, 220, 220),
    Ipv4Addr::new(208, 67, 222, 222),
];

/// IANA: domain-s.
const DOT: u16 = 853;

/// Encrypted resolution, by the name that the client spoke, or by address or port: leads, as browsers do this by
/// themselves.
pub fn encrypted(facts: &Facts, conversations: &Ledger<Conversation>) -> Vec<Signal> {
    let spoken = |fact: &&NameFact| fact.source == NameSource::Sni && is_resolver(&fact.name);
    let mut all: Vec<Signal> = facts.names.iter().filter(spoken).map(named).collect();
    let told: std::collections::BTreeSet<(Record, Flow)> = facts
        .names
        .iter()
        .filter(|fact| fact.source == NameSource::Sni)
        .map(|fact| (Record { number: 0, ..fact.record }, fact.flow))
        .collect();
    for conversation in conversations.iter() {
        let key = conversation.key;
        let evidence = Record { evidence: key.evidence, number: 0 };
        if told.contains(&(evidence, key.flow())) || !matches!(key.protocol, Some(Protocol::TCP | Protocol::UDP)) {
            continue;
        }
        let by_address =
            key.dst_port == Some(443) && key.dst.is_some_and(|dst| ADDRESSES.map(IpAddr::V4).contains(&dst));
        let answered =
            conversation.segments.iter().any(|segment| segment.bytes_in.get().is_some_and(|bytes| bytes > 0));
        if !answered || !(by_address || key.dst_port == Some(DOT)) {
            continue;
        }
        let (Some(first), Some(last)) = (conversation.segments.first(), conversation.segments.last()) else { continue };
        let what = if by_address {
            "to the address of a public resolver, without a server name"
        } else {
            "to the port of DNS over TLS and QUIC"
        };
        let span = Span { lo: first.first, hi: last.last, basis: first.basis };
        let record = Record { evidence: key.evidence, number: first.first_record };
        all.push(signal(key.flow(), Some(span), format!("encrypted DNS by its place: {what}"), None, record));
    }
    all
}

fn is_resolver(name: &str) -> bool {
    NAMES.iter().any(|known| name.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

fn named(fact: &NameFact) -> Signal {
    let span = fact.first.map(|span| span.until(fact.last));
    let summary = format!("encrypted DNS: {} connections to {}, the name of a resolver", fact.count, fact.name);
    signal(fact.flow, span, summary, Some(&fact.name), fact.record)
}

fn signal(flow: Flow, span: Option<Span>, summary: String, name: Option<&str>, record: Record) -> Signal {
    Signal {
        kind: "encrypted-dns".to_owned(),
        confidence: Confidence::Weak,
        span,
        flow: Some(flow),
        summary,
        domains: name.map(str::to_owned).into_iter().collect(),
        records: vec![record],
        ..Signal::new(Behaviour::Tunnel, SignalSource::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;

    #[test]
    fn the_name_of_a_resolver_is_a_lead_and_one_that_looks_like_it_is_nothing() {
        let fact = |name: &str| NameFact {
            name: name.to_owned(),
            source: NameSource::Sni,
            flow: Flow::default(),
            first: None,
            last: None,
            record: Record { evidence: EvidenceId(0), number: 1 },
            count: 1,
        };
        let names = ["mozilla.cloudflare-dns.com", "dns.google", "mydns.google", "dns.google.com", "example.org"];
        let facts = Facts { names: names.iter().map(|name| fact(name)).collect(), ..Facts::default() };
        let found = encrypted(&facts, &Ledger::default());
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|signal| signal.confidence == Confidence::Weak));
    }
}
