//! The reference incident with sources missing: every subset of its four kinds of evidence, with and without what the
//! responder knows. Fewer sources may mean fewer findings, never other ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use coincident::correlate::{self, Analysis, Grade};
use coincident::detect::rules::RuleSet;
use coincident::intake::{self, CaseFile, Options};
use coincident::model::{Behaviour, SignalSource};
use serde::Deserialize;

/// The kinds of evidence by the names of their files in the incident.
const KINDS: [(&str, &[&str]); 4] = [
    ("firewall", &["firewall.log", "conntrack.log"]),
    ("capture", &["capture.pcap"]),
    ("gpu", &["gpu.csv", "gpu-processes.csv"]),
    ("transcripts", &["transcripts"]),
];
const FIREWALL: u8 = 1;
const CAPTURE: u8 = 2;
const GPU: u8 = 4;
const TRANSCRIPTS: u8 = 8;
const ALL: u8 = FIREWALL | CAPTURE | GPU | TRANSCRIPTS;

#[derive(Deserialize)]
struct Expect {
    finding: Vec<ExpectFinding>,
    never: Never,
}

#[derive(Deserialize)]
struct ExpectFinding {
    episode: String,
    step: u32,
    behaviour: String,
}

#[derive(Deserialize)]
struct Never {
    episodes: Vec<String>,
}

fn incident() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/reference")
}

fn expect() -> Expect {
    toml::from_str(&fs::read_to_string(incident().join("expect.toml")).unwrap()).unwrap()
}

fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(RuleSet::embedded)
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// What is found in the kinds of a bit set; with the case file or with nothing but the evidence.
fn analyze(kinds: u8, with_case: bool) -> Analysis {
    let directory = tempfile::tempdir().unwrap();
    let evidence = incident().join("evidence");
    for (bit, (_, names)) in KINDS.iter().enumerate() {
        for name in names.iter().filter(|_| kinds & (1 << bit) != 0) {
            copy(&evidence.join(name), &directory.path().join(name));
        }
    }
    let case = if with_case { CaseFile::load(&evidence.join("case.toml")).unwrap() } else { CaseFile::default() };
    let options = Options { case, ..Options::default() };
    let intake = intake::take_in(&[directory.path().to_path_buf()], &options);
    assert_eq!(intake.walk_errors, Vec::<String>::new());
    correlate::analyze(&intake, &options, rules())
}

fn named(kinds: u8) -> String {
    let names = KINDS.iter().enumerate().filter(|(bit, _)| kinds & (1 << bit) != 0).map(|(_, (name, _))| *name);
    names.collect::<Vec<_>>().join("+")
}

/// Every step that a finding names, with its behaviour.
fn flagged(analysis: &Analysis) -> BTreeSet<(String, u32, String)> {
    let steps = |finding: &correlate::Finding| {
        let behaviour = finding.behaviour.name();
        finding.steps.iter().map(|step| (step.episode.clone(), step.index, behaviour.to_owned())).collect::<Vec<_>>()
    };
    analysis.findings.iter().flat_map(steps).collect()
}

fn expected(expect: &Expect) -> BTreeSet<(String, u32, String)> {
    expect.finding.iter().map(|one| (one.episode.clone(), one.step, one.behaviour.clone())).collect()
}

/// What holds of any subset: no other step than the true ones, no episode that did nothing, every finding borne out by
/// telemetry and by a transcript, every reference to a signal and an episode resolvable.
fn holds(analysis: &Analysis, what: &str) {
    let expect = expect();
    let flagged = flagged(analysis);
    let expected = expected(&expect);
    let wrong: Vec<_> = flagged.difference(&expected).collect();
    assert!(wrong.is_empty(), "{what}: findings at wrong steps: {wrong:?}");
    for finding in &analysis.findings {
        assert!(!expect.never.episodes.contains(&finding.episode), "{what}: {} on {}", finding.id, finding.episode);
        assert!(!finding.steps.is_empty() && !finding.signals.is_empty(), "{what}: {}", finding.id);
        assert!(finding.strength.log10_lr.is_finite() && finding.strength.log10_lr >= 1.0, "{what}: {}", finding.id);
    }
    let ids: BTreeSet<&str> = analysis.signals.iter().map(|signal| signal.id.as_str()).collect();
    assert_eq!(ids.len(), analysis.signals.len(), "{what}: ids of signals are unique");
    let cited = analysis.findings.iter().flat_map(|finding| &finding.signals);
    for id in cited.chain(analysis.unexplained.iter().flat_map(|one| &one.signals)) {
        assert!(ids.contains(id.as_str()), "{what}: {id} is cited and not listed");
    }
    // No signal speaks twice.
    let mut seen = BTreeSet::new();
    let all = analysis.findings.iter().flat_map(|finding| &finding.signals);
    for id in all.chain(analysis.unexplained.iter().flat_map(|one| &one.signals)) {
        assert!(seen.insert(id.as_str()), "{what}: {id} is part of two findings or groups");
    }
}

#[test]
fn no_subset_of_the_sources_blames_a_step_that_did_nothing() {
    for with_case in [true, false] {
        for kinds in 1..=ALL {
            let analysis = analyze(kinds, with_case);
            let what = format!("{}{}", named(kinds), if with_case { "" } else { " without case.toml" });
            holds(&analysis, &what);
            println!("{what}: {:?}", flagged(&analysis));
            if kinds & TRANSCRIPTS == 0 || kinds & (FIREWALL | CAPTURE) == 0 {
                // One side alone lines up with nothing.
                assert!(analysis.findings.is_empty(), "{what}");
            }
            if kinds & TRANSCRIPTS == 0 {
                assert!(analysis.uncovered.is_empty() && analysis.episodes.is_empty(), "{what}");
                assert!(analysis.alignment.is_none(), "{what}: no calls, no test of alignment");
            }
            if kinds & (FIREWALL | CAPTURE) == 0 {
                assert!(analysis.conversations.is_empty(), "{what}");
            }
        }
    }
}

#[test]
fn with_everything_the_findings_are_those_of_the_incident_with_or_without_the_case_file() {
    let expected = expected(&expect());
    assert_eq!(flagged(&analyze(ALL, true)), expected);
    // Without the case file hosts are inferred from what commands name.
    let inferred = analyze(ALL, false);
    assert_eq!(flagged(&inferred), expected);
    for episode in &inferred.episodes {
        assert!(episode.host_basis.is_empty() || episode.host_basis.starts_with("inferred"), "{}", episode.host_basis);
    }
}

#[test]
fn a_capture_alone_shows_its_signals_and_explains_none() {
    let analysis = analyze(CAPTURE, true);
    let strong: BTreeSet<Behaviour> = analysis
        .signals
        .iter()
        .filter(|signal| signal.source == SignalSource::Network && signal.confidence.name() != "weak")
        .map(|signal| signal.behaviour)
        .collect();
    // The recording holds a sweep, a reverse tunnel and a pool in the clear.
    for behaviour in [Behaviour::Probing, Behaviour::Tunnel, Behaviour::Mining] {
        assert!(strong.contains(&behaviour), "{behaviour} among {strong:?}");
    }
    let unexplained: BTreeSet<Behaviour> = analysis.unexplained.iter().map(|one| one.behaviour).collect();
    assert_eq!(unexplained, strong, "every strong behaviour stays without a step");
    for one in &analysis.unexplained {
        assert!(!one.would_decide.is_empty(), "{}: what would decide is said", one.summary);
    }
}

#[test]
fn transcripts_alone_show_acts_without_coverage_and_no_finding() {
    let analysis = analyze(TRANSCRIPTS, true);
    assert!(analysis.findings.is_empty() && analysis.unexplained.is_empty());
    let uncovered: BTreeSet<(String, u32, String)> = analysis
        .uncovered
        .iter()
        .map(|one| (one.step.episode.clone(), one.step.index, one.behaviour.name().to_owned()))
        .collect();
    // Each act of the incident stands in its transcript; nothing else covers it.
    for act in expected(&expect()) {
        assert!(uncovered.contains(&act), "{act:?} among {uncovered:?}");
    }
    for one in &analysis.uncovered {
        assert!(!expect().never.episodes.contains(&one.step.episode), "{:?}", one.step);
        assert_eq!(one.coverage, "no network source covers this time");
    }
}

#[test]
fn gpu_telemetry_alone_blames_nobody_and_its_clock_is_not_good_enough() {
    let analysis = analyze(GPU, true);
    assert!(analysis.findings.is_empty() && analysis.conversations.is_empty());
    assert!(analysis.signals.iter().all(|signal| signal.source == SignalSource::Gpu));
    let with_steps = analyze(GPU | TRANSCRIPTS, true);
    let gpu = with_steps.clocks.iter().find(|clock| clock.name.contains("gpu")).unwrap();
    assert_eq!(gpu.grade, Grade::D, "nothing ties polls of a GPU to calls: {:?}", gpu.method);
}

#[test]
fn the_same_subset_gives_the_same_answer_twice() {
    let show = |analysis: &Analysis| {
        let rows = (&analysis.findings, &analysis.unexplained, &analysis.uncovered, &analysis.conversations);
        format!("{rows:?} {:?} {:?} {:?}", analysis.clocks, analysis.signals, analysis.alignment)
    };
    let kinds = FIREWALL | TRANSCRIPTS;
    assert_eq!(show(&analyze(kinds, true)), show(&analyze(kinds, true)));
}
