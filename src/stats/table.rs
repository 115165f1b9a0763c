//! Fisher's exact test of a 2x2 table.

use super::special::ln_choose;

/// Tables with more possible values than this are refused: the tests here are for counts of runs and episodes.
const MOST_VALUES: u64 = 5_000_000;

/// The hypergeometric distribution of the upper left cell of a 2x2 table with fixed margins.
#[derive(Clone, Debug)]
pub(super) struct Hypergeometric {
    /// Smallest possible value.
    pub(super) low: u64,
    /// Probabilities of `low`, `low + 1`, ...
    pub(super) mass: Vec<f64>,
}

impl Hypergeometric {
    /// From the cells of a table `[[a, b], [c, d]]`. `None` if sums overflow or the table is too large.
    pub(super) fn of([[a, b], [c, d]]: [[u64; 2]; 2]) -> Option<Self> {
        let row = a.checked_add(b)?;
        let column = a.checked_add(c)?;
        let rest = c.checked_add(d)?;
        let total = row.checked_add(rest)?;
        let low = column.saturating_sub(rest);
        let high = row.min(column);
        if high - low > MOST_VALUES {
            return None;
        }
        let ln_all = ln_choose(total, column);
        let mass = (low..=high).map(|x| (ln_choose(row, x) + ln_choose(rest, column - x) - ln_all).exp()).collect();
        Some(Hypergeometric { low, mass })
    }
}

/// The outcome of Fisher's exact test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fisher {
    /// Sum of the probabilities of all tables that are at most as probable as the one seen.
    pub two_sided: f64,
    /// P(upper left cell >= seen): the first row has more than its share.
    pub greater: f64,
    /// P(upper left cell <= seen).
    pub less: f64,
}

/// Fisher's exact test of the table `[[a, b], [c, d]]`. `None` if the table is absurdly large (more than five
/// million possible values).
///
/// Descriptive only where rows are episodes of the same run: those are not independent.
pub fn fisher(table: [[u64; 2]; 2]) -> Option<Fisher> {
    let distribution = Hypergeometric::of(table)?;
    let seen = usize::try_from(table[0][0].checked_sub(distribution.low)?).ok()?;
    let at = *distribution.mass.get(seen)?;
    // Equal probabilities differ in the last bits only; scipy uses the same relative tolerance.
    let limit = at * (1.0 + 1e-7);
    let two_sided: f64 = distribution.mass.iter().filter(|p| **p <= limit).sum();
    let greater: f64 = distribution.mass.iter().skip(seen).rev().sum();
    let less: f64 = distribution.mass.iter().take(seen + 1).sum();
    Some(Fisher { two_sided: two_sided.min(1.0), greater: greater.min(1.0), less: less.min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: stats.fisher_exact(table, alternative=...).pvalue for two-sided, greater, less.
    #[test]
    fn fisher_matches_scipy() {
        for (table, two, greater, less) in [
            ([[8, 2], [1, 5]], 0.0349650350, 0.0244755245, 0.9991258741),
            ([[3, 1], [1, 3]], 0.4857142857, 0.2428571429, 0.9857142857),
            ([[0, 10], [12, 2]], 6.730380939561179e-05, 1.0, 3.3651904697805894e-05),
            ([[100, 2], [50, 250]], 1.8218633509223247e-53, 1.8218633509223247e-53, 1.0),
            ([[1, 9], [11, 3]], 0.0027594561852200836, 0.9999663480953022, 0.0013797280926100418),
        ] {
            let got = fisher(table).unwrap();
            for (got, want) in [(got.two_sided, two), (got.greater, greater), (got.less, less)] {
                assert!((got / want - 1.0_f64).abs() < 3e-9, "{table:?}: {got:e} against {want:e}");
            }
        }
    }

    #[test]
    fn empty_and_absurd_tables() {
        assert_eq!(fisher([[0, 0], [0, 0]]), Some(Fisher { two_sided: 1.0, greater: 1.0, less: 1.0 }));
        assert_eq!(fisher([[u64::MAX, 1], [1, 1]]), None);
        assert_eq!(fisher([[1 << 40, 1 << 40], [1 << 40, 1 << 40]]), None);
    }
}
