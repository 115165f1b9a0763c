//! Lines of text as `nvidia-smi` and shells write them, with a bound on their length.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use crate::evidence::Input;

/// Longest line that is read, in bytes.
pub(super) const LONGEST_ROW: usize = 1 << 20;

/// As text; UTF-16 as the `>` of PowerShell 5 writes it, told by its byte order mark.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest)),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Gives every line with its number, from 1; of a line above [`LONGEST_ROW`] the beginning, as an error.
///
/// # Errors
/// When the input fails; the lines before were given.
pub(super) fn each_line(input: &mut Input, mut take: impl FnMut(u64, Result<&str, &[u8]>)) -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let wide = input.fill_buf()?.starts_with(&[0xff, 0xfe]);
    if wide {
        input.consume(2);
    } else if input.fill_buf()?.starts_with(&[0xef, 0xbb, 0xbf]) {
        input.consume(3);
    }
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut input).take(LONGEST_ROW as u64).read_until(b'\n', &mut line);
        if line.is_empty() {
            return read.map(drop);
        }
        number += 1;
        let failed = read.err();
        if line.len() == LONGEST_ROW && line.last() != Some(&b'\n') {
            take(number, Err(&line));
            skip_line(&mut input)?;
            continue;
        }
        if wide {
            // The line break is two bytes: the second one still stands before the next line.
            if line.last() == Some(&b'\n') {
                let mut high = [0];
                let _ = (&mut input).take(1).read(&mut high)?;
                line.extend_from_slice(&high);
            }
            take(number, Ok(&utf16(&line)));
        } else {
            take(number, Ok(&String::from_utf8_lossy(&line)));
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
}

/// Reads on to the end of the line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let block = input.fill_buf()?;
        let (used, done) = match memchr::memchr(b'\n', block) {
            Some(end) => (end + 1, true),
            None => (block.len(), block.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}
