//! Logs of the Model Context Protocol: what a program and its tool servers said to each other.
//!
//! Claude Desktop writes `mcp-server-<name>.log` and `mcp.log`, lines `2025-06-03T20:54:12.993Z [name] [info] Message from
//! client: {JSON-RPC} { metadata: undefined }`, long messages with their middle cut out (`...[N chars truncated]...`), and in between
//! what the server printed, in whatever form and zone. Claude Code writes `mcp-logs-<name>/*.jsonl`, which tell that a tool was
//! called and how it went, but not with what: its session file has the call.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, scan};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, EndpointKind, TextOrigin};
use crate::time::TimeContext;

/// The reader of these logs.
pub struct Mcp;

impl Format for Mcp {
    fn id(&self) -> &'static str {
        "mcp-log"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "MCP logs of Claude Desktop (mcp-server-*.log, mcp.log) and Claude Code (mcp-logs-*/*.jsonl)"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        for line in scan::lines(&head.bytes, 40) {
            let members = scan::members(line);
            let has = |name: &str| members.iter().any(|(found, _)| *found == name);
            if (has("debug") || has("error")) && has("timestamp") && has("sessionId") && has("cwd") && !has("type") {
                return Match::Certain("lines with debug or error, sessionId and cwd".to_owned());
            }
            let Some(line) = std::str::from_utf8(line).ok().and_then(Line::parse) else { continue };
            if line.message().is_some() {
                return Match::Certain("stamped messages between client and server".to_owned());
            }
            if ["Initializing server", "Server started and connected", "Client transport closed"]
                .iter()
                .any(|start| line.text.starts_with(start))
            {
                return Match::Likely(80, "stamped lines about an MCP server".to_owned());
            }
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader { account: Account::of_file(input, time), runs: BTreeMap::new(), begun: false };
        let outcome = if input.peek(64)?.trim_ascii_start().starts_with(b"{") {
            json::lines(input, sink, &mut |number, value, raw, sink| reader.told(number, value, raw, sink))
        } else {
            lines(input, &mut |number, line, ended| {
                reader.line(number, line, sink);
                if !ended {
                    super::text::unended(line, number, sink);
                }
            })
        };
        reader.account.finish(sink);
        outcome
    }
}

/// Feeds lines with their numbers from 1, and whether they end with a line break; blank ones are passed over, the end of
/// one above 64 MiB is left out.
fn lines(input: &mut dyn Read, each: &mut dyn FnMut(u64, &str, bool)) -> io::Result<()> {
    let mut reader = BufReader::new(input);
    let mut number = 0;
    loop {
        let mut line = Vec::new();
        if reader.by_ref().take(json::LONGEST_LINE as u64).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        let ended = line.last() == Some(&b'\n');
        if !ended && line.len() == json::LONGEST_LINE {
            reader.skip_until(b'\n')?;
        }
        if !line.trim_ascii().is_empty() {
            each(number, String::from_utf8_lossy(&line).trim_end(), ended);
        }
    }
}

/// A line of Claude Desktop, taken apart.
struct Line<'a> {
    stamp: &'a str,
    server: &'a str,
    text: &'a str,
}

const LEVELS: [&str; 5] = ["info", "error", "warn", "debug", "log"];

impl<'a> Line<'a> {
    /// `mcp.log` has the level in front of the name.
    fn parse(line: &'a str) -> Option<Self> {
        let (stamp, rest) = line.split_once(' ')?;
        let bytes = stamp.as_bytes();
        if bytes.len() < 20 || bytes.get(10) != Some(&b'T') || !stamp.ends_with('Z') {
            return None;
        }
        let (first, rest) = rest.strip_prefix('[')?.split_once("] ")?;
        let (second, text) = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((second, text)) => (second, text),
            None if LEVELS.contains(&first) => ("", rest),
            None => return None,
        };
        let server = match (LEVELS.contains(&second), LEVELS.contains(&first)) {
            (true, _) => first,
            (false, true) => second,
            (false, false) => return None,
        };
        Some(Line { stamp, server, text: text.trim() })
    }

    /// The message in it, and whether the client sent it.
    fn message(&self) -> Option<(bool, &'a str)> {
        let (from_client, message) = match self.text.strip_prefix("Message from client: ") {
            Some(message) => (true, message),
            None => (false, self.text.strip_prefix("Message from server: ")?),
        };
        let message = message.trim_end();
        let message = message.strip_suffix("{ metadata: undefined }").unwrap_or(message).trim_end();
        Some((from_client, message))
    }
}

struct Reader<'t> {
    account: Account<'t>,
    /// How often each server was started: its ids begin anew.
    runs: BTreeMap<String, u64>,
    /// A line of the program was seen: what stands between its lines was printed by a server.
    begun: bool,
}

impl Reader<'_> {
    fn line(&mut self, number: u64, text: &str, sink: &mut dyn Sink) {
        self.account.stamped = (EndpointKind::CallRecorded, EndpointKind::ResultRecorded);
        let parsed = Line::parse(text);
        self.begun |= parsed.is_some();
        if !self.begun {
            return sink.unread(number, "before the first line of the program that logs", text.as_bytes());
        }
        sink.record();
        let Some(line) = parsed else {
            // What the server printed; its stamps are its own.
            return self.account.say(Spot::of(number, None), TextOrigin::Environment, text.to_owned(), sink);
        };
        let at = self.account.stamp(number, Some(&Value::from(line.stamp)), sink);
        let spot = Spot::of(number, at);
        let Some((from_client, message)) = line.message() else {
            return self.account.say(spot, TextOrigin::Environment, line.text.to_owned(), sink);
        };
        let server = line.server.to_owned();
        match serde_json::from_str::<Value>(message) {
            Ok(value) => self.message(spot, &server, from_client, &value, message, sink),
            Err(_) => {
                sink.anomaly(Anomaly {
                    record: number,
                    kind: AnomalyKind::TruncatedRecord,
                    detail: "a message was cut by the program that logged it; its beginning was read".to_owned(),
                });
                self.message(spot, &server, from_client, &cut(message), message, sink);
            }
        }
    }

    fn message(&mut self, spot: Spot, server: &str, from_client: bool, value: &Value, text: &str, sink: &mut dyn Sink) {
        let method = json::text(value, "method");
        if from_client && method == Some("initialize") {
            *self.runs.entry(server.to_owned()).or_insert(0) += 1;
            let program = value.pointer("/params/clientInfo/name").and_then(Value::as_str);
            let version = value.pointer("/params/clientInfo/version").and_then(Value::as_str);
            let agent =
                program.map(|program| format!("{program} {}", version.unwrap_or_default()).trim_end().to_owned());
            self.account.about(About { agent: agent.as_deref(), ..About::default() });
        }
        let run = self.runs.get(server).copied().unwrap_or(0);
        let id = value.get("id").filter(|id| !id.is_null()).map(|id| format!("{server}.{run}.{}", json::content(id)));
        if from_client && method == Some("tools/call") {
            let name = value.pointer("/params/name").and_then(Value::as_str).unwrap_or_default();
            let raw = scan::member(text.as_bytes(), "params").and_then(|params| scan::member(params, "arguments"));
            let arguments = value.pointer("/params/arguments").unwrap_or(&Value::Null);
            let (mut written, parsed) = json::arguments(arguments, raw);
            if arguments.is_null() {
                written = raw.map(|raw| String::from_utf8_lossy(raw).into_owned()).unwrap_or_default();
            }
            let call = Call {
                id: id.as_deref(),
                tool: &format!("mcp__{server}__{name}"),
                command: command(&parsed),
                arguments: written,
                ..Call::default()
            };
            // Whether a model or a person chose it the log does not say; it is the program that sent it.
            return self.account.call(spot.by(Actor::Policy), call, &parsed, sink);
        }
        let Some(id) = id.filter(|id| !from_client && method.is_none() && self.account.knows_call(id)) else { return };
        let error = value.pointer("/error/message").and_then(Value::as_str).map(str::to_owned);
        let result = value.pointer("/result/content").or_else(|| value.get("result")).map(json::content);
        let output = error.or(result).unwrap_or_else(|| text.to_owned());
        self.account.answer(spot, Answer { id: Some(&id), output, ..Answer::default() }, sink);
    }

    /// A line of Claude Code.
    fn told(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(said) = ["debug", "error"].iter().find_map(|key| json::text(value, key)) else {
            return sink.unread(number, "neither debug nor error", raw);
        };
        let at = self.account.stamp(number, value.get("timestamp"), sink);
        let agent = Some("Claude Code");
        self.account.about(About { agent, cwd: json::text(value, "cwd"), ..About::default() });
        self.account.say(Spot::of(number, at), TextOrigin::Environment, said.to_owned(), sink);
        sink.record();
    }
}

/// The command in the arguments of a tool whose name the server chose: under the names that servers of shells use.
fn command(arguments: &Value) -> Option<String> {
    ["command", "cmd", "shell_command"].iter().find_map(|key| json::text(arguments, key)).map(str::to_owned)
}

/// What can be known of a message whose middle was cut out: its method, the name of the tool, and its id, which stands
/// at the end where the program put it there.
fn cut(message: &str) -> Value {
    let bytes = message.as_bytes();
    let word = |value: Option<&[u8]>| value.and_then(scan::plain_string).map(str::to_owned);
    let mut value = serde_json::Map::new();
    if let Some(method) = word(scan::member(bytes, "method")) {
        value.insert("method".to_owned(), Value::String(method));
    }
    if let Some(params) = scan::member(bytes, "params")
        && let Some(name) = word(scan::member(params, "name"))
    {
        let params = serde_json::Map::from_iter([("name".to_owned(), Value::String(name))]);
        value.insert("params".to_owned(), Value::Object(params));
    }
    let at_the_end = message.rsplit_once("\"id\":").map(|(_, id)| id.trim_end_matches('}').trim());
    let id = scan::member(bytes, "id").and_then(|id| serde_json::from_slice::<Value>(id).ok());
    let id = id.or_else(|| serde_json::from_str::<Value>(at_the_end?).ok());
    if let Some(id) = id.filter(|id| id.is_number() || id.is_string()) {
        value.insert("id".to_owned(), id);
    }
    Value::Object(value)
}
