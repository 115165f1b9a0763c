//! IEEE 802.11 data frames, and the headers that drivers put before them.

use super::{Opened, Payload, Walk, open_with};

/// The frames in an A-MSDU (IEEE 802.11, section 9.3.2.2.2): addresses and length, then LLC, padded to four bytes.
pub(in super::super) fn subframes(body: &[u8]) -> impl Iterator<Item = Opened<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = body.get(at + 12..)?.first_chunk::<2>().map(|length| usize::from(u16::from_be_bytes(*length)))?;
        let (begin, end) = (at + 14, at + 14 + length);
        at = end.next_multiple_of(4);
        // A subframe that is cut keeps what is there of it.
        let whole = body.get(..end.min(body.len()))?;
        Some(open_with(whole, |walk| walk.llc(begin)))
    })
}

impl<'a> Walk<'a> {
    /// An 802.11 frame; `padded` if the driver aligned what follows the header to four bytes.
    pub(super) fn ieee80211(&mut self, at: usize, padded: bool) -> Payload<'a> {
        match (self.byte(at), self.byte(at + 1)) {
            (Some(control), Some(flags)) => self.ieee80211_data(control, flags, at, padded),
            _ => Payload::Cut,
        }
    }

    /// As [`Walk::ieee80211`], with the two bytes of the frame control field in the wrong order.
    pub(super) fn swapped_ieee80211(&mut self, at: usize) -> Payload<'a> {
        match (self.byte(at + 1), self.byte(at)) {
            (Some(control), Some(flags)) => self.ieee80211_data(control, flags, at, false),
            _ => Payload::Cut,
        }
    }

    fn ieee80211_data(&mut self, control: u8, flags: u8, at: usize, padded: bool) -> Payload<'a> {
        // Version 0, data frames; those with bit 6 of the first byte have no data.
        if control & 0x0f != 0x08 || control & 0x40 != 0 {
            return Payload::Other;
        }
        if flags & 0x40 != 0 {
            return Payload::Protected;
        }
        let mut header = if flags & 3 == 3 { 30 } else { 24 };
        let mut aggregate = false;
        if control & 0x80 != 0 {
            aggregate = self.byte(at + header).is_some_and(|first| first & 0x80 != 0);
            // An HT control field follows where the order bit is set.
            header += if flags & 0x80 == 0 { 2 } else { 6 };
        }
        if padded {
            header = header.next_multiple_of(4);
        }
        let at = at + header;
        if !aggregate {
            return self.llc(at);
        }
        match self.rest(at) {
            [] => Payload::Cut,
            rest => Payload::Aggregate(rest, at),
        }
    }

    /// Radiotap (radiotap.org): version, length and a bit map of fields, of which the flags matter.
    pub(super) fn radiotap(&mut self, at: usize) -> Payload<'a> {
        let (Some(length), Some(present)) = (self.le16(at + 2), self.le32(at + 4)) else { return Payload::Cut };
        let mut fields = 8;
        let mut word = present;
        while word & 1 << 31 != 0 {
            match self.le32(at + fields) {
                Some(next) if self.step() => word = next,
                Some(_) => return Payload::Other,
                None => return Payload::Cut,
            }
            fields += 4;
        }
        // The timer of eight bytes comes before the flags, aligned to its size.
        if present & 1 != 0 {
            fields = usize::next_multiple_of(fields, 8) + 8;
        }
        let flags = if present & 2 != 0 { self.byte(at + fields).unwrap_or_default() } else { 0 };
        // Received with a wrong checksum: nothing in it can be believed.
        if usize::from(length) < 8 || flags & 0x40 != 0 {
            return Payload::Other;
        }
        self.ieee80211(at + usize::from(length), flags & 0x20 != 0)
    }

    /// The headers of Prism and AVS drivers, told from each other by their first word; both state their length.
    pub(super) fn prism(&mut self, at: usize) -> Payload<'a> {
        let (Some(first), Some(second)) = (self.be32(at), self.be32(at + 4)) else { return Payload::Cut };
        let length = if first & 0xffff_f000 == 0x8021_1000 || second < 0x1_0000 { second } else { second.swap_bytes() };
        if (8..=1024).contains(&length) { self.ieee80211(at + length as usize, false) } else { Payload::Other }
    }

    /// Per-packet information (CACE): length of all its fields, link type of the frame.
    pub(super) fn ppi(&mut self, at: usize) -> Payload<'a> {
        let (Some(length), Some(inner)) = (self.le16(at + 2), self.le32(at + 4)) else { return Payload::Cut };
        let length = usize::from(length);
        if length < 8 {
            return Payload::Other;
        }
        // The first field of an 802.11 frame is usually 2: flags behind the timer, bit 0 being a checksum, 1 padding.
        let padded = inner == 105
            && self.le16(at + 8) == Some(2)
            && self.le16(at + 20).is_some_and(|flags| flags & 0x20 != 0)
            && length > 22;
        if inner == 105 { self.ieee80211(at + length, padded) } else { self.link(inner, at + length) }
    }
}
