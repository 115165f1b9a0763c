//! A story as packets in a capture file, Ethernet, microseconds.
//!
//! Layers by RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP), RFC 1035 (DNS), RFC 8446 (TLS hellos), RFC 4253 (SSH); mining as
//! Monero pools speak it (JSON lines over TCP).

use std::net::Ipv4Addr;

use super::recipe::Recipe;
use super::story::{Flow, Moment, RESOLVER, Speech, Story, seconds};
use super::translated::Side;
use crate::stats::random::Random;
use crate::time::Instant;

/// Magic number of a capture with microseconds, little-endian; version 2.4; no zone; whole packets; Ethernet.
const HEADER: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
/// Way to a peer outside and back.
const ROUND_TRIP: f64 = 0.02;

/// The bytes of the capture file.
pub(super) fn write(recipe: &Recipe, story: &Story, began: Instant, random: &mut Random) -> Vec<u8> {
    let mut packets: Vec<(Moment, Vec<u8>)> = Vec::new();
    for flow in &story.flows {
        let flow = &recipe.seen(flow, Side::Capture);
        if let Some(name) = &flow.name {
            lookup(flow, name, &mut packets, random);
        }
        stream(flow, began, &mut packets, random);
    }
    packets.sort();
    let mut file = HEADER.to_vec();
    for (at, frame) in packets {
        let stamp = began.0 + at;
        let (sec, micros) = (stamp.div_euclid(1_000_000_000), stamp.rem_euclid(1_000_000_000) / 1000);
        for field in [sec as u32, micros as u32, frame.len() as u32, frame.len() as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Question and answer, over before the connection begins.
fn lookup(flow: &Flow, name: &str, packets: &mut Vec<(Moment, Vec<u8>)>, random: &mut Random) {
    let id = (random.next_u64() as u16).to_be_bytes();
    let port = 32_768 + random.below(28_000) as u16;
    let mut question = Vec::new();
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let message = |flags: [u8; 2], answers: u8| [&id[..], &flags, &[0, 1, 0, answers, 0, 0, 0, 0], &question].concat();
    let mut answer = message([0x81, 0x80], 1);
    answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend(flow.dst.octets());
    let asked = flow.at - seconds(0.012);
    packets.push((asked, datagram(flow.src, port, RESOLVER, 53, &message([1, 0], 0))));
    packets.push((asked + seconds(0.004), datagram(RESOLVER, 53, flow.src, port, &answer)));
}

fn stream(flow: &Flow, began: Instant, packets: &mut Vec<(Moment, Vec<u8>)>, random: &mut Random) {
    let mut wire = Wire { flow, sent: [random.next_u64() as u32, random.next_u64() as u32], packets };
    wire.segment(0, 0, SYN, &[]);
    if flow.speech == Speech::Refused {
        wire.segment(seconds(0.001), 1, RST | ACK, &[]);
        return;
    }
    wire.segment(seconds(ROUND_TRIP), 1, SYN | ACK, &[]);
    let mut at = seconds(ROUND_TRIP) + 50_000;
    wire.segment(at, 0, ACK, &[]);
    for (after, side, bytes) in dialogue(flow, began, random) {
        at = at.max(after);
        for part in bytes.chunks(1400) {
            wire.segment(at, side, PSH | ACK, part);
            at += 30_000;
        }
    }
    at = at.max(flow.lasts);
    wire.segment(at, 0, FIN | ACK, &[]);
    wire.segment(at + seconds(ROUND_TRIP), 1, FIN | ACK, &[]);
    wire.segment(at + seconds(ROUND_TRIP) + 50_000, 0, ACK, &[]);
}

/// What is said: when after the beginning, by which side (0 opened it), what.
fn dialogue(flow: &Flow, began: Instant, random: &mut Random) -> Vec<(Moment, usize, Vec<u8>)> {
    let name = flow.name.clone().unwrap_or_default();
    match &flow.speech {
        Speech::Refused => Vec::new(),
        Speech::Http { path } => {
            let body = vec![b'x'; 200 + random.below(6000) as usize];
            let date = chrono::DateTime::from_timestamp_nanos(began.0 + flow.at + seconds(ROUND_TRIP));
            let head = format!(
                "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: {}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Length: {}\r\n\r\n",
                date.format("%a, %d %b %Y %H:%M:%S GMT"),
                body.len()
            );
            let ask = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n");
            let answered = seconds(2.0 * ROUND_TRIP);
            vec![(0, 0, ask.into_bytes()), (answered, 1, [head.into_bytes(), body].concat())]
        }
        Speech::Post { path, body } => {
            let ask = format!(
                "POST {path} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: python-requests/2.31.0\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                flow.dst,
                flow.dst_port,
                body.len()
            );
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
            vec![(0, 0, ask.into_bytes()), (seconds(2.0 * ROUND_TRIP), 1, answer.as_bytes().to_vec())]
        }
        Speech::Tls => {
            let mut all =
                vec![(0, 0, client_hello(&name, random)), (seconds(2.0 * ROUND_TRIP), 1, server_hello(random))];
            all.push((seconds(2.0 * ROUND_TRIP), 1, sealed(1500 + random.below(2500), random)));
            all.push((seconds(3.0 * ROUND_TRIP), 0, sealed(300 + random.below(400), random)));
            all.push((seconds(4.0 * ROUND_TRIP), 1, sealed(500 + random.below(9000), random)));
            all
        }
        Speech::Stratum { wallet } => mining(flow, wallet, random),
        Speech::Ssh => ssh(flow, random),
    }
}

fn mining(flow: &Flow, wallet: &str, random: &mut Random) -> Vec<(Moment, usize, Vec<u8>)> {
    let hex = |random: &mut Random, bytes: usize| -> String {
        (0..bytes).map(|_| format!("{:02x}", random.next_u64() as u8)).collect()
    };
    let job = |random: &mut Random| {
        let (blob, id) = (hex(random, 76), hex(random, 8));
        format!(
            r#"{{"blob":"1010{blob}","job_id":"{id}","target":"b88d0600","height":3541290,"seed_hash":"{}","algo":"rx/0"}}"#,
            hex(random, 32)
        )
    };
    let login = format!(
        r#"{{"id":1,"jsonrpc":"2.0","method":"login","params":{{"login":"{wallet}","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0","algo":["rx/0","cn/r"]}}}}"#
    );
    let session = hex(random, 8);
    let accepted = format!(
        r#"{{"id":1,"jsonrpc":"2.0","error":null,"result":{{"id":"{session}","job":{},"extensions":["algo"],"status":"OK"}}}}"#,
        job(random)
    );
    let mut all = vec![(0, 0, login), (seconds(2.0 * ROUND_TRIP), 1, accepted)];
    let (mut at, mut id) = (2.0 + random.exponential(12.0), 2);
    while seconds(at) < flow.lasts - seconds(0.5) {
        let share = format!(
            r#"{{"id":{id},"jsonrpc":"2.0","method":"submit","params":{{"id":"{session}","job_id":"{}","nonce":"{}","result":"{}"}}}}"#,
            hex(random, 8),
            hex(random, 4),
            hex(random, 32)
        );
        all.push((seconds(at), 0, share));
        all.push((
            seconds(at + ROUND_TRIP),
            1,
            format!(r#"{{"id":{id},"jsonrpc":"2.0","error":null,"result":{{"status":"OK"}}}}"#),
        ));
        at += 1.0 + random.exponential(15.0);
        id += 1;
    }
    all.into_iter().map(|(at, side, line)| (at, side, format!("{line}\n").into_bytes())).collect()
}

fn ssh(flow: &Flow, random: &mut Random) -> Vec<(Moment, usize, Vec<u8>)> {
    let banner = |side: usize| (0, side, format!("SSH-2.0-OpenSSH_9.{}p1\r\n", side + 2).into_bytes());
    let mut all = vec![banner(0), banner(1)];
    all.extend((0..2).map(|side| (seconds(ROUND_TRIP), side, kex_init(random))));
    // Encrypted from here on: key exchange and login, then a keepalive each 15 s.
    for (turn, size) in [(0, 1208), (1, 560), (0, 44), (1, 44), (0, 60), (1, 52), (0, 500), (1, 28), (0, 96), (1, 44)] {
        let bytes = (0..size).map(|_| random.next_u64() as u8).collect();
        all.push((seconds(0.1), turn, bytes));
    }
    let mut at = 15.0;
    while seconds(at) < flow.lasts {
        for (side, size) in [(1, 52), (0, 36)] {
            all.push((seconds(at), side, (0..size).map(|_| random.next_u64() as u8).collect()));
        }
        at += 15.0;
    }
    all
}

fn kex_init(random: &mut Random) -> Vec<u8> {
    let lists = [
        "curve25519-sha256",
        "ssh-ed25519",
        "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
        "umac-128-etm@openssh.com",
        "umac-128-etm@openssh.com",
        "none",
        "none",
        "",
        "",
    ];
    let mut payload = vec![20];
    payload.extend((0..16).map(|_| random.next_u64() as u8));
    for list in lists {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let mut packet = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend(payload);
    packet.extend(std::iter::repeat_n(0, padding));
    packet
}

fn client_hello(name: &str, random: &mut Random) -> Vec<u8> {
    let mut extensions = Vec::new();
    let list = [&[0][..], &(name.len() as u16).to_be_bytes(), name.as_bytes()].concat();
    extensions.extend(extension(0, &[&(list.len() as u16).to_be_bytes()[..], &list].concat()));
    extensions.extend(extension(10, &[0, 4, 0, 29, 0, 23]));
    extensions.extend(extension(13, &[0, 4, 4, 3, 8, 4]));
    extensions.extend(extension(16, &[0, 9, 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1']));
    extensions.extend(extension(43, &[4, 3, 4, 3, 3]));
    let ciphers = [0, 8, 0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2f];
    hello(1, &[&[0][..], &ciphers, &[1, 0], &(extensions.len() as u16).to_be_bytes(), &extensions].concat(), random)
}

fn server_hello(random: &mut Random) -> Vec<u8> {
    let extensions = extension(43, &[3, 4]);
    hello(2, &[&[0, 0x13, 1, 0][..], &(extensions.len() as u16).to_be_bytes(), &extensions].concat(), random)
}

fn hello(kind: u8, rest: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend((0..32).map(|_| random.next_u64() as u8));
    body.extend(rest);
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[kind, length[1], length[2], length[3]][..], &body].concat();
    [&[0x16, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn sealed(length: u64, random: &mut Random) -> Vec<u8> {
    let mut record = vec![0x17, 3, 3];
    record.extend((length as u16).to_be_bytes());
    record.extend((0..length).map(|_| random.next_u64() as u8));
    record
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Both directions of one connection: what each side has sent so far.
struct Wire<'a> {
    flow: &'a Flow,
    sent: [u32; 2],
    packets: &'a mut Vec<(Moment, Vec<u8>)>,
}

impl Wire<'_> {
    /// A segment of a side (0 opened it), so long after the beginning.
    fn segment(&mut self, after: Moment, side: usize, flags: u8, data: &[u8]) {
        let acknowledged = if flags & ACK != 0 { self.sent[1 - side] } else { 0 };
        let ends = [(self.flow.src, self.flow.src_port), (self.flow.dst, self.flow.dst_port)];
        let ((src, src_port), (dst, dst_port)) = (ends[side], ends[1 - side]);
        let mut tcp = Vec::with_capacity(20 + data.len());
        tcp.extend(src_port.to_be_bytes());
        tcp.extend(dst_port.to_be_bytes());
        tcp.extend(self.sent[side].to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        tcp.extend(data);
        let sum = transport_checksum(src, dst, 6, &tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.packets.push((self.flow.at + after, frame(src, dst, 6, &tcp)));
        let counted = data.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.sent[side] = self.sent[side].wrapping_add(counted);
    }
}

fn datagram(src: Ipv4Addr, src_port: u16, dst: Ipv4Addr, dst_port: u16, data: &[u8]) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8 + data.len());
    udp.extend(src_port.to_be_bytes());
    udp.extend(dst_port.to_be_bytes());
    udp.extend((8 + data.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(data);
    let sum = transport_checksum(src, dst, 17, &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    frame(src, dst, 17, &udp)
}

fn frame(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0x42, 10, 0, 0, 1, 2, 0x42, 10, 0, 0, 2, 8, 0];
    let length = (20 + payload.len() as u16).to_be_bytes();
    let mut ip = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    ip.extend(src.octets());
    ip.extend(dst.octets());
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    frame.extend(payload);
    frame
}

fn transport_checksum(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, segment: &[u8]) -> u16 {
    let length = (segment.len() as u16).to_be_bytes();
    checksum(&[&src.octets(), &dst.octets(), &[0, protocol], &length, segment])
}

/// RFC 1071, over parts of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
