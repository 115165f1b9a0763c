//! How two accounts of the same thing become one: commutative, so that the order of reading never shows.

use super::facts::{
    AlertFact, DnsFact, ExecutionFact, GpuProcessFact, HttpFact, NameFact, QueryFact, TunnelFact, VerdictFact,
};
use super::kept::Fact;
use super::source::Unread;
use crate::evidence::{Anomaly, Record};
use crate::model::{Episode, Flow, Tunnel};
use crate::time::{Basis, Instant, Span};

/// How many anomalies of one kind are kept one by one; the others are counted.
const ANOMALIES_KEPT: usize = 20;

pub(super) fn gpu_name(uuid: Option<&str>, index: Option<u32>) -> String {
    uuid.map(str::to_owned).or_else(|| index.map(|index| index.to_string())).unwrap_or_default()
}

/// The earlier record stands for the fact, whatever the order they come in.
pub(super) fn earlier(first: &mut Option<Span>, at: &mut Record, span: Option<Span>, record: Record) {
    if record < *at {
        (*first, *at) = (span, record);
    }
}

impl Fact for DnsFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        earlier(&mut self.first, &mut self.record, other.first, other.record);
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Fact for QueryFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        earlier(&mut self.first, &mut self.record, other.first, other.record);
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Fact for NameFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.last = self.last.max(other.last);
        earlier(&mut self.first, &mut self.record, other.first, other.record);
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Fact for HttpFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        if other.record < self.record {
            (self.first, self.record, self.http) = (other.first, other.record, other.http);
        }
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Fact for GpuProcessFact {
    fn join(&mut self, other: Self) {
        self.polls += other.polls;
        if other.first_record < self.first_record {
            (self.first, self.first_record) = (other.first, other.first_record);
        }
        if other.last_record > self.last_record {
            (self.last, self.last_record) = (other.last, other.last_record);
        }
        self.memory_used_max_mib = match (self.memory_used_max_mib, other.memory_used_max_mib) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.accounted_ms = self.accounted_ms.max(other.accounted_ms);
        self.utilization_percent = match (self.utilization_percent, other.utilization_percent) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }

    fn count(&self) -> u64 {
        self.polls
    }
}

impl Fact for AlertFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.last = match (self.last, other.last) {
            (Some(a), Some(b)) => Some(if b.hi > a.hi { b } else { a }),
            (a, b) => a.or(b),
        };
        if other.record < self.record {
            (self.first, self.record, self.message, self.host) = (other.first, other.record, other.message, other.host);
        }
    }

    fn count(&self) -> u64 {
        self.count
    }
}

/// The same command, run once more.
impl Fact for ExecutionFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        if other.record < self.record {
            (self.process, self.pid) = (other.process, other.pid);
        }
        earlier(&mut self.first, &mut self.record, other.first, other.record);
    }

    fn count(&self) -> u64 {
        self.count
    }
}

/// The same words of a sensor about the same ends, once more.
impl Fact for VerdictFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.last = self.last.max(other.last);
        if other.record < self.record {
            // What is told beside the key is that of the earliest record.
            (self.host, self.action) = (other.host, other.action);
        }
        earlier(&mut self.first, &mut self.record, other.first, other.record);
    }

    fn count(&self) -> u64 {
        self.count
    }
}

/// Records unread for the same reason: the earliest stands for them.
pub(super) fn join_unread(known: &mut Unread, other: Unread) {
    known.count += other.count;
    if other.first_record < known.first_record {
        (known.first_record, known.example) = (other.first_record, other.example);
    }
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

impl Fact for TunnelFact {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some(a.cover(b)),
            (a, b) => a.or(b),
        };
        let packets = self.tunnel.packets.saturating_add(other.tunnel.packets);
        let last = self.tunnel.last.max(other.tunnel.last);
        let mut proof = std::mem::take(&mut self.tunnel.proof);
        proof.extend(&other.tunnel.proof);
        proof.sort_unstable();
        proof.dedup();
        proof.truncate(TunnelFact::PROOF_KEPT);
        // The fullest sight speaks for all of them, the earliest of equals.
        let fuller =
            (other.tunnel.mark, std::cmp::Reverse(other.record)) > (self.tunnel.mark, std::cmp::Reverse(self.record));
        if fuller {
            self.tunnel = other.tunnel;
        }
        (self.tunnel.packets, self.tunnel.last, self.tunnel.proof) = (packets, last, proof);
        self.record = self.record.min(other.record);
        self.targets.extend(other.targets);
        self.targets.sort_unstable();
        self.targets.dedup();
        self.targets.truncate(TunnelFact::TARGETS_KEPT);
    }

    fn count(&self) -> u64 {
        self.count
    }
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
