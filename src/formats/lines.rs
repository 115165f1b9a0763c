use std::io::{self, Read};

use rayon::prelude::*;

use super::Sink;
use crate::evidence::{Anomaly, AnomalyKind, Input};

/// Reads one line of a text format. Must not keep state between lines: lines are read in parallel, in any order.
pub trait LineReader: Sync {
    /// `line` comes without its line break; `number` counts from 1. Calls [`Sink::record`] or [`Sink::unread`] once.
    fn line(&self, line: &[u8], number: u64, sink: &mut dyn Sink);
}

const BLOCK: usize = 1 << 20;
const LONGEST_LINE: usize = 16 << 20;

/// Feeds every line of `input` to `reader`, on all threads of the current rayon pool, in bounded memory.
///
/// Empty lines are passed over. A line longer than 16 MiB is reported as an anomaly and passed over.
///
/// # Errors
/// When the input fails; the lines before the failure have been read.
pub fn read_lines(input: &mut Input, reader: &dyn LineReader, sink: &mut dyn Sink) -> io::Result<()> {
    let blocks_at_once = rayon::current_num_threads().max(1) * 2;
    let mut sinks: Vec<Box<dyn Sink>> = (0..blocks_at_once).map(|_| sink.fork()).collect();
    let mut blocks: Vec<(Vec<u8>, u64)> = Vec::with_capacity(blocks_at_once);
    let mut rest = Vec::new();
    let mut next_line = 1;
    let mut skipping = false;
    let outcome = loop {
        let mut block = std::mem::take(&mut rest);
        let before = block.len();
        let read = fill(input, &mut block, BLOCK);
        let ended = block.len() == before;
        if skipping {
            match memchr::memchr(b'\n', &block) {
                Some(end) => {
                    block.drain(..=end);
                    next_line += 1;
                    skipping = false;
                }
                None => block.clear(),
            }
        }
        if let Some(end) = memchr::memrchr(b'\n', &block) {
            rest = block.split_off(end + 1);
        } else if !ended && read.is_ok() {
            if block.len() > LONGEST_LINE {
                sink.unread(next_line, "line longer than 16 MiB", &block[..80]);
                sink.anomaly(Anomaly {
                    record: next_line,
                    kind: AnomalyKind::BoundReached,
                    detail: "a line longer than 16 MiB was passed over".to_owned(),
                });
                block.clear();
                skipping = true;
            }
            rest = block;
            continue;
        }
        if !block.is_empty() {
            let first_line = next_line;
            next_line += memchr::memchr_iter(b'\n', &block).count() as u64;
            blocks.push((block, first_line));
        }
        let last = ended || read.is_err();
        if blocks.len() == blocks_at_once || last {
            blocks.par_iter().zip(sinks.par_iter_mut()).for_each(|((block, first_line), sink)| {
                for (line, number) in block.split(|byte| *byte == b'\n').zip(*first_line..) {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if !line.is_empty() {
                        reader.line(line, number, sink.as_mut());
                    }
                }
            });
            blocks.clear();
        }
        if last {
            break read;
        }
    };
    for fork in sinks {
        sink.join(fork);
    }
    outcome
}

fn fill(input: &mut Input, block: &mut Vec<u8>, target: usize) -> io::Result<()> {
    input.take(target as u64).read_to_end(block).map(drop)
}
