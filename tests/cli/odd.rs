//! Evidence that is not what one would hope for: alone, undated, damaged, packed, beside the point.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Ran, coincident};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/reference/evidence").join(name)
}

/// A directory with copies of these files of the reference incident in `in/`.
fn with(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    for name in names {
        let from = reference(name);
        fs::copy(&from, directory.path().join("in").join(from.file_name().unwrap())).unwrap();
    }
    directory
}

fn summary(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn one_source_alone_gives_what_it_has() {
    let capture = with(&["capture.pcap"]);
    let ran = coincident(&["analyze", "in", "--format", "jsonl"], capture.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = summary(&ran);
    assert_eq!((&told["status"], &told["episodes"]), (&"complete".into(), &0.into()));
    assert!(told["unexplained"].as_u64() > Some(0), "signals that no step explains: {told}");
    let screen = coincident(&["analyze", "in"], capture.path()).stdout;
    assert!(screen.contains("No episode: there is no transcript") && screen.contains("would decide:"), "{screen}");

    let transcript = with(&["transcripts/run-a/ep-001.jsonl"]);
    let ran = coincident(&["analyze", "in", "--format", "jsonl"], transcript.path());
    let told = summary(&ran);
    assert_eq!((ran.code, &told["episodes"]), (Some(0), &1.into()), "{told}");
    assert!(told["uncovered"].as_u64() > Some(0), "acts that no telemetry covers: {told}");

    let gpu = with(&["gpu.csv"]);
    let ran = coincident(&["analyze", "in"], gpu.path());
    assert!(ran.code == Some(0) && ran.stdout.contains("zone assumed UTC"), "{}", ran.stdout);
}

#[test]
fn a_log_without_a_year_says_how_to_date_it() {
    let case = with(&["firewall.log"]);
    let ran = coincident(&["analyze", "in"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("Undated: firewall.log: ") && ran.stdout.contains("--year 'firewall.log=YYYY'"),
        "{}",
        ran.stdout
    );
    let ran = coincident(&["analyze", "in", "--year", "firewall.log=2026"], case.path());
    assert!(!ran.stdout.contains("Undated") && ran.stdout.contains("2026-11-21"), "{}", ran.stdout);
    // Undated rows are in the timeline, too.
    let rows = coincident(&["timeline", "in"], case.path()).stdout;
    assert_eq!(rows.lines().count(), 140, "a header and all 139 lines");
}

#[test]
fn a_bad_line_is_counted_and_named() {
    let case = with(&["transcripts/run-a/ep-001.jsonl"]);
    let path = case.path().join("in/ep-001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> =
        text.lines().enumerate().map(|(at, line)| if at == 4 { "{\"type\": broken" } else { line }).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let ran = coincident(&["analyze", "in"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Unread: ep-001.jsonl, 1 record: not JSON × 1 (first: line 5)"), "{}", ran.stdout);
    let ran = coincident(&["analyze", "in", "--format", "jsonl"], case.path());
    assert_eq!(summary(&ran)["unread_records"], 1);
    let probe = coincident(&["probe", "in"], case.path()).stdout;
    assert!(probe.contains("not JSON") && probe.contains("line 5"), "{probe}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_and_named() {
    let case = with(&["gpu.csv"]);
    std::os::unix::fs::symlink(".", case.path().join("in/loop")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", case.path().join("in/elsewhere")).unwrap();
    for verb in ["analyze", "probe", "timeline", "clocks"] {
        let ran = coincident(&[verb, "in"], case.path());
        assert_eq!(ran.code, Some(3), "{verb}");
        let told = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
        assert!(told.contains("not read: in/loop: a symbolic link, not followed"), "{verb}: {told}");
        assert!(told.contains("not read: in/elsewhere: a symbolic link, not followed"), "{verb}: {told}");
    }
}

#[test]
fn packed_evidence_says_the_same_and_cut_evidence_says_so() {
    use std::io::Write;
    let case = with(&["capture.pcap", "conntrack.log"]);
    let counted = |verb: &str| coincident(&[verb, "in", "--format", "csv"], case.path()).stdout.lines().count();
    let plain = counted("timeline");
    let input = case.path().join("in");
    let capture = fs::read(input.join("capture.pcap")).unwrap();
    fs::write(input.join("capture.pcap.zst"), zstd::encode_all(capture.as_slice(), 1).unwrap()).unwrap();
    fs::remove_file(input.join("capture.pcap")).unwrap();
    let log = fs::read(input.join("conntrack.log")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&log).unwrap();
    let packed = packer.finish().unwrap();
    fs::write(input.join("conntrack.log.gz"), &packed).unwrap();
    fs::remove_file(input.join("conntrack.log")).unwrap();
    assert_eq!(counted("timeline"), plain);
    fs::write(input.join("conntrack.log.gz"), &packed[..packed.len() / 2]).unwrap();
    let ran = coincident(&["analyze", "in"], case.path());
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    assert!(ran.stdout.contains("Not read: conntrack.log.gz: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("conntrack, gzip"), "what came before is used: {}", ran.stdout);
}

#[test]
fn a_wrong_case_file_names_line_and_remedy() {
    let case = with(&["gpu.csv"]);
    let wrong = [
        ("[[run]]\n", "missing field `transcripts`"),
        ("[[host]]\nname = 3\n", "expected a string"),
        ("[gpu]\nprice_per_gpu_hour = -1.0\n", "a price is a number from 0 on"),
        ("[[source]]\npath = \"a\"\nzone = \"Mars\"\n", "give an IANA name"),
        ("x = \n", "case.toml:1:"),
    ];
    for (text, says) in wrong {
        fs::write(case.path().join("in/case.toml"), text).unwrap();
        let ran = coincident(&["analyze", "in"], case.path());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{text}");
        assert!(ran.stderr.contains("in/case.toml:") && ran.stderr.contains(says), "{text}: {}", ran.stderr);
    }
}

#[test]
fn a_path_that_is_not_there_does_not_stop_the_others() {
    let case = with(&["gpu.csv"]);
    let ran = coincident(&["analyze", "in", "missing"], case.path());
    assert_eq!(ran.code, Some(3));
    assert!(ran.stdout.contains("Not read: missing: ") && ran.stdout.contains("nvidia-smi-gpu"), "{}", ran.stdout);
}
