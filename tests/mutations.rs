//! The protocol readers of captures on conversations that went wrong: real ones changed at random, with the checks of a
//! development build for overflows and bounds. A few on every run; `fuzz/README.md` says how to let it go on for longer.

#[path = "../fuzz/wrap.rs"]
mod wrap;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coincident::evidence::{EvidenceId, Input};
use coincident::formats::{Collector, registry};
use coincident::time::TimeContext;

/// SplitMix64 (Steele, Lea, Flood 2014): the same changes every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Some changes of one seed, among them pieces of another.
fn changed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    const ODD: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'{', b'\n', 0x16];
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len());
        match numbers.below(8) {
            0 => bytes.truncate(at.max(2)),
            1 => {
                bytes.drain(at..(at + numbers.below(64)).min(bytes.len()));
            }
            2 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                let piece = other[from..(from + numbers.below(600)).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let piece = bytes[at..(at + numbers.below(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            4 if bytes.len() > at + 4 => bytes[at..at + 4].copy_from_slice(&(numbers.next() as u32).to_be_bytes()),
            5 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            6 if bytes.len() > 2 => bytes[numbers.below(2)] = numbers.next() as u8,
            _ if !bytes.is_empty() => bytes[at] = ODD[numbers.below(ODD.len())],
            _ => {}
        }
    }
    bytes
}

/// What the conversations of a classic pcap with IPv4 in Ethernet, cooked or raw frames said, in the form of `wrap.rs`.
fn seeds_of(file: &[u8], seeds: &mut BTreeSet<Vec<u8>>) {
    const LONGEST: usize = 60_000;
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

/// Conversations of all captures below a folder.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let (mut seeds, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of captures") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                seeds_of(&std::fs::read(path).expect("a file"), &mut seeds);
            }
        }
    }
    seeds.into_iter().collect()
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how long to go on is the business of who runs the test")]
    std::env::var(name).ok()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "hangs are told by the clock")]
fn readers_come_back_from_conversations_that_went_wrong() {
    let captures = setting("COINCIDENT_CAPTURES").map(PathBuf::from);
    let seeds = seeds(&captures.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")));
    assert!(seeds.len() >= 20, "conversations of the recorded incidents");
    if let Some(folder) = setting("COINCIDENT_WRITE_SEEDS") {
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(Path::new(&folder).join(number.to_string()), seed).expect("a seed can be written");
        }
    }
    let seconds = setting("COINCIDENT_MUTATE_S").map(|text| text.parse::<u64>().expect("seconds"));
    let format = registry::by_id("pcap").expect("it is registered");
    let mut numbers = Numbers(setting("COINCIDENT_MUTATE_SEED").map_or(1, |text| text.parse().expect("a number")));
    let (began, mut count, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while seconds.map_or(count < 20_000, |seconds| began.elapsed() < Duration::from_secs(seconds)) {
        let bytes = changed(&seeds, &mut numbers);
        let Some(file) = wrap::capture(&bytes) else { continue };
        let packets = file.len();
        let start = Instant::now();
        let mut input = Input::from_bytes("mutated", file, EvidenceId(0));
        let mut found = Collector::default();
        format.read(&mut input, &TimeContext::default(), &mut found).expect("memory can be read");
        let took = start.elapsed();
        slowest = slowest.max(took);
        assert!(took < Duration::from_secs(20), "{count}: {packets} bytes took {took:?}");
        count += 1;
    }
    println!("{count} conversations from {} seeds, the slowest in {slowest:?}", seeds.len());
}
