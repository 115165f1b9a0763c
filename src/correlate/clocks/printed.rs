//! What a transcript's own outputs say about its clock: servers and machines told the time between a call and its
//! result.

use std::collections::{BTreeMap, BTreeSet};

use super::pairs::OPEN_CALL_NS;
use crate::correlate::acts::Act;
use crate::correlate::analysis::{Clock, Grade, UtcPin};
use crate::correlate::vote::{self, Pair};
use crate::correlate::zone::QUARTER_HOUR_NS;
use crate::detect::told;
use crate::evidence::EvidenceId;
use crate::intake::Intake;
use crate::time::{Basis, SECOND};

/// A reference that nothing pins to UTC may be this far off it, as one server in four is (Buchholz and Tjaden, DFRWS
/// 2007), in nanoseconds. Also what may be left beside a whole quarter hour.
const UNPINNED_NS: i64 = 10 * SECOND;

/// Of one teller, more answers than this add nothing.
const MOST_OF_A_TELLER: usize = 4096;
/// A machine that an agent had in its hands weighs half of a server.
const MACHINE_WEIGHT: f64 = 0.5;

/// Who told a time, by name: a server, or the machine that tools ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Teller<'a> {
    Server(&'a str),
    Machine(&'a str),
}

/// The offsets, clock minus what was told, that one telling allows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer<'a> {
    teller: Teller<'a>,
    lo_ns: i64,
    hi_ns: i64,
    /// When, on the clock.
    at_ns: i64,
}

impl Answer<'_> {
    fn pair(&self, key: u64) -> Pair {
        Pair { lo_ns: self.lo_ns, hi_ns: self.hi_ns, at_ns: self.at_ns, weight: 1.0, key }
    }
}

/// What was told on one clock.
#[derive(Default)]
pub(super) struct Printed<'a> {
    utc: Vec<Answer<'a>>,
    /// Local times of machines whose zone is not known, taken for UTC.
    local: Vec<Answer<'a>>,
    /// Of `utc` and `local`: by what, and how often.
    kinds: [BTreeMap<&'static str, usize>; 2],
}

/// Everything told in the steps of each clock. `acts[i]` belongs to `intake.steps[i]`.
pub(super) fn by_clock<'a>(
    intake: &'a Intake,
    acts: &'a [Act],
    row: impl Fn(EvidenceId) -> usize,
) -> BTreeMap<usize, Printed<'a>> {
    let hosts: BTreeMap<&str, &str> =
        intake.episodes.iter().filter_map(|episode| Some((episode.id.as_str(), episode.host.as_deref()?))).collect();
    let mut printed: BTreeMap<usize, Printed> = BTreeMap::new();
    for (step, act) in intake.steps.iter().zip(acts).filter(|(_, act)| !act.told.is_empty()) {
        let Some(start) = step.start.filter(|start| start.span.basis.is_dated()) else { continue };
        // What a launcher left running cannot print into this output: the result bounds it, launcher or not.
        let end = step.end.map_or_else(|| start.span.hi.plus(OPEN_CALL_NS), |end| end.span.hi);
        let of_clock = printed.entry(row(step.record.evidence)).or_default();
        for told in &act.told {
            let teller = match &told.teller {
                told::Teller::Server(name) => Teller::Server(name),
                // Machines that nothing names may be one: together they have one vote.
                told::Teller::Machine => Teller::Machine(hosts.get(&*step.episode).copied().unwrap_or_default()),
            };
            // The clock showed some moment of [start, end] when it was some moment of [told, told + resolution).
            let answer = Answer {
                teller,
                lo_ns: start.span.lo.since(told.at).saturating_sub(told.resolution_ns.max(1) - 1),
                hi_ns: end.since(told.at),
                at_ns: start.span.lo.0,
            };
            let list = if told.zoned { &mut of_clock.utc } else { &mut of_clock.local };
            list.push(answer);
            if let Some(kinds) = of_clock.kinds.get_mut(usize::from(!told.zoned)) {
                *kinds.entry(told.by).or_insert(0) += 1;
            }
        }
    }
    printed
}

/// Clocks that are further off UTC, by what was told on them, than one that states UTC may be.
pub(super) fn off_utc(intake: &Intake, acts: &[Act], row: impl Fn(EvidenceId) -> usize) -> BTreeSet<usize> {
    let is_off = |told: &Printed| told.pin().filter(UtcPin::holds).is_some_and(|pin| is_off(&pin));
    by_clock(intake, acts, row).into_iter().filter(|(_, told)| is_off(told)).map(|(row, _)| row).collect()
}

fn is_off(pin: &UtcPin) -> bool {
    pin.support_ns.0 > UNPINNED_NS || pin.support_ns.1 < -UNPINNED_NS
}

impl Printed<'_> {
    /// What servers and machines say about the clock: clock minus UTC. Each has one vote, whatever it answers and how
    /// often. `None` without answers.
    pub(super) fn pin(&self) -> Option<UtcPin> {
        let mut by_teller: BTreeMap<Teller, Vec<&Answer>> = BTreeMap::new();
        for answer in &self.utc {
            by_teller.entry(answer.teller).or_default().push(answer);
        }
        let is_machine = |teller: &Teller| matches!(teller, Teller::Machine(_));
        let votes: Vec<(bool, Pair)> = by_teller
            .iter()
            .zip(0..)
            .filter_map(|((teller, answers), key)| {
                let weight = if is_machine(teller) { MACHINE_WEIGHT } else { 1.0 };
                Some((is_machine(teller), Pair { weight, ..of_teller(answers, key)? }))
            })
            .collect();
        let best = vote::vote(&votes.iter().map(|(_, pair)| *pair).collect::<Vec<_>>())?.best;
        let agreeing = |machines: bool| {
            let agrees = |pair: &Pair| (pair.lo_ns..=pair.hi_ns).contains(&best.middle_ns);
            votes.iter().filter(|(machine, pair)| *machine == machines && agrees(pair)).count()
        };
        let machines = by_teller.keys().filter(|teller| is_machine(teller)).count();
        Some(UtcPin {
            offset_ns: best.middle_ns,
            support_ns: best.core_ns,
            servers: by_teller.len() - machines,
            agreeing: agreeing(false),
            answers: self.utc.len(),
            pools: 0,
            pools_agreeing: 0,
            machines,
            machines_agreeing: agreeing(true),
        })
    }

    /// The same for a person: what told the time, and who agrees.
    pub(super) fn words(&self, pin: &UtcPin) -> String {
        let kinds = self.kinds.first().map(listed).unwrap_or_default();
        let of = [(pin.servers, pin.agreeing, "server"), (pin.machines, pin.machines_agreeing, "machine")];
        let of: Vec<String> = of
            .into_iter()
            .filter(|(all, ..)| *all > 0)
            .map(|(all, agree, what)| format!("{all} {what}{} ({agree} agree)", if all == 1 { "" } else { "s" }))
            .collect();
        let seconds = |ns: i64| ns as f64 / SECOND as f64;
        let (offset, low, high) = (seconds(pin.offset_ns), seconds(pin.support_ns.0), seconds(pin.support_ns.1));
        format!(
            "{offset:+.1} s ({low:.1} … {high:.1}) against UTC by {} times that tools printed ({kinds}) of {}",
            pin.answers,
            of.join(" and ")
        )
    }

    /// Notes the zone that the machines' tools print local times in, if most of them are whole quarter hours from UTC
    /// by this clock. It is no clock's own zone: a container and its host may differ.
    pub(super) fn note_zone(&self, clock: &mut Clock) {
        let pairs: Vec<Pair> = self.local.iter().zip(0..).map(|(answer, key)| answer.pair(key)).collect();
        let Some(vote) = vote::vote(&pairs).filter(|vote| !vote.is_ambiguous()) else { return };
        // Where neither the clock's zone nor UTC is known there is nothing to count from.
        let ahead = match clock.utc.filter(UtcPin::has_majority) {
            Some(pin) => pin.offset_ns,
            None if clock.basis <= Basis::DeclaredZone => 0,
            None => return,
        };
        let local = ahead.saturating_sub(vote.best.middle_ns);
        let Some(zone) = on_grid(local, vote.support_width_ns()) else { return };
        let kinds = self.kinds.get(1).map(listed).unwrap_or_default();
        clock.notes.push(format!("its tools print local times of UTC{} ({kinds})", hours(zone)));
    }
}

/// The offsets that most answers of one teller allow.
fn of_teller(answers: &[&Answer], key: u64) -> Option<Pair> {
    let step = answers.len().div_ceil(MOST_OF_A_TELLER).max(1);
    let pairs: Vec<Pair> = answers.iter().step_by(step).zip(0..).map(|(answer, key)| answer.pair(key)).collect();
    let (lo_ns, hi_ns) = vote::vote(&pairs)?.best.core_ns;
    Some(Pair { lo_ns, hi_ns, at_ns: answers.first().map_or(0, |answer| answer.at_ns), weight: 1.0, key })
}

fn listed(kinds: &BTreeMap<&'static str, usize>) -> String {
    kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

/// The whole number of quarter hours that this is, give or take 10 s or half of the width, if zones can differ by it.
fn on_grid(ns: i64, width_ns: i64) -> Option<i64> {
    let quarters = ns.saturating_add(QUARTER_HOUR_NS / 2).div_euclid(QUARTER_HOUR_NS);
    let zone = quarters.saturating_mul(QUARTER_HOUR_NS);
    let rest = ns.saturating_sub(zone).saturating_abs();
    let near = rest <= UNPINNED_NS.max(width_ns / 2) && width_ns < QUARTER_HOUR_NS;
    (near && zone.saturating_abs() <= 26 * 3600 * SECOND).then_some(zone)
}

/// `+08:00`.
fn hours(ns: i64) -> String {
    let minutes = (ns / (60 * SECOND)).unsigned_abs();
    format!("{}{:02}:{:02}", if ns < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

/// Reads the zone of a clock without one out of its offset.
pub(super) fn read_zone(clock: &mut Clock) -> bool {
    let width = clock.support_ns.1.saturating_sub(clock.support_ns.0);
    let Some(zone) = on_grid(clock.offset_ns, width) else { return false };
    clock.zone_error_ns = zone;
    clock.notes.retain(|note| note != "zone assumed UTC");
    clock.notes.insert(0, format!("zone UTC{} by the times that its tools printed", hours(zone)));
    true
}

/// A reference without a zone is taken for UTC whatever its tools print: says what would put that right.
pub(super) fn note_reference(clock: &mut Clock) {
    let Some(pin) = clock.utc.filter(|pin| clock.basis == Basis::AssumedZone && pin.has_majority()) else { return };
    let zone = on_grid(pin.offset_ns, pin.support_ns.1.saturating_sub(pin.support_ns.0));
    if let Some(zone) = zone.filter(|zone| *zone != 0) {
        clock.notes.push(format!("its tools tell that its zone is UTC{}: declare it with --tz", hours(zone)));
    }
}

/// Ties a transcript's clock to a reference that states UTC while nothing pins it: by what its tools printed alone.
pub(super) fn tie(clock: &mut Clock, pin: &UtcPin) {
    let holds = pin.holds();
    let support = (pin.support_ns.0.saturating_sub(UNPINNED_NS), pin.support_ns.1.saturating_add(UNPINNED_NS));
    if clock.basis == Basis::AssumedZone && pin.has_majority() {
        // A zone is coarse: whoever tells the time tells it, and a forger would have to mean it.
        let before = (clock.offset_ns, clock.support_ns);
        (clock.offset_ns, clock.support_ns) = (pin.offset_ns, pin.support_ns);
        if read_zone(clock) {
            if !holds {
                // The clock itself is another matter, for which so few do not speak.
                clock.offset_ns = clock.zone_error_ns;
            }
            clock.support_ns = support;
            clock.grade = Grade::C;
            clock.method = "times that tools printed".to_owned();
            return;
        }
        (clock.offset_ns, clock.support_ns) = before;
    }
    if holds && is_off(pin) {
        (clock.offset_ns, clock.support_ns) = (pin.offset_ns, support);
        clock.grade = Grade::C;
        clock.method = "times that tools printed".to_owned();
    }
}

#[cfg(test)]
mod tests;
