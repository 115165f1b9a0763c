//! Adjustment of P values for the number of tests. Results are in the order of the input, at most 1.
//!
//! Not-a-number counts as 1: a test without an answer has no evidence but still was a test.

fn ascending(p: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let clean: Vec<f64> = p.iter().map(|p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).collect();
    let mut order: Vec<usize> = (0..clean.len()).collect();
    order.sort_by(|a, b| clean[*a].total_cmp(&clean[*b]).then(a.cmp(b)));
    (order, clean)
}

fn step_up(p: &[f64], factor: f64) -> Vec<f64> {
    let (order, clean) = ascending(p);
    let mut adjusted = clean.clone();
    let mut lowest = 1.0_f64;
    for (rank, index) in order.iter().enumerate().rev() {
        lowest = lowest.min(clean[*index] * factor / (rank + 1) as f64);
        adjusted[*index] = lowest;
    }
    adjusted
}

/// Benjamini-Hochberg: false discovery rate for independent (or positively dependent) tests. JRSS B 57 (1995) 289.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    step_up(p, p.len() as f64)
}

/// Benjamini-Yekutieli: false discovery rate under any dependence, for sources that share a clock error.
/// Annals of Statistics 29 (2001) 1165.
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    let harmonic: f64 = (1..=p.len()).rev().map(|i| 1.0 / i as f64).sum();
    step_up(p, p.len() as f64 * harmonic)
}

/// Holm: family-wise error rate under any dependence. Scandinavian Journal of Statistics 6 (1979) 65.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let (order, clean) = ascending(p);
    let mut adjusted = clean.clone();
    let mut highest = 0.0_f64;
    for (rank, index) in order.iter().enumerate() {
        highest = highest.max((clean[*index] * (p.len() - rank) as f64).min(1.0));
        adjusted[*index] = highest;
    }
    adjusted
}

/// Which tests can reach `alpha` at all after correction for their own number (Tarone, Biometrics 46 (1990) 515),
/// given the smallest P that each could possibly yield. The others are "not testable" and need not be paid for.
pub fn testable(smallest_p: &[f64], alpha: f64) -> Vec<bool> {
    let (_, clean) = ascending(smallest_p);
    let limit = (1..=clean.len())
        .find(|m| clean.iter().filter(|p| **p <= alpha / *m as f64).count() <= *m)
        .map_or(0.0, |m| alpha / m as f64);
    clean.iter().map(|p| *p <= limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: [f64; 7] = [0.0005, 0.009, 0.012, 0.03, 0.041, 0.2, 0.6];

    fn near(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 5e-7, "{got} against {want}");
        }
    }

    // statsmodels 0.15.0: multipletests(P, method='fdr_bh' | 'fdr_by' | 'holm')[1].
    #[test]
    fn adjustments_match_statsmodels() {
        near(&benjamini_hochberg(&P), &[0.0035, 0.028, 0.028, 0.0525, 0.0574, 0.233333, 0.6]);
        near(&benjamini_yekutieli(&P), &[0.009075, 0.0726, 0.0726, 0.136125, 0.14883, 0.605, 1.0]);
        near(&holm(&P), &[0.0035, 0.054, 0.06, 0.12, 0.123, 0.4, 0.6]);
    }

    #[test]
    fn order_of_input_is_kept() {
        let mut reversed = P;
        reversed.reverse();
        let mut want = benjamini_hochberg(&P);
        want.reverse();
        assert_eq!(benjamini_hochberg(&reversed), want);
        assert!(holm(&[]).is_empty());
    }

    // Of five tests three can only ever reach 0.3: they cost nothing, the other two are tested at 0.05 / 2.
    #[test]
    fn tests_that_cannot_succeed_are_left_out() {
        assert_eq!(testable(&[0.001, 0.3, 0.02, 0.3, 0.3], 0.05), [true, false, true, false, false]);
        assert_eq!(testable(&[0.3, 0.3], 0.05), [false, false]);
        // Three are within 0.05, one within 0.05 / 2: two are paid for, and that one can succeed.
        assert_eq!(testable(&[0.02, 0.03, 0.04], 0.05), [true, false, false]);
    }
}
