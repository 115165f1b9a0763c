//! Where results go: data to stdout, words about them to stderr, files into a directory of their own.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use coincident::report::manifest::{FileHash, Hashed};
use coincident::report::{DisplayZone, Screen, escape, redact};
use tempfile::NamedTempFile;

use super::exit::Stop;
use super::interrupt;

/// Places that were masked in what was written.
static MASKED: AtomicU64 = AtomicU64::new(0);

/// Adds places that were masked elsewhere.
pub(crate) fn add_masked(places: u64) {
    MASKED.fetch_add(places, Ordering::Relaxed);
}

/// How the user wants to be spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) zone: DisplayZone,
    pub(crate) screen: Screen,
    /// Wallets, logins and workers are shown whole.
    pub(crate) show_secrets: bool,
}

impl Voice {
    /// A line on stderr, unless quiet.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Whether a person watches what is said on stderr.
    pub(crate) fn is_watched(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// A line on stderr while work goes on, where a person watches.
    pub(crate) fn progress(self, text: &str) {
        if self.is_watched() {
            self.insist(text);
        }
    }

    /// A line on stderr, whatever was asked.
    pub(crate) fn insist(self, text: &str) {
        // Nobody is left to be told if stderr is gone.
        let mut line = escape::terminal(text).into_owned();
        line.push('\n');
        let _ = io::stderr().write_all(&self.masked(line.as_bytes()));
    }

    /// What may be shown of what is to be written.
    pub(crate) fn masked<'a>(self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.show_secrets {
            return Cow::Borrowed(bytes);
        }
        let (shown, places) = redact::masked_bytes(bytes);
        add_masked(places);
        shown
    }

    /// Says how much was masked in all that was written.
    pub(crate) fn tell_masked(self) {
        match MASKED.load(Ordering::Relaxed) {
            0 => {}
            places => self.say(&format!("{places} wallets, names and secrets are masked; --show-secrets shows them")),
        }
    }

    /// Writes data to stdout.
    pub(crate) fn print(self, bytes: &[u8]) -> Result<(), Stop> {
        self.print_each([bytes])
    }

    /// Writes data to stdout part by part, for what is too long to be held at once.
    pub(crate) fn print_each(self, parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<(), Stop> {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut parts = parts.into_iter();
        let written = parts.try_for_each(|part| out.write_all(&self.masked(part.as_ref())));
        written.and_then(|()| out.flush()).map_err(|error| Stop::write("standard output", &error))
    }
}

/// An output directory, opened before the work so that a bad path fails early. Files appear whole, at the end.
pub(crate) struct OutputDir {
    path: PathBuf,
    names: Vec<String>,
    force: bool,
}

impl OutputDir {
    /// Opens a new or empty directory for files of these names; with `force`, any directory, where only files of these
    /// names are replaced. It may not lie within the evidence.
    pub(crate) fn open(
        path: &Path,
        names: &[impl AsRef<str>],
        force: bool,
        evidence: &[PathBuf],
    ) -> Result<Self, Stop> {
        let shown = path.display();
        let existed = path.exists();
        if existed && !path.is_dir() {
            return Err(Stop::usage(format!("{shown}: not a directory; give -o a new or empty one")));
        }
        if existed && !force {
            let mut entries = fs::read_dir(path).map_err(|error| Stop::write(&shown.to_string(), &error))?;
            if entries.next().is_some() {
                return Err(Stop::usage(format!(
                    "{shown}: not empty, and nothing is overwritten; give -o a new directory, or --force"
                )));
            }
        }
        keep_out(path, evidence)?;
        fs::create_dir_all(path).map_err(|error| Stop::write(&shown.to_string(), &error))?;
        // Whether anything can be written here is told before the work, not after.
        new_file(path).map_err(|error| Stop::write(&shown.to_string(), &error))?;
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(OutputDir { path: path.to_path_buf(), names, force })
    }

    /// Begins a file of one of the names that were announced. It has no name until [`OutputDir::finish`].
    pub(crate) fn begin(&self, name: &str) -> Result<Begun, Stop> {
        let target = self.path.join(name);
        let shown = target.display().to_string();
        if !self.names.iter().any(|announced| announced == name) {
            return Err(Stop::usage(format!("{shown}: not announced")));
        }
        let file = Unfinished::new(&self.path).map_err(|error| Stop::write(&shown, &error))?;
        Ok(Begun { name: name.to_owned(), target, file: Hashed::new(file) })
    }

    /// The same with all that stands in it.
    pub(crate) fn begin_with(&self, name: &str, bytes: &[u8]) -> Result<Begun, Stop> {
        let mut begun = self.begin(name)?;
        begun.put(bytes)?;
        Ok(begun)
    }

    /// Gives all files their names, the last of which says that the others are whole.
    pub(crate) fn finish(self, files: Vec<Begun>) -> Result<(), Stop> {
        if self.force {
            // Of earlier results, what is not replaced, and what says that the others are whole, which they soon are not.
            let replaced = files.split_last().map_or(&[] as &[_], |(_, others)| others);
            for name in self.names.iter().filter(|name| !replaced.iter().any(|other| other.name == **name)) {
                match fs::remove_file(self.path.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Stop::write(name, &error)),
                    _ => {}
                }
            }
        }
        for Begun { target, file, .. } in files {
            let kept = file.into_inner().keep(&target, self.force);
            kept.map_err(|error| Stop::write(&target.display().to_string(), &error))?;
        }
        Ok(())
    }

    /// Writes files of these contents.
    pub(crate) fn write(self, contents: &[(String, Vec<u8>)]) -> Result<(), Stop> {
        let begun = contents.iter().map(|(name, bytes)| self.begin_with(name, bytes)).collect::<Result<_, _>>()?;
        self.finish(begun)
    }
}

/// A file of an output directory while it is written.
pub(crate) struct Begun {
    name: String,
    target: PathBuf,
    file: Hashed<Unfinished>,
}

impl Begun {
    /// Writes all of these, or says which file could not take them.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.file.write_all(bytes).map_err(|error| Stop::write(&self.target.display().to_string(), &error))
    }

    /// The hash of what was written so far.
    pub(crate) fn hash(&self) -> FileHash {
        self.file.hash(&self.name)
    }
}

impl Write for Begun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file without its name: it is gone if the program ends before it is kept.
struct Unfinished {
    file: NamedTempFile,
    listed: Listed,
}

/// On the list of files to be removed if the program is ended.
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        interrupt::finished(&self.0);
    }
}

impl Unfinished {
    fn new(directory: &Path) -> io::Result<Self> {
        let file = new_file(directory)?;
        interrupt::unfinished(file.path());
        let listed = Listed(file.path().to_path_buf());
        Ok(Unfinished { file, listed })
    }

    /// Gives it its name, once it lies on the disk.
    fn keep(self, target: &Path, replace: bool) -> io::Result<()> {
        let Unfinished { file, listed } = self;
        file.as_file().sync_all()?;
        let kept = if replace { file.persist(target) } else { file.persist_noclobber(target) };
        drop(listed);
        kept.map(drop).map_err(|error| error.error)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A new output file, opened before the work. It appears whole, at the end.
pub(crate) struct OutputFile {
    path: PathBuf,
    file: Unfinished,
}

impl OutputFile {
    /// Opens a file that does not exist yet, outside of the evidence.
    pub(crate) fn open(path: &Path, evidence: &[PathBuf]) -> Result<Self, Stop> {
        let shown = path.display();
        if path.exists() {
            return Err(Stop::usage(format!("{shown}: exists, and nothing is overwritten; give -o a new file")));
        }
        keep_out(path, evidence)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = Unfinished::new(directory).map_err(|error| Stop::write(&shown.to_string(), &error))?;
        Ok(OutputFile { path: path.to_path_buf(), file })
    }

    /// Where to write.
    pub(crate) fn writer(&mut self) -> &mut (impl Write + Send) {
        &mut self.file
    }

    /// Gives the file its name.
    pub(crate) fn keep(self) -> Result<(), Stop> {
        let kept = self.file.keep(&self.path, false);
        kept.map_err(|error| Stop::write(&self.path.display().to_string(), &error))
    }
}

/// Refuses a place for results within the evidence, before anything is created: they would be evidence the next time.
fn keep_out(path: &Path, evidence: &[PathBuf]) -> Result<(), Stop> {
    let place = anchored(path);
    let inside = |evidence: &PathBuf| evidence.is_dir() && place.starts_with(anchored(evidence));
    match evidence.iter().find(|evidence| inside(evidence)) {
        Some(evidence) => Err(Stop::usage(format!(
            "{}: lies within the evidence {}; give -o a place elsewhere",
            path.display(),
            evidence.display()
        ))),
        None => Ok(()),
    }
}

/// Replaces a file by another text, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = Unfinished::new(directory).map_err(|error| Stop::write(&shown, &error))?;
    file.write_all(bytes).map_err(|error| Stop::write(&shown, &error))?;
    file.keep(path, true).map_err(|error| Stop::write(&shown, &error))
}

/// Adds the directories at or below one that hold a file of that name; below such a one nothing is looked for. `what` says
/// what they are directories of.
pub(crate) fn find_marked(directory: &Path, marker: &str, what: &str, found: &mut Vec<PathBuf>) -> Result<(), Stop> {
    if directory.join(marker).is_file() {
        found.push(directory.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(directory)
        .map_err(|error| Stop::usage(format!("{}: {error}; give a directory of {what}", directory.display())))?;
    for entry in entries.flatten() {
        // Links are not followed: they may lead in circles.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find_marked(&entry.path(), marker, what, found)?;
        }
    }
    Ok(())
}

fn new_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".coincident-");
    // As any file that a program makes: what the umask leaves, not 0600.
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(directory)
}

/// The path without links and dots as far as it exists.
fn anchored(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut rest = Vec::new();
    let mut at = absolute.as_path();
    loop {
        if let Ok(real) = at.canonicalize() {
            return rest.iter().rev().fold(real, |path: PathBuf, part| path.join(part));
        }
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else { return absolute };
        rest.push(name.to_owned());
        at = parent;
    }
}
