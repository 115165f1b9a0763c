//! Traces and observations of Langfuse (<https://langfuse.com/docs/observability/data-model>): traces with their
//! observations, lists and pages of either, and batches of events as its SDK sends them.

use std::io;

use serde_json::Value;

use super::tool::Tool;
use super::{
    Scene, Span, Spans, What, all, any_text, conventions, first_object, flat, json, member, read, scan, spoken, text,
};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of traces of Langfuse.
pub struct Langfuse;

/// Types of observations.
const TYPES: [&str; 10] =
    ["GENERATION", "SPAN", "EVENT", "TOOL", "AGENT", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL"];

impl Format for Langfuse {
    fn id(&self) -> &'static str {
        "langfuse"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Langfuse traces and observations, exported or as its SDK sends them"
    }

    fn record_unit(&self) -> &'static str {
        "observation"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let first = scan::first(&head.bytes);
        let held = ["data", "observations", "trace"].iter().find_map(|name| member(&members, name));
        for raw in [Some(first), held.map(scan::first)].into_iter().flatten() {
            let has = |name: &str| scan::member(raw, name).is_some();
            let typed =
                scan::member(raw, "type").and_then(scan::plain_string).is_some_and(|kind| TYPES.contains(&kind));
            if typed && (has("traceId") || has("trace_id") || has("parentObservationId")) {
                return Match::Certain("observations with a type and a trace".to_owned());
            }
            if has("observations") && (has("sessionId") || has("userId") || has("htmlPath") || has("timestamp")) {
                return Match::Certain("a trace with its observations".to_owned());
            }
        }
        let event = member(&members, "batch").map(scan::first).unwrap_or_default();
        let kind = scan::member(event, "type").and_then(scan::plain_string).unwrap_or_default();
        if scan::member(event, "body").is_some() && (kind.ends_with("-create") || kind.ends_with("-update")) {
            return Match::Certain("a batch of events".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        read(input, time, sink, &mut value)
    }
}

fn value(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let list = |key: &str| value.get(key).and_then(Value::as_array);
    if let Some(batch) = list("batch") {
        for event in batch {
            let kind = json::text(event, "type").unwrap_or_default();
            let body = event.get("body").unwrap_or(&Value::Null);
            let kind = kind.strip_suffix("-create").or_else(|| kind.strip_suffix("-update")).unwrap_or(kind);
            match kind {
                "trace" => trace(spans, body, sink),
                "score" | "sdk-log" => {
                    spans.next();
                    sink.record();
                }
                kind => observation(spans, body, &kind.to_uppercase(), None, sink),
            }
        }
        return true;
    }
    if let Some(page) = list("data") {
        return all(spans, page, sink, one) || page.is_empty();
    }
    if let (Some(inner), Some(observations)) =
        (value.get("trace").filter(|trace| trace.is_object()), list("observations"))
    {
        trace(spans, inner, sink);
        let session = any_text(inner, &["sessionId", "session_id"]);
        observations.iter().for_each(|inner| observation(spans, inner, "", session.as_deref(), sink));
        return true;
    }
    one(spans, value, sink)
}

fn one(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    if let Some(observations) = value.get("observations").and_then(Value::as_array) {
        trace(spans, value, sink);
        let session = any_text(value, &["sessionId", "session_id"]);
        // A list of traces names its observations by their ids only.
        let observations = observations.iter().filter(|observation| observation.is_object());
        observations.for_each(|inner| observation(spans, inner, "", session.as_deref(), sink));
        return true;
    }
    if value.get("type").is_some() && (value.get("traceId").is_some() || value.get("trace_id").is_some()) {
        observation(spans, value, "", None, sink);
        return true;
    }
    false
}

/// What holds for a whole trace.
fn trace(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) {
    let number = spans.next();
    let start = spans.stamp(number, value.get("timestamp"), sink);
    let scores = value.get("scores").and_then(Value::as_array).into_iter().flatten();
    let reward = scores
        .filter(|score| json::text(score, "name").is_some_and(|name| name.contains("reward")))
        .find_map(|score| score.get("value")?.as_f64());
    let span = Span {
        number,
        trace: text(value, "id").unwrap_or_default(),
        conversation: any_text(value, &["sessionId", "session_id"]),
        start,
        what: What::Agent,
        scene: Scene { task: text(value, "name"), reward, ..Scene::default() },
        ..Span::default()
    };
    spans.push(span, sink);
}

fn observation(spans: &mut Spans<'_>, value: &Value, kind: &str, session: Option<&str>, sink: &mut dyn Sink) {
    let number = spans.next();
    let at = |keys: [&str; 2]| keys.iter().find_map(|key| value.get(*key));
    let start = spans.stamp(number, at(["startTime", "start_time"]), sink);
    let end = spans.stamp(number, at(["endTime", "end_time"]), sink);
    let own = |keys: &[&str]| any_text(value, keys).unwrap_or_default();
    let conversation = any_text(value, &["sessionId", "session_id"]).or_else(|| session.map(str::to_owned));
    let model = any_text(value, &["model", "modelId", "providedModelName"]);
    let mut span = Span {
        number,
        id: own(&["id"]),
        parent: own(&["parentObservationId", "parent_observation_id"]),
        trace: own(&["traceId", "trace_id"]),
        conversation,
        start,
        end,
        scene: Scene { model, ..Scene::default() },
        ..Span::default()
    };
    let name = own(&["name"]);
    // What came over OpenTelemetry keeps its attributes.
    let metadata = value.get("metadata").map(flat::decoded).unwrap_or_default();
    if let Some(attributes) = metadata.get("attributes") {
        conventions::of_span(&mut span, &name, &flat::decoded(attributes));
    }
    if let Some(resource) = metadata.get("resourceAttributes") {
        conventions::resource(&mut span, &flat::decoded(resource));
    }
    let (input, output) = (value.get("input"), value.get("output"));
    let tool = || {
        let call_id = flat::text(&metadata, &["tool_call_id", "toolCallId", "attributes.gen_ai.tool.call.id"]);
        let tool = Tool { call_id, name: name.clone(), ..Tool::default() };
        let mut tool = tool.with_arguments(input).with_output(output);
        tool.output = tool.output.take().or_else(|| any_text(value, &["statusMessage", "status_message"]));
        Box::new(tool.at_work(start, end))
    };
    let told = text(value, "type").unwrap_or_else(|| kind.to_owned());
    span.what = match (&*told, span.what) {
        ("TOOL", What::Tool(mut held)) => {
            held.merge(*tool());
            What::Tool(held)
        }
        ("TOOL", _) => What::Tool(tool()),
        ("GENERATION", What::Other | What::Function(_)) => What::Model {
            got: input.map(|value| spoken::messages(value, "user")).unwrap_or_default(),
            gave: output.map(|value| spoken::messages(value, "assistant")).unwrap_or_default(),
        },
        ("AGENT", _) => What::Agent,
        ("SPAN" | "CHAIN", What::Other) if input.is_some() => What::Function(tool()),
        (_, held) => held,
    };
    spans.push(span, sink);
}
