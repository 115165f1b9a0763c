use super::*;
use crate::intake::CaseFile;

fn at(second: i64) -> Instant {
    // From 2026-11-20T00:00:00Z on: day 20777 since 1970.
    Instant((20_777 * 86_400 + second) * SECOND)
}

fn allotments(text: &str) -> Vec<GpuAllotment> {
    CaseFile::parse(text, "case.toml").unwrap().gpu.allotments
}

/// One reading a second, each of that load.
fn series(index: Option<u32>, from: i64, loads: &[f32]) -> GpuSeries {
    let points = (from..).zip(loads).map(|(second, load)| GpuPoint {
        utilization_percent: Some(*load),
        ..GpuPoint::empty(at(second), (second - from) as u64 + 2)
    });
    GpuSeries { index, points: points.collect(), ..GpuSeries::new(EvidenceId(0), "GPU-aa".to_owned()) }
}

fn process(name: Option<&str>, first: i64, last: i64) -> GpuProcessFact {
    let span = |second: i64| Some(Span::at(at(second), Basis::DeclaredZone));
    let record = |second: i64| Record { evidence: EvidenceId(1), number: second as u64 };
    GpuProcessFact {
        gpu: "GPU-aa".to_owned(),
        pid: Some(7),
        process: name.map(str::to_owned),
        first: span(first),
        last: span(last),
        first_record: record(first),
        last_record: record(last),
        polls: 3,
        memory_used_max_mib: Some(2000.0),
        accounted_ms: None,
        utilization_percent: None,
    }
}

fn exact(_: EvidenceId, at: Instant) -> Option<(Instant, i64)> {
    Some((at, 0))
}

fn loads(case: &str, series: GpuSeries) -> Vec<Signal> {
    let allotments = allotments(case);
    unallotted_load(&[series], Allotted { allotments: &allotments, clock: &exact, price_per_gpu_hour: None })
}

const MORNING: &str = "[[gpu.allotment]]\ngpu = 0\nfrom = 2026-11-20T00:00:00Z\nto = 2026-11-20T00:01:00Z\n";

#[test]
fn load_after_the_time() {
    // Busy for 80 s from 00:00:00 on, which is 20 s longer than allotted. Readings until 62 s may still tell of the time
    // before 60 s (poll 1 s and latency 1 s); from 63 to 79 s there are 16 s.
    let found = loads(MORNING, series(Some(0), 0, &[95.0; 80]));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind.as_str(), found[0].confidence), ("gpu-unallotted-load", Confidence::Weak));
    assert!(found[0].summary.contains("for 16 of 16 s, up to 95 %"), "{}", found[0].summary);
    assert_eq!(found[0].span.map(|span| (span.lo, span.hi)), Some((at(63), at(79))));
    // 12 s longer: from 63 to 71 s there are 8 s, which is no plateau.
    assert!(loads(MORNING, series(Some(0), 0, &[95.0; 72])).is_empty());
    // A display is no work.
    assert!(loads(MORNING, series(Some(0), 100, &[5.0; 80])).is_empty());
}

#[test]
fn load_on_a_gpu_of_nobody() {
    let found = loads(MORNING, series(Some(1), 0, &[95.0; 30]));
    assert_eq!(found.len(), 1);
    assert!(found[0].summary.contains("GPU 1, which the case allots to nobody"), "{}", found[0].summary);
    // Of a GPU without index it is not known whether it is number 0.
    assert!(loads(MORNING, series(None, 0, &[95.0; 30])).is_empty());
    // Nothing declared, nothing said.
    assert!(loads("", series(Some(1), 0, &[95.0; 30])).is_empty());
}

#[test]
fn processes_outside_of_what_they_were_given() {
    let found = |case: &str, fact: GpuProcessFact| {
        let allotments = allotments(case);
        let allotted = Allotted { allotments: &allotments, clock: &exact, price_per_gpu_hour: None };
        let all = unallotted_processes(&[fact], &[series(Some(0), 0, &[95.0; 80])], allotted, &|_| false);
        all.into_iter().map(|signal| (signal.confidence, signal.summary)).next()
    };
    let trainer = format!("{MORNING}processes = [\"/opt/conda/bin/python3\"]\n");
    assert_eq!(found(&trainer, process(Some("/opt/conda/bin/python3"), 5, 50)), None);
    let (confidence, summary) = found(&trainer, process(Some("./xmrig"), 5, 50)).unwrap();
    assert_eq!(confidence, Confidence::Strong);
    assert!(
        summary.starts_with("GPU 0: pid 7 ./xmrig not allotted this GPU at any time, 3 polls over 45 s"),
        "{summary}"
    );
    let (confidence, summary) = found(&trainer, process(Some("/opt/conda/bin/python3"), 5, 130)).unwrap();
    assert!(confidence == Confidence::Strong && summary.contains("there after the time"), "{summary}");
    // A minute to end in.
    assert_eq!(found(&trainer, process(Some("/opt/conda/bin/python3"), 5, 119)), None);
    // Most of its hours were its own.
    assert!(!summary.contains("GPU-hours"), "{summary}");
    assert!(found(&trainer, process(Some("./xmrig"), 5, 50)).unwrap().1.contains("GPU-hours"));
    // Without a name, or for a moment, it is a lead.
    assert_eq!(found(MORNING, process(None, 200, 250)).unwrap().0, Confidence::Weak);
    assert_eq!(found(MORNING, process(Some("nvidia-smi"), 200, 200)).unwrap().0, Confidence::Weak);
}

#[test]
fn clocks_that_cannot_be_compared_say_nothing_of_times() {
    let allotments = allotments(MORNING);
    let allotted = Allotted { allotments: &allotments, clock: &|_, _| None, price_per_gpu_hour: None };
    let all = [series(Some(0), 500, &[95.0; 80])];
    assert!(unallotted_load(&all, allotted).is_empty());
    assert_eq!(not_compared(&[], &all, allotted), [EvidenceId(0)]);
    // Whose the GPU is needs no clock.
    assert_eq!(unallotted_load(&[series(Some(3), 500, &[95.0; 80])], allotted).len(), 1);
}
