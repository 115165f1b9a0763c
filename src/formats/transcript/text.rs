//! Logs that are plain text.

use std::io::{self, Read};

use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;

/// Bound on a log that is held in memory, in bytes.
const LARGEST: u64 = 1 << 30;

/// Takes in a text log, with replacement characters where it is not UTF-8. What lies behind 1 GiB is left out, with an
/// anomaly.
pub(super) fn whole(input: &mut dyn Read, sink: &mut dyn Sink) -> io::Result<String> {
    let mut text = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        text.truncate(LARGEST as usize);
        let detail = "the file is longer than 1 GiB; what lies behind was left out".to_owned();
        sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::BoundReached, detail });
    }
    Ok(match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Reports a text whose last line has no line break, where the program that writes it ends each line with one: the end
/// of that line may be missing, and the line alone does not show it. `record` is the number of that line.
pub(super) fn unended(text: &str, record: u64, sink: &mut dyn Sink) {
    if !text.is_empty() && !text.ends_with('\n') {
        let detail =
            "the last line has no line break: the file was cut within it, or was still being written".to_owned();
        sink.anomaly(Anomaly { record, kind: AnomalyKind::TruncatedRecord, detail });
    }
}
