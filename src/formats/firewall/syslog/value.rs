//! Times as the value of a field, and the zones that records name beside them.

use chrono::NaiveDate;

use super::super::bytes::{leading_number, number};
use super::stamp::{Stamp, clock, fraction, iso, month_day, offset, slashed, two, weekday};
use crate::time::{Instant, SECOND};

/// A zone that a record names: seconds east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub i32);

/// Abbreviations with one meaning. CST, IST, BST and AST have several and are not here.
const ABBREVIATIONS: [(&str, i32); 22] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("WET", 0),
    ("WEST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("EST", -5),
    ("EDT", -4),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("JST", 9),
    ("KST", 9),
    ("AEST", 10),
    ("AEDT", 11),
    ("NZST", 12),
];

impl Zone {
    /// `+0200`, `+02:00`, `UTC+2:00`, `GMT-5`, `-5`, or an abbreviation that has one meaning.
    pub fn read(text: &[u8]) -> Option<Zone> {
        let text = text.trim_ascii();
        if let Some((_, hours)) = ABBREVIATIONS.iter().find(|(name, _)| name.as_bytes() == text) {
            return Some(Zone(hours * 3600));
        }
        let rest = text.strip_prefix(b"UTC").or(text.strip_prefix(b"GMT")).unwrap_or(text);
        let (sign, digits) = match rest {
            [b'+', digits @ ..] => (1, digits),
            [b'-', digits @ ..] => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = match digits.iter().position(|byte| *byte == b':') {
            Some(at) => (number(digits.get(..at)?)?, number(digits.get(at + 1..)?)?),
            None if digits.len() == 4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
            None => (number(digits)?, 0),
        };
        if hours > 14 || minutes > 59 {
            return None;
        }
        Some(Zone(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?))
    }
}

impl Stamp {
    /// A time that fills a field: seconds, milliseconds, microseconds or nanoseconds since 1970 (told apart by the number
    /// of digits), ISO 8601, `YYYY/MM/DD HH:MM:SS`, `Mmm dd YYYY HH:MM:SS`, `Www Mmm dd HH:MM:SS YYYY`, `dd Mmm YYYY
    /// HH:MM:SS` or `dd/Mmm/YYYY:HH:MM:SS`, each with an offset or an abbreviation of a zone behind it or none.
    pub fn read(text: &[u8]) -> Option<Stamp> {
        let text = text.trim_ascii();
        if let Some(epoch) = since_1970(text) {
            return Some(epoch);
        }
        let (stamp, length) = iso(text)
            .or_else(|| with_slashes(text))
            .or_else(|| month_day(text))
            .or_else(|| weekday(text))
            .or_else(|| day_first(text))
            .or_else(|| slashed(text))?;
        let rest = text.get(length..)?.trim_ascii();
        let rest = rest.split(|byte| *byte == b'(').next()?.trim_ascii();
        if rest.is_empty() {
            return Some(stamp);
        }
        Zone::read(rest).and_then(|zone| stamp.in_zone(zone)).or(Some(stamp))
    }

    /// A time without a zone as one of that zone; others as they are.
    pub fn in_zone(self, zone: Zone) -> Option<Stamp> {
        match self {
            Stamp::Local { at, resolution_ns } => {
                let seconds = i64::from(zone.0).checked_mul(SECOND)?;
                let utc = at.and_utc().timestamp_nanos_opt()?.checked_sub(seconds)?;
                Some(Stamp::Epoch { at: Instant(utc), resolution_ns })
            }
            Stamp::WithoutYear { month, day, time, resolution_ns, zone: None } => {
                Some(Stamp::WithoutYear { month, day, time, resolution_ns, zone: Some(zone) })
            }
            other => Some(other),
        }
    }

    /// A date and a time of day that stand in fields of their own.
    pub fn joined(date: &[u8], time: &[u8]) -> Option<Stamp> {
        let mut both = Vec::with_capacity(date.len() + 1 + time.len());
        both.extend_from_slice(date.trim_ascii());
        both.push(b' ');
        both.extend_from_slice(time.trim_ascii());
        Stamp::read(&both)
    }

    /// A whole number since 1970 in the unit of that many nanoseconds.
    pub fn epoch_in(text: &[u8], unit_ns: i64) -> Option<Stamp> {
        let at = i64::try_from(number(text.trim_ascii())?).ok()?.checked_mul(unit_ns)?;
        Some(Stamp::Epoch { at: Instant(at), resolution_ns: unit_ns })
    }
}

/// 9 or 10 digits are seconds (2001 to 2286), 12 or 13 milliseconds, 15 or 16 microseconds, 18 or 19 nanoseconds; only
/// seconds and milliseconds have a fraction.
fn since_1970(text: &[u8]) -> Option<Stamp> {
    let digits = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let unit = match digits {
        9 | 10 => SECOND,
        12 | 13 => 1_000_000,
        15 | 16 => 1_000,
        18 | 19 => 1,
        _ => return None,
    };
    let whole = i64::try_from(number(text.get(..digits)?)?).ok()?.checked_mul(unit)?;
    match text.get(digits..)? {
        [] => Some(Stamp::Epoch { at: Instant(whole), resolution_ns: unit }),
        [b'.', rest @ ..] if unit >= 1_000_000 => {
            let (part, resolution, length) = fraction(rest)?;
            if length != rest.len() {
                return None;
            }
            let scale = SECOND / unit;
            let at = whole.checked_add(i64::from(part) / scale)?;
            Some(Stamp::Epoch { at: Instant(at), resolution_ns: (resolution / scale).max(1) })
        }
        _ => None,
    }
}

/// `YYYY/MM/DD HH:MM:SS[.fraction]`.
pub(super) fn with_slashes(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b'/') || text.get(7) != Some(&b'/') || !matches!(text.get(10), Some(b' ' | b'T' | b'-')) {
        return None;
    }
    let (year, 4) = leading_number(text, 4)? else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, two(text, 5)?, two(text, 8)?)?;
    let (time, resolution_ns, length) = clock(text.get(11..)?)?;
    let at = 11 + length;
    let stamp = Stamp::Local { at: date.and_time(time), resolution_ns };
    match offset(text.get(at..)?) {
        Some((seconds, more)) => Some((stamp.in_zone(Zone(seconds))?, at + more)),
        None => Some((stamp, at)),
    }
}

/// `20 Nov 2026 14:34:46`.
fn day_first(text: &[u8]) -> Option<(Stamp, usize)> {
    let (day, length) = leading_number(text, 2)?;
    let rest = text.get(length + 1..)?;
    let month = super::stamp::month(rest)?;
    let (year, 4) = leading_number(rest.get(4..)?, 4)? else { return None };
    let (time, resolution_ns, taken) = clock(rest.get(9..)?)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some((Stamp::Local { at: date.and_time(time), resolution_ns }, length + 1 + 9 + taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeContext;

    #[test]
    fn values() {
        let lo = |text: &str| Stamp::read(text.as_bytes()).and_then(|stamp| stamp.span(&TimeContext::default()));
        // 1795185286 is 2026-11-20T14:34:46Z: `date -u -d @1795185286`.
        for (text, expected, width) in [
            ("1795185286", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("1795185286.5", "2026-11-20T14:34:46.500000000Z", SECOND / 10),
            ("1795185286123", "2026-11-20T14:34:46.123000000Z", 1_000_000),
            ("1795185286123.456", "2026-11-20T14:34:46.123456000Z", 1_000),
            ("1795185286123456", "2026-11-20T14:34:46.123456000Z", 1_000),
            ("1795185286123456789", "2026-11-20T14:34:46.123456789Z", 1),
            ("2026-11-20T14:34:46Z", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("2026-11-20 16:34:46 +0200", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("2026/11/20 14:34:46", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("Nov 20 2026 14:34:46", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("Nov 20 2026 16:34:46 +0200", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("Nov 20 2026 15:34:46 CET", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("Fri Nov 20 14:34:46 2026", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("20 Nov 2026 14:34:46", "2026-11-20T14:34:46.000000000Z", SECOND),
            ("20/Nov/2026:15:34:46 +0100", "2026-11-20T14:34:46.000000000Z", SECOND),
        ] {
            let span = lo(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((span.lo.to_string().as_str(), span.hi.since(span.lo) + 1), (expected, width), "{text}");
        }
        for text in ["", "x", "12345", "2026-13-20 00:00:00", "1795185286x"] {
            assert_eq!(Stamp::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_zone_counts_without_a_year() {
        use crate::time::{Basis, Instant, YearSource};
        let stamp = Stamp::read(b"Nov 20 16:34:46 CEST").unwrap();
        let span = stamp.span(&TimeContext::default()).unwrap();
        assert_eq!((span.lo.to_string().as_str(), span.basis), ("1972-11-20T14:34:46.000000000Z", Basis::UnknownYear));
        let declared = TimeContext { year: YearSource::Declared(2026), ..TimeContext::default() };
        let span = stamp.span(&declared).unwrap();
        assert_eq!(
            (span.lo.to_string().as_str(), span.basis),
            ("2026-11-20T14:34:46.000000000Z", Basis::ExplicitOffset)
        );
        let near = YearSource::NearestTo(Instant(1_795_185_286_000_000_000));
        let span = stamp.span(&TimeContext { year: near, ..TimeContext::default() }).unwrap();
        assert_eq!((span.lo.to_string().as_str(), span.basis), ("2026-11-20T14:34:46.000000000Z", Basis::AssumedYear));
    }

    #[test]
    fn zones() {
        for (text, hours) in
            [("+0200", 2.0), ("UTC+2:00", 2.0), ("-05:30", -5.5), ("GMT-5", -5.0), ("CET", 1.0), ("+08", 8.0)]
        {
            assert_eq!(Zone::read(text.as_bytes()), Some(Zone((hours * 3600.0) as i32)), "{text}");
        }
        for text in ["CST", "IST", "", "local", "+99"] {
            assert_eq!(Zone::read(text.as_bytes()), None, "{text}");
        }
    }
}
