//! Times, durations and numbers as a person reads them.

use chrono::SecondsFormat;
use chrono_tz::Tz;

use crate::stats::words;
use crate::time::{Instant, SECOND};

/// The zone that times are shown in. Machine-readable outputs stay in UTC whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplayZone(pub Tz);

impl Default for DisplayZone {
    fn default() -> Self {
        DisplayZone(Tz::UTC)
    }
}

impl DisplayZone {
    /// "2026-11-20 14:13:46Z", or with the offset in force: "2026-11-20 22:13:46+08:00".
    pub fn seconds(self, at: Instant) -> String {
        self.show(at, "%Y-%m-%d %H:%M:%S")
    }

    /// The same with milliseconds.
    pub fn milliseconds(self, at: Instant) -> String {
        self.show(at, "%Y-%m-%d %H:%M:%S%.3f")
    }

    /// "2026-11-20 14:13:46Z to 14:15:26Z": the date once if both fall on it.
    pub fn range(self, from: Instant, to: Instant) -> String {
        let (from, to) = (self.seconds(from), self.seconds(to));
        match (from.get(..11), to.get(..11), to.get(11..)) {
            (Some(day), Some(other), Some(time)) if day == other => format!("{from} to {time}"),
            _ => format!("{from} to {to}"),
        }
    }

    fn show(self, at: Instant, format: &str) -> String {
        let local = at.to_utc().with_timezone(&self.0);
        let text = local.format(format).to_string();
        if self.0 == Tz::UTC { format!("{text}Z") } else { format!("{text}{}", local.format("%:z")) }
    }
}

/// RFC 3339 in UTC with nine digits: the time of every machine-readable output.
pub fn rfc3339(at: Instant) -> String {
    at.to_utc().to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// The moment that RFC 3339 text names, as [`rfc3339`] and people write it. `None` if it names none.
pub fn parse_rfc3339(text: &str) -> Option<Instant> {
    chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt().map(Instant)
}

/// Nanoseconds as seconds for JSON and CSV, to the nanosecond as far as a double holds it.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / SECOND as f64
}

/// "-0.6 s", "+2.5 s", "0.0 s"; hours and minutes apart beyond a minute: "+8 h 2.5 s".
pub fn signed_duration(ns: i64) -> String {
    let sign = match ns {
        i64::MIN..=-1 => "-",
        0 => "",
        1.. => "+",
    };
    format!("{sign}{}", duration(ns.unsigned_abs()))
}

/// "0.6 s", "45 ms", "3 min 2.0 s", "8 h".
pub fn duration(ns: u64) -> String {
    const S: u64 = SECOND as u64;
    if ns > 0 && ns < S / 20 {
        return if ns >= 1_000_000 { format!("{} ms", ns / 1_000_000) } else { format!("{} µs", ns.div_ceil(1000)) };
    }
    let tenths = ns.saturating_add(S / 20) / (S / 10);
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let mut parts = Vec::new();
    if hours > 0 {
        parts.push(format!("{} h", thousands(hours)));
    }
    if minutes > 0 {
        parts.push(format!("{minutes} min"));
    }
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{}.{} s", rest / 10, rest % 10));
    }
    parts.join(" ")
}

/// "1 204": groups of three with a space between, as ISO 80000-1 has it.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A weight of evidence: "+1.3", with as many digits more as it takes to stay on its side of the scale's bounds ("+2.99" is
/// below "strong", "+3.0" would not be). Without a number: "unbounded".
pub fn bans(number: Option<f64>) -> String {
    let Some(bans) = number.filter(|bans| bans.is_finite()) else { return "unbounded".to_owned() };
    let mut shown = (1..=6).map(|digits| format!("{bans:+.digits$}"));
    let kept = |text: &String| text.parse().is_ok_and(|shown: f64| words(shown) == words(bans));
    shown.find(kept).unwrap_or_else(|| bans.to_string())
}

/// A probability or ratio with two significant digits: "0.2", "3e-6", "0.61".
pub fn probability(p: f64) -> String {
    if !p.is_finite() {
        return "unknown".to_owned();
    }
    if p == 0.0 {
        return "below 1e-300".to_owned();
    }
    if p > 0.995 && p < 1.0 {
        // Rounding must not make a certainty of it.
        return format!("1 - {}", probability(1.0 - p));
    }
    if p.abs() < 1e-3 {
        let text = format!("{p:.1e}");
        return text.replacen(".0e", "e", 1);
    }
    let digits = if p >= 0.1 { 2 } else { 3 };
    let text = format!("{p:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// The number rounded to six significant digits, so that the last bits of a sum do not differ between machines.
/// `None` for what JSON has no number for.
pub fn six_digits(x: f64) -> Option<f64> {
    if !x.is_finite() {
        return None;
    }
    let rounded: f64 = format!("{x:.5e}").parse().ok()?;
    // Negative zero would print as "-0.0".
    Some(if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    // 1795184026 s: `date -u -d @1795184026` says Fri Nov 20 14:13:46 UTC 2026.
    const AT: Instant = Instant(1_795_184_026_500_000_000);

    #[test]
    fn zones_are_always_shown() {
        let utc = DisplayZone::default();
        assert_eq!(utc.seconds(AT), "2026-11-20 14:13:46Z");
        assert_eq!(utc.range(AT, AT.plus(100 * SECOND)), "2026-11-20 14:13:46Z to 14:15:26Z");
        assert_eq!(utc.range(AT, AT.plus(86_400 * SECOND)), "2026-11-20 14:13:46Z to 2026-11-21 14:13:46Z");
        let shanghai = DisplayZone(Tz::Asia__Shanghai);
        assert_eq!(shanghai.milliseconds(AT), "2026-11-20 22:13:46.500+08:00");
        assert_eq!(rfc3339(AT), "2026-11-20T14:13:46.500000000Z");
    }

    #[test]
    fn durations() {
        assert_eq!(signed_duration(-600_000_000), "-0.6 s");
        assert_eq!(signed_duration(0), "0.0 s");
        assert_eq!(signed_duration(28_802_500_000_000), "+8 h 2.5 s");
        assert_eq!(signed_duration(-28_800_000_000_000), "-8 h");
        assert_eq!(duration(182_000_000_000), "3 min 2.0 s");
        assert_eq!(duration(45_000_000), "45 ms");
        assert_eq!(duration(1), "1 µs");
        assert_eq!(duration(59_960_000_000), "1 min");
        assert_eq!(signed_duration(i64::MIN), "-2 562 047 h 47 min 16.9 s");
    }

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1_204, 1_234_567].map(thousands), ["0", "999", "1 204", "1 234 567"]);
        assert_eq!([0.2, 3e-6, 0.61, 1.0, 0.05].map(probability), ["0.2", "3e-6", "0.61", "1", "0.05"]);
        assert_eq!(probability(0.999_999), "1 - 1e-6");
        let weights = [1.34, 2.97, 2.9996, 3.0, -0.299, 6.0].map(|weight| bans(Some(weight)));
        assert_eq!(weights, ["+1.3", "+2.97", "+2.9996", "+3.0", "-0.299", "+6.0"]);
        assert_eq!((bans(None), bans(Some(f64::INFINITY))), ("unbounded".to_owned(), "unbounded".to_owned()));
        assert_eq!(six_digits(3.900_000_000_000_000_4), Some(3.9));
        assert_eq!(six_digits(f64::NEG_INFINITY), None);
    }
}
