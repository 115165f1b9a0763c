//! Byte ranges that arrive in any order and overlap: for IP fragments and TCP segments.

/// A range of bytes that belongs to no other piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece<M> {
    pub(super) at: u64,
    /// Bytes that the range has by its headers; `data` may be shorter where the capture cut it.
    pub(super) length: u64,
    pub(super) data: Vec<u8>,
    pub(super) meta: M,
}

impl<M> Piece<M> {
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.length)
    }
}

/// Pieces in order of their place, none overlapping another. Of bytes that come twice the first copy stays.
#[derive(Clone, Debug)]
pub(super) struct Pieces<M> {
    pieces: Vec<Piece<M>>,
}

impl<M> Default for Pieces<M> {
    fn default() -> Self {
        Pieces { pieces: Vec::new() }
    }
}

/// What an insertion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// Captured bytes now held that were not before.
    pub(super) held: usize,
    /// Bytes that were there already.
    pub(super) overlap: u64,
    /// Some of those bytes differ from what was there.
    pub(super) differs: bool,
}

impl<M: Copy> Pieces<M> {
    /// Adds `length` bytes from `at` on, of which `data` was captured.
    pub(super) fn insert(&mut self, at: u64, length: u64, data: &[u8], meta: M) -> Inserted {
        let end = at.saturating_add(length);
        let captured = |from: u64, to: u64| {
            let from = usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX).min(data.len());
            let to = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX).min(data.len());
            data.get(from..to).unwrap_or_default()
        };
        let mut done = Inserted::default();
        let mut place = at;
        let mut index = self.pieces.partition_point(|piece| piece.end() <= at);
        while place < end {
            let stop = match self.pieces.get(index) {
                Some(piece) if piece.at <= place => {
                    let stop = piece.end().min(end);
                    let from = usize::try_from(place - piece.at).unwrap_or(usize::MAX);
                    let old = piece.data.get(from..).unwrap_or_default();
                    let new = captured(place, stop);
                    done.differs |= old.iter().zip(new).any(|(old, new)| old != new);
                    done.overlap += stop - place;
                    stop
                }
                next => {
                    let stop = next.map_or(end, |piece| piece.at.min(end));
                    let data = captured(place, stop).to_vec();
                    done.held += data.len();
                    self.pieces.insert(index, Piece { at: place, length: stop - place, data, meta });
                    stop
                }
            };
            index += 1;
            place = stop;
        }
        done
    }

    pub(super) fn first(&self) -> Option<&Piece<M>> {
        self.pieces.first()
    }

    pub(super) fn take_first(&mut self) -> Option<Piece<M>> {
        (!self.pieces.is_empty()).then(|| self.pieces.remove(0))
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pieces = Vec::new();
    }

    /// Whether the pieces cover everything from 0 to `end`.
    pub(super) fn covers(&self, end: u64) -> bool {
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.at > reached {
                return false;
            }
            reached = piece.end();
        }
        reached >= end
    }

    /// The captured bytes from 0 on, up to the first that are missing.
    pub(super) fn prefix(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        for piece in &self.pieces {
            if piece.at != bytes.len() as u64 {
                break;
            }
            bytes.extend(&piece.data);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_copy_wins_and_differences_show() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.insert(4, 4, b"EFGH", ()), Inserted { held: 4, overlap: 0, differs: false });
        assert_eq!(pieces.insert(0, 12, b"abcdefghijkl", ()), Inserted { held: 8, overlap: 4, differs: true });
        assert_eq!(pieces.insert(2, 4, b"cdEF", ()), Inserted { held: 0, overlap: 4, differs: false });
        assert_eq!(pieces.prefix(), b"abcdEFGHijkl");
        assert!(pieces.covers(12) && !pieces.covers(13));
        assert_eq!(pieces.len(), 3);
    }

    #[test]
    fn what_the_snap_length_cut_is_covered_but_not_there() {
        let mut pieces = Pieces::default();
        pieces.insert(0, 8, b"abc", ());
        pieces.insert(8, 2, b"xy", ());
        assert!(pieces.covers(10));
        assert_eq!(pieces.prefix(), b"abc");
        assert_eq!(pieces.take_first().map(|piece| (piece.length, piece.data)), Some((8, b"abc".to_vec())));
    }
}
