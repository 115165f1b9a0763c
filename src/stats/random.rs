//! A counter-based generator: the n-th number depends on (seed, n) alone, so results are the same on every machine
//! and at any number of threads.

use super::hash::mix;

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) in counter form. Good for resampling, not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    counter: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Random { key: seed, counter: 0 }
    }

    /// The stream number `stream` of this seed, independent of the others for all that resampling needs.
    pub fn stream(seed: u64, stream: u64) -> Self {
        Random { key: mix(seed ^ mix(stream.wrapping_add(GOLDEN))), counter: 0 }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GOLDEN)))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `0..n`; 0 if `n` is 0. Without bias (Lemire, ACM TOMACS 29 (2019) 3).
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let reject = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= reject {
                return (product >> 64) as u64;
            }
        }
    }

    /// Exponential with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Standard normal (Box-Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The reference implementation of SplitMix64 (Vigna, prng.di.unimi.it/splitmix64.c) seeded with 1234567.
    #[test]
    fn stream_matches_the_reference() {
        let mut random = Random::new(1_234_567);
        let got: Vec<u64> = (0..5).map(|_| random.next_u64()).collect();
        assert_eq!(
            got,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    // Mean and spread within five standard errors of what the distributions say.
    #[test]
    fn moments() {
        let mut random = Random::stream(1, 2);
        let n = 20_000;
        let uniform: f64 = (0..n).map(|_| random.uniform()).sum::<f64>() / f64::from(n);
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let square: f64 = normal.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        let exponential: f64 = (0..n).map(|_| random.exponential(3.0)).sum::<f64>() / f64::from(n);
        assert!((uniform - 0.5).abs() < 5.0 * 0.2887 / 141.4);
        assert!((square - 1.0).abs() < 5.0 * std::f64::consts::SQRT_2 / 141.4);
        assert!((exponential - 3.0).abs() < 5.0 * 3.0 / 141.4);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }

    // Box and Muller, Annals of Mathematical Statistics 29 (1958) 610, and the inverse of the exponential distribution, of the first
    // numbers of the reference above (mpmath 1.3.0): sqrt(-2 ln(1 - u1)) cos(2 pi u2), -3 ln(1 - u1).
    #[test]
    fn drawn_values_follow_from_the_reference() {
        assert!((Random::new(1_234_567).normal() - 0.4284879007349291).abs() < 1e-14);
        assert!((Random::new(1_234_567).exponential(3.0) - 1.2927158877635636).abs() < 1e-14);
    }

    // Of the products of all 64-bit numbers and 3 * 2^62 twice as many end at each multiple of 3 as at its neighbours: without
    // rejection half of the draws are multiples of 3, with it a third.
    #[test]
    fn no_number_is_drawn_more_often_than_others() {
        let mut random = Random::new(3);
        let n = 20_000;
        let multiples = (0..n).filter(|_| random.below(3 << 62).is_multiple_of(3)).count();
        let share = multiples as f64 / f64::from(n);
        // Five standard errors: 5 sqrt(2/9 / n).
        assert!((share - 1.0 / 3.0).abs() < 5.0 * 0.4714 / 141.4, "{share}");
    }

    // Each of the 3! orders of three comes up in a sixth of all shuffles.
    #[test]
    fn every_order_is_as_likely_as_any_other() {
        let mut random = Random::new(4);
        let n = 12_000;
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..n {
            let mut order = [0, 1, 2];
            random.shuffle(&mut order);
            *seen.entry(order).or_insert(0_u32) += 1;
        }
        assert_eq!(seen.len(), 6);
        // Five standard errors: 5 sqrt(n 1/6 5/6) = 204.
        assert!(seen.values().all(|count| (f64::from(*count) - f64::from(n) / 6.0).abs() < 204.0), "{seen:?}");
    }

    #[test]
    fn a_stream_takes_every_bit_of_its_seed() {
        let seeds = (0..64).map(|bit| 1 << bit).chain([0]);
        let firsts: std::collections::BTreeSet<u64> = seeds.map(|seed| Random::stream(seed, 5).next_u64()).collect();
        assert_eq!(firsts.len(), 65);
    }
}
