//! Cline and its forks (Roo Code, Kilo Code): the two files of a task.
//!
//! `ui_messages.json` is what the person saw (`src/shared/ExtensionMessage.ts`), stamped in milliseconds since 1970: a
//! command stands there as a question (`ask`) or, where a rule let it run, as a notice (`say`); what it printed follows.
//! `api_conversation_history.json` is what the model saw: messages of the Anthropic interface, of older versions with calls as
//! tags in the prose and results in the prose that follows.

use std::io;

use serde_json::{Map, Value};

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, messages, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Approval, TextOrigin};
use crate::time::TimeContext;

/// The reader of Cline's files.
pub struct Cline;

const HISTORY: &str = "api_conversation_history.json";

/// Tools whose calls stand as tags in the prose of the model.
const TOOLS: [&str; 20] = [
    "execute_command",
    "read_file",
    "write_to_file",
    "replace_in_file",
    "apply_diff",
    "insert_content",
    "search_and_replace",
    "search_files",
    "list_files",
    "list_code_definition_names",
    "browser_action",
    "use_mcp_tool",
    "access_mcp_resource",
    "fetch_instructions",
    "web_fetch",
    "web_search",
    "codebase_search",
    "new_task",
    "new_rule",
    "switch_mode",
];

impl Format for Cline {
    fn id(&self) -> &'static str {
        "cline"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Cline, Roo Code, Kilo Code tasks (ui_messages.json, api_conversation_history.json)"
    }

    fn record_unit(&self) -> &'static str {
        "message"
    }

    fn probe(&self, head: &Head) -> Match {
        if !head.bytes.trim_ascii_start().starts_with(b"[") {
            return Match::No;
        }
        let members = scan::members(scan::first(&head.bytes));
        let has = |name: &str| members.iter().any(|(found, _)| *found == name);
        let word = |name: &str| {
            members.iter().find(|(found, _)| *found == name).and_then(|(_, value)| scan::plain_string(value))
        };
        let kind = word("type").unwrap_or_default();
        if has("ts") && matches!(kind, "say" | "ask") && has(kind) {
            return Match::Certain("a list of ts, type and say or ask".to_owned());
        }
        if head.name.ends_with(HISTORY) && has("role") && has("content") {
            return Match::Likely(60, format!("messages under the name of {HISTORY}"));
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader { account: Account::of_file(input, time), open: None, tags: Vec::new() };
        let outcome = json::list(input, sink, &mut |number, value, raw, sink| {
            if json::text(value, "role").is_some() {
                reader.seen_by_model(number, value, raw, sink);
            } else {
                reader.seen_by_person(number, value, sink);
            }
        });
        reader.settle(sink);
        reader.account.about(About { agent: Some("Cline"), ..About::default() });
        reader.account.finish(sink);
        outcome
    }
}

/// A call and what came back so far.
struct Open {
    id: String,
    asked: bool,
    output: Vec<String>,
    at: Spot,
}

struct Reader<'t> {
    account: Account<'t>,
    open: Option<Open>,
    /// Calls told from tags whose results did not come.
    tags: Vec<String>,
}

impl Reader<'_> {
    fn seen_by_person(&mut self, number: u64, value: &Value, sink: &mut dyn Sink) {
        let Some(kind) = json::text(value, "type").and_then(|kind| json::text(value, kind)) else {
            return sink.unread(number, "neither said nor asked", value.to_string().as_bytes());
        };
        let asked = json::text(value, "type") == Some("ask");
        let at = self.account.stamp(number, value.get("ts"), sink);
        let spot = Spot::of(number, at);
        let model = value.pointer("/modelInfo/modelId").and_then(Value::as_str);
        self.account.about(About { model, ..About::default() });
        let text = json::text(value, "text").unwrap_or_default();
        let parsed = || serde_json::from_str::<Value>(text).unwrap_or_default();
        match kind {
            "command" => {
                // The program marks a command that the model wants to be asked for.
                let command = text.strip_suffix("REQ_APP").unwrap_or(text).trim_end();
                self.call(spot, value, asked, "execute_command", command.to_owned(), Some(command), &Value::Null, sink);
            }
            "tool" => {
                let parsed = parsed();
                let tool = json::text(&parsed, "tool").unwrap_or("tool").to_owned();
                self.call(spot, value, asked, &tool, text.to_owned(), None, &parsed, sink);
            }
            "use_mcp_server" => {
                let parsed = parsed();
                let named = |key: &str| json::text(&parsed, key).unwrap_or_default();
                let tool = format!("mcp__{}__{}", named("serverName"), named("toolName"));
                let (arguments, inner) = json::arguments(parsed.get("arguments").unwrap_or(&Value::Null), None);
                self.call(spot, value, asked, &tool, arguments, None, &inner, sink);
            }
            "browser_action_launch" | "browser_action" => {
                self.call(spot, value, asked, kind, text.to_owned(), None, &Value::Null, sink);
            }
            "command_output" | "mcp_server_response" | "browser_action_result" => {
                if let Some(open) = &mut self.open {
                    open.output.push(text.to_owned());
                    open.at = spot;
                } else {
                    self.account.say(spot, TextOrigin::Environment, text.to_owned(), sink);
                }
            }
            "task" | "user_feedback" | "user_feedback_diff" => {
                self.account.say(spot, TextOrigin::Prompt, text.to_owned(), sink);
            }
            "text" | "reasoning" | "completion_result" | "followup" | "plan_mode_respond" => {
                let said = parsed();
                let said = ["question", "response"].iter().find_map(|key| json::text(&said, key)).unwrap_or(text);
                self.account.say(spot, TextOrigin::Agent, said.to_owned(), sink);
            }
            "error" | "api_req_failed" | "clineignore_error" | "diff_error" => {
                self.account.say(spot, TextOrigin::Environment, text.to_owned(), sink);
            }
            // The next request holds the result of the last call.
            "api_req_started" => self.settle(sink),
            _ => {}
        }
        sink.record();
    }

    #[expect(clippy::too_many_arguments, reason = "a call in one place")]
    fn call(
        &mut self,
        spot: Spot,
        value: &Value,
        asked: bool,
        tool: &str,
        arguments: String,
        command: Option<&str>,
        parsed: &Value,
        sink: &mut dyn Sink,
    ) {
        self.settle(sink);
        let id = format!("{}#{}", value.get("ts").map(Value::to_string).unwrap_or_default(), spot.number);
        let call = Call {
            id: Some(&id),
            tool,
            arguments,
            command: command.map(str::to_owned),
            // The model was interrupted while it wrote the call.
            not_executed: json::flag(value, "partial"),
            approval: Some(if asked { Approval::Asked } else { Approval::Given }),
            ..Call::default()
        };
        self.account.call(spot, call, parsed, sink);
        self.open = Some(Open { id, asked, output: Vec::new(), at: spot });
    }

    /// Tells what came back from the last call. A question after which something came back was answered with yes.
    fn settle(&mut self, sink: &mut dyn Sink) {
        let Some(open) = self.open.take().filter(|open| !open.output.is_empty()) else { return };
        let output = open.output.join("\n");
        let approval = open.asked.then_some(Approval::Given);
        let answer = Answer { id: Some(&open.id), output, approval, ..Answer::default() };
        self.account.answer(open.at, answer, sink);
    }

    fn seen_by_model(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let at = self.account.stamp(number, value.get("ts"), sink);
        let spot = Spot::of(number, at);
        let model = value.pointer("/modelInfo/modelId").and_then(Value::as_str);
        self.account.about(About { model, ..About::default() });
        let texts = match value.get("content") {
            Some(Value::Array(blocks)) => blocks.iter().filter_map(|block| json::text(block, "text")).collect(),
            Some(Value::String(text)) => vec![text.as_str()],
            _ => Vec::new(),
        };
        if json::text(value, "role") == Some("user") {
            for (index, text) in texts.iter().enumerate() {
                self.result(spot, text, texts.get(index + 1).copied(), sink);
            }
        }
        if messages::message(&mut self.account, spot, value, Some(raw), sink) {
            sink.record();
        } else {
            sink.unread(number, "message of an unknown role", raw);
        }
        if json::text(value, "role") == Some("assistant") {
            let mut part = 1 << 16;
            for text in &texts {
                for (tool, arguments) in tags(text) {
                    let id = format!("tag#{number}.{part}");
                    let written = arguments.to_string();
                    let call = Call { id: Some(&id), tool, arguments: written, ..Call::default() };
                    self.account.call(spot.part(part), call, &arguments, sink);
                    self.tags.push(id);
                    part += 1;
                }
            }
        }
    }

    /// A result in prose: `[execute_command for 'ls'] Result:` and what came back, which may stand in the text below.
    fn result(&mut self, spot: Spot, text: &str, below: Option<&str>, sink: &mut dyn Sink) {
        let Some(rest) = text.strip_prefix('[') else { return };
        let Some((head, output)) = rest.split_once("] Result:") else { return };
        if !TOOLS.iter().any(|tool| head.starts_with(tool)) || self.tags.is_empty() {
            return;
        }
        let id = self.tags.remove(0);
        let below = below.filter(|below| !below.starts_with('<') && !below.starts_with('['));
        let output = match output.trim_start() {
            "" => below.unwrap_or_default(),
            output => output,
        };
        let refused = output.starts_with("The user denied this operation");
        let answer = Answer {
            id: Some(&id),
            exit_code: printed::of(output).exit_code,
            not_executed: refused,
            approval: refused.then_some(Approval::Refused),
            output: output.to_owned(),
            ..Answer::default()
        };
        self.account.answer(spot, answer, sink);
    }
}

/// The calls that stand as tags in what the model said, with their parameters. What stands within one is no call.
fn tags(text: &str) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((tool, begin, open)) = TOOLS
        .iter()
        .filter_map(|tool| {
            let open = format!("<{tool}>");
            Some((*tool, rest.find(&open)?, open.len()))
        })
        .min_by_key(|(_, at, _)| *at)
    {
        let body = rest.get(begin + open..).unwrap_or_default();
        let close = format!("</{tool}>");
        // Of a call that was cut the rest is what there is.
        let (inside, after) = body.split_once(close.as_str()).unwrap_or((body, ""));
        found.push((tool, parameters(inside)));
        rest = after;
    }
    found
}

/// `<name>value</name>`, one after the other.
fn parameters(text: &str) -> Value {
    let mut found = Map::new();
    let mut rest = text;
    while let Some((name, body)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let close = format!("</{name}>");
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match body.split_once(close.as_str()).filter(|_| plain) {
            Some((value, after)) => {
                found.insert(name.to_owned(), Value::String(value.trim_matches('\n').to_owned()));
                rest = after;
            }
            None => rest = body,
        }
    }
    Value::Object(found)
}
