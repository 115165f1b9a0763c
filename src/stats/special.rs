use statrs::function::{erf::erfc, gamma};

use super::Tail;

/// Natural logarithm of n!.
pub(super) fn ln_factorial(n: u64) -> f64 {
    statrs::function::factorial::ln_factorial(n)
}

/// Natural logarithm of the number of ways to choose `k` of `n`; negative infinity if `k > n`.
pub(super) fn ln_choose(n: u64, k: u64) -> f64 {
    if k > n { f64::NEG_INFINITY } else { ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k) }
}

/// Natural logarithms of the regularised incomplete beta function I_x(a, b) and of its complement.
///
/// The continued fraction (Numerical Recipes 6.4, modified Lentz) needs about sqrt(max(a, b)) terms; the library at
/// hand stops after 140, which is wrong from a few ten thousand trials on. Whichever side converges is computed
/// directly, so that small tails keep their relative accuracy.
pub(super) fn ln_beta_regularised(a: f64, b: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (f64::NEG_INFINITY, 0.0);
    }
    if x >= 1.0 {
        return (0.0, f64::NEG_INFINITY);
    }
    let ln_front = gamma::ln_gamma(a + b) - gamma::ln_gamma(a) - gamma::ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let complement = |ln: f64| if ln >= 0.0 { f64::NEG_INFINITY } else { (-ln.exp_m1()).ln() };
    if x < (a + 1.0) / (a + b + 2.0) {
        let low = (ln_front + beta_fraction(a, b, x).ln() - a.ln()).min(0.0);
        (low, complement(low))
    } else {
        let high = (ln_front + beta_fraction(b, a, 1.0 - x).ln() - b.ln()).min(0.0);
        (complement(high), high)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..=200_000_u32 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// The x at which I_x(a, b) reaches `p`, by bisection to the last bit.
pub(super) fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let ln_p = p.ln();
    bisect(0.0, 1.0, |x| ln_beta_regularised(a, b, x).0 >= ln_p)
}

/// The x at which the regularised lower incomplete gamma function P(a, x) reaches `p`.
pub(super) fn gamma_quantile(a: f64, p: f64) -> f64 {
    let reached = |x: f64| {
        // The side that is small is the one with digits.
        if p <= 0.5 { gamma::gamma_lr(a, x) >= p } else { gamma::gamma_ur(a, x) <= 1.0 - p }
    };
    let mut high = a + 10.0 * a.sqrt() + 10.0;
    while !reached(high) && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, reached)
}

/// The smallest argument between `low` and `high` at which a monotone condition holds.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..1100 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// P(X >= k) for X binomial with `n` trials of probability `p`. Exact to float accuracy also far below 1e-308.
pub fn binomial_upper_tail(k: u64, n: u64, p: f64) -> Tail {
    if k == 0 {
        Tail::CERTAIN
    } else if k > n || p <= 0.0 || p.is_nan() {
        Tail::IMPOSSIBLE
    } else if p >= 1.0 {
        Tail::CERTAIN
    } else {
        Tail::from_ln(ln_beta_regularised(k as f64, (n - k) as f64 + 1.0, p).0)
    }
}

/// Upper tail of the chi-squared distribution with one degree of freedom.
pub(super) fn chi_squared_1_upper(x: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { erfc((x / 2.0).sqrt()) }
}

/// A lognormal distribution of a positive quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    /// Median of the natural logarithm.
    pub m: f64,
    /// Standard deviation of the natural logarithm, > 0.
    pub s: f64,
}

impl LogNormal {
    /// Density at `x`; 0 for `x <= 0`.
    pub fn density(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return 0.0;
        }
        let z = (x.ln() - self.m) / self.s;
        (-0.5 * z * z).exp() / (x * self.s * (2.0 * std::f64::consts::PI).sqrt())
    }

    /// P(X <= x); 0 for `x <= 0`.
    pub fn cumulative(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { 0.5 * erfc(-((x.ln() - self.m) / self.s) / std::f64::consts::SQRT_2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: stats.binom.sf(99, 1000, .05); stats.binom.sf(0, 10, .1); stats.binom.sf(10, 13 - 0, .25) (binomtest).
    #[test]
    fn binomial_tails_match_scipy() {
        for (k, n, p, want) in [
            (100, 1000, 0.05, 8.410251084877321e-11),
            (1, 10, 0.1, 0.6513215599),
            (11, 13, 0.25, 1.1056661605834961e-05),
        ] {
            let got = binomial_upper_tail(k, n, p).p;
            assert!((got / want - 1.0).abs() < 1e-11, "{k} of {n} at {p}: {got:e} against {want:e}");
        }
    }

    // P(X >= n) = p^n: 0.1^1000 = 1e-1000, far below the smallest float.
    #[test]
    fn binomial_tail_survives_underflow() {
        let tail = binomial_upper_tail(1000, 1000, 0.1);
        assert_eq!(tail.p, 0.0);
        assert!((tail.log10 + 1000.0).abs() < 1e-9, "{}", tail.log10);
    }

    // scipy 1.17.1: stats.lognorm.pdf(.9, 1, scale=.8), stats.lognorm.cdf(.9, 1, scale=.8).
    #[test]
    fn lognormal_matches_scipy() {
        let lag = LogNormal { m: 0.8_f64.ln(), s: 1.0 };
        assert!((lag.density(0.9) - 0.4402051374275318).abs() < 1e-14);
        assert!((lag.cumulative(0.9) - 0.5468802142204939).abs() < 1e-14);
        assert_eq!(lag.density(-1.0), 0.0);
    }

    // scipy 1.17.1: stats.chi2.sf(x, 1).
    #[test]
    fn chi_squared_matches_scipy() {
        for (x, want) in [(16.2284697509, 5.614400981195256e-05), (100.0, 1.5239706048320995e-23)] {
            // The error function at hand has ten digits.
            assert!((chi_squared_1_upper(x) / want - 1.0).abs() < 1e-9);
        }
    }
}
