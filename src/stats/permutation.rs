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

/// The outcome of a permutation test without a direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Undirected {
    /// P(at least as extreme).
    pub p: f64,
    /// Whether all arrangements were looked at; if not, `looked_at` were drawn.
    pub exact: bool,
    pub looked_at: u64,
    /// The smallest P that any outcome could have reached with so many groups.
    pub smallest: f64,
}

/// Whether values (one per run) differ between more than one group of runs: the sum of squares between groups, tested by
/// permuting the group labels over the values. Exact while there are at most 2e5 arrangements, else drawn.
///
/// `labels[i]` is the group of `values[i]`, from 0. `None` if lengths differ, a value is not finite, fewer than two groups
/// have a value, or draws are needed and `draws` is 0.
pub fn permute_groups(values: &[f64], labels: &[usize], draws: u64, seed: u64) -> Option<Undirected> {
    let groups = labels.iter().max()? + 1;
    if labels.len() != values.len() || values.iter().any(|value| !value.is_finite()) || groups > values.len() {
        return None;
    }
    let mut runs: Vec<(f64, usize)> = values.iter().copied().zip(labels.iter().copied()).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut sizes = vec![0_u64; groups];
    for (_, label) in &runs {
        *sizes.get_mut(*label)? += 1;
    }
    if sizes.iter().filter(|size| **size > 0).count() < 2 {
        return None;
    }
    let sorted: Vec<f64> = runs.iter().map(|run| run.0).collect();
    let between = |order: &[usize]| -> f64 {
        let mut sums = vec![0.0; groups];
        for (value, label) in sorted.iter().zip(order) {
            if let Some(sum) = sums.get_mut(*label) {
                *sum += value;
            }
        }
        sums.iter().zip(&sizes).filter(|(_, size)| **size > 0).map(|(sum, size)| sum * sum / *size as f64).sum()
    };
    let order: Vec<usize> = runs.iter().map(|run| run.1).collect();
    let seen = between(&order);
    let least = seen - 1e-12 * seen.abs().max(f64::MIN_POSITIVE);
    // Groups of one size may change places.
    let mut equal: std::collections::BTreeMap<u64, u64> = Default::default();
    let mut mirrored = 1_u64;
    for size in sizes.iter().filter(|size| **size > 0) {
        let same = equal.entry(*size).or_insert(0);
        *same += 1;
        mirrored = mirrored.saturating_mul(*same);
    }
    arranged(order, &sizes, mirrored as f64, (draws, seed), |order| between(order) >= least)
}

/// Whether values (one per run, in order of time or of checkpoints) rise or fall: the sum of place times value, tested
/// against all other orders, in either direction. Exact while there are at most 2e5 orders of distinct values, else drawn.
///
/// `None` for fewer than two values or one that is not finite, or if draws are needed and `draws` is 0.
pub fn permute_order(values: &[f64], draws: u64, seed: u64) -> Option<Undirected> {
    if values.len() < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let trend = |of: &mut dyn Iterator<Item = f64>| -> f64 {
        of.enumerate().map(|(place, value)| (place as f64 - middle) * value).sum::<f64>().abs()
    };
    let largest = sorted.iter().fold(0.0_f64, |high, value| high.max(value.abs()));
    let least = trend(&mut values.iter().copied()) - 1e-9 * largest.max(f64::MIN_POSITIVE);
    let mut order: Vec<usize> = Vec::with_capacity(sorted.len());
    for (place, value) in sorted.iter().enumerate() {
        let same = place.checked_sub(1).and_then(|before| Some((sorted.get(before)?, *order.get(before)?)));
        order.push(same.filter(|(before, _)| *before == value).map_or(place, |(_, name)| name));
    }
    let value_of = |name: &usize| sorted.get(*name).copied().unwrap_or_default();
    let mut sizes: std::collections::BTreeMap<usize, u64> = Default::default();
    for name in &order {
        *sizes.entry(*name).or_insert(0) += 1;
    }
    let sizes: Vec<u64> = sizes.into_values().collect();
    arranged(order, &sizes, 2.0, (draws, seed), |order| trend(&mut order.iter().map(value_of)) >= least)
}

/// P of a statistic under all arrangements of a multiset, if there are at most 2e5, else under `draws` of them. `order` is one
/// of them, `sizes` how often each of its members occurs, `mirrored` how many arrangements are as extreme as any at
/// the least. `None` if draws are needed and there are none.
fn arranged(
    mut order: Vec<usize>,
    sizes: &[u64],
    mirrored: f64,
    (draws, seed): (u64, u64),
    is_extreme: impl Fn(&[usize]) -> bool,
) -> Option<Undirected> {
    let mut left = order.len() as u64;
    let arrangements = sizes.iter().try_fold(1_u64, |ways, size| {
        let more = choose(left, *size)?;
        left -= size;
        ways.checked_mul(more)
    });
    let (mut extreme, mut looked_at) = (0_u64, 0_u64);
    if let Some(all) = arrangements.filter(|all| *all <= MOST_ARRANGEMENTS) {
        order.sort_unstable();
        loop {
            looked_at += 1;
            extreme += u64::from(is_extreme(&order));
            if !next_arrangement(&mut order) {
                break;
            }
        }
        let smallest = (mirrored / all as f64).min(1.0);
        return Some(Undirected { p: extreme as f64 / looked_at as f64, exact: true, looked_at, smallest });
    }
    if draws == 0 {
        return None;
    }
    let mut random = Random::new(seed);
    for _ in 0..draws {
        random.shuffle(&mut order);
        extreme += u64::from(is_extreme(&order));
    }
    let smallest = phipson_smyth(0, draws);
    Some(Undirected { p: phipson_smyth(extreme, draws), exact: false, looked_at: draws, smallest })
}

/// The next arrangement of a multiset in lexical order; `false` after the last.
fn next_arrangement(order: &mut [usize]) -> bool {
    let Some(pivot) = order.windows(2).rposition(|pair| matches!(pair, [a, b] if a < b)) else { return false };
    let Some(low) = order.get(pivot).copied() else { return false };
    let Some(swap) = order.iter().rposition(|name| *name > low) else { return false };
    order.swap(pivot, swap);
    if let Some(rest) = order.get_mut(pivot + 1..) {
        rest.reverse();
    }
    true
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

    // By hand: 6!/(2!2!2!) = 90 ways to label three pairs; the groups may change places in 3! ways: 6 of 90 are as far
    // apart as {0,0}, {1,1}, {5,5}.
    #[test]
    fn several_groups() {
        let values = [0.0, 0.0, 1.0, 1.0, 5.0, 5.0];
        let got = permute_groups(&values, &[0, 0, 1, 1, 2, 2], 0, 0).unwrap();
        assert!((got.p - 6.0 / 90.0).abs() < 1e-15 && (got.smallest - 6.0 / 90.0).abs() < 1e-15, "{got:?}");
        assert_eq!((got.exact, got.looked_at), (true, 90));
        // Of two groups the same as permute_labels.
        let labels = [0, 0, 1, 0, 1, 1];
        let two = permute_labels(&values, &labels.map(|label| label == 1), 0, 0).unwrap();
        let got = permute_groups(&values, &labels, 0, 0).unwrap();
        assert!((got.p - two.two_sided).abs() < 1e-15 && (got.smallest - two.smallest_two_sided).abs() < 1e-15);
        assert_eq!(permute_groups(&values, &[0; 6], 9, 0), None);
        assert_eq!(permute_groups(&values, &[0, 1], 9, 0), None);
    }

    // By hand: of 4! = 24 orders of four distinct values only the rising and the falling one are as steep: 2/24. Of
    // 0, 0, 1, 1 there are six orders, two of them as steep. Of 1, 0, 0 (2 of 3: the middle place alone is flat).
    #[test]
    fn trends() {
        let p = |values: &[f64]| permute_order(values, 0, 0).unwrap();
        assert!((p(&[1.0, 2.0, 3.0, 4.0]).p - 2.0 / 24.0).abs() < 1e-15);
        assert!((p(&[1.0, 1.0, 0.0, 0.0]).p - 2.0 / 6.0).abs() < 1e-15);
        assert!((p(&[1.0, 0.0, 0.0]).p - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(p(&[3.0, 3.0, 3.0]).p, 1.0);
        assert_eq!(permute_order(&[1.0], 9, 0), None);
        let many: Vec<f64> = (0..12).map(f64::from).collect();
        let drawn = permute_order(&many, 999, 3).unwrap();
        assert_eq!((drawn.exact, drawn.p), (false, 0.001));
    }

    #[test]
    fn impossible_designs() {
        assert_eq!(permute_labels(&[1.0, 2.0], &[true, true], 9, 0), None);
        assert_eq!(permute_labels(&[1.0, f64::NAN], &[true, false], 9, 0), None);
        assert_eq!(permute_labels(&[1.0], &[true, false], 9, 0), None);
        assert_eq!(choose(64, 32), Some(1_832_624_140_942_590_534));
        assert_eq!(choose(80, 40), None);
    }

    // By hand: sums of two of 0, 1, 2, 3 are 1, 2, 3, 3, 4, 5 of 6; one of six is as high as 5, and one as low as 1.
    #[test]
    fn the_direction_counts_the_labelled() {
        let values = [0.0, 1.0, 2.0, 3.0];
        let high = permute_labels(&values, &[false, false, true, true], 0, 0).unwrap();
        assert_eq!((high.difference, high.two_sided, high.greater), (2.0, 2.0 / 6.0, 1.0 / 6.0));
        let low = permute_labels(&values, &[true, true, false, false], 0, 0).unwrap();
        assert_eq!((low.difference, low.two_sided, low.greater), (-2.0, 2.0 / 6.0, 1.0));
        // One of three: no other outcome mirrors it.
        let one = permute_labels(&values[..3], &[false, false, true], 0, 0).unwrap();
        assert_eq!((one.looked_at, one.smallest_two_sided, one.greater), (3, 1.0 / 3.0, 1.0 / 3.0));
        assert_eq!(
            (smallest_two_sided(3, 1), smallest_two_sided(3, 3), smallest_two_sided(3, 4)),
            (Some(1.0 / 3.0), None, None)
        );
    }

    // By hand: .1 + .2 is as much as 0 + .3, but not in floats. Sums of two: .1, .2, .3, .3, .4, .5 of .6; four of six are a tenth
    // from the middle or more, and all are no less than nothing from it.
    #[test]
    fn rounding_breaks_no_tie() {
        for unit in [1e-6, 1.0, 1e6] {
            let values = [0.0, 0.1, 0.2, 0.3].map(|value| value * unit);
            for (labelled, two_sided, greater) in [
                ([true, false, false, true], 1.0, 4.0 / 6.0),
                ([false, true, true, false], 1.0, 4.0 / 6.0),
                ([true, false, true, false], 4.0 / 6.0, 5.0 / 6.0),
                ([false, true, false, true], 4.0 / 6.0, 2.0 / 6.0),
            ] {
                let got = permute_labels(&values, &labelled, 0, 0).unwrap();
                assert_eq!((got.two_sided, got.greater), (two_sided, greater), "{unit} {labelled:?}");
                let groups = permute_groups(&values, &labelled.map(usize::from), 0, 0).unwrap();
                assert_eq!(groups.p, two_sided, "{unit} {labelled:?}");
            }
        }
    }

    // One run of 24 is 1, the others 0. By hand: C(24, 8) = 735471 arrangements are too many; with the run among the 8 labelled the
    // difference is 1/8, else -1/16: a third are as far, or as high.
    #[test]
    fn drawn_shares_are_those_of_all_arrangements() {
        let mut values = [0.0; 24];
        values[3] = 1.0;
        let labelled: Vec<bool> = (0..24).map(|i| i < 8).collect();
        let got = permute_labels(&values, &labelled, 4000, 5).unwrap();
        // Five standard errors: 5 sqrt(2/9 / 4000).
        assert!((got.two_sided - 1.0 / 3.0).abs() < 0.038 && (got.greater - 1.0 / 3.0).abs() < 0.038, "{got:?}");
        assert_eq!((got.exact, got.looked_at, got.smallest_two_sided), (false, 4000, 1.0 / 4001.0));
        // In groups of 2, 10 and 12 the squares between are 1/2, 1/10, 1/12: a twelfth are as far apart as the first, a half as the
        // second.
        for (first, want) in [(0, 1.0 / 12.0), (2, 0.5)] {
            let labels: Vec<usize> = (0..24).map(|i| [0, 1, 2][usize::from(i >= 2) + usize::from(i >= 12)]).collect();
            let mut values = [0.0; 24];
            values[first] = 1.0;
            let got = permute_groups(&values, &labels, 4000, 5).unwrap();
            assert!((got.p - want).abs() < 0.04, "{got:?}");
            assert_eq!((got.exact, got.looked_at, got.smallest), (false, 4000, 1.0 / 4001.0));
            assert_eq!(permute_groups(&values, &labels, 0, 5), None);
        }
    }

    // By hand: 4!/2! = 12 ways to label one, one and two; the two alone may change places: 2 of 12 have both nines together.
    #[test]
    fn groups_of_one_size_change_places() {
        let got = permute_groups(&[0.0, 5.0, 9.0, 9.0], &[0, 1, 2, 2], 0, 0).unwrap();
        assert_eq!((got.p, got.smallest, got.looked_at), (2.0 / 12.0, 2.0 / 12.0, 12));
        // A label that nobody has is no group.
        let gap = permute_groups(&[0.0, 5.0, 9.0, 9.0], &[0, 1, 3, 3], 0, 0).unwrap();
        assert_eq!(gap, got);
        // By hand: 4!/(2! 2!) = 6 ways, and two groups that change places, however many labels between them nobody has.
        assert_eq!(permute_groups(&[0.0, 0.0, 9.0, 9.0], &[0, 0, 3, 3], 0, 0).unwrap().smallest, 2.0 / 6.0);
        assert_eq!(permute_groups(&[1.0, 2.0], &[0, 2], 9, 0), None, "a label beyond the number of runs");
        assert_eq!(permute_groups(&[1.0, f64::INFINITY], &[0, 1], 9, 0), None);
        assert_eq!(permute_groups(&[], &[], 9, 0), None);
    }

    // By hand: 0, 0, 1, 1 has the orders 0011, 0101, 0110, 1001, 1010, 1100, as steep as 2, 1, 0, 0, 1, 2.
    #[test]
    fn orders_of_repeated_values() {
        for (values, want) in [
            ([0.0, 0.0, 1.0, 1.0], 2.0),
            ([0.0, 1.0, 0.0, 1.0], 4.0),
            ([0.0, 1.0, 1.0, 0.0], 6.0),
            ([1.0, 0.0, 1.0, 0.0], 4.0),
        ] {
            for unit in [1e-6, 1.0, 1e6] {
                let got = permute_order(&values.map(|value| value * unit), 0, 0).unwrap();
                assert_eq!(
                    (got.p, got.smallest, got.looked_at, got.exact),
                    (want / 6.0, 2.0 / 6.0, 6, true),
                    "{values:?}"
                );
            }
        }
        // One order alone: nothing can be smaller than 1.
        assert_eq!(permute_order(&[3.0, 3.0], 0, 0).unwrap().smallest, 1.0);
        assert_eq!(permute_order(&[1.0, f64::NAN], 9, 0), None);
        let many: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(permute_order(&many, 0, 0), None);
        assert_eq!(permute_order(&many, 99, 0).unwrap().smallest, 0.01);
    }

    #[test]
    fn every_choice_and_every_arrangement_comes_once() {
        let mut choices = Vec::new();
        each_subset(4, 2, |chosen| choices.push(chosen.to_vec()));
        assert_eq!(choices, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        let (mut order, mut all) = (vec![0, 1, 1, 2], vec![vec![0, 1, 1, 2]]);
        while next_arrangement(&mut order) {
            all.push(order.clone());
        }
        // 4!/2! of them, rising.
        assert_eq!(all.len(), 12);
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!((choose(5, 2), choose(5, 5), choose(5, 6), choose(0, 0)), (Some(10), Some(1), None, Some(1)));
    }
}
