//! What went to the model and what came back: `LLMService.log`, where the sandbox leaves its questions and somebody else
//! the answers, and `LLMTraj.jsonl` of the proxy.
//!
//! Every question repeats the conversation. What was told before is passed over; what the first question holds of the
//! agent was not decided here. An answer's stamp is when the call was recorded, the next question's when its result was.

use std::collections::HashSet;
use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Spot};
use super::super::{json, messages};
use crate::evidence::Input;
use crate::formats::Sink;
use crate::model::{Actor, TextOrigin};
use crate::time::{Span, TimeContext};

pub(super) const MARKS: [&str; 2] = ["LLM_REQUEST_START", "LLM_RESPONSE_START"];

struct Exchange<'t> {
    account: Account<'t>,
    /// Messages that were told, as text.
    told: HashSet<String>,
    /// Calls of messages that were told.
    calls: HashSet<String>,
}

impl<'t> Exchange<'t> {
    fn new(input: &Input, time: &'t TimeContext) -> Self {
        let mut account = Account::of_file(input, time);
        account.about(About { agent: Some("ROCK model service"), ..About::default() });
        Exchange { account, told: HashSet::new(), calls: HashSet::new() }
    }

    fn request(&mut self, number: u64, at: Option<Span>, request: &Value, sink: &mut dyn Sink) {
        self.account.about(About { model: json::text(request, "model"), ..About::default() });
        let asked = ["messages", "input"].iter().find_map(|key| request.get(key)?.as_array());
        for (index, message) in (0u32..).zip(asked.into_iter().flatten()) {
            let calls = ids(message);
            let known = !calls.is_empty() && calls.iter().all(|id| self.calls.contains(*id));
            if known || !self.told.insert(key_of(message)) {
                continue;
            }
            self.calls.extend(calls.into_iter().map(str::to_owned));
            let spot = Spot::of(number, at).part(index.min(1 << 20) << 8).by(Actor::Replayed);
            messages::message(&mut self.account, spot, message, None, sink);
        }
    }

    fn response(&mut self, number: u64, at: Option<Span>, response: &Value, sink: &mut dyn Sink) {
        let choices = response.get("choices").and_then(Value::as_array);
        let messages = choices.into_iter().flatten().filter_map(|choice| choice.get("message"));
        for (index, message) in (0u32..).zip(messages) {
            self.told.insert(key_of(message));
            self.calls.extend(ids(message).into_iter().map(str::to_owned));
            // Behind all messages of a question in the same line.
            let spot = Spot::of(number, at).part((1 << 29) + (index.min(1 << 10) << 8));
            messages::message(&mut self.account, spot, message, None, sink);
        }
    }
}

/// Ids of the calls in a message.
fn ids(message: &Value) -> Vec<&str> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    calls.into_iter().flatten().filter_map(|call| json::text(call, "id")).collect()
}

/// What a message says: programs rebuild what the model said for the next question, with other members around it.
fn key_of(message: &Value) -> String {
    let member =
        |key: &str| message.get(key).filter(|value| !value.is_null()).map(Value::to_string).unwrap_or_default();
    let content = message.get("content").map(json::content).unwrap_or_default();
    format!("{}\u{1}{}\u{1}{}\u{1}{content}", member("role"), member("tool_call_id"), member("tool_calls"))
}

/// `LLM_REQUEST_START{...}LLM_REQUEST_END{"timestamp":<ms>,"index":n}`, the same of responses, `SESSION_END`.
pub(super) fn service(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let mut exchange = Exchange::new(input, time);
    let text = super::super::text::whole(input, sink)?;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line == "SESSION_END" {
            sink.record();
            continue;
        }
        let Some((asked, body, about)) = parts(line) else {
            sink.unread(number, "neither a request nor a response with its end", line.as_bytes());
            continue;
        };
        let (Ok(body), Ok(about)) = (serde_json::from_str::<Value>(body), serde_json::from_str::<Value>(about)) else {
            sink.unread(number, "not JSON", line.as_bytes());
            continue;
        };
        let at = exchange.account.stamp(number, about.get("timestamp"), sink);
        if asked {
            exchange.request(number, at, &body, sink);
        } else {
            exchange.response(number, at, &body, sink);
        }
        sink.record();
    }
    exchange.account.finish(sink);
    Ok(())
}

/// Whether it is a request, its body, and what stands behind it. The last end of a line is the one that the service wrote:
/// what a model says may hold the same words.
fn parts(line: &str) -> Option<(bool, &str, &str)> {
    for (asked, start, end) in
        [(true, "LLM_REQUEST_START", "LLM_REQUEST_END"), (false, "LLM_RESPONSE_START", "LLM_RESPONSE_END")]
    {
        if let Some(rest) = line.strip_prefix(start) {
            let (body, about) = rest.rsplit_once(end)?;
            return Some((asked, body, about));
        }
    }
    None
}

/// `{model, stream, status, response_time, start_time, end_time, request, response, error}` a line, times in seconds
/// since 1970.
pub(super) fn trajectory(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let mut exchange = Exchange::new(input, time);
    let outcome = json::lines(input, sink, &mut |number, value, raw, sink| {
        let Some(request) = value.get("request").filter(|request| request.is_object()) else {
            return sink.unread(number, "line without a request", raw);
        };
        let asked = exchange.account.stamp(number, value.get("start_time"), sink);
        let answered = exchange.account.stamp(number, value.get("end_time"), sink);
        exchange.account.about(About { model: json::text(value, "model"), ..About::default() });
        exchange.request(number, asked, request, sink);
        match value.get("response").filter(|response| response.is_object()) {
            Some(response) => exchange.response(number, answered, response, sink),
            None => {
                let error = value.get("error").map(json::content).unwrap_or_default();
                let spot = Spot::of(number, answered).part(1 << 29);
                exchange.account.say(spot, TextOrigin::Environment, error, sink);
            }
        }
        sink.record();
    });
    exchange.account.finish(sink);
    outcome
}
