use super::*;
use crate::correlate::kit::{World, ms};
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::time::SECOND;

/// Four steps without times: the second names 203.0.113.1, reached at 100 s, the fourth 203.0.113.2, reached at 200 s.
fn world(second: &str) -> World {
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    world.intake.sources[1].basis = Some(Basis::OrderOnly);
    for command in ["ls", second, "ls", "curl http://203.0.113.2/"] {
        world.step(transcript, None, command);
    }
    world.connection(capture, "10.20.0.5", "203.0.113.1:80", ms(100_000));
    world.connection(capture, "10.20.0.5", "203.0.113.2:80", ms(200_000));
    world
}

fn bounds(world: World) -> Vec<(Option<Instant>, Option<Instant>)> {
    world.lay().times.iter().map(|time| (time.start, time.end)).collect()
}

/// A stamp of whole seconds ends a nanosecond before the next.
fn rounded(bounds: Vec<(Option<Instant>, Option<Instant>)>) -> Vec<(Option<Instant>, Option<Instant>)> {
    let round = |at: Instant| Instant((at.0 + SECOND / 2).div_euclid(SECOND) * SECOND);
    bounds.into_iter().map(|(lo, hi)| (lo.map(round), hi.map(round))).collect()
}

#[test]
fn what_one_step_alone_names_bounds_its_neighbours() {
    let mut world = world("curl http://203.0.113.1/");
    world.intake.steps[2].duration_ns = Some(10 * SECOND);
    let (after, by, two) = (Some(ms(100_000)), Some(ms(101_000)), Some(ms(201_000)));
    // By hand: the second step had begun by 100 s, so the first had ended by then; it leaves nothing running, so the
    // third began after 100 s, and, as that took 10 s, the fourth after 110 s. The fourth had begun by 200 s: the third
    // had ended by then, and the second 10 s before. Stamps are cut to seconds: 100 s may be anything up to 101 s.
    let expected = [(None, by), (None, Some(ms(191_000))), (after, two), (Some(ms(110_000)), None)];
    assert_eq!(rounded(bounds(world)), expected);
}

#[test]
fn a_launcher_bounds_nothing_after_it() {
    let got = rounded(bounds(world("nohup curl http://203.0.113.1/ &")));
    // What it left running may have connected long after the next steps began.
    assert_eq!(got[2].0, None);
    assert_eq!(got[3].0, None);
    assert_eq!(got[0].1, Some(ms(101_000)), "the launcher itself had begun by then");
}

#[test]
fn a_peer_that_two_steps_name_is_nobodys_anchor() {
    let mut world = world("curl http://203.0.113.1/");
    let transcript = EvidenceId(1);
    world.step(transcript, None, "curl http://203.0.113.1/again");
    let got = rounded(bounds(world));
    assert_eq!(got[0].1, Some(ms(201_000)), "only the fourth step's peer is its own");
    assert_eq!(got[2].0, None);
}

#[test]
fn stamped_steps_keep_their_stamps() {
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, Some((ms(50_000), ms(60_000))), "curl http://203.0.113.1/");
    world.connection(capture, "10.20.0.5", "203.0.113.1:80", ms(55_000));
    let laid = world.lay();
    assert_eq!((laid.times[0].start, laid.times[0].end), (Some(ms(50_000)), Some(ms(60_000))));
    assert!(laid.times[0].stamped);
    assert_eq!(laid.times[0].span().map(|span| span.basis), Some(Basis::ExplicitOffset));
}

/// The world of above with what these steps printed.
fn printed(outputs: &[(usize, &str)]) -> Vec<(Option<Instant>, Option<Instant>)> {
    let mut world = world("curl http://203.0.113.1/");
    for (step, output) in outputs {
        world.intake.steps[*step].command = Some("date".to_owned());
        world.intake.steps[*step].output = Some((*output).to_owned());
    }
    rounded(bounds(world))
}

// The third step prints 00:02:30 = 150 s, give or take 10 s: it had begun by 161 s, and the fourth began after 140 s.
#[test]
fn a_printed_time_bounds_its_neighbours() {
    let got = printed(&[(2, "Fri Nov 20 00:02:30 UTC 2026")]);
    assert_eq!((got[1].1, got[2].0), (Some(ms(161_000)), Some(ms(100_000))));
    assert_eq!((got[2].1, got[3].0), (Some(ms(201_000)), Some(ms(140_000))));
}

#[test]
fn printed_times_that_contradict_bound_nothing() {
    let without = printed(&[(2, "nothing")]);
    // The fourth had begun by 201 s: the third cannot have printed 00:10:00, nor 1999.
    for forged in ["Fri Nov 20 00:10:00 UTC 2026", "Fri Nov 19 00:10:00 UTC 1999"] {
        assert_eq!(printed(&[(2, forged)]), without, "{forged}");
    }
    // A time of letters has no zone.
    assert_eq!(printed(&[(2, "Fri Nov 20 00:02:30 CST 2026")]), without);
}

#[test]
fn a_step_lasts_at_least_no_time() {
    let at = |second: i64| Some(ms(second * 1_000));
    let span = |start, end, stamped| StepTime { start, end, stamped, slack_ns: 0 }.span();
    let is = |lo: i64, hi: i64, basis| Some(Span { lo: ms(lo * 1_000), hi: ms(hi * 1_000), basis });
    assert_eq!(span(None, at(9), true), None);
    assert_eq!(span(at(5), at(9), true), is(5, 9, Basis::ExplicitOffset));
    assert_eq!(span(at(5), None, false), is(5, 5, Basis::OrderOnly));
    assert_eq!(span(at(9), at(5), false), is(9, 9, Basis::OrderOnly), "bounds may cross");
}

#[test]
fn only_dated_stamps_are_times() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    for _ in 0..4 {
        world.step(transcript, Some((ms(50_000), ms(60_000))), "ls");
    }
    let steps = &mut world.intake.steps;
    steps[1].start.as_mut().unwrap().span.basis = Basis::BootRelative;
    steps[2].end.as_mut().unwrap().span.basis = Basis::UnknownYear;
    steps[3].start = None;
    let times: Vec<_> =
        step_times(&world.intake, &world.clocks()).iter().map(|time| (time.start, time.end, time.stamped)).collect();
    let (start, end) = (Some(ms(50_000)), Some(ms(60_000)));
    assert_eq!(times, [(start, end, true), (None, end, false), (start, None, true), (None, end, false)]);
}

// A step that did not run, or that cannot reach the network, opened nothing: the peer is still that of one step alone.
#[test]
fn who_cannot_have_connected_is_no_second_witness() {
    let expected = rounded(bounds(world("curl http://203.0.113.1/")));
    let with = |command: &str, executed: bool| {
        let mut world = world("curl http://203.0.113.1/");
        let step = world.step(EvidenceId(1), None, command);
        world.intake.steps[step].not_executed = !executed;
        rounded(bounds(world))[..3].to_vec()
    };
    assert_eq!(with("curl http://203.0.113.1/again", false), expected[..3]);
    assert_eq!(with("echo http://203.0.113.1/", true), expected[..3]);
    assert_ne!(with("curl http://203.0.113.1/again", true), expected[..3]);
}

// Of two connections the earlier one bounds the step: it had begun by 101 s.
#[test]
fn the_first_connection_of_a_step_bounds_it() {
    let mut world = world("curl http://203.0.113.1/");
    world.connection(EvidenceId(0), "10.20.0.5", "203.0.113.1:80", ms(150_000));
    let got = rounded(bounds(world));
    assert_eq!((got[0].1, got[2].0), (Some(ms(101_000)), Some(ms(100_000))));
}

#[test]
fn what_another_host_opened_bounds_nothing() {
    let case =
        "[[host]]\nname = \"h1\"\naddresses = [\"10.20.0.9\"]\n[[run]]\ntranscripts = \"a*.jsonl\"\nhost = \"h1\"\n";
    let mut declared = World::with_case(case);
    declared.intake = world("curl http://203.0.113.1/").intake;
    declared.intake.episodes[0].host = Some("h1".to_owned());
    assert!(bounds(declared).iter().all(|bounds| *bounds == (None, None)));
}

#[test]
fn an_episode_with_any_stamp_is_not_bounded_by_order() {
    let mut world = world("curl http://203.0.113.1/");
    let stamped = world.step(EvidenceId(1), Some((ms(300_000), ms(301_000))), "ls");
    let got = bounds(world);
    assert!(got[..stamped].iter().all(|bounds| *bounds == (None, None)));
    assert_eq!(got[stamped], (Some(ms(300_000)), Some(ms(301_000))));
}

// The second of two episodes is bounded by its own steps alone.
#[test]
fn each_episode_is_bounded_by_itself() {
    let mut world = world("curl http://203.0.113.1/");
    let second = world.episode("b.jsonl", None);
    world.intake.sources[2].basis = Some(Basis::OrderOnly);
    for command in ["ls", "curl http://203.0.113.3/", "ls"] {
        world.step(second, None, command);
    }
    world.connection(EvidenceId(0), "10.20.0.5", "203.0.113.3:80", ms(500_000));
    let got = rounded(bounds(world));
    let (after, by) = (Some(ms(500_000)), Some(ms(501_000)));
    assert_eq!(got[4..], [(None, by), (None, None), (after, None)]);
    assert_eq!(got[3].1, None);
}

#[test]
fn a_duration_below_nothing_is_none() {
    let mut world = world("curl http://203.0.113.1/");
    world.intake.steps[2].duration_ns = Some(-10 * SECOND);
    let got = rounded(bounds(world));
    assert_eq!((got[1].1, got[3].0), (Some(ms(201_000)), Some(ms(100_000))));
}
