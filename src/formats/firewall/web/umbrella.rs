//! Cisco Umbrella: the CSV that it exports to S3, one kind of columns for each kind of log ("Log Formats and Versioning").
//! Later versions only added columns at the end. Times are UTC.

use std::borrow::Cow;

use crate::formats::firewall::bytes::{address, number, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::notation::delimited::cells;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone as Offset};
use crate::model::{Detail, Dns};

/// The format.
pub(crate) struct Umbrella;

/// A kind of log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dns,
    Ip,
    Proxy,
    Firewall,
}

impl Dialect for Umbrella {
    fn id(&self) -> &'static str {
        "umbrella"
    }

    fn title(&self) -> &'static str {
        "Cisco Umbrella logs (CSV of DNS, IP layer, proxy and cloud-delivered firewall)"
    }

    fn signature(&self) -> &'static str {
        "columns of Umbrella (time, identity, addresses, Allowed or Blocked)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && dated(record.line) && kind(&cells(record.line.trim_ascii(), b',')).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let row = cells(record.line.trim_ascii(), b',');
        let Some(kind) = kind(&row) else { return Err("no columns of a known kind".into()) };
        of_columns(kind, &row, record, out)
    }
}

/// Begins with a date and time, in quotes or not.
fn dated(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    line.get(4) == Some(&b'-') && line.get(13) == Some(&b':') && line.first().is_some_and(u8::is_ascii_digit)
}

fn kind(row: &[Cow<'_, [u8]>]) -> Option<Kind> {
    let cell = |place: usize| row.get(place).map(|cell| &**cell).unwrap_or_default();
    Stamp::read(cell(0))?;
    let is_address = |place: usize| address(cell(place)).is_some();
    let may_be = |place: usize| cell(place).is_empty() || is_address(place);
    let is_port = |place: usize| number(cell(place)).is_some();
    let verdict = |place: usize| {
        [&b"allowed"[..], b"blocked", b"proxied", b"allow", b"block"]
            .iter()
            .any(|word| cell(place).eq_ignore_ascii_case(word))
    };
    if is_address(2) && is_port(3) && is_address(4) && is_port(5) && row.len() >= 7 {
        Some(Kind::Ip)
    } else if may_be(3) && may_be(4) && (is_address(3) || is_address(4)) && verdict(5) && row.len() >= 9 {
        Some(Kind::Dns)
    } else if may_be(2) && may_be(3) && (is_address(2) || is_address(3)) && verdict(6) && row.len() >= 12 {
        Some(Kind::Proxy)
    } else if is_address(7) && is_address(9) && verdict(13) {
        Some(Kind::Firewall)
    } else {
        None
    }
}

fn of_columns<'r>(kind: Kind, row: &'r [Cow<'r, [u8]>], record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let cell = |place: usize| row.get(place).map(|cell| &**cell).unwrap_or_default();
    let mut fields = Fields::default();
    fields.put(Time, cell(0));
    fields.zone = Some(Offset(0));
    let columns: &[_] = match kind {
        Kind::Dns => &[(3, SrcIp), (4, NatSrcIp), (4, SrcIp), (5, Action), (8, Domain), (9, Category), (1, User)],
        Kind::Ip => &[(2, SrcIp), (3, SrcPort), (4, DstIp), (5, DstPort), (6, Category), (1, User)],
        Kind::Proxy => &[
            (2, SrcIp),
            (3, NatSrcIp),
            (3, SrcIp),
            (4, DstIp),
            (6, Action),
            (7, Domain),
            (11, BytesOut),
            (12, BytesIn),
            (15, Category),
            (1, User),
        ],
        Kind::Firewall => &[
            (2, User),
            (4, Direction),
            (5, Protocol),
            (7, SrcIp),
            (8, SrcPort),
            (9, DstIp),
            (10, DstPort),
            (11, Device),
            (12, Rule),
            (13, Action),
        ],
    };
    for (place, field) in columns {
        fields.put(*field, cell(*place));
    }
    if kind == Kind::Dns {
        let name = cell(8);
        let kind = cell(6);
        let begin = memchr::memchr(b'(', kind).map_or(0, |at| at + 1);
        let end = memchr::memchr(b')', kind).unwrap_or(kind.len());
        let dns = Dns {
            query: text(name.strip_suffix(b".").unwrap_or(name)).into_owned(),
            record_type: text(kind.get(begin..end).unwrap_or_default()).into_owned(),
            response: true,
            response_code: (!cell(7).is_empty()).then(|| text(cell(7)).into_owned()),
            ..Dns::default()
        };
        let span = out.times(&mut fields);
        out.observe(span, None, Some(fields.flow), Detail::Dns(dns));
    }
    out.connection(fields, record)
}
