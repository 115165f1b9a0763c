//! What records name, whatever they call it: a reader maps the names of its format to [`Field`]s and the values become
//! one observation.

use std::borrow::Cow;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json_borrow::Value;

use super::action;
use super::bytes::{address, number, port, text as lossy};
use super::notation::json;
use super::record::Record;
use super::syslog::{Stamp, Zone};
use super::values::{count, host_of};
pub(crate) use super::values::{direction, duration, endpoint, protocol};
use crate::model::{Action, Connection, Flow, Protocol};

/// A piece of an observation. Opener is who began the connection (`source` in ECS, client or initiator elsewhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    /// Address of the opener; a value that is none is passed over (host names).
    SrcIp,
    SrcPort,
    /// `address:port`, `address/port`, `address(port)`, `address port` of the opener; what follows is passed over.
    Src,
    DstIp,
    DstPort,
    Dst,
    /// By name or number.
    Protocol,
    /// In words that are common to firewalls ([`action::verdict`]); others are left to the reader.
    Action,
    Direction,
    /// What the opener sent, and what it got.
    BytesOut,
    BytesIn,
    PacketsOut,
    PacketsIn,
    /// When the connection began; when it ended; when the record was made, which may be either or neither.
    Start,
    End,
    Time,
    /// Seconds, with or without a fraction, or `h:mm:ss`.
    Duration,
    DurationMs,
    /// Of local times in the same record: an offset from UTC or an abbreviation that means one.
    Zone,
    Rule,
    InInterface,
    OutInterface,
    InZone,
    OutZone,
    NatSrcIp,
    NatSrcPort,
    NatDstIp,
    NatDstPort,
    User,
    /// The device that wrote the record.
    Device,
    Application,
    /// Host name of the peer, or a URL that names it.
    Domain,
    Session,
    TcpSequence,
    Process,
    Pid,
    State,
    /// A category that the device puts the peer or the content into.
    Category,
    /// Name of an attack, signature or threat: the record is an alert.
    Threat,
    /// The device's own words.
    Message,
}

/// Names of a format and what they mean.
pub(crate) struct Names(HashMap<&'static [u8], Field, FixedState>);

impl Names {
    /// Of several tables; the first that holds a name counts.
    pub(crate) fn new(tables: &[&[(&'static str, Field)]]) -> Self {
        let mut names = HashMap::with_hasher(FixedState::with_seed(0));
        for (name, field) in tables.iter().flat_map(|table| table.iter()) {
            names.entry(name.as_bytes()).or_insert(*field);
        }
        Names(names)
    }

    /// What a name means. Exact, case and all.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Field> {
        self.0.get(name).copied()
    }
}

/// The fields of one record. What comes first counts; what is empty or stands for nothing counts not at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) flow: Flow,
    pub(crate) connection: Connection<'a>,
    pub(crate) device: Option<Cow<'a, str>>,
    pub(crate) start: Option<Stamp>,
    pub(crate) end: Option<Stamp>,
    pub(crate) time: Option<Stamp>,
    pub(crate) duration_ns: Option<i64>,
    pub(crate) zone: Option<Zone>,
    nat_src: (Option<IpAddr>, Option<u16>),
    nat_dst: (Option<IpAddr>, Option<u16>),
    pub(crate) category: Option<Cow<'a, str>>,
    pub(crate) threat: Option<Cow<'a, str>>,
    pub(crate) message: Option<Cow<'a, str>>,
    /// The value of [`Field::Action`] as it stands.
    pub(crate) action_word: Option<Cow<'a, [u8]>>,
    /// A field whose value cannot be.
    pub(crate) impossible: Option<Field>,
}

/// Values that stand for nothing.
fn is_absent(value: &[u8]) -> bool {
    match value.len() {
        0 => true,
        1 => value == b"-",
        3 => value.eq_ignore_ascii_case(b"n/a") || value.eq_ignore_ascii_case(b"nil"),
        4 => value.eq_ignore_ascii_case(b"null") || value.eq_ignore_ascii_case(b"none"),
        _ => false,
    }
}

impl<'a> Fields<'a> {
    /// Takes every pair whose name is known.
    pub(crate) fn take<N: AsRef<[u8]>>(&mut self, names: &Names, pairs: impl Iterator<Item = (N, Cow<'a, [u8]>)>) {
        for (name, value) in pairs {
            if let Some(field) = names.get(name.as_ref()) {
                self.set(field, value);
            }
        }
    }

    /// Takes what a record has under known names: the cells of its row, or else the leaves of its object.
    pub(crate) fn take_record(&mut self, names: &Names, record: &'a Record<'a>) {
        if let Some((table, row)) = record.row {
            table.take(row, self);
        } else if let Some(object) = record.json {
            self.take_leaves(names, object);
        }
    }

    /// Takes the leaves of an object whose dotted paths are known.
    pub(crate) fn take_leaves(&mut self, names: &Names, object: &'a Value<'a>) {
        json::leaves(object, &mut |path, value| {
            if let Some(field) = names.get(path) {
                self.set(field, value);
            }
        });
    }

    /// A field from what lies in the record.
    pub(crate) fn put(&mut self, field: Field, value: &'a [u8]) {
        self.set(field, Cow::Borrowed(value));
    }

    /// Sets a field, unless it is known or the value stands for nothing. A value that cannot be is kept as
    /// [`Fields::impossible`].
    pub(crate) fn set(&mut self, field: Field, value: Cow<'a, [u8]>) {
        let trimmed = value.trim_ascii();
        if is_absent(trimmed) {
            return;
        }
        let fits = match field {
            Field::SrcIp => keep(&mut self.flow.src, address(trimmed)),
            Field::DstIp => keep(&mut self.flow.dst, address(trimmed)),
            Field::SrcPort => keep(&mut self.flow.src_port, port(trimmed)),
            Field::DstPort => keep(&mut self.flow.dst_port, port(trimmed)),
            Field::Src => end(&mut self.flow.src, &mut self.flow.src_port, trimmed),
            Field::Dst => end(&mut self.flow.dst, &mut self.flow.dst_port, trimmed),
            Field::NatSrcIp => keep(&mut self.nat_src.0, address(trimmed)),
            Field::NatSrcPort => keep(&mut self.nat_src.1, port(trimmed)),
            Field::NatDstIp => keep(&mut self.nat_dst.0, address(trimmed)),
            Field::NatDstPort => keep(&mut self.nat_dst.1, port(trimmed)),
            Field::Protocol => keep(&mut self.flow.protocol, protocol(trimmed)),
            Field::BytesOut => keep(&mut self.connection.bytes_out, count(trimmed)),
            Field::BytesIn => keep(&mut self.connection.bytes_in, count(trimmed)),
            Field::PacketsOut => keep(&mut self.connection.packets_out, count(trimmed)),
            Field::PacketsIn => keep(&mut self.connection.packets_in, count(trimmed)),
            Field::Start => keep(&mut self.start, Stamp::read(trimmed)),
            Field::End => keep(&mut self.end, Stamp::read(trimmed)),
            Field::Time => keep(&mut self.time, Stamp::read(trimmed)),
            Field::Duration => keep(&mut self.duration_ns, duration(trimmed)),
            Field::DurationMs => keep(&mut self.duration_ns, duration(trimmed).map(|seconds| seconds / 1000)),
            Field::Zone => keep(&mut self.zone, Zone::read(trimmed)),
            Field::TcpSequence => {
                keep(&mut self.connection.tcp_sequence, number(trimmed).and_then(|n| u32::try_from(n).ok()))
            }
            Field::Pid => keep(&mut self.connection.pid, number(trimmed).and_then(|n| u32::try_from(n).ok())),
            Field::Direction => {
                // Other words are about other things than the way.
                keep(&mut self.connection.direction, direction(trimmed));
                true
            }
            Field::Action => {
                if self.connection.action.is_none() {
                    self.connection.action = action::verdict(trimmed);
                }
                if self.action_word.is_none() {
                    self.action_word = Some(value);
                }
                true
            }
            Field::Domain => {
                let name = host_of(&value);
                keep(&mut self.connection.domain, name)
            }
            Field::Rule => text(&mut self.connection.rule, value),
            Field::InInterface => text(&mut self.connection.in_interface, value),
            Field::OutInterface => text(&mut self.connection.out_interface, value),
            Field::InZone => text(&mut self.connection.in_zone, value),
            Field::OutZone => text(&mut self.connection.out_zone, value),
            Field::User => text(&mut self.connection.user, value),
            Field::Device => text(&mut self.device, value),
            Field::Application => text(&mut self.connection.application, value),
            Field::Session => text(&mut self.connection.session, value),
            Field::Process => text(&mut self.connection.process, value),
            Field::State => text(&mut self.connection.state, value),
            Field::Category => text(&mut self.category, value),
            Field::Threat => text(&mut self.threat, value),
            Field::Message => text(&mut self.message, value),
        };
        // Where an address is expected, devices also write the names of hosts, and where a name is, an address or the first
        // word of one, which is no fault of theirs.
        let named = matches!(
            field,
            Field::SrcIp | Field::DstIp | Field::Src | Field::Dst | Field::NatSrcIp | Field::NatDstIp | Field::Domain
        );
        if !fits && !named && self.impossible.is_none() {
            self.impossible = Some(field);
        }
    }

    /// Whether nothing says who talked to whom.
    pub(crate) fn is_empty(&self) -> bool {
        self.flow.src.is_none() && self.flow.dst.is_none()
    }

    /// Turns the connection round: what the record names as its source did not open it.
    pub(crate) fn turn(&mut self) {
        let Fields { flow, connection, nat_src, nat_dst, .. } = self;
        std::mem::swap(&mut flow.src, &mut flow.dst);
        std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
        std::mem::swap(&mut connection.bytes_out, &mut connection.bytes_in);
        std::mem::swap(&mut connection.packets_out, &mut connection.packets_in);
        std::mem::swap(nat_src, nat_dst);
    }

    /// The connection, with address translation where it changes anything.
    pub(crate) fn connection(&mut self) -> Connection<'a> {
        let mut connection = std::mem::take(&mut self.connection);
        let translated = |(ip, port): (Option<IpAddr>, Option<u16>), own: Option<IpAddr>, own_port: Option<u16>| {
            let ip = ip.filter(|ip| !ip.is_unspecified())?;
            let port = port.filter(|port| *port != 0);
            (Some(ip) != own || port.is_some_and(|port| Some(port) != own_port)).then_some((ip, port))
        };
        let Flow { src, src_port, dst, dst_port, .. } = self.flow;
        connection.nat_src = connection.nat_src.or_else(|| translated(self.nat_src, src, src_port));
        connection.nat_dst = connection.nat_dst.or_else(|| translated(self.nat_dst, dst, dst_port));
        connection
    }

    /// What the device calls the record's subject, for the eye that looks for names of behaviours.
    pub(super) fn words(&self) -> [Option<&str>; 4] {
        [
            self.threat.as_deref(),
            self.category.as_deref(),
            self.connection.application.as_deref(),
            self.message.as_deref().filter(|_| self.threat.is_some()),
        ]
    }

    /// Drops the ports of protocols that have none: records of flows have zeros there, or the type and code of ICMP.
    pub(crate) fn drop_portless(&mut self) {
        let ports = [Protocol::TCP, Protocol::UDP, Protocol(33), Protocol(132), Protocol(136)];
        if self.flow.protocol.is_some_and(|protocol| !ports.contains(&protocol)) {
            (self.flow.src_port, self.flow.dst_port) = (None, None);
        }
    }

    /// The action, if the reader knows a word that others do not.
    pub(crate) fn decide(&mut self, action: Option<Action>) {
        if self.connection.action.is_none() {
            self.connection.action = action;
        }
    }
}

/// Whether the value could be read; a known one stays.
fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let fits = value.is_some();
    if slot.is_none() {
        *slot = value;
    }
    fits
}

fn text<'a>(slot: &mut Option<Cow<'a, str>>, value: Cow<'a, [u8]>) -> bool {
    if slot.is_none() {
        *slot = Some(text_of(value));
    }
    true
}

/// As text, with replacement characters where it is not UTF-8, without blanks around it.
pub(crate) fn text_of(value: Cow<'_, [u8]>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(bytes) => lossy(bytes.trim_ascii()),
        Cow::Owned(bytes) => Cow::Owned(lossy(bytes.trim_ascii()).into_owned()),
    }
}

fn end(ip: &mut Option<IpAddr>, port: &mut Option<u16>, value: &[u8]) -> bool {
    let Some((found, found_port)) = endpoint(value) else { return false };
    if ip.is_none() {
        *ip = Some(found);
        if port.is_none() {
            *port = found_port;
        }
    }
    true
}
