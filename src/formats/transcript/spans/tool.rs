//! A call as spans and log entries tell of it, and how what they tell is put together.

use serde_json::Value;

use super::super::{json, printed};
use crate::model::{Approval, Endpoint, EndpointKind, Place};
use crate::time;

/// What is known of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Tool {
    pub(super) call_id: Option<String>,
    pub(super) name: String,
    /// As they were written; empty if they are not told.
    pub(super) arguments: String,
    pub(super) command: Option<String>,
    pub(super) output: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) start: Option<Endpoint>,
    pub(super) end: Option<Endpoint>,
    pub(super) duration_ns: Option<i64>,
    pub(super) approval: Option<Approval>,
    pub(super) not_executed: bool,
    pub(super) place: Place,
    /// The record that tells of its end, if another than that of its beginning.
    pub(super) result_number: Option<u64>,
    /// A log entry told it, not a span.
    pub(super) logged: bool,
}

impl Tool {
    /// Its arguments as they stand in a span: an object, or a text which may hold one.
    pub(super) fn with_arguments(mut self, value: Option<&Value>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.arguments = json::arguments(value, None).0;
        }
        self
    }

    /// What came back. An object may name the exit code of a command; a text may show it.
    pub(super) fn with_output(mut self, value: Option<&Value>) -> Self {
        let Some(value) = value.filter(|value| !value.is_null()) else { return self };
        let parsed = match value {
            Value::String(text) if text.trim_start().starts_with('{') => serde_json::from_str(text).ok(),
            Value::Object(_) => Some(value.clone()),
            _ => None,
        };
        // What a framework wraps around the answer of a tool is a message for the model.
        let inner = parsed.as_ref().filter(|parsed| {
            parsed.get("tool_call_id").is_some()
                || json::text(parsed, "type") == Some("tool")
                || json::text(parsed, "role") == Some("tool")
        });
        let inner = inner.and_then(|message| Some((message, message.get("content")?)));
        if let Some((message, content)) = inner {
            self.call_id = self.call_id.or_else(|| super::text(message, "tool_call_id"));
            if message.get("status").and_then(Value::as_str) == Some("rejected") {
                self.not_executed = true;
            }
            return self.with_text(json::content(content));
        }
        if let Some(parsed) = &parsed {
            let codes = ["exit_code", "exitCode", "returncode", "return_code"];
            self.exit_code = codes.iter().find_map(|key| json::exit_code(parsed, key));
        }
        match value {
            Value::String(text) => self.with_text(text.clone()),
            // Of an object with parts that count, all is kept.
            Value::Object(_) => self.with_text(value.to_string()),
            other => self.with_text(json::content(other)),
        }
    }

    fn with_text(mut self, text: String) -> Self {
        let told = printed::of(&text);
        self.exit_code = self.exit_code.or(told.exit_code).or_else(|| below_header(&text));
        self.not_executed |= told.not_executed;
        self.place.fill_from(told.place);
        self.output = Some(text);
        self
    }

    /// The time of a span: the tool was at work.
    pub(super) fn at_work(mut self, start: Option<time::Span>, end: Option<time::Span>) -> Self {
        self.start = start.map(|span| Endpoint { span, kind: EndpointKind::ToolStarted });
        self.end = end.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded });
        self
    }

    /// Takes in what another record tells of the same call.
    pub(super) fn merge(&mut self, other: Tool) {
        self.call_id = self.call_id.take().or(other.call_id);
        if self.name.is_empty() {
            self.name = other.name;
        }
        if self.arguments.is_empty() {
            self.arguments = other.arguments;
        }
        self.command = self.command.take().or(other.command);
        if self.output.is_none() {
            self.output = other.output;
            self.result_number = other.result_number.or(self.result_number);
        }
        self.exit_code = self.exit_code.or(other.exit_code);
        self.start = narrower(self.start, other.start, |mine, theirs| theirs.lo > mine.lo);
        self.end = narrower(self.end, other.end, |mine, theirs| theirs.hi < mine.hi);
        self.duration_ns = self.duration_ns.or(other.duration_ns);
        self.approval = self.approval.or(other.approval);
        self.not_executed |= other.not_executed;
        self.place.fill_from(other.place);
        self.logged |= other.logged;
    }
}

/// The exit code in the header that Codex puts above an output; what the command printed must not be taken for it.
fn below_header(text: &str) -> Option<i32> {
    let headed = ["Chunk ID: ", "Wall time: "].iter().any(|start| text.starts_with(start));
    let header = text.lines().take(8).take_while(|line| headed && !line.starts_with("Output:"));
    header.filter_map(|line| line.strip_prefix("Process exited with code ")).find_map(|code| code.trim().parse().ok())
}

/// Of two moments the one that says more: of a tool at work before one of a record; of the same sort the inner one.
fn narrower(
    mine: Option<Endpoint>,
    theirs: Option<Endpoint>,
    inner: impl Fn(&time::Span, &time::Span) -> bool,
) -> Option<Endpoint> {
    let (Some(first), Some(second)) = (mine, theirs) else { return mine.or(theirs) };
    let at_work = |endpoint: Endpoint| matches!(endpoint.kind, EndpointKind::ToolStarted | EndpointKind::ToolEnded);
    let take = match (at_work(first), at_work(second)) {
        (true, false) => false,
        (false, true) => true,
        _ => inner(&first.span, &second.span),
    };
    Some(if take { second } else { first })
}
