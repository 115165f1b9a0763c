//! The years of a file whose stamps have none, told by the order of its records.
//!
//! Read one after the other, month and day fall back where a year ends; they go forward by much where nothing was logged.
//! A record that is out of order across New Year by a day is taken for what it is, so that disorder cannot run the
//! years away. What remains open is the year of the last record: declared, or found beside dated sources.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::{Instant, SECOND};

/// Month and day fall back by more than this where a year ends, in days.
const FALLS_BACK: i32 = 180;
/// Records are written out of order by up to this, in days.
const DISORDER: i32 = 1;
/// A clock that was not set when its machine began shows a day of its own; back in time it is this near, in days.
const NOT_SET: i32 = 31;
/// Marks are this far apart, in days: a stamp is laid next to the mark before it.
const MARK_EVERY: i32 = 60;
/// A file that seems to run over more years than this has no order.
const MOST_YEARS: i32 = 60;
/// Nor has one that jumps about so often.
const MOST_MARKS: usize = 4096;
/// Years before and after the anchor that are tried.
const YEARS_AROUND: i32 = 8;
/// Years whose distance from the anchor differs by less than this cannot be told apart by it, in days.
const UNDECIDED: i64 = 30;
const DAY_NS: i64 = 86_400 * SECOND;

/// What fixes the year of the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The responder said so: the last record is of this year.
    Declared(i32),
    /// A dated neighbour.
    NearestTo(Instant),
    /// Nothing. Laid before the end of 1972, for order alone.
    Unknown,
}

/// The years of the records of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Years {
    /// Record and the day it was at, in order of records: a later record is laid next to the last mark before it.
    marks: Vec<(u64, Instant)>,
    pub anchor: Anchor,
    /// Years of the first and of the last record.
    pub first: i32,
    pub last: i32,
    /// Other years that the last record could be of as well. Not empty means: ask.
    pub also_possible: Vec<i32>,
    /// Records that step back by more than a day without a year ending.
    pub out_of_order: u64,
    /// Times that the clock showed another day for a while and then went on where it had been: it was not set.
    pub not_set: u64,
}

impl Years {
    /// What a stamp of that record is near to.
    pub(super) fn near(&self, record: u64) -> Instant {
        let after = self.marks.partition_point(|(from, _)| *from <= record);
        let mark = self.marks.get(after.saturating_sub(1)).or(self.marks.first());
        mark.map_or(Instant(0), |(_, at)| *at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    /// Relative to that of the first record.
    year: i32,
    month: u32,
    day: u32,
}

impl Day {
    fn number(self) -> i32 {
        self.year * 366 + ordinal(self.month, self.day).unwrap_or(1)
    }
}

/// Follows the stamps of a file, record by record.
#[derive(Clone, Debug, Default)]
pub struct YearScan {
    marks: Vec<(u64, Day)>,
    first: Option<Day>,
    now: Option<Day>,
    /// Where the clock was before the last time that it fell back over half a year.
    before: Option<Day>,
    /// Relative years that have a 29 February.
    leap: BTreeSet<i32>,
    /// Year of the first record by records that state a year, and how many say so.
    stated: BTreeMap<i32, u64>,
    out_of_order: u64,
    not_set: u64,
    without_order: bool,
}

impl YearScan {
    /// A record with month and day, both from 1. Records come in the order of the file; repetitions may be left out.
    pub fn see(&mut self, record: u64, month: u32, day: u32) {
        self.step(record, month, day);
    }

    /// A record with a date of its own among them.
    pub fn see_dated(&mut self, record: u64, date: NaiveDate) {
        if let Some(seen) = self.step(record, date.month(), date.day()) {
            *self.stated.entry(date.year() - seen.year).or_default() += 1;
        }
    }

    fn step(&mut self, record: u64, month: u32, day: u32) -> Option<Day> {
        let at = ordinal(month, day)?;
        if self.without_order {
            return None;
        }
        let Some(now) = self.now else {
            let seen = Day { year: 0, month, day };
            self.first = Some(seen);
            self.keep(record, seen);
            return Some(seen);
        };
        let here = Day { year: now.year, month, day };
        let rise = at - (now.number() - now.year * 366);
        if rise > FALLS_BACK && rise - 366 >= -DISORDER {
            // 31 December after 1 January: out of order by a day, and no news of where the clock is.
            let seen = Day { year: now.year - 1, ..here };
            self.leaps(seen);
            return Some(seen);
        }
        if rise < -FALLS_BACK {
            let seen = Day { year: now.year + 1, ..here };
            if seen.year > MOST_YEARS {
                self.without_order = true;
                return None;
            }
            self.before = Some(now);
            self.keep(record, seen);
            return Some(seen);
        }
        let returned = self.before.filter(|before| {
            let on = Day { year: before.year, ..here }.number() - before.number();
            rise > FALLS_BACK && (-DISORDER..=NOT_SET).contains(&on)
        });
        if let Some(before) = returned {
            self.not_set += 1;
            self.before = None;
            let seen = Day { year: before.year, ..here };
            self.keep(record, seen);
            return Some(seen);
        }
        if rise < -DISORDER {
            self.out_of_order += 1;
        }
        self.keep(record, here);
        Some(here)
    }

    fn keep(&mut self, record: u64, seen: Day) {
        self.leaps(seen);
        self.now = Some(seen);
        let moved = |(_, mark): &(u64, Day)| (seen.number() - mark.number()).abs() >= MARK_EVERY;
        if self.marks.last().is_none_or(moved) {
            self.without_order |= self.marks.len() >= MOST_MARKS;
            self.marks.push((record, seen));
        }
    }

    fn leaps(&mut self, seen: Day) {
        if (seen.month, seen.day) == (2, 29) {
            self.leap.insert(seen.year);
        }
    }

    /// Whether a year ends in the file, or anything else that a stamp alone would not tell.
    pub fn is_needed(&self) -> bool {
        let length = self.first.zip(self.now).map_or(0, |(first, now)| now.number() - first.number());
        let ends = self.first.zip(self.now).is_some_and(|(first, now)| first.year != now.year);
        ends || length > FALLS_BACK || self.marks.len() > 1 || !self.leap.is_empty() || !self.stated.is_empty()
    }

    /// The years of all records. `None` if none had a stamp, or they have no order.
    pub fn years(&self, anchor: Anchor) -> Option<Years> {
        let (first, last) = self.first.zip(self.now)?;
        if self.without_order {
            return None;
        }
        let (last, also_possible) = self.last_year(anchor, first, last);
        let now = self.now?.year;
        let place = |day: Day| midday(last - now + day.year, day.month, day.day);
        let marks: Vec<(u64, Instant)> =
            self.marks.iter().filter_map(|(record, day)| Some((*record, place(*day)?))).collect();
        Some(Years {
            marks,
            anchor,
            first: last - now + first.year,
            last,
            also_possible,
            out_of_order: self.out_of_order,
            not_set: self.not_set,
        })
    }

    /// The year of the last record, and others that fit as well.
    fn last_year(&self, anchor: Anchor, first: Day, last: Day) -> (i32, Vec<i32>) {
        if let Anchor::Declared(year) = anchor {
            return (year, Vec::new());
        }
        // A record that states its year overrides what is beside the file.
        if let Some((year, _)) = self.stated.iter().rev().max_by_key(|(_, count)| **count) {
            return (year + last.year, Vec::new());
        }
        let fits = |year: &i32| self.leap.iter().all(|relative| is_leap(year - last.year + relative));
        let around = match anchor {
            Anchor::NearestTo(anchor) => anchor.to_utc().year() + 1 + last.year,
            _ => 1972,
        };
        let newest_first = (0..=2 * YEARS_AROUND + last.year).filter_map(|back| around.checked_sub(back));
        let mut candidates: Vec<i32> = newest_first.clone().filter(fits).collect();
        if candidates.is_empty() {
            // Two leap days in neighbouring years: one of them is wrong.
            candidates = newest_first.collect();
        }
        let Anchor::NearestTo(anchor) = anchor else {
            return (candidates.first().copied().unwrap_or(1972), Vec::new());
        };
        let days = |at: Instant| at.0.div_euclid(DAY_NS);
        let far = |year: i32| -> Option<(i64, i64)> {
            let from = days(midday(year - last.year + first.year, first.month, first.day)?);
            let to = days(midday(year, last.month, last.day)?);
            let at = days(anchor);
            // The log runs over the anchor, or nearly, else it is so far away; then by where it ends.
            let away = (from - at).max(at - to).max(0);
            Some((if away < UNDECIDED { 0 } else { away }, (to - at).abs()))
        };
        let mut by_distance: Vec<((i64, i64), i32)> =
            candidates.iter().filter_map(|year| Some((far(*year)?, *year))).collect();
        by_distance.sort_by_key(|(far, year)| (*far, -year));
        let Some((best, chosen)) = by_distance.first().copied() else { return (around, Vec::new()) };
        let also = by_distance.iter().skip(1).filter(|((away, _), _)| *away - best.0 < UNDECIDED);
        (chosen, also.map(|(_, year)| *year).collect())
    }
}

fn midday(year: i32, month: u32, day: u32) -> Option<Instant> {
    // 29 February of a year that has none: the day before is near enough for a mark.
    let date = NaiveDate::from_ymd_opt(year, month, day).or_else(|| NaiveDate::from_ymd_opt(year, month, 28))?;
    date.and_hms_opt(12, 0, 0)?.and_utc().timestamp_nanos_opt().map(Instant)
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Day of a leap year from 1. `None` if there is no such day in any year.
fn ordinal(month: u32, day: u32) -> Option<i32> {
    i32::try_from(NaiveDate::from_ymd_opt(1972, month, day)?.ordinal()).ok()
}

#[cfg(test)]
mod tests;
