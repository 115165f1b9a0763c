//! OpenVPN's control channel (<https://openvpn.net/community-docs/openvpn-protocol.html>, `ssl_pkt.h` of its source).
//!
//! A packet begins with five bits of opcode and three of key id, then the sender's session id. A packet of the control
//! channel acknowledges the other side's packets and names the other side's session id with it: an id that comes back
//! is an exchange. `--tls-auth` puts a digest, a packet number and the time in between; `--tls-crypt` puts the number
//! and the time first, then a digest, and encrypts the rest.

pub(super) mod datagram;
mod session;
pub(super) mod stream;

use super::sight::looks_random;
use crate::formats::capture::bytes::be32;

const SOFT_RESET: u8 = 3;
const CONTROL: u8 = 4;
const ACK: u8 = 5;
const DATA_V1: u8 = 6;
const CLIENT_RESET: u8 = 7;
const SERVER_RESET: u8 = 8;
const DATA_V2: u8 = 9;
/// With a key of the client's own behind it (`--tls-crypt-v2`).
const CLIENT_RESET_V3: u8 = 10;
const CONTROL_WITH_KEY: u8 = 11;

/// Lengths of the digests that `--auth` offers, the usual ones first.
const DIGESTS: [usize; 6] = [20, 64, 32, 48, 16, 28];
/// SHA-256, of `--tls-crypt`.
const CRYPT_DIGEST: usize = 32;
/// Acknowledgements in one packet.
const ACKS_MAX: u8 = 8;
/// Packets of a control channel are few.
const NUMBER_MAX: u32 = 0xffff;
/// Those that begin one are sent again a few times.
const RESETS_MAX: u32 = 0xff;

/// What is wrapped around a control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrap {
    Plain,
    /// `--tls-auth` with a digest of so many bytes.
    Auth(usize),
    Crypt,
}

/// A packet of the control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control {
    opcode: u8,
    session: u64,
    wrap: Wrap,
    /// The other side's session id, where packets are acknowledged in the clear.
    acknowledged: Option<u64>,
    /// Seconds since 1970 of the sender.
    time: Option<u32>,
}

/// The number of the packet and the sender's clock, for replay protection, beside the digest over them. The first byte
/// of the number may carry flags, which were 0x0a before they were 0x0f.
fn replay(bytes: &[u8], at: usize, max: u32, digest: usize) -> Option<u32> {
    let counter = be32(bytes, at)?;
    let time = be32(bytes, at.checked_add(4)?)?;
    let random = bytes.get(digest..)?.first_chunk().is_some_and(looks_random);
    let flags = matches!(counter >> 24, 0 | 0x0a | 0x0f);
    let believable = random && flags && (1..=max).contains(&(counter & 0x00ff_ffff));
    // From 1999 to 2096.
    (believable && (0x3700_0000..0xf000_0000).contains(&time)).then_some(time)
}

/// Acknowledgements, the packet's own number and what it brings, all of which has to fit its opcode. The session id
/// that is acknowledged.
fn in_clear(opcode: u8, bytes: &[u8]) -> Option<Option<u64>> {
    let (&count, rest) = bytes.split_first()?;
    let (acks, mut rest) = rest.split_at_checked(usize::from(count).checked_mul(4)?)?;
    let mut numbers =
        acks.chunks_exact(4).map(|ack| ack.first_chunk().map_or(u32::MAX, |ack| u32::from_be_bytes(*ack)));
    if count > ACKS_MAX || numbers.any(|number| number > NUMBER_MAX) {
        return None;
    }
    let mut acknowledged = None;
    if count > 0 {
        let (session, after) = rest.split_first_chunk()?;
        (acknowledged, rest) = (Some(u64::from_be_bytes(*session)), after);
    }
    if opcode == ACK {
        return (count > 0 && rest.is_empty()).then_some(acknowledged);
    }
    let own = be32(rest, 0)?;
    let brings = rest.len() > 4;
    let fits = match opcode {
        CLIENT_RESET => count == 0 && own == 0 && !brings,
        SERVER_RESET => count <= 1 && own == 0 && !brings,
        SOFT_RESET => own <= NUMBER_MAX && !brings,
        CONTROL => own <= NUMBER_MAX && brings,
        _ => false,
    };
    fits.then_some(acknowledged)
}

/// A control packet wrapped in this way.
fn wrapped(opcode: u8, rest: &[u8], wrap: Wrap) -> Option<(Option<u64>, Option<u32>)> {
    let is_reset = matches!(opcode, CLIENT_RESET | SERVER_RESET | CLIENT_RESET_V3);
    let max = if is_reset { RESETS_MAX } else { NUMBER_MAX };
    match wrap {
        Wrap::Plain => Some((in_clear(opcode, rest)?, None)),
        Wrap::Auth(digest) => {
            let time = replay(rest, digest, max, 0)?;
            Some((in_clear(opcode, rest.get(digest.checked_add(8)?..)?)?, Some(time)))
        }
        Wrap::Crypt => {
            let time = replay(rest, 0, max, 8)?;
            let inside = rest.len().checked_sub(8 + CRYPT_DIGEST)?;
            let fits = match opcode {
                // No acknowledgement and the packet's number; what it may bring was made up later.
                CLIENT_RESET => (5..=32).contains(&inside),
                SERVER_RESET => (17..=48).contains(&inside),
                ACK => (13..=41).contains(&inside),
                // The client's wrapped key says how long it is (`tls_crypt.h`), at least a digest, a key and a kind.
                CLIENT_RESET_V3 | CONTROL_WITH_KEY => {
                    let key = rest.last_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))?;
                    key >= 290 && inside.checked_sub(key).is_some_and(|own| own >= 5)
                }
                CONTROL => inside > 5,
                SOFT_RESET => inside >= 5,
                _ => false,
            };
            fits.then_some((None, Some(time)))
        }
    }
}

/// A packet of the control channel, wrapped as is known or in any way.
fn control(bytes: &[u8], known: Option<Wrap>) -> Option<Control> {
    let (&first, rest) = bytes.split_first()?;
    let (session, rest) = rest.split_first_chunk()?;
    let (opcode, session) = (first >> 3, u64::from_be_bytes(*session));
    let is_reset = matches!(opcode, CLIENT_RESET | SERVER_RESET | CLIENT_RESET_V3);
    let is_control = is_reset || matches!(opcode, SOFT_RESET | CONTROL | ACK | CONTROL_WITH_KEY);
    if !is_control || session == 0 || (is_reset && first & 7 != 0) {
        return None;
    }
    let with = |wrap| {
        let (acknowledged, time) = wrapped(opcode, rest, wrap)?;
        Some(Control { opcode, session, wrap, acknowledged, time })
    };
    match known {
        Some(wrap) => with(wrap),
        // What has to be right to the last byte comes first.
        None if is_reset || opcode == ACK => with(Wrap::Plain)
            .or_else(|| DIGESTS.into_iter().find_map(|digest| with(Wrap::Auth(digest))))
            .or_else(|| with(Wrap::Crypt)),
        None => DIGESTS
            .into_iter()
            .find_map(|digest| with(Wrap::Auth(digest)))
            .or_else(|| with(Wrap::Crypt))
            .or_else(|| with(Wrap::Plain)),
    }
}

/// Whether a message is one that a conversation begins with, or that can be told from the middle of one.
fn is_telling(bytes: &[u8]) -> bool {
    let Some(first) = bytes.first() else { return false };
    match first >> 3 {
        CLIENT_RESET | SERVER_RESET | CLIENT_RESET_V3 if first & 7 == 0 => control(bytes, None).is_some(),
        // A plain packet that acknowledges nothing has little to be told by.
        CONTROL | ACK => {
            control(bytes, None).is_some_and(|found| found.wrap != Wrap::Plain || found.acknowledged.is_some())
        }
        _ => false,
    }
}
