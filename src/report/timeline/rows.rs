use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;

use crate::time::Instant;

/// Where a row stands: dated rows by time, then source, then record; undated rows after them. Rows of one record
/// follow each other in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    undated: bool,
    time: i64,
    source: u32,
    record: u64,
}

impl Key {
    const BYTES: usize = 21;

    pub(super) fn new(time: Option<Instant>, source: u32, record: u64) -> Self {
        Key { undated: time.is_none(), time: time.map_or(0, |time| time.0), source, record }
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts = [u8::from(self.undated)].into_iter().chain(self.time.to_le_bytes());
        let parts = parts.chain(self.source.to_le_bytes()).chain(self.record.to_le_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let (mut undated, mut time, mut source, mut record) = ([0; 1], [0; 8], [0; 4], [0; 8]);
        from.read_exact(&mut undated)?;
        from.read_exact(&mut time)?;
        from.read_exact(&mut source)?;
        from.read_exact(&mut record)?;
        Ok(Key {
            undated: undated != [0],
            time: i64::from_le_bytes(time),
            source: u32::from_le_bytes(source),
            record: u64::from_le_bytes(record),
        })
    }
}

/// Rows in memory, one after the other.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    rows: Vec<(Key, usize, usize)>,
}

impl Buffer {
    pub(super) fn push(&mut self, key: Key, row: &[u8]) {
        self.rows.push((key, self.bytes.len(), row.len()));
        self.bytes.extend_from_slice(row);
    }

    fn append(&mut self, other: &mut Buffer) {
        let moved = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.rows.extend(other.rows.drain(..).map(|(key, start, length)| (key, start + moved, length)));
    }

    pub(super) fn held(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<(Key, usize, usize)>()
    }

    fn row(&self, start: usize, length: usize) -> &[u8] {
        self.bytes.get(start..start + length).unwrap_or_default()
    }

    fn sorted(&mut self) -> impl Iterator<Item = (Key, &[u8])> {
        let Buffer { bytes, rows } = self;
        let row = |start: usize, length: usize| bytes.get(start..start + length).unwrap_or_default();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| row(a.1, a.2).cmp(row(b.1, b.2))));
        let buffer: &Buffer = self;
        buffer.rows.iter().map(|(key, start, length)| (*key, buffer.row(*start, *length)))
    }
}

/// The rows of a timeline: in memory up to a bound, beyond it in sorted runs on disk.
#[derive(Debug)]
pub struct Pool {
    /// Bytes kept in memory before a run is written.
    bound: usize,
    /// Runs merged at a time: bounds the open files.
    fan_in: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    buffer: Buffer,
    /// Created when the first run is written; removed with everything in it when the pool goes.
    directory: Option<TempDir>,
    runs: Vec<PathBuf>,
    runs_made: u64,
    failure: Option<io::Error>,
}

impl Default for Pool {
    fn default() -> Self {
        Pool::with_bounds(Pool::HELD, Pool::FAN_IN)
    }
}

impl Pool {
    /// Bytes of rows kept in memory.
    pub const HELD: usize = 128 << 20;
    const FAN_IN: usize = 64;
    /// Bytes that a sink gathers before it hands them over.
    const HANDED_OVER: usize = 256 << 10;

    /// A pool that writes a run at `bound` bytes and merges `fan_in` runs at a time.
    pub fn with_bounds(bound: usize, fan_in: usize) -> Self {
        Pool { bound, fan_in: fan_in.max(2), held: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Whoever panicked while holding rows left at worst a run unwritten, and its failure stands for itself.
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn take_if_full(&self, buffer: &mut Buffer) {
        if buffer.held() >= Self::HANDED_OVER.min(self.bound) {
            self.take(buffer);
        }
    }

    /// Moves all rows of `buffer` into the pool. A failure to write is kept for [`Pool::write`].
    pub(super) fn take(&self, buffer: &mut Buffer) {
        let mut held = self.lock();
        if held.failure.is_some() {
            *buffer = Buffer::default();
            return;
        }
        held.buffer.append(buffer);
        if held.buffer.held() >= self.bound {
            let mut full = std::mem::take(&mut held.buffer);
            let written = held.write_run(full.sorted().map(|(key, row)| Ok((key, row.to_vec()))));
            if let Err(error) = written {
                held.failure = Some(error);
            }
        }
    }

    /// Hands over all rows in order; gives their number. The pool is empty afterwards.
    ///
    /// # Errors
    /// When a run could not be written or read, or `take` fails.
    pub(super) fn drain(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let mut held = self.lock();
        if let Some(failure) = held.failure.take() {
            return Err(failure);
        }
        while held.runs.len() >= self.fan_in {
            let merged: Vec<PathBuf> = held.runs.drain(..self.fan_in).collect();
            let runs = merged.iter().map(Run::open).collect::<io::Result<Vec<_>>>()?;
            held.write_run(Merge::new(runs.into_iter().map(|run| Box::new(run) as Rows<'_>).collect())?)?;
            for path in merged {
                std::fs::remove_file(path)?;
            }
        }
        let mut buffer = std::mem::take(&mut held.buffer);
        let mut sources: Vec<Rows<'_>> = Vec::new();
        for path in &held.runs {
            sources.push(Box::new(Run::open(path)?));
        }
        sources.push(Box::new(buffer.sorted().map(|(key, row)| Ok((key, row.to_vec())))));
        let mut rows = 0;
        for row in Merge::new(sources)? {
            take(&row?.1)?;
            rows += 1;
        }
        held.runs.clear();
        held.directory = None;
        Ok(rows)
    }
}

type Rows<'a> = Box<dyn Iterator<Item = io::Result<(Key, Vec<u8>)>> + 'a>;

impl Held {
    fn write_run(&mut self, rows: impl Iterator<Item = io::Result<(Key, Vec<u8>)>>) -> io::Result<()> {
        let directory = match &self.directory {
            Some(directory) => directory,
            None => self.directory.insert(tempfile::Builder::new().prefix("coincident-").tempdir()?),
        };
        let path = directory.path().join(format!("run-{}", self.runs_made));
        let mut file = BufWriter::with_capacity(1 << 18, File::create_new(&path)?);
        for row in rows {
            let (key, row) = row?;
            let length = u32::try_from(row.len()).map_err(|_| io::Error::other("a row longer than 4 GiB"))?;
            file.write_all(&key.to_bytes())?;
            file.write_all(&length.to_le_bytes())?;
            file.write_all(&row)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.runs_made += 1;
        self.runs.push(path);
        Ok(())
    }
}

/// A sorted run on disk being read back.
struct Run {
    file: BufReader<File>,
}

impl Run {
    fn open(path: &PathBuf) -> io::Result<Self> {
        Ok(Run { file: BufReader::with_capacity(1 << 16, File::open(path)?) })
    }
}

impl Iterator for Run {
    type Item = io::Result<(Key, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        match io::BufRead::fill_buf(&mut self.file) {
            Ok([]) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        let read = |file: &mut BufReader<File>| {
            let key = Key::read(file)?;
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            let mut row = vec![0; u32::from_le_bytes(length) as usize];
            file.read_exact(&mut row)?;
            Ok((key, row))
        };
        Some(read(&mut self.file))
    }
}

/// Sorted iterators merged into one.
struct Merge<'a> {
    sources: Vec<Rows<'a>>,
    heads: BinaryHeap<Reverse<(Key, Vec<u8>, usize)>>,
}

impl<'a> Merge<'a> {
    fn new(sources: Vec<Rows<'a>>) -> io::Result<Self> {
        let mut merge = Merge { heads: BinaryHeap::with_capacity(sources.len()), sources };
        for at in 0..merge.sources.len() {
            merge.pull(at)?;
        }
        Ok(merge)
    }

    fn pull(&mut self, at: usize) -> io::Result<()> {
        if let Some(row) = self.sources.get_mut(at).and_then(Iterator::next) {
            let (key, row) = row?;
            self.heads.push(Reverse((key, row, at)));
        }
        Ok(())
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<(Key, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, row, at)) = self.heads.pop()?;
        Some(self.pull(at).map(|()| (key, row)))
    }
}
