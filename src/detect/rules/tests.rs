use std::collections::BTreeSet;
use std::fs;

use super::*;

#[test]
fn embedded_rules_are_sound() {
    let set = RuleSet::embedded();
    let messages: Vec<String> = set.lint().iter().map(ToString::to_string).collect();
    assert!(messages.is_empty(), "{}", messages.join("\n"));
    for rule in &set.rules {
        assert_eq!(rule.path.split('/').next(), Some(rule.behaviour.name()), "{}", rule.path);
        assert!(!rule.attack.is_empty(), "{}", rule.path);
    }
}

/// What ATLAS (data 5.4.0) takes over from ATT&CK, by its own `ATT&CK-reference`, of every technique that rules are
/// tagged with; `None` where it has nothing. A sub-technique that it lacks goes with its technique.
const ATLAS_BY_ATTACK: [(&str, Option<&str>); 38] = [
    ("T1018", None),
    ("T1027", None),
    ("T1036", Some("AML.T0074")),
    ("T1037", None),
    ("T1046", None),
    ("T1053", None),
    ("T1059", Some("AML.T0050")),
    ("T1070", None),
    ("T1090", None),
    ("T1095", None),
    ("T1098", None),
    ("T1105", None),
    ("T1110", None),
    ("T1136", None),
    ("T1140", None),
    // AML.T0010 is of what AI is built from alone.
    ("T1195", None),
    ("T1219", None),
    ("T1222", None),
    ("T1496", None),
    ("T1543", None),
    ("T1546", None),
    ("T1547", None),
    ("T1548", None),
    ("T1552", Some("AML.T0055")),
    ("T1564", None),
    // AML.T0025 is of AI artefacts alone.
    ("T1567", None),
    ("T1571", None),
    ("T1572", None),
    ("T1574", None),
    ("T1578", None),
    ("T1583", Some("AML.T0008")),
    ("T1611", Some("AML.T0105")),
    ("T1613", None),
    // AML.T0048.000 is no counterpart in ATLAS's words, but goes with the whole behaviour.
    ("T1657", None),
    ("T1685", None),
    ("T1686", None),
    ("T1690", None),
    ("T1021", None),
];

#[test]
fn atlas_goes_with_the_attack_tags_of_every_rule() {
    let by_attack: std::collections::BTreeMap<&str, Option<&str>> = ATLAS_BY_ATTACK.into_iter().collect();
    for rule in &RuleSet::embedded().rules {
        let atlas: BTreeSet<&str> =
            crate::model::agentic::atlas(rule.behaviour, [rule.kind.as_str()].into_iter()).into_iter().collect();
        let own: BTreeSet<&str> = rule.behaviour.atlas().iter().copied().collect();
        let wanted: BTreeSet<&str> = rule
            .attack
            .iter()
            .filter_map(|id| {
                let technique = id.split('.').next().unwrap();
                *by_attack.get(technique).unwrap_or_else(|| panic!("{}: {id} is not in the table", rule.path))
            })
            .collect();
        let added: BTreeSet<&str> = atlas.difference(&own).copied().collect();
        // These two have no counterpart in ATT&CK: a shell joined to a socket, an agent's own configuration.
        let special = BTreeSet::from(["AML.T0072", "AML.T0081"]);
        assert_eq!(added.difference(&special).copied().collect::<BTreeSet<_>>(), wanted, "{}", rule.path);
        let shell = rule.behaviour == Behaviour::Tunnel && rule.title.starts_with("Shell")
            || rule.kind == "script-shell"
            || rule.kind == "shell-on-device";
        assert_eq!(added.contains("AML.T0072"), shell, "{}", rule.path);
    }
    for behaviour in Behaviour::ALL {
        for id in behaviour.attack() {
            assert!(by_attack.contains_key(id.split('.').next().unwrap()), "{id}");
        }
    }
}

/// The Sigma 2 linter of rsigma is a second opinion on the files.
#[test]
fn embedded_rules_are_valid_sigma() {
    for (path, text) in index::FILES.iter().filter(|(path, _)| path.ends_with(".yml")) {
        for warning in rsigma_parser::lint::lint_yaml_str(text) {
            let bad = matches!(warning.severity, rsigma_parser::lint::Severity::Error);
            assert!(!bad, "{path}: {}", warning.message);
        }
    }
}

/// A word boundary of Unicode leaves the regex engine its slowest way of searching, many times slower, as soon as one
/// character of the text is not ASCII, and the text is the agent's. `(?:^|\W)` and `(?:\W|$)` say the same.
#[test]
fn no_embedded_rule_asks_for_a_word_boundary() {
    for (path, text) in index::FILES.iter().filter(|(path, _)| path.ends_with(".yml")) {
        assert!(!text.contains(r"\b") && !text.contains(r"\B"), "{path}");
    }
}

#[test]
fn every_file_is_embedded() {
    fn walk(folder: &std::path::Path, prefix: &str, out: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), out);
            } else {
                out.push(path);
            }
        }
    }
    let mut there = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"), "", &mut there);
    there.sort();
    let listed: Vec<&str> = index::FILES.iter().map(|(path, _)| *path).collect();
    assert_eq!(listed, there);
}

const MONERO: &str = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";

fn fired(set: &RuleSet, text: &str) -> BTreeSet<String> {
    let line = CommandLine::parse(text);
    let hits = set.command(&CommandContext { line: &line, text });
    hits.iter()
        .map(|hit| {
            let rule = set.rules.iter().find(|rule| rule.id == hit.id).unwrap();
            rule.path.trim_end_matches(".yml").to_owned()
        })
        .collect()
}

/// For each rule over commands a line that it is about; several shapes where there are several.
#[test]
fn each_rule_fires_on_what_it_is_about() {
    let set = RuleSet::embedded();
    let mut silent: BTreeSet<&str> = set
        .rules
        .iter()
        .filter(|rule| rule.logsource == LogSource::Command)
        .map(|rule| rule.path.trim_end_matches(".yml"))
        .collect();
    for line in include_str!("positives.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (rule, command) = line.split_once(": ").unwrap();
        let command = command.replace("$MONERO", MONERO).replace("\\n", "\n");
        assert!(fired(&set, &command).contains(rule), "{rule} does not fire on {command}: {:?}", fired(&set, &command));
        silent.remove(rule);
    }
    assert_eq!(silent, BTreeSet::new(), "no line for these rules");
}

/// Everyday lines, and lines that only speak of it, fire nothing at all.
#[test]
fn mentions_and_everyday_work_fire_nothing() {
    let set = RuleSet::embedded();
    for line in include_str!("negatives.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let command = line.replace("$MONERO", MONERO).replace("\\n", "\n");
        assert_eq!(fired(&set, &command), BTreeSet::new(), "{command}");
    }
}

#[test]
fn connections_and_names_are_matched_against_the_lists() {
    let set = RuleSet::embedded();
    let kinds = |hits: Vec<RuleHit<'_>>| -> Vec<(String, Confidence)> {
        hits.into_iter().map(|hit| (hit.kind.to_owned(), hit.confidence)).collect()
    };
    let dns = |query| kinds(set.dns(&DnsContext { query, record_type: Some("A") }));
    assert_eq!(dns("pool.supportxmr.com"), [("pool-domain".to_owned(), Confidence::Strong)]);
    assert_eq!(dns("SUPPORTXMR.com."), [("pool-domain".to_owned(), Confidence::Strong)]);
    assert_eq!(dns("notsupportxmr.com"), []);
    assert_eq!(dns("xmr-eu1.pool.example.org"), [("pool-like-name".to_owned(), Confidence::Weak)]);
    assert_eq!(dns("tunnel.us.ngrok.com"), [("ngrok".to_owned(), Confidence::Strong)]);
    assert_eq!(dns("dashboard.ngrok.com"), [("ngrok".to_owned(), Confidence::Weak)]);
    assert_eq!(dns("notngrok.com"), []);
    assert!(dns("us8294.nordvpn.com").contains(&("service-endpoint".to_owned(), Confidence::Strong)));
    assert_eq!(dns("www.nordvpn.com"), [("nordvpn".to_owned(), Confidence::Weak)]);
    assert_eq!(dns("abc.tunnel.ngrok.com"), [("ngrok".to_owned(), Confidence::Strong)]);
    for harmless in ["pypi.org", "github.com", "kasper.example", "extra.example", "etc.example.org"] {
        assert_eq!(dns(harmless), [], "{harmless}");
    }
    let connection = |dst: &str, port, hostname| {
        let context = ConnectionContext {
            dst: Some(dst.parse().unwrap()),
            dst_port: Some(port),
            protocol: Some(Protocol::TCP),
            hostname,
            initiated: Some(true),
            ..ConnectionContext::default()
        };
        kinds(set.connection(&context))
    };
    assert_eq!(connection("203.0.113.9", 443, None), []);
    assert_eq!(connection("203.0.113.9", 3333, None), [("mining-port".to_owned(), Confidence::Weak)]);
    assert_eq!(
        connection("203.0.113.9", 443, Some("gulf.moneroocean.stream")),
        [("pool-like-name".to_owned(), Confidence::Weak), ("pool-domain".to_owned(), Confidence::Strong)]
    );
    assert_eq!(
        connection("169.254.169.254", 80, None),
        [("metadata-connection".to_owned(), Confidence::Weak), ("metadata-service".to_owned(), Confidence::Weak)]
    );
}

const GOOD: &str = "title: A\nid: 5e3f9a52-2c11-4f0a-9f6a-3f7f0f3c9a01\nlogsource:\n    category: firewall\ndetection:\n    selection:\n        action: deny\n        dst_port: 4444\n    condition: selection\nfalsepositives:\n    - none\nlevel: low\ncoincident:\n    behaviour: tunnel\n    kind: a\n    confidence: weak\n";

/// A folder of rules replaces the embedded ones; what is wrong with it is named with file and rule, the rest is used.
#[test]
fn bad_rules_are_named_and_the_others_used() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    write("sub/good.yml", GOOD);
    write("duplicate.yml", &GOOD.replace("title: A", "title: B").replace("4444", "1"));
    write("no-id.yml", &GOOD.replace("id: 5e3f9a52-2c11-4f0a-9f6a-3f7f0f3c9a01\n", ""));
    write("behaviour.yml", &GOOD.replace("9a01", "9a02").replace("behaviour: tunnel", "behaviour: dancing"));
    write("source.yml", &GOOD.replace("9a01", "9a03").replace("firewall", "image_load"));
    write(
        "warn.yml",
        &GOOD
            .replace("9a01", "9a04")
            .replace("falsepositives:\n    - none\n", "tags:\n    - attack.t1562.004\n    - attack.t12\n")
            .replace("level: low\n", "")
            .replace(
                "    condition: selection",
                "    other:\n        blocked: 'true'\n    condition: selection or other",
            ),
    );
    write("broken.yml", "title: [\n - : {");
    write(
        "condition.yml",
        &GOOD.replace("9a01", "9a05").replace("condition: selection", "condition: 1 of nothing and ("),
    );
    fs::write(folder.path().join("binary.yml"), [0xff, 0xfe, 0x00]).unwrap();
    write("notes.txt", "not a rule");
    let set = RuleSet::from_dir(folder.path()).unwrap();
    let lines: Vec<String> = set.lint().iter().map(ToString::to_string).collect();
    for expected in [
        "no-id.yml: error: A: no id",
        "behaviour.yml: error: A: unknown behaviour `dancing`",
        "source.yml: set aside: A: logsource is category image_load; expected category process_creation",
        "warn.yml: warning: A: no falsepositives",
        "warn.yml: warning: A: no level",
        "warn.yml: warning: A: T1562.004 is gone since ATT&CK v19: use T1686",
        "warn.yml: warning: A: tag attack.t12 is neither",
        "warn.yml: warning: A: field blocked does not exist",
        "broken.yml: error: not a Sigma rule",
        "binary.yml: error: not UTF-8",
        "sub/good.yml: error: A: id 5e3f9a52-2c11-4f0a-9f6a-3f7f0f3c9a01 is taken by an earlier rule",
        "condition.yml: error: ",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}\n{}", lines.join("\n"));
    }
    let used: Vec<&str> = set.rules.iter().map(|rule| rule.path.as_str()).collect();
    assert_eq!(used, ["duplicate.yml", "warn.yml"]);
    let denied = ConnectionContext { dst_port: Some(1), action: Some(Action::Deny), ..ConnectionContext::default() };
    let hits = set.connection(&denied);
    assert_eq!(hits.iter().map(|hit| hit.kind).collect::<Vec<_>>(), ["a"]);
    assert!(set.connection(&ConnectionContext { action: Some(Action::Allow), ..denied }).is_empty());
    assert!(set.domain("pool.supportxmr.com").is_some(), "the lists stay where the folder has none");
    assert!(RuleSet::from_dir(&folder.path().join("missing")).is_err());
}

#[test]
fn bad_rows_of_lists_are_named() {
    let head = "indicator,kind,behaviour,category,confidence,source,date\n";
    let rows = "x.example,domain,mining,pool-domain,strong,me,2026-11-20\n1.2.3,address,mining,a,weak,me,2026\n\
                1.2.3.4,address,mining,a,strong,me,2026\n70000/tcp,port,mining,a,weak,me,2026\ny.example,domain,x,a,weak,me,2026\nshort\n";
    let set = load::build(vec![("indicators/a.csv".to_owned(), format!("# c\n{head}{rows}").into_bytes())], Vec::new());
    assert_eq!(set.indicators.len(), 1);
    let rows: Vec<Option<String>> = set.lint().into_iter().map(|message| message.rule).collect();
    assert_eq!(rows, ["row 2", "row 3", "row 4", "row 5", "row 6"].map(|row| Some(row.to_owned())));
}

/// The version is that of `printf 'a.yml\0\0\0\0\0\0\0\0\1x' | sha256sum` for one file `a.yml` holding `x`.
#[test]
fn the_version_depends_on_contents_alone() {
    let files = |order: [(&str, &str); 2]| {
        load::build(order.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).to_vec(), Vec::new()).version
    };
    assert_eq!(files([("a.yml", "1"), ("b.yml", "2")]), files([("b.yml", "2"), ("a.yml", "1")]));
    assert_ne!(files([("a.yml", "1"), ("b.yml", "2")]), files([("a.yml", "2"), ("b.yml", "1")]));
    let one = load::build(vec![("a.yml".to_owned(), b"x".to_vec())], Vec::new()).version;
    assert_eq!(one, "3c135a156f26b07dcf4a697834026807990fb82054302a1869e7fb9d3de76370");
}
