//! When pairs are taken to say that a clock was set.

use super::*;
use crate::stats::random::Random;

/// From and to in minutes, and the offset in seconds, of each segment.
fn segments(fit: &Fit) -> Vec<(i64, i64, i64)> {
    let minute = 60 * SECOND;
    fit.segments.iter().map(|one| (one.from_ns / minute, one.to_ns / minute, one.line.offset_ns / SECOND)).collect()
}

// Three pairs gain by an offset of their own. By hand: of a hundred and three pairs three come last by chance twice in 176 851 orders;
// of nine in two of 84, so that one of 199 orders is as good, and nothing says that the clock was set.
#[test]
fn three_pairs_at_the_end_are_a_step_if_chance_seldom_puts_them_there() {
    let ended = |before: i64| fit(&pairs(0..before + 3, |minute| if minute < before { 0 } else { 47_000 })).unwrap();
    assert_eq!(segments(&ended(100)), [(0, 99, 0), (100, 102, 47)]);
    let few = ended(6);
    assert_eq!((segments(&few), few.inliers), (vec![(0, 5, 0)], 6));
    assert_eq!(few.beside, Some(Beside { offset_ns: 47 * SECOND, keys: 3 }));
}

// Every record is of one of two clocks, as a coin falls: nobody set anything, however often one side comes several times.
#[test]
fn records_of_two_clocks_in_any_order_are_no_steps() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let sides: Vec<bool> = (0..80).map(|_| random.uniform() < 0.5).collect();
        let offset = |minute: i64| if sides[usize::try_from(minute).unwrap()] { 3_600_000 } else { 0 };
        let fit = fit(&pairs(0..80, offset)).unwrap();
        let ahead = sides.iter().filter(|side| **side).count();
        assert_eq!((fit.segments.len(), fit.inliers), (1, ahead.max(80 - ahead)), "{seed}");
    }
}

// The clock was set by 47 s after half an hour; ten records of the second half hour are on the old time all the same.
#[test]
fn what_agrees_with_a_segment_of_another_time_lies_beside() {
    let mut set = pairs(0..60, |minute| if minute < 30 { 0 } else { 47_000 });
    set.extend((0..10).map(|n| pair((32 + 2 * n) * 60 + 30, (-100, 100), 1000 + n as u64)));
    let fit = fit(&set).unwrap();
    assert_eq!(segments(&fit), [(0, 29, 0), (30, 59, 47)]);
    assert_eq!((fit.inliers, fit.keys), (60, 70));
    assert_eq!(fit.beside, Some(Beside { offset_ns: 0, keys: 10 }));
}

// By hand: four of five pairs allow -100 to 200 s at all times, the fifth either offset of its half, give or take 10 s. Offsets that
// lie within a minute are taken for one.
#[test]
fn neighbours_more_than_a_minute_apart_are_two_segments() {
    let halves = |apart: i64| {
        let pairs: Vec<Pair> = (0..200)
            .map(|minute| {
                let narrow = if minute < 100 { (-10_000, 10_000) } else { (apart - 10_000, apart + 10_000) };
                let allowed = if minute % 5 == 0 { narrow } else { (-100_000, 200_000) };
                pair(minute * 60, allowed, minute as u64)
            })
            .collect();
        let fit = fit(&pairs).unwrap();
        (fit.segments.len(), fit.inliers)
    };
    assert_eq!(halves(60_000), (1, 180));
    assert_eq!(halves(60_002), (2, 200));
    assert_eq!(halves(90_000), (2, 200));
}

// By hand: 41 pairs six hours apart lose 150 ppm, 3.24 s from one to the next, so that no offset without drift holds two of them; six
// others agree on 1000 s.
#[test]
fn a_drift_is_found_beside_more_pairs_on_another_offset_than_any_level_holds() {
    for (ppm, sign) in [(150_000, 1), (-150_000, -1)] {
        let mut drifting: Vec<Pair> =
            (0..41).map(|n| pair(n * 21_600, (sign * n * 3_240 - 100, sign * n * 3_240 + 100), n as u64)).collect();
        drifting.extend((0..6).map(|n| pair(n * 130_000 + 50_000, (999_900, 1_000_100), 1000 + n as u64)));
        let fit = fit(&drifting).unwrap();
        assert_eq!((fit.segments.len(), fit.inliers, fit.keys), (1, 41, 47));
        let drift = fit.segments[0].line.drift_ppb;
        assert!((drift - ppm).abs() <= 1_000, "{drift}");
        assert_eq!(fit.beside.map(|beside| (beside.offset_ns, beside.keys)), Some((1000 * SECOND, 6)));
    }
}

// By hand: six pairs agree without drift, ten others 1000 s away on a drift of 100 ppm, 2 s from one to the next: no level line holds two
// of them.
#[test]
fn a_line_is_looked_for_where_any_drift_could_bring_most_pairs_together() {
    for (ppb, sign) in [(100_000, 1), (-100_000, -1)] {
        let mut pairs: Vec<Pair> = (0..6).map(|key| pair(0, (-100, 100), key)).collect();
        pairs.extend((-5..5).map(|n| {
            let offset_ms = 1_000_000 + sign * 2_000 * n;
            pair(n * 20_000, (offset_ms - 100, offset_ms + 100), 100 + n.unsigned_abs() + if n < 0 { 50 } else { 0 })
        }));
        let line = best_line(&vote::ballots(&pairs), 0).unwrap();
        assert!((line.drift_ppb - ppb).abs() <= 2_000, "{line:?}");
        assert!((line.offset_ns - 1000 * SECOND).abs() <= SECOND / 5, "{line:?}");
    }
}

// By hand: five pairs agree without drift and three more at 100 ppm. 1000 s away drift could bring nine together, each by another one.
#[test]
fn a_line_is_looked_for_where_most_pairs_agree_without_drift() {
    let mut pairs: Vec<Pair> = (0..5).map(|key| pair(0, (-10, 10), key)).collect();
    pairs.extend((5..8).map(|key| pair(10_000, (990, 1010), key)));
    pairs.extend((0..9).map(|n| pair(10_000, (1_000_000 + n * 100 - 10, 1_000_000 + n * 100 + 10), 100 + n as u64)));
    let ballots = vote::ballots(&pairs);
    let line = best_line(&ballots, 0).unwrap();
    assert!((line.drift_ppb - 100_000).abs() <= 2_000, "{line:?}");
    assert_eq!(held(&ballots, &line), 8);
}
