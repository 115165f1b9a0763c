//! JSON of tools that read GPUs: gpustat, rocm-smi, amd-smi, and the lines of Morpheus.

use std::borrow::Cow;

use chrono::NaiveDateTime;
use serde_json::{Map, Value};

use super::documents::{Documents, Numbers, figure};
use super::form::Form;
use super::out::Out;
use super::reading::{Reading, named};
use crate::evidence::{AnomalyKind, quoted};
use crate::model::{GpuProcess, GpuSample};

/// `gpustat --json` (wookayin/gpustat).
pub(super) static GPUSTAT: Form = Form {
    id: "gpustat",
    title: "gpustat --json, one document or several in one file",
    record: "reading",
    probe: |head| {
        let marks = ["\"query_time\"", "\"gpus\"", "\"utilization.gpu\""];
        (is_json(head) && marks.iter().all(|mark| head.contains(mark))).then_some("the keys of gpustat --json")
    },
    reader: || Box::new(Documents::<()>::new(gpustat, |(), _| {}, "")),
};

/// `rocm-smi --json` (ROCm/rocm_smi_lib).
pub(super) static ROCM: Form = Form {
    id: "rocm-smi",
    title: "rocm-smi --json, ROCm 4.3 to 6.1",
    record: "reading",
    probe: |head| {
        let marks = ["(C)\"", "\"GPU use (%)\"", "clock level", "\"Performance Level\"", "Power (W)\"", "\"VRAM Total"];
        let card = head.trim_start().strip_prefix('{')?.trim_start().starts_with("\"card");
        (card && marks.iter().any(|mark| head.contains(mark))).then_some("cards and the names of rocm-smi --json")
    },
    reader: || Box::new(Documents::<()>::new(rocm, |(), _| {}, ": rocm-smi writes none")),
};

/// `amd-smi metric|monitor|process --json` (ROCm/amdsmi).
pub(super) static AMD: Form = Form {
    id: "amd-smi",
    title: "amd-smi metric, monitor and process --json",
    record: "reading",
    probe: |head| {
        let marks = [
            "\"gfx_activity\"",
            "\"socket_power\"",
            "\"power_usage\"",
            "\"process_list\"",
            "\"vram_used\"",
            "\"used_vram\"",
        ];
        let ours = is_json(head) && head.contains("\"gpu\"") && marks.iter().any(|mark| head.contains(mark));
        ours.then_some("the keys of amd-smi --json")
    },
    reader: || Box::new(Documents::<()>::new(amd, |(), _| {}, "; record with --watch_time so that they have")),
};

/// Lines of NVIDIA Morpheus: `nvidia-smi -q -x` flattened.
pub(super) static MORPHEUS: Form = Form {
    id: "morpheus-nvsmi",
    title: "NVIDIA Morpheus nvsmi JSON lines: the XML of nvidia-smi flattened, one GPU per line",
    record: "reading",
    probe: |head| {
        (is_json(head) && head.contains("\"nvidia_smi_log.gpu.")).then_some("the flattened keys of nvidia_smi_log")
    },
    reader: || Box::new(Documents::<()>::new(morpheus, |(), _| {}, "")),
};

pub(super) fn is_json(head: &str) -> bool {
    head.trim_start().starts_with(['{', '['])
}

fn text(map: &Map<String, Value>, key: &str) -> Option<Cow<'static, str>> {
    map.get(key).and_then(Value::as_str).and_then(named)
}

fn integer(map: &Map<String, Value>, key: &str) -> Option<u32> {
    map.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

fn gpustat(document: &Value, (): &mut (), numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    let Some(gpus) = document.get("gpus").and_then(Value::as_array) else { return false };
    // datetime.isoformat() of Python: local, to the microsecond unless that is zero.
    let told = document.get("query_time").and_then(Value::as_str);
    let local = told.and_then(|told| NaiveDateTime::parse_from_str(told, "%Y-%m-%dT%H:%M:%S%.f").ok());
    let span = local.and_then(|local| out.local(0, local, 1000));
    if let (Some(told), None) = (told, span) {
        out.anomaly(0, AnomalyKind::MalformedRecord, format!("the time {} cannot be read", quoted(told)));
    }
    for gpu in gpus.iter().filter_map(Value::as_object) {
        let number = |key: &str| gpu.get(key).and_then(figure);
        let (index, gpu_uuid) = (integer(gpu, "index"), text(gpu, "uuid"));
        out.record();
        let sample = GpuSample {
            gpu: index,
            gpu_uuid: gpu_uuid.clone(),
            name: text(gpu, "name"),
            utilization_percent: number("utilization.gpu"),
            memory_used_mib: number("memory.used"),
            memory_total_mib: number("memory.total"),
            power_w: number("power.draw"),
            temperature_c: number("temperature.gpu"),
            ..GpuSample::default()
        };
        out.sample(numbers.next(), span, sample);
        let processes = gpu.get("processes").and_then(Value::as_array);
        for process in processes.into_iter().flatten().filter_map(Value::as_object) {
            out.record();
            let process = GpuProcess {
                gpu: index,
                gpu_uuid: gpu_uuid.clone(),
                pid: integer(process, "pid"),
                process: text(process, "command"),
                memory_used_mib: process.get("gpu_memory_usage").and_then(figure),
                user: text(process, "username"),
                ..GpuProcess::default()
            };
            out.process(numbers.next(), span, process);
        }
    }
    true
}

/// Names change with the version: the first that is there counts.
fn rocm(document: &Value, (): &mut (), numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    let Some(cards) = document.as_object() else { return false };
    let mut found = false;
    for (name, card) in cards {
        let (Some(index), Some(card)) = (name.strip_prefix("card"), card.as_object()) else { continue };
        found = true;
        let number = |keys: &[&str]| keys.iter().find_map(|key| card.get(*key).and_then(figure));
        const MIB: f64 = 1_048_576.0;
        out.record();
        let sample = GpuSample {
            gpu: index.parse().ok(),
            gpu_uuid: text(card, "Unique ID"),
            name: ["Card Series", "Card series", "Card model", "Card Model"].iter().find_map(|key| text(card, key)),
            utilization_percent: number(&["GPU use (%)"]),
            memory_utilization_percent: number(&["GPU Memory Read/Write Activity (%)", "GPU memory use (%)"]),
            memory_used_mib: number(&["VRAM Total Used Memory (B)"]).map(|bytes| bytes / MIB),
            memory_total_mib: number(&["VRAM Total Memory (B)"]).map(|bytes| bytes / MIB),
            power_w: number(&[
                "Average Graphics Package Power (W)",
                "Current Socket Graphics Package Power (W)",
                "Current Graphics Package Power (W)",
            ]),
            sm_clock_mhz: number(&["sclk clock speed:"]),
            temperature_c: number(&["Temperature (Sensor edge) (C)", "Temperature (Sensor junction) (C)"]),
            ..GpuSample::default()
        };
        out.sample(numbers.next(), None, sample);
    }
    found
}

fn amd(document: &Value, (): &mut (), numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    let list = document.as_array().or_else(|| document.get("gpu_data").and_then(Value::as_array));
    let Some(list) = list else { return false };
    let mut found = false;
    for gpu in list.iter().filter_map(Value::as_object) {
        let Some(index) = integer(gpu, "gpu") else { continue };
        found = true;
        // Of `metric` in groups, of `monitor` flat.
        let at = |path: &[&str]| {
            path.iter()
                .try_fold(None::<&Value>, |above, key| {
                    Some(Some(above.map_or_else(|| gpu.get(*key), |above| above.get(*key))?))
                })
                .flatten()
        };
        let first = |paths: &[&[&str]]| paths.iter().find_map(|path| at(path).and_then(figure));
        let span = gpu.get("timestamp").and_then(figure).and_then(|seconds| out.epoch(0, seconds));
        if let Some(processes) = gpu.get("process_list").and_then(Value::as_array) {
            for process in processes {
                let Some(info) = process.get("process_info").unwrap_or(process).as_object() else { continue };
                out.record();
                let vram = info.get("memory_usage").and_then(|usage| usage.get("vram_mem")).or(info.get("mem_usage"));
                let process = GpuProcess {
                    gpu: Some(index),
                    pid: integer(info, "pid"),
                    process: text(info, "name"),
                    memory_used_mib: vram.and_then(mebibytes),
                    ..GpuProcess::default()
                };
                out.process(numbers.next(), span, process);
            }
            continue;
        }
        out.record();
        let sample = GpuSample {
            gpu: Some(index),
            utilization_percent: first(&[&["usage", "gfx_activity"], &["gfx"], &["gfx_util"]]),
            memory_utilization_percent: first(&[&["usage", "umc_activity"], &["mem"], &["mem_util"]]),
            memory_used_mib: at(&["mem_usage", "used_vram"]).or(at(&["vram_used"])).and_then(mebibytes),
            memory_total_mib: at(&["mem_usage", "total_vram"]).or(at(&["vram_total"])).and_then(mebibytes),
            power_w: first(&[&["power", "socket_power"], &["power_usage"]]),
            sm_clock_mhz: first(&[&["clock", "gfx_0", "clk"], &["gfx_clk"], &["gfx_clock"]]),
            temperature_c: first(&[&["temperature", "edge"], &["temperature", "hotspot"], &["hotspot_temperature"]]),
            ..GpuSample::default()
        };
        out.sample(numbers.next(), span, sample);
    }
    found
}

/// amd-smi writes "MB" for what it divides by 1024 twice (amdsmi_helpers.py).
fn mebibytes(value: &Value) -> Option<f64> {
    let number = figure(value)?;
    match value.get("unit").and_then(Value::as_str) {
        Some("B") => Some(number / 1_048_576.0),
        Some("KB") => Some(number / 1024.0),
        Some("GB") => Some(number * 1024.0),
        _ => Some(number),
    }
}

fn morpheus(document: &Value, (): &mut (), numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    const PREFIX: &str = "nvidia_smi_log.gpu.";
    let Some(fields) = document.as_object() else { return false };
    if !fields.keys().any(|key| key.starts_with(PREFIX)) {
        return false;
    }
    let number = numbers.next();
    let mut reading = Reading::new(number);
    for (key, value) in fields {
        let Some(path) = key.strip_prefix(PREFIX) else { continue };
        match value {
            Value::String(text) => reading.set(path, text),
            Value::Number(figure) => reading.set(path, &figure.to_string()),
            _ => {}
        }
    }
    let span = fields.get("timestamp").and_then(figure).and_then(|seconds| {
        // Some writers give milliseconds.
        out.epoch(number, if seconds > 1e11 { seconds / 1000.0 } else { seconds })
    });
    out.record();
    out.sample(number, span, reading.sample);
    true
}
