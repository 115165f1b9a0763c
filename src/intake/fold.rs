use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::facts::*;
use super::kept::{Earliest, Sampled};
use super::memory::Memory;
use super::merge::{gpu_name, join_unread};
use super::packed::Packed;
use super::readings::Readings;
use super::segments;
use super::source::Unread;
use super::table::Table;
use super::zones::{self, ZoneFact};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Record};
use crate::model::{
    Behaviour, Connection, ConversationKey, Dns, Episode, EpisodeText, Flow, GpuProcess, GpuSample, Http, Step,
    StepResult, Tls,
};
use crate::time::{SECOND, Span};

mod settled;
mod sink;

pub(super) use settled::Settled;

/// How many distinct facts of each kind are kept per evidence; an anomaly says what becomes of more.
const DISTINCT_KEPT: usize = 200_000;

/// Reasons for which records are unread that are told apart in one evidence: shapes of lines are whatever was written.
const REASONS_KEPT: usize = 1_000;
const OTHER_REASONS: &str = "of many shapes: more than 1,000 kinds of unread records in one file";

/// Names in a certificate up to which they tell whom the client meant.
const CERTIFICATE_NAMES: usize = 4;

/// Folds what a reader finds in one evidence. Memory grows with what is distinct, not with records.
pub(super) struct Fold {
    evidence: EvidenceId,
    memory: Arc<Memory>,
    pub(super) records: u64,
    pub(super) unread: BTreeMap<String, Unread>,
    /// Earliest and latest dated moment, and the loosest basis of any.
    pub(super) span: Option<Span>,
    conversations: Table,
    pub(super) undated: u64,
    dns: Sampled<(String, IpAddr, Option<IpAddr>), DnsFact>,
    queries: Sampled<(String, Option<IpAddr>), QueryFact>,
    names: Sampled<(String, NameSource, Flow), NameFact>,
    http: Sampled<(Flow, String, Option<String>, String), HttpFact>,
    anchors: BTreeMap<u64, TimeAnchor>,
    anchors_left_out: u64,
    crossings: BTreeMap<u64, CrossingFact>,
    sequences: BTreeMap<u64, SequenceFact>,
    written: BTreeMap<u64, WrittenFact>,
    ssh: Vec<SshFact>,
    mining: Vec<MiningFact>,
    /// By protocol, whether it is reversed, opener, peer and port.
    tunnels: Sampled<(&'static str, bool, Flow), TunnelFact>,
    zones: Sampled<(String, Option<IpAddr>), ZoneFact>,
    files: Earliest<FileFact>,
    probes: Earliest<ProbeFact>,
    gpu: Readings,
    gpu_processes: Sampled<(String, Option<u32>, Option<String>, bool), GpuProcessFact>,
    alerts: Sampled<(String, Option<String>, Option<IpAddr>), AlertFact>,
    verdicts: Sampled<(Behaviour, Flow, String), VerdictFact>,
    executions: Sampled<(Option<String>, Option<String>, String), ExecutionFact>,
    processes: Earliest<ProcessFact>,
    leases: Earliest<LeaseFact>,
    pub(super) episodes: BTreeMap<String, Episode>,
    /// With what came back.
    pub(super) steps: Vec<(Step, Option<Packed>)>,
    pub(super) results: Vec<(StepResult, Option<Packed>)>,
    pub(super) texts: Vec<(EpisodeText, Packed)>,
    pub(super) anomalies: BTreeMap<AnomalyKind, (u64, Vec<Anomaly>)>,
}

impl Fold {
    pub(super) fn new(evidence: EvidenceId, memory: &Arc<Memory>) -> Self {
        Fold {
            evidence,
            memory: Arc::clone(memory),
            records: 0,
            unread: BTreeMap::new(),
            span: None,
            conversations: Table::new(memory),
            undated: 0,
            dns: Sampled::new(DISTINCT_KEPT),
            queries: Sampled::new(DISTINCT_KEPT),
            names: Sampled::new(DISTINCT_KEPT),
            http: Sampled::new(DISTINCT_KEPT),
            anchors: BTreeMap::new(),
            anchors_left_out: 0,
            crossings: BTreeMap::new(),
            sequences: BTreeMap::new(),
            written: BTreeMap::new(),
            ssh: Vec::new(),
            mining: Vec::new(),
            tunnels: Sampled::new(DISTINCT_KEPT),
            zones: Sampled::new(DISTINCT_KEPT),
            files: Earliest::new(DISTINCT_KEPT, |fact| fact.record.number),
            probes: Earliest::new(DISTINCT_KEPT, |fact| fact.record.number),
            gpu: Readings::new(evidence, memory),
            gpu_processes: Sampled::new(DISTINCT_KEPT),
            alerts: Sampled::new(DISTINCT_KEPT),
            verdicts: Sampled::new(DISTINCT_KEPT),
            executions: Sampled::new(DISTINCT_KEPT),
            processes: Earliest::new(ProcessFact::KEPT, |fact| fact.record.number),
            leases: Earliest::new(LeaseFact::KEPT, |fact| fact.record.number),
            episodes: BTreeMap::new(),
            steps: Vec::new(),
            results: Vec::new(),
            texts: Vec::new(),
            anomalies: BTreeMap::new(),
        }
    }

    /// A reason that was not met before. Of more reasons than are kept, the last in order go under one name: which these
    /// are depends on the reasons alone and not on the order of records.
    fn new_unread(&mut self, unread: Unread) {
        self.unread.insert(unread.reason.clone(), unread);
        if self.unread.len() <= REASONS_KEPT {
            return;
        }
        let last = self.unread.keys().rev().find(|reason| reason.as_str() != OTHER_REASONS).cloned();
        let Some(mut other) = last.and_then(|last| self.unread.remove(&last)) else { return };
        other.reason = OTHER_REASONS.to_owned();
        match self.unread.get_mut(OTHER_REASONS) {
            Some(known) => join_unread(known, other),
            None => drop(self.unread.insert(OTHER_REASONS.to_owned(), other)),
        }
    }

    fn at(&self, number: u64) -> Record {
        Record { evidence: self.evidence, number }
    }

    fn connection(&mut self, flow: Flow, span: Option<Span>, record: u64, seen: &Connection<'_>) {
        let Some(span) = span else {
            self.undated += 1;
            return;
        };
        let record = self.at(record);
        if let Some(crossed) = crossed(flow, seen) {
            self.crossing(CrossingFact { flow: crossed, at: span.lo, record });
        }
        let Flow { src, dst, dst_port, protocol, .. } = flow;
        let key = ConversationKey { evidence: self.evidence, src, dst, dst_port, protocol };
        self.conversations.change(key, |segments| segments::add(segments, span, flow, record, seen));
        if let Some(sequence) = seen.tcp_sequence.filter(|sequence| *sequence != 0) {
            self.sequence(SequenceFact { flow, sequence, at: span.lo, record });
        }
        if let Some(written) = seen.stated {
            let last = seen.last.filter(|last| *last > span.hi);
            let own = last.map_or(span, |last| Span { lo: last, hi: last.plus(span.hi.since(span.lo)), ..span });
            self.written(WrittenFact { own, written, record });
        }
        if let Some(domain) = &seen.domain {
            self.name(domain, NameSource::Device, flow, Some(span), record.number);
        }
    }

    fn sequence(&mut self, fact: SequenceFact) {
        self.sequences.insert(fact.record.number, fact);
        if self.sequences.len() > SequenceFact::KEPT {
            self.sequences.pop_last();
        }
    }

    fn written(&mut self, fact: WrittenFact) {
        self.written.insert(fact.record.number, fact);
        if self.written.len() > WrittenFact::KEPT {
            self.written.pop_last();
        }
    }

    fn crossing(&mut self, crossing: CrossingFact) {
        self.crossings.insert(crossing.record.number, crossing);
        if self.crossings.len() > CrossingFact::KEPT {
            self.crossings.pop_last();
        }
    }

    fn dns(&mut self, flow: Option<Flow>, span: Option<Span>, record: u64, dns: &Dns) {
        let record = self.at(record);
        let name = dns.query.trim_end_matches('.').to_ascii_lowercase();
        // In a response the server opened nothing: the client is the opener of the flow all the same.
        let client = flow.and_then(|flow| flow.src);
        if let Some(fact) = zones::fact(&name, dns, flow.unwrap_or_default(), span, record) {
            self.zone(fact);
        }
        if dns.response {
            for address in &dns.addresses {
                let fact = DnsFact { name: name.clone(), address: *address, client, first: span, record, count: 1 };
                self.dns.add((name.clone(), *address, client), fact);
            }
        } else {
            self.queries.add((name.clone(), client), QueryFact { name, client, first: span, record, count: 1 });
        }
    }

    fn name(&mut self, name: &str, source: NameSource, flow: Flow, span: Option<Span>, record: u64) {
        let record = self.at(record);
        let flow = Flow { src_port: None, ..flow };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let last = span.map(|span| span.hi);
        let fact = NameFact { name: name.clone(), source, flow, first: span, last, record, count: 1 };
        self.names.add((name, source, flow), fact);
    }

    fn tls(&mut self, flow: Option<Flow>, span: Option<Span>, record: u64, tls: &Tls) {
        let Some(flow) = flow else { return };
        match (&tls.server_name, &tls.certificate) {
            (Some(name), _) => self.name(name, NameSource::Sni, flow, span, record),
            // A certificate for many names says little about which was meant.
            (None, Some(certificate)) if certificate.names.len() <= CERTIFICATE_NAMES => {
                let names: BTreeSet<&str> =
                    certificate.names.iter().map(|name| name.trim_start_matches("*.")).collect();
                for name in names {
                    self.name(name, NameSource::Certificate, flow, span, record);
                }
            }
            _ => {}
        }
    }

    fn http(&mut self, flow: Option<Flow>, span: Option<Span>, number: u64, http: &Http) {
        let Some(flow) = flow else { return };
        if let Some(host) = &http.host {
            self.name(without_port(host), NameSource::Host, flow, span, number);
        }
        let record = self.at(number);
        if let (Some(told), Some(seen)) = (http.date, http.date_seen) {
            let record = self.at(number);
            let server = flow.dst;
            self.anchor(TimeAnchor { teller: Teller::Server, seen, told, resolution_ns: SECOND, server, record });
        }
        let flow = Flow { src_port: None, ..flow };
        let key = (flow, http.method.clone(), http.host.clone(), http.target.clone());
        self.http.add(key, HttpFact { flow, http: http.clone(), first: span, record, count: 1 });
    }

    fn anchor(&mut self, anchor: TimeAnchor) {
        // A pool that answers over HTTP tells two times in one packet: the answer's own is the one to keep.
        let known = self.anchors.get(&anchor.record.number);
        if anchor.teller == Teller::Pool && known.is_some_and(|known| known.teller == Teller::Server) {
            return;
        }
        self.anchors.insert(anchor.record.number, anchor);
        if self.anchors.len() > DISTINCT_KEPT && self.anchors.pop_last().is_some() {
            self.anchors_left_out += 1;
        }
    }

    fn tunnel(&mut self, fact: TunnelFact) {
        self.tunnels.add((fact.tunnel.protocol, fact.tunnel.reversed, fact.flow), fact);
    }

    fn zone(&mut self, fact: ZoneFact) {
        self.zones.add((fact.zone.clone(), fact.client), fact);
    }

    fn verdict(&mut self, fact: VerdictFact) {
        self.verdicts.add((fact.behaviour, fact.flow, fact.message.clone()), fact);
    }

    fn execution(&mut self, fact: ExecutionFact) {
        self.executions.add((fact.host.clone(), fact.user.clone(), fact.command.clone()), fact);
    }

    fn alert(&mut self, fact: AlertFact) {
        self.alerts.add((fact.category.clone(), fact.user.clone(), fact.src), fact);
    }

    fn gpu_sample(&mut self, span: Option<Span>, record: u64, sample: &GpuSample<'_>) {
        let gpu = gpu_name(sample.gpu_uuid.as_deref(), sample.gpu);
        self.gpu.met(gpu.clone(), sample.gpu);
        // Without a time it still says which index has which UUID (nvidia-smi -L).
        let Some(span) = span else {
            self.undated += 1;
            return;
        };
        let point = GpuPoint {
            at: span.lo,
            record,
            utilization_percent: sample.utilization_percent.map(|value| value as f32),
            memory_utilization_percent: sample.memory_utilization_percent.map(|value| value as f32),
            memory_used_mib: sample.memory_used_mib.map(|value| value as f32),
            power_w: sample.power_w.map(|value| value as f32),
            sm_clock_mhz: sample.sm_clock_mhz.map(|value| value as f32),
        };
        self.gpu.add(gpu.clone(), point);
        if !sample.settings.is_empty() {
            self.gpu.state(gpu, GpuSettingsFact { at: span.lo, record, settings: sample.settings });
        }
    }

    fn gpu_process(&mut self, span: Option<Span>, number: u64, process: &GpuProcess<'_>) {
        let record = self.at(number);
        let gpu = gpu_name(process.gpu_uuid.as_deref(), process.gpu);
        let name = process.process.as_deref().map(str::to_owned);
        let fact = GpuProcessFact {
            gpu: gpu.clone(),
            pid: process.pid,
            process: name.clone(),
            first: span,
            last: span,
            first_record: record,
            last_record: record,
            polls: 1,
            memory_used_max_mib: process.memory_used_mib,
            accounted_ms: process.accounted_ms,
            utilization_percent: process.utilization_percent,
        };
        self.gpu_processes.add((gpu, process.pid, name, process.accounted_ms.is_some()), fact);
    }

    /// What was not kept because a bound was reached, a sentence each.
    pub(super) fn left_out(&mut self) -> Vec<String> {
        let anchors =
            format!("{} times of servers beyond the first {DISTINCT_KEPT} are counted alone", self.anchors_left_out);
        let told = [
            self.dns.told("names with addresses"),
            self.queries.told("names asked for"),
            self.names.told("names spoken to peers"),
            self.http.told("requests"),
            self.tunnels.told("tunnels"),
            self.zones.told("zones asked beneath"),
            self.alerts.told("alerts"),
            self.verdicts.told("verdicts of sensors"),
            self.executions.told("commands"),
            self.gpu_processes.told("processes on GPUs"),
            self.files.told("files"),
            self.probes.told("probes"),
            self.processes.told("sights of processes"),
            self.leases.told("leases"),
            (self.anchors_left_out > 0).then_some(anchors),
        ];
        told.into_iter().flatten().collect()
    }
}

/// The name or address in a Host (RFC 3986, section 3.2.2: an IPv6 address stands in brackets).
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// The flow as it is beyond the translation that a record states, if it states one.
fn crossed(flow: Flow, seen: &Connection<'_>) -> Option<Flow> {
    let mut beyond = flow;
    if let Some((ip, port)) = seen.nat_src {
        (beyond.src, beyond.src_port) = (Some(ip), port.or(flow.src_port));
    }
    if let Some((ip, port)) = seen.nat_dst {
        (beyond.dst, beyond.dst_port) = (Some(ip), port.or(flow.dst_port));
    }
    (beyond != flow).then_some(beyond)
}

#[cfg(test)]
mod tests;
