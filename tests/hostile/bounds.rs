//! What is made to exhaust memory, time or the stack. Each runs in an address space of limited size.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use super::{incident, ran, text};

/// Address space in KiB: stacks and arenas of threads are most of what the program asks for without touching it.
const SPACE: &str = "1500000";

fn limited(arguments: &[&str], directory: &Path) -> Output {
    let limit = format!("ulimit -v {SPACE}; exec \"$@\"");
    ran(&["sh", "-c", &limit, "sh"], &[arguments, &["--threads", "2"]].concat(), directory)
}

fn evidence(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    directory
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of `analyze`, of which the last is the summary.
fn analysed(directory: &Path) -> Vec<serde_json::Value> {
    let output = limited(&["analyze", "in", "--format", "jsonl"], directory);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{:?} {}", output.status, text(&output.stderr));
    lines(&output)
}

fn source<'a>(lines: &'a [serde_json::Value], path: &str) -> &'a serde_json::Value {
    lines.iter().find(|line| line["type"] == "source" && line["path"] == path).unwrap()
}

const LINE: &[u8] =
    b"2026-11-20T14:13:46+00:00 fw kernel: EGRESS IN= OUT=eth0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 PROTO=TCP \
                      SPT=50012 DPT=443 SYN\n";

/// A tool call in a transcript, with INPUT to be filled in.
const CALL: &str = "{\"parentUuid\":null,\"isSidechain\":false,\"userType\":\"external\",\"cwd\":\"/w\",\"sessionId\":\"SESSION\",\
                    \"version\":\"2.0.14\",\"type\":\"assistant\",\"uuid\":\"u\",\"timestamp\":\"2026-11-20T14:13:46.000Z\",\
                    \"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Bash\",\
                    \"input\":INPUT}]}}\n";

#[test]
fn a_decompression_bomb_is_read_in_little_memory() {
    // 2 GiB of zeros after some lines, in some hundred KiB.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    // What a file is, is told by its first 64 KiB.
    encoder.write_all(&LINE.repeat(1_000)).unwrap();
    let zeros = vec![0; 1 << 24];
    for _ in 0..128 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let directory = evidence(&[("fw.log.zst", &bomb), ("fw.log", LINE)]);
    let lines = analysed(directory.path());
    let bombed = source(&lines, "fw.log.zst");
    assert_eq!((bombed["records"].as_u64(), bombed["unread"].as_u64()), (Some(1_000), Some(1)), "{bombed}");
    assert_eq!(source(&lines, "fw.log")["records"], 1);
}

#[test]
fn a_line_without_end_is_one_unread_record() {
    let mut log = LINE.to_vec();
    log.resize(600 << 20, b'x');
    log.push(b'\n');
    log.extend_from_slice(LINE);
    let directory = evidence(&[("fw.log", &log)]);
    let lines = analysed(directory.path());
    let read = source(&lines, "fw.log");
    assert_eq!((read["records"].as_u64(), read["unread"].as_u64()), (Some(2), Some(1)), "{read}");
}

#[test]
fn a_value_without_end_is_not_told_in_full() {
    let long = "\u{1}x".repeat(300_000);
    let csv = format!(
        "timestamp, index, uuid, utilization.gpu [%]\n2026/11/21 07:11:07.056, 0, GPU-5f, 28 %\n{long}, 0, GPU-5f, 28 %\n\
         2026/11/21 07:11:09.056, 0, GPU-5f, {long}\n"
    );
    let xml = format!(
        "<?xml version=\"1.0\" ?>\n<nvidia_smi_log>\n<timestamp>{}</timestamp>\n<attached_gpus>1</attached_gpus>\n\
         <gpu id=\"00000000:01:00.0\"><utilization><gpu_util>{}</gpu_util></utilization></gpu>\n</nvidia_smi_log>\n",
        "x".repeat(1_000),
        "y".repeat(900_000)
    );
    let directory = evidence(&[("gpu.csv", csv.as_bytes()), ("gpu.xml", xml.as_bytes())]);
    let lines = analysed(directory.path());
    let told: Vec<&serde_json::Value> = lines.iter().filter(|line| line["type"] == "anomaly").collect();
    let about = |path: &str, words: &str| {
        told.iter().any(|line| line["path"] == path && line["detail"].as_str().unwrap().contains(words))
    };
    for path in ["gpu.csv", "gpu.xml"] {
        assert!(about(path, "bytes more") && about(path, "cannot be read"), "{path}: {told:?}");
    }
    assert!(lines.iter().all(|line| line.to_string().len() < 6_000), "a line of it is long");
}

#[test]
fn an_archive_within_an_archive_is_opened_once_and_no_name_leads_outside() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    let file = fs::File::create(directory.path().join("in/run.eval")).unwrap();
    let mut archive = zip::ZipWriter::new(file);
    let options = zip::write::SimpleFileOptions::default();
    let header = br#"{"version":2,"eval":{"run_id":"r","task":"t","model":"m","created":"2026-11-20T14:13:46+00:00"}}"#;
    for name in ["header.json", "_journal/start.json"] {
        archive.start_file(name, options).unwrap();
        archive.write_all(header).unwrap();
    }
    let mut inner = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    inner.start_file("deeper.zip", options).unwrap();
    inner.write_all(&vec![0; 64 << 20]).unwrap();
    let inner = inner.finish().unwrap().into_inner();
    for name in [
        "../../outside.json",
        "/tmp/coincident-outside.json",
        "samples/../../../x.json",
        "samples/inner.zip",
        "a\u{202e}b",
    ] {
        archive.start_file(name, options).unwrap();
        archive.write_all(&inner).unwrap();
    }
    archive.finish().unwrap();
    let lines = analysed(directory.path());
    assert_eq!(source(&lines, "run.eval")["format"], "inspect");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["in"]);
    assert!(!Path::new("/tmp/coincident-outside.json").exists());
}

#[test]
fn nesting_without_end_does_not_end_the_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1 << 20), close.repeat(1 << 20));
    let call = |input: &str| CALL.replace("INPUT", input);
    let shallow = call("{\"command\":\"ls\"}");
    let transcript =
        [shallow.repeat(300), call(&deep("[", "]")), call(&deep("{\"a\":", "}")), shallow.clone()].concat();
    let braces = shallow.repeat(300) + &call(&format!("{{\"command\":\"echo {}\"}}", deep("$(", ")")));
    let loops =
        call(&format!("{{\"command\":\"{} true {}\"}}", "for i in 1; do ".repeat(1 << 16), "; done".repeat(1 << 16)));
    let xml = format!("<?xml version=\"1.0\"?>\n<nvidia_smi_log>{}", "<gpu>".repeat(1 << 20));
    let zeek = format!(
        "{{\"ts\":1795184026.0,\"uid\":\"C1\",\"id.orig_h\":\"10.20.0.5\",\"id.resp_h\":{}}}\n",
        deep("[", "]")
    );
    let directory = evidence(&[
        ("a.jsonl", transcript.as_bytes()),
        ("b.jsonl", braces.as_bytes()),
        ("c.jsonl", loops.as_bytes()),
        ("gpu.xml", xml.as_bytes()),
        ("conn.log", zeek.as_bytes()),
    ]);
    let lines = analysed(directory.path());
    let read = source(&lines, "a.jsonl");
    // What is too deep is counted, whichever way: as a record that could not be read, or as one of which little is kept.
    assert_eq!(read["records"].as_u64().unwrap() + read["unread"].as_u64().unwrap(), 303, "{read}");
}

#[test]
fn entities_of_xml_are_not_expanded() {
    // "Billion laughs": ten entities, each ten of the one before (CVE-2003-1564).
    let mut xml = "<?xml version=\"1.0\"?>\n<!DOCTYPE nvidia_smi_log [\n<!ENTITY l0 \"lol\">\n".to_owned();
    for level in 1..10 {
        let before = format!("&l{};", level - 1).repeat(10);
        xml.push_str(&format!("<!ENTITY l{level} \"{before}\">\n"));
    }
    xml.push_str("<!ENTITY f SYSTEM \"file:///etc/passwd\">\n]>\n<nvidia_smi_log>\n<timestamp>Fri Nov 20 14:13:46 2026</timestamp>\n");
    xml.push_str(
        "<driver_version>&l9;</driver_version>\n<gpu id=\"00000000:01:00.0\">\n<product_name>&f;&l9;</product_name>\n",
    );
    xml.push_str(
        "<uuid>GPU-1</uuid>\n<utilization><gpu_util>97 %</gpu_util></utilization>\n</gpu>\n</nvidia_smi_log>\n",
    );
    let directory = evidence(&[("gpu.xml", xml.as_bytes())]);
    let began = Instant::now();
    let output = limited(&["timeline", "in", "--format", "jsonl"], directory.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"kind\":\"gpu-sample\"") && !text(&output.stdout).contains("root:"));
    assert!(output.stdout.len() < 10_000 && began.elapsed() < Duration::from_secs(20));
}

#[test]
fn expressions_that_backtrack_elsewhere_do_not_here() {
    let mut log = LINE.to_vec();
    for _ in 0..200 {
        log.extend_from_slice(b"2026-11-20T14:13:46+00:00 fw kernel: ");
        log.extend(std::iter::repeat_n(b'a', 4_000));
        log.extend_from_slice(
            b"! IN= OUT=eth0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 PROTO=TCP SPT=50012 DPT=443 SYN\n",
        );
    }
    let rule = "title: a\nid: 7d0d2d53-8f9c-4b43-9a8e-3f9d3a1c2b11\nstatus: test\nlogsource:\n  category: process_creation\n\
                detection:\n  selection:\n    CommandLine|re: '(a+)+(a|aa)+$'\n  condition: selection\nlevel: low\n";
    let command = "a".repeat(40_000) + "!";
    let transcript = CALL.replace("INPUT", &format!("{{\"command\":\"{command}\"}}"));
    let directory =
        evidence(&[("fw.log", &log), ("a.jsonl", transcript.as_bytes()), ("../rules/a.yml", rule.as_bytes())]);
    let began = Instant::now();
    let output =
        limited(&["timeline", "in", "--where", "message ~ '(a+)+(a|aa)+$' or rule ~ '(x*)*y'"], directory.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = limited(&["analyze", "in", "--rules", "rules", "-q"], directory.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    // An expression whose machine would be too large is refused, not built.
    let output = limited(&["timeline", "in", "--where", "message ~ '((a{1000}){1000}){1000}'"], directory.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn what_is_distinct_without_end_is_bounded_and_the_rest_is_counted() {
    let mut log = Vec::new();
    let queries = 260_000;
    for number in 0..queries {
        let (second, host) = (number / 100 % 60, number % 250);
        writeln!(
            log,
            "20-Nov-2026 14:13:{second:02}.{:03} queries: info: client @0x7f 10.20.0.{host}#4242 (n{number}.example.org): query: \
             n{number}.example.org IN A +E(0)K (10.20.0.1)",
            number % 1000,
        )
        .unwrap();
    }
    let directory = evidence(&[("query.log", &log)]);
    let lines = analysed(directory.path());
    assert_eq!(source(&lines, "query.log")["records"].as_u64(), Some(queries));
    let bound = lines.iter().find(|line| line["anomaly"] == "bound-reached").expect("a bound that is told");
    let told = bound["detail"].as_str().unwrap();
    assert!(told.starts_with("more than 200000 distinct names asked for: one in 2 is kept"), "{bound}");
    // Which these are depends on no thread: the timeline of the log's own detectors would differ otherwise.
    let again = |threads: &str| {
        text(&ran(&[], &["analyze", "in", "--format", "jsonl", "--threads", threads], directory.path()).stdout)
    };
    let (one, three) = (again("1"), again("3"));
    assert!(one == three && one.contains(told));
}

#[test]
fn episodes_and_hosts_by_the_thousand_are_read() {
    let directory = evidence(&[]);
    let transcripts = directory.path().join("in/transcripts");
    fs::create_dir_all(&transcripts).unwrap();
    for number in 0..4_000 {
        let line = CALL.replace("INPUT", "{\"command\":\"ls\"}").replace("SESSION", &format!("s{number}"));
        fs::write(transcripts.join(format!("s{number}.jsonl")), line).unwrap();
    }
    let mut log = Vec::new();
    for number in 0..50_000_u32 {
        writeln!(
            log,
            "2026-11-20T14:13:46+00:00 h{number} kernel: EGRESS IN= OUT=eth0 SRC=10.{}.{}.{} DST=203.0.113.66 LEN=60 PROTO=TCP SPT=50012 \
             DPT=443 SYN",
            number >> 16,
            number >> 8 & 255,
            number & 255,
        )
        .unwrap();
    }
    fs::write(directory.path().join("in/fw.log"), log).unwrap();
    let lines = analysed(directory.path());
    assert_eq!(lines.last().unwrap()["episodes"].as_u64(), Some(4_000));
    assert_eq!(source(&lines, "fw.log")["records"].as_u64(), Some(50_000));
}

#[test]
fn one_conversation_of_a_million_records_takes_no_memory_a_record() {
    let directory = evidence(&[("fw.log", &LINE.repeat(1_000_000))]);
    // A tenth of what the lines take, beside what the program takes without any.
    let limit = "ulimit -v 900000; exec \"$@\"";
    let output =
        ran(&["sh", "-c", limit, "sh"], &["analyze", "in", "--threads", "1", "--format", "jsonl"], directory.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(source(&lines(&output), "fw.log")["records"].as_u64(), Some(1_000_000));
}

#[test]
fn a_directory_of_many_files_and_of_many_floors() {
    let directory = evidence(&[("fw.log", LINE)]);
    let many = directory.path().join("in/many");
    fs::create_dir(&many).unwrap();
    for number in 0..5_000 {
        fs::write(many.join(format!("{number}.log")), "").unwrap();
    }
    let mut deep = directory.path().join("in");
    for _ in 0..900 {
        deep.push("d");
    }
    // The system's own limit on the length of a path is far below that of floors.
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("fw.log"), [LINE, LINE].concat()).unwrap();
    let lines = analysed(directory.path());
    assert_eq!(lines.iter().filter(|line| line["type"] == "source").count(), 5_002);
    assert_eq!(lines.iter().filter(|line| line["records"] == 2).count(), 1);
}

#[test]
fn names_of_files_reach_no_terminal_as_they_are() {
    let directory = incident();
    let name = "a\x1b]52;c;AAAA\x07\u{202e}gol.\n=cmd|' -C calc'!A0<script>.log";
    fs::write(directory.path().join("in").join(name), LINE).unwrap();
    for arguments in [
        &["analyze", "in"] as &[&str],
        &["analyze", "in", "--format", "jsonl"],
        &["analyze", "in", "--format", "sarif"],
        &["analyze", "in", "--format", "stix"],
        &["analyze", "in", "--format", "case"],
        &["probe", "in"],
        &["probe", "in", "--format", "csv"],
        &["clocks", "in"],
        &["timeline", "in"],
        &["timeline", "in", "--format", "timesketch-csv"],
        &["analyze", "in", "-o", "out", "-q"],
    ] {
        let output = ran(&[], arguments, directory.path());
        let shown = text(&output.stdout) + &text(&output.stderr);
        let odd = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!shown.contains(odd), "{arguments:?}");
        assert!(!shown.lines().any(|line| line.starts_with("=cmd")), "{arguments:?}");
    }
    for entry in fs::read_dir(directory.path().join("out")).unwrap().map(Result::unwrap) {
        let written = fs::read_to_string(entry.path()).unwrap();
        assert!(!written.contains(['\x1b', '\x07', '\u{202e}']), "{:?}", entry.path());
        assert!(!written.contains("A0<script>") || !entry.path().ends_with("report.html"), "{:?}", entry.path());
    }
}

#[test]
fn texts_beyond_what_memory_is_allowed_lie_aside_and_nothing_is_lost() {
    let directory = incident();
    let whole = ran(&[], &["analyze", "in", "--format", "jsonl"], directory.path());
    // 2 MB hold what the evidence takes (389 conversations and 51 steps among it), and no text that is more than a few.
    let held = ran(&[], &["analyze", "in", "--format", "jsonl", "--max-memory", "2MB"], directory.path());
    assert!(held.status.success(), "{}", text(&held.stderr));
    assert!(held.stdout == whole.stdout);
    let refused = ran(&[], &["analyze", "in", "--format", "jsonl", "--max-memory", "10kB"], directory.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("more than --max-memory allows"), "{}", text(&refused.stderr));
}
