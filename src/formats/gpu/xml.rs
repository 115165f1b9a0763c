//! `nvidia-smi -q -x`: one document per query, one behind the other in a loop.
//!
//! Read tag by tag and tolerantly: process names are not always escaped. No entity is expanded but those of XML itself,
//! and nothing is fetched.

use super::form::Form;
use super::missing::Missing;
use super::out::{Lines, Out, ctime};
use super::reading::{Reading, Running};
use crate::evidence::{AnomalyKind, quoted};
use crate::time::{SECOND, Span};

/// The long form as XML.
pub(super) static QUERY_XML: Form = Form {
    id: "nvidia-smi-xml",
    title: "nvidia-smi -q -x, schemas without number to v13, one document or several in one file (-l)",
    record: "line",
    probe: |head| {
        let begins = head.trim_start().starts_with('<');
        (begins && head.contains("<nvidia_smi_log>")).then_some("the root element of nvidia-smi -q -x")
    },
    reader: || Box::new(Xml::default()),
};

/// Deeper documents than this are none of nvidia-smi.
const DEEPEST: usize = 32;
/// Longest text between two tags, in bytes.
const LONGEST: usize = 1 << 20;

#[derive(Default)]
struct Xml {
    /// What is not used yet: text, and a tag whose end is to come.
    rest: String,
    /// Text since the last tag.
    text: String,
    stack: Vec<String>,
    /// Open elements beyond [`DEEPEST`].
    too_deep: u64,
    line: u64,
    documents: u64,
    entities: u64,
    span: Option<Span>,
    gpu: Option<Reading>,
    running: Option<Running>,
    missing: Missing,
}

impl Lines for Xml {
    fn advice(&self) -> &'static str {
        ": the documents have no timestamp"
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        self.line = number;
        if self.rest.len() + self.text.len() > LONGEST {
            out.anomaly(number, AnomalyKind::BoundReached, "more than 1 MiB between two tags were passed over");
            self.rest.clear();
            self.text.clear();
        }
        if !line.contains('>') {
            // Appended where it stands: a file without tags must not be copied again with every line.
            self.rest.push_str(line);
            self.rest.push(' ');
            return;
        }
        let buffer = std::mem::take(&mut self.rest) + line;
        let mut from = 0;
        while let Some(end) = buffer.get(from..).and_then(|rest| rest.find('>')).map(|at| from + at) {
            let piece = buffer.get(from..end).unwrap_or_default();
            match piece.rfind('<') {
                Some(at) => {
                    self.text.push_str(piece.get(..at).unwrap_or_default());
                    self.tag(number, piece.get(at + 1..).unwrap_or_default(), out);
                }
                // A bare '>' is text.
                None => {
                    self.text.push_str(piece);
                    self.text.push('>');
                }
            }
            from = end + 1;
        }
        self.rest = buffer.get(from..).unwrap_or_default().to_owned();
        if !self.rest.is_empty() {
            self.rest.push(' ');
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        if !self.stack.is_empty() || !self.rest.trim().is_empty() {
            out.anomaly(self.line, AnomalyKind::TruncatedRecord, "the document ends before its end tag");
        }
        if self.documents == 0 && self.line > 0 {
            out.anomaly(0, AnomalyKind::MalformedRecord, "no <nvidia_smi_log> in it");
        }
        if self.entities > 0 {
            let detail = format!("{} entities are declared; they are not expanded", self.entities);
            out.anomaly(0, AnomalyKind::Unsupported, detail);
        }
        self.finish(out);
        if let Some(detail) = self.missing.told() {
            out.anomaly(0, AnomalyKind::Unsupported, detail);
        }
    }
}

impl Xml {
    fn tag(&mut self, number: u64, tag: &str, out: &mut Out<'_>) {
        // Within a name that was not escaped nothing but its own end tag is a tag.
        if self.stack.last().is_some_and(|open| open == "process_name") && tag.trim_end() != "/process_name" {
            self.text.push('<');
            self.text.push_str(tag);
            self.text.push('>');
            return;
        }
        if tag.starts_with("!ENTITY") {
            self.entities += 1;
            self.text.clear();
            return;
        }
        if tag.starts_with(['?', '!']) {
            self.text.clear();
            return;
        }
        if let Some(name) = tag.strip_prefix('/') {
            self.close(name.trim(), out);
            self.text.clear();
            return;
        }
        self.text.clear();
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
        if name == "nvidia_smi_log" {
            if !self.stack.is_empty() {
                out.anomaly(number, AnomalyKind::TruncatedRecord, "a document begins before the end tag of the last");
                self.finish(out);
            }
            self.stack.clear();
            (self.too_deep, self.span) = (0, None);
            self.documents += 1;
        } else if self.stack.is_empty() {
            out.unread(number, "an element outside of <nvidia_smi_log>", name);
            return;
        }
        if tag.ends_with('/') {
            return;
        }
        if self.stack.len() >= DEEPEST {
            self.too_deep += 1;
            return;
        }
        match name {
            "gpu" if self.stack.len() == 1 => self.gpu = Some(Reading::new(number)),
            "process_info" | "accounted_process_info" => {
                self.running = Some(Running { record: number, ..Running::default() });
            }
            _ => {}
        }
        self.stack.push(name.to_owned());
    }

    fn close(&mut self, name: &str, out: &mut Out<'_>) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        // An end tag that opens nothing is a piece of a name that was not escaped, or damage.
        let Some(at) = self.stack.iter().rposition(|open| open == name) else { return };
        self.stack.truncate(at + 1);
        let text = unescaped(self.text.trim());
        match name {
            "gpu" if at == 1 => self.finish(out),
            "process_info" | "accounted_process_info" => self.finish_running(out),
            "timestamp" if at == 1 => {
                self.span = ctime(&text).and_then(|local| out.local(self.line, local, SECOND));
                if self.span.is_none() {
                    let detail = format!("the time {} cannot be read", quoted(&text));
                    out.anomaly(self.line, AnomalyKind::MalformedRecord, detail);
                }
            }
            _ => {
                if let Some(running) = &mut self.running {
                    running.set(name, &text);
                } else if let Some(gpu) = &mut self.gpu {
                    gpu.set(&self.stack.get(2..).unwrap_or_default().join("."), &text);
                }
            }
        }
        self.stack.truncate(at);
    }

    fn finish_running(&mut self, out: &mut Out<'_>) {
        let Some(mut running) = self.running.take() else { return };
        running.process.gpu_uuid = self.gpu.as_ref().and_then(|gpu| gpu.sample.gpu_uuid.clone());
        out.record();
        out.process(running.record, self.span, running.process);
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.finish_running(out);
        let Some(gpu) = self.gpu.take() else { return };
        gpu.note_missing(&mut self.missing);
        if !gpu.unreadable.is_empty() {
            let detail = format!("values that cannot be read: {}", gpu.unreadable.join(", "));
            out.anomaly(gpu.record, AnomalyKind::ImpossibleValue, detail);
        }
        out.record();
        out.sample(gpu.record, self.span, gpu.sample);
    }
}

/// The five entities of XML 1.0 (section 4.6) and characters by number; everything else stays as it is.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(rest.get(..at).unwrap_or_default());
        let behind = rest.get(at + 1..).unwrap_or_default();
        let name = behind.split_once(';').map(|(name, _)| name).filter(|name| name.len() <= 8);
        let letter = name.and_then(|name| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        match (letter, name) {
            (Some(letter), Some(name)) => {
                plain.push(letter);
                rest = behind.get(name.len() + 1..).unwrap_or_default();
            }
            _ => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}
