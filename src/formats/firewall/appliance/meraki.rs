//! Cisco Meraki syslog: `[<134>1 ]1673277220.253011885 HOST TYPE ...` ("Syslog Event Types and Log Samples").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes::{find, has, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Meraki;

const TAGS: &[(&str, Field)] = &[
    ("src", Src),
    ("sport", SrcPort),
    ("dst", Dst),
    ("dport", DstPort),
    ("protocol", Protocol),
    ("translated_src_ip", NatSrcIp),
    ("translated_dst_ip", NatDstIp),
    ("decision", Action),
    ("action", Action),
    ("direction", Direction),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));

impl Dialect for Meraki {
    fn id(&self) -> &'static str {
        "cisco-meraki"
    }

    fn title(&self) -> &'static str {
        "Cisco Meraki syslog (flows, firewall, ip_flow_start and ip_flow_end, urls, security_event, AnyConnect)"
    }

    fn signature(&self) -> &'static str {
        "Meraki records (epoch.nanoseconds HOST flows|firewall|urls|events ...)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && parts(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(Parts { time, host, kind, rest }) = parts(record.line) else {
            return Err("a record without a type".into());
        };
        let mut fields = Fields::default();
        fields.put(Time, time);
        fields.put(Device, host);
        if kind == b"events" {
            event(&mut fields, rest);
            if fields.is_empty() {
                return Err("an event without a connection".into());
            }
            return out.connection(fields, record);
        }
        let (head, message) = match find!(rest, b" message: ") {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 10..).unwrap_or_default()),
            None => (rest, &b""[..]),
        };
        let (head, request) = match find!(head, b" request: ") {
            Some(at) => (head.get(..at).unwrap_or_default(), head.get(at + 10..).unwrap_or_default()),
            None => (head, &b""[..]),
        };
        let (head, pattern) = match find!(head, b" pattern: ") {
            Some(at) => (head.get(..at).unwrap_or_default(), head.get(at + 10..).unwrap_or_default()),
            None => (head, &b""[..]),
        };
        for (name, value) in pairs(head, SPACED) {
            match name {
                b"protocol" => protocol(&mut fields, value),
                b"translated_port" => {
                    let field = if has!(head, b"translated_dst_ip=") { NatDstPort } else { NatSrcPort };
                    fields.set(field, value);
                }
                _ => {
                    if let Some(field) = NAMES.get(name) {
                        fields.set(field, value);
                    }
                }
            }
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        let word = head.split(|byte| *byte == b' ').next().unwrap_or_default();
        fields.decide(action(word));
        // "allow all", "deny (dst 10.0.0.0/8)"; of rules for inbound traffic "1=deny and 0=allow" (Meraki documentation,
        // "Syslog Server Overview and Configuration", section "Flows").
        let (verdict, _) = split_once(pattern, b" ").unwrap_or((pattern, b""));
        fields.decide(match verdict {
            b"0" => Some(Verdict::Allow),
            b"1" => Some(Verdict::Deny),
            word => action(word),
        });
        if !pattern.is_empty() {
            fields.connection.rule = Some(text(pattern));
        }
        if matches!(kind, b"ip_flow_start" | b"ip_flow_end" | b"urls") {
            fields.decide(Some(Verdict::Allow));
        }
        if let Some(url) = request.split(|byte| *byte == b' ').nth(1) {
            fields.put(Domain, url.strip_suffix(b"...").unwrap_or(url));
        }
        if kind == b"security_event" || kind == b"ids-alerts" {
            fields.put(Threat, message);
            // Alerts name the ends of the packet: an answer comes from a service.
            let (src, dst) = (fields.flow.src_port, fields.flow.dst_port);
            if src.is_some_and(|port| port < 1024) && dst.is_some_and(|port| port >= 1024) {
                fields.turn();
            }
        }
        out.connection(fields, record)
    }
}

fn protocol<'r>(fields: &mut Fields<'r>, value: Cow<'r, [u8]>) {
    match &*value {
        b"icmp6" => fields.set(Protocol, Cow::Borrowed(b"icmpv6")),
        _ => fields.set(Protocol, value),
    }
}

/// `Server IP=a Server port=p Prot[TCP] Peer IP=b Peer port=q`, `server='a:p'`, `connected from b`.
fn event<'r>(fields: &mut Fields<'r>, text: &'r [u8]) {
    let after = |mark: &[u8]| {
        let (_, rest) = split_once(text, mark)?;
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\'' | b',' | b']'));
        let value = rest.get(..end.unwrap_or(rest.len()))?;
        Some(value.strip_suffix(b":").unwrap_or(value))
    };
    let mut put = |field, mark: &[u8]| {
        if let Some(value) = after(mark) {
            fields.put(field, value);
        }
    };
    put(DstIp, b"Server IP=");
    put(DstPort, b"Server port=");
    put(SrcIp, b"Peer IP=");
    put(SrcPort, b"Peer port=");
    put(Protocol, b"Prot[");
    put(Dst, b"server='");
    put(Domain, b"url='");
    put(SrcIp, b"connected from ");
    put(User, b"user id '");
    if split_once(text, b"_block").is_some() {
        fields.decide(Some(Verdict::Deny));
    }
}

struct Parts<'a> {
    time: &'a [u8],
    host: &'a [u8],
    kind: &'a [u8],
    rest: &'a [u8],
}

const KINDS: [&[u8]; 13] = [
    b"flows",
    b"firewall",
    b"l7_firewall",
    b"cellular_firewall",
    b"vpn_firewall",
    b"bridge_anyconnect_client_vpn_firewall",
    b"ip_flow_start",
    b"ip_flow_end",
    b"urls",
    b"events",
    b"security_event",
    b"ids-alerts",
    b"airmarshal_events",
];

/// The first word that is an epoch with a fraction, the host after it and a type that is known.
fn parts(line: &[u8]) -> Option<Parts<'_>> {
    let mut rest = line;
    for _ in 0..9 {
        let (word, after) = split_once(rest, b" ")?;
        let word = word.rsplit(|byte| *byte == b'>').next()?;
        if matches!(word.iter().position(|byte| *byte == b'.'), Some(9 | 10))
            && let Some((whole, part)) = split_once(word, b".")
            && number(whole).is_some()
            && part.len() >= 3
            && number(part).is_some()
        {
            let (host, after) = split_once(after, b" ")?;
            let (kind, rest) = split_once(after, b" ")?;
            return KINDS.contains(&kind).then_some(Parts { time: word, host, kind, rest });
        }
        rest = after;
    }
    None
}
