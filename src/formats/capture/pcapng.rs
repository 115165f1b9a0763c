//! pcapng files (draft-ietf-opsawg-pcapng): sections, interfaces and packets as blocks.

use std::io;
use std::net::IpAddr;

use super::packets::{Interface, Packets};
use super::stamp::Resolution;
use super::window::{Order, Window};
use super::{MAX_PACKET, USUAL_MAX_PACKET};
use crate::evidence::{AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// pcapng: any number of sections and interfaces, either byte order, every packet block.
#[derive(Debug)]
pub struct PcapNg;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const SYSTEMD_JOURNAL_EXPORT: u32 = 9;
const DECRYPTION_SECRETS: u32 = 10;
const CUSTOM: [u32; 2] = [0x0bad, 0x4000_0bad];
/// Type, total length and, at the end, the total length again.
const BLOCK_FRAME: u32 = 12;
/// A packet block's own fields and its options, over the packet itself.
const MAX_BLOCK: u32 = MAX_PACKET + 65_536;
const MAX_INTERFACES: usize = 65_536;

fn section_order(bytes: &[u8]) -> Option<Order> {
    let magic = bytes.get(8..)?.first_chunk::<4>()?;
    if u32::from_le_bytes(*magic) == BYTE_ORDER_MAGIC {
        Some(Order::Little)
    } else if u32::from_be_bytes(*magic) == BYTE_ORDER_MAGIC {
        Some(Order::Big)
    } else {
        None
    }
}

impl Format for PcapNg {
    fn id(&self) -> &'static str {
        "pcapng"
    }

    fn kind(&self) -> Kind {
        Kind::Capture
    }

    fn title(&self) -> &'static str {
        "pcapng of Wireshark, dumpcap and others: several sections and interfaces, any time resolution"
    }

    fn record_unit(&self) -> &'static str {
        "packet"
    }

    fn probe(&self, head: &Head) -> Match {
        if !head.bytes.starts_with(&SECTION_HEADER.to_be_bytes()) {
            return Match::No;
        }
        match section_order(&head.bytes) {
            Some(Order::Little) => Match::Certain("pcapng section header, little-endian".to_owned()),
            Some(Order::Big) => Match::Certain("pcapng section header, big-endian".to_owned()),
            None if head.bytes.len() < 12 => Match::Likely(60, "pcapng block type, cut short".to_owned()),
            None => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut window = Window::new(input);
        let mut packets = Packets::new(time, sink);
        let mut reader = Reader { order: None };
        while reader.block(&mut window, &mut packets) {}
        packets.finish();
        window.finish()
    }
}

struct Reader {
    /// Byte order of the section; `None` before the first one.
    order: Option<Order>,
}

impl Reader {
    /// One block; false at the end of the file.
    fn block(&mut self, window: &mut Window<'_>, packets: &mut Packets<'_>) -> bool {
        if !window.has(12) {
            if (!window.bytes().is_empty() || self.order.is_none()) && !window.failed() {
                packets.cut_block();
            }
            return false;
        }
        let is_section = window.bytes().starts_with(&SECTION_HEADER.to_be_bytes());
        if is_section {
            match section_order(window.bytes()) {
                Some(order) => self.order = Some(order),
                None => return self.resynchronise(window, packets, "section header without byte-order magic"),
            }
        }
        let Some(order) = self.order else {
            return self.resynchronise(window, packets, "block before the first section header");
        };
        let kind = order.u32(window.bytes(), 0);
        let stated = order.u32(window.bytes(), 4);
        // Lengths must be multiples of 4; writers that forget to count the padding still write it.
        let length = stated.checked_next_multiple_of(4).unwrap_or(u32::MAX);
        if length < BLOCK_FRAME || (is_section && length < 28) {
            return self.resynchronise(window, packets, "block with an impossible length");
        }
        let is_read = matches!(
            kind,
            SECTION_HEADER
                | INTERFACE_DESCRIPTION
                | OBSOLETE_PACKET
                | SIMPLE_PACKET
                | NAME_RESOLUTION
                | INTERFACE_STATISTICS
                | ENHANCED_PACKET
                | DECRYPTION_SECRETS
        );
        if length > MAX_BLOCK || (length > USUAL_MAX_PACKET && !is_known(kind)) {
            // Damage rather than a packet or an extension of that size.
            return self.resynchronise(window, packets, "block longer than 16 MiB, or of unknown type and 256 KiB");
        }
        if !is_read {
            list(kind, packets);
            if window.skip(u64::from(length)) < u64::from(length) && !window.failed() {
                packets.cut_block();
            }
            return true;
        }
        let whole = length as usize;
        if !window.has(whole) {
            // Cut, unless whole blocks follow: then the length is wrong.
            if (4..window.bytes().len()).step_by(4).any(|at| self.is_whole_block(window, at)) {
                return self.resynchronise(window, packets, "block with an impossible length");
            }
            if !window.failed() {
                packets.cut_block();
            }
            return false;
        }
        if order.u32(window.bytes(), whole - 4) != stated {
            let follows = !window.has(whole + 1) || (window.has(whole + 12) && self.is_block(window, whole));
            if !follows {
                return self.resynchronise(window, packets, "block whose two lengths differ");
            }
            let record = packets.records;
            packets.tally.note(
                AnomalyKind::MalformedRecord,
                record,
                "a block whose two lengths differ, read by the first",
            );
        }
        let body = window.bytes().get(8..whole - 4).unwrap_or_default();
        match kind {
            SECTION_HEADER => section(order, body, packets),
            INTERFACE_DESCRIPTION => interface(order, body, packets),
            INTERFACE_STATISTICS => statistics(order, body, packets),
            ENHANCED_PACKET => enhanced_packet(order, body, packets),
            OBSOLETE_PACKET => obsolete_packet(order, body, packets),
            NAME_RESOLUTION => names(order, body, packets),
            DECRYPTION_SECRETS => secrets(order, body, packets),
            _ => simple_packet(order, body, packets),
        }
        window.consume(whole);
        true
    }

    /// Whether a block header that nothing announces can be believed.
    fn is_block(&self, window: &Window<'_>, at: usize) -> bool {
        let bytes = window.bytes().get(at..).unwrap_or_default();
        if bytes.starts_with(&SECTION_HEADER.to_be_bytes()) {
            return section_order(bytes).is_some();
        }
        let Some(order) = self.order else { return false };
        let length = order.u32(bytes, 4);
        is_known(order.u32(bytes, 0)) && length % 4 == 0 && (BLOCK_FRAME..=MAX_BLOCK).contains(&length)
    }

    /// Whether a block lies there whose two lengths agree.
    fn is_whole_block(&self, window: &mut Window<'_>, at: usize) -> bool {
        if !self.is_block(window, at) {
            return false;
        }
        let bytes = window.bytes().get(at..).unwrap_or_default();
        let is_section = bytes.starts_with(&SECTION_HEADER.to_be_bytes());
        let Some(order) = (if is_section { section_order(bytes) } else { self.order }) else { return false };
        let length = order.u32(bytes, 4);
        let end = at + length as usize;
        (BLOCK_FRAME..=USUAL_MAX_PACKET).contains(&length)
            && window.has(end)
            && order.u32(window.bytes(), end - 4) == length
    }

    /// Looks for the next block whose two lengths agree; what lies before it is one record unread.
    fn resynchronise(&self, window: &mut Window<'_>, packets: &mut Packets<'_>, reason: &'static str) -> bool {
        packets.unread_record(reason, window.bytes());
        let mut skipped = 0;
        let found = loop {
            // Blocks lie on multiples of four from each other.
            let step = window.bytes().len().min(4);
            window.consume(step);
            skipped += step as u64;
            if !window.has(12) {
                skipped += window.bytes().len() as u64;
                window.consume(usize::MAX);
                break false;
            }
            if self.is_whole_block(window, 0) {
                break true;
            }
        };
        packets.tally.add(
            AnomalyKind::MalformedRecord,
            packets.records,
            "bytes that are no block passed over",
            skipped,
        );
        found
    }
}

/// The block types of the specification's registry, section 11.1.
fn is_known(kind: u32) -> bool {
    matches!(kind, SECTION_HEADER | 1..=10 | 0x0bad | 0x4000_0bad | 0x0000_0201..=0x0000_0204 | 0x0000_0212..=0x0000_0213)
}

fn section(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    packets.end_section();
    if order.u16(body, 4) != 1 {
        let record = packets.records;
        packets.tally.note(AnomalyKind::MalformedRecord, record, "pcapng major version is not 1, read as if it were");
    }
}

/// Blocks that hold something that is not read.
fn list(kind: u32, packets: &mut Packets<'_>) {
    let what = match kind {
        SYSTEMD_JOURNAL_EXPORT => "an entry of a systemd journal, passed over",
        kind if CUSTOM.contains(&kind) => "a custom block, passed over",
        _ => return,
    };
    packets.tally.note(AnomalyKind::Unsupported, packets.records, what);
}

/// Keys are for others to use: nothing is decrypted here, and that they are there is worth knowing.
fn secrets(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let what = match order.u32(body, 0) {
        0x544c_534b => "decryption secrets for TLS, not used",
        0x5353_484b => "decryption secrets for SSH, not used",
        0x5747_4b4c => "decryption secrets for WireGuard, not used",
        0x5a4e_574b | 0x5a41_504b => "decryption secrets for Zigbee, not used",
        0x5541_4b4c => "decryption secrets for OPC UA, not used",
        _ => "decryption secrets of an unknown kind, not used",
    };
    packets.tally.note(AnomalyKind::Unsupported, packets.records, what);
}

/// What whoever wrote the file resolved: each record an address and names that end in 0, as if a server had answered.
fn names(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let mut rest = body;
    while let Some((header, after)) = rest.split_at_checked(4) {
        let (kind, length) = (order.u16(header, 0), usize::from(order.u16(header, 2)));
        let Some(value) = after.get(..length) else { break };
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        let (address, names): (IpAddr, _) = match kind {
            1 => match value.split_first_chunk::<4>() {
                Some((octets, names)) => ((*octets).into(), names),
                None => continue,
            },
            2 => match value.split_first_chunk::<16>() {
                Some((octets, names)) => ((*octets).into(), names),
                None => continue,
            },
            0 => break,
            _ => continue,
        };
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            packets.resolved(&String::from_utf8_lossy(name), address);
        }
    }
}

/// Option code and value, up to the end of options or of the block.
fn options(order: Order, body: &[u8], at: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(at..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (header, after) = rest.split_at_checked(4)?;
        let (code, length) = (order.u16(header, 0), usize::from(order.u16(header, 2)));
        if code == 0 {
            return None;
        }
        let value = after.get(..length)?;
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

fn interface(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let record = packets.records;
    if packets.interfaces.len() >= MAX_INTERFACES {
        packets.tally.note(
            AnomalyKind::BoundReached,
            record,
            "more than 65536 interfaces in a section, the rest left out",
        );
        return;
    }
    if body.len() < 8 {
        packets.tally.note(AnomalyKind::MalformedRecord, record, "an interface description shorter than 8 bytes");
    }
    let mut resolution = Resolution::MICROSECONDS;
    let mut offset = 0;
    let mut name = None;
    for (code, value) in options(order, body, 8) {
        match (code, value) {
            (2, value) => name = Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()),
            (9, &[value]) => resolution = Resolution::from_option(value),
            (14, value) if value.len() == 8 => offset = order.u64(value, 0).cast_signed(),
            (9 | 14, _) => {
                packets.tally.note(AnomalyKind::MalformedRecord, record, "a time option of the wrong length, not used");
            }
            _ => {}
        }
    }
    let mut interface = Interface::new(u32::from(order.u16(body, 0)), resolution.with_offset(offset));
    interface.name = name;
    interface.snap_length = order.u32(body, 4);
    packets.interfaces.push(interface);
}

fn statistics(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    // isb_ifdrop and isb_osdrop: packets that the capture lost, counted from its start.
    let dropped = options(order, body, 12)
        .filter(|(code, value)| matches!(code, 5 | 7) && value.len() == 8)
        .fold(0_u64, |sum, (_, value)| sum.saturating_add(order.u64(value, 0)));
    let record = packets.records;
    if let Some(interface) = packets.interfaces.get_mut(order.u32(body, 0) as usize)
        && dropped > interface.dropped
    {
        interface.dropped = dropped;
        interface.dropped_at = record;
    }
}

fn enhanced_packet(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let interface = order.u32(body, 0);
    let units = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
    packet(packets, interface, units, order.u32(body, 12), order.u32(body, 16), body);
}

fn obsolete_packet(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let interface = u32::from(order.u16(body, 0));
    let units = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
    packet(packets, interface, units, order.u32(body, 12), order.u32(body, 16), body);
}

fn packet(packets: &mut Packets<'_>, interface: u32, units: u64, captured: u32, original: u32, body: &[u8]) {
    let Some(data) = body.get(20..) else {
        return packets.unread_record("packet block shorter than its own fields", body);
    };
    let data = data.get(..captured as usize).unwrap_or_else(|| {
        let record = packets.records + 1;
        packets.tally.note(AnomalyKind::MalformedRecord, record, "a packet longer than its block, cut to it");
        data
    });
    let Some(resolution) = packets.interfaces.get(interface as usize).map(|interface| interface.resolution) else {
        packets.packet_of_unknown_interface();
        return;
    };
    let at = resolution.instant(units);
    if at.is_none() {
        packets.impossible("a time outside of the years 1678 to 2262, not used");
    }
    packets.packet(interface as usize, at, data, original);
}

/// A simple packet block has neither time nor captured length; it belongs to the first interface.
fn simple_packet(order: Order, body: &[u8], packets: &mut Packets<'_>) {
    let Some(data) = body.get(4..) else {
        return packets.unread_record("packet block shorter than its own fields", body);
    };
    let original = order.u32(body, 0);
    let Some(snap_length) = packets.interfaces.first().map(|interface| interface.snap_length) else {
        packets.packet_of_unknown_interface();
        return;
    };
    let snap_length = if snap_length == 0 { u32::MAX } else { snap_length };
    let data = data.get(..original.min(snap_length) as usize).unwrap_or(data);
    packets.packet(0, None, data, original);
}
