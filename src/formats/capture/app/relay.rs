//! Relays that give a machine behind a firewall a public port: frp and bore in the clear. Those inside of TLS or
//! WebSocket are told by names and by `http_marks.rs`.

use std::borrow::Cow;

use memchr::memmem;

use super::greeting::{Binary, Fit, Greeting};
use super::marked::{MarkedReader, Service};
use super::remote::service;
use super::{Emit, Packet, Reader, TcpReaders};
use crate::model::{Detail, Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

service!(FRP_CLEAR, "frp", Relay, frp_login, frp_answer, "login of an frp client");
service!(BORE, "bore", Relay, bore, bore, "control messages of bore");

/// frp with TLS: a byte of its own in front of the ClientHello (`FRPTLSHeadByte` in pkg/util/net/tls.go; left out by
/// default from 0.70 on).
pub(super) const FRP: Binary =
    Binary { name: "frp", sniff: frp_head, reader: |greeting| Box::new(FrpReader::new(greeting)) };

fn frp_head(bytes: &[u8], greeting: Greeting) -> Fit {
    match bytes {
        _ if !greeting.from_opener => Fit::No,
        [0x17] | [0x17, 0x16] | [0x17, 0x16, 3, ..] if bytes.len() < 7 => Fit::More,
        [0x17, 0x16, 3, 0..=4, _, _, 1, ..] => Fit::Yes,
        _ => Fit::No,
    }
}

/// A login in frp's framing (pkg/msg/msg.go): `o`, length of 64 bits, JSON. Plain or in the first stream of a yamux
/// session (hashicorp/yamux spec.md: 12 bytes of header; a SYN, then data).
fn frp_login(bytes: &[u8]) -> Fit {
    const SYN: &[u8] = &[0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    const DATA: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1];
    let inside = match bytes.strip_prefix(SYN) {
        Some(rest) => match rest.strip_prefix(DATA) {
            // Behind the data's length.
            Some(rest) => rest.get(4..).unwrap_or_default(),
            None if DATA.starts_with(rest) => return Fit::More,
            None => return Fit::No,
        },
        None if !bytes.is_empty() && SYN.starts_with(bytes) => return Fit::More,
        None => bytes,
    };
    // The data frame may be sent in parts: the login's type and length, and its text.
    let Some((&kind, rest)) = inside.split_first() else {
        return if bytes.len() >= SYN.len() { Fit::More } else { Fit::No };
    };
    let Some((length, text)) = rest.split_first_chunk::<8>() else {
        return if kind == b'o' && rest.iter().take(6).all(|byte| *byte == 0) { Fit::More } else { Fit::No };
    };
    if kind != b'o' || !(16..=10_240).contains(&u64::from_be_bytes(*length)) {
        return Fit::No;
    }
    if text.starts_with(b"{\"") && memmem::find(text, b"\"privilege_key\"").is_some() {
        Fit::Yes
    } else if text.len() < 1024 && (text.is_empty() || text.starts_with(b"{")) {
        Fit::More
    } else {
        Fit::No
    }
}

fn frp_answer(bytes: &[u8]) -> Fit {
    if memmem::find(bytes, b"\"run_id\"").is_some() { Fit::Yes } else { Fit::More }
}

/// The messages of bore (src/shared.rs): JSON of an enumeration, ended by a zero.
fn bore(bytes: &[u8]) -> Fit {
    const BEGINNINGS: [&[u8]; 6] = [
        b"{\"Hello\":",
        b"{\"Accept\":\"",
        b"{\"Authenticate\":\"",
        b"{\"Challenge\":\"",
        b"{\"Connection\":\"",
        b"\"Heartbeat\"",
    ];
    let Some(end) = memchr::memchr(0, bytes.get(..256).unwrap_or(bytes)) else {
        let begins = BEGINNINGS.iter().any(|text| text.starts_with(bytes) || bytes.starts_with(text));
        return if begins && bytes.len() < 256 { Fit::More } else { Fit::No };
    };
    let message = bytes.get(..end).unwrap_or_default();
    let ends = message.ends_with(b"}") || message == b"\"Heartbeat\"";
    let fits = ends && BEGINNINGS.iter().any(|text| message.starts_with(text));
    if fits { Fit::Yes } else { Fit::No }
}

/// Hands on what is behind frp's byte, and reports both.
struct FrpReader {
    flow: Flow,
    first: Option<Packet>,
    inner: Option<TcpReaders>,
    answer: Option<Packet>,
}

impl FrpReader {
    fn new(greeting: Greeting) -> Self {
        let inner = TcpReaders::nested(greeting.flow, true, greeting.depth);
        FrpReader { flow: greeting.flow, first: None, inner, answer: None }
    }
}

impl Reader for FrpReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let bytes = match self.first {
            None => bytes.get(1..).unwrap_or_default(),
            Some(_) => bytes,
        };
        self.first.get_or_insert(packet);
        // The server answers with a hello as any other.
        if !packet.from_opener && self.answer.is_none() && bytes.starts_with(&[0x16, 3]) && bytes.get(5) == Some(&2) {
            self.answer = Some(packet);
        }
        if let Some(inner) = &mut self.inner {
            inner.data(packet.from_opener, bytes, packet.at, packet.record, emit);
        }
    }

    fn gap(&mut self, from_opener: bool, bytes: u64) {
        if let Some(inner) = &mut self.inner {
            inner.gap(from_opener, bytes);
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.is_done(from_opener))
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let inside = self.inner.as_ref().and_then(TcpReaders::protocol);
        if let Some(first) = self.first.filter(|_| inside == Some("tls")) {
            let proof: Vec<u64> =
                std::iter::once(first.record).chain(self.answer.map(|answer| answer.record)).collect();
            let tunnel = Tunnel {
                protocol: "frp",
                class: TunnelClass::Relay,
                mark: if self.answer.is_some() { Mark::Exchange } else { Mark::OneSide },
                inside,
                packets: proof.len() as u64,
                note: Cow::Borrowed("the byte that frp puts in front of TLS"),
                last: Some(last.max(first.at)),
                proof,
                ..Tunnel::default()
            };
            emit(&first.observation(self.flow, Detail::Tunnel(tunnel)));
        }
        if let Some(inner) = self.inner {
            inner.finish(last, emit);
        }
    }
}

#[cfg(test)]
mod tests;
