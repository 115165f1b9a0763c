//! GPU telemetry: processes that do not belong, and footprints that come and stay.
//!
//! Load alone says nothing: on labelled traces "utilisation at least 90 %" has a precision of 0.29. What counts is
//! categorical, a compute process outside of the allocation; the rest dates and corroborates.

mod allotment;
mod cadence;
mod changes;
#[cfg(test)]
mod corpus;
mod cost;
mod series;
mod settings;
mod visibility;

use std::collections::BTreeSet;

use crate::evidence::Record;
use crate::intake::{GpuProcessFact, GpuSeries};
use crate::model::{Behaviour, Confidence, Signal, SignalSource};
use crate::time::{Basis, Instant, SECOND, Span};

use series::{Cadence, moments};

pub use allotment::{Allotted, OnCaseClock, not_compared, unallotted_load, unallotted_processes};
pub use cadence::beats_changed;
pub use changes::changes;
pub use series::compute_plateaus;
pub use settings::settings_changed;
pub use visibility::visibility;

/// A footprint that grows by at least this much between two readings is a step, in MiB.
const STEP_MIB: f32 = 256.0;
/// A plateau may move by this much, in MiB.
const FLAT_MIB: f32 = 64.0;
/// A plateau lasts at least so long.
const PLATEAU_NS: i64 = 10 * SECOND;

/// Processes on GPUs outside of the allocation. With a declared allocation such a process is a strong signal; without
/// one, a process that appears on a GPU where others were at work from the first poll is a weak one.
///
/// `allocated` tells whether a process belongs; `None` if nothing is declared.
/// `series` gives GPUs the index that people know them by and their power. What the process took is told with the
/// former; a GPU-hour costs `price_per_gpu_hour`.
pub fn foreign_processes(
    processes: &[GpuProcessFact],
    series: &[GpuSeries],
    allocated: &dyn Fn(&str) -> Option<bool>,
    price_per_gpu_hour: Option<f64>,
) -> Vec<Signal> {
    let mut signals = Vec::new();
    for fact in processes {
        let Some(name) = fact.process.as_deref().filter(|name| !name.is_empty()) else { continue };
        let declared = allocated(name);
        if declared.unwrap_or_else(|| !appeared_late(fact, processes)) {
            continue;
        }
        let pid = fact.pid.map_or_else(String::new, |pid| format!(" pid {pid}"));
        let memory = fact.memory_used_max_mib.map_or_else(String::new, |mib| format!(", up to {mib:.0} MiB"));
        let seconds = match (fact.first, fact.last) {
            (Some(first), Some(last)) => format!(" over {:.0} s", last.lo.since(first.lo) as f64 / SECOND as f64),
            _ => String::new(),
        };
        let (kind, confidence, what) = if declared.is_some() {
            ("gpu-unallocated-process", Confidence::Strong, "not in the declared allocation")
        } else {
            ("gpu-process-appeared", Confidence::Weak, "appeared beside the processes of the first poll")
        };
        let polls = if fact.polls == 1 { "1 poll".to_owned() } else { format!("{} polls", fact.polls) };
        let cost = cost::told(fact, series, price_per_gpu_hour).filter(|_| declared.is_some());
        let cost = cost.map_or_else(String::new, |cost| format!("; {cost}"));
        signals.push(signal(
            kind,
            confidence,
            format!("{}:{pid} {name} {what}, {polls}{seconds}{memory}{cost}", label(&fact.gpu, series)),
            match (fact.first, fact.last) {
                (Some(first), Some(last)) => Some(first.cover(last)),
                (first, last) => first.or(last),
            },
            BTreeSet::from([fact.first_record, fact.last_record]).into_iter().collect(),
        ));
    }
    signals
}

/// A process of the accounting counts from this time of activity on, in milliseconds.
const ACCOUNTED_MS: u64 = 10_000;

/// Processes that the accounting of the driver remembers and that no poll of the case saw: weak, for the accounting has
/// neither their names nor when they ran, and numbers of processes come again.
pub fn accounted_processes(processes: &[GpuProcessFact], series: &[GpuSeries]) -> Vec<Signal> {
    let polled: BTreeSet<(&str, u32)> = processes
        .iter()
        .filter(|fact| fact.accounted_ms.is_none())
        .filter_map(|fact| Some((fact.gpu.as_str(), fact.pid?)))
        .collect();
    let mut signals = Vec::new();
    for fact in processes {
        let (Some(active_ms), Some(pid)) = (fact.accounted_ms, fact.pid) else { continue };
        // Without polls of that GPU every process would be one that no poll saw.
        let watched = polled.iter().any(|(gpu, _)| *gpu == fact.gpu);
        if active_ms < ACCOUNTED_MS || !watched || polled.contains(&(fact.gpu.as_str(), pid)) {
            continue;
        }
        let load = fact.utilization_percent.map_or_else(String::new, |load| format!(" at {load:.0} %"));
        let memory = fact.memory_used_max_mib.map_or_else(String::new, |mib| format!(", up to {mib:.0} MiB"));
        signals.push(signal(
            "gpu-accounted-process",
            Confidence::Weak,
            format!(
                "{}: pid {pid} was active for {:.0} s{load}{memory} by the accounting of the driver, and no poll shows it; \
                 its name and when it ran are not told",
                label(&fact.gpu, series),
                active_ms as f64 / 1000.0,
            ),
            // Before the query at the latest; since when is not known.
            None,
            vec![fact.first_record],
        ));
    }
    signals
}

/// "GPU 1", or by UUID where no reading gives the index.
fn label(gpu: &str, series: &[GpuSeries]) -> String {
    let index = series.iter().filter(|series| series.gpu == gpu).find_map(|series| series.index);
    index.map_or_else(|| format!("GPU {gpu}").trim().to_owned(), |index| format!("GPU {index}"))
}

fn appeared_late(fact: &GpuProcessFact, all: &[GpuProcessFact]) -> bool {
    let begin = all
        .iter()
        .filter(|other| other.first_record.evidence == fact.first_record.evidence && other.gpu == fact.gpu)
        .filter_map(|other| other.first.map(|first| first.lo))
        .min();
    match (fact.first, begin) {
        (Some(first), Some(begin)) => first.lo.since(begin) > PLATEAU_NS,
        _ => false,
    }
}

/// Footprints that jump up, stay flat for ten seconds or more, and may fall again: weak, for dating what another
/// source shows.
pub fn footprint_steps(series: &[GpuSeries]) -> Vec<Signal> {
    series.iter().flat_map(steps_of).collect()
}

fn steps_of(series: &GpuSeries) -> Vec<Signal> {
    let points: Vec<(Instant, u64, f32)> =
        series.points.iter().filter_map(|point| Some((point.at, point.record, point.memory_used_mib?))).collect();
    let cadence = Cadence::of(moments(series)).map_or_else(String::new, |cadence| format!(", {}", cadence.told()));
    let mut signals = Vec::new();
    let mut at = 1;
    while at < points.len() {
        let (before, up) = (points[at - 1], points[at]);
        if up.2 - before.2 < STEP_MIB {
            at += 1;
            continue;
        }
        let flat = points[at..].iter().take_while(|point| (point.2 - up.2).abs() <= FLAT_MIB).count();
        let end = points[at + flat - 1];
        if end.0.since(up.0) >= PLATEAU_NS {
            let record = |number| Record { evidence: series.evidence, number };
            signals.push(signal(
                "gpu-footprint-step",
                Confidence::Weak,
                format!(
                    "{}: memory in use from {:.0} to {:.0} MiB and flat for {:.0} s{cadence}",
                    label(&series.gpu, std::slice::from_ref(series)),
                    before.2,
                    up.2,
                    end.0.since(up.0) as f64 / SECOND as f64
                ),
                Some(Span { lo: before.0, hi: end.0, basis: Basis::AssumedZone }),
                vec![record(before.1), record(up.1), record(end.1)],
            ));
        }
        at += flat.max(1);
    }
    signals
}

fn signal(kind: &str, confidence: Confidence, summary: String, span: Option<Span>, records: Vec<Record>) -> Signal {
    Signal {
        kind: kind.to_owned(),
        confidence,
        span,
        summary,
        records,
        ..Signal::new(Behaviour::Mining, SignalSource::Gpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::intake::GpuPoint;

    fn process(name: &str, first: i64, last: i64) -> GpuProcessFact {
        let span = |second: i64| Some(Span::at(Instant(second * SECOND), Basis::AssumedZone));
        let record = |second: i64| Record { evidence: EvidenceId(0), number: second as u64 + 1 };
        GpuProcessFact {
            gpu: "GPU-1".to_owned(),
            pid: Some(7),
            process: Some(name.to_owned()),
            first: span(first),
            last: span(last),
            first_record: record(first),
            last_record: record(last),
            polls: 3,
            memory_used_max_mib: Some(2000.0),
            accounted_ms: None,
            utilization_percent: None,
        }
    }

    #[test]
    fn a_process_outside_of_the_declared_allocation_is_strong_and_the_trainer_is_not_named() {
        let processes = [process("/opt/conda/bin/python3", 0, 100), process("./helper", 40, 80)];
        let signals = foreign_processes(&processes, &[], &|name| Some(name == "/opt/conda/bin/python3"), None);
        assert_eq!(signals.len(), 1);
        assert_eq!((signals[0].kind.as_str(), signals[0].confidence), ("gpu-unallocated-process", Confidence::Strong));
        assert!(signals[0].summary.contains("./helper"));
    }

    #[test]
    fn without_an_allocation_only_a_latecomer_is_named_and_weakly() {
        let processes = [process("python3", 0, 100), process("./helper", 40, 80)];
        let signals = foreign_processes(&processes, &[], &|_| None, None);
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].confidence, Confidence::Weak);
    }

    #[test]
    fn the_accounting_tells_of_what_no_poll_saw() {
        let seen = process("python3", 0, 100);
        let accounted = |pid: u32, active_ms: u64| GpuProcessFact {
            pid: Some(pid),
            process: None,
            accounted_ms: Some(active_ms),
            utilization_percent: Some(97.0),
            ..process("", 100, 100)
        };
        let all = [seen, accounted(7, 90_000), accounted(8, 41_397), accounted(9, 200)];
        let signals = accounted_processes(&all, &[]);
        assert_eq!(signals.len(), 1);
        assert!(signals[0].summary.contains("pid 8 was active for 41 s at 97 %"), "{}", signals[0].summary);
        // Where nothing was polled nothing is missing from the polls.
        assert!(accounted_processes(&all[1..], &[]).is_empty());
    }

    #[test]
    fn a_jump_that_stays_is_a_step_and_one_that_does_not_is_none() {
        let series = |values: &[f32]| GpuSeries {
            index: Some(0),
            points: values
                .iter()
                .enumerate()
                .map(|(second, memory)| GpuPoint {
                    memory_used_mib: Some(*memory),
                    ..GpuPoint::empty(Instant(second as i64 * SECOND), second as u64 + 1)
                })
                .collect(),
            ..GpuSeries::new(EvidenceId(0), "0".to_owned())
        };
        let mut stays = vec![4000.0; 5];
        stays.extend([6000.0; 15]);
        assert_eq!(footprint_steps(&[series(&stays)]).len(), 1);
        assert!(footprint_steps(&[series(&[4000.0, 6000.0, 4000.0, 4000.0])]).is_empty());
    }
}
