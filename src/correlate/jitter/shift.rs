use super::{Ranges, Stratum};
use crate::stats::phipson_smyth;
use crate::stats::random::Random;
use crate::stats::stratified::convolve;

/// Arcs (onsets times windows, over all strata) up to which every shift is looked at.
const MOST_ARCS: u128 = 5_000_000;
/// Cells of the convolution over strata beyond which shifts are drawn.
const MOST_WORK: u128 = 1_000_000_000;

/// The outcome of the circular shift test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShiftTest {
    pub in_window: usize,
    /// Share of all shifts with at least as many onsets in windows.
    pub p: f64,
    /// The smallest P that any outcome could have: the share of shifts with the most onsets in windows. `None` if
    /// shifts were drawn: then it is `1 / (draws + 1)`.
    pub floor: Option<f64>,
    /// Whether all shifts were looked at, to the nanosecond.
    pub exact: bool,
}

/// All onsets of a stratum moved together around its observed time (gaps taken out, ends joined), every stratum by a
/// shift of its own. Keeps the bursts of the onsets and the rhythm of the calls; assumes that one of both is
/// stationary over the stratum.
///
/// Exact by sweep over the n m arcs on which the count changes; beyond five million of them `draws` shifts from the
/// seeded generator, with P by Phipson & Smyth. `None` if no onset lies in observed time, or if draws are needed and
/// `draws` is 0.
pub fn circular_shift(strata: &[Stratum<'_>], draws: u64, seed: u64) -> Option<ShiftTest> {
    let circles: Vec<Circle> = strata.iter().map(Circle::of).filter(|c| !c.onsets.is_empty()).collect();
    if circles.is_empty() {
        return None;
    }
    let seen: usize = circles.iter().map(|c| c.count(0)).sum();
    let arcs: u128 = circles.iter().map(|c| c.onsets.len() as u128 * c.windows.len() as u128).sum();
    let onsets: u128 = circles.iter().map(|c| c.onsets.len() as u128).sum();
    if arcs <= MOST_ARCS && onsets * onsets <= MOST_WORK {
        let mut counts = vec![1.0];
        let mut floor = 1.0;
        for circle in &circles {
            let shares = circle.shares();
            floor *= shares.last().copied().unwrap_or(1.0);
            counts = convolve(&counts, &shares);
        }
        let p: f64 = counts.iter().skip(seen).rev().sum();
        return Some(ShiftTest { in_window: seen, p: p.min(1.0), floor: Some(floor), exact: true });
    }
    if draws == 0 {
        return None;
    }
    let mut random = Random::new(seed);
    let mut as_extreme = 0;
    for _ in 0..draws {
        let count: usize = circles.iter().map(|c| c.count(random.below(c.around))).sum();
        as_extreme += u64::from(count >= seen);
    }
    Some(ShiftTest { in_window: seen, p: phipson_smyth(as_extreme, draws), floor: None, exact: false })
}

/// A stratum laid on a circle of its observed nanoseconds.
struct Circle {
    around: u64,
    /// Half-open arcs, sorted and disjoint, none across the seam.
    windows: Vec<(u64, u64)>,
    onsets: Vec<u64>,
}

impl Circle {
    fn of(stratum: &Stratum<'_>) -> Circle {
        let observed = Ranges::union(stratum.observed.iter().copied());
        let windows = observed.intersect(&Ranges::union(stratum.windows.iter().copied()));
        // All of i64 has one nanosecond more than fits: a circle so wide cannot tell.
        let along = |at: i128| u64::try_from(observed.measure_before(at)).unwrap_or(u64::MAX);
        let mut arcs: Vec<(u64, u64)> =
            windows.ranges.iter().map(|(lo, hi)| (along(i128::from(*lo)), along(i128::from(*hi) + 1))).collect();
        arcs.dedup_by(|next, kept| {
            let joined = next.0 == kept.1;
            if joined {
                kept.1 = next.1;
            }
            joined
        });
        let inside = stratum.onsets.iter().filter(|at| observed.contains(**at));
        let onsets = inside.map(|at| along(i128::from(*at))).collect();
        Circle { around: u64::try_from(observed.measure()).unwrap_or(u64::MAX), windows: arcs, onsets }
    }

    /// Onsets in windows after a shift.
    fn count(&self, shift: u64) -> usize {
        let inside = |onset: &&u64| {
            let at = (u128::from(**onset) + u128::from(shift)) % u128::from(self.around);
            let index = self.windows.partition_point(|w| u128::from(w.0) <= at);
            index.checked_sub(1).and_then(|i| self.windows.get(i)).is_some_and(|w| at < u128::from(w.1))
        };
        self.onsets.iter().filter(inside).count()
    }

    /// Share of shifts by number of onsets in windows, up to the highest number that occurs.
    fn shares(&self) -> Vec<f64> {
        let around = u128::from(self.around);
        let mut changes: Vec<(u128, i64)> = Vec::with_capacity(2 * self.onsets.len() * self.windows.len());
        let mut count = 0_i64;
        for onset in &self.onsets {
            for (lo, hi) in &self.windows {
                // Shifts from `first` on, up to but without `end`, put the onset into this window.
                let first = (u128::from(*lo) + around - u128::from(*onset)) % around;
                let end = first + u128::from(hi - lo);
                changes.push((first, 1));
                if end < around {
                    changes.push((end, -1));
                } else {
                    // Across the seam: in the window from shift 0 on.
                    count += 1;
                    changes.push((end - around, -1));
                }
            }
        }
        changes.sort_unstable();
        let mut times = vec![0_u128; self.onsets.len() + 1];
        let mut since = 0_u128;
        let mut add = |count: i64, time: u128| {
            if let Some(slot) = usize::try_from(count).ok().and_then(|c| times.get_mut(c)) {
                *slot += time;
            }
        };
        for (at, change) in changes {
            add(count, at - since);
            (count, since) = (count + change, at);
        }
        add(count, around - since);
        while times.len() > 1 && times.last() == Some(&0) {
            times.pop();
        }
        times.iter().map(|time| *time as f64 / around as f64).collect()
    }
}
