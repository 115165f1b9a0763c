//! Events of the Windows Filtering Platform (5150 to 5159 of the Security log) and network connections of Sysmon (event 3),
//! as shippers export them to JSON (Microsoft Learn, "Audit Filtering Platform Connection"; Sysinternals, "Sysmon").

mod logons;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{find, has, number, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::record::Record;
use crate::model::{Action as Verdict, Direction as Way};

/// The format.
pub(crate) struct WindowsSecurity;

/// By the last part of the path to a value, as NXLog, Winlogbeat, Wazuh and evtx_dump have it.
const DATA: &[(&str, Field)] = &[
    ("SourceAddress", SrcIp),
    ("SourcePort", SrcPort),
    ("DestAddress", DstIp),
    ("DestinationAddress", DstIp),
    ("DestPort", DstPort),
    ("DestinationPort", DstPort),
    ("SourceIp", SrcIp),
    ("DestinationIp", DstIp),
    ("DestinationHostname", Domain),
    ("Protocol", Protocol),
    ("Application", Process),
    ("Image", Process),
    ("User", User),
    ("FilterRTID", Rule),
    ("Hostname", Device),
    ("Computer", Device),
    ("computer_name", Device),
    ("computer", Device),
    ("UtcTime", Start),
    ("SystemTime", Time),
    ("TimeCreated", Time),
    ("systemTime", Time),
    ("@timestamp", Time),
    ("EventTime", Time),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[DATA]));

impl Dialect for WindowsSecurity {
    fn id(&self) -> &'static str {
        "windows-security"
    }

    fn title(&self) -> &'static str {
        "Windows events of connections, logons and shares (Security 5150 to 5159, 4624, 4625, 5140, 5145, Sysmon 3) in JSON or text"
    }

    fn signature(&self) -> &'static str {
        "event of the Windows Filtering Platform or of Sysmon (EventID 5156, SourceAddress, DestAddress)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let Some(object) = record.json else {
            return has!(record.line, b"Windows Filtering Platform has ");
        };
        let windows = has!(record.line, b"Microsoft-Windows-S") || has!(record.line, b"Windows Filtering Platform");
        windows && id(object).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let Some(object) = record.json else {
            of_message(record.line, &mut fields);
            let said = has!(record.line, b"has blocked");
            fields.decide(Some(if said { Verdict::Deny } else { Verdict::Allow }));
            return out.connection(fields, record);
        };
        let Some(id) = id(object) else { return Err("an event without a number".into()) };
        if matches!(id, 4624 | 4625 | 5140 | 5145) {
            return logons::read(id, object, record, out);
        }
        if !matches!(id, 3 | 5150..=5159) {
            return Err("an event that is not about a connection".into());
        }
        let mut inbound = None;
        json::leaves(object, &mut |path, value| {
            let own = path.rsplit(|byte| *byte == b'.').next().unwrap_or(path);
            match own {
                // Texts of the event's messages: "Inbound" and "Outbound".
                b"Direction" => {
                    inbound = match &*value {
                        b"%%14592" | b"Inbound" => Some(true),
                        b"%%14593" | b"Outbound" => Some(false),
                        _ => None,
                    };
                }
                b"direction" => inbound = inbound.or(Some(value.starts_with(b"%%14592") || value.starts_with(b"In"))),
                b"Initiated" => inbound = Some(&*value == b"false"),
                b"ProcessId" | b"ProcessID" | b"processId" => {
                    // Of the event, not of the service that wrote it.
                    let of_data = id == 3 || own == b"ProcessId" || path.starts_with(b"winlog.event_data");
                    if of_data && !path.ends_with(b"Execution.ProcessID") {
                        fields.connection.pid =
                            number(&value).and_then(|pid| u32::try_from(pid).ok()).or(fields.connection.pid);
                    }
                }
                _ => {
                    let field = NAMES.get(own).or_else(|| lower_case(own));
                    if let Some(field) = field.filter(|field| !(id == 3 && *field == Time && own == b"EventTime")) {
                        fields.set(field, value);
                    }
                }
            }
        });
        if id == 3 {
            // Sysmon's own time is UTC.
            fields.start = fields.start.and_then(|start| start.in_zone(crate::formats::firewall::syslog::Zone(0)));
        } else {
            fields.start = None;
        }
        if let Some(message) = json::text(object, "Message").or_else(|| json::text(object, "message"))
            && let Cow::Borrowed(message) = message
        {
            of_message(message, &mut fields);
        }
        fields.impossible = fields.impossible.filter(|field| !matches!(field, Protocol | Time | Start));
        settle(id, inbound, &mut fields);
        out.connection(fields, record)
    }
}

/// Names as Wazuh has them.
fn lower_case(name: &[u8]) -> Option<Field> {
    match name {
        b"sourceAddress" | b"sourceIp" => Some(SrcIp),
        b"sourcePort" => Some(SrcPort),
        b"destAddress" | b"destinationIp" => Some(DstIp),
        b"destPort" | b"destinationPort" => Some(DstPort),
        b"protocol" => Some(Protocol),
        b"application" | b"image" => Some(Process),
        b"filterRTID" => Some(Rule),
        _ => None,
    }
}

fn id(object: &serde_json_borrow::Value<'_>) -> Option<u64> {
    const PLACES: [&str; 9] = [
        "EventID",
        "event_id",
        "winlog.event_id",
        "win.system.eventID",
        "Event.System.EventID",
        "Event.System.EventID.#text",
        "System.EventID",
        "event.code",
        "EventId",
    ];
    PLACES.iter().find_map(|place| number(&json::text(object, place)?))
}

/// 5152, 5153, 5155, 5157, 5159, 5150 and 5151 are blocks; the others permits. Source and destination are as the packet
/// has them: the source of an inbound connection is the peer, who opened it. 5154, 5158 and their blocked kin are a port
/// that a process listens on or binds: nobody has connected.
fn settle(id: u64, inbound: Option<bool>, fields: &mut Fields<'_>) {
    fields.decide(Some(match id {
        5150..=5153 | 5155 | 5157 | 5159 => Verdict::Deny,
        _ => Verdict::Allow,
    }));
    fields.connection.direction = inbound.map(|inbound| if inbound { Way::Inbound } else { Way::Outbound });
    let ports = fields.flow.src_port.zip(fields.flow.dst_port);
    if id == 3 && inbound == Some(true) && ports.is_some_and(|(source, peer)| source < 1024 && peer >= 1024) {
        // Some versions of Sysmon name the machine itself as the source, whoever opened it.
        fields.turn();
    }
    if matches!(id, 5154 | 5155 | 5158 | 5159) {
        fields.connection.state = Some(if id <= 5155 { "LISTEN".into() } else { "BIND".into() });
    }
}

/// The lines of a message: `Source Address:\t\t10.0.0.5`.
fn of_message<'a>(message: &'a [u8], fields: &mut Fields<'a>) {
    const LINES: [(&[u8], Field); 8] = [
        (b"Source Address:", SrcIp),
        (b"Source Port:", SrcPort),
        (b"Destination Address:", DstIp),
        (b"Destination Port:", DstPort),
        (b"Protocol:", Protocol),
        (b"Application Name:", Process),
        (b"Process ID:", Pid),
        (b"Direction:", Direction),
    ];
    if find!(message, b"Filtering Platform").is_none() {
        return;
    }
    for (name, field) in LINES {
        let Some((_, rest)) = split_once(message, name) else { continue };
        let rest = rest.trim_ascii_start();
        let end =
            rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b'#' | b'\\')).unwrap_or(rest.len());
        let end = if field == Process {
            rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b'#')).unwrap_or(rest.len())
        } else {
            end
        };
        let value = rest.get(..end).unwrap_or_default();
        fields.put(
            field,
            if field == Process { value } else { value.split(|byte| *byte == b' ').next().unwrap_or_default() },
        );
    }
}
