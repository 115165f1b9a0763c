use super::{Line, STEEPEST_PPB};
use crate::correlate::vote::Ballot;

const NS_PER_S: f64 = 1e9;
/// A drift of one part per million gains this many seconds in a second.
const PPM: f64 = 1e-6;

/// All lines that a set of ballots holds: a convex polygon of (offset, drift), by its corners. Set-valued and not a
/// standard error: no line outside of it agrees with all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    line: Line,
    /// Seconds of offset at `line.at_ns` and parts per million, both relative to `line`, in order around.
    corners: Vec<(f64, f64)>,
}

impl Region {
    /// The lines that hold with every ballot that `line` holds. Clipped by one half-plane after the other:
    /// O(ballots × corners).
    pub(super) fn around(line: Line, ballots: &[Ballot]) -> Region {
        let seconds = |ns: i128| ns as f64 / NS_PER_S;
        let holding: Vec<(f64, f64, f64)> = ballots
            .iter()
            .filter_map(|ballot| {
                let here = line.offset_at(ballot.at);
                let apart = |edge: i64| seconds(i128::from(edge) - i128::from(here));
                let since = seconds(i128::from(ballot.at) - i128::from(line.at_ns));
                ballot.holds(here).then(|| (since * PPM, apart(ballot.lo), apart(ballot.hi)))
            })
            .collect();
        let ppm = |ppb: i64| ppb as f64 / 1e3;
        let (least, most) = (ppm(-STEEPEST_PPB - line.drift_ppb), ppm(STEEPEST_PPB - line.drift_ppb));
        // What the offsets can be at all: the widest ballot, and what drift makes of it.
        let wide = holding.iter().fold(1.0_f64, |wide, (lever, low, high)| {
            wide.max(-low).max(*high).max(2.0 * lever.abs() * ppm(STEEPEST_PPB))
        }) * 2.0;
        let mut corners = vec![(-wide, least), (wide, least), (wide, most), (-wide, most)];
        for (lever, low, high) in holding {
            clip(&mut corners, |(offset, drift)| offset + lever * drift - low);
            clip(&mut corners, |(offset, drift)| high - offset - lever * drift);
        }
        if corners.is_empty() {
            corners.push((0.0, 0.0));
        }
        Region { line, corners }
    }

    /// The corners as (offset at the middle of the segment in seconds relative to its line, drift in ppm).
    pub fn corners(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let drift = self.line.drift_ppb as f64 / 1e3;
        self.corners.iter().map(move |(offset, ppm)| (*offset, ppm + drift))
    }

    /// The least and the greatest drift, in parts per billion.
    pub fn drift_ppb(&self) -> (i64, i64) {
        let (low, high) = extent(self.corners().map(|(_, ppm)| ppm * 1e3));
        (low.floor() as i64, high.ceil() as i64)
    }

    /// The least and the greatest offset at a moment of the reference, in nanoseconds, saturating.
    pub fn offsets_at(&self, reference_ns: i64) -> (i64, i64) {
        let lever = (i128::from(reference_ns) - i128::from(self.line.at_ns)) as f64 / NS_PER_S * PPM;
        let (low, high) = extent(self.corners.iter().map(|(offset, ppm)| (offset + lever * ppm) * NS_PER_S));
        let here = self.line.offset_at(reference_ns);
        (here.saturating_add(low.floor() as i64), here.saturating_add(high.ceil() as i64))
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let both = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if both.0 <= both.1 { both } else { (0.0, 0.0) }
}

/// Cuts off the side of a convex polygon where `inside` is negative (Sutherland and Hodgman, CACM 17 (1974) 32).
fn clip(corners: &mut Vec<(f64, f64)>, inside: impl Fn((f64, f64)) -> f64) {
    let Some(mut before) = corners.last().copied() else { return };
    if corners.iter().all(|corner| inside(*corner) >= 0.0) {
        return;
    }
    let mut kept = Vec::with_capacity(corners.len() + 2);
    for corner in corners.iter().copied() {
        let (from, to) = (inside(before), inside(corner));
        if (from < 0.0) != (to < 0.0) {
            let share = from / (from - to);
            kept.push((before.0 + share * (corner.0 - before.0), before.1 + share * (corner.1 - before.1)));
        }
        if to >= 0.0 {
            kept.push(corner);
        }
        before = corner;
    }
    *corners = kept;
}
