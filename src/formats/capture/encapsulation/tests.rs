use super::*;
use crate::formats::capture::link::Payload;

const IP: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const V4: IpPacketEnds = IpPacketEnds { is_v4: true, is_local: false };

fn ethernet() -> Vec<u8> {
    [&[0; 12][..], &[8, 0], &IP].concat()
}

/// An IPv4 packet with a right checksum (worked out by hand: the words of the header add up to ffff) around `data`.
fn packet(protocol: u8, data: &[u8]) -> Vec<u8> {
    let total = 20 + data.len() as u16;
    let mut bytes =
        vec![0x45, 0, (total >> 8) as u8, total as u8, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let check = !((sum & 0xffff) + (sum >> 16)) as u16;
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend(data);
    bytes
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    [&[0x9c, 0x40, 0, 1][..], &length.to_be_bytes(), &[0, 0], payload].concat()
}

fn over_udp(port: u16, payload: &[u8]) -> Option<(&'static str, Mark, Option<usize>)> {
    let whole = datagram(payload);
    let found = carried_by_udp((40_000, port), &whole, &whole[8..], whole.len() as u32)?;
    let inside = match found.opened.payload {
        Payload::Ip(_, at) => Some(at),
        _ => None,
    };
    // Cut anywhere, it must not fall over; its own header never changes into another protocol's.
    for cut in 8..whole.len() {
        let cut = carried_by_udp((40_000, port), &whole[..cut], &whole[8..cut], whole.len() as u32);
        assert!(cut.is_none_or(|cut| cut.by == found.by), "{cut:?}");
    }
    Some((found.by, found.mark, inside))
}

fn by_number(protocol: u8, data: &[u8]) -> Option<(&'static str, Option<usize>)> {
    let found = carried(V4, protocol, data)?;
    for cut in 0..data.len() {
        let _ = carried(V4, protocol, &data[..cut]);
    }
    let inside = match found.opened.payload {
        Payload::Ip(_, at) => Some(at),
        _ => None,
    };
    Some((found.by, inside))
}

#[test]
fn numbers() {
    assert_eq!(by_number(4, &IP), Some(("4in4", Some(0))));
    assert_eq!(by_number(41, &[0x60, 0]), Some(("6in4", Some(0))));
    assert_eq!(by_number(41, &[]), None, "a scan for protocols");
    let v6 = IpPacketEnds { is_v4: false, is_local: false };
    assert_eq!(carried(v6, 4, &IP).map(|found| found.by), Some("4in6"));
    assert_eq!(carried(v6, 41, &[0x60]).map(|found| found.by), Some("6in6"));
    assert_eq!(by_number(97, &[&[0x30, 0][..], &ethernet()].concat()), Some(("etherip", Some(16))));
    assert_eq!(by_number(50, &[0, 0, 0x10, 0, 0, 0, 0, 1, 9, 9]), Some(("ipsec-esp", None)));
    assert_eq!(by_number(50, &[0, 0, 0, 0, 0, 0, 0, 1, 9, 9]), None, "no index");
    let neighbours = IpPacketEnds::new("fe80::1".parse().expect("one"), "ff02::5".parse().expect("one"));
    assert_eq!(carried(neighbours, 50, &[0, 0, 0x10, 0, 0, 0, 0, 1, 9, 9]), None, "OSPFv3 with ESP");
    assert_eq!(by_number(108, &[4, 0, 0, 9, 1]), Some(("ipcomp", None)));
    assert_eq!(by_number(137, &[&[0, 1, 1, 64][..], &IP].concat()), Some(("mpls", Some(4))));
    assert_eq!(by_number(115, &[&[0, 0, 0, 9][..], &ethernet()].concat()), Some(("l2tp", Some(18))));
    assert_eq!(by_number(6, &IP), None);
}

#[test]
fn gre_and_what_goes_by_it() {
    assert_eq!(by_number(47, &[&[0, 0, 8, 0][..], &IP].concat()), Some(("gre", Some(4))));
    let keyed = [&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7][..], &ethernet()].concat();
    assert_eq!(by_number(47, &keyed), Some(("gre", Some(22))));
    // Checksum, key and sequence number: 12 bytes.
    let all = [&[0xb0, 0, 8, 0][..], &[0; 12], &IP].concat();
    assert_eq!(by_number(47, &all), Some(("gre", Some(16))));
    // RFC 1701: one route of 4 bytes, then the null route.
    let routed = [&[0x40, 0, 8, 0, 0, 0, 0, 0][..], &[8, 0, 0, 4, 1, 2, 3, 4], &[0; 4], &IP].concat();
    assert_eq!(by_number(47, &routed), Some(("gre", Some(20))));
    // RFC 2637: key with payload length 6 and call 7, sequence number, PPP.
    let pptp = [&[0x30, 1, 0x88, 0x0b, 0, 6, 0, 7, 0, 0, 0, 1][..], &[0, 0x21], &IP].concat();
    assert_eq!(by_number(47, &pptp), Some(("pptp", Some(14))));
    assert_eq!(
        by_number(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 7, 0, 0, 0, 1]),
        Some(("pptp", None)),
        "an acknowledgement"
    );
    assert_eq!(by_number(47, &[&[0, 0, 0x88, 0xbe][..], &ethernet()].concat()), Some(("erspan", Some(18))), "type I");
    let ii = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1][..], &[0x10, 0, 0, 0, 0, 0, 0, 0], &ethernet()].concat();
    assert_eq!(by_number(47, &ii), Some(("erspan", Some(30))));
    // Type III with its optional eight bytes: the last bit of the twelve.
    let iii = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1][..], &[0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &ethernet()]
        .concat();
    assert_eq!(by_number(47, &iii), Some(("erspan", Some(42))));
    let wccp = [&[0, 0, 0x88, 0x3e][..], &[0, 9, 9, 9], &IP].concat();
    assert_eq!(by_number(47, &wccp), Some(("gre", Some(8))));
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let aruba = [&[0, 0, 0x82, 0][..], &[0x88, 2], &[0; 24], &snap, &IP].concat();
    assert_eq!(by_number(47, &aruba), Some(("gre", Some(38))));
    assert_eq!(by_number(47, &[0, 2, 8, 0]), None, "version 2");
    assert_eq!(over_udp(4754, &[&[0, 0, 8, 0][..], &IP].concat()), Some(("gre", Mark::OneSide, Some(4))));
}

#[test]
fn overlays() {
    let vxlan = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &ethernet()].concat();
    assert_eq!(over_udp(4789, &vxlan), Some(("vxlan", Mark::OneSide, Some(22))));
    assert_eq!(over_udp(8472, &vxlan), Some(("vxlan", Mark::OneSide, Some(22))));
    assert_eq!(over_udp(4789, &[8, 0, 0, 0, 0, 0, 9, 0, 1, 2, 3, 4]), None, "no frame inside");
    let routed = [&[0, 0, 8, 6, 0, 0, 9, 0][..], &[0, 1, 8, 0]].concat();
    assert_eq!(over_udp(6081, &routed), Some(("geneve", Mark::OneSide, None)), "ARP without a frame");
    let arp = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &[0; 12], &[8, 6, 0, 1, 8, 0]].concat();
    assert_eq!(over_udp(4789, &arp), Some(("vxlan", Mark::OneSide, None)));
    let gpe = [&[0x0c, 0, 0, 1, 0, 0, 9, 0][..], &IP].concat();
    assert_eq!(over_udp(4790, &gpe), Some(("vxlan", Mark::OneSide, Some(8))));
    let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 9, 0][..], &[1, 2, 3, 0], &ethernet()].concat();
    assert_eq!(over_udp(6081, &geneve), Some(("geneve", Mark::OneSide, Some(26))));
    // Elsewhere the packet has to fill its frame and its checksum to be right.
    let frame = [&[0; 12][..], &[8, 0], &packet(17, &[0; 12])].concat();
    let fits = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &frame].concat();
    assert_eq!(over_udp(12_345, &fits), Some(("vxlan", Mark::OneSide, Some(22))));
    assert_eq!(over_udp(12_345, &vxlan), None);
    let fits = [&[0, 0, 0x65, 0x58, 0, 0, 9, 0][..], &frame].concat();
    assert_eq!(over_udp(12_345, &fits), Some(("geneve", Mark::OneSide, Some(22))));
    assert_eq!(
        over_udp(37_008, &[&[1, 0, 0, 1, 1][..], &ethernet()].concat()),
        Some(("tzsp", Mark::OneSide, Some(19)))
    );
    assert_eq!(over_udp(6635, &[&[0, 1, 1, 64][..], &IP].concat()), Some(("mpls", Mark::OneSide, Some(4))));
    assert_eq!(over_udp(4341, &[&[0; 8][..], &IP].concat()), Some(("lisp", Mark::OneSide, Some(8))));
    // RFC 9301, section 5.6: a registration with one record, key 1 and its 20 bytes.
    let register = [&[0x30, 0, 0, 1][..], &[7; 8], &[0, 1, 0, 20], &[9; 20]].concat();
    assert_eq!(over_udp(4342, &register), Some(("lisp", Mark::OneSide, None)));
    assert_eq!(over_udp(4342, &[9; 40]), None);
}

#[test]
fn gtp() {
    let inner = packet(1, &[8; 8]);
    let user = |flags: u8, kind: u8, middle: &[u8]| {
        let length = (middle.len() + inner.len()) as u16;
        [&[flags, kind][..], &length.to_be_bytes(), &[0, 0, 0, 9], middle, &inner].concat()
    };
    assert_eq!(over_udp(2152, &user(0x30, 255, &[])), Some(("gtp-u", Mark::OneSide, Some(8))));
    assert_eq!(over_udp(9999, &user(0x30, 255, &[])), Some(("gtp-u", Mark::OneSide, Some(8))));
    // TS 29.281: a sequence number, and a PDU session container of one word.
    let extended = [0, 1, 0, 0x85, 1, 0, 9, 0];
    assert_eq!(over_udp(2152, &user(0x36, 255, &extended)), Some(("gtp-u", Mark::OneSide, Some(16))));
    assert_eq!(
        over_udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]),
        Some(("gtp-u", Mark::OneSide, None)),
        "an echo"
    );
    assert_eq!(over_udp(2152, &[0x32, 1, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0]), None, "a wrong length");
    assert_eq!(
        over_udp(2123, &[0x40, 1, 0, 9, 0, 0, 1, 0, 3, 0, 1, 0, 0]),
        Some(("gtp-c", Mark::OneSide, None)),
        "version 2"
    );
    assert_eq!(over_udp(2123, &[0x32, 16, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]), Some(("gtp-c", Mark::OneSide, None)));
    assert_eq!(over_udp(3386, &[0x2e, 0xf0, 0, 2, 0, 1, 9, 9]), Some(("gtp-prime", Mark::OneSide, None)));
    assert_eq!(over_udp(3386, &[0x20, 0xf0, 0, 2, 0, 1, 9, 9]), None);
}

fn v6(src: [u8; 4], next: u8, data: &[u8]) -> Vec<u8> {
    [
        &[0x60, 0, 0, 0][..],
        &(data.len() as u16).to_be_bytes(),
        &[next, 64],
        &src,
        &[7; 12],
        &[0x20, 1, 0xd, 0xb8],
        &[1; 12],
        data,
    ]
    .concat()
}

#[test]
fn teredo_and_ayiya() {
    let bubble = v6([0x20, 1, 0, 0], 59, &[]);
    assert_eq!(over_udp(3544, &bubble), Some(("teredo", Mark::OneSide, Some(0))));
    assert_eq!(over_udp(50_000, &bubble), Some(("teredo", Mark::OneSide, Some(0))), "between two clients");
    assert_eq!(over_udp(50_000, &v6([0x20, 2, 0, 0], 59, &[])), None, "another's address");
    // RFC 4380, sections 5.1.1: authentication (no identifier, no value), then origin.
    let told = [&[0, 1, 0, 0][..], &[5; 8], &[0], &[0, 0, 1, 2, 3, 4, 5, 6], &bubble].concat();
    assert_eq!(over_udp(3544, &told), Some(("teredo", Mark::OneSide, Some(21))));
    assert_eq!(over_udp(3544, &[1, 2, 3, 4, 5, 6, 7, 8]), None);
    // Identity of 16 bytes, signature of 5 words, forward, IPv6.
    let ayiya = [&[0x42, 0x52, 0x11, 41][..], &[0; 4], &[1; 16], &[2; 20], &bubble].concat();
    assert_eq!(over_udp(5072, &ayiya), Some(("ayiya", Mark::OneSide, Some(44))));
    let alive = [&[0x42, 0x52, 0x10, 59][..], &[0; 4], &[1; 16], &[2; 20]].concat();
    assert_eq!(over_udp(5072, &alive), Some(("ayiya", Mark::OneSide, None)));
}

#[test]
fn ipsec_over_udp() {
    // RFC 7296, section 3.1: IKE_SA_INIT from the initiator, a security association of 8 bytes.
    let ike = |version: u8, next: u8, exchange: u8, flags: u8| {
        [
            &[1, 2, 3, 4, 5, 6, 7, 8][..],
            &[0; 8],
            &[next, version, exchange, flags],
            &[0; 4],
            &[0, 0, 0, 36],
            &[0, 0, 0, 8, 0, 0, 0, 1],
        ]
        .concat()
    };
    let init = ike(0x20, 33, 34, 8);
    assert_eq!(over_udp(500, &init), Some(("ipsec-ike", Mark::OneSide, None)));
    assert_eq!(over_udp(500, &ike(0x10, 1, 2, 0)), Some(("ipsec-ike", Mark::OneSide, None)));
    assert_eq!(over_udp(12_345, &init), Some(("ipsec-ike", Mark::OneSide, None)));
    assert_eq!(over_udp(12_345, &ike(0x20, 46, 35, 8)), None, "nothing of it in the clear");
    assert_eq!(over_udp(500, &ike(0x20, 33, 2, 8)), None, "an exchange of version 1");
    assert_eq!(over_udp(4500, &[&[0; 4][..], &init].concat()), Some(("ipsec-ike", Mark::OneSide, None)));
    let padded = [&init[..], &[0; 4]].concat();
    assert_eq!(over_udp(500, &padded), Some(("ipsec-ike", Mark::OneSide, None)), "something behind it");
    assert_eq!(over_udp(4500, &[0xff]), None);
    let esp = [&[9, 9, 9, 9, 0, 0, 0, 1][..], &[5; 24]].concat();
    assert_eq!(over_udp(4500, &esp), Some(("ipsec-esp", Mark::Shape, None)), "counting shows it, later");
}

#[test]
fn l2tp_over_udp() {
    // RFC 2661: SCCRQ: flags T, L, S; length 20, tunnel 0, session 0, Ns 0, Nr 0, message type 1.
    let request = [0xc8, 2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 1];
    assert_eq!(over_udp(1701, &request), Some(("l2tp", Mark::OneSide, None)));
    assert_eq!(
        over_udp(1701, &[0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 1, 0, 1]),
        Some(("l2tp", Mark::OneSide, None)),
        "no body"
    );
    assert_eq!(
        over_udp(1701, &[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21][..], &IP].concat()),
        Some(("l2tp", Mark::OneSide, Some(10)))
    );
    assert_eq!(over_udp(1701, &[0x30, 2, 0, 1, 0, 2, 0xff, 3]), None, "reserved bits");
}

#[test]
fn capwap() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    // Header of 8 bytes, binding 802.11, native frame.
    let data = [&[0, 0x10, 3, 0, 0, 0, 0, 0][..], &[0x08, 1], &[0; 22], &snap, &IP].concat();
    assert_eq!(over_udp(5247, &data), Some(("capwap", Mark::OneSide, Some(40))));
    let swapped = [&[0, 0x10, 3, 0, 0, 0, 0, 0][..], &[1, 0x08], &[0; 22], &snap, &IP].concat();
    assert_eq!(over_udp(5247, &swapped), Some(("capwap", Mark::OneSide, Some(40))));
    // A discovery request: type 1, number 0, length 4 (with its flags), flags, no element.
    let control = [&[0, 0x10, 2, 0, 0, 0, 0, 0][..], &[0, 0, 0, 1, 0, 0, 3, 0]].concat();
    assert_eq!(over_udp(5246, &control), Some(("capwap", Mark::OneSide, None)));
    assert_eq!(over_udp(5246, &[1, 0, 0, 0, 22, 0xfe, 0xff, 0, 0]), Some(("capwap", Mark::OneSide, None)));
    assert_eq!(over_udp(5246, &[9; 24]), None);
}

/// Noise, on the known ports and on others. Where one bit in a thousand would let it pass, some would.
#[test]
fn noise_is_refused() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let mut told = 0;
    for round in 0..20_000 {
        let payload: Vec<u8> = (0..40 + round % 60).map(|_| next()).collect();
        assert_eq!(over_udp(33_333, &payload), None);
        for port in [500, 1701, 2123, 2152, 3386, 3544, 4342, 4754, 4789, 4790, 5072, 5246, 6081, 37_008] {
            told += usize::from(over_udp(port, &payload).is_some());
        }
    }
    // 280,000 datagrams.
    assert!(told < 100, "{told}");
}

#[test]
fn labels_handed_out_say_that_there_are_labels() {
    // A Hello of RFC 5036 section 3.5.2: version 1, 30 bytes from the identifier on; type 0x0100, 20 bytes; its number;
    // common hello parameters (hold time 15 s).
    let hello = [
        &[0, 1, 0, 30, 10, 1, 0, 2, 0, 0][..],
        &[1, 0, 0, 20, 0, 0, 0x19, 0x70, 4, 0, 0, 4, 0, 15, 0, 0, 4, 1, 0, 4, 10, 1, 0, 2],
    ]
    .concat();
    assert_eq!(over_udp(646, &hello), Some(("mpls", Mark::Shape, None)), "a lead");
    let mut longer = hello.clone();
    longer[3] = 31;
    assert_eq!(over_udp(646, &longer), None, "its length does not fit");
    let mut other = hello;
    other[10] = 9;
    assert_eq!(over_udp(646, &other), None, "no such message");
}
