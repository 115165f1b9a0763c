//! IPsec over UDP: key exchange (ISAKMP RFC 2408, IKEv1 RFC 2409, IKEv2 RFC 7296) and encapsulated ESP (RFC 3948).

use super::{Carried, be16, be32};

const HEADER: usize = 28;

/// A message of `stated` bytes to or from port 500.
pub(super) fn message(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let note = header(bytes)?;
    let length = be32(bytes, 24)? as usize;
    // Something may follow; the first payload has to fit all the more.
    let first = usize::from(be16(bytes, HEADER + 2).unwrap_or_default());
    let fits = length == stated || (length < stated && first >= 4 && HEADER + first <= length);
    fits.then(|| Carried::closed("ipsec-ike").vpn().noted(note))
}

/// To or from port 4500: key exchange behind four bytes of 0, otherwise ESP. A byte 0xff alone keeps an address
/// translation alive and says nothing.
pub(super) fn encapsulated(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    let (spi, number) = (be32(bytes, 0)?, be32(bytes, 4)?);
    match spi {
        0 => message(bytes.get(4..)?, stated.checked_sub(4)?).or_else(|| message(bytes, stated)),
        1..256 => None,
        // Key exchange without the marker begins with a random number.
        _ => message(bytes, stated).or_else(|| {
            // Index, number, the shortest padded block and check value: 20 bytes, in words of four.
            let fits = stated >= 20 && stated.is_multiple_of(4);
            fits.then(|| Carried {
                mark: crate::model::Mark::Shape,
                sequence: Some((spi, number)),
                ..Carried::closed("ipsec-esp").vpn().noted("over UDP")
            })
        }),
    }
}

/// On any port: the first payload has to fit as well.
pub(super) fn elsewhere(bytes: &[u8], stated: usize) -> Option<Carried<'_>> {
    // Version and length first: this is reached by every datagram.
    let version = *bytes.get(17)?;
    if (version != 0x10 && version != 0x20) || be32(bytes, 24)? as usize != stated {
        return None;
    }
    let is_first = bytes.get(8..16)?.iter().all(|byte| *byte == 0);
    let (next, exchange) = (*bytes.get(16)?, *bytes.get(18)?);
    // Only the beginning of an exchange is in the clear: the answerer has no number yet, and the first payload is a
    // security association whose length fits.
    let opens = is_first
        && match version {
            0x10 => next == 1 && matches!(exchange, 2 | 4),
            _ => next == 33 && exchange == 34,
        };
    let is_named = bytes.get(..8)?.iter().any(|byte| *byte != 0);
    let length = usize::from(be16(bytes, HEADER + 2)?);
    (opens && is_named && length >= 8 && HEADER + length <= stated).then_some(())?;
    message(bytes, stated)
}

/// Whether version, exchange type, flags and next payload fit each other; the name of the version.
fn header(bytes: &[u8]) -> Option<&'static str> {
    let header = bytes.first_chunk::<HEADER>()?;
    let (next, version, exchange, flags) = (header[16], header[17], header[18], header[19]);
    match version >> 4 {
        // Encryption, commit and authentication flags; private payloads from 128.
        1 => {
            let fits = matches!(exchange, 1..=6 | 32..=34) && flags & 0xf8 == 0 && matches!(next, 0..=21 | 128..=135);
            fits.then_some("IKEv1")
        }
        // Initiator, version and response flags.
        2 => {
            let fits = matches!(exchange, 34..=44) && flags & 0xc7 == 0 && matches!(next, 0 | 33..=54 | 121..=135);
            fits.then_some("IKEv2")
        }
        _ => None,
    }
}
