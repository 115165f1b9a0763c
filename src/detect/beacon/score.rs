//! How much a series of connections looks like a program that calls home, by the scores of RITA 5: gaps of one size,
//! hours of one height, a long run. Sizes of single connections, its fourth part, are not kept, and not scored.

use crate::time::{Instant, SECOND};

/// The parts, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Symmetry and narrowness of the gaps.
    pub timing: f64,
    /// Hours of one height, or of two.
    pub histogram: f64,
    /// How much of the evidence it lasts, or the longest run of hours.
    pub duration: f64,
}

impl Score {
    /// Mean of the parts.
    pub fn total(self) -> f64 {
        (self.timing + self.histogram + self.duration) / 3.0
    }
}

/// Fewest connections, and gaps that are not zero.
const CONNECTIONS: usize = 4;
const GAPS: usize = 3;
const BARS: usize = 24;
/// Bars that are not empty, from which on two heights, and a duration, are scored; and the run that is as long as any.
const BARS_FOR_MODES: usize = 11;
const BARS_FOR_DURATION: usize = 6;
const RUN: f64 = 12.0;
/// Quartiles nearer to each other than this many seconds have no skew.
const NARROW: f64 = 10.0;

/// The score of connections that began at `starts` (ascending) in evidence that spans `from` to `to`; `None` if they
/// are too few.
pub fn score(starts: &[Instant], from: Instant, to: Instant) -> Option<Score> {
    let seconds = |ns: i64| ns as f64 / SECOND as f64;
    let mut gaps: Vec<f64> =
        starts.windows(2).map(|pair| seconds(pair[1].since(pair[0]))).filter(|gap| *gap > 0.0).collect();
    if starts.len() < CONNECTIONS || gaps.len() < GAPS {
        return None;
    }
    gaps.sort_by(f64::total_cmp);
    let bars = bars(starts, from, to);
    let (first, last) = (starts.first()?, starts.last()?);
    let coverage = seconds(last.since(*first)) / seconds(to.since(from)).max(1.0);
    let duration = if bars.iter().filter(|bar| **bar > 0).count() >= BARS_FOR_DURATION {
        coverage.max(longest_run(&bars) as f64 / RUN).clamp(0.0, 1.0)
    } else {
        0.0
    };
    Some(Score { timing: timing(&gaps), histogram: evenness(&bars).max(modes(&bars)), duration })
}

/// Half from the skew of Bowley, half from the median absolute deviation.
fn timing(gaps: &[f64]) -> f64 {
    let (low, middle, high) = quartiles(gaps);
    let flat = high - low < NARROW || middle == low || middle == high;
    let skew = if flat { 0.0 } else { (low + high - 2.0 * middle) / (high - low) };
    let mut deviations: Vec<f64> = gaps.iter().map(|gap| (gap - middle).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    let narrow = if middle < 1.0 { 1.0 } else { ((middle - median(&deviations)) / middle).max(0.0) };
    f64::midpoint(1.0 - skew.abs(), narrow)
}

fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match (sorted.get(half), half.checked_sub(1).and_then(|below| sorted.get(below))) {
        (Some(high), Some(low)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (Some(middle), _) => *middle,
        _ => 0.0,
    }
}

/// Medians of the lower half, of all, and of the upper half; of an odd number the middle one is in neither half.
fn quartiles(sorted: &[f64]) -> (f64, f64, f64) {
    let half = sorted.len() / 2;
    let lower = sorted.get(..half).unwrap_or_default();
    let upper = sorted.get(sorted.len() - half..).unwrap_or_default();
    (median(lower), median(sorted), median(upper))
}

/// Connections by the hour for evidence of up to a day, by the 24th part of longer.
fn bars(starts: &[Instant], from: Instant, to: Instant) -> [u64; BARS] {
    let width = (to.since(from) / BARS as i64 + 1).max(3600 * SECOND);
    let mut bars = [0; BARS];
    for start in starts {
        let at = usize::try_from(start.since(from) / width).unwrap_or(0).min(BARS - 1);
        bars[at] += 1;
    }
    bars
}

/// 1 less the coefficient of variation.
fn evenness(bars: &[u64; BARS]) -> f64 {
    let mean = bars.iter().sum::<u64>() as f64 / BARS as f64;
    let variance = bars.iter().map(|bar| (*bar as f64 - mean).powi(2)).sum::<f64>() / BARS as f64;
    if mean > 0.0 { (1.0 - variance.sqrt() / mean).max(0.0) } else { 0.0 }
}

/// The share of bars that have one of the two commonest heights, one bar forgiven.
fn modes(bars: &[u64; BARS]) -> f64 {
    let filled: Vec<u64> = bars.iter().copied().filter(|bar| *bar > 0).collect();
    if filled.len() < BARS_FOR_MODES {
        return 0.0;
    }
    let step = filled.iter().max().map_or(1, |most| most.div_ceil(20)).max(1);
    let mut heights: std::collections::BTreeMap<u64, usize> = Default::default();
    for bar in &filled {
        *heights.entry(bar / step).or_insert(0) += 1;
    }
    let mut counts: Vec<usize> = heights.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let common: usize = counts.iter().take(2).sum();
    (common as f64 / (filled.len() - 1) as f64).min(1.0)
}

fn longest_run(bars: &[u64; BARS]) -> usize {
    bars.split(|bar| *bar == 0).map(<[u64]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: impl Iterator<Item = i64>) -> Vec<Instant> {
        seconds.map(|second| Instant(second * SECOND)).collect()
    }

    const DAY: Instant = Instant(86_400 * SECOND);

    /// A call every five minutes of a day: gaps of one size (skew 0, deviation 0), 12 in each of 24 hours (variation
    /// 0), over 86,100 of 86,400 s and a run of 24 hours, which is twelve and more.
    #[test]
    fn a_clockwork_scores_one() {
        let score = score(&at((0..288).map(|n| n * 300)), Instant(0), DAY).expect("a score");
        assert_eq!(score, Score { timing: 1.0, histogram: 1.0, duration: 1.0 });
    }

    /// Gaps 10, 20, 30, 40, 100 and 200 s. Halves (10 20 30) and (40 100 200): quartiles 20, 35, 100; skew
    /// (20 + 100 - 70) / 80 = 0.625. Deviations from 35: 25 15 5 5 65 165, sorted 5 5 15 25 65 165, median 20; narrow
    /// (35 - 20) / 35 = 3/7. Timing (0.375 + 3/7) / 2. One bar of seven: mean 7/24, variance (49/24 - 49/576), so the
    /// variation is above 1; one filled bar is too few for the rest.
    #[test]
    fn by_hand() {
        let mut second = 0;
        let starts = at([0, 10, 20, 30, 40, 100, 200].into_iter().map(|gap| {
            second += gap;
            second
        }));
        let score = score(&starts, Instant(0), DAY).expect("a score");
        assert!((score.timing - (0.375 + 3.0 / 7.0) / 2.0).abs() < 1e-12, "{score:?}");
        assert_eq!((score.histogram, score.duration), (0.0, 0.0));
    }

    /// Twelve hours of 10 and twelve of 20: mean 15, deviation 5, evenness 2/3; two heights take all 24 bars of 23.
    #[test]
    fn two_heights_are_as_good_as_one() {
        let bars: [u64; BARS] = std::array::from_fn(|hour| if hour < 12 { 10 } else { 20 });
        assert!((evenness(&bars) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(modes(&bars), 1.0);
        assert_eq!(longest_run(&bars), 24);
    }

    #[test]
    fn few_calls_have_no_score() {
        assert_eq!(score(&at([0, 60, 120].into_iter()), Instant(0), DAY), None);
        assert_eq!(score(&at([0, 0, 60, 120].into_iter()), Instant(0), DAY), None);
        assert!(score(&at([0, 60, 120, 180].into_iter()), Instant(0), Instant(0)).is_some());
    }
}
