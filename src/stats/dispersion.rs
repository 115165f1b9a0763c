//! Whether events lie over units as unevenly, or as evenly, as chance makes them.

use super::permutation::phipson_smyth;
use super::random::Random;

/// Most events drawn in all: many events are drawn less often.
const MOST_DRAWN: u64 = 20_000_000;
const FEWEST_DRAWS: u64 = 999;

/// How uneven counts are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dispersion {
    /// Variance over mean where all units have the same exposure; in general the sum of (count - expected)^2 / expected over
    /// one less than the number of units. 1 by chance.
    pub index: f64,
    /// P(at least as uneven) and P(at most as uneven), if each event falls into a unit with the probability of its exposure.
    pub uneven: f64,
    pub even: f64,
    /// The least that `uneven` could have been with so many events and units.
    pub smallest: f64,
    pub draws: u64,
}

/// Index of dispersion over units, exact by Monte Carlo over the multinomial distribution given the total: no approximation
/// but that of the draws, (1 + b) / (1 + B).
///
/// `None` for fewer than two units, no events, exposures that are not positive, or without draws.
/// Source: Fisher, Thornton & Mackenzie, Annals of Applied Biology 9 (1922) 325, for the index; Phipson & Smyth 2010 for P.
pub fn dispersion(counts: &[u64], exposures: &[f64], draws: u64, seed: u64) -> Option<Dispersion> {
    let total = counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count))?;
    let usable = exposures.iter().all(|exposure| *exposure > 0.0 && exposure.is_finite());
    if counts.len() != exposures.len() || counts.len() < 2 || total == 0 || !usable || draws == 0 {
        return None;
    }
    let all: f64 = exposures.iter().sum();
    let shares: Vec<f64> = exposures.iter().map(|exposure| exposure / all).collect();
    let units = (counts.len() - 1) as f64;
    let index = |counts: &[u64]| -> f64 {
        let squared = counts.iter().zip(&shares).map(|(count, share)| (*count as f64).powi(2) / (share * total as f64));
        (squared.sum::<f64>() - total as f64).max(0.0) / units
    };
    let seen = index(counts);
    let edges: Vec<f64> = shares
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect();
    let draws = draws.min((MOST_DRAWN / total).max(FEWEST_DRAWS));
    let mut random = Random::new(seed);
    let (mut above, mut below) = (0, 0);
    let tolerance = 1e-9 * seen.max(1.0);
    let mut drawn = vec![0_u64; counts.len()];
    for _ in 0..draws {
        drawn.fill(0);
        for _ in 0..total {
            let at = random.uniform();
            let unit = edges.partition_point(|edge| *edge <= at).min(counts.len() - 1);
            if let Some(count) = drawn.get_mut(unit) {
                *count += 1;
            }
        }
        let one = index(&drawn);
        above += u64::from(one >= seen - tolerance);
        below += u64::from(one <= seen + tolerance);
    }
    // The most uneven outcome: all in the unit with the least exposure, or in one of several such.
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let alike = shares.iter().filter(|share| **share <= least * (1.0 + 1e-9)).count() as f64;
    let smallest = (alike * least.powf(total as f64)).min(1.0);
    Some(Dispersion {
        index: seen,
        uneven: phipson_smyth(above, draws),
        even: phipson_smyth(below, draws),
        smallest,
        draws,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand, four events over four units alike. All in one: (9 + 1 + 1 + 1) / 1 / 3 = 4, in 4 of 256 ways. One in each: 0, in
    // 4! = 24 of 256 ways.
    #[test]
    fn counted_ways() {
        let clumped = dispersion(&[0, 4, 0, 0], &[2.0; 4], 100_000, 1).unwrap();
        assert!((clumped.index - 4.0).abs() < 1e-12 && clumped.even == 1.0);
        // Standard error of the draws: sqrt(.0156 * .984 / 1e5) = .0004.
        assert!((clumped.uneven - 4.0 / 256.0).abs() < 0.0016, "{clumped:?}");
        assert!((clumped.smallest - 4.0 / 256.0).abs() < 1e-12);
        let even = dispersion(&[1, 1, 1, 1], &[2.0; 4], 100_000, 1).unwrap();
        assert!(even.index == 0.0 && (even.even - 24.0 / 256.0).abs() < 0.004 && even.uneven == 1.0, "{even:?}");
    }

    // By hand: 3 events where a quarter of the exposure is, 0 elsewhere: (3 - .75)^2/.75 + (0 - 2.25)^2/2.25 = 9; (1/4)^3.
    #[test]
    fn exposure_counts() {
        let one = dispersion(&[3, 0], &[1.0, 3.0], 200_000, 2).unwrap();
        assert!((one.index - 9.0).abs() < 1e-12 && (one.uneven - 1.0 / 64.0).abs() < 0.0012, "{one:?}");
        assert_eq!(one.smallest, 1.0 / 64.0);
        assert_eq!(dispersion(&[3, 0], &[1.0, 3.0], 200_000, 2), Some(one));
    }

    #[test]
    fn what_has_no_answer() {
        assert_eq!(dispersion(&[3], &[1.0], 9, 1), None);
        assert_eq!(dispersion(&[0, 0], &[1.0, 1.0], 9, 1), None);
        assert_eq!(dispersion(&[1, 0], &[1.0, 0.0], 9, 1), None);
        assert_eq!(dispersion(&[1, 0], &[1.0, f64::NAN], 9, 1), None);
        assert_eq!(dispersion(&[1, 0], &[1.0, 1.0], 0, 1), None);
        assert_eq!(dispersion(&[u64::MAX, 1], &[1.0, 1.0], 9, 1), None);
    }

    // By hand, 2 events over two units with a quarter and three quarters of the exposure: none, one or both in the first, in 9, 6
    // and 1 of 16 ways. The index is 2/3, 2/3 and 6: the first two are told apart by rounding alone.
    #[test]
    fn outcomes_as_uneven_as_each_other_count_together() {
        for counts in [[0, 2], [1, 1]] {
            let got = dispersion(&counts, &[1.0, 3.0], 50_000, 3).unwrap();
            assert!((got.index - 2.0 / 3.0).abs() < 1e-12 && got.uneven == 1.0, "{got:?}");
            // Five standard errors: 5 sqrt(15/16 1/16 / 5e4).
            assert!((got.even - 15.0 / 16.0).abs() < 0.0055, "{got:?}");
        }
        let got = dispersion(&[2, 0], &[1.0, 3.0], 50_000, 3).unwrap();
        assert!((got.index - 6.0).abs() < 1e-12 && got.even == 1.0, "{got:?}");
        assert!((got.uneven - 1.0 / 16.0).abs() < 0.0055 && got.draws == 50_000, "{got:?}");
    }

    // By hand: all three events in one of the two units with a fifth of the exposure each, 2 (1/5)^3.
    #[test]
    fn the_most_uneven_outcome_may_lie_in_several_units() {
        let got = dispersion(&[1, 1, 1], &[1.0, 1.0, 3.0], 9, 1).unwrap();
        assert!((got.smallest - 2.0 / 125.0).abs() < 1e-15, "{got:?}");
        assert_eq!(dispersion(&[1, 0], &[1.0, 1.0], 9, 1).unwrap().smallest, 1.0);
    }

    #[test]
    fn counts_without_their_exposures_have_no_answer() {
        assert_eq!(dispersion(&[1, 2], &[1.0], 9, 1), None);
        assert_eq!(dispersion(&[1, 2], &[1.0, f64::INFINITY], 9, 1), None);
        assert_eq!(dispersion(&[1, 2], &[1.0, -1.0], 9, 1), None);
    }
}
