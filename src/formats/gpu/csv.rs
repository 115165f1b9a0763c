//! The CSV of `nvidia-smi --query-...`: cells, units, statuses and times. It knows no quotes (RFC 4180 does not apply).

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// A line split at commas, each cell without the white space around it. `nvidia-smi` writes a comma and a space.
pub(super) fn cells(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).collect()
}

/// The cells of a row under a header of `columns` columns, of which `free` (if any) may hold commas itself: cells are
/// counted from both ends. `None` if there are too few, or too many and nothing to put them into.
pub(super) fn fit(line: &str, columns: usize, free: Option<usize>) -> Option<Vec<&str>> {
    let split = cells(line);
    if split.len() == columns {
        return Some(split);
    }
    let (free, surplus) = (free?, split.len().checked_sub(columns)?);
    // The text of the free cell lies between two cells of known place; commas inside are kept as they are.
    let mut starts = Vec::with_capacity(split.len() + 1);
    starts.push(0);
    starts.extend(line.match_indices(',').map(|(at, _)| at + 1));
    let end = starts.get(free + surplus + 1).map_or(line.len(), |next| next - 1);
    let text = line.get(*starts.get(free)?..end)?.trim();
    let mut fitted = Vec::with_capacity(columns);
    fitted.extend_from_slice(split.get(..free)?);
    fitted.push(text);
    fitted.extend_from_slice(split.get(free + surplus + 1..)?);
    Some(fitted)
}

/// `name [unit]` as in a header: the name alone.
pub(super) fn column_name(cell: &str) -> &str {
    cell.split_once(" [").map_or(cell, |(name, _)| name).trim()
}

/// Whether a cell could be a column name: `utilization.gpu [%]`, `clocks_event_reasons.active`, `pid`.
pub(super) fn is_column_name(cell: &str) -> bool {
    let (name, unit) = match cell.split_once(" [") {
        Some((name, unit)) => (name, unit.strip_suffix(']')),
        None => (cell, Some("")),
    };
    unit.is_some()
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_'))
}

/// Units that `nvidia-smi` prints after a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Mib,
    Watt,
    Mhz,
}

/// A value with its unit, if it has one that is known.
pub(super) fn value(cell: &str) -> Option<(f64, Option<Unit>)> {
    let (digits, unit) = match cell.split_once(' ') {
        Some((digits, unit)) => (digits, Some(unit.trim())),
        None => (cell.strip_suffix('%').unwrap_or(cell), cell.ends_with('%').then_some("%")),
    };
    // f64 also reads "nan", "inf" and "1e9", which nvidia-smi does not write.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        return None;
    }
    let number: f64 = digits.parse().ok()?;
    let (number, unit) = match unit {
        None => (number, None),
        Some("%") => (number, Some(Unit::Percent)),
        Some("MiB") => (number, Some(Unit::Mib)),
        Some("KiB") => (number / 1024.0, Some(Unit::Mib)),
        Some("GiB") => (number * 1024.0, Some(Unit::Mib)),
        Some("W") => (number, Some(Unit::Watt)),
        Some("mW") => (number / 1000.0, Some(Unit::Watt)),
        Some("MHz") => (number, Some(Unit::Mhz)),
        Some("C") => (number, None),
        Some(_) => return None,
    };
    Some((number, unit))
}

/// A cell that says why there is no value: `[N/A]`, `[Not Supported]`, `[Unknown Error]`, `ERR!` and the like.
pub(super) fn is_status(cell: &str) -> bool {
    cell.is_empty()
        || (cell.starts_with('[') && cell.ends_with(']'))
        || matches!(cell, "N/A" | "ERR!" | "Not Supported" | "Unknown Error" | "No data" | "-")
}

/// `2026/07/14 08:12:38.696`: local time without zone, and its resolution in nanoseconds.
pub(super) fn time(cell: &str) -> Option<(NaiveDateTime, i64)> {
    let (date, clock) = cell.split_once(' ')?;
    let mut parts = date.split('/');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || ![hour, minute, second].iter().all(|part| digits(part, 2)) {
        return None;
    }
    let (ns, resolution) = match fraction.len() {
        0 => (0, 1_000_000_000),
        length @ 1..=9 if digits(fraction, length) => {
            let unit = 10_u32.checked_pow(9 - u32::try_from(length).ok()?)?;
            (fraction.parse::<u32>().ok()?.checked_mul(unit)?, i64::from(unit))
        }
        _ => return None,
    };
    let time = NaiveTime::from_hms_nano_opt(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, ns)?;
    Some((date.and_time(time), resolution))
}

/// `GPU-` or `MIG-` and a UUID; before driver 470 `MIG-GPU-<uuid>/<gi>/<ci>`.
pub(super) fn is_uuid(cell: &str) -> bool {
    let Some(rest) = cell.strip_prefix("MIG-GPU-").or(cell.strip_prefix("GPU-")).or(cell.strip_prefix("MIG-")) else {
        return false;
    };
    let uuid = rest.split('/').next().unwrap_or_default();
    uuid.len() == 36
        && uuid.char_indices().all(|(at, letter)| match at {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_hexdigit(),
        })
}
