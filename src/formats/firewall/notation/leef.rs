//! IBM Log Event Extended Format: `LEEF:1.0|Vendor|Product|Version|EventID|` and tab-separated pairs, or
//! `LEEF:2.0|Vendor|Product|Version|EventID|Delimiter|` and pairs with that delimiter (IBM QRadar LEEF guide).

use std::borrow::Cow;

use super::pairs::{SPACIOUS, Style, pairs as with_style};
use crate::formats::firewall::bytes::{find, split_once};

/// The header of a LEEF record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) vendor: &'a [u8],
    pub(crate) product: &'a [u8],
    pub(crate) event: &'a [u8],
    delimiter: u8,
    pub(crate) attributes: &'a [u8],
}

/// The header of a LEEF record that begins anywhere in `text`.
pub(crate) fn header(text: &[u8]) -> Option<Header<'_>> {
    let after = match find!(text, b"LEEF:") {
        Some(at) => text.get(at + 5..)?,
        // Relays take the mark for the tag of a syslog header.
        None => text.strip_prefix(b"1.0|").or(text.strip_prefix(b"2.0|")).map(|_| text)?,
    };
    let (version, rest) = split_once(after, b"|")?;
    let (vendor, rest) = split_once(rest, b"|")?;
    let (product, rest) = split_once(rest, b"|")?;
    let (_, rest) = split_once(rest, b"|")?;
    let (event, mut rest) = split_once(rest, b"|").unwrap_or((rest, b""));
    let mut delimiter = b'\t';
    if version.trim_ascii().starts_with(b"2")
        && let Some((given, attributes)) = split_once(rest, b"|")
        && let Some(given) = delimiter_of(given)
    {
        (delimiter, rest) = (given, attributes);
    }
    Some(Header { vendor, product, event, delimiter, attributes: rest })
}

/// One character, or its code: `x09`, `0x5E`.
fn delimiter_of(text: &[u8]) -> Option<u8> {
    match text {
        [] => Some(b'\t'),
        [one] => Some(*one),
        [b'x', digits @ ..] | [b'0', b'x', digits @ ..] => {
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        }
        _ => None,
    }
}

impl<'a> Header<'a> {
    /// The attributes. Relays turn tabs into `#011` (rsyslog) or blanks: without a single tab, these separate.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], Cow<'a, [u8]>)> {
        let lost = self.delimiter == b'\t' && memchr::memchr(b'\t', self.attributes).is_none();
        let escaped = lost && memchr::memmem::find(self.attributes, ESCAPED_TAB).is_some();
        let style = if lost { SPACIOUS } else { Style { separator: self.delimiter, equals: b'=', spacious: false } };
        let plain = if escaped { &b""[..] } else { self.attributes };
        let split = if escaped { self.attributes } else { &b""[..] };
        with_style(plain, style).chain(escaped_pairs(split))
    }

    /// Whether the vendor contains this, whatever its case.
    pub(crate) fn is(&self, vendor: &str) -> bool {
        let vendor = vendor.as_bytes();
        self.vendor.windows(vendor.len().max(1)).any(|window| window.eq_ignore_ascii_case(vendor))
    }
}

/// A tab as rsyslog escapes it (`EscapeControlCharactersOnReceive`).
const ESCAPED_TAB: &[u8] = b"#011";

fn escaped_pairs(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], Cow<'_, [u8]>)> {
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (pair, after) = split_once(rest, ESCAPED_TAB).unwrap_or((rest, b""));
            rest = after;
            if let Some((name, value)) = split_once(pair, b"=") {
                return Some((name.trim_ascii(), Cow::Borrowed(value.trim_ascii())));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_delimiters() {
        let names = |line: &'static [u8]| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            header(line).unwrap().pairs().map(|(name, value)| (text(name), text(&value))).collect()
        };
        let expected = vec![("src".to_owned(), "10.0.0.1".to_owned()), ("msg".to_owned(), "a b".to_owned())];
        assert_eq!(names(b"h LEEF:1.0|V|P|1|E|src=10.0.0.1\tmsg=a b"), expected);
        assert_eq!(names(b"LEEF:1.0|V|P|1|E|src=10.0.0.1 msg=a b"), expected);
        assert_eq!(names(b"LEEF:2.0|V|P|1|E|^|src=10.0.0.1^msg=a b"), expected);
        assert_eq!(names(b"LEEF:2.0|V|P|1|E|x5E|src=10.0.0.1^msg=a b"), expected);
        assert_eq!(names(b"LEEF:2.0|V|P|1|E|0x09|src=10.0.0.1\tmsg=a b"), expected);
        assert_eq!(names(b"1.0|V|P|1|E|src=10.0.0.1#011msg=a b"), expected);
        assert!(header(b"LEEF: none").is_none());
    }
}
