//! The clock of every source against one reference, by keyed interval voting on what two sources must have seen of
//! the same event. The events under test are left out wherever enough others are there.

mod anchors;
mod boots;
mod groups;
mod pairs;
mod printed;
mod rotation;
mod writers;

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::acts::Act;
use super::analysis::{Clock, ClockPoint, Grade, UtcPin};
use super::drift::{self, ClockSegment, Correction, Fit};
use super::names::Names;
use super::vote::Pair;
use super::zone;
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::{CaseFile, Intake, TimeAnchor, WrittenFact};
use crate::time::{Basis, Instant, SECOND};
use boots::Boots;
use groups::{Group, assumed, groups, reference};
use pairs::{Calls, Meeting, Sightings, same_connections, sightings};

/// Fewer agreeing pairs than this leave a clock without a measured offset.
const FEWEST: usize = 3;

/// All clocks, and which evidence goes by which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    pub(crate) rows: Vec<Clock>,
    /// Per row: what brings a moment onto the reference.
    corrections: Vec<Correction>,
    /// Per source: its row. `None` for a source that no clock is looked for.
    of: Vec<Option<usize>>,
    /// Per row: what the stamps of connections are cut to, in nanoseconds.
    resolutions: Vec<i64>,
    /// The reference minus UTC, as far as servers tell it.
    reference_ahead_ns: i64,
}

impl Clocks {
    fn row(&self, evidence: EvidenceId) -> usize {
        self.of.get(evidence.0 as usize).copied().flatten().unwrap_or(usize::MAX)
    }

    /// The clock that a source goes by.
    pub(crate) fn of(&self, evidence: EvidenceId) -> Option<&Clock> {
        self.rows.get(self.row(evidence))
    }

    /// A moment of the source on the reference clock.
    pub(crate) fn align(&self, evidence: EvidenceId, at: Instant) -> Instant {
        self.corrections.get(self.row(evidence)).map_or(at, |correction| correction.to_reference(at))
    }

    /// A moment of UTC on the reference clock.
    pub(crate) fn of_utc(&self, at: Instant) -> Instant {
        at.plus(self.reference_ahead_ns)
    }

    /// How far off a moment that the source shows may be either way once it is aligned, in nanoseconds.
    pub(crate) fn slack_ns(&self, evidence: EvidenceId, at: Instant) -> i64 {
        let row = self.row(evidence);
        let (Some(clock), Some(correction)) = (self.rows.get(row), self.corrections.get(row)) else { return 0 };
        clock.slack_ns(correction, at)
    }

    /// The same for a moment that has been aligned already.
    pub(crate) fn slack_on_reference_ns(&self, evidence: EvidenceId, at: Instant) -> i64 {
        self.of(evidence).map_or(0, |clock| clock.slack_on_reference_ns(at))
    }

    /// Half of what the stamps of the source's connections are cut to, in nanoseconds.
    pub(crate) fn half_unit_ns(&self, evidence: EvidenceId) -> i64 {
        self.resolutions.get(self.row(evidence)).map_or(0, |resolution| resolution / 2)
    }

    /// A moment stamped by the source as the middle of what the stamp covers, on the reference clock, and how far off
    /// that may be either way: half the resolution and the clock's own uncertainty.
    pub(crate) fn align_stamp(&self, evidence: EvidenceId, at: Instant) -> (Instant, i64) {
        let half = self.half_unit_ns(evidence);
        (self.align(evidence, at).plus(half), self.slack_ns(evidence, at).saturating_add(half))
    }

    /// The same as [`Self::is_tied`] for a moment that has been aligned already, which is as the source shows it where
    /// nothing ties it.
    pub(crate) fn is_tied_on_reference(&self, evidence: EvidenceId, at: Instant) -> bool {
        // No machine runs for ten years between two boots, and no evidence is of 1980.
        let uptime = |at: Instant| at < Instant(10 * 365 * 86_400 * SECOND);
        self.is_tied(evidence, if uptime(at) { at } else { Instant(i64::MIN) })
    }

    /// The grade of the source's clock.
    pub(crate) fn grade(&self, evidence: EvidenceId) -> Grade {
        self.of(evidence).map_or(Grade::D, |clock| clock.grade)
    }

    /// Whether an undated clock (since boot, year unknown) was tied to the reference by what both saw: where it shows `at`,
    /// if it counts from several boots.
    pub(crate) fn is_tied(&self, evidence: EvidenceId, at: Instant) -> bool {
        let row = self.row(evidence);
        self.rows.get(row).is_some_and(|clock| clock.grade <= Grade::B)
            && self.corrections.get(row).is_none_or(|correction| correction.ties(at))
    }
}

/// How calls and traffic are compared.
const BY_COMMANDS: &str = "commands and the connections they name";

/// Finds all clocks. `acts[i]` belongs to `intake.steps[i]`.
pub(crate) fn find(intake: &Intake, case: &CaseFile, acts: &[Act], names: &Names) -> Clocks {
    let groups = groups(intake, case);
    let mut boots: Vec<Boots> = groups.iter().map(|group| Boots::of(group, intake)).collect();
    let mut clocks = Clocks { of: vec![None; intake.sources.len()], ..Clocks::default() };
    for (row, group) in groups.iter().enumerate() {
        for member in &group.members {
            if let Some(of) = clocks.of.get_mut(member.0 as usize) {
                *of = Some(row);
            }
        }
    }
    let off = printed::off_utc(intake, acts, |evidence| clocks.row(evidence));
    let Some(reference) = reference(&groups, &intake.sources, &off) else { return Clocks::default() };
    for (row, group) in groups.iter().enumerate() {
        clocks.rows.push(assumed(group, intake, row == reference));
        clocks.corrections.push(Correction::default());
    }
    let (sightings, resolutions) = sightings(intake, &clocks.of, groups.len(), names, acts);
    let mut places: BTreeMap<EvidenceId, Vec<usize>> = BTreeMap::new();
    for (at, step) in intake.steps.iter().enumerate() {
        places.entry(step.record.evidence).or_default().push(at);
    }
    clocks.resolutions = resolutions;
    // Packet logs against the capture first, then transcripts against whatever network source is tied, then network
    // sources against transcripts: each pass leans on what the passes before it have tied.
    let evidence = Compared { intake, acts, groups: &groups, places: &places, sightings: &sightings };
    let mut tied = BTreeSet::from([reference]);
    // How many were tied when a row was last looked at: nothing new comes of the same.
    let mut looked_at: Vec<usize> = vec![0; groups.len()];
    for _ in 0..3 {
        let mut rows = (0..groups.len()).filter(|row| *row != reference).peekable();
        while let Some(row) = rows.next() {
            // Transcripts are never compared with each other, so those that stand together are looked at together.
            let alike = |next: &usize| groups[row].kind == Kind::Transcript && groups[*next].kind == Kind::Transcript;
            let mut together = vec![row];
            while let Some(next) = rows.next_if(alike) {
                together.push(next);
            }
            together.retain(|row| {
                !tied.contains(row) && clocks.rows[*row].method != "declared" && looked_at[*row] != tied.len()
            });
            for row in &together {
                looked_at[*row] = tied.len();
            }
            let others: Vec<usize> =
                std::iter::once(reference).chain(tied.iter().copied().filter(|row| *row != reference)).collect();
            let look = |row: usize| evidence.fit(row, &others, &clocks, boots[row].clone()).map(|fitted| (row, fitted));
            let fitted: Vec<_> = together.into_par_iter().filter_map(look).collect();
            for (row, Fitted { fit, against: (other, how), pairs, boots: of_row }) in fitted {
                boots[row] = of_row;
                let method = format!("{how} ({})", clocks.rows[other].name);
                let fit = fit.widened(half(clocks.rows[other].support_ns));
                clocks.corrections[row] = settle(&mut clocks.rows[row], fit, &method, &boots[row]);
                if names.repeated() > 0 && how == BY_COMMANDS {
                    clocks.rows[row].grade = clocks.rows[row].grade.max(Grade::B);
                    clocks.rows[row].notes.push("names are tied to addresses by repetition alone".to_owned());
                }
                clocks.rows[row].points = points(&pairs, &clocks.corrections[row]);
                clocks.rows[row].points_of = pairs.len();
                if clocks.rows[row].grade <= Grade::B {
                    tied.insert(row);
                }
            }
        }
    }
    pin_to_utc(&mut clocks, intake, acts, reference);
    bound_by_writers(&mut clocks, intake, reference);
    clocks
}

/// What is compared with what.
struct Compared<'a> {
    intake: &'a Intake,
    acts: &'a [Act],
    groups: &'a [Group],
    places: &'a BTreeMap<EvidenceId, Vec<usize>>,
    sightings: &'a [Sightings],
}

/// The offset of a row, by what it was found, and the pairs that tell it.
struct Fitted {
    fit: Fit,
    against: (usize, &'static str),
    pairs: Vec<Pair>,
    boots: Boots,
}

impl Compared<'_> {
    /// A row against the one of the others that shows most of the same events, of equals the first.
    fn fit(&self, row: usize, others: &[usize], clocks: &Clocks, mut boots: Boots) -> Option<Fitted> {
        let Compared { intake, acts, groups, places, sightings } = *self;
        let calls = |transcripts: usize, traffic: usize| {
            Calls { intake, acts, group: &groups[transcripts], places }.against(&sightings[traffic])
        };
        let mut meetings: Vec<Meeting> = Vec::new();
        let mut against = None;
        for other in others.iter().copied() {
            let (found, how) = match (groups[row].kind, groups[other].kind) {
                (Kind::Firewall | Kind::Capture, Kind::Firewall | Kind::Capture) => {
                    (same_connections(&sightings[row], &sightings[other]), "the same connection in both")
                }
                (Kind::Transcript, Kind::Firewall | Kind::Capture) => (calls(row, other), BY_COMMANDS),
                (Kind::Firewall | Kind::Capture, Kind::Transcript) => {
                    (calls(other, row).into_iter().map(Meeting::turned).collect(), BY_COMMANDS)
                }
                _ => continue,
            };
            // The reference itself is taken unless another tied source shows far more of the same.
            let better = if meetings.is_empty() { !found.is_empty() } else { found.len() > 2 * meetings.len() };
            if better {
                (meetings, against) = (found, Some((other, how)));
            }
        }
        let against = against?;
        let correction = &clocks.corrections[against.0];
        let to_reference = |at: i64| correction.to_reference(Instant(at)).0;
        let pairs: Vec<_> = meetings.iter().map(|meeting| meeting.pair(to_reference)).collect();
        let fit = match boots.is_one() {
            true => drift::fit(&pairs).filter(|fit| fit.inliers >= FEWEST),
            false => boots.fit(&meetings, &pairs),
        }?;
        Some(Fitted { fit, against, pairs, boots })
    }
}

/// Writes down what was found; gives what brings the clock onto the reference.
fn settle(clock: &mut Clock, fit: Fit, method: &str, boots: &Boots) -> Correction {
    let Some((vote, support)) = fit.vote().zip(fit.support_ns()) else { return Correction::default() };
    let zone = zone::decide(&vote);
    clock.offset_ns = zone.offset_ns;
    clock.zone_error_ns = zone.zone_error_ns;
    clock.support_ns = support;
    clock.pairs = fit.keys;
    clock.inliers = fit.inliers;
    clock.peak_ratio = vote.peak_ratio;
    clock.runner_up_ns = vote.runner_up.map(|rival| rival.middle_ns);
    clock.method = format!("interval voting: {method}");
    clock.grade = fit.grade();
    clock.notes.retain(|note| note != "zone assumed UTC");
    clock.notes.push(zone.note);
    if let Some((years, rest)) = zone::years_wrong(zone.offset_ns)
        && matches!(clock.basis, Basis::AssumedYear | Basis::UnknownYear)
    {
        clock.notes.push(format!(
            "its year was read {} {} too {}: the rest of the offset is {:+.3} s; declare it with --year",
            years.abs(),
            if years.abs() == 1 { "year" } else { "years" },
            if years > 0 { "late" } else { "early" },
            rest as f64 / SECOND as f64
        ));
    }
    if vote.is_ambiguous() {
        clock.notes.push(format!(
            "ambiguous: another offset has {:.0} % of the support; no timing conclusions",
            vote.peak_ratio * 100.0
        ));
    }
    if zone.offset_ns != vote.best.middle_ns && boots.is_one() {
        // The likelier of two that are nearly as well supported: the segments are of the other.
        clock.support_ns = vote.support_ns;
        return Correction::constant(zone.offset_ns);
    }
    match boots.is_one() {
        true => clock.notes.extend(zone::told_by_segments(&fit)),
        false => clock.notes.push(boots.told()),
    }
    clock.segments = fit.segments;
    clock.untied = boots.untied();
    clock.correction()
}

impl Clock {
    /// What brings a moment of the source onto the reference.
    pub fn correction(&self) -> Correction {
        match (self.segments.as_slice(), self.offset_ns) {
            ([], 0) => Correction::default(),
            ([], offset) => Correction::constant(offset),
            (segments, _) => Correction::along(segments).but_for(&self.untied),
        }
    }

    /// How far off a moment that the source shows may be either way once it is corrected, in nanoseconds.
    fn slack_ns(&self, correction: &Correction, at: Instant) -> i64 {
        let ranges = correction.places(at).into_iter().filter_map(|(place, reference)| {
            let (low, high) = self.segments.get(place)?.support_at(reference);
            Some((at.0.saturating_sub(high), at.0.saturating_sub(low)))
        });
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        half(range.unwrap_or(self.support_ns))
    }

    fn slack_on_reference_ns(&self, at: Instant) -> i64 {
        let away = |segment: &&ClockSegment| {
            let at = i128::from(at.0);
            (i128::from(segment.from_ns) - at).max(at - i128::from(segment.to_ns)).max(0)
        };
        half(self.segments.iter().min_by_key(away).map_or(self.support_ns, |segment| segment.support_at(at.0)))
    }
}

fn half((low, high): (i64, i64)) -> i64 {
    high.saturating_sub(low).max(0) / 2
}

/// Pins every clock that recorded servers telling their time to UTC. A clock that nothing else ties to the reference is
/// tied to it by that, if both are pinned.
fn pin_to_utc(clocks: &mut Clocks, intake: &Intake, acts: &[Act], reference: usize) {
    let mut by_clock: BTreeMap<usize, Vec<&TimeAnchor>> = BTreeMap::new();
    for anchor in &intake.facts.anchors {
        by_clock.entry(clocks.row(anchor.record.evidence)).or_default().push(anchor);
    }
    for (row, anchors) in by_clock {
        let (Some(clock), Some(pin)) = (clocks.rows.get_mut(row), anchors::pin(&anchors)) else { continue };
        clock.notes.push(anchors::told(&pin));
        clock.utc = Some(pin);
    }
    let printed = printed::by_clock(intake, acts, |evidence| clocks.row(evidence));
    for (row, told) in &printed {
        let (Some(clock), Some(pin)) = (clocks.rows.get_mut(*row), told.pin()) else { continue };
        clock.notes.push(told.words(&pin));
        clock.utc = Some(pin);
    }
    let of_reference = clocks.rows.get(reference).and_then(|clock| clock.utc).filter(UtcPin::holds);
    clocks.reference_ahead_ns = of_reference.map_or(0, |pin| pin.offset_ns);
    let states_utc = clocks.rows.get(reference).is_some_and(|clock| clock.basis == Basis::ExplicitOffset);
    for (row, (clock, correction)) in clocks.rows.iter_mut().zip(&mut clocks.corrections).enumerate() {
        let printed = printed.get(&row);
        if let Some(told) = printed {
            told.note_zone(clock);
            if clock.reference {
                printed::note_reference(clock);
            }
        }
        let Some(pin) = clock.utc.filter(|_| !clock.reference && clock.pairs == 0) else { continue };
        if clock.method == "declared" {
            continue;
        }
        match (of_reference.filter(|_| pin.holds()), printed) {
            (Some(of_reference), _) => {
                clock.offset_ns = pin.offset_ns.saturating_sub(of_reference.offset_ns);
                clock.support_ns = (
                    pin.support_ns.0.saturating_sub(of_reference.support_ns.1),
                    pin.support_ns.1.saturating_sub(of_reference.support_ns.0),
                );
                clock.grade = Grade::C;
                clock.method = "server times in both".to_owned();
                if clock.basis == Basis::AssumedZone && printed.is_some() {
                    printed::read_zone(clock);
                }
            }
            (None, Some(_)) if states_utc => printed::tie(clock, &pin),
            _ => continue,
        }
        *correction = Correction::constant(clock.offset_ns);
    }
}

/// Bounds every clock whose records were written down by clocks that state their offset from UTC.
fn bound_by_writers(clocks: &mut Clocks, intake: &Intake, reference: usize) {
    let mut by_clock: BTreeMap<usize, Vec<&WrittenFact>> = BTreeMap::new();
    // One offset would be laid over all boots of a file.
    let of_one_boot = |fact: &&WrittenFact| {
        intake.sources.get(fact.record.evidence.0 as usize).is_none_or(|source| source.boots.len() < 2)
    };
    for fact in intake.facts.written.iter().filter(of_one_boot) {
        by_clock.entry(clocks.row(fact.record.evidence)).or_default().push(fact);
    }
    let reference_is_utc = clocks.rows.get(reference).is_some_and(|clock| clock.basis == Basis::ExplicitOffset);
    for (row, facts) in by_clock {
        let clock = clocks.rows.get_mut(row).zip(clocks.corrections.get_mut(row));
        if let (Some((clock, correction)), Some(bound)) = (clock, writers::bound(&facts)) {
            writers::apply(clock, correction, bound, reference_is_utc);
        }
    }
}

/// What the pairs say, for drawing.
fn points(pairs: &[Pair], correction: &Correction) -> Vec<ClockPoint> {
    let mut points: Vec<ClockPoint> = pairs
        .iter()
        .map(|pair| {
            let offset = correction.offset_on_reference_ns(pair.at_ns);
            let agrees = (pair.lo_ns..=pair.hi_ns).contains(&offset);
            ClockPoint { at_ns: pair.at_ns, lo_ns: pair.lo_ns, hi_ns: pair.hi_ns, agrees }
        })
        .collect();
    points.sort_unstable();
    let step = points.len().div_ceil(Clock::POINTS_KEPT).max(1);
    points.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests;
