//! How much memory evidence may take, and where what is more lies.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

mod excess;
mod ledger;
mod runs;
mod sorter;

pub use excess::Excess;
pub use ledger::{Entry, Held, Ledger, Stretch};
pub(super) use runs::Runs;
pub use sorter::Sorter;
pub(super) use sorter::merged;

/// Bytes that evidence may take while it is analysed. Without a bound all is held in memory.
///
/// What is more is laid on a shelf: a temporary file without a name, which is gone with the process. Texts of transcripts may
/// take a thirty-second of what is allowed, entries of ledgers another, and a list that grows as much. What is never laid aside
/// is estimated, and [`Memory::excess`] says when it is more than is allowed.
#[derive(Debug, Default)]
pub struct Memory {
    allowed: Option<u64>,
    texts: AtomicU64,
    /// Bytes of entries of ledgers that stay in memory.
    entries: AtomicU64,
    shelf: Mutex<Option<File>>,
    end: AtomicU64,
    failure: OnceLock<String>,
}

/// What part of what is allowed texts may take, entries of ledgers, and a list while it grows: one for each thread and kind.
const SHARE: u64 = 32;

impl Memory {
    /// At most so many bytes.
    pub fn of(allowed: u64) -> Self {
        Memory { allowed: Some(allowed), ..Memory::default() }
    }

    /// Where packed bytes of a text go: none, if they may stay in memory or cannot be laid aside.
    fn lay_aside(&self, bytes: &[u8]) -> Option<u64> {
        let share = self.allowed? / SHARE;
        let held = self.texts.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        if held <= share {
            return None;
        }
        self.texts.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        self.shelve(bytes)
    }

    /// Whether any bound was set.
    pub fn is_bounded(&self) -> bool {
        self.allowed.is_some()
    }

    /// Whether so many bytes of entries may stay in memory beside those that do. If so, they are counted.
    fn has_room(&self, bytes: usize) -> bool {
        let Some(allowed) = self.allowed else { return true };
        let bytes = bytes as u64;
        let fits = self.entries.fetch_add(bytes, Ordering::Relaxed) + bytes <= allowed / SHARE;
        if !fits {
            self.entries.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Bytes that one list may take while it grows, before what it holds is laid aside.
    pub fn portion(&self) -> usize {
        self.allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed / SHARE).unwrap_or(usize::MAX))
    }

    /// Where bytes go on the shelf.
    fn shelve(&self, bytes: &[u8]) -> Option<u64> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.end.load(Ordering::Relaxed);
        // A disk that is full is no loss: the text stays in memory.
        let written = open(&mut shelf).and_then(|file| {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)
        });
        written.ok()?;
        self.end.store(at + bytes.len() as u64, Ordering::Relaxed);
        Some(at)
    }

    fn fetch(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let read = open(&mut shelf).and_then(|file| {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)
        });
        match read {
            Ok(()) => bytes,
            Err(error) => {
                let told = format!(
                    "{error}: what was laid aside for want of memory could not be read back, and some of it is missing"
                );
                self.failure.get_or_init(|| told);
                Vec::new()
            }
        }
    }

    /// Bytes on the shelf.
    pub fn shelved(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// What went wrong with the shelf, if anything is missing for it.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

/// The shelf, made when it is first needed. Nobody else can open it: it has no name (O_TMPFILE, or unlinked at once).
fn open(shelf: &mut Option<File>) -> io::Result<&mut File> {
    match shelf {
        Some(file) => Ok(file),
        None => Ok(shelf.insert(tempfile::tempfile()?)),
    }
}

/// Bytes in memory or on the shelf.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Here(Box<[u8]>),
    Aside { memory: Arc<Memory>, at: u64, length: usize },
}

impl Kept {
    pub(super) fn new(bytes: Box<[u8]>, memory: &Arc<Memory>) -> Self {
        match memory.lay_aside(&bytes) {
            Some(at) => Kept::Aside { memory: Arc::clone(memory), at, length: bytes.len() },
            None => Kept::Here(bytes),
        }
    }

    /// Bytes on the shelf; none if it cannot take them.
    fn aside(bytes: &[u8], memory: &Arc<Memory>) -> Option<Self> {
        let at = memory.shelve(bytes)?;
        Some(Kept::Aside { memory: Arc::clone(memory), at, length: bytes.len() })
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        match self {
            Kept::Here(bytes) => bytes.as_ref().into(),
            Kept::Aside { memory, at, length } => memory.fetch(*at, *length).into(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Kept::Here(bytes) => bytes.len(),
            Kept::Aside { length, .. } => *length,
        }
    }
}

#[cfg(test)]
mod tests;
