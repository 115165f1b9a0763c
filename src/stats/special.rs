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

    fn near(got: f64, want: f64, within: f64) {
        assert!((got / want - 1.0).abs() < within, "{got:e} against {want:e}");
    }

    // mpmath 1.3.0, 40 digits: sum of binomial(n, j) p^j (1 - p)^(n - j). By hand: 1/4; (4 + 1)/16.
    #[test]
    fn binomial_tails_on_both_sides_of_the_middle() {
        for (k, n, p, want) in [
            (1, 1, 0.25, 0.25),
            (3, 4, 0.5, 0.3125),
            (3, 10, 0.9, 0.9999996264),
            (10, 40, 0.75, 0.9999999999950945),
            (35, 40, 0.75, 0.04327398257201561),
            (39, 40, 0.75, 0.0001441443873168041),
            (520, 1000, 0.5, 0.10872414660207047),
        ] {
            near(binomial_upper_tail(k, n, p).p, want, 1e-12);
        }
        // Where the library's own fraction has long stopped; its logarithms of factorials of 1e5 have ten digits.
        near(binomial_upper_tail(60_010, 120_000, 0.5).p, 0.47812968508370407, 1e-9);
    }

    #[test]
    fn tails_without_chance() {
        assert_eq!(binomial_upper_tail(0, 0, 0.5), Tail::CERTAIN);
        assert_eq!(binomial_upper_tail(0, 3, 0.0), Tail::CERTAIN);
        assert_eq!(binomial_upper_tail(3, 3, 1.0), Tail::CERTAIN);
        assert_eq!(binomial_upper_tail(4, 3, 1.0), Tail::IMPOSSIBLE);
        assert_eq!(binomial_upper_tail(1, 3, 0.0), Tail::IMPOSSIBLE);
        assert_eq!(binomial_upper_tail(1, 3, f64::NAN), Tail::IMPOSSIBLE);
    }

    // mpmath 1.3.0: ln betainc(a, b, 0, x, regularized=True), ln betainc(a, b, x, 1, regularized=True).
    #[test]
    fn both_sides_of_the_beta_distribution_keep_their_digits() {
        for (a, b, x, low, high) in [
            (2.5, 0.5, 0.3, -3.9671592496583297, -0.019108534787510754),
            (0.5, 2.5, 0.9, -0.0011150589887767308, -6.799405448424833),
            (50.0, 3.0, 0.999, -2.1303444082621122e-05, -10.756652456003325),
            (3.0, 50.0, 0.0001, -17.631362925060767, -2.2018938476632146e-08),
            (200.0, 300.0, 0.4, -0.6883017062147304, -0.6980162478923904),
        ] {
            let got = ln_beta_regularised(a, b, x);
            // Of a side that is nearly certain the logarithm has the digits that the probability has.
            for (got, want) in [(got.0, low), (got.1, high)] {
                assert!((got - want).abs() < 1e-12 * want.abs().max(1.0), "{a} {b} {x}: {got:e} against {want:e}");
            }
        }
        assert_eq!(ln_beta_regularised(2.0, 3.0, 0.0), (f64::NEG_INFINITY, 0.0));
        assert_eq!(ln_beta_regularised(2.0, 3.0, 1.0), (0.0, f64::NEG_INFINITY));
    }

    // mpmath 1.3.0: bisection of betainc and of gammainc, regularised. By hand: P(1, x) = 1 - exp(-x), -ln(.025).
    #[test]
    fn quantiles_match_mpmath() {
        for (a, b, p, want) in [
            (2.0, 3.0, 0.3, 0.27238394207510536),
            (0.5, 8.0, 0.975, 0.27651331792187195),
            (40.0, 2.0, 0.025, 0.8714459796158537),
        ] {
            near(beta_quantile(a, b, p), want, 1e-12);
        }
        for (a, p, want) in [
            (0.5, 0.05, 0.0019660700000097616),
            (1.0, 0.975, 3.6888794541139354),
            (7.0, 0.025, 2.8143630515198663),
            (7.0, 0.975, 13.059474022518684),
            (2500.0, 0.975, 2598.9418859618986),
        ] {
            near(gamma_quantile(a, p), want, 1e-9);
        }
    }

    // By hand: P(1, x) = 1 - exp(-x), here at x = 30. The bound that is looked in first, a + 10 sqrt(a) + 10, is 21.
    #[test]
    fn a_quantile_beyond_the_first_bound_is_found() {
        let upper = (-30.0_f64).exp();
        near(gamma_quantile(1.0, 1.0 - upper), -(1.0 - (1.0 - upper)).ln(), 1e-9);
    }

    #[test]
    fn bisection_ends_at_the_first_number_that_holds() {
        assert_eq!(bisect(0.0, 1.0, |x| x >= 0.3), 0.3);
        assert_eq!(bisect(-8.0, -1.0, |x| x >= -5.5), -5.5);
        assert_eq!(bisect(0.0, 1.0, |_| false), 1.0);
    }

    // By hand: of 5 things 2 in 10 ways, all of them in one, and 6 in none.
    #[test]
    fn ways_to_choose() {
        near(ln_choose(5, 2), 10.0_f64.ln(), 1e-14);
        assert_eq!(ln_choose(5, 5), 0.0);
        assert_eq!(ln_choose(5, 6), f64::NEG_INFINITY);
    }

    // mpmath 1.3.0: exp(-z^2/2)/(x s sqrt(2 pi)) and erfc(-z/sqrt 2)/2 at z = (ln x - m)/s.
    #[test]
    fn lognormal_of_any_width() {
        for (x, m, s, density, cumulative) in [
            (2.5, 0.7, 0.6, 0.24923022835674813, 0.6407575969611975),
            (0.3, 0.7, 0.6, 0.014421739930761512, 0.0007536146388153425),
            (0.9, -1.5, 2.0, 0.17379955796342586, 0.757198642132165),
        ] {
            let lag = LogNormal { m, s };
            near(lag.density(x), density, 1e-12);
            near(lag.cumulative(x), cumulative, 1e-9);
        }
        let lag = LogNormal { m: 0.0, s: 1.0 };
        assert_eq!((lag.density(0.0), lag.cumulative(0.0), lag.cumulative(-1.0)), (0.0, 0.0, 0.0));
    }

    // mpmath 1.3.0: erfc(sqrt(x/2)). 3.841458820694124 is the square of the 97.5 % quantile of the normal distribution.
    #[test]
    fn chi_squared_of_every_size() {
        for (x, want) in
            [(0.5, 0.4795001221869535), (3.841458820694124, 0.05), (30.0, 4.3204630578274975e-08), (-1.0, 1.0)]
        {
            near(chi_squared_1_upper(x), want, 1e-9);
        }
        assert_eq!(chi_squared_1_upper(0.0), 1.0);
    }
}
