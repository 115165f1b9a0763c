//! Times as transcripts write them.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use crate::evidence::{Anomaly, AnomalyKind, quoted};
use crate::formats::Sink;
use crate::time::{Basis, Instant, SECOND, Span, TimeContext};

/// An ISO 8601 date and time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) local: NaiveDateTime,
    /// From the digits of the fraction.
    pub(super) resolution_ns: i64,
    /// Seconds east of UTC; `None` if the stamp is naive.
    pub(super) offset_s: Option<i32>,
}

impl Stamp {
    /// Reads `YYYY-MM-DD[T ]HH:MM:SS[.fraction][Z|±HH[:]MM]` (RFC 3339 and what Python's `isoformat` writes).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = |range: std::ops::Range<usize>| -> Option<u32> {
            let digits = text.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let separator = |at: usize, any: &[u8]| text.as_bytes().get(at).is_some_and(|byte| any.contains(byte));
        let separated = separator(4, b"-")
            && separator(7, b"-")
            && separator(10, b"Tt ")
            && separator(13, b":")
            && separator(16, b":");
        if !separated {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(i32::try_from(number(0..4)?).ok()?, number(5..7)?, number(8..10)?)?;
        let rest = text.get(19..)?;
        let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
            Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", rest),
        };
        if rest.starts_with(['.', ',']) && fraction.is_empty() {
            return None;
        }
        let digits = fraction.len().min(9);
        let mut resolution_ns = SECOND;
        let mut nanoseconds = 0u32;
        for byte in fraction.bytes().take(digits) {
            resolution_ns /= 10;
            nanoseconds = nanoseconds * 10 + u32::from(byte - b'0');
        }
        nanoseconds *= u32::try_from(resolution_ns).ok()?;
        let local = date.and_hms_nano_opt(number(11..13)?, number(14..16)?, number(17..19)?, nanoseconds)?;
        Some(Stamp { local, resolution_ns, offset_s: zone_offset(zone)? })
    }

    /// The span it stands for, with what the context knows of a naive stamp. `None` outside of 1678 to 2262.
    pub(super) fn span(self, time: &TimeContext) -> Option<Span> {
        match self.offset_s {
            Some(offset) => self.span_at(offset, time),
            None => time.local(self.local, self.resolution_ns),
        }
    }

    /// The span it stands for `offset_s` seconds east of UTC.
    pub(super) fn span_at(self, offset_s: i32, time: &TimeContext) -> Option<Span> {
        let utc = self.local.checked_sub_signed(TimeDelta::seconds(i64::from(offset_s)))?;
        Some(time.epoch(Instant(utc.and_utc().timestamp_nanos_opt()?), self.resolution_ns))
    }
}

/// `Some(None)` for no zone, `None` for a zone that cannot be read.
fn zone_offset(zone: &str) -> Option<Option<i32>> {
    match zone.as_bytes() {
        [] => Some(None),
        [b'Z' | b'z'] => Some(Some(0)),
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digits: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b':').collect();
            if !matches!(digits.len(), 2 | 4 | 6) || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let two = |at: usize| {
                digits.get(at..at + 2).map_or(0, |two| two.iter().fold(0, |n, byte| n * 10 + i32::from(byte - b'0')))
            };
            let offset = two(0) * 3600 + two(2) * 60 + two(4);
            (offset <= 86_400).then_some(Some(if *sign == b'-' { -offset } else { offset }))
        }
        _ => None,
    }
}

/// The span of a stamp in text.
pub(super) fn span(text: &str, time: &TimeContext) -> Option<Span> {
    Stamp::parse(text)?.span(time)
}

/// The span of a stamp as JSON holds it: ISO 8601 text, or a number since 1970, also as text. Its unit is told by its
/// size: below 10^11 seconds (to the year 5138), then milli-, micro- and nanoseconds by factors of 1000.
pub(super) fn of_value(value: &Value, time: &TimeContext) -> Option<Span> {
    let written = match value {
        Value::String(text) => match Stamp::parse(text) {
            Some(stamp) => return stamp.span(time),
            None => text.trim().to_owned(),
        },
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (at, resolution) = decimal(&written)?;
    let mut unit = 1;
    while unit < i128::from(SECOND) && at / i128::from(SECOND) / unit >= 100_000_000_000 {
        unit *= 1000;
    }
    let at = i64::try_from(at / unit).ok().filter(|at| *at > 0)?;
    Some(time.epoch(Instant(at), i64::try_from(resolution / unit).ok()?.max(1)))
}

/// What is said of a value that names no moment.
pub(super) fn unreadable_value(record: u64, value: &Value) -> Anomaly {
    match value {
        Value::String(stamp) => unreadable(record, stamp),
        other => unreadable(record, &other.to_string()),
    }
}

/// What is said of a stamp that names no moment.
pub(super) fn unreadable(record: u64, stamp: &str) -> Anomaly {
    let detail = format!("timestamp {} is no date and time", quoted(stamp));
    Anomaly { record, kind: AnomalyKind::ImpossibleValue, detail }
}

/// A decimal number of seconds as (nanoseconds, nanoseconds of its last digit). `None` if it is no such number, is
/// negative, or exceeds 292 years.
pub(super) fn decimal_seconds(text: &str) -> Option<(i64, i64)> {
    let (value, resolution) = decimal(text)?;
    Some((i64::try_from(value).ok()?, i64::try_from(resolution).ok()?))
}

fn decimal(text: &str) -> Option<(i128, i128)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !(-30..=18).contains(&exponent) {
        return None;
    }
    let mut value: i128 = 0;
    let mut scale = 9 + exponent;
    for (index, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
        if !byte.is_ascii_digit() || index > 40 {
            return None;
        }
        if index >= whole.len() {
            // Digits below a nanosecond are of no use.
            if scale <= 0 {
                continue;
            }
            scale -= 1;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    if scale >= 0 {
        let factor = 10i128.checked_pow(scale.unsigned_abs())?;
        Some((value.checked_mul(factor)?, factor))
    } else {
        Some((value / 10i128.checked_pow(scale.unsigned_abs())?, 1))
    }
}

/// What the dated records of an episode say of its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// First and last dated record.
    pub(super) span: Option<Span>,
    /// The latest stamp so far: what comes behind it in the file was not written before it.
    pub(super) high: Option<Instant>,
    steps_back: u64,
    worst_ns: i64,
    worst_record: u64,
}

impl Clock {
    /// Writers stamp lines of one turn out of order by some milliseconds; more than this is a clock that went back.
    const DISORDER_NS: i64 = 5 * SECOND;

    pub(super) fn saw(&mut self, record: u64, span: Span) {
        self.span = Some(self.span.map_or(span, |known| known.cover(span)));
        if let Some(high) = self.high {
            let back = high.since(span.lo);
            if back > Self::DISORDER_NS {
                self.steps_back += 1;
                if back > self.worst_ns {
                    self.worst_ns = back;
                    self.worst_record = record;
                }
            }
        }
        self.high = Some(self.high.map_or(span.lo, |high| high.max(span.lo)));
    }

    /// A bound for a record without a time: not before the latest stamp above it.
    pub(super) fn not_before(&self) -> Option<Span> {
        self.high.map(|high| Span::at(high, Basis::OrderOnly))
    }

    pub(super) fn report(&self, sink: &mut dyn Sink) {
        if self.steps_back > 0 {
            sink.anomaly(Anomaly {
                record: self.worst_record,
                kind: AnomalyKind::ClockStepBack,
                detail: format!(
                    "{} records are stamped more than 5 s before one above them; the most is {}.{:03} s",
                    self.steps_back,
                    self.worst_ns / SECOND,
                    self.worst_ns % SECOND / 1_000_000
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_all_spellings() {
        // Expected values by `date -u -d ... +%s`.
        let time = TimeContext::default();
        for (text, lo, hi, basis) in [
            ("2025-09-25T01:22:20.083Z", 1_758_763_340_083_000_000, 1_758_763_340_083_999_999, Basis::ExplicitOffset),
            ("2025-09-25T03:22:20+02:00", 1_758_763_340_000_000_000, 1_758_763_340_999_999_999, Basis::ExplicitOffset),
            ("2025-09-25 01:22:20,5", 1_758_763_340_500_000_000, 1_758_763_340_599_999_999, Basis::AssumedZone),
            (
                "2025-09-24T19:22:20.000001-0600",
                1_758_763_340_000_001_000,
                1_758_763_340_000_001_999,
                Basis::ExplicitOffset,
            ),
        ] {
            assert_eq!(span(text, &time), Some(Span { lo: Instant(lo), hi: Instant(hi), basis }), "{text}");
        }
        for text in [
            "",
            "2025-09-25",
            "2025-13-01T00:00:00Z",
            "2025-09-25T01:22:20.Z",
            "2025-09-25T01:22:20+1",
            "öööö-öö-ööTöö",
        ] {
            assert_eq!(span(text, &time), None, "{text}");
        }
    }

    #[test]
    fn numbers_since_1970() {
        let time = TimeContext::default();
        // 2026-11-20T14:37:45.442Z is 1 795 185 465.442 s (date -u -d '2026-11-20 14:37:45' +%s).
        let at = 1_795_185_465_442_000_000;
        for (written, lo, resolution) in [
            (serde_json::json!(1_795_185_465), at - 442_000_000, SECOND),
            (serde_json::json!(1_795_185_465_442_i64), at, 1_000_000),
            (serde_json::json!("1795185465442"), at, 1_000_000),
            (serde_json::json!(1_795_185_465_442_000_i64), at, 1_000),
            (serde_json::json!(1_795_185_465_442_000_000_i64), at, 1),
            (serde_json::json!(1_795_185_465.442), at, 1_000_000),
            (serde_json::json!("2026-11-20T14:37:45.442Z"), at, 1_000_000),
        ] {
            let span = of_value(&written, &time).unwrap();
            assert_eq!((span.lo.0, span.hi.0 - span.lo.0), (lo, resolution - 1), "{written}");
        }
        for none in [serde_json::json!(0), serde_json::json!(-5), serde_json::json!("x"), serde_json::json!(null)] {
            assert_eq!(of_value(&none, &time), None, "{none}");
        }
    }

    #[test]
    fn seconds_in_decimals() {
        assert_eq!(decimal_seconds("0.1"), Some((100_000_000, 100_000_000)));
        assert_eq!(decimal_seconds("12"), Some((12 * SECOND, SECOND)));
        assert_eq!(decimal_seconds("0.2814128329991945"), Some((281_412_832, 1)));
        assert_eq!(decimal_seconds("1.5e-05"), Some((15_000, 1_000)));
        assert_eq!(decimal_seconds("1e3"), Some((1000 * SECOND, 1000 * SECOND)));
        for text in ["", "-1", "1e99", "x", "99999999999999999999"] {
            assert_eq!(decimal_seconds(text), None, "{text}");
        }
    }
}
