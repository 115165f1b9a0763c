//! Cisco IOS, IOS XE, IOS XR and NX-OS messages on packets, sessions and logins ("Cisco IOS System Message Guide").

use std::sync::LazyLock;

use chrono::NaiveDate;

use super::cisco::{self, End, Message};
use crate::formats::firewall::bytes::{has, number, rsplit_once, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{Style, pairs};
use crate::formats::firewall::numbers::Counting;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone, clock, month};
use crate::model::{Action as Verdict, Alert, Detail, Flow};

/// The format.
pub(crate) struct CiscoIos;

/// Of `ACLLOG_FLOW_INTERVAL` and its kin on NX-OS.
const FLOWS: &[(&str, Field)] = &[
    ("Src IP", SrcIp),
    ("Source IP", SrcIp),
    ("Dst IP", DstIp),
    ("Destination IP", DstIp),
    ("Src Port", SrcPort),
    ("Source Port", SrcPort),
    ("Dst Port", DstPort),
    ("Destination Port", DstPort),
    ("Src Intf", InInterface),
    ("Source Interface", InInterface),
    ("ACL Name", Rule),
    ("ACE Action", Action),
    ("Hit-count", PacketsOut),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FLOWS]));

impl Dialect for CiscoIos {
    fn id(&self) -> &'static str {
        "cisco-ios"
    }

    fn title(&self) -> &'static str {
        "Cisco IOS, IOS XE, IOS XR and NX-OS messages (access lists, zone-based firewall, NAT, IPS, logins)"
    }

    fn signature(&self) -> &'static str {
        "messages with the tag of a Cisco router or switch (%SEC-6-IPACCESSLOGP)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && memchr::memchr(b'%', record.line).is_some() && cisco::message(record.line).is_some()
    }

    fn counting(&self) -> Option<&'static Counting> {
        static MESSAGES: Counting = Counting {
            what: "messages",
            innocent: "a severity that is not sent here, a datagram that was lost on its way",
            shared: false,
            of: sequence,
        };
        Some(&MESSAGES)
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(message) = cisco::message(record.line) else { return Err("no message".into()) };
        let mut fields = Fields::default();
        cisco::header_time(message.header, &mut fields);
        let has = |part: &[u8]| memchr::memmem::find(message.mnemonic, part).is_some();
        if has(b"ACCESSLOG") {
            access_list(message.text, &mut fields);
        } else if has(b"ACLLOG") {
            flow(message.text, &mut fields);
        } else if has(b"SESS_AUDIT_TRAIL") {
            session(message.text, &mut fields);
        } else if message.facility.starts_with(b"IPNAT") {
            translation(message.text, &mut fields);
        } else if matches!(message.facility, b"FW" | b"IPS" | b"IDS" | b"FIREWALL") {
            packet(&message, &mut fields);
        } else if matches!(message.facility, b"SEC_LOGIN" | b"SSH" | b"DMI")
            || message.facility.starts_with(b"SECURITY-SSHD")
        {
            return login(&message, fields, record, out);
        } else if message.mnemonic.starts_with(b"LOGGINGHOST") {
            log_host(message.text, &mut fields);
        } else if message.facility.ends_with(b"SYS") && has!(message.text, b" vty") {
            return at_terminal(&message, fields, record, out);
        }
        if fields.is_empty() {
            return Err("a message without the address of a packet or login".into());
        }
        out.connection(fields, record)
    }
}

/// The name before the numbers of a header, and the last of these: `<189>30: rtr1: 006340: *Nov 20 14:34:46.123: ` has the
/// count of messages to this host of logs and that of `service sequence-numbers`.
fn sequence(line: &[u8]) -> Option<(&[u8], u64)> {
    let header = cisco::message(line)?.header;
    let (mut name, mut last) = (b"".as_slice(), None);
    for word in words(header) {
        let plain = match word.strip_prefix(b"<").and_then(|rest| split_once(rest, b">")) {
            Some((_, after)) => after,
            None => word,
        };
        let named = word.strip_suffix(b":").unwrap_or(word);
        match plain.strip_suffix(b":").and_then(number) {
            Some(count) => last = Some(count),
            // A time behind the name, or in its place, is none.
            None if memchr::memchr(b':', named).is_some() => {}
            None if last.is_none() => name = named,
            None if name.is_empty() && word.ends_with(b":") && word.first().is_some_and(u8::is_ascii_alphabetic) => {
                name = named;
            }
            None => {}
        }
    }
    Some((name, last?))
}

fn words(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    said.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// `list NAME denied tcp 192.0.2.1(1024) (Gi0/1 aabb.ccdd.eeff) -> 198.51.100.1(80), 1 packet`; for ICMP `(8/0)` is type
/// and code, other protocols stand as numbers, and standard lists have the source alone.
fn access_list<'a>(said: &'a [u8], fields: &mut Fields<'a>) {
    let (said, _) = split_once(said, b" packet").unwrap_or((said, b""));
    let mut arrow = false;
    let mut last = None;
    let mut bracketed = false;
    for word in words(said) {
        let word = word.strip_suffix(b",").unwrap_or(word);
        if bracketed || word.starts_with(b"(") {
            if let Some(name) = word.strip_prefix(b"(").filter(|name| name.first().is_some_and(u8::is_ascii_alphabetic))
            {
                fields.put(InInterface, name.strip_suffix(b")").unwrap_or(name));
            }
            bracketed = !word.ends_with(b")");
            continue;
        }
        match word {
            b"list" | b"access-list" => last = Some(Rule),
            b"->" => arrow = true,
            b"permitted" | b"permit" => fields.decide(Some(Verdict::Allow)),
            b"denied" | b"deny" => fields.decide(Some(Verdict::Deny)),
            _ if last == Some(Rule) => {
                fields.put(Rule, word);
                last = None;
            }
            _ => match End::read(word).filter(|end| end.ip.is_some()) {
                Some(end) => end.put(fields, !arrow && fields.flow.src.is_none()),
                None if fields.flow.src.is_none()
                    && fields.flow.protocol.is_none()
                    && fields.connection.action.is_some() =>
                {
                    fields.flow.protocol = crate::formats::firewall::fields::protocol(word);
                }
                None => fields.put(PacketsOut, word),
            },
        }
    }
    // A word that is no number of packets is nobody's fault.
    fields.impossible = None;
}

/// `Src IP: 192.0.2.1, Dst IP: 198.51.100.1, Src Port: 1024, ..., Protocol: "TCP"(6), ACL Name: x, Hit-count = 3`.
fn flow<'a>(said: &'a [u8], fields: &mut Fields<'a>) {
    let said = said.strip_prefix(b"Flow:").unwrap_or(said);
    for (name, value) in pairs(said, Style { separator: b',', equals: b':', spacious: false }) {
        if name == b"Protocol" {
            if let Some(at) = memchr::memchr(b'"', &value) {
                let name: Vec<u8> = value.iter().skip(at + 1).take_while(|byte| **byte != b'"').copied().collect();
                fields.set(Protocol, name.into());
            } else {
                fields.set(Protocol, value);
            }
        } else if let Some(field) = NAMES.get(name) {
            fields.set(field, value);
        }
    }
    if let Some((_, hits)) = split_once(said, b"Hit-count = ") {
        fields.connection.packets_out = cisco::leading(hits);
    }
}

/// `Stop tcp session: initiator (192.0.2.1:1024) sent 22 bytes -- responder (198.51.100.1:80) sent 300 bytes`.
fn session<'a>(said: &'a [u8], fields: &mut Fields<'a>) {
    let (before, rest) = split_once(said, b"initiator ").unwrap_or((b"", said));
    let (opener, peer) = split_once(rest, b"responder ").unwrap_or((rest, b""));
    fields.flow.protocol = words(before).find_map(|word| match word {
        b"tcp" | b"udp" | b"icmp" => crate::formats::firewall::fields::protocol(word),
        // "sip-udp", "http": inspected on top of TCP or UDP, which the message does not say.
        _ => None,
    });
    let end = |part: &'a [u8]| End::read(words(part).next()?);
    let bytes = |part: &[u8]| words(split_once(part, b"sent ")?.1).next().and_then(cisco::leading);
    if let Some(end) = end(opener) {
        end.put(fields, true);
    }
    if let Some(end) = end(peer) {
        end.put(fields, false);
    }
    fields.connection.bytes_out = bytes(opener);
    fields.connection.bytes_in = bytes(peer);
    fields.decide(Some(Verdict::Allow));
    if has!(before, b"Stop") {
        fields.end = fields.time;
    }
}

/// `Created tcp INSIDE-LOCAL INSIDE-GLOBAL OUTSIDE-LOCAL OUTSIDE-GLOBAL`, each `address:port`.
fn translation<'a>(said: &'a [u8], fields: &mut Fields<'a>) {
    let mut ends = words(said).filter_map(End::read).filter(|end| end.ip.is_some());
    fields.flow.protocol = words(said)
        .find(|word| matches!(*word, b"tcp" | b"udp" | b"icmp"))
        .and_then(crate::formats::firewall::fields::protocol);
    let (Some(local), global, _, outside) = (ends.next(), ends.next(), ends.next(), ends.next()) else { return };
    local.put(fields, true);
    if let Some(outside) = outside {
        outside.put(fields, false);
    }
    let own = (fields.flow.src, fields.flow.src_port);
    fields.connection.nat_src =
        global.and_then(|end| Some((end.ip?, end.port))).filter(|(ip, port)| (Some(*ip), *port) != own);
}

/// `Dropping tcp pkt from Gi0/0 192.0.2.1:1024 => 198.51.100.1:80(target:class)-(a:b) due to ...`, `Sig:1 Subsig:0 Sev:4
/// NAME [192.0.2.1:1024 -> 198.51.100.1:80]`.
fn packet<'a>(message: &Message<'a>, fields: &mut Fields<'a>) {
    let said = message.text;
    for word in said.split(|byte| matches!(byte, b' ' | b'[' | b']')).filter(|word| !word.is_empty()) {
        if fields.flow.protocol.is_none() && matches!(word, b"tcp" | b"udp" | b"icmp") {
            fields.flow.protocol = crate::formats::firewall::fields::protocol(word);
        }
        match End::read(word).filter(|end| end.ip.is_some()) {
            Some(end) if fields.flow.src.is_none() => end.put(fields, true),
            Some(end) if fields.flow.dst.is_none() => end.put(fields, false),
            _ => {}
        }
    }
    if message.mnemonic.starts_with(b"DROP") || said.starts_with(b"Dropping") {
        fields.decide(Some(Verdict::Deny));
    }
    if message.mnemonic == b"SIGNATURE" {
        fields.put(Threat, said.split(|byte| *byte == b'[').next().unwrap_or_default());
    }
    if let Some((_, zones)) = split_once(said, b"zone-pair ") {
        fields.put(Rule, words(zones).next().unwrap_or_default());
    }
}

/// Without the quotes around it.
fn bare(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"'").unwrap_or(word).strip_suffix(b"'").unwrap_or(word)
}

/// `Logging to host 192.0.2.1 port 514 started - CLI initiated`: whom it tells.
fn log_host<'a>(said: &'a [u8], fields: &mut Fields<'a>) {
    let after = |mark: &[u8]| words(split_once(said, mark)?.1).next();
    fields.put(DstIp, after(b" host ").unwrap_or_default());
    fields.put(DstPort, after(b" port ").unwrap_or_default());
    if fields.impossible == Some(DstPort) {
        fields.impossible = None;
    }
}

/// `Configured from console by alice on vty0 (192.0.2.1)`, `Authentication to privilege level 15 failed by alice on vty0
/// (192.0.2.1)`.
fn at_terminal<'r>(
    message: &Message<'r>,
    mut fields: Fields<'r>,
    record: &'r Record<'r>,
    out: &mut Out<'_>,
) -> Outcome {
    let said = message.text;
    let from = split_once(said, b" vty").and_then(|(_, rest)| words(rest).nth(1)).and_then(End::read);
    let Some(from) = from.filter(|end| end.ip.is_some()) else {
        return Err("a message without the address of a packet or login".into());
    };
    from.put(&mut fields, true);
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let alert = Alert {
        category: match message.mnemonic {
            b"CONFIG_I" => "configuration".into(),
            mnemonic if has!(mnemonic, b"FAIL") => "login-failed".into(),
            _ => "login".into(),
        },
        message: text(said),
        // Without a name, the line itself did it: `by vty2 (192.0.2.1)`.
        user: split_once(said, b" by ")
            .and_then(|(_, rest)| words(rest).next())
            .filter(|name| !name.starts_with(b"vty"))
            .map(text),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    let flow = Flow { ..fields.flow };
    out.observe(span, fields.device.take(), Some(flow), Detail::Alert(alert));
    Ok(())
}

/// `... at 14:34:46 CET Fri Nov 20 2026`: the time that ends the messages of logins, and its zone if it names one.
fn time_at_end(said: &[u8]) -> Option<(Stamp, i32)> {
    let (_, rest) = rsplit_once(said, b" at ")?;
    let (time, resolution_ns, length) = clock(rest)?;
    let mut words = words(rest.get(length..)?);
    let zone = words.next().and_then(Zone::read);
    let mut words = words.skip_while(|word| month(word).is_none());
    let (month, day, year) = (month(words.next()?)?, number(words.next()?)?, number(words.next()?)?);
    let (day, year) = (u32::try_from(day).ok()?, i32::try_from(year).ok()?);
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let stamp = Stamp::Local { at: date.and_time(time), resolution_ns };
    Some((zone.and_then(|zone| stamp.in_zone(zone)).unwrap_or(stamp), year))
}

/// `Login Success [user: x] [Source: 192.0.2.1] [localport: 22] at ...`, `SSH2 Session request from 192.0.2.1 (tty = 0)`.
fn login<'r>(message: &Message<'r>, mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let said = message.text;
    let value = |name: &[u8]| {
        let (_, rest) = split_once(said, name)?;
        rest.split(|byte| matches!(byte, b']' | b'\'')).next().map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
    };
    let from =
        value(b"[Source: ").or_else(|| words(split_once(said, b" from ")?.1).next()).map(bare).and_then(End::read);
    let Some(from) = from.filter(|end| end.ip.is_some()) else {
        return Err("a message without the address of a packet or login".into());
    };
    from.put(&mut fields, true);
    fields.put(DstPort, value(b"[localport: ").unwrap_or_default());
    // The header's time is often finer and without the year.
    if let Some((stamp, year)) = time_at_end(said) {
        fields.time = Some(match fields.time {
            Some(header) => cisco::dated(header, Some(year), fields.zone),
            None => stamp,
        });
    }
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let failed = [&b"ail"[..], b"QUIET"].iter().any(|word| memchr::memmem::find(said, word).is_some())
        || has!(message.mnemonic, b"FAIL");
    let alert = Alert {
        category: if failed { "login-failed".into() } else { "login".into() },
        message: text(said),
        user: value(b"[user: ").or_else(|| value(b"User '")).map(text),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    let flow = Flow { ..fields.flow };
    out.observe(span, fields.device.take(), Some(flow), Detail::Alert(alert));
    Ok(())
}
