//! Stormshield Network Security logs (SNS "Audit logs": name=value, `logtype=` last).

use std::sync::LazyLock;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;

/// The format.
pub(crate) struct Stormshield;

const TAGS: &[(&str, Field)] = &[
    ("src", SrcIp),
    // Of an administrator, in the log of the server that configures the device.
    ("address", SrcIp),
    ("srcport", SrcPort),
    ("dst", DstIp),
    ("dstport", DstPort),
    ("ipproto", Protocol),
    ("proto", Application),
    ("action", Action),
    ("startime", Start),
    ("time", Time),
    ("tz", Zone),
    ("duration", Duration),
    ("sent", BytesOut),
    ("rcvd", BytesIn),
    ("srcifname", InInterface),
    ("dstifname", OutInterface),
    ("modsrc", NatSrcIp),
    ("modsrcport", NatSrcPort),
    ("origdst", NatDstIp),
    ("origdstport", NatDstPort),
    ("rulename", Rule),
    ("user", User),
    ("fw", Device),
    ("dstname", Domain),
    ("cat_site", Category),
    ("virus", Threat),
    ("msg", Message),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));

impl Dialect for Stormshield {
    fn id(&self) -> &'static str {
        "stormshield"
    }

    fn title(&self) -> &'static str {
        "Stormshield Network Security (filter, connection, plugin, alarm, auth and VPN logs)"
    }

    fn signature(&self) -> &'static str {
        "Stormshield fields (fw=, startime=, logtype=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        record.json.is_none()
            && has!(line, b"startime=")
            && has!(line, b"fw=")
            && (has!(line, b"logtype=") || has!(line, b"slotlevel="))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut alarm = false;
        let mut number = None;
        for (name, value) in pairs(record.line, SPACED) {
            match name {
                // The name of the rule, which comes later, says more.
                b"ruleid" => number = Some(value),
                b"logtype" => alarm = *value == *b"alarm",
                _ => {
                    if let Some(field) = NAMES.get(name) {
                        fields.set(field, value);
                    }
                }
            }
        }
        if let Some(number) = number {
            fields.set(Rule, number);
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        if alarm && fields.threat.is_none() {
            fields.threat = fields.message.clone();
        }
        out.connection(fields, record)
    }
}
