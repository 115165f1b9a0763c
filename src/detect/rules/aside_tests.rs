//! Rules of the shapes that folders made for everything hold. All of them are made up here.

use super::*;

/// A rule by its title, the lines of its log source and of its detection, and what else it says.
fn rule(title: &str, number: u32, source: &str, detection: &str, more: &str) -> (String, Vec<u8>) {
    let text = format!(
        "title: {title}\nid: 0c7a4d1e-5b7e-4d53-8a54-{number:012}\nlogsource:\n{source}detection:\n{detection}\
         falsepositives:\n    - unknown\nlevel: high\n{more}"
    );
    (format!("{title}.yml"), text.into_bytes())
}

const MINING: &str = "status: test\ntags:\n    - attack.impact\n    - attack.t1496\n";
const COMMAND: &str = "    product: linux\n    category: process_creation\n";
const XMRIG: &str = "    selection:\n        Image|endswith: '/xmrig'\n    condition: selection\n";

fn lines(files: Vec<(String, Vec<u8>)>) -> (Vec<String>, Vec<String>) {
    let set = load::build(files, Vec::new());
    let titles = set.rules.iter().map(|rule| rule.title.clone()).collect();
    (set.lint().iter().map(ToString::to_string).collect(), titles)
}

#[test]
fn each_shape_loads_or_is_set_aside_with_its_reason() {
    let foreign = |source: &str| source.to_owned();
    let both =
        "    selection_a:\n        Image|endswith: '/xmrig'\n    selection_b:\n        ParentImage|endswith: '/sshd'\n";
    let all = vec![
        rule("applies", 1, COMMAND, XMRIG, MINING),
        rule(
            "all-of-one",
            16,
            COMMAND,
            "    selection:\n        CommandLine|contains|all:\n            - 'stratum'\n    condition: selection\n",
            MINING,
        ),
        rule("windows", 2, &foreign("    product: windows\n    category: process_creation\n"), XMRIG, MINING),
        rule(
            "auditd",
            3,
            &foreign("    product: linux\n    service: auditd\n"),
            "    cmd1:\n        a1: x\n    condition: 1 of cmd*\n",
            MINING,
        ),
        rule(
            "sshd",
            4,
            &foreign("    product: linux\n    service: sshd\n"),
            "    keywords:\n        - 'bad string'\n    condition: keywords\n",
            MINING,
        ),
        rule(
            "cloud",
            5,
            &foreign("    product: aws\n    service: cloudtrail\n"),
            "    selection:\n        eventName: RunInstances\n    condition: selection\n",
            MINING,
        ),
        rule(
            "web",
            6,
            &foreign("    category: webserver\n"),
            "    selection:\n        cs-method: GET\n    condition: selection\n",
            MINING,
        ),
        rule("withdrawn", 7, COMMAND, XMRIG, &MINING.replace("test", "deprecated")),
        rule("dead-and", 8, COMMAND, &format!("{both}    condition: all of selection_*\n"), MINING),
        rule(
            "dead-one",
            9,
            COMMAND,
            "    selection:\n        Image|endswith: '/xmrig'\n        User: root\n    condition: selection\n",
            MINING,
        ),
        rule("half-alive", 10, COMMAND, &format!("{both}    condition: 1 of selection_*\n"), MINING),
        rule("negated", 11, COMMAND, &format!("{both}    condition: selection_a and not selection_b\n"), MINING),
        rule("aimless", 12, COMMAND, XMRIG, "status: test\ntags:\n    - attack.t1201\n"),
        rule(
            "counting",
            13,
            "    category: firewall\n",
            "    selection:\n        dst_port: 53\n    timeframe: 1m\n    condition: selection | count() by src_ip > 1000\n",
            MINING,
        ),
        rule(
            "nearing",
            14,
            "    category: firewall\n",
            "    a:\n        dst_port: 53\n    b:\n        dst_port: 54\n    condition: a | near b\n",
            MINING,
        ),
        // The successor of a withdrawn rule has its id.
        rule("z-successor", 7, COMMAND, XMRIG, MINING),
        ("deprecated.csv".to_owned(), b"id,title\n1,x\n".to_vec()),
    ];
    let (lines, titles) = lines(all);
    let expected = [
        "windows.yml: set aside: windows: logsource is product windows, category process_creation; expected ",
        "auditd.yml: set aside: auditd: logsource is product linux, service auditd; expected ",
        "sshd.yml: set aside: sshd: logsource is product linux, service sshd; expected ",
        "cloud.yml: set aside: cloud: logsource is product aws, service cloudtrail; expected ",
        "web.yml: set aside: web: logsource is category webserver; expected ",
        "withdrawn.yml: set aside: withdrawn: status is deprecated",
        "dead-and.yml: set aside: dead-and: detection needs ParentImage, which process_creation does not have here",
        "dead-one.yml: set aside: dead-one: detection needs User, which process_creation does not have here",
        "half-alive.yml: warning: half-alive: field ParentImage does not exist in this log source",
        "negated.yml: warning: negated: field ParentImage does not exist in this log source",
        "aimless.yml: set aside: aimless: no coincident.behaviour, and no ATT&CK technique in its tags that tells it (T1201)",
        "counting.yml: set aside: detection.condition counts over time",
        "nearing.yml: set aside: detection.condition counts over time",
        "deprecated.csv: set aside: no list",
    ];
    for start in expected {
        assert_eq!(lines.iter().filter(|line| line.starts_with(start)).count(), 1, "{start}\n{}", lines.join("\n"));
    }
    assert_eq!(lines.len(), expected.len(), "{}", lines.join("\n"));
    assert_eq!(titles, ["all-of-one", "applies", "half-alive", "negated", "z-successor"]);
}

#[test]
fn what_a_correlation_is_about_does_not_match_alone() {
    let correlation = |generate: &str| {
        let (name, base) = rule("base", 1, COMMAND, XMRIG, &format!("name: many_miners\n{MINING}"));
        let text = format!(
            "{}---\ntitle: many\nid: 0c7a4d1e-5b7e-4d53-8a54-000000000099\nstatus: test\ncorrelation:\n    type: event_count\n    \
             rules:\n        - many_miners\n    group-by:\n        - host\n    timespan: 5m\n    condition:\n        \
             gte: 10\n{generate}level: high\n",
            String::from_utf8(base).unwrap()
        );
        lines(vec![(name, text.into_bytes())])
    };
    let (messages, titles) = correlation("");
    assert_eq!(
        messages,
        [
            "base.yml: set aside: base: a correlation is about it (many_miners), and correlations are not evaluated",
            "base.yml: set aside: many: correlations are not evaluated"
        ]
    );
    assert!(titles.is_empty());
    let (messages, titles) = correlation("    generate: true\n");
    assert_eq!((messages.len(), titles), (1, vec!["base".to_owned()]));
}

/// A wrong rule is wrong first: what it looks at does not matter.
#[test]
fn broken_rules_are_errors_wherever_they_look() {
    let (path, text) = rule("windows", 2, "    product: windows\n    category: process_creation\n", XMRIG, MINING);
    let text = String::from_utf8(text).unwrap();
    let without = text.lines().filter(|line| !line.starts_with("id:")).collect::<Vec<_>>().join("\n");
    let selecton = text.replace("condition: selection", "condition: selecton");
    let (messages, titles) = lines(vec![(path, without.into_bytes()), ("typo.yml".to_owned(), selecton.into_bytes())]);
    assert!(messages.iter().any(|line| line.starts_with("windows.yml: error: windows: no id")), "{messages:?}");
    assert!(messages.iter().any(|line| line.starts_with("typo.yml: error: ")), "{messages:?}");
    assert!(titles.is_empty());
}
