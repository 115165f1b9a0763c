//! What others have met and the responder knows of: addresses, names, wallets and keys.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::grammar::network;
use super::{CaseError, Reader};

/// Shorter words stand in many commands by accident.
const SHORTEST_WORD: usize = 16;

/// Known indicators (`[intel]`), from whatever list the responder trusts. No list is complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intel {
    networks: Vec<IpNet>,
    /// In lower case.
    names: Vec<String>,
    /// Wallets, keys and their fingerprints, as they are written.
    words: Vec<String>,
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
}

pub(super) fn intel(raw: RawIntel, reader: &Reader<'_>) -> Result<Intel, CaseError> {
    let networks = raw.addresses.iter().map(|address| reader.value("addresses", address, network));
    let names = raw.names.iter().map(|name| reader.value("names", name, name_of));
    let words = raw.words.iter().map(|word| reader.value("words", word, word_of));
    Ok(Intel {
        networks: networks.collect::<Result<_, _>>()?,
        names: names.collect::<Result<_, _>>()?,
        words: words.collect::<Result<_, _>>()?,
    })
}

fn name_of(text: &str) -> Result<String, String> {
    let name = text.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
    let is_name = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_name { Ok(name) } else { Err(format!("{text:?} is no host name such as pool.example")) }
}

fn word_of(text: &str) -> Result<String, String> {
    let word = text.trim();
    if word.len() < SHORTEST_WORD {
        return Err(format!(
            "{text:?} is too short: wallets, keys and fingerprints have {SHORTEST_WORD} letters or more"
        ));
    }
    Ok(word.to_owned())
}

impl Intel {
    /// Whether an address is listed, or lies in a network that is.
    pub fn knows_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a name is listed, or lies below one that is.
    pub fn knows_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let below = |listed: &str| name.strip_suffix(listed).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.names.iter().any(|listed| below(listed))
    }

    /// Whether a wallet, key or fingerprint is listed.
    pub fn knows_word(&self, word: &str) -> bool {
        self.words.iter().any(|listed| listed == word)
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
}
