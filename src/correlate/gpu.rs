//! What GPUs drew, for drawing.

use super::clocks::Clocks;
use crate::intake::{GpuSeries, Intake};
use crate::time::Instant;

/// The readings of one GPU, thinned evenly over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuTrace {
    /// The source, and the GPU's index, or its UUID where it has no index.
    pub name: String,
    /// In order of time, on the reference clock; at most [`GpuTrace::POINTS_KEPT`].
    pub points: Vec<GpuTracePoint>,
    /// How many readings there are.
    pub points_of: usize,
}

impl GpuTrace {
    /// Bound on the points kept for drawing.
    pub const POINTS_KEPT: usize = 600;
}

/// The most that readings of one stretch of time show; `None` where none tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuTracePoint {
    pub at: Instant,
    pub power_w: Option<f32>,
    pub utilization_percent: Option<f32>,
    pub memory_used_mib: Option<f32>,
}

/// All GPUs whose readings have a time that can be laid beside others'.
pub(super) fn traces(intake: &Intake, clocks: &Clocks) -> Vec<GpuTrace> {
    intake.facts.gpu.iter().filter_map(|series| trace(series, intake, clocks)).collect()
}

fn trace(series: &GpuSeries, intake: &Intake, clocks: &Clocks) -> Option<GpuTrace> {
    let source = intake.sources.get(series.evidence.0 as usize)?;
    let first = series.points.first()?;
    let dated = source.basis.is_some_and(|basis| basis.is_dated()) || clocks.is_tied(series.evidence, first.at);
    if !dated {
        return None;
    }
    let gpu = series.index.map_or_else(|| series.gpu.clone(), |index| index.to_string());
    let part = series.points.len().div_ceil(GpuTrace::POINTS_KEPT).max(1);
    let mut points: Vec<GpuTracePoint> = Vec::new();
    for (place, point) in series.points.iter().enumerate() {
        let known = points.pop_if(|_| place % part != 0);
        points.push(GpuTracePoint {
            at: known.map_or_else(|| clocks.align(series.evidence, point.at), |known| known.at),
            power_w: most(known.and_then(|known| known.power_w), point.power_w),
            utilization_percent: most(known.and_then(|known| known.utilization_percent), point.utilization_percent),
            memory_used_mib: most(known.and_then(|known| known.memory_used_mib), point.memory_used_mib),
        });
    }
    Some(GpuTrace { name: format!("{} {gpu}", source.path), points, points_of: series.points.len() })
}

fn most(one: Option<f32>, other: Option<f32>) -> Option<f32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::kit::{World, ms};
    use crate::formats::Kind;
    use crate::intake::GpuPoint;
    use crate::time::Basis;

    /// A GPU with so many readings, one a second, of which each draws as many watts as its number.
    fn watched(readings: usize, basis: Basis, change: impl FnOnce(&mut GpuSeries)) -> Vec<GpuTrace> {
        let mut world = World::default();
        world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        let evidence = world.source("gpu.csv", Kind::Gpu, basis);
        let points = (0..readings).map(|number| GpuPoint {
            power_w: Some(number as f32),
            ..GpuPoint::empty(ms(1_000 * number as i64), number as u64 + 2)
        });
        let mut series = GpuSeries {
            index: Some(3),
            points: points.collect(),
            ..GpuSeries::new(evidence, "GPU-5f0c1a9e".to_owned())
        };
        change(&mut series);
        world.intake.facts.gpu.push(series);
        let clocks = world.clocks();
        traces(&world.intake, &clocks)
    }

    /// Moments in seconds, and watts.
    fn drawn(traces: &[GpuTrace]) -> Vec<(i64, Option<f32>)> {
        let [trace] = traces else { panic!("{traces:?}") };
        trace.points.iter().map(|point| (point.at.since(ms(0)) / 1_000_000_000, point.power_w)).collect()
    }

    #[test]
    fn few_readings_are_drawn_as_they_are() {
        let all = watched(600, Basis::ExplicitOffset, |_| ());
        assert_eq!((all[0].name.as_str(), all[0].points_of), ("gpu.csv 3", 600));
        assert_eq!(drawn(&all), (0..600).map(|at| (at, Some(at as f32))).collect::<Vec<_>>());
        let nameless = watched(1, Basis::ExplicitOffset, |series| series.index = None);
        assert_eq!(nameless[0].name, "gpu.csv GPU-5f0c1a9e");
    }

    // By hand: 1500 readings are thinned to one of three, 500; each stands where its three begin, and shows the most of them.
    #[test]
    fn many_readings_are_thinned_evenly_to_the_most_of_each_part() {
        let thinned = watched(1500, Basis::ExplicitOffset, |_| ());
        assert_eq!(thinned[0].points_of, 1500);
        assert_eq!(drawn(&thinned), (0..500).map(|part| (3 * part, Some((3 * part + 2) as f32))).collect::<Vec<_>>());
        // 601 are thinned to one of two: 301, the last of a single reading.
        let thinned = drawn(&watched(601, Basis::ExplicitOffset, |_| ()));
        assert_eq!((thinned.len(), thinned[300]), (301, (600, Some(600.0))));
    }

    #[test]
    fn what_one_reading_tells_stands_for_those_that_do_not() {
        for (one, other, shown) in [
            (Some(1.5), Some(0.5), Some(1.5)),
            (Some(0.5), Some(1.5), Some(1.5)),
            (Some(0.5), None, Some(0.5)),
            (None, Some(0.5), Some(0.5)),
            (None, None, None),
        ] {
            assert_eq!(most(one, other), shown);
        }
    }

    #[test]
    fn what_has_no_time_or_no_readings_is_not_drawn() {
        assert_eq!(watched(3, Basis::AssumedZone, |_| ()).len(), 1);
        assert!(watched(3, Basis::BootRelative, |_| ()).is_empty(), "nothing ties it to other clocks");
        assert!(watched(0, Basis::ExplicitOffset, |_| ()).is_empty());
        let elsewhere = |series: &mut GpuSeries| series.evidence = crate::evidence::EvidenceId(9);
        assert!(watched(3, Basis::ExplicitOffset, elsewhere).is_empty(), "no such source");
    }
}
