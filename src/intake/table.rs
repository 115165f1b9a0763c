//! Conversations by what their observations share: found by hash, kept in one list that is handed on without a copy, or in
//! several on the shelf where memory has no room for it.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::memory::{Ledger, Memory, Runs, merged};
use super::segments;
use crate::model::{Conversation, ConversationKey, Segments};

/// Distinct conversations of one evidence. Hash order never shows: the list is in order of arrival until it is sorted.
pub(super) struct Table {
    memory: Arc<Memory>,
    list: Vec<Conversation>,
    places: HashTable<u32>,
    hasher: RandomState,
    /// Bytes that the list takes, about, and may take before it is laid aside.
    bytes: usize,
    most: usize,
    /// Earlier lists, each in order of keys. A conversation may be in several, with a part of its observations in each: they
    /// are joined as those of forks are.
    runs: Runs<Conversation>,
}

impl Table {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Table {
            memory: Arc::clone(memory),
            list: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            bytes: 0,
            most: memory.portion(),
            runs: Runs::default(),
        }
    }

    /// Changes the segments of a conversation, of which there are none if it is new. `change` tells by how many bytes they
    /// grew.
    pub(super) fn change(&mut self, key: ConversationKey, change: impl FnOnce(&mut Segments) -> isize) {
        let Table { list, places, hasher, bytes, .. } = self;
        let key_at = |at: u32| list.get(at as usize).map(|conversation| conversation.key);
        let hash = hasher.hash_one(key);
        let found =
            places.entry(hash, |at| key_at(*at) == Some(key), |at| key_at(*at).map_or(0, |key| hasher.hash_one(key)));
        let at = match found {
            Entry::Occupied(entry) => *entry.get() as usize,
            Entry::Vacant(entry) => {
                // A conversation takes some hundred bytes: memory ends long before 2^32 of them.
                entry.insert(u32::try_from(list.len()).unwrap_or(u32::MAX));
                list.push(Conversation { key, segments: Segments::new() });
                *bytes += size_of::<ConversationKey>();
                list.len() - 1
            }
        };
        *bytes = bytes.saturating_add_signed(change(&mut list[at].segments));
        if *bytes > self.most {
            self.lay_aside();
        }
    }

    /// Takes the conversations of a part of the same evidence.
    pub(super) fn join(&mut self, other: Table) {
        other.runs.into_list().into_iter().for_each(|run| self.take_run(run));
        for Conversation { key, segments } in other.list {
            self.change(key, |ours| segments.into_iter().map(|segment| segments::insert(ours, segment)).sum());
        }
    }

    fn lay_aside(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.sort_unstable_by_key(|conversation| conversation.key.order());
        self.places.clear();
        self.bytes = 0;
        self.take_run(Ledger::aside(&self.memory, list.into_iter()));
    }

    fn take_run(&mut self, run: Ledger<Conversation>) {
        let Table { memory, runs, .. } = self;
        runs.push(run, |runs| Ledger::aside(memory, joined(runs)));
    }

    /// All of them, in order of keys.
    pub(super) fn settle(mut self) -> Ledger<Conversation> {
        if self.runs.is_empty() {
            self.list.sort_unstable_by_key(|conversation| conversation.key.order());
            return Ledger::of_list_taking(&self.memory, self.list, self.bytes);
        }
        self.lay_aside();
        Ledger::aside(&self.memory, joined(self.runs.into_list()))
    }
}

/// The conversations of runs in order of keys, those of one key as one.
fn joined(runs: Vec<Ledger<Conversation>>) -> impl Iterator<Item = Conversation> {
    let mut parts = merged(runs, |conversation: &Conversation| conversation.key.order()).peekable();
    std::iter::from_fn(move || {
        let mut conversation = parts.next()?;
        while let Some(more) = parts.next_if(|next| next.key == conversation.key) {
            for segment in more.segments {
                segments::insert(&mut conversation.segments, segment);
            }
        }
        Some(conversation)
    })
}

#[cfg(test)]
mod tests;
