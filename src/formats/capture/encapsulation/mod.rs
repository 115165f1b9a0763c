//! Packets in packets. Protocols with a number of their own are opened by it ([`carried`]); those over UDP by port and
//! content, or by content alone where nothing else could look like it ([`udp`]).

mod gre;
mod gtp;
mod ike;
#[cfg(test)]
mod tests;
mod udp;

use super::bytes::{be16, be32};
use super::ip::IpPacket;
use super::link::{self, Opened, Payload};
use crate::model::{Mark, TunnelClass};

pub(super) use udp::carried_by_udp;

/// Tunnels within tunnels beyond this depth are conversations and no more.
pub(super) const MAX_DEPTH: u32 = 6;

/// A packet that carries another, or sets up what will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    /// What carries it: "gre", "vxlan".
    pub(super) by: &'static str,
    pub(super) class: TunnelClass,
    /// The service's port, where that tells it.
    pub(super) port: Option<u16>,
    /// What the outer header shows if its inside does not.
    pub(super) mark: Mark,
    pub(super) opened: Opened<'a>,
    /// Key and number of a message that is counted up, where only the counting shows what it is.
    pub(super) sequence: Option<(u32, u32)>,
    /// In a few words, if there is more to say than the name.
    pub(super) note: &'static str,
}

impl<'a> Carried<'a> {
    fn new(by: &'static str, opened: Opened<'a>) -> Self {
        Carried {
            by,
            class: TunnelClass::Encapsulation,
            port: None,
            mark: Mark::OneSide,
            opened,
            sequence: None,
            note: "",
        }
    }

    /// Encrypted, or a message about a tunnel rather than in it.
    fn closed(by: &'static str) -> Self {
        Self::new(by, Opened::CLOSED)
    }

    fn vpn(self) -> Self {
        Carried { class: TunnelClass::Vpn, ..self }
    }

    fn noted(self, note: &'static str) -> Self {
        Carried { note, ..self }
    }
}

/// What a payload with this protocol number carries, if its protocol is one that carries (iana.org, protocol-numbers).
pub(super) fn carried(outer: IpPacketEnds, protocol: u8, data: &[u8]) -> Option<Carried<'_>> {
    if data.is_empty() {
        // A scan for protocols asks with the number alone.
        return None;
    }
    Some(match protocol {
        // RFC 2003, RFC 2473; IPIP of old kernels.
        4 | 94 => Carried::new(if outer.is_v4 { "4in4" } else { "4in6" }, link::open_ip(data, 0)),
        // RFC 4213, RFC 2473.
        41 => Carried::new(if outer.is_v4 { "6in4" } else { "6in6" }, link::open_ip(data, 0)),
        47 => gre::gre(data)?,
        // ESP (RFC 4303): an index of 0 is never on the wire. Neighbours that authenticate their routing use it as well.
        50 if !outer.is_local => {
            (be32(data, 0)? != 0).then_some(())?;
            Carried::closed("ipsec-esp").vpn()
        }
        // EtherIP (RFC 3378): version 3, then a frame.
        97 => {
            data.starts_with(&[0x30, 0]).then_some(())?;
            Carried::new("etherip", link::open_ethernet(data, 2))
        }
        // IP payload compression (RFC 3173): next header, flags that are 0, index.
        108 if !outer.is_local => {
            (*data.get(1)? == 0).then_some(())?;
            Carried::closed("ipcomp").vpn()
        }
        115 => l2tp_v3(data)?,
        137 => mpls_alone(data)?,
        _ => return None,
    })
}

/// What matters of the ends of an outer packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPacketEnds {
    is_v4: bool,
    /// Between neighbours: to a group, or from an address that no router passes on.
    is_local: bool,
}

impl IpPacketEnds {
    pub(super) fn new(src: std::net::IpAddr, dst: std::net::IpAddr) -> Self {
        let is_link_local = match src {
            std::net::IpAddr::V4(v4) => v4.is_link_local(),
            std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        IpPacketEnds { is_v4: src.is_ipv4(), is_local: dst.is_multicast() || is_link_local }
    }
}

/// An authentication header (RFC 4302) that was stepped over, if it protects more than routing between neighbours.
pub(super) fn authenticated(packet: &IpPacket<'_>) -> Option<Carried<'static>> {
    /// Routing protocols that authenticate themselves: IGMP, PIM, OSPF, VRRP.
    const ROUTING: [u8; 4] = [2, 103, 89, 112];
    let is_local = IpPacketEnds::new(packet.src, packet.dst).is_local;
    let counts = packet.authenticated && !is_local && !ROUTING.contains(&packet.protocol);
    counts.then(|| Carried::closed("ipsec-ah").vpn())
}

/// L2TPv3 over IP (RFC 3931): a session, whose cookie and sublayer only its ends know, or 0 and a control message.
fn l2tp_v3(data: &[u8]) -> Option<Carried<'_>> {
    let session = be32(data, 0)?;
    if session == 0 {
        // Type, length and sequence bits, version 3.
        (be16(data, 4)? & 0xc80f == 0xc803).then_some(())?;
        return Some(Carried::closed("l2tp").vpn().noted("version 3, control"));
    }
    let opened = [4, 8, 12, 16]
        .into_iter()
        .find(|at| link::is_frame(data, *at))
        .map_or(Opened::CLOSED, |at| link::open_ethernet(data, at));
    Some(Carried::new("l2tp", opened).vpn().noted("version 3"))
}

/// Labels without an EtherType that says so: what is inside has to be IP or a frame.
fn mpls_alone(data: &[u8]) -> Option<Carried<'_>> {
    let mut opened = link::open_mpls(data, 0);
    // Its carrier is told here already.
    opened.through.mpls = false;
    matches!(opened.payload, Payload::Ip(..)).then(|| Carried::new("mpls", opened))
}

/// Whether a packet, or a frame by way of labels or aggregation, was found in `stated` bytes of payload. A packet's own
/// length has to fit there; segmentation offload leaves 0.
fn is_open(opened: &Opened<'_>, stated: usize) -> bool {
    match opened.payload {
        Payload::Ip(packet, at) => {
            let length = match packet.first() {
                Some(0x45..=0x4f) => be16(packet, 2).map(|total| (usize::from(total), 20)),
                Some(0x60..=0x6f) => be16(packet, 4).map(|length| (usize::from(length), 0)),
                _ => return false,
            };
            length.is_none_or(|(length, least)| length == 0 || (length >= least && at + length <= stated))
        }
        Payload::Aggregate(..) => true,
        _ => opened.through != link::Through::default(),
    }
}

/// Whether an IP packet fills what it stands in to the last byte: for places where nothing but content can tell.
/// `padding` is what an Ethernet frame may have behind it.
fn is_flawless(opened: &Opened<'_>, padding: usize) -> bool {
    let Payload::Ip(packet, _) = opened.payload else { return false };
    let (length, protocol, header) = match packet.first() {
        Some(first @ 0x45..=0x4f) => {
            let header = usize::from(first & 15) * 4;
            if packet.get(..header).is_none_or(|header| checksum(header) != 0xffff) {
                return false;
            }
            (be16(packet, 2).map(usize::from), packet.get(9), header)
        }
        Some(0x60..=0x6f) => (be16(packet, 4).map(|length| usize::from(length) + 40), packet.get(6), 40),
        _ => return false,
    };
    let Some(length) = length.filter(|length| packet.len() >= *length && packet.len() - length <= padding) else {
        return false;
    };
    let (Some(data), Some(protocol)) = (packet.get(header..length), protocol) else { return false };
    match protocol {
        // A length of the datagram's own, unless it is a fragment.
        17 if header == 40 => be16(data, 4).map(usize::from) == Some(data.len()),
        6 => data.get(12).is_some_and(|offset| offset >> 4 >= 5),
        59 => data.is_empty(),
        0 | 1 | 17 | 43 | 44 | 50 | 51 | 58 | 60 => true,
        _ => false,
    }
}

/// The Internet checksum (RFC 1071) before its complement: all ones over a header with a right checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}
