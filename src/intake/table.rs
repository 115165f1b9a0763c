//! Conversations by what their observations share: found by hash, kept in one list that is handed on without a copy.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::model::{Conversation, ConversationKey, Segments};

/// Distinct conversations of one evidence. Hash order never shows: the list is in order of arrival until it is sorted.
#[derive(Default)]
pub(super) struct Table {
    list: Vec<Conversation>,
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Table {
    /// The segments of a conversation; none if it is new.
    pub(super) fn segments(&mut self, key: ConversationKey) -> &mut Segments {
        let Table { list, places, hasher } = self;
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
                list.len() - 1
            }
        };
        &mut list[at].segments
    }

    /// All of them, in the order in which they came.
    pub(super) fn into_list(self) -> Vec<Conversation> {
        self.list
    }
}
