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
