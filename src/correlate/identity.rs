//! Which host an episode ran on, and which addresses are that host's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::acts::Act;
use super::names::Names;
use super::tokens::{self, Token};
use crate::intake::{CaseFile, Intake};

use ipnet::IpNet;

/// Where an episode ran, and how that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) host: Option<String>,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) basis: String,
}

impl Place {
    /// As [`Identity::fits`], of an episode that ran here.
    pub(crate) fn fits(&self, src: Option<IpAddr>) -> Option<bool> {
        if self.addresses.is_empty() {
            return None;
        }
        let src = src?;
        Some(self.addresses.iter().any(|network| network.contains(&src)))
    }
}

/// Places of all episodes, by episode id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    places: BTreeMap<String, Place>,
    /// Addresses on which agents are known to run: disjoint networks, ascending.
    agents: Vec<IpNet>,
}

impl Identity {
    /// Declared facts first; else the host that the transcript names, if the case knows its addresses; else the one
    /// source address whose connections bear out the most distinct commands of the episode, if it stands out.
    pub(crate) fn new(intake: &Intake, case: &CaseFile, acts: &[Act], names: &Names) -> Self {
        let mut identity = Identity::default();
        for episode in &intake.episodes {
            let declared = case.run_of(episode.path()).and_then(|run| run.host.as_deref());
            let host = episode.host.clone();
            let addresses = host.as_deref().and_then(|host| case.host(host)).map(|host| host.addresses.clone());
            let basis = match (declared, &host) {
                (Some(_), _) => "declared",
                (None, Some(_)) => "named in the transcript",
                (None, None) => "",
            };
            let place = Place { host, addresses: addresses.unwrap_or_default(), basis: basis.to_owned() };
            identity.places.insert(episode.id.clone(), place);
        }
        let unknown = |episode: &str| identity.places.get(episode).is_some_and(|place| place.addresses.is_empty());
        let borne_out = borne_out(intake, acts, names, &unknown);
        for (episode, place) in &mut identity.places {
            if !place.addresses.is_empty() {
                continue;
            }
            let Some(sources) = borne_out.get(episode.as_str()) else { continue };
            let mut ranked: Vec<(usize, IpAddr)> = sources.iter().map(|(src, steps)| (steps.len(), *src)).collect();
            ranked.sort_by(|a, b| b.cmp(a));
            let Some((best, src)) = ranked.first().copied() else { continue };
            let second = ranked.get(1).map_or(0, |(steps, _)| *steps);
            if best > second {
                place.addresses = vec![IpNet::from(src)];
                place.host = place.host.take().or_else(|| case.host_of_address(src).map(|host| host.name.clone()));
                place.basis = format!("inferred: {best} commands borne out by {src}, {second} by the next address");
            }
        }
        let placed = identity.places.values().flat_map(|place| place.addresses.iter().copied());
        let declared = case.hosts.iter().filter(|host| host.agent == Some(true));
        let agents: Vec<IpNet> = placed.chain(declared.flat_map(|host| host.addresses.iter().copied())).collect();
        identity.agents = IpNet::aggregate(&agents);
        identity.agents.sort_unstable_by_key(IpNet::network);
        identity
    }

    /// The place of an episode.
    pub(crate) fn place(&self, episode: &str) -> Option<&Place> {
        self.places.get(episode)
    }

    /// Whether it is known at all on which addresses agents run.
    pub(crate) fn knows_agents(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Whether an agent is known to run on that address. O(log networks): it is asked of every connection.
    pub(crate) fn is_agent(&self, address: IpAddr) -> bool {
        let behind = self.agents.partition_point(|network| network.network() <= address);
        behind.checked_sub(1).and_then(|at| self.agents.get(at)).is_some_and(|network| network.contains(&address))
    }

    /// Whether a connection from `src` may come from the episode: `Some(true)` if its host has that address,
    /// `Some(false)` if its host is known and has not, `None` if nothing is known.
    pub(crate) fn fits(&self, episode: &str, src: Option<IpAddr>) -> Option<bool> {
        self.places.get(episode)?.fits(src)
    }
}

/// Per episode of those asked about and source address, the steps with a literal that a conversation from there bears
/// out.
fn borne_out<'a>(
    intake: &'a Intake,
    acts: &[Act],
    names: &Names,
    asked: &dyn Fn(&str) -> bool,
) -> BTreeMap<&'a str, BTreeMap<IpAddr, BTreeSet<usize>>> {
    // Only what some command wrote is looked for, and each token once: a log may show any number of strangers.
    let episodes = intake.steps.iter().map(|step| step.episode.as_str());
    let wanted = |(episode, act): &(&str, &Act)| act.network && !act.tokens.is_empty() && asked(episode);
    let told: Vec<bool> = episodes.zip(acts).map(|one| wanted(&one)).collect();
    let wanted = || acts.iter().enumerate().filter(|(step, _)| told.get(*step) == Some(&true));
    let written: BTreeSet<&Token> = wanted().flat_map(|(_, act)| &act.tokens).collect();
    if written.is_empty() {
        return BTreeMap::new();
    }
    let written_networks = written.iter().any(|token| matches!(token, Token::Network(_)));
    let mut sources: BTreeMap<Token, BTreeSet<IpAddr>> = BTreeMap::new();
    for conversation in &intake.conversations {
        let key = conversation.key;
        let Some(src) = key.src else { continue };
        for token in names.tokens(key.dst, key.dst_port) {
            let counts = written.contains(&token) || written_networks && matches!(token, Token::Address(_));
            if counts {
                sources.entry(token).or_default().insert(src);
            }
        }
    }
    let mut found: BTreeMap<&str, BTreeMap<IpAddr, BTreeSet<usize>>> = BTreeMap::new();
    for (step, act) in wanted() {
        let literal = act.tokens.iter().filter_map(|token| sources.get(token));
        let inside = tokens::networks(&act.tokens)
            .flat_map(|(_, network)| sources.range(tokens::addresses_of(network)).map(|(_, sources)| sources));
        let borne_out_by: BTreeSet<IpAddr> = literal.chain(inside).flatten().copied().collect();
        for src in borne_out_by {
            let episode = intake.steps[step].episode.as_str();
            found.entry(episode).or_default().entry(src).or_default().insert(step);
        }
    }
    found
}

#[cfg(test)]
mod tests;
