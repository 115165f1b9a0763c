//! The times that stand at the beginning of log lines.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::super::bytes::{address, leading_number, number};
use super::value::Zone;
use crate::time::{Basis, Instant, SECOND, Span, TimeContext};

/// A time as a log line has it, before zone and year are known. `resolution_ns` is the unit of its last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// An epoch value, or a date with an offset from UTC.
    Epoch { at: Instant, resolution_ns: i64 },
    /// A local date and time without zone.
    Local { at: NaiveDateTime, resolution_ns: i64 },
    /// A month, day and time: RFC 3164 section 4.1.2. Local, unless the record names a zone.
    WithoutYear { month: u32, day: u32, time: NaiveTime, resolution_ns: i64, zone: Option<Zone> },
    /// Time since the boot of the machine, as the kernel's ring buffer has it.
    SinceBoot { ns: i64, resolution_ns: i64 },
}

impl Stamp {
    /// The moment and its resolution, if the stamp states its offset from UTC.
    pub fn stated(self) -> Option<(Instant, i64)> {
        match self {
            Stamp::Epoch { at, resolution_ns } => Some((at, resolution_ns)),
            _ => None,
        }
    }

    /// Laid on the time axis. `None` if there is no such day or it lies outside the years 1678 to 2262.
    pub fn span(&self, context: &TimeContext) -> Option<Span> {
        match *self {
            Stamp::Epoch { at, resolution_ns } => Some(context.epoch(at, resolution_ns)),
            Stamp::Local { at, resolution_ns } => context.local(at, resolution_ns),
            Stamp::WithoutYear { month, day, time, resolution_ns, zone: None } => {
                context.local_without_year(month, day, time, resolution_ns)
            }
            Stamp::WithoutYear { month, day, time, resolution_ns, zone: Some(Zone(east)) } => {
                context.without_year_east_of_utc(east, month, day, time, resolution_ns)
            }
            Stamp::SinceBoot { ns, resolution_ns } => Some(
                Span::with_resolution(Instant(ns).plus(context.boot_ns), resolution_ns, Basis::BootRelative)
                    .shifted(-context.declared_offset_ns),
            ),
        }
    }
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// 1 to 12 from the English abbreviation at the beginning of `text`.
pub(crate) fn month(text: &[u8]) -> Option<u32> {
    let name = text.first_chunk::<3>()?;
    (1..).zip(MONTHS).find(|(_, known)| *known == name).map(|(number, _)| number)
}

pub(super) fn two(text: &[u8], at: usize) -> Option<u32> {
    match text.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0')),
        _ => None,
    }
}

/// `HH:MM:SS` with an optional fraction after `.` or `,`: time, resolution, bytes taken.
///
/// Second 60 is the second after 59. More than nine digits of fraction are cut to nine.
pub(crate) fn clock(text: &[u8]) -> Option<(NaiveTime, i64, usize)> {
    if text.get(2) != Some(&b':') || text.get(5) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (two(text, 0)?, two(text, 3)?, two(text, 6)?);
    let (fraction, resolution, taken) = match text.get(8..) {
        Some([b'.' | b',', digits @ ..]) => match fraction(digits) {
            Some((ns, resolution, length)) => (ns, resolution, 9 + length),
            None => (0, SECOND, 8),
        },
        _ => (0, SECOND, 8),
    };
    let time = if second == 60 {
        NaiveTime::from_hms_nano_opt(hour, minute, 59, 1_000_000_000 + fraction)?
    } else {
        NaiveTime::from_hms_nano_opt(hour, minute, second, fraction)?
    };
    Some((time, resolution, taken))
}

/// `HH:MM` before an offset from UTC, as Guardicore Centra writes it: time, resolution, bytes taken.
fn minutes(text: &[u8]) -> Option<(NaiveTime, i64, usize)> {
    if text.get(2) != Some(&b':') || offset(text.get(5..)?).is_none() {
        return None;
    }
    Some((NaiveTime::from_hms_opt(two(text, 0)?, two(text, 3)?, 0)?, 60 * SECOND, 5))
}

/// Nanoseconds, resolution and number of the digits at the beginning of `text`; `None` if there are none.
pub(super) fn fraction(text: &[u8]) -> Option<(u32, i64, usize)> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let used = length.min(9);
    if used == 0 {
        return None;
    }
    let resolution = 10_i64.checked_pow(9 - u32::try_from(used).ok()?)?;
    let value = i64::try_from(number(text.get(..used)?)?).ok()?.checked_mul(resolution)?;
    Some((u32::try_from(value).ok()?, resolution, length))
}

/// `Mmm dd [YYYY] HH:MM:SS[.fraction] [YYYY]`: RFC 3164 and the habits around it.
pub(crate) fn month_day(text: &[u8]) -> Option<(Stamp, usize)> {
    let month = month(text)?;
    let mut at = 3 + spaces(text.get(3..)?)?;
    let (day, length) = leading_number(text.get(at..)?, 2)?;
    at += length;
    at += spaces(text.get(at..)?)?;
    let mut year = None;
    if text.get(at + 2) != Some(&b':') {
        let (value, length) =
            leading_number(text.get(at..)?, 4).filter(|(value, length)| *length == 4 && *value > 1969)?;
        year = Some(value);
        at += length;
        at += spaces(text.get(at..)?)?;
    }
    let (time, resolution_ns, length) = clock(text.get(at..)?)?;
    at += length;
    if year.is_none()
        && text.get(at) == Some(&b' ')
        && let Some((value @ 1970..=2261, 4)) = leading_number(text.get(at + 1..)?, 5)
        && matches!(text.get(at + 5), None | Some(b' ' | b']'))
    {
        year = Some(value);
        at += 5;
    }
    let stamp = match year {
        Some(year) => {
            let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
            Stamp::Local { at: date.and_time(time), resolution_ns }
        }
        // Whether the day exists is seen once the year is known.
        None if (1..=31).contains(&day) => Stamp::WithoutYear { month, day, time, resolution_ns, zone: None },
        None => return None,
    };
    Some((stamp, at))
}

/// `Www Mmm dd HH:MM:SS YYYY` (ctime, OpenWrt `logread`, `dmesg -T`) or `Www YYYY-MM-DD HH:MM:SS ZONE`
/// (`journalctl -o short-full`).
pub(crate) fn weekday(text: &[u8]) -> Option<(Stamp, usize)> {
    let name = text.first_chunk::<3>()?;
    if !WEEKDAYS.contains(&name) {
        return None;
    }
    let mut at = 3 + usize::from(text.get(3) == Some(&b','));
    at += spaces(text.get(at..)?)?;
    let (stamp, length) = month_day(text.get(at..)?).or_else(|| iso(text.get(at..)?))?;
    at += length;
    if let (Stamp::Local { at: local, resolution_ns }, Some(zone)) = (stamp, text.get(at..at + 4))
        && matches!(zone, b" UTC" | b" GMT")
    {
        let instant = Instant(local.and_utc().timestamp_nanos_opt()?);
        return Some((Stamp::Epoch { at: instant, resolution_ns }, at + 4));
    }
    Some((stamp, at))
}

/// `YYYY-MM-DD`, `T` or a space, `HH:MM:SS[.fraction]`, and an offset from UTC or none: RFC 3339 and its relatives. Before
/// an offset seconds may be left out.
pub(crate) fn iso(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') || !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, 4) = leading_number(text, 4)? else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, two(text, 5)?, two(text, 8)?)?;
    let (time, resolution_ns, length) = clock(text.get(11..)?).or_else(|| minutes(text.get(11..)?))?;
    let at = 11 + length;
    let local = date.and_time(time);
    let rest = text.get(at..)?;
    let (rest, skipped) = match rest {
        [b' ', sign @ (b'+' | b'-'), digit, ..] if digit.is_ascii_digit() && matches!(sign, b'+' | b'-') => {
            (&rest[1..], 1)
        }
        _ => (rest, 0),
    };
    match offset(rest) {
        Some((seconds, length)) => {
            let utc = local.and_utc().timestamp_nanos_opt()?.checked_sub(i64::from(seconds).checked_mul(SECOND)?)?;
            Some((Stamp::Epoch { at: Instant(utc), resolution_ns }, at + skipped + length))
        }
        None => Some((Stamp::Local { at: local, resolution_ns }, at)),
    }
}

/// `Z`, `+HH:MM`, `+HHMM` or `+HH`: seconds east of UTC and bytes taken.
pub(super) fn offset(text: &[u8]) -> Option<(i32, usize)> {
    let sign = match text.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(text, 1)?;
    let (minutes, length) = match text.get(3) {
        Some(b':') => (two(text, 4)?, 6),
        Some(byte) if byte.is_ascii_digit() => (two(text, 3)?, 5),
        _ => (0, 3),
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * i32::try_from(hours * 3600 + minutes * 60).ok()?, length))
}

/// `YYYY:MM:DD-HH:MM:SS`, as Sophos UTM writes it.
pub(super) fn colons(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b':') || text.get(7) != Some(&b':') || text.get(10) != Some(&b'-') {
        return None;
    }
    let (year, 4) = leading_number(text, 4)? else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, two(text, 5)?, two(text, 8)?)?;
    let (time, resolution_ns, length) = clock(text.get(11..)?)?;
    Some((Stamp::Local { at: date.and_time(time), resolution_ns }, 11 + length))
}

/// `dd/Mmm/YYYY:HH:MM:SS +hhmm`, as web servers and the firewall of Proxmox VE write it.
pub(crate) fn slashed(text: &[u8]) -> Option<(Stamp, usize)> {
    let day = two(text, 0)?;
    if text.get(2) != Some(&b'/') || text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let (year, 4) = leading_number(text.get(7..)?, 4)? else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month(text.get(3..)?)?, day)?;
    let (time, resolution_ns, length) = clock(text.get(12..)?)?;
    let at = 12 + length;
    let local = date.and_time(time);
    match text.get(at).filter(|byte| **byte == b' ').and_then(|_| offset(text.get(at + 1..)?)) {
        Some((seconds, length)) => {
            let utc = local.and_utc().timestamp_nanos_opt()?.checked_sub(i64::from(seconds).checked_mul(SECOND)?)?;
            Some((Stamp::Epoch { at: Instant(utc), resolution_ns }, at + 1 + length))
        }
        None => Some((Stamp::Local { at: local, resolution_ns }, at)),
    }
}

/// `1795185286.090029 `: whole seconds since 1970 with a fraction (`journalctl -o short-unix`).
pub(crate) fn epoch(text: &[u8]) -> Option<(Stamp, usize)> {
    let whole = text.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    if !(9..=10).contains(&whole) || text.get(whole) != Some(&b'.') {
        return None;
    }
    let (ns, resolution_ns, length) = fraction(text.get(whole + 1..)?)?;
    let end = whole + 1 + length;
    if !matches!(text.get(end), None | Some(b' ' | b'\t' | b']')) || address(text.get(..end)?).is_some() {
        return None;
    }
    let at = Instant::from_parts(i64::try_from(number(text.get(..whole)?)?).ok()?, i64::from(ns))?;
    Some((Stamp::Epoch { at, resolution_ns }, end))
}

/// `[ 1234.567890]`, also with the deltas of `dmesg -d` (`[ 1234.567890 <  0.000012>]`): bytes taken with the bracket.
pub(crate) fn since_boot(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.first() != Some(&b'[') {
        return None;
    }
    let mut at = 1 + text.get(1..)?.iter().take_while(|byte| **byte == b' ').count();
    let whole = text.get(at..)?.iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
    let seconds = i64::try_from(number(text.get(at..at + whole)?)?).ok()?;
    at += whole;
    if text.get(at) != Some(&b'.') {
        return None;
    }
    let (ns, resolution_ns, length) = fraction(text.get(at + 1..)?)?;
    at += 1 + length;
    if text.get(at..at + 2) == Some(b" <") {
        at += text.get(at..at + 40.min(text.len() - at))?.iter().position(|byte| *byte == b'>')? + 1;
    }
    if text.get(at) != Some(&b']') {
        return None;
    }
    let ns = seconds.checked_mul(SECOND)?.checked_add(i64::from(ns))?;
    Some((Stamp::SinceBoot { ns, resolution_ns }, at + 1))
}

fn spaces(text: &[u8]) -> Option<usize> {
    let count = text.iter().take_while(|byte| **byte == b' ').count();
    (1..=4).contains(&count).then_some(count)
}
