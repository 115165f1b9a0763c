//! Whose child a process is: sights of processes joined by machine, pid and the moment when each began.
//!
//! Sockets and GPUs are owned by pids, and pids come again. A sight belongs to the process that the latest sight of the
//! same machine and pid until then is of. Sights that follow each other and tell the same parent are of one process: it
//! may have begun to run another program (execve(2) keeps pid and parent). A parent is the process that had its pid when
//! the child began. What the trail does not tell ends the chain, and nothing is made of that.

mod shells;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::attribute::Steps;
use super::clocks::Clocks;
use super::findings::step_ref;
use crate::detect::command::base_name;
use crate::evidence::{EvidenceId, Record};
use crate::intake::{CaseFile, Intake, ProcessFact};
use crate::model::{Flow, SignalSource};
use crate::time::{Instant, SECOND};
use shells::Shells;

use super::traced::Traced;

/// A machine by its name, or by the one evidence that tells of it without naming it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Machine {
    /// In lower case.
    Named(String),
    Of(EvidenceId),
}

/// Chains are followed so far: deeper ones are none.
const DEEPEST: usize = 64;
/// Owners of one group of signals that are looked at.
const MOST_OWNERS: usize = 16;
/// A socket belongs to traffic that is seen at most so long before or after, beside what the clocks may be off.
const NEAR_NS: i64 = 5 * SECOND;

/// Programs that run others for people and services from outside the agent, by the name of their process: OpenSSH, Ray
/// (docs.ray.io, "Ray Jobs": a job is run by a supervisor actor of the raylet), Kubernetes, cron and at, and the runners of
/// GitHub, GitLab, Buildkite, Gitea and Drone. A container's shim is none: it runs the agent's own shells as well.
const SERVICES: [&str; 16] = [
    "sshd",
    "sshd-session",
    "dropbear",
    "raylet",
    "ray::JobSupervisor",
    "kubelet",
    "cron",
    "crond",
    "anacron",
    "atd",
    "Runner.Worker",
    "Runner.Listener",
    "gitlab-runner",
    "buildkite-agent",
    "act_runner",
    "drone-runner-exec",
];
/// Those by which a command may have something run later.
const SCHEDULERS: [&str; 4] = ["cron", "crond", "anacron", "atd"];

/// What started the program that owns a socket or a GPU, as far as the trail tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Descent {
    pub(crate) from: Origin,
    /// In words: the process, and what it descends from.
    pub(crate) words: String,
    /// The sight of the owner, and that of what it descends from.
    pub(crate) records: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The shell of that step.
    Tool(usize),
    Service {
        scheduler: bool,
    },
}

struct Sight<'a> {
    at: Instant,
    fact: &'a ProcessFact,
}

type Peer = (Option<IpAddr>, Option<u16>);
/// Place of the machine and pid, with the moment and the record at which it was the owner.
type Owners = BTreeMap<(usize, u32), (Instant, Record)>;

/// A process: its sights, in order of time.
struct Process<'s, 'a> {
    pid: u32,
    sights: &'s [Sight<'a>],
}

impl<'s, 'a> Process<'s, 'a> {
    fn parent(&self) -> Option<u32> {
        self.sights.iter().find_map(|sight| sight.fact.parent_pid)
    }

    /// Names of the programs that it ran, the latest first.
    fn programs(&self) -> impl Iterator<Item = &'a str> + use<'s, 'a> {
        self.sights.iter().rev().filter_map(|sight| sight.fact.process.as_deref())
    }

    fn shown(&self) -> String {
        let program = self.programs().next().map_or_else(String::new, |program| format!(" ({program})"));
        format!("process {}{program}", self.pid)
    }
}

/// All processes that the evidence tells of.
pub(crate) struct Processes<'a> {
    machines: Vec<Machine>,
    by_pid: BTreeMap<(usize, u32), Vec<Sight<'a>>>,
    /// Sockets by peer and port, with the place of their machine.
    by_peer: BTreeMap<Peer, Vec<(usize, Sight<'a>)>>,
    by_record: BTreeMap<Record, (usize, u32, Instant)>,
    /// Machines that a source without names of its own is declared to be of.
    of_source: BTreeMap<EvidenceId, usize>,
    shells: Shells<'a>,
}

impl<'a> Processes<'a> {
    pub(crate) fn new(steps: &Steps<'a>, clocks: &Clocks, case: &CaseFile) -> Self {
        let intake = steps.intake;
        let facts = &intake.facts.processes;
        let mut processes = Processes {
            machines: Vec::new(),
            by_pid: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_record: BTreeMap::new(),
            of_source: BTreeMap::new(),
            shells: Shells::default(),
        };
        if facts.is_empty() {
            return processes;
        }
        let declared = declared(intake, case);
        let mut known: BTreeMap<Machine, usize> = BTreeMap::new();
        for fact in facts {
            let evidence = fact.record.evidence;
            // Without a time nothing tells which of the processes of that pid it is.
            let Some(span) = fact.span.filter(|span| span.basis.is_dated() || clocks.is_tied(evidence, span.lo)) else {
                continue;
            };
            let name = fact.host.as_deref().or(declared.get(&evidence).map(String::as_str));
            let machine = name.map_or(Machine::Of(evidence), |name| Machine::Named(name.to_ascii_lowercase()));
            let place = *known.entry(machine).or_insert_with_key(|machine| {
                processes.machines.push(machine.clone());
                processes.machines.len() - 1
            });
            let at = clocks.align(evidence, span.lo);
            processes.by_pid.entry((place, fact.pid)).or_default().push(Sight { at, fact });
            processes.by_record.insert(fact.record, (place, fact.pid, at));
            if let Some(flow) = fact.flow.filter(|flow| flow.dst.is_some()) {
                let sight = Sight { at, fact };
                processes.by_peer.entry((flow.dst, flow.dst_port)).or_default().push((place, sight));
            }
        }
        for sights in processes.by_pid.values_mut() {
            sights.sort_by_key(|sight| (sight.at, sight.fact.record));
        }
        for (evidence, name) in &declared {
            let place = known.get(&Machine::Named(name.to_ascii_lowercase()));
            processes.of_source.extend(place.map(|place| (*evidence, *place)));
        }
        processes.shells = Shells::new(steps);
        processes
    }

    /// What the owners of a group of signals descend from: each owner once, those of which nothing is known left out.
    pub(crate) fn descents(&self, signals: &[&Traced], steps: &Steps<'a>, witnesses: &Asked<'_>) -> Vec<Descent> {
        let mut owners: Owners = BTreeMap::new();
        for one in signals {
            match one.signal.source {
                SignalSource::Network => self.of_sockets(one, witnesses, &mut owners),
                SignalSource::Host => {
                    for record in &one.signal.records {
                        if let Some((machine, pid, at)) = self.by_record.get(record) {
                            owners.entry((*machine, *pid)).or_insert((*at, *record));
                        }
                    }
                }
                SignalSource::Gpu => self.of_gpus(one, steps.intake, witnesses, &mut owners),
                SignalSource::Command => {}
            }
        }
        let of = |((machine, pid), (at, record))| self.descent(machine, pid, at, record, steps);
        owners.into_iter().take(MOST_OWNERS).filter_map(of).collect()
    }

    fn of_sockets(&self, one: &Traced, witnesses: &Asked<'_>, owners: &mut Owners) {
        let Some(span) = one.signal.span.filter(|_| one.timed) else { return };
        let flows = one.signal.targets.iter().chain(&one.signal.flow);
        for flow in flows {
            for (machine, sight) in self.by_peer.get(&(flow.dst, flow.dst_port)).into_iter().flatten() {
                let record = sight.fact.record;
                let near = NEAR_NS.saturating_add(witnesses.clocks.slack_on_reference_ns(record.evidence, sight.at));
                let during = span.lo.plus(-near) <= sight.at && sight.at <= span.hi.plus(near);
                if during && self.may_be_of(*machine, flow, sight.fact, witnesses.case) {
                    let owner = owners.entry((*machine, sight.fact.pid)).or_insert((sight.at, record));
                    *owner = (*owner).min((sight.at, record));
                }
            }
        }
    }

    /// Whether a socket of a machine may be the opener's end of a flow: neither its address nor the name of its machine says
    /// otherwise.
    fn may_be_of(&self, machine: usize, flow: &Flow, fact: &ProcessFact, case: &CaseFile) -> bool {
        let own = fact.flow.and_then(|flow| flow.src);
        if own.zip(flow.src).is_some_and(|(own, src)| own != src) {
            return false;
        }
        let Some(Machine::Named(name)) = self.machines.get(machine) else { return true };
        let of_address = flow.src.and_then(|src| case.host_of_address(src));
        of_address.is_none_or(|host| {
            let in_case = case.hosts.iter().any(|one| one.name.eq_ignore_ascii_case(name));
            !in_case || host.name.eq_ignore_ascii_case(name)
        })
    }

    /// A poll tells pids of the machine that it ran on: as declared, else the only one whose processes are known. The
    /// programs must agree as well.
    fn of_gpus(&self, one: &Traced, intake: &Intake, witnesses: &Asked<'_>, owners: &mut Owners) {
        for fact in &intake.facts.gpu_processes {
            let seen = [fact.first_record, fact.last_record];
            if fact.accounted_ms.is_some() || !one.signal.records.iter().any(|record| seen.contains(record)) {
                continue;
            }
            let (Some(pid), Some(span)) = (fact.pid, fact.first) else { continue };
            let evidence = fact.first_record.evidence;
            let of_case = witnesses.case.gpu.host.as_deref().map(str::to_ascii_lowercase);
            let named =
                of_case.and_then(|name| self.machines.iter().position(|one| *one == Machine::Named(name.clone())));
            let declared = witnesses.case.gpu.host.is_some();
            let only = (self.machines.len() == 1 && !declared).then_some(0);
            let Some(machine) = self.of_source.get(&evidence).copied().or(named).or(only) else { continue };
            let (at, slack) = witnesses.clocks.align_stamp(evidence, span.lo);
            let Some(process) = self.process(machine, pid, at.plus(slack)) else { continue };
            let name = fact.process.as_deref().map(base_name);
            if name.is_none_or(|name| process.programs().any(|program| base_name(program) == name)) {
                owners.entry((machine, pid)).or_insert((at.plus(slack), fact.first_record));
            }
        }
    }

    /// The process that had a pid at a moment: the latest sight until then and those before it that tell no other parent.
    fn process(&self, machine: usize, pid: u32, at: Instant) -> Option<Process<'_, 'a>> {
        let all = self.by_pid.get(&(machine, pid))?;
        let until = all.partition_point(|sight| sight.at <= at);
        let sights = all.get(..until)?;
        let mut parent = None;
        let same = sights.iter().rev().take_while(|sight| match (parent, sight.fact.parent_pid) {
            (Some(known), Some(told)) => known == told,
            (_, told) => {
                parent = parent.or(told);
                true
            }
        });
        let from = until.checked_sub(same.count())?;
        Some(Process { pid, sights: sights.get(from..)? }).filter(|process| !process.sights.is_empty())
    }

    /// The process and its ancestors as far as they are known, each with the moment until which it is looked at.
    fn chain(&self, machine: usize, pid: u32, at: Instant) -> Vec<Process<'_, 'a>> {
        let mut chain: Vec<Process<'_, 'a>> = Vec::new();
        let (mut pid, mut at) = (pid, at);
        while let Some(process) = self.process(machine, pid, at) {
            let parent = process.parent();
            at = process.sights.first().map_or(at, |sight| sight.at);
            let again = chain.iter().any(|other| other.pid == process.pid);
            if again || chain.len() == DEEPEST {
                break;
            }
            chain.push(process);
            match parent {
                // Whom the first process has adopted, it has not started.
                Some(parent) if parent > 1 => pid = parent,
                _ => break,
            }
        }
        chain
    }

    fn descent(&self, machine: usize, pid: u32, at: Instant, record: Record, steps: &Steps<'a>) -> Option<Descent> {
        let chain = self.chain(machine, pid, at);
        let owner = chain.first()?;
        let place = match self.machines.get(machine) {
            Some(Machine::Named(name)) => format!(" on {name}"),
            _ => String::new(),
        };
        let told = |from, what: String, by: Record| {
            let words = format!("{}{place} descends from {what}", owner.shown());
            let mut records = vec![record, by];
            records.dedup();
            Some(Descent { from, words, records })
        };
        for (depth, process) in chain.iter().enumerate() {
            for sight in process.sights {
                if let Some(step) = self.shells.step_of(sight.fact, sight.at, steps) {
                    let known = step_ref(step, steps);
                    let what = format!(
                        "the shell that ran step {} of {} (process {})",
                        known.index, known.episode, process.pid
                    );
                    return told(Origin::Tool(step), what, sight.fact.record);
                }
            }
            let by = process.sights.first()?.fact.record;
            let own = process.programs().filter_map(service).next().filter(|_| depth > 0);
            let parents = process.sights.iter().filter_map(|sight| sight.fact.parent_process.as_deref());
            if let Some(name) = own {
                let scheduler = SCHEDULERS.contains(&name);
                return told(Origin::Service { scheduler }, format!("{name} (process {})", process.pid), by);
            }
            if let Some(name) = parents.filter_map(service).next() {
                let scheduler = SCHEDULERS.contains(&name);
                return told(Origin::Service { scheduler }, name.to_owned(), by);
            }
        }
        None
    }
}

/// What the looking up needs of the case.
pub(crate) struct Asked<'c> {
    pub(crate) clocks: &'c Clocks,
    pub(crate) case: &'c CaseFile,
}

/// Hosts that the case declares of sources.
fn declared(intake: &Intake, case: &CaseFile) -> BTreeMap<EvidenceId, String> {
    let sources = intake.sources.iter().enumerate();
    sources
        .filter_map(|(at, source)| Some((EvidenceId(at as u32), case.time_context_for(&source.path).host?)))
        .collect()
}

/// The service that a program is, by the name of its file or of its process.
fn service(program: &str) -> Option<&'static str> {
    let name = base_name(program.trim());
    SERVICES.iter().find(|service| name == **service || name.strip_suffix(".exe") == Some(**service)).copied()
}

#[cfg(test)]
mod tests;
