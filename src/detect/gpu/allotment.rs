//! GPUs against what the case says they were given to whom for.

use std::collections::BTreeSet;

use super::series::{Cadence, GAP_FACTOR, moments};
use super::{PLATEAU_NS, cost, label, signal};
use crate::evidence::{EvidenceId, Record};
use crate::intake::{GpuAllotment, GpuPoint, GpuProcessFact, GpuSeries};
use crate::model::{Confidence, Signal};
use crate::time::{Basis, Instant, SECOND, Span};

/// A GPU is at work from this share of the time with a kernel on, in percent: a display or a monitoring tool stays below.
const AT_WORK: f32 = 10.0;
/// What counters tell is up to a second old (nvidia-smi: utilisation over 1/6 to 1 s, power over 1 s), in nanoseconds.
const LATENCY_NS: i64 = SECOND;

/// Jobs take a moment to begin and to end: a process may be there so long before and after its time, in nanoseconds.
const GRACE_NS: i64 = 60 * SECOND;

/// A moment of a source on the clock that the case states its times on, with how far off it may be either way in
/// nanoseconds; `None` where the two clocks cannot be compared.
pub type OnCaseClock<'a> = &'a dyn Fn(EvidenceId, Instant) -> Option<(Instant, i64)>;

/// What the case declares and how its times compare.
#[derive(Clone, Copy)]
pub struct Allotted<'a> {
    pub allotments: &'a [GpuAllotment],
    pub clock: OnCaseClock<'a>,
    pub price_per_gpu_hour: Option<f64>,
}

/// Where an end of a moment lies as to the times of allotments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Within,
    /// Of a GPU, or for a process, that no allotment names at any time.
    Never,
    /// Outside of all times; how many allotments had begun before tells one time between them from the next.
    Outside(usize),
    /// The clocks cannot be compared.
    Unknown,
}

impl Allotted<'_> {
    /// The allotments that may be of that GPU.
    fn of_gpu(&self, index: Option<u32>, gpu: &str) -> Vec<&GpuAllotment> {
        let uuid = Some(gpu).filter(|gpu| gpu.contains('-'));
        self.allotments.iter().filter(|one| one.is_of(index, uuid) != Some(false)).collect()
    }

    /// Where a moment lies. `grace_ns` is how long before its beginning and after its end an allotment may show.
    fn place(&self, allotments: &[&GpuAllotment], evidence: EvidenceId, at: Instant, grace_ns: (i64, i64)) -> Place {
        if allotments.is_empty() {
            return Place::Never;
        }
        if allotments.iter().any(|one| one.from.is_none() && one.to.is_none()) {
            return Place::Within;
        }
        let Some((at, slack_ns)) = (self.clock)(evidence, at) else { return Place::Unknown };
        let begun =
            |one: &&&GpuAllotment| one.from.is_none_or(|from| from.since(at) <= slack_ns.saturating_add(grace_ns.0));
        let ended = |one: &GpuAllotment| one.to.is_some_and(|to| at.since(to) > slack_ns.saturating_add(grace_ns.1));
        let (mut running, count) = (allotments.iter().filter(begun), allotments.iter().filter(begun).count());
        if running.any(|one| !ended(one)) { Place::Within } else { Place::Outside(count) }
    }
}

/// The index that people know a GPU by.
fn index_of(gpu: &str, series: &[GpuSeries]) -> Option<u32> {
    gpu.parse().ok().or_else(|| series.iter().filter(|one| one.gpu == gpu).find_map(|one| one.index))
}

/// Processes on GPUs that they were not given, or at a time they were not given them: strong where the process has a
/// name and was there for ten seconds, for monitoring tools come and go; else weak.
///
/// `known` tells of names that another detector has judged already.
pub fn unallotted_processes(
    processes: &[GpuProcessFact],
    series: &[GpuSeries],
    allotted: Allotted<'_>,
    known: &dyn Fn(&str) -> bool,
) -> Vec<Signal> {
    let mut signals = Vec::new();
    if allotted.allotments.is_empty() {
        return signals;
    }
    // What the accounting tells has no time of its own.
    for fact in processes.iter().filter(|fact| fact.accounted_ms.is_none()) {
        let name = fact.process.as_deref().filter(|name| !name.is_empty());
        if name.is_some_and(known) {
            continue;
        }
        let mut own = allotted.of_gpu(index_of(&fact.gpu, series), &fact.gpu);
        own.retain(|one| one.is_for(name));
        let evidence = fact.first_record.evidence;
        let place = |span: Option<Span>| {
            span.map_or(if own.is_empty() { Place::Never } else { Place::Unknown }, |span| {
                allotted.place(&own, evidence, span.lo, (GRACE_NS, GRACE_NS))
            })
        };
        let ends = (place(fact.first), place(fact.last));
        let throughout = !matches!(ends, (Place::Within | Place::Unknown, _) | (_, Place::Within | Place::Unknown));
        let what = match ends {
            (Place::Never, _) | (_, Place::Never) => "not allotted this GPU at any time",
            (Place::Outside(_), Place::Outside(_)) => "outside of the times that it is allotted this GPU for",
            (Place::Outside(_), _) => "there before the time that it is allotted this GPU for",
            (_, Place::Outside(_)) => "there after the time that it is allotted this GPU for",
            _ => continue,
        };
        let lasted = fact.first.zip(fact.last).map_or(0, |(first, last)| last.lo.since(first.lo));
        let confidence = if name.is_some() && lasted >= PLATEAU_NS { Confidence::Strong } else { Confidence::Weak };
        let pid = fact.pid.map_or_else(String::new, |pid| format!(" pid {pid}"));
        let memory = fact.memory_used_max_mib.map_or_else(String::new, |mib| format!(", up to {mib:.0} MiB"));
        let polls = if fact.polls == 1 { "1 poll".to_owned() } else { format!("{} polls", fact.polls) };
        // Of one that was there in its time as well no poll tells how much of it was beyond.
        let cost = cost::told(fact, series, allotted.price_per_gpu_hour)
            .filter(|_| confidence == Confidence::Strong && throughout);
        let cost = cost.map_or_else(String::new, |cost| format!("; {cost}"));
        signals.push(signal(
            "gpu-unallotted-process",
            confidence,
            format!(
                "{}:{pid} {} {what}, {polls} over {:.0} s{memory}{cost}",
                label(&fact.gpu, series),
                name.unwrap_or("a process without a name"),
                lasted as f64 / SECOND as f64
            ),
            fact.first.zip(fact.last).map(|(first, last)| first.cover(last)),
            BTreeSet::from([fact.first_record, fact.last_record]).into_iter().collect(),
        ));
    }
    signals
}

/// Load on a GPU that the case gives to nobody, or at a time it gives it to nobody: weak, for it names nobody. One
/// signal for each time between allotments.
pub fn unallotted_load(series: &[GpuSeries], allotted: Allotted<'_>) -> Vec<Signal> {
    let mut signals = Vec::new();
    if allotted.allotments.is_empty() {
        return signals;
    }
    for one in series {
        let own = allotted.of_gpu(index_of(&one.gpu, series), &one.gpu);
        let Some(cadence) = Cadence::of(moments(one)) else { continue };
        // After the end of an allotment the next poll may still tell of it.
        let late_ns = cadence.usual_ns.saturating_add(LATENCY_NS);
        let mut open: Option<(Place, Load)> = None;
        for point in one.points.iter() {
            let place = allotted.place(&own, one.evidence, point.at, (0, late_ns));
            let load = match open.take() {
                Some((of, load)) if of == place => load,
                other => {
                    signals.extend(other.and_then(|(of, load)| load.told(of, one, series, cadence)));
                    Load::default()
                }
            };
            open = Some((place, load.with(*point, cadence)));
        }
        signals.extend(open.and_then(|(of, load)| load.told(of, one, series, cadence)));
    }
    signals
}

/// The work of a GPU over a time.
#[derive(Default)]
struct Load {
    /// First and last reading at work.
    busy: Option<(GpuPoint, GpuPoint)>,
    busy_ns: i64,
    most: f32,
    /// The reading before was at work.
    last: Option<Instant>,
}

impl Load {
    fn with(mut self, point: GpuPoint, cadence: Cadence) -> Load {
        let Some(load) = point.utilization_percent else { return self };
        if load < AT_WORK {
            self.last = None;
            return self;
        }
        // What was not read is not known: a gap counts for nothing.
        let wait = self.last.map_or(0, |last| point.at.since(last));
        if wait <= cadence.usual_ns.saturating_mul(GAP_FACTOR) {
            self.busy_ns = self.busy_ns.saturating_add(wait);
        }
        self.last = Some(point.at);
        self.most = self.most.max(load);
        self.busy = Some((self.busy.map_or(point, |(first, _)| first), point));
        self
    }

    fn told(self, place: Place, one: &GpuSeries, all: &[GpuSeries], cadence: Cadence) -> Option<Signal> {
        let what = match place {
            Place::Never => "which the case allots to nobody",
            Place::Outside(_) => "outside of the times that the case allots it for",
            Place::Within | Place::Unknown => return None,
        };
        let (first, last) = self.busy.filter(|_| self.busy_ns >= PLATEAU_NS)?;
        let record = |number| Record { evidence: one.evidence, number };
        Some(signal(
            "gpu-unallotted-load",
            Confidence::Weak,
            format!(
                "{}, {what}: at least {AT_WORK:.0} % busy for {:.0} of {:.0} s, up to {:.0} %, {}; load names nobody",
                label(&one.gpu, all),
                self.busy_ns as f64 / SECOND as f64,
                last.at.since(first.at) as f64 / SECOND as f64,
                self.most,
                cadence.told(),
            ),
            Some(Span { lo: first.at, hi: last.at, basis: Basis::AssumedZone }),
            vec![record(first.record), record(last.record)],
        ))
    }
}

/// Sources whose times could not be held against those of allotments, in order.
pub fn not_compared(processes: &[GpuProcessFact], series: &[GpuSeries], allotted: Allotted<'_>) -> Vec<EvidenceId> {
    let timed = allotted.allotments.iter().any(|one| one.from.is_some() || one.to.is_some());
    let of_series = series.iter().filter_map(|one| Some((one.evidence, one.points.first()?.at)));
    let of_processes = processes
        .iter()
        .filter(|fact| fact.accounted_ms.is_none())
        .filter_map(|fact| Some((fact.first_record.evidence, fact.first?.lo)));
    let all: BTreeSet<EvidenceId> = of_series
        .chain(of_processes)
        .filter(|(evidence, at)| timed && (allotted.clock)(*evidence, *at).is_none())
        .map(|(evidence, _)| evidence)
        .collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests;
