//! Reassembly: what goes in as a stream comes out as one, however it was cut, repeated and mixed.

use proptest::prelude::*;

use super::packets::Stamp;
use super::stream::{Receive, Stream, Taken};
use crate::time::Instant;

#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    calls: Vec<(u64, usize)>,
    gaps: Vec<(usize, u64)>,
    enough: Option<usize>,
}

impl Receive for Received {
    fn data(&mut self, bytes: &[u8], stamp: Stamp) {
        self.bytes.extend(bytes);
        self.calls.push((stamp.record, bytes.len()));
    }

    fn gap(&mut self, bytes: u64) {
        self.gaps.push((self.bytes.len(), bytes));
    }

    fn is_done(&self) -> bool {
        self.enough.is_some_and(|enough| self.bytes.len() >= enough)
    }
}

fn stamp(record: u64) -> Stamp {
    Stamp { record, span: None, clock: Instant(0) }
}

fn put(stream: &mut Stream, sequence: u32, data: &[u8], record: u64, to: &mut Received) -> Taken {
    stream.segment(sequence, data.len() as u32, data, stamp(record), to)
}

#[test]
fn out_of_order_keeps_segments_and_their_packets() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(100);
    put(&mut stream, 106, b"ghi", 1, &mut to);
    put(&mut stream, 103, b"def", 2, &mut to);
    assert!(to.calls.is_empty());
    assert_eq!(stream.held(), 6);
    put(&mut stream, 100, b"abc", 3, &mut to);
    assert_eq!((to.bytes.as_slice(), to.calls), (&b"abcdefghi"[..], vec![(3, 3), (2, 3), (1, 3)]));
    assert_eq!(stream.held(), 0);
}

#[test]
fn the_first_copy_wins_and_a_difference_shows() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(0);
    put(&mut stream, 10, b"KLMNO", 1, &mut to);
    assert!(put(&mut stream, 5, b"xxxxxyyyyy", 2, &mut to).differs);
    assert!(!put(&mut stream, 0, b"abcde", 3, &mut to).differs);
    assert_eq!(to.bytes, b"abcdexxxxxKLMNO");
    put(&mut stream, 12, b"MNOpq", 4, &mut to);
    assert_eq!(to.bytes, b"abcdexxxxxKLMNOpq", "a segment that begins with known bytes brings the rest");
    put(&mut stream, 16, b"q", 5, &mut to);
    assert_eq!(to.calls.len(), 4, "a keep-alive brings nothing");
}

#[test]
fn numbers_wrap() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(u32::MAX - 1);
    put(&mut stream, 1, b"defg", 1, &mut to);
    put(&mut stream, u32::MAX - 1, b"abc", 2, &mut to);
    assert_eq!((to.bytes.as_slice(), to.gaps.len()), (&b"abcdefg"[..], 0));
}

#[test]
fn the_snap_length_leaves_gaps() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(0);
    let taken = stream.segment(0, 100, b"abc", stamp(1), &mut to);
    assert_eq!(taken, Taken { differs: false, missing: 97 });
    put(&mut stream, 100, b"def", 2, &mut to);
    assert_eq!((to.bytes.as_slice(), to.gaps), (&b"abcdef"[..], vec![(3, 97)]));
}

#[test]
fn a_hole_is_given_up_when_too_much_waits_behind_it() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(0);
    let segment = [7_u8; 10];
    for number in 0..=256 {
        assert!(to.bytes.is_empty());
        put(&mut stream, 50 + number * 10, &segment, u64::from(number), &mut to);
    }
    assert_eq!((to.bytes.len(), to.gaps.as_slice()), (2570, &[(0, 50)][..]));
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(0);
    for number in 0..40_u32 {
        put(&mut stream, 1 + number * 65_000, &[1; 65_000], u64::from(number), &mut to);
        assert!(stream.held() <= 1 << 20, "memory is bounded");
    }
    assert_eq!((to.bytes.len(), to.gaps), (40 * 65_000, vec![(0, 1)]));
}

#[test]
fn the_end_passes_on_what_waits() {
    let (mut stream, mut to) = (Stream::default(), Received::default());
    stream.begin(0);
    put(&mut stream, 10, b"b", 1, &mut to);
    put(&mut stream, 20, b"c", 2, &mut to);
    assert_eq!(stream.flush(&mut to).missing, 19);
    assert_eq!((to.bytes.as_slice(), to.gaps), (&b"bc"[..], vec![(0, 10), (1, 9)]));
}

#[test]
fn nothing_is_held_for_a_reader_that_is_done() {
    let (mut stream, mut to) = (Stream::default(), Received { enough: Some(3), ..Received::default() });
    stream.begin(0);
    put(&mut stream, 6, b"xyz", 1, &mut to);
    put(&mut stream, 0, b"abc", 2, &mut to);
    put(&mut stream, 3, b"def", 3, &mut to);
    put(&mut stream, 100, b"late", 4, &mut to);
    assert_eq!((to.bytes.as_slice(), stream.held()), (&b"abc"[..], 0));
}

proptest! {
    /// Random cuts, order within a window, repeats with other cuts: the same bytes, no gap, nothing left over.
    #[test]
    fn any_segmentation_gives_the_same_bytes(
        bytes in prop::collection::vec(any::<u8>(), 1..2000),
        first in any::<u32>(),
        segments in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..60), 0..120), // at most 241 parts: below the bound of 256 that wait
        seed in any::<u64>(),
    ) {
        let mut parts: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        for (_, length) in &segments {
            parts.push((at, (at + length).min(bytes.len())));
            at = (at + length).min(bytes.len());
        }
        parts.push((at, bytes.len()));
        for (index, length) in &segments {
            let start = index.index(bytes.len());
            parts.push((start, (start + length).min(bytes.len())));
        }
        // Fisher-Yates with a small linear congruence.
        let mut state = seed | 1;
        for index in (1..parts.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            parts.swap(index, (state >> 33) as usize % (index + 1));
        }
        let (mut stream, mut to) = (Stream::default(), Received::default());
        stream.begin(first);
        for (record, (start, end)) in parts.iter().enumerate() {
            let sequence = first.wrapping_add(*start as u32);
            let taken = put(&mut stream, sequence, &bytes[*start..*end], record as u64, &mut to);
            prop_assert!(!taken.differs);
            prop_assert!(bytes.starts_with(&to.bytes));
        }
        prop_assert_eq!(&to.bytes, &bytes);
        prop_assert_eq!((stream.held(), to.gaps.len()), (0, 0));
    }

    /// Any numbers at all: no panic, and never more bytes than were sent.
    #[test]
    fn any_numbers_are_survived(
        segments in prop::collection::vec((any::<u32>(), 0_u32..3000, 0_usize..200), 0..600),
    ) {
        let (mut stream, mut to) = (Stream::default(), Received::default());
        let mut sent = 0;
        for (record, (sequence, length, captured)) in segments.iter().enumerate() {
            let data = vec![1; (*captured).min(*length as usize)];
            sent += data.len();
            stream.segment(*sequence, *length, &data, stamp(record as u64), &mut to);
        }
        stream.flush(&mut to);
        prop_assert!(to.bytes.len() <= sent);
        prop_assert_eq!(stream.held(), 0);
    }
}
