//! ROLL (alibaba/ROLL), a library that trains agents: its dumps of rollouts.
//!
//! Read off `roll/pipeline/agentic/utils.py` (`dump_rollout_trajectories`) and the environment managers. A file
//! `rollout_dump_data.step_<n>.jsonl` is one object of columns, each a list with an entry for every rollout, most entries
//! JSON texts of their own. There is no time but that of saving, which is local and without a zone, and how long the
//! rollout took: a step ended before it was saved. The steps' own clock stands in other files of the same sandbox.

mod worker;

use std::io;

use chrono::NaiveDateTime;
use serde_json::Value;

use super::account::{About, Account, Spot};
use super::{json, messages, scan, stamps};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind};
use crate::time::{Span, TimeContext};

pub use worker::RollWorker;

/// The reader of ROLL's dumps.
pub struct RollDump;

impl Format for RollDump {
    fn id(&self) -> &'static str {
        "roll-dump"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "ROLL rollout dumps (rollout_dump_data.step_N.jsonl)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(head.bytes.trim_ascii_start());
        let column = members.iter().any(|(name, value)| *name == "trajectory_data" && value.starts_with(b"["));
        let row = members.iter().any(|(name, _)| *name == "trajectory_data")
            && members.iter().any(|(name, _)| matches!(*name, "messages" | "exp_name" | "global_step"));
        if column || row { Match::Certain("a column trajectory_data".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let mut rows = 0;
        json::texts(input, sink, &mut |_, value, raw, sink| {
            let file = File { name: &name, evidence, time };
            match value.get("trajectory_data") {
                Some(Value::Array(column)) => {
                    for index in 0..column.len() {
                        rows += 1;
                        let cell = |name: &str| value.get(name).and_then(|column| column.get(index));
                        file.row(rows, &cell, sink);
                    }
                }
                Some(_) => {
                    rows += 1;
                    file.row(rows, &|name| value.get(name), sink);
                }
                None => {
                    rows += 1;
                    sink.unread(rows, "no column trajectory_data", raw);
                }
            }
        })
    }
}

struct File<'a> {
    name: &'a str,
    evidence: EvidenceId,
    time: &'a TimeContext,
}

/// What a cell holds: itself, or the JSON in its text.
fn inner(cell: Option<&Value>) -> Value {
    match cell {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Some(other) => other.clone(),
        None => Value::Null,
    }
}

/// `20260102_030405_678901`, local.
fn saved(text: &str, time: &TimeContext) -> Option<Span> {
    let (whole, micros) = text.rsplit_once('_')?;
    let micros: u32 = micros.parse().ok().filter(|_| micros.len() == 6)?;
    let local = NaiveDateTime::parse_from_str(whole, "%Y%m%d_%H%M%S").ok()?;
    let local = local.checked_add_signed(chrono::TimeDelta::microseconds(i64::from(micros)))?;
    time.local(local, 1000)
}

impl File<'_> {
    fn row<'v>(&self, number: u64, cell: &dyn Fn(&str) -> Option<&'v Value>, sink: &mut dyn Sink) {
        let data = inner(cell("trajectory_data"));
        let Some(id) = json::text(&data, "trajectory_id") else {
            return sink.unread(number, "no trajectory", data.to_string().as_bytes());
        };
        let mut account = Account::new(&format!("{}#{id}", self.name), id, self.evidence, self.time);
        let env = data.get("env_info").unwrap_or(&Value::Null);
        let task = env.get("task_name").filter(|name| name.as_str().is_some_and(|name| !name.is_empty()));
        let task = task.or_else(|| env.get("task_id")).map(json::content);
        account.about(About {
            task: task.as_deref(),
            sandbox: json::text(env, "sandbox_id"),
            agent: Some("ROLL"),
            ..About::default()
        });
        account.episode.sandbox_ip = json::text(env, "sandbox_ip").and_then(|ip| ip.parse().ok());
        account.episode.run = cell("exp_name").map(json::content).filter(|name| !name.is_empty());
        let rewards = data.get("reward_info").unwrap_or(&Value::Null);
        account.episode.reward = rewards.get("episode_reward").and_then(Value::as_f64);
        let end = json::text(&data, "timestamp").and_then(|text| saved(text, self.time));
        let end = end.or_else(|| stamps::of_value(data.pointer("/timing_info/traj_save_time")?, self.time));
        account.step_end = end.map(|span| Endpoint { span, kind: EndpointKind::FileSaved });
        let messages = match inner(cell("messages")) {
            Value::Null => data.get("messages").cloned().unwrap_or_default(),
            messages => messages,
        };
        self.conversation(&mut account, number, &messages, rewards, sink);
        // A stamp that was seen would become the beginning of calls behind it, which say nothing of their time.
        if let Some(end) = end {
            let took = data.pointer("/timing_info/traj_time_env_total").map(Value::to_string);
            let took = took.and_then(|took| stamps::decimal_seconds(&took)).map_or(0, |(took, _)| took);
            let start = Span { lo: end.lo.plus(-took), ..end };
            account.episode.span = Some(start.cover(end));
        }
        let failure = data.pointer("/failure_info/test_output").and_then(Value::as_str).unwrap_or_default();
        let spot = Spot::of(number, end).part(u32::MAX);
        account.say(spot, crate::model::TextOrigin::Environment, failure.to_owned(), sink);
        account.finish(sink);
        sink.record();
    }

    /// Messages, or lists of them where the context was begun anew or branched: what a later list repeats of an earlier
    /// one was told.
    fn conversation(
        &self,
        account: &mut Account<'_>,
        number: u64,
        messages: &Value,
        rewards: &Value,
        sink: &mut dyn Sink,
    ) {
        let empty = Vec::new();
        let list = messages.as_array().unwrap_or(&empty);
        let branches: Vec<&Vec<Value>> = match list.first() {
            Some(Value::Array(_)) => list.iter().filter_map(Value::as_array).collect(),
            _ => vec![list],
        };
        let step_rewards = rewards.get("step_rewards").and_then(Value::as_array).unwrap_or(&empty);
        let (mut turn, mut part) = (0, 0u32);
        for (index, branch) in branches.iter().enumerate() {
            let known = branches
                .iter()
                .take(index)
                .map(|earlier| earlier.iter().zip(*branch).take_while(|(a, b)| a == b).count())
                .max();
            for message in branch.iter().skip(known.unwrap_or(0)) {
                if json::text(message, "role") == Some("assistant") {
                    account.step_reward = step_rewards.get(turn).and_then(Value::as_f64);
                    turn += 1;
                }
                let spot = Spot::of(number, None).part(part);
                part = part.saturating_add(1 << 8);
                if in_text(message) {
                    let text = message.get("content").map(json::content).unwrap_or_default();
                    super::protocol::tell(account, spot, &text, sink);
                } else if !messages::message(account, spot, message, None, sink) {
                    sink.unread(number, "neither a message nor an item", message.to_string().as_bytes());
                }
            }
        }
    }
}

/// Whether an answer of the model holds its calls as text.
fn in_text(message: &Value) -> bool {
    json::text(message, "role") == Some("assistant")
        && message.get("tool_calls").is_none_or(|calls| calls.as_array().is_none_or(Vec::is_empty))
        && json::text(message, "content").is_some_and(|text| text.contains("<tool_call>"))
}
