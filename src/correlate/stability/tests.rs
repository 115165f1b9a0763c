use std::path::{Path, PathBuf};

use super::*;
use crate::correlate::kit::{World, ms, rules};
use crate::intake::{CaseFile, take_in};
use crate::time::Basis;

const FIREWALL: usize = 0;
const CAPTURE: usize = 1;

/// A miner that a step starts beside twenty ordinary calls, seen by a firewall, a capture, or both; a third log that
/// shows other traffic alone.
fn started(miner_seen_by: &[usize], calls_seen_by: &[usize]) -> World {
    let mut world = World::default();
    let seen = [
        world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset),
        world.source("lan.pcap", Kind::Capture, Basis::ExplicitOffset),
    ];
    let other = world.source("other.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    // What is of one source lies together, as the intake has it.
    for source in [FIREWALL, CAPTURE] {
        for call in (0..20).filter(|_| calls_seen_by.contains(&source)) {
            let begin = ms(600_000 + 60_000 * call);
            world.connection_from(
                seen[source],
                "10.20.0.5",
                &format!("198.51.100.{call}:80"),
                begin.plus(SECOND / 2),
                50_000 + call as u16,
            );
        }
        if miner_seen_by.contains(&source) {
            world.connection_from(seen[source], "10.20.0.5", "203.0.113.66:3333", ms(60_500), 51_000);
        }
    }
    world.connection(other, "10.20.0.77", "192.0.2.1:123", ms(5_000));
    for call in 0..20 {
        let begin = ms(600_000 + 60_000 * call);
        world.step(transcript, Some((begin, begin.plus(2 * SECOND))), &format!("curl http://198.51.100.{call}:80/x"));
    }
    world.step(transcript, Some((ms(60_000), ms(61_000))), "nohup ./xmrig -o 203.0.113.66:3333 &");
    world.intake.steps.sort_by_key(|step| step.start.map(|start| start.span.lo));
    for (at, step) in world.intake.steps.iter_mut().enumerate() {
        (step.index, step.order) = (at as u32, (at as u64, 0));
    }
    world
}

fn of(mut world: World) -> (Analysis, Stability) {
    let whole = format!("{:?}", world.intake.conversations);
    let options = Options { case: world.case, ..Options::default() };
    let analysis = analyze(&mut world.intake, &options, rules());
    assert_eq!(format!("{:?}", world.intake.conversations), whole, "the evidence is as before");
    let [finding] = analysis.findings.as_slice() else { panic!("{:?}", analysis.findings) };
    let stability = finding.stability.clone().unwrap();
    (analysis, stability)
}

fn found(stability: &Stability) -> Vec<(&str, bool)> {
    stability.without.iter().map(|one| (one.name.as_str(), one.found.is_some())).collect()
}

#[test]
fn what_two_sources_saw_does_not_rest_on_either() {
    let (analysis, stability) = of(started(&[FIREWALL, CAPTURE], &[FIREWALL, CAPTURE]));
    assert_eq!(found(&stability), [("fw.log", true), ("lan.pcap", true), ("other.log", true)]);
    assert!(stability.rests_on.is_empty());
    assert!(stability.sentences[0].starts_with("Found whichever of fw.log, lan.pcap, other.log is left out ("));
    // Nothing else changed: it is the analysis that is made without the question.
    let world = started(&[FIREWALL, CAPTURE], &[FIREWALL, CAPTURE]);
    let mut plain = crate::correlate::analyze(&world.intake, &Options::default(), rules());
    plain.findings[0].stability = analysis.findings[0].stability.clone();
    assert_eq!(format!("{plain:?}"), format!("{analysis:?}"));
    // And each weight is that of evidence in which the source never was.
    for (without, left) in [(FIREWALL, CAPTURE), (CAPTURE, FIREWALL)] {
        let mut world = started(&[left], &[left]);
        world.intake.sources[without].records = 0;
        let never = crate::correlate::analyze(&world.intake, &Options::default(), rules());
        let weight = stability.without[without].found.unwrap().log10_lr;
        assert_eq!(weight, never.findings[0].strength.log10_lr);
        assert!(stability.log10_lr.0 <= weight && weight <= stability.log10_lr.1);
    }
}

#[test]
fn what_one_source_alone_saw_rests_on_it() {
    let (_, stability) = of(started(&[CAPTURE], &[FIREWALL, CAPTURE]));
    assert_eq!(found(&stability), [("fw.log", true), ("lan.pcap", false), ("other.log", true)]);
    assert_eq!(stability.rests_on, ["lan.pcap"]);
    assert!(stability.sentences[0].starts_with("Rests on lan.pcap alone: not found without it; found without any one"));
    let witness: Vec<bool> = stability.without.iter().map(|one| one.witness).collect();
    assert_eq!(witness, [false, true, false]);
    assert!(!stability.sentences.iter().any(|sentence| sentence.starts_with("No signal of it is from")));
}

#[test]
fn many_sources_are_left_out_by_what_they_are() {
    let mut world = started(&[FIREWALL, CAPTURE], &[FIREWALL, CAPTURE]);
    for more in 0..MOST_SOURCES {
        let evidence = world.source(&format!("rotated.log.{more}"), Kind::Firewall, Basis::ExplicitOffset);
        world.intake.sources[evidence.0 as usize].format = Some("another");
    }
    let sources = &world.intake.sources;
    let names = |parts: &[(String, Vec<EvidenceId>)]| -> Vec<(String, usize)> {
        parts.iter().map(|(name, members)| (name.clone(), members.len())).collect()
    };
    let (by, found) = parts(sources, 0);
    let expected = [("all 12 files of another".to_owned(), 12), ("all 3 files of made-up".to_owned(), 3)];
    assert_eq!((by, names(&found)), ("format", expected.to_vec()));
    let (by, found) = parts(&sources[..3], MOST_PAIRS + 1);
    let expected = [("lan.pcap".to_owned(), 1), ("all 2 files of logs".to_owned(), 2)];
    assert_eq!((by, names(&found)), ("kind", expected.to_vec()));
    assert_eq!(parts(&sources[..3], MOST_PAIRS).0, "source");
    // It is said.
    let (analysis, stability) = of(world);
    assert_eq!((stability.by, stability.without.len()), ("format", 2));
    assert!(analysis.limits.iter().any(|limit| limit.contains("left out format by format")), "{:?}", analysis.limits);
}

#[test]
fn pairs_are_of_calls_that_were_before() {
    let world = started(&[CAPTURE], &[CAPTURE]);
    let laid = world.lay();
    // The miner and then 20 connections, a minute apart, of which each has those of the fifteen minutes before it and
    // its own, by calls from 600 s on; and the miner's call, which left it running, has them all.
    let near: u64 = (1..=20_u64).map(|call| call.min(15)).sum();
    // That of other.log at 5 s is before all.
    assert_eq!(pairs(&laid.theirs(), &laid.steps()), near + 21);
}

#[test]
fn what_changes_is_said() {
    let world = started(&[CAPTURE], &[CAPTURE]);
    let analysis = crate::correlate::analyze(&world.intake, &Options::default(), rules());
    let finding = Finding { initiator: "agent", ..analysis.findings[0].clone() };
    let without = |name: &str, witness, found: Option<(&'static str, bool)>| Without {
        name: name.to_owned(),
        sources: Vec::new(),
        witness,
        found: found.map(|(initiator, same_steps)| Found { log10_lr: 2.0, initiator, same_steps }),
    };
    let setting = |initiator| Setting { name: "gap".to_owned(), p: 0.5, aligned: None, initiator };
    let mut stability = Stability {
        without: vec![
            without("a", true, Some(("undecided", true))),
            without("b", true, Some(("agent", false))),
            without("c", false, None),
            without("d", true, None),
        ],
        settings: vec![setting("undecided")],
        ..Stability::default()
    };
    conclude(&finding, &mut stability);
    assert_eq!(
        stability.sentences,
        [
            "Rests on c and d together: not found without any one of them; found without any one of a, b (+2.0 bans).",
            "No signal of it is from c: what is missing without it are names, clocks or controls.",
            "Without a, held to have started it: undecided.",
            "Without b it names other steps.",
            "With gap, held to have started it: undecided.",
        ]
    );
    let own = finding.strength.log10_lr;
    assert_eq!(stability.log10_lr, (own.min(2.0), own.max(2.0)));
}

fn incident(name: &str) -> (Vec<PathBuf>, CaseFile) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents").join(name).join("evidence");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    (paths, CaseFile::load(&folder.join("case.toml")).unwrap())
}

/// The order in which evidence is given says nothing; and what the recorded incident has been seen by is known: its tunnel
/// and its miners are in the capture and in the logs of the firewall and of connections.
#[test]
fn the_order_of_evidence_makes_no_difference() {
    let (mut paths, case) = incident("reference");
    let options = Options { case, ..Options::default() };
    let told = |paths: &[PathBuf]| {
        let analysis = analyze(&mut take_in(paths, &options), &options, rules());
        (format!("{analysis:?}"), analysis)
    };
    let (forward, analysis) = told(&paths);
    paths.reverse();
    assert_eq!(told(&paths).0, forward);
    paths.rotate_left(3);
    assert_eq!(told(&paths).0, forward);
    let test = analysis.alignment.as_ref().unwrap();
    for finding in &analysis.findings {
        let stability = finding.stability.as_ref().unwrap();
        assert_eq!(stability.without.len(), 4, "two logs, a capture, the GPU files");
        assert!(stability.rests_on.is_empty(), "{}: {:?}", finding.id, stability.sentences);
        // The test at a third and three times the gap is that which the alignment states anyway.
        let stated: Vec<f64> = [0, 2].iter().map(|at| test.at_gaps[*at].1.p).collect();
        assert_eq!(stability.settings.iter().take(2).map(|setting| setting.p).collect::<Vec<_>>(), stated);
        let half = test.jitter_ns / 2 / SECOND;
        let names: Vec<&str> = stability.settings.iter().map(|setting| setting.name.as_str()).collect();
        let jitter = [format!("jitter half-width {half} s"), format!("jitter half-width {} s", half * 4)];
        assert_eq!(names, ["session gap 5 min", "session gap 45 min", &jitter[0], &jitter[1]]);
    }
}
