//! Rows of the table `sandbox_record` of ROCK's administration (`rock/admin/core/schema.py`), exported as JSON or CSV: on
//! which host each sandbox ran.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::super::{json, scan, stamps};
use crate::evidence::{EvidenceId, Head, Input, Record};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Episode, EpisodeText, TextOrigin};
use crate::time::{Span, TimeContext};

/// The reader of sandbox records.
pub struct RockSandbox;

/// The program that an episode of a sandbox record names: it has no steps of its own.
const AGENT: &str = "ROCK sandbox record";

/// What the rows of a file share.
#[derive(Clone, Copy)]
struct Of<'a> {
    name: &'a str,
    evidence: EvidenceId,
    time: &'a TimeContext,
}

fn is_row(has: impl Fn(&str) -> bool) -> bool {
    has("sandbox_id")
        && has("host_ip")
        && ["state", "image", "port_mapping", "cluster_name"].iter().any(|name| has(name))
}

/// Cells of a line of CSV (RFC 4180).
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                if let Some(cell) = cells.last_mut() {
                    cell.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            letter => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(letter);
                }
            }
        }
    }
    cells
}

impl Format for RockSandbox {
    fn id(&self) -> &'static str {
        "rock-sandbox"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "ROCK sandbox records (table sandbox_record of its administration) as JSON, lines of JSON or CSV"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let found = match head.bytes.trim_ascii_start().first() {
            Some(b'{' | b'[') => {
                let members = scan::members(scan::first(&head.bytes));
                is_row(|name| members.iter().any(|(found, _)| *found == name))
            }
            _ => {
                let first = scan::lines(&head.bytes, 1).next().and_then(|line| std::str::from_utf8(line).ok());
                let names = first.map(|line| cells(line.trim())).unwrap_or_default();
                is_row(|name| names.iter().any(|found| found == name))
            }
        };
        if found { Match::Certain("rows with sandbox_id and host_ip".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let name = input.name.clone();
        let of = Of { name: &name, evidence: input.evidence, time };
        match input.peek(64)?.trim_ascii_start().first() {
            Some(b'[') => json::list(input, sink, &mut |number, row, raw, sink| tell(&of, number, row, raw, sink)),
            Some(b'{') => json::texts(input, sink, &mut |number, row, raw, sink| tell(&of, number, row, raw, sink)),
            _ => {
                let text = super::super::text::whole(input, sink)?;
                let mut lines = text.lines().filter(|line| !line.trim().is_empty());
                let names = lines.next().map(cells).unwrap_or_default();
                if !is_row(|name| names.iter().any(|found| found == name)) {
                    sink.unread(1, "no names of columns", text.as_bytes());
                    return Ok(());
                }
                let mut last = 1;
                for (number, line) in (1..).zip(lines) {
                    last = number;
                    let cells = cells(line);
                    if cells.len() != names.len() {
                        sink.unread(number, "a row with more or fewer cells than there are columns", line.as_bytes());
                        continue;
                    }
                    let row = names.iter().cloned().zip(cells.into_iter().map(Value::String)).collect();
                    tell(&of, number, &Value::Object(row), line.as_bytes(), sink);
                }
                super::super::text::unended(&text, last, sink);
                Ok(())
            }
        }
    }
}

fn tell(of: &Of<'_>, number: u64, row: &Value, raw: &[u8], sink: &mut dyn Sink) {
    let Of { name, evidence, time } = *of;
    // The column's default says that nothing was known.
    let known = |key: &str| json::text(row, key).filter(|text| !text.is_empty() && *text != "default");
    let Some(sandbox) = known("sandbox_id") else { return sink.unread(number, "row without sandbox_id", raw) };
    let times = ["create_time", "start_time", "stop_time", "archive_time", "delete_time"];
    let spans = times.iter().filter_map(|key| stamps::of_value(row.get(key)?, time));
    let ports: BTreeMap<String, Value> = match row.get("port_mapping") {
        Some(Value::Object(ports)) => ports.iter().map(|(inner, outer)| (inner.clone(), outer.clone())).collect(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    let ports: Vec<String> = ports.iter().map(|(inner, outer)| format!("{inner}->{}", json::content(outer))).collect();
    let id = format!("{name}#{sandbox}");
    if !ports.is_empty() {
        sink.text(EpisodeText {
            episode: id.clone(),
            origin: TextOrigin::Environment,
            record: Record { evidence, number },
            span: None,
            order: (number, 0),
            text: json::kept(format!("ports of the sandbox on its host: {}", ports.join(", "))).0,
        });
    }
    sink.episode(Episode {
        id,
        name: sandbox.to_owned(),
        agent: Some(AGENT.to_owned()),
        host: known("host_name").or_else(|| known("host_ip")).map(str::to_owned),
        sandbox: Some(sandbox.to_owned()),
        sandbox_ip: known("host_ip").and_then(|ip| ip.parse().ok()),
        span: spans.reduce(Span::cover),
        ..Episode::default()
    });
    sink.record();
}
