//! What pairs leave of the lines that a clock may have run on.

use super::*;

fn near((low, high): (i64, i64), want: (f64, f64)) -> bool {
    (low as f64 / 1e9 - want.0).abs() < 1e-6 && (high as f64 / 1e9 - want.1).abs() < 1e-6
}

// By hand: 0 to 10 ms at 0 s and 50 to 60 ms at 1000 s leave slopes of 40 to 60 ppm; at 2000 s, 50 + 40 to 60 + 60 ms.
#[test]
fn lines_fan_out_beyond_what_bounds_them() {
    let ballots = vote::ballots(&[pair(0, (0, 10), 1), pair(1000, (50, 60), 2)]);
    for (at_s, offset_ms, drift_ppb) in [(0, 5, 50_000), (1000, 55, 50_000), (500, 30, 45_000)] {
        let line = Line { at_ns: at_s * SECOND, offset_ns: offset_ms * 1_000_000, drift_ppb };
        let region = Region::around(line, &ballots);
        assert!(near(region.offsets_at(2000 * SECOND), (0.09, 0.12)), "{:?}", region.offsets_at(2000 * SECOND));
        assert!(near(region.offsets_at(-1000 * SECOND), (-0.06, -0.03)), "{:?}", region.offsets_at(-1000 * SECOND));
        assert!(near(region.offsets_at(500 * SECOND), (0.025, 0.035)), "{at_s}");
        let (least, most) = region.drift_ppb();
        assert!((least - 40_000).abs() <= 1 && (most - 60_000).abs() <= 1, "{least} {most}");
    }
}

// One pair bounds no slope: 200 ppm either way, whatever the line; a hundred days away they make 2000 s.
#[test]
fn a_far_pair_leaves_what_drift_can_make_of_it() {
    let far = 10_000_000;
    let ballots = vote::ballots(&[pair(far, (-1000, 1000), 1)]);
    for (drift_ppb, at_s) in [(0, 0), (50_000, far), (-50_000, far)] {
        let region = Region::around(Line { at_ns: at_s * SECOND, offset_ns: 0, drift_ppb }, &ballots);
        assert_eq!(region.drift_ppb(), (-200_000, 200_000), "{drift_ppb}");
        assert!(near(region.offsets_at(0), (-2001.0, 2001.0)), "{:?}", region.offsets_at(0));
        assert!(near(region.offsets_at(far * SECOND), (-1.0, 1.0)));
    }
}
