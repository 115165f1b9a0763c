//! Blocks as they lie on the shelf: postcard's encoding of entries one behind the other, packed by LZ4.

use std::sync::Arc;

use super::super::{Kept, Memory};
use super::{Entry, Place};

/// Entries of a block on the shelf, at most.
pub(super) const BLOCK: usize = 512;
/// Bytes before packing from which on a block is full: an entry may refer to thousands of others.
const BLOCK_BYTES: usize = 1 << 18;

/// A block to which entries are added.
pub(super) struct Pending<T> {
    entries: Vec<T>,
    bytes: Vec<u8>,
    /// An entry has no encoding.
    failed: bool,
}

impl<T: Entry> Pending<T> {
    pub(super) fn new() -> Self {
        Pending { entries: Vec::new(), bytes: Vec::new(), failed: false }
    }

    pub(super) fn push(&mut self, entry: T) {
        match postcard::to_extend(&entry, std::mem::take(&mut self.bytes)) {
            Ok(bytes) => self.bytes = bytes,
            Err(_) => self.failed = true,
        }
        self.entries.push(entry);
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BLOCK || self.bytes.len() >= BLOCK_BYTES
    }

    /// Lays the entries aside, and begins anew. A disk that is full is no loss: they stay in memory.
    pub(super) fn take(&mut self, memory: &Arc<Memory>) -> (usize, Place<T>) {
        let entries = std::mem::take(&mut self.entries);
        let packed = (!self.failed && !entries.is_empty()).then(|| lz4_flex::block::compress(&self.bytes));
        let packed = packed.and_then(|packed| Kept::aside(&packed, memory));
        let len = entries.len();
        let place = match packed {
            Some(packed) => Place::Aside { packed, length: self.bytes.len() },
            None => Place::Here(entries),
        };
        self.bytes.clear();
        self.failed = false;
        (len, place)
    }
}

/// The entries of a block. It was packed here: it is ill only if it could not be read back, and that is told.
pub(super) fn unpack<T: Entry>(packed: &Kept, length: usize) -> Vec<T> {
    let bytes = lz4_flex::block::decompress(&packed.bytes(), length).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while let (false, Ok((entry, behind))) = (rest.is_empty(), postcard::take_from_bytes(rest)) {
        entries.push(entry);
        rest = behind;
    }
    entries
}
