//! Probing: one source trying many ports of a host, or many hosts, within a minute; or in vain within a day.
//!
//! Thresholds in the range of the field's own (Snort portscan 5 hosts or 20 ports in 60 s; Zeek scan 15 ports or 25
//! hosts in 5 min), lowered because an agent probes a handful of services by hand, and tied to failure: a client that
//! talks to ten web servers is answered, one that looks around is refused or ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::seen::RECORDS_CITED;
use super::services;
use super::tunnel::is_inside;
use crate::evidence::{EvidenceId, Record};
use crate::intake::Ledger;
use crate::model::{Behaviour, Confidence, Conversation, Flow, Protocol, Signal, SignalSource};
use crate::time::{Basis, Instant, SECOND, Span};

/// What makes a stretch of tries a sweep.
#[derive(Clone, Copy)]
struct Bounds {
    /// Targets tried within this time belong together.
    window_ns: i64,
    /// Distinct ports of one host, and hosts on one port.
    ports: usize,
    hosts: usize,
}

const BURST: Bounds = Bounds { window_ns: 60 * SECOND, ports: 7, hosts: 8 };
/// Only tries that failed count towards a slow sweep: over a day, everybody is answered by many.
const SLOW: Bounds = Bounds { window_ns: 86_400 * SECOND, ports: 20, hosts: 30 };
/// From these numbers on, a sweep is a sweep even if most targets answered, as long as one in ten did not.
const MANY_PORTS: usize = 20;
const MANY_HOSTS: usize = 50;
/// System ports (RFC 6335: below 1024) among them, where no outcome is known.
const SYSTEM_PORTS: usize = 10;
/// UDP ports of traceroute (IANA: 33434), which takes the next for each of three probes at up to 32 hops: they ask for
/// the way, not for a service.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_529;

/// What was tried on a host: a port, or a protocol where there are no ports (an IP protocol scan, a ping).
type Door = (Option<u16>, Option<Protocol>);

#[derive(Clone, Copy)]
struct Try {
    at: Instant,
    basis: Basis,
    dst: IpAddr,
    port: Option<u16>,
    protocol: Option<Protocol>,
    record: u64,
    failed: bool,
    /// The record tells whether it failed or not.
    told: bool,
}

impl Try {
    fn flow(&self, src: IpAddr) -> Flow {
        let (dst, dst_port, protocol) = (Some(self.dst), self.port, self.protocol);
        Flow { src: Some(src), src_port: None, dst, dst_port, protocol }
    }

    fn door(&self) -> Door {
        (self.port, if self.port.is_none() { self.protocol } else { None })
    }
}

/// Sweeps in all conversations, which come sorted by key, in order of evidence, source and time. Times are on the clocks
/// of the sources.
pub fn sweeps(conversations: &Ledger<Conversation>) -> Vec<Signal> {
    let mut signals = Vec::new();
    // Of one source at a time: of all of them they may be more than memory is to hold.
    let mut of_source: Option<(EvidenceId, IpAddr)> = None;
    let mut tried: Vec<Try> = Vec::new();
    for conversation in conversations.iter() {
        let source = conversation.key.src.map(|src| (conversation.key.evidence, src));
        if source != of_source {
            let before = std::mem::replace(&mut of_source, source);
            signals.extend(before.into_iter().flat_map(|(evidence, src)| sweeps_of(evidence, src, &mut tried)));
            tried.clear();
        }
        if source.is_some() {
            tried.extend(tries(&conversation));
        }
    }
    signals.extend(of_source.into_iter().flat_map(|(evidence, src)| sweeps_of(evidence, src, &mut tried)));
    signals
}

/// Those of one source, by its tries in any order; what they leave of these is nothing to rely on.
fn sweeps_of(evidence: EvidenceId, src: IpAddr, tries: &mut Vec<Try>) -> Vec<Signal> {
    if tries.len() < BURST.ports.min(BURST.hosts) {
        return Vec::new();
    }
    tries.sort_by_key(|one| (one.at, one.record, one.dst, one.port));
    let mut signals: Vec<Signal> =
        bursts(tries, BURST).into_iter().filter_map(|burst| judge(evidence, src, burst, BURST)).collect();
    let told: BTreeSet<Flow> = signals.iter().flat_map(|signal| signal.targets.iter().copied()).collect();
    tries.retain(|one| one.failed && !told.contains(&one.flow(src)));
    for stretch in bursts(tries, SLOW) {
        signals.extend(judge(evidence, src, stretch, SLOW).map(|signal| slow(signal, stretch)));
    }
    signals
}

/// What a conversation tried. ICMP errors and announcements ask for nothing, nor does what looks for the way.
fn tries(conversation: &Conversation) -> impl Iterator<Item = Try> {
    let key = conversation.key;
    let is_way = key.protocol == Some(Protocol::UDP) && key.dst_port.is_some_and(|port| TRACEROUTE.contains(&port));
    let is_icmp = matches!(key.protocol, Some(Protocol::ICMP | Protocol::ICMPV6));
    let to_many = |dst: &IpAddr| match dst {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    };
    let dst = key.dst.filter(|dst| !is_way && !to_many(dst));
    let all = dst.into_iter().flat_map(move |dst| {
        conversation.segments.iter().map(move |segment| Try {
            at: segment.first,
            basis: segment.basis,
            dst,
            port: key.dst_port,
            protocol: key.protocol,
            record: segment.first_record,
            // Where a later connection came through, an earlier one was repeated, not turned away.
            failed: segment.failed.saturating_mul(2) > segment.observations,
            told: segment.failed > 0 || segment.answered > 0,
        })
    });
    all.filter(move |one| one.told || !is_icmp)
}

/// A sweep that went on for hours. Hosts that are gone are what a node of a peer-to-peer network finds as well, so that
/// many hosts on one port are a lead unless they are inside.
fn slow(signal: Signal, stretch: &[Try]) -> Signal {
    let wide = signal.kind != "port-sweep" && !stretch.iter().all(|one| is_inside(one.dst));
    let confidence = if wide { Confidence::Weak } else { signal.confidence };
    Signal { kind: format!("slow-{}", signal.kind), confidence, ..signal }
}

/// Stretches in which some window reaches a threshold; overlapping windows are one stretch.
fn bursts(tries: &[Try], bounds: Bounds) -> Vec<&[Try]> {
    let mut bursts: Vec<(usize, usize)> = Vec::new();
    let mut window = Counts::new(bounds);
    let mut from = 0;
    for (to, one) in tries.iter().enumerate() {
        window.add(one);
        while one.at.since(tries[from].at) > bounds.window_ns {
            window.remove(&tries[from]);
            from += 1;
        }
        if window.is_sweep() {
            match bursts.last_mut() {
                Some((_, end)) if *end >= from => *end = to + 1,
                _ => bursts.push((from, to + 1)),
            }
        }
    }
    bursts.into_iter().map(|(from, to)| &tries[from..to]).collect()
}

/// How often each target occurs in the window.
struct Counts {
    bounds: Bounds,
    targets: BTreeMap<(IpAddr, Door), usize>,
    ports_of_host: BTreeMap<IpAddr, usize>,
    hosts_of_port: BTreeMap<Door, usize>,
    wide_hosts: usize,
    wide_ports: usize,
}

impl Counts {
    fn new(bounds: Bounds) -> Self {
        Counts {
            bounds,
            targets: BTreeMap::new(),
            ports_of_host: BTreeMap::new(),
            hosts_of_port: BTreeMap::new(),
            wide_hosts: 0,
            wide_ports: 0,
        }
    }

    fn add(&mut self, one: &Try) {
        let seen = self.targets.entry((one.dst, one.door())).or_insert(0);
        *seen += 1;
        if *seen == 1 {
            let ports = self.ports_of_host.entry(one.dst).or_insert(0);
            *ports += 1;
            self.wide_hosts += usize::from(*ports == self.bounds.ports);
            let hosts = self.hosts_of_port.entry(one.door()).or_insert(0);
            *hosts += 1;
            self.wide_ports += usize::from(*hosts == self.bounds.hosts);
        }
    }

    fn remove(&mut self, one: &Try) {
        let Some(seen) = self.targets.get_mut(&(one.dst, one.door())) else { return };
        *seen -= 1;
        if *seen == 0 {
            self.targets.remove(&(one.dst, one.door()));
            if let Some(ports) = self.ports_of_host.get_mut(&one.dst) {
                self.wide_hosts -= usize::from(*ports == self.bounds.ports);
                *ports -= 1;
            }
            if let Some(hosts) = self.hosts_of_port.get_mut(&one.door()) {
                self.wide_ports -= usize::from(*hosts == self.bounds.hosts);
                *hosts -= 1;
            }
        }
    }

    fn is_sweep(&self) -> bool {
        self.wide_hosts > 0 || self.wide_ports > 0
    }
}

fn judge(evidence: EvidenceId, src: IpAddr, burst: &[Try], bounds: Bounds) -> Option<Signal> {
    let mut ports_of_host: BTreeMap<IpAddr, BTreeSet<Door>> = BTreeMap::new();
    // A look around is at one's own network or at others', not at both: servers outside that are met meanwhile are no part
    // of a sweep inside.
    let mut hosts_of_port: BTreeMap<(Door, bool), BTreeSet<IpAddr>> = BTreeMap::new();
    let side = |one: &Try| (one.door(), is_inside(one.dst));
    for one in burst {
        ports_of_host.entry(one.dst).or_default().insert(one.door());
        hosts_of_port.entry(side(one)).or_default().insert(one.dst);
    }
    let (host, doors) =
        ports_of_host.iter().max_by_key(|(_, doors)| doors.len()).map(|(host, doors)| (*host, doors))?;
    let (((port, protocol), _), hosts) =
        hosts_of_port.iter().map(|(door, hosts)| (*door, hosts.len())).max_by_key(|(_, n)| *n)?;
    let ports = doors.len();
    let by_protocol = doors.iter().filter(|(port, _)| port.is_none()).count() * 2 > ports;
    let mut refused: BTreeMap<(Door, bool), BTreeSet<IpAddr>> = BTreeMap::new();
    for one in burst.iter().filter(|one| one.failed) {
        refused.entry(side(one)).or_default().insert(one.dst);
    }
    let silent = burst.iter().all(|one| !one.told);
    let shut = |one: &Try| refused.get(&side(one)).map_or(0, BTreeSet::len);
    // Only what belongs to the sweep: targets on the swept hosts and the swept ports. Where refusals are told, servers that
    // were met meanwhile and let one in do not make a port a swept one.
    let belongs = |one: &&Try| {
        ports_of_host.get(&one.dst).is_some_and(|ports| ports.len() >= bounds.ports)
            || hosts_of_port.get(&side(one)).is_some_and(|hosts| {
                let swept = silent || hosts.len() >= MANY_HOSTS || shut(one) * 4 >= hosts.len();
                hosts.len() >= bounds.hosts && swept
            })
    };
    let tries: Vec<&Try> = burst.iter().filter(belongs).collect();
    let (first, last) = (tries.first()?, tries.last()?);
    let told = tries.iter().filter(|one| one.told).count();
    let failed = tries.iter().filter(|one| one.failed).count();
    let mostly_failed = failed * 2 >= tries.len() || (told > 0 && failed * 2 >= told && told * 4 >= tries.len());
    let many = ports >= MANY_PORTS || hosts >= MANY_HOSTS;
    let few_told = told * 4 < tries.len();
    // A node of a peer-to-peer network talks to as many hosts, and a few of them are gone.
    let many_failed = many && failed > 0 && failed * 10 >= told && !few_told;
    // Nothing is known of the outcome (a log of what was let out, a firewall that swallows UDP): transfers and calls
    // may take many ports of one host, but not many system ports.
    let system = doors.iter().filter(|(port, _)| port.is_some_and(|port| port < 1024)).count();
    let many_services = ports >= MANY_PORTS && system >= SYSTEM_PORTS && few_told;
    let confidence = if mostly_failed || many_failed || many_services { Confidence::Strong } else { Confidence::Weak };
    if told == tries.len() && failed == 0 && ports < MANY_PORTS {
        // Everything answered: a busy client.
        return None;
    }
    let (vertical, horizontal) = (ports >= bounds.ports, hosts >= bounds.hosts);
    let mut what = Vec::new();
    if vertical {
        what.push(format!("{ports} {} of {host}", if by_protocol { "protocols" } else { "ports" }));
    }
    if horizontal {
        what.push(match (port, protocol) {
            (Some(port), _) => format!("{hosts} hosts on port {port}"),
            (None, Some(protocol)) => format!("{hosts} hosts by {protocol}"),
            (None, None) => format!("{hosts} hosts"),
        });
    }
    let targets: BTreeSet<Flow> = tries.iter().map(|one| one.flow(src)).collect();
    let seconds = last.at.since(first.at) as f64 / SECOND as f64;
    let summary = format!(
        "{} in {seconds:.1} s, {} targets, {failed} of {told} with a known outcome refused or unanswered{}",
        what.join(" and "),
        targets.len(),
        services::among(targets.iter()),
    );
    let mut records: Vec<Record> = tries.iter().map(|one| Record { evidence, number: one.record }).collect();
    records.sort();
    records.dedup();
    records.truncate(RECORDS_CITED);
    records.shrink_to_fit();
    Some(Signal {
        kind: match (vertical, horizontal) {
            (true, true) => "port-and-host-sweep",
            (false, true) => "host-sweep",
            _ if by_protocol => "protocol-sweep",
            _ => "port-sweep",
        }
        .to_owned(),
        confidence,
        span: Some(Span {
            lo: first.at,
            hi: last.at,
            basis: tries.iter().map(|one| one.basis).max().unwrap_or(first.basis),
        }),
        flow: Some(Flow {
            src: Some(src),
            src_port: None,
            dst: (ports_of_host.len() == 1 || !horizontal).then_some(host),
            dst_port: if vertical { None } else { port },
            protocol: first.protocol,
        }),
        summary,
        targets: targets.into_iter().collect(),
        records,
        ..Signal::new(Behaviour::Probing, SignalSource::Network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConversationKey, Segment};

    fn sweeps(conversations: &[Conversation]) -> Vec<Signal> {
        super::sweeps(&conversations.iter().cloned().collect())
    }

    fn conversation(dst: [u8; 4], port: u16, second: i64, failed: bool) -> Conversation {
        let at = Instant(second * SECOND);
        let mut segment = Segment::empty(at, at, Basis::ExplicitOffset, second as u64 + 1);
        segment.observations = 1;
        segment.answered = u64::from(!failed);
        segment.failed = u64::from(failed);
        let key = ConversationKey {
            evidence: EvidenceId(0),
            src: Some(IpAddr::from([10, 0, 0, 1])),
            dst: Some(IpAddr::from(dst)),
            dst_port: Some(port),
            protocol: Some(Protocol::TCP),
        };
        Conversation { key, segments: [segment].into() }
    }

    #[test]
    fn seven_refused_ports_in_a_minute_are_a_sweep_and_six_are_not() {
        let tries: Vec<_> = (0..7).map(|n| conversation([10, 0, 0, 2], 20 + n, i64::from(n), true)).collect();
        let found = sweeps(&tries);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind.as_str(), found[0].confidence), ("port-sweep", Confidence::Strong));
        assert_eq!(found[0].targets.len(), 7);
        assert!(sweeps(&tries[..6]).is_empty());
    }

    #[test]
    fn servers_outside_that_are_met_meanwhile_are_no_targets() {
        let mut tries: Vec<_> = (0..9).map(|n| conversation([10, 0, 0, 2], 440 + n, i64::from(n), true)).collect();
        tries.extend((0..9).map(|n| conversation([203, 0, 113, n], 443, i64::from(n), false)));
        let mut untold = tries.clone();
        for one in &mut untold {
            let segments: Vec<Segment> =
                one.segments.iter().cloned().map(|segment| Segment { answered: 0, ..segment }).collect();
            one.segments = segments.into();
        }
        for tries in [tries, untold] {
            let found = sweeps(&tries);
            assert_eq!(found.len(), 1);
            assert!(found[0].targets.iter().all(|target| target.dst == Some(IpAddr::from([10, 0, 0, 2]))), "{found:?}");
        }
    }

    #[test]
    fn ten_web_servers_that_answer_are_a_client_at_work() {
        let tries: Vec<_> = (0..10).map(|n| conversation([10, 0, 0, n], 443, i64::from(n), false)).collect();
        assert!(sweeps(&tries).is_empty());
    }

    #[test]
    fn thirty_refused_ports_over_hours_are_a_slow_sweep_and_lost_peers_are_a_lead() {
        let ports = |failed: bool| -> Vec<_> {
            (0..30).map(|n| conversation([10, 0, 0, 2], 20 + n, i64::from(n) * 900, failed)).collect()
        };
        let found = sweeps(&ports(true));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind.as_str(), found[0].confidence), ("slow-port-sweep", Confidence::Strong));
        assert!(sweeps(&ports(false)).is_empty());
        let peers = |net: u8| -> Vec<_> {
            (0..40).map(|n| conversation([net, 0, 0, n], 8333, i64::from(n) * 900, true)).collect()
        };
        assert_eq!(sweeps(&peers(198))[0].confidence, Confidence::Weak);
        assert_eq!(sweeps(&peers(10))[0].confidence, Confidence::Strong);
    }

    #[test]
    fn services_of_a_cluster_are_named_in_a_sweep_and_a_few_in_vain_are_a_lead() {
        let ports = [22, 80, 443, 2379, 6443, 10_250, 8265];
        let tries = |n: usize, failed| -> Vec<_> {
            let late = ports.iter().rev().take(n).zip(0..);
            late.map(|(port, second)| conversation([10, 0, 0, 2], *port, second, failed)).collect()
        };
        let found = sweeps(&tries(7, true));
        assert!(
            found[0].summary.contains("among them Kubernetes API, Ray dashboard, etcd, kubelet"),
            "{}",
            found[0].summary
        );
        let tried = |tries: Vec<_>, known: &[Signal]| services::tried(&Ledger::from(tries), known);
        let lead = tried(tries(3, true), &[]);
        assert_eq!((lead.len(), lead[0].confidence), (1, Confidence::Weak));
        assert!(tried(tries(3, false), &[]).is_empty());
        assert!(tried(tries(3, true), &lead).is_empty(), "told of already");
    }

    #[test]
    fn the_same_ports_over_ten_minutes_are_not_a_burst() {
        let tries: Vec<_> = (0..7).map(|n| conversation([10, 0, 0, 2], 20 + n, i64::from(n) * 90, true)).collect();
        assert!(sweeps(&tries).is_empty());
    }

    fn over(protocol: Protocol, mut one: Conversation) -> Conversation {
        one.key.protocol = Some(protocol);
        one
    }

    #[test]
    fn sixty_nodes_of_which_three_are_gone_are_a_lead_and_a_third_gone_is_a_sweep() {
        let nodes = |gone: u8| -> Vec<_> {
            (0..60).map(|n| over(Protocol::UDP, conversation([10, 0, 0, n], 30_303, 1, n < gone))).collect()
        };
        assert_eq!(sweeps(&nodes(3))[0].confidence, Confidence::Weak);
        assert_eq!(sweeps(&nodes(20))[0].confidence, Confidence::Strong);
    }

    #[test]
    fn the_way_to_a_host_is_no_sweep_of_its_ports() {
        let way: Vec<_> =
            (0..9).map(|n| over(Protocol::UDP, conversation([10, 0, 0, 2], 33_434 + n, 1, n > 5))).collect();
        assert!(sweeps(&way).is_empty());
    }

    #[test]
    fn icmp_errors_are_no_tries_and_unanswered_echoes_are() {
        let pings = |failed: bool| -> Vec<Conversation> {
            let all = (0..10).map(|n| over(Protocol::ICMP, conversation([10, 0, 0, n], 0, 1, failed)));
            all.map(|mut one| {
                one.key.dst_port = None;
                one.segments[0].answered = 0;
                one
            })
            .collect()
        };
        assert!(sweeps(&pings(false)).is_empty());
        let found = sweeps(&pings(true));
        assert_eq!((found[0].kind.as_str(), found[0].confidence), ("host-sweep", Confidence::Strong));
    }

    #[test]
    fn protocols_of_one_host_are_swept_as_ports_are() {
        let protocols = (100..110).map(|n| over(Protocol(n), conversation([10, 0, 0, 2], 0, 1, true)));
        let all: Vec<_> = protocols
            .map(|mut one| {
                one.key.dst_port = None;
                one
            })
            .collect();
        let found = sweeps(&all);
        assert_eq!((found[0].kind.as_str(), found[0].confidence), ("protocol-sweep", Confidence::Strong));
        assert!(found[0].summary.starts_with("10 protocols of 10.0.0.2"), "{}", found[0].summary);
    }

    #[test]
    fn without_outcomes_twenty_services_are_a_sweep_and_twenty_transfers_are_not() {
        let untold = |from: u16| -> Vec<_> {
            let all = (0..20).map(|n| over(Protocol::UDP, conversation([10, 0, 0, 2], from + n, 1, false)));
            all.map(|mut one| {
                one.segments[0].answered = 0;
                one
            })
            .collect()
        };
        assert_eq!(sweeps(&untold(100))[0].confidence, Confidence::Strong);
        assert_eq!(sweeps(&untold(50_000))[0].confidence, Confidence::Weak);
    }

    #[test]
    fn targets_that_let_one_in_after_a_failure_are_no_failures() {
        let retried = (0..8).map(|n| conversation([10, 0, 0, n], 443, 1, true)).map(|mut one| {
            (one.segments[0].observations, one.segments[0].answered) = (2, 1);
            one
        });
        assert!(sweeps(&retried.collect::<Vec<_>>()).is_empty());
    }
}
