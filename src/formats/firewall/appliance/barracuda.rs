//! Barracuda CloudGen Firewall: activity log in positions or as name=value, threat log (Campus, "Available Log Files and
//! Structure", "How to Configure Syslog Streaming").

use std::sync::LazyLock;

use crate::formats::firewall::action;
use crate::formats::firewall::bytes::{has, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{BARRED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::{Action as Verdict, Direction as Way};

/// The format.
pub(crate) struct Barracuda;

/// Of the activity log: `type|proto|srcIF|srcIP|srcPort|srcMAC|dstIP|dstPort|dstService|dstIF|rule|info|srcNAT|dstNAT|
/// duration|count|receivedBytes|sentBytes|receivedPackets|sentPackets|user|protocol|application|target|content|urlcat`.
const PLACES: [Option<Field>; 26] = [
    None,
    Some(Protocol),
    Some(InInterface),
    Some(SrcIp),
    Some(SrcPort),
    None,
    Some(DstIp),
    Some(DstPort),
    None,
    Some(OutInterface),
    Some(Rule),
    None,
    Some(NatSrcIp),
    Some(NatDstIp),
    None,
    None,
    Some(BytesIn),
    Some(BytesOut),
    Some(PacketsIn),
    Some(PacketsOut),
    Some(User),
    None,
    Some(Application),
    Some(Domain),
    None,
    Some(Category),
];

const TAGS: &[(&str, Field)] = &[
    ("proto", Protocol),
    ("srcIF", InInterface),
    ("srcIP", SrcIp),
    ("srcPort", SrcPort),
    ("dstIP", DstIp),
    ("dstPort", DstPort),
    ("dstIF", OutInterface),
    ("rule", Rule),
    ("srcNAT", NatSrcIp),
    ("dstNAT", NatDstIp),
    ("receivedBytes", BytesIn),
    ("sentBytes", BytesOut),
    ("receivedPackets", PacketsIn),
    ("sentPackets", PacketsOut),
    ("user", User),
    ("application", Application),
    ("target", Domain),
    ("urlcat", Category),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));

/// Words before the fields, and what they say.
const WORDS: [(&[u8], Option<Verdict>); 10] = [
    (b" Allow: ", Some(Verdict::Allow)),
    (b" Remove: ", Some(Verdict::Allow)),
    (b" Detect: ", Some(Verdict::Allow)),
    (b" LocalAllow: ", Some(Verdict::Allow)),
    (b" Block: ", Some(Verdict::Deny)),
    (b" LocalBlock: ", Some(Verdict::Deny)),
    (b" Deny: ", Some(Verdict::Deny)),
    (b" Drop: ", Some(Verdict::Deny)),
    (b" Fail: ", None),
    (b" Scan: ", None),
];

impl Dialect for Barracuda {
    fn id(&self) -> &'static str {
        "barracuda"
    }

    fn title(&self) -> &'static str {
        "Barracuda CloudGen Firewall (activity log in positions and name=value, threat log)"
    }

    fn signature(&self) -> &'static str {
        "CloudGen activity records (Allow: FWD|TCP|..., or type=|proto=|srcIF=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none()
            && record.cef.is_none()
            && (activity(record.line).is_some() || threat(record.line).is_some())
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some((verdict, text)) = activity(record.line) {
            fields.decide(verdict);
            if record.peeled.stamp.is_none() {
                fields.time = spaced(record.line);
            }
            let kind = if has!(text, b"srcIP=") {
                fields.take(&NAMES, pairs(text, BARRED));
                split_once(text, b"type=").map_or(&b""[..], |(_, rest)| rest)
            } else {
                for (field, value) in PLACES.iter().zip(text.split(|byte| *byte == b'|')) {
                    if let Some(field) = field {
                        fields.put(*field, value);
                    }
                }
                text
            };
            fields.connection.direction = match kind.get(..3) {
                Some(b"FWD") => Some(Way::Forwarded),
                Some(b"LOU") => Some(Way::Outbound),
                Some(b"LIN") => Some(Way::Inbound),
                _ => None,
            };
        } else if let Some((head, rest)) = threat(record.line) {
            // "[Request] Allow:   IPS RULE(0) 192.0.2.1 -> 198.51.100.2:80 |[ID: 5000002 Name]||3|Probing".
            fields.decide(action::action(head));
            let (before, after) = split_once(rest, b" -> ").unwrap_or((rest, b""));
            fields.put(Src, before.rsplit(|byte| *byte == b' ').next().unwrap_or_default());
            let mut columns = after.split(|byte| *byte == b'|');
            fields.put(Dst, columns.next().unwrap_or_default());
            let named = columns.next().unwrap_or_default();
            let named =
                named.strip_prefix(b"[ID: ").and_then(|named| split_once(named, b" ")).map_or(named, |(_, name)| name);
            fields.put(Threat, named.strip_suffix(b"]").unwrap_or(named));
            fields.put(Category, columns.nth(2).unwrap_or_default());
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        out.connection(fields, record)
    }
}

fn activity(line: &[u8]) -> Option<(Option<Verdict>, &[u8])> {
    if memchr::memchr_iter(b'|', line).take(12).count() < 12 {
        return None;
    }
    let from = memchr::memchr_iter(b':', line).find_map(|at| {
        let head = line.get(..at + 2)?;
        WORDS.iter().find(|(word, _)| head.ends_with(word)).map(|(_, verdict)| (*verdict, at + 2))
    });
    let (verdict, from) = from?;
    let text = line.get(from..)?;
    let second = text.split(|byte| *byte == b'|').nth(1)?;
    (second.starts_with(b"proto=") || (2..=8).contains(&second.len())).then_some((verdict, text.trim_ascii_start()))
}

/// `2026 11 20 14:34:46 +01:00 `, as files of the device begin.
fn spaced(line: &[u8]) -> Option<Stamp> {
    let mut own = *line.first_chunk::<26>()?;
    if own[4] != b' ' || own[7] != b' ' {
        return None;
    }
    own[4] = b'-';
    own[7] = b'-';
    Stamp::read(&own)
}

/// `firewall: [Request] ...`: the words before the rule and what follows them.
fn threat(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, text) = split_once(line, b"firewall: [Re")?;
    if !has!(text, b" -> ") || !has!(text, b"|[ID: ") {
        return None;
    }
    split_once(text, b": ")
}
