//! Every recorded incident says the same, however its evidence is given: at any number of threads, in any order of paths,
//! packed, and with its logs cut into several files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coincident::correlate;
use coincident::detect::rules::RuleSet;
use coincident::intake::{CaseFile, Memory, Options, take_in};
use coincident::report::DisplayZone;
use coincident::report::{Reading, csv, html, jsonl};

fn incidents() -> Vec<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents");
    let mut found: Vec<PathBuf> = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("evidence").is_dir());
    found.sort();
    assert_eq!(found.len(), 8);
    found
}

/// All that an analysis says: lines, tables and the page.
fn said(paths: &[PathBuf], case: &Path, threads: usize) -> (String, Vec<Vec<u8>>, String) {
    said_within(&Arc::default(), paths, case, threads)
}

fn said_within(memory: &Arc<Memory>, paths: &[PathBuf], case: &Path, threads: usize) -> (String, Vec<Vec<u8>>, String) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let case = case.join("case.toml");
        let case = if case.is_file() { CaseFile::load(&case).unwrap() } else { CaseFile::default() };
        let options = Options { case, memory: Arc::clone(memory), ..Options::default() };
        let intake = take_in(paths, &options);
        let analysis = correlate::analyze(&intake, &options, &RuleSet::embedded());
        let lines = jsonl::lines(&analysis, &Reading { walk_errors: intake.walk_errors });
        let tables = csv::all(&analysis)
            .unwrap()
            .into_iter()
            .flat_map(|(_, parts)| parts)
            .map(|table| table.csv().unwrap())
            .collect();
        (jsonl::render(&lines), tables, html::render(&analysis, &lines, DisplayZone(chrono_tz::UTC)))
    })
}

/// Findings alone, without what names a file by its place or its bytes.
fn findings(lines: &str) -> Vec<serde_json::Value> {
    let mut all: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["type"] == "finding")
        .collect();
    for finding in &mut all {
        let kept = ["id", "behaviour", "episode", "level", "initiator", "first", "last"];
        let kept: Vec<(String, serde_json::Value)> =
            kept.iter().map(|key| ((*key).to_owned(), finding[*key].clone())).collect();
        let steps: Vec<serde_json::Value> =
            finding["steps"].as_array().unwrap().iter().map(|step| step["index"].clone()).collect();
        let strength = finding["strength"]["log10_lr"].clone();
        *finding =
            kept.into_iter().chain([("steps".to_owned(), steps.into()), ("strength".to_owned(), strength)]).collect();
    }
    all
}

/// Which step of which episode did what.
fn which(lines: &str) -> Vec<[serde_json::Value; 3]> {
    let key = |finding: &serde_json::Value| ["behaviour", "episode", "steps"].map(|key| finding[key].clone());
    findings(lines).iter().map(key).collect()
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&Path, &Path)) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target, change),
            false => change(&entry.path(), &target),
        }
    }
}

fn is_case(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "case.toml")
}

#[test]
fn threads_and_the_order_of_paths_change_no_byte() {
    for incident in incidents() {
        let evidence = incident.join("evidence");
        let whole = said(std::slice::from_ref(&evidence), &evidence, 1);
        for threads in [2, 5] {
            assert!(said(std::slice::from_ref(&evidence), &evidence, threads) == whole, "{incident:?} at {threads}");
        }
        let mut parts: Vec<PathBuf> = fs::read_dir(&evidence).unwrap().map(|entry| entry.unwrap().path()).collect();
        parts.sort();
        let forwards = said(&parts, &evidence, 2);
        parts.reverse();
        assert!(said(&parts, &evidence, 2) == forwards, "{incident:?} backwards");
        // Named by their whole paths, transcripts are not those of the case file's runs: what that adds to a strength is missing.
        assert_eq!(which(&forwards.0), which(&whole.0), "{incident:?} by its parts");
    }
}

/// So little that every observation and every reading is laid aside by itself, and so much that some stay.
#[test]
fn what_is_laid_aside_changes_no_byte() {
    for incident in incidents() {
        let evidence = incident.join("evidence");
        let paths = std::slice::from_ref(&evidence);
        let whole = said(paths, &evidence, 2);
        for allowed in [1, 40_000] {
            let memory = Arc::new(Memory::of(allowed));
            assert!(said_within(&memory, paths, &evidence, 2) == whole, "{incident:?} in {allowed} bytes");
            assert!(allowed > 1 || memory.shelved() > 0, "{incident:?}");
            assert_eq!(memory.failure(), None, "{incident:?}");
        }
    }
}

#[test]
fn packed_evidence_leads_to_the_same_findings() {
    for incident in incidents() {
        let evidence = incident.join("evidence");
        let place = tempfile::tempdir().unwrap();
        // The name stays: it is an episode's.
        copy(&evidence, place.path(), &|from, to| {
            let bytes = fs::read(from).unwrap();
            let bytes = if is_case(from) { bytes } else { zstd::stream::encode_all(&bytes[..], 1).unwrap() };
            fs::write(to, bytes).unwrap();
        });
        let whole = said(std::slice::from_ref(&evidence), &evidence, 2).0;
        let packed = said(&[place.path().to_path_buf()], place.path(), 2).0;
        assert_eq!(findings(&packed), findings(&whole), "{incident:?}");
    }
}

/// A log that was rotated: its lines in two files, the older of which has another name.
#[test]
fn logs_in_pieces_lead_to_the_same_findings() {
    for incident in incidents() {
        let evidence = incident.join("evidence");
        let place = tempfile::tempdir().unwrap();
        let mut cut = std::cell::Cell::new(0);
        copy(&evidence, place.path(), &|from, to| {
            let bytes = fs::read(from).unwrap();
            let is_log = from.extension().is_some_and(|extension| extension == "log");
            let middle = bytes.len() / 2;
            let at =
                bytes[middle..].iter().position(|byte| *byte == b'\n').map(|at| middle + at + 1).filter(|_| is_log);
            let Some(at) = at.filter(|at| *at < bytes.len()) else { return fs::write(to, bytes).unwrap() };
            let (older, newer) = bytes.split_at(at);
            fs::File::create(to).unwrap().write_all(newer).unwrap();
            fs::write(format!("{}.1", to.display()), older).unwrap();
            cut.set(cut.get() + 1);
        });
        assert!(*cut.get_mut() > 0 || !evidence.join("firewall.log").exists(), "{incident:?}");
        let whole = said(std::slice::from_ref(&evidence), &evidence, 2).0;
        let pieces = said(&[place.path().to_path_buf()], place.path(), 2).0;
        assert_eq!(which(&pieces), which(&whole), "{incident:?}");
    }
}
