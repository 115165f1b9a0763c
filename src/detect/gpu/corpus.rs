//! Traces of which it is known what ran: labelled ones of others, and the recorded incidents of this project.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::evidence::EvidenceId;
use crate::formats::firewall::testing::{corpus, files_below, read};
use crate::intake::{GpuPoint, Options, take_in};
use crate::model::Detail;
use crate::time::TimeContext;

/// What is seen in series without any declaration.
fn undeclared(series: &[GpuSeries]) -> Vec<Signal> {
    let mut all = footprint_steps(series);
    all.extend(compute_plateaus(series));
    all.extend(settings_changed(series));
    all.extend(changes(series));
    all.extend(beats_changed(series));
    all
}

/// Runs of Zou et al. (ICPP 2020): hashing and password search against numeric programs, with a reading each `step_ns`
/// (the files have no times). By kind, how many traces without and with the label have it.
fn labelled(folder: &Path, step_ns: i64) -> (BTreeMap<String, [usize; 2]>, [usize; 2]) {
    let (mut kinds, mut all) = (BTreeMap::<String, [usize; 2]>::new(), [0; 2]);
    for file in files_below(folder) {
        let risky = usize::from(file.components().any(|part| part.as_os_str() == "risky"));
        let found = read("nvidia-smi-gpu", &std::fs::read(&file).unwrap(), &TimeContext::default());
        let points = (0_i64..).zip(&found.observations).filter_map(|(at, observation)| match &observation.detail {
            Detail::GpuSample(sample) => Some(GpuPoint {
                utilization_percent: sample.utilization_percent.map(|value| value as f32),
                memory_utilization_percent: sample.memory_utilization_percent.map(|value| value as f32),
                memory_used_mib: sample.memory_used_mib.map(|value| value as f32),
                power_w: sample.power_w.map(|value| value as f32),
                ..GpuPoint::empty(Instant(at * step_ns), observation.record)
            }),
            _ => None,
        });
        let series = GpuSeries { points: points.collect(), ..GpuSeries::new(EvidenceId(0), "0".to_owned()) };
        all[risky] += 1;
        let mut seen: Vec<String> = Vec::new();
        for signal in undeclared(&[series]) {
            // Load names nothing, whatever ran.
            assert_eq!(signal.confidence, Confidence::Weak, "{}: {}", file.display(), signal.summary);
            println!("{step_ns} {} {}: {}", ["normal", "risky"][risky], file.display(), signal.summary);
            seen.push(signal.kind);
        }
        // Four of a kind are the most that one GPU has of changes.
        assert!(
            seen.iter().filter(|kind| ["gpu-level-change", "gpu-full-load-fall"].contains(&kind.as_str())).count() <= 4
        );
        seen.sort();
        seen.dedup();
        seen.into_iter().for_each(|kind| kinds.entry(kind).or_default()[risky] += 1);
    }
    (kinds, all)
}

#[test]
fn labelled_traces_by_kind() {
    let Some(folder) = corpus("gpu/query-gpu-csv/icpp2020") else { return };
    for step_ns in [SECOND / 10, SECOND] {
        let (kinds, all) = labelled(&folder, step_ns);
        println!(
            "readings every {} s: {kinds:?} of {all:?} (without and with the label)",
            step_ns as f64 / SECOND as f64
        );
        // Neither of them is made to tell the two apart; a tenth of the ordinary runs is the most that they may disturb.
        for kind in ["gpu-level-change", "gpu-full-load-fall", "gpu-beat-changed", "gpu-setting-changed"] {
            let [wrong, _] = kinds.get(kind).copied().unwrap_or_default();
            assert!(wrong * 10 <= all[0], "{kind}: {wrong} of {}", all[0]);
        }
    }
}

/// Trainers in every one of them; miners where the folder's own account says so. What the telemetry says of trainers
/// alone is weak.
#[test]
fn recorded_incidents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents");
    let mut watched = 0;
    for incident in ["nothing-wrong", "telemetry-job", "intruder", "planted-delay", "reference"] {
        let evidence = folder.join(incident).join("evidence");
        let gpu = ["gpu.csv", "gpu-processes.csv"].map(|name| evidence.join(name));
        let intake = take_in(&gpu, &Options::default());
        let series = &intake.facts.gpu;
        watched += series.len();
        let all = undeclared(series);
        for signal in &all {
            println!("{incident}: {}: {}", signal.kind, signal.summary);
            assert_eq!(signal.confidence, Confidence::Weak);
        }
        let count = |kind: &str| all.iter().filter(|signal| signal.kind == kind).count();
        assert!(count("gpu-level-change") + count("gpu-full-load-fall") <= 4 * series.len());
        if incident == "nothing-wrong" {
            assert_eq!(count("gpu-full-load-fall") + count("gpu-beat-changed") + count("gpu-setting-changed"), 0);
        }
    }
    assert_eq!(watched, 10, "two GPUs each");
}
