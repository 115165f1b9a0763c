use proptest::prelude::*;

use super::super::Sorter;
use super::*;

/// So little that all but the first few entries lie aside.
fn little() -> Arc<Memory> {
    Arc::new(Memory::of(160_000))
}

fn ledger(entries: &[u64]) -> Ledger<u64> {
    Ledger::of(&little(), entries.iter().copied())
}

fn listed(ledger: &Ledger<u64>) -> Vec<u64> {
    ledger.iter().map(|entry| *entry).collect()
}

#[test]
fn without_a_bound_a_list_stays_as_it_is() {
    let memory = Arc::default();
    for ledger in [Ledger::of(&memory, 0..5_000_u64), Ledger::of_list(&memory, (0..5_000).collect())] {
        assert!(matches!(ledger.blocks.as_slice(), [Block { first: 0, len: 5_000, place: Place::Here(_) }]));
    }
    assert_eq!(memory.shelved(), 0);
}

#[test]
fn what_cannot_be_read_back_is_missing_and_told() {
    let memory = little();
    let ledger = Ledger::of(&memory, 0..5_000_u64);
    assert!(ledger.blocks.iter().any(|block| matches!(block.place, Place::Aside { .. })));
    memory.shelf.lock().unwrap().as_mut().unwrap().set_len(0).unwrap();
    let left = listed(&ledger);
    assert!(left.len() < 5_000 && left.iter().zip(0..).all(|(entry, at)| *entry == at), "only the end is missing");
    assert!(ledger.get(4_999).is_none() && ledger.get(0).is_some());
    assert!(memory.failure().unwrap().contains("could not be read back"));
}

proptest! {
    #[test]
    fn a_ledger_is_a_list(mut entries in prop::collection::vec(0_u64..50, 0..3_000), at in 0_usize..3_000, end in 0_usize..3_000) {
        entries.sort_unstable();
        let mut ledger = ledger(&entries);
        prop_assert_eq!(listed(&ledger), entries.clone());
        prop_assert_eq!(ledger.get(at).map(|entry| *entry), entries.get(at).copied());
        prop_assert_eq!(ledger.last().map(|entry| *entry), entries.last().copied());
        for bound in [0, 7, 49, 50] {
            let before = |entry: &u64| *entry < bound;
            prop_assert_eq!(ledger.partition_point(before), entries.partition_point(before));
        }
        for most in [1, 300, 10_000] {
            let ranges = ledger.ranges(most);
            prop_assert!(ranges.iter().all(|range| range.len() <= most));
            let all: Vec<u64> = ranges.into_iter().flat_map(|range| ledger.stretch(range).to_vec()).collect();
            prop_assert_eq!(&all, &entries);
        }
        let range = at.min(end).min(entries.len())..at.max(end).min(entries.len());
        let within: Vec<u64> = ledger.within(range.clone()).map(|entry| *entry).collect();
        prop_assert_eq!(&within, &entries[range.clone()]);
        prop_assert!(ledger == Ledger::from(entries.clone()));
        let taken = ledger.remove(range.clone());
        prop_assert_eq!(listed(&taken), entries[range.clone()].to_vec());
        prop_assert_eq!(ledger.len(), entries.len() - range.len());
        let place = range.start;
        ledger.insert(place, taken);
        prop_assert_eq!(listed(&ledger), entries.clone());
        prop_assert_eq!(ledger.into_entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn order_over_runs_is_that_of_a_stable_sort(entries in prop::collection::vec((0_u8..20, any::<u16>()), 0..3_000)) {
        let mut sorter = Sorter::new(&little(), |entry: &(u8, u16)| entry.0);
        entries.iter().for_each(|entry| sorter.push(*entry));
        let sorted: Vec<(u8, u16)> = sorter.finish().into_entries().collect();
        let mut expected = entries;
        expected.sort_by_key(|entry| entry.0);
        prop_assert_eq!(sorted, expected);
    }
}
