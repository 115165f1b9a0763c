//! Spans of traces: what OpenTelemetry, and the platforms that keep traces of agents, write of a run.
//!
//! A reader makes a [`Span`] of each of its records and says what it stands for; [`tell`] puts the spans of an episode
//! together. A trace is an episode, or all traces with one conversation. A call shows up as the model's proposal within
//! the answer of a model, as the span of the tool, and as log entries (a decision, a result): these are one step, by the
//! id of the call, or by name and arguments where the spans of a tool have no id.
//!
//! What a span says of the network (`server.address`) is filled in by the instrumentation, not seen on a wire: it is
//! never read. Spans are sampled, and lost with the program that ought to send them: that there is none proves nothing.

mod conventions;
mod flat;
mod langfuse;
mod langsmith;
mod mlflow;
mod openai_agents;
mod otel;
mod spoken;
mod tell;
#[cfg(test)]
mod tests;
mod tool;
mod weave;

use std::io;

use serde_json::Value;

use super::{json, scan, stamps};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::Sink;
use crate::model::TextOrigin;
use crate::time::{self, TimeContext};

pub use langfuse::Langfuse;
pub use langsmith::LangSmith;
pub use mlflow::MlFlow;
pub use openai_agents::OpenAiAgents;
pub use otel::OtelSpans;
pub use weave::Weave;

use tool::Tool;

/// What a span or a log entry stands for.
#[derive(Clone, Debug, Default)]
enum What {
    /// Nothing that is told; its place among the others counts.
    #[default]
    Other,
    /// An agent at work.
    Agent,
    /// A tool at work, or what was written of it.
    Tool(Box<Tool>),
    /// Some function, which is a tool if a model proposed a call of it.
    Function(Box<Tool>),
    /// A model was asked: the messages that it got and gave.
    Model {
        got: Vec<Value>,
        gave: Vec<Value>,
    },
    Said(TextOrigin, String),
}

/// What a record says of its whole episode.
#[derive(Clone, Debug, Default)]
struct Scene {
    model: Option<String>,
    agent: Option<String>,
    host: Option<String>,
    cwd: Option<String>,
    task: Option<String>,
    /// Nobody was asked before calls ran: the program was told not to.
    unasked: bool,
    reward: Option<f64>,
    /// The name of the run: a project, an experiment.
    run: Option<String>,
}

/// A span or a log entry.
#[derive(Clone, Debug, Default)]
struct Span {
    /// Counts the spans and log entries of the file from 1.
    number: u64,
    id: String,
    parent: String,
    trace: String,
    /// Names the conversation, session or thread that the trace is part of.
    conversation: Option<String>,
    start: Option<time::Span>,
    end: Option<time::Span>,
    what: What,
    scene: Scene,
}

/// The spans of a file.
struct Spans<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
    number: u64,
    spans: Vec<Span>,
}

impl Spans<'_> {
    /// The number of the next record.
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn push(&mut self, span: Span, sink: &mut dyn Sink) {
        sink.record();
        self.spans.push(span);
    }

    /// A moment: text, a number since 1970 (see [`stamps::of_value`]), or `[seconds, nanoseconds]`. Zero is none.
    fn stamp(&self, number: u64, value: Option<&Value>, sink: &mut dyn Sink) -> Option<time::Span> {
        let value = value?;
        let absent = match value {
            Value::Null => true,
            Value::String(text) => matches!(text.as_str(), "" | "0"),
            Value::Number(at) => at.as_f64() == Some(0.0),
            _ => false,
        };
        if absent {
            return None;
        }
        let span = match value.as_array().map(Vec::as_slice) {
            Some([seconds, nanoseconds]) => {
                let at = seconds.as_i64().zip(nanoseconds.as_i64());
                let at = at.and_then(|(seconds, ns)| time::Instant::from_parts(seconds, ns));
                at.map(|at| self.time.epoch(at, 1))
            }
            _ => stamps::of_value(value, self.time),
        };
        if span.is_none() {
            sink.anomaly(stamps::unreadable_value(number, value));
        }
        span
    }
}

/// Takes a JSON text of a file. False if it holds nothing of the format.
type EachText<'a> = dyn FnMut(&mut Spans<'_>, &Value, &mut dyn Sink) -> bool + Send + 'a;

/// Reads a file of JSON texts: lines, texts over many lines, or one list of them.
fn read(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink, each: &mut EachText<'_>) -> io::Result<()> {
    let beginning = input.peek(64)?;
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&beginning).trim_ascii_start();
    let over_lines = matches!(beginning, [b'{', b'\n' | b'\r', ..] | [b'{', b' ', b'\n' | b'\r', ..]);
    let is_list = beginning.starts_with(b"[");
    let mut spans = Spans { name: input.name.clone(), evidence: input.evidence, time, number: 0, spans: Vec::new() };
    let mut take = |_: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| {
        if !each(&mut spans, value, sink) {
            let number = spans.next();
            sink.unread(number, "neither a span nor a log entry", raw);
        }
    };
    let outcome = if is_list {
        json::list(input, sink, &mut take)
    } else if over_lines {
        json::texts(input, sink, &mut take)
    } else {
        json::lines(input, sink, &mut take)
    };
    tell::tell(spans, sink);
    outcome
}

/// Takes the elements of a list one by one; what holds nothing of the format is unread. False if the list is empty.
fn all(
    spans: &mut Spans<'_>,
    list: &[Value],
    sink: &mut dyn Sink,
    mut one: impl FnMut(&mut Spans<'_>, &Value, &mut dyn Sink) -> bool,
) -> bool {
    for value in list {
        if !one(spans, value, sink) {
            let number = spans.next();
            sink.unread(number, "neither a span nor a log entry", value.to_string().as_bytes());
        }
    }
    !list.is_empty()
}

/// The first object of a head, without the list around it.
fn first_object(head: &Head) -> Vec<(&str, &[u8])> {
    scan::members(scan::first(&head.bytes))
}

/// The raw value of a member.
fn member<'m>(members: &[(&str, &'m [u8])], name: &str) -> Option<&'m [u8]> {
    members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

/// The text at a key, unless it is empty.
fn text(value: &Value, key: &str) -> Option<String> {
    json::text(value, key).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The text at the first of the keys that has one.
fn any_text(value: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| text(value, key))
}
