//! What `codex exec --json` prints: `thread.started`, `item.started`, `item.completed`, `turn.completed`.

use serde_json::Value;

use super::super::{json, shell};
use super::output::Outcome;
use super::{Line, Reader};
use crate::formats::Sink;
use crate::model::{Step, TextOrigin};

impl Reader<'_> {
    /// A printed line. False if its type is not known.
    pub(super) fn printed(&mut self, line: &Line<'_>, kind: &str, value: &Value, sink: &mut dyn Sink) -> bool {
        match (kind, value.get("item")) {
            ("item.completed", Some(item)) => self.printed_item(line, item, true, sink),
            ("item.started", Some(item)) => self.printed_item(line, item, false, sink),
            ("thread.started", _) => self.threads += 1,
            ("error" | "turn.failed", _) => {
                let said = json::text(value, "message").or_else(|| value.pointer("/error/message")?.as_str());
                self.say(line, TextOrigin::Environment, said.unwrap_or_default().to_owned(), sink);
            }
            (kind, _) => return ["thread.", "turn.", "item."].iter().any(|start| kind.starts_with(start)),
        }
        true
    }

    fn printed_item(&mut self, line: &Line<'_>, item: &Value, completed: bool, sink: &mut dyn Sink) {
        let said = || ["text", "message"].iter().find_map(|key| json::text(item, key)).unwrap_or_default().to_owned();
        // Ids count from 0 in every run, and a file may hold what several runs printed.
        let id = json::text(item, "id").unwrap_or_default();
        let id = &if self.threads > 1 { format!("{}:{id}", self.threads) } else { id.to_owned() };
        match json::text(item, "type").or_else(|| json::text(item, "item_type")).unwrap_or_default() {
            "agent_message" | "assistant_message" | "reasoning" if completed => {
                self.say(line, TextOrigin::Agent, said(), sink);
            }
            "error" if completed => self.say(line, TextOrigin::Environment, said(), sink),
            kind @ ("command_execution" | "mcp_tool_call" | "file_change" | "web_search" | "collab_tool_call") => {
                // A call whose beginning was not printed is known from its end alone.
                if self.calls.is_new(id, None, line.number, &mut self.conflicts) {
                    self.printed_begin(line, kind, id, item);
                }
                if completed {
                    self.printed_end(line, id, item, sink);
                }
            }
            _ => {}
        }
    }

    fn printed_begin(&mut self, line: &Line<'_>, kind: &str, id: &str, item: &Value) {
        let command = json::text(item, "command").filter(|_| kind == "command_execution").map(|text| {
            // The argument vector is printed joined, as "/bin/bash -lc '...'".
            let words = shell::words(text).unwrap_or_default();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let inner = shell::of_words(&words);
            let unwrapped = words.len() > 1 && words.iter().any(|word| *word == inner);
            if unwrapped { inner } else { text.to_owned() }
        });
        let tool = match kind {
            "mcp_tool_call" => {
                format!(
                    "{}__{}",
                    json::text(item, "server").unwrap_or("mcp"),
                    json::text(item, "tool").unwrap_or_default()
                )
            }
            kind => kind.to_owned(),
        };
        let arguments = ["arguments", "command", "changes", "query"].iter().find_map(|key| item.get(key));
        let arguments = match arguments {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let step = Step {
            call_id: Some(id.to_owned()),
            actor: line.actor,
            arguments,
            command,
            ..Step::new(&self.episode.id, (line.number, 0), self.record(line.number), &tool)
        };
        self.hold(id, step);
    }

    fn printed_end(&mut self, line: &Line<'_>, id: &str, item: &Value, sink: &mut dyn Sink) {
        let output = match (json::text(item, "aggregated_output"), item.get("result"), item.pointer("/error/message")) {
            (Some(output), _, _) => Value::String(output.to_owned()),
            (None, Some(result), _) if !result.is_null() => Value::String(json::content(result)),
            (None, _, Some(error)) => error.clone(),
            _ => Value::Null,
        };
        let outcome = Outcome {
            output: Some(json::content(&output)),
            exit_code: json::exit_code(item, "exit_code"),
            not_executed: json::text(item, "status") == Some("declined"),
            refused: json::text(item, "status") == Some("declined"),
            ..Outcome::default()
        };
        self.settle(line, id, outcome, sink);
    }
}
