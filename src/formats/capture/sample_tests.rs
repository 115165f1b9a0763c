//! The samples of `testdata/formats/{pcap,pcapng}` against what their generators put into them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::evidence::{AnomalyKind, EvidenceId, Head, Input};
use crate::formats::{Collector, Match, registry};
use crate::model::{Connection, Detail, Observation};
use crate::time::{Basis, TimeContext};

#[derive(Deserialize)]
struct Expected {
    sample: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    packets: u64,
    unread: usize,
    unit_ns: i64,
    anomalies: Vec<String>,
    #[serde(default)]
    anomalies_while_read: Vec<String>,
    #[serde(default)]
    whole_at: Vec<usize>,
    conversations: Vec<String>,
}

fn directory(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats").join(format)
}

fn samples(format: &str) -> Vec<(Sample, Vec<u8>)> {
    let expected = std::fs::read_to_string(directory(format).join("expected.toml")).expect("expected.toml");
    let expected: Expected = toml::from_str(&expected).expect("the form of expected.toml");
    let samples: Vec<_> = expected
        .sample
        .into_iter()
        .map(|sample| {
            let bytes = std::fs::read(directory(format).join(&sample.name)).expect("the sample");
            (sample, bytes)
        })
        .collect();
    assert!(samples.len() >= 20, "the generator wrote them");
    samples
}

fn read(format: &str, bytes: &[u8], time: &TimeContext) -> Collector {
    let mut input = Input::from_bytes("sample", bytes.to_vec(), EvidenceId(0));
    let mut sink = Collector::default();
    registry::by_id(format).expect("the format").read(&mut input, time, &mut sink).expect("memory can be read");
    sink
}

fn connection(observation: &Observation<'_>) -> Option<String> {
    let Detail::Connection(connection) = &observation.detail else { return None };
    let flow = observation.flow?;
    let end = |address: Option<std::net::IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
        (Some(address), None) => address.to_string(),
        _ => "?".to_owned(),
    };
    let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    let Connection { bytes_out, bytes_in, packets_out, packets_in, last, state, answered, .. } = connection;
    Some(format!(
        "{}: {} {} > {} {} out {}/{} in {}/{} answered {} {} {}",
        observation.record,
        flow.protocol?,
        end(flow.src, flow.src_port),
        end(flow.dst, flow.dst_port),
        state.as_deref().unwrap_or("-"),
        number(*packets_out),
        number(*bytes_out),
        number(*packets_in),
        number(*bytes_in),
        answered.map_or("unknown".to_owned(), |answered| answered.to_string()),
        observation.span.map_or("-".to_owned(), |span| span.lo.0.to_string()),
        last.map_or("-".to_owned(), |last| last.0.to_string()),
    ))
}

fn agrees(format: &str) {
    for (sample, bytes) in samples(format) {
        let name = &sample.name;
        let found = read(format, &bytes, &TimeContext::default());
        assert_eq!(found, read(format, &bytes, &TimeContext::default()), "{name}: hashes must not show");
        assert_eq!((found.records, found.unread.len()), (sample.packets, sample.unread), "{name}");
        let mut conversations: Vec<(u64, String)> = found
            .observations
            .iter()
            .filter_map(|observation| Some((observation.record, connection(observation)?)))
            .collect();
        conversations.sort();
        let conversations: Vec<String> = conversations.into_iter().map(|(_, text)| text).collect();
        assert_eq!(conversations, sample.conversations, "{name}");
        let mut anomalies: Vec<String> = found
            .anomalies
            .iter()
            .map(|anomaly| anomaly.kind.name().to_owned())
            .filter(|kind| !sample.anomalies_while_read.contains(kind))
            .collect();
        anomalies.sort();
        assert_eq!(anomalies, sample.anomalies, "{name}: {:?}", found.anomalies);
        for observation in &found.observations {
            if let (Detail::Connection(_), Some(span)) = (&observation.detail, observation.span) {
                assert_eq!(span.basis, Basis::ExplicitOffset, "{name}");
                if sample.unit_ns > 0 {
                    assert_eq!(span.hi.since(span.lo), sample.unit_ns - 1, "{name}");
                }
            }
        }
    }
}

#[test]
fn pcap_samples_agree() {
    agrees("pcap");
}

#[test]
fn pcapng_samples_agree() {
    agrees("pcapng");
}

/// The generator wrote one name and its address into the file's name resolution block.
#[test]
fn names_that_the_file_resolved() {
    let bytes = std::fs::read(directory("pcapng").join("other-blocks.pcapng")).expect("the sample");
    let found = read("pcapng", &bytes, &TimeContext::default());
    let names: Vec<_> = found
        .observations
        .iter()
        .filter_map(|observation| match &observation.detail {
            Detail::Dns(dns) if dns.record_type == "nrb:A" => Some((dns.query.as_str(), dns.addresses.as_slice())),
            _ => None,
        })
        .collect();
    assert_eq!(names, [("train-07.int", &[std::net::IpAddr::from([10, 20, 0, 5])][..])]);
}

#[test]
fn a_declared_offset_moves_first_and_last() {
    let bytes = std::fs::read(directory("pcap").join("us-le.pcap")).expect("the sample");
    let plain = read("pcap", &bytes, &TimeContext::default());
    let moved = read("pcap", &bytes, &TimeContext { declared_offset_ns: 1_500_000_000, ..TimeContext::default() });
    let times = |found: &Collector| -> Vec<(i64, i64)> {
        found
            .observations
            .iter()
            .filter_map(|observation| match (&observation.detail, observation.span) {
                (Detail::Connection(Connection { last: Some(last), .. }), Some(span)) => Some((span.lo.0, last.0)),
                _ => None,
            })
            .collect()
    };
    let expected: Vec<_> =
        times(&plain).into_iter().map(|(first, last)| (first - 1_500_000_000, last - 1_500_000_000)).collect();
    assert_eq!(expected.len(), 2);
    assert_eq!(times(&moved), expected);
}

#[test]
fn samples_are_recognised_by_their_own_format_alone() {
    for format in ["pcap", "pcapng"] {
        for (sample, bytes) in samples(format) {
            let head = Head::from_bytes(&sample.name, &bytes);
            let candidates = registry::probe(&head);
            assert_eq!(candidates.len(), 1, "{}: {candidates:?}", sample.name);
            assert_eq!(candidates[0].format, format, "{}", sample.name);
            assert!(matches!(candidates[0].matched, Match::Certain(_)), "{}", sample.name);
        }
    }
}

/// Every cut of every sample is read without panic, and shown unless it falls between records.
#[test]
fn every_truncation_is_survived_and_shown() {
    for format in ["pcap", "pcapng"] {
        for (sample, bytes) in samples(format) {
            let whole = read(format, &bytes, &TimeContext::default());
            for length in 0..bytes.len() {
                let found = read(format, &bytes[..length], &TimeContext::default());
                assert!(found.records <= whole.records, "{} cut at {length}", sample.name);
                let shown = found.anomalies.iter().any(|anomaly| {
                    anomaly.kind == AnomalyKind::TruncatedRecord && anomaly.detail.starts_with("the file ends")
                });
                if !sample.whole_at.is_empty() {
                    assert_eq!(shown, !sample.whole_at.contains(&length), "{} cut at {length}", sample.name);
                }
            }
        }
    }
}

/// Any byte of any sample overwritten: no panic, and no more records than bytes could hold.
#[test]
fn every_damaged_byte_is_survived() {
    for format in ["pcap", "pcapng"] {
        for (sample, bytes) in samples(format) {
            for at in (0..bytes.len()).step_by(3) {
                let mut damaged = bytes.clone();
                damaged[at] ^= if at % 2 == 0 { 0xff } else { 0x80 };
                let found = read(format, &damaged, &TimeContext::default());
                assert!(found.records <= bytes.len() as u64 / 16, "{} damaged at {at}", sample.name);
            }
        }
    }
}

/// A compressed capture reads like the plain one; cut, it gives what came before and the failure of the input.
#[test]
fn compressed_and_cut() {
    use std::io::Write;
    let bytes = std::fs::read(directory("pcap").join("us-le.pcap")).expect("the sample");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.pcap.gz");
    let format = registry::by_id("pcap").expect("the format");
    for (length, whole) in [(gzip.len(), true), (gzip.len() * 2 / 3, false)] {
        std::fs::write(&path, &gzip[..length]).expect("a file");
        let mut input = Input::open("a.pcap.gz", &path, EvidenceId(0)).expect("opens");
        let mut sink = Collector::default();
        let outcome = format.read(&mut input, &TimeContext::default(), &mut sink);
        assert_eq!(outcome.is_ok(), whole);
        if whole {
            assert_eq!(sink, read("pcap", &bytes, &TimeContext::default()));
        } else {
            assert!(sink.records > 0 && sink.records < 10, "{} records", sink.records);
        }
    }
}
