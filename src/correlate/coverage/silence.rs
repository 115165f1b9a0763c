//! Silences of a source around given moments, in one pass over what it shows, in any order.

use crate::time::Instant;

/// A stretch in which a source shows nothing, with a moment asked about in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) at: Instant,
    /// The last moment before it and the first after it at which something is shown.
    pub(super) from: Instant,
    pub(super) until: Instant,
}

/// What was shown around each of the moments.
pub(super) struct Finder<'a> {
    /// Sorted, each once.
    moments: &'a [Instant],
    /// By moment: the latest end of a stretch that began at it or before it, but after the moment before.
    before: Vec<Option<Instant>>,
    /// By moment: the earliest begin of a stretch after it, but not after the moment behind.
    after: Vec<Option<Instant>>,
}

impl<'a> Finder<'a> {
    /// `moments` must be sorted.
    pub(super) fn new(moments: &'a [Instant]) -> Self {
        Finder { moments, before: vec![None; moments.len()], after: vec![None; moments.len()] }
    }

    /// Something was shown from `first` to `last`. O(log moments).
    pub(super) fn saw(&mut self, first: Instant, last: Instant) {
        let place = self.moments.partition_point(|moment| *moment < first);
        if let Some(before) = self.before.get_mut(place) {
            *before = (*before).max(Some(last));
        }
        if let Some(after) = place.checked_sub(1).and_then(|place| self.after.get_mut(place)) {
            *after = Some(after.map_or(first, |known| known.min(first)));
        }
    }

    /// The moments at which nothing was shown, though something was before and after.
    pub(super) fn finish(self) -> Vec<Silence> {
        let mut latest: Option<Instant> = None;
        let before: Vec<Option<Instant>> = self
            .before
            .into_iter()
            .map(|own| {
                latest = latest.max(own);
                latest
            })
            .collect();
        let mut earliest: Option<Instant> = None;
        let mut silences: Vec<Silence> = Vec::new();
        for (place, at) in self.moments.iter().enumerate().rev() {
            let own = self.after.get(place).copied().flatten();
            earliest = own.or(earliest);
            if let (Some(from), Some(until)) = (before.get(place).copied().flatten(), earliest)
                && from < *at
            {
                silences.push(Silence { at: *at, from, until });
            }
        }
        silences.reverse();
        silences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_silent_if_nothing_that_began_before_it_lasts_until_it() {
        let stretches = [(5, 8), (0, 2), (30, 40), (1, 20), (60, 61)];
        let moments: Vec<Instant> = (0..70).map(Instant).collect();
        let mut finder = Finder::new(&moments);
        for (first, last) in stretches {
            finder.saw(Instant(first), Instant(last));
        }
        let found = finder.finish();
        // By looking at every stretch for every moment.
        let expected: Vec<Silence> = (0..70)
            .filter(|at| !stretches.iter().any(|(first, last)| (first..=last).contains(&at)))
            .filter_map(|at| {
                let from = stretches.iter().filter(|(first, _)| *first <= at).map(|(_, last)| *last).max()?;
                let until = stretches.iter().filter(|(first, _)| *first > at).map(|(first, _)| *first).min()?;
                Some(Silence { at: Instant(at), from: Instant(from), until: Instant(until) })
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(found.len(), 9 + 19);
    }
}
