//! `rules` and `--rules`.

use std::fs;

use crate::{case, coincident};

const RULE: &str = "title: Pool by name
id: 5e2d6c2a-5a0e-4a52-9b0f-0f4a8b1f9f10
status: experimental
description: A connection to the pool of this case.
author: x
date: 2026-11-20
level: high
tags:
    - attack.impact
    - attack.t1496.001
logsource:
    category: network_connection
    product: linux
detection:
    selection:
        DestinationIp: 203.0.113.66
    condition: selection
falsepositives:
    - none known
coincident:
    behaviour: mining
    kind: pool-of-this-case
    confidence: strong
";

#[test]
fn the_rules_in_force_are_listed_in_every_form() {
    let case = case();
    let table = coincident(&["rules", "list"], case.path());
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let header = table.stdout.lines().next().unwrap();
    let titles: Vec<&str> = header.split("  ").map(str::trim).filter(|title| !title.is_empty()).collect();
    assert_eq!(titles, ["ID", "BEHAVIOUR", "KIND", "CONFIDENCE", "LEVEL", "LOG SOURCE", "TITLE"]);
    let rows = table.stdout.lines().count() - 1;
    assert!(rows > 50 && table.stderr.contains(&format!("{rows} rules, ")), "{}", table.stderr);
    let csv = coincident(&["rules", "list", "--format", "csv"], case.path()).stdout;
    assert!(csv.starts_with("id,behaviour,kind,confidence,level,log_source,attack,atlas,owasp,title,path\n"), "{csv}");
    assert_eq!(csv.lines().count(), rows + 1);
    let jsonl = coincident(&["rules", "list", "--format", "jsonl"], case.path()).stdout;
    assert_eq!(jsonl.lines().count(), rows);
    assert!(jsonl.lines().all(|line| line.starts_with("{\"type\":\"rule\",\"id\":\"")), "{jsonl}");
}

#[test]
fn the_rules_that_come_with_the_program_have_no_errors() {
    let case = case();
    let ran = coincident(&["rules", "lint"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stderr.contains("0 errors"), "{}", ran.stderr);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    let listed = |arguments: &[&str]| coincident(arguments, case.path()).stdout;
    assert_eq!(
        listed(&["rules", "list"]),
        listed(&["rules", "list", "--rules", folder]),
        "the folder is what is built in"
    );
}

#[test]
fn rules_of_ones_own_take_the_place_of_the_others() {
    let case = case();
    fs::create_dir(case.path().join("own")).unwrap();
    fs::write(case.path().join("own/pool.yml"), RULE).unwrap();
    let ran = coincident(&["rules", "list", "--rules", "own", "--format", "csv"], case.path());
    assert_eq!(
        ran.stdout.lines().nth(1),
        Some(
            "5e2d6c2a-5a0e-4a52-9b0f-0f4a8b1f9f10,mining,pool-of-this-case,strong,high,network_connection,T1496.001,\
             AML.T0053,ASI02 ASI10,Pool by name,pool.yml"
        )
    );
    // The only rule that knows this address is the one given.
    let signals = |arguments: &[&str]| {
        let ran = coincident(&[&["analyze", "in", "--format", "jsonl"], arguments].concat(), case.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.lines().filter(|line| line.contains("pool-of-this-case")).count()
    };
    assert_eq!(signals(&[]), 0);
    assert!(signals(&["--rules", "own"]) > 0);
    let manifest = |output: &str, arguments: &[&str]| -> serde_json::Value {
        let ran = coincident(&[&["analyze", "in", "-o", output], arguments].concat(), case.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_slice(&fs::read(case.path().join(output).join("manifest.json")).unwrap()).unwrap()
    };
    let (built_in, own) = (manifest("a", &[]), manifest("b", &["--rules", "own"]));
    assert_eq!(own["rule_count"], 1);
    assert_eq!(own["arguments"], serde_json::json!(["analyze", "--rules=own", "in"]));
    assert_ne!(own["rules"], built_in["rules"]);
    let hex = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.len() == 64);
    assert!(hex(&own["rules"]) && hex(&built_in["rules"]));
}

#[test]
fn what_has_nothing_to_look_at_is_set_aside_and_no_error() {
    let case = case();
    fs::create_dir(case.path().join("all")).unwrap();
    let write = |name: &str, text: String| fs::write(case.path().join("all").join(name), text).unwrap();
    write("pool.yml", RULE.to_owned());
    write("windows.yml", RULE.replace("9f10", "9f11").replace("product: linux", "product: windows"));
    write(
        "rate.yml",
        RULE.replace("9f10", "9f12").replace("condition: selection", "condition: selection | count() > 9"),
    );
    let ran = coincident(&["rules", "lint", "all"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stderr.contains("all: 1 rules, "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("all: set aside: 1 count or filter over time, 1 log source not here\n"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("0 errors"), "{}", ran.stderr);
    assert!(ran.stdout.contains("logsource is product windows, category network_connection"), "{}", ran.stdout);
    for file in ["all/windows.yml", "all/rate.yml"] {
        let ran = coincident(&["rules", "lint", file], case.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        assert!(ran.stdout.contains("set aside"), "{}", ran.stdout);
    }
    let ran = coincident(&["analyze", "in", "--rules", "all", "--format", "jsonl"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("pool-of-this-case"));
    assert!(
        ran.stderr.contains("rules set aside: 1 count or filter over time, 1 log source not here"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_wrong_with_rules_is_named_and_the_rest_is_used() {
    let case = case();
    let write = |name: &str, text: String| {
        fs::create_dir_all(case.path().join("own")).unwrap();
        fs::write(case.path().join("own").join(name), text).unwrap();
    };
    write("pool.yml", RULE.to_owned());
    let ran = coincident(&["rules", "lint", "own"], case.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(coincident(&["rules", "lint", "own/pool.yml"], case.path()).code, Some(0));
    write("lost.yml", RULE.replace("9f10", "9f11").replace("behaviour: mining", "behaviour: minnig"));
    write("broken.yml", RULE.replace("9f10", "9f12").replace("condition: selection", "condition: selecton"));
    for arguments in [&["rules", "lint", "own"][..], &["rules", "lint", "--rules", "own"]] {
        let ran = coincident(arguments, case.path());
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("broken.yml") && ran.stdout.contains("unknown behaviour `minnig`"),
            "{}",
            ran.stdout
        );
    }
    let ran = coincident(&["rules", "lint", "own/lost.yml"], case.path());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("\"minnig\" is no behaviour; one of mining, tunnel"), "{}", ran.stdout);
    let ran = coincident(&["analyze", "in", "--rules", "own"], case.path());
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("2 rules, rows or files are not in force"), "{}", ran.stderr);
    let ran = coincident(&["rules", "lint", "none.yml"], case.path());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
}
