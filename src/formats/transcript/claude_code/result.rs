//! What came back from a call, and whether it ran.

use serde_json::Value;

use super::super::told::hashed;
use super::super::{json, stamps};
use super::{Line, Reader};
use crate::formats::Sink;
use crate::model::{Actor, Approval, Endpoint, EndpointKind, Step, StepResult};

impl Reader<'_> {
    /// A `tool_result` block. `mirror` is the program's own record of the same result.
    pub(super) fn result(&mut self, line: &Line<'_>, block: &Value, mirror: Option<&Value>, sink: &mut dyn Sink) {
        let Some(call_id) = json::text(block, "tool_use_id").map(str::to_owned) else { return };
        let said = block.get("content").map(json::content).unwrap_or_default();
        if !self.answered.is_new(&call_id, Some(hashed(&said)), line.number, &mut self.conflicts) {
            return self.count_repeated(line.number);
        }
        let failed = json::flag(block, "is_error");
        let mirrored = mirror.and_then(Value::as_str).and_then(|text| text.strip_prefix("Error: "));
        let exit_code = match (failed.then(|| exit_code(&said)).flatten(), mirrored) {
            (None, Some(error)) => exit_code(error),
            (code, _) => code,
        };
        let said_so = ["Command running in background with ID", "Command was manually backgrounded"];
        let left_running = said_so.iter().any(|start| said.starts_with(start))
            || mirror.is_some_and(|mirror| mirror.get("backgroundTaskId").is_some_and(Value::is_string));
        if let Some(mut step) = self.pending.remove(&call_id) {
            step.background |= left_running;
            sink.step(step);
        }
        let not_executed = failed && never_ran(&said);
        let approval = if not_executed { approval(&said) } else { None };
        let (output, output_omitted_bytes) = json::kept(said);
        sink.result(StepResult {
            end: line.at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }),
            duration_ns: mirror.and_then(duration),
            output: Some(output),
            output_omitted_bytes,
            exit_code,
            not_executed,
            approval,
            ..StepResult::new(&self.episode.id, &call_id, self.record(line.number))
        });
    }

    /// A command that a person typed behind `!`.
    pub(super) fn typed_command(&mut self, line: &Line<'_>, index: u32, command: &str, sink: &mut dyn Sink) {
        let call_id = json::text(line.value, "uuid").map(|uuid| format!("{uuid}#{index}"));
        self.typed.clone_from(&call_id);
        sink.step(Step {
            call_id,
            actor: if line.actor == Actor::Replayed { Actor::Replayed } else { Actor::Human },
            start: line.at.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded }),
            arguments: command.to_owned(),
            command: Some(command.to_owned()),
            ..Step::new(&self.episode.id, (line.number, index), self.record(line.number), "bash-input")
        });
    }

    /// The output of a command that a person typed.
    pub(super) fn typed_output(&mut self, line: &Line<'_>, call_id: String, said: &str, sink: &mut dyn Sink) {
        let (output, output_omitted_bytes) = json::kept(said.to_owned());
        sink.result(StepResult {
            end: line.at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }),
            output: Some(output),
            output_omitted_bytes,
            ..StepResult::new(&self.episode.id, &call_id, self.record(line.number))
        });
    }
}

/// The code in "Exit code N", which stands on the first line of a failed command's result.
fn exit_code(text: &str) -> Option<i32> {
    let rest = text.trim_start().trim_start_matches("Error: ").strip_prefix("Exit code ")?;
    rest.lines().next()?.trim().parse().ok()
}

/// Whether a failed result says that the call never ran: rejected by a person, refused by a permission or hook, or
/// not understood. A command that was interrupted while it ran is not among them where its output came back; but an
/// interruption that leaves no output is recorded in the very words of a rejection, and cannot be told from one.
fn never_ran(text: &str) -> bool {
    let text = text.trim_start();
    let refusals = [
        "The user doesn't want to proceed with this tool use",
        "The user doesn't want to take this action right now",
        "<tool_use_error>",
        "InputValidationError",
        "PreToolUse:",
        "Permission to ",
        "Permission for this",
        "This command requires approval",
        "This Bash command contains multiple operations",
    ];
    let asked = text.starts_with("Claude requested permissions") && text.contains("haven't granted it");
    refusals.iter().any(|start| text.starts_with(start)) || asked
}

/// What a result that says that its call never ran tells of the asking: a person, a rule or a hook refused it, or it was
/// to be asked for and there was nobody to answer.
fn approval(text: &str) -> Option<Approval> {
    let text = text.trim_start();
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    if begins(&["The user doesn't want", "PreToolUse:", "Permission to ", "Permission for this"]) {
        Some(Approval::Refused)
    } else if begins(&["This command requires approval", "This Bash command contains", "Claude requested permissions"])
    {
        Some(Approval::Asked)
    } else {
        None
    }
}

fn duration(mirror: &Value) -> Option<i64> {
    let milliseconds = mirror.get("durationMs").or_else(|| mirror.get("totalDurationMs"));
    if let Some(ms) = milliseconds.and_then(Value::as_i64) {
        return ms.checked_mul(1_000_000).filter(|ns| *ns >= 0);
    }
    let seconds = mirror.get("durationSeconds").filter(|seconds| seconds.is_number())?;
    stamps::decimal_seconds(&seconds.to_string()).map(|(ns, _)| ns)
}
