//! What the evidence could not have shown of a finding: sources that do not reach its steps, hosts that nothing shows, logs
//! of refusals alone, packets cut short, names that nothing resolves, clocks that nothing ties. Only what is true of the
//! finding at hand, each once.

mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::analysis::{Finding, Grade};
use super::tokens::Token;
use super::traced::Traced;
use super::witnesses::Witnesses;
use crate::evidence::{AnomalyKind, EvidenceId};
use crate::formats::Kind;
use crate::model::{SignalSource, is_private};
use crate::stats;
use crate::time::{Instant, SECOND};
use silence::Silence;

/// So many hosts or steps are named; the others are counted.
const NAMED: usize = 3;
/// Another source must show so many connections while one is silent before the silence is called a gap.
const FEWEST_MEANWHILE: usize = 3;
/// A silence shorter than this is none, in nanoseconds.
const SHORTEST_GAP_NS: i64 = 60 * SECOND;

/// A firewall log or capture, and what it shows of the hosts of all findings.
struct View<'a> {
    evidence: EvidenceId,
    path: &'a str,
    kind: Kind,
    /// Its first and last dated moment, on the reference clock.
    reach: Option<(Instant, Instant)>,
    /// Verdicts of the whole source.
    allowed: u64,
    denied: u64,
    /// Conversations by host that opened them, and those of them that were answered or let through.
    hosts: BTreeMap<IpAddr, (u64, u64)>,
    silences: Vec<Silence>,
}

/// A step of a finding on the reference clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    start: Instant,
    end: Instant,
    index: u32,
    slack_ns: i64,
}

/// What a finding is about.
struct Subject<'a> {
    hosts: BTreeSet<IpAddr>,
    peers: BTreeSet<(IpAddr, u16)>,
    stretches: Vec<Stretch>,
    signals: Vec<&'a Traced>,
    episode: Option<&'a str>,
}

/// Adds to the limits of each finding; gives what limits the case as a whole.
pub(crate) fn note(findings: &mut [Finding], traced: &[Traced], world: &Witnesses<'_>) -> Vec<String> {
    let signals: BTreeMap<&str, &Traced> = traced.iter().map(|one| (one.signal.id.as_str(), one)).collect();
    let places: BTreeMap<crate::evidence::Record, usize> =
        world.steps.intake.steps.iter().enumerate().map(|(at, step)| (step.record, at)).collect();
    let subjects: Vec<Subject<'_>> =
        findings.iter().map(|finding| subject(finding, &signals, &places, world)).collect();
    let views = views(&subjects, world);
    let reached_by = reached_by(&subjects, world);
    for (finding, subject) in findings.iter_mut().zip(&subjects) {
        let seen: Vec<&View<'_>> =
            views.iter().filter(|view| subject.hosts.iter().any(|host| view.hosts.contains_key(host))).collect();
        let mut limits: BTreeSet<String> = std::mem::take(&mut finding.limits).into_iter().collect();
        for view in &seen {
            limits.extend(beyond_reach(view, subject));
            limits.extend(silent(view, subject, world));
            limits.extend(refusals_alone(view, subject, &seen));
            limits.extend(cut_or_lost(view, world));
        }
        limits.extend(blind(&seen, &views, subject, world));
        limits.extend(others(subject, &reached_by));
        limits.extend(unresolved(subject, world));
        limits.extend(clocks(finding, subject, world));
        finding.limits = limits.into_iter().collect();
    }
    of_case(world)
}

fn subject<'a>(
    finding: &Finding,
    signals: &BTreeMap<&str, &'a Traced>,
    places: &BTreeMap<crate::evidence::Record, usize>,
    world: &Witnesses<'a>,
) -> Subject<'a> {
    let signals: Vec<&Traced> = finding.signals.iter().filter_map(|id| signals.get(id.as_str()).copied()).collect();
    let steps: Vec<usize> = finding.steps.iter().filter_map(|step| places.get(&step.record).copied()).collect();
    let episode = steps.first().map(|at| &*world.steps.intake.steps[*at].episode);
    let flows = || signals.iter().flat_map(|one| one.signal.flow.iter());
    let mut hosts: BTreeSet<IpAddr> = flows().filter_map(|flow| flow.src).collect();
    let place = episode.and_then(|episode| world.steps.identity.place(episode));
    let single = |net: &&ipnet::IpNet| net.prefix_len() == net.max_prefix_len();
    hosts.extend(place.iter().flat_map(|place| place.addresses.iter().filter(single).map(|net| net.addr())));
    let stretch = |at: &usize| {
        let time = world.steps.times[*at];
        let (start, end) = (time.start.filter(|_| time.stamped)?, time.end.or(time.start)?);
        Some(Stretch { start, end, index: world.steps.intake.steps[*at].index, slack_ns: time.slack_ns })
    };
    let mut stretches: Vec<Stretch> = steps.iter().filter_map(stretch).collect();
    stretches.sort_unstable();
    let peers = flows().filter_map(|flow| Some((flow.dst?, flow.dst_port?))).collect();
    Subject { hosts, peers, stretches, signals, episode }
}

/// One pass over all conversations. Nothing is kept but what concerns the hosts of findings.
fn views<'a>(subjects: &[Subject<'_>], world: &Witnesses<'a>) -> Vec<View<'a>> {
    let intake = world.steps.intake;
    let hosts: BTreeSet<IpAddr> = subjects.iter().flat_map(|subject| subject.hosts.iter().copied()).collect();
    let mut starts: Vec<Instant> =
        subjects.iter().flat_map(|subject| &subject.stretches).map(|stretch| stretch.start).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut views = Vec::new();
    for (at, source) in intake.sources.iter().enumerate() {
        let evidence = EvidenceId(at as u32);
        let Some(kind @ (Kind::Capture | Kind::Firewall)) = source.kind.filter(|_| source.records > 0) else {
            continue;
        };
        let tied =
            |at: Instant| source.basis.is_some_and(|basis| basis.is_dated()) || world.clocks.is_tied(evidence, at);
        let align = |at: Instant| world.clocks.align(evidence, at);
        let reach = source.first.zip(source.last).filter(|(first, _)| tied(*first));
        let mut view = View {
            evidence,
            path: &source.path,
            kind,
            reach: reach.map(|(first, last)| (align(first), align(last))),
            allowed: 0,
            denied: 0,
            hosts: BTreeMap::new(),
            silences: Vec::new(),
        };
        let mut silences = silence::Finder::new(&starts);
        for conversation in intake.conversations.within(intake.conversations_of(evidence)) {
            let host = conversation.key.src.filter(|src| hosts.contains(src));
            for segment in &conversation.segments {
                view.allowed = view.allowed.saturating_add(segment.allowed);
                view.denied = view.denied.saturating_add(segment.denied);
                silences.saw(align(segment.first), align(segment.last));
            }
            if let Some(host) = host {
                let came_to_be = |segment: &crate::model::Segment| segment.answered > 0 || segment.allowed > 0;
                let (all, answered) = view.hosts.entry(host).or_default();
                *all += 1;
                *answered += u64::from(conversation.segments.iter().any(came_to_be));
            }
        }
        view.silences = silences.finish();
        views.push(view);
    }
    views
}

/// Who else reached the peers of findings.
fn reached_by(subjects: &[Subject<'_>], world: &Witnesses<'_>) -> BTreeMap<(IpAddr, u16), BTreeSet<IpAddr>> {
    let peers: BTreeSet<(IpAddr, u16)> = subjects.iter().flat_map(|subject| subject.peers.iter().copied()).collect();
    let mut reached: BTreeMap<(IpAddr, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for event in world.events.iter() {
        let (Some(src), Some(peer)) = (event.src, event.dst.zip(event.dst_port)) else { continue };
        if peers.contains(&peer) && (is_private(src) || world.steps.identity.is_agent(src)) {
            reached.entry(peer).or_default().insert(src);
        }
    }
    let placed = |src: &IpAddr| {
        let episodes = world.steps.intake.episodes.iter();
        episodes.filter_map(|episode| world.steps.identity.place(&episode.id)).any(|p| p.fits(Some(*src)) == Some(true))
    };
    for sources in reached.values_mut() {
        sources.retain(|src| !placed(src));
    }
    reached
}

/// Steps of the finding before the first or after the last record.
fn beyond_reach(view: &View<'_>, subject: &Subject<'_>) -> Vec<String> {
    let Some((first, last)) = view.reach else { return Vec::new() };
    let before = subject.stretches.iter().filter(|one| one.end.plus(one.slack_ns.saturating_add(SECOND)) < first);
    let after = subject.stretches.iter().filter(|one| one.start.plus(-one.slack_ns.saturating_add(SECOND)) > last);
    let said = |steps: Vec<&Stretch>, at: Instant, which: &str, when: &str| {
        (!steps.is_empty()).then(|| {
            let tail = if when == "after" { ": whether it was on yet" } else { ": whether it was still on" };
            format!(
                "{}: its {which} record is of {}, {when} {}{tail} is not known",
                view.path,
                short(at),
                named(&steps)
            )
        })
    };
    let all = [said(before.collect(), first, "first", "after"), said(after.collect(), last, "last", "before")];
    all.into_iter().flatten().collect()
}

/// Steps of the finding within a silence, while another source shows the hosts that this one shows at other times.
fn silent(view: &View<'_>, subject: &Subject<'_>, world: &Witnesses<'_>) -> Option<String> {
    let around = |stretch: &Stretch| view.silences.iter().find(|silence| silence.at == stretch.start).copied();
    let silence = subject.stretches.iter().find_map(|stretch| {
        let silence = around(stretch).filter(|one| one.until.since(one.from) >= SHORTEST_GAP_NS)?;
        (stretch.end < silence.until).then_some(silence)
    })?;
    let within: Vec<&Stretch> = subject
        .stretches
        .iter()
        .filter(|stretch| stretch.start >= silence.from && stretch.end < silence.until)
        .collect();
    let meanwhile = world
        .events
        .between(silence.from.plus(1), silence.until.plus(-1))
        .filter(|event| event.timed && event.evidence != view.evidence)
        .filter(|event| event.src.is_some_and(|src| view.hosts.contains_key(&src)));
    let mut by_source: BTreeMap<EvidenceId, usize> = BTreeMap::new();
    meanwhile.for_each(|event| *by_source.entry(event.evidence).or_default() += 1);
    let (other, count) = by_source.into_iter().max_by_key(|(id, count)| (*count, std::cmp::Reverse(*id)))?;
    (count >= FEWEST_MEANWHILE).then(|| {
        format!(
            "{}: a gap from {} to {}, over {}: {} shows {count} connections of hosts in it meanwhile",
            view.path,
            short(silence.from),
            short(silence.until),
            named(&within),
            world.path(other)
        )
    })
}

/// A log of refusals alone, where another source shows that the same hosts were let through.
fn refusals_alone(view: &View<'_>, subject: &Subject<'_>, seen: &[&View<'_>]) -> Option<String> {
    if view.kind != Kind::Firewall || view.denied == 0 || view.allowed > 0 {
        return None;
    }
    let answered = |other: &View<'_>| -> u64 {
        let own = subject.hosts.iter().filter(|host| view.hosts.contains_key(host));
        own.filter_map(|host| other.hosts.get(host)).map(|(_, answered)| *answered).sum()
    };
    let others = seen.iter().filter(|other| other.evidence != view.evidence);
    let (count, other) = others.map(|other| (answered(other), other)).max_by_key(|(count, _)| *count)?;
    (count > 0).then(|| {
        format!(
            "{}: all of its verdicts are refusals, while {} shows {count} conversations of the same hosts that were \
             answered or let through: what it lets through is not in it",
            view.path, other.path
        )
    })
}

/// What the reader of the source says is not there.
fn cut_or_lost(view: &View<'_>, world: &Witnesses<'_>) -> Option<String> {
    let of = world.steps.intake.anomalies.iter().filter(|one| one.evidence == view.evidence);
    let hides = |detail: &str, kind: AnomalyKind| match (view.kind, kind) {
        (Kind::Capture, AnomalyKind::TruncatedRecord) => detail.contains("when they were captured"),
        // Bytes that miss from one stream are of that stream.
        (Kind::Capture, AnomalyKind::Gap) => detail.contains("by the statistics of the capture"),
        (_, AnomalyKind::Gap | AnomalyKind::SequenceGap | AnomalyKind::LoggingStopped) => true,
        _ => false,
    };
    let hidden = of.filter(|one| hides(&one.anomaly.detail, one.anomaly.kind));
    let details: BTreeSet<&str> = hidden.map(|one| one.anomaly.detail.as_str()).collect();
    (!details.is_empty()).then(|| format!("{}: {}", view.path, list(details.into_iter().map(str::to_owned))))
}

/// The host of the episode is in no network source.
fn blind(seen: &[&View<'_>], views: &[View<'_>], subject: &Subject<'_>, world: &Witnesses<'_>) -> Option<String> {
    let place = world.steps.identity.place(subject.episode?)?;
    if views.is_empty() {
        return Some("no firewall log and no capture is at hand".to_owned());
    }
    let shown = seen.iter().flat_map(|view| view.hosts.keys()).any(|host| place.fits(Some(*host)) == Some(true));
    let host = place.host.clone().or_else(|| place.addresses.first().map(ToString::to_string))?;
    (!shown && !place.addresses.is_empty())
        .then(|| format!("no firewall log or capture shows {host}, where the episode ran, as the opener of anything"))
}

/// Hosts of which no transcript is at hand reached the same peer.
fn others(subject: &Subject<'_>, reached_by: &BTreeMap<(IpAddr, u16), BTreeSet<IpAddr>>) -> Option<String> {
    let mut hosts: BTreeSet<IpAddr> = BTreeSet::new();
    let mut peers: Vec<String> = Vec::new();
    for (address, port) in &subject.peers {
        let others: Vec<IpAddr> = reached_by
            .get(&(*address, *port))
            .into_iter()
            .flatten()
            .filter(|h| !subject.hosts.contains(h))
            .copied()
            .collect();
        if !others.is_empty() {
            peers.push(std::net::SocketAddr::new(*address, *port).to_string());
            hosts.extend(others);
        }
    }
    (!hosts.is_empty()).then(|| {
        let what = if hosts.len() == 1 { "a host" } else { "hosts" };
        let (hosts, peers) = (list(hosts.iter().map(ToString::to_string)), list(peers.into_iter()));
        format!("{what} of which no transcript is at hand reached {peers} as well: {hosts}")
    })
}

/// A name that nothing resolves: the connection is known by its port.
fn unresolved(subject: &Subject<'_>, world: &Witnesses<'_>) -> BTreeSet<String> {
    let facts = &world.steps.intake.facts;
    let dns = if facts.dns.is_empty() { "; no source shows an answer of DNS" } else { "" };
    let mut said = BTreeSet::new();
    for best in subject.signals.iter().filter_map(|one| one.lines_up(world.follows_calls())) {
        let ports: BTreeSet<u16> = best
            .shared
            .iter()
            .filter_map(|token| if let Token::UnresolvedPort(port) = token { Some(*port) } else { None })
            .collect();
        if ports.is_empty() || ports.len() < best.shared.len() {
            continue;
        }
        for token in world.steps.acts[best.step].tokens() {
            if let Token::NamedEndpoint(name, port) = token
                && ports.contains(port)
            {
                said.insert(format!(
                    "nothing in the evidence resolves {name}: its connection is told by port {port} alone{dns}"
                ));
            }
        }
    }
    said
}

/// Clocks that bear no conclusion from timing, of what the finding cites.
fn clocks(finding: &Finding, subject: &Subject<'_>, world: &Witnesses<'_>) -> BTreeSet<String> {
    let telemetry = subject.signals.iter().filter(|one| one.timed && one.signal.source != SignalSource::Command);
    let shown = telemetry.filter_map(|one| one.signal.records.first()).map(|record| record.evidence);
    let called = finding.steps.iter().filter(|step| step.span.is_some_and(|span| span.basis.is_dated()));
    let sources: BTreeSet<EvidenceId> = shown.chain(called.map(|step| step.record.evidence)).collect();
    let mut said = BTreeSet::new();
    for evidence in sources {
        let Some(clock) = world.clocks.of(evidence) else { continue };
        if clock.grade <= Grade::B {
            continue;
        }
        let notes = if clock.notes.is_empty() { String::new() } else { format!(" ({})", clock.notes.join("; ")) };
        said.insert(format!(
            "{}: clock grade {}{notes}: how far off its times are is not known well enough to conclude from them",
            clock.name,
            clock.grade.name()
        ));
    }
    said
}

/// Hosts of agents that have no transcript, and hosts with transcripts that nothing shows.
fn of_case(world: &Witnesses<'_>) -> Vec<String> {
    let (intake, identity) = (world.steps.intake, world.steps.identity);
    let network = |source: &crate::intake::Source| {
        source.records > 0 && matches!(source.kind, Some(Kind::Capture | Kind::Firewall))
    };
    if intake.episodes.is_empty() || !intake.sources.iter().any(network) {
        return Vec::new();
    }
    let openers = world.openers();
    let within = |net: &ipnet::IpNet| openers.range(net.network()..=net.broadcast()).next().is_some();
    let shown = |nets: &[ipnet::IpNet]| nets.iter().any(within);
    let places: Vec<&super::identity::Place> =
        intake.episodes.iter().filter_map(|episode| identity.place(&episode.id)).collect();
    let agents: Vec<&crate::intake::Host> = world.case.hosts.iter().filter(|host| host.agent == Some(true)).collect();
    let agents: Vec<&crate::intake::Host> = agents.into_iter().filter(|host| shown(&host.addresses)).collect();
    let told = |host: &crate::intake::Host| {
        let same = |net: &ipnet::IpNet| host.addresses.iter().any(|own| own.contains(net) || net.contains(own));
        places.iter().any(|place| place.host.as_ref() == Some(&host.name) || place.addresses.iter().any(same))
    };
    let without: Vec<&str> = agents.iter().filter(|host| !told(host)).map(|host| host.name.as_str()).collect();
    let mut limits = Vec::new();
    if let Some((low, high)) = stats::clopper_pearson(without.len() as u64, agents.len() as u64, 0.05)
        && !without.is_empty()
    {
        let share = without.len() as f64 / agents.len() as f64;
        limits.push(format!(
            "Of {} hosts of agents that the traffic shows, {} {} no transcript ({}; {:.0} %, 95 % interval {:.0} to {:.0} %): \
             what agents did there is not known.",
            agents.len(),
            without.len(),
            if without.len() == 1 { "has" } else { "have" },
            list(without.iter().map(|name| (*name).to_owned())),
            share * 100.0,
            low * 100.0,
            high * 100.0
        ));
    }
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    for place in places.iter().filter(|place| !place.addresses.is_empty()) {
        let name = place.host.clone().or_else(|| place.addresses.first().map(ToString::to_string)).unwrap_or_default();
        let seen = known.entry(name).or_default();
        *seen = *seen || shown(&place.addresses);
    }
    let hidden: Vec<String> = known.iter().filter(|(_, seen)| !**seen).map(|(name, _)| name.clone()).collect();
    if !hidden.is_empty() {
        limits.push(format!(
            "No firewall log or capture shows {} of {} hosts that transcripts are from, as the opener of anything: {}.",
            hidden.len(),
            known.len(),
            list(hidden.into_iter())
        ));
    }
    limits
}

/// "step 3"; "5 steps, from 3 on".
fn named(steps: &[&Stretch]) -> String {
    match steps {
        [one] => format!("step {}", one.index),
        several => {
            let first = several.iter().map(|one| one.index).min().unwrap_or_default();
            format!("{} steps, the first of them step {first}", several.len())
        }
    }
}

/// The first few, and how many more.
fn list(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    let shown = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A moment to the second: "2026-11-20T14:13:46Z".
fn short(at: Instant) -> String {
    at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
