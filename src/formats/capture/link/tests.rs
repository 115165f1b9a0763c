use super::*;
use crate::model::{Action, Direction};

const IP: [u8; 3] = [0x45, 0, 0];

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn payload(link: u32, frame: &[u8]) -> Payload<'_> {
    open(link, frame).payload
}

/// The headers before IP: whole, the packet is found behind them; cut, nothing is.
fn found(link: u32, before: &[u8]) {
    let whole = frame(&[before, &IP]);
    assert_eq!(payload(link, &whole), Payload::Ip(&IP, before.len()), "{link} {before:02x?}");
    for cut in 0..before.len() {
        let cut = payload(link, &whole[..cut]);
        assert!(!matches!(cut, Payload::Aggregate(..)), "{link} {before:02x?}: {cut:?}");
    }
}

#[test]
fn loopback_in_both_byte_orders() {
    for family in [[2, 0, 0, 0], [0, 0, 0, 2], [30, 0, 0, 0], [0, 0, 0, 24], [0, 0, 0, 28]] {
        found(0, &family);
        found(108, &family);
    }
    assert_eq!(payload(0, &[7, 0, 0, 0, 0x45]), Payload::Other);
    assert_eq!(payload(0, &[2, 0, 0]), Payload::Cut);
}

#[test]
fn tags_and_labels() {
    let macs = [0; 12];
    let tagged = frame(&[&macs, &[0x88, 0xa8, 0, 1, 0x91, 0, 0, 2, 0x81, 0, 0, 3, 8, 0], &IP]);
    assert_eq!(payload(1, &tagged), Payload::Ip(&IP, 26));
    for before in [
        // PPPoE, SNAP, VN-Tag, E-TAG.
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 5, 0, 0x21][..],
        &[0, 11, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
        &[0x89, 0x26, 0, 1, 0, 2, 8, 0],
        &[0x89, 0x3f, 0, 1, 0, 2, 0, 3, 8, 0],
        // Provider backbone bridging and TRILL with one word of options, each around a frame.
        &[0x88, 0xe7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0],
        &[0x22, 0xf3, 0, 0x40, 0, 1, 0, 2, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0],
    ] {
        found(1, &frame(&[&macs, before]));
    }
    assert_eq!(payload(1, &frame(&[&macs, &[8, 6, 0, 1]])), Payload::Other);
    assert_eq!(payload(1, &frame(&[&macs, &[0x88, 0xe5, 0, 1]])), Payload::Protected);
    let endless = frame(&[&macs, &[0x81, 0, 0, 0].repeat(100)]);
    assert_eq!(payload(1, &endless), Payload::Unread(AnomalyKind::BoundReached, TOO_DEEP));
    for cut in 0..tagged.len() - IP.len() {
        assert_eq!(payload(1, &tagged[..cut]), Payload::Cut, "{cut}");
    }
}

#[test]
fn carriers_on_the_link_are_told() {
    let macs = [0; 12];
    let mpls = frame(&[&macs, &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64], &IP]);
    let opened = open(1, &mpls);
    assert_eq!((opened.payload, opened.through.mpls), (Payload::Ip(&IP, 22), true));
    // A pseudowire (RFC 4448): control word, then a frame with ARP in it.
    let arp = frame(&[&[2; 12], &[8, 6, 0, 1, 8, 0]]);
    let wire = frame(&[&macs, &[0x88, 0x47, 0, 2, 1, 64, 0, 0, 0, 0], &arp]);
    assert_eq!(open(1, &wire), Opened { payload: Payload::Other, through: Through { mpls: true, nsh: false } });
    // RFC 8300, section 2.2 ff.: base header with length 6 words and type 1, next protocol 3, path 42, index 255.
    let nsh = frame(&[&[0x0f, 0xc6, 1, 3, 0, 0, 42, 255], &[0; 16], &macs, &[8, 0], &IP]);
    let service = frame(&[&macs, &[0x89, 0x4f], &nsh]);
    let opened = open(1, &service);
    assert_eq!((opened.payload, opened.through.nsh), (Payload::Ip(&IP, 52), true));
    assert!(open(1, &service[..17]).through == Through::default());
}

#[test]
fn cooked_and_raw() {
    found(113, &frame(&[&[0; 14], &[8, 0]]));
    let cooked2 = frame(&[&[0x86, 0xdd], &[0; 18], &[0x60, 0]]);
    assert_eq!(payload(276, &cooked2), Payload::Ip(&[0x60, 0], 20));
    assert_eq!(payload(276, &cooked2[..19]), Payload::Cut);
    for link in [12, 14, 101, 228, 229] {
        found(link, &[]);
    }
    for link in [12, 14, 101] {
        assert_eq!(payload(link, &[0x10, 0, 0, 40]), Payload::Unread(AnomalyKind::MalformedRecord, NOT_IP));
    }
    assert_eq!(payload(189, &IP), Payload::Unsupported);
    assert_eq!(name(127), "IEEE802_11_RADIOTAP");
    assert_eq!(name(9999), "");
}

#[test]
fn lines_between_two_ends() {
    // RFC 1662 framing, none, a protocol field of one byte; multilink with both ends of a packet; MPLS.
    for before in [
        &[0xff, 3, 0, 0x21][..],
        &[0, 0x21],
        &[0x21],
        &[0xff, 3, 0, 0x3d, 0xc0, 0, 0, 7, 0, 0x21],
        &[2, 0x81, 0, 1, 1, 9],
    ] {
        found(9, before);
    }
    assert_eq!(payload(9, &[0xff, 3, 0xc0, 0x21, 1, 1]), Payload::Other, "LCP");
    assert_eq!(payload(9, &[0, 0xfd, 1, 1]), Payload::Protected, "compressed or encrypted");
    found(50, &[0x0f, 0, 8, 0]);
    found(51, &[0x11, 0, 0, 1, 0, 5, 0, 0x21]);
    found(104, &[0x0f, 0, 8, 0]);
    assert_eq!(payload(104, &[0x8f, 0, 0x80, 0x35, 0, 0]), Payload::Other, "SLARP");
    // Q.922 address of two bytes and of four, RFC 2427 identifier, SNAP, Cisco's EtherType, PPP (RFC 1973).
    for before in [
        &[0x18, 0x41, 3, 0xcc][..],
        &[0x18, 0x40, 0x40, 0x41, 3, 0xcc],
        &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0],
        &[0x18, 0x41, 8, 0],
        &[0x18, 0x41, 3, 0xcf, 0, 0x21],
    ] {
        found(107, before);
    }
    found(100, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    found(106, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    found(106, &[]);
    found(123, &[2, 0, 0, 5, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    found(8, &[0; 16]);
    assert_eq!(payload(8, &[0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x45]), Payload::Other, "compressed");
    found(143, &frame(&[&[0, 0, 0, 20, 1, 2], &[0; 12], &[8, 0]]));
    // ERF: Ethernet with one extension header.
    found(197, &frame(&[&[0; 8], &[0x82, 4, 0, 0, 0, 0, 0, 0], &[0; 8], &[0, 0], &[0; 12], &[8, 0]]));
}

#[test]
fn local_networks() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    found(6, &frame(&[&[0x10, 0x40], &[1; 6], &[2; 6], &snap]));
    found(6, &frame(&[&[0x10, 0x40], &[1; 6], &[0x82, 2, 2, 2, 2, 2], &[6, 0, 1, 2, 3, 4], &snap]));
    found(10, &frame(&[&[0x50], &[1; 12], &snap]));
    found(7, &[1, 2, 240]);
    found(7, &[1, 2, 212, 0, 0, 7]);
    found(129, &[1, 2, 0, 0, 212, 0, 0, 7]);
    found(122, &frame(&[&[0; 16], &snap]));
    found(138, &frame(&[&[0; 16], &[8, 0]]));
    found(226, &[0; 24]);
    found(242, &frame(&[&[0; 40], &[8, 0, 0, 0]]));
    found(109, &[0; 12]);
    // A switch chip's tag between addresses and type, before the frame, and Marvell's with a type of its own.
    found(281, &frame(&[&[0; 16], &[8, 0]]));
    found(282, &frame(&[&[0; 16], &[8, 0]]));
    found(285, &frame(&[&[0; 12], &[0xda, 0xda, 0, 0, 1, 2, 3, 4], &[8, 0]]));
    let pktap = frame(&[&108_u32.to_le_bytes(), &1_u32.to_le_bytes(), &0_u32.to_le_bytes(), &[0; 96], &[2, 0, 0, 0]]);
    found(258, &pktap);
    found(149, &pktap);
    assert_eq!(payload(149, &[0; 200]), Payload::Unsupported, "a user-defined type that is something else");
}

#[test]
fn wireless_data_frames() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let data = frame(&[&[0x08, 1], &[0; 22], &snap]);
    found(105, &data);
    let quality = frame(&[&[0x88, 2], &[0; 24], &snap]);
    found(105, &quality);
    let four_addresses = frame(&[&[0x08, 3], &[0; 28], &snap]);
    found(105, &four_addresses);
    assert_eq!(payload(105, &[0x80, 0, 0, 0]), Payload::Other, "a beacon");
    assert_eq!(payload(105, &[0x48, 1, 0, 0]), Payload::Other, "no data");
    assert_eq!(payload(105, &frame(&[&[0x08, 0x41], &[0; 40]])), Payload::Protected);
    // Radiotap: timer and flags, padding behind the header of 26 bytes; then with a wrong checksum.
    let radiotap = |flags: u8| frame(&[&[0, 0, 24, 0, 3, 0, 0, 0], &[0; 8], &[flags], &[0; 7]]);
    found(127, &frame(&[&radiotap(0x30), &[0x88, 2], &[0; 26], &snap]));
    found(127, &frame(&[&radiotap(0x10), &quality]));
    assert_eq!(payload(127, &frame(&[&radiotap(0x40), &quality, &IP])), Payload::Other);
    found(119, &frame(&[&[0x44, 0, 0, 0, 144, 0, 0, 0], &[0; 136], &data]));
    found(163, &frame(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &data]));
    found(192, &frame(&[&[0, 0, 8, 0, 105, 0, 0, 0], &data]));
    found(192, &frame(&[&[0, 0, 8, 0, 1, 0, 0, 0], &[0; 12], &[8, 0]]));
}

#[test]
fn frames_in_an_aggregate() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let sub = |padding: usize| frame(&[&[1; 6], &[2; 6], &[0, 11], &snap, &IP, &vec![0; padding]]);
    let whole = frame(&[&[0x88, 2], &[0; 22], &[0x80, 0], &sub(3), &sub(0)]);
    let Payload::Aggregate(body, 26) = payload(105, &whole) else { panic!("an aggregate") };
    let inside: Vec<_> = subframes(body).map(|opened| opened.payload).collect();
    assert_eq!(inside, [Payload::Ip(&IP, 22), Payload::Ip(&IP, 50)]);
    for cut in 0..body.len() {
        assert!(subframes(&body[..cut]).count() <= 2);
    }
}

#[test]
fn juniper() {
    // Direction in; Ethernet; no link layer with the family in the router's order; ATM1 with its cookie.
    found(178, &frame(&[&[0x4d, 0x47, 0x43, 1], &[0; 12], &[8, 0]]));
    found(178, &[0x4d, 0x47, 0x43, 3, 2, 0, 0, 0]);
    found(137, &[0x4d, 0x47, 0x43, 0x81, 0, 4, 4, 2, 0, 0, 0, 0, 0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    found(179, &[0x4d, 0x47, 0x43, 0, 0xff, 3, 0, 0x21]);
    assert_eq!(payload(178, &[0; 40]), Payload::Other);
}

#[test]
fn verdicts_of_pf() {
    // pflog(4), struct pfloghdr: length, family, action, reason, interface, rule set, rule, sub-rule, four identities,
    // direction, padding.
    let name = |text: &str| {
        let mut name = [0; 16];
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    };
    let header = |action: u8, rule: u32, sub: u32, direction: u8| {
        frame(&[
            &[61, 2, action, 0],
            &name("em0"),
            &name("guests"),
            &rule.to_be_bytes(),
            &sub.to_be_bytes(),
            &[0; 16],
            &[direction, 0, 0, 0],
        ])
    };
    let blocked = header(1, 12, 3, 1);
    found(117, &blocked);
    let seen = verdict::verdict(117, &blocked).expect("a verdict");
    assert_eq!((seen.action, seen.direction), (Some(Action::Deny), Some(Direction::Inbound)));
    assert_eq!((seen.rule.as_deref(), seen.in_interface.as_deref()), (Some("12.guests.3"), Some("em0")));
    assert_eq!((seen.state.as_deref(), seen.bytes_out, seen.packets_out), (Some("match"), None, None));
    let passed = header(0, u32::MAX, u32::MAX, 2);
    let seen = verdict::verdict(117, &passed).expect("a verdict");
    assert_eq!((seen.action, seen.out_interface.as_deref(), seen.rule), (Some(Action::Allow), Some("em0"), None));
    // OpenBSD's header since 4.9 has both ends before and after translation: 100 bytes.
    let mut long = header(1, 1, u32::MAX, 1);
    long[0] = 100;
    long.extend([0; 36]);
    found(117, &long);
    for cut in 0..60 {
        assert!(verdict::verdict(117, &blocked[..cut]).is_none(), "{cut}");
    }
    let old = frame(&[&2_u32.to_le_bytes(), &name("fxp0"), &[0, 7, 0, 0, 0, 1, 0, 1]]);
    found(17, &old);
    let seen = verdict::verdict(17, &old).expect("a verdict");
    assert_eq!((seen.action, seen.rule.as_deref()), (Some(Action::Deny), Some("7")));
}

#[test]
fn verdicts_of_nflog() {
    // linux/netfilter/nfnetlink_log.h: header with hook "forward", interfaces 3 and 2, prefix, payload.
    let parts = |big: bool| {
        let number = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = [number(4 + value.len() as u16), number(kind)].concat();
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        frame(&[
            &[2, 0, 0, 42],
            &attribute(1, &[8, 0, 2, 0]),
            &attribute(10, b"egress DROP: \0"),
            &attribute(4, &[0, 0, 0, 3]),
            &attribute(5, &[0, 0, 0, 2]),
            &attribute(9, &[]),
        ])
    };
    for big in [false, true] {
        let header = parts(big);
        // The payload attribute's length covers the packet.
        let mut whole = frame(&[&header, &IP]);
        let at = header.len() - 4;
        let length = if big { 7_u16.to_be_bytes() } else { 7_u16.to_le_bytes() };
        whole[at..at + 2].copy_from_slice(&length);
        assert_eq!(payload(239, &whole), Payload::Ip(&IP, header.len()), "{big}");
        let seen = verdict::verdict(239, &whole).expect("a verdict");
        assert_eq!((seen.action, seen.direction), (Some(Action::Deny), Some(Direction::Forwarded)));
        assert_eq!(seen.rule.as_deref(), Some("egress DROP: "));
        assert_eq!((seen.in_interface.as_deref(), seen.out_interface.as_deref()), (Some("#3"), Some("#2")));
        for cut in 0..whole.len() {
            let _ = (verdict::verdict(239, &whole[..cut]), payload(239, &whole[..cut]));
        }
    }
}

/// Every link type over bytes that are no frame of it: nothing may go wrong.
#[test]
fn noise_on_every_link() {
    let mut state = 0x9e37_79b9_u32;
    let mut noise = [0_u8; 256];
    for round in 0..40 {
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = if round % 2 == 0 { (state >> 24) as u8 } else { (state >> 24) as u8 & 3 };
        }
        for link in 0..310 {
            for cut in 0..64 {
                let _ = (open(link, &noise[..cut]), verdict::verdict(link, &noise[..cut]));
            }
            if let Payload::Aggregate(body, _) = open(link, &noise).payload {
                assert!(subframes(body).count() < 256);
            }
        }
    }
}
