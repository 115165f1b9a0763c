mod summary;

use super::*;
use crate::correlate::acts::Hit;
use crate::correlate::analysis::Grade;
use crate::correlate::attribute::Attribution;
use crate::correlate::kit::{Laid, World, hit, ip, ms, rules};
use crate::correlate::traffic::Traffic;
use crate::correlate::witnesses::Aligned;
use crate::correlate::{Analysis, analyze};
use crate::evidence::{Anomaly, AnomalyKind, Record};
use crate::formats::Kind;
use crate::intake::{EvidenceAnomaly, Options, ProcessFact};
use crate::model::{Flow, SignalSource};
use crate::time::Basis;

/// A miner that a step starts: the firewall sees its connection, a poll of the GPU its process.
fn started(blind: Option<(AnomalyKind, &str)>) -> Analysis {
    started_after(blind, "ls")
}

/// The same with a command before it.
fn started_after(blind: Option<(AnomalyKind, &str)>, before: &str) -> Analysis {
    let mut world = World::with_case("[gpu]\nallocated = [\"python3\"]\n");
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    // Ordinary calls tell what it is worth that a command and a connection name the same.
    for call in 0..20 {
        let peer = format!("198.51.100.{call}:80");
        let begin = ms(600_000 + 60_000 * call);
        world.step(transcript, Some((begin, begin.plus(2 * SECOND))), &format!("curl http://{peer}/x"));
        world.connection(firewall, "10.20.0.5", &peer, begin.plus(SECOND / 2));
    }
    world.step(transcript, Some((ms(50_000), ms(51_000))), before);
    world.step(transcript, Some((ms(60_000), ms(61_000))), "nohup ./xmrig -o 203.0.113.66:3333 &");
    world.connection(firewall, "10.20.0.5", "203.0.113.66:3333", ms(60_500));
    let evidence = world.source("pmon.txt", Kind::Gpu, Basis::DeclaredZone);
    let at = |seconds: i64| Span::at(ms(60_000).plus(seconds * SECOND), Basis::DeclaredZone);
    world.gpu_process(evidence, "./xmrig", [at(2), at(90)]);
    world.intake.anomalies.extend(blind.map(|(kind, detail)| EvidenceAnomaly {
        evidence,
        anomaly: Anomaly { record: 0, kind, detail: detail.to_owned() },
        of: 1,
    }));
    let options = Options { case: world.case, ..Options::default() };
    analyze(&world.intake, &options, rules())
}

#[test]
fn what_a_source_cannot_show_limits_what_rests_on_it() {
    let of_gpu = |analysis: &Analysis| -> Vec<String> {
        let [finding] = analysis.findings.as_slice() else { panic!("{:?}", analysis.findings) };
        finding.limits.iter().filter(|limit| limit.starts_with("pmon.txt: G")).cloned().collect()
    };
    assert!(of_gpu(&started(None)).is_empty());
    let blind = Some((AnomalyKind::BoundReached, "GPUs 0 to 3, the most that pmon shows"));
    assert_eq!(of_gpu(&started(blind)), ["pmon.txt: GPUs 0 to 3, the most that pmon shows"]);
    // What is odd without hiding anything is no limit.
    assert!(of_gpu(&started(Some((AnomalyKind::Duplicate, "GPU twice")))).is_empty());
}

#[test]
fn one_judged_row_alone_names_nobody() {
    let finding = |before| started_after(None, before).findings.remove(0);
    let named = finding("ls");
    assert_eq!((named.level, named.initiator, named.judgement.withheld), ("high", "agent", None));
    // By hand, the agent after an install: against content that steers it .2/.5 and, by the row on the rollout, .98/.5,
    // near even but for .98/.05 that nothing it read named the peer; against a replayed prefix the same with those two
    // rows exchanged; against third-party code .2/.95 twice .98/.5 and 1/.8, near even but for .976/.2 that it wrote it.
    let withheld = finding("pip install miner");
    assert_eq!((withheld.level, withheld.initiator), ("high", "undecided"));
    assert_eq!(withheld.rivals[0].hypothesis.name(), "agent");
    let why = "initiator undecided: the agent's own calls would not lead without one judged row (any of the agent wrote \
               the address or name before the event; no content from outside named it before; the step was decided in \
               this rollout)";
    assert_eq!(withheld.judgement.withheld.as_deref(), Some(why));
    assert!(withheld.limits.iter().any(|limit| limit == why));
}

/// A signal of mining that a source saw from one second to another.
fn seen(source: SignalSource, confidence: Confidence, (from, to): (i64, i64)) -> Traced {
    let signal = Signal {
        confidence,
        span: Some(Span { lo: ms(from * 1_000), hi: ms(to * 1_000), basis: Basis::ExplicitOffset }),
        ..Signal::new(Behaviour::Mining, source)
    };
    Traced { signal, attribution: Attribution { best: None }, timed: true }
}

fn to_peer(peer: &str, mut one: Traced) -> Traced {
    one.signal.flow = Some(Flow { src: Some(ip("10.20.0.5")), dst: Some(ip(peer)), ..Flow::default() });
    one
}

/// The same, held to be set off by a step with that weight, which names the peer or does not.
fn by_step(step: usize, log10_lr: f64, names: bool, mut one: Traced) -> Traced {
    let strength = Strength { log10_lr, p_step: 1.0, ..Strength::default() };
    let shared = names.then(|| Token::Address(ip("203.0.113.66"))).into_iter().collect();
    one.attribution.best = Some(Attributed { step, strength, shared });
    one
}

/// Two episodes with a call each, a firewall and a GPU's log.
fn laid() -> Laid {
    let mut world = World::default();
    world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    world.source("gpu.csv", Kind::Gpu, Basis::ExplicitOffset);
    for path in ["a.jsonl", "b.jsonl"] {
        let transcript = world.episode(path, None);
        world.step(transcript, Some((ms(60_000), ms(61_000))), "ls");
    }
    world.dns("pool.example", "203.0.113.66");
    world.lay()
}

/// With the outcome of the alignment test: onsets follow calls, or nothing is known.
fn with_witnesses<T>(
    laid: &Laid,
    aligned: bool,
    traced: &[Traced],
    ask: impl FnOnce(&Steps<'_>, &Witnesses<'_>) -> T,
) -> T {
    let steps = laid.steps();
    let aligned = aligned.then_some(Aligned { follows: true, p: 0.01, onsets: 40 });
    let (events, traffic) = (&laid.events, Traffic::new(&laid.events, &laid.acts));
    let looked_up = (&laid.clocks, &laid.names);
    ask(&steps, &Witnesses::new(&steps, looked_up, &laid.world.case, (events, &traffic), aligned, traced))
}

fn assembled(laid: &Laid, traced: &mut [Traced]) -> Assembled {
    for (number, one) in traced.iter_mut().enumerate() {
        one.signal.id = format!("S-{number}");
    }
    with_witnesses(laid, true, traced, |steps, witnesses| assemble(traced, steps, &laid.clocks, witnesses))
}

/// Whether the second signal joins the finding that the first one is of.
fn joins(first: Traced, second: Traced) -> bool {
    let key = (0, Behaviour::Mining);
    let (mut groups, mut rest) = (BTreeMap::from([(key, vec![0])]), vec![1, 2]);
    // A third signal of another source stays where it is.
    let third = seen(SignalSource::Host, Confidence::Strong, (0, 1_000));
    let joined = corroborate(&[first, second, third], &mut groups, &mut rest);
    assert!(joined.is_empty(), "nothing of the rest is to be joined");
    match (groups[&key].as_slice(), rest.as_slice()) {
        ([0, 1], [2]) => true,
        ([0], [1, 2]) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gpu_joins_traffic_of_the_same_behaviour_within_half_a_minute() {
    let (network, gpu, host) = (SignalSource::Network, SignalSource::Gpu, SignalSource::Host);
    let traffic = || seen(network, Confidence::Strong, (100, 110));
    // From 70 to 140 s is near enough.
    for (seconds, expected) in
        [((0, 69), false), ((0, 80), true), ((104, 106), true), ((135, 200), true), ((141, 200), false)]
    {
        assert_eq!(joins(traffic(), seen(gpu, Confidence::Weak, seconds)), expected, "{seconds:?}");
    }
    // Seen in one poll alone.
    for (second, expected) in [(69, false), (70, true), (105, true), (140, true), (141, false)] {
        assert_eq!(joins(traffic(), seen(gpu, Confidence::Weak, (second, second))), expected, "{second}");
    }
    let drew = || seen(gpu, Confidence::Weak, (100, 110));
    assert!(joins(seen(network, Confidence::Certain, (100, 110)), drew()));
    assert!(!joins(seen(network, Confidence::Weak, (100, 110)), drew()), "a lead explains nothing");
    assert!(!joins(seen(host, Confidence::Strong, (100, 110)), drew()), "of traffic alone");
    assert!(!joins(traffic(), seen(host, Confidence::Strong, (100, 110))), "of GPUs alone");
    let mut tunnel = traffic();
    tunnel.signal.behaviour = Behaviour::Tunnel;
    assert!(!joins(tunnel, drew()), "a tunnel heats no GPU");
    let undated = Traced { timed: false, ..drew() };
    assert!(!joins(traffic(), undated));
}

#[test]
fn a_gpu_joins_what_it_runs_together_with_for_longest() {
    let drew = seen(SignalSource::Gpu, Confidence::Weak, (200, 300));
    let traffic = |seconds| seen(SignalSource::Network, Confidence::Strong, seconds);
    // Within half a minute: 100 to 230 for 30 s of it, 220 to 330 for 80 s.
    let all = [traffic((130, 200)), traffic((250, 300)), drew];
    let [first, second] = [(0, Behaviour::Mining), (1, Behaviour::Mining)];
    let (mut groups, mut rest) = (BTreeMap::from([(first, vec![0]), (second, vec![1])]), vec![2]);
    assert!(corroborate(&all, &mut groups, &mut rest).is_empty() && rest.is_empty());
    assert_eq!((groups[&first].as_slice(), groups[&second].as_slice()), ([0].as_slice(), [1, 2].as_slice()));
    // Where that is of no finding, both stay without a step, and are told of together.
    let (mut groups, mut rest) = (BTreeMap::from([(first, vec![0])]), vec![1, 2]);
    assert_eq!(corroborate(&all, &mut groups, &mut rest), BTreeMap::from([(2, 1)]));
    assert_eq!((groups[&first].as_slice(), rest.as_slice()), ([0].as_slice(), [1, 2].as_slice()));
}

#[test]
fn signals_of_one_episode_and_behaviour_are_one_finding() {
    let laid = laid();
    let strong = |seconds| seen(SignalSource::Network, Confidence::Strong, seconds);
    let mut tunnel = by_step(0, 2.0, true, strong((62, 70)));
    tunnel.signal.behaviour = Behaviour::Tunnel;
    let mut all = [
        by_step(1, 2.0, true, strong((61, 70))),
        by_step(0, 2.0, true, strong((63, 70))),
        by_step(0, 3.0, true, strong((64, 90))),
        tunnel,
    ];
    let findings = assembled(&laid, &mut all).findings;
    let told: Vec<_> = findings.iter().map(|one| (one.id.as_str(), one.episode.as_str(), one.behaviour)).collect();
    // In the order in which they began.
    let (mining, tunnel) = (Behaviour::Mining, Behaviour::Tunnel);
    assert_eq!(told, [("F-0001", "b", mining), ("F-0002", "a", tunnel), ("F-0003", "a", mining)]);
    let last = &findings[2];
    assert_eq!(last.signals, ["S-1", "S-2"]);
    assert_eq!((last.first, last.last, last.strength.log10_lr), (Some(ms(63_000)), Some(ms(90_000)), 3.0));
    assert_eq!(last.steps.len(), 1, "a step is named once");
    // What to fetch is what the judgement misses, in its order.
    let missed: Vec<&str> = last.judgement.missing.iter().map(|row| row.source.as_str()).collect();
    assert!(!missed.is_empty() && last.would_decide == missed);
}

#[test]
fn a_weak_step_that_time_alone_holds_says_so() {
    let laid = laid();
    let says = |log10_lr, names| {
        let network = seen(SignalSource::Network, Confidence::Strong, (61, 70));
        let assembled = assembled(&laid, &mut [by_step(0, log10_lr, names, network)]);
        let [finding] = assembled.findings.as_slice() else { panic!("{:?}", assembled.findings) };
        finding.limits.iter().any(|limit| limit.starts_with("held by time alone, and weak by itself"))
    };
    assert!(says(0.5, false));
    assert!(!says(LEAST, false), "enough for a named one is not called weak");
    assert!(!says(3.0, false) && !says(0.5, true) && !says(3.0, true));
}

#[test]
fn a_clock_that_cannot_be_compared_limits_what_rests_on_it() {
    let limits = |grade, timed| {
        let mut laid = laid();
        laid.clocks.rows.iter_mut().for_each(|clock| clock.grade = grade);
        let mut one = by_step(0, 3.0, true, seen(SignalSource::Network, Confidence::Strong, (61, 70)));
        one.timed = timed;
        one.signal.records = vec![Record { evidence: EvidenceId(0), number: 1 }];
        assembled(&laid, &mut [one]).findings.remove(0).limits
    };
    assert_eq!(limits(Grade::C, false), ["fw.log: clock grade C"]);
    assert_eq!(limits(Grade::D, false), ["fw.log: clock grade D"]);
    for (grade, timed) in [(Grade::A, false), (Grade::B, false), (Grade::D, true)] {
        assert_eq!(limits(grade, timed), Vec::<String>::new(), "{grade:?} {timed}");
    }
}

#[test]
fn what_lines_up_with_no_step_is_told_by_peer() {
    let laid = laid();
    let network = |confidence| seen(SignalSource::Network, confidence, (100, 110));
    let sweep = |peer| {
        let mut one = to_peer(peer, seen(SignalSource::Network, Confidence::Strong, (10, 20)));
        one.signal.behaviour = Behaviour::Probing;
        one
    };
    // A name alone belongs with the traffic to its address.
    let mut looked_up = network(Confidence::Strong);
    looked_up.signal.domains = vec!["pool.example".to_owned()];
    looked_up.signal.flow = Some(Flow { src: Some(ip("10.20.0.5")), ..Flow::default() });
    let mut all = [
        to_peer("203.0.113.66", network(Confidence::Strong)),
        to_peer("203.0.113.66", network(Confidence::Certain)),
        looked_up,
        to_peer("203.0.113.67", network(Confidence::Strong)),
        // A lead, and what a command says of itself, call for no explanation.
        to_peer("203.0.113.68", network(Confidence::Weak)),
        seen(SignalSource::Command, Confidence::Certain, (100, 110)),
        // One sweep or many, by one host.
        sweep("10.20.0.9"),
        sweep("10.20.0.10"),
        // A GPU is told of with the traffic that it runs with, here the first that it runs with as long as with any, and
        // alone if there is none.
        seen(SignalSource::Gpu, Confidence::Weak, (100, 110)),
        seen(SignalSource::Gpu, Confidence::Strong, (500, 510)),
        seen(SignalSource::Gpu, Confidence::Weak, (700, 710)),
    ];
    let assembled = assembled(&laid, &mut all);
    assert!(assembled.findings.is_empty());
    let mut told: Vec<Vec<&str>> = Vec::new();
    for one in &assembled.unexplained {
        told.push(one.signals.iter().map(String::as_str).collect());
    }
    assert_eq!(told, [vec!["S-6", "S-7"], vec!["S-0", "S-1", "S-2", "S-8"], vec!["S-3"], vec!["S-9"]]);
}

#[test]
fn a_step_that_meets_a_strong_rule_is_uncovered_once_by_behaviour_unless_something_lines_up() {
    let mut laid = laid();
    let hit = |rule: &str, behaviour, confidence| Hit { rule: rule.to_owned(), ..hit(behaviour, confidence) };
    laid.acts[0].hits = vec![
        hit("lead", Behaviour::Tunnel, Confidence::Weak),
        hit("miner", Behaviour::Mining, Confidence::Strong),
        hit("miner-too", Behaviour::Mining, Confidence::Certain),
        hit("download", Behaviour::Download, Confidence::Certain),
    ];
    laid.acts[1].hits = vec![hit("miner", Behaviour::Mining, Confidence::Strong)];
    let left = |findings: &[Finding]| -> Vec<(String, String)> {
        let all = with_witnesses(&laid, false, &[], |steps, witnesses| uncovered(findings, steps, witnesses));
        all.into_iter().map(|one| (one.step.episode, one.rule)).collect()
    };
    let named = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(episode, rule)| ((*episode).to_owned(), (*rule).to_owned())).collect()
    };
    assert_eq!(left(&[]), named(&[("a", "miner"), ("a", "download"), ("b", "miner")]));
    // A finding covers its own steps and its own behaviour alone.
    let mining = by_step(0, 3.0, true, seen(SignalSource::Network, Confidence::Strong, (61, 70)));
    let findings = assembled(&laid, &mut [mining]).findings;
    assert_eq!(left(&findings), named(&[("a", "download"), ("b", "miner")]));
}

/// A call that runs a program, and a machine's trail of the shell, the program and its connection.
fn with_trail() -> Laid {
    let host = "[[host]]\nname = \"h1\"\naddresses = [\"10.20.0.5\"]\n";
    let mut world = World::with_case(&format!("{host}[[run]]\ntranscripts = \"a*.jsonl\"\nhost = \"h1\"\n"));
    let audit = world.source("audit.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    let command = "./job -o 203.0.113.66:3333";
    world.step(transcript, Some((ms(60_000), ms(80_000))), command);
    let pool = Flow { dst: Some(ip("203.0.113.66")), dst_port: Some(3333), ..Flow::default() };
    for (number, (pid, parent, program, command, flow)) in (1..).zip([
        (4309, 1200, "/usr/bin/bash", Some(format!("bash -c '{command}'")), None),
        (4311, 4309, "/work/job", Some(command.to_owned()), None),
        (4311, 4309, "/work/job", None, Some(pool)),
    ]) {
        world.intake.facts.processes.push(ProcessFact {
            host: Some("h1".to_owned()),
            pid,
            parent_pid: Some(parent),
            process: Some(program.to_owned()),
            parent_process: None,
            command,
            flow,
            span: Some(Span::at(ms(60_000 + number as i64 * 100), Basis::ExplicitOffset)),
            record: Record { evidence: audit, number },
        });
    }
    world.lay()
}

#[test]
fn whose_child_the_owner_is_stands_beside_the_terms_where_there_are_any() {
    let laid = with_trail();
    let terms = |own: usize| {
        let mut one = by_step(0, 3.0, true, seen(SignalSource::Network, Confidence::Strong, (60, 70)));
        one.signal.flow = Some(Flow {
            src: Some(ip("10.20.0.5")),
            dst: Some(ip("203.0.113.66")),
            dst_port: Some(3333),
            ..Flow::default()
        });
        let term = Term {
            term: "indicator",
            observed: String::new(),
            log10_lr: 3.0,
            counts: String::new(),
            cap: String::new(),
            records: Vec::new(),
        };
        one.attribution.best.as_mut().unwrap().strength.terms = vec![term; own];
        let strength = assembled(&laid, &mut [one]).findings.remove(0).strength;
        assert_eq!(strength.log10_lr, 3.0, "it is weighed among the rivals");
        strength.terms.into_iter().map(|term| (term.term, term.observed)).collect::<Vec<_>>()
    };
    let words = "process 4311 (/work/job) on h1 descends from the shell that ran step 0 of a (process 4309)";
    assert_eq!(terms(1), [("indicator", String::new()), ("process", words.to_owned())]);
    assert_eq!(terms(0), []);
}
