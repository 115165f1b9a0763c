//! The GPRS tunnelling protocol: user plane (3GPP TS 29.281), control (TS 29.060, TS 29.274), charging (TS 32.295).

use super::{Carried, be16, is_flawless, is_open};
use crate::formats::capture::link::{self, Opened};

const EXTENSION: u8 = 4;
const SEQUENCE: u8 = 2;
const N_PDU: u8 = 1;
const G_PDU: u8 = 0xff;

/// A message of `stated` bytes to or from port 2152.
pub(super) fn user(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let (first, kind) = (*bytes.first()?, *bytes.get(1)?);
    // Version 1, protocol type GTP; the length does not count the first eight bytes.
    if first & 0xf0 != 0x30 || usize::from(be16(bytes, 2)?) + 8 != stated {
        return None;
    }
    match kind {
        G_PDU => {
            let opened = inside(bytes)?;
            is_open(&opened, stated).then(|| Carried::new("gtp-u", opened))
        }
        // Echo, error indication, supported extensions, end marker: about the tunnel.
        1 | 2 | 26 | 31 | 253 | 254 => Some(Carried::closed("gtp-u").noted("signalling")),
        _ => None,
    }
}

/// A packet in a tunnel on any port.
pub(super) fn user_elsewhere(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let header = bytes.first_chunk::<4>()?;
    if header[0] & 0xf8 != 0x30
        || header[1] != G_PDU
        || usize::from(u16::from_be_bytes([header[2], header[3]])) + 8 != stated
    {
        return None;
    }
    let opened = inside(bytes)?;
    is_flawless(&opened, 0).then(|| Carried::new("gtp-u", opened))
}

fn inside(bytes: &[u8]) -> Option<Opened<'_>> {
    let flags = *bytes.first()?;
    if flags & (EXTENSION | SEQUENCE | N_PDU) == 0 {
        return Some(link::open_ip(bytes, 8));
    }
    let mut at = 12;
    let mut next = if flags & EXTENSION == 0 { 0 } else { *bytes.get(11)? };
    for _ in 0..16 {
        if next == 0 {
            return Some(link::open_ip(bytes, at));
        }
        // In units of four bytes, the last byte naming the next.
        let length = usize::from(*bytes.get(at)?) * 4;
        if length == 0 {
            return None;
        }
        at += length;
        next = *bytes.get(at - 1)?;
    }
    None
}

/// A control message to or from port 2123: version 1 or 2.
pub(super) fn control(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let (first, kind) = (*bytes.first()?, *bytes.get(1)?);
    let length = usize::from(be16(bytes, 2)?);
    let fits = match first >> 5 {
        1 => first & 0x18 == 0x10 && length + 8 == stated && is_control_v1(kind),
        // A second message may ride on the first (the P flag).
        2 => {
            first & 0x07 == 0
                && is_control_v2(kind)
                && (length + 4 == stated || (first & 0x10 != 0 && length + 4 < stated))
                && length >= if first & 8 == 0 { 4 } else { 8 }
        }
        _ => false,
    };
    fits.then(|| Carried::closed("gtp-c").noted(if first >> 5 == 1 { "version 1" } else { "version 2" }))
}

fn is_control_v1(kind: u8) -> bool {
    matches!(kind, 1..=7 | 16..=32 | 34..=37 | 48..=70 | 96..=105 | 112..=121 | 128..=129 | 240 | 241)
}

fn is_control_v2(kind: u8) -> bool {
    matches!(kind, 1..=3 | 25..=40 | 64..=73 | 95..=104 | 128..=141 | 149..=171 | 176 | 177 | 179 | 180 | 200 | 201 | 211 | 212 | 231..=238)
}

/// To or from port 3386: charging records (GTP'), or a packet in a tunnel of version 0.
pub(super) fn charging(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let (first, kind) = (*bytes.first()?, *bytes.get(1)?);
    let length = usize::from(be16(bytes, 2)?);
    if first & 0xf0 == 0x10 && kind == G_PDU && length + 20 == stated {
        let opened = link::open_ip(bytes, 20);
        return is_open(&opened, stated).then(|| Carried::new("gtp-u", opened).noted("version 0"));
    }
    // Protocol type GTP', spare bits that are 1; a header of six bytes, or of twenty in version 0.
    let header = if first >> 5 == 0 && first & 1 == 0 { 20 } else { 6 };
    let fits = first >> 5 <= 2 && first & 0x1e == 0x0e && length + header == stated;
    (fits && matches!(kind, 1..=7 | 240 | 241)).then(|| Carried::closed("gtp-prime").noted("charging records"))
}
