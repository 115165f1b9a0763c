//! How two accounts of the same thing become one: commutative, so that the order of reading never shows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::facts::{AlertFact, ExecutionFact, GpuProcessFact, TunnelFact, VerdictFact};
use super::source::Unread;
use crate::evidence::{Anomaly, Record};
use crate::model::{Episode, Flow, Tunnel};
use crate::time::{Basis, Instant, Span};

/// How many anomalies of one kind are kept one by one; the others are counted.
const ANOMALIES_KEPT: usize = 20;

pub(super) fn gpu_name(uuid: Option<&str>, index: Option<u32>) -> String {
    uuid.map(str::to_owned).or_else(|| index.map(|index| index.to_string())).unwrap_or_default()
}

pub(super) fn repeat(first: &mut Option<Span>, at: &mut Record, count: &mut u64, span: Option<Span>, record: Record) {
    *count += 1;
    // The earlier record stands for the fact, whatever the order they come in.
    if record < *at {
        (*first, *at) = (span, record);
    }
}

pub(super) fn join_process(fact: &mut GpuProcessFact, other: GpuProcessFact) {
    fact.polls += other.polls;
    if other.first_record < fact.first_record {
        (fact.first, fact.first_record) = (other.first, other.first_record);
    }
    if other.last_record > fact.last_record {
        (fact.last, fact.last_record) = (other.last, other.last_record);
    }
    fact.memory_used_max_mib = match (fact.memory_used_max_mib, other.memory_used_max_mib) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    fact.accounted_ms = fact.accounted_ms.max(other.accounted_ms);
    fact.utilization_percent = match (fact.utilization_percent, other.utilization_percent) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
}

pub(super) fn join_alert(fact: &mut AlertFact, other: AlertFact) {
    fact.count += other.count;
    fact.last = match (fact.last, other.last) {
        (Some(a), Some(b)) => Some(if b.hi > a.hi { b } else { a }),
        (a, b) => a.or(b),
    };
    if other.record < fact.record {
        (fact.first, fact.record, fact.message, fact.host) = (other.first, other.record, other.message, other.host);
    }
}

/// The same command, run once more.
pub(super) fn join_execution(fact: &mut ExecutionFact, other: ExecutionFact) {
    fact.count += other.count - 1;
    if other.record < fact.record {
        (fact.process, fact.pid) = (other.process, other.pid);
    }
    repeat(&mut fact.first, &mut fact.record, &mut fact.count, other.first, other.record);
}

/// Records unread for the same reason: the earliest stands for them.
pub(super) fn join_unread(known: &mut Unread, other: Unread) {
    known.count += other.count;
    if other.first_record < known.first_record {
        (known.first_record, known.example) = (other.first_record, other.example);
    }
}

/// The same words of a sensor about the same ends, once more.
pub(super) fn join_verdict(fact: &mut VerdictFact, other: VerdictFact) {
    fact.count += other.count - 1;
    fact.last = fact.last.max(other.last);
    if other.record < fact.record {
        // What is told beside the key is that of the earliest record.
        (fact.host, fact.action) = (other.host, other.action);
    }
    repeat(&mut fact.first, &mut fact.record, &mut fact.count, other.first, other.record);
}

/// One conversation of a carrying protocol as a fact about opener, peer and port.
pub(super) fn tunnel_fact(flow: Flow, tunnel: &Tunnel, span: Option<Span>, record: Record) -> TunnelFact {
    TunnelFact {
        flow: Flow { src_port: None, ..flow },
        targets: tunnel.target.iter().cloned().collect(),
        tunnel: Tunnel { target: None, ..tunnel.clone() },
        span: span.map(|span| span.until(tunnel.last)),
        record,
        count: 1,
    }
}

pub(super) fn join_tunnel(fact: &mut TunnelFact, other: TunnelFact) {
    fact.count += other.count;
    fact.span = match (fact.span, other.span) {
        (Some(a), Some(b)) => Some(a.cover(b)),
        (a, b) => a.or(b),
    };
    let packets = fact.tunnel.packets.saturating_add(other.tunnel.packets);
    let last = fact.tunnel.last.max(other.tunnel.last);
    let mut proof = std::mem::take(&mut fact.tunnel.proof);
    proof.extend(&other.tunnel.proof);
    proof.sort_unstable();
    proof.dedup();
    proof.truncate(TunnelFact::PROOF_KEPT);
    // The fullest sight speaks for all of them, the earliest of equals.
    let fuller =
        (other.tunnel.mark, std::cmp::Reverse(other.record)) > (fact.tunnel.mark, std::cmp::Reverse(fact.record));
    if fuller {
        fact.tunnel = other.tunnel;
    }
    (fact.tunnel.packets, fact.tunnel.last, fact.tunnel.proof) = (packets, last, proof);
    fact.record = fact.record.min(other.record);
    fact.targets.extend(other.targets);
    fact.targets.sort_unstable();
    fact.targets.dedup();
    fact.targets.truncate(TunnelFact::TARGETS_KEPT);
}

/// Fills what is unknown and widens the span. What two records say differently stays with the first in sort order.
pub(super) fn join_episode(known: &mut Episode, more: Episode) {
    fn fill<T>(known: &mut Option<T>, more: Option<T>) {
        if known.is_none() {
            *known = more;
        }
    }
    if known.name.is_empty() {
        known.name = more.name;
    }
    fill(&mut known.run, more.run);
    fill(&mut known.model, more.model);
    fill(&mut known.agent, more.agent);
    fill(&mut known.cwd, more.cwd);
    fill(&mut known.host, more.host);
    fill(&mut known.task, more.task);
    fill(&mut known.sandbox, more.sandbox);
    fill(&mut known.sandbox_ip, more.sandbox_ip);
    fill(&mut known.reward, more.reward);
    fill(&mut known.reward_config, more.reward_config);
    known.span = match (known.span, more.span) {
        (Some(a), Some(b)) => Some(a.cover(b)),
        (a, b) => a.or(b),
    };
}

pub(super) fn join_facts<K: Ord, V>(ours: &mut BTreeMap<K, V>, theirs: BTreeMap<K, V>, join: impl Fn(&mut V, V)) {
    for (key, more) in theirs {
        match ours.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(more)),
            Entry::Occupied(mut entry) => join(entry.get_mut(), more),
        }
    }
}

/// The first [`ANOMALIES_KEPT`] by place, whatever the order they come in.
pub(super) fn keep_anomaly(kept: &mut Vec<Anomaly>, anomaly: Anomaly) {
    let at = kept.partition_point(|other| *other < anomaly);
    if at < ANOMALIES_KEPT {
        kept.insert(at, anomaly);
        kept.truncate(ANOMALIES_KEPT);
    }
}

/// Whether a span is on the UTC axis; its moment if so.
pub(super) fn dated(span: Option<Span>) -> Option<(Instant, Instant, Basis)> {
    span.filter(|span| span.basis.is_dated()).map(|span| (span.lo, span.hi, span.basis))
}
