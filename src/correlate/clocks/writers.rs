//! Clocks against those who wrote their records down or passed them on, and state their offset from UTC: a relay's header,
//! a collector's column. What is written down has happened: the bound is one-sided, and the lag behind it unknown.

use crate::correlate::analysis::{Clock, Grade, WriterBound};
use crate::correlate::drift::Correction;
use crate::correlate::vote::{self, Pair, Peak, Vote};
use crate::correlate::zone;
use crate::intake::WrittenFact;
use crate::time::SECOND;

/// A record is written within this of the last moment that it tells of, in nanoseconds: collectors hand on by minutes,
/// and of a log most records are of short connections. Later ones disagree with the rest and do not count.
const LATE_NS: i64 = 600 * SECOND;
/// More records than this add nothing.
const MOST_RECORDS: usize = 4096;
/// Fewer agreeing records bound nothing.
const FEWEST: usize = 3;
/// Whoever states his offset from UTC is himself within this of UTC, in nanoseconds: three of four machines are (Buchholz
/// and Tjaden, DFRWS 2007).
const OFF_NS: i64 = 10 * SECOND;

/// What most records allow for the clock minus UTC as their writers state it. `None` where too few or less than half
/// agree.
pub(super) fn bound(facts: &[&WrittenFact]) -> Option<WriterBound> {
    let step = facts.len().div_ceil(MOST_RECORDS).max(1);
    let pairs: Vec<Pair> = facts
        .iter()
        .step_by(step)
        .zip(0..)
        .map(|(fact, key)| Pair {
            lo_ns: fact.own.lo.since(fact.written.hi),
            hi_ns: fact.own.hi.since(fact.written.lo).saturating_add(LATE_NS),
            at_ns: fact.written.lo.0,
            weight: 1.0,
            key,
        })
        .collect();
    let vote = vote::vote(&pairs)?;
    let holds = vote.inliers >= FEWEST && vote.inliers * 2 > vote.keys;
    holds.then_some(WriterBound { range_ns: vote.best.core_ns, records: vote.keys, agreeing: vote.inliers })
}

/// Says of a clock what its writers say. One that nothing else ties is laid by them where the least of the lags is none,
/// if the reference states its offset as well; of others it is said if they contradict it.
pub(super) fn apply(clock: &mut Clock, correction: &mut Correction, bound: WriterBound, reference_is_utc: bool) {
    clock.writers = Some(bound);
    let (low, high) = bound.range_ns;
    let seconds = |ns: i64| ns as f64 / SECOND as f64;
    let by =
        format!("by {} of {} records that were passed on with a stated offset from UTC", bound.agreeing, bound.records);
    if clock.reference || !reference_is_utc {
        clock.notes.push(format!("at least {:+.3} s against UTC {by}", seconds(low)));
        return;
    }
    if clock.pairs > 0 || clock.method == "declared" {
        let support = if clock.pairs > 0 { clock.support_ns } else { (0, 0) };
        if support.1.saturating_add(OFF_NS) < low || high.saturating_add(OFF_NS) < support.0 {
            let range = format!("{:+.3} … {:+.3} s", seconds(low), seconds(high));
            clock.notes.push(format!("contradicted: {range} {by}: one of the two clocks was wrong"));
        }
        return;
    }
    let least = Peak { middle_ns: low, core_ns: (low, low), depth: bound.agreeing as f64 };
    let (keys, inliers) = (bound.records, bound.agreeing);
    let vote = Vote { best: least, support_ns: (low, low), keys, inliers, peak_ratio: 0.0, runner_up: None };
    let zone = zone::decide(&vote);
    clock.offset_ns = low;
    clock.support_ns = (low, high);
    clock.zone_error_ns = zone.zone_error_ns;
    clock.grade = Grade::C;
    clock.method = "written by clocks that state their offset".to_owned();
    clock.notes.retain(|note| note != "zone assumed UTC");
    clock.notes.push(zone.note);
    clock.notes.push(format!("a bound: {by}; the least of their lags is taken for none"));
    *correction = Correction::constant(low);
}

#[cfg(test)]
mod tests;
