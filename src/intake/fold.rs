use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::facts::*;
use super::merge::{gpu_name, join_execution, join_process, join_tunnel, join_unread, join_verdict, repeat};
use super::packed::Packed;
use super::segments;
use super::source::Unread;
use super::table::Table;
use super::zones::{self, ZoneFact};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Record};
use crate::model::{
    Behaviour, Connection, Conversation, ConversationKey, Dns, Episode, EpisodeText, Flow, GpuProcess, GpuSample, Http,
    Step, StepResult, Tls,
};
use crate::time::{SECOND, Span};

/// How many distinct requests and server times are kept per evidence; more are counted in an anomaly.
const DISTINCT_KEPT: usize = 200_000;

/// Reasons for which records are unread that are told apart in one evidence: shapes of lines are whatever was written.
const REASONS_KEPT: usize = 1_000;
const OTHER_REASONS: &str = "of many shapes: more than 1,000 kinds of unread records in one file";

/// Names in a certificate up to which they tell whom the client meant.
const CERTIFICATE_NAMES: usize = 4;

/// Folds what a reader finds in one evidence. Memory grows with what is distinct, not with records.
pub(super) struct Fold {
    evidence: EvidenceId,
    pub(super) records: u64,
    pub(super) unread: BTreeMap<String, Unread>,
    /// Earliest and latest dated moment, and the loosest basis of any.
    pub(super) span: Option<Span>,
    conversations: Table,
    pub(super) undated: u64,
    dns: BTreeMap<(String, IpAddr, Option<IpAddr>), DnsFact>,
    queries: BTreeMap<(String, Option<IpAddr>), QueryFact>,
    names: BTreeMap<(String, NameSource, Flow), NameFact>,
    http: BTreeMap<(Flow, String, Option<String>, String), HttpFact>,
    anchors: BTreeMap<u64, TimeAnchor>,
    crossings: BTreeMap<u64, CrossingFact>,
    sequences: BTreeMap<u64, SequenceFact>,
    written: BTreeMap<u64, WrittenFact>,
    omitted: u64,
    ssh: Vec<SshFact>,
    mining: Vec<MiningFact>,
    /// By protocol, whether it is reversed, opener, peer and port.
    tunnels: BTreeMap<(&'static str, bool, Flow), TunnelFact>,
    zones: BTreeMap<(String, Option<IpAddr>), ZoneFact>,
    files: Vec<FileFact>,
    probes: Vec<ProbeFact>,
    gpu: BTreeMap<String, GpuSeries>,
    gpu_processes: BTreeMap<(String, Option<u32>, Option<String>, bool), GpuProcessFact>,
    alerts: BTreeMap<(String, Option<String>, Option<IpAddr>), AlertFact>,
    verdicts: BTreeMap<(Behaviour, Flow, String), VerdictFact>,
    executions: BTreeMap<(Option<String>, Option<String>, String), ExecutionFact>,
    processes: BTreeMap<u64, ProcessFact>,
    leases: BTreeMap<u64, LeaseFact>,
    pub(super) episodes: BTreeMap<String, Episode>,
    /// With what came back.
    pub(super) steps: Vec<(Step, Option<Packed>)>,
    pub(super) results: Vec<(StepResult, Option<Packed>)>,
    pub(super) texts: Vec<(EpisodeText, Packed)>,
    pub(super) anomalies: BTreeMap<AnomalyKind, (u64, Vec<Anomaly>)>,
}

impl Fold {
    pub(super) fn new(evidence: EvidenceId) -> Self {
        Fold {
            evidence,
            records: 0,
            unread: BTreeMap::new(),
            span: None,
            conversations: Table::default(),
            undated: 0,
            dns: BTreeMap::new(),
            queries: BTreeMap::new(),
            names: BTreeMap::new(),
            http: BTreeMap::new(),
            anchors: BTreeMap::new(),
            crossings: BTreeMap::new(),
            sequences: BTreeMap::new(),
            written: BTreeMap::new(),
            omitted: 0,
            ssh: Vec::new(),
            mining: Vec::new(),
            tunnels: BTreeMap::new(),
            zones: BTreeMap::new(),
            files: Vec::new(),
            probes: Vec::new(),
            gpu: BTreeMap::new(),
            gpu_processes: BTreeMap::new(),
            alerts: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            executions: BTreeMap::new(),
            processes: BTreeMap::new(),
            leases: BTreeMap::new(),
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
        let segments =
            self.conversations.segments(ConversationKey { evidence: self.evidence, src, dst, dst_port, protocol });
        segments::add(segments, span, flow, record, seen);
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
                let key = (name.clone(), *address, client);
                if self.dns.len() >= DISTINCT_KEPT && !self.dns.contains_key(&key) {
                    self.omitted += 1;
                    continue;
                }
                self.dns
                    .entry(key)
                    .and_modify(|fact| repeat(&mut fact.first, &mut fact.record, &mut fact.count, span, record))
                    .or_insert_with(|| DnsFact {
                        name: name.clone(),
                        address: *address,
                        client,
                        first: span,
                        record,
                        count: 1,
                    });
            }
        } else {
            let key = (name.clone(), client);
            if self.queries.len() >= DISTINCT_KEPT && !self.queries.contains_key(&key) {
                self.omitted += 1;
                return;
            }
            self.queries
                .entry(key)
                .and_modify(|fact| repeat(&mut fact.first, &mut fact.record, &mut fact.count, span, record))
                .or_insert_with(|| QueryFact { name, client, first: span, record, count: 1 });
        }
    }

    fn name(&mut self, name: &str, source: NameSource, flow: Flow, span: Option<Span>, record: u64) {
        let record = self.at(record);
        let flow = Flow { src_port: None, ..flow };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if self.names.len() >= DISTINCT_KEPT && !self.names.contains_key(&(name.clone(), source, flow)) {
            self.omitted += 1;
            return;
        }
        let last = span.map(|span| span.hi);
        self.names
            .entry((name.clone(), source, flow))
            .and_modify(|fact| {
                repeat(&mut fact.first, &mut fact.record, &mut fact.count, span, record);
                fact.last = fact.last.max(last);
            })
            .or_insert_with(|| NameFact { name, source, flow, first: span, last, record, count: 1 });
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
        if self.http.len() >= DISTINCT_KEPT && !self.http.contains_key(&key) {
            self.omitted += 1;
            return;
        }
        self.http
            .entry(key)
            .and_modify(|fact| repeat(&mut fact.first, &mut fact.record, &mut fact.count, span, record))
            .or_insert_with(|| HttpFact { flow, http: http.clone(), first: span, record, count: 1 });
    }

    fn anchor(&mut self, anchor: TimeAnchor) {
        // A pool that answers over HTTP tells two times in one packet: the answer's own is the one to keep.
        let known = self.anchors.get(&anchor.record.number);
        if anchor.teller == Teller::Pool && known.is_some_and(|known| known.teller == Teller::Server) {
            return;
        }
        if self.anchors.len() < DISTINCT_KEPT {
            self.anchors.insert(anchor.record.number, anchor);
        } else {
            self.omitted += 1;
        }
    }

    fn tunnel(&mut self, fact: TunnelFact) {
        let key = (fact.tunnel.protocol, fact.tunnel.reversed, fact.flow);
        if self.tunnels.len() >= DISTINCT_KEPT && !self.tunnels.contains_key(&key) {
            self.omitted += 1;
            return;
        }
        match self.tunnels.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(fact)),
            Entry::Occupied(mut entry) => join_tunnel(entry.get_mut(), fact),
        }
    }

    fn zone(&mut self, fact: ZoneFact) {
        let key = (fact.zone.clone(), fact.client);
        if self.zones.len() >= DISTINCT_KEPT && !self.zones.contains_key(&key) {
            self.omitted += 1;
            return;
        }
        match self.zones.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(fact)),
            Entry::Occupied(mut entry) => zones::join(entry.get_mut(), fact),
        }
    }

    fn verdict(&mut self, fact: VerdictFact) {
        let key = (fact.behaviour, fact.flow, fact.message.clone());
        if self.verdicts.len() >= DISTINCT_KEPT && !self.verdicts.contains_key(&key) {
            self.omitted += 1;
            return;
        }
        match self.verdicts.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(fact)),
            Entry::Occupied(mut entry) => join_verdict(entry.get_mut(), fact),
        }
    }

    fn execution(&mut self, fact: ExecutionFact) {
        let key = (fact.host.clone(), fact.user.clone(), fact.command.clone());
        if self.executions.len() >= DISTINCT_KEPT && !self.executions.contains_key(&key) {
            self.omitted += 1;
            return;
        }
        match self.executions.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(fact)),
            Entry::Occupied(mut entry) => join_execution(entry.get_mut(), fact),
        }
    }

    fn process(&mut self, fact: ProcessFact) {
        self.processes.insert(fact.record.number, fact);
        if self.processes.len() > ProcessFact::KEPT {
            self.processes.pop_last();
        }
    }

    fn lease(&mut self, fact: LeaseFact) {
        self.leases.insert(fact.record.number, fact);
        if self.leases.len() > LeaseFact::KEPT {
            self.leases.pop_last();
        }
    }

    fn gpu_sample(&mut self, span: Option<Span>, record: u64, sample: &GpuSample<'_>) {
        let gpu = gpu_name(sample.gpu_uuid.as_deref(), sample.gpu);
        let series = self.gpu.entry(gpu.clone()).or_insert_with(|| GpuSeries::new(self.evidence, gpu));
        series.index = series.index.max(sample.gpu);
        // Without a time it still says which index has which UUID (nvidia-smi -L).
        let Some(span) = span else {
            self.undated += 1;
            return;
        };
        series.points.push(GpuPoint {
            at: span.lo,
            record,
            utilization_percent: sample.utilization_percent.map(|value| value as f32),
            memory_utilization_percent: sample.memory_utilization_percent.map(|value| value as f32),
            memory_used_mib: sample.memory_used_mib.map(|value| value as f32),
            power_w: sample.power_w.map(|value| value as f32),
            sm_clock_mhz: sample.sm_clock_mhz.map(|value| value as f32),
        });
        if !sample.settings.is_empty() {
            let stated = GpuSettingsFact { at: span.lo, record, settings: sample.settings };
            GpuSettingsFact::follow(&mut series.settings, stated);
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
        match self.gpu_processes.entry((gpu, process.pid, name, process.accounted_ms.is_some())) {
            Entry::Vacant(entry) => drop(entry.insert(fact)),
            Entry::Occupied(mut entry) => join_process(entry.get_mut(), fact),
        }
    }

    /// Everything in its final order: conversations by key, facts by record.
    pub(super) fn into_parts(self) -> (Vec<Conversation>, Facts) {
        let mut conversations = self.conversations.into_list();
        conversations.sort_unstable_by_key(|conversation| conversation.key.order());
        let mut facts = Facts {
            dns: self.dns.into_values().collect(),
            queries: self.queries.into_values().collect(),
            names: self.names.into_values().collect(),
            http: self.http.into_values().collect(),
            ssh: self.ssh,
            mining: self.mining,
            tunnels: self.tunnels.into_values().collect(),
            zones: self.zones.into_values().collect(),
            files: self.files,
            probes: self.probes,
            anchors: self.anchors.into_values().collect(),
            crossings: self.crossings.into_values().collect(),
            sequences: self.sequences.into_values().collect(),
            written: self.written.into_values().collect(),
            gpu: self.gpu.into_values().map(GpuSeries::in_order).collect(),
            gpu_processes: self.gpu_processes.into_values().collect(),
            alerts: self.alerts.into_values().collect(),
            verdicts: self.verdicts.into_values().collect(),
            executions: self.executions.into_values().collect(),
            processes: self.processes.into_values().collect(),
            leases: self.leases.into_values().collect(),
        };
        facts.dns.sort_by_key(|fact| (fact.record, fact.address));
        facts.queries.sort_by_key(|fact| fact.record);
        facts.names.sort_by_key(|fact| (fact.record, fact.source));
        facts.http.sort_by_key(|fact| fact.record);
        facts.ssh.sort_by_key(|fact| fact.record);
        facts.mining.sort_by_key(|fact| fact.record);
        facts.tunnels.sort_by(|a, b| (a.record, a.tunnel.protocol, a.flow).cmp(&(b.record, b.tunnel.protocol, b.flow)));
        facts.zones.sort_by(|a, b| (a.record, &a.zone).cmp(&(b.record, &b.zone)));
        facts.files.sort_by_key(|fact| fact.record);
        facts.probes.sort_by_key(|fact| (fact.record, fact.flow));
        facts.gpu_processes.sort_by_key(|fact| fact.first_record);
        facts.alerts.sort_by_key(|fact| fact.record);
        facts.executions.sort_by_key(|fact| fact.record);
        facts.verdicts.sort_by_key(|fact| (fact.record, fact.behaviour));
        (conversations, facts)
    }

    /// Distinct facts that were not kept because a bound was reached.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }
}

/// The name or address in a Host (RFC 3986, section 3.2.2: an IPv6 address stands in brackets).
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

mod sink;
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
