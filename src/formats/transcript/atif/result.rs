//! `result.json` of a trial of Harbor: what came of it, and from when to when the agent ran.

use serde_json::Value;

use super::super::account::{About, Account, Spot};
use super::super::json;
use crate::evidence::EvidenceId;
use crate::formats::Sink;
use crate::model::{Actor, TextOrigin};
use crate::time::TimeContext;

pub(super) fn read(name: &str, evidence: EvidenceId, text: &[u8], time: &TimeContext, sink: &mut dyn Sink) {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => return json::unparsed(1, &error, false, text, sink),
    };
    sink.record();
    let trial = name.rsplit_once('/').map_or(".", |(directory, _)| directory);
    let own = json::text(&value, "trial_name").unwrap_or_else(|| trial.rsplit('/').next().unwrap_or(trial));
    let mut account = Account::new(trial, own, evidence, time);
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let agent = [at("/agent_info/name"), at("/agent_info/version").filter(|version| *version != "unknown")];
    let agent: Vec<&str> = agent.into_iter().flatten().collect();
    account.about(About {
        model: at("/agent_info/model_info/name").or_else(|| at("/config/agent/model_name")),
        agent: Some(&agent.join(" ")),
        task: at("/task_name"),
        ..About::default()
    });
    let rewards = value.pointer("/verifier_result/rewards").and_then(Value::as_object);
    let (config, reward) = match rewards {
        Some(rewards) => match (rewards.get("reward"), rewards.iter().next()) {
            (Some(reward), _) => (None, reward.as_f64()),
            (None, Some((name, reward))) if rewards.len() == 1 => (Some(name.clone()), reward.as_f64()),
            // Several, and none stands for all.
            _ => (None, None),
        },
        None => (None, value.pointer("/verifier_result/reward").and_then(Value::as_f64)),
    };
    account.episode.reward = reward;
    account.episode.reward_config = config;
    // The agent's own time, if it came to that; else that of the trial around it.
    let ran = value.get("agent_execution").filter(|ran| ran.is_object()).unwrap_or(&value);
    for key in ["started_at", "finished_at"] {
        account.stamp(1, ran.get(key), sink);
    }
    if let Some(failed) = value.get("exception_info").filter(|failed| failed.is_object()) {
        let said = ["exception_type", "exception_message"].iter().filter_map(|key| json::text(failed, key));
        let said = said.collect::<Vec<_>>().join(": ");
        let spot = Spot::of(1, None).by(Actor::Harness);
        account.say(Spot { order: (u64::MAX, 0), ..spot }, TextOrigin::Environment, said, sink);
    }
    account.finish(sink);
}
