//! `simulate` and `evaluate`.

use std::fs;

use crate::coincident;

fn simulate(arguments: &[&str], directory: &std::path::Path) -> crate::Ran {
    let short = ["simulate", "--seconds", "900", "--sandboxes", "2", "--acts", "2"];
    coincident(&[&short, arguments].concat(), directory)
}

#[test]
fn the_same_seed_writes_the_same_worlds_and_they_are_measured() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let ran = simulate(&["-o", name, "--worlds", "2", "--seed", "9", "--without", "gpu"], directory.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let files = ["truth.json", "evidence/capture.pcap", "evidence/firewall.log", "evidence/case.toml"];
    for file in files {
        let read = |name: &str| fs::read(directory.path().join(name).join("agent-0001").join(file)).unwrap();
        assert_eq!(read("a"), read("b"), "{file}");
    }
    assert!(!directory.path().join("a/agent-0000/evidence/gpu.csv").exists());
    let ran = coincident(&["evaluate", "a", "--format", "csv", "-o", "out"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("worlds,measure,of,value,low,high,bar,outcome\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("agent,episode recall,"), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(directory.path().join("out/evaluation.csv")).unwrap(), ran.stdout);
    let page = fs::read_to_string(directory.path().join("out/evaluation.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<script") && !page.contains("http"), "nothing is loaded");
}

#[test]
fn a_bar_that_is_missed_shows_in_the_exit_code_and_one_that_is_met_does_too() {
    let directory = tempfile::tempdir().unwrap();
    let ran = simulate(&["-o", "quiet", "--family", "quiet"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = coincident(&["evaluate", "quiet"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    // A truth that says the episode did nothing, of a world in which it did: what is found there is held against it.
    let ran = simulate(&["-o", "guilty", "--wording", "literal", "--launch", "foreground"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let truth = directory.path().join("guilty/agent-0000/truth.json");
    let changed = fs::read_to_string(&truth).unwrap().replace("\"family\": \"agent\"", "\"family\": \"quiet\"");
    fs::write(&truth, changed).unwrap();
    let ran = coincident(&["evaluate", "guilty"], directory.path());
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("missed"), "{}", ran.stdout);
}

#[test]
fn mistakes_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let ran = simulate(&["-o", "a", "--family", "nobody"], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("intruder") && ran.stderr.contains("harness"), "{}", ran.stderr);
    fs::create_dir(directory.path().join("full")).unwrap();
    fs::write(directory.path().join("full/x"), "x").unwrap();
    let ran = simulate(&["-o", "full"], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("not empty"), "{}", ran.stderr);
    let ran = coincident(&["evaluate", "full"], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("truth.json"), "{}", ran.stderr);
    fs::write(directory.path().join("full/truth.json"), "{}").unwrap();
    let ran = coincident(&["evaluate", "full"], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("full") && ran.stderr.contains("simulate"), "{}", ran.stderr);
}
