//! Items of the Responses interface, which stand where messages do.

use serde_json::Value;

use super::super::account::{Account, Answer, Call, Spot};
use super::super::{json, printed, shell};
use super::content;
use crate::formats::Sink;
use crate::model::TextOrigin;

/// Tells an item. False if it is none (a message with a role among them).
pub(super) fn item(account: &mut Account<'_>, spot: Spot, item: &Value, sink: &mut dyn Sink) -> bool {
    let Some(kind) = json::text(item, "type") else { return false };
    let id = || ["call_id", "id"].iter().find_map(|key| json::text(item, key));
    match kind {
        "function_call" | "custom_tool_call" | "mcp_call" | "tool_call" if item.get("role").is_none() => {
            let arguments = ["arguments", "input", "args"].iter().find_map(|key| item.get(key));
            let (written, parsed) = json::arguments(arguments.unwrap_or(&Value::Null), None);
            let tool = json::text(item, "name").unwrap_or(kind);
            account.call(spot, Call { id: id(), tool, arguments: written, ..Call::default() }, &parsed, sink);
            // Of a server's tool the answer stands in the same item.
            if let Some(output) = item.get("output").filter(|output| !output.is_null()) {
                answer(account, spot, id(), output, sink);
            }
        }
        "local_shell_call" | "shell_call" => {
            let action = item.get("action").unwrap_or(&Value::Null);
            let command = ["command", "commands"].iter().find_map(|key| action.get(key));
            let words: Vec<&str> =
                command.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            // One is an argument vector, the other a list of command lines.
            let command = match (action.get("command").is_some(), command.and_then(Value::as_str)) {
                (_, Some(line)) => line.to_owned(),
                (true, None) => shell::of_words(&words),
                (false, None) => words.join("\n"),
            };
            let call =
                Call { id: id(), tool: kind, arguments: action.to_string(), command: Some(command), ..Call::default() };
            account.call(spot, call, action, sink);
        }
        kind if kind.ends_with("_call_output") => {
            answer(account, spot, id(), item.get("output").unwrap_or(&Value::Null), sink);
        }
        "reasoning" if item.get("role").is_none() => {
            let said = ["summary", "content", "text"].iter().filter_map(|key| item.get(key)).map(json::content);
            account.say(spot, TextOrigin::Agent, said.collect::<Vec<_>>().join("\n"), sink);
        }
        "web_search_call" | "file_search_call" | "computer_call" | "code_interpreter_call" => {
            let arguments = ["action", "queries", "code"].iter().find_map(|key| item.get(key)).unwrap_or(&Value::Null);
            let (written, parsed) = json::arguments(arguments, None);
            account.call(spot, Call { id: id(), tool: kind, arguments: written, ..Call::default() }, &parsed, sink);
        }
        "output_text" | "input_text" if item.get("role").is_none() => {
            let origin = if kind == "output_text" { TextOrigin::Agent } else { TextOrigin::Prompt };
            account.say(spot, origin, content(item).map(json::content).unwrap_or_default(), sink);
        }
        _ => return false,
    }
    true
}

fn answer(account: &mut Account<'_>, spot: Spot, id: Option<&str>, output: &Value, sink: &mut dyn Sink) {
    let output = json::content(output);
    let told = printed::of(&output);
    let answer = Answer {
        id,
        exit_code: told.exit_code,
        not_executed: told.not_executed,
        place: told.place,
        output,
        ..Answer::default()
    };
    account.answer(spot, answer, sink);
}
