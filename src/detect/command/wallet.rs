//! Wallet addresses: shapes and, where the coin has one that can be computed here, checksums.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// A wallet address found in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wallet {
    /// "XMR", "BTC", "ETH", "LTC", "DOGE", "DASH", "RVN", "ZEC", "BCH", "KAS".
    pub coin: &'static str,
    pub address: String,
    /// Its checksum holds. Always false for coins that are told by their shape alone (XMR, ETH, KAS).
    pub checked: bool,
}

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Wallet addresses in a text with their places, in order.
///
/// Bitcoin and its kin by base58check or bech32/bech32m (BIP 173, 350); Monero by length and first characters (95 for
/// standard and sub-addresses, 106 for integrated ones); Ethereum by `0x` and 40 hex digits.
pub fn wallets(text: &str) -> Vec<(Wallet, Range<usize>)> {
    let mut out = Vec::new();
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, c) in ends {
        match (c.is_ascii_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let before = text.get(..from).unwrap_or("");
                if let Some(token) = text.get(from..at) {
                    let found = of_token(token, before);
                    out.extend(
                        found.map(|(coin, checked)| (Wallet { coin, address: token.to_owned(), checked }, from..at)),
                    );
                }
                start = None;
            }
            _ => {}
        }
    }
    out
}

fn of_token(token: &str, before: &str) -> Option<(&'static str, bool)> {
    let bytes = token.as_bytes();
    let base58 = || bytes.iter().all(|byte| ALPHABET.contains(byte));
    match bytes.len() {
        95 if bytes.starts_with(b"4") || bytes.starts_with(b"8") => {
            let second = bytes.get(1)?;
            (base58() && (second.is_ascii_digit() || matches!(second, b'A' | b'B'))).then_some(("XMR", false))
        }
        106 if bytes.starts_with(b"4") => base58().then_some(("XMR", false)),
        42 if token.starts_with("0x") => {
            let digits = token.get(2..)?;
            let varied = digits.bytes().any(|digit| digit != b'0');
            (varied && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(("ETH", false))
        }
        61..=67 if before.ends_with("kaspa:") => token.starts_with('q').then_some(("KAS", false)),
        14..=90 if token.starts_with("bc1") || token.starts_with("BC1") => bech32(token, "bc").then_some(("BTC", true)),
        14..=90 if token.starts_with("ltc1") => bech32(token, "ltc").then_some(("LTC", true)),
        26..=36 if base58() => base58check(token).map(|coin| (coin, true)),
        _ => None,
    }
}

/// The coin whose version bytes a base58check text carries, if its checksum holds.
fn base58check(token: &str) -> Option<&'static str> {
    // 26 bytes hold the longest payload with a two-byte version: 2 + 20 + 4.
    let mut decoded = [0_u8; 26];
    for byte in token.bytes() {
        let mut carry = ALPHABET.iter().position(|letter| *letter == byte)? as u32;
        for slot in decoded.iter_mut().rev() {
            carry += u32::from(*slot) * 58;
            *slot = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let zeros = token.bytes().take_while(|byte| *byte == b'1').count();
    let first = decoded.iter().position(|byte| *byte != 0).unwrap_or(decoded.len());
    let payload = decoded.get(first.checked_sub(zeros)?..)?;
    let (body, sum) = payload.split_at_checked(payload.len().checked_sub(4)?)?;
    let digest = Sha256::digest(Sha256::digest(body));
    if digest.get(..4) != Some(sum) {
        return None;
    }
    match (body.len(), body.first()?, body.get(1)?) {
        (21, 0x00 | 0x05, _) => Some("BTC"),
        (21, 0x30 | 0x32, _) => Some("LTC"),
        (21, 0x1e | 0x16, _) => Some("DOGE"),
        (21, 0x4c | 0x10, _) => Some("DASH"),
        (21, 0x3c | 0x7a, _) => Some("RVN"),
        (22, 0x1c, 0xb8 | 0xbd) => Some("ZEC"),
        _ => None,
    }
}

/// Whether the checksum of a segwit address holds, in either variant.
fn bech32(token: &str, prefix: &str) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let lower = token.to_ascii_lowercase();
    if lower != token && token.to_ascii_uppercase() != token {
        return false;
    }
    let Some(data) = lower.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('1')) else { return false };
    let values: Option<Vec<u32>> =
        data.bytes().map(|byte| LETTERS.iter().position(|letter| *letter == byte).map(|at| at as u32)).collect();
    let Some(values) = values else { return false };
    let high = prefix.bytes().map(|byte| u32::from(byte >> 5));
    let low = prefix.bytes().map(|byte| u32::from(byte & 31));
    let mut check = 1_u32;
    for value in high.chain([0]).chain(low).chain(values) {
        let top = check >> 25;
        check = ((check & 0x1ff_ffff) << 5) ^ value;
        for (bit, generator) in [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3_u32].iter().enumerate()
        {
            if (top >> bit) & 1 == 1 {
                check ^= generator;
            }
        }
    }
    check == 1 || check == 0x2bc8_30a3
}
