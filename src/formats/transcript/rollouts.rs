//! Rollouts as libraries for training dump them, one a line, without any time.
//!
//! verl (`verl/trainer/ppo/ray_trainer.py`: `<rollout_data_dir>/<global_step>.jsonl` with input, output, gts, score, step),
//! SkyRL (`skyrl/train/utils/trainer_utils.py`: input_prompt, output_response, score, stop_reason, env_class) and slime
//! (`slime/utils/types.py`: `Sample.to_dict()` as JSON). What the model wrote is decoded text that holds calls and answers
//! as the chat template wrote them; a step of verl is one of training, not of the agent.

use std::io;

use serde_json::Value;

use super::account::{About, Account, Spot};
use super::{json, messages, protocol, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::TextOrigin;
use crate::time::TimeContext;

/// The reader of such rollouts.
pub struct Rollouts;

/// Where a library keeps what it asked and what came.
struct Library {
    name: &'static str,
    asked: &'static str,
    answered: &'static str,
    /// Members that it writes besides; at least one of them is there.
    marks: &'static [&'static str],
}

const LIBRARIES: [Library; 3] = [
    Library { name: "verl", asked: "input", answered: "output", marks: &["gts", "score"] },
    Library {
        name: "SkyRL",
        asked: "input_prompt",
        answered: "output_response",
        marks: &["score", "env_class", "stop_reason", "data_source"],
    },
    Library {
        name: "slime",
        asked: "prompt",
        answered: "response",
        marks: &["group_index", "response_length", "rollout_id"],
    },
];

fn library(has: impl Fn(&str) -> bool) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| {
        has(library.asked)
            && has(library.answered)
            && library.marks.iter().any(|mark| has(mark))
            && (library.name != "verl" || has("step"))
    })
}

impl Format for Rollouts {
    fn id(&self) -> &'static str {
        "rl-rollouts"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Rollouts that verl, SkyRL and slime dump as JSON"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let first = scan::first(&head.bytes);
        let members = scan::members(first);
        let inner = members.iter().find(|(name, _)| *name == "samples").map(|(_, samples)| scan::first(samples));
        let members = inner.map_or(members, scan::members);
        match library(|name| members.iter().any(|(found, _)| *found == name)) {
            Some(library) => Match::Likely(90, format!("rows with {} and {}", library.asked, library.answered)),
            None => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let mut rows = 0;
        let list = input.peek(64)?.trim_ascii_start().starts_with(b"[");
        let mut each = |_: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| match value
            .get("samples")
            .and_then(Value::as_array)
        {
            Some(samples) => {
                for sample in samples {
                    rows += 1;
                    row(&name, evidence, time, (rows, sample, raw), sink);
                }
            }
            None => {
                rows += 1;
                row(&name, evidence, time, (rows, value, raw), sink);
            }
        };
        if list { json::list(input, sink, &mut each) } else { json::texts(input, sink, &mut each) }
    }
}

fn row(
    name: &str,
    evidence: EvidenceId,
    time: &TimeContext,
    (number, value, raw): (u64, &Value, &[u8]),
    sink: &mut dyn Sink,
) {
    let Some(library) = library(|member| value.get(member).is_some()) else {
        return sink.unread(number, "row of no known library", raw);
    };
    let of = |keys: &[&str]| keys.iter().find_map(|key| value.get(key)).filter(|value| !value.is_null());
    let step = of(&["step", "rollout_id", "global_step"]).map(json::content);
    let own = of(&["request_id", "uid", "session_id", "index"]).map_or_else(|| number.to_string(), json::content);
    let title = step.map_or_else(|| own.clone(), |step| format!("step {step}, {own}"));
    let mut account = Account::new(&format!("{name}#{number}~{own}"), &title, evidence, time);
    let task = of(&["data_source", "env_class", "env_name"]).and_then(Value::as_str);
    account.about(About { agent: Some(library.name), task, ..About::default() });
    account.episode.reward = of(&["score", "reward"]).and_then(|score| match score {
        // Some keep the parts of a score beside it.
        Value::Object(parts) => parts.get("score").or_else(|| parts.get("reward")).and_then(Value::as_f64),
        Value::Array(parts) => parts.last().and_then(Value::as_f64),
        score => score.as_f64(),
    });
    let spot = Spot::of(number, None);
    let mut part = 0u32;
    for (key, origin) in [(library.asked, TextOrigin::Prompt), (library.answered, TextOrigin::Agent)] {
        match value.get(key) {
            Some(Value::Array(list)) => {
                for message in list {
                    if !messages::message(&mut account, spot.part(part), message, None, sink) {
                        account.say(spot.part(part), origin, json::content(message), sink);
                    }
                    part = part.saturating_add(1 << 8);
                }
            }
            Some(Value::String(text)) if origin == TextOrigin::Agent => {
                protocol::tell(&mut account, spot.part(part), text, sink);
            }
            Some(other) => account.say(spot.part(part), origin, json::content(other), sink),
            None => {}
        }
        part = part.saturating_add(1 << 8);
    }
    account.finish(sink);
    sink.record();
}
