//! Events of the V1 SDK.

use serde_json::Value;

use super::super::{json, scan, shell};
use super::{Place, Reader};
use crate::formats::Sink;
use crate::model::{Actor, TextOrigin};

impl Reader<'_> {
    pub(super) fn v1(&mut self, kind: &str, event: &Value, raw: &[u8], place: Place, sink: &mut dyn Sink) -> bool {
        let said = |pointer: &str| event.pointer(pointer).map(json::content).unwrap_or_default();
        match kind {
            "ActionEvent" => self.v1_action(event, raw, place, sink),
            "ObservationEvent" => self.v1_observation(event, place, sink),
            "UserRejectObservation" => self.v1_refused(event, said("/rejection_reason"), true, place, sink),
            "AgentErrorEvent" => {
                let error = said("/error");
                // What the program says of a call that it could not begin.
                let never = ["Tool '", "Error validating", "Error parsing", "Failed to parse", "Missing "];
                let never = never.iter().any(|start| error.starts_with(start));
                self.v1_refused(event, error, never, place, sink);
            }
            "MessageEvent" => {
                let origin = match json::text(event, "source") {
                    Some("user") => TextOrigin::Prompt,
                    Some("agent") => TextOrigin::Agent,
                    _ => TextOrigin::Environment,
                };
                self.say(place, origin, said("/llm_message/content"), sink);
            }
            "SystemPromptEvent" => self.say(place, TextOrigin::Prompt, said("/system_prompt"), sink),
            "Condensation" | "CondensationSummaryEvent" => self.surroundings(place, said("/summary"), sink),
            "ConversationErrorEvent" | "ServerErrorEvent" => self.surroundings(place, said("/detail"), sink),
            kind => return kind.ends_with("Event") || kind.starts_with("Condensation"),
        }
        true
    }

    fn v1_action(&mut self, event: &Value, raw: &[u8], place: Place, sink: &mut dyn Sink) {
        let none = Value::Null;
        let action = event.get("action").unwrap_or(&none);
        let tool = json::text(event, "tool_name").or_else(|| event.pointer("/tool_call/name")?.as_str());
        let tool = tool.unwrap_or_default();
        let thoughts = [event.get("reasoning_content"), event.get("thought")];
        let mut thoughts: Vec<String> = thoughts.into_iter().flatten().map(json::content).collect();
        let inner = matches!(tool, "think" | "finish");
        if inner {
            thoughts.extend(["thought", "message"].iter().filter_map(|key| json::text(action, key)).map(str::to_owned));
        }
        thoughts.retain(|thought| !thought.is_empty());
        self.say(place, TextOrigin::Agent, thoughts.join("\n"), sink);
        if inner {
            return;
        }
        let mut step = self.step(place, tool);
        step.actor = match json::text(event, "source") {
            Some("agent") | None => Actor::Policy,
            Some("user") => Actor::Human,
            Some(_) => Actor::Harness,
        };
        let written = event.pointer("/tool_call/arguments").or_else(|| event.pointer("/tool_call/function/arguments"));
        step.arguments = match written.and_then(Value::as_str) {
            Some(written) => written.to_owned(),
            None => String::from_utf8_lossy(scan::member(raw, "action").unwrap_or_default()).into_owned(),
        };
        let parsed = serde_json::from_str::<Value>(&step.arguments).unwrap_or_default();
        step.command = shell::command(tool, action).or_else(|| shell::command(tool, &parsed));
        // The program could make nothing of the arguments: there was no action.
        step.not_executed = action.is_null();
        step.call_id = json::text(event, "tool_call_id").or_else(|| json::text(event, "id")).map(str::to_owned);
        if let Some(call_id) = step.call_id.clone() {
            self.called(call_id);
        }
        sink.step(step);
    }

    fn v1_observation(&mut self, event: &Value, place: Place, sink: &mut dyn Sink) {
        let none = Value::Null;
        let observation = event.get("observation").unwrap_or(&none);
        let metadata = observation.get("metadata").unwrap_or(&none);
        self.about(None, json::text(metadata, "hostname"), json::text(metadata, "working_dir"));
        let call_id = ["tool_call_id", "action_id"].iter().find_map(|key| json::text(event, key));
        if matches!(json::text(event, "tool_name"), Some("think" | "finish")) {
            return;
        }
        let output = ["content", "output", "message"].iter().find_map(|key| observation.get(key)).map(json::content);
        let Some(call_id) = call_id.map(str::to_owned) else {
            return self.surroundings(place, output.unwrap_or_default(), sink);
        };
        let mut result = self.result(place, call_id, output.unwrap_or_default());
        result.exit_code = json::exit_code(observation, "exit_code").or_else(|| json::exit_code(metadata, "exit_code"));
        sink.result(result);
    }

    fn v1_refused(&mut self, event: &Value, output: String, never: bool, place: Place, sink: &mut dyn Sink) {
        let call_id = ["tool_call_id", "action_id"].iter().find_map(|key| json::text(event, key));
        match call_id {
            Some(call_id) => {
                let mut result = self.result(place, call_id.to_owned(), output);
                result.not_executed = never;
                sink.result(result);
            }
            None => self.surroundings(place, output, sink),
        }
    }
}
