//! Long headers (RFC 9000 section 17.2) and the protection of Initial packets (RFC 9001 section 5).

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes_gcm::{AeadInOut, Aes128Gcm};
use hkdf::Hkdf;
use sha2::Sha256;

use super::version::Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    /// Anything that another packet may stand before.
    Other,
}

/// A packet with a long header.
#[derive(Debug)]
pub(super) struct Long<'a> {
    pub(super) kind: Kind,
    pub(super) destination: &'a [u8],
    /// The packet, as far as it says that it goes.
    bytes: &'a [u8],
    /// Where the packet number begins, under its protection.
    number_at: usize,
    /// Bytes of the whole packet.
    pub(super) length: usize,
}

/// A variable-length integer (RFC 9000 section 16), and what follows it.
pub(super) fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (more, rest) = rest.split_at_checked((1 << (first >> 6)) - 1)?;
    Some((more.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)), rest))
}

/// A field behind one byte of length, of at most `max`.
fn short(bytes: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let length = usize::from(length);
    if length > max { None } else { rest.split_at_checked(length) }
}

impl<'a> Long<'a> {
    /// The packet that `bytes` begin with. `None` for one that no packet can follow (Retry), or that is cut.
    pub(super) fn read(bytes: &'a [u8], version: &Version) -> Option<Self> {
        let kind = match ((bytes.first()? >> 4) & 3, version.shifted) {
            (0, false) | (1, true) => Kind::Initial,
            (3, false) | (0, true) => return None,
            _ => Kind::Other,
        };
        let (destination, rest) = short(bytes.get(5..)?, 20)?;
        let (_source, mut rest) = short(rest, 20)?;
        if kind == Kind::Initial {
            let (token, after) = integer(rest)?;
            rest = after.get(usize::try_from(token).ok()?..)?;
        }
        let (length, rest) = integer(rest)?;
        let number_at = bytes.len() - rest.len();
        let length = number_at.checked_add(usize::try_from(length).ok()?)?;
        // The sample of header protection lies behind the longest packet number, and a packet has its tag.
        let bytes = bytes.get(..length).filter(|_| length >= number_at.saturating_add(4 + 16))?;
        Some(Long { kind, destination, bytes, number_at, length })
    }
}

/// What opens the Initial packets of one side.
pub(super) struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    hp: [u8; 16],
}

/// HKDF-Expand-Label of RFC 8446 section 7.1 with an empty context.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_length = [u8::try_from(label.len() + 6).ok()?];
    secret.expand_multi_info(&[&length, &label_length, b"tls13 ", label, &[0]], &mut out).ok()?;
    Some(out)
}

impl Keys {
    /// The client's, which follow from the first destination that it chose.
    pub(super) fn of_client(version: &Version, destination: &[u8]) -> Option<Self> {
        let initial = Hkdf::<Sha256>::new(Some(version.salt), destination);
        let client = Hkdf::<Sha256>::from_prk(&expand::<32>(&initial, b"client in")?).ok()?;
        let labels = version.labels;
        Some(Keys {
            key: expand(&client, labels.key)?,
            iv: expand(&client, labels.iv)?,
            hp: expand(&client, labels.hp)?,
        })
    }

    /// The frames of a packet, if it is whole and was protected with these keys.
    pub(super) fn open(&self, packet: &Long<'_>) -> Option<Vec<u8>> {
        let at = packet.number_at;
        let sample: &[u8; 16] = packet.bytes.get(at.checked_add(4)?..)?.first_chunk()?;
        let mut mask = Array::from(*sample);
        Aes128::new(&Array::from(self.hp)).encrypt_block(&mut mask);
        let mut bytes = packet.bytes.to_vec();
        let (&first_mask, number_mask) = mask.split_first()?;
        let first = bytes.first_mut()?;
        *first ^= first_mask & 0x0f;
        let number_length = usize::from(*first & 3) + 1;
        let mut nonce = self.iv;
        let number = bytes.get_mut(at..at.checked_add(number_length)?)?;
        for (byte, mask) in number.iter_mut().zip(number_mask) {
            *byte ^= mask;
        }
        for (iv, byte) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *iv ^= byte;
        }
        let (header, content) = bytes.split_at_mut_checked(at.checked_add(number_length)?)?;
        let (content, tag) = content.split_last_chunk_mut::<16>()?;
        let cipher = Aes128Gcm::new(&Array::from(self.key));
        let buffer = InOutBuf::from(&mut *content);
        cipher.decrypt_inout_detached(&Array::from(nonce), header, buffer, &Array::from(*tag)).ok()?;
        Some(content.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::super::version;
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<char> = hexadecimal.chars().filter(|c| !c.is_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
    }

    /// RFC 9001 appendix A.1, RFC 9369 appendix A.1.
    #[test]
    fn keys_of_the_published_examples() {
        let destination = bytes("8394c8f03e515708");
        let keys = Keys::of_client(version::find(1).unwrap(), &destination).unwrap();
        assert_eq!(keys.key.to_vec(), bytes("1f369613dd76d5467730efcbe3b1a22d"));
        assert_eq!(keys.iv.to_vec(), bytes("fa044b2f42a3fd3b46fb255c"));
        assert_eq!(keys.hp.to_vec(), bytes("9f50449e04a0e810283a1e9933adedd2"));
        let keys = Keys::of_client(version::find(0x6b33_43cf).unwrap(), &destination).unwrap();
        assert_eq!(keys.key.to_vec(), bytes("8b1a0bc121284290a29e0971b5cd045d"));
        assert_eq!(keys.iv.to_vec(), bytes("91f73e2351d8fa91660e909f"));
        assert_eq!(keys.hp.to_vec(), bytes("45b95e15235d6f45a6b19cbcb0294ba9"));
    }

    /// RFC 9000 appendix A.1.
    #[test]
    fn integers_of_the_published_examples() {
        for (hexadecimal, value) in [
            ("c2197c5eff14e88c", 151_288_809_941_952_652),
            ("9d7f3e7d", 494_878_333),
            ("7bbd", 15_293),
            ("25", 37),
            ("4025", 37),
        ] {
            assert_eq!(integer(&bytes(hexadecimal)), Some((value, &[][..])));
        }
        assert_eq!(integer(&bytes("7b")), None);
    }
}
