//! Every call that reads evidence or writes results fails once, by fault injection (strace(1), `inject`). Whatever happens, it
//! is said, and no result passes for a whole one.

use std::fs;
use std::path::{Path, PathBuf};

use super::{has, incident, ran, text};

/// Where the program is told that a call failed, in the words of strace.
fn injecting(what: &str, path: Option<&str>) -> Vec<String> {
    let mut wrapper: Vec<String> = ["strace", "-f", "-qq", "-o", "injected"].map(str::to_owned).to_vec();
    if let Some(path) = path {
        wrapper.extend(["-P".to_owned(), path.to_owned()]);
    }
    wrapper.extend(["-e".to_owned(), format!("inject={what}")]);
    wrapper
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => {
                found.push(entry.path());
                below(&entry.path(), found);
            }
            false => found.push(entry.path()),
        }
    }
}

#[test]
fn a_call_that_fails_on_evidence_is_told_and_the_rest_is_analysed() {
    if !has(&["strace", "-o", "/dev/null"]) {
        return;
    }
    let directory = incident();
    let place = directory.path();
    let whole = ran(&[], &["analyze", "in", "--format", "jsonl"], place);
    assert!(whole.status.success());
    let mut paths = Vec::new();
    below(&place.join("in"), &mut paths);
    // The case file is no evidence: without it nothing is analysed, which another test shows.
    paths.retain(|path| !path.ends_with("case.toml"));
    paths.sort();
    assert_eq!(paths.iter().filter(|path| path.is_file()).count(), 11);
    // One transcript of each format is enough.
    paths.retain(|path| {
        !["ep-002", "ep-003", "ep-004", "ep-005"].iter().any(|name| path.to_str().unwrap().contains(name))
    });
    let faults = [
        "openat:error=EACCES:when=1",
        "openat:error=EMFILE:when=2",
        "openat:error=EIO:when=3+",
        "read:error=EIO:when=1",
        "read:error=EIO:when=2",
        "read:error=ESTALE:when=3",
        "read:error=EIO:when=4+",
        "statx,newfstatat,fstat:error=EIO:when=1",
        "getdents64:error=EIO:when=1",
    ];
    let (mut told, mut unharmed) = (0, 0);
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        for fault in faults {
            let wrapper = injecting(fault, path.to_str());
            let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
            let output = ran(&wrapper, &["analyze", "in", "--format", "jsonl", "--threads", "1"], place);
            let said = text(&output.stderr);
            match output.status.code() {
                // The call was not made so often, or it was made again.
                Some(0) => {
                    assert!(output.stdout == whole.stdout, "{name}, {fault}: another result, and not a word: {said}");
                    unharmed += 1;
                }
                Some(3) => {
                    assert!(said.contains(name), "{name}, {fault}: {said}");
                    let summary = text(&output.stdout).lines().last().unwrap().to_owned();
                    assert!(summary.contains("\"status\":\"partial\""), "{name}, {fault}: {summary}");
                    told += 1;
                }
                other => panic!("{name}, {fault}: left with {other:?}: {said}"),
            }
        }
    }
    assert!(told > 25 && unharmed > 10, "{told} told, {unharmed} unharmed");
}

#[test]
fn a_read_that_is_interrupted_is_made_again() {
    if !has(&["strace", "-o", "/dev/null"]) {
        return;
    }
    let directory = incident();
    let whole = ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path());
    let evidence = directory.path().join("in/firewall.log");
    let wrapper = injecting("read:error=EINTR:when=2+3", evidence.to_str());
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let output = ran(&wrapper, &["analyze", "in", "--format", "jsonl"], directory.path());
    assert!(output.stdout == whole.stdout, "{}", text(&output.stderr));
}

#[test]
fn a_call_that_fails_on_results_leaves_nothing_that_looks_whole() {
    if !has(&["strace", "-o", "/dev/null"]) {
        return;
    }
    let directory = incident();
    let place = directory.path();
    let mut failed = 0;
    for call in
        ["write:error=ENOSPC", "write:error=EIO", "fsync:error=EIO", "renameat2:error=EACCES", "openat:error=ENOSPC"]
    {
        for when in [1, 2, 5, 9, 11, 12, 13] {
            let output_directory = format!("out-{}-{when}", call.replace([':', '='], "-"));
            // Of opening, that of results alone: their names are new ones below the directory.
            let injected = match call.starts_with("openat") {
                true => format!("{call}:when={}+", 40 + when * 12),
                false => format!("{call}:when={when}"),
            };
            let wrapper = injecting(&injected, None);
            let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
            let arguments = ["analyze", "in", "-q", "--threads", "1", "-o", &output_directory];
            let output = ran(&wrapper, &arguments, place);
            let results = place.join(&output_directory);
            let names: Vec<String> = fs::read_dir(&results)
                .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
                .unwrap_or_default();
            let finished = names.iter().any(|name| name == "manifest.json");
            if !output.status.success() {
                failed += 1;
            }
            if finished {
                // Only what came after it, the words on the screen, can have failed.
                let verified = ran(&[], &["verify", &output_directory], place);
                assert_eq!(verified.status.code(), Some(0), "{injected}: {}", text(&verified.stdout));
            } else {
                assert!(!output.status.success(), "{injected}: no manifest, and not a word: {names:?}");
            }
            assert!(!names.iter().any(|name| name.starts_with(".coincident")), "{injected}: {names:?}");
        }
    }
    assert!(failed > 15, "{failed} failed");
}

#[test]
fn a_full_device_is_told() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return eprintln!("skipped: there is no /dev/full here");
    };
    let directory = incident();
    for arguments in [["analyze", "in"], ["timeline", "in"], ["probe", "in"], ["rules", "list"]] {
        let mut command = super::program(&[], &arguments, directory.path());
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("space"), "{arguments:?}: {}", text(&output.stderr));
    }
}
