//! Puts the spans of a file together into episodes and tells these.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::account::{About, Account, Answer, Call, Spot};
use super::super::{json, messages};
use super::{Span, Spans, Tool, What};
use crate::formats::{Collector, Sink};
use crate::model::{Actor, Approval, TextOrigin};
use crate::time;

/// Bound on the ancestors that are looked at: traces nest less deep than this, and hostile ones may run in circles.
const DEEPEST: usize = 64;

/// Tells all episodes of a file.
pub(super) fn tell(spans: Spans<'_>, sink: &mut dyn Sink) {
    let Spans { name, evidence, time, spans, .. } = spans;
    // A trace belongs to the conversation that any of its spans names.
    let mut conversations: BTreeMap<&str, &str> = BTreeMap::new();
    for span in &spans {
        if let (Some(conversation), false) = (&span.conversation, span.trace.is_empty()) {
            conversations.entry(&span.trace).or_insert(conversation);
        }
    }
    let key = |span: &Span| match &span.conversation {
        Some(conversation) => conversation.clone(),
        None => conversations.get(span.trace.as_str()).map_or_else(|| span.trace.clone(), |id| (*id).to_owned()),
    };
    let mut groups: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
    for span in &spans {
        groups.entry(key(span)).or_default().push(span);
    }
    let family = Family::of(&spans);
    groups.retain(|_, group| group.iter().any(|span| !matches!(span.what, What::Other | What::Function(_))));
    let alone = groups.len() == 1;
    for (key, group) in groups {
        let id = if alone { name.clone() } else { format!("{name}#{key}") };
        let shown = if key.is_empty() { json::stem(&name) } else { &key };
        let account = Account::new(&id, shown, evidence, time);
        Telling { family: &family, account, scratch: Account::new(&id, shown, evidence, time) }.episode(group, sink);
    }
}

/// Who is whose parent.
struct Family<'s>(BTreeMap<(&'s str, &'s str), &'s Span>);

impl<'s> Family<'s> {
    fn of(spans: &'s [Span]) -> Self {
        Family(spans.iter().filter(|span| !span.id.is_empty()).map(|span| ((&*span.trace, &*span.id), span)).collect())
    }

    fn ancestors(&self, of: &'s Span) -> impl Iterator<Item = &'s Span> {
        let parent = |span: &'s Span| self.0.get(&(&*span.trace, &*span.parent)).copied();
        std::iter::successors(parent(of), move |span| parent(span)).take(DEEPEST)
    }

    /// An agent that a tool of another agent set to work.
    fn actor(&self, of: &'s Span) -> Actor {
        let mut within_agent = false;
        for span in self.ancestors(of) {
            match span.what {
                What::Agent | What::Model { .. } => within_agent = true,
                What::Tool(_) if within_agent => return Actor::SubAgent,
                _ => {}
            }
        }
        if matches!(of.what, What::Model { .. }) && self.tool_around(of).is_some() {
            Actor::SubAgent
        } else {
            Actor::Policy
        }
    }

    /// The tool span around a span, without an agent between.
    fn tool_around(&self, of: &'s Span) -> Option<(&'s Span, &'s Tool)> {
        self.ancestors(of).take_while(|span| !matches!(span.what, What::Agent)).find_map(|span| match &span.what {
            What::Tool(tool) => Some((span, &**tool)),
            _ => None,
        })
    }
}

/// A call that is being put together.
#[derive(Debug)]
struct Known {
    number: u64,
    actor: Actor,
    tool: Tool,
    /// A model asked for it.
    proposed: bool,
    /// The tool ran, or something was written of that.
    seen: bool,
}

/// A text with its place.
struct Said {
    number: u64,
    actor: Actor,
    origin: TextOrigin,
    at: Option<time::Span>,
    text: String,
}

struct Telling<'s, 't> {
    family: &'s Family<'s>,
    account: Account<'t>,
    /// Tells messages of models apart; what it finds is put together with the spans.
    scratch: Account<'t>,
}

fn moment(span: Option<time::Span>) -> Option<time::Instant> {
    span.map(|span| span.lo)
}

impl<'s> Telling<'s, '_> {
    fn episode(mut self, mut group: Vec<&'s Span>, sink: &mut dyn Sink) {
        // Spans are written when they end: their beginnings order them.
        group.sort_by_key(|span| (moment(span.start.or(span.end)), span.number));
        for span in &group {
            self.scene(span);
        }
        let unasked = group.iter().any(|span| span.scene.unasked);
        let (proposed, said) = self.messages(&group);
        let mut calls = self.calls(&group, proposed);
        calls.extend(said.into_iter().map(Item::Said));
        // What has no time stays behind what stands before it in the file.
        calls.sort_by_key(Item::number);
        let mut last = None;
        let mut placed: Vec<(Option<time::Instant>, Item)> = Vec::new();
        for item in calls {
            last = item.at().or(last);
            placed.push((last, item));
        }
        placed.sort_by_key(|(at, item)| (*at, item.number()));
        for (rank, (_, item)) in (0u64..).zip(placed) {
            match item {
                Item::Said(said) => {
                    let spot = Spot { number: said.number, order: (rank, 0), at: said.at, actor: said.actor };
                    self.account.say(spot, said.origin, said.text, sink);
                }
                Item::Call(known) => self.call(rank, *known, unasked, sink),
            }
        }
        self.account.finish(sink);
    }

    fn scene(&mut self, span: &Span) {
        let scene = &span.scene;
        self.account.about(About {
            model: scene.model.as_deref(),
            agent: scene.agent.as_deref(),
            cwd: scene.cwd.as_deref(),
            host: scene.host.as_deref(),
            task: scene.task.as_deref(),
            sandbox: None,
        });
        let episode = &mut self.account.episode;
        episode.run = episode.run.take().or_else(|| scene.run.clone());
        episode.reward = episode.reward.or(scene.reward);
        for at in [span.start, span.end].into_iter().flatten() {
            episode.span = Some(episode.span.map_or(at, |known| known.cover(at)));
        }
    }

    /// Calls that models proposed, and texts. Each request repeats what was said before: that is told once.
    fn messages(&mut self, group: &[&'s Span]) -> (Vec<Known>, Vec<Said>) {
        let mut told: BTreeSet<String> = BTreeSet::new();
        let mut found = Collector::default();
        let mut actors: BTreeMap<u64, Actor> = BTreeMap::new();
        let mut said = Vec::new();
        let mut place = 0;
        for span in group {
            match &span.what {
                What::Said(origin, text) => said.push(Said {
                    number: span.number,
                    actor: Actor::Policy,
                    origin: *origin,
                    at: span.start,
                    text: text.clone(),
                }),
                What::Model { got, gave } => {
                    actors.insert(span.number, self.family.actor(span));
                    // When a call that a request repeats was made is not known, only that it was before.
                    let was_said = |message: &Value| json::text(message, "role") == Some("assistant");
                    let got = got.iter().map(|message| (span.start.filter(|_| !was_said(message)), message));
                    for (at, message) in got.chain(gave.iter().map(|message| (span.end.or(span.start), message))) {
                        if told.insert(message.to_string()) {
                            place += 1;
                            let spot = Spot { number: span.number, order: (place, 0), at, actor: Actor::Policy };
                            messages::message(&mut self.scratch, spot, message, None, &mut found);
                        }
                    }
                }
                _ => {}
            }
        }
        let actor = |number: u64| actors.get(&number).copied().unwrap_or_default();
        said.extend(found.texts.into_iter().map(|text| Said {
            number: text.record.number,
            actor: actor(text.record.number),
            origin: text.origin,
            at: text.span,
            text: text.text,
        }));
        // What a model gave and what the next request repeats differ in members that are empty.
        let mut once: BTreeSet<(TextOrigin, String)> = BTreeSet::new();
        said.retain(|said| once.insert((said.origin, said.text.clone())));
        let mut results: BTreeMap<String, _> =
            found.results.into_iter().rev().map(|result| (result.call_id.clone(), result)).collect();
        let proposed = found.steps.into_iter().map(|step| {
            let id = step.call_id.unwrap_or_default();
            let mut tool = Tool {
                name: step.tool,
                arguments: step.arguments,
                command: step.command,
                start: step.start,
                ..Tool::default()
            };
            if let Some(result) = results.remove(&id) {
                tool.output = result.output;
                tool.exit_code = result.exit_code;
                tool.end = result.end;
                tool.not_executed = result.not_executed;
                tool.result_number = Some(result.record.number);
            }
            tool.call_id = Some(id).filter(|id| !id.starts_with('#'));
            let number = step.record.number;
            Known { number, actor: actor(number), tool, proposed: true, seen: false }
        });
        (proposed.collect(), said)
    }

    /// Every call once, with all that is known of it.
    fn calls(&self, group: &[&'s Span], proposed: Vec<Known>) -> Vec<Item> {
        let mut calls = proposed;
        let mut by_id: BTreeMap<String, usize> = BTreeMap::new();
        for (at, known) in calls.iter().enumerate() {
            if let Some(id) = &known.tool.call_id {
                by_id.entry(id.clone()).or_insert(at);
            }
        }
        // Spans of tools that have no id of the call, by their own.
        let mut by_span: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let waiting = calls.len();
        for span in group {
            let (tool, certain) = match &span.what {
                What::Tool(tool) => (&**tool, true),
                What::Function(tool) => (&**tool, false),
                _ => continue,
            };
            let own = (&*span.trace, &*span.id);
            let mut tool = tool.clone();
            if tool.output.is_some() {
                tool.result_number = Some(span.number);
            }
            let id = tool.call_id.clone();
            // A tool within a tool of the same name is one call, instrumented twice.
            let around = self.family.tool_around(span).filter(|(_, outer)| {
                tool.call_id.is_none() && (outer.name == tool.name || (certain && tool.name.is_empty()))
            });
            let at = tool
                .call_id
                .as_ref()
                .and_then(|id| by_id.get(id).copied())
                // A span that came in parts: its beginning and its end.
                .or_else(|| if span.id.is_empty() { None } else { by_span.get(&own).copied() })
                .or_else(|| around.and_then(|(outer, _)| by_span.get(&(&*outer.trace, &*outer.id)).copied()))
                .or_else(|| {
                    if tool.call_id.is_none() {
                        calls.get(..waiting).and_then(|calls| proposal(calls, &tool))
                    } else {
                        None
                    }
                })
                .or_else(|| if tool.call_id.is_none() && tool.logged { unlogged(&calls, &tool) } else { None });
            let at = match at.and_then(|at| Some((at, calls.get_mut(at)?))) {
                Some((at, known)) => {
                    // What a tool says of itself goes before what the model's request repeats of it.
                    if !known.seen {
                        tool.merge(std::mem::take(&mut known.tool));
                        known.number = span.number;
                        known.tool = tool;
                    } else {
                        known.tool.merge(tool);
                    }
                    known.seen = true;
                    at
                }
                None if !certain => continue,
                None => {
                    let actor = self.family.actor(span);
                    let known = Known { number: span.number, actor, tool, proposed: false, seen: true };
                    calls.push(known);
                    calls.len() - 1
                }
            };
            if let Some(id) = id {
                by_id.entry(id).or_insert(at);
            }
            if !span.id.is_empty() {
                by_span.insert(own, at);
            }
        }
        calls.into_iter().map(|known| Item::Call(Box::new(known))).collect()
    }

    fn call(&mut self, rank: u64, known: Known, unasked: bool, sink: &mut dyn Sink) {
        let Known { number, actor, tool, .. } = known;
        let own = format!("span-{number}");
        let id = tool.call_id.as_deref().unwrap_or(&own);
        let parsed = serde_json::from_str(&tool.arguments).unwrap_or_else(|_| Value::String(tool.arguments.clone()));
        let approval = match tool.approval {
            Some(Approval::Given) if unasked => Some(Approval::Waived),
            None if unasked => Some(Approval::Waived),
            known => known,
        };
        let spot = Spot { number, order: (rank, 0), at: None, actor };
        let end_in_call = tool.output.is_none() && tool.exit_code.is_none();
        let call = Call {
            id: Some(id),
            tool: &tool.name,
            arguments: tool.arguments,
            command: tool.command,
            start: tool.start,
            end: tool.end.filter(|_| end_in_call),
            duration_ns: tool.duration_ns.filter(|_| end_in_call),
            not_executed: tool.not_executed,
            approval,
            place: tool.place,
            ..Call::default()
        };
        self.account.call(spot, call, &parsed, sink);
        if !end_in_call {
            let answer = Answer {
                id: Some(id),
                output: tool.output.unwrap_or_default(),
                exit_code: tool.exit_code,
                end: tool.end,
                duration_ns: tool.duration_ns,
                not_executed: tool.not_executed,
                ..Answer::default()
            };
            let spot = Spot { number: tool.result_number.unwrap_or(number), ..spot };
            self.account.answer(spot, answer, sink);
        }
    }
}

/// The proposal that a tool without an id of the call is likely the answer to: the first that nothing was seen of, with
/// the same name and arguments, the same arguments, or the same name where a side does not tell arguments.
fn proposal(proposals: &[Known], tool: &Tool) -> Option<usize> {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let arguments = value(&tool.arguments);
    let open = |known: &&Known| known.proposed && !known.seen;
    let found = |matches: &dyn Fn(&Known) -> bool| proposals.iter().position(|known| open(&known) && matches(known));
    let same = |known: &Known| !tool.arguments.is_empty() && value(&known.tool.arguments) == arguments;
    found(&|known| known.tool.name == tool.name && same(known))
        .or_else(|| found(&|known| same(known) && arguments != Value::Object(serde_json::Map::new())))
        .or_else(|| {
            found(&|known| {
                known.tool.name == tool.name && (tool.arguments.is_empty() || known.tool.arguments.is_empty())
            })
        })
}

/// The call that a log entry without an id tells of again.
fn unlogged(calls: &[Known], tool: &Tool) -> Option<usize> {
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    calls.iter().position(|known| {
        known.seen
            && !known.tool.logged
            && known.tool.name == tool.name
            && (known.tool.arguments.is_empty() || value(&known.tool.arguments) == value(&tool.arguments))
    })
}

/// Something to tell.
enum Item {
    Call(Box<Known>),
    Said(Said),
}

impl Item {
    fn number(&self) -> u64 {
        match self {
            Item::Call(known) => known.number,
            Item::Said(said) => said.number,
        }
    }

    fn at(&self) -> Option<time::Instant> {
        match self {
            Item::Call(known) => moment(known.tool.start.or(known.tool.end).map(|endpoint| endpoint.span)),
            Item::Said(said) => moment(said.at),
        }
    }
}
