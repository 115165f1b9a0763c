//! Observations as they come, and folds of parts of a file joined.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use super::Fold;
use crate::evidence::{Anomaly, Record, excerpt};
use crate::formats::Sink;
use crate::intake::facts::{
    AlertFact, ExecutionFact, FileFact, LeaseFact, MiningFact, ProbeFact, ProcessFact, SshFact, Teller, TimeAnchor,
    VerdictFact,
};
use crate::intake::merge::{join_episode, join_unread, keep_anomaly, tunnel_fact};
use crate::intake::packed::Packed;
use crate::intake::source::Unread;
use crate::model::{Connection, Detail, Episode, EpisodeText, Flow, Observation, Step, StepResult};
use crate::time::{SECOND, Span};

/// Bytes of the words for an anomaly: they may quote what somebody wrote without end.
const DETAIL_KEPT: usize = 4096;

impl Sink for Fold {
    fn record(&mut self) {
        self.records += 1;
    }

    fn unread(&mut self, record: u64, reason: &str, example: &[u8]) {
        if let Some(unread) = self.unread.get_mut(reason) {
            unread.count += 1;
            if record >= unread.first_record {
                return;
            }
        }
        let example = String::from_utf8_lossy(&example[..example.len().min(160)]).into_owned();
        match self.unread.get_mut(reason) {
            Some(unread) => (unread.first_record, unread.example) = (record, example),
            None => self.new_unread(Unread { reason: reason.to_owned(), count: 1, first_record: record, example }),
        }
    }

    fn observation(&mut self, observation: &Observation<'_>) {
        let (span, record, flow) = (observation.span, observation.record, observation.flow);
        if let Some(span) = span {
            let whole = match &observation.detail {
                Detail::Connection(Connection { last: Some(last), .. }) => Span { hi: span.hi.max(*last), ..span },
                _ => span,
            };
            self.span = Some(self.span.map_or(whole, |known| known.cover(whole)));
        }
        if let Some(fact) = process(observation, self.at(record)) {
            self.processes.add(fact);
        }
        match &observation.detail {
            Detail::Connection(seen) => {
                if let Some(flow) = flow {
                    self.connection(flow, span, record, seen);
                }
            }
            Detail::Dns(dns) => self.dns(flow, span, record, dns),
            Detail::Tls(tls) => self.tls(flow, span, record, tls),
            Detail::Http(http) => self.http(flow, span, record, http),
            Detail::Ntp(ntp) => {
                let (server, record) = (flow.and_then(|flow| flow.dst), self.at(record));
                let (teller, seen, told) = (Teller::Server, ntp.seen, ntp.told);
                self.anchor(TimeAnchor { teller, seen, told, resolution_ns: 1, server, record });
            }
            Detail::Ssh(ssh) => {
                let record = self.at(record);
                self.ssh.push(SshFact { flow: flow.unwrap_or_default(), ssh: ssh.clone(), span, record });
            }
            Detail::Mining(mining) => {
                for job in &mining.told {
                    let (server, record) = (flow.and_then(|flow| flow.dst), self.at(job.record));
                    let (teller, resolution_ns) = (Teller::Pool, SECOND);
                    self.anchor(TimeAnchor { teller, seen: job.seen, told: job.told, resolution_ns, server, record });
                }
                let record = self.at(record);
                self.mining.push(MiningFact { flow: flow.unwrap_or_default(), mining: mining.clone(), span, record });
            }
            Detail::Tunnel(tunnel) => {
                let fact = tunnel_fact(flow.unwrap_or_default(), tunnel, span, self.at(record));
                self.tunnel(fact);
            }
            Detail::File(file) => {
                let record = self.at(record);
                self.files.add(FileFact { flow: flow.unwrap_or_default(), file: file.clone(), span, record });
            }
            Detail::Probe(probe) => {
                let record = self.at(record);
                self.probes.add(ProbeFact { flow: flow.unwrap_or_default(), probe: probe.clone(), span, record });
            }
            Detail::GpuSample(sample) => self.gpu_sample(span, record, sample),
            Detail::GpuProcess(process) => self.gpu_process(span, record, process),
            Detail::Alert(alert) => {
                if let Some(behaviour) = alert.behaviour {
                    let flow = Flow { src_port: None, ..flow.unwrap_or_default() };
                    self.verdict(VerdictFact {
                        behaviour,
                        message: alert.message.to_string(),
                        category: alert.category.to_string(),
                        flow,
                        host: observation.host.as_deref().map(str::to_owned),
                        action: alert.action,
                        first: span,
                        last: span.map(|span| span.hi),
                        record: self.at(record),
                        count: 1,
                    });
                }
                self.alert(AlertFact {
                    category: alert.category.to_string(),
                    user: alert.user.as_deref().map(str::to_owned),
                    host: observation.host.as_deref().map(str::to_owned),
                    src: flow.and_then(|flow| flow.src),
                    message: alert.message.to_string(),
                    first: span,
                    last: span,
                    record: self.at(record),
                    count: 1,
                });
            }
            Detail::Execution(execution) => self.execution(ExecutionFact {
                command: execution.command.to_string(),
                process: execution.process.as_deref().map(str::to_owned),
                pid: execution.pid,
                user: execution.user.as_deref().map(str::to_owned),
                host: observation.host.as_deref().map(str::to_owned),
                first: span,
                record: self.at(record),
                count: 1,
            }),
            Detail::Lease(lease) => self.leases.add(LeaseFact {
                address: lease.address,
                hardware: lease.hardware.to_string(),
                name: lease.name.as_deref().map(str::to_owned),
                ended: lease.ended,
                span,
                record: self.at(record),
            }),
            Detail::Other(_) => {}
        }
    }

    fn episode(&mut self, episode: Episode) {
        if let Some(span) = episode.span {
            self.span = Some(self.span.map_or(span, |known| known.cover(span)));
        }
        match self.episodes.get_mut(&episode.id) {
            Some(known) => join_episode(known, episode),
            None => drop(self.episodes.insert(episode.id.clone(), episode)),
        }
    }

    fn step(&mut self, mut step: Step) {
        let output = step.output.take().map(|output| Packed::within(&self.memory, &output));
        if let Some((before, _)) = self.steps.last().filter(|(before, _)| before.episode == step.episode) {
            step.episode = Arc::clone(&before.episode);
        }
        self.steps.push((step, output));
    }

    fn result(&mut self, mut result: StepResult) {
        let output = result.output.take().map(|output| Packed::within(&self.memory, &output));
        self.results.push((result, output));
    }

    fn text(&mut self, mut text: EpisodeText) {
        let said = Packed::within(&self.memory, &std::mem::take(&mut text.text));
        self.texts.push((text, said));
    }

    fn anomaly(&mut self, mut anomaly: Anomaly) {
        shorten(&mut anomaly.detail);
        let (count, kept) = self.anomalies.entry(anomaly.kind).or_default();
        *count += 1;
        keep_anomaly(kept, anomaly);
    }

    fn fork(&self) -> Box<dyn Sink> {
        Box::new(Fold::new(self.evidence, &self.memory))
    }

    fn join(&mut self, fork: Box<dyn Sink>) {
        let Ok(fork) = fork.into_any().downcast::<Fold>() else { return };
        self.records += fork.records;
        self.undated += fork.undated;
        for (reason, unread) in fork.unread {
            match self.unread.get_mut(&reason) {
                Some(known) => join_unread(known, unread),
                None => self.new_unread(unread),
            }
        }
        self.span = match (self.span, fork.span) {
            (Some(a), Some(b)) => Some(a.cover(b)),
            (a, b) => a.or(b),
        };
        self.conversations.join(fork.conversations);
        self.dns.join(fork.dns);
        self.queries.join(fork.queries);
        self.names.join(fork.names);
        self.http.join(fork.http);
        self.anchors_left_out += fork.anchors_left_out;
        fork.anchors.into_values().for_each(|anchor| self.anchor(anchor));
        fork.sequences.into_values().for_each(|fact| self.sequence(fact));
        fork.written.into_values().for_each(|fact| self.written(fact));
        fork.crossings.into_values().for_each(|crossing| self.crossing(crossing));
        self.ssh.extend(fork.ssh);
        self.mining.extend(fork.mining);
        self.tunnels.join(fork.tunnels);
        self.zones.join(fork.zones);
        self.files.join(fork.files);
        self.probes.join(fork.probes);
        self.gpu.join(fork.gpu);
        self.gpu_processes.join(fork.gpu_processes);
        self.alerts.join(fork.alerts);
        self.verdicts.join(fork.verdicts);
        self.executions.join(fork.executions);
        self.leases.join(fork.leases);
        self.processes.join(fork.processes);
        for episode in fork.episodes.into_values() {
            self.episode(episode);
        }
        self.steps.extend(fork.steps);
        self.results.extend(fork.results);
        self.texts.extend(fork.texts);
        for (kind, (count, anomalies)) in fork.anomalies {
            let (ours, kept) = self.anomalies.entry(kind).or_default();
            *ours += count;
            for anomaly in anomalies {
                keep_anomaly(kept, anomaly);
            }
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Cuts words as they come, once: folds of parts of a file join what was cut before.
fn shorten(detail: &mut String) {
    if detail.len() > DETAIL_KEPT {
        *detail = excerpt(detail, DETAIL_KEPT).into_owned();
        detail.shrink_to_fit();
    }
}

/// What an observation tells of the process that it is about.
fn process(observation: &Observation<'_>, record: Record) -> Option<ProcessFact> {
    let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let fact = |pid, process| ProcessFact {
        host: owned(&observation.host),
        pid,
        parent_pid: None,
        process: owned(process),
        parent_process: None,
        command: None,
        flow: None,
        span: observation.span,
        record,
    };
    match &observation.detail {
        Detail::Execution(execution) => Some(ProcessFact {
            parent_pid: execution.parent_pid,
            parent_process: owned(&execution.parent_process),
            command: Some(execution.command.to_string()),
            ..fact(execution.pid?, &execution.process)
        }),
        Detail::Connection(seen) => {
            Some(ProcessFact { parent_pid: seen.parent_pid, flow: observation.flow, ..fact(seen.pid?, &seen.process) })
        }
        Detail::Alert(alert) => Some(fact(alert.pid?, &alert.process)),
        _ => None,
    }
}
