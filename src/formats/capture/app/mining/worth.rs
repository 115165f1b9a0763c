//! What a share is worth: the function worked on and how many tries one share takes on average.

use serde_json::Value;

use super::shapes::{has_hex, is_hex};
use crate::model::Work;

/// What one share stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Share {
    #[default]
    Unknown,
    /// Tries on average.
    Hashes(f64),
    /// A difficulty whose unit depends on the algorithm.
    Difficulty(f64),
}

/// Sums over shares.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    sum: f64,
    squares: f64,
    largest: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.squares += value * value;
        self.largest = self.largest.max(value);
    }
}

/// Shares of either unit.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    hashes: Sum,
    difficulty: Sum,
}

impl Shares {
    fn add(&mut self, share: Share) {
        match share {
            Share::Hashes(value) => self.hashes.add(value),
            Share::Difficulty(value) => self.difficulty.add(value),
            Share::Unknown => {}
        }
    }

    fn work(&self, unit: Option<f64>) -> Option<Work> {
        let unit = match unit {
            Some(unit) => unit,
            None if self.difficulty.count == 0 => 1.0,
            None => return None,
        };
        let work = Work {
            shares: self.hashes.count.saturating_add(self.difficulty.count),
            hashes: self.hashes.sum + self.difficulty.sum * unit,
            squares: self.hashes.squares + self.difficulty.squares * unit * unit,
            largest: self.hashes.largest.max(self.difficulty.largest * unit),
            unanswered: false,
        };
        (work.shares > 0 && work.hashes.is_finite() && work.squares.is_finite()).then_some(work)
    }
}

/// What the messages of one conversation say of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Worth {
    pub(super) algorithm: Option<String>,
    pub(super) coin: Option<&'static str>,
    /// As the pool told it last.
    pub(super) difficulty: Option<f64>,
    /// What a share of now stands for.
    pub(super) share: Share,
    submitted: Shares,
    accepted: Shares,
}

impl Worth {
    pub(super) fn submitted(&mut self) -> Share {
        self.submitted.add(self.share);
        self.share
    }

    pub(super) fn accepted(&mut self, share: Share) {
        self.accepted.add(share);
    }

    /// `mining.set_difficulty`.
    pub(super) fn difficulty(&mut self, difficulty: f64) {
        if difficulty > 0.0 && difficulty.is_finite() {
            self.difficulty = Some(difficulty);
            self.share = Share::Difficulty(difficulty);
        }
    }

    /// The tries that one share takes, from a target.
    pub(super) fn tries(&mut self, tries: Option<f64>) {
        if let Some(tries) = tries.filter(|tries| *tries >= 1.0 && tries.is_finite()) {
            self.difficulty = Some(tries);
            self.share = Share::Hashes(tries);
        }
    }

    /// An algorithm by the shape of a message; one that a message named stays.
    pub(super) fn shaped(&mut self, algorithm: &str, coin: Option<&'static str>) {
        if self.algorithm.is_none() {
            self.algorithm = Some(algorithm.to_owned());
        }
        self.coin = self.coin.or(coin);
    }

    /// Of the shares that the pool accepted, or of all if `answers` is none.
    pub(super) fn work(&self, answers: u64) -> Option<Work> {
        let unit = self.algorithm.as_deref().and_then(unit);
        if answers == 0 {
            return self.submitted.work(unit).map(|work| Work { unanswered: true, ..work });
        }
        self.accepted.work(unit)
    }

    /// The parameters of `mining.notify`, whose shape differs by family.
    pub(super) fn job(&mut self, list: &[Value]) {
        let text = |at: usize| list.get(at).and_then(Value::as_str);
        let plain = |at: usize| text(at).map(|text| text.strip_prefix("0x").unwrap_or(text));
        let hash = |at: usize| plain(at).is_some_and(|text| text.len() == 64 && is_hex(text));
        let word = |at: usize| text(at).is_some_and(|text| text.len() == 8 && is_hex(text));
        let number =
            |at: usize| list.get(at).is_some_and(|value| value.is_number() || value.as_str().is_some_and(is_hex));
        let flag = |at: usize| list.get(at).is_some_and(Value::is_boolean);
        if list.len() >= 9 && hash(1) && list.get(4).is_some_and(Value::is_array) && word(5) && word(7) {
            // Bitcoin and its kin: which of them, the block tells that is worked on.
            let chain = text(2).and_then(height).zip(text(7).and_then(|time| u64::from_str_radix(time, 16).ok()));
            if let Some((coin, algorithm)) = chain.and_then(|(height, time)| by_schedule(height, time)) {
                self.shaped(algorithm, Some(coin));
            }
        } else if list.len() >= 8 && word(1) && hash(2) && hash(3) && hash(4) && word(5) && word(6) {
            self.shaped("equihash", None);
        } else if list.len() == 7 && hash(1) && hash(2) && hash(3) && flag(4) && number(5) {
            self.shaped("kawpow", None);
            self.tries(plain(3).and_then(tries_of_target));
        } else if list.len() >= 7 && text(3) == Some("") && hash(2) && text(6).is_some_and(is_long_decimal) {
            self.shaped("autolykos2", Some("ergo"));
        } else if list.len() == 4 && hash(1) && hash(2) && flag(3) {
            self.shaped("ethash", None);
        } else if list.len() == 4 && number(1) && hash(2) && text(3).is_some_and(|text| text.starts_with("0x")) {
            self.shaped("octopus", Some("conflux"));
            self.tries(plain(3).and_then(tries_of_target));
        } else if list.get(1).and_then(Value::as_array).is_some_and(|words| words.len() == 4) {
            self.shaped("kheavyhash", Some("kaspa"));
        } else if list.first().is_some_and(|job| has_hex(job, "headerBlob", 64..=1 << 16)) {
            self.shaped("blake3", Some("alephium"));
        }
    }
}

/// Tries that difficulty 1 takes on average, by algorithm. Bitcoin's is the target 0xffff * 2^208 (2^32 tries but for
/// 15 in a million), which EthereumStratum/1.0.0 and Kaspa's bridges keep; scrypt pools count in 65,536ths of it.
fn unit(algorithm: &str) -> Option<f64> {
    match algorithm {
        "sha256d" | "ethash" | "kheavyhash" => Some(4_294_967_296.0),
        "scrypt" => Some(65_536.0),
        _ => None,
    }
}

fn is_long_decimal(text: &str) -> bool {
    (40..=80).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The height of the block, which its coinbase begins with (BIP 34): behind version, one input without a source and the
/// script's length, the length of a number and the number, least byte first.
fn height(coinbase: &str) -> Option<u64> {
    const SCRIPT: usize = 2 * (4 + 1 + 32 + 4 + 1);
    let bytes = coinbase.as_bytes();
    let byte = |at: usize| u64::from_str_radix(std::str::from_utf8(bytes.get(at..at + 2)?).ok()?, 16).ok();
    let source = coinbase.get(10..SCRIPT - 2)?;
    if !source.get(..64)?.bytes().all(|digit| digit == b'0') || !source.get(64..)?.eq_ignore_ascii_case("ffffffff") {
        return None;
    }
    let length = usize::try_from(byte(SCRIPT)?).ok().filter(|length| (2..=4).contains(length))?;
    (0..length).rev().try_fold(0, |height, at| Some(height << 8 | byte(SCRIPT + 2 + 2 * at)?))
}

/// The coin whose chain has this height at this time. Chains keep their pace: since its first blocks Bitcoin's height
/// has stayed within one block per 560 to 620 s since January 2009, Litecoin's within one per 140 to 160 s since
/// October 2011, Dogecoin's within one per 60 to 66 s since December 2013. Bitcoin Cash has Bitcoin's heights and
/// function, so that the coin may be either and only the function is sure.
fn by_schedule(height: u64, time: u64) -> Option<(&'static str, &'static str)> {
    let pace = |genesis: u64| (height > 1000).then(|| time.checked_sub(genesis))??.checked_div(height);
    match (pace(1_231_006_505), pace(1_317_972_665), pace(1_386_325_540)) {
        (Some(560..=620), _, _) => Some(("bitcoin", "sha256d")),
        (_, Some(140..=160), _) => Some(("litecoin", "scrypt")),
        (_, _, Some(60..=66)) => Some(("dogecoin", "scrypt")),
        _ => None,
    }
}

/// Tries for a hash at most as large as a target of up to 32 bytes, highest byte first.
pub(super) fn tries_of_target(target: &str) -> Option<f64> {
    let digits = target.strip_prefix("0x").unwrap_or(target);
    if !is_hex(digits) || digits.len() > 64 {
        return None;
    }
    let value = digits
        .bytes()
        .fold(0.0, |value, digit| value * 16.0 + f64::from(char::from(digit).to_digit(16).unwrap_or_default()));
    (value > 0.0).then(|| 2_f64.powi(256) / value)
}

/// Tries for a CryptoNote target: 4 or 8 bytes, least byte first (xmrig-proxy, doc/STRATUM.md).
pub(super) fn tries_of_cryptonote(target: &str) -> Option<f64> {
    if !is_hex(target) || !matches!(target.len(), 8 | 16) {
        return None;
    }
    let value = u64::from_str_radix(target, 16).ok()?.swap_bytes() >> (64 - 4 * target.len());
    let scale = if target.len() == 8 { 4_294_967_296.0 } else { 18_446_744_073_709_551_616.0 };
    (value > 0).then(|| scale / value as f64)
}

/// Tries for `target` of getwork: 32 bytes, least byte first.
pub(super) fn tries_of_getwork(target: &str) -> Option<f64> {
    let pairs: Vec<&str> = (0..32).rev().filter_map(|at| target.get(2 * at..2 * at + 2)).collect();
    (pairs.len() == 32).then(|| tries_of_target(&pairs.concat()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} against {expected}");
    }

    #[test]
    fn targets() {
        // Difficulty 1: 2^256 / (0xffff * 2^208) = 2^48 / 65535.
        let one = format!("00000000ffff{}", "0".repeat(52));
        near(tries_of_target(&one), 281_474_976_710_656.0 / 65_535.0);
        near(tries_of_target(&format!("0x{one}")), 281_474_976_710_656.0 / 65_535.0);
        near(tries_of_target("1"), 2_f64.powi(256));
        // xmrig-proxy's STRATUM.md: "b88d0600" is 0x00068db8 = 429496, difficulty 10000 and a bit: 2^32 / 429496.
        near(tries_of_cryptonote("b88d0600"), 4_294_967_296.0 / 429_496.0);
        near(tries_of_cryptonote("0000000000000080"), 2.0);
        // Bitcoin wiki, getwork: the target of difficulty 1.
        near(tries_of_getwork(&format!("{}ffff00000000", "0".repeat(52))), 281_474_976_710_656.0 / 65_535.0);
        for wrong in ["", "0", "00000000", "zz", "0x", &"f".repeat(65)] {
            assert_eq!(tries_of_target(wrong), None, "{wrong}");
        }
        for wrong in ["", "00000000", "ffff", "zzzzzzzz", "é000000"] {
            assert_eq!((tries_of_cryptonote(wrong), tries_of_getwork(wrong)), (None, None), "{wrong}");
        }
    }

    #[test]
    fn the_chain_by_its_pace() {
        // Block 840000 of Bitcoin: 2024-04-20T00:09:27Z. Block 2500000 of Litecoin: 2023-06-29T13:48Z or so.
        assert_eq!(by_schedule(840_000, 1_713_571_767), Some(("bitcoin", "sha256d")));
        assert_eq!(by_schedule(227_931, 1_364_140_204), Some(("bitcoin", "sha256d")));
        assert_eq!(by_schedule(2_500_000, 1_688_046_000), Some(("litecoin", "scrypt")));
        assert_eq!(by_schedule(25_096, 1_346_275_001), None);
        assert_eq!(by_schedule(0, 0), None);
        assert_eq!(by_schedule(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn height_in_a_coinbase() {
        // Block 227931, the first that had to carry its height (BIP 34): 03 5b7a03.
        let head = |source: &str, script: &str| format!("01000000{source}{}ffffffff{script}", "0".repeat(64));
        assert_eq!(height(&head("01", "27035b7a03")), Some(227_931));
        assert_eq!(height(&head("01", "2703")), None);
        assert_eq!(height(&head("01", "27ff5b7a03")), None);
        assert_eq!(height("éééé"), None);
        assert_eq!(height(&"1".repeat(200)), None);
    }

    #[test]
    fn sums_need_a_unit() {
        let mut worth = Worth::default();
        worth.difficulty(2.0);
        let share = worth.submitted();
        worth.accepted(share);
        assert_eq!(worth.work(1), None);
        worth.shaped("sha256d", Some("bitcoin"));
        let work = worth.work(1).unwrap();
        assert_eq!((work.shares, work.hashes, work.largest), (1, 8_589_934_592.0, 8_589_934_592.0));
        assert!(worth.work(0).unwrap().unanswered);
        worth.difficulty(f64::INFINITY);
        worth.difficulty(-1.0);
        assert_eq!(worth.difficulty, Some(2.0));
    }
}
