//! Google's QUIC up to Q046 sends its hello in the clear: a table of four-letter tags ("QUIC Crypto", 2013-2016).

use memchr::memmem;

use super::super::greeting::Fit;
use crate::model::Tls;

/// Where the hello begins at the latest: flags, ids, version, numbers, hash and the head of a stream frame.
const HELLO_WITHIN: usize = 64;
/// Tags in a hello. Clients send some thirty.
const TAGS_MAX: usize = 128;

/// The version, as four letters: behind a connection id of eight bytes, or where other versions have it.
fn version(bytes: &[u8]) -> Option<&[u8]> {
    let found = match bytes {
        // Version flag and a connection id.
        [flags, ..] if flags & 0x80 == 0 && flags & 0x09 == 0x09 => bytes.get(9..13)?,
        [0xc0..=0xff, ..] => bytes.get(1..5)?,
        _ => return None,
    };
    matches!(found, [b'Q', b'0', b'0'..=b'9', b'0'..=b'9']).then_some(found)
}

pub(super) fn sniff(bytes: &[u8]) -> Fit {
    if version(bytes).is_some_and(|version| version != b"Q050") { Fit::Yes } else { Fit::No }
}

/// The hello of a datagram that is not encrypted.
pub(super) fn datagram(bytes: &[u8]) -> Option<Tls> {
    let version = version(bytes).filter(|version| *version != b"Q050")?;
    let at = memmem::find(bytes.get(..HELLO_WITHIN.min(bytes.len()))?, b"CHLO")?;
    hello(bytes.get(at..)?, std::str::from_utf8(version).ok()?)
}

/// Tag, count, and for each tag the place behind its value; then the values.
pub(super) fn hello(bytes: &[u8], version: &str) -> Option<Tls> {
    let [b'C', b'H', b'L', b'O', c1, c2, _, _, rest @ ..] = bytes else { return None };
    let count = usize::from(u16::from_le_bytes([*c1, *c2]));
    if count > TAGS_MAX {
        return None;
    }
    let (table, values) = rest.split_at_checked(count * 8)?;
    let mut server_name = None;
    let mut start = 0;
    for entry in table.chunks_exact(8) {
        let (tag, end) = entry.split_first_chunk::<4>()?;
        let end = usize::try_from(u32::from_le_bytes(*end.first_chunk()?)).ok()?;
        if tag == b"SNI\0" {
            let name = values.get(start..end)?;
            let is_name = !name.is_empty() && name.len() <= 255 && name.iter().all(u8::is_ascii_graphic);
            server_name = is_name.then(|| String::from_utf8_lossy(name).into_owned());
        }
        start = end;
    }
    Some(Tls { server_name, version: Some(version.to_owned()), ..Tls::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chlo() -> Vec<u8> {
        let tag = |name: &[u8; 4], end: u32| [&name[..], &end.to_le_bytes()].concat();
        let table = [tag(b"PAD\0", 3), tag(b"SNI\0", 14), tag(b"VER\0", 18)].concat();
        [&b"CHLO\x03\0\0\0"[..], &table, b"---example.orgQ043"].concat()
    }

    #[test]
    fn names_in_the_clear() {
        // Flags, connection id, version, packet number, hash, stream frame.
        let old = [&[0x0d][..], &[7; 8], b"Q043", &[1], &[9; 12], &[0xa0, 1, 0, 4], &chlo()].concat();
        let new = [&[0xc3][..], b"Q046", &[0x50], &[7; 8], &[0, 0, 0, 1], &[9; 12], &[0xa0, 1, 0, 4], &chlo()].concat();
        for (bytes, version) in [(old, "Q043"), (new, "Q046")] {
            let tls = datagram(&bytes).unwrap();
            assert_eq!((tls.server_name.as_deref(), tls.version.as_deref()), (Some("example.org"), Some(version)));
            assert_eq!(sniff(&bytes), Fit::Yes);
            for length in 0..bytes.len() {
                assert!(datagram(&bytes[..length]).is_none_or(|tls| tls.server_name.is_none() || length > 60));
            }
        }
    }
}
