//! WireGuard (<https://www.wireguard.com/protocol/>) and what is built on it.
//!
//! Its messages have fixed sizes and name each other by indices that the receiver chose: an index that comes back is
//! an exchange. Without the handshake, counters that go up by receiver are left, which few other protocols have.
//!
//! - Cloudflare WARP fills the three reserved bytes with an id of the client, and its later clients set the two top
//!   bits of the type, so that the message passes for QUIC.
//! - Tailscale looks for paths with messages of its own beside WireGuard's: "TS" and a speech balloon, the sender's
//!   key, a nonce and a sealed box (`disco/disco.go` of tailscale.com).

use super::datagram::DatagramReader;
use super::sight::{Sight, looks_random};
use super::{Emit, Packet, side};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Bytes of the handshake's messages (sections 5.4.2 and 5.4.3 of the paper).
const INITIATION: usize = 148;
const RESPONSE: usize = 92;
const COOKIE: usize = 64;
/// Type, reserved, receiver, counter, and the authenticator of an empty packet: a keep-alive.
const DATA_MIN: usize = 32;
/// Contents are padded to this.
const PADDED_TO: usize = 16;

const DISCO: &[u8] = b"TS\xf0\x9f\x92\xac";
/// Magic, key, nonce, authenticator.
const DISCO_MIN: usize = 6 + 32 + 24 + 16;

/// Counters may run ahead by what a capture dropped.
const AHEAD: u64 = 1 << 20;
/// Steps of one side's counter that are believed, if the other side's goes up as well.
const STEPS_EACH: u32 = 2;
/// Steps of one side's counter that are believed by themselves.
const STEPS_ALONE: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Initiation { sender: u32 },
    Response { sender: u32, receiver: u32 },
    Cookie { receiver: u32 },
    Data { receiver: u32, counter: u64 },
    Disco,
}

/// A message and the three bytes behind its type, which are empty but for WARP. `later` if one was recognised before.
fn message(bytes: &[u8], later: bool) -> Option<(Message, [u8; 3])> {
    let &[kind, r1, r2, r3, a, b, c, d, ref rest @ ..] = bytes else { return None };
    let reserved = [r1, r2, r3];
    let first = u32::from_le_bytes([a, b, c, d]);
    let second = rest.first_chunk().map(|second| u32::from_le_bytes(*second));
    let is_plain = reserved == [0; 3];
    match (kind, bytes.len()) {
        (1, INITIATION) if is_handshake(bytes, later) => Some((Message::Initiation { sender: first }, reserved)),
        (2, RESPONSE) if is_handshake(bytes, later) => {
            Some((Message::Response { sender: first, receiver: second? }, reserved))
        }
        (3, COOKIE) if is_plain && random_end(bytes) => Some((Message::Cookie { receiver: first }, reserved)),
        (4 | 0xc4, length) if length >= DATA_MIN && (later || is_plain == (kind == 4)) => {
            let counter = u64::from_le_bytes(*rest.first_chunk()?);
            let padded = length % PADDED_TO == 0 || kind == 0xc4;
            let believable = counter < 1 << 40 && padded && first != 0 && random_end(bytes);
            believable.then_some((Message::Data { receiver: first, counter }, reserved))
        }
        (b'T', length) if length >= DISCO_MIN && bytes.starts_with(DISCO) && random_end(bytes) => {
            Some((Message::Disco, [0; 3]))
        }
        _ => None,
    }
}

fn random_end(bytes: &[u8]) -> bool {
    bytes.last_chunk::<16>().is_some_and(looks_random)
}

/// Public key and first authenticator, and no second one: that is for servers under load, which ask for it first.
fn is_handshake(bytes: &[u8], later: bool) -> bool {
    let Some((rest, mac2)) = bytes.split_last_chunk::<16>() else { return false };
    let key = rest.get(12..28).and_then(|key| key.first_chunk());
    (*mac2 == [0; 16] || (later && looks_random(mac2))) && random_end(rest) && key.is_some_and(looks_random)
}

/// Whether a datagram may be WireGuard's.
pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    matches!(bytes.first(), Some(1..=4 | 0xc4 | b'T')) && message(bytes, false).is_some()
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(WireGuard { flow, ..WireGuard::default() })
}

/// What one side sends.
#[derive(Debug, Default)]
struct Lane {
    /// The index that it calls itself.
    sender: Option<u32>,
    /// The index that it calls the other side in data, and the highest counter with it.
    receiver: Option<u32>,
    counter: u64,
    /// How often the counter went up.
    steps: u32,
    handshakes: u32,
    data: u64,
    disco: u64,
}

#[derive(Default)]
struct WireGuard {
    flow: Flow,
    lanes: [Lane; 2],
    /// A side was called by the index that it chose.
    indices_fit: bool,
    reserved: [u8; 3],
    /// Types with the top bits set.
    disguised: bool,
    strange: u32,
    sight: Sight,
}

impl WireGuard {
    fn take(&mut self, packet: Packet, message: Message) {
        let (own, other) = (side(packet.from_opener), side(!packet.from_opener));
        let peer = self.lanes[other].sender;
        let lane = &mut self.lanes[own];
        let named = match message {
            Message::Initiation { sender } => {
                lane.sender = Some(sender);
                lane.handshakes = lane.handshakes.saturating_add(1);
                None
            }
            Message::Response { sender, receiver } => {
                lane.sender = Some(sender);
                lane.handshakes = lane.handshakes.saturating_add(1);
                Some(receiver)
            }
            Message::Cookie { receiver } => Some(receiver),
            Message::Data { receiver, counter } => {
                lane.data += 1;
                match lane.receiver {
                    Some(known) if known == receiver => {
                        if counter > lane.counter && counter - lane.counter < AHEAD {
                            lane.steps = lane.steps.saturating_add(1);
                            lane.counter = counter;
                        } else if lane.counter.abs_diff(counter) >= AHEAD {
                            self.strange += 1;
                        }
                    }
                    // Keys are new every two minutes, and the indices with them.
                    _ => (lane.receiver, lane.counter) = (Some(receiver), counter),
                }
                Some(receiver)
            }
            Message::Disco => {
                lane.disco += 1;
                None
            }
        };
        let fits = !self.indices_fit && named.is_some() && named == peer;
        self.indices_fit |= fits;
        if fits || !matches!(message, Message::Data { .. }) || self.lanes[own].data <= 2 {
            self.sight.prove(packet);
        }
        self.sight.count(packet);
    }

    fn mark(&self) -> Option<Mark> {
        let [one, other] = &self.lanes;
        let (least, most) = (one.steps.min(other.steps), one.steps.max(other.steps));
        if self.indices_fit || (one.disco > 0 && other.disco > 0) {
            Some(Mark::Exchange)
        } else if one.handshakes + other.handshakes > 0
            || one.disco + other.disco > 0
            || (self.strange == 0 && (least >= STEPS_EACH || most >= STEPS_ALONE))
        {
            Some(Mark::OneSide)
        } else {
            (most >= STEPS_EACH).then_some(Mark::Shape)
        }
    }

    fn note(&self) -> String {
        let [one, other] = &self.lanes;
        let mut told = Vec::new();
        if one.disco + other.disco > 0 {
            told.push(format!("{} path-finding messages", one.disco + other.disco));
        }
        match (self.indices_fit, one.handshakes + other.handshakes) {
            (true, _) => told.push("handshake, indices answer each other".to_owned()),
            (false, 0) => {}
            (false, count) => told.push(format!("{count} handshake messages of one side")),
        }
        let data = one.data + other.data;
        if data > 0 {
            let order = if one.steps + other.steps > 0 { ", counters go up" } else { "" };
            told.push(format!("{data} data messages{order}"));
        }
        told.join("; ")
    }
}

impl DatagramReader for WireGuard {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        let first = self.sight.packets() == 0;
        let lane = &mut self.lanes[packet.side()];
        if self.indices_fit && lane.data > 2 && matches!(bytes, [4 | 0xc4, ..]) {
            lane.data += 1;
            return self.sight.count(packet);
        }
        match message(bytes, !first) {
            Some((message, reserved)) => {
                if first {
                    self.disguised = bytes.first().is_some_and(|kind| *kind == 0xc4);
                    self.reserved = reserved;
                }
                let same = reserved == [0; 3] || reserved == self.reserved;
                if same { self.take(packet, message) } else { self.strange = self.strange.saturating_add(1) }
            }
            None => self.strange = self.strange.saturating_add(1),
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn is_refuted(&self) -> bool {
        self.mark().is_none() && u64::from(self.strange) > self.sight.packets().saturating_add(2)
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let Some(mark) = self.mark() else { return };
        let [one, other] = &self.lanes;
        let protocol = if one.disco + other.disco > 0 {
            "tailscale"
        } else if self.disguised || self.reserved != [0; 3] {
            "cloudflare-warp"
        } else {
            "wireguard"
        };
        let note = self.note().into();
        let tunnel = Tunnel { protocol, class: TunnelClass::Vpn, mark, note, ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}
