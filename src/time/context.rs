use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::boots::Boots;
use super::years::{Anchor, Years};
use super::{Basis, Instant, SECOND, Span};

/// Where the zone of a source's local times comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// The responder said so.
    Declared(Tz),
    /// Nobody said; read as UTC until the clocks are compared.
    AssumedUtc,
}

/// Where the year of a source's year-less stamps comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YearSource {
    /// The responder said so: every stamp lies in this year.
    Declared(i32),
    /// The year that puts a stamp nearest to this instant of a dated neighbour. Independent of line order, and
    /// right across New Year as long as the log stays within six months of the neighbour.
    NearestTo(Instant),
    /// The order of the records tells, see [`TimeContext::at_record`]. Without a record, the last year.
    ByRecord(Arc<Years>),
    /// The year that puts a stamp nearest to this day, which is known as well as the anchor.
    Placed(Instant, Anchor),
    /// Nothing dates the stamps. They are laid into 1972, a leap year, and usable for order alone.
    Unknown,
}

/// What must be known beside a record to read its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeContext {
    pub zone: ZoneSource,
    pub year: YearSource,
    /// Declared correction in nanoseconds, already to be subtracted from what the source's clock shows.
    pub declared_offset_ns: i64,
    /// The boots that times since boot count from, where the file holds several.
    pub boots: Option<Arc<Boots>>,
    /// Where the boot is laid that a time since boot counts from, in nanoseconds since 1970.
    pub boot_ns: i64,
}

impl Default for TimeContext {
    fn default() -> Self {
        TimeContext {
            zone: ZoneSource::AssumedUtc,
            year: YearSource::Unknown,
            declared_offset_ns: 0,
            boots: None,
            boot_ns: 0,
        }
    }
}

impl TimeContext {
    /// The context in which that record (counted from 1) is to be read.
    pub fn at_record(&self, record: u64) -> TimeContext {
        let year = match &self.year {
            YearSource::ByRecord(years) => YearSource::Placed(years.near(record), years.anchor),
            other => other.clone(),
        };
        let boot_ns = self.boots.as_ref().map_or(self.boot_ns, |boots| boots.laid_at(record));
        TimeContext { zone: self.zone, year, declared_offset_ns: self.declared_offset_ns, boots: None, boot_ns }
    }

    /// An epoch stamp of the given resolution.
    pub fn epoch(&self, at: Instant, resolution_ns: i64) -> Span {
        Span::with_resolution(at, resolution_ns, Basis::ExplicitOffset).shifted(-self.declared_offset_ns)
    }

    /// A local date and time without a zone, of the given resolution.
    ///
    /// Where a declared zone repeats an hour the span covers both readings; in an hour that it skips, the offset
    /// before the gap is used. `None` if the date lies outside the years 1678 to 2262.
    pub fn local(&self, local: NaiveDateTime, resolution_ns: i64) -> Option<Span> {
        let as_utc = Instant(local.and_utc().timestamp_nanos_opt()?);
        let span = match self.zone {
            ZoneSource::AssumedUtc => Span::with_resolution(as_utc, resolution_ns, Basis::AssumedZone),
            ZoneSource::Declared(zone) => {
                let (first, last) = match zone.from_local_datetime(&local) {
                    chrono::LocalResult::Single(at) => (at, at),
                    chrono::LocalResult::Ambiguous(first, last) => (first, last),
                    chrono::LocalResult::None => {
                        let before = zone.from_local_datetime(&(local - chrono::Duration::hours(3))).earliest()?;
                        let at = before + chrono::Duration::hours(3);
                        (at, at)
                    }
                };
                let first =
                    Span::with_resolution(Instant(first.timestamp_nanos_opt()?), resolution_ns, Basis::DeclaredZone);
                let last =
                    Span::with_resolution(Instant(last.timestamp_nanos_opt()?), resolution_ns, Basis::DeclaredZone);
                first.cover(last)
            }
        };
        Some(span.shifted(-self.declared_offset_ns))
    }

    /// As [`Self::local_without_year`], of a time whose record names its zone, so many seconds east of UTC.
    pub fn without_year_east_of_utc(
        &self,
        east: i32,
        month: u32,
        day: u32,
        time: NaiveTime,
        resolution_ns: i64,
    ) -> Option<Span> {
        let utc = TimeContext { zone: ZoneSource::Declared(Tz::UTC), ..self.clone() };
        let span = utc.local_without_year(month, day, time, resolution_ns)?.shifted(-i64::from(east) * SECOND);
        let basis = if span.basis == Basis::DeclaredZone { Basis::ExplicitOffset } else { span.basis };
        Some(Span { basis, ..span })
    }

    /// A local month, day and time without year or zone (RFC 3164). `month` and `day` count from 1.
    ///
    /// `None` if no such day exists in the year that applies (29 February).
    pub fn local_without_year(&self, month: u32, day: u32, time: NaiveTime, resolution_ns: i64) -> Option<Span> {
        let in_year = |year: i32| NaiveDate::from_ymd_opt(year, month, day).map(|date| date.and_time(time));
        let (neighbour, basis) = match &self.year {
            YearSource::Declared(year) => return self.local(in_year(*year)?, resolution_ns),
            YearSource::ByRecord(years) => (years.near(u64::MAX), basis_of(years.anchor)),
            YearSource::Placed(day, anchor) => (*day, basis_of(*anchor)),
            YearSource::NearestTo(neighbour) => (*neighbour, Some(Basis::AssumedYear)),
            YearSource::Unknown => {
                let span = self.local(in_year(1972)?, resolution_ns)?;
                return Some(Span { basis: Basis::UnknownYear, ..span });
            }
        };
        let around = neighbour.to_utc().year();
        let distance = |local: &NaiveDateTime| (local.and_utc().timestamp() - neighbour.0.div_euclid(SECOND)).abs();
        // Within 182 days no other year can be nearer: this is the hot path of every log without years.
        let near = in_year(around).filter(|local| distance(local) <= 182 * 86_400);
        let local = match near {
            Some(local) => local,
            None => (around - 1..=around + 1).filter_map(in_year).min_by_key(distance)?,
        };
        let span = self.local(local, resolution_ns)?;
        Some(Span { basis: basis.unwrap_or(span.basis), ..span })
    }
}

/// How well a year is known by its anchor; `None` if as well as anything else of the stamp.
fn basis_of(anchor: Anchor) -> Option<Basis> {
    match anchor {
        Anchor::Declared(_) => None,
        Anchor::NearestTo(_) => Some(Basis::AssumedYear),
        Anchor::Unknown => Some(Basis::UnknownYear),
    }
}
