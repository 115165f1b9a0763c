//! Sources whose times count from several boots: each boot has an offset of its own, and what ties one ties no other.

use super::FEWEST;
use super::groups::Group;
use super::pairs::Meeting;
use crate::correlate::drift::{self, Fit};
use crate::correlate::vote::Pair;
use crate::intake::Intake;
use crate::time::Instant;

/// Where the boots of a source are laid, and which of them were tied.
#[derive(Clone, Debug, Default)]
pub(super) struct Boots {
    laid_at: Vec<Instant>,
    tied: Vec<bool>,
}

impl Boots {
    /// Of a group that is one file: only these count from boots.
    pub(super) fn of(group: &Group, intake: &Intake) -> Boots {
        let source = group.members.first().and_then(|member| intake.sources.get(member.0 as usize));
        let laid_at = source.filter(|_| group.members.len() == 1).map(|source| source.boots.clone());
        Boots { laid_at: laid_at.unwrap_or_default(), tied: Vec::new() }
    }

    pub(super) fn is_one(&self) -> bool {
        self.laid_at.len() < 2
    }

    /// The boot that a time of the source counts from.
    fn place(&self, at: Instant) -> usize {
        self.laid_at.partition_point(|laid_at| *laid_at <= at).saturating_sub(1)
    }

    /// The times of the source that count from boots which nothing ties, from first to last.
    pub(super) fn untied(&self) -> Vec<(Instant, Instant)> {
        let ends = self.laid_at.iter().skip(1).map(|next| next.plus(-1)).chain([Instant(i64::MAX)]);
        let all = self.laid_at.iter().copied().zip(ends).zip(&self.tied);
        all.filter(|(_, tied)| !**tied).map(|(boot, _)| boot).collect()
    }

    /// The fits of all boots that pairs tie, each by its own pairs. `None` if there is none. `pairs[i]` is of
    /// `meetings[i]`.
    pub(super) fn fit(&mut self, meetings: &[Meeting], pairs: &[Pair]) -> Option<Fit> {
        let mut by_boot: Vec<Vec<Pair>> = vec![Vec::new(); self.laid_at.len()];
        for (meeting, pair) in meetings.iter().zip(pairs) {
            if let Some(of_boot) = by_boot.get_mut(self.place(Instant(meeting.ours.1))) {
                of_boot.push(*pair);
            }
        }
        let fits: Vec<Option<Fit>> =
            by_boot.iter().map(|pairs| drift::fit(pairs).filter(|fit| fit.inliers >= FEWEST)).collect();
        self.tied = fits.iter().map(Option::is_some).collect();
        let joined = fits.into_iter().flatten().reduce(|mut all, more| {
            all.segments.extend(more.segments);
            all.inliers += more.inliers;
            all.keys += more.keys;
            // Two clocks in one boot make the whole not to be relied on.
            all.beside = [all.beside, more.beside].into_iter().flatten().max_by_key(|beside| beside.keys);
            all
        });
        joined.map(|mut fit| {
            fit.segments.sort_by_key(|segment| (segment.from_ns, segment.to_ns));
            fit
        })
    }

    /// For a person.
    pub(super) fn told(&self) -> String {
        let tied = self.tied.iter().filter(|tied| **tied).count();
        format!("{} boots, each with an offset of its own; {tied} of them are tied", self.laid_at.len())
    }
}
