//! How often the rules fire on recorded transcripts. Needs `COINCIDENT_CORPUS`, the folder of recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{CommandContext, RuleSet};
use crate::detect::command::{CommandLine, is_network_capable, literals};

/// Every string (or list of strings) under a key that holds commands, also inside arguments that are JSON in a string.
fn commands(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("command" | "cmd" | "keystrokes" | "action" | "full_cmd", Value::String(text)) => {
                        out.insert(text.clone());
                    }
                    ("command" | "cmd", Value::Array(words)) => {
                        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                        match words.as_slice() {
                            [_, "-lc" | "-c", script] => {
                                out.insert((*script).to_owned());
                            }
                            _ => {
                                out.insert(words.join(" "));
                            }
                        }
                    }
                    ("arguments" | "input", Value::String(text)) => {
                        if let Ok(inner) = serde_json::from_str::<Value>(text) {
                            commands(&inner, out);
                        }
                    }
                    _ => commands(inner, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| commands(inner, out)),
        _ => {}
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "jsonl" || ending == "json" || ending == "traj") {
            out.push(path);
        }
    }
}

#[test]
fn rules_over_recorded_transcripts() {
    let Some(corpus) = std::env::var_os("COINCIDENT_CORPUS") else {
        println!("skipped: COINCIDENT_CORPUS is not set");
        return;
    };
    let root = Path::new(&corpus).join("transcripts");
    let set = RuleSet::embedded();
    let mut by_folder: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    for path in paths {
        let folder = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let found = by_folder.entry(folder.as_os_str().to_string_lossy().into_owned()).or_default();
        let bytes = fs::read(&path).unwrap_or_default();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => commands(&value, found),
            Err(_) => {
                for line in bytes.split(|byte| *byte == b'\n') {
                    if let Ok(value) = serde_json::from_slice::<Value>(line) {
                        commands(&value, found);
                    }
                }
            }
        }
    }
    let mut total = 0;
    let mut with_hits = 0;
    let mut tunnels = 0;
    let mut strong = 0;
    for (folder, texts) in &by_folder {
        let mut capable = 0;
        let mut acts = 0;
        for text in texts {
            total += 1;
            let line = CommandLine::parse(text);
            capable += usize::from(is_network_capable(&line));
            acts += literals(&line, text).iter().filter(|literal| literal.act).count();
            let hits = set.command(&CommandContext { line: &line, text });
            with_hits += usize::from(!hits.is_empty());
            for hit in hits {
                tunnels += usize::from(hit.kind == "ssh-reverse-command");
                strong += usize::from(hit.confidence > crate::model::Confidence::Weak);
                let shown: String = text.chars().take(160).collect();
                println!("{folder}: {} {} {}: {shown:?}", hit.behaviour, hit.confidence.name(), hit.kind);
            }
            if !line.limits.is_empty() {
                println!("{folder}: limits {:?}", line.limits);
            }
        }
        println!("{folder}: {} distinct commands, {capable} network-capable, {acts} literals of acts", texts.len());
    }
    println!("{total} distinct commands, {with_hits} with a hit, {strong} strong hits, {tunnels} reverse tunnels");
    assert!(total > 100, "the corpus holds hundreds of commands");
}
