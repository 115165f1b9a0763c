//! Logs of Alibaba Cloud Firewall (<https://www.alibabacloud.com/help/en/cloud-firewall/cloudfirewall/user-guide/log-fields>),
//! as Simple Log Service exports them.

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, text_of};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::table::Table;
use crate::model;

/// The format.
pub(crate) struct AlibabaFirewall;

/// `src_private_ip` and `dst_private_ip` stand before the public addresses in [`read`](AlibabaFirewall::read).
const LOG: &[(&str, Field)] = &[
    ("src_port", SrcPort),
    ("dst_ip", DstIp),
    ("dst_port", DstPort),
    ("dst_private_ip", NatDstIp),
    ("ip_protocol", Protocol),
    ("start_time", Start),
    ("end_time", End),
    ("__time__", Time),
    ("time", Time),
    ("direction", Direction),
    ("rule_result", Action),
    ("out_packet_bytes", BytesOut),
    ("in_packet_bytes", BytesIn),
    ("out_packet_count", PacketsOut),
    ("in_packet_count", PacketsIn),
    ("domain", Domain),
    ("url", Domain),
    ("tcp_seq", TcpSequence),
    ("app_dpi_state", State),
    ("src_vpc_id", InZone),
    ("dst_vpc_id", OutZone),
    ("firewall_id", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[LOG]));

impl Dialect for AlibabaFirewall {
    fn id(&self) -> &'static str {
        "alibaba-cloudfirewall"
    }

    fn title(&self) -> &'static str {
        "Alibaba Cloud Firewall traffic logs (internet, NAT and VPC firewalls) as exported by Simple Log Service: JSON, CSV"
    }

    fn signature(&self) -> &'static str {
        "fields of Alibaba Cloud Firewall (rule_result, app_dpi_state, aliuid)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        record.has("rule_result") && ["app_dpi_state", "aliuid", "log_type"].into_iter().any(|name| record.has(name))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        fields.take_record(&NAMES, record);
        let value = |name: &str| record.value(name).filter(|value| !value.is_empty());
        // Behind its public address the opener has one of its own, by which the machine knows itself.
        if let (Some(private), Some(public)) = (value("src_private_ip"), value("src_ip")) {
            fields.set(SrcIp, private);
            fields.set(NatSrcIp, public);
        }
        if let Some(source) = value("src_ip") {
            fields.set(SrcIp, source);
        }
        // "in" is towards the protected side, whichever side opened.
        if fields.connection.direction == Some(model::Direction::Inbound) {
            let connection = &mut fields.connection;
            std::mem::swap(&mut connection.bytes_out, &mut connection.bytes_in);
            std::mem::swap(&mut connection.packets_out, &mut connection.packets_in);
        }
        // "Unknown" is what the application is called that was not recognised.
        if let Some(application) = value("app_name").filter(|name| !name.eq_ignore_ascii_case(b"unknown")) {
            fields.set(Application, application);
        }
        // The name of the signature says more than the type of the attack; either may come in Chinese alone.
        for name in ["ips_rule_name_en", "ips_rule_name", "attack_type_name_en", "attack_type_name"] {
            if let Some(name) = value(name) {
                fields.set(Threat, name);
            }
        }
        for name in ["attack_type_name_en", "attack_type_name"] {
            if let Some(name) = value(name) {
                fields.set(Category, name);
            }
        }
        // An id of zeros: no rule was hit.
        for name in ["acl_rule_id", "ips_rule_id", "ips_ai_rule_id"] {
            if let Some(rule) = value(name).filter(|rule| rule.iter().any(|byte| !matches!(byte, b'0' | b'-'))) {
                fields.connection.rule = fields.connection.rule.take().or(Some(text_of(rule)));
            }
        }
        out.connection(fields, record)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        Table::of_names(line, &["rule_result", "src_ip", "dst_ip"], &NAMES)
    }
}
