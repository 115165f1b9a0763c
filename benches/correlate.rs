//! How `analyze` grows with connections and steps: a made-up day of many agents, much benign traffic, some miners,
//! refused peers. Times should grow about in line with the sizes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;

use coincident::correlate;
use coincident::detect::rules::RuleSet;
use coincident::evidence::{EvidenceId, Record};
use coincident::formats::Kind;
use coincident::intake::{CaseFile, DnsFact, Host, Intake, Options, Run, Source};
use coincident::model::{
    Conversation, ConversationKey, ConversationStart, Endpoint, EndpointKind, Episode, Protocol, Segment, Step,
};
use coincident::time::{Basis, Instant, SECOND, Span, YearSource};
use criterion::{BenchmarkId, Criterion, criterion_group};

const DAY_S: i64 = 86_400;
const HOSTS: u32 = 20;
/// 2026-11-20T00:00:00Z.
const START_S: i64 = 1_795_132_800;

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn source(path: &str, kind: Kind, records: u64) -> Source {
    Source {
        path: path.to_owned(),
        sha256: String::new(),
        bytes: 1,
        format: Some("made-up"),
        kind: Some(kind),
        compression: "",
        record_unit: "record",
        reason: String::new(),
        runner_up: None,
        records,
        unread: 0,
        unread_reasons: Vec::new(),
        first: Some(Instant(START_S * SECOND)),
        last: Some(Instant((START_S + DAY_S) * SECOND)),
        basis: Some(Basis::ExplicitOffset),
        declared_zone: false,
        declared_offset_ns: 0,
        year: YearSource::Unknown,
        boots: Vec::new(),
        failure: None,
    }
}

fn agent(host: u32) -> IpAddr {
    IpAddr::from([10, 20, 0, host as u8 + 1])
}

fn key(evidence: EvidenceId, src: IpAddr, (dst, port): (IpAddr, u16)) -> ConversationKey {
    ConversationKey { evidence, src: Some(src), dst: Some(dst), dst_port: Some(port), protocol: Some(Protocol::TCP) }
}

fn mirror(number: u64) -> (String, IpAddr) {
    let address = IpAddr::from([203, 0, (number / 250) as u8, (number % 250) as u8 + 1]);
    (format!("mirror-{number}.example"), address)
}

fn segment(first: Instant, starts: Vec<ConversationStart>, record: u64, refused: bool) -> Segment {
    let last = starts.iter().map(|start| start.last).max().unwrap_or(first);
    let mut segment = Segment::empty(first, last, Basis::ExplicitOffset, record);
    segment.observations = starts.len() as u64;
    segment.denied = if refused { starts.len() as u64 } else { 0 };
    segment.answered = u64::from(!refused);
    segment.failed = u64::from(refused);
    segment.bytes_out.add(Some(1000));
    segment.bytes_in.add(Some(1000));
    segment.starts = starts.into();
    segment
}

/// `conversations` with 6.4 connections each on average; every call has its own connection beside them.
fn day(conversations: usize, steps: usize, refused_in: u64) -> (Intake, Options) {
    let mut numbers = Numbers(7);
    let mut intake = Intake::default();
    let mut names: BTreeMap<String, IpAddr> = BTreeMap::new();
    let mut all: BTreeMap<ConversationKey, Vec<ConversationStart>> = BTreeMap::new();
    let mut record = 0;
    intake.sources = vec![source("capture.pcap", Kind::Capture, 1_000_000)];
    let capture = EvidenceId(0);
    let key = |host: u32, dst: IpAddr, port: u16| key(capture, agent(host), (dst, port));
    for at in 0..steps {
        let host = (at % HOSTS as usize) as u32;
        let id = format!("transcripts/host-{host}.jsonl");
        if at < HOSTS as usize {
            intake.sources.push(source(&id, Kind::Transcript, steps as u64));
            intake.episodes.push(Episode { id: id.clone(), name: format!("host-{host}"), ..Episode::default() });
        }
        let index = (at / HOSTS as usize) as i64;
        let pause = DAY_S * i64::from(HOSTS) / steps as i64;
        let start = Instant((START_S + index * pause) * SECOND + numbers.below(SECOND as u64) as i64);
        let end = start.plus(20 * SECOND);
        let mines = numbers.below(50) == 0;
        let (name, dst) = mirror(numbers.below(1000));
        let (command, dst, port) = match (mines, numbers.below(4)) {
            (true, _) => {
                let pool = format!("pool-{}.example", numbers.below(9));
                let dst = IpAddr::from([198, 51, 100, numbers.below(9) as u8 + 1]);
                names.insert(pool.clone(), dst);
                (format!("nohup ./xmrig -o {pool}:3333 -u wallet &"), dst, 3333)
            }
            (false, 0) => ("ls -la && git status".to_owned(), dst, 443),
            (false, _) => {
                names.insert(name.clone(), dst);
                (format!("curl -sSf https://{name}/simple/numpy/ -o page.html"), dst, 443)
            }
        };
        record += 1;
        let began = start.plus(SECOND + numbers.below(SECOND as u64) as i64);
        let connection =
            ConversationStart { at: began, src_port: numbers.below(60_000) as u16, record, last: began.plus(SECOND) };
        all.entry(key(host, dst, port)).or_default().push(connection);
        let endpoint = |at: Instant, kind| Some(Endpoint { span: Span::at(at, Basis::ExplicitOffset), kind });
        intake.steps.push(Step {
            index: index as u32,
            start: endpoint(start, EndpointKind::CallRecorded),
            end: endpoint(end, EndpointKind::ResultRecorded),
            arguments: "{}".to_owned(),
            command: Some(command),
            exit_code: Some(0),
            ..Step::new(
                &id,
                (index as u64, 0),
                Record { evidence: EvidenceId(host + 1), number: index as u64 + 1 },
                "Bash",
            )
        });
    }
    let mut refused = std::collections::BTreeSet::new();
    for _ in 0..conversations {
        let host = numbers.below(u64::from(HOSTS)) as u32;
        let dst = IpAddr::from((numbers.below(1 << 24) as u32 | 0x2000_0000).to_be_bytes());
        let key = key(host, dst, [80, 443, 8443, 22][numbers.below(4) as usize]);
        if numbers.below(1000) < refused_in {
            refused.insert(key);
        }
        let first = START_S * SECOND + numbers.below((DAY_S * SECOND) as u64 - 1) as i64;
        for n in 0..(3 + numbers.below(8)) as i64 {
            record += 1;
            let at = Instant(first + n * 7 * SECOND);
            let src_port = numbers.below(60_000) as u16;
            all.entry(key).or_default().push(ConversationStart { at, src_port, record, last: at.plus(SECOND) });
        }
    }
    let mut conversations = Vec::new();
    for (key, mut starts) in all {
        starts.sort();
        let mut segments: Vec<Segment> = Vec::new();
        for stretch in starts.chunk_by(|a, b| b.at.since(a.at) <= 300 * SECOND) {
            for part in stretch.chunks(Segment::STARTS_KEPT) {
                segments.push(segment(part[0].at, part.to_vec(), part[0].record, refused.contains(&key)));
            }
        }
        conversations.push(Conversation { key, segments: segments.into() });
    }
    intake.conversations = conversations.into();
    intake.steps.sort_by(|a, b| (&a.episode, a.order).cmp(&(&b.episode, b.order)));
    intake.episodes.sort_by(|a, b| a.id.cmp(&b.id));
    intake.facts.dns = resolved(names, capture);
    let mut case = CaseFile::default();
    for host in 0..HOSTS {
        let name = format!("train-{host}");
        case.hosts.push(Host { name: name.clone(), addresses: vec![agent(host).into()], agent: Some(true) });
        if let Ok(transcripts) = coincident::intake::Pattern::new(&format!("transcripts/host-{host}.jsonl")) {
            case.runs.push(Run {
                name: name.clone(),
                transcripts,
                host: Some(name.clone()),
                image: None,
                volumes: Vec::new(),
                reward_config: None,
                checkpoint: None,
                rollouts: None,
            });
        }
    }
    for episode in &mut intake.episodes {
        let run = case.run_of(episode.path());
        (episode.run, episode.host) = (run.map(|run| run.name.clone()), run.and_then(|run| run.host.clone()));
    }
    (intake, Options { case, ..Options::default() })
}

fn growth(criterion: &mut Criterion) {
    let rules = RuleSet::embedded();
    let mut group = criterion.benchmark_group("analyze");
    group.sample_size(10);
    for (conversations, steps) in [(5_000, 500), (20_000, 1_000), (100_000, 5_000)] {
        for refused_in in [0, 50] {
            let (intake, options) = day(conversations, steps, refused_in);
            let id = BenchmarkId::new(format!("{conversations} conversations, {refused_in} ‰ refused"), steps);
            group.bench_function(id, |bencher| {
                bencher.iter(|| black_box(correlate::analyze(&intake, &options, &rules)));
            });
        }
    }
    group.finish();
}

/// Hosts, episodes and steps of the large day. Every host has ten episodes, one after the other.
const MANY_HOSTS: u32 = 1000;
const EPISODES: u32 = 10_000;
const STEPS: u32 = 200_000;

/// The large day: `conversations` of one connection each beside those of the steps, of which one in fifty starts a miner.
/// Nothing is made but what is kept, so that memory is that of the evidence.
fn large_day(conversations: usize) -> (Intake, Options) {
    let mut numbers = Numbers(7);
    let mut intake = Intake::default();
    let mut case = CaseFile::default();
    let capture = EvidenceId(0);
    intake.sources.push(source("capture.pcap", Kind::Capture, 1_000_000));
    let agent = |host: u32| IpAddr::from([10, 20, (host / 250) as u8, (host % 250) as u8 + 1]);
    let key = |host: u32, dst: IpAddr, port: u16| key(capture, agent(host), (dst, port));
    let mut record = 0;
    let mut start = |at: Instant, port: u64| {
        record += 1;
        ConversationStart { at, src_port: port as u16, record, last: at.plus(SECOND) }
    };
    let mut of_steps: BTreeMap<ConversationKey, Vec<ConversationStart>> = BTreeMap::new();
    let mut names: BTreeMap<String, IpAddr> = BTreeMap::new();
    let (per_host, steps) = (EPISODES / MANY_HOSTS, STEPS / EPISODES);
    for host in 0..MANY_HOSTS {
        let name = format!("train-{host:04}");
        case.hosts.push(Host { name: name.clone(), addresses: vec![agent(host).into()], agent: Some(true) });
        for episode in 0..per_host {
            let id = format!("transcripts/{name}/ep-{episode}.jsonl");
            let evidence = EvidenceId(intake.sources.len() as u32);
            intake.sources.push(source(&id, Kind::Transcript, u64::from(steps)));
            let named = Episode { id: id.clone(), name: format!("{name}/{episode}"), ..Episode::default() };
            intake.episodes.push(Episode { host: Some(name.clone()), run: Some(format!("run-{}", host % 8)), ..named });
            for index in 0..steps {
                let nth = i64::from(episode * steps + index);
                let pause = DAY_S / i64::from(per_host * steps);
                let begin = Instant((START_S + nth * pause) * SECOND + numbers.below(SECOND as u64) as i64);
                let pool = numbers.below(9);
                let (mirror_name, mirror_address) = mirror(numbers.below(1000));
                let (command, peer, port) = if numbers.below(50) == 0 {
                    let (name, dst) = (format!("pool-{pool}.example"), IpAddr::from([198, 51, 100, pool as u8 + 1]));
                    names.insert(name.clone(), dst);
                    (format!("nohup ./xmrig -o {name}:3333 -u wallet &"), dst, 3333)
                } else if numbers.below(4) == 0 {
                    ("ls -la && git status".to_owned(), mirror_address, 443)
                } else {
                    names.insert(mirror_name.clone(), mirror_address);
                    (format!("curl -sSf https://{mirror_name}/simple/numpy/ -o page.html"), mirror_address, 443)
                };
                let began = begin.plus(SECOND + numbers.below(SECOND as u64) as i64);
                of_steps.entry(key(host, peer, port)).or_default().push(start(began, numbers.below(60_000)));
                let endpoint = |at: Instant, kind| Some(Endpoint { span: Span::at(at, Basis::ExplicitOffset), kind });
                intake.steps.push(Step {
                    index,
                    start: endpoint(begin, EndpointKind::CallRecorded),
                    end: endpoint(begin.plus(20 * SECOND), EndpointKind::ResultRecorded),
                    arguments: "{}".to_owned(),
                    command: Some(command),
                    exit_code: Some(0),
                    ..Step::new(&id, (u64::from(index), 0), Record { evidence, number: u64::from(index) + 1 }, "Bash")
                });
            }
        }
    }
    let mut all = Vec::with_capacity(conversations + of_steps.len());
    let one = |start: ConversationStart| segment(start.at, vec![start], start.record, false);
    for nth in 0..conversations {
        let host = numbers.below(u64::from(MANY_HOSTS)) as u32;
        // Each its own peer.
        let dst = IpAddr::from((0x2000_0000 + nth as u32).to_be_bytes());
        let at = Instant(START_S * SECOND + numbers.below((DAY_S * SECOND) as u64) as i64);
        let segments = std::iter::once(one(start(at, numbers.below(60_000)))).collect();
        all.push(Conversation { key: key(host, dst, [80, 443, 8443, 22][nth % 4]), segments });
    }
    for (key, mut starts) in of_steps {
        starts.sort();
        let alone = starts.into_iter().map(one).collect::<Vec<_>>();
        all.push(Conversation { key, segments: alone.into() });
    }
    all.sort_unstable_by_key(|conversation| conversation.key);
    intake.conversations = all.into();
    intake.facts.dns = resolved(names, capture);
    (intake, Options { case, omit_conversations: true, ..Options::default() })
}

/// What the resolver answered, as the capture shows it.
fn resolved(names: impl IntoIterator<Item = (String, IpAddr)>, capture: EvidenceId) -> Vec<DnsFact> {
    let record = Record { evidence: capture, number: 1 };
    let fact = |(name, address)| DnsFact { name, address, client: None, first: None, record, count: 1 };
    names.into_iter().map(fact).collect()
}

/// A line of `/proc/self/status` in MiB.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// `--scale N`: the large day with N conversations, once, with what it took.
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement of time, printed")]
fn scale(conversations: usize) {
    let (intake, options) = large_day(conversations);
    let evidence = memory("VmRSS");
    let rules = RuleSet::embedded();
    let began = std::time::Instant::now();
    let analysis = black_box(correlate::analyze(&intake, &options, &rules));
    println!(
        "{} conversations, {} steps, {} episodes: {:.2} s, evidence {evidence} MiB, peak {} MiB, {} findings",
        intake.conversations.len(),
        intake.steps.len(),
        intake.episodes.len(),
        began.elapsed().as_secs_f64(),
        memory("VmHWM"),
        analysis.findings.len()
    );
}

criterion_group!(benches, growth);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--scale").and_then(|at| arguments.get(at + 1)?.parse().ok())
    {
        Some(conversations) => scale(conversations),
        None => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
