//! ROCK (alibaba/ROCK, package `rl-rock`), the service that runs sandboxes for agents in training: the logs of the
//! program inside a sandbox, and those of its model service.
//!
//! Read off the sources of 1.11 (`rock/logger.py`, `rock/rocklet/rocklet.py`, `rock/rocklet/server.py`,
//! `rock/sdk/model/server/traj.py`) and recordings of that version. `command.log` is stamped by the sandbox when a
//! command was handed to the shell and when its output was there; `LLMService.log` and `LLMTraj.jsonl` are stamped when
//! the model was asked and when it had answered, so that a tool ran between an answer and the next question.

mod access;
mod command;
mod exchange;
mod header;
mod sandbox;
#[cfg(test)]
mod tests;

use std::io;

use super::scan;
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

pub use sandbox::RockSandbox;

/// The reader of ROCK's logs.
pub struct Rock;

/// The files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Command,
    Access,
    Service,
    Trajectory,
}

fn shape(head: &[u8]) -> Option<Shape> {
    let head = head.trim_ascii_start();
    if exchange::MARKS.iter().any(|mark| head.starts_with(mark.as_bytes())) {
        return Some(Shape::Service);
    }
    if head.starts_with(b"{") {
        let members = scan::members(head);
        let has = |name: &str| members.iter().any(|(found, _)| *found == name);
        let all = ["start_time", "end_time", "response_time", "request"].iter().all(|name| has(name));
        return all.then_some(Shape::Trajectory);
    }
    for line in scan::lines(head, 40) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        match header::Header::parse(line) {
            Some(header) if header.logger == header::ACCESS => return Some(Shape::Access),
            Some(header) if command::is_entry(&header) => return Some(Shape::Command),
            _ => {}
        }
    }
    None
}

impl Format for Rock {
    fn id(&self) -> &'static str {
        "rock"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "ROCK logs: command.log and access.log of a sandbox, LLMService.log and LLMTraj.jsonl of its model service"
    }

    fn record_unit(&self) -> &'static str {
        "log line"
    }

    fn probe(&self, head: &Head) -> Match {
        match shape(&head.bytes) {
            Some(Shape::Command) => Match::Certain("entries of a rocklet's command log".to_owned()),
            Some(Shape::Access) => Match::Certain("entries of a rocklet's access log".to_owned()),
            Some(Shape::Service) => Match::Certain("requests between LLM_REQUEST_START and LLM_REQUEST_END".to_owned()),
            Some(Shape::Trajectory) => {
                Match::Certain("lines with start_time, end_time, response_time and request".to_owned())
            }
            None => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        match shape(&input.peek(Head::LENGTH as u64)?) {
            Some(Shape::Command) => command::read(input, time, sink),
            Some(Shape::Access) => access::read(input, time, sink),
            Some(Shape::Service) => exchange::service(input, time, sink),
            // Older versions wrote the request and the response alone.
            Some(Shape::Trajectory) | None => exchange::trajectory(input, time, sink),
        }
    }
}
