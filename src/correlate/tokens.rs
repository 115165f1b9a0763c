//! What a command and a connection can have in common: an address, a name, each with or without a port, a network,
//! a program.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Something that a step wrote and an event shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    Address(IpAddr),
    Endpoint(IpAddr, u16),
    Name(String),
    NamedEndpoint(String, u16),
    /// A network or the prefix of a loop over addresses.
    Network(IpNet),
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
            Token::Program(program) => f.write_str(program),
        }
    }
}

/// The tokens of `written` that `shown` bears out. A network is borne out by any address inside.
pub(crate) fn shared(written: &BTreeSet<Token>, shown: &BTreeSet<Token>) -> BTreeSet<Token> {
    let mut found: BTreeSet<Token> = written.intersection(shown).cloned().collect();
    for token in written {
        if let Token::Network(network) = token {
            let inside = |token: &Token| matches!(token, Token::Address(address) if network.contains(address));
            if shown.iter().any(inside) {
                found.insert(token.clone());
            }
        }
    }
    found
}
