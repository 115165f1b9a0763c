//! Entries of one kind in a fixed order, in memory or, beyond what is allowed, in blocks on the shelf.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Kept, Memory};
use packing::{BLOCK, Pending, unpack};

mod packing;

/// What may lie on the shelf.
pub trait Entry: Clone + Serialize + DeserializeOwned {}

impl<T: Clone + Serialize + DeserializeOwned> Entry for T {}

/// A list that is read in order, or here and there, and never changed.
///
/// A block lies in memory as a list, or packed on the shelf. One that cannot be read back is told by [`Memory::failure`],
/// and its entries are missing.
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

/// Entries of one block.
enum Entries<'a, T> {
    Here(std::slice::Iter<'a, T>),
    Aside(Arc<Vec<T>>, Range<usize>),
}

impl<'a, T> Iterator for Entries<'a, T> {
    type Item = Held<'a, T>;

    fn next(&mut self) -> Option<Held<'a, T>> {
        match self {
            Entries::Here(entries) => entries.next().map(Held::Here),
            Entries::Aside(block, range) => range.next().map(|at| Held::Aside(Arc::clone(block), at)),
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

impl<T> FromIterator<T> for Ledger<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Ledger::from(entries.into_iter().collect::<Vec<T>>())
    }
}

/// Wherever they lie.
impl<T: Entry + PartialEq> PartialEq for Ledger<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().zip(other.iter()).all(|(one, another)| *one == *another)
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

    /// Number of entries that lie in memory.
    pub(in crate::intake) fn held(&self) -> usize {
        let here = self.blocks.iter().filter(|block| matches!(block.place, Place::Here(_)));
        here.map(|block| block.len).sum()
    }

    /// Adds the entries of another behind its own.
    pub fn append(&mut self, other: Ledger<T>) {
        for block in other.blocks {
            self.put(block.len, block.place);
        }
    }

    /// An entry in memory, to change it.
    #[cfg(test)]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let block = self.blocks.iter_mut().rfind(|block| block.first <= at)?;
        let Place::Here(entries) = &mut block.place else { return None };
        entries.get_mut(at - block.first)
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
        let bytes = size_of::<T>() * entries.len();
        Ledger::of_list_taking(memory, entries, bytes)
    }

    /// The same of a list that takes so many bytes with all that its entries refer to.
    pub(in crate::intake) fn of_list_taking(memory: &Arc<Memory>, entries: Vec<T>, bytes: usize) -> Self {
        match memory.has_room(bytes) {
            true => Ledger::from(entries),
            false => Ledger::aside(memory, entries.into_iter()),
        }
    }

    /// All of them on the shelf.
    pub(in crate::intake) fn aside(memory: &Arc<Memory>, entries: impl Iterator<Item = T>) -> Self {
        let mut ledger = Ledger::default();
        let mut block = Pending::new();
        for entry in entries {
            block.push(entry);
            if block.is_full() {
                let (len, place) = block.take(memory);
                ledger.put(len, place);
            }
        }
        let (len, place) = block.take(memory);
        ledger.put(len, place);
        ledger
    }

    fn lay(&mut self, memory: &Arc<Memory>, block: Vec<T>) {
        match memory.has_room(size_of::<T>() * block.len()) {
            true => self.put(block.len(), Place::Here(block)),
            false => self.append(Ledger::aside(memory, block.into_iter())),
        }
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Held<'_, T>> {
        self.within(0..self.len)
    }

    /// Those of a range of places.
    pub fn within(&self, range: Range<usize>) -> impl Iterator<Item = Held<'_, T>> {
        let from = self.blocks.partition_point(|block| block.first + block.len <= range.start);
        let to = self.blocks.partition_point(|block| block.first < range.end);
        self.blocks.get(from..to).unwrap_or_default().iter().flat_map(move |block| {
            let own = range.start.saturating_sub(block.first)..range.end.saturating_sub(block.first).min(block.len);
            match &block.place {
                Place::Here(entries) => Entries::Here(entries.get(own).unwrap_or_default().iter()),
                Place::Aside { packed, length } => {
                    let entries = unpack(packed, *length);
                    let own = own.start..own.end.min(entries.len());
                    Entries::Aside(Arc::new(entries), own)
                }
            }
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
        let located = self.locate(range.start).and_then(|at| Some((at, &self.blocks.get(at.0)?.place)));
        let Some(((block, within), place)) = located else { return Stretch::Here(&[]) };
        match place {
            Place::Here(entries) => {
                Stretch::Here(entries.get(within..entries.len().min(within + range.len())).unwrap_or_default())
            }
            Place::Aside { packed, length } => {
                let entries = self.fetched(block, packed, *length);
                let end = entries.len().min(within + range.len());
                Stretch::Aside(entries, within.min(end)..end)
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
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entries)) = recent().iter().find(|(at, _)| *at == block) {
            return Arc::clone(entries);
        }
        // Not under the lock: threads unpack beside each other.
        let entries = Arc::new(unpack(packed, length));
        let mut recent = recent();
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
mod tests;
