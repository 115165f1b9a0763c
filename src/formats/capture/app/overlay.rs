//! Networks laid over UDP whose headers are in the clear: ZeroTier, Nebula, n2n, and the way through address
//! translation that SoftEther finds.

use memchr::memmem;

use super::datagram::DatagramReader;
use super::sight::{Sight, looks_random};
use super::{Emit, Packet, side};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Datagrams of a conversation that are looked at closely.
const CLOSELY: u64 = 64;

/// What a datagram says of its network: equal on both sides where they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    /// From a node to another, by addresses of five bytes; `hello` brings the sender's identity in the clear.
    ZeroTier {
        from: [u8; 5],
        to: [u8; 5],
        hello: bool,
    },
    /// The first or the second message of a handshake, or any other with the index that its receiver chose.
    Nebula {
        counter: u64,
        handshake: bool,
    },
    N2n {
        community: [u8; 20],
    },
    /// A question to a server outside, or what address and port it saw.
    SoftEther,
}

impl Message {
    fn protocol(&self) -> &'static str {
        match self {
            Message::ZeroTier { .. } => "zerotier",
            Message::Nebula { .. } => "nebula",
            Message::N2n { .. } => "n2n",
            Message::SoftEther => "softether",
        }
    }
}

/// ZeroTier's packet header and HELLO (`Packet.hpp` of its source): packet id, destination, source, flags with the
/// cipher, authenticator, verb; then versions, time and the sender's identity, which begins with its address.
fn zerotier(bytes: &[u8]) -> Option<Message> {
    let (_id, rest) = bytes.split_first_chunk::<8>()?;
    let (to, rest) = rest.split_first_chunk::<5>()?;
    let (from, rest) = rest.split_first_chunk::<5>()?;
    let [flags, _, _, _, _, _, _, _, _, verb, body @ ..] = rest else { return None };
    // In the clear, under an authenticator.
    let is_hello = flags & 0x38 == 0
        && verb & 0x1f == 1
        && body.first().is_some_and(|version| (1..=32).contains(version))
        && body.get(13..18) == Some(&from[..])
        && body.get(18) == Some(&0)
        && body.get(19..35).and_then(|key| key.first_chunk()).is_some_and(looks_random);
    // 0x00 and 0xff begin no address.
    let are_addresses = !matches!((from[0], to[0]), (0 | 0xff, _) | (_, 0 | 0xff));
    are_addresses.then_some(Message::ZeroTier { from: *from, to: *to, hello: is_hello })
}

/// Nebula's header (`header/header.go`): version and type, subtype, two reserved bytes, the receiver's index, counter.
fn nebula(bytes: &[u8]) -> Option<Message> {
    let &[kind @ 0x10..=0x15, subtype, 0, 0, a, b, c, d, ref rest @ ..] = bytes else { return None };
    let index = u32::from_be_bytes([a, b, c, d]);
    let counter = u64::from_be_bytes(*rest.first_chunk()?);
    let payload = rest.get(8..)?;
    match (kind, counter, index) {
        // A protocol buffer whose only field has the details of the handshake.
        (0x10, 1, 0) | (0x10, 2, 1..) if subtype == 0 => {
            (payload.len() > 64).then_some(Message::Nebula { counter, handshake: true })
        }
        (0x10, _, _) => None,
        (_, 1.., 1..) if subtype <= 1 && counter < 1 << 40 && payload.len() >= 16 => {
            let random = payload.last_chunk().is_some_and(looks_random);
            random.then_some(Message::Nebula { counter, handshake: false })
        }
        _ => None,
    }
}

/// n2n's common header (`doc/` of its source): version, hops left, flags with the type of packet, and the name of the
/// community with zeros behind it.
fn n2n(bytes: &[u8]) -> Option<Message> {
    let [2 | 3, 1..=16, 0, flags, rest @ ..] = bytes else { return None };
    let community: &[u8; 20] = rest.first_chunk()?;
    // Version 2 gave sixteen bytes to the name, and what follows is a cookie or an address.
    let width = if bytes.first() == Some(&2) { 16 } else { 20 };
    let name = community.get(..width)?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(width);
    let (name, padding) = name.split_at_checked(end)?;
    let is_name = end >= 2 && name.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == 0);
    let is_type = (1..=12).contains(&(flags & 0x1f));
    let mut kept = [0; 20];
    kept.iter_mut().zip(name).for_each(|(kept, byte)| *kept = *byte);
    (is_name && is_type).then_some(Message::N2n { community: kept })
}

/// SoftEther's NAT traversal (`Cedar/` of its source): packs of named values of which one is `opcode`, and answers of
/// the form `IP=192.0.2.1,PORT=5004`.
fn softether(bytes: &[u8]) -> Option<Message> {
    let is_answer = || {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 64)?;
        let (address, port) = text.trim_end_matches('\0').strip_prefix("IP=")?.split_once(",PORT=")?;
        Some(address.parse::<std::net::IpAddr>().is_ok() && port.parse::<u16>().is_ok())
    };
    let is_pack = || {
        // Count of elements, length of the first name with its zero.
        let [0, 0, 0, 1..=64, 0, 0, 0, 2..=64, rest @ ..] = bytes else { return false };
        rest.first().is_some_and(u8::is_ascii_alphabetic)
            && memmem::find(bytes.get(..512).unwrap_or(bytes), b"\0\0\0\x07opcode\0\0\0").is_some()
    };
    let found = match bytes.first()? {
        b'I' => is_answer() == Some(true),
        0 => is_pack(),
        _ => false,
    };
    found.then_some(Message::SoftEther)
}

/// A message that tells its protocol by itself.
fn telling(bytes: &[u8]) -> Option<Message> {
    match bytes {
        [2 | 3, 1..=16, 0, ..] => n2n(bytes),
        [0x10, 0, 0, 0, ..] => nebula(bytes),
        _ => None,
    }
    .or_else(|| softether(bytes))
    .or_else(|| {
        // Protocol version before the rest, to say no early.
        let may_be = bytes.len() > 110 && bytes.get(27).is_some_and(|verb| verb & 0x1f == 1);
        may_be.then(|| zerotier(bytes)).flatten().filter(|found| matches!(found, Message::ZeroTier { hello: true, .. }))
    })
}

pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    telling(bytes).is_some()
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Overlay { flow, ..Overlay::default() })
}

#[derive(Default)]
struct Overlay {
    flow: Flow,
    first: Option<Message>,
    /// The last message of each side.
    last: [Option<Message>; 2],
    counts: [u64; 2],
    /// Both sides' messages fit each other.
    fits: bool,
    strange: u64,
    sight: Sight,
}

impl Overlay {
    fn read(&self, bytes: &[u8]) -> Option<Message> {
        match &self.first {
            None => telling(bytes),
            Some(Message::ZeroTier { from, to, .. }) => zerotier(bytes).filter(|found| {
                let Message::ZeroTier { from: their, to: our, .. } = found else { return false };
                (their, our) == (from, to) || (their, our) == (to, from)
            }),
            Some(Message::Nebula { .. }) => nebula(bytes),
            Some(Message::N2n { community }) => {
                n2n(bytes).filter(|found| matches!(found, Message::N2n { community: their } if their == community))
            }
            Some(Message::SoftEther) => softether(bytes).or_else(|| (bytes == b"A").then_some(Message::SoftEther)),
        }
    }

    fn answers(&self, message: &Message, before: &Message) -> bool {
        match (before, message) {
            (Message::ZeroTier { from, .. }, Message::ZeroTier { to, .. }) => to == from,
            (Message::Nebula { counter: 1, handshake: true }, Message::Nebula { counter: 2, handshake: true }) => true,
            (Message::N2n { .. }, Message::N2n { .. }) | (Message::SoftEther, Message::SoftEther) => true,
            _ => false,
        }
    }

    fn mark(&self) -> Mark {
        let [one, other] = self.counts;
        match (&self.first, self.fits) {
            (_, true) => Mark::Exchange,
            // Of itself enough: an identity, a handshake.
            (Some(Message::ZeroTier { .. } | Message::Nebula { .. }), _) => Mark::OneSide,
            _ if one.max(other) >= 2 => Mark::OneSide,
            _ => Mark::Shape,
        }
    }
}

impl DatagramReader for Overlay {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if self.fits && self.sight.packets() >= CLOSELY {
            return self.sight.count(packet);
        }
        let Some(message) = self.read(bytes) else {
            self.strange = self.strange.saturating_add(1);
            return;
        };
        self.sight.count(packet);
        self.counts[packet.side()] += 1;
        let fits = !self.fits
            && self.last[side(!packet.from_opener)].as_ref().is_some_and(|before| self.answers(&message, before));
        if fits || self.sight.packets() <= 2 {
            self.sight.prove(packet);
        }
        self.fits |= fits;
        self.first.get_or_insert_with(|| message.clone());
        self.last[packet.side()] = Some(message);
    }

    fn is_done(&self) -> bool {
        false
    }

    fn is_refuted(&self) -> bool {
        !self.fits && self.strange > self.sight.packets().saturating_add(4)
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let Some(first) = &self.first else { return };
        let note = match (first, self.fits) {
            (Message::ZeroTier { from, to, .. }, fits) => {
                let text = |address: &[u8; 5]| address.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                let answered = if fits { ", which answers" } else { "" };
                format!("hello of node {} to node {}{answered}", text(from), text(to))
            }
            (Message::Nebula { .. }, true) => "both messages of the handshake".to_owned(),
            (Message::Nebula { .. }, false) => "a handshake of one side".to_owned(),
            (Message::N2n { community }, _) => {
                let name: Vec<u8> = community.iter().copied().take_while(|byte| *byte != 0).collect();
                format!("community \"{}\"", String::from_utf8_lossy(&name))
            }
            (Message::SoftEther, _) => "traversal of address translation".to_owned(),
        };
        let (protocol, mark) = (first.protocol(), self.mark());
        let tunnel = Tunnel { protocol, class: TunnelClass::Vpn, mark, note: note.into(), ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}
