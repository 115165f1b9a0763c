//! Protocols that carry other traffic, as signals: who carries what to where.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::seen::{RECORDS_CITED, cited};
use crate::evidence::{EvidenceId, Record};
use crate::intake::{Facts, TunnelFact};
use crate::model::{Behaviour, Confidence, Flow, Mark, Signal, SignalSource, TunnelClass, is_private};
use crate::time::{SECOND, Span};

/// One signal for each opener, peer and port that spoke a carrying protocol. Encapsulation between inside addresses is
/// how networks are built, and one signal a protocol: its pairs are the signal's targets.
pub fn carriers(facts: &Facts) -> Vec<Signal> {
    let mut all = Vec::new();
    let mut fabric: BTreeMap<(EvidenceId, &'static str), Vec<&TunnelFact>> = BTreeMap::new();
    for fact in &facts.tunnels {
        if fact.tunnel.class == TunnelClass::Encapsulation && !leads_outside(&fact.flow) {
            fabric.entry((fact.record.evidence, fact.tunnel.protocol)).or_default().push(fact);
        } else {
            all.push(signal(fact));
        }
    }
    all.extend(fabric.into_values().filter_map(|facts| together(&facts)));
    all
}

fn confidence(mark: Mark) -> Confidence {
    match mark {
        Mark::Exchange => Confidence::Certain,
        Mark::OneSide => Confidence::Strong,
        Mark::Shape => Confidence::Weak,
    }
}

fn leads_outside(flow: &Flow) -> bool {
    [flow.src, flow.dst].into_iter().flatten().any(|address| !is_inside(address))
}

/// Addresses that are not routed on the Internet (RFC 6890).
pub(super) fn is_inside(address: IpAddr) -> bool {
    is_private(address) || address.is_unspecified() || address.is_multicast()
}

fn kind(fact: &TunnelFact) -> String {
    let reversed = if fact.tunnel.reversed { "-reverse" } else { "" };
    format!("{}{reversed}", fact.tunnel.protocol)
}

/// A fact as a signal.
pub(super) fn signal(fact: &TunnelFact) -> Signal {
    let tunnel = &fact.tunnel;
    let mut summary = tunnel.protocol.to_owned();
    if tunnel.reversed {
        summary.push_str(", asked for by the side that accepted the connection");
    }
    if !tunnel.note.is_empty() {
        summary.push_str(": ");
        summary.push_str(&tunnel.note);
    }
    if let Some(first) = fact.targets.first() {
        let more = match fact.targets.len() - 1 {
            0 => String::new(),
            more if fact.targets.len() == TunnelFact::TARGETS_KEPT => format!(" and {more} others or more"),
            more => format!(" and {more} others"),
        };
        summary.push_str(&format!("; leads to {first}{more}"));
    }
    if let Some(inside) = tunnel.inside {
        summary.push_str(&format!("; carries {inside}"));
    }
    summary.push_str(&format!("; {}", extent(tunnel.packets, fact.count, fact.span)));
    Signal {
        kind: kind(fact),
        confidence: confidence(tunnel.mark),
        span: fact.span,
        flow: Some(fact.flow),
        summary,
        domains: fact.targets.iter().filter_map(|target| name_of(target)).collect(),
        records: cited(fact.record, &tunnel.proof),
        ..Signal::new(Behaviour::Tunnel, SignalSource::Network)
    }
}

/// The name in `name:port`; nothing for an address.
fn name_of(target: &str) -> Option<String> {
    let name = target.rsplit_once(':').map_or(target, |(name, _)| name);
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (!is_address && !name.is_empty()).then(|| name.to_ascii_lowercase())
}

fn extent(packets: u64, conversations: u64, span: Option<Span>) -> String {
    let plural = if packets == 1 { "" } else { "s" };
    let mut text = format!("{packets} packet{plural}");
    if conversations > 1 {
        text.push_str(&format!(" of {conversations} conversations"));
    }
    if let Some(span) = span {
        // Tenths of a second, rounded down.
        let tenths = span.hi.since(span.lo).max(0) / (SECOND / 10);
        text.push_str(&format!(" in {}.{} s", tenths / 10, tenths % 10));
    }
    text
}

fn together(facts: &[&TunnelFact]) -> Option<Signal> {
    let (first, rest) = facts.split_first()?;
    if rest.is_empty() {
        return Some(signal(first));
    }
    let best = facts.iter().max_by_key(|fact| (fact.tunnel.mark, std::cmp::Reverse(fact.record)))?;
    let packets = facts.iter().fold(0_u64, |sum, fact| sum.saturating_add(fact.tunnel.packets));
    let count = facts.iter().map(|fact| fact.count).sum();
    let span = facts.iter().filter_map(|fact| fact.span).reduce(Span::cover);
    let mut records: Vec<Record> = facts.iter().map(|fact| fact.record).collect();
    records.sort();
    records.dedup();
    records.truncate(RECORDS_CITED);
    let mut targets: Vec<Flow> = facts.iter().map(|fact| fact.flow).collect();
    targets.sort();
    targets.dedup();
    let mut signal = signal(best);
    signal.summary = format!(
        "{} between {} pairs of inside addresses; {}",
        best.tunnel.protocol,
        targets.len(),
        extent(packets, count, span)
    );
    (signal.span, signal.records, signal.targets) = (span, records, targets);
    signal.flow = Some(Flow { src: None, dst: None, ..best.flow });
    Some(signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tunnel;
    use crate::time::{Basis, Instant};

    fn fact(src: [u8; 4], dst: [u8; 4], class: TunnelClass, mark: Mark) -> TunnelFact {
        let flow = Flow { src: Some(src.into()), dst: Some(dst.into()), ..Flow::default() };
        let tunnel = Tunnel { protocol: "vxlan", class, mark, packets: 2, proof: vec![3], ..Tunnel::default() };
        let span = Some(Span::at(Instant(0), Basis::ExplicitOffset));
        let record = Record { evidence: EvidenceId(0), number: u64::from(src[3]) };
        TunnelFact { flow, tunnel, targets: Vec::new(), span, record, count: 1 }
    }

    #[test]
    fn pairs_inside_are_one_signal_and_one_that_leads_outside_stands_alone() {
        let pair = |last| fact([10, 0, 0, last], [10, 0, 1, 1], TunnelClass::Encapsulation, Mark::Exchange);
        let outside = fact([10, 0, 0, 9], [198, 51, 100, 1], TunnelClass::Encapsulation, Mark::Exchange);
        let facts = Facts { tunnels: vec![pair(1), pair(2), outside], ..Facts::default() };
        let found = carriers(&facts);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].records.len(), 2, "the first record and its proof: {:?}", found[0].records);
        assert_eq!((found[1].targets.len(), found[1].confidence), (2, Confidence::Certain));
        assert_eq!(
            found[1].summary,
            "vxlan between 2 pairs of inside addresses; 4 packets of 2 conversations in 0.0 s"
        );
    }

    #[test]
    fn confidence_follows_what_was_seen() {
        for (mark, confidence) in [
            (Mark::Shape, Confidence::Weak),
            (Mark::OneSide, Confidence::Strong),
            (Mark::Exchange, Confidence::Certain),
        ] {
            let one = fact([10, 0, 0, 1], [198, 51, 100, 1], TunnelClass::Vpn, mark);
            let found = carriers(&Facts { tunnels: vec![one], ..Facts::default() });
            assert_eq!(found[0].confidence, confidence);
        }
    }

    #[test]
    fn targets_are_told_and_their_names_join_with_what_steps_wrote() {
        let mut one = fact([10, 0, 0, 1], [198, 51, 100, 1], TunnelClass::Proxy, Mark::Exchange);
        one.targets = vec!["192.0.2.1:22".to_owned(), "Example.org:443".to_owned()];
        let found = carriers(&Facts { tunnels: vec![one], ..Facts::default() });
        assert_eq!(found[0].domains, ["example.org"]);
        assert!(found[0].summary.contains("leads to 192.0.2.1:22 and 1 others"), "{}", found[0].summary);
    }
}
