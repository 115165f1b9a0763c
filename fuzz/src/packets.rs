//! Packets out of any bytes: layers that are well formed most of the time, and ill now and then.

use super::bytes::Bytes;

/// Link types with a form of their own (<https://www.tcpdump.org/linktypes.html>), with how many bytes stand before the type
/// of what is carried; `None` where IP follows at once.
pub(crate) const LINKS: [(u16, Option<usize>); 20] = [
    (1, Some(12)),
    (101, None),
    (113, Some(14)),
    (276, None),
    (0, None),
    (108, None),
    (228, None),
    (229, None),
    (12, None),
    (14, None),
    (9, None),
    (104, None),
    (105, None),
    (107, None),
    (127, None),
    (109, None),
    (50, None),
    (51, None),
    (127, Some(12)),
    (147, None),
];

/// What is carried by TCP or UDP: beginnings of protocols, with the bytes of the fuzzer behind and among them.
const PIECES: [&[u8]; 34] = [
    b"",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"GET /a HTTP/1.1\r\nHost: a.example\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\n",
    b"CONNECT 203.0.113.9:443 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    // TLS 1.2 record of a client's hello (RFC 8446 section 4.1.2), its extensions to come.
    b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x02\x13\x01\x01\x00\x00\x51\x00\x00\x00\x0e\x00\x0c\x00\x00\x09a.example",
    b"\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\x00\x13\x01\x00\x00\x05\x00\x2b\x00\x02\x03",
    b"\x17\x03\x03\x00\x20",
    b"\x16\x03\x03\x01\x00\x0b\x00\x00\xfc\x00\x00\xf9\x00\x00\xf6\x30\x82\x00\xf2",
    // DNS: a question, an answer with a compressed name, TXT (RFC 1035 section 4).
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01",
    b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x09",
    b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x07example\x00\x00\x10\x00\x01\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x10\x0f",
    b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"xmrig/6\"]}\n",
    b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD\",\"pass\":\"x\",\"agent\":\"XMRig/6\"}}\n",
    b"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{\"id\":\"a\",\"job\":{\"blob\":\"0e0e\",\"job_id\":\"j\",\"target\":\"b88d0600\",\"height\":1},\"status\":\"OK\"}}\n",
    b"{\"id\":2,\"method\":\"mining.submit\",\"params\":[\"w\",\"j\",\"00\",\"00\",\"00\"]}\n",
    b"\x05\x01\x00",
    b"\x05\x01\x00\x03\x09a.example\x01\xbb",
    b"\x01\x00\x00\x00AAAABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
    b"\x38AAAAAAAA\x00\x00\x00\x00\x00",
    // QUIC: a long header of version 1 (RFC 9000 section 17.2).
    b"\xc3\x00\x00\x00\x01\x08AAAAAAAA\x00\x00\x44\x00",
    b"\x00\x01\x00\x00\x21\x12\xa4\x42AAAAAAAAAAAA",
    b"\x23\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD",
    // SSH: the begin of a key exchange (RFC 4253 section 7.1).
    b"\x00\x00\x01\x00\x08\x14AAAAAAAAAAAAAAAA\x00\x00\x00\x11curve25519-sha256",
    b"RFB 003.008\n",
    b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    b"\xfd\x37\x7a\x58\x5a\x00",
    b"\x7fELF\x02\x01\x01\x00",
    b"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00\x00\x34",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_submitWork\",\"params\":[]}\n",
    b"\xf9\xbe\xb4\xd9version\x00\x00\x00\x00\x00\x66\x00\x00\x00AAAA",
];

const PORTS: [u16; 22] = [
    22, 53, 80, 443, 3333, 123, 500, 4500, 1194, 1701, 1723, 1080, 8080, 4789, 6081, 2152, 51_820, 3478, 3389, 5900,
    8333, 40_001,
];

/// A flow of TCP: how far each side is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flow {
    sequence: [u32; 2],
}

/// Payload: a piece, bytes of the fuzzer, and how often.
fn payload(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut payload = bytes.of(&PIECES).to_vec();
    let own = bytes.short();
    payload.extend(own);
    match bytes.u8() {
        // One byte of the piece is another.
        choice @ 128..192 if !payload.is_empty() => {
            let at = usize::from(bytes.u8()) % payload.len();
            payload[at] = choice << 2 | bytes.u8() & 3;
        }
        192..200 => payload = payload.repeat(usize::from(bytes.u8() & 15)),
        200..208 => payload.truncate(usize::from(bytes.u8())),
        208..216 if own.len() < 8 => payload.extend(b"\r\n\r\n"),
        _ => {}
    }
    payload.truncate(20_000);
    payload
}

fn tcp(bytes: &mut Bytes<'_>, flows: &mut [Flow; 4], payload: &[u8]) -> Vec<u8> {
    let choice = bytes.u8();
    let flow = &mut flows[usize::from(choice & 3)];
    let from_client = choice & 4 == 0;
    let port = PORTS[usize::from(choice >> 3) % PORTS.len()];
    let (client, server) = (50_000 + u16::from(choice & 3), port);
    let (src, dst) = if from_client { (client, server) } else { (server, client) };
    let side = usize::from(!from_client);
    let flags = match bytes.u8() {
        0..160 => 0x18,
        160..180 => 2,
        180..200 => 0x12,
        200..215 => 0x11,
        215..225 => 4,
        other => other,
    };
    // Lost, late or repeated now and then.
    let skip: i32 = match bytes.u8() {
        0..200 => 0,
        200..220 => i32::from(bytes.u8()),
        220..240 => -i32::from(bytes.u8()),
        _ => bytes.u32().cast_signed(),
    };
    let sequence = flow.sequence[side].wrapping_add_signed(skip);
    let mut segment = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend(flow.sequence[1 - side].to_be_bytes());
    let options = if bytes.u8() > 230 { bytes.short() } else { &[] };
    let words = (5 + options.len().div_ceil(4)).min(15);
    segment.extend([(words as u8) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options.iter().copied().chain(std::iter::repeat(1)).take((words - 5) * 4));
    segment.extend(payload);
    let length = payload.len() as u32 + u32::from(flags & 3 != 0);
    flow.sequence[side] = sequence.wrapping_add(length);
    segment
}

fn udp(bytes: &mut Bytes<'_>, payload: &[u8]) -> Vec<u8> {
    let choice = bytes.u8();
    let port = PORTS[usize::from(choice >> 2) % PORTS.len()];
    let other = if choice & 2 == 0 { 50_000 } else { port };
    let (src, dst) = if choice & 1 == 0 { (other, port) } else { (port, other) };
    let length = match bytes.u8() {
        0..240 => 8 + payload.len() as u16,
        other => u16::from(other),
    };
    let head = [src, dst, length, 0].into_iter().flat_map(u16::to_be_bytes);
    head.chain(payload.iter().copied()).collect()
}

fn ipv4(bytes: &mut Bytes<'_>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let choice = bytes.u8();
    let options = if choice & 0x80 != 0 { bytes.short() } else { &[] };
    let words = (5 + options.len().div_ceil(4)).min(15);
    let fragment = if choice & 0x40 != 0 { bytes.u16() } else { 0x4000 };
    let total = match choice & 0x38 {
        0x38 => bytes.u16(),
        _ => (words * 4 + payload.len()) as u16,
    };
    let mut packet = vec![0x40 | words as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, choice & 3]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 0, 0, 1 + (choice & 1), 203, 0, 113, 9]);
    if choice & 4 != 0 {
        // The other way.
        packet.truncate(12);
        packet.extend([203, 0, 113, 9, 10, 0, 0, 1 + (choice & 1)]);
    }
    packet.extend(options.iter().copied().chain(std::iter::repeat(0)).take((words - 5) * 4));
    packet.extend(payload);
    packet
}

fn ipv6(bytes: &mut Bytes<'_>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let choice = bytes.u8();
    let (mut next, mut body) = (protocol, payload.to_vec());
    for _ in 0..choice & 3 {
        // Extension headers (RFC 8200 section 4): hop by hop, routing, fragment, destination, authentication.
        let kind = bytes.of(&[0, 43, 44, 60, 51]);
        let mut header = vec![next, if kind == 44 { 0 } else { choice >> 6 & 1 }];
        header.extend(bytes.take(6));
        header.resize(if kind == 44 || header[1] == 0 { 8 } else { 16 }, 0);
        header.extend(body);
        (next, body) = (kind, header);
    }
    let length = if choice & 0x38 == 0x38 { bytes.u16() } else { body.len() as u16 };
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 64]);
    let (src, dst) =
        ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    packet.extend(if choice & 4 == 0 { [src, dst].concat() } else { [dst, src].concat() });
    packet.extend(body);
    packet
}

/// A packet of IP with its version's type of Ethernet, within up to three tunnels.
pub(crate) fn packet(bytes: &mut Bytes<'_>, flows: &mut [Flow; 4]) -> (u16, Vec<u8>) {
    let choice = bytes.u8();
    let said = payload(bytes);
    let (mut protocol, mut body) = match choice & 7 {
        0..4 => (6, tcp(bytes, flows, &said)),
        4 | 5 => (17, udp(bytes, &said)),
        6 => (1, [&[bytes.of(&[8, 0, 3, 11]), bytes.u8() & 3, 0, 0, 0, 1, 0, 1][..], &said].concat()),
        _ => (bytes.u8(), said),
    };
    let mut inner = 0x0800;
    for level in 0..=(choice >> 3 & 3) {
        let is_four = choice >> (4 + level) & 1 == 0;
        if level > 0 {
            let mut wrapped = Vec::new();
            protocol = match bytes.u8() % 9 {
                // IP in IP, GRE (RFC 2784), GRE with key and sequence, ETHERIP.
                0 => {
                    if inner == 0x0800 {
                        4
                    } else {
                        41
                    }
                }
                1 | 2 => {
                    wrapped.extend([0, 0]);
                    wrapped.extend(u16::to_be_bytes(inner));
                    47
                }
                3 => {
                    wrapped.extend([0x30, bytes.u8() & 0x87]);
                    wrapped.extend(u16::to_be_bytes(inner));
                    wrapped.extend([0; 8]);
                    47
                }
                4 => {
                    // VXLAN (RFC 7348) with Ethernet within.
                    let head = [50_001_u16, 4789, (8 + 8 + 14 + body.len()) as u16, 0];
                    wrapped.extend(head.into_iter().flat_map(u16::to_be_bytes));
                    wrapped.extend([8, 0, 0, 0, 0, 0, 1, 0, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4]);
                    wrapped.extend(u16::to_be_bytes(inner));
                    17
                }
                5 => {
                    // GTP-U (3GPP TS 29.281 section 5.1).
                    let head = [2152_u16, 2152, (8 + 8 + body.len()) as u16, 0];
                    wrapped.extend(head.into_iter().flat_map(u16::to_be_bytes));
                    wrapped.extend([0x30 | bytes.u8() & 7, 0xff]);
                    wrapped.extend((body.len() as u16).to_be_bytes());
                    wrapped.extend([0, 0, 0, 1]);
                    17
                }
                6 => {
                    // Geneve (RFC 8926).
                    let options = bytes.take(usize::from(bytes_words(choice)) * 4);
                    let head = [50_002_u16, 6081, (8 + 8 + options.len() + body.len()) as u16, 0];
                    wrapped.extend(head.into_iter().flat_map(u16::to_be_bytes));
                    wrapped.extend([(options.len() / 4) as u8, 0]);
                    wrapped.extend(u16::to_be_bytes(inner));
                    wrapped.extend([0, 0, 1, 0]);
                    wrapped.extend(options);
                    17
                }
                7 => {
                    // UDP of any port before it.
                    wrapped.extend(udp(bytes, &body));
                    body.clear();
                    17
                }
                _ => bytes.u8(),
            };
            wrapped.extend(&body);
            body = wrapped;
        }
        (inner, body) = match is_four {
            true => (0x0800, ipv4(bytes, protocol, &body)),
            false => (0x86dd, ipv6(bytes, protocol, &body)),
        };
    }
    (inner, body)
}

fn bytes_words(choice: u8) -> u8 {
    choice >> 5
}

/// A frame of the link with that packet.
pub(crate) fn frame(bytes: &mut Bytes<'_>, link: (u16, Option<usize>), (kind, packet): (u16, Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::new();
    let choice = bytes.u8();
    match link {
        (1 | 113, Some(length)) => {
            frame.extend([2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0, 0].into_iter().take(length));
            match choice {
                // VLANs (802.1Q, 802.1ad), MPLS, PPPoE, LLC, a type of chance.
                0..32 => frame.extend([0x81, 0, 0, 5]),
                32..48 => frame.extend([0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]),
                48..56 => frame.extend([0x88, 0x47, 0, 1, 0x01, 64]),
                56..64 => {
                    frame.extend([0x88, 0x64, 0x11, 0, 0, 1]);
                    frame.extend((packet.len() as u16 + 2).to_be_bytes());
                    frame.extend([0, if kind == 0x0800 { 0x21 } else { 0x57 }]);
                }
                64..68 => frame.extend(bytes.take(6)),
                _ => {}
            }
            if !(48..68).contains(&choice) {
                frame.extend(kind.to_be_bytes());
            }
        }
        (0 | 108, _) => frame.extend(if kind == 0x0800 { [2, 0, 0, 0] } else { [0, 0, 0, 30] }),
        (276, _) => {
            frame.extend(kind.to_be_bytes());
            frame.extend([0; 18]);
        }
        (9, _) => frame.extend([0xff, 3, 0, if kind == 0x0800 { 0x21 } else { 0x57 }]),
        (104, _) => {
            frame.extend([0x0f, 0]);
            frame.extend(kind.to_be_bytes());
        }
        (105 | 127, _) => {
            if link.0 == 127 {
                frame.extend([0, 0, 8, 0, 0, 0, 0, 0]);
            }
            // A data frame of 802.11 with LLC and SNAP.
            frame.extend([8, choice & 3]);
            frame.extend([0; 22]);
            frame.extend([0xaa, 0xaa, 3, 0, 0, 0]);
            frame.extend(kind.to_be_bytes());
        }
        (109 | 107 | 50 | 51 | 147, _) => frame.extend(bytes.take(usize::from(choice & 31))),
        _ => {}
    }
    frame.extend(packet);
    if choice > 248 && !frame.is_empty() {
        let at = usize::from(bytes.u16()) % frame.len();
        frame[at] = bytes.u8();
    }
    frame
}
