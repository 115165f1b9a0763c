//! `access.log`: each request to a rocklet and its response, JSON over several lines behind the head of an entry.
//!
//! Within JSON a line break is escaped, so that no content can begin a line. Headers of requests hold secrets and are
//! not taken over.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Call, Spot};
use super::super::{json, shell, stamps};
use super::header::{ACCESS, Header};
use crate::evidence::Input;
use crate::formats::Sink;
use crate::model::{Endpoint, EndpointKind, Place, StepResult};
use crate::time::TimeContext;

/// Requests that make the sandbox do something, by the end of their path.
const ACTS: [&str; 5] = ["run_in_session", "execute", "read_file", "write_file", "upload"];

pub(super) fn read(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let text = super::super::text::whole(input, sink)?;
    let mut file = File { account: Account::of_file(input, time), time, calls: BTreeMap::new() };
    file.account.about(About { agent: Some("ROCK rocklet (access log)"), ..About::default() });
    let mut entry: Option<(u64, Header<'_>, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match (Header::parse(line), &mut entry) {
            (Some(header), _) => {
                if let Some(entry) = entry.take() {
                    file.entry(entry, sink);
                }
                entry = Some((number, header, header.message.to_owned()));
            }
            (None, Some((.., body))) => {
                body.push('\n');
                body.push_str(line);
            }
            (None, None) => sink.unread(number, "line before the first entry", line.as_bytes()),
        }
    }
    if let Some(entry) = entry.take() {
        file.entry(entry, sink);
    }
    file.account.finish(sink);
    Ok(())
}

struct File<'t> {
    account: Account<'t>,
    time: &'t TimeContext,
    /// Calls that wait for their response, by trace.
    calls: BTreeMap<String, String>,
}

impl File<'_> {
    fn entry(&mut self, (number, header, body): (u64, Header<'_>, String), sink: &mut dyn Sink) {
        if header.logger != ACCESS {
            return sink.record();
        }
        let mut stream = serde_json::Deserializer::from_str(&body).into_iter::<Value>();
        let Some(Ok(value)) = stream.next() else {
            return sink.unread(number, "not JSON", body.as_bytes());
        };
        // A head that was cut.
        let rest = body.get(stream.byte_offset()..).unwrap_or_default().trim();
        if !rest.is_empty() {
            sink.unread(number, "text behind the JSON of an entry", rest.as_bytes());
        }
        let at = header.stamp.span(self.time);
        if let Some(at) = at {
            self.account.clock.saw(number, at);
        }
        let content = value.get("request_content");
        let named = content.and_then(|content| json::text(content, "sandbox_id")).unwrap_or(header.sandbox);
        if self.account.episode.sandbox.is_none() && !named.is_empty() {
            self.account.episode.sandbox = Some(named.to_owned());
            self.account.episode.name = named.to_owned();
        }
        match json::text(&value, "access_type") {
            Some("request") => self.request(Spot::of(number, at), &header, &value, named, sink),
            Some("response") => self.response(Spot::of(number, at), &header, &value, sink),
            _ => return sink.unread(number, "neither a request nor a response", body.as_bytes()),
        }
        sink.record();
    }

    fn request(&mut self, spot: Spot, header: &Header<'_>, value: &Value, sandbox: &str, sink: &mut dyn Sink) {
        let url = json::text(value, "url").unwrap_or_default();
        let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let tool = path.rsplit('/').next().unwrap_or_default();
        if !ACTS.contains(&tool) {
            return;
        }
        let none = Value::Null;
        let content = value.get("request_content").unwrap_or(&none);
        let command = match content.get("command") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(words)) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                (!words.is_empty()).then(|| shell::of_words(&words))
            }
            _ => None,
        };
        let id = if header.trace.is_empty() { format!("#{}", spot.number) } else { header.trace.to_owned() };
        self.calls.insert(header.trace.to_owned(), id.clone());
        let call = Call {
            id: Some(&id),
            tool,
            arguments: if content.is_null() { String::new() } else { content.to_string() },
            command,
            start: spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolStarted }),
            place: Place { sandbox: Some(sandbox.to_owned()).filter(|id| !id.is_empty()), ..Place::default() },
            ..Call::default()
        };
        self.account.call(spot, call, &none, sink);
    }

    fn response(&mut self, spot: Spot, header: &Header<'_>, value: &Value, sink: &mut dyn Sink) {
        let Some(id) = self.calls.remove(header.trace) else { return };
        let taken = json::text(value, "process_time").and_then(|taken| taken.strip_suffix("ms"));
        let duration_ns = taken.and_then(stamps::decimal_seconds).map(|(ns, _)| ns / 1000);
        sink.result(StepResult {
            end: spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded }),
            duration_ns,
            ..StepResult::new(&self.account.episode.id, &id, self.account.record(spot.number))
        });
    }
}
