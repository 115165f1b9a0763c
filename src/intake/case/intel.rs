//! What others have met and the responder knows of: addresses, names, wallets and keys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::grammar::network;
use super::{CaseError, Reader, lists};

/// Shorter words stand in many commands by accident.
const SHORTEST_WORD: usize = 16;

/// Known indicators (`[intel]`), from whatever list the responder trusts. No list is complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intel {
    addresses: BTreeSet<IpAddr>,
    /// Of more than one address.
    networks: Vec<IpNet>,
    /// In lower case.
    names: BTreeSet<String>,
    /// Wallets, keys and their fingerprints, as they are written.
    words: BTreeSet<String>,
    /// Files that were named, in the order given.
    lists: Vec<IndicatorList>,
}

/// A file of indicators that the case file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndicatorList {
    /// Relative to the directory of the case file, once that is known.
    pub path: PathBuf,
    line: usize,
    /// What the file holds, for the manifest.
    pub bytes: Vec<u8>,
    pub addresses: usize,
    pub names: usize,
    pub words: usize,
    /// Entries that are not used, by what they are.
    pub unused: BTreeMap<String, u64>,
}

impl IndicatorList {
    /// What became of its entries, in one line.
    pub fn words(&self) -> String {
        const SHOWN: usize = 12;
        let mut said = format!(
            "indicators of {}: addresses {}, names {}, words {}",
            self.path.display(),
            self.addresses,
            self.names,
            self.words
        );
        if !self.unused.is_empty() {
            let shown: Vec<String> =
                self.unused.iter().take(SHOWN).map(|(what, count)| format!("{what} {count}")).collect();
            said.push_str(&format!("; not used: {}", shown.join(", ")));
            let rest: u64 = self.unused.values().skip(SHOWN).sum();
            if rest > 0 {
                said.push_str(&format!(", of {} more kinds {rest}", self.unused.len() - SHOWN));
            }
        }
        said
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIntel {
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default)]
    names: Vec<Spanned<String>>,
    /// Wallets, SSH keys and their fingerprints.
    #[serde(default)]
    words: Vec<Spanned<String>>,
    /// Lists of indicators: one a line, CSV, STIX 2.1, MISP.
    #[serde(default)]
    files: Vec<Spanned<String>>,
}

pub(super) fn intel(raw: RawIntel, reader: &Reader<'_>) -> Result<Intel, CaseError> {
    let networks = raw.addresses.iter().map(|address| reader.value("addresses", address, network));
    let names = raw.names.iter().map(|name| reader.value("names", name, name_of));
    let words = raw.words.iter().map(|word| reader.value("words", word, word_of));
    let mut intel = Intel {
        names: names.collect::<Result<_, _>>()?,
        words: words.collect::<Result<_, _>>()?,
        lists: raw.files.iter().map(|file| list(file, reader)).collect(),
        ..Intel::default()
    };
    for network in networks {
        intel.add_network(network?);
    }
    Ok(intel)
}

fn list(file: &Spanned<String>, reader: &Reader<'_>) -> IndicatorList {
    IndicatorList { path: PathBuf::from(file.get_ref()), line: reader.line(file), ..IndicatorList::default() }
}

pub(super) fn name_of(text: &str) -> Result<String, String> {
    let name = text.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
    let is_name = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_name { Ok(name) } else { Err(format!("{text:?} is no host name such as pool.example")) }
}

pub(super) fn word_of(text: &str) -> Result<String, String> {
    let word = text.trim();
    if word.len() < SHORTEST_WORD {
        return Err(format!(
            "{text:?} is too short: wallets, keys and fingerprints have {SHORTEST_WORD} letters or more"
        ));
    }
    Ok(word.to_owned())
}

impl Intel {
    fn add_network(&mut self, network: IpNet) {
        if network.prefix_len() == network.max_prefix_len() {
            self.addresses.insert(network.addr());
        } else if !self.networks.contains(&network) {
            self.networks.push(network);
        }
    }

    /// Reads the lists that are named, relative to the directory of the case file. `shown` is the case file in errors.
    pub(super) fn read_lists(&mut self, directory: &Path, shown: &str) -> Result<(), CaseError> {
        let mut lists = std::mem::take(&mut self.lists);
        for list in &mut lists {
            let path = directory.join(&list.path);
            let wrong = |message: String| CaseError::Value {
                path: shown.to_owned(),
                line: list.line,
                what: "files".to_owned(),
                message: format!("{}: {message}", path.display()),
            };
            let bytes = std::fs::read(&path).map_err(|error| wrong(format!("{error}; check that it may be read")))?;
            let listed = lists::read(&bytes).map_err(wrong)?;
            (list.addresses, list.names, list.words) = (listed.networks.len(), listed.names.len(), listed.words.len());
            (list.path, list.bytes, list.unused) = (path, bytes, listed.unused);
            listed.networks.into_iter().for_each(|network| self.add_network(network));
            self.names.extend(listed.names);
            self.words.extend(listed.words);
        }
        self.lists = lists;
        Ok(())
    }

    /// The files that were named.
    pub fn lists(&self) -> &[IndicatorList] {
        &self.lists
    }

    /// Whether an address is listed, or lies in a network that is.
    pub fn knows_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a name is listed, or lies below one that is.
    pub fn knows_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let above = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
        std::iter::once(name.as_str()).chain(above).any(|name| self.names.contains(name))
    }

    /// Whether a wallet, key or fingerprint is listed.
    pub fn knows_word(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// The first listed wallet, key or fingerprint that stands in a text.
    pub fn word_in(&self, text: &str) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|listed| text.contains(listed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::CaseFile;

    #[test]
    fn what_is_listed_is_known() {
        let text = "[intel]\naddresses = [\"198.51.100.0/24\"]\nnames = [\"*.pool.example\"]\n\
                    words = [\"SHA256:0123456789abcdef\"]\n";
        let intel = CaseFile::parse(text, "case.toml").unwrap().intel.unwrap();
        assert!(intel.knows_address("198.51.100.20".parse().unwrap()));
        assert!(!intel.knows_address("198.51.101.20".parse().unwrap()));
        assert!(intel.knows_name("eu.Pool.example") && intel.knows_name("pool.example"));
        assert!(!intel.knows_name("whirlpool.example"), "another name that ends alike");
        assert_eq!(intel.word_in("ssh-add # SHA256:0123456789abcdef"), Some("SHA256:0123456789abcdef"));
        assert_eq!(CaseFile::parse("", "case.toml").unwrap().intel, None, "nothing is said");
    }

    #[test]
    fn what_would_be_met_by_accident_is_refused() {
        let of = |text: &str| CaseFile::parse(&format!("[intel]\n{text}\n"), "case.toml").unwrap_err().to_string();
        assert!(of("words = [\"short\"]").contains("too short"));
        assert!(of("names = [\"localhost\"]").contains("is no host name"));
    }

    #[test]
    fn files_lie_beside_the_case_file_and_are_no_evidence() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("case.toml");
        std::fs::write(&path, "[intel]\nnames = [\"a.example\"]\nfiles = [\"iocs.txt\"]\n").unwrap();
        let missing = CaseFile::load(&path).unwrap_err().to_string();
        assert!(missing.contains("case.toml:3: files:") && missing.contains("iocs.txt"), "{missing}");
        std::fs::write(directory.path().join("iocs.txt"), "203.0.113.66\n198.51.100.0/24\nb.example\nx\n").unwrap();
        let case = CaseFile::load(&path).unwrap();
        let intel = case.intel.as_ref().unwrap();
        assert!(["203.0.113.66", "198.51.100.9"].iter().all(|ip| intel.knows_address(ip.parse().unwrap())));
        assert!(intel.knows_name("x.b.example") && intel.knows_name("a.example"));
        let said = intel.lists()[0].words();
        let counted = "addresses 2, names 1, words 0; not used: line (neither address, name nor word) 1";
        assert!(said.ends_with(counted), "{said}");
        assert!(case.is_case_file(&directory.path().join("iocs.txt")));
        assert!(!case.is_case_file(&directory.path().join("other.txt")));
    }
}
