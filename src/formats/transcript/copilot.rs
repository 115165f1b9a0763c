//! Copilot CLI: events of a session (`~/.copilot/session-state/<session>/events.jsonl`), and what it prints as JSON.
//!
//! Shapes as `session-events.schema.json` of github/copilot-sdk has them: `{type, data, id, timestamp, parentId}`. A call
//! stands three times: as a request in what the model said, when its tool began, and when that was over.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, Endpoint, EndpointKind, TextOrigin};
use crate::time::TimeContext;

/// The Copilot CLI reader.
pub struct CopilotCli;

const TYPES: [&str; 7] = ["session.", "user.message", "assistant.", "tool.", "subagent.", "hook.", "permission."];

impl Format for CopilotCli {
    fn id(&self) -> &'static str {
        "copilot-cli"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "GitHub Copilot CLI session events (events.jsonl, --output-format json)"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        for line in scan::lines(&head.bytes, 5) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let kind = get("type").and_then(scan::plain_string).unwrap_or_default();
            if TYPES.iter().any(|start| kind.starts_with(start))
                && get("data").is_some_and(|data| data.starts_with(b"{"))
            {
                return Match::Certain(format!("an event {kind} with data"));
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader =
            Reader { account: Account::of_file(input, time), requested: BTreeMap::new(), asked: BTreeMap::new() };
        let outcome = json::lines(input, sink, &mut |number, value, raw, sink| reader.line(number, value, raw, sink));
        reader.finish(sink);
        outcome
    }
}

/// A call that the model asked for and of whose tool nothing was heard yet.
struct Requested {
    spot: Spot,
    tool: String,
    arguments: String,
    parsed: Value,
    model: Option<String>,
}

struct Reader<'t> {
    account: Account<'t>,
    requested: BTreeMap<String, Requested>,
    /// Calls by the requests that asked a person for them, and what came of it.
    asked: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(kind) = json::text(value, "type") else { return sink.unread(number, "event without a type", raw) };
        let none = Value::Null;
        let data = value.get("data").unwrap_or(&none);
        let at = self.account.stamp(number, value.get("timestamp").or_else(|| value.get("ts")), sink);
        let sub_agent = json::text(data, "parentToolCallId").is_some() || json::text(value, "agentId").is_some();
        let spot = Spot::of(number, at).by(if sub_agent { Actor::SubAgent } else { Actor::Policy });
        let text = |key: &str| json::text(data, key).unwrap_or_default().to_owned();
        match kind {
            "session.start" | "session.resume" => {
                let version = json::text(data, "copilotVersion").map(|version| format!("Copilot CLI {version}"));
                self.account.about(About {
                    model: json::text(data, "selectedModel").or_else(|| json::text(data, "model")),
                    agent: version.as_deref(),
                    cwd: data.pointer("/context/cwd").and_then(Value::as_str),
                    ..About::default()
                });
            }
            "session.model_change" => {
                self.account.about(About { model: json::text(data, "newModel"), ..About::default() });
            }
            "user.message" => self.account.say(spot, TextOrigin::Prompt, text("content"), sink),
            "assistant.message" => self.said(spot, data, raw, sink),
            "assistant.reasoning" | "assistant.thinking" => {
                self.account.say(spot, TextOrigin::Agent, text("content"), sink);
            }
            "system.message" | "session.error" | "session.warning" | "abort" => {
                let said = ["content", "message", "reason"].iter().find_map(|key| json::text(data, key));
                self.account.say(spot, TextOrigin::Environment, said.unwrap_or_default().to_owned(), sink);
            }
            "tool.user_requested" => self.begun(spot.by(Actor::Human), data, raw, sink),
            "tool.execution_start" => self.begun(spot, data, raw, sink),
            "tool.execution_complete" => self.over(spot, data, sink),
            "permission.requested" => {
                let call = data.pointer("/permissionRequest/toolCallId").or_else(|| data.get("toolCallId"));
                if let Some(call) = call.and_then(Value::as_str) {
                    self.asked.insert(text("requestId"), call.to_owned());
                }
            }
            _ => {}
        }
        sink.record();
    }

    fn said(&mut self, spot: Spot, data: &Value, raw: &[u8], sink: &mut dyn Sink) {
        for key in ["reasoningText", "content"] {
            let said = json::text(data, key).unwrap_or_default().to_owned();
            self.account.say(spot.part(u32::from(key == "content")), TextOrigin::Agent, said, sink);
        }
        let list = scan::member(raw, "data").and_then(|data| scan::member(data, "toolRequests"));
        let list = list.map(scan::elements).unwrap_or_default();
        let requests = data.get("toolRequests").and_then(Value::as_array).into_iter().flatten();
        for (index, request) in (0u32..).zip(requests) {
            let Some(id) = json::text(request, "toolCallId").or_else(|| json::text(request, "id")) else { continue };
            let raw = list.get(index as usize).and_then(|request| scan::member(request, "arguments"));
            let (arguments, parsed) = json::arguments(request.get("arguments").unwrap_or(&Value::Null), raw);
            let requested = Requested {
                spot: spot.part(index + 2),
                tool: json::text(request, "name").unwrap_or_default().to_owned(),
                arguments,
                parsed,
                model: json::text(data, "model").map(str::to_owned),
            };
            if !self.account.knows_call(id) {
                self.requested.insert(id.to_owned(), requested);
            }
        }
    }

    fn begun(&mut self, spot: Spot, data: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let id = json::text(data, "toolCallId").unwrap_or_default();
        let requested = self.requested.remove(id);
        let raw = scan::member(raw, "data").and_then(|data| scan::member(data, "arguments"));
        let (arguments, parsed) = json::arguments(data.get("arguments").unwrap_or(&Value::Null), raw);
        let name = match (json::text(data, "mcpServerName"), json::text(data, "mcpToolName")) {
            (Some(server), Some(tool)) => format!("{server}__{tool}"),
            _ => json::text(data, "toolName").unwrap_or_default().to_owned(),
        };
        let call = Call {
            id: Some(id),
            tool: &name,
            arguments,
            model: requested.as_ref().and_then(|requested| requested.model.as_deref()),
            start: spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolStarted }),
            ..Call::default()
        };
        self.account.call(spot, call, &parsed, sink);
    }

    /// Tells a call as the model asked for it.
    fn unstarted(&mut self, id: &str, not_executed: bool, sink: &mut dyn Sink) {
        let Some(requested) = self.requested.remove(id) else { return };
        let call = Call {
            id: Some(id),
            tool: &requested.tool,
            arguments: requested.arguments,
            model: requested.model.as_deref(),
            not_executed,
            ..Call::default()
        };
        self.account.call(requested.spot, call, &requested.parsed, sink);
    }

    fn over(&mut self, spot: Spot, data: &Value, sink: &mut dyn Sink) {
        let id = json::text(data, "toolCallId");
        if let Some(id) = id {
            self.unstarted(id, false, sink);
        }
        let result = data.get("result").map(|result| result.get("content").unwrap_or(result));
        let error = data.get("error").filter(|error| !error.is_null());
        let output = match (result, error) {
            (Some(result), _) if !result.is_null() => json::content(result),
            (_, Some(error)) => json::text(error, "message").map_or_else(|| json::content(error), str::to_owned),
            _ => String::new(),
        };
        let told = printed::of(&output);
        let code = error.and_then(|error| json::text(error, "code")).unwrap_or_default();
        let refused = matches!(code, "denied" | "rejected");
        let asked = self.asked.values().any(|call| Some(call.as_str()) == id);
        let answer = Answer {
            id,
            exit_code: told.exit_code,
            not_executed: refused || told.not_executed,
            approval: match (refused, asked) {
                (true, _) => Some(Approval::Refused),
                (false, true) => Some(Approval::Given),
                (false, false) => None,
            },
            end: spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded }),
            output,
            ..Answer::default()
        };
        self.account.answer(spot, answer, sink);
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        // Asked for by the model, and the log ends before a tool began.
        while let Some(id) = self.requested.keys().next().cloned() {
            self.unstarted(&id, false, sink);
        }
        self.account.about(About { agent: Some("Copilot CLI"), ..About::default() });
        self.account.finish(sink);
    }
}
