//! ArcSight Common Event Format: `CEF:Version|Vendor|Product|Version|Class|Name|Severity|Extension`
//! ("Implementing ArcSight Common Event Format", version 26).

use std::borrow::Cow;

use crate::formats::firewall::bytes::find;

/// The header of a CEF record. Fields come as they lie, with `\|` and `\\` unresolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) vendor: &'a [u8],
    pub(crate) product: &'a [u8],
    pub(crate) class: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) severity: &'a [u8],
    pub(crate) extension: &'a [u8],
}

impl Header<'_> {
    /// Whether vendor and product contain these, whatever their case.
    pub(crate) fn is(&self, vendor: &str, product: &str) -> bool {
        contains(self.vendor, vendor) && contains(self.product, product)
    }
}

fn contains(text: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

/// The header of a CEF record that begins anywhere in `text`; also of one that lost its `CEF:`
/// (`0|Vendor|Product|...` at the beginning).
pub(crate) fn header(text: &[u8]) -> Option<Header<'_>> {
    let after = match find!(text, b"CEF:") {
        // F5 writes the mark twice.
        Some(at) => {
            let after = text.get(at + 4..)?.trim_ascii_start();
            after.strip_prefix(b"CEF:").unwrap_or(after)
        }
        None => text.strip_prefix(b"0|").map(|_| text)?,
    };
    let (version, mut rest) = column(after)?;
    if version.is_empty() || !version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    let mut columns = [&b""[..]; 6];
    for slot in &mut columns {
        (*slot, rest) = column(rest)?;
    }
    let [vendor, product, _, class, name, severity] = columns;
    Some(Header { vendor, product, class, name, severity, extension: rest.trim_ascii() })
}

/// Up to a bar without a backslash before it, and what follows the bar.
fn column(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'|' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

/// The pairs of an extension. Values hold blanks and go on up to the next ` name=`; `\=`, `\\`, `\n` and `\r` are
/// resolved, and quotes around a whole value are taken off.
pub(crate) fn pairs(extension: &[u8]) -> impl Iterator<Item = (&[u8], Cow<'_, [u8]>)> {
    let mut next = name_at(extension, 0);
    std::iter::from_fn(move || {
        let (begin, equals) = next?;
        let name = extension.get(begin..equals)?;
        next = name_at(extension, equals + 1);
        let end = next.map_or(extension.len(), |(begin, _)| begin);
        let value = extension.get(equals + 1..end)?.trim_ascii();
        let value = match value {
            [b'"', inside @ .., b'"'] => inside,
            _ => value,
        };
        Some((name, resolved(value)))
    })
}

/// Beginning of the next name and place of its `=`, from `from` on.
fn name_at(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut search = from;
    loop {
        let equals = search + memchr::memchr(b'=', text.get(search..)?)?;
        search = equals + 1;
        let before = text.get(from..equals)?;
        let length = before.iter().rev().take_while(|byte| IN_NAMES[usize::from(**byte)]).count();
        let begin = equals - length;
        let starts = begin == from && from == 0 || matches!(text.get(begin.wrapping_sub(1)), Some(b' ' | b'\t' | b'|'));
        if length > 0 && starts {
            return Some((begin, equals));
        }
    }
}

/// Bytes that names are made of.
static IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'[' | b']');
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// With escapes resolved.
pub(crate) fn resolved(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escape = match (byte, bytes.peek()) {
            (b'\\', Some(next @ (b'=' | b'\\' | b'|'))) => Some(*next),
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            _ => None,
        };
        match escape {
            Some(meant) => {
                plain.push(meant);
                bytes.next();
            }
            None => plain.push(byte),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(extension: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs(extension.as_bytes()).map(|(name, value)| (text(name), text(&value))).collect()
    }

    #[test]
    fn headers() {
        let line = br"<13>Nov 20 14:34:46 h CEF:0|Ven\|dor|Product|1.0|100|detected a \| in message|10|src=10.0.0.1 act=blocked a | dst=1.1.1.1";
        let header = header(line).unwrap();
        assert_eq!((header.vendor, header.class, header.severity), (&br"Ven\|dor"[..], &b"100"[..], &b"10"[..]));
        assert!(header.is("ven", "PRODUCT") && !header.is("other", ""));
        let fields = shown(std::str::from_utf8(header.extension).unwrap());
        // The example of the specification: a bar in an extension needs no escape.
        let expected = [("src", "10.0.0.1"), ("act", "blocked a |"), ("dst", "1.1.1.1")];
        assert_eq!(fields, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert!(super::header(b"0|Check Point|VPN-1|x|Log|Log|Unknown|act=Allow").is_some());
        assert!(super::header(b"CEF:0|only|four|columns|x").is_none());
        assert!(super::header(b"CEF: see the manual").is_none());
    }

    #[test]
    fn values_with_blanks_escapes_and_equals() {
        let fields = shown(
            r#"msg=Detected a threat.\n No action needed. request=http://h/?a\=b&c=d cs1Label=Rule Name cs1=a\\b spt= 12345 q="x y" empty= last=1"#,
        );
        let expected = [
            ("msg", "Detected a threat.\n No action needed."),
            ("request", "http://h/?a=b&c=d"),
            ("cs1Label", "Rule Name"),
            ("cs1", r"a\b"),
            ("spt", "12345"),
            ("q", "x y"),
            ("empty", ""),
            ("last", "1"),
        ];
        assert_eq!(fields, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
