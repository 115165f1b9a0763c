//! QUIC: the ClientHello in Initial packets (RFC 9000, 9001, 9369 and the drafts before them), and the hello of
//! Google's own QUIC before it.
//!
//! The keys of Initial packets follow from numbers in the standard and from the packet itself, so that anybody on the
//! path may read them. Nothing that comes later is opened.

mod frames;
mod google;
mod initial;
mod version;

use super::datagram::DatagramReader;
use super::greeting::Fit;
use super::tls::{Transport, client_hello};
use super::{Emit, Packet};
use crate::model::{Detail, Flow, Tls};
use crate::time::Instant;
use frames::Handshake;
use initial::{Kind, Long};
use version::Version;

/// Initial packets that are looked at: a hello takes two or three, and answers cost more of them.
const PACKETS_READ: u32 = 48;
/// Packets that did not open. Those of a server need not.
const FAILURES: u32 = 12;

pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    match bytes {
        [0xc0..=0xff, v1, v2, v3, v4, ..] => {
            let version = u32::from_be_bytes([*v1, *v2, *v3, *v4]);
            version::find(version).is_some_and(|version| Long::read(bytes, version).is_some())
                || google::sniff(bytes) == Fit::Yes
        }
        _ => google::sniff(bytes) == Fit::Yes,
    }
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Quic { flow, ..Quic::default() })
}

/// What the keys of a conversation's client follow from.
struct Secret {
    version: &'static Version,
    destination: Vec<u8>,
    keys: initial::Keys,
}

#[derive(Default)]
struct Quic {
    flow: Flow,
    secret: Option<Secret>,
    handshake: Handshake,
    start: Option<Packet>,
    read: u32,
    failures: u32,
    done: bool,
}

impl Quic {
    /// Opens a packet with the keys of the conversation, or with those that follow from the packet itself: it may be
    /// the first, or come after the server sent the client elsewhere (Retry) or to another version.
    fn open(&mut self, version: &'static Version, packet: &Long<'_>) -> Option<Vec<u8>> {
        if let Some(secret) = &self.secret
            && secret.version.number == version.number
            && let Some(content) = secret.keys.open(packet)
        {
            return Some(content);
        }
        if self.secret.as_ref().is_some_and(|secret| secret.destination == packet.destination) {
            return None;
        }
        let keys = initial::Keys::of_client(version, packet.destination)?;
        let content = keys.open(packet)?;
        self.secret = Some(Secret { version, destination: packet.destination.to_vec(), keys });
        self.handshake = Handshake::default();
        Some(content)
    }

    fn packets(&mut self, packet: Packet, mut bytes: &[u8], emit: &mut Emit<'_>) {
        // Several packets may share a datagram (RFC 9000 section 12.2).
        while let [0xc0..=0xff, v1, v2, v3, v4, ..] = bytes {
            let Some(version) = version::find(u32::from_be_bytes([*v1, *v2, *v3, *v4])) else { return };
            let Some(long) = Long::read(bytes, version) else { return };
            if long.kind == Kind::Initial {
                self.read += 1;
                match self.open(version, &long) {
                    Some(content) => {
                        self.start.get_or_insert(packet);
                        self.handshake.take(&content, version);
                        self.report(version, false, emit);
                    }
                    None => self.failures += 1,
                }
                self.done |= self.read >= PACKETS_READ || self.failures >= FAILURES;
            }
            if self.done {
                return;
            }
            bytes = bytes.get(long.length..).unwrap_or_default();
        }
    }

    /// Reports the hello once it is whole, or what there is of it.
    fn report(&mut self, version: &Version, at_end: bool, emit: &mut Emit<'_>) {
        let Some(start) = self.start else { return };
        let tls = if version.google_hello {
            google::hello(self.handshake.prefix(), version.name)
        } else {
            match self.handshake.client_hello() {
                Some(body) => client_hello(body, false, Transport::Quic).map(|hello| hello.tls),
                None if at_end => self
                    .handshake
                    .padded()
                    .and_then(|body| client_hello(&body, true, Transport::Quic))
                    .map(|hello| hello.tls),
                None => return,
            }
        };
        let Some(tls) = tls else {
            self.done |= self.handshake.client_hello().is_some();
            return;
        };
        self.close(start, tls, emit);
    }

    fn close(&mut self, start: Packet, tls: Tls, emit: &mut Emit<'_>) {
        self.done = true;
        self.handshake = Handshake::default();
        self.secret = None;
        emit(&start.observation(self.flow, Detail::Tls(tls)));
    }
}

impl DatagramReader for Quic {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        if self.done {
            return;
        }
        match google::datagram(bytes) {
            Some(tls) => self.close(packet, tls, emit),
            None => self.packets(packet, bytes, emit),
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(mut self: Box<Self>, _last: Instant, emit: &mut Emit<'_>) {
        if let (false, Some(version)) = (self.done, self.secret.as_ref().map(|secret| secret.version)) {
            self.report(version, true, emit);
        }
    }
}
