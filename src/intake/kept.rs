//! What is kept of facts of which there may be any number. Which these are depends on the facts alone, not on the order in
//! which records come or on how a file was split among threads; what is not kept is counted.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::stats::hash::{Fnv, mix};

/// What several records tell together.
pub(super) trait Fact {
    /// Takes in what another part of the evidence tells of the same. Commutative and associative.
    fn join(&mut self, other: Self);

    /// How many records told it.
    fn count(&self) -> u64;
}

/// Facts by what makes them distinct. Beyond a bound, one in two of all distinct keys is kept, then one in four, and so
/// on, chosen by a hash of the key: distinct sampling (Gibbons and Tirthapura, SPAA 2001). What is kept was seen whole, for
/// its key was kept from the beginning.
#[derive(Debug)]
pub(super) struct Sampled<K, V> {
    facts: BTreeMap<K, V>,
    bound: usize,
    /// Of keys, one in 2 to the power of this is kept.
    halvings: u32,
    /// Records that told of facts that are not kept.
    left_out: u64,
}

impl<K: Ord + Hash, V: Fact> Sampled<K, V> {
    pub(super) fn new(bound: usize) -> Self {
        Sampled { facts: BTreeMap::new(), bound, halvings: 0, left_out: 0 }
    }

    /// Takes one fact.
    pub(super) fn add(&mut self, key: K, fact: V) {
        if let Some(known) = self.facts.get_mut(&key) {
            return known.join(fact);
        }
        if self.halvings > 0 && level(&key) < self.halvings {
            self.left_out += fact.count();
            return;
        }
        self.facts.insert(key, fact);
        while self.facts.len() > self.bound {
            self.halve(self.halvings + 1);
        }
    }

    /// Takes what another part of the evidence kept.
    pub(super) fn join(&mut self, other: Self) {
        self.left_out += other.left_out;
        if other.halvings > self.halvings {
            self.halve(other.halvings);
        }
        for (key, fact) in other.facts {
            self.add(key, fact);
        }
    }

    fn halve(&mut self, halvings: u32) {
        self.halvings = halvings;
        let mut gone = 0;
        self.facts.retain(|key, fact| {
            let stays = level(key) >= halvings;
            gone += if stays { 0 } else { fact.count() };
            stays
        });
        self.left_out += gone;
    }

    /// What to say of the facts that are not kept, if there are any; `what` names them.
    pub(super) fn told(&self, what: &str) -> Option<String> {
        let kept = 1_u64.checked_shl(self.halvings).filter(|_| self.halvings > 0)?;
        Some(format!(
            "more than {} distinct {what}: one in {kept} is kept, chosen by a hash of it, and {} records that tell of others \
             are counted alone",
            self.bound, self.left_out
        ))
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        self.facts.into_values()
    }
}

/// Facts one by one, of which the earliest in order of records are kept.
#[derive(Debug)]
pub(super) struct Earliest<V> {
    facts: Vec<V>,
    bound: usize,
    left_out: u64,
    record: fn(&V) -> u64,
}

impl<V> Earliest<V> {
    /// At most `bound`; `record` gives the number of a fact's record.
    pub(super) fn new(bound: usize, record: fn(&V) -> u64) -> Self {
        Earliest { facts: Vec::new(), bound, left_out: 0, record }
    }

    pub(super) fn add(&mut self, fact: V) {
        self.facts.push(fact);
        // Rarely, so that sorting costs little for each.
        if self.facts.len() > self.bound.saturating_mul(2) {
            self.cut();
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.left_out += other.left_out;
        other.facts.into_iter().for_each(|fact| self.add(fact));
    }

    fn cut(&mut self) {
        self.facts.sort_by_key(self.record);
        self.left_out += self.facts.len().saturating_sub(self.bound) as u64;
        self.facts.truncate(self.bound);
    }

    /// What to say of those that are not kept, if there are any; `what` names them.
    pub(super) fn told(&mut self, what: &str) -> Option<String> {
        self.cut();
        let told = format!("{} {what} beyond the first {} are counted alone", self.left_out, self.bound);
        (self.left_out > 0).then_some(told)
    }

    /// In order of records.
    pub(super) fn into_vec(mut self) -> Vec<V> {
        self.cut();
        self.facts
    }
}

/// How many halvings a key outlasts: the zeros at the end of its hash.
fn level(key: &impl Hash) -> u32 {
    let mut hasher = Fnv::default();
    key.hash(&mut hasher);
    mix(hasher.finish()).trailing_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Seen(u64);

    impl Fact for Seen {
        fn join(&mut self, other: Self) {
            self.0 += other.0;
        }

        fn count(&self) -> u64 {
            self.0
        }
    }

    fn sampled(names: &[u32]) -> Sampled<String, Seen> {
        let mut all = Sampled::new(50);
        names.iter().for_each(|name| all.add(format!("n{name}.example"), Seen(1)));
        all
    }

    fn earliest(records: &[u32]) -> Earliest<u32> {
        let mut all = Earliest::new(20, |record| u64::from(*record));
        records.iter().for_each(|record| all.add(*record));
        all
    }

    #[test]
    fn half_of_all_keys_outlast_each_halving() {
        let outlast =
            |halvings| (0..40_000_u32).filter(|name| level(&format!("n{name}.example")) >= halvings).count() as f64;
        for halvings in 1..6 {
            let expected = 40_000.0 / f64::from(1 << halvings);
            // Four standard deviations of a binomial count.
            assert!((outlast(halvings) - expected).abs() < 4.0 * expected.sqrt(), "{halvings}: {}", outlast(halvings));
        }
    }

    #[test]
    fn below_the_bound_all_is_kept_and_nothing_is_said() {
        let all = sampled(&(0..50).collect::<Vec<_>>());
        assert_eq!((all.told("names"), all.facts.len()), (None, 50));
        assert_eq!(earliest(&[3, 1, 2]).into_vec(), [1, 2, 3]);
        assert_eq!(earliest(&[3, 1, 2]).told("files"), None);
    }

    #[test]
    fn beyond_it_what_is_not_kept_is_counted() {
        let names: Vec<u32> = (0..400).chain(0..400).collect();
        let all = sampled(&names);
        assert!(all.facts.len() <= 50 && all.facts.len() > 10 && all.halvings >= 3);
        assert!(all.facts.values().all(|seen| *seen == Seen(2)));
        assert_eq!(all.left_out + 2 * all.facts.len() as u64, 800);
        assert!(all.told("names").unwrap().starts_with("more than 50 distinct names: one in 8 is kept"));
        let mut all = earliest(&(0..100).rev().collect::<Vec<_>>());
        assert_eq!(all.told("files").unwrap(), "80 files beyond the first 20 are counted alone");
        assert_eq!(all.into_vec(), (0..20).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn neither_order_nor_split_matters(
            names in prop::collection::vec(0_u32..300, 1..600),
            seed in any::<u64>(),
            cut in 0_usize..600,
        ) {
            let mut shuffled: Vec<(usize, u32)> = names.iter().copied().enumerate().collect();
            shuffled.sort_by_key(|(at, _)| (*at as u64).wrapping_mul(seed | 1).rotate_left(17));
            let shuffled: Vec<u32> = shuffled.into_iter().map(|(_, name)| name).collect();
            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let (whole, mut parts) = (sampled(&names), sampled(left));
            parts.join(sampled(right));
            prop_assert_eq!(&whole.facts, &parts.facts);
            prop_assert_eq!((whole.halvings, whole.left_out), (parts.halvings, parts.left_out));
            let (whole, mut parts) = (earliest(&names), earliest(left));
            parts.join(earliest(right));
            prop_assert_eq!(whole.into_vec(), parts.into_vec());
        }
    }
}
