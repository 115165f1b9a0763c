//! Suricata EVE records (<https://docs.suricata.io/en/latest/output/eve/eve-json-format.html>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use super::protocols::{certificate, dns, version};
use crate::formats::firewall::action::verdict;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{self, string, strings, text};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::verdict::behaviour;
use crate::model::{self, Alert, Detail, Http, Ssh, Tls};

/// The format.
pub(crate) struct Suricata;

const EVE: &[(&str, Field)] = &[
    ("src_ip", SrcIp),
    ("src_port", SrcPort),
    ("dest_ip", DstIp),
    ("dest_port", DstPort),
    ("proto", Protocol),
    ("timestamp", Time),
    ("flow.start", Start),
    ("flow.end", End),
    ("netflow.start", Start),
    ("netflow.end", End),
    ("flow.pkts_toserver", PacketsOut),
    ("flow.pkts_toclient", PacketsIn),
    ("flow.bytes_toserver", BytesOut),
    ("flow.bytes_toclient", BytesIn),
    ("netflow.pkts", PacketsOut),
    ("netflow.bytes", BytesOut),
    ("flow.state", State),
    ("flow_id", Session),
    ("app_proto", Application),
    ("in_iface", InInterface),
    ("host", Device),
    ("sensor_name", Device),
    ("sensor", Device),
    ("tls.sni", Domain),
    ("http.hostname", Domain),
    ("quic.sni", Domain),
    ("tcp.seq", TcpSequence),
    ("drop.tcpseq", TcpSequence),
    // The verdict that was reached goes before what the rule asks for; the latter also comes without the former.
    ("verdict.action", Action),
    ("user", User),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EVE]));

impl Dialect for Suricata {
    fn id(&self) -> &'static str {
        "suricata"
    }

    fn title(&self) -> &'static str {
        "Suricata EVE JSON (alert, flow, netflow, dns versions 1 to 3, tls, http, ssh, quic, drop, anomaly and other events)"
    }

    fn signature(&self) -> &'static str {
        "EVE records (event_type, flow_id, src_ip, dest_ip)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        is_eve(record)
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        read(object, None, record, out)
    }
}

fn is_eve(record: &Record<'_>) -> bool {
    let Some(object) = record.json else { return false };
    let has = |name: &str| object.as_object().is_some_and(|object| object.get(name).is_some());
    let event = has("event_type") && has("timestamp");
    (event && (has("flow_id") || has("src_ip") || has("stats") || has("engine")))
        || (has("flow_id") && has("src_ip") && has("dest_ip") && json::dotted(object, "alert.signature_id").is_some())
}

/// Reads an EVE record; `device` is what else is known to have written it.
pub(super) fn read<'r>(
    eve: &'r Value<'r>,
    device: Option<Cow<'r, [u8]>>,
    record: &'r Record<'r>,
    out: &mut Out<'_>,
) -> Outcome {
    let kind = text(eve, "event_type");
    let kind: &[u8] = kind.as_deref().unwrap_or(b"alert");
    match kind {
        b"stats" => return Err("statistics of the sensor".into()),
        b"engine" => return Err("a message of the sensor's engine".into()),
        _ => {}
    }
    let mut fields = Fields::default();
    if let Some(device) = device {
        fields.set(Device, device);
    }
    fields.take_leaves(&NAMES, eve);
    if fields.is_empty() {
        return Err("an event without an address".into());
    }
    if let Some(action) = text(eve, "alert.action") {
        fields.set(Action, action);
    }
    if kind == b"drop" {
        fields.decide(Some(model::Action::Deny));
    }
    if matches!(fields.connection.application.as_deref(), Some("failed" | "unknown")) {
        fields.connection.application = None;
    }
    orient(kind, eve, &mut fields);
    // What tells of one moment has the time of that moment, whenever its flow began.
    let moment = fields.time;
    let answered = fields.connection.packets_in.map(|packets| packets > 0);
    if matches!(kind, b"flow") {
        fields.connection.answered = answered;
    }
    let detail = detail(kind, eve, &mut fields);
    if detail.is_none()
        && fields.connection.application.is_none()
        && !matches!(kind, b"alert" | b"flow" | b"netflow" | b"drop" | b"anomaly" | b"fileinfo" | b"packet")
    {
        fields.set(Application, Cow::Owned(kind.to_vec()));
    }
    if let Some(detail) = detail {
        out.complete(&mut fields, record);
        let span = out.span(moment.or(record.peeled.stamp));
        out.observe(span, fields.device.take(), Some(fields.flow), detail);
        return Ok(());
    }
    let flow = fields.flow;
    let host = fields.device.clone();
    let action = fields.connection.action;
    out.connection(fields, record)?;
    if let Some(signature) = string(eve, "alert.signature") {
        let category = string(eve, "alert.category").unwrap_or_default();
        let span = out.span(moment.or(record.peeled.stamp));
        let behaviour = behaviour(&signature).or_else(|| behaviour(&category));
        let alert = Alert {
            category: "threat".into(),
            message: signature.into(),
            user: None,
            action,
            behaviour,
            ..Alert::default()
        };
        out.observe(span, host, Some(flow), Detail::Alert(alert));
    }
    Ok(())
}

/// Client first. An alert, an anomaly or a DNS answer names the packet's own source, which may be the server; what is
/// counted to the server and to the client is not turned with it.
fn orient(kind: &[u8], eve: &Value<'_>, fields: &mut Fields<'_>) {
    let told = |name: &str| text(eve, name).and_then(|ip| crate::formats::firewall::bytes::address(&ip));
    let both_ways = fields.connection.packets_out > Some(0) && fields.connection.packets_in > Some(0);
    let answer = match kind {
        b"flow" => false,
        b"netflow" => {
            if opener::answered_by_ports(&fields.flow) {
                fields.turn();
            }
            false
        }
        b"dns" => fields.flow.src_port == Some(53) && fields.flow.dst_port != Some(53),
        _ => match (told("flow.src_ip"), text(eve, "direction").as_deref()) {
            (Some(client), _) => Some(client) != fields.flow.src && Some(client) == fields.flow.dst,
            (None, Some(b"to_client")) => true,
            (None, Some(_)) => false,
            // Older releases name no side: what follows from ports, if both sides have talked.
            (None, None) => {
                let established =
                    both_ways || text(eve, "app_proto").is_some() || text(eve, "anomaly.app_proto").is_some();
                established && opener::answered_by_ports(&fields.flow)
            }
        },
    };
    if answer {
        let flow = &mut fields.flow;
        std::mem::swap(&mut flow.src, &mut flow.dst);
        std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
    }
}

/// What an event says of its protocol.
fn detail(kind: &[u8], eve: &Value<'_>, fields: &mut Fields<'_>) -> Option<Detail<'static>> {
    let of = |name: &str| string(eve, name);
    match kind {
        b"dns" => {
            let message = json::dotted(eve, "dns")?;
            let kind = text(message, "type");
            let response = matches!(kind.as_deref(), Some(b"answer" | b"response"));
            let queried = |name: &str| {
                let first = message.as_object()?.get("queries")?.as_array()?.first()?;
                string(first, name)
            };
            let answers = message.as_object().and_then(|object| object.get("answers")).and_then(Value::as_array);
            let mut data: Vec<String> =
                answers.into_iter().flatten().filter_map(|answer| string(answer, "rdata")).collect();
            data.extend(string(message, "rdata"));
            if data.is_empty() {
                data.extend(
                    ["grouped.A", "grouped.AAAA", "grouped.CNAME"].iter().flat_map(|name| strings(message, name)),
                );
            }
            let query = string(message, "rrname")
                .or_else(|| queried("rrname"))
                .or_else(|| answers.into_iter().flatten().find_map(|answer| string(answer, "rrname")));
            let record_type = string(message, "rrtype").or_else(|| queried("rrtype"));
            Some(Detail::Dns(dns(query, record_type, response, string(message, "rcode").filter(|_| response), data)))
        }
        b"tls" => Some(Detail::Tls(Tls {
            server_name: of("tls.sni"),
            alpn: strings(eve, "tls.client_alpns"),
            chosen_alpn: strings(eve, "tls.server_alpns").into_iter().next(),
            ja3: of("tls.ja3.hash"),
            ja3s: of("tls.ja3s.hash"),
            ja4: of("tls.ja4"),
            chosen_version: of("tls.version").and_then(|name| version(&name)),
            certificate: certificate(of("tls.subject"), of("tls.issuerdn"), strings(eve, "tls.subjectaltname")),
            ..Tls::default()
        })),
        b"quic" => Some(Detail::Tls(Tls {
            server_name: of("quic.sni"),
            ja3: of("quic.ja3.hash"),
            ja3s: of("quic.ja3s.hash"),
            ja4: of("quic.ja4"),
            ..Tls::default()
        })),
        b"ssh" => {
            let banner = |side: &str| {
                let software = of(&format!("ssh.{side}.software_version"))?;
                let version = of(&format!("ssh.{side}.proto_version")).unwrap_or_else(|| "2.0".to_owned());
                Some(format!("SSH-{version}-{software}"))
            };
            Some(Detail::Ssh(Ssh {
                opener_banner: banner("client"),
                acceptor_banner: banner("server"),
                hassh: of("ssh.client.hassh.hash"),
                hassh_server: of("ssh.server.hassh.hash"),
                ..Ssh::default()
            }))
        }
        b"http" => {
            let status = text(eve, "http.status");
            Some(Detail::Http(Http {
                method: of("http.http_method").unwrap_or_default(),
                target: of("http.url").unwrap_or_default(),
                host: of("http.hostname"),
                user_agent: of("http.http_user_agent"),
                status: status.as_deref().and_then(crate::formats::firewall::bytes::port),
                content_type: of("http.http_content_type"),
                content_length: text(eve, "http.length").and_then(|n| crate::formats::firewall::bytes::number(&n)),
                ..Http::default()
            }))
        }
        b"drop" => {
            fields.decide(verdict(b"drop"));
            None
        }
        _ => None,
    }
}

/// Logs of AWS Network Firewall
/// (<https://docs.aws.amazon.com/network-firewall/latest/developerguide/firewall-logging-contents.html>).
pub(crate) struct AwsNetworkFirewall;

impl Dialect for AwsNetworkFirewall {
    fn id(&self) -> &'static str {
        "aws-network-firewall"
    }

    fn title(&self) -> &'static str {
        "AWS Network Firewall logs (alert, flow and TLS logs: EVE records of Suricata in an envelope)"
    }

    fn signature(&self) -> &'static str {
        "records of AWS Network Firewall (firewall_name, event_timestamp, event)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.has("firewall_name")
            && record.json.is_some_and(|json| json::dotted(json, "event").is_some_and(Value::is_object))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(event) = record.json.and_then(|json| json::dotted(json, "event")) else {
            return Err("no event".into());
        };
        if json::dotted(event, "tls_inspected").is_some() && json::dotted(event, "src_ip").is_none() {
            return Err("a TLS inspection without an address".into());
        }
        let mut record_of_event = Record { json: Some(event), ..Record::new(record.line) };
        record_of_event.peeled.stamp = record.text("event_timestamp").and_then(|time| Stamp::read(&time));
        read(event, record.text("firewall_name"), &record_of_event, out)
    }
}
