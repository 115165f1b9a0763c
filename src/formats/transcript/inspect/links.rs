//! What the events of a sample have to do with each other: spans within spans, and which commands of the sandbox a tool
//! call was carried out by.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::super::{json, stamps};
use super::sample::Seen;
use crate::model::Actor;
use crate::time::{Span, TimeContext};

/// A span: a stretch of the run within another.
struct Stretch {
    within: Option<String>,
    kind: String,
}

/// How deep spans are followed.
const DEEPEST: usize = 64;

#[derive(Default)]
pub(super) struct Links {
    spans: BTreeMap<String, Stretch>,
    /// Of each sandbox event that belongs to one: the tool event.
    pub(super) tool_of: BTreeMap<usize, usize>,
    /// The same from the other side.
    pub(super) execs_of: BTreeMap<usize, Vec<usize>>,
    /// Calls that were let through or refused: by their id, whether they were let through.
    pub(super) decided: BTreeMap<String, bool>,
}

impl Links {
    pub(super) fn of(events: &[Seen], time: &TimeContext) -> Self {
        let mut links = Links::default();
        // Spans of tools, by what they lie in and their name, in order.
        let mut open: BTreeMap<(Option<&str>, &str), VecDeque<&str>> = BTreeMap::new();
        for Seen { event, .. } in events {
            let text = |key: &str| json::text(event, key);
            match text("event") {
                Some("span_begin") => {
                    let (Some(id), kind) = (text("id"), text("type").unwrap_or_default()) else { continue };
                    let within = text("parent_id");
                    if kind == "tool" {
                        open.entry((within, text("name").unwrap_or_default())).or_default().push_back(id);
                    }
                    let stretch = Stretch { within: within.map(str::to_owned), kind: kind.to_owned() };
                    links.spans.insert(id.to_owned(), stretch);
                }
                Some("approval") => {
                    let call = event.pointer("/call/id").and_then(Value::as_str);
                    if let (Some(call), Some(decision)) = (call, text("decision"))
                        && decision != "escalate"
                    {
                        links.decided.insert(call.to_owned(), matches!(decision, "approve" | "modify"));
                    }
                }
                _ => {}
            }
        }
        // The tool event of each tool's span.
        let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
        let mut tools: Vec<(usize, Span, Span)> = Vec::new();
        for (index, Seen { event, .. }) in events.iter().enumerate() {
            if json::text(event, "event") != Some("tool") {
                continue;
            }
            let key = (json::text(event, "span_id"), json::text(event, "function").unwrap_or_default());
            if let Some(span) = open.get_mut(&key).and_then(VecDeque::pop_front) {
                owner.insert(span, index);
            }
            let moment = |key: &str| stamps::of_value(event.get(key)?, time);
            if let (Some(from), Some(to)) = (moment("timestamp"), moment("completed")) {
                tools.push((index, from, to));
            }
        }
        for (index, Seen { event, inside }) in events.iter().enumerate() {
            if json::text(event, "event") != Some("sandbox") {
                continue;
            }
            let by_span = || links.ancestors(json::text(event, "span_id")).find_map(|id| owner.get(id).copied());
            let tool = inside.or_else(by_span).or_else(|| {
                // Logs without spans of tools: the only call that was under way.
                let from = stamps::of_value(event.get("timestamp")?, time)?;
                let mut around = tools.iter().filter(|(_, start, end)| start.lo <= from.hi && from.lo <= end.hi);
                let (tool, ..) = around.next().filter(|_| owner.is_empty())?;
                around.next().is_none().then_some(*tool)
            });
            if let Some(tool) = tool {
                links.tool_of.insert(index, tool);
                links.execs_of.entry(tool).or_default().push(index);
            }
        }
        links
    }

    /// A span and those around it, from the inside.
    fn ancestors<'a>(&'a self, span: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        std::iter::successors(span, |id| self.spans.get(*id)?.within.as_deref()).take(DEEPEST)
    }

    /// Who acts in a span: an agent that was called as a tool, or by an agent, is a sub-agent; what prepares and scores a
    /// sample belongs to the harness.
    pub(super) fn actor(&self, span: Option<&str>) -> Actor {
        let mut agents = 0;
        for kind in self.ancestors(span).filter_map(|id| Some(self.spans.get(id)?.kind.as_str())) {
            match kind {
                "agent" => agents += 1,
                "tool" | "handoff" if agents > 0 => return Actor::SubAgent,
                "scorer" | "scorers" | "init" => return Actor::Harness,
                _ => {}
            }
        }
        if agents > 1 { Actor::SubAgent } else { Actor::Policy }
    }
}
