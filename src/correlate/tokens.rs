//! What a command and a connection can have in common: an address, a name, each with or without a port, a network,
//! a program.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net};

/// Something that a step wrote and an event shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    Address(IpAddr),
    Endpoint(IpAddr, u16),
    Name(String),
    NamedEndpoint(String, u16),
    /// A network or the prefix of a loop over addresses.
    Network(IpNet),
    /// The port of a peer by a name that nothing in the evidence resolves.
    UnresolvedPort(u16),
    /// Base name of a program that was run, or that was seen on a GPU.
    Program(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Address(address) => write!(f, "{address}"),
            Token::Endpoint(address, port) => write!(f, "{}", std::net::SocketAddr::new(*address, *port)),
            Token::Name(name) => f.write_str(name),
            Token::NamedEndpoint(name, port) => write!(f, "{name}:{port}"),
            Token::Network(network) => write!(f, "{network}"),
            Token::UnresolvedPort(port) => write!(f, "port {port} of a name that nothing resolves"),
            Token::Program(program) => f.write_str(program),
        }
    }
}

impl Token {
    /// How much a token tells a reader: a name with its port most.
    pub(crate) fn particularity(&self) -> u8 {
        match self {
            Token::NamedEndpoint(..) => 6,
            Token::Endpoint(..) => 5,
            Token::Name(_) => 4,
            Token::Address(_) => 3,
            Token::Network(_) => 2,
            Token::UnresolvedPort(_) => 1,
            Token::Program(_) => 0,
        }
    }
}

/// Networks stand together in a sorted set: this is where they begin ...
const FIRST_NETWORK: Token = Token::Network(IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)));
/// ... and this is what comes next.
const AFTER_NETWORKS: Token = Token::UnresolvedPort(0);

/// The networks among tokens.
pub(crate) fn networks(written: &BTreeSet<Token>) -> impl Iterator<Item = (&Token, &IpNet)> {
    written.range(FIRST_NETWORK..AFTER_NETWORKS).filter_map(|token| match token {
        Token::Network(network) => Some((token, network)),
        _ => None,
    })
}

/// Where the addresses of a network stand among sorted tokens.
pub(crate) fn addresses_of(network: &IpNet) -> RangeInclusive<Token> {
    Token::Address(network.network())..=Token::Address(network.broadcast())
}

/// The tokens of `written` that `shown` bears out. A network is borne out by any address inside.
pub(crate) fn shared(written: &BTreeSet<Token>, shown: &BTreeSet<Token>) -> BTreeSet<Token> {
    let mut found: BTreeSet<Token> = written.intersection(shown).cloned().collect();
    for (token, network) in networks(written) {
        if shown.range(addresses_of(network)).next().is_some() {
            found.insert(token.clone());
        }
    }
    found
}

/// Whether `shown` bears out any token of `written`.
pub(crate) fn any_shared(written: &BTreeSet<Token>, shown: &BTreeSet<Token>) -> bool {
    written.intersection(shown).next().is_some()
        || networks(written).any(|(_, network)| shown.range(addresses_of(network)).next().is_some())
}

/// What any step wrote: a log may show any number of peers that no step names.
pub(crate) struct Written<'a> {
    tokens: BTreeSet<&'a Token>,
    /// Disjoint, ascending.
    networks: Vec<IpNet>,
}

impl<'a> Written<'a> {
    pub(crate) fn of(all: impl Iterator<Item = &'a BTreeSet<Token>>) -> Self {
        let tokens: BTreeSet<&Token> = all.flatten().collect();
        let written: Vec<IpNet> = tokens
            .range::<Token, _>(FIRST_NETWORK..AFTER_NETWORKS)
            .filter_map(|token| if let Token::Network(network) = token { Some(*network) } else { None })
            .collect();
        let mut networks = IpNet::aggregate(&written);
        networks.sort_unstable_by_key(IpNet::network);
        Written { tokens, networks }
    }

    /// Whether a peer without a name is known to no step: most of what a large log shows.
    pub(crate) fn is_stranger(&self, address: IpAddr, port: Option<u16>) -> bool {
        let endpoint = port.map(|port| Token::Endpoint(address, port));
        !self.asks_for(&Token::Address(address)) && !endpoint.is_some_and(|endpoint| self.asks_for(&endpoint))
    }

    /// Whether it matters that an event shows a token: the port of a peer without a name does, whoever wrote it.
    pub(crate) fn counts(&self, shown: &Token) -> bool {
        matches!(shown, Token::UnresolvedPort(_)) || self.asks_for(shown)
    }

    /// Whether a token that is shown could be shared with some step. O(log of what was written).
    pub(crate) fn asks_for(&self, shown: &Token) -> bool {
        self.tokens.contains(shown)
            || match shown {
                Token::Address(address) => {
                    let behind = self.networks.partition_point(|network| network.network() <= *address);
                    let network = behind.checked_sub(1).and_then(|at| self.networks.get(at));
                    network.is_some_and(|network| network.contains(address))
                }
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests;
