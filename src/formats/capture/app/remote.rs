//! Remote access and circumvention programs with protocols of their own over TCP: TeamViewer, Radmin, NoMachine,
//! RustDesk, UltraVNC's repeater, Hamachi, UltraSurf. Those inside of TLS are in `tls/services.rs`.

use super::greeting::{Binary, Fit, Greeting};
use super::marked::{MarkedReader, Service};
use crate::model::TunnelClass;

/// A protocol's line in the table of [`super::sniff`].
macro_rules! service {
    ($name:ident, $text:literal, $class:ident, $begins:ident, $answers:ident, $note:literal) => {
        pub(super) const $name: Binary = Binary {
            name: $text,
            sniff: |bytes: &[u8], _: Greeting| $begins(bytes),
            reader: |greeting| {
                static SERVICE: Service = Service {
                    protocol: $text,
                    class: TunnelClass::$class,
                    begins: $begins,
                    answers: $answers,
                    note: $note,
                };
                MarkedReader::boxed(greeting, &SERVICE)
            },
        };
    };
}
pub(super) use service;

service!(TEAMVIEWER, "teamviewer", RemoteAccess, teamviewer, teamviewer, "messages of TeamViewer");
service!(RADMIN, "radmin", RemoteAccess, radmin, radmin, "messages of Radmin with right checksums");
service!(NOMACHINE, "nomachine", RemoteAccess, nomachine, nomachine, "identification strings of NoMachine");
service!(RUSTDESK, "rustdesk", RemoteAccess, rustdesk, rustdesk, "messages of RustDesk");
service!(VNC_REPEATER, "vnc-repeater", Relay, repeater, repeater_client, "a VNC repeater asks whom to lead to");
service!(HAMACHI, "hamachi", Vpn, hamachi, hamachi, "messages of Hamachi");
service!(ULTRASURF, "ultrasurf", Vpn, ultrasurf, no_answer, "the constant that UltraSurf begins with");

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied()
}

fn no_answer(_bytes: &[u8]) -> Fit {
    Fit::No
}

/// The two framings of TeamViewer (as in recordings; the vendor publishes none): `17 24`, command, length of 16 bits;
/// and `11 30`, command, zero, length of 32 bits, counters, the header's own length 24. Little-endian. A message counts
/// where the next one, or the segment's end, is where its length says.
fn teamviewer(bytes: &[u8]) -> Fit {
    let (header, length) = match bytes {
        [0x17] | [0x11] | [0x17, 0x24] | [0x11, 0x30] => return Fit::More,
        [0x17, 0x24, _, low, high, ..] => (5, usize::from(u16::from_le_bytes([*low, *high]))),
        [0x17, 0x24, ..] => return Fit::More,
        [0x11, 0x30, _, 0, ..] => {
            let Some(own) = word(bytes, 20) else { return Fit::More };
            let length = word(bytes, 4).and_then(|length| usize::try_from(u32::from_le_bytes(length)).ok());
            match length.filter(|_| own == [24, 0, 0, 0]) {
                Some(length @ ..=0x10_0000) => (24, length),
                _ => return Fit::No,
            }
        }
        _ => return Fit::No,
    };
    if header == 24 {
        return Fit::Yes;
    }
    match bytes.get(header + length..) {
        Some([] | [0x17, 0x24, ..] | [0x11, 0x30, ..]) if length > 0 => Fit::Yes,
        None if length > 0 => Fit::More,
        _ => Fit::No,
    }
}

/// Radmin (as in recordings): 1, length, sum of the payload's little-endian words, payload. Big-endian numbers.
fn radmin(bytes: &[u8]) -> Fit {
    const PAYLOAD_MAX: usize = 4096;
    let Some((&1, _)) = bytes.split_first() else { return Fit::No };
    let Some(length) = word(bytes, 1) else {
        return if bytes.iter().skip(1).all(|byte| *byte == 0) { Fit::More } else { Fit::No };
    };
    let Ok(length @ 1..=PAYLOAD_MAX) = usize::try_from(u32::from_be_bytes(length)) else { return Fit::No };
    let (Some(stated), Some(payload)) = (word(bytes, 5), bytes.get(9..)) else { return Fit::More };
    let Some(payload) = payload.get(..length) else { return Fit::More };
    let sum = payload.chunks(4).fold(0_u32, |sum, chunk| {
        let mut word = [0; 4];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        sum.wrapping_add(u32::from_le_bytes(word))
    });
    // A message of zeros has a sum of zero, as many other things.
    if sum == u32::from_be_bytes(stated) && sum != 0 { Fit::Yes } else { Fit::No }
}

/// NoMachine: `NXSH-8.10.1` of a client, `NXD-8.10.1` of its server, in a line.
fn nomachine(bytes: &[u8]) -> Fit {
    let line = bytes.get(..32).unwrap_or(bytes);
    let Some(version) = line.strip_prefix(b"NXSH-").or_else(|| line.strip_prefix(b"NXD-")) else {
        let begins = !bytes.is_empty() && (b"NXSH-".starts_with(bytes) || b"NXD-".starts_with(bytes));
        return if begins { Fit::More } else { Fit::No };
    };
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    match version.get(digits) {
        Some(b'\n' | b'\r') if digits >= 3 => Fit::Yes,
        None if version.len() < 24 => Fit::More,
        _ => Fit::No,
    }
}

/// RustDesk (hbb_common: `bytes_codec.rs`, `protos/rendezvous.proto`, `protos/message.proto`): a length shifted by two,
/// whose low bits tell how many bytes it has, then one field of protocol buffers that fills the frame. Those fields
/// count whose numbers or sizes are rare: relays (18, 19), NAT tests (20, 21), key exchange (25), and the key of a
/// session (4: 32 and 48 bytes).
fn rustdesk(bytes: &[u8]) -> Fit {
    let Some(&first) = bytes.first() else { return Fit::More };
    let width = usize::from(first & 3) + 1;
    let Some(head) = bytes.get(..width).filter(|_| width <= 2) else { return Fit::No };
    let length = head.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)) >> 2;
    let Some(frame) = bytes.get(width..).filter(|frame| frame.len() == length) else { return Fit::No };
    let fills = match frame {
        [0x22, 0x54, 0x0a, 0x20, rest @ ..] => rest.len() == 0x52 && rest.get(0x20..0x22) == Some(&[0x12, 0x30]),
        // Two bytes of tag, one of length, and a first field that is a string, bytes or a number.
        [0x92 | 0x9a | 0xa2 | 0xaa | 0xca, 1, inside @ ..0x80, tag, ..] => {
            usize::from(*inside) + 3 == frame.len() && matches!(tag, 0x08 | 0x0a | 0x10 | 0x12)
        }
        _ => false,
    };
    if fills { Fit::Yes } else { Fit::No }
}

/// The UltraVNC repeater (mode II): it answers as a server of version 0.0, and either side then says whom it wants in
/// 250 bytes, `ID:number` or an address (<https://uvnc.com/addons/repeater.html>).
fn repeater(bytes: &[u8]) -> Fit {
    const GREETING: &[u8] = b"RFB 000.000\n";
    if bytes.starts_with(GREETING) {
        Fit::Yes
    } else if bytes.len() >= 8 && GREETING.starts_with(bytes) {
        Fit::More
    } else {
        Fit::No
    }
}

fn repeater_client(bytes: &[u8]) -> Fit {
    let text = bytes.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    let padded = bytes.get(text..250).is_some_and(|rest| rest.first() == Some(&0));
    match bytes.len() {
        ..250 if text > 0 => Fit::More,
        250.. if text > 2 && padded => Fit::Yes,
        _ => Fit::No,
    }
}

/// Hamachi over TCP: length of what follows, and a constant at the fourth word.
fn hamachi(bytes: &[u8]) -> Fit {
    let stated = word(bytes, 0).and_then(|length| usize::try_from(u32::from_be_bytes(length)).ok());
    let fits = stated == bytes.len().checked_sub(4) && word(bytes, 12) == Some([0x7b, 0x7a, 0x0d, 0xad]);
    if fits { Fit::Yes } else { Fit::No }
}

fn ultrasurf(bytes: &[u8]) -> Fit {
    if bytes.starts_with(&[0xcc, 0x1c, 0x30, 0x41, 0x5b, 0xa4, 0x38, 0x66]) { Fit::Yes } else { Fit::No }
}

#[cfg(test)]
mod tests;
