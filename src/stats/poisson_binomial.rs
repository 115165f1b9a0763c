//! Number of successes among trials of different probability.

use std::f64::consts::LN_10;

use super::Tail;

/// Cells of the dynamic programme beyond which a Chernoff bound is given instead.
const MOST_WORK: u128 = 1_000_000_000;

/// Upper tail with the way it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpperTail {
    pub tail: Tail,
    /// False if there were too many trials for the exact sum: then `tail` is an upper bound (Chernoff) and any test
    /// built on it errs on the safe side.
    pub exact: bool,
}

/// P(K >= k) for K the number of successes in independent trials with the given probabilities.
///
/// Exact by convolution from the smallest probability upward; only positive terms are added, so even tails far below
/// 1e-300 keep their digits (they are summed again in logarithms). Probabilities are clamped to [0, 1]; not-a-number
/// counts as 1, the side on which a test stays valid. O(n k).
pub fn upper_tail(probabilities: &[f64], k: usize) -> UpperTail {
    upper_tail_within(probabilities, k, MOST_WORK)
}

fn upper_tail_within(probabilities: &[f64], k: usize, most_work: u128) -> UpperTail {
    let exact = |tail| UpperTail { tail, exact: true };
    let mut trials: Vec<f64> = probabilities.iter().map(|p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).collect();
    trials.retain(|p| *p > 0.0);
    let certain = trials.iter().filter(|p| **p >= 1.0).count();
    trials.retain(|p| *p < 1.0);
    let Some(k) = k.checked_sub(certain).filter(|k| *k > 0) else { return exact(Tail::CERTAIN) };
    if k > trials.len() {
        return exact(Tail::IMPOSSIBLE);
    }
    trials.sort_by(f64::total_cmp);
    if trials.len() as u128 * k as u128 > most_work {
        return UpperTail { tail: chernoff(&trials, k), exact: false };
    }
    let p = linear(&trials, k);
    exact(if p < 1e-300 { Tail::from_ln(logarithmic(&trials, k)) } else { Tail::from_p(p) })
}

/// `below[j]` = P(j successes so far) for j < k. What leaves at the top is the tail.
fn linear(trials: &[f64], k: usize) -> f64 {
    let mut below = vec![0.0; k];
    below[0] = 1.0;
    let mut tail = 0.0;
    for (seen, p) in trials.iter().enumerate() {
        if seen + 1 >= k {
            tail += below[k - 1] * p;
        }
        let top = (seen + 1).min(k - 1);
        for j in (1..=top).rev() {
            below[j] = below[j] * (1.0 - p) + below[j - 1] * p;
        }
        below[0] *= 1.0 - p;
    }
    tail
}

fn logarithmic(trials: &[f64], k: usize) -> f64 {
    let add = |x: f64, y: f64| {
        let (high, low) = if x >= y { (x, y) } else { (y, x) };
        if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
    };
    let mut below = vec![f64::NEG_INFINITY; k];
    below[0] = 0.0;
    let mut tail = f64::NEG_INFINITY;
    for (seen, p) in trials.iter().enumerate() {
        let (success, failure) = (p.ln(), (-p).ln_1p());
        if seen + 1 >= k {
            tail = add(tail, below[k - 1] + success);
        }
        let top = (seen + 1).min(k - 1);
        for j in (1..=top).rev() {
            below[j] = add(below[j] + failure, below[j - 1] + success);
        }
        below[0] += failure;
    }
    tail
}

/// min over t >= 0 of exp(-t k) prod(1 - p + p exp(t)): an upper bound of P(K >= k). Convex in t, so ternary search.
fn chernoff(trials: &[f64], k: usize) -> Tail {
    let expected: f64 = trials.iter().sum();
    if expected >= k as f64 {
        return Tail::CERTAIN;
    }
    let ln_bound = |t: f64| trials.iter().map(|p| (p * t.exp_m1()).ln_1p()).sum::<f64>() - t * k as f64;
    let (mut low, mut high) = (0.0, 300.0 * LN_10);
    for _ in 0..120 {
        let third = (high - low) / 3.0;
        if ln_bound(low + third) <= ln_bound(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    Tail::from_ln(ln_bound(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(probabilities: &[f64], k: usize) -> f64 {
        upper_tail(probabilities, k).tail.p
    }

    // By hand: .1*.2 + .1*.3 + .2*.3 - 2*.1*.2*.3 = .098; .5^5 = .03125.
    #[test]
    fn small_cases() {
        assert!((p(&[0.1, 0.2, 0.3], 2) - 0.098).abs() < 1e-15);
        assert_eq!(p(&[0.5; 5], 5), 0.03125);
        assert_eq!(p(&[0.5; 5], 0), 1.0);
        assert_eq!(p(&[0.5; 5], 6), 0.0);
        assert_eq!(p(&[], 0), 1.0);
        assert_eq!(p(&[], 1), 0.0);
        assert_eq!(p(&[1.0, 0.0, 0.25], 2), 0.25);
        assert_eq!(p(&[f64::NAN], 1), 1.0);
    }

    // Python fractions.Fraction, convolution without rounding, of p = i/64 for i in 1..=40.
    #[test]
    fn tails_match_rational_arithmetic() {
        let trials: Vec<f64> = (1..=40).rev().map(|i| f64::from(i) / 64.0).collect();
        for (k, want) in [
            (5, 0.9994658697200577),
            (12, 0.6812388752480405),
            (13, 0.5400558260716937),
            (20, 0.007882365706748346),
            (30, 9.500715222775053e-10),
            (40, 4.617916850376849e-25),
        ] {
            let got = p(&trials, k);
            assert!((got / want - 1.0_f64).abs() < 1e-13, "{k}: {got:e} against {want:e}");
        }
    }

    // Python fractions.Fraction: p = 2^-(i%20+1) for i in 0..200, P(K >= 120) = 10^-225.6343983350621 (linear), and
    // 300 trials of 0.01 all successful = 10^-600 (by hand; logarithmic).
    #[test]
    fn tiny_tails_keep_their_digits() {
        let trials: Vec<f64> = (0..200).map(|i| 0.5_f64.powi(i % 20 + 1)).collect();
        assert!((upper_tail(&trials, 120).tail.log10 + 225.6343983350621).abs() < 1e-12);
        let tail = upper_tail(&[0.01; 300], 300).tail;
        assert!((tail.log10 + 600.0).abs() < 1e-9, "{}", tail.log10);
        // Both ways agree where both work.
        assert!((logarithmic(&trials, 120) / LN_10 + 225.6343983350621).abs() < 1e-10);
    }

    #[test]
    fn chernoff_bounds_from_above_and_closely() {
        let trials: Vec<f64> = (1..=40).map(|i| f64::from(i) / 64.0).collect();
        for k in [14, 20, 30, 40] {
            let bound = upper_tail_within(&trials, k, 1);
            let exact = p(&trials, k);
            assert!(!bound.exact);
            assert!(
                bound.tail.p >= exact * (1.0 - 1e-12) && bound.tail.p < 30.0 * exact,
                "{k}: {} over {exact}",
                bound.tail.p
            );
        }
        assert_eq!(upper_tail_within(&trials, 12, 1).tail.p, 1.0);
    }

    // By hand: 1/2 * 1/2 and 1 - 1/2 * 1/2; the same in logarithms.
    #[test]
    fn both_sums_of_two_trials() {
        for (k, want) in [(1, 0.75), (2, 0.25)] {
            assert_eq!(linear(&[0.5, 0.5], k), want);
            assert!((logarithmic(&[0.5, 0.5], k).exp() - want).abs() < 1e-15);
        }
    }

    // Of n trials of one probability the bound is exp(-n D(k/n || p)), D the divergence of two Bernoulli distributions (Hoeffding,
    // JASA 58 (1963) 13, theorem 1).
    #[test]
    fn chernoff_of_equal_trials_is_hoeffding() {
        for (n, k, p) in [(40, 20, 0.25_f64), (1000, 30, 0.01), (100, 99, 0.5), (1000, 900, 1e-6), (1000, 900, 1e-200)]
        {
            let share = f64::from(k) / f64::from(n);
            let divergence = share * (share / p).ln() + (1.0 - share) * ((1.0 - share) / (1.0 - p)).ln();
            let got = chernoff(&vec![p; n as usize], k as usize).log10;
            let want = -f64::from(n) * divergence / LN_10;
            assert!((got / want - 1.0).abs() < 1e-9, "{k} of {n} at {p}: {got} against {want}");
        }
        // As many as are expected are no surprise.
        assert_eq!(chernoff(&[0.5; 4], 2), Tail::CERTAIN);
    }

    #[test]
    fn the_sum_is_exact_up_to_the_work_allowed() {
        assert!(upper_tail_within(&[0.25; 10], 3, 30).exact);
        assert!(!upper_tail_within(&[0.25; 10], 3, 29).exact);
    }
}
