//! Events of Docker: what was executed in containers, seen from outside of them.
//!
//! Source: `docker events --format '{{json .}}'`, moby `api/types/events`, docs.docker.com "docker system events". A line
//! for each event; `exec_create: COMMAND`, `exec_start: COMMAND` and `exec_die` with `exitCode` share an `execID`. The
//! moment is that of the host, in nanoseconds. The command is the argument vector joined by blanks, without quotes.

use std::io;

use serde_json::Value;

use super::super::account::{Account, Answer, Call, Spot};
use super::super::{json, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{EndpointKind, Place};
use crate::time::TimeContext;

/// The reader of Docker's events.
pub struct DockerEvents;

impl Format for DockerEvents {
    fn id(&self) -> &'static str {
        "docker-events"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Docker events as JSON lines: commands executed in containers"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let first = scan::members(scan::lines(&head.bytes, 1).next().unwrap_or_default());
        let all = ["Type", "Action", "Actor", "timeNano"];
        if all.iter().all(|name| first.iter().any(|(found, _)| found == name)) {
            return Match::Certain("Type, Action, Actor and timeNano of a Docker event".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut account = Account::of_file(input, time);
        let outcome = json::lines(input, sink, &mut |number, event, raw, sink| {
            if json::text(event, "Action").is_none() {
                return sink.unread(number, "no event of Docker", raw);
            }
            sink.record();
            tell(&mut account, number, event, sink);
        });
        account.finish(sink);
        outcome
    }
}

fn tell(account: &mut Account<'_>, number: u64, event: &Value, sink: &mut dyn Sink) {
    let moment = event.get("timeNano").or_else(|| event.get("time"));
    let spot = Spot::of(number, account.stamp(number, moment, sink));
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let Some(id) = text("/Actor/Attributes/execID") else { return };
    let container = text("/Actor/ID").or_else(|| text("/id")).map(str::to_owned);
    let place = Place { container, ..Place::default() };
    let (action, command) = json::text(event, "Action").and_then(|action| action.split_once(": ")).unwrap_or_default();
    if matches!(action, "exec_create" | "exec_start") && !account.knows_call(id) {
        let started = (action == "exec_start").then(|| account.endpoint(moment, EndpointKind::ToolStarted)).flatten();
        let call = Call {
            id: Some(id),
            tool: "docker exec",
            arguments: command.to_owned(),
            command: Some(script(command).to_owned()),
            start: started,
            place,
            ..Call::default()
        };
        account.call(spot, call, &Value::Null, sink);
    } else if text("/Action").is_some_and(|action| action.starts_with("exec_die")) {
        let answer = Answer {
            id: Some(id),
            exit_code: text("/Actor/Attributes/exitCode").and_then(|code| code.parse().ok()),
            end: account.endpoint(moment, EndpointKind::ToolEnded),
            place,
            ..Answer::default()
        };
        account.answer(spot, answer, sink);
    }
}

/// What a shell was given, if one was executed: all that stands behind its `-c`.
fn script(command: &str) -> &str {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let program = program.rsplit('/').next().unwrap_or(program);
    if !matches!(program, "sh" | "bash" | "zsh" | "dash" | "ash") {
        return command;
    }
    let flags = rest.split_once(' ').filter(|(flag, _)| flag.starts_with('-') && flag.ends_with('c'));
    flags.map_or(command, |(_, script)| script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_shells() {
        for (command, expected) in [
            ("bash -c cd /app && ls", "cd /app && ls"),
            ("/bin/sh -lc id", "id"),
            ("python3 -c print(1)", "python3 -c print(1)"),
            ("bash", "bash"),
        ] {
            assert_eq!(script(command), expected);
        }
    }
}
