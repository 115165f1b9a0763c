//! Carriers over UDP. A known port makes a header with a plausible inside enough; on other ports every byte has to fit.

use super::{Carried, be16, be32, gre, gtp, ike, is_flawless, is_open};
use crate::formats::capture::link::{self, Opened};

/// A datagram as it was captured and as its header states it.
#[derive(Clone, Copy)]
struct Datagram<'a> {
    bytes: &'a [u8],
    stated: usize,
}

/// Tells whether a datagram is the protocol's.
type Known = for<'a> fn(Datagram<'a>) -> Option<Carried<'a>>;

/// By service port (iana.org, service-names-port-numbers; 8472 is what Linux and OTV use).
fn by_port(port: u16) -> Option<Known> {
    Some(match port {
        500 => |datagram| ike::message(datagram.bytes, datagram.stated),
        646 => ldp,
        1701 => l2tp,
        2123 => |datagram| gtp::control(datagram.bytes, datagram.stated),
        2152 => |datagram| gtp::user(datagram.bytes, datagram.stated),
        3386 => |datagram| gtp::charging(datagram.bytes, datagram.stated),
        3544 => teredo,
        4341 => lisp_data,
        4342 => lisp_control,
        4500 => |datagram| ike::encapsulated(datagram.bytes, datagram.stated),
        4754 => gre_in_udp,
        4789 | 8472 => vxlan,
        4790 => vxlan_gpe,
        5072 => ayiya,
        5246 => capwap_control,
        5247 => capwap_data,
        6081 => geneve,
        6635 => mpls_in_udp,
        37008 => tzsp,
        _ => return None,
    })
}

/// What a datagram between these ports carries: `data` with its header, of which the IP header states `length` bytes,
/// and its payload.
pub(in super::super) fn carried_by_udp<'a>(
    ports: (u16, u16),
    data: &[u8],
    payload: &'a [u8],
    length: u32,
) -> Option<Carried<'a>> {
    let stated = match be16(data, 4)? {
        0 => length,
        stated => u32::from(stated),
    };
    let datagram = Datagram { bytes: payload, stated: (stated as usize).checked_sub(8)? };
    let (src, dst) = ports;
    // The service's side first: for most it is the destination.
    for port in [dst, src] {
        if let Some(found) = by_port(port).and_then(|known| known(datagram)) {
            return Some(Carried { port: Some(port), ..found });
        }
    }
    elsewhere(datagram)
}

/// On ports that say nothing.
fn elsewhere(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let Datagram { bytes, stated } = datagram;
    // Nothing cut short is flawless, and nothing shorter can hold a header and a packet.
    if bytes.len() != stated || stated < 28 {
        return None;
    }
    let first = *bytes.first()?;
    match first {
        0x30..=0x37 if bytes.get(1) == Some(&0xff) => {
            if let Some(found) = gtp::user_elsewhere(bytes, stated) {
                return Some(found);
            }
        }
        // VXLAN without any reserved bit set, around a frame that fits.
        0x08 if be32(bytes, 0) == Some(0x0800_0000) && bytes.get(7) == Some(&0) => {
            let opened = link::open_ethernet(bytes, 8);
            if is_flawless(&opened, ETHERNET_PADDING) {
                return Some(Carried::new("vxlan", opened));
            }
        }
        // Geneve with an Ethernet frame.
        0x00..=0x3f if be16(bytes, 2) == Some(0x6558) && bytes.get(1).is_some_and(|flags| flags & 0x3f == 0) => {
            let opened = link::open_ethernet(bytes, 8 + usize::from(first) * 4);
            if is_flawless(&opened, ETHERNET_PADDING) && has_options(bytes) {
                return Some(Carried::new("geneve", opened));
            }
        }
        // Teredo between two clients, or behind an indication of where the sender was seen.
        0x60 if is_teredo_address(bytes, 8) || is_teredo_address(bytes, 24) => {
            let opened = link::open_ip(bytes, 0);
            if is_flawless(&opened, 0) {
                return Some(Carried::new("teredo", opened));
            }
        }
        0x00 if bytes.get(1) == Some(&0) && bytes.get(8).is_some_and(|version| version >> 4 == 6) => {
            let opened = link::open_ip(bytes, 8);
            if is_flawless(&opened, 0) {
                return Some(Carried::new("teredo", opened));
            }
        }
        _ => {}
    }
    ike::elsewhere(bytes, stated)
}

/// What may follow the packet in a frame of the shortest length.
const ETHERNET_PADDING: usize = 26;

/// A frame, if it looks like one whatever its protocol.
fn frame(bytes: &[u8], at: usize) -> Option<Opened<'_>> {
    link::is_frame(bytes, at).then(|| link::open_ethernet(bytes, at))
}

/// RFC 7348. Senders need not clear the reserved bits, so that the frame has to make sense instead.
fn vxlan(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    (bytes.first()? & 0x08 != 0).then_some(())?;
    frame(bytes, 8).map(|opened| Carried::new("vxlan", opened)).or_else(|| vxlan_gpe(datagram))
}

/// draft-ietf-nvo3-vxlan-gpe: version 0, the P flag and what it announces.
fn vxlan_gpe(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let flags = *bytes.first()?;
    if flags & 0x30 != 0 || be16(bytes, 1)? != 0 {
        return None;
    }
    let opened = match (flags & 0x04 != 0, *bytes.get(3)?) {
        (true, 1 | 2) => link::open_ip(bytes, 8),
        (true, 4) => link::open_nsh(bytes, 8),
        (true, 5) => link::open_mpls(bytes, 8),
        (true, 3) | (false, 0) => frame(bytes, 8)?,
        _ => return None,
    };
    (is_open(&opened, datagram.stated) || link::is_frame(bytes, 8)).then(|| Carried::new("vxlan", opened))
}

/// RFC 8926: version 0, options in units of four bytes.
fn geneve(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let first = *bytes.first()?;
    if first & 0xc0 != 0 {
        return None;
    }
    let at = 8 + usize::from(first & 0x3f) * 4;
    let opened = match be16(bytes, 2)? {
        0x6558 => frame(bytes, at)?,
        other => link::open_ether_type(other, bytes, at),
    };
    // ARP without a frame around it.
    let is_arp = be16(bytes, 2)? == 0x0806 && be32(bytes, at)? == 0x0001_0800;
    let inside = is_open(&opened, datagram.stated) || is_arp || be16(bytes, 2)? == 0x6558;
    inside.then(|| Carried::new("geneve", opened))
}

/// Whether the options of a Geneve header fill it exactly.
fn has_options(bytes: &[u8]) -> bool {
    let end = 8 + bytes.first().map_or(0, |first| usize::from(first & 0x3f) * 4);
    let mut at = 8;
    while at < end {
        let Some(length) = bytes.get(at + 3) else { return false };
        at += 4 + usize::from(length & 0x1f) * 4;
    }
    at == end
}

/// Teredo's prefix, 2001:0::/32.
fn is_teredo_address(bytes: &[u8], at: usize) -> bool {
    be32(bytes, at) == Some(0x2001_0000)
}

/// RFC 4380: an authentication and an origin indication, each optional, before an IPv6 packet.
fn teredo(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let mut at = 0;
    if be16(bytes, at)? == 1 {
        // Lengths of client identifier and authentication value, then a nonce and a confirmation byte.
        at += 13 + usize::from(*bytes.get(at + 2)?) + usize::from(*bytes.get(at + 3)?);
    }
    if be16(bytes, at)? == 0 {
        at += 8;
    }
    let length = usize::from(be16(bytes, at + 4)?);
    let fits = bytes.get(at)? >> 4 == 6 && at + 40 + length <= datagram.stated;
    fits.then(|| Carried::new("teredo", link::open_ip(bytes, at)))
}

/// LISP's data plane (RFC 9300): eight bytes, then IP.
fn lisp_data(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let opened = link::open_ip(datagram.bytes, 8);
    is_open(&opened, datagram.stated).then(|| Carried::new("lisp", opened))
}

/// LISP's control plane (RFC 9301): the counts and lengths of its messages have to fit.
fn lisp_control(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    // Address families: none, IPv4, IPv6, LISP's own.
    let is_family = |at: usize| matches!(be16(bytes, at), Some(0 | 1 | 2 | 16_387));
    let fits = match bytes.first()? >> 4 {
        1 => is_family(12) && *bytes.get(3)? > 0,
        2 => *bytes.get(3)? > 0 && is_family(12 + 10),
        // Registrations and notices: key and the length of what authenticates them.
        3 | 4 => match (be16(bytes, 12)? & 0xff, be16(bytes, 14)?) {
            (0, 0) | (1, 20) | (2, 32) => true,
            (_, length) => length > 0 && length <= 64 && length % 4 == 0 && is_family(16 + usize::from(length) + 10),
        },
        // A message for another's control plane, in a packet of its own.
        8 => {
            let opened = link::open_ip(bytes, 4);
            let is_datagram = match bytes.get(4)? {
                0x45 => *bytes.get(13)? == 17 && usize::from(be16(bytes, 6)?) + 4 == datagram.stated,
                0x60 => *bytes.get(10)? == 17 && usize::from(be16(bytes, 8)?) + 44 == datagram.stated,
                _ => false,
            };
            return is_datagram.then(|| Carried::new("lisp", opened).noted("control"));
        }
        _ => false,
    };
    fits.then(|| Carried::closed("lisp").noted("control"))
}

/// RFC 8086.
fn gre_in_udp(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    gre::is_header(datagram.bytes).then_some(())?;
    gre::gre(datagram.bytes)
        .filter(|found| is_open(&found.opened, datagram.stated))
        .map(|found| found.noted("over UDP"))
}

/// RFC 7510.
fn mpls_in_udp(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    super::mpls_alone(datagram.bytes).filter(|found| is_open(&found.opened, datagram.stated))
}

/// AYIYA (draft-massar-v6ops-ayiya): identity and signature of stated sizes, then what the next header says.
fn ayiya(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let (sizes, signature, operation, next) = (*bytes.first()?, *bytes.get(1)?, bytes.get(2)? & 15, *bytes.get(3)?);
    let at = 8 + (1_usize << (sizes >> 4)) + usize::from(signature >> 4) * 4;
    match (operation, next) {
        (1, 4 | 41) => {
            let opened = link::open_ip(bytes, at);
            is_open(&opened, datagram.stated).then(|| Carried::new("ayiya", opened))
        }
        // A sign of life.
        (0, 59) if at == datagram.stated => Some(Carried::closed("ayiya")),
        _ => None,
    }
}

/// Label distribution (RFC 5036 section 3.1): version 1, a length from behind it on, six bytes of identifier, then a
/// message of a known type whose length fits. It carries nothing itself: a lead that labels do.
fn ldp(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let length = usize::from(be16(bytes, 2)?);
    let message = usize::from(be16(bytes, 12)?);
    let known = matches!(be16(bytes, 10)?, 0x0001 | 0x0100 | 0x0200 | 0x0201 | 0x0300 | 0x0301 | 0x0400..=0x0404);
    let fits =
        be16(bytes, 0)? == 1 && length + 4 == datagram.stated && (4..=length.saturating_sub(10)).contains(&message);
    let labels = || Carried::closed("mpls").noted("labels handed out by LDP");
    (known && fits).then(|| Carried { mark: crate::model::Mark::Shape, ..labels() })
}

/// L2TPv2 (RFC 2661) and v3 (RFC 3931) over UDP.
fn l2tp(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let bytes = datagram.bytes;
    let flags = be16(bytes, 0)?;
    let version = flags & 15;
    if !matches!(version, 2 | 3) || flags & 0x34f0 != 0 {
        return None;
    }
    let note = if version == 2 { "version 2" } else { "version 3" };
    if flags & CONTROL != 0 {
        // Length and sequence are always there, offset and priority never. Then either nothing or first the type of
        // message: an attribute of eight bytes, mandatory, vendor and number 0.
        let length = usize::from(be16(bytes, 2)?);
        let fits = flags & (LENGTH | SEQUENCE | OFFSET | 0x0100) == LENGTH | SEQUENCE
            && length <= datagram.stated
            && (length == 12 || (be32(bytes, 12)? & 0xbfff_ffff == 0x8008_0000 && be16(bytes, 16)? == 0));
        return fits.then(|| Carried::closed("l2tp").vpn().noted(note));
    }
    if version == 3 {
        // Flags, 16 reserved bits, session; then as over IP.
        (be16(bytes, 2)? == 0 && flags == 3 && be32(bytes, 4)? != 0).then_some(())?;
        return super::l2tp_v3(bytes.get(4..)?).filter(|found| is_open(&found.opened, datagram.stated));
    }
    let mut at = 6;
    if flags & LENGTH != 0 {
        at += 2;
        if usize::from(be16(bytes, 2)?) > datagram.stated {
            return None;
        }
    }
    if flags & SEQUENCE != 0 {
        at += 4;
    }
    if flags & OFFSET != 0 {
        at += 2 + usize::from(be16(bytes, at)?);
    }
    let opened = link::open_ppp(bytes, at);
    // Set-up of the line is not IP, but framed.
    let framed = bytes.get(at..).is_some_and(|rest| rest.starts_with(&[0xff, 3]));
    (is_open(&opened, datagram.stated) || framed).then(|| Carried::new("l2tp", opened).vpn().noted(note))
}

/// CAPWAP (RFC 5415): preamble 0 is in the clear, 1 is DTLS. Gives the length of the header in the clear.
fn capwap_header(bytes: &[u8]) -> Option<usize> {
    let word = be32(bytes, 0)?;
    let header = ((word >> 19) & 0x1f) as usize * 4;
    // Binding: 1 is IEEE 802.11, 3 EPCglobal, 0 and 2 reserved, which control messages have had too.
    let fits = word >> 24 == 0 && header >= 8 && (word >> 9) & 0x1f <= 3 && be16(bytes, 6)? & 7 == 0;
    fits.then_some(header)
}

/// A DTLS record behind the preamble: type, version.
fn is_capwap_dtls(bytes: &[u8]) -> bool {
    bytes.starts_with(&[1, 0, 0, 0])
        && matches!(bytes.get(4), Some(20..=25))
        && matches!(bytes.get(5..7), Some([0xfe, 0xfd | 0xff]))
}

fn capwap_control(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    if is_capwap_dtls(bytes) {
        return Some(Carried::closed("capwap").noted("control, encrypted"));
    }
    let at = capwap_header(bytes)?;
    // Type of message (vendor 0 and the RFC's, or 802.11's), number, length from behind it on, flags.
    let kind = be32(bytes, at)?;
    let length = usize::from(be16(bytes, at + 5)?);
    let known = matches!(kind, 1..=27) || kind >> 8 == 13_277;
    (known && at + 5 + length <= datagram.stated).then(|| Carried::closed("capwap").noted("control"))
}

fn capwap_data(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    if is_capwap_dtls(bytes) {
        return Some(Carried::closed("capwap").noted("data, encrypted"));
    }
    let at = capwap_header(bytes)?;
    let flags = be32(bytes, 0)?;
    let (native, fragment, keep_alive) = (flags & 0x100 != 0, flags & 0x80 != 0, flags & 0x08 != 0);
    if keep_alive {
        return Some(Carried::closed("capwap").noted("data"));
    }
    if fragment {
        // Pieces are not put together; the first shows what it is.
        return (be16(bytes, 6)? == 0).then(|| Carried::closed("capwap").noted("data in pieces"));
    }
    let opened = if native { native_frame(datagram, at)? } else { frame(bytes, at)? };
    Some(Carried::new("capwap", opened).noted("data"))
}

/// An 802.11 frame. Cisco's access points swap the two bytes of its frame control field.
fn native_frame(datagram: Datagram<'_>, at: usize) -> Option<Opened<'_>> {
    let bytes = datagram.bytes;
    let opened = link::open_ieee80211(bytes, at);
    if is_open(&opened, datagram.stated) {
        return Some(opened);
    }
    let (control, swapped) = (*bytes.get(at)?, *bytes.get(at + 1)?);
    if swapped & 0x0f == 0x08 {
        let opened = link::open_swapped_ieee80211(bytes, at);
        if is_open(&opened, datagram.stated) {
            return Some(opened);
        }
    }
    // Any other frame of version 0: management, or data that is protected.
    (control & 3 == 0 || swapped & 3 == 0).then_some(opened)
}

/// TaZmen Sniffer Protocol, as MikroTik and access points mirror frames: version 1, type, protocol, tagged fields.
fn tzsp(datagram: Datagram<'_>) -> Option<Carried<'_>> {
    let bytes = datagram.bytes;
    let (version, kind, protocol) = (*bytes.first()?, *bytes.get(1)?, be16(bytes, 2)?);
    if version != 1 || kind > 5 {
        return None;
    }
    let mut at = 4;
    for _ in 0..64 {
        match *bytes.get(at)? {
            0 => at += 1,
            1 => {
                let opened = match protocol {
                    1 => frame(bytes, at + 1)?,
                    0x12 => link::open_ieee80211(bytes, at + 1),
                    _ => return None,
                };
                return Some(Carried::new("tzsp", opened));
            }
            _ => at += 2 + usize::from(*bytes.get(at + 1)?),
        }
    }
    None
}
