//! TLS ClientHello: server name, protocols and versions that the client offers (RFC 8446, 6066, 7301).

use tls_parser::{TlsExtension, parse_tls_client_hello_extensions, parse_tls_handshake_client_hello};

use super::{Emit, Packet, Reader};
use crate::model::{Detail, Flow, Tls};
use crate::time::Instant;

/// Bound on the size of a ClientHello. Real ones are below 4 KiB, post-quantum key shares included.
const HELLO_MAX: usize = 64 * 1024;

/// Collects the handshake records of one direction until the ClientHello is whole, reports it and is done.
pub(super) struct TlsReader {
    flow: Flow,
    from_opener: bool,
    start: Option<Packet>,
    /// Bytes of records, not yet taken apart.
    records: Vec<u8>,
    /// The handshake message, across records.
    message: Vec<u8>,
    /// Bytes are missing behind what is kept.
    cut: bool,
    done: bool,
}

impl TlsReader {
    pub(super) fn new(flow: Flow, from_opener: bool) -> Self {
        TlsReader { flow, from_opener, start: None, records: Vec::new(), message: Vec::new(), cut: false, done: false }
    }

    /// Moves whole records, and what is there of the last one, from `records` to `message`.
    fn unwrap_records(&mut self, to_the_end: bool) -> bool {
        let mut rest = self.records.as_slice();
        while let [0x16, 3, _, hi, lo, body @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*hi, *lo]));
            match body.split_at_checked(length) {
                Some((fragment, after)) => {
                    self.message.extend_from_slice(fragment);
                    rest = after;
                }
                None if to_the_end => {
                    self.message.extend_from_slice(body);
                    rest = &[];
                }
                None => break,
            }
        }
        // Another type of record before the hello is whole: not TLS after all, or nothing more will come.
        let foreign = rest.first().is_some_and(|kind| *kind != 0x16) || rest.get(1).is_some_and(|major| *major != 3);
        self.records = rest.to_vec();
        !foreign
    }

    /// The length of the whole handshake message, header included.
    fn expected(&self) -> Option<usize> {
        match self.message.as_slice() {
            [1, a, b, c, ..] => usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok().map(|length| length + 4),
            _ => None,
        }
    }

    fn close(&mut self, tls: Option<Tls>, emit: &mut Emit<'_>) {
        self.done = true;
        self.records = Vec::new();
        self.message = Vec::new();
        if let (Some(tls), Some(start)) = (tls, self.start) {
            emit(&start.observation(self.flow, Detail::Tls(tls)));
        }
    }

    /// Reports what there is of a hello that was cut off.
    fn close_cut(&mut self, emit: &mut Emit<'_>) {
        if self.done {
            return;
        }
        self.unwrap_records(true);
        let tls = self.expected().filter(|expected| *expected <= HELLO_MAX).and_then(|expected| {
            let mut body = self.message.get(4..).unwrap_or_default().to_vec();
            let present = body.len();
            // Zeros keep every length before the cut in bounds; whatever they got into is left out by `hello`.
            body.resize(expected.saturating_sub(4).max(present), 0);
            hello(&body, true)
        });
        self.close(tls, emit);
    }
}

impl Reader for TlsReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        if self.is_done(packet.from_opener) {
            return;
        }
        self.start.get_or_insert(packet);
        self.records.extend_from_slice(bytes);
        let sound = self.unwrap_records(false);
        match self.expected() {
            Some(expected) if self.message.len() >= expected => {
                let tls = self.message.get(4..expected).and_then(|body| hello(body, false));
                self.close(tls, emit);
            }
            Some(expected) if expected > HELLO_MAX => self.close(None, emit),
            _ if self.records.len() + self.message.len() > HELLO_MAX => self.close(None, emit),
            _ if !sound => self.close_cut(emit),
            _ => {}
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        // What came before the gap is reported at the end of the flow.
        self.cut |= from_opener == self.from_opener;
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.done || self.cut || from_opener != self.from_opener
    }

    fn finish(mut self: Box<Self>, _last: Instant, emit: &mut Emit<'_>) {
        self.close_cut(emit);
    }
}

/// The body of a ClientHello. `cut` if its end was filled up with zeros.
fn hello(body: &[u8], cut: bool) -> Option<Tls> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    if cut && hello.ciphers.is_empty() {
        return None;
    }
    let mut tls = Tls::default();
    let mut offered = None;
    let extensions = hello.ext.and_then(|ext| parse_tls_client_hello_extensions(ext).ok()).map(|(_, list)| list);
    for extension in extensions.into_iter().flatten() {
        match extension {
            TlsExtension::SNI(names) if tls.server_name.is_none() => {
                // RFC 6066 section 3: host_name is the only type there is.
                tls.server_name = names.iter().find(|(kind, _)| kind.0 == 0).and_then(|(_, name)| printable(name));
            }
            TlsExtension::ALPN(protocols) => tls.alpn = protocols.into_iter().filter_map(printable).collect(),
            TlsExtension::SupportedVersions(versions) => {
                // RFC 8701: values of the form 0x?a?a are noise that keeps servers tolerant.
                offered = versions.iter().map(|version| version.0).filter(|version| version & 0x0f0f != 0x0a0a).max();
            }
            _ => {}
        }
    }
    let version = offered.filter(|version| *version != 0).or((!cut).then_some(hello.version.0));
    tls.version = version.map(|version| match version {
        0x0300 => "ssl3".to_owned(),
        0x0301 => "1.0".to_owned(),
        0x0302 => "1.1".to_owned(),
        0x0303 => "1.2".to_owned(),
        0x0304 => "1.3".to_owned(),
        other => format!("0x{other:04x}"),
    });
    Some(tls)
}

/// A name as text; `None` if it holds a zero or is empty (cut off, or not a name).
fn printable(name: &[u8]) -> Option<String> {
    (!name.is_empty() && !name.contains(&0)).then(|| String::from_utf8_lossy(name).into_owned())
}
