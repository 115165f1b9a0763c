//! Juniper SRX (Junos flow, screen, IDP, AppTrack, web filter and login records, structured and plain) and NetScreen
//! (ScreenOS traffic and attack records). "Junos OS System Log Messages Reference"; "ScreenOS Message Log Reference Guide".

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::action::verdict;
use crate::formats::firewall::bytes::{find, has, number, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, endpoint, text_of};
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::model::{Action as Verdict, Protocol as Transport};

/// Junos.
pub(crate) struct JuniperSrx;

/// ScreenOS.
pub(crate) struct NetScreen;

const STRUCTURED: &[(&str, Field)] = &[
    ("source-address", SrcIp),
    ("source-port", SrcPort),
    ("destination-address", DstIp),
    ("destination-port", DstPort),
    ("protocol-id", Protocol),
    ("protocol-name", Protocol),
    ("policy-name", Rule),
    ("source-zone-name", InZone),
    ("source-zone", InZone),
    ("destination-zone-name", OutZone),
    ("destination-zone", OutZone),
    ("session-id-32", Session),
    ("session-id", Session),
    ("packets-from-client", PacketsOut),
    ("bytes-from-client", BytesOut),
    ("packets-from-server", PacketsIn),
    ("bytes-from-server", BytesIn),
    ("elapsed-time", Duration),
    ("epoch-time", Time),
    ("nat-source-address", NatSrcIp),
    ("nat-source-port", NatSrcPort),
    ("nat-destination-address", NatDstIp),
    ("nat-destination-port", NatDstPort),
    ("packet-incoming-interface", InInterface),
    ("source-interface-name", InInterface),
    ("interface-name", InInterface),
    ("destination-interface-name", OutInterface),
    ("nested-application", Application),
    ("application", Application),
    ("application-name", Application),
    ("service-name", Application),
    ("application-category", Category),
    ("category", Category),
    ("username", User),
    ("action", Action),
    ("attack-name", Threat),
    ("malware-name", Threat),
    // A list of addresses with a bad name (SECINTEL).
    ("feed-name", Threat),
    ("url", Domain),
    ("reason", State),
];

const TRAFFIC: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("src_port", SrcPort),
    ("dst", DstIp),
    ("dst_port", DstPort),
    ("proto", Protocol),
    ("start_time", Start),
    ("duration", Duration),
    ("policy_id", Rule),
    ("action", Action),
    ("sent", BytesOut),
    ("rcvd", BytesIn),
    ("session_id", Session),
    ("device_id", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[STRUCTURED]));
static TRAFFIC_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TRAFFIC]));

impl Dialect for JuniperSrx {
    fn id(&self) -> &'static str {
        "juniper-srx"
    }

    fn title(&self) -> &'static str {
        "Juniper SRX (RT_FLOW sessions, AppTrack, screens, IDP, web filter and logins; structured and plain)"
    }

    fn signature(&self) -> &'static str {
        "Junos records (RT_FLOW_SESSION_*, APPTRACK_*, RT_SCREEN_*, RT_IDP, UI_LOGIN_EVENT)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        record.json.is_none()
            && (has!(line, b"RT_FLOW")
                || has!(line, b"RT_SCREEN_")
                || has!(line, b"APPTRACK_")
                || has!(line, b"RT_IDP")
                || has!(line, b"WEBFILTER_URL")
                || has!(line, b"FLOW_MCAST")
                || has!(line, b"UI_LOGIN_EVENT")
                || has!(line, b"PFE_FW_SYSLOG_IP: FW: ")
                || has!(line, b"[junos@"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let line = record.line;
        if let Some(at) = find!(line, b"[junos@") {
            let attributes = line.get(at + 7..).unwrap_or_default();
            let mut best = 3;
            for (name, value) in pairs(attributes, SPACED) {
                // "UNKNOWN" and "None" stand for nothing that is known.
                let unknown = value.eq_ignore_ascii_case(b"unknown");
                let Some(field) = NAMES.get(name).filter(|_| !unknown && value.as_ref() != b"N/A") else { continue };
                // What was found inside goes before what the port stands for, whichever is written first.
                if field == Application {
                    let inside = match name {
                        b"nested-application" => 0,
                        b"application" | b"application-name" => 1,
                        _ => 2,
                    };
                    if inside < best {
                        best = inside;
                        fields.connection.application = Some(text_of(value));
                    }
                } else {
                    fields.set(field, value);
                }
            }
            if has!(line, b" AV_") {
                let name = pairs(attributes, SPACED).find(|(name, _)| *name == b"name");
                fields.set(Threat, name.map_or(Cow::Borrowed(&b""[..]), |(_, value)| value));
                // Where the virus came from is the peer.
                opener::turn_answer(&mut fields, None);
            }
        } else if let Some((_, rest)) = split_once(line, b"ssh-connection '") {
            let mut words = rest.split(|byte| matches!(byte, b' ' | b'\''));
            for field in [SrcIp, SrcPort, DstIp, DstPort] {
                fields.put(field, words.next().unwrap_or_default());
            }
            fields.put(Protocol, b"tcp");
            if let Some((_, rest)) = split_once(line, b"User '") {
                fields.put(User, rest.split(|byte| *byte == b'\'').next().unwrap_or_default());
            }
        } else if let Some((_, text)) = split_once(line, FILTER) {
            filter(text, &mut fields);
        } else if let Some((_, text)) = split_once(line, b"WebFilter: ACTION=\"") {
            web(text, &mut fields);
        } else if has!(line, b"->") {
            plain(line, &mut fields);
        } else {
            screen(line, &mut fields);
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        fields.decide(if has!(line, b"_DENY") || has!(line, b"session denied") || has!(line, b"_BLOCKED") {
            Some(Verdict::Deny)
        } else if has!(line, b"_CREATE")
            || has!(line, b"_CLOSE")
            || has!(line, b"session c")
            || has!(line, b"_PERMITTED")
        {
            Some(Verdict::Allow)
        } else {
            None
        });
        out.connection(fields, record)
    }
}

/// `session closed TCP FIN: a/p->b/p 0x0 svc a/p->b/p 0x0 source rule r N/A N/A 6 policy in out id 5(300) 4(200) 12 app ...`;
/// the words between the second pair of ends and the protocol differ by release. Also `<a/p->b/p> for TCP protocol` of IDP.
fn plain<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    let words: smallvec::SmallVec<[&[u8]; 64]> =
        line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(64).collect();
    let arrow = |from: usize| {
        let rest = words.get(from..)?;
        let at = from + rest.iter().position(|word| has!(word, b"->"))?;
        let word = words.get(at)?;
        let word = word.strip_prefix(b"<").unwrap_or(word);
        let (src, dst) = split_once(word.strip_suffix(b">").unwrap_or(word), b"->")?;
        (endpoint(src).is_some() && endpoint(dst).is_some()).then_some((at, src, dst))
    };
    let Some((at, src, dst)) = arrow(0) else { return };
    fields.put(Src, src);
    fields.put(Dst, dst);
    if words.get(at + 1) == Some(&&b"for"[..]) {
        fields.put(Protocol, words.get(at + 2).copied().unwrap_or_default());
        attack(line, fields);
        return;
    }
    let denied = has!(line, b"session denied");
    let mut from = at + 1;
    if !denied && let Some((second, src, dst)) = arrow(from).filter(|(second, ..)| *second <= at + 4) {
        if let (Some((src, src_port)), Some((dst, dst_port))) = (endpoint(src), endpoint(dst)) {
            let connection = &mut fields.connection;
            let own = (fields.flow.src, fields.flow.src_port);
            connection.nat_src = Some((src, src_port)).filter(|_| own != (Some(src), src_port));
            let peer = (fields.flow.dst, fields.flow.dst_port);
            connection.nat_dst = Some((dst, dst_port)).filter(|_| peer != (Some(dst), dst_port));
        }
        from = second + 1;
    }
    // "0x0" may stand before the service.
    let service = words.get(at + 1..at + 3).unwrap_or_default().iter().find(|word| !word.starts_with(b"0x"));
    if let Some(service) = service {
        fields.put(Application, service);
    }
    let rest = words.get(from..).unwrap_or_default();
    // The protocol: a number, "17(0)" with the type of ICMP where the session was denied.
    let is_protocol = |word: &&[u8]| {
        let digits = word.split(|byte| *byte == b'(').next().unwrap_or_default();
        number(digits).is_some_and(|number| number < 256)
    };
    let Some(place) = rest.iter().position(is_protocol) else { return };
    let nth = |offset: usize| rest.get(place + offset).copied().unwrap_or_default();
    fields.put(Protocol, nth(0).split(|byte| *byte == b'(').next().unwrap_or_default());
    fields.put(Rule, nth(1));
    fields.put(InZone, nth(2));
    fields.put(OutZone, nth(3));
    if denied {
        return;
    }
    fields.put(Session, nth(4));
    let mut counts = |word: &'r [u8], packets, octets| {
        if let Some((count, rest)) = split_once(word, b"(") {
            fields.put(packets, count);
            fields.put(octets, rest.strip_suffix(b")").unwrap_or(rest));
        }
    };
    if has!(line, b"session closed") {
        counts(nth(5), PacketsOut, BytesOut);
        counts(nth(6), PacketsIn, BytesIn);
        fields.put(Duration, nth(7));
        if let Some((_, rest)) = split_once(line, b"session closed ") {
            fields.put(State, rest.split(|byte| *byte == b':').next().unwrap_or_default());
        }
    }
}

/// Mark of packets that a firewall filter of a routing engine logged.
const FILTER: &[u8] = b"PFE_FW_SYSLOG_IP: FW: ";

/// `ge-0/0/0.0   A  tcp 192.0.2.1 198.51.100.1  1234    80 (1 packets)`: A accepted, D discarded, R rejected.
fn filter<'r>(text: &'r [u8], fields: &mut Fields<'r>) {
    let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    fields.put(InInterface, words.next().unwrap_or_default());
    fields.decide(match words.next() {
        Some(b"A") => Some(Verdict::Allow),
        Some(b"D" | b"R") => Some(Verdict::Deny),
        _ => None,
    });
    fields.put(Protocol, words.next().unwrap_or_default());
    fields.put(SrcIp, words.next().unwrap_or_default());
    fields.put(DstIp, words.next().unwrap_or_default());
    // Type and code of ICMP stand in the place of ports.
    if matches!(fields.flow.protocol, Some(Transport::TCP | Transport::UDP)) {
        fields.put(SrcPort, words.next().unwrap_or_default());
        fields.put(DstPort, words.next().unwrap_or_default());
    } else {
        words.nth(1);
    }
    fields.connection.packets_out = words.next().and_then(|word| number(word.strip_prefix(b"(")?));
    opener::turn_answer(fields, None);
}

/// `URL Blocked" 192.0.2.1(58071)->198.51.100.1(80) CATEGORY="c" REASON="r" PROFILE="p" URL=www.example.com OBJ=/ ...`.
fn web<'r>(text: &'r [u8], fields: &mut Fields<'r>) {
    let (action, rest) = split_once(text, b"\" ").unwrap_or((text, b""));
    fields.decide(Some(if has!(action, b"Permitted") { Verdict::Allow } else { Verdict::Deny }));
    let (ends, rest) = split_once(rest, b" ").unwrap_or((rest, b""));
    if let Some((src, dst)) = split_once(ends, b"->") {
        fields.put(Src, src);
        fields.put(Dst, dst);
    }
    for (name, value) in pairs(rest, SPACED) {
        match name {
            b"CATEGORY" => fields.set(Category, value),
            b"REASON" => fields.set(State, value),
            b"URL" => fields.set(Domain, value),
            _ => {}
        }
    }
}

/// `name=HTTP:INVALID:MSNG-HTTP-VER, NAT`, `action=DROP` of IDP.
fn attack<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    for (mark, field) in [(&b", name="[..], Threat), (b", action=", Action)] {
        if let Some((_, rest)) = split_once(line, mark) {
            fields.put(field, rest.split(|byte| *byte == b',').next().unwrap_or_default());
        }
    }
}

/// `TCP port scan! source: 192.0.2.1:1000, destination: 198.51.100.2:80, zone name: untrust, interface name: x, action: drop`.
fn screen<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    let value = |mark: &[u8]| split_once(line, mark).and_then(|(_, rest)| rest.split(|byte| *byte == b',').next());
    let marks: [(&[u8], Field); 6] = [
        (b"source: ", Src),
        (b"destination: ", Dst),
        (b"protocol-id: ", Protocol),
        (b"zone name: ", InZone),
        (b"interface name: ", InInterface),
        (b"action: ", Action),
    ];
    for (mark, field) in marks {
        if let Some(value) = value(mark) {
            fields.put(field, value);
        }
    }
    if let Some((head, _)) = split_once(line, b"! source: ") {
        fields.put(Threat, head.rsplit(|byte| *byte == b':').next().unwrap_or_default());
    }
}

impl Dialect for NetScreen {
    fn id(&self) -> &'static str {
        "juniper-netscreen"
    }

    fn title(&self) -> &'static str {
        "Juniper NetScreen and SSG (ScreenOS traffic and attack records)"
    }

    fn signature(&self) -> &'static str {
        "ScreenOS records (NetScreen device_id=, system-notification-00257(traffic))"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        record.json.is_none() && has!(line, b"NetScreen device_id=") && has!(line, b"system-")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let line = record.line;
        if has!(line, b"(traffic)") {
            fields.take(&TRAFFIC_NAMES, pairs(line, SPACED));
            // A value and names of two words.
            if let Some((_, rest)) = split_once(line, b" service=")
                && let Some((service, _)) = split_once(rest, b" proto=")
            {
                fields.put(Application, service);
            }
            let marks: [(&[u8], Field); 6] = [
                (b" src zone=", InZone),
                (b" dst zone=", OutZone),
                (b" src-xlated ip=", NatSrcIp),
                (b" dst-xlated ip=", NatDstIp),
                (b" icmp type=", State),
                (b" reason=", State),
            ];
            for (mark, field) in marks {
                if let Some((_, rest)) = split_once(line, mark) {
                    let mut words = rest.split(|byte| *byte == b' ');
                    fields.put(field, words.next().unwrap_or_default());
                    let port = match field {
                        NatSrcIp => NatSrcPort,
                        NatDstIp => NatDstPort,
                        _ => continue,
                    };
                    if let Some(value) = words.next().and_then(|word| word.strip_prefix(b"port=")) {
                        fields.put(port, value);
                    }
                }
            }
        } else if let Some((head, rest)) = split_once(line, b" From ").or_else(|| split_once(line, b" from ")) {
            let mut words = rest.split(|byte| matches!(byte, b' ' | b','));
            let (src, to, dst) = (words.next(), words.next(), words.next());
            let (Some(src), Some(b"to"), Some(dst)) = (src, to, dst) else {
                return Err("an event without two ends".into());
            };
            fields.put(Src, src);
            fields.put(Dst, dst);
            if let Some((_, rest)) = split_once(rest, b"proto ") {
                fields.put(Protocol, rest.split(|byte| matches!(byte, b' ' | b',' | b')')).next().unwrap_or_default());
            }
            if let Some(name) = head.strip_suffix(b"!") {
                fields.put(Threat, name.rsplit(|byte| *byte == b':').next().unwrap_or_default());
            }
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        let word = fields.action_word.clone();
        fields.decide(word.as_deref().and_then(verdict));
        out.connection(fields, record)
    }
}
