//! AgentSight (eunomia-bpf/agentsight): what eBPF probes saw of an agent from outside, and analyses of it.
//!
//! Lines `{source, timestamp, pid, comm, data}` of the sources `ssl` (plain text of TLS), `process`, and what its own analyzers
//! made of them (`http_parser`, `sse_processor`). No tool calls stand there, but what an agent sent and which programs it
//! began: they are told as texts of the environment. A stamp counts nanoseconds from the boot of the machine (`bpf_ktime_get_ns`);
//! newer versions put milliseconds since 1970 around it. Headers and parameters that carry secrets are shown masked.

use std::io;

use serde_json::{Map, Value};

use super::account::{About, Account, Spot};
use super::{json, scan};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Secret, TextOrigin};
use crate::time::{Basis, Instant, Span, TimeContext};

/// The AgentSight reader.
pub struct AgentSight;

const SOURCES: [&str; 6] = ["ssl", "process", "http_parser", "sse_processor", "stdio", "system"];

/// Headers whose values open an account.
const SECRETS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "statsig-api-key",
    "cookie",
    "set-cookie",
    "x-auth-token",
];

/// Parameters of a query that do.
const PARAMETERS: [&str; 7] = ["k", "key", "api_key", "apikey", "token", "access_token", "sid"];

impl Format for AgentSight {
    fn id(&self) -> &'static str {
        "agentsight"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "AgentSight events (ssl, process) and its analysis and timeline reports"
    }

    fn record_unit(&self) -> &'static str {
        "record"
    }

    fn probe(&self, head: &Head) -> Match {
        let whole = scan::members(&head.bytes);
        if whole.first().is_some_and(|(name, _)| *name == "analysis_metadata") {
            return Match::Certain("a report with analysis_metadata".to_owned());
        }
        for line in scan::lines(&head.bytes, 5) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let source = get("source").and_then(scan::plain_string).unwrap_or_default();
            let stamped = get("timestamp").is_some_and(|stamp| stamp.first().is_some_and(u8::is_ascii_digit));
            if SOURCES.contains(&source) && stamped && get("data").is_some_and(|data| data.starts_with(b"{")) {
                return Match::Certain(format!("events of source {source} with a numeric timestamp and data"));
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut account = Account::of_file(input, time);
        account.about(About { agent: Some("AgentSight"), ..About::default() });
        let outcome = json::texts(input, sink, &mut |number, value, raw, sink| {
            if value.get("analysis_metadata").is_some() {
                report(&account, value, sink);
            } else if json::text(value, "source").is_some_and(|source| SOURCES.contains(&source)) {
                event(&mut account, number, value, sink);
                sink.record();
            } else {
                sink.unread(number, "neither an event nor a report", raw);
            }
        });
        account.finish(sink);
        outcome
    }
}

/// The entries of a timeline have an order and no times: that of the report is when it was made.
fn report(account: &Account<'_>, value: &Value, sink: &mut dyn Sink) {
    sink.record();
    let entries = value.get("simple_timeline").or_else(|| value.get("timeline")).and_then(Value::as_array);
    for (index, entry) in (0u32..).zip(entries.into_iter().flatten()) {
        let text = entry.as_str().map_or_else(|| redacted(entry).to_string(), masked);
        account.say(Spot::of(1, None).part(index), TextOrigin::Environment, text, sink);
    }
    if let Some(summary) = value.get("summary") {
        account.say(Spot::of(1, None), TextOrigin::Environment, redacted(summary).to_string(), sink);
    }
}

fn event(account: &mut Account<'_>, number: u64, value: &Value, sink: &mut dyn Sink) {
    let none = Value::Null;
    let data = value.get("data").unwrap_or(&none);
    let own = ["timestamp_ns", "timestamp"].iter().find_map(|key| data.get(key)).and_then(Value::as_u64);
    let outer = value.get("timestamp").and_then(Value::as_u64);
    let at = match (outer, own) {
        // Two stamps that differ: the outer one is on the clock of the wall.
        (Some(outer), Some(own)) if outer != own => account.stamp(number, Some(&Value::from(outer)), sink),
        (Some(ns), _) | (None, Some(ns)) => {
            let at = i64::try_from(ns).ok().map(Instant);
            at.map(|at| Span::at(at, Basis::BootRelative))
        }
        (None, None) => None,
    };
    let number_of = |key: &str| data.get(key).or_else(|| value.get(key)).map(Value::to_string).unwrap_or_default();
    let word = |key: &str| json::text(data, key).or_else(|| json::text(value, key)).unwrap_or_default();
    let source = word("source");
    let what =
        ["full_command", "data", "text_content", "filepath", "filename"].iter().find_map(|key| json::text(data, key));
    let said = what.map_or_else(|| redacted(data).to_string(), masked);
    let kind = ["event", "function", "message_type"].iter().find_map(|key| json::text(data, key)).unwrap_or_default();
    let text = format!("{source} {kind} by {} (pid {}): {said}", word("comm"), number_of("pid"));
    account.say(Spot::of(number, at), TextOrigin::Environment, text, sink);
}

/// A value without what opens an account.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(Map::from_iter(members.iter().map(|(name, value)| {
            let secret = SECRETS.contains(&name.to_ascii_lowercase().as_str());
            let shown = match value.as_str() {
                Some(value) if secret => Value::String(Secret::new(value).to_string()),
                _ => redacted(value),
            };
            (name.clone(), shown)
        }))),
        Value::Array(values) => Value::Array(values.iter().map(redacted).collect()),
        Value::String(text) => Value::String(masked(text)),
        other => other.clone(),
    }
}

/// A text of HTTP with the values of such headers and parameters masked.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let header = content
            .split_once(':')
            .filter(|(name, _)| SECRETS.contains(&name.trim_matches(['"', ' ', '\'']).to_ascii_lowercase().as_str()));
        match header {
            Some((name, value)) => {
                out.push_str(&format!("{name}: {}", Secret::new(value.trim())));
                out.push_str(line.get(content.len()..).unwrap_or_default());
            }
            None => out.push_str(&without_parameters(line)),
        }
    }
    out
}

/// A line with the values of secret parameters of its addresses masked.
fn without_parameters(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        rest = after;
        let end =
            rest.find(|letter: char| letter == '&' || letter == '"' || letter.is_whitespace()).unwrap_or(rest.len());
        let (pair, after) = rest.split_at(end);
        match pair.split_once('=').filter(|(name, _)| PARAMETERS.contains(&name.to_ascii_lowercase().as_str())) {
            Some((name, value)) => out.push_str(&format!("{name}={}", Secret::new(value))),
            None => out.push_str(pair),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_opens_an_account_is_masked() {
        let text = "POST /v1?key=AIzaSyD-0123456789abcdef&alt=sse HTTP/1.1\r\nAuthorization: Bearer sk-ant-0123456789\r\nHost: x\r\n\r\n{}";
        let shown = masked(text);
        assert!(!shown.contains("0123456789"), "{shown}");
        assert!(shown.contains("&alt=sse HTTP/1.1\r\nAuthorization: "), "{shown}");
        assert!(shown.ends_with("\r\nHost: x\r\n\r\n{}"), "{shown}");
        let shown = redacted(&json!({"headers": {"X-Api-Key": "sk-ant-0123456789", "host": "x"}})).to_string();
        assert!(!shown.contains("0123456789") && shown.contains(r#""host":"x""#), "{shown}");
    }
}
