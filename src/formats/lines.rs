use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::Sink;
use crate::evidence::{Anomaly, AnomalyKind, Input};

/// Reads one line of a text format. Must not keep state between lines: lines are read in parallel, in any order. What
/// header lines say of the lines after them is the one exception, and is handed in.
pub trait LineReader: Sync {
    /// What header lines say of the lines that follow: names of columns, for example.
    type Layout: Clone + Default + Send + Sync;

    /// `line` comes without its line break; `number` counts from 1. Calls [`Sink::record`] or [`Sink::unread`] once.
    fn line(&self, line: &[u8], number: u64, layout: &Self::Layout, sink: &mut dyn Sink);

    /// The layout from a header line on, given the one before it. `None` if the line is no header. Only the first line
    /// of a file and lines that begin like it are asked about (with `#`, if it begins so).
    fn header(&self, _line: &[u8], _before: &Self::Layout) -> Option<Self::Layout> {
        None
    }

    /// Looks at whole lines in a row, before they are read one by one. Which lines come together depends on the file
    /// alone; blocks come in any order, on any thread.
    fn block(&self, _lines: &[u8], _first_line: u64) {}

    /// The last line has no line break, and does not end as JSON does.
    fn unended(&self, _number: u64, _layout: &Self::Layout, _sink: &mut dyn Sink) {}
}

/// How much of the first line a repeated header has in common with it.
const MARK: usize = 24;

/// Bytes read at once. Small enough that threads end a batch at about the same time, and that a block stays near the
/// processor between its reading and its hashing.
const BLOCK: usize = 1 << 18;
const LONGEST_LINE: usize = 16 << 20;
/// Bytes of lines after which the forks of a sink are joined: each fork holds what is distinct in its lines again, and
/// joining costs by what is distinct.
const JOINED_EVERY: usize = 128 << 20;

/// Feeds every line of `input` to `reader`, on all threads of the current rayon pool, in bounded memory. While lines are
/// being read, the next ones are fetched and decompressed.
///
/// Empty lines are passed over. A line longer than 16 MiB is reported as an anomaly and passed over.
///
/// # Errors
/// When the input fails; the lines before the failure have been read.
pub fn read_lines<R: LineReader>(input: &mut Input, reader: &R, sink: &mut dyn Sink) -> io::Result<()> {
    let blocks_at_once = rayon::current_num_threads().max(1) * 8;
    let mut forks: Vec<Mutex<Box<dyn Sink>>> = (0..blocks_at_once).map(|_| Mutex::new(sink.fork())).collect();
    let mut blocks = Blocks::new(input);
    let mut headers = Headers { reader, mark: None, layout: R::Layout::default() };
    let mut batch = headers.lay_out(blocks.take(blocks_at_once));
    let mut unjoined = 0;
    while !batch.is_empty() {
        unjoined += batch.iter().map(|(block, _)| block.lines.len()).sum::<usize>();
        let mark = headers.mark.clone().unwrap_or_default();
        let ((), next) = rayon::join(|| read_batch(&batch, reader, &mark, &forks), || blocks.take(blocks_at_once));
        blocks.recycle(batch.into_iter().map(|(block, _)| block));
        batch = headers.lay_out(next);
        if unjoined >= JOINED_EVERY {
            unjoined = 0;
            for fork in &mut forks {
                let fresh = sink.fork();
                let fork = fork.get_mut().unwrap_or_else(PoisonError::into_inner);
                sink.join(std::mem::replace(fork, fresh));
            }
        }
    }
    let Blocks { too_long, outcome, unended, .. } = blocks;
    if let Some(number) = unended.filter(|_| outcome.is_ok()) {
        reader.unended(number, &headers.layout, sink);
    }
    for (number, beginning) in too_long {
        sink.unread(number, "line longer than 16 MiB", &beginning);
        sink.anomaly(Anomaly {
            record: number,
            kind: AnomalyKind::BoundReached,
            detail: "a line longer than 16 MiB was passed over".to_owned(),
        });
    }
    for fork in forks {
        sink.join(fork.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    outcome
}

/// There is a fork for every block, and a block takes the first that is free: as many are used as there are threads, so
/// that what they hold is held few times and stays near the processor.
fn read_batch<R: LineReader>(batch: &[(Block, R::Layout)], reader: &R, mark: &[u8], forks: &[Mutex<Box<dyn Sink>>]) {
    batch.par_iter().zip(forks.par_iter()).for_each(|((block, layout), own)| {
        let free = forks.iter().find_map(|fork| fork.try_lock().ok());
        let mut sink = free.unwrap_or_else(|| own.lock().unwrap_or_else(PoisonError::into_inner));
        let mut layout = layout.clone();
        reader.block(&block.lines, block.first_line);
        let ends = memchr::memchr_iter(b'\n', &block.lines).chain(std::iter::once(block.lines.len()));
        let mut begin = 0;
        for (end, number) in ends.zip(block.first_line..) {
            let line = block.lines.get(begin..end).unwrap_or_default();
            begin = end + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if !mark.is_empty()
                && line.starts_with(mark)
                && let Some(next) = reader.header(line, &layout)
            {
                layout = next;
                continue;
            }
            reader.line(line, number, &layout, sink.as_mut());
        }
    });
}

/// Follows the header lines of a file from block to block, ahead of those who read the lines.
struct Headers<'r, R: LineReader> {
    reader: &'r R,
    /// What lines begin with that may be headers: known from the first line on, empty if that is none.
    mark: Option<Vec<u8>>,
    layout: R::Layout,
}

impl<R: LineReader> Headers<'_, R> {
    /// Gives each block the layout that its first line is under.
    fn lay_out(&mut self, blocks: Vec<Block>) -> Vec<(Block, R::Layout)> {
        blocks
            .into_iter()
            .map(|block| {
                let before = self.layout.clone();
                self.follow(&block.lines);
                (block, before)
            })
            .collect()
    }

    fn follow(&mut self, lines: &[u8]) {
        if self.mark.is_none() {
            let first = lines.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let Some(first) = first.into_iter().find(|line| !line.is_empty()) else { return };
            let is_header = self.reader.header(first, &self.layout).is_some();
            let length = if first.first() == Some(&b'#') { 1 } else { first.len().min(MARK) };
            self.mark = Some(if is_header { first.get(..length).unwrap_or_default().to_vec() } else { Vec::new() });
        }
        let mark = self.mark.as_deref().unwrap_or_default();
        if mark.is_empty() {
            return;
        }
        let mut from = 0;
        while let Some(found) = lines.get(from..).and_then(|rest| memchr::memmem::find(rest, mark)) {
            let at = from + found;
            let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |length| at + length);
            let line = lines.get(at..end).unwrap_or_default();
            let begins = at == 0 || lines.get(at - 1) == Some(&b'\n');
            if begins && let Some(next) = self.reader.header(line.strip_suffix(b"\r").unwrap_or(line), &self.layout) {
                self.layout = next;
            }
            from = if begins { end } else { at + mark.len() };
        }
    }
}

/// Whole lines, and the number of the first.
struct Block {
    lines: Vec<u8>,
    first_line: u64,
}

/// Cuts an input into blocks at line breaks.
struct Blocks<'i> {
    input: &'i mut Input,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    next_line: u64,
    /// In a line that is too long, up to its end.
    skipping: bool,
    ended: bool,
    outcome: io::Result<()>,
    /// Number of the last line, if it has no line break and is no JSON.
    unended: Option<u64>,
    /// Number and beginning of the lines that were too long.
    too_long: Vec<(u64, Vec<u8>)>,
    /// Buffers to be used again: fresh memory costs more than the reading of it.
    spare: Vec<Vec<u8>>,
}

impl<'i> Blocks<'i> {
    fn new(input: &'i mut Input) -> Self {
        let (rest, too_long, spare) = (Vec::new(), Vec::new(), Vec::new());
        Blocks {
            input,
            rest,
            next_line: 1,
            skipping: false,
            ended: false,
            outcome: Ok(()),
            unended: None,
            too_long,
            spare,
        }
    }

    fn recycle(&mut self, batch: impl Iterator<Item = Block>) {
        self.spare.extend(batch.map(|block| block.lines).filter(|lines| lines.capacity() <= BLOCK * 2));
    }

    /// The next blocks, at most `count`; none at the end.
    fn take(&mut self, count: usize) -> Vec<Block> {
        let mut batch = Vec::with_capacity(count);
        while batch.len() < count && !self.ended {
            batch.extend(self.next());
        }
        batch
    }

    /// Reads up to a [`BLOCK`] more; a block if a line came to its end.
    fn next(&mut self) -> Option<Block> {
        let mut lines = if self.rest.len() > BLOCK {
            // A long line goes on: it grows where it is.
            std::mem::take(&mut self.rest)
        } else {
            let mut fresh = self.spare.pop().unwrap_or_default();
            fresh.clear();
            fresh.reserve(BLOCK + self.rest.len());
            fresh.append(&mut self.rest);
            fresh
        };
        let before = lines.len();
        let read = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut lines);
        self.ended = read.is_err() || lines.len() == before;
        if let Err(error) = read {
            self.outcome = Err(error);
        }
        if self.skipping {
            match memchr::memchr(b'\n', &lines) {
                Some(end) => {
                    lines.drain(..=end);
                    self.next_line += 1;
                    self.skipping = false;
                }
                None => lines.clear(),
            }
        }
        if !self.ended {
            let whole = memchr::memrchr(b'\n', &lines).map_or(0, |end| end + 1);
            if whole == 0 {
                self.rest = std::mem::take(&mut lines);
            } else {
                self.rest.extend_from_slice(lines.get(whole..).unwrap_or_default());
                lines.truncate(whole);
            }
            if self.rest.len() > LONGEST_LINE {
                let beginning = self.rest.get(..80).unwrap_or_default().to_vec();
                // The line has no number yet if whole lines stand before it in this block.
                let before = memchr::memchr_iter(b'\n', &lines).count() as u64;
                self.too_long.push((self.next_line + before, beginning));
                self.rest = Vec::new();
                self.skipping = true;
            }
        }
        if lines.is_empty() {
            return None;
        }
        let first_line = self.next_line;
        self.next_line += memchr::memchr_iter(b'\n', &lines).count() as u64;
        // What ends in a bracket is JSON that closes itself.
        let cut = self.ended && !matches!(lines.last(), Some(b'\n' | b'}' | b']'));
        self.unended = cut.then_some(self.next_line);
        Some(Block { lines, first_line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::formats::Collector;

    /// Reports every line as unread, with its text for an example.
    struct Echo;

    impl LineReader for Echo {
        type Layout = ();

        fn line(&self, line: &[u8], number: u64, (): &(), sink: &mut dyn Sink) {
            sink.unread(number, "", line);
        }
    }

    fn lines(bytes: Vec<u8>) -> Collector {
        let mut input = Input::from_bytes("log", bytes, EvidenceId(0));
        let mut collector = Collector::default();
        read_lines(&mut input, &Echo, &mut collector).unwrap();
        collector
    }

    #[test]
    fn every_line_comes_once_with_its_number() {
        // Lines of all lengths, so that block ends fall into them, after them and before them.
        let mut log = Vec::new();
        let mut expected = Vec::new();
        for number in 1..=60_000_u64 {
            let text = if number % 7 == 0 {
                String::new()
            } else {
                format!("{number} {}", "x".repeat((number % 91) as usize))
            };
            log.extend_from_slice(text.as_bytes());
            log.extend_from_slice(if number % 5 == 0 { b"\r\n" } else { b"\n" });
            if !text.is_empty() {
                expected.push((number, String::new(), text));
            }
        }
        assert!(log.len() > BLOCK * 2);
        for cut in [0, 1, 2] {
            let shorter = log[..log.len() - cut].to_vec();
            let got = lines(shorter);
            assert_eq!(got.unread.len(), expected.len());
            assert_eq!(got.unread[..expected.len() - 1], expected[..expected.len() - 1]);
            assert!(expected[expected.len() - 1].2.starts_with(&got.unread[expected.len() - 1].2));
        }
        assert_eq!(lines(Vec::new()).unread, []);
        assert_eq!(lines(b"\n\r\n\n".to_vec()).unread, []);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_passed_over() {
        let mut log = b"first\n".to_vec();
        log.extend(std::iter::repeat_n(b'a', LONGEST_LINE + 3 * BLOCK));
        log.extend_from_slice(b"\nthird\n");
        log.extend(std::iter::repeat_n(b'b', BLOCK + 5));
        log.extend_from_slice(b"\nfifth");
        let got = lines(log);
        let numbers: Vec<(u64, &str)> =
            got.unread.iter().map(|(number, reason, _)| (*number, reason.as_str())).collect();
        assert_eq!(numbers, [(1, ""), (2, "line longer than 16 MiB"), (3, ""), (4, ""), (5, "")]);
        assert_eq!(got.unread[4].2, "fifth");
        assert_eq!((got.anomalies.len(), got.anomalies[0].record), (1, 2));
    }

    #[test]
    fn what_comes_before_a_failure_is_read() {
        // A gzip stream (RFC 1952) that is cut in the middle.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        let text: String = (1..=10_000).map(|number| format!("line {number}\n")).collect();
        io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
        let mut input = Input::open("log.gz", &path, EvidenceId(0)).unwrap();
        let mut got = Collector::default();
        assert!(read_lines(&mut input, &Echo, &mut got).is_err());
        assert!((4_000..6_000).contains(&got.unread.len()), "{}", got.unread.len());
        assert_eq!(got.unread[3_999].2, "line 4000");
    }
}
