//! The handshake in CRYPTO frames (RFC 9000 section 19.6), put together from pieces in any order.

use super::initial::integer;
use super::version::Version;

/// Bound on the handshake of a client. With the keys of today's post-quantum groups it has some two kilobytes.
const HANDSHAKE_MAX: usize = 32 * 1024;
/// Bound on the pieces that wait for what lies between them. Chrome cuts its hello into tens.
const PIECES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Handshake {
    bytes: Vec<u8>,
    /// What has come: disjoint ranges in order, none of which touch.
    ranges: Vec<(usize, usize)>,
}

/// Skips an ACK frame behind its type (RFC 9000 section 19.3).
fn after_ack(bytes: &[u8], with_counts: bool) -> Option<&[u8]> {
    let (_largest, rest) = integer(bytes)?;
    let (_delay, rest) = integer(rest)?;
    let (ranges, rest) = integer(rest)?;
    let (_first, mut rest) = integer(rest)?;
    for _ in 0..ranges.checked_mul(2)?.checked_add(if with_counts { 3 } else { 0 })? {
        rest = integer(rest)?.1;
    }
    Some(rest)
}

impl Handshake {
    /// The frames of a packet.
    pub(super) fn take(&mut self, mut frames: &[u8], version: &Version) {
        while let Some((&kind, rest)) = frames.split_first() {
            let next = match kind {
                // Padding and ping.
                0 | 1 => Some(rest),
                2 | 3 => after_ack(rest, kind == 3),
                6 => self.crypto(rest),
                // Google's number for the same.
                8 if version.google_hello => self.crypto(rest),
                _ => None,
            };
            let Some(next) = next else { return };
            frames = next;
        }
    }

    fn crypto<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (offset, rest) = integer(bytes)?;
        let (length, rest) = integer(rest)?;
        let (data, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(data.len()).filter(|end| *end <= HANDSHAKE_MAX)?;
        if data.is_empty() {
            return Some(rest);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(start..end)?.copy_from_slice(data);
        self.cover(start, end);
        (self.ranges.len() <= PIECES_MAX).then_some(rest)
    }

    fn cover(&mut self, mut start: usize, mut end: usize) {
        let first = self.ranges.partition_point(|(_, known_end)| *known_end < start);
        let behind = self.ranges.partition_point(|(known_start, _)| *known_start <= end);
        for (known_start, known_end) in self.ranges.drain(first..behind.max(first)) {
            (start, end) = (start.min(known_start), end.max(known_end));
        }
        self.ranges.insert(first, (start, end));
    }

    /// What is there from the beginning without a hole.
    pub(super) fn prefix(&self) -> &[u8] {
        match self.ranges.first() {
            Some((0, end)) => self.bytes.get(..*end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Type and length of the first message, and what there is of its body.
    fn message(&self) -> Option<(usize, &[u8])> {
        let [1, a, b, c, body @ ..] = self.prefix() else { return None };
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        (length <= HANDSHAKE_MAX).then(|| (length, body.get(..length).unwrap_or(body)))
    }

    /// The body of the ClientHello, once it is whole.
    pub(super) fn client_hello(&self) -> Option<&[u8]> {
        self.message().filter(|(length, body)| body.len() == *length).map(|(_, body)| body)
    }

    /// The body of a ClientHello of which the end did not come, with zeros in its place.
    pub(super) fn padded(&self) -> Option<Vec<u8>> {
        let (length, body) = self.message()?;
        let mut body = body.to_vec();
        body.resize(length, 0);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::super::version;
    use super::*;

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let whole: Vec<u8> = [&[1, 0, 0, 60][..], &(0..60).collect::<Vec<u8>>()].concat();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let mut handshake = Handshake::default();
            for piece in order {
                assert_eq!(handshake.client_hello(), None);
                // Each overlaps the one behind it.
                let end = (piece * 16 + 20).min(64);
                let data = &whole[piece * 16..end];
                // Padding, ping, an acknowledgement of two ranges, the piece.
                let frame = [&[0, 1, 2, 9, 0, 1, 0, 1, 1, 6][..], &[piece as u8 * 16, data.len() as u8], data].concat();
                handshake.take(&frame, version::find(1).unwrap());
            }
            assert_eq!(handshake.client_hello(), Some(&whole[4..]));
            assert_eq!(handshake.ranges, [(0, 64)]);
        }
    }

    #[test]
    fn a_beginning_is_filled_up_and_wild_offsets_are_refused() {
        let mut handshake = Handshake::default();
        handshake.take(&[6, 0, 5, 1, 0, 0, 9, 7], version::find(1).unwrap());
        assert_eq!(handshake.padded(), Some(vec![7, 0, 0, 0, 0, 0, 0, 0, 0]));
        handshake.take(&[6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1], version::find(1).unwrap());
        handshake.take(&[2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], version::find(1).unwrap());
        assert_eq!(handshake.ranges, [(0, 5)]);
    }
}
