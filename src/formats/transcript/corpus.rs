//! The readers against a corpus of real and generated transcripts: counts and times found by other programs stand in
//! its SOURCES.tsv. Runs where the environment variable `COINCIDENT_CORPUS` names the corpus.

use std::fs;
use std::path::{Path, PathBuf};

use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, Match, registry};
use crate::time::{Span, TimeContext};

#[allow(clippy::disallowed_methods)]
fn corpus() -> Option<PathBuf> {
    let found = std::env::var("COINCIDENT_CORPUS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: COINCIDENT_CORPUS is not set");
    }
    found
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
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

#[test]
fn measure() {
    let Some(corpus) = corpus() else { return };
    let table = fs::read_to_string(corpus.join("transcripts/SOURCES.tsv")).unwrap();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let Some(id) = ["claude-", "codex", "openhands", "swe-agent"].iter().find(|id| cells[0].starts_with(**id))
        else {
            continue;
        };
        let path = corpus.join("transcripts").join(cells[0]);
        let head = Head::read(cells[0], &path).unwrap();
        let candidates = registry::probe(&head);
        let Some(format) = candidates.first().and_then(|c| registry::by_id(c.format)) else {
            println!("NOT CLAIMED {} {id}", cells[0]);
            continue;
        };
        let mut input = Input::open(cells[0], &path, EvidenceId(0)).unwrap();
        let mut found = Collector::default();
        format.read(&mut input, &TimeContext::default(), &mut found).unwrap();
        let span = found.episodes.iter().filter_map(|e| e.span).reduce(Span::cover);
        println!(
            "{}\n   {} calls {} truth {} results {} texts {} episodes {} records {} unread {} exit {} cmd {} notexec {} bg {}\n   {:?} truth {} {}\n   anomalies {:?}",
            cells[0],
            format.id(),
            found.steps.len(),
            cells[8],
            found.results.len(),
            found.texts.len(),
            found.episodes.len(),
            found.records,
            found.unread.len(),
            found.results.iter().filter(|r| r.exit_code.is_some()).count(),
            found.steps.iter().filter(|s| s.command.is_some()).count(),
            found.results.iter().filter(|r| r.not_executed).count(),
            found.steps.iter().filter(|s| s.background).count(),
            span.map(|s| (s.lo, s.hi, s.basis)),
            cells[11],
            cells[12],
            found.anomalies,
        );
        for u in found.unread.iter().take(3) {
            println!("   {u:?}");
        }
    }
}

#[test]
fn no_claim_on_what_others_wrote() {
    let Some(corpus) = corpus() else { return };
    let mut all = Vec::new();
    for folder in ["transcripts", "gpu", "firewall"] {
        files(&corpus.join(folder), &mut all);
    }
    let mut read = 0;
    for path in all {
        let name = path.strip_prefix(&corpus).unwrap().display().to_string();
        let Ok(head) = Head::read(&name, &path) else { continue };
        read += 1;
        for format in registry::FORMATS.iter() {
            let matched = format.probe(&head);
            let own = match format.id() {
                "claude-code" => name.contains("/claude-"),
                "codex" => name.contains("/codex"),
                "openhands" => name.contains("/openhands-"),
                "swe-agent" => name.contains("/swe-agent/"),
                _ => continue,
            };
            if (matched != Match::No) != own {
                println!("{name}: {} says {matched:?}", format.id());
            }
        }
    }
    println!("{read} heads");
}
