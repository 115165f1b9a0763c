//! `timeline`: filters and columns on the reference incident.

use std::path::Path;

use crate::coincident;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const EVIDENCE: &str = "testdata/incidents/reference/evidence";

fn rows(arguments: &[&str]) -> Vec<serde_json::Value> {
    let ran = coincident(&[&["timeline", EVIDENCE, "--format", "jsonl"], arguments].concat(), Path::new(ROOT));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn conditions_choose_rows_and_agree_with_what_they_say() {
    let all = rows(&[]);
    let chosen = rows(&["--where", "dst_port == 3333 and src_ip == 10.0.0.0/8"]);
    assert!(!chosen.is_empty() && chosen.len() < all.len());
    let wanted = |row: &&serde_json::Value| {
        row["dst_port"] == 3333 && row["src_ip"].as_str().is_some_and(|ip| ip.starts_with("10."))
    };
    assert_eq!(chosen, all.iter().filter(wanted).cloned().collect::<Vec<_>>());
    // A condition and its opposite share all rows between them.
    let rest = rows(&["--where", "not (dst_port == 3333 and src_ip == 10.0.0.0/8)"]);
    assert_eq!(chosen.len() + rest.len(), all.len());
    let steps = rows(&["--where", "command ~ '(?i)xmrig|pool' and type == step"]);
    assert!(steps.iter().all(|row| row["type"] == "step"));
    assert_eq!(rows(&["--where", "type == step"]), rows(&["--kind", "step"]));
}

#[test]
fn rows_around_a_finding_are_the_same_from_files_and_from_evidence() {
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().join("out");
    let directory = directory.to_str().unwrap();
    assert_eq!(coincident(&["analyze", EVIDENCE, "-o", directory], Path::new(ROOT)).code, Some(0));
    let read = rows(&["--around", "f-0002", "--window", "10s", "--findings", directory]);
    assert_eq!(read, rows(&["--around", "F-0002", "--window", "10s"]));
    let wider = rows(&["--around", "F-0002", "--window", "1m", "--findings", directory]);
    assert!(!read.is_empty() && read.len() < wider.len(), "{} {}", read.len(), wider.len());
    assert!(read.iter().all(|row| wider.contains(row) && row["time"].is_string()));
    // Bounds that are given, too, narrow it further.
    let none = rows(&["--around", "F-0002", "--findings", directory, "--to", "2020-01-01T00:00:00Z"]);
    assert!(none.is_empty());
}

#[test]
fn columns_are_those_asked_for() {
    let printed = |arguments: &[&str]| {
        let ran = coincident(&[&["timeline", EVIDENCE], arguments].concat(), Path::new(ROOT));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let all = printed(&[]);
    assert_eq!(all, printed(&["--profile", "verbose"]));
    let lines = all.lines().count();
    for (arguments, header) in [
        (&["--columns", "dst_port,time"][..], "dst_port,time"),
        (
            &["--profile", "minimal"],
            "time,type,kind,host,episode,index,tool,command,action,src_ip,dst_ip,dst_port,domain,message",
        ),
    ] {
        let some = printed(arguments);
        assert_eq!(some.lines().next(), Some(header));
        assert_eq!(some.lines().count(), lines);
    }
    let row = &rows(&["--columns", "kind", "--where", "kind == tls"])[0];
    assert_eq!(row, &serde_json::json!({"type": "observation", "kind": "tls"}));
}

#[test]
fn every_kind_that_is_documented_can_be_asked_for() {
    let documented = std::fs::read_to_string(Path::new(ROOT).join("docs/dictionary.md")).unwrap();
    let begin = "| `kind` | text |  | Of observations: ";
    let line = documented.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
    let kinds: Vec<&str> =
        line.trim_end_matches(". |").split([',', ' ']).filter(|word| !matches!(*word, "" | "or")).collect();
    assert_eq!(kinds.len(), 16);
    for kind in kinds {
        rows(&["--kind", kind, "--columns", "kind"]).iter().for_each(|row| assert_eq!(row["kind"], kind));
    }
}
