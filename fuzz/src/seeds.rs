//! Where the fuzzer begins: inputs of every target out of what the repository holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use coincident::correlate;
use coincident::detect::rules::RuleSet;
use coincident::formats::registry;
use coincident::intake::{self, Options};
use coincident::report::lines::Line;
use coincident::report::{Reading, jsonl};

use super::wrap;

/// An input: the target, a name, the bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// A sample that is longer begins nothing: the fuzzer cuts it.
const LONGEST: usize = 60_000;

/// All files below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What the conversations of a classic pcap with IPv4 in Ethernet, cooked or raw frames said, in the form of `wrap.rs`.
fn seeds_of(file: &[u8], seeds: &mut BTreeSet<Vec<u8>>) {
    let little = match file.first_chunk::<4>() {
        Some([0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]) => true,
        Some([0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]) => false,
        _ => return,
    };
    let word = |at: usize| {
        let word = file.get(at..)?.first_chunk::<4>()?;
        Some(if little { u32::from_le_bytes(*word) } else { u32::from_be_bytes(*word) } as usize)
    };
    let skip = match word(20) {
        Some(1) => 14,
        Some(101 | 228) => 0,
        Some(113) => 16,
        Some(0) => 4,
        _ => return,
    };
    let mut found: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    let mut at = 24;
    while let Some(captured) = word(at + 8) {
        let frame = file.get(at + 16..).map(|rest| &rest[..captured.min(rest.len())]).unwrap_or_default();
        at += 16 + captured;
        let Some(packet) = frame.get(skip..).filter(|packet| packet.len() >= 20 && packet[0] >> 4 == 4) else {
            continue;
        };
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).clamp(20, packet.len());
        let Some(rest) = packet[..total].get(usize::from(packet[0] & 15) * 4..).filter(|rest| rest.len() >= 8) else {
            continue;
        };
        let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let (kind, ports, start) = match packet[9] {
            6 if rest.len() >= 20 => (0, (port(0), port(2)), usize::from(rest[12] >> 4) * 4),
            17 => (1, (port(0), port(2)), 8),
            1 => (3, (0, 0), 8),
            _ => continue,
        };
        let (src, dst) = ((&packet[12..16], ports.0), (&packet[16..20], ports.1));
        let key = (kind, src.min(dst), src.max(dst));
        // The first packet's sender is the client.
        let seed = found.entry(key).or_insert_with(|| {
            let port = wrap::PORTS.iter().position(|port| *port == dst.1).unwrap_or(15);
            vec![kind | if kind == 0 && rest[13] & 2 != 0 { 4 } else { 0 }, port as u8 | if src < dst { 16 } else { 0 }]
        });
        let from_client = (src < dst) == (seed[1] & 16 != 0);
        let payload = rest.get(start..).unwrap_or_default();
        let payload = &payload[..payload.len().min(0x3fff)];
        if !payload.is_empty() && seed.len() + payload.len() < LONGEST {
            seed.extend((payload.len() as u16 | if from_client { 0x8000 } else { 0 }).to_be_bytes());
            seed.extend(payload);
        }
    }
    seeds.extend(found.into_values().filter(|seed| seed.len() > 2));
}

/// Conversations of all captures below a folder, in the form of `wrap.rs`.
pub fn conversations(folder: &Path) -> Vec<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    for path in files_below(folder) {
        seeds_of(&fs::read(path).expect("a file"), &mut seeds);
    }
    seeds.into_iter().collect()
}

/// Bytes of chance, the same for the same number (SplitMix64; Steele, Lea, Flood 2014).
fn of_chance(number: u64, length: usize) -> Vec<u8> {
    let mut state = number;
    let next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

const STAMPS: [&str; 36] = [
    "Nov 20 14:13:46",
    "Feb 29 23:59:60",
    "2026-11-20T14:13:46Z",
    "2026-11-20T14:13:46.123456789+08:00",
    "2026-11-20 14:13:46,123",
    "2026-03-29 02:30:00",
    "2026-10-25 02:30:00",
    "1795184026",
    "1795184026.5",
    "1795184026123",
    "1795184026123456",
    "1795184026123456789",
    "-1",
    "0",
    "9223372036854775807",
    "1e300",
    "20/Nov/2026:14:13:46 +0100",
    "2026/11/20 14:13:46.056",
    "Fri, 20 Nov 2026 14:13:46 GMT",
    "Nov 20 2026 14:13:46 CET",
    "20 Nov 2026 14:13:46",
    "1677-09-21T00:12:43Z",
    "2262-04-11T23:47:16.854775807Z",
    "9999-12-31T23:59:59Z",
    "0000-00-00 00:00:00",
    "[ 3159.329608]",
    "2026-11-20T14:13:46Z|Europe/Berlin|2026|+1.5s|*.log|dst_port == 3333 and action == \"deny\"",
    "2026-11-20T14:13:46Z|+08:00|1970|-8h|**/*.jsonl|src_ip in (10.0.0.0/8, \"a\") or not host ~ \"^x\"",
    "x|Mars/Olympus|99999|8h2.5s|[a-|2m",
    "x|-00:30|-1|+|{a,b|1h30m500ms",
    "2026-11-20 14:13:46.056 UTC|Asia/Kolkata|2024|-9223372036s|?|time >= \"2026-11-20T14:13:46Z\"",
    "11/20/26 02:13:46 PM",
    "2026-W47-5T14:13:46Z",
    "2026-324T14:13:46Z",
    "20261120T141346Z",
    "14:13:46.5",
];

const LISTS: [&str; 4] = [
    "# pools\n203.0.113.66\n198.51.100.0/24 # hoster\npool[.]example\nhxxps://a:b@x.example:81/p?q\nSHA256:0123456789abcdef\n2001:db8::/32\n",
    "date,type,value\n2026-01-01,domain,pool.example\n,ipv4,203.0.113.66\n,md5,d41d8cd98f00b204\n,ip:port,203.0.113.67:3333\n,domain|ip,\"a.example|192.0.2.1\"\n",
    "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"[domain-name:value = 'pool.example'] OR [url:value = 'http://x.example/it\\\\'s']\"},{\"type\":\"indicator\",\"pattern\":\"[ipv4-addr:value ISSUBSET '198.51.100.0/24']\",\"revoked\":true}]}",
    "{\"Event\":{\"info\":\"x\",\"Attribute\":[{\"type\":\"ip-dst|port\",\"value\":\"203.0.113.66|3333\",\"to_ids\":true}],\"Object\":[{\"name\":\"x\",\"Attribute\":[{\"type\":\"hostname\",\"value\":\"eu.pool.example\"}]}]}}",
];

/// Samples of formats with the name of their format before them; of containers as files on disk; of all as evidence beside a
/// transcript.
fn samples(testdata: &Path, seeds: &mut Vec<Seed>) {
    for format in registry::FORMATS.iter() {
        let mut told = false;
        for path in files_below(&testdata.join("formats").join(format.id())) {
            let file = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
            if file.starts_with("README") || file.ends_with(".py") || file.contains("expected.") {
                continue;
            }
            let bytes = fs::read(&path).expect("a sample");
            let name = format!("{}-{file}", format.id());
            let head = [b"\xff", format.id().as_bytes(), b"\n"].concat();
            seeds.push(("formats", name.clone(), [&head, &bytes[..]].concat()));
            if ["parquet", "inspect", "opencode-db", "pickle"].contains(&format.id()) || file.ends_with("z") {
                seeds.push(("containers", name.clone(), [&[0], &bytes[..]].concat()));
            }
            // The first short one of each format: each costs an analysis.
            let length =
                u16::try_from(bytes.len()).ok().filter(|length| *length < 8000 && !std::mem::replace(&mut told, true));
            if let Some(length) = length {
                let beside = [&[1], &of_chance(u64::from(length), 60)[..]].concat();
                let head = [&[3, 0][..], &length.to_be_bytes()].concat();
                seeds.push(("whole", name.clone(), [&head, &bytes[..], &beside].concat()));
            }
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if line.starts_with(b"{") && line.len() < 4096 {
                seeds.push(("json", name, line.to_vec()));
            }
        }
    }
}

/// Every finding and every group without a step of the recorded incidents, with the signals of it.
fn findings(testdata: &Path, seeds: &mut Vec<Seed>) {
    let rules = RuleSet::embedded();
    for name in ["reference", "intruder", "order-only"] {
        let options = Options::default();
        let taken = intake::take_in(&[testdata.join("incidents").join(name).join("evidence")], &options);
        let analysis = correlate::analyze(&taken, &options, &rules);
        let lines = jsonl::lines(&analysis, &Reading::default());
        for line in &lines {
            let (id, signals) = match line {
                Line::Finding(finding) => (&finding.id, &finding.signals),
                Line::Unexplained(group) => (&group.id, &group.signals),
                _ => continue,
            };
            let beside = lines.iter().filter(|other| match other {
                Line::Signal(signal) => signals.contains(&signal.id),
                Line::Source(_) | Line::Summary(_) => true,
                _ => false,
            });
            let bytes: String = std::iter::once(line).chain(beside).map(jsonl::to_line).collect();
            seeds.push(("findings", format!("{name}-{id}"), bytes.into_bytes()));
        }
    }
}

/// The commands that the recorded agents ran.
fn commands(testdata: &Path) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for path in
        files_below(&testdata.join("incidents")).iter().filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
    {
        let text = fs::read_to_string(path).expect("a transcript");
        for (at, mark) in text.match_indices("\"command\":") {
            let mut stream = serde_json::Deserializer::from_str(&text[at + mark.len()..]).into_iter::<String>();
            commands.extend(stream.next().and_then(Result::ok));
        }
    }
    commands
}

/// All seeds, from the root of the repository and, for formats and conversations, from folders of evidence of one's own.
pub fn all(root: &Path, more: &[PathBuf]) -> Vec<Seed> {
    let testdata = root.join("testdata");
    let mut seeds = Vec::new();
    samples(&testdata, &mut seeds);
    findings(&testdata, &mut seeds);
    let numbered = |target, all: Vec<Vec<u8>>, seeds: &mut Vec<Seed>| {
        seeds.extend(all.into_iter().enumerate().map(|(number, bytes)| (target, number.to_string(), bytes)));
    };
    numbered("conversations", conversations(&testdata), &mut seeds);
    numbered("command", commands(&testdata).into_iter().map(String::into_bytes).collect(), &mut seeds);
    numbered("capture", (0..48).map(|number| of_chance(number, 40 << (number % 6))).collect(), &mut seeds);
    // The recorded incident with each of the texts that an attacker would choose, shown by its paths and by its names.
    for text in 0x60..0x70_u8 {
        let shown = if text & 1 == 0 { 0xd3 } else { 0xf3 };
        let bytes = [&[shown, text][..], &of_chance(u64::from(text), 60)].concat();
        seeds.push(("whole", format!("recorded-{text}"), bytes));
    }
    // A long conversation of each protocol beside a transcript: miners and tunnels are among them.
    for (number, said) in
        conversations(&testdata).iter().enumerate().filter(|(_, said)| (500..9000).contains(&said.len()))
    {
        let length = (said.len() as u16).to_be_bytes();
        let bytes = [&[2, 6][..], &length, said, &[1], &of_chance(number as u64, 40)].concat();
        seeds.push(("whole", format!("said-{number}"), bytes));
    }
    // Each kind of file comes first in some.
    let cases = (48..80).map(|number| {
        let kinds = [(number % 6) as u8, (number % 8) as u8];
        [&kinds[..], &of_chance(number, 60 << (number % 5))].concat()
    });
    numbered("whole", cases.collect(), &mut seeds);
    numbered(
        "containers",
        (80..112).map(|number| [&[1 | (number as u8 & 0xe)], &of_chance(number, 300)[..]].concat()).collect(),
        &mut seeds,
    );
    let stamps = STAMPS.iter().enumerate();
    let stamped = stamps.map(|(at, stamp)| [&[at as u8, (at * 37) as u8], stamp.as_bytes()].concat());
    numbered("time", stamped.collect(), &mut seeds);
    numbered("intel", LISTS.iter().map(|list| list.as_bytes().to_vec()).collect(), &mut seeds);
    for path in files_below(&root.join("rules")) {
        let bytes = fs::read(&path).expect("a rule");
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let is_list = name.ends_with(".csv");
        seeds.push(("rules", name, if is_list { [b"\xff", &bytes[..bytes.len().min(4096)]].concat() } else { bytes }));
    }
    let settings: [(&str, &'static str); 2] = [("case.toml", "case"), ("expect.toml", "expect")];
    for (number, path) in files_below(&testdata).into_iter().enumerate() {
        for (_, target) in settings.iter().filter(|(name, _)| path.ends_with(name)) {
            seeds.push((*target, number.to_string(), fs::read(&path).expect("a file")));
        }
    }
    let told = fs::read_to_string(root.join("docs/case-file.md")).expect("a document");
    for (number, block) in told.split("```toml\n").skip(1).enumerate() {
        let block = block.split("```").next().unwrap_or_default();
        seeds.push(("case", format!("told-{number}"), block.as_bytes().to_vec()));
    }
    for folder in more {
        numbered("conversations", conversations(folder), &mut seeds);
        for (number, path) in files_below(folder).into_iter().enumerate() {
            let bytes = fs::read(path).expect("a file");
            seeds.push(("formats", format!("more-{number}"), [b"\xff\n", &bytes[..]].concat()));
        }
    }
    seeds.retain(|(_, _, bytes)| bytes.len() <= LONGEST);
    seeds
}
