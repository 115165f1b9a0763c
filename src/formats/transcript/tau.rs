//! τ-bench and τ²-bench (sierra-research): an agent that serves a simulated user.
//!
//! τ-bench writes lists of `{task_id, reward, info, traj, trial}` (`tau_bench/types.py`) without any time, and few-shot
//! rows of conversations as text. τ²-bench (`tau2/data_model/simulation.py`) writes an object with `simulations`, or one
//! file each, whose messages have a local stamp without a zone; there the simulated user calls tools of its own, which are
//! the program's and not the agent's.

use std::io;

use serde_json::Value;

use super::account::{About, Account, Spot};
use super::{json, messages, scan, stamps};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, TextOrigin};
use crate::time::{Span, TimeContext};

/// The τ-bench reader.
pub struct Tau;

impl Format for Tau {
    fn id(&self) -> &'static str {
        "tau-bench"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "tau-bench results and few-shot rows, tau2-bench simulations"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(scan::first(&head.bytes));
        let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        if ["task_id", "reward", "info", "traj"].iter().all(|name| get(name).is_some()) {
            return Match::Certain("rows with task_id, reward, info and traj".to_owned());
        }
        if get("messages_display").is_some() {
            return Match::Certain("rows with messages_display".to_owned());
        }
        let one = ["task_id", "messages", "termination_reason"].iter().all(|name| get(name).is_some());
        let agent = get("info").is_some_and(|info| scan::member(info, "agent_info").is_some());
        if one || (agent && (get("tasks").is_some() || get("simulations").is_some())) {
            return Match::Certain("simulations with agent_info or a termination_reason".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let file = File { name: input.name.clone(), evidence: input.evidence, time };
        let mut rows = 0;
        let list = input.peek(64)?.trim_ascii_start().starts_with(b"[");
        let mut each = |_: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| {
            let model = value.pointer("/info/agent_info/llm").and_then(Value::as_str);
            match value.get("simulations").and_then(Value::as_array) {
                Some(simulations) => {
                    for simulation in simulations {
                        rows += 1;
                        file.row(rows, simulation, model, raw, sink);
                    }
                }
                None => {
                    rows += 1;
                    file.row(rows, value, model, raw, sink);
                }
            }
        };
        if list { json::list(input, sink, &mut each) } else { json::texts(input, sink, &mut each) }
    }
}

struct File<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
}

impl File<'_> {
    fn row(&self, number: u64, row: &Value, model: Option<&str>, raw: &[u8], sink: &mut dyn Sink) {
        if let Some(text) = json::text(row, "messages_display") {
            let mut account =
                Account::new(&format!("{}#{number}", self.name), &number.to_string(), self.evidence, self.time);
            displayed(&mut account, number, text, sink);
            account.finish(sink);
            return sink.record();
        }
        let list = ["traj", "messages"].iter().find_map(|key| row.get(key)?.as_array());
        let Some(list) = list else { return sink.unread(number, "row without messages", raw) };
        let of = |key: &str| row.get(key).filter(|value| !value.is_null()).map(json::content);
        let task = of("task_id");
        let title = match (&task, of("trial")) {
            (Some(task), Some(trial)) => format!("task {task}, trial {trial}"),
            (Some(task), None) => format!("task {task}"),
            _ => number.to_string(),
        };
        let mut account = Account::new(&format!("{}#{number}", self.name), &title, self.evidence, self.time);
        account.about(About { model, task: task.as_deref(), ..About::default() });
        account.episode.reward =
            row.get("reward").or_else(|| row.pointer("/reward_info/reward")).and_then(Value::as_f64);
        let times = ["start_time", "end_time"].iter().filter_map(|key| stamps::of_value(row.get(key)?, self.time));
        account.episode.span = times.reduce(Span::cover);
        for (index, message) in (0u32..).zip(list) {
            let at = account.stamp(number, message.get("timestamp"), sink);
            let spot = Spot::of(number, at).part(index.min(1 << 20) << 8);
            self.message(&mut account, spot, message, sink);
        }
        account.finish(sink);
        sink.record();
    }

    fn message(&self, account: &mut Account<'_>, spot: Spot, message: &Value, sink: &mut dyn Sink) {
        // Answers of one turn may stand together.
        if let Some(several) = message.get("tool_messages").and_then(Value::as_array) {
            for (part, one) in (spot.order.1..).zip(several) {
                messages::message(account, spot.part(part), one, None, sink);
            }
            return;
        }
        let by_user = json::text(message, "role") == Some("user")
            && message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
        if by_user {
            let said = message.get("content").map(json::content).unwrap_or_default();
            account.say(spot, TextOrigin::Prompt, said, sink);
            let calls = serde_json::json!({"role": "assistant", "tool_calls": message.get("tool_calls")});
            messages::message(account, spot.part(spot.order.1 + 1).by(Actor::Harness), &calls, None, sink);
        } else if !messages::message(account, spot, message, None, sink) {
            sink.unread(spot.number, "neither a message nor an item", message.to_string().as_bytes());
        }
    }
}

/// `user: ...`, `assistant: ...`, `tool: ...`, each up to the next line that begins so. Calls are not shown.
fn displayed(account: &mut Account<'_>, number: u64, text: &str, sink: &mut dyn Sink) {
    let mut all: Vec<(TextOrigin, String)> = Vec::new();
    for line in text.lines() {
        let begin = [
            ("system: ", TextOrigin::Prompt),
            ("user: ", TextOrigin::Prompt),
            ("assistant: ", TextOrigin::Agent),
            ("tool: ", TextOrigin::Environment),
        ]
        .into_iter()
        .find_map(|(role, origin)| Some((origin, line.strip_prefix(role)?)));
        match (begin, all.last_mut()) {
            (Some((origin, said)), _) => all.push((origin, said.to_owned())),
            (None, Some((_, said))) => {
                said.push('\n');
                said.push_str(line);
            }
            (None, None) => all.push((TextOrigin::Prompt, line.to_owned())),
        }
    }
    for (part, (origin, said)) in (0u32..).zip(all) {
        if said != "None" {
            account.say(Spot::of(number, None).part(part), origin, said, sink);
        }
    }
}
