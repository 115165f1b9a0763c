use super::{Instant, SECOND};

/// Lines of one boot are out of order by less than this (processors print for themselves), in nanoseconds: whatever falls
/// further counts from another boot.
const FALL_NS: i64 = 10 * SECOND;
/// Boots are laid so far apart at least, in nanoseconds, and each on a day of its own: nothing of one is then near
/// anything of another, whatever the pauses that tell conversations apart.
const APART_NS: i64 = 86_400 * SECOND;
/// Boots told apart in one file.
const MOST: usize = 4096;

/// From which record on seconds count from which boot: a file that holds several shows every second several times. The
/// first boot is laid at 1970-01-01, each of the others on a day after the last of the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boots {
    /// First record and where the boot is laid, in order of both; the first is of record 0.
    starts: Vec<(u64, i64)>,
}

impl Boots {
    /// Where the boot is laid that a record (counted from 1) counts from, in nanoseconds since 1970.
    pub fn laid_at(&self, record: u64) -> i64 {
        let after = self.starts.partition_point(|(first, _)| *first <= record);
        after.checked_sub(1).and_then(|at| self.starts.get(at)).map_or(0, |(_, laid_at)| *laid_at)
    }

    /// Where the boots are laid, in order.
    pub fn all(&self) -> impl Iterator<Item = Instant> + '_ {
        self.starts.iter().map(|(_, laid_at)| Instant(*laid_at))
    }
}

/// Looks for boots in times since boot, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct BootScan {
    boots: Boots,
    /// Greatest time of the boot so far.
    latest: Option<i64>,
}

impl BootScan {
    /// The record shows this time since boot, in nanoseconds.
    pub fn see(&mut self, record: u64, ns: i64) {
        let laid_at = self.boots.starts.last().map_or(0, |(_, laid_at)| *laid_at);
        match self.latest {
            None => self.boots.starts.push((0, 0)),
            Some(latest) if latest.saturating_sub(ns) > FALL_NS && self.boots.starts.len() < MOST => {
                let days = laid_at.saturating_add(latest).div_euclid(APART_NS).saturating_add(2);
                self.boots.starts.push((record, days.saturating_mul(APART_NS)));
                self.latest = None;
            }
            _ => {}
        }
        self.latest = Some(self.latest.map_or(ns, |latest| latest.max(ns)));
    }

    /// What was found, if it is more than one boot.
    pub fn finish(self) -> Option<Boots> {
        (self.boots.starts.len() > 1).then_some(self.boots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(seconds: &[i64]) -> Option<Boots> {
        let mut scan = BootScan::default();
        for (second, record) in seconds.iter().zip(1..) {
            scan.see(record, second.saturating_mul(SECOND));
        }
        scan.finish()
    }

    // The second boot is laid on the day after the next: day 2, after 4000 s of day 0; the third after 90000 s of the
    // second, which ends on day 3: day 5.
    #[test]
    fn a_fall_begins_a_boot() {
        let boots = scan(&[1, 4000, 3995, 0, 90_000, 89_991, 7]).unwrap();
        let days: Vec<i64> = boots.all().map(|at| at.0 / APART_NS).collect();
        assert_eq!(days, [0, 2, 5]);
        let of: Vec<i64> = (0..9).map(|record| boots.laid_at(record) / APART_NS).collect();
        assert_eq!(of, [0, 0, 0, 0, 2, 2, 2, 5, 5]);
        // Out of order by no more than processors print, and later boots that show no fall, are one.
        assert_eq!(scan(&[1, 4000, 3990, 4001]), None);
        assert_eq!(scan(&[]), None);
    }

    #[test]
    fn hostile_seconds() {
        let boots = scan(&[i64::MAX, i64::MIN, i64::MAX, 0, i64::MAX]).unwrap();
        assert!(boots.all().zip(boots.all().skip(1)).all(|(a, b)| a <= b));
        let many: Vec<i64> = (0..10_000).map(|n| if n % 2 == 0 { 100 } else { 0 }).collect();
        assert_eq!(scan(&many).unwrap().all().count(), MOST);
    }
}
