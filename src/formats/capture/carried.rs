//! Who wrapped packets for whom, in what: one account for each pair, reported at the end of the file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::encapsulation::Carried;
use super::packets::{Output, Stamp};
use crate::evidence::AnomalyKind;
use crate::model::{Detail, Flow, Mark, Observation, Protocol, Tunnel, TunnelClass};

/// Bound on the pairs kept: a mirror of a whole data centre has some thousands.
const MAX_PAIRS: usize = 65_536;
/// Records of proof kept for a pair.
const PROOF: usize = 4;
/// A count that goes up by no more than this from packet to packet goes up steadily: some may be lost.
const STEADY: u32 = 64;

/// The outer packet that carried something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outer {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) protocol: u8,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) stamp: Stamp,
}

/// Encapsulations seen in a capture.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    places: BTreeMap<Key, usize>,
    seen: Vec<(Key, Seen)>,
    /// Where the packet before this one was counted: the next one is usually of the same pair.
    latest: usize,
}

/// What carries, the lower and the higher address (for carriers on a link: none), the service's port.
type Key = (&'static str, Option<(IpAddr, IpAddr)>, Option<u16>);

#[derive(Debug)]
struct Seen {
    class: TunnelClass,
    flow: Flow,
    /// Between more pairs than that of `flow`: carriers on a link alone.
    pairs_differ: bool,
    mark: Mark,
    note: &'static str,
    first: Stamp,
    last: Stamp,
    packets: u64,
    /// Packets of which the inside was in the clear.
    open: u64,
    /// From the lower address, from the higher.
    directions: [bool; 2],
    /// Key and number of the last message of each direction, where they count.
    counted: [Option<(u32, u32)>; 2],
    proof: Vec<u64>,
}

impl Seen {
    fn count(&mut self, stamp: Stamp, is_open: bool) {
        self.packets += 1;
        self.open += u64::from(is_open);
        if stamp.clock >= self.last.clock {
            self.last = stamp;
        }
        if self.proof.len() < PROOF {
            self.proof.push(stamp.record);
        }
    }

    /// Numbers that go up from one message to the next are no accident.
    fn follow(&mut self, side: usize, (key, number): (u32, u32)) {
        let Some(counted) = self.counted.get_mut(side) else { return };
        if let Some((before, last)) = counted.replace((key, number))
            && before == key
            && (1..=STEADY).contains(&number.wrapping_sub(last))
        {
            self.mark = self.mark.max(Mark::OneSide);
        }
    }

    fn mark(&self) -> Mark {
        let both = self.directions == [true, true] && self.mark >= Mark::OneSide;
        if self.open > 0 || both { Mark::Exchange } else { self.mark }
    }
}

impl Carriers {
    /// A packet carried another, or spoke of what will; `is_open` if the inside could be read.
    pub(super) fn saw(&mut self, carried: &Carried<'_>, outer: &Outer, is_open: bool, out: &mut Output<'_>) {
        let from_low = outer.src <= outer.dst;
        let pair = if from_low { (outer.src, outer.dst) } else { (outer.dst, outer.src) };
        let begin = || {
            let (src_port, dst_port) = outer.ports.unzip();
            // An answer of the service: its asker opened the conversation.
            let is_answer = carried.port.is_some() && carried.port == src_port && src_port != dst_port;
            let (src, dst, dst_port) =
                if is_answer { (outer.dst, outer.src, src_port) } else { (outer.src, outer.dst, dst_port) };
            let (src, dst) = (Some(src), Some(dst));
            Flow { src, src_port: None, dst, dst_port, protocol: Some(Protocol(outer.protocol)) }
        };
        let key = (carried.by, Some(pair), carried.port);
        let Some(seen) = self.entry(key, carried.class, begin, outer.stamp, out) else { return };
        seen.mark = seen.mark.max(carried.mark);
        if seen.note.is_empty() {
            seen.note = carried.note;
        }
        let side = usize::from(!from_low);
        if let Some(direction) = seen.directions.get_mut(side) {
            *direction = true;
        }
        if let Some(sequence) = carried.sequence {
            seen.follow(side, sequence);
        }
        seen.count(outer.stamp, is_open);
    }

    /// A frame came through a carrier between link and network; `inside` are the ends of the packet in it, if it was
    /// one. All of a file are one account.
    pub(super) fn saw_on_link(
        &mut self,
        by: &'static str,
        inside: Option<(IpAddr, IpAddr)>,
        stamp: Stamp,
        out: &mut Output<'_>,
    ) {
        let begin = || Flow { src: inside.map(|(src, _)| src), dst: inside.map(|(_, dst)| dst), ..Flow::default() };
        let Some(seen) = self.entry((by, None, None), TunnelClass::Encapsulation, begin, stamp, out) else { return };
        seen.mark = seen.mark.max(Mark::OneSide);
        if let Some((src, dst)) = inside {
            let ends = (Some(src), Some(dst));
            let known = (seen.flow.src, seen.flow.dst);
            if known == (None, None) && !seen.pairs_differ {
                (seen.flow.src, seen.flow.dst) = ends;
            } else if known != ends && (known.1, known.0) != ends {
                seen.pairs_differ = true;
                seen.flow = Flow::default();
            }
        }
        seen.count(stamp, inside.is_some());
    }

    fn entry(
        &mut self,
        key: Key,
        class: TunnelClass,
        begin: impl FnOnce() -> Flow,
        stamp: Stamp,
        out: &mut Output<'_>,
    ) -> Option<&mut Seen> {
        let is_latest = self.seen.get(self.latest).is_some_and(|(latest, _)| *latest == key);
        if !is_latest {
            self.latest = match self.places.get(&key) {
                Some(place) => *place,
                None if self.seen.len() >= MAX_PAIRS => {
                    let what =
                        "more than 65536 pairs of encapsulating addresses, the rest counted as conversations alone";
                    out.tally.note(AnomalyKind::BoundReached, stamp.record, what);
                    return None;
                }
                None => {
                    let seen = Seen {
                        class,
                        flow: begin(),
                        pairs_differ: false,
                        mark: Mark::Shape,
                        note: "",
                        first: stamp,
                        last: stamp,
                        packets: 0,
                        open: 0,
                        directions: [false; 2],
                        counted: [None; 2],
                        proof: Vec::new(),
                    };
                    self.places.insert(key, self.seen.len());
                    self.seen.push((key, seen));
                    self.seen.len() - 1
                }
            };
        }
        self.seen.get_mut(self.latest).map(|(_, seen)| seen)
    }

    /// Reports all of them, in the order in which they began.
    pub(super) fn finish(self, out: &mut Output<'_>) {
        for ((by, ..), seen) in self.seen {
            let tunnel = Tunnel {
                protocol: by,
                class: seen.class,
                mark: seen.mark(),
                packets: seen.packets,
                note: seen.note.into(),
                last: seen.last.span.map(|span| span.hi),
                proof: seen.proof,
                ..Tunnel::default()
            };
            let (record, span) = (seen.first.record, seen.first.span);
            let detail = Detail::Tunnel(tunnel);
            out.sink.observation(&Observation { record, span, host: None, flow: Some(seen.flow), detail });
        }
    }
}
