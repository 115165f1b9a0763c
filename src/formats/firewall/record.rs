//! One record of a log, out of whatever holds it: syslog headers, journald, Docker, Kubernetes, shippers' JSON.

use std::borrow::Cow;

use serde_json_borrow::Value;

use super::bytes::has;
use super::notation::{cef, json, leef};
use super::syslog::{self, Peeled, Stamp};
use super::table::Table;

/// A record, taken apart as far as every reader needs it.
pub(crate) struct Record<'a> {
    /// The text of the record: the line, or what a container held.
    pub(crate) line: &'a [u8],
    /// Headers and message.
    pub(crate) peeled: Peeled<'a>,
    /// The record, or its message, as an object.
    pub(crate) json: Option<&'a Value<'a>>,
    /// Its cells under the names of the table that it stands in.
    pub(crate) row: Option<(&'a Table, &'a [Cow<'a, [u8]>])>,
    pub(crate) cef: Option<cef::Header<'a>>,
    pub(crate) leef: Option<leef::Header<'a>>,
}

/// Stands for the message of a journal entry that was exported without it.
pub(crate) const JOURNAL_WITHOUT_MESSAGE: &[u8] = b"null";

/// Containers within containers that are opened.
const DEEPEST: usize = 3;

impl<'a> Record<'a> {
    /// Of a text without a container.
    fn of_text(line: &'a [u8], peeled: Peeled<'a>) -> Self {
        // "CEF:" and "LEEF:" end alike, and hardly anything else does.
        let marked = |text: &[u8]| matches!(text, [b'0', b'|', ..] | [b'1' | b'2', b'.', b'0', b'|', ..]);
        let enveloped = has!(line, b"EF:") || marked(line) || marked(peeled.message);
        let cef = if enveloped { cef::header(peeled.message).or_else(|| cef::header(line)) } else { None };
        let leef =
            if enveloped && cef.is_none() { leef::header(peeled.message).or_else(|| leef::header(line)) } else { None };
        Record { line, peeled, json: None, row: None, cef, leef }
    }

    /// A text without a header, container or notation that all readers know.
    pub(crate) fn new(line: &'a [u8]) -> Self {
        let peeled = Peeled { body: line, message: line, ..Peeled::default() };
        Record { line, peeled, json: None, row: None, cef: None, leef: None }
    }

    /// What stands under a name: in the row, or else in the object. `None` if it is empty there or stands for nothing.
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let value = match self.row {
            Some((table, row)) => table.cell(row, name).map(Cow::Borrowed),
            None => self.text(name),
        };
        value.filter(|value| !value.is_empty() && **value != *b"-")
    }

    /// Whether the row or object has that name, whatever stands there.
    pub(crate) fn names(&self, name: &str) -> bool {
        match self.row {
            Some((table, _)) => table.place(name).is_some(),
            None => self.json.is_some_and(|json| json::dotted(json, name).is_some()),
        }
    }

    /// A text field of the object, nested or flattened.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        json::text(self.json?, name)
    }

    /// Whether the object has that field, nested or flattened.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.json.is_some_and(|json| json::dotted(json, name).is_some_and(|value| !value.is_null()))
    }
}

/// Calls `each` with the record of a line, the innermost first if it lies in containers, until one call says that it was
/// taken; says whether one did.
pub(crate) fn open(line: &[u8], each: &mut dyn FnMut(&Record<'_>) -> bool) -> bool {
    open_within(line, None, 0, each)
}

/// As [`open`], with the headers of the container, which count where the record has none of its own.
fn open_within(
    line: &[u8],
    outer: Option<Peeled<'_>>,
    depth: usize,
    each: &mut dyn FnMut(&Record<'_>) -> bool,
) -> bool {
    let bare = line.strip_prefix(b"\x1e").unwrap_or(line);
    if depth == 0
        && bare.first() == Some(&b'{')
        && has!(bare, b"__REALTIME_TIMESTAMP")
        && let Some(entry) = syslog::entry(bare)
    {
        let Some(message) = &entry.message else {
            return each(&Record::of_text(bare, Peeled { message: JOURNAL_WITHOUT_MESSAGE, ..entry.peeled() }));
        };
        return open_within(message, Some(entry.peeled()), 1, each);
    }
    // What a container says that a program wrote has no header of its own.
    let headless = outer.is_some_and(|outer| outer.program.is_some());
    let peeled = if headless || bare.trim_ascii_start().first() == Some(&b'{') {
        Peeled { body: bare, message: bare, ..Peeled::default() }
    } else {
        syslog::peel(bare)
    };
    let peeled = match outer {
        Some(outer) => Peeled {
            stamp: peeled.stamp.or(outer.stamp),
            // The time of a document is often read off the message inside it, by whatever zone was thought to be its: it is
            // no second clock. Only a container's own is, which is stated where the container is opened.
            stated: outer.stated.or(peeled.stated),
            host: peeled.host.or(outer.host),
            program: peeled.program.or(outer.program),
            has_pid: peeled.has_pid || (peeled.program.is_none() && outer.has_pid),
            ..peeled
        },
        None => peeled,
    };
    let object = object_in(&peeled, bare);
    let Some(object) = object else {
        if depth < DEEPEST
            && let Some((stamp, rest)) = kubernetes(bare)
        {
            let outer = Peeled { stamp: Some(stamp), stated: stamp.stated(), ..Peeled::default() };
            return open_within(rest, Some(outer), depth + 1, each);
        }
        return each(&Record::of_text(bare, peeled));
    };
    let lossy = String::from_utf8_lossy(object);
    let Some(value) = json::object(&lossy) else {
        return each(&Record::of_text(bare, peeled));
    };
    if depth < DEEPEST
        && let Some((inner, from)) = inside(&value)
    {
        let host = from.host.as_deref().or(peeled.host);
        let (stamp, stated) = (from.stamp.or(peeled.stamp), peeled.stated);
        let outer = Peeled { stamp, stated, host, ..Peeled::default() };
        for part in inner.split(|byte| *byte == b'\n').map(|part| part.trim_ascii_end()).filter(|part| !part.is_empty())
        {
            if open_within(part, Some(outer), depth + 1, each) {
                return true;
            }
        }
    }
    each(&Record { line: bare, peeled, json: Some(&value), row: None, cef: None, leef: None })
}

/// Where an object begins: the line itself, the message, or behind `@cee:` (the marker of CEE syslog).
fn object_in<'a>(peeled: &Peeled<'a>, line: &'a [u8]) -> Option<&'a [u8]> {
    [line, peeled.message, peeled.body].into_iter().find_map(|text| {
        let text = text.trim_ascii();
        let text = text.strip_prefix(b"@cee:").unwrap_or(text).trim_ascii_start();
        (text.first() == Some(&b'{') && text.last() == Some(&b'}')).then_some(text)
    })
}

/// What a container says of the text inside it.
#[derive(Default)]
struct From<'v> {
    stamp: Option<Stamp>,
    host: Option<Cow<'v, [u8]>>,
}

/// The text in an object that is nothing but a container: Docker's json-file, the documents of
/// Filebeat, Fluentd, GELF, Splunk and CloudWatch.
fn inside<'v>(value: &'v Value<'_>) -> Option<(Cow<'v, [u8]>, From<'v>)> {
    let text = |name: &str| json::text(value, name);
    // Zeek's record of a syslog message that went over the network is no container of it: another device's log was seen.
    if json::dotted(value, "id.orig_h").is_some() {
        return None;
    }
    if let (Some(log), Some(time)) = (text("log"), text("time"))
        && text("stream").is_some()
    {
        return Some((log, From { stamp: Stamp::read(&time), ..From::default() }));
    }
    // GELF 1.1: `timestamp` is seconds since 1970.
    if let (Some(message), Some(host)) = (text("short_message"), text("host")) {
        let stamp = text("timestamp").and_then(|time| Stamp::read(&time));
        return Some((text("full_message").unwrap_or(message), From { stamp, host: Some(host) }));
    }
    for name in ["event.original", "_raw", "result._raw", "message", "log.original", "@message", "log", "MESSAGE"] {
        if let Some(inner) = text(name).filter(|inner| inner.len() > 16) {
            let stamp = ["@timestamp", "timestamp", "_time", "result._time", "time", "@ingestionTime"]
                .into_iter()
                .find_map(|name| Stamp::read(&text(name)?));
            let host = ["host.name", "host.hostname", "host", "hostname"].into_iter().find_map(text);
            return Some((inner, From { stamp, host }));
        }
    }
    None
}

/// `2026-11-20T14:34:46.123456789Z stdout F text`: the log of a container under Kubernetes (CRI).
fn kubernetes(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let end = memchr::memchr(b' ', line)?;
    let rest = line.get(end + 1..)?;
    let rest = rest.strip_prefix(b"stdout ").or(rest.strip_prefix(b"stderr "))?;
    let rest = rest.strip_prefix(b"F ").or(rest.strip_prefix(b"P "))?;
    Some((Stamp::read(line.get(..end)?)?, rest))
}
