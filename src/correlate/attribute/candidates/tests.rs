use super::*;
use crate::correlate::acts::Install;
use crate::correlate::attribute::tests::made::{connections, connections_ms, laid, with_shared_volume};
use crate::correlate::events::{Events, Row};
use crate::correlate::kit::{Laid, ip};

const PEER: &str = "203.0.113.1";
const HOME: &str = "10.20.0.5";
const DAY: i64 = 86_400;

/// The candidates of the first event.
fn found(laid: &Laid, events: &Events) -> Vec<Possible> {
    let steps = laid.steps();
    Index::new(&steps).candidates(&events.get(0).unwrap())
}

fn steps_of(found: &[Possible]) -> Vec<usize> {
    found.iter().map(|one| one.step).collect()
}

fn s(seconds: i64) -> i64 {
    seconds * SECOND
}

#[test]
fn a_step_without_times_is_a_candidate_by_what_it_names_within_the_bounds_of_its_order() {
    // Begun after second 10 and over by 20, as its order tells.
    let of = |at, slack_s, timed, bounded: bool| {
        let mut laid = laid(&[("a", 10, 20, PEER), ("a", 10, 20, "203.0.113.2")]);
        for time in &mut laid.times {
            time.stamped = false;
            (time.start, time.end) = if bounded { (time.start, time.end) } else { (None, None) };
        }
        let change = |_, row: &mut Row| (row.slack_ns, row.timed) = (s(slack_s), timed);
        found(&laid, &connections(&[(HOME, PEER, at)]).changed(change))
    };
    let possible = |reach| vec![Possible { step: 0, lag: None, reach }];
    assert_eq!(of(50, 0, true, true), possible((s(30), s(40))));
    assert_eq!(of(15, 0, true, true), possible((0, s(5))));
    assert_eq!(of(10, 0, true, true), possible((0, 0)));
    assert_eq!(of(9, 0, true, true), []);
    assert_eq!(of(5, 5, true, true), possible((0, 0)), "the clock may be five seconds off");
    assert_eq!(of(5, 4, true, true), []);
    // An event without a time, or a step without bounds, may have come at any time.
    for (timed, bounded) in [(false, true), (true, false), (false, false)] {
        assert_eq!(of(5, 0, timed, bounded), possible((0, i64::MAX)), "{timed} {bounded}");
    }
}

#[test]
fn an_event_without_a_time_meets_steps_with_times_by_what_they_name_alone() {
    let laid = laid(&[("a", 10, 20, PEER), ("b", 10, 20, PEER), ("c", 10, 20, PEER), ("a", 10, 20, "203.0.113.2")]);
    let events = connections(&[(HOME, PEER, 500)]).changed(|_, row| row.timed = false);
    let found = found(&laid, &events);
    // Not from the other host.
    assert_eq!(steps_of(&found), [0, 2]);
    assert!(found.iter().all(|one| one.lag.is_none()));
}

#[test]
fn lags_end_after_fifteen_minutes_and_what_was_left_running_after_a_day() {
    let of = |at, change: &dyn Fn(&mut Laid)| {
        let mut laid = laid(&[("a", 0, 10, PEER)]);
        change(&mut laid);
        let lags = found(&laid, &connections(&[(HOME, PEER, at)])).into_iter().map(|one| one.lag);
        lags.collect::<Option<Vec<_>>>().unwrap()
    };
    let at = |second| vec![(s(second), s(second))];
    let plain = |_: &mut Laid| {};
    assert_eq!((of(900, &plain), of(901, &plain)), (at(900), vec![]));
    assert_eq!((of(0, &plain), of(-1, &plain)), (at(0), vec![]));
    let running = |laid: &mut Laid| laid.acts[0].launchers.push("nohup".to_owned());
    assert_eq!((of(DAY, &running), of(DAY + 1, &running)), (at(DAY), vec![]));
    // What it waits for by its own words is not lag, unless it did not wait.
    let waits = |laid: &mut Laid| laid.acts[0].delay_ns = s(100);
    assert_eq!((of(1_000, &waits), of(1_001, &waits)), (at(900), vec![]));
    assert_eq!((of(100, &waits), of(99, &waits)), (at(0), at(99)));
    let both = |laid: &mut Laid| {
        running(laid);
        waits(laid);
    };
    assert_eq!((of(DAY + 100, &both), of(DAY + 101, &both)), (at(DAY), vec![]));
}

#[test]
fn a_lag_is_as_wide_as_both_clocks_leave_it() {
    let of = |at_ms| {
        let mut laid = laid(&[("a", 10, 20, PEER)]);
        laid.times[0].slack_ns = s(2);
        found(&laid, &connections_ms(&[(HOME, PEER, at_ms)]).changed(|_, row| row.slack_ns = SECOND))
    };
    let lags = |at_ms| of(at_ms).into_iter().map(|one| one.lag.unwrap()).collect::<Vec<_>>();
    assert_eq!(lags(15_000), [(s(2), s(8))]);
    // Up to three seconds before.
    assert_eq!((lags(7_000), lags(6_999)), (vec![(s(-6), 0)], vec![]));
}

#[test]
fn of_what_an_episode_installs_to_be_run_again_the_last_counts_for_as_long_as_it_takes() {
    let mut laid = laid(&[("a", 0, 1, PEER), ("a", 10, 11, PEER), ("c", 5, 6, PEER), ("a", 20, 21, "203.0.113.2")]);
    laid.acts.iter_mut().for_each(|act| act.install = Some(Install::default()));
    let of = |src, at, slack_s| {
        let events = connections(&[(src, PEER, at)]).changed(|_, row| row.slack_ns = s(slack_s));
        found(&laid, &events).into_iter().map(|one| (one.step, one.lag.unwrap())).collect::<Vec<_>>()
    };
    // A month later, when nothing else of it would be a candidate.
    let month = 30 * DAY;
    let exact = |second| (s(second), s(second));
    assert_eq!(of(HOME, month, 0), [(1, exact(month - 10)), (2, exact(month - 5))]);
    // Before the second was installed the first is the last; before all there is none, and from another host the one alone
    // whose host is not known. The last step names another peer: it is near enough to have done anything.
    assert_eq!(of(HOME, 7, 0), [(0, exact(7)), (2, exact(2))]);
    assert_eq!(of(HOME, -1, 0), []);
    assert_eq!(of(HOME, -1, 1), [(0, (s(-2), 0))]);
    assert_eq!(of("10.20.0.6", month, 0), [(2, exact(month - 5))]);
    assert_eq!(of(HOME, 30, 0), [(1, exact(20)), (2, exact(25)), (3, exact(10))]);
}

#[test]
fn what_is_installed_on_a_shared_volume_may_come_from_whoever_shares_it() {
    let laid = with_shared_volume();
    let of = |src| steps_of(&found(&laid, &connections(&[(src, PEER, 30)])));
    assert_eq!([of(HOME), of("10.20.0.6"), of("10.20.0.7")], [vec![0], vec![0], vec![]]);
}

#[test]
fn steps_are_found_by_networks_that_hold_what_is_shown() {
    let mut laid = laid(&[("a", 0, 10, PEER), ("a", 20, 30, ""), ("a", 40, 50, ""), ("a", 60, 70, PEER)]);
    laid.acts[1].add([Token::Network("203.0.113.0/28".parse().unwrap())]);
    laid.acts[2].add([Token::Network("203.0.113.0/24".parse().unwrap())]);
    laid.times[3].stamped = false;
    let steps = laid.steps();
    let index = Index::new(&steps);
    let writers = |shown: &[&str]| index.writers(&shown.iter().map(|peer| Token::Address(ip(peer))).collect());
    assert_eq!(writers(&[PEER]), [0, 1, 2, 3]);
    assert_eq!(writers(&["203.0.113.15", "203.0.113.16"]), [1, 2], "each once");
    assert_eq!(writers(&["203.0.113.16"]), [2]);
    assert!(writers(&["203.0.114.1"]).is_empty() && writers(&[]).is_empty());
}
