//! TCP, UDP and ICMP headers, as far as they were captured.

/// What stands behind an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport<'a> {
    Tcp(Segment<'a>),
    Udp(&'a [u8]),
    /// Type and code; the second word (of an echo its identifier and sequence number); what follows: of an error the
    /// packet that it quotes.
    Icmp(IcmpType, u32, &'a [u8]),
    Other,
}

/// A TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    /// Payload bytes by the IP header.
    pub(super) length: u32,
    /// The captured part of them.
    pub(super) data: &'a [u8],
}

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// An ICMP or ICMPv6 type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IcmpType {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) v6: bool,
}

impl IcmpType {
    /// An answer: its sender did not open the exchange.
    pub(super) fn is_reply(self) -> bool {
        match self.v6 {
            false => matches!(self.kind, 0 | 9 | 14 | 16 | 18),
            true => matches!(self.kind, 129 | 134 | 136),
        }
    }

    /// An echo request or reply.
    pub(super) fn is_echo(self) -> bool {
        matches!((self.v6, self.kind), (false, 0 | 8) | (true, 128 | 129))
    }

    /// The quoted packet did not reach a listener.
    pub(super) fn is_unreachable(self) -> bool {
        self.kind == if self.v6 { 1 } else { 3 }
    }

    /// The usual name of the type, with the code where it tells more (IANA icmp-parameters, icmpv6-parameters).
    pub(super) fn name(self) -> &'static str {
        match (self.v6, self.kind, self.code) {
            (false, 0, _) | (true, 129, _) => "echo-reply",
            (false, 8, _) | (true, 128, _) => "echo-request",
            (false, 3, 0) | (true, 1, 0) => "unreachable-net",
            (false, 3, 1) | (true, 1, 3) => "unreachable-host",
            (false, 3, 3) | (true, 1, 4) => "unreachable-port",
            (false, 3, 9 | 10 | 13) | (true, 1, 1) => "unreachable-prohibited",
            (false, 3, _) | (true, 1, _) => "unreachable",
            (false, 5, _) | (true, 137, _) => "redirect",
            (false, 11, _) | (true, 3, _) => "time-exceeded",
            (true, 2, _) => "packet-too-big",
            (false, 12, _) | (true, 4, _) => "parameter-problem",
            (false, 9, _) | (true, 134, _) => "router-advertisement",
            (false, 10, _) | (true, 133, _) => "router-solicitation",
            (true, 135, _) => "neighbor-solicitation",
            (true, 136, _) => "neighbor-advertisement",
            (false, 13, _) => "timestamp-request",
            (false, 14, _) => "timestamp-reply",
            _ => "other",
        }
    }
}

/// Ports and content. Ports are `None` for protocols without them and where the capture cut them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) ports: Option<(u16, u16)>,
    pub(super) transport: Transport<'a>,
    /// What its header says that cannot be.
    pub(super) flaw: Option<&'static str>,
}

const WRONG_TCP_HEADER: &str =
    "a TCP header of less than 20 bytes or longer than its segment (RFC 9293, 3.1), counted without content";
const WRONG_UDP_LENGTH: &str =
    "a UDP length of less than 8 or beyond its packet (RFC 768), read to the end of the packet";

/// Reads the transport header of `length` bytes, of which `data` was captured.
pub(super) fn parse(protocol: u8, length: u32, data: &[u8]) -> Parsed<'_> {
    let (transport, flaw) = match protocol {
        6 => tcp(length, data).map_or((Transport::Other, None), |(segment, flaw)| (Transport::Tcp(segment), flaw)),
        17 => udp(length, data).map_or((Transport::Other, None), |(content, flaw)| (Transport::Udp(content), flaw)),
        1 | 58 => (icmp(protocol == 58, data), None),
        _ => (Transport::Other, None),
    };
    // SCTP, DCCP and UDP-Lite begin with the same two ports.
    let ports = matches!(protocol, 6 | 17 | 33 | 132 | 136).then(|| ports(data)).flatten();
    Parsed { ports, transport, flaw }
}

fn icmp(v6: bool, data: &[u8]) -> Transport<'_> {
    let Some(&[kind, code]) = data.first_chunk::<2>() else { return Transport::Other };
    let word = data.get(4..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |word| u32::from_be_bytes(*word));
    Transport::Icmp(IcmpType { kind, code, v6 }, word, data.get(8..).unwrap_or_default())
}

pub(super) fn ports(data: &[u8]) -> Option<(u16, u16)> {
    data.first_chunk::<4>().map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

fn tcp(length: u32, data: &[u8]) -> Option<(Segment<'_>, Option<&'static str>)> {
    let header = data.first_chunk::<14>()?;
    let word =
        |at: usize| data.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|word| u32::from_be_bytes(*word));
    // A data offset that is too small or points beyond the segment leaves flags without payload.
    let header_length = u32::from(header[12] >> 4) * 4;
    let (header_length, sane) = (header_length.max(20), header_length >= 20 && header_length <= length);
    let payload = if sane { length - header_length } else { 0 };
    let captured = data.get(header_length as usize..).unwrap_or_default();
    let segment = Segment {
        flags: header[13],
        sequence: word(4)?,
        acknowledged: word(8)?,
        length: payload,
        data: captured.get(..payload as usize).unwrap_or(captured),
    };
    Some((segment, (!sane).then_some(WRONG_TCP_HEADER)))
}

fn udp(length: u32, data: &[u8]) -> Option<(&[u8], Option<&'static str>)> {
    let header = data.first_chunk::<8>()?;
    let rest = data.get(8..)?;
    // 0 where segmentation offload or a jumbogram (RFC 2675) leaves the length to the IP header.
    let stated = u16::from_be_bytes([header[4], header[5]]);
    let sane = stated == 0 || (stated >= 8 && u32::from(stated) <= length);
    let content = usize::from(stated).checked_sub(8).and_then(|length| rest.get(..length)).unwrap_or(rest);
    Some((content, (!sane).then_some(WRONG_UDP_LENGTH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_cut_anywhere() {
        let mut whole = vec![0xc3, 0x50, 0, 22, 0, 0, 0, 5, 0, 0, 0, 9, 0x60, SYN | ACK, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        whole.extend(b"abc");
        for cut in 0..=whole.len() {
            let parsed = parse(6, 27, &whole[..cut]);
            assert_eq!(parsed.ports.is_some(), cut >= 4, "{cut}");
            match parsed.transport {
                Transport::Tcp(segment) => {
                    assert!(cut >= 14);
                    assert_eq!((segment.sequence, segment.acknowledged, segment.flags), (5, 9, SYN | ACK));
                    assert_eq!((segment.length, segment.data), (3, &b"abc"[..cut.saturating_sub(24)]));
                }
                other => assert!(cut < 14 && other == Transport::Other),
            }
        }
    }

    #[test]
    fn tcp_with_a_wrong_data_offset_has_no_payload() {
        let mut bytes = vec![0; 40];
        for offset in [0x10, 0xf0] {
            bytes[12] = offset;
            let parsed = parse(6, 40, &bytes);
            let Transport::Tcp(segment) = parsed.transport else { panic!("a segment") };
            assert_eq!((segment.length, parsed.flaw), (0, Some(WRONG_TCP_HEADER)));
        }
    }

    #[test]
    fn lengths_at_their_bounds_are_no_flaws() {
        let mut bytes = vec![0; 60];
        for (offset, length) in [(0x50, 20), (0x50, 21), (0xf0, 60)] {
            bytes[12] = offset;
            assert_eq!(parse(6, length, &bytes).flaw, None, "{offset:#x} of {length}");
        }
        let datagram = |stated| parse(17, 12, &[0, 53, 4, 0, 0, stated, 0, 0, 1, 2, 3, 4]).flaw;
        let flaws = [0, 1, 7, 8, 12, 13].map(datagram);
        let wrong = Some(WRONG_UDP_LENGTH);
        assert_eq!(flaws, [None, wrong, wrong, None, None, wrong], "0 is left to the IP header");
        // What the capture cut off was still there.
        assert_eq!(parse(17, 12, &[0, 53, 4, 0, 0, 12, 0, 0]).flaw, None);
    }

    #[test]
    fn udp_and_icmp() {
        assert_eq!(parse(17, 12, &[0, 53, 4, 0, 0, 10, 0, 0, 1, 2, 9, 9]).transport, Transport::Udp(&[1, 2]));
        assert_eq!(parse(17, 12, &[0, 53, 4, 0, 0, 0, 0, 0, 1, 2]).transport, Transport::Udp(&[1, 2]));
        let Transport::Icmp(icmp, _, quoted) = parse(1, 9, &[3, 3, 0, 0, 0, 0, 0, 0, 0x45]).transport else {
            panic!("an ICMP message")
        };
        assert_eq!((icmp.name(), icmp.is_unreachable(), quoted), ("unreachable-port", true, &[0x45][..]));
    }
}
