//! One packet in memory, from its IP header on, without anything around it.

use super::ip;
use crate::formats::capture::bytes::{be16, be32};
use crate::model::{Flow, Protocol};

/// What the headers of one packet say.
pub(in crate::formats) struct Single {
    pub(in crate::formats) flow: Flow,
    /// Bytes of IP, its header included, as the header has it.
    pub(in crate::formats) length: u64,
    /// FIN is bit 0 (RFC 9293).
    pub(in crate::formats) tcp_flags: Option<u8>,
    pub(in crate::formats) tcp_sequence: Option<u32>,
}

/// Reads an IPv4 or IPv6 packet of which at least the addresses are there. Later fragments have no ports.
pub(in crate::formats) fn packet(bytes: &[u8]) -> Option<Single> {
    let packet = ip::parse(bytes, u32::try_from(bytes.len()).ok()?).ok()?;
    let protocol = Protocol(packet.protocol);
    let header = if packet.fragment.is_some_and(|part| part.offset > 0) { &[] } else { packet.data };
    let ported = matches!(protocol, Protocol::TCP | Protocol::UDP);
    let port = |at: usize| be16(header, at).filter(|_| ported);
    let tcp = |at: usize| header.get(at).copied().filter(|_| protocol == Protocol::TCP);
    let fixed = if packet.src.is_ipv6() { 40 } else { u64::from(bytes.first()? & 15) * 4 };
    Some(Single {
        flow: Flow {
            src: Some(packet.src),
            src_port: port(0),
            dst: Some(packet.dst),
            dst_port: port(2),
            protocol: Some(protocol),
        },
        length: fixed + u64::from(packet.carried),
        tcp_flags: tcp(13),
        tcp_sequence: be32(header, 4).filter(|_| protocol == Protocol::TCP),
    })
}
