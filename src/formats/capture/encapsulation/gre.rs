//! GRE (RFC 1701, RFC 2784, RFC 2890) and what goes by its protocol types: PPTP (RFC 2637), ERSPAN
//! (draft-foschiano-erspan), WCCP redirection (draft-wilson-wrec-wccp-v2), Aruba's 802.11 frames. NVGRE (RFC 7637) is GRE
//! with a key around a frame.

use super::{Carried, be16, be32};
use crate::formats::capture::link::{self, Opened};

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 7;

pub(super) fn gre(data: &[u8]) -> Option<Carried<'_>> {
    let (flags, protocol) = (be16(data, 0)?, be16(data, 2)?);
    match flags & VERSION {
        0 => {
            let at = 4 + optional(flags);
            let at = if flags & ROUTING == 0 { Some(at) } else { behind_routes(data, at) };
            Some(at.map_or(Carried::closed("gre"), |at| inside(protocol, flags, data, at)))
        }
        1 => pptp(flags, protocol, data),
        _ => None,
    }
}

/// Whether this can be a header of version 0 where nothing announces it: no bit that must be 0 is set.
pub(super) fn is_header(data: &[u8]) -> bool {
    be16(data, 0).is_some_and(|flags| flags & 0x4fff == 0)
}

/// Bytes of checksum with offset, key and sequence number.
fn optional(flags: u16) -> usize {
    let offset = usize::from(flags & (CHECKSUM | ROUTING) != 0);
    4 * (offset + usize::from(flags & KEY != 0) + usize::from(flags & SEQUENCE != 0))
}

/// Source routes (RFC 1701): family, offset and length each, to the one of family and length 0.
fn behind_routes(data: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    for _ in 0..64 {
        let (family, length) = (be16(data, at)?, usize::from(*data.get(at + 3)?));
        at += 4 + length;
        if family == 0 && length == 0 {
            return Some(at);
        }
    }
    None
}

fn inside(protocol: u16, flags: u16, data: &[u8], at: usize) -> Carried<'_> {
    match protocol {
        // ERSPAN type I has no header of its own and no sequence number, type II eight bytes.
        0x88be if flags & SEQUENCE == 0 => Carried::new("erspan", link::open_ethernet(data, at)).noted("type I"),
        0x88be => Carried::new("erspan", link::open_ethernet(data, at + 8)).noted("type II"),
        0x22eb => Carried::new("erspan", erspan_iii(data, at)).noted("type III"),
        // The redirected packet, behind four bytes of service and bucket since version 2.
        0x883e => {
            let at = if data.get(at).is_some_and(|first| first >> 4 == 4) { at } else { at + 4 };
            Carried::new("gre", link::open_ip(data, at)).noted("WCCP redirection")
        }
        0x8200..=0x82ff | 0x8300..=0x83ff | 0x9000 => {
            Carried::new("gre", link::open_ieee80211(data, at)).noted("802.11 frames of an access point")
        }
        _ => Carried::new("gre", link::open_ether_type(protocol, data, at)),
    }
}

/// Twelve bytes, the last two of them saying what kind of frame follows and whether eight more come before it.
fn erspan_iii(data: &[u8], at: usize) -> Opened<'_> {
    let Some(last) = be16(data, at + 10) else { return Opened::CLOSED };
    let at = at + if last & 1 == 0 { 12 } else { 20 };
    match (last >> 10) & 0x1f {
        0 => link::open_ethernet(data, at),
        2 => link::open_ip(data, at),
        _ => Opened::CLOSED,
    }
}

/// PPTP's version 1: always a key, of which one half is the length; then numbers as flagged and a PPP frame.
fn pptp(flags: u16, protocol: u16, data: &[u8]) -> Option<Carried<'_>> {
    const ACKNOWLEDGED: u16 = 0x0080;
    if protocol != 0x880b || flags & KEY == 0 {
        return None;
    }
    let numbers = usize::from(flags & SEQUENCE != 0) + usize::from(flags & ACKNOWLEDGED != 0);
    let at = 8 + 4 * numbers;
    let length = be32(data, 4)? >> 16;
    let opened = if length == 0 { Opened::CLOSED } else { link::open_ppp(data, at) };
    Some(Carried::new("pptp", opened).vpn())
}
