//! The protocols inside of flows, told by content, never by port alone.
//!
//! [`TcpReaders`] looks at the beginnings of segments of both directions until one of them shows a protocol, then
//! hands both directions to the reader of that protocol. A direction that shows nothing in its first
//! [`sniff::TRIES`] segments is done, so that bulk data costs nothing.

mod cadence;
mod control;
mod datagram;
mod discovery;
mod dns;
mod dtls;
mod file;
mod greeting;
mod http;
mod http_head;
mod http_marks;
mod iodine;
mod jsonrpc;
mod kcp;
mod marked;
mod mining;
mod ntp;
mod openvpn;
mod overlay;
mod p2p;
mod quic;
mod relay;
mod remote;
mod sight;
mod sniff;
mod socks;
mod ssh;
mod ssh_kex;
pub(crate) mod ssh_sizes;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod websocket;
mod wireguard;

use crate::model::{Detail, Flow, Observation};
use crate::time::{Basis, Instant, Span};

use cadence::Cadence;
use greeting::{Greeting, Sniffed};

pub(crate) use udp::UdpReaders;

/// Where application readers put what they read.
pub(crate) type Emit<'a> = dyn FnMut(&Observation<'_>) + 'a;

/// The packet that brought some bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Packet {
    from_opener: bool,
    at: Instant,
    record: u64,
}

impl Packet {
    fn side(self) -> usize {
        side(self.from_opener)
    }

    /// An observation of something that this packet shows.
    fn observation(self, flow: Flow, detail: Detail<'_>) -> Observation<'_> {
        Observation {
            record: self.record,
            span: Some(Span::at(self.at, Basis::ExplicitOffset)),
            host: None,
            flow: Some(flow),
            detail,
        }
    }
}

/// Index of a direction in a pair: the opener's bytes first.
fn side(from_opener: bool) -> usize {
    usize::from(!from_opener)
}

/// Reads one protocol in both directions of a conversation.
trait Reader: Send {
    /// The next bytes of one direction.
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>);
    /// Bytes of one direction are missing.
    fn gap(&mut self, from_opener: bool, bytes: u64);
    /// Nothing further in this direction can matter. Once true it stays true.
    fn is_done(&self, from_opener: bool) -> bool;
    /// The conversation or the capture has ended.
    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>);
}

/// Reads the protocols of one TCP conversation from its two reassembled byte streams. Bounded memory per flow.
#[derive(Default)]
pub(crate) struct TcpReaders {
    flow: Flow,
    from_start: bool,
    /// How many protocols this stream is wrapped in (HTTP CONNECT, WebSocket).
    depth: u8,
    heads: [Head; 2],
    reader: Option<Box<dyn Reader>>,
    /// Follows sizes and times under TLS as long as they may be a pool's.
    cadence: Option<Box<Cadence>>,
    /// Bytes were missing before a protocol was recognised.
    gap_before: bool,
    /// What was recognised.
    found: Option<&'static str>,
    /// A protocol that began so and was not it.
    not: Option<&'static str>,
}

/// What a direction has shown before a protocol was recognised.
#[derive(Default)]
struct Head {
    /// Bytes that may be the beginning of a known protocol.
    bytes: Vec<u8>,
    packet: Packet,
    tries: u8,
    given_up: bool,
}

impl TcpReaders {
    /// Bound on wrapped protocols: a proxy in a WebSocket in a proxy is as deep as people go.
    const DEPTH: u8 = 4;

    /// A reader for a conversation; `from_start` tells whether its first bytes are in the capture (SYN seen).
    pub(crate) fn new(flow: Flow, from_start: bool) -> Self {
        TcpReaders { flow, from_start, ..TcpReaders::default() }
    }

    /// A reader for a stream inside of another one.
    fn nested(flow: Flow, from_start: bool, depth: u8) -> Option<Self> {
        (depth < Self::DEPTH).then(|| TcpReaders { flow, from_start, depth: depth + 1, ..TcpReaders::default() })
    }

    /// A reader for a stream that looked like the protocol of a name and was something else.
    fn not(name: &'static str, flow: Flow, depth: u8) -> Option<Self> {
        Some(TcpReaders { not: Some(name), ..TcpReaders::nested(flow, true, depth)? })
    }

    /// The protocol that was recognised.
    fn protocol(&self) -> Option<&'static str> {
        self.found
    }

    /// The next bytes of one direction, in stream order, each byte once. Called once per TCP segment that brings new
    /// bytes, so that segment lengths survive; `record` and `at` are the packet's.
    pub(crate) fn data(&mut self, from_opener: bool, bytes: &[u8], at: Instant, record: u64, emit: &mut Emit<'_>) {
        if bytes.is_empty() || self.is_done(from_opener) {
            return;
        }
        let packet = Packet { from_opener, at, record };
        if let Some(cadence) = &mut self.cadence {
            cadence.data(packet, bytes);
            if cadence.is_done() {
                self.cadence = None;
            }
        }
        match &mut self.reader {
            Some(reader) if reader.is_done(from_opener) => {}
            Some(reader) => reader.data(packet, bytes, emit),
            None => self.sniff(packet, bytes, emit),
        }
    }

    /// `bytes` bytes of one direction are missing from the capture; what follows does not join.
    pub(crate) fn gap(&mut self, from_opener: bool, bytes: u64) {
        self.cadence = None;
        match &mut self.reader {
            Some(reader) => reader.gap(from_opener, bytes),
            None => {
                self.heads[side(from_opener)].bytes = Vec::new();
                self.gap_before = true;
            }
        }
    }

    /// Nothing further in this direction can matter: the flow table may stop reassembling it.
    pub(crate) fn is_done(&self, from_opener: bool) -> bool {
        let is_read = self.heads[side(from_opener)].given_up
            || self.reader.as_ref().is_some_and(|reader| reader.is_done(from_opener));
        is_read && self.cadence.is_none()
    }

    /// Neither direction is anything that is read, and nothing will be reported at the end.
    pub(crate) fn is_over(&self) -> bool {
        self.reader.is_none() && self.heads.iter().all(|head| head.given_up)
    }

    /// The conversation or the capture has ended: reports what is reported once per flow.
    pub(crate) fn finish(self, last: Instant, emit: &mut Emit<'_>) {
        if let Some(reader) = self.reader {
            reader.finish(last, emit);
        }
        if let Some((packet, mining)) = self.cadence.and_then(|cadence| cadence.finish()) {
            emit(&packet.observation(self.flow, Detail::Mining(mining)));
        }
    }

    fn greeting(&self, packet: Packet) -> Greeting {
        Greeting { flow: self.flow, from_opener: packet.from_opener, depth: self.depth, not: self.not }
    }

    fn sniff(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let greeting = self.greeting(packet);
        let head = &mut self.heads[packet.side()];
        if head.bytes.is_empty() {
            head.packet = packet;
        }
        let sniffed = if head.bytes.is_empty() {
            sniff::sniff(bytes, greeting)
        } else {
            let joined = [head.bytes.as_slice(), bytes].concat();
            sniff::sniff(&joined, greeting)
        };
        match sniffed {
            Sniffed::More if head.bytes.len() + bytes.len() <= sniff::HEAD_KEPT => head.bytes.extend_from_slice(bytes),
            Sniffed::More | Sniffed::Unknown => {
                head.bytes = Vec::new();
                head.tries += 1;
                head.given_up = head.tries >= sniff::TRIES;
            }
            Sniffed::Nothing => head.given_up = true,
            found => self.start(found, packet, bytes, emit),
        }
    }

    fn start(&mut self, found: Sniffed, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let from_start = self.from_start && !self.gap_before;
        self.found = found.name();
        let mut reader: Box<dyn Reader> = match found {
            Sniffed::Dns => Box::new(dns::TcpDns::new(self.flow)),
            Sniffed::ClientHello => Box::new(tls::TlsReader::new(self.flow, packet.from_opener)),
            Sniffed::ServerHello => Box::new(tls::TlsReader::new(self.flow, !packet.from_opener)),
            Sniffed::Ssh => Box::new(ssh::SshReader::new(self.flow, from_start)),
            Sniffed::HttpRequest => Box::new(http::HttpReader::new(self.flow, packet.from_opener, self.depth)),
            Sniffed::HttpResponse => Box::new(http::HttpReader::new(self.flow, !packet.from_opener, self.depth)),
            Sniffed::Json => Box::new(jsonrpc::JsonReader::new(self.flow)),
            Sniffed::P2p(network) => Box::new(p2p::P2pReader::new(self.flow, network)),
            Sniffed::Binary(protocol) => (protocol.reader)(self.greeting(packet)),
            Sniffed::More | Sniffed::Unknown | Sniffed::Nothing => return,
        };
        if matches!(found, Sniffed::ClientHello) {
            self.cadence = Some(Box::new(Cadence::new(packet.from_opener)));
        }
        // What the other direction held back came first.
        let [opener, acceptor] = std::mem::take(&mut self.heads);
        let (own, other) = if packet.from_opener { (opener, acceptor) } else { (acceptor, opener) };
        self.heads[side(!packet.from_opener)].given_up = other.given_up;
        for head in [other, own] {
            if !head.bytes.is_empty() {
                if let Some(cadence) = &mut self.cadence {
                    cadence.data(head.packet, &head.bytes);
                }
                reader.data(head.packet, &head.bytes, emit);
            }
        }
        if let Some(cadence) = &mut self.cadence {
            cadence.data(packet, bytes);
        }
        reader.data(packet, bytes, emit);
        self.reader = Some(reader);
    }
}
