//! Messages as the interfaces of models have them, whoever wrote them down: Chat Completions (`role`, `tool_calls`),
//! Anthropic (`content` blocks `tool_use` and `tool_result`), Gemini (`parts` with `functionCall`), Responses items
//! (`function_call`, `function_call_output`), and mixtures of these.

mod items;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::account::{Account, Answer, Call, Spot};
use super::{json, printed, scan};
use crate::formats::Sink;
use crate::model::{Actor, TextOrigin};

/// Tells one message. `raw` is its text, where that is at hand: arguments are then kept as they were written. False if it
/// is no message of any known shape. Its parts take places from that of `spot` on.
pub(super) fn message(
    account: &mut Account<'_>,
    spot: Spot,
    value: &Value,
    raw: Option<&[u8]>,
    sink: &mut dyn Sink,
) -> bool {
    if items::item(account, spot, value, sink) {
        return true;
    }
    let Some(role) = ["role", "author", "from"].iter().find_map(|key| {
        let role = value.get(key)?;
        role.as_str().or_else(|| json::text(role, "role"))
    }) else {
        return false;
    };
    let mut teller = Teller { account, part: spot.order.1, spot, sink };
    match role {
        "assistant" | "model" | "ai" | "gpt" | "agent" | "bot" => teller.agent(value, raw),
        "tool" | "function" | "tool_result" | "toolResult" | "observation" => teller.tool(value),
        "user" | "human" => teller.heard(value, TextOrigin::Prompt),
        "system" | "developer" => teller.heard(value, TextOrigin::Prompt),
        _ => return false,
    }
    true
}

/// Where in a message the telling is.
struct Teller<'a, 't> {
    account: &'a mut Account<'t>,
    spot: Spot,
    part: u32,
    sink: &'a mut dyn Sink,
}

/// What the value of a message is called.
fn content(value: &Value) -> Option<&Value> {
    ["content", "parts", "value", "text"].iter().find_map(|key| value.get(key)).filter(|content| !content.is_null())
}

/// The raw text under a path of names.
fn raw_at<'r>(raw: Option<&'r [u8]>, path: &[&str]) -> Option<&'r [u8]> {
    path.iter().try_fold(raw?, |raw, name| scan::member(raw, name))
}

impl Teller<'_, '_> {
    fn next(&mut self) -> Spot {
        let spot = self.spot.part(self.part);
        self.part += 1;
        spot
    }

    fn say(&mut self, origin: TextOrigin, text: String) {
        let spot = self.next();
        self.account.say(spot, origin, text, self.sink);
    }

    fn agent(&mut self, value: &Value, raw: Option<&[u8]>) {
        for key in ["reasoning_content", "reasoning", "thinking"] {
            if let Some(thought) = value.get(key).filter(|thought| !thought.is_null()) {
                self.say(TextOrigin::Agent, json::content(thought));
            }
        }
        match content(value) {
            Some(Value::Array(blocks)) => {
                let raw = raw_at(raw, &["content"]).or_else(|| raw_at(raw, &["parts"])).map(scan::elements);
                let raw = raw.unwrap_or_default();
                for (index, block) in blocks.iter().enumerate() {
                    self.block(block, raw.get(index).copied(), TextOrigin::Agent);
                }
            }
            Some(other) => self.say(TextOrigin::Agent, json::content(other)),
            None => {}
        }
        if let Some(calls) = value.get("tool_calls").and_then(Value::as_array) {
            let raw = raw_at(raw, &["tool_calls"]).map(scan::elements).unwrap_or_default();
            for (index, call) in calls.iter().enumerate() {
                self.chat_call(call, raw.get(index).copied());
            }
        }
        if let Some(call) = value.get("function_call").filter(|call| call.is_object()) {
            self.named(call, None, raw_at(raw, &["function_call", "arguments"]));
        }
    }

    /// `{id, type, function: {name, arguments}}`, and what others made of it: `{id, name, args}`, `{function: "name",
    /// arguments}`.
    fn chat_call(&mut self, call: &Value, raw: Option<&[u8]>) {
        // A call may itself be JSON in text.
        if let Some(parsed) = call.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            return if parsed.is_object() {
                self.chat_call(&parsed, None)
            };
        }
        let id = ["id", "call_id", "tool_call_id"].iter().find_map(|key| json::text(call, key));
        match call.get("function") {
            Some(function) if function.is_object() => {
                self.named(function, id, raw_at(raw, &["function", "arguments"]));
            }
            _ => self.named(call, id, ["arguments", "args", "input"].iter().find_map(|key| raw_at(raw, &[key]))),
        }
    }

    /// A name with arguments under any of their names.
    fn named(&mut self, call: &Value, id: Option<&str>, raw: Option<&[u8]>) {
        let tool = ["name", "tool_name", "toolName", "function", "tool"].iter().find_map(|key| json::text(call, key));
        let arguments = ["arguments", "args", "input", "parameters"].iter().find_map(|key| call.get(key));
        self.called(id, tool.unwrap_or_default(), arguments.unwrap_or(&Value::Null), raw);
    }

    fn called(&mut self, id: Option<&str>, tool: &str, arguments: &Value, raw: Option<&[u8]>) {
        let spot = self.next();
        let (written, parsed) = json::arguments(arguments, raw);
        let call = Call { id, tool, arguments: written, ..Call::default() };
        self.account.call(spot, call, &parsed, self.sink);
    }

    /// A block of content or a part, of the agent or of what came back to it.
    fn block(&mut self, block: &Value, raw: Option<&[u8]>, origin: TextOrigin) {
        if let Some(text) = block.as_str() {
            return self.say(origin, text.to_owned());
        }
        if let Some(call) = block.get("functionCall").or_else(|| block.get("function_call")) {
            return self.named(call, json::text(call, "id"), raw_at(raw, &["functionCall", "args"]));
        }
        if let Some(response) = block.get("functionResponse").or_else(|| block.get("function_response")) {
            let output = response.get("response").map(json::content).unwrap_or_default();
            return self.answered(json::text(response, "id"), output, &Value::Null);
        }
        match json::text(block, "type").unwrap_or_default() {
            "tool_use" | "server_tool_use" | "mcp_tool_use" | "tool-call" | "toolCall" | "tool_call" => {
                let id = ["id", "toolCallId", "tool_call_id"].iter().find_map(|key| json::text(block, key));
                let raw = ["input", "arguments", "args"].iter().find_map(|key| raw_at(raw, &[key]));
                self.named(block, id, raw);
            }
            kind if kind.ends_with("tool_result") || matches!(kind, "tool-result" | "toolResult") => {
                let id =
                    ["tool_use_id", "toolCallId", "tool_call_id", "id"].iter().find_map(|key| json::text(block, key));
                let output = ["content", "output", "result"].iter().find_map(|key| block.get(key));
                self.answered(id, output.map(json::content).unwrap_or_default(), block);
            }
            "thinking" | "reasoning" => {
                let said = ["thinking", "text", "reasoning"].iter().find_map(|key| json::text(block, key));
                self.say(origin, said.unwrap_or_default().to_owned());
            }
            _ => {
                if let Some(text) = json::text(block, "text") {
                    self.say(origin, text.to_owned());
                }
            }
        }
    }

    fn answered(&mut self, id: Option<&str>, output: String, told: &Value) {
        let spot = self.next();
        let exit_code = ["exit_code", "exitCode", "returncode"].iter().find_map(|key| json::exit_code(told, key));
        let told = printed::of(&output);
        let answer = Answer {
            id,
            exit_code: exit_code.or(told.exit_code),
            place: told.place,
            not_executed: told.not_executed,
            output,
            ..Answer::default()
        };
        self.account.answer(spot, answer, self.sink);
    }

    fn tool(&mut self, value: &Value) {
        let id = ["tool_call_id", "toolCallId", "call_id", "id"].iter().find_map(|key| json::text(value, key));
        let said = content(value);
        // Content may be a list of results of its own.
        if let Some(Value::Array(blocks)) = said
            && blocks.iter().any(|block| {
                block.get("functionResponse").is_some()
                    || json::text(block, "type")
                        .is_some_and(|kind| kind.ends_with("tool_result") || kind == "tool-result")
            })
        {
            return blocks.iter().for_each(|block| self.block(block, None, TextOrigin::Environment));
        }
        self.answered(id, said.map(json::content).unwrap_or_default(), value);
    }

    /// What was put into the context: prompts, and results of tools among them.
    fn heard(&mut self, value: &Value, origin: TextOrigin) {
        match content(value) {
            Some(Value::Array(blocks)) => blocks.iter().for_each(|block| self.block(block, None, origin)),
            Some(other) => self.say(origin, json::content(other)),
            None => {}
        }
    }
}

/// Tells the messages of one conversation, in order. `first` is the number of its first record; `raw` the text of the
/// list. Elements that are no messages are counted as unread.
pub(super) fn conversation(
    account: &mut Account<'_>,
    first: u64,
    list: &[Value],
    raw: Option<&[u8]>,
    sink: &mut dyn Sink,
) {
    let raw = raw.map(scan::elements).unwrap_or_default();
    for (index, value) in list.iter().enumerate() {
        let number = first + index as u64;
        let at = ["timestamp", "created_at", "created", "ts"].iter().find_map(|key| value.get(key));
        let at = account.stamp(number, at, sink);
        let actor = if json::flag(value, "is_demo") || json::flag(value, "is_copied_context") {
            Actor::Replayed
        } else {
            Actor::Policy
        };
        let spot = Spot::of(number, at).by(actor);
        if message(account, spot, value, raw.get(index).copied(), sink) {
            sink.record();
        } else {
            sink.unread(number, "neither a message nor an item of a model's interface", value.to_string().as_bytes());
        }
    }
}
