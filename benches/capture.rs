//! Throughput of the capture readers on captures made in memory: the bytes of a file to conversations in a sink.

use std::any::Any;

use coincident::evidence::{Anomaly, EvidenceId, Input};
use coincident::formats::{Sink, registry};
use coincident::model::{Episode, EpisodeText, Observation, Step, StepResult};
use coincident::time::TimeContext;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Counts, so that the sink costs nothing.
#[derive(Default)]
struct Count {
    records: u64,
    observations: u64,
    anomalies: u64,
}

impl Sink for Count {
    fn record(&mut self) {
        self.records += 1;
    }
    fn unread(&mut self, _record: u64, _reason: &str, _example: &[u8]) {}
    fn observation(&mut self, _observation: &Observation<'_>) {
        self.observations += 1;
    }
    fn episode(&mut self, _episode: Episode) {}
    fn step(&mut self, _step: Step) {}
    fn result(&mut self, _result: StepResult) {}
    fn text(&mut self, _text: EpisodeText) {}
    fn anomaly(&mut self, _anomaly: Anomaly) {
        self.anomalies += 1;
    }
    fn fork(&self) -> Box<dyn Sink> {
        Box::new(Count::default())
    }
    fn join(&mut self, _fork: Box<dyn Sink>) {}
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A pcap of Ethernet frames, in little-endian microseconds.
struct Capture {
    bytes: Vec<u8>,
    at: u64,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(60 << 20);
        for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
            bytes.extend(word.to_le_bytes());
        }
        Capture { bytes, at: 1_795_184_026_000_000 }
    }

    fn packet(&mut self, src: [u8; 4], dst: [u8; 4], protocol: u8, transport: &[u8], payload: &[u8]) {
        self.at += 20;
        let ip = 20 + transport.len() + payload.len();
        let frame = (14 + ip) as u32;
        for word in [(self.at / 1_000_000) as u32, (self.at % 1_000_000) as u32, frame, frame] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]);
        self.bytes.extend((ip as u16).to_be_bytes());
        self.bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
        self.bytes.extend(src);
        self.bytes.extend(dst);
        self.bytes.extend(transport);
        self.bytes.extend(payload);
    }
}

struct Flow {
    client: [u8; 4],
    server: [u8; 4],
    ports: (u16, u16),
    sent: u32,
    got: u32,
}

impl Flow {
    fn segment(&mut self, capture: &mut Capture, out: bool, flags: u8, payload: &[u8]) {
        let (src, dst, from, to) = if out {
            (self.client, self.server, self.ports.0, self.ports.1)
        } else {
            (self.server, self.client, self.ports.1, self.ports.0)
        };
        let (sequence, acknowledged) = if out { (self.sent, self.got) } else { (self.got, self.sent) };
        let mut header = Vec::with_capacity(20);
        header.extend(from.to_be_bytes());
        header.extend(to.to_be_bytes());
        header.extend(sequence.to_be_bytes());
        header.extend(acknowledged.to_be_bytes());
        header.extend([0x50, flags, 255, 255, 0, 0, 0, 0]);
        capture.packet(src, dst, 6, &header, payload);
        let step = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        if out {
            self.sent = self.sent.wrapping_add(step);
        } else {
            self.got = self.got.wrapping_add(step);
        }
    }
}

/// `flows` at a time: requests of 300 bytes, answers in `answer` bytes a segment, an acknowledgement for every second
/// one, every fiftieth answer out of order, a DNS exchange in front of every connection.
fn synthesise(size: usize, flows: u32, answer: usize) -> Vec<u8> {
    let mut capture = Capture::new();
    let content: Vec<u8> = (0..answer).map(|at| (at * 31 % 251) as u8).collect();
    let mut next = 0_u32;
    while capture.bytes.len() < size {
        let mut live: Vec<Flow> = (0..flows)
            .map(|_| {
                next += 1;
                let [_, a, b, c] = next.to_be_bytes();
                Flow {
                    client: [10, a, b, c],
                    server: [203, 0, 113, c],
                    ports: (32_768 + (next % 28_000) as u16, 443),
                    sent: 1,
                    got: 1,
                }
            })
            .collect();
        for flow in &mut live {
            let mut dns = flow.ports.0.to_be_bytes().to_vec();
            dns.extend([0, 53, 0, 40, 0, 0]);
            capture.packet(flow.client, [10, 0, 0, 1], 17, &dns, &content[..32.min(answer)]);
            flow.segment(&mut capture, true, SYN, &[]);
            flow.segment(&mut capture, false, SYN | ACK, &[]);
            flow.segment(&mut capture, true, ACK, &[]);
        }
        for round in 0..20 {
            for flow in &mut live {
                flow.segment(&mut capture, true, ACK, &content[..300.min(answer)]);
                if round % 10 == 9 {
                    // Two segments change places.
                    let first = flow.got;
                    flow.got = first.wrapping_add(answer as u32);
                    flow.segment(&mut capture, false, ACK, &content);
                    let end = flow.got;
                    flow.got = first;
                    flow.segment(&mut capture, false, ACK, &content);
                    flow.got = end;
                } else {
                    flow.segment(&mut capture, false, ACK, &content);
                    flow.segment(&mut capture, false, ACK, &content);
                }
                flow.segment(&mut capture, true, ACK, &[]);
            }
        }
        for flow in &mut live {
            flow.segment(&mut capture, true, FIN | ACK, &[]);
            flow.segment(&mut capture, false, FIN | ACK, &[]);
        }
    }
    capture.bytes
}

fn read(bytes: Vec<u8>) -> u64 {
    let mut input = Input::from_bytes("bench.pcap", bytes, EvidenceId(0));
    let mut sink = Count::default();
    let format = registry::by_id("pcap").expect("the format is registered");
    format.read(&mut input, &TimeContext::default(), &mut sink).expect("memory can be read");
    assert!(sink.records > 0 && sink.observations > 0);
    sink.records + sink.observations + sink.anomalies
}

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pcap");
    group.sample_size(10);
    for (name, flows, answer) in [
        ("1400-byte segments, 500 flows", 500, 1400),
        ("200-byte segments, 5000 flows", 5000, 200),
        ("32 KiB segments", 50, 32_768),
    ] {
        let bytes = synthesise(50 << 20, flows, answer);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter_batched(|| bytes.clone(), read, BatchSize::PerIteration));
    }
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
