//! Flows as the networks of Kubernetes export them: Cilium Hubble
//! (<https://docs.cilium.io/en/stable/observability/hubble/>) and Calico
//! (<https://docs.tigera.io/calico-enterprise/latest/observability/elastic/flow/datatypes>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::port;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{dotted, string, strings, text};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::sensor::protocols::dns;
use crate::model::{self, Detail, Http};

/// The format.
pub(crate) struct Hubble;

const HUBBLE: &[(&str, Field)] = &[
    ("time", Time),
    ("IP.source", SrcIp),
    ("IP.destination", DstIp),
    ("ip.source", SrcIp),
    ("ip.destination", DstIp),
    ("l4.TCP.source_port", SrcPort),
    ("l4.TCP.destination_port", DstPort),
    ("l4.UDP.source_port", SrcPort),
    ("l4.UDP.destination_port", DstPort),
    ("l4.SCTP.source_port", SrcPort),
    ("l4.SCTP.destination_port", DstPort),
    ("node_name", Device),
    ("traffic_direction", Direction),
    ("drop_reason_desc", State),
    ("egress_allowed_by.name", Rule),
    ("ingress_allowed_by.name", Rule),
    ("egress_denied_by.name", Rule),
    ("ingress_denied_by.name", Rule),
    ("destination_names", Domain),
    ("source.workloads.name", Application),
];

static HUBBLE_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[HUBBLE]));

fn flow_of<'r>(record: &'r Record<'r>) -> Option<&'r Value<'r>> {
    let object = record.json?;
    let is_flow = |value: &Value<'_>| {
        text(value, "verdict").is_some()
            && ["IP", "l4", "l7", "Type", "event_type", "traffic_direction", "source"]
                .into_iter()
                .any(|name| dotted(value, name).is_some_and(|value| !value.is_null()))
    };
    let inner = dotted(object, "flow").or_else(|| dotted(object, "result.flow"));
    match inner.filter(|inner| inner.is_object()) {
        Some(inner) => is_flow(inner).then_some(inner),
        None => (is_flow(object) && dotted(object, "node_name").is_some()).then_some(object),
    }
}

impl Dialect for Hubble {
    fn id(&self) -> &'static str {
        "hubble"
    }

    fn title(&self) -> &'static str {
        "Cilium Hubble flows (exporter, hubble observe -o json and jsonpb)"
    }

    fn signature(&self) -> &'static str {
        "Hubble flows (verdict, IP, l4)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        flow_of(record).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(flow) = flow_of(record) else { return Err("no flow".into()) };
        let mut fields = Fields::default();
        fields.take_leaves(&HUBBLE_NAMES, flow);
        if fields.is_empty() {
            return Err("a flow without an address".into());
        }
        let l4 = |name: &str| dotted(flow, "l4").and_then(|l4| dotted(l4, name)).is_some();
        fields.flow.protocol = [
            ("TCP", model::Protocol::TCP),
            ("UDP", model::Protocol::UDP),
            ("ICMPv4", model::Protocol::ICMP),
            ("ICMPv6", model::Protocol::ICMPV6),
            ("SCTP", model::Protocol(132)),
        ]
        .into_iter()
        .find(|(name, _)| l4(name))
        .map(|(_, protocol)| protocol);
        fields.decide(match text(flow, "verdict").as_deref() {
            Some(b"FORWARDED" | b"AUDIT" | b"REDIRECTED") => Some(model::Action::Allow),
            Some(b"DROPPED") => Some(model::Action::Deny),
            _ => None,
        });
        for (side, field) in [("source", InZone), ("destination", OutZone)] {
            let namespace = string(flow, &format!("{side}.namespace"));
            let pod = string(flow, &format!("{side}.pod_name"));
            let place: Vec<String> = [namespace, pod].into_iter().flatten().collect();
            if !place.is_empty() {
                fields.set(field, Cow::Owned(place.join("/").into_bytes()));
            }
        }
        let reply = text(flow, "is_reply").as_deref() == Some(b"true");
        if reply {
            fields.turn();
            let connection = &mut fields.connection;
            std::mem::swap(&mut connection.in_zone, &mut connection.out_zone);
            connection.domain = None;
            connection.application = None;
        }
        let Some(detail) = inside(flow, reply) else { return out.connection(fields, record) };
        let (host, ends) = (fields.device.clone(), fields.flow);
        let moment = fields.time;
        out.connection(fields, record)?;
        let span = out.span(moment.or(record.peeled.stamp));
        out.observe(span, host, Some(ends), detail);
        Ok(())
    }
}

/// What the proxy saw inside.
fn inside(flow: &Value<'_>, reply: bool) -> Option<Detail<'static>> {
    let l7 = dotted(flow, "l7")?;
    if let Some(message) = dotted(l7, "dns") {
        let kinds = strings(message, "qtypes").join(",");
        let code = string(message, "rcode").filter(|_| reply);
        let mut data = strings(message, "ips");
        data.extend(strings(message, "cnames"));
        return Some(Detail::Dns(dns(string(message, "query"), Some(kinds), reply, code, data)));
    }
    let request = dotted(l7, "http")?;
    Some(Detail::Http(Http {
        method: string(request, "method").unwrap_or_default(),
        target: string(request, "url").unwrap_or_default(),
        status: text(request, "code").as_deref().and_then(port).filter(|code| *code > 0),
        ..Http::default()
    }))
}

/// The format.
pub(crate) struct Calico;

const CALICO: &[(&str, Field)] = &[
    ("source_ip", SrcIp),
    ("source_port", SrcPort),
    ("dest_ip", DstIp),
    ("dest_port", DstPort),
    ("proto", Protocol),
    ("start_time", Start),
    ("end_time", End),
    ("@timestamp", Time),
    ("action", Action),
    ("bytes_out", BytesOut),
    ("bytes_in", BytesIn),
    ("packets_out", PacketsOut),
    ("packets_in", PacketsIn),
    ("host", Device),
    ("source_namespace", InZone),
    ("dest_namespace", OutZone),
    ("source_name_aggr", Application),
    ("dest_domains", Domain),
    ("process_name", Process),
    ("process_id", Pid),
    ("policies.all_policies", Rule),
];

static CALICO_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[CALICO]));

impl Dialect for Calico {
    fn id(&self) -> &'static str {
        "calico"
    }

    fn title(&self) -> &'static str {
        "Calico Enterprise and Calico Cloud flow logs (JSON)"
    }

    fn signature(&self) -> &'static str {
        "Calico flow logs (source_name_aggr, dest_name_aggr, reporter)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.names("source_name_aggr") && record.names("dest_name_aggr")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        fields.take_record(&CALICO_NAMES, record);
        if fields.is_empty() {
            return Err("a flow between names, without an address".into());
        }
        let reporter = record.value("reporter");
        fields.connection.direction = match reporter.as_deref() {
            Some(b"src") => Some(model::Direction::Outbound),
            Some(b"dst") => Some(model::Direction::Inbound),
            _ => None,
        };
        // Counts are those of the endpoint that reports: what came in to the destination is what the source sent.
        if reporter.as_deref() == Some(b"dst") {
            let connection = &mut fields.connection;
            std::mem::swap(&mut connection.bytes_out, &mut connection.bytes_in);
            std::mem::swap(&mut connection.packets_out, &mut connection.packets_in);
        }
        out.connection(fields, record)
    }
}
