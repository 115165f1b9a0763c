//! Tells a protocol from the first bytes of a direction.

use memchr::{memchr, memmem};

use super::greeting::{Binary, Fit, Greeting, Sniffed};
use super::{control, dns, file, mining, openvpn, p2p, relay, remote, socks, tls};

/// Segments of a direction that are looked at: greetings before a STARTTLS are fewer.
pub(super) const TRIES: u8 = 8;

/// Bytes of a direction that are kept while they may be the beginning of a protocol.
pub(super) const HEAD_KEPT: usize = 8 * 1024;

/// In the order in which they are asked. A protocol costs a module and a line here.
static BINARY: &[Binary] = &[
    mining::PLAIN,
    socks::SOCKS,
    remote::TEAMVIEWER,
    remote::RADMIN,
    remote::NOMACHINE,
    remote::RUSTDESK,
    remote::VNC_REPEATER,
    remote::HAMACHI,
    remote::ULTRASURF,
    relay::FRP,
    relay::FRP_CLEAR,
    openvpn::stream::OPENVPN,
    control::PPTP,
    control::TINC,
    control::VTUN,
    control::YGGDRASIL,
    file::RAW,
    // By sizes alone: after all that has bytes of its own.
    mining::NOISE,
];

/// What `bytes`, which begin a segment, are the beginning of.
pub(super) fn sniff(bytes: &[u8], greeting: Greeting) -> Sniffed {
    let Some(&first) = bytes.first() else { return Sniffed::More };
    let result = match first {
        0x14..=0x17 => tls_record(bytes),
        0x80..=0xff if tls::sslv2_length(bytes).is_some() => Sniffed::ClientHello,
        b'{' if (relay::BORE.sniff)(bytes, greeting) == Fit::Yes => Sniffed::Binary(const { &relay::BORE }),
        b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n' => json(bytes),
        b'A'..=b'Z' => text(bytes),
        _ => Sniffed::Unknown,
    };
    if !matches!(result, Sniffed::Unknown) {
        return result;
    }
    // RFC 4253 section 4.2: a server may send other lines before its identification string.
    if first.is_ascii_graphic()
        && memmem::find(bytes.get(..1024).unwrap_or(bytes), b"\nSSH-").is_some()
        && memchr(0, bytes.get(..64).unwrap_or(bytes)).is_none()
    {
        return Sniffed::Ssh;
    }
    if let Some(network) = p2p::sniff(bytes) {
        return Sniffed::P2p(network);
    }
    let mut wait = false;
    for protocol in BINARY.iter().filter(|protocol| greeting.not != Some(protocol.name)) {
        match (protocol.sniff)(bytes, greeting) {
            Fit::Yes => return Sniffed::Binary(protocol),
            Fit::More => wait = true,
            Fit::No => {}
        }
    }
    match dns::sniff_tcp(bytes, greeting.flow) {
        Sniffed::Unknown if wait => Sniffed::More,
        sniffed => sniffed,
    }
}

/// TLS records (RFC 8446 section 5.1): type, version 3.x, length, and in a handshake record the message type.
fn tls_record(bytes: &[u8]) -> Sniffed {
    if bytes.get(1).is_some_and(|major| *major != 3) || bytes.get(2).is_some_and(|minor| *minor > 4) {
        return Sniffed::Unknown;
    }
    match (bytes.first(), bytes.get(3), bytes.get(4), bytes.get(5)) {
        (Some(0x16), Some(hi), Some(lo), Some(1)) if (4..=0x4100).contains(&u16::from_be_bytes([*hi, *lo])) => {
            Sniffed::ClientHello
        }
        (Some(_), _, _, None) => Sniffed::More,
        // The client's hello is in the other direction, or past.
        (Some(0x16), Some(hi), Some(lo), Some(2)) if (42..=0x4100).contains(&u16::from_be_bytes([*hi, *lo])) => {
            Sniffed::ServerHello
        }
        (Some(0x17), Some(hi), Some(lo), _) if (17..=0x4100).contains(&u16::from_be_bytes([*hi, *lo])) => {
            Sniffed::Nothing
        }
        _ => Sniffed::Unknown,
    }
}

/// A JSON object with a string key, or an array of such objects (JSON-RPC 2.0 batches).
fn json(bytes: &[u8]) -> Sniffed {
    let mut tokens = bytes.iter().copied().take(256).filter(|byte| !byte.is_ascii_whitespace());
    let mut next = tokens.next();
    if next == Some(b'[') {
        next = tokens.next();
    }
    match (next, tokens.next()) {
        (Some(b'{'), Some(b'"')) => Sniffed::Json,
        (None, _) | (Some(b'{'), None) if bytes.len() < 256 => Sniffed::More,
        _ => Sniffed::Unknown,
    }
}

/// SSH identification strings and HTTP/1 start lines.
pub(super) fn text(bytes: &[u8]) -> Sniffed {
    for (prefix, found) in [(&b"SSH-"[..], Sniffed::Ssh), (b"HTTP/1.", Sniffed::HttpResponse)] {
        if bytes.starts_with(prefix) {
            return found;
        }
        if prefix.starts_with(bytes) {
            return Sniffed::More;
        }
    }
    let token =
        bytes.iter().take(17).take_while(|byte| byte.is_ascii_uppercase() || matches!(**byte, b'-' | b'_')).count();
    if token == bytes.len() && token <= 16 {
        return Sniffed::More;
    }
    if !(3..=16).contains(&token) || bytes.get(token) != Some(&b' ') {
        return Sniffed::Unknown;
    }
    match memchr(b'\n', bytes) {
        Some(end) => {
            let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
            match line.len().checked_sub(9).and_then(|at| line.get(at..)) {
                Some([b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor]) if minor.is_ascii_digit() => {
                    Sniffed::HttpRequest
                }
                _ => Sniffed::Unknown,
            }
        }
        None if bytes.iter().take(256).any(|byte| *byte < b' ' && *byte != b'\r') => Sniffed::Unknown,
        None => Sniffed::More,
    }
}
