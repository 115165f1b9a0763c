use super::*;

fn at(record: u64) -> Stamp {
    Stamp { record, span: None, clock: Instant(record as i64) }
}

/// `ping` of iputils: a `struct timeval` (16 bytes), then bytes that count up from 0x10.
fn ping(second: u8) -> Vec<u8> {
    let mut data = vec![second, 0x6e, 0x13, 0x51, 0, 0, 0, 0, 0x2d, second ^ 0x49, 6, 0, 0, 0, 0, 0];
    data.extend(0x10..=0x37);
    data
}

/// An IPv4 header without options around `payload`; the checksum by RFC 1071.
fn ipv4(last: u8, payload: &[u8]) -> Vec<u8> {
    let total = 20 + payload.len() as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, last, 10, 0, 1, 9];
    header[2..4].copy_from_slice(&total.to_be_bytes());
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header, payload].concat()
}

#[test]
fn pings_of_known_programs_are_pings() {
    let windows: Vec<u8> = (b'a'..=b'w').chain(b'a'..=b'i').collect();
    // macOS: eight bytes of time, then 8, 9, 10 and so on. Cisco: a four-byte pattern. nmap: zeros.
    let macos: Vec<u8> = [&[1, 2, 3, 4, 5, 6, 7, 8][..], &(8..=55).collect::<Vec<u8>>()].concat();
    for data in [ping(1), windows, macos, [0xab, 0xcd].repeat(30), vec![0; 120], vec![b'X'; 48], Vec::new()] {
        assert_eq!(Content::of(&data), Content::Ping, "{data:02x?}");
        let mut echoes = Echoes::default();
        for n in 1..100_u32 {
            echoes.message(true, false, n, &data, at(u64::from(2 * n)));
            echoes.message(false, true, n, &data, at(u64::from(2 * n + 1)));
        }
        assert!(echoes.finish().is_none());
    }
}

/// A monitor that fills its requests at random is answered with the same, or with a part of it.
#[test]
fn what_comes_back_is_nobodys_own() {
    let mut echoes = Echoes::default();
    let random = |n: u32| -> Vec<u8> { (0..40).map(|k: u32| (n * 7919 + k * k * 31) as u8 ^ 0x5a).collect() };
    for n in 1..9_u32 {
        echoes.message(true, false, n, &random(n), at(1));
        echoes.message(false, true, n, &random(n), at(2));
    }
    assert!(echoes.finish().is_none());
}

#[test]
fn packets_inside_of_both_sides_are_an_exchange_and_a_mirror_is_one_side() {
    let mut both = Echoes::default();
    let mut mirrored = Echoes::default();
    for n in 1..6_u32 {
        let (ask, answer) = (ipv4(1, b"SYN"), ipv4(9, &[n as u8; 30]));
        both.message(true, false, n, &ask, at(1));
        both.message(false, true, n, &answer, at(2));
        mirrored.message(true, false, n, &ask, at(1));
        mirrored.message(false, true, n, &ask, at(2));
    }
    let (_, tunnel) = both.finish().expect("a tunnel");
    assert_eq!((tunnel.protocol, tunnel.mark, tunnel.inside), ("icmp", Mark::Exchange, Some("ip")));
    let (_, tunnel) = mirrored.finish().expect("a tunnel");
    assert_eq!(tunnel.mark, Mark::OneSide);
}

#[test]
fn a_wrong_checksum_or_length_is_no_packet() {
    let whole = ipv4(1, b"abcdef");
    assert_eq!(packet_inside(&whole), Some(&whole[..]));
    for cut in 0..whole.len() {
        assert_eq!(packet_inside(&whole[..cut]), None, "{cut}");
        let mut wrong = whole.clone();
        if cut < 20 {
            wrong[cut] ^= 1;
            assert_eq!(packet_inside(&wrong), None, "{cut}");
        }
    }
    let six = [&[0x60, 0, 0, 0, 0, 4, 17, 64][..], &[0; 32], &[1, 2, 3, 4]].concat();
    assert_eq!(packet_inside(&six), Some(&six[..]));
    assert_eq!(packet_inside(&six[..43]), None);
}

/// Header as in `ptunnel.h`: magic, address, port, state with the user's bit (1 << 30) or the proxy's (1 << 31).
#[test]
fn ptunnel_tells_where_it_leads() {
    let header = |state: u32| {
        [&0xd520_0880_u32.to_be_bytes()[..], &[192, 0, 2, 1], &22_u32.to_be_bytes(), &state.to_be_bytes(), &[0; 12]]
            .concat()
    };
    let mut echoes = Echoes::default();
    for n in 1..4 {
        echoes.message(true, false, n, &header(1 << 30), at(1));
        echoes.message(false, true, n, &header(1 << 31 | 2), at(2));
    }
    let (_, tunnel) = echoes.finish().expect("a tunnel");
    assert_eq!((tunnel.protocol, tunnel.mark), ("ptunnel", Mark::Exchange));
    assert_eq!(tunnel.target.as_deref(), Some("192.0.2.1:22"));
    assert_eq!(Content::of(&header(3 << 30)), Content::Data);
}

/// icmpsh: the client asks with nothing or with output, and is answered with a command.
#[test]
fn replies_with_words_of_their_own_are_told() {
    let mut echoes = Echoes::default();
    for (n, (ask, answer)) in [
        ("", "whoami\n"),
        ("corp\\user\n", "ipconfig /all\n"),
        ("Windows IP Configuration\n", "dir c:\\\n"),
        ("Volume in drive C\n", "exit\n"),
    ]
    .into_iter()
    .enumerate()
    {
        echoes.message(true, false, n as u32, ask.as_bytes(), at(1));
        echoes.message(false, true, n as u32, answer.as_bytes(), at(2));
    }
    let (_, tunnel) = echoes.finish().expect("a tunnel");
    assert_ne!(tunnel.mark, Mark::Shape);
}

#[test]
fn requests_that_change_each_time_are_a_lead() {
    let mut echoes = Echoes::default();
    for n in 1..20_u32 {
        let data: Vec<u8> = (0..200).map(|k: u32| (n * 7919 + k * k * 31) as u8 ^ 0x5a).collect();
        echoes.message(true, false, n, &data, at(1));
        echoes.message(false, true, n, &data, at(2));
    }
    assert_eq!(echoes.finish().map(|(_, tunnel)| tunnel.mark), Some(Mark::Shape));
}
