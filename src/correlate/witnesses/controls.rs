//! How often benign commands name a peer, by what they call and by coincidence.

use std::collections::{BTreeMap, BTreeSet};

use crate::correlate::attribute::Steps;
use crate::correlate::events::Event;
use crate::correlate::rivals::Naming;
use crate::correlate::tokens::{self, Token};
use crate::correlate::traffic::Traffic;
use crate::time::SECOND;

/// Counts over the benign steps of the case: those that meet no rule.
pub(super) struct Controls<'a> {
    commands: u64,
    /// In how many of them each token stands.
    with: BTreeMap<&'a Token, u64>,
    /// Calls during which a connection of their host began, and those of them that name its peer.
    calls: u64,
    literal: u64,
}

impl<'a> Controls<'a> {
    /// `traffic` are the connections that agents may have opened.
    pub(super) fn new(steps: &Steps<'a>, traffic: &Traffic<'_>) -> Self {
        let mut controls = Controls { commands: 0, with: BTreeMap::new(), calls: 0, literal: 0 };
        let widest = traffic.events().iter().map(|event| event.slack_ns).max().unwrap_or(0);
        for ((step, act), time) in steps.intake.steps.iter().zip(steps.acts).zip(steps.times) {
            if act.is_suspect() {
                continue;
            }
            if step.command.is_some() {
                controls.commands += 1;
                for token in act.tokens() {
                    *controls.with.entry(token).or_insert(0) += 1;
                }
            }
            let (Some(start), Some(end)) = (time.start, time.end) else { continue };
            if !act.network || step.not_executed || !time.stamped {
                continue;
            }
            let reach = time.slack_ns.saturating_add(widest).min(60 * SECOND);
            let theirs = |event: &Event<'_>| {
                let slack = event.slack_ns.saturating_add(time.slack_ns);
                let during = event.at >= start.plus(-slack) && event.at <= end.plus(slack);
                let agents = !steps.identity.knows_agents()
                    || event.src.is_some_and(|src| steps.identity.is_agent_at(src, event.at));
                event.timed && during && agents
            };
            let place = steps.identity.place(&step.episode);
            let here = traffic.of_place(place, start.plus(-reach), end.plus(reach));
            let mut here = here.into_iter().filter(theirs).peekable();
            controls.calls += u64::from(here.peek().is_some());
            controls.literal += u64::from(here.any(|event| tokens::any_shared(act.tokens(), event.tokens)));
        }
        controls
    }

    /// The counts for what a step shares with an event; `None` without a step, or where all that they share is the port
    /// of a name that nothing resolves, which other counts weigh.
    pub(super) fn naming(&self, shared: Option<&BTreeSet<Token>>) -> Option<Naming> {
        let named = |token: &&Token| !matches!(token, Token::UnresolvedPort(_));
        let with = shared.into_iter().flatten().filter(named);
        let with = with.map(|token| self.with.get(token).copied().unwrap_or(0)).min();
        if with.is_none() && shared.is_some_and(|shared| !shared.is_empty()) {
            return None;
        }
        let (distinct, total): (usize, u64) = (self.with.len().max(1), self.with.values().sum());
        let coincidence = (total as f64 / distinct as f64 + 0.5) / (self.commands as f64 + 1.0);
        Some(Naming { with, commands: self.commands, coincidence, calls: self.calls, literal: self.literal })
    }
}
