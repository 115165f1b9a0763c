use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// Nanoseconds since 1970-01-01T00:00:00Z on the clock of the source that recorded them.
///
/// Prints as RFC 3339 UTC with nine digits of fraction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Instant(pub i64);

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

impl Instant {
    /// From whole seconds and nanoseconds; `None` outside of the years 1678 to 2262.
    pub fn from_parts(seconds: i64, nanoseconds: i64) -> Option<Self> {
        seconds.checked_mul(SECOND)?.checked_add(nanoseconds).map(Instant)
    }

    /// This instant moved by `ns` nanoseconds, saturating at the ends of the range.
    pub fn plus(self, ns: i64) -> Self {
        Instant(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to this instant, saturating.
    pub fn since(self, earlier: Instant) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As a chrono date and time in UTC.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
