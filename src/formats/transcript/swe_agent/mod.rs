//! SWE-agent trajectories (`.traj`): order and durations, no exit codes, and times where a log lies beside it.
//!
//! Source: SWE-agent `sweagent/types.py` and `docs/usage/trajectories.md`, versions 0.6 to 1.1. One JSON object with
//! `trajectory` (one element per step), `history` (what the model was told), `info` and, since 1.0, `replay_config`.
//! The elements are read one by one, so a file that was cut gives the steps before the cut. A demonstration may hold
//! `history` alone; its actions are then the steps.

mod log;

use std::io;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{json, scan, shell, stamps};
use crate::evidence::{EvidenceId, Head, Input, Record, excerpt};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Endpoint, EndpointKind, Episode, EpisodeText, Step, TextOrigin};
use crate::time::{Span, TimeContext};

pub use log::SweAgentLog;

/// The SWE-agent reader.
pub struct SweAgent;

impl Format for SweAgent {
    fn id(&self) -> &'static str {
        "swe-agent"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "SWE-agent trajectories (.traj), with the times of the log beside them"
    }

    fn record_unit(&self) -> &'static str {
        "step"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(&head.bytes);
        let list = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let holds = |value: &[u8], names: &[&str]| {
            let first = scan::members(scan::first(value));
            names.iter().all(|name| first.iter().any(|(found, _)| found == name))
        };
        if list("trajectory").is_some_and(|steps| holds(steps, &["action", "observation"])) {
            return Match::Certain("a trajectory of steps with action and observation".to_owned());
        }
        match list("history") {
            Some(history) if holds(history, &["role", "content", "agent"]) => {
                Match::Likely(80, "a history of messages with role, content and agent".to_owned())
            }
            _ => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let times = log::Times::beside(input, time);
        let text = json::whole(input, sink)?;
        let name_of_instance = json::stem(&name).to_owned();
        let mut reader = Reader {
            evidence,
            episode: Episode { id: name, name: name_of_instance, ..Episode::default() },
            steps: 0,
            history: Vec::new(),
            messages: 0,
            odd: Vec::new(),
            times,
            acted: false,
            sink,
        };
        // What is whole is read, also where the file around it is cut or ill.
        let mut torn = false;
        for (key, value) in scan::members(&text) {
            torn |= match key {
                "trajectory" => reader.each(value, Reader::step),
                "history" => reader.each(value, Reader::message),
                "info" | "replay_config" => {
                    if let Ok(value) = serde_json::from_slice(value) {
                        reader.other(key, &value);
                    }
                    false
                }
                _ => false,
            };
        }
        reader.finish(torn, &text);
        Ok(())
    }
}

/// Bound on what is kept of a message of nobody who is known.
const ODD_KEPT: usize = 80;

struct Reader<'a> {
    evidence: EvidenceId,
    episode: Episode,
    steps: u64,
    /// Steps of the history, for files that hold nothing else.
    history: Vec<Step>,
    messages: u64,
    /// By the log beside the trajectory.
    times: log::Times,
    /// Messages of nobody who is known.
    odd: Vec<(u64, String)>,
    /// The model has acted in the history.
    acted: bool,
    sink: &'a mut dyn Sink,
}

impl Reader<'_> {
    /// Elements of a list, one at a time. True if one of them could not be read.
    fn each(&mut self, list: &[u8], each: fn(&mut Self, &Value)) -> bool {
        let mut torn = false;
        for element in scan::elements(list) {
            match serde_json::from_slice(element) {
                Ok(element) => each(self, &element),
                Err(error) => {
                    torn = true;
                    json::unparsed(self.steps.max(self.messages) + 1, &error, false, element, self.sink);
                }
            }
        }
        torn
    }

    /// An element of `trajectory`.
    fn step(&mut self, step: &Value) {
        self.steps += 1;
        let number = self.steps;
        let Some(action) = json::text(step, "action") else {
            return self.sink.unread(number, "step without an action", step.to_string().as_bytes());
        };
        self.sink.record();
        let thought =
            ["thought", "response"].iter().filter_map(|key| json::text(step, key)).find(|text| !text.is_empty());
        self.say(number, TextOrigin::Agent, thought.unwrap_or_default());
        if self.episode.cwd.is_none() {
            self.episode.cwd = working_dir(step.get("state")).filter(|cwd| cwd != "n/a");
        }
        if action.trim().is_empty() {
            let observation = json::text(step, "observation").unwrap_or_default();
            return self.say(number, TextOrigin::Environment, observation);
        }
        let mut made = self.made(number, action);
        let observation = step.get("observation").map(json::content);
        made.not_executed |= observation.as_deref().is_some_and(never_ran);
        if let Some((output, omitted)) = observation.map(json::kept) {
            made.result_record = Some(made.record);
            made.output = Some(output);
            made.output_omitted_bytes = omitted;
        }
        let seconds = step.get("execution_time").filter(|seconds| seconds.is_number());
        if let Some((at, end)) = self.times.of(number, action) {
            // The action was about to be run; the step behind it began with what came back.
            made.start = at.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded });
            made.end = end.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded });
            let times = at.into_iter().chain(end).chain(self.episode.span);
            self.episode.span = times.reduce(Span::cover);
        }
        made.duration_ns = seconds.and_then(|seconds| stamps::decimal_seconds(&seconds.to_string())).map(|(ns, _)| ns);
        self.sink.step(made);
    }

    fn made(&self, number: u64, action: &str) -> Step {
        let (tool, command) = tool_of(action);
        // The program writes these in the place of an action when a limit is reached.
        let by_program = action.trim_start().starts_with("exit_");
        Step {
            actor: if by_program { Actor::Harness } else { Actor::Policy },
            arguments: action.to_owned(),
            command: command.map(str::to_owned),
            not_executed: by_program,
            ..Step::new(&self.episode.id, (number, 1), Record { evidence: self.evidence, number }, tool)
        }
    }

    /// An element of `history`. Until the model acts it holds the task; then it repeats the trajectory.
    fn message(&mut self, message: &Value) {
        self.messages += 1;
        let demonstration = json::flag(message, "is_demo");
        let said = message.get("content").map(json::content).unwrap_or_default();
        match json::text(message, "role") {
            Some("assistant") => {
                let action = json::text(message, "action").unwrap_or_default();
                if !action.trim().is_empty() {
                    let mut made = self.made(self.messages, action);
                    if demonstration {
                        made.actor = Actor::Replayed;
                    }
                    self.history.push(made);
                }
                self.acted |= !demonstration;
            }
            Some("system" | "user") if !self.acted => {
                let origin = if demonstration { TextOrigin::Environment } else { TextOrigin::Prompt };
                if demonstration {
                    self.answer(&said);
                }
                self.sink.text(EpisodeText {
                    episode: self.episode.id.clone(),
                    origin,
                    record: Record { evidence: self.evidence, number: 0 },
                    span: None,
                    order: (0, u32::try_from(self.messages).unwrap_or(u32::MAX)),
                    text: json::kept(said).0,
                });
            }
            Some("user" | "tool") => self.answer(&said),
            _ => self.odd.push((self.messages, excerpt(&message.to_string(), ODD_KEPT).into_owned())),
        }
    }

    /// The observation behind an action of the history.
    fn answer(&mut self, said: &str) {
        if let Some(made) = self.history.last_mut().filter(|made| made.output.is_none()) {
            let (output, omitted) = json::kept(said.to_owned());
            made.not_executed |= never_ran(&output);
            made.output = Some(output);
            made.output_omitted_bytes = omitted;
            made.result_record = Some(Record { evidence: self.evidence, number: self.messages });
        }
    }

    fn say(&mut self, number: u64, origin: TextOrigin, said: &str) {
        if !said.trim().is_empty() {
            self.sink.text(EpisodeText {
                episode: self.episode.id.clone(),
                origin,
                record: Record { evidence: self.evidence, number },
                span: None,
                order: (number, 0),
                text: json::kept(said.to_owned()).0,
            });
        }
    }

    fn other(&mut self, key: &str, value: &Value) {
        match key {
            "info" => {
                let version = json::text(value, "swe_agent_version");
                self.episode.agent = version.map(|version| format!("SWE-agent {version}"));
            }
            "replay_config" => {
                let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                let model = parsed.as_ref().unwrap_or(value).pointer("/agent/model/name").and_then(Value::as_str);
                self.episode.model = model.map(str::to_owned);
            }
            _ => {}
        }
    }

    fn finish(mut self, torn: bool, text: &[u8]) {
        if self.steps == 0 {
            for step in std::mem::take(&mut self.history) {
                self.sink.record();
                self.sink.step(step);
            }
            for (number, message) in &self.odd {
                self.sink.unread(*number, "message without a role that is known", message.as_bytes());
            }
            self.steps = self.messages;
        }
        match serde_json::from_slice::<IgnoredAny>(text) {
            Ok(_) if self.steps == 0 => self.sink.unread(1, "neither a trajectory nor a history", text),
            Err(error) if !torn => {
                let at = text.len().saturating_sub(160);
                json::unparsed(self.steps + 1, &error, false, text.get(at..).unwrap_or_default(), self.sink);
            }
            _ => {}
        }
        if self.steps > 0 {
            self.episode.agent.get_or_insert_with(|| "SWE-agent".to_owned());
            self.sink.episode(self.episode);
        }
    }
}

/// The tools that SWE-agent puts into the shell of its environment.
const TOOLS: &[&str] = &[
    "open",
    "goto",
    "scroll_up",
    "scroll_down",
    "create",
    "edit",
    "insert",
    "append",
    "submit",
    "search_dir",
    "search_file",
    "find_file",
    "view_file",
    "view_image",
    "filemap",
    "str_replace_editor",
    "exit_cost",
    "exit_context",
    "exit_format",
    "exit_error",
    "exit_api",
    "exit_environment_error",
    "exit_command_timeout",
    "exit_total_execution_time",
    "exit_forfeit",
    "skip",
];

/// The tool of an action and the shell command in it. Every action is a line for the shell: a line that puts more
/// behind a tool of SWE-agent is a command as a whole.
fn tool_of(action: &str) -> (&str, Option<&str>) {
    let action = action.trim();
    let first = action.split(|letter: char| letter.is_whitespace() || letter == ';').next().unwrap_or_default();
    if !TOOLS.contains(&first) {
        return ("bash", Some(action));
    }
    // The text of an edit goes over several lines and is no command.
    let compound = !action.contains('\n') && shell::is_compound(action);
    (first, compound.then_some(action))
}

/// The environment's own words for an action that it did not run.
fn never_ran(observation: &str) -> bool {
    let observation = observation.trim_start();
    (observation.starts_with("Operation '") && observation.contains("is not supported by this environment"))
        || observation.starts_with("Your bash command contained syntax errors")
        || observation.starts_with("Your command contained syntax errors")
}

/// `state` is an object, or a text with one (to 0.7).
fn working_dir(state: Option<&Value>) -> Option<String> {
    let state = state?;
    let parsed = state.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    parsed.as_ref().unwrap_or(state).get("working_dir")?.as_str().map(str::to_owned)
}
