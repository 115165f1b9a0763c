//! The log of Windows Defender Firewall, `pfirewall.log`: W3C extended format ("Interpreting the Windows Firewall Log",
//! Microsoft Learn).

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::table::Table;

/// The format.
pub(crate) struct WindowsFirewall;

const COLUMNS: &[(&str, Field)] = &[
    ("action", Action),
    ("protocol", Protocol),
    ("src-ip", SrcIp),
    ("dst-ip", DstIp),
    ("src-port", SrcPort),
    ("dst-port", DstPort),
    ("size", BytesOut),
    ("tcpflags", State),
    ("tcpsyn", TcpSequence),
    ("path", Direction),
    ("pid", Pid),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[COLUMNS]));

/// The columns of version 1.5, for logs that lost their header.
const USUAL: [&str; 17] = [
    "date", "time", "action", "protocol", "src-ip", "dst-ip", "src-port", "dst-port", "size", "tcpflags", "tcpsyn",
    "tcpack", "tcpwin", "icmptype", "icmpcode", "info", "path",
];

static DEFAULT: LazyLock<Table> =
    LazyLock::new(|| Table::new(b' ', USUAL.iter().map(|name| (*name).to_owned()).collect(), &NAMES));

impl Dialect for WindowsFirewall {
    fn id(&self) -> &'static str {
        "windows-firewall"
    }

    fn title(&self) -> &'static str {
        "Windows Defender Firewall log (pfirewall.log)"
    }

    fn signature(&self) -> &'static str {
        "rows of pfirewall.log (date, time, ALLOW or DROP, protocol, addresses)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        match record.row {
            Some((_, row)) => row.len() >= 8 && Stamp::read(record.line.get(..19).unwrap_or_default()).is_some(),
            None => record.json.is_none() && row_at(record.line).is_some(),
        }
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some((table, row)) = record.row {
            table.take(row, &mut fields);
            let (date, time) = (table.cell(row, "date"), table.cell(row, "time"));
            let universal = table.header().about == "UTC";
            let stamp = date.zip(time).and_then(|(date, time)| Stamp::joined(date, time));
            fields.time = stamp.and_then(|stamp| {
                if universal { stamp.in_zone(crate::formats::firewall::syslog::Zone(0)) } else { Some(stamp) }
            });
            return finish(fields, record, out);
        }
        let Some(text) = row_at(record.line) else { return Err("no row".into()) };
        let row = crate::formats::firewall::notation::delimited::cells(text, b' ');
        DEFAULT.take(&row, &mut fields);
        fields.time = text.get(..19).and_then(Stamp::read);
        finish(fields, record, out)
    }

    fn header(&self, line: &[u8], before: &Table) -> Option<Table> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let header = line.strip_prefix(b"#")?;
        if let Some(names) = header.strip_prefix(b"Fields:") {
            let columns: Vec<String> = names
                .split(|byte| matches!(byte, b' ' | b'\t'))
                .filter(|name| !name.is_empty())
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect();
            if !columns.iter().any(|name| name == "src-ip") {
                return None;
            }
            return Some(Table::new(b' ', columns, &NAMES).with(|table| table.about = before.header().about.clone()));
        }
        let own = header.starts_with(b"Version: 1.") || header.starts_with(b"Software: Microsoft Windows Firewall");
        let format = header.strip_prefix(b"Time Format:").map(<[u8]>::trim_ascii);
        if !own && format.is_none() {
            return None;
        }
        let universal = format.is_some_and(|format| !format.eq_ignore_ascii_case(b"local"));
        Some(before.with(|table| {
            if universal {
                table.about = "UTC".to_owned()
            }
        }))
    }
}

/// A row of the usual columns: `YYYY-MM-DD HH:MM:SS ACTION PROTOCOL SOURCE PEER`.
fn row_at(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if line.get(4) != Some(&b'-') || line.get(10) != Some(&b' ') || line.get(19) != Some(&b' ') {
        return None;
    }
    let mut words = line.get(20..)?.split(|byte| *byte == b' ');
    let action = words.next()?;
    words.next()?;
    let address = |word: Option<&[u8]>| {
        word.is_some_and(|word| word == b"-" || crate::formats::firewall::bytes::address(word).is_some())
    };
    let known = matches!(action, b"ALLOW" | b"DROP" | b"OPEN" | b"OPEN-INBOUND" | b"CLOSE" | b"INFO-EVENTS-LOST");
    (known && address(words.next()) && address(words.next())).then_some(line)
}

fn finish<'r>(mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    if let Some(word) = fields.action_word.as_deref() {
        let said = match word {
            b"OPEN" | b"OPEN-INBOUND" | b"CLOSE" => Some(crate::model::Action::Allow),
            b"INFO-EVENTS-LOST" => return Err("a note that events were lost".into()),
            _ => None,
        };
        fields.decide(said);
    }
    // FORWARD and UNKNOWN are no way.
    fields.impossible = fields.impossible.filter(|field| !matches!(field, Direction));
    out.connection(fields, record)
}
