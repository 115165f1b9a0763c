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

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9 * want.abs().max(1e-3), "{got:e} against {want:e}");
    }

    // By hand, rows of 10 and 6, columns of 9 and 7: of C(16, 10) = 8008 ways 7 have 9 at the upper left, C(9, 8) C(7, 2) = 189
    // have 8. Odds 8 * 5 / (2 * 1). Expected 10 * 9 / 16 = 5.625, variance 10 * 6 * 9 * 7 / (16^2 * 15) = .984375: squares of
    // 2.375 and of 1.875 over it. P of 5.73015873 and 25/7: erfc(sqrt(x/2)), mpmath 1.3.0.
    const BY_HAND: Table = [[8, 2], [1, 5]];

    #[test]
    fn every_number_of_one_table() {
        let got = stratified(&[BY_HAND]).unwrap();
        near(got.greater, 196.0 / 8008.0);
        near(got.less, 8001.0 / 8008.0);
        near(got.odds_ratio.unwrap(), 20.0);
        near(got.cmh, 2.375 * 2.375 / 0.984375);
        near(got.cmh_p, 0.016675975260467966);
        near(got.cmh_p_corrected, 0.05878172135535889);
        // Turned upside down, less is more.
        let turned = stratified(&[[BY_HAND[1], BY_HAND[0]]]).unwrap();
        near(turned.less, 196.0 / 8008.0);
        near(turned.greater, 8001.0 / 8008.0);
        near(turned.odds_ratio.unwrap(), 1.0 / 20.0);
        near(turned.cmh, got.cmh);
    }

    // One record or none can only be where it is.
    #[test]
    fn tables_of_one_record_and_of_none_say_nothing() {
        let alone = stratified(&[BY_HAND]);
        assert_eq!(stratified(&[[[1, 0], [0, 0]], BY_HAND, [[0, 0], [0, 0]], [[0, 0], [0, 1]]]), alone);
    }

    // By hand: all four cells as expected. A deviation below a half is corrected to none, not to one on the other side.
    #[test]
    fn what_is_expected_is_no_surprise() {
        let got = stratified(&[[[1, 1], [1, 1]]]).unwrap();
        assert_eq!((got.cmh, got.cmh_p, got.cmh_p_corrected, got.odds_ratio), (0.0, 1.0, 1.0, Some(1.0)));
        // Of C(4, 2) = 6 ways one has 2 at the upper left, four have 1, one has 0.
        near(got.greater, 5.0 / 6.0);
        near(got.less, 5.0 / 6.0);
        // Without a cell in which the other column would lie, the odds have no bound.
        assert_eq!(stratified(&[[[2, 0], [1, 3]]]).unwrap().odds_ratio, None);
    }

    #[test]
    fn tables_that_would_take_forever_are_refused() {
        let large = [[20_000, 20_000], [20_000, 20_000]];
        assert!(stratified(&[large]).is_some());
        assert_eq!(stratified(&[large, large]), None);
    }
}
