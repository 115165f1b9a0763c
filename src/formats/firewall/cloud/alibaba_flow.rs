//! Flow logs of Alibaba Cloud VPC (<https://www.alibabacloud.com/help/en/vpc/user-guide/flow-log-overview>), as Simple
//! Log Service exports them.

use std::sync::LazyLock;

use crate::formats::firewall::bytes::number;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::table::Table;

/// The format.
pub(crate) struct AlibabaFlow;

const FLOW: &[(&str, Field)] = &[
    ("srcaddr", SrcIp),
    ("srcport", SrcPort),
    ("dstaddr", DstIp),
    ("dstport", DstPort),
    ("protocol", Protocol),
    ("direction", Direction),
    ("packets", PacketsOut),
    ("bytes", BytesOut),
    ("start", Start),
    ("end", End),
    ("__time__", Time),
    ("action", Action),
    ("vm-id", Device),
    ("vm_id", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FLOW]));

impl Dialect for AlibabaFlow {
    fn id(&self) -> &'static str {
        "alibaba-vpcflow"
    }

    fn title(&self) -> &'static str {
        "Alibaba Cloud VPC flow logs as exported by Simple Log Service: JSON, CSV"
    }

    fn signature(&self) -> &'static str {
        "fields of Alibaba Cloud VPC flow logs (vswitch-id, vm-id, srcaddr, dstaddr)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        let any = |names: [&str; 4]| names.into_iter().any(|name| record.names(name));
        record.names("srcaddr") && any(["vm-id", "vm_id", "vswitch-id", "vswitch_id"])
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        fields.take_record(&NAMES, record);
        let value = |name: &str, other: &str| record.value(name).or_else(|| record.value(other));
        let status = value("log-status", "log_status");
        out.no_flow(status.as_deref())?;
        // Acknowledgements are among the flags: SYN alone says who opened, SYN with ACK does not say who answered.
        let flags = value("tcp-flags", "tcp_flags").and_then(|flags| number(&flags));
        opener::turn_answer(&mut fields, flags.filter(|flags| flags & 0x10 == 0));
        out.connection(fields, record)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        let table = |mark: &str| Table::of_names(line, &["srcaddr", "dstaddr", mark], &NAMES);
        ["vm-id", "vm_id", "vswitch-id", "vswitch_id"].into_iter().find_map(table)
    }
}
