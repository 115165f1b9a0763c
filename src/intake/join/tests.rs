use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::intake::{Options, take_in};
use crate::model::EndpointKind;

/// A directory with the samples of formats under names of their own, and the evidence in it.
fn case(name: &str, files: &[(&str, &str)]) -> Intake {
    let dir = std::env::temp_dir().join(format!("coincident-join-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    for (file, from) in files {
        let to = dir.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let text = match from.strip_prefix('=') {
            Some(text) => text.to_owned(),
            None => fs::read_to_string(sample(from)).unwrap(),
        };
        fs::write(to, text).unwrap();
    }
    let intake = take_in(std::slice::from_ref(&dir), &Options::default());
    fs::remove_dir_all(&dir).unwrap();
    intake
}

fn sample(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats").join(path)
}

/// One line of a dump: a rollout of sandbox `sb-1` with one call of that id.
fn dump(name: &str, id: &str, reward: f64) -> String {
    let arguments = r#"{"command": "id"}"#;
    let messages = serde_json::json!([[
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [{"id": id, "function": {"name": "run_shell_command", "arguments": arguments}}]},
    ]]);
    let data = serde_json::json!({
        "trajectory_id": name, "timestamp": "20261120_230130_500000",
        "env_info": {"task_name": "fix-it", "sandbox_id": "sb-1", "sandbox_ip": "10.9.8.7"},
        "reward_info": {"episode_reward": reward, "step_rewards": [reward]},
    });
    let row = serde_json::json!({"trajectory_data": [data.to_string()], "messages": [messages.to_string()]});
    format!("={row}\n")
}

fn commands(intake: &Intake) -> Vec<(&str, &str, u32)> {
    let of = |step: &Step| intake.episodes.iter().find(|episode| *episode.id == *step.episode).map(|e| e.name.as_str());
    intake.steps.iter().map(|s| (of(s).unwrap(), s.command.as_deref().unwrap_or("-"), s.index)).collect()
}

#[test]
fn the_dump_gives_rewards_and_the_service_gives_times() {
    let files = [
        ("a/dump.jsonl", dump("traj", "call_aaaa1111", 0.5)),
        ("z/LLMService.log", "rock/LLMService.log".to_owned()),
        ("records.csv", "rock-sandbox/records.csv".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let intake = case("service", &files);
    // One step, not two: what is counted over steps counts it once.
    assert_eq!(commands(&intake), [("LLMService", "id", 0)]);
    let step = &intake.steps[0];
    assert_eq!(step.start.map(|start| start.kind), Some(EndpointKind::CallRecorded));
    assert_eq!(step.end.map(|end| end.kind), Some(EndpointKind::ResultRecorded));
    assert_eq!((step.reward, intake.output(0).as_deref()), (Some(0.5), Some("uid=0(root)")));
    // Both records are cited.
    let path = |record: &Record| intake.sources[record.evidence.0 as usize].path.as_str();
    assert!(path(&step.record).ends_with("LLMService.log"));
    assert!(matches!(step.also.as_slice(), [also] if path(also).ends_with("dump.jsonl")));
    let episode = intake.episodes.iter().find(|episode| episode.name == "LLMService").unwrap();
    assert_eq!((episode.reward, episode.task.as_deref()), (Some(0.5), Some("fix-it")));
    assert_eq!((episode.sandbox.as_deref(), episode.sandbox_ip), (Some("sb-1"), "10.9.8.7".parse().ok()));
    assert!(!intake.episodes.iter().any(|episode| episode.name == "traj"));
    assert!(intake.texts.iter().all(|(text, _)| intake.episodes.iter().any(|episode| episode.id == text.episode)));
    assert!(intake.anomalies.iter().any(|a| a.anomaly.kind == AnomalyKind::Duplicate
        && a.anomaly.detail.contains("1 steps of traj are those of LLMService")));
}

#[test]
fn the_order_of_files_changes_nothing() {
    let dump = dump("traj", "call_aaaa1111", 0.5);
    let one = case("first", &[("a.jsonl", &dump), ("b.log", "rock/LLMService.log")]);
    let two = case("last", &[("b.jsonl", &dump), ("a.log", "rock/LLMService.log")]);
    let of = |intake: &Intake| {
        let step = intake.steps[0].clone();
        (intake.steps.len(), step.start, step.end, step.reward, step.command, intake.episodes[0].reward)
    };
    assert_eq!(of(&one), of(&two));
    assert_eq!(one.steps.len(), 1);
}

#[test]
fn logs_of_a_sandbox_are_found_by_its_id_and_by_place() {
    // The worker's log names the sandbox and no ids; that of the service lies under the sandbox's id.
    let files = [
        ("dump.jsonl", dump("traj", "call_other999", 0.25)),
        ("worker.log", "roll-worker/log_rank_ENV_0_4.log".to_owned()),
        ("sb-1/LLMService.log", "rock/LLMService.log".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let intake = case("place", &files);
    // Three views of one call: the finest clock remains, and it is counted once.
    assert_eq!(commands(&intake), [("LLMService", "id", 0)]);
    assert_eq!(intake.steps[0].also.len(), 2);
    assert_eq!(intake.steps[0].reward, Some(0.25));
}

#[test]
fn what_fits_twice_is_not_joined() {
    // Two logs of the same program for one rollout.
    let service = fs::read_to_string(sample("rock/LLMService.log")).unwrap();
    let later = format!("={}", service.replace("17951868", "17951869"));
    let dump_one = dump("traj", "call_aaaa1111", 0.5);
    let intake = case("rivals", &[("d.jsonl", &dump_one), ("a.log", "rock/LLMService.log"), ("b.log", &later)]);
    assert_eq!(intake.steps.len(), 3);
    assert!(intake.steps.iter().all(|step| step.also.is_empty()));
    assert!(intake.anomalies.iter().any(|a| a.anomaly.detail.starts_with("2 records fit this rollout")));
    // Two rollouts for one log.
    let dump_two = dump("other", "call_aaaa1111", 1.0);
    let intake = case("claims", &[("d.jsonl", &dump_one), ("e.jsonl", &dump_two), ("a.log", "rock/LLMService.log")]);
    assert_eq!(intake.steps.len(), 3);
    assert!(intake.steps.iter().all(|step| step.also.is_empty()));
}

#[test]
fn other_calls_are_not_joined() {
    let other = dump("traj", "call_aaaa1111", 0.5).replace(r#"\\\"id\\\""#, "").replace("command", "comment");
    let intake = case("other", &[("d.jsonl", &other), ("sb-1/a.log", "rock/LLMService.log")]);
    assert_eq!(intake.steps.len(), 2);
}

#[test]
fn the_two_logs_of_a_rocklet_count_once() {
    // Traces are long; those of the samples are not.
    let long =
        |path: &str| format!("={}", fs::read_to_string(sample(path)).unwrap().replace("[t2]", "[0123456789abcdef]"));
    let (access, command) = (long("rock/access.log"), long("rock/command.log"));
    let intake = case("rocklet", &[("access.log", &access), ("command.log", &command)]);
    let run: Vec<&Step> = intake.steps.iter().filter(|step| step.tool == "run_in_session").collect();
    // `cat notes` and `mkdir d`; the access log tells of the first alone.
    assert_eq!(run.len(), 2);
    let at = intake.steps.iter().position(|step| step.command.as_deref() == Some("cat notes")).unwrap();
    let (cat, output) = (&intake.steps[at], intake.output(at));
    assert_eq!((cat.also.len(), output.as_deref(), cat.exit_code), (1, Some("one\ntwo"), Some(3)));
}
