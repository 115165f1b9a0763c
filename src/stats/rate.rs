//! Two Poisson rates compared.

use super::special::binomial_upper_tail;
use super::{Tail, clopper_pearson};

/// Events on a side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    pub events: u64,
    /// Time or opportunities in which they were counted, in any unit shared by both sides, > 0.
    pub exposure: f64,
}

/// How one rate compares with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRatio {
    /// Rate of the first over rate of the second; `None` if the second saw no event.
    pub ratio: Option<f64>,
    /// Exact interval of the ratio; the upper end is infinite if the second saw no event.
    pub interval: (f64, f64),
    /// P(at least as many on the first side, given the total, if rates are equal).
    pub greater: Tail,
    /// P(at most as many on the first side).
    pub less: Tail,
}

/// Conditional test of two Poisson rates: given the total, events of the first side are binomial with probability
/// `t1 / (t1 + t0)`. `None` without events or with an exposure that is not positive.
///
/// Over-dispersed counts (bursts) break it: permute hosts or runs instead.
/// Source: Przyborowski & Wilenski, Biometrika 31 (1940) 313.
pub fn rate_ratio(first: Counted, second: Counted, alpha: f64) -> Option<RateRatio> {
    let total = first.events.checked_add(second.events)?;
    let usable = |exposure: f64| exposure > 0.0 && exposure.is_finite();
    if total == 0 || !usable(first.exposure) || !usable(second.exposure) {
        return None;
    }
    let share = first.exposure / (first.exposure + second.exposure);
    let (low, high) = clopper_pearson(first.events, total, alpha)?;
    let scale = second.exposure / first.exposure;
    let odds = |p: f64| if p >= 1.0 { f64::INFINITY } else { p / (1.0 - p) * scale };
    Some(RateRatio {
        ratio: (second.events > 0).then(|| first.events as f64 / second.events as f64 * scale),
        interval: (odds(low), odds(high)),
        greater: binomial_upper_tail(first.events, total, share),
        less: binomial_upper_tail(second.events, total, 1.0 - share),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: binom.sf(10, 13, .25); interval by beta.ppf of 11 in 13, l/(1-l) * 10800/3600.
    #[test]
    fn conditional_poisson_matches_scipy() {
        let first = Counted { events: 11, exposure: 3600.0 };
        let second = Counted { events: 2, exposure: 10800.0 };
        let got = rate_ratio(first, second, 0.05).unwrap();
        assert!((got.greater.p / 1.10566617e-05 - 1.0).abs() < 1e-8);
        assert!((got.ratio.unwrap() - 16.5).abs() < 1e-12);
        assert!((got.interval.0 - 3.60108044842149).abs() < 1e-11);
        assert!((got.interval.1 - 153.195722128695).abs() < 1e-9);
        // Swapped sides mirror: the same P on the other side, reciprocal interval.
        let mirror = rate_ratio(second, first, 0.05).unwrap();
        assert!((mirror.less.p / got.greater.p - 1.0).abs() < 1e-12);
        assert!((mirror.interval.0 * got.interval.1 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn edges() {
        let none = Counted { events: 0, exposure: 10.0 };
        let some = Counted { events: 3, exposure: 10.0 };
        assert_eq!(rate_ratio(none, none, 0.05), None);
        assert_eq!(rate_ratio(some, Counted { events: 1, exposure: 0.0 }, 0.05), None);
        let got = rate_ratio(some, none, 0.05).unwrap();
        assert_eq!((got.ratio, got.interval.1), (None, f64::INFINITY));
        // Three of three on one side at even exposure: 1/8.
        assert!((got.greater.p - 0.125).abs() < 1e-14);
    }
}
