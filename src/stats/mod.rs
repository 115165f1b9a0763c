//! Exact tests and intervals: small pure functions, each with its source and golden vectors.
//!
//! Functions take plain integers and floats and return `None` for arguments that have no answer (an impossible
//! count, a level outside of (0, 1)), never a made-up number. Nothing here reads a clock, the environment or a
//! source of randomness: Monte Carlo methods take a seed and are reproducible on every machine.

pub mod adjust;
pub mod calibration;
pub mod coincidence;
pub mod dispersion;
pub mod hash;
pub mod interval;
pub mod permutation;
pub mod poisson_binomial;
pub mod random;
pub mod rate;
pub mod scale;
mod special;
pub mod stratified;
pub mod table;
pub mod trend;

pub use adjust::{benjamini_hochberg, benjamini_yekutieli, holm};
pub use interval::{clopper_pearson, fay_feuer, garwood, no_event_rate_upper, no_success_upper, wilson_95};
pub use permutation::{Permutation, Undirected, permute_groups, permute_labels, permute_order, phipson_smyth};
pub use poisson_binomial::upper_tail as poisson_binomial_tail;
pub use scale::{sellke_bound, words};
pub use special::{LogNormal, binomial_upper_tail};

/// A tail probability that stays meaningful when it is too small for a float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The probability; 0 only if it is impossible or below about 1e-308, see `log10`.
    pub p: f64,
    /// Its decimal logarithm, exact where `p` has underflowed. Negative infinity if the tail is impossible.
    pub log10: f64,
}

impl Tail {
    /// A certain event.
    pub const CERTAIN: Tail = Tail { p: 1.0, log10: 0.0 };
    /// An impossible event.
    pub const IMPOSSIBLE: Tail = Tail { p: 0.0, log10: f64::NEG_INFINITY };

    /// From a probability.
    pub fn from_p(p: f64) -> Tail {
        let p = p.clamp(0.0, 1.0);
        Tail { p, log10: p.log10() }
    }

    /// From the natural logarithm of a probability.
    pub fn from_ln(ln: f64) -> Tail {
        let ln = ln.min(0.0);
        Tail { p: ln.exp(), log10: ln / std::f64::consts::LN_10 }
    }
}
