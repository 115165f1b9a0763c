//! Whole files: samples with expectations written by hand, and samples of other projects.

use serde_json::Value;

use crate::evidence::{EvidenceId, Input};
use crate::formats::firewall::testing::{self, as_json, check_samples, corpus, read};
use crate::formats::{Collector, Format};
use crate::time::TimeContext;

#[test]
fn gpu_samples() {
    check_samples("nvidia-smi-gpu");
}

#[test]
fn apps_samples() {
    check_samples("nvidia-smi-apps");
}

#[test]
fn samples_of_the_other_forms() {
    let failing = |id: &&'static str| std::panic::catch_unwind(|| check_samples(id)).is_err();
    let failed: Vec<&str> = super::FORMS.iter().skip(2).map(|format| format.id()).filter(failing).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// `--query-gpu=timestamp,memory.used,utilization.gpu --format=csv,noheader,nounits`: which number is which is not told.
#[test]
fn stated_columns() {
    let rows = b"2026/11/20 14:34:46.696, 4096, 97\n";
    let unknown = read("nvidia-smi-gpu", rows, &TimeContext::default());
    assert_eq!(as_json(&unknown.observations[0]).get("utilization_percent"), None);
    assert!(unknown.anomalies[0].detail.contains("--gpu-query"));
    let mut input = Input::from_bytes("gpu.csv", rows.to_vec(), EvidenceId(0));
    input.columns = Some("timestamp, memory.used,utilization.gpu".to_owned());
    let mut known = Collector::default();
    super::QueryGpu.read(&mut input, &TimeContext::default(), &mut known).unwrap();
    let json = as_json(&known.observations[0]);
    assert_eq!((&json["memory_used_mib"], &json["utilization_percent"]), (&4096.0.into(), &97.0.into()));
    assert!(known.anomalies.is_empty());
}

#[test]
fn utf16_of_powershell() {
    let text = "timestamp, index, utilization.gpu [%]\r\n2026/11/20 14:34:46.696, 0, 97 %\r\n2026/11/20 14:34:47.696, 0, 98 %\r\n";
    let mut wide = vec![0xff, 0xfe];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let narrow = read("nvidia-smi-gpu", text.as_bytes(), &TimeContext::default());
    assert_eq!(narrow.records, 2);
    assert_eq!(read("nvidia-smi-gpu", &wide, &TimeContext::default()), narrow);
    let candidates = crate::formats::registry::probe(&testing::head("gpu.csv", &wide));
    assert_eq!(candidates[0].format, "nvidia-smi-gpu");
    for end in 0..wide.len() {
        assert!(read("nvidia-smi-gpu", &wide[..end], &TimeContext::default()).records <= 2);
    }
}

#[test]
fn a_row_without_end_is_passed_over() {
    let mut log = b"power.draw [W]\n".to_vec();
    log.extend(std::iter::repeat_n(b'x', (1 << 20) + 5));
    log.extend_from_slice(b"\n41.00 W\n");
    let got = read("nvidia-smi-gpu", &log, &TimeContext::default());
    assert_eq!((got.records, got.unread.len()), (1, 1));
    assert_eq!(got.observations[0].record, 3);
}

/// Labelled traces at about 10 Hz without times (ICPP 2020), each with a bare number as its last line: every other row is
/// a sample, with the figures that stand in it.
#[test]
fn labelled_traces() {
    let Some(folder) = corpus("gpu/query-gpu-csv/icpp2020") else { return };
    let mut files = 0;
    for file in testing::files_below(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let got = read("nvidia-smi-gpu", text.as_bytes(), &TimeContext::default());
        let rows: Vec<&str> = text.lines().skip(1).filter(|line| line.contains(" W, ")).collect();
        assert_eq!(got.records, rows.len() as u64, "{}", file.display());
        assert_eq!(got.unread.len(), 1, "{}", file.display());
        for (row, observation) in rows.iter().zip(&got.observations) {
            let json = as_json(observation);
            let cells: Vec<f64> =
                row.split(", ").map(|cell| cell.split(' ').next().unwrap().parse().unwrap()).collect();
            let names = ["power_w", "memory_used_mib", "utilization_percent", "memory_utilization_percent"];
            let read_back: Vec<f64> = names.iter().map(|name| json[name].as_f64().unwrap()).collect();
            assert_eq!(read_back, cells);
        }
        files += 1;
    }
    println!("{files} traces");
    assert!(files > 200);
}

/// Captures of several drivers against the metrics that nvidia_gpu_exporter makes of the same capture.
#[test]
fn exporter_metrics() {
    let Some(folder) = corpus("gpu") else { return };
    let mut compared = 0;
    for file in testing::files_below(&folder.join("query-gpu-csv/nvidia_gpu_exporter")) {
        let name = file.file_name().unwrap().to_str().unwrap().replace("__query-gpu-csv.txt", ".metrics");
        let Ok(metrics) = std::fs::read_to_string(folder.join("exporter-prometheus/nvidia_gpu_exporter").join(&name))
        else {
            continue;
        };
        let got = read("nvidia-smi-gpu", &std::fs::read(&file).unwrap(), &TimeContext::default());
        // In MIG mode the load of the whole GPU is not told.
        let blank = usize::from(name.contains("-mig__"));
        assert_eq!((got.records, got.unread.len(), got.anomalies.len()), (1, 0, blank), "{name}");
        let json = as_json(&got.observations[0]);
        for (ours, theirs, factor) in [
            ("utilization_percent", "nvidia_smi_utilization_gpu_ratio", 100.0),
            ("memory_utilization_percent", "nvidia_smi_utilization_memory_ratio", 100.0),
            ("memory_used_mib", "nvidia_smi_memory_used_bytes", 1.0 / 1_048_576.0),
            ("memory_total_mib", "nvidia_smi_memory_total_bytes", 1.0 / 1_048_576.0),
            ("power_w", "nvidia_smi_power_draw_watts", 1.0),
            ("sm_clock_mhz", "nvidia_smi_clocks_current_sm_clock_hz", 1e-6),
            ("temperature_c", "nvidia_smi_temperature_gpu", 1.0),
        ] {
            let line = metrics.lines().find(|line| line.strip_prefix(theirs).is_some_and(|rest| rest.starts_with('{')));
            let want = line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() * factor);
            match (json.get(ours).and_then(Value::as_f64), want) {
                (Some(ours), Some(theirs)) => {
                    assert!((ours - theirs).abs() < 1e-6 * theirs.abs().max(1.0), "{name} {ours} {theirs}")
                }
                (ours, theirs) => assert_eq!(ours, theirs, "{name}"),
            }
            compared += 1;
        }
    }
    println!("{compared} values");
    assert!(compared >= 7 * 9);
}

#[test]
fn compute_processes() {
    let Some(folder) = corpus("gpu/compute-apps-csv") else { return };
    let mut rows = 0;
    for file in testing::files_below(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let got = read("nvidia-smi-apps", text.as_bytes(), &TimeContext::default());
        let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
        assert_eq!((got.records, got.unread.len()), (lines.len() as u64, 0), "{}", file.display());
        for (line, observation) in lines.iter().zip(&got.observations) {
            let json = as_json(observation);
            let rest = line.split_once(&format!(", {}, ", json["pid"])).unwrap().1;
            let (process, memory) = rest.rsplit_once(", ").unwrap();
            assert_eq!(
                json.get("process").and_then(Value::as_str),
                Some(process).filter(|name| !name.starts_with('['))
            );
            let memory = memory.strip_suffix(" MiB").map(|value| value.parse::<f64>().unwrap());
            assert_eq!(json.get("memory_used_mib").and_then(Value::as_f64), memory);
            rows += 1;
        }
    }
    println!("{rows} processes");
    assert!(rows >= 20);
}
