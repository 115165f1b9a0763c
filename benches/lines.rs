//! Netfilter LOG lines per second: through the reader of one line, and through the whole of `read_lines`.

use std::any::Any;
use std::hint::black_box;

use coincident::evidence::{Anomaly, EvidenceId, Input};
use coincident::formats::{Sink, registry};
use coincident::model::{Episode, EpisodeText, Observation, Step, StepResult};
use coincident::time::{Instant, TimeContext, YearSource, ZoneSource};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Counts, and looks at every observation, so that none is optimised away.
#[derive(Default)]
struct Counter {
    records: u64,
    unread: u64,
}

impl Sink for Counter {
    fn record(&mut self) {
        self.records += 1;
    }

    fn unread(&mut self, _record: u64, _reason: &str, _example: &[u8]) {
        self.unread += 1;
    }

    fn observation(&mut self, observation: &Observation<'_>) {
        black_box(observation);
    }

    fn episode(&mut self, _episode: Episode) {}
    fn step(&mut self, _step: Step) {}
    fn result(&mut self, _result: StepResult) {}
    fn text(&mut self, _text: EpisodeText) {}
    fn anomaly(&mut self, _anomaly: Anomaly) {}

    fn fork(&self) -> Box<dyn Sink> {
        Box::new(Counter::default())
    }

    fn join(&mut self, fork: Box<dyn Sink>) {
        if let Ok(fork) = fork.into_any().downcast::<Counter>() {
            self.records += fork.records;
            self.unread += fork.unread;
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const LINES: usize = 200_000;

/// Lines of the usual length (about 230 bytes), with varied addresses, ports, times and prefixes.
fn log(stamp: impl Fn(usize) -> String) -> Vec<u8> {
    let mut log = Vec::new();
    for n in 0..LINES {
        let prefix = ["[UFW BLOCK] ", "EGRESS DROP ", "[WAN_OUT-2000-A]", "FINAL_REJECT: "][n % 4];
        let line = format!(
            "{} train-07 kernel: [{:>5}.{:06}] {prefix}IN= OUT=eth0 SRC=10.20.{}.{} DST=203.0.113.{} LEN=60 TOS=0x00 \
             PREC=0x00 TTL=64 ID={} DF PROTO=TCP SPT={} DPT={} WINDOW=64240 RES=0x00 SYN URGP=0 UID=1000 GID=1000 \n",
            stamp(n),
            n / 1000,
            n % 1_000_000,
            n % 7,
            n % 251,
            n % 255,
            n % 65_536,
            1024 + n % 60_000,
            [443, 3333, 22, 8080][n % 4],
        );
        log.extend_from_slice(line.as_bytes());
    }
    log
}

fn lines(criterion: &mut Criterion) {
    let traditional = log(|n| format!("Nov 20 {:02}:{:02}:{:02}", n / 3600 % 24, n / 60 % 60, n % 60));
    let iso = log(|n| format!("2026-11-20T{:02}:{:02}:{:02}.123456+00:00", n / 3600 % 24, n / 60 % 60, n % 60));
    let neighbour =
        TimeContext { year: YearSource::NearestTo(Instant(1_795_185_286_000_000_000)), ..TimeContext::default() };
    let zone = TimeContext { zone: ZoneSource::Declared(chrono_tz::Tz::Asia__Shanghai), ..neighbour.clone() };
    let iptables = registry::by_id("iptables").expect("listed");
    let mut group = criterion.benchmark_group("netfilter");
    group.throughput(Throughput::Elements(LINES as u64));
    group.sample_size(20);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for (name, log, time) in [
            ("rfc3164", &traditional, TimeContext::default()),
            ("rfc3164, year from a neighbour", &traditional, neighbour.clone()),
            ("rfc3164, declared zone", &traditional, zone.clone()),
            ("iso", &iso, TimeContext::default()),
        ] {
            group.bench_function(format!("{name}, {threads} threads"), |bencher| {
                bencher.iter_batched(
                    || Input::from_bytes("firewall.log", log.clone(), EvidenceId(0)),
                    |mut input| {
                        let mut sink = Counter::default();
                        pool.install(|| iptables.read(&mut input, &time, &mut sink)).expect("readable");
                        assert_eq!((sink.records, sink.unread), (LINES as u64, 0));
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    // From a file, hashed on the way.
    let folder = tempfile::tempdir().expect("temporary directory");
    let path = folder.path().join("firewall.log");
    std::fs::write(&path, &traditional).expect("written");
    group.bench_function("rfc3164, from a file with its hash", |bencher| {
        bencher.iter(|| {
            let mut input = Input::open("firewall.log", &path, EvidenceId(0)).expect("opened");
            let mut sink = Counter::default();
            iptables.read(&mut input, &TimeContext::default(), &mut sink).expect("readable");
            black_box(input.finish());
        });
    });
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
