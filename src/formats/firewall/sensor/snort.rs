//! Alerts of Snort 2 and 3 in one line (`alert_fast`), and of Suricata's `fast.log`
//! (Snort manual, "Output modules": `alert_fast`).

use crate::formats::firewall::bytes::{find, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Snort;

impl Dialect for Snort {
    fn id(&self) -> &'static str {
        "snort"
    }

    fn title(&self) -> &'static str {
        "Snort 2 and 3 fast alerts, Suricata fast.log, and the same in syslog"
    }

    fn signature(&self) -> &'static str {
        "fast alerts ([**] [1:2019401:1] name [**] {TCP} address -> address)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && parts(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(Parts { time, said, protocol, source, peer }) = parts(record.line) else {
            return Err("no alert".into());
        };
        let mut fields = Fields::default();
        fields.time = stamp(time);
        fields.put(Protocol, protocol);
        for (word, ip, port) in [(source, SrcIp, SrcPort), (peer, DstIp, DstPort)] {
            // `2001:db8::1:443`: of an IPv6 address in eight groups what follows is the port.
            let groups = word.iter().filter(|byte| **byte == b':').count();
            match crate::formats::firewall::bytes::rsplit_once(word, b":") {
                Some((address, number)) if groups == 1 || groups == 8 => {
                    fields.put(ip, address);
                    fields.put(port, number);
                }
                _ => fields.put(ip, word),
            }
        }
        let name = said.trim_ascii();
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        fields.threat = Some(text(name));
        if let Some((_, class)) = split_once(record.line, b"[Classification: ") {
            fields.put(Category, class.split(|byte| *byte == b']').next().unwrap_or_default());
        }
        if [&b"[Drop]"[..], b"[drop]", b"[wDrop]", b"[block]", b"[reject]"]
            .iter()
            .any(|word| memchr::memmem::find(record.line, word).is_some())
        {
            fields.decide(Some(Verdict::Deny).filter(|_| find!(record.line, b"[wDrop]").is_none()));
        }
        fields.impossible = None;
        // An alert names the packet it was raised on, which may be an answer.
        let (from, to) = (fields.flow.src_port, fields.flow.dst_port);
        if from.zip(to).is_some_and(|(from, to)| from < 1024 && to >= 1024) {
            fields.turn();
        }
        out.connection(fields, record)
    }
}

struct Parts<'a> {
    time: &'a [u8],
    said: &'a [u8],
    protocol: &'a [u8],
    source: &'a [u8],
    peer: &'a [u8],
}

/// `TIME [**] [gid:sid:rev] NAME [**] [Classification: x] [Priority: 1] {TCP} SOURCE -> PEER`; in syslog without the stars.
fn parts(line: &[u8]) -> Option<Parts<'_>> {
    let (before, ends) = split_once(line, b"} ")?;
    let open = memchr::memrchr(b'{', before)?;
    let protocol = before.get(open + 1..)?;
    let (source, peer) = split_once(ends, b" -> ")?;
    let peer = peer.split(|byte| *byte == b' ').next()?;
    let head = before.get(..open)?;
    let id = memchr::memchr_iter(b'[', head).find(|at| {
        let inside = head.get(at + 1..).and_then(|rest| rest.split(|byte| *byte == b']').next()).unwrap_or_default();
        let digits = inside.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
        digits && inside.iter().filter(|byte| **byte == b':').count() == 2
    })?;
    let (_, rest) = split_once(head.get(id..)?, b"]")?;
    let end = find!(rest, b" [").unwrap_or(rest.len());
    Some(Parts { time: head.get(..id)?, said: rest.get(..end)?, protocol, source, peer })
}

/// `mm/dd-HH:MM:SS.ffffff`, also with a year of two or four digits behind or before it: local time.
fn stamp(head: &[u8]) -> Option<Stamp> {
    let word = head.trim_ascii_start().split(|byte| *byte == b' ').next()?;
    let (date, clock) = split_once(word, b"-")?;
    let (time, resolution_ns, _) = crate::formats::firewall::syslog::clock(clock)?;
    let mut numbers = [0_u32; 3];
    let mut count = 0;
    for part in date.split(|byte| *byte == b'/') {
        *numbers.get_mut(count)? = u32::try_from(crate::formats::firewall::bytes::number(part)?).ok()?;
        count += 1;
    }
    let dated = |year: u32, month: u32, day: u32| {
        let year = if year < 100 { 2000 + year } else { year };
        let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        Some(Stamp::Local { at: date.and_time(time), resolution_ns })
    };
    match (numbers, count) {
        ([month @ 1..=12, day @ 1..=31, _], 2) => {
            Some(Stamp::WithoutYear { month, day, time, resolution_ns, zone: None })
        }
        // Snort 2 and 3 write yy/mm/dd (`-y`), Suricata mm/dd/yyyy.
        ([month, day, year], 3) if year >= 1000 => dated(year, month, day),
        ([year, month, day], 3) => dated(year, month, day),
        _ => None,
    }
}
