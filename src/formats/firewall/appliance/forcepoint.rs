//! Forcepoint (Stonesoft) NGFW logs as the Log Server forwards them: CEF and LEEF ("Forcepoint NGFW Product Guide",
//! "Log entry fields").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::action;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::generic::{cef, leef};
use crate::formats::firewall::record::Record;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Forcepoint;

const TAGS: &[(&str, Field)] = &[
    ("RuleID", Rule),
    ("RuleId", Rule),
    ("sender", Device),
    ("srcZone", InZone),
    ("dstZone", OutZone),
    ("accElapsed", Duration),
    ("accRxBytes", BytesIn),
    ("accTxBytes", BytesOut),
];

static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS, cef::DICTIONARY]));
static LEEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS, leef::DICTIONARY]));

impl Dialect for Forcepoint {
    fn id(&self) -> &'static str {
        "forcepoint"
    }

    fn title(&self) -> &'static str {
        "Forcepoint NGFW (Stonesoft) as its Log Server forwards it (CEF, LEEF)"
    }

    fn signature(&self) -> &'static str {
        "CEF or LEEF of Forcepoint or Stonesoft firewalls"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.is("forcepoint", "") || header.is("stonesoft", "");
        }
        record.leef.as_ref().is_some_and(|header| header.is("forcepoint") || header.is("stonesoft"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut event: Cow<'_, [u8]> = Cow::Borrowed(b"");
        if let Some(header) = &record.cef {
            cef::take(header.extension, &CEF, &mut fields);
            event = Cow::Borrowed(header.name);
        } else if let Some(header) = &record.leef {
            fields.take(&LEEF, header.pairs());
            event = Cow::Borrowed(header.event);
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        fields.decide(verdict(&event));
        out.connection(fields, record)
    }
}

/// `Connection_Allowed`, `Connection_Discarded`, `Connection_Refused`, `Connection_Closed`.
fn verdict(event: &[u8]) -> Option<Verdict> {
    let word = event.strip_prefix(b"Connection_")?;
    if word.starts_with(b"Closed") { Some(Verdict::Allow) } else { action::verdict(word) }
}
