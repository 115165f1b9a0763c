use super::*;
use crate::correlate::attribute::tests::made::{connections, laid};
use crate::correlate::events::Events;
use crate::correlate::kit::{Laid, hit, ms};
use crate::model::{Behaviour, Confidence};

const HOME: &str = "10.20.0.5";
const ELSEWHERE: &str = "203.0.113.9";

fn served(laid: &Laid, events: &Events) -> Served {
    Served::new(&laid.steps(), &Traffic::new(events, &laid.acts))
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// Eight calls of ten seconds, 100 s apart, each to a peer of its own.
fn case() -> (Laid, Events) {
    let peers: Vec<String> = (1..9).map(|n| format!("203.0.113.{n}0")).collect();
    let calls: Vec<_> = (0..).zip(&peers).map(|(n, peer)| ("a", 100 * n, 100 * n + 10, peer.as_str())).collect();
    let mut laid = laid(&calls);
    for done in [0, 1, 3] {
        laid.acts[done].done_on_return = true;
    }
    laid.acts[3].hits.push(hit(Behaviour::Download, Confidence::Strong));
    laid.acts[4].launchers.push("nohup".to_owned());
    laid.acts[5].network = false;
    laid.world.intake.steps[6].not_executed = true;
    laid.times[7].stamped = false;
    let events = connections(&[
        // The first meets its peer and another; a lookup, what has no time and what another host opens are not its doing.
        (HOME, &peers[0], 1),
        (HOME, ELSEWHERE, 2),
        (HOME, ELSEWHERE, 3),
        (HOME, ELSEWHERE, 4),
        ("10.20.0.6", ELSEWHERE, 5),
        // As it returns and in the pause after it: one that it does not name, and one that it does.
        (HOME, ELSEWHERE, 10),
        (HOME, &peers[0], 50),
        // The second meets two others, and not its own; the third its own, and may run anything.
        (HOME, ELSEWHERE, 101),
        (HOME, ELSEWHERE, 102),
        (HOME, &peers[2], 201),
        (HOME, ELSEWHERE, 250),
        // One that is suspected, one that leaves something running, one that cannot reach the network, one that did not run
        // and one without times.
        (HOME, &peers[3], 301),
        (HOME, ELSEWHERE, 302),
        (HOME, ELSEWHERE, 401),
        (HOME, ELSEWHERE, 501),
        (HOME, ELSEWHERE, 601),
        (HOME, ELSEWHERE, 701),
    ]);
    let events = events.changed(|_, row| {
        if row.at == ms(3_000) {
            row.dst_port = Some(53);
        }
        row.timed = row.at != ms(4_000);
    });
    (laid, events)
}

#[test]
fn a_call_is_served_if_it_met_what_it_names_and_is_over_when_it_returns() {
    let (laid, events) = case();
    assert_eq!(served(&laid, &events).steps, [true, false, false, true, false, false, false, false]);
}

#[test]
fn what_served_calls_open_beside_is_measured_against_other_calls_and_pauses() {
    let (laid, events) = case();
    let got = served(&laid, &events);
    // Two unnamed ones in three pauses of 90 s: of the one in the first call's ten seconds as much is chance.
    let chance = 10.0 * 2.0 / 270.0;
    near(got.extra, 1.0 - chance);
    assert_eq!((got.calls, got.counts().as_str()), (1, "0.9 connections more than chance in 1 such calls"));
    // The other two calls opened two in twice the time. Half of one is added to each, and a call.
    near(got.weight, ((1.5 - chance) / 2.0 / ((2.5 - 2.0 * chance) / 3.0)).log10());
}

#[test]
fn the_weight_is_of_served_calls_alone_and_not_of_lookups() {
    let (laid, events) = case();
    let got = served(&laid, &events);
    let weight = |step, port| {
        let one = connections(&[(HOME, ELSEWHERE, 2)]).changed(|_, row| row.dst_port = port);
        got.weight(step, &one.get(0).unwrap())
    };
    assert!(got.weight < 0.0);
    for port in [Some(80), None] {
        let expected = Weight { log10: got.weight, uncapped: got.weight, cap: None };
        assert_eq!((weight(0, port), weight(3, port)), (expected, expected));
        assert_eq!([1, 2, 7, 8].map(|step| weight(step, port)), [Weight::NONE; 4]);
    }
    assert_eq!(weight(0, DOMAIN), Weight::NONE);
}

#[test]
fn a_minute_of_pauses_is_too_short_to_tell_chance() {
    let extra = |pause: i64| {
        let mut laid = laid(&[("a", 0, 10, "203.0.113.10"), ("a", 10 + pause, 20 + pause, "203.0.113.20")]);
        laid.acts[0].done_on_return = true;
        let at = |second| (HOME, ELSEWHERE, second);
        served(&laid, &connections(&[(HOME, "203.0.113.10", 1), at(2), at(3), at(30)])).extra
    };
    near(extra(60), 2.0);
    near(extra(61), 2.0 - 10.0 / 61.0);
}

#[test]
fn fewer_than_chance_count_as_none_and_more_than_in_other_calls_never_for_a_step() {
    // One served call with one unnamed connection, another call with none, and twenty in two minutes of pause.
    let mut laid = laid(&[("a", 0, 10, "203.0.113.10"), ("a", 130, 140, "203.0.113.20")]);
    laid.acts[0].done_on_return = true;
    let mut all = vec![(HOME, "203.0.113.10", 1), (HOME, ELSEWHERE, 2)];
    let got = served(&laid, &connections(&all));
    near(got.extra, 1.0);
    assert_eq!(got.weight, 0.0, "1.5 in a call against .5: it does not speak for them");
    all.extend((20..40).map(|second| (HOME, ELSEWHERE, second)));
    near(served(&laid, &connections(&all)).extra, 0.0);
}
