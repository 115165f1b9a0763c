//! Connections that come at a fixed period: monitoring, cron, a keep-alive, a beacon.

mod score;

pub use score::{Score, score};

use crate::time::Instant;

/// A period that fits at least [`FITTING`] of the gaps between connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Median gap in nanoseconds.
    pub period_ns: i64,
    /// Share of the gaps within a fifth of the period, whole multiples of it counted in.
    pub share: f64,
    pub gaps: usize,
}

/// A beat needs at least this many gaps ...
pub const FEWEST_GAPS: usize = 5;
/// ... of which at least this share fits.
pub const FITTING: f64 = 0.8;

/// The beat of connections that began at `starts` (ascending); `None` if they have none or are too few to tell.
pub fn beat(starts: &[Instant]) -> Option<Beat> {
    let mut gaps: Vec<i64> = starts.windows(2).map(|pair| pair[1].since(pair[0])).filter(|gap| *gap > 0).collect();
    if gaps.len() < FEWEST_GAPS {
        return None;
    }
    gaps.sort_unstable();
    let period_ns = gaps[gaps.len() / 2];
    let fits = |gap: &&i64| {
        // A missed beat leaves a gap of two or three periods.
        let (gap, period) = (i128::from(**gap), i128::from(period_ns));
        let beats = ((gap + period / 2) / period).clamp(1, 3);
        (gap - beats * period).abs() <= period / 5
    };
    let share = gaps.iter().filter(fits).count() as f64 / gaps.len() as f64;
    (share >= FITTING).then_some(Beat { period_ns, share, gaps: gaps.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    fn at(seconds: &[i64]) -> Vec<Instant> {
        seconds.iter().map(|second| Instant(second * SECOND)).collect()
    }

    #[test]
    fn a_minute_beat_with_one_miss_and_some_jitter_is_found() {
        let found = beat(&at(&[0, 61, 119, 240, 300, 362, 420]));
        assert_eq!(found.map(|beat| beat.gaps), Some(6));
    }

    #[test]
    fn calls_at_odd_moments_have_no_beat_and_few_calls_tell_nothing() {
        assert_eq!(beat(&at(&[0, 3, 50, 51, 200, 290, 300, 900])), None);
        assert_eq!(beat(&at(&[0, 60, 120, 180])), None);
    }
}
