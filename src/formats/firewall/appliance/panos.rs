//! Palo Alto Networks: PAN-OS, Panorama, Prisma Access and Strata Logging Service ("PAN-OS Administrator's Guide", "Syslog
//! Field Descriptions"; "Strata Logging Service", "Log Field Schema"). Columns were only ever added at the end.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, has, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::generic::{cef as generic_cef, leef as generic_leef};
use crate::formats::firewall::notation::delimited::cells;
use crate::formats::firewall::notation::json;
use crate::formats::firewall::numbers::Counting;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone};
use crate::model::{Alert, Detail};
use crate::time::SECOND;

/// The format.
pub(crate) struct Panos;

/// Columns that TRAFFIC, THREAT, DECRYPTION, TUNNEL and SCTP have in common, from 0.
const COMMON: &[(usize, Field)] = &[
    (7, SrcIp),
    (8, DstIp),
    (9, NatSrcIp),
    (10, NatDstIp),
    (11, Rule),
    (12, User),
    (14, Application),
    (16, InZone),
    (17, OutZone),
    (18, InInterface),
    (19, OutInterface),
    (22, Session),
    (24, SrcPort),
    (25, DstPort),
    (26, NatSrcPort),
    (27, NatDstPort),
    (29, Protocol),
    (30, Action),
];

const TRAFFIC: &[(usize, Field)] = &[
    (32, BytesOut),
    (33, BytesIn),
    (35, Start),
    (36, Duration),
    (37, Category),
    (44, PacketsOut),
    (45, PacketsIn),
    (46, State),
    (52, Device),
];

const THREAT: &[(usize, Field)] = &[(33, Category), (59, Device)];

/// Of the JSON and CEF of Strata Logging Service; in CEF these have `PanOS` before them or are labels.
const STRATA: &[(&str, Field)] = &[
    ("SourceAddress", SrcIp),
    ("SourceIP", SrcIp),
    ("SourcePort", SrcPort),
    ("DestinationAddress", DstIp),
    ("DestinationIP", DstIp),
    ("DestinationPort", DstPort),
    ("Protocol", Protocol),
    ("Action", Action),
    ("NATSource", NatSrcIp),
    ("NATSourcePort", NatSrcPort),
    ("NATDestination", NatDstIp),
    ("NATDestinationPort", NatDstPort),
    ("Rule", Rule),
    ("RuleMatched", Rule),
    ("SourceUser", User),
    ("SourceUserName", User),
    ("Application", Application),
    ("FromZone", InZone),
    ("ToZone", OutZone),
    ("Source Zone", InZone),
    ("Destination Zone", OutZone),
    ("InboundInterface", InInterface),
    ("OutboundInterface", OutInterface),
    ("SessionID", Session),
    ("BytesSent", BytesOut),
    ("BytesReceived", BytesIn),
    ("PacketsSent", PacketsOut),
    ("PacketsReceived", PacketsIn),
    ("SessionStartTime", Start),
    ("SessionStart", Start),
    ("SessionDuration", Duration),
    ("TotalTimeElapsed", Duration),
    ("Elapsed time in seconds", Duration),
    ("SessionEndReason", State),
    ("TimeGeneratedHighResolution", Time),
    ("URLCategory", Category),
    ("URL", Domain),
    ("SNI", Domain),
    ("ServerNameIndication", Domain),
    ("ThreatName", Threat),
    ("ThreatID", Threat),
    ("DeviceName", Device),
    ("LogSourceName", Device),
];

/// What `start` and `rt` of the CEF of Strata are: both when the record was made.
const CEF: &[(&str, Field)] = &[("start", Time), ("deviceExternalId", Device), ("cat", Threat)];

const LEEF: &[(&str, Field)] = &[
    ("RuleName", Rule),
    ("SourceUser", User),
    ("Application", Application),
    ("SourceZone", InZone),
    ("DestinationZone", OutZone),
    ("IngressInterface", InInterface),
    ("EgressInterface", OutInterface),
    ("SessionID", Session),
    ("StartTime", Start),
    ("ElapsedTime", Duration),
    ("URLCategory", Category),
    ("ThreatID", Threat),
    ("DeviceName", Device),
    ("SessionEndReason", State),
];

static JSON_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[STRATA]));
static CEF_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[CEF, STRATA, generic_cef::DICTIONARY]));
static LEEF_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[LEEF, generic_leef::DICTIONARY]));

const TYPES: [&[u8]; 15] = [
    b"TRAFFIC",
    b"THREAT",
    b"SYSTEM",
    b"CONFIG",
    b"GLOBALPROTECT",
    b"USERID",
    b"DECRYPTION",
    b"HIPMATCH",
    b"HIP-MATCH",
    b"AUTH",
    b"AUTHENTICATION",
    b"TUNNEL",
    b"SCTP",
    b"IPTAG",
    b"CORRELATION",
];

impl Dialect for Panos {
    fn id(&self) -> &'static str {
        "panos"
    }

    fn title(&self) -> &'static str {
        "Palo Alto Networks PAN-OS, Panorama, Prisma Access and Strata Logging Service (CSV, CEF, LEEF, JSON)"
    }

    fn signature(&self) -> &'static str {
        "PAN-OS columns (serial number, TRAFFIC or THREAT, subtype) or names (SourceAddress, LogType)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.is("palo alto", "");
        }
        if let Some(header) = &record.leef {
            return header.is("palo alto");
        }
        if record.json.is_some() {
            return record.has("LogType")
                && (record.has("ConfigVersion") || record.has("DeviceSN") || record.has("LogSourceID"));
        }
        columns(record.line).is_some()
    }

    fn counting(&self) -> Option<&'static Counting> {
        static RECORDS: Counting = Counting {
            what: "records",
            innocent: "a filter of what is forwarded, a datagram that was lost on its way",
            shared: false,
            of: sequence,
        };
        Some(&RECORDS)
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        if let Some(object) = record.json {
            return of_object(object, record, out);
        }
        if let Some(header) = &record.cef {
            return of_cef(header, record, out);
        }
        if let Some(header) = &record.leef {
            let mut fields = Fields::default();
            fields.take(&LEEF_NAMES, header.pairs());
            return out.connection(fields, record);
        }
        let Some((_, row)) = columns(record.line) else { return Err("no columns".into()) };
        let row = cells(row, b',');
        of_columns(&row, record, out)
    }
}

/// Serial number of the device with the type of the record, and its sequence number ("Sequence Number: a 64-bit log entry
/// identifier incremented sequentially; each log type has a unique number space").
fn sequence(line: &[u8]) -> Option<(&[u8], u64)> {
    let (kind, row) = columns(line)?;
    let place = match kind {
        b"TRAFFIC" => 39,
        b"THREAT" => 36,
        b"SYSTEM" => 15,
        _ => return None,
    };
    let count = number(cells(row, b',').get(place)?).filter(|count| *count > 0)?;
    let mut commas = memchr::memchr_iter(b',', row);
    let (_, from, _, to) = (commas.next()?, commas.next()?, commas.next()?, commas.next()?);
    Some((row.get(from + 1..to)?, count))
}

/// The type of the record and its columns from the first one on: `1,TIME,SERIAL,TYPE,SUBTYPE,...`.
fn columns(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut commas = memchr::memchr_iter(b',', line);
    let mut last = [commas.next()?, commas.next()?, commas.next()?];
    // Headers may hold a comma or two.
    for _ in 0..8 {
        let next = commas.next()?;
        let [first, _, third] = last;
        let kind = line.get(third + 1..next)?;
        if TYPES.contains(&kind) {
            let begin = line.get(..first)?.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1);
            let serial = line.get(last[1] + 1..third)?;
            let date = line.get(first + 1..last[1])?;
            let fits = serial.iter().all(u8::is_ascii_alphanumeric) && date.first().is_some_and(u8::is_ascii_digit);
            return fits.then_some((kind, line.get(begin..)?));
        }
        last = [last[1], third, next];
    }
    None
}

fn of_columns<'r>(row: &'r [Cow<'r, [u8]>], record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let cell = |place: usize| row.get(place).map(|cell| &**cell).unwrap_or_default();
    let mut fields = Fields::default();
    // The one time with an offset, among the columns of later versions; it tells the zone of the others.
    let exact =
        row.iter().skip(14).find(|cell| cell.len() >= 25 && cell.get(10) == Some(&b'T') && cell.contains(&b':'));
    if let Some(exact) = exact {
        fields.put(Time, exact);
        fields.zone = exact.get(exact.len() - 6..).and_then(Zone::read);
    }
    let put = |fields: &mut Fields<'r>, columns: &[(usize, Field)]| {
        for (place, field) in columns {
            if let Some(cell) = row.get(*place) {
                fields.put(*field, cell);
            }
        }
    };
    fields.put(Time, cell(6));
    fields.put(Time, cell(1));
    match cell(3) {
        b"TRAFFIC" => put(&mut fields, TRAFFIC),
        b"THREAT" => {
            put(&mut fields, THREAT);
            match cell(4) {
                b"url" => fields.put(Domain, cell(31)),
                b"file" | b"data" => {}
                _ => fields.put(Threat, cell(32)),
            }
        }
        b"DECRYPTION" | b"TUNNEL" | b"SCTP" => {}
        other => return about_a_user(other, row, fields, record, out),
    }
    put(&mut fields, COMMON);
    // Other notations of times ("9/16/19 10:00") come from spreadsheets and are to the minute.
    if matches!(fields.impossible, Some(Start | Duration | Time)) {
        fields.impossible = None;
    }
    fields.duration_ns = fields.duration_ns.filter(|_| fields.start.is_none() || cell(4) != b"start");
    out.connection(fields, record)
}

/// Records on a user: who came from where.
fn about_a_user<'r>(
    kind: &[u8],
    row: &'r [Cow<'r, [u8]>],
    mut fields: Fields<'r>,
    record: &'r Record<'r>,
    out: &mut Out<'_>,
) -> Outcome {
    let cell = |place: usize| row.get(place).map(|cell| &**cell).unwrap_or_default();
    let said = cell(14);
    let quoted = |before: &[u8]| {
        let (_, rest) = split_once(said, before)?;
        rest.split(|byte| *byte == b'\'').next()
    };
    let (from, user, what) = match kind {
        b"GLOBALPROTECT" => (cell(15), cell(12), cell(8)),
        b"USERID" => (cell(8), cell(9), cell(4)),
        b"AUTH" | b"AUTHENTICATION" => (cell(8), cell(9), cell(18)),
        b"SYSTEM" if cell(4) == b"auth" || cell(4) == b"globalprotect" => {
            let (_, from) = split_once(said, b"From: ").or_else(|| split_once(said, b" from ")).unwrap_or_default();
            let from = from.strip_prefix(b"'").unwrap_or(from);
            let from = from.split(|byte| matches!(byte, b' ' | b',' | b'\'')).next().unwrap_or_default();
            (from.strip_suffix(b".").unwrap_or(from), quoted(b"user '").unwrap_or_default(), said)
        }
        // The host that an administrator came from, the name, the command.
        b"CONFIG" => (cell(7), cell(10), cell(9)),
        b"HIPMATCH" | b"HIP-MATCH" => (cell(11), cell(7), cell(12)),
        b"SYSTEM" if has!(said, b", initiated by: ") => return to_directory(said, fields, record, out),
        _ => return Err("a record on the device itself (SYSTEM, IPTAG, CORRELATION)".into()),
    };
    if address(from).is_none() {
        return Err("a record on a user, without an address".into());
    }
    fields.put(SrcIp, from);
    fields.put(User, user);
    let what = if what.is_empty() { cell(4) } else { what };
    report(kind, Cow::Borrowed(what), fields, record, out)
}

/// `ldap cfg NAME connected to server 192.0.2.9:636, initiated by: 192.0.2.1`.
fn to_directory<'r>(said: &'r [u8], mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let after = |mark: &[u8]| split_once(said, mark)?.1.split(|byte| matches!(byte, b' ' | b',' | b'"')).next();
    fields.put(Dst, after(b" server ").unwrap_or_default());
    fields.put(SrcIp, after(b"initiated by: ").unwrap_or_default());
    out.connection(fields, record)
}

fn report<'r>(
    kind: &[u8],
    what: Cow<'r, [u8]>,
    mut fields: Fields<'r>,
    record: &'r Record<'r>,
    out: &mut Out<'_>,
) -> Outcome {
    let failed = [&b"fail"[..], b"Fail", b"denied"].iter().any(|word| memchr::memmem::find(&what, word).is_some());
    let category = match kind {
        b"GLOBALPROTECT" => "vpn",
        b"CONFIG" => "configuration",
        b"HIPMATCH" | b"HIP-MATCH" => "host-check",
        _ if failed => "login-failed",
        _ => "login",
    };
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let message = text(&what);
    let user = fields.connection.user.take();
    let alert = Alert { category: category.into(), message, user, action: None, behaviour: None, ..Alert::default() };
    out.observe(span, fields.device.take(), Some(fields.flow), Detail::Alert(alert));
    Ok(())
}

/// A threat of these kinds is the name of a site, a file or a rule and no attack.
fn is_plain(subtype: &[u8]) -> bool {
    matches!(subtype, b"url" | b"file" | b"data" | b"start" | b"end")
}

fn of_object<'r>(object: &'r serde_json_borrow::Value<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let mut fields = Fields::default();
    json::leaves(object, &mut |path, value| {
        if let Some(field) = JSON_NAMES.get(path) {
            fields.set(field, value);
        }
    });
    let text_at = |name: &str| json::text(object, name).unwrap_or_default();
    for name in ["TimeGenerated", "EventTime", "TimeReceived", "LogTime"] {
        fields.set(Time, text_at(name));
    }
    let subtype = text_at("Subtype");
    if is_plain(&subtype) || &*text_at("LogType") != b"THREAT" {
        fields.threat = None;
    }
    if fields.is_empty() {
        for name in ["PublicIPv4", "PublicIPv6"] {
            fields.set(SrcIp, text_at(name));
        }
        if fields.is_empty() {
            return Err("a record without an address".into());
        }
        let what = json::text(object, "EventIDValue").or_else(|| json::text(object, "EventName")).unwrap_or(subtype);
        return report(b"GLOBALPROTECT", what, fields, record, out);
    }
    out.connection(fields, record)
}

/// Whether no zone can set them apart.
fn are_near(one: Stamp, other: Stamp, out: &Out<'_>) -> bool {
    let at = |stamp: Stamp| stamp.span(out.context());
    at(one).zip(at(other)).is_none_or(|(one, other)| one.lo.since(other.lo).abs() <= 26 * 3600 * SECOND)
}

fn of_cef<'r>(
    header: &crate::formats::firewall::notation::cef::Header<'r>,
    record: &'r Record<'r>,
    out: &mut Out<'_>,
) -> Outcome {
    let mut fields = Fields::default();
    for (name, value) in crate::formats::firewall::notation::cef::pairs(header.extension) {
        if let Some(field) = name.strip_prefix(b"PanOS").and_then(|own| JSON_NAMES.get(own)) {
            fields.set(field, value);
        }
    }
    let exact = fields.time.take();
    generic_cef::read(record, &CEF_NAMES, &mut fields);
    // The exact time is the same as `start` but for its fraction, and its zone. Where it is days away, `start` and `rt`
    // outvote it.
    fields.time = match (exact, fields.time) {
        (Some(exact), Some(coarse)) if !are_near(exact, coarse, out) => Some(coarse),
        (exact, coarse) => exact.or(coarse),
    };
    if header.class != b"THREAT" || is_plain(header.name) {
        fields.threat = None;
    }
    if fields.is_empty() {
        return Err("a record without an address".into());
    }
    out.connection(fields, record)
}
