//! ArcSight CEF by its dictionary, whoever wrote it.

use std::borrow::Cow;
use std::sync::LazyLock;

use smallvec::SmallVec;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, text_of};
use crate::formats::firewall::notation::cef;
use crate::formats::firewall::record::Record;

/// The extension dictionary ("Implementing ArcSight Common Event Format", version 26, chapter 2), as far as it says who
/// talked to whom. `start` is when the event began, `end` when it ended, `rt` when it was received.
pub(crate) const DICTIONARY: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("c6a2", SrcIp),
    ("spt", SrcPort),
    ("dst", DstIp),
    ("c6a3", DstIp),
    ("dpt", DstPort),
    ("proto", Protocol),
    ("act", Action),
    ("in", BytesIn),
    ("out", BytesOut),
    ("start", Start),
    ("end", End),
    ("rt", Time),
    ("deviceDirection", Direction),
    ("deviceInboundInterface", InInterface),
    ("deviceOutboundInterface", OutInterface),
    ("sourceTranslatedAddress", NatSrcIp),
    ("sourceTranslatedPort", NatSrcPort),
    ("destinationTranslatedAddress", NatDstIp),
    ("destinationTranslatedPort", NatDstPort),
    ("suser", User),
    ("duser", User),
    ("dvchost", Device),
    ("dvc", Device),
    ("app", Application),
    ("request", Domain),
    ("dhost", Domain),
    ("externalId", Session),
    ("sproc", Process),
    ("spid", Pid),
    ("msg", Message),
    ("dtz", Zone),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[DICTIONARY]));

/// The format.
pub(crate) struct Cef;

impl Dialect for Cef {
    fn id(&self) -> &'static str {
        "cef"
    }

    fn title(&self) -> &'static str {
        "ArcSight CEF of any vendor, plain or in syslog, by the names of its dictionary"
    }

    fn signature(&self) -> &'static str {
        "CEF records (CEF:0|vendor|product|...)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.cef.is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        read(record, &NAMES, &mut fields);
        out.connection(fields, record)
    }
}

/// Takes the fields of a CEF record, custom strings by their labels too. `names` is [`DICTIONARY`] with what a vendor adds
/// to it or puts before it.
pub(crate) fn read<'r>(record: &'r Record<'r>, names: &Names, fields: &mut Fields<'r>) {
    let Some(header) = record.cef else { return };
    take(header.extension, names, fields);
    if fields.threat.is_none() && cef_is_alert(header.severity) && !header.name.is_empty() {
        fields.threat = Some(text_of(cef::resolved(header.name)));
    }
}

/// Name and value.
type Pair<'a> = (&'a [u8], Cow<'a, [u8]>);

/// As [`read`], without the judgement that a high severity is an alert: some vendors give every record one.
pub(crate) fn take<'r>(extension: &'r [u8], names: &Names, fields: &mut Fields<'r>) {
    if !has!(extension, b"Label=") {
        return fields.take(names, cef::pairs(extension));
    }
    let all: SmallVec<[Pair<'_>; 32]> = cef::pairs(extension).collect();
    fields.take(names, all.iter().cloned());
    labelled(&all, names, fields);
}

/// `cs1Label=Rule Name cs1=Explicit Proxy Access`: the value under the name of its label.
fn labelled<'r>(pairs: &[Pair<'r>], names: &Names, fields: &mut Fields<'r>) {
    for (name, label) in pairs {
        let Some(custom) = name.strip_suffix(b"Label") else { continue };
        let field = match names.get(label) {
            Some(field) => field,
            None if label.eq_ignore_ascii_case(b"rule name") || label.eq_ignore_ascii_case(b"rule") => Rule,
            None => continue,
        };
        if let Some((_, value)) = pairs.iter().find(|(name, _)| *name == custom) {
            fields.set(field, value.clone());
        }
    }
}

/// Severity 7 to 10, or High and Very-High.
fn cef_is_alert(severity: &[u8]) -> bool {
    matches!(severity, b"7" | b"8" | b"9" | b"10")
        || severity.eq_ignore_ascii_case(b"high")
        || severity.eq_ignore_ascii_case(b"very-high")
}
