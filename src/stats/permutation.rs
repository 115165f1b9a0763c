//! Permutation of labels over groups (runs), the unit over which configurations are compared.

use super::random::Random;

/// Arrangements up to which all of them are looked at.
const MOST_ARRANGEMENTS: u64 = 200_000;

/// P of a Monte Carlo test in which `as_extreme` of `draws` were at least as extreme as what was seen: never zero.
/// Source: Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
pub fn phipson_smyth(as_extreme: u64, draws: u64) -> f64 {
    (as_extreme.min(draws) as f64 + 1.0) / (draws as f64 + 1.0)
}

/// The outcome of a permutation test of labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permutation {
    /// Mean of the labelled minus mean of the others.
    pub difference: f64,
    /// P(at least as large a difference in either direction).
    pub two_sided: f64,
    /// P(at least as large a difference in this direction: labelled higher).
    pub greater: f64,
    /// Whether all arrangements were looked at; if not, `looked_at` were drawn.
    pub exact: bool,
    /// Arrangements looked at.
    pub looked_at: u64,
    /// The smallest two-sided P that any outcome could have reached with so many groups. Above the level: "no
    /// inference over configurations is possible".
    pub smallest_two_sided: f64,
}

/// Difference of group means tested by permuting the labels over the values (one value per run, such as its rate or
/// log rate). Exact while there are at most 2e5 arrangements, else `draws` arrangements from the seeded generator.
///
/// `None` if lengths differ, a value is not finite, one side is empty, or draws are needed and `draws` is 0.
pub fn permute_labels(values: &[f64], labelled: &[bool], draws: u64, seed: u64) -> Option<Permutation> {
    let n = values.len();
    let k = labelled.iter().filter(|l| **l).count();
    if labelled.len() != n || k == 0 || k == n || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    // Ordered, so that sums do not depend on the order in which runs were read.
    let mut runs: Vec<(f64, bool)> = values.iter().copied().zip(labelled.iter().copied()).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let sorted: Vec<f64> = runs.iter().map(|r| r.0).collect();
    let total: f64 = sorted.iter().sum();
    let difference = |sum: f64| sum / k as f64 - (total - sum) / (n - k) as f64;
    let seen = difference(runs.iter().filter(|r| r.1).map(|r| r.0).sum());
    let largest = sorted.iter().fold(0.0_f64, |high, v| high.max(v.abs()));
    let slack = 1e-12 * largest.max(f64::MIN_POSITIVE);
    let (mut either, mut above, mut looked_at) = (0_u64, 0_u64, 0_u64);
    let mut look = |sum: f64| {
        let d = difference(sum);
        looked_at += 1;
        either += u64::from(d.abs() >= seen.abs() - slack);
        above += u64::from(d >= seen - slack);
    };
    let arrangements = choose(n as u64, k as u64);
    let exact = arrangements.is_some_and(|a| a <= MOST_ARRANGEMENTS);
    if exact {
        each_subset(n, k, |chosen| look(chosen.iter().filter_map(|i| sorted.get(*i)).sum()));
    } else if draws == 0 {
        return None;
    } else {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..n).collect();
        for _ in 0..draws {
            random.shuffle(&mut order);
            let mut chosen: Vec<usize> = order.iter().take(k).copied().collect();
            chosen.sort_unstable();
            look(chosen.iter().filter_map(|i| sorted.get(*i)).sum());
        }
    }
    let share = |count: u64| if exact { count as f64 / looked_at as f64 } else { phipson_smyth(count, looked_at) };
    let mirrored = if 2 * k == n { 2.0 } else { 1.0 };
    let smallest = match arrangements {
        Some(all) if exact => mirrored / all as f64,
        _ => phipson_smyth(0, draws),
    };
    Some(Permutation {
        difference: seen,
        two_sided: share(either),
        greater: share(above),
        exact,
        looked_at,
        smallest_two_sided: smallest,
    })
}

/// The smallest two-sided P over `n` groups of which `k` are labelled, if all arrangements are looked at.
pub fn smallest_two_sided(n: u64, k: u64) -> Option<f64> {
    let all = choose(n, k).filter(|all| *all > 1)?;
    Some(if n == 2 * k { 2.0 } else { 1.0 } / all as f64)
}

/// Ways to choose `k` of `n`; `None` if they overflow.
fn choose(n: u64, k: u64) -> Option<u64> {
    let k = k.min(n.checked_sub(k)?);
    (0..k).try_fold(1_u64, |ways, i| u64::try_from(u128::from(ways) * u128::from(n - i) / u128::from(i + 1)).ok())
}

/// Calls `visit` with each sorted choice of `k` of `0..n`.
fn each_subset(n: usize, k: usize, mut visit: impl FnMut(&[usize])) {
    let mut chosen: Vec<usize> = (0..k).collect();
    loop {
        visit(&chosen);
        let Some(i) = (0..k).rev().find(|i| chosen.get(*i).is_some_and(|c| *c < n - k + i)) else { return };
        let start = chosen.get(i).copied().unwrap_or_default() + 1;
        for (step, slot) in chosen.iter_mut().skip(i).enumerate() {
            *slot = start + step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monte_carlo_is_never_zero() {
        assert_eq!(phipson_smyth(0, 999), 0.001);
        assert_eq!(phipson_smyth(5, 999), 0.006);
    }

    // scipy 1.17.1: stats.permutation_test((a, b), |mean a - mean b|, permutation_type='independent',
    // n_resamples=inf, alternative='greater') for the labelled and other values: 0.3915, 2 of 126.
    #[test]
    fn enumeration_matches_scipy() {
        let values = [0.01, 0.20, 0.15, 0.40, 0.5, 0.32, 0.11, 0.9, 0.02];
        let labelled = [true, false, true, false, false, false, true, false, true];
        let got = permute_labels(&values, &labelled, 0, 0).unwrap();
        assert!((got.difference + 0.3915).abs() < 1e-12);
        assert!((got.two_sided - 2.0 / 126.0).abs() < 1e-15);
        assert_eq!((got.exact, got.looked_at), (true, 126));
    }

    // 3+3 runs can reach .10, 4+4 .029, 5+5 .0079 and no less.
    #[test]
    fn few_runs_cannot_decide() {
        for (runs, want) in [(3, 0.1), (4, 2.0 / 70.0), (5, 2.0 / 252.0)] {
            let values: Vec<f64> = (0..2 * runs).map(f64::from).collect();
            let labelled: Vec<bool> = (0..2 * runs).map(|i| i >= runs).collect();
            let got = permute_labels(&values, &labelled, 0, 0).unwrap();
            assert!((got.two_sided - want).abs() < 1e-15 && (got.smallest_two_sided - want).abs() < 1e-15);
            assert_eq!(smallest_two_sided(2 * runs as u64, runs as u64), Some(got.smallest_two_sided));
        }
    }

    // 12+12 runs have 2.7 million arrangements: drawn. The exact P of this alternating design is near 1.
    #[test]
    fn many_runs_are_drawn_and_reproducible() {
        let values: Vec<f64> = (0..24).map(f64::from).collect();
        let labelled: Vec<bool> = (0..24).map(|i| i % 2 == 0).collect();
        let got = permute_labels(&values, &labelled, 2000, 7).unwrap();
        assert!(!got.exact && got.looked_at == 2000 && got.two_sided > 0.6);
        assert_eq!(permute_labels(&values, &labelled, 2000, 7), Some(got));
        let (mut v, mut l) = (values, labelled);
        v.reverse();
        l.reverse();
        assert_eq!(permute_labels(&v, &l, 2000, 7), Some(got));
        assert_eq!(permute_labels(&v, &l, 0, 7), None);
    }

    #[test]
    fn impossible_designs() {
        assert_eq!(permute_labels(&[1.0, 2.0], &[true, true], 9, 0), None);
        assert_eq!(permute_labels(&[1.0, f64::NAN], &[true, false], 9, 0), None);
        assert_eq!(permute_labels(&[1.0], &[true, false], 9, 0), None);
        assert_eq!(choose(64, 32), Some(1_832_624_140_942_590_534));
        assert_eq!(choose(80, 40), None);
    }
}
