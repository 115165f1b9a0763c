use super::*;
use crate::correlate::acts::Hit;
use crate::correlate::attribute::{Attributed, Yardstick};
use crate::correlate::kit::{Laid, World, ip, ms};
use crate::correlate::traffic::Traffic;
use crate::formats::Kind;
use crate::time::SECOND;

const HOME: &str = "10.20.0.5";

fn span(from_ms: i64, to_ms: i64) -> Option<Span> {
    Some(Span { lo: ms(from_ms), hi: ms(to_ms), basis: Basis::ExplicitOffset })
}

fn hit(behaviour: Behaviour, confidence: Confidence) -> Hit {
    let (rule, title, kind) = ("rule".to_owned(), "A miner".to_owned(), "miner".to_owned());
    Hit { rule, title, behaviour, kind, confidence }
}

#[test]
fn a_signal_is_of_the_connection_that_had_begun_last_when_it_was_seen() {
    let evidence = EvidenceId(1);
    let flow = Flow { dst: Some(ip("203.0.113.1")), dst_port: Some(3333), ..Flow::default() };
    // Two begin at once.
    let begun =
        |(place, second, port): (usize, i64, u16)| Begun { place, at: ms(second * 1_000), src_port: Some(port) };
    let all = [(3, 10, 40_000), (4, 20, 40_001), (5, 20, 40_002), (6, 30, 40_003)].map(begun);
    let by_peers = BTreeMap::from([((evidence, flow), Vec::from(all))]);
    let found = |evidence, flow, at: Option<i64>| {
        let signal = Signal {
            flow,
            span: at.and_then(|at| span(at, 99_000)),
            records: vec![Record { evidence, number: 1 }],
            ..Signal::new(Behaviour::Mining, SignalSource::Network)
        };
        connection_of(&signal, &by_peers)
    };
    let at = |at_ms| found(evidence, Some(flow), Some(at_ms));
    assert_eq!([29_999, 30_000, 20_000, 19_999].map(at), [Some(4), Some(6), Some(4), Some(3)]);
    assert_eq!(at(5_000), Some(3), "before all of them: the first");
    assert_eq!(found(evidence, Some(flow), None), Some(6), "without a time the last");
    let from = |port| found(evidence, Some(Flow { src_port: Some(port), ..flow }), Some(99_000));
    assert_eq!([40_000, 40_002, 40_009].map(from), [Some(3), Some(5), None]);
    // Of another source, of another peer, or of none.
    assert_eq!(found(EvidenceId(2), Some(flow), Some(99_000)), None);
    assert_eq!(found(evidence, Some(Flow { dst_port: Some(443), ..flow }), Some(99_000)), None);
    assert_eq!(found(evidence, None, Some(99_000)), None);
}

#[test]
fn a_sweep_is_strong_where_a_command_that_is_one_names_its_targets() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "true");
    let mut laid = world.lay();
    let mut raised = |behaviour, own, hits: &[Hit], shares: bool| {
        laid.acts[0].hits = hits.to_vec();
        let shared = shares.then(|| Token::Address(ip("203.0.113.1"))).into_iter().collect();
        let attribution = Attribution { best: Some(Attributed { step: 0, strength: Default::default(), shared }) };
        let mut signal = Signal { confidence: own, ..Signal::new(behaviour, SignalSource::Network) };
        raise_named_sweep(&mut signal, &attribution, &laid.steps());
        signal.confidence
    };
    let (weak, strong, certain) = (Confidence::Weak, Confidence::Strong, Confidence::Certain);
    let (probing, mining) = (Behaviour::Probing, Behaviour::Mining);
    let sweep = [hit(probing, strong)];
    assert_eq!(raised(probing, weak, &sweep, true), strong);
    assert_eq!(raised(probing, weak, &[hit(probing, certain)], true), strong);
    assert_eq!(raised(probing, certain, &sweep, true), certain);
    // By another command, by a lead, by time alone, or something else.
    assert_eq!(raised(probing, weak, &[hit(mining, strong)], true), weak);
    assert_eq!(raised(probing, weak, &[hit(probing, weak)], true), weak);
    assert_eq!(raised(probing, weak, &sweep, false), weak);
    assert_eq!(raised(mining, weak, &sweep, true), weak);
    let mut signal = Signal::new(probing, SignalSource::Network);
    raise_named_sweep(&mut signal, &Attribution { best: None }, &laid.steps());
    assert_eq!(signal.confidence, weak);
}

#[test]
fn a_gpus_process_shows_its_program_where_a_command_runs_it() {
    let mut world = World::default();
    let gpu = world.source("gpu.csv", Kind::Gpu, Basis::ExplicitOffset);
    let undated = world.source("boot.log", Kind::Gpu, Basis::UnknownYear);
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "true");
    let mut laid = world.lay();
    laid.acts[0].add([Token::Program("xmrig".to_owned())]);
    let written = Written::of(laid.acts.iter().map(|act| act.tokens()));
    let event = |evidence, source, summary: &str, span: Option<Span>| {
        let signal = Signal {
            summary: summary.to_owned(),
            span,
            records: vec![Record { evidence, number: 7 }],
            ..Signal::new(Behaviour::Mining, source)
        };
        as_event(&signal, &laid.clocks, &laid.names, &written)
    };
    let shown = |source, summary| event(gpu, source, summary, span(1_000, 9_000)).1;
    let program = BTreeSet::from([Token::Program("xmrig".to_owned())]);
    for source in [SignalSource::Gpu, SignalSource::Host] {
        assert_eq!(shown(source, "GPU 1: /opt/x/xmrig not in the allocation"), program);
        assert!(shown(source, "GPU 1: /opt/x/python3, / and xmrig").is_empty(), "another one, or no path");
    }
    assert!(shown(SignalSource::Network, "GET /opt/x/xmrig").is_empty());
    let (row, _) = event(gpu, SignalSource::Gpu, "", span(1_000, 9_000));
    assert_eq!((row.at, row.until, row.number, row.timed, row.segment), (ms(1_000), ms(9_000), 7, true, None));
    // Without a time, or by a clock that nothing dates or ties, it is compared with no step.
    assert!(!event(gpu, SignalSource::Gpu, "", None).0.timed);
    let of_boot = Span { basis: Basis::UnknownYear, ..span(1_000, 9_000).unwrap() };
    assert!(!event(undated, SignalSource::Gpu, "", Some(of_boot)).0.timed);
}

#[test]
fn signals_beside_connections_keep_their_own_events() {
    let mut world = World::default();
    let gpu = world.source("gpu.csv", Kind::Gpu, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, Some((ms(0), ms(1_000))), "true");
    let laid = world.lay();
    let steps = laid.steps();
    let of = |span| Signal {
        span,
        records: vec![Record { evidence: gpu, number: 1 }],
        ..Signal::new(Behaviour::Mining, SignalSource::Gpu)
    };
    let signals = vec![of(span(5_000, 6_000)), of(None), of(span(7_000, 8_000))];
    let placed = Placed::new(signals, &laid.events, &steps, &laid.clocks, &laid.names);
    let yardstick = Yardstick::new(&steps, &Traffic::new(&laid.events, steps.acts), true);
    let attributor = Attributor::new(&yardstick, &steps, &laid.events, &placed.others);
    let traced = placed.trace(&laid.events, &steps, &attributor);
    let told: Vec<_> = traced.iter().map(|one| (one.timed, one.signal.span)).collect();
    assert_eq!(told, [(true, span(5_000, 6_000)), (false, None), (true, span(7_000, 8_000))]);
}

/// A call that names two peers, and its connections: at half a minute twice to the first, and once to the second.
fn named_peers(hits: Vec<Hit>) -> Laid {
    let mut world = World::default();
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    world.dns("pool.example", "203.0.113.1");
    world.step(transcript, Some((ms(0), ms(60_000))), "curl http://203.0.113.1/ http://203.0.113.2/");
    for (peer, at) in [("203.0.113.1:80", 30_000), ("203.0.113.1:80", 40_000), ("203.0.113.2:80", 50_000)] {
        world.connection(firewall, HOME, peer, ms(at));
    }
    let mut laid = world.lay();
    laid.acts[0].hits = hits;
    let until = |seconds: i64| ms(30_000 + seconds * 1_000);
    laid.events = laid.events.changed(|at, row| (row.at, row.until) = (ms([30_000, 40_000, 50_000][at]), until(90)));
    laid
}

/// What its connections are signals of, where the network shows `known` already and the command names their peers or not.
fn by_command(laid: &Laid, known: &[Traced], names_peer: bool) -> Vec<Traced> {
    let (steps, events) = (laid.steps(), &laid.events);
    let yardstick = Yardstick::new(&steps, &Traffic::new(events, steps.acts), true);
    let attributor = Attributor::new(&yardstick, &steps, events, &Events::default());
    let lined_up = |event| LinedUp { event, step: 0, log10_lr: 2.0, shares: true, names_peer };
    named_by_command(events, &[0, 1, 2].map(lined_up), &attributor, known, &steps, &laid.names)
}

#[test]
fn connections_that_a_miner_or_its_like_names_are_signals_of_it_by_peer() {
    let laid = named_peers(vec![hit(Behaviour::Mining, Confidence::Strong)]);
    let found = by_command(&laid, &[], true);
    let told: Vec<(&str, usize)> =
        found.iter().map(|one| (one.signal.summary.as_str(), one.signal.records.len())).collect();
    assert_eq!(
        told,
        [
            ("connection to 203.0.113.1:80 (pool.example) that the command names, let through, 90 s", 2),
            ("connection to 203.0.113.2:80 that the command names, let through, 70 s", 1)
        ]
    );
    let first = &found[0].signal;
    assert_eq!((first.kind.as_str(), first.confidence), ("miner-traffic", Confidence::Strong));
    assert_eq!((first.span, first.domains.as_slice()), (span(30_000, 120_000), ["pool.example".to_owned()].as_slice()));
    assert!(by_command(&laid, &[], false).is_empty(), "a network alone names nobody");
}

#[test]
fn only_a_strong_rule_on_what_leaves_traffic_makes_a_signal_of_a_connection() {
    let count = |behaviour, confidence| by_command(&named_peers(vec![hit(behaviour, confidence)]), &[], true).len();
    for behaviour in [Behaviour::Mining, Behaviour::Tunnel, Behaviour::Download] {
        let of =
            [Confidence::Weak, Confidence::Strong, Confidence::Certain].map(|confidence| count(behaviour, confidence));
        assert_eq!(of, [0, 2, 2], "{behaviour}");
    }
    for behaviour in [Behaviour::Probing, Behaviour::Concealment, Behaviour::Persistence, Behaviour::Privilege] {
        assert_eq!(count(behaviour, Confidence::Certain), 0, "{behaviour}");
    }
}

#[test]
fn what_the_network_says_itself_is_not_said_again() {
    let laid = named_peers(vec![hit(Behaviour::Mining, Confidence::Strong)]);
    let left = |behaviour, confidence, port| {
        let known = Traced {
            signal: Signal {
                confidence,
                flow: Some(Flow { dst: Some(ip("203.0.113.1")), dst_port: Some(port), ..Flow::default() }),
                records: vec![Record { evidence: EvidenceId(0), number: 9 }],
                ..Signal::new(behaviour, SignalSource::Network)
            },
            attribution: Attribution { best: None },
            timed: true,
        };
        by_command(&laid, &[known], true).len()
    };
    assert_eq!(left(Behaviour::Mining, Confidence::Strong, 80), 1);
    assert_eq!(left(Behaviour::Mining, Confidence::Weak, 80), 2, "a lead says too little");
    assert_eq!(left(Behaviour::Tunnel, Confidence::Strong, 80), 2, "of something else");
    assert_eq!(left(Behaviour::Mining, Confidence::Strong, 443), 2, "of another port");
}

#[test]
fn a_connection_is_told_by_its_peer_its_outcome_and_how_long_it_lasted() {
    let laid = named_peers(Vec::new());
    let told = |dst: Option<&str>, dst_port, lasted_ms: i64, failed| {
        let events = laid.events.changed(|_, row| {
            (row.dst, row.dst_port, row.failed) = (dst.map(ip), dst_port, failed);
            row.until = row.at.plus(lasted_ms * 1_000_000);
        });
        let hit = hit(Behaviour::Mining, Confidence::Strong);
        let span = Span { lo: ms(0), hi: ms(0), basis: Basis::ExplicitOffset };
        let one = named(&events.get(0).unwrap(), Attribution { best: None }, &hit, span, &laid.names);
        (one.signal.summary, one.signal.confidence)
    };
    let strong = |words: &str| (format!("connection to {words}"), Confidence::Strong);
    let names = "that the command names";
    assert_eq!(
        told(Some("203.0.113.9"), Some(22), 2_000, false),
        strong(&format!("203.0.113.9:22 {names}, let through, 2 s"))
    );
    assert_eq!(told(Some("203.0.113.9"), None, 700, false), strong(&format!("203.0.113.9 {names}, let through, 1 s")));
    assert_eq!(
        told(None, Some(22), 400, false),
        strong(&format!("its peer {names}, let through")),
        "a beginning alone"
    );
    // Refused traffic is an attempt.
    let (words, confidence) = told(Some("203.0.113.9"), Some(22), 0, true);
    assert_eq!(words, format!("connection to 203.0.113.9:22 {names}, refused or unanswered"));
    assert_eq!(confidence, Confidence::Weak);
}

#[test]
fn what_commands_are_is_told_of_those_that_ran() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", Some("train-07"));
    world.step(transcript, Some((ms(5_000), ms(6_000))), "true");
    world.step(transcript, None, "true");
    world.step(transcript, None, "true");
    let record = |number| Record { evidence: transcript, number };
    world.intake.steps[0].result_record = Some(record(8));
    world.intake.steps[0].also = vec![record(9), record(8)];
    world.intake.steps[2].not_executed = true;
    let mut laid = world.lay();
    laid.acts[0].hits = vec![hit(Behaviour::Mining, Confidence::Certain), hit(Behaviour::Tunnel, Confidence::Weak)];
    laid.acts[1].hits = vec![hit(Behaviour::Mining, Confidence::Strong)];
    laid.acts[2].hits = laid.acts[0].hits.clone();
    let found = from_commands(&laid.steps());
    let told: Vec<_> = found.iter().map(|one| (one.signal.summary.as_str(), one.signal.behaviour, one.timed)).collect();
    assert_eq!(
        told,
        [
            ("A miner (step 0)", Behaviour::Mining, true),
            ("A miner (step 0)", Behaviour::Tunnel, true),
            ("A miner (step 1)", Behaviour::Mining, false)
        ]
    );
    let first = &found[0].signal;
    assert_eq!((first.span, first.host.as_deref()), (span(5_000, 6_000), Some("train-07")));
    assert_eq!(first.records, [record(1), record(8), record(9)], "each once");
    assert_eq!((found[2].signal.span, found[2].signal.records.as_slice()), (None, [record(2)].as_slice()));
}

#[test]
fn signals_are_numbered_by_time_then_by_record_and_kind_and_those_without_a_time_last() {
    let one = |kind: &str, span: Option<Span>, number| Traced {
        signal: Signal {
            kind: kind.to_owned(),
            span,
            records: vec![Record { evidence: EvidenceId(0), number }],
            ..Signal::new(Behaviour::Mining, SignalSource::Network)
        },
        attribution: Attribution { best: None },
        timed: true,
    };
    let mut all = [
        one("e", None, 1),
        one("d", span(2_000, 3_000), 1),
        one("c", span(1_000, 9_000), 2),
        one("b", span(1_000, 2_000), 1),
        one("a", span(1_000, 2_000), 1),
    ];
    number(&mut all);
    let told: Vec<(&str, &str)> = all.iter().map(|one| (one.signal.id.as_str(), one.signal.kind.as_str())).collect();
    assert_eq!(told, [("S-0001", "a"), ("S-0002", "b"), ("S-0003", "c"), ("S-0004", "d"), ("S-0005", "e")]);
}

#[test]
fn a_signal_is_laid_on_the_reference_clock_by_its_own_source() {
    // The same 24 connections in a capture and in a log that is 100 s ahead.
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let log = world.source("firewall.log", Kind::Firewall, Basis::ExplicitOffset);
    for n in 0..24_i64 {
        let (at, src_port) = (n * 37_000 + n * 137 % 1000, 40_000 + n as u16);
        world.connection_from(capture, HOME, "203.0.113.80:443", ms(at), src_port);
        world.connection_from(log, HOME, "203.0.113.80:443", ms(at + 100_000), src_port);
    }
    let clocks = world.clocks();
    let ahead = clocks.of(log).unwrap().offset_ns - clocks.of(capture).unwrap().offset_ns;
    assert!((ahead - 100 * SECOND).abs() < SECOND, "{ahead}");
    let aligned = |records| {
        let signal =
            Signal { span: span(500_000, 510_000), records, ..Signal::new(Behaviour::Mining, SignalSource::Network) };
        align(signal, &clocks).span.unwrap()
    };
    let of = |evidence| aligned(vec![Record { evidence, number: 1 }]);
    let (early, late) = (of(log), of(capture));
    assert!((late.lo.since(early.lo) - ahead).abs() < SECOND / 10, "{early:?} {late:?}");
    assert!((early.hi.since(early.lo) - 10 * SECOND).abs() < SECOND / 100);
    // What no record places stays as it is.
    assert_eq!(aligned(Vec::new()), span(500_000, 510_000).unwrap());
}
