//! Classic pcap files (draft-ietf-opsawg-pcap; the "modified" variant as in Alexey Kuznetsov's libpcap patches).

use std::io;

use super::packets::{Interface, Packets};
use super::stamp::Resolution;
use super::window::{Order, Window};
use super::{MAX_PACKET, USUAL_MAX_PACKET};
use crate::evidence::{AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::{Instant, TimeContext};

/// Classic pcap: microseconds and nanoseconds, both byte orders, modified record headers.
#[derive(Debug)]
pub struct Pcap;

const FILE_HEADER: usize = 24;
/// An Ethernet header; raw IP has more.
const SHORTEST_FRAME: u32 = 14;

#[derive(Clone, Copy, Debug)]
struct Magic {
    order: Order,
    resolution: Resolution,
    /// Record headers are followed by interface index, protocol and packet type: 8 more bytes.
    modified: bool,
}

impl Magic {
    fn of(bytes: &[u8]) -> Option<Self> {
        let first = bytes.first_chunk::<4>()?;
        [(Order::Little, u32::from_le_bytes(*first)), (Order::Big, u32::from_be_bytes(*first))].into_iter().find_map(
            |(order, magic)| {
                let (resolution, modified) = match magic {
                    0xa1b2_c3d4 => (Resolution::MICROSECONDS, false),
                    0xa1b2_3c4d => (Resolution::NANOSECONDS, false),
                    0xa1b2_cd34 => (Resolution::MICROSECONDS, true),
                    _ => return None,
                };
                Some(Magic { order, resolution, modified })
            },
        )
    }

    fn describe(self) -> String {
        format!(
            "pcap magic, {}{}, {}-endian",
            if self.resolution == Resolution::NANOSECONDS { "nanoseconds" } else { "microseconds" },
            if self.modified { ", modified record headers" } else { "" },
            if self.order == Order::Little { "little" } else { "big" }
        )
    }
}

/// Which of the two lengths of a record header comes first: files before version 2.3 have the original length first,
/// 2.3 was written both ways (libpcap sf-pcap.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstLength {
    Captured,
    Original,
    Either,
}

#[derive(Clone, Copy, Debug)]
struct File {
    magic: Magic,
    first_length: FirstLength,
    link: u32,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

impl File {
    fn header_length(&self) -> usize {
        if self.magic.modified { 24 } else { 16 }
    }

    fn header(&self, bytes: &[u8]) -> Header {
        let order = self.magic.order;
        let (first, second) = (order.u32(bytes, 8), order.u32(bytes, 12));
        let swap = match self.first_length {
            FirstLength::Captured => false,
            FirstLength::Original => true,
            FirstLength::Either => first > second,
        };
        let (captured, original) = if swap { (second, first) } else { (first, second) };
        Header { seconds: order.u32(bytes, 0), fraction: order.u32(bytes, 4), captured, original }
    }

    fn fractions(&self) -> u32 {
        if self.magic.resolution == Resolution::NANOSECONDS { 1_000_000_000 } else { 1_000_000 }
    }

    /// Whether a record header that nothing announces can be believed: near in time to the last good one.
    fn is_plausible(&self, header: Header, near: Option<u32>) -> bool {
        header.captured >= SHORTEST_FRAME
            && header.captured <= USUAL_MAX_PACKET
            && header.captured <= header.original
            && header.original <= MAX_PACKET
            && header.fraction < self.fractions()
            && near.is_none_or(|near| near.abs_diff(header.seconds) <= 86_400)
    }

    /// Whether three plausible records follow one another from `at`, or fewer that end exactly where the file does.
    fn is_chain(&self, window: &mut Window<'_>, at: usize, near: Option<u32>) -> bool {
        let length = self.header_length();
        let mut at = at;
        for found in 0_usize..3 {
            if !window.has(at + length) {
                // A single record needs the time of another beside its length to be believed.
                return found > usize::from(near.is_none()) && window.bytes().len() == at;
            }
            let header = self.header(window.bytes().get(at..).unwrap_or_default());
            if !self.is_plausible(header, near) {
                return false;
            }
            at += length + header.captured as usize;
        }
        window.has(at)
    }
}

impl Format for Pcap {
    fn id(&self) -> &'static str {
        "pcap"
    }

    fn kind(&self) -> Kind {
        Kind::Capture
    }

    fn title(&self) -> &'static str {
        "pcap of tcpdump, Wireshark and libpcap: microseconds or nanoseconds, either byte order, modified headers"
    }

    fn record_unit(&self) -> &'static str {
        "packet"
    }

    fn probe(&self, head: &Head) -> Match {
        Magic::of(&head.bytes).map_or(Match::No, |magic| Match::Certain(magic.describe()))
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut window = Window::new(input);
        let mut packets = Packets::new(time, sink);
        read_file(&mut window, &mut packets);
        packets.finish();
        window.finish()
    }
}

fn read_file(window: &mut Window<'_>, packets: &mut Packets<'_>) {
    if !window.has(FILE_HEADER) {
        if !window.failed() {
            packets.tally.note(AnomalyKind::TruncatedRecord, 0, "the file ends within its 24-byte header");
        }
        return;
    }
    let Some(magic) = Magic::of(window.bytes()) else {
        packets.tally.note(AnomalyKind::MalformedRecord, 0, "no pcap magic number");
        return;
    };
    let order = magic.order;
    let (major, minor) = (order.u16(window.bytes(), 4), order.u16(window.bytes(), 6));
    if major != 2 {
        packets.tally.note(AnomalyKind::MalformedRecord, 0, "pcap major version is not 2, read as if it were");
    }
    let first_length = match (major, minor) {
        (2, 0..=2) => FirstLength::Original,
        (2, 3) => FirstLength::Either,
        _ => FirstLength::Captured,
    };
    // Above the link type the field carries the FCS length and flags; the class bits of DLT_ stay.
    let link = order.u32(window.bytes(), 20) & 0x03ff_ffff;
    window.consume(FILE_HEADER);
    let file = File { magic, first_length, link };
    packets.interfaces.push(Interface::new(file.link, magic.resolution));
    let mut near = None;
    while read_record(&file, window, packets, &mut near) {}
}

/// One record; false at the end of the file.
fn read_record(file: &File, window: &mut Window<'_>, packets: &mut Packets<'_>, near: &mut Option<u32>) -> bool {
    let length = file.header_length();
    if !window.has(length) {
        if !window.bytes().is_empty() && !window.failed() {
            packets.cut_record();
        }
        return false;
    }
    let header = file.header(window.bytes());
    let whole = length + header.captured.min(MAX_PACKET) as usize;
    if header.captured > USUAL_MAX_PACKET {
        let follows = header.captured <= MAX_PACKET
            && window.has(whole)
            && (!window.has(whole + 1) || file.is_chain(window, whole, *near));
        if !follows {
            return resynchronise(file, window, packets, *near);
        }
    }
    if !window.has(whole) {
        // Cut, unless whole records follow: then the length is wrong.
        if (1..window.bytes().len()).any(|at| file.is_chain(window, at, *near)) {
            return resynchronise(file, window, packets, *near);
        }
        if !window.failed() {
            packets.cut_record();
        }
        return false;
    }
    if header.fraction >= file.fractions() {
        packets.impossible("a fraction of a second of one second or more, used as it is");
    }
    // Below 2^32 seconds and 2^32 fractions: fits in 64 bits of nanoseconds.
    let fraction_ns = i64::from(header.fraction) * file.magic.resolution.unit_ns();
    let at = Instant::from_parts(i64::from(header.seconds), fraction_ns);
    let bytes = window.bytes().get(length..whole).unwrap_or_default();
    packets.packet(0, at, bytes, header.original);
    *near = Some(header.seconds);
    window.consume(whole);
    true
}

/// Looks for the next place from which records follow one another; what lies before it is one record unread.
fn resynchronise(file: &File, window: &mut Window<'_>, packets: &mut Packets<'_>, near: Option<u32>) -> bool {
    packets.unread_record("record header with an impossible length", window.bytes());
    let mut skipped = 1;
    window.consume(1);
    let found = loop {
        if !window.has(file.header_length()) {
            skipped += window.bytes().len() as u64;
            window.consume(usize::MAX);
            break false;
        }
        if file.is_chain(window, 0, near) {
            break true;
        }
        window.consume(1);
        skipped += 1;
    };
    packets.tally.add(
        AnomalyKind::MalformedRecord,
        packets.records,
        "bytes that are no packet record passed over",
        skipped,
    );
    found
}
