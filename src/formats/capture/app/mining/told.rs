//! The time that a pool tells in its jobs: that of the block which is worked on.

use serde_json::Value;

use super::Tracker;
use super::shapes::is_hex;
use crate::formats::capture::app::Packet;
use crate::model::{JobTime, Mining};
use crate::time::{Instant, SECOND};

/// Nothing was mined before Bitcoin's first block: what tells less is no time.
const FIRST_BLOCK: u64 = 1_231_006_505;

impl Tracker {
    /// A job's time, if it is the pool's own: what a miner hands in it may have rolled ahead.
    pub(super) fn told(&mut self, seconds: Option<u64>, packet: Packet) {
        let Some(seconds) = seconds.filter(|_| !packet.from_opener) else { return };
        if (FIRST_BLOCK..=u64::from(u32::MAX)).contains(&seconds) && self.mining.told.len() < Mining::TOLD_KEPT {
            let told = Instant((seconds as i64).saturating_mul(SECOND));
            self.mining.told.push(JobTime { told, seen: packet.at, record: packet.record });
        }
    }
}

/// `ntime` of `mining.notify`: behind version and bits in Bitcoin's, where it is written as a number is; behind the
/// reserved field in Zcash's (ZIP 301), where it is written as it stands in the header, least byte first.
pub(super) fn of_notify(list: &[Value]) -> Option<u64> {
    let word = |at: usize| {
        let text = list.get(at)?.as_str().filter(|text| text.len() == 8 && is_hex(text))?;
        u32::from_str_radix(text, 16).ok()
    };
    if list.len() >= 9 && list.get(4).is_some_and(Value::is_array) {
        word(5).and(word(6))?;
        return word(7).map(u64::from);
    }
    let hash = |at: usize| list.get(at).and_then(Value::as_str).is_some_and(|text| text.len() == 64 && is_hex(text));
    if list.len() >= 8 && hash(2) && hash(3) && hash(4) {
        word(1).and(word(6))?;
        return word(5).map(|time| u64::from(time.swap_bytes()));
    }
    None
}

/// The time in the header that a CryptoNote blob begins with: versions and time, each seven bits a byte, least first
/// (monero-project/monero, `block_header` in `cryptonote_basic.h`).
pub(super) fn of_blob(blob: &str) -> Option<u64> {
    let mut at = 0;
    let mut next = || -> Option<u64> {
        let mut value = 0_u64;
        // Five bytes hold 35 bits: more than any time until the year 3058.
        for shift in (0..35).step_by(7) {
            let byte = u64::from_str_radix(blob.get(at..at + 2)?, 16).ok()?;
            at += 2;
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    };
    let (major, minor) = (next()?, next()?);
    // Versions count hard forks: a blob that begins with anything else is laid out in another way.
    (major <= 64 && minor <= 64).then(next)?
}

#[cfg(test)]
mod tests {
    use super::*;

    // 0x66230597 is 1713571223 (Python), the time of Bitcoin's block 840000. In a header, and so in Zcash's jobs, the
    // bytes stand in the order 97 05 23 66.
    #[test]
    fn times_of_notify() {
        let (hash, none) = ("ab".repeat(32), String::new());
        let bitcoin = serde_json::json!(["6a", hash, "01", "02", [], "20000000", "17034219", "66230597", true]);
        assert_eq!(of_notify(bitcoin.as_array().unwrap()), Some(1_713_571_223));
        let zcash = serde_json::json!(["6a", "04000000", hash, hash, hash, "97052366", "1f07ffff", true]);
        assert_eq!(of_notify(zcash.as_array().unwrap()), Some(1_713_571_223));
        for other in [
            serde_json::json!(["b"]),
            serde_json::json!(["6a", hash, "01", "02", [], "20000000", "17034219", "6623059", true]),
            serde_json::json!(["bf0488aa", hash, hash, true]),
            serde_json::json!(["6a", "04000000", none, hash, hash, "97052366", "1f07ffff", true]),
        ] {
            assert_eq!(of_notify(other.as_array().unwrap()), None, "{other}");
        }
    }

    // 1713571223 = 0x17 + 0x0b * 2^7 + 0x0c * 2^14 + 0x31 * 2^21 + 0x06 * 2^28; all but the last with the bit 0x80 that
    // says "more": 97 8b 8c b1 06. Behind versions 16 and 16.
    #[test]
    fn times_of_blobs() {
        assert_eq!(of_blob("1010978b8cb106"), Some(1_713_571_223));
        for other in ["", "10", "1010", "1010978b8cb1", "1010ffffffffffff", "ff10978b8cb106", "éé10978b8cb106"] {
            assert_eq!(of_blob(other), None, "{other}");
        }
    }
}
