//! Small worlds for the tests of this module, put together by hand.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::acts::{self, Act, Hit};
use super::attribute::Steps;
use super::clocks::{self, Clocks};
use super::events::{self, Event, Events, Row};
use super::identity::Identity;
use super::names::Names;
use super::steptime::{self, StepTime};
use super::traced::Traced;
use super::traffic::Traffic;
use super::witnesses::{Aligned, Witnesses};
use crate::detect::rules::RuleSet;
use crate::evidence::{EvidenceId, Record};
use crate::formats::Kind;
use crate::intake::{CaseFile, DnsFact, GpuProcessFact, Intake, LeaseFact, ProcessFact, Source};
use crate::model::{
    Behaviour, Confidence, Conversation, ConversationKey, ConversationStart, Endpoint, EndpointKind, Episode, Protocol,
    Segment, Step,
};
use crate::time::{Basis, Instant, SECOND, Span, YearSource};

/// A moment so many milliseconds after 2026-11-20T00:00:00Z.
pub(super) fn ms(milliseconds: i64) -> Instant {
    Instant(1_795_132_800 * SECOND + milliseconds * 1_000_000)
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(RuleSet::embedded)
}

/// What a command meets a rule by, without words.
pub(super) fn hit(behaviour: Behaviour, confidence: Confidence) -> Hit {
    Hit { rule: String::new(), title: String::new(), behaviour, kind: String::new(), confidence }
}

/// A connection that is over as soon as it began.
pub(super) fn row(src: Option<&str>, dst: &str, at: Instant) -> Row {
    Row {
        evidence: EvidenceId(0),
        at,
        slack_ns: 0,
        until: at,
        src: src.map(ip),
        src_port: None,
        dst: Some(ip(dst)),
        dst_port: None,
        protocol: None,
        number: 1,
        shows: 0,
        segment: None,
        timed: true,
        failed: false,
    }
}

/// A case file of hosts h1 at 10.20.0.5, h2 at 10.20.0.6 and so on, each with the run of the transcripts a*.jsonl, b*.jsonl and so
/// on, and what else is said of that run.
pub(super) fn sandboxes(runs: &[&str]) -> String {
    let host = |at: usize| format!("[[host]]\nname = \"h{}\"\naddresses = [\"10.20.0.{}\"]\n", at + 1, at + 5);
    let run = |(at, (name, more)): (usize, (char, &&str))| {
        format!("[[run]]\ntranscripts = \"{name}*.jsonl\"\nhost = \"h{}\"\n{more}\n", at + 1)
    };
    (0..runs.len()).map(host).chain(('a'..).zip(runs).enumerate().map(run)).collect()
}

#[derive(Default)]
pub(super) struct World {
    pub(super) intake: Intake,
    pub(super) case: CaseFile,
}

impl World {
    /// A world with what a case file says.
    pub(super) fn with_case(text: &str) -> World {
        World { case: CaseFile::parse(text, "case.toml").unwrap(), ..World::default() }
    }

    pub(super) fn source(&mut self, path: &str, kind: Kind, basis: Basis) -> EvidenceId {
        self.intake.sources.push(Source {
            path: path.to_owned(),
            sha256: String::new(),
            bytes: 1,
            format: Some("made-up"),
            kind: Some(kind),
            compression: "",
            record_unit: "record",
            reason: String::new(),
            runner_up: None,
            records: 1,
            unread: 0,
            unread_reasons: Vec::new(),
            first: Some(ms(0)),
            last: Some(ms(86_400_000)),
            basis: Some(basis),
            declared_zone: false,
            declared_offset_ns: 0,
            year: YearSource::Unknown,
            boots: Vec::new(),
            failure: None,
        });
        EvidenceId(self.intake.sources.len() as u32 - 1)
    }

    /// An episode in a transcript of its own. The host as the case declares it, or as given.
    pub(super) fn episode(&mut self, path: &str, host: Option<&str>) -> EvidenceId {
        let evidence = self.source(path, Kind::Transcript, Basis::ExplicitOffset);
        let run = self.case.run_of(path);
        self.intake.episodes.push(Episode {
            id: path.to_owned(),
            name: path.trim_end_matches(".jsonl").to_owned(),
            host: run.and_then(|run| run.host.clone()).or(host.map(str::to_owned)),
            run: run.map(|run| run.name.clone()),
            ..Episode::default()
        });
        evidence
    }

    /// The next step of the episode of that transcript; `at` is when it began and when it had ended.
    pub(super) fn step(&mut self, evidence: EvidenceId, at: Option<(Instant, Instant)>, command: &str) -> usize {
        let episode = self.intake.sources[evidence.0 as usize].path.clone();
        let index = self.intake.steps.iter().filter(|step| *step.episode == *episode).count() as u32;
        let endpoint = |at: Instant, kind| Endpoint { span: Span::at(at, Basis::ExplicitOffset), kind };
        self.intake.steps.push(Step {
            index,
            start: at.map(|(start, _)| endpoint(start, EndpointKind::CallRecorded)),
            end: at.map(|(_, end)| endpoint(end, EndpointKind::ResultRecorded)),
            arguments: serde_json::json!({ "command": command }).to_string(),
            command: Some(command.to_owned()),
            exit_code: Some(0),
            ..Step::new(&episode, (u64::from(index), 0), Record { evidence, number: u64::from(index) + 1 }, "Bash")
        });
        self.intake.steps.len() - 1
    }

    /// A connection of a second, in a segment of its own.
    pub(super) fn connection(&mut self, evidence: EvidenceId, src: &str, dst: &str, at: Instant) -> &mut Segment {
        // Every connection has a source port of its own.
        let connections: usize = self.intake.conversations.iter().map(|one| one.segments.len()).sum();
        self.connection_from(evidence, src, dst, at, 40_000 + connections as u16)
    }

    pub(super) fn connection_from(
        &mut self,
        evidence: EvidenceId,
        src: &str,
        dst: &str,
        at: Instant,
        src_port: u16,
    ) -> &mut Segment {
        let peer: std::net::SocketAddr = dst.parse().unwrap();
        let key = ConversationKey {
            evidence,
            src: Some(ip(src)),
            dst: Some(peer.ip()),
            dst_port: Some(peer.port()),
            protocol: Some(Protocol::TCP),
        };
        let known = self.intake.conversations.iter().position(|one| one.key == key);
        let place = match known {
            Some(place) => place,
            None => {
                let new = Conversation { key, segments: Default::default() };
                self.intake.conversations.append(vec![new].into());
                self.intake.conversations.len() - 1
            }
        };
        let record = self.intake.conversations.iter().map(|one| one.segments.len() as u64).sum::<u64>() + 1;
        let last = at.plus(SECOND);
        let basis = self.intake.sources[evidence.0 as usize].basis.unwrap();
        let segments = &mut self.intake.conversations.get_mut(place).unwrap().segments;
        let mut segment = Segment::empty(at, last, basis, record);
        segment.observations = 1;
        segment.starts.push(ConversationStart { at, src_port, record, last });
        segments.push(segment);
        segments.last_mut().unwrap()
    }

    /// A sight of a process in a trail.
    pub(super) fn process(
        &mut self,
        evidence: EvidenceId,
        at: Instant,
        pid: u32,
        parent: Option<u32>,
        program: &str,
    ) -> &mut ProcessFact {
        let number = self.intake.facts.processes.len() as u64 + 1;
        self.intake.facts.processes.push(ProcessFact {
            host: None,
            pid,
            parent_pid: parent,
            process: Some(program.to_owned()),
            parent_process: None,
            command: None,
            flow: None,
            span: Some(Span::at(at, Basis::ExplicitOffset)),
            record: Record { evidence, number },
        });
        self.intake.facts.processes.last_mut().unwrap()
    }

    /// A process on GPU 1 that a minute of polls saw from one moment to another.
    pub(super) fn gpu_process(&mut self, evidence: EvidenceId, program: &str, seen: [Span; 2]) -> &mut GpuProcessFact {
        let [first, last] = seen.map(Some);
        self.intake.facts.gpu_processes.push(GpuProcessFact {
            gpu: "1".to_owned(),
            pid: Some(9917),
            process: Some(program.to_owned()),
            first,
            last,
            first_record: Record { evidence, number: 3 },
            last_record: Record { evidence, number: 99 },
            polls: 60,
            memory_used_max_mib: None,
            accounted_ms: None,
            utilization_percent: None,
        });
        self.intake.facts.gpu_processes.last_mut().unwrap()
    }

    pub(super) fn dns(&mut self, name: &str, address: &str) {
        self.intake.facts.dns.push(DnsFact {
            name: name.to_owned(),
            address: ip(address),
            client: None,
            first: None,
            record: Record { evidence: EvidenceId(0), number: 1 },
            count: 1,
        });
    }

    /// What a DHCP server wrote: a lease, or that it ended. Hosts with names of one length share their hardware address.
    pub(super) fn lease(&mut self, server: EvidenceId, at: i64, address: &str, host: &str, ended: bool) {
        let number = self.intake.facts.leases.len() as u64 + 1;
        self.intake.facts.leases.push(LeaseFact {
            address: ip(address),
            hardware: format!("52:54:00:00:00:{:02x}", host.len()),
            name: Some(host.to_owned()),
            ended,
            span: Some(Span::at(ms(at), Basis::ExplicitOffset)),
            record: Record { evidence: server, number },
        });
    }

    pub(super) fn acts(&self) -> Vec<Act> {
        acts::understand(&self.intake, rules())
    }

    pub(super) fn names(&self) -> Names {
        Names::new(&self.intake.facts, acts::printed_resolutions(&self.intake))
    }

    pub(super) fn clocks(&self) -> Clocks {
        clocks::find(&self.intake, &self.case, &self.acts(), &self.names())
    }

    /// Everything that comes before attribution, in the order of `analyze`.
    pub(super) fn lay(self) -> Laid {
        let mut acts = self.acts();
        let names = self.names();
        let clocks = clocks::find(&self.intake, &self.case, &acts, &names);
        acts::note_unresolved(&mut acts, &names);
        let identity = Identity::new(&self.intake, &self.case, &acts, &names, &clocks);
        acts::share(&mut acts, &self.intake, &self.case, &identity, rules());
        let events = events::events(&self.intake, &clocks, &names, &acts, &|_| true, &Arc::default());
        let mut times = steptime::step_times(&self.intake, &clocks);
        steptime::bound_by_order(&mut times, &self.intake, &acts, &events, &identity, &clocks);
        Laid { world: self, acts, names, clocks, identity, events, times }
    }
}

pub(super) struct Laid {
    pub(super) world: World,
    pub(super) acts: Vec<Act>,
    pub(super) names: Names,
    pub(super) clocks: Clocks,
    pub(super) identity: Identity,
    /// Of all hosts.
    pub(super) events: Events,
    pub(super) times: Vec<StepTime>,
}

impl Laid {
    pub(super) fn steps(&self) -> Steps<'_> {
        Steps { intake: &self.world.intake, acts: &self.acts, times: &self.times, identity: &self.identity }
    }

    /// What the witnesses say of signals, had the alignment test come out so.
    pub(super) fn ask<T>(
        &self,
        traced: &[Traced],
        aligned: Option<Aligned>,
        question: impl FnOnce(&Witnesses<'_>) -> T,
    ) -> T {
        let steps = self.steps();
        let (events, traffic) = (&self.events, Traffic::new(&self.events, &self.acts));
        let (clocks, case) = ((&self.clocks, &self.names), &self.world.case);
        question(&Witnesses::new(&steps, clocks, case, (events, &traffic), aligned, traced))
    }

    /// Connections of the hosts that agents are known to run on, or of all.
    pub(super) fn theirs(&self) -> Events {
        let theirs = |event: &Event<'_>| {
            !self.identity.knows_agents() || event.src.is_some_and(|src| self.identity.is_agent_at(src, event.at))
        };
        self.events.filtered(&Arc::default(), theirs)
    }
}
