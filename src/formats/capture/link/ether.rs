//! Ethernet and everything that an EtherType announces: tags, labels, service headers, LLC.

use super::{Payload, Walk};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Above it the field behind the addresses is a type, up to it the length of an IEEE 802.3 frame.
const MAX_LENGTH: u16 = 1500;

/// Whether an Ethernet frame begins at `at`, by what its type field announces: for places where a frame is one guess
/// of several. A frame cut behind its type counts.
pub(in super::super) fn is_frame(data: &[u8], at: usize) -> bool {
    let walk = Walk { frame: data, through: super::Through::default(), steps: 0 };
    let Some(mut ether_type) = walk.be16(at + 12) else { return false };
    let mut at = at + 14;
    // Stacked tags: the type behind them decides.
    for _ in 0..4 {
        if !matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) {
            break;
        }
        let Some(next) = walk.be16(at + 2) else { return true };
        (ether_type, at) = (next, at + 4);
    }
    match ether_type {
        IPV4 => walk.byte(at).is_none_or(|first| (0x45..=0x4f).contains(&first)),
        IPV6 => walk.byte(at).is_none_or(|first| first >> 4 == 6),
        // ARP: hardware type Ethernet, protocol type IPv4.
        0x0806 | 0x8035 => walk.be32(at).is_none_or(|types| types == 0x0001_0800),
        // Loopback, MPLS, PPPoE, 802.1X, AoE, LLDP, MACsec, PTP, CFM, HSR, NSH, Wake-on-LAN.
        0x9000 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x888e | 0x88a2 | 0x88cc | 0x88e5 | 0x88e7 | 0x88f7 | 0x8902
        | 0x892f | 0x894f | 0x0842 => true,
        3..=MAX_LENGTH => {
            let rest = walk.rest(at);
            let is_llc = matches!(
                rest,
                [0xaa, 0xaa, 3, ..]
                    | [0x42, 0x42, 3, ..]
                    | [0xfe, 0xfe, 3, ..]
                    | [0xe0, 0xe0, 3, ..]
                    | [0xf0, 0xf0, ..]
            );
            is_llc && usize::from(ether_type) <= rest.len().max(3)
        }
        _ => false,
    }
}

impl<'a> Walk<'a> {
    pub(super) fn ethernet(&mut self, at: usize) -> Payload<'a> {
        self.ether_type_at(at + 12)
    }

    pub(super) fn ether_type_at(&mut self, at: usize) -> Payload<'a> {
        match self.be16(at) {
            Some(ether_type) => self.ether_type(ether_type, at + 2),
            None => Payload::Cut,
        }
    }

    /// What an EtherType announces from `at` on.
    pub(super) fn ether_type(&mut self, ether_type: u16, at: usize) -> Payload<'a> {
        let (mut ether_type, mut at) = (ether_type, at);
        loop {
            let next = match ether_type {
                IPV4 | IPV6 => return self.stated_ip(at),
                // IEEE 802.1Q, 802.1ad and the older 0x9100: two bytes of tag, then the next type.
                0x8100 | 0x88a8 | 0x9100 => at + 2,
                // VN-Tag of Cisco: four bytes.
                0x8926 => at + 4,
                // IEEE 802.1BR E-TAG: six bytes of tag.
                0x893f => at + 6,
                0x8847 | 0x8848 => return self.mpls(at),
                0x8864 => return self.pppoe(at),
                0x894f => return self.nsh(at),
                // PPP as such, in GRE.
                0x880b => return self.ppp(at),
                // Frames in frames: transparent bridging, provider backbone bridging (four bytes of I-TAG), FabricPath
                // (two bytes of tag).
                0x6558 => at + 12,
                0x88e7 => at + 16,
                0x8903 => at + 14,
                // TRILL (RFC 6325): version to nicknames, options in units of four, then a frame.
                0x22f3 => match self.be16(at) {
                    Some(first) => at + 6 + usize::from((first >> 6) & 0x1f) * 4 + 12,
                    None => return Payload::Cut,
                },
                0x88e5 => return Payload::Protected,
                0..=MAX_LENGTH => return self.llc(at),
                _ => return Payload::Other,
            };
            if !self.step() {
                return Payload::Other;
            }
            match self.be16(next) {
                Some(announced) => (ether_type, at) = (announced, next + 2),
                None => return Payload::Cut,
            }
        }
    }

    /// MPLS (RFC 3032): labels to the bottom of the stack, then IP told by its version, or the frame of a pseudowire
    /// (RFC 4448), with or without its control word.
    pub(super) fn mpls(&mut self, at: usize) -> Payload<'a> {
        let mut at = at;
        loop {
            let Some(label) = self.be32(at) else { return Payload::Cut };
            self.through.mpls = true;
            if !self.step() {
                return Payload::Other;
            }
            at += 4;
            if label & 0x100 != 0 {
                break;
            }
        }
        match self.byte(at).map(|first| first >> 4) {
            None => Payload::Cut,
            Some(4 | 6) if self.has_ip_length(at) => self.ip(at),
            Some(0) if is_frame(self.frame, at + 4) => self.ethernet(at + 4),
            Some(_) if is_frame(self.frame, at) => self.ethernet(at),
            Some(_) => self.ip(at),
        }
    }

    /// Whether an IP packet at `at` fits in the frame by its own length: addresses of adapters may begin with 4 or 6.
    fn has_ip_length(&self, at: usize) -> bool {
        let there = self.rest(at).len();
        match self.byte(at) {
            Some(0x45..=0x4f) => self.be16(at + 2).is_some_and(|total| (20..=there).contains(&usize::from(total))),
            Some(0x60..=0x6f) => self.be16(at + 4).is_some_and(|length| usize::from(length) + 40 <= there),
            _ => false,
        }
    }

    /// The network service header (RFC 8300): base and path header, metadata, then what its next protocol says.
    pub(super) fn nsh(&mut self, at: usize) -> Payload<'a> {
        let Some(word) = self.be32(at) else { return Payload::Cut };
        // Version 0, length in words of four bytes, the first two of them being fixed.
        let length = ((word >> 16) & 0x3f) as usize * 4;
        if word >> 30 != 0 || length < 8 || !self.step() {
            return Payload::Other;
        }
        self.through.nsh = true;
        match word & 0xff {
            1 | 2 => self.ip(at + length),
            3 => self.ethernet(at + length),
            4 => self.nsh(at + length),
            5 => self.mpls(at + length),
            _ => Payload::Other,
        }
    }

    /// PPPoE session (RFC 2516): six bytes of header, then PPP.
    pub(super) fn pppoe(&mut self, at: usize) -> Payload<'a> {
        self.ppp_protocol(at + 6)
    }

    /// IEEE 802.2: SNAP (RFC 1042, RFC 2684) names a type again, the others carry no IP worth the name.
    pub(super) fn llc(&mut self, at: usize) -> Payload<'a> {
        if !self.step() {
            return Payload::Other;
        }
        match self.rest(at) {
            // Bridged frames: with FCS, without, each behind two bytes of padding on ATM and none on frame relay.
            [0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 1 | 7, rest @ ..] => {
                self.ethernet(if rest.starts_with(&[0, 0]) && is_frame(rest, 2) { at + 10 } else { at + 8 })
            }
            [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, high, low, ..] => match u16::from_be_bytes([*high, *low]) {
                next if next > MAX_LENGTH => self.ether_type(next, at + 8),
                _ => Payload::Other,
            },
            // Network layer identifiers (RFC 2427): IPv4 and IPv6.
            [0xfe, 0xfe, 3, 0xcc | 0x8e, ..] => self.ip(at + 4),
            [6, 6, 3, ..] => self.ip(at + 3),
            [0xaa, 0xaa, 3, ..] => Payload::Other,
            rest if [0xaa, 0xaa, 3].starts_with(rest) => Payload::Cut,
            _ => Payload::Other,
        }
    }

    /// DLT_NULL has the address family in the byte order of the capturing machine, DLT_LOOP in network order.
    pub(super) fn loopback(&self, at: usize) -> Payload<'a> {
        let Some(family) = self.le32(at) else { return Payload::Cut };
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        match family {
            // AF_INET; AF_INET6 of Linux, NetBSD/OpenBSD/Windows, FreeBSD and macOS.
            2 | 10 | 23 | 24 | 28 | 30 => self.ip(at + 4),
            _ => Payload::Other,
        }
    }
}
