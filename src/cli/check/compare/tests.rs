use super::*;
use crate::cli::check::expect::Never;
use coincident::correlate::{Finding, Grade, Judgement, StepRef, Strength, Unexplained};
use coincident::evidence::{EvidenceId, Record};
use coincident::model::Behaviour;
use coincident::time::Basis;

pub(in crate::cli::check) fn finding(episode: &str, index: u32, behaviour: Behaviour, level: &'static str) -> Finding {
    let step = StepRef {
        episode: episode.to_owned(),
        index,
        record: Record { evidence: EvidenceId(0), number: 1 },
        tool: "Bash".to_owned(),
        command: None,
        span: None,
    };
    Finding {
        id: format!("F-{index:04}"),
        behaviour,
        episode: episode.to_owned(),
        run: None,
        steps: vec![step],
        signals: Vec::new(),
        strength: Strength::default(),
        initiator: "agent",
        rivals: Vec::new(),
        judgement: Judgement::default(),
        attack: Vec::new(),
        atlas: Vec::new(),
        owasp: Vec::new(),
        level,
        summary: String::new(),
        persistence: None,
        would_decide: Vec::new(),
        limits: Vec::new(),
        stability: None,
        first: None,
        last: None,
    }
}

fn expect(text: &str) -> Expect {
    Expect::parse("expect.toml", text).unwrap()
}

fn said(expect: &Expect, analysis: &Analysis) -> Vec<String> {
    compare(expect, analysis, &Reading::default()).iter().map(ToString::to_string).collect()
}

const TUNNEL: &str = "[[finding]]\nepisode = \"ep-001\"\nstep = 4\nbehaviour = \"tunnel\"\n";

#[test]
fn findings_are_exact() {
    let analysis = |findings| Analysis { findings, ..Analysis::default() };
    let tunnel = || finding("ep-001", 4, Behaviour::Tunnel, "high");
    let differences = |findings| said(&expect(TUNNEL), &analysis(findings));
    assert!(differences(vec![tunnel()]).is_empty());
    assert_eq!(differences(vec![]), ["missing: ep-001 step 4 tunnel"]);
    assert_eq!(
        differences(vec![tunnel(), finding("ep-002", 1, Behaviour::Mining, "medium")]),
        ["unexpected: ep-002 step 1 mining (F-0001)"]
    );
    assert!(differences(vec![tunnel(), finding("ep-002", 1, Behaviour::Mining, "low")]).is_empty());
    assert_eq!(
        differences(vec![finding("ep-001", 5, Behaviour::Tunnel, "high")]),
        ["differs: expected ep-001 step 4 tunnel; found ep-001 step 5 tunnel (F-0005)"]
    );
}

#[test]
fn what_may_never_be_flagged_may_not_at_any_level() {
    let never = Never { episodes: vec!["ep-003".to_owned()], behaviours: vec!["mining".to_owned()] };
    let expect = Expect { never, ..Expect::default() };
    let findings = vec![finding("ep-003", 1, Behaviour::Mining, "low")];
    let differences = said(&expect, &Analysis { findings, ..Analysis::default() });
    assert_eq!(
        differences,
        [
            "unexpected: expected episode ep-003 is never flagged; found F-0001 (low)",
            "unexpected: expected behaviour mining is never flagged; found F-0001 (low)"
        ]
    );
}

#[test]
fn unexplained_signals_are_counted() {
    let expect = expect("[[unexplained]]\nbehaviour = \"mining\"\nleading = \"external-compromise\"\n");
    let one = |leading| Unexplained {
        behaviour: Behaviour::Mining,
        signals: Vec::new(),
        leading,
        rivals: Vec::new(),
        judgement: Judgement::default(),
        summary: String::new(),
        would_decide: Vec::new(),
    };
    let differences = |unexplained| said(&expect, &Analysis { unexplained, ..Analysis::default() });
    assert!(differences(vec![one("external-compromise")]).is_empty());
    assert_eq!(
        differences(vec![]),
        ["missing: expected exactly 1 × unexplained mining, leading external-compromise; found 0"]
    );
    assert_eq!(
        differences(vec![one("external-compromise"), one("human")]),
        ["unexpected: 1 × unexplained mining, leading human"]
    );
}

#[test]
fn clocks_are_held_against_zone_and_residual() {
    let expect = expect("[[clock]]\nsource = \"firewall.log\"\nzone_error_h = 8.0\nresidual_s = [1.5, 3.5]\n");
    let clock = |zone_h: i64, residual_ms: i64, pairs| Clock {
        name: "firewall.log".to_owned(),
        sources: Vec::new(),
        basis: Basis::AssumedZone,
        reference: false,
        offset_ns: zone_h * 3_600_000_000_000 + residual_ms * 1_000_000,
        support_ns: (0, 0),
        zone_error_ns: zone_h * 3_600_000_000_000,
        grade: Grade::A,
        pairs,
        inliers: pairs,
        peak_ratio: 0.0,
        runner_up_ns: None,
        segments: Vec::new(),
        untied: Vec::new(),
        utc: None,
        writers: None,
        points: Vec::new(),
        points_of: 0,
        method: String::new(),
        notes: Vec::new(),
    };
    let differences = |clocks| said(&expect, &Analysis { clocks, ..Analysis::default() });
    assert!(differences(vec![clock(8, 2500, 9)]).is_empty());
    assert!(differences(vec![clock(8, 1500, 9)]).is_empty(), "the bounds belong to the range");
    assert_eq!(differences(vec![]), ["missing: clock of firewall.log"]);
    assert_eq!(differences(vec![clock(0, 0, 0)]), ["missing: expected offset of firewall.log; found nothing ties it"]);
    assert_eq!(differences(vec![clock(7, 2500, 9)]), ["differs: expected zone of firewall.log off by 8 h; found 7 h"]);
    assert_eq!(
        differences(vec![clock(8, 3600, 9)]),
        ["differs: expected clock of firewall.log off by 1.5 to 3.5 s beside its zone; found 3.600 s"]
    );
}

#[test]
fn numbers_may_be_bounded_and_what_is_absent_must_be() {
    let analysis = Analysis {
        findings: vec![
            finding("ep-001", 4, Behaviour::Tunnel, "high"),
            finding("ep-001", 6, Behaviour::Tunnel, "medium"),
            finding("ep-002", 1, Behaviour::Mining, "low"),
        ],
        ..Analysis::default()
    };
    let differences = |entry: &str| said(&expect(&format!("unexpected = \"pass\"\n[[finding]]\n{entry}")), &analysis);
    for holds in [
        "behaviour = \"tunnel\"\nexactly = 2",
        "behaviour = \"tunnel\"\nat_least = 1",
        "behaviour = \"tunnel\"\nat_least = 1\nat_most = 2",
        "behaviour = \"mining\"\nabsent = true",
        "behaviour = \"mining\"\nlevel = \"low\"\nexactly = 1",
        "episode = \"ep-003\"\nabsent = true",
        "initiator = \"agent\"\nat_least = 2",
    ] {
        assert_eq!(differences(holds), Vec::<String>::new(), "{holds}");
    }
    assert_eq!(
        differences("behaviour = \"tunnel\"\nat_most = 1"),
        ["unexpected: expected at most 1 of any episode tunnel; found ep-001 step 4 tunnel (F-0004); ep-001 step 6 \
             tunnel (F-0006)"]
    );
    assert_eq!(
        differences("behaviour = \"tunnel\"\nat_least = 3"),
        ["missing: expected at least 3 of any episode tunnel; found ep-001 step 4 tunnel (F-0004); ep-001 step 6 \
             tunnel (F-0006)"]
    );
    assert_eq!(differences("episode = \"ep-009\"\nat_least = 1").len(), 1);
}

#[test]
fn what_no_entry_is_about_goes_by_the_policy() {
    let analysis = Analysis { findings: vec![finding("ep-001", 4, Behaviour::Tunnel, "high")], ..Analysis::default() };
    let differences = |policy: &str| compare(&expect(policy), &analysis, &Reading::default());
    assert_eq!(differences("unexpected = \"pass\""), []);
    assert!(differences("unexpected = \"warn\"").iter().all(|difference| difference.warning));
    assert!(differences("unexpected = \"fail\"").iter().all(|difference| !difference.warning));
    assert_eq!(differences("").len(), 1);
    // A policy is no licence: what is forbidden stays so.
    let never = differences("unexpected = \"pass\"\n[never]\nepisodes = [\"ep-001\"]");
    assert!(never.len() == 1 && !never[0].warning, "{never:?}");
}

#[test]
fn times_have_a_tolerance() {
    let at = coincident::report::when::parse_rfc3339("2026-11-20T14:14:14Z");
    let found = Finding { first: at, ..finding("ep-001", 4, Behaviour::Tunnel, "high") };
    let analysis = Analysis { findings: vec![found], ..Analysis::default() };
    let differences = |time: &str| said(&expect(&format!("{TUNNEL}{time}")), &analysis);
    assert!(differences("time = \"2026-11-20T22:14:12.5+08:00\"\nwithin_s = 1.5\n").is_empty());
    assert_eq!(
        differences("time = \"2026-11-20T14:14:12Z\"\nwithin_s = 1.5\n"),
        ["differs: expected ep-001 step 4 tunnel, at 2026-11-20T14:14:12.000000000Z ±1.5 s; found ep-001 step 4 \
             tunnel, at 2026-11-20T14:14:14.000000000Z (F-0004)"]
    );
    assert!(differences("initiator = \"agent\"\nlevel = \"high\"\n").is_empty());
    assert_eq!(
        differences("level = \"medium\"\n"),
        ["differs: expected ep-001 step 4 tunnel, level medium; found ep-001 step 4 tunnel, level high (F-0004)"]
    );
}
