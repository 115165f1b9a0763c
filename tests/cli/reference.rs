//! The recorded incidents through the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::coincident;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const EVIDENCE: &str = "testdata/incidents/reference/evidence";

/// Everything that one run says: stdout and every file of the output directory.
fn said(paths: &[&str], threads: &str) -> BTreeMap<String, Vec<u8>> {
    let output = tempfile::tempdir().unwrap();
    let directory = output.path().join("out");
    let fixed = ["-o", directory.to_str().unwrap(), "--threads", threads, "--case"];
    let case = format!("{EVIDENCE}/case.toml");
    let arguments = [&["analyze"], paths, &fixed, &[case.as_str(), "--format", "jsonl"]].concat();
    let ran = coincident(&arguments, Path::new(ROOT));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut all: BTreeMap<String, Vec<u8>> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.insert("stdout".to_owned(), ran.stdout.into_bytes());
    all
}

#[test]
fn the_same_bytes_at_any_number_of_threads_and_in_any_order() {
    let names = ["capture.pcap", "conntrack.log", "firewall.log", "gpu-processes.csv", "gpu.csv", "transcripts"];
    let paths = names.map(|name| format!("{EVIDENCE}/{name}"));
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let first = said(&paths, "1");
    assert_eq!(first.len(), 12, "eleven files and stdout");
    assert!(first["findings.jsonl"] == first["stdout"]);
    assert!(String::from_utf8_lossy(&first["findings.csv"]).lines().count() > 1, "there is something to compare");
    for (threads, reversed) in [("2", false), ("8", true)] {
        if reversed {
            paths.reverse();
        }
        for (name, bytes) in said(&paths, threads) {
            assert!(first[&name] == bytes, "{name} differs with {threads} threads, reversed: {reversed}");
        }
    }
}

#[test]
fn recorded_incidents_say_what_they_must() {
    let ran = coincident(&["check", "testdata/incidents"], Path::new(ROOT));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn every_finding_is_explained_and_every_number_of_the_screen_has_a_file() {
    let ran = coincident(&["analyze", EVIDENCE], Path::new(ROOT));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Strength: log10 of "), "{}", ran.stdout);
    let ids: Vec<&str> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| id.starts_with("F-0"))
        .collect();
    assert!(!ids.is_empty(), "{}", ran.stdout);
    let explained = coincident(&["explain", EVIDENCE, ids[0]], Path::new(ROOT));
    assert_eq!(explained.code, Some(0), "{}", explained.stderr);
    for section in ["STEPS AND EVENTS", "STRENGTH", "WORDS (after ENFSI 2015)", "WHAT MAY BE SAID", "RIVALS", "LIMITS"]
    {
        assert!(explained.stdout.contains(section), "{section}: {}", explained.stdout);
    }
    assert_eq!(coincident(&["analyze", EVIDENCE, "--fail-on", "high"], Path::new(ROOT)).code, Some(1));
}

/// Names of the fields of an object and of the objects in it.
fn fields(value: &serde_json::Value, names: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            names.extend(object.keys().cloned());
            object.values().for_each(|value| fields(value, names));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

/// Keys of JSON lines are held against the dictionary by `tests/dictionary.rs`.
#[test]
fn every_column_and_field_is_documented() {
    let page = |name: &str| fs::read_to_string(Path::new(ROOT).join("docs").join(name)).unwrap();
    let documented = page("output.md") + &page("dictionary.md");
    let mut names = std::collections::BTreeSet::new();
    let mut tables: Vec<String> = Vec::new();
    for (name, bytes) in said(&[EVIDENCE], "2") {
        let text = String::from_utf8(bytes).unwrap();
        if name.ends_with(".csv") {
            assert!(documented.contains(&format!("## `{name}`")), "{name}");
            tables.push(text);
        } else if name == "manifest.json" {
            fields(&serde_json::from_str(&text).unwrap(), &mut names);
        }
    }
    for arguments in
        [&["timeline", EVIDENCE][..], &["probe", EVIDENCE, "--format", "csv"], &["rules", "list", "--format", "csv"]]
    {
        tables.push(coincident(arguments, Path::new(ROOT)).stdout);
    }
    names.extend(tables.iter().flat_map(|table| table.lines().next().unwrap().split(',')).map(str::to_owned));
    // `type` stands first in every line and is described in words.
    let missing: Vec<&String> = names.iter().filter(|name| !documented.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/output.md and docs/dictionary.md lack {missing:?}");
}
