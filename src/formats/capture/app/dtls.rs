//! DTLS (RFC 4347, 6347, 9147): the ClientHello; and Cisco AnyConnect, which speaks a version of its own.
//!
//! AnyConnect and those who follow it (openconnect) kept the number that DTLS had in drafts, 1.0 as 0x0100, which
//! OpenSSL calls DTLS1_BAD_VER and nothing else uses.

use super::datagram::DatagramReader;
use super::sight::Sight;
use super::tls::{Transport, client_hello};
use super::{Emit, Packet};
use crate::model::{Detail, Flow, Mark, Tls, Tunnel, TunnelClass};
use crate::time::Instant;

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const DRAFT: u16 = 0x0100;
/// Type, version, epoch, number, length.
const RECORD_HEADER: usize = 13;

/// Bound on a ClientHello.
const HELLO_MAX: usize = 16 * 1024;
/// Datagrams in which a ClientHello may come; AnyConnect's are counted to the end.
const READ: u32 = 32;

struct Record<'a> {
    kind: u8,
    version: u16,
    epoch: u16,
    number: u64,
    body: &'a [u8],
}

/// The record that a datagram begins with, and what follows it.
fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let &[kind @ 20..=25, major, minor, e1, e2, n1, n2, n3, n4, n5, n6, l1, l2, ref rest @ ..] = bytes else {
        return None;
    };
    let version = u16::from_be_bytes([major, minor]);
    // 1.3 writes 1.2 here (RFC 9147 section 4).
    if !matches!(version, 0xfeff | 0xfefd | DRAFT) {
        return None;
    }
    let (body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l2])))?;
    let number = u64::from_be_bytes([0, 0, n1, n2, n3, n4, n5, n6]);
    Some((Record { kind, version, epoch: u16::from_be_bytes([e1, e2]), number, body }, rest))
}

/// A datagram of whole records whose epoch is one that sessions reach.
pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    let mut rest = bytes;
    while let Some((found, after)) = record(rest) {
        if found.epoch > 16 || found.body.is_empty() {
            return false;
        }
        if after.is_empty() {
            return true;
        }
        rest = after;
    }
    // The last may be of another kind, such as those of 1.3 that hide their header.
    bytes.len() > RECORD_HEADER && rest.len() < bytes.len() && rest.first().is_some_and(|byte| byte >> 5 == 1)
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Dtls { flow, ..Dtls::default() })
}

/// A ClientHello from its fragments.
#[derive(Default)]
struct Hello {
    /// Which message of the client it is: the second has the cookie.
    sequence: u16,
    length: usize,
    body: Vec<u8>,
}

/// What one side of an AnyConnect session sends.
#[derive(Default)]
struct Lane {
    session: Option<[u8; 32]>,
    hellos: u32,
    data: u64,
    /// The number of the last record, and how often it went up.
    number: u64,
    steps: u32,
}

#[derive(Default)]
struct Dtls {
    flow: Flow,
    hello: Hello,
    start: Option<Packet>,
    reported: bool,
    read: u32,
    /// The version that AnyConnect speaks.
    draft: bool,
    lanes: [Lane; 2],
    sight: Sight,
}

/// The session id in a hello of either side: behind version and random.
fn session_id(hello: &[u8]) -> Option<[u8; 32]> {
    let [32, id @ ..] = hello.get(34..)? else { return None };
    id.first_chunk().copied()
}

impl Dtls {
    fn handshake(&mut self, packet: Packet, mut body: &[u8], emit: &mut Emit<'_>) {
        // Type, length, sequence number, offset and length of this fragment.
        while let &[kind, l1, l2, l3, s1, s2, o1, o2, o3, f1, f2, f3, ref rest @ ..] = body {
            let size = |a, b, c| usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            let (length, offset, here) = (size(l1, l2, l3), size(o1, o2, o3), size(f1, f2, f3));
            let Some((fragment, rest)) = rest.split_at_checked(here) else { return };
            if offset.checked_add(here).is_none_or(|end| end > length) {
                return;
            }
            let whole = offset == 0 && here == length;
            let lane = &mut self.lanes[packet.side()];
            if matches!(kind, CLIENT_HELLO | SERVER_HELLO) {
                lane.hellos = lane.hellos.saturating_add(1);
                if whole {
                    lane.session = session_id(fragment).or(lane.session);
                }
            }
            if kind == CLIENT_HELLO && !self.reported {
                self.client(packet, u16::from_be_bytes([s1, s2]), length, offset, fragment);
                self.report(emit);
            }
            body = rest;
        }
    }

    fn client(&mut self, packet: Packet, sequence: u16, length: usize, offset: usize, fragment: &[u8]) {
        if length > HELLO_MAX {
            return;
        }
        if self.start.is_none() || self.hello.sequence != sequence || self.hello.length != length {
            self.start.get_or_insert(packet);
            self.hello = Hello { sequence, length, body: Vec::new() };
        }
        // Fragments that come again or out of order are sent again in time.
        if let Some(new) = self.hello.body.len().checked_sub(offset).and_then(|known| fragment.get(known..)) {
            self.hello.body.extend_from_slice(new);
        }
    }

    fn report(&mut self, emit: &mut Emit<'_>) {
        if self.hello.length == 0 || self.hello.body.len() < self.hello.length {
            return;
        }
        let (Some(tls), Some(start)) = (hello(&self.hello.body), self.start) else { return };
        self.reported = true;
        self.hello = Hello::default();
        emit(&start.observation(self.flow, Detail::Tls(tls)));
    }

    /// Counts a record of AnyConnect's version.
    fn count(&mut self, packet: Packet, found: &Record<'_>) {
        let lane = &mut self.lanes[packet.side()];
        if found.kind == APPLICATION_DATA && found.epoch > 0 {
            lane.data = lane.data.saturating_add(1);
            if found.number > lane.number && found.number - lane.number < 1 << 20 {
                lane.steps = lane.steps.saturating_add(1);
            }
            lane.number = found.number;
        }
        if self.sight.packets() < 4 {
            self.sight.prove(packet);
        }
    }

    fn mark(&self) -> Mark {
        let [one, other] = &self.lanes;
        let resumed = one.session.is_some() && one.session == other.session;
        if resumed || (one.hellos > 0 && other.hellos > 0) {
            Mark::Exchange
        } else if one.hellos + other.hellos > 0 || one.steps.min(other.steps) >= 2 || one.steps.max(other.steps) >= 8 {
            Mark::OneSide
        } else {
            Mark::Shape
        }
    }
}

/// A ClientHello of DTLS is one of TLS with a cookie behind the session id (RFC 6347 section 4.2.1).
fn hello(body: &[u8]) -> Option<Tls> {
    let session = usize::from(*body.get(34)?);
    let cookie_at = 35_usize.checked_add(session)?;
    let cookie = usize::from(*body.get(cookie_at)?);
    let (before, rest) = body.split_at_checked(cookie_at)?;
    let without = [before, rest.get(cookie.checked_add(1)?..)?].concat();
    client_hello(&without, false, Transport::Dtls).map(|hello| hello.tls)
}

impl DatagramReader for Dtls {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        self.read = self.read.saturating_add(1);
        let mut rest = bytes;
        let mut counted = false;
        while let Some((found, after)) = record(rest) {
            if self.read == 1 {
                self.draft = found.version == DRAFT;
            }
            if self.draft && found.version == DRAFT {
                self.count(packet, &found);
                counted = true;
            }
            if found.kind == HANDSHAKE && found.epoch == 0 && self.read <= READ {
                self.handshake(packet, found.body, emit);
            }
            rest = after;
        }
        if counted {
            self.sight.count(packet);
        }
    }

    fn is_done(&self) -> bool {
        !self.draft && (self.reported || self.read >= READ)
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        if !self.draft {
            return;
        }
        let [one, other] = &self.lanes;
        let handshake = match (one.hellos > 0, other.hellos > 0) {
            (true, true) if one.session.is_some() && one.session == other.session => ", session resumed from TLS",
            (true, true) => ", handshake of both sides",
            (false, false) => "",
            _ => ", handshake of one side",
        };
        let data = one.data.saturating_add(other.data);
        let note = format!("DTLS in the version of drafts{handshake}; {data} data records").into();
        let mark = self.mark();
        let tunnel = Tunnel { protocol: "anyconnect", class: TunnelClass::Vpn, mark, note, ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}
