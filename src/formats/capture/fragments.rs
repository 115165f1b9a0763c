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
    /// Keys in the order in which their datagrams began, with the record that began them.
    began: VecDeque<(Key, u64)>,
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
            self.began.push_back((key, stamp.record));
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
            let (key, record) = *self.began.front()?;
            let Some(datagram) = self.pending.get(&key).filter(|datagram| datagram.first.record == record) else {
                self.began.pop_front();
                continue;
            };
            let full = self.pending.len() > MAX_PENDING || self.held > MAX_HELD;
            if !full && now.clock.since(datagram.first.clock) <= PATIENCE {
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
            let (key, record) = *self.began.front()?;
            if self.pending.get(&key).is_some_and(|datagram| datagram.first.record == record) {
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
        let length = datagram.total.filter(|total| datagram.pieces.covers(*total)).unwrap_or(data.len() as u64);
        Some(Reassembled {
            src: key.src,
            dst: key.dst,
            protocol: datagram.protocol,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            data,
            first: datagram.first,
            last: datagram.last,
            weight: datagram.weight,
        })
    }
}
