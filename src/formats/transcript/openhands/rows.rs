//! Which of the shapes a file has, and to which episode its events belong.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Cursor, Read};

use serde_json::Value;

use super::super::stamps::{Clock, Stamp};
use super::super::{json, scan};
use super::zone::{self, Zone};
use super::{Place, Reader};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Input};
use crate::formats::Sink;
use crate::model::{Episode, TextOrigin};
use crate::time::TimeContext;

pub(super) fn read(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let mut file = File {
        name: input.name.clone(),
        evidence: input.evidence,
        time,
        events: 0,
        instances: BTreeMap::new(),
        single: None,
    };
    let mut rest = BufReader::new(&mut *input);
    let mut start = Vec::new();
    (&mut rest).take(64).read_until(b'\n', &mut start)?;
    // A file that a program indented begins with a line of one bracket.
    let outcome = if matches!(start.trim_ascii(), b"{" | b"[") && start.ends_with(b"\n") {
        let text = json::whole(&mut Cursor::new(start).chain(rest), sink)?;
        match serde_json::from_slice::<Value>(&text) {
            Ok(value) => file.value(&value, &text, sink),
            Err(error) => file.torn(&error, &text, sink),
        }
        Ok(())
    } else {
        let mut all = Cursor::new(start).chain(rest);
        json::lines(&mut all, sink, &mut |_, value, raw, sink| file.value(value, raw, sink))
    };
    if let Some(single) = file.single.take() {
        single.finish(sink);
    }
    outcome
}

struct File<'a> {
    name: String,
    evidence: EvidenceId,
    time: &'a TimeContext,
    /// Events so far, over all rows.
    events: u64,
    /// How often an instance has come.
    instances: BTreeMap<String, u32>,
    /// The episode of events that stand alone.
    single: Option<Reader<'a>>,
}

impl<'a> File<'a> {
    fn value(&mut self, value: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let known_row = |key: &str| value.get(key).is_some();
        match (value, value.get("history")) {
            (Value::Array(events), _) => {
                let episode =
                    Episode { id: self.name.clone(), name: json::stem(&self.name).to_owned(), ..Episode::default() };
                self.history(with_text(events, raw), episode, sink);
            }
            (_, Some(history)) if known_row("instance_id") || known_row("issue") || known_row("instruction") => {
                self.row(value, history, raw, sink);
            }
            _ if known_row("llm_model") && known_row("conversation_id") => {
                self.beside(json::text(value, "llm_model"), value, sink);
            }
            _ if known_row("persistence_dir") && known_row("agent") => {
                self.beside(value.pointer("/agent/llm/model").and_then(Value::as_str), value, sink);
            }
            _ => self.event(value, raw, sink),
        }
    }

    /// What lies beside the events: the model, and how long the conversation was.
    fn beside(&mut self, model: Option<&str>, value: &Value, sink: &mut dyn Sink) {
        self.events += 1;
        let mut reader = self.reader(directory(&self.name));
        reader.about(model, None, value.pointer("/workspace/working_dir").and_then(Value::as_str));
        sink.record();
        reader.finish(sink);
    }

    fn reader(&self, episode: Episode) -> Reader<'a> {
        Reader {
            time: self.time,
            evidence: self.evidence,
            episode,
            offset_s: None,
            clock: Clock::default(),
            calls: None,
            last_call: None,
        }
    }

    /// An event that stands alone.
    fn event(&mut self, event: &Value, raw: &[u8], sink: &mut dyn Sink) {
        self.events += 1;
        let number = self.events;
        let (episode, in_name) = of_event(&self.name);
        let zone = zone::of_event(event);
        let mut reader = self.single.take().unwrap_or_else(|| self.reader(episode));
        reader.offset_s = zone.offset().or(reader.offset_s);
        self.odd_zone(zone, Some(event), number, sink);
        let order = event.get("id").and_then(Value::as_u64).or(in_name).unwrap_or(number);
        let place = reader.place(event, number, order, sink);
        // A file of one event has its place in its name; without, V1 events follow each other by their stamps.
        let order = match (event.get("id").and_then(Value::as_u64).or(in_name), place.at) {
            (None, Some(at)) if number == 1 => u64::try_from(at.lo.0).unwrap_or(number),
            _ => order,
        };
        if reader.event(event, raw, Place { order, ..place }, sink) {
            sink.record();
        } else {
            sink.unread(number, "neither an event nor a row", raw);
        }
        self.single = Some(reader);
    }

    /// A row of an evaluation.
    fn row(&mut self, row: &Value, history: &Value, raw: &[u8], sink: &mut dyn Sink) {
        let instance = match (row.get("instance_id"), row.pointer("/issue/number")) {
            (Some(Value::String(instance)), _) => instance.clone(),
            (Some(other), _) if other.is_number() => other.to_string(),
            (_, Some(issue)) => format!("issue-{issue}"),
            _ => "row".to_owned(),
        };
        let times = self.instances.entry(instance.clone()).or_default();
        *times += 1;
        let name = if *times > 1 { format!("{instance}~{times}") } else { instance };
        let class = row.pointer("/metadata/agent_class").and_then(Value::as_str);
        let resolved = ["/test_result/report/resolved", "/test_result/resolved"]
            .iter()
            .find_map(|path| row.pointer(path).and_then(Value::as_bool));
        let episode = Episode {
            id: format!("{}#{name}", self.name),
            name,
            model: row.pointer("/metadata/llm_config/model").and_then(Value::as_str).map(str::to_owned),
            agent: class.map(|class| format!("OpenHands {class}")),
            reward: resolved.map(|resolved| if resolved { 1.0 } else { 0.0 }),
            ..Episode::default()
        };
        let none = Vec::new();
        let events = history.as_array().unwrap_or(&none);
        self.history(with_text(events, scan::member(raw, "history").unwrap_or_default()), episode, sink);
    }

    /// A list of events that is cut or ill: what is whole of it is read.
    fn torn(&mut self, error: &serde_json::Error, text: &[u8], sink: &mut dyn Sink) {
        let mut events: Vec<(Value, &[u8])> = Vec::new();
        let mut bad = 0;
        for raw in scan::elements(text) {
            match serde_json::from_slice(raw) {
                Ok(event) => events.push((event, raw)),
                Err(error) => {
                    bad += 1;
                    json::unparsed(events.len() as u64 + 1, &error, false, raw, sink);
                }
            }
        }
        if bad == 0 {
            json::unparsed(events.len() as u64 + 1, error, false, text.get(..160).unwrap_or(text), sink);
        }
        if !events.is_empty() {
            let episode =
                Episode { id: self.name.clone(), name: json::stem(&self.name).to_owned(), ..Episode::default() };
            self.history(events.iter().map(|(event, raw)| (event, *raw)), episode, sink);
        }
    }

    /// The events of one episode, in order, each with its text: single, or in pairs of action and observation.
    fn history<'e>(
        &mut self,
        history: impl Iterator<Item = (&'e Value, &'e [u8])>,
        episode: Episode,
        sink: &mut dyn Sink,
    ) {
        let mut events: Vec<(&Value, &[u8])> = Vec::new();
        for (element, raw) in history {
            match element.as_array() {
                Some(pair) => events.extend(with_text(pair, raw)),
                None => events.push((element, raw)),
            }
        }
        let actions = events.iter().filter(|(event, _)| event.get("action").is_some());
        let zone = zone::of_actions(actions.filter_map(|(event, _)| zone::difference(event)));
        let mut reader = self.reader(episode);
        reader.offset_s = zone.offset();
        reader.calls = Some(BTreeSet::new());
        let first = self.events + 1;
        for (order, (event, raw)) in (0u64..).zip(events.iter().copied()) {
            self.events += 1;
            let place = reader.place(event, self.events, order, sink);
            if reader.event(event, raw, place, sink) {
                sink.record();
            } else {
                sink.unread(self.events, "neither an action nor an observation", raw);
            }
        }
        let dated = events.iter().map(|(event, _)| *event).find(|event| event.get("timestamp").is_some());
        self.odd_zone(zone, dated, first, sink);
        reader.finish(sink);
    }

    fn odd_zone(&self, zone: Zone, event: Option<&Value>, number: u64, sink: &mut dyn Sink) {
        let at = event.and_then(|event| Stamp::parse(json::text(event, "timestamp")?));
        if let Some(detail) = zone.oddity(self.time.zone, at) {
            sink.anomaly(Anomaly { record: number, kind: AnomalyKind::UndatedTimes, detail });
        }
    }
}

/// Elements of a list, each with its text where that can be told.
fn with_text<'e>(list: &'e [Value], raw: &'e [u8]) -> impl Iterator<Item = (&'e Value, &'e [u8])> {
    let raw = scan::elements(raw);
    list.iter().enumerate().map(move |(index, element)| (element, raw.get(index).copied().unwrap_or_default()))
}

/// The episode of an event file, and the event's place where its name says so: the directory above `events`, else its
/// own directory for a file named by number, else the file itself.
fn of_event(name: &str) -> (Episode, Option<u64>) {
    let (above, file) = name.rsplit_once('/').unwrap_or(("", name));
    let stem = json::stem(file);
    let number = stem.strip_prefix("event-").and_then(|rest| rest.split('-').next()).unwrap_or(stem).parse().ok();
    let in_events = above == "events" || above.ends_with("/events");
    if in_events {
        (directory(above), number)
    } else if number.is_some() {
        (directory(name), number)
    } else {
        let episode = Episode { id: name.to_owned(), name: stem.to_owned(), ..Episode::default() };
        (episode, None)
    }
}

/// The episode of the directory that holds `path`. The directory that was named on the command line has no name in
/// the names of its files.
fn directory(path: &str) -> Episode {
    let (id, name) = match path.rsplit_once('/') {
        Some((above, _)) => (above.to_owned(), above.rsplit('/').next().unwrap_or(above).to_owned()),
        None => (".".to_owned(), "conversation".to_owned()),
    };
    Episode { id, name, ..Episode::default() }
}

impl Reader<'_> {
    /// A text that the program or the environment put into the context.
    pub(super) fn surroundings(&self, place: Place, said: String, sink: &mut dyn Sink) {
        self.say(place, TextOrigin::Environment, said, sink);
    }
}
