//! Words for weights of evidence, and what a P value can be worth at most.

use std::f64::consts::{E, LN_10};

/// Weights of evidence are never totalled beyond this many bans: nobody has the reference data to back more.
pub const MOST_BANS: f64 = 6.0;

/// The verbal scale (after the ENFSI guideline for evaluative reporting, 2015), as printed in reports.
pub const SCALE: [(f64, &str); 7] = [
    (0.3, "no support"),
    (1.0, "weak"),
    (2.0, "moderate"),
    (3.0, "moderately strong"),
    (4.0, "strong"),
    (6.0, "very strong"),
    (f64::INFINITY, "extremely strong"),
];

/// The word for a weight of evidence in bans (log10 of a likelihood ratio). The mirrored word with "against" if it
/// favours the alternative. A total of exactly [`MOST_BANS`] is "very strong".
pub fn words(log10_lr: f64) -> &'static str {
    if log10_lr.is_nan() {
        return "no support";
    }
    let size = log10_lr.abs();
    let level = SCALE.iter().position(|(below, _)| size < *below || (size == MOST_BANS && *below == MOST_BANS));
    match (level.unwrap_or(SCALE.len() - 1), log10_lr < 0.0) {
        (0, _) => "no support",
        (level, false) => SCALE[level].1,
        (1, true) => "weak against",
        (2, true) => "moderate against",
        (3, true) => "moderately strong against",
        (4, true) => "strong against",
        (5, true) => "very strong against",
        (_, true) => "extremely strong against",
    }
}

/// The most that a P value can be worth as a likelihood ratio: `1 / (-e p ln p)` for `p < 1/e`, else 1.
/// `None` outside of (0, 1]. To be printed as "at most". Source: Sellke, Bayarri & Berger, American Statistician 55
/// (2001) 62.
pub fn sellke_bound(p: f64) -> Option<f64> {
    if !(p > 0.0 && p <= 1.0) {
        None
    } else if p >= 1.0 / E {
        Some(1.0)
    } else {
        Some(1.0 / (-E * p * p.ln()))
    }
}

/// The same in bans from the decimal logarithm of P, for tails too small for a float. `None` for a positive or
/// infinite logarithm.
pub fn sellke_bound_log10(log10_p: f64) -> Option<f64> {
    if !(log10_p <= 0.0 && log10_p.is_finite()) {
        return None;
    }
    let ln_p = log10_p * LN_10;
    Some(if ln_p >= -1.0 { 0.0 } else { -(1.0 + ln_p + (-ln_p).ln()) / LN_10 })
}

/// log10 of a ratio of two densities or probabilities, without overflow on the way. Zero against zero says nothing.
pub fn log10_ratio(numerator: f64, denominator: f64) -> f64 {
    if numerator <= 0.0 && denominator <= 0.0 {
        0.0
    } else if numerator <= 0.0 {
        f64::NEG_INFINITY
    } else if denominator <= 0.0 {
        f64::INFINITY
    } else {
        numerator.log10() - denominator.log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_printed_scale() {
        for (x, want) in [
            (0.0, "no support"),
            (0.29, "no support"),
            (0.3, "weak"),
            (1.0, "moderate"),
            (2.5, "moderately strong"),
            (3.4, "strong"),
            (4.0, "very strong"),
            (6.0, "very strong"),
            (6.01, "extremely strong"),
            (f64::INFINITY, "extremely strong"),
            (-0.2, "no support"),
            (-0.8, "weak against"),
            (-3.1, "strong against"),
            (-6.0, "very strong against"),
            (f64::NEG_INFINITY, "extremely strong against"),
        ] {
            assert_eq!(words(x), want, "{x}");
        }
    }

    #[test]
    fn p_values_are_worth_little() {
        for (p, want) in [(0.05, 2.456), (0.01, 7.988), (0.001, 53.26)] {
            let got = sellke_bound(p).unwrap();
            assert!((got - want).abs() < 6e-4 * want, "{p}: {got}");
            assert!((sellke_bound_log10(p.log10()).unwrap() - got.log10()).abs() < 1e-12);
        }
        assert_eq!(sellke_bound(0.5), Some(1.0));
        assert_eq!(sellke_bound(0.0), None);
        assert!(sellke_bound_log10(-400.0).unwrap() > 396.0);
    }

    #[test]
    fn ratios_of_nothing() {
        assert_eq!(log10_ratio(0.0, 0.0), 0.0);
        assert_eq!(log10_ratio(1e-300, 1e-290), -10.0);
        assert_eq!(log10_ratio(0.0, 1.0), f64::NEG_INFINITY);
    }
}
