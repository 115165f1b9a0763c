//! Packets that no client sends and tools that fingerprint hosts do: one account for each pair of hosts, reported at
//! the end of the file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::packets::{Output, Stamp};
use super::transport::{ACK, FIN, RST, SYN, Transport};
use crate::evidence::AnomalyKind;
use crate::model::{Detail, Flow, Observation, Oddity, Probe};

/// Bound on the pairs kept: a scan of a network of this size is told of by its conversations.
const MAX_PAIRS: usize = 65_536;

const PUSH: u8 = 8;
const URGENT: u8 = 32;

/// What is odd about a packet, by a few compares.
pub(super) fn of(transport: &Transport<'_>) -> Option<Oddity> {
    match transport {
        Transport::Tcp(segment) => match segment.flags & 0x3f {
            0 => Some(Oddity::NoFlags),
            flags if flags & (SYN | FIN | RST) == SYN | FIN => Some(Oddity::SynFin),
            flags if flags & (SYN | FIN | RST | ACK | PUSH | URGENT) == FIN | PUSH | URGENT => Some(Oddity::Xmas),
            _ => None,
        },
        Transport::Udp(data) => (data.len() == 300 && data.iter().all(|byte| *byte == b'C')).then_some(Oddity::Filler),
        Transport::Icmp(icmp, ..) if !icmp.v6 => match (icmp.kind, icmp.code) {
            (8, 1..) => Some(Oddity::EchoCode),
            (13, _) => Some(Oddity::Timestamp),
            (15, _) => Some(Oddity::Information),
            (17, _) => Some(Oddity::AddressMask),
            _ => None,
        },
        Transport::Icmp(..) | Transport::Other => None,
    }
}

/// The pairs of hosts of a capture of which one sent the other oddities.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    seen: BTreeMap<(IpAddr, IpAddr), Seen>,
}

#[derive(Debug)]
struct Seen {
    first: Stamp,
    last: Stamp,
    /// With the first record of each.
    sent: BTreeMap<Oddity, (u64, u64)>,
}

impl Oddities {
    pub(super) fn saw(&mut self, what: Oddity, src: IpAddr, dst: IpAddr, stamp: Stamp, out: &mut Output<'_>) {
        if self.seen.len() >= MAX_PAIRS && !self.seen.contains_key(&(src, dst)) {
            let what =
                "more than 65536 pairs of hosts with fingerprinting packets, the rest counted as conversations alone";
            return out.tally.note(AnomalyKind::BoundReached, stamp.record, what);
        }
        let seen = self.seen.entry((src, dst)).or_insert(Seen { first: stamp, last: stamp, sent: BTreeMap::new() });
        if stamp.clock >= seen.last.clock {
            seen.last = stamp;
        }
        seen.sent.entry(what).or_insert((stamp.record, 0)).1 += 1;
    }

    /// Reports all of them.
    pub(super) fn finish(self, out: &mut Output<'_>) {
        for ((src, dst), seen) in self.seen {
            let probe = Probe {
                sent: seen.sent.iter().map(|(what, (_, packets))| (*what, *packets)).collect(),
                last: seen.last.span.map(|span| span.hi),
                proof: seen.sent.values().map(|(record, _)| *record).collect(),
            };
            let flow = Some(Flow { src: Some(src), dst: Some(dst), ..Flow::default() });
            let (record, span) = (seen.first.record, seen.first.span);
            out.sink.observation(&Observation { record, span, host: None, flow, detail: Detail::Probe(probe) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transport::parse;
    use super::*;

    fn tcp(flags: u8) -> Option<Oddity> {
        let mut header = [0; 20];
        (header[12], header[13]) = (0x50, flags);
        of(&parse(6, 20, &header).transport)
    }

    #[test]
    fn flags_of_nmap_and_of_connections() {
        assert_eq!(tcp(0), Some(Oddity::NoFlags));
        assert_eq!(tcp(SYN | FIN | PUSH | URGENT), Some(Oddity::SynFin));
        assert_eq!(tcp(FIN | PUSH | URGENT), Some(Oddity::Xmas));
        for flags in [SYN, SYN | ACK, ACK, FIN | ACK, FIN | PUSH | URGENT | ACK, RST, RST | ACK, PUSH | ACK, FIN] {
            assert_eq!(tcp(flags), None, "{flags:#x}");
        }
    }

    #[test]
    fn questions_about_the_host() {
        let icmp = |kind, code| of(&parse(1, 8, &[kind, code, 0, 0, 0, 0, 0, 0]).transport);
        assert_eq!(icmp(8, 123), Some(Oddity::EchoCode));
        assert_eq!(icmp(17, 0), Some(Oddity::AddressMask));
        assert_eq!((icmp(8, 0), icmp(0, 0), icmp(3, 3), icmp(14, 0)), (None, None, None, None));
        let datagram = [&[0; 8][..], &[b'C'; 300]].concat();
        assert_eq!(of(&parse(17, 308, &datagram).transport), Some(Oddity::Filler));
        assert_eq!(of(&parse(17, 307, &datagram[..307]).transport), None);
    }
}
