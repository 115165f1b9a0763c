//! Counts over benign calls.

use super::*;
use crate::correlate::acts::Act;
use crate::correlate::kit::hit;
use crate::model::Confidence;

/// How many calls a connection began in, and how many of them name its peer: a call from 60 to 62 s names 203.0.113.1, which its
/// host reaches at 61 s; an hour later it reaches another peer while nothing runs.
fn calls(change: impl FnOnce(&mut Laid)) -> (u64, u64) {
    let (mut world, capture, transcript) = world();
    world.step(transcript, Some((ms(60_000), ms(62_000))), "curl http://203.0.113.1/x");
    world.connection(capture, "10.20.0.5", "203.0.113.1:80", ms(61_000));
    world.connection(capture, "10.20.0.5", "203.0.113.9:80", ms(3_660_000));
    let mut laid = world.lay();
    change(&mut laid);
    counted(&laid)
}

fn counted(laid: &Laid) -> (u64, u64) {
    let naming = laid.ask(&[], None, |witnesses| witnesses.controls.naming(None)).unwrap();
    (naming.calls, naming.literal)
}

/// Moves the first connection, and says how far off it and the second may be.
fn moved(laid: &mut Laid, at: i64, slack_ns: [i64; 2]) {
    laid.events = laid.events.changed(|place, row| {
        row.slack_ns = slack_ns[place];
        if place == 0 {
            row.at = ms(at);
        }
    });
}

#[test]
fn a_call_counts_if_it_ran_with_a_time_and_could_reach_the_network() {
    assert_eq!(calls(|_| ()), (1, 1));
    assert_eq!(calls(|laid| laid.acts[0].network = false), (0, 0));
    assert_eq!(calls(|laid| laid.world.intake.steps[0].not_executed = true), (0, 0));
    assert_eq!(calls(|laid| laid.times[0].stamped = false), (0, 0));
    assert_eq!(calls(|laid| laid.times[0].end = None), (0, 0));
    assert_eq!(calls(|laid| laid.events = laid.events.changed(|_, row| row.timed = false)), (0, 0));
}

#[test]
fn a_connection_is_a_calls_own_within_what_the_clocks_may_be_off() {
    // Eighteen seconds behind the end of the call.
    assert_eq!(calls(|laid| moved(laid, 80_000, [0, 0])), (0, 0));
    assert_eq!(calls(|laid| moved(laid, 80_000, [30 * SECOND, 0])), (1, 1), "its own clock");
    assert_eq!(calls(|laid| moved(laid, 80_000, [0, 30 * SECOND])), (0, 0), "the clock of another one");
    let with_call = |at: i64, slack_ns: i64| {
        calls(|laid| {
            moved(laid, at, [0, 0]);
            laid.times[0].slack_ns = slack_ns;
        })
    };
    assert_eq!(with_call(80_000, 30 * SECOND), (1, 1), "the clock of the call");
    assert_eq!(with_call(42_000, 30 * SECOND), (1, 1), "before it");
    // However far a clock may be off, a minute is the most.
    assert_eq!(with_call(120_000, 600 * SECOND), (1, 1));
    assert_eq!(with_call(124_000, 600 * SECOND), (0, 0));
}

#[test]
fn what_hosts_without_agents_open_is_no_calls_own() {
    for (case, calls) in [(CASE, 0), ("", 1)] {
        let mut world = World::with_case(case);
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        // Nothing tells where it ran.
        let transcript = world.episode("b1.jsonl", None);
        world.step(transcript, Some((ms(60_000), ms(62_000))), "curl http://203.0.113.1/x");
        world.connection(capture, "10.30.0.10", "203.0.113.9:80", ms(61_000));
        assert_eq!(counted(&world.lay()), (calls, 0), "{case}");
    }
}

#[test]
fn a_token_is_as_common_as_the_benign_commands_that_have_it() {
    let token = |name: &str| Token::Name(name.to_owned());
    let act = |names: &[&str]| {
        let mut act = Act::default();
        act.add(names.iter().map(|name| token(name)));
        act
    };
    let (mut world, _, transcript) = world();
    for _ in 0..5 {
        world.step(transcript, None, "true");
    }
    let mut laid = world.lay();
    laid.acts = vec![act(&["a", "b"]), act(&["a"]), act(&[]), act(&["a"]), act(&["a"])];
    laid.acts[3].hits.push(hit(Behaviour::Mining, Confidence::Strong));
    // What is no command, and what is suspect, are not counted: two of three commands have "a", one has "b".
    laid.world.intake.steps[4].command = None;
    let port = Token::UnresolvedPort(3333);
    let with = |shared: &[Token]| {
        let shared: BTreeSet<Token> = shared.iter().cloned().collect();
        laid.ask(&[], None, |witnesses| witnesses.controls.naming(Some(&shared))).map(|naming| naming.with)
    };
    assert_eq!(with(&[token("a")]), Some(Some(2)));
    assert_eq!(with(&[token("a"), token("b")]), Some(Some(1)), "the rarest of them");
    assert_eq!(with(&[token("a"), token("c")]), Some(Some(0)));
    assert_eq!(with(&[token("a"), port.clone()]), Some(Some(2)));
    assert_eq!(with(&[port]), None, "a port alone names nothing");
    assert_eq!(with(&[]), Some(None));
    // By hand: three uses of two tokens are 1.5 a token, and half a use more, of three commands and one more: 2/4.
    let naming = laid.ask(&[], None, |witnesses| witnesses.controls.naming(None)).unwrap();
    assert_eq!((naming.commands, naming.coincidence, naming.with), (3, 0.5, None));
}
