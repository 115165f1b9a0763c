//! `nfdump -o raw`: a block of lines for each flow, made one JSON object on a line with the names of `-o json`.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

use crate::evidence::Pieces;
use crate::formats::firewall::bytes::split_once;

/// Bound on a line.
const LONGEST: u64 = 1 << 16;

const TITLE: &[u8] = b"Flow Record:";

/// Names of the block and those of the object (`output_raw.c`, `output_json.c`).
const NAMES: [(&[u8], &str); 21] = [
    (b"first", "t_first"),
    (b"last", "t_last"),
    (b"received at", "t_received"),
    (b"proto", "proto"),
    (b"tcp flags", "tcp_flags"),
    (b"src port", "src_port"),
    (b"dst port", "dst_port"),
    (b"in packets", "in_packets"),
    (b"in bytes", "in_bytes"),
    (b"out packets", "out_packets"),
    (b"out bytes", "out_bytes"),
    (b"src addr", "src4_addr"),
    (b"dst addr", "dst4_addr"),
    (b"ip router", "ip4_router"),
    (b"src xlt ip", "src4_xlt_ip"),
    (b"dst xlt ip", "dst4_xlt_ip"),
    (b"src xlate ip", "src4_xlt_ip"),
    (b"dst xlate ip", "dst4_xlt_ip"),
    (b"src xlt port", "src_xlt_port"),
    (b"dst xlt port", "dst_xlt_port"),
    (b"user name", "username"),
];

/// Whether a file that begins so is of such blocks.
pub(in crate::formats::firewall) fn is_raw(beginning: &[u8]) -> bool {
    let mut lines = beginning.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    lines.find(|line| !line.is_empty()).is_some_and(|line| line == TITLE)
}

/// Passes each block on as one line, on the line where it begins; what is none, as it is.
pub(in crate::formats::firewall) struct Blocks<R> {
    input: BufReader<R>,
    /// The line that is read but not handed on.
    next: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    pub(in crate::formats::firewall) fn new(input: R) -> Self {
        Blocks { input: BufReader::with_capacity(1 << 16, input), next: Vec::new() }
    }

    /// Whether there is a line to read into `next`.
    fn advance(&mut self) -> io::Result<bool> {
        self.next.clear();
        Ok(self.input.by_ref().take(LONGEST).read_until(b'\n', &mut self.next)? > 0)
    }
}

impl<R: Read> Pieces for Blocks<R> {
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool> {
        if self.next.is_empty() && !self.advance()? {
            return Ok(false);
        }
        if self.next.trim_ascii() != TITLE {
            std::mem::swap(ready, &mut self.next);
            self.next.clear();
            return Ok(true);
        }
        let mut fields = Map::new();
        let mut lines = 0;
        loop {
            lines += usize::from(self.next.last() == Some(&b'\n'));
            // Lines of a block are indented; the next block, or what ends the output, is not.
            if !self.advance()? || !self.next.starts_with(b"  ") {
                break;
            }
            let Some((name, value)) = split_once(&self.next, b"=") else { continue };
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == name) else { continue };
            // `1795185283877 [2026-11-20 14:34:43.877]`, `6 TCP`; of the flags the letters.
            let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
            let word = if *name == "tcp_flags" { words.nth(1) } else { words.next() };
            if let Some(word) = word {
                let text = String::from_utf8_lossy(word).into_owned();
                fields.entry((*name).to_owned()).or_insert(Value::String(text));
            }
        }
        // Writing JSON to memory does not fail.
        let _ = serde_json::to_writer(&mut *ready, &Value::Object(fields));
        ready.extend(std::iter::repeat_n(b'\n', lines.max(1)));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Pieced;

    #[test]
    fn blocks_stand_on_the_line_where_they_begin() {
        let raw = "\nFlow Record: \n  first        =     1795185283877 [2026-11-20 14:34:43.877]\n  proto        =                 6 TCP  \n\
                   \x20 tcp flags    =              0x02 ......S.\n  src addr     =                ::\n\nFlow Record: \n\
                   \x20 in bytes     =                72\nSummary: total flows: 2\n";
        assert!(is_raw(raw.as_bytes()));
        let mut out = String::new();
        Pieced::new(Blocks::new(raw.as_bytes())).read_to_string(&mut out).unwrap();
        let lines: Vec<(usize, &str)> =
            out.split('\n').enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty()).collect();
        // By hand: blocks begin on lines 2 and 8, the summary is line 10.
        assert_eq!(
            lines,
            [
                (2, r#"{"proto":"6","src4_addr":"::","t_first":"1795185283877","tcp_flags":"......S."}"#),
                (8, r#"{"in_bytes":"72"}"#),
                (10, "Summary: total flows: 2"),
            ]
        );
        for end in 0..raw.len() {
            Pieced::new(Blocks::new(&raw.as_bytes()[..end])).read_to_string(&mut String::new()).unwrap();
        }
        assert!(!is_raw(b"x\nFlow Record: \n"));
    }
}
