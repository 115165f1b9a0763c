//! Kimi CLI: what it keeps of a session (`~/.kimi/sessions/<cwd>/<session>/`).
//!
//! `wire.jsonl` is the log of what passed between the agent and its surface (`src/kimi_cli/wire/types.py`), stamped in
//! seconds since 1970 when it passed; `context.jsonl` is what the model sees, messages of Chat Completions between
//! checkpoints, without times.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, messages, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, TextOrigin};
use crate::time::TimeContext;

/// The Kimi CLI reader.
pub struct KimiCli;

impl Format for KimiCli {
    fn id(&self) -> &'static str {
        "kimi-cli"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Kimi CLI sessions (wire.jsonl, context.jsonl)"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        for line in scan::lines(&head.bytes, 10) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let word = |name: &str| get(name).and_then(scan::plain_string);
            if word("type") == Some("metadata") && get("protocol_version").is_some() {
                return Match::Certain("a line of metadata with protocol_version".to_owned());
            }
            let passed = get("message").map(scan::members).unwrap_or_default();
            let has = |name: &str| passed.iter().any(|(found, _)| *found == name);
            if get("timestamp").is_some() && has("type") && has("payload") {
                return Match::Certain("lines with timestamp and a message of type and payload".to_owned());
            }
            if matches!(word("role"), Some("_checkpoint" | "_usage" | "_system_prompt")) {
                return Match::Certain("messages between checkpoints".to_owned());
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader {
            account: Account::of_file(input, time),
            asked: BTreeMap::new(),
            approvals: BTreeMap::new(),
            open: None,
        };
        reader.account.about(About { agent: Some("Kimi CLI"), ..About::default() });
        let outcome = json::lines(input, sink, &mut |number, value, raw, sink| reader.line(number, value, raw, sink));
        reader.close(sink);
        reader.account.finish(sink);
        outcome
    }
}

/// A call whose arguments may still come.
struct Open {
    spot: Spot,
    id: String,
    tool: String,
    arguments: String,
}

struct Reader<'t> {
    account: Account<'t>,
    /// Calls by the requests that asked for them.
    asked: BTreeMap<String, String>,
    approvals: BTreeMap<String, Approval>,
    open: Option<Open>,
}

impl Reader<'_> {
    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        if let Some(message) = value.get("message").filter(|message| message.get("payload").is_some()) {
            let at = self.account.stamp(number, value.get("timestamp"), sink);
            self.passed(Spot::of(number, at), message, 0, sink);
            return sink.record();
        }
        match json::text(value, "role") {
            Some(role) if role.starts_with('_') => {
                let said = value.get("content").map(json::content).unwrap_or_default();
                self.account.say(Spot::of(number, None), TextOrigin::Prompt, said, sink);
            }
            Some(_) if messages::message(&mut self.account, Spot::of(number, None), value, Some(raw), sink) => {}
            None if json::text(value, "type") == Some("metadata") => {}
            _ => return sink.unread(number, "neither a message of the wire nor of the context", raw),
        }
        sink.record();
    }

    /// A message of the wire; of a sub-agent it stands within one of its parent.
    fn passed(&mut self, spot: Spot, message: &Value, depth: u32, sink: &mut dyn Sink) {
        let none = Value::Null;
        let payload = message.get("payload").unwrap_or(&none);
        let text = |key: &str| json::text(payload, key).unwrap_or_default().to_owned();
        let kind = json::text(message, "type").unwrap_or_default();
        if kind != "ToolCallPart" {
            self.close(sink);
        }
        match kind {
            "TurnBegin" | "SteerInput" => {
                let said = payload.get("user_input").map(json::content).unwrap_or_default();
                self.account.say(spot, TextOrigin::Prompt, said, sink);
            }
            "ContentPart" | "TextPart" | "ThinkPart" => {
                let said = if payload.get("think").is_some() { text("think") } else { text("text") };
                self.account.say(spot, TextOrigin::Agent, said, sink);
            }
            "ToolCall" | "ToolCallRequest" => {
                let function = payload.get("function").unwrap_or(payload);
                let (arguments, _) = json::arguments(function.get("arguments").unwrap_or(&none), None);
                let id = text("id");
                let tool = json::text(function, "name").unwrap_or_default().to_owned();
                // A tool of the surface is called, and then asked for.
                if kind == "ToolCall" || !self.account.knows_call(&id) {
                    self.open = Some(Open { spot, id, tool, arguments });
                }
            }
            "ToolCallPart" => {
                if let Some(open) = &mut self.open {
                    open.arguments.push_str(json::text(payload, "arguments_part").unwrap_or_default());
                }
            }
            "ApprovalRequest" => {
                self.asked.insert(text("id"), text("tool_call_id"));
                self.approvals.insert(text("tool_call_id"), Approval::Asked);
            }
            "ApprovalResponse" | "ApprovalRequestResolved" => {
                let answer = json::text(payload, "response").unwrap_or_default();
                if let Some(call) = self.asked.get(&text("request_id")) {
                    let approval = if answer == "reject" { Approval::Refused } else { Approval::Given };
                    self.approvals.insert(call.clone(), approval);
                }
            }
            "ToolResult" => self.result(spot, payload, sink),
            // A sub-agent has none of its own.
            "SubagentEvent" if depth < 8 => {
                if let Some(event) = payload.get("event") {
                    self.passed(spot.by(Actor::SubAgent), event, depth + 1, sink);
                }
            }
            _ => {}
        }
    }

    /// Tells the call whose arguments are complete.
    fn close(&mut self, sink: &mut dyn Sink) {
        let Some(open) = self.open.take() else { return };
        let parsed = serde_json::from_str(&open.arguments).unwrap_or_default();
        let call = Call { id: Some(&open.id), tool: &open.tool, arguments: open.arguments, ..Call::default() };
        self.account.call(open.spot, call, &parsed, sink);
    }

    fn result(&mut self, spot: Spot, payload: &Value, sink: &mut dyn Sink) {
        let value = payload.get("return_value").or_else(|| payload.get("result")).unwrap_or(&Value::Null);
        let id = json::text(payload, "tool_call_id");
        let output = value.get("output").map(json::content).unwrap_or_default();
        let said = json::text(value, "message").unwrap_or_default();
        let approval = id.and_then(|id| self.approvals.remove(id));
        let refused = approval == Some(Approval::Refused) || said.starts_with("The tool call is rejected by the user");
        let answer = Answer {
            id,
            exit_code: printed::of(said).exit_code,
            not_executed: refused,
            approval: if refused { Some(Approval::Refused) } else { approval },
            output: if output.is_empty() { said.to_owned() } else { output },
            ..Answer::default()
        };
        self.account.answer(spot, answer, sink);
    }
}
