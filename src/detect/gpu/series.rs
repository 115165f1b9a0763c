//! How a series of readings was taken, and what it shows of work that never varies.

use super::{label, signal};
use crate::evidence::Record;
use crate::intake::{GpuPoint, GpuSeries};
use crate::model::{Confidence, Signal};
use crate::time::{Basis, Instant, SECOND, Span};

/// A wait of this many usual ones is a gap.
pub(super) const GAP_FACTOR: i64 = 10;

/// How often readings came: what was asked for is not what was done (`nvidia-smi -lms 5` gives 4 to 105 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cadence {
    /// The median wait between two moments, in nanoseconds.
    pub(super) usual_ns: i64,
    pub(super) gaps: usize,
    /// The longest gap, in nanoseconds; 0 without.
    pub(super) longest_gap_ns: i64,
}

impl Cadence {
    /// Of the moments of a series, in order. `None` below three moments.
    pub(super) fn of(moments: impl Iterator<Item = Instant>) -> Option<Cadence> {
        let mut waits = Vec::new();
        let mut last = None;
        for at in moments {
            if let Some(last) = last.replace(at) {
                waits.push(at.since(last));
            }
        }
        // Readings of one poll share their moment.
        waits.retain(|wait| *wait > 0);
        if waits.len() < 2 {
            return None;
        }
        waits.sort_unstable();
        let usual_ns = *waits.get(waits.len() / 2)?;
        let gaps = waits.iter().filter(|wait| **wait > usual_ns.saturating_mul(GAP_FACTOR)).count();
        let longest_gap_ns = if gaps == 0 { 0 } else { waits.last().copied().unwrap_or_default() };
        Some(Cadence { usual_ns, gaps, longest_gap_ns })
    }

    /// "readings every 1.0 s", with the gaps that may hide something.
    pub(super) fn told(self) -> String {
        let seconds = |ns: i64| ns as f64 / SECOND as f64;
        let every = format!("readings every {:.1} s", seconds(self.usual_ns));
        match self.gaps {
            0 => every,
            1 => format!("{every} with a gap of {:.0} s", seconds(self.longest_gap_ns)),
            gaps => format!("{every} with {gaps} gaps of up to {:.0} s", seconds(self.longest_gap_ns)),
        }
    }
}

pub(super) fn moments(series: &GpuSeries) -> impl Iterator<Item = Instant> + '_ {
    series.points.iter().map(|point| point.at)
}

/// Whether the rows of several GPUs stand in one series, because no column names them (`nvidia-smi
/// --query-gpu=timestamp,power.draw -lms 100` on a machine of two): the rows of one poll follow each other at once, then
/// comes the wait. What one GPU did cannot be told from such a series.
pub(super) fn is_mixed(series: &GpuSeries) -> bool {
    if !series.gpu.is_empty() {
        return false;
    }
    let mut before = None;
    let wait = |at: Instant| before.replace(at).map(|before| at.since(before));
    let mut waits: Vec<i64> = moments(series).filter_map(wait).collect();
    waits.sort_unstable();
    // The longest tenth may be gaps.
    let Some(wait) = waits.get(waits.len() * 9 / 10).copied() else { return false };
    let at_once = waits.iter().filter(|one| one.saturating_mul(10) <= wait).count();
    // Of two GPUs every other row follows at once; of one at most where a poll was late.
    at_once * 3 >= waits.len()
}

/// At work throughout: at least this, in percent ...
const BUSY: f32 = 90.0;
/// ... while memory is hardly touched: at most this, in percent ...
const STILL: f32 = 2.0;
/// ... for at least so long, dips of up to [`DIP_NS`] left out.
const PLATEAU_NS: i64 = 10 * SECOND;
const DIP_NS: i64 = SECOND;

/// First and last reading of the longest time at full load that hardly touches memory.
///
/// Hashing and password search keep a GPU so; so do some numeric kernels. On the labelled traces of ICPP 2020 (Zou et
/// al., doi 10.1145/3404397.3404435) "utilisation at least 90 % in nine tenths of the readings and memory at most 2 %"
/// was the best known rule; that the load has to last ten seconds leaves its false alarms out. The bounds were chosen
/// on those traces. Work on coins that need memory does not show so, nor does training.
fn longest_plateau(points: impl Iterator<Item = GpuPoint>, gap_ns: i64) -> Option<(GpuPoint, GpuPoint)> {
    let mut best: Option<(GpuPoint, GpuPoint)> = None;
    let mut open: Option<(GpuPoint, GpuPoint)> = None;
    let mut before: Option<Instant> = None;
    for point in points {
        let (Some(load), Some(memory)) = (point.utilization_percent, point.memory_utilization_percent) else {
            continue;
        };
        // What was not read is not known: a gap in the readings ends a plateau. What was read between two readings of
        // the plateau is a dip.
        let dip = before.is_some_and(|before| open.is_some_and(|(_, last)| before > last.at));
        if before.replace(point.at).is_some_and(|before| point.at.since(before) > gap_ns) {
            open = None;
        }
        if load < BUSY || memory > STILL {
            continue;
        }
        let first = match open {
            Some((first, last)) if !dip || point.at.since(last.at) <= DIP_NS => first,
            _ => point,
        };
        open = Some((first, point));
        if best.is_none_or(|(from, to)| point.at.since(first.at) > to.at.since(from.at)) {
            best = open;
        }
    }
    best.filter(|(first, last)| last.at.since(first.at) >= PLATEAU_NS)
}

/// The longest time of each GPU at full load that hardly touches memory: weak, for dating what another source shows.
pub fn compute_plateaus(series: &[GpuSeries]) -> Vec<Signal> {
    series
        .iter()
        .filter_map(|series| {
            let cadence = Cadence::of(moments(series))?;
            let points = series.points.iter().map(|point| *point);
            let (first, last) = longest_plateau(points, cadence.usual_ns.saturating_mul(GAP_FACTOR))?;
            // Two readings ten seconds apart are no plateau.
            if last.at.since(first.at) < cadence.usual_ns.saturating_mul(5) {
                return None;
            }
            let record = |number| Record { evidence: series.evidence, number };
            Some(signal(
                "gpu-compute-plateau",
                Confidence::Weak,
                format!(
                    "{}: at least {BUSY:.0} % busy with memory at most {STILL:.0} % for {:.0} s, {}; load alone names \
                     nothing",
                    label(&series.gpu, std::slice::from_ref(series)),
                    last.at.since(first.at) as f64 / SECOND as f64,
                    cadence.told(),
                ),
                Some(Span { lo: first.at, hi: last.at, basis: Basis::AssumedZone }),
                vec![record(first.record), record(last.record)],
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::formats::firewall::testing::{corpus, files_below, read};
    use crate::model::Detail;
    use crate::time::TimeContext;

    fn points(step_ns: i64, readings: &[(f32, f32)]) -> Vec<GpuPoint> {
        (0..)
            .zip(readings)
            .map(|(at, (load, memory))| GpuPoint {
                utilization_percent: Some(*load),
                memory_utilization_percent: Some(*memory),
                ..GpuPoint::empty(Instant(at * step_ns), at as u64 + 1)
            })
            .collect()
    }

    #[test]
    fn cadence_is_what_was_done() {
        let at = |seconds: &[i64]| Cadence::of(seconds.iter().map(|second| Instant(second * SECOND)));
        assert_eq!(at(&[0, 1]), None);
        // Waits of 1, 1, 1, 60 and 1 s: the median is 1 s, and 60 s are more than ten of it.
        let cadence = at(&[0, 1, 2, 3, 63, 64]).unwrap();
        assert_eq!(cadence, Cadence { usual_ns: SECOND, gaps: 1, longest_gap_ns: 60 * SECOND });
        assert_eq!(cadence.told(), "readings every 1.0 s with a gap of 60 s");
        assert_eq!(at(&[0, 2, 2, 4, 6]).unwrap().told(), "readings every 2.0 s");
    }

    #[test]
    fn rows_of_several_gpus_without_a_name() {
        let of = |gpu: &str, waits_ms: &[i64]| {
            let mut at = 0;
            let points = (0..200).map(|row: u64| {
                at += waits_ms[row as usize % waits_ms.len()] * 1_000_000;
                GpuPoint::empty(Instant(at), row + 2)
            });
            is_mixed(&GpuSeries { points: points.collect(), ..GpuSeries::new(EvidenceId(0), gpu.to_owned()) })
        };
        // As two GPUs of a machine were polled with -lms 100.
        assert!(of("", &[101, 1]));
        assert!(of("", &[98, 1, 1, 1]));
        // One GPU, polled as unevenly as -lms 5 does it, or two that are named.
        assert!(!of("", &[100]) && !of("", &[4, 6, 5, 8, 4, 5, 7, 5, 4, 6, 8, 105]) && !of("0", &[101, 1]));
    }

    #[test]
    fn a_plateau_is_long_and_still() {
        let series = |points: Vec<GpuPoint>| GpuSeries {
            index: Some(0),
            points: points.into(),
            ..GpuSeries::new(EvidenceId(0), String::new())
        };
        let long = vec![(100.0, 0.0); 12];
        assert_eq!(compute_plateaus(&[series(points(SECOND, &long))]).len(), 1);
        // Ten readings span nine seconds.
        assert!(compute_plateaus(&[series(points(SECOND, &long[..10]))]).is_empty());
        // Training moves memory.
        assert!(compute_plateaus(&[series(points(SECOND, &[(99.0, 46.0); 60]))]).is_empty());
        // A dip of two seconds divides.
        let mut dipped = long[..8].to_vec();
        dipped.push((10.0, 0.0));
        dipped.extend(&long[..8]);
        assert!(compute_plateaus(&[series(points(SECOND, &dipped))]).is_empty());
    }

    /// Labelled traces at 10 Hz: against the best rule known, no less precision and recall at a tenth of its false
    /// alarms.
    #[test]
    fn labelled_traces() {
        let Some(folder) = corpus("gpu/query-gpu-csv/icpp2020") else { return };
        let (mut ours, mut known, mut all) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for file in files_below(&folder) {
            let risky = usize::from(file.components().any(|part| part.as_os_str() == "risky"));
            let found = read("nvidia-smi-gpu", &std::fs::read(&file).unwrap(), &TimeContext::default());
            let readings: Vec<(f32, f32)> = found
                .observations
                .iter()
                .filter_map(|observation| match &observation.detail {
                    Detail::GpuSample(sample) => {
                        Some((sample.utilization_percent? as f32, sample.memory_utilization_percent? as f32))
                    }
                    _ => None,
                })
                .collect();
            all[risky] += 1.0;
            ours[risky] +=
                f64::from(u8::from(longest_plateau(points(SECOND / 10, &readings).into_iter(), SECOND).is_some()));
            let busy = readings.iter().filter(|(load, _)| *load >= 90.0).count();
            let still: f32 = readings.iter().map(|(_, memory)| memory).sum::<f32>() / readings.len().max(1) as f32;
            known[risky] +=
                f64::from(u8::from(!readings.is_empty() && busy * 10 >= readings.len() * 9 && still <= 2.0));
        }
        let precision = |[wrong, right]: [f64; 2]| right / (wrong + right).max(1.0);
        println!("alarms wrong and right: ours {ours:?}, the rule {known:?}, of {all:?}");
        assert!(precision(ours) >= precision(known) && ours[1] >= known[1] && ours[0] <= known[0] / 10.0);
    }
}
