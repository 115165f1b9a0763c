//! Check Point logs: Log Exporter as syslog (`[action:"Accept"; ...]`), Splunk (`name=value|`), CEF, LEEF and JSON
//! (sk122323 and the field list of sk144192), OPSEC LEA text (`loc=..|time=..|`), and tables of `fw log` in quotes.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{find, has};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::generic::{cef, leef};
use crate::formats::firewall::notation::delimited::cells;
use crate::formats::firewall::notation::pairs::{BARRED, Style, pairs};
use crate::formats::firewall::notation::{cef as cef_notation, json};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct CheckPoint;

/// `time` stays that of the first record when a log is updated: when the connection began.
const LOG: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("sip", SrcIp),
    ("s_port", SrcPort),
    ("sport", SrcPort),
    ("dst", DstIp),
    ("dip", DstIp),
    ("service", DstPort),
    ("dport", DstPort),
    ("proto", Protocol),
    ("protnum", Protocol),
    ("action", Action),
    ("Action", Action),
    ("conn_direction", Direction),
    ("creation_time", Start),
    ("time", Start),
    ("lastupdatetime", Time),
    ("duration", Duration),
    ("elapsed", Duration),
    ("client_outbound_bytes", BytesOut),
    ("sent_bytes", BytesOut),
    ("bytesout", BytesOut),
    ("client_inbound_bytes", BytesIn),
    ("received_bytes", BytesIn),
    ("bytesin", BytesIn),
    ("client_outbound_packets", PacketsOut),
    ("packetsout", PacketsOut),
    ("client_inbound_packets", PacketsIn),
    ("packetsin", PacketsIn),
    ("inzone", InZone),
    ("outzone", OutZone),
    ("xlatesrc", NatSrcIp),
    ("snatip", NatSrcIp),
    ("xlatesport", NatSrcPort),
    ("snatport", NatSrcPort),
    ("xlatedst", NatDstIp),
    ("dnatip", NatDstIp),
    ("xlatedport", NatDstPort),
    ("dnatport", NatDstPort),
    ("rule_name", Rule),
    ("rule_uid", Rule),
    ("rule", Rule),
    ("origin", Device),
    ("orig", Device),
    ("src_user_name", User),
    ("user", User),
    ("login", User),
    ("appi_name", Application),
    ("application", Application),
    ("service_id", Application),
    ("app_category", Category),
    ("matched_category", Category),
    ("resource", Domain),
    ("url", Domain),
    ("http_host", Domain),
    ("loguid", Session),
    ("protection_name", Threat),
    ("attack", Threat),
    ("malware_family", Threat),
    ("reason", Message),
    ("message_info", Message),
];

/// CEF of Log Exporter gives what the dictionary has no name for its own name; `rt` is `time`.
const EXTENSION: &[(&str, Field)] = &[("rt", Start), ("origin", Device), ("Protection Name", Threat)];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[LOG]));
static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXTENSION, cef::DICTIONARY, OWN_IN_CEF]));
static LEEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[leef::DICTIONARY, LOG]));

/// Names of [`LOG`] that mean something else in CEF are left out (`service`, `reason`).
const OWN_IN_CEF: &[(&str, Field)] = &[
    ("conn_direction", Direction),
    ("inzone", InZone),
    ("outzone", OutZone),
    ("rule_name", Rule),
    ("rule_uid", Rule),
    ("appi_name", Application),
    ("service_id", Application),
    ("matched_category", Category),
    ("Matched Category", Category),
    ("Application Rule Name", Rule),
    ("Threat Prevention Rule Name", Rule),
    ("loguid", Session),
];

const COLONS: Style = Style { separator: b';', equals: b':', spacious: false };

impl Dialect for CheckPoint {
    fn id(&self) -> &'static str {
        "checkpoint"
    }

    fn title(&self) -> &'static str {
        "Check Point (Log Exporter as syslog, Splunk, CEF, LEEF and JSON; OPSEC LEA text; exported tables)"
    }

    fn signature(&self) -> &'static str {
        "Check Point fields (loguid, origin, ifdir, product)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            // Some exports begin with an empty column.
            return header.is("check point", "") || (header.vendor.is_empty() && header.is("", "check point"));
        }
        if let Some(header) = &record.leef {
            return header.is("check point");
        }
        if record.json.is_some() {
            let named = record.has("product") || record.has("ProductName");
            return record.has("origin") && (record.has("loguid") || (named && record.has("sequencenum")));
        }
        let line = record.line;
        has!(line, b"loguid") && (has!(line, b"loguid:\"") || has!(line, b"|loguid=")) && has!(line, b"origin")
            || has!(line, b"i/f_dir=") && has!(line, b"|orig=")
            || exported(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut interface = Interface::default();
        if let Some(header) = &record.cef {
            interface.take(cef_notation::pairs(header.extension));
            cef::take(header.extension, &CEF, &mut fields);
            // It says which way the packet passed the interface, not which way the connection went.
            fields.connection.direction = None;
            let way = cef_notation::pairs(header.extension).find(|(name, _)| *name == b"conn_direction");
            if let Some((_, way)) = way {
                fields.set(Direction, way);
            }
            fields.message = None;
        } else if let Some(header) = &record.leef {
            fields.take(&LEEF, header.pairs());
        } else if let Some(object) = record.json {
            json::leaves(object, &mut |path, value| {
                // Values of each layer's rule: the first layer's counts.
                let end = find!(path, b"_._._").unwrap_or(path.len());
                let name = path.get(..end).unwrap_or_default();
                interface.see(name, &value);
                put(name, value, &mut fields);
            });
        } else if let Some(columns) = exported(record.line) {
            table(&columns, &mut fields);
        } else {
            let (text, style) = match find!(record.line, b":\"") {
                Some(at) if has!(record.line, b"loguid:\"") => {
                    let before = record.line.get(..at).unwrap_or_default();
                    let begin = before.iter().rposition(|byte| matches!(byte, b'[' | b' ')).map_or(0, |at| at + 1);
                    (record.line.get(begin..).unwrap_or_default(), COLONS)
                }
                _ => (record.line, BARRED),
            };
            for (name, value) in pairs(text, style) {
                // The first pair follows a header.
                let name = name.rsplit(|byte| *byte == b' ').next().unwrap_or(name);
                interface.see(name, &value);
                put(name, value, &mut fields);
            }
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        interface.place(&mut fields);
        let action = passed(fields.action_word.as_ref());
        fields.decide(action);
        out.connection(fields, record)
    }
}

/// A field by its name. The name of a protection goes before the kind of attack that it is against.
fn put<'r>(name: &[u8], value: Cow<'r, [u8]>, fields: &mut Fields<'r>) {
    let Some(field) = NAMES.get(name) else { return };
    if name == b"protection_name" && !value.is_empty() {
        fields.threat = None;
    }
    fields.set(field, value);
}

/// VPN traffic that was let through.
fn passed(word: Option<&Cow<'_, [u8]>>) -> Option<Verdict> {
    let word: &[u8] = word?;
    let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
    (is(b"encrypt") || is(b"decrypt") || is(b"vpn routing") || is(b"https bypass") || is(b"https inspect"))
        .then_some(Verdict::Allow)
}

/// `ifname` is where the packet came in or went out: `ifdir` tells which.
#[derive(Default)]
struct Interface<'r> {
    name: Option<Cow<'r, [u8]>>,
    out: bool,
}

impl<'r> Interface<'r> {
    #[allow(clippy::ptr_arg, reason = "a copy keeps what is borrowed borrowed")]
    fn see(&mut self, name: &[u8], value: &Cow<'r, [u8]>) {
        match name {
            b"ifname" | b"i/f_name" if self.name.is_none() => self.name = Some(value.clone()),
            b"ifdir" | b"i/f_dir" => self.out = **value == *b"outbound",
            b"deviceDirection" => self.out = **value == *b"1",
            _ => {}
        }
    }

    fn take<'n>(&mut self, pairs: impl Iterator<Item = (&'n [u8], Cow<'r, [u8]>)>) {
        for (name, value) in pairs {
            self.see(name, &value);
        }
    }

    fn place(self, fields: &mut Fields<'r>) {
        if let Some(name) = self.name {
            fields.set(if self.out { OutInterface } else { InInterface }, name);
        }
    }
}

type Columns<'a> = crate::formats::firewall::notation::delimited::Cells<'a>;

/// `"22" "10Dec2019" "23:44:49" "eth1" "gateway" "Log" "Accept" "443" "44250" "src" "dst" "tcp" "rule" ...`.
fn exported(line: &[u8]) -> Option<Columns<'_>> {
    let quote = memchr::memchr(b'"', line.get(..line.len().min(64))?)?;
    let text = line.get(quote..)?;
    let number = text.get(1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if number == 0 || text.get(1 + number..)?.get(..3)? != b"\" \"" {
        return None;
    }
    let columns = cells(text, b' ');
    let date = columns.get(1)?;
    let is_date = matches!(date.len(), 8 | 9) && date.iter().rev().take(4).all(u8::is_ascii_digit);
    (columns.len() >= 12 && is_date).then_some(columns)
}

fn table<'r>(columns: &Columns<'r>, fields: &mut Fields<'r>) {
    const PLACES: [Field; 11] =
        [InInterface, Device, State, Action, DstPort, SrcPort, SrcIp, DstIp, Protocol, State, Rule];
    for (field, value) in PLACES.into_iter().zip(columns.iter().skip(3)) {
        let is_name = matches!(field, DstPort | SrcPort) && !value.iter().all(u8::is_ascii_digit);
        if field != State && !is_name {
            fields.set(field, value.clone());
        }
    }
    if let (Some(date), Some(time)) = (columns.get(1), columns.get(2)) {
        // "10Dec2019".
        let day = date.len().saturating_sub(7);
        let (day, rest) = date.split_at(day);
        let (month, year) = rest.split_at(3.min(rest.len()));
        fields.time = Stamp::joined(&[day, b" ", month, b" ", year].concat(), time);
    }
}
