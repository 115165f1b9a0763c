//! IBM LEEF by its predefined attributes, whoever wrote it.

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::record::Record;

/// The predefined attributes ("IBM QRadar Log Event Extended Format", version 2), as far as they say who talked to whom,
/// and what many vendors add to them.
pub(crate) const DICTIONARY: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("srcPort", SrcPort),
    ("dst", DstIp),
    ("dstPort", DstPort),
    ("proto", Protocol),
    ("action", Action),
    ("act", Action),
    ("srcBytes", BytesOut),
    ("dstBytes", BytesIn),
    ("srcPackets", PacketsOut),
    ("dstPackets", PacketsIn),
    ("devTime", Time),
    ("srcPostNAT", NatSrcIp),
    ("srcPostNATPort", NatSrcPort),
    ("dstPostNAT", NatDstIp),
    ("dstPostNATPort", NatDstPort),
    ("usrName", User),
    ("accountName", User),
    ("identHostName", Device),
    ("devName", Device),
    ("policy", Rule),
    ("rule", Rule),
    ("url", Domain),
    ("domain", Domain),
    ("resource", Domain),
    ("app", Application),
    ("application", Application),
    ("sessionid", Session),
    ("msg", Message),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[DICTIONARY]));

/// The format.
pub(crate) struct Leef;

impl Dialect for Leef {
    fn id(&self) -> &'static str {
        "leef"
    }

    fn title(&self) -> &'static str {
        "IBM QRadar LEEF 1.0 and 2.0 of any vendor, plain or in syslog, by its predefined attributes"
    }

    fn signature(&self) -> &'static str {
        "LEEF records (LEEF:2.0|vendor|product|...)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.leef.is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(header) = record.leef else { return Err("no header".into()) };
        let mut fields = Fields::default();
        let mut unit = None;
        for (name, value) in header.pairs() {
            match name {
                b"cat" if fields.category.is_none() => fields.set(Category, value),
                b"sev" => unit = crate::formats::firewall::bytes::number(&value),
                _ => {
                    if let Some(field) = NAMES.get(name) {
                        fields.set(field, value);
                    }
                }
            }
        }
        // A severity of 7 and more, of 10, is an alert; its name is that of the event.
        if unit.is_some_and(|severity| (7..=10).contains(&severity)) && !header.event.is_empty() {
            fields.put(Threat, header.event);
        }
        out.connection(fields, record)
    }
}
