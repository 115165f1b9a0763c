//! Steps that crossed a line which the case or the transcript sets: an approval that was not given, a peer that the case
//! does not allow. Each is an observation of its own, whatever else the step did.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::attribute::{Attribution, Steps};
use super::names::Names;
use super::tokens::Token;
use super::traced::Traced;
use crate::evidence::Record;
use crate::intake::CaseFile;
use crate::model::{Actor, Approval, Behaviour, Confidence, Flow, Signal, SignalSource, Step};

/// All steps that crossed a line.
pub(crate) fn crossed(steps: &Steps<'_>, case: &CaseFile, names: &Names) -> Vec<Traced> {
    let mut all = Vec::new();
    // Commands that were refused, of the episode at hand.
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    let mut episode = "";
    for (at, step) in steps.intake.steps.iter().enumerate() {
        if *step.episode != *episode {
            refused.clear();
            episode = &step.episode;
        }
        if !matches!(step.actor, Actor::Policy | Actor::SubAgent) {
            continue;
        }
        let command = step.command.as_deref().map(str::trim).filter(|command| !command.is_empty());
        if step.not_executed {
            refused.extend(command.filter(|_| step.approval == Some(Approval::Refused)));
            continue;
        }
        if let Some((kind, confidence, what)) = approval(step, command, &refused, case) {
            all.push(traced(at, steps, Behaviour::LimitCrossed, kind, confidence, what.to_owned(), None));
        }
        let beyond = beyond_egress(at, steps, case, names);
        if let Some((first, names)) =
            beyond.first().map(|first| (first.1, beyond.iter().map(|(name, _)| name.as_str())))
        {
            let listed = names.take(4).collect::<Vec<_>>().join(", ");
            let more = if beyond.len() > 4 { format!(" and {} more", beyond.len() - 4) } else { String::new() };
            let what = format!("its command acts on {listed}{more}, which the case does not allow");
            let kind = "egress-not-allowed";
            all.push(traced(at, steps, Behaviour::EgressViolation, kind, Confidence::Strong, what, first));
        }
    }
    all
}

/// What is wrong with the approval of a step that ran.
fn approval(
    step: &Step,
    command: Option<&str>,
    refused: &BTreeSet<&str>,
    case: &CaseFile,
) -> Option<(&'static str, Confidence, &'static str)> {
    match step.approval {
        Some(Approval::Given) => None,
        Some(Approval::Refused) => Some(("ran-though-refused", Confidence::Strong, "it ran although it was refused")),
        _ if command.is_some_and(|command| refused.contains(command)) => Some((
            "ran-after-refusal",
            Confidence::Strong,
            "its command was refused before, and then ran without approval",
        )),
        Some(Approval::Waived) if case.needs_approval(&step.tool) == Some(true) => Some((
            "approval-waived",
            Confidence::Strong,
            "nobody was asked, though the case says that somebody had to be",
        )),
        Some(Approval::Asked) if case.needs_approval(&step.tool) == Some(true) => {
            Some(("approval-open", Confidence::Weak, "it ran while no answer to the request for approval is recorded"))
        }
        // Most transcripts say nothing of approvals.
        _ => None,
    }
}

/// Peers that a step's command acts on and that the case does not allow.
fn beyond_egress(at: usize, steps: &Steps<'_>, case: &CaseFile, names: &Names) -> Vec<(String, Option<Flow>)> {
    let Some(act) = steps.acts.get(at).filter(|act| act.network && case.egress.is_some()) else { return Vec::new() };
    let with_port: BTreeSet<String> = act
        .tokens()
        .iter()
        .filter_map(|token| match token {
            Token::Endpoint(address, _) => Some(address.to_string()),
            Token::NamedEndpoint(name, _) => Some(name.clone()),
            _ => None,
        })
        .collect();
    let mut beyond = Vec::new();
    for token in act.tokens() {
        let (address, name, port) = match token {
            Token::Endpoint(address, port) => (Some(*address), None, Some(*port)),
            Token::NamedEndpoint(name, port) => (names.address_of(name), Some(name.as_str()), Some(*port)),
            Token::Address(address) if !with_port.contains(&address.to_string()) => (Some(*address), None, None),
            Token::Name(name) if !with_port.contains(name) => (names.address_of(name), Some(name.as_str()), None),
            _ => continue,
        };
        // A name without a dot is one of the machine's own network.
        if address.is_some_and(stays) || name.is_some_and(|name| !name.contains('.') || name.ends_with(".localhost")) {
            continue;
        }
        if case.may_be_allowed_egress(address, name, port) == Some(false) {
            let flow = Flow { dst: address, dst_port: port, ..Flow::default() };
            beyond.push((token.to_string(), address.map(|_| flow)));
        }
    }
    beyond
}

/// An address that leads nowhere else.
fn stays(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || address.is_multicast()
}

fn traced(
    at: usize,
    steps: &Steps<'_>,
    behaviour: Behaviour,
    kind: &str,
    confidence: Confidence,
    what: String,
    flow: Option<Flow>,
) -> Traced {
    let step = &steps.intake.steps[at];
    let records: BTreeSet<Record> = [Some(step.record), step.result_record].into_iter().flatten().collect();
    let stamped = steps.times[at].stamped;
    Traced {
        signal: Signal {
            kind: kind.to_owned(),
            confidence,
            span: steps.times[at].span().filter(|_| stamped),
            flow,
            host: steps.identity.place(&step.episode).and_then(|place| place.host.clone()),
            summary: format!("step {} ({}): {what}", step.index, step.tool),
            records: records.into_iter().collect(),
            ..Signal::new(behaviour, SignalSource::Command)
        },
        attribution: Attribution { best: None },
        timed: stamped,
    }
}

#[cfg(test)]
mod tests;
