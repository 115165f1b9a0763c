//! Records of one event brought together on one line.

use std::io::{self, BufRead, BufReader, Read};

use super::id;
use crate::evidence::Pieces;

/// Stands between the records of an event; no record holds it.
pub(super) const BETWEEN: u8 = 0x1e;

/// Bound on an event. Longer ones are passed on in pieces.
const LONGEST: usize = 1 << 20;

/// Whether a file that begins so is an audit trail, or what `ausearch --raw` makes of one.
pub(in crate::formats::firewall) fn is_trail(beginning: &[u8]) -> bool {
    let mut lines = beginning.split(|byte| *byte == b'\n').take(4);
    lines.any(|line| (line.starts_with(b"type=") || line.starts_with(b"node=")) && id(line).is_some())
}

/// Passes an audit trail on with neighbouring records of one event on one line. Empty lines follow it, so that the
/// number of a line is that of the event's first record.
pub(in crate::formats::firewall) struct Groups<R> {
    input: BufReader<R>,
    /// The line that is read but not handed on.
    next: Vec<u8>,
    /// One was read.
    pending: bool,
}

impl<R: Read> Groups<R> {
    pub(in crate::formats::firewall) fn new(input: R) -> Self {
        let input = BufReader::with_capacity(1 << 16, input);
        Groups { input, next: Vec::new(), pending: false }
    }

    /// Reads into `next`; long lines come in pieces.
    fn advance(&mut self) -> io::Result<()> {
        self.next.clear();
        self.pending = self.input.by_ref().take(LONGEST as u64).read_until(b'\n', &mut self.next)? > 0;
        // `ausearch` draws a line between events and writes the time under it, which the records have too.
        let drawn = self.next.trim_ascii_end() == b"----" || self.next.starts_with(b"time->");
        if drawn && self.next.last() == Some(&b'\n') {
            self.next.drain(..self.next.len() - 1);
        }
        Ok(())
    }

    /// The next line is of the event of those that are ready.
    fn continues(&self, ready: &[u8]) -> bool {
        let (Some(own), Some(next)) = (id(ready), id(&self.next)) else { return false };
        ready.last() == Some(&b'\n') && ready.get(own.range.0..own.range.1) == self.next.get(next.range.0..next.range.1)
    }
}

impl<R: Read> Pieces for Groups<R> {
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool> {
        if !self.pending {
            self.advance()?;
        }
        if !self.pending {
            return Ok(false);
        }
        std::mem::swap(ready, &mut self.next);
        self.advance()?;
        let mut owed = 0;
        while self.pending && ready.len() + self.next.len() < LONGEST && self.continues(ready) {
            ready.pop();
            if ready.last() == Some(&b'\r') {
                ready.pop();
            }
            ready.push(BETWEEN);
            ready.extend_from_slice(&self.next);
            owed += 1;
            self.advance()?;
        }
        ready.extend(std::iter::repeat_n(b'\n', owed));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Pieced;

    #[test]
    fn records_of_an_event_stand_on_its_first_line() {
        let trail = "type=SYSCALL msg=audit(1.000:7): a=1\ntype=CWD msg=audit(1.000:7): b=2\r\n\
                     type=EOE msg=audit(1.000:7): \ntype=USER msg=audit(1.000:8): c=3\nother\n";
        assert!(is_trail(trail.as_bytes()));
        let mut out = String::new();
        Pieced::new(Groups::new(trail.as_bytes())).read_to_string(&mut out).unwrap();
        let lines: Vec<(usize, &str)> =
            out.split('\n').enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty()).collect();
        assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 4, 5]);
        assert_eq!(
            lines[0].1,
            "type=SYSCALL msg=audit(1.000:7): a=1\u{1e}type=CWD msg=audit(1.000:7): b=2\u{1e}type=EOE msg=audit(1.000:7): "
        );
        assert!(!is_trail(b"Nov 20 14:34:46 h kernel: audit: type=1400 audit(1.000:7): x\n"));
    }
}
