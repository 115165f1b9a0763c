//! Reassembly of IP datagrams (RFC 791, RFC 815, RFC 8200 section 4.5), bounded.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::ip::{Fragment, IpPacket};
use super::packets::{Stamp, Weight};
use super::pieces::Pieces;
use super::tally::Tally;
use crate::evidence::AnomalyKind;
use crate::time::SECOND;

/// Datagrams whose fragments are still coming.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pending: HashMap<Key, Datagram, RandomState>,
    /// Keys in the order in which their datagrams began, with the packet that began them.
    began: VecDeque<(Key, Stamp)>,
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
}

#[derive(Debug)]
struct Datagram {
    pieces: Pieces<()>,
    /// Known once the last fragment was seen.
    total: Option<u64>,
    first: Stamp,
    last: Stamp,
    weight: Weight,
    protocol: u8,
    held: usize,
}

/// A datagram, whole or as much of its beginning as came.
#[derive(Debug)]
pub(super) struct Reassembled {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) protocol: u8,
    /// Length by the headers; of an unfinished datagram what is there.
    pub(super) length: u32,
    /// No fragment is missing.
    pub(super) finished: bool,
    pub(super) data: Vec<u8>,
    pub(super) first: Stamp,
    pub(super) last: Stamp,
    pub(super) weight: Weight,
}

const MAX_PENDING: usize = 4096;
const MAX_HELD: usize = 16 << 20;
/// Receivers wait 15 to 120 s for the rest (RFC 1122 section 3.3.2), 60 s by RFC 8200.
const PATIENCE: i64 = 60 * SECOND;
const LONGEST: u64 = 65_535;

impl Fragments {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a fragment; gives the datagram that it completes.
    pub(super) fn take(
        &mut self,
        packet: &IpPacket<'_>,
        fragment: Fragment,
        stamp: Stamp,
        tally: &mut Tally,
    ) -> Option<Reassembled> {
        // The fragments of an IPv6 datagram name the protocol of what follows each of them.
        let protocol = if packet.src.is_ipv4() { packet.protocol } else { 0 };
        let key = Key { src: packet.src, dst: packet.dst, id: fragment.id, protocol };
        let datagram = self.pending.entry(key).or_insert_with(|| {
            self.began.push_back((key, stamp));
            Datagram {
                pieces: Pieces::default(),
                total: None,
                first: stamp,
                last: stamp,
                weight: Weight::default(),
                protocol: packet.protocol,
                held: 0,
            }
        });
        datagram.last = stamp;
        datagram.weight.add(Weight { packets: 1, bytes: u64::from(packet.carried) });
        if fragment.offset == 0 {
            datagram.protocol = packet.protocol;
        }
        let (at, length) = (u64::from(fragment.offset), u64::from(packet.length));
        if at + length > LONGEST {
            tally.note(
                AnomalyKind::ImpossibleValue,
                stamp.record,
                "an IP fragment that ends beyond 65535 bytes, not used",
            );
        } else {
            let inserted = datagram.pieces.insert(at, length, packet.data, ());
            datagram.held += inserted.held;
            self.held += inserted.held;
            if inserted.differs {
                tally.note(
                    AnomalyKind::Duplicate,
                    stamp.record,
                    "an IP fragment overlaps an earlier one with other bytes, the first copy is used",
                );
            }
            if !fragment.more {
                datagram.total.get_or_insert(at + length);
            }
        }
        let whole = datagram.total.is_some_and(|total| datagram.pieces.covers(total));
        if whole { self.remove(key) } else { None }
    }

    /// Gives up on the oldest datagram if it has waited too long or too much is held. Call until it gives none.
    pub(super) fn give_up(&mut self, now: Stamp, tally: &mut Tally) -> Option<Reassembled> {
        loop {
            let (key, first) = *self.began.front()?;
            let full = self.pending.len() > MAX_PENDING || self.held > MAX_HELD;
            // Asked for every packet: time decides without looking for the datagram.
            if !full && self.began.len() <= 2 * MAX_PENDING && now.clock.since(first.clock) <= PATIENCE {
                return None;
            }
            if self.pending.get(&key).is_none_or(|datagram| datagram.first.record != first.record) {
                self.began.pop_front();
                continue;
            }
            if !full && now.clock.since(first.clock) <= PATIENCE {
                return None;
            }
            if full {
                tally.note(
                    AnomalyKind::BoundReached,
                    now.record,
                    "4096 datagrams or 16 MiB of IP fragments waiting, the oldest was given up",
                );
            }
            return self.unfinished(key, tally);
        }
    }

    /// At the end: the oldest datagram, unfinished.
    pub(super) fn give_up_last(&mut self, tally: &mut Tally) -> Option<Reassembled> {
        loop {
            let (key, first) = *self.began.front()?;
            if self.pending.get(&key).is_some_and(|datagram| datagram.first.record == first.record) {
                return self.unfinished(key, tally);
            }
            self.began.pop_front();
        }
    }

    fn unfinished(&mut self, key: Key, tally: &mut Tally) -> Option<Reassembled> {
        self.began.pop_front();
        let datagram = self.remove(key)?;
        tally.note(AnomalyKind::Gap, datagram.first.record, "an IP datagram of which fragments are missing");
        Some(datagram)
    }

    fn remove(&mut self, key: Key) -> Option<Reassembled> {
        let datagram = self.pending.remove(&key)?;
        self.held = self.held.saturating_sub(datagram.held);
        let data = datagram.pieces.prefix();
        let total = datagram.total.filter(|total| datagram.pieces.covers(*total));
        let length = total.unwrap_or(data.len() as u64);
        Some(Reassembled {
            src: key.src,
            dst: key.dst,
            protocol: datagram.protocol,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            finished: total.is_some(),
            data,
            first: datagram.first,
            last: datagram.last,
            weight: datagram.weight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Collector;
    use crate::time::Instant;

    fn stamp(record: u64, seconds: i64) -> Stamp {
        Stamp { record, span: None, clock: Instant(seconds * SECOND) }
    }

    fn take(
        fragments: &mut Fragments,
        id: u32,
        offset: u32,
        more: bool,
        data: &[u8],
        at: Stamp,
    ) -> Option<Reassembled> {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let fragment = Fragment { id, offset, more };
        let length = data.len() as u32;
        let packet = IpPacket {
            src: address(1),
            dst: address(2),
            protocol: 17,
            carried: length,
            length,
            data,
            fragment: Some(fragment),
            authenticated: false,
        };
        fragments.take(&packet, fragment, at, &mut Tally::default())
    }

    #[test]
    fn any_order_gives_the_datagram_and_its_counts() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut fragments = Fragments::default();
            let mut done = None;
            for (turn, index) in order.into_iter().enumerate() {
                assert!(done.is_none());
                let data = [b'a' + index as u8; 8];
                let at = stamp(10 + turn as u64, turn as i64);
                done = take(&mut fragments, 7, index * 8, index < 2, &data, at);
            }
            let done = done.expect("whole");
            assert_eq!(done.data, b"aaaaaaaabbbbbbbbcccccccc");
            assert!(done.finished);
            assert_eq!((done.length, done.weight), (24, Weight { packets: 3, bytes: 24 }));
            assert_eq!((done.first.record, done.last.record), (10, 12));
            assert!(fragments.is_empty() && fragments.held == 0);
        }
    }

    #[test]
    fn waiting_ends_after_a_minute_or_at_the_bound() {
        let mut fragments = Fragments::default();
        let mut tally = Tally::default();
        take(&mut fragments, 1, 0, true, &[1; 8], stamp(1, 0));
        assert!(fragments.give_up(stamp(2, 60), &mut tally).is_none());
        let given_up = fragments.give_up(stamp(2, 61), &mut tally).expect("a minute is over");
        assert!(!given_up.finished);
        assert_eq!((given_up.length, given_up.data.len(), given_up.weight.packets), (8, 8, 1));
        for id in 0..5000_u32 {
            take(&mut fragments, id, 0, true, &[1; 8], stamp(u64::from(id) + 3, 100));
            while fragments.give_up(stamp(u64::from(id) + 3, 100), &mut tally).is_some() {}
            assert!(fragments.pending.len() <= MAX_PENDING);
        }
        for id in 0..1000_u32 {
            take(&mut fragments, 10_000 + id, 8, true, &[1; 60_000], stamp(9_000, 100));
            while fragments.give_up(stamp(9_000, 100), &mut tally).is_some() {}
            assert!(fragments.held <= MAX_HELD);
        }
        let mut sink = Collector::default();
        tally.report(&mut sink);
        let kinds: Vec<_> = sink.anomalies.iter().map(|anomaly| anomaly.kind).collect();
        assert_eq!(kinds, [AnomalyKind::Gap, AnomalyKind::BoundReached]);
    }
}
