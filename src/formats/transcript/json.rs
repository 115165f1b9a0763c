//! Reading JSON that may be long, cut or slightly ill: one line at a time, or one whole file.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use rayon::prelude::*;
use serde_json::Value;

use super::scan;
use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;
use crate::model::Step;

/// Bound on a line, in bytes.
pub(super) const LONGEST_LINE: usize = 64 << 20;
/// Bound on a file that is one JSON text, in bytes.
pub(super) const LARGEST_FILE: u64 = 1 << 30;

/// Takes a line: its number, its value, its text.
pub(super) type EachLine<'a> = dyn FnMut(u64, &Value, &[u8], &mut dyn Sink) + Send + 'a;

/// Feeds every line that is JSON to `each`, with its number from 1 and its text. Empty lines are passed over.
/// Lines that are no JSON or longer than 64 MiB are reported and passed over. While lines are being told, the next ones
/// are parsed.
///
/// # Errors
/// When the input fails; the lines before the failure have been read.
pub(super) fn lines(input: &mut (dyn Read + Send), sink: &mut dyn Sink, each: &mut EachLine<'_>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, input);
    let mut number = 0;
    let mut outcome = Ok(());
    let mut batch = Batch::read(&mut reader, &mut number, &mut outcome).parsed();
    while !batch.is_empty() {
        let ended = outcome.is_err();
        let tell = || batch.into_iter().for_each(|line| line.tell(sink, each));
        let next = || if ended { Vec::new() } else { Batch::read(&mut reader, &mut number, &mut outcome).parsed() };
        ((), batch) = rayon::join(tell, next);
    }
    outcome
}

/// Bytes of lines that are parsed at once.
const BATCH: usize = 2 << 20;

/// Lines that are not parsed yet.
#[derive(Default)]
struct Batch(Vec<(u64, Vec<u8>)>);

/// A line, and what became of it.
struct Parsed {
    number: u64,
    text: Vec<u8>,
    value: Option<serde_json::Result<Value>>,
    mended: bool,
}

impl Batch {
    /// Reads about [`BATCH`] bytes of lines, or one line if that is longer; nothing at the end.
    fn read<R: Read>(reader: &mut BufReader<R>, number: &mut u64, outcome: &mut io::Result<()>) -> Self {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < BATCH {
            let mut line = Vec::new();
            let read = reader.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line);
            if line.is_empty() && read.is_ok() {
                break;
            }
            *number += 1;
            bytes += line.len();
            let too_long = line.last() != Some(&b'\n') && line.len() > LONGEST_LINE;
            batch.0.push((*number, line));
            let skipped = if too_long { reader.skip_until(b'\n').map(drop) } else { Ok(()) };
            if let Err(error) = read.map(drop).and(skipped) {
                *outcome = Err(error);
                break;
            }
        }
        batch
    }

    fn parsed(self) -> Vec<Parsed> {
        let parse = |(number, text): (u64, Vec<u8>)| {
            if text.len() > LONGEST_LINE && text.last() != Some(&b'\n') {
                return Parsed { number, text, value: None, mended: false };
            }
            let mended = mend(bare(number, &text));
            let value = (!mended.is_empty()).then(|| serde_json::from_slice::<Value>(&mended));
            let mended = matches!(mended, Cow::Owned(_));
            Parsed { number, text, value, mended }
        };
        self.0.into_par_iter().map(parse).collect()
    }
}

/// A line without what stands around its text.
fn bare(number: u64, line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(line).trim_ascii()
}

impl Parsed {
    fn tell(&self, sink: &mut dyn Sink, each: &mut EachLine<'_>) {
        let text = bare(self.number, &self.text);
        match &self.value {
            None if text.is_empty() => {}
            None => {
                sink.unread(self.number, "line longer than 64 MiB", text.get(..80).unwrap_or_default());
                sink.anomaly(Anomaly {
                    record: self.number,
                    kind: AnomalyKind::BoundReached,
                    detail: "a line longer than 64 MiB was passed over".to_owned(),
                });
            }
            Some(Ok(value)) => {
                if self.mended {
                    sink.anomaly(mended_anomaly(self.number));
                }
                each(self.number, value, text, sink);
            }
            Some(Err(error)) => unparsed(self.number, error, self.text.ends_with(b"\n"), text, sink),
        }
    }
}

/// Feeds the JSON texts of a file that follow each other, over as many lines as each takes, to `each`: as programs print
/// their telemetry. The number counts the texts from 1. A stretch that is no JSON is reported, up to the next line that
/// begins with `{`.
///
/// # Errors
/// When the input fails.
pub(super) fn texts(input: &mut dyn Read, sink: &mut dyn Sink, each: &mut EachLine<'_>) -> io::Result<()> {
    let text = whole(input, sink)?;
    let mut rest = text.as_slice();
    let mut number = 0;
    while let Some(begin) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
        rest = rest.get(begin..).unwrap_or_default();
        number += 1;
        let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                let (one, after) = rest.split_at(stream.byte_offset().min(rest.len()));
                each(number, &value, one.trim_ascii(), sink);
                rest = after;
            }
            Some(Err(error)) => {
                let end =
                    memchr::memmem::find(rest.get(1..).unwrap_or_default(), b"\n{").map_or(rest.len(), |at| at + 2);
                let (bad, after) = rest.split_at(end.min(rest.len()));
                unparsed(number, &error, !after.is_empty(), bad, sink);
                rest = after;
            }
            None => break,
        }
    }
    Ok(())
}

/// Feeds the elements of a file that is one JSON list to `each`, one at a time, numbered from 1. A list that is cut or no
/// list gives the elements before that, and is reported.
///
/// # Errors
/// When the input fails.
pub(super) fn list(input: &mut dyn Read, sink: &mut dyn Sink, each: &mut EachLine<'_>) -> io::Result<()> {
    let text = whole(input, sink)?;
    let mut told = 0;
    let mut counted = |number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink| {
        told = number;
        each(number, value, raw, sink);
    };
    if !elements(&text, 1, sink, &mut counted) {
        if text.trim_ascii_start().starts_with(b"[") || serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err()
        {
            check_whole(&text, told + 1, sink);
        } else {
            sink.unread(1, "JSON, and no list", text.get(..80).unwrap_or(&text));
        }
    }
    Ok(())
}

/// Feeds the elements of the list at `key` of a text that is one JSON object to `each`, numbered from 1. A text that is
/// cut gives the elements before the cut. The text is what [`whole`] gives.
pub(super) fn inner_list(text: &[u8], key: &str, sink: &mut dyn Sink, each: &mut EachLine<'_>) {
    let complete = serde_json::from_slice::<serde::de::IgnoredAny>(text);
    let mut number = 0;
    let mut torn = false;
    for raw in scan::member(text, key).map(scan::elements).unwrap_or_default() {
        number += 1;
        match serde_json::from_slice::<Value>(raw) {
            Ok(value) => each(number, &value, raw, sink),
            Err(error) => {
                torn = true;
                unparsed(number, &error, false, raw, sink);
            }
        }
    }
    if let Err(error) = complete
        && !torn
    {
        let end = text.get(text.len().saturating_sub(160)..).unwrap_or_default();
        unparsed(number + 1, &error, false, end, sink);
    }
}

/// Feeds the elements of a list that stands within a file to `each`, numbered from `first`. Those that are no JSON are
/// reported. True if there was such a one.
pub(super) fn elements(list: &[u8], first: u64, sink: &mut dyn Sink, each: &mut EachLine<'_>) -> bool {
    let mut torn = false;
    for (number, raw) in (first..).zip(scan::elements(list)) {
        match serde_json::from_slice::<Value>(raw) {
            Ok(value) => each(number, &value, raw, sink),
            Err(error) => {
                torn = true;
                unparsed(number, &error, false, raw, sink);
            }
        }
    }
    torn
}

/// Reports a file that is no whole JSON text, where none of its parts was reported already.
pub(super) fn check_whole(text: &[u8], record: u64, sink: &mut dyn Sink) {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        unparsed(record, &error, false, text.get(text.len().saturating_sub(160)..).unwrap_or_default(), sink);
    }
}

fn cut_off(record: u64, text: &[u8], sink: &mut dyn Sink) {
    sink.unread(record, "JSON cut off before its end", text);
    sink.anomaly(Anomaly {
        record,
        kind: AnomalyKind::TruncatedRecord,
        detail: "the file ends inside a JSON text: it was cut, or was still being written".to_owned(),
    });
}

/// Reads a file that is one JSON text, mended. What lies behind 1 GiB is left out, with an anomaly.
///
/// # Errors
/// When the input fails.
pub(super) fn whole(input: &mut dyn Read, sink: &mut dyn Sink) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        text.truncate(LARGEST_FILE as usize);
        sink.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::BoundReached,
            detail: "the file is longer than 1 GiB; what lies behind was left out".to_owned(),
        });
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
    if let Cow::Owned(mended) = mend(&text) {
        sink.anomaly(mended_anomaly(0));
        text = mended;
    }
    Ok(text)
}

/// Reads a file that is plain text, with replacement characters where it is not UTF-8. What lies behind 256 MiB is left
/// out, with an anomaly.
///
/// # Errors
/// When the input fails.
pub(super) fn whole_text(input: &mut dyn Read, sink: &mut dyn Sink) -> io::Result<String> {
    const LARGEST: u64 = 256 << 20;
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bytes.truncate(LARGEST as usize);
        sink.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::BoundReached,
            detail: "the file is longer than 256 MiB; what lies behind was left out".to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reports a text that is no JSON. A text that is cut and does not end in a line break was the last of its file.
pub(super) fn unparsed(record: u64, error: &serde_json::Error, ended: bool, text: &[u8], sink: &mut dyn Sink) {
    if error.is_eof() && !ended {
        cut_off(record, text, sink);
    } else {
        sink.unread(record, if error.is_eof() { "JSON cut off before its end" } else { "not JSON" }, text);
    }
}

fn mended_anomaly(record: u64) -> Anomaly {
    Anomaly {
        record,
        kind: AnomalyKind::MalformedRecord,
        detail: "bytes that are not UTF-8, halves of surrogate pairs or NaN in JSON; read with replacements".to_owned(),
    }
}

/// Makes valid JSON of what JavaScript and Python write without being asked: a half of a surrogate pair (an output
/// cut in the middle of a character, a byte that is not UTF-8) becomes U+FFFD, NaN and Infinity become null.
fn mend(text: &[u8]) -> Cow<'_, [u8]> {
    let text = match std::str::from_utf8(text) {
        Ok(_) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(text).into_owned().into_bytes()),
    };
    let suspect = memchr::memmem::find(&text, b"\\ud").is_some()
        || memchr::memmem::find(&text, b"\\uD").is_some()
        || memchr::memmem::find(&text, b"NaN").is_some()
        || memchr::memmem::find(&text, b"Infinity").is_some();
    if !suspect {
        return text;
    }
    match replaced(&text) {
        Some(replaced) => Cow::Owned(replaced),
        None => text,
    }
}

fn replaced(text: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut kept_to = 0;
    let mut in_string = false;
    let mut at = 0;
    let mut replace = |from: usize, to: usize, with: &[u8]| {
        let out = out.get_or_insert_default();
        out.extend_from_slice(text.get(kept_to..from).unwrap_or_default());
        out.extend_from_slice(with);
        kept_to = to;
    };
    while let Some(&byte) = text.get(at) {
        if in_string {
            match byte {
                b'"' => in_string = false,
                b'\\' => {
                    at += match surrogate(text, at) {
                        Some(0xD800..=0xDBFF) if matches!(surrogate(text, at + 6), Some(0xDC00..=0xDFFF)) => 12,
                        Some(_) => {
                            replace(at, at + 6, b"\\ufffd");
                            6
                        }
                        None => 2,
                    };
                    continue;
                }
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_string = true,
                b'N' | b'I' | b'-' => {
                    let rest = text.get(at..).unwrap_or_default();
                    if let Some(word) =
                        [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|word| rest.starts_with(word))
                    {
                        replace(at, at + word.len(), b"null");
                        at += word.len();
                        continue;
                    }
                }
                _ => {}
            }
        }
        at += 1;
    }
    let mut out = out?;
    out.extend_from_slice(text.get(kept_to..).unwrap_or_default());
    Some(out)
}

/// The value of a `\uXXXX` escape at `at` if it is half of a surrogate pair.
fn surrogate(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let value = digits.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))?;
    (0xD800..=0xDFFF).contains(&value).then_some(value)
}

/// The text at a key of an object.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Whether a key of an object is `true` (or the word "true", as tool arguments spell it).
pub(super) fn flag(value: &Value, key: &str) -> bool {
    match value.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(word)) => word == "true",
        _ => false,
    }
}

/// An exit code at a key of an object. −1 is how producers write that they do not know it.
pub(super) fn exit_code(value: &Value, key: &str) -> Option<i32> {
    let code = value.get(key)?.as_i64()?;
    if code == -1 { None } else { i32::try_from(code).ok() }
}

/// The arguments of a call as they were written, and parsed. They may be a JSON text within JSON; `raw` is their text.
pub(super) fn arguments(value: &Value, raw: Option<&[u8]>) -> (String, Value) {
    match value {
        Value::String(text) => (text.clone(), serde_json::from_str(text).unwrap_or_else(|_| value.clone())),
        Value::Null => (String::new(), Value::Null),
        other => {
            let written = raw.and_then(|raw| std::str::from_utf8(raw).ok()).map(str::to_owned);
            (written.unwrap_or_else(|| other.to_string()), other.clone())
        }
    }
}

/// The text of a message: a string, or a list of blocks of which those with text count.
pub(super) fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<&str> =
                blocks.iter().filter_map(|block| block.as_str().or_else(|| text(block, "text"))).collect();
            texts.join("\n")
        }
        Value::Object(_) => ["text", "content", "output"].iter().find_map(|key| value.get(key)).map_or_else(
            || value.to_string(),
            |inner| if inner.is_object() { inner.to_string() } else { content(inner) },
        ),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Cuts a text to [`Step::OUTPUT_KEPT`] bytes at the boundary of a character; says how many bytes were left out.
pub(super) fn kept(mut text: String) -> (String, u64) {
    if text.len() <= Step::OUTPUT_KEPT {
        return (text, 0);
    }
    let mut end = Step::OUTPUT_KEPT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let omitted = (text.len() - end) as u64;
    text.truncate(end);
    (text, omitted)
}

/// The name of a file without its directory, its compression and its extension.
pub(super) fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name = [".gz", ".zst", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Input};
    use crate::formats::Collector;

    #[test]
    fn ill_json_is_mended() {
        for (ill, well) in [
            (r#"{"a":"\ud83d\ude00 \ud83d"}"#, r#"{"a":"\ud83d\ude00 \ufffd"}"#),
            (r#"{"a":"\udce4","b":NaN,"c":[-Infinity,Infinity]}"#, r#"{"a":"\ufffd","b":null,"c":[null,null]}"#),
            (r#"{"a":"\\ud83d NaN"}"#, r#"{"a":"\\ud83d NaN"}"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&mend(ill.as_bytes())), well);
            assert!(serde_json::from_slice::<Value>(&mend(ill.as_bytes())).is_ok());
        }
        assert!(serde_json::from_slice::<Value>(&mend(b"\"\xff\"")).is_ok());
    }

    #[test]
    fn bad_lines_do_not_stop_the_good_ones() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\nnonsense\n{\"a\":\n{\"a\":2}\n{\"a\":".to_vec();
        let mut input = Input::from_bytes("x", text, EvidenceId(0));
        let (mut collector, mut seen) = (Collector::default(), Vec::new());
        lines(&mut input, &mut collector, &mut |number, value, _, _| seen.push((number, value["a"].as_i64()))).unwrap();
        assert_eq!(seen, [(1, Some(1)), (5, Some(2))]);
        let reasons: Vec<(u64, &str)> = collector.unread.iter().map(|(n, why, _)| (*n, why.as_str())).collect();
        assert_eq!(reasons, [(3, "not JSON"), (4, "JSON cut off before its end"), (6, "JSON cut off before its end")]);
        assert_eq!(collector.anomalies.len(), 1);
    }

    #[test]
    fn outputs_are_cut_between_characters() {
        let long = "ä".repeat(Step::OUTPUT_KEPT / 2) + "äb";
        assert_eq!(kept(long.clone()).1, 3);
        let (text, omitted) = kept(format!("x{long}"));
        assert_eq!((text.len() % 2, text.len() as u64 + omitted), (1, long.len() as u64 + 1));
    }

    #[test]
    fn stems() {
        for (name, expected) in [("a/b.jsonl", "b"), ("b.traj.gz", "b"), (".jsonl", ".jsonl"), ("a\\c", "c")] {
            assert_eq!(stem(name), expected);
        }
    }
}
