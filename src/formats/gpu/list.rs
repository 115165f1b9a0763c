//! `nvidia-smi -L`: which index has which UUID.

use super::csv::is_uuid;
use super::form::Form;
use super::out::{Lines, Out};
use super::reading::named;
use crate::model::GpuSample;

/// The list of GPUs.
pub(super) static LIST: Form = Form {
    id: "nvidia-smi-list",
    title: "nvidia-smi -L: GPUs with index, name and UUID, and their MIG devices",
    record: "line",
    probe: |head| {
        let first = head.lines().find(|line| !line.trim().is_empty())?;
        gpu(first).map(|_| "a GPU with index and UUID as nvidia-smi -L lists it")
    },
    reader: || Box::new(List),
};

struct List;

/// `GPU 0: NVIDIA H200 (UUID: GPU-...)`.
fn gpu(line: &str) -> Option<GpuSample<'static>> {
    let (index, rest) = line.strip_prefix("GPU ")?.split_once(": ")?;
    let (name, uuid) = rest.trim_end().strip_suffix(')')?.rsplit_once(" (UUID: ")?;
    let index = index.parse().ok()?;
    is_uuid(uuid).then(|| GpuSample {
        gpu: Some(index),
        gpu_uuid: named(uuid),
        name: named(name.trim()),
        ..GpuSample::default()
    })
}

/// `  MIG 2g.35gb     Device  2: (UUID: MIG-...)`; which GPU it is part of stands above.
fn mig(line: &str) -> Option<GpuSample<'static>> {
    let (name, rest) = line.trim_start().strip_prefix("MIG ")?.split_once(" Device ")?;
    let uuid = rest.trim_end().strip_suffix(')')?.rsplit_once("(UUID: ")?.1;
    is_uuid(uuid).then(|| GpuSample {
        gpu_uuid: named(uuid),
        name: named(&format!("MIG {}", name.trim())),
        ..GpuSample::default()
    })
}

impl Lines for List {
    fn advice(&self) -> &'static str {
        ": a list of GPUs says which there are, not when"
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        if line.trim().is_empty() {
            return;
        }
        match gpu(line).or_else(|| mig(line)) {
            Some(sample) => {
                out.record();
                out.sample(number, None, sample);
            }
            None => out.unread(number, "neither a GPU nor a MIG device", line),
        }
    }

    fn end(&mut self, _: &mut Out<'_>) {}
}
