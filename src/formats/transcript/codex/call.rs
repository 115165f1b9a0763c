//! Calls and their outputs, and the bracket of time around them.

use serde_json::Value;

use super::super::told::hashed;
use super::super::{json, scan, shell};
use super::output::Outcome;
use super::{Line, Reader};
use crate::formats::Sink;
use crate::model::{Actor, Approval, Endpoint, EndpointKind, Step, StepResult};
use crate::time::Span;

/// A call that waits for its output.
pub(super) struct Open {
    step: Step,
    /// Stamp of the call.
    at: Option<Span>,
    /// The latest stamp above the call that differs from its own.
    before: Option<Span>,
    /// What events said of the command before its output came.
    told: Outcome,
}

impl Reader<'_> {
    pub(super) fn call(&mut self, line: &Line<'_>, kind: &str, item: &Value, sink: &mut dyn Sink) {
        let call_id = ["call_id", "id"].iter().find_map(|key| json::text(item, key)).filter(|id| !id.is_empty());
        let none = Value::Null;
        let action = item.get("action").unwrap_or(&none);
        let (tool, arguments, command) = match kind {
            "local_shell_call" => {
                let command = shell::command("shell", action);
                ("local_shell".to_owned(), written(line.raw, "action"), command)
            }
            "custom_tool_call" => {
                let tool = json::text(item, "name").unwrap_or(kind);
                (tool.to_owned(), item.get("input").map(json::content).unwrap_or_default(), None)
            }
            "function_call" => {
                let tool = json::text(item, "name").unwrap_or(kind);
                let tool = match json::text(item, "namespace").filter(|space| !space.is_empty()) {
                    Some(space) => format!("{space}__{tool}"),
                    None => tool.to_owned(),
                };
                let arguments = match item.get("arguments") {
                    Some(Value::String(text)) => text.clone(),
                    Some(_) => written(line.raw, "arguments"),
                    None => String::new(),
                };
                let command = serde_json::from_str(&arguments).ok().and_then(|arguments| command(&tool, &arguments));
                (tool, arguments, command)
            }
            // web_search_call, image_generation_call, tool_search_call: run by the provider or the program.
            other => {
                let whole = || String::from_utf8_lossy(line.raw).into_owned();
                let arguments = if action.is_null() { whole() } else { written(line.raw, "action") };
                (other.trim_end_matches("_call").to_owned(), arguments, None)
            }
        };
        let told = Some(hashed(&(&tool, &arguments)));
        if call_id.is_some_and(|id| !self.calls.is_new(id, told, line.number, &mut self.conflicts)) {
            return self.count_repeated(line.number);
        }
        let replayed = line.actor == Actor::Replayed;
        let start = match line.at {
            // The stamp of a copy says when it was copied.
            _ if replayed => None,
            Some(span) => Some(span),
            None => self.clock.not_before(),
        };
        let step = Step {
            call_id: call_id.map(str::to_owned),
            actor: line.actor,
            start: start.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded }),
            arguments,
            command,
            approval: (self.waived && !replayed).then_some(Approval::Waived),
            ..Step::new(&self.episode.id, (line.number, 0), self.record(line.number), &tool)
        };
        match call_id {
            Some(call_id) => {
                let before = if replayed { None } else { self.other_stamp };
                if let Some(command) = &step.command {
                    self.commands.insert(command.clone(), call_id.to_owned());
                }
                self.last_call = Some(call_id.to_owned());
                let open = Open { step, at: line.at.filter(|_| !replayed), before, told: Outcome::default() };
                self.open.insert(call_id.to_owned(), open);
            }
            None => sink.step(step),
        }
    }

    /// The output of a call, as the model saw it.
    pub(super) fn output(&mut self, line: &Line<'_>, item: &Value, sink: &mut dyn Sink) {
        let Some(call_id) = json::text(item, "call_id").map(str::to_owned) else { return };
        let none = Value::Null;
        let output = item.get("output").unwrap_or(&none);
        if !self.answered.is_new(&call_id, Some(hashed(output)), line.number, &mut self.conflicts) {
            return self.count_repeated(line.number);
        }
        let mut outcome = Outcome::of(output);
        if let Some(mut open) = self.open.remove(&call_id) {
            outcome.fill_from(std::mem::take(&mut open.told));
            open.step.background |= outcome.left_running;
            if let (Some(at), Some(ended)) = (open.at, line.at)
                && at == ended
            {
                open.step.start = Some(flushed_start(at, open.before, &outcome));
                outcome.end = Some(Endpoint { span: ended, kind: EndpointKind::TurnFlushed });
            }
            sink.step(open.step);
        }
        self.emit(line, call_id, outcome, sink);
    }

    fn emit(&self, line: &Line<'_>, call_id: String, outcome: Outcome, sink: &mut dyn Sink) {
        let kind = if line.actor == Actor::Replayed { EndpointKind::TurnFlushed } else { EndpointKind::ResultRecorded };
        let end = outcome.end.or_else(|| line.at.map(|span| Endpoint { span, kind }));
        let (output, output_omitted_bytes) = json::kept(outcome.output.unwrap_or_default());
        // A call that was asked for and ran was allowed.
        let approval = match (outcome.refused, outcome.not_executed, self.asked.contains(&call_id)) {
            (true, _, _) => Some(Approval::Refused),
            (false, false, true) => Some(Approval::Given),
            (false, true, true) => Some(Approval::Asked),
            (false, _, false) => None,
        };
        sink.result(StepResult {
            end,
            duration_ns: outcome.duration.map(|(ns, _)| ns),
            output: Some(output),
            output_omitted_bytes,
            exit_code: outcome.exit_code,
            not_executed: outcome.not_executed,
            approval,
            ..StepResult::new(&self.episode.id, &call_id, self.record(line.number))
        });
    }

    /// Keeps a call until its output comes.
    pub(super) fn hold(&mut self, call_id: &str, step: Step) {
        self.open.insert(call_id.to_owned(), Open { step, at: None, before: None, told: Outcome::default() });
    }

    /// Reports a held call together with its outcome.
    pub(super) fn settle(&mut self, line: &Line<'_>, call_id: &str, outcome: Outcome, sink: &mut dyn Sink) {
        if !self.answered.is_new(call_id, None, line.number, &mut self.conflicts) {
            return self.count_repeated(line.number);
        }
        if let Some(open) = self.open.remove(call_id) {
            sink.step(open.step);
        }
        self.emit(line, call_id.to_owned(), outcome, sink);
    }

    /// What an event said of a command: kept for the output of its call. A command that no call stands for was begun
    /// from within one (a script of the model that calls tools): it is a step of its own.
    pub(super) fn told(
        &mut self,
        line: &Line<'_>,
        call_id: &str,
        event: &Value,
        outcome: Outcome,
        sink: &mut dyn Sink,
    ) {
        let end = line.at.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded });
        let command = shell::command("shell", event);
        let same = command.as_ref().and_then(|command| self.commands.get(command));
        let same = same.filter(|id| self.open.get(*id).is_some_and(|open| open.told.told_at.is_none()));
        let call = if self.open.contains_key(call_id) { Some(call_id.to_owned()) } else { same.cloned() };
        if let Some(open) = call.and_then(|call| self.open.get_mut(&call)) {
            return open.told.fill_from(Outcome { told_at: Some((line.number, end)), ..outcome });
        }
        if self.calls.is_new(call_id, None, line.number, &mut self.conflicts) {
            sink.step(self.within(line, call_id, event, command, &outcome));
        }
        if self.answered.is_new(call_id, None, line.number, &mut self.conflicts) {
            self.emit(line, call_id.to_owned(), Outcome { end, ..outcome }, sink);
        }
    }

    /// A command that was begun from within the call made last: not before that call was recorded.
    fn within(
        &self,
        line: &Line<'_>,
        call_id: &str,
        event: &Value,
        command: Option<String>,
        outcome: &Outcome,
    ) -> Step {
        let outer = self.last_call.as_ref().and_then(|id| self.open.get(id));
        let begun = outer.and_then(|outer| outer.at).map(|span| Endpoint { span, kind: EndpointKind::CallRecorded });
        let reckoned = line.at.zip(outcome.duration).map(|(at, (duration, digit))| {
            let lo = at.lo.plus(duration.saturating_add(digit).saturating_neg());
            Endpoint { span: Span { lo, hi: at.hi.max(lo), basis: at.basis }, kind: EndpointKind::ToolStarted }
        });
        let words = event.get("command").filter(|words| words.is_array() || words.is_string());
        Step {
            call_id: Some(call_id.to_owned()),
            actor: line.actor,
            start: begun.or(reckoned),
            arguments: words.map(Value::to_string).unwrap_or_default(),
            command,
            approval: (self.waived && line.actor != Actor::Replayed).then_some(Approval::Waived),
            ..Step::new(&self.episode.id, (line.number, 0), self.record(line.number), "exec_command")
        }
    }

    /// Reports the calls that never got an output.
    pub(super) fn close_all(&mut self, sink: &mut dyn Sink) {
        for (call_id, open) in std::mem::take(&mut self.open) {
            sink.step(open.step);
            if let Some((number, end)) = open.told.told_at {
                let line = Line { number, raw: b"", at: None, actor: Actor::Policy };
                self.emit(&line, call_id, Outcome { end, ..open.told }, sink);
            }
        }
    }

    pub(super) fn count_repeated(&mut self, number: u64) {
        if self.repeated == 0 {
            self.first_repeated = number;
        }
        self.repeated += 1;
    }
}

/// When a call began whose stamp was written together with that of its output: after the last other stamp, and its
/// duration before the flush at the latest (a duration is rounded, so half a unit of its last digit is added).
fn flushed_start(at: Span, before: Option<Span>, outcome: &Outcome) -> Endpoint {
    let (duration, digit) = outcome.duration.unwrap_or((0, 0));
    let hi = at.hi.plus((digit / 2).saturating_sub(duration)).min(at.hi);
    let lo = before.map_or(hi, |before| before.lo).min(hi);
    Endpoint { span: Span { lo, hi, basis: at.basis }, kind: EndpointKind::TurnFlushed }
}

fn command(tool: &str, arguments: &Value) -> Option<String> {
    if tool == "write_stdin" {
        // Keys for a process that already runs; an empty text only looks at what it printed.
        return json::text(arguments, "chars").filter(|chars| !chars.trim().is_empty()).map(str::to_owned);
    }
    shell::command(tool, arguments)
}

/// A value of an item as it was written.
fn written(item: &[u8], key: &str) -> String {
    String::from_utf8_lossy(scan::member(item, key).unwrap_or_default()).into_owned()
}
