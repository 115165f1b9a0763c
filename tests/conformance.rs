//! What every format owes its users, checked on every sample in `testdata/formats/<id>/`: it knows its own files and
//! leaves those of others alone, it survives any input, and it shows what is missing from a file that was cut.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use coincident::evidence::{AnomalyKind, EvidenceId, Head, Input};
use coincident::formats::{Collector, Format, Kind, Match, registry};
use coincident::time::TimeContext;
use rayon::prelude::*;

struct Sample {
    format: &'static dyn Format,
    /// Relative to the folder of the format.
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/formats")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder that can be listed")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Samples are all files of the folder but what describes, generates and checks them.
fn is_sample(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !(file.starts_with("README")
        || file.ends_with(".py")
        || file.starts_with("expected.")
        || file.contains(".expected."))
}

fn samples_of(format: &'static dyn Format) -> Vec<Sample> {
    let folder = root().join(format.id());
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut paths = Vec::new();
    files_below(&folder, &mut paths);
    paths
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&folder).expect("below the folder").to_str().expect("UTF-8").to_owned();
            is_sample(&name).then(|| Sample { format, name, bytes: fs::read(&path).expect("a sample"), path })
        })
        .collect()
}

fn samples() -> Vec<Sample> {
    registry::FORMATS.iter().flat_map(|format| samples_of(*format)).collect()
}

/// Any line may be a command of a shell: noise in letters is a history, and a stamp that was damaged is one more line of
/// the command above it.
const FREE: &[&str] = &["shell-history"];

fn is_free(format: &dyn Format) -> bool {
    FREE.contains(&format.id())
}

fn read(format: &dyn Format, name: &str, bytes: &[u8]) -> Collector {
    let mut input = Input::from_bytes(name, bytes.to_vec(), EvidenceId(0));
    let mut found = Collector::default();
    format.read(&mut input, &TimeContext::default(), &mut found).expect("memory can be read");
    found
}

#[test]
fn every_format_has_samples_and_every_folder_a_format() {
    let without: Vec<&str> =
        registry::FORMATS.iter().filter(|format| samples_of(**format).is_empty()).map(|format| format.id()).collect();
    assert!(without.is_empty(), "no samples in testdata/formats for {without:?}");
    let ids: BTreeSet<&str> = registry::FORMATS.iter().map(|format| format.id()).collect();
    assert_eq!(ids.len(), registry::FORMATS.len(), "ids are unique");
    for entry in fs::read_dir(root()).expect("testdata/formats") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.path().is_dir() {
            assert!(ids.contains(name.as_str()), "testdata/formats/{name} is named like no format");
            assert_eq!(registry::by_id(&name).map(|format| format.id()), Some(name.as_str()));
        }
    }
    assert!(registry::by_id("no-such-format").is_none());
}

#[test]
fn a_sample_belongs_to_its_own_format_alone() {
    for sample in samples() {
        let head = Head::read(&sample.name, &sample.path).expect("a sample");
        let candidates = registry::probe(&head);
        let shown = format!("{}/{}: {candidates:?}", sample.format.id(), sample.name);
        assert_eq!(candidates.first().map(|best| best.format), Some(sample.format.id()), "{shown}");
        for candidate in &candidates {
            assert!(!candidate.matched.reason().is_empty(), "a reason is shown to the user: {shown}");
            let own = candidate.format == sample.format.id();
            assert!(own || !matches!(candidate.matched, Match::Certain(_)), "claimed by another as certain: {shown}");
        }
        if let [best, second, ..] = candidates.as_slice() {
            assert!(best.matched.rank() > second.matched.rank(), "a tie is no recognition: {shown}");
        }
    }
}

#[test]
fn a_sample_gives_records() {
    for sample in samples().into_iter().filter(|sample| sample.format.id() != "pickle") {
        let found = read(sample.format, &sample.name, &sample.bytes);
        assert!(found.records > 0, "{}/{}: {found:?}", sample.format.id(), sample.name);
        let again = read(sample.format, &sample.name, &sample.bytes);
        assert_eq!(found, again, "{}/{}: read twice", sample.format.id(), sample.name);
    }
}

/// Every length up to 8 KiB; of longer samples every length up to 2 KiB and 512 more, evenly spaced.
fn cuts(length: usize) -> Vec<usize> {
    if length <= 8 << 10 {
        return (0..length).collect();
    }
    let from = 2 << 10;
    (0..from).chain((0..512).map(|step| from + (length - from) * step / 512)).collect()
}

/// Shown in `cut` and not in `whole`: what tells the user that something is missing.
fn is_shown(cut: &Collector, whole: &Collector) -> bool {
    let accounted = |found: &Collector| found.records + found.unread.len() as u64;
    accounted(cut) < accounted(whole)
        || cut.unread.iter().any(|unread| !whole.unread.contains(unread))
        || cut.anomalies.iter().any(|anomaly| !whole.anomalies.contains(anomaly))
}

/// Whether a pcapng file could end here, between two blocks (its specification, section 3.1).
fn is_between_blocks(bytes: &[u8], cut: usize) -> bool {
    let big = bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && bytes.get(8) == Some(&0x1a);
    let mut at = 0;
    while let Some(length) = bytes.get(at + 4..at + 8).filter(|_| at < cut) {
        let length: [u8; 4] = length.try_into().expect("four bytes");
        at += if big { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) }.max(12) as usize;
    }
    at == cut
}

/// Where the last line that holds anything begins, and where it ends.
fn last_line(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.trim_ascii_end().len();
    let start = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    start..end
}

#[test]
fn a_sample_survives_any_cut_and_shows_it() {
    let mut failures = Vec::new();
    for sample in samples() {
        let (format, bytes) = (sample.format, &sample.bytes);
        let whole = read(format, &sample.name, bytes);
        let last = last_line(bytes);
        let wrong: Vec<usize> = cuts(bytes.len())
            .into_par_iter()
            .filter(|cut| {
                let cut = *cut;
                let found = read(format, &sample.name, &bytes[..cut]);
                // A line of a log or table does not say how long it is: that its end is missing shows only where a
                // field is. White space after the last record is no loss.
                let cannot_tell = match format.kind() {
                    Kind::Firewall | Kind::Gpu => cut >= last.start,
                    Kind::Transcript => cut >= last.end,
                    // Behind the last packet there may be whole blocks of other things.
                    Kind::Capture => {
                        format.id() == "pcapng" && found.records == whole.records && is_between_blocks(bytes, cut)
                    }
                };
                found.records > whole.records || !(cannot_tell || is_shown(&found, &whole))
            })
            .collect();
        if !wrong.is_empty() {
            failures.push(format!("{}/{}, {} bytes, cut at {wrong:?}", format.id(), sample.name, bytes.len()));
        }
    }
    assert!(failures.is_empty(), "more records than the whole, or nothing shown:\n{}", failures.join("\n"));
}

/// A line that was cut is still one line: read, or unread with its beginning. Asked of samples whose every line is a
/// record: others have headers, or records over several lines.
#[test]
fn a_log_line_never_vanishes() {
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').filter(|line| !matches!(line, [] | [b'\r'])).count();
    let every_line = |sample: &Sample| {
        let whole = read(sample.format, &sample.name, &sample.bytes);
        whole.records + whole.unread.len() as u64 == lines(&sample.bytes) as u64
    };
    let samples: Vec<Sample> =
        samples().into_iter().filter(|sample| sample.format.kind() == Kind::Firewall && every_line(sample)).collect();
    assert!(samples.len() > 5);
    for sample in samples {
        for cut in cuts(sample.bytes.len()) {
            let bytes = &sample.bytes[..cut];
            let found = read(sample.format, &sample.name, bytes);
            if found.anomalies.iter().any(|anomaly| anomaly.detail.contains("the document ends before")) {
                continue;
            }
            let accounted = found.records + found.unread.len() as u64;
            assert_eq!(
                accounted,
                lines(bytes) as u64,
                "{}/{} cut at {cut}: {found:?}",
                sample.format.id(),
                sample.name
            );
        }
    }
}

/// A capture that ends within a packet says so: of two neighbouring lengths at most one ends between two packets.
#[test]
fn a_capture_cut_within_a_packet_is_truncated() {
    for sample in samples().into_iter().filter(|sample| sample.format.kind() == Kind::Capture) {
        let whole = read(sample.format, &sample.name, &sample.bytes);
        if whole.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::MalformedRecord)
            || !whole.unread.is_empty()
        {
            // Damaged on purpose: where its packets end is not certain.
            continue;
        }
        let quiet: Vec<usize> = (1..sample.bytes.len().min(4 << 10))
            .filter(|cut| {
                let found = read(sample.format, &sample.name, &sample.bytes[..*cut]);
                !found.anomalies.iter().any(|anomaly| {
                    anomaly.kind == AnomalyKind::TruncatedRecord && anomaly.detail.contains("the file ends within")
                })
            })
            .collect();
        // A packet takes 16 bytes of header in a pcap, a block 12 in a pcapng.
        for pair in quiet.windows(2) {
            assert!(pair[1] - pair[0] >= 12, "{}/{}: quiet at {pair:?}", sample.format.id(), sample.name);
        }
    }
}

/// Numerical Recipes' 64-bit linear congruential generator, upper bits.
fn noise(length: usize, mut state: u64) -> Vec<u8> {
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn every_format_survives_nothing_and_noise() {
    let printable: Vec<u8> =
        noise(64 << 10, 2).into_iter().map(|byte| if byte % 61 == 0 { b'\n' } else { 32 + byte % 95 }).collect();
    let mut failures = Vec::new();
    for format in registry::FORMATS.iter().filter(|format| !is_free(**format)) {
        let nothing = read(*format, "nothing", b"");
        assert_eq!(nothing.records, 0, "{}", format.id());
        assert!(nothing.observations.is_empty() && nothing.steps.is_empty(), "{}", format.id());
        for bytes in [&noise(64 << 10, 1), &printable, &vec![0; 64 << 10], &vec![0xff; 64 << 10]] {
            let found = read(*format, "noise", bytes);
            if found.records > 0 || !found.observations.is_empty() || !found.steps.is_empty() {
                failures.push(format!("{} makes {} records of noise", format.id(), found.records));
            }
            if found.unread.is_empty() && found.anomalies.is_empty() {
                failures.push(format!("{} passes over noise", format.id()));
            }
        }
        for head in [Vec::new(), noise(64 << 10, 3), printable.clone()] {
            let head = Head::from_bytes("noise", &head);
            assert!(!matches!(format.probe(&head), Match::Certain(_)), "{} is certain of noise", format.id());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A sample behind another format's bytes, byte by byte overwritten: readers meet what they do not expect midway.
#[test]
fn a_sample_survives_damage() {
    let mut failures = Vec::new();
    for sample in samples() {
        let damage = noise(64, sample.bytes.len() as u64);
        let silent: Vec<usize> = (0..64_usize)
            .into_par_iter()
            .filter(|round| {
                let mut bytes = sample.bytes.clone();
                let places = noise(16, *round as u64);
                for (at, place) in places.chunks(2).enumerate() {
                    let place = usize::from(place[0]) << 8 | usize::from(place[1]);
                    if let Some(byte) = bytes.get_mut(place % sample.bytes.len().max(1)) {
                        *byte = damage[(round + at) % damage.len()];
                    }
                }
                // Whatever comes of it, it comes back.
                let found = read(sample.format, &sample.name, &bytes);
                found.records == 0 && found.unread.is_empty() && found.anomalies.is_empty()
            })
            .collect();
        if !silent.is_empty() {
            failures.push(format!("{}/{} in rounds {silent:?}", sample.format.id(), sample.name));
        }
    }
    assert!(failures.is_empty(), "nothing is said of damage:\n{}", failures.join("\n"));
}

/// Where the names of members of JSON stand: one that is damaged is another name, and members of any name are allowed.
fn names(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(|byte| *byte == b'"').map(|next| at + next) {
        let mut end = start + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        at = (end + 1).min(bytes.len());
        if bytes[at..].trim_ascii_start().starts_with(b":") {
            found.push(start + 1..end);
        }
    }
    found
}

/// One byte of a transcript changes: what is then not read as a record is unread, or the file is odd. A line break of a
/// text is left as it is: without it two lines are one.
#[test]
fn no_record_of_a_transcript_vanishes_by_one_byte() {
    let mut failures = Vec::new();
    let transcript = |sample: &Sample| sample.format.kind() == Kind::Transcript && !is_free(sample.format);
    for sample in samples().into_iter().filter(transcript) {
        let (format, bytes) = (sample.format, &sample.bytes);
        let whole = read(format, &sample.name, bytes);
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let json = [first, bytes].iter().any(|text| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok());
        let names = if json { names(bytes) } else { Vec::new() };
        let silent: Vec<usize> = cuts(bytes.len())
            .into_par_iter()
            .filter(|at| !names.iter().any(|name| name.contains(at)))
            .filter(|at| json || bytes[*at] != b'\n')
            .filter(|at| {
                let mut bytes = bytes.clone();
                bytes[*at] ^= 1 << (at % 7);
                let found = read(format, &sample.name, &bytes);
                let said = found.unread.iter().any(|unread| !whole.unread.contains(unread))
                    || found.anomalies.iter().any(|anomaly| !whole.anomalies.contains(anomaly));
                found.records < whole.records && !said
            })
            .collect();
        if !silent.is_empty() {
            failures.push(format!("{}/{}, {} bytes, at {silent:?}", format.id(), sample.name, bytes.len()));
        }
    }
    assert!(failures.is_empty(), "records are gone, and nothing says so:\n{}", failures.join("\n"));
}

#[test]
fn the_documentation_names_every_format() {
    let documentation = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md"))
        .expect("docs/formats.md")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for format in registry::FORMATS.iter() {
        for (what, text) in [
            ("id", format!("## `{}`", format.id())),
            ("title", format.title().to_owned()),
            ("kind and unit", format!("Kind: {}. Record: {}.", format.kind().name(), format.record_unit())),
        ] {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(documentation.contains(&text), "docs/formats.md lacks the {what} of {}: {text:?}", format.id());
        }
    }
}
