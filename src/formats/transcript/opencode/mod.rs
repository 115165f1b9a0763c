//! OpenCode: its database, the JSON files that it kept before, and what `opencode run --format json` prints.
//!
//! Read off `packages/opencode/src/session/message-v2.ts` and 1.18 recordings. In each of them a message is made of parts,
//! and a tool call is one part with its result: `{type: "tool", tool, callID, state: {status, input, output, metadata, time:
//! {start, end}}}`, milliseconds since 1970. The start is when the program took the call up, before it asked anybody.

mod database;

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, printed, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, EndpointKind, TextOrigin};
use crate::time::TimeContext;

pub use database::OpenCodeDatabase;

/// The reader of OpenCode's JSON.
pub struct OpenCode;

impl Format for OpenCode {
    fn id(&self) -> &'static str {
        "opencode"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenCode: opencode run --format json, opencode export, and the JSON files of its store (before the database)"
    }

    fn record_unit(&self) -> &'static str {
        "record"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(&head.bytes);
        let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let begins = |name: &str, start: &str| {
            get(name)
                .and_then(|value| value.strip_prefix(b"\""))
                .is_some_and(|value| value.starts_with(start.as_bytes()))
        };
        let session = begins("sessionID", "ses_");
        if session && get("part").is_some_and(|part| part.starts_with(b"{")) && get("timestamp").is_some() {
            return Match::Certain("printed events with sessionID and part".to_owned());
        }
        if session && begins("messageID", "msg_") && get("type").is_some() {
            return Match::Certain("a part with sessionID and messageID".to_owned());
        }
        if session && begins("id", "msg_") && get("role").is_some() {
            return Match::Certain("a message with sessionID and role".to_owned());
        }
        if begins("id", "ses_") && get("projectID").is_some() && get("time").is_some() {
            return Match::Certain("a session with projectID".to_owned());
        }
        let exported = get("info").is_some_and(|info| {
            scan::members(info).iter().any(|(name, value)| *name == "id" && value.starts_with(b"\"ses_"))
        });
        if exported && get("messages").is_some() {
            return Match::Certain("an exported session with info and messages".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut sessions = Sessions::new(&input.name, input.evidence, time);
        let outcome = json::texts(input, sink, &mut |number, value, raw, sink| sessions.text(number, value, raw, sink));
        sessions.finish(sink);
        outcome
    }
}

/// Sessions being told, by their ids.
struct Sessions<'t> {
    /// What stands before `#` in the ids of their episodes.
    base: String,
    /// A file of the store: it holds a part of its session.
    stored: bool,
    evidence: EvidenceId,
    time: &'t TimeContext,
    accounts: BTreeMap<String, Account<'t>>,
}

impl<'t> Sessions<'t> {
    fn new(name: &str, evidence: EvidenceId, time: &'t TimeContext) -> Self {
        let stem = json::stem(name);
        let stored = ["prt_", "msg_", "ses_"].iter().any(|prefix| stem.starts_with(prefix));
        let kinds = ["part/", "message/", "session/"];
        let root = kinds.iter().filter(|_| stored).find_map(|kind| {
            let at =
                name.rfind(kind).filter(|at| *at == 0 || name.get(..*at).is_some_and(|root| root.ends_with('/')))?;
            name.get(..at).map(|root| root.trim_end_matches("session/").trim_end_matches('/'))
        });
        Sessions {
            base: root.unwrap_or(name).to_owned(),
            stored: root.is_some(),
            evidence,
            time,
            accounts: BTreeMap::new(),
        }
    }

    fn account(&mut self, session: &str) -> &mut Account<'t> {
        let (base, evidence, time) = (&self.base, self.evidence, self.time);
        self.accounts.entry(session.to_owned()).or_insert_with(|| {
            let mut account = Account::new(&format!("{base}#{session}"), session, evidence, time);
            account.stamped = (EndpointKind::CallRecorded, EndpointKind::ResultRecorded);
            account
        })
    }

    fn finish(self, sink: &mut dyn Sink) {
        for (_, mut account) in self.accounts {
            account.about(About { agent: Some("OpenCode"), ..About::default() });
            account.finish(sink);
        }
    }

    /// A JSON text: a printed event, or a file of the store.
    fn text(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let text = |key: &str| json::text(value, key);
        if let (Some(info), Some(messages)) = (value.get("info"), value.get("messages").and_then(Value::as_array)) {
            return self.exported(number, info, messages, scan::member(raw, "messages"), sink);
        }
        let stored = self.stored;
        let session = text("sessionID").or_else(|| text("id").filter(|id| id.starts_with("ses_"))).unwrap_or_default();
        let account = self.account(session);
        if let Some(part) = value.get("part").filter(|part| part.is_object()) {
            // The stamp says when the line was printed, which is when the part was complete.
            let at = account.stamp(number, value.get("timestamp"), sink);
            tell(account, Spot::of(number, at), None, part, scan::member(raw, "part"), sink);
        } else if text("messageID").is_some() {
            let begun = value.pointer("/state/time/start").or_else(|| value.pointer("/time/start"));
            let at = account.stamp(number, begun, sink);
            let spot = Spot::of(number, at);
            let order =
                text("id").filter(|_| stored).and_then(|id| place_of(id, "prt_")).map_or(spot.order, |at| (at, 0));
            tell(account, Spot { order, ..spot }, None, value, Some(raw), sink);
        } else if text("role").is_some() {
            let at = message(account, number, value, sink);
            let order =
                text("id").filter(|_| stored).and_then(|id| place_of(id, "msg_")).map_or((number, 0), |at| (at, 0));
            let raw = scan::member(raw, "parts").map(scan::elements).unwrap_or_default();
            // To 0.2 a message held its parts.
            for (index, part) in (0u32..).zip(value.get("parts").and_then(Value::as_array).into_iter().flatten()) {
                let spot = Spot { order: (order.0, index), ..Spot::of(number, at) };
                tell(account, spot, text("role"), part, raw.get(index as usize).copied(), sink);
            }
        } else if let Some(error) = value.get("error") {
            let at = account.stamp(number, value.get("timestamp"), sink);
            account.say(Spot::of(number, at), TextOrigin::Environment, error.to_string(), sink);
        } else if text("id").is_some_and(|id| id.starts_with("ses_")) {
            about_session(account, number, value, sink);
        } else {
            return sink.unread(number, "neither a part, a message nor a session", raw);
        }
        sink.record();
    }

    /// What `opencode export` prints: a session with its messages and their parts.
    fn exported(&mut self, number: u64, info: &Value, messages: &[Value], raw: Option<&[u8]>, sink: &mut dyn Sink) {
        let account = self.account(json::text(info, "id").unwrap_or_default());
        let actor = about_session(account, number, info, sink);
        let raw = raw.map(scan::elements).unwrap_or_default();
        for (at, each) in messages.iter().enumerate() {
            let info = each.get("info").unwrap_or(&Value::Null);
            let when = message(account, number, info, sink);
            let parts = raw.get(at).and_then(|raw| scan::member(raw, "parts")).map(scan::elements).unwrap_or_default();
            for (index, part) in (0u32..).zip(each.get("parts").and_then(Value::as_array).into_iter().flatten()) {
                let spot = Spot { order: (at as u64, index), ..Spot::of(number, when) }.by(actor);
                tell(account, spot, json::text(info, "role"), part, parts.get(index as usize).copied(), sink);
            }
        }
        sink.record();
    }
}

/// The place of something among all of a store: its id begins with 48 bits that count up with time
/// (`packages/opencode/src/id/id.ts`).
fn place_of(id: &str, prefix: &str) -> Option<u64> {
    u64::from_str_radix(id.strip_prefix(prefix)?.get(..12)?, 16).ok()
}

/// What a session's own record says. A session with a parent is that of a sub-agent.
fn about_session(account: &mut Account<'_>, number: u64, session: &Value, sink: &mut dyn Sink) -> Actor {
    account.stamp(number, session.pointer("/time/created"), sink);
    let version = json::text(session, "version").map(|version| format!("OpenCode {version}"));
    account.about(About { agent: version.as_deref(), cwd: json::text(session, "directory"), ..About::default() });
    if json::text(session, "parentID").is_some() { Actor::SubAgent } else { Actor::Policy }
}

/// What the record of a message says of its session; when it was made.
fn message(account: &mut Account<'_>, number: u64, message: &Value, sink: &mut dyn Sink) -> Option<crate::time::Span> {
    let at = account.stamp(number, message.pointer("/time/created"), sink);
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    account.about(About {
        model: text("/modelID").or_else(|| text("/model/modelID")),
        cwd: text("/path/cwd"),
        ..About::default()
    });
    if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
        account.say(Spot::of(number, at), TextOrigin::Environment, error.to_string(), sink);
    }
    at
}

/// Tells a part. Of one that comes again only what is new is told.
fn tell(
    account: &mut Account<'_>,
    spot: Spot,
    role: Option<&str>,
    part: &Value,
    raw: Option<&[u8]>,
    sink: &mut dyn Sink,
) {
    let kind = json::text(part, "type").unwrap_or_default();
    match kind {
        "text" => {
            // What the model says is streamed: it has a beginning and an end.
            let streamed = part.pointer("/time/start").is_some();
            let origin = match role {
                _ if json::flag(part, "synthetic") => TextOrigin::Environment,
                Some("user") => TextOrigin::Prompt,
                None if !streamed => TextOrigin::Prompt,
                _ => TextOrigin::Agent,
            };
            account.say(spot, origin, json::text(part, "text").unwrap_or_default().to_owned(), sink);
        }
        "reasoning" => {
            account.say(spot, TextOrigin::Agent, json::text(part, "text").unwrap_or_default().to_owned(), sink);
        }
        "tool" => tool(account, spot, part, raw, sink),
        "tool-invocation" => invocation(account, spot, part.get("toolInvocation").unwrap_or(&Value::Null), sink),
        _ => {}
    }
}

fn tool(account: &mut Account<'_>, spot: Spot, part: &Value, raw: Option<&[u8]>, sink: &mut dyn Sink) {
    let none = Value::Null;
    let state = part.get("state").unwrap_or(&none);
    let id = ["callID", "id"].iter().find_map(|key| json::text(part, key)).unwrap_or_default();
    let name = json::text(part, "tool").unwrap_or_default();
    let status = json::text(state, "status").unwrap_or_default();
    let start = account.endpoint(state.pointer("/time/start"), EndpointKind::ToolStarted);
    let end = account.endpoint(state.pointer("/time/end"), EndpointKind::ToolEnded);
    if !account.knows_call(id) {
        let raw = raw.and_then(|raw| scan::member(raw, "state")).and_then(|state| scan::member(state, "input"));
        let (arguments, parsed) = json::arguments(state.get("input").unwrap_or(&none), raw);
        // The model named no tool that there is.
        let not_executed = name == "invalid";
        let call = Call { id: Some(id), tool: name, arguments, start, not_executed, ..Call::default() };
        account.call(spot, call, &parsed, sink);
    }
    if account.knows_answer(id) || !matches!(status, "completed" | "error") {
        return;
    }
    let output = ["output", "error"].iter().find_map(|key| state.get(key)).map(json::content).unwrap_or_default();
    let refused = status == "error"
        && ["The user rejected permission", "The user has specified a rule which prevents"]
            .iter()
            .any(|start| output.starts_with(start));
    let answer = Answer {
        id: Some(id),
        exit_code: state.get("metadata").and_then(|metadata| json::exit_code(metadata, "exit")),
        not_executed: refused,
        approval: refused.then_some(Approval::Refused),
        output,
        end,
        ..Answer::default()
    };
    account.answer(spot, answer, sink);
}

/// A call as versions to 0.2 kept it.
fn invocation(account: &mut Account<'_>, spot: Spot, call: &Value, sink: &mut dyn Sink) {
    let id = json::text(call, "toolCallId");
    let (arguments, parsed) = json::arguments(call.get("args").unwrap_or(&Value::Null), None);
    let tool = json::text(call, "toolName").unwrap_or_default();
    account.call(spot, Call { id, tool, arguments, ..Call::default() }, &parsed, sink);
    if json::text(call, "state") == Some("result") {
        let output = call.get("result").map(json::content).unwrap_or_default();
        let told = printed::of(&output);
        let answer = Answer { id, exit_code: told.exit_code, output, ..Answer::default() };
        account.answer(Spot { at: None, ..spot }, answer, sink);
    }
}
