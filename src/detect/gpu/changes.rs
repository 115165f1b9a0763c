//! When what a GPU does changed: steps of its load, power, clocks and memory between two levels that hold.
//!
//! A step dates something and names nothing: jobs begin and end, evaluate and save. What is told of one that keeps the
//! GPU fully busy while it draws less, or moves less memory, or runs slower, is that other work may have taken the place
//! of the work before; a limit, heat and another phase of the same work look the same.

use std::collections::{BTreeMap, BTreeSet};

use super::series::{Cadence, GAP_FACTOR, is_mixed, moments};
use super::{STEP_MIB, label, signal};
use crate::evidence::Record;
use crate::intake::{GpuPoint, GpuSeries};
use crate::model::{Confidence, Signal};
use crate::time::{Basis, Instant, SECOND, Span};

/// A level holds for at least so long on both sides of a step ...
const LEVEL_NS: i64 = 60 * SECOND;
/// ... over at least so many readings ...
const LEVEL_READINGS: usize = 10;
/// ... and is judged by at most so many next to the step.
const NEAR: usize = 120;
/// Readings that are looked at together, or twenty levels' length where that is more: a long trace is no reason to look
/// at all of it for each of its steps.
const PIECE: usize = 4096;
/// A step is at least so many times the spread of the readings around their level.
const SPREADS: f32 = 4.0;
/// Steps told of one GPU: the largest.
const TOLD: usize = 4;
/// What counters tell is up to a second old (nvidia-smi: utilisation over 1/6 to 1 s, power over 1 s), in nanoseconds.
const LATENCY_NS: i64 = SECOND;
/// At full load: at least this, in percent ...
const FULL: f32 = 90.0;
/// ... in so many of ten readings.
const FULL_OF_TEN: usize = 9;

/// What a reading measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    Utilization,
    MemoryUtilization,
    Power,
    SmClock,
    Memory,
}

impl Measure {
    const ALL: [Measure; 5] =
        [Measure::Utilization, Measure::MemoryUtilization, Measure::Power, Measure::SmClock, Measure::Memory];

    fn of(self, point: &GpuPoint) -> Option<f32> {
        match self {
            Measure::Utilization => point.utilization_percent,
            Measure::MemoryUtilization => point.memory_utilization_percent,
            Measure::Power => point.power_w,
            Measure::SmClock => point.sm_clock_mhz,
            Measure::Memory => point.memory_used_mib,
        }
    }

    /// The least difference of two levels that is a step: absolutely, and as a share of the higher.
    fn least(self) -> (f32, f32) {
        match self {
            Measure::Utilization | Measure::MemoryUtilization => (20.0, 0.0),
            Measure::Power => (15.0, 0.15),
            Measure::SmClock => (50.0, 0.1),
            Measure::Memory => (STEP_MIB, 0.0),
        }
    }

    fn told(self, from: f32, to: f32) -> String {
        match self {
            Measure::Utilization => format!("utilisation from {from:.0} to {to:.0} %"),
            Measure::MemoryUtilization => format!("use of memory bandwidth from {from:.0} to {to:.0} %"),
            Measure::Power => format!("power from {from:.0} to {to:.0} W"),
            Measure::SmClock => format!("SM clock from {from:.0} to {to:.0} MHz"),
            Measure::Memory => format!("memory in use from {from:.0} to {to:.0} MiB"),
        }
    }
}

/// One measure at one moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    record: u64,
    value: f32,
}

/// A step from one level to another, somewhere between the last reading of the one and the first of the other.
#[derive(Clone, Debug)]
struct Step {
    measure: Measure,
    from: f32,
    to: f32,
    lo: Instant,
    hi: Instant,
    records: [u64; 2],
    /// The difference as a share of the higher level.
    share: f32,
}

/// Steps of each GPU, weak. Those at full load are kinds of their own.
pub fn changes(series: &[GpuSeries]) -> Vec<Signal> {
    series.iter().filter(|one| !is_mixed(one)).flat_map(|one| changes_of(one, series)).collect()
}

fn changes_of(one: &GpuSeries, all: &[GpuSeries]) -> Vec<Signal> {
    let Some(cadence) = Cadence::of(moments(one)) else { return Vec::new() };
    let mut steps: Vec<Step> = Measure::ALL.into_iter().flat_map(|measure| steps_of(one, measure, cadence)).collect();
    steps.sort_by_key(|step| (step.lo, step.hi, step.measure));
    // Steps whose times overlap are sights of one thing.
    let mut groups: Vec<(Instant, Vec<Step>)> = Vec::new();
    for step in steps {
        match groups.last_mut() {
            Some((until, group)) if step.lo <= *until => {
                *until = (*until).max(step.hi);
                group.push(step);
            }
            _ => groups.push((step.hi, vec![step])),
        }
    }
    // Memory that grows and stays has a signal of its own.
    groups.retain(|(_, group)| group.iter().any(|step| step.measure != Measure::Memory || step.to < step.from));
    let size = |group: &[Step]| group.iter().map(|step| step.share).fold(0.0, f32::max);
    groups.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    let left_out = groups.len().saturating_sub(TOLD);
    groups.truncate(TOLD);
    groups.sort_by_key(|(until, _)| *until);
    groups.iter().map(|(_, group)| told(group, one, all, cadence, left_out)).collect()
}

/// One signal for what changed together.
fn told(group: &[Step], one: &GpuSeries, all: &[GpuSeries], cadence: Cadence, left_out: usize) -> Signal {
    let mut by_measure: BTreeMap<Measure, &Step> = BTreeMap::new();
    for step in group {
        by_measure.entry(step.measure).or_insert(step);
    }
    let lo = group.iter().map(|step| step.lo).min().unwrap_or_default();
    let hi = group.iter().map(|step| step.hi).max().unwrap_or_default();
    let fell = |measure: &Measure| by_measure.get(measure).is_some_and(|step| step.to < step.from);
    let slower = [Measure::MemoryUtilization, Measure::Power, Measure::SmClock].iter().any(fell);
    let at_full_load = slower && is_full(one, lo, hi);
    let what: Vec<String> = by_measure.values().map(|step| step.measure.told(step.from, step.to)).collect();
    let within = hi.since(lo) as f64 / SECOND as f64;
    let more = if left_out == 0 { String::new() } else { format!(" ({left_out} smaller changes are not listed)") };
    let (kind, context) = if at_full_load {
        ("gpu-full-load-fall", ", fully busy before and after; other work, a limit, heat or another phase look alike")
    } else {
        ("gpu-level-change", "")
    };
    let record = |number: &u64| Record { evidence: one.evidence, number: *number };
    let records: BTreeSet<Record> = by_measure.values().flat_map(|step| step.records.iter().map(record)).collect();
    signal(
        kind,
        Confidence::Weak,
        format!(
            "{}: {} within {within:.1} s{context}, {}{more}",
            label(&one.gpu, all),
            what.join(", "),
            cadence.told()
        ),
        Some(Span { lo, hi, basis: Basis::AssumedZone }),
        records.into_iter().collect(),
    )
}

/// Whether nearly all readings for a level's length on both sides of a time show full load.
fn is_full(one: &GpuSeries, lo: Instant, hi: Instant) -> bool {
    let full = |from: Instant, to: Instant| {
        let loads = one.during(from, to).filter_map(|point| point.utilization_percent);
        let (busy, all) = loads.fold((0, 0), |(busy, all), load| (busy + usize::from(load >= FULL), all + 1));
        all >= LEVEL_READINGS && busy * 10 >= all * FULL_OF_TEN
    };
    full(lo.plus(-LEVEL_NS), lo) && full(hi, hi.plus(LEVEL_NS))
}

fn steps_of(one: &GpuSeries, measure: Measure, cadence: Cadence) -> Vec<Step> {
    let reading = |point: &GpuPoint| Some(Reading { at: point.at, record: point.record, value: measure.of(point)? });
    let all: Vec<Reading> = one.points.iter().filter_map(|point| reading(&point)).collect();
    let mut steps = Vec::new();
    // What was not read is not known: a gap ends a level.
    let gap = |pair: &[Reading]| {
        pair.first()
            .zip(pair.last())
            .is_some_and(|(a, b)| b.at.since(a.at) > cadence.usual_ns.saturating_mul(GAP_FACTOR))
    };
    let mut ends: Vec<usize> = all.windows(2).zip(1..).filter(|(pair, _)| gap(pair)).map(|(_, at)| at).collect();
    ends.push(all.len());
    let piece = PIECE.max(usize::try_from(LEVEL_NS * 20 / cadence.usual_ns.max(1)).unwrap_or(PIECE));
    let mut begin = 0;
    for end in ends {
        let unbroken = all.get(begin..end).unwrap_or_default();
        begin = end;
        // Pieces overlap by half, so that no step lies at the end of all that hold it; what two of them see is one.
        let mut from = 0;
        loop {
            let to = unbroken.len().min(from + piece);
            split_up(unbroken.get(from..to).unwrap_or_default(), measure, &mut steps);
            if to == unbroken.len() {
                break;
            }
            from += piece / 2;
        }
    }
    steps
}

/// Splits a part where its mean changes most, and what is left on both sides again.
fn split_up(part: &[Reading], measure: Measure, steps: &mut Vec<Step>) {
    let mut open = vec![part];
    while let Some(part) = open.pop() {
        let Some(at) = split(part) else { continue };
        let (left, right) = part.split_at(at);
        steps.extend(step(left, right, measure));
        // Parts below a level's length twice cannot hold a step of their own.
        open.extend([left, right].into_iter().filter(|part| lasted(part) >= LEVEL_NS.saturating_mul(2)));
    }
}

fn lasted(part: &[Reading]) -> i64 {
    part.first().zip(part.last()).map_or(0, |(first, last)| last.at.since(first.at))
}

/// Where two parts of different mean meet best: the greatest of the cumulative sums, each weighed by the lengths of both
/// sides (CUSUM; Page 1954, doi 10.1093/biomet/41.1-2.100). Both sides keep a level's length.
fn split(part: &[Reading]) -> Option<usize> {
    let (first, last) = (part.first()?.at, part.last()?.at);
    let count = part.len() as f64;
    let mean = part.iter().map(|reading| f64::from(reading.value)).sum::<f64>() / count;
    let (mut sum, mut best) = (0.0, None);
    for (at, reading) in part.iter().enumerate() {
        let fits = at >= LEVEL_READINGS
            && part.len() - at >= LEVEL_READINGS
            && reading.at.since(first) >= LEVEL_NS
            && last.since(reading.at) >= LEVEL_NS;
        let weight = f64::abs(sum) / (at as f64 * (count - at as f64)).sqrt();
        if fits && best.is_none_or(|(_, most)| weight > most) {
            best = Some((at, weight));
        }
        sum += f64::from(reading.value) - mean;
    }
    best.map(|(at, _)| at)
}

/// The step between two parts, if their levels next to it hold and lie apart.
fn step(left: &[Reading], right: &[Reading], measure: Measure) -> Option<Step> {
    let before = left.get(left.len().saturating_sub(NEAR)..)?;
    let after = right.get(..right.len().min(NEAR))?;
    let (from, spread_before) = level(before)?;
    let (to, spread_after) = level(after)?;
    let (size, spread) = ((to - from).abs(), spread_before.max(spread_after));
    let (absolute, share) = measure.least();
    if size < absolute || size < share * from.max(to) || size < SPREADS * spread {
        return None;
    }
    // Outwards to the last reading that is still of the one level, and the first that is of the other: a slope is part
    // of the step, and where the sums meet best is not always where it begins.
    let near = (size / 4.0).min((2.0 * spread).max(size / 10.0));
    let whole: Vec<&Reading> = before.iter().chain(after).collect();
    let old = before.iter().rposition(|reading| (reading.value - from).abs() <= near)?;
    let new = before.len() + after.iter().position(|reading| (reading.value - to).abs() <= near)?;
    // Readings of the new level just before the split, and of the old one just behind it.
    let old = old + whole.get(old + 1..new)?.iter().take_while(|r| (r.value - from).abs() <= near).count();
    let behind = whole.get(old + 1..new)?.iter().rev().take_while(|r| (r.value - to).abs() <= near).count();
    let (old, new) = (whole.get(old)?, whole.get(new - behind)?);
    let late_ns = if measure == Measure::Memory { 0 } else { LATENCY_NS };
    Some(Step {
        measure,
        from,
        to,
        lo: old.at.plus(-late_ns),
        hi: new.at,
        records: [old.record, new.record],
        share: size / from.max(to).max(1.0),
    })
}

/// The median and the spread around it: 1.4826 median absolute deviations, which for a normal distribution is its standard
/// deviation (Rousseeuw and Croux 1993, doi 10.1080/01621459.1993.10476408).
fn level(part: &[Reading]) -> Option<(f32, f32)> {
    let middle = |mut values: Vec<f32>| {
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let level = middle(part.iter().map(|reading| reading.value).collect())?;
    let spread = middle(part.iter().map(|reading| (reading.value - level).abs()).collect())?;
    Some((level, 1.4826 * spread))
}

#[cfg(test)]
mod tests;
