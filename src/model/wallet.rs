//! Addresses of coins, told from other text by their own check digits or by a length and alphabet that little else has.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// Addresses in a text, in order, not overlapping.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if !byte.is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let run = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = at + run;
        if (SHORTEST..=LONGEST).contains(&run) && text.get(at..end).is_some_and(is_address) {
            found.push(at..end);
        }
        at = end;
    }
    found
}

/// The shortest is a Bitcoin address of the first kind, the longest a Monero address with a payment id and some.
const SHORTEST: usize = 25;
const LONGEST: usize = 128;

/// Whether a word is an address. Prefixes behind a colon (`kaspa:`, `cfx:`) are not part of the word.
pub fn is_address(word: &str) -> bool {
    is_account(word) || is_cryptonote(word) || is_bech32(word) || is_cash(word) || base58check(word).is_some()
}

/// The coin whose address a word is, where the address alone says so.
pub fn coin(word: &str) -> Option<&'static str> {
    if is_cryptonote(word) {
        // Network bytes 18, 19 and 42 (cryptonote_config.h) come out as 4 and 8.
        let is_monero = matches!(word.len(), 95 | 106) && word.starts_with(['4', '8']);
        return is_monero.then_some("monero");
    }
    if is_bech32(word) {
        let (prefix, _) = word.rsplit_once('1')?;
        return match prefix {
            "bc" => Some("bitcoin"),
            "ltc" => Some("litecoin"),
            "zs" | "u" => Some("zcash"),
            _ => None,
        };
    }
    // Version bytes of each client's chainparams; those that several coins share say nothing.
    match base58check(word)?.as_slice() {
        [0x00, rest @ ..] if rest.len() == 20 => Some("bitcoin"),
        [0x30, rest @ ..] if rest.len() == 20 => Some("litecoin"),
        [0x1e, rest @ ..] if rest.len() == 20 => Some("dogecoin"),
        [0x4c, rest @ ..] if rest.len() == 20 => Some("dash"),
        [0x3c, rest @ ..] if rest.len() == 20 => Some("ravencoin"),
        [0x1c, 0xb8 | 0xbd, rest @ ..] if rest.len() == 20 => Some("zcash"),
        _ => None,
    }
}

/// An account of Ethereum and its kin: 20 bytes in hexadecimal.
fn is_account(word: &str) -> bool {
    word.len() == 42
        && (word.starts_with("0x") || word.starts_with("0X"))
        && word.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit())
}

/// A CryptoNote address in base58: 95 characters, 106 with a payment id; forks have 90 to 120.
pub fn is_cryptonote(word: &str) -> bool {
    (90..=120).contains(&word.len())
        && word.bytes().all(|byte| BASE58.contains(&byte))
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What a base58check word holds, its check bytes verified and removed (Bitcoin, base58.cpp).
fn base58check(word: &str) -> Option<Vec<u8>> {
    if !(25..=36).contains(&word.len()) {
        return None;
    }
    let mut number: Vec<u8> = Vec::with_capacity(28);
    for byte in word.bytes() {
        let mut carry = u32::try_from(BASE58.iter().position(|known| *known == byte)?).ok()?;
        for digit in number.iter_mut().rev() {
            carry += u32::from(*digit) * 58;
            *digit = u8::try_from(carry & 0xff).unwrap_or_default();
            carry >>= 8;
        }
        if carry > 0 {
            number.insert(0, u8::try_from(carry & 0xff).unwrap_or_default());
        }
    }
    // A leading 1 stands for a byte of zero.
    let zeros = word.bytes().take_while(|byte| *byte == b'1').count();
    let bytes: Vec<u8> = std::iter::repeat_n(0, zeros).chain(number).collect();
    let (payload, check) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let digest = Sha256::digest(Sha256::digest(payload));
    ((21..=22).contains(&payload.len()) && digest.starts_with(check)).then(|| payload.to_vec())
}

/// Segregated-witness addresses and their kin, by checksum (BIP 173 and BIP 350).
fn is_bech32(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let Some((prefix, data)) = lower.rsplit_once('1') else { return false };
    if !(1..=8).contains(&prefix.len())
        || data.len() < 20
        || (word != lower && word.bytes().any(|b| b.is_ascii_lowercase()))
    {
        return false;
    }
    let mut values: Vec<u8> = prefix.bytes().map(|byte| byte >> 5).collect();
    values.push(0);
    values.extend(prefix.bytes().map(|byte| byte & 31));
    for byte in data.bytes() {
        let Some(value) = BECH32.iter().position(|known| *known == byte) else { return false };
        values.push(u8::try_from(value).unwrap_or_default());
    }
    let mut sum: u32 = 1;
    for value in values {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, generator) in
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].into_iter().enumerate()
        {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    matches!(sum, 1 | 0x2bc8_30a3)
}

/// CashAddr and Kaspa: 61 to 63 characters of the same alphabet, whose checksum needs the prefix in front.
fn is_cash(word: &str) -> bool {
    (61..=63).contains(&word.len()) && word.starts_with(['q', 'p']) && word.bytes().all(|byte| BECH32.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of Bitcoin's first block, BIP 173's example, the donation addresses that getmonero.org, litecoin.org
    /// and z.cash's documentation print.
    const ADDRESSES: [(&str, Option<&str>); 5] = [
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Some("bitcoin")),
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", Some("bitcoin")),
        (
            "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H",
            Some("monero"),
        ),
        ("de0B295669a9FD93d5F28D9Ec85E40f4cb697BAe", None),
        ("0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe", None),
    ];

    #[test]
    fn addresses_and_their_coins() {
        for (address, expected) in ADDRESSES {
            let lower = if address.starts_with("BC1") { address.to_ascii_lowercase() } else { address.to_owned() };
            assert_eq!(coin(&lower), expected, "{address}");
            let is_one = address.starts_with("0x") || expected.is_some();
            assert_eq!(is_address(address), is_one, "{address}");
        }
    }

    #[test]
    fn addresses_in_text() {
        let (bitcoin, account) = (ADDRESSES[0].0, ADDRESSES[4].0);
        let text = format!("-u {bitcoin}.rig1 --miner=30@{account}@x é");
        let found: Vec<&str> = find(&text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, [bitcoin, account]);
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            // One letter changed: the check bytes tell.
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            // Digests of MD5, SHA-1 and SHA-256, an identifier, a long name, no end of one letter.
            "3858f62230ac3c915f300c664312c63f",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "123e4567e89b12d3a456426614174000",
            "averyveryverylongnameofahostwithoutdots",
            "0x1234",
            "",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
        assert!(find(&"a".repeat(100)).is_empty());
    }
}
