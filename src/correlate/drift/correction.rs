use super::{ClockSegment, Line};
use crate::correlate::vote;
use crate::time::Instant;

/// From what a source's clock shows to the time of the reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correction {
    /// In order of time; none: nothing is corrected.
    parts: Vec<Part>,
    /// What the source shows in these stretches, both ends included, is not on the clock that the parts are of.
    untied: Vec<(Instant, Instant)>,
}

/// A line with the time of the reference in which it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    from_ns: i64,
    to_ns: i64,
    line: Line,
}

impl Correction {
    /// The same offset at all times.
    pub fn constant(offset_ns: i64) -> Self {
        let line = Line { at_ns: 0, offset_ns, drift_ppb: 0 };
        Correction { parts: vec![Part { from_ns: i64::MIN, to_ns: i64::MAX, line }], untied: Vec::new() }
    }

    /// Along segments. When the clock was set between two of them is not known: half way is taken.
    pub fn along(segments: &[ClockSegment]) -> Self {
        let between = |at: usize| Some(vote::middle(segments.get(at)?.to_ns, segments.get(at + 1)?.from_ns));
        let part = |(at, segment): (usize, &ClockSegment)| Part {
            from_ns: at.checked_sub(1).and_then(between).map_or(i64::MIN, |last| last.saturating_add(1)),
            to_ns: between(at).unwrap_or(i64::MAX),
            line: segment.line,
        };
        Correction { parts: segments.iter().enumerate().map(part).collect(), untied: Vec::new() }
    }

    /// The same, but for what the source shows in these stretches: that stays as it is.
    pub fn but_for(self, untied: &[(Instant, Instant)]) -> Self {
        Correction { untied: untied.to_vec(), ..self }
    }

    /// Whether what the source shows is brought onto the reference at all.
    pub(in crate::correlate) fn ties(&self, at: Instant) -> bool {
        !self.untied.iter().any(|(first, last)| *first <= at && at <= *last)
    }

    /// The moment of the reference at which the source shows `at`. What was shown twice, because the clock was set back,
    /// is taken for the first time; what was never shown, for the nearer end of the jump.
    pub fn to_reference(&self, at: Instant) -> Instant {
        self.places(at).first().map_or(at, |(_, reference)| Instant(*reference))
    }

    /// Source minus reference at a moment of the reference, in nanoseconds.
    pub fn offset_on_reference_ns(&self, reference_ns: i64) -> i64 {
        let part = self.parts.iter().find(|part| part.from_ns <= reference_ns && reference_ns <= part.to_ns);
        part.or(self.parts.last()).map_or(0, |part| part.line.offset_at(reference_ns))
    }

    /// All parts in which the source may have shown `at`, with the moments of the reference: at least one if there are
    /// parts, and they tie it.
    pub(in crate::correlate) fn places(&self, at: Instant) -> smallvec::SmallVec<[(usize, i64); 2]> {
        if !self.ties(at) {
            return smallvec::SmallVec::new();
        }
        let places = || self.parts.iter().map(|part| part.line.reference_at(at.0)).enumerate();
        let away = |(place, reference): &(usize, i64)| {
            self.parts.get(*place).map_or(0, |part| {
                let away = i128::from(*reference);
                (i128::from(part.from_ns) - away).max(away - i128::from(part.to_ns)).max(0)
            })
        };
        let within: smallvec::SmallVec<[(usize, i64); 2]> = places().filter(|place| away(place) == 0).collect();
        if within.is_empty() { places().min_by_key(away).into_iter().collect() } else { within }
    }
}
