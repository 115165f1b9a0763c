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
        // nvidia-smi nvlink puts the links of each GPU below its line, as others put what they measure.
        let is_list = !head.lines().any(|line| is_of_links(line) && gpu(line).is_none());
        gpu(first).filter(|_| is_list).map(|_| "a GPU with index and UUID as nvidia-smi -L lists it")
    },
    reader: || Box::new(List),
};

struct List;

/// `Link 0: 26.562 GB/s`, `Device does not have or support Nvlink` and the like, of `nvidia-smi nvlink`.
fn is_of_links(line: &str) -> bool {
    let line = line.trim();
    line.strip_prefix("Link ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        || line.to_ascii_lowercase().contains("nvlink")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_no_list() {
        let gpu = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-00000000-0000-0000-0000-000000000000)\n";
        assert!((LIST.probe)(gpu).is_some());
        // What drivers 590 and 595 write below it for `nvidia-smi nvlink -s`.
        for links in [
            "\t Link 0: 26.562 GB/s\n\t Link 1: 26.562 GB/s\n",
            "Device does not have or support Nvlink\n",
            "NVML: Unable to retrieve Nvlink information as all links are inActive\n",
            "Nvlink queries are not supported for Devices in MIG mode\n",
        ] {
            assert_eq!((LIST.probe)(&format!("{gpu}{links}")), None, "{links}");
        }
        let mig = "  MIG 2g.35gb     Device  0: (UUID: MIG-00000000-0000-0000-0000-000000000000)\n";
        assert!((LIST.probe)(&format!("{gpu}{mig}")).is_some());
    }
}
