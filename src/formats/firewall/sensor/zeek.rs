//! Zeek logs, tab-separated under `#fields` or JSON (<https://docs.zeek.org/en/master/log-formats.html>).

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::table::Table;

/// The format.
pub(crate) struct Zeek;

const CONN: &[(&str, Field)] = &[
    ("ts", Start),
    ("id.orig_h", SrcIp),
    ("id.orig_p", SrcPort),
    ("id.resp_h", DstIp),
    ("id.resp_p", DstPort),
    ("proto", Protocol),
    ("duration", Duration),
    ("orig_ip_bytes", BytesOut),
    ("resp_ip_bytes", BytesIn),
    ("orig_pkts", PacketsOut),
    ("resp_pkts", PacketsIn),
    ("conn_state", State),
    ("service", Application),
    ("uid", Session),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[CONN]));

impl Dialect for Zeek {
    fn id(&self) -> &'static str {
        "zeek"
    }

    fn title(&self) -> &'static str {
        "Zeek logs (TSV and JSON)"
    }

    fn signature(&self) -> &'static str {
        "Zeek records (#fields, or id.orig_h and id.resp_h)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.row.is_some() || (record.has("id.orig_h") && record.has("id.resp_h"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some((table, row)) = record.row {
            table.take(row, &mut fields);
        }
        out.connection(fields, record)
    }

    fn header(&self, line: &[u8], before: &Table) -> Option<Table> {
        let header = line.strip_prefix(b"#")?;
        let (name, rest) = crate::formats::firewall::bytes::split_once(header, b"\t")?;
        match name {
            b"fields" => {
                let columns = rest.split(|byte| *byte == b'\t').map(|name| String::from_utf8_lossy(name).into_owned());
                Some(Table::new(b'\t', columns.collect(), &NAMES))
            }
            _ => Some(before.clone()),
        }
    }
}
