use std::any::Any;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::encoding::decoded;
use super::open::{self, Opened, Taken, Watch};
use super::{EvidenceId, Paths, hexadecimal};

/// Compression of a file, told by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// From the magic numbers of RFC 1952, RFC 8878 and the .xz file format.
    pub fn of(first_bytes: &[u8]) -> Self {
        if first_bytes.starts_with(&[0x1f, 0x8b]) {
            Compression::Gzip
        } else if first_bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Compression::Zstd
        } else if first_bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Compression::Xz
        } else {
            Compression::None
        }
    }

    /// The name used in every output; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
        }
    }

    fn decode<'a>(self, raw: Box<dyn Read + Send + 'a>) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Compression::None => raw,
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
            Compression::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(raw)),
        })
    }
}

/// The beginning of a file after decompression: what probing looks at.
#[derive(Debug)]
pub struct Head {
    /// Shown name of the evidence (relative path).
    pub name: String,
    pub bytes: Vec<u8>,
    /// `bytes` is the whole file.
    pub whole: bool,
    pub compression: Compression,
    derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Head {
    /// How much of a file probing sees.
    pub const LENGTH: usize = 64 * 1024;

    /// Reads the head of a file.
    ///
    /// # Errors
    /// When the file cannot be opened or read. A decompressor that fails midway yields what came before.
    pub fn read(name: &str, path: &Path) -> io::Result<Self> {
        let mut magic = [0; 6];
        let mut filled = 0;
        let mut file = open::plain(path)?;
        while filled < magic.len() {
            match file.read(&mut magic[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        let compression = Compression::of(&magic[..filled]);
        let raw: Box<dyn Read + Send> = Box::new(Cursor::new(magic[..filled].to_vec()).chain(file));
        let mut bytes = Vec::new();
        let read = decoded(compression.decode(raw)?)
            .and_then(|text| text.take(Self::LENGTH as u64 + 1).read_to_end(&mut bytes).map(|_| ()));
        if compression == Compression::None {
            read?;
        }
        let whole = bytes.len() <= Self::LENGTH;
        bytes.truncate(Self::LENGTH);
        Ok(Head { name: name.to_owned(), bytes, whole, compression, derived: OnceLock::new() })
    }

    /// Of bytes in memory: the beginning of them.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Self {
        let kept = bytes.get(..Self::LENGTH).unwrap_or(bytes);
        Head {
            name: name.to_owned(),
            bytes: kept.to_vec(),
            whole: kept.len() == bytes.len(),
            compression: Compression::None,
            derived: OnceLock::new(),
        }
    }

    /// What `compute` makes of the head: computed for the first who asks and kept for all others, who must ask for the
    /// same type.
    pub fn derived<T: Clone + Default + Send + Sync + 'static>(&self, compute: fn(&Head) -> T) -> T {
        let kept = self.derived.get_or_init(|| Box::new(compute(self)));
        kept.downcast_ref::<T>().cloned().unwrap_or_default()
    }

    /// The head as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// An evidence file being read once, front to back: decompressed for its reader, hashed as it lies on disk.
///
/// Reading and hashing run on a thread of their own, at most [`Input::BLOCKS_AHEAD`] blocks ahead.
pub struct Input {
    /// Shown name of the evidence (relative path).
    pub name: String,
    pub evidence: EvidenceId,
    pub compression: Compression,
    /// Where the file lies, if it is one.
    place: Option<PathBuf>,
    /// Where the other files of the evidence lie, if there are others.
    pub among: Option<Arc<Paths>>,
    /// Names of the columns, where the user states what the file itself does not.
    pub columns: Option<String>,
    reader: Option<Box<dyn Read + Send>>,
    hasher: Option<JoinHandle<Taken>>,
}

impl Input {
    const BLOCK: usize = 1 << 20;
    const BLOCKS_AHEAD: usize = 4;

    /// Opens a file read-only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(name: &str, path: &Path, evidence: EvidenceId) -> io::Result<Self> {
        Self::open_watched(name, path, evidence, &Watch::default())
    }

    /// The same, counted and stopped by `watch`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_watched(name: &str, path: &Path, evidence: EvidenceId, watch: &Watch) -> io::Result<Self> {
        let watch = watch.clone();
        let mut file = open::plain(path)?;
        let (blocks, received) = sync_channel::<io::Result<Vec<u8>>>(Self::BLOCKS_AHEAD);
        // Blocks that were read come back to be filled again: fresh memory costs more than reading into it.
        let (used, returned) = channel::<Vec<u8>>();
        let hasher = std::thread::spawn(move || {
            let opened = Opened::of(&file);
            let mut sha = Sha256::new();
            let mut length = 0;
            let mut wanted = true;
            let mut whole = false;
            while !whole {
                let mut block = returned.try_recv().unwrap_or_default();
                block.resize(Self::BLOCK, 0);
                match file.read(&mut block).and_then(|n| watch.count(n).map(|()| n)) {
                    Ok(0) => whole = true,
                    Ok(n) => {
                        block.truncate(n);
                        sha.update(&block);
                        length += n as u64;
                        // A reader that stopped early still leaves a hash of the whole file.
                        wanted = wanted && blocks.send(Ok(block)).is_ok();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        let _ = blocks.send(Err(error));
                        break;
                    }
                }
            }
            let sha256 = if whole { hexadecimal(&sha.finalize()) } else { String::new() };
            Taken { sha256, bytes: length, changed: opened.changed(&file, length).filter(|_| whole) }
        });
        let mut raw = Blocks { received, used, block: Vec::new(), at: 0 };
        let mut magic = [0; 6];
        let mut filled = 0;
        while filled < magic.len() {
            match raw.read(&mut magic[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        let compression = Compression::of(&magic[..filled]);
        let raw = Cursor::new(magic[..filled].to_vec()).chain(raw);
        let reader = decoded(compression.decode(Box::new(raw))?)?;
        let place = Some(path.to_owned());
        Ok(Input {
            name: name.to_owned(),
            evidence,
            compression,
            among: None,
            columns: None,
            place,
            reader: Some(reader),
            hasher: Some(hasher),
        })
    }

    /// Opens a file once more, to look through it ahead of its reader: nothing is hashed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn look_through(name: &str, path: &Path, evidence: EvidenceId) -> io::Result<Self> {
        let mut file = open::plain(path)?;
        let mut magic = Vec::new();
        file.by_ref().take(6).read_to_end(&mut magic)?;
        let compression = Compression::of(&magic);
        let reader = decoded(compression.decode(Box::new(Cursor::new(magic).chain(file)))?)?;
        let place = Some(path.to_owned());
        Ok(Input {
            name: name.to_owned(),
            evidence,
            compression,
            among: None,
            columns: None,
            place,
            reader: Some(reader),
            hasher: None,
        })
    }

    /// Bytes in memory as an input: for probing on a head, for tests and for fuzzing.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, evidence: EvidenceId) -> Self {
        Input {
            name: name.to_owned(),
            evidence,
            compression: Compression::None,
            place: None,
            among: None,
            columns: None,
            reader: Some(Box::new(Cursor::new(bytes))),
            hasher: None,
        }
    }

    /// The next bytes, at most `length`, which are still to be read.
    ///
    /// # Errors
    /// None: a failure comes again where it stands when the bytes are read.
    pub fn peek(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let Some(mut reader) = self.reader.take() else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        let outcome = reader.by_ref().take(length).read_to_end(&mut bytes);
        self.reader = Some(Box::new(Cursor::new(bytes.clone()).chain(Failing(outcome.err())).chain(reader)));
        Ok(bytes)
    }

    /// A file that lies beside this one and belongs to it, under its name with `ending` behind it: the log of a database.
    /// It is not hashed with this one. What is no plain file is not opened.
    pub fn beside(&self, ending: &str) -> Option<File> {
        let mut name = self.uncompressed()?.as_os_str().to_owned();
        name.push(ending);
        plain(&PathBuf::from(name))
    }

    /// A file that lies beside this one under its name with another extension (`.timing`), like [`Input::beside`].
    pub fn with_extension(&self, extension: &str) -> Option<File> {
        let place = self.uncompressed()?;
        let path = place.with_extension(extension.trim_start_matches('.'));
        if path == place { None } else { plain(&path) }
    }

    /// A file that lies beside this one under its name with `other` in the place of its `ending`, like [`Input::beside`].
    pub fn sibling(&self, ending: &str, other: &str) -> Option<File> {
        plain(&self.sibling_path(ending, other)?)
    }

    /// Whether such a file is evidence as well, and so tells what this one holds.
    pub fn is_told_by(&self, ending: &str, other: &str) -> bool {
        let path = self.sibling_path(ending, other).filter(|path| plain(path).is_some());
        path.is_some_and(|path| self.among.as_ref().is_none_or(|among| among.contains(&path)))
    }

    fn sibling_path(&self, ending: &str, other: &str) -> Option<PathBuf> {
        let name = self.uncompressed()?.to_str()?.strip_suffix(ending)?;
        Some(PathBuf::from(format!("{name}{other}")))
    }

    fn uncompressed(&self) -> Option<&Path> {
        self.place.as_deref().filter(|_| self.compression == Compression::None)
    }

    /// Reads on through a filter.
    pub fn through(&mut self, filter: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>) {
        self.reader = self.reader.take().map(filter);
    }

    /// Closes the input; gives what custody asks of the file. Nothing is known of an input made from memory.
    pub fn finish(mut self) -> Taken {
        drop(self.reader.take());
        self.hasher.take().and_then(|hasher| hasher.join().ok()).unwrap_or_default()
    }
}

/// What is no plain file is not opened.
fn plain(path: &Path) -> Option<File> {
    open::plain(path).ok()
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.as_mut().map_or(Ok(0), |reader| reader.read(into))
    }
}

/// A failure in its place.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

struct Blocks {
    received: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
}

impl Read for Blocks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            match self.received.recv() {
                Ok(Ok(block)) => {
                    // Nobody waits for the last ones.
                    let _ = self.used.send(std::mem::replace(&mut self.block, block));
                    self.at = 0;
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(0),
            }
        }
        let n = into.len().min(self.block.len() - self.at);
        into[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
