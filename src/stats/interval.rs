//! Exact confidence intervals of shares and of rates.

use super::special::{beta_quantile, gamma_quantile};

fn is_level(alpha: f64) -> bool {
    alpha > 0.0 && alpha < 1.0
}

/// Clopper-Pearson interval of a share after `k` successes in `n` trials, at confidence `1 - alpha`.
///
/// (0, 1) without trials. `None` if `k > n` or `alpha` is not within (0, 1).
/// Source: Clopper & Pearson, Biometrika 26 (1934) 404.
pub fn clopper_pearson(k: u64, n: u64, alpha: f64) -> Option<(f64, f64)> {
    if k > n || !is_level(alpha) {
        return None;
    }
    let (successes, failures) = (k as f64, (n - k) as f64);
    let low = if k == 0 { 0.0 } else { beta_quantile(successes, failures + 1.0, alpha / 2.0) };
    let high = if k == n { 1.0 } else { beta_quantile(successes + 1.0, failures, 1.0 - alpha / 2.0) };
    Some((low, high))
}

/// Wilson's score interval of a share after `k` successes in `n` trials, at confidence 95 %. (0, 1) without trials; `None` if
/// `k > n`.
///
/// Source: Wilson, JASA 22 (1927) 209.
pub fn wilson_95(k: u64, n: u64) -> Option<(f64, f64)> {
    if k > n {
        return None;
    }
    if n == 0 {
        return Some((0.0, 1.0));
    }
    // The 97.5 % quantile of the normal distribution.
    let z = 1.959_963_984_540_054_f64;
    let (share, n) = (k as f64 / n as f64, n as f64);
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some((((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)))
}

/// Garwood interval of the mean of a Poisson count of which `k` were seen, at confidence `1 - alpha`. Divide by the
/// exposure to get a rate. `None` if `alpha` is not within (0, 1).
///
/// Source: Garwood, Biometrika 28 (1936) 437: quantiles of chi-squared with 2k and 2k + 2 degrees of freedom, halved.
pub fn garwood(k: u64, alpha: f64) -> Option<(f64, f64)> {
    if !is_level(alpha) {
        return None;
    }
    let low = if k == 0 { 0.0 } else { gamma_quantile(k as f64, alpha / 2.0) };
    Some((low, gamma_quantile(k as f64 + 1.0, 1.0 - alpha / 2.0)))
}

/// Interval of a weighted sum of Poisson counts of which the sum of weights, the sum of their squares and the largest
/// weight are known, at confidence `1 - alpha`: what [`garwood`] is for equal weights. `None` without a positive weight
/// or if `alpha` is not within (0, 1).
///
/// Source: Fay & Feuer, Statistics in Medicine 16 (1997) 791.
pub fn fay_feuer(sum: f64, squares: f64, largest: f64, alpha: f64) -> Option<(f64, f64)> {
    let usable = |value: f64| value > 0.0 && value.is_finite();
    if !is_level(alpha) || ![sum, squares, largest].into_iter().all(usable) {
        return None;
    }
    let bound = |sum: f64, squares: f64, p: f64| squares / sum * gamma_quantile(sum * sum / squares, p);
    let low = bound(sum, squares, alpha / 2.0);
    Some((low, bound(sum + largest, squares + largest * largest, 1.0 - alpha / 2.0)))
}

/// One-sided upper bound of a share after no success in `n` trials: `1 - alpha^(1/n)`. `None` without trials.
pub fn no_success_upper(n: u64, alpha: f64) -> Option<f64> {
    (n > 0 && is_level(alpha)).then(|| -(alpha.ln() / n as f64).exp_m1())
}

/// One-sided upper bound of a rate after no event in `exposure` (any unit): `-ln(alpha) / exposure`.
pub fn no_event_rate_upper(exposure: f64, alpha: f64) -> Option<f64> {
    (exposure > 0.0 && is_level(alpha)).then(|| -alpha.ln() / exposure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 5e-11 * want.abs().max(1.0), "{got:.13} against {want:.13}");
    }

    // scipy 1.17.1: beta.ppf(a/2, k, n-k+1), beta.ppf(1-a/2, k+1, n-k).
    // Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    #[test]
    fn wilson() {
        for (k, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let (got_low, got_high) = wilson_95(k, n).unwrap();
            assert!((got_low - low).abs() < 5e-5 && (got_high - high).abs() < 5e-5, "{k}/{n}: {got_low} {got_high}");
        }
        assert_eq!(wilson_95(0, 0), Some((0.0, 1.0)));
        assert_eq!(wilson_95(2, 1), None);
    }

    #[test]
    fn clopper_pearson_matches_scipy() {
        for (k, n, alpha, want) in [
            (3, 40, 0.05, (0.01574217985104, 0.20386474873290)),
            (0, 40, 0.05, (0.0, 0.0880973029)),
            (7, 7, 0.05, (0.5903836028, 1.0)),
            (1, 1, 0.05, (0.025, 1.0)),
            (99, 100, 0.01, (0.92804231760, 0.99994987584)),
            (500, 100_000, 0.05, (0.00457224415007, 0.00545684117701)),
            (123_456, 1_000_000, 0.05, (0.12281184163, 0.12410234028)),
        ] {
            let (low, high) = clopper_pearson(k, n, alpha).unwrap();
            near(low, want.0);
            near(high, want.1);
        }
        assert_eq!(clopper_pearson(0, 0, 0.05), Some((0.0, 1.0)));
        assert_eq!(clopper_pearson(2, 1, 0.05), None);
        assert_eq!(clopper_pearson(1, 2, f64::NAN), None);
    }

    // scipy 1.17.1: chi2.ppf(a/2, 2k)/2, chi2.ppf(1-a/2, 2k+2)/2.
    #[test]
    fn garwood_matches_scipy() {
        for (k, alpha, want) in [
            (0, 0.05, (0.0, 3.6888794541)),
            (1, 0.01, (0.00501254182354, 7.43012950028)),
            (3, 0.05, (0.6186721229, 8.7672730697)),
            (12, 0.05, (6.2005751087, 20.9615850480)),
            (1000, 0.05, (938.9730184077, 1063.9521360163)),
            (100_000, 0.05, (99381.15266374, 100621.74473974)),
        ] {
            let (low, high) = garwood(k, alpha).unwrap();
            near(low, want.0);
            near(high, want.1);
        }
    }

    // Equal weights are Garwood's; weights 1, 2, 4, 4 by mpmath 1.3 (gammainc, bisected at 30 digits).
    #[test]
    fn fay_feuer_of_equal_and_unequal_weights() {
        let (low, high) = fay_feuer(3.0, 3.0, 1.0, 0.05).unwrap();
        near(low, 0.6186721229);
        near(high, 8.7672730697);
        let (low, high) = fay_feuer(11.0, 37.0, 4.0, 0.05).unwrap();
        near(low, 2.483776409841);
        near(high, 32.27419424280);
        assert_eq!(fay_feuer(0.0, 0.0, 0.0, 0.05), None);
        assert_eq!(fay_feuer(1.0, f64::INFINITY, 1.0, 0.05), None);
        assert_eq!(fay_feuer(1.0, 1.0, 1.0, 0.0), None);
    }

    #[test]
    fn bounds_after_nothing_was_seen() {
        near(no_success_upper(50, 0.05).unwrap(), 0.0581550791);
        near(no_event_rate_upper(24.0, 0.05).unwrap(), 0.1248221781);
        assert_eq!(no_success_upper(0, 0.05), None);
        assert_eq!(no_event_rate_upper(0.0, 0.05), None);
    }
}
