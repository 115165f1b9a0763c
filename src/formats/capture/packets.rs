//! What both containers do with a packet: count it, date it, open its layers, and follow its conversation.

use std::net::IpAddr;

use super::app::Emit;
use super::carried::{Carriers, Outer};
use super::echo;
use super::encapsulation::{self, Carried, IpPacketEnds};
use super::flows::{FlowTable, Packet};
use super::fragments::{Fragments, Reassembled};
use super::ip::{self, Fault, Fragment, IpPacket};
use super::link::{self, Opened, Payload, Through, verdict};
use super::oddities::{self, Oddities};
use super::stamp::Resolution;
use super::tally::Tally;
use super::transport::{self, Transport};
use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;
use crate::model::{Detail, Dns, Flow, Observation, Protocol};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// Packet number and time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) record: u64,
    /// `None` for a packet without time (a simple packet block).
    pub(super) span: Option<Span>,
    /// For ordering and expiry: the time of the packet, or of the last one before it that had one.
    pub(super) clock: Instant,
}

/// Packets and the IP payload bytes that they carried, by their IP headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Weight {
    pub(super) fn add(&mut self, other: Weight) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What a packet and a reassembled datagram have in common.
#[derive(Clone, Copy)]
struct Datagram<'a> {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    length: u32,
    /// None of it is missing, but for what the capture cut off.
    finished: bool,
    data: &'a [u8],
    weight: Weight,
    first: Stamp,
    last: Stamp,
}

/// Where findings and oddities go.
pub(super) struct Output<'a> {
    pub(super) sink: &'a mut dyn Sink,
    pub(super) tally: &'a mut Tally,
}

impl Output<'_> {
    /// Lends the sink to an application reader, which knows instants alone: its observations get the resolution of
    /// `like`, the span of the packet, and no time where packets had none.
    pub(super) fn emit<R>(&mut self, like: Option<Span>, read: impl FnOnce(&mut Emit<'_>) -> R) -> R {
        let sink = &mut *self.sink;
        let width = like.map(|like| like.hi.since(like.lo));
        let mut emit = |observation: &Observation<'_>| match (width, observation.span) {
            (Some(width), Some(span)) if width > 0 && span.lo == span.hi => {
                let span = Some(Span { hi: span.lo.plus(width), ..span });
                sink.observation(&Observation { span, ..observation.clone() });
            }
            (None, Some(_)) => sink.observation(&Observation { span: None, ..observation.clone() }),
            _ => sink.observation(observation),
        };
        read(&mut emit)
    }
}

/// An interface of a capture: how its frames and stamps are to be read.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) resolution: Resolution,
    pub(super) name: Option<String>,
    /// 0 is no limit.
    pub(super) snap_length: u32,
    /// Packets that the capture lost, by its own statistics, and the packet before they were written.
    pub(super) dropped: u64,
    pub(super) dropped_at: u64,
    link: u32,
    /// First packet and number of packets that were not read for their link type.
    unsupported: Option<(u64, u64)>,
    last: Option<Instant>,
    /// First packet, number and largest of the steps back.
    steps_back: Option<(u64, u64, i64)>,
    /// First packet, number and longest kept part of those that were not captured whole.
    cut: Option<(u64, u64, usize)>,
}

/// A domain name in text (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 255;

/// Queues and cores deliver packets out of order by less than this; more is a clock that was set back.
const STEP_BACK: i64 = SECOND;

impl Interface {
    pub(super) fn new(link: u32, resolution: Resolution) -> Self {
        Interface {
            resolution,
            name: None,
            snap_length: 0,
            dropped: 0,
            dropped_at: 0,
            link,
            unsupported: None,
            last: None,
            steps_back: None,
            cut: None,
        }
    }

    fn saw(&mut self, at: Instant, record: u64) {
        if let Some(last) = self.last {
            let back = last.since(at);
            if back >= STEP_BACK {
                let (_, times, most) = self.steps_back.get_or_insert((record, 0, 0));
                *times = times.saturating_add(1);
                *most = back.max(*most);
            }
        }
        self.last = Some(at);
    }

    fn report(&self, index: usize, sink: &mut dyn Sink) {
        let which = match &self.name {
            Some(name) => format!("interface {index} ({name})"),
            None => format!("interface {index}"),
        };
        if let Some((record, packets)) = self.unsupported {
            let (link, name) = (self.link, link::name(self.link));
            let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
            sink.anomaly(Anomaly {
                record,
                kind: AnomalyKind::Unsupported,
                detail: format!("{which} has link type {link}{name}: {packets} packets counted, not read"),
            });
        }
        if let Some((record, times, most)) = self.steps_back {
            sink.anomaly(Anomaly {
                record,
                kind: AnomalyKind::ClockStepBack,
                detail: format!(
                    "{which} steps back {times} times by a second or more, first here, at most by {}.{:03} s",
                    most / SECOND,
                    most % SECOND / 1_000_000
                ),
            });
        }
        if let Some((first, packets, longest)) = self.cut {
            sink.anomaly(Anomaly {
                record: first,
                kind: AnomalyKind::TruncatedRecord,
                detail: format!(
                    "{which}: packets that were cut when they were captured: {packets}, first here, to {longest} bytes at \
                     most; names and protocols beyond are not seen"
                ),
            });
        }
        if self.dropped > 0 {
            sink.anomaly(Anomaly {
                record: self.dropped_at,
                kind: AnomalyKind::Gap,
                detail: format!("{which} lost {} packets by the statistics of the capture", self.dropped),
            });
        }
    }
}

/// The ends of a packet, with ports where it has them.
fn flow_of(packet: &IpPacket<'_>) -> Flow {
    let (src_port, dst_port) = match packet.fragment {
        Some(Fragment { offset: 1.., .. }) => None,
        _ => transport::parse(packet.protocol, packet.length, packet.data).ports,
    }
    .unzip();
    let protocol = Some(Protocol(packet.protocol));
    Flow { src: Some(packet.src), src_port, dst: Some(packet.dst), dst_port, protocol }
}

/// The packets of one file.
pub(super) struct Packets<'a> {
    /// Number of the record read last, from 1.
    pub(super) records: u64,
    /// Of the section.
    pub(super) interfaces: Vec<Interface>,
    pub(super) tally: Tally,
    time: &'a TimeContext,
    sink: &'a mut dyn Sink,
    table: FlowTable,
    fragments: Fragments,
    carriers: Carriers,
    oddities: Oddities,
    clock: Instant,
}

impl<'a> Packets<'a> {
    pub(super) fn new(time: &'a TimeContext, sink: &'a mut dyn Sink) -> Self {
        Packets {
            records: 0,
            interfaces: Vec::new(),
            tally: Tally::default(),
            time,
            sink,
            table: FlowTable::default(),
            fragments: Fragments::default(),
            carriers: Carriers::default(),
            oddities: Oddities::default(),
            clock: Instant::default(),
        }
    }

    /// One packet: `frame` is what was captured of `original` bytes on the wire.
    pub(super) fn packet(&mut self, interface: usize, at: Option<Instant>, frame: &[u8], original: u32) {
        self.records += 1;
        self.sink.record();
        let record = self.records;
        let Some(interface) = self.interfaces.get_mut(interface) else { return };
        let span = at.map(|at| self.time.epoch(at, interface.resolution.unit_ns()));
        if let Some(span) = span {
            interface.saw(span.lo, record);
            self.clock = span.lo;
        }
        if u32::try_from(frame.len()).is_ok_and(|kept| kept < original) {
            let (_, packets, longest) = interface.cut.get_or_insert((record, 0, 0));
            (*packets, *longest) = (packets.saturating_add(1), frame.len().max(*longest));
        }
        let stamp = Stamp { record, span, clock: self.clock };
        let link = interface.link;
        let opened = link::open(link, frame);
        let ends = match opened.payload {
            Payload::Ip(packet, before) => {
                let on_wire = original.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX));
                let on_wire = on_wire.max(u32::try_from(packet.len()).unwrap_or(u32::MAX));
                match ip::parse(packet, on_wire) {
                    Ok(packet) => {
                        if let Some(verdict) = verdict::verdict(link, frame) {
                            let detail = Detail::Connection(verdict);
                            let flow = Some(flow_of(&packet));
                            self.sink.observation(&Observation { record, span, host: None, flow, detail });
                        }
                        self.ip(&packet, stamp, 0);
                        Some((packet.src, packet.dst))
                    }
                    Err(Fault::Cut) => {
                        let what = "an IP packet cut within its addresses";
                        self.tally.note(AnomalyKind::TruncatedRecord, record, what);
                        None
                    }
                    Err(Fault::Malformed(what)) => {
                        self.tally.note(AnomalyKind::MalformedRecord, record, what);
                        None
                    }
                }
            }
            Payload::Cut => {
                self.tally.note(AnomalyKind::TruncatedRecord, record, "a frame cut before its network header");
                None
            }
            Payload::Unsupported => {
                let (_, packets) = interface.unsupported.get_or_insert((record, 0));
                *packets += 1;
                None
            }
            Payload::Aggregate(..) | Payload::Protected | Payload::Other | Payload::Unread(..) => {
                self.inside(&opened, stamp, 0)
            }
        };
        if opened.through != Through::default() {
            self.through(opened.through, ends, stamp);
        }
    }

    /// Carriers that a frame passed between link and network layer.
    fn through(&mut self, through: Through, ends: Option<(IpAddr, IpAddr)>, stamp: Stamp) {
        let mut out = Output { sink: &mut *self.sink, tally: &mut self.tally };
        for (by, passed) in [("mpls", through.mpls), ("nsh", through.nsh)] {
            if passed {
                self.carriers.saw_on_link(by, ends, stamp, &mut out);
            }
        }
    }

    /// What stands in a frame or tunnel: conversations of their own beside the tunnel's. Gives the ends of the packet,
    /// of the first if there are several.
    fn inside(&mut self, opened: &Opened<'_>, stamp: Stamp, depth: u32) -> Option<(IpAddr, IpAddr)> {
        match opened.payload {
            Payload::Ip(packet, _) => match ip::parse(packet, u32::try_from(packet.len()).unwrap_or(u32::MAX)) {
                Ok(packet) => {
                    if depth <= encapsulation::MAX_DEPTH {
                        self.ip(&packet, stamp, depth);
                    }
                    Some((packet.src, packet.dst))
                }
                Err(_) => {
                    let what = "a tunnelled packet that is cut or malformed, the tunnel alone was counted";
                    self.tally.note(AnomalyKind::MalformedRecord, stamp.record, what);
                    None
                }
            },
            Payload::Aggregate(body, _) => {
                let mut first = None;
                for frame in link::subframes(body) {
                    let ends = self.inside(&frame, stamp, depth);
                    first = first.or(ends);
                }
                first
            }
            Payload::Protected => {
                let what = "a frame encrypted on its link (802.11, MACsec, PPP), counted, not read";
                self.tally.note(AnomalyKind::Unsupported, stamp.record, what);
                None
            }
            Payload::Unread(kind, what) => {
                self.tally.note(kind, stamp.record, what);
                None
            }
            Payload::Other | Payload::Cut | Payload::Unsupported => None,
        }
    }

    fn ip(&mut self, packet: &IpPacket<'_>, stamp: Stamp, depth: u32) {
        if !self.fragments.is_empty() {
            while let Some(datagram) = self.fragments.give_up(stamp, &mut self.tally) {
                self.datagram(&datagram, depth);
            }
        }
        if packet.authenticated
            && let Some(carried) = encapsulation::authenticated(packet)
        {
            let outer = Outer { src: packet.src, dst: packet.dst, protocol: 51, ports: None, stamp };
            let mut out = Output { sink: &mut *self.sink, tally: &mut self.tally };
            self.carriers.saw(&carried, &outer, false, &mut out);
        }
        if let Some(fragment) = packet.fragment {
            if let Some(datagram) = self.fragments.take(packet, fragment, stamp, &mut self.tally) {
                self.datagram(&datagram, depth);
            }
            return;
        }
        let weight = Weight { packets: 1, bytes: u64::from(packet.carried) };
        self.transport(
            &Datagram {
                src: packet.src,
                dst: packet.dst,
                protocol: packet.protocol,
                length: packet.length,
                finished: true,
                data: packet.data,
                weight,
                first: stamp,
                last: stamp,
            },
            depth,
        );
    }

    fn datagram(&mut self, whole: &Reassembled, depth: u32) {
        let Reassembled { src, dst, protocol, length, finished, ref data, first, last, weight } = *whole;
        self.transport(&Datagram { src, dst, protocol, length, finished, data, weight, first, last }, depth);
    }

    fn transport(&mut self, datagram: &Datagram<'_>, depth: u32) {
        let Datagram { src, dst, protocol, length, finished, data, weight, first, last } = *datagram;
        let parsed = transport::parse(protocol, length, data);
        let (src_port, dst_port) = parsed.ports.unzip();
        let transport = parsed.transport;
        if let Some(flaw) = parsed.flaw.filter(|_| finished) {
            self.tally.note(AnomalyKind::ImpossibleValue, last.record, flaw);
        }
        let packet =
            Packet { src: (src, src_port), dst: (dst, dst_port), protocol, transport, weight, first, stamp: last };
        self.table.packet(&packet, &mut Output { sink: &mut *self.sink, tally: &mut self.tally });
        if let Some(what) = oddities::of(&transport) {
            self.oddities.saw(what, src, dst, last, &mut Output { sink: &mut *self.sink, tally: &mut self.tally });
        }
        if let Transport::Icmp(icmp, _, data) = transport
            && icmp.is_echo()
            && depth < encapsulation::MAX_DEPTH
            && let Some(inner) = echo::packet_inside(data)
            && let Ok(inner) = ip::parse(inner, u32::try_from(inner.len()).unwrap_or(u32::MAX))
        {
            self.ip(&inner, last, depth + 1);
        }
        if let Transport::Icmp(icmp, _, quoted) = transport
            && icmp.is_unreachable()
            && let Ok(quoted) = ip::parse(quoted, 0)
        {
            let (src_port, dst_port) = match quoted.protocol {
                6 | 17 | 33 | 132 | 136 => transport::ports(quoted.data).unzip(),
                _ => (None, None),
            };
            self.table.refused((quoted.src, src_port), (quoted.dst, dst_port), quoted.protocol, icmp);
        }
        let carried = match (transport, parsed.ports) {
            (Transport::Udp(payload), Some(ports)) => encapsulation::carried_by_udp(ports, data, payload, length),
            (Transport::Other, None) => encapsulation::carried(IpPacketEnds::new(src, dst), protocol, data),
            _ => None,
        };
        if let Some(carried) = carried {
            let outer = Outer { src, dst, protocol, ports: parsed.ports, stamp: last };
            self.carried(&carried, &outer, depth);
        }
    }

    fn carried(&mut self, carried: &Carried<'_>, outer: &Outer, depth: u32) {
        let ends = self.inside(&carried.opened, outer.stamp, depth + 1);
        let mut out = Output { sink: &mut *self.sink, tally: &mut self.tally };
        self.carriers.saw(carried, outer, ends.is_some(), &mut out);
        if carried.opened.through != Through::default() {
            self.through(carried.opened.through, ends, outer.stamp);
        }
    }

    /// The file itself says which address a name has; by whom and when it was asked is not known.
    pub(super) fn resolved(&mut self, name: &str, address: IpAddr) {
        let name = name.get(..MAX_NAME).unwrap_or(name);
        let dns = Dns {
            query: name.to_owned(),
            record_type: if address.is_ipv4() { "nrb:A" } else { "nrb:AAAA" }.to_owned(),
            response: true,
            addresses: vec![address],
            ..Dns::default()
        };
        let (record, detail) = (self.records.max(1), Detail::Dns(dns));
        self.sink.observation(&Observation { record, span: None, host: None, flow: None, detail });
    }

    /// A packet whose interface was not described: it is there, and nothing can be made of it.
    pub(super) fn packet_of_unknown_interface(&mut self) {
        self.records += 1;
        self.sink.record();
        self.tally.note(
            AnomalyKind::MalformedRecord,
            self.records,
            "a packet of an interface that the section does not describe, counted, not read",
        );
    }

    /// A record that could not be read.
    pub(super) fn unread_record(&mut self, reason: &str, bytes: &[u8]) {
        self.records += 1;
        self.sink.unread(self.records, reason, bytes.get(..bytes.len().min(80)).unwrap_or_default());
    }

    /// The file ends within the next packet.
    pub(super) fn cut_record(&mut self) {
        self.tally.note(AnomalyKind::TruncatedRecord, self.records + 1, "the file ends within this packet");
    }

    /// The file ends within a block after the packet read last.
    pub(super) fn cut_block(&mut self) {
        self.tally.note(AnomalyKind::TruncatedRecord, self.records, "the file ends within a block after this packet");
    }

    /// A value of the next packet that cannot be.
    pub(super) fn impossible(&mut self, what: &'static str) {
        self.tally.note(AnomalyKind::ImpossibleValue, self.records + 1, what);
    }

    /// The interfaces described so far are done with.
    pub(super) fn end_section(&mut self) {
        for (index, interface) in self.interfaces.drain(..).enumerate() {
            interface.report(index, self.sink);
        }
    }

    /// The end of the file: reports what is under way.
    pub(super) fn finish(mut self) {
        while let Some(datagram) = self.fragments.give_up_last(&mut self.tally) {
            self.datagram(&datagram, 0);
        }
        self.end_section();
        self.carriers.finish(&mut Output { sink: &mut *self.sink, tally: &mut self.tally });
        self.oddities.finish(&mut Output { sink: &mut *self.sink, tally: &mut self.tally });
        self.table.finish(&mut Output { sink: &mut *self.sink, tally: &mut self.tally });
        self.tally.report(self.sink);
    }
}
