//! Python pickles, alone or in the archives of PyTorch: what slime (`--save-debug-rollout-data`), ROLL
//! (`rollout_mock_dumps`) and others keep rollouts in.
//!
//! To load a pickle is to run the program in it. They are named and never loaded.

use std::io::{self, Read};

use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The format that says what a pickle is.
pub struct Pickle;

/// Begin of a local file header (PKWARE APPNOTE 4.3.7): its name stands at 30, the length of that at 26.
fn first_name(head: &[u8]) -> Option<&[u8]> {
    if !head.starts_with(b"PK\x03\x04") {
        return None;
    }
    let length = usize::from(u16::from_le_bytes([*head.get(26)?, *head.get(27)?]));
    head.get(30..30 + length)
}

impl Format for Pickle {
    fn id(&self) -> &'static str {
        "pickle"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Python pickles and PyTorch archives (.pkl, .pt): named, never loaded"
    }

    fn record_unit(&self) -> &'static str {
        "object"
    }

    fn probe(&self, head: &Head) -> Match {
        let bytes = head.bytes.as_slice();
        if first_name(bytes).is_some_and(|name| name.ends_with(b"/data.pkl") || name.ends_with(b"/version")) {
            return Match::Certain("an archive of PyTorch with data.pkl".to_owned());
        }
        // PROTO and a protocol, then FRAME, an empty container, a mark or a global (CPython's Lib/pickletools.py).
        let opcodes = matches!(bytes, [0x80, 2..=5, 0x95 | b'}' | b']' | b'(' | b')' | b'c' | 0x8a, ..]);
        if opcodes { Match::Certain("the opcodes that a Python pickle begins with".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, _time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let beginning = input.peek(16)?;
        let end = end(input)?;
        sink.unread(1, "a pickle, which runs code when it is loaded", &beginning);
        sink.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::Unsupported,
            detail:
                "a Python pickle or PyTorch archive: loading it would run the code in it, so it was not read; if it \
                     holds rollouts, convert them to JSON in an isolated place (torch.load with weights_only=True) and \
                     give that as evidence"
                    .to_owned(),
        });
        // A pickle ends with the opcode STOP, an archive with its directory.
        let whole = if beginning.starts_with(b"PK") {
            memchr::memmem::rfind(&end, DIRECTORY_END).is_some_and(|at| end.len() - at >= DIRECTORY_END_LENGTH)
        } else {
            end.ends_with(b".")
        };
        if !whole {
            let detail = "the file does not end as a pickle or an archive does: its end is missing".to_owned();
            sink.anomaly(Anomaly { record: 1, kind: AnomalyKind::TruncatedRecord, detail });
        }
        Ok(())
    }
}

/// What the end of the directory of a ZIP begins with, and how long it is at least (PKWARE APPNOTE 4.3.16).
const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_END_LENGTH: usize = 22;

/// The last bytes of a file: as many as the end of a ZIP with its comment can take.
fn end(input: &mut Input) -> io::Result<Vec<u8>> {
    const LONGEST: usize = DIRECTORY_END_LENGTH + (1 << 16);
    let mut kept = Vec::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let read = match input.read(&mut block) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(block.get(..read).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(LONGEST));
    }
}
