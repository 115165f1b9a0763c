//! OpenVPN over TCP: two bytes of length before each packet.

use super::super::greeting::{Binary, Fit, Greeting};
use super::super::{Emit, Packet, Reader};
use super::session::Session;
use super::{CLIENT_RESET, CLIENT_RESET_V3, SERVER_RESET, is_telling};
use crate::time::Instant;

/// Bound on a packet: the largest that an interface of OpenVPN takes, and what is put around it.
const PACKET_MAX: usize = 2048;

pub(in super::super) const OPENVPN: Binary = Binary { name: "openvpn", sniff, reader };

/// Only the beginning of a conversation is told; a length by itself tells nothing.
fn sniff(bytes: &[u8], _greeting: Greeting) -> Fit {
    let &[hi, lo, ref rest @ ..] = bytes else { return if bytes == [0] { Fit::More } else { Fit::No } };
    let length = usize::from(u16::from_be_bytes([hi, lo]));
    let is_reset = |first: &u8| first & 7 == 0 && matches!(first >> 3, CLIENT_RESET | SERVER_RESET | CLIENT_RESET_V3);
    if !(14..=PACKET_MAX).contains(&length) || !rest.first().is_none_or(is_reset) {
        return Fit::No;
    }
    match rest.get(..length) {
        Some(message) if is_telling(message) => Fit::Yes,
        Some(_) => Fit::No,
        None => Fit::More,
    }
}

fn reader(greeting: Greeting) -> Box<dyn Reader> {
    Box::new(Stream { session: Session::new(greeting.flow), lanes: Default::default() })
}

/// One direction.
#[derive(Default)]
struct Lane {
    bytes: Vec<u8>,
    /// The packet's beginning was in this packet of the capture.
    start: Option<Packet>,
    lost: bool,
}

struct Stream {
    session: Session,
    lanes: [Lane; 2],
}

impl Reader for Stream {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if self.is_done(packet.from_opener) {
            return;
        }
        let lane = &mut self.lanes[packet.side()];
        lane.bytes.extend_from_slice(bytes);
        let mut rest = lane.bytes.as_slice();
        while let [hi, lo, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*hi, *lo]));
            if length == 0 || length > PACKET_MAX {
                lane.lost = true;
                break;
            }
            let Some((message, after)) = after.split_at_checked(length) else { break };
            self.session.message(lane.start.take().unwrap_or(packet), message);
            rest = after;
        }
        let left = rest.to_vec();
        if !left.is_empty() {
            lane.start.get_or_insert(packet);
        }
        lane.bytes = if lane.lost { Vec::new() } else { left };
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        let lane = &mut self.lanes[super::super::side(from_opener)];
        *lane = Lane { lost: true, ..Lane::default() };
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.lanes[super::super::side(from_opener)].lost || self.session.is_settled()
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        self.session.finish(last, emit);
    }
}
