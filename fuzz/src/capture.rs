//! Captures built out of any bytes: files of packets and blocks whose outer layers are well formed most of the time, so that
//! what lies within is read, and ill now and then.

use coincident::formats::registry;
use coincident::time::TimeContext;

use super::bytes::Bytes;
use super::packets::{Flow, LINKS, frame, packet};
use super::readers::read_twice;

/// The writer of a file, in either order of bytes.
struct File {
    bytes: Vec<u8>,
    big: bool,
}

impl File {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    /// A block of pcapng (section 3.1): type, length, body, length.
    fn block(&mut self, kind: u32, body: &[u8], off: u32) {
        let padded = body.len().next_multiple_of(4);
        let length = (12 + padded as u32).wrapping_add(off);
        self.u32(kind);
        self.u32(length);
        self.bytes.extend(body.iter().copied().chain(std::iter::repeat(0)).take(padded));
        self.u32(length);
    }

    fn part(&self) -> File {
        File { bytes: Vec::new(), big: self.big }
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.u16(code);
        self.u16(value.len() as u16);
        self.bytes.extend(value.iter().copied().chain(std::iter::repeat(0)).take(value.len().next_multiple_of(4)));
    }
}

const LONGEST: usize = 1 << 17;

fn classic(bytes: &mut Bytes<'_>, file: &mut File, choice: u8) {
    let magic = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34, 0xa1b2_c3d4][usize::from(choice >> 2 & 3)];
    let link = bytes.of(&LINKS);
    file.u32(magic);
    for half in [2, 4] {
        file.u16(half);
    }
    file.u32(0);
    file.u32(0);
    file.u32(if choice & 0x40 == 0 { 262_144 } else { u32::from(bytes.u8()) });
    file.u32(u32::from(link.0) | if choice & 0x80 == 0 { 0 } else { u32::from(bytes.u8()) << 24 });
    let (mut flows, mut second) = ([Flow::default(); 4], 1_795_184_026_u32);
    while !bytes.is_empty() && file.bytes.len() < LONGEST {
        let packet = packet(bytes, &mut flows);
        let frame = frame(bytes, link, packet);
        second = match bytes.u8() {
            step @ 0..240 => second.wrapping_add(u32::from(step) >> 4),
            240..248 => second.wrapping_sub(1),
            _ => bytes.u32(),
        };
        let fraction = bytes.u16();
        file.u32(second);
        file.u32(u32::from(fraction) * 10);
        let length = frame.len() as u32;
        let (captured, original) = match fraction & 0xff {
            0xfd => (u32::from(bytes.u8()), length),
            0xfe => (length, bytes.u32()),
            0xff => (bytes.u32(), length),
            _ => (length, length),
        };
        file.u32(captured);
        file.u32(original);
        if magic == 0xa1b2_cd34 {
            file.u32(0);
            file.u32(0);
        }
        file.bytes.extend(&frame[..frame.len().min(captured as usize)]);
    }
}

fn section(file: &mut File, bytes: &mut Bytes<'_>) {
    let mut body = file.part();
    body.u32(0x1a2b_3c4d);
    body.u16(1);
    body.u16(0);
    let length = if bytes.u8() > 250 { bytes.u32() } else { u32::MAX };
    body.u32(length);
    body.u32(if length == u32::MAX { length } else { 0 });
    options(&mut body, bytes);
    file.block(0x0a0d_0d0a, &body.bytes, 0);
}

fn options(body: &mut File, bytes: &mut Bytes<'_>) {
    let many = bytes.u8();
    for _ in 0..many & 3 {
        let code = bytes.u8();
        let value = bytes.take(usize::from(many >> 2 & 15));
        body.option(u16::from(code), value);
    }
    if many & 3 != 0 && many & 0x40 == 0 {
        body.option(0, &[]);
    }
}

fn interface(file: &mut File, bytes: &mut Bytes<'_>, links: &mut Vec<(u16, Option<usize>)>) {
    let link = bytes.of(&LINKS);
    let mut body = file.part();
    body.u16(link.0);
    body.u16(0);
    body.u32(if bytes.u8() > 250 { 60 } else { 0 });
    match bytes.u8() {
        // Resolution (if_tsresol), offset (if_tsoffset), zone (if_tzone), name.
        0..64 => {
            let resolution = bytes.of(&[6, 9, 0, 3, 0x8a, 0x94, 0xff, 0x7f, 20]);
            body.option(9, &[resolution]);
        }
        64..96 => {
            let offset = [bytes.u32().to_be_bytes(), bytes.u32().to_be_bytes()].concat();
            body.option(14, &offset);
        }
        96..112 => options(&mut body, bytes),
        _ => body.option(2, b"eth0"),
    }
    body.option(0, &[]);
    file.block(1, &body.bytes, 0);
    links.push(link);
}

fn next_generation(bytes: &mut Bytes<'_>, file: &mut File) {
    section(file, bytes);
    let mut links = Vec::new();
    interface(file, bytes, &mut links);
    let (mut flows, mut at) = ([Flow::default(); 4], 1_795_184_026_000_000_u64);
    while !bytes.is_empty() && file.bytes.len() < LONGEST {
        let kind = bytes.u8();
        let off = if kind == 0xff { bytes.u32() } else { 0 };
        let mut body = file.part();
        match kind {
            0..180 | 0xff => {
                let id = if kind > 170 { bytes.u8() } else { kind } as usize;
                let link = links.get(id % links.len().max(1)).copied().unwrap_or((1, Some(12)));
                let packet = packet(bytes, &mut flows);
                let frame = frame(bytes, link, packet);
                at = match bytes.u8() {
                    step @ 0..250 => at.wrapping_add(u64::from(step) * 1000),
                    _ => u64::from(bytes.u32()) << 32 | u64::from(bytes.u32()),
                };
                body.u32(if id < 200 { (id % links.len().max(1)) as u32 } else { id as u32 });
                body.u32((at >> 32) as u32);
                body.u32(at as u32);
                let captured = if kind == 170 { bytes.u32() } else { frame.len() as u32 };
                body.u32(captured);
                body.u32(if kind == 169 { bytes.u32() } else { frame.len() as u32 });
                body.bytes
                    .extend(frame.iter().copied().chain(std::iter::repeat(0)).take(frame.len().next_multiple_of(4)));
                if kind > 160 {
                    options(&mut body, bytes);
                }
                file.block(6, &body.bytes, off);
            }
            180..190 => {
                // A simple packet (section 4.4).
                let packet = packet(bytes, &mut flows);
                let frame = frame(bytes, links.first().copied().unwrap_or((1, Some(12))), packet);
                body.u32(frame.len() as u32);
                body.bytes.extend(frame);
                file.block(3, &body.bytes, off);
            }
            190..200 => interface(file, bytes, &mut links),
            200..206 => {
                file.big ^= kind & 1 == 1;
                links.clear();
                section(file, bytes);
            }
            206..220 => {
                // Names (section 4.5): records of an address and names.
                let record = bytes.of(&[1, 2, 0, 9]);
                let value = bytes.short();
                body.option(record, value);
                body.option(0, &[]);
                options(&mut body, bytes);
                file.block(4, &body.bytes, off);
            }
            220..228 => {
                body.u32(0);
                body.u32((at >> 32) as u32);
                body.u32(at as u32);
                options(&mut body, bytes);
                file.block(5, &body.bytes, off);
            }
            228..236 => {
                // The packet block of old (appendix A of the specification).
                let packet = packet(bytes, &mut flows);
                let frame = frame(bytes, links.first().copied().unwrap_or((1, Some(12))), packet);
                body.u16(0);
                body.u16(u16::from(bytes.u8()));
                body.u32((at >> 32) as u32);
                body.u32(at as u32);
                body.u32(frame.len() as u32);
                body.u32(frame.len() as u32);
                body.bytes.extend(frame);
                file.block(2, &body.bytes, off);
            }
            236..244 => {
                // Secrets of TLS (section 4.7) and blocks of a vendor.
                let kind = bytes.of(&[10, 0x0000_0bad, 0x4000_0bad, 9, 8]);
                body.u32(0x544c_534b);
                body.bytes.extend(bytes.short());
                file.block(kind, &body.bytes, off);
            }
            _ => {
                let kind = bytes.u32();
                let value = bytes.short().to_vec();
                file.block(kind, &value, off);
            }
        }
    }
}

/// The file that the bytes stand for; the format that it is of.
pub(crate) fn built(data: &[u8]) -> (&'static str, Vec<u8>) {
    let mut bytes = Bytes::new(data);
    let choice = bytes.u8();
    let mut file = File { bytes: Vec::new(), big: choice & 1 != 0 };
    let cut = if choice & 0x20 != 0 { usize::from(bytes.u8()) } else { 0 };
    let format = match choice & 2 {
        0 => {
            classic(&mut bytes, &mut file, choice);
            "pcap"
        }
        _ => {
            next_generation(&mut bytes, &mut file);
            "pcapng"
        }
    };
    let length = file.bytes.len().saturating_sub(cut);
    file.bytes.truncate(length);
    (format, file.bytes)
}

/// Readers of captures on files of packets and blocks built from the bytes.
pub fn capture(data: &[u8]) {
    let (format, file) = built(data);
    read_twice(registry::by_id(format).expect("it is registered"), &file, &TimeContext::default());
}
