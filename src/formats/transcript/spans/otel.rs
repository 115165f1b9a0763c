//! Spans and log entries of OpenTelemetry in the JSON that its programs write: OTLP
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>), lines of the collector's file exporter, the
//! console and file exporters of the SDKs, Jaeger, and rows of Arize Phoenix.

use std::io;

use serde_json::{Map, Value};

use super::{Spans, What, all, any_text, conventions, first_object, flat, json, member, read, scan, text};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of OpenTelemetry's JSON.
pub struct OtelSpans;

impl Format for OtelSpans {
    fn id(&self) -> &'static str {
        "otel-spans"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry spans and log entries of agents: OTLP JSON, exporters of the SDKs, Jaeger, OpenInference (Phoenix)"
    }

    fn record_unit(&self) -> &'static str {
        "span"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let has = |name: &str| member(&members, name).is_some();
        let within = |name: &str, inner: &str| {
            member(&members, name).is_some_and(|value| scan::member(scan::first(value), inner).is_some())
        };
        let otlp = ["resourceSpans", "resourceLogs", "resourceMetrics", "resource_spans", "resource_logs"];
        if otlp.iter().any(|name| has(name)) || within("batches", "scopeSpans") {
            let words: [&[u8]; 7] =
                [b"gen_ai", b"claude", b"codex", b"gemini", b"openinference", b"traceloop", b"tool"];
            if words.iter().any(|word| memchr::memmem::find(&head.bytes, word).is_some()) {
                return Match::Certain("OTLP, and words of an agent".to_owned());
            }
            return Match::Likely(50, "OTLP".to_owned());
        }
        if within("context", "trace_id") && within("context", "span_id") || has("context.span_id") {
            return Match::Certain("a span with its context".to_owned());
        }
        if has("_spanContext") || has("hrTime") && has("resource") || has("scopeMetrics") && has("resource") {
            return Match::Certain("objects of OpenTelemetry's JavaScript SDK".to_owned());
        }
        if has("attributes") && has("name") && has("traceId") && (has("timestamp") || has("startTime")) && has("kind") {
            return Match::Likely(80, "a span of OpenTelemetry's JavaScript SDK".to_owned());
        }
        if has("observed_timestamp") && has("severity_number") && has("attributes") {
            return Match::Certain("a log entry of OpenTelemetry's Python SDK".to_owned());
        }
        let data = member(&members, "data").unwrap_or_default();
        if scan::member(scan::first(data), "traceID").is_some() && scan::member(scan::first(data), "spans").is_some() {
            return Match::Certain("traces of Jaeger".to_owned());
        }
        let context = scan::member(scan::first(data), "context").unwrap_or_default();
        if scan::member(context, "span_id").is_some() {
            return Match::Certain("spans of Phoenix".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        read(input, time, sink, &mut value)
    }
}

/// A JSON text of a file.
fn value(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let list = |value: &Value, keys: &[&str]| -> Option<Vec<Value>> {
        keys.iter().find_map(|key| value.get(*key)).and_then(Value::as_array).cloned()
    };
    let resources =
        [list(value, &["resourceSpans", "resource_spans", "batches"]), list(value, &["resourceLogs", "resource_logs"])];
    let before = spans.number;
    let mut known = value.get("resourceMetrics").is_some() || value.get("scopeMetrics").is_some();
    for resource in resources.iter().flatten().flatten() {
        known = true;
        let attributes = flat::attributes(resource.get("resource").and_then(|resource| resource.get("attributes")));
        let scopes = ["scopeSpans", "scope_spans", "scopeLogs", "scope_logs", "instrumentationLibrarySpans"];
        for scope in list(resource, &scopes).into_iter().flatten() {
            for span in list(&scope, &["spans"]).into_iter().flatten() {
                one_span(spans, &span, &attributes, sink);
            }
            for entry in list(&scope, &["logRecords", "log_records", "logs"]).into_iter().flatten() {
                one_log(spans, &entry, &attributes, sink);
            }
        }
    }
    if known {
        // Metrics, or an export of nothing: no part of an episode, and a record like any other.
        if spans.number == before {
            spans.next();
            sink.record();
        }
        return true;
    }
    if let Some(data) = value.get("data").and_then(Value::as_array) {
        return all(spans, data, sink, |spans, inner, sink| jaeger(spans, inner, sink) || single(spans, inner, sink));
    }
    jaeger(spans, value, sink) || single(spans, value, sink)
}

/// A span or a log entry that stands for itself.
fn single(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let resource = value.get("resource").unwrap_or(&Value::Null);
    let attributes = ["attributes", "_attributes", "_rawAttributes"].iter().find_map(|key| resource.get(key));
    let resource = flat::attributes(attributes.or(Some(resource).filter(|resource| resource.is_object())));
    let context = ["context", "_spanContext", "spanContext"].iter().any(|key| value.get(key).is_some());
    let is_log = ["hrTime", "observed_timestamp", "hrTimeObserved", "severity_number", "severityNumber"]
        .iter()
        .any(|key| value.get(key).is_some());
    let begins =
        ["startTime", "start_time", "timestamp", "startTimeUnixNano"].iter().any(|key| value.get(key).is_some());
    if is_log && value.get("startTime").is_none() {
        one_log(spans, value, &resource, sink);
    } else if context || value.get("context.span_id").is_some() || begins && value.get("name").is_some() {
        one_span(spans, value, &resource, sink);
    } else {
        return false;
    }
    true
}

/// An id, without what a console puts in front of it.
fn id(value: Option<&Value>) -> String {
    let id = value.and_then(Value::as_str).unwrap_or_default();
    let id = id.strip_prefix("0x").unwrap_or(id);
    // An absent parent is written as zeros by some.
    if id.bytes().all(|byte| byte == b'0') { String::new() } else { id.to_ascii_lowercase() }
}

fn ids(value: &Value) -> (String, String, String) {
    let first = |names: &[&str]| names.iter().map(|name| id(flat::find(value, name))).find(|id| !id.is_empty());
    let trace =
        first(&["traceId", "trace_id", "context.trace_id", "_spanContext.traceId", "spanContext.traceId", "traceID"]);
    let own =
        first(&["spanId", "span_id", "context.span_id", "_spanContext.spanId", "spanContext.spanId", "spanID", "id"]);
    let parent = first(&[
        "parentSpanId",
        "parent_span_id",
        "parent_id",
        "parentSpanContext.spanId",
        "parentId",
        "parent.span_id",
    ]);
    (trace.unwrap_or_default(), own.unwrap_or_default(), parent.unwrap_or_default())
}

/// The attributes of a span: an object, a list, or columns of a table.
fn attributes(value: &Value) -> Value {
    let mut attributes = match value.get("attributes").filter(|attributes| !attributes.is_null()) {
        Some(held) => flat::attributes(Some(held)),
        None => {
            let map = value.as_object().into_iter().flatten();
            let columns = map.filter(|(_, value)| !value.is_null());
            let columns = columns.filter_map(|(key, value)| Some((key.strip_prefix("attributes.")?, value)));
            Value::Object(columns.map(|(key, value)| (key.to_owned(), value.clone())).collect::<Map<_, _>>())
        }
    };
    if let (Some(kind), Value::Object(map)) = (value.get("span_kind"), &mut attributes) {
        map.entry("openinference.span.kind").or_insert_with(|| kind.clone());
    }
    attributes
}

fn one_span(spans: &mut Spans<'_>, value: &Value, resource: &Value, sink: &mut dyn Sink) {
    let number = spans.next();
    let at = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key)).filter(|at| !at.is_null());
    let start =
        at(&["startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "_startTime", "timestamp"]);
    let end = at(&["endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime", "_endTime"]);
    let start = spans.stamp(number, start, sink);
    let mut end = spans.stamp(number, end, sink);
    // The console of JavaScript has a duration in microseconds instead of an end.
    if let (None, Some(start), Some(duration)) = (end, start, value.get("duration").and_then(Value::as_i64)) {
        end = Some(start.shifted(duration.saturating_mul(1_000)));
    }
    let (trace, id, parent) = ids(value);
    let name = text(value, "name").unwrap_or_default();
    let mut span = super::Span { number, id, parent, trace, start, end, ..super::Span::default() };
    conventions::of_span(&mut span, &name, &attributes(value));
    let events = value.get("events").map(flat::decoded).unwrap_or_default();
    let mut within = Vec::new();
    for event in events.as_array().into_iter().flatten() {
        let held = flat::attributes(event.get("attributes").or_else(|| event.get("attributes_json")));
        let event_name = text(event, "name").unwrap_or_default();
        if let What::Tool(tool) = &mut span.what {
            let said = match event_name.as_str() {
                "tool.output" => flat::find(&held, "output").or_else(|| flat::find(&held, "content")),
                "exception" => flat::find(&held, "exception.message"),
                _ => None,
            };
            if let (None, Some(said)) = (&tool.output, said) {
                **tool = std::mem::take(&mut **tool).with_output(Some(said));
            }
        }
        let keys = ["timeUnixNano", "time_unix_nano", "timestamp", "time"];
        let at = spans.stamp(number, keys.iter().find_map(|key| event.get(*key)), sink);
        let mut inner = super::Span {
            number,
            trace: span.trace.clone(),
            parent: span.id.clone(),
            conversation: span.conversation.clone(),
            start: at,
            ..super::Span::default()
        };
        let event_name = flat::text(&held, &["event.name"]).unwrap_or(event_name);
        conventions::of_log(&mut inner, &event_name, &held, &Value::Null);
        if !matches!(inner.what, What::Other) || inner.scene.unasked {
            within.push(inner);
        }
    }
    conventions::resource(&mut span, resource);
    spans.push(span, sink);
    spans.spans.append(&mut within);
}

fn one_log(spans: &mut Spans<'_>, value: &Value, resource: &Value, sink: &mut dyn Sink) {
    let number = spans.next();
    let held = attributes(value);
    let at = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key));
    let written = spans.stamp(number, at(&["timeUnixNano", "time_unix_nano", "timestamp", "hrTime"]), sink);
    // Some programs write no time of their own there, but among the attributes; what is observed may be the collector's.
    let written = written.or_else(|| spans.stamp(number, flat::find(&held, "event.timestamp"), sink));
    let observed = at(&["observedTimeUnixNano", "observed_time_unix_nano", "observed_timestamp", "hrTimeObserved"]);
    let start = written.or_else(|| spans.stamp(number, observed, sink));
    let (trace, parent, _) = ids(value);
    let body = at(&["body", "_body"]).map(flat::any).unwrap_or_default();
    let name = flat::text(&held, &["event.name"])
        .or_else(|| any_text(value, &["eventName", "event_name"]))
        .or_else(|| body.as_str().map(str::to_owned));
    let mut span = super::Span { number, parent, trace, start, ..super::Span::default() };
    conventions::of_log(&mut span, &name.unwrap_or_default(), &held, &body);
    conventions::resource(&mut span, resource);
    spans.push(span, sink);
}

/// A trace of Jaeger (<https://www.jaegertracing.io/docs/latest/apis/>): times and durations in microseconds.
fn jaeger(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let Some(list) = value.get("spans").and_then(Value::as_array) else { return false };
    if value.get("traceID").is_none() && !list.iter().any(|span| span.get("operationName").is_some()) {
        return false;
    }
    let tags = |tags: Option<&Value>| {
        let pairs = tags.and_then(Value::as_array).into_iter().flatten();
        let pairs = pairs.filter_map(|tag| Some((json::text(tag, "key")?.to_owned(), tag.get("value")?.clone())));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    for span in list {
        let number = spans.next();
        let start = spans.stamp(number, span.get("startTime"), sink);
        let duration = span.get("duration").and_then(Value::as_i64).map(|us| us.saturating_mul(1_000));
        let end = start.zip(duration).map(|(start, duration)| start.shifted(duration));
        let references = span.get("references").and_then(Value::as_array).into_iter().flatten();
        let parent =
            references.filter(|to| json::text(to, "refType") != Some("FOLLOWS_FROM")).map(|to| id(to.get("spanID")));
        let (trace, own, _) = ids(span);
        let mut found = super::Span {
            number,
            id: own,
            parent: parent.into_iter().next().unwrap_or_default(),
            trace,
            start,
            end,
            ..super::Span::default()
        };
        conventions::of_span(&mut found, &text(span, "operationName").unwrap_or_default(), &tags(span.get("tags")));
        let process = text(span, "processID").and_then(|id| value.get("processes")?.get(id));
        let mut resource = tags(process.and_then(|process| process.get("tags")));
        if let (Value::Object(map), Some(name)) =
            (&mut resource, process.and_then(|process| process.get("serviceName")))
        {
            map.insert("service.name".to_owned(), name.clone());
        }
        conventions::resource(&mut found, &resource);
        spans.push(found, sink);
    }
    true
}
