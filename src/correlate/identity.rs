//! Which host an episode ran on, and which addresses are that host's, at which time where DHCP servers tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::acts::Act;
use super::clocks::Clocks;
use super::leases::{Leases, Spell};
use super::names::Names;
use super::tokens::{self, Token};
use crate::intake::{CaseFile, Intake};
use crate::time::Instant;

use ipnet::IpNet;

/// Where an episode ran, and how that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) host: Option<String>,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) basis: String,
    /// When it had those of them that it had for a time; the others it has always.
    spells: Vec<Spell>,
}

impl Place {
    /// As [`Identity::fits_at`], of an episode that ran here.
    pub(crate) fn fits_at(&self, src: Option<IpAddr>, at: Instant) -> Option<bool> {
        let fits = self.fits(src)?;
        Some(fits && src.is_none_or(|src| self.has_at(src, at)))
    }

    /// Whether it has an address of its own at a moment.
    fn has_at(&self, address: IpAddr, at: Instant) -> bool {
        let mut spells = self.spells.iter().filter(|spell| spell.address == address).peekable();
        spells.peek().is_none() || spells.any(|spell| spell.may_cover(at))
    }

    /// The same at any time.
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
    /// Of these, the addresses that agents had for a time: when.
    at_times: BTreeMap<IpAddr, Vec<Spell>>,
    leases: Leases,
}

impl Identity {
    /// Declared facts first; else the host that the transcript names, if the case knows its addresses; else the one
    /// source address whose connections bear out the most distinct commands of the episode, if it stands out. A host
    /// whose addresses the case does not tell has those that DHCP servers gave to its name, while it had them; an address
    /// that several hosts had is several.
    pub(crate) fn new(intake: &Intake, case: &CaseFile, acts: &[Act], names: &Names, clocks: &Clocks) -> Self {
        let mut identity = Identity { leases: Leases::new(&intake.facts, clocks), ..Identity::default() };
        for episode in &intake.episodes {
            let declared = case.run_of(episode.path()).and_then(|run| run.host.as_deref());
            let host = episode.host.clone();
            let addresses = host.as_deref().and_then(|host| case.host(host)).map(|host| host.addresses.clone());
            let basis = match (declared, &host) {
                (Some(_), _) => "declared",
                (None, Some(_)) => "named in the transcript",
                (None, None) => "",
            };
            let mut place =
                Place { host, addresses: addresses.unwrap_or_default(), basis: basis.to_owned(), spells: Vec::new() };
            if let Some(host) = place.host.as_deref().filter(|_| place.addresses.is_empty()) {
                place.spells = identity.leases.of_host(host);
                place.addresses = networks(&place.spells);
                if !place.spells.is_empty() {
                    place.basis.push_str(", its addresses by DHCP leases");
                }
            }
            identity.places.insert(episode.id.clone(), place);
        }
        let unknown = |episode: &str| identity.places.get(episode).is_some_and(|place| place.addresses.is_empty());
        let borne_out = borne_out(intake, acts, names, clocks, (&identity.leases, &unknown));
        for (episode, place) in &mut identity.places {
            if !place.addresses.is_empty() {
                continue;
            }
            let Some(sources) = borne_out.get(episode.as_str()) else { continue };
            let mut ranked: Vec<(usize, Seat)> = sources.iter().map(|(seat, steps)| (steps.len(), *seat)).collect();
            ranked.sort_by(|a, b| b.cmp(a));
            let Some((best, (src, holder))) = ranked.first().copied() else { continue };
            if holder.is_none() && identity.leases.is_parted(src) {
                // Which of its hosts had it then is not known.
                continue;
            }
            let second = ranked.get(1).map_or(0, |(steps, _)| *steps);
            if best > second {
                place.addresses = vec![IpNet::from(src)];
                place.host = place.host.take().or_else(|| case.host_of_address(src).map(|host| host.name.clone()));
                let mut shown = src.to_string();
                if let Some(holder) = holder {
                    place.spells = identity.leases.of_holder(src, holder);
                    let name = identity.leases.shown(holder);
                    shown.push_str(&format!(" while DHCP had leased it to {name}"));
                }
                place.basis = format!("inferred: {best} commands borne out by {shown}, {second} by the next address");
            }
        }
        let placed = identity.places.values().flat_map(|place| place.addresses.iter().copied());
        let declared = case.hosts.iter().filter(|host| host.agent == Some(true));
        let agents: Vec<IpNet> = placed.chain(declared.flat_map(|host| host.addresses.iter().copied())).collect();
        identity.agents = IpNet::aggregate(&agents);
        identity.agents.sort_unstable_by_key(IpNet::network);
        let always = |address: IpAddr| {
            let declared = case.hosts.iter().filter(|host| host.agent == Some(true));
            declared.flat_map(|host| &host.addresses).any(|network| network.contains(&address))
                || identity.places.values().any(|place| {
                    let at_times = place.spells.iter().any(|spell| spell.address == address);
                    !at_times && place.addresses.iter().any(|network| network.contains(&address))
                })
        };
        let mut at_times: BTreeMap<IpAddr, Vec<Spell>> = BTreeMap::new();
        for spell in identity.places.values().flat_map(|place| &place.spells) {
            let spells = at_times.entry(spell.address).or_default();
            if !spells.contains(spell) {
                spells.push(spell.clone());
            }
        }
        at_times.retain(|address, _| !always(*address));
        identity.at_times = at_times;
        identity
    }

    /// What DHCP servers gave out.
    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
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

    /// Whether an agent is known to run on that address at that time.
    pub(crate) fn is_agent_at(&self, address: IpAddr, at: Instant) -> bool {
        let spells = self.at_times.get(&address);
        self.is_agent(address) && spells.is_none_or(|spells| spells.iter().any(|spell| spell.may_cover(at)))
    }

    /// Whether a connection from `src` that began at `at` may come from the episode: `Some(true)` if its host had that
    /// address then, `Some(false)` if its host is known and had not, `None` if nothing is known.
    pub(crate) fn fits_at(&self, episode: &str, src: Option<IpAddr>, at: Instant) -> Option<bool> {
        self.places.get(episode)?.fits_at(src, at)
    }
}

/// An address, and who had it if several hosts did.
type Seat<'a> = (IpAddr, Option<&'a str>);

fn networks(spells: &[Spell]) -> Vec<IpNet> {
    let addresses: BTreeSet<IpAddr> = spells.iter().map(|spell| spell.address).collect();
    addresses.into_iter().map(IpNet::from).collect()
}

/// Per episode of those asked about and source address, the steps with a literal that a conversation from there bears
/// out.
fn borne_out<'a>(
    intake: &'a Intake,
    acts: &[Act],
    names: &Names,
    clocks: &Clocks,
    (leases, asked): (&'a Leases, &dyn Fn(&str) -> bool),
) -> BTreeMap<&'a str, BTreeMap<Seat<'a>, BTreeSet<usize>>> {
    // Only what some command wrote is looked for, and each token once: a log may show any number of strangers.
    let episodes = intake.steps.iter().map(|step| &*step.episode);
    let wanted = |(episode, act): &(&str, &Act)| act.network && !act.tokens().is_empty() && asked(episode);
    let told: Vec<bool> = episodes.zip(acts).map(|one| wanted(&one)).collect();
    let wanted = || acts.iter().enumerate().filter(|(step, _)| told.get(*step) == Some(&true));
    let written: BTreeSet<&Token> = wanted().flat_map(|(_, act)| act.tokens()).collect();
    if written.is_empty() {
        return BTreeMap::new();
    }
    let written_networks = written.iter().any(|token| matches!(token, Token::Network(_)));
    let mut sources: BTreeMap<Token, BTreeSet<Seat<'a>>> = BTreeMap::new();
    for conversation in intake.conversations.iter() {
        let key = conversation.key;
        let Some(src) = key.src else { continue };
        let first = conversation.segments.iter().map(|segment| clocks.align(key.evidence, segment.first));
        let seats: BTreeSet<Seat<'a>> = match leases.is_parted(src) {
            true => first.map(|at| (src, leases.holder(src, at))).collect(),
            false => BTreeSet::from([(src, None)]),
        };
        for token in names.tokens(key.dst, key.dst_port) {
            let counts = written.contains(&token) || written_networks && matches!(token, Token::Address(_));
            if counts {
                sources.entry(token).or_default().extend(&seats);
            }
        }
    }
    let mut found: BTreeMap<&str, BTreeMap<Seat<'a>, BTreeSet<usize>>> = BTreeMap::new();
    for (step, act) in wanted() {
        let literal = act.tokens().iter().filter_map(|token| sources.get(token));
        let inside = tokens::networks(act.tokens())
            .flat_map(|(_, network)| sources.range(tokens::addresses_of(network)).map(|(_, sources)| sources));
        let borne_out_by: BTreeSet<Seat<'a>> = literal.chain(inside).flatten().copied().collect();
        for src in borne_out_by {
            let episode = &*intake.steps[step].episode;
            found.entry(episode).or_default().entry(src).or_default().insert(step);
        }
    }
    found
}

#[cfg(test)]
mod tests;
