//! From the link layer to the network layer. Link types are the LINKTYPE_ registry of tcpdump.org.

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    /// An IPv4 or IPv6 packet with the number of bytes before it.
    Ip(&'a [u8], usize),
    /// Another protocol (ARP, spanning tree, ...): a record and no more.
    Other,
    /// The frame was cut before its payload.
    Cut,
    /// A link type that is not read.
    Unsupported,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// A bound on stacked VLAN tags and MPLS labels, far above what any network uses.
const MAX_TAGS: usize = 16;

/// Finds the IP packet in a frame.
pub(super) fn payload(link: u32, frame: &[u8]) -> Payload<'_> {
    match link {
        1 => ether_type_at(frame, 12),
        0 | 108 => loopback(frame),
        12 | 14 | 101 => raw_ip(frame, 0),
        228 | 229 => Payload::Ip(frame, 0),
        113 => ether_type_at(frame, 14),
        // Version 2 has the protocol first, then interface, ARP type, packet type and address: 20 bytes.
        276 => match be16(frame, 0) {
            Some(protocol) if frame.len() >= 20 => by_ether_type(protocol, frame, 20),
            _ => Payload::Cut,
        },
        _ => Payload::Unsupported,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|value| u16::from_be_bytes(*value))
}

fn raw_ip(frame: &[u8], at: usize) -> Payload<'_> {
    let rest = frame.get(at..).unwrap_or_default();
    match rest.first().map(|first| first >> 4) {
        Some(4 | 6) => Payload::Ip(rest, at),
        Some(_) => Payload::Other,
        None => Payload::Cut,
    }
}

/// DLT_NULL has the address family in the byte order of the capturing machine, DLT_LOOP in network order.
fn loopback(frame: &[u8]) -> Payload<'_> {
    let Some(family) = frame.first_chunk::<4>() else { return Payload::Cut };
    let little = u32::from_le_bytes(*family);
    let family = if little > 0xffff { u32::from_be_bytes(*family) } else { little };
    match family {
        // AF_INET; AF_INET6 of Linux, NetBSD/OpenBSD/Windows, FreeBSD and macOS.
        2 | 10 | 23 | 24 | 28 | 30 => raw_ip(frame, 4),
        _ => Payload::Other,
    }
}

fn ether_type_at(frame: &[u8], at: usize) -> Payload<'_> {
    match be16(frame, at) {
        Some(ether_type) => by_ether_type(ether_type, frame, at + 2),
        None => Payload::Cut,
    }
}

/// Finds the IP packet in what an EtherType announces from `at` on.
pub(super) fn by_ether_type(ether_type: u16, frame: &[u8], at: usize) -> Payload<'_> {
    let (mut ether_type, mut at) = (ether_type, at);
    for _ in 0..MAX_TAGS {
        match ether_type {
            IPV4 | IPV6 => {
                let rest = frame.get(at..).unwrap_or_default();
                return if rest.is_empty() { Payload::Cut } else { Payload::Ip(rest, at) };
            }
            // IEEE 802.1Q, 802.1ad and the older 0x9100: two bytes of tag, then the next type.
            0x8100 | 0x88a8 | 0x9100 => match be16(frame, at + 2) {
                Some(next) => (ether_type, at) = (next, at + 4),
                None => return Payload::Cut,
            },
            // IEEE 802.1BR E-TAG: six bytes of tag.
            0x893f => match be16(frame, at + 6) {
                Some(next) => (ether_type, at) = (next, at + 8),
                None => return Payload::Cut,
            },
            // MPLS (RFC 3032): labels to the bottom of the stack, then IP told by its version.
            0x8847 | 0x8848 => match frame.get(at + 2) {
                Some(bottom) if bottom & 1 == 1 => return raw_ip(frame, at + 4),
                Some(_) => at += 4,
                None => return Payload::Cut,
            },
            // PPPoE session (RFC 2516): six bytes of header, then the PPP protocol.
            0x8864 => {
                return match be16(frame, at + 6) {
                    Some(0x0021 | 0x0057) => raw_ip(frame, at + 8),
                    Some(_) => Payload::Other,
                    None => Payload::Cut,
                };
            }
            // A length (IEEE 802.3): LLC with a SNAP header (RFC 1042) names a type again.
            0..=1500 if frame.get(at..at + 6) == Some(&[0xaa, 0xaa, 3, 0, 0, 0]) => match be16(frame, at + 6) {
                Some(next) if next > 1500 => (ether_type, at) = (next, at + 8),
                Some(_) => return Payload::Other,
                None => return Payload::Cut,
            },
            _ => return Payload::Other,
        }
    }
    Payload::Other
}

/// The name of a link type as tcpdump.org registers it, without LINKTYPE_; empty if it is none of the usual ones.
pub(super) fn name(link: u32) -> &'static str {
    const NAMES: [(u32, &str); 44] = [
        (0, "NULL"),
        (1, "ETHERNET"),
        (6, "IEEE802_5"),
        (7, "ARCNET_BSD"),
        (8, "SLIP"),
        (9, "PPP"),
        (10, "FDDI"),
        (12, "RAW"),
        (14, "RAW"),
        (50, "PPP_HDLC"),
        (51, "PPP_ETHER"),
        (100, "ATM_RFC1483"),
        (101, "RAW"),
        (104, "C_HDLC"),
        (105, "IEEE802_11"),
        (106, "ATM_CLIP"),
        (107, "FRELAY"),
        (108, "LOOP"),
        (113, "LINUX_SLL"),
        (117, "PFLOG"),
        (119, "IEEE802_11_PRISM"),
        (122, "IP_OVER_FC"),
        (123, "SUNATM"),
        (127, "IEEE802_11_RADIOTAP"),
        (129, "ARCNET_LINUX"),
        (138, "APPLE_IP_OVER_IEEE1394"),
        (147, "USER0"),
        (163, "IEEE802_11_AVS"),
        (187, "BLUETOOTH_HCI_H4"),
        (189, "USB_LINUX"),
        (192, "PPI"),
        (195, "IEEE802_15_4_WITHFCS"),
        (201, "BLUETOOTH_HCI_H4_WITH_PHDR"),
        (220, "USB_LINUX_MMAPPED"),
        (226, "IPNET"),
        (227, "CAN_SOCKETCAN"),
        (228, "IPV4"),
        (229, "IPV6"),
        (230, "IEEE802_15_4_NOFCS"),
        (231, "DBUS"),
        (239, "NFLOG"),
        (252, "WIRESHARK_UPPER_PDU"),
        (253, "NETLINK"),
        (276, "LINUX_SLL2"),
    ];
    NAMES.iter().find(|(number, _)| *number == link).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 3] = [0x45, 0, 0];

    fn frame(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn loopback_in_both_byte_orders() {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2], [30, 0, 0, 0], [0, 0, 0, 24], [0, 0, 0, 28]] {
            assert_eq!(payload(0, &frame(&[&family, &IP])), Payload::Ip(&IP, 4), "{family:?}");
            assert_eq!(payload(108, &frame(&[&family, &IP])), Payload::Ip(&IP, 4), "{family:?}");
        }
        assert_eq!(payload(0, &[7, 0, 0, 0, 0x45]), Payload::Other);
        assert_eq!(payload(0, &[2, 0, 0]), Payload::Cut);
    }

    #[test]
    fn tags_and_labels() {
        let macs = [0; 12];
        let tagged = frame(&[&macs, &[0x88, 0xa8, 0, 1, 0x91, 0, 0, 2, 0x81, 0, 0, 3, 8, 0], &IP]);
        assert_eq!(payload(1, &tagged), Payload::Ip(&IP, 26));
        let mpls = frame(&[&macs, &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64], &IP]);
        assert_eq!(payload(1, &mpls), Payload::Ip(&IP, 22));
        let pppoe = frame(&[&macs, &[0x88, 0x64, 0x11, 0, 0, 1, 0, 5, 0, 0x21], &IP]);
        assert_eq!(payload(1, &pppoe), Payload::Ip(&IP, 22));
        let snap = frame(&[&macs, &[0, 11, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &IP]);
        assert_eq!(payload(1, &snap), Payload::Ip(&IP, 22));
        assert_eq!(payload(1, &frame(&[&macs, &[8, 6, 0, 1]])), Payload::Other);
        let endless = frame(&[&macs, &[0x81, 0, 0, 0].repeat(100)]);
        assert_eq!(payload(1, &endless), Payload::Other);
        for cut in 0..tagged.len() - IP.len() {
            assert_eq!(payload(1, &tagged[..cut]), Payload::Cut, "{cut}");
        }
    }

    #[test]
    fn cooked_and_raw() {
        let cooked = frame(&[&[0; 14], &[8, 0], &IP]);
        assert_eq!(payload(113, &cooked), Payload::Ip(&IP, 16));
        let cooked2 = frame(&[&[0x86, 0xdd], &[0; 18], &[0x60, 0]]);
        assert_eq!(payload(276, &cooked2), Payload::Ip(&[0x60, 0], 20));
        assert_eq!(payload(276, &cooked2[..19]), Payload::Cut);
        for link in [12, 14, 101, 228, 229] {
            assert_eq!(payload(link, &IP), Payload::Ip(&IP, 0), "{link}");
        }
        assert_eq!(payload(127, &IP), Payload::Unsupported);
        assert_eq!(name(127), "IEEE802_11_RADIOTAP");
        assert_eq!(name(9999), "");
    }
}
