//! Whole files: samples with expectations written by hand, and samples of other projects.

mod appliances;
mod cloud;
mod devices;
mod hosts;
mod numbers;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::testing::{self, as_json, check_samples, corpus, read};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, registry};
use crate::model::Detail;
use crate::time::{Basis, Instant, TimeContext, YearSource, ZoneSource};

#[test]
fn iptables_samples() {
    check_samples("iptables");
}

#[test]
fn sshd_samples() {
    check_samples("sshd");
}

#[test]
fn conntrack_samples() {
    check_samples("conntrack");
}

#[test]
fn either_format_reads_both_kinds_of_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats");
    for sample in ["iptables/journal.json", "sshd/auth.log"] {
        let bytes = std::fs::read(folder.join(sample)).unwrap();
        let (one, other) =
            (read("iptables", &bytes, &TimeContext::default()), read("sshd", &bytes, &TimeContext::default()));
        assert_eq!(one, other, "{sample}");
        let kinds: Vec<&str> = one.observations.iter().map(|observation| observation.detail.kind()).collect();
        assert!(kinds.contains(&"alert") && kinds.contains(&"connection"), "{sample}");
    }
}

/// As the logging of Windows and `>` of PowerShell write it.
#[test]
fn logs_in_utf_16_are_recognised_and_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats");
    let place = std::env::temp_dir().join(format!("coincident-utf-16-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    for (id, sample) in [("windows-firewall", "pfirewall.log"), ("cisco-asa", "asa.log")] {
        let bytes = std::fs::read(folder.join(id).join(sample)).unwrap();
        let plain = read(id, &bytes, &TimeContext::default());
        assert!(!plain.observations.is_empty(), "{sample}");
        let units: Vec<u16> = std::iter::once(0xfeff).chain(String::from_utf8(bytes).unwrap().encode_utf16()).collect();
        let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
        for (order, wide) in [("little", little), ("big", big)] {
            let path = place.join(format!("{order}-{sample}"));
            std::fs::write(&path, wide).unwrap();
            let chosen = registry::probe(&Head::read(sample, &path).unwrap());
            assert_eq!(chosen.first().map(|first| first.format), Some(id), "{order} {sample}");
            let mut input = Input::open(sample, &path, EvidenceId(0)).unwrap();
            let mut found = Collector::default();
            registry::by_id(id).unwrap().read(&mut input, &TimeContext::default(), &mut found).unwrap();
            assert_eq!(found, plain, "{order} {sample}");
        }
    }
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn zones_years_and_declared_offsets_apply() {
    let line =
        b"Nov 20 14:34:46 fw kernel: IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 PROTO=UDP SPT=1 DPT=2 LEN=40\n";
    let context = TimeContext {
        zone: ZoneSource::Declared(chrono_tz::Asia::Shanghai),
        year: YearSource::Declared(2026),
        declared_offset_ns: 500_000_000,
        ..TimeContext::default()
    };
    let span = read("iptables", line, &context).observations[0].span.unwrap();
    // 14:34:46 at UTC+8 is 06:34:46 UTC; half a second of declared offset is taken off.
    assert_eq!(span.lo.to_string(), "2026-11-20T06:34:45.500000000Z");
    assert_eq!(span.hi.to_string(), "2026-11-20T06:34:46.499999999Z");
    let leap =
        b"Feb 29 00:00:00 fw kernel: IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 PROTO=UDP SPT=1 DPT=2 LEN=40\n";
    let context = TimeContext { year: YearSource::Declared(2026), ..TimeContext::default() };
    let read_back = read("iptables", leap, &context);
    assert_eq!(read_back.observations[0].span, None);
    assert_eq!(read_back.anomalies.len(), 1, "{:?}", read_back.anomalies);
    let near =
        TimeContext { year: YearSource::NearestTo(Instant(1_704_067_200_000_000_000)), ..TimeContext::default() };
    let span = read("iptables", leap, &near).observations[0].span.unwrap();
    assert_eq!((span.lo.to_string().as_str(), span.basis), ("2024-02-29T00:00:00.000000000Z", Basis::AssumedYear));
}

#[test]
fn threads_and_order_do_not_change_the_result() {
    let mut log = Vec::new();
    for n in 0..30_000 {
        let line = match n % 5 {
            0 => format!("Nov 20 14:{:02}:{:02} fw kernel: nothing of interest\n", n / 60 % 60, n % 60),
            1 => "DROP IN=eth0 OUT= SRC=198.51.100.7\n".to_owned(),
            _ => format!(
                "Nov 20 14:{:02}:{:02} fw kernel: DROP IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 PROTO=TCP SPT={n} DPT=2 SYN \n",
                n / 60 % 60,
                n % 60
            ),
        };
        log.extend_from_slice(line.as_bytes());
    }
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read("iptables", &log, &TimeContext::default()))
    };
    let one = with(1);
    assert_eq!(one.records, 24_000);
    assert_eq!(one.unread.len(), 6_000);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}

#[test]
fn noise_is_survived() {
    // Every byte value in every place of a line, and lines of nothing but separators.
    let line =
        b"<4>Nov 20 14:34:46 fw kernel: [ 1.5] DROP IN= OUT=e SRC=1.2.3.4 DST=5.6.7.8 LEN=1 PROTO=TCP SPT=1 DPT=2 SYN "
            .to_vec();
    let conntrack = b"[1.5]\t [NEW] tcp 6 120 X src=1.2.3.4 dst=5.6.7.8 sport=1 dport=2 src=5.6.7.8 dst=1.2.3.4 [start=Fri Nov 20 1:2:3 2026]".to_vec();
    let sshd = b"Nov 20 14:34:46 h sshd[1]: Failed password for a from 1.2.3.4 port 5 ssh2".to_vec();
    for (id, line) in [("iptables", line), ("conntrack", conntrack), ("sshd", sshd)] {
        let mut log = Vec::new();
        for at in 0..line.len() {
            for byte in 0..=255_u8 {
                let mut other = line.clone();
                other[at] = byte;
                log.extend_from_slice(&other);
                log.push(b'\n');
            }
        }
        log.extend_from_slice(
            b"====\n[[[[\n]]]]\n<>\n<<<<\n   \n\t\t\n<999>x\n<4>\n<4>1\n<4>1 \n<4>1 - - - - - [\n[\n[1.\n",
        );
        let read_back = read(id, &log, &TimeContext::default());
        assert!(read_back.records > 0 && !read_back.unread.is_empty(), "{id}");
    }
}

/// Sekoia's netfilter lines, which have no header, with the fields that Sekoia expects of them.
#[test]
fn sekoia_netfilter() {
    let Some(folder) = corpus("firewall/iptables") else { return };
    let messages = std::fs::read_to_string(folder.join("sekoia-netfilter.messages.ndjson")).unwrap();
    let expected = std::fs::read_to_string(folder.join("sekoia-netfilter.expected.ndjson")).unwrap();
    let mut wanted: Vec<(Value, Value)> = messages
        .lines()
        .zip(expected.lines())
        .map(|(message, expected)| {
            let (message, mut expected): (Value, Value) =
                (serde_json::from_str(message).unwrap(), serde_json::from_str(expected).unwrap());
            assert_eq!(message["name"], expected["name"]);
            (message["message"].clone(), expected["expected"].take())
        })
        .collect();
    let single: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("sekoia-netfilter/action-name.json")).unwrap())
            .unwrap();
    wanted.push((single["input"]["message"].clone(), single["expected"].clone()));
    assert!(wanted.len() >= 3);
    for (message, expected) in wanted {
        let got = read("iptables", message.as_str().unwrap().as_bytes(), &TimeContext::default());
        let got = as_json(&got.observations[0]);
        assert_eq!(got["src_ip"], expected["source"]["ip"]);
        assert_eq!(got["dst_ip"], expected["destination"]["ip"]);
        assert_eq!(got.get("src_port"), expected["source"].get("port"));
        assert_eq!(got.get("dst_port"), expected["destination"].get("port"));
        assert_eq!(got["protocol"], expected["network"]["transport"]);
        assert_eq!(got["bytes_out"], expected["source"]["bytes"]);
        let action = expected["action"]["name"].as_str().map(|name| if name == "drop" { "deny" } else { "allow" });
        assert_eq!(got.get("action").and_then(Value::as_str), action);
    }
}

/// Wazuh's lines, with what stands before them in its test files taken off; the fields by a scan of another kind.
#[test]
fn wazuh_netfilter() {
    let Some(folder) = corpus("firewall/iptables/wazuh") else { return };
    let file = std::fs::read_to_string(folder.join("iptables.ini")).unwrap();
    let lines: Vec<&str> = file
        .lines()
        .filter(|line| line.contains("SRC="))
        .map(|line| line.split_once(" pass = ").map_or(line, |(_, line)| line))
        .collect();
    assert!(lines.len() >= 40);
    let got = read("iptables", lines.join("\n").as_bytes(), &TimeContext::default());
    assert_eq!((got.records, got.unread.len(), got.anomalies.len()), (lines.len() as u64, 0, 0));
    for (line, observation) in lines.iter().zip(&got.observations) {
        let json = as_json(observation);
        let field = |name: &str| {
            let rest = line.split_once(&format!(" {name}="))?.1;
            rest.split(' ').next()
        };
        assert_eq!(json["src_ip"].as_str(), field("SRC"), "{line}");
        assert_eq!(json["dst_ip"].as_str(), field("DST"), "{line}");
        for (ours, theirs) in [("src_port", "SPT"), ("dst_port", "DPT"), ("bytes_out", "LEN")] {
            assert_eq!(json.get(ours).map(Value::to_string).as_deref(), field(theirs), "{line}");
        }
        assert_eq!(json["host"].as_str(), line.split(' ').nth(line.split("  ").count() - 1 + 3).or(Some("")), "{line}");
        let clock = line.split(' ').find(|word| word.matches(':').count() == 2 && word.len() == 8).unwrap();
        assert!(json["time"].as_str().unwrap().contains(clock), "{line}");
    }
}

/// The lab session of `truth.json`: when each connection was opened, and by whom, as the client itself saw it.
#[test]
fn conntrack_against_the_client() {
    let Some(folder) = corpus("firewall/conntrack/generated-here") else { return };
    let truth: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("truth.json")).unwrap()).unwrap();
    for name in ["conntrack-E.timestamp.log", "conntrack-E.extended-id.log"] {
        let got = read("conntrack", &std::fs::read(folder.join(name)).unwrap(), &TimeContext::default());
        assert_eq!((got.records, got.unread.len(), got.anomalies.len()), (16, 0, 0), "{name}");
        let mut found = 0;
        for step in truth.as_array().unwrap().iter().filter(|step| step["ok"] == Value::Bool(true)) {
            let opened = got
                .observations
                .iter()
                .map(|observation| (observation, as_json(observation)))
                .find(|(_, json)| json["state"] == "NEW,SYN_SENT" && json["src_port"] == step["sport"])
                .unwrap_or_else(|| panic!("{name}: {step}"));
            assert_eq!(opened.1["src_ip"], step["src"]);
            assert_eq!(opened.1["dst_ip"], step["dst"]);
            assert_eq!(opened.1["dst_port"], step["port"]);
            // The client notes the time after its connect returned: the event lies at most 10 ms before.
            let after = step["t"].as_f64().unwrap() * 1e9;
            let lag = after - opened.0.span.unwrap().lo.0 as f64;
            assert!((0.0..10e6).contains(&lag), "{name}: {lag}");
            found += 1;
        }
        assert_eq!(found, 2, "{name}");
    }
    // The listings of the same session carry the counters; sums of both listings and ports agree with one another.
    for name in ["conntrack-L.extended.txt", "proc_net_nf_conntrack.txt"] {
        let got = read("conntrack", &std::fs::read(folder.join(name)).unwrap(), &TimeContext::default());
        let bytes: Vec<Option<u64>> = got
            .observations
            .iter()
            .map(|observation| match &observation.detail {
                Detail::Connection(connection) => connection.bytes_out,
                _ => None,
            })
            .collect();
        assert_eq!(bytes, [Some(32), Some(1180), Some(1484)], "{name}");
    }
}

/// Names and addresses that Sekoia expects of sshd messages without a header.
#[test]
fn sekoia_openssh() {
    let Some(folder) = corpus("firewall/sshd-auth") else { return };
    let messages = std::fs::read_to_string(folder.join("sekoia-openssh.messages.ndjson")).unwrap();
    let expected = std::fs::read_to_string(folder.join("sekoia-openssh.expected.ndjson")).unwrap();
    let (mut with_address, mut compared) = (0, 0);
    for (message, expected) in messages.lines().zip(expected.lines()) {
        let (message, expected): (Value, Value) =
            (serde_json::from_str(message).unwrap(), serde_json::from_str(expected).unwrap());
        let text = message["message"].as_str().unwrap();
        let source = &expected["expected"]["source"];
        if source["ip"].is_null() {
            continue;
        }
        with_address += 1;
        let got = read("sshd", text.as_bytes(), &TimeContext::default());
        let Some(observation) = got.observations.first() else { continue };
        let json = as_json(observation);
        if json.get("src_ip").is_none() {
            continue;
        }
        compared += 1;
        assert_eq!(json["src_ip"], source["ip"], "{text}");
        assert_eq!(json.get("src_port"), source.get("port"), "{text}");
        if let (Some(user), Some(want)) = (json.get("user"), expected["expected"]["user"].get("name")) {
            assert_eq!(user, want, "{text}");
        }
    }
    println!("{compared} of {with_address} messages with an address");
    // The one that is left out is the count of PAM without a colon after "PAM".
    assert!(compared + 1 >= with_address, "{compared} of {with_address}");
}

/// Wazuh's sshd lines: every address that stands in a line that was read is found.
#[test]
fn wazuh_sshd() {
    let Some(folder) = corpus("firewall/sshd-auth") else { return };
    let log = std::fs::read_to_string(folder.join("wazuh-sshd.log")).unwrap();
    let got: Collector = read("sshd", log.as_bytes(), &TimeContext::default());
    assert_eq!(got.records + got.unread.len() as u64, 71);
    let lines: Vec<&str> = log.lines().collect();
    let mut failed = 0;
    for observation in &got.observations {
        let line = lines[usize::try_from(observation.record).unwrap() - 1];
        let json = as_json(observation);
        failed += u32::from(json["category"] == "ssh-login-failed");
        if let Some(source) = json["src_ip"].as_str() {
            assert!(line.contains(source), "{line}");
        }
    }
    // `grep -c 'sshd.*: .*Failed '` of the same file.
    assert_eq!(failed, lines.iter().filter(|line| line.contains(" Failed ") && line.contains(" from ")).count() as u32);
}

/// No format of this module claims a file of another kind.
#[test]
fn no_false_claims() {
    let Some(folder) = corpus("") else { return };
    let own = ["iptables", "sshd", "conntrack", "nvidia-smi-gpu", "nvidia-smi-apps"];
    let mut claimed: BTreeMap<String, (String, String)> = testing::choices(&folder);
    claimed.retain(|_, (format, _)| own.contains(&format.as_str()));
    let right = |name: &str, format: &str| match format {
        // Journals and logs of Linux machines are read for what may follow behind their heads.
        "iptables" => {
            let folders = ["iptables/", "linux-syslog/", "journald/"];
            folders.iter().any(|folder| name.contains(folder)) || name.ends_with("nflog.logemu.log")
        }
        "sshd" => name.contains("sshd-auth/") || name.ends_with("syslog_ssh.log"),
        "conntrack" => name.contains("conntrack/"),
        "nvidia-smi-gpu" => name.contains("query-gpu-csv/"),
        _ => name.contains("compute-apps-csv/"),
    };
    let wrong: Vec<_> = claimed.iter().filter(|(name, (format, _))| !right(name, format)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} files claimed of {}", claimed.len(), testing::files_below(&folder).len());
    assert!(registry::FORMATS.len() >= 5);
}
