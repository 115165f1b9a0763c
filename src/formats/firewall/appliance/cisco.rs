//! What the logs of Cisco's systems have in common: `%FACILITY-SEVERITY-MNEMONIC: text` behind a header that may have a
//! sequence number, the mark of a clock that is not set, and a zone (Cisco IOS "System Message Logging").

use crate::formats::firewall::bytes::{number, port, split_once};
use crate::formats::firewall::fields::{Field, Fields, endpoint};
use crate::formats::firewall::syslog::{Stamp, Zone, month_day};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// What stands before it.
    pub(super) header: &'a [u8],
    pub(super) facility: &'a [u8],
    /// Name or number of the message.
    pub(super) mnemonic: &'a [u8],
    pub(super) text: &'a [u8],
}

/// The message of a line, the last one where one quotes another in its header (`%IOSXE-6-PLATFORM: ... %FW-6-...`).
pub(super) fn message(line: &[u8]) -> Option<Message<'_>> {
    let mut found = None;
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'%', line.get(from..)?).map(|at| from + at) {
        from = at + 1;
        if let Some(next) = message_at(line, at) {
            found = Some(next);
        } else if found.is_some() {
            break;
        }
    }
    found
}

fn message_at(line: &[u8], at: usize) -> Option<Message<'_>> {
    let rest = line.get(at + 1..)?;
    let end = rest.iter().take(96).position(|byte| matches!(byte, b':' | b' '))?;
    let mut tag = rest.get(..end)?;
    let mut text = rest.get(end..)?.trim_ascii_start();
    text = text.strip_prefix(b":").unwrap_or(text).trim_ascii_start();
    // `%ASA-session-6-302013`: the class of the message in the EMBLEM format.
    let last = memchr::memrchr(b'-', tag)?;
    let mnemonic = tag.get(last + 1..)?;
    tag = tag.get(..last)?;
    let severity = tag.last().filter(|digit| (b'0'..=b'7').contains(digit))?;
    let facility = tag.strip_suffix(&[*severity])?.strip_suffix(b"-")?;
    let word = |text: &[u8]| {
        !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    (word(facility) && word(mnemonic)).then_some(Message { header: line.get(..at)?, facility, mnemonic, text })
}

/// The last time that a header names, and its zone: the device's own, behind those of relays. On NX-OS the year stands
/// before it and the name of the device behind it.
pub(super) fn header_time<'a>(header: &'a [u8], fields: &mut Fields<'a>) {
    let mut from = 0;
    while let Some(rest) = header.get(from..)
        && !rest.is_empty()
    {
        if rest.first().is_some_and(u8::is_ascii_uppercase)
            && let Some((stamp, length)) = month_day(rest)
        {
            let after = rest.get(length..).unwrap_or_default().trim_ascii();
            let zone = after.split(|byte| matches!(byte, b':' | b' ')).next().and_then(Zone::read);
            let year = header.get(..from).and_then(year_before);
            fields.time = Some(dated(stamp, year, zone));
            fields.zone = zone;
            if year.is_some() && !after.iter().any(|byte| matches!(byte, b':' | b' ' | b'[')) {
                fields.put(Field::Device, after);
            }
        }
        let next = rest.iter().position(|byte| matches!(byte, b' ' | b':' | b'*' | b'.' | b'|'));
        from += next.map_or(rest.len(), |at| at + 1);
    }
}

fn year_before(header: &[u8]) -> Option<i32> {
    let word = header.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
    let year = number(word.get(word.len().checked_sub(4)?..)?).filter(|year| (1990..2200).contains(year))?;
    (word.len() == 4).then(|| i32::try_from(year).ok())?
}

/// With a year and a zone, where they are known.
pub(super) fn dated(stamp: Stamp, year: Option<i32>, zone: Option<Zone>) -> Stamp {
    let stamp = match (stamp, year) {
        (Stamp::WithoutYear { month, day, time, resolution_ns, .. }, Some(year)) => {
            match chrono::NaiveDate::from_ymd_opt(year, month, day) {
                Some(date) => Stamp::Local { at: date.and_time(time), resolution_ns },
                None => stamp,
            }
        }
        _ => stamp,
    };
    zone.and_then(|zone| stamp.in_zone(zone)).unwrap_or(stamp)
}

/// Names of services that Cisco prints for ports ("Using the CLI", TCP and UDP port literals).
const SERVICES: [(&[u8], u16); 28] = [
    (b"ssh", 22),
    (b"telnet", 23),
    (b"www", 80),
    (b"http", 80),
    (b"https", 443),
    (b"domain", 53),
    (b"dns", 53),
    (b"snmp", 161),
    (b"snmptrap", 162),
    (b"ntp", 123),
    (b"syslog", 514),
    (b"isakmp", 500),
    (b"bootps", 67),
    (b"bootpc", 68),
    (b"tftp", 69),
    (b"ftp", 21),
    (b"smtp", 25),
    (b"pop3", 110),
    (b"imap4", 143),
    (b"ldap", 389),
    (b"ldaps", 636),
    (b"netbios-ns", 137),
    (b"netbios-dgm", 138),
    (b"netbios-ssn", 139),
    (b"sunrpc", 111),
    (b"bgp", 179),
    (b"sqlnet", 1521),
    (b"rip", 520),
];

fn service(text: &[u8]) -> Option<u16> {
    port(text).or_else(|| SERVICES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number))
}

/// An end of a connection in a message: `interface:address/port`, `interface/address(port)`, `address/port`,
/// `address(port)`, `address:port`, `address`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End<'a> {
    pub(super) interface: Option<&'a [u8]>,
    pub(super) ip: Option<std::net::IpAddr>,
    pub(super) port: Option<u16>,
}

impl<'a> End<'a> {
    /// From one word. A host name in place of the address leaves it unknown.
    pub(super) fn read(word: &'a [u8]) -> Option<End<'a>> {
        let word = word.trim_ascii();
        let word = word.strip_suffix(b",").or(word.strip_suffix(b";")).or(word.strip_suffix(b".")).unwrap_or(word);
        let word = word.strip_suffix(b":").unwrap_or(word);
        if let Some(end) = End::plain(word) {
            return Some(end);
        }
        if let Some(inside) = word.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) {
            return End::plain(inside);
        }
        // `interface:name/port` of a host with a name.
        let after = |separator: u8| {
            let at = memchr::memchr(separator, word)?;
            let (interface, rest) = (word.get(..at)?, word.get(at + 1..)?);
            Some((interface, rest)).filter(|(interface, rest)| !interface.is_empty() && !rest.is_empty())
        };
        if let Some((interface, rest)) = after(b':') {
            if let Some(end) = End::plain(rest) {
                return Some(End { interface: Some(interface), ..end });
            }
            let (_, number) = split_once(rest, b"/")?;
            let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let port = service(number.get(..digits)?);
            return Some(End { interface: Some(interface), ip: None, port }).filter(|end| end.port.is_some());
        }
        let bracket = memchr::memchr(b'(', word).unwrap_or(word.len());
        let slash = memchr::memrchr(b'/', word.get(..bracket)?)?;
        let end = End::plain(word.get(slash + 1..)?)?;
        Some(End { interface: word.get(..slash), ..end })
    }

    fn plain(word: &'a [u8]) -> Option<End<'a>> {
        if let Some((ip, port)) = endpoint(word) {
            let port = port.or_else(|| {
                let (_, name) = split_once(word, b"/")?;
                service(name)
            });
            return Some(End { interface: None, ip: Some(ip), port });
        }
        None
    }

    /// Into the fields of the opener, or of the peer.
    pub(super) fn put(self, fields: &mut Fields<'a>, opener: bool) {
        let (ip, port, interface) = if opener {
            (&mut fields.flow.src, &mut fields.flow.src_port, Field::InInterface)
        } else {
            (&mut fields.flow.dst, &mut fields.flow.dst_port, Field::OutInterface)
        };
        *ip = ip.or(self.ip);
        *port = port.or(self.port);
        if let Some(name) = self.interface {
            fields.put(interface, name);
        }
    }
}

/// Whether the port that came first is that of a service and the other is not: the other end opened the connection.
/// Services below 1024, then below 32768 where the other is one that systems give out (RFC 6335, IANA and Linux ranges).
pub(super) fn serves(first: Option<u16>, second: Option<u16>) -> bool {
    let (Some(first), Some(second)) = (first, second) else { return false };
    (first < 1024 && second >= 1024) || (first < 32768 && second >= 32768 && second != first)
}

/// Number at the beginning of a word.
pub(super) fn leading(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    number(word.get(..digits)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_ends() {
        let line = b"foo: *Apr 29 13:58:46.411 UTC: %SEC-6-IPACCESSLOGP: list A denied";
        let found = message(line).unwrap();
        assert_eq!(
            (found.facility, found.mnemonic, found.text),
            (&b"SEC"[..], &b"IPACCESSLOGP"[..], &b"list A denied"[..])
        );
        assert_eq!(message(b"%ASA-session-6-302013: Built").unwrap().facility, b"ASA-session");
        assert_eq!(
            message(b"Nov 20 14:34:46: %IOSXE-6-PLATFORM: x: %FW-6-DROP_PKT: Dropping").unwrap().mnemonic,
            b"DROP_PKT"
        );
        assert!(message(b"100% of 5-6-x: y").is_none());
        let end = |word: &'static str| {
            End::read(word.as_bytes()).map(|end| {
                let interface = end.interface.map(|name| std::str::from_utf8(name).unwrap());
                (interface, end.ip.map(|ip| ip.to_string()), end.port)
            })
        };
        let ip = |text: &str| Some(text.to_owned());
        assert_eq!(end("outside:10.0.0.1/443"), Some((Some("outside"), ip("10.0.0.1"), Some(443))));
        assert_eq!(end("outside:2001:db8::1/443"), Some((Some("outside"), ip("2001:db8::1"), Some(443))));
        assert_eq!(end("in-side/10.0.0.1(443)"), Some((Some("in-side"), ip("10.0.0.1"), Some(443))));
        assert_eq!(end("10.0.0.1/ssh"), Some((None, ip("10.0.0.1"), Some(22))));
        assert_eq!(end("outside:server/443"), Some((Some("outside"), None, Some(443))));
        assert_eq!(end("10.0.0.1:"), Some((None, ip("10.0.0.1"), None)));
        assert_eq!(end("session"), None);
        assert!(serves(Some(443), Some(50_000)) && !serves(Some(50_000), Some(443)) && !serves(Some(5000), Some(6000)));
    }
}
