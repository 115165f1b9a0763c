//! What a source of GPU telemetry cannot show: it limits every conclusion that rests on it.

use std::collections::BTreeSet;

use super::label;
use super::series::{Cadence, is_mixed, moments};
use crate::evidence::{AnomalyKind, EvidenceId};
use crate::intake::{EvidenceAnomaly, Facts};
use crate::time::SECOND;

/// Sentences for one source, sorted: what its reader found to be hidden (a table without names in a container, the four
/// GPUs of pmon), GPUs without a load, processes without a name, and gaps in polling.
pub fn visibility(evidence: EvidenceId, facts: &Facts, anomalies: &[EvidenceAnomaly]) -> Vec<String> {
    let mut limits = BTreeSet::new();
    let hides = |one: &&EvidenceAnomaly| matches!(one.anomaly.kind, AnomalyKind::Gap | AnomalyKind::BoundReached);
    for one in anomalies.iter().filter(|one| one.evidence == evidence).filter(hides) {
        limits.insert(one.anomaly.detail.clone());
    }
    for series in facts.gpu.iter().filter(|series| series.evidence == evidence) {
        let name = label(&series.gpu, &facts.gpu);
        let blank = series.points.iter().all(|point| point.utilization_percent.is_none());
        // Forms that never tell a load (a list, a choice of columns) tell no power either, as a rule.
        if blank && series.points.iter().any(|point| point.power_w.is_some()) {
            limits.insert(format!(
                "{name}: no reading tells a load, as of GPUs in MIG mode: work on it does not show as load"
            ));
        }
        if is_mixed(series) {
            limits.insert(
                "its rows name no GPU, and several stand in one series: what one of them did is not told".to_owned(),
            );
        }
        let Some(cadence) = Cadence::of(moments(series)).filter(|cadence| cadence.gaps > 0) else { continue };
        let longest = cadence.longest_gap_ns as f64 / SECOND as f64;
        let gaps = if cadence.gaps == 1 { "a gap".to_owned() } else { format!("{} gaps", cadence.gaps) };
        limits.insert(format!("{name}: {gaps} of up to {longest:.0} s in its readings, of which nothing is known"));
    }
    let nameless: BTreeSet<Option<u32>> = facts
        .gpu_processes
        .iter()
        .filter(|fact| fact.first_record.evidence == evidence && fact.accounted_ms.is_none())
        .filter(|fact| fact.process.as_deref().is_none_or(str::is_empty))
        .map(|fact| fact.pid)
        .collect();
    if !nameless.is_empty() {
        let count =
            if nameless.len() == 1 { "a process has".to_owned() } else { format!("{} processes have", nameless.len()) };
        limits.insert(format!(
            "{count} no name, as of another process namespace (a container) or of one that had just ended: what it is, is not \
             known"
        ));
    }
    limits.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::firewall::testing::read;
    use crate::formats::{Collector, Kind, registry};
    use crate::intake::testing;
    use crate::time::TimeContext;

    fn seen(id: &str, text: &str) -> Vec<String> {
        assert_eq!(registry::by_id(id).map(|format| format.kind()), Some(Kind::Gpu));
        let found: Collector = read(id, text.as_bytes(), &TimeContext::default());
        let mut sink = testing::fold(EvidenceId(0));
        found.observations.iter().for_each(|observation| sink.observation(observation));
        let anomalies: Vec<EvidenceAnomaly> = found
            .anomalies
            .into_iter()
            .map(|anomaly| EvidenceAnomaly { evidence: EvidenceId(0), anomaly, of: 1 })
            .collect();
        visibility(EvidenceId(0), &testing::facts(sink), &anomalies)
    }

    #[test]
    fn four_gpus_of_pmon() {
        let rows = |gpus: u32| {
            let rows = (0..gpus).map(|gpu| {
                format!(" 20261120   00:00:01     {gpu}   4127     C     99     40      -      -    python3\n")
            });
            format!(
                "#Date       Time        gpu    pid  type     sm    mem    enc    dec    command\n#YYYYMMDD   HH:MM:SS    Idx      #   C/G      %      %      %      %    name\n{}",
                rows.collect::<String>()
            )
        };
        assert!(seen("nvidia-smi-pmon", &rows(4))[0].starts_with("GPUs 0 to 3, the most that pmon shows"));
        assert!(seen("nvidia-smi-pmon", &rows(2)).is_empty());
    }

    #[test]
    fn names_loads_and_gaps() {
        let head = "timestamp, gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n";
        let row = "2026/11/20 00:00:01.000, GPU-5f0c1a9e-31d7-4b52-9d0e-7a6f2c88e1b4, 4127, [Not Found], 600 MiB\n";
        assert!(seen("nvidia-smi-apps", &format!("{head}{row}"))[0].starts_with("a process has no name"));
        let row = |second: u32, load: &str| {
            format!("2026/11/20 00:{:02}:{:02}.000, 1, {load}, 300.00 W\n", second / 60, second % 60)
        };
        let head = "timestamp, index, utilization.gpu [%], power.draw [W]\n";
        let mig: String = (0..9).map(|second| row(second, "[N/A]")).collect();
        assert_eq!(
            seen("nvidia-smi-gpu", &format!("{head}{mig}")),
            ["GPU 1: no reading tells a load, as of GPUs in MIG mode: work on it does not show as load"]
        );
        let broken: String = (0..9).chain(300..309).map(|second| row(second, "97 %")).collect();
        let two: String = (0..9)
            .map(|second| format!("2026/11/20 00:00:0{second}.000, 90 W\n2026/11/20 00:00:0{second}.002, 80 W\n"))
            .collect();
        let mixed = seen("nvidia-smi-gpu", &format!("timestamp, power.draw [W]\n{two}"));
        assert!(mixed.iter().any(|limit| limit.starts_with("its rows name no GPU")), "{mixed:?}");
        // From second 8 to second 300.
        assert_eq!(
            seen("nvidia-smi-gpu", &format!("{head}{broken}")),
            ["GPU 1: a gap of up to 292 s in its readings, of which nothing is known"]
        );
    }
}
