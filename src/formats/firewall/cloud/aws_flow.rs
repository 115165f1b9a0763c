//! Flow logs of AWS VPC and transit gateways (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>).

use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, number};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::delimited::{Cells, cells};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::table::Table;
use crate::model;

/// The format.
pub(crate) struct AwsFlow;

/// `pkt-srcaddr` and `pkt-dstaddr` are the ends of the packet; `srcaddr` and `dstaddr` may be those of a NAT gateway or
/// load balancer on the way, and are then shown as its translation.
const FLOW: &[(&str, Field)] = &[
    ("srcport", SrcPort),
    ("dstport", DstPort),
    ("protocol", Protocol),
    ("packets", PacketsOut),
    ("bytes", BytesOut),
    ("start", Start),
    ("end", End),
    ("action", Action),
    ("flow-direction", Direction),
    ("flow_direction", Direction),
    ("instance-id", Device),
    ("instance_id", Device),
];

/// Fields by version, in the order of the page: the default (version 2), then what versions 3 to 10 add. A custom format
/// that begins with the default and goes on in this order is read without a header.
const ORDER: [&str; 42] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
];

/// The custom format of the page's examples of version 3.
const ORDER_OF_EXAMPLES: [&str; 21] = [
    "version",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "interface-id",
    "account-id",
    "type",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "protocol",
    "bytes",
    "packets",
    "start",
    "end",
    "action",
    "tcp-flags",
    "log-status",
];

/// The fewest fields that a record without a header has: those of version 2.
const DEFAULT: usize = 14;

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FLOW]));

/// A known order of fields, and what a cell in each place has to be.
struct Layout {
    table: Table,
    fits: Vec<fn(&[u8]) -> bool>,
}

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    let layout = |order: &[&str]| Layout {
        table: Table::new(b' ', order.iter().map(|name| (*name).to_owned()).collect(), &NAMES),
        fits: order.iter().map(|name| cell_of(name)).collect(),
    };
    let mut layouts: Vec<Layout> =
        (DEFAULT..=ORDER.len()).filter_map(|length| Some(layout(ORDER.get(..length)?))).collect();
    layouts.push(layout(&ORDER_OF_EXAMPLES));
    layouts
});

impl Dialect for AwsFlow {
    fn id(&self) -> &'static str {
        "aws-vpcflow"
    }

    fn title(&self) -> &'static str {
        "AWS VPC flow logs, versions 2 to 10 (text with or without a header, CloudWatch exports, CSV, JSON)"
    }

    fn signature(&self) -> &'static str {
        "AWS VPC flow log records (srcaddr, dstaddr, log-status)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        if record.json.is_some() {
            let any = [
                "interface_id",
                "log_status",
                "account_id",
                "interface-id",
                "log-status",
                "account-id",
                "tgw_id",
                "tgw-id",
            ];
            return record.names("srcaddr")
                && record.names("dstaddr")
                && any.into_iter().any(|name| record.names(name));
        }
        record.line.first().is_some_and(u8::is_ascii_digit) && layout(&cells(undated(record.line), b' ')).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let bare;
        let in_layout;
        let record = if record.row.is_none() && record.json.is_none() {
            bare = cells(undated(record.line), b' ');
            let Some(table) = layout(&bare) else { return Err("fields in an order that no header tells".into()) };
            in_layout = Record { row: Some((table, &bare)), ..Record::new(record.line) };
            &in_layout
        } else {
            record
        };
        read(record, out)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        let table = Table::of_names(line, &["srcaddr", "dstaddr"], &NAMES)?;
        let others = ["vswitch-id", "vswitch_id", "vm-id", "vm_id"];
        others.into_iter().all(|other| table.place(other).is_none()).then_some(table)
    }
}

/// Without the time that exports of CloudWatch put before a record.
fn undated(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    match line.get(..end).filter(|word| word.contains(&b'T')).and_then(Stamp::read) {
        Some(_) => line.get(end + 1..).unwrap_or_default(),
        None => line,
    }
}

/// The one layout that fits the cells; `None` if none does, or several.
fn layout(cells: &Cells<'_>) -> Option<&'static Table> {
    if cells.len() < DEFAULT {
        return None;
    }
    let mut fitting = LAYOUTS.iter().filter(|layout| {
        layout.fits.len() == cells.len() && layout.fits.iter().zip(cells).all(|(fits, cell)| fits(cell))
    });
    let found = fitting.next()?;
    fitting.next().is_none().then_some(&found.table)
}

/// What a cell of a column has to be.
fn cell_of(column: &str) -> fn(&[u8]) -> bool {
    match column {
        "version" => |cell| number(cell).is_some_and(|version| (2..=99).contains(&version)),
        "start" | "end" => |cell| number(cell).is_some_and(|at| (1_000_000_000..10_000_000_000).contains(&at)),
        "log-status" => |cell| matches!(cell, b"OK" | b"NODATA" | b"SKIPDATA"),
        "srcaddr" | "dstaddr" | "pkt-srcaddr" | "pkt-dstaddr" => |cell| cell == b"-" || address(cell).is_some(),
        "srcport" | "dstport" | "packets" | "bytes" | "protocol" | "tcp-flags" => {
            |cell| cell == b"-" || number(cell).is_some()
        }
        "action" => |cell| matches!(cell, b"-" | b"ACCEPT" | b"REJECT"),
        "type" => |cell| matches!(cell, b"-" | b"IPv4" | b"IPv6" | b"EFA"),
        "flow-direction" => |cell| matches!(cell, b"-" | b"ingress" | b"egress"),
        _ => |cell| !cell.is_empty(),
    }
}

fn read<'r>(record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let value = |name: &str, other: &str| record.value(name).or_else(|| record.value(other));
    out.no_flow(value("log-status", "log_status").as_deref())?;
    let mut fields = Fields::default();
    fields.take_record(&NAMES, record);
    for (field, translated, name, other, own) in [
        (SrcIp, NatSrcIp, "pkt-srcaddr", "pkt_srcaddr", "srcaddr"),
        (DstIp, NatDstIp, "pkt-dstaddr", "pkt_dstaddr", "dstaddr"),
    ] {
        if let Some(packet) = value(name, other) {
            fields.set(field, packet);
        }
        if let Some(own) = record.value(own) {
            fields.set(field, own.clone());
            fields.set(translated, own);
        }
    }
    // A network interface sees its own machine's traffic: the other interface is not told.
    if let Some(interface) = value("interface-id", "interface_id") {
        match fields.connection.direction {
            Some(model::Direction::Inbound) => fields.set(InInterface, interface),
            Some(model::Direction::Outbound) => fields.set(OutInterface, interface),
            _ => {}
        }
    }
    let flags = value("tcp-flags", "tcp_flags");
    let flags = flags.as_deref().and_then(|flags| number(flags.split(|byte| *byte == b'.').next()?));
    opener::turn_answer(&mut fields, flags);
    out.connection(fields, record)
}
