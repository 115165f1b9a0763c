//! What the case itself says of its commands and connections.

use super::made::{connections, connections_ms, laid};
use super::*;
use crate::correlate::acts::Install;
use crate::correlate::attribution::Recurrence;
use crate::correlate::kit::hit;
use crate::model::{Behaviour, Confidence};

fn measured(laid: &Laid, events: &Events) -> Yardstick {
    Yardstick::new(&laid.steps(), &Traffic::new(events, &laid.acts), true)
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

const HOME: &str = "10.20.0.5";
const OTHER: &str = "10.20.0.6";

/// Eleven calls, 100 s apart and of 10 s each, with nine connections.
fn case() -> (Laid, Events) {
    let peers = ["1", "2", "3", "4", "5", "6", "", "7", "1", "8", ""].map(|last| match last {
        "" => String::new(),
        last => format!("203.0.113.{last}"),
    });
    let calls: Vec<_> = (0..).zip(&peers).map(|(n, peer)| ("a", 100 * n, 100 * n + 10, peer.as_str())).collect();
    let mut laid = laid(&calls);
    // Two leave something running, one meets a strong rule, one cannot reach the network, one did not run, one installs
    // something to be run again, one is no command, and one waits.
    for launcher in [1, 4] {
        laid.acts[launcher].launchers.push("nohup".to_owned());
    }
    laid.acts[5].hits.push(hit(Behaviour::Mining, Confidence::Strong));
    laid.acts[6].network = false;
    laid.world.intake.steps[7].not_executed = true;
    laid.acts[8].install = Some(Install::default());
    laid.world.intake.steps[9].command = None;
    laid.acts[10].delay_ns = 5 * SECOND;
    let events = connections(&[
        (HOME, "203.0.113.1", 1),
        (HOME, "203.0.113.2", 101),
        // The peer that the call names, met by another host.
        (OTHER, "203.0.113.3", 201),
        // Another peer than the one that the call names.
        (HOME, "203.0.113.9", 301),
        (HOME, "203.0.113.5", 401),
        (HOME, "203.0.113.6", 501),
        (HOME, "203.0.113.7", 701),
        (HOME, "203.0.113.1", 815),
        (HOME, "203.0.113.8", 901),
    ]);
    // The first ends with its call, those of the launcher before and of the last call go on.
    let events = events.changed(|at, row| match at {
        0 => row.until = ms(10_000),
        1 => row.until = ms(150_000),
        8 => row.until = ms(950_000),
        _ => {}
    });
    (laid, events)
}

#[test]
fn commands_are_counted_with_what_they_name_but_for_suspects() {
    let (laid, events) = case();
    let got = measured(&laid, &events);
    // Eleven but for the suspect and what is no command.
    assert_eq!(got.reference, 9);
    let written: Vec<(String, u64)> = got.written.iter().map(|(token, n)| (token.to_string(), *n)).collect();
    let once = |last: u8| (format!("203.0.113.{last}"), 1);
    assert_eq!(written, [("203.0.113.1".to_owned(), 2), once(2), once(3), once(4), once(5), once(7)]);
    // Six tokens stand seven times: 7/6 and a half of nine and one.
    near(got.coincidence, (7.0 / 6.0 + 0.5) / 10.0);
}

#[test]
fn controls_are_calls_that_met_what_they_name_from_their_own_host() {
    let (laid, events) = case();
    let got = measured(&laid, &events);
    // Calls with a connection of their host while they ran: the first, both launchers, the fourth and the tenth. All but the
    // fourth met the peer that they name, and the third only by the other host.
    assert_eq!((got.calls, got.literal, got.matched, got.mismatched), (5, 4, 5, 1));
    // Of four connections two outlived their call, one of them a launcher's.
    assert_eq!((got.launched, got.launched_persisted, got.persisted), (2, 1, 2));
    // All four began a second after their call.
    assert_eq!((got.anchors, got.lag), (4, LagModel::from_anchors(&[SECOND; 4]).unwrap()));
}

#[test]
fn connections_are_counted_by_opener_and_peer_and_steps_by_their_gaps() {
    let (laid, events) = case();
    let got = measured(&laid, &events);
    assert_eq!((got.connections, got.peers), (9, 8), "one peer is met twice");
    assert_eq!(got.from, BTreeMap::from([(Some(ip(HOME)), 8), (Some(ip(OTHER)), 1)]));
    assert_eq!((got.observed_s, got.whole_s), (900.0, 900.0), "from second 1 to 901");
    // Ten of the eleven can reach the network; from the first to the last and a minute are 1060 s.
    let starts: Vec<i64> = (0..11).filter(|n| *n != 6).map(|n| ms(100_000 * n).0).collect();
    assert_eq!(got.background, Background::Recurrence(Recurrence::of(&starts, 1_060 * SECOND).unwrap()));
    let Background::Flat { rate_per_s } = got.any_step else { panic!("{:?}", got.any_step) };
    near(rate_per_s, 10.0 / 1_060.0);
}

#[test]
fn plain_calls_tell_how_long_calls_take_and_what_begins_within() {
    let (laid, events) = case();
    // The first, third, fourth, ninth and tenth, each 100 s before the next. Three met what they name within two minutes, the
    // ninth only five seconds after it had returned.
    let calls = [(10 * SECOND, 100 * SECOND); 5];
    assert_eq!(measured(&laid, &events).containment, Containment::new(&calls, 2, 3));
}

#[test]
fn the_last_call_of_an_episode_is_followed_by_none() {
    let calls = [("a", 0, 10, ""), ("b", 20, 25, "")];
    let got = measured(&laid(&calls), &Events::default());
    assert_eq!(got.containment, Containment::new(&[(10 * SECOND, i64::MAX), (5 * SECOND, i64::MAX)], 0, 0));
}

#[test]
fn what_clocks_may_be_off_is_allowed_for() {
    let laid = laid(&[("a", 0, 10, "203.0.113.1")]);
    let off = |at_ms, slack_s| {
        let events = connections_ms(&[(HOME, "203.0.113.1", at_ms)]).changed(|_, row| row.slack_ns = slack_s * SECOND);
        let got = measured(&laid, &events);
        (got.calls, got.literal, got.persisted)
    };
    // Half a minute before and after the call, by a clock that may be off by as much, and by one that may not.
    assert_eq!((off(-30_000, 30), off(40_000, 30)), ((1, 1, 0), (1, 1, 0)));
    assert_eq!((off(-30_000, 29), off(40_000, 29)), ((0, 0, 0), (0, 0, 0)));
    // Half a second before the call by a clock that is a second off may well be within it.
    let events = connections_ms(&[(HOME, "203.0.113.1", -500)]).changed(|_, row| row.slack_ns = SECOND);
    assert_eq!(measured(&laid, &events).containment, Containment::new(&[(10 * SECOND, i64::MAX)], 1, 1));
}

#[test]
fn without_times_a_control_is_a_call_whose_words_its_host_bears_out() {
    let peer = "203.0.113.1";
    let mut laid = laid(&[("a", 0, 1, peer), ("b", 2, 3, peer), ("c", 4, 5, peer), ("a", 6, 7, ""), ("a", 8, 9, peer)]);
    laid.times.iter_mut().for_each(|time| time.stamped = false);
    laid.acts[3].add([Token::Network("203.0.113.0/24".parse().unwrap())]);
    laid.world.intake.steps[4].not_executed = true;
    let got = measured(&laid, &connections(&[(HOME, peer, 500)]));
    // Borne out for the first, for the one whose host is not known, and for the network; not from the other's host.
    assert_eq!((got.calls, got.literal, got.matched), (4, 3, 0));
    assert_eq!((got.anchors, got.lag), (0, LagModel::assumed()), "there are no lags");
}

#[test]
fn peers_without_a_name_are_counted_once_each_by_port() {
    let laid = laid(&[("a", 0, 10, "203.0.113.1")]);
    let nameless = |peer, at, port| {
        let mut row = *connections(&[(HOME, peer, at)]).get(0).unwrap();
        row.dst_port = Some(port);
        (row, BTreeSet::from([Token::UnresolvedPort(port)]))
    };
    let events = Events::of(vec![
        nameless("203.0.113.1", 1, 3333),
        nameless("203.0.113.1", 2, 3333),
        nameless("203.0.113.2", 3, 3333),
        nameless("203.0.113.2", 4, 80),
    ]);
    let got = measured(&laid, &events);
    assert_eq!((got.nameless, got.peers), (BTreeMap::from([(80, 1), (3333, 2)]), 3));
}

#[test]
fn a_case_without_calls_is_measured_as_if_one_came_a_minute() {
    let got = measured(&laid(&[]), &Events::default());
    assert_eq!((got.reference, got.calls, got.anchors), (0, 0, 0));
    assert_eq!((got.observed_s, got.whole_s), (1.0, 1.0));
    // Half of one.
    near(got.coincidence, 0.5);
    let Background::Exponential { rate_per_s } = got.background else { panic!("{:?}", got.background) };
    near(rate_per_s, 1.0 / 60.0);
    let Background::Flat { rate_per_s } = got.any_step else { panic!("{:?}", got.any_step) };
    near(rate_per_s, 1.0 / 60.0);
}
