//! Rows of the timeline as Timesketch imports them: `message`, `datetime` and `timestamp_desc` are required, every
//! other field is an attribute of the event (Timesketch documentation, "Create timeline from JSON/JSONL/CSV file",
//! <https://timesketch.org/guides/user/import-from-json-csv/>). `data_type` is what its analysers and views select by.

use serde::Serialize;

use super::escape;
use super::jsonl::to_line;
use super::row::{Row, csv_line};

/// What stands before our own columns.
const REQUIRED: [&str; 4] = ["message", "datetime", "timestamp_desc", "data_type"];

/// Our own `message` would be taken for theirs.
const DETAILS: &str = "details";

#[derive(Serialize)]
struct Event<'a> {
    message: &'a str,
    datetime: &'a str,
    timestamp_desc: &'a str,
    data_type: &'a str,
    #[serde(flatten)]
    row: &'a Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

/// The line of column names.
pub(super) fn header() -> Vec<u8> {
    csv_line(REQUIRED.into_iter().chain(Row::COLUMNS.into_iter().map(|name| match name {
        "message" => DETAILS,
        name => name,
    })))
}

/// The row as a line of CSV under [`header`]. `None` if nothing dates it.
pub(super) fn csv(row: &Row) -> Option<Vec<u8>> {
    let message = message(row);
    let (datetime, meaning, data_type) = (datetime(row)?, meaning(row), data_type(row));
    let message = escape::csv_cell(&message);
    let required = [message.as_ref(), datetime.as_str(), meaning.as_str(), data_type.as_str()];
    let cells = row.safe_cells();
    Some(csv_line(required.into_iter().chain(cells.iter().map(AsRef::as_ref))))
}

/// The row as a line of JSON. `None` if nothing dates it.
pub(super) fn jsonl(row: &Row) -> Option<Vec<u8>> {
    let event = Event {
        message: &message(row),
        datetime: &datetime(row)?,
        timestamp_desc: &meaning(row),
        data_type: &data_type(row),
        row: &Row { message: None, ..row.clone() },
        details: row.message.as_deref(),
    };
    Some(to_line(&event).into_bytes())
}

/// ISO 8601 with microseconds, the finest that Timesketch keeps, and the offset in digits.
fn datetime(row: &Row) -> Option<String> {
    const SECONDS: usize = "2026-11-20T14:13:46".len();
    const MICROSECONDS: usize = SECONDS + ".500000".len();
    let text = row.time.as_deref()?.get(..MICROSECONDS)?;
    Some(format!("{text}+00:00"))
}

fn meaning(row: &Row) -> String {
    match (row.row_type, row.time_meaning, row.start_kind.or(row.end_kind)) {
        (_, Some("written"), _) => "Record Written".to_owned(),
        ("step", _, Some(kind)) => format!("Step Time: {kind}"),
        ("step", ..) => "Step Time".to_owned(),
        _ => "Event Time".to_owned(),
    }
}

fn data_type(row: &Row) -> String {
    format!("coincident:{}", row.kind.unwrap_or(row.row_type))
}

/// The row in one line, for the list that an analyst scrolls through.
fn message(row: &Row) -> String {
    let mut said: Vec<String> = Vec::new();
    if row.row_type == "step" {
        let episode = row.episode.as_deref().unwrap_or_default();
        let index = row.index.map(|index| index.to_string()).unwrap_or_default();
        said.push(format!("{episode} step {index}, {}:", row.tool.as_deref().unwrap_or_default()));
    } else {
        said.extend(row.kind.map(str::to_owned));
        said.extend(row.action.map(str::to_owned));
        said.extend(flow(row));
        said.extend(row.protocol.clone());
        said.extend(row.domain.as_ref().map(|name| format!("to {name}")));
        said.extend(row.rule.as_ref().map(|rule| format!("rule {rule}")));
        said.extend(row.app.clone());
        said.extend(row.gpu.map(|gpu| format!("GPU {gpu}")));
        said.extend(row.utilization_percent.map(|percent| format!("{percent} %")));
        said.extend(row.process.clone());
        said.extend(row.pid.map(|pid| format!("pid {pid}")));
    }
    // Whole: a wallet cut in two would pass unmasked.
    said.extend(row.command.iter().chain(&row.message).cloned());
    // Lines of the list are lines, whatever an agent wrote.
    escape::terminal(&said.join(" ")).into_owned()
}

fn flow(row: &Row) -> Option<String> {
    let end = |ip: &Option<String>, port: Option<u16>| {
        let ip = ip.as_deref()?;
        Some(match (port, ip.contains(':')) {
            (Some(port), true) => format!("[{ip}]:{port}"),
            (Some(port), false) => format!("{ip}:{port}"),
            (None, _) => ip.to_owned(),
        })
    };
    let (src, dst) = (end(&row.src_ip, row.src_port), end(&row.dst_ip, row.dst_port));
    match (src, dst) {
        (None, None) => None,
        (src, dst) => {
            let unknown = || "?".to_owned();
            Some(format!("{} → {}", src.unwrap_or_else(unknown), dst.unwrap_or_else(unknown)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            row_type: "observation",
            time: Some("2026-11-20T14:13:46.123456789Z".to_owned()),
            kind: Some("connection"),
            action: Some("deny"),
            src_ip: Some("10.20.0.5".to_owned()),
            src_port: Some(50012),
            dst_ip: Some("2001:db8::1".to_owned()),
            dst_port: Some(443),
            rule: Some("=EGRESS\u{202e}".to_owned()),
            message: Some("state S0".to_owned()),
            ..Row::default()
        }
    }

    #[test]
    fn required_fields_are_there_and_have_their_form() {
        let line = String::from_utf8(jsonl(&row()).unwrap()).unwrap();
        // Nothing may be said twice: which of two fields of one name counts is up to the reader.
        assert_eq!(line.matches("\"message\":").count(), 1);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let datetime = event["datetime"].as_str().unwrap();
        // The form of Timesketch's own export; pandas gives the same for strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").
        assert_eq!(datetime, "2026-11-20T14:13:46.123456+00:00");
        assert!(chrono::DateTime::parse_from_rfc3339(datetime).is_ok());
        assert_eq!(event["timestamp_desc"], "Event Time");
        assert_eq!(event["data_type"], "coincident:connection");
        let said = "connection deny 10.20.0.5:50012 → [2001:db8::1]:443 rule =EGRESS\\u{202e} state S0";
        assert_eq!(event["message"], said);
        assert_eq!(event["details"], "state S0");
        assert_eq!(event["dst_port"], 443);

        let text = [header(), csv(&row()).unwrap()].concat();
        let mut reader = ::csv::Reader::from_reader(text.as_slice());
        let read: std::collections::BTreeMap<String, String> = reader.deserialize().next().unwrap().unwrap();
        assert_eq!(read.len(), REQUIRED.len() + Row::COLUMNS.len(), "no two columns share a name");
        for name in ["message", "datetime", "timestamp_desc", "data_type"] {
            assert_eq!(read[name], event[name].as_str().unwrap(), "{name}");
        }
        assert_eq!(read["rule"], "'=EGRESS\\u{202e}");
    }

    #[test]
    fn undated_rows_have_no_place() {
        let undated = Row { time: None, ..row() };
        assert_eq!((csv(&undated), jsonl(&undated)), (None, None));
    }

    #[test]
    fn steps_say_what_their_time_is_of() {
        let step = Row {
            row_type: "step",
            kind: None,
            episode: Some("ep-001".to_owned()),
            index: Some(4),
            tool: Some("Bash".to_owned()),
            command: Some("curl\n-O x".to_owned()),
            end_kind: Some("result-recorded"),
            ..row()
        };
        let event: serde_json::Value = serde_json::from_slice(&jsonl(&step).unwrap()).unwrap();
        assert_eq!(event["timestamp_desc"], "Step Time: result-recorded");
        assert_eq!(event["message"], "ep-001 step 4, Bash: curl\\n-O x state S0");
        let written = Row { time_meaning: Some("written"), ..row() };
        assert_eq!(meaning(&written), "Record Written");
    }
}
