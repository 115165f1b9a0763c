//! The command line as a user meets it: exit codes, streams, files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod custody;
mod exchange;
mod odd;
mod reference;
mod rules;
mod shell;
mod timeline;
mod worlds;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;
use tempfile::TempDir;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn coincident(arguments: &[&str], directory: &Path) -> Ran {
    let mut command = Command::cargo_bin("coincident").unwrap();
    let output = command.args(arguments).current_dir(directory).env_remove("NO_COLOR").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// A directory with evidence in `in/`: a firewall log of one line.
fn case() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    let line = "2026-11-20T14:13:46+00:00 fw kernel: EGRESS IN= OUT=eth0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 \
                PROTO=TCP SPT=50012 DPT=443 SYN\n";
    fs::write(directory.path().join("in/firewall.log"), line).unwrap();
    directory
}

const VERBS: [&[&str]; 15] = [
    &["analyze"],
    &["probe"],
    &["timeline"],
    &["clocks"],
    &["explain"],
    &["check"],
    &["verify"],
    &["schema"],
    &["rules"],
    &["rules", "list"],
    &["rules", "lint"],
    &["simulate"],
    &["evaluate"],
    &["completions"],
    &["man"],
];

#[test]
fn every_help_states_the_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    for verb in VERBS.iter().chain([&[].as_slice()]) {
        let mut arguments = verb.to_vec();
        arguments.push("--help");
        let ran = coincident(&arguments, directory.path());
        assert_eq!(ran.code, Some(0), "{verb:?}");
        for sentence in
            ["Exit codes:", "0  done", "1  findings at or above", "2  usage", "3  some evidence could not be read"]
        {
            assert!(ran.stdout.contains(sentence), "{verb:?} lacks {sentence:?}: {}", ran.stdout);
        }
    }
}

#[test]
fn global_options_are_known_to_every_verb() {
    let directory = tempfile::tempdir().unwrap();
    for verb in VERBS {
        let mut arguments = verb.to_vec();
        arguments.push("--help");
        let help = coincident(&arguments, directory.path()).stdout;
        for option in ["--color", "--threads", "--display-tz", "--rules", "--quiet", "--verbose"] {
            assert!(help.contains(option), "{verb:?} lacks {option}");
        }
    }
}

#[test]
fn usage_errors_leave_with_two_and_say_what_to_do() {
    let case = case();
    let wrong: [(&[&str], &str); 27] = [
        (&[], "Usage"),
        (&["analyse"], "analyze"),
        (&["analyze"], "PATH"),
        (&["analyze", "in", "--tz", "firewall.log"], "give PATTERN=ZONE"),
        (&["analyze", "in", "--tz", "*.log=Mars/Base"], "IANA name"),
        (&["analyze", "in", "--year", "*.log=26"], "four digits"),
        (&["analyze", "in", "--offset", "*.log=5"], "give numbers with h, m, s"),
        (&["analyze", "in", "--input-format", "*.log=nonsense"], "no format \"nonsense\"; formats:"),
        (&["analyze", "in", "--case", "none.toml"], "check that the case file exists"),
        (&["analyze", "in", "--force"], "--output"),
        (&["timeline", "in", "--from", "2026-11-20T14:13:46"], "RFC 3339 with an offset"),
        (
            &["timeline", "in", "--from", "2026-11-20T14:13:46Z", "--to", "2026-11-20T14:13:45Z"],
            "--from lies after --to",
        ),
        (&["timeline", "in", "--episode", "ep-9"], "no such episode"),
        (&["timeline", "in", "--format", "parquet"], "give a file for it with --output"),
        (&["timeline", "in", "--output", "in/firewall.log"], "nothing is overwritten"),
        (&["timeline", "in", "--output", "in/timeline.csv"], "lies within the evidence"),
        (&["timeline", "in", "--where", "dst_prt == 1"], "there is no column \"dst_prt\"; columns: time, "),
        (&["timeline", "in", "--columns", "time,tim"], "there is no column \"tim\"; columns: time, "),
        (&["timeline", "in", "--columns", "time", "--profile", "minimal"], "cannot be used with"),
        (&["timeline", "in", "--around", "F-0001"], "F-0001: no such finding; findings here: none"),
        (&["timeline", "in", "--around", "F-0001", "--findings", "in"], "give what `analyze -o` wrote"),
        (&["timeline", "in", "--around", "F-0001", "--window", "2"], "give numbers with h, m, s"),
        (&["timeline", "in", "--window", "2m"], "--around"),
        (&["completions", "tcsh"], "bash"),
        (&["analyze", "in", "-o", "a", "-o", "b"], "cannot be used multiple times"),
        (&["analyze", "in", "--rules", "none"], "give a directory of Sigma rules"),
        (&["analyze", "in", "--rules", "in"], "no rules (.yml, .yaml)"),
    ];
    for (arguments, says) in wrong {
        let ran = coincident(arguments, case.path());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn no_evidence_is_a_usage_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("empty")).unwrap();
    for path in ["empty", "missing"] {
        for verb in ["analyze", "probe", "timeline", "clocks"] {
            let ran = coincident(&[verb, path], directory.path());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{verb} {path}");
            assert!(ran.stderr.contains(&format!("no evidence in {path}")), "{}", ran.stderr);
        }
    }
    let ran = coincident(&["analyze", "empty", "--format", "jsonl"], directory.path());
    assert_eq!(ran.code, Some(2));
    let summary: serde_json::Value = serde_json::from_str(ran.stdout.trim_end()).unwrap();
    assert_eq!((&summary["type"], &summary["status"]), (&"summary".into(), &"error".into()));
}

#[test]
fn a_case_file_alone_is_no_evidence_and_is_named_when_used() {
    let case = case();
    fs::create_dir(case.path().join("bare")).unwrap();
    fs::write(case.path().join("bare/case.toml"), "").unwrap();
    assert!(coincident(&["analyze", "bare"], case.path()).stderr.contains("no evidence in bare"));
    fs::write(case.path().join("in/case.toml"), "[[source]]\npath = \"firewall.log\"\nzon = \"UTC\"\n").unwrap();
    let ran = coincident(&["analyze", "in"], case.path());
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("in/case.toml:3:1: unknown field `zon`, expected one of `path`, `zone`"),
        "{}",
        ran.stderr
    );
    fs::write(case.path().join("other.toml"), "").unwrap();
    let ran = coincident(&["analyze", "in", "--case", "other.toml"], case.path());
    assert!(ran.stderr.contains("case file other.toml"), "{}", ran.stderr);
    assert_eq!(coincident(&["analyze", "in", "--case", "other.toml", "--quiet"], case.path()).stderr, "");
    let ran = coincident(&["analyze", "in", "bare"], case.path());
    assert!(ran.code == Some(2) && ran.stderr.contains("name one with --case"), "{}", ran.stderr);
}

#[test]
fn a_closed_pipe_is_success() {
    let case = case();
    for arguments in [&["timeline", "in"][..], &["probe", "in"], &["rules", "list"], &["--help"]] {
        // The reading end is gone before the program starts, so the first write meets a closed pipe.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::cargo_bin("coincident").unwrap();
        command.args(arguments).current_dir(case.path()).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert_eq!(stderr, "", "{arguments:?}");
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let case = case();
    fs::create_dir(case.path().join("out")).unwrap();
    fs::write(case.path().join("out/notes.txt"), "mine").unwrap();
    let ran = coincident(&["analyze", "in", "-o", "out"], case.path());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("out: not empty, and nothing is overwritten"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(case.path().join("out")).unwrap().count(), 1);
    assert_eq!(coincident(&["analyze", "in", "-o", "out", "--force"], case.path()).code, Some(0));
    assert_eq!(coincident(&["analyze", "in", "-o", "out", "--force"], case.path()).code, Some(0), "again");
    assert_eq!(fs::read_to_string(case.path().join("out/notes.txt")).unwrap(), "mine");
    let ran = coincident(&["analyze", "in", "-o", "in/firewall.log"], case.path());
    assert!(ran.code == Some(2) && ran.stderr.contains("not a directory"), "{}", ran.stderr);
    for inside in ["in/out", "in", "out/../in/sub/out"] {
        let ran = coincident(&["analyze", "in", "-o", inside, "--force"], case.path());
        assert!(ran.code == Some(2) && ran.stderr.contains("lies within the evidence"), "{inside}: {}", ran.stderr);
    }
    assert_eq!(fs::read_dir(case.path().join("in")).unwrap().count(), 1, "the evidence is as it was");
}

#[test]
fn results_are_whole_and_do_not_depend_on_order_or_threads() {
    let case = case();
    fs::create_dir(case.path().join("more")).unwrap();
    fs::copy(case.path().join("in/firewall.log"), case.path().join("more/firewall.log")).unwrap();
    let runs = [("a", ["in", "more"], "1"), ("b", ["more", "in"], "4")];
    for (output, paths, threads) in runs {
        let ran = coincident(&["analyze", paths[0], paths[1], "-o", output, "--threads", threads], case.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let files = |output: &str| {
        let mut names: Vec<String> = fs::read_dir(case.path().join(output))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        files("a"),
        [
            "SHA256SUMS",
            "clocks.csv",
            "conversations.csv",
            "episodes.csv",
            "findings.csv",
            "findings.jsonl",
            "manifest.json",
            "rates.csv",
            "recurrence-tests.csv",
            "recurrence.csv",
            "report.html"
        ]
    );
    for file in files("a") {
        let read = |output: &str| fs::read(case.path().join(output).join(&file)).unwrap();
        assert!(read("a") == read("b"), "{file} differs");
        assert!(read("a").ends_with(b"\n"), "{file} has no end");
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(case.path().join("a/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["arguments"], serde_json::json!(["analyze", "in", "more"]));
    assert_eq!(manifest["outputs"].as_array().unwrap().len(), 9);
}

#[test]
fn tables_have_headers_without_rows() {
    let case = case();
    assert!(coincident(&["analyze", "in", "--format", "csv"], case.path()).stdout.starts_with("finding,level,"));
    assert!(
        coincident(&["timeline", "in"], case.path())
            .stdout
            .starts_with("time,time_hi,time_basis,time_meaning,type,kind,")
    );
    assert!(coincident(&["clocks", "in"], case.path()).stdout.starts_with(" SOURCE "));
    assert!(coincident(&["analyze", "in"], case.path()).stdout.contains(" ID  EPISODE  STEP  BEHAVIOUR  STRENGTH"));
}

#[test]
fn explain_reads_what_analyze_wrote() {
    let case = case();
    assert_eq!(coincident(&["analyze", "in", "-o", "out"], case.path()).code, Some(0));
    let ran = coincident(&["explain", "out", "F-0042"], case.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("F-0042: no such finding; findings here: none"), "{}", ran.stderr);
    fs::write(case.path().join("out/findings.jsonl"), "{\"type\":\"finding\",\n").unwrap();
    let ran = coincident(&["explain", "out", "F-0042"], case.path());
    assert!(ran.code == Some(2) && ran.stderr.contains("findings.jsonl:1: "), "{}", ran.stderr);
}

#[test]
fn check_passes_fails_and_names_what_differs() {
    let case = case();
    let incident = |name: &str, expect: &str| {
        let evidence = case.path().join("incidents").join(name).join("evidence");
        fs::create_dir_all(&evidence).unwrap();
        fs::copy(case.path().join("in/firewall.log"), evidence.join("firewall.log")).unwrap();
        fs::write(evidence.parent().unwrap().join("expect.toml"), expect).unwrap();
    };
    incident("calm", "[never]\nepisodes = [\"ep-001\"]\n");
    let ran = coincident(&["check", "incidents"], case.path());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("as expected"), "{}", ran.stdout);
    incident("missed", "[[finding]]\nepisode = \"ep-001\"\nstep = 4\nbehaviour = \"tunnel\"\n");
    incident("mistyped", "[[findings]]\n");
    let ran = coincident(&["check", "incidents", "--junit", "junit.xml"], case.path());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("missing    ep-001 step 4 tunnel") || ran.stdout.contains("ep-001 step 4 tunnel"));
    assert!(ran.stdout.contains("expect.toml:1: unknown field `findings`"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 of 3 incidents as expected"), "{}", ran.stderr);
    let xml = fs::read_to_string(case.path().join("junit.xml")).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{xml}");
    assert_eq!(coincident(&["check", "in"], case.path()).code, Some(2), "no expect.toml");
}

#[test]
fn what_was_blessed_is_expected_and_the_rest_still_fails() {
    let directory = tempfile::tempdir().unwrap();
    let incident = directory.path().join("incident");
    fs::create_dir(&incident).unwrap();
    let evidence = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/incidents/reference/evidence");
    copied(Path::new(evidence), &incident.join("evidence"));
    let expect = incident.join("expect.toml");
    let wrong = "# kept\n[[finding]]\nepisode = \"ep-001\"\nstep = 9\nbehaviour = \"tunnel\"\n\n[[finding]]\n\
                 behaviour = \"mining\"\nat_most = 1\n";
    fs::write(&expect, wrong).unwrap();
    let ran = coincident(&["check", "incident", "--bless", "--junit", "junit.xml"], directory.path());
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    for said in ["changed", "ep-001 step 9 tunnel to ep-001 step 4 tunnel", "added", "at most 1 of any episode mining"]
    {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    let text = fs::read_to_string(&expect).unwrap();
    assert!(text.starts_with("# kept\n") && text.contains("at_most = 1"), "{text}");
    fs::write(&expect, text.replace("at_most = 1", "at_most = 2")).unwrap();
    let ran = coincident(&["check", "incident"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let ran = coincident(&["check", "incident", "--bless"], directory.path());
    assert!(ran.code == Some(0) && ran.stderr.contains("0 changes"), "{}", ran.stderr);
    fs::write(&expect, "unexpected = \"warn\"\n").unwrap();
    let ran = coincident(&["check", "incident", "--junit", "junit.xml"], directory.path());
    assert!(ran.code == Some(0) && ran.stdout.contains("warning, unexpected"), "{}", ran.stdout);
    let xml = fs::read_to_string(directory.path().join("junit.xml")).unwrap();
    assert!(xml.contains("failures=\"0\"") && xml.contains("<system-out>unexpected: ep-001 step 3 probing"), "{xml}");
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let case = case();
    assert!(!coincident(&["clocks", "in"], case.path()).stdout.contains('\x1b'));
    assert!(coincident(&["clocks", "in", "--color", "always"], case.path()).stdout.contains("\x1b[1mSOURCE\x1b[0m"));
    assert!(!coincident(&["clocks", "in", "--color", "never"], case.path()).stdout.contains('\x1b'));
}

#[test]
fn a_file_that_no_format_knows_is_named_and_leaves_with_three() {
    let case = case();
    fs::write(case.path().join("in/noise.bin"), [0x9f, 0x00, 0x13, 0x37].repeat(64)).unwrap();
    for verb in ["analyze", "probe", "timeline", "clocks"] {
        let ran = coincident(&[verb, "in"], case.path());
        assert_eq!(ran.code, Some(3), "{verb}: {}", ran.stderr);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).to_lowercase().contains("not read: noise.bin: "),
            "{verb}: {}",
            ran.stderr
        );
    }
    let ran = coincident(&["analyze", "in", "--format", "jsonl"], case.path());
    let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["status"], "partial");
}
