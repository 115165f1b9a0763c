//! Netskope events and alerts (Netskope REST API v2, "Events and Alerts": names of fields).

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::record::Record;

/// The format.
pub(crate) struct Netskope;

const EVENT: &[(&str, Field)] = &[
    ("srcip", SrcIp),
    ("userip", SrcIp),
    ("srcport", SrcPort),
    ("dstip", DstIp),
    ("dstport", DstPort),
    ("ip_protocol", Protocol),
    ("action", Action),
    ("timestamp", Time),
    ("start_time", Start),
    ("conn_starttime", Start),
    ("end_time", End),
    ("conn_endtime", End),
    ("client_bytes", BytesOut),
    ("server_bytes", BytesIn),
    ("client_packets", PacketsOut),
    ("server_packets", PacketsIn),
    ("user", User),
    ("app", Application),
    ("domain", Domain),
    ("dsthost", Domain),
    ("url", Domain),
    ("policy", Rule),
    ("category", Category),
    ("appcategory", Category),
    ("alert_name", Threat),
    ("network_session_id", Session),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EVENT]));

impl Dialect for Netskope {
    fn id(&self) -> &'static str {
        "netskope"
    }

    fn title(&self) -> &'static str {
        "Netskope events and alerts (JSON of page, application, connection, network and alert records)"
    }

    fn signature(&self) -> &'static str {
        "names of Netskope events (access_method, ccl, organization_unit, srcip, dstip)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_none() {
            return false;
        }
        let own = [
            "access_method",
            "traffic_type",
            "ccl",
            "netskope_pop",
            "organization_unit",
            "ur_normalized",
            "alert_type",
        ];
        own.iter().filter(|name| record.has(name)).count() >= 2 && record.has("timestamp")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        super::take(object, &NAMES, &mut fields);
        // Where the host has no name its address stands there.
        fields.set(DstIp, record.text("dsthost").unwrap_or_default());
        // Records have all names, without values where they do not apply: only of connections the times do.
        let none = |count: Option<u64>| count.filter(|count| *count > 0);
        fields.connection.bytes_out = none(fields.connection.bytes_out);
        fields.connection.bytes_in = none(fields.connection.bytes_in);
        out.connection(fields, record)
    }
}
