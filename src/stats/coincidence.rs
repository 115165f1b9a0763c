//! Event coincidence analysis and base rates of coincidence. On onsets only: never on packets or log lines.

use super::{Tail, binomial_upper_tail};

/// One direction of an event coincidence analysis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coincidence {
    /// Events that could coincide, and how many did.
    pub events: u64,
    pub coincided: u64,
    /// Probability of one coincidence by chance.
    pub by_chance: f64,
    /// P(at least as many by chance).
    pub p: Tail,
}

/// Event coincidence analysis (Donges et al., EPJ Special Topics 225 (2016) 471) of `coincided` among `events`, where
/// each could coincide with any of `others` points in a record of length `span` with tolerance `tolerance` and lag
/// `lag` (all in one unit).
///
/// Precursor rate: events are the onsets, others the steps. Trigger rate: the other way round.
/// `None` unless `0 < tolerance`, `0 <= lag < span` and `coincided <= events`.
pub fn coincidence(
    events: u64,
    coincided: u64,
    others: u64,
    span: f64,
    tolerance: f64,
    lag: f64,
) -> Option<Coincidence> {
    let room = span - lag;
    if !(tolerance > 0.0 && lag >= 0.0 && room > 0.0 && room.is_finite()) || coincided > events {
        return None;
    }
    let share = (tolerance / room).min(1.0);
    let by_chance = -(others as f64 * (-share).ln_1p()).exp_m1();
    let by_chance = if others == 0 { 0.0 } else { by_chance };
    Some(Coincidence { events, coincided, by_chance, p: binomial_upper_tail(coincided, events, by_chance) })
}

/// How many of `later` have at least one of `earlier` no more than `tolerance` before them, after taking off `lag`
/// (nanoseconds; both lists sorted). This is the count for the precursor rate with onsets as `later`.
pub fn preceded(later: &[i64], earlier: &[i64], tolerance: i64, lag: i64) -> u64 {
    let near = |at: &&i64| {
        let at = i128::from(**at) - i128::from(lag);
        let upto = earlier.partition_point(|e| i128::from(*e) <= at);
        upto.checked_sub(1)
            .and_then(|last| earlier.get(last))
            .is_some_and(|e| at - i128::from(*e) <= i128::from(tolerance))
    };
    later.iter().filter(near).count() as u64
}

/// How many of `earlier` have at least one of `later` within `tolerance` after them and `lag`: the count for the
/// trigger rate with steps as `earlier`. Sorted lists, nanoseconds.
pub fn followed(earlier: &[i64], later: &[i64], tolerance: i64, lag: i64) -> u64 {
    let near = |at: &&i64| {
        let at = i128::from(**at) + i128::from(lag);
        let from = later.partition_point(|l| i128::from(*l) < at);
        later.get(from).is_some_and(|l| i128::from(*l) - at <= i128::from(tolerance))
    };
    earlier.iter().filter(near).count() as u64
}

/// Expected number of pairs closer than `tolerance` among `m` and `n` uniform points in `span`: on either side, and
/// on one side (Messager et al., arXiv 1904.04813).
pub fn expected_pairs(m: u64, n: u64, span: f64, tolerance: f64) -> Option<(f64, f64)> {
    if !(span > 0.0 && tolerance >= 0.0 && tolerance <= span) {
        return None;
    }
    let one_side = m as f64 * n as f64 * (span * tolerance - tolerance * tolerance / 2.0) / (span * span);
    Some((2.0 * one_side, one_side))
}

/// The smallest number of independent onsets that reach `alpha` if all of them fall into the share `duty_cycle` of
/// the time. `None` unless both lie within (0, 1).
pub fn onsets_needed(duty_cycle: f64, alpha: f64) -> Option<u64> {
    let inside = |x: f64| x > 0.0 && x < 1.0;
    if !inside(duty_cycle) || !inside(alpha) {
        return None;
    }
    let needed = alpha.ln() / duty_cycle.ln();
    // 0.5^1 reaches 0.5 exactly: rounding of the quotient must not ask for one more.
    Some(((needed - 1e-12 * needed).ceil() as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: p0 = 1 - (1 - 10/86400)**400; binom.sf(8, 15, p0).
    #[test]
    fn event_coincidence_matches_scipy() {
        let got = coincidence(15, 9, 400, 86400.0, 10.0, 0.0).unwrap();
        assert!((got.by_chance - 0.0452435295).abs() < 1e-10);
        assert!((got.p.p / 3.09889245e-09 - 1.0).abs() < 1e-8);
        assert_eq!(coincidence(15, 16, 400, 86400.0, 10.0, 0.0), None);
        assert!(coincidence(15, 15, 400, 86400.0, 10.0, 0.0).is_some());
        // 0 < tolerance, 0 <= lag < span: each bound from both sides.
        for (span, tolerance, lag, known) in [
            (86400.0, 0.0, 0.0, false),
            (86400.0, f64::MIN_POSITIVE, 0.0, true),
            (86400.0, 10.0, -1.0, false),
            (86400.0, 10.0, 86399.0, true),
            (86400.0, 10.0, 86400.0, false),
            (f64::INFINITY, 10.0, 0.0, false),
        ] {
            let got = coincidence(15, 9, 400, span, tolerance, lag);
            assert_eq!(got.is_some(), known, "{span} {tolerance} {lag}");
        }
        // A lag takes its length off the room: 1 - (1 - 10/400)**400 with a span of 1000 and a lag of 600.
        let got = coincidence(15, 9, 400, 1000.0, 10.0, 600.0).unwrap();
        assert!((got.by_chance - (1.0 - 0.975_f64.powi(400))).abs() < 1e-12);
        assert_eq!(coincidence(15, 0, 0, 86400.0, 10.0, 0.0).unwrap().p, Tail::CERTAIN);
    }

    // By hand: steps at 10, 20, 40; onsets at 11 (1 after 10), 19 (9 after 10), 20 (0 after 20), 39 (19 after 20).
    #[test]
    fn counts_respect_order() {
        let (steps, onsets) = ([10, 20, 40], [11, 19, 20, 39]);
        assert_eq!(preceded(&onsets, &steps, 5, 0), 2);
        assert_eq!(preceded(&onsets, &steps, 9, 0), 3);
        assert_eq!(followed(&steps, &onsets, 5, 0), 2);
        // With lag 1: onsets at 10, 18, 19, 38 against the steps.
        assert_eq!(preceded(&onsets, &steps, 0, 1), 1);
        assert_eq!(preceded(&[i64::MIN], &[i64::MAX], i64::MAX, i64::MAX), 0);
    }

    #[test]
    fn pair_counts() {
        let (either, one) = expected_pairs(40, 60, 1000.0, 7.0).unwrap();
        assert!((either - 33.4824).abs() < 1e-9 && (one - 16.7412).abs() < 1e-9);
        // As wide as the span, every pair is near: on one side half of them.
        let (either, one) = expected_pairs(40, 60, 7.0, 7.0).unwrap();
        assert!((either - 2400.0).abs() < 1e-9 && (one - 1200.0).abs() < 1e-9);
        assert_eq!(expected_pairs(40, 60, 7.0, 0.0), Some((0.0, 0.0)));
        for (span, tolerance) in [(0.0, 0.0), (-1.0, 0.0), (7.0, -1.0), (7.0, 7.1)] {
            assert_eq!(expected_pairs(40, 60, span, tolerance), None, "{span} {tolerance}");
        }
    }

    // numpy: [ceil(log(a)/log(c)) for a in (.05, .01, .001)].
    #[test]
    fn duty_cycle_decides_how_many_are_needed() {
        for (duty, want) in [
            (0.05, [1, 2, 3]),
            (0.1, [2, 2, 3]),
            (0.25, [3, 4, 5]),
            (0.5, [5, 7, 10]),
            (0.75, [11, 17, 25]),
            (0.9, [29, 44, 66]),
            (0.95, [59, 90, 135]),
            (0.99, [299, 459, 688]),
        ] {
            assert_eq!([0.05, 0.01, 0.001].map(|alpha| onsets_needed(duty, alpha).unwrap()), want, "{duty}");
        }
        for outside in [0.0, 1.0, -0.5, 1.5, f64::NAN] {
            assert_eq!((onsets_needed(outside, 0.05), onsets_needed(0.5, outside)), (None, None), "{outside}");
        }
        assert_eq!(onsets_needed(0.5, 0.5), Some(1));
    }
}
