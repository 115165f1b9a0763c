//! Stratum V2 under Noise NX, told by the sizes of its first messages (sv2-spec, 04-Protocol-Security).
//!
//! The miner sends an encoded key of 64 bytes, the pool 234: its own key (64), its encrypted static key (64 + 16) and
//! its encrypted certificate (74 + 16). Every message after that has an encrypted header of 22 bytes and 16 bytes more
//! than its content: SetupConnection (16 bytes and five texts), its answer (6), the opening of a channel (41 and a
//! name), its answer (41 or more).

use crate::formats::capture::app::greeting::{Binary, Fit, Greeting};
use crate::formats::capture::app::{Emit, Packet, Reader, TcpReaders};
use crate::model::{Detail, Flow, Mark, Mining};
use crate::time::Instant;

pub(in super::super) const NOISE: Binary = Binary { name: "stratum-v2-noise", sniff, reader };

const KEY: u64 = 64;
const FRAME: u64 = 22 + 16;
/// What each turn may have, the miner's first.
const TURNS: [std::ops::RangeInclusive<u64>; 6] = [
    KEY..=KEY,
    234..=234,
    FRAME + 16..=FRAME + 16 + 5 * 255,
    FRAME + 6..=FRAME + 6,
    FRAME + 41..=FRAME + 43 + 255,
    FRAME + 41..=u64::MAX,
];
/// Turns after which the sizes are a lead.
const ENOUGH: usize = 4;

fn sniff(bytes: &[u8], greeting: Greeting) -> Fit {
    // A key has no letters to speak of: text of 64 bytes is something else.
    let is_key = bytes.len() as u64 == KEY
        && greeting.from_opener
        && bytes.iter().filter(|byte| byte.is_ascii_graphic() || **byte == b' ').count() < 44
        && bytes.iter().filter(|byte| **byte == 0).count() < 4;
    if is_key { Fit::Yes } else { Fit::No }
}

fn reader(greeting: Greeting) -> Box<dyn Reader> {
    Box::new(NoiseReader {
        flow: greeting.flow,
        depth: greeting.depth,
        turn: 0,
        bytes: 0,
        first: None,
        proof: Vec::new(),
        over: false,
        inner: None,
    })
}

struct NoiseReader {
    flow: Flow,
    depth: u8,
    /// The turn at hand, and its bytes so far.
    turn: usize,
    bytes: u64,
    first: Option<Packet>,
    /// First record of each turn.
    proof: Vec<u64>,
    /// Something did not fit, or everything has been seen.
    over: bool,
    /// It was something else: what comes is looked at as if this had not been there.
    inner: Option<Box<TcpReaders>>,
}

impl NoiseReader {
    /// Turns that fit, the one at hand included.
    fn fitting(&self) -> usize {
        let fits = TURNS.get(self.turn).is_some_and(|range| range.contains(&self.bytes));
        self.turn + usize::from(fits)
    }
}

impl Reader for NoiseReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        if let Some(inner) = &mut self.inner {
            return inner.data(packet.from_opener, bytes, packet.at, packet.record, emit);
        }
        if self.over {
            return;
        }
        self.first.get_or_insert(packet);
        let is_miners = self.turn.is_multiple_of(2);
        if is_miners != packet.from_opener {
            if self.fitting() == self.turn {
                return self.give_up(packet, bytes, emit);
            }
            self.turn += 1;
            self.bytes = 0;
        }
        if self.bytes == 0 {
            self.proof.push(packet.record);
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        match TURNS.get(self.turn) {
            Some(range) if self.bytes > *range.end() => self.give_up(packet, bytes, emit),
            // The pool's part of the handshake fits into one segment.
            Some(range) if self.turn == 1 && !range.contains(&self.bytes) => self.give_up(packet, bytes, emit),
            Some(range) if self.turn + 1 == TURNS.len() && range.contains(&self.bytes) => {
                self.turn += 1;
                self.over = true;
            }
            Some(_) => {}
            None => self.over = true,
        }
    }

    fn gap(&mut self, from_opener: bool, bytes: u64) {
        match &mut self.inner {
            Some(inner) => inner.gap(from_opener, bytes),
            None => self.over = true,
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.inner.as_ref().map_or(self.over, |inner| inner.is_done(from_opener))
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let fitting = self.fitting();
        if let Some(inner) = self.inner {
            return inner.finish(last, emit);
        }
        let Some(first) = self.first.filter(|_| fitting >= ENOUGH) else { return };
        let mining = Mining {
            dialect: "stratum-v2-noise".to_owned(),
            mark: if fitting == TURNS.len() { Mark::OneSide } else { Mark::Shape },
            first: Some(first.at),
            last: Some(last.max(first.at)),
            proof: self.proof,
            ..Mining::default()
        };
        emit(&first.observation(self.flow, Detail::Mining(mining)));
    }
}

impl NoiseReader {
    fn give_up(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        self.over = true;
        // Past the handshake it is none of the protocols that begin with a greeting.
        if self.turn <= 1
            && let Some(mut inner) = TcpReaders::nested(self.flow, false, self.depth)
        {
            inner.data(packet.from_opener, bytes, packet.at, packet.record, emit);
            self.inner = Some(Box::new(inner));
        }
    }
}
