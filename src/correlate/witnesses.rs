//! What the evidence can say for and against each rival hypothesis about a group of signals, and what it covers.

mod controls;
mod known;
mod lookup;
mod peers;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::alignment;
use super::analysis::Alignment;
use super::attribute::{Attributed, Steps};
use super::clocks::Clocks;
use super::events::{Event, Events};
use super::names::Names;
use super::processes::{Asked, Descent, Origin, Processes};
use super::rivals::{Followed, Idle, Observables, Precursor, Seen, Strangers};
use super::tokens::Token;
use super::traced::Traced;
use super::traffic::Traffic;
use crate::detect::beacon;
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::CaseFile;
use crate::model::{Actor, Behaviour, Flow, TextOrigin};
use crate::time::{Instant, SECOND};
use controls::Controls;
use known::Wallets;
use lookup::Lookup;
use said::Commands;

/// A way in counts as a precursor if it was used within this time before the event, in nanoseconds.
const PRECURSOR_NS: i64 = 6 * 3600 * SECOND;
/// This many failed logins from one address are a row.
const ROW_OF_FAILURES: u64 = 3;

/// A service by which somebody outside may come to run programs on a host.
pub(crate) struct WayIn {
    pub(crate) port: u16,
    pub(crate) name: &'static str,
}

const SSH: u16 = 22;

/// Default ports: OpenSSH; Docker's API without and with TLS (docs.docker.com, "Protect the Docker daemon socket"); Ray's
/// dashboard and Jobs API, which ask for no login (CVE-2023-48022, ATLAS AML.CS0023 "ShadowRay"); Jupyter.
pub(crate) const WAYS_IN: [WayIn; 5] = [
    WayIn { port: SSH, name: "SSH" },
    WayIn { port: 2375, name: "the Docker API" },
    WayIn { port: 2376, name: "the Docker API over TLS" },
    WayIn { port: 8265, name: "Ray's dashboard and Jobs API" },
    WayIn { port: 8888, name: "Jupyter" },
];

/// The outcome of the alignment test, with controls that hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aligned {
    /// Onsets follow tool calls.
    pub(crate) follows: bool,
    pub(crate) p: f64,
    pub(crate) onsets: usize,
}

impl Aligned {
    /// Of a test whose controls hold and that has a verdict.
    pub(crate) fn of(alignment: &Alignment) -> Option<Aligned> {
        let follows = alignment.withheld.is_none().then(|| alignment::verdict(alignment)).flatten()?;
        Some(Aligned { follows, p: alignment.test.p, onsets: alignment.test.onsets })
    }
}

/// The whole case, for looking things up.
#[derive(Clone)]
pub(crate) struct Witnesses<'a> {
    pub(crate) steps: &'a Steps<'a>,
    pub(crate) clocks: &'a Clocks,
    pub(crate) names: &'a Names,
    pub(crate) case: &'a CaseFile,
    /// Connections from everywhere, sorted by time.
    pub(crate) events: &'a Events,
    /// The alignment test came out, with its controls.
    pub(crate) aligned: Option<Aligned>,
    lookup: Arc<Lookup<'a>>,
    controls: Arc<Controls<'a>>,
    wallets: Arc<Wallets<'a>>,
    commands: Arc<Commands<'a>>,
    processes: Arc<Processes<'a>>,
}

impl<'a> Witnesses<'a> {
    /// Everything that is looked up more than once is laid out here. `events` are those from everywhere, `traffic` those that
    /// agents may have opened, as far as that is known. Groups of signals may be observed that are among `traced`.
    pub(crate) fn new(
        steps: &'a Steps<'a>,
        (clocks, names): (&'a Clocks, &'a Names),
        case: &'a CaseFile,
        (events, traffic): (&'a Events, &Traffic<'_>),
        aligned: Option<Aligned>,
        traced: &[Traced],
    ) -> Self {
        // Sweeps name the same peers again and again, and together more than there is room to double.
        let mut peers = Vec::with_capacity(traced.iter().map(|one| one.signal.targets.len().max(1)).sum());
        peers.extend(traced.iter().flat_map(peers_of));
        let lookup = Arc::new(Lookup::new(steps, clocks, case, events, peers));
        let controls = Arc::new(Controls::new(steps, traffic));
        let (wallets, commands) = (Arc::new(Wallets::new(steps)), Arc::new(Commands::new(steps, traced)));
        let processes = Arc::new(Processes::new(steps, clocks, case));
        Witnesses { steps, clocks, names, case, events, aligned, lookup, controls, wallets, commands, processes }
    }

    /// The same, had the alignment test come out so.
    pub(crate) fn had_it_been(&self, aligned: Option<Aligned>) -> Self {
        Witnesses { aligned, ..self.clone() }
    }

    /// Whether the onsets of the case together follow calls more often than chance.
    pub(crate) fn follows_calls(&self) -> bool {
        self.aligned.as_ref().is_some_and(|aligned| aligned.follows)
    }
}

impl Witnesses<'_> {
    /// The shown name of an evidence.
    pub(crate) fn path(&self, evidence: EvidenceId) -> &str {
        self.steps.intake.sources.get(evidence.0 as usize).map_or("", |source| source.path.as_str())
    }

    fn has(&self, kind: Kind) -> bool {
        self.steps.intake.sources.iter().any(|source| source.kind == Some(kind) && source.records > 0)
    }

    /// Who opened any connection.
    pub(crate) fn openers(&self) -> &BTreeSet<IpAddr> {
        &self.lookup.openers
    }

    /// The observables about a group of signals that began at `first`, held to be set off by `step` if given.
    pub(crate) fn observe(
        &self,
        step: Option<&Attributed>,
        signals: &[&Traced],
        first: Option<Instant>,
    ) -> Observables {
        let shown: BTreeSet<Token> = signals.iter().flat_map(|one| self.shown(one)).collect();
        let peers: BTreeSet<Flow> = signals.iter().flat_map(|one| peers_of(one)).collect();
        let has_transcripts = self.has(Kind::Transcript);
        let literal = match step {
            Some(best) => !best.shared.is_empty(),
            None => self.lookup.anyone_wrote(&shown, first),
        };
        let in_environment = step.map(|best| self.environment_named(best));
        let starts = self.starts(&peers);
        let beat = beacon::beat(&starts.iter().map(|event| event.at).collect::<Vec<Instant>>()).is_some();
        let (inbound_precursor, precursor) = self.precursor(first, &peers);
        let idle = self.idle(&starts);
        let (same_command, repeats) = self.same_command(step);
        let (known_elsewhere, known_as) = self.known_elsewhere(step, &shown, &peers);
        let (descends_from_tool, service_parent, ancestry) = self.ancestry(step, signals);
        let behaviour = signals.first().map(|one| one.signal.behaviour);
        Observables {
            literal_in_agent_text: Seen::of(has_transcripts, literal),
            naming: self.controls.naming(step.map(|best| &best.shared)),
            literal_in_environment: in_environment.map_or(Seen::Unknown, |seen| Seen::of(true, seen)),
            inbound_precursor,
            precursor,
            outside_of_steps: idle
                .map_or(Seen::Unknown, |(outside, all)| Seen::of(true, outside > 0 && outside * 5 >= all)),
            idle: idle.zip(self.lookup.idle_share).map(|((outside, connections), share)| Idle {
                outside,
                connections,
                share,
            }),
            other_hosts: self.other_hosts(&peers),
            strangers: self.strangers(&peers),
            aligned: self.aligned.map_or(Seen::Unknown, |aligned| Seen::of(true, aligned.follows && step.is_some())),
            followed: self.aligned.map(|aligned| Followed { p: aligned.p, onsets: aligned.onsets }),
            periodic: Seen::of(starts.len() > beacon::FEWEST_GAPS, beat),
            package_install: step.map_or(Seen::Unknown, |best| Seen::of(true, self.installed_before(best.step))),
            replayed: step.map_or(Seen::Unknown, |best| {
                Seen::of(true, self.steps.intake.steps[best.step].actor == Actor::Replayed)
            }),
            own_address: self.own_address(&peers),
            refused: self.refused(&peers),
            descends_from_tool,
            service_parent,
            ancestry,
            same_command,
            repeats,
            stated_purpose: step.map_or(Seen::Unknown, |best| self.stated_purpose(best, behaviour)),
            known_elsewhere,
            known_as,
            intent_only: step.map_or(Seen::Unknown, |best| self.intent_only(best, &peers)),
        }
    }

    fn shown(&self, one: &Traced) -> BTreeSet<Token> {
        let flow = one.signal.flow.unwrap_or_default();
        let mut shown = self.names.tokens(flow.dst, flow.dst_port);
        for domain in &one.signal.domains {
            shown.insert(Token::Name(domain.clone()));
        }
        shown
    }

    /// Whether what the step named stood before in a prompt, a tool result or other content from outside, and not
    /// first in the agent's own words.
    fn environment_named(&self, best: &Attributed) -> bool {
        let intake = self.steps.intake;
        let step = &intake.steps[best.step];
        let needles: Vec<String> = best.shared.iter().filter_map(needle).collect();
        let names = |text: &str| {
            let lower = text.to_ascii_lowercase();
            needles.iter().any(|needle| lower.contains(needle.as_str()))
        };
        let in_text = places(&self.lookup.texts_of, &step.episode)
            .filter_map(|at| intake.texts.get(at))
            .filter(|(text, _)| text.order < step.order)
            .filter(|(text, said)| text.origin != TextOrigin::Agent && names(&said.text()))
            .map(|(text, _)| text.order);
        let before = || {
            let own = places(&self.lookup.steps_of, &step.episode);
            own.filter_map(|at| Some((at, intake.steps.get(at)?))).filter(|(_, other)| other.order < step.order)
        };
        let in_output = before()
            .filter(|(at, _)| intake.output(*at).is_some_and(|output| names(&output)))
            .map(|(_, other)| other.order);
        let from_outside = in_text.chain(in_output).min();
        let by_agent = before().filter(|(_, other)| names(&other.arguments)).map(|(_, other)| other.order).min();
        match (from_outside, by_agent) {
            (Some(outside), Some(agent)) => outside < agent,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// What the owners of a group of signals descend from, as far as the trails of their machines tell.
    pub(crate) fn descents(&self, signals: &[&Traced]) -> Vec<Descent> {
        self.processes.descents(signals, self.steps, &Asked { clocks: self.clocks, case: self.case })
    }

    /// Whether the owners descend from a tool's shell, whether from a service, and the words for it. Where some do and others
    /// do not, it stays open.
    fn ancestry(&self, step: Option<&Attributed>, signals: &[&Traced]) -> (Seen, Seen, Option<String>) {
        let mut descents = self.descents(signals);
        // What a call has scheduled is run by the scheduler: of that call it tells nothing.
        let schedules = step.is_some_and(|best| self.steps.acts.get(best.step).is_some_and(|act| act.leaves_running()));
        descents.retain(|descent| !(schedules && descent.from == Origin::Service { scheduler: true }));
        let of_tool = |descent: &Descent| matches!(descent.from, Origin::Tool(_));
        let (tool, service) = (descents.iter().any(of_tool), !descents.iter().all(of_tool));
        if tool == service {
            return (Seen::Unknown, Seen::Unknown, None);
        }
        // Of several owners, one whose shell ran the step that is held to have done it.
        let held = |descent: &&Descent| step.is_some_and(|best| descent.from == Origin::Tool(best.step));
        let shown = descents.iter().find(held).or(descents.first());
        (Seen::of(true, tool), Seen::of(true, service), shown.map(|descent| descent.words.clone()))
    }

    /// Somebody from outside who came in before the event on the host that it came from, or failed to in a row. Where no
    /// host is known (GPU telemetry), on any.
    fn precursor(&self, first: Option<Instant>, peers: &BTreeSet<Flow>) -> (Seen, Option<Precursor>) {
        let sources: BTreeSet<IpAddr> = peers.iter().filter_map(|flow| flow.src).collect();
        let before = |at: Instant| first.is_none_or(|first| at <= first && first.since(at) <= PRECURSOR_NS);
        let seen = |forced, words: String| (Seen::Yes, Some(Precursor { forced, words }));
        if self.lookup.rows_of_failures.iter().any(|at| at.is_none_or(before)) {
            return seen(true, "a row of failed logins from outside came before it".to_owned());
        }
        // Without an authentication log: several sessions opened towards the host by an outsider shortly before.
        let mut by_source: BTreeMap<IpAddr, BTreeSet<Option<u16>>> = BTreeMap::new();
        for sessions in sources.iter().filter_map(|host| self.lookup.ssh_from_outside.get(host)) {
            let from = first.map_or(0, |first| sessions.partition_point(|one| one.at < first.plus(-PRECURSOR_NS)));
            for session in sessions[from..].iter().take_while(|one| first.is_none_or(|first| one.at <= first)) {
                by_source.entry(session.src).or_default().insert(session.src_port);
            }
        }
        if by_source.values().any(|ports| ports.len() as u64 > ROW_OF_FAILURES) {
            return seen(true, "a row of short logins from outside came before it".to_owned());
        }
        let there = |host: &IpAddr| sources.is_empty() || sources.contains(host);
        let mut services =
            self.lookup.services_from_outside.iter().filter(|(host, _)| there(host)).flat_map(|(host, sessions)| {
                sessions.iter().filter(|(one, _)| before(one.at)).map(move |(one, way)| (*host, one.src, *way))
            });
        if let Some((host, from, way)) = services.next() {
            return seen(
                false,
                format!("a session from {from} to {} (port {}) of {host} came before it", way.name, way.port),
            );
        }
        let names: BTreeSet<&str> =
            sources.iter().filter_map(|src| self.case.host_of_address(*src)).map(|host| host.name.as_str()).collect();
        let elsewhere = |host: &str| {
            !names.is_empty() && self.case.hosts.iter().any(|one| one.name == host) && !names.contains(host)
        };
        let login = self.lookup.accepted.iter().find(|login| {
            let in_time = login.moments.is_none_or(|(first, last)| before(first) || before(last));
            in_time && !login.host.is_some_and(elsewhere)
        });
        if let Some(login) = login {
            let who = login.user.map_or_else(String::new, |user| format!(" of {user}"));
            return seen(false, format!("a login{who} from {} was let in before it", login.src));
        }
        let alerts = &self.steps.intake.facts.alerts;
        let observable = !alerts.is_empty() || self.has(Kind::Capture) || self.has(Kind::Firewall);
        (Seen::of(observable, false), None)
    }

    /// Connections to peers, in order of time. One source is enough: the one that saw most.
    fn starts(&self, peers: &BTreeSet<Flow>) -> Vec<Event<'_>> {
        let mut by_source: BTreeMap<EvidenceId, Vec<Event<'_>>> = BTreeMap::new();
        for event in self.lookup.peers.connections(peers).into_iter().filter_map(|at| self.event(at)) {
            by_source.entry(event.evidence).or_default().push(event);
        }
        let fullest = by_source.into_iter().max_by_key(|(id, events)| (events.len(), std::cmp::Reverse(*id)));
        fullest.map(|(_, events)| events).unwrap_or_default()
    }

    /// The event at a place of a lookup.
    fn event(&self, at: u32) -> Option<Event<'_>> {
        self.events.get(at as usize)
    }

    /// Connections to one peer while no network-capable call ran or had just ended, and all of them.
    fn idle(&self, starts: &[Event<'_>]) -> Option<(u64, u64)> {
        if self.lookup.calls.is_empty() || starts.is_empty() {
            return None;
        }
        let outside = starts.iter().filter(|event| !self.lookup.calls.cover(event)).count();
        Some((outside as u64, starts.len() as u64))
    }

    /// How many other peers of agents' hosts are reached by hosts without agents as well.
    fn strangers(&self, peers: &BTreeSet<Flow>) -> Option<Strangers> {
        if !self.lookup.any_others || !self.steps.identity.knows_agents() {
            return None;
        }
        let these: BTreeSet<_> = peers.iter().map(|flow| (flow.dst, flow.dst_port)).collect();
        let (mut all, mut shared) = self.lookup.reached;
        for peer in these.iter().filter(|peer| self.lookup.agents_reach.contains(peer)) {
            all = all.saturating_sub(1);
            shared = shared.saturating_sub(u64::from(self.lookup.others_reach.contains(peer)));
        }
        Some(Strangers { peers: all, shared })
    }

    /// Whether the source is declared to be one host's own. Where nothing is declared it stays open.
    fn own_address(&self, peers: &BTreeSet<Flow>) -> Seen {
        let known = |src: IpAddr| {
            let network = self.case.host_of_address(src)?.addresses.iter().find(|network| network.contains(&src))?;
            Some(network.prefix_len() == network.max_prefix_len())
        };
        let sources: BTreeSet<IpAddr> = peers.iter().filter_map(|flow| flow.src).collect();
        match sources.iter().map(|src| known(*src)).collect::<Option<Vec<bool>>>() {
            Some(own) if !own.is_empty() => Seen::of(true, own.into_iter().all(|own| own)),
            _ => Seen::Unknown,
        }
    }

    /// Whether the firewall, where it gives verdicts on these peers, refused them all.
    fn refused(&self, peers: &BTreeSet<Flow>) -> Seen {
        let verdicts = self.lookup.peers.verdicts(peers);
        Seen::of(verdicts != (0, 0), verdicts.1 == 0)
    }

    fn other_hosts(&self, peers: &BTreeSet<Flow>) -> Seen {
        if !self.steps.identity.knows_agents() {
            return Seen::Unknown;
        }
        let same = peers.iter().any(|flow| self.lookup.others_reach.contains(&(flow.dst, flow.dst_port)));
        Seen::of(self.lookup.any_others, same)
    }

    fn installed_before(&self, at: usize) -> bool {
        let step = &self.steps.intake.steps[at];
        let own = places(&self.lookup.steps_of, &step.episode).filter_map(|at| self.steps.intake.steps.get(at));
        own.filter(|other| other.order <= step.order).any(|other| {
            let installs = |command: &str| {
                [
                    "pip install",
                    "pip3 install",
                    "npm install",
                    "npm i ",
                    "apt install",
                    "apt-get install",
                    "cargo install",
                ]
                .iter()
                .any(|needle| command.contains(needle))
            };
            other.command.as_deref().is_some_and(installs)
        })
    }

    /// What the telemetry covers of a step that nothing lines up with.
    pub(crate) fn coverage(&self, at: usize, behaviour: Behaviour) -> String {
        if matches!(behaviour, Behaviour::Concealment | Behaviour::Privilege | Behaviour::Persistence) {
            return "leaves no traffic: the transcript is its only witness".to_owned();
        }
        let step = &self.steps.intake.steps[at];
        if step.not_executed {
            return "the call did not run".to_owned();
        }
        let Some(start) = self.steps.times[at].start else {
            return "the transcript has no times".to_owned();
        };
        let covering = self.steps.intake.sources.iter().enumerate().find(|(index, source)| {
            let id = EvidenceId(*index as u32);
            let network = matches!(source.kind, Some(Kind::Capture | Kind::Firewall));
            let inside = |first: Instant, last: Instant| {
                self.clocks.align(id, first) <= start && start <= self.clocks.align(id, last)
            };
            network && source.first.zip(source.last).is_some_and(|(first, last)| inside(first, last))
        });
        match covering {
            Some((_, source)) => {
                let intent = if self.says_blocked(at) { "; the call itself says that it was blocked" } else { "" };
                format!("{} covers this time and shows nothing that lines up{intent}", source.path)
            }
            None => "no network source covers this time".to_owned(),
        }
    }
}

/// The places that belong to an episode.
fn places<'a>(of: &'a BTreeMap<&str, Vec<usize>>, episode: &str) -> impl Iterator<Item = usize> + use<'a> {
    of.get(episode).into_iter().flatten().copied()
}

fn peers_of(one: &Traced) -> impl Iterator<Item = Flow> {
    let signal = &one.signal;
    let own = signal.flow.filter(|_| signal.targets.is_empty()).map(|flow| Flow { src_port: None, ..flow });
    own.into_iter().chain(signal.targets.iter().copied())
}

/// How a token would stand in a text, lower case; networks and programs are too general.
fn needle(token: &Token) -> Option<String> {
    match token {
        Token::Address(address) | Token::Endpoint(address, _) => Some(address.to_string()),
        Token::Name(name) | Token::NamedEndpoint(name, _) => Some(name.to_ascii_lowercase()),
        Token::Network(_) | Token::Program(_) | Token::UnresolvedPort(_) => None,
    }
}

#[cfg(test)]
mod tests;
