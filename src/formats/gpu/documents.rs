//! JSON documents one behind the other: on lines of their own, or printed over several.

use serde_json::Value;

use super::out::{Lines, Out};
use crate::evidence::AnomalyKind;

/// Longest document, in bytes.
const LONGEST: usize = 64 << 20;
/// A document is tried at each line that may end it, at most so often.
const TRIES: u32 = 64;

/// Numbers the readings of a file, from 1.
#[derive(Debug, Default)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// What to do with a document; false if it is none of the form.
pub(super) type Take<S> = fn(&Value, &mut S, &mut Numbers, &mut Out<'_>) -> bool;

/// Gives documents of a file to the reader of their form.
pub(super) struct Documents<S> {
    take: Take<S>,
    /// At the end of the file.
    done: fn(&mut S, &mut Out<'_>),
    advice: &'static str,
    state: S,
    numbers: Numbers,
    rest: String,
    tries: u32,
}

impl<S: Default> Documents<S> {
    pub(super) fn new(take: Take<S>, done: fn(&mut S, &mut Out<'_>), advice: &'static str) -> Self {
        let (state, numbers, rest) = (S::default(), Numbers::default(), String::new());
        Documents { take, done, advice, state, numbers, rest, tries: 0 }
    }

    fn unread(&mut self, reason: &str, out: &mut Out<'_>) {
        let number = self.numbers.next();
        let rest = std::mem::take(&mut self.rest);
        self.tries = 0;
        out.unread(number, reason, &rest);
    }
}

impl<S: Default> Lines for Documents<S> {
    fn advice(&self) -> &'static str {
        self.advice
    }

    fn line(&mut self, _: u64, line: &str, out: &mut Out<'_>) {
        if self.rest.is_empty() && line.trim().is_empty() {
            return;
        }
        let first = self.rest.is_empty();
        self.rest.push_str(line);
        self.rest.push('\n');
        if self.rest.len() > LONGEST {
            out.anomaly(0, AnomalyKind::BoundReached, "a document above 64 MiB was passed over");
            self.unread("document longer than 64 MiB", out);
            return;
        }
        // A printed document ends with a bracket that nothing stands before.
        if !(first || line.starts_with(['}', ']'])) {
            return;
        }
        match serde_json::from_str::<Value>(&self.rest) {
            Ok(document) => {
                if (self.take)(&document, &mut self.state, &mut self.numbers, out) {
                    self.rest.clear();
                    self.tries = 0;
                } else {
                    self.unread("a document of another form", out);
                }
            }
            Err(error) if error.is_eof() && self.tries < TRIES => self.tries += 1,
            Err(_) => self.unread("not JSON", out),
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        if !self.rest.trim().is_empty() {
            out.anomaly(0, AnomalyKind::TruncatedRecord, "the file ends within a document");
            self.unread("not a whole document", out);
        }
        (self.done)(&mut self.state, out);
    }
}

/// A figure as number or text, with or without unit: `12`, `"12.0"`, `"12 %"`, `"(300Mhz)"`, `{"value": 12, "unit": "W"}`.
pub(super) fn figure(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let text = text.trim().trim_start_matches('(');
            let end = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-')));
            text.get(..end.unwrap_or(text.len()))?.parse().ok()
        }
        Value::Object(map) => map.get("value").filter(|inner| !inner.is_object()).and_then(figure),
        _ => None,
    }
}
