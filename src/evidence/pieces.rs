//! Input that is made over piece by piece, read as bytes.

use std::io::{self, Read};

/// Makes the next piece of an input.
pub(crate) trait Pieces {
    /// Appends the next piece, which may be empty, to `ready`, which is empty. `false` if there is none.
    ///
    /// # Errors
    /// When the input below fails.
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool>;
}

/// The pieces, one after the other.
pub(crate) struct Pieced<P> {
    pieces: P,
    ready: Vec<u8>,
    handed: usize,
}

impl<P: Pieces> Pieced<P> {
    pub(crate) fn new(pieces: P) -> Self {
        Pieced { pieces, ready: Vec::new(), handed: 0 }
    }
}

impl<P: Pieces> Read for Pieced<P> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.handed == self.ready.len() {
            self.ready.clear();
            self.handed = 0;
            if !self.pieces.next(&mut self.ready)? {
                return Ok(0);
            }
        }
        let rest = self.ready.get(self.handed..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.handed += length;
        Ok(length)
    }
}
