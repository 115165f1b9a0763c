//! Order over more entries than memory may hold: an external merge sort (Knuth, The Art of Computer Programming, vol. 3,
//! section 5.4).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::Memory;
use super::ledger::{Entry, Ledger};
use super::runs::Runs;

/// Takes entries in any order and gives them in that of a key. Those of one key keep the order in which they came.
pub struct Sorter<T, K> {
    memory: Arc<Memory>,
    key: fn(&T) -> K,
    list: Vec<T>,
    /// Entries that are held at a time.
    most: usize,
    runs: Runs<T>,
}

impl<T: Entry, K: Ord> Sorter<T, K> {
    /// Without entries yet.
    pub fn new(memory: &Arc<Memory>, key: fn(&T) -> K) -> Self {
        // To sort them takes as much again.
        let most = (memory.portion() / 2 / size_of::<T>().max(1)).max(1);
        Sorter { memory: Arc::clone(memory), key, list: Vec::new(), most, runs: Runs::default() }
    }

    /// Takes an entry.
    pub fn push(&mut self, entry: T) {
        if self.list.len() == self.list.capacity() {
            // Doubled, but never beyond what it may hold.
            let more = self.list.len().max(4);
            self.list.reserve_exact(more.min(self.most.saturating_sub(self.list.len())));
        }
        self.list.push(entry);
        if self.list.len() >= self.most {
            self.lay_aside();
        }
    }

    /// Lays aside what it holds.
    pub(in crate::intake) fn lay_aside(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        if !list.is_empty() {
            list.sort_by_key(self.key);
            self.take_run(Ledger::aside(&self.memory, list.into_iter()));
        }
    }

    fn take_run(&mut self, run: Ledger<T>) {
        let Sorter { memory, key, runs, .. } = self;
        runs.push(run, |runs| Ledger::aside(memory, merged(runs, *key)));
    }

    /// Entries that it holds.
    pub(in crate::intake) fn held(&self) -> usize {
        self.list.len()
    }

    /// Takes the entries of another behind its own.
    pub(in crate::intake) fn join(&mut self, other: Self) {
        if !other.runs.is_empty() {
            self.lay_aside();
            other.runs.into_list().into_iter().for_each(|run| self.take_run(run));
        }
        other.list.into_iter().for_each(|entry| self.push(entry));
    }

    /// All entries in order.
    pub fn finish(mut self) -> Ledger<T> {
        if self.runs.is_empty() {
            self.list.sort_by_key(self.key);
            return Ledger::of_list(&self.memory, self.list);
        }
        self.lay_aside();
        Ledger::of(&self.memory, merged(self.runs.into_list(), self.key))
    }
}

/// The entries of runs that are each in order of a key, in that order; of one key those of earlier runs first.
pub(in crate::intake) fn merged<T: Entry, K: Ord>(runs: Vec<Ledger<T>>, key: fn(&T) -> K) -> impl Iterator<Item = T> {
    let mut runs: Vec<_> = runs.into_iter().map(|run| run.into_entries().peekable()).collect();
    let mut next: BinaryHeap<Reverse<(K, usize)>> =
        runs.iter_mut().enumerate().filter_map(|(at, run)| Some(Reverse((key(run.peek()?), at)))).collect();
    std::iter::from_fn(move || {
        let Reverse((_, at)) = next.pop()?;
        let run = runs.get_mut(at)?;
        let entry = run.next();
        next.extend(run.peek().map(|entry| Reverse((key(entry), at))));
        entry
    })
}
