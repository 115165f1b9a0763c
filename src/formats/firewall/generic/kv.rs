//! Pairs of no vendor that is known: a source, a destination and what became of it, under the names that most use.

use std::sync::LazyLock;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::record::Record;

/// The format.
pub(crate) struct Pairs;

/// Lower case; names are compared so.
const COMMON: &[(&str, Field)] = &[
    ("src", Src),
    ("srcip", Src),
    ("src_ip", Src),
    ("src-ip", Src),
    ("sip", Src),
    ("source", Src),
    ("source_ip", Src),
    ("sourceip", Src),
    ("source_address", Src),
    ("src_addr", Src),
    ("srcaddr", Src),
    ("src_host", Src),
    ("client_ip", Src),
    ("sport", SrcPort),
    ("spt", SrcPort),
    ("srcport", SrcPort),
    ("src_port", SrcPort),
    ("src-port", SrcPort),
    ("source_port", SrcPort),
    ("sourceport", SrcPort),
    ("dst", Dst),
    ("dstip", Dst),
    ("dst_ip", Dst),
    ("dst-ip", Dst),
    ("dip", Dst),
    ("dest", Dst),
    ("destination", Dst),
    ("dest_ip", Dst),
    ("destination_ip", Dst),
    ("destinationip", Dst),
    ("destination_address", Dst),
    ("dst_addr", Dst),
    ("dstaddr", Dst),
    ("server_ip", Dst),
    ("dport", DstPort),
    ("dpt", DstPort),
    ("dstport", DstPort),
    ("dst_port", DstPort),
    ("dst-port", DstPort),
    ("dest_port", DstPort),
    ("destination_port", DstPort),
    ("destinationport", DstPort),
    ("proto", Protocol),
    ("protocol", Protocol),
    ("ip_protocol", Protocol),
    ("ipproto", Protocol),
    ("action", Action),
    ("act", Action),
    ("actiontaken", Action),
    ("disposition", Action),
    ("verdict", Action),
    ("status", Action),
    ("time", Time),
    ("timestamp", Time),
    ("ts", Time),
    ("start_time", Start),
    ("duration", Duration),
    ("bytes_out", BytesOut),
    ("bytes_sent", BytesOut),
    ("sent", BytesOut),
    ("sentbyte", BytesOut),
    ("bytes_in", BytesIn),
    ("bytes_received", BytesIn),
    ("rcvd", BytesIn),
    ("rcvdbyte", BytesIn),
    ("rule", Rule),
    ("policy", Rule),
    ("user", User),
    ("app", Application),
    ("application", Application),
    ("category", Category),
    ("in_if", InInterface),
    ("out_if", OutInterface),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[COMMON]));

impl Dialect for Pairs {
    fn id(&self) -> &'static str {
        "kv"
    }

    fn title(&self) -> &'static str {
        "Pairs name=value of any firewall, by the names that most use for source, destination and action"
    }

    fn signature(&self) -> &'static str {
        "pairs with a source address, a destination address and an action (src=, dst=, action=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_some() || record.cef.is_some() || record.leef.is_some() || record.row.is_some() {
            return false;
        }
        let line = record.line;
        let action = has!(line, b"ction=")
            || has!(line, b"act=")
            || has!(line, b"actionTaken=")
            || has!(line, b"disposition=")
            || has!(line, b"verdict=");
        if !(action || has!(line, b"status=")) {
            return false;
        }
        let fields = fields(record);
        fields.flow.src.is_some() && fields.flow.dst.is_some() && fields.connection.action.is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let fields = fields(record);
        out.connection(fields, record)
    }
}

fn fields<'r>(record: &'r Record<'_>) -> Fields<'r> {
    let line = record.line;
    let commas = has!(line, b",action=") || has!(line, b",src") || has!(line, b",dst") || has!(line, b",act=");
    let mut fields = Fields::default();
    let mut lower = [0_u8; 24];
    for (name, value) in pairs(line, if commas { COMMAS } else { SPACED }) {
        let name = name.rsplit(|byte| *byte == b' ').next().unwrap_or(name);
        let Some(slot) = lower.get_mut(..name.len()) else { continue };
        slot.copy_from_slice(name);
        slot.make_ascii_lowercase();
        let Some(field) = NAMES.get(slot) else { continue };
        // A name that many use for something else counts where its value fits.
        let fits = match field {
            Time | Start => crate::formats::firewall::syslog::Stamp::read(&value).is_some(),
            Duration => crate::formats::firewall::fields::duration(&value).is_some(),
            Protocol => crate::formats::firewall::fields::protocol(&value).is_some(),
            SrcPort | DstPort | BytesOut | BytesIn => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
            _ => true,
        };
        if fits {
            fields.set(field, value);
        }
    }
    fields
}
