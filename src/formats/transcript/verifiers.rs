//! verifiers and prime-rl (PrimeIntellect): results of evaluations and rollouts of training.
//!
//! Three shapes. Rows of version 0 (`results.jsonl`) have a prompt, a completion and how long it took, no times. From 0.1.9
//! `timing` has the spans of all requests to the model (`verifiers/legacy/types.py`). Traces of version 1
//! (`verifiers/v1/trace.py`, also `train_rollouts.jsonl` of prime-rl) are graphs of messages with the spans of the calls to
//! the model; a message that no call produced (`sampled` false) was put into the context. A call was recorded when the
//! model's answer was there, its result when the model was asked next.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Spot};
use super::{json, messages, scan, stamps};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Episode, TextOrigin};
use crate::time::{Span, TimeContext};

/// The reader of verifiers' files.
pub struct Verifiers;

impl Format for Verifiers {
    fn id(&self) -> &'static str {
        "verifiers"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "verifiers results and metadata (version 0, legacy), traces (version 1), prime-rl rollouts"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(scan::first(&head.bytes));
        let has = |name: &str| members.iter().any(|(found, _)| *found == name);
        let row = has("prompt") && has("completion") && (has("reward") || has("generation_ms") || has("timing"));
        let trace = has("nodes") && has("calls") && (has("rewards") || has("timing"));
        // A trace may begin with more tools and task than the head holds.
        let begun = has("version") && has("id") && has("verifiers") && has("task");
        if row || trace || begun {
            return Match::Certain("rows with prompt, completion and reward, or nodes and calls".to_owned());
        }
        if (has("env") || has("env_id")) && has("num_examples") && has("rollouts_per_example") {
            return Match::Certain("metadata of an evaluation".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let file = File { name: input.name.clone(), evidence: input.evidence, time };
        let mut rows = 0;
        let list = input.peek(64)?.trim_ascii_start().starts_with(b"[");
        let mut each = |_: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| {
            rows += 1;
            if value.get("nodes").is_some_and(Value::is_array) {
                file.trace(rows, value, sink);
            } else if value.get("completion").is_some() {
                file.row(rows, value, sink);
            } else if value.get("rollouts_per_example").is_some() {
                file.metadata(value, sink);
            } else {
                return sink.unread(rows, "neither a rollout nor metadata", raw);
            }
            sink.record();
        };
        if list { json::list(input, sink, &mut each) } else { json::texts(input, sink, &mut each) }
    }
}

struct File<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
}

/// A moment in seconds since 1970; 0 stands for one that never came.
fn moment(value: &Value, path: &str, time: &TimeContext) -> Option<Span> {
    stamps::of_value(value.pointer(path)?, time)
}

impl File<'_> {
    fn metadata(&self, value: &Value, sink: &mut dyn Sink) {
        let text = |key: &str| json::text(value, key);
        let date = text("date").map(|date| match text("time") {
            Some(time) => format!("{date} {time}"),
            None => date.to_owned(),
        });
        let name = text("env").or_else(|| text("env_id")).unwrap_or("evaluation");
        sink.episode(Episode {
            id: self.name.clone(),
            name: name.to_owned(),
            agent: Some("verifiers metadata".to_owned()),
            model: text("model").map(str::to_owned),
            reward: value.get("avg_reward").and_then(Value::as_f64),
            span: date.and_then(|date| stamps::span(&date, self.time)),
            ..Episode::default()
        });
    }

    fn row(&self, number: u64, row: &Value, sink: &mut dyn Sink) {
        let example = ["example_id", "id"].iter().find_map(|key| row.get(key));
        let example = example.map_or_else(|| number.to_string(), json::content);
        let mut account = Account::new(
            &format!("{}#{number}~{example}", self.name),
            &format!("example {example}, row {number}"),
            self.evidence,
            self.time,
        );
        account.about(About {
            agent: Some("verifiers"),
            model: json::text(row, "model"),
            task: row.get("task").and_then(Value::as_str),
            ..About::default()
        });
        account.episode.reward = row.get("reward").and_then(Value::as_f64);
        let empty = Vec::new();
        let timing = row.get("timing").unwrap_or(&Value::Null);
        let spans = timing.pointer("/model/spans").and_then(Value::as_array).unwrap_or(&empty);
        let mut turn = 0;
        let mut part = 0u32;
        for key in ["prompt", "completion"] {
            let completed = key == "completion";
            let list = match row.get(key) {
                Some(Value::Array(list)) => list,
                Some(Value::String(text)) => {
                    let origin = if completed { TextOrigin::Agent } else { TextOrigin::Prompt };
                    account.say(Spot::of(number, None).part(part), origin, text.clone(), sink);
                    part = part.saturating_add(1 << 8);
                    continue;
                }
                _ => continue,
            };
            let said = list.iter().filter(|message| json::text(message, "role") == Some("assistant")).count();
            // A request that failed has a span and no message: then nothing says which is which.
            let told = completed && said == spans.len();
            for message in list {
                let assistant = json::text(message, "role") == Some("assistant");
                let path = if assistant { "/end" } else { "/start" };
                let at = spans.get(turn).filter(|_| told).and_then(|span| moment(span, path, self.time));
                if let Some(at) = at {
                    account.clock.saw(number, at);
                }
                turn += usize::from(assistant && completed);
                // An assistant in the prompt is an example.
                let actor = if completed { Actor::Policy } else { Actor::Replayed };
                let spot = Spot::of(number, at).part(part).by(actor);
                part = part.saturating_add(1 << 8);
                if !messages::message(&mut account, spot, message, None, sink) {
                    sink.unread(number, "neither a message nor an item", message.to_string().as_bytes());
                }
            }
        }
        let whole = ["/start_time", "/setup/start", "/generation/start", "/generation/end", "/scoring/end"];
        let times = whole.iter().filter_map(|path| moment(timing, path, self.time));
        account.episode.span = times.reduce(Span::cover);
        account.finish(sink);
    }

    fn trace(&self, number: u64, trace: &Value, sink: &mut dyn Sink) {
        let own = json::text(trace, "id").map_or_else(|| number.to_string(), str::to_owned);
        let mut account = Account::new(&format!("{}#{own}", self.name), &own, self.evidence, self.time);
        let empty = Vec::new();
        let nodes = trace.get("nodes").and_then(Value::as_array).unwrap_or(&empty);
        let calls = trace.get("calls").and_then(Value::as_array).unwrap_or(&empty);
        let at = |path: &str| trace.pointer(path).filter(|value| !value.is_null());
        let model = at("/agent/config/model").or_else(|| at("/agent/config/client/model")).and_then(Value::as_str);
        let task = at("/task/key").or_else(|| at("/task/type")).map(json::content);
        account.about(About {
            agent: Some("verifiers"),
            model: model.or_else(|| calls.iter().find_map(|call| json::text(call, "model"))),
            task: task.as_deref(),
            sandbox: at("/agent/runtime/id").and_then(Value::as_str),
            ..About::default()
        });
        account.episode.reward = reward(trace);
        // When the answer that stands at a node was there, and when its question was asked.
        let by_node: BTreeMap<u64, (Option<Span>, Option<Span>)> = calls
            .iter()
            .filter_map(|call| {
                let spans = (moment(call, "/time/start", self.time), moment(call, "/time/end", self.time));
                Some((call.get("node")?.as_u64()?, spans))
            })
            .collect();
        for (index, node) in (0u64..).zip(nodes) {
            let Some(message) = node.get("message") else {
                sink.unread(number, "node without a message", node.to_string().as_bytes());
                continue;
            };
            let sampled = json::flag(node, "sampled");
            let answered = json::text(message, "role") == Some("assistant");
            let by_call = if answered {
                by_node.get(&index).and_then(|(_, end)| *end)
            } else {
                // The next answer in the list is that to the question that brought this message.
                by_node.range(index..).next().and_then(|(_, (start, _))| *start)
            };
            // A node is stamped when its turn was done.
            let stamped = node.get("timestamp").and_then(|stamp| stamps::of_value(stamp, self.time));
            let span = by_call.or(stamped);
            if let Some(span) = span {
                account.clock.saw(number, span);
            }
            let actor = if answered && !sampled { Actor::Replayed } else { Actor::Policy };
            let part = u32::try_from(index.min(1 << 20)).unwrap_or_default() << 8;
            let spot = Spot::of(number, span).part(part).by(actor);
            if !messages::message(&mut account, spot, message, None, sink) {
                sink.unread(number, "neither a message nor an item", message.to_string().as_bytes());
            }
        }
        let whole = ["/timing/start", "/timing/agent/start", "/timing/agent/end", "/timing/scoring/end"];
        let times = whole.iter().filter_map(|path| moment(trace, path, self.time));
        account.episode.span = times.reduce(Span::cover);
        account.finish(sink);
    }
}

/// The sum of the weighted rewards: numbers, or a score (or value) with its weight.
fn reward(trace: &Value) -> Option<f64> {
    if let Some(reward) = trace.get("reward").and_then(Value::as_f64) {
        return Some(reward);
    }
    let parts = trace.get("rewards")?.as_object()?.values().filter_map(|part| match part {
        Value::Object(part) => {
            let score = part.get("score").or_else(|| part.get("value"))?.as_f64()?;
            Some(score * part.get("weight").and_then(Value::as_f64).unwrap_or(1.0))
        }
        part => part.as_f64(),
    });
    let parts: Vec<f64> = parts.collect();
    (!parts.is_empty()).then(|| parts.iter().sum())
}
