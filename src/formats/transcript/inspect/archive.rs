//! The archive of a log: a ZIP whose members are JSON.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use serde_json::Value;
use zip::ZipArchive;
use zip::read::read_zipfile_from_stream;

use super::super::json;
use super::Log;
use super::sample::Raw;
use crate::evidence::{Anomaly, AnomalyKind, Input};
use crate::formats::Sink;

/// What a local header of a ZIP begins with (APPNOTE 4.3.7).
pub(super) const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

/// What an archive is kept of in memory, in bytes; a longer one lies in a temporary file.
const IN_MEMORY: usize = 256 << 20;
/// Bound on all members together, decompressed, in bytes.
const DECOMPRESSED: u64 = 16 << 30;
/// Bound on the samples that come in parts, all of which are held, in bytes.
const HELD: usize = 2 << 30;

/// Names of members whose local headers lie in the head of an archive.
pub(super) fn names_in(head: &[u8]) -> Vec<&str> {
    memchr::memmem::find_iter(head, LOCAL_HEADER)
        .filter_map(|at| {
            // Length of the name: 2 bytes at 26; the name: at 30 (APPNOTE 4.3.7).
            let length = u16::from_le_bytes(*head.get(at + 26..at + 28)?.first_chunk()?);
            std::str::from_utf8(head.get(at + 30..at + 30 + usize::from(length))?).ok()
        })
        .collect()
}

/// Reads an archive; one whose directory is missing or damaged member by member, as far as that goes.
pub(super) fn read(input: &mut Input, log: &mut Log<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let mut file = tempfile::SpooledTempFile::new(IN_MEMORY);
    io::copy(input, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let mut members =
        Members { log, left: DECOMPRESSED, chunked: BTreeMap::new(), bounded: false, held: 0, sampled: false };
    match ZipArchive::new(&mut file) {
        Ok(mut archive) => {
            // Names that come twice, members beside or across each other, local headers that say otherwise than the directory.
            if let Err(error) = archive.validate_header_consistency() {
                let detail = format!(
                    "the archive contradicts itself ({error}): it holds more than was read, and other programs may read \
                     other members"
                );
                sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::MalformedRecord, detail });
            }
            members.listed(&mut archive, sink);
        }
        Err(error) => {
            file.seek(SeekFrom::Start(0))?;
            let detail = format!(
                "the archive has no directory ({error}): it was cut, or was still being written; its members were read \
                 one after the other"
            );
            sink.unread(0, "archive without a directory", b"");
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::TruncatedRecord, detail });
            members.in_order(&mut file, sink);
        }
    }
    if !members.sampled {
        sink.unread(members.log.events + 1, "no samples", b"");
    }
    members.finish(sink);
    Ok(())
}

/// A member's text up to where it cannot be read.
struct UpTo<'r> {
    inner: &'r mut dyn Read,
    failed: Option<io::Error>,
}

impl Read for UpTo<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Ok(0);
        }
        self.inner.read(buffer).or_else(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return Err(error);
            }
            self.failed = Some(error);
            Ok(0)
        })
    }
}

/// A sample in parts, as they come.
#[derive(Default)]
struct Chunked {
    shell: Vec<u8>,
    /// By the index of their first element.
    events: BTreeMap<u64, Vec<u8>>,
    attachments: BTreeMap<u64, Vec<u8>>,
}

struct Members<'l, 't> {
    log: &'l mut Log<'t>,
    left: u64,
    chunked: BTreeMap<String, Chunked>,
    bounded: bool,
    /// Bytes of samples that come in parts.
    held: usize,
    /// There was a member of a sample.
    sampled: bool,
}

impl Members<'_, '_> {
    /// All members that the directory lists: what holds for the log first.
    fn listed<R: Read + Seek>(&mut self, archive: &mut ZipArchive<R>, sink: &mut dyn Sink) {
        let names: Vec<Option<String>> =
            archive.file_names().map(|name| name.ok().map(std::borrow::Cow::into_owned)).collect();
        let heads = ["header.json", "_journal/start.json"];
        let first = heads.iter().find_map(|head| names.iter().position(|name| name.as_deref() == Some(*head)));
        let others = (0..names.len()).filter(|index| Some(*index) != first);
        for index in first.into_iter().chain(others) {
            let Some(Some(name)) = names.get(index) else {
                sink.unread(self.log.events + 1, "member of an archive without a name", b"");
                continue;
            };
            if first != Some(index) && !wanted(name) {
                self.passed_over(name, sink);
                continue;
            }
            match archive.by_index(index) {
                Ok(mut member) => self.member(name, &mut member, sink),
                Err(error) => unreadable(self.log.events + 1, name, &error.to_string(), sink),
            }
        }
    }

    /// All members in the order in which they stand, as far as they can be read.
    fn in_order(&mut self, file: &mut impl Read, sink: &mut dyn Sink) {
        while let Ok(Some(mut member)) = read_zipfile_from_stream(file) {
            let Ok(name) = member.name().map(std::borrow::Cow::into_owned) else { break };
            if name == "header.json" || name == "_journal/start.json" || wanted(&name) {
                self.member(&name, &mut member, sink);
            } else {
                self.passed_over(&name, sink);
            }
        }
    }

    /// A member that is not read: said, unless it is known to repeat what others hold.
    fn passed_over(&mut self, name: &str, sink: &mut dyn Sink) {
        let repeats = name == "summaries.json" || name == "reductions.json" || name == "header.json";
        if !repeats && !name.starts_with("_journal/") && !name.ends_with('/') {
            sink.unread(self.log.events + 1, "member of an archive of unknown name", name.as_bytes());
        }
    }

    fn member(&mut self, name: &str, member: &mut dyn Read, sink: &mut dyn Sink) {
        if self.left == 0 {
            return self.bound("the archive holds more than 16 GiB", name, sink);
        }
        let mut text = UpTo { inner: member, failed: None };
        // It does not fail: what cannot be read ends it.
        let Ok(read) = json::whole(&mut text, sink) else { return };
        self.left = self.left.saturating_sub(read.len() as u64);
        if let Some(error) = text.failed {
            unreadable(self.log.events + 1, name, &error.to_string(), sink);
        }
        if matches!(name, "header.json" | "_journal/start.json") {
            match serde_json::from_slice::<Value>(&read) {
                Ok(header) => {
                    if let Some(eval) = header.get("eval") {
                        self.log.about(eval);
                    }
                }
                Err(error) => json::unparsed(self.log.events + 1, &error, false, &read, sink),
            }
            return;
        }
        let Some(rest) = name.strip_prefix("samples/") else { return };
        self.sampled = true;
        let Some((sample, part)) = rest.rsplit_once("_epoch_").and_then(|(_, behind)| {
            let (_, part) = behind.split_once('/')?;
            Some((rest.get(..rest.len() - part.len())?, part))
        }) else {
            self.log.sample(&Raw::whole(&read), sink);
            return;
        };
        if self.held + read.len() > HELD {
            return self.bound("samples in parts hold more than 2 GiB", name, sink);
        }
        self.held += read.len();
        let chunks = self.chunked.entry(sample.to_owned()).or_default();
        let start = |part: &str| part.strip_suffix(".json").and_then(|start| start.parse::<u64>().ok());
        match part.split_once('/').map(|(kind, part)| (kind, start(part))) {
            None if part == "sample.json" => chunks.shell = read,
            Some(("events", Some(start))) => drop(chunks.events.insert(start, read)),
            Some(("attachments", Some(start))) => drop(chunks.attachments.insert(start, read)),
            // What the events hold, in the order of messages and calls, and counts.
            None if matches!(part, "metadata.json" | "skeleton.json") => {}
            Some(("messages" | "calls", Some(_))) => {}
            _ if part.ends_with("/stats.json") => {}
            _ => sink.unread(self.log.events + 1, "part of a sample of unknown name", name.as_bytes()),
        }
    }

    /// Reports once that a bound was reached.
    fn bound(&mut self, what: &str, name: &str, sink: &mut dyn Sink) {
        if !self.bounded {
            self.bounded = true;
            sink.anomaly(Anomaly {
                record: self.log.events,
                kind: AnomalyKind::BoundReached,
                detail: format!("{what}; {name} and what lies behind was left out"),
            });
        }
    }

    /// The samples that came in parts.
    fn finish(self, sink: &mut dyn Sink) {
        for (_, chunks) in self.chunked {
            let events: Vec<&[u8]> = chunks.events.values().map(Vec::as_slice).collect();
            let attachments: Vec<&[u8]> = chunks.attachments.values().map(Vec::as_slice).collect();
            self.log.sample(&Raw { shell: &chunks.shell, events: Some(events), attachments }, sink);
        }
    }
}

/// Whether a member holds something that is told: not the summaries of what other members hold.
fn wanted(name: &str) -> bool {
    name.starts_with("samples/") && name.ends_with(".json")
}

fn unreadable(record: u64, name: &str, error: &str, sink: &mut dyn Sink) {
    sink.unread(record, "member of an archive that cannot be read", name.as_bytes());
    sink.anomaly(Anomaly {
        record,
        kind: AnomalyKind::Unreadable,
        detail: format!("{name} could not be read to its end: {error}"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_said() {
        use std::io::Write;

        use crate::evidence::EvidenceId;
        use crate::formats::{Collector, Format};
        use crate::time::TimeContext;

        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        let header = r#"{"version":2,"eval":{"run_id":"r","task":"t","model":"m","packages":{"inspect_ai":"0.3.95"}}}"#;
        for (name, text) in
            [("header.json", header), ("samples/a_epoch_1.json", "{}"), ("samples/b_epoch_1.json", "{}")]
        {
            archive.start_file(name, options).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        let honest = archive.finish().unwrap().into_inner();
        let mut twice = honest.clone();
        // In the local header and in the directory.
        let places: Vec<usize> = memchr::memmem::find_iter(&honest, "samples/b_").collect();
        assert_eq!(places.len(), 2);
        places.iter().for_each(|at| twice[at + "samples/".len()] = b'a');
        let said = |bytes: &[u8]| {
            let mut found = Collector::default();
            let mut input = Input::from_bytes("log.eval", bytes.to_vec(), EvidenceId(0));
            super::super::Inspect.read(&mut input, &TimeContext::default(), &mut found).unwrap();
            found.anomalies.iter().any(|anomaly| anomaly.detail.contains("contradicts itself"))
        };
        assert!(said(&twice) && !said(&honest));
    }

    #[test]
    fn names_of_local_headers() {
        let mut head = LOCAL_HEADER.to_vec();
        head.extend([0; 22]);
        head.extend(19u16.to_le_bytes());
        head.extend([0; 2]);
        head.extend(b"_journal/start.json");
        assert_eq!(names_in(&head), ["_journal/start.json"]);
        for end in 0..head.len() {
            assert_eq!(names_in(&head[..end]), [""; 0]);
        }
    }
}
