//! SOCKS 4, 4a and 5 (RFC 1928, RFC 1929, openssh.com/txt/socks4.protocol): who asked the proxy to go where, and what
//! went through.
//!
//! The first bytes of SOCKS are few and unremarkable. Only an answer that fits them makes an exchange; where the answer
//! does not fit, the bytes go to other readers as if nothing had been seen.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::greeting::{Binary, Fit, Greeting};
use super::{Emit, Packet, Reader, TcpReaders, side};
use crate::model::{Detail, Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

pub(super) const SOCKS: Binary =
    Binary { name: "socks", sniff, reader: |greeting| Box::new(SocksReader::new(greeting)) };

/// Bound on what is kept of a direction: no message of the handshake is longer.
const KEPT: usize = 1024;
/// Bound on what is kept of a tunnel whose answer is not there yet.
const THROUGH_KEPT: usize = 16 * 1024;
/// Packets of which the record is cited.
const PROOF_KEPT: usize = 6;

/// How far a message goes.
enum Parsed<T> {
    /// The value and the length of its message.
    Whole(T, usize),
    More,
    No,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    command: u8,
    target: String,
}

fn sniff(bytes: &[u8], _greeting: Greeting) -> Fit {
    match bytes.first() {
        Some(4) => match request4(bytes) {
            Parsed::Whole(_, length) if length == bytes.len() => Fit::Yes,
            Parsed::More => Fit::More,
            _ => Fit::No,
        },
        Some(5) => match methods(bytes) {
            Parsed::Whole((), length) => match bytes.get(length..) {
                None | Some([]) => Fit::Yes,
                // A client that does not wait for the answer.
                Some(rest) => match request5(rest) {
                    Parsed::Whole(..) | Parsed::More => Fit::Yes,
                    Parsed::No => late(bytes),
                },
            },
            Parsed::More => Fit::More,
            Parsed::No => late(bytes),
        },
        _ => Fit::No,
    }
}

/// A request whose greeting was not captured.
fn late(bytes: &[u8]) -> Fit {
    match request5(bytes) {
        Parsed::Whole(_, length) if length == bytes.len() => Fit::Yes,
        _ => Fit::No,
    }
}

/// RFC 1928 section 3: version, number of methods, methods. Each once, of those that IANA has given out or left to
/// private use.
fn methods(bytes: &[u8]) -> Parsed<()> {
    let [5, count, rest @ ..] = bytes else {
        return if bytes == [5] { Parsed::More } else { Parsed::No };
    };
    let count = usize::from(*count);
    let listed = rest.get(..count).unwrap_or(rest);
    let known = |method: &u8| matches!(method, 0..=9 | 0x80..=0xfe);
    let mut seen = [false; 256];
    let fits = (1..=16).contains(&count)
        && listed.iter().all(|method| known(method) && !std::mem::replace(&mut seen[usize::from(*method)], true));
    match (fits, listed.len() == count) {
        (false, _) => Parsed::No,
        (true, true) => Parsed::Whole((), 2 + count),
        (true, false) => Parsed::More,
    }
}

/// RFC 1928 section 4: version, command, zero, address.
fn request5(bytes: &[u8]) -> Parsed<Request> {
    match bytes {
        [5, command @ 1..=3, 0, address @ ..] => match address5(address) {
            Parsed::Whole((host, port), length) if port != 0 || *command == 3 => {
                Parsed::Whole(Request { command: *command, target: socket(&host, port) }, 3 + length)
            }
            Parsed::Whole(..) | Parsed::No => Parsed::No,
            Parsed::More => Parsed::More,
        },
        [5, 1..=3] | [5] => Parsed::More,
        _ => Parsed::No,
    }
}

/// RFC 1928 section 6: version, reply, zero, address.
fn reply5(bytes: &[u8]) -> Parsed<u8> {
    match bytes {
        [5, code @ 0..=8, 0, address @ ..] => match address5(address) {
            Parsed::Whole(_, length) => Parsed::Whole(*code, 3 + length),
            Parsed::More => Parsed::More,
            Parsed::No => Parsed::No,
        },
        [5, 0..=8] | [5] | [] => Parsed::More,
        _ => Parsed::No,
    }
}

/// RFC 1928 section 5: kind, address, port.
fn address5(bytes: &[u8]) -> Parsed<(String, u16)> {
    let Some((kind, rest)) = bytes.split_first() else { return Parsed::More };
    let (start, length) = match kind {
        1 => (0, 4),
        4 => (0, 16),
        3 => match rest.first() {
            Some(0) => return Parsed::No,
            Some(length) => (1, usize::from(*length)),
            None => return Parsed::More,
        },
        _ => return Parsed::No,
    };
    let present = rest.get(start..).unwrap_or_default();
    let name = present.get(..length).unwrap_or(present);
    if *kind == 3 && !is_host(name) {
        return Parsed::No;
    }
    let Some(&[high, low]) = present.get(length..).and_then(|port| port.first_chunk::<2>()) else {
        return Parsed::More;
    };
    let host = match (*kind, name.first_chunk::<4>(), name.first_chunk::<16>()) {
        (1, Some(v4), _) => Ipv4Addr::from(*v4).to_string(),
        (4, _, Some(v6)) => Ipv6Addr::from(*v6).to_string(),
        _ => String::from_utf8_lossy(name).into_owned(),
    };
    Parsed::Whole((host, u16::from_be_bytes([high, low])), 1 + start + length + 2)
}

/// Version, command, port, address, user up to a zero; with an address of 0.0.0.x a name up to another zero (4a).
fn request4(bytes: &[u8]) -> Parsed<Request> {
    let [4, command @ 1..=2, p1, p2, a, b, c, d, rest @ ..] = bytes else {
        let begins = matches!(bytes, [4] | [4, 1..=2] | [4, 1..=2, ..]);
        return if begins && bytes.len() < 8 { Parsed::More } else { Parsed::No };
    };
    let port = u16::from_be_bytes([*p1, *p2]);
    let named = [*a, *b, *c] == [0, 0, 0] && *d != 0;
    if port == 0 || (*a == 0 && !named) {
        return Parsed::No;
    }
    let Some(user) = memchr::memchr(0, rest) else {
        return if rest.len() < 256 && rest.iter().all(u8::is_ascii_graphic) { Parsed::More } else { Parsed::No };
    };
    if !rest.iter().take(user).all(u8::is_ascii_graphic) {
        return Parsed::No;
    }
    let mut length = 8 + user + 1;
    let mut host = Ipv4Addr::new(*a, *b, *c, *d).to_string();
    if named {
        let name = rest.get(user + 1..).unwrap_or_default();
        let end = memchr::memchr(0, name);
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        if !is_host(name) || (end.is_some() && name.is_empty()) {
            return Parsed::No;
        }
        let Some(end) = end else { return Parsed::More };
        length += end + 1;
        host = String::from_utf8_lossy(name).into_owned();
    }
    Parsed::Whole(Request { command: *command, target: socket(&host, port) }, length)
}

/// A zero, a code, a port and an address that may hold anything.
fn reply4(bytes: &[u8]) -> Parsed<u8> {
    match bytes {
        [0, code @ 90..=93, _, _, _, _, _, _, ..] => Parsed::Whole(*code, 8),
        [0, 90..=93, ..] | [0] | [] => Parsed::More,
        _ => Parsed::No,
    }
}

/// What may stand for a host: names, and addresses as text.
fn is_host(name: &[u8]) -> bool {
    name.len() < 256
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
}

fn socket(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Client: methods. Server: the method chosen.
    Greeting,
    /// User and password (RFC 1929), and whether they are right.
    Password,
    Request,
    /// The proxy works on it, or it is done and what follows is the tunnel.
    Through,
}

/// Follows both sides of one conversation with a proxy.
struct SocksReader {
    flow: Flow,
    depth: u8,
    client_is_opener: bool,
    version: u8,
    client: Phase,
    server: Phase,
    /// Bytes not yet understood, the client's first.
    held: [Vec<u8>; 2],
    /// All bytes before the tunnel, for other readers if it is none.
    before: Vec<(Packet, Vec<u8>)>,
    before_length: usize,
    first: Option<Packet>,
    proof: Vec<u64>,
    messages: u64,
    answered: bool,
    password: bool,
    request: Option<Request>,
    reply: Option<u8>,
    /// What follows belongs to it.
    inner: Option<Box<TcpReaders>>,
    /// It was no proxy after all.
    refuted: bool,
}

impl SocksReader {
    fn new(greeting: Greeting) -> Self {
        SocksReader {
            flow: greeting.flow,
            depth: greeting.depth,
            client_is_opener: greeting.from_opener,
            version: 5,
            client: Phase::Greeting,
            server: Phase::Greeting,
            held: Default::default(),
            before: Vec::new(),
            before_length: 0,
            first: None,
            proof: Vec::new(),
            messages: 0,
            answered: false,
            password: false,
            request: None,
            reply: None,
            inner: None,
            refuted: false,
        }
    }

    fn understood(&mut self, packet: Packet) {
        self.messages += 1;
        if self.proof.len() < PROOF_KEPT && self.proof.last() != Some(&packet.record) {
            self.proof.push(packet.record);
        }
    }

    /// Reads the client's message at hand: its length, if it is whole.
    fn client_message(&mut self, bytes: &[u8]) -> Parsed<()> {
        match (self.client, bytes.first()) {
            (Phase::Greeting, Some(4)) => {
                (self.version, self.server) = (4, Phase::Request);
                self.asked(request4(bytes))
            }
            (Phase::Greeting, _) => match methods(bytes) {
                Parsed::No => {
                    self.server = Phase::Request;
                    self.asked(request5(bytes))
                }
                Parsed::Whole((), length) if bytes.len() > length && late(bytes) == Fit::Yes => {
                    self.server = Phase::Request;
                    self.asked(request5(bytes))
                }
                parsed => {
                    if matches!(parsed, Parsed::Whole(..)) {
                        self.client = Phase::Request;
                    }
                    parsed
                }
            },
            // RFC 1929 section 2: version 1, user, password. Which it is, the client may know before the answer.
            (Phase::Request | Phase::Password, Some(1)) => {
                let length = bytes.get(1).map(|user| 2 + usize::from(*user));
                let whole = length.and_then(|at| bytes.get(at).map(|word| at + 1 + usize::from(*word)));
                self.password = true;
                match whole {
                    Some(whole) if bytes.len() >= whole => Parsed::Whole((), whole),
                    _ => Parsed::More,
                }
            }
            (Phase::Request | Phase::Password, _) => self.asked(request5(bytes)),
            // The beginning of what goes through may come before the answer.
            (Phase::Through, _) => Parsed::More,
        }
    }

    fn asked(&mut self, parsed: Parsed<Request>) -> Parsed<()> {
        match parsed {
            Parsed::Whole(request, length) => {
                self.request = Some(request);
                self.client = Phase::Through;
                Parsed::Whole((), length)
            }
            Parsed::More => Parsed::More,
            Parsed::No => Parsed::No,
        }
    }

    fn server_message(&mut self, bytes: &[u8]) -> Parsed<()> {
        match (self.server, bytes) {
            (Phase::Greeting, [5, 0xff, ..]) => {
                self.server = Phase::Through;
                Parsed::Whole((), 2)
            }
            (Phase::Greeting, [5, 2, ..]) => {
                self.server = Phase::Password;
                Parsed::Whole((), 2)
            }
            (Phase::Greeting, [5, 0 | 1 | 3..=9 | 0x80..=0xfe, ..]) => {
                self.server = Phase::Request;
                Parsed::Whole((), 2)
            }
            (Phase::Greeting, [5] | []) => Parsed::More,
            (Phase::Password, [1 | 5, _, ..]) => {
                self.server = Phase::Request;
                Parsed::Whole((), 2)
            }
            (Phase::Password, [1 | 5] | []) => Parsed::More,
            (Phase::Request, bytes) => {
                let parsed = if self.version == 4 { reply4(bytes) } else { reply5(bytes) };
                match parsed {
                    Parsed::Whole(code, length) => {
                        self.reply = Some(code);
                        self.server = Phase::Through;
                        Parsed::Whole((), length)
                    }
                    Parsed::More => Parsed::More,
                    Parsed::No => Parsed::No,
                }
            }
            (Phase::Through, _) => Parsed::More,
            _ => Parsed::No,
        }
    }

    fn is_through(&self, from_client: bool) -> bool {
        (if from_client { self.client } else { self.server }) == Phase::Through
    }

    fn granted(&self) -> bool {
        matches!((self.version, self.reply), (4, Some(90)) | (5, Some(0)))
    }

    fn take(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let from_client = packet.from_opener == self.client_is_opener;
        self.first.get_or_insert(packet);
        self.before_length = self.before_length.saturating_add(bytes.len());
        if !self.is_through(from_client) {
            self.before.push((packet, bytes.to_vec()));
        }
        let mut held = std::mem::take(&mut self.held[side(from_client)]);
        held.extend_from_slice(bytes);
        loop {
            let parsed = if from_client { self.client_message(&held) } else { self.server_message(&held) };
            match parsed {
                Parsed::Whole((), length) => {
                    held.drain(..length.min(held.len()));
                    self.answered |= !from_client;
                    self.understood(packet);
                    if held.is_empty() {
                        break;
                    }
                }
                Parsed::More if self.before_length <= KEPT => break,
                Parsed::More if self.is_through(from_client) => break,
                _ => return self.refute(emit),
            }
        }
        if held.len() > THROUGH_KEPT {
            // The other direction was not captured.
            (self.client, self.server) = (Phase::Through, Phase::Through);
            (self.before, held) = (Vec::new(), Vec::new());
        }
        self.held[side(from_client)] = held;
        if self.client == Phase::Through && self.server == Phase::Through {
            self.go_through(packet, emit);
        }
    }

    /// The handshake is over: what was held and what follows is inside.
    fn go_through(&mut self, packet: Packet, emit: &mut Emit<'_>) {
        self.before = Vec::new();
        let held = std::mem::take(&mut self.held);
        // UDP ASSOCIATE leaves nothing to read here.
        let carries = self.granted() && self.request.as_ref().is_some_and(|request| request.command != 3);
        self.inner = TcpReaders::nested(self.flow, true, self.depth).filter(|_| carries).map(Box::new);
        let Some(inner) = &mut self.inner else { return };
        for (bytes, from_client) in held.iter().zip([true, false]) {
            inner.data(from_client == self.client_is_opener, bytes, packet.at, packet.record, emit);
        }
    }

    /// Hands everything to other readers.
    fn refute(&mut self, emit: &mut Emit<'_>) {
        if self.request.is_some() && self.answered {
            // It was a proxy up to here; what the rest is, is not known.
            (self.client, self.server) = (Phase::Through, Phase::Through);
            self.before = Vec::new();
            self.held = Default::default();
            return;
        }
        self.refuted = true;
        self.held = Default::default();
        let before = std::mem::take(&mut self.before);
        self.inner = TcpReaders::not(SOCKS.name, self.flow, self.depth).map(Box::new);
        if let Some(inner) = &mut self.inner {
            for (packet, bytes) in before {
                inner.data(packet.from_opener, &bytes, packet.at, packet.record, emit);
            }
        }
    }

    fn tunnel(&mut self, last: Instant) -> Option<(Packet, Tunnel)> {
        let first = self.first?;
        if self.refuted || !(self.answered || self.request.is_some()) {
            return None;
        }
        // A proxy that says no method is fine was asked, no more.
        let mark = match (&self.request, self.answered) {
            (Some(_), true) => Mark::Exchange,
            (Some(request), false) if request.target.bytes().any(|byte| byte.is_ascii_alphabetic()) => Mark::OneSide,
            (Some(_), false) => Mark::Shape,
            (None, true) if self.messages >= 3 => Mark::OneSide,
            (None, _) => Mark::Shape,
        };
        let mut note = match self.request.as_ref().map(|request| request.command) {
            Some(1) => "asked to connect".to_owned(),
            Some(2) => "asked to listen".to_owned(),
            Some(_) => "asked to relay UDP".to_owned(),
            None => "greeted".to_owned(),
        };
        if self.password {
            note.push_str(" with a password");
        }
        match self.reply {
            Some(_) if self.granted() => note.push_str(", granted"),
            Some(code) => note.push_str(&format!(", refused with code {code}")),
            None if self.answered => note.push_str(", no answer to the request"),
            None => note.push_str(", no answer captured"),
        }
        let tunnel = Tunnel {
            protocol: if self.version == 4 { "socks4" } else { "socks5" },
            class: TunnelClass::Proxy,
            mark,
            target: self.request.take().map(|request| request.target),
            inside: self.inner.as_ref().and_then(|inner| inner.protocol()),
            reversed: !self.client_is_opener,
            packets: self.messages,
            note: Cow::Owned(note),
            last: Some(last.max(first.at)),
            proof: std::mem::take(&mut self.proof),
        };
        Some((first, tunnel))
    }
}

impl Reader for SocksReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        if let Some(inner) = &mut self.inner {
            return inner.data(packet.from_opener, bytes, packet.at, packet.record, emit);
        }
        if !self.is_done(packet.from_opener) {
            self.take(packet, bytes, emit);
        }
    }

    fn gap(&mut self, from_opener: bool, bytes: u64) {
        match &mut self.inner {
            Some(inner) => inner.gap(from_opener, bytes),
            None => (self.client, self.server) = (Phase::Through, Phase::Through),
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        match &self.inner {
            Some(inner) => inner.is_done(from_opener),
            None => self.refuted || (self.client == Phase::Through && self.server == Phase::Through),
        }
    }

    fn finish(mut self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        if let Some((packet, tunnel)) = self.tunnel(last) {
            emit(&packet.observation(self.flow, Detail::Tunnel(tunnel)));
        }
        if let Some(inner) = self.inner {
            inner.finish(last, emit);
        }
    }
}

#[cfg(test)]
mod tests;
