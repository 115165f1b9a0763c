//! Qwen Code: session files (`~/.qwen/projects/<cwd>/chats/<uuid>.jsonl`, `chatRecordingService.ts` of 0.10 on).
//!
//! An envelope like that of Claude Code around messages of the Gemini interface: calls are parts of what the model said,
//! results lines of their own. Between them stands what the program told its telemetry: when the tool ended, how long it
//! took, and who let it run.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{gemini, json, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, Endpoint, EndpointKind, TextOrigin};
use crate::time::TimeContext;

/// The Qwen Code reader.
pub struct QwenCode;

impl Format for QwenCode {
    fn id(&self) -> &'static str {
        "qwen-code"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Qwen Code session files (chats/*.jsonl)"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let mut weak = false;
        for line in scan::lines(&head.bytes, 40) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            if get("sessionId").is_none() || get("uuid").is_none() {
                continue;
            }
            let parts = get("message").and_then(|message| scan::member(message, "parts"));
            if parts.is_some_and(|parts| parts.starts_with(b"[")) {
                return Match::Certain("lines with sessionId, uuid and a message of parts".to_owned());
            }
            weak |= get("systemPayload").is_some() && get("subtype").is_some();
        }
        if weak { Match::Likely(85, "system lines with sessionId and systemPayload".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader { account: Account::of_file(input, time), open: Vec::new(), told: BTreeMap::new() };
        let outcome = json::lines(input, sink, &mut |number, value, raw, sink| reader.line(number, value, raw, sink));
        reader.account.about(About { agent: Some("Qwen Code"), ..About::default() });
        reader.account.finish(sink);
        outcome
    }
}

/// A call that waits for its result.
struct Open {
    id: String,
    tool: String,
    arguments: Value,
}

/// What telemetry said of a call.
struct Told {
    end: Option<Endpoint>,
    duration_ns: Option<i64>,
    approval: Option<Approval>,
}

struct Reader<'t> {
    account: Account<'t>,
    open: Vec<Open>,
    told: BTreeMap<String, Told>,
}

impl Reader<'_> {
    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(kind) = json::text(value, "type") else { return sink.unread(number, "line without a type", raw) };
        let at = self.account.stamp(number, value.get("timestamp"), sink);
        let version = json::text(value, "version").map(|version| format!("Qwen Code {version}"));
        self.account.about(About {
            model: json::text(value, "model"),
            agent: version.as_deref(),
            cwd: json::text(value, "cwd"),
            ..About::default()
        });
        let sub_agent = json::flag(value, "isSidechain") || json::text(value, "agentId").is_some();
        let spot = Spot::of(number, at).by(if sub_agent { Actor::SubAgent } else { Actor::Policy });
        match kind {
            "system" => self.system(spot, value, sink),
            "user" | "assistant" | "tool_result" => self.message(spot, kind, value, raw, sink),
            _ => return sink.unread(number, "type of line not known", raw),
        }
        sink.record();
    }

    fn message(&mut self, spot: Spot, kind: &str, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let list = scan::member(raw, "message").and_then(|message| scan::member(message, "parts"));
        let list = list.map(scan::elements).unwrap_or_default();
        let parts = value.pointer("/message/parts").and_then(Value::as_array).into_iter().flatten();
        for (index, part) in (0u32..).zip(parts) {
            let spot = spot.part(index);
            if let Some(call) = part.get("functionCall") {
                let raw = list.get(index as usize).and_then(|part| scan::member(part, "functionCall"));
                let raw = raw.and_then(|call| scan::member(call, "args"));
                self.call(spot, value, call, raw, sink);
            } else if let Some(response) = part.get("functionResponse") {
                self.result(spot, value, response, sink);
            } else if let Some(text) = json::text(part, "text") {
                let origin = if kind == "assistant" { TextOrigin::Agent } else { TextOrigin::Prompt };
                self.account.say(spot, origin, text.to_owned(), sink);
            }
        }
    }

    fn call(&mut self, spot: Spot, line: &Value, call: &Value, raw: Option<&[u8]>, sink: &mut dyn Sink) {
        let tool = json::text(call, "name").unwrap_or_default();
        let (arguments, parsed) = json::arguments(call.get("args").unwrap_or(&Value::Null), raw);
        let id = json::text(call, "id");
        if let Some(id) = id.filter(|id| !self.account.knows_call(id)) {
            self.open.push(Open { id: id.to_owned(), tool: tool.to_owned(), arguments: parsed.clone() });
        }
        let call = Call { id, tool, arguments, model: json::text(line, "model"), ..Call::default() };
        self.account.call(spot, call, &parsed, sink);
    }

    fn result(&mut self, spot: Spot, line: &Value, response: &Value, sink: &mut dyn Sink) {
        let id = json::text(response, "id").or_else(|| line.pointer("/toolCallResult/callId")?.as_str());
        let output = response.get("response").map(gemini::output).unwrap_or_default();
        let told = id.and_then(|id| self.told.remove(id));
        self.open.retain(|open| Some(open.id.as_str()) != id);
        let Told { end, duration_ns, approval } = told.unwrap_or(Told { end: None, duration_ns: None, approval: None });
        let answer = gemini::answer(id.unwrap_or_default(), output, end);
        let approval = answer.approval.or(approval);
        let not_executed = answer.not_executed || approval == Some(Approval::Refused);
        self.account.answer(spot, Answer { duration_ns, approval, not_executed, ..answer }, sink);
    }

    fn system(&mut self, spot: Spot, line: &Value, sink: &mut dyn Sink) {
        let payload = line.get("systemPayload").unwrap_or(&Value::Null);
        match json::text(line, "subtype").unwrap_or_default() {
            "ui_telemetry" => self.telemetry(payload.get("uiEvent").unwrap_or(&Value::Null)),
            "slash_command" => {
                let typed = json::text(payload, "rawCommand").unwrap_or_default();
                self.account.say(spot, TextOrigin::Prompt, typed.to_owned(), sink);
            }
            _ => {}
        }
    }

    /// Telemetry has no id of the call: it is that of the same tool with the same arguments which waits longest.
    fn telemetry(&mut self, event: &Value) {
        if json::text(event, "event.name").is_none_or(|name| !name.ends_with(".tool_call")) {
            return;
        }
        let arguments = event.get("function_args").unwrap_or(&Value::Null);
        let same = |open: &&Open| {
            json::text(event, "function_name") == Some(open.tool.as_str())
                && *arguments == open.arguments
                && !self.told.contains_key(&open.id)
        };
        let Some(id) = self.open.iter().find(same).map(|open| open.id.clone()) else { return };
        let approval = match json::text(event, "decision") {
            Some("accept" | "modify") => Some(Approval::Given),
            Some("reject") => Some(Approval::Refused),
            // Nobody was asked for this call: the mode, a rule, or an earlier answer let it run.
            Some("auto_accept") => Some(Approval::Waived),
            _ => None,
        };
        let milliseconds = event.get("duration_ms").and_then(Value::as_i64);
        let told = Told {
            end: self.account.endpoint(event.get("event.timestamp"), EndpointKind::ToolEnded),
            duration_ns: milliseconds.and_then(|ms| ms.checked_mul(1_000_000)).filter(|ns| *ns >= 0),
            approval,
        };
        self.told.insert(id, told);
    }
}
