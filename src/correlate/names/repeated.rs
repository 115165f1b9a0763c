//! Names that nothing in the evidence resolves, tied to addresses by repetition: a firewall that writes addresses and
//! transcripts that write names have no key in common, but the same name in ten calls and the same address within each of
//! them have. Benign calls alone are looked at, so that nothing is tuned on the traffic under test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Names;
use crate::correlate::acts::Act;
use crate::correlate::tokens::Token;
use crate::correlate::vote::{self, Pair};
use crate::evidence::EvidenceId;
use crate::intake::Intake;
use crate::stats;
use crate::time::{Basis, SECOND};

/// A connection that a call names begins within this of the call, in nanoseconds; longer calls tell less.
const WITHIN_NS: i64 = 60 * SECOND;
/// Stamps are cut to whole seconds at worst.
const UNIT_NS: i64 = SECOND;
/// So often a name has to be written, and its address to be met.
const FEWEST: u64 = 3;
/// So many names have to be tied: one may be chance.
const FEWEST_NAMES: usize = 3;
/// P of as many meetings by chance, over all addresses that were tried.
const LEVEL: f64 = 1e-3;
/// Bound on pairs that vote: beyond it, every n-th call is taken.
const MOST_PAIRS: usize = 1_000_000;

/// A call with one name of it, and the port if it is known.
struct Call<'a> {
    name: &'a str,
    port: Option<u16>,
    from: i64,
    to: i64,
}

/// A connection to an address without a name.
struct Met {
    address: IpAddr,
    port: Option<u16>,
    at: i64,
}

/// Names and the addresses that they are tied to, sorted. Empty unless several can be.
pub(crate) fn by_repetition(intake: &Intake, acts: &[Act], names: &Names) -> Vec<(String, IpAddr)> {
    let calls = calls(intake, acts, names);
    if calls.len() < FEWEST_NAMES * FEWEST as usize {
        return Vec::new();
    }
    let mut tied: BTreeSet<(String, IpAddr)> = BTreeSet::new();
    for met in met(intake, names).into_values() {
        let found = tie(&calls, &met);
        if found.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() >= FEWEST_NAMES {
            tied.extend(found);
        }
    }
    tied.into_iter().collect()
}

fn calls<'a>(intake: &Intake, acts: &'a [Act], names: &Names) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    for (step, act) in intake.steps.iter().zip(acts) {
        if !act.network || act.is_suspect() || act.leaves_running() || step.not_executed {
            continue;
        }
        let Some(start) = step.start.filter(|start| start.span.basis <= Basis::AssumedZone) else { continue };
        let from = start.span.lo.0;
        let end = step.end.map_or(from.saturating_add(WITHIN_NS), |end| end.span.hi.0);
        let to = end.clamp(from, from.saturating_add(WITHIN_NS));
        for token in act.tokens() {
            let (name, port) = match token {
                Token::NamedEndpoint(name, port) => (name, Some(*port)),
                Token::Name(name) => (name, None),
                _ => continue,
            };
            let with_port = |other: &Token| matches!(other, Token::NamedEndpoint(other, _) if other == name);
            if !names.is_resolved(name) && (port.is_some() || !act.tokens().iter().any(with_port)) {
                calls.push(Call { name, port, from, to });
            }
        }
    }
    calls
}

/// Connections to addresses without a name, by source and in order of time.
fn met(intake: &Intake, names: &Names) -> BTreeMap<EvidenceId, Vec<Met>> {
    let mut met: BTreeMap<EvidenceId, Vec<Met>> = BTreeMap::new();
    for conversation in intake.conversations.iter() {
        let Some(address) = conversation.key.dst.filter(|address| names.of(*address).is_empty()) else { continue };
        for segment in conversation.segments.iter().filter(|segment| segment.basis.is_dated()) {
            let starts = segment.starts.iter().map(|start| start.at.0);
            let first = Some(segment.first.0).filter(|_| segment.starts.is_empty());
            let times = starts.chain(first).map(|at| Met { address, port: conversation.key.dst_port, at });
            met.entry(conversation.key.evidence).or_default().extend(times);
        }
    }
    for of_source in met.values_mut() {
        of_source.sort_by_key(|one| (one.at, one.address, one.port));
    }
    met
}

fn fits(call: &Call<'_>, met: &Met) -> bool {
    call.port.is_none() || met.port.is_none() || call.port == met.port
}

fn tie(calls: &[Call<'_>], met: &[Met]) -> Vec<(String, IpAddr)> {
    let every = (calls.len().saturating_mul(met.len())).div_ceil(MOST_PAIRS).max(1);
    let pair = |(key, call): (usize, &Call<'_>), one: &Met| Pair {
        lo_ns: call.from.saturating_sub(one.at).saturating_sub(UNIT_NS),
        hi_ns: call.to.saturating_sub(one.at),
        at_ns: one.at,
        weight: 1.0,
        key: key as u64,
    };
    let pairs: Vec<Pair> = calls
        .iter()
        .enumerate()
        .step_by(every)
        .flat_map(|numbered| met.iter().filter(|one| fits(numbered.1, one)).map(move |one| pair(numbered, one)))
        .collect();
    let Some(vote) = vote::vote(&pairs) else { return Vec::new() };
    at_offset(calls, met, vote.best.middle_ns)
}

/// With connections moved by that offset onto the clock of the calls.
fn at_offset(calls: &[Call<'_>], met: &[Met], offset_ns: i64) -> Vec<(String, IpAddr)> {
    let mut of_address: BTreeMap<(IpAddr, Option<u16>), Vec<i64>> = BTreeMap::new();
    for one in met {
        of_address.entry((one.address, one.port)).or_default().push(one.at.saturating_add(offset_ns));
    }
    let span = met.last().zip(met.first()).map_or(1, |(last, first)| last.at.saturating_sub(first.at).max(1)) as f64;
    let mut of_name: BTreeMap<(&str, Option<u16>), Vec<&Call<'_>>> = BTreeMap::new();
    for call in calls {
        of_name.entry((call.name, call.port)).or_default().push(call);
    }
    let tries = of_address.len().max(1) as f64 * of_name.len().max(1) as f64;
    let mut tied = Vec::new();
    for ((name, port), calls) in &of_name {
        let written = calls.len() as u64;
        if written < FEWEST {
            continue;
        }
        let within: i64 = calls.iter().map(|call| call.to.saturating_sub(call.from).saturating_add(2 * UNIT_NS)).sum();
        let mean_share = within as f64 / written as f64 / span;
        let mut ranked: Vec<(u64, IpAddr, f64)> = Vec::new();
        for ((address, served), times) in &of_address {
            if port.is_some() && served.is_some() && port != served {
                continue;
            }
            let inside = |call: &&&Call<'_>| {
                let from = times.partition_point(|at| *at < call.from.saturating_sub(UNIT_NS));
                times.get(from).is_some_and(|at| *at <= call.to.saturating_add(UNIT_NS))
            };
            let hits = calls.iter().filter(inside).count() as u64;
            let chance = 1.0 - (-(times.len() as f64) * mean_share).exp();
            ranked.push((hits, *address, stats::binomial_upper_tail(hits, written, chance).p));
        }
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let second = ranked.get(1).map_or(0, |(hits, ..)| *hits);
        match ranked.first() {
            Some((hits, address, p)) if *hits >= FEWEST && *hits > second && p * tries < LEVEL => {
                tied.push(((*name).to_owned(), *address));
            }
            _ => {}
        }
    }
    tied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::kit::{World, hit, ip, ms};
    use crate::formats::Kind;
    use crate::model::{Behaviour, Confidence};
    use crate::time::Span;

    /// `names` names, each written in ten calls 37 s apart with lags of one to three seconds, on a clock that shows
    /// `offset` more than that of the connections; as many strangers in between.
    fn world(names: &[&'static str], offset: i64) -> (Vec<Call<'static>>, Vec<Met>) {
        let address = |last: u8| IpAddr::from([203, 0, 113, last]);
        let (mut calls, mut met) = (Vec::new(), Vec::new());
        for turn in 0..10_i64 {
            for (at, name) in names.iter().enumerate() {
                // Prime steps, so that nothing recurs at one distance by itself.
                let begin = (turn * 997 + at as i64 * 211) * SECOND;
                let lag = (1 + (turn * 7 + at as i64) % 3) * SECOND;
                calls.push(Call { name, port: Some(443), from: begin + offset, to: begin + offset + 5 * SECOND });
                met.push(Met { address: address(at as u8), port: Some(443), at: begin + lag });
                met.push(Met { address: address(100), port: Some(443), at: begin + 97 * SECOND + turn * 13 * SECOND });
            }
        }
        met.sort_by_key(|one| (one.at, one.address));
        (calls, met)
    }

    #[test]
    fn names_that_recur_with_an_address_are_tied_to_it() {
        for offset in [0, 28_800 * SECOND, -13 * SECOND] {
            let (calls, met) = world(&["a.example", "b.example", "c.example"], offset);
            let expected: Vec<_> = ["a.example", "b.example", "c.example"].into_iter().zip(0_u8..).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(name, last)| (name.to_owned(), IpAddr::from([203, 0, 113, last]))).collect();
            assert_eq!(tie(&calls, &met), expected, "{offset}");
        }
    }

    #[test]
    fn another_port_is_another_service() {
        let (mut calls, met) = world(&["a.example", "b.example", "c.example"], 0);
        calls.iter_mut().for_each(|call| call.port = Some(22));
        assert_eq!(tie(&calls, &met), []);
    }

    #[test]
    fn a_port_that_one_side_does_not_tell_keeps_nothing_apart() {
        for (called, met, together) in [
            (Some(443), Some(443), true),
            (Some(443), Some(80), false),
            (Some(443), None, true),
            (None, Some(80), true),
            (None, None, true),
        ] {
            let call = Call { name: "a.example", port: called, from: 0, to: 0 };
            let met = Met { address: ip("203.0.113.1"), port: met, at: 0 };
            assert_eq!(fits(&call, &met), together, "{called:?} {:?}", met.port);
            let (mut calls, mut all) = world(&["a.example"], 0);
            calls.iter_mut().for_each(|call| call.port = called);
            all.iter_mut().for_each(|one| one.port = met.port);
            assert_eq!(tie(&calls, &all).len(), usize::from(together), "{called:?} {:?}", met.port);
        }
    }

    /// Each of the names is called once a minute, and connects to an address of its own.
    fn evidence(names: &[&str], turns: i64) -> World {
        let mut world = World::default();
        let (capture, transcript) =
            (world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset), world.episode("a.jsonl", None));
        for turn in 0..turns {
            for (last, name) in (1..).zip(names) {
                // Prime steps, so that nothing recurs at one distance by itself.
                let begin = ms((turn * 997 + last * 211) * 1_000);
                world.step(transcript, Some((begin, begin.plus(2 * SECOND))), &format!("curl https://{name}/x"));
                world.connection(capture, "10.20.0.5", &format!("203.0.113.{last}:443"), begin.plus(SECOND));
            }
        }
        world
    }

    #[test]
    fn three_names_that_are_called_three_times_are_enough_and_two_are_not() {
        let names = ["a.example", "b.example", "c.example"];
        for (of, turns, tied) in [(3, 3, 3), (3, 4, 3), (3, 2, 0), (2, 10, 0)] {
            let world = evidence(&names[..of], turns);
            let found = by_repetition(&world.intake, &world.acts(), &world.names());
            let addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3"].map(ip);
            let expected: Vec<_> = names.map(str::to_owned).into_iter().zip(addresses).take(tied).collect();
            assert_eq!(found, expected, "{of} names, {turns} times");
        }
    }

    /// Names, ports and seconds of what a call from 0 to 2 s that names a.example:443 is asked about.
    fn asked(change: impl FnOnce(&mut World, &mut Act)) -> Vec<(String, Option<u16>, (i64, i64))> {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        world.step(transcript, Some((ms(0), ms(2_000))), "./job");
        let mut act = Act::default();
        act.network = true;
        act.add([Token::Name("a.example".to_owned()), Token::NamedEndpoint("a.example".to_owned(), 443)]);
        change(&mut world, &mut act);
        let (acts, names) = ([act], world.names());
        let second = |at: i64| (at - ms(0).0) / SECOND;
        let calls = calls(&world.intake, &acts, &names).into_iter();
        calls.map(|call| (call.name.to_owned(), call.port, (second(call.from), second(call.to)))).collect()
    }

    #[test]
    fn benign_calls_with_a_time_and_a_name_that_nothing_resolves_are_asked() {
        let own = || vec![("a.example".to_owned(), Some(443), (0, 2))];
        assert_eq!(asked(|_, _| ()), own(), "with its port, once");
        assert!(asked(|_, act| act.network = false).is_empty(), "it reaches nobody");
        assert!(asked(|_, act| act.launchers.push("nohup".to_owned())).is_empty(), "it goes on after the call");
        assert!(asked(|world, _| world.intake.steps[0].not_executed = true).is_empty(), "it did not run");
        assert!(asked(|world, _| world.dns("a.example", "203.0.113.1")).is_empty(), "it is resolved");
        let suspect = |_: &mut World, act: &mut Act| {
            act.hits.push(hit(Behaviour::Mining, Confidence::Strong));
        };
        assert!(asked(suspect).is_empty(), "what is under test is no yardstick");
        for (basis, expected) in [(Basis::AssumedZone, own()), (Basis::AssumedYear, Vec::new())] {
            let found = asked(|world, _| {
                let start = world.intake.steps[0].start.as_mut().unwrap();
                start.span.basis = basis;
            });
            assert_eq!(found, expected, "{basis:?}");
        }
        // Another name stands for itself, without a port.
        let found = asked(|_, act| act.add([Token::Name("b.example".to_owned()), Token::Address(ip("203.0.113.9"))]));
        assert_eq!(found, [vec![("b.example".to_owned(), None, (0, 2))], own()].concat());
    }

    #[test]
    fn a_call_is_met_within_a_minute_of_its_beginning() {
        // The end that the transcript tells, in seconds, and the one that counts.
        for (end, counts) in [(Some(2), 2), (Some(60), 60), (Some(3_600), 60), (None, 60), (Some(-5), 0)] {
            let found = asked(|world, _| {
                let step = &mut world.intake.steps[0];
                let mut told = step.end.take();
                if let Some(told) = &mut told {
                    told.span = Span::at(ms(0).plus(end.unwrap_or(0) * SECOND), Basis::ExplicitOffset);
                }
                step.end = told.filter(|_| end.is_some());
            });
            assert_eq!(found[0].2, (0, counts), "{end:?}");
        }
    }

    #[test]
    fn connections_to_addresses_without_a_name_are_met_in_order_of_time() {
        let mut world = World::default();
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        world.dns("a.example", "203.0.113.1");
        world.connection(capture, "10.20.0.5", "203.0.113.1:443", ms(0));
        world.connection(capture, "10.20.0.5", "203.0.113.2:443", ms(3_000));
        // Of a stretch that was going on already, its first moment is all that is known.
        world.connection(capture, "10.20.0.5", "203.0.113.3:22", ms(1_000)).starts.clear();
        world.connection(capture, "10.20.0.5", "203.0.113.4:443", ms(2_000)).basis = Basis::UnknownYear;
        let met = met(&world.intake, &world.names());
        assert_eq!(met.keys().collect::<Vec<_>>(), [&capture]);
        let met: Vec<_> = met[&capture].iter().map(|one| (one.address, one.port, one.at)).collect();
        let expected = [("203.0.113.3", 22, ms(1_000).0), ("203.0.113.2", 443, ms(3_000).0)];
        assert_eq!(met, expected.map(|(address, port, at)| (ip(address), Some(port), at)));
    }

    /// What calls of no length at the given seconds are tied to; connections are of (second, last byte of the address).
    fn tied_to(calls: &[(&'static str, i64)], met: &[(i64, u8)]) -> Vec<(String, u8)> {
        let call = |(name, at): &(&'static str, i64)| Call { name, port: None, from: at * SECOND, to: at * SECOND };
        let one = |(at, last): &(i64, u8)| Met {
            address: IpAddr::from([203, 0, 113, *last]),
            port: Some(443),
            at: at * SECOND,
        };
        let calls: Vec<Call<'_>> = calls.iter().map(call).collect();
        let mut met: Vec<Met> = met.iter().map(one).collect();
        met.sort_by_key(|one| (one.at, one.address));
        let last = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        };
        at_offset(&calls, &met, 0).into_iter().map(|(name, address)| (name, last(address))).collect()
    }

    // By hand: a call of no length takes 2 s, one on each side. An address that is met 3 times in S seconds is met in one call by
    // chance with 1 - exp(-3 2/S), in all three with the cube of it: 1.45e-3 at 50 s, 5.5e-4 at 70 s, 2.0e-4 at 100 s. It is
    // tied below 1e-3 over all pairs of a name and an address that are tried.
    #[test]
    fn a_tie_is_beyond_chance_over_all_that_was_tried() {
        let calls = |span: i64| [("a", 0), ("a", 20), ("a", span)];
        let met = |span: i64| [(0, 1), (20, 1), (span, 1)];
        assert_eq!(tied_to(&calls(50), &met(50)), []);
        assert_eq!(tied_to(&calls(70), &met(70)), [("a".to_owned(), 1)]);
        // A second address, or a second name, is a second try.
        let beside = |span: i64| [met(span).as_slice(), &[(10, 2)]].concat();
        assert_eq!(tied_to(&calls(70), &beside(70)), []);
        assert_eq!(tied_to(&calls(100), &beside(100)), [("a".to_owned(), 1)]);
        let another = |span: i64| [calls(span).as_slice(), &[("b", 10)]].concat();
        assert_eq!(tied_to(&another(70), &met(70)), []);
        assert_eq!(tied_to(&another(100), &met(100)), [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_name_is_tied_to_the_one_address_that_is_met_most_often() {
        let calls = [("a", 0), ("a", 300), ("a", 700), ("a", 1_000)];
        let all = [(0, 1), (300, 1), (700, 1), (1_000, 1)];
        let with = |others: &[(i64, u8)]| tied_to(&calls, &[all.as_slice(), others].concat());
        let first = [("a".to_owned(), 1)];
        assert_eq!(with(&[]), first);
        assert_eq!(with(&[(0, 2), (300, 2), (700, 2)]), first, "three of four are fewer");
        assert_eq!(with(&[(0, 2), (300, 2), (700, 2), (1_000, 2)]), [], "which of the two is not known");
        assert_eq!(tied_to(&calls, &all[..3]), first, "three times are enough");
        assert_eq!(tied_to(&calls[..3], &all), first, "and three calls");
        assert_eq!(tied_to(&calls, &[all[0], all[3]]), [], "twice are not, however rare");
        assert_eq!(tied_to(&calls[..2], &all), []);
        // Stamps may be cut to whole seconds on either side.
        assert_eq!(tied_to(&calls, &[(-1, 1), (299, 1), (701, 1), (1_001, 1)]), first, "a second before or after");
        assert_eq!(tied_to(&calls, &[(-2, 1), (298, 1), (702, 1), (1_002, 1)]), []);
    }
}
