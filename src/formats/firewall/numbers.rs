//! Numbers that devices count their records by: which are missing in between, and which come again.
//!
//! Blocks of lines are looked at on several threads, in any order. Each gives the stretches of consecutive numbers in it,
//! and only at the end of the file are they laid after each other by line: the result depends on the file alone.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::evidence::{Anomaly, AnomalyKind, excerpt};
use crate::formats::Sink;

/// Who counts and the number, of one line.
pub(crate) type NumberOf = fn(&[u8]) -> Option<(&[u8], u64)>;

/// How a dialect counts its records.
#[derive(Debug)]
pub(crate) struct Counting {
    /// "events of the audit system".
    pub(crate) what: &'static str,
    /// What leaves numbers out as a matter of course.
    pub(crate) innocent: &'static str,
    /// Several records have one number as a matter of course.
    pub(crate) shared: bool,
    pub(crate) of: NumberOf,
}

/// Bound on the stretches of a file. A log of records that were picked out has as many as records.
const KEPT: usize = 1 << 18;
/// Bound on the name of a counter that is told.
const COUNTER_MAX: usize = 60;
/// Records may come so much later than their number says.
const LATE: u64 = 1024;
/// Fewer records show no habit.
const FEWEST: u64 = 12;
/// Of so many records in a row, at most one may stand before a gap: else the log holds a choice of records, and what is
/// missing says nothing.
const DENSE: u64 = 10;

/// Records in a row with consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    /// Of the first record.
    line: u64,
    low: u64,
    high: u64,
    /// Records that have the number of the one before them, and the first of these.
    again: u64,
    first_again: u64,
}

impl Stretch {
    fn at(line: u64, number: u64) -> Self {
        Stretch { line, low: number, high: number, again: 0, first_again: 0 }
    }

    /// Takes the next record, unless a new stretch begins with it.
    fn takes(&mut self, line: u64, number: u64) -> bool {
        if number == self.high {
            if self.again == 0 {
                self.first_again = line;
            }
            self.again += 1;
            return true;
        }
        let follows = self.high.checked_add(1) == Some(number);
        if follows {
            self.high = number;
        }
        follows
    }
}

/// The numbers of a file.
#[derive(Debug)]
pub(super) struct Numbers {
    counting: &'static Counting,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_counter: BTreeMap<Vec<u8>, Vec<Stretch>>,
    count: usize,
}

impl Numbers {
    pub(super) fn new(counting: &'static Counting) -> Self {
        Numbers { counting, kept: Mutex::new(Kept::default()) }
    }

    /// Takes a block of whole lines, the first of which has that number.
    pub(super) fn block(&self, lines: &[u8], first_line: u64) {
        let mut found: BTreeMap<&[u8], Vec<Stretch>> = BTreeMap::new();
        for (number, line) in (first_line..).zip(lines.split(|byte| *byte == b'\n')) {
            let Some((counter, count)) = (self.counting.of)(line) else { continue };
            let stretches = found.entry(counter).or_default();
            if !stretches.last_mut().is_some_and(|last| last.takes(number, count)) {
                stretches.push(Stretch::at(number, count));
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted beyond the bound too: whether it is reached does not depend on which block comes last.
        kept.count = kept.count.saturating_add(found.values().map(Vec::len).sum());
        if kept.count > KEPT {
            kept.by_counter.clear();
            return;
        }
        for (counter, stretches) in found {
            match kept.by_counter.get_mut(counter) {
                Some(known) => known.extend(stretches),
                None => drop(kept.by_counter.insert(counter.to_vec(), stretches)),
            }
        }
    }

    /// Tells what is missing and what comes again.
    pub(super) fn close(&self, sink: &mut dyn Sink) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.count > KEPT {
            let detail = format!(
                "the numbers of the {} jump more than {KEPT} times, and were not looked at for what is missing between them",
                self.counting.what
            );
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::BoundReached, detail });
            return;
        }
        for (counter, mut stretches) in std::mem::take(&mut kept.by_counter) {
            stretches.sort_unstable();
            let counter = String::from_utf8_lossy(&counter);
            let whose =
                if counter.is_empty() { String::new() } else { format!(" of {}", excerpt(&counter, COUNTER_MAX)) };
            Counted::of(&stretches).tell(self.counting, &whose, sink);
        }
    }
}

/// What a counter's stretches come to.
#[derive(Debug, Default)]
struct Counted {
    /// The counts of one run of the counter each: by its lowest number, the highest, and the line of the lowest.
    runs: Vec<BTreeMap<u64, (u64, u64)>>,
    again: u64,
    first_again: u64,
}

impl Counted {
    /// `stretches` in order of lines.
    fn of(stretches: &[Stretch]) -> Self {
        let mut all = Counted::default();
        for stretch in stretches {
            all.repeats(stretch.again, stretch.first_again);
            let high = all.runs.last().and_then(BTreeMap::last_key_value).map(|(_, (high, _))| *high);
            match high {
                Some(high) if stretch.low.saturating_add(LATE) >= high => all.lay(stretch),
                // Far behind: the counter began anew.
                _ => all.runs.push(BTreeMap::from([(stretch.low, (stretch.high, stretch.line))])),
            }
        }
        all
    }

    fn repeats(&mut self, records: u64, first: u64) {
        if records > 0 {
            self.first_again = if self.again == 0 { first } else { self.first_again.min(first) };
        }
        self.again += records;
    }

    /// Lays a stretch into the current run. What is there already comes again.
    fn lay(&mut self, stretch: &Stretch) {
        let Some(run) = self.runs.last_mut() else { return };
        let (mut low, mut high, mut line) = (stretch.low, stretch.high, stretch.line);
        let mut again = 0;
        // Those that touch it or overlap it, from the highest down.
        while let Some((other_low, (other_high, other_line))) =
            run.range(..=high.saturating_add(1)).next_back().map(|(low, rest)| (*low, *rest))
            && other_high.saturating_add(1) >= low
        {
            if other_high >= low && other_low <= high {
                let shared = other_high.min(stretch.high).checked_sub(other_low.max(stretch.low));
                again += shared.map_or(0, |shared| shared.saturating_add(1));
            }
            run.remove(&other_low);
            // The line of the lowest number, the first of two that have it.
            line = match other_low.cmp(&low) {
                Ordering::Less => other_line,
                Ordering::Equal => line.min(other_line),
                Ordering::Greater => line,
            };
            (low, high) = (low.min(other_low), high.max(other_high));
        }
        run.insert(low, (high, line));
        self.repeats(again, stretch.line);
    }

    fn tell(&self, counting: &Counting, whose: &str, sink: &mut dyn Sink) {
        let held = |run: &BTreeMap<u64, (u64, u64)>| {
            run.iter().fold(0_u64, |sum, (low, (high, _))| sum.saturating_add(high - low).saturating_add(1))
        };
        let records = self.runs.iter().fold(0_u64, |sum, run| sum.saturating_add(held(run)));
        let gaps: u64 = self.runs.iter().map(|run| run.len() as u64 - 1).sum();
        let jumps = gaps + (self.runs.len() as u64).saturating_sub(1);
        if records < FEWEST || jumps.saturating_mul(DENSE) > records {
            return;
        }
        let Counting { what, innocent, shared, .. } = counting;
        for run in &self.runs {
            for ((_, (before, _)), (after, (_, line))) in run.iter().zip(run.iter().skip(1)) {
                let missing = after - before - 1;
                let (numbers, are) = if missing == 1 { ("number", "is") } else { ("numbers", "are") };
                let detail = format!(
                    "{missing} {numbers} of the {what}{whose} {are} missing between {before} and {after}, where others follow \
                     each other ({innocent}, or lines that were taken out)"
                );
                sink.anomaly(Anomaly { record: *line, kind: AnomalyKind::SequenceGap, detail });
            }
        }
        for (one, next) in self.runs.iter().zip(self.runs.iter().skip(1)) {
            let (Some((_, (last, _))), Some((first, (_, line)))) = (one.last_key_value(), next.first_key_value())
            else {
                continue;
            };
            let detail = format!(
                "the count of the {what}{whose} begins again at {first} after {last} (a restart, or logs that were put \
                 together)"
            );
            sink.anomaly(Anomaly { record: *line, kind: AnomalyKind::SequenceGap, detail });
        }
        if self.again > 0 && !shared {
            let detail = format!(
                "{what}{whose} with a number that one before them has: {}, first here (sent or collected twice, or put in)",
                self.again
            );
            sink.anomaly(Anomaly { record: self.first_again, kind: AnomalyKind::Duplicate, detail });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::Collector;
    use crate::formats::firewall::bytes::{number, split_once};

    /// `counter number` on each line.
    static PLAIN: Counting = Counting {
        what: "lines",
        innocent: "a filter",
        shared: false,
        of: |line| {
            let (counter, count) = split_once(line, b" ")?;
            Some((counter, number(count)?))
        },
    };

    fn told(blocks: &[(u64, String)]) -> Vec<(u64, &'static str, String)> {
        let numbers = Numbers::new(&PLAIN);
        blocks.iter().for_each(|(first, lines)| numbers.block(lines.as_bytes(), *first));
        let mut found = Collector::default();
        numbers.close(&mut found);
        found.anomalies.sort();
        found.anomalies.into_iter().map(|one| (one.record, one.kind.name(), one.detail)).collect()
    }

    fn text(counts: impl IntoIterator<Item = u64>) -> String {
        counts.into_iter().map(|count| format!("fw {count}\n")).collect()
    }

    fn places(counts: impl IntoIterator<Item = u64>) -> Vec<(u64, &'static str)> {
        told(&[(1, text(counts))]).into_iter().map(|(line, kind, _)| (line, kind)).collect()
    }

    #[test]
    fn what_is_missing_is_counted_where_the_rest_begins() {
        let found = told(&[(1, text((1..=20).chain(24..=40)))]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0, found[0].1), (21, "sequence-gap"));
        assert!(found[0].2.starts_with("3 numbers of the lines of fw are missing between 20 and 24"), "{}", found[0].2);
    }

    #[test]
    fn a_whole_count_or_a_choice_of_records_says_nothing() {
        assert_eq!(places(1..=100), []);
        assert_eq!(places((1..=100).map(|count| count * 3)), []);
        // Ten records show no habit, and late ones are no gap.
        assert_eq!(places((1..=5).chain(8..=12)), []);
        assert_eq!(places((1..=20).chain([22, 23, 21, 24]).chain(25..=40)), []);
        assert_eq!(places([u64::MAX - 1, u64::MAX].into_iter().chain(0..=40)), [(3, "sequence-gap")]);
    }

    #[test]
    fn a_new_count_and_a_repeated_one() {
        assert_eq!(places((90_000..=90_040).chain(1..=40)), [(42, "sequence-gap")]);
        assert_eq!(places((1..=30).chain(21..=60)), [(31, "duplicate")]);
        assert_eq!(places((1..=30).chain([30]).chain(31..=60)), [(31, "duplicate")]);
        let found = told(&[(1, text((1..=30).chain(21..=60)))]);
        assert!(found[0].2.starts_with("lines of fw with a number that one before them has: 10,"), "{}", found[0].2);
    }

    #[test]
    fn a_gap_before_a_repeated_number_stands_at_its_first_line_wherever_the_block_ends() {
        let counts: Vec<u64> = (1..=20).chain([22, 22]).chain(23..=40).collect();
        let (before, after) = counts.split_at(21);
        let parts = told(&[(22, text(after.iter().copied())), (1, text(before.iter().copied()))]);
        assert_eq!(parts, told(&[(1, text(counts.iter().copied()))]));
        assert_eq!(
            parts.iter().map(|(line, kind, _)| (*line, *kind)).collect::<Vec<_>>(),
            [(21, "sequence-gap"), (22, "duplicate")]
        );
    }

    proptest! {
        #[test]
        fn neither_cuts_nor_order_of_blocks_matter(
            steps in prop::collection::vec(prop_oneof![30 => Just(1_u64), 1 => 2_u64..6, 1 => Just(0)], 1..300),
            cuts in prop::collection::vec(0_usize..300, 0..6),
            turned in any::<bool>(),
        ) {
            let counts: Vec<u64> = steps.iter().scan(0, |count, step| { *count += step; Some(*count) }).collect();
            let whole = told(&[(1, text(counts.iter().copied()))]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(counts.len())).chain([0, counts.len()]).collect();
            cuts.sort_unstable();
            let mut blocks: Vec<(u64, String)> = cuts
                .iter()
                .zip(cuts.iter().skip(1))
                .map(|(from, to)| (*from as u64 + 1, text(counts[*from..*to].iter().copied())))
                .collect();
            if turned {
                blocks.reverse();
            }
            prop_assert_eq!(told(&blocks), whole);
        }
    }
}
