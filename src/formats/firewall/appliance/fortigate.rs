//! FortiOS logs of FortiGate and FortiProxy: `name=value`, CEF, and what FortiAnalyzer forwards
//! (FortiOS Log Message Reference, "Log field format").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::generic::cef;
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct FortiGate;

const FORTIOS: &[(&str, Field)] = &[
    ("srcip", SrcIp),
    ("srcport", SrcPort),
    ("dstip", DstIp),
    ("dstport", DstPort),
    ("locip", SrcIp),
    ("locport", SrcPort),
    ("remip", DstIp),
    ("remport", DstPort),
    ("proto", Protocol),
    ("action", Action),
    ("utmaction", Action),
    ("eventtime", Time),
    ("tz", Zone),
    ("duration", Duration),
    ("sentbyte", BytesOut),
    ("rcvdbyte", BytesIn),
    ("sentpkt", PacketsOut),
    ("rcvdpkt", PacketsIn),
    ("srcintf", InInterface),
    ("dstintf", OutInterface),
    ("policyid", Rule),
    ("transip", NatSrcIp),
    ("transport", NatSrcPort),
    ("tranip", NatDstIp),
    ("tranport", NatDstPort),
    ("user", User),
    ("unauthuser", User),
    ("devname", Device),
    ("app", Application),
    ("appcat", Category),
    ("catdesc", Category),
    ("hostname", Domain),
    ("qname", Domain),
    ("sessionid", Session),
    ("attack", Threat),
    ("virus", Threat),
    ("msg", Message),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FORTIOS]));
static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[cef::DICTIONARY]));

impl Dialect for FortiGate {
    fn id(&self) -> &'static str {
        "fortigate"
    }

    fn title(&self) -> &'static str {
        "Fortinet FortiGate and FortiProxy (FortiOS name=value, CEF, as forwarded by FortiAnalyzer)"
    }

    fn signature(&self) -> &'static str {
        "FortiOS fields (devname= or devid=, logid=, type=, subtype=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.is("forti", "");
        }
        let line = record.line;
        let fields = has!(line, b"logid=") && has!(line, b"type=");
        record.json.is_none() && fields && (has!(line, b"devid=") || has!(line, b"devname=") || has!(line, b"vd="))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some(header) = &record.cef {
            // Fields without a place in the dictionary keep their names behind a prefix; its times are FortiOS' own.
            for (name, value) in crate::formats::firewall::notation::cef::pairs(header.extension) {
                let own = name.strip_prefix(b"FTNTFGT").or(name.strip_prefix(b"FortinetFortiGate"));
                let field = own.map_or_else(|| CEF.get(name), |own| NAMES.get(own));
                if let Some(field) = field {
                    fields.set(field, value);
                }
            }
        } else {
            let style = if has!(record.line, b",logid=") { COMMAS } else { SPACED };
            let (mut date, mut time) = (None, None);
            for (name, value) in pairs(record.line, style) {
                match name {
                    b"date" => date = Some(value),
                    b"time" => time = Some(value),
                    _ => {
                        if let Some(field) = NAMES.get(name) {
                            fields.set(field, value);
                        }
                    }
                }
            }
            // The local time counts only where FortiOS gives none since 1970.
            if let (None, Some(date), Some(time)) = (fields.time, date, time) {
                fields.time = Stamp::joined(&date, &time);
            }
        }
        let action = allowed(fields.action_word.as_ref());
        fields.decide(action);
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        out.connection(fields, record)
    }
}

/// Words that say how an allowed session ended or began.
fn allowed(word: Option<&Cow<'_, [u8]>>) -> Option<Verdict> {
    let allowed: [&[u8]; 8] =
        [b"close", b"timeout", b"server-rst", b"client-rst", b"ip-conn", b"start", b"dns", b"passthrough"];
    let word: &[u8] = word?;
    allowed.contains(&word).then_some(Verdict::Allow)
}
