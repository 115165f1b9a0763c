//! How two accounts of the same thing become one: commutative, so that the order of reading never shows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::facts::{AlertFact, GpuProcessFact};
use crate::evidence::{Anomaly, Record};
use crate::model::Episode;
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
