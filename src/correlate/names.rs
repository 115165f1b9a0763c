//! Which names belong to which addresses, by DNS answers, by what was spoken on connections, and by what tools
//! printed when they resolved a name.

mod repeated;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::acts::Act;
use super::tokens::Token;
use crate::intake::{Facts, Intake};

/// Names and addresses that belong together as far as the evidence says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    of: BTreeMap<IpAddr, BTreeSet<String>>,
    /// The lowest address of every name.
    lowest: BTreeMap<String, IpAddr>,
    /// Names that repetition alone ties to their address.
    repeated: usize,
}

impl Names {
    /// From DNS answers (with their aliases), TLS server names and HTTP hosts, and resolutions printed by tools.
    pub(crate) fn new(facts: &Facts, printed: impl IntoIterator<Item = (String, IpAddr)>) -> Self {
        let mut names = Names::default();
        for fact in &facts.dns {
            names.add(fact.address, &fact.name);
        }
        for fact in &facts.names {
            // A Host that is an address names nothing.
            if let (Some(dst), Err(_)) = (fact.flow.dst, fact.name.parse::<IpAddr>()) {
                names.add(dst, &fact.name);
            }
        }
        for (name, address) in printed {
            names.add(address, &name.trim_end_matches('.').to_ascii_lowercase());
        }
        names
    }

    /// Adds what follows from repetition for names that nothing resolves. `acts[i]` belongs to `intake.steps[i]`.
    pub(crate) fn learn(mut self, intake: &Intake, acts: &[Act]) -> Self {
        let found = repeated::by_repetition(intake, acts, &self);
        self.repeated = found.len();
        for (name, address) in found {
            self.add(address, &name);
        }
        self
    }

    /// How many names are tied to addresses by repetition alone.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    fn add(&mut self, address: IpAddr, name: &str) {
        if !name.is_empty() {
            self.of.entry(address).or_default().insert(name.to_owned());
            match self.lowest.get_mut(name) {
                Some(lowest) => *lowest = address.min(*lowest),
                None => drop(self.lowest.insert(name.to_owned(), address)),
            }
        }
    }

    /// The names of an address, sorted.
    pub(crate) fn of(&self, address: IpAddr) -> Vec<String> {
        self.of.get(&address).map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether the address has a name.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.of.contains_key(&address)
    }

    /// Whether any address of the name is known.
    pub(crate) fn is_resolved(&self, name: &str) -> bool {
        self.lowest.contains_key(name)
    }

    /// An address of the name, the lowest of several.
    pub(crate) fn address_of(&self, name: &str) -> Option<IpAddr> {
        self.lowest.get(name).copied()
    }

    /// As [`Names::tokens`]; a peer without a name might also be one that a command named and nothing resolves.
    pub(crate) fn shown(&self, address: Option<IpAddr>, port: Option<u16>) -> BTreeSet<Token> {
        let mut tokens = self.tokens(address, port);
        if let (Some(address), Some(port)) = (address, port)
            && !self.has(address)
        {
            tokens.insert(Token::UnresolvedPort(port));
        }
        tokens
    }

    /// Everything by which a command could have named this peer.
    pub(crate) fn tokens(&self, address: Option<IpAddr>, port: Option<u16>) -> BTreeSet<Token> {
        let mut tokens = BTreeSet::new();
        let Some(address) = address else { return tokens };
        tokens.insert(Token::Address(address));
        tokens.extend(port.map(|port| Token::Endpoint(address, port)));
        for name in self.of.get(&address).into_iter().flatten() {
            tokens.insert(Token::Name(name.clone()));
            tokens.extend(port.map(|port| Token::NamedEndpoint(name.clone(), port)));
        }
        tokens
    }
}

#[cfg(test)]
mod tests;
