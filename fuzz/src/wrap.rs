//! Turns any bytes into a capture of one conversation: what two hosts sent each other, wrapped into packets.
//!
//! The first byte chooses TCP, UDP or ICMP and whether the beginning was captured, the second the server's port. Then
//! come messages: two bytes of direction (the highest bit), whether bytes before it are missing (the next), and length
//! (fourteen bits), then as many bytes, or what is left of them.

pub(crate) const PORTS: [u16; 16] =
    [22, 25, 53, 80, 123, 443, 500, 1080, 1194, 1701, 3333, 4500, 4789, 7000, 51_820, 40_001];
const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 50_000);

fn put_packet(file: &mut Vec<u8>, number: u32, protocol: u8, from_client: bool, transport: &[u8]) {
    let (client, server) = (CLIENT.0, [192, 0, 2, 7]);
    let (src, dst) = if from_client { (client, server) } else { (server, client) };
    let length = 20 + transport.len();
    for word in [1_795_184_026, number * 1000, length as u32, length as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0x45, 0]);
    file.extend((length as u16).to_be_bytes());
    file.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    file.extend(src);
    file.extend(dst);
    file.extend(transport);
}

/// A pcap of raw IP packets.
pub(crate) fn capture(data: &[u8]) -> Option<Vec<u8>> {
    let [first, second, rest @ ..] = data else { return None };
    let port = PORTS[usize::from(second & 15)];
    let (protocol, from_start) = ([6, 17, 6, 1][usize::from(first & 3)], first & 4 != 0);
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend(word.to_le_bytes());
    }
    let mut sequence = [7_u32, 77];
    let mut number = 0;
    let mut rest = rest;
    let tcp = |from_client: bool, sequence: [u32; 2], flags: u8, payload: &[u8]| {
        let (src, dst) = if from_client { (CLIENT.1, port) } else { (port, CLIENT.1) };
        let (own, other) = if from_client { (sequence[0], sequence[1]) } else { (sequence[1], sequence[0]) };
        let mut segment = [src.to_be_bytes(), dst.to_be_bytes()].concat();
        segment.extend(own.to_be_bytes());
        segment.extend(other.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        segment
    };
    if protocol == 6 && from_start {
        put_packet(&mut file, 0, 6, true, &tcp(true, sequence, 2, &[]));
        put_packet(&mut file, 0, 6, false, &tcp(false, [8, 77], 0x12, &[]));
        sequence = [8, 78];
    }
    while let [high, low, more @ ..] = rest {
        let (from_client, is_late) = (high & 0x80 != 0, high & 0x40 != 0);
        let length = usize::from(u16::from_be_bytes([high & 0x3f, *low])).min(more.len());
        let (payload, after) = more.split_at(length);
        rest = after;
        number += 1;
        let own = &mut sequence[usize::from(!from_client)];
        *own = own.wrapping_add(if is_late { 100 } else { 0 });
        let transport = match protocol {
            6 => tcp(from_client, sequence, 0x18, payload),
            17 => {
                let (src, dst) = if from_client { (CLIENT.1, port) } else { (port, CLIENT.1) };
                let length = (8 + payload.len()) as u16;
                [src, dst, length, 0]
                    .iter()
                    .flat_map(|word| word.to_be_bytes())
                    .chain(payload.iter().copied())
                    .collect()
            }
            _ => [&[if from_client { 8 } else { 0 }, 0, 0, 0, 0, 1, 0, 1][..], payload].concat(),
        };
        put_packet(&mut file, number, protocol, from_client, &transport);
        let own = &mut sequence[usize::from(!from_client)];
        *own = own.wrapping_add(payload.len() as u32);
    }
    Some(file)
}
