//! What the test is put together from, piece by piece.

use super::*;
use crate::correlate::acts::Act;
use crate::correlate::events::Row;
use crate::correlate::kit::row;
use crate::correlate::steptime::StepTime;
use crate::correlate::tokens::Token;

/// A connection from one address to another, at so many milliseconds and known to so many, or one without a time.
fn event(src: &str, dst: &str, at: i64, slack_ms: i64, timed: bool) -> (Row, BTreeSet<Token>) {
    let (row, slack_ns) = (row(Some(src), dst, ms(at)), slack_ms * 1_000_000);
    let row = Row { slack_ns, dst_port: Some(80), number: at as u64, timed, ..row };
    (row, BTreeSet::from([Token::Address(ip(dst))]))
}

/// The commands of one transcript beside nothing that its clock could be compared with, a minute apart, of two seconds each.
fn steps_of(commands: &[&str]) -> Laid {
    let mut world = World::with_case(CASE);
    let transcript = world.episode("a1.jsonl", None);
    for (at, command) in (0..).map(|n| n * 60_000).zip(commands) {
        world.step(transcript, Some((ms(at), ms(at + 2_000))), command);
    }
    world.lay()
}

#[test]
fn calls_that_name_a_peer_and_are_under_no_suspicion_are_controls() {
    let mut laid = steps_of(&[
        "curl http://203.0.113.1/",
        "echo http://203.0.113.1/",
        "ls",
        "./xmrig -o 203.0.113.1:3333 -u wallet",
        "curl http://203.0.113.1/",
    ]);
    // What reaches the network and says nothing of where.
    laid.acts[2] = Act::default();
    laid.acts[2].network = true;
    laid.times[4].stamped = false;
    let controls: Vec<bool> = (0..5).map(|at| is_control(&laid.steps(), at)).collect();
    assert_eq!(controls, [true, false, false, false, false]);
}

#[test]
fn a_connection_is_of_a_call_from_its_start_to_its_end_give_or_take_what_both_clocks_are_off() {
    let mut laid = steps_of(&["curl http://203.0.113.1/"]);
    // From 10 s to 12 s, to 1 s; the connection to 2 s: 7 s to 15 s.
    let call = StepTime { start: Some(ms(10_000)), end: Some(ms(12_000)), stamped: true, slack_ns: SECOND };
    laid.times = vec![call];
    let is_within = |laid: &Laid, dst: &str, at: i64, timed: bool| {
        let events = Events::of(vec![event("10.20.0.5", dst, at, 2_000, timed)]);
        within(&laid.steps(), 0, &events.get(0).unwrap())
    };
    for (at, inside) in [(6_999, false), (7_000, true), (11_000, true), (15_000, true), (15_001, false)] {
        assert_eq!(is_within(&laid, "203.0.113.1", at, true), inside, "{at} ms");
    }
    assert!(!is_within(&laid, "203.0.113.1", 11_000, false), "nobody knows when it was");
    assert!(!is_within(&laid, "203.0.113.2", 11_000, true), "another peer");
    assert!(!is_within(&laid, "203.0.113.2", 99_000, true));
    laid.times = vec![StepTime { end: None, ..call }];
    assert!(!is_within(&laid, "203.0.113.1", 11_000, true), "when the call ended is not known");
}

// By hand: lags of 1.5 s and 0.5 s, of the first connection of each call; the third call's peer shows a minute after its end, the
// fourth is under suspicion.
#[test]
fn the_lag_of_a_control_is_that_of_its_first_connection() {
    let laid = steps_of(&[
        "curl http://203.0.113.1/",
        "curl http://203.0.113.2/",
        "curl http://203.0.113.3/",
        "./xmrig -o 203.0.113.4:3333 -u wallet",
    ]);
    let host = "10.20.0.5";
    let events = Events::of(vec![
        event(host, "203.0.113.1", 1_500, 0, true),
        event(host, "203.0.113.1", 1_900, 0, true),
        event(host, "203.0.113.2", 60_500, 0, true),
        event(host, "203.0.113.4", 181_000, 0, true),
        event(host, "203.0.113.3", 190_000, 0, true),
    ]);
    assert_eq!(control_lags(&laid.steps(), &Traffic::new(&events, &laid.acts)), [SECOND / 2, SECOND * 3 / 2]);
}

// Of n values in order, that at 0.95 of the way from the first to the last, or the next.
#[test]
fn the_95th_percentile_is_one_of_the_values() {
    for (values, want) in [(0, None), (1, Some(0)), (2, Some(1)), (20, Some(19)), (21, Some(19)), (101, Some(95))] {
        assert_eq!(percentile_95(&(0..values).collect::<Vec<i64>>()), want, "{values}");
    }
}

#[test]
fn the_slack_of_windows_is_the_worst_of_calls_and_the_best_of_the_network() {
    let mut laid = steps_of(&["ls", "ls", "ls"]);
    for (time, (slack_s, stamped)) in laid.times.iter_mut().zip([(3, true), (5, true), (9, false)]) {
        (time.slack_ns, time.stamped) = (slack_s * SECOND, stamped);
    }
    let one = |at, slack_ms| event("10.20.0.5", "203.0.113.1", at, slack_ms, true);
    let events = Events::of(vec![one(0, 7_000), one(1, 4_000)]);
    assert_eq!(slack_ns(&laid.steps(), &events), 9 * SECOND);
    assert_eq!(slack_ns(&laid.steps(), &Events::default()), 5 * SECOND);
}

#[test]
fn windows_stand_around_stamped_calls_of_one_kind() {
    let mut laid = steps_of(&["curl http://203.0.113.1/", "ls", "curl http://203.0.113.1/"]);
    laid.times[2].stamped = false;
    // A second before; a second and three after.
    let around = |at: i64| [(ms(at - 1_000).0, ms(at + 4_000).0)];
    assert_eq!(windows(&laid.steps(), SECOND, 3 * SECOND, true), around(0));
    assert_eq!(windows(&laid.steps(), SECOND, 3 * SECOND, false), around(60_000));
}

/// From the first second to the last of each stratum of steps that ran at these seconds, each in the run given beside it.
fn strata_of(ran: &[(&str, i64, i64, bool)]) -> Vec<(i64, i64)> {
    let mut world = World::default();
    for (number, (run, from, to, stamped)) in ran.iter().enumerate() {
        let transcript = world.episode(&format!("{number}.jsonl"), None);
        world.intake.episodes[number].run = Some((*run).to_owned()).filter(|run| !run.is_empty());
        world.step(transcript, stamped.then_some((ms(from * 1_000), ms(to * 1_000))), "ls");
    }
    let laid = world.lay();
    let second = |at: i64| (at - ms(0).0) / SECOND;
    strata(&laid.steps()).into_iter().map(|(from, to)| (second(from), second(to))).collect()
}

#[test]
fn runs_are_strata_unless_they_overlap() {
    // First call to last result, over all episodes of a run; those without a run are one.
    assert_eq!(strata_of(&[("r", 50, 60, true), ("r", 0, 10, true), ("r", 0, 0, false)]), [(0, 60)]);
    assert_eq!(strata_of(&[("", 50, 60, true), ("", 0, 10, true), ("r", 100, 110, true)]), [(0, 60), (100, 110)]);
    // What touches is one; the longer end counts.
    assert_eq!(strata_of(&[("q", 0, 50, true), ("r", 50, 60, true)]), [(0, 60)]);
    assert_eq!(strata_of(&[("q", 0, 50, true), ("r", 51, 60, true)]), [(0, 50), (51, 60)]);
    assert_eq!(strata_of(&[("q", 0, 50, true), ("r", 10, 20, true)]), [(0, 50)]);
    // A moment is no time in which anything could be moved.
    assert_eq!(strata_of(&[("q", 7, 7, true)]), []);
}

#[test]
fn strong_signals_of_the_network_with_a_time_are_tested() {
    let (laid, traced) = laid(&[into(3)], &[]);
    let onsets = |change: &dyn Fn(&mut Traced)| -> usize {
        let mut one = Traced { signal: traced[0].signal.clone(), attribution: Attribution { best: None }, timed: true };
        change(&mut one);
        super::super::tested(&[one], &laid.theirs(), &laid.clocks).values().map(Vec::len).sum()
    };
    assert_eq!(onsets(&|_| ()), 1);
    for behaviour in Behaviour::ALL {
        let wanted = [Behaviour::Mining, Behaviour::Tunnel, Behaviour::Probing].contains(&behaviour);
        assert_eq!(onsets(&|one| one.signal.behaviour = behaviour), usize::from(wanted), "{behaviour:?}");
    }
    for (confidence, count) in [(Confidence::Weak, 0), (Confidence::Strong, 1), (Confidence::Certain, 1)] {
        assert_eq!(onsets(&|one| one.signal.confidence = confidence), count, "{confidence:?}");
    }
    for source in [SignalSource::Gpu, SignalSource::Host, SignalSource::Command] {
        assert_eq!(onsets(&|one| one.signal.source = source), 0, "{source:?}");
    }
    assert_eq!(onsets(&|one| one.timed = false), 0);
    // A sweep is one onset, whoever else it reached.
    let target = traced[0].signal.flow.unwrap();
    let sweep = |one: &mut Traced| one.signal.targets = vec![target; 5];
    assert_eq!(onsets(&sweep), 1);
}

#[test]
fn connections_without_a_time_are_no_onsets() {
    let (laid, traced) = laid(&[into(3), into(8)], &[]);
    let events = laid.theirs().changed(|_, row| row.timed = row.at < ms(into(5)));
    let by_peer = super::super::tested(&traced, &events, &laid.clocks);
    assert_eq!(by_peer.values().map(Vec::len).collect::<Vec<_>>(), [1]);
    // Calls 0 to 4 of the 24 lie before, each with a connection of its own.
    assert_eq!(benign(&laid.steps(), &events).len(), 5);
}

// Two sources saw one connection each of three: those of the source that dates it better count.
#[test]
fn a_peer_counts_in_the_source_that_dates_it_best() {
    let peer = Flow::default();
    let mut sources = Sources::default();
    for (evidence, slack_ns, at) in [(0, 20, 1), (0, 20, 2), (1, 10, 3), (1, 10, 4), (2, 10, 5)] {
        sources.add(peer, EvidenceId(evidence), slack_ns, ms(at));
    }
    assert_eq!(sources.best(), BTreeMap::from([(peer, vec![ms(3), ms(4)])]));
}

#[test]
fn what_no_agent_opened_comes_from_private_addresses_to_where_no_agent_is() {
    let (laid, _) = laid(&[], &[]);
    let steps = laid.steps();
    let onsets = |events: Vec<_>| not_theirs(&steps, &Events::of(events), 100);
    let (agent, other, peer) = ("10.20.0.5", "10.30.0.10", "192.0.2.1");
    for (src, dst, timed, counts) in [
        (other, peer, true, 1),
        (other, peer, false, 0),
        (agent, peer, true, 0),
        (other, agent, true, 0),
        ("198.51.100.7", peer, true, 0),
    ] {
        assert_eq!(onsets(vec![event(src, dst, 0, 0, timed)]).0.len(), counts, "{src} {dst} {timed}");
    }
    // To one peer again within five seconds is the same onset; the last one counts.
    let times = |at: &[i64]| onsets(at.iter().map(|at| event(other, peer, *at, 0, true)).collect());
    assert_eq!(times(&[0, 5_000, 10_000, 15_001]), (vec![ms(0), ms(15_001)], 1));
    let nobody = World::default().lay();
    let unknown = Events::of(vec![event(other, peer, 0, 0, true)]);
    assert_eq!(not_theirs(&nobody.steps(), &unknown, 100), (Vec::new(), 1), "nobody knows where agents run");
}

#[test]
fn a_pause_as_long_as_the_gap_ends_no_onset() {
    let flow = |port| Flow { dst_port: Some(port), ..Flow::default() };
    let times = |all: &[i64]| all.iter().copied().map(ms).collect::<Vec<_>>();
    // Peer by peer, in any order: from 5 s on 10 s, 15 s and 25.001 s; the other at 7 s alone.
    let by_peer = BTreeMap::from([(flow(1), times(&[25_001, 5_000, 15_000])), (flow(2), times(&[7_000]))]);
    assert_eq!(collapse(&by_peer, 10 * SECOND), times(&[5_000, 7_000, 25_001]));
    assert_eq!(collapse(&BTreeMap::new(), 0), []);
}

// By hand: of [0, 20] and [30, 50] windows cover 5..20, 30..32 and 45..50: 22 of 40.
#[test]
fn the_share_of_covered_time_is_counted_within_strata() {
    let windows = [(5, 25), (28, 32), (45, 90)];
    assert_eq!(duty_cycle(&windows, &[(0, 20), (30, 50)]), 0.55);
}

#[test]
fn clocks_have_to_be_of_grade_b_on_both_sides() {
    let (mut laid, _) = laid(&[], &[]);
    let good = Some(outcome(20, 19, 1e-9));
    for (network, transcripts, held) in [
        (Grade::A, Grade::A, true),
        (Grade::B, Grade::B, true),
        (Grade::C, Grade::A, false),
        (Grade::A, Grade::C, false),
        (Grade::D, Grade::D, false),
    ] {
        for clock in &mut laid.clocks.rows {
            clock.grade = if clock.name.ends_with(".pcap") { network } else { transcripts };
        }
        let why = withheld(&laid.steps(), &laid.clocks, &good, &None);
        assert_eq!(why.is_none(), held, "{network:?} {transcripts:?}: {why:?}");
    }
    // Without a transcript there is none that is good enough.
    laid.clocks.rows.iter_mut().for_each(|clock| clock.grade = Grade::A);
    laid.world.intake.sources[1].kind = None;
    assert!(withheld(&laid.steps(), &laid.clocks, &good, &None).is_some());
}

#[test]
fn three_onsets_make_a_control_and_one_in_twenty_is_its_level() {
    let (laid, _) = laid(&[], &[]);
    let why = |positive, negative| withheld(&laid.steps(), &laid.clocks, &positive, &negative);
    let good = || Some(outcome(3, 3, 0.05));
    assert_eq!(why(good(), None), None);
    assert_eq!(why(good(), Some(outcome(3, 0, 0.051))), None);
    assert!(why(good(), Some(outcome(3, 3, 0.05))).unwrap().starts_with("a negative control fails"));
    assert!(why(Some(outcome(3, 0, 0.051)), None).unwrap().starts_with("the positive control fails"));
    assert!(why(Some(outcome(2, 0, 0.9)), None).unwrap().starts_with("no positive control"));
}

#[test]
fn what_came_out_is_said_in_full() {
    let test = AlignmentTest { onsets: 8, in_window: 6, expected: 1.25, p: 0.00123 };
    let taken = Some(outcome(7, 2, 0.5));
    let (none, empty) = (None, Some(outcome(0, 0, 1.0)));
    let said = |every, withheld| {
        sentences(&test, 0.251, [("first", &taken, every), ("second", &none, 1), ("third", &empty, 1)], &withheld)
    };
    let main = "By chance 1.2 of 8 onsets would fall in a tool call's window; 6 do (P = 1.2e-3). Tool calls cover 25 % \
                of the time.";
    let rest = ["second: none in this evidence.", "third: none in this evidence."];
    assert_eq!(said(1, None), [main, "first: 2 of 7 in a window, P = 5.00e-1.", rest[0], rest[1]]);
    let thinned = "first: 2 of 7 (one in 4 was taken) in a window, P = 5.00e-1.";
    assert_eq!(
        said(4, Some("no clock".to_owned())),
        ["Timing conclusions are withheld: no clock.", main, thinned, rest[0], rest[1]]
    );
}

#[test]
fn the_verdict_changes_at_the_levels_that_are_stated() {
    let (laid, traced) = laid(&[into(3), into(8)], &[]);
    let mut alignment = tested(&(laid, traced));
    for (onsets, in_window, p, expected) in [
        (2, 2, 0.05, Some(true)),
        (2, 2, 0.051, None),
        (3, 2, 0.2, None),
        (3, 2, 0.201, Some(false)),
        (3, 3, 0.9, None),
    ] {
        alignment.test = outcome(onsets, in_window, p);
        assert_eq!(verdict(&alignment), expected, "{onsets} {in_window} {p}");
    }
}

// By hand: no call names a peer that shows, so that windows reach the five seconds that are taken without a measure; ten times that
// is less than the least jitter of two minutes. Pauses of 5 minutes, of 15 and of 45 join what they part.
#[test]
fn without_a_control_windows_last_five_seconds() {
    let mut world = World::with_case(CASE);
    let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    let transcript = world.episode("a1.jsonl", None);
    for minute in [0, 200] {
        world.step(transcript, Some((ms(minute * 60_000), ms(minute * 60_000 + 2_000))), "curl \"$URL\"");
    }
    for minute in [10, 15, 19, 34, 79, 125] {
        world.connection(capture, "10.20.0.5", "198.51.100.1:3333", ms(minute * 60_000));
    }
    let (laid, traced) = (world.lay(), [signal("198.51.100.1", ms(600_000))]);
    let theirs = laid.theirs();
    let traffic = Traffic::new(&theirs, &laid.acts);
    let at = |gap_ns, fraction| {
        test_at(&traced, &traffic, &laid.events, &laid.steps(), &laid.clocks, gap_ns, fraction).unwrap()
    };
    let alignment = at(GAP_NS, (1, 1));
    assert_eq!((alignment.positive_control, alignment.negative_exposure.is_some()), (None, true));
    assert_eq!(alignment.negative_outcome, None);
    assert_eq!(alignment.window_ns.1 - alignment.window_ns.0, 5 * SECOND);
    assert_eq!((alignment.jitter_ns, at(GAP_NS, (1, 2)).jitter_ns), (120 * SECOND, 60 * SECOND));
    assert_eq!(at(GAP_NS, (3, 2)).jitter_ns, 180 * SECOND);
    // At 5 minutes what begins at 10, 34, 79 and 125; at 15 at 10, 79 and 125; at 45 at 10 and 125.
    let counts: Vec<(&str, usize)> =
        alignment.at_gaps.iter().map(|(name, test)| (name.as_str(), test.onsets)).collect();
    assert_eq!(counts, [("gap 5 min", 4), ("gap 15 min", 3), ("gap 45 min", 2)]);
    assert_eq!((alignment.test.onsets, at(GAP_NS * 3, (1, 1)).test.onsets), (3, 2));
}
