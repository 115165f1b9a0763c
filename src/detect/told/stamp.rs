//! A date and time as tools print them, in any of their orders: words are told by their looks.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::time::{Instant, SECOND};

/// The longest text that is a stamp and nothing else.
const LONGEST: usize = 64;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAYS_LONG: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What stands for the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    /// Seconds east of UTC.
    East(i64),
    /// Letters that several zones go by.
    Letters,
}

/// A date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) local: NaiveDateTime,
    pub(super) resolution_ns: i64,
    pub(super) zone: Zone,
}

impl Stamp {
    /// The moment, if the local time were that many seconds east of UTC.
    pub(super) fn east(&self, seconds: i64) -> Option<Instant> {
        Instant(self.local.and_utc().timestamp_nanos_opt()?).0.checked_sub(seconds.checked_mul(SECOND)?).map(Instant)
    }
}

#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<(NaiveTime, i64)>,
    /// Twelve hours to add after noon.
    afternoon: Option<bool>,
    zone: Option<Zone>,
}

/// Reads a text that is a date with a time and nothing else: each part once, the year with four digits (two only in
/// `06-Nov-94`). The day's name is not compared: a clock that is set by hand still says what it takes the time to be.
pub(super) fn read(text: &str) -> Option<Stamp> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let mut parts = Parts::default();
    for (place, word) in text.split_ascii_whitespace().enumerate() {
        parts.word(word.strip_suffix(',').unwrap_or(word), place)?;
    }
    let (mut time, resolution_ns) = parts.time?;
    if let Some(afternoon) = parts.afternoon {
        use chrono::Timelike;
        let hour = time.hour();
        time = time.with_hour(match (hour, afternoon) {
            (1..=11, true) => hour + 12,
            (12, false) => 0,
            (1..=12, _) => hour,
            _ => return None,
        })?;
    }
    let date = NaiveDate::from_ymd_opt(parts.year?, parts.month?, parts.day?)?;
    Some(Stamp { local: date.and_time(time), resolution_ns, zone: parts.zone.unwrap_or(Zone::None) })
}

/// The first time, and nothing if there was one already.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    let first = place.is_none();
    *place = Some(value);
    first.then_some(())
}

impl Parts {
    fn word(&mut self, word: &str, place: usize) -> Option<()> {
        let lower = word.to_ascii_lowercase();
        if place == 0 && (DAYS.contains(&lower.as_str()) || DAYS_LONG.contains(&lower.as_str())) {
            return Some(());
        }
        if let Some(month) = MONTHS.iter().zip(1..).find(|(name, _)| **name == lower) {
            return once(&mut self.month, month.1);
        }
        if lower == "am" || lower == "pm" {
            return once(&mut self.afternoon, lower == "pm");
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return match word.len() {
                4 => once(&mut self.year, word.parse().ok()?),
                1 | 2 => once(&mut self.day, word.parse().ok()?),
                _ => None,
            };
        }
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            return match word.split_once(['T', 't']) {
                Some((date, time)) => self.date(date).and_then(|()| self.time(time)),
                None => self.time(word),
            };
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.date(word);
        }
        once(&mut self.zone, zone(word)?)
    }

    /// `2026-11-26`, `2026/11/26` or `26-Nov-26`.
    fn date(&mut self, word: &str) -> Option<()> {
        let mut fields = word.split(['-', '/']);
        let (first, second, third) = (fields.next()?, fields.next()?, fields.next()?);
        let digits = |text: &str, length: usize| {
            let all = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
            if all { text.parse::<u32>().ok() } else { None }
        };
        if fields.next().is_some() {
            return None;
        }
        if let Some(year) = digits(first, 4) {
            once(&mut self.year, i32::try_from(year).ok()?)?;
            once(&mut self.month, digits(second, 2)?)?;
            return once(&mut self.day, digits(third, 2)?);
        }
        let name = second.to_ascii_lowercase();
        let month = MONTHS.iter().zip(1..).find(|(month, _)| **month == name)?.1;
        // POSIX strptime %y: 69 to 99 are of the twentieth century.
        let year = digits(third, 2)?;
        once(&mut self.day, digits(first, 2)?)?;
        once(&mut self.month, month)?;
        once(&mut self.year, i32::try_from(if year >= 69 { 1900 + year } else { 2000 + year }).ok()?)
    }

    /// `02:52`, `02:52:17`, `02:52:17.123`, each with `Z` or `+08:00` behind it or not.
    fn time(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(word.len());
        let (clock, behind) = word.split_at_checked(end)?;
        if !behind.is_empty() {
            once(&mut self.zone, zone(behind)?)?;
        }
        let (clock, fraction) = match clock.split_once(['.', ',']) {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (clock, None),
        };
        let mut fields = clock.split(':').map(|field| match field.len() {
            1 | 2 => field.parse::<u32>().ok(),
            _ => None,
        });
        let (hour, minute) = (fields.next()??, fields.next()??);
        let second = fields.next();
        if fields.next().is_some() || (second.is_none() && fraction.is_some()) {
            return None;
        }
        let (nanoseconds, unit) = match fraction {
            Some(fraction) => self::fraction(fraction)?,
            None if second.is_some() => (0, SECOND),
            None => (0, 60 * SECOND),
        };
        let second = second.unwrap_or(Some(0))?;
        // A leap second is the last moment before the next minute.
        let time = NaiveTime::from_hms_nano_opt(hour, minute, if second == 60 { 59 } else { second }, nanoseconds)?;
        once(&mut self.time, (time, unit))
    }
}

/// Digits behind the point, as nanoseconds and the unit of the last.
fn fraction(digits: &str) -> Option<(u32, i64)> {
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unit = 10_u32.checked_pow(9 - u32::try_from(digits.len()).ok()?)?;
    Some((digits.parse::<u32>().ok()?.checked_mul(unit)?, i64::from(unit)))
}

fn zone(word: &str) -> Option<Zone> {
    if matches!(word, "UTC" | "GMT" | "Z" | "z") {
        return Some(Zone::East(0));
    }
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => {
            let letters = (2..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase());
            return letters.then_some(Zone::Letters);
        }
    };
    let digits: String = word.chars().skip(1).filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes: i64 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    let east = hours.parse::<i64>().ok()? * 3600 + minutes * 60;
    // Zones reach from UTC-12 to UTC+14.
    (minutes < 60 && east <= 14 * 3600).then_some(Zone::East(sign * east))
}

/// Seconds since 1970 of the years 2001 to 2286, as ten digits with or without a fraction behind a point, or as 13, 16
/// or 19 digits of finer units; with the unit of the last digit.
pub(super) fn epoch(text: &str) -> Option<(Instant, i64)> {
    let (whole, digits) = match text.split_once('.') {
        Some((whole, fraction)) if whole.len() == 10 => (whole, fraction.get(..fraction.len().min(9))?),
        Some(_) => return None,
        None if matches!(text.len(), 10 | 13 | 16 | 19) => text.split_at_checked(10)?,
        None => return None,
    };
    if whole.starts_with('0') || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (nanoseconds, unit) = if digits.is_empty() && !text.contains('.') { (0, SECOND) } else { fraction(digits)? };
    Some((Instant::from_parts(whole.parse().ok()?, i64::from(nanoseconds))?, unit))
}

/// The three forms of RFC 9110 section 5.6.7, which are all in GMT.
pub(super) fn http_date(text: &str) -> Option<Instant> {
    let stamp = read(text)?;
    let asctime = stamp.zone == Zone::None && !text.contains(['-', '/', ',']);
    let named = stamp.zone == Zone::East(0) && text.ends_with("GMT") && text.contains(',');
    let seconds = stamp.resolution_ns == SECOND;
    let day = text.get(..3).is_some_and(|day| DAYS.contains(&day.to_ascii_lowercase().as_str()));
    if seconds && day && (asctime || named) { stamp.east(0) } else { None }
}
