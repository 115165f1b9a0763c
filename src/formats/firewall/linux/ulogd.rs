//! What ulogd2 writes of packets (NFLOG) and of tracked connections (NFCT): its outputs JSON, GPRINT, XML and the
//! LOGEMU of connections (<https://www.netfilter.org/projects/ulogd/>). LOGEMU of packets is a netfilter LOG line.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::netfilter::flag_names;
use crate::evidence::AnomalyKind;
use crate::formats::capture;
use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes::{element, has, hexadecimal, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::{Connection, Direction as Way};
use crate::time::{Instant, SECOND};

/// The format.
pub(crate) struct Ulogd;

/// Keys of ulogd's filters; what OUTPUT_JSON renames (`src_ip`) is of the Common Information Model.
const KEYS: &[(&str, Field)] = &[
    ("src_ip", SrcIp),
    ("dest_ip", DstIp),
    ("src_port", SrcPort),
    ("dest_port", DstPort),
    ("ip.saddr.str", SrcIp),
    ("ip.daddr.str", DstIp),
    ("tcp.sport", SrcPort),
    ("tcp.dport", DstPort),
    ("udp.sport", SrcPort),
    ("udp.dport", DstPort),
    ("sctp.sport", SrcPort),
    ("sctp.dport", DstPort),
    ("ip.protocol", Protocol),
    ("ip6.nexthdr", Protocol),
    ("oob.in", InInterface),
    ("oob.out", OutInterface),
    ("oob.prefix", Rule),
    ("tcp.seq", TcpSequence),
    ("orig.ip.saddr.str", SrcIp),
    ("orig.ip.daddr.str", DstIp),
    ("orig.l4.sport", SrcPort),
    ("orig.l4.dport", DstPort),
    ("orig.ip.protocol", Protocol),
    ("reply.ip.saddr.str", NatDstIp),
    ("reply.ip.daddr.str", NatSrcIp),
    ("reply.l4.sport", NatDstPort),
    ("reply.l4.dport", NatSrcPort),
    ("ct.id", Session),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[KEYS]));

impl Dialect for Ulogd {
    fn id(&self) -> &'static str {
        "ulogd"
    }

    fn title(&self) -> &'static str {
        "ulogd2 packets and connections (JSON, GPRINT, XML, LOGEMU of connections)"
    }

    fn signature(&self) -> &'static str {
        "keys of ulogd (oob.family, ip.saddr.str, orig.l4.sport), its <log> elements or ORIG: and REPLY: tuples"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_some() {
            return record.has("oob.family") || (record.has("ct.event") && record.has("orig.ip.protocol"));
        }
        let line = record.line;
        (has!(line, b"oob.family=") && has!(line, b",oob."))
            || (line.starts_with(b"<log><when>") && has!(line, b"<payload>"))
            || matches!(line, b"<packet>" | b"</packet>")
            || logemu(line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let line = record.line;
        if matches!(line, b"<packet>" | b"</packet>") {
            return Ok(());
        }
        let mut fields = Fields::default();
        let mut rest = Rest::default();
        if let Some(object) = record.json {
            json::leaves(object, &mut |name, value| rest.pair(name, value, &mut fields));
        } else if let Some((event, tuples)) = logemu(line) {
            fields.connection.state = Some(text(event));
            logemu_tuples(tuples, &mut fields);
        } else if line.starts_with(b"<log>") {
            if !line.trim_ascii_end().ends_with(b"</log>") {
                let detail = "the element is not closed; what follows is unknown".to_owned();
                out.anomaly(AnomalyKind::TruncatedRecord, detail);
            }
            packet_of_xml(line, &mut fields);
        } else {
            pairs(line, COMMAS).for_each(|(name, value)| rest.pair(name, value, &mut fields));
        }
        rest.finish(&mut fields);
        let connection = &mut fields.connection;
        connection.action = connection.action.or_else(|| action(connection.rule.as_deref()?.as_bytes()));
        let given = |name: &Option<Cow<'_, str>>| name.as_deref().is_some_and(|name| !name.is_empty());
        let interfaces = (given(&connection.in_interface), given(&connection.out_interface));
        connection.direction = connection.direction.or(match interfaces {
            (false, true) => Some(Way::Outbound),
            (true, false) => Some(Way::Inbound),
            (true, true) => Some(Way::Forwarded),
            (false, false) => None,
        });
        out.connection(fields, record)
    }
}

/// What is put together from several keys.
#[derive(Default)]
struct Rest<'a> {
    /// Seconds and microseconds of the packet, of the beginning and of the end of a connection.
    packet: (Option<u64>, u64),
    begin: (Option<u64>, u64),
    end: (Option<u64>, u64),
    written: Option<Cow<'a, [u8]>>,
    device: Option<Cow<'a, [u8]>>,
    event: Option<u64>,
    is_packet: bool,
    /// Bytes of IP: as its header has it, and as the kernel handed them over.
    total: Option<u64>,
    handed: Option<u64>,
    flags: u8,
    original: (Option<u64>, Option<u64>),
    reply: (Option<u64>, Option<u64>),
    /// `ip.saddr` and `ip.daddr` as IPv4, for stacks without IP2STR.
    numeric: [Option<Cow<'a, [u8]>>; 2],
    is_v4: bool,
}

impl<'a> Rest<'a> {
    fn pair(&mut self, name: &[u8], value: Cow<'a, [u8]>, fields: &mut Fields<'a>) {
        let count = || number(value.trim_ascii());
        let bit = |bit: u8| if value.trim_ascii() == b"1" { bit } else { 0 };
        match name {
            b"oob.time.sec" => self.packet.0 = count(),
            b"oob.time.usec" => self.packet.1 = count().unwrap_or_default(),
            b"flow.start.sec" => self.begin.0 = count(),
            b"flow.start.usec" => self.begin.1 = count().unwrap_or_default(),
            b"flow.end.sec" => self.end.0 = count(),
            b"flow.end.usec" => self.end.1 = count().unwrap_or_default(),
            b"timestamp" => self.written = Some(value),
            b"dvc" => self.device = Some(value),
            b"ct.event" => self.event = count(),
            b"raw.pktlen" => {
                self.is_packet = true;
                self.handed = count();
            }
            b"ip.totlen" => self.total = count(),
            b"ip6.payloadlen" => self.total = count().and_then(|length| length.checked_add(40)),
            b"tcp.fin" => self.flags |= bit(1),
            b"tcp.syn" => self.flags |= bit(2),
            b"tcp.rst" => self.flags |= bit(4),
            b"tcp.psh" => self.flags |= bit(8),
            b"tcp.ack" => self.flags |= bit(16),
            b"tcp.urg" => self.flags |= bit(32),
            b"orig.raw.pktlen" => self.original.0 = count(),
            b"orig.raw.pktcount" => self.original.1 = count(),
            b"reply.raw.pktlen" => self.reply.0 = count(),
            b"reply.raw.pktcount" => self.reply.1 = count(),
            b"oob.family" => self.is_v4 = value.trim_ascii() == b"2",
            b"ip.saddr" | b"orig.ip.saddr" => self.numeric[0] = Some(value),
            b"ip.daddr" | b"orig.ip.daddr" => self.numeric[1] = Some(value),
            _ => {
                if let Some(field) = NAMES.get(name) {
                    fields.set(field, value);
                }
            }
        }
    }

    fn finish(self, fields: &mut Fields<'a>) {
        let stamp = |(seconds, microseconds): (Option<u64>, u64)| {
            let nanoseconds = i64::try_from(microseconds.checked_mul(1000)?).ok().filter(|part| *part < SECOND)?;
            let at = Instant::from_parts(i64::try_from(seconds?).ok()?, nanoseconds)?;
            Some(Stamp::Epoch { at, resolution_ns: 1000 })
        };
        fields.start = fields.start.or_else(|| stamp(self.packet)).or_else(|| stamp(self.begin));
        fields.end = fields.end.or_else(|| stamp(self.end));
        // The local time of writing counts only where nothing is known since 1970.
        if fields.start.is_none()
            && let Some(written) = self.written
        {
            fields.set(Time, written);
        }
        // "Netfilter" is what ulogd calls every device unless told otherwise.
        if let Some(device) = self.device.filter(|device| **device != b"Netfilter"[..]) {
            fields.set(Device, device);
        }
        if self.is_v4 && fields.is_empty() {
            for (field, address) in [SrcIp, DstIp].into_iter().zip(self.numeric) {
                if let Some(address) = address {
                    fields.set(field, address);
                }
            }
        }
        let connection: &mut Connection<'_> = &mut fields.connection;
        if self.is_packet {
            connection.bytes_out = self.total.or(self.handed);
            connection.packets_out = Some(1);
            if self.flags != 0 {
                connection.state = flag_names(self.flags).map(Cow::Borrowed);
            }
        }
        if let Some(event) = self.event {
            // `enum nf_conntrack_msg_type` as a set of bits: new, update, destroy.
            connection.state = match event {
                1 => Some("NEW".into()),
                2 => Some("UPDATE".into()),
                4 => Some("DESTROY".into()),
                _ => None,
            };
            // Counters are 0 until the end, and for good without accounting.
            let counted = self.original.1.is_some_and(|count| count > 0);
            if counted {
                (connection.bytes_out, connection.packets_out) = self.original;
                (connection.bytes_in, connection.packets_in) = self.reply;
                connection.answered = self.reply.1.map(|count| count > 0);
            }
        }
    }
}

/// `[DESTROY] ORIG: SRC=... , REPLY: SRC=...`: the event and what follows it.
fn logemu(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, tuples) = split_once(line, b" ORIG: SRC=").filter(|_| has!(line, b", REPLY: "))?;
    let open = memchr::memrchr(b'[', before)?;
    let event = before.get(open + 1..)?.strip_suffix(b"]")?;
    matches!(event, b"NEW" | b"UPDATE" | b"DESTROY").then_some(())?;
    Some((event, line.get(line.len() - tuples.len() - b"SRC=".len()..)?))
}

fn logemu_tuples<'a>(tuples: &'a [u8], fields: &mut Fields<'a>) {
    let Some((original, reply)) = split_once(tuples, b", REPLY: ") else { return };
    for (name, value) in pairs(original, SPACED) {
        let field = match name {
            b"SRC" => SrcIp,
            b"DST" => DstIp,
            b"PROTO" => Protocol,
            b"SPT" => SrcPort,
            b"DPT" => DstPort,
            b"PKTS" => PacketsOut,
            b"BYTES" => BytesOut,
            _ => continue,
        };
        fields.set(field, value);
    }
    for (name, value) in pairs(reply, SPACED) {
        let field = match name {
            b"SRC" => NatDstIp,
            b"DST" => NatSrcIp,
            b"SPT" => NatDstPort,
            b"DPT" => NatSrcPort,
            b"PKTS" => PacketsIn,
            b"BYTES" => BytesIn,
            _ => continue,
        };
        fields.set(field, value);
    }
    fields.connection.answered = fields.connection.packets_in.map(|count| count > 0);
}

/// `<log><when>...</when><prefix>...</prefix>...<payload>HEX</payload></log>`: the packet itself, from its IP header
/// on. The time is when it was written, in local time.
fn packet_of_xml<'a>(line: &'a [u8], fields: &mut Fields<'a>) {
    fields.time = element(line, b"when").and_then(when);
    if let Some(prefix) = element(line, b"prefix") {
        fields.put(Rule, prefix);
    }
    let Some(payload) = element(line, b"payload").and_then(hexadecimal) else { return };
    let Some(packet) = capture::packet(&payload) else { return };
    fields.flow = packet.flow;
    fields.connection.bytes_out = Some(packet.length);
    fields.connection.packets_out = Some(1);
    if let Some(flags) = packet.tcp_flags {
        fields.connection.state = flag_names(flags).map(Cow::Borrowed);
        fields.connection.tcp_sequence = packet.tcp_sequence;
    }
}

/// `<hour>14</hour><min>34</min><sec>46</sec><wday>6</wday><day>20</day><month>11</month><year>2026</year>`, as
/// libnetfilter writes local times.
pub(super) fn when(parts: &[u8]) -> Option<Stamp> {
    let part = |name: &[u8]| u32::try_from(number(element(parts, name)?)?).ok();
    let year = i32::try_from(part(b"year")?).ok()?;
    let date = chrono::NaiveDate::from_ymd_opt(year, part(b"month")?, part(b"day")?)?;
    let at = date.and_hms_opt(part(b"hour")?, part(b"min")?, part(b"sec")?)?;
    Some(Stamp::Local { at, resolution_ns: SECOND })
}
