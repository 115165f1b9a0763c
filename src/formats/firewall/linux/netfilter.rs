//! The fields of a netfilter LOG line: `nf_log_syslog.c` of Linux (iptables and nftables share it), and `LOGEMU` of
//! ulogd2, which imitates it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use memchr::memmem;

use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes::{address, number, port, text, trim};
use crate::formats::firewall::syslog::{self, slashed};
use crate::model::{Connection, Direction, Flow, Protocol};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;
const ECE: u8 = 64;
const CWR: u8 = 128;

/// Names of every set of flags, in the order of their bits (RFC 9293 section 3.1), joined by commas.
static FLAG_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    (0..=255_u8)
        .map(|set| {
            let on: Vec<&str> =
                names.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| *name).collect();
            on.join(",")
        })
        .collect()
});

/// The names of a set of TCP flags, joined by commas.
pub(super) fn flag_names(flags: u8) -> Option<&'static str> {
    FLAG_NAMES.get(usize::from(flags)).map(String::as_str)
}

/// What one LOG line says of its packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Text before the first field, with what the line has of its own time taken out.
    pub(super) prefix: Cow<'a, [u8]>,
    /// A time inside the prefix, as the firewall of Proxmox VE writes it.
    pub(super) stamp: Option<syslog::Stamp>,
    input: Option<&'a [u8]>,
    output: Option<&'a [u8]>,
    pub(super) src: Option<IpAddr>,
    pub(super) dst: Option<IpAddr>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    protocol: Option<Protocol>,
    length: Option<u64>,
    flags: u8,
    icmp_type: Option<u64>,
    arp: bool,
    /// A value that cannot be, by field.
    pub(super) impossible: Option<&'static str>,
    /// The line ends inside or right after this field, which is never the last one.
    pub(super) cut: Option<&'static str>,
}

/// Reads a message. `None` if it has no netfilter fields: neither `IN=.. OUT=..`, nor `SRC=` with `PROTO=`, nor
/// (a line that lost its head) `PROTO=` with a port.
pub(super) fn packet(message: &[u8]) -> Option<Packet<'_>> {
    let start = fields_at(message)?;
    let (prefix, fields) = message.split_at_checked(start)?;
    let mut packet = Packet { prefix: Cow::Borrowed(prefix), ..Packet::default() };
    packet.read(fields);
    if prefix.len() > 20 && prefix.contains(&b'/') {
        packet.take_stamp(prefix);
    }
    Some(packet)
}

static IN: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"IN="));
static SRC: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"SRC="));
static PROTO: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"PROTO="));

/// Where the fields begin.
fn fields_at(message: &[u8]) -> Option<usize> {
    // The prefix may be glued to the first field ("DROP(src wan)IN=eth0"), so that no boundary is asked for.
    for at in IN.find_iter(message) {
        let value = message.get(at + 3..)?;
        let end = memchr::memchr(b' ', value).unwrap_or(value.len());
        if value.get(end..).is_some_and(|rest| rest.starts_with(b" OUT=")) {
            return Some(at);
        }
    }
    let first_field = |before: usize| {
        let mut at = 0;
        for word in message.get(..before)?.split(|byte| *byte == b' ') {
            let name = word.split(|byte| *byte == b'=').next()?;
            if name.len() < word.len() && !name.is_empty() && name.iter().all(u8::is_ascii_uppercase) {
                return Some(at);
            }
            at += word.len() + 1;
        }
        Some(before)
    };
    if let Some(proto) = PROTO.find(message) {
        let starts_word = |at: usize| at == 0 || message.get(at - 1) == Some(&b' ');
        if let Some(source) = SRC.find(message).filter(|at| *at < proto && starts_word(*at)) {
            // ulogd's NFCT records have two tuples and counters: no packet, and not this format.
            if message.get(..source).is_some_and(|head| head.ends_with(b"ORIG: ")) {
                return None;
            }
            return first_field(source);
        }
        let ports = message.get(proto..)?;
        let lost_head = memmem::find(ports, b" SPT=").is_some() && memmem::find(ports, b" DPT=").is_some();
        if lost_head && starts_word(proto) {
            return first_field(proto);
        }
    }
    None
}

impl<'a> Packet<'a> {
    fn read(&mut self, fields: &'a [u8]) {
        let mut rest = fields;
        let mut after_proto = false;
        loop {
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            let (token, next) = rest.split_at(end);
            let last = next.len() <= 1;
            match token {
                // The packet that an ICMP error is about, and what else may follow, is not this packet.
                [b'[', ..] => break,
                [b'I', b'N', b'=', value @ ..] => first(&mut self.input, value),
                [b'O', b'U', b'T', b'=', value @ ..] => first(&mut self.output, value),
                [b'S', b'R', b'C', b'=', value @ ..] => {
                    Self::set_address(&mut self.src, value, "SRC", &mut self.impossible);
                    self.cut = self.cut.or(last.then_some("SRC"));
                }
                [b'D', b'S', b'T', b'=', value @ ..] => {
                    Self::set_address(&mut self.dst, value, "DST", &mut self.impossible);
                    self.cut = self.cut.or(last.then_some("DST"));
                }
                [b'I', b'P', b'S', b'R', b'C', b'=', value @ ..] if self.arp => {
                    Self::set_address(&mut self.src, value, "IPSRC", &mut self.impossible);
                }
                [b'I', b'P', b'D', b'S', b'T', b'=', value @ ..] if self.arp => {
                    Self::set_address(&mut self.dst, value, "IPDST", &mut self.impossible);
                }
                // The second LEN is the one of UDP.
                [b'L', b'E', b'N', b'=', value @ ..] if !after_proto && self.length.is_none() => {
                    self.length = number(value);
                }
                [b'P', b'R', b'O', b'T', b'O', b'=', value @ ..] if !after_proto => {
                    after_proto = true;
                    self.protocol = protocol(value);
                }
                [b'S', b'P', b'T', b'=', value @ ..] if self.src_port.is_none() => {
                    self.src_port = port(value);
                    if self.src_port.is_none() {
                        self.impossible = self.impossible.or(Some("SPT"));
                    }
                    self.cut = self.cut.or(last.then_some("SPT"));
                }
                [b'D', b'P', b'T', b'=', value @ ..] if self.dst_port.is_none() => {
                    self.dst_port = port(value);
                    if self.dst_port.is_none() {
                        self.impossible = self.impossible.or(Some("DPT"));
                    }
                    self.cut = self.cut.or(last.then_some("DPT"));
                }
                [b'T', b'Y', b'P', b'E', b'=', value @ ..] if self.icmp_type.is_none() => {
                    self.icmp_type = number(value)
                }
                b"SYN" => self.flags |= SYN,
                b"ACK" => self.flags |= ACK,
                b"PSH" => self.flags |= PSH,
                b"FIN" => self.flags |= FIN,
                b"RST" => self.flags |= RST,
                b"URG" => self.flags |= URG,
                b"ECE" => self.flags |= ECE,
                b"CWR" => self.flags |= CWR,
                b"ARP" => self.arp = true,
                _ => {}
            }
            match next {
                [_, following @ ..] if !following.is_empty() => rest = following,
                _ => break,
            }
        }
    }

    fn set_address(slot: &mut Option<IpAddr>, value: &[u8], name: &'static str, impossible: &mut Option<&'static str>) {
        if slot.is_none() {
            *slot = address(value);
            if slot.is_none() {
                *impossible = impossible.or(Some(name));
            }
        }
    }

    /// `117 6 tap117i0-IN 07/Sep/2016:13:27:23 +0200 policy DROP: ` (Proxmox VE, `pve-firewall.log`): the time, and a
    /// prefix without guest number, level and time.
    fn take_stamp(&mut self, prefix: &[u8]) {
        for slash in memchr::memchr_iter(b'/', prefix) {
            let Some(at) = slash.checked_sub(2) else { continue };
            let Some((stamp, length)) = prefix.get(at..).and_then(slashed) else { continue };
            let before = prefix.get(..at).unwrap_or_default();
            let after = prefix.get(at + length..).unwrap_or_default();
            let chain = trim(before).rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            self.stamp = Some(stamp);
            self.prefix = Cow::Owned([chain, b" ", trim(after)].concat());
            return;
        }
    }

    /// Source and destination as logged. A reply is not turned round: its flags tell.
    pub(super) fn flow(&self) -> Flow {
        Flow { src: self.src, src_port: self.src_port, dst: self.dst, dst_port: self.dst_port, protocol: self.protocol }
    }

    /// Whether anything is left to say who talked to whom.
    pub(super) fn is_empty(&self) -> bool {
        self.src.is_none() && self.dst.is_none() && self.src_port.is_none() && self.dst_port.is_none()
    }

    /// The line begins after its addresses.
    pub(super) fn lost_head(&self) -> bool {
        self.src.is_none() && self.dst.is_none() && self.impossible.is_none() && self.protocol.is_some()
    }

    /// One packet: `LEN` bytes of IP in the direction of the flow. What the verdict was is told by the prefix alone.
    pub(super) fn connection(&'a self) -> Connection<'a> {
        let set = |name: &Option<&'a [u8]>| name.map(|name| !name.is_empty());
        let direction = match (set(&self.input), set(&self.output)) {
            (Some(false), Some(true)) => Some(Direction::Outbound),
            (Some(true), Some(false)) => Some(Direction::Inbound),
            (Some(true), Some(true)) => Some(Direction::Forwarded),
            _ => None,
        };
        let interface = |name: Option<&'a [u8]>| name.filter(|name| !name.is_empty()).map(text);
        let prefix = trim(&self.prefix);
        let state = match self.flags {
            0 if self.arp => Some("ARP"),
            0 => None,
            set => flag_names(set),
        };
        // An echo reply (RFC 792, RFC 4443) and a SYN,ACK are themselves the answer. A lone ACK may be a scan.
        let reply = match self.protocol {
            Some(Protocol::TCP) => self.flags & (SYN | ACK | RST) == SYN | ACK,
            Some(Protocol::ICMP) => self.icmp_type == Some(0),
            Some(Protocol::ICMPV6) => self.icmp_type == Some(129),
            _ => false,
        };
        Connection {
            action: action(prefix),
            direction,
            bytes_out: self.length,
            packets_out: Some(1),
            rule: (!prefix.is_empty()).then(|| text(prefix)),
            in_interface: interface(self.input),
            out_interface: interface(self.output),
            state: state.map(Cow::Borrowed),
            answered: reply.then_some(true),
            ..Connection::default()
        }
    }
}

fn first<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

/// By name or number. The kernel writes "ICMPv6" for 58.
fn protocol(value: &[u8]) -> Option<Protocol> {
    match value {
        b"TCP" => Some(Protocol::TCP),
        b"UDP" => Some(Protocol::UDP),
        b"ICMP" => Some(Protocol::ICMP),
        b"ICMPv6" => Some(Protocol::ICMPV6),
        _ => Protocol::parse(std::str::from_utf8(value).ok()?),
    }
}
