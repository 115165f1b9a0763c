//! Packet stamps: a count of units since the epoch, the unit being a power of ten or of two.

use crate::time::Instant;

/// How an interface counts time (`if_tsresol` and `if_tsoffset` of the pcapng specification, section 4.2; a classic
/// pcap has 10^-6 or 10^-9 and no offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    unit: Unit,
    /// Seconds to be added to every stamp.
    offset_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// 10^-n seconds.
    Ten(u8),
    /// 2^-n seconds.
    Two(u8),
}

impl Resolution {
    pub(super) const MICROSECONDS: Resolution = Resolution { unit: Unit::Ten(6), offset_s: 0 };
    pub(super) const NANOSECONDS: Resolution = Resolution { unit: Unit::Ten(9), offset_s: 0 };

    /// The value of an `if_tsresol` option: the exponent, its top bit telling base two from base ten.
    pub(super) fn from_option(value: u8) -> Self {
        let exponent = value & 0x7f;
        Resolution { unit: if value & 0x80 == 0 { Unit::Ten(exponent) } else { Unit::Two(exponent) }, offset_s: 0 }
    }

    /// With the seconds of an `if_tsoffset` option.
    pub(super) fn with_offset(self, offset_s: i64) -> Self {
        Resolution { offset_s, ..self }
    }

    /// The unit in nanoseconds, rounded up, at least 1.
    pub(super) fn unit_ns(self) -> i64 {
        match self.unit {
            Unit::Ten(n @ 0..=9) => 10_i64.pow(9 - u32::from(n)),
            Unit::Two(n @ 0..=29) => (1_000_000_000 + (1 << n) - 1) / (1 << n),
            _ => 1,
        }
    }

    /// The instant of a stamp, cut to whole nanoseconds; `None` outside of the years 1678 to 2262.
    pub(super) fn instant(self, units: u64) -> Option<Instant> {
        let units = i128::from(units);
        let ns = match self.unit {
            Unit::Ten(n @ 0..=9) => units * 10_i128.pow(9 - u32::from(n)),
            // 10^20 is above any 64-bit count, so that larger exponents always give 0.
            Unit::Ten(n) => units / 10_i128.pow(u32::from(n - 9).min(20)),
            // Below 2^94, and the exponent is below 128.
            Unit::Two(n) => (units * 1_000_000_000) >> n.min(127),
        };
        let ns = ns + i128::from(self.offset_s) * 1_000_000_000;
        i64::try_from(ns).ok().map(Instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T14:13:46.123456789Z, from `date -u -d 2026-11-20T14:13:46Z +%s`.
    const SECONDS: u64 = 1_795_184_026;
    const AT: Instant = Instant(1_795_184_026_123_456_789);

    #[test]
    fn powers_of_ten() {
        let at = |exponent: u8, units: u64| Resolution::from_option(exponent).instant(units);
        assert_eq!(at(9, 1_795_184_026_123_456_789), Some(AT));
        assert_eq!(at(6, SECONDS * 1_000_000 + 123_456), Some(Instant(AT.0 - 789)));
        assert_eq!(at(3, SECONDS * 1_000 + 123), Some(Instant(AT.0 - 456_789)));
        assert_eq!(at(0, SECONDS), Some(Instant(AT.0 - 123_456_789)));
        assert_eq!(at(12, 1_500), Some(Instant(1)), "1 500 ps are one whole nanosecond");
        assert_eq!(at(127, u64::MAX), Some(Instant(0)));
    }

    #[test]
    fn powers_of_two() {
        let at = |exponent: u8, units: u64| Resolution::from_option(0x80 | exponent).instant(units);
        assert_eq!(at(10, SECONDS * 1024 + 256), Some(Instant(SECONDS as i64 * 1_000_000_000 + 250_000_000)));
        assert_eq!(at(32, (SECONDS << 32) + (1 << 31)), Some(Instant(SECONDS as i64 * 1_000_000_000 + 500_000_000)));
        assert_eq!(at(127, u64::MAX), Some(Instant(0)));
        assert_eq!(at(0, SECONDS), Some(Instant(SECONDS as i64 * 1_000_000_000)));
    }

    #[test]
    fn offsets_are_signed_and_range_is_kept() {
        let resolution = Resolution::MICROSECONDS.with_offset(-3600);
        assert_eq!(resolution.instant(3_600_000_001), Some(Instant(1_000)));
        assert_eq!(resolution.instant(0), Some(Instant(-3_600_000_000_000)));
        assert_eq!(Resolution::from_option(0).instant(u64::MAX), None);
        assert_eq!(Resolution::NANOSECONDS.with_offset(i64::MIN).instant(u64::MAX), None);
    }

    #[test]
    fn units() {
        for (option, ns) in [
            (0, 1_000_000_000),
            (3, 1_000_000),
            (6, 1_000),
            (9, 1),
            (12, 1),
            (0x8a, 976_563),
            (0x80 | 30, 1),
            (0xff, 1),
        ] {
            assert_eq!(Resolution::from_option(option).unit_ns(), ns, "{option:#x}");
        }
    }
}
