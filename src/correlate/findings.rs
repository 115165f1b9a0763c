//! Signals and steps into findings, and what stays without a step.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{Finding, Judgement, RivalId, StepRef, Strength, Term, UncoveredStep, Unexplained};
use super::attribute::{Attributed, Steps};
use super::clocks::Clocks;
use super::processes::Descent;
use super::rivals::{self, Judged};
use super::tokens::Token;
use super::traced::{LEAST, Traced};
use super::witnesses::Witnesses;
use crate::detect;
use crate::evidence::EvidenceId;
use crate::model::{Behaviour, Confidence, Signal, SignalSource, agentic};
use crate::time::{Instant, SECOND, Span};

/// From this weight on a finding is of level "high".
const HIGH: f64 = 2.0;
/// GPU telemetry within this of network traffic of the same behaviour tells of the same thing, in nanoseconds.
const TOGETHER_NS: i64 = 30 * SECOND;

/// Findings and the rest.
#[derive(Default)]
pub(crate) struct Assembled {
    pub(crate) findings: Vec<Finding>,
    pub(crate) unexplained: Vec<Unexplained>,
}

/// Groups signals by (episode, behaviour) of the step they line up with; what lines up with none is unexplained.
pub(crate) fn assemble(traced: &[Traced], steps: &Steps<'_>, clocks: &Clocks, witnesses: &Witnesses<'_>) -> Assembled {
    let mut groups: BTreeMap<(usize, Behaviour), Vec<usize>> = BTreeMap::new();
    let mut rest: Vec<usize> = Vec::new();
    let episode_of = episode_indices(steps);
    for (index, one) in traced.iter().enumerate() {
        match one.lines_up(witnesses.follows_calls()) {
            Some(best) => groups.entry((episode_of[best.step], one.signal.behaviour)).or_default().push(index),
            None => rest.push(index),
        }
    }
    let corroborated = corroborate(traced, &mut groups, &mut rest);
    let mut assembled = Assembled::default();
    for ((episode, behaviour), members) in &groups {
        assembled.findings.push(finding(*episode, *behaviour, members, traced, steps, clocks, witnesses));
    }
    assembled.findings.sort_by_key(|finding| (finding.first, finding.episode.clone(), finding.behaviour));
    for (number, finding) in assembled.findings.iter_mut().enumerate() {
        finding.id = format!("F-{:04}", number + 1);
    }
    assembled.unexplained = unexplained(traced, &rest, &corroborated, witnesses);
    assembled
}

fn episode_indices(steps: &Steps<'_>) -> Vec<usize> {
    let by_id: BTreeMap<&str, usize> =
        steps.intake.episodes.iter().enumerate().map(|(at, episode)| (episode.id.as_str(), at)).collect();
    steps.intake.steps.iter().map(|step| by_id.get(&*step.episode).copied().unwrap_or(usize::MAX)).collect()
}

/// GPU signals join the traffic of the same behaviour that they coincide with. Gives, for those that join something
/// unexplained, the index of the network signal they join.
fn corroborate(
    traced: &[Traced],
    groups: &mut BTreeMap<(usize, Behaviour), Vec<usize>>,
    rest: &mut Vec<usize>,
) -> BTreeMap<usize, usize> {
    let mut joined = BTreeMap::new();
    let gpu: Vec<usize> = rest.iter().copied().filter(|at| traced[*at].signal.source == SignalSource::Gpu).collect();
    for at in gpu {
        let signal = &traced[at].signal;
        let Some(span) = signal.span.filter(|_| traced[at].timed) else { continue };
        let overlap = |other: usize| -> Option<i64> {
            let other = &traced[other].signal;
            let theirs = other.span.filter(|_| other.source == SignalSource::Network)?;
            let shared = span.hi.min(theirs.hi.plus(TOGETHER_NS)).since(span.lo.max(theirs.lo.plus(-TOGETHER_NS)));
            // What was seen in one poll alone is a moment, and shares none of its length.
            (other.behaviour == signal.behaviour && other.confidence >= Confidence::Strong && shared >= 0)
                .then_some(shared)
        };
        let in_groups = groups
            .iter()
            .flat_map(|(key, members)| members.iter().map(move |member| (Some(*key), *member)))
            .chain(rest.iter().map(|member| (None, *member)));
        let best = in_groups
            .filter_map(|(key, member)| Some((overlap(member)?, std::cmp::Reverse(member), key)))
            .max_by_key(|(shared, member, _)| (*shared, *member));
        match best {
            Some((_, _, Some(key))) => {
                rest.retain(|member| *member != at);
                groups.entry(key).or_default().push(at);
            }
            Some((_, std::cmp::Reverse(member), None)) => drop(joined.insert(at, member)),
            None => {}
        }
    }
    for members in groups.values_mut() {
        members.sort_unstable();
    }
    joined
}

fn finding(
    episode: usize,
    behaviour: Behaviour,
    members: &[usize],
    traced: &[Traced],
    steps: &Steps<'_>,
    clocks: &Clocks,
    witnesses: &Witnesses<'_>,
) -> Finding {
    let named = steps.intake.episodes.get(episode);
    let signals: Vec<&Traced> = members.iter().map(|at| &traced[*at]).collect();
    // One signal speaks for the finding: several sights of one act are not several weights.
    let lines_up: Vec<&Attributed> = signals.iter().filter_map(|one| one.lines_up(witnesses.follows_calls())).collect();
    let strongest = lines_up
        .iter()
        .max_by(|a, b| a.strength.log10_lr.total_cmp(&b.strength.log10_lr).then(b.step.cmp(&a.step)))
        .copied();
    let mut strength = strongest.map(|best| best.strength.clone()).unwrap_or_default();
    if !strength.terms.is_empty() {
        strength.terms.extend(witnesses.descents(&signals).into_iter().map(process_term));
    }
    let step_indices: BTreeSet<usize> = lines_up.iter().map(|best| best.step).collect();
    let spans: Vec<Span> = signals.iter().filter_map(|one| one.signal.span).collect();
    let first = spans.iter().map(|span| span.lo).min();
    let last = spans.iter().map(|span| span.hi).max();
    let observables = witnesses.observe(strongest, &signals, first);
    let Judged { rivals, mut judgement, carried } = rivals::judge(&observables, true);
    let named_by = strongest.and_then(|best| named_by(best, steps));
    let mut limits = BTreeSet::new();
    for one in &signals {
        for record in &one.signal.records {
            let grade = clocks.grade(record.evidence);
            if grade > super::analysis::Grade::B && !one.timed {
                limits.insert(format!("{}: clock grade {}", witnesses.path(record.evidence), grade.name()));
            }
        }
    }
    let opened = signals.iter().filter_map(|one| one.signal.flow?.src);
    limits.extend(opened.filter_map(|src| steps.identity.leases().limit(src)));
    // What a source cannot show limits what rests on it.
    let telemetry = signals.iter().filter(|one| one.signal.source == SignalSource::Gpu);
    let watched: BTreeSet<EvidenceId> =
        telemetry.flat_map(|one| &one.signal.records).map(|record| record.evidence).collect();
    for evidence in watched {
        let blind = detect::gpu::visibility(evidence, &steps.intake.facts, &steps.intake.anomalies);
        limits.extend(blind.into_iter().map(|limit| format!("{}: {limit}", witnesses.path(evidence))));
    }
    for at in &step_indices {
        if !steps.times[*at].stamped {
            limits.insert("the transcript has no times: the step is held by what it wrote and by its order".to_owned());
        }
    }
    if strength.log10_lr < LEAST && strongest.is_some_and(|best| best.shared.is_empty()) {
        limits.insert(
            "held by time alone, and weak by itself: it counts because the onsets of the case together follow calls far more \
             often than chance"
                .to_owned(),
        );
    }
    let level = level(&strength, &signals);
    let mut initiator = rivals::leading(&rivals);
    // What one judgement alone decides is not enough to name the agent for what is said loudest.
    if !carried.is_empty() && level == "high" && initiator == RivalId::Agent.name() {
        initiator = "undecided";
        let any = if carried.len() == 1 { "" } else { "any of " };
        let rows = carried.join("; ");
        let why =
            format!("initiator undecided: the agent's own calls would not lead without one judged row ({any}{rows})");
        limits.insert(why.clone());
        judgement.withheld = Some(why);
    }
    Finding {
        id: String::new(),
        behaviour,
        episode: named.map_or_else(String::new, |episode| episode.name.clone()),
        run: named.and_then(|episode| episode.run.clone()),
        steps: step_indices.iter().map(|at| step_ref(*at, steps)).collect(),
        signals: signals.iter().map(|one| one.signal.id.clone()).collect(),
        initiator,
        rivals,
        would_decide: sources(&judgement),
        judgement,
        attack: attack(behaviour, &signals),
        atlas: agentic::atlas(behaviour, kinds(&signals)),
        owasp: agentic::owasp(behaviour, kinds(&signals)),
        level,
        summary: summary(&signals, named_by.as_deref()),
        persistence: None,
        limits: limits.into_iter().collect(),
        stability: None,
        strength,
        first,
        last,
    }
}

/// Whose child the owner is, beside the terms of the strength. It is weighed among the rivals, and once is enough.
fn process_term(descent: Descent) -> Term {
    Term {
        term: "process",
        observed: descent.words,
        log10_lr: 0.0,
        counts: "weighed among the rivals".to_owned(),
        cap: String::new(),
        records: descent.records,
    }
}

/// What to fetch, the most telling first.
fn sources(judgement: &Judgement) -> Vec<String> {
    judgement.missing.iter().map(|row| row.source.clone()).collect()
}

fn level(strength: &Strength, signals: &[&Traced]) -> &'static str {
    let certain = signals.iter().any(|one| one.signal.confidence >= Confidence::Strong);
    match strength.log10_lr {
        lr if lr >= HIGH && certain => "high",
        lr if lr >= LEAST => "medium",
        _ => "low",
    }
}

fn kinds<'a>(signals: &'a [&Traced]) -> impl Iterator<Item = &'a str> {
    signals.iter().map(|one| one.signal.kind.as_str())
}

fn attack(behaviour: Behaviour, signals: &[&Traced]) -> Vec<&'static str> {
    let mut ids: BTreeSet<&'static str> = behaviour.attack().iter().copied().collect();
    for one in signals {
        match one.signal.kind.as_str() {
            "host-sweep" | "port-and-host-sweep" => drop(ids.insert("T1018")),
            "ssh-reverse-used" => drop(ids.insert("T1021.004")),
            _ => {}
        }
    }
    ids.into_iter().collect()
}

/// What lines up, in a line: what the command named, then what was seen of it. What the wire itself shows goes before
/// what follows from the command, and one sight of a thing is enough: the signals are all listed elsewhere.
fn summary(signals: &[&Traced], named_by: Option<&str>) -> String {
    let of = |source: SignalSource| {
        let mut seen: Vec<&Signal> = signals.iter().map(|one| &one.signal).filter(|s| s.source == source).collect();
        // The signal that cites most records has seen most of it.
        seen.sort_by_key(|signal| {
            // That a name was looked up says least, that a command named the peer says what is known already.
            let follows = if signal.kind.ends_with("-dns") { 2 } else { u8::from(signal.kind.ends_with("-traffic")) };
            let cited = std::cmp::Reverse((signal.records.len(), duration(signal)));
            (std::cmp::Reverse(signal.confidence), follows, cited, signal.id.clone())
        });
        seen
    };
    let network = of(SignalSource::Network);
    let shown = match network.first() {
        Some(first) if first.behaviour == Behaviour::Probing => 1,
        Some(first) if first.confidence == Confidence::Certain => {
            network.iter().take_while(|signal| signal.confidence == Confidence::Certain).count().min(2)
        }
        _ => 2,
    };
    let (host, gpu) = (of(SignalSource::Host), of(SignalSource::Gpu));
    let mut parts: Vec<&str> = Vec::new();
    for signal in network.iter().take(shown).chain(host.iter().take(1)).chain(gpu.iter().take(1)) {
        if !parts.contains(&signal.summary.as_str()) {
            parts.push(&signal.summary);
        }
    }
    // A sweep names its targets itself.
    let is_sweep = network.first().is_some_and(|signal| !signal.targets.is_empty());
    match named_by.filter(|_| !is_sweep) {
        Some(name) => format!("{name} → {}", parts.join("; ")),
        None => parts.join("; "),
    }
}

/// What the command called its peer, as particularly as step and event share it.
fn named_by(best: &Attributed, steps: &Steps<'_>) -> Option<String> {
    let token = best.shared.iter().max_by_key(|token| (token.particularity(), token.to_string()))?;
    if let Token::UnresolvedPort(port) = token {
        let with_port = |token: &&Token| matches!(token, Token::NamedEndpoint(_, named) if named == port);
        if let Some(name) = steps.acts[best.step].tokens().iter().find(with_port) {
            return Some(format!("{name} (nothing in the evidence resolves it)"));
        }
    }
    Some(token.to_string())
}

fn duration(signal: &Signal) -> i64 {
    signal.span.map_or(0, |span| span.hi.since(span.lo))
}

/// A step for reports.
pub(crate) fn step_ref(at: usize, steps: &Steps<'_>) -> StepRef {
    let step = &steps.intake.steps[at];
    let episodes = &steps.intake.episodes;
    let episode =
        episodes.binary_search_by(|episode| episode.id.as_str().cmp(&step.episode)).ok().map(|at| &episodes[at]);
    StepRef {
        episode: episode.map_or_else(|| step.episode.to_string(), |episode| episode.name.clone()),
        index: step.index,
        record: step.record,
        tool: step.tool.clone(),
        command: step.command.clone(),
        span: steps.times[at].span(),
    }
}

fn unexplained(
    traced: &[Traced],
    rest: &[usize],
    corroborated: &BTreeMap<usize, usize>,
    witnesses: &Witnesses<'_>,
) -> Vec<Unexplained> {
    // One group per behaviour and peer; sweeps and GPU signals by their source.
    let key = |at: usize| {
        let at = corroborated.get(&at).copied().unwrap_or(at);
        let signal = &traced[at].signal;
        let flow = signal.flow.unwrap_or_default();
        // A name that was looked up belongs with the traffic to its address.
        let named = signal.domains.first().and_then(|domain| witnesses.names.address_of(domain));
        let peer = if signal.behaviour == Behaviour::Probing { None } else { flow.dst.or(named) };
        (signal.behaviour, flow.src, peer, signal.source)
    };
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for at in rest.iter().copied() {
        let strong = traced[at].signal.confidence >= Confidence::Strong;
        if (strong || corroborated.contains_key(&at)) && traced[at].signal.source != SignalSource::Command {
            groups.entry(key(at)).or_default().push(at);
        }
    }
    let mut all: Vec<(Option<Instant>, Unexplained)> = groups
        .into_iter()
        .map(|((behaviour, ..), members)| {
            let signals: Vec<&Traced> = members.iter().map(|at| &traced[*at]).collect();
            let first = signals.iter().filter_map(|one| one.signal.span).map(|span| span.lo).min();
            let observables = witnesses.observe(None, &signals, first);
            let Judged { rivals, judgement, .. } = rivals::judge(&observables, false);
            let unexplained = Unexplained {
                behaviour,
                signals: signals.iter().map(|one| one.signal.id.clone()).collect(),
                leading: rivals::leading(&rivals),
                rivals,
                summary: summary(&signals, None),
                would_decide: sources(&judgement),
                judgement,
            };
            (first, unexplained)
        })
        .collect();
    all.sort_by(|a, b| (a.0, a.1.behaviour, &a.1.signals).cmp(&(b.0, b.1.behaviour, &b.1.signals)));
    all.into_iter().map(|(_, unexplained)| unexplained).collect()
}

/// Steps whose command meets a strong rule while nothing in the telemetry lines up with them.
pub(crate) fn uncovered(findings: &[Finding], steps: &Steps<'_>, witnesses: &Witnesses<'_>) -> Vec<UncoveredStep> {
    let covered: BTreeSet<(crate::evidence::Record, Behaviour)> =
        findings.iter().flat_map(|finding| finding.steps.iter().map(|step| (step.record, finding.behaviour))).collect();
    let mut all = Vec::new();
    for (at, act) in steps.acts.iter().enumerate() {
        let step = &steps.intake.steps[at];
        let mut said = BTreeSet::new();
        for hit in act.hits.iter().filter(|hit| hit.confidence >= Confidence::Strong) {
            // Concealment, privilege and the like leave no traffic: the transcript is their only witness.
            if covered.contains(&(step.record, hit.behaviour)) || !said.insert(hit.behaviour) {
                continue;
            }
            all.push(UncoveredStep {
                behaviour: hit.behaviour,
                step: step_ref(at, steps),
                rule: hit.rule.clone(),
                coverage: witnesses.coverage(at, hit.behaviour),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests;
