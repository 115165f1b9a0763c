//! Lines between two ends: PPP, HDLC, frame relay, ATM, SLIP, cable.

use super::{Payload, Walk};

impl<'a> Walk<'a> {
    /// PPP (RFC 1661), with or without the address and control bytes of HDLC framing (RFC 1662). pppd and Linux write a
    /// direction in place of the address.
    pub(super) fn ppp(&mut self, at: usize) -> Payload<'a> {
        match self.rest(at) {
            [0xff, 3, ..] => self.ppp_protocol(at + 2),
            [0 | 1, 3 | 0xff, ..] => self.ppp_protocol(at + 2),
            // Cisco's framing on a line that was taken for PPP.
            [0x0f | 0x8f, 0, ..] => self.cisco_hdlc(at),
            [] => Payload::Cut,
            _ => self.ppp_protocol(at),
        }
    }

    /// The protocol field and what follows; its first byte may be left out when it is 0 (RFC 1661, section 6.5).
    pub(super) fn ppp_protocol(&mut self, at: usize) -> Payload<'a> {
        let Some(first) = self.byte(at) else { return Payload::Cut };
        let (protocol, at) = if first & 1 == 1 {
            (u16::from(first), at + 1)
        } else {
            match self.be16(at) {
                Some(protocol) => (protocol, at + 2),
                None => return Payload::Cut,
            }
        };
        if !self.step() {
            return Payload::Other;
        }
        match protocol {
            0x0021 | 0x0057 => self.ip(at),
            // Bridging (RFC 3518): flags and the type of the frame, 1 being Ethernet.
            0x0031 => match self.be16(at) {
                Some(kind) if kind & 0xff == 1 => self.ethernet(at + 2),
                Some(_) => Payload::Other,
                None => Payload::Cut,
            },
            // Multilink (RFC 1990): a fragment that is both the first and the last, with a long sequence number or a
            // short one.
            0x003d => match self.be16(at) {
                Some(flags) if flags & 0xff00 == 0xc000 => self.ppp_protocol(at + 4),
                Some(flags) if flags & 0xf000 == 0xc000 => self.ppp_protocol(at + 2),
                Some(_) => Payload::Other,
                None => Payload::Cut,
            },
            // Encrypted (RFC 1968, RFC 3078).
            0x0053 | 0x00fd => Payload::Protected,
            0x0281 | 0x0283 => self.mpls(at),
            _ => Payload::Other,
        }
    }

    /// Cisco HDLC: address, control, EtherType.
    pub(super) fn cisco_hdlc(&mut self, at: usize) -> Payload<'a> {
        match self.be16(at + 2) {
            // ISO protocols behind their own LLC.
            Some(0xfefe) => Payload::Other,
            Some(ether_type) => self.ether_type(ether_type, at + 4),
            None => Payload::Cut,
        }
    }

    /// Frame relay (Q.922, RFC 2427): an address of two to four bytes, then control and network layer identifier, or
    /// the EtherType of Cisco's framing.
    pub(super) fn frame_relay(&mut self, at: usize) -> Payload<'a> {
        let Some(length) = (1..4).find(|index| self.byte(at + index).is_some_and(|byte| byte & 1 == 1)) else {
            return if self.rest(at).len() < 4 { Payload::Cut } else { Payload::Other };
        };
        let at = at + length + 1;
        match self.rest(at) {
            [3, 0xcc | 0x8e, ..] => self.ip(at + 2),
            // One byte of padding may come before the identifier of SNAP and of PPP (RFC 1973).
            [3, 0, 0x80, ..] => self.frame_relay_snap(at + 3),
            [3, 0x80, ..] => self.frame_relay_snap(at + 2),
            [3, 0xcf, ..] => self.ppp_protocol(at + 2),
            [3, _, ..] => Payload::Other,
            [_, _, ..] => self.ether_type_at(at),
            _ => Payload::Cut,
        }
    }

    fn frame_relay_snap(&mut self, at: usize) -> Payload<'a> {
        match self.rest(at) {
            [0, 0, 0, ..] => self.ether_type_at(at + 3),
            [0, 0x80, 0xc2, 0, 1 | 7, ..] => self.ethernet(at + 5),
            rest if rest.len() < 5 => Payload::Cut,
            _ => Payload::Other,
        }
    }

    /// ATM AAL5 (RFC 2684): LLC, or a routed protocol alone.
    pub(super) fn atm(&mut self, at: usize) -> Payload<'a> {
        match self.rest(at) {
            [0xaa, 0xaa, 3, ..] | [0xfe, 0xfe, 3, ..] => self.llc(at),
            // PPP over AAL5 (RFC 2364), and IP alone on its circuit.
            [0xff, 3, ..] => self.ppp(at),
            [0x45..=0x4f | 0x60..=0x6f, ..] => self.ip(at),
            [] => Payload::Cut,
            _ => Payload::Other,
        }
    }

    /// Classical IP over ATM on Linux: LLC, or IP alone.
    pub(super) fn llc_or_ip(&mut self, at: usize) -> Payload<'a> {
        if self.rest(at).starts_with(&[0xaa, 0xaa, 3]) { self.llc(at) } else { self.ip(at) }
    }

    /// SunATM: direction and traffic type, circuit, then the packet.
    pub(super) fn sun_atm(&mut self, at: usize) -> Payload<'a> {
        match self.byte(at).map(|flags| flags & 15) {
            // LAN emulation has a header of two bytes before its Ethernet frame.
            Some(1) => self.ethernet(at + 6),
            Some(2) => self.atm(at + 4),
            Some(_) => Payload::Other,
            None => Payload::Cut,
        }
    }

    /// SLIP as libpcap writes it: direction, 15 bytes of what Van Jacobson's compression had, the packet. Compressed
    /// headers are not rebuilt.
    pub(super) fn slip(&mut self, at: usize) -> Payload<'a> {
        match self.byte(at + 1).map(|kind| kind & 0xf0) {
            Some(0x70 | 0x80..) => Payload::Other,
            Some(_) => self.ip(at + 16),
            None => Payload::Cut,
        }
    }

    /// DOCSIS: frame control, parameter, length, extended header, checksum; then Ethernet if it is a packet.
    pub(super) fn docsis(&mut self, at: usize) -> Payload<'a> {
        let (Some(control), Some(parameter)) = (self.byte(at), self.byte(at + 1)) else { return Payload::Cut };
        let extended = if control & 1 == 1 { usize::from(parameter) } else { 0 };
        if control & 0xfe == 0 { self.ethernet(at + 6 + extended) } else { Payload::Other }
    }

    /// Endace ERF: time, type, flags, lengths, extension headers; then the frame.
    pub(super) fn erf(&mut self, at: usize) -> Payload<'a> {
        let Some(kind) = self.byte(at + 8) else { return Payload::Cut };
        let mut frame = at + 16;
        let mut more = kind & 0x80 != 0;
        while more {
            match self.byte(frame) {
                Some(extension) if self.step() => more = extension & 0x80 != 0,
                Some(_) => return Payload::Other,
                None => return Payload::Cut,
            }
            frame += 8;
        }
        match kind & 0x7f {
            1 | 12 | 15 => self.ppp(frame),
            // Ethernet behind an offset and a byte of padding.
            2 | 11 | 16 | 19 | 20 => self.ethernet(frame + 2),
            22 | 23 => self.ip(frame),
            _ => Payload::Other,
        }
    }
}
