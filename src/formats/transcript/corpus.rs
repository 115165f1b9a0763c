//! The readers against a corpus of real and generated transcripts: counts and times found by other programs stand in
//! its SOURCES.tsv. Runs where the environment variable `COINCIDENT_CORPUS` names the corpus.

use std::fs;
use std::path::{Path, PathBuf};

use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, Match, registry};
use crate::model::EndpointKind;
use crate::time::{SECOND, Span, TimeContext};

use super::stamps::Stamp;

#[allow(clippy::disallowed_methods)]
fn corpus() -> Option<PathBuf> {
    let found = std::env::var("COINCIDENT_CORPUS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: COINCIDENT_CORPUS is not set");
    }
    found
}

pub(super) fn files(below: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(below) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

/// Rows of the table that count something else than tool calls of the file, with what the file holds.
const COUNTED_OTHERWISE: &[(&str, usize, &str)] = &[
    ("claude-stream-json/generated/claude-2.1.197-stream-json.jsonl", 4, "the table did not look into printed lines"),
    ("codex-exec-json/stream-output-3.jsonl", 1, "the table leaves out file_change items"),
    ("openclaw-telemetry/crux1-sample-telemetry.jsonl", 7, "the table counts tool.start and tool.end, not agent.end"),
    ("openclaw-telemetry/sample-telemetry.jsonl", 14, "the table counts tool.start and tool.end"),
    // Each of four calls is told by a span, a span within it, a decision and a result.
    ("otel-genai/generated/claude-code-2.1.197.otlp.jsonl", 4, "the table counts what was written of a call"),
    ("otel-genai/generated/codex-0.169.0-traces.otlp.jsonl", 4, "the table counts spans with words of tools"),
    ("openhands-v0-events/63b4315947a049e2b7a51249b3d4fcc3/metadata.json", 0, "its events are not in the corpus"),
    ("openhands-v1-events/generated/46d9212e0b2e4b52b372b45e4cdaa8b4/base_state.json", 0, "nor are these"),
];

fn read(corpus: &Path, name: &str) -> (&'static str, Collector) {
    let path = corpus.join("transcripts").join(name);
    let candidates = registry::probe(&Head::read(name, &path).unwrap());
    let id = candidates.first().unwrap_or_else(|| panic!("{name} is not recognised")).format;
    let mut input = Input::open(name, &path, EvidenceId(0)).unwrap();
    let mut found = Collector::default();
    registry::by_id(id).unwrap().read(&mut input, &TimeContext::default(), &mut found).unwrap();
    (id, found)
}

#[test]
fn calls_and_times_are_those_of_the_table() {
    let Some(corpus) = corpus() else { return };
    let table = fs::read_to_string(corpus.join("transcripts/SOURCES.tsv")).unwrap();
    let (mut files, mut calls) = (0, 0);
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let name = cells[0];
        let folders = [
            ("claude-", "claude-code"),
            ("codex", "codex"),
            ("openhands", "openhands"),
            ("swe-agent", "swe-agent"),
            ("gemini-cli", "gemini-cli"),
            ("qwen-code", "qwen-code"),
            ("rock/generated/qwen-session", "qwen-code"),
            ("opencode", "opencode"),
            ("kimi-cli", "kimi-cli"),
            ("copilot-cli", "copilot-cli"),
            ("cline", "cline"),
            ("openclaw-telemetry", "openclaw"),
            ("mcp", "mcp-log"),
            ("agentsight", "agentsight"),
            ("rock/generated/LLMService", "rock"),
            ("iflow-cli", "iflow-cli"),
            ("tau-bench", "tau-bench"),
            ("verifiers", "verifiers"),
            ("autogen", "autogen"),
            ("otel-genai", "otel-spans"),
            ("openinference", "otel-spans"),
            ("openai-agents", "openai-agents"),
            ("langsmith", "langsmith"),
        ];
        let Some((_, expected_id)) = folders.iter().find(|(folder, _)| name.starts_with(folder)) else { continue };
        let (id, found) = read(&corpus, name);
        assert_eq!(id, *expected_id, "{name}");
        let otherwise = COUNTED_OTHERWISE.iter().find(|(other, ..)| *other == name);
        let expected = otherwise.map_or_else(|| cells[8].parse().unwrap(), |(_, count, _)| *count);
        assert_eq!(found.steps.len(), expected, "{name}: tool calls");
        assert!(found.unread.is_empty(), "{name}: {:?}", found.unread);
        assert!(found.anomalies.is_empty(), "{name}: {:?}", found.anomalies);
        files += 1;
        calls += expected;
        let span = found.episodes.iter().filter_map(|episode| episode.span).reduce(Span::cover);
        assert_eq!(
            span.is_some(),
            cells[9] == "yes"
                && (!name.ends_with("metadata.json") || name.starts_with("verifiers"))
                && !name.ends_with("state.json")
                // The table takes the time of the analysis.
                && !name.starts_with("agentsight")
        );
        // The table leaves out the time that stands beside a date.
        let Some(span) = span.filter(|_| !name.starts_with("verifiers-v0/tool-test")) else { continue };
        // The table reads naive stamps as UTC; the epochs in the file say UTC+8.
        let zone = if name.starts_with("openhands") { 8 * 3600 * SECOND } else { 0 };
        for (is, ought) in [(span.lo, cells[11]), (span.hi, cells[12])] {
            let ought = Stamp::parse(ought).unwrap().span_at(0, &TimeContext::default()).unwrap();
            let apart = is.since(ought.lo) + zone;
            // The table leaves out what a header says.
            assert!((-SECOND..=SECOND).contains(&apart), "{name}: {is} is {apart} ns behind the table");
        }
    }
    println!("{files} files, {calls} calls");
    assert_eq!(files, 71);
}

#[test]
fn flushed_turns_and_failed_commands_of_real_sessions() {
    let Some(corpus) = corpus() else { return };
    // Counted with python3: pairs of function_call and function_call_output with one timestamp, and results whose
    // output has an exit code (in metadata, or in "exit code: N" of a sandbox denial).
    let rollout = "codex/rollout-2025-09-24T19-22-20-01997e76-d124-7592-9cac-2ec05abbca08.jsonl";
    let (_, found) = read(&corpus, rollout);
    let flushed = found.steps.iter().filter(|s| s.start.is_some_and(|s| s.kind == EndpointKind::TurnFlushed)).count();
    let coded = found.results.iter().filter(|result| result.exit_code.is_some()).count();
    let refused = found.results.iter().filter(|result| result.not_executed).count();
    assert_eq!((flushed, coded, refused), (118, 118, 2));
    for step in &found.steps {
        let end =
            found.results.iter().find(|result| Some(&result.call_id) == step.call_id.as_ref()).and_then(|r| r.end);
        let (Some(start), Some(end)) = (step.start, end) else { continue };
        assert!(start.span.lo <= start.span.hi && start.span.hi <= end.span.hi, "{:?}", step.call_id);
    }
    // The printed stream of the same four commands everywhere: hostname, ssh, curl (7), exit 3.
    for name in [
        "claude-stream-json/generated/claude-2.1.197-stream-json.jsonl",
        "codex-exec-json/generated/codex-exec-0.169.0.jsonl",
    ] {
        let (_, mut found) = read(&corpus, name);
        found.steps.sort_by_key(|step| step.order);
        let commands: Vec<&str> = found.steps.iter().filter_map(|step| step.command.as_deref()).collect();
        assert_eq!(commands.len(), 4);
        assert!(
            commands[1].contains("ssh -o BatchMode=yes") && commands[1].contains("-N -R 2222:127.0.0.1:22"),
            "{name}"
        );
        assert_eq!(&commands[2..], ["sleep 1; curl -sS -m 2 http://127.0.0.1:9", "exit 3"]);
        let codes: Vec<i32> =
            found.results.iter().filter_map(|result| result.exit_code).filter(|code| *code != 0).collect();
        assert_eq!(codes, [7, 3], "{name}");
    }
}

#[test]
fn no_claim_on_what_others_wrote() {
    let Some(corpus) = corpus() else { return };
    let mut all = Vec::new();
    for folder in ["transcripts", "gpu", "firewall", "pcap"] {
        files(&corpus.join(folder), &mut all);
    }
    let folders = [
        ("transcripts/claude-code/", "claude-code"),
        ("transcripts/claude-stream-json/", "claude-code"),
        ("transcripts/codex/", "codex"),
        ("transcripts/codex-exec-json/", "codex"),
        ("transcripts/openhands-", "openhands"),
        ("transcripts/swe-agent/", "swe-agent"),
        ("transcripts/rock/generated/LLMService", "rock"),
        ("transcripts/iflow-cli/", "iflow-cli"),
        ("transcripts/tau-bench/", "tau-bench"),
        ("transcripts/verifiers", "verifiers"),
        ("transcripts/autogen/", "autogen"),
    ];
    let nowhere = ["rock-sandbox", "roll-dump", "roll-worker", "rl-rollouts", "pickle"];
    let mut wrong = Vec::new();
    for path in &all {
        let name = path.strip_prefix(&corpus).unwrap().display().to_string();
        let Ok(head) = Head::read(&name, path) else { continue };
        let ids: std::collections::BTreeSet<&str> = folders.iter().map(|(_, id)| *id).chain(nowhere).collect();
        for id in ids {
            let matched = registry::by_id(id).unwrap().probe(&head);
            let own = folders.iter().any(|(folder, of)| *of == id && name.starts_with(folder));
            if (matched != Match::No) != own {
                wrong.push(format!("{name}: {id} says {matched:?}"));
            }
        }
    }
    println!("{} files asked about", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of evaluations and terminals whose table counts something else, with what the file holds.
const HELD_OTHERWISE: &[(&str, usize, &str)] = &[
    ("atif/openhands_hello-world.trajectory.no_function_calling.json", 1, "a call as tags in the text"),
    ("atif/terminus_2_hello-world-context-summarization-linear-history.trajectory.json", 3, "keystrokes in the text"),
    ("atif/terminus_2_hello-world-context-summarization-linear-history.trajectory.cont-1.json", 2, "the same"),
    ("fallback-bash-history/generated/bash_history_with_timestamps", 5, "commands are no tool calls to the table"),
];

#[test]
fn evaluations_and_terminals_have_the_calls_of_the_table() {
    let Some(corpus) = corpus() else { return };
    let table = fs::read_to_string(corpus.join("transcripts/SOURCES.tsv")).unwrap();
    let folders = [
        ("inspect/", "inspect"),
        ("atif/", "atif"),
        ("mini-swe-agent/", "mini-swe-agent"),
        ("terminal-bench/", "asciicast"),
        ("fallback-script/", "script"),
        ("fallback-bash-history/", "shell-history"),
        ("aider/", "aider"),
    ];
    let (mut files, mut wrong) = (0, Vec::new());
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let name = cells[0];
        let Some((folder, expected_id)) = folders.iter().find(|(folder, _)| name.starts_with(folder)) else { continue };
        if *folder == "terminal-bench/" && !name.ends_with(".cast") {
            continue;
        }
        let (id, found) = read(&corpus, name);
        assert_eq!(id, *expected_id, "{name}");
        let otherwise = HELD_OTHERWISE.iter().find(|(other, ..)| *other == name);
        let expected = otherwise.map_or_else(|| cells[8].parse().unwrap(), |(_, count, _)| *count);
        if found.steps.len() != expected || !found.unread.is_empty() || !found.anomalies.is_empty() {
            let (steps, unread) = (found.steps.len(), &found.unread);
            wrong.push(format!("{name}: {steps} steps of {expected}, {unread:?}, {:?}", found.anomalies));
        }
        files += 1;
    }
    println!("{files} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files, 33);
}
