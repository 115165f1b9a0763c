//! `journalctl -o export` as one JSON object a line: "Journal Export Format" (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>).

use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

use crate::evidence::Pieces;

/// Whether a file that begins so is an export: it starts with an address or time field of journald.
pub(super) fn is_export(beginning: &[u8]) -> bool {
    beginning.starts_with(b"__CURSOR=") || beginning.starts_with(b"__REALTIME_TIMESTAMP=")
}

/// The fields of an entry that readers of journald's JSON ask for, and the one that every entry has.
const WANTED: [&str; 9] = [
    "__CURSOR",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_HOSTNAME",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_PID",
    "SYSLOG_PID",
    "MESSAGE",
];

/// Bound on one field; longer ones are passed over, as `journalctl` itself does in JSON.
const LONGEST: u64 = 16 << 20;

/// Passes an export on with each entry on one line: its number is that of the line on which the entry begins.
pub(super) struct Export<R> {
    input: BufReader<R>,
}

impl<R: Read> Export<R> {
    pub(super) fn new(input: R) -> Self {
        Export { input: BufReader::with_capacity(1 << 16, input) }
    }

    /// Eight bytes of length (little end first), as many bytes of data, a line break.
    fn binary(&mut self, lines: &mut usize) -> io::Result<Vec<u8>> {
        let mut length = [0; 8];
        if self.input.read_exact(&mut length).is_err() {
            return Ok(Vec::new());
        }
        *lines += memchr::memchr_iter(b'\n', &length).count();
        let length = u64::from_le_bytes(length);
        let mut data = Vec::new();
        let read = self.input.by_ref().take(length.min(LONGEST)).read_to_end(&mut data)? as u64;
        if read < length && read == LONGEST {
            io::copy(&mut self.input.by_ref().take(length - read), &mut io::sink())?;
        }
        let mut end = Vec::new();
        self.input.by_ref().take(1).read_until(b'\n', &mut end)?;
        *lines += memchr::memchr_iter(b'\n', &data).count() + end.len();
        Ok(data)
    }
}

impl<R: Read> Pieces for Export<R> {
    /// The next entry.
    fn next(&mut self, ready: &mut Vec<u8>) -> io::Result<bool> {
        let mut fields = Map::new();
        let mut lines = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.input.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
            let ended = read == 0;
            lines += usize::from(line.last() == Some(&b'\n'));
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if ended || text.is_empty() {
                if fields.is_empty() && !ended {
                    ready.push(b'\n');
                    return Ok(true);
                }
                if fields.is_empty() {
                    return Ok(lines > 0);
                }
                // Writing JSON to memory does not fail.
                let _ = serde_json::to_writer(&mut *ready, &Value::Object(fields));
                ready.extend(std::iter::repeat_n(b'\n', lines.max(1)));
                return Ok(true);
            }
            let (name, value) = match memchr::memchr(b'=', text) {
                Some(at) => (text.get(..at), text.get(at + 1..).unwrap_or_default().to_vec()),
                None => {
                    let value = self.binary(&mut lines)?;
                    (Some(text), value)
                }
            };
            let name = name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
            if WANTED.contains(&name) && !fields.contains_key(name) {
                let value = match String::from_utf8(value) {
                    Ok(text) => Value::String(text),
                    Err(error) => Value::from(error.into_bytes()),
                };
                fields.insert(name.to_owned(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Pieced;

    #[test]
    fn entries_stand_on_the_line_where_they_begin() {
        let mut export = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795185286090029\nMESSAGE=one\nPRIORITY=6\n\n".to_vec();
        export.extend_from_slice(b"__CURSOR=s=2\nMESSAGE\n");
        export.extend_from_slice(&7_u64.to_le_bytes());
        export.extend_from_slice(b"two\nmor\n_HOSTNAME=h\n\n__CURSOR=s=3\nMESSAGE\n");
        export.extend_from_slice(&2_u64.to_le_bytes());
        export.extend_from_slice(&[0xff, 0x41, b'\n']);
        assert!(is_export(&export));
        let mut out = String::new();
        Pieced::new(Export::new(&export[..])).read_to_string(&mut out).unwrap();
        let lines: Vec<(usize, &str)> =
            out.split('\n').enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty()).collect();
        // By hand: the first entry takes lines 1 to 5 with the empty one, the second 6 to 11, for its data has a break in it.
        assert_eq!(
            lines,
            [
                (1, r#"{"MESSAGE":"one","__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1795185286090029"}"#),
                (6, r#"{"MESSAGE":"two\nmor","_HOSTNAME":"h","__CURSOR":"s=2"}"#),
                (12, r#"{"MESSAGE":[255,65],"__CURSOR":"s=3"}"#),
            ]
        );
        for end in 0..export.len() {
            Pieced::new(Export::new(&export[..end])).read_to_string(&mut String::new()).unwrap();
        }
    }
}
