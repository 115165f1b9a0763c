//! The protocol readers of captures on conversations that went wrong: real ones changed at random, with the checks of a
//! development build for overflows and bounds. A few on every run; `fuzz/README.md` says how to let it go on for longer.

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "the targets of the fuzzer, of which one is used here")]
mod hostile;

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

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how long to go on is the business of who runs the test")]
    std::env::var(name).ok()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "hangs are told by the clock")]
fn readers_come_back_from_conversations_that_went_wrong() {
    let captures = setting("COINCIDENT_CAPTURES").map(PathBuf::from);
    let folder = captures.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    let seeds = hostile::seeds::conversations(&folder);
    assert!(seeds.len() >= 20, "conversations of the recorded incidents");
    let seconds = setting("COINCIDENT_MUTATE_S").map(|text| text.parse::<u64>().expect("seconds"));
    let format = registry::by_id("pcap").expect("it is registered");
    let mut numbers = Numbers(setting("COINCIDENT_MUTATE_SEED").map_or(1, |text| text.parse().expect("a number")));
    let (began, mut count, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while seconds.map_or(count < 20_000, |seconds| began.elapsed() < Duration::from_secs(seconds)) {
        let bytes = changed(&seeds, &mut numbers);
        let Some(file) = hostile::wrap::capture(&bytes) else { continue };
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
