//! Files in transfer: programs, scripts and archives, told by their first bytes, named by what brought them.
//!
//! Whatever does not begin like one costs one look at its first byte. What does is hashed as it passes by.

use std::io::Write;

use flate2::write::{GzDecoder, ZlibDecoder};
use sha2::{Digest, Sha256};

use super::greeting::{Binary, Fit, Greeting};
use super::{Emit, Packet, Reader};
use crate::evidence::{excerpt, hexadecimal};
use crate::model::{Detail, File, Flow};
use crate::time::Instant;

/// Bytes looked at before a content is called nothing: the header of a PE stands where its stub says.
const HEAD: usize = 1024;
/// Bytes that a compressed content may grow to while it is looked into; beyond, its hash is not told.
const DECODED_MAX: u64 = 256 << 20;
/// Bound on names, hosts and media types.
const TEXT_MAX: usize = 255;

/// What is known of a content before it comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    pub(super) name: Option<String>,
    pub(super) host: Option<String>,
    pub(super) media_type: Option<String>,
    /// Of the whole content.
    pub(super) length: Option<u64>,
    /// Content-Encoding: "gzip", "deflate".
    pub(super) coding: Option<String>,
    /// Where in the whole this part begins (a range).
    pub(super) from: u64,
}

/// One content on its way.
pub(super) struct Watch {
    announced: Announced,
    content: Content,
    packet: Option<Packet>,
    last: Instant,
    bytes: u64,
    missing: bool,
}

enum Content {
    Plain(Look),
    Gzip(GzDecoder<Look>),
    Zlib(ZlibDecoder<Look>),
    Nothing,
}

impl Watch {
    pub(super) fn new(announced: Announced) -> Self {
        let coding = announced.coding.as_deref().map(str::trim).map(str::to_ascii_lowercase);
        let content = match coding.as_deref() {
            _ if announced.from > 0 => Content::Nothing,
            None | Some("" | "identity") => Content::Plain(Look::default()),
            // Pages and pictures are compressed all the time: not worth undoing to see what they are.
            _ if announced.media_type.as_deref().is_some_and(is_page) => Content::Nothing,
            Some("gzip" | "x-gzip") => Content::Gzip(GzDecoder::new(Look::default())),
            Some("deflate") => Content::Zlib(ZlibDecoder::new(Look::default())),
            Some(_) => Content::Nothing,
        };
        Watch { announced, content, packet: None, last: Instant::default(), bytes: 0, missing: false }
    }

    /// Whether further bytes can matter.
    pub(super) fn wants(&self) -> bool {
        !matches!(self.content, Content::Nothing)
    }

    pub(super) fn data(&mut self, packet: Packet, bytes: &[u8]) {
        self.packet.get_or_insert(packet);
        self.last = packet.at;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let goes_on = match &mut self.content {
            // Behind a hole the hash is of no use; the count goes on.
            _ if self.missing => self.look().is_some_and(|look| look.kind.is_some()),
            Content::Plain(look) => look.take(bytes),
            Content::Gzip(decoder) => decoder.write_all(bytes).is_ok() && decoder.get_ref().is_open(),
            Content::Zlib(decoder) => decoder.write_all(bytes).is_ok() && decoder.get_ref().is_open(),
            Content::Nothing => false,
        };
        if !goes_on && self.look().is_none_or(|look| look.kind.is_none()) {
            self.content = Content::Nothing;
        }
    }

    pub(super) fn gap(&mut self) {
        self.missing = true;
        if self.look().is_none_or(|look| look.kind.is_none()) {
            self.content = Content::Nothing;
        }
    }

    fn look(&self) -> Option<&Look> {
        match &self.content {
            Content::Plain(look) => Some(look),
            Content::Gzip(decoder) => Some(decoder.get_ref()),
            Content::Zlib(decoder) => Some(decoder.get_ref()),
            Content::Nothing => None,
        }
    }

    /// The content is over; `whole` if its end was seen. The file that it was, if it was one.
    pub(super) fn end(self, via: &'static str, whole: bool, to_opener: bool) -> Option<(Packet, File)> {
        let Watch { announced, content, packet, last, bytes, missing } = self;
        let look = match content {
            Content::Plain(look) => look,
            Content::Gzip(decoder) => decoder.finish().ok()?,
            Content::Zlib(decoder) => decoder.finish().ok()?,
            Content::Nothing => return None,
        };
        let kind = look.kind?;
        let fits = announced.length.is_none_or(|length| length == bytes);
        let hash = look.hash.filter(|_| whole && !missing && fits && look.bytes <= DECODED_MAX);
        let file = File {
            kind,
            via,
            name: announced.name.map(short),
            host: announced.host.map(short),
            media_type: announced.media_type.map(short),
            bytes,
            announced: announced.length,
            sha256: hash.map(|hash| hexadecimal(&hash.finalize())),
            to_opener,
            last: Some(last),
        };
        Some((packet?, file))
    }
}

fn short(text: String) -> String {
    excerpt(&text, TEXT_MAX).into_owned()
}

fn is_page(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["text/html", "text/css", "text/javascript", "text/xml"].contains(&kind.as_str())
        || [
            "image/",
            "font/",
            "application/json",
            "application/javascript",
            "application/x-javascript",
            "application/xml",
        ]
        .iter()
        .any(|start| kind.starts_with(start))
}

/// The name that a content is stored under by its receiver: of its disposition, or the end of its path.
pub(super) fn name(disposition: Option<&str>, target: &str) -> Option<String> {
    let stated = disposition.and_then(|text| {
        let (_, rest) = text.split_once("filename")?;
        let value = rest.trim_start_matches('*').trim_start().strip_prefix('=')?.trim_start();
        let value = value.rsplit_once("''").map_or(value, |(_, name)| name);
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => value.split(';').next(),
        };
        value.map(|value| value.trim().to_owned())
    });
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().map(str::to_owned);
    stated.filter(|name| !name.is_empty()).or(last.filter(|name| !name.is_empty()))
}

/// Looks at a content's first bytes, and hashes it if they are a file's.
#[derive(Default)]
struct Look {
    head: Vec<u8>,
    kind: Option<&'static str>,
    hash: Option<Sha256>,
    bytes: u64,
    closed: bool,
}

impl Look {
    /// Whether more is wanted.
    fn is_open(&self) -> bool {
        !self.closed
    }

    fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.closed {
            return false;
        }
        if let Some(hash) = &mut self.hash {
            if self.bytes <= DECODED_MAX {
                hash.update(bytes);
            }
            return true;
        }
        let told = if self.head.is_empty() {
            magic(bytes)
        } else {
            let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
            self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
            magic(&self.head)
        };
        match told {
            Magic::Is(kind) => {
                let mut hash = Sha256::new();
                let had = self.bytes - bytes.len() as u64;
                if had > 0 {
                    // What of this piece fitted is at the end of the head.
                    let before = usize::try_from(had).unwrap_or(usize::MAX);
                    hash.update(self.head.get(..before).unwrap_or(&self.head));
                }
                hash.update(bytes);
                (self.kind, self.hash, self.head) = (Some(kind), Some(hash), Vec::new());
                true
            }
            Magic::More if self.bytes < HEAD as u64 => {
                if self.head.is_empty() {
                    self.head = bytes.to_vec();
                }
                true
            }
            Magic::More | Magic::No => {
                self.closed = true;
                self.head = Vec::new();
                false
            }
        }
    }
}

impl Write for Look {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.take(bytes) { Ok(bytes.len()) } else { Err(std::io::ErrorKind::Unsupported.into()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magic {
    Is(&'static str),
    More,
    No,
}

/// First bytes that are enough: the format's own document each.
const MAGICS: &[(&[u8], &str)] = &[
    (b"\xfe\xed\xfa\xce", "mach-o"),
    (b"\xfe\xed\xfa\xcf", "mach-o"),
    (b"\xce\xfa\xed\xfe", "mach-o"),
    (b"\xcf\xfa\xed\xfe", "mach-o"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"!<arch>\ndebian-binary", "deb"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"dex\n03", "dex"),
    (b"\0asm\x01\0\0\0", "wasm"),
];

fn magic(bytes: &[u8]) -> Magic {
    let Some(first) = bytes.first() else { return Magic::More };
    match first {
        0x7f => elf(bytes),
        b'M' => pe(bytes),
        b'#' => script(bytes),
        b'B' => bzip2(bytes),
        0xca => universal(bytes),
        _ => {
            let mut more = false;
            for (start, kind) in MAGICS {
                if bytes.starts_with(start) {
                    return Magic::Is(kind);
                }
                more |= start.starts_with(bytes);
            }
            if more { Magic::More } else { Magic::No }
        }
    }
}

fn as_far_as(start: &[u8], bytes: &[u8]) -> Magic {
    if start.starts_with(bytes) { Magic::More } else { Magic::No }
}

/// The identification of an ELF: magic, class, byte order, version 1 (System V ABI, chapter 4).
fn elf(bytes: &[u8]) -> Magic {
    match bytes {
        [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..] => Magic::Is("elf"),
        [0x7f, b'E', b'L', b'F', _, _, _, ..] => Magic::No,
        [0x7f, b'E', b'L', b'F', ..] => Magic::More,
        _ => as_far_as(b"\x7fELF", bytes),
    }
}

/// A DOS stub whose word at 0x3c leads to `PE\0\0` (PE format, "MS-DOS stub").
fn pe(bytes: &[u8]) -> Magic {
    if bytes.get(1).is_some_and(|second| *second != b'Z') {
        return Magic::No;
    }
    let Some(at) = bytes.get(0x3c..).and_then(|rest| rest.first_chunk::<4>()).map(|at| u32::from_le_bytes(*at)) else {
        return Magic::More;
    };
    match usize::try_from(at) {
        Ok(at) if (0x40..HEAD - 4).contains(&at) => match bytes.get(at..at + 4) {
            Some(b"PE\0\0") => Magic::Is("pe"),
            Some(_) => Magic::No,
            None => Magic::More,
        },
        _ => Magic::No,
    }
}

/// `#!` and the path of an interpreter.
fn script(bytes: &[u8]) -> Magic {
    match bytes {
        [b'#', b'!', rest @ ..] => match rest.iter().find(|byte| **byte != b' ') {
            Some(b'/') => Magic::Is("script"),
            Some(_) => Magic::No,
            None => Magic::More,
        },
        _ => as_far_as(b"#!", bytes),
    }
}

fn bzip2(bytes: &[u8]) -> Magic {
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Magic::Is("bzip2"),
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => as_far_as(b"1AY&SY", rest),
        _ => as_far_as(b"BZh", bytes),
    }
}

/// A universal Mach-O has a few architectures where a Java class has its version, 45 or more.
fn universal(bytes: &[u8]) -> Magic {
    match bytes {
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1..=8, ..] => Magic::Is("mach-o"),
        [0xca, 0xfe, 0xba, 0xbe, _, _, _, _, ..] => Magic::No,
        _ if bytes.len() >= 4 => {
            if bytes.starts_with(b"\xca\xfe\xba\xbe") {
                Magic::More
            } else {
                Magic::No
            }
        }
        _ => as_far_as(b"\xca\xfe\xba\xbe", bytes),
    }
}

/// Programs that begin a stream of their own, as on a data connection of FTP or from `nc`.
pub(super) const RAW: Binary = Binary { name: "file", sniff: sniff_raw, reader: raw };

fn sniff_raw(bytes: &[u8], _: Greeting) -> Fit {
    match bytes.first() {
        Some(0x7f | b'M') => match magic(bytes) {
            Magic::Is(_) => Fit::Yes,
            Magic::More if bytes.len() < HEAD => Fit::More,
            Magic::More | Magic::No => Fit::No,
        },
        _ => Fit::No,
    }
}

fn raw(greeting: Greeting) -> Box<dyn Reader> {
    let Greeting { flow, from_opener, depth, .. } = greeting;
    Box::new(Raw { flow, from_opener, is_nested: depth > 0, watch: Watch::new(Announced::default()) })
}

struct Raw {
    flow: Flow,
    from_opener: bool,
    /// In a stream that another protocol carries.
    is_nested: bool,
    watch: Watch,
}

impl Reader for Raw {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if packet.from_opener == self.from_opener {
            self.watch.data(packet, bytes);
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        if from_opener == self.from_opener {
            self.watch.gap();
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        from_opener != self.from_opener || !self.watch.wants()
    }

    fn finish(self: Box<Self>, _last: Instant, emit: &mut Emit<'_>) {
        let is_ftp = [self.flow.src_port, self.flow.dst_port].contains(&Some(20));
        let via = match (self.is_nested, is_ftp) {
            (true, _) => "nested",
            (false, true) => "ftp-data",
            (false, false) => "tcp",
        };
        // Where the stream's end is, the stream does not say.
        if let Some((packet, file)) = self.watch.end(via, false, !self.from_opener) {
            emit(&packet.observation(self.flow, Detail::File(file)));
        }
    }
}

#[cfg(test)]
mod tests;
