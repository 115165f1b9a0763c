//! What the program asks of the system: nothing of the network, and nothing of evidence but to be read.

use std::fs;

use super::{copy, has, incident, ran, text};

const STRACE: [&str; 4] = ["strace", "-f", "-qq", "-o"];

#[test]
fn without_any_network_the_result_is_the_same() {
    let alone = ["unshare", "--map-root-user", "--net"];
    if !has(&alone) {
        return;
    }
    let directory = incident();
    let with = ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path());
    let without = ran(&alone, &["analyze", "in", "--format", "jsonl"], directory.path());
    assert!(with.status.success() && with.stdout.len() > 10_000);
    assert!(with.stdout == without.stdout && without.status.success());
}

/// Every verb, under strace: no call of the network is made (the set `%network` of strace(1)).
#[test]
fn no_socket_is_asked_for() {
    if !has(&["strace", "-o", "/dev/null"]) {
        return;
    }
    let directory = incident();
    let verbs: [&[&str]; 8] = [
        &["analyze", "in", "-o", "out", "--stability"],
        &["verify", "out"],
        &["explain", "out", "F-0001"],
        &["probe", "in"],
        &["timeline", "in"],
        &["clocks", "in"],
        &["rules", "list"],
        &["simulate", "-o", "world", "--worlds", "1"],
    ];
    for verb in verbs {
        let trace = directory.path().join("trace");
        let wrapper = [STRACE.as_slice(), &[trace.to_str().unwrap(), "-e", "trace=%network"]].concat();
        let output = ran(&wrapper, verb, directory.path());
        assert!(output.status.success(), "{verb:?}: {}", text(&output.stderr));
        // A thread that ends as strace lets go of it shows as a call without a name.
        let trace = fs::read_to_string(&trace).unwrap();
        let calls: Vec<&str> = trace.lines().filter(|line| !line.contains("<detached ...>")).collect();
        assert_eq!(calls, [""; 0], "{verb:?}");
    }
}

#[test]
fn evidence_is_opened_for_reading_alone_and_nothing_about_it_is_changed() {
    if !has(&["strace", "-o", "/dev/null"]) {
        return;
    }
    let directory = incident();
    let database = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats/opencode");
    copy(&database, &directory.path().join("in/transcripts/opencode"));
    let trace = directory.path().join("trace");
    let wrapper = [STRACE.as_slice(), &[trace.to_str().unwrap(), "-y", "-e", "trace=%file,%desc"]].concat();
    ran(&wrapper, &["analyze", "in", "-o", "out"], directory.path());
    let trace = fs::read_to_string(trace).unwrap();
    let of_evidence: Vec<&str> = trace.lines().filter(|line| line.contains("\"in/") || line.contains("/in/")).collect();
    assert!(of_evidence.len() > 50);
    let reads = [
        "openat(",
        "read(",
        "pread64(",
        "close(",
        "statx(",
        "newfstatat(",
        "fstat(",
        "lseek(",
        "getdents64(",
        "readlink(",
    ];
    for line in of_evidence {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        let resumed = call.starts_with("<...");
        let reading =
            reads.iter().any(|name| call.starts_with(name)) || call.starts_with("fcntl(") && !call.contains("SETLK");
        assert!(reading || resumed || call.starts_with("mmap(") && !call.contains("PROT_WRITE"), "{line}");
        if call.starts_with("openat(") {
            assert!(call.contains("O_RDONLY"), "{line}");
        }
    }
}

/// Locale, zone and the rest of the environment show nowhere.
#[test]
fn the_environment_makes_no_difference() {
    let directory = incident();
    let mut first = None;
    let environments: [&[(&str, &str)]; 4] = [
        &[("LC_ALL", "C"), ("TZ", "UTC")],
        &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8"), ("TZ", "Pacific/Kiritimati")],
        &[
            ("LC_ALL", "ar_EG.UTF-8"),
            ("TZ", ":/nowhere"),
            ("HOME", "/nonexistent"),
            ("COLUMNS", "20"),
            ("TERM", "dumb"),
        ],
        &[("RAYON_NUM_THREADS", "7"), ("RUST_LOG", "trace"), ("POLARS_MAX_THREADS", "3"), ("POLARS_FMT_MAX_ROWS", "1")],
    ];
    for (at, environment) in environments.iter().enumerate() {
        let name = format!("out{at}");
        let mut command = super::program(&[], &["analyze", "in", "-o", &name], directory.path());
        let output = command.env_clear().envs(environment.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{environment:?}: {}", text(&output.stderr));
        let mut files: Vec<_> =
            fs::read_dir(directory.path().join(&name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let results: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let shown = text(&output.stdout).replace(&name, "out");
        let (results_first, shown_first) = first.get_or_insert_with(|| (results.clone(), shown.clone()));
        assert!(*results_first == results && *shown_first == shown, "{environment:?}");
    }
}

/// The day does not show either: times of files are far from now, and so is the clock where it can be set.
#[test]
fn neither_times_of_files_nor_the_clock_show() {
    let directory = incident();
    let now = ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path()).stdout;
    for entry in fs::read_dir(directory.path().join("in")).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            let file = fs::File::options().append(true).open(entry.path()).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 365)).unwrap();
        }
    }
    assert!(ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path()).stdout == now);
    if has(&["faketime", "2031-02-03 04:05:06"]) {
        let later =
            ran(&["faketime", "2031-02-03 04:05:06"], &["analyze", "in", "--format", "jsonl"], directory.path());
        assert!(later.stdout == now);
    }
}
