//! Values with a grammar of their own: zones, offsets, years, addresses. Errors say what is allowed.

use std::net::IpAddr;

use chrono_tz::Tz;
use ipnet::IpNet;

use crate::time::SECOND;

pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1970..=2261;

pub(super) fn year_message() -> String {
    format!("a year has four digits, from {} to {}", YEARS.start(), YEARS.end())
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    let network: IpNet =
        text.parse().map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))?;
    Ok(network.trunc())
}

/// Where a volume is mounted: an absolute path that is not all of the file system.
pub(super) fn volume(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    if path.starts_with('/') && !path.split('/').any(|part| part == "..") {
        return Ok(path.to_owned());
    }
    Err(format!("{text:?} is no place for a volume; give an absolute path such as /mnt/shared"))
}

/// An IANA zone name, or a fixed offset of whole hours.
pub(super) fn zone(text: &str) -> Result<Tz, String> {
    if let Ok(zone) = text.parse::<Tz>() {
        return Ok(zone);
    }
    const ALLOWED: &str = "give an IANA name such as Asia/Shanghai or UTC, or an offset of whole hours such as +08:00";
    let wrong = || format!("{text:?} is no zone; {ALLOWED}");
    let (sign, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 => rest.split_at_checked(2).ok_or_else(wrong)?,
        None => (rest, "00"),
    };
    let hours: u8 = hours.parse().map_err(|_| wrong())?;
    if minutes != "00" {
        return Err(format!("{text:?}: offsets of broken hours have names (Asia/Kolkata is +05:30); {ALLOWED}"));
    }
    // POSIX signs: Etc/GMT-8 is eight hours ahead of UTC.
    let name = match (sign, hours) {
        ("+" | "-", 0) => "UTC".to_owned(),
        ("+", hours) => format!("Etc/GMT-{hours}"),
        ("-", hours) => format!("Etc/GMT+{hours}"),
        _ => return Err(wrong()),
    };
    name.parse().map_err(|_| wrong())
}

/// "+0.5s", "-8h", "8h2.5s", "250ms": nanoseconds.
pub(super) fn offset(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is no offset; give numbers with h, m, s, ms, us or ns and a sign: +0.5s, -8h, 8h2.5s");
    let (negative, mut rest) = match text.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters).ok_or_else(wrong)?;
        let unit: i128 = match unit {
            "h" => 3600 * i128::from(SECOND),
            "m" | "min" => 60 * i128::from(SECOND),
            "s" => i128::from(SECOND),
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() > 18 || fraction.len() > 18 || (whole.is_empty() && fraction.is_empty()) {
            return Err(wrong());
        }
        let parse = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i128>().map_err(|_| wrong()) };
        let scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
        sum += parse(whole)? * unit + parse(fraction)? * unit / scale;
        rest = after;
    }
    let signed = if negative { -sum } else { sum };
    // Taken off every time: the one value that has no opposite is none.
    let offset = i64::try_from(signed).ok().filter(|offset| *offset != i64::MIN);
    offset.ok_or_else(|| format!("{text:?} is more than 292 years"))
}

/// The last folder of a pattern that stands for itself.
pub(super) fn fixed_folder(pattern: &str) -> Option<String> {
    let folders = pattern.rsplit_once('/')?.0;
    let fixed = |folder: &&str| !matches!(*folder, "" | "." | "..") && !folder.contains(['*', '?', '[', '{', '\\']);
    folders.rsplit('/').find(fixed).map(str::to_owned)
}

/// Line and column, from 1, of a byte.
pub(super) fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    (line, String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1)
}
