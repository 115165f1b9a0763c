//! Firewall rules logs and VPC flow logs of Google Cloud
//! (<https://cloud.google.com/firewall/docs/firewall-rules-logging>, <https://cloud.google.com/vpc/docs/about-flow-logs-records>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{dotted, text};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::model;

/// The format.
pub(crate) struct Gcp;

/// Of `jsonPayload`; what ends in `vm_name` and the like is chosen by who reports.
const PAYLOAD: &[(&str, Field)] = &[
    ("connection.src_ip", SrcIp),
    ("connection.src_port", SrcPort),
    ("connection.dest_ip", DstIp),
    ("connection.dest_port", DstPort),
    ("connection.protocol", Protocol),
    ("connection.nat_ip", NatSrcIp),
    ("connection.nat_port", NatSrcPort),
    ("disposition", Action),
    ("allocation_status", State),
    ("rule_details.direction", Direction),
    ("rule_details.reference", Rule),
    ("start_time", Start),
    ("end_time", End),
    ("bytes_sent", BytesOut),
    ("packets_sent", PacketsOut),
    ("instance.vm_name", Device),
    ("endpoint.vm_name", Device),
    ("endpoint.project_id", InZone),
    ("destination.domain", Domain),
    ("interceptVpc.vpc", InZone),
    ("threatDetails.threat", Threat),
    ("threatDetails.category", Category),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[PAYLOAD]));

/// Where exports put the entry of a log.
const ENVELOPES: [&str; 5] = ["gcp", "json", "data", "logEntry", "log_entry"];

/// The entry itself, out of what exports wrap around it.
fn entry<'r>(record: &'r Record<'r>) -> Option<&'r Value<'r>> {
    let object = record.json?;
    let is_entry = |value: &Value<'_>| dotted(value, "jsonPayload.connection").is_some();
    if is_entry(object) {
        return Some(object);
    }
    let inner = |name: &str| dotted(object, name).filter(|value| is_entry(value));
    ENVELOPES.into_iter().find_map(inner)
}

impl Dialect for Gcp {
    fn id(&self) -> &'static str {
        "gcp"
    }

    fn title(&self) -> &'static str {
        "Google Cloud firewall rules, VPC flow and Cloud NAT logs (LogEntry JSON, lists, exports that wrap entries)"
    }

    fn signature(&self) -> &'static str {
        "log entries of Google Cloud (jsonPayload.connection)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        entry(record).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(entry) = entry(record) else { return Err("no entry".into()) };
        let Some(payload) = dotted(entry, "jsonPayload") else { return Err("no payload".into()) };
        let mut fields = Fields::default();
        fields.take_leaves(&NAMES, payload);
        if let Some(time) = text(entry, "timestamp").or_else(|| text(entry, "receiveTimestamp")) {
            fields.set(Time, time);
        }
        let flow_log = text(payload, "reporter");
        if let Some(reporter) = &flow_log {
            // Both ends report, and the machine is the one at the end that does. Each record counts one direction.
            let source = matches!(&**reporter, b"SRC" | b"SRC_GATEWAY");
            let (machine, pod, direction) = if source {
                ("src_instance.vm_name", "src_gke_details.pod.pod_name", model::Direction::Outbound)
            } else {
                ("dest_instance.vm_name", "dest_gke_details.pod.pod_name", model::Direction::Inbound)
            };
            if let Some(name) = text(payload, machine).or_else(|| text(payload, pod)) {
                fields.set(Device, name);
            }
            fields.connection.direction = Some(direction);
            opener::turn_answer(&mut fields, None);
        }
        if fields.connection.action.is_none() {
            fields.decide(match text(payload, "allocation_status").as_deref() {
                Some(b"OK") => Some(model::Action::Allow),
                Some(b"DROPPED") => Some(model::Action::Deny),
                _ => None,
            });
        }
        for (name, field) in [("src_vpc.vpc_name", InZone), ("dest_vpc.vpc_name", OutZone), ("vpc.vpc_name", InZone)] {
            if let Some(zone) = text(payload, name) {
                fields.set(field, Cow::clone(&zone));
            }
        }
        out.connection(fields, record)
    }
}
