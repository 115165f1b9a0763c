//! WatchGuard Fireware logs: LEEF, and the device's own syslog (`msg_id="3000-0148" Allow 1-Trusted 0-External ...`;
//! Fireware Help, "Read a Log Message").

use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, find, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, protocol};
use crate::formats::firewall::generic::leef;
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::model::{Alert, Detail};

/// The format.
pub(crate) struct WatchGuard;

const TAGS: &[(&str, Field)] = &[
    ("disp", Action),
    ("policy", Rule),
    ("in_if", InInterface),
    ("out_if", OutInterface),
    ("src_ip_nat", NatSrcIp),
    ("src_port_nat", NatSrcPort),
    ("dst_ip_nat", NatDstIp),
    ("dst_port_nat", NatDstPort),
    ("duration", Duration),
    ("sent_bytes", BytesOut),
    ("rcvd_bytes", BytesIn),
    ("tcp_seq", TcpSequence),
    ("tcp_flag", State),
    ("app_name", Application),
    ("app", Application),
    ("app_cat_name", Category),
    ("app_cat", Category),
    ("cats", Category),
    ("dstname", Domain),
    ("sni", Domain),
    ("cn", Domain),
    ("sys_name", Device),
    ("host_name", Device),
    ("src_user", User),
    ("user", User),
    ("signature_name", Threat),
    ("virus", Threat),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS, leef::DICTIONARY]));
static OWN: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));

impl Dialect for WatchGuard {
    fn id(&self) -> &'static str {
        "watchguard"
    }

    fn title(&self) -> &'static str {
        "WatchGuard Fireware (LEEF, with or without its mark; syslog of the Firebox)"
    }

    fn signature(&self) -> &'static str {
        "WatchGuard records (LEEF of WatchGuard, or msg_id=\"3000-0148\" and a disposition)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        match &record.leef {
            Some(header) => header.is("watchguard"),
            None => record.json.is_none() && own(record.line).is_some(),
        }
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        match &record.leef {
            Some(header) => {
                for (name, value) in header.pairs() {
                    // `action` is the word that a proxy matched, not what became of the connection.
                    if let Some(field) = NAMES.get(name).filter(|_| name != b"action") {
                        fields.set(field, value);
                    }
                }
            }
            None => {
                if let Some(text) = own(record.line) {
                    positions(text, &mut fields);
                }
            }
        }
        if fields.is_empty() {
            return from_message(fields, record, out);
        }
        out.connection(fields, record)
    }
}

/// `msg=Authentication of SSLVPN user [alice@Firebox-DB] from 192.0.2.1 was rejected, ...`, `SSL VPN user alice from
/// 192.0.2.1 logged in`: who came from where.
fn from_message<'r>(mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    const NONE: &str = "an event without an address";
    let Some(header) = &record.leef else { return Err(NONE.into()) };
    let Some((_, said)) = header.pairs().find(|(name, _)| *name == b"msg") else { return Err(NONE.into()) };
    let Some((before, rest)) = split_once(&said, b" from ") else { return Err(NONE.into()) };
    let from = rest.split(|byte| matches!(byte, b' ' | b',')).next().and_then(address);
    let Some((_, user)) = split_once(before, b"ser ").filter(|_| from.is_some()) else { return Err(NONE.into()) };
    fields.flow.src = from;
    let user = user.split(|byte| *byte == b' ').next().unwrap_or_default();
    let user = user.strip_prefix(b"[").and_then(|user| user.strip_suffix(b"]")).unwrap_or(user);
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let failed = [&b"rejected"[..], b"ailed", b"denied"].iter().any(|word| memchr::memmem::find(rest, word).is_some());
    let alert = Alert {
        category: if failed { "login-failed".into() } else { "login".into() },
        message: text(&said),
        user: Some(text(user)),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    out.observe(span, fields.device.take(), Some(fields.flow), Detail::Alert(alert));
    Ok(())
}

/// What follows `msg_id="3000-0148" `.
fn own(line: &[u8]) -> Option<&[u8]> {
    let (_, after) = split_once(line, b"msg_id=\"")?;
    let (id, rest) = split_once(after, b"\" ")?;
    let is_id = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    (!id.is_empty() && id.len() < 12 && id.iter().all(is_id)).then_some(rest)
}

/// `Allow 1-Trusted 0-External 52 tcp 20 127 10.0.1.2 203.0.113.9 50001 443 offset 8 S 12345 win 32 name="value" (policy)`;
/// the numbers before and after the protocol may be missing.
fn positions<'r>(text: &'r [u8], fields: &mut Fields<'r>) {
    let head_end = find!(text, b"=\"").unwrap_or(text.len());
    let head = text.get(..head_end).unwrap_or_default();
    let words = || head.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let Some(at) = words().position(|word| address(word).is_some()) else { return };
    let nth = |at: usize| words().nth(at).unwrap_or_default();
    fields.put(Action, nth(0));
    if let Some(place) = (3..at).find(|place| number(nth(*place)).is_none() && protocol(nth(*place)).is_some()) {
        fields.put(Protocol, nth(place));
        fields.put(InInterface, nth(1));
        fields.put(OutInterface, nth(2));
    }
    fields.put(SrcIp, nth(at));
    fields.put(DstIp, nth(at + 1));
    if number(nth(at + 2)).is_some() && number(nth(at + 3)).is_some() {
        fields.put(SrcPort, nth(at + 2));
        fields.put(DstPort, nth(at + 3));
    }
    if let Some(offset) = words().position(|word| word == b"offset") {
        fields.put(State, nth(offset + 2));
        fields.put(TcpSequence, nth(offset + 3));
    }
    fields.take(&OWN, pairs(text.get(head.len().saturating_sub(24)..).unwrap_or_default(), SPACED));
    if let Some(begin) = memchr::memrchr(b'(', text)
        && let Some(end) = memchr::memrchr(b')', text)
        && begin < end
    {
        fields.put(Rule, text.get(begin + 1..end).unwrap_or_default());
    }
}
