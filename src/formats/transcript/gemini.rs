//! Gemini CLI: session files of both generations (`packages/core/src/services/chatRecordingService.ts`).
//!
//! To 0.38 a session was one JSON text, written anew at every change; from 0.39 it is a log of changes, a line each: a
//! message comes again under its id when its calls are over, `$set` replaces what it names, `$rewindTo` takes messages
//! back. What was taken back was executed all the same. A call's own stamp says when it was over, the milliseconds in its
//! id when it was made.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, Endpoint, EndpointKind, TextOrigin};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// The Gemini CLI reader.
pub struct GeminiCli;

impl Format for GeminiCli {
    fn id(&self) -> &'static str {
        "gemini-cli"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Gemini CLI session files of both generations, and its prompt log (logs.json)"
    }

    fn record_unit(&self) -> &'static str {
        "record"
    }

    fn probe(&self, head: &Head) -> Match {
        for (index, line) in scan::lines(&head.bytes, 10).enumerate() {
            // An object over many lines begins in the first.
            let members = scan::members(if index == 0 { &head.bytes } else { line });
            let has = |name: &str| members.iter().any(|(found, _)| *found == name);
            let word = |name: &str| {
                members.iter().find(|(found, _)| *found == name).and_then(|(_, value)| scan::plain_string(value))
            };
            if has("sessionId") && has("projectHash") && has("startTime") {
                return Match::Certain("a session with sessionId, projectHash and startTime".to_owned());
            }
            if has("id") && has("timestamp") && has("content") && matches!(word("type"), Some("gemini")) {
                return Match::Likely(80, "messages of type gemini with id, timestamp and content".to_owned());
            }
            if members.len() == 1 && (has("$set") || has("$rewindTo")) {
                return Match::Likely(60, "changes of a session: $set, $rewindTo".to_owned());
            }
        }
        let entry = scan::members(scan::first(&head.bytes));
        let logged = ["sessionId", "messageId", "message", "timestamp", "type"];
        if head.bytes.trim_ascii_start().starts_with(b"[")
            && logged.iter().all(|name| entry.iter().any(|(found, _)| found == name))
        {
            return Match::Likely(70, "a list of prompts with sessionId and messageId".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let begin = input.peek(Head::LENGTH as u64)?;
        let mut reader = Reader {
            account: Account::of_file(input, time),
            actor: Actor::Policy,
            said: HashSet::new(),
            before: None,
            calls: 0,
            part: 0,
        };
        reader.account.about(About { agent: Some("Gemini CLI"), ..About::default() });
        reader.account.stamped.1 = EndpointKind::ToolEnded;
        let outcome = if begin.trim_ascii_start().starts_with(b"[") {
            json::list(input, sink, &mut |number, value, _, sink| reader.logged(number, value, sink))
        } else if scan::members(&begin).iter().any(|(name, _)| *name == "messages") {
            json::whole(input, sink).map(|text| {
                let kind = scan::member(&text, "kind").and_then(scan::plain_string);
                reader.header(kind);
                json::inner_list(&text, "messages", sink, &mut |number, value, raw, sink| {
                    reader.record(number, value, raw, sink);
                });
            })
        } else {
            json::lines(input, sink, &mut |number, value, raw, sink| reader.record(number, value, raw, sink))
        };
        reader.account.finish(sink);
        outcome
    }
}

struct Reader<'t> {
    account: Account<'t>,
    actor: Actor,
    /// What was said under each id, hashed: messages come again.
    said: HashSet<u64>,
    /// The latest stamp above the message.
    before: Option<Instant>,
    /// Calls told so far.
    calls: u64,
    /// Place within the record.
    part: u32,
}

impl Reader<'_> {
    fn header(&mut self, kind: Option<&str>) {
        if kind == Some("subagent") {
            self.actor = Actor::SubAgent;
        }
    }

    /// A line of a log of changes, or a message of a list.
    fn record(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        self.part = 0;
        if let Some(set) = value.get("$set") {
            let list = scan::member(raw, "$set").and_then(|set| scan::member(set, "messages")).map(scan::elements);
            let list = list.unwrap_or_default();
            for (index, message) in set.get("messages").and_then(Value::as_array).into_iter().flatten().enumerate() {
                self.message(number, message, list.get(index).copied().unwrap_or_default(), sink);
            }
        } else if let Some(to) = json::text(value, "$rewindTo") {
            let said = format!(
                "the conversation was taken back to message {to}: what was said and done since is hidden from the agent; \
                 {} calls had been made by then",
                self.calls
            );
            self.account.say(Spot::of(number, None), TextOrigin::Environment, said, sink);
        } else if json::text(value, "type").is_some() {
            self.message(number, value, raw, sink);
        } else if value.get("sessionId").is_some() {
            self.header(json::text(value, "kind"));
            self.account.stamp(number, value.get("startTime"), sink);
        } else {
            return sink.unread(number, "neither a message nor a change of a session", raw);
        }
        sink.record();
    }

    fn next(&mut self, spot: Spot) -> Spot {
        self.part += 1;
        spot.part(self.part - 1)
    }

    /// Whether a text under an id is new.
    fn is_first(&mut self, id: &str, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (id, text).hash(&mut hasher);
        self.said.insert(hasher.finish())
    }

    fn say(&mut self, spot: Spot, id: &str, origin: TextOrigin, text: &str, sink: &mut dyn Sink) {
        if self.is_first(id, text) {
            let spot = self.next(spot);
            self.account.say(spot, origin, text.to_owned(), sink);
        }
    }

    fn message(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let id = json::text(value, "id").unwrap_or_default();
        let stamp = value.get("timestamp");
        self.before = self.account.clock.high;
        // The stamp of a message that comes again is that of its first time.
        let at = match self.is_first(id, "") {
            true => self.account.stamp(number, stamp, sink),
            false => self.account.endpoint(stamp, EndpointKind::CallRecorded).map(|endpoint| endpoint.span),
        };
        let spot = Spot::of(number, at).by(self.actor);
        let kind = json::text(value, "type").unwrap_or_default();
        let agent = matches!(kind, "gemini" | "qwen" | "model" | "assistant");
        self.account.about(About { model: json::text(value, "model"), ..About::default() });
        for thought in value.get("thoughts").and_then(Value::as_array).into_iter().flatten() {
            let said = ["subject", "description"].iter().filter_map(|key| json::text(thought, key));
            let said = said.collect::<Vec<_>>().join(": ");
            self.say(spot, id, TextOrigin::Agent, &said, sink);
        }
        let parts = match value.get("content") {
            Some(Value::Array(parts)) => parts.iter().collect(),
            Some(other) => vec![other],
            None => Vec::new(),
        };
        for part in parts {
            if let Some(response) = part.get("functionResponse") {
                self.response(spot, response, sink);
                continue;
            }
            let Some(text) = part.as_str().or_else(|| json::text(part, "text")) else { continue };
            let origin = match kind {
                _ if agent => TextOrigin::Agent,
                "user" if !text.trim_start().starts_with("<session_context>") => TextOrigin::Prompt,
                _ => TextOrigin::Environment,
            };
            self.say(spot, id, origin, text, sink);
        }
        let calls = scan::member(raw, "toolCalls").map(scan::elements).unwrap_or_default();
        for (index, call) in value.get("toolCalls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let raw = calls.get(index).and_then(|call| scan::member(call, "args"));
            self.tool(spot, value, call, raw, sink);
        }
    }

    /// A call that a message holds, with its result once it is over.
    fn tool(&mut self, spot: Spot, message: &Value, call: &Value, raw: Option<&[u8]>, sink: &mut dyn Sink) {
        let Some(id) = json::text(call, "id") else { return };
        let end = self.account.endpoint(call.get("timestamp"), EndpointKind::ToolEnded);
        if !self.account.knows_call(id) {
            self.calls += 1;
            let (arguments, parsed) = json::arguments(call.get("args").unwrap_or(&Value::Null), raw);
            let made = Call {
                id: Some(id),
                tool: json::text(call, "name").unwrap_or_default(),
                arguments,
                model: json::text(message, "model"),
                start: self.start(id, spot.at, message, end),
                ..Call::default()
            };
            let place = self.next(spot);
            self.account.call(place, made, &parsed, sink);
        }
        let status = json::text(call, "status").unwrap_or_default();
        let result = call.get("result").filter(|result| !result.is_null());
        if self.account.knows_answer(id) || (result.is_none() && !matches!(status, "success" | "error" | "cancelled")) {
            return;
        }
        let response = result.and_then(|result| {
            let part =
                result.as_array().and_then(|parts| parts.iter().find(|part| part.get("functionResponse").is_some()));
            part?.pointer("/functionResponse/response")
        });
        let shown = ["error", "resultDisplay"].iter().find_map(|key| json::text(call, key));
        let output = response.map(output).or_else(|| result.map(json::content)).filter(|output| !output.is_empty());
        let output = output.unwrap_or_else(|| shown.unwrap_or_default().to_owned());
        self.account.answer(spot, answer(id, output, end), sink);
    }

    /// When a call was made: the milliseconds in its id, else the stamp of its message where that is not after its end,
    /// else somewhere between what stands above and its end.
    fn start(&self, id: &str, message: Option<Span>, value: &Value, end: Option<Endpoint>) -> Option<Endpoint> {
        let last = end.map(|end| end.span).or(message)?;
        if let Some(made) = milliseconds(id)
            && let Some(made) = self.account.endpoint(Some(&Value::from(made)), EndpointKind::CallRecorded)
            && made.span.lo <= last.hi
            && last.hi.since(made.span.lo) < 86_400 * SECOND
        {
            return Some(made);
        }
        let end = end?;
        if let Some(message) = message.filter(|message| message.hi < end.span.lo) {
            return Some(Endpoint { span: message, kind: EndpointKind::CallRecorded });
        }
        // The message was written when the call was over.
        let thoughts = value.get("thoughts").and_then(Value::as_array).into_iter().flatten();
        let thought = thoughts
            .filter_map(|thought| self.account.endpoint(thought.get("timestamp"), EndpointKind::TurnFlushed))
            .map(|endpoint| endpoint.span.lo)
            .chain(self.before)
            .filter(|at| *at <= end.span.lo)
            .max();
        let lo = thought.unwrap_or(end.span.lo);
        Some(Endpoint { span: Span { lo, ..end.span }, kind: EndpointKind::TurnFlushed })
    }

    /// A result as it was sent to the model, where the message of its call does not hold it.
    fn response(&mut self, spot: Spot, response: &Value, sink: &mut dyn Sink) {
        let id = json::text(response, "id").unwrap_or_default();
        if self.account.knows_answer(id) || !self.account.knows_call(id) {
            return;
        }
        let end = spot.at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded });
        self.account.answer(spot, answer(id, response.get("response").map(output).unwrap_or_default(), end), sink);
    }

    /// An entry of `logs.json`: what a person typed.
    fn logged(&mut self, number: u64, value: &Value, sink: &mut dyn Sink) {
        let Some(said) = json::text(value, "message") else {
            return sink.unread(number, "entry without a message", value.to_string().as_bytes());
        };
        let at = self.account.stamp(number, value.get("timestamp"), sink);
        self.account.say(Spot::of(number, at), TextOrigin::Prompt, said.to_owned(), sink);
        sink.record();
    }
}

/// The text of a `functionResponse.response`.
pub(super) fn output(response: &Value) -> String {
    ["output", "error", "content"].iter().find_map(|key| response.get(key)).map_or_else(
        || if response.is_object() { response.to_string() } else { json::content(response) },
        json::content,
    )
}

/// What the text of a result says, of Gemini CLI and its forks.
pub(super) fn answer(id: &str, output: String, end: Option<Endpoint>) -> Answer<'_> {
    let told = printed::of(&output);
    let cancelled = output.trim_start().starts_with("[Operation Cancelled]");
    // A command that is cancelled while it runs is told with the same words but these.
    let refused = cancelled && output.contains("did not allow");
    let unknown = output.starts_with("Tool \"") && output.contains("not found") || output.starts_with("params ");
    Answer {
        id: Some(id),
        exit_code: told.exit_code,
        place: told.place,
        not_executed: if cancelled { refused } else { told.not_executed || unknown },
        approval: refused.then_some(Approval::Refused),
        output,
        end,
        ..Answer::default()
    }
}

/// Thirteen digits in an id: milliseconds since 1970.
fn milliseconds(id: &str) -> Option<u64> {
    id.split(|letter: char| !letter.is_ascii_digit())
        .find(|digits| digits.len() == 13 && digits.starts_with(['1', '2']))?
        .parse()
        .ok()
}
