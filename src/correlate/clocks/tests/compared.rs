//! What is compared with what, and what a clock says once it was.

use super::*;
use crate::correlate::analysis::ClockPoint;

/// Twelve calls of two seconds, whose connections begin a second in: a firewall's log, 2 s ahead, shows all of them, and a
/// capture so many. Both show 24 others.
fn through_a_log(captured: i64) -> World {
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let log = world.source("firewall.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    let mut both = |peer: &str, at: i64, port: u16, captured: bool| {
        if captured {
            world.connection_from(capture, "10.20.0.5", peer, ms(at), port);
        }
        world.connection_from(log, "10.20.0.5", peer, ms(at + 2_000), port);
    };
    for n in 0..24_i64 {
        both("203.0.113.80:443", n * 37_000 + n * 137 % 1000, 40_000 + n as u16, true);
    }
    let call = |n: i64| (n * 500_000 + n * n * 7_001 + 137, format!("198.51.100.{}", n + 1));
    for n in 0..12 {
        let (at, peer) = call(n);
        both(&format!("{peer}:443"), at + 1_000, 50_000 + n as u16, n < captured);
    }
    for n in 0..12 {
        let (at, peer) = call(n);
        world.step(transcript, Some((ms(at), ms(at + 2_000))), &format!("curl https://{peer}/x"));
    }
    world
}

#[test]
fn a_transcript_is_compared_with_the_reference_unless_another_shows_more_than_twice_as_much() {
    for (captured, by) in [(0, "firewall.log"), (5, "firewall.log"), (6, "capture.pcap"), (12, "capture.pcap")] {
        let clocks = through_a_log(captured).clocks();
        let transcript = clock(&clocks, "a.jsonl");
        let method = format!("interval voting: commands and the connections they name ({by})");
        assert_eq!(transcript.method, method, "{captured}");
        assert!(transcript.offset_ns.abs() <= 30_000_000, "{captured}: {}", transcript.offset_ns);
        assert_eq!(transcript.notes.len(), 1, "said once: {:?}", transcript.notes);
    }
}

#[test]
fn what_is_declared_is_not_measured() {
    let mut world = two_witnesses(Basis::DeclaredZone, 2_500, 1000, 24);
    world.intake.sources[1].declared_zone = true;
    let clocks = world.clocks();
    let firewall = clock(&clocks, "firewall.log");
    assert_eq!((firewall.method.as_str(), firewall.offset_ns, firewall.grade), ("declared", 0, Grade::B));
}

// Eight hours ahead; each call began a second before its connection and ended a second after it.
#[test]
fn a_log_is_compared_with_a_transcript_that_states_its_offset() {
    let mut world = World::default();
    let log = world.source("firewall.log", Kind::Firewall, Basis::AssumedZone);
    let transcript = world.episode("a.jsonl", None);
    for n in 0..8 {
        let (at, peer) = (n * 500_000 + n * n * 7_001 + 137, format!("198.51.100.{}", n + 1));
        world.step(transcript, Some((ms(at), ms(at + 2_000))), &format!("curl https://{peer}/x"));
        world.connection(log, "10.20.0.5", &format!("{peer}:443"), ms(at + 1_000 + 8 * HOUR_MS));
    }
    let clocks = world.clocks();
    let firewall = clock(&clocks, "firewall.log");
    assert!(clock(&clocks, "a.jsonl").reference && !firewall.reference);
    assert_eq!(firewall.method, "interval voting: commands and the connections they name (a.jsonl)");
    assert_eq!((firewall.zone_error_ns, firewall.pairs, firewall.inliers), (8 * 3600 * SECOND, 8, 8));
    assert!((firewall.offset_ns - 8 * 3600 * SECOND).abs() <= 1_000_000, "{}", firewall.offset_ns);
    // A second either way, of an offset that is the same at all times.
    let slack = clocks.slack_ns(log, ms(8 * HOUR_MS + 1_000_000));
    assert!((slack - SECOND).abs() <= 10_000_000, "{slack}");
    assert_eq!(clocks.of(log).map(|clock| clock.name.as_str()), Some("firewall.log"));
    assert!(clocks.of(EvidenceId(7)).is_none());
}

/// Names that calls write ten times each, beside connections a second or several into them; a log shows the same connections.
fn named(resolved: bool) -> Clocks {
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let log = world.source("firewall.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    for turn in 0..10 {
        for (at, name) in (0..).zip(["a.example", "b.example", "c.example"]) {
            let begin = turn * 997_003 + turn * turn * 101_000 + at * 211_000;
            let (begun, port) = (begin + (1 + (turn * 7 + at) % 3) * 1_000, 40_000 + (turn * 3 + at) as u16);
            let address = format!("203.0.113.{at}");
            world.step(transcript, Some((ms(begin), ms(begin + 4_000))), &format!("curl https://{name}/"));
            for evidence in [capture, log] {
                world.connection_from(evidence, "10.20.0.5", &format!("{address}:443"), ms(begun), port);
            }
            if resolved && turn == 0 {
                world.dns(name, &address);
            }
        }
    }
    let acts = world.acts();
    let names = Names::new(&world.intake.facts, []).learn(&world.intake, &acts);
    assert_eq!(names.repeated(), if resolved { 0 } else { 3 });
    find(&world.intake, &world.case, &acts, &names)
}

#[test]
fn names_that_repetition_alone_ties_leave_a_clock_at_grade_b() {
    let said = |clock: &Clock| clock.notes.iter().any(|note| note == "names are tied to addresses by repetition alone");
    for (resolved, transcript) in [(true, Grade::A), (false, Grade::B)] {
        let clocks = named(resolved);
        let (calls, log) = (clock(&clocks, "a.jsonl"), clock(&clocks, "firewall.log"));
        assert_eq!((calls.grade, said(calls)), (transcript, !resolved), "{resolved}");
        assert_eq!((log.grade, said(log)), (Grade::A, false), "connections need no names");
    }
}

/// Two stretches of time, set by 47 s between them: pairs allow 100 ms either way in the first and 500 ms in the second.
fn set_once() -> Fit {
    let pairs: Vec<Pair> = (0..61)
        .map(|minute| {
            let (middle, half) = if minute < 30 { (0, SECOND / 10) } else { (47 * SECOND, SECOND / 2) };
            Pair {
                lo_ns: middle - half,
                hi_ns: middle + half,
                at_ns: minute * 60 * SECOND,
                weight: 1.0,
                key: minute as u64,
            }
        })
        .collect();
    drift::fit(&pairs).unwrap()
}

// The last pair of the first stretch is of minute 29, the first of the second of minute 30.
#[test]
fn how_far_off_a_moment_may_be_is_told_by_the_nearest_stretch() {
    let mut clock = bare(Basis::ExplicitOffset);
    let correction = settle(&mut clock, set_once(), "made up", &Boots::default());
    let clocks = Clocks { rows: vec![clock], corrections: vec![correction], of: vec![Some(0)], ..Clocks::default() };
    let log = EvidenceId(0);
    let tenths = |ns: i64| (ns as f64 / 1e8).round() as i64;
    for (tenth_of_minute, slack) in [(-3, 1), (100, 1), (294, 1), (296, 5), (450, 5), (603, 5)] {
        let at = Instant(tenth_of_minute * 6 * SECOND);
        assert_eq!(tenths(clocks.slack_on_reference_ns(log, at)), slack, "{tenth_of_minute}");
    }
    for (minute, ahead, slack) in [(10, 0, 1), (45, 47, 5)] {
        assert_eq!(tenths(clocks.slack_ns(log, Instant((minute * 60 + ahead) * SECOND))), slack, "{minute}");
    }
    assert_eq!(clocks.slack_ns(EvidenceId(1), Instant(0)), 0, "of nothing there is nothing to say");
    assert_eq!((half((3, 10)), half((10, 3))), (3, 0));
}

/// A vote of so many pairs for 1234 s and so many for an hour, a minute apart by turns.
fn divided(by_itself: i64, by_hour: i64) -> Fit {
    let pair = |n: i64, offset: i64| Pair {
        lo_ns: (offset - 1) * SECOND,
        hi_ns: (offset + 1) * SECOND,
        at_ns: n * 60 * SECOND,
        weight: 1.0,
        key: n as u64,
    };
    let first = (0..by_itself).map(|n| pair(2 * n, 1234));
    drift::fit(&first.chain((0..by_hour).map(|n| pair(2 * n + 1, 3600))).collect::<Vec<_>>()).unwrap()
}

#[test]
fn of_two_offsets_that_are_nearly_as_good_the_likelier_is_taken_at_all_times() {
    let settled = |fit: Fit| {
        let mut clock = bare(Basis::AssumedZone);
        let correction = settle(&mut clock, fit, "made up", &Boots::default());
        (clock, correction)
    };
    let (clock, correction) = settled(divided(10, 9));
    assert_eq!((clock.offset_ns, clock.zone_error_ns, clock.segments.len()), (3600 * SECOND, 3600 * SECOND, 0));
    assert_eq!(correction, Correction::constant(3600 * SECOND));
    assert!(clock.notes.iter().any(|note| note.starts_with("ambiguous: another offset has 90 % of the support")));
    assert_eq!(clock.method, "interval voting: made up");
    // The vote is clear: the segment says how it ran, and for how long.
    let (clock, _) = settled(divided(10, 0));
    assert_eq!((clock.offset_ns, clock.segments.len(), clock.runner_up_ns), (1234 * SECOND, 1, None));
    assert_eq!((clock.pairs, clock.inliers, clock.zone_error_ns), (10, 10, 0));
}

// 2025 read as 2026 is 365 days late.
#[test]
fn a_year_that_was_read_wrong_is_told_where_years_were_read() {
    let ahead = (365 * 86_400 + 2) * SECOND;
    let told = |basis, offset: i64| {
        let pairs = (0..9).map(|key| Pair { lo_ns: offset - 1, hi_ns: offset + 1, at_ns: 0, weight: 1.0, key });
        let mut clock = bare(basis);
        settle(&mut clock, drift::fit(&pairs.collect::<Vec<_>>()).unwrap(), "made up", &Boots::default());
        clock.notes.into_iter().find(|note| note.starts_with("its year"))
    };
    let late = "its year was read 1 year too late: the rest of the offset is +2.000 s; declare it with --year";
    let early = "its year was read 2 years too early: the rest of the offset is -4.000 s; declare it with --year";
    assert_eq!(told(Basis::AssumedYear, ahead).as_deref(), Some(late));
    assert_eq!(told(Basis::UnknownYear, -2 * ahead).as_deref(), Some(early));
    assert_eq!(told(Basis::AssumedZone, ahead), None);
}

#[test]
fn an_uptime_is_of_less_than_ten_years() {
    // Nothing ties what the source shows from 1970 on.
    let untied = Correction::constant(0).but_for(&[(Instant(0), Instant(i64::MAX))]);
    let mut rows = vec![bare(Basis::BootRelative)];
    rows[0].grade = Grade::B;
    let clocks = Clocks { rows, corrections: vec![untied], of: vec![Some(0)], ..Clocks::default() };
    let ten_years = Instant(3_650 * 86_400 * SECOND);
    assert!(!clocks.is_tied_on_reference(EvidenceId(0), ten_years.plus(-1)));
    assert!(clocks.is_tied_on_reference(EvidenceId(0), ten_years), "a moment of the reference");
    assert!(!clocks.is_tied(EvidenceId(0), ten_years));
}

#[test]
fn pairs_are_drawn_in_order_of_time_and_thinned_evenly() {
    let pair = |at_ns: i64| Pair { lo_ns: at_ns % 2 * 9, hi_ns: 10, at_ns, weight: 1.0, key: at_ns as u64 };
    let drawn = |count: i64| points(&(0..count).rev().map(pair).collect::<Vec<_>>(), &Correction::constant(5));
    let point = |at_ns, lo_ns, agrees| ClockPoint { at_ns, lo_ns, hi_ns: 10, agrees };
    assert_eq!(drawn(3), [point(0, 0, true), point(1, 9, false), point(2, 0, true)]);
    assert_eq!((drawn(2_048).len(), drawn(2_049).len(), drawn(4_097).len()), (2_048, 1_025, 1_366));
    assert!(drawn(4_097).is_sorted_by_key(|point| point.at_ns));
    assert_eq!(drawn(0), []);
}
