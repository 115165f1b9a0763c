//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1), and their fingerprints.

use md5::Md5;
use sha2::{Digest, Sha256};
use tls_parser::{TlsCipherSuite, parse_tls_handshake_client_hello};

use crate::evidence::hexadecimal;
use crate::model::Tls;

/// What carries the handshake: the first letter of a JA4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats::capture::app) enum Transport {
    Tcp,
    Quic,
    Dtls,
}

impl Transport {
    fn letter(self) -> char {
        match self {
            Transport::Tcp => 't',
            Transport::Quic => 'q',
            Transport::Dtls => 'd',
        }
    }
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Bound on the protocols of an ALPN that are kept.
const ALPN_KEPT: usize = 16;

/// The extensions of a hello: type and body, in their order.
struct Extensions<'a>(&'a [u8]);

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [t1, t2, l1, l2, rest @ ..] = self.0 else { return None };
        let (body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l1, *l2])))?;
        self.0 = rest;
        Some((u16::from_be_bytes([*t1, *t2]), body))
    }
}

/// Behind a length of one or two bytes that covers all of the rest, or as much of it as there is.
fn after_length(body: &[u8], width: usize) -> &[u8] {
    let (length, rest) = body.split_at(width.min(body.len()));
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.get(..length).unwrap_or(rest)
}

fn words(body: &[u8]) -> impl Iterator<Item = u16> {
    body.chunks_exact(2).map(|pair| pair.first_chunk::<2>().map_or(0, |pair| u16::from_be_bytes(*pair)))
}

/// RFC 8701: values of the form 0x?a?a with equal halves are noise that keeps servers tolerant.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// A protocol name of each entry of an ALPN list (RFC 7301 section 3.1).
fn protocols(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_length(body, 2);
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(length))?;
        rest = after;
        Some(name)
    })
}

/// A name as text; `None` if it holds a zero or is empty (cut off, or not a name).
fn printable(name: &[u8]) -> Option<String> {
    (!name.is_empty() && !name.contains(&0)).then(|| String::from_utf8_lossy(name).into_owned())
}

/// RFC 6066 section 3: a list of which host_name (type 0) is the only kind there is.
fn host_name(body: &[u8]) -> Option<String> {
    let mut rest = after_length(body, 2);
    while let [kind, l1, l2, after @ ..] = rest {
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*l1, *l2])))?;
        if *kind == 0 {
            return printable(name);
        }
        rest = after;
    }
    None
}

fn version_name(version: u16) -> String {
    match version {
        0x0002 => "ssl2".to_owned(),
        0x0300 => "ssl3".to_owned(),
        0x0301 => "1.0".to_owned(),
        0x0302 => "1.1".to_owned(),
        0x0303 => "1.2".to_owned(),
        0x0304 => "1.3".to_owned(),
        0xfeff => "dtls1.0".to_owned(),
        0xfefd => "dtls1.2".to_owned(),
        0xfefc => "dtls1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// The highest of several versions. DTLS counts downwards.
fn highest(versions: impl Iterator<Item = u16>) -> Option<u16> {
    let is_dtls = |version: u16| version >> 8 == 0xfe;
    versions
        .filter(|version| !is_grease(*version))
        .max_by_key(|version| if is_dtls(*version) { u16::MAX - *version } else { *version })
}

/// What a ClientHello offers, and the numbers that tell its maker.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats::capture::app) struct ClientHello {
    pub(in crate::formats::capture::app) tls: Tls,
    pub(in crate::formats::capture::app) ciphers: Vec<u16>,
}

/// The body of a ClientHello, behind the header of its handshake message. `cut` if its end was filled up with zeros:
/// then there are no fingerprints. DTLS has a cookie behind the session id, which the caller has to take out.
pub(in crate::formats::capture::app) fn client(body: &[u8], cut: bool, transport: Transport) -> Option<ClientHello> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    if cut && hello.ciphers.is_empty() {
        return None;
    }
    let ciphers: Vec<u16> = hello.ciphers.iter().map(|cipher| cipher.0).collect();
    let extensions = hello.ext.unwrap_or_default();
    let mut tls = Tls::default();
    let mut offered = None;
    for (kind, body) in Extensions(extensions) {
        match kind {
            SERVER_NAME if tls.server_name.is_none() => tls.server_name = host_name(body),
            ALPN => tls.alpn = protocols(body).filter_map(printable).take(ALPN_KEPT).collect(),
            SUPPORTED_VERSIONS => offered = highest(words(after_length(body, 1))),
            _ => {}
        }
    }
    let version = offered.filter(|version| *version != 0).or((!cut).then_some(hello.version.0));
    tls.version = version.map(version_name);
    if !cut {
        let ja4 = ja4(transport, version.unwrap_or(hello.version.0), &ciphers, extensions);
        (tls.ja3, tls.ja4) = (Some(ja3(hello.version.0, &ciphers, extensions)), Some(ja4));
    }
    Some(ClientHello { tls, ciphers })
}

/// A hello in the form of SSL 2 that offers TLS (RFC 5246 appendix E.2): two bytes of length with the high bit set,
/// type, version, lengths of cipher list, session id and challenge. `None` if it is none or not whole.
pub(in crate::formats::capture::app) fn sslv2_client(bytes: &[u8]) -> Option<(ClientHello, usize)> {
    let whole = sslv2_length(bytes)?;
    let [_, _, _, major, minor, c1, c2, ..] = bytes else { return None };
    let list = bytes.get(11..11 + usize::from(u16::from_be_bytes([*c1, *c2])))?;
    // Cipher kinds have three bytes; those of TLS begin with a zero.
    let ciphers = list.chunks_exact(3).filter_map(|kind| match kind {
        [0, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    });
    let version = version_name(u16::from_be_bytes([*major, *minor]));
    let hello = ClientHello { tls: Tls { version: Some(version), ..Tls::default() }, ciphers: ciphers.collect() };
    (bytes.len() >= whole).then_some((hello, whole))
}

/// Bytes of the whole hello in the form of SSL 2, if `bytes` begin one.
pub(in crate::formats::capture::app) fn sslv2_length(bytes: &[u8]) -> Option<usize> {
    let [l1, l2, 1, major, minor, c1, c2, s1, s2, h1, h2, ..] = bytes else { return None };
    let stated = usize::from(u16::from_be_bytes([l1 & 0x7f, *l2]));
    let part = |high: &u8, low: &u8| usize::from(u16::from_be_bytes([*high, *low]));
    let (ciphers, session, challenge) = (part(c1, c2), part(s1, s2), part(h1, h2));
    let is_version = matches!((major, minor), (3, 0..=3) | (0, 2));
    let fits = l1 & 0x80 != 0
        && is_version
        && ciphers > 0
        && ciphers % 3 == 0
        && (session == 0 || session == 16)
        && (16..=32).contains(&challenge)
        && stated == 9 + ciphers + session + challenge;
    fits.then_some(stated + 2)
}

/// Fills in what the body of a ServerHello chooses. Whether the rest of the handshake is encrypted (TLS 1.3), if it is
/// a ServerHello at all.
pub(super) fn server(body: &[u8], tls: &mut Tls) -> Option<bool> {
    let [v1, v2, rest @ ..] = body else { return None };
    let legacy = u16::from_be_bytes([*v1, *v2]);
    let rest = rest.get(32..)?;
    // Drafts of TLS 1.3 up to 21 have neither session nor compression.
    let (c1, c2, rest) = if matches!(legacy, 0x7f00..=0x7f15) {
        let [c1, c2, rest @ ..] = rest else { return None };
        (c1, c2, rest)
    } else {
        let (&session, rest) = rest.split_first()?;
        let [c1, c2, _compression, rest @ ..] = rest.get(usize::from(session)..)? else { return None };
        (c1, c2, rest)
    };
    let cipher = u16::from_be_bytes([*c1, *c2]);
    let extensions = after_length(rest, 2);
    let mut version = legacy;
    let mut kinds = Vec::new();
    for (kind, body) in Extensions(extensions) {
        kinds.push(kind);
        match kind {
            SUPPORTED_VERSIONS => version = words(body).next().unwrap_or(legacy),
            ALPN => tls.chosen_alpn = protocols(body).next().and_then(printable),
            _ => {}
        }
    }
    tls.chosen_version = Some(version_name(version));
    let known = TlsCipherSuite::from_id(cipher).map(|suite| suite.name.to_owned());
    tls.cipher = Some(known.unwrap_or_else(|| format!("0x{cipher:04x}")));
    tls.ja3s = Some(hexadecimal(&Md5::digest(format!("{legacy},{cipher},{}", joined(&kinds, "-", decimal)))));
    Some(version == 0x0304 || version >> 8 == 0x7f)
}

fn decimal(value: &u16) -> String {
    value.to_string()
}

fn four_digits(value: &u16) -> String {
    format!("{value:04x}")
}

fn joined(values: &[u16], separator: &str, digits: fn(&u16) -> String) -> String {
    values.iter().map(digits).collect::<Vec<_>>().join(separator)
}

/// MD5 of version, ciphers, extensions, groups and point formats, in decimal digits, without GREASE.
fn ja3(version: u16, ciphers: &[u16], extensions: &[u8]) -> String {
    let plain = |values: &mut dyn Iterator<Item = u16>| {
        let values: Vec<u16> = values.filter(|value| !is_grease(*value)).collect();
        joined(&values, "-", decimal)
    };
    let body = |wanted: u16| Extensions(extensions).find(|(kind, _)| *kind == wanted).map_or(&[][..], |(_, body)| body);
    let text = format!(
        "{version},{},{},{},{}",
        plain(&mut ciphers.iter().copied()),
        plain(&mut Extensions(extensions).map(|(kind, _)| kind)),
        plain(&mut words(after_length(body(SUPPORTED_GROUPS), 2))),
        plain(&mut after_length(body(POINT_FORMATS), 1).iter().map(|format| u16::from(*format))),
    );
    hexadecimal(&Md5::digest(text))
}

/// JA4 as `technical_details/JA4.md` of its makers defines it (BSD 3-clause).
fn ja4(transport: Transport, version: u16, ciphers: &[u16], extensions: &[u8]) -> String {
    let digest = |text: String| {
        let mut hash = if text.is_empty() { "0".repeat(12) } else { hexadecimal(&Sha256::digest(text)) };
        hash.truncate(12);
        hash
    };
    let mut ciphers: Vec<u16> = ciphers.iter().copied().filter(|cipher| !is_grease(*cipher)).collect();
    let mut kinds: Vec<u16> = Extensions(extensions).map(|(kind, _)| kind).filter(|kind| !is_grease(*kind)).collect();
    let body = |wanted: u16| Extensions(extensions).find(|(kind, _)| *kind == wanted).map(|(_, body)| body);
    let named = if kinds.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let alpn = body(ALPN).and_then(|body| protocols(body).next()).map_or_else(|| "00".to_owned(), ends);
    let version = match version {
        0x0002 => "s2",
        0x0300 => "s3",
        0x0301 => "10",
        0x0302 => "11",
        0x0303 => "12",
        0x0304 => "13",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    };
    let (letter, ciphers_count, kinds_count) = (transport.letter(), ciphers.len().min(99), kinds.len().min(99));
    ciphers.sort_unstable();
    kinds.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    kinds.sort_unstable();
    let algorithms: Vec<u16> = body(SIGNATURE_ALGORITHMS)
        .map(|body| words(after_length(body, 2)).filter(|algorithm| !is_grease(*algorithm)).collect())
        .unwrap_or_default();
    let mut second = joined(&kinds, ",", four_digits);
    if !algorithms.is_empty() {
        second = format!("{second}_{}", joined(&algorithms, ",", four_digits));
    }
    format!(
        "{letter}{version}{named}{ciphers_count:02}{kinds_count:02}{alpn}_{}_{}",
        digest(joined(&ciphers, ",", four_digits)),
        digest(second)
    )
}

/// First and last character of a protocol name, or first and last hexadecimal digit of it where one of them is no
/// letter or digit.
fn ends(name: &[u8]) -> String {
    match (name.first(), name.last()) {
        (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [char::from(*first), char::from(*last)].iter().collect()
        }
        (Some(first), Some(last)) => {
            let digits = |byte: u8| format!("{byte:02x}");
            digits(*first).chars().take(1).chain(digits(*last).chars().skip(1)).collect()
        }
        _ => "00".to_owned(),
    }
}

#[cfg(test)]
mod tests;
