//! Frames of Juniper's routers: a magic number, flags, extensions, and a cookie that depends on the interface card
//! (tcpdump.org, LINKTYPE_JUNIPER_*; print-juniper.c of tcpdump describes them).

use super::{Payload, Walk, is_frame};

const MAGIC: u32 = 0x004d_4743;

impl<'a> Walk<'a> {
    pub(super) fn juniper(&mut self, link: u32, at: usize) -> Payload<'a> {
        let Some(first) = self.be32(at) else { return Payload::Cut };
        if first >> 8 != MAGIC {
            return Payload::Other;
        }
        let flags = first & 0xff;
        let mut at = at + 4;
        if flags & 0x80 != 0 {
            let Some(extensions) = self.be16(at) else { return Payload::Cut };
            at += 2 + usize::from(extensions);
        }
        // Without a link layer: the address family in the router's byte order, then the packet.
        if flags & 2 != 0 {
            return self.loopback(at);
        }
        match link {
            178 | 167 => self.ethernet(at),
            179 => self.ppp(at),
            180 => self.frame_relay(at),
            181 => self.cisco_hdlc(at),
            // ATM1 has a cookie of four bytes, ATM2 of eight.
            137 => self.behind_cookie(at, &[4]),
            135 | 168 => self.behind_cookie(at, &[8, 4]),
            _ => self.behind_cookie(at, &[4, 8, 6, 2, 0, 12, 16]),
        }
    }

    /// What follows a cookie of one of these lengths, told by its own beginning.
    fn behind_cookie(&mut self, at: usize, cookies: &[usize]) -> Payload<'a> {
        for cookie in cookies {
            let begin = at + cookie;
            match self.rest(begin) {
                [0xaa, 0xaa, 3, ..] | [0xfe, 0xfe, 3, ..] => return self.llc(begin),
                [0xff, 3, 0, 0x21 | 0x57, ..] => return self.ppp(begin),
                [3, 0xcc | 0x8e, ..] => return self.ip(begin + 2),
                [0, 0x21 | 0x57, 0x45..=0x4f | 0x60..=0x6f, ..] => return self.ppp_protocol(begin),
                [0x45..=0x4f | 0x60..=0x6f, ..] => return self.ip(begin),
                [] => return Payload::Cut,
                _ if is_frame(self.frame, begin) => return self.ethernet(begin),
                _ => {}
            }
        }
        Payload::Other
    }
}
