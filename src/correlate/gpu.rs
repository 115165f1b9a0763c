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
