//! Traces that the OpenAI Agents SDK exports (<https://openai.github.io/openai-agents-python/tracing/>): `{"data": [...]}`
//! with objects `trace` and `trace.span`, or such objects alone.

use std::io;

use serde_json::Value;

use super::tool::Tool;
use super::{Scene, Span, Spans, What, all, first_object, flat, json, member, read, scan, spoken, text};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of traces of the OpenAI Agents SDK.
pub struct OpenAiAgents;

impl Format for OpenAiAgents {
    fn id(&self) -> &'static str {
        "openai-agents"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenAI Agents SDK traces as its exporter sends them"
    }

    fn record_unit(&self) -> &'static str {
        "span"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let object = |raw: &[u8]| scan::plain_string(raw).is_some_and(|kind| matches!(kind, "trace" | "trace.span"));
        let of_data = member(&members, "data").and_then(|data| scan::member(scan::first(data), "object"));
        let alone = member(&members, "object")
            .filter(|_| member(&members, "span_data").is_some() || member(&members, "workflow_name").is_some());
        if of_data.or(alone).is_some_and(object) {
            return Match::Certain("objects trace and trace.span".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        read(input, time, sink, &mut |spans, value, sink| match value.get("data").and_then(Value::as_array) {
            Some(list) => all(spans, list, sink, one),
            None => one(spans, value, sink),
        })
    }
}

fn one(spans: &mut Spans<'_>, value: &Value, sink: &mut dyn Sink) -> bool {
    let own = |key: &str| text(value, key).unwrap_or_default();
    match json::text(value, "object") {
        Some("trace") => {
            let number = spans.next();
            let task = text(value, "workflow_name");
            let span = Span {
                number,
                trace: own("id"),
                conversation: text(value, "group_id"),
                what: What::Agent,
                scene: Scene { task, ..Scene::default() },
                ..Span::default()
            };
            spans.push(span, sink);
            true
        }
        Some("trace.span") => {
            let number = spans.next();
            let start = spans.stamp(number, value.get("started_at"), sink);
            let end = spans.stamp(number, value.get("ended_at"), sink);
            let data = value.get("span_data").unwrap_or(&Value::Null);
            let mut span = Span {
                number,
                id: own("id"),
                parent: own("parent_id"),
                trace: own("trace_id"),
                start,
                end,
                ..Span::default()
            };
            span.scene.model = text(data, "model");
            span.what = what(data, value).unwrap_or_default();
            if let What::Tool(tool) = span.what {
                span.what = What::Tool(Box::new(tool.at_work(start, end)));
            }
            spans.push(span, sink);
            true
        }
        _ => false,
    }
}

fn what(data: &Value, span: &Value) -> Option<What> {
    let messages = |key: &str, role: &str| data.get(key).map(|value| spoken::messages(value, role)).unwrap_or_default();
    Some(match json::text(data, "type")? {
        "function" => {
            let tool = Tool { name: text(data, "name").unwrap_or_default(), ..Tool::default() };
            let mut tool = tool.with_arguments(data.get("input")).with_output(data.get("output"));
            if tool.output.is_none() {
                tool.output = flat::text(span, &["error.message"]);
            }
            What::Tool(Box::new(tool))
        }
        "agent" => What::Agent,
        "generation" => What::Model { got: messages("input", "user"), gave: messages("output", "assistant") },
        "response" => {
            let response = data.get("response").and_then(|response| response.get("output"));
            let gave = response.map(|output| spoken::messages(output, "assistant")).unwrap_or_default();
            What::Model { got: messages("input", "user"), gave }
        }
        _ => return None,
    })
}
