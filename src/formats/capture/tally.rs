//! Oddities that repeat: told once with their number and their first place, so that a hostile file cannot flood.

use std::collections::BTreeMap;

use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;

/// Counts oddities by kind and wording.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seen: BTreeMap<(AnomalyKind, &'static str), Seen>,
}

#[derive(Debug)]
struct Seen {
    first: u64,
    times: u64,
    amount: u64,
}

impl Tally {
    /// One more. `what` stands alone as a sentence about one case.
    pub(super) fn note(&mut self, kind: AnomalyKind, record: u64, what: &'static str) {
        self.add(kind, record, what, 0);
    }

    /// One more, with an amount of bytes that is summed.
    pub(super) fn add(&mut self, kind: AnomalyKind, record: u64, what: &'static str, bytes: u64) {
        let seen = self.seen.entry((kind, what)).or_insert(Seen { first: record, times: 0, amount: 0 });
        seen.first = seen.first.min(record);
        seen.times = seen.times.saturating_add(1);
        seen.amount = seen.amount.saturating_add(bytes);
    }

    /// Reports all of them.
    pub(super) fn report(self, sink: &mut dyn Sink) {
        for ((kind, what), Seen { first, times, amount }) in self.seen {
            let mut detail = what.to_owned();
            if amount > 0 {
                detail.push_str(&format!("; {amount} bytes in all"));
            }
            if times > 1 {
                detail.push_str(&format!("; {times} times, first here"));
            }
            sink.anomaly(Anomaly { record: first, kind, detail });
        }
    }
}
