//! The offset between two clocks by keyed interval voting (Marzullo 1984, NTP's intersection in RFC 5905 section
//! 11.2.1), with weights by the rarity of the key.
//!
//! A pair says: if these two records are of one event, then source minus reference lies in `[lo, hi]`. False pairs
//! scatter, true ones agree; no pair has to be trusted. Everything is integer arithmetic, so that the order of the
//! input never shows.

use std::num::NonZeroU64;

use super::Grade;
use crate::time::SECOND;

/// One vote about the offset source minus reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The offsets, in nanoseconds, at which both records could be of the same event. Widened by the resolution of
    /// both clocks; `[0, resolution]` shifted by the difference of the stamps for pairs that are known to be one event.
    pub lo_ns: i64,
    pub hi_ns: i64,
    /// When it happened, on the reference clock, in nanoseconds: of use where a clock drifts or is set.
    pub at_ns: i64,
    /// Rarity of the token that joins the two, > 0; see [`rarity`].
    pub weight: f64,
    /// Pairs with the same key are alternatives of which at most one is true (one step against many flows): a key
    /// counts once at any offset.
    pub key: u64,
}

/// Weight of a token that occurs `n_v` times among `n` commands or flows: `ln((n + 1) / (n_v + 1))`, but at least a
/// hundredth, so that a pair always counts.
pub fn rarity(n_v: u64, n: u64) -> f64 {
    ((n as f64 + 1.0) / (n_v as f64 + 1.0)).ln().max(0.01)
}

/// A set of offsets and how well it is supported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Middle of the core, in nanoseconds.
    pub middle_ns: i64,
    /// The offsets of highest support, both ends included.
    pub core_ns: (i64, i64),
    /// Sum of the weights of the keys that agree on the core.
    pub depth: f64,
}

/// The outcome of a vote.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    pub best: Peak,
    /// The connected set around the core with at least 0.8 of its depth: report this as the uncertainty.
    pub support_ns: (i64, i64),
    /// Distinct keys offered, and those that agree with the middle of the core.
    pub keys: usize,
    pub inliers: usize,
    /// Depth of the runner-up relative to the best; 0 without one.
    pub peak_ratio: f64,
    /// The best offsets more than 20 s away from the middle. May be the flank of the same hill where calls are long.
    pub runner_up: Option<Peak>,
}

/// How far away from the best offset a rival begins.
pub const RIVAL_AWAY_NS: i64 = 20 * SECOND;

/// Above this ratio of runner-up to best the offset is ambiguous.
pub const AMBIGUOUS_RATIO: f64 = 0.7;

/// Above this ratio an offset that less than half of the keys agree with is not to be relied on.
pub const CONTESTED_RATIO: f64 = 0.3;

impl Vote {
    /// Width of the support in nanoseconds, saturating.
    pub fn support_width_ns(&self) -> i64 {
        self.support_ns.1.saturating_sub(self.support_ns.0)
    }

    /// Whether another offset is nearly as well supported.
    pub fn is_ambiguous(&self) -> bool {
        self.peak_ratio > AMBIGUOUS_RATIO
    }

    /// Whether most keys disagree with the best offset while another one is not far behind: what calls look like whose
    /// traffic starts after they ended (launchers, background jobs), where the best offset is off by minutes.
    pub fn is_contested(&self) -> bool {
        self.inliers.saturating_mul(2) < self.keys && self.peak_ratio > CONTESTED_RATIO
    }

    /// How well the clock is known from this vote alone: A from 20 agreeing keys, support of at most 3 s and a ratio
    /// of at most 0.6; B from 5 keys, 10 s and 0.7; else, or if contested, C. D is for clocks nobody voted on.
    pub fn grade(&self) -> Grade {
        let width = self.support_width_ns();
        if self.is_contested() {
            Grade::C
        } else if self.inliers >= 20 && width <= 3 * SECOND && self.peak_ratio <= 0.6 {
            Grade::A
        } else if self.inliers >= 5 && width <= 10 * SECOND && !self.is_ambiguous() {
            Grade::B
        } else {
            Grade::C
        }
    }
}

/// An interval of one key after its overlapping alternatives were merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ballot {
    pub(super) key: u64,
    pub(super) lo: i64,
    pub(super) hi: i64,
    pub(super) at: i64,
    pub(super) weight: NonZeroU64,
}

impl Ballot {
    pub(super) fn holds(&self, offset_ns: i64) -> bool {
        self.lo <= offset_ns && offset_ns <= self.hi
    }
}

/// Weights are summed as integers of this fraction, exactly and in any order.
const UNITS: f64 = 1_048_576.0;
const HEAVIEST: f64 = 1_048_576.0;

/// A stretch of offsets with the same depth, both ends included.
#[derive(Clone, Copy)]
struct Stretch {
    lo: i64,
    hi: i64,
    depth: u128,
}

/// Finds the offset that most keys agree on. Pairs with `lo > hi` or a weight that is not a positive number have no
/// vote. `None` if none has. O(P log P).
///
/// Where several sets of offsets are equally well supported, the one whose middle is nearest to zero wins, then the
/// lower one.
pub fn vote(pairs: &[Pair]) -> Option<Vote> {
    count(&ballots(pairs))
}

/// The outcome of ballots, sorted by key and disjoint within each.
pub(super) fn count(ballots: &[Ballot]) -> Option<Vote> {
    let keys = ballots.chunk_by(|a, b| a.key == b.key).count();
    let stretches = sweep(ballots);
    let (index, best) = highest(&stretches, |_| true)?;
    let middle = middle(best.lo, best.hi);
    let holds = |s: &Stretch| s.depth * 5 >= best.depth * 4;
    let connected = |left: &Stretch, right: &Stretch| left.hi.checked_add(1) == Some(right.lo);
    let (mut first, mut last) = (best, best);
    for stretch in stretches.iter().take(index).rev().take_while(|s| holds(s)) {
        if !connected(stretch, &first) {
            break;
        }
        first = *stretch;
    }
    for stretch in stretches.iter().skip(index + 1).take_while(|s| holds(s)) {
        if !connected(&last, stretch) {
            break;
        }
        last = *stretch;
    }
    let rivals: Vec<Stretch> = stretches.iter().flat_map(|s| outside(*s, middle)).collect();
    let runner_up = highest(&rivals, |s| s.depth > 0).map(|(_, s)| peak(s));
    Some(Vote {
        best: peak(best),
        support_ns: (first.lo, last.hi),
        keys,
        inliers: ballots.iter().filter(|b| b.holds(middle)).count(),
        peak_ratio: runner_up.map_or(0.0, |r| r.depth / to_weight(best.depth)),
        runner_up,
    })
}

/// The pairs that agree with an offset, by index.
pub fn agreeing(pairs: &[Pair], offset_ns: i64) -> Vec<usize> {
    let agrees = |p: &Pair| p.lo_ns <= offset_ns && offset_ns <= p.hi_ns && units(p.weight).is_some();
    pairs.iter().enumerate().filter(|(_, p)| agrees(p)).map(|(i, _)| i).collect()
}

/// One ballot per key and stretch of offsets, sorted by key, then by offset. Alternatives of one key that overlap or
/// touch become one ballot with the greatest of their weights.
pub(super) fn ballots(pairs: &[Pair]) -> Vec<Ballot> {
    let valid = pairs.iter().filter(|p| p.lo_ns <= p.hi_ns);
    let ballot =
        |p: &Pair| Some(Ballot { key: p.key, lo: p.lo_ns, hi: p.hi_ns, at: p.at_ns, weight: units(p.weight)? });
    let mut ballots: Vec<Ballot> = valid.filter_map(ballot).collect();
    join(&mut ballots);
    ballots
}

/// Sorts ballots and makes those of one key disjoint.
pub(super) fn join(ballots: &mut Vec<Ballot>) {
    ballots.sort_unstable();
    ballots.dedup_by(|next, kept| {
        let joined = next.key == kept.key && next.lo <= kept.hi.saturating_add(1);
        if joined {
            kept.hi = kept.hi.max(next.hi);
            kept.weight = kept.weight.max(next.weight);
        }
        joined
    });
}

fn units(weight: f64) -> Option<NonZeroU64> {
    if weight > 0.0 { NonZeroU64::new(((weight.min(HEAVIEST) * UNITS).round() as u64).max(1)) } else { None }
}

fn to_weight(units: u128) -> f64 {
    units as f64 / UNITS
}

fn peak(s: Stretch) -> Peak {
    Peak { middle_ns: middle(s.lo, s.hi), core_ns: (s.lo, s.hi), depth: to_weight(s.depth) }
}

/// The greatest depth and the middle of the offsets that have it.
pub(super) fn deepest(ballots: &[Ballot]) -> Option<(u128, i64)> {
    let (_, best) = highest(&sweep(ballots), |_| true)?;
    Some((best.depth, middle(best.lo, best.hi)))
}

/// Rounded towards the lower end; cannot overflow.
pub(super) fn middle(lo: i64, hi: i64) -> i64 {
    ((i128::from(lo) + i128::from(hi)).div_euclid(2)) as i64
}

/// The depth over all offsets as maximal stretches of equal, positive depth, in ascending order.
fn sweep(ballots: &[Ballot]) -> Vec<Stretch> {
    // A ballot counts from `lo` and no longer counts from `hi + 1` on.
    let mut edges: Vec<(i128, i128)> = Vec::with_capacity(ballots.len() * 2);
    for ballot in ballots {
        let weight = i128::from(ballot.weight.get());
        edges.push((i128::from(ballot.lo), weight));
        edges.push((i128::from(ballot.hi) + 1, -weight));
    }
    edges.sort_unstable();
    let mut stretches: Vec<Stretch> = Vec::new();
    let (mut depth, mut since) = (0_i128, 0_i128);
    for at in edges.chunk_by(|a, b| a.0 == b.0) {
        let Some((here, _)) = at.first().copied() else { continue };
        let change: i128 = at.iter().map(|e| e.1).sum();
        if change == 0 {
            continue;
        }
        if depth > 0 {
            // Within i64: `since` was some `lo`-or-later, `here - 1` some `hi`-or-earlier.
            stretches.push(Stretch { lo: since as i64, hi: (here - 1) as i64, depth: depth.unsigned_abs() });
        }
        (depth, since) = (depth + change, here);
    }
    stretches
}

/// The deepest stretch: nearest to zero among equals, the lower one of two equally near.
fn highest(stretches: &[Stretch], allowed: impl Fn(&Stretch) -> bool) -> Option<(usize, Stretch)> {
    let rank = |s: &Stretch| {
        let middle = middle(s.lo, s.hi);
        (std::cmp::Reverse(s.depth), middle.unsigned_abs(), middle)
    };
    stretches.iter().copied().enumerate().filter(|(_, s)| allowed(s)).min_by_key(|(_, s)| rank(s))
}

/// The parts of a stretch that lie more than [`RIVAL_AWAY_NS`] away from `middle`.
fn outside(s: Stretch, middle: i64) -> impl Iterator<Item = Stretch> {
    let left = middle.checked_sub(RIVAL_AWAY_NS + 1).map(|end| Stretch { hi: s.hi.min(end), ..s });
    let right = middle.checked_add(RIVAL_AWAY_NS + 1).map(|start| Stretch { lo: s.lo.max(start), ..s });
    left.into_iter().chain(right).filter(|s| s.lo <= s.hi)
}

#[cfg(test)]
mod tests;
