mod bounds;
mod course;

use super::*;
use crate::correlate::Grade;
use crate::correlate::vote::Pair;
use crate::time::Instant;

const HOUR: i64 = 3600 * SECOND;

/// One event at `at_s` at which the source's clock was ahead by `low` to `high` milliseconds.
fn pair(at_s: i64, (low, high): (i64, i64), key: u64) -> Pair {
    Pair { lo_ns: low * 1_000_000, hi_ns: high * 1_000_000, at_ns: at_s * SECOND, weight: 1.0, key }
}

/// Events a minute apart, each bounding the offset of its moment, in milliseconds, to 100 ms either way.
fn pairs(minutes: std::ops::Range<i64>, offset_ms: impl Fn(i64) -> i64) -> Vec<Pair> {
    minutes
        .map(|minute| {
            let offset = offset_ms(minute);
            pair(minute * 60, (offset - 100, offset + 100), minute as u64)
        })
        .collect()
}

// By hand: offset 1 s at 100 s, 50 ppm: an hour later 1 s + 3600 s * 50e-6 = 1.18 s. The source then shows 3700 s + 1.18 s.
#[test]
fn a_line_and_its_inverse() {
    let line = Line { at_ns: 100 * SECOND, offset_ns: SECOND, drift_ppb: 50_000 };
    assert_eq!(line.offset_at(3700 * SECOND), 1_180_000_000);
    assert_eq!(line.offset_at(100 * SECOND), SECOND);
    assert_eq!(line.reference_at(3_701_180_000_000), 3700 * SECOND);
    let level = Line { drift_ppb: 0, ..line };
    assert_eq!((level.offset_at(i64::MAX), level.reference_at(i64::MIN)), (SECOND, i64::MIN));
}

// Two strips: offset within ±1 s at -1000 s and at +1000 s. All lines in both: the corners are where the edges meet.
// a - 1000 b = ±1, a + 1000 b = ±1: (±1 s, 0) and (0, ±1000 ppm), the latter cut off at ±200 ppm, where
// |a| <= 1 - 1000 * 200e-6 = 0.8.
#[test]
fn the_corners_of_two_strips() {
    let ballots = vote::ballots(&[pair(-1000, (-1000, 1000), 1), pair(1000, (-1000, 1000), 2)]);
    let region = Region::around(Line { at_ns: 0, offset_ns: 0, drift_ppb: 0 }, &ballots);
    let mut corners: Vec<(i64, i64)> =
        region.corners().map(|(s, ppm)| ((s * 1000.0).round() as i64, ppm.round() as i64)).collect();
    corners.sort_unstable();
    corners.dedup();
    assert_eq!(corners, [(-1000, 0), (-800, -200), (-800, 200), (800, -200), (800, 200), (1000, 0)]);
    assert_eq!(region.drift_ppb(), (-200_000, 200_000));
    let near = |(low, high): (i64, i64), seconds: f64| {
        (low as f64 / 1e9 + seconds).abs() < 1e-6 && (high as f64 / 1e9 - seconds).abs() < 1e-6
    };
    // At the strips themselves ±1 s, at 2000 s: 0.8 + 2000 * 200e-6 = 1.2 s; in the middle 1 s.
    assert!(near(region.offsets_at(0), 1.0) && near(region.offsets_at(1000 * SECOND), 1.0));
    assert!(near(region.offsets_at(2000 * SECOND), 1.2), "{:?}", region.offsets_at(2000 * SECOND));
}

// 40 ppm over 10 hours are 1.44 s: strips of 0.2 s hold no level line. What they leave of the slope: the strips of the
// first and the last hour are 36 000 s apart or less, so that |b - 40 ppm| <= 0.2 s / 36 000 s = 5.6 ppm.
#[test]
fn drift_is_found_and_bounded() {
    let drifting = pairs(0..601, |minute| 2000 + minute * 60 * 40 / 1000);
    let fit = fit(&drifting).unwrap();
    let [segment] = fit.segments.as_slice() else { panic!("{:?}", fit.segments) };
    let (least, most) = segment.region.drift_ppb();
    assert!(least >= 34_400 && most <= 45_600 && least <= 40_000 && most >= 40_000, "{least} {most}");
    // 10 hours on, at most 0.1 s beside: 2 s + 1.44 s.
    assert!((segment.line.offset_at(10 * HOUR) - 3_440_000_000).abs() <= 100_000_000);
    let (low, high) = segment.support_at(10 * HOUR);
    assert!(low <= 3_440_000_000 && 3_440_000_000 <= high && high - low < 400_000_000, "{low} {high}");
    assert_eq!((fit.inliers, fit.keys, fit.grade()), (601, 601, Grade::A));
    // A vote without drift would have a third of them agree at best: 0.2 s of 1.44 s, from -0.1 to +0.1 of it.
    assert!(vote::vote(&drifting).unwrap().inliers < 200);
}

// A level clock: nothing but the strips of the ends speaks about the slope, and none is made up.
#[test]
fn a_clock_that_may_be_level_is_level() {
    let fit = fit(&pairs(0..30, |minute| 500 + minute % 3 * 30)).unwrap();
    assert_eq!(fit.segments[0].line.drift_ppb, 0);
    let (least, most) = fit.segments[0].region.drift_ppb();
    assert!(least < 0 && most > 0);
}

// Set by +47 s after minute 40 and by -120 s after minute 70.
#[test]
fn steps_are_segments() {
    let offset = |minute: i64| match minute {
        ..40 => 0,
        40..70 => 47_000,
        _ => -73_000,
    };
    let mut stepping = pairs(0..100, offset);
    // False pairs, all over the place.
    stepping
        .extend((0..20).map(|n| pair(n * 300, (n * 977_000 - 9_000_000, n * 977_000 - 8_990_000), 1000 + n as u64)));
    let fit = fit(&stepping).unwrap();
    let found: Vec<(i64, i64, i64)> = fit
        .segments
        .iter()
        .map(|segment| {
            let minute = 60 * SECOND;
            (segment.from_ns / minute, segment.to_ns / minute, (segment.line.offset_ns as f64 / 1e9).round() as i64)
        })
        .collect();
    assert_eq!(found, [(0, 39, 0), (40, 69, 47), (70, 99, -73)]);
    // Taken apart by time, no segment has a rival.
    assert!(fit.vote().unwrap().peak_ratio < 0.2 && fit.grade() == Grade::A, "{:?}", fit.vote());
    assert!(
        zone_notes(&fit).iter().any(|note| note.starts_with("set by +47.000 s between ")),
        "{:?}",
        zone_notes(&fit)
    );
    let correction = Correction::along(&fit.segments);
    let at = |minute: i64| Instant(minute * 60 * SECOND);
    for minute in [0, 20, 39, 40, 55, 69, 70, 99, 200] {
        let shown = at(minute).plus(offset(minute) * 1_000_000);
        let back = correction.to_reference(shown).since(at(minute)).abs();
        // What was shown twice (the 73 s after the step back) may be taken for the first time.
        let twice = (68..72).contains(&minute);
        assert!(back <= if twice { 121 * SECOND } else { 100_000_000 }, "{minute}: {back}");
    }
    // ... and says so: 40 s after the step back the clock shows what it showed before.
    assert_eq!(correction.places(at(70).plus(-33 * SECOND)).len(), 2);
    assert_eq!(correction.places(at(50)).len(), 1);
}

#[test]
fn a_clock_that_was_set_once() {
    let fit = fit(&pairs(0..61, |minute| if minute < 30 { 0 } else { 47_000 })).unwrap();
    let found: Vec<(i64, i64, i64)> = fit
        .segments
        .iter()
        .map(|segment| (segment.from_ns, segment.to_ns, segment.line.offset_ns))
        .map(|(from, to, offset)| (from / (60 * SECOND), to / (60 * SECOND), offset / SECOND))
        .collect();
    assert_eq!(found, [(0, 29, 0), (30, 60, 47)]);
    assert_eq!((fit.inliers, fit.beside), (61, None));
    // The offset is that in the middle of the segment.
    assert_eq!(fit.segments[1].line.at_ns, 45 * 60 * SECOND);
}

// Ten pairs elsewhere are a segment of their own; of two more at the end, on the same offset, none is: three must gain by it.
#[test]
fn two_pairs_at_the_end_are_no_step_though_the_line_is_known() {
    let offset = |minute: i64| if (30..40).contains(&minute) || minute >= 70 { 47_000 } else { 0 };
    let count = |minutes| {
        let fit = fit(&pairs(0..minutes, offset)).unwrap();
        (fit.segments.len(), fit.inliers)
    };
    assert_eq!(count(72), (3, 70));
    assert_eq!(count(73), (4, 73));
}

// By hand: four of five pairs allow -0.1 to 0.2 s at all times; the fifth allows 0 s in the first half, 0.1 s in the second, give or
// take 10 ms. No line holds both, yet what four fifths allow is the same: nothing says that the clock was set. At either offset
// 180 pairs agree, of which the one nearest to zero is taken, and the other 20 lie beside it.
#[test]
fn neighbours_that_one_line_can_have_made_are_one_segment() {
    let pairs: Vec<Pair> = (0..200)
        .map(|minute| {
            let narrow = if minute < 100 { (-10, 10) } else { (90, 110) };
            pair(minute * 60, if minute % 5 == 0 { narrow } else { (-100, 200) }, minute as u64)
        })
        .collect();
    let fit = fit(&pairs).unwrap();
    assert_eq!((fit.segments.len(), fit.inliers, fit.keys), (1, 180, 200));
    assert_eq!((fit.segments[0].line.offset_ns, fit.segments[0].line.drift_ppb), (0, 0));
    assert_eq!(fit.beside, Some(Beside { offset_ns: 100_000_000, keys: 20 }));
}

// There and back: the clock of the middle third was an hour ahead.
#[test]
fn there_and_back_again() {
    let fit = fit(&pairs(0..60, |minute| if (20..40).contains(&minute) { 3_600_000 } else { 0 })).unwrap();
    assert_eq!(fit.segments.len(), 3);
    let notes = zone_notes(&fit);
    assert_eq!(notes.iter().filter(|note| note.ends_with("as daylight saving time does")).count(), 2, "{notes:?}");
}

// Two pairs elsewhere are no step: three must gain by it.
#[test]
fn two_pairs_are_no_step() {
    let fit = fit(&pairs(0..30, |minute| if minute >= 28 { 47_000 } else { 0 })).unwrap();
    assert_eq!((fit.segments.len(), fit.inliers), (1, 28));
}

// Every second record is an hour off, all the time: no step, but two zones in one file.
#[test]
fn two_zones_in_one_file() {
    let fit = fit(&pairs(0..60, |minute| if minute % 2 == 0 { 3_600_000 } else { 0 })).unwrap();
    assert_eq!(fit.segments.len(), 1);
    assert_eq!(fit.beside.unwrap().keys, 30);
    assert_eq!(fit.grade(), Grade::C);
    let notes = zone_notes(&fit);
    assert!(notes.iter().any(|note| note.starts_with("records of two zones: 30 pairs agree")), "{notes:?}");
}

fn zone_notes(fit: &Fit) -> Vec<String> {
    crate::correlate::zone::told_by_segments(fit)
}

#[test]
fn order_of_input_does_not_matter() {
    let mut random = crate::stats::random::Random::new(7);
    let mut shuffled = pairs(0..200, |minute| if minute < 90 { minute * 3 } else { 60_000 });
    let want = fit(&shuffled);
    for _ in 0..3 {
        random.shuffle(&mut shuffled);
        assert_eq!(fit(&shuffled), want);
    }
}

#[test]
fn hostile_pairs() {
    assert_eq!(fit(&[]), None);
    let wide = Pair { lo_ns: i64::MIN, hi_ns: i64::MAX, at_ns: i64::MIN, weight: f64::INFINITY, key: 1 };
    let pairs = [
        wide,
        Pair { at_ns: i64::MAX, key: 2, ..wide },
        Pair { lo_ns: i64::MAX, at_ns: 0, key: 3, ..wide },
        Pair { hi_ns: i64::MIN, key: 4, ..wide },
    ];
    let fit = fit(&pairs).unwrap();
    for segment in &fit.segments {
        for at in [i64::MIN, 0, i64::MAX] {
            let (low, high) = segment.support_at(at);
            assert!(low <= high);
        }
    }
    let correction = Correction::along(&fit.segments);
    for at in [i64::MIN, 0, i64::MAX] {
        assert!(!correction.places(Instant(at)).is_empty());
    }
}

/// A segment between two seconds whose offset and inliers are given, with the widest region.
fn ran((from_s, to_s): (i64, i64), offset_ns: i64, inliers: usize) -> ClockSegment {
    let line = Line { at_ns: from_s * SECOND, offset_ns, drift_ppb: 0 };
    let best = vote::Peak { middle_ns: offset_ns, core_ns: (offset_ns, offset_ns), depth: inliers as f64 };
    let support_ns = (offset_ns - SECOND, offset_ns + 2 * SECOND);
    let vote = vote::Vote { best, support_ns, keys: inliers, inliers, peak_ratio: 0.1, runner_up: None };
    let held = [pair(from_s, (offset_ns / 1_000_000, offset_ns / 1_000_000), 1)];
    let region = Region::around(line, &vote::ballots(&held));
    ClockSegment { from_ns: from_s * SECOND, to_ns: to_s * SECOND, line, region, vote }
}

fn fitted(segments: Vec<ClockSegment>, beside: Option<Beside>) -> Fit {
    let inliers = segments.iter().map(|segment| segment.vote.inliers).sum();
    Fit { segments, inliers, keys: inliers, beside }
}

// By hand: two segments, set half way between 100 s and 200 s. A clock that was set forward by 10 s never showed 150 to 160 s: of
// these moments the nearer end of the jump is taken. One that was set back by 10 s showed 140 to 150 s twice.
#[test]
fn a_correction_along_two_segments() {
    let second = |s: i64| Instant(s * SECOND);
    let forward = Correction::along(&[ran((0, 100), 0, 9), ran((200, 300), 10 * SECOND, 9)]);
    for (shown, want) in [(-50, -50), (100, 100), (150, 150), (154, 154), (157, 147), (161, 151), (400, 390)] {
        assert_eq!(forward.to_reference(second(shown)), second(want), "{shown}");
        assert_eq!(forward.places(second(shown)).len(), 1, "{shown}");
    }
    assert_eq!(forward.offset_on_reference_ns(150 * SECOND), 0);
    assert_eq!(forward.offset_on_reference_ns(150 * SECOND + 1), 10 * SECOND);
    assert_eq!(forward.offset_on_reference_ns(i64::MIN), 0);
    let back = Correction::along(&[ran((0, 100), 0, 9), ran((200, 300), -10 * SECOND, 9)]);
    for (shown, first, places) in [(139, 139, 1), (140, 140, 1), (141, 141, 2), (150, 150, 2), (151, 161, 1)] {
        assert_eq!(back.to_reference(second(shown)), second(first), "{shown}");
        assert_eq!(back.places(second(shown)).len(), places, "{shown}");
    }
}

#[test]
fn what_is_not_tied_stays_as_it_is() {
    let at = |ns: i64| Instant(ns);
    let ahead = Correction::constant(2 * SECOND);
    assert_eq!(ahead.to_reference(at(10 * SECOND)), at(8 * SECOND));
    assert_eq!(ahead.offset_on_reference_ns(77), 2 * SECOND);
    let but = ahead.but_for(&[(at(100), at(200))]);
    for (moment, ties) in [(99, true), (100, false), (150, false), (200, false), (201, true)] {
        assert_eq!(but.ties(at(moment)), ties, "{moment}");
        assert_eq!(but.places(at(moment)).is_empty(), !ties);
        assert_eq!(but.to_reference(at(moment)), at(if ties { moment - 2 * SECOND } else { moment }));
    }
    let none = Correction::default();
    assert_eq!((none.to_reference(at(5)), none.offset_on_reference_ns(5)), (at(5), 0));
}

#[test]
fn what_a_fit_says_is_that_of_its_segments() {
    let worst = ClockSegment { vote: vote::Vote { peak_ratio: 0.65, ..ran((0, 1), 0, 6).vote }, ..ran((0, 1), 0, 6) };
    let fit = fitted(vec![worst, ran((2, 3), 5 * SECOND, 7), ran((4, 5), 0, 7)], None);
    // Of segments with as many pairs the first.
    assert_eq!(fit.main().unwrap().from_ns, 2 * SECOND);
    let vote = fit.vote().unwrap();
    assert_eq!((vote.inliers, vote.keys, vote.peak_ratio, vote.best.middle_ns), (20, 20, 0.65, 5 * SECOND));
    // The region is that of one pair without width: the support of the vote is what counts.
    assert_eq!(fit.support_ns(), Some((4 * SECOND, 7 * SECOND)));
    assert_eq!(fit.clone().widened(SECOND / 2).support_ns(), Some((3_500_000_000, 7_500_000_000)));
    assert_eq!(fit.grade(), Grade::B);
    assert_eq!(fitted(Vec::new(), None).grade(), Grade::D);
}

// "Above this ratio (0.3) an offset ... is not to be relied on": 3 keys beside 10 are not above it, 4 are.
#[test]
fn a_fit_is_divided_by_more_than_three_tenths() {
    let with = |keys| fitted(vec![ran((0, 1), 0, 10)], Some(Beside { offset_ns: 0, keys }));
    assert_eq!((with(3).is_divided(), with(3).grade()), (false, Grade::B));
    assert_eq!((with(4).is_divided(), with(4).grade()), (true, Grade::C));
}

#[test]
fn what_is_told_of_a_clock() {
    let set = |offset_ns| zone_notes(&fitted(vec![ran((0, 60), 0, 9), ran((120, 180), offset_ns, 9)], None));
    assert_eq!(
        set(-90 * SECOND),
        ["set by -90.000 s between 1970-01-01T00:01:00.000000000Z and 1970-01-01T00:02:00.000000000Z"]
    );
    // An hour either way, give or take ten seconds, is summer time.
    for (offset_ns, summer) in [
        (HOUR, true),
        (-HOUR, true),
        (HOUR + 10 * SECOND, true),
        (HOUR - 10 * SECOND, true),
        (HOUR + 10 * SECOND + 1, false),
    ] {
        assert_eq!(set(offset_ns)[0].ends_with(": as daylight saving time does"), summer, "{offset_ns}");
    }
    // The only pair bounds no slope: all of 200 ppm either way.
    let mut drifting = ran((0, 60), 0, 9);
    drifting.line.drift_ppb = 12_340;
    assert_eq!(zone_notes(&fitted(vec![drifting], None)), ["drifts by +12.3 ppm (-200.0 … 200.0)"]);
    let beside = |offset_ns| zone_notes(&fitted(vec![ran((0, 60), 0, 9)], Some(Beside { offset_ns, keys: 5 })));
    let zones = |apart: &str| {
        vec![format!(
            "records of two zones: 5 pairs agree on an offset that is {apart} further, at all times; no timing conclusions"
        )]
    };
    // A quarter of an hour or several, give or take ten seconds.
    assert_eq!(beside(HOUR + 10 * SECOND), zones("+01:00"));
    assert_eq!(beside(-5400 * SECOND - 10 * SECOND), zones("-01:30"));
    for (offset_ns, told) in [(HOUR + 11 * SECOND, "+3611.000 s"), (5 * SECOND, "+5.000 s")] {
        let want = format!("divided: 5 other pairs agree on {told}, at all times; no timing conclusions");
        assert_eq!(beside(offset_ns), [want]);
    }
}

// By hand: a part in a billion of a second is a nanosecond; what is less is rounded down, whichever way the clock runs.
#[test]
fn gains_are_rounded_down() {
    for (to_ns, ppb, want) in
        [(SECOND, 7, 7), (SECOND, -7, -7), (1, 1, 0), (1, -1, -1), (SECOND - 1, 1, 0), (2 * SECOND, -3, -6), (9, 0, 0)]
    {
        assert_eq!(gained(to_ns + 5, 5, ppb), want, "{to_ns} {ppb}");
    }
    assert_eq!((gained(i64::MAX, i64::MIN, i64::MAX), gained(i64::MAX, i64::MIN, i64::MIN)), (i64::MAX, i64::MIN));
}

// By hand: 1000 s away from the middle 100 ppm are 0.1 s, so that offsets of 2 to 3 s may be any from 1.9 to 3.1 s without drift;
// at exactly 100 ppm they are 1.9 to 2.9 s before it and, at -1000 s, 2.1 to 3.1 s.
#[test]
fn levelled_ballots_allow_what_drift_may_have_made() {
    let of = |at_s: i64, range| {
        let levelled = levelled(&vote::ballots(&[pair(at_s, (2000, 3000), 1)]), 0, range);
        levelled.iter().map(|ballot| (ballot.lo / 1_000_000, ballot.hi / 1_000_000)).collect::<Vec<_>>()
    };
    for at_s in [1000, -1000] {
        assert_eq!(of(at_s, (-100_000, 100_000)), [(1900, 3100)]);
    }
    assert_eq!(of(1000, (100_000, 100_000)), [(1900, 2900)]);
    assert_eq!(of(-1000, (100_000, 100_000)), [(2100, 3100)]);
    assert_eq!(of(0, (-100_000, 100_000)), [(2000, 3000)]);
}

// By hand: five pairs at one moment, and some 10 000 s on that need a drift of 100 ppm (1 s). Three more are enough for it.
#[test]
fn a_slope_must_win_three_pairs() {
    for (ppm, offset_ms) in [(100_000, 1000), (-100_000, -1000)] {
        let of = |more: u64| {
            let mut pairs: Vec<Pair> = (0..5).map(|key| pair(0, (-10, 10), key)).collect();
            pairs.extend((0..more).map(|key| pair(10_000, (offset_ms - 10, offset_ms + 10), 100 + key)));
            let fit = fit(&pairs).unwrap();
            (fit.segments.len(), fit.segments[0].line.drift_ppb, fit.inliers)
        };
        assert_eq!(of(2), (1, 0, 5));
        let (segments, drift, inliers) = of(3);
        // Strips of 20 ms that are 10 000 s apart bound a slope to 2 ppm.
        assert_eq!((segments, inliers), (1, 8));
        assert!((drift - ppm).abs() <= 2000, "{drift}");
    }
}

// Every so many of thirty pairs is an hour off: three are told, two are not.
#[test]
fn three_pairs_beside_are_told() {
    let beside = |off: &[i64]| {
        fit(&pairs(0..30, |minute| if off.contains(&minute) { HOUR / 1_000_000 } else { 0 })).unwrap().beside
    };
    assert_eq!(beside(&[5, 15, 25]), Some(Beside { offset_ns: HOUR, keys: 3 }));
    assert_eq!(beside(&[5, 25]), None);
}

#[test]
fn a_key_counts_once_on_a_line_and_ballots_are_thinned_evenly() {
    let line = Line { at_ns: 0, offset_ns: 0, drift_ppb: 0 };
    let light = pair(0, (0, 0), 1);
    let heavy = Pair { weight: 3.0, lo_ns: -5, hi_ns: -2, ..light };
    // Both of key 1 hold the line; of key 2 neither does.
    let ballots = vote::ballots(&[
        Pair { hi_ns: 9, ..light },
        Pair { hi_ns: 0, ..heavy },
        Pair { lo_ns: 7, hi_ns: 9, key: 2, ..light },
    ]);
    assert_eq!((ballots.len(), held(&ballots, &line)), (2, 1), "what touches is one ballot");
    let unit = u128::from(vote::ballots(&[light])[0].weight.get());
    assert_eq!(depth_of(&ballots, &line), 3 * unit);
    let many = |n: i64| vote::ballots(&(0..n).map(|at| pair(at, (0, 0), at as u64)).collect::<Vec<Pair>>());
    assert_eq!(thinned(many(4096)).len(), 4096);
    assert_eq!(thinned(many(4097)).len(), 2049);
    assert_eq!(furthest(&many(11), 2 * SECOND), 8 * SECOND);
    assert_eq!(furthest(&many(11), 9 * SECOND), 9 * SECOND);
    assert_eq!(furthest(&[], 5), 0);
}
