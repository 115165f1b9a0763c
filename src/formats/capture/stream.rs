//! One direction of a TCP conversation, put in order (RFC 9293).

use super::packets::Stamp;
use super::pieces::Pieces;

/// Takes a direction's bytes in stream order.
pub(super) trait Receive {
    /// Bytes that follow what came before.
    fn data(&mut self, bytes: &[u8], stamp: Stamp);
    /// Bytes that the capture does not have.
    fn gap(&mut self, bytes: u64);
    /// Nothing further matters.
    fn is_done(&self) -> bool;
}

/// The bytes of one direction. Sequence numbers are followed by 32-bit differences, so that they may wrap.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Sequence number of the next byte in order, once known.
    next: Option<u32>,
    /// Bytes given out or missed so far: the place of `next`.
    place: u64,
    waiting: Pieces<Stamp>,
    held: usize,
    done: bool,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes that had come before with other content.
    pub(super) differs: bool,
    /// Missing bytes that were given up on.
    pub(super) missing: u64,
}

/// A hole is given up when more than this waits behind it: several times a usual window of a fast path.
const MAX_WAITING: usize = 256;
const MAX_HELD: usize = 1 << 20;

impl Stream {
    /// Bytes held back for a hole.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The first byte will have this sequence number. Without effect once the stream has begun.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.next.get_or_insert(sequence);
    }

    /// Takes a segment of `length` bytes, of which `data` was captured.
    pub(super) fn segment(
        &mut self,
        sequence: u32,
        length: u32,
        data: &[u8],
        stamp: Stamp,
        to: &mut impl Receive,
    ) -> Taken {
        let mut taken = Taken::default();
        if self.done || length == 0 {
            return taken;
        }
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next).cast_signed();
        if ahead <= 0 && self.waiting.is_empty() {
            // The usual case: in order, perhaps beginning with bytes that are known.
            let known = ahead.unsigned_abs();
            if known < length {
                let fresh = data.get(known as usize..).unwrap_or_default();
                self.pass_on(u64::from(length - known), fresh, stamp, &mut taken, to);
            }
            return taken;
        }
        let (at, cut) = if ahead < 0 {
            (self.place, ahead.unsigned_abs().min(length))
        } else {
            (self.place.saturating_add(u64::from(ahead.unsigned_abs())), 0)
        };
        let data = data.get(cut as usize..).unwrap_or_default();
        let inserted = self.waiting.insert(at, u64::from(length - cut), data, stamp);
        self.held += inserted.held;
        taken.differs = inserted.differs;
        self.drain(&mut taken, to);
        while self.waiting.len() > MAX_WAITING || self.held > MAX_HELD {
            self.give_up(&mut taken, to);
        }
        taken
    }

    /// Passes on everything that waits, holes reported: at the end of the conversation, or when memory is short.
    pub(super) fn flush(&mut self, to: &mut impl Receive) -> Taken {
        let mut taken = Taken::default();
        while !self.waiting.is_empty() {
            self.give_up(&mut taken, to);
        }
        taken
    }

    fn give_up(&mut self, taken: &mut Taken, to: &mut impl Receive) {
        if let Some(first) = self.waiting.first() {
            let missing = first.at.saturating_sub(self.place);
            if missing > 0 {
                self.miss(missing, taken, to);
            }
        }
        self.drain(taken, to);
    }

    /// Passes on what waits and has become contiguous.
    fn drain(&mut self, taken: &mut Taken, to: &mut impl Receive) {
        while self.waiting.first().is_some_and(|piece| piece.at <= self.place) {
            let Some(piece) = self.waiting.take_first() else { break };
            self.held = self.held.saturating_sub(piece.data.len());
            self.pass_on(piece.length, &piece.data, piece.meta, taken, to);
        }
    }

    fn pass_on(&mut self, length: u64, data: &[u8], stamp: Stamp, taken: &mut Taken, to: &mut impl Receive) {
        if self.done {
            return;
        }
        if !data.is_empty() {
            to.data(data, stamp);
        }
        self.step(data.len() as u64);
        let missing = length.saturating_sub(data.len() as u64);
        if missing > 0 {
            self.miss(missing, taken, to);
        }
        if to.is_done() {
            self.done = true;
            self.waiting.clear();
            self.held = 0;
        }
    }

    fn miss(&mut self, bytes: u64, taken: &mut Taken, to: &mut impl Receive) {
        to.gap(bytes);
        taken.missing = taken.missing.saturating_add(bytes);
        self.step(bytes);
    }

    fn step(&mut self, bytes: u64) {
        self.place = self.place.saturating_add(bytes);
        // Sequence numbers count modulo 2^32.
        let low = u32::try_from(bytes & 0xffff_ffff).unwrap_or_default();
        self.next = self.next.map(|next| next.wrapping_add(low));
    }
}
