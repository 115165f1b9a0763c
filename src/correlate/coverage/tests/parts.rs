//! What each part says of a finding by itself.

use super::*;
use crate::correlate::analysis::Strength;
use crate::correlate::attribute::{Attributed, Attribution};
use crate::correlate::kit::{Laid, ip};
use crate::model::{Behaviour, Confidence, Flow, Signal};

const PEER: &str = "203.0.113.66";

/// A firewall log and a capture, and an episode, of the host of [`CASE`].
fn both(case: &str) -> World {
    let mut world = World::with_case(case);
    world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    world.source("lan.pcap", Kind::Capture, Basis::ExplicitOffset);
    world.episode("a.jsonl", None);
    world
}

fn view(source: usize, kind: Kind) -> View<'static> {
    View {
        evidence: EvidenceId(source as u32),
        path: if source == FIREWALL { "fw.log" } else { "lan.pcap" },
        kind,
        reach: None,
        allowed: 0,
        denied: 0,
        hosts: BTreeMap::from([(ip(HOST), (1, 0))]),
        silences: Vec::new(),
    }
}

/// Steps by index, and the seconds from which to which each ran.
fn subject<'a>(steps: &[(u32, i64, i64)]) -> Subject<'a> {
    let stretch = |(index, start, end): &(u32, i64, i64)| Stretch {
        start: ms(start * 1_000),
        end: ms(end * 1_000),
        index: *index,
        slack_ns: 0,
    };
    Subject {
        hosts: BTreeSet::from([ip(HOST)]),
        peers: BTreeSet::from([(ip(PEER), 3333)]),
        stretches: steps.iter().map(stretch).collect(),
        signals: Vec::new(),
        episode: Some("a.jsonl"),
    }
}

#[test]
fn steps_and_hosts_are_counted_in_words() {
    let all = subject(&[(7, 0, 1), (3, 2, 3), (9, 4, 5)]).stretches;
    assert_eq!(named(&[&all[0]]), "step 7");
    assert_eq!(named(&all.iter().collect::<Vec<_>>()), "3 steps, the first of them step 3");
    let of = |names: &[&str]| list(names.iter().map(|name| (*name).to_owned()));
    assert_eq!(of(&["a"]), "a");
    assert_eq!(of(&["a", "b", "c"]), "a, b, c");
    assert_eq!(of(&["a", "b", "c", "d"]), "a, b, c and 1 more");
    assert_eq!(short(ms(61_999)), "2026-11-20T00:01:01Z");
}

// The step runs from 60 to 61 s. A second, and what its clock may be off, are no matter.
#[test]
fn a_source_reaches_a_step_to_within_a_second_and_the_clocks() {
    let said = |first: i64, last: i64, slack_s: i64| {
        let view = View { reach: Some((ms(first), ms(last))), ..view(FIREWALL, Kind::Firewall) };
        let mut subject = subject(&[(4, 60, 61)]);
        subject.stretches[0].slack_ns = slack_s * SECOND;
        beyond_reach(&view, &subject).len()
    };
    for (first, last, slack_s, limits) in [
        (62_000, 90_000, 0, 0),
        (62_001, 90_000, 0, 1),
        (72_000, 90_000, 10, 0),
        (72_001, 90_000, 10, 1),
        (0, 60_500, 0, 0),
        (0, 59_000, 0, 0),
        (0, 58_999, 0, 1),
        (0, 49_000, 10, 0),
        (0, 48_999, 10, 1),
    ] {
        assert_eq!(said(first, last, slack_s), limits, "{first} to {last}, {slack_s} s");
    }
    let view = View { reach: Some((ms(70_000), ms(80_000))), ..view(FIREWALL, Kind::Firewall) };
    assert_eq!(
        beyond_reach(&view, &subject(&[(4, 60, 61), (6, 62, 63), (8, 75, 76), (9, 90, 91)])),
        [
            "fw.log: its first record is of 2026-11-20T00:01:10Z, after 2 steps, the first of them step 4: whether it was \
             on yet is not known",
            "fw.log: its last record is of 2026-11-20T00:01:20Z, before step 9: whether it was still on is not known",
        ]
    );
    let undated = View { reach: None, ..view };
    assert!(beyond_reach(&undated, &subject(&[(4, 60, 61)])).is_empty(), "nothing tells its times");
}

/// What is said of a log that is silent from 40 to 100 s, while a capture shows three connections of its host: just behind the
/// beginning, in the middle and just before the end.
fn gap(steps: &[(u32, i64, i64)], until: i64, change: impl FnOnce(&mut Laid)) -> Option<String> {
    let mut world = both("");
    for at in [40_001, 70_000, until - 1] {
        world.connection(EvidenceId(1), HOST, "198.51.100.90:80", ms(at));
    }
    // When it goes silent, and when it speaks again.
    for at in [40_000, until] {
        world.connection(EvidenceId(1), HOST, "198.51.100.91:80", ms(at));
    }
    let mut laid = world.lay();
    // To the nanosecond: a stamp alone stands for all that prints the same.
    let times = [40_000, 40_001, 70_000, until - 1, until];
    laid.events = laid.events.changed(|place, row| row.at = ms(times[place]));
    change(&mut laid);
    let subject = subject(steps);
    let silence = |stretch: &Stretch| Silence { at: stretch.start, from: ms(40_000), until: ms(until) };
    let silences = subject.stretches.iter().map(silence).collect();
    let view = View { silences, ..view(FIREWALL, Kind::Firewall) };
    laid.ask(&[], None, |witnesses| silent(&view, &subject, witnesses))
}

#[test]
fn a_gap_takes_a_minute_and_the_whole_step() {
    let step = [(4, 60, 61)];
    let said = "fw.log: a gap from 2026-11-20T00:00:40Z to 2026-11-20T00:01:40Z, over step 4: lan.pcap shows 3 connections \
                of hosts in it meanwhile";
    assert_eq!(gap(&step, 100_000, |_| ()).as_deref(), Some(said));
    assert_eq!(gap(&step, 99_999, |_| ()), None, "less than a minute");
    assert!(gap(&[(4, 60, 99)], 100_000, |_| ()).is_some());
    assert_eq!(gap(&[(4, 60, 100)], 100_000, |_| ()), None, "the step goes on when it speaks again");
    // The steps before and after are not in it.
    let several = gap(&[(3, 30, 31), (4, 60, 61), (5, 62, 63), (6, 99, 100)], 100_000, |_| ()).unwrap();
    assert!(several.contains("over 2 steps, the first of them step 4:"), "{several}");
}

#[test]
fn only_dated_connections_of_its_hosts_in_another_source_speak_for_a_gap() {
    let step = [(4, 60, 61)];
    let changed = |change: &dyn Fn(&mut crate::correlate::events::Row)| {
        gap(&step, 100_000, |laid| {
            laid.events = laid.events.changed(|_, row| {
                if row.at == ms(70_000) {
                    change(row);
                }
            });
        })
    };
    assert!(changed(&|_| ()).is_some());
    assert_eq!(changed(&|row| row.timed = false), None, "two of them");
    assert_eq!(changed(&|row| row.evidence = EvidenceId(0)), None, "its own");
    assert_eq!(changed(&|row| row.src = Some(ip("10.20.0.99"))), None, "a host that it never shows");
}

#[test]
fn refusals_alone_are_told_of_firewalls_by_the_source_that_shows_most() {
    let seen = |answered: u64| View {
        hosts: BTreeMap::from([(ip(HOST), (9, answered)), (ip("10.20.0.99"), (9, 9))]),
        ..view(CAPTURE, Kind::Capture)
    };
    let said = |kind: Kind, (denied, allowed): (u64, u64), answered: u64| {
        let own = View { allowed, denied, ..view(FIREWALL, kind) };
        let (one, other) = (seen(answered), seen(0));
        refusals_alone(&own, &subject(&[]), &[&own, &other, &one])
    };
    let three = "fw.log: all of its verdicts are refusals, while lan.pcap shows 3 conversations of the same hosts that were \
                 answered or let through: what it lets through is not in it";
    assert_eq!(said(Kind::Firewall, (1, 0), 3).as_deref(), Some(three));
    assert_eq!(said(Kind::Firewall, (1, 1), 3), None, "it tells what it lets through");
    assert_eq!(said(Kind::Firewall, (0, 0), 3), None, "it gives no verdicts");
    assert_eq!(said(Kind::Capture, (1, 0), 3), None, "no firewall");
    assert_eq!(said(Kind::Firewall, (1, 0), 0), None, "nobody shows more");
    // What itself shows as answered is no other source.
    let own = View { denied: 1, hosts: BTreeMap::from([(ip(HOST), (2, 2))]), ..view(FIREWALL, Kind::Firewall) };
    assert_eq!(refusals_alone(&own, &subject(&[]), &[&own]), None);
}

#[test]
fn what_a_reader_says_is_missing_is_told_of_its_own_source() {
    let mut world = both("");
    for (evidence, kind, detail) in [
        (0, AnomalyKind::SequenceGap, "numbers 5 to 9 are missing"),
        (0, AnomalyKind::TruncatedRecord, "packets that were cut when they were captured: 9"),
        (1, AnomalyKind::LoggingStopped, "it was stopped"),
    ] {
        let anomaly = Anomaly { record: 1, kind, detail: detail.to_owned() };
        world.intake.anomalies.push(EvidenceAnomaly { evidence: EvidenceId(evidence), anomaly, of: 1 });
    }
    world.lay().ask(&[], None, |witnesses| {
        let said = |source, kind| cut_or_lost(&view(source, kind), witnesses);
        assert_eq!(said(FIREWALL, Kind::Firewall).as_deref(), Some("fw.log: numbers 5 to 9 are missing"));
        assert_eq!(said(CAPTURE, Kind::Capture).as_deref(), Some("lan.pcap: it was stopped"));
        assert_eq!(cut_or_lost(&View { evidence: EvidenceId(2), ..view(CAPTURE, Kind::Capture) }, witnesses), None);
    });
}

#[test]
fn a_host_that_no_network_source_shows() {
    let said = |case: &str, seen: &[&View<'_>], views: &[View<'_>]| {
        both(case).lay().ask(&[], None, |witnesses| blind(seen, views, &subject(&[]), witnesses))
    };
    let (own, other) = (
        view(FIREWALL, Kind::Firewall),
        View { hosts: BTreeMap::from([(ip("10.20.0.99"), (1, 0))]), ..view(CAPTURE, Kind::Capture) },
    );
    let views = [view(FIREWALL, Kind::Firewall)];
    let hidden = "no firewall log or capture shows train-07, where the episode ran, as the opener of anything";
    assert_eq!(said(CASE, &[], &[]).as_deref(), Some("no firewall log and no capture is at hand"));
    assert_eq!(said(CASE, &[], &views).as_deref(), Some(hidden));
    assert_eq!(said(CASE, &[&other], &views).as_deref(), Some(hidden));
    assert_eq!(said(CASE, &[&other, &own], &views), None);
    assert_eq!(said("", &[], &views), None, "where it ran is not known");
    let nowhere = CASE.replace("addresses = [\"10.20.0.5\"]", "addresses = []");
    assert_eq!(said(&nowhere, &[], &views), None, "nor by which address");
}

#[test]
fn one_host_without_a_transcript_is_told_with_every_peer_that_it_reached() {
    let subject = Subject { peers: BTreeSet::from([(ip(PEER), 3333), (ip(PEER), 4444)]), ..subject(&[]) };
    let by = |hosts: &[&str]| {
        let hosts: BTreeSet<IpAddr> = hosts.iter().map(|host| ip(host)).collect();
        BTreeMap::from([((ip(PEER), 3333), hosts.clone()), ((ip(PEER), 4444), hosts.clone()), ((ip(PEER), 80), hosts)])
    };
    assert_eq!(
        others(&subject, &by(&[HOST, "10.20.0.6"])).as_deref(),
        Some(
            "a host of which no transcript is at hand reached 203.0.113.66:3333, 203.0.113.66:4444 as well: 10.20.0.6"
        )
    );
    assert_eq!(others(&subject, &by(&[HOST])), None, "the host of the finding itself");
}

fn traced(source: SignalSource, shared: &[Token], timed: bool) -> Traced {
    let strength = Strength { log10_lr: 9.0, p_step: 1.0, ..Strength::default() };
    let best = Attributed { step: 0, strength, shared: shared.iter().cloned().collect() };
    let signal = Signal {
        confidence: Confidence::Certain,
        flow: Some(Flow::default()),
        records: vec![Record { evidence: EvidenceId(3), number: 1 }],
        ..Signal::new(Behaviour::Mining, source)
    };
    Traced { signal, attribution: Attribution { best: Some(best) }, timed }
}

#[test]
fn a_name_is_unresolved_where_the_port_is_all_that_speaks_for_it() {
    let said = |shared: &[Token], dns: bool| {
        let mut world = both("");
        world.step(EvidenceId(2), Some((ms(0), ms(1_000))), "./xmrig -o pool.example:3333 --api other.example:80");
        if dns {
            world.dns("www.example", "203.0.113.1");
        }
        let one = traced(SignalSource::Network, shared, true);
        let subject = Subject { signals: vec![&one], ..subject(&[]) };
        world.lay().ask(&[], None, |witnesses| unresolved(&subject, witnesses)).into_iter().collect::<Vec<_>>()
    };
    let words = "nothing in the evidence resolves pool.example: its connection is told by port 3333 alone";
    let port = Token::UnresolvedPort(3333);
    assert_eq!(said(std::slice::from_ref(&port), true), [words]);
    assert_eq!(said(std::slice::from_ref(&port), false), [format!("{words}; no source shows an answer of DNS")]);
    assert!(said(&[port, Token::Address(ip(PEER))], true).is_empty(), "its address speaks for it as well");
    assert!(said(&[], true).is_empty());
}

#[test]
fn hosts_of_agents_and_of_transcripts_are_held_against_the_traffic() {
    let host = |name: &str, addresses: &str, agent: bool| {
        format!("[[host]]\nname = \"{name}\"\naddresses = [\"{addresses}\"]\nagent = {agent}\n")
    };
    let said = |more: &str, openers: &[&str], change: &dyn Fn(&mut World)| {
        let mut world = both(&format!("{CASE}{more}"));
        for opener in openers {
            world.connection(EvidenceId(1), opener, "198.51.100.90:80", ms(1_000));
        }
        change(&mut world);
        world.lay().ask(&[], None, of_case)
    };
    let others = [host("b", "10.20.0.6", true), host("c", "10.20.0.7", true), host("d", "10.20.0.8", false)].concat();
    // Clopper-Pearson of 2 of 3: 3 p^2 - 2 p^3 = 0.025 at 0.094, 1 - p^3 = 0.025 at 0.992.
    let two = "Of 3 hosts of agents that the traffic shows, 2 have no transcript (b, c; 67 %, 95 % interval 9 to 99 %): what \
               agents did there is not known.";
    assert_eq!(said(&others, &[HOST, "10.20.0.6", "10.20.0.7", "10.20.0.8"], &|_| ()), [two]);
    assert!(said(&others, &[HOST], &|_| ()).is_empty(), "what the traffic does not show may have been off");
    let hidden =
        "No firewall log or capture shows 1 of 1 hosts that transcripts are from, as the opener of anything: train-07.";
    assert_eq!(said(&others, &["10.20.0.8"], &|_| ()), [hidden]);
    // Without transcripts, or with no network source that has records, nothing is missed.
    assert!(said(&others, &["10.20.0.6"], &|world| world.intake.episodes.clear()).is_empty());
    let empty = |world: &mut World| world.intake.sources.iter_mut().for_each(|source| source.records = 0);
    assert!(said(&others, &[], &empty).is_empty());
    let no_network = |world: &mut World| {
        world.intake.sources.iter_mut().take(2).for_each(|source| source.kind = Some(Kind::Gpu));
    };
    assert!(said(&others, &[], &no_network).is_empty());
    let of_firewall = |world: &mut World| world.intake.sources[CAPTURE].records = 0;
    assert_eq!(said(&others, &[], &of_firewall), [hidden], "one of them is enough");
    // What an episode's commands bear out as its address is told of by its transcript, under any name.
    let nodes = host("nodes", "10.20.1.0/24", true);
    let reached = |world: &mut World| {
        world.connection(EvidenceId(1), "10.20.1.9", "198.51.100.77:80", ms(1_000));
    };
    let container = |world: &mut World| {
        reached(world);
        let transcript = world.episode("c.jsonl", Some("container-1"));
        world.step(transcript, Some((ms(0), ms(2_000))), "curl http://198.51.100.77/");
    };
    let one = "Of 2 hosts of agents that the traffic shows, 1 has no transcript (nodes; 50 %, 95 % interval 1 to 99 %): what \
               agents did there is not known.";
    assert_eq!(said(&nodes, &[HOST], &reached), [one]);
    assert!(said(&nodes, &[HOST], &container).is_empty());
}

#[test]
fn a_view_keeps_what_concerns_the_hosts_of_findings() {
    let mut world = both("");
    let (fw, lan) = (EvidenceId(0), EvidenceId(1));
    world.connection(fw, HOST, "198.51.100.1:80", ms(1_000)).allowed = 1;
    world.connection(fw, HOST, "198.51.100.2:80", ms(2_000)).denied = 2;
    world.connection(fw, HOST, "198.51.100.3:80", ms(3_000));
    world.connection(fw, "10.20.0.99", "198.51.100.1:80", ms(3_000)).allowed = 4;
    world.connection(lan, HOST, "198.51.100.1:80", ms(1_000)).answered = 1;
    let empty = world.source("empty.pcap", Kind::Capture, Basis::ExplicitOffset);
    world.intake.sources[empty.0 as usize].records = 0;
    for (path, basis) in [("local.log", Basis::AssumedZone), ("boot.log", Basis::BootRelative)] {
        world.source(path, Kind::Firewall, basis);
    }
    let subjects = [subject(&[(4, 60, 61)])];
    world.lay().ask(&[], None, |witnesses| {
        let views = views(&subjects, witnesses);
        // What has no records shows nothing, and a transcript is no network source.
        assert_eq!(
            views.iter().map(|view| view.path).collect::<Vec<_>>(),
            ["fw.log", "lan.pcap", "local.log", "boot.log"]
        );
        let dated: Vec<bool> = views.iter().map(|view| view.reach.is_some()).collect();
        assert_eq!(dated, [true, true, true, false], "nothing ties the last to a date");
        let hosts: Vec<Vec<(IpAddr, (u64, u64))>> =
            views.iter().map(|view| view.hosts.iter().map(|(host, counts)| (*host, *counts)).collect()).collect();
        assert_eq!(hosts, [vec![(ip(HOST), (3, 1))], vec![(ip(HOST), (1, 1))], vec![], vec![]]);
        // Verdicts are of the whole source.
        assert_eq!((views[0].allowed, views[0].denied), (5, 2));
    });
}

#[test]
fn others_that_reached_a_peer_are_of_inside_or_agents_and_have_no_transcript() {
    let agent = "[[host]]\nname = \"far\"\naddresses = [\"192.0.2.77\"]\nagent = true\n";
    let mut world = both(&format!("{CASE}{agent}"));
    for src in [HOST, "10.20.0.6", "192.0.2.9", "192.0.2.77"] {
        for peer in [format!("{PEER}:3333"), format!("{PEER}:80")] {
            world.connection(EvidenceId(1), src, &peer, ms(1_000));
        }
    }
    let expected = BTreeMap::from([((ip(PEER), 3333), BTreeSet::from(["10.20.0.6", "192.0.2.77"].map(ip)))]);
    world.lay().ask(&[], None, |witnesses| assert_eq!(reached_by(&[subject(&[])], witnesses), expected));
}

/// A finding of the reference world, without what it cites.
fn bare_finding() -> Finding {
    let analysis = of(world("", &[FIREWALL, CAPTURE], MINER)).1;
    Finding { steps: Vec::new(), signals: Vec::new(), ..analysis.findings[0].clone() }
}

#[test]
fn a_finding_is_of_the_single_addresses_of_its_episodes_host() {
    let hosts = |addresses: &str| {
        let mut world = both(&CASE.replace(HOST, addresses));
        let step = world.step(EvidenceId(2), Some((ms(60_000), ms(61_000))), "ls");
        let step = crate::correlate::analysis::StepRef {
            episode: "a".to_owned(),
            index: 0,
            record: world.intake.steps[step].record,
            tool: "Bash".to_owned(),
            command: None,
            span: None,
        };
        let places = BTreeMap::from([(step.record, 0)]);
        let finding = Finding { steps: vec![step], ..bare_finding() };
        world.lay().ask(&[], None, |witnesses| {
            super::super::subject(&finding, &BTreeMap::new(), &places, witnesses).hosts.into_iter().collect::<Vec<_>>()
        })
    };
    assert_eq!(hosts(HOST), [ip(HOST)]);
    assert_eq!(hosts("10.20.0.0/24"), Vec::<IpAddr>::new(), "any of a network may be it");
}

#[test]
fn only_clocks_of_what_was_seen_and_timed_limit_a_finding() {
    let finding = bare_finding();
    let said = |source: SignalSource, timed: bool| {
        let mut world = both("");
        world.source("pmon.txt", Kind::Gpu, Basis::AssumedZone);
        let one = traced(source, &[], timed);
        let subject = Subject { signals: vec![&one], ..subject(&[]) };
        world.lay().ask(&[], None, |witnesses| clocks(&finding, &subject, witnesses)).len()
    };
    assert_eq!(said(SignalSource::Gpu, true), 1);
    assert_eq!(said(SignalSource::Gpu, false), 0, "nothing is concluded from its time");
    assert_eq!(said(SignalSource::Command, true), 0, "a command is no telemetry");
}
