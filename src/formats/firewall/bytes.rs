//! Small readers of byte slices. None of them allocates, none of them panics.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// A decimal number that fills the whole slice; `None` if it is empty, has another byte or does not fit.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// The decimal number at the beginning of `text` and how many bytes it takes, at most `longest`.
pub(crate) fn leading_number(text: &[u8], longest: usize) -> Option<(u32, usize)> {
    let length = text.iter().take(longest.min(9)).take_while(|byte| byte.is_ascii_digit()).count();
    let value = number(text.get(..length)?)?;
    Some((u32::try_from(value).ok()?, length))
}

/// An address in the usual notation; a zone index (`%eth0`) is passed over. `::ffff:192.0.2.1` is how a socket for both
/// versions shows a peer of version 4, and that is the address of its packets.
pub(crate) fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(v4) = ipv4(text) {
        return Some(IpAddr::V4(v4));
    }
    // Words, which are looked at far more often than addresses of version 6, have no colon.
    memchr::memchr(b':', text)?;
    let text = text.split(|byte| *byte == b'%').next()?;
    std::str::from_utf8(text).ok()?.parse().ok().map(|v6: std::net::Ipv6Addr| v6.to_canonical())
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut place = 0;
    let mut value: u32 = 0;
    let mut digits = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                // "01" is octal to some and decimal to others: nobody prints it, so it is no address.
                if digits == 3 || (digits > 0 && value == 0) {
                    return None;
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' => {
                *octets.get_mut(place)? = octet(value, digits)?;
                place += 1;
                value = 0;
                digits = 0;
            }
            _ => return None,
        }
    }
    if place != 3 {
        return None;
    }
    *octets.get_mut(3)? = octet(value, digits)?;
    Some(Ipv4Addr::from(octets))
}

fn octet(value: u32, digits: u32) -> Option<u8> {
    if digits == 0 { None } else { u8::try_from(value).ok() }
}

/// A port that fills the whole slice.
pub(crate) fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(number(text)?).ok()
}

/// As text, with replacement characters where it is not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Without white space at its ends.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Without white space at its beginning.
pub(crate) fn after_spaces(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_start()
}

/// The first word and what follows its separator (one space or tab, if there is one).
pub(crate) fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Where a literal is found first. What the search needs to know of the literal is worked out once for each place that
/// asks: for lines of some hundred bytes that takes longer than the search.
macro_rules! find {
    ($bytes:expr, $literal:literal) => {{
        static FINDER: std::sync::LazyLock<memchr::memmem::Finder<'static>> =
            std::sync::LazyLock::new(|| memchr::memmem::Finder::new($literal));
        FINDER.find($bytes)
    }};
}
pub(crate) use find;

/// Whether a literal is in there: see [`find`].
macro_rules! has {
    ($bytes:expr, $literal:literal) => {
        $crate::formats::firewall::bytes::find!($bytes, $literal).is_some()
    };
}
pub(crate) use has;

/// Where a short needle is found first in a short text: without preparation.
fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(*first, bytes.get(from..)?)?;
        if bytes.get(at + 1..)?.starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Splits at the first occurrence of `separator`.
pub(crate) fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = position(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// Splits at the last occurrence of `separator`.
pub(crate) fn rsplit_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::rfind(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// The bytes that an even number of hexadecimal digits stands for.
pub(crate) fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// What stands between `<name>` or `<name attribute="...">` and the `</name>` that follows first. For
/// elements that hold none of their own name.
pub(crate) fn element<'a>(xml: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = xml;
    loop {
        rest = rest.get(memchr::memchr(b'<', rest)? + 1..)?;
        let Some(after) = rest.strip_prefix(name) else { continue };
        let attributes = match after.first()? {
            b'>' => 0,
            b' ' => memchr::memchr(b'>', after)?,
            _ => continue,
        };
        let mut inside = after.get(attributes + 1..)?;
        let begin = inside;
        loop {
            inside = inside.get(memchr::memchr(b'<', inside)? + 1..)?;
            let closes = inside.strip_prefix(b"/").and_then(|inside| inside.strip_prefix(name));
            if closes.is_some_and(|after| after.first() == Some(&b'>')) {
                return begin.get(..begin.len() - inside.len() - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_standard_library() {
        // The standard library's parser is the reference for IPv4.
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "0.0.0.0",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1..3.4",
            "",
            "a.b.c.d",
            "1.2.3.4 ",
        ] {
            assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(address(b"fe80::1%eth0"), "fe80::1".parse().ok());
        assert_eq!(address(b"::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
        assert_eq!(address(b"2001:0db8:0000:0000:0000:0000:0000:0007"), "2001:db8::7".parse().ok());
    }

    #[test]
    fn numbers_that_do_not_fit_are_none() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"12a"), None);
        assert_eq!(port(b"65536"), None);
        assert_eq!(leading_number(b"2026-11", 4), Some((2026, 4)));
    }

    #[test]
    fn digits_and_elements() {
        assert_eq!(hexadecimal(b"00ffA1"), Some(vec![0, 255, 0xa1]));
        assert_eq!(hexadecimal(b"0"), None);
        assert_eq!(hexadecimal(b"0g"), None);
        let xml = b"<a><when x=\"1\"><min>3</min></when><minutes>4</minutes></a>";
        assert_eq!(element(xml, b"when"), Some(&b"<min>3</min>"[..]));
        assert_eq!(element(xml, b"min"), Some(&b"3"[..]));
        assert_eq!(element(xml, b"minutes"), Some(&b"4"[..]));
        assert_eq!(element(b"<a>1", b"a"), None);
        assert_eq!(element(b"", b"a"), None);
    }
}
