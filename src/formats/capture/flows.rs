//! The table of live conversations: found by address and port, ended by time, by their own close, or by the bound.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::conversation::{Begin, Conversation, IDLE_LONG};
use super::key::{End, Key};
use super::packets::{Output, Stamp, Weight};
use super::transport::{IcmpType, Segment, Transport};
use crate::evidence::AnomalyKind;
use crate::time::{Instant, SECOND};

/// Bounds of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Conversations kept at a time; beyond, the one nearest to its expiry is reported as it stands.
    pub(super) live: usize,
    /// TCP payload bytes that wait for missing ones, over all conversations.
    pub(super) held: usize,
    /// Up to this many open TCP conversations stay however long they are silent: an idle tunnel is still one.
    pub(super) keep_silent: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { live: 1 << 20, held: 64 << 20, keep_silent: 1 << 16 }
    }
}

/// Expiry is looked at in steps of this: a conversation ends up to as much later than its time.
const TICK: i64 = SECOND;

fn tick(at: Instant) -> i64 {
    at.0.div_euclid(TICK)
}

/// Live conversations. Memory is bounded by [`Bounds`].
///
/// What it reports depends on the packets alone: hashes only find, order comes from deadlines and record numbers.
#[derive(Default)]
pub(super) struct FlowTable {
    bounds: Bounds,
    hasher: RandomState,
    by_key: HashTable<Place>,
    slots: Vec<Option<Live>>,
    free: Vec<u32>,
    /// Conversations by the tick at which they may have expired, with the number of their entries. An entry counts if
    /// it is the one that its conversation names; the time is looked at again when it comes up.
    deadlines: BTreeMap<i64, Vec<(u64, u32)>>,
    entries: usize,
    /// The first tick of `deadlines`, or a time long past.
    earliest: Option<i64>,
    held: usize,
    /// Conversations with bytes that wait, in the order in which they began to; each at most once.
    waiting: VecDeque<(u64, u32)>,
    next_serial: u64,
    latest: Option<(Key, u32)>,
    /// Time of the packet before: time goes on only when two packets agree, so that a single bad stamp ends nothing.
    before: Option<Instant>,
}

/// Where a conversation lies. The upper half of its hash is kept, so that the table can grow without looking at it.
#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    index: u32,
}

impl Place {
    /// Spreads 32 bits over the 64 that the table wants.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

struct Live {
    conversation: Conversation,
    serial: u64,
    queued: i64,
    is_waiting: bool,
}

/// A packet of a conversation.
pub(super) struct Packet<'a> {
    pub(super) src: End,
    pub(super) dst: End,
    pub(super) protocol: u8,
    pub(super) transport: Transport<'a>,
    /// Of the packet, or of all fragments of it.
    pub(super) weight: Weight,
    /// Of the packet, or of its first fragment.
    pub(super) first: Stamp,
    /// Of the packet, or of the fragment that completed it.
    pub(super) stamp: Stamp,
}

impl FlowTable {
    #[cfg(test)]
    pub(super) fn with_bounds(bounds: Bounds) -> Self {
        FlowTable { bounds, ..FlowTable::default() }
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>, out: &mut Output<'_>) {
        self.expire(packet.stamp, out);
        let (key, from_low) = Key::new(packet.src, packet.dst, packet.protocol);
        let segment = match &packet.transport {
            Transport::Tcp(segment) => Some(segment),
            _ => None,
        };
        let index = match self.find(key) {
            Some(index) if !self.is_over(index, from_low, segment, packet.first) => index,
            Some(index) => {
                self.end(index, out);
                self.begin(key, from_low, packet, out)
            }
            None => self.begin(key, from_low, packet, out),
        };
        self.latest = Some((key, index));
        let Some(live) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let conversation = &mut live.conversation;
        let from_opener = conversation.count(from_low, packet.weight, packet.stamp);
        match &packet.transport {
            Transport::Tcp(segment) => {
                let held = conversation.held();
                conversation.segment(from_opener, segment, packet.stamp, out);
                let now_held = conversation.held();
                self.held = (self.held + now_held).saturating_sub(held);
                if now_held > 0 && !live.is_waiting {
                    live.is_waiting = true;
                    self.waiting.push_back((live.serial, index));
                }
            }
            Transport::Udp(payload) if packet.src.1.is_some() => {
                conversation.datagram(from_opener, payload, packet.stamp, out);
            }
            Transport::Icmp(icmp, word, data) => {
                conversation.icmp(*icmp);
                if icmp.is_echo() {
                    conversation.echo(from_opener, icmp.is_reply(), *word, data, packet.stamp);
                }
            }
            Transport::Udp(_) | Transport::Other => {}
        }
        // Deadlines that move away are found when the entry comes up; one that comes nearer needs an entry.
        let deadline = tick(live.conversation.deadline());
        if deadline < live.queued {
            self.requeue(index, deadline);
        }
        self.relieve(packet.stamp, out);
        self.compact();
    }

    /// While too many bytes wait, passes on those of the conversation whose holes are oldest.
    fn relieve(&mut self, stamp: Stamp, out: &mut Output<'_>) {
        while self.held > self.bounds.held {
            let Some((serial, index)) = self.waiting.pop_front() else { break };
            let live = self.slots.get_mut(index as usize).and_then(Option::as_mut);
            let Some(live) = live.filter(|live| live.serial == serial) else { continue };
            live.is_waiting = false;
            let held = live.conversation.held();
            if held > 0 {
                self.held = self.held.saturating_sub(held);
                live.conversation.flush(stamp.record, out);
                out.tally.note(
                    AnomalyKind::BoundReached,
                    stamp.record,
                    "too many TCP segments (64 MiB) wait for missing ones, those that waited longest were passed on",
                );
            }
        }
    }

    /// Marks the conversation that an ICMP error quotes.
    pub(super) fn refused(&mut self, src: End, dst: End, protocol: u8, icmp: IcmpType) {
        let (key, _) = Key::new(src, dst, protocol);
        if let Some(index) = self.find(key)
            && let Some(live) = self.slots.get_mut(index as usize).and_then(Option::as_mut)
        {
            live.conversation.icmp(icmp);
        }
    }

    /// Reports what is left, in the order in which it began.
    pub(super) fn finish(self, out: &mut Output<'_>) {
        let mut rest: Vec<Live> = self.slots.into_iter().flatten().collect();
        rest.sort_by_key(|live| (live.conversation.first.record, live.serial));
        for live in rest {
            live.conversation.finish(out);
        }
    }

    fn hash(&self, key: Key) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    fn find(&self, key: Key) -> Option<u32> {
        match self.latest {
            Some((latest, index)) if latest == key => Some(index),
            _ => {
                let hash = self.hash(key);
                self.by_key.find(Place::spread(hash), |place| self.is_at(*place, hash, key)).map(|place| place.index)
            }
        }
    }

    fn is_at(&self, place: Place, hash: u32, key: Key) -> bool {
        let live = || self.slots.get(place.index as usize).and_then(Option::as_ref);
        place.hash == hash && live().is_some_and(|live| live.conversation.key == key)
    }

    fn is_over(&self, index: u32, from_low: bool, segment: Option<&Segment<'_>>, stamp: Stamp) -> bool {
        self.slots
            .get(index as usize)
            .and_then(Option::as_ref)
            .is_none_or(|live| live.conversation.is_over(from_low, segment, stamp))
    }

    fn begin(&mut self, key: Key, from_low: bool, packet: &Packet<'_>, out: &mut Output<'_>) -> u32 {
        if self.by_key.len() >= self.bounds.live {
            self.evict(packet.stamp, out);
        }
        let about = match &packet.transport {
            Transport::Tcp(segment) => Begin::Tcp(segment.flags),
            Transport::Udp(_) => Begin::Udp,
            Transport::Icmp(icmp, ..) => Begin::Icmp(*icmp),
            Transport::Other => Begin::Other,
        };
        let conversation = Conversation::new(key, from_low, packet.first, about);
        let serial = self.next_serial;
        self.next_serial += 1;
        let queued = tick(conversation.first_deadline());
        let live = Some(Live { conversation, serial, queued, is_waiting: false });
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(slot) = self.slots.get_mut(index as usize) {
                    *slot = live;
                }
                index
            }
            None => {
                self.slots.push(live);
                // The bound on live conversations is far below.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let hash = self.hash(key);
        self.by_key.insert_unique(Place::spread(hash), Place { hash, index }, |place| Place::spread(place.hash));
        self.queue(queued, serial, index);
        index
    }

    fn end(&mut self, index: u32, out: &mut Output<'_>) {
        let Some(live) = self.slots.get_mut(index as usize).and_then(Option::take) else { return };
        let hash = self.hash(live.conversation.key);
        if let Ok(entry) = self.by_key.find_entry(Place::spread(hash), |place| place.index == index) {
            entry.remove();
        }
        self.latest = None;
        self.free.push(index);
        self.held = self.held.saturating_sub(live.conversation.held());
        live.conversation.finish(out);
    }

    fn expire(&mut self, stamp: Stamp, out: &mut Output<'_>) {
        let now = self.before.map_or(stamp.clock, |before| before.min(stamp.clock));
        self.before = Some(stamp.clock);
        let this_tick = tick(now);
        while self.earliest.is_some_and(|earliest| earliest < this_tick) {
            let Some((queued, entries)) = self.deadlines.pop_first() else { break };
            self.entries -= entries.len();
            for (serial, index) in entries {
                let keep_silent = self.by_key.len() <= self.bounds.keep_silent;
                let Some(live) = self.named(queued, serial, index) else { continue };
                let deadline = tick(live.conversation.deadline());
                if deadline >= this_tick {
                    self.requeue(index, deadline);
                } else if keep_silent && live.conversation.is_open_tcp() {
                    self.requeue(index, tick(now.plus(IDLE_LONG)));
                } else {
                    self.end(index, out);
                }
            }
            self.note_earliest();
        }
    }

    /// Ends the conversation that would expire first.
    fn evict(&mut self, stamp: Stamp, out: &mut Output<'_>) {
        while let Some(mut first) = self.deadlines.first_entry() {
            let queued = *first.key();
            let Some((serial, index)) = first.get_mut().pop() else {
                first.remove();
                continue;
            };
            self.entries -= 1;
            let Some(live) = self.named(queued, serial, index) else { continue };
            let deadline = tick(live.conversation.deadline());
            if deadline > queued {
                self.requeue(index, deadline);
                continue;
            }
            out.tally.note(
                AnomalyKind::BoundReached,
                stamp.record,
                "more than 1048576 conversations at a time, the one nearest to its expiry was ended early",
            );
            self.end(index, out);
            break;
        }
        self.note_earliest();
    }

    /// The conversation of an entry, if the entry still counts.
    fn named(&mut self, queued: i64, serial: u64, index: u32) -> Option<&mut Live> {
        let live = self.slots.get_mut(index as usize)?.as_mut()?;
        (live.serial == serial && live.queued == queued).then_some(live)
    }

    fn queue(&mut self, tick: i64, serial: u64, index: u32) {
        self.deadlines.entry(tick).or_default().push((serial, index));
        self.entries += 1;
        self.earliest = Some(self.earliest.map_or(tick, |earliest| earliest.min(tick)));
    }

    fn note_earliest(&mut self) {
        self.earliest = self.deadlines.first_key_value().map(|(tick, _)| *tick);
    }

    fn requeue(&mut self, index: u32, tick: i64) {
        if let Some(live) = self.slots.get_mut(index as usize).and_then(Option::as_mut) {
            live.queued = tick;
            let serial = live.serial;
            self.queue(tick, serial, index);
        }
    }

    /// Drops entries that no longer count before they outnumber the others.
    fn compact(&mut self) {
        let most = 2 * self.by_key.len() + 4096;
        let slots = &self.slots;
        let live = |index: u32| slots.get(index as usize).and_then(Option::as_ref);
        if self.entries > most {
            self.deadlines.retain(|queued, entries| {
                entries.retain(|(serial, index)| {
                    live(*index).is_some_and(|live| live.serial == *serial && live.queued == *queued)
                });
                !entries.is_empty()
            });
            self.entries = self.deadlines.values().map(Vec::len).sum();
        }
        if self.waiting.len() > most {
            self.waiting.retain(|(serial, index)| live(*index).is_some_and(|live| live.serial == *serial));
        }
    }
}
