//! Events of the Open Cybersecurity Schema Framework (<https://schema.ocsf.io>), as Amazon Security Lake and others have
//! them: network activity and its relatives (category 4) and findings with their ends (category 2).

use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{number, port};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{dotted, string, text};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::sensor::protocols::{dns, version};
use crate::formats::firewall::verdict::behaviour;
use crate::model::{self, Alert, Detail, Http, Ssh, Tls};

/// The format.
pub(crate) struct Ocsf;

const EVENT: &[(&str, Field)] = &[
    ("src_endpoint.ip", SrcIp),
    ("src_endpoint.port", SrcPort),
    ("dst_endpoint.ip", DstIp),
    ("dst_endpoint.port", DstPort),
    ("evidences.src_endpoint.ip", SrcIp),
    ("evidences.src_endpoint.port", SrcPort),
    ("evidences.dst_endpoint.ip", DstIp),
    ("evidences.dst_endpoint.port", DstPort),
    ("evidences.connection_info.protocol_num", Protocol),
    ("connection_info.protocol_num", Protocol),
    ("connection_info.protocol_name", Protocol),
    ("connection_info.direction", Direction),
    ("start_time_dt", Start),
    ("start_time", Start),
    ("end_time_dt", End),
    ("end_time", End),
    ("time_dt", Time),
    ("time", Time),
    ("duration", DurationMs),
    ("action", Action),
    ("disposition", Action),
    ("traffic.bytes_out", BytesOut),
    ("traffic.bytes_in", BytesIn),
    ("traffic.packets_out", PacketsOut),
    ("traffic.packets_in", PacketsIn),
    ("firewall_rule.name", Rule),
    ("firewall_rule.uid", Rule),
    ("policy.name", Rule),
    ("src_endpoint.zone", InZone),
    ("dst_endpoint.zone", OutZone),
    ("src_endpoint.interface_name", InInterface),
    ("dst_endpoint.interface_name", OutInterface),
    ("dst_endpoint.hostname", Domain),
    ("dst_endpoint.domain", Domain),
    ("tls.sni", Domain),
    ("http_request.url.hostname", Domain),
    ("url.hostname", Domain),
    ("app_name", Application),
    ("connection_info.uid", Session),
    ("connection_info.session.uid", Session),
    ("actor.user.name", User),
    ("actor.process.name", Process),
    ("actor.process.pid", Pid),
    ("device.hostname", Device),
    ("device.name", Device),
    ("src_endpoint.instance_uid", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EVENT]));

impl Dialect for Ocsf {
    fn id(&self) -> &'static str {
        "ocsf"
    }

    fn title(&self) -> &'static str {
        "OCSF events of network activity (4001) and its relatives (HTTP, DNS, SSH, ...), and findings that name their ends"
    }

    fn signature(&self) -> &'static str {
        "OCSF events (class_uid, category_uid, metadata)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_some() && record.names("class_uid") && (record.names("category_uid") || record.names("metadata"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(event) = record.json else { return Err("no object".into()) };
        let class = text(event, "class_uid").and_then(|class| number(&class)).unwrap_or_default();
        if !matches!(class, 2001..=2007 | 4001..=4014) {
            return Err("an event of a class without connections".into());
        }
        let mut fields = Fields::default();
        fields.take_leaves(&NAMES, event);
        // "0" is a time that was not filled.
        if fields.impossible == Some(Time) && text(event, "time").as_deref() == Some(b"0") {
            fields.impossible = None;
        }
        // Products name protocols that are none, or put applications there.
        if fields.impossible == Some(Protocol) {
            fields.impossible = None;
        }
        decide(event, &mut fields);
        if class < 4000 {
            return finding(event, fields, record, out);
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        one_way(event, &mut fields);
        let Some(detail) = detail(class, event) else { return out.connection(fields, record) };
        out.complete(&mut fields, record);
        let span = out.times(&mut fields);
        out.observe(span, fields.device.take(), Some(fields.flow), detail);
        Ok(())
    }
}

fn decide(event: &Value<'_>, fields: &mut Fields<'_>) {
    let of = |name: &str| text(event, name).and_then(|id| number(&id));
    fields.decide(match (of("action_id"), of("disposition_id"), of("activity_id")) {
        (Some(1), ..) => Some(model::Action::Allow),
        (Some(2), ..) => Some(model::Action::Deny),
        (_, Some(1), _) => Some(model::Action::Allow),
        (_, Some(2 | 6), _) | (_, _, Some(5)) => Some(model::Action::Deny),
        _ => None,
    });
    if fields.connection.direction.is_none() {
        fields.connection.direction = match of("connection_info.direction_id") {
            Some(1) => Some(model::Direction::Inbound),
            Some(2) => Some(model::Direction::Outbound),
            _ => None,
        };
    }
}

/// Flow logs of one direction (Amazon VPC, SiLK) count all there is in `traffic.bytes`, and their source may have answered.
fn one_way(event: &Value<'_>, fields: &mut Fields<'_>) {
    let product = string(event, "metadata.product.name").unwrap_or_default().to_ascii_lowercase();
    if !product.contains("vpc") && !product.contains("silk") {
        return;
    }
    let connection = &mut fields.connection;
    let count = |name: &str| text(event, name).and_then(|count| number(&count));
    connection.bytes_out = connection.bytes_out.or(count("traffic.bytes"));
    connection.packets_out = connection.packets_out.or(count("traffic.packets"));
    let flags = count("connection_info.tcp_flags");
    opener::turn_answer(fields, flags.filter(|flags| product.contains("vpc") || flags & 0x10 == 0));
}

fn finding<'r>(event: &'r Value<'r>, mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let title = ["finding_info.title", "finding.title", "message", "malware.name"].into_iter();
    let Some(message) = title.into_iter().find_map(|name| string(event, name)) else {
        return Err("a finding without a title".into());
    };
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let action = fields.connection.action;
    let behaviour = behaviour(&message);
    let user = fields.connection.user.take();
    let alert =
        Alert { category: "finding".into(), message: message.into(), user, action, behaviour, ..Alert::default() };
    let flow = (!fields.is_empty()).then_some(fields.flow);
    out.observe(span, fields.device.take(), flow, Detail::Alert(alert));
    Ok(())
}

fn detail(class: u64, event: &Value<'_>) -> Option<Detail<'static>> {
    let of = |name: &str| string(event, name);
    match class {
        4002 => Some(Detail::Http(Http {
            method: of("http_request.http_method").unwrap_or_default(),
            target: of("http_request.url.path").or_else(|| of("http_request.url.url_string")).unwrap_or_default(),
            host: of("http_request.url.hostname"),
            user_agent: of("http_request.user_agent"),
            status: text(event, "http_response.code").as_deref().and_then(port),
            content_type: of("http_response.content_type"),
            ..Http::default()
        })),
        4003 => {
            let answers = dotted(event, "answers").and_then(Value::as_array);
            let data: Vec<String> =
                answers.into_iter().flatten().filter_map(|answer| string(answer, "rdata")).collect();
            let code = of("rcode");
            let response = code.is_some() || !data.is_empty();
            Some(Detail::Dns(dns(of("query.hostname"), of("query.type"), response, code, data)))
        }
        4007 => Some(Detail::Ssh(Ssh {
            hassh: of("client_hassh.fingerprint.value"),
            hassh_server: of("server_hassh.fingerprint.value"),
            ..Ssh::default()
        })),
        4001 if dotted(event, "tls.version").is_some() && dotted(event, "traffic").is_none() => {
            Some(Detail::Tls(Tls {
                server_name: of("tls.sni"),
                cipher: of("tls.cipher"),
                chosen_version: of("tls.version").and_then(|name| version(&name)),
                ja3: of("tls.ja3_hash.value"),
                ja3s: of("tls.ja3s_hash.value"),
                ..Tls::default()
            }))
        }
        _ => None,
    }
}
