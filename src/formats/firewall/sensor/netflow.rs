//! NetFlow and IPFIX records as collectors write them: by the names of RFC 3954 and of IPFIX information elements
//! (RFC 5102, 7012) in JSON (Logstash, nProbe, GoFlow, pmacct, YAF), and as Telegraf's lines.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::split_once;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::notation::pairs::{COMMAS, pairs};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;

/// The format.
pub(crate) struct NetFlow;

/// In lower case without `_`; a leading `netflow.`, `ipfix.`, `fields.` or `flow.` is taken off.
const FLOW: &[(&str, Field)] = &[
    ("ipv4srcaddr", SrcIp),
    ("ipv6srcaddr", SrcIp),
    ("ipv4dstaddr", DstIp),
    ("ipv6dstaddr", DstIp),
    ("l4srcport", SrcPort),
    ("l4dstport", DstPort),
    ("sourceipv4address", SrcIp),
    ("sourceipv6address", SrcIp),
    ("destinationipv4address", DstIp),
    ("destinationipv6address", DstIp),
    ("sourcetransportport", SrcPort),
    ("destinationtransportport", DstPort),
    ("protocolidentifier", Protocol),
    ("protocol", Protocol),
    ("ipproto", Protocol),
    ("proto", Protocol),
    ("srcaddr", SrcIp),
    ("dstaddr", DstIp),
    ("srcport", SrcPort),
    ("dstport", DstPort),
    ("src", SrcIp),
    ("dst", DstIp),
    ("ipsrc", SrcIp),
    ("ipdst", DstIp),
    ("portsrc", SrcPort),
    ("portdst", DstPort),
    ("inbytes", BytesOut),
    ("inpkts", PacketsOut),
    ("inpackets", PacketsOut),
    ("bytes", BytesOut),
    ("packets", PacketsOut),
    ("octetdeltacount", BytesOut),
    ("packetdeltacount", PacketsOut),
    ("octettotalcount", BytesOut),
    ("packettotalcount", PacketsOut),
    ("reverseoctetdeltacount", BytesIn),
    ("reversepacketdeltacount", PacketsIn),
    ("reverseoctettotalcount", BytesIn),
    ("reversepackettotalcount", PacketsIn),
    ("initiatoroctets", BytesOut),
    ("responderoctets", BytesIn),
    ("flowstartmilliseconds", Start),
    ("flowstartseconds", Start),
    ("flowstartmicroseconds", Start),
    ("flowstartnanoseconds", Start),
    ("flowendmilliseconds", End),
    ("flowendseconds", End),
    ("flowendmicroseconds", End),
    ("flowendnanoseconds", End),
    ("flowstartms", Start),
    ("flowendms", End),
    ("timeflowstartns", Start),
    ("timeflowendns", End),
    ("timeflowstartms", Start),
    ("timeflowendms", End),
    ("timeflowstart", Start),
    ("timeflowend", End),
    ("timestampstart", Start),
    ("timestampend", End),
    ("postnatsourceipv4address", NatSrcIp),
    ("postnatdestinationipv4address", NatDstIp),
    ("postnaptsourcetransportport", NatSrcPort),
    ("postnaptdestinationtransportport", NatDstPort),
    ("@timestamp", Time),
    ("exporteraddress", Device),
    ("sampleraddress", Device),
    ("samplingaddress", Device),
    ("peeripsrc", Device),
    ("tcpcontrolbits", State),
    ("applicationname", Application),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FLOW]));

/// Marks of the names: one of each pair must be there.
const MARKS: [[&str; 2]; 11] = [
    ["IPV4_SRC_ADDR", "IPV4_DST_ADDR"],
    ["IPV6_SRC_ADDR", "IPV6_DST_ADDR"],
    ["ipv4_src_addr", "ipv4_dst_addr"],
    ["netflow.ipv4_src_addr", "netflow.ipv4_dst_addr"],
    ["netflow.ipv6_src_addr", "netflow.ipv6_dst_addr"],
    ["sourceIPv4Address", "destinationIPv4Address"],
    ["sourceIPv6Address", "destinationIPv6Address"],
    ["netflow.source_ipv4_address", "netflow.destination_ipv4_address"],
    ["ipfix.sourceIPv4Address", "ipfix.destinationIPv4Address"],
    ["ip_src", "ip_dst"],
    ["flow_start_ms", "flow_end_ms"],
];

fn is_json(record: &Record<'_>) -> bool {
    let has = |name: &str| record.has(name);
    MARKS.iter().any(|pair| has(pair[0]) && has(pair[1]))
        || (has("src_addr") && has("dst_addr") && (has("sampler_address") || has("time_flow_start_ns")))
        || (has("flows.sourceIPv4Address") || has("flows.sourceIPv6Address"))
        || (has("fields.src") && has("fields.dst") && has("fields.src_port") && has("fields.in_bytes"))
}

impl Dialect for NetFlow {
    fn id(&self) -> &'static str {
        "netflow"
    }

    fn title(&self) -> &'static str {
        "NetFlow and IPFIX records as JSON of collectors (Logstash, nProbe, GoFlow, pmacct, YAF) and Telegraf lines"
    }

    fn signature(&self) -> &'static str {
        "names of NetFlow and IPFIX (IPV4_SRC_ADDR, sourceIPv4Address)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_some() {
            return is_json(record);
        }
        record.line.starts_with(b"netflow,")
            && memchr::memmem::find(record.line, b"src=").is_some()
            && memchr::memmem::find(record.line, b"dst=").is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some(object) = record.json {
            json::leaves(object, &mut |path, value| take(path, value, &mut fields));
        } else {
            lines(record.line, &mut fields);
        }
        // What the exporter counted since it booted is no time, unless a collector made one of it.
        for (name, field) in [("first_switched", Start), ("last_switched", End)] {
            let value = ["netflow.", "", "ipfix."].into_iter().find_map(|place| record.text(&format!("{place}{name}")));
            if let Some(value) = value.filter(|value| Stamp::read(value).is_some()) {
                fields.set(field, value);
            }
        }
        if fields.is_empty() {
            return Err("a record without an address".into());
        }
        if fields.connection.bytes_in.is_none() {
            opener::turn_answer(&mut fields, None);
        }
        out.connection(fields, record)
    }
}

fn take<'r>(path: &[u8], value: Cow<'r, [u8]>, fields: &mut Fields<'r>) {
    let mut name = path;
    for place in [&b"netflow."[..], b"ipfix.", b"fields.", b"flow.", b"flows."] {
        name = name.strip_prefix(place).unwrap_or(name);
    }
    let plain: smallvec::SmallVec<[u8; 64]> =
        name.iter().filter(|byte| **byte != b'_').map(u8::to_ascii_lowercase).collect();
    if let Some(field) = NAMES.get(&plain) {
        // YAF counts ports and protocols as anyone does, and names times in words.
        fields.set(field, value);
    }
}

/// `netflow,source=...,version=... src="...",dst="...",src_port=443u 1666350480000000000` (line protocol of InfluxDB).
fn lines<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    let Some((tags, rest)) = split_once(line, b" ") else { return };
    for (name, value) in pairs(tags, COMMAS) {
        if name == b"source" {
            fields.set(Device, value);
        }
    }
    for (name, value) in pairs(rest, COMMAS) {
        let value = match value {
            // "443u" and "443i" are whole numbers.
            Cow::Borrowed(bytes) => {
                let bytes = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
                let whole = bytes.strip_suffix(b"u").or(bytes.strip_suffix(b"i"));
                Cow::Borrowed(whole.filter(|whole| whole.iter().all(u8::is_ascii_digit)).unwrap_or(bytes))
            }
            owned => owned,
        };
        take(name, value, fields);
    }
}
