//! How much work shares stand for.

use crate::intake::HashPrice;
use crate::model::{Mining, Work};
use crate::stats::fay_feuer;
use crate::time::SECOND;

/// Level of the intervals that are printed.
const ALPHA: f64 = 0.05;

/// Hashes that were made, as far as accepted shares tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub hashes: f64,
    /// At 95 %.
    pub interval: (f64, f64),
    /// Hashes a second between the first and the last message; `None` where these are less than a minute apart.
    pub rate: Option<f64>,
}

/// The estimate of one conversation. `None` where difficulty or algorithm are not told, or there is no share.
pub fn estimate(mining: &Mining) -> Option<Estimate> {
    let Work { hashes, squares, largest, .. } = mining.work?;
    let interval = fay_feuer(hashes, squares, largest, ALPHA)?;
    let seconds = mining.last?.since(mining.first?) as f64 / SECOND as f64;
    Some(Estimate { hashes, interval, rate: (seconds >= 60.0).then(|| hashes / seconds) })
}

/// "about 1.2e12 hashes (6.1e11 to 2.1e12 at 95 %), 5.9e9 a second".
pub(super) fn words(mining: &Mining) -> Option<String> {
    let estimate = estimate(mining)?;
    let unit = match mining.algorithm.as_deref() {
        // The work of these is counted in solutions, of which a hash decides.
        Some("equihash") => "solutions",
        _ => "hashes",
    };
    let of = match mining.work {
        Some(work) if work.unanswered => " if all shares were taken",
        _ => "",
    };
    let (low, high) = estimate.interval;
    let rate = estimate.rate.map_or_else(String::new, |rate| format!(", {rate:.1e} a second"));
    Some(format!("about {:.1e} {unit} ({low:.1e} to {high:.1e} at 95 %){of}{rate}", estimate.hashes))
}

/// "worth 0.0012 (0.0004 to 0.003) at the declared price". `None` without an estimate or a price for its algorithm.
pub fn value(mining: &Mining, prices: &[HashPrice]) -> Option<String> {
    let estimate = estimate(mining)?;
    let algorithm = mining.algorithm.as_deref()?.to_ascii_lowercase();
    // RandomX and its variants are "rx/0", "rx/wow", ... in pools' own words.
    let is_of =
        |price: &&HashPrice| price.algorithm == algorithm || (price.algorithm == "randomx" && algorithm == "rx/0");
    let per_hash = prices.iter().find(is_of)?.value_per_terahash / 1e12;
    let (low, high) = estimate.interval;
    Some(format!(
        "worth {:.2e} ({:.2e} to {:.2e}) at the declared price",
        estimate.hashes * per_hash,
        low * per_hash,
        high * per_hash
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    /// Nine shares of difficulty 16384: Garwood's interval of nine is 4.1154 to 17.0848 (chi-squared tables, halved).
    #[test]
    fn shares_of_one_difficulty() {
        let work = Work {
            shares: 9,
            hashes: 9.0 * 16_384.0,
            squares: 9.0 * 16_384.0 * 16_384.0,
            largest: 16_384.0,
            unanswered: false,
        };
        let mining = Mining {
            work: Some(work),
            first: Some(Instant(0)),
            last: Some(Instant(100 * SECOND)),
            ..Mining::default()
        };
        let found = estimate(&mining).unwrap();
        assert_eq!(found.hashes, 147_456.0);
        assert!((found.interval.0 / 16_384.0 - 4.1154).abs() < 1e-4, "{found:?}");
        assert!((found.interval.1 / 16_384.0 - 17.0848).abs() < 1e-4, "{found:?}");
        assert_eq!(found.rate, Some(1_474.56));
        assert_eq!(words(&mining).unwrap(), "about 1.5e5 hashes (6.7e4 to 2.8e5 at 95 %), 1.5e3 a second");
        // 147456 hashes at 1e6 for each 1e12.
        let prices = [HashPrice { algorithm: "randomx".to_owned(), value_per_terahash: 1e6 }];
        let monero = Mining { algorithm: Some("rx/0".to_owned()), ..mining.clone() };
        assert_eq!(value(&monero, &prices).unwrap(), "worth 1.47e-1 (6.74e-2 to 2.80e-1) at the declared price");
        assert_eq!(value(&mining, &prices), None);
        assert_eq!(estimate(&Mining { work: None, ..mining.clone() }), None);
        let short = Mining { last: Some(Instant(SECOND)), ..mining };
        assert_eq!(estimate(&short).unwrap().rate, None);
    }
}
