//! TLS handshakes (RFC 8446, 5246, 6066, 7301), both sides of them, as far as they go in the clear.

mod cells;
mod certificate;
mod hello;
mod services;
#[cfg(test)]
mod tests;

use super::{Emit, Packet, Reader};
use crate::model::{Detail, Flow, Tls};
use crate::time::Instant;
use cells::Cells;

use hello::ClientHello;
pub(super) use hello::{Transport, client as client_hello, sslv2_length};

/// Bound on the handshake of one side. A ClientHello is below 4 KiB with post-quantum key shares; certificate chains
/// may have tens.
const HANDSHAKE_MAX: usize = 64 * 1024;

/// Record types (RFC 8446 section 5.1).
#[cfg(test)]
const CHANGE_CIPHER_SPEC: u8 = 0x14;
const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;

/// Handshake types (RFC 8446 section 4, RFC 5246 section 7.4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// Reads the handshake of both sides up to where it is encrypted, and reports it once.
pub(super) struct TlsReader {
    flow: Flow,
    client_is_opener: bool,
    /// Until it is reported: most connections go on long after.
    handshake: Option<Box<Handshake>>,
    /// Follows the records of what may be Tor.
    cells: Option<Box<Cells>>,
}

/// What was read so far.
#[derive(Default)]
struct Handshake {
    client: Side,
    server: Side,
    hello: Option<ClientHello>,
    tls: Tls,
    /// The server encrypts what follows its hello.
    encrypted: bool,
    /// First packet of the client's hello, or of the server's where that alone was captured.
    start: Packet,
    started: bool,
}

/// One direction.
#[derive(Default)]
struct Side {
    /// Bytes of records, not yet taken apart.
    records: Vec<u8>,
    /// Handshake messages, across records.
    messages: Vec<u8>,
    /// Messages that were whole.
    read: u32,
    done: bool,
}

impl Side {
    /// Moves what is there of handshake records from `records` to `messages`. `to_the_end` takes a record that is not
    /// whole. False where something comes that ends the readable part.
    fn unwrap_records(&mut self, to_the_end: bool) -> bool {
        let mut rest = self.records.as_slice();
        let mut goes_on = true;
        while let [kind, 3, _, hi, lo, body @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*hi, *lo]));
            match (*kind, body.split_at_checked(length)) {
                (HANDSHAKE, Some((fragment, after))) => {
                    self.messages.extend_from_slice(fragment);
                    rest = after;
                }
                (HANDSHAKE, None) if to_the_end => {
                    self.messages.extend_from_slice(body);
                    rest = &[];
                }
                // A warning, as servers send of names that they do not know.
                (ALERT, Some(([1, _], after))) => rest = after,
                (ALERT | HANDSHAKE, None) => break,
                _ => {
                    goes_on = false;
                    break;
                }
            }
        }
        // Another type of record, or not TLS after all.
        goes_on &= rest.first().is_none_or(|kind| matches!(*kind, HANDSHAKE | ALERT));
        goes_on &= rest.get(1).is_none_or(|major| *major == 3);
        self.records = rest.to_vec();
        goes_on
    }

    /// Type, body and stated length of the message at hand, as far as it is there.
    fn message(&self) -> Option<(u8, &[u8], usize)> {
        let [kind, a, b, c, rest @ ..] = self.messages.as_slice() else { return None };
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        Some((*kind, rest.get(..length).unwrap_or(rest), length))
    }

    fn close(&mut self) {
        let read = self.read;
        *self = Side { done: true, read, ..Side::default() };
    }
}

impl TlsReader {
    /// A reader for a conversation whose client is known.
    pub(super) fn new(flow: Flow, client_is_opener: bool) -> Self {
        TlsReader { flow, client_is_opener, handshake: Some(Box::default()), cells: None }
    }

    /// Reports once both sides are read as far as they can be.
    fn report(&mut self, emit: &mut Emit<'_>) {
        let Some(handshake) = self.handshake.take_if(|handshake| handshake.client.done && handshake.server.done) else {
            return;
        };
        let start = handshake.start;
        let Some((tls, ciphers)) = handshake.result() else { return };
        if services::may_be_tor(&tls) {
            self.cells = Some(Box::new(Cells::new(start, services::is_tor_client(&ciphers))));
        } else if let Some(tunnel) = services::told_by(&tls, self.flow, start.record, start.at) {
            emit(&start.observation(self.flow, Detail::Tunnel(tunnel)));
        }
        emit(&start.observation(self.flow, Detail::Tls(tls)));
    }
}

impl Handshake {
    fn side(&mut self, from_client: bool) -> &mut Side {
        if from_client { &mut self.client } else { &mut self.server }
    }

    fn take(&mut self, from_client: bool, bytes: &[u8]) {
        let side = self.side(from_client);
        side.records.extend_from_slice(bytes);
        if from_client
            && side.read == 0
            && let Some(whole) = hello::sslv2_length(&side.records)
        {
            let Some((found, whole)) = hello::sslv2_client(&side.records) else {
                if side.records.len() >= whole {
                    side.close();
                }
                return;
            };
            side.records.drain(..whole.min(side.records.len()));
            side.read = 1;
            self.hello = Some(found);
        }
        let side = self.side(from_client);
        let goes_on = side.unwrap_records(false);
        while self.next_message(from_client) {}
        let side = self.side(from_client);
        if !goes_on || side.records.len() + side.messages.len() > HANDSHAKE_MAX {
            self.end_of_clear(from_client);
        }
    }

    /// Reads the message at hand. False if it is not whole, or nothing further matters.
    fn next_message(&mut self, from_client: bool) -> bool {
        let side = if from_client { &self.client } else { &self.server };
        if side.done {
            return false;
        }
        let Some((kind, body, length)) = side.message() else { return false };
        let whole = body.len() >= length;
        match (kind, from_client) {
            (CLIENT_HELLO, true) | (SERVER_HELLO, false) if length > HANDSHAKE_MAX => {
                self.side(from_client).close();
                return false;
            }
            // Only the first of a chain matters.
            (CERTIFICATE, _) if !whole => match leaf(body) {
                Some((der, true)) => {
                    let names = certificate::names(der).map(Box::new);
                    if from_client {
                        self.tls.client_certificate = names
                    } else {
                        self.tls.certificate = names
                    }
                    self.side(from_client).close();
                    return false;
                }
                _ => return false,
            },
            _ if !whole => return false,
            (CLIENT_HELLO, true) if self.hello.is_none() => {
                self.hello = hello::client(body, false, Transport::Tcp);
                if self.hello.is_none() {
                    self.side(true).close();
                    return false;
                }
            }
            (SERVER_HELLO, false) => match hello::server(body, &mut self.tls) {
                Some(encrypted) => self.encrypted = encrypted,
                None => {
                    self.side(false).close();
                    return false;
                }
            },
            (CERTIFICATE, _) => {
                let names = leaf(body).and_then(|(der, _)| certificate::names(der)).map(Box::new);
                if from_client { self.tls.client_certificate = names } else { self.tls.certificate = names }
            }
            _ => {}
        }
        let is_last = match (kind, from_client) {
            (CLIENT_HELLO, true) => false,
            (SERVER_HELLO, false) => self.encrypted,
            // HelloRequest, and what comes before a certificate: tickets and statuses do not.
            (0, _) => false,
            _ => true,
        };
        let side = self.side(from_client);
        side.read = side.read.saturating_add(1);
        side.messages.drain(..(length + 4).min(side.messages.len()));
        if is_last {
            side.close();
        }
        if self.encrypted && self.hello.is_some() {
            self.client.close();
        }
        true
    }

    /// What this side sends from here on is encrypted, or was not captured: what there is of a hello counts.
    fn end_of_clear(&mut self, from_client: bool) {
        let side = self.side(from_client);
        if side.done {
            return;
        }
        side.unwrap_records(true);
        if from_client
            && self.hello.is_none()
            && let Some((CLIENT_HELLO, body, length)) = self.client.message()
            && (length > body.len() && length <= HANDSHAKE_MAX)
        {
            // Zeros keep every length before the cut in bounds; whatever they got into is left out by `hello`.
            let mut padded = body.to_vec();
            padded.resize(length, 0);
            self.hello = hello::client(&padded, true, Transport::Tcp);
        }
        self.side(from_client).close();
    }

    /// Everything, and the ciphers that the client offered; `None` if there is nothing to tell.
    fn result(self) -> Option<(Tls, Vec<u16>)> {
        let known = self.tls;
        match self.hello {
            Some(ClientHello { tls: offered, ciphers }) => {
                let tls = Tls {
                    server_name: offered.server_name,
                    alpn: offered.alpn,
                    version: offered.version,
                    ja3: offered.ja3,
                    ja4: offered.ja4,
                    ..known
                };
                Some((tls, ciphers))
            }
            None => {
                let is_known = known.chosen_version.is_some() || known.client_certificate.is_some();
                is_known.then(|| (known, Vec::new()))
            }
        }
    }
}

/// The first certificate of a Certificate message (RFC 5246 section 7.4.2), and whether all of it is there.
fn leaf(body: &[u8]) -> Option<(&[u8], bool)> {
    let [_, _, _, a, b, c, rest @ ..] = body else { return None };
    let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
    Some(rest.get(..length).map_or((rest, false), |leaf| (leaf, true)))
}

impl Reader for TlsReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let from_client = packet.from_opener == self.client_is_opener;
        if let Some(cells) = &mut self.cells {
            return cells.data(packet, from_client, bytes);
        }
        let Some(handshake) = &mut self.handshake else { return };
        let started = handshake.started;
        let side = handshake.side(from_client);
        if side.done {
            return;
        }
        // An answer to a STARTTLS of one letter, as PostgreSQL has it, was held back and comes first.
        if !from_client && !started && !matches!(bytes.first(), Some(0x14..=0x17)) {
            return;
        }
        let is_hello = from_client && side.read == 0 && side.records.is_empty() && side.messages.is_empty();
        if is_hello || !started {
            (handshake.start, handshake.started) = (packet, true);
        }
        handshake.take(from_client, bytes);
        self.report(emit);
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        let from_client = from_opener == self.client_is_opener;
        if let Some(handshake) = &mut self.handshake {
            // Reported with the next packet of the other side, or at the end.
            handshake.end_of_clear(from_client);
        }
        if let Some(cells) = &mut self.cells {
            cells.gap(from_client);
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        let from_client = from_opener == self.client_is_opener;
        match (&self.cells, &self.handshake) {
            (Some(cells), _) => cells.is_done(),
            (None, Some(handshake)) => {
                if from_client {
                    handshake.client.done
                } else {
                    handshake.server.done
                }
            }
            (None, None) => true,
        }
    }

    fn finish(mut self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        if let Some(handshake) = &mut self.handshake {
            handshake.end_of_clear(true);
            handshake.end_of_clear(false);
        }
        self.report(emit);
        if let Some((start, tunnel)) = self.cells.and_then(|cells| cells.finish(last)) {
            emit(&start.observation(self.flow, Detail::Tunnel(tunnel)));
        }
    }
}
