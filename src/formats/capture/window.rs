//! A buffered view of an input, for formats whose records say their own length.

use std::io::{self, Read};

/// Bytes of an input, read ahead as far as is asked for.
pub(super) struct Window<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    error: Option<io::Error>,
}

impl<'a> Window<'a> {
    const AHEAD: usize = 128 << 10;

    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Window { input, buffer: vec![0; Self::AHEAD], start: 0, end: 0, ended: false, error: None }
    }

    /// Makes `length` bytes available if the input has them. The caller bounds `length`.
    pub(super) fn has(&mut self, length: usize) -> bool {
        self.end - self.start >= length || self.fill(length)
    }

    #[cold]
    fn fill(&mut self, length: usize) -> bool {
        if self.ended {
            return false;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < length {
            // With room ahead, so that asking for a little more each time does not move everything each time.
            self.buffer.resize(length.saturating_add(Self::AHEAD), 0);
        }
        while self.end < length && !self.ended {
            match self.buffer.get_mut(self.end..).map_or(Ok(0), |free| self.input.read(free)) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    self.ended = true;
                }
            }
        }
        self.end >= length
    }

    /// What is available now.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over available bytes.
    pub(super) fn consume(&mut self, length: usize) {
        self.start = self.end.min(self.start.saturating_add(length));
    }

    /// Passes over bytes, available or not; how many there were.
    pub(super) fn skip(&mut self, length: u64) -> u64 {
        let mut left = length;
        while left > 0 && self.has(1) {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            self.consume(step);
            left -= step as u64;
        }
        length - left
    }

    /// The input failed: what is missing at the end is not the fault of the file's writer.
    pub(super) fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Hands back the input's failure, if there was one.
    pub(super) fn finish(self) -> io::Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

/// The byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// Sixteen bits at `at`; 0 beyond the end, which callers exclude by asking for the length first.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let Some(&[a, b]) = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<2>()) else { return 0 };
        match self {
            Order::Little => u16::from_le_bytes([a, b]),
            Order::Big => u16::from_be_bytes([a, b]),
        }
    }

    /// Thirty-two bits at `at`; 0 beyond the end.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let Some(value) = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>()) else { return 0 };
        match self {
            Order::Little => u32::from_le_bytes(*value),
            Order::Big => u32::from_be_bytes(*value),
        }
    }

    /// Sixty-four bits at `at`; 0 beyond the end.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let Some(value) = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<8>()) else { return 0 };
        match self {
            Order::Little => u64::from_le_bytes(*value),
            Order::Big => u64::from_be_bytes(*value),
        }
    }
}
