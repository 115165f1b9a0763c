//! Traces of MLflow (<https://mlflow.org/docs/latest/genai/tracing/>): `{"info", "data": {"spans"}}`, the artifact
//! `traces.json` of its file store, and the `trace_info.yaml` beside it. Its attributes are JSON within JSON.

use std::io;

use serde_json::{Map, Value};

use super::{Scene, Span, Spans, conventions, first_object, flat, member, read, scan, text};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of traces of MLflow.
pub struct MlFlow;

impl Format for MlFlow {
    fn id(&self) -> &'static str {
        "mlflow"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "MLflow traces: trace objects, traces.json, and trace_info.yaml of the file store"
    }

    fn record_unit(&self) -> &'static str {
        "span"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let spans = member(&members, "data").and_then(|data| scan::member(data, "spans"));
        let info = member(&members, "info");
        let of_info = |info: &[u8]| {
            ["trace_id", "request_id"].iter().any(|name| scan::member(info, name).is_some())
                && ["trace_location", "experiment_id", "request_time", "timestamp_ms"]
                    .iter()
                    .any(|name| scan::member(info, name).is_some())
        };
        if spans.is_some() && info.is_some() || info.is_some_and(of_info) {
            return Match::Certain("a trace with info and data".to_owned());
        }
        if let Some(spans) = member(&members, "spans") {
            let attributes = scan::member(scan::first(spans), "attributes").unwrap_or_default();
            if scan::members(attributes).iter().any(|(name, _)| name.starts_with("mlflow.")) {
                return Match::Certain("spans with attributes of MLflow".to_owned());
            }
        }
        if is_info(&head.bytes) {
            return Match::Certain("trace_info.yaml".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let beginning = input.peek(Head::LENGTH as u64)?;
        if is_info(&beginning) {
            return info_file(input, time, sink);
        }
        read(input, time, sink, &mut trace)
    }
}

/// Whether that is a `trace_info.yaml`: its keys stand at the beginning of lines.
fn is_info(head: &[u8]) -> bool {
    let has = |key: &str| head.split(|byte| *byte == b'\n').any(|line| line.starts_with(key.as_bytes()));
    !head.trim_ascii_start().starts_with(b"{") && has("trace_id:") && (has("trace_location:") || has("request_time:"))
}

/// What MLflow writes of every trace: a file without one of them was cut, or is not as MLflow wrote it.
const ALWAYS: [&[&str]; 4] = [
    &["trace_id"],
    &["request_time", "timestamp_ms"],
    &["state", "status"],
    &["trace_location.type", "trace_location", "experiment_id"],
];

/// Reads `trace_info.yaml`: only what stands in one line is of use, so no more of YAML is read. The name of a value within
/// others is joined by dots.
fn info_file(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let text = super::super::text::whole(input, sink)?;
    let mut map = Map::new();
    // Keys that are open, with their indentation.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        last = number;
        let inner = line.trim_start_matches(' ');
        let indent = line.len() - inner.len();
        let listed = inner.starts_with("- ") || inner == "-";
        match inner.split_once(':') {
            Some((key, value))
                if !listed && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-'\"".contains(&byte)) =>
            {
                open.retain(|(outer, _)| *outer < indent);
                open.push((indent, key.trim_matches(['\'', '"']).to_owned()));
                let value = value.trim().trim_matches(['\'', '"']);
                let name: Vec<&str> = open.iter().map(|(_, key)| key.as_str()).collect();
                if !value.is_empty() {
                    map.insert(name.join("."), Value::from(value));
                }
            }
            // A text over several lines, or a list.
            _ if indent > 0 || listed || inner.is_empty() => {}
            _ => sink.unread(number, "neither a key with its value nor what goes on from one", line.as_bytes()),
        }
    }
    for names in ALWAYS {
        let has = |name: &&str| map.contains_key(*name);
        if !names.iter().any(has) {
            let detail = format!("no {}, which MLflow always writes: the file was cut or changed", names.join(" or "));
            sink.anomaly(Anomaly { record: last, kind: AnomalyKind::TruncatedRecord, detail });
        }
    }
    super::super::text::unended(&text, last, sink);
    let mut spans = Spans { name: input.name.clone(), evidence: input.evidence, time, number: 0, spans: Vec::new() };
    match of_info(&mut spans, &Value::Object(map), sink) {
        Some(span) => spans.push(span, sink),
        None => sink.unread(1, "no trace_id", text.get(..80).unwrap_or(&text).as_bytes()),
    }
    super::tell::tell(spans, sink);
    Ok(())
}

/// A trace: its info, and its spans.
fn trace(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let list = flat::find(value, "data.spans").or_else(|| value.get("spans"));
    let list = list.map(flat::decoded);
    let list = list.as_ref().and_then(Value::as_array);
    let info = value.get("info").map(flat::decoded);
    let mut about = match &info {
        Some(info) => of_info(spans, info, sink),
        None => None,
    };
    let session = about.as_ref().and_then(|about| about.conversation.clone());
    let known = list.is_some() || about.is_some();
    for value in list.into_iter().flatten() {
        let number = spans.next();
        let at = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key));
        let start = spans.stamp(number, at(&["start_time_unix_nano", "start_time", "start_time_ns"]), sink);
        let end = spans.stamp(number, at(&["end_time_unix_nano", "end_time", "end_time_ns"]), sink);
        let id = |keys: &[&str]| flat::text(value, keys).unwrap_or_default();
        let attributes = attributes(value.get("attributes"));
        // Ids of traces are base64 in spans, and hexadecimal behind `tr-` within their attributes.
        let trace = flat::text(&attributes, &["mlflow.traceRequestId"])
            .unwrap_or_else(|| id(&["trace_id", "context.trace_id"]));
        let mut span = Span {
            number,
            id: id(&["span_id", "context.span_id"]),
            parent: id(&["parent_span_id", "parent_id"]),
            conversation: session.clone(),
            trace,
            start,
            end,
            ..Span::default()
        };
        conventions::of_span(&mut span, &text(value, "name").unwrap_or_default(), &attributes);
        if let super::What::Tool(tool) = &mut span.what {
            let events = value.get("events").and_then(Value::as_array).into_iter().flatten();
            let message = events.filter_map(|event| {
                flat::find(event, "attributes").and_then(|held| flat::text(held, &["exception.message"]))
            });
            if let (None, Some(message)) = (&tool.output, message.into_iter().next()) {
                tool.output = Some(message);
            }
        }
        if let Some(about) = about.take() {
            span.scene.run = about.scene.run;
            span.scene.task = about.scene.task;
            span.scene.reward = about.scene.reward;
        }
        spans.push(span, sink);
    }
    // A trace whose spans are kept elsewhere.
    if let Some(about) = about {
        spans.push(about, sink);
    }
    known
}

/// What the info of a trace says: version 3 (`trace_id`, `request_time`) and 2 (`request_id`, `timestamp_ms`).
fn of_info(spans: &mut Spans<'_>, info: &Value, sink: &mut dyn Sink) -> Option<Span> {
    let trace = flat::text(info, &["trace_id", "request_id"])?;
    let number = spans.number + 1;
    let start = spans.stamp(number, info.get("request_time").or_else(|| info.get("timestamp_ms")), sink);
    let session = ["trace_metadata", "request_metadata", "tags"]
        .iter()
        .find_map(|key| flat::text(info, &[&format!("{key}.mlflow.trace.session")]));
    let run = flat::text(info, &["trace_location.mlflow_experiment.experiment_id", "experiment_id"]);
    let prompt = flat::text(info, &["request_preview"]);
    Some(Span {
        number,
        trace,
        conversation: session,
        start,
        what: prompt.map_or(super::What::Agent, |text| super::What::Said(crate::model::TextOrigin::Prompt, text)),
        scene: Scene { run, ..Scene::default() },
        ..Span::default()
    })
}

/// Attributes, each of which is JSON within a text; what is no JSON stays as it is.
fn attributes(value: Option<&Value>) -> Value {
    let map = flat::attributes(value);
    let decoded = map.as_object().into_iter().flatten().map(|(key, value)| {
        // A text in a text is a text; arguments keep the spelling of their JSON.
        let inner = match value {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
            other => other.clone(),
        };
        (key.clone(), inner)
    });
    Value::Object(decoded.collect())
}
