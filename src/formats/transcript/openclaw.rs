//! OpenClaw: its telemetry, and the session files that it shares with the Pi coding agent.
//!
//! Telemetry tells `tool.start` and `tool.end` of all sessions in one file, without an id of the call: an end belongs to
//! the oldest call of its session and tool that has none. Older versions stamp nothing but messages. Session files (`session-format.md`
//! of the Pi coding agent, version 3) have two clocks: that of the record is when it was appended, that within the message
//! when it was made.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, messages, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Endpoint, EndpointKind, TextOrigin};
use crate::time::{Span, TimeContext};

/// The OpenClaw reader.
pub struct OpenClaw;

const EVENTS: [&str; 9] = [
    "tool.start",
    "tool.end",
    "agent.start",
    "agent.end",
    "message.in",
    "message.out",
    "message.sending",
    "llm.usage",
    "session.start",
];

impl Format for OpenClaw {
    fn id(&self) -> &'static str {
        "openclaw"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenClaw telemetry and session files (as the Pi coding agent writes them)"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        for (index, line) in scan::lines(&head.bytes, 20).enumerate() {
            let members = scan::members(line);
            let has = |names: &[&str]| members.iter().any(|(found, _)| names.contains(found));
            let word = |name: &str| {
                members.iter().find(|(found, _)| *found == name).and_then(|(_, value)| scan::plain_string(value))
            };
            let kind = word("type").unwrap_or_default();
            let telemetry = ["sessionKey", "channel", "durationMs", "toolName"];
            if EVENTS.contains(&kind) && has(&telemetry) && !has(&["data"]) {
                return Match::Certain(format!("events of type {kind} without ids of calls"));
            }
            if index == 0 && kind == "session" && has(&["cwd"]) && has(&["timestamp"]) && has(&["id"]) {
                return Match::Certain("a session line with id, timestamp and cwd".to_owned());
            }
            if kind == "message" && has(&["parentId"]) && has(&["id"]) && has(&["message"]) {
                return Match::Likely(75, "lines of type message with id, parentId and a message".to_owned());
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader {
            name: input.name.clone(),
            evidence: input.evidence,
            time,
            sessions: BTreeMap::new(),
            last: None,
            calls: 0,
        };
        let outcome = json::lines(input, sink, &mut |number, value, raw, sink| reader.line(number, value, raw, sink));
        for session in std::mem::take(&mut reader.sessions).into_values() {
            session.account.finish(sink);
        }
        outcome
    }
}

struct Session<'t> {
    account: Account<'t>,
    /// Calls that have no end, by their tool.
    open: VecDeque<(String, String)>,
    /// Calls that events told, to know them again in the conversation that is repeated when an agent is done.
    told: Vec<(String, Value)>,
    /// What its last prompt was: the program tells it twice.
    prompt: String,
}

impl Session<'_> {
    /// The conversation of an agent that is done: what events did not tell of it (a file that was cut in front).
    fn repeated(&mut self, spot: Spot, event: &Value, raw: Option<&[u8]>, sink: &mut dyn Sink) {
        let raw = raw.map(scan::elements).unwrap_or_default();
        let mut part = 0;
        for (index, message) in event.get("messages").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let at = self.account.endpoint(message.get("timestamp"), EndpointKind::CallRecorded);
            let at = at.map(|endpoint| endpoint.span);
            if json::text(message, "role") == Some("toolResult") {
                let known = json::text(message, "toolCallId").is_some_and(|id| self.account.knows_call(id));
                if known {
                    Reader::result(&mut self.account, Spot { at, ..spot }, message, sink);
                }
                continue;
            }
            let blocks = raw.get(index).and_then(|message| scan::member(message, "content")).map(scan::elements);
            let blocks = blocks.unwrap_or_default();
            let content = message.get("content").and_then(Value::as_array).into_iter().flatten();
            for (index, block) in content.enumerate() {
                let (Some("toolCall"), Some(id)) = (json::text(block, "type"), json::text(block, "id")) else {
                    continue;
                };
                let tool = json::text(block, "name").unwrap_or_default();
                let raw = blocks.get(index).and_then(|block| scan::member(block, "arguments"));
                let (arguments, parsed) = json::arguments(block.get("arguments").unwrap_or(&Value::Null), raw);
                if let Some(told) = self.told.iter().position(|(name, told)| name == tool && *told == parsed) {
                    self.told.swap_remove(told);
                } else if !self.account.knows_call(id) {
                    let call = Call { id: Some(id), tool, arguments, ..Call::default() };
                    self.account.call(Spot { at, ..spot }.part(part), call, &parsed, sink);
                    part += 1;
                }
            }
        }
    }
}

struct Reader<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
    sessions: BTreeMap<String, Session<'t>>,
    /// The latest stamp of the file.
    last: Option<Span>,
    calls: u64,
}

impl<'t> Reader<'t> {
    /// The session of that key; the empty key is that of the file.
    fn session(&mut self, key: &str) -> &mut Session<'t> {
        let (name, evidence, time) = (&self.name, self.evidence, self.time);
        self.sessions.entry(key.to_owned()).or_insert_with(|| {
            let (id, shown) =
                if key.is_empty() { (name.clone(), json::stem(name)) } else { (format!("{name}#{key}"), key) };
            let mut account = Account::new(&id, shown, evidence, time);
            account.about(About { agent: Some("OpenClaw"), ..About::default() });
            Session { account, open: VecDeque::new(), told: Vec::new(), prompt: String::new() }
        })
    }

    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(kind) = json::text(value, "type") else { return sink.unread(number, "line without a type", raw) };
        match kind {
            "session" | "message" | "model_change" | "compaction" | "branch_summary" => {
                self.kept(number, kind, value, raw, sink);
            }
            kind if EVENTS.contains(&kind) => self.event(number, kind, value, raw, sink),
            // thinking_level_change, custom, label, ...
            _ if value.get("id").is_some() || kind.contains('.') => {}
            _ => return sink.unread(number, "type of line not known", raw),
        }
        sink.record();
    }

    /// A line of telemetry.
    fn event(&mut self, number: u64, kind: &str, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let key = json::text(value, "sessionKey").or_else(|| json::text(value, "channel")).unwrap_or_default();
        let calls = self.calls;
        let last = self.last;
        let session = self.session(key);
        let own = value.get("ts").or_else(|| value.get("timestamp"));
        let at = session.account.stamp(number, own, sink);
        let actor = if key.contains(":subagent:") { Actor::SubAgent } else { Actor::Policy };
        let spot = Spot::of(number, at).by(actor);
        let text = |key: &str| json::text(value, key).unwrap_or_default().to_owned();
        match kind {
            "tool.start" => {
                let tool = text("toolName");
                let id = format!("{tool}#{calls}");
                session.open.push_back((tool.clone(), id.clone()));
                let (arguments, parsed) =
                    json::arguments(value.get("params").unwrap_or(&Value::Null), scan::member(raw, "params"));
                // Without a stamp of its own it did not begin before the latest above it, in whatever session.
                let started = at.map(|span| Endpoint { span, kind: EndpointKind::ToolStarted });
                let floor = last.map(|span| Span::at(span.lo, crate::time::Basis::OrderOnly));
                let floor = floor.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded });
                let call = Call { id: Some(&id), tool: &tool, arguments, start: started.or(floor), ..Call::default() };
                session.account.call(spot, call, &parsed, sink);
                session.told.push((tool, parsed));
                self.calls += 1;
            }
            "tool.end" => {
                let tool = text("toolName");
                let found = session.open.iter().position(|(open, _)| *open == tool);
                let Some((_, id)) = found.and_then(|found| session.open.remove(found)) else { return };
                let milliseconds = value.get("durationMs").and_then(Value::as_i64);
                let output = ["result", "output", "error"].iter().find_map(|key| value.get(key));
                let answer = Answer {
                    id: Some(&id),
                    output: output.map(json::content).unwrap_or_default(),
                    unseen: output.is_none(),
                    duration_ns: milliseconds.and_then(|ms| ms.checked_mul(1_000_000)).filter(|ns| *ns >= 0),
                    end: at.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded }),
                    ..Answer::default()
                };
                session.account.answer(spot, answer, sink);
            }
            "agent.start" => {
                let prompt = text("prompt");
                if session.prompt != prompt {
                    session.account.say(spot, TextOrigin::Prompt, prompt.clone(), sink);
                    session.prompt = prompt;
                }
            }
            "agent.end" => session.repeated(spot, value, scan::member(raw, "messages"), sink),
            "message.in" => session.account.say(spot, TextOrigin::Prompt, text("content"), sink),
            "message.out" | "message.sending" => session.account.say(spot, TextOrigin::Agent, text("content"), sink),
            _ => {}
        }
        if let Some(at) = at {
            self.last = Some(self.last.filter(|last| last.lo > at.lo).unwrap_or(at));
        }
    }

    /// A line of a session file.
    fn kept(&mut self, number: u64, kind: &str, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let account = &mut self.session("").account;
        let at = account.stamp(number, value.get("timestamp"), sink);
        let spot = Spot::of(number, at);
        match kind {
            "session" => account.about(About { cwd: json::text(value, "cwd"), ..About::default() }),
            "model_change" => account.about(About { model: json::text(value, "modelId"), ..About::default() }),
            "message" => {
                let Some(message) = value.get("message") else { return };
                account.about(About { model: json::text(message, "model"), ..About::default() });
                let made = account.endpoint(message.get("timestamp"), EndpointKind::CallRecorded);
                match json::text(message, "role") {
                    Some("toolResult") => Self::result(account, spot, message, sink),
                    Some("bashExecution") => Self::typed(account, spot, message, sink),
                    Some(_) => {
                        // What the model said is stamped when its answer began, and recorded when that was whole.
                        let spot = Spot { at: at.or(made.map(|made| made.span)), ..spot };
                        messages::message(account, spot, message, scan::member(raw, "message"), sink);
                    }
                    None => {}
                }
            }
            _ => {
                let said = json::text(value, "summary").unwrap_or_default().to_owned();
                account.say(spot, TextOrigin::Environment, said, sink);
            }
        }
    }

    fn result(account: &mut Account<'_>, spot: Spot, message: &Value, sink: &mut dyn Sink) {
        let details = message.get("details").unwrap_or(&Value::Null);
        let milliseconds = details.get("durationMs").and_then(Value::as_i64);
        let answer = Answer {
            id: json::text(message, "toolCallId"),
            output: message.get("content").map(json::content).unwrap_or_default(),
            exit_code: json::exit_code(details, "exitCode"),
            duration_ns: milliseconds.and_then(|ms| ms.checked_mul(1_000_000)).filter(|ns| *ns >= 0),
            end: account.endpoint(message.get("timestamp"), EndpointKind::ToolEnded),
            ..Answer::default()
        };
        account.answer(spot, answer, sink);
    }

    /// A command that a person typed.
    fn typed(account: &mut Account<'_>, spot: Spot, message: &Value, sink: &mut dyn Sink) {
        let command = json::text(message, "command").unwrap_or_default().to_owned();
        let id = format!("typed#{}", spot.number);
        let call = Call {
            id: Some(&id),
            tool: "bashExecution",
            arguments: command.clone(),
            command: Some(command),
            ..Call::default()
        };
        account.call(spot.by(Actor::Human), call, &Value::Null, sink);
        let answer = Answer {
            id: Some(&id),
            output: json::text(message, "output").unwrap_or_default().to_owned(),
            exit_code: json::exit_code(message, "exitCode"),
            ..Answer::default()
        };
        account.answer(spot, answer, sink);
    }
}
