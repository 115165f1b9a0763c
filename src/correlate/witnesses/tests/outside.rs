//! What came before from outside, what runs beside calls, who else is there, and what the telemetry covers.

use super::*;
use crate::correlate::analysis::AlignmentTest;

#[test]
fn the_alignment_counts_with_two_onsets_and_controls_that_hold() {
    let outcome = |p: f64, onsets: usize, withheld: Option<&str>| {
        let test = AlignmentTest { onsets, in_window: 1, expected: 1.0, p };
        let alignment = Alignment {
            test,
            at_gaps: Vec::new(),
            positive_control: None,
            negative_exposure: None,
            negative_outcome: None,
            jitter_ns: 0,
            window_ns: (0, 0),
            duty_cycle: 0.0,
            withheld: withheld.map(str::to_owned),
            sentences: Vec::new(),
        };
        Aligned::of(&alignment).map(|aligned| (aligned.follows, aligned.p, aligned.onsets))
    };
    assert_eq!(outcome(1e-6, 5, None), Some((true, 1e-6, 5)));
    assert_eq!(outcome(0.9, 5, None), Some((false, 0.9, 5)));
    assert_eq!(outcome(1e-6, 5, Some("a control fails")), None);
    assert_eq!(outcome(1e-6, 1, None), None, "one onset is no sample");
}

#[test]
fn onsets_that_follow_calls_speak_for_a_step_alone() {
    let (mut world, capture, transcript) = world();
    let step = world.step(transcript, Some((ms(0), ms(1_000))), "./job -o 198.51.100.20:3333");
    world.connection(capture, "10.20.0.5", POOL, ms(500));
    let laid = world.lay();
    for (follows, with_step, expected) in [
        (Some(true), true, Seen::Yes),
        (Some(true), false, Seen::No),
        (Some(false), true, Seen::No),
        (None, true, Seen::Unknown),
    ] {
        let aligned = follows.map(|follows| Aligned { follows, p: 0.5, onsets: 3 });
        let best = with_step.then(|| held(&laid, step));
        laid.ask(&[], aligned, |witnesses| {
            assert_eq!(witnesses.follows_calls(), follows == Some(true), "{follows:?}");
            let seen = witnesses.observe(best.as_ref(), &[&pool(ms(500))], Some(ms(500)));
            assert_eq!(seen.aligned, expected, "{follows:?}, step {with_step}");
            assert_eq!(seen.followed.map(|followed| followed.onsets), follows.map(|_| 3));
            assert!(!witnesses.had_it_been(None).follows_calls());
        });
    }
}

#[test]
fn a_source_without_records_could_have_shown_nothing() {
    let (mut world, capture, _) = world();
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    world.intake.sources[firewall.0 as usize].records = 0;
    world.lay().ask(&[], None, |witnesses| {
        let kinds = [Kind::Capture, Kind::Transcript, Kind::Firewall, Kind::Gpu];
        assert_eq!(kinds.map(|kind| witnesses.has(kind)), [true, true, false, false]);
        assert_eq!(witnesses.path(capture), "capture.pcap");
        assert_eq!(witnesses.path(firewall), "fw.log");
        assert_eq!(witnesses.path(EvidenceId(99)), "");
    });
}

#[test]
fn without_network_sources_or_an_authentication_log_nobody_could_have_been_seen() {
    let precursor = |alert: Option<AlertFact>| {
        let mut world = World::with_case(CASE);
        world.source("gpu.csv", Kind::Gpu, Basis::ExplicitOffset);
        world.episode("a1.jsonl", None);
        world.intake.facts.alerts.extend(alert);
        observe(&world.lay(), None, ms(0)).inbound_precursor
    };
    assert_eq!(precursor(None), Seen::Unknown);
    assert_eq!(precursor(Some(failures("192.0.2.7", 1, ms(0)))), Seen::No, "the log shows no row");
}

#[test]
fn short_sessions_count_within_six_hours_before() {
    // By hand: six hours before eight are two.
    for (begin, expected) in
        [(2 * HOUR_MS - 1, Seen::No), (2 * HOUR_MS, Seen::Yes), (8 * HOUR_MS, Seen::Yes), (8 * HOUR_MS + 1, Seen::No)]
    {
        let (mut world, capture, _) = world();
        world.connection(capture, "10.20.0.5", POOL, ms(8 * HOUR_MS));
        for _ in 0..4 {
            world.connection(capture, "192.0.2.7", "10.20.0.5:22", ms(begin));
        }
        let mut laid = world.lay();
        // To the nanosecond: a stamp alone stands for all that prints the same.
        laid.events = laid.events.changed(|_, row| {
            row.at = if row.dst_port == Some(22) { ms(begin) } else { ms(8 * HOUR_MS) };
        });
        assert_eq!(observe(&laid, None, ms(8 * HOUR_MS)).inbound_precursor, expected, "{begin}");
    }
}

#[test]
fn a_login_counts_by_its_first_or_its_last_moment_and_on_hosts_that_the_case_does_not_know() {
    let precursor = |host: &str, first: i64, last: i64| {
        let (mut world, capture, _) = world();
        world.connection(capture, "10.20.0.5", POOL, ms(8 * HOUR_MS));
        let moment = |hours: i64| Some(Span::at(ms(hours * HOUR_MS), Basis::ExplicitOffset));
        world.intake.facts.alerts.push(AlertFact {
            category: "ssh-login-accepted".to_owned(),
            host: Some(host.to_owned()),
            first: moment(first),
            last: moment(last),
            ..failures("192.0.2.7", 2, ms(0))
        });
        let seen = observe(&world.lay(), None, ms(8 * HOUR_MS));
        (seen.inbound_precursor, seen.precursor.map(|precursor| precursor.words))
    };
    let words = Some("a login from 192.0.2.7 was let in before it".to_owned());
    assert_eq!(precursor("h1", 1, 7), (Seen::Yes, words.clone()), "the last an hour before");
    assert_eq!(precursor("h1", 3, 9), (Seen::Yes, words.clone()), "the first five hours before");
    assert_eq!(precursor("h1", 1, 9).0, Seen::No, "none of which a moment is known lies within six hours");
    assert_eq!(precursor("bastion", 7, 7), (Seen::Yes, words), "no host of the case: it may be this one");
    assert_eq!(precursor("ops", 7, 7).0, Seen::No);
}

#[test]
fn one_of_five_connections_outside_of_calls_is_enough() {
    // The call runs from 100 to 110 s; the others begin at 102 s and later.
    for (during, outside, expected) in [(4, 1, Seen::Yes), (5, 1, Seen::No), (5, 0, Seen::No), (0, 1, Seen::Yes)] {
        let (mut world, capture, transcript) = world();
        world.step(transcript, Some((ms(100_000), ms(110_000))), "curl http://203.0.113.1/");
        for n in 0..during {
            world.connection(capture, "10.20.0.5", POOL, ms(102_000 + n * 1_000));
        }
        for _ in 0..outside {
            world.connection(capture, "10.20.0.5", POOL, ms(600_000));
        }
        let seen = observe(&world.lay(), None, ms(102_000));
        assert_eq!(seen.outside_of_steps, expected, "{outside} of {}", during + outside);
    }
}

#[test]
fn what_begins_within_a_second_of_a_call_is_covered_by_it() {
    // The call runs from 10 to 20 s. Times are to the millisecond; the clocks are one.
    for (at, outside) in [(8_500, 1), (9_500, 0), (15_000, 0), (20_500, 0), (21_500, 1)] {
        let (mut world, capture, transcript) = world();
        world.step(transcript, Some((ms(10_000), ms(20_000))), "curl http://203.0.113.1/");
        world.connection(capture, "10.20.0.5", POOL, ms(at));
        // Another peer, at another time: idle time takes two moments.
        world.connection(capture, "10.20.0.5", "203.0.113.80:443", ms(50_000));
        let idle = observe(&world.lay(), None, ms(at)).idle.unwrap();
        assert_eq!((idle.outside, idle.connections), (outside, 1), "{at}");
    }
}

#[test]
fn the_share_of_idle_time_is_of_the_time_from_the_first_connection_to_the_last() {
    let share = |connections: &[i64]| {
        let (mut world, capture, transcript) = world();
        world.step(transcript, Some((ms(4_000), ms(5_000))), "curl http://203.0.113.1/");
        for at in connections {
            world.connection(capture, "10.20.0.5", POOL, ms(*at));
        }
        observe(&world.lay(), None, ms(0)).idle.map(|idle| idle.share)
    };
    // By hand: a call from 4 to 5 s, a second more on either side: 3 of 10 s.
    let idle = share(&[0, 10_000]).unwrap();
    assert!((idle - 0.7).abs() < 0.01, "{idle}");
    assert_eq!(share(&[0]), None, "of one moment there is no share");
}

#[test]
fn other_peers_of_agents_that_others_reach_as_well_are_counted() {
    let strangers = |case: &str, others: &[&str]| {
        let mut world = World::with_case(case);
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        for peer in [POOL, "203.0.113.80:443", "203.0.113.81:443"] {
            world.connection(capture, "10.20.0.5", peer, ms(0));
        }
        for peer in others {
            world.connection(capture, "10.30.0.10", peer, ms(5_000));
        }
        observe(&world.lay(), None, ms(0)).strangers.map(|strangers| (strangers.shared, strangers.peers))
    };
    // The pool itself is not among them, on either side.
    assert_eq!(strangers(CASE, &["203.0.113.80:443", "192.0.2.1:443"]), Some((1, 2)));
    assert_eq!(strangers(CASE, &["203.0.113.80:443", POOL]), Some((1, 2)));
    assert_eq!(strangers(CASE, &["192.0.2.1:443"]), Some((0, 2)));
    assert_eq!(strangers(CASE, &[]), None, "no other host is seen");
    assert_eq!(strangers("", &["203.0.113.80:443"]), None, "nobody knows on which hosts agents run");
}

#[test]
fn what_has_no_opener_has_no_address_of_its_own_and_what_was_let_through_was_not_refused() {
    let (mut world, capture, _) = world();
    world.connection(capture, "10.20.0.5", POOL, ms(0)).allowed = 1;
    let laid = world.lay();
    assert_eq!(observe(&laid, None, ms(0)).refused, Seen::No);
    let mut nobody = pool(ms(0));
    nobody.signal.flow = None;
    let seen = observe_signal(&laid, None, nobody);
    assert_eq!((seen.own_address, seen.refused), (Seen::Unknown, Seen::Unknown));
}

#[test]
fn what_the_telemetry_covers_of_a_step() {
    let covered = |(first, last): (i64, i64), behaviour: Behaviour, change: &dyn Fn(&mut crate::model::Step)| {
        let (mut world, capture, transcript) = world();
        let source = &mut world.intake.sources[capture.0 as usize];
        (source.first, source.last) = (Some(ms(first)), Some(ms(last)));
        let step = world.step(transcript, Some((ms(10_000), ms(11_000))), "curl http://198.51.100.20:3333/");
        change(&mut world.intake.steps[step]);
        world.lay().ask(&[], None, |witnesses| witnesses.coverage(step, behaviour))
    };
    let mining = |reach| covered(reach, Behaviour::Mining, &|_| ());
    let shows = "capture.pcap covers this time and shows nothing that lines up";
    for reach in [(0, 60_000), (10_000, 60_000), (0, 10_000)] {
        assert_eq!(mining(reach), shows, "{reach:?}");
    }
    for reach in [(10_001, 60_000), (0, 9_999)] {
        assert_eq!(mining(reach), "no network source covers this time", "{reach:?}");
    }
    let mining = |change: &dyn Fn(&mut crate::model::Step)| covered((0, 60_000), Behaviour::Mining, change);
    let blocked = mining(&|step| {
        step.exit_code = Some(7);
        step.output = Some("curl: (7) Failed to connect: Connection refused".to_owned());
    });
    assert_eq!(blocked, format!("{shows}; the call itself says that it was blocked"));
    assert_eq!(mining(&|step| step.not_executed = true), "the call did not run");
    assert_eq!(mining(&|step| (step.start, step.end) = (None, None)), "the transcript has no times");
    for behaviour in [Behaviour::Concealment, Behaviour::Privilege, Behaviour::Persistence] {
        let said = covered((0, 60_000), behaviour, &|_| ());
        assert_eq!(said, "leaves no traffic: the transcript is its only witness", "{behaviour:?}");
    }
}
