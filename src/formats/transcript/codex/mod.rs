//! Codex: rollout files of all generations, and what `codex exec --json` prints.
//!
//! Read off versions 0.20 to 0.169. A line is `{timestamp, type, payload}`; the first generation (to mid-2025) wrote
//! the bare items behind one line of session data, without times. Version 0.4x wrote a turn when it was over, so
//! that a call and its output carry one and the same stamp, taken after the command ended: such a call began
//! between the last other stamp and the flush less its duration. A forked session opens with the history of its
//! parent, stamped with the moment of the fork: those calls are replayed, not made. `codex exec --json` has exit
//! codes and no times at all.

mod call;
mod output;
mod printed;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use serde_json::Value;

use super::stamps::{self, Clock};
use super::told::{Conflicts, Told};
use super::{json, scan};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Head, Input, Record};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Episode, EpisodeText, TextOrigin};
use crate::time::{Instant, SECOND, Span, TimeContext};
use call::Open;

/// The Codex reader.
pub struct Codex;

const ENVELOPES: &[&str] = &["session_meta", "response_item", "event_msg", "turn_context", "compacted"];
const ITEMS: &[&str] =
    &["message", "reasoning", "function_call", "function_call_output", "local_shell_call", "custom_tool_call"];

impl Format for Codex {
    fn id(&self) -> &'static str {
        "codex"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Codex rollout files of all generations, and printed codex exec --json"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let mut bare_meta = false;
        for (index, line) in scan::lines(&head.bytes, 20).enumerate() {
            let members = scan::members(line);
            let has = |name: &str| members.iter().any(|(found, _)| *found == name);
            let word = |name: &str| {
                members.iter().find(|(found, _)| *found == name).and_then(|(_, value)| scan::plain_string(value))
            };
            match word("type") {
                Some(kind) if ENVELOPES.contains(&kind) && has("payload") && has("timestamp") => {
                    return Match::Certain(format!("a {kind} line with timestamp and payload"));
                }
                Some("thread.started") if has("thread_id") && index == 0 => {
                    return Match::Certain("a thread.started line of codex exec --json".to_owned());
                }
                Some(kind) if bare_meta && ITEMS.contains(&kind) => {
                    return Match::Certain("session data and bare items, as the first generation wrote".to_owned());
                }
                None if index == 0 && has("id") && has("timestamp") && has("instructions") => bare_meta = true,
                _ => {}
            }
        }
        if bare_meta {
            Match::Likely(50, "session data with id, timestamp and instructions".to_owned())
        } else {
            Match::No
        }
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
    known: bool,
    clock: Clock,
    actor: Actor,
    /// While the history of a parent is being copied: the latest stamp of the copy.
    copying: Option<Instant>,
    calls: Told,
    answered: Told,
    conflicts: Conflicts,
    /// Calls that wait for their output.
    open: BTreeMap<String, Open>,
    /// The call that ran a command last, for events that name it by an id of their own.
    commands: HashMap<String, String>,
    last_call: Option<String>,
    /// Nobody is asked before a call runs (`approval_policy` never).
    waived: bool,
    /// Calls that were asked for.
    asked: HashSet<String>,
    /// The stamp of the line above, and the latest stamp that differs from it.
    stamp: Option<Span>,
    other_stamp: Option<Span>,
    /// Runs printed into this file.
    threads: u32,
    repeated: u64,
    first_repeated: u64,
}

/// What an item needs to know of its line.
struct Line<'a> {
    number: u64,
    /// The text of the item.
    raw: &'a [u8],
    at: Option<Span>,
    actor: Actor,
}

impl<'a> Reader<'a> {
    fn new(input: &Input, time: &'a TimeContext) -> Self {
        let name = json::stem(&input.name).to_owned();
        Reader {
            time,
            evidence: input.evidence,
            episode: Episode { id: input.name.clone(), name, ..Episode::default() },
            known: false,
            clock: Clock::default(),
            actor: Actor::Policy,
            copying: None,
            calls: Told::default(),
            answered: Told::default(),
            conflicts: Conflicts::default(),
            open: BTreeMap::new(),
            commands: HashMap::new(),
            last_call: None,
            waived: false,
            asked: HashSet::new(),
            stamp: None,
            other_stamp: None,
            threads: 0,
            repeated: 0,
            first_repeated: 0,
        }
    }

    fn record(&self, number: u64) -> Record {
        Record { evidence: self.evidence, number }
    }

    fn line(&mut self, number: u64, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let Some(kind) = json::text(value, "type") else {
            if value.get("record_type").is_some() {
                self.known = true;
                return sink.record();
            }
            if value.get("id").is_some() && value.get("timestamp").is_some() {
                self.dated(number, value, sink);
                self.session(value);
                return sink.record();
            }
            return sink.unread(number, "line without a type", raw);
        };
        let at = self.dated(number, value, sink);
        let item = scan::member(raw, "payload").unwrap_or(raw);
        let line = Line { number, raw: item, at, actor: self.actor_at(at) };
        let understood = match (kind, value.get("payload")) {
            ("session_meta", Some(meta)) => {
                self.session(meta);
                true
            }
            ("turn_context", Some(context)) => {
                self.fill(json::text(context, "model"), json::text(context, "cwd"));
                if let Some(policy) = json::text(context, "approval_policy") {
                    self.waived = policy == "never";
                }
                true
            }
            ("response_item", Some(item)) => self.item(&line, item, sink),
            ("event_msg", Some(event)) => self.event(&line, event, sink),
            ("compacted", Some(compacted)) => {
                let said = json::text(compacted, "message").unwrap_or_default().to_owned();
                self.say(&line, TextOrigin::Environment, said, sink);
                true
            }
            ("inter_agent_communication", Some(said)) => {
                self.say(&line, TextOrigin::Environment, json::content(said), sink);
                true
            }
            // Books of the program: world_state, token_usage_record and what comes after them.
            (_, Some(_)) => true,
            (kind, None) if kind.contains('.') || kind == "error" => self.printed(&line, kind, value, sink),
            (_, None) => self.item(&line, value, sink),
        };
        if understood {
            self.known = true;
            sink.record();
        } else {
            sink.unread(number, "type of line not known", raw);
        }
    }

    fn dated(&mut self, number: u64, value: &Value, sink: &mut dyn Sink) -> Option<Span> {
        let stamp = json::text(value, "timestamp")?;
        let Some(at) = stamps::span(stamp, self.time) else {
            sink.anomaly(stamps::unreadable(number, stamp));
            return None;
        };
        self.clock.saw(number, at);
        if self.stamp != Some(at) {
            self.other_stamp = self.stamp;
            self.stamp = Some(at);
        }
        Some(at)
    }

    /// Data of the session. The first in a file is its own; further ones came with a copied history.
    fn session(&mut self, meta: &Value) {
        if self.episode.agent.is_some() {
            return;
        }
        self.known = true;
        let version = json::text(meta, "cli_version");
        self.episode.agent = Some(version.map_or("Codex".to_owned(), |version| format!("Codex {version}")));
        self.fill(json::text(meta, "model"), json::text(meta, "cwd"));
        let spawned =
            meta.pointer("/source/subagent").is_some() || json::text(meta, "thread_source") == Some("subagent");
        if spawned {
            self.actor = Actor::SubAgent;
        }
        let forked = spawned
            || ["forked_from_id", "parent_thread_id"].iter().any(|key| meta.get(key).is_some_and(Value::is_string));
        self.copying = self.stamp.filter(|_| forked).map(|at| at.hi);
    }

    fn fill(&mut self, model: Option<&str>, cwd: Option<&str>) {
        for (slot, found) in [(&mut self.episode.model, model), (&mut self.episode.cwd, cwd)] {
            if slot.is_none() {
                *slot = found.filter(|found| !found.is_empty()).map(str::to_owned);
            }
        }
    }

    /// A copied history is written in one burst when the fork is made; the first line a second later is the fork's own.
    fn actor_at(&mut self, at: Option<Span>) -> Actor {
        let (Some(latest), Some(at)) = (self.copying, at) else { return self.actor };
        if at.lo.since(latest) >= SECOND {
            self.copying = None;
            return self.actor;
        }
        self.copying = Some(latest.max(at.hi));
        Actor::Replayed
    }

    fn say(&self, line: &Line<'_>, origin: TextOrigin, said: String, sink: &mut dyn Sink) {
        if said.trim().is_empty() {
            return;
        }
        sink.text(EpisodeText {
            episode: self.episode.id.clone(),
            origin,
            record: self.record(line.number),
            span: line.at,
            order: (line.number, 0),
            text: json::kept(said).0,
        });
    }

    /// An item of the conversation. False if its type is not known.
    fn item(&mut self, line: &Line<'_>, item: &Value, sink: &mut dyn Sink) -> bool {
        match json::text(item, "type").unwrap_or_default() {
            "message" => {
                let said = item.get("content").map(json::content).unwrap_or_default();
                let origin = match json::text(item, "role") {
                    Some("assistant") => TextOrigin::Agent,
                    Some("user") if !from_program(&said) => TextOrigin::Prompt,
                    _ => TextOrigin::Environment,
                };
                self.say(line, origin, said, sink);
            }
            "reasoning" => {
                let parts = [item.get("summary"), item.get("content")];
                let said: Vec<String> =
                    parts.into_iter().flatten().map(json::content).filter(|part| !part.is_empty()).collect();
                self.say(line, TextOrigin::Agent, said.join("\n"), sink);
            }
            kind if kind.ends_with("_call_output") || kind.ends_with("_search_output") => self.output(line, item, sink),
            kind if kind.ends_with("_call") => self.call(line, kind, item, sink),
            // Encrypted or binary context, compaction markers, snapshots.
            "compaction" | "compaction_summary" | "compaction_trigger" | "context_compaction" | "ghost_snapshot"
            | "agent_message" | "other" => {}
            _ => return false,
        }
        true
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        self.close_all(sink);
        if self.known {
            self.episode.span = self.clock.span;
            self.episode.agent.get_or_insert_with(|| "Codex".to_owned());
            sink.episode(std::mem::take(&mut self.episode));
        }
        self.clock.report(sink);
        if self.repeated > 0 {
            sink.anomaly(Anomaly {
                record: self.first_repeated,
                kind: AnomalyKind::Duplicate,
                detail: format!("{} calls or outputs repeat earlier ones and were counted once", self.repeated),
            });
        }
        self.conflicts.report(sink);
    }
}

/// Whether a message in the place of the user was put there by the program.
fn from_program(said: &str) -> bool {
    let said = said.trim_start();
    [
        "<environment_context>",
        "<user_instructions>",
        "<INSTRUCTIONS>",
        "# AGENTS.md instructions",
        "<turn_aborted>",
        "<permissions",
        "<skill",
        "<subagent_notification>",
        "<user_shell_command>",
        "<collaboration_mode>",
    ]
    .iter()
    .any(|start| said.starts_with(start))
}
