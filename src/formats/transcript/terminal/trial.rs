//! `results.json` of a trial of Terminal-Bench: what came of it, and from when to when the agent ran.
//!
//! Source: laude-institute/terminal-bench `terminal_bench/harness/models.py`, `TrialResults`. One object for each trial;
//! older versions have no times. The recordings beside it are read as `asciicast`.

use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Spot};
use super::super::{json, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, TextOrigin};
use crate::time::TimeContext;

/// The reader of Terminal-Bench's results.
pub struct TerminalBench;

impl Format for TerminalBench {
    fn id(&self) -> &'static str {
        "terminal-bench"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Terminal-Bench results.json, of a trial and of a run"
    }

    fn record_unit(&self) -> &'static str {
        "trial"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(&head.bytes);
        let is_trial = |members: &[(&str, &[u8])]| {
            ["trial_name", "task_id", "is_resolved"].iter().all(|name| members.iter().any(|(found, _)| found == name))
        };
        if is_trial(&members) {
            return Match::Certain("trial_name, task_id and is_resolved".to_owned());
        }
        let results = members.iter().find(|(name, _)| *name == "results").map(|(_, results)| scan::first(results));
        if results.is_some_and(|first| is_trial(&scan::members(first))) {
            return Match::Certain("results with trial_name, task_id and is_resolved".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let text = json::whole(input, sink)?;
        let results = scan::members(&text).into_iter().find(|(key, _)| *key == "results").map(|(_, results)| results);
        let directory = name.rsplit_once('/').map_or(".", |(directory, _)| directory).to_owned();
        let mut torn = false;
        match results {
            // Trials of a run lie in directories of their own: TASK/TRIAL.
            Some(results) => {
                torn = json::elements(results, 1, sink, &mut |number, trial, _, sink| {
                    let text = |key: &str| json::text(trial, key).unwrap_or_default();
                    let own = format!("{}/{}", text("task_id"), text("trial_name"));
                    let own = if directory == "." { own } else { format!("{directory}/{own}") };
                    tell(&own, evidence, number, trial, time, sink);
                });
            }
            None => match serde_json::from_slice::<Value>(&text) {
                Ok(trial) => tell(&directory, evidence, 1, &trial, time, sink),
                Err(error) => {
                    torn = true;
                    json::unparsed(1, &error, false, &text, sink);
                }
            },
        }
        if !torn {
            json::check_whole(&text, 1, sink);
        }
        Ok(())
    }
}

fn tell(episode: &str, evidence: EvidenceId, number: u64, trial: &Value, time: &TimeContext, sink: &mut dyn Sink) {
    let Some(name) = json::text(trial, "trial_name") else {
        return sink.unread(number, "trial without a name", trial.to_string().as_bytes());
    };
    sink.record();
    let mut account = Account::new(episode, name, evidence, time);
    account.about(About { task: json::text(trial, "task_id"), ..About::default() });
    account.episode.reward = trial.get("is_resolved").and_then(Value::as_bool).map(f64::from);
    // The agent's own time, if it came to that; else that of the trial around it.
    let agent = trial.get("agent_started_at").is_some_and(Value::is_string);
    let keys = if agent { ["agent_started_at", "agent_ended_at"] } else { ["trial_started_at", "trial_ended_at"] };
    for key in keys {
        account.stamp(number, trial.get(key), sink);
    }
    let spot = Spot { number, order: (0, 0), at: None, actor: Actor::Harness };
    account.say(spot, TextOrigin::Prompt, json::text(trial, "instruction").unwrap_or_default().to_owned(), sink);
    account.finish(sink);
}
