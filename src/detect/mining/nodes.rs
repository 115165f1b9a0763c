//! Nodes of coin networks look for each other: one asks hundreds of peers, and is one matter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::judge;
use crate::evidence::{EvidenceId, Record};
use crate::intake::MiningFact;
use crate::model::{Behaviour, Flow, Mark, Signal, SignalSource};
use crate::time::Span;

/// Records of proof kept, and peers named.
const PROOF_KEPT: usize = 16;
const PEERS_KEPT: usize = 64;

/// Whether a dialect is one between nodes.
pub(super) fn is_between_nodes(dialect: &str) -> bool {
    dialect.ends_with("-p2p") || dialect.ends_with("-discovery")
}

/// Whether a dialect is one by which nodes find each other: a datagram or two to everybody.
pub fn is_discovery(dialect: &str) -> bool {
    dialect.ends_with("-discovery")
}

/// A signal for every host that looks for other nodes, by dialect: the best and earliest conversation with the others
/// as its targets. Of the two hosts of a conversation the one that is in more of them is meant.
pub fn discovery(facts: &[MiningFact]) -> Vec<Signal> {
    let facts: Vec<&MiningFact> = facts.iter().filter(|fact| is_discovery(&fact.mining.dialect)).collect();
    let mut busy: BTreeMap<(EvidenceId, Option<IpAddr>), u64> = BTreeMap::new();
    for fact in &facts {
        for end in [fact.flow.src, fact.flow.dst] {
            *busy.entry((fact.record.evidence, end)).or_default() += 1;
        }
    }
    let count = |fact: &MiningFact, end| busy.get(&(fact.record.evidence, end)).copied().unwrap_or_default();
    let mut groups: BTreeMap<(EvidenceId, &str, Option<IpAddr>), Vec<&MiningFact>> = BTreeMap::new();
    for fact in facts {
        let Flow { src, dst, .. } = fact.flow;
        let node = if count(fact, dst) > count(fact, src) { dst } else { src };
        groups.entry((fact.record.evidence, &fact.mining.dialect, node)).or_default().push(fact);
    }
    groups.into_values().filter_map(|group| signal(&group)).collect()
}

fn signal(group: &[&MiningFact]) -> Option<Signal> {
    let best = group.iter().max_by_key(|fact| (fact.mining.mark, std::cmp::Reverse(fact.record)))?;
    let mut mining = best.mining.clone();
    let methods: BTreeSet<&String> = group.iter().flat_map(|fact| &fact.mining.methods).collect();
    mining.methods = methods.into_iter().cloned().collect();
    let mut seen = judge(&mining)?;
    let answered = group.iter().filter(|fact| fact.mining.mark == Mark::Exchange).count();
    if group.len() > 1 {
        seen.summary.push_str(&format!("; {} conversations, both sides heard in {answered}", group.len()));
    }
    let peers: BTreeSet<_> = group.iter().map(|fact| fact.flow).filter(|flow| *flow != best.flow).collect();
    let records: BTreeSet<Record> = group
        .iter()
        .flat_map(|fact| {
            fact.mining.proof.iter().map(|number| Record { evidence: fact.record.evidence, number: *number })
        })
        .take(PROOF_KEPT)
        .chain(best.mining.proof.iter().map(|number| Record { evidence: best.record.evidence, number: *number }))
        .collect();
    let spans = group.iter().filter_map(|fact| fact.span.map(|span| span.until(fact.mining.last)));
    Some(Signal {
        kind: seen.kind,
        confidence: seen.confidence,
        span: spans.reduce(Span::cover),
        flow: Some(best.flow),
        summary: seen.summary,
        targets: peers.into_iter().take(PEERS_KEPT).collect(),
        records: records.into_iter().collect(),
        ..Signal::new(Behaviour::Mining, SignalSource::Network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Confidence, Mining};

    fn fact(peer: u8, mark: Mark) -> MiningFact {
        let number = u64::from(peer);
        MiningFact {
            flow: Flow {
                src: Some("192.0.2.1".parse().unwrap()),
                dst: Some(IpAddr::from([198, 51, 100, peer])),
                ..Flow::default()
            },
            mining: Mining {
                dialect: "ethereum-discovery".to_owned(),
                mark,
                methods: vec![if peer == 1 { "ping" } else { "pong" }.to_owned()],
                proof: vec![number],
                ..Mining::default()
            },
            span: None,
            record: Record { evidence: EvidenceId(0), number },
        }
    }

    #[test]
    fn a_node_and_its_peers_are_one_signal() {
        let facts = [fact(1, Mark::OneSide), fact(2, Mark::Exchange), fact(3, Mark::Exchange)];
        let signals = discovery(&facts);
        assert_eq!(signals.len(), 1);
        let signal = &signals[0];
        assert_eq!((signal.flow, signal.confidence), (Some(facts[1].flow), Confidence::Strong));
        assert_eq!(signal.targets, [facts[0].flow, facts[2].flow]);
        assert!(signal.summary.contains("(ping, pong)"), "{}", signal.summary);
        assert!(signal.summary.ends_with("; 3 conversations, both sides heard in 2"), "{}", signal.summary);
        assert_eq!(signal.records.len(), 3);
        // A ping from outside to the same host belongs to it.
        let Flow { src, dst, .. } = facts[2].flow;
        let inbound = MiningFact { flow: Flow { src: dst, dst: src, ..Flow::default() }, ..fact(9, Mark::OneSide) };
        assert_eq!(discovery(&[facts.to_vec(), vec![inbound]].concat()).len(), 1);
        // Pings that nobody answers are a lead.
        assert_eq!(discovery(&facts[..1])[0].confidence, Confidence::Weak);
        let pool = MiningFact {
            mining: Mining { dialect: "stratum-v1".to_owned(), ..Mining::default() },
            ..fact(1, Mark::Exchange)
        };
        assert!(discovery(&[pool]).is_empty());
    }
}
