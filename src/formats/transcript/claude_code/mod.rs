//! Claude Code: the session files of its store, and what `claude -p --output-format stream-json` prints.
//!
//! Read off version 1.0 to 2.1 files. `~/.claude/projects/<cwd>/<session id>.jsonl` holds a session, files
//! `agent-<id>.jsonl` beside or below it hold sub-agents; `~/.claude/history.jsonl` holds what a person typed. Lines
//! are a tree (`uuid`, `parentUuid`) whose stamps are not monotonic, so the order is that of the file. A `tool_use`
//! is stamped when the model's answer came, its `tool_result` when the result was recorded: a bracket around the
//! command. Printed streams have no stamp on what the model said, there the lower end is the latest stamp above.

mod chain;
mod result;

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde_json::Value;

use self::chain::Chain;
use super::stamps::{self, Clock};
use super::told::{Conflicts, Told, hashed};
use super::{json, scan, shell};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Head, Input, Record};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, Endpoint, EndpointKind, Episode, EpisodeText, Step, TextOrigin};
use crate::time::{Instant, Span, TimeContext};

/// The Claude Code reader.
pub struct ClaudeCode;

/// Lines that keep the program's books and say nothing about what happened.
const BOOKKEEPING: &[&str] = &[
    "file-history-snapshot",
    "queue-operation",
    "last-prompt",
    "mode",
    "permission-mode",
    "ai-title",
    "custom-title",
    "agent-name",
    "agent-setting",
    "tag",
    "pr-link",
    "progress",
    "result",
    "stream_event",
    "rate_limit_event",
    "content-replacement",
    "continued-in",
];

impl Format for ClaudeCode {
    fn id(&self) -> &'static str {
        "claude-code"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Claude Code session files, sub-agents, prompt history, and printed stream-json"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let mut weak = None;
        for line in scan::lines(&head.bytes, 40) {
            let members = scan::members(line);
            let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            let word = |name: &str| get(name).and_then(scan::plain_string);
            // iFlow writes nearly the same lines; its session ids carry a prefix.
            if word("sessionId").is_some_and(|id| id.starts_with("session-")) {
                return Match::No;
            }
            let message = get("message").map(scan::members).unwrap_or_default();
            // Qwen Code writes nearly the same envelope around the parts of another interface.
            if message.iter().any(|(name, _)| *name == "parts") {
                return Match::No;
            }
            let spoken =
                message.iter().any(|(name, _)| *name == "role") && message.iter().any(|(name, _)| *name == "content");
            match word("type") {
                Some("user" | "assistant" | "summary") if spoken && get("uuid").is_some() => {
                    if word("sessionId").is_some() && get("parentUuid").is_some() {
                        return Match::Certain("lines with sessionId, uuid, parentUuid and a message".to_owned());
                    }
                    if word("session_id").is_some() {
                        return Match::Certain("stream-json lines with session_id, uuid and a message".to_owned());
                    }
                }
                Some("system") if word("subtype") == Some("init") && get("claude_code_version").is_some() => {
                    return Match::Certain("a system/init line with claude_code_version".to_owned());
                }
                Some("system") if word("sessionId").is_some() && get("parentUuid").is_some() => {
                    weak = Some("system lines with sessionId and parentUuid");
                }
                Some("summary") if word("leafUuid").is_some() => weak = Some("summary lines with leafUuid"),
                Some("file-history-snapshot") if get("snapshot").is_some() => {
                    weak = Some("file-history-snapshot lines");
                }
                None if get("display").is_some() && get("project").is_some() && get("timestamp").is_some() => {
                    weak = Some("prompt history lines with display, project and timestamp");
                }
                _ => {}
            }
        }
        weak.map_or(Match::No, |reason| Match::Likely(80, reason.to_owned()))
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut reader = Reader::new(input, time);
        let outcome = json::lines(input, sink, &mut |number, line, raw, sink| reader.line(number, line, raw, sink));
        reader.finish(sink);
        outcome
    }
}

struct Reader<'a> {
    time: &'a TimeContext,
    evidence: EvidenceId,
    episode: Episode,
    /// The session whose file this is, where the name of the file says so.
    own_session: Option<String>,
    known: bool,
    clock: Clock,
    /// Nobody is asked before a call runs (`--dangerously-skip-permissions`).
    waived: bool,
    /// What was said under each uuid, hashed.
    lines: HashMap<String, u64>,
    calls: Told,
    answered: Told,
    conflicts: Conflicts,
    chain: Chain,
    /// Calls whose result may still say that the command was left running.
    pending: BTreeMap<String, Step>,
    /// The command a person typed last, waiting for its output.
    typed: Option<String>,
    /// Sessions of a prompt history.
    prompts: BTreeMap<String, Episode>,
    repeated: u64,
    first_repeated: u64,
}

/// What all blocks of a line share.
struct Line<'a> {
    number: u64,
    value: &'a Value,
    raw: &'a [u8],
    at: Option<Span>,
    actor: Actor,
}

impl<'a> Reader<'a> {
    fn new(input: &Input, time: &'a TimeContext) -> Self {
        let stem = json::stem(&input.name);
        let episode = Episode { id: input.name.clone(), name: stem.to_owned(), ..Episode::default() };
        let is_uuid = stem.len() == 36
            && stem.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        Reader {
            time,
            evidence: input.evidence,
            episode,
            own_session: is_uuid.then(|| stem.to_owned()),
            known: false,
            clock: Clock::default(),
            waived: false,
            lines: HashMap::new(),
            calls: Told::default(),
            answered: Told::default(),
            conflicts: Conflicts::default(),
            chain: Chain::default(),
            pending: BTreeMap::new(),
            typed: None,
            prompts: BTreeMap::new(),
            repeated: 0,
            first_repeated: 0,
        }
    }

    fn record(&self, number: u64) -> Record {
        Record { evidence: self.evidence, number }
    }

    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let kind = match (json::text(value, "type"), value.get("display")) {
            (Some(kind), _) => kind,
            (None, Some(display)) => return self.typed_prompt(number, value, display, raw, sink),
            (None, None) => return sink.unread(number, "line without a type", raw),
        };
        if self.repeats(number, value, raw, sink) {
            return sink.record();
        }
        let stamp = json::text(value, "timestamp");
        let at = stamp.and_then(|stamp| stamps::span(stamp, self.time));
        match (stamp, at) {
            (_, Some(at)) => self.clock.saw(number, at),
            (Some(stamp), None) => sink.anomaly(stamps::unreadable(number, stamp)),
            (None, None) => {}
        }
        let session = json::text(value, "sessionId");
        let copied = value.get("forkedFrom").is_some_and(|from| !from.is_null())
            || matches!((&self.own_session, session), (Some(own), Some(session)) if own != session);
        let sub_agent = json::flag(value, "isSidechain")
            || value.get("parent_tool_use_id").is_some_and(|id| !id.is_null())
            || json::text(value, "agentId").is_some();
        let actor = match (copied, sub_agent) {
            (true, _) => Actor::Replayed,
            (false, true) => Actor::SubAgent,
            (false, false) => Actor::Policy,
        };
        self.about_episode(value);
        if let Some(mode) = json::text(value, "permissionMode") {
            self.waived = mode == "bypassPermissions";
        }
        let line = Line { number, value, raw, at, actor };
        match kind {
            "assistant" => self.assistant(&line, sink),
            "user" => self.user(&line, sink),
            "summary" => {
                let summary = value.get("summary").or_else(|| value.pointer("/message/content"));
                self.say(&line, 0, TextOrigin::Environment, summary.map(json::content).unwrap_or_default(), sink);
            }
            "system" => {
                let said = value.get("content").map(json::content).unwrap_or_default();
                self.say(&line, 0, TextOrigin::Environment, said, sink);
            }
            "attachment" => self.attachment(&line, sink),
            kind if BOOKKEEPING.contains(&kind) => {}
            _ => return sink.unread(number, "type of line not known", raw),
        }
        sink.record();
    }

    /// Whether the line was there before, under the same uuid and with the same message.
    fn repeats(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) -> bool {
        let Some(uuid) = json::text(value, "uuid") else { return false };
        if let Some(parent) = json::text(value, "parentUuid").filter(|parent| !self.lines.contains_key(*parent)) {
            self.chain.names(number, parent);
        }
        let told = hashed(&scan::member(raw, "message").unwrap_or(b""));
        match self.lines.insert(uuid.to_owned(), told) {
            None => false,
            Some(before) if before == told => {
                self.count_repeated(number);
                true
            }
            Some(_) => {
                sink.anomaly(Anomaly {
                    record: number,
                    kind: AnomalyKind::ConflictingId,
                    detail:
                        "the uuid of an earlier line with another message; both were read (a line that was written \
                             again when it was complete, or an edit)"
                            .to_owned(),
                });
                false
            }
        }
    }

    fn count_repeated(&mut self, number: u64) {
        if self.repeated == 0 {
            self.first_repeated = number;
        }
        self.repeated += 1;
    }

    fn about_episode(&mut self, value: &Value) {
        let fill = |slot: &mut Option<String>, found: Option<&str>| {
            if slot.is_none() {
                *slot = found.filter(|found| !found.is_empty() && *found != "<synthetic>").map(str::to_owned);
            }
        };
        self.known = true;
        fill(&mut self.episode.cwd, json::text(value, "cwd"));
        fill(&mut self.episode.model, value.pointer("/message/model").and_then(Value::as_str));
        let version = json::text(value, "version").or_else(|| json::text(value, "claude_code_version"));
        fill(&mut self.episode.agent, version.map(|version| format!("Claude Code {version}")).as_deref());
    }

    fn say(&self, line: &Line<'_>, block: u32, origin: TextOrigin, said: String, sink: &mut dyn Sink) {
        if said.trim().is_empty() {
            return;
        }
        sink.text(EpisodeText {
            episode: self.episode.id.clone(),
            origin,
            record: self.record(line.number),
            span: line.at,
            order: (line.number, block),
            text: json::kept(said).0,
        });
    }

    fn assistant(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        let content = line.value.pointer("/message/content");
        // What the program says in the model's place: an error of the interface, an interruption.
        let from_program = json::flag(line.value, "isApiErrorMessage")
            || line.value.pointer("/message/model").and_then(Value::as_str) == Some("<synthetic>");
        let origin = if from_program { TextOrigin::Environment } else { TextOrigin::Agent };
        let Some(blocks) = content.and_then(Value::as_array) else {
            return self.say(line, 0, origin, content.map(json::content).unwrap_or_default(), sink);
        };
        let raw = scan::member(line.raw, "message").and_then(|message| scan::member(message, "content"));
        let raw = raw.map(scan::elements).unwrap_or_default();
        for (index, block) in (0u32..).zip(blocks) {
            let said = |key: &str| json::text(block, key).unwrap_or_default().to_owned();
            match json::text(block, "type").unwrap_or_default() {
                "text" => self.say(line, index, origin, said("text"), sink),
                "thinking" => self.say(line, index, origin, said("thinking"), sink),
                "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                    let raw = raw.get(index as usize).and_then(|block| scan::member(block, "input"));
                    self.call(line, index, block, raw, sink);
                }
                kind if kind.ends_with("tool_result") => self.result(line, block, None, sink),
                _ => {}
            }
        }
    }

    fn call(&mut self, line: &Line<'_>, index: u32, block: &Value, raw: Option<&[u8]>, sink: &mut dyn Sink) {
        let call_id = json::text(block, "id").map(str::to_owned);
        let tool = json::text(block, "name").unwrap_or_default().to_owned();
        let none = Value::Null;
        let input = block.get("input").unwrap_or(&none);
        if let Some(id) = &call_id {
            let told = Some(hashed(&(&tool, input)));
            if !self.calls.is_new(id, told, line.number, &mut self.conflicts) {
                return self.count_repeated(line.number);
            }
        }
        let arguments = match raw {
            Some(raw) => String::from_utf8_lossy(raw).into_owned(),
            None => input.to_string(),
        };
        // A copied line keeps the stamp of the session it was copied from.
        let start = line.at.or_else(|| self.clock.not_before());
        let step = Step {
            call_id: call_id.clone(),
            actor: line.actor,
            start: start.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded }),
            command: shell::command(&tool, input),
            arguments,
            background: json::flag(input, "run_in_background"),
            approval: (self.waived && line.actor != Actor::Replayed).then_some(Approval::Waived),
            ..Step::new(&self.episode.id, (line.number, index), self.record(line.number), &tool)
        };
        match call_id {
            Some(call_id) => drop(self.pending.insert(call_id, step)),
            None => sink.step(step),
        }
    }

    fn user(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        let meta = json::flag(line.value, "isMeta") || json::flag(line.value, "isCompactSummary");
        let content = line.value.pointer("/message/content");
        let Some(blocks) = content.and_then(Value::as_array) else {
            return self.heard(line, 0, meta, content.map(json::content).unwrap_or_default(), sink);
        };
        let is_result = |block: &&Value| json::text(block, "type").is_some_and(|kind| kind.ends_with("tool_result"));
        let mirror = line.value.get("toolUseResult").or_else(|| line.value.get("tool_use_result"));
        // The mirror speaks of the one result of the line.
        let mirror = mirror.filter(|_| blocks.iter().filter(is_result).count() == 1);
        for (index, block) in (0u32..).zip(blocks) {
            match json::text(block, "type") {
                Some("text") => {
                    let said = json::text(block, "text").unwrap_or_default().to_owned();
                    self.heard(line, index, meta, said, sink);
                }
                Some(kind) if kind.ends_with("tool_result") => self.result(line, block, mirror, sink),
                _ => {}
            }
        }
    }

    /// A text in the place of the user: a prompt, or what the program put there.
    fn heard(&mut self, line: &Line<'_>, index: u32, meta: bool, said: String, sink: &mut dyn Sink) {
        let trimmed = said.trim_start();
        if let Some(command) = between(trimmed, "<bash-input>", "</bash-input>") {
            return self.typed_command(line, index, command, sink);
        }
        if trimmed.starts_with("<bash-stdout>")
            && let Some(call_id) = self.typed.take()
        {
            return self.typed_output(line, call_id, trimmed, sink);
        }
        let from_program =
            ["<local-command-", "<bash-", "<system-reminder>", "<task-notification>", "[Request interrupted"]
                .iter()
                .any(|start| trimmed.starts_with(start));
        let origin = if meta || from_program { TextOrigin::Environment } else { TextOrigin::Prompt };
        self.say(line, index, origin, said, sink);
    }

    /// Content that the program attached to the context; a prompt typed while the agent was at work comes so too.
    fn attachment(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        let Some(attachment) = line.value.get("attachment") else { return };
        match attachment.get("prompt").or_else(|| attachment.get("content")) {
            Some(prompt) if json::text(attachment, "type") == Some("queued_command") => {
                self.heard(line, 0, json::flag(line.value, "isMeta"), json::content(prompt), sink);
            }
            Some(content) => self.say(line, 0, TextOrigin::Environment, json::content(content), sink),
            None => {}
        }
    }

    /// A line of `history.jsonl`: what a person typed, when, and into which session.
    fn typed_prompt(&mut self, number: u64, value: &Value, display: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(display) = display.as_str() else { return sink.unread(number, "display is no text", raw) };
        let at = value.get("timestamp").and_then(Value::as_i64).and_then(|ms| {
            let at = Instant::from_parts(ms.div_euclid(1000), ms.rem_euclid(1000) * 1_000_000)?;
            Some(self.time.epoch(at, 1_000_000))
        });
        let session = json::text(value, "sessionId").or_else(|| json::text(value, "project")).unwrap_or_default();
        let id = format!("{}#{session}", self.episode.id);
        let episode = self.prompts.entry(id.clone()).or_insert_with(|| Episode {
            id: id.clone(),
            name: session.to_owned(),
            agent: Some("Claude Code".to_owned()),
            cwd: json::text(value, "project").map(str::to_owned),
            ..Episode::default()
        });
        if let Some(at) = at {
            episode.span = Some(episode.span.map_or(at, |known| known.cover(at)));
        }
        sink.text(EpisodeText {
            episode: id,
            origin: TextOrigin::Prompt,
            record: self.record(number),
            span: at,
            order: (number, 0),
            text: json::kept(display.to_owned()).0,
        });
        sink.record();
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        for step in std::mem::take(&mut self.pending).into_values() {
            sink.step(step);
        }
        for episode in std::mem::take(&mut self.prompts).into_values() {
            sink.episode(episode);
        }
        if self.known {
            self.episode.span = self.clock.span;
            self.episode.agent.get_or_insert_with(|| "Claude Code".to_owned());
            sink.episode(std::mem::take(&mut self.episode));
        }
        self.clock.report(sink);
        self.conflicts.report(sink);
        self.chain.report(&self.lines, sink);
        if self.repeated > 0 {
            sink.anomaly(Anomaly {
                record: self.first_repeated,
                kind: AnomalyKind::Duplicate,
                detail: format!("{} lines or calls repeat earlier ones and were counted once", self.repeated),
            });
        }
    }
}

/// The text between two tags at the beginning of `text`.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(open)?;
    Some(rest.split_once(close).map_or(rest, |(inner, _)| inner))
}
