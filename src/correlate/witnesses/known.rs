//! What of an event others have met: in the case's list of known indicators, or on other hosts of the case.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Witnesses;
use crate::correlate::attribute::{Attributed, Steps};
use crate::correlate::rivals::Seen;
use crate::correlate::tokens::Token;
use crate::model::{Flow, mask, wallet};

/// Wallets that went over the wire: by opener, peer and port, and who sent each.
pub(super) struct Wallets<'a> {
    by_flow: BTreeMap<Flow, BTreeSet<&'a str>>,
    senders: BTreeMap<&'a str, BTreeSet<IpAddr>>,
}

impl<'a> Wallets<'a> {
    pub(super) fn new(steps: &Steps<'a>) -> Self {
        let mut wallets = Wallets { by_flow: BTreeMap::new(), senders: BTreeMap::new() };
        for fact in &steps.intake.facts.mining {
            let flow = Flow { src_port: None, ..fact.flow };
            let Some(login) = fact.mining.login.as_ref().map(|login| login.reveal()) else { continue };
            for wallet in wallet::find(login).into_iter().filter_map(|range| login.get(range)) {
                wallets.by_flow.entry(flow).or_default().insert(wallet);
                wallets.senders.entry(wallet).or_default().extend(flow.src);
            }
        }
        wallets
    }
}

impl Witnesses<'_> {
    /// Whether a wallet, key, name or address of a group of signals is known from elsewhere, and how. Lists are never
    /// complete; without one, and without another sender, it stays open.
    pub(super) fn known_elsewhere(
        &self,
        step: Option<&Attributed>,
        shown: &BTreeSet<Token>,
        peers: &BTreeSet<Flow>,
    ) -> (Seen, Option<String>) {
        let wallets: BTreeSet<&str> =
            peers.iter().filter_map(|flow| self.wallets.by_flow.get(flow)).flatten().copied().collect();
        let found = self.listed(step, shown, &wallets).or_else(|| self.sent_by_others(&wallets, peers));
        match found {
            Some(words) => (Seen::Yes, Some(words)),
            None => (Seen::of(self.case.intel.is_some(), false), None),
        }
    }

    fn listed(&self, step: Option<&Attributed>, shown: &BTreeSet<Token>, wallets: &BTreeSet<&str>) -> Option<String> {
        let intel = self.case.intel.as_ref()?;
        let stands = |what: String| Some(format!("{what} stands in the case's list of known indicators"));
        for token in shown {
            match token {
                Token::Address(address) if intel.knows_address(*address) => return stands(address.to_string()),
                Token::Name(name) if intel.knows_name(name) => return stands(name.clone()),
                _ => {}
            }
        }
        if let Some(wallet) = wallets.iter().find(|wallet| intel.knows_word(wallet)) {
            return stands(format!("the wallet {}", mask(wallet)));
        }
        let written = &self.steps.intake.steps.get(step?.step)?.arguments;
        let word = intel.word_in(written)?;
        stands(format!("{}, which the command has,", mask(word)))
    }

    /// Hosts on which agents run may have one policy: only others are told apart by it.
    fn sent_by_others(&self, wallets: &BTreeSet<&str>, peers: &BTreeSet<Flow>) -> Option<String> {
        let identity = self.steps.identity;
        if !identity.knows_agents() {
            return None;
        }
        wallets.iter().find_map(|wallet| {
            let own = |src: &IpAddr| peers.iter().any(|flow| flow.src == Some(*src));
            let other = self.wallets.senders.get(wallet)?.iter().find(|src| !own(src) && !identity.is_agent(**src))?;
            Some(format!("{other}, on which no agent is known to run, mines for the same wallet {}", mask(wallet)))
        })
    }
}
