//! Which behaviour the words of a sensor name: its signature, category or application, never what it merely quotes.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::model::Behaviour;

/// Words of vendors, in lower case. Alibaba Cloud Firewall: "Mining Behavior", 挖矿 (the Chinese name may be the only
/// one). Emerging Threats: "ET COINMINER", "CoinMiner", "Cryptocurrency Miner". PAN-OS: applications "bitcoin",
/// "stratum-mining", category "cryptocurrency"; FortiGuard "Bitcoin", "Cryptocurrency.Miner"; Zscaler "Cryptomining".
const WORDS: [(&str, Behaviour); 46] = [
    ("mining behavior", Behaviour::Mining),
    ("mining behaviour", Behaviour::Mining),
    ("挖矿", Behaviour::Mining),
    ("coinminer", Behaviour::Mining),
    ("coin miner", Behaviour::Mining),
    ("coin-miner", Behaviour::Mining),
    ("coinmining", Behaviour::Mining),
    ("coin mining", Behaviour::Mining),
    ("cryptominer", Behaviour::Mining),
    ("crypto miner", Behaviour::Mining),
    ("crypto-miner", Behaviour::Mining),
    ("cryptomining", Behaviour::Mining),
    ("crypto mining", Behaviour::Mining),
    ("crypto-mining", Behaviour::Mining),
    ("cryptojack", Behaviour::Mining),
    ("cryptocurrency min", Behaviour::Mining),
    ("cryptocurrency.min", Behaviour::Mining),
    ("cryptocurrency", Behaviour::Mining),
    ("bitcoin", Behaviour::Mining),
    ("monero", Behaviour::Mining),
    ("xmrig", Behaviour::Mining),
    ("coinhive", Behaviour::Mining),
    ("stratum-mining", Behaviour::Mining),
    ("stratum protocol", Behaviour::Mining),
    ("nicehash", Behaviour::Mining),
    ("minergate", Behaviour::Mining),
    ("ethermine", Behaviour::Mining),
    ("cryptonight", Behaviour::Mining),
    ("miner pool", Behaviour::Mining),
    ("mining pool", Behaviour::Mining),
    ("reverse ssh", Behaviour::Tunnel),
    ("ssh tunnel", Behaviour::Tunnel),
    ("ssh-tunnel", Behaviour::Tunnel),
    ("dns tunnel", Behaviour::Tunnel),
    ("dns-tunnel", Behaviour::Tunnel),
    ("icmp tunnel", Behaviour::Tunnel),
    ("icmp-tunnel", Behaviour::Tunnel),
    ("tcp-over-dns", Behaviour::Tunnel),
    ("reverse tunnel", Behaviour::Tunnel),
    ("ngrok", Behaviour::Tunnel),
    ("reverse shell", Behaviour::Tunnel),
    ("proxy avoidance", Behaviour::Tunnel),
    ("port scan", Behaviour::Probing),
    ("portscan", Behaviour::Probing),
    ("port_scan", Behaviour::Probing),
    ("network scan", Behaviour::Probing),
];

static SEEKER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(WORDS.iter().map(|(word, _)| word))
        .ok()
});

/// The behaviour that the words name first; `None` if they name none.
pub(crate) fn behaviour(words: &str) -> Option<Behaviour> {
    let found = SEEKER.as_ref()?.find(words)?;
    WORDS.get(found.pattern().as_usize()).map(|(_, behaviour)| *behaviour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_vendors() {
        for (words, expected) in [
            ("Mining Behavior", Some(Behaviour::Mining)),
            ("主机存在挖矿行为", Some(Behaviour::Mining)),
            ("ET COINMINER XMRig Activity", Some(Behaviour::Mining)),
            ("Cryptocurrency.Miner", Some(Behaviour::Mining)),
            ("ET SCAN Potential SSH Scan / portscan", Some(Behaviour::Probing)),
            ("Proxy Avoidance", Some(Behaviour::Tunnel)),
            ("Data Mining Association", None),
            ("Detect outbound connections to common miner pool ports", Some(Behaviour::Mining)),
            ("web-browsing", None),
            ("", None),
        ] {
            assert_eq!(behaviour(words), expected, "{words}");
        }
    }
}
