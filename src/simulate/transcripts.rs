//! A story as the transcripts of its agents.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::recipe::{Recipe, TranscriptForm};
use super::story::{Episode, Moment, Step, seconds};
use crate::time::Instant;

/// File name and content of an episode's transcript.
pub(super) fn write(recipe: &Recipe, episode: &Episode, began: Instant) -> (String, String) {
    let clock = Clock { recipe, began };
    match recipe.transcripts {
        TranscriptForm::ClaudeCode => (format!("{}.jsonl", episode.name), claude_code(episode, &clock)),
        TranscriptForm::Codex => (format!("{}.jsonl", episode.name), codex(episode, &clock)),
        TranscriptForm::SweAgent => (format!("{}.traj", episode.name), swe_agent(episode)),
    }
}

/// The clock of the machine that writes transcripts.
struct Clock<'a> {
    recipe: &'a Recipe,
    began: Instant,
}

impl Clock<'_> {
    fn stamp(&self, at: Moment) -> String {
        let clocks = self.recipe.clocks;
        let drifted = (at as f64 * clocks.transcripts_ppm * 1e-6) as i64;
        let shown = self.began.0 + at + seconds(clocks.transcripts_s) + drifted;
        DateTime::from_timestamp_nanos(shown).to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

fn input(step: &Step) -> Value {
    match step.tool {
        "Bash" => json!({ "command": step.text }),
        "Read" => json!({ "file_path": step.text }),
        _ => json!({ "file_path": step.text, "old_string": "x + 1", "new_string": "x + 2" }),
    }
}

const PROMPT: &str = "The tests in this repository fail. Find out why and fix the code.";

fn claude_code(episode: &Episode, clock: &Clock<'_>) -> String {
    let mut lines = Vec::new();
    let mut parent = Value::Null;
    let mut number = 0;
    let mut line = |at: Moment, kind: &str, message: Value| {
        number += 1;
        let uuid = format!("{}-{number:06}", episode.name);
        let mut line = json!({
            "parentUuid": parent, "isSidechain": false, "userType": "external", "cwd": "/home/agent/project",
            "sessionId": episode.name, "version": "2.0.14", "gitBranch": "main", "type": kind, "message": message,
            "uuid": uuid, "timestamp": clock.stamp(at),
        });
        if kind == "assistant" {
            line["requestId"] = json!(format!("req_{number:06}"));
        }
        parent = json!(uuid);
        lines.push(line.to_string());
    };
    line(episode.begins, "user", json!({ "role": "user", "content": PROMPT }));
    for (index, step) in episode.steps.iter().filter(|step| step.kept).enumerate() {
        let id = format!("toolu_{}_{index:04}", episode.name);
        let call = json!({
            "model": "scripted-agent", "id": format!("msg_{}_{index:04}", episode.name), "type": "message", "role": "assistant",
            "content": [{ "type": "tool_use", "id": id, "name": step.tool, "input": input(step) }],
            "stop_reason": "tool_use", "usage": { "input_tokens": 6, "output_tokens": 120 },
        });
        line(step.at, "assistant", call);
        if !step.result_kept {
            continue;
        }
        let result = json!([{ "tool_use_id": id, "type": "tool_result", "content": step.output, "is_error": false }]);
        line(step.ends, "user", json!({ "role": "user", "content": result }));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn codex(episode: &Episode, clock: &Clock<'_>) -> String {
    let mut lines = Vec::new();
    let mut line = |at: Moment, kind: &str, payload: Value| {
        lines.push(json!({ "timestamp": clock.stamp(at), "type": kind, "payload": payload }).to_string());
    };
    let begun = clock.stamp(episode.begins);
    let meta = json!({
        "id": episode.name, "timestamp": begun, "cwd": "/home/agent/project", "originator": "codex_exec",
        "cli_version": "0.46.0", "instructions": null, "source": "exec",
    });
    line(episode.begins, "session_meta", meta);
    let prompt = json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": PROMPT }] });
    line(episode.begins, "response_item", prompt);
    for (index, step) in episode.steps.iter().filter(|step| step.kept).enumerate() {
        let command = match step.tool {
            "Bash" => step.text.clone(),
            "Read" => format!("cat {}", step.text),
            _ => format!("sed -i 's/x + 1/x + 2/' {}", step.text),
        };
        let arguments = json!({ "command": ["bash", "-lc", command], "workdir": "/home/agent/project" }).to_string();
        let id = format!("call_{}_{index:04}", episode.name);
        let call = json!({ "type": "function_call", "name": "shell", "arguments": arguments, "call_id": id });
        line(step.at, "response_item", call);
        if !step.result_kept {
            continue;
        }
        let took = (step.ends - step.at) as f64 / 1e9;
        let output = json!({ "output": step.output, "metadata": { "exit_code": 0, "duration_seconds": took } });
        let result = json!({ "type": "function_call_output", "call_id": id, "output": output.to_string() });
        line(step.ends, "response_item", result);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn swe_agent(episode: &Episode) -> String {
    let step = |step: &Step| {
        let action = match step.tool {
            "Bash" => step.text.clone(),
            "Read" => format!("open {}", step.text),
            _ => format!("str_replace_editor str_replace {} --old_str 'x + 1' --new_str 'x + 2'", step.text),
        };
        let mut told = json!({
            "action": action, "observation": step.output, "response": "", "thought": "",
            "execution_time": (step.ends - step.at) as f64 / 1e9,
            "state": { "working_dir": "/home/agent/project", "open_file": "" }, "extra_info": {},
        });
        if let Some(told) = told.as_object_mut().filter(|_| !step.result_kept) {
            told.remove("execution_time");
            told.insert("observation".to_owned(), json!(""));
        }
        told
    };
    let trajectory: Vec<Value> = episode.steps.iter().filter(|step| step.kept).map(step).collect();
    json!({ "environment": episode.name, "trajectory": trajectory, "history": [], "info": {} }).to_string()
}
