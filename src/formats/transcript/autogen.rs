//! AutoGen: messages of autogen-agentchat, and histories of its group chats (AG2, Magentic-One) as the data set Who&When
//! keeps them.
//!
//! autogen-agentchat (`autogen_agentchat/messages.py`) writes messages with a `source`, a `type` and since 0.5
//! `created_at` in UTC. Histories have no time, and no calls: agents write code into their messages, and one that is called
//! after the terminal answers with what came of running it. That is a step.

use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Approval, TextOrigin};
use crate::time::TimeContext;

/// The AutoGen reader.
pub struct AutoGen;

/// Types of messages of autogen-agentchat.
const TYPES: [&str; 13] = [
    "TextMessage",
    "MultiModalMessage",
    "StopMessage",
    "HandoffMessage",
    "StructuredMessage",
    "ToolCallRequestEvent",
    "ToolCallExecutionEvent",
    "ToolCallSummaryMessage",
    "UserInputRequestedEvent",
    "MemoryQueryEvent",
    "ThoughtEvent",
    "CodeGenerationEvent",
    "CodeExecutionEvent",
];

impl Format for AutoGen {
    fn id(&self) -> &'static str {
        "autogen"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "AutoGen messages (autogen-agentchat) and group chat histories (Who&When)"
    }

    fn record_unit(&self) -> &'static str {
        "message"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(scan::first(&head.bytes));
        let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        if get("history").is_some() && (get("mistake_agent").is_some() || get("question_ID").is_some()) {
            return Match::Certain("a history with a question_ID or a mistake_agent".to_owned());
        }
        let is_message = |members: &[(&str, &[u8])]| {
            let word = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let kind = word("type").and_then(scan::plain_string);
            word("source").is_some() && kind.is_some_and(|kind| TYPES.contains(&kind))
        };
        let first = get("messages").map(scan::first).map(scan::members).unwrap_or_default();
        if is_message(&members) || is_message(&first) {
            return Match::Certain("messages with a source and a type of autogen-agentchat".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut chat = Chat { account: Account::of_file(input, time), number: 0, code: None };
        chat.account.about(About { agent: Some("AutoGen"), ..About::default() });
        let list = input.peek(64)?.trim_ascii_start().starts_with(b"[");
        let mut each = |_: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| {
            let inner = ["history", "messages"].iter().find_map(|key| value.get(key)?.as_array());
            match inner {
                Some(messages) => {
                    let task = value.get("question_ID").or_else(|| value.get("question")).map(json::content);
                    chat.account.about(About { task: task.as_deref(), ..About::default() });
                    for message in messages {
                        chat.message(message, message.to_string().as_bytes(), sink);
                    }
                }
                None => chat.message(value, raw, sink),
            }
        };
        let outcome = if list { json::list(input, sink, &mut each) } else { json::texts(input, sink, &mut each) };
        chat.account.finish(sink);
        outcome
    }
}

struct Chat<'t> {
    account: Account<'t>,
    number: u64,
    /// What the last message wrote to be run: language and code.
    code: Option<(String, String)>,
}

impl Chat<'_> {
    fn message(&mut self, message: &Value, raw: &[u8], sink: &mut dyn Sink) {
        self.number += 1;
        let number = self.number;
        let at = self.account.stamp(number, message.get("created_at"), sink);
        let spot = Spot::of(number, at);
        match (json::text(message, "type"), json::text(message, "source")) {
            (Some(kind), Some(source)) => self.event(spot, kind, source, message, sink),
            _ => {
                let speaker = ["name", "role"].iter().find_map(|key| json::text(message, key));
                let (Some(speaker), Some(content)) = (speaker, message.get("content")) else {
                    return sink.unread(number, "neither a message nor an event", raw);
                };
                self.said(spot, speaker, json::text(message, "role"), json::content(content), sink);
            }
        }
        sink.record();
    }

    fn event(&mut self, spot: Spot, kind: &str, source: &str, message: &Value, sink: &mut dyn Sink) {
        let empty = Vec::new();
        let content = message.get("content").unwrap_or(&Value::Null);
        match kind {
            "ToolCallRequestEvent" => {
                for (part, call) in (0u32..).zip(content.as_array().unwrap_or(&empty)) {
                    let (arguments, parsed) = json::arguments(call.get("arguments").unwrap_or(&Value::Null), None);
                    let tool = json::text(call, "name").unwrap_or_default();
                    let call = Call { id: json::text(call, "id"), tool, arguments, ..Call::default() };
                    self.account.call(spot.part(part), call, &parsed, sink);
                }
            }
            "ToolCallExecutionEvent" => {
                for (part, result) in (0u32..).zip(content.as_array().unwrap_or(&empty)) {
                    let output = result.get("content").map(json::content).unwrap_or_default();
                    let told = super::printed::of(&output);
                    let answer = Answer {
                        id: json::text(result, "call_id"),
                        exit_code: told.exit_code,
                        place: told.place,
                        output,
                        ..Answer::default()
                    };
                    self.account.answer(spot.part(part), answer, sink);
                }
            }
            // Says again what the calls returned.
            "ToolCallSummaryMessage" => {}
            "CodeGenerationEvent" => {
                let said = json::content(content);
                self.code = code(&said);
                self.account.say(spot, TextOrigin::Agent, said, sink);
            }
            "CodeExecutionEvent" => {
                let result = message.get("result").unwrap_or(&Value::Null);
                let output = json::text(result, "output").unwrap_or_default().to_owned();
                self.ran(spot, json::exit_code(result, "exit_code"), output, sink);
            }
            _ => self.said(spot, source, None, json::content(content), sink),
        }
    }

    fn said(&mut self, spot: Spot, speaker: &str, role: Option<&str>, said: String, sink: &mut dyn Sink) {
        let terminal = matches!(speaker, "Computer_terminal" | "ComputerTerminal" | "code_executor_agent");
        if let Some(code) = terminal.then(|| exit_code(&said)).flatten() {
            return self.ran(spot, Some(code), said, sink);
        }
        let human = ["human", "user", "user_proxy", "User"].contains(&speaker) || role == Some("human");
        let found = code(&said);
        self.code = found.or_else(|| self.code.take().filter(|_| human));
        let origin = if human { TextOrigin::Prompt } else { TextOrigin::Agent };
        self.account.say(spot, origin, said, sink);
    }

    /// Code that was run: a call that no message recorded, and its result.
    fn ran(&mut self, spot: Spot, exit_code: Option<i32>, output: String, sink: &mut dyn Sink) {
        let (language, code) = self.code.take().unwrap_or_default();
        let shell = matches!(language.as_str(), "sh" | "bash" | "shell" | "console" | "pwsh" | "powershell" | "ps1");
        let id = format!("#code.{}", spot.number);
        let call = Call {
            id: Some(&id),
            tool: if language.is_empty() { "code" } else { &language },
            command: shell.then(|| code.clone()),
            arguments: code,
            approval: None::<Approval>,
            ..Call::default()
        };
        // The message that holds the code came before; its result is stamped here.
        let begun = Spot { at: None, ..spot };
        self.account.call(begun, call, &Value::Null, sink);
        self.account.answer(spot, Answer { id: Some(&id), exit_code, output, ..Answer::default() }, sink);
    }
}

/// `exitcode: 0 (execution succeeded)`, `The script ran, then exited with Unix exit code: 1`.
fn exit_code(said: &str) -> Option<i32> {
    let rest = said.trim_start();
    let rest = rest
        .strip_prefix("exitcode: ")
        .or_else(|| Some(rest.lines().next()?.split_once("exited with Unix exit code: ")?.1))?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The code in the fences of a message: the first language, and all blocks of it.
fn code(said: &str) -> Option<(String, String)> {
    let mut found: Option<(String, String)> = None;
    let mut open: Option<(String, String)> = None;
    for line in said.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim().to_ascii_lowercase(), String::new())),
            (Some(_), Some(_)) => {
                if let Some((language, block)) = open.take() {
                    match &mut found {
                        None => found = Some((language, block)),
                        Some((known, all)) if *known == language => {
                            all.push('\n');
                            all.push_str(&block);
                        }
                        Some(_) => {}
                    }
                }
            }
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}
