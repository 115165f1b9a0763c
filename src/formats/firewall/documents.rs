//! JSON that is laid out over lines, or held in one array, as one object a line.

use std::io::{self, Read};

use crate::evidence::Pieces;

/// Keys whose value is the list of records, where they come first in an object: Azure flow logs ("records"), AWS
/// ("Records", "logEvents"), exports ("entries", "events", "items", "flows").
const WRAPPERS: [&[u8]; 8] = [b"records", b"Records", b"logEvents", b"entries", b"events", b"items", b"flows", b"data"];

/// Whether a file that begins so is JSON whose records do not stand one on a line.
pub(super) fn is_document(beginning: &[u8]) -> bool {
    let text = beginning.trim_ascii_start();
    match text.first() {
        Some(b'[') => text.get(1..).unwrap_or_default().trim_ascii_start().first() == Some(&b'{'),
        Some(b'{') => {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let closed = first.trim_ascii_end().last() == Some(&b'}');
            let more = text.len() > first.len();
            wrapper(text).is_some() || (!closed && more)
        }
        _ => false,
    }
}

/// The length of `{"records": [`, if the text begins so.
fn wrapper(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut expect = |wanted: &[u8], text: &[u8]| -> bool {
        at += text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let fits = text.get(at..).is_some_and(|rest| rest.starts_with(wanted));
        at += if fits { wanted.len() } else { 0 };
        fits
    };
    if !expect(b"{", text) || !expect(b"\"", text) {
        return None;
    }
    if !WRAPPERS.iter().any(|key| expect(key, text)) || !expect(b"\"", text) || !expect(b":", text) {
        return None;
    }
    expect(b"[", text).then_some(at)
}

/// How much is looked at to tell a wrapper from an object.
const AHEAD: usize = 64;

/// Stands on the last line of a document whose list is not closed.
pub(super) const UNCLOSED: &[u8] = b"[the list of records is not closed";

/// Passes JSON on with each object of the outermost list, or each object outside of any list, on one line. Line breaks
/// within it follow it as empty lines, so that the number of a line is that of the line on which its object begins; of
/// several that begin on one line, the later ones count on.
pub(super) struct Documents<R> {
    input: R,
    raw: Vec<u8>,
    at: usize,
    ended: bool,
    depth: usize,
    quoted: bool,
    escaped: bool,
    /// Line breaks owed.
    breaks: usize,
    /// Lists that are open around the objects.
    lists: usize,
}

impl<R: Read> Documents<R> {
    pub(super) fn new(input: R) -> Self {
        Documents {
            input,
            raw: Vec::new(),
            at: 0,
            ended: false,
            depth: 0,
            quoted: false,
            escaped: false,
            breaks: 0,
            lists: 0,
        }
    }

    /// Makes sure that more than [`AHEAD`] bytes are there, as long as there are any.
    fn fill(&mut self) -> io::Result<()> {
        const BLOCK: u64 = 1 << 16;
        if self.ended || self.raw.len() - self.at > AHEAD {
            return Ok(());
        }
        self.raw.drain(..self.at);
        self.at = 0;
        while !self.ended && self.raw.len() <= AHEAD {
            self.ended = self.input.by_ref().take(BLOCK).read_to_end(&mut self.raw)? == 0;
        }
        Ok(())
    }

    fn outside(&mut self, byte: u8, ready: &mut Vec<u8>) {
        match byte {
            b'{' => {
                if let Some(length) = wrapper(self.raw.get(self.at..).unwrap_or_default()) {
                    let skipped = self.raw.get(self.at..self.at + length).unwrap_or_default();
                    let breaks = skipped.iter().filter(|byte| **byte == b'\n').count();
                    ready.extend(std::iter::repeat_n(b'\n', breaks));
                    self.at += length;
                    self.lists += 1;
                    return;
                }
                self.depth = 1;
                ready.push(byte);
            }
            b'\n' => ready.push(byte),
            // Anything else between objects that is no JSON is passed on, so that it is seen and counted.
            b'[' => self.lists += 1,
            b']' => self.lists = self.lists.saturating_sub(1),
            b'}' | b',' | b' ' | b'\t' | b'\r' => {}
            _ => ready.push(byte),
        }
        self.at += 1;
    }

    fn within(&mut self, byte: u8, ready: &mut Vec<u8>) {
        self.at += 1;
        if self.quoted {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.quoted = false;
            }
            ready.push(byte);
            return;
        }
        match byte {
            b'"' => self.quoted = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            b'\n' => {
                self.breaks += 1;
                ready.push(b' ');
                return;
            }
            b'\r' => return,
            _ => {}
        }
        ready.push(byte);
        if self.depth == 0 {
            // The break at the end of its last line is the one that closes it; without one, one is made up.
            ready.extend(std::iter::repeat_n(b'\n', std::mem::take(&mut self.breaks)));
            let rest = self.raw.get(self.at..).unwrap_or_default();
            let end = rest.iter().position(|byte| !matches!(byte, b',' | b']' | b' ' | b'\r' | b'\t'));
            let breaks = end.and_then(|end| rest.get(end)) == Some(&b'\n');
            if !breaks {
                ready.push(b'\n');
            }
        }
    }
}

impl<R: Read> Pieces for Documents<R> {
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool> {
        self.fill()?;
        let keep = if self.ended { 0 } else { AHEAD };
        if self.at >= self.raw.len() {
            if std::mem::take(&mut self.lists) > 0 || self.depth > 0 {
                self.depth = 0;
                ready.push(b'\n');
                ready.extend_from_slice(UNCLOSED);
            }
            ready.extend(std::iter::repeat_n(b'\n', std::mem::take(&mut self.breaks)));
            return Ok(!ready.is_empty());
        }
        while self.at + keep < self.raw.len() || (self.ended && self.at < self.raw.len()) {
            let Some(byte) = self.raw.get(self.at).copied() else { break };
            if self.depth == 0 {
                self.outside(byte, ready);
            } else {
                self.within(byte, ready);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Pieced;

    /// Every object with the number of its line.
    fn objects(text: &str) -> Vec<(usize, String)> {
        let mut out = String::new();
        Pieced::new(Documents::new(text.as_bytes())).read_to_string(&mut out).unwrap();
        let lines = out.split('\n').enumerate().map(|(at, line)| (at + 1, line.trim().replace(' ', "")));
        lines.filter(|(_, line)| !line.is_empty()).collect()
    }

    #[test]
    fn objects_stand_on_the_line_where_they_begin() {
        let pretty = "[\n  {\n    \"a\": \"x\\\"}\"\n  },\n  {\n    \"b\": [1, {\"c\": 2}]\n  }\n]\n";
        assert!(is_document(pretty.as_bytes()));
        // The first begins on line 2, the second on line 5.
        assert_eq!(objects(pretty), [(2, "{\"a\":\"x\\\"}\"}".to_owned()), (5, "{\"b\":[1,{\"c\":2}]}".to_owned())]);
        let wrapped = "{\"records\": [{\"a\":1},{\"a\":2}]}\n{\"records\":[{\"a\":3}]}";
        assert!(is_document(wrapped.as_bytes()));
        assert_eq!(objects(wrapped).len(), 3);
        // A blob that is still being written lacks its end.
        let open = objects("{\"records\":[\n{\"a\":1},\n{\"a\":2}\n");
        assert_eq!(open[..2], [(2, "{\"a\":1}".to_owned()), (3, "{\"a\":2}".to_owned())]);
        assert_eq!(open[2].1, String::from_utf8_lossy(UNCLOSED).replace(' ', ""));
        assert_eq!(
            objects("{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n"),
            [(1, "{\"a\":1}".to_owned()), (4, "{\"a\":2}".to_owned())]
        );
    }

    #[test]
    fn lines_of_objects_are_no_document() {
        assert!(!is_document(b"{\"a\":1}\n{\"a\":2}\n"));
        assert!(!is_document(b"[12.5] kernel: text\n"));
        assert!(!is_document(b"{\"a\":1}"));
        assert!(is_document(b"[{\"a\":1}]"));
    }

    #[test]
    fn long_documents_pass_in_pieces() {
        let one = format!("{{\n\"text\": \"{}\"\n}}", "y".repeat(100_000));
        let all = format!("[{}]", vec![one; 5].join(",\n"));
        let got = objects(&all);
        assert_eq!(got.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 4, 7, 10, 13]);
        assert!(got.iter().all(|(_, text)| text.len() > 100_000));
    }
}
