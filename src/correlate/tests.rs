//! What the analysis as a whole looks at and says.

use super::kit::{Laid, World, ip, ms, rules};
use super::*;
use crate::evidence::EvidenceId;
use crate::model::{Behaviour, Flow, SignalSource};
use crate::time::{Basis, Span};

#[test]
fn without_calls_only_the_peers_of_signals_and_ways_in_are_looked_at_one_by_one() {
    let asked = |calls: usize, signals: &[Signal], peer: &str| {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        for _ in 0..calls {
            world.step(transcript, None, "ls");
        }
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let key = ConversationKey {
            evidence: EvidenceId(0),
            src: Some(ip("10.20.0.5")),
            dst: Some(peer.ip()),
            dst_port: Some(peer.port()),
            protocol: None,
        };
        asked_for(&world.intake, signals)(&key)
    };
    let flow = Flow { dst: Some(ip("203.0.113.66")), dst_port: Some(3333), ..Flow::default() };
    let miner = [Signal { flow: Some(flow), ..Signal::new(Behaviour::Mining, SignalSource::Network) }];
    assert!(asked(0, &miner, "203.0.113.66:3333"));
    assert!(!asked(0, &miner, "203.0.113.66:443") && !asked(0, &miner, "203.0.113.67:3333"));
    assert!(!asked(0, &[], "203.0.113.66:3333"));
    // Logins over SSH, by Ray's dashboard, by Jupyter: wherever they lead.
    for port in [22, 8265, 8888] {
        assert!(asked(0, &[], &format!("203.0.113.9:{port}")), "{port}");
    }
    assert!(asked(1, &[], "203.0.113.9:443"), "a call may have opened anything");
}

/// A transcript, a capture and a firewall's log, with clocks of these grades.
fn graded(grades: [Grade; 3]) -> Laid {
    let mut world = World::default();
    world.episode("a.jsonl", None);
    world.source("lan.pcap", Kind::Capture, Basis::ExplicitOffset);
    world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let mut laid = world.lay();
    for clock in &mut laid.clocks.rows {
        clock.grade = grades[clock.sources[0].0 as usize];
    }
    laid
}

#[test]
fn lags_are_weighed_where_transcripts_and_some_network_source_can_be_compared() {
    for (grades, holds) in [
        ([Grade::A, Grade::A, Grade::A], true),
        ([Grade::B, Grade::B, Grade::D], true),
        ([Grade::B, Grade::D, Grade::B], true),
        ([Grade::C, Grade::A, Grade::A], false),
        ([Grade::A, Grade::C, Grade::D], false),
        ([Grade::D, Grade::D, Grade::D], false),
    ] {
        let laid = graded(grades);
        assert_eq!(timing_holds(&laid.world.intake, &laid.clocks), holds, "{grades:?}");
    }
}

#[test]
fn where_nothing_says_which_processes_belong_on_gpus_a_late_one_is_a_lead() {
    let kinds = |case: &str| {
        let mut world = World::with_case(case);
        let evidence = world.source("pmon.txt", Kind::Gpu, Basis::ExplicitOffset);
        let at = |second: i64| Span::at(ms(second * 1_000), Basis::ExplicitOffset);
        for (number, (process, first)) in (1..).zip([("python3", 0), ("./xmrig", 600)]) {
            let fact = world.gpu_process(evidence, process, [at(first), at(900)]);
            (fact.gpu, fact.pid) = ("0".to_owned(), Some(number));
        }
        let options = Options { case: world.case, ..Options::default() };
        let found = detected(&world.intake, &options, rules());
        found.into_iter().map(|signal| signal.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(""), ["gpu-process-appeared"]);
    assert_eq!(kinds("[gpu]\nallocated = [\"python3\"]\n"), ["gpu-unallocated-process"]);
}

#[test]
fn names_that_repetition_alone_ties_are_counted_in_a_limit() {
    // Three names in ten calls each, and each time the same address a few seconds later. Prime steps, so that nothing recurs
    // at one distance by itself.
    let mut world = World::default();
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    let mut calls: Vec<(i64, i64, usize)> = Vec::new();
    for turn in 0..10_i64 {
        for name in 0..3_usize {
            calls.push((turn * 997 + name as i64 * 211, 1 + (turn * 7 + name as i64) % 3, name));
        }
    }
    calls.sort_unstable();
    for (begin, lag, name) in calls {
        let command = format!("curl https://{}.example/", ["a", "b", "c"][name]);
        world.step(transcript, Some((ms(begin * 1_000), ms(begin * 1_000 + 5_000))), &command);
        world.connection(firewall, "10.20.0.5", &format!("203.0.113.{}:443", name + 1), ms((begin + lag) * 1_000));
    }
    let acts = world.acts();
    let names = world.names().learn(&world.intake, &acts);
    assert_eq!(names_limit(&world.names()), None);
    let limit = names_limit(&names).unwrap();
    assert!(
        limit.starts_with("Nothing resolves 3 of the names in commands; each is held to be the address"),
        "{limit}"
    );
}

#[test]
fn every_source_has_a_clock() {
    let mut world = World::default();
    world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    world.episode("a.jsonl", None);
    let names: Vec<String> = clocks(&world.intake, &world.case, rules()).into_iter().map(|clock| clock.name).collect();
    assert_eq!(names, ["fw.log", "a.jsonl"]);
}
