//! Who had which address when, by what DHCP servers gave out.
//!
//! An address is a host's from a lease until it is given back, given to another, or not renewed for [`LONGEST_NS`]: logs
//! do not state how long a lease is. Before the first lease that is seen nothing is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::clocks::Clocks;
use crate::intake::Facts;
use crate::time::{Instant, SECOND};

/// The longest default of common servers: eight days (Windows Server); dhcpd's is twelve hours, dnsmasq's one.
const LONGEST_NS: i64 = 8 * 86_400 * SECOND;

/// A stretch of time in which one host had an address, on the reference clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spell {
    pub(crate) address: IpAddr,
    /// Hardware address.
    hardware: String,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// How far off both may be either way, in nanoseconds.
    slack_ns: i64,
}

impl Spell {
    /// Whether it may cover a moment, as far as the server's clock tells.
    pub(crate) fn may_cover(&self, at: Instant) -> bool {
        self.from.plus(-self.slack_ns) <= at && at < self.until.plus(self.slack_ns)
    }
}

/// All that DHCP servers gave out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    /// By address, in order of time, not overlapping.
    spells: BTreeMap<IpAddr, Vec<Spell>>,
    /// The last name that each hardware address gave itself.
    names: BTreeMap<String, String>,
}

impl Leases {
    pub(crate) fn new(facts: &Facts, clocks: &Clocks) -> Self {
        let mut leases = Leases::default();
        let mut told: Vec<_> = facts
            .leases
            .iter()
            .filter_map(|fact| {
                let evidence = fact.record.evidence;
                let span = fact.span.filter(|span| span.basis.is_dated() || clocks.is_tied(evidence, span.lo))?;
                Some((clocks.align(evidence, span.lo), fact))
            })
            .collect();
        told.sort_by_key(|(at, fact)| (*at, fact.record));
        for (at, fact) in told {
            if let Some(name) = &fact.name {
                leases.names.insert(fact.hardware.clone(), name.to_ascii_lowercase());
            }
            let slack_ns = clocks.slack_on_reference_ns(fact.record.evidence, at);
            let spells = leases.spells.entry(fact.address).or_default();
            match spells.last_mut().filter(|last| last.until >= at) {
                Some(last) if last.hardware == fact.hardware => {
                    last.until = if fact.ended { at } else { at.plus(LONGEST_NS) };
                    continue;
                }
                // A host that gives back what it no longer has ends nothing.
                Some(last) if !fact.ended => last.until = at,
                _ => {}
            }
            if !fact.ended {
                let (address, hardware) = (fact.address, fact.hardware.clone());
                spells.push(Spell { address, hardware, from: at, until: at.plus(LONGEST_NS), slack_ns });
            }
        }
        leases
    }

    /// When the host of that name had which address. A name may be written with its domain or without.
    pub(crate) fn of_host(&self, name: &str) -> Vec<Spell> {
        let label = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
        let is_it = |spell: &&Spell| self.names.get(&spell.hardware).is_some_and(|own| label(own) == label(name));
        self.spells.values().flatten().filter(is_it).cloned().collect()
    }

    /// Whether several hosts had an address.
    pub(crate) fn is_parted(&self, address: IpAddr) -> bool {
        self.spells.get(&address).is_some_and(|spells| holders(spells).len() > 1)
    }

    /// The hardware address of who had an address at a moment.
    pub(crate) fn holder(&self, address: IpAddr, at: Instant) -> Option<&str> {
        let spells = self.spells.get(&address)?;
        let begun = spells.partition_point(|spell| spell.from <= at);
        let spell = spells.get(begun.checked_sub(1)?).filter(|spell| at < spell.until)?;
        Some(&spell.hardware)
    }

    /// When a holder had an address.
    pub(crate) fn of_holder(&self, address: IpAddr, hardware: &str) -> Vec<Spell> {
        let spells = self.spells.get(&address).into_iter().flatten();
        spells.filter(|spell| spell.hardware == hardware).cloned().collect()
    }

    /// The name of a holder, else its hardware address.
    pub(crate) fn shown<'a>(&'a self, hardware: &'a str) -> &'a str {
        self.names.get(hardware).map_or(hardware, String::as_str)
    }

    /// What a reader has to know of an address that several hosts had.
    pub(crate) fn limit(&self, address: IpAddr) -> Option<String> {
        let spells = self.spells.get(&address)?;
        let holders = holders(spells);
        if holders.len() < 2 {
            return None;
        }
        let mut seen = BTreeSet::new();
        let first = spells.iter().filter(|spell| seen.insert(&spell.hardware));
        let listed: Vec<String> =
            first.take(4).map(|spell| format!("{} (first at {})", self.shown(&spell.hardware), spell.from)).collect();
        let more = holders.len().saturating_sub(listed.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!(
            "{address} was leased to {} hosts: {}{more}; which of them it was is told by the lease at the time alone",
            holders.len(),
            listed.join(", ")
        ))
    }
}

fn holders(spells: &[Spell]) -> BTreeSet<&str> {
    spells.iter().map(|spell| spell.hardware.as_str()).collect()
}

#[cfg(test)]
mod tests;
