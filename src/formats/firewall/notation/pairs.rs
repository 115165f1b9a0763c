//! `name=value` in the habits of firewalls: bare or quoted values, any separator, values with blanks.

use std::borrow::Cow;

/// How pairs are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Between pairs.
    pub(crate) separator: u8,
    /// Between a name and its value.
    pub(crate) equals: u8,
    /// A bare value goes on over separators up to the next `name=`.
    pub(crate) spacious: bool,
}

/// `name=value name="value with blanks"`: FortiOS, SonicOS, Sophos, Stormshield and most others.
pub(crate) const SPACED: Style = Style { separator: b' ', equals: b'=', spacious: false };
/// The same where bare values hold blanks (`msg=Connection closed by peer src=...`).
pub(crate) const SPACIOUS: Style = Style { separator: b' ', equals: b'=', spacious: true };
/// `name=value|name=value|`.
pub(crate) const BARRED: Style = Style { separator: b'|', equals: b'=', spacious: false };
/// `name=value,name=value`.
pub(crate) const COMMAS: Style = Style { separator: b',', equals: b'=', spacious: false };

/// The pairs of a text, first to last; text that is no part of a pair is passed over. Names come without blanks around
/// them; quoted values without their quotes and with `\"` and `\\` resolved.
pub(crate) fn pairs(text: &[u8], style: Style) -> Pairs<'_> {
    Pairs { rest: text, style }
}

/// See [`pairs`].
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
    style: Style,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let Style { separator, equals, spacious } = self.style;
        loop {
            let at = memchr::memchr(equals, self.rest)?;
            let before = self.rest.get(..at)?;
            let begin = memchr::memrchr(separator, before).map_or(0, |found| found + 1);
            let name = before.get(begin..)?.trim_ascii();
            let after = self.rest.get(at + 1..)?;
            if name.is_empty() || name.len() > LONGEST_NAME {
                self.rest = after;
                continue;
            }
            // `name= "value"`: SonicOS and others put a blank there.
            let (quoted, inside) = match after {
                [b'"', inside @ ..] => (true, inside),
                [b' ', b'"', inside @ ..] if separator == b' ' => (true, inside),
                _ => (false, after),
            };
            if quoted {
                let (value, rest) = until_quote(inside);
                self.rest = rest;
                return Some((name, value));
            }
            let end = if spacious { end_of_spacious(after, self.style) } else { memchr::memchr(separator, after) };
            let end = end.unwrap_or(after.len());
            self.rest = after.get(end..).unwrap_or_default();
            return Some((name, Cow::Borrowed(after.get(..end)?.trim_ascii())));
        }
    }
}

const LONGEST_NAME: usize = 128;

/// Up to the quote that closes it, which is followed by something else than a word; what follows the quote.
fn until_quote(inside: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut from = 0;
    let mut escaped = false;
    while let Some(found) = inside.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let at = from + found;
        if inside.get(at) == Some(&b'\\') {
            // A path may end in a backslash: only `\"` and `\\` are escapes, and not before the end of the field.
            let next = inside.get(at + 1).copied();
            let ends = next == Some(b'"') && begins_pair(inside.get(at + 2..).unwrap_or_default());
            if matches!(next, Some(b'"' | b'\\')) && !ends {
                escaped = true;
                from = at + 2;
            } else {
                from = at + 1;
            }
            continue;
        }
        let value = inside.get(..at).unwrap_or_default();
        let value = if escaped { Cow::Owned(unescaped(value)) } else { Cow::Borrowed(value) };
        return (value, inside.get(at + 1..).unwrap_or_default());
    }
    (Cow::Borrowed(inside), &[])
}

/// Whether nothing follows, or a separator and the name of a pair.
fn begins_pair(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b' ' | b',' | b'|' | b';' | b']', after @ ..] => {
            let after = after.trim_ascii_start();
            let name = after.iter().take_while(|byte| is_name(**byte)).count();
            after.is_empty() || (name > 0 && matches!(after.get(name), Some(b'=' | b':')))
        }
        _ => false,
    }
}

fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                plain.push(*next);
                bytes.next();
            }
            _ => plain.push(byte),
        }
    }
    plain
}

/// Where a bare value ends: before the separator that stands before the next `name=`.
fn end_of_spacious(text: &[u8], style: Style) -> Option<usize> {
    let mut from = 0;
    loop {
        let equals = from + memchr::memchr(style.equals, text.get(from..)?)?;
        let before = text.get(..equals)?;
        if let Some(separator) = memchr::memrchr(style.separator, before) {
            let name = before.get(separator + 1..)?.trim_ascii();
            if separator >= from.saturating_sub(1) && !name.is_empty() && name.iter().all(|byte| is_name(*byte)) {
                return Some(separator);
            }
        }
        from = equals + 1;
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, style: Style) -> Vec<(String, String)> {
        let text = text.as_bytes();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs(text, style).map(|(name, value)| (shown(name), shown(&value))).collect()
    }

    fn expect(text: &str, style: Style, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(all(text, style), expected, "{text}");
    }

    #[test]
    fn habits() {
        expect(
            r#"date=2026-11-20 msg="a \"b\" c" path="C:\dir\" x= "y" empty= last=1"#,
            SPACED,
            &[
                ("date", "2026-11-20"),
                ("msg", "a \"b\" c"),
                ("path", r"C:\dir\"),
                ("x", "y"),
                ("empty", ""),
                ("last", "1"),
            ],
        );
        expect(
            "msg=Closed by peer src=1.2.3.4 x=",
            SPACIOUS,
            &[("msg", "Closed by peer"), ("src", "1.2.3.4"), ("x", "")],
        );
        expect("a=b c|d=e=f|", BARRED, &[("a", "b c"), ("d", "e=f")]);
        expect("a=1,b=,c=3", COMMAS, &[("a", "1"), ("b", ""), ("c", "3")]);
        expect("no pairs here", SPACED, &[]);
        expect("url=http://h/?q=1 next=2", SPACED, &[("url", "http://h/?q=1"), ("next", "2")]);
        expect("=x a=\"unclosed", SPACED, &[("a", "unclosed")]);
        let colons = Style { separator: b';', equals: b':', spacious: false };
        expect(r#"action:"Accept"; src:"10.0.0.1"; "#, colons, &[("action", "Accept"), ("src", "10.0.0.1")]);
        let commas = Style { separator: b',', equals: b':', spacious: true };
        expect("A: x, b, C: d", commas, &[("A", "x, b"), ("C", "d")]);
    }
}
