//! What evidence comes packed in: compressed files, archives, databases, columns.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use coincident::evidence::{EvidenceId, Head, Input, Taken};
use coincident::formats::{Collector, registry};
use coincident::time::TimeContext;
use zip::write::SimpleFileOptions;

use super::bytes::Bytes;
use super::readers::hold_same;

/// A folder that lasts as long as the process, for files whose readers want a path.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    // Tests run side by side.
    let path = folder.path().join(format!("{name}-{:?}", std::thread::current().id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// Members of archives that readers look for, and names that lead elsewhere.
const MEMBERS: [&str; 12] = [
    "header.json",
    "_journal/start.json",
    "samples/1_epoch_1.json",
    "samples/1_epoch_1/shell.json",
    "samples/1_epoch_1/events/0.json",
    "summaries.json",
    "_journal/summaries/1.json",
    "reductions.json",
    "../../samples/x.json",
    "/samples/y.json",
    "samples/",
    "samples/1_epoch_2.json",
];

const TEXTS: [&str; 6] = [
    "Nov 21 07:11:05 fw kernel: DROP IN= OUT=eth0 SRC=10.0.0.1 DST=203.0.113.9 LEN=60 TTL=64 PROTO=TCP SPT=4 DPT=443 SYN\n",
    "timestamp, index, uuid, utilization.gpu [%]\n2026/11/21 07:11:07.056, 0, GPU-5f, 28 %\n",
    "{\"parentUuid\":null,\"type\":\"user\",\"sessionId\":\"s\",\"uuid\":\"u\",\"timestamp\":\"2026-11-21T07:11:11.922Z\",\"message\":{\"role\":\"user\",\"content\":\"x\"}}\n",
    "{\"version\":2,\"status\":\"success\",\"eval\":{\"task\":\"t\",\"model\":\"m\",\"run_id\":\"r\",\"created\":\"2026-11-21T07:11:11+00:00\"},\"plan\":{}}",
    "{\"id\":1,\"epoch\":1,\"input\":\"x\",\"messages\":[{\"role\":\"assistant\",\"content\":\"y\",\"tool_calls\":[{\"id\":\"c\",\"function\":\"bash\",\"arguments\":{\"cmd\":\"ls\"}}]}],\"events\":[]}",
    "",
];

fn text(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut text = bytes.of(&TEXTS).as_bytes().to_vec();
    text.extend(bytes.long());
    match bytes.u8() {
        // Much out of little: up to 4 MiB, on one line or on many.
        250.. => {
            let most = (4 << 20) / text.len().max(1);
            text.repeat(most.min(usize::from(bytes.u16()) + 1))
        }
        200..210 => text.repeat(usize::from(bytes.u8())),
        _ => text,
    }
}

fn archive(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for _ in 0..=(bytes.u8() & 7) {
        let choice = bytes.u8();
        let method = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated, zip::CompressionMethod::Zstd]
            [usize::from(choice >> 4) % 3];
        let member = match choice & 15 {
            at @ 0..12 => MEMBERS[usize::from(at)].to_owned(),
            _ => String::from_utf8_lossy(bytes.short()).into_owned(),
        };
        let text = if choice > 250 { archive_of(&text(bytes)) } else { text(bytes) };
        let options = SimpleFileOptions::default().compression_method(method);
        // A name twice, or one that does not fit, is refused by the writer.
        if archive.start_file(member, options).is_ok() {
            archive.write_all(&text).expect("memory");
        }
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn archive_of(text: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("samples/1_epoch_1.json", SimpleFileOptions::default()).expect("memory");
    archive.write_all(text).expect("memory");
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn compressed(kind: u8, inner: &[u8]) -> Vec<u8> {
    match kind {
        0 => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(inner).expect("memory");
            writer.finish().expect("memory")
        }
        1 => zstd::stream::encode_all(inner, 1).expect("memory"),
        2 => {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 0);
            writer.write_all(inner).expect("memory");
            writer.finish().expect("memory")
        }
        // UTF-16 with its mark (RFC 2781).
        3 => [0xff, 0xfe].into_iter().chain(inner.iter().flat_map(|byte| [*byte, 0])).collect(),
        4 => [0xfe, 0xff].into_iter().chain(inner.iter().flat_map(|byte| [0, *byte])).collect(),
        _ => [b"\xef\xbb\xbf", inner].concat(),
    }
}

fn damage(file: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    for _ in 0..bytes.u8() & 3 {
        // Counted from the end where the directory of an archive, or the footer of a table, stands.
        let (choice, far, value) = (bytes.u8(), usize::from(bytes.u16()), bytes.u8());
        let far = if file.is_empty() { continue } else { far % file.len() };
        let at = if choice & 1 == 0 { far } else { file.len() - 1 - far };
        match choice >> 1 & 7 {
            0 => file.truncate(at),
            1 => file.insert(at, value),
            2 => file[at] ^= 1 << (value & 7),
            3 => file.extend_from_within(at..),
            4 => drop(file.drain(at..(at + usize::from(value)).min(file.len()))),
            _ => file[at] = value,
        }
    }
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes::new(data);
    let kind = bytes.u8();
    // Any file as it is: samples of archives, databases and tables are seeds.
    if kind & 1 == 0 {
        return bytes.rest().to_vec();
    }
    let mut file = if kind & 2 == 0 { text(&mut bytes) } else { archive(&mut bytes) };
    damage(&mut file, &mut bytes);
    for _ in 0..kind >> 2 & 3 {
        let kind = bytes.u8();
        let second = if kind & 0x80 != 0 { compressed(kind & 7, bytes.short()) } else { Vec::new() };
        file = compressed(kind & 7, &file);
        file.extend(second);
        damage(&mut file, &mut bytes);
    }
    file
}

/// What the reader of a file made of it, if there is one.
struct Reading {
    format: Option<&'static str>,
    failed: bool,
    taken: Taken,
    found: Collector,
}

fn read(path: &Path, head: &Head) -> Option<Reading> {
    let format = registry::probe(head).first().and_then(|best| registry::by_id(best.format));
    let mut input = Input::open("fuzz", path, EvidenceId(0)).ok()?;
    let mut found = Collector::default();
    let failed = format.is_some_and(|format| format.read(&mut input, &TimeContext::default(), &mut found).is_err());
    Some(Reading { format: format.map(|format| format.id()), failed, taken: input.finish(), found })
}

/// Files as they lie on disk, through decompression, probing and the reader of what is in them: twice the same, and hashed to
/// their last byte whatever is wrong with them. `-rss_limit_mb` bounds the memory.
pub fn containers(data: &[u8]) {
    let file = packed(data);
    let folder = scratch("containers");
    let path = folder.join("file");
    fs::write(&path, &file).expect("a file");
    let Ok(head) = Head::read("fuzz", &path) else { return };
    assert!(head.bytes.len() <= Head::LENGTH);
    let (Some(one), Some(two)) = (read(&path, &head), read(&path, &head)) else { return };
    let told = |reading: &Reading| (reading.format, reading.failed, reading.taken.sha256.clone(), reading.taken.bytes);
    assert_eq!(told(&one), told(&two), "the same file was read differently");
    hold_same(&one.found, &two.found, one.format.unwrap_or("no format"));
    if one.format.is_some() {
        assert_eq!(one.taken.bytes, file.len() as u64, "not hashed to the end");
    }
}
