//! When something happened: an interval in integer nanoseconds together with how well its meaning is known.

mod boots;
mod context;
mod instant;
mod years;

pub use boots::{BootScan, Boots};
pub use context::{TimeContext, YearSource, ZoneSource};
pub use instant::{Instant, SECOND};
pub use years::{Anchor, YearScan, Years};

/// How an instant on the UTC axis was derived from what the record says. Ordered from firm to loose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Basis {
    /// The record carries an epoch value or an explicit UTC offset.
    ExplicitOffset,
    /// The record is in local time and the zone was declared by the responder.
    DeclaredZone,
    /// The record is in local time and the zone was assumed (UTC until clocks are compared).
    AssumedZone,
    /// The record has neither year nor zone; the year was taken from the named neighbour or declared.
    AssumedYear,
    /// The record has neither year nor zone and nothing dates it: usable for order and gaps alone.
    UnknownYear,
    /// The record counts from the boot of its machine.
    BootRelative,
    /// The record has no time: the bounds come from its neighbours.
    OrderOnly,
}

impl Basis {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Basis::ExplicitOffset => "explicit-offset",
            Basis::DeclaredZone => "declared-zone",
            Basis::AssumedZone => "assumed-zone",
            Basis::AssumedYear => "assumed-year",
            Basis::UnknownYear => "unknown-year",
            Basis::BootRelative => "boot-relative",
            Basis::OrderOnly => "order-only",
        }
    }

    /// Whether instants on this basis lie on the UTC axis (perhaps with an offset still to be found).
    pub fn is_dated(self) -> bool {
        !matches!(self, Basis::UnknownYear | Basis::BootRelative | Basis::OrderOnly)
    }
}

/// The interval `[lo, hi]` in which something happened, as far as its record can tell.
///
/// A stamp that was cut to whole seconds covers that second: `hi` is the last nanosecond that prints the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub lo: Instant,
    pub hi: Instant,
    pub basis: Basis,
}

impl Span {
    /// The span with a later end, where one is known.
    pub fn until(self, last: Option<Instant>) -> Self {
        Span { hi: last.map_or(self.hi, |last| last.max(self.hi)), ..self }
    }

    /// A span of one instant.
    pub fn at(instant: Instant, basis: Basis) -> Self {
        Span { lo: instant, hi: instant, basis }
    }

    /// A span from a stamp with the given resolution in nanoseconds: `[at, at + resolution - 1]`.
    pub fn with_resolution(at: Instant, resolution_ns: i64, basis: Basis) -> Self {
        Span { lo: at, hi: at.plus(resolution_ns.max(1) - 1), basis }
    }

    /// The smallest span that covers both; its basis is the looser of the two.
    pub fn cover(self, other: Span) -> Span {
        Span { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi), basis: self.basis.max(other.basis) }
    }

    /// The same span moved by `ns` nanoseconds.
    pub fn shifted(self, ns: i64) -> Span {
        Span { lo: self.lo.plus(ns), hi: self.hi.plus(ns), basis: self.basis }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_the_axis_and_what_does_not() {
        use Basis::*;
        for basis in [ExplicitOffset, DeclaredZone, AssumedZone, AssumedYear] {
            assert!(basis.is_dated(), "{basis:?}");
        }
        for basis in [UnknownYear, BootRelative, OrderOnly] {
            assert!(!basis.is_dated(), "{basis:?}");
        }
    }

    #[test]
    fn every_basis_has_a_name_of_its_own() {
        use Basis::*;
        let all = [ExplicitOffset, DeclaredZone, AssumedZone, AssumedYear, UnknownYear, BootRelative, OrderOnly]
            .map(Basis::name);
        let named = [
            "explicit-offset",
            "declared-zone",
            "assumed-zone",
            "assumed-year",
            "unknown-year",
            "boot-relative",
            "order-only",
        ];
        assert_eq!(all, named);
    }

    #[test]
    fn a_cut_stamp_covers_what_prints_the_same() {
        for (resolution, hi) in
            [(SECOND, 1_999_999_999), (1_000, 1_000_000_999), (1, 1_000_000_000), (0, 1_000_000_000)]
        {
            let span = Span::with_resolution(Instant(SECOND), resolution, Basis::ExplicitOffset);
            assert_eq!((span.lo, span.hi), (Instant(SECOND), Instant(hi)), "{resolution}");
        }
        // A declared correction is taken off of stamps since 1970 as well.
        let context = TimeContext { declared_offset_ns: 5, ..TimeContext::default() };
        let span = context.epoch(Instant(105), 10);
        assert_eq!(span, Span { lo: Instant(100), hi: Instant(109), basis: Basis::ExplicitOffset });
    }

    // Berlin went from UTC+1 to UTC+2 at 02:00 on 2026-03-29, and back at 03:00 on 2026-10-25 (tz database).
    #[test]
    fn hours_that_a_zone_skips_or_repeats() {
        let context =
            TimeContext { zone: ZoneSource::Declared(chrono_tz::Tz::Europe__Berlin), ..TimeContext::default() };
        let at = |month, day, hour| chrono::NaiveDate::from_ymd_opt(2026, month, day).unwrap().and_hms_opt(hour, 30, 0);
        let utc = |month, day, hour, nanosecond: i64| {
            let at = at(month, day, hour).unwrap().and_utc().timestamp();
            Instant(at * SECOND + nanosecond)
        };
        let local = |month, day, hour| context.local(at(month, day, hour).unwrap(), SECOND).unwrap();
        let last = SECOND - 1;
        // 02:30 did not exist: by the offset before, it is 01:30 of UTC.
        let skipped = Span { lo: utc(3, 29, 1, 0), hi: utc(3, 29, 1, last), basis: Basis::DeclaredZone };
        assert_eq!(local(3, 29, 2), skipped);
        // 02:30 came twice: at 00:30 and at 01:30 of UTC.
        let twice = Span { lo: utc(10, 25, 0, 0), hi: utc(10, 25, 1, last), basis: Basis::DeclaredZone };
        assert_eq!(local(10, 25, 2), twice);
        let once = Span { lo: utc(10, 25, 2, 0), hi: utc(10, 25, 2, last), basis: Basis::DeclaredZone };
        assert_eq!(local(10, 25, 3), once);
    }

    #[test]
    fn a_year_by_the_order_of_records_is_as_firm_as_its_anchor() {
        let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap();
        let ten = Instant(1_795_168_800 * SECOND);
        for (anchor, basis) in [
            (Anchor::Declared(2026), Basis::AssumedZone),
            (Anchor::NearestTo(ten), Basis::AssumedYear),
            (Anchor::Unknown, Basis::UnknownYear),
        ] {
            let mut scan = YearScan::default();
            scan.see(1, 11, 20);
            let years = std::sync::Arc::new(scan.years(anchor).unwrap());
            let whole = TimeContext { year: YearSource::ByRecord(years), ..TimeContext::default() };
            for context in [whole.at_record(1), whole] {
                assert_eq!(context.local_without_year(11, 20, noon, SECOND).unwrap().basis, basis, "{anchor:?}");
            }
        }
    }

    #[test]
    fn moments_are_put_together_from_seconds_and_the_rest() {
        assert_eq!(Instant::from_parts(1_795_184_026, 500), Some(Instant(1_795_184_026_000_000_500)));
        assert_eq!(Instant::from_parts(-1, 999_999_999), Some(Instant(-1)));
        assert_eq!(Instant::from_parts(i64::MAX, 0), None);
    }

    /// A clock that is declared to be ahead by an hour, and a record that names a zone two hours east of UTC.
    #[test]
    fn what_is_ahead_is_taken_off() {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap();
        let context = TimeContext {
            declared_offset_ns: 3600 * SECOND,
            year: YearSource::Declared(2026),
            ..TimeContext::default()
        };
        // 2026-11-20T11:00:00Z and 09:00:00Z, by `date -u -d ... +%s`.
        let local = context.local(date.and_time(noon), SECOND).unwrap();
        assert_eq!(local.lo, Instant(1_795_172_400 * SECOND));
        let east = context.without_year_east_of_utc(7200, 11, 20, noon, SECOND).unwrap();
        assert_eq!(east.lo, Instant(1_795_165_200 * SECOND));
    }

    // 12:00 at two hours east of UTC is 10:00 of UTC, wherever the log was written: 2026-11-20T10:00:00Z, by `date -u -d ... +%s`.
    #[test]
    fn a_named_zone_is_firm_and_the_year_is_as_firm_as_it_is_known() {
        let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap();
        let ten = Instant(1_795_168_800 * SECOND);
        for (year, basis) in [
            (YearSource::Declared(2026), Basis::ExplicitOffset),
            (YearSource::NearestTo(ten), Basis::AssumedYear),
            (YearSource::Unknown, Basis::UnknownYear),
        ] {
            let zone = ZoneSource::Declared(chrono_tz::Tz::Asia__Kolkata);
            let context = TimeContext { zone, year, ..TimeContext::default() };
            let span = context.without_year_east_of_utc(7200, 11, 20, noon, SECOND).unwrap();
            assert_eq!(span.basis, basis);
            assert!(basis == Basis::UnknownYear || span.lo == ten, "{span:?}");
            // Without a zone of its own the record's is that of the log: 17:30 in Kolkata is 12:00 of UTC.
            let half_past_five = chrono::NaiveTime::from_hms_opt(17, 30, 0).unwrap();
            let local = context.local_without_year(11, 20, half_past_five, SECOND).unwrap();
            assert_eq!(local.basis, if basis == Basis::ExplicitOffset { Basis::DeclaredZone } else { basis });
            assert!(basis == Basis::UnknownYear || local.lo == ten.plus(7200 * SECOND), "{local:?}");
        }
    }

    #[test]
    fn a_span_is_extended_and_never_cut() {
        let span = Span { lo: Instant(1), hi: Instant(5), basis: Basis::AssumedZone };
        for (last, hi) in [(None, 5), (Some(3), 5), (Some(9), 9)] {
            assert_eq!(span.until(last.map(Instant)), Span { hi: Instant(hi), ..span });
        }
    }
}
