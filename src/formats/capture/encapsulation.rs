//! Packets in packets: IP in IP (RFC 2003, RFC 4213), GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348) and Geneve
//! (RFC 8926), the last two being what cloud networks mirror traffic in.

use super::link::{self, Payload};

/// Tunnels within tunnels beyond this depth are conversations and no more.
pub(super) const MAX_DEPTH: u32 = 4;

/// A packet that carries another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    /// What carries it: "gre", "vxlan".
    pub(super) by: &'static str,
    /// The IP packet inside; `None` where something else is inside, or nothing that can be read.
    pub(super) packet: Option<&'a [u8]>,
}

/// What a payload of this protocol (and for UDP, these ports) carries, if its protocol is one that carries.
pub(super) fn carried(protocol: u8, ports: Option<(u16, u16)>, data: &[u8]) -> Option<Carried<'_>> {
    let (by, packet) = match (protocol, ports) {
        (4, _) => ("ipip", Some(data)),
        (41, _) => ("ipv6-in-ip", Some(data)),
        (47, _) => ("gre", gre(data)),
        (17, Some((_, 4789))) => ("vxlan", Some(vxlan(data.get(8..)?)?)),
        (17, Some((_, 6081))) => ("geneve", Some(geneve(data.get(8..)?)?)),
        _ => return None,
    };
    Some(Carried { by, packet })
}

fn ip(payload: Payload<'_>) -> Option<&[u8]> {
    match payload {
        Payload::Ip(packet, _) => Some(packet),
        _ => None,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|value| u16::from_be_bytes(*value))
}

fn typed(ether_type: u16, data: &[u8], at: usize) -> Option<&[u8]> {
    // 0x6558 is an Ethernet frame.
    ip(if ether_type == 0x6558 { link::payload(1, data.get(at..)?) } else { link::by_ether_type(ether_type, data, at) })
}

fn gre(data: &[u8]) -> Option<&[u8]> {
    let flags = be16(data, 0)?;
    // Source routing (RFC 1701) and version 1 (PPTP) carry nothing that is read here.
    if flags & 0x4007 != 0 {
        return None;
    }
    let optional = [0x8000, 0x2000, 0x1000].into_iter().filter(|flag| flags & flag != 0).count();
    typed(be16(data, 2)?, data, 4 + 4 * optional)
}

fn vxlan(data: &[u8]) -> Option<&[u8]> {
    // The I flag alone; senders need not clear the reserved bits, so that the frame has to make sense instead.
    (data.first()? & 0x08 != 0).then_some(())?;
    ip(link::payload(1, data.get(8..)?)).filter(|packet| matches!(packet.first(), Some(0x45..=0x4f | 0x60..=0x6f)))
}

fn geneve(data: &[u8]) -> Option<&[u8]> {
    let first = data.first()?;
    // Version 0, options in units of four bytes.
    if first & 0xc0 != 0 {
        return None;
    }
    let packet = typed(be16(data, 2)?, data, 8 + usize::from(first & 0x3f) * 4)?;
    matches!(packet.first(), Some(0x45..=0x4f | 0x60..=0x6f)).then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 4] = [0x45, 0, 0, 20];

    fn ethernet() -> Vec<u8> {
        [&[0; 12][..], &[8, 0], &IP].concat()
    }

    fn inner(protocol: u8, dst_port: Option<u16>, data: &[u8]) -> Option<&[u8]> {
        carried(protocol, dst_port.map(|port| (40_000, port)), data)?.packet
    }

    #[test]
    fn every_kind() {
        assert_eq!(inner(41, None, &IP), Some(&IP[..]));
        assert_eq!(inner(47, None, &[&[0, 0, 8, 0][..], &IP].concat()), Some(&IP[..]));
        let keyed = [&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7][..], &ethernet()].concat();
        assert_eq!(inner(47, None, &keyed), Some(&IP[..]));
        assert_eq!(inner(47, None, &[&[0x30, 1, 0x88, 0x0b][..], &IP].concat()), None, "PPTP");
        let vxlan = [&[0; 8][..], &[8, 0, 0, 0, 0, 0, 9, 0], &ethernet()].concat();
        assert_eq!(inner(17, Some(4789), &vxlan), Some(&IP[..]));
        assert_eq!(inner(17, Some(4790), &vxlan), None);
        let geneve = [&[0; 8][..], &[1, 0, 0x65, 0x58, 0, 0, 9, 0], &[1, 2, 3, 0], &ethernet()].concat();
        assert_eq!(inner(17, Some(6081), &geneve), Some(&IP[..]));
        for cut in 0..geneve.len() - IP.len() {
            assert_eq!(inner(17, Some(6081), &geneve[..cut]), None, "{cut}");
        }
    }
}
