//! Who wrapped packets for whom, in what: one account for each pair, reported at the end of the file.

use std::collections::BTreeMap;

use super::packets::{Output, Stamp};
use crate::evidence::AnomalyKind;
use crate::model::{Detail, Flow, Mark, Observation, Tunnel, TunnelClass};

/// Bound on the pairs kept: a mirror of a whole data centre has some thousands.
const MAX_PAIRS: usize = 65_536;
/// Records of proof kept for a pair.
const PROOF: usize = 4;

/// Encapsulations seen in a capture.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    seen: BTreeMap<(&'static str, Flow), Seen>,
}

#[derive(Debug)]
struct Seen {
    first: Stamp,
    last: Stamp,
    packets: u64,
    /// Packets of which the inside was in the clear.
    open: u64,
    proof: Vec<u64>,
}

impl Carriers {
    /// A packet between the ends of `flow` carried another; `is_open` if that could be read.
    pub(super) fn saw(&mut self, by: &'static str, flow: Flow, is_open: bool, stamp: Stamp, out: &mut Output<'_>) {
        if self.seen.len() >= MAX_PAIRS && !self.seen.contains_key(&(by, flow)) {
            let what = "more than 65536 pairs of encapsulating addresses, the rest counted as conversations alone";
            return out.tally.note(AnomalyKind::BoundReached, stamp.record, what);
        }
        let seen = self.seen.entry((by, flow)).or_insert(Seen {
            first: stamp,
            last: stamp,
            packets: 0,
            open: 0,
            proof: Vec::new(),
        });
        seen.packets += 1;
        seen.open += u64::from(is_open);
        if stamp.clock >= seen.last.clock {
            seen.last = stamp;
        }
        if seen.proof.len() < PROOF {
            seen.proof.push(stamp.record);
        }
    }

    /// Reports all of them.
    pub(super) fn finish(self, out: &mut Output<'_>) {
        for ((by, flow), seen) in self.seen {
            let tunnel = Tunnel {
                protocol: by,
                class: TunnelClass::Encapsulation,
                mark: if seen.open > 0 { Mark::Exchange } else { Mark::OneSide },
                packets: seen.packets,
                last: seen.last.span.map(|span| span.hi),
                proof: seen.proof,
                ..Tunnel::default()
            };
            let (record, span) = (seen.first.record, seen.first.span);
            let detail = Detail::Tunnel(tunnel);
            out.sink.observation(&Observation { record, span, host: None, flow: Some(flow), detail });
        }
    }
}
