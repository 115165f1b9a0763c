//! What other tools take in, and lists that others gave out.

use std::fs;

use super::{case, coincident};

#[test]
fn shapes_for_other_tools_are_whole_documents_and_the_same_every_time() {
    let case = case();
    for (format, field) in [("sarif", "runs"), ("stix", "objects"), ("attack-flow", "objects"), ("case", "@graph")] {
        let ran = coincident(&["analyze", "in", "--format", format], case.path());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{format}");
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(document[field].as_array().is_some_and(|items| !items.is_empty()), "{format}");
        let again = coincident(&["analyze", "in", "--format", format, "--threads", "1"], case.path());
        assert_eq!(again.stdout, ran.stdout, "{format}");
    }
}

#[test]
fn a_timeline_goes_to_a_new_file_whole() {
    let case = case();
    let ran = coincident(&["timeline", "in", "--format", "parquet", "-o", "t.parquet"], case.path());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    let bytes = fs::read(case.path().join("t.parquet")).unwrap();
    // https://parquet.apache.org/docs/file-format/: the magic number at both ends.
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let plain = coincident(&["timeline", "in"], case.path()).stdout;
    coincident(&["timeline", "in", "-o", "t.csv"], case.path());
    assert_eq!(fs::read_to_string(case.path().join("t.csv")).unwrap(), plain);
}

#[test]
fn undated_rows_that_timesketch_cannot_take_are_told() {
    let case = case();
    let line = "fw kernel: EGRESS IN= OUT=eth0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 PROTO=TCP SPT=50012 DPT=443 SYN\n";
    fs::write(case.path().join("in/undated.log"), line).unwrap();
    let all = coincident(&["timeline", "in"], case.path()).stdout;
    let undated = all.lines().skip(1).filter(|line| line.starts_with(',')).count();
    let ran = coincident(&["timeline", "in", "--format", "timesketch-csv"], case.path());
    assert_eq!(ran.stdout.lines().count(), all.lines().count() - undated);
    assert_eq!(ran.stderr.contains(&format!("{undated} undated rows left out")), undated > 0, "{}", ran.stderr);
}

#[test]
fn lists_of_the_case_file_are_counted_and_hashed() {
    let case = case();
    fs::write(case.path().join("in/case.toml"), "[intel]\nfiles = [\"iocs.csv\"]\n").unwrap();
    let list = "type,value\nipv4,203.0.113.66\nmd5,d41d8cd98f00b204e9800998ecf8427e\n\u{1b}[2J,x\n";
    fs::write(case.path().join("in/iocs.csv"), list).unwrap();
    let ran = coincident(&["analyze", "in", "-o", "out"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let said = "indicators of in/iocs.csv: addresses 1, names 0, words 0; not used: \\x1b[2j 1, md5 1";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let manifest = fs::read_to_string(case.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["indicator_lists"][0]["path"], "in/iocs.csv");
    assert_eq!(manifest["indicator_lists"][0]["bytes"], list.len());
    assert_eq!(manifest["inputs"].as_array().map(Vec::len), Some(1), "a list is no evidence");
}
