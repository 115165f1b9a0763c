//! Local networks beside Ethernet, and interfaces of systems that put a header of their own before IP.

use super::{Payload, Walk};

impl<'a> Walk<'a> {
    /// IEEE 802.5: access and frame control, addresses, the route if the source's first bit says so, LLC.
    pub(super) fn token_ring(&mut self, at: usize) -> Payload<'a> {
        let (Some(control), Some(source)) = (self.byte(at + 1), self.byte(at + 8)) else { return Payload::Cut };
        if control & 0xc0 != 0x40 {
            return Payload::Other;
        }
        let route = if source & 0x80 == 0 {
            0
        } else {
            match self.byte(at + 14) {
                Some(first) => usize::from(first & 0x1f),
                None => return Payload::Cut,
            }
        };
        self.llc(at + 14 + route)
    }

    /// FDDI: frame control and addresses, then LLC in the asynchronous frames that carry it.
    pub(super) fn fddi(&mut self, at: usize) -> Payload<'a> {
        match self.byte(at) {
            Some(control) if control & 0xf0 == 0x50 => self.llc(at + 13),
            Some(_) => Payload::Other,
            None => Payload::Cut,
        }
    }

    /// ARCNET: addresses (and an offset on Linux: `header` bytes to behind the type), then IP by RFC 1051 or, behind
    /// flag and sequence number, by RFC 1201.
    pub(super) fn arcnet(&mut self, at: usize, header: usize) -> Payload<'a> {
        let Some(kind) = self.byte(at + header - 1) else { return Payload::Cut };
        let at = at + header;
        match kind {
            240 => self.ip(at),
            212 | 196 => match self.byte(at) {
                // A frame that only makes room for one of forbidden length: the real header follows.
                Some(0xff) => self.ip(at + 7),
                // Later pieces of a packet are numbered evenly.
                Some(flag) if flag != 0 && flag & 1 == 0 => Payload::Other,
                Some(_) => self.ip(at + 3),
                None => Payload::Cut,
            },
            _ => Payload::Other,
        }
    }

    /// IP over InfiniBand (RFC 4391) as captured on an interface: both link addresses, then EtherType and two bytes.
    pub(super) fn ip_over_infiniband(&mut self, at: usize) -> Payload<'a> {
        for header in [40, 20] {
            if let Some(ether_type @ (0x0800 | 0x86dd)) = self.be16(at + header) {
                return self.ether_type(ether_type, at + header + 4);
            }
        }
        if self.rest(at).len() < 44 { Payload::Cut } else { Payload::Other }
    }

    /// InfiniBand: local route header, global one if there is, transport headers; datagrams carry IP by RFC 4391.
    pub(super) fn infiniband(&mut self, at: usize) -> Payload<'a> {
        let transport = match self.byte(at + 1).map(|next| next & 3) {
            Some(2) => at + 8,
            Some(3) => at + 48,
            Some(_) => return Payload::Other,
            None => return Payload::Cut,
        };
        match self.byte(transport) {
            // "Unreliable datagram, send only": base and datagram headers, then EtherType and two bytes.
            Some(0x64) => match self.be16(transport + 20) {
                Some(ether_type @ (0x0800 | 0x86dd)) => self.ether_type(ether_type, transport + 24),
                Some(_) => Payload::Other,
                None => Payload::Cut,
            },
            Some(_) => Payload::Other,
            None => Payload::Cut,
        }
    }

    /// PKTAP of macOS: length of its header, type of record, link type of the frame. As a user-defined type it has to
    /// look like one.
    pub(super) fn pktap(&mut self, link: u32, at: usize) -> Payload<'a> {
        let (Some(length), Some(kind), Some(inner)) = (self.le32(at), self.le32(at + 4), self.le32(at + 8)) else {
            return if link == 258 { Payload::Cut } else { Payload::Unsupported };
        };
        if !(108..=1024).contains(&length) || kind > 1 {
            return if link == 258 { Payload::Other } else { Payload::Unsupported };
        }
        if kind == 0 { Payload::Other } else { self.link(inner, at + length as usize) }
    }
}
