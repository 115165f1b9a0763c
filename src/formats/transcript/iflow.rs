//! iFlow CLI: `~/.iflow/projects/<cwd>/session-<uuid>.jsonl`.
//!
//! Schema from `bbingz/engram:docs/session-formats/iflow.md` and its fixtures; the package is gone from the registry. A
//! line is an envelope like that of Claude Code, with session ids that begin with `session-`; what came back lies within
//! `functionResponse` as Gemini CLI has it, and `toolUseResult.timestamp` (milliseconds since 1970) is when the tool had
//! ended.

use std::collections::HashSet;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, EndpointKind, TextOrigin};
use crate::time::TimeContext;

/// The iFlow CLI reader.
pub struct IFlow;

impl Format for IFlow {
    fn id(&self) -> &'static str {
        "iflow-cli"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "iFlow CLI session files"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        for line in scan::lines(&head.bytes, 40) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let word = |name: &str| get(name).and_then(scan::plain_string);
            let envelope = get("uuid").is_some() && get("message").is_some();
            if envelope && word("sessionId").is_some_and(|id| id.starts_with("session-")) {
                return Match::Certain(
                    "lines with a uuid, a message and a sessionId that begins with session-".to_owned(),
                );
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut file = File { account: Account::of_file(input, time), uuids: HashSet::new() };
        let outcome = json::lines(input, sink, &mut |number, line, raw, sink| file.line(number, line, raw, sink));
        file.account.about(About { agent: Some("iFlow CLI"), ..About::default() });
        file.account.finish(sink);
        outcome
    }
}

struct File<'t> {
    account: Account<'t>,
    uuids: HashSet<String>,
}

impl File<'_> {
    fn line(&mut self, number: u64, line: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let (Some(kind), Some(message)) = (json::text(line, "type"), line.get("message")) else {
            return sink.unread(number, "line without a type and a message", raw);
        };
        if json::text(line, "uuid").is_some_and(|uuid| !self.uuids.insert(uuid.to_owned())) {
            self.account.repeat(number);
            return sink.record();
        }
        let at = self.account.stamp(number, line.get("timestamp"), sink);
        let actor = if json::flag(line, "isSidechain") { Actor::SubAgent } else { Actor::Policy };
        let spot = Spot::of(number, at).by(actor);
        let version = json::text(line, "version").map(|version| format!("iFlow CLI {version}"));
        self.account.about(About {
            model: json::text(message, "model"),
            agent: version.as_deref(),
            cwd: json::text(line, "cwd"),
            ..About::default()
        });
        let raw_blocks = scan::member(raw, "message").and_then(|message| scan::member(message, "content"));
        let raw_blocks = raw_blocks.map(scan::elements).unwrap_or_default();
        let origin = match kind {
            "assistant" => TextOrigin::Agent,
            "user" => TextOrigin::Prompt,
            _ => TextOrigin::Environment,
        };
        match message.get("content") {
            Some(Value::Array(blocks)) => {
                for (index, block) in (0u32..).zip(blocks) {
                    let raw = raw_blocks.get(index as usize).copied();
                    self.block(spot.part(index), line, block, raw, origin, sink);
                }
            }
            Some(other) => self.account.say(spot, origin, json::content(other), sink),
            None => {}
        }
        sink.record();
    }

    fn block(
        &mut self,
        spot: Spot,
        line: &Value,
        block: &Value,
        raw: Option<&[u8]>,
        origin: TextOrigin,
        sink: &mut dyn Sink,
    ) {
        match json::text(block, "type").unwrap_or_default() {
            "tool_use" => {
                let input = block.get("input").unwrap_or(&Value::Null);
                let (arguments, parsed) = json::arguments(input, raw.and_then(|raw| scan::member(raw, "input")));
                let tool = json::text(block, "name").unwrap_or_default();
                let call = Call { id: json::text(block, "id"), tool, arguments, ..Call::default() };
                self.account.call(spot, call, &parsed, sink);
            }
            "tool_result" => self.result(spot, line, block, sink),
            "thinking" => {
                let said = json::text(block, "thinking").or_else(|| json::text(block, "text"));
                self.account.say(spot, origin, said.unwrap_or_default().to_owned(), sink);
            }
            _ => {
                let said = block.as_str().or_else(|| json::text(block, "text")).unwrap_or_default();
                self.account.say(spot, origin, said.to_owned(), sink);
            }
        }
    }

    fn result(&mut self, spot: Spot, line: &Value, block: &Value, sink: &mut dyn Sink) {
        let none = Value::Null;
        let content = block.get("content").unwrap_or(&none);
        let response = ["/responseParts/functionResponse", "/functionResponse", "/responseParts/0/functionResponse"]
            .iter()
            .find_map(|path| content.pointer(path))
            .or_else(|| content.pointer("/0/functionResponse"));
        let id = json::text(block, "tool_use_id")
            .or_else(|| json::text(content, "callId"))
            .or_else(|| response.and_then(|response| json::text(response, "id")));
        let output = match response.and_then(|response| response.get("response")) {
            Some(response) => ["output", "error"]
                .iter()
                .find_map(|key| response.get(key))
                .map_or_else(|| json::content(response), json::content),
            None => json::content(content.get("resultDisplay").unwrap_or(content)),
        };
        let mirror = line.get("toolUseResult").unwrap_or(&none);
        let told = printed::of(&output);
        let refused = matches!(json::text(mirror, "status"), Some("cancelled" | "rejected" | "denied"));
        let answer = Answer {
            id,
            exit_code: told.exit_code,
            place: told.place,
            // A tool that was cancelled while it ran has something to show for it.
            not_executed: told.not_executed || (refused && output.trim().is_empty()),
            approval: (refused && output.trim().is_empty()).then_some(Approval::Refused),
            end: self.account.endpoint(mirror.get("timestamp"), EndpointKind::ToolEnded),
            output,
            ..Answer::default()
        };
        self.account.answer(spot, answer, sink);
    }
}
