//! Texts of transcripts, held small: what tools printed and what was said is most of a transcript, is looked at once or
//! twice, and shrinks to a third.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::memory::{Kept, Memory};

/// A text, packed by LZ4 where that makes it smaller, in memory or laid aside.
#[derive(Clone, Debug)]
pub struct Packed {
    kept: Kept,
    /// Bytes of the text; 0 if it lies here as it is.
    length: usize,
}

/// Below this nothing is gained.
const SHORTEST: usize = 128;

impl Packed {
    /// Holds a text in memory.
    pub fn of(text: &str) -> Self {
        let (bytes, length) = pack(text);
        Packed { kept: Kept::Here(bytes), length }
    }

    /// Holds a text, laid aside where memory has no room for it.
    pub fn within(memory: &Arc<Memory>, text: &str) -> Self {
        let (bytes, length) = pack(text);
        Packed { kept: Kept::new(bytes, memory), length }
    }

    /// The text.
    pub fn text(&self) -> Cow<'_, str> {
        let bytes = self.kept.bytes();
        if self.length == 0 {
            return match bytes {
                Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
                Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).unwrap_or_default()),
            };
        }
        // It was packed here: it cannot be ill.
        let bytes = lz4_flex::block::decompress(&bytes, self.length).unwrap_or_default();
        Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.kept.len() == 0
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.kept.len()
    }
}

/// The same text packs to the same bytes, wherever they lie.
impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.kept.bytes(), self.length).cmp(&(other.kept.bytes(), other.length))
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        (self.kept.len(), self.length) == (other.kept.len(), other.length) && self.kept.bytes() == other.kept.bytes()
    }
}

impl Eq for Packed {}

/// Packed bytes, and the length of the text or 0 where it is smaller as it is.
fn pack(text: &str) -> (Box<[u8]>, usize) {
    if text.len() >= SHORTEST {
        let packed = lz4_flex::block::compress(text.as_bytes());
        if packed.len() < text.len() {
            return (packed.into(), text.len());
        }
    }
    (text.as_bytes().into(), 0)
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

    #[test]
    fn beyond_what_is_allowed_texts_lie_aside_and_are_the_same() {
        let memory = Arc::new(Memory::of(320_000));
        let texts: Vec<String> = (0..20).map(|at| format!("{at} {}", random(4_000))).collect();
        let packed: Vec<Packed> = texts.iter().map(|text| Packed::within(&memory, text)).collect();
        // A thirty-second of what is allowed stays: two texts of 4,002 or 4,003 bytes.
        assert_eq!(packed.iter().filter(|packed| matches!(packed.kept, Kept::Here(_))).count(), 2);
        assert!(memory.shelved() > 70_000 && memory.failure().is_none());
        for (text, packed) in texts.iter().zip(&packed).rev() {
            assert_eq!(packed.text(), *text);
            assert_eq!(*packed, Packed::of(text));
        }
        let mut sorted = packed.clone();
        sorted.sort();
        let mut expected: Vec<Packed> = texts.iter().map(|text| Packed::of(text)).collect();
        expected.sort();
        assert_eq!(sorted, expected);
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
