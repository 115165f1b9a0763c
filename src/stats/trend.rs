//! Whether a rate rises or falls with a dose: Poisson regression with the logarithm of the exposure as offset.

use super::permutation::phipson_smyth;
use super::random::Random;

/// Events of a unit at a dose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dosed {
    pub events: u64,
    /// Time or opportunities in which they were counted, > 0.
    pub exposure: f64,
    pub dose: f64,
    /// Units of one stratum have an intercept of their own, and change places with each other alone.
    pub stratum: usize,
}

/// What the dose does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Rate at the highest dose over rate at the lowest, by maximum likelihood; `None` where it has no bound.
    pub ratio: Option<f64>,
    /// Pearson's chi-square over its degrees of freedom: above 1, counts vary more than Poisson counts do (quasi-Poisson). `None`
    /// without degrees of freedom, or where the slope has no bound.
    pub phi: Option<f64>,
    /// P of a slope as steep in either direction if doses were dealt to the units of each stratum at random.
    pub p: f64,
    /// The least that `p` could have been.
    pub smallest: f64,
    /// All ways to deal the doses were looked at.
    pub exact: bool,
}

/// At most so many ways to deal doses are all looked at: 8!.
const MOST_ORDERS: u64 = 40_320;

/// Score test of the slope of log rate on dose, its P by permutation of the doses over units, which holds whatever the variance
/// of the counts. `None` for fewer than two units or doses, no events, exposures that are not positive, or if draws are needed
/// and `draws` is 0.
pub fn poisson_trend(units: &[Dosed], draws: u64, seed: u64) -> Option<Trend> {
    let mut units = units.to_vec();
    units.sort_by(|a, b| {
        let other = (a.stratum, a.events).cmp(&(b.stratum, b.events));
        other.then(a.exposure.total_cmp(&b.exposure)).then(a.dose.total_cmp(&b.dose))
    });
    let usable = |unit: &Dosed| unit.exposure > 0.0 && unit.exposure.is_finite() && unit.dose.is_finite();
    let events: u64 = units.iter().map(|unit| unit.events).try_fold(0_u64, |sum, events| sum.checked_add(events))?;
    if events == 0 || !units.iter().all(usable) {
        return None;
    }
    let strata: Vec<&[Dosed]> = units.chunk_by(|a, b| a.stratum == b.stratum).collect();
    let varies = |stratum: &&[Dosed]| stratum.iter().any(|unit| Some(unit.dose) != stratum.first().map(|one| one.dose));
    if !strata.iter().any(varies) {
        return None;
    }
    // What each unit has more than its exposure lets expect: the score is its sum with the doses.
    let beyond: Vec<f64> = strata.iter().flat_map(|stratum| residuals(stratum)).collect();
    let score = |doses: &[f64]| -> f64 { beyond.iter().zip(doses).map(|(more, dose)| more * dose).sum::<f64>().abs() };
    let doses: Vec<f64> = units.iter().map(|unit| unit.dose).collect();
    let lengths: Vec<usize> = strata.iter().map(|stratum| stratum.len()).collect();
    let seen = score(&doses);
    let tolerance = 1e-9 * doses.iter().fold(0.0_f64, |high, dose| high.max(dose.abs())) * events as f64;
    let orders = lengths.iter().try_fold(1_u64, |all, length| {
        (1..=*length as u64).try_fold(all, u64::checked_mul).filter(|all| *all <= MOST_ORDERS)
    });
    let (p, smallest, exact) = match orders {
        Some(orders) => {
            let (mut extreme, mut steepest, mut most) = (0_u64, 0_u64, f64::NEG_INFINITY);
            each_order(&mut doses.clone(), &lengths, &mut |order| {
                let one = score(order);
                extreme += u64::from(one >= seen - tolerance);
                if one > most + tolerance {
                    (most, steepest) = (one, 1);
                } else if one >= most - tolerance {
                    steepest += 1;
                }
            });
            (extreme as f64 / orders as f64, steepest as f64 / orders as f64, true)
        }
        None if draws == 0 => return None,
        None => {
            let mut random = Random::new(seed);
            let mut order = doses.clone();
            let mut extreme = 0;
            for _ in 0..draws {
                let mut rest = order.as_mut_slice();
                for length in &lengths {
                    let (stratum, after) = rest.split_at_mut(*length);
                    random.shuffle(stratum);
                    rest = after;
                }
                extreme += u64::from(score(&order) >= seen - tolerance);
            }
            (phipson_smyth(extreme, draws), phipson_smyth(0, draws), false)
        }
    };
    let slope = slope(&strata);
    let spread =
        doses.iter().copied().fold(f64::NEG_INFINITY, f64::max) - doses.iter().copied().fold(f64::INFINITY, f64::min);
    let phi = slope.and_then(|slope| {
        let free = units.len().checked_sub(strata.len() + 1).filter(|free| *free > 0)?;
        let part = |stratum: &&[Dosed]| -> f64 {
            let expected = expected(stratum, slope);
            stratum.iter().zip(expected).map(|(unit, mean)| (unit.events as f64 - mean).powi(2) / mean).sum()
        };
        let phi = strata.iter().filter(|stratum| stratum.iter().any(|unit| unit.events > 0)).map(part).sum::<f64>();
        Some(phi / free as f64).filter(|phi| phi.is_finite())
    });
    let ratio = slope.map(|slope| (slope * spread).exp()).filter(|ratio| ratio.is_finite());
    Some(Trend { ratio, phi, p, smallest, exact })
}

fn residuals(stratum: &[Dosed]) -> Vec<f64> {
    let expected = expected(stratum, 0.0);
    stratum.iter().zip(expected).map(|(unit, mean)| unit.events as f64 - mean).collect()
}

/// Expected events at a slope, given their total.
fn expected(stratum: &[Dosed], slope: f64) -> Vec<f64> {
    let total: u64 = stratum.iter().map(|unit| unit.events).sum();
    let top = stratum.iter().map(|unit| unit.dose * slope).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = stratum.iter().map(|unit| unit.exposure * (unit.dose * slope - top).exp()).collect();
    let all: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| total as f64 * weight / all).collect()
}

/// The slope at which the doses of the events are what is expected of them: their sum rises with it. `None` if no slope is steep
/// enough.
fn slope(strata: &[&[Dosed]]) -> Option<f64> {
    let missing = |slope: f64| -> f64 {
        let part = |stratum: &&[Dosed]| -> f64 {
            let expected = expected(stratum, slope);
            stratum.iter().zip(expected).map(|(unit, mean)| unit.dose * (unit.events as f64 - mean)).sum()
        };
        strata.iter().map(part).sum()
    };
    let doses = || strata.iter().copied().flatten().map(|unit| unit.dose);
    let spread = doses().fold(f64::NEG_INFINITY, f64::max) - doses().fold(f64::INFINITY, f64::min);
    // A ratio of e^30 over all doses is none.
    let (mut low, mut high) = (-30.0 / spread, 30.0 / spread);
    if !(missing(low) > 0.0 && missing(high) < 0.0) {
        return None;
    }
    for _ in 0..200 {
        let middle = low / 2.0 + high / 2.0;
        if missing(middle) > 0.0 { low = middle } else { high = middle }
    }
    let found = low / 2.0 + high / 2.0;
    // At the edge of what is looked at the likelihood still rises.
    (found.abs() * spread < 29.0).then_some(found)
}

/// Calls `visit` with every way to deal the values within each stretch of these lengths.
fn each_order(values: &mut [f64], lengths: &[usize], visit: &mut dyn FnMut(&[f64])) {
    fn within(
        values: &mut [f64],
        from: usize,
        to: usize,
        next: usize,
        lengths: &[usize],
        visit: &mut dyn FnMut(&[f64]),
    ) {
        if from + 1 >= to {
            match lengths.get(next) {
                Some(length) => within(values, to, to + length, next + 1, lengths, visit),
                None => visit(values),
            }
            return;
        }
        for other in from..to {
            values.swap(from, other);
            within(values, from + 1, to, next, lengths, visit);
            values.swap(from, other);
        }
    }
    let first = lengths.first().copied().unwrap_or(0);
    within(values, 0, first, 1, lengths, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(events: &[u64], doses: &[f64]) -> Vec<Dosed> {
        let unit = |(events, dose): (&u64, &f64)| Dosed { events: *events, exposure: 1.0, dose: *dose, stratum: 0 };
        events.iter().zip(doses).map(unit).collect()
    }

    // By hand: of 5! = 120 ways to deal five doses only the rising and the falling one are as steep: 2/120. Four can reach 2/24.
    #[test]
    fn a_steady_rise() {
        let got = poisson_trend(&units(&[0, 1, 2, 3, 4], &[0.0, 10.0, 20.0, 30.0, 40.0]), 0, 0).unwrap();
        assert!(
            (got.p - 2.0 / 120.0).abs() < 1e-12 && (got.smallest - 2.0 / 120.0).abs() < 1e-12 && got.exact,
            "{got:?}"
        );
        let four = poisson_trend(&units(&[2, 1, 1, 1], &[0.0, 1.0, 2.0, 3.0]), 0, 0).unwrap();
        // By hand: 2 events at an end, of four places: 2 of 4; no deal of these counts is steeper.
        assert!((four.p - 0.5).abs() < 1e-12 && (four.smallest - 0.5).abs() < 1e-12, "{four:?}");
    }

    // By hand: two doses with 2 events in 1 hour and 12 in 2: 2 and 6 an hour, a ratio of 3. Saturated: no freedom for phi.
    #[test]
    fn the_ratio_is_that_of_the_rates() {
        let two = [
            Dosed { events: 2, exposure: 1.0, dose: 100.0, stratum: 0 },
            Dosed { events: 12, exposure: 2.0, dose: 500.0, stratum: 0 },
        ];
        let got = poisson_trend(&two, 0, 0).unwrap();
        assert!((got.ratio.unwrap() - 3.0).abs() < 1e-9 && got.phi.is_none(), "{got:?}");
        // Twice the same: chi-square 0 over 4 - 2 degrees.
        let twice = [two[0], two[1], two[0], two[1]];
        let got = poisson_trend(&twice, 0, 0).unwrap();
        assert!((got.ratio.unwrap() - 3.0).abs() < 1e-9 && got.phi.unwrap() < 1e-12);
        // By hand: of 4! = 24 ways to deal, those with both high doses on both busy units, or both low: 4 + 4.
        assert!((got.p - 8.0 / 24.0).abs() < 1e-12, "{got:?}");
        // Without events at one dose the ratio has no bound.
        assert_eq!(poisson_trend(&units(&[0, 3], &[0.0, 1.0]), 0, 0).unwrap().ratio, None);
    }

    // By hand: in each of two strata of three, the rising deal is one of 3! ways; both rise, or both fall: 2/36.
    #[test]
    fn strata_are_dealt_by_themselves() {
        let mut all = units(&[0, 1, 2, 10, 11, 12], &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        all.iter_mut().skip(3).for_each(|unit| unit.stratum = 1);
        let got = poisson_trend(&all, 0, 0).unwrap();
        assert!((got.p - 2.0 / 36.0).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn many_are_drawn_and_reproducible() {
        let events: Vec<u64> = (0..12).collect();
        let doses: Vec<f64> = (0..12).map(f64::from).collect();
        let got = poisson_trend(&units(&events, &doses), 999, 3).unwrap();
        assert_eq!((got.p, got.exact), (0.001, false));
        let mut turned = units(&events, &doses);
        turned.reverse();
        assert_eq!(poisson_trend(&turned, 999, 3), Some(got));
        assert_eq!(poisson_trend(&turned, 0, 3), None);
    }

    #[test]
    fn what_has_no_answer() {
        assert_eq!(poisson_trend(&[], 9, 0), None);
        assert_eq!(poisson_trend(&units(&[1, 2], &[5.0, 5.0]), 9, 0), None);
        assert_eq!(poisson_trend(&units(&[0, 0], &[0.0, 1.0]), 9, 0), None);
        assert_eq!(poisson_trend(&units(&[1, 2], &[0.0, f64::NAN]), 9, 0), None);
    }

    // By hand: of the three doses only the rising and the falling deal are as steep as 1, 2, 3, however large a unit of dose is.
    #[test]
    fn the_unit_of_the_dose_does_not_matter() {
        for unit in [1e-9, 1e-3, 1.0, 1e6] {
            let doses = [0.0, unit, 2.0 * unit];
            let got = poisson_trend(&units(&[1, 2, 3], &doses), 0, 0).unwrap();
            assert!((got.p - 2.0 / 6.0).abs() < 1e-12 && (got.smallest - 2.0 / 6.0).abs() < 1e-12, "{unit}: {got:?}");
            // In the middle of the doses the most: P 1, though the ends alone are steep.
            let flat = poisson_trend(&units(&[1, 3, 1], &doses), 0, 0).unwrap();
            assert!(flat.p == 1.0 && (flat.ratio.unwrap() - 1.0).abs() < 1e-9, "{unit}: {flat:?}");
        }
    }

    // By hand: means 2 and 4, so a ratio of 2; chi-square 1/2 + 1/2 + 4/4 + 4/4 = 3 over 4 - 2. A second stratum of 10 and 20 has
    // the same ratio and adds nothing to chi-square: 3 over 6 - 3.
    #[test]
    fn counts_that_vary_more_than_chance() {
        let mut all = units(&[1, 3, 2, 6], &[0.0, 0.0, 1.0, 1.0]);
        let got = poisson_trend(&all, 0, 0).unwrap();
        assert!((got.ratio.unwrap() - 2.0).abs() < 1e-9 && (got.phi.unwrap() - 1.5).abs() < 1e-9, "{got:?}");
        all.extend(units(&[10, 20], &[0.0, 1.0]).into_iter().map(|unit| Dosed { stratum: 7, ..unit }));
        let got = poisson_trend(&all, 0, 0).unwrap();
        assert!((got.ratio.unwrap() - 2.0).abs() < 1e-9 && (got.phi.unwrap() - 1.0).abs() < 1e-9, "{got:?}");
        // Falling, and with doses of either sign.
        let falling = poisson_trend(&units(&[4, 2], &[-3.0, 5.0]), 0, 0).unwrap();
        assert!((falling.ratio.unwrap() - 0.5).abs() < 1e-9, "{falling:?}");
    }

    // By hand: 2 and 6 events at two doses next to each other are a ratio of 3, wherever zero is; 4 and 2 are one of 1/2.
    #[test]
    fn the_ratio_is_over_the_doses_that_there_are() {
        for doses in [[2025.0, 2026.0], [-1e6, -1e6 + 1.0], [0.0, 1e-6], [0.0, 1e6]] {
            for (events, want) in [([2, 6], 3.0), ([4, 2], 0.5)] {
                let got = poisson_trend(&units(&events, &doses), 0, 0).unwrap();
                assert!((got.ratio.unwrap_or_default() - want).abs() < 1e-6, "{events:?} at {doses:?}: {got:?}");
            }
        }
    }

    // By hand: of 4! = 24 ways to deal, those with both high doses on both busy units, or both low: 4 + 4. Sums that are alike but
    // for rounding are alike, however many events there are.
    #[test]
    fn many_events_are_dealt_as_few() {
        for times in [1, 1_000_000] {
            let events = [1, 1, 7, 7].map(|events| events * times);
            let got = poisson_trend(&units(&events, &[0.2, 0.3, 0.6, 1.1]), 0, 0).unwrap();
            assert!((got.p - 8.0 / 24.0).abs() < 1e-12 && (got.smallest - 8.0 / 24.0).abs() < 1e-12, "{got:?}");
        }
    }

    // By hand as in `counts_that_vary_more_than_chance`: chi-square 3, over 6 - 3.
    #[test]
    fn a_stratum_without_events_adds_its_units_alone() {
        let mut all = units(&[1, 3, 2, 6], &[0.0, 0.0, 1.0, 1.0]);
        all.extend(units(&[0, 0], &[0.0, 1.0]).into_iter().map(|unit| Dosed { stratum: 7, ..unit }));
        let got = poisson_trend(&all, 0, 0).unwrap();
        assert!((got.ratio.unwrap() - 2.0).abs() < 1e-9 && (got.phi.unwrap() - 1.0).abs() < 1e-9, "{got:?}");
    }

    // 9! deals are too many to look at. By hand: one event, at the highest of nine doses: as far from the middle as the lowest, 2/9.
    // The other stratum has one dose, and adds nothing as long as its doses stay in it.
    #[test]
    fn draws_stay_within_their_stratum() {
        let doses: Vec<f64> = (0..9).map(f64::from).collect();
        let mut all = units(&[0, 0, 0, 0, 0, 0, 0, 0, 1], &doses);
        all.extend(units(&[0, 9], &[100.0, 100.0]).into_iter().map(|unit| Dosed { stratum: 1, ..unit }));
        let got = poisson_trend(&all, 4000, 5).unwrap();
        // Five standard errors: 5 sqrt(2/9 7/9 / 4000).
        assert!(!got.exact && (got.p - 2.0 / 9.0).abs() < 0.033, "{got:?}");
        assert_eq!(got.smallest, 1.0 / 4001.0);
    }

    // 8! = 40320 deals are looked at, each.
    #[test]
    fn eight_doses_are_dealt_in_every_way() {
        let events: Vec<u64> = (0..8).collect();
        let doses: Vec<f64> = (0..8).map(f64::from).collect();
        let got = poisson_trend(&units(&events, &doses), 0, 0).unwrap();
        assert!(got.exact && (got.p - 2.0 / 40_320.0).abs() < 1e-15, "{got:?}");
    }

    #[test]
    fn exposures_that_are_none_have_no_answer() {
        for exposure in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let mut two = units(&[1, 2], &[0.0, 1.0]);
            two[0].exposure = exposure;
            assert_eq!(poisson_trend(&two, 9, 0), None, "{exposure}");
        }
        assert_eq!(poisson_trend(&units(&[u64::MAX, 1], &[0.0, 1.0]), 9, 0), None);
    }
}
