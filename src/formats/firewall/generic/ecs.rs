//! Events in the names of the Elastic Common Schema, nested or flattened, whoever wrote them
//! (<https://www.elastic.co/docs/reference/ecs>), and the sensors of Gatewatcher, which write nothing else.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{address, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::record::Record;
use crate::model::{Action as Verdict, Detail, Dns};

/// ECS 8, as far as it says who talked to whom. `client` and `server` tell who opened; `source` and `destination` who sent
/// what the event is about, which is the same for connections.
pub(crate) const ECS: &[(&str, Field)] = &[
    ("source.ip", SrcIp),
    ("client.ip", SrcIp),
    ("source.address", SrcIp),
    ("source.port", SrcPort),
    ("client.port", SrcPort),
    ("destination.ip", DstIp),
    ("server.ip", DstIp),
    ("destination.address", DstIp),
    ("destination.port", DstPort),
    ("server.port", DstPort),
    ("source.nat.ip", NatSrcIp),
    ("source.nat.port", NatSrcPort),
    ("destination.nat.ip", NatDstIp),
    ("destination.nat.port", NatDstPort),
    ("source.bytes", BytesOut),
    ("destination.bytes", BytesIn),
    ("source.packets", PacketsOut),
    ("destination.packets", PacketsIn),
    ("network.transport", Protocol),
    ("network.iana_number", Protocol),
    ("network.direction", Direction),
    ("network.protocol", Application),
    ("network.application", Application),
    ("event.start", Start),
    ("event.end", End),
    ("@timestamp", Time),
    ("observer.ingress.interface.name", InInterface),
    ("observer.egress.interface.name", OutInterface),
    ("observer.ingress.zone", InZone),
    ("observer.egress.zone", OutZone),
    ("observer.hostname", Device),
    ("observer.name", Device),
    ("host.name", Device),
    ("host.hostname", Device),
    ("rule.name", Rule),
    ("rule.id", Rule),
    ("user.name", User),
    ("source.user.name", User),
    ("process.executable", Process),
    ("process.name", Process),
    ("process.pid", Pid),
    ("destination.domain", Domain),
    ("tls.client.server_name", Domain),
    ("url.domain", Domain),
    ("url.full", Domain),
    ("dns.question.name", Domain),
    ("threat.indicator.description", Threat),
];

/// What Gatewatcher adds: Suricata's names below modules of its own.
const GATEWATCHER: &[(&str, Field)] = &[
    ("network.timestamp", Start),
    ("network.flow_id", Session),
    ("flow.bytes_toserver", BytesOut),
    ("flow.bytes_toclient", BytesIn),
    ("flow.pkts_toserver", PacketsOut),
    ("flow.pkts_toclient", PacketsIn),
    ("http.hostname", Domain),
    ("nba.signature", Threat),
    ("nba.action", Action),
    ("sigflow.signature", Threat),
    ("sigflow.action", Action),
    ("alert.signature", Threat),
    ("alert.action", Action),
    ("malcore.detail_threat_found", Threat),
    ("shellcode.sub_type", Threat),
    ("malicious_powershell.id", Threat),
    ("ioc.description", Threat),
    ("dga.domain_name", Threat),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[ECS]));
static OWN_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[GATEWATCHER, ECS]));

/// The format of anything in ECS.
pub(crate) struct Ecs;

impl Dialect for Ecs {
    fn id(&self) -> &'static str {
        "ecs"
    }

    fn title(&self) -> &'static str {
        "Events in the names of the Elastic Common Schema (JSON, nested or flattened)"
    }

    fn signature(&self) -> &'static str {
        "names of ECS (source.ip, destination.ip, event.action, network.transport)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_none() {
            return false;
        }
        let end = ["source.ip", "destination.ip", "client.ip", "server.ip", "source.address", "destination.address"];
        let around = [
            "event.kind",
            "event.category",
            "event.action",
            "event.dataset",
            "event.module",
            "ecs.version",
            "network.transport",
            "network.type",
        ];
        end.iter().any(|name| record.has(name) || record.json.is_some_and(|json| json::dotted(json, name).is_some()))
            && around
                .iter()
                .any(|name| record.has(name) || record.json.is_some_and(|json| json::dotted(json, name).is_some()))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        take(object, &NAMES, &mut fields);
        decide(object, &mut fields);
        if json::text(object, "event.kind").is_some_and(|kind| &*kind == b"alert")
            && let Some(name) = json::text(object, "rule.name").or_else(|| json::text(object, "message"))
        {
            fields.set(Threat, name);
        }
        answered(object, fields, record, out)
    }
}

/// The format of Gatewatcher's sensors.
pub(crate) struct Gatewatcher;

impl Dialect for Gatewatcher {
    fn id(&self) -> &'static str {
        "gatewatcher"
    }

    fn title(&self) -> &'static str {
        "Gatewatcher AIONIQ and Trackwatch events (JSON in the names of ECS)"
    }

    fn signature(&self) -> &'static str {
        "ECS of the vendor gatewatcher (observer.vendor, observer.gcap)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_some()
            && (record.text("observer.vendor").is_some_and(|vendor| vendor.eq_ignore_ascii_case(b"gatewatcher"))
                || record.has("observer.gcap.hostname"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        fields.set(Start, json::text(object, "flow.start").unwrap_or_default());
        take(object, &OWN_NAMES, &mut fields);
        // The source of a file is who sent it: of a download that is the server.
        let file = record.has("malcore.state") || record.has("file.name");
        if file
            && fields
                .flow
                .src_port
                .zip(fields.flow.dst_port)
                .is_some_and(|(source, peer)| source < 1024 && peer >= 1024)
        {
            fields.turn();
        }
        answered(object, fields, record, out)
    }
}

fn take<'v>(object: &'v Value<'_>, names: &Names, fields: &mut Fields<'v>) {
    json::leaves(object, &mut |path, value| {
        if let Some(field) = names.get(path) {
            fields.set(field, value);
        }
    });
    // When the agent saw it first: only where the event has no time of its own.
    fields.set(Time, json::text(object, "event.created").unwrap_or_default());
    // Durations of ECS are nanoseconds.
    fields.duration_ns = json::text(object, "event.duration")
        .and_then(|value| crate::formats::firewall::bytes::number(&value))
        .and_then(|ns| i64::try_from(ns).ok())
        .or(fields.duration_ns);
    if fields.impossible == Some(Direction) {
        fields.impossible = None;
    }
}

/// What was done stands in a type ("allowed", "denied"), or in the word of the device.
fn decide(object: &Value<'_>, fields: &mut Fields<'_>) {
    let types = json::dotted(object, "event.type");
    let said = |word: &str| match types {
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(word)),
        Some(Value::Str(kind)) => kind == word,
        _ => false,
    };
    if said("denied") {
        fields.decide(Some(Verdict::Deny));
    } else if said("allowed") {
        fields.decide(Some(Verdict::Allow));
    }
    if let Some(word) = json::text(object, "event.action") {
        fields.decide(crate::formats::firewall::action::verdict(&word));
    }
}

/// The connection and, where it is about a name, the DNS message.
fn answered<'r>(object: &'r Value<'r>, mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    if fields.is_empty() {
        return Err("an event without an address".into());
    }
    if let Some(query) = json::text(object, "dns.question.name") {
        let mut addresses = Vec::new();
        json::leaves(object, &mut |path, value: Cow<'_, [u8]>| {
            if matches!(path, b"dns.resolved_ip" | b"dns.answers.data")
                && let Some(found) = address(&value)
                && !addresses.contains(&found)
            {
                addresses.push(found);
            }
        });
        let own = |name: &str| json::text(object, name).map(|value| text(&value).into_owned());
        let dns = Dns {
            query: text(&query).into_owned(),
            record_type: own("dns.question.type").unwrap_or_default(),
            response: own("dns.type").is_some_and(|kind| kind == "answer") || !addresses.is_empty(),
            response_code: own("dns.response_code"),
            addresses,
            ..Dns::default()
        };
        out.complete(&mut fields, record);
        let span = out.times(&mut fields);
        out.observe(span, fields.device.clone(), Some(fields.flow), Detail::Dns(dns));
    }
    out.connection(fields, record)
}
