//! The terms of one step's strength for one event.

use super::made::{connections, connections_ms, laid, with_shared_volume};
use super::*;

const PEER: &str = "203.0.113.1";
const HOME: &str = "10.20.0.5";

fn yardstick() -> Yardstick {
    Yardstick {
        reference: 99,
        written: BTreeMap::new(),
        coincidence: 0.01,
        nameless: BTreeMap::new(),
        peers: 1,
        calls: 9,
        literal: 9,
        matched: 40,
        mismatched: 0,
        launched: 8,
        launched_persisted: 6,
        persisted: 10,
        from: BTreeMap::from([(Some(ip(HOME)), 5)]),
        connections: 50,
        lag: LagModel::assumed(),
        containment: Containment::default(),
        served: Served::default(),
        anchors: 99,
        background: Background::Exponential { rate_per_s: 1.0 / 60.0 },
        any_step: Background::Flat { rate_per_s: 1.0 / 60.0 },
        observed_s: 600.0,
        whole_s: 6_000.0,
        timing: true,
    }
}

fn possible(step: usize, lag_s: Option<(i64, i64)>) -> Possible {
    Possible { step, lag: lag_s.map(|(lo, hi)| (lo * SECOND, hi * SECOND)), reach: (0, i64::MAX) }
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn the_next_step_is_of_the_same_episode() {
    let laid = laid(&[("a", 0, 1, ""), ("a", 10, 11, ""), ("b", 20, 21, ""), ("b", 30, 31, "")]);
    let steps = laid.steps();
    let next: Vec<Option<Instant>> = (0..5).map(|at| steps.next_start(at)).collect();
    assert_eq!(next, [Some(ms(10_000)), None, Some(ms(30_000)), None, None]);
}

#[test]
fn an_event_is_in_the_time_of_a_step_as_far_as_both_clocks_tell() {
    let during = |at_ms, (of_event, of_step), (timed, stamped)| {
        let mut laid = laid(&[("a", 10, 20, PEER)]);
        laid.times[0] = StepTime { stamped, slack_ns: of_step * SECOND, ..laid.times[0] };
        let change =
            |_, row: &mut crate::correlate::events::Row| (row.slack_ns, row.timed) = (of_event * SECOND, timed);
        let events = connections_ms(&[(HOME, PEER, at_ms)]).changed(change);
        laid.steps().during(0, &events.get(0).unwrap())
    };
    let exact = |at_ms| during(at_ms, (0, 0), (true, true));
    assert_eq!([9_999, 10_000, 20_000, 20_001].map(exact), [false, true, true, false]);
    // One second of the event's and two of the step's.
    let off = |at_ms| during(at_ms, (1, 2), (true, true));
    assert_eq!([6_999, 7_000, 23_000, 23_001].map(off), [false, true, true, false]);
    for clocks in [(true, false), (false, true), (false, false)] {
        assert!(!during(15_000, (0, 0), clocks), "{clocks:?}");
    }
}

#[test]
fn only_what_was_left_running_lives_on_and_what_is_run_again_for_longest() {
    let mut laid = laid(&[("a", 0, 1, ""), ("a", 2, 3, ""), ("a", 4, 5, "")]);
    laid.acts[1].launchers.push("nohup".to_owned());
    laid.acts[2].launchers.push("cron".to_owned());
    laid.acts[2].install = Some(crate::correlate::acts::Install::default());
    let (steps, yardstick) = (laid.steps(), yardstick());
    let lives: Vec<Option<f64>> = (0..3).map(|at| yardstick.life_s(&steps, at)).collect();
    assert_eq!(lives, [None, Some(600.0), Some(6_000.0)]);
}

#[test]
fn terms_are_written_for_what_does_not_speak_against_it_and_takes_half_of_the_event() {
    // Neither host nor time of this step are known: what it names is all there is.
    let mut laid = laid(&[("c", 0, 1, PEER)]);
    laid.times[0].stamped = false;
    let steps = laid.steps();
    let (named, other) = (connections(&[(HOME, PEER, 5)]), connections(&[(HOME, "203.0.113.2", 5)]));
    let terms = |yardstick: &Yardstick, events: &Events, p_step| {
        let event = events.get(0).unwrap();
        let strength = yardstick.strength(&steps, &event, possible(0, None), true, (p_step, 1.0 - p_step));
        assert_eq!((strength.p_step, strength.p_none), (p_step, 1.0 - p_step));
        (strength.log10_lr, strength.terms.len())
    };
    let full = yardstick();
    // By hand: 9.5/10 against .5/100 is 190, of which 99 references bear 100.
    let (log10_lr, written) = terms(&full, &named, 0.9);
    near(log10_lr, 2.0);
    assert_eq!(written, 4);
    assert_eq!([0.5, 0.49].map(|p| terms(&full, &named, p).1), [4, 0]);
    // Not naming it: .05 against .99.
    let (log10_lr, written) = terms(&full, &other, 0.9);
    near(log10_lr, (0.05_f64 / 0.99).log10());
    assert_eq!(written, 0);
    // A case without commands gives no weight either way: that is not against it.
    let empty = Yardstick { reference: 0, calls: 0, literal: 0, ..yardstick() };
    assert_eq!([0.5, 0.49].map(|p| terms(&empty, &named, p)), [(0.0, 4), (0.0, 0)]);
}

#[test]
fn a_call_that_met_its_own_peer_says_so_where_it_does_not_name_this_one() {
    let mut laid = laid(&[("a", 0, 10, PEER), ("a", 20, 30, PEER), ("a", 40, 50, "203.0.113.2")]);
    laid.acts.iter_mut().for_each(|act| act.done_on_return = true);
    let steps = laid.steps();
    let events = connections(&[(HOME, PEER, 1), (HOME, PEER, 21), (HOME, "203.0.113.9", 90)]);
    let served = Served::new(&steps, &Traffic::new(&events, steps.acts));
    let yardstick = Yardstick { served, ..yardstick() };
    let event = events.get(2).unwrap();
    let (met, open) = (yardstick.indicator(&steps, 0, &event), yardstick.indicator(&steps, 2, &event));
    let not_named = (0.05_f64 / 0.99).log10();
    // Half an unnamed connection in two and one calls that met theirs against half of one in one and one.
    near(met.log10_lr, not_named + (2.0_f64 / 3.0).log10());
    near(open.log10_lr, not_named);
    assert_eq!(met.observed, "the command does not name the peer, and met the one that it names");
    assert_eq!(open.observed, "the command does not name the peer");
    let controls = "named by 9 of 9 control calls";
    assert_eq!(met.counts, format!("{controls}; 0.0 connections more than chance in 2 such calls"));
    assert_eq!(open.counts, controls);
}

#[test]
fn the_port_of_a_name_that_nothing_resolves_is_as_common_as_peers_on_that_port() {
    let name = Token::Name("mirror.example".to_owned());
    let [pool, web, ssh] = [3333, 80, 22].map(Token::UnresolvedPort);
    let yardstick = Yardstick {
        reference: 10,
        peers: 7,
        written: BTreeMap::from([(name.clone(), 3), (pool.clone(), 1), (web.clone(), 5)]),
        nameless: BTreeMap::from([(3333, 2), (80, 1)]),
        ..yardstick()
    };
    // Two of seven peers are on the first port: of ten commands 2.9. One in seven on the next: 1.4, but five wrote it.
    let counts = [name, pool, web, ssh].map(|token| yardstick.coincidences(&token));
    assert_eq!(counts, [3, 3, 5, 0]);
}

#[test]
fn a_lag_is_told_with_its_middle_what_the_clocks_leave_open_and_the_delay_that_was_asked_for() {
    let mut laid = laid(&[("a", 0, 1, PEER), ("a", 10, 11, PEER)]);
    laid.acts[1].delay_ns = 5 * SECOND;
    let steps = laid.steps();
    let events = connections(&[(HOME, PEER, 30)]);
    let told = |step| yardstick().lag(&steps, &events.get(0).unwrap(), possible(step, Some((1, 4))), true);
    assert_eq!(told(0).observed, "+2.5 s (clocks ±1.5 s)");
    assert_eq!(told(1).observed, "+2.5 s after its own delay of 5 s (clocks ±1.5 s)");
    assert_eq!(told(0).counts, "99 control lags, median 0.8 s");
    let withheld = Yardstick { timing: false, ..yardstick() };
    let term = withheld.lag(&steps, &events.get(0).unwrap(), possible(0, Some((1, 4))), true);
    assert_eq!((term.log10_lr, term.observed.as_str()), (0.0, "withheld: the clocks are not good enough"));
}

/// Ten calls of one to nine seconds, each ten before the next, 18 of 19 connections inside.
fn measured() -> Containment {
    Containment::new(&(1..10).map(|s| (s * SECOND, 10 * SECOND)).collect::<Vec<_>>(), 18, 19)
}

#[test]
fn having_begun_while_the_call_ran_counts_where_it_can_be_told() {
    let yardstick = Yardstick { containment: measured(), ..yardstick() };
    // A call from second 10 to 14, the next from 20 on.
    let make = |change: &dyn Fn(&mut Laid)| {
        let mut laid = laid(&[("a", 10, 14, PEER), ("a", 20, 24, PEER)]);
        laid.acts[0].done_on_return = true;
        change(&mut laid);
        laid
    };
    let weight = |laid: &Laid, at_ms, slack_s| {
        let events = connections_ms(&[(HOME, PEER, at_ms)]).changed(|_, row| row.slack_ns = slack_s * SECOND);
        yardstick.within_call(&laid.steps(), &possible(0, Some((1, 4))), &events.get(0).unwrap())
    };
    // The lag is from 1 to 4 s: the middle counts.
    let lag_ns = 2 * SECOND + SECOND / 2;
    let [inside, outside] = [true, false].map(|inside| measured().weight(lag_ns, inside, &yardstick.lag));
    assert!(inside.log10 > 0.0 && outside.log10 < 0.0);
    let plain = make(&|_| {});
    assert_eq!(weight(&plain, 12_000, 0), inside);
    assert_eq!(weight(&plain, 16_000, 0), outside);
    // So near to the end that the clocks cannot tell: two seconds and a second of each side.
    assert_eq!([weight(&plain, 14_000, 0), weight(&plain, 12_000, 2), weight(&plain, 16_000, 2)], [Weight::NONE; 3]);
    assert_eq!((weight(&plain, 12_000, 1), weight(&plain, 16_000, 1)), (inside, outside));
    // As soon as the next call has begun, it may be that one's.
    assert_eq!((weight(&plain, 20_000, 0), weight(&plain, 20_001, 0)), (outside, Weight::NONE));
    // What leaves something running, or waits by its own words, is not bound to its call.
    for change in [
        |laid: &mut Laid| laid.acts[0].launchers.push("nohup".to_owned()),
        |laid: &mut Laid| {
            laid.acts[0].delay_ns = SECOND;
        },
    ] {
        let laid = make(&change);
        assert_eq!([12_000, 16_000].map(|at| weight(&laid, at, 0)), [Weight::NONE; 2]);
    }
    // Programs that are not known may leave something running that their text does not show.
    let unknown = make(&|laid| laid.acts[0].done_on_return = false);
    assert_eq!((weight(&unknown, 12_000, 0), weight(&unknown, 16_000, 0)), (inside, Weight::NONE));
    let one = possible(0, Some((1, 4)));
    let events = connections(&[(HOME, PEER, 12)]);
    let withheld = Yardstick { timing: false, containment: measured(), ..self::yardstick() };
    assert_eq!(withheld.within_call(&plain.steps(), &one, &events.get(0).unwrap()), Weight::NONE);
}

#[test]
fn what_outlives_its_call_is_weighed_by_whether_the_call_left_something_running() {
    let mut laid = laid(&[("a", 0, 10, PEER), ("a", 0, 10, PEER), ("a", 0, 10, PEER)]);
    laid.acts[1].launchers = vec!["nohup".to_owned(), "setsid".to_owned()];
    laid.times[2].stamped = false;
    let steps = laid.steps();
    let of = |step, at, until: i64, timed| {
        let events = connections(&[(HOME, PEER, at)]);
        let events = events.changed(|_, row| (row.until, row.slack_ns, row.timed) = (ms(until * 1_000), SECOND, timed));
        let term = yardstick().persistence(&steps, step, &events.get(0).unwrap());
        (term.observed, term.log10_lr)
    };
    let neutral = |words: &str| (words.to_owned(), 0.0);
    // The clock may be a second off.
    for until in [5, 11] {
        assert_eq!(of(0, 5, until, true), neutral("ended within the call"), "{until}");
    }
    assert_eq!(of(0, 5, 20, false), neutral("no end of the call to compare"));
    assert_eq!(of(2, 5, 20, true), neutral("no end of the call to compare"));
    let nothing = "after the call, which left nothing running that its text shows";
    let something = "after the call, which left something running (nohup, setsid)";
    // Of 40 connections ten outlived their call: of eight of launchers six, of the 32 others four.
    let any = 10.5 / 41.0;
    let expected = [(0, nothing, 4.5 / 33.0 / any), (1, something, 6.5 / 9.0 / any)];
    for (step, words, ratio) in expected {
        for (at, verb) in [(5, "went on"), (11, "went on"), (12, "began")] {
            let (observed, log10_lr) = of(step, at, 20, true);
            assert_eq!(observed, format!("{verb} {words}"));
            near(log10_lr, f64::log10(ratio));
        }
    }
}

#[test]
fn the_nearest_step_is_the_one_after_which_no_other_began() {
    let all = [possible(0, Some((5, 6))), possible(1, Some((3, 9))), possible(2, Some((3, 4))), possible(3, None)];
    let nearest: Vec<bool> = all.iter().map(|one| is_nearest(&all, one)).collect();
    assert_eq!(nearest, [false, true, true, false], "two began at once; one has no time");
}

#[test]
fn a_host_that_gets_what_a_step_installs_is_told_from_any_other() {
    let laid = with_shared_volume();
    let told = |src| {
        let events = connections(&[(src, PEER, 30)]);
        yardstick().identity(&laid.steps(), 0, &events.get(0).unwrap()).observed
    };
    assert_eq!(told(HOME), "from 10.20.0.5, the episode's host");
    assert_eq!(told("10.20.0.6"), "from 10.20.0.6, which gets what it installs by volume /mnt/shared");
    assert_eq!(told("10.20.0.7"), "the host of the episode is not known");
}

#[test]
fn what_was_left_running_is_weighed_against_any_moment_of_its_life() {
    let mut laid = laid(&[("a", 0, 1, PEER)]);
    laid.acts[0].launchers.push("nohup".to_owned());
    let events = connections(&[(HOME, PEER, 150)]);
    let term = yardstick().lag(&laid.steps(), &events.get(0).unwrap(), possible(0, Some((100, 200))), true);
    // By hand, half of its lags over 600 s: .5 (e^(-100/600) - e^(-200/600)) / 100 = 6.4976e-4 a second against 1/600; of
    // the other half, that begin soon, one in a million is left.
    assert!((term.log10_lr - 0.389_85_f64.log10()).abs() < 1e-4, "{}", term.log10_lr);
}
