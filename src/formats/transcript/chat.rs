//! Messages of a model's interface without a program around them: Chat Completions, Anthropic, Gemini and Responses, as
//! lists, as lines, as requests with their responses, and as rows of data sets that hold them.
//!
//! Which interface it is is told message by message (see [`super::messages`]). There is no time but what stands beside a
//! message (`timestamp`, `created_at`) or a response (`created`, the provider's clock in whole seconds).

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

use super::account::{About, Account, Spot};
use super::{json, messages, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::Actor;
use crate::time::TimeContext;

/// The reader of plain messages.
pub struct Chat;

/// What lists of messages are called by those who keep them.
const LISTS: [&str; 9] =
    ["messages", "traj", "history", "conversation", "conversations", "trajectory", "dialog", "chat_history", "input"];

impl Format for Chat {
    fn id(&self) -> &'static str {
        "chat-messages"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Messages of model interfaces (Chat Completions, Anthropic, Gemini, Responses): lists, lines, rows, request logs"
    }

    fn record_unit(&self) -> &'static str {
        "message"
    }

    fn probe(&self, head: &Head) -> Match {
        let first = scan::first(&head.bytes);
        let inner = if head.bytes.trim_ascii_start().starts_with(b"[") { first } else { &head.bytes };
        let members = scan::members(inner);
        let is_message = |members: &[(&str, &[u8])]| {
            let has = |names: &[&str]| members.iter().any(|(name, _)| names.contains(name));
            let word = |name: &str| {
                members.iter().find(|(found, _)| *found == name).and_then(|(_, value)| scan::plain_string(value))
            };
            let role = word("role").is_some_and(|role| {
                ["system", "user", "assistant", "tool", "developer", "model", "function"].contains(&role)
            });
            let item = word("type").is_some_and(|kind| kind == "function_call" || kind.ends_with("_call_output"));
            (role && has(&["content", "parts", "tool_calls", "function_call"])) || (item && has(&["call_id"]))
        };
        if is_message(&members) {
            return Match::Likely(40, "messages with a role and content".to_owned());
        }
        let list = members.iter().find(|(name, value)| LISTS.contains(name) && value.starts_with(b"["));
        if let Some((name, list)) = list
            && is_message(&scan::members(scan::first(list)))
        {
            return Match::Likely(35, format!("rows with {name}, a list of messages with a role and content"));
        }
        let request = members.iter().find(|(name, _)| matches!(*name, "request" | "body"));
        if let Some((_, request)) = request
            && scan::member(request, "messages").is_some()
        {
            return Match::Likely(30, "requests of a model's interface with their messages".to_owned());
        }
        if members.iter().any(|(name, value)| *name == "object" && scan::plain_string(value) == Some("chat.completion"))
        {
            return Match::Likely(40, "responses of the Chat Completions interface".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut file = File {
            account: Account::of_file(input, time),
            time,
            rows: 0,
            messages: 0,
            alone: false,
            single: false,
            told: BTreeSet::new(),
        };
        let name = input.name.clone();
        let evidence = input.evidence;
        let beginning = input.peek(64)?;
        // An object over many lines stands alone; one in a line may be followed by others.
        file.alone = matches!(beginning.trim_ascii_start(), [b'{', b'\n' | b'\r', ..]);
        let is_list = beginning.trim_ascii_start().starts_with(b"[");
        let read = if is_list { json::list } else { json::texts };
        let outcome = read(input, sink, &mut |_, value, raw, sink| file.value(value, raw, &name, evidence, sink));
        if file.single {
            file.account.finish(sink);
        }
        outcome
    }
}

struct File<'t> {
    /// The episode of messages that stand in the file one by one.
    account: Account<'t>,
    time: &'t TimeContext,
    rows: u64,
    messages: u64,
    /// The file is one object.
    alone: bool,
    /// Messages stand in the file one by one.
    single: bool,
    /// Messages of requests that were told.
    told: BTreeSet<String>,
}

impl File<'_> {
    fn value(&mut self, value: &Value, raw: &[u8], name: &str, evidence: EvidenceId, sink: &mut dyn Sink) {
        let list = LISTS.iter().find_map(|list| Some((*list, value.get(list)?.as_array()?)));
        match list {
            // A row with a conversation of its own.
            Some((list, messages)) if value.get("role").is_none() => {
                self.rows += 1;
                let id = ["instance_id", "id", "task_id", "question_ID", "session_id"]
                    .iter()
                    .find_map(|key| value.get(key))
                    .map_or_else(|| self.rows.to_string(), json::content);
                let whole = self.alone;
                let own = if whole { name.to_owned() } else { format!("{name}#{}~{id}", self.rows) };
                let mut account = Account::new(&own, if whole { json::stem(name) } else { &id }, evidence, self.time);
                let text = |key: &str| json::text(value, key);
                account.about(About {
                    model: text("model"),
                    task: text("task").or_else(|| text("question")),
                    ..About::default()
                });
                account.episode.reward = ["reward", "score"].iter().find_map(|key| value.get(key)?.as_f64());
                messages::conversation(&mut account, self.messages + 1, messages, scan::member(raw, list), sink);
                self.messages += messages.len() as u64;
                account.finish(sink);
            }
            _ => {
                self.single = true;
                self.messages += 1;
                self.message(value, raw, sink);
            }
        }
    }

    /// A message, a response, or a request with its response.
    fn message(&mut self, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let number = self.messages;
        let at = ["timestamp", "created_at", "created", "time", "ts"].iter().find_map(|key| value.get(key));
        let at = self.account.stamp(number, at, sink);
        let spot = Spot::of(number, at).by(Actor::Policy);
        self.account.about(About { model: json::text(value, "model"), ..About::default() });
        if messages::message(&mut self.account, spot, value, Some(raw), sink) {
            return sink.record();
        }
        let request = ["request", "body"].iter().find_map(|key| value.get(key));
        let response = value.get("response").unwrap_or(value);
        let list = |value: Option<&'_ Value>, keys: [&str; 2]| -> Vec<Value> {
            let list = value.and_then(|value| keys.iter().find_map(|key| value.get(key)?.as_array()));
            list.cloned().unwrap_or_default()
        };
        let asked = list(request, ["messages", "input"]);
        let mut answers: Vec<Value> = list(Some(response), ["choices", "output"]);
        for answer in &mut answers {
            if let Some(message) = answer.get_mut("message") {
                *answer = message.take();
            }
        }
        if answers.is_empty() && json::text(response, "role").is_some() {
            answers.push(response.clone());
        }
        // Each request repeats what was said before it.
        let mut told = 0;
        for message in asked.iter().chain(&answers) {
            if self.told.insert(message.to_string())
                && !messages::message(&mut self.account, spot.part(told << 8), message, None, sink)
            {
                continue;
            }
            told += 1;
        }
        if told == 0 {
            sink.unread(number, "neither a message nor a request with its response", raw);
        } else {
            sink.record();
        }
    }
}
