//! Text in UTF-16 (Windows writes its firewall logs so) as UTF-8, told by its byte order mark (RFC 2781 section 3.2); the
//! mark of UTF-8 is taken off.

use std::io::{self, Cursor, Read};

use super::pieces::{Pieced, Pieces};

/// The same bytes, or the same text in UTF-8 if they begin with a byte order mark.
///
/// # Errors
/// When the first bytes cannot be read.
pub(super) fn decoded<'a>(mut raw: Box<dyn Read + Send + 'a>) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut mark = [0; 3];
    let mut filled = 0;
    let mut failure = None;
    while filled < mark.len() {
        match raw.read(&mut mark[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if filled == 0 => return Err(error),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let begun = mark.get(..filled).unwrap_or_default();
    let (skipped, big_endian) = match begun {
        [0xff, 0xfe, ..] => (2, Some(false)),
        [0xfe, 0xff, ..] => (2, Some(true)),
        [0xef, 0xbb, 0xbf] => (3, None),
        _ => (0, None),
    };
    let rest = begun.get(skipped..).unwrap_or_default().to_vec();
    let raw = Cursor::new(rest).chain(Failure(failure)).chain(raw);
    Ok(match big_endian {
        Some(big_endian) => Box::new(Pieced::new(Utf16 { raw, big_endian, odd: None, high: None })),
        None => Box::new(raw),
    })
}

struct Failure(Option<io::Error>);

impl Read for Failure {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

struct Utf16<R> {
    raw: R,
    big_endian: bool,
    /// Half of a unit.
    odd: Option<u8>,
    /// First unit of a surrogate pair.
    high: Option<u16>,
}

impl<R: Read> Pieces for Utf16<R> {
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool> {
        let mut block = [0; 8192];
        let read = self.raw.read(&mut block)?;
        let bytes = self.odd.take().into_iter().chain(block.iter().take(read).copied());
        let mut units = Vec::with_capacity(read / 2 + 2);
        units.extend(self.high.take());
        let mut first = None;
        for byte in bytes {
            match first.take() {
                None => first = Some(byte),
                Some(before) if self.big_endian => units.push(u16::from_be_bytes([before, byte])),
                Some(before) => units.push(u16::from_le_bytes([before, byte])),
            }
        }
        self.odd = first;
        if read > 0 && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            self.high = units.pop();
        }
        let mut utf8 = [0; 4];
        for letter in char::decode_utf16(units) {
            let letter = letter.unwrap_or(char::REPLACEMENT_CHARACTER);
            ready.extend_from_slice(letter.encode_utf8(&mut utf8).as_bytes());
        }
        Ok(read > 0 || !ready.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_reads_as_utf8() {
        let text = "2026-11-20 ALLOW \u{1f980} caf\u{e9}\r\n".repeat(3000);
        for big_endian in [false, true] {
            let mut bytes = if big_endian { vec![0xfe, 0xff] } else { vec![0xff, 0xfe] };
            for unit in text.encode_utf16() {
                bytes.extend(if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
            }
            let mut got = String::new();
            decoded(Box::new(&bytes[..])).unwrap().read_to_string(&mut got).unwrap();
            assert_eq!(got, text);
        }
        let mut got = String::new();
        decoded(Box::new(&b"\xef\xbb\xbfplain"[..])).unwrap().read_to_string(&mut got).unwrap();
        assert_eq!(got, "plain");
        let mut got = Vec::new();
        decoded(Box::new(&b"\xff"[..])).unwrap().read_to_end(&mut got).unwrap();
        assert_eq!(got, b"\xff");
    }
}
