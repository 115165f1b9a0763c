//! What holds results and evidence together after the fact: checksums in the form of `sha256sum`, and the manifest read
//! back and held against the files as they are now.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::manifest::FileHash;

/// The name of the list of checksums among results.
pub const SUMS: &str = "SHA256SUMS";
/// The name of the manifest among results.
pub const MANIFEST: &str = "manifest.json";
/// The name of the detached signature of the manifest, in the form of `ssh-keygen -Y sign` (OpenSSH PROTOCOL.sshsig).
pub const SIGNATURE: &str = "manifest.json.sig";
/// What a signature is made for, so that one made for something else is worth nothing here (PROTOCOL.sshsig, namespace).
pub const NAMESPACE: &str = "coincident-manifest";

/// The checksums of files, as `sha256sum --check` reads them: digest, two blanks, name.
pub fn sums(files: &[FileHash]) -> String {
    files.iter().fold(String::new(), |mut text, file| {
        let _ = writeln!(text, "{}  {}", file.sha256, file.path);
        text
    })
}

/// Reads them back.
///
/// # Errors
/// The number of the first line that is none.
pub fn read_sums(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let entry = |(at, line): (usize, &str)| {
        let (digest, name) = line.split_once("  ").ok_or(at + 1)?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_digest { Ok((name.to_owned(), digest.to_owned())) } else { Err(at + 1) }
    };
    text.lines().enumerate().map(entry).collect()
}

/// A manifest as it was written, by this version of its schema or an earlier one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Recorded {
    pub schema: u32,
    pub version: String,
    pub rules: String,
    pub arguments: Vec<String>,
    pub case_file: Option<FileHash>,
    #[serde(default)]
    pub indicator_lists: Vec<FileHash>,
    pub inputs: Vec<RecordedInput>,
    pub outputs: Vec<FileHash>,
}

/// An evidence file as it was.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct RecordedInput {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl RecordedInput {
    /// As a file by its content; `None` if it was not read to its end then, so that nothing can be said of it now.
    pub fn file(&self) -> Option<FileHash> {
        let whole = !self.sha256.is_empty();
        whole.then(|| FileHash { path: self.path.clone(), bytes: self.bytes, sha256: self.sha256.clone() })
    }
}

/// The paths of an invocation and the directory of rules that it used, from its arguments in their normal form.
pub fn paths_of(arguments: &[String]) -> Vec<&str> {
    arguments.iter().skip(1).map(String::as_str).filter(|argument| !argument.starts_with("--")).collect()
}

/// The value of an option among such arguments.
pub fn option_of<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    arguments.iter().find_map(|argument| argument.strip_prefix(option)?.strip_prefix('='))
}

/// How a file is unlike what was recorded of it.
pub fn difference(recorded: &FileHash, now: &FileHash) -> Option<String> {
    if recorded.bytes != now.bytes {
        Some(format!("changed: {} bytes now, {} then", now.bytes, recorded.bytes))
    } else if recorded.sha256 != now.sha256 {
        Some(format!("changed: SHA-256 {} now, {} then", now.sha256, recorded.sha256))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rules::RuleSet;
    use crate::report::fixture;
    use crate::report::manifest::Manifest;

    #[test]
    fn sums_are_what_sha256sum_writes_and_come_back() {
        // FIPS 180-2, appendix B.1; the form is that of coreutils.
        let text = sums(&[FileHash::of("a b.csv", b"abc")]);
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a b.csv\n");
        let back = read_sums(&text).unwrap();
        assert_eq!(back.keys().collect::<Vec<_>>(), ["a b.csv"]);
        assert_eq!(read_sums("one  a\n"), Err(1));
        assert_eq!(read_sums(&format!("{text}{}", text.to_uppercase())), Err(2));
    }

    #[test]
    fn what_was_recorded_comes_back() {
        let analysis = fixture::analysis();
        let rules = RuleSet::embedded();
        let arguments = ["analyze", "--rules=own", "--stability", "in", "b.pcap"].map(str::to_owned).to_vec();
        let mut manifest = Manifest::new(&analysis.sources, &rules, arguments);
        manifest.outputs = vec![FileHash::of("findings.csv", b"abc")];
        let recorded: Recorded = serde_json::from_str(&manifest.to_json()).unwrap();
        assert_eq!(recorded.inputs.len(), analysis.sources.len());
        assert_eq!(recorded.outputs, manifest.outputs);
        assert_eq!(paths_of(&recorded.arguments), ["in", "b.pcap"]);
        assert_eq!(option_of(&recorded.arguments, "--rules"), Some("own"));
        assert_eq!(option_of(&recorded.arguments, "--case"), None);
    }

    #[test]
    fn a_difference_names_what_differs() {
        let (one, longer, other) = (FileHash::of("a", b"abc"), FileHash::of("a", b"abcd"), FileHash::of("a", b"abd"));
        assert_eq!(difference(&one, &one), None);
        assert_eq!(difference(&one, &longer).unwrap(), "changed: 4 bytes now, 3 then");
        assert!(difference(&one, &other).unwrap().starts_with("changed: SHA-256 "));
    }
}
