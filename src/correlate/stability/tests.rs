use std::path::{Path, PathBuf};

use super::*;
use crate::correlate::kit::{Laid, World, ms, rules};
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

#[test]
fn what_a_finding_rests_on_is_said_in_a_sentence() {
    let world = started(&[CAPTURE], &[CAPTURE]);
    let analysis = crate::correlate::analyze(&world.intake, &Options::default(), rules());
    let mut finding = Finding { initiator: "agent", ..analysis.findings[0].clone() };
    finding.strength.log10_lr = 2.0;
    let conclude = |all: &[(&str, Option<f64>)], witness, settings: &[&'static str]| {
        let without = |(name, bans): &(&str, Option<f64>)| Without {
            name: (*name).to_owned(),
            sources: Vec::new(),
            witness,
            found: bans.map(|log10_lr| Found { log10_lr, initiator: "agent", same_steps: true }),
        };
        let setting = |initiator: &&'static str| Setting { name: "gap".to_owned(), p: 0.5, aligned: None, initiator };
        let without = all.iter().map(without).collect();
        let settings = settings.iter().map(setting).collect();
        let mut stability = Stability { without, settings, ..Stability::default() };
        super::conclude(&finding, &mut stability);
        stability
    };
    type Left<'a> = (&'a str, Option<f64>);
    let cases: [(&[Left<'_>], &str); 6] = [
        (&[], "No source could be left out."),
        (&[("a", Some(1.5))], "Found without a as well (+1.5 bans)."),
        (&[("a", Some(1.0)), ("b", Some(3.0))], "Found whichever of a, b is left out (+1.0 to +3.0 bans)."),
        (&[("a", None), ("b", None)], "Not found without a, nor without b: nothing else bears it."),
        (&[("a", None), ("b", Some(1.0))], "Rests on a alone: not found without it; found without b (+1.0 bans)."),
        (
            &[("a", None), ("b", Some(1.0)), ("c", Some(1.0))],
            "Rests on a alone: not found without it; found without any one of b, c (+1.0 bans).",
        ),
    ];
    for (all, expected) in cases {
        // With sources that it has signals of, and without settings, that is all.
        assert_eq!(conclude(all, true, &[]).sentences, [expected]);
    }
    let ties = conclude(&[("a", None), ("b", None)], false, &[]);
    assert_eq!(
        ties.sentences[1],
        "No signal of it is from a or b: what is missing without it are names, clocks or controls."
    );
    assert_eq!(ties.rests_on, ["a", "b"]);
    // The range is over all that find it, that of the whole evidence included.
    assert_eq!(conclude(&[("a", Some(1.0)), ("b", None), ("c", Some(1.5))], true, &[]).log10_lr, (1.0, 2.0));
    assert_eq!(conclude(&[("a", Some(3.0))], true, &[]).log10_lr, (2.0, 3.0));
    let settings = |initiators: &[&'static str]| conclude(&[], true, initiators).sentences[1..].to_vec();
    assert_eq!(settings(&["agent", "agent"]), ["Held to have started it with gap, gap: agent as well."]);
    assert_eq!(settings(&["agent", "human"]), ["With gap, held to have started it: human."]);
}

#[test]
fn up_to_twelve_sources_are_left_out_one_by_one_and_more_by_format_as_long_as_these_are_few() {
    let by = |count: usize, formats: usize| {
        let names: Vec<&'static str> = "abcdefghijklmnop".split("").filter(|name| !name.is_empty()).collect();
        let mut world = World::default();
        for n in 0..count {
            let evidence = world.source(&format!("{n:02}.log"), Kind::Firewall, Basis::ExplicitOffset);
            world.intake.sources[evidence.0 as usize].format = Some(names[n % formats]);
        }
        // What has no records is not counted, and neither is a transcript.
        let empty = world.source("empty.log", Kind::Firewall, Basis::ExplicitOffset);
        world.intake.sources[empty.0 as usize].records = 0;
        world.episode("a.jsonl", None);
        let (by, parts) = parts(&world.intake.sources, 0);
        (by, parts.len())
    };
    assert_eq!((by(12, 1), by(13, 12), by(13, 13)), (("source", 12), ("format", 12), ("kind", 1)));
}

#[test]
fn gpu_traces_are_left_out_together() {
    let of = |records: &[u64]| {
        let mut world = World::default();
        world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
        for (n, records) in records.iter().enumerate() {
            let evidence = world.source(&format!("gpu-{n}.csv"), Kind::Gpu, Basis::ExplicitOffset);
            world.intake.sources[evidence.0 as usize].records = *records;
        }
        parts(&world.intake.sources, 0).1.into_iter().skip(1).collect::<Vec<_>>()
    };
    let (first, second) = (EvidenceId(1), EvidenceId(2));
    assert_eq!(of(&[9, 1]), [("all 2 files of GPU telemetry".to_owned(), vec![first, second])]);
    assert_eq!(of(&[0, 1]), [("gpu-1.csv".to_owned(), vec![second])]);
    assert_eq!((of(&[0]), of(&[])), (vec![], vec![]));
}

#[test]
fn a_pair_is_of_a_call_less_than_fifteen_minutes_before_or_less_than_a_day_if_it_left_something_running() {
    let count = |at: i64, change: &dyn Fn(&mut Laid)| {
        let mut world = World::default();
        let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
        let transcript = world.episode("a.jsonl", None);
        world.step(transcript, Some((ms(0), ms(1_000))), "curl http://203.0.113.1/");
        world.connection(firewall, "10.20.0.5", "203.0.113.9:80", ms(at * 1_000));
        let mut laid = world.lay();
        laid.events = laid.events.changed(|_, row| row.at = ms(at * 1_000));
        change(&mut laid);
        pairs(&laid.events, &laid.steps())
    };
    let day = 86_400;
    let plain = |_: &mut Laid| {};
    assert_eq!([-1, 0, 899, 900].map(|at| count(at, &plain)), [0, 1, 1, 0]);
    let left = |laid: &mut Laid| laid.acts[0].launchers.push("nohup".to_owned());
    assert_eq!([0, 900, day - 1, day].map(|at| count(at, &left)), [1, 1, 1, 0]);
    assert_eq!(count(1, &|laid| laid.acts[0].network = false), 0);
    assert_eq!(count(1, &|laid| laid.times[0].stamped = false), 0);
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

#[test]
fn a_finding_is_compared_by_the_records_of_its_steps() {
    let (analysis, stability) = of(started(&[FIREWALL, CAPTURE], &[FIREWALL, CAPTURE]));
    let finding = &analysis.findings[0];
    // The miner's call is the first of the transcript, written down last.
    let written: BTreeSet<u64> = steps(finding).into_iter().map(|record| record.number).collect();
    assert_eq!(written, BTreeSet::from([21]));
    let moved = Finding { steps: Vec::new(), ..finding.clone() };
    assert_ne!(steps(finding), steps(&moved));
    assert!(stability.without.iter().all(|one| one.found.unwrap().same_steps));
}
