//! How well stated strengths and probabilities match what turned out to be true.

/// Cost of log likelihood ratios (Brümmer & du Preez, Computer Speech & Language 20 (2006) 230): 0 is perfect, 1 says
/// nothing, more misleads. From log10 LRs of pairs that truly belong together and of pairs that do not.
/// `None` if either is empty.
pub fn cllr(same: &[f64], different: &[f64]) -> Option<f64> {
    if same.is_empty() || different.is_empty() {
        return None;
    }
    let bits = |x: f64| {
        let nats = x * std::f64::consts::LN_10;
        // log2(1 + exp(nats)) without overflow.
        (nats.max(0.0) + (-nats.abs()).exp().ln_1p()) / std::f64::consts::LN_2
    };
    let mean = |values: &[f64], sign: f64| values.iter().map(|x| bits(sign * x)).sum::<f64>() / values.len() as f64;
    Some((mean(same, -1.0) + mean(different, 1.0)) / 2.0)
}

/// The part of [`cllr`] that no monotone recalibration could remove (pool adjacent violators at equal priors). The
/// difference to `cllr` is the cost of calibration.
pub fn cllr_min(same: &[f64], different: &[f64]) -> Option<f64> {
    if same.is_empty() || different.is_empty() {
        return None;
    }
    let (same_weight, different_weight) = (1.0 / same.len() as f64, 1.0 / different.len() as f64);
    let mut all: Vec<(f64, bool)> =
        same.iter().map(|x| (*x, true)).chain(different.iter().map(|x| (*x, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Blocks of (weight of same, weight of different) with rising share of same; equal scores are one block.
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    let mut last = f64::NAN;
    for (score, is_same) in all {
        let block = if is_same { (same_weight, 0.0) } else { (0.0, different_weight) };
        match blocks.last_mut() {
            Some(top) if score == last => *top = (top.0 + block.0, top.1 + block.1),
            _ => {
                pool(&mut blocks);
                blocks.push(block);
            }
        }
        last = score;
    }
    pool(&mut blocks);
    let cost = |weight: f64, total: f64| if weight > 0.0 { weight * (total / weight).log2() } else { 0.0 };
    Some(blocks.iter().map(|(s, d)| cost(*s, s + d) + cost(*d, s + d)).sum::<f64>() / 2.0)
}

fn pool(blocks: &mut Vec<(f64, f64)>) {
    while let [.., before, top] = blocks.as_slice() {
        // share(before) >= share(top), cross-multiplied.
        if before.0 * top.1 < top.0 * before.1 {
            break;
        }
        let merged = (before.0 + top.0, before.1 + top.1);
        blocks.pop();
        if let Some(slot) = blocks.last_mut() {
            *slot = merged;
        }
    }
}

/// Mean squared error of probabilities against what came true. `None` if empty.
pub fn brier(stated: &[(f64, bool)]) -> Option<f64> {
    let error = |(p, came_true): &(f64, bool)| (p - f64::from(u8::from(*came_true))).powi(2);
    (!stated.is_empty()).then(|| stated.iter().map(error).sum::<f64>() / stated.len() as f64)
}

/// Expected calibration error over (at most) ten bins of equal size: the weighted mean gap between stated
/// probability and share that came true. `None` if empty.
pub fn expected_calibration_error(stated: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = stated.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = sorted.len();
    if n == 0 {
        return None;
    }
    let gap = |bin: &[(f64, bool)]| {
        let stated: f64 = bin.iter().map(|x| x.0).sum();
        let came_true = bin.iter().filter(|x| x.1).count() as f64;
        (stated - came_true).abs() / n as f64
    };
    let edge = |i: usize| i * n / 10;
    Some((0..10).filter_map(|i| sorted.get(edge(i)..edge(i + 1))).map(gap).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    // LR 1 everywhere costs one bit by definition; certainty that is right costs nothing; LR 9 for and 1/9 against:
    // log2(1 + 1/9) = 0.152003.
    #[test]
    fn cost_of_ratios() {
        assert!((cllr(&[0.0; 3], &[0.0; 5]).unwrap() - 1.0).abs() < 1e-15);
        assert!(cllr(&[400.0], &[-400.0]).unwrap() < 1e-12);
        let nine = 9.0_f64.log10();
        assert!((cllr(&[nine], &[-nine]).unwrap() - (10.0_f64 / 9.0).log2()).abs() < 1e-14);
        assert!(cllr(&[-300.0], &[300.0]).unwrap() > 900.0);
        assert_eq!(cllr(&[], &[1.0]), None);
    }

    // Perfectly separated scores can be recalibrated to cost 0, useless ones cannot go below 1; a score of two
    // values with shares 3/4 and 1/4 costs H(1/4) = 0.8112781 at best, whatever the values.
    #[test]
    fn best_cost_is_monotone_recalibration() {
        assert!(cllr_min(&[0.1, 0.2], &[-0.1, 0.05]).unwrap().abs() < 1e-15);
        assert!((cllr_min(&[1.0, 1.0], &[1.0]).unwrap() - 1.0).abs() < 1e-15);
        assert!((cllr_min(&[-1.0], &[1.0]).unwrap() - 1.0).abs() < 1e-15);
        let got = cllr_min(&[5.0, 5.0, 5.0, -2.0], &[5.0, -2.0, -2.0, -2.0]).unwrap();
        assert!((got - 0.811_278_124_459_133).abs() < 1e-12, "{got}");
    }

    // By hand, with weights 1/2 of same and 1/3 of different: -1 is different, 0 same, 1 different twice, 2 same. The two in the
    // middle are pooled: (1/2, 2/3) costs (log2(7/3)/2 + 2/3 log2(7/4))/2 = 0.5747164 bits.
    #[test]
    fn what_falls_is_pooled_by_its_weight() {
        let got = cllr_min(&[0.0, 2.0], &[1.0, 1.0, -1.0]).unwrap();
        let want = ((7.0_f64 / 3.0).log2() / 2.0 + 2.0 / 3.0 * (7.0_f64 / 4.0).log2()) / 2.0;
        assert!((got - want).abs() < 1e-12 && (want - 0.574_716_4).abs() < 1e-6, "{got} against {want}");
        // Weights 1/3 and 1/5: shares of 5/8 and 10/13, and then none at all. All three are one block, which tells nothing.
        let got = cllr_min(&[-1.0, 0.0, 0.0], &[-1.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        assert!((got - 1.0).abs() < 1e-12, "{got}");
        assert_eq!((cllr_min(&[], &[1.0]), cllr_min(&[1.0], &[])), (None, None));
    }

    // By hand: twenty stated as 0, 0.05, ... 0.95, of which every other one comes true. Of two in a bin 0.05 (4 k + 1) is stated
    // and 1 comes true: gaps of 0.95, 0.75, ... 0.15, 0.05, 0.25, ... 0.85, together 5, of twenty.
    #[test]
    fn gaps_are_of_bins_of_equal_size() {
        let stated: Vec<(f64, bool)> = (0..20).map(|i| (0.05 * f64::from(i), i % 2 == 1)).collect();
        assert!((expected_calibration_error(&stated).unwrap() - 0.25).abs() < 1e-12);
        // Three are a bin each, in any order: (0.1 + 0.6 + 0.2)/3.
        let three = expected_calibration_error(&[(0.9, true), (0.2, false), (0.6, false)]).unwrap();
        assert!((three - 0.3).abs() < 1e-12, "{three}");
        assert_eq!(expected_calibration_error(&[]), None);
    }

    // By hand: stated .9 right, .9 wrong: Brier (.01 + .81)/2; each is its own bin: gaps .1 and .9, halved.
    #[test]
    fn probabilities() {
        let stated = [(0.9, true), (0.9, false)];
        assert!((brier(&stated).unwrap() - 0.41).abs() < 1e-15);
        assert!((expected_calibration_error(&stated).unwrap() - 0.5).abs() < 1e-15);
        let even: Vec<(f64, bool)> = (0..100).map(|i| (0.5, i % 2 == 0)).collect();
        assert!(expected_calibration_error(&even).unwrap() <= 0.5);
        assert_eq!(brier(&[]), None);
    }
}
