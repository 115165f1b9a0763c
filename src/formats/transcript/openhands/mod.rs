//! OpenHands: events one by one (V0 and the V1 SDK), evaluation files, and what lies beside the events.
//!
//! Source: OpenHands `openhands/events/` (V0), openhands-sdk 1.x (V1), and files of OpenDevin 2024 to OpenHands 2025.
//! - V0 `<session>/events/<id>.json`: `{id, timestamp, source, cause, action + args | observation + content + extras}`
//! - V1 `<conversation>/events/event-<n>-<uuid>.json`: `{kind, id, timestamp, source, ...}`
//! - `output.jsonl`: a row per instance with `history`, as events, as pairs of action and observation, or without times
//! - `metadata.json` (V0) and `base_state.json` (V1): the model of the conversation
//!
//! An action is stamped when the model's answer was parsed, an observation when it came back: a bracket. The stamps
//! are local and naive. In V0 the answer that an action came from carries the provider's epoch (`created`), a little
//! earlier; that proves the zone of the writer (see [`zone`]), and its stamps are then as good as explicit ones. A
//! zone that was declared by the responder goes before. V1 has no such anchor.

mod rows;
#[cfg(test)]
mod tests;
mod v0;
mod v1;
mod zone;

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

use super::stamps::{Clock, Stamp, unreadable};
use super::{json, scan};
use crate::evidence::{EvidenceId, Head, Input, Record};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind, Episode, EpisodeText, Step, StepResult, TextOrigin};
use crate::time::{Span, TimeContext, ZoneSource};

/// The OpenHands reader.
pub struct OpenHands;

impl Format for OpenHands {
    fn id(&self) -> &'static str {
        "openhands"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenHands V0 and V1 event files and evaluation output.jsonl, OpenDevin output.jsonl"
    }

    fn record_unit(&self) -> &'static str {
        "event"
    }

    fn probe(&self, head: &Head) -> Match {
        // The head may be one object over many lines, objects line by line, or a list of them.
        let listed = scan::first(&head.bytes);
        let members = scan::members(scan::first(listed));
        let get = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let word = |name: &str| get(name).and_then(scan::plain_string);
        let by_party = matches!(word("source"), Some("agent" | "user" | "environment" | "hook"));
        let of_sdk = |kind: &str| kind.ends_with("Event") || kind == "Condensation" || kind == "UserRejectObservation";
        if word("kind").is_some_and(of_sdk) && by_party && get("id").is_some() && get("timestamp").is_some() {
            return Match::Certain("an event of the V1 SDK with kind and source".to_owned());
        }
        let acts = word("action").is_some() || word("observation").is_some();
        if acts && by_party && get("id").is_some() && get("timestamp").is_some() {
            return Match::Certain("a V0 event with id, source, and action or observation".to_owned());
        }
        if let Some(history) = get("history") {
            let first = scan::first(history);
            let first = scan::members(scan::first(first));
            let speaks = |name: &str| first.iter().any(|(found, _)| *found == name);
            let event = speaks("action") || speaks("observation") || (speaks("kind") && speaks("source"));
            let row = get("instance_id").is_some() || (get("issue").is_some() && get("instruction").is_some());
            if event && row {
                return Match::Certain("rows of an evaluation with a history of events".to_owned());
            }
        } else if get("instance_id").is_some() && get("instruction").is_some() && get("test_result").is_some() {
            // A long row: its history lies behind the head.
            return Match::Likely(70, "rows of an evaluation with instance_id, instruction and test_result".to_owned());
        }
        if get("conversation_id").is_some() && get("llm_model").is_some() && get("created_at").is_some() {
            return Match::Certain("the metadata of a V0 conversation".to_owned());
        }
        if get("agent").is_some() && get("workspace").is_some() && get("persistence_dir").is_some() {
            return Match::Certain("the state of a V1 conversation".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        rows::read(input, time, sink)
    }
}

/// An episode being read, from one event file or one row.
struct Reader<'a> {
    time: &'a TimeContext,
    evidence: EvidenceId,
    episode: Episode,
    /// Seconds east of UTC, where the events prove it.
    offset_s: Option<i32>,
    clock: Clock,
    /// Calls of the episode, where all of it stands in one file.
    calls: Option<BTreeSet<String>>,
    /// The action above, for histories whose observations do not name theirs.
    last_call: Option<String>,
}

/// Where an event stands and when it was.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    order: u64,
    at: Option<Span>,
}

impl Reader<'_> {
    fn record(&self, place: Place) -> Record {
        Record { evidence: self.evidence, number: place.number }
    }

    /// The span of a stamp: an explicit offset, a declared zone, a proven zone, or UTC assumed.
    fn span(&self, stamp: Stamp) -> Option<Span> {
        match (stamp.offset_s, self.time.zone, self.offset_s) {
            (None, ZoneSource::AssumedUtc, Some(offset)) => stamp.span_at(offset, self.time),
            _ => stamp.span(self.time),
        }
    }

    /// Where an event stands and when it was. A stamp that cannot be read is reported.
    fn place(&mut self, event: &Value, number: u64, order: u64, sink: &mut dyn Sink) -> Place {
        let written = json::text(event, "timestamp");
        let at = written.and_then(Stamp::parse).and_then(|stamp| self.span(stamp));
        match (written, at) {
            (_, Some(at)) => self.clock.saw(number, at),
            (Some(written), None) => sink.anomaly(unreadable(number, written)),
            (None, None) => {}
        }
        Place { number, order, at }
    }

    fn say(&self, place: Place, origin: TextOrigin, said: String, sink: &mut dyn Sink) {
        if said.trim().is_empty() {
            return;
        }
        sink.text(EpisodeText {
            episode: self.episode.id.clone(),
            origin,
            record: self.record(place),
            span: place.at,
            order: (place.order, 0),
            text: json::kept(said).0,
        });
    }

    /// A step at a place, with nothing known but its tool.
    fn step(&self, place: Place, tool: &str) -> Step {
        let start = place.at.or_else(|| self.clock.not_before());
        Step {
            start: start.map(|span| Endpoint { span, kind: EndpointKind::CallRecorded }),
            ..Step::new(&self.episode.id, (place.order, 1), self.record(place), tool)
        }
    }

    fn result(&self, place: Place, call_id: String, output: String) -> StepResult {
        let (output, output_omitted_bytes) = json::kept(output);
        StepResult {
            end: place.at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }),
            output: Some(output),
            output_omitted_bytes,
            ..StepResult::new(&self.episode.id, &call_id, self.record(place))
        }
    }

    /// An event of either generation. False if it is neither. `raw` is its text where that is at hand.
    fn event(&mut self, event: &Value, raw: &[u8], place: Place, sink: &mut dyn Sink) -> bool {
        match json::text(event, "kind") {
            Some(kind) => self.v1(kind, event, raw, place, sink),
            None => self.v0(event, raw, place, sink),
        }
    }

    /// A model and a host, where an event names them.
    fn about(&mut self, model: Option<&str>, host: Option<&str>, cwd: Option<&str>) {
        let slots = [(&mut self.episode.model, model), (&mut self.episode.host, host), (&mut self.episode.cwd, cwd)];
        for (slot, found) in slots {
            if slot.is_none() {
                *slot = found.filter(|found| !found.is_empty()).map(str::to_owned);
            }
        }
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        self.episode.span = self.clock.span;
        self.episode.agent.get_or_insert_with(|| "OpenHands".to_owned());
        self.clock.report(sink);
        sink.episode(self.episode);
    }
}
