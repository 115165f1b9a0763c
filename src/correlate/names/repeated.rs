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
}
