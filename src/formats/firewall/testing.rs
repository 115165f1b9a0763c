//! Test support: observations as JSON in the shape of the project's output, and samples with their expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, registry};
use crate::model::{Detail, Observation};
use crate::time::{Instant, TimeContext};

/// Reads bytes with the format of that id.
pub(crate) fn read(id: &str, bytes: &[u8], time: &TimeContext) -> Collector {
    let mut input = Input::from_bytes("sample", bytes.to_vec(), EvidenceId(0));
    let mut collector = Collector::default();
    registry::by_id(id).expect("a format").read(&mut input, time, &mut collector).expect("readable");
    collector
}

/// The head of bytes in memory.
pub(crate) fn head(name: &str, bytes: &[u8]) -> Head {
    Head::from_bytes(name, bytes)
}

/// An observation with the names of the JSON output. Unknown fields are absent.
pub(crate) fn as_json(observation: &Observation<'_>) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            map.insert(name.to_owned(), value);
        }
    };
    let time = |at: Instant| json!(at.to_string());
    put("record", json!(observation.record));
    put("kind", json!(observation.detail.kind()));
    if let Some(span) = observation.span {
        put("time", time(span.lo));
        put("time_hi", if span.hi == span.lo { Value::Null } else { time(span.hi) });
        put("basis", json!(span.basis.name()));
    }
    put("host", json!(observation.host));
    if let Some(flow) = observation.flow {
        put("src_ip", json!(flow.src));
        put("src_port", json!(flow.src_port));
        put("dst_ip", json!(flow.dst));
        put("dst_port", json!(flow.dst_port));
        put("protocol", json!(flow.protocol.map(|protocol| protocol.to_string())));
    }
    match &observation.detail {
        Detail::Connection(c) => {
            put("action", json!(c.action.map(|action| action.name())));
            put("direction", json!(c.direction.map(|direction| direction.name())));
            put("bytes_out", json!(c.bytes_out));
            put("bytes_in", json!(c.bytes_in));
            put("packets_out", json!(c.packets_out));
            put("packets_in", json!(c.packets_in));
            put("last", c.last.map_or(Value::Null, time));
            put("rule", json!(c.rule));
            put("in_interface", json!(c.in_interface));
            put("out_interface", json!(c.out_interface));
            put("nat_src", json!(c.nat_src.map(|(host, port)| translated(host, port))));
            put("nat_dst", json!(c.nat_dst.map(|(host, port)| translated(host, port))));
            put("state", json!(c.state));
            put("answered", json!(c.answered));
            put("written", c.written.map_or(Value::Null, time));
            put("stated", c.stated.map_or(Value::Null, |stated| time(stated.lo)));
            put("in_zone", json!(c.in_zone));
            put("out_zone", json!(c.out_zone));
            put("user", json!(c.user));
            put("application", json!(c.application));
            put("domain", json!(c.domain));
            put("session", json!(c.session));
            put("tcp_sequence", json!(c.tcp_sequence));
            put("process", json!(c.process));
            put("pid", json!(c.pid));
            put("parent_pid", json!(c.parent_pid));
        }
        Detail::Dns(dns) => {
            put("query", json!(dns.query));
            put("record_type", json!(dns.record_type));
            put("response", json!(dns.response));
            put("response_code", json!(dns.response_code));
            put("addresses", if dns.addresses.is_empty() { Value::Null } else { json!(dns.addresses) });
            put("aliases", if dns.aliases.is_empty() { Value::Null } else { json!(dns.aliases) });
        }
        Detail::Http(http) => {
            put("method", json!(http.method));
            put("target", json!(http.target));
            put("http_host", json!(http.host));
            put("user_agent", json!(http.user_agent));
            put("status", json!(http.status));
        }
        Detail::Alert(alert) => {
            put("category", json!(alert.category));
            put("message", json!(alert.message));
            put("user", json!(alert.user));
            put("action", json!(alert.action.map(|action| action.name())));
            put("behaviour", json!(alert.behaviour.map(|behaviour| behaviour.name())));
            put("process", json!(alert.process));
            put("pid", json!(alert.pid));
        }
        Detail::Other(text) => put("text", json!(text)),
        Detail::Lease(lease) => {
            put("address", json!(lease.address));
            put("hardware", json!(lease.hardware));
            put("name", json!(lease.name));
            put("ended", json!(lease.ended));
        }
        Detail::Execution(execution) => {
            put("command", json!(execution.command));
            put("process", json!(execution.process));
            put("pid", json!(execution.pid));
            put("parent_pid", json!(execution.parent_pid));
            put("parent_process", json!(execution.parent_process));
            put("user", json!(execution.user));
            put("directory", json!(execution.directory));
        }
        Detail::GpuSample(sample) => {
            put("gpu", json!(sample.gpu));
            put("gpu_uuid", json!(sample.gpu_uuid));
            put("name", json!(sample.name));
            put("utilization_percent", json!(sample.utilization_percent));
            put("memory_utilization_percent", json!(sample.memory_utilization_percent));
            put("memory_used_mib", json!(sample.memory_used_mib));
            put("memory_total_mib", json!(sample.memory_total_mib));
            put("power_w", json!(sample.power_w));
            put("sm_clock_mhz", json!(sample.sm_clock_mhz));
            put("temperature_c", json!(sample.temperature_c));
        }
        Detail::GpuProcess(process) => {
            put("gpu", json!(process.gpu));
            put("gpu_uuid", json!(process.gpu_uuid));
            put("pid", json!(process.pid));
            put("process", json!(process.process));
            put("memory_used_mib", json!(process.memory_used_mib));
            put("utilization_percent", json!(process.utilization_percent));
            put("memory_utilization_percent", json!(process.memory_utilization_percent));
            put("user", json!(process.user));
            put("accounted_ms", json!(process.accounted_ms));
        }
        other => return protocol_as_json(map, other),
    }
    Value::Object(map)
}

/// What a sensor tells of a protocol: fields that say nothing are absent.
fn protocol_as_json(mut map: Map<String, Value>, detail: &Detail<'_>) -> Value {
    let mut put = |name: &str, value: Value| {
        let says = match &value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Number(number) => number.as_u64() != Some(0),
            _ => true,
        };
        if says {
            map.insert(name.to_owned(), value);
        }
    };
    match detail {
        Detail::Tls(tls) => {
            put("server_name", json!(tls.server_name));
            put("chosen_version", json!(tls.chosen_version));
            put("cipher", json!(tls.cipher));
            put("chosen_alpn", json!(tls.chosen_alpn));
            put("alpn", json!(tls.alpn));
            put("ja3", json!(tls.ja3));
            put("ja3s", json!(tls.ja3s));
            put("ja4", json!(tls.ja4));
            let certificate = tls.certificate.as_deref();
            put("subject", json!(certificate.map(|certificate| &certificate.subject)));
            put("issuer", json!(certificate.map(|certificate| &certificate.issuer)));
        }
        Detail::Ssh(ssh) => {
            put("opener_banner", json!(ssh.opener_banner));
            put("acceptor_banner", json!(ssh.acceptor_banner));
            put("hassh", json!(ssh.hassh));
            put("hassh_server", json!(ssh.hassh_server));
            put("cipher_to_server", json!(ssh.cipher_to_server));
            put("kex", json!(ssh.kex));
        }
        Detail::Tunnel(tunnel) => {
            put("tunnel", json!(tunnel.protocol));
            put("class", json!(format!("{:?}", tunnel.class)));
            put("target", json!(tunnel.target));
        }
        other => panic!("no expectation is written for {}", other.kind()),
    }
    Value::Object(map)
}

fn translated(host: std::net::IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| host.to_string(), |port| format!("{host} {port}"))
}

/// Everything that was read, in the order of records: observations, then unread records, then anomalies.
pub(crate) fn all_as_json(read: &Collector) -> Vec<Value> {
    let mut all: Vec<Value> = read.observations.iter().map(as_json).collect();
    all.extend(read.unread.iter().map(|(record, reason, _)| json!({"record": record, "unread": reason})));
    let mut anomalies: Vec<_> = read.anomalies.iter().collect();
    anomalies.sort();
    all.extend(anomalies.iter().map(|anomaly| json!({"record": anomaly.record, "anomaly": anomaly.kind.name()})));
    all
}

/// Compares every sample below `testdata/formats/ID` with the `SAMPLE.expected.jsonl` beside it, checks that the format
/// is chosen for it, and that truncations of it are survived.
pub(crate) fn check_samples(id: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats").join(id);
    let mut samples = 0;
    for sample in files_below(&folder) {
        let name = sample.display().to_string();
        if name.ends_with(".expected.jsonl") || name.ends_with("README.md") || name.ends_with(".py") {
            continue;
        }
        samples += 1;
        let bytes = std::fs::read(&sample).expect("sample");
        let expected = std::fs::read_to_string(format!("{name}.expected.jsonl")).expect("expectation");
        let expected: Vec<Value> = expected
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}")))
            .collect();
        let read_back = read(id, &bytes, &TimeContext::default());
        let got = all_as_json(&read_back);
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!(got, expected, "{name}");
        }
        assert_eq!(got.len(), expected.len(), "{name}: {got:#?}");
        let counted: BTreeSet<u64> = read_back.observations.iter().map(|observation| observation.record).collect();
        assert!(read_back.records >= counted.len() as u64, "{name}: every record with an observation is counted");

        let chosen: Vec<&str> =
            registry::probe(&head(&name, &bytes)).iter().map(|candidate| candidate.format).collect();
        assert_eq!(chosen.first(), Some(&id), "{name}: {chosen:?}");
        // Every place of the first lines, and a prime stride after them: conformance tests cut the rest.
        for end in (0..bytes.len().min(512)).chain((512..bytes.len()).step_by(31)) {
            let cut = &bytes[..end];
            let part = read(id, cut, &TimeContext::default());
            assert!(part.observations.len() <= read_back.observations.len(), "{name} cut at {end}");
            registry::probe(&head(&name, cut));
        }
    }
    assert!(samples > 0, "no samples of {id}");
}

/// All files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The samples of other projects, if they are there: `COINCIDENT_CORPUS` names their folder.
#[allow(clippy::disallowed_methods, reason = "tests alone look for samples that are not part of the repository")]
pub(crate) fn corpus(part: &str) -> Option<PathBuf> {
    match std::env::var("COINCIDENT_CORPUS") {
        Ok(folder) => Some(Path::new(&folder).join(part)),
        Err(_) => {
            println!("skipped: COINCIDENT_CORPUS is not set");
            None
        }
    }
}

/// Formats chosen first for each file below a folder, by file name relative to it.
pub(crate) fn choices(folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut choices = BTreeMap::new();
    for file in files_below(folder) {
        let name = file.strip_prefix(folder).expect("below").display().to_string();
        let Ok(head) = Head::read(&name, &file) else { continue };
        if let Some(first) = registry::probe(&head).first() {
            choices.insert(name, (first.format.to_owned(), format!("{:?}", first.matched)));
        }
    }
    choices
}
