//! Services of a cluster that are worth more than their port says, and whoever tries several of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::seen::RECORDS_CITED;
use super::tunnel::is_inside;
use crate::evidence::{EvidenceId, Record};
use crate::intake::Ledger;
use crate::model::{Behaviour, Confidence, Conversation, Flow, Protocol, Signal, SignalSource};
use crate::time::Span;

/// The metadata services of clouds: AWS, Azure, Google Cloud and others; ECS tasks.
const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(169, 254, 170, 2)];

/// Ports as the programs' own documents give them.
const SERVICES: [(u16, &str); 13] = [
    (2375, "Docker API"),
    (2376, "Docker API"),
    (2379, "etcd"),
    (5000, "MLflow or a registry"),
    (5432, "PostgreSQL"),
    (6379, "Redis"),
    (6443, "Kubernetes API"),
    (8265, "Ray dashboard"),
    (8888, "Jupyter"),
    (9090, "Prometheus"),
    (9200, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "memcached"),
];

/// Kinds of services tried in vain, from which on they are a lead.
const FEWEST: usize = 3;

/// What a target is, if it is one of these.
pub(super) fn name(dst: IpAddr, port: Option<u16>) -> Option<&'static str> {
    if METADATA.map(IpAddr::V4).contains(&dst) {
        return Some("instance metadata");
    }
    let named = |port| SERVICES.iter().find(|(known, _)| *known == port).map(|(_, name)| *name);
    port.filter(|_| is_inside(dst)).and_then(named)
}

/// The names among some targets, for a summary; empty if there are none.
pub(super) fn among<'a>(targets: impl Iterator<Item = &'a Flow>) -> String {
    let names: BTreeSet<&str> = targets.filter_map(|flow| name(flow.dst?, flow.dst_port)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(", among them {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// What a source tried in vain.
#[derive(Default)]
struct Tries {
    names: BTreeSet<&'static str>,
    targets: BTreeSet<Flow>,
    span: Option<Span>,
    /// The first [`RECORDS_CITED`].
    records: BTreeSet<Record>,
}

/// Sources that tried several of the services inside and were refused or ignored by all: a lead, where the sweep is too
/// small or too slow to be one. Those in `known` are told of already.
pub fn tried(conversations: &Ledger<Conversation>, known: &[Signal]) -> Vec<Signal> {
    let mut by_source: BTreeMap<(EvidenceId, IpAddr), Tries> = BTreeMap::new();
    for conversation in conversations.iter() {
        let key = conversation.key;
        let (Some(src), Some(dst), Some(Protocol::TCP)) = (key.src, key.dst, key.protocol) else { continue };
        let failed = conversation.segments.iter().all(|segment| segment.failed == segment.observations);
        let Some(name) = name(dst, key.dst_port).filter(|_| failed) else { continue };
        let tries = by_source.entry((key.evidence, src)).or_default();
        tries.names.insert(name);
        tries.targets.insert(key.flow());
        for segment in &conversation.segments {
            let span = Span { lo: segment.first, hi: segment.last, basis: segment.basis };
            tries.span = Some(tries.span.map_or(span, |known| known.cover(span)));
            tries.records.insert(Record { evidence: key.evidence, number: segment.first_record });
            if tries.records.len() > RECORDS_CITED {
                tries.records.pop_last();
            }
        }
    }
    let told: BTreeSet<_> =
        known.iter().filter_map(|signal| Some((signal.records.first()?.evidence, signal.flow?.src?))).collect();
    let mut all = Vec::new();
    for ((evidence, src), Tries { names, targets, span, records }) in by_source {
        if names.len() < FEWEST || told.contains(&(evidence, src)) {
            continue;
        }
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        all.push(Signal {
            kind: "service-probe".to_owned(),
            confidence: Confidence::Weak,
            span,
            flow: Some(Flow { src: Some(src), protocol: Some(Protocol::TCP), ..Flow::default() }),
            summary: format!("{} targets inside refused or did not answer: {names}", targets.len()),
            targets: targets.into_iter().collect(),
            records: records.into_iter().collect(),
            ..Signal::new(Behaviour::Probing, SignalSource::Network)
        });
    }
    all
}
