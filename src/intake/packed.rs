//! Texts of transcripts, held small: what tools printed and what was said is most of a transcript, is looked at once or
//! twice, and shrinks to a third.

use std::borrow::Cow;

/// A text, packed by LZ4 where that makes it smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packed {
    bytes: Box<[u8]>,
    /// Bytes of the text; 0 if it lies here as it is.
    length: usize,
}

/// Below this nothing is gained.
const SHORTEST: usize = 128;

impl Packed {
    /// Holds a text.
    pub fn of(text: &str) -> Self {
        if text.len() >= SHORTEST {
            let packed = lz4_flex::block::compress(text.as_bytes());
            if packed.len() < text.len() {
                return Packed { bytes: packed.into(), length: text.len() };
            }
        }
        Packed { bytes: text.as_bytes().into(), length: 0 }
    }

    /// The text.
    pub fn text(&self) -> Cow<'_, str> {
        if self.length == 0 {
            return String::from_utf8_lossy(&self.bytes);
        }
        // It was packed here: it cannot be ill.
        let bytes = lz4_flex::block::decompress(&self.bytes, self.length).unwrap_or_default();
        Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for text in ["", "ls", &"ä line of a log, again and again\n".repeat(500), &random(4_000)] {
            assert_eq!(Packed::of(text).text(), *text);
        }
        let log = "2026-11-20 14:13:46 worker started, nothing to do\n".repeat(1_000);
        assert!(Packed::of(&log).size() < log.len() / 10);
        // What does not shrink is kept as it is.
        assert!(Packed::of(&random(4_000)).size() <= 4_000);
    }

    /// Letters without a pattern (xorshift64, Marsaglia 2003).
    fn random(length: usize) -> String {
        let mut state = 88_172_645_463_325_252_u64;
        let mut letter = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + (state >> 32) as u8 % 90)
        };
        (0..length).map(|_| letter()).collect()
    }
}
