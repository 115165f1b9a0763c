use super::*;
use crate::stats::random::Random;

// By hand, in units of one nanosecond: observed 0..=99, windows 10..=19 and 15..=24 (together 15 ns) and 95..=200
// (5 ns of it observed). Onset 12 with J = 10: around 2..=22 (21 ns), windows 10..=22 (13 ns): 13/21, in a window.
// Onset 2: around 0..=12 (13 ns), 3 ns: 3/13, not in one. Onset 500: not observed.
#[test]
fn shares_by_hand() {
    let stratum =
        Stratum { observed: &[(50, 99), (0, 49)], windows: &[(15, 24), (10, 19), (95, 200)], onsets: &[12, 2, 500] };
    let got = jitter_test(&[stratum], 10);
    assert_eq!((got.outside, got.in_window), (1, 1));
    assert_eq!(
        got.onsets,
        [
            OnsetShare { stratum: 0, at_ns: 2, share: 3.0 / 13.0, in_window: false },
            OnsetShare { stratum: 0, at_ns: 12, share: 13.0 / 21.0, in_window: true }
        ]
    );
    let want = 1.0 - (10.0 / 13.0) * (8.0 / 21.0);
    assert!((got.p.tail.p - want).abs() < 1e-15);
    assert!((got.smallest_p.p - (3.0 / 13.0) * (13.0 / 21.0)).abs() < 1e-15);
    assert_eq!(got.duty_cycle, Some(0.2));
    assert!((got.enrichment.unwrap() - 1.0 / (3.0 / 13.0 + 13.0 / 21.0)).abs() < 1e-14);
}

// By hand: of 8 ns seen, all within J, 2 ns are windows: a share of 1/4 for each of two onsets, both in windows. Expected 1/2, four
// times as many seen. Clopper and Pearson, two of two: the least share p has p^2 = .025, the greatest is 1; over 1/4.
#[test]
fn enrichment_with_its_interval_by_hand() {
    let stratum = Stratum { observed: &[(0, 7)], windows: &[(0, 1)], onsets: &[0, 1] };
    let got = jitter_test(&[stratum], 100);
    assert_eq!((got.expected, got.enrichment), (0.5, Some(4.0)));
    let (low, high) = got.enrichment_interval.unwrap();
    assert!((low - 4.0 * 0.025_f64.sqrt()).abs() < 1e-12 && high == 4.0, "{low} {high}");
    // Where nothing is expected there is nothing to compare with.
    let got = jitter_test(&[Stratum { windows: &[], ..stratum }], 100);
    assert_eq!((got.enrichment, got.enrichment_interval, got.duty_cycle), (None, None, Some(0.0)));
}

// A gap in the capture is no time in which the onset could have been seen: observed 0..=9 and 90..=99, J = 50 around
// 5 is 0..=55, of which 10 ns observed, 5 of them in the window 0..=4 and none of 20..=40.
#[test]
fn gaps_do_not_count() {
    let stratum = Stratum { observed: &[(0, 9), (90, 99)], windows: &[(0, 4), (20, 40)], onsets: &[5] };
    let got = jitter_test(&[stratum], 50);
    assert_eq!(got.onsets[0].share, 0.5);
    assert_eq!(got.duty_cycle, Some(0.25));
    assert_eq!(got.p.tail.p, 1.0);
}

#[test]
fn nothing_and_everything() {
    let got = jitter_test(&[], 10);
    assert_eq!((got.p.tail.p, got.enrichment, got.duty_cycle, got.enrichment_interval), (1.0, None, None, None));
    let all: &[Range] = &[(i64::MIN, i64::MAX)];
    let got = jitter_test(&[Stratum { observed: all, windows: all, onsets: &[i64::MIN, 0, i64::MAX] }; 3], i64::MAX);
    assert_eq!((got.in_window, got.expected, got.p.tail.p), (9, 9.0, 1.0));
    let shift = circular_shift(&[Stratum { observed: all, windows: all, onsets: &[i64::MIN, i64::MAX] }], 9, 0);
    assert_eq!(shift.map(|s| s.in_window), Some(2));
    assert_eq!(exposure_windows(&[(i64::MIN, i64::MIN), (i64::MAX, i64::MAX)], 1, 1).len(), 2);
    assert_eq!(jitter_half_width(5 * SECOND), 120 * SECOND);
    assert_eq!(jitter_half_width(30 * SECOND), 300 * SECOND);
}

// Every shift by hand: circle of 100, window 10..=19, onsets 12 and 17. Both stay in for shifts -2..=2 (5 of 100, the
// seen number); one at least for -7..=7 (15).
#[test]
fn shifts_by_hand() {
    let seen =
        |onsets| circular_shift(&[Stratum { observed: &[(0, 99)], windows: &[(10, 19)], onsets }], 0, 0).unwrap();
    let got = seen(&[12, 17]);
    assert_eq!((got.in_window, got.p, got.floor, got.exact), (2, 0.05, Some(0.05), true));
    assert_eq!(seen(&[12, 22]).p, 0.20);
    assert_eq!(seen(&[30, 40]).p, 1.0);
    assert_eq!(circular_shift(&[Stratum { observed: &[(0, 9)], windows: &[], onsets: &[20] }], 9, 0), None);
}

// The sweep against trying all shifts one by one, on circles with gaps, for two strata moved independently.
#[test]
fn sweep_equals_brute_force() {
    let mut random = Random::new(3);
    for _ in 0..30 {
        let mut some = |n: u64, width: u64| -> Vec<Range> {
            let mut one = |_| {
                let lo = random.below(60) as i64;
                (lo, lo + random.below(width) as i64)
            };
            (0..n).map(&mut one).collect()
        };
        let (o1, o2, w1, w2) = (some(3, 20), some(2, 30), some(4, 6), some(3, 9));
        let onsets: Vec<i64> = (0..60).step_by(7).collect();
        let strata = [
            Stratum { observed: &o1, windows: &w1, onsets: &onsets },
            Stratum { observed: &o2, windows: &w2, onsets: &onsets },
        ];
        let Some(got) = circular_shift(&strata, 0, 0) else { continue };
        // On the observed instants in order, moving by a whole shift is an index shift.
        let counts = |s: &Stratum<'_>| -> (Vec<usize>, usize) {
            let inside = |ranges: &[Range], at: i64| ranges.iter().any(|r| r.0 <= at && at <= r.1);
            let instants: Vec<i64> = (0..200).filter(|at| inside(s.observed, *at)).collect();
            let places: Vec<usize> = s.onsets.iter().filter_map(|at| instants.iter().position(|i| i == at)).collect();
            let n = instants.len();
            let hit = |shift: usize| places.iter().filter(|p| inside(s.windows, instants[(*p + shift) % n])).count();
            let all: Vec<usize> = if places.is_empty() { vec![0] } else { (0..n).map(hit).collect() };
            let seen = all[0];
            (all, seen)
        };
        let ((a, seen_a), (b, seen_b)) = (counts(&strata[0]), counts(&strata[1]));
        let both = a.iter().flat_map(|x| b.iter().map(move |y| x + y)).filter(|k| *k >= seen_a + seen_b).count();
        assert_eq!(got.in_window, seen_a + seen_b);
        assert!((got.p - both as f64 / (a.len() * b.len()) as f64).abs() < 1e-12);
        let most = |counts: &[usize]| {
            let most = counts.iter().max().unwrap();
            counts.iter().filter(|count| *count == most).count() as f64 / counts.len() as f64
        };
        assert!((got.floor.unwrap() - most(&a) * most(&b)).abs() < 1e-12);
    }
}

// Above five million arcs shifts are drawn: the P agrees with the exact one of the same design at a smaller size.
#[test]
fn many_arcs_are_drawn() {
    let windows: Vec<Range> = (0..4000).map(|i| (i * 100, i * 100 + 24)).collect();
    let onsets: Vec<i64> = (0..2000).map(|i| i * 200 + 10).collect();
    let stratum = Stratum { observed: &[(0, 399_999)], windows: &windows, onsets: &onsets };
    let got = circular_shift(&[stratum], 400, 1).unwrap();
    assert!(!got.exact && got.in_window == 2000);
    // All move together: in windows for 25 of each 100 shifts.
    assert!((got.p - 0.25).abs() < 5.0 * (0.25_f64 * 0.75 / 400.0).sqrt());
    assert_eq!((got.floor, circular_shift(&[stratum], 0, 1)), (None, None));
}

// By hand: 32 000 onsets have few arcs with one window, but the square of them, what a convolution may take, is above a billion.
#[test]
fn many_onsets_are_drawn() {
    let onsets: Vec<i64> = (0..32_000).collect();
    let stratum = Stratum { observed: &[(0, 99_999)], windows: &[(0, 99_999)], onsets: &onsets };
    let got = circular_shift(&[stratum], 9, 1).unwrap();
    assert_eq!((got.exact, got.in_window, got.p), (false, 32_000, 1.0));
    let fewer = Stratum { onsets: &onsets[..1000], ..stratum };
    assert!(circular_shift(&[fewer], 9, 1).unwrap().exact);
}

// Ten exec steps and ten others, alternating, each followed by an onset or not. By hand: with onsets after exec steps
// only, a permutation reaches all ten only if it leaves the labels alone: 1 in C(20, 10) = 184756.
#[test]
fn labels_of_steps() {
    let steps: Vec<LabelledStep> = (0..20).map(|i| LabelledStep { start_ns: i * 100, exec: i % 2 == 0 }).collect();
    let after = |exec: bool| -> Vec<i64> { steps.iter().filter(|s| s.exec == exec).map(|s| s.start_ns + 5).collect() };
    let p = |onsets: &[i64]| permute_step_labels(&[LabelledEpisode { steps: &steps, onsets }], 0, 10, 999, 1);
    assert_eq!(p(&after(true)), Some(0.001));
    assert_eq!(p(&after(false)), Some(1.0));
    assert_eq!(p(&[]), None);
    let few = LabelledEpisode { steps: &steps[..10], onsets: &[5] };
    assert_eq!(permute_step_labels(&[few], 0, 10, 999, 1), None);
}

// By hand: of eight exec steps and eight others one has an onset within its window, from 10 before to 20 behind, both included: half
// of all permutations make it an exec step. Labels stay in their episode.
#[test]
fn windows_and_episodes_of_labels() {
    let steps: Vec<LabelledStep> = (0..16).map(|i| LabelledStep { start_ns: i * 100, exec: i < 8 }).collect();
    let p = |onset: i64| {
        permute_step_labels(&[LabelledEpisode { steps: &steps, onsets: &[onset] }], 10, 20, 2000, 1).unwrap()
    };
    for beside in [290, 300, 320] {
        // Five standard errors: 5 sqrt(1/4 / 2000).
        assert!((p(beside) - 0.5).abs() < 0.056, "{beside}: {}", p(beside));
    }
    for outside in [289, 321] {
        assert_eq!(p(outside), 1.0, "{outside}: in no window, however labels lie");
    }
    let (exec, others) = steps.split_at(8);
    let apart = [LabelledEpisode { steps: exec, onsets: &[300] }, LabelledEpisode { steps: others, onsets: &[] }];
    assert_eq!(permute_step_labels(&apart, 10, 20, 99, 1), Some(1.0));
    let seven = [LabelledEpisode { steps: &exec[1..], onsets: &[300] }, LabelledEpisode { steps: others, onsets: &[] }];
    assert_eq!(permute_step_labels(&seven, 10, 20, 99, 1), None);
    let seven = [LabelledEpisode { steps: exec, onsets: &[300] }, LabelledEpisode { steps: &others[1..], onsets: &[] }];
    assert_eq!(permute_step_labels(&seven, 10, 20, 99, 1), None);
    assert_eq!(permute_step_labels(&apart, 10, 20, 0, 1), None);
}

// By hand: 95..=113 and 113..=123 are one; 200 stands alone.
#[test]
fn windows_around_starts() {
    assert_eq!(exposure_windows(&[(200, 200), (118, 120), (100, 110)], 5, 3), [(95, 123), (195, 203)]);
}

/// Four hours of episodes and idle time (600 s each on average), steps about 15 s apart; `trend` shortens the idle
/// time as the run goes on.
fn steps(trend: bool, random: &mut Random) -> Vec<f64> {
    let (mut t, mut steps) = (0.0, Vec::new());
    while t < SPAN {
        let mut idle = random.exponential(600.0);
        if trend {
            idle *= 4.0 * (1.0 - t / SPAN) + 0.05;
        }
        let end = (t + random.exponential(600.0)).min(SPAN);
        let mut at = t;
        loop {
            at += (15.0_f64.ln() + 0.7 * random.normal()).exp();
            if at > end {
                break;
            }
            steps.push(at);
        }
        t = end + idle;
    }
    steps
}

const SPAN: f64 = 4.0 * 3600.0;

/// Share of worlds with P <= .05, for the jitter and the shift test: `n` onsets of which a share is triggered.
fn rejected(trend: bool, triggered: f64, n: usize, worlds: u32) -> (f64, f64) {
    let mut random = Random::new(7);
    let (mut by_jitter, mut by_shift) = (0, 0);
    for _ in 0..worlds {
        let steps = steps(trend, &mut random);
        let mut onset = || {
            let free = random.uniform();
            let free = if trend { free.sqrt() } else { free };
            if random.uniform() < triggered {
                let step = steps[random.below(steps.len() as u64) as usize];
                step + (0.8_f64.ln() + 0.8 * random.normal()).exp()
            } else {
                free * SPAN
            }
        };
        let ns = |s: f64| (s * 1e9) as i64;
        let onsets: Vec<i64> = (0..n).map(|_| ns(onset().min(SPAN))).collect();
        let starts: Vec<Range> = steps.iter().map(|s| (ns(*s), ns(*s))).collect();
        let windows = exposure_windows(&starts, 0, 5 * SECOND);
        let stratum = Stratum { observed: &[(0, ns(SPAN))], windows: &windows, onsets: &onsets };
        let lag = 5 * SECOND;
        by_jitter += u32::from(jitter_test(&[stratum], jitter_half_width(lag)).p.tail.p <= 0.05);
        by_shift += u32::from(circular_shift(&[stratum], 0, 0).unwrap().p <= 0.05);
    }
    let share = |count: u32| f64::from(count) / f64::from(worlds);
    println!("trend {trend} triggered {triggered} n {n}: jitter {:.3} shift {:.3}", share(by_jitter), share(by_shift));
    (share(by_jitter), share(by_shift))
}

// Published over 500 worlds: jitter .03 and .02 under the null, .89 and .90 with half of 12 onsets triggered, .98 with
// all of 3; shift .02, .04, .92, .96. Bounds are those with three standard errors of 200 worlds.
#[test]
fn size_and_power() {
    for (trend, size) in [(false, 0.03), (true, 0.02)] {
        let (jitter, shift) = rejected(trend, 0.0, 12, 200);
        assert!(jitter <= size + 0.036 && shift <= 0.04 + 0.042, "{jitter} {shift}");
        let (jitter, shift) = rejected(trend, 0.5, 12, 200);
        assert!(jitter >= 0.82 && shift >= 0.86, "{jitter} {shift}");
    }
    assert!(rejected(false, 1.0, 3, 200).0 >= 0.94);
}
