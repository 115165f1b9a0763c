//! NetFlow, IPFIX and sFlow as collectors write them down: names of information elements (IANA "IPFIX Entities",
//! <https://www.iana.org/assignments/ipfix/>; NetFlow v9 in RFC 3954 section 8) and those of Logstash, Filebeat,
//! Telegraf, goflow2, pmacct, nProbe and YAF.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{has, number, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{dotted, leaf};
use crate::formats::firewall::notation::pairs::{COMMAS, pairs};
use crate::formats::firewall::numbers::Counting;
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;

/// The format.
pub(crate) struct NetFlow;

/// In lower case without `_`: `sourceIPv4Address`, `source_ipv4_address`, `IPV4_SRC_ADDR`.
const NETFLOW: &[(&str, Field)] = &[
    ("sourceipv4address", SrcIp),
    ("sourceipv6address", SrcIp),
    ("destinationipv4address", DstIp),
    ("destinationipv6address", DstIp),
    ("sourcetransportport", SrcPort),
    ("destinationtransportport", DstPort),
    ("udpsourceport", SrcPort),
    ("udpdestinationport", DstPort),
    ("tcpsourceport", SrcPort),
    ("tcpdestinationport", DstPort),
    ("protocolidentifier", Protocol),
    ("octetdeltacount", BytesOut),
    ("octettotalcount", BytesOut),
    ("packetdeltacount", PacketsOut),
    ("packettotalcount", PacketsOut),
    ("initiatoroctets", BytesOut),
    ("responderoctets", BytesIn),
    ("initiatorpackets", PacketsOut),
    ("responderpackets", PacketsIn),
    ("reverseoctetdeltacount", BytesIn),
    ("reverseoctettotalcount", BytesIn),
    ("reversepacketdeltacount", PacketsIn),
    ("reversepackettotalcount", PacketsIn),
    ("flowstartseconds", Start),
    ("flowstartmilliseconds", Start),
    ("flowstartmicroseconds", Start),
    ("flowstartnanoseconds", Start),
    ("flowendseconds", End),
    ("flowendmilliseconds", End),
    ("flowendmicroseconds", End),
    ("flowendnanoseconds", End),
    ("flowdurationmilliseconds", DurationMs),
    ("postnatsourceipv4address", NatSrcIp),
    ("postnatdestinationipv4address", NatDstIp),
    ("postnaptsourcetransportport", NatSrcPort),
    ("postnaptdestinationtransportport", NatDstPort),
    ("flowid", Session),
    ("username", User),
    ("applicationname", Application),
    ("silkappname", Application),
    // NetFlow v5 and v9.
    ("ipv4srcaddr", SrcIp),
    ("ipv6srcaddr", SrcIp),
    ("ipv4dstaddr", DstIp),
    ("ipv6dstaddr", DstIp),
    ("l4srcport", SrcPort),
    ("l4dstport", DstPort),
    ("inbytes", BytesOut),
    ("inpkts", PacketsOut),
    ("inpackets", PacketsOut),
    ("outbytes", BytesIn),
    ("outpkts", PacketsIn),
    ("outpackets", PacketsIn),
    ("firstswitched", Start),
    ("lastswitched", End),
    ("protocol", Protocol),
    ("flowstartmsec", Start),
    ("flowendmsec", End),
    ("flowstartsec", Start),
    ("flowendsec", End),
    ("flowstart", Start),
    ("flowend", End),
    ("flowid", Session),
    ("l7protoname", Application),
    ("tlsservername", Domain),
    // Telegraf.
    ("src", SrcIp),
    ("dst", DstIp),
    ("srcport", SrcPort),
    ("dstport", DstPort),
    ("flowstartms", Start),
    ("flowendms", End),
    ("natsrc", NatSrcIp),
    ("natdst", NatDstIp),
    // goflow and goflow2.
    ("srcaddr", SrcIp),
    ("dstaddr", DstIp),
    ("proto", Protocol),
    ("bytes", BytesOut),
    ("packets", PacketsOut),
    ("timeflowstart", Start),
    ("timeflowend", End),
    ("timeflowstartms", Start),
    ("timeflowendms", End),
    ("timeflowstartns", Start),
    ("timeflowendns", End),
    ("timereceived", Time),
    ("timereceivedns", Time),
    ("sampleraddress", Device),
    // pmacct.
    ("ipsrc", SrcIp),
    ("ipdst", DstIp),
    ("portsrc", SrcPort),
    ("portdst", DstPort),
    ("ipproto", Protocol),
    ("timestampstart", Start),
    ("timestampend", End),
    ("timestampexport", Time),
    ("timestamparrival", Time),
    ("peeripsrc", Device),
    ("postnatipsrc", NatSrcIp),
    ("postnatipdst", NatDstIp),
    ("postnatportsrc", NatSrcPort),
    ("postnatportdst", NatDstPort),
    // Around the record.
    ("@timestamp", Time),
    ("timestamp", Time),
    ("host", Device),
    ("exporter", Device),
    ("exporteraddress", Device),
    ("samplingaddress", Device),
    ("exporterip", Device),
    ("exporteripv4address", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[NETFLOW]));

/// Pairs of names that only records of flows have, each as `source, something of a flow`.
const MARKS: [[&str; 2]; 10] = [
    ["sourceipv4address", "protocolidentifier"],
    ["sourceipv6address", "protocolidentifier"],
    ["sourceipv4address", "octetdeltacount"],
    ["ipv4srcaddr", "protocol"],
    ["ipv6srcaddr", "protocol"],
    ["ipv4srcaddr", "inbytes"],
    ["srcaddr", "sampleraddress"],
    ["ipsrc", "ipproto"],
    ["src", "firstswitched"],
    ["src", "flowstartms"],
];

/// Objects in which the elements may stand.
const INNER: [&str; 5] = ["netflow", "ipfix", "flows", "fields", "flow"];

impl Dialect for NetFlow {
    fn id(&self) -> &'static str {
        "netflow"
    }

    fn title(&self) -> &'static str {
        "NetFlow, IPFIX and sFlow records of collectors (JSON, line protocol of Telegraf)"
    }

    fn signature(&self) -> &'static str {
        "NetFlow or IPFIX elements (IPV4_SRC_ADDR, sourceIPv4Address, sampler_address)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        match record.json {
            Some(object) => elements(object).is_some(),
            None => record.line.starts_with(b"netflow,") && has!(record.line, b",src="),
        }
    }

    fn counting(&self) -> Option<&'static Counting> {
        static EXPORTS: Counting = Counting {
            what: "exported datagrams",
            innocent: "a datagram that was lost on its way, several sources in one exporter, a filter of the collector",
            shared: true,
            of: sequence,
        };
        Some(&EXPORTS)
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut seen = Seen::default();
        if let Some(object) = record.json {
            let inner = elements(object);
            for part in inner.into_iter().chain([object]).chain(dotted(object, "tags")) {
                for (name, value) in part.as_object().into_iter().flat_map(|part| part.iter()) {
                    if let Some(value) = leaf(value) {
                        seen.take(name, value);
                    }
                }
            }
        } else {
            line_protocol(record.line, &mut seen);
        }
        seen.tell(record, out)
    }
}

/// The exporter and the number of its datagram, of the records of goflow2. NetFlow version 9 (RFC 3954, section 5.1) and
/// sFlow count datagrams; version 5 and IPFIX count flows, and are left out.
fn sequence(line: &[u8]) -> Option<(&[u8], u64)> {
    if !has!(line, b"\"NETFLOW_V9\"") && !has!(line, b"\"SFLOW_5\"") {
        return None;
    }
    let after = |name: &[u8]| line.get(memchr::memmem::find(line, name)? + name.len()..);
    let count = after(b"\"sequence_num\":")?.trim_ascii_start();
    let digits = count.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let exporter = after(b"\"sampler_address\":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let exporter = exporter.get(..memchr::memchr(b'"', exporter)?)?;
    Some((exporter, number(count.get(..digits)?)?))
}

/// The object whose names are those of a flow: the record itself or one in it.
fn elements<'v, 'j>(object: &'v Value<'j>) -> Option<&'v Value<'j>> {
    let inner = INNER.iter().find_map(|name| dotted(object, name).filter(|inner| inner.is_object()));
    inner.into_iter().chain([object]).find(|object| {
        let mut found = [[false; 2]; MARKS.len()];
        for name in object.as_object().into_iter().flat_map(|object| object.keys()) {
            let name = plain(name.as_bytes());
            for (pair, seen) in MARKS.iter().zip(&mut found) {
                for (mark, seen) in pair.iter().zip(seen) {
                    *seen |= mark.as_bytes() == &*name;
                }
            }
        }
        found.contains(&[true; 2])
    })
}

/// A name in lower case without `_`, and without the prefixes of flattened objects. Longer ones than any known are empty.
fn plain(name: &[u8]) -> smallvec::SmallVec<[u8; 64]> {
    let name = name.strip_prefix(b"netflow.").or(name.strip_prefix(b"ipfix.")).unwrap_or(name);
    if name.len() > 64 {
        return smallvec::SmallVec::new();
    }
    name.iter().filter(|byte| **byte != b'_').map(u8::to_ascii_lowercase).collect()
}

/// `netflow,tag=value,... field="text",field=12u,... [nanoseconds]`: the line protocol of InfluxDB.
fn line_protocol<'r>(line: &'r [u8], seen: &mut Seen<'r>) {
    let tags = memchr::memchr(b' ', line).unwrap_or(line.len());
    let rest = line.get(tags + 1..).unwrap_or_default();
    let (fields, time) = match memchr::memrchr(b' ', rest) {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
        None => (rest, b"".as_slice()),
    };
    let (fields, time) = if number(time).is_some() { (fields, time) } else { (rest, b"".as_slice()) };
    for (name, value) in pairs(fields, COMMAS) {
        let value = match value {
            Cow::Borrowed([digits @ .., b'u' | b'i']) if number(digits).is_some() => Cow::Borrowed(digits),
            value => value,
        };
        seen.take(text(name).as_ref(), value);
    }
    seen.take("timestamp", Cow::Borrowed(time));
    for (name, value) in pairs(line.get(..tags).unwrap_or_default(), COMMAS) {
        if name == b"source" {
            seen.fields.set(Device, value);
        }
    }
}

/// What a record says.
#[derive(Default)]
struct Seen<'r> {
    fields: Fields<'r>,
    flags: Option<u64>,
    /// Milliseconds since the exporter was started: of the first and last packet, and of the export.
    since_start: [Option<u64>; 3],
    turned: bool,
}

impl<'r> Seen<'r> {
    fn take(&mut self, name: &str, value: Cow<'r, [u8]>) {
        let name = plain(name.as_bytes());
        match &*name {
            b"flowstartsysuptime" => self.since_start[0] = number(&value),
            b"flowendsysuptime" => self.since_start[1] = number(&value),
            b"sysuptime" | b"systeminittimemilliseconds" => self.since_start[2] = number(&value),
            b"firstswitched" if is_since_start(&value) => self.since_start[0] = number(&value),
            b"lastswitched" if is_since_start(&value) => self.since_start[1] = number(&value),
            b"tcpflags" | b"tcpcontrolbits" | b"flags" => {
                let hexadecimal = value.strip_prefix(b"0x").and_then(|digits| std::str::from_utf8(digits).ok());
                let flags = number(&value)
                    .or_else(|| u64::from_str_radix(hexadecimal?, 16).ok())
                    .or_else(|| opener::letters(&value));
                self.flags = self.flags.or(flags);
            }
            // RFC 5103 section 6.3: 2 is "reverseInitiator".
            b"biflowdirection" => self.turned = *value == *b"2",
            b"timereceived" | b"timeflowstart" | b"timeflowend" if *value == *b"0" => {}
            name => {
                if let Some(field) = NAMES.get(name) {
                    // "0.0.0.0" stands for a translation that did not take place.
                    self.fields.set(field, value);
                }
            }
        }
    }

    fn tell(mut self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        if self.fields.is_empty() {
            return Err("a record of options, or one without an address".into());
        }
        self.dated();
        let fields = &mut self.fields;
        fields.drop_portless();
        if self.turned {
            fields.turn();
        } else if fields.connection.packets_in.unwrap_or(0) == 0 {
            opener::turn_one_way(fields, self.flags);
        }
        out.connection(self.fields, record)
    }

    /// Turns times since the start of the exporter into those of the axis where the export has both, and into how long
    /// the flow took anyway.
    fn dated(&mut self) {
        let [first, last, export] = self.since_start;
        let fields = &mut self.fields;
        if let (Some(first), Some(last)) = (first, last)
            && let Some(lasted) = last.checked_sub(first).and_then(|ms| i64::try_from(ms).ok())
        {
            fields.duration_ns = fields.duration_ns.or(lasted.checked_mul(MILLISECOND));
        }
        let before = |then: Option<u64>| {
            let ms = i64::try_from(export?.checked_sub(then?)?).ok()?;
            match fields.time? {
                Stamp::Epoch { at, resolution_ns } => Some(Stamp::Epoch {
                    at: crate::time::Instant(at.0.checked_sub(ms.checked_mul(MILLISECOND)?)?),
                    resolution_ns: resolution_ns.max(MILLISECOND),
                }),
                _ => None,
            }
        };
        let (start, end) = (before(first), before(last));
        fields.start = fields.start.or(start);
        fields.end = fields.end.or(end);
    }
}

const MILLISECOND: i64 = 1_000_000;

/// Whether a time of NetFlow v5 or v9 is counted in milliseconds since the start of the exporter (at most 49 days of
/// them fit), not in seconds since 1970.
fn is_since_start(value: &[u8]) -> bool {
    number(value).is_some_and(|value| value < 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_writing() {
        for (name, expected) in [
            ("sourceIPv4Address", Some(SrcIp)),
            ("netflow.source_ipv4_address", Some(SrcIp)),
            ("IPV4_SRC_ADDR", Some(SrcIp)),
            ("ipv4_src_addr", Some(SrcIp)),
            ("TimeFlowStartNs", Some(Start)),
            ("flow_end_milliseconds", Some(End)),
            ("nexthop", None),
        ] {
            assert_eq!(NAMES.get(&plain(name.as_bytes())), expected, "{name}");
        }
    }
}
