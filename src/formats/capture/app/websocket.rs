//! WebSocket frames (RFC 6455): what is inside goes to readers of its own.

use super::{Emit, Packet, TcpReaders, side};
use crate::time::Instant;

/// Unwraps both directions.
pub(super) struct WebSocket {
    inner: TcpReaders,
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    /// Header of the frame at hand: 2 to 14 bytes.
    header: Vec<u8>,
    /// Bytes of its payload still to come, and how many have been.
    left: u64,
    done: u64,
    mask: Option<[u8; 4]>,
    /// Its payload belongs to the message stream (not ping, pong or close).
    carries: bool,
    /// Compressed (RFC 7692) or out of step: nothing more to be read.
    lost: bool,
}

impl WebSocket {
    pub(super) fn new(inner: TcpReaders) -> Self {
        WebSocket { inner, sides: Default::default() }
    }

    pub(super) fn data(&mut self, packet: Packet, mut bytes: &[u8], emit: &mut Emit<'_>) {
        let own = &mut self.sides[packet.side()];
        while !own.lost && !bytes.is_empty() {
            if own.left == 0 {
                let wanted = own.wanted();
                let (now, later) = bytes.split_at(wanted.saturating_sub(own.header.len()).min(bytes.len()));
                own.header.extend_from_slice(now);
                bytes = later;
                if own.header.len() >= own.wanted() {
                    own.begin();
                }
                continue;
            }
            let (now, later) = bytes.split_at(usize::try_from(own.left).unwrap_or(usize::MAX).min(bytes.len()));
            bytes = later;
            if own.carries {
                let clear = own.unmask(now);
                self.inner.data(packet.from_opener, &clear, packet.at, packet.record, emit);
            }
            own.left -= now.len() as u64;
            own.done += now.len() as u64;
        }
    }

    pub(super) fn gap(&mut self, from_opener: bool, bytes: u64) {
        let own = &mut self.sides[side(from_opener)];
        if own.left > bytes {
            own.left -= bytes;
            own.done += bytes;
        } else {
            own.lost = true;
        }
        self.inner.gap(from_opener, bytes);
    }

    pub(super) fn is_done(&self, from_opener: bool) -> bool {
        self.sides[side(from_opener)].lost || self.inner.is_done(from_opener)
    }

    /// The protocol that was recognised inside.
    pub(super) fn protocol(&self) -> Option<&'static str> {
        self.inner.protocol()
    }

    pub(super) fn finish(self, last: Instant, emit: &mut Emit<'_>) {
        self.inner.finish(last, emit);
    }
}

impl Side {
    /// Length of the header, as far as its first two bytes tell.
    fn wanted(&self) -> usize {
        match self.header.as_slice() {
            [_, second, ..] => {
                let length = match second & 0x7f {
                    126 => 2,
                    127 => 8,
                    _ => 0,
                };
                2 + length + if second & 0x80 != 0 { 4 } else { 0 }
            }
            _ => 2,
        }
    }

    fn begin(&mut self) {
        let header = std::mem::take(&mut self.header);
        let [first, second, rest @ ..] = header.as_slice() else { return };
        let (length, rest) = match second & 0x7f {
            126 => (rest.first_chunk::<2>().map(|b| u64::from(u16::from_be_bytes(*b))), rest.get(2..)),
            127 => (rest.first_chunk::<8>().map(|b| u64::from_be_bytes(*b)), rest.get(8..)),
            short => (Some(u64::from(short)), Some(rest)),
        };
        let (Some(length), Some(rest)) = (length, rest) else {
            self.lost = true;
            return;
        };
        let opcode = first & 0x0f;
        // Reserved bits mean an extension; control frames are short (RFC 6455 section 5.5).
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) || (opcode >= 8 && length > 125) || length >> 63 != 0
        {
            self.lost = true;
            return;
        }
        self.mask = rest.first_chunk::<4>().copied();
        self.carries = opcode < 8;
        self.left = length;
        self.done = 0;
    }

    fn unmask(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(mask) = self.mask else { return bytes.to_vec() };
        let offset = usize::try_from(self.done % 4).unwrap_or(0);
        bytes.iter().zip(mask.iter().cycle().skip(offset)).map(|(byte, key)| byte ^ key).collect()
    }
}
