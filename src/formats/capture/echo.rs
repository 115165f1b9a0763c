//! ICMP echo as a carrier. RFC 792 and RFC 4443: the data of a request comes back in its reply, byte for byte. What a
//! side sends of its own (its requests, and replies that are not what was asked) is looked at; what merely comes back
//! is not.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::packets::Stamp;
use crate::model::{Mark, Tunnel, TunnelClass};
use crate::stats::hash::fnv;
use crate::time::Instant;

/// Requests that wait for their replies.
const WAITING: usize = 16;
/// Records of proof kept.
const PROOF: usize = 4;
/// Timestamps and counters stand within the first bytes of a ping's data; a reply may carry its own.
const STAMPED: usize = 16;
/// Replies that are cut short are told by this much of their data.
const BEGINNING: usize = 48;
/// Own replies, packets inside, and changes of the data, from which on they are told of.
const FEWEST: u64 = 3;
/// Requests with other data each time, from which on they are a lead: some monitors fill theirs at random.
const FEWEST_CHANGES: u64 = 10;

/// What the two sides of one pair sent each other in echoes.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// The latest [`WAITING`]: a host of a sweep is asked once, and costs one.
    waiting: Vec<Asked>,
    next: usize,
    /// What the opener and what the responder sent of its own.
    sides: [Own; 2],
    first: Option<Stamp>,
    last: Instant,
    /// Where a tunnel's header says that it leads.
    target: Option<(Ipv4Addr, u16)>,
    inside: Option<&'static str>,
    proof: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Identifier and sequence number; the asker.
    key: Option<(u32, bool)>,
    length: usize,
    whole: u64,
    start: u64,
    tail: u64,
}

#[derive(Debug, Default)]
struct Own {
    messages: u64,
    bytes: u64,
    /// Replies whose data is neither what was asked nor what a ping sends.
    replies: u64,
    /// Messages whose data differs from that of the one before, other than those of ping programs.
    changes: u64,
    before: Option<u64>,
    /// IP packets inside.
    packets: u64,
    ptunnel: u64,
    hans: u64,
}

impl Echoes {
    /// An echo request or reply with its identifier and sequence number.
    pub(super) fn message(&mut self, from_opener: bool, is_reply: bool, id: u32, data: &[u8], stamp: Stamp) {
        let asked = Asked {
            key: Some((id, from_opener)),
            length: data.len(),
            whole: fnv(data),
            start: fnv(data.get(..BEGINNING).unwrap_or(data)),
            tail: fnv(data.get(STAMPED..).unwrap_or_default()),
        };
        if is_reply {
            if self.came_back(from_opener, id, data, asked) {
                return;
            }
        } else if self.waiting.len() < WAITING {
            self.waiting.push(asked);
        } else if let Some(slot) = self.waiting.get_mut(self.next) {
            *slot = asked;
            self.next = (self.next + 1) % WAITING;
        }
        let side = &mut self.sides[usize::from(!from_opener)];
        side.messages += 1;
        side.bytes += data.len() as u64;
        let content = Content::of(data);
        match content {
            Content::Ping => return,
            Content::Ptunnel(target) => {
                side.ptunnel += 1;
                self.target = self.target.or(target);
            }
            Content::Hans => side.hans += 1,
            Content::Packet => side.packets += 1,
            Content::Text(what) => self.inside = self.inside.or(Some(what)),
            Content::Data => {}
        }
        side.replies += u64::from(is_reply);
        side.changes += u64::from(
            side.before
                .replace(asked.tail ^ asked.length as u64)
                .is_some_and(|before| before != asked.tail ^ asked.length as u64),
        );
        self.first.get_or_insert(stamp);
        self.last = self.last.max(stamp.clock);
        if self.proof.len() < PROOF {
            self.proof.push(stamp.record);
        }
    }

    /// Whether a reply brings back what was asked. Routers and filters cut replies short, and some put a time of their
    /// own where the asker's was.
    fn came_back(&self, from_opener: bool, id: u32, data: &[u8], reply: Asked) -> bool {
        let mut asked = self.waiting.iter().filter(|asked| asked.key == Some((id, !from_opener)));
        asked.any(|asked| {
            let is_ping = || Content::of(data) == Content::Ping;
            let same =
                reply.length == asked.length && (reply.whole == asked.whole || (reply.tail == asked.tail && is_ping()));
            let begins_alike = reply.length >= BEGINNING && reply.start == asked.start;
            let cut = reply.length < asked.length && (begins_alike || is_ping());
            same || cut
        })
    }

    /// The account as a tunnel, with the first packet that shows it; `None` if these are pings.
    pub(super) fn finish(self) -> Option<(Stamp, Tunnel)> {
        let first = self.first?;
        let [opener, responder] = &self.sides;
        let both = |count: fn(&Own) -> u64, fewest: u64| count(opener) >= fewest && count(responder) >= fewest;
        let either = |count: fn(&Own) -> u64, fewest: u64| count(opener) >= fewest || count(responder) >= fewest;
        let answers = self.sides.iter().any(|own| own.replies >= FEWEST && own.changes >= FEWEST);
        let (protocol, mark, note): (_, _, Cow<'static, str>) = if either(|own| own.ptunnel, 2) {
            let mark = if both(|own| own.ptunnel, 1) { Mark::Exchange } else { Mark::OneSide };
            ("ptunnel", mark, "its magic number and header in echo data".into())
        } else if either(|own| own.hans, FEWEST) {
            let mark = if both(|own| own.hans, 1) { Mark::Exchange } else { Mark::OneSide };
            ("hans", mark, "its magic number in echo data".into())
        } else if either(|own| own.packets, FEWEST) {
            let mark = if both(|own| own.packets, 2) { Mark::Exchange } else { Mark::OneSide };
            let note = format!("{} and {} echoes hold an IP packet each", opener.packets, responder.packets);
            ("icmp", mark, note.into())
        } else if answers {
            let mark = if both(|own| own.changes, FEWEST) { Mark::Exchange } else { Mark::OneSide };
            let replies = opener.replies + responder.replies;
            ("icmp", mark, format!("{replies} echo replies with data of their own").into())
        } else if self.inside.is_some() {
            ("icmp", Mark::OneSide, "text of another protocol in echo data".into())
        } else if opener.changes >= FEWEST_CHANGES && opener.bytes / opener.messages.max(1) >= 64 {
            let note =
                format!("{} of {} requests with other data than the one before", opener.changes, opener.messages);
            ("icmp", Mark::Shape, note.into())
        } else {
            return None;
        };
        let inside = self.inside.or((opener.packets + responder.packets >= FEWEST).then_some("ip"));
        let tunnel = Tunnel {
            protocol,
            class: TunnelClass::Covert,
            mark,
            target: self.target.map(|(address, port)| format!("{address}:{port}")),
            inside,
            packets: opener.messages + responder.messages,
            note: format!("{note}; {} and {} bytes", opener.bytes, responder.bytes).into(),
            last: Some(self.last),
            proof: self.proof,
            ..Tunnel::default()
        };
        Some((first, tunnel))
    }
}

/// What the data of an echo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// As ping programs fill it.
    Ping,
    /// ptunnel and ptunnel-ng.
    Ptunnel(Option<(Ipv4Addr, u16)>),
    /// hans: a magic number of its client or server.
    Hans,
    /// An IP packet whose header is right.
    Packet,
    /// The beginning of a protocol in the clear.
    Text(&'static str),
    Data,
}

impl Content {
    fn of(data: &[u8]) -> Self {
        match data {
            [0xd5, 0x20, 0x08, 0x80, rest @ ..] => ptunnel(rest),
            [b'h', b'a', b'n', b'c' | b's', ..] | [b'h', b'n', b'c' | b's', b'2'..=b'4', ..] => Content::Hans,
            _ if packet_inside(data).is_some() => Content::Packet,
            [b'S', b'S', b'H', b'-', b'1' | b'2', b'.', ..] => Content::Text("ssh"),
            _ if starts_http(data) => Content::Text("http"),
            _ if is_ping(data) => Content::Ping,
            _ => Content::Data,
        }
    }
}

/// The header behind the magic number of ptunnel: address, port, state, acknowledged, length (`ptunnel.h`).
fn ptunnel(rest: &[u8]) -> Content {
    let word =
        |at: usize| rest.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|word| u32::from_be_bytes(*word));
    let (Some(address), Some(port), Some(state)) = (word(0), word(4), word(8)) else { return Content::Data };
    // One bit for the user and one for the proxy, and the states up to the authentication.
    let by_user = match state >> 30 {
        1 => true,
        2 => false,
        _ => return Content::Data,
    };
    match u16::try_from(port) {
        Ok(port) if state & 0x3fff_ffff <= 16 => {
            Content::Ptunnel((by_user && port > 0).then(|| (Ipv4Addr::from(address), port)))
        }
        _ => Content::Data,
    }
}

/// The IP packet that echo data is, if its header holds: lengths, and for IPv4 the checksum (RFC 791).
pub(super) fn packet_inside(data: &[u8]) -> Option<&[u8]> {
    match data {
        [0x45..=0x4f, _, high, low, ..] => {
            let header = data.get(..usize::from(data.first()? & 0x0f) * 4)?;
            let total = usize::from(u16::from_be_bytes([*high, *low]));
            let words = header.chunks_exact(2).filter_map(|word| word.first_chunk::<2>());
            let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            (total >= header.len() && folded == 0xffff).then_some(())?;
            data.get(..total)
        }
        // No checksum: the length must end where the data ends, and the next header be one that is in use.
        [0x60..=0x6f, _, _, _, high, low, 0 | 6 | 17 | 58, hops, ..] if *hops > 0 => {
            let total = usize::from(u16::from_be_bytes([*high, *low])).checked_add(40)?;
            (total > 40 && total == data.len()).then_some(data)
        }
        _ => None,
    }
}

fn starts_http(data: &[u8]) -> bool {
    let begins = [&b"GET /"[..], b"POST /", b"HTTP/1.", b"CONNECT "].iter().any(|start| data.starts_with(start));
    begins && (data.starts_with(b"HTTP") || memchr::memmem::find(data, b" HTTP/1.").is_some())
}

/// Whether ping programs send such data: nothing, a time and a counter, and behind them a run (iputils and BSD count
/// up, Windows goes through `a` to `w`), one byte over and over, or a short pattern.
fn is_ping(data: &[u8]) -> bool {
    [STAMPED, 8, 24, 0].iter().any(|skip| match data.get(*skip..) {
        Some(rest) if rest.len() >= 8 => is_run(rest) || (1..=16).any(|period| is_periodic(rest, period)),
        _ => false,
    }) || data.len() <= 24 && !data.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        || data.is_empty()
}

fn is_run(data: &[u8]) -> bool {
    data.windows(2).all(|pair| match *pair {
        [b'w', b'a'] => true,
        [before, after] => after == before.wrapping_add(1) || after == before,
        _ => false,
    })
}

fn is_periodic(data: &[u8], period: usize) -> bool {
    data.len() >= 2 * period && data.iter().zip(data.iter().skip(period)).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests;
