//! IBM Log Event Extended Format: `LEEF:1.0|Vendor|Product|Version|EventID|` and tab-separated pairs, or
//! `LEEF:2.0|Vendor|Product|Version|EventID|Delimiter|` and pairs with that delimiter (IBM QRadar LEEF guide).

use std::borrow::Cow;

use super::pairs::{SPACIOUS, Style, pairs as with_style};
use crate::formats::firewall::bytes::split_once;

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
    let at = memchr::memmem::find(text, b"LEEF:")?;
    let (version, rest) = split_once(text.get(at + 5..)?, b"|")?;
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
    /// The attributes. Relays turn tabs into blanks: without a single tab, blanks separate.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], Cow<'a, [u8]>)> {
        let lost = self.delimiter == b'\t' && memchr::memchr(b'\t', self.attributes).is_none();
        let style = if lost { SPACIOUS } else { Style { separator: self.delimiter, equals: b'=', spacious: false } };
        with_style(self.attributes, style)
    }

    /// Whether the vendor contains this, whatever its case.
    pub(crate) fn is(&self, vendor: &str) -> bool {
        let vendor = vendor.as_bytes();
        self.vendor.windows(vendor.len().max(1)).any(|window| window.eq_ignore_ascii_case(vendor))
    }
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
        assert!(header(b"LEEF: none").is_none());
    }
}
