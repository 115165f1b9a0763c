//! `manifest.json`: what went in, with what it was read, and what came out. The same evidence and options give the
//! same bytes, whatever the order of paths, the number of threads or the output directory.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::escape;
use super::lines::SCHEMA;
use crate::detect::rules::RuleSet;
use crate::evidence::hexadecimal;
use crate::intake::Source;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest<'a> {
    pub schema: u32,
    pub tool: &'static str,
    pub version: &'static str,
    /// Version of the rule set in force: SHA-256 over its files, see [`RuleSet::version`].
    pub rules: &'a str,
    /// Rules, and entries of lists, in force.
    pub rule_count: usize,
    pub indicator_count: usize,
    /// The verb and its options in their normal form: paths sorted, without threads and output directory.
    pub arguments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_file: Option<FileHash>,
    /// Lists of indicators that the case file names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indicator_lists: Vec<FileHash>,
    pub inputs: Vec<ManifestInput<'a>>,
    /// Paths that could not be listed or opened.
    pub not_read: Vec<String>,
    pub outputs: Vec<FileHash>,
}

/// An evidence file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManifestInput<'a> {
    pub path: &'a str,
    pub bytes: u64,
    pub sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'a str>,
    pub records: u64,
    pub unread: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<&'a str>,
}

/// A file by its content.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct FileHash {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl FileHash {
    /// The hash of bytes in memory.
    pub fn of(path: &str, bytes: &[u8]) -> Self {
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        FileHash { path: path.to_owned(), bytes: bytes.len() as u64, sha256 }
    }
}

/// A writer that hashes what goes through it.
pub struct Hashed<W> {
    to: W,
    bytes: u64,
    sha256: Sha256,
}

impl<W: Write> Hashed<W> {
    /// Nothing was written yet.
    pub fn new(to: W) -> Self {
        Hashed { to, bytes: 0, sha256: Sha256::new() }
    }

    /// The hash of all that was written.
    pub fn hash(&self, path: &str) -> FileHash {
        let sha256 = hexadecimal(&self.sha256.clone().finalize());
        FileHash { path: path.to_owned(), bytes: self.bytes, sha256 }
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sha256.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<'a> From<&'a Source> for ManifestInput<'a> {
    fn from(source: &'a Source) -> Self {
        ManifestInput {
            path: &source.path,
            bytes: source.bytes,
            sha256: &source.sha256,
            format: source.format,
            kind: source.kind.map(|kind| kind.name()),
            records: source.records,
            unread: source.unread,
            failure: source.failure.as_deref(),
        }
    }
}

impl<'a> Manifest<'a> {
    /// A manifest without outputs yet; inputs sorted by path.
    pub fn new(sources: &'a [Source], rules: &'a RuleSet, arguments: Vec<String>) -> Self {
        let mut inputs: Vec<ManifestInput<'a>> = sources.iter().map(ManifestInput::from).collect();
        inputs.sort_by_key(|input| (input.path, input.sha256));
        Manifest {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            rules: &rules.version,
            rule_count: rules.rules.len(),
            indicator_count: rules.indicators.len(),
            arguments,
            case_file: None,
            indicator_lists: Vec::new(),
            inputs,
            not_read: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// As indented JSON with a line break at the end.
    pub fn to_json(&self) -> String {
        let mut json = escape::json(serde_json::to_string_pretty(self).unwrap_or_default());
        json.push('\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn order_of_inputs_does_not_show() {
        let analysis = fixture::analysis();
        let mut reversed = analysis.sources.clone();
        reversed.reverse();
        let arguments = || vec!["analyze".to_owned(), "incident".to_owned()];
        let rules = RuleSet::embedded();
        let manifest = Manifest::new(&analysis.sources, &rules, arguments()).to_json();
        assert_eq!(manifest, Manifest::new(&reversed, &rules, arguments()).to_json());
        let read: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(read["inputs"][0]["path"], "capture.pcap");
        assert_eq!(read["inputs"][0]["records"], 1204);
        assert_eq!(read["rules"].as_str(), Some(rules.version.as_str()));
        assert_eq!(read["rule_count"], rules.rules.len());
        assert_eq!(read["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn hashes_are_sha256() {
        // FIPS 180-2, appendix B.1.
        let hash = FileHash::of("abc.txt", b"abc");
        let mut parts = Hashed::new(Vec::new());
        parts.write_all(b"a").unwrap();
        parts.write_all(b"bc").unwrap();
        assert_eq!(parts.hash("abc.txt"), hash);
        assert_eq!(parts.into_inner(), b"abc");
        assert_eq!(hash.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.bytes, 3);
    }
}
