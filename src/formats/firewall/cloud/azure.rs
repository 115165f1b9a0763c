//! Flow logs of Azure Network Watcher: network security groups, versions 1 and 2, and virtual networks, version 4
//! (<https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview>,
//! <https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview>).

use std::borrow::Cow;

use serde_json_borrow::Value;

use crate::evidence::AnomalyKind;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::notation::json::{dotted, text};
use crate::formats::firewall::record::Record;
use crate::model;

/// The format.
pub(crate) struct AzureFlow;

impl Dialect for AzureFlow {
    fn id(&self) -> &'static str {
        "azure-flow"
    }

    fn title(&self) -> &'static str {
        "Azure flow logs of network security groups (versions 1, 2) and virtual networks (version 4): blobs and flattened exports"
    }

    fn signature(&self) -> &'static str {
        "Azure flow tuples (flowTuples, flowRecords, flow.0)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let Some(object) = record.json else { return false };
        let has = |name: &str| dotted(object, name).is_some();
        has("flowRecords.flows")
            || has("properties.flows")
            || has("flow.0")
            || has("flowTuples")
            || text(object, "flowTuple").is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut tuples = Tuples { record, found: 0, bad: 0 };
        tuples.walk(object, About::default(), 0, out);
        match tuples {
            Tuples { found: 0, bad: 0, .. } => Err("a record without flow tuples".into()),
            Tuples { found: 0, .. } => Err("flow tuples in an unknown order".into()),
            Tuples { bad: 0, .. } => Ok(()),
            Tuples { bad, .. } => {
                out.anomaly(
                    AnomalyKind::MalformedRecord,
                    format!("{bad} flow tuples of the record have an unknown order"),
                );
                Ok(())
            }
        }
    }
}

/// What stands above a tuple.
#[derive(Clone, Copy, Default)]
struct About<'r> {
    rule: Option<&'r str>,
    mac: Option<&'r str>,
    /// What a collector puts beside a tuple in place of its source.
    source: Option<&'r str>,
    /// When the record around the tuple was made.
    time: Option<&'r str>,
}

struct Tuples<'r> {
    record: &'r Record<'r>,
    found: usize,
    bad: usize,
}

/// Levels of a blob: records, properties, flows, flows or groups, tuples.
const DEEPEST: usize = 8;

impl<'r> Tuples<'r> {
    fn walk(&mut self, value: &'r Value<'r>, about: About<'r>, depth: usize, out: &mut Out<'_>) {
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::Object(object) => {
                let own = |name: &str| object.get(name).and_then(Value::as_str);
                let about = About {
                    rule: own("rule").or(about.rule),
                    mac: own("mac").or_else(|| own("macAddress")).or(about.mac),
                    source: own("source_addr").or(about.source),
                    time: own("time").or(about.time),
                };
                for (key, value) in object.iter() {
                    match (key, value) {
                        ("flowRecords" | "properties" | "flows" | "flowGroups", value) => {
                            self.walk(value, about, depth + 1, out);
                        }
                        ("flowTuples", Value::Array(items)) => {
                            for item in items.iter().filter_map(Value::as_str) {
                                self.tuple(item, about, out);
                            }
                        }
                        (key, Value::Str(item))
                            if key.starts_with("flow.") || matches!(key, "flowTuples" | "flowTuple") =>
                        {
                            self.tuple(item, about, out);
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.walk(item, about, depth + 1, out);
                }
            }
            _ => {}
        }
    }

    /// One tuple. Groups: time in seconds, ends, `T` or `U`, `I` or `O`, `A` or `D`, and from version 2 on `B`, `C` or
    /// `E` and counts. Networks: time in milliseconds, ends, protocol number, `I` or `O`, `B`, `C`, `E` or `D`, encryption,
    /// and counts. Counts are packets and bytes from the source, packets and bytes to it, since the last tuple.
    fn tuple(&mut self, tuple: &'r str, about: About<'r>, out: &mut Out<'_>) {
        let cells: Vec<&'r str> = tuple.split(',').map(str::trim).collect();
        let [time, src, dst, src_port, dst_port, protocol, direction, word, rest @ ..] = &cells[..] else {
            self.bad += 1;
            return;
        };
        let mut fields = Fields::default();
        let mut put = |field, value: &'r str| fields.set(field, Cow::Borrowed(value.as_bytes()));
        put(Start, time);
        put(Time, about.time.unwrap_or_default());
        put(SrcIp, about.source.unwrap_or(src));
        put(DstIp, dst);
        put(SrcPort, src_port);
        put(DstPort, dst_port);
        put(
            Protocol,
            match *protocol {
                "T" => "tcp",
                "U" => "udp",
                other => other,
            },
        );
        put(Direction, direction);
        put(Rule, about.rule.unwrap_or_default());
        let (allowed, state, counts) = match (*word, rest) {
            ("A" | "D", []) => (*word == "A", None, &[][..]),
            ("A" | "D", [state, counts @ ..]) if matches!(*protocol, "T" | "U") => (*word == "A", Some(*state), counts),
            ("B" | "C" | "E" | "D", [_, counts @ ..]) => (*word != "D", Some(*word), counts),
            _ => {
                self.bad += 1;
                return;
            }
        };
        for (field, count) in [PacketsOut, BytesOut, PacketsIn, BytesIn].into_iter().zip(counts) {
            put(field, count);
        }
        put(State, state.unwrap_or_default());
        fields.decide(Some(if allowed { model::Action::Allow } else { model::Action::Deny }));
        if fields.is_empty() {
            self.bad += 1;
            return;
        }
        // A begin has counted nothing yet.
        if state == Some("B") {
            let connection = &mut fields.connection;
            (connection.bytes_out, connection.bytes_in) = (None, None);
            (connection.packets_out, connection.packets_in) = (None, None);
        }
        if let Some(mac) = about.mac {
            fields.device = Some(Cow::Borrowed(mac));
        }
        self.found += usize::from(out.connection(fields, self.record).is_ok());
    }
}
