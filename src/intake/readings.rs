//! Readings of GPUs as they come, and as series in order of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::{GpuPoint, GpuSeries, GpuSettingsFact};
use super::memory::{Memory, Sorter};
use crate::evidence::EvidenceId;
use crate::time::Instant;

/// Those of one evidence. What they take together is what one list may take.
pub(super) struct Readings {
    evidence: EvidenceId,
    memory: Arc<Memory>,
    /// By UUID, or index where there is no UUID, or nothing.
    of_gpu: BTreeMap<String, OfGpu>,
    /// Readings that are held, and that may be before they are laid aside.
    held: usize,
    most: usize,
}

struct OfGpu {
    index: Option<u32>,
    points: Sorter<GpuPoint, (Instant, u64)>,
    settings: Vec<GpuSettingsFact>,
}

impl OfGpu {
    fn new(memory: &Arc<Memory>) -> Self {
        let points = Sorter::new(memory, |point: &GpuPoint| (point.at, point.record));
        OfGpu { index: None, points, settings: Vec::new() }
    }
}

impl Readings {
    pub(super) fn new(evidence: EvidenceId, memory: &Arc<Memory>) -> Self {
        let most = memory.portion() / size_of::<GpuPoint>();
        Readings { evidence, memory: Arc::clone(memory), of_gpu: BTreeMap::new(), held: 0, most }
    }

    fn of(&mut self, gpu: String) -> &mut OfGpu {
        self.of_gpu.entry(gpu).or_insert_with(|| OfGpu::new(&self.memory))
    }

    /// There is such a GPU, with that index.
    pub(super) fn met(&mut self, gpu: String, index: Option<u32>) {
        let of_gpu = self.of(gpu);
        of_gpu.index = of_gpu.index.max(index);
    }

    pub(super) fn add(&mut self, gpu: String, point: GpuPoint) {
        self.of(gpu).points.push(point);
        self.held += 1;
        self.keep_within();
    }

    pub(super) fn state(&mut self, gpu: String, stated: GpuSettingsFact) {
        GpuSettingsFact::follow(&mut self.of(gpu).settings, stated);
    }

    /// Takes those of another part of the same evidence.
    pub(super) fn join(&mut self, other: Readings) {
        for (gpu, theirs) in other.of_gpu {
            let ours = self.of(gpu);
            ours.index = ours.index.max(theirs.index);
            ours.points.join(theirs.points);
            ours.settings.extend(theirs.settings);
        }
        self.held = self.of_gpu.values().map(|one| one.points.held()).sum();
        self.keep_within();
    }

    fn keep_within(&mut self) {
        if self.held > self.most {
            self.of_gpu.values_mut().for_each(|one| one.points.lay_aside());
            self.held = 0;
        }
    }

    /// All of them, in order of GPUs.
    pub(super) fn settle(self) -> Vec<GpuSeries> {
        let evidence = self.evidence;
        let series = |(gpu, OfGpu { index, points, mut settings }): (String, OfGpu)| {
            settings.sort_by_key(|stated| (stated.at, stated.record));
            GpuSeries { index, points: points.finish(), settings, ..GpuSeries::new(evidence, gpu) }
        };
        self.of_gpu.into_iter().map(series).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_laid_aside_does_not_show(
            read in prop::collection::vec((0_i64..50, 0_u8..3), 0..400),
            portion in 0_u64..4_000,
            forks in 1_usize..4,
        ) {
            let fold = |memory: &Arc<Memory>, forks: usize| {
                let mut parts: Vec<Readings> = (0..forks).map(|_| Readings::new(EvidenceId(0), memory)).collect();
                let part_of = read.len().div_ceil(forks).max(1);
                for ((second, gpu), record) in read.iter().zip(0..) {
                    // Two readings share a record: they stay in the order in which they came.
                    let point = GpuPoint { power_w: Some(record as f32), ..GpuPoint::empty(Instant(*second), record / 2) };
                    parts[record as usize / part_of].add(gpu.to_string(), point);
                }
                let joined = parts.into_iter().reduce(|mut all, part| {
                    all.join(part);
                    all
                });
                joined.unwrap().settle()
            };
            let memory = Arc::new(Memory::of(32 * portion));
            prop_assert_eq!(fold(&memory, forks), fold(&Arc::default(), 1));
            prop_assert!(read.is_empty() || portion > 0 || memory.shelved() > 0);
        }
    }
}
