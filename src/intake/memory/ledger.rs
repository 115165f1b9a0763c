//! Entries of one kind in a fixed order, in memory or, beyond what is allowed, in blocks on the shelf.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Kept, Memory};

/// What may lie on the shelf.
pub trait Entry: Clone + Serialize + DeserializeOwned {}

impl<T: Clone + Serialize + DeserializeOwned> Entry for T {}

/// A list that is read in order, or here and there, and never changed.
///
/// A block lies in memory as a list, or on the shelf: postcard's encoding, packed by LZ4. One that cannot be read back is
/// told by [`Memory::failure`], and its entries are missing.
pub struct Ledger<T> {
    blocks: Vec<Block<T>>,
    len: usize,
    recent: Mutex<VecDeque<(usize, Arc<Vec<T>>)>>,
}

#[derive(Clone)]
struct Block<T> {
    /// Place of its first entry in the ledger.
    first: usize,
    len: usize,
    place: Place<T>,
}

#[derive(Clone)]
enum Place<T> {
    Here(Vec<T>),
    Aside {
        packed: Kept,
        /// Bytes before packing.
        length: usize,
    },
}

/// Entries of a block on the shelf.
const BLOCK: usize = 512;
/// Blocks that were read here and there and are held: neighbours are asked for one after another.
const RECENT: usize = 16;

/// An entry, wherever it lies.
pub enum Held<'a, T> {
    Here(&'a T),
    Aside(Arc<Vec<T>>, usize),
}

impl<T> Clone for Held<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Held::Here(entry) => Held::Here(entry),
            Held::Aside(block, at) => Held::Aside(Arc::clone(block), *at),
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Held::Here(entry) => entry,
            Held::Aside(block, at) => &block[*at],
        }
    }
}

/// Entries in a row, wherever they lie.
pub enum Stretch<'a, T> {
    Here(&'a [T]),
    Aside(Arc<Vec<T>>, Range<usize>),
}

impl<T> Deref for Stretch<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Stretch::Here(entries) => entries,
            Stretch::Aside(block, range) => &block[range.clone()],
        }
    }
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Ledger { blocks: Vec::new(), len: 0, recent: Mutex::default() }
    }
}

impl<T: Clone> Clone for Ledger<T> {
    fn clone(&self) -> Self {
        Ledger { blocks: self.blocks.clone(), len: self.len, recent: Mutex::default() }
    }
}

impl<T> From<Vec<T>> for Ledger<T> {
    fn from(entries: Vec<T>) -> Self {
        let mut ledger = Ledger::default();
        ledger.put(entries.len(), Place::Here(entries));
        ledger
    }
}

impl<T> Ledger<T> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the entries of another behind its own.
    pub fn append(&mut self, other: Ledger<T>) {
        for block in other.blocks {
            self.put(block.len, block.place);
        }
    }

    fn put(&mut self, len: usize, place: Place<T>) {
        if len > 0 {
            self.blocks.push(Block { first: self.len, len, place });
            self.len += len;
        }
    }
}

impl<T: Entry> Ledger<T> {
    /// Entries in their order, laid aside where `memory` has no room for them.
    pub fn of(memory: &Arc<Memory>, entries: impl Iterator<Item = T>) -> Self {
        let mut ledger = Ledger::default();
        let mut block = Vec::new();
        for entry in entries {
            block.push(entry);
            if memory.is_bounded() && block.len() == BLOCK {
                ledger.lay(memory, std::mem::take(&mut block));
            }
        }
        ledger.lay(memory, block);
        ledger
    }

    /// The same of a list that is at hand: it is not copied if it may stay.
    pub fn of_list(memory: &Arc<Memory>, entries: Vec<T>) -> Self {
        match memory.has_room(size_of::<T>() * entries.len()) {
            true => Ledger::from(entries),
            false => Ledger::aside(memory, entries.into_iter()),
        }
    }

    /// All of them on the shelf.
    pub(super) fn aside(memory: &Arc<Memory>, entries: impl Iterator<Item = T>) -> Self {
        let mut ledger = Ledger::default();
        let mut block = Vec::with_capacity(BLOCK);
        for entry in entries {
            block.push(entry);
            if block.len() == BLOCK {
                ledger.lay_aside(memory, std::mem::replace(&mut block, Vec::with_capacity(BLOCK)));
            }
        }
        ledger.lay_aside(memory, block);
        ledger
    }

    fn lay(&mut self, memory: &Arc<Memory>, block: Vec<T>) {
        match memory.has_room(size_of::<T>() * block.len()) {
            true => self.put(block.len(), Place::Here(block)),
            false => self.lay_aside(memory, block),
        }
    }

    fn lay_aside(&mut self, memory: &Arc<Memory>, block: Vec<T>) {
        let len = block.len();
        let packed = postcard::to_stdvec(&block).ok().and_then(|bytes| {
            let packed = lz4_flex::block::compress(&bytes);
            Some((Kept::aside(&packed, memory)?, bytes.len()))
        });
        // A disk that is full is no loss: the block stays in memory.
        let place = packed.map_or(Place::Here(block), |(packed, length)| Place::Aside { packed, length });
        self.put(len, place);
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Held<'_, T>> {
        self.blocks.iter().flat_map(|block| {
            let (here, aside) = match &block.place {
                Place::Here(entries) => (Some(entries.iter().map(Held::Here)), None),
                Place::Aside { packed, length } => (None, Some(unpack(packed, *length))),
            };
            let aside = aside.into_iter().flat_map(|block| {
                let block = Arc::new(block);
                (0..block.len()).map(move |at| Held::Aside(Arc::clone(&block), at))
            });
            here.into_iter().flatten().chain(aside)
        })
    }

    /// The same, and the ledger with it.
    pub fn into_entries(self) -> impl Iterator<Item = T> {
        self.blocks.into_iter().flat_map(|block| block.place.into_entries())
    }

    /// The entry at a place.
    pub fn get(&self, at: usize) -> Option<Held<'_, T>> {
        let (block, within) = self.locate(at)?;
        match &self.blocks.get(block)?.place {
            Place::Here(entries) => entries.get(within).map(Held::Here),
            Place::Aside { packed, length } => {
                let entries = self.fetched(block, packed, *length);
                (within < entries.len()).then_some(Held::Aside(entries, within))
            }
        }
    }

    /// The first entry.
    pub fn first(&self) -> Option<Held<'_, T>> {
        self.get(0)
    }

    /// The last entry.
    pub fn last(&self) -> Option<Held<'_, T>> {
        self.get(self.len.checked_sub(1)?)
    }

    /// Ranges of places that [`Ledger::stretch`] takes, ascending: all of them, none longer than `most`.
    pub fn ranges(&self, most: usize) -> Vec<Range<usize>> {
        let cut = |block: &Block<T>| {
            let (first, end) = (block.first, block.first + block.len);
            (first..end).step_by(most.max(1)).map(move |from| from..end.min(from + most.max(1)))
        };
        self.blocks.iter().flat_map(cut).collect()
    }

    /// The entries of a range of [`Ledger::ranges`].
    pub fn stretch(&self, range: Range<usize>) -> Stretch<'_, T> {
        let located = self.locate(range.start).and_then(|(block, within)| Some((self.blocks.get(block)?, within)));
        let Some((block, within)) = located else { return Stretch::Here(&[]) };
        match &block.place {
            Place::Here(entries) => {
                Stretch::Here(entries.get(within..entries.len().min(within + range.len())).unwrap_or_default())
            }
            Place::Aside { packed, length } => {
                let entries = unpack(packed, *length);
                let end = entries.len().min(within + range.len());
                Stretch::Aside(Arc::new(entries), within.min(end)..end)
            }
        }
    }

    /// How many entries at the beginning `holds` is true of: it has to be true of all before one of which it is.
    pub fn partition_point(&self, holds: impl Fn(&T) -> bool) -> usize {
        let holds_at = |at: usize| self.get(at).is_some_and(|entry| holds(&entry));
        let block = self.blocks.partition_point(|block| holds_at(block.first));
        let Some(block) = block.checked_sub(1).and_then(|block| self.blocks.get(block)) else { return 0 };
        let within = self.stretch(block.first..block.first + block.len).partition_point(holds);
        block.first + within
    }

    /// Takes away the entries of a range and gives them; the others keep their order.
    pub fn remove(&mut self, range: Range<usize>) -> Ledger<T> {
        let (mut before, mut taken, mut after) = (Ledger::default(), Ledger::default(), Ledger::default());
        for block in std::mem::take(self).blocks {
            let (first, end) = (block.first, block.first + block.len);
            if range.start <= first && end <= range.end {
                taken.put(block.len, block.place);
            } else if end <= range.start {
                before.put(block.len, block.place);
            } else if range.end <= first {
                after.put(block.len, block.place);
            } else {
                let mut entries = block.place.into_entries();
                let tail = entries.split_off(range.end.saturating_sub(first).min(entries.len()));
                let middle = entries.split_off(range.start.saturating_sub(first).min(entries.len()));
                before.put(entries.len(), Place::Here(entries));
                taken.put(middle.len(), Place::Here(middle));
                after.put(tail.len(), Place::Here(tail));
            }
        }
        *self = before;
        self.append(after);
        taken
    }

    /// Puts others before the entry at a place.
    pub fn insert(&mut self, at: usize, others: Ledger<T>) {
        let after = self.remove(at..self.len);
        self.append(others);
        self.append(after);
    }

    fn locate(&self, at: usize) -> Option<(usize, usize)> {
        let block = self.blocks.partition_point(|block| block.first <= at).checked_sub(1)?;
        let within = at - self.blocks.get(block)?.first;
        (at < self.len).then_some((block, within))
    }

    fn fetched(&self, block: usize, packed: &Kept, length: usize) -> Arc<Vec<T>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entries)) = recent.iter().find(|(at, _)| *at == block) {
            return Arc::clone(entries);
        }
        let entries = Arc::new(unpack(packed, length));
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back((block, Arc::clone(&entries)));
        entries
    }
}

impl<T: Entry> Place<T> {
    fn into_entries(self) -> Vec<T> {
        match self {
            Place::Here(entries) => entries,
            Place::Aside { packed, length } => unpack(&packed, length),
        }
    }
}

/// It was packed here: it is ill only if it could not be read back, and that is told.
fn unpack<T: Entry>(packed: &Kept, length: usize) -> Vec<T> {
    let bytes = lz4_flex::block::decompress(&packed.bytes(), length).unwrap_or_default();
    postcard::from_bytes(&bytes).unwrap_or_default()
}

impl<T: Entry + fmt::Debug> fmt::Debug for Ledger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for entry in self.iter() {
            list.entry(&*entry);
        }
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Sorter;
    use super::*;

    /// So little that all but the first few entries lie aside.
    fn little() -> Arc<Memory> {
        Arc::new(Memory::of(20_000))
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
}
