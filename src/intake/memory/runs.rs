//! Runs of an order over more entries than memory may hold, never many of them at a time: of each run that is merged a
//! block is unpacked.

use super::ledger::Ledger;

/// Runs in the order in which they came.
pub(in crate::intake) struct Runs<T> {
    /// Those of one level are behind those of the next, of which each is made of [`TOGETHER`] of this one.
    levels: Vec<Vec<Ledger<T>>>,
}

/// Runs of a level that are merged into one of the next.
const TOGETHER: usize = 16;

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Runs { levels: Vec::new() }
    }
}

impl<T> Runs<T> {
    pub(in crate::intake) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Takes one more, behind the others. `merge` makes one of several.
    pub(in crate::intake) fn push(&mut self, mut run: Ledger<T>, merge: impl Fn(Vec<Ledger<T>>) -> Ledger<T>) {
        for level in &mut self.levels {
            level.push(run);
            if level.len() < TOGETHER {
                return;
            }
            run = merge(std::mem::take(level));
        }
        self.levels.push(vec![run]);
    }

    /// All of them in order.
    pub(in crate::intake) fn into_list(self) -> Vec<Ledger<T>> {
        self.levels.into_iter().rev().flatten().collect()
    }
}
