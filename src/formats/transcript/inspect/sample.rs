//! One sample of a log: its events, told as calls, results and texts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::account::{About, Account, Answer, Call, Spot};
use super::super::{json, messages, scan, shell};
use super::Log;
use super::links::Links;
use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;
use crate::model::{Actor, Approval, EndpointKind, TextOrigin};
use crate::time::Span;

/// The text of a sample: in one piece, or with its events and attachments apart.
pub(super) struct Raw<'a> {
    pub(super) shell: &'a [u8],
    /// Lists of events, where they stand apart.
    pub(super) events: Option<Vec<&'a [u8]>>,
    /// Lists of attachments that stand apart.
    pub(super) attachments: Vec<&'a [u8]>,
}

impl<'a> Raw<'a> {
    pub(super) fn whole(shell: &'a [u8]) -> Self {
        Raw { shell, events: None, attachments: Vec::new() }
    }
}

/// An event, and the tool event within which it stands.
pub(super) struct Seen {
    pub(super) event: Value,
    pub(super) inside: Option<usize>,
}

/// Texts that stand apart from where they belong: by the hash of the text, or by their place.
struct Attachments {
    texts: BTreeMap<String, String>,
    /// How much may still be put into its places, in bytes: one text may belong to many.
    left: usize,
    bounded: bool,
}

/// Bound on all texts put into the places where they belong, for each sample, in bytes.
const PUT: usize = 1 << 30;

impl Attachments {
    fn add(&mut self, found: Value) {
        match found {
            Value::Object(found) => {
                self.texts.extend(found.into_iter().filter_map(|(key, text)| Some((key, text.as_str()?.to_owned()))));
            }
            Value::Array(found) => {
                for text in found {
                    let key = self.texts.len().to_string();
                    self.texts.insert(key, text.as_str().unwrap_or_default().to_owned());
                }
            }
            _ => {}
        }
    }

    /// Puts the texts where they belong. Values are at most 128 deep: the parser sees to it.
    fn put_into(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                // `tc://` until November 2024.
                let key = text.strip_prefix("attachment://").or_else(|| text.strip_prefix("tc://"));
                if let Some(found) = key.and_then(|key| self.texts.get(key)) {
                    match self.left.checked_sub(found.len()) {
                        Some(left) => {
                            self.left = left;
                            text.clone_from(found);
                        }
                        None => self.bounded = true,
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_into(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.put_into(member)),
            _ => {}
        }
    }
}

impl Log<'_> {
    /// Tells a sample. True if a part of it could not be read.
    pub(super) fn sample(&mut self, raw: &Raw<'_>, sink: &mut dyn Sink) -> bool {
        let members = scan::members(raw.shell);
        let member = |name: &str| members.iter().rfind(|(key, _)| *key == name).map(|(_, value)| *value);
        let parsed = |name: &str| member(name).and_then(|value| serde_json::from_slice::<Value>(value).ok());
        let first = self.events + 1;
        let mut torn = false;
        let mut attachments = Attachments { texts: BTreeMap::new(), left: PUT, bounded: false };
        let mut lists: Vec<&[u8]> = Vec::new();
        match &raw.events {
            Some(events) => {
                lists.clone_from(events);
                for list in &raw.attachments {
                    match serde_json::from_slice(list) {
                        Ok(found) => attachments.add(found),
                        Err(error) => json::unparsed(first, &error, false, list, sink),
                    }
                }
            }
            None => {
                attachments.add(parsed("attachments").unwrap_or_default());
                let old = || member("transcript").map(scan::members);
                let of_old = |name: &str| old()?.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value);
                lists.extend(member("events").or_else(|| of_old("events")));
                if let Some(found) = of_old("content") {
                    attachments.add(serde_json::from_slice(found).unwrap_or_default());
                }
            }
        }
        let id = parsed("id").map(|id| json::content(&id));
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            sink.unread(first, "sample without an id", raw.shell);
            return true;
        };
        let epoch = parsed("epoch").and_then(|epoch| epoch.as_u64()).unwrap_or(1);
        let name = format!("{id}_epoch_{epoch}");
        let episode = format!("{}#{name}", self.name);

        // Attempts that failed before this one did their work too.
        for (index, attempt) in parsed("error_retries").iter().flat_map(Value::as_array).flatten().enumerate() {
            if let Some(events) = attempt.get("events").and_then(Value::as_array).filter(|events| !events.is_empty()) {
                let suffix = format!("_attempt_{}", index + 1);
                let mut account =
                    Account::new(&format!("{episode}{suffix}"), &format!("{name}{suffix}"), self.evidence, self.time);
                self.describe(&mut account);
                let mut seen = Vec::new();
                for event in events {
                    take(event.clone(), None, &mut attachments, &mut seen);
                }
                self.tell(account, &seen, &Value::Null, sink);
            }
        }

        let mut account = Account::new(&episode, &name, self.evidence, self.time);
        self.describe(&mut account);
        (account.episode.reward_config, account.episode.reward) = score(&parsed("scores").unwrap_or_default());
        account.stamp(first, parsed("started_at").as_ref(), sink);
        let mut seen = Vec::new();
        for list in lists {
            torn |= json::elements(list, self.events + 1, sink, &mut |_, event, _, _| {
                take(event.clone(), None, &mut attachments, &mut seen);
            });
        }
        let mut said = parsed("messages").unwrap_or_default();
        attachments.put_into(&mut said);
        if seen.is_empty() {
            let none = Vec::new();
            let list = said.as_array().unwrap_or(&none);
            messages::conversation(&mut account, first, list, None, sink);
            self.events += list.len() as u64;
            account.stamp(first, parsed("completed_at").as_ref(), sink);
            account.finish(sink);
        } else {
            let mut asked = parsed("input").unwrap_or_default();
            attachments.put_into(&mut asked);
            let asked = match &asked {
                Value::Array(messages) => messages.iter().map(json::content).collect::<Vec<_>>().join("\n"),
                other => json::content(other),
            };
            account.say(Spot::of(first, None).part(0), TextOrigin::Prompt, asked, sink);
            self.tell(account, &seen, &said, sink);
        }
        if attachments.bounded {
            let detail = format!("{name}: attachments put into their places exceed 1 GiB; the others were left apart");
            sink.anomaly(Anomaly { record: first, kind: AnomalyKind::BoundReached, detail });
        }
        torn
    }

    fn describe(&self, account: &mut Account<'_>) {
        account.episode.run.clone_from(&self.run);
        account.about(About {
            model: self.model.as_deref(),
            task: self.task.as_deref(),
            agent: self.agent.as_deref(),
            ..About::default()
        });
    }

    /// Tells the events of a sample, and its calls that no event tells of.
    fn tell(&mut self, account: Account<'_>, events: &[Seen], said: &Value, sink: &mut dyn Sink) {
        let links = Links::of(events, self.time);
        let mut teller =
            Teller { account, links: &links, events, said, tools: 0, ids: BTreeSet::new(), proposed: Vec::new() };
        for (index, Seen { event, .. }) in events.iter().enumerate() {
            self.events += 1;
            teller.event(self.events, index, event, sink);
        }
        teller.not_told(sink);
        teller.account.finish(sink);
    }
}

/// Takes an event, with what stands within it behind it.
fn take(mut event: Value, inside: Option<usize>, attachments: &mut Attachments, seen: &mut Vec<Seen>) {
    let within = event.get_mut("events").map(Value::take);
    // What a model was given repeats what was said before, at length.
    let kind = json::text(&event, "event").unwrap_or_default().to_owned();
    if matches!(kind.as_str(), "tool" | "sandbox" | "info" | "input" | "error" | "sample_limit" | "subtask") {
        attachments.put_into(&mut event);
    } else if let Some(output) = event.get_mut("output") {
        attachments.put_into(output);
    }
    let index = seen.len();
    seen.push(Seen { event, inside });
    if let Some(Value::Array(events)) = within {
        let inside = if kind == "tool" { Some(index) } else { inside };
        for event in events {
            take(event, inside, attachments, seen);
        }
    }
}

/// What the scorers gave, as (scorer, number): the first that gave a number, in the order of their names. Letters stand
/// for correct, partly, incorrect and no answer (`scorer/_metric.py`, `value_to_float`).
fn score(scores: &Value) -> (Option<String>, Option<f64>) {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(right) => Some(if *right { 1.0 } else { 0.0 }),
        Value::String(word) => match word.as_str() {
            "C" => Some(1.0),
            "P" => Some(0.5),
            "I" | "N" => Some(0.0),
            other => other.parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    };
    let scores = scores.as_object().into_iter().flatten();
    let mut found = scores.filter_map(|(name, score)| Some((name.clone(), number(score.get("value")?)?)));
    found.next().map_or((None, None), |(name, number)| (Some(name), Some(number)))
}

/// A call that a model made.
struct Proposed {
    spot: Spot,
    call: Value,
}

struct Teller<'t, 'a> {
    account: Account<'t>,
    links: &'a Links,
    events: &'a [Seen],
    /// The messages of the sample.
    said: &'a Value,
    /// Tool events told.
    tools: usize,
    ids: BTreeSet<String>,
    proposed: Vec<Proposed>,
}

impl Teller<'_, '_> {
    fn event(&mut self, number: u64, index: usize, event: &Value, sink: &mut dyn Sink) {
        let Some(kind) = json::text(event, "event") else {
            return sink.unread(number, "event without a kind", event.to_string().as_bytes());
        };
        sink.record();
        let at = self.account.stamp(number, event.get("timestamp"), sink);
        let actor = self.links.actor(json::text(event, "span_id"));
        let spot = Spot { number, order: (number, 1), at, actor };
        match kind {
            "tool" => self.tool(spot, index, event, sink),
            "sandbox" => self.sandbox(spot, index, event, sink),
            "model" => self.model(spot, event, sink),
            "input" => self.account.say(spot, TextOrigin::Prompt, text_of(event, &["input"]), sink),
            "info" => self.account.say(spot, TextOrigin::Environment, text_of(event, &["data"]), sink),
            "error" => {
                let said = event.pointer("/error/message").map(json::content).unwrap_or_default();
                self.account.say(spot, TextOrigin::Environment, said, sink);
            }
            "sample_limit" => {
                self.account.say(spot, TextOrigin::Environment, text_of(event, &["message", "type"]), sink);
            }
            _ => {}
        }
    }

    fn tool(&mut self, spot: Spot, index: usize, event: &Value, sink: &mut dyn Sink) {
        self.tools += 1;
        let given = json::text(event, "id").filter(|id| !id.is_empty()).unwrap_or_default();
        // Models number their calls anew in every answer: an id that came before is not the same call.
        let id = if !given.is_empty() && self.ids.insert(given.to_owned()) {
            given.to_owned()
        } else {
            format!("{given}~{}", spot.order.0)
        };
        let tool = json::text(event, "function").unwrap_or_default();
        let (written, arguments) = json::arguments(event.get("arguments").unwrap_or(&Value::Null), None);
        let command = shell::command(tool, &arguments);
        let error = event.get("error").filter(|error| error.is_object());
        let failed = error.and_then(|error| json::text(error, "type")).unwrap_or_default();
        let approval = match self.links.decided.get(given) {
            Some(true) => Some(Approval::Given),
            Some(false) => Some(Approval::Refused),
            None => (failed == "approval").then_some(Approval::Refused),
        };
        let not_executed = matches!(failed, "parsing" | "approval") || approval == Some(Approval::Refused);
        let call = Call {
            id: Some(&id),
            tool,
            arguments: written,
            command: command.clone(),
            start: spot.at.and(self.account.endpoint(event.get("timestamp"), EndpointKind::ToolStarted)),
            end: self.account.endpoint(event.get("completed"), EndpointKind::ToolEnded),
            not_executed,
            approval,
            ..Call::default()
        };
        self.account.call(spot, call, &arguments, sink);
        // A run that ended in the middle of it.
        if json::flag(event, "pending") && event.get("completed").is_none_or(Value::is_null) {
            return;
        }
        let mut output = event.get("result").map(json::content).unwrap_or_default();
        if output.is_empty() {
            output = error.map(|error| text_of(error, &["message"])).unwrap_or_default();
        }
        let answer = Answer {
            id: Some(&id),
            output,
            exit_code: command.and_then(|command| self.exit_code(index, &command)),
            end: self.account.endpoint(event.get("completed"), EndpointKind::ToolEnded),
            ..Answer::default()
        };
        self.account.answer(Spot { at: None, ..spot }, answer, sink);
    }

    /// The exit code of the command of a call: of the one exec of the sandbox that ran this very command.
    fn exit_code(&self, tool: usize, command: &str) -> Option<i32> {
        let mut ran = self.links.execs_of.get(&tool)?.iter().filter_map(|exec| {
            let exec = &self.events.get(*exec)?.event;
            is_of(exec, command).then(|| json::exit_code(exec, "result"))
        });
        let code = ran.next()??;
        ran.next().is_none().then_some(code)
    }

    fn sandbox(&mut self, spot: Spot, index: usize, event: &Value, sink: &mut dyn Sink) {
        let action = json::text(event, "action").unwrap_or_default();
        let own = self.links.tool_of.get(&index).and_then(|tool| self.events.get(*tool));
        if action != "exec" {
            let file = text_of(event, &["file"]);
            return self.account.say(spot, TextOrigin::Environment, format!("{action} {file}").trim().to_owned(), sink);
        }
        let written = text_of(event, &["cmd"]);
        if let Some(Seen { event: tool, .. }) = own {
            // How the call was carried out. What differs from its command is kept as a text.
            let called = shell::command(
                json::text(tool, "function").unwrap_or_default(),
                tool.get("arguments").unwrap_or(&Value::Null),
            );
            if !called.is_some_and(|called| is_of(event, &called)) {
                self.account.say(spot, TextOrigin::Environment, format!("exec: {written}"), sink);
            }
            return;
        }
        let id = json::text(event, "uuid").map_or_else(|| format!("sandbox~{}", spot.order.0), str::to_owned);
        let words = shell::words(&written).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = if words.is_empty() { written.clone() } else { shell::of_words(&words) };
        let end = self.account.endpoint(event.get("completed"), EndpointKind::ToolEnded);
        let call = Call {
            id: Some(&id),
            tool: "sandbox exec",
            arguments: written,
            command: Some(command),
            start: spot.at.and(self.account.endpoint(event.get("timestamp"), EndpointKind::ToolStarted)),
            end,
            ..Call::default()
        };
        self.account.call(spot.by(Actor::Harness), call, &Value::Null, sink);
        let answer = Answer {
            id: Some(&id),
            output: text_of(event, &["output"]),
            exit_code: json::exit_code(event, "result"),
            end,
            ..Answer::default()
        };
        self.account.answer(Spot { at: None, ..spot }, answer, sink);
    }

    /// What a model said, and which calls it made.
    fn model(&mut self, spot: Spot, event: &Value, sink: &mut dyn Sink) {
        let Some(message) = event.pointer("/output/choices/0/message") else { return };
        let ended = event.get("completed").filter(|completed| !completed.is_null());
        let spoken = self.account.endpoint(ended, EndpointKind::CallRecorded).map(|end| end.span);
        let spot = Spot { at: spoken.or(spot.at), ..spot };
        let origin = if spot.actor == Actor::Harness { TextOrigin::Environment } else { TextOrigin::Agent };
        if let Some(Value::Array(blocks)) = message.get("content") {
            for thought in blocks.iter().filter_map(|block| json::text(block, "reasoning")) {
                self.account.say(spot, origin, thought.to_owned(), sink);
            }
        }
        self.account.say(spot, origin, message.get("content").map(json::content).unwrap_or_default(), sink);
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for (part, call) in (2..).zip(calls.into_iter().flatten()) {
            self.proposed.push(Proposed { spot: spot.part(part), call: call.clone() });
        }
    }

    /// Calls that models made and no tool event tells of: an agent that runs its tools itself, or a run that ended before
    /// they were carried out. An answer among the messages tells which.
    fn not_told(&mut self, sink: &mut dyn Sink) {
        let proposed = std::mem::take(&mut self.proposed);
        let told: Vec<Proposed> = proposed
            .into_iter()
            .filter(|proposed| {
                let id = json::text(&proposed.call, "id").unwrap_or_default();
                proposed.spot.actor != Actor::Harness && self.ids.insert(id.to_owned())
            })
            .collect();
        if told.is_empty() {
            return;
        }
        let answers = answers(self.events, self.said, &mut self.account);
        for Proposed { spot, call } in told {
            let id = json::text(&call, "id");
            let answer = id.and_then(|id| answers.get(id));
            let (written, arguments) = json::arguments(call.get("arguments").unwrap_or(&Value::Null), None);
            let unparsed = call.get("parse_error").is_some_and(|error| !error.is_null());
            let called = Call {
                id,
                tool: json::text(&call, "function").unwrap_or_default(),
                arguments: written,
                // Where Inspect runs the tools it tells of each.
                not_executed: unparsed || (answer.is_none() && self.tools > 0),
                ..Call::default()
            };
            self.account.call(spot, called, &arguments, sink);
            if let Some((output, at)) = answer {
                let answer = Answer { id, output: output.clone(), ..Answer::default() };
                self.account.answer(Spot { at: *at, ..spot }, answer, sink);
            }
        }
    }
}

/// Results among the messages, by the ids of their calls, with the moment when a model was first given them.
fn answers(events: &[Seen], said: &Value, account: &mut Account<'_>) -> BTreeMap<String, (String, Option<Span>)> {
    let mut found = BTreeMap::new();
    let mut add = |list: Option<&Value>, at: Option<Span>| {
        for message in list.and_then(Value::as_array).into_iter().flatten() {
            if json::text(message, "role") == Some("tool")
                && let Some(id) = json::text(message, "tool_call_id")
                && !found.contains_key(id)
            {
                found.insert(id.to_owned(), (message.get("content").map(json::content).unwrap_or_default(), at));
            }
        }
    };
    for Seen { event, .. } in events.iter().filter(|seen| json::text(&seen.event, "event") == Some("model")) {
        let at = account.endpoint(event.get("timestamp"), EndpointKind::ResultRecorded);
        add(event.get("input"), at.map(|at| at.span));
    }
    add(Some(said), None);
    found
}

/// Whether an exec of the sandbox ran this command: as the script of a shell, or as it stands.
fn is_of(exec: &Value, command: &str) -> bool {
    let written = json::text(exec, "cmd").unwrap_or_default();
    let Some(words) = shell::words(written) else { return written.contains(command.trim()) };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    shell::of_words(&words).trim() == command.trim()
}

/// The first of these members that is there, as a text.
fn text_of(value: &Value, keys: &[&str]) -> String {
    keys.iter().find_map(|key| value.get(key)).filter(|value| !value.is_null()).map(json::content).unwrap_or_default()
}
