//! Leases that DHCP servers give: ISC dhcpd (server/dhcp.c) and dnsmasq (rfc2131.c) in syslog or files of their own.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::formats::firewall::bytes::{address, find, has, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::model::{Detail, Lease};

/// The format.
pub(crate) struct Dhcp;

impl Dialect for Dhcp {
    fn id(&self) -> &'static str {
        "dhcp"
    }

    fn title(&self) -> &'static str {
        "DHCP leases as ISC dhcpd and dnsmasq log them (syslog, own files)"
    }

    fn signature(&self) -> &'static str {
        "messages of dhcpd or dnsmasq-dhcp (DHCPACK, DHCPRELEASE)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && message(record).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(lease) = message(record).and_then(lease) else { return Err("a message without a lease".into()) };
        let span = out.span(record.peeled.stamp);
        // In its own files the program stands where others have the host.
        let host = record.peeled.host.filter(|host| !host.starts_with(b"dnsmasq-dhcp")).map(text);
        out.observe(span, host, None, Detail::Lease(lease));
        Ok(())
    }
}

/// The message from its first word, of these programs alone.
fn message<'r>(record: &Record<'r>) -> Option<&'r [u8]> {
    let line = record.line;
    let known = record.peeled.is_program(b"dhcpd")
        || record.peeled.is_program(b"dnsmasq-dhcp")
        || has!(line, b"dnsmasq-dhcp[")
        || has!(line, b"dhcpd[");
    line.get(find!(line, b"DHCP")?..).filter(|_| known)
}

/// `DHCPACK on ADDRESS to HARDWARE (NAME) via IF` and `DHCPRELEASE of ADDRESS from HARDWARE (NAME) via IF (found)` of
/// dhcpd; `DHCPACK(IF) ADDRESS HARDWARE NAME` and `DHCPRELEASE(IF) ADDRESS HARDWARE` of dnsmasq. Names are the client's
/// own choice. An answer to DHCPINFORM (`DHCPACK to ...`) gives no lease.
fn lease(message: &[u8]) -> Option<Lease<'_>> {
    let (kind, rest) = split_once(message, b" ")?;
    let (kind, of_dnsmasq) = match split_once(kind, b"(") {
        Some((kind, _)) => (kind, true),
        None => (kind, false),
    };
    let ended = match kind {
        b"DHCPACK" => false,
        b"DHCPRELEASE" => true,
        _ => return None,
    };
    let mut words = rest.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    if !of_dnsmasq {
        let wanted: &[u8] = if ended { b"of" } else { b"on" };
        words.next().filter(|word| *word == wanted)?;
    }
    let address: IpAddr = address(words.next()?)?;
    if !of_dnsmasq {
        words.next().filter(|word| matches!(*word, b"to" | b"from"))?;
    }
    let hardware = words.next().filter(|word| is_hardware(word))?;
    let name = match (of_dnsmasq, words.next()) {
        (true, name) => name,
        (false, name) => name.and_then(|name| name.strip_prefix(b"(")?.strip_suffix(b")")),
    };
    let hardware = Cow::Owned(text(hardware).to_ascii_lowercase());
    Some(Lease { address, hardware, name: name.map(text), ended })
}

/// Six octets in hexadecimal with colons between, as both write them.
fn is_hardware(word: &[u8]) -> bool {
    let mut octets = 0;
    let all = word.split(|byte| *byte == b':').all(|octet| {
        octets += 1;
        matches!(octet.len(), 1 | 2) && octet.iter().all(u8::is_ascii_hexdigit)
    });
    all && octets == 6
}
