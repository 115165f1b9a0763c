//! From the link layer to the network layer. Link types are the LINKTYPE_ registry of tcpdump.org.
//!
//! [`Walk`] steps over the headers of one frame; each family of links has its steps in a module of its own.

mod ether;
mod ieee80211;
mod juniper;
mod lan;
mod names;
#[cfg(test)]
mod tests;
pub(super) mod verdict;
mod wan;

use super::bytes::{be16, be32};
use crate::evidence::AnomalyKind;

pub(super) use ether::is_frame;
pub(super) use ieee80211::subframes;
pub(super) use names::name;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    /// An IPv4 or IPv6 packet with the number of bytes before it.
    Ip(&'a [u8], usize),
    /// Several frames in one (an 802.11 A-MSDU) for [`subframes`], with the number of bytes before it.
    Aggregate(&'a [u8], usize),
    /// Another protocol (ARP, spanning tree, ...): a record and no more.
    Other,
    /// Encrypted on the link itself (802.11 WEP to WPA3, MACsec).
    Protected,
    /// The frame was cut before its payload.
    Cut,
    /// A link type that is not read.
    Unsupported,
    /// What the frame should carry and does not, or what stands too far within it, in words.
    Unread(AnomalyKind, &'static str),
}

/// Carriers between link and network layer that a frame passed through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Through {
    /// MPLS labels (RFC 3032).
    pub(super) mpls: bool,
    /// A network service header (RFC 8300).
    pub(super) nsh: bool,
}

/// A frame with its link headers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    pub(super) payload: Payload<'a>,
    pub(super) through: Through,
}

impl Opened<'_> {
    /// Nothing that can be read further.
    pub(super) const CLOSED: Self = Opened { payload: Payload::Other, through: Through { mpls: false, nsh: false } };
}

/// Opens a frame of a capture's link type.
pub(super) fn open(link: u32, frame: &[u8]) -> Opened<'_> {
    open_with(frame, |walk| walk.link(link, 0))
}

/// Opens an Ethernet frame that begins at `at`.
pub(super) fn open_ethernet(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.ethernet(at))
}

/// Opens what an EtherType announces from `at` on.
pub(super) fn open_ether_type(ether_type: u16, data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.ether_type(ether_type, at))
}

/// Opens a PPP frame that begins at `at`.
pub(super) fn open_ppp(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.ppp(at))
}

/// Opens an 802.11 frame that begins at `at`.
pub(super) fn open_ieee80211(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.ieee80211(at, false))
}

/// The same, with the two bytes of its frame control field in the wrong order.
pub(super) fn open_swapped_ieee80211(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.swapped_ieee80211(at))
}

/// Opens an MPLS label stack that begins at `at`.
pub(super) fn open_mpls(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.mpls(at))
}

/// Opens a network service header that begins at `at`.
pub(super) fn open_nsh(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.nsh(at))
}

/// Takes what begins at `at` for an IP packet.
pub(super) fn open_ip(data: &[u8], at: usize) -> Opened<'_> {
    open_with(data, |walk| walk.ip(at))
}

fn open_with<'a>(frame: &'a [u8], step: impl FnOnce(&mut Walk<'a>) -> Payload<'a>) -> Opened<'a> {
    let mut walk = Walk { frame, through: Through::default(), steps: 0 };
    let payload = match step(&mut walk) {
        Payload::Other if walk.steps > MAX_STEPS => Payload::Unread(AnomalyKind::BoundReached, TOO_DEEP),
        payload => payload,
    };
    Opened { payload, through: walk.through }
}

/// A bound on stacked tags, labels and headers, far above what any network uses.
const MAX_STEPS: u32 = 24;
pub(super) const TOO_DEEP: &str = "more than 24 headers before the network header, the packet was not read";
pub(super) const NOT_IP: &str = "neither IPv4 nor IPv6 on a link that carries nothing else, the packet was not read";

/// A frame on the way from header to header.
struct Walk<'a> {
    frame: &'a [u8],
    through: Through,
    steps: u32,
}

impl<'a> Walk<'a> {
    /// Counts a header; false when there are too many to be believed.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MAX_STEPS
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.frame.get(at..).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.frame.get(at).copied()
    }

    fn be16(&self, at: usize) -> Option<u16> {
        be16(self.frame, at)
    }

    fn be32(&self, at: usize) -> Option<u32> {
        be32(self.frame, at)
    }

    fn le16(&self, at: usize) -> Option<u16> {
        self.be16(at).map(u16::swap_bytes)
    }

    fn le32(&self, at: usize) -> Option<u32> {
        self.be32(at).map(u32::swap_bytes)
    }

    /// IP told by its version.
    fn ip(&self, at: usize) -> Payload<'a> {
        let rest = self.rest(at);
        match rest.first().map(|first| first >> 4) {
            Some(4 | 6) => Payload::Ip(rest, at),
            Some(_) => Payload::Other,
            None => Payload::Cut,
        }
    }

    /// The same, where the link has nothing else.
    fn only_ip(&mut self, at: usize) -> Payload<'a> {
        match self.ip(at) {
            Payload::Other => Payload::Unread(AnomalyKind::MalformedRecord, NOT_IP),
            payload => payload,
        }
    }

    fn link(&mut self, link: u32, at: usize) -> Payload<'a> {
        if !self.step() {
            return Payload::Other;
        }
        match link {
            1 => self.ethernet(at),
            0 | 108 => self.loopback(at),
            6 => self.token_ring(at),
            7 => self.arcnet(at, 3),
            8 => self.slip(at),
            9 | 50 | 166 => self.ppp(at),
            10 => self.fddi(at),
            12 | 14 | 101 => self.only_ip(at),
            17 => self.ip(at + verdict::OLD_PFLOG_HEADER),
            51 => self.pppoe(at),
            100 => self.atm(at),
            104 => self.cisco_hdlc(at),
            105 => self.ieee80211(at, false),
            106 => self.llc_or_ip(at),
            107 => self.frame_relay(at),
            // OpenBSD's enc(4): address family, SPI and flags before the packet that IPsec carried.
            109 => self.ip(at + 12),
            113 => self.ether_type_at(at + 14),
            117 => match verdict::pflog_header(self.rest(at)) {
                Some(header) => self.ip(at + header),
                None => Payload::Cut,
            },
            119 | 163 => self.prism(at),
            122 => self.llc(at + 16),
            123 => self.sun_atm(at),
            127 => self.radiotap(at),
            129 => self.arcnet(at, 5),
            130..=137 | 164 | 167..=168 | 178..=181 | 183 | 194 | 200 | 238 => self.juniper(link, at),
            138 => self.ether_type_at(at + 16),
            143 => self.docsis(at),
            149 | 258 => self.pktap(link, at),
            192 => self.ppi(at),
            197 => self.erf(at),
            // One byte of direction before the frame.
            204 => self.ppp(at + 1),
            205 => self.cisco_hdlc(at + 1),
            206 => self.frame_relay(at + 1),
            219 => self.mpls(at),
            226 => self.ip(at + 24),
            228 | 229 => self.stated_ip(at),
            239 => match verdict::nflog_payload(self.rest(at)) {
                Some(before) => self.ip(at + before),
                None => Payload::Other,
            },
            240 => self.ethernet(at + 4),
            242 => self.ip_over_infiniband(at),
            247 => self.infiniband(at),
            274 => self.ethernet(at + 8),
            // Version 2 has the protocol first, then interface, ARP type, packet type and address: 20 bytes.
            276 => match self.be16(at) {
                Some(protocol) if self.frame.len() >= at + 20 => self.ether_type(protocol, at + 20),
                _ => Payload::Cut,
            },
            // Ethernet with the tag of a switch chip: Broadcom's behind and before the addresses, Marvell's DSA and EDSA.
            281 | 284 => self.ether_type_at(at + 16),
            282 => self.ethernet(at + 4),
            285 => self.ether_type_at(at + 20),
            _ => Payload::Unsupported,
        }
    }

    /// The file says that it is IP, whatever the first byte.
    fn stated_ip(&self, at: usize) -> Payload<'a> {
        match self.rest(at) {
            [] => Payload::Cut,
            rest => Payload::Ip(rest, at),
        }
    }
}
