//! What is asked for beneath one registrable name: the account that tells names used as a carrier from names.
//!
//! An account is a commutative sum, like all of the fold. Its memory does not grow with the number of names.

use std::net::IpAddr;

use super::kept::Fact;
use super::merge::earlier;
use crate::evidence::Record;
use crate::model::{Dns, Flow};
use crate::stats::hash::fnv;
use crate::time::{Instant, Span};

/// Everything that one client asked beneath one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneFact {
    /// The last two labels, or three where the second is a registry of a country ([`REGISTRIES`]). "dnscat" for the
    /// names of dnscat2 without a domain.
    pub zone: String,
    pub client: Option<IpAddr>,
    /// Client to server.
    pub flow: Flow,
    pub queries: ZoneCount,
    pub responses: ZoneCount,
    /// Distinct names, of queries and responses.
    pub names: Distinct,
    /// Bytes of data in answers, addresses left out.
    pub answer_bytes: u64,
    pub first: Option<Span>,
    pub last: Option<Instant>,
    pub record: Record,
    /// The earliest records that look like data, at most [`ZoneFact::PROOF_KEPT`], ascending.
    pub proof: Vec<u64>,
}

impl ZoneFact {
    pub const PROOF_KEPT: usize = 16;
}

/// Messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneCount {
    pub messages: u64,
    /// Bytes beneath the zone, summed over messages.
    pub name_bytes: u64,
    /// Messages whose name looks like data ([`is_encoded`]).
    pub encoded: u64,
    /// By type: NULL or 65399 (private), TXT, CNAME, MX, SRV, KEY; addresses; others.
    pub null: u64,
    pub text: u64,
    pub names: u64,
    pub key: u64,
    pub address: u64,
    /// Names in the grammar of a tool.
    pub dnscat: u64,
    pub iodine: u64,
    pub dns2tcp: u64,
}

impl ZoneCount {
    fn add(&mut self, other: &ZoneCount) {
        let pairs = [
            (&mut self.messages, other.messages),
            (&mut self.name_bytes, other.name_bytes),
            (&mut self.encoded, other.encoded),
            (&mut self.null, other.null),
            (&mut self.text, other.text),
            (&mut self.names, other.names),
            (&mut self.key, other.key),
            (&mut self.address, other.address),
            (&mut self.dnscat, other.dnscat),
            (&mut self.iodine, other.iodine),
            (&mut self.dns2tcp, other.dns2tcp),
        ];
        for (ours, theirs) in pairs {
            *ours = ours.saturating_add(theirs);
        }
    }

    fn of(prefix: &str, record_type: &str) -> Self {
        let is = |known: bool| u64::from(known);
        let private = record_type == "TYPE65399";
        ZoneCount {
            messages: 1,
            name_bytes: wire_length(prefix),
            encoded: is(is_encoded(prefix)),
            null: is(record_type == "NULL" || private),
            text: is(record_type == "TXT"),
            names: is(matches!(record_type, "CNAME" | "MX" | "SRV")),
            key: is(record_type == "KEY"),
            address: is(matches!(record_type, "A" | "AAAA")),
            dnscat: is(is_dnscat(prefix)),
            iodine: is(is_iodine_version(prefix)),
            dns2tcp: is(prefix.split('.').any(|label| matches!(label, "=auth" | "=connect" | "=resource"))),
        }
    }

    /// Types whose answers hold more than an address.
    pub fn carriers(&self) -> u64 {
        self.null + self.text + self.names + self.key
    }
}

/// How many distinct values were seen, from the smallest of their hashes: exact below [`Distinct::KEPT`], an estimate
/// with a standard error of 3 % above (k minimum values, Bar-Yossef and others 2002).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinct {
    /// Ascending.
    smallest: Vec<u64>,
}

impl Distinct {
    /// Bound on the hashes kept; the last of the counts in use by others is 1,000.
    pub const KEPT: usize = 1024;

    fn add(&mut self, hash: u64) {
        if self.smallest.len() >= Self::KEPT && self.smallest.last().is_some_and(|largest| *largest <= hash) {
            return;
        }
        if let Err(at) = self.smallest.binary_search(&hash) {
            self.smallest.insert(at, hash);
            self.smallest.truncate(Self::KEPT);
        }
    }

    pub fn count(&self) -> u64 {
        match self.smallest.last() {
            Some(largest) if self.smallest.len() >= Self::KEPT => {
                ((Self::KEPT - 1) as f64 / (*largest as f64 / u64::MAX as f64)) as u64
            }
            _ => self.smallest.len() as u64,
        }
    }

    pub fn is_exact(&self) -> bool {
        self.smallest.len() < Self::KEPT
    }
}

/// FNV-1a with the finaliser of MurmurHash3, so that the high bits are even for names that differ at their end.
fn hash(text: &str) -> u64 {
    let mut hash = fnv(text.as_bytes());
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Second labels under which countries register names. Not the whole Public Suffix List: a zone one label too short
/// joins the accounts of its tenants, which is said of every zone by naming it.
const REGISTRIES: [&str; 24] = [
    "ac", "ad", "co", "com", "ed", "edu", "gen", "go", "gob", "gov", "gv", "id", "ltd", "me", "mil", "ne", "net",
    "nhs", "nom", "or", "org", "plc", "sch", "web",
];

/// The part of a name beneath its zone, and the zone. `None` for names without one, for reverse zones and for names
/// of the local link.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    if let Some(rest) = name.strip_prefix("dnscat.") {
        return Some((rest, "dnscat"));
    }
    let dots: Vec<usize> = memchr::memchr_iter(b'.', name.as_bytes()).filter(|dot| !is_escaped(name, *dot)).collect();
    let (&last, rest) = dots.split_last()?;
    let top = name.get(last + 1..)?;
    if matches!(top, "arpa" | "int" | "local" | "localdomain") {
        return None;
    }
    let label = |from: Option<&usize>, to: usize| name.get(from.map_or(0, |dot| dot + 1)..to);
    let second = label(rest.last(), last)?;
    let from = match rest.split_last() {
        Some((_, rest)) if top.len() == 2 && REGISTRIES.contains(&second) => rest.last().copied(),
        other => other.map(|(dot, _)| *dot),
    };
    match from {
        Some(dot) => Some((name.get(..dot)?, name.get(dot + 1..)?)),
        None => Some(("", name)),
    }
}

/// A dot behind an odd number of backslashes is a byte of a label.
fn is_escaped(name: &str, dot: usize) -> bool {
    name.as_bytes().iter().take(dot).rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Bytes of a name on the wire, dots counted, escapes undone.
fn wire_length(name: &str) -> u64 {
    let mut length = 0;
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        length += 1;
        if byte == b'\\' && bytes.next().is_some_and(|byte| byte.is_ascii_digit()) {
            bytes.nth(1);
        }
    }
    length
}

/// Whether a name looks like data: long, and either full of bytes that names do not have or changing between letters
/// and digits as the codes for bytes do. Of 32 letters and digits 6 are digits in base32, 10 of 64 in base64, 10 of 16
/// in base16: neighbours of different kind are then 26 to 47 % of all, in words and counted names below 10 %.
pub(super) fn is_encoded(prefix: &str) -> bool {
    let (mut length, mut raw, mut turns) = (0_usize, 0_usize, 0_usize);
    let mut before = None;
    let mut bytes = prefix.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'.' {
            continue;
        }
        length += 1;
        let kind = match byte {
            b'0'..=b'9' => Some(true),
            b'a'..=b'z' => Some(false),
            b'\\' => {
                raw += 1;
                if bytes.next().is_some_and(|byte| byte.is_ascii_digit()) {
                    bytes.nth(1);
                }
                None
            }
            _ => None,
        };
        turns += usize::from(kind.is_some() && before.is_some() && kind != before);
        before = kind;
    }
    length >= 24 && (raw * 8 >= length || turns * 6 >= length)
}

/// dnscat2 (its `doc/protocol.md`): hexadecimal of packet id (2 bytes), type (SYN 0, MSG 1, FIN 2, ENC 3), session id
/// (2 bytes) and what follows.
fn is_dnscat(prefix: &str) -> bool {
    let mut digits = prefix.bytes().filter(|byte| *byte != b'.');
    let kind: Vec<u8> = digits.by_ref().take(6).skip(4).collect();
    let rest = prefix.bytes().filter(|byte| *byte != b'.');
    let length = rest.clone().count();
    matches!(kind.as_slice(), [b'0', b'0'..=b'3'])
        && length >= 14
        && length.is_multiple_of(2)
        && rest.clone().all(|byte| byte.is_ascii_hexdigit())
}

/// The version request of iodine: `v` and in its base32 (a to z, 0 to 5) the protocol version 0x00000502, of which
/// six letters and the high bits of a seventh are fixed.
fn is_iodine_version(prefix: &str) -> bool {
    matches!(prefix.as_bytes(), [b'v', b'a', b'a', b'a', b'a', b'k', b'a', b'q'..=b'x', ..])
}

/// One message as an account of its own.
pub(super) fn fact(name: &str, dns: &Dns, flow: Flow, span: Option<Span>, record: Record) -> Option<ZoneFact> {
    // Local resolution and reverse lookups make names of addresses.
    if dns.record_type.contains(':') {
        return None;
    }
    let (prefix, zone) = split(name)?;
    if prefix.is_empty() {
        return None;
    }
    let count = ZoneCount::of(prefix, &dns.record_type);
    let looks_like_data = count.encoded + count.dnscat + count.iodine + count.dns2tcp + count.null > 0;
    let mut names = Distinct::default();
    names.add(hash(prefix));
    let (queries, responses) = if dns.response { (ZoneCount::default(), count) } else { (count, ZoneCount::default()) };
    Some(ZoneFact {
        zone: zone.to_owned(),
        client: flow.src,
        flow: Flow { src_port: None, ..flow },
        queries,
        responses,
        names,
        answer_bytes: u64::from(dns.answer_bytes),
        first: span,
        last: span.map(|span| span.hi),
        record,
        proof: if looks_like_data { vec![record.number] } else { Vec::new() },
    })
}

impl Fact for ZoneFact {
    fn join(&mut self, other: Self) {
        if other.record < self.record {
            self.flow = other.flow;
        }
        earlier(&mut self.first, &mut self.record, other.first, other.record);
        self.last = self.last.max(other.last);
        self.queries.add(&other.queries);
        self.responses.add(&other.responses);
        for hash in other.names.smallest {
            self.names.add(hash);
        }
        self.answer_bytes = self.answer_bytes.saturating_add(other.answer_bytes);
        for record in other.proof {
            if let Err(at) = self.proof.binary_search(&record)
                && at < ZoneFact::PROOF_KEPT
            {
                self.proof.insert(at, record);
                self.proof.truncate(ZoneFact::PROOF_KEPT);
            }
        }
    }

    fn count(&self) -> u64 {
        self.queries.messages.saturating_add(self.responses.messages)
    }
}

#[cfg(test)]
mod tests;
