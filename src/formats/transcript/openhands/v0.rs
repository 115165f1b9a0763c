//! Events of V0 and of OpenDevin. Early ones have their fields at the top instead of in `args` and `extras`.

use serde_json::Value;

use super::super::{json, scan, shell};
use super::{Place, Reader};
use crate::formats::Sink;
use crate::model::{Actor, TextOrigin};

/// Actions that do nothing outside of the program.
const INNER: &[&str] = &[
    "recall",
    "change_agent_state",
    "null",
    "condensation_request",
    "loop_recovery",
    "start",
    "pause",
    "resume",
    "stop",
    "add_memory",
    "summarize",
];

/// Observations of what the agent called for.
const RESULTS: &[&str] =
    &["run", "run_ipython", "read", "write", "edit", "browse", "delegate", "mcp", "download", "task_tracking", "kill"];

impl Reader<'_> {
    pub(super) fn v0(&mut self, event: &Value, raw: &[u8], place: Place, sink: &mut dyn Sink) -> bool {
        let response = event.pointer("/tool_call_metadata/model_response/model").and_then(Value::as_str);
        self.about(response, None, None);
        if let Some(action) = json::text(event, "action") {
            return self.action(action, event, raw, place, sink);
        }
        match json::text(event, "observation") {
            Some(observation) => self.observation(observation, event, place, sink),
            None => return false,
        }
        true
    }

    fn action(&mut self, action: &str, event: &Value, raw: &[u8], place: Place, sink: &mut dyn Sink) -> bool {
        let args = event.get("args").filter(|args| args.is_object()).unwrap_or(event);
        let source = json::text(event, "source").unwrap_or("agent");
        let said = |key: &str| json::text(args, key).unwrap_or_default().to_owned();
        match action {
            "system" => self.say(place, TextOrigin::Prompt, said("content"), sink),
            "message" => {
                // Without a source, the first message of a history is the task.
                let task = event.get("source").is_none() && place.order == 0;
                let origin = match source {
                    "user" => TextOrigin::Prompt,
                    "agent" if task => TextOrigin::Prompt,
                    "agent" => TextOrigin::Agent,
                    _ => TextOrigin::Environment,
                };
                self.say(place, origin, said("content"), sink);
            }
            "think" => self.say(place, TextOrigin::Agent, said("thought"), sink),
            "finish" | "reject" => {
                let closing = [said("thought"), said("final_thought"), said("message")];
                let closing: Vec<String> = closing.into_iter().filter(|text| !text.is_empty()).collect();
                self.say(place, TextOrigin::Agent, closing.join("\n"), sink);
            }
            "condensation" => self.surroundings(place, said("summary"), sink),
            inner if INNER.contains(&inner) => {}
            tool => {
                self.say(place, TextOrigin::Agent, said("thought"), sink);
                let mut step = self.step(place, tool);
                step.actor = match source {
                    "user" if !json::flag(args, "hidden") => Actor::Human,
                    "agent" => Actor::Policy,
                    _ => Actor::Harness,
                };
                let written = scan::member(raw, "args").unwrap_or(raw);
                step.arguments = String::from_utf8_lossy(written).into_owned();
                step.command = match tool {
                    "run" => json::text(args, "command").map(str::to_owned),
                    "run_ipython" => json::text(args, "code").and_then(shell::of_ipython),
                    tool => {
                        shell::command(json::text(args, "name").unwrap_or(tool), args.get("arguments").unwrap_or(args))
                    }
                };
                step.background = json::flag(args, "background");
                let confirmed = json::text(args, "confirmation_state").or_else(|| json::text(args, "is_confirmed"));
                step.not_executed = confirmed == Some("rejected");
                let call_id = match event.get("id") {
                    Some(id) if id.is_number() || id.is_string() => plain(id),
                    _ => format!("event-{}", place.number),
                };
                step.call_id = Some(call_id.clone());
                self.called(call_id);
                sink.step(step);
            }
        }
        true
    }

    fn observation(&mut self, observation: &str, event: &Value, place: Place, sink: &mut dyn Sink) {
        let extras = event.get("extras").filter(|extras| extras.is_object()).unwrap_or(event);
        let output = event.get("content").map(json::content).unwrap_or_default();
        let metadata = extras.get("metadata").filter(|metadata| metadata.is_object()).unwrap_or(extras);
        self.about(None, json::text(metadata, "hostname"), json::text(metadata, "working_dir"));
        let rejected = observation == "user_rejected";
        // An error answers the call that it names, or one still open; a call that could not be read has no action.
        let answers = RESULTS.contains(&observation) || rejected || observation == "error";
        let open = if answers { self.last_call.take() } else { None };
        let cause = match event.get("cause") {
            Some(cause) if cause.is_number() || cause.is_string() => Some(plain(cause)),
            _ => open,
        };
        let think = matches!(
            event.pointer("/tool_call_metadata/function_name").and_then(Value::as_str),
            Some("think" | "finish")
        );
        match cause.filter(|cause| answers && !think && self.knows(cause)) {
            Some(call_id) => {
                let mut result = self.result(place, call_id, output);
                result.exit_code = json::exit_code(metadata, "exit_code");
                result.not_executed = rejected;
                sink.result(result);
            }
            None if matches!(observation, "agent_state_changed" | "null" | "think") => {}
            None => self.surroundings(place, output, sink),
        }
    }

    pub(super) fn called(&mut self, call_id: String) {
        if let Some(calls) = &mut self.calls {
            calls.insert(call_id.clone());
        }
        self.last_call = Some(call_id);
    }

    /// Whether a call stands in this file; of files with one event each nobody knows.
    pub(super) fn knows(&self, call_id: &str) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.contains(call_id))
    }
}

fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
