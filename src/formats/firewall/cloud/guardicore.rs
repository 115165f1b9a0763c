//! Akamai Guardicore Centra: CEF of its network log and incidents, and the JSON of its exports.

use std::sync::LazyLock;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, text_of};
use crate::formats::firewall::generic::cef as dictionary;
use crate::formats::firewall::notation::cef;
use crate::formats::firewall::record::Record;

/// The format.
pub(crate) struct Guardicore;

/// Names of the extension, and labels of its custom strings.
const EXTENSION: &[(&str, Field)] = &[
    ("src", Src),
    ("spt", SrcPort),
    ("dst", Dst),
    ("dpt", DstPort),
    ("proto", Protocol),
    ("act", Action),
    ("start", Start),
    ("end", End),
    ("suser", User),
    ("dhost", Domain),
    ("id", Session),
    ("connection_type", State),
    ("connection_verdict", Action),
    ("policy_rule", Rule),
    ("source_process", Process),
    ("source_process_name", Process),
    ("source_process_full_path", Process),
];

/// Of JSON exports.
const EXPORT: &[(&str, Field)] = &[
    ("Source.IP", SrcIp),
    ("Source.Port", SrcPort),
    ("Destination.IP", DstIp),
    ("Destination.Port", DstPort),
    ("Protocol", Protocol),
    ("Action", Action),
    ("ConnectionType", State),
    ("Time", Start),
    ("Timestamp", Time),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXTENSION]));
static EXPORTS: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXPORT]));

impl Dialect for Guardicore {
    fn id(&self) -> &'static str {
        "guardicore"
    }

    fn title(&self) -> &'static str {
        "Akamai Guardicore Centra (network log and incidents as CEF, exports as JSON)"
    }

    fn signature(&self) -> &'static str {
        "CEF of Guardicore Centra, or objects with Source.IP, Destination.IP and ConnectionType"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        match record.cef {
            Some(header) => header.is("guardicore", ""),
            None => record.has("Source.IP") && record.has("Destination.IP") && record.has("ConnectionType"),
        }
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        match record.cef {
            Some(header) => {
                dictionary::take(header.extension, &NAMES, &mut fields);
                // Connections are collected for minutes before they are written.
                fields.time = record.peeled.stamp;
                if has!(header.class, b"Incident") {
                    fields.threat = Some(text_of(cef::resolved(header.name)));
                }
            }
            None => fields.take_record(&EXPORTS, record),
        }
        let unknown = |text: &str| text.eq_ignore_ascii_case("unknown");
        fields.connection.process = fields.connection.process.take().filter(|process| !unknown(process));
        fields.connection.user = fields.connection.user.take().filter(|user| !unknown(user));
        if fields.flow.src.is_none() || fields.flow.dst.is_none() {
            return Err("an event without a connection".into());
        }
        out.connection(fields, record)
    }
}
