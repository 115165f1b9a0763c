//! Bounds for steps without times by what their own outputs told of the time.

use super::StepTime;
use crate::correlate::acts::Act;
use crate::correlate::clocks::Clocks;
use crate::time::{Instant, SECOND};

/// Servers and machines may be this far off the time: one server in four is further (Buchholz and Tjaden, DFRWS 2007).
const OFF_NS: i64 = 10 * SECOND;

/// For steps of one episode, by place in it: it ran at `lo` or later, and had begun by `hi`, on the reference.
///
/// Times that contradict what the traffic tells (the bounds that the steps have already) are left out. Of the others
/// the most that stand in order count, so that a forged one bounds nothing as long as two true ones disagree with it.
pub(super) fn in_order(times: &[StepTime], acts: &[Act], clocks: &Clocks) -> Vec<(usize, (Instant, Instant))> {
    let mut told: Vec<(usize, Instant, i64)> = Vec::new();
    for (at, (time, act)) in times.iter().zip(acts).enumerate() {
        let zoned = act.told.iter().filter(|told| told.zoned);
        let mut of_step: Vec<_> = zoned.map(|told| (at, clocks.of_utc(told.at), told.resolution_ns)).collect();
        of_step.retain(|(_, told, resolution)| {
            let (lo, hi) = around(*told, *resolution);
            time.start.is_none_or(|start| start <= hi) && time.end.is_none_or(|end| lo <= end)
        });
        of_step.sort_unstable();
        told.extend(of_step);
    }
    let chain = longest_ascending(&told.iter().map(|(_, told, _)| *told).collect::<Vec<_>>());
    let mut bounds: Vec<(usize, (Instant, Instant))> = Vec::new();
    for (at, told, resolution) in chain.into_iter().filter_map(|place| told.get(place)) {
        let (lo, hi) = around(*told, *resolution);
        match bounds.last_mut() {
            // A step that ran from one time to another had begun by the first and ran until the last.
            Some((step, bound)) if step == at => *bound = (bound.0.max(lo), bound.1.min(hi)),
            _ => bounds.push((*at, (lo, hi))),
        }
    }
    bounds
}

fn around(told: Instant, resolution_ns: i64) -> (Instant, Instant) {
    (told.plus(-OFF_NS), told.plus(resolution_ns.max(1) - 1).plus(OFF_NS))
}

/// Places of a longest sequence that nowhere descends, of several the one that ends lowest. O(n log n).
fn longest_ascending(values: &[Instant]) -> Vec<usize> {
    // The place of the lowest value that a sequence of each length ends with, and what stands before each place.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values.get(*end).is_some_and(|other| other <= value));
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut chain: Vec<usize> =
        std::iter::successors(ends.last().copied(), |place| before.get(*place).copied().flatten()).collect();
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::told::{Teller, Told};

    // By hand: 5 and 9 are out of order with the rest, 1 2 2 3 is the longest.
    #[test]
    fn the_longest_sequence_in_order() {
        let of = |values: &[i64]| longest_ascending(&values.iter().map(|v| Instant(*v)).collect::<Vec<_>>());
        assert_eq!(of(&[5, 1, 2, 9, 2, 3]), [1, 2, 4, 5]);
        assert_eq!(of(&[]), Vec::<usize>::new());
        assert_eq!(of(&[3, 2, 1]), [2]);
    }

    /// A time, what it was cut to in nanoseconds, and whether its zone was told.
    type Printed = (Instant, i64, bool);

    /// The bounds of steps of which each was told these times.
    fn bounds(steps: &[(StepTime, &[Printed])]) -> Vec<(usize, (Instant, Instant))> {
        let told = |(at, resolution_ns, zoned): &Printed| Told {
            teller: Teller::Machine,
            at: *at,
            resolution_ns: *resolution_ns,
            zoned: *zoned,
            by: "date",
        };
        let act = |told_by: &[Printed]| {
            let mut act = Act::default();
            act.told = told_by.iter().map(told).collect();
            act
        };
        let (times, acts): (Vec<StepTime>, Vec<Act>) = steps.iter().map(|(time, told)| (*time, act(told))).unzip();
        in_order(&times, &acts, &Clocks::default())
    }

    const UNKNOWN: StepTime = StepTime { start: None, end: None, stamped: false, slack_ns: 0 };

    // Ten seconds either way, and what it was cut to.
    #[test]
    fn a_step_had_begun_and_still_ran_when_it_was_told_the_time() {
        let at = |second: i64| Instant(second * SECOND);
        let one = |time, told: Printed| bounds(&[(time, &[told])]);
        assert_eq!(one(UNKNOWN, (at(100), SECOND, true)), [(0, (at(90), at(111).plus(-1)))]);
        assert_eq!(one(UNKNOWN, (at(100), 1, true)), [(0, (at(90), at(110)))]);
        assert_eq!(one(UNKNOWN, (at(100), 0, true)), one(UNKNOWN, (at(100), 1, true)));
        assert_eq!(one(UNKNOWN, (at(100), 1, false)), [], "in a zone that nobody knows");
        // Several in one step: it had begun by the first, and ran until the last.
        let several = [(at(100), 1, true), (at(130), 1, true)];
        assert_eq!(bounds(&[(UNKNOWN, &[]), (UNKNOWN, &several)]), [(1, (at(120), at(110)))]);
        // What contradicts the bounds that there are is left out.
        let from = StepTime { start: Some(at(110)), ..UNKNOWN };
        assert_eq!(one(from, (at(100), 1, true)).len(), 1);
        assert_eq!(one(from, (at(100).plus(-1), 1, true)), []);
        let until = StepTime { end: Some(at(90)), ..UNKNOWN };
        assert_eq!(one(until, (at(100), 1, true)).len(), 1);
        assert_eq!(one(until, (at(100).plus(1), 1, true)), []);
    }

    #[test]
    fn a_time_that_two_others_contradict_bounds_nothing() {
        let at = |second: i64| Instant(second * SECOND);
        let told = [100, 900, 200, 300].map(|second| [(at(second), 1, true)]);
        let steps: Vec<_> = told.iter().map(|told| (UNKNOWN, &told[..])).collect();
        let around = |second: i64| (at(second - 10), at(second + 10));
        assert_eq!(bounds(&steps), [(0, around(100)), (2, around(200)), (3, around(300))]);
    }
}
