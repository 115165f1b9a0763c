//! How evidence is opened: read-only, plain files alone, no link followed, nothing waited for.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Opens a plain file for reading.
///
/// A path may have become something else since the directory was listed. A link is not followed (`O_NOFOLLOW`), and
/// opening a pipe does not wait for somebody to write into it (`O_NONBLOCK`; open(2)).
///
/// # Errors
/// When it cannot be opened, or is no plain file.
pub(super) fn plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a plain file any more, and not read"));
    }
    Ok(file)
}

/// How far the reading of evidence is, for who wants to know meanwhile, and the wish that it ends.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Bytes of evidence read so far, as they lie on disk.
    pub read: Arc<AtomicU64>,
    /// Set from outside: no more is read. What was read is used, and files that were not read to their end say so.
    pub stop: Arc<AtomicBool>,
}

impl Watch {
    /// What a reader is told where it is stopped.
    pub const STOPPED: &str = "reading was stopped from outside";

    /// Whether no more is to be read.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Adds what was read, unless it is to end.
    ///
    /// # Errors
    /// When it is to end.
    pub(super) fn count(&self, bytes: usize) -> io::Result<()> {
        if self.is_stopped() {
            return Err(io::Error::other(Self::STOPPED));
        }
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// What custody asks of a file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// SHA-256 of the file as it lies on disk, lower-case hexadecimal. Empty if it was not read to its end: a hash of a part
    /// would be taken for that of the file.
    pub sha256: String,
    /// Bytes read.
    pub bytes: u64,
    /// How the file changed while it was read.
    pub changed: Option<String>,
}

/// What a file was when it was opened, held against what it is after its end was reached.
pub(super) struct Opened(Option<Metadata>);

impl Opened {
    pub(super) fn of(file: &File) -> Self {
        Opened(file.metadata().ok())
    }

    /// How it changed, if it did.
    pub(super) fn changed(&self, file: &File, read: u64) -> Option<String> {
        let (before, after) = (self.0.as_ref()?, file.metadata().ok()?);
        let written = before.modified().ok() != after.modified().ok();
        if before.len() != after.len() {
            Some(format!("it had {} bytes when it was opened and {} after {read} were read", before.len(), after.len()))
        } else if written {
            Some(format!("it was written to while its {read} bytes were read"))
        } else if before.len() != read {
            Some(format!("it has {} bytes and {read} could be read", after.len()))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};

    use super::*;
    use crate::evidence::{EvidenceId, Input};

    #[test]
    #[cfg(unix)]
    fn what_became_a_link_or_a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (folder.path().join("a"), folder.path().join("l"), folder.path().join("p"));
        fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(plain(&file).is_ok());
        // ELOOP, and no waiting for a writer.
        assert_eq!(plain(&link).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert!(plain(&pipe).unwrap_err().to_string().contains("plain file"));
        assert!(plain(folder.path()).is_err());
    }

    fn read_with(change: impl FnOnce(&Path)) -> Taken {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing.log");
        // More than what is read ahead.
        fs::write(&path, vec![b'a'; 24 << 20]).unwrap();
        let mut input = Input::open("growing.log", &path, EvidenceId(0)).unwrap();
        let mut some = [0; 4096];
        input.read_exact(&mut some).unwrap();
        change(&path);
        input.finish()
    }

    #[test]
    fn what_changes_while_it_is_read_is_noticed() {
        assert_eq!(read_with(|_| ()).changed, None);
        let grown = read_with(|path| {
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
        });
        assert!(grown.changed.unwrap().contains("25165824 bytes when it was opened and 25165828 after"));
        let shrunk = read_with(|path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(7).unwrap());
        assert!(shrunk.changed.unwrap().contains("and 7 after"));
        assert!(shrunk.bytes < 24 << 20);
    }

    #[test]
    fn a_reading_that_is_stopped_says_so_and_gives_no_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.log");
        fs::write(&path, vec![b'a'; 24 << 20]).unwrap();
        let watch = Watch::default();
        let mut input = Input::open_watched("long.log", &path, EvidenceId(0), &watch).unwrap();
        let mut some = [0; 4096];
        input.read_exact(&mut some).unwrap();
        watch.stop.store(true, Ordering::Relaxed);
        let error = input.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), Watch::STOPPED);
        let taken = input.finish();
        assert!(taken.sha256.is_empty() && taken.bytes > 0 && taken.bytes < 24 << 20, "{taken:?}");
    }
}
