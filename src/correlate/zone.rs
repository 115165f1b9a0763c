//! What an offset between two clocks is made of: a wrong zone label (whole quarter hours) or a clock that is off.

use super::drift::Fit;
use super::vote::{Peak, Vote};
use crate::time::{Instant, SECOND};

/// The grid of time zones.
pub const QUARTER_HOUR_NS: i64 = 900 * SECOND;

/// Offsets up to this size need no explanation by zones.
const SMALL_NS: i64 = 10 * SECOND;
/// A residual of this size is always accepted beside a zone error: a clock in the wrong zone is as far off by itself as
/// one in the right zone.
const RESIDUAL_NS: i64 = SMALL_NS;
/// Zones differ by at most 26 hours (UTC-12 to UTC+14).
const SPREAD_S: f64 = 2.0 * 26.0 * 3600.0;

/// Prior weights: a small offset, a zone error by whole hours, by half hours, by quarter hours, any other offset.
const PRIOR_SMALL: f64 = 0.30;
const PRIOR_HOURS: f64 = 0.60;
const PRIOR_HALVES: f64 = 0.05;
const PRIOR_QUARTERS: f64 = 0.01;
const PRIOR_OTHER: f64 = 0.04;

/// One way to read an offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Source minus reference in nanoseconds.
    pub offset_ns: i64,
    /// The part that a wrong zone label explains: a multiple of a quarter hour, 0 if none.
    pub zone_error_ns: i64,
    /// The rest: the clock itself.
    pub residual_ns: i64,
    /// Prior density (per second) times depth of the vote. Comparable between readings of one decision only.
    pub score: f64,
}

/// The decision about an offset.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// The offset that is held to be right: of the best peak, or of the runner-up if both are nearly as well supported
    /// and the runner-up is the likelier one beforehand.
    pub offset_ns: i64,
    pub zone_error_ns: i64,
    pub residual_ns: i64,
    /// The best reading that was not chosen.
    pub alternative: Reading,
    /// For a person: the reading, and the alternative where it would change what is done about it.
    pub note: String,
}

/// Reads the outcome of a vote as zone error plus residual.
///
/// A zone error is called only if the residual is at most 10 s or the width of the support, whichever is more. The
/// runner-up is considered only where it makes the offset ambiguous; it never overrules a clear vote.
pub fn decide(vote: &Vote) -> Zone {
    let tolerance = RESIDUAL_NS.max(vote.support_width_ns());
    let mut open: Vec<Reading> = readings(&vote.best, tolerance).to_vec();
    if let Some(rival) = vote.runner_up {
        let [zone, free] = readings(&rival, tolerance);
        if vote.is_ambiguous() {
            open.extend([zone, free]);
        }
    }
    open.retain(|r| r.score > 0.0);
    open.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.offset_ns.unsigned_abs().cmp(&b.offset_ns.unsigned_abs())));
    let free = readings(&vote.best, tolerance)[1];
    let chosen = open.first().copied().unwrap_or(free);
    let other =
        open.iter().copied().find(|r| (r.offset_ns, r.zone_error_ns) != (chosen.offset_ns, chosen.zone_error_ns));
    let alternative = match (other, vote.runner_up) {
        (Some(other), _) => other,
        // The same reading twice is no alternative: the runner-up is one, else the nearest zone error.
        (None, Some(rival)) => best_reading(&rival, tolerance),
        (None, None) => nearest_zone(&vote.best),
    };
    let note = note(&chosen, &alternative, vote.is_ambiguous());
    Zone {
        offset_ns: chosen.offset_ns,
        zone_error_ns: chosen.zone_error_ns,
        residual_ns: chosen.residual_ns,
        alternative,
        note,
    }
}

/// The same offset read as zone error or as clock matters, and a runner-up that is nearly as good does; a second
/// reading of a few milliseconds, or one that lost clearly, only makes doubt where there is none.
fn note(chosen: &Reading, alternative: &Reading, ambiguous: bool) -> String {
    let other_cause = alternative.score > 0.0
        && alternative.offset_ns == chosen.offset_ns
        && alternative.zone_error_ns != chosen.zone_error_ns
        && chosen.offset_ns.saturating_abs() >= SECOND;
    match (ambiguous, other_cause) {
        (true, _) => format!("{} (or: {}); the vote is ambiguous", words(chosen), words(alternative)),
        (false, true) => format!("{} (or: {})", words(chosen), words(alternative)),
        (false, false) => words(chosen),
    }
}

fn best_reading(peak: &Peak, tolerance: i64) -> Reading {
    let [zone, free] = readings(peak, tolerance);
    if zone.score > free.score { zone } else { free }
}

/// An offset as a zone error (score 0 if the residual does not allow it) and as no zone error.
fn readings(peak: &Peak, tolerance: i64) -> [Reading; 2] {
    let seconds = |ns: i64| ns as f64 / SECOND as f64;
    let mut zone = nearest_zone(peak);
    if zone.zone_error_ns != 0 && zone.residual_ns.saturating_abs() <= tolerance {
        zone.score = prior_of(zone.zone_error_ns) / (2.0 * seconds(tolerance)) * peak.depth;
    }
    let small = if peak.middle_ns.saturating_abs() <= SMALL_NS { PRIOR_SMALL / (2.0 * seconds(SMALL_NS)) } else { 0.0 };
    let free = Reading {
        offset_ns: peak.middle_ns,
        zone_error_ns: 0,
        residual_ns: peak.middle_ns,
        score: (small + PRIOR_OTHER / SPREAD_S) * peak.depth,
    };
    [zone, free]
}

/// Without a score.
fn nearest_zone(peak: &Peak) -> Reading {
    let quarters =
        (i128::from(peak.middle_ns) * 2 + i128::from(QUARTER_HOUR_NS)).div_euclid(2 * i128::from(QUARTER_HOUR_NS));
    let zone_error_ns = i64::try_from(quarters * i128::from(QUARTER_HOUR_NS)).unwrap_or(0);
    let residual_ns = peak.middle_ns.saturating_sub(zone_error_ns);
    Reading { offset_ns: peak.middle_ns, zone_error_ns, residual_ns, score: 0.0 }
}

/// Prior probability of one particular zone error within 26 hours either way; 0 beyond.
fn prior_of(zone_error_ns: i64) -> f64 {
    let quarters = (zone_error_ns / QUARTER_HOUR_NS).unsigned_abs();
    match quarters {
        0 => 0.0,
        // 26 whole hours, 26 half hours and 52 other quarters on either side.
        q if q > 104 => 0.0,
        q if q % 4 == 0 => PRIOR_HOURS / 52.0,
        q if q % 2 == 0 => PRIOR_HALVES / 52.0,
        _ => PRIOR_QUARTERS / 104.0,
    }
}

fn words(reading: &Reading) -> String {
    match reading.zone_error_ns {
        0 => format!("clock off by {}", seconds(reading.offset_ns)),
        error => format!("zone label wrong by {}, clock off by {}", hours(error), seconds(reading.residual_ns)),
    }
}

/// An offset of a log without years, as the years it was read wrong by and the rest: the number of calendar years of
/// 365 or 366 days that leaves the least, if that is at most what zones can differ by.
pub fn years_wrong(offset_ns: i64) -> Option<(i64, i64)> {
    const DAY_S: i64 = 86_400;
    let year = 365 * DAY_S * SECOND;
    let years = i128::from(offset_ns);
    let years = ((2 * years + i128::from(year)).div_euclid(2 * i128::from(year))) as i64;
    let rest = offset_ns.saturating_sub(years.saturating_mul(year));
    // Every fourth year, or three of them, has a day more: one more where the count is not whole.
    let leaps = years / 4;
    let day = DAY_S * SECOND;
    let rests = [0, years.signum()].map(|more| rest.saturating_sub(leaps.saturating_add(more).saturating_mul(day)));
    let rest = rests.into_iter().min_by_key(|rest| rest.saturating_abs())?;
    (years != 0 && rest.saturating_abs() <= 26 * 3600 * SECOND).then_some((years, rest))
}

/// A jump of this size, give or take [`RESIDUAL_NS`], is a change of daylight saving time.
const SUMMER_NS: i64 = 3600 * SECOND;

/// What a person should know of how a clock ran: drift, when it was set, and whether the source mixes two clocks.
pub fn told_by_segments(fit: &Fit) -> Vec<String> {
    let mut told = Vec::new();
    for segment in fit.segments.iter().filter(|segment| segment.line.drift_ppb != 0) {
        let ppm = |ppb: i64| ppb as f64 / 1e3;
        let (least, most) = segment.region.drift_ppb();
        told.push(format!("drifts by {:+.1} ppm ({:.1} … {:.1})", ppm(segment.line.drift_ppb), ppm(least), ppm(most)));
    }
    for (before, after) in fit.segments.iter().zip(fit.segments.iter().skip(1)) {
        let jump = after.line.offset_at(after.from_ns).saturating_sub(before.line.offset_at(before.to_ns));
        let summer = jump.saturating_abs().abs_diff(SUMMER_NS) <= RESIDUAL_NS as u64;
        told.push(format!(
            "set by {} between {} and {}{}",
            seconds(jump),
            Instant(before.to_ns),
            Instant(after.from_ns),
            if summer { ": as daylight saving time does" } else { "" }
        ));
    }
    if let Some((beside, main)) = fit.beside.zip(fit.main()).filter(|_| fit.is_divided()) {
        let apart = beside.offset_ns.saturating_sub(main.line.offset_ns);
        let quarters = apart.saturating_add(QUARTER_HOUR_NS / 2).div_euclid(QUARTER_HOUR_NS);
        let rest = apart.saturating_sub(quarters.saturating_mul(QUARTER_HOUR_NS)).saturating_abs();
        told.push(if quarters != 0 && rest <= RESIDUAL_NS.max(main.vote.support_width_ns()) {
            format!(
                "records of two zones: {} pairs agree on an offset that is {} further, at all times; no timing conclusions",
                beside.keys,
                hours(quarters.saturating_mul(QUARTER_HOUR_NS))
            )
        } else {
            format!(
                "divided: {} other pairs agree on {}, at all times; no timing conclusions",
                beside.keys,
                seconds(beside.offset_ns)
            )
        });
    }
    told
}

fn seconds(ns: i64) -> String {
    format!("{:+.3} s", ns as f64 / SECOND as f64)
}

/// `+08:00`.
fn hours(ns: i64) -> String {
    let minutes = (ns / (60 * SECOND)).unsigned_abs();
    let sign = if ns < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::vote::{Pair, vote};

    const HOUR: i64 = 3600 * SECOND;

    /// `best` of ten keys around `offset`, `rival` keys around another.
    fn voted(offset: i64, half: i64, rival: Option<(i64, u64)>) -> Vote {
        let at = |offset: i64, key| Pair { lo_ns: offset - half, hi_ns: offset + half, at_ns: 0, weight: 1.0, key };
        let mut pairs: Vec<Pair> = (0..10).map(|key| at(offset, key)).collect();
        if let Some((offset, keys)) = rival {
            pairs.extend((0..keys).map(|key| at(offset, 100 + key)));
        }
        vote(&pairs).unwrap()
    }

    #[test]
    fn eight_hours_are_a_zone() {
        let got = decide(&voted(8 * HOUR - 600_000_000, SECOND, None));
        assert_eq!((got.zone_error_ns, got.residual_ns), (8 * HOUR, -600_000_000));
        assert_eq!((got.alternative.zone_error_ns, got.alternative.residual_ns), (0, 8 * HOUR - 600_000_000));
        assert_eq!(got.note, "zone label wrong by +08:00, clock off by -0.600 s (or: clock off by +28799.400 s)");
    }

    #[test]
    fn odd_zones_and_signs() {
        for quarters in [-20_i64, -19, 22, 23, 51, 56, -48] {
            let got = decide(&voted(quarters * QUARTER_HOUR_NS + 3 * SECOND, SECOND, None));
            assert_eq!((got.zone_error_ns, got.residual_ns), (quarters * QUARTER_HOUR_NS, 3 * SECOND));
        }
    }

    #[test]
    fn small_offsets_are_the_clock() {
        let got = decide(&voted(-600_000_000, SECOND, None));
        assert_eq!((got.zone_error_ns, got.residual_ns), (0, -600_000_000));
        let got = decide(&voted(7 * SECOND, SECOND, Some((HOUR, 3))));
        assert_eq!(got.zone_error_ns, 0);
        assert_eq!(got.alternative.zone_error_ns, HOUR);
    }

    #[test]
    fn an_offset_off_the_grid_is_the_clock() {
        let got = decide(&voted(1234 * SECOND, SECOND, None));
        assert_eq!((got.zone_error_ns, got.residual_ns), (0, 1234 * SECOND));
        // The nearest zone error is 900 s, with 334 s left over.
        assert_eq!((got.alternative.zone_error_ns, got.alternative.residual_ns), (900 * SECOND, 334 * SECOND));
        // 12 s beside the hour with a support of 2 s: not called; with a support of 30 s: called.
        assert_eq!(decide(&voted(HOUR + 12 * SECOND, SECOND, None)).zone_error_ns, 0);
        assert_eq!(decide(&voted(HOUR + 12 * SECOND, 15 * SECOND, None)).zone_error_ns, HOUR);
    }

    #[test]
    fn alternatives_are_named_where_they_matter() {
        assert_eq!(decide(&voted(2_000_000, SECOND / 50, None)).note, "clock off by +0.002 s");
        assert_eq!(decide(&voted(1234 * SECOND, SECOND, Some((HOUR, 5)))).note, "clock off by +1234.000 s");
        assert_eq!(
            decide(&voted(8 * HOUR + 2 * SECOND, SECOND, None)).note,
            "zone label wrong by +08:00, clock off by +2.000 s (or: clock off by +28802.000 s)"
        );
        assert!(decide(&voted(1234 * SECOND, SECOND, Some((HOUR, 9)))).note.contains("(or: clock off by +1234.000 s)"));
    }

    #[test]
    fn priors_decide_only_where_votes_do_not() {
        // 9 of 10 against 10 of 10: ambiguous, the hour is likelier beforehand than 1234 s.
        let got = decide(&voted(1234 * SECOND, SECOND, Some((HOUR, 9))));
        assert_eq!((got.offset_ns, got.zone_error_ns), (HOUR, HOUR));
        assert_eq!(got.alternative.offset_ns, 1234 * SECOND);
        assert!(got.note.ends_with("the vote is ambiguous"));
        // 5 of 10: the vote is clear and stands.
        let got = decide(&voted(1234 * SECOND, SECOND, Some((HOUR, 5))));
        assert_eq!((got.offset_ns, got.alternative.offset_ns), (1234 * SECOND, HOUR));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let edge = Pair { lo_ns: i64::MIN, hi_ns: i64::MIN + 5, at_ns: 0, weight: 1.0, key: 1 };
        let got = decide(&vote(&[edge]).unwrap());
        assert_eq!((got.offset_ns, got.zone_error_ns), (i64::MIN + 2, 0));
        let all = Pair { lo_ns: i64::MIN, hi_ns: i64::MAX, at_ns: 0, weight: 1.0, key: 1 };
        decide(&vote(&[all]).unwrap());
    }

    // 2025-11-20 read as 2026 is 365 days late, 2023 read as 2024 across 29 February 366; a zone may be wrong besides.
    #[test]
    fn wrong_years_are_told_from_offsets() {
        let day = 86_400 * SECOND;
        assert_eq!(years_wrong(365 * day + 2 * SECOND), Some((1, 2 * SECOND)));
        assert_eq!(years_wrong(-(366 * day) + 8 * HOUR), Some((-1, 8 * HOUR)));
        assert_eq!(years_wrong((3 * 365 + 1) * day - SECOND), Some((3, -SECOND)));
        assert_eq!(years_wrong(1461 * day), Some((4, 0)));
        for none in [0, 8 * HOUR, 30 * day, 200 * day, 363 * day, i64::MIN] {
            assert_eq!(years_wrong(none), None, "{none}");
        }
    }

    // By hand: .60 over 52 whole hours either way, .05 over 52 half hours, .01 over 104 other quarters.
    #[test]
    fn zones_that_exist_are_likelier_than_others() {
        for (quarters, want) in
            [(0, 0.0), (4, 0.6 / 52.0), (-4, 0.6 / 52.0), (2, 0.05 / 52.0), (1, 0.01 / 104.0), (-103, 0.01 / 104.0)]
        {
            assert_eq!(prior_of(quarters * QUARTER_HOUR_NS), want, "{quarters}");
        }
        assert_eq!((prior_of(104 * QUARTER_HOUR_NS), prior_of(105 * QUARTER_HOUR_NS)), (0.6 / 52.0, 0.0));
    }

    // By hand, ten keys, 10 s either way: 8 h has 10 * .6 / 52 / 20 as a zone and 10 * .04 / 187200 as a clock; an offset of up to
    // 10 s has 10 * .3 / 20 more than that, and is no zone.
    #[test]
    fn readings_by_hand() {
        let of = |middle_ns: i64, tolerance: i64| {
            let peak = Peak { middle_ns, core_ns: (middle_ns, middle_ns), depth: 10.0 };
            readings(&peak, tolerance).map(|reading| (reading.zone_error_ns, reading.residual_ns, reading.score))
        };
        let near = |got: f64, want: f64| assert!((got - want).abs() <= 1e-12 * want, "{got} against {want}");
        let (ten, other) = (10 * SECOND, 0.4 / 187_200.0);
        let [zone, free] = of(8 * HOUR - ten, ten);
        assert_eq!((zone.0, zone.1, free.0, free.1), (8 * HOUR, -ten, 0, 8 * HOUR - ten));
        near(zone.2, 6.0 / 52.0 / 20.0);
        near(free.2, other);
        assert_eq!(of(8 * HOUR - ten - 1, ten)[0].2, 0.0, "a residual that is not allowed");
        near(of(8 * HOUR - ten - 1, 2 * ten)[0].2, 6.0 / 52.0 / 40.0);
        near(of(ten, ten)[1].2, 3.0 / 20.0 + other);
        near(of(ten + 1, ten)[1].2, other);
        assert_eq!(of(ten, ten)[0].2, 0.0, "no zone is none that is wrong");
        // Half way between two quarters of an hour the later one is nearest.
        assert_eq!(of(450 * SECOND, ten)[0].0, QUARTER_HOUR_NS);
        assert_eq!(of(450 * SECOND - 1, ten)[0].0, 0);
        assert_eq!(of(-450 * SECOND, ten)[0].0, 0);
    }

    #[test]
    fn a_second_reading_is_told_from_a_second_on() {
        let reading = |zone_error_ns, offset_ns, score| Reading {
            offset_ns,
            zone_error_ns,
            residual_ns: offset_ns - zone_error_ns,
            score,
        };
        let told = |chosen, alternative| note(&chosen, &alternative, false);
        assert_eq!(
            told(reading(0, SECOND, 1.0), reading(QUARTER_HOUR_NS, SECOND, 0.1)),
            "clock off by +1.000 s (or: zone label wrong by +00:15, clock off by -899.000 s)"
        );
        for (alternative, why) in [
            (reading(QUARTER_HOUR_NS, SECOND, 0.0), "it is not allowed"),
            (reading(0, SECOND, 0.1), "it is the same"),
            (reading(QUARTER_HOUR_NS, 2 * SECOND, 0.1), "it is another offset, that lost"),
        ] {
            assert_eq!(told(reading(0, SECOND, 1.0), alternative), "clock off by +1.000 s", "{why}");
        }
        let small = SECOND - 1;
        assert_eq!(told(reading(0, small, 1.0), reading(QUARTER_HOUR_NS, small, 0.1)), "clock off by +1.000 s");
        assert_eq!((hours(-19_800 * SECOND), hours(0)), ("-05:30".to_owned(), "+00:00".to_owned()));
    }
}
