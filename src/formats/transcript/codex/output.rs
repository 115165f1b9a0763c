//! The spellings of an output, and the events that tell of a command.

use serde_json::Value;

use super::super::{json, stamps};
use super::{Line, Reader};
use crate::formats::Sink;
use crate::model::{Actor, Endpoint, EndpointKind, Step, TextOrigin};
use crate::time::SECOND;

/// What is known of how a call ended.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) output: Option<String>,
    pub(super) exit_code: Option<i32>,
    /// Nanoseconds, and nanoseconds of the last digit written.
    pub(super) duration: Option<(i64, i64)>,
    pub(super) not_executed: bool,
    /// A person or a policy said no.
    pub(super) refused: bool,
    pub(super) left_running: bool,
    pub(super) end: Option<Endpoint>,
    /// The event that told it.
    pub(super) told_at: Option<(u64, Option<Endpoint>)>,
}

impl Outcome {
    /// Reads an output: a JSON text with metadata (to 0.4x), a text with a header, blocks, or `{content, success}`.
    pub(super) fn of(output: &Value) -> Self {
        let said = json::content(output);
        let parsed = said.starts_with('{').then(|| serde_json::from_str::<Value>(&said).ok()).flatten();
        if let Some(parsed) = parsed.filter(|parsed| parsed.get("metadata").is_some() && parsed.get("output").is_some())
        {
            let metadata = parsed.get("metadata").unwrap_or(&Value::Null);
            let seconds = metadata.get("duration_seconds").filter(|seconds| seconds.is_number());
            return Outcome {
                output: parsed.get("output").map(json::content),
                exit_code: json::exit_code(metadata, "exit_code"),
                duration: seconds.and_then(|seconds| stamps::decimal_seconds(&seconds.to_string())),
                ..Outcome::default()
            };
        }
        Self::of_text(said)
    }

    fn of_text(said: String) -> Self {
        let refused = never_ran(&said) && (said.contains("reject") || said.contains("denied"));
        let mut outcome = Outcome { not_executed: never_ran(&said), refused, ..Outcome::default() };
        let headed = ["Chunk ID: ", "Wall time: ", "Exit code: "].iter().any(|start| said.starts_with(start));
        // The header ends where the output begins; what the command printed must not be taken for it.
        for line in said.lines().take(8).take_while(|line| headed && !line.starts_with("Output:")) {
            if let Some(code) =
                line.strip_prefix("Exit code: ").or_else(|| line.strip_prefix("Process exited with code "))
            {
                outcome.exit_code = code.trim().parse().ok();
            } else if let Some(time) = line.strip_prefix("Wall time: ") {
                let seconds = time.split_ascii_whitespace().next().unwrap_or_default();
                outcome.duration = stamps::decimal_seconds(seconds);
            } else if line.starts_with("Process running with session ID ") {
                outcome.left_running = true;
            }
        }
        // "failed in sandbox ...: sandbox denied exec error, exit code: N, stdout: ...": it ran, inside the sandbox.
        let denied = ["failed in sandbox ", "execution error: "].iter().any(|start| said.starts_with(start));
        if let Some((_, rest)) = said.lines().next().filter(|_| denied).and_then(|line| line.split_once("exit code: "))
        {
            outcome.exit_code = rest.split(',').next().and_then(|code| code.trim().parse().ok());
        }
        outcome.output = Some(said);
        outcome
    }

    /// What an event says of a command: `exec_command_end`, or an item `CommandExecution`.
    fn of_event(event: &Value) -> Self {
        let duration = event.get("duration").and_then(|duration| {
            let seconds = duration.get("secs")?.as_i64()?.checked_mul(SECOND)?;
            Some((seconds.checked_add(duration.get("nanos")?.as_i64()?)?, 1))
        });
        let milliseconds = event.get("duration_ms").and_then(Value::as_i64);
        let output = ["aggregated_output", "formatted_output", "stdout"].iter().find_map(|key| json::text(event, key));
        Outcome {
            output: output.map(str::to_owned),
            exit_code: json::exit_code(event, "exit_code"),
            duration: duration.or_else(|| Some((milliseconds?.checked_mul(1_000_000)?, 1_000_000))),
            not_executed: json::text(event, "status") == Some("declined"),
            refused: json::text(event, "status") == Some("declined"),
            ..Outcome::default()
        }
    }

    /// Takes from `other` what is not known here.
    pub(super) fn fill_from(&mut self, other: Outcome) {
        self.output = self.output.take().or(other.output);
        self.exit_code = self.exit_code.or(other.exit_code);
        self.duration = self.duration.or(other.duration);
        self.not_executed |= other.not_executed;
        self.refused |= other.refused;
        self.left_running |= other.left_running;
        self.told_at = self.told_at.or(other.told_at);
    }
}

/// Whether an output says that the call never ran. It is the program's own sentence only at the start of the text.
fn never_ran(said: &str) -> bool {
    let line = said.lines().next().unwrap_or_default();
    let sentences = [
        "exec command rejected by user",
        "patch rejected by user",
        "rejected by user",
        "rejected: ",
        "command rejected by policy",
        "approval denied",
        "failed to parse function arguments",
        "unsupported call: ",
        "unsupported custom tool call: ",
        "unsupported payload for ",
        "Tool call was rejected",
        "tool call rejected",
        "aborted before",
    ];
    let not_spawned = line.starts_with("exec_command failed") && line.contains("Rejected(");
    sentences.iter().any(|start| line.starts_with(start)) || not_spawned
}

impl Reader<'_> {
    /// An event. Most repeat what the items say; those about commands add exit codes and durations.
    pub(super) fn event(&mut self, line: &Line<'_>, event: &Value, sink: &mut dyn Sink) -> bool {
        let Some(kind) = json::text(event, "type") else { return false };
        match kind {
            "exec_command_begin" => self.person_ran(line, event, "call_id", sink),
            "exec_command_end" => {
                if let Some(call_id) = json::text(event, "call_id") {
                    self.told(line, call_id, event, Outcome::of_event(event), sink);
                }
            }
            "item_completed" | "item_started" => {
                let Some(item) = event.get("item") else { return true };
                if json::text(item, "type") == Some("CommandExecution") {
                    self.person_ran(line, item, "id", sink);
                    if let Some(call_id) = json::text(item, "id").filter(|_| kind == "item_completed") {
                        self.told(line, call_id, item, Outcome::of_event(item), sink);
                    }
                }
            }
            "exec_approval_request" | "apply_patch_approval_request" => {
                self.asked.extend(json::text(event, "call_id").map(str::to_owned));
            }
            "turn_aborted" => {
                let reason = json::text(event, "reason").unwrap_or("no reason given");
                self.say(line, TextOrigin::Environment, format!("turn aborted: {reason}"), sink);
            }
            "error" | "stream_error" | "warning" => {
                let said = json::text(event, "message").unwrap_or_default().to_owned();
                self.say(line, TextOrigin::Environment, said, sink);
            }
            _ => {}
        }
        true
    }

    /// A command that a person typed into the program: no item of the conversation stands for it.
    fn person_ran(&mut self, line: &Line<'_>, event: &Value, id: &str, sink: &mut dyn Sink) {
        let source = json::text(event, "source").unwrap_or_default().to_ascii_lowercase();
        let Some(call_id) = json::text(event, id) else { return };
        if !matches!(source.as_str(), "user_shell" | "usershell")
            || !self.calls.is_new(call_id, None, line.number, &mut self.conflicts)
        {
            return;
        }
        let command = super::super::shell::command("shell", event);
        sink.step(Step {
            call_id: Some(call_id.to_owned()),
            actor: if line.actor == Actor::Replayed { Actor::Replayed } else { Actor::Human },
            start: line.at.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded }),
            arguments: event.get("command").map(Value::to_string).unwrap_or_default(),
            command,
            ..Step::new(&self.episode.id, (line.number, 0), self.record(line.number), "user_shell")
        });
    }
}
