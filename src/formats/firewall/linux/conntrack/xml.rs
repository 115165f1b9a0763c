//! `conntrack -o xml`: one `<flow>` a line (`snprintf_xml.c` of libnetfilter_conntrack), also as ulogd writes it.

use super::{Entry, Tuple, set};
use crate::formats::firewall::bytes::{address, element, number, port, split_once};
use crate::formats::firewall::linux::ulogd::when;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Protocol;

/// Lines around the flows.
pub(super) fn is_frame(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), b"<conntrack>" | b"</conntrack>")
        || (line.starts_with(b"<?xml ") && line.trim_ascii_end().ends_with(b"?>"))
}

/// Reads `<flow type="new"><meta direction="original">...</meta>...</flow>`.
pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let rest = line.trim_ascii_start().strip_prefix(b"<flow")?;
    let (head, rest) = split_once(rest, b">")?;
    let mut entry = Entry::default();
    for (kind, event) in [(&b"\"new\""[..], "NEW"), (b"\"update\"", "UPDATE"), (b"\"destroy\"", "DESTROY")] {
        if head.ends_with(kind) {
            entry.event = Some(event);
        }
    }
    for (direction, original) in [(&b"direction=\"original\""[..], true), (b"direction=\"reply\"", false)] {
        let Some((_, meta)) = split_once(rest, direction) else { continue };
        let meta = split_once(meta, b"</meta>").map_or(meta, |(meta, _)| meta);
        let tuple = tuple(meta, &mut entry.impossible);
        if original {
            entry.protocol = split_once(meta, b"<layer4 protonum=\"")
                .and_then(|(_, rest)| split_once(rest, b"\""))
                .and_then(|(protocol, _)| Some(Protocol(u8::try_from(number(protocol)?).ok()?)));
            entry.original = tuple;
        } else {
            entry.reply = tuple;
        }
    }
    let (_, common) = split_once(rest, b"direction=\"independent\"").unwrap_or((b"", rest));
    entry.state = element(common, b"state");
    entry.unreplied = split_once(common, b"<unreplied/>").is_some();
    entry.age = element(common, b"deltatime").and_then(number);
    if let Some(stamps) = element(common, b"timestamp") {
        let stamp = |name: &[u8]| element(stamps, name).and_then(Stamp::read);
        (entry.start, entry.stop) = (stamp(b"start"), stamp(b"stop"));
    }
    entry.when = element(common, b"when").and_then(when);
    entry.original.src.is_some().then_some(entry)
}

fn tuple(meta: &[u8], impossible: &mut Option<&'static str>) -> Tuple {
    let mut tuple = Tuple::default();
    let mut note = |field: Option<&'static str>| *impossible = impossible.or(field);
    if let Some(value) = element(meta, b"src") {
        note(set(&mut tuple.src, address(value), "src"));
    }
    if let Some(value) = element(meta, b"dst") {
        note(set(&mut tuple.dst, address(value), "dst"));
    }
    if let Some(value) = element(meta, b"sport") {
        note(set(&mut tuple.src_port, port(value), "sport"));
    }
    if let Some(value) = element(meta, b"dport") {
        note(set(&mut tuple.dst_port, port(value), "dport"));
    }
    if let Some(counters) = element(meta, b"counters") {
        tuple.packets = element(counters, b"packets").and_then(number);
        tuple.bytes = element(counters, b"bytes").and_then(number);
    }
    tuple
}
