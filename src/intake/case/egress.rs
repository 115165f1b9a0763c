use std::net::IpAddr;

use ipnet::IpNet;

use super::grammar::network;

/// What traffic may leave.
#[derive(Clone, Debug, PartialEq)]
pub struct EgressRule {
    peer: Peer,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
enum Peer {
    Network(IpNet),
    /// This name.
    Domain(String),
    /// Every name below this one, not the name itself.
    Below(String),
}

impl EgressRule {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        const ALLOWED: &str =
            "give an address, a network, a name or *.name, each with :PORT or without, IPv6 with a port in brackets";
        let wrong = || format!("{text:?} is no peer; {ALLOWED}");
        if let Ok(peer) = network(text) {
            return Ok(EgressRule { peer: Peer::Network(peer), port: None });
        }
        let (peer, port) = match text.rsplit_once(':') {
            Some((peer, port)) => (peer, Some(port.parse::<u16>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let bare = peer.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(peer);
        if let Ok(peer) = network(bare) {
            return Ok(EgressRule { peer: Peer::Network(peer), port });
        }
        let name = peer.trim_end_matches('.').to_ascii_lowercase();
        let (below, name) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest.to_owned()),
            None => (false, name),
        };
        let is_label =
            |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        // A last label of digits alone is a mistyped address, not a name (RFC 3696 section 2).
        let numeric = name.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
        if numeric || !name.split('.').all(is_label) {
            return Err(wrong());
        }
        Ok(EgressRule { peer: if below { Peer::Below(name) } else { Peer::Domain(name) }, port })
    }

    pub(super) fn allows(&self, ip: Option<IpAddr>, domain: Option<&str>, port: Option<u16>) -> bool {
        (self.port.is_none() || self.port == port) && self.has_peer(ip, domain)
    }

    /// As [`EgressRule::allows`] where the port is not known.
    pub(super) fn may_allow(&self, ip: Option<IpAddr>, domain: Option<&str>, port: Option<u16>) -> bool {
        (self.port.is_none() || port.is_none() || self.port == port) && self.has_peer(ip, domain)
    }

    /// It allows addresses, not names.
    pub(super) fn is_network(&self) -> bool {
        matches!(self.peer, Peer::Network(_))
    }

    fn has_peer(&self, ip: Option<IpAddr>, domain: Option<&str>) -> bool {
        let domain = domain.map(|domain| domain.trim_end_matches('.').to_ascii_lowercase());
        match &self.peer {
            Peer::Network(network) => ip.is_some_and(|ip| network.contains(&ip)),
            Peer::Domain(name) => domain.as_ref() == Some(name),
            Peer::Below(name) => domain
                .and_then(|domain| domain.strip_suffix(name.as_str()).map(|rest| rest.len() > 1 && rest.ends_with('.')))
                .unwrap_or(false),
        }
    }
}
