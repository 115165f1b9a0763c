//! Clavister cOS logs: `id=600001 event=conn_open [message=...][rules rule=...][conn [conn connsrcip=...]]`, and the
//! older `EFW: CONN: prio=1 id=00600001 rev=1 event=conn_open connsrcip=...` ("cOS Core Log Reference Guide").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::action;
use crate::formats::firewall::bytes::{has, number, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACIOUS, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Clavister;

const TAGS: &[(&str, Field)] = &[
    ("connsrcip", SrcIp),
    ("srcip", SrcIp),
    ("remote_ip", SrcIp),
    ("connsrcport", SrcPort),
    ("srcport", SrcPort),
    ("remote_port", SrcPort),
    ("conndestip", DstIp),
    ("destip", DstIp),
    ("local_ip", DstIp),
    ("conndestport", DstPort),
    ("destport", DstPort),
    ("local_port", DstPort),
    ("connipproto", Protocol),
    ("ipproto", Protocol),
    ("action", Action),
    ("origsent", BytesOut),
    ("termsent", BytesIn),
    ("conntime", Duration),
    ("connrecvif", InInterface),
    ("recvif", InInterface),
    ("conndestif", OutInterface),
    ("connrecvzone", InZone),
    ("recvzone", InZone),
    ("conndestzone", OutZone),
    ("newconnsrcip", NatSrcIp),
    ("connnewsrcip", NatSrcIp),
    ("newconnsrcport", NatSrcPort),
    ("connnewsrcport", NatSrcPort),
    ("newconndestip", NatDstIp),
    ("connnewdestip", NatDstIp),
    ("newconndestport", NatDstPort),
    ("connnewdestport", NatDstPort),
    ("rule", Rule),
    ("username", User),
    ("user", User),
    ("application", Application),
    ("family", Category),
    ("categories", Category),
    ("signature", Threat),
    ("url", Domain),
];

/// Of events without a connection: who the peer of the firewall was.
const PEERS: &[(&str, Field)] = &[("ipaddr", SrcIp), ("client_ip", SrcIp), ("knownip", SrcIp)];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));
static PEER_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[PEERS]));

impl Dialect for Clavister {
    fn id(&self) -> &'static str {
        "clavister"
    }

    fn title(&self) -> &'static str {
        "Clavister cOS Core and cOS Stream (id= event= with groups in brackets; EFW: of older releases)"
    }

    fn signature(&self) -> &'static str {
        "Clavister events (id=, event=, [message=...] or EFW: and prio=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        record.json.is_none()
            && has!(line, b" event=")
            && has!(line, b"id=")
            && (has!(line, b"[message=") || has!(line, b" message=") && has!(line, b"[alg ") || has!(line, b"EFW: "))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut peer = Fields::default();
        let mut event: Option<&[u8]> = None;
        let mut opened_here = false;
        let line = record.line;
        for (name, value) in pairs(line, SPACIOUS) {
            let name = name.trim_ascii_start();
            let name = name.rsplit(|byte| *byte == b'[').next().unwrap_or(name);
            let value = alone(value);
            match name {
                b"event" => event = event.or(value),
                // Whether this side began the tunnel.
                b"initiator" => opened_here |= value == Some(b"TRUE"),
                b"ipproto" if matches!(value, Some(b"Ip4" | b"Ip6" | b"Arp")) => {}
                _ => {
                    let Some(value) = value else { continue };
                    match NAMES.get(name) {
                        Some(field @ (BytesOut | BytesIn)) => match size(value) {
                            Some(Cow::Borrowed(exact)) => fields.put(field, exact),
                            Some(Cow::Owned(scaled)) => fields.set(field, Cow::Owned(scaled)),
                            None => fields.put(field, value),
                        },
                        Some(field) => fields.put(field, value),
                        None => {
                            if let Some(field) = PEER_NAMES.get(name) {
                                peer.put(field, value);
                            }
                        }
                    }
                }
            }
        }
        if let Some((_, rest)) = split_once(line.get(..40).unwrap_or_default(), b"[")
            && let Some((own, _)) = split_once(rest, b"] EFW: ")
        {
            // "<134>[2026-11-20 14:34:46] EFW: CONN: prio=1 id=...": releases before the fields were grouped.
            fields.time = Stamp::read(own);
        }
        if opened_here && has!(line, b"local_ip=") {
            fields.turn();
        }
        if fields.flow.src.is_none() {
            fields.flow.src = peer.flow.src;
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        fields.connection.action =
            verdict(event.unwrap_or_default(), fields.action_word.as_deref().unwrap_or_default());
        out.connection(fields, record)
    }
}

/// A value without the brackets that close its group and open the next.
fn alone(value: Cow<'_, [u8]>) -> Option<&[u8]> {
    let Cow::Borrowed(value) = value else { return None };
    let end = [b" ]".as_slice(), b" ["].iter().filter_map(|mark| memchr::memmem::find(value, mark)).min();
    let value = value.get(..end.unwrap_or(value.len()))?;
    Some(value.trim_ascii_end().strip_suffix(b"]").unwrap_or(value).trim_ascii())
}

/// `59.0`, `4.95 K`, `1.20 M`: bytes, in three digits and powers of 1000.
fn size(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some((digits, unit)) = split_once(value, b" ") else { return Some(Cow::Borrowed(value)) };
    let power: u32 = match unit.trim_ascii() {
        b"K" => 3,
        b"M" => 6,
        b"G" => 9,
        _ => return None,
    };
    let (whole, part) = split_once(digits, b".").unwrap_or((digits, b""));
    let scale = 10_u64.checked_pow(power.checked_sub(u32::try_from(part.len()).ok()?)?)?;
    let mut both = whole.to_vec();
    both.extend_from_slice(part);
    Some(Cow::Owned(number(&both)?.checked_mul(scale)?.to_string().into_bytes()))
}

/// A connection that is opened or ends by itself was let through.
fn verdict(event: &[u8], action_word: &[u8]) -> Option<Verdict> {
    match (event, action_word) {
        (b"conn_open" | b"conn_close" | b"conn_open_natsat" | b"conn_close_natsat", _) => Some(Verdict::Allow),
        (_, b"close") => Some(Verdict::Deny),
        (_, word) => action::verdict(word),
    }
}
