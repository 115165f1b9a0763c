use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceFile {
    /// The name shown: relative to the directory it was found under, or the path as given.
    pub name: String,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Where all files of the evidence lie.
#[derive(Debug, Default)]
pub struct Paths(BTreeMap<OsString, Vec<PathBuf>>);

impl Paths {
    pub fn of(files: &[EvidenceFile]) -> Self {
        let mut paths = Paths::default();
        for file in files {
            let name = file.path.file_name().unwrap_or_default().to_owned();
            paths.0.entry(name).or_default().push(file.path.clone());
        }
        paths
    }

    /// Whether that file is among them, however its path is written.
    pub fn contains(&self, path: &Path) -> bool {
        let named = path.file_name().and_then(|name| self.0.get(name));
        let is = |other: &PathBuf| {
            other == path
                || fs::canonicalize(other).is_ok_and(|other| fs::canonicalize(path).is_ok_and(|path| path == other))
        };
        named.is_some_and(|paths| paths.iter().any(is))
    }
}

/// A path that could not be listed. The rest goes on.
#[derive(Debug, Error)]
pub enum WalkError {
    #[error("{path}: {source}; check that the path exists and may be read")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: a symbolic link, not followed; name its target if it belongs to the evidence")]
    Link { path: String },
    #[error("{path}: neither a file nor a directory, not opened")]
    Special { path: String },
}

/// Lists the files below `paths`, sorted by shown name, each once. Links are not followed, also not when they are
/// named on the command line; devices and pipes are not opened.
pub fn walk(paths: &[PathBuf]) -> (Vec<EvidenceFile>, Vec<WalkError>) {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    let alone = paths.len() == 1;
    for path in paths {
        visit(path, path, alone, &mut files, &mut errors);
    }
    files.sort();
    files.dedup_by(|a, b| a.path == b.path);
    errors.sort_by_key(|error| error.to_string());
    (files, errors)
}

fn visit(root: &Path, path: &Path, alone: bool, files: &mut Vec<EvidenceFile>, errors: &mut Vec<WalkError>) {
    let shown = || path.display().to_string();
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(source) => return errors.push(WalkError::Io { path: shown(), source }),
    };
    if metadata.is_symlink() {
        errors.push(WalkError::Link { path: shown() });
    } else if metadata.is_dir() {
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => visit(root, &entry.path(), alone, files, errors),
                        Err(source) => errors.push(WalkError::Io { path: shown(), source }),
                    }
                }
            }
            Err(source) => errors.push(WalkError::Io { path: shown(), source }),
        }
    } else if metadata.is_file() {
        let relative = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty());
        let name = match relative {
            Some(rest) if alone => rest.display().to_string(),
            _ => shown(),
        };
        let name = if relative.is_none() && alone {
            path.file_name().map_or(name, |file| file.to_string_lossy().into_owned())
        } else {
            name
        };
        files.push(EvidenceFile { name, path: path.to_path_buf(), bytes: metadata.len() });
    } else {
        errors.push(WalkError::Special { path: shown() });
    }
}
