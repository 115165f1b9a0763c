//! Names that exporters give to what they measure, and the samples that are put together from them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::out::Out;
use crate::model::{GpuProcess, GpuSample};

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Utilization,
    MemoryUtilization,
    MemoryUsed,
    MemoryTotal,
    Power,
    SmClock,
    Temperature,
    /// Memory of one process.
    ProcessMemory,
    /// No figure: its labels tell of a GPU.
    Info,
}

const BYTES: f64 = 1.0 / 1_048_576.0;

/// What a metric measures and the factor to its unit here: DCGM (dcgm-exporter, default counters), nvidia_gpu_exporter.
pub(super) fn of_name(name: &str) -> Option<(Measure, f64)> {
    Some(match name {
        "DCGM_FI_DEV_GPU_UTIL" => (Measure::Utilization, 1.0),
        "nvidia_smi_utilization_gpu_ratio" => (Measure::Utilization, 100.0),
        "DCGM_FI_DEV_MEM_COPY_UTIL" => (Measure::MemoryUtilization, 1.0),
        "nvidia_smi_utilization_memory_ratio" => (Measure::MemoryUtilization, 100.0),
        "DCGM_FI_DEV_FB_USED" => (Measure::MemoryUsed, 1.0),
        "nvidia_smi_memory_used_bytes" => (Measure::MemoryUsed, BYTES),
        "DCGM_FI_DEV_FB_TOTAL" => (Measure::MemoryTotal, 1.0),
        "nvidia_smi_memory_total_bytes" => (Measure::MemoryTotal, BYTES),
        "DCGM_FI_DEV_POWER_USAGE" | "nvidia_smi_power_draw_watts" => (Measure::Power, 1.0),
        "DCGM_FI_DEV_SM_CLOCK" => (Measure::SmClock, 1.0),
        "nvidia_smi_clocks_current_sm_clock_hz" => (Measure::SmClock, 1e-6),
        "DCGM_FI_DEV_GPU_TEMP" | "nvidia_smi_temperature_gpu" => (Measure::Temperature, 1.0),
        "nvidia_smi_compute_app_used_memory_bytes" => (Measure::ProcessMemory, BYTES),
        "nvidia_smi_gpu_info" => (Measure::Info, 1.0),
        _ => return None,
    })
}

/// Whether a metric comes from an exporter that is known here.
pub(super) fn is_known_exporter(name: &str) -> bool {
    name.starts_with("DCGM_FI_") || name.starts_with("nvidia_smi_")
}

/// Labels of a series by name.
pub(super) type Labels = BTreeMap<String, String>;

fn label<'l>(labels: &'l Labels, names: &[&str]) -> Option<&'l str> {
    names.iter().find_map(|name| labels.get(*name)).map(String::as_str).filter(|value| !value.is_empty())
}

/// The UUID with its "GPU-", which nvidia_gpu_exporter leaves out.
fn uuid(labels: &Labels) -> Option<String> {
    let uuid = label(labels, &["UUID", "uuid"])?;
    Some(if uuid.starts_with("GPU-") || uuid.starts_with("MIG-") { uuid.to_owned() } else { format!("GPU-{uuid}") })
}

/// Bound on samples that are open at a time.
const OPEN: usize = 1 << 20;

/// Of which moment and GPU: milliseconds since 1970 and UUID, index and MIG instance.
type Key = (Option<i64>, Option<String>, Option<u32>, Option<String>);

/// Samples by moment and GPU.
#[derive(Debug, Default)]
pub(super) struct Samples {
    open: BTreeMap<Key, (u64, GpuSample<'static>)>,
}

impl Samples {
    /// Takes one figure; a second one of the same kind for the same GPU and moment begins the next scrape.
    pub(super) fn take(
        &mut self,
        record: u64,
        time: Option<f64>,
        measure: Measure,
        labels: &Labels,
        value: f64,
        out: &mut Out<'_>,
    ) {
        let ms = time.map(|seconds| (seconds * 1000.0).round() as i64);
        let index = label(labels, &["gpu", "index"]).and_then(|index| index.parse().ok());
        if measure == Measure::ProcessMemory {
            let process = GpuProcess {
                gpu: index,
                gpu_uuid: uuid(labels).map(Cow::Owned),
                pid: label(labels, &["pid"]).and_then(|pid| pid.parse().ok()),
                process: label(labels, &["process_name"]).and_then(super::reading::named),
                memory_used_mib: Some(value),
                ..GpuProcess::default()
            };
            let span = time.and_then(|seconds| out.epoch(record, seconds));
            out.process(record, span, process);
            return;
        }
        let instance = label(labels, &["GPU_I_ID"]).map(str::to_owned);
        // Only DCGM numbers GPUs in every series.
        let key: Key = (ms, uuid(labels), label(labels, &["gpu"]).and_then(|index| index.parse().ok()), instance);
        let repeated = self.open.get_mut(&key).is_some_and(|(_, sample)| match measure {
            Measure::Info => sample.name.is_some(),
            _ => field(sample, measure).is_some(),
        });
        if repeated || self.open.len() >= OPEN {
            self.flush(out);
        }
        let (_, sample) = self.open.entry(key.clone()).or_insert_with(|| {
            let (_, gpu_uuid, gpu, instance) = &key;
            let mut gpu_uuid = gpu_uuid.clone();
            // A slice is not its GPU.
            if let (Some(uuid), Some(instance)) = (&mut gpu_uuid, instance) {
                uuid.push('/');
                uuid.push_str(instance);
            }
            (record, GpuSample { gpu: *gpu, gpu_uuid: gpu_uuid.map(Cow::Owned), ..GpuSample::default() })
        });
        if let Some(name) = label(labels, &["modelName", "name"]) {
            sample.name = Some(Cow::Owned(name.to_owned()));
        }
        sample.gpu = sample.gpu.or(index);
        if measure != Measure::Info && value.is_finite() {
            // Factors such as 1e-6 leave a rest behind the twelfth figure.
            *field(sample, measure) = Some((value * 1e6).round() / 1e6);
        }
    }

    pub(super) fn flush(&mut self, out: &mut Out<'_>) {
        let mut ready: Vec<(u64, Option<i64>, GpuSample<'static>)> = std::mem::take(&mut self.open)
            .into_iter()
            .map(|((ms, ..), (record, sample))| (record, ms, sample))
            .collect();
        ready.sort_by_key(|(record, ms, _)| (*record, *ms));
        for (record, ms, sample) in ready {
            out.forget_order();
            let span = ms.and_then(|ms| out.epoch(record, ms as f64 / 1000.0));
            out.sample(record, span, sample);
        }
    }
}

fn field<'s>(sample: &'s mut GpuSample<'static>, measure: Measure) -> &'s mut Option<f64> {
    match measure {
        Measure::MemoryUtilization => &mut sample.memory_utilization_percent,
        Measure::MemoryUsed => &mut sample.memory_used_mib,
        Measure::MemoryTotal => &mut sample.memory_total_mib,
        Measure::Power => &mut sample.power_w,
        Measure::SmClock => &mut sample.sm_clock_mhz,
        Measure::Temperature => &mut sample.temperature_c,
        Measure::Utilization | Measure::ProcessMemory | Measure::Info => &mut sample.utilization_percent,
    }
}
