//! Cato Networks events (Cato API, "EventsFeed": names of event fields).

use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::record::Record;

/// The format.
pub(crate) struct Cato;

const EVENT: &[(&str, Field)] = &[
    ("src_ip", SrcIp),
    ("src_port", SrcPort),
    ("dest_ip", DstIp),
    ("dest_port", DstPort),
    ("ip_protocol", Protocol),
    ("action", Action),
    ("traffic_direction", Direction),
    ("time", Time),
    ("event_time", Time),
    ("event_timestamp", Time),
    ("time_str", Time),
    ("rule_name", Rule),
    ("rule", Rule),
    ("application_name", Application),
    ("application", Application),
    ("domain_name", Domain),
    ("full_path_url", Domain),
    ("url", Domain),
    ("dns_query", Domain),
    ("categories", Category),
    ("threat_name", Threat),
    ("user_name", User),
    ("vpn_user_email", User),
    ("pop_name", Device),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EVENT]));

impl Dialect for Cato {
    fn id(&self) -> &'static str {
        "cato"
    }

    fn title(&self) -> &'static str {
        "Cato Networks SASE events (JSON of the events feed)"
    }

    fn signature(&self) -> &'static str {
        "names of Cato events (event_type, event_sub_type, pop_name)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_some()
            && record.has("event_type")
            && record.has("event_sub_type")
            && (record.has("internalId") || record.has("internal_id") || record.has("pop_name"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        super::take(object, &NAMES, &mut fields);
        out.connection(fields, record)
    }
}
