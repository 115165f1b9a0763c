//! DNS messages (RFC 1035) over UDP and TCP, multicast DNS (RFC 6762) and LLMNR (RFC 4795).
//!
//! Read by hand rather than with a library: evidence holds answers that are cut, carry unknown types or break a rule
//! somewhere, and what can be read of them still names who was looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::greeting::Sniffed;
use super::{Emit, Packet, Reader};
use crate::formats::capture::bytes::be16;
use crate::model::{Detail, Dns, Flow, Protocol};
use crate::time::Instant;

/// Which resolution protocol a port stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Port 53: a readable header and question are enough.
    Dns,
    /// Port 5353. `record_type` gets the prefix `mdns:`, so that local names do not mix with those of the DNS.
    Mdns,
    /// Port 5355. `record_type` gets the prefix `llmnr:`.
    Llmnr,
    /// Any other port: taken for DNS only if the message is flawless to its last byte.
    Elsewhere,
}

impl Family {
    pub(super) fn of(flow: Flow) -> Self {
        let has = |port| flow.src_port == Some(port) || flow.dst_port == Some(port);
        if has(53) {
            Family::Dns
        } else if has(5353) {
            Family::Mdns
        } else if has(5355) {
            Family::Llmnr
        } else {
            Family::Elsewhere
        }
    }
}

/// One message. `None` if it is not DNS.
///
/// Names are in lower case (RFC 4343), without the final dot, with `\.` and `\DDD` as in zone files; the root is ".".
/// A message with several questions (multicast DNS) is named by its first; one without a question by its first
/// record. Types are by IANA mnemonic or `TYPEn` (RFC 3597), response codes by mnemonic or number.
pub(super) fn read(bytes: &[u8], family: Family) -> Option<Dns> {
    let strict = family == Family::Elsewhere;
    let &[_, _, flags_hi, flags_lo, q0, q1, an0, an1, ns0, ns1, ar0, ar1, ..] = bytes else { return None };
    let response = flags_hi & 0x80 != 0;
    let opcode = (flags_hi >> 3) & 0x0f;
    let code = flags_lo & 0x0f;
    let [questions, answers, authorities, additional] =
        [[q0, q1], [an0, an1], [ns0, ns1], [ar0, ar1]].map(u16::from_be_bytes);
    // Opcodes in use: query, inverse query, status, notify, update, stateful operations.
    if !matches!(opcode, 0..=2 | 4..=6) || questions > 64 {
        return None;
    }
    if strict && (opcode != 0 || questions != 1 || flags_lo & 0x40 != 0 || (!response && (answers > 0 || code > 0))) {
        return None;
    }
    let mut dns = Dns { response, response_code: response.then(|| response_code(code)), ..Dns::default() };
    let mut at = 12;
    for index in 0..questions {
        let Some((name, after)) = read_name(bytes, at) else {
            if index == 0 {
                return None;
            }
            break;
        };
        let (Some(kind), Some(class)) = (be16(bytes, after), be16(bytes, after + 2)) else {
            if index == 0 {
                return None;
            }
            break;
        };
        // Multicast DNS uses the high bit of the class for a wish of its own (RFC 6762 section 5.4).
        let known_class = matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255);
        if (strict && !(known_class && class < 0x8000 && is_known_type(kind))) || (index == 0 && !known_class) {
            return None;
        }
        if index == 0 {
            dns.query = name;
            dns.record_type = type_name(kind);
        }
        at = after + 4;
    }
    let records = u32::from(answers) + u32::from(authorities) + u32::from(additional);
    let mut whole = true;
    for index in 0..records {
        let Some((name, kind, data, after)) = read_record(bytes, at) else {
            whole = false;
            break;
        };
        if dns.record_type.is_empty() {
            dns.query = name;
            dns.record_type = type_name(kind);
        }
        if index < u32::from(answers) || (family == Family::Mdns && response) {
            let rdata = bytes.get(data..after).unwrap_or_default();
            if !matches!(kind, 1 | 28 | 41) {
                dns.answer_bytes = dns.answer_bytes.saturating_add(u32::try_from(rdata.len()).unwrap_or(u32::MAX));
            }
            match kind {
                1 => dns.addresses.extend(<[u8; 4]>::try_from(rdata).ok().map(|a| IpAddr::V4(Ipv4Addr::from(a)))),
                28 => dns.addresses.extend(<[u8; 16]>::try_from(rdata).ok().map(|a| IpAddr::V6(Ipv6Addr::from(a)))),
                5 => dns.aliases.extend(read_name(bytes, data).map(|(alias, _)| alias)),
                _ => {}
            }
        }
        at = after;
    }
    if (strict && (!whole || at != bytes.len())) || dns.record_type.is_empty() {
        return None;
    }
    match family {
        Family::Mdns => dns.record_type.insert_str(0, "mdns:"),
        Family::Llmnr => dns.record_type.insert_str(0, "llmnr:"),
        Family::Dns | Family::Elsewhere => {}
    }
    Some(dns)
}

/// A resource record: owner, type, and where its data begins and ends.
fn read_record(bytes: &[u8], at: usize) -> Option<(String, u16, usize, usize)> {
    let (name, after) = read_name(bytes, at)?;
    let kind = be16(bytes, after)?;
    let length = usize::from(be16(bytes, after + 8)?);
    let data = after + 10;
    let end = data.checked_add(length).filter(|end| *end <= bytes.len())?;
    Some((name, kind, data, end))
}

/// A name, with compression (RFC 1035 section 4.1.4), and the place behind it.
fn read_name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = start;
    let mut after = None;
    let mut wire_length = 1usize;
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => break,
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                wire_length += label.len() + 1;
                if wire_length > 255 {
                    return None;
                }
                if !name.is_empty() {
                    name.push('.');
                }
                push_label(&mut name, label);
                at += 1 + label.len();
            }
            0xc0..=0xff => {
                let target = usize::from(be16(bytes, at)? & 0x3fff);
                after.get_or_insert(at + 2);
                // Backwards only: no loop can come of it.
                if target >= at {
                    return None;
                }
                at = target;
                // A pointer into a longer run of labels may meet this one again; the length bound ends that, but a
                // pointer to a pointer needs a bound of its own.
                wire_length += 1;
                if wire_length > 255 {
                    return None;
                }
            }
            _ => return None,
        }
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, after.unwrap_or(at + 1)))
}

fn push_label(name: &mut String, label: &[u8]) {
    for &byte in label {
        match byte {
            b'.' | b'\\' => {
                name.push('\\');
                name.push(char::from(byte));
            }
            0x21..=0x7e => name.push(char::from(byte.to_ascii_lowercase())),
            _ => {
                name.push('\\');
                for digit in [byte / 100, byte / 10 % 10, byte % 10] {
                    name.push(char::from(b'0' + digit));
                }
            }
        }
    }
}

/// IANA dns-parameters, resource record types (those seen in the wild).
const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (32769, "DLV"),
];

fn is_known_type(kind: u16) -> bool {
    TYPES.iter().any(|(number, _)| *number == kind)
}

fn type_name(kind: u16) -> String {
    match TYPES.iter().find(|(number, _)| *number == kind) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("TYPE{kind}"),
    }
}

/// IANA dns-parameters, response codes of the header.
fn response_code(code: u8) -> String {
    const CODES: [&str; 12] = [
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
        "YXDOMAIN",
        "YXRRSET",
        "NXRRSET",
        "NOTAUTH",
        "NOTZONE",
        "DSOTYPENI",
    ];
    CODES.get(usize::from(code)).map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// Whether a direction of a TCP stream begins with a DNS message (RFC 7766: two bytes of length before each).
pub(super) fn sniff_tcp(bytes: &[u8], flow: Flow) -> Sniffed {
    let family = Family::of(flow);
    let expected = match bytes {
        [hi, lo, ..] => usize::from(u16::from_be_bytes([*hi, *lo])),
        _ if family == Family::Dns => return Sniffed::More,
        _ => return Sniffed::Unknown,
    };
    if expected < 17 || (family == Family::Elsewhere && (expected > 4096 || !plausible_header(bytes))) {
        return Sniffed::Unknown;
    }
    match bytes.get(2..2 + expected) {
        Some(message) if read(message, family).is_some() => Sniffed::Dns,
        Some(_) => Sniffed::Unknown,
        // A header on the port of the DNS is enough to wait for a long answer in its own reader.
        None if family == Family::Dns && bytes.len() >= 14 && plausible_header(bytes) => Sniffed::Dns,
        None => Sniffed::More,
    }
}

/// Opcode query, reserved bit clear, one question, as far as the bytes go.
fn plausible_header(bytes: &[u8]) -> bool {
    bytes.get(4).is_none_or(|flags| (flags >> 3) & 0x0f == 0)
        && bytes.get(5).is_none_or(|flags| flags & 0x40 == 0)
        && bytes.get(6).is_none_or(|count| *count == 0)
        && bytes.get(7).is_none_or(|count| *count == 1)
}

/// DNS over TCP: both directions, message by message.
pub(super) struct TcpDns {
    flow: Flow,
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    /// From the two bytes of length of a message on; at most 64 KiB.
    buffer: Vec<u8>,
    packet: Packet,
    lost: bool,
}

impl TcpDns {
    pub(super) fn new(flow: Flow) -> Self {
        debug_assert!(flow.protocol.is_none_or(|protocol| protocol == Protocol::TCP));
        TcpDns { flow, sides: Default::default() }
    }
}

impl Reader for TcpDns {
    fn data(&mut self, packet: Packet, mut bytes: &[u8], emit: &mut Emit<'_>) {
        let family = Family::of(self.flow);
        let side = &mut self.sides[packet.side()];
        while !side.lost && !bytes.is_empty() {
            if side.buffer.is_empty() {
                side.packet = packet;
            }
            let wanted = match side.buffer.as_slice() {
                [hi, lo, ..] => 2 + usize::from(u16::from_be_bytes([*hi, *lo])),
                _ => 2,
            };
            let take = wanted.saturating_sub(side.buffer.len()).min(bytes.len());
            let (now, later) = bytes.split_at(take);
            side.buffer.extend_from_slice(now);
            bytes = later;
            if side.buffer.len() < wanted || wanted == 2 && side.buffer != [0, 0] {
                continue;
            }
            match side.buffer.get(2..).and_then(|message| read(message, family)) {
                Some(dns) => emit(&side.packet.observation(self.flow, Detail::Dns(dns))),
                None => side.lost = true,
            }
            side.buffer = Vec::new();
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        let side = &mut self.sides[super::side(from_opener)];
        side.buffer = Vec::new();
        side.lost = true;
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.sides[super::side(from_opener)].lost
    }

    fn finish(self: Box<Self>, _last: Instant, _emit: &mut Emit<'_>) {}
}
