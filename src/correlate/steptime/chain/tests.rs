mod parts;

use crate::correlate::kit::{World, ms};
use crate::formats::Kind;
use crate::time::{Basis, Instant, SECOND};

const A: &str = "203.0.113.1";
const B: &str = "203.0.113.2";

/// Steps without times: those that are given, as what each calls and how many seconds that ran, and connections at so many
/// seconds of the six hours that the capture holds. Another episode calls all peers too, so that no step is alone in it.
/// Answers with the bounds of each step's start and end, in whole seconds.
fn laid(steps: &[(&str, Option<i64>)], connections: &[(&str, i64)]) -> Vec<(Option<i64>, Option<i64>)> {
    let mut world = World::default();
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    let other = world.episode("b.jsonl", None);
    for at in [transcript, other] {
        world.intake.sources[at.0 as usize].basis = Some(Basis::OrderOnly);
    }
    let is_peer = |called: &str| called.parse::<std::net::IpAddr>().is_ok();
    let command = |called: &str| if is_peer(called) { format!("curl http://{called}/") } else { called.into() };
    for (called, ran) in steps {
        let at = world.step(transcript, None, &command(called));
        world.intake.steps[at].duration_ns = ran.map(|seconds| seconds * SECOND);
    }
    for called in connections.iter().map(|(peer, _)| *peer).collect::<std::collections::BTreeSet<_>>() {
        world.step(other, None, &command(called));
    }
    for (peer, at) in [("198.51.100.9", 0), ("198.51.100.9", 21_600)].iter().chain(connections) {
        world.connection(capture, "10.20.0.5", &format!("{peer}:80"), ms(at * 1_000));
    }
    // A stamp of whole seconds ends a nanosecond before the next.
    let seconds = |at: Instant| (at.0 - ms(0).0 + SECOND / 2).div_euclid(SECOND);
    let times = world.lay().times;
    times[..steps.len()].iter().map(|time| (time.start.map(seconds), time.end.map(seconds))).collect()
}

const TEN: Option<i64> = Some(10);
const CALLS: [(&str, Option<i64>); 3] = [(A, TEN), (B, TEN), (A, TEN)];
const NOTHING: [(Option<i64>, Option<i64>); 3] = [(None, None); 3];

/// By hand: the second step began by 1101 s (its connection's stamp may be up to a second late), so that the first had ended
/// by then, and began after the connection of the first, 1000 s; the third began after 1100 s and by 1301 s.
const BOUND: [(Option<i64>, Option<i64>); 3] = [(None, Some(1101)), (Some(1000), Some(1301)), (Some(1100), None)];

#[test]
fn connections_in_the_order_of_the_steps_place_them() {
    assert_eq!(laid(&CALLS, &[(A, 1000), (B, 1100), (A, 1300)]), BOUND);
    // Of others to the same peers none has its like before or behind it.
    assert_eq!(laid(&CALLS, &[(A, 1000), (B, 1100), (A, 1300), (A, 7000), (B, 15_000)]), BOUND);
}

#[test]
fn another_order_places_nothing() {
    assert_eq!(laid(&CALLS, &[(B, 1000), (A, 1100), (A, 1300)]), NOTHING);
    assert_eq!(laid(&CALLS, &[(A, 1000), (A, 1100), (B, 1300)]), NOTHING);
}

#[test]
fn two_stretches_in_the_same_order_place_nothing() {
    let twice = [(A, 1000), (B, 1100), (A, 1300), (A, 9000), (B, 9100), (A, 9300)];
    assert_eq!(laid(&CALLS, &twice), NOTHING);
}

#[test]
fn two_steps_are_no_chain() {
    assert_eq!(laid(&CALLS[..2], &[(A, 1000), (B, 1100)]), NOTHING[..2]);
}

// Ten seconds of the call, five minutes of thought, and a second by which stamps are cut.
#[test]
fn steps_lie_no_further_apart_than_a_call_and_a_pause_take() {
    let got = |second: i64| laid(&CALLS, &[(A, 1000), (B, second), (A, second + 100)]);
    assert_eq!(got(1311), [(None, Some(1312)), (Some(1000), Some(1412)), (Some(1311), None)]);
    assert_eq!(got(1312), NOTHING);
    // Ten minutes of a call whose length is not known.
    let unknown = [(A, None), (B, None), (A, None)];
    let got = |second: i64| laid(&unknown, &[(A, 1000), (B, second), (A, second + 100)]);
    assert_eq!(got(1901), [(None, Some(1902)), (Some(1000), Some(2002)), (Some(1901), None)]);
    assert_eq!(got(1902), NOTHING);
}

// What ran between two connections ran to its end: 100 s hold a call of 100 s, and none of 101.
#[test]
fn steps_lie_no_nearer_than_the_calls_between_them_take() {
    let got = |ran: i64| {
        let steps = [(A, TEN), ("make", Some(ran)), (B, TEN), (A, TEN)];
        laid(&steps, &[(A, 1000), (B, 1100), (A, 1300)])
    };
    // The second began after 1000 s and ended by 1101 s, as it was over when the third began; it took 100 s, so that the
    // first had ended by 1001 s and the third began after 1100 s; that took 10 s, so that the fourth began after 1110 s.
    assert_eq!(got(100), [(None, Some(1001)), (Some(1000), Some(1101)), (Some(1100), Some(1301)), (Some(1110), None)]);
    assert_eq!(got(101), [(None, None); 4]);
}

// What is left running may connect at any time, and an address that is only printed opens nothing: either leaves two steps.
#[test]
fn steps_that_need_not_have_connected_by_their_end_are_no_part_of_a_chain() {
    for second in [format!("nohup curl http://{B}/ &"), format!("echo http://{B}/")] {
        let steps = [(A, TEN), (second.as_str(), TEN), (A, TEN)];
        assert_eq!(laid(&steps, &[(A, 1000), (B, 1100), (A, 1300)]), NOTHING, "{second}");
    }
}
