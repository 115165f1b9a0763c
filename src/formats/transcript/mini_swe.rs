//! mini-swe-agent trajectories (`.traj.json`): a shell command at a time, in blocks of text or as tool calls.
//!
//! Source: SWE-agent/mini-swe-agent, `minisweagent/agents/default.py`, `models/utils/actions_text.py`,
//! `models/utils/actions_toolcall.py`, versions 0 to 2.4. Version 2 writes what it ran (`extra.actions`), the exit code
//! (`extra.returncode`) and when, in seconds since 1970 (`extra.timestamp`: of the model the moment when its answer had
//! come, of an observation the moment after the command). Version 1 has the provider's `created` at most; before, there
//! is a list of messages without times. The messages are read one by one, so a file that was cut gives those before the
//! cut.

use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, messages, printed, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Place, TextOrigin};
use crate::time::TimeContext;

/// The reader of mini-swe-agent.
pub struct MiniSwe;

/// What the program's own prompts demand of every answer.
const MARKS: [&str; 3] = ["COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT", "mswea_bash_command"];

impl Format for MiniSwe {
    fn id(&self) -> &'static str {
        "mini-swe-agent"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "mini-swe-agent trajectories (.traj.json), versions 0 to 2"
    }

    fn record_unit(&self) -> &'static str {
        "message"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(&head.bytes);
        let member = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let format = member("trajectory_format").and_then(scan::plain_string);
        if format.is_some_and(|format| format.starts_with("mini-swe-agent")) {
            return Match::Certain("trajectory_format of mini-swe-agent".to_owned());
        }
        if let Some(info) = member("info").filter(|_| member("trajectory").is_none() && member("history").is_none()) {
            let info = scan::members(info);
            let has = |name: &str| info.iter().any(|(found, _)| *found == name);
            if has("mini_version") || (has("model_stats") && (has("config") || has("exit_status"))) {
                return Match::Likely(90, "info with model_stats and config beside messages".to_owned());
            }
        }
        if head.bytes.trim_ascii_start().starts_with(b"[") {
            let first = scan::members(scan::first(&head.bytes));
            let is_message = first.iter().any(|(name, _)| *name == "role");
            if is_message && MARKS.iter().any(|mark| memchr::memmem::find(&head.bytes, mark.as_bytes()).is_some()) {
                return Match::Likely(80, "messages that ask for mini-swe-agent's blocks of bash".to_owned());
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let account = Account::of_file(input, time);
        let text = json::whole(input, sink)?;
        let mut file = File { account, count: 0, waiting: 0, version: None, asked: false };
        let members = scan::members(&text);
        // What holds for all of it may stand behind the messages.
        for (key, value) in &members {
            match (*key, serde_json::from_slice::<Value>(value)) {
                ("info", Ok(info)) => file.info(&info),
                ("instance_id", Ok(id)) => file.account.about(About { task: id.as_str(), ..About::default() }),
                _ => {}
            }
        }
        let list = members.iter().rfind(|(key, _)| *key == "messages").map_or(text.as_slice(), |(_, list)| *list);
        let torn =
            json::elements(list, 1, sink, &mut |number, value, raw, sink| file.message(number, value, raw, sink));
        if !torn {
            json::check_whole(&text, file.count + 1, sink);
        }
        if file.count == 0 {
            sink.unread(1, "no messages", text.get(..80).unwrap_or(&text));
        }
        let agent = file.version.take().map(|version| format!("mini-swe-agent {version}"));
        file.account.about(About { agent: agent.as_deref().or(Some("mini-swe-agent")), ..About::default() });
        file.account.finish(sink);
        Ok(())
    }
}

struct File<'t> {
    account: Account<'t>,
    count: u64,
    /// Commands without an id that were not answered.
    waiting: usize,
    version: Option<String>,
    /// The task was told.
    asked: bool,
}

impl File<'_> {
    fn info(&mut self, info: &Value) {
        let at = |pointer: &str| info.pointer(pointer).and_then(Value::as_str);
        self.version = at("/mini_version").map(str::to_owned);
        self.account.about(About {
            model: at("/config/model/model_name"),
            cwd: at("/config/environment/cwd"),
            task: at("/instance_id"),
            sandbox: at("/config/environment/container_id"),
            ..About::default()
        });
    }

    fn message(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        self.count = number;
        let extra = value.get("extra").unwrap_or(&Value::Null);
        // `created` is the provider's clock, of the moment when it began to answer.
        let at = extra.get("timestamp").or_else(|| value.get("timestamp"));
        let at = at.or_else(|| extra.pointer("/response/created"));
        let at = self.account.stamp(number, at, sink);
        let spot = Spot::of(number, at);
        let said = value.get("content").map(json::content).unwrap_or_default();
        match json::text(value, "role") {
            Some("assistant") => self.acted(spot, value, extra, raw, said, sink),
            Some("tool") => self.answered(spot, json::text(value, "tool_call_id"), extra, said, sink),
            Some("user") if self.waiting > 0 => self.answered(spot, None, extra, said, sink),
            Some("user" | "system") => {
                let origin = if self.asked { TextOrigin::Environment } else { TextOrigin::Prompt };
                self.account.say(spot, origin, said, sink);
            }
            // The end, with what was handed in.
            Some("exit") => self.account.say(spot, TextOrigin::Environment, said, sink),
            _ if messages::message(&mut self.account, spot, value, Some(raw), sink) => {}
            _ => return sink.unread(number, "neither a message nor an item of a model's interface", raw),
        }
        sink.record();
    }

    /// What the model said, and the commands that the program took from it.
    fn acted(&mut self, spot: Spot, value: &Value, extra: &Value, raw: &[u8], said: String, sink: &mut dyn Sink) {
        self.asked = true;
        let before = self.waiting;
        let calls = value.get("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty());
        let actions = extra.get("actions").and_then(Value::as_array);
        let mut part = 0;
        let mut next = || {
            part += 1;
            spot.part(part)
        };
        if let Some(calls) = calls {
            let raw = scan::member(raw, "tool_calls").map(scan::elements).unwrap_or_default();
            for (index, call) in calls.iter().enumerate() {
                let id = json::text(call, "id");
                let function = call.get("function").unwrap_or(call);
                let written = raw.get(index).and_then(|raw| scan::member(raw, "function"));
                let (written, parsed) = json::arguments(
                    function.get("arguments").unwrap_or(&Value::Null),
                    written.and_then(|raw| scan::member(raw, "arguments")),
                );
                // The program lists what it ran; a call that it could not parse is not among them.
                let action = actions.map(|actions| {
                    actions.iter().find(|action| id.is_some() && json::text(action, "tool_call_id") == id)
                });
                self.account.call(
                    next(),
                    Call {
                        id,
                        tool: json::text(function, "name").unwrap_or("bash"),
                        arguments: written,
                        command: action.flatten().and_then(|action| json::text(action, "command")).map(str::to_owned),
                        not_executed: action.is_some_and(|action| action.is_none()),
                        ..Call::default()
                    },
                    &parsed,
                    sink,
                );
                self.waiting += usize::from(id.is_none());
            }
        } else {
            let listed: Option<Vec<String>> = actions
                .map(|actions| actions.iter().filter_map(|action| json::text(action, "command")).map(str::to_owned))
                .map(Iterator::collect);
            // Without a list: a message with more than one block, or with none, is refused by the program.
            let commands = listed.unwrap_or_else(|| {
                let blocks = blocks(&said);
                if blocks.len() == 1 { blocks } else { Vec::new() }
            });
            for command in commands {
                let call = Call { tool: "bash", arguments: command.clone(), command: Some(command), ..Call::default() };
                self.account.call(next(), call, &Value::Null, sink);
                self.waiting += 1;
            }
        }
        // What was not answered by now never will be: later answers belong to later commands.
        if before > 0 {
            self.waiting -= before;
            self.account.forget(before);
        }
        self.account.say(spot, TextOrigin::Agent, said, sink);
    }

    fn answered(&mut self, spot: Spot, id: Option<&str>, extra: &Value, said: String, sink: &mut dyn Sink) {
        if id.is_none() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        let (sandbox, told) = (container(&said), printed::of(&said));
        let coded = json::exit_code(extra, "returncode").or(told.exit_code.filter(|code| *code != -1));
        // An exception stands in for the exit code: a command that ran out of time, a container that was gone.
        let exception = json::text(extra, "exception_info").is_some_and(|said| !said.is_empty());
        let not_executed = said.trim_start().starts_with("Command not executed.") || told.not_executed;
        let output = json::text(extra, "raw_output").map_or(said, str::to_owned);
        let answer = Answer {
            id,
            exit_code: coded.filter(|_| !exception),
            not_executed,
            place: Place { container: sandbox, ..told.place },
            output,
            ..Answer::default()
        };
        self.account.answer(spot, answer, sink);
    }
}

/// The blocks of shell in a message: what stands between a line "```bash" (or "```mswea_bash_command") and the next
/// line that begins with "```".
pub(super) fn blocks(said: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in said.lines() {
        match &mut open {
            None => {
                let word = line.trim_start().strip_prefix("```").map(str::trim);
                if word.is_some_and(|word| matches!(word, "bash" | "sh" | "shell" | "mswea_bash_command")) {
                    open = Some(Vec::new());
                }
            }
            Some(lines) if line.starts_with("```") => {
                found.push(lines.join("\n").trim().to_owned());
                open = None;
            }
            Some(lines) => lines.push(line),
        }
    }
    found
}

/// The container of `<args>['docker', 'exec', …, ID, …]</args>`, which version 0 put into its observations.
fn container(said: &str) -> Option<String> {
    let arguments = said.trim_start().strip_prefix("<args>").or_else(|| {
        let (_, rest) = said.split_once("\n<args>")?;
        Some(rest)
    })?;
    let (arguments, _) = arguments.split_once("</args>")?;
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    arguments.split(['\'', '"']).find(is_id).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_shell_in_prose() {
        assert_eq!(blocks("I look.\n\n```bash\nls -la\n```\nand"), ["ls -la"]);
        assert_eq!(blocks("```python\nx\n```\n```mswea_bash_command\na <<'E'\n  ```\nE\n```"), ["a <<'E'\n  ```\nE"]);
        assert_eq!(blocks("```bash\nls"), [""; 0]);
    }

    #[test]
    fn containers_of_the_first_versions() {
        let id = "ab".repeat(32);
        let said =
            format!("<args>['docker', 'exec', '-w', '/testbed', '{id}', 'bash', '-lc', 'ls']</args>\n<returncode>0");
        assert_eq!(container(&said), Some(id));
        assert_eq!(container("x <args>"), None);
    }
}
