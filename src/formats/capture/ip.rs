//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, read from what a snap length has left of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::be16;

/// An IP packet as far as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpPacket<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// Protocol of `data`, after extension headers.
    pub(super) protocol: u8,
    /// Bytes behind the fixed header (IPv4: with its options) as the header states them; extension headers count.
    pub(super) carried: u32,
    /// Bytes behind the extension headers as the headers state them.
    pub(super) length: u32,
    /// What was captured of those `length` bytes, without the padding of the link.
    pub(super) data: &'a [u8],
    pub(super) fragment: Option<Fragment>,
    /// An authentication header was stepped over.
    pub(super) authenticated: bool,
}

/// Place of a fragment in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: u32,
    /// Others follow.
    pub(super) more: bool,
}

/// Why a packet was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The capture holds less than the addresses.
    Cut,
    Malformed(&'static str),
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
const MAX_EXTENSIONS: usize = 16;

/// Reads the header of a packet of which `on_wire` bytes were sent and `bytes` captured.
pub(super) fn parse(bytes: &[u8], on_wire: u32) -> Result<IpPacket<'_>, Fault> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => parse_v4(bytes, on_wire),
        Some(6) => parse_v6(bytes, on_wire),
        Some(_) => Err(Fault::Malformed("an IP packet of neither version 4 nor 6")),
        None => Err(Fault::Cut),
    }
}

fn parse_v4(bytes: &[u8], on_wire: u32) -> Result<IpPacket<'_>, Fault> {
    let header = bytes.first_chunk::<20>().ok_or(Fault::Cut)?;
    let header_length = u32::from(header[0] & 15) * 4;
    if header_length < 20 {
        return Err(Fault::Malformed("an IPv4 header shorter than 20 bytes"));
    }
    let total = match u32::from(u16::from_be_bytes([header[2], header[3]])) {
        // Segmentation offload leaves 0 in packets that a host captures of itself.
        0 => on_wire,
        total => total,
    };
    let Some(carried) = total.checked_sub(header_length) else {
        return Err(Fault::Malformed("an IPv4 total length shorter than its header"));
    };
    let data = within(bytes, header_length, carried);
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = (u32::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    let fragment = (offset > 0 || more).then_some(Fragment {
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        offset,
        more,
    });
    let route = bytes.get(20..header_length as usize).and_then(end_of_route);
    let packet = IpPacket {
        src: IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15])),
        dst: route.unwrap_or(IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]))),
        protocol: header[9],
        carried,
        length: carried,
        data,
        fragment,
        authenticated: false,
    };
    // An authentication header (RFC 4302) leaves what follows in the clear.
    Ok(if packet.protocol == AUTHENTICATION && fragment.is_none() { extensions(packet) } else { packet })
}

fn parse_v6(bytes: &[u8], on_wire: u32) -> Result<IpPacket<'_>, Fault> {
    let header = bytes.first_chunk::<40>().ok_or(Fault::Cut)?;
    let carried = match u32::from(u16::from_be_bytes([header[4], header[5]])) {
        // Jumbograms (RFC 2675) and segmentation offload.
        0 => on_wire.saturating_sub(40),
        length => length,
    };
    let address = |at: usize| {
        let octets = header.get(at..).and_then(|rest| rest.first_chunk::<16>()).copied().unwrap_or_default();
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    Ok(extensions(IpPacket {
        src: address(8),
        dst: address(24),
        protocol: header[6],
        carried,
        length: carried,
        data: within(bytes, 40, carried),
        fragment: None,
        authenticated: false,
    }))
}

fn within(bytes: &[u8], from: u32, length: u32) -> &[u8] {
    let rest = bytes.get(from as usize..).unwrap_or_default();
    rest.get(..length as usize).unwrap_or(rest)
}

/// Steps over extension headers, up to the first that is not one, is cut, or begins a later fragment.
fn extensions(packet: IpPacket<'_>) -> IpPacket<'_> {
    let mut packet = packet;
    for _ in 0..MAX_EXTENSIONS {
        let Some(&[next, length]) = packet.data.first_chunk::<2>() else { break };
        let header = match packet.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HOST_IDENTITY | SHIM6 => (usize::from(length) + 1) * 8,
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            FRAGMENT => 8,
            _ => break,
        };
        let Some((own, rest)) = packet.data.split_at_checked(header) else { break };
        match packet.protocol {
            ROUTING => packet.dst = final_destination(own).unwrap_or(packet.dst),
            DESTINATION => packet.src = home_address(own).unwrap_or(packet.src),
            _ => {}
        }
        if packet.protocol == FRAGMENT {
            let place = be16(packet.data, 2).unwrap_or_default();
            let id = packet.data.get(4..).and_then(|id| id.first_chunk::<4>()).copied().unwrap_or_default();
            let (offset, more) = (u32::from(place & 0xfff8), place & 1 == 1);
            // An "atomic" fragment (RFC 6946) is the whole datagram.
            if offset > 0 || more {
                packet.fragment = Some(Fragment { id: u32::from_be_bytes(id), offset, more });
            }
        }
        packet.length = packet.length.saturating_sub(u32::try_from(header).unwrap_or(u32::MAX));
        packet.authenticated |= packet.protocol == AUTHENTICATION;
        packet.data = rest;
        packet.protocol = next;
        if packet.fragment.is_some() {
            break;
        }
    }
    packet
}

fn address_v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    bytes.get(at..)?.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)))
}

/// Whom a routing header leads to while segments are left: the conversation is with that address, which checksums
/// count as well (RFC 8200 section 8.1). Types 0 and 2 list the way in order (RFC 5095, RFC 6275), type 4 from its end
/// (RFC 8754).
fn final_destination(header: &[u8]) -> Option<IpAddr> {
    let &[_, _, kind, left] = header.first_chunk::<4>()?;
    match kind {
        _ if left == 0 => None,
        0 | 2 => address_v6(header, (header.len().checked_sub(8)? / 16).checked_sub(1)? * 16 + 8),
        4 => address_v6(header, 8),
        _ => None,
    }
}

/// The home address option of a mobile node (RFC 6275 section 6.3): its source for the layers above.
fn home_address(header: &[u8]) -> Option<IpAddr> {
    let mut rest = header.get(2..)?;
    while let [kind, after @ ..] = rest {
        if *kind == 0 {
            // One byte of padding has no length.
            rest = after;
            continue;
        }
        let (length, value) = after.split_first()?;
        if *kind == 0xc9 && *length == 16 {
            return address_v6(value, 0);
        }
        rest = value.get(usize::from(*length)..)?;
    }
    None
}

/// Whom a source route leads to while addresses of it are left (RFC 791 section 3.1: loose is 131, strict 137).
fn end_of_route(options: &[u8]) -> Option<IpAddr> {
    let mut rest = options;
    while let [kind, after @ ..] = rest {
        match kind {
            0 => return None,
            1 => rest = after,
            _ => {
                let length = usize::from(*after.first()?);
                let option = rest.get(..length).filter(|option| option.len() >= 2)?;
                if let [131 | 137, _, pointer, route @ ..] = option
                    && usize::from(*pointer) <= length
                {
                    let last = route.len().checked_sub(4)?;
                    return route.get(last..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
                }
                rest = rest.get(length..)?;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_lead_to_their_end_and_a_home_address_is_the_source() {
        let far: IpAddr = "2001:db8::9".parse().expect("an address");
        let on_the_way = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let end = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        let udp = [0, 53, 0, 53, 0, 8, 0, 0];
        // Next header UDP, length 4 units beyond the first, type, segments left, reserved, two addresses.
        for (kind, first, second) in [(0, on_the_way, end), (4, end, on_the_way)] {
            for (left, expected) in [(2, Some(far)), (0, None)] {
                let header = [&[17, 4, kind, left, 0, 0, 0, 0][..], &first, &second, &udp].concat();
                let bytes = v6(43, &header);
                let packet = parse(&bytes, bytes.len() as u32).expect("a packet");
                let stated: IpAddr = "2001:db8::2".parse().expect("an address");
                assert_eq!((packet.dst, packet.protocol), (expected.unwrap_or(stated), 17), "type {kind}");
            }
        }
        // Four bytes of padding (type 1, length 2), then the option.
        let options = [&[17, 2, 1, 2, 0, 0, 0xc9, 16][..], &end, &udp].concat();
        let bytes = v6(60, &options);
        assert_eq!(parse(&bytes, bytes.len() as u32).map(|packet| packet.src), Ok(far));
        // A loose route with a pointer to its first of two addresses; with the pointer behind them it is used up.
        for (pointer, expected) in [(4, [198, 51, 100, 7]), (12, [192, 0, 2, 7])] {
            let mut bytes = v4(32, 17, 0, &[131, 11, pointer, 10, 0, 0, 9, 198, 51, 100, 7, 0]);
            bytes[0] = 0x48;
            assert_eq!(parse(&bytes, 32).map(|packet| packet.dst), Ok(IpAddr::from(expected)));
        }
    }

    fn v4(total: u16, protocol: u8, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend([0x12, 0x34]);
        bytes.extend(flags.to_be_bytes());
        bytes.extend([64, protocol, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7]);
        bytes.extend(payload);
        bytes
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend([next, 64]);
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn version_4() {
        let bytes = v4(24, 6, 0x4000, &[1, 2, 3, 4, 0, 0]);
        let packet = parse(&bytes, 26).expect("a packet");
        assert_eq!((packet.src.to_string(), packet.dst.to_string()), ("10.0.0.1".into(), "192.0.2.7".into()));
        assert_eq!((packet.carried, packet.data, packet.fragment), (4, &[1, 2, 3, 4][..], None), "padding is left out");
        let fragment = parse(&v4(24, 17, 0x2000 | 185, &[0; 4]), 24).expect("a packet").fragment;
        assert_eq!(fragment, Some(Fragment { id: 0x1234, offset: 1480, more: true }));
        let offloaded = v4(0, 6, 0, &[0; 9]);
        assert_eq!(parse(&offloaded, 65_000).map(|packet| packet.carried), Ok(64_980));
        assert_eq!(
            parse(&v4(10, 6, 0, &[]), 20),
            Err(Fault::Malformed("an IPv4 total length shorter than its header"))
        );
        assert_eq!(parse(&bytes[..19], 26), Err(Fault::Cut));
        assert_eq!(parse(&[0x44; 20], 20), Err(Fault::Malformed("an IPv4 header shorter than 20 bytes")));
        assert_eq!(parse(&[0x50; 40], 40), Err(Fault::Malformed("an IP packet of neither version 4 nor 6")));
    }

    #[test]
    fn version_6_with_extensions() {
        // Hop-by-hop, routing, destination options, authentication (24 bytes), then UDP.
        let payload = [
            &[43, 0, 1, 4, 0, 0, 0, 0][..],
            &[60, 0, 0, 0, 0, 0, 0, 0],
            &[51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[9, 9, 9],
        ]
        .concat();
        let bytes = v6(0, &payload);
        let packet = parse(&bytes, bytes.len() as u32).expect("a packet");
        assert_eq!((packet.protocol, packet.carried, packet.length, packet.data), (17, 59, 3, &[9, 9, 9][..]));
        for cut in 40..bytes.len() {
            let packet = parse(&bytes[..cut], bytes.len() as u32).expect("addresses are there");
            assert_eq!(packet.carried, 59);
        }
    }

    #[test]
    fn version_6_fragments() {
        let bytes = v6(44, &[17, 0, 0, 0x09, 0, 0, 0, 7, 1, 2]);
        let packet = parse(&bytes, 50).expect("a packet");
        assert_eq!(packet.fragment, Some(Fragment { id: 7, offset: 8, more: true }));
        assert_eq!((packet.protocol, packet.length, packet.data), (17, 2, &[1, 2][..]));
        let atomic = v6(44, &[17, 0, 0, 0, 0, 0, 0, 7, 1, 2]);
        assert_eq!(parse(&atomic, 50).map(|packet| (packet.fragment, packet.protocol)), Ok((None, 17)));
    }
}
