//! Sets that many acts have alike, each held once: there are as many acts as steps, and most say what others said.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The sets that are known.
pub(super) struct Alike<T>(Mutex<BTreeSet<Arc<BTreeSet<T>>>>);

impl<T> Default for Alike<T> {
    fn default() -> Self {
        Alike(Mutex::default())
    }
}

impl<T: Ord> Alike<T> {
    /// Makes a set the one that is known by what is in it.
    pub(super) fn settle(&self, set: &mut Arc<BTreeSet<T>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(set) {
            Some(same) => *set = Arc::clone(same),
            None => drop(known.insert(Arc::clone(set))),
        }
    }
}
