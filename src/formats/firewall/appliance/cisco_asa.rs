//! Cisco ASA and its kin: PIX, FWSM, Firepower Threat Defense, NGIPS ("Cisco ASA Series Syslog Messages", "Cisco Secure
//! Firewall Threat Defense Syslog Messages").

use std::borrow::Cow;
use std::sync::LazyLock;

use super::cisco::{self, End, Message};
use crate::formats::firewall::bytes::{find, has, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, protocol};
use crate::formats::firewall::notation::pairs::{Style, pairs};
use crate::formats::firewall::record::Record;
use crate::model::{Action as Verdict, Alert, Detail, Direction as Way, Flow};

/// The format.
pub(crate) struct CiscoAsa;

/// Of 430001 to 430005.
const FIREPOWER: &[(&str, Field)] = &[
    ("SrcIP", SrcIp),
    ("SrcPort", SrcPort),
    ("DstIP", DstIp),
    ("DstPort", DstPort),
    ("Protocol", Protocol),
    ("AccessControlRuleAction", Action),
    ("InlineResult", Action),
    ("FileAction", Action),
    ("AccessControlRuleName", Rule),
    ("IngressInterface", InInterface),
    ("EgressInterface", OutInterface),
    ("IngressZone", InZone),
    ("EgressZone", OutZone),
    ("FirstPacketSecond", Start),
    ("ConnectionDuration", Duration),
    ("InitiatorBytes", BytesOut),
    ("ResponderBytes", BytesIn),
    ("InitiatorPackets", PacketsOut),
    ("ResponderPackets", PacketsIn),
    ("NAT_InitiatorIP", NatSrcIp),
    ("NAT_InitiatorPort", NatSrcPort),
    ("NAT_ResponderIP", NatDstIp),
    ("NAT_ResponderPort", NatDstPort),
    ("ConnectionID", Session),
    ("User", User),
    ("WebApplication", Application),
    ("ApplicationProtocol", Application),
    ("Client", Application),
    ("URL", Domain),
    ("ReferencedHost", Domain),
    ("DNSQuery", Domain),
    ("URLCategory", Category),
    ("DNSSICategory", Category),
    ("ThreatName", Threat),
    ("Message", Threat),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FIREPOWER]));

impl Dialect for CiscoAsa {
    fn id(&self) -> &'static str {
        "cisco-asa"
    }

    fn title(&self) -> &'static str {
        "Cisco ASA, PIX, FWSM, Firepower Threat Defense and NGIPS messages (%ASA-, %PIX-, %FWSM-, %FTD-, %NGIPS-)"
    }

    fn signature(&self) -> &'static str {
        "messages with the tag of a Cisco firewall (%ASA-6-302013, %FTD-1-430003)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && message_of(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(message) = message_of(record.line) else { return Err("no message".into()) };
        let mut fields = Fields::default();
        cisco::header_time(message.header, &mut fields);
        fields.time = fields.time.or(record.peeled.stamp);
        if message.mnemonic.starts_with(b"4300") {
            firepower(message.text, &mut fields);
            return out.connection(fields, record);
        }
        if about_a_user(&message) {
            return user(message, fields, record, out);
        }
        connection(&message, &mut fields);
        if fields.is_empty() {
            return Err("a message without the address of a connection".into());
        }
        out.connection(fields, record)
    }
}

/// Also without `%` at the beginning of a line, as some relays hand them on.
fn message_of(line: &[u8]) -> Option<Message<'_>> {
    const TAGS: [&[u8]; 5] = [b"ASA-", b"FTD-", b"FWSM-", b"PIX-", b"NGIPS-"];
    let known = |message: &Message<'_>| {
        let name = message.facility.split(|byte| *byte == b'-').next().unwrap_or_default();
        TAGS.iter().any(|tag| tag.strip_suffix(b"-") == Some(name))
            && message.mnemonic.len() == 6
            && message.mnemonic.iter().all(u8::is_ascii_digit)
    };
    if memchr::memchr(b'%', line).is_some()
        && let Some(found) = cisco::message(line).filter(known)
    {
        return Some(found);
    }
    let tag = TAGS.iter().find(|tag| line.starts_with(tag))?;
    let rest = line.get(tag.len() + 2..)?;
    let (mnemonic, text) = split_once(rest, b": ")?;
    let message = Message { header: &[], facility: tag.strip_suffix(b"-")?, mnemonic, text };
    Some(message).filter(known)
}

fn firepower<'a>(text: &'a [u8], fields: &mut Fields<'a>) {
    let style = Style { separator: b',', equals: b':', spacious: true };
    for (name, value) in pairs(text, style) {
        let Some(field) = NAMES.get(name) else { continue };
        // Markup of the management center is left in some values.
        let value = match value {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.strip_prefix(b"<br/>").unwrap_or(bytes)),
            owned => owned,
        };
        if field == Domain && value.contains(&b' ') {
            continue;
        }
        fields.set(field, value);
    }
}

/// Messages on the user of a tunnel or of the device: 113xxx, 611xxx, 716xxx, 722xxx and others, which name the address
/// that the user comes from.
fn about_a_user(message: &Message<'_>) -> bool {
    let text = message.text;
    text.starts_with(b"Group <")
        || text.starts_with(b"TunnelGroup <")
        || text.starts_with(b"AAA user")
        || text.starts_with(b"User authentication")
        || text.starts_with(b"User '")
        || has!(text, b"WebVPN session")
        // `Begin configuration: 192.0.2.1 reading from terminal`, `192.0.2.1 Erase configuration`.
        || (message.mnemonic.starts_with(b"1110") && has!(text, b" configuration"))
        || has!(text, b"Begin configuration: ")
}

fn user<'r>(message: Message<'r>, mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let said = message.text;
    let between = |before: &[u8], after: &[u8]| {
        let (_, rest) = split_once(said, before)?;
        let end = memchr::memmem::find(rest, after).unwrap_or(rest.len());
        rest.get(..end).map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
    };
    let user = between(b"User <", b">")
        .or_else(|| between(b"User '", b"'"))
        .or_else(|| between(b"Uname: ", b" "))
        .or_else(|| between(b"client user ", b","))
        .or_else(|| between(b": user = ", b" :"));
    let address = between(b" IP <", b">")
        .or_else(|| between(b"user IP = ", b" "))
        .or_else(|| between(b"IP address: ", b","))
        .or_else(|| between(b" IP ", b" "))
        .or_else(|| between(b"configuration: ", b" ").filter(|word| cisco::End::read(word).is_some()))
        .or_else(|| said.split(|byte| *byte == b' ').next().filter(|word| cisco::End::read(word).is_some()));
    if let Some(address) = address {
        fields.put(SrcIp, address.strip_suffix(b",").unwrap_or(address));
    }
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let failed = [&b"ejected"[..], b"failed", b"denied"].iter().any(|word| memchr::memmem::find(said, word).is_some());
    let flow = fields.flow.src.is_some().then_some(Flow { ..fields.flow });
    let alert = Alert {
        category: if failed { "login-failed".into() } else { "user".into() },
        message: text(said),
        user: user.map(text),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    out.observe(span, fields.device.take(), flow, Detail::Alert(alert));
    Ok(())
}

/// Classes of messages on connections, packets and attacks, by the first three digits of their number; others are on the
/// device itself.
const CLASSES: [&[u8; 3]; 39] = [
    b"106", b"108", b"110", b"201", b"202", b"209", b"301", b"302", b"303", b"304", b"305", b"313", b"322", b"338",
    b"400", b"401", b"402", b"406", b"407", b"410", b"415", b"416", b"418", b"419", b"420", b"421", b"424", b"431",
    b"434", b"447", b"500", b"507", b"605", b"606", b"607", b"710", b"725", b"733", b"750",
];

/// What stands before an end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Source,
    Peer,
    /// The address that a peer is seen under.
    Mapped,
}

fn place(word: &[u8]) -> Option<Place> {
    match word {
        b"from" | b"src" | b"SRC" | b"for" | b"faddr" | b"client" => Some(Place::Source),
        b"to" | b"dst" | b"DEST" | b"dest" | b"->" | b"laddr" | b"server" => Some(Place::Peer),
        b"gaddr" => Some(Place::Mapped),
        _ => None,
    }
}

/// Ends of a connection as they stand in a message: the first and the second one, and what they are translated to.
#[derive(Default)]
struct Ends<'a> {
    first: Option<End<'a>>,
    second: Option<End<'a>>,
    mapped_first: Option<End<'a>>,
    mapped_second: Option<End<'a>>,
}

fn connection<'a>(message: &Message<'a>, fields: &mut Fields<'a>) {
    // 3383xx are on the lists of the dynamic filter.
    if message.mnemonic.starts_with(b"3383")
        || !message.mnemonic.first_chunk::<3>().is_some_and(|class| CLASSES.contains(&class))
    {
        return;
    }
    // An ICMP error quotes the packet that it is about.
    let said = split_once(message.text, b"Original IP payload").map_or(message.text, |(before, _)| before);
    if let Some((local, remote)) = split_once(said, b" Remote:")
        && let Some(local) = local.strip_prefix(b"Local:")
    {
        let ends = Ends {
            first: End::read(local),
            second: remote.split(|byte| *byte == b' ').next().and_then(End::read),
            ..Ends::default()
        };
        return settle(message, ends, None, fields);
    }
    let mut ends = Ends::default();
    let mut way = None;
    let mut expected = None;
    let mut last = None;
    let mut words = said.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let word = word.strip_suffix(b",").unwrap_or(word);
        if let Some(place) = place(word) {
            // "from laddr 10.0.0.1".
            if expected != Some(Place::Source) || word != b"laddr" {
                expected = Some(place);
            }
            continue;
        }
        match word {
            b"inbound" | b"Inbound" if way.is_none() => way = Some(Way::Inbound),
            b"outbound" | b"Outbound" if way.is_none() => way = Some(Way::Outbound),
            b"duration" => fields.put(Duration, words.next().map(unstopped).unwrap_or_default()),
            b"access-group" | b"access-list" | b"list" if fields.connection.rule.is_none() => {
                fields.put(Rule, words.next().map(unquoted).unwrap_or_default());
            }
            b"connection" => {
                if let Some(id) = words.next_if(|id| number(id).is_some()) {
                    fields.put(Session, id);
                }
            }
            b"interface" if ends.first.is_some_and(|end| end.interface.is_none()) => {
                fields.put(InInterface, words.next().map(unstopped).unwrap_or_default());
            }
            b"protocol" => fields.put(Protocol, words.next_if(|id| number(id).is_some()).unwrap_or_default()),
            b"user" => fields.put(User, words.next().map(unquoted).unwrap_or_default()),
            b"Accessed" => {
                // `Accessed URL 192.0.2.1:http://name/path`.
                let url = words.next_if_eq(&&b"URL"[..]).and_then(|_| words.next()).unwrap_or_default();
                let (peer, url) = split_once(url, b":").unwrap_or((url, b""));
                ends.second = End::read(peer);
                fields.put(Domain, url);
                fields.decide(Some(Verdict::Allow));
            }
            b"URL" => fields.put(Domain, words.next().unwrap_or_default()),
            b"category:" => {
                let at = find!(said, b"category: ").map_or(said.len(), |at| at + 10);
                fields.put(Category, said.get(at..).unwrap_or_default());
            }
            _ if last.is_some() && word.starts_with(b"(") => bracket(word, last, &mut ends, fields),
            _ => {
                if ends.first.is_none() {
                    fields.decide(action(word));
                    fields.flow.protocol = fields.flow.protocol.or_else(|| protocol_in(word));
                }
                last = end(word, expected.take(), &mut ends, last);
            }
        }
    }
    settle(message, ends, way, fields);
}

fn unquoted(word: &[u8]) -> &[u8] {
    let word = unstopped(word);
    word.strip_prefix(b"\"").unwrap_or(word).strip_suffix(b"\"").unwrap_or(word)
}

fn unstopped(word: &[u8]) -> &[u8] {
    word.strip_suffix(b".").or(word.strip_suffix(b",")).unwrap_or(word)
}

/// A word that may be an end; says which one it was, or the port of which one.
fn end<'a>(word: &'a [u8], expected: Option<Place>, ends: &mut Ends<'a>, last: Option<Place>) -> Option<Place> {
    // `10.0.0.1 138`: the port of the end before it (106002).
    if expected.is_none()
        && let Some(port) = crate::formats::firewall::bytes::port(word)
    {
        let end = match last {
            Some(Place::Source) => &mut ends.first,
            Some(Place::Peer) => &mut ends.second,
            _ => return None,
        };
        if let Some(end) = end.as_mut().filter(|end| end.port.is_none()) {
            end.port = Some(port);
        }
        return None;
    }
    // `user@10.0.0.1`: the user of a URL.
    let bare = memchr::memchr(b'@', word).and_then(|at| word.get(at + 1..)).unwrap_or(word);
    let found = End::read(bare).filter(|found| expected.is_some() || found.ip.is_some())?;
    let place = match expected {
        Some(place) => place,
        None if ends.first.is_none() => Place::Source,
        None if ends.second.is_none() => Place::Peer,
        None => return None,
    };
    let slot = match place {
        Place::Source => &mut ends.first,
        Place::Peer => &mut ends.second,
        Place::Mapped => &mut ends.mapped_second,
    };
    slot.get_or_insert(found);
    Some(place)
}

/// `(198.51.100.1/443)(DOMAIN\user)`: translated address and user of the end before it.
fn bracket<'a>(word: &'a [u8], last: Option<Place>, ends: &mut Ends<'a>, fields: &mut Fields<'a>) {
    for part in word.split(|byte| matches!(byte, b'(' | b')')).filter(|part| !part.is_empty()) {
        match (End::read(part), last) {
            (Some(end), Some(Place::Source)) => _ = ends.mapped_first.get_or_insert(end),
            (Some(end), Some(Place::Peer)) => _ = ends.mapped_second.get_or_insert(end),
            (None, _) if part.contains(&b'\\') || part.contains(&b'@') => fields.put(User, part),
            _ => {}
        }
    }
}

fn action(word: &[u8]) -> Option<Verdict> {
    match word {
        b"Built" | b"Teardown" | b"permitted" | b"Permitted" | b"est-allowed" => Some(Verdict::Allow),
        b"Deny" | b"Denied" | b"denied" | b"Dropped" | b"dropped" | b"drop" | b"discarded" | b"rejected"
        | b"Shunned" | b"Disallowing" | b"exceeded" | b"Unable" => Some(Verdict::Deny),
        _ => None,
    }
}

fn protocol_in(word: &[u8]) -> Option<crate::model::Protocol> {
    const NAMES: [&str; 15] = [
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "icmpv6",
        "ipv6-icmp",
        "gre",
        "esp",
        "ah",
        "igmp",
        "sctp",
        "ospf",
        "eigrp",
        "pim",
        "ipinip",
    ];
    let word = word.strip_prefix(b"protocol=").unwrap_or(word);
    if word.eq_ignore_ascii_case(b"icmp6") {
        return protocol(b"icmpv6");
    }
    NAMES.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes())).then(|| protocol(word))?
}

/// Who opened it. Of a built connection the first end is that of the lower security level, whoever opened it: it is the
/// opener of an inbound connection and the peer of an outbound one. A teardown does not say which it was: the end with the
/// port of a service is the peer, and for ICMP the opener has the identifier.
fn settle<'a>(message: &Message<'a>, ends: Ends<'a>, way: Option<Way>, fields: &mut Fields<'a>) {
    let Ends { mut first, mut second, mut mapped_first, mut mapped_second } = ends;
    let built = message.text.starts_with(b"Built");
    let teardown = message.text.starts_with(b"Teardown");
    let icmp = fields.flow.protocol.is_some_and(|protocol| matches!(protocol.0, 1 | 58));
    if (built || teardown) && has!(message.text, b" translation ") {
        mapped_first = second.take();
    }
    let port = |end: Option<End<'_>>| end.and_then(|end| end.port);
    let outbound = match way {
        Some(way) => built && way == Way::Outbound,
        None if icmp => {
            let id = |end| port(end).is_some_and(|id| id != 0);
            teardown && !id(first) && (id(second) || id(mapped_second))
        }
        None => (teardown || message.mnemonic.starts_with(b"750")) && cisco::serves(port(first), port(second)),
    };
    if outbound {
        std::mem::swap(&mut first, &mut second);
        std::mem::swap(&mut mapped_first, &mut mapped_second);
    }
    for (end, opener) in [(first, true), (second, false)] {
        if let Some(end) = end {
            end.put(fields, opener);
        }
    }
    if icmp {
        // What stands in their place are identifiers, types and codes.
        (fields.flow.src_port, fields.flow.dst_port) = (None, None);
    }
    let translated = |end: Option<End<'_>>| {
        let end = end?;
        Some((end.ip?, end.port.filter(|_| !icmp)))
    };
    let own = (fields.flow.src, fields.flow.src_port);
    fields.connection.nat_src = translated(mapped_first).filter(|(ip, port)| (Some(*ip), *port) != own);
    let own = (fields.flow.dst, fields.flow.dst_port);
    fields.connection.nat_dst = translated(mapped_second).filter(|(ip, port)| (Some(*ip), *port) != own);
    fields.connection.direction = way;
    if teardown {
        fields.end = fields.time;
    }
    // `UDP flow from ... to ... is dropped because application has failed`; others of its kind pass unchecked.
    if message.mnemonic == b"421001" {
        fields.decide(Some(Verdict::Deny));
    }
    if matches!(message.mnemonic.first_chunk(), Some(b"400" | b"338" | b"733")) {
        fields.threat = Some(text(message.text));
    }
}
