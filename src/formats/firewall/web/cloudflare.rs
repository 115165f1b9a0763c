//! Cloudflare Logpush: gateway network, HTTP and DNS, network sessions, firewall events, HTTP requests, Spectrum
//! (<https://developers.cloudflare.com/logs/reference/log-fields/>).

use std::sync::LazyLock;

use crate::formats::firewall::bytes::text;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::record::Record;
use crate::model::{Detail, Dns};

/// The format.
pub(crate) struct Cloudflare;

const DATASETS: &[(&str, Field)] = &[
    ("SourceInternalIP", SrcIp),
    ("SourceIP", SrcIp),
    ("SrcIP", SrcIp),
    ("ClientIP", SrcIp),
    ("IPAddress", SrcIp),
    ("SourcePort", SrcPort),
    ("SrcPort", SrcPort),
    ("ClientSrcPort", SrcPort),
    ("ClientPort", SrcPort),
    ("DestinationIP", DstIp),
    ("DstIP", DstIp),
    ("OriginIP", DstIp),
    ("DestinationPort", DstPort),
    ("DstPort", DstPort),
    ("OriginPort", DstPort),
    ("Transport", Protocol),
    ("Protocol", Protocol),
    ("OverrideIP", NatDstIp),
    ("OverridePort", NatDstPort),
    ("Action", Action),
    ("ResolverDecision", Action),
    ("Datetime", Time),
    ("CreatedAt", Time),
    ("SessionStartTime", Start),
    ("SessionEndTime", End),
    ("EdgeStartTimestamp", Start),
    ("EdgeEndTimestamp", End),
    ("Timestamp", Time),
    ("BytesSent", BytesOut),
    ("BytesReceived", BytesIn),
    ("ClientBytes", BytesOut),
    ("OriginBytes", BytesIn),
    ("SNI", Domain),
    ("HTTPHost", Domain),
    ("URL", Domain),
    ("ClientRequestHost", Domain),
    ("QueryName", Domain),
    ("AppDomain", Domain),
    ("PolicyName", Rule),
    ("PolicyID", Rule),
    ("RuleID", Rule),
    ("SessionID", Session),
    ("RayID", Session),
    ("Email", User),
    ("ApplicationNames", Application),
    ("CategoryNames", Category),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[DATASETS]));

impl Dialect for Cloudflare {
    fn id(&self) -> &'static str {
        "cloudflare"
    }

    fn title(&self) -> &'static str {
        "Cloudflare Logpush (gateway network, HTTP and DNS, network sessions, firewall events, requests, Spectrum)"
    }

    fn signature(&self) -> &'static str {
        "names of Logpush data sets (Datetime, SourceIP, RayID, EdgeStartTimestamp)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_none() {
            return false;
        }
        let has = |name: &str| record.has(name);
        has("RayID")
            || has("EdgeStartTimestamp")
            || (has("Datetime") && (has("SourceIP") || has("SrcIP") || has("ClientIP") || has("QueryName")))
            || (has("SessionStartTime") && has("OriginIP") && has("SourceIP"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        super::take(object, &NAMES, &mut fields);
        // Gateway HTTP names "HTTP/1.1" as its protocol, and ports of 0 stand for none.
        fields.impossible = fields.impossible.filter(|field| *field != Protocol);
        if fields.is_empty() {
            return Err("a record without an address".into());
        }
        if let Some(query) = json::text(object, "QueryName") {
            let dns = Dns {
                query: text(&query).into_owned(),
                record_type: json::text(object, "QueryTypeName")
                    .map(|kind| text(&kind).into_owned())
                    .unwrap_or_default(),
                response: true,
                response_code: json::text(object, "RCode").map(|code| text(&code).into_owned()),
                ..Dns::default()
            };
            out.complete(&mut fields, record);
            let span = out.times(&mut fields);
            out.observe(span, fields.device.clone(), Some(fields.flow), Detail::Dns(dns));
        }
        out.connection(fields, record)
    }
}
