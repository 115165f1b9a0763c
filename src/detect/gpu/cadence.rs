//! The beat of repeated work, lost or changed.
//!
//! Training repeats itself: steps, loading, evaluation. Its power and load go up and down with a period that polls show
//! where it is several of them long. That a GPU stays at work while its beat goes, or gets another one, dates a change; a
//! new phase of the same job, another batch size and a longer sequence do that as well.

use super::series::{Cadence, GAP_FACTOR, is_mixed, moments};
use super::{label, signal};
use crate::evidence::Record;
use crate::intake::{GpuPoint, GpuSeries};
use crate::model::{Confidence, Signal};
use crate::time::{Basis, Instant, SECOND, Span};

/// Readings that a beat is looked for in.
const WINDOW: usize = 120;
/// Windows begin so many readings apart.
const HOP: usize = WINDOW / 2;
/// Periods looked for, in readings: below the first a beat is not resolved, above the last a window holds less than four.
const LAGS: std::ops::RangeInclusive<usize> = 4..=WINDOW / 4;
/// There is a beat from this correlation with itself one period later on ...
const BEATS: f64 = 0.5;
/// ... and none below this one, whatever the period.
const STILL: f64 = 0.25;
/// What a beat was, and what came after it, holds for so many windows each that do not overlap.
const HELD: usize = 3;
/// Periods that differ by this factor are two.
const OTHER: f64 = 1.3;
/// At work: a mean load of at least this, in percent ...
const AT_WORK: f64 = 50.0;
/// ... or, without a load, this share of the mean power before.
const POWER_SHARE: f64 = 0.5;
/// Readings that differ by less than this share of their mean are level, as sensors are not better.
const LEVEL: f64 = 0.02;

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beat {
    /// So many readings long, to a tenth.
    Period(f64),
    None,
    /// Neither clearly.
    Unclear,
}

/// One window.
#[derive(Clone, Copy, Debug)]
struct Window {
    first: (Instant, u64),
    last: (Instant, u64),
    beat: Beat,
    load: Option<f64>,
    power: Option<f64>,
}

/// The first change of the beat of each GPU, at work before and after: weak.
pub fn beats_changed(series: &[GpuSeries]) -> Vec<Signal> {
    series.iter().filter(|one| !is_mixed(one)).filter_map(|one| beat_changed(one, series)).collect()
}

fn beat_changed(one: &GpuSeries, all: &[GpuSeries]) -> Option<Signal> {
    let cadence = Cadence::of(moments(one))?;
    let windows = windows(one.points.iter().map(|point| *point), cadence);
    // Windows overlap by half: HELD of them side by side are twice as many, less one.
    let side = 2 * HELD - 1;
    let place = (side..windows.len()).find_map(|at| {
        let before = windows.get(at - side..at)?;
        // Between the two one window may hold both.
        (at..=at + 2).find_map(|from| {
            let after = windows.get(from..from + side)?;
            changed(before, after).map(|(old, new)| (before, after, old, new))
        })
    });
    let (before, after, old, new) = place?;
    let (end, begin) = (before.last()?, after.first()?);
    let seconds = |readings: f64| readings * cadence.usual_ns as f64 / SECOND as f64;
    let what = match new {
        Some(new) => format!("its beat went from {:.1} to {:.1} s", seconds(old), seconds(new)),
        None => format!("its beat of {:.1} s was lost", seconds(old)),
    };
    let record = |number| Record { evidence: one.evidence, number };
    // The change shows somewhere between the beginning of the last window before and the end of the first one after.
    let (lo, hi) = (end.first, begin.last);
    Some(signal(
        "gpu-beat-changed",
        Confidence::Weak,
        format!(
            "{}: at work throughout, but {what} within {:.0} s; another phase of the same work looks alike, {}",
            label(&one.gpu, all),
            hi.0.since(lo.0) as f64 / SECOND as f64,
            cadence.told()
        ),
        Some(Span { lo: lo.0, hi: hi.0, basis: Basis::AssumedZone }),
        vec![record(lo.1), record(hi.1)],
    ))
}

/// The period before and the one after (`None`: no beat), if the beat of both sides is clear and they differ.
fn changed(before: &[Window], after: &[Window]) -> Option<(f64, Option<f64>)> {
    let old = common(before)??;
    let new = common(after)?;
    if new.is_some_and(|new| new.max(old) / new.min(old) < OTHER || is_multiple(new, old)) {
        return None;
    }
    let mean = |side: &[Window], of: fn(&Window) -> Option<f64>| {
        let values: Vec<f64> = side.iter().filter_map(of).collect();
        (values.len() == side.len()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let load = |window: &Window| window.load;
    let power = |window: &Window| window.power;
    let at_work = match (mean(before, load), mean(after, load)) {
        (Some(before), Some(after)) => before >= AT_WORK && after >= AT_WORK,
        _ => mean(before, power).zip(mean(after, power)).is_some_and(|(old, new)| new >= old * POWER_SHARE),
    };
    at_work.then_some((old, new))
}

/// A beat of double length is the same one, every other time stronger.
fn is_multiple(a: f64, b: f64) -> bool {
    let ratio = a.max(b) / a.min(b);
    ratio.round() >= 2.0 && (ratio - ratio.round()).abs() <= 0.15
}

/// What all windows show: one period, or none (`Some(None)`). `None` if they differ or are unclear.
fn common(windows: &[Window]) -> Option<Option<f64>> {
    if windows.iter().all(|window| window.beat == Beat::None) {
        return Some(None);
    }
    let mut periods = Vec::with_capacity(windows.len());
    for window in windows {
        match window.beat {
            Beat::Period(period) => periods.push(period),
            _ => return None,
        }
    }
    periods.sort_by(f64::total_cmp);
    let middle = periods.get(periods.len() / 2).copied()?;
    let alike = periods.iter().all(|period| period.max(middle) / period.min(middle) < OTHER.sqrt());
    alike.then_some(Some(middle))
}

fn windows(points: impl Iterator<Item = GpuPoint>, cadence: Cadence) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut part = Vec::with_capacity(WINDOW);
    for point in points {
        part.push(point);
        if part.len() == WINDOW {
            windows.extend(window(&part, cadence));
            part.drain(..HOP);
        }
    }
    windows
}

/// `None` without readings; with a gap in it a window is unclear.
fn window(part: &[GpuPoint], cadence: Cadence) -> Option<Window> {
    let (first, last) = (part.first()?, part.last()?);
    let column = |of: fn(&GpuPoint) -> Option<f32>| {
        let values: Vec<f64> = part.iter().filter_map(of).map(f64::from).collect();
        (values.len() == part.len()).then_some(values)
    };
    let (power, load) = (column(|point| point.power_w), column(|point| point.utilization_percent));
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    // Periods are counted in readings: they have to come at an even pace.
    let even = part.windows(2).all(|pair| {
        pair.first()
            .zip(pair.last())
            .is_some_and(|(a, b)| b.at.since(a.at) <= cadence.usual_ns.saturating_mul(GAP_FACTOR))
    }) && last.at.since(first.at) <= cadence.usual_ns.saturating_mul(WINDOW as i64 * 5 / 4);
    let beat = match power.as_ref().or(load.as_ref()) {
        Some(values) if even => beat(values),
        _ => Beat::Unclear,
    };
    Some(Window {
        first: (first.at, first.record),
        last: (last.at, last.record),
        beat,
        load: load.as_ref().map(mean),
        power: power.as_ref().map(mean),
    })
}

/// The beat by autocorrelation: the first peak that is nearly as high as the highest.
fn beat(values: &[f64]) -> Beat {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if variance.sqrt() <= LEVEL * mean.abs() {
        return Beat::None;
    }
    let correlation = |lag: usize| {
        let pairs = values.iter().zip(values.iter().skip(lag));
        let sum = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
        // As a mean over the pairs that there are, so that long periods are not at a disadvantage.
        sum / (count - lag as f64) / variance
    };
    let all: Vec<f64> = (0..=LAGS.end() + 1).map(correlation).collect();
    let at = |lag: usize| all.get(lag).copied().unwrap_or(0.0);
    // A peak stands above both neighbours, and behind a valley: a slow drift has none.
    let peak = |lag: &usize| {
        let valley = all.get(1..*lag).unwrap_or_default().iter().copied().fold(f64::INFINITY, f64::min);
        at(*lag) >= at(lag - 1) && at(*lag) > at(lag + 1) && at(*lag) - valley >= STILL
    };
    let peaks: Vec<usize> = LAGS.filter(peak).collect();
    let highest = peaks.iter().map(|lag| at(*lag)).fold(0.0, f64::max);
    if highest >= BEATS {
        let first = peaks.iter().copied().find(|lag| at(*lag) >= 0.9 * highest);
        return first.map_or(Beat::Unclear, |lag| Beat::Period(lag as f64));
    }
    if highest < STILL && at(1) < BEATS { Beat::None } else { Beat::Unclear }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;

    /// One reading a second of so many watts, fully busy.
    fn series(watts: impl Iterator<Item = f32>) -> GpuSeries {
        let points = (0..).zip(watts).map(|(second, watts)| GpuPoint {
            power_w: Some(watts),
            utilization_percent: Some(98.0),
            ..GpuPoint::empty(Instant(second * SECOND), second as u64 + 2)
        });
        GpuSeries { points: points.collect(), ..GpuSeries::new(EvidenceId(0), "0".to_owned()) }
    }

    /// Noise from a linear congruential generator (Knuth's MMIX), in -1 to 1.
    fn noise(seed: &mut u64) -> f32 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 40) as f32) / 8_388_608.0 - 1.0
    }

    /// A step of that many seconds: at work for three quarters of it.
    fn training(second: i64, period: i64) -> f32 {
        if second % period < period * 3 / 4 { 600.0 } else { 300.0 }
    }

    #[test]
    fn a_beat_that_goes() {
        let mut seed = 1;
        let found = beats_changed(&[series((0..1800).map(|second| {
            let steady = if second < 900 { training(second, 12) } else { 420.0 };
            steady + 5.0 * noise(&mut seed)
        }))]);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("its beat of 12.0 s was lost"), "{}", found[0].summary);
        let span = found[0].span.unwrap();
        assert!(span.lo <= Instant(900 * SECOND) && Instant(900 * SECOND) <= span.hi, "{span:?}");
        assert!(span.hi.since(span.lo) <= 360 * SECOND, "{span:?}");
    }

    #[test]
    fn another_beat() {
        let found = beats_changed(&[series(
            (0..1800).map(|second| if second < 900 { training(second, 12) } else { training(second, 20) }),
        )]);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("its beat went from 12.0 to 20.0 s"), "{}", found[0].summary);
    }

    #[test]
    fn a_beat_that_stays_stops_for_good_or_was_never_there() {
        let mut seed = 7;
        assert!(beats_changed(&[series((0..1800).map(|second| training(second, 12)))]).is_empty());
        assert!(beats_changed(&[series((0..1800).map(|_| 500.0 + 90.0 * noise(&mut seed)))]).is_empty());
        // The job ended: the GPU is not at work any more.
        let mut ended = series((0..1800).map(|second| if second < 900 { training(second, 12) } else { 70.0 }));
        (900..1800).for_each(|at| ended.points.get_mut(at).unwrap().utilization_percent = Some(0.0));
        assert!(beats_changed(&[ended]).is_empty());
        // An evaluation of a minute now and then leaves the beat as it is.
        let evaluating = (0..1800).map(|second| if second % 600 >= 540 { 450.0 } else { training(second, 12) });
        assert!(beats_changed(&[series(evaluating)]).is_empty());
    }
}
