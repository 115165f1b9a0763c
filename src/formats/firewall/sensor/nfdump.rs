//! What collectors of NetFlow and IPFIX print: nfdump (<https://github.com/phaag/nfdump>), SiLK's rwcut
//! (<https://tools.netsa.cert.org/silk/rwcut.html>).

pub(in crate::formats::firewall) mod blocks;

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, find, has, number, port};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::delimited::cells;
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone};
use crate::formats::firewall::table::Table;

/// The format.
pub(crate) struct Nfdump;

/// Columns of `-o csv` of releases before 1.7.3 and from it on, of `-o json`, and of rwcut.
const FLOW: &[(&str, Field)] = &[
    ("ts", Start),
    ("te", End),
    ("td", Duration),
    ("sa", SrcIp),
    ("da", DstIp),
    ("sp", SrcPort),
    ("dp", DstPort),
    ("pr", Protocol),
    ("flg", State),
    ("ipkt", PacketsOut),
    ("ibyt", BytesOut),
    ("opkt", PacketsIn),
    ("obyt", BytesIn),
    ("ra", Device),
    ("tr", Time),
    ("received", Time),
    ("t_received", Time),
    ("ip4_router", Device),
    ("ip6_router", Device),
    ("sen", Device),
    ("username", User),
    ("event", Action),
    ("fw_event", Action),
    ("srcXltIP", NatSrcIp),
    ("dstXltIP", NatDstIp),
    ("srcXltPort", NatSrcPort),
    ("dstXltPort", NatDstPort),
    ("src6_xlt_ip", NatSrcIp),
    ("dst6_xlt_ip", NatDstIp),
    ("firstSeen", Start),
    ("lastSeen", End),
    ("duration", Duration),
    ("proto", Protocol),
    ("srcAddr", SrcIp),
    ("srcPort", SrcPort),
    ("dstAddr", DstIp),
    ("dstPort", DstPort),
    ("packets", PacketsOut),
    ("bytes", BytesOut),
    ("inPackets", PacketsOut),
    ("inBytes", BytesOut),
    ("outPackets", PacketsIn),
    ("outBytes", BytesIn),
    ("flags", State),
    ("t_first", Start),
    ("t_last", End),
    ("first", Start),
    ("last", End),
    ("src4_addr", SrcIp),
    ("dst4_addr", DstIp),
    ("src6_addr", SrcIp),
    ("dst6_addr", DstIp),
    ("src_port", SrcPort),
    ("dst_port", DstPort),
    ("tcp_flags", State),
    ("in_packets", PacketsOut),
    ("in_bytes", BytesOut),
    ("out_packets", PacketsIn),
    ("out_bytes", BytesIn),
    ("src4_xlt_ip", NatSrcIp),
    ("dst4_xlt_ip", NatDstIp),
    ("src_xlt_port", NatSrcPort),
    ("dst_xlt_port", NatDstPort),
    ("sIP", SrcIp),
    ("dIP", DstIp),
    ("sPort", SrcPort),
    ("dPort", DstPort),
    ("pro", Protocol),
    ("protocol", Protocol),
    ("sTime", Start),
    ("eTime", End),
    ("initialFlags", State),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FLOW]));

/// How titles and statistics around the flows begin.
const AROUND: [&[u8]; 5] =
    [b"Date first seen  ", b"Summary: total flows: ", b"Time window: ", b"Total flows processed: ", b"Sys: 0."];

/// Cells of `-o pipe`.
const PIPED: usize = 24;

impl Dialect for Nfdump {
    fn id(&self) -> &'static str {
        "nfdump"
    }

    fn title(&self) -> &'static str {
        "nfdump output (csv of 1.6 and 1.7, csv-fast, json, line, long, extended, biline, bilong, raw, pipe) and SiLK rwcut"
    }

    fn signature(&self) -> &'static str {
        "nfdump records (ts,te,td,sa,da; srcAddr,dstAddr; src4_addr; ... -> ...)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        if record.json.is_some() {
            return (record.names("src4_addr") || record.names("src6_addr"))
                && (record.names("t_first") || record.names("first") || record.names("in_packets"));
        }
        (record.line.first().is_some_and(u8::is_ascii_digit)
            && (line(record.line).is_some() || piped(record.line).is_some()))
            || AROUND.iter().any(|words| record.line.starts_with(words))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some((table, row)) = record.row {
            if row.len() < 5 || row.first().is_some_and(|cell| **cell == *b"flows") {
                return Err("a summary or a line without flows".into());
            }
            if row.len() < table.header().columns.len() / 2 {
                return Err("a summary or a line without flows".into());
            }
            fields.take_record(&NAMES, record);
            // rwcut prints UTC.
            if table.place("sIP").is_some() {
                fields.zone = Some(Zone(0));
            }
        } else if record.json.is_some() {
            fields.take_record(&NAMES, record);
        } else {
            fields = match line(record.line).or_else(|| piped(record.line)) {
                Some(fields) => fields,
                None => return Err("a summary or a line without flows".into()),
            };
        }
        // Some releases count what the source sent as "out" alone; nothing is sent by a flow of no packets.
        let connection = &mut fields.connection;
        if connection.packets_out == Some(0) && connection.packets_in > Some(0) {
            (connection.packets_out, connection.packets_in) = (connection.packets_in, None);
            (connection.bytes_out, connection.bytes_in) = (connection.bytes_in, None);
        } else if connection.packets_in == Some(0) {
            (connection.packets_in, connection.bytes_in) = (None, None);
        }
        // Of ICMP the destination port stands for type and code, and "8.0" is none.
        fields.drop_portless();
        // The exporter was not kept.
        fields.device = fields.device.filter(|device| device != "0.0.0.0");
        if matches!(fields.impossible, Some(Protocol | DstPort)) {
            fields.impossible = None;
        }
        if fields.connection.packets_in.is_none() {
            let flags = fields.connection.state.as_deref().and_then(|flags| opener::letters(flags.as_bytes()));
            opener::turn_one_way(&mut fields, flags);
        }
        // Its lines begin as those of syslog do: what follows the time is no host.
        let headless = Record { json: record.json, row: record.row, ..Record::new(record.line) };
        out.connection(fields, &headless)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        let table = |wanted: &[&str]| Table::of_names(line, wanted, &NAMES);
        table(&["ts", "te", "sa", "da"])
            .or_else(|| table(&["srcAddr", "dstAddr", "firstSeen"]))
            .or_else(|| table(&["srcAddr", "dstAddr", "proto"]))
            .or_else(|| table(&["sIP", "dIP"]))
    }
}

/// `2026-11-20 14:34:49.803 00:00:00.000 UDP 10.77.0.2:49662 -> 203.0.113.7:53 [flags tos] packets bytes ...`, IPv6 with a
/// dot before the port and, unless told to be long, cut in the middle.
fn line(line: &[u8]) -> Option<Fields<'_>> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut next = || words.next();
    let (date, time, duration, protocol, source, arrow, destination) =
        (next()?, next()?, next()?, next()?, next()?, next()?, next()?);
    if arrow != b"->" && arrow != b"<->" {
        return None;
    }
    let mut fields = Fields::default();
    fields.start = Some(Stamp::joined(date, time)?);
    fields.put(Duration, duration);
    fields.put(Protocol, protocol);
    end(source, SrcIp, SrcPort, &mut fields)?;
    end(destination, DstIp, DstPort, &mut fields)?;
    let rest: Vec<&[u8]> = words.collect();
    let flags = rest.first().filter(|word| word.iter().all(|byte| b".UAPRSFCEX".contains(byte)) && word.len() >= 6);
    let mut counts = &rest[..];
    if let Some(flags) = flags {
        fields.put(State, flags);
        counts = rest.get(2..).unwrap_or_default();
    }
    // "1.2 M": what is scaled is not exact, and left unknown.
    let scaled = counts.iter().any(|word| matches!(*word, b"M" | b"G" | b"T" | b"K"));
    if let (b"<->", [received, sent, bytes_received, bytes_sent, ..], false) = (arrow, counts, scaled) {
        // "Out" before "in", and in is what came from the source.
        fields.put(PacketsIn, received);
        fields.put(PacketsOut, sent);
        fields.put(BytesIn, bytes_received);
        fields.put(BytesOut, bytes_sent);
    } else if let ([packets, bytes, ..], false) = (counts, scaled) {
        fields.put(PacketsOut, packets);
        fields.put(BytesOut, bytes);
    }
    Some(fields)
}

fn end<'a>(text: &'a [u8], ip: Field, own_port: Field, fields: &mut Fields<'a>) -> Option<()> {
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let separator = if colons == 1 { b':' } else { b'.' };
    let at = memchr::memrchr(separator, text)?;
    let (mut host, mut tail) = (text.get(..at)?, text.get(at + 1..)?);
    // ICMP: type and code, `203.0.113.7:8.0` or `ff02::2.133.0`.
    if separator == b'.' && colons > 1 && address(host).is_none() {
        let shorter = host.get(..memchr::memrchr(b'.', host).unwrap_or(host.len()))?;
        if address(shorter).is_some() || has!(shorter, b"..") {
            host = shorter;
        }
    }
    if address(host).is_none() && find!(host, b"..").is_none() {
        return None;
    }
    fields.put(ip, host);
    tail = tail.split(|byte| *byte == b'.').next()?;
    if port(tail).is_some() {
        fields.put(own_port, tail);
    }
    Some(())
}

/// `family|first|ms|last|ms|protocol|source in four words|port|destination in four words|port|...|flags|tos|packets|bytes`.
fn piped(line: &[u8]) -> Option<Fields<'_>> {
    if !(line.starts_with(b"2|") || line.starts_with(b"10|")) {
        return None;
    }
    let row = cells(line, b'|');
    if row.len() != PIPED {
        return None;
    }
    let cell = |at: usize| number(row.get(at)?);
    let stamp = |at: usize| {
        let ms = cell(at)?.checked_mul(1000)?.checked_add(cell(at + 1)?)?;
        Stamp::epoch_in(ms.to_string().as_bytes(), 1_000_000)
    };
    let mut fields = Fields::default();
    fields.start = Some(stamp(1)?);
    fields.end = stamp(3);
    let words = |at: usize| -> Option<String> {
        let word = |place: usize| u32::try_from(cell(place)?).ok();
        if cell(0)? == 2 {
            return Some(Ipv4Addr::from(word(at + 3)?).to_string());
        }
        let parts = [word(at)?, word(at + 1)?, word(at + 2)?, word(at + 3)?];
        let value = parts.into_iter().fold(0_u128, |value, part| value << 32 | u128::from(part));
        Some(std::net::Ipv6Addr::from(value).to_string())
    };
    fields.set(SrcIp, Cow::Owned(words(6)?.into_bytes()));
    fields.set(DstIp, Cow::Owned(words(11)?.into_bytes()));
    for (field, at) in [(Protocol, 5), (SrcPort, 10), (DstPort, 15), (PacketsOut, 22), (BytesOut, 23)] {
        fields.set(field, Cow::Owned(row.get(at)?.to_vec()));
    }
    Some(fields)
}
