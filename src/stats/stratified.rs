//! 2x2 tables in strata (one per run): pooled odds ratio, Cochran-Mantel-Haenszel and the exact conditional test.

use super::special::chi_squared_1_upper;
use super::table::Hypergeometric;

/// A table `[[a, b], [c, d]]`: rows are the groups compared, columns flagged and not flagged.
pub type Table = [[u64; 2]; 2];

/// What strata of 2x2 tables say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratified {
    /// Mantel-Haenszel odds ratio; `None` if its denominator is 0.
    pub odds_ratio: Option<f64>,
    /// Cochran-Mantel-Haenszel statistic without continuity correction and its P (chi-squared, one degree).
    pub cmh: f64,
    pub cmh_p: f64,
    /// P with continuity correction.
    pub cmh_p_corrected: f64,
    /// Exact conditional P that the upper left cells sum to at least what was seen.
    pub greater: f64,
    /// The same for at most.
    pub less: f64,
}

/// Work of the convolution (cells multiplied) beyond which the exact test is refused.
const MOST_WORK: u64 = 1_000_000_000;

/// Pools `tables`. `None` if no table carries information (all margins fixed) or the tables are absurdly large.
///
/// Sources: Mantel & Haenszel, JNCI 22 (1959) 719; exact test by convolution of hypergeometric distributions
/// (Gart, Biometrika 57 (1970) 471).
pub fn stratified(tables: &[Table]) -> Option<Stratified> {
    let (mut over, mut under) = (0.0, 0.0);
    let (mut seen, mut expected, mut variance) = (0_u64, 0.0, 0.0);
    let mut sum = vec![1.0];
    let mut low = 0_u64;
    for table in tables {
        let distribution = Hypergeometric::of(*table)?;
        let [[a, b], [c, d]] = table.map(|row| row.map(|cell| cell as f64));
        let total = a + b + c + d;
        seen = seen.checked_add(table[0][0])?;
        low = low.checked_add(distribution.low)?;
        if total > 0.0 {
            over += a * d / total;
            under += b * c / total;
            expected += (a + b) * (a + c) / total;
            if total > 1.0 {
                variance += (a + b) * (c + d) * (a + c) * (b + d) / (total * total * (total - 1.0));
            }
        }
        if (sum.len() as u64).checked_mul(distribution.mass.len() as u64)? > MOST_WORK {
            return None;
        }
        sum = convolve(&sum, &distribution.mass);
    }
    if variance <= 0.0 {
        return None;
    }
    let at = usize::try_from(seen.checked_sub(low)?).ok()?;
    let deviation = (seen as f64 - expected).abs();
    let cmh = deviation * deviation / variance;
    let corrected = (deviation - 0.5).max(0.0).powi(2) / variance;
    let greater: f64 = sum.iter().skip(at).rev().sum();
    let less: f64 = sum.iter().take(at + 1).sum();
    Some(Stratified {
        odds_ratio: (under > 0.0).then(|| over / under),
        cmh,
        cmh_p: chi_squared_1_upper(cmh),
        cmh_p_corrected: chi_squared_1_upper(corrected),
        greater: greater.min(1.0),
        less: less.min(1.0),
    })
}

/// Distribution of the sum of two independent counts.
pub(crate) fn convolve(left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; (left.len() + right.len()).saturating_sub(1)];
    for (i, l) in left.iter().enumerate() {
        for (cell, r) in sum.iter_mut().skip(i).zip(right) {
            *cell += l * r;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    // statsmodels 0.15.0 StratifiedTable (oddsratio_pooled, test_null_odds) and a convolution of
    // scipy.stats.hypergeom.pmf.
    #[test]
    fn strata_match_statsmodels() {
        let got = stratified(&[[[6, 4], [2, 28]], [[3, 7], [1, 29]], [[0, 5], [1, 20]]]).unwrap();
        for (got, want) in [
            (got.odds_ratio.unwrap(), 11.2372881356),
            (got.cmh, 16.2284697509),
            (got.cmh_p, 5.6144009812242324e-05),
            (got.cmh_p_corrected, 2.3174152755223165e-04),
            (got.greater, 2.79287011e-04),
        ] {
            assert!((got / want - 1.0_f64).abs() < 2e-9, "{got:e} against {want:e}");
        }
    }

    // One stratum is Fisher's one-sided test: [[8,2],[1,5]] has 0.0244755245.
    #[test]
    fn one_stratum_is_fisher() {
        let got = stratified(&[[[8, 2], [1, 5]]]).unwrap();
        assert!((got.greater - 0.0244755245).abs() < 1e-10);
    }

    #[test]
    fn no_information_is_no_answer() {
        assert_eq!(stratified(&[]), None);
        assert_eq!(stratified(&[[[0, 5], [0, 7]]]), None);
    }
}
