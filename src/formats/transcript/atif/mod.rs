//! Trajectories in the Agent Trajectory Interchange Format (ATIF), and the result of the trial beside them.
//!
//! Source: harbor-framework/harbor `rfcs/0001-trajectory-format.md`, `src/harbor/models/trajectories/` and
//! `models/trial/result.py`, versions ATIF-v1.0 to 1.8. A trial of Harbor is a directory with `agent/trajectory.json`
//! (and `trajectory.cont-N.json`) and `result.json`: one episode, under the path of the directory.
//!
//! A step has one time. What it means depends on who wrote it: converters of Claude Code, Codex, Gemini and Qwen copy the
//! moment of the call; Terminus-2 stamps a step when its output was collected; the converter of SWE-agent writes the
//! moment of the conversion, which says nothing of the run and is refused.

mod prose;
mod result;

use std::io;

use serde_json::Value;

use super::account::{About, Account, Answer, Call, Spot};
use super::{json, printed, scan, stamps};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Endpoint, EndpointKind, TextOrigin};
use crate::time::{Basis, Instant, Span, TimeContext};

/// The reader of ATIF and of Harbor's results.
pub struct Atif;

impl Format for Atif {
    fn id(&self) -> &'static str {
        "atif"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "ATIF trajectories (ATIF-v1.0 to 1.8) and Harbor's result.json of a trial"
    }

    fn record_unit(&self) -> &'static str {
        "step"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = scan::members(&head.bytes);
        let member = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        if member("schema_version").and_then(scan::plain_string).is_some_and(|version| version.starts_with("ATIF-v")) {
            return Match::Certain("schema_version ATIF-v1".to_owned());
        }
        if member("trial_name").is_some() && member("task_checksum").is_some() {
            return Match::Certain("trial_name and task_checksum of a Harbor trial".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let text = json::whole(input, sink)?;
        let members = scan::members(&text);
        if members.iter().any(|(key, _)| *key == "task_checksum") {
            result::read(&name, evidence, &text, time, sink);
            return Ok(());
        }
        let place = Place::of(&name);
        let mut told = 0;
        let torn = trajectory(&place, evidence, &text, time, &mut told, sink);
        if !torn {
            json::check_whole(&text, told + 1, sink);
        }
        if told == 0 {
            sink.unread(1, "no steps", text.get(..80).unwrap_or(&text));
        }
        Ok(())
    }
}

/// Which episode a file tells of.
struct Place {
    episode: String,
    name: String,
    /// Steps of a continuation come behind those of the file before it.
    first: u64,
    continued: bool,
    actor: Actor,
}

impl Place {
    /// `TRIAL/agent/trajectory.json` and its continuations are the episode TRIAL; any other file is its own.
    fn of(path: &str) -> Self {
        let mut place = Place {
            episode: path.to_owned(),
            name: json::stem(path).to_owned(),
            first: 0,
            continued: false,
            actor: Actor::Policy,
        };
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = json::stem(file);
        let Some(rest) = stem.strip_prefix("trajectory") else { return place };
        let continuation = rest.strip_prefix(".cont-").and_then(|number| number.parse::<u32>().ok());
        if !rest.is_empty() && continuation.is_none() {
            // Terminus-2 keeps what its summarizing helpers said in files of their own.
            if rest.starts_with(".summarization") {
                place.actor = Actor::SubAgent;
            }
            return place;
        }
        let trial = if directory == "agent" { Some(".") } else { directory.strip_suffix("/agent") };
        if let Some(trial) = trial {
            trial.clone_into(&mut place.episode);
            trial.rsplit('/').next().unwrap_or(trial).clone_into(&mut place.name);
            place.first = u64::from(continuation.unwrap_or(0)) << 32;
            place.continued = continuation.is_some();
        }
        place
    }
}

/// The moments of steps that lie no further apart than this were not lived through: a model takes longer to answer.
const CONVERTED_GAP_NS: i64 = 10_000_000;

/// Whether the times of steps are those of a conversion, and how that is known.
fn converted(head: &[(&str, &[u8])], steps: &[Value], time: &TimeContext) -> Option<&'static str> {
    let raw = |name: &str| head.iter().rfind(|(key, _)| *key == name).map(|(_, value)| *value);
    let says = |name: &str, words: &[u8]| raw(name).is_some_and(|raw| memchr::memmem::find(raw, words).is_some());
    if says("notes", b"Converted from SWE-agent") || says("agent", b"\"original_format\"") {
        return Some("the file says that it was converted");
    }
    let stamps: Vec<Instant> =
        steps.iter().filter_map(|step| Some(stamps::of_value(step.get("timestamp")?, time)?.lo)).collect();
    let acted = steps.iter().filter(|step| json::text(step, "source") == Some("agent")).count();
    let close = stamps.windows(2).all(|pair| matches!(pair, [a, b] if b.since(*a).abs() < CONVERTED_GAP_NS));
    (stamps.len() > 2 && acted > 1 && close).then_some("all steps lie within 10 ms of each other")
}

/// Reads a trajectory and those of its sub-agents within it. True if a part of it could not be read.
fn trajectory(
    place: &Place,
    evidence: EvidenceId,
    text: &[u8],
    time: &TimeContext,
    told: &mut u64,
    sink: &mut dyn Sink,
) -> bool {
    let members = scan::members(text);
    let mut account = Account::new(&place.episode, &place.name, evidence, time);
    let mut steps = Vec::new();
    let mut torn = false;
    let first = *told;
    let mut terminus = false;
    let mut helpers: Vec<&[u8]> = Vec::new();
    for (key, value) in &members {
        match *key {
            "agent" => {
                if let Ok(agent) = serde_json::from_slice::<Value>(value) {
                    let named = |key: &str| json::text(&agent, key);
                    let name = named("name").unwrap_or_default();
                    terminus = name.starts_with("terminus");
                    let version = named("version").filter(|version| *version != "unknown").unwrap_or_default();
                    let cwd = agent.pointer("/extra/cwd").or_else(|| agent.pointer("/extra/cwds/0"));
                    account.about(About {
                        model: named("model_name"),
                        agent: Some(format!("{name} {version}").trim()),
                        cwd: cwd.and_then(Value::as_str),
                        ..About::default()
                    });
                }
            }
            "steps" => {
                torn |= json::elements(value, first + 1, sink, &mut |_, step, _, _| steps.push(step.clone()));
            }
            "subagent_trajectories" => helpers = scan::elements(value),
            _ => {}
        }
    }
    let refused = converted(&members, &steps, time);
    if let Some(why) = refused {
        sink.anomaly(Anomaly {
            record: first + 1,
            kind: AnomalyKind::UndatedTimes,
            detail: format!("the times of the steps are those of a conversion ({why}); they were left out"),
        });
    }
    let mut teller = Teller { account, place, terminus, dated: refused.is_none(), before: None };
    for step in &steps {
        *told += 1;
        teller.step(*told, step, sink);
    }
    teller.account.finish(sink);
    for (index, helper) in helpers.into_iter().enumerate() {
        let id = scan::member(helper, "trajectory_id").and_then(scan::plain_string);
        let id = id.map_or_else(|| (index + 1).to_string(), str::to_owned);
        let own = Place {
            episode: format!("{}#{id}", place.episode),
            name: id,
            first: 0,
            continued: false,
            actor: Actor::SubAgent,
        };
        // A trajectory within one within one: as deep as a person would believe.
        if place.episode.matches('#').count() < 8 {
            torn |= trajectory(&own, evidence, helper, time, told, sink);
        }
    }
    torn
}

struct Teller<'t, 'p> {
    account: Account<'t>,
    place: &'p Place,
    /// Its stamps are those of the output.
    terminus: bool,
    /// Its stamps are those of the run.
    dated: bool,
    /// The latest stamp above.
    before: Option<Span>,
}

impl Teller<'_, '_> {
    fn step(&mut self, number: u64, step: &Value, sink: &mut dyn Sink) {
        let source = json::text(step, "source").unwrap_or_default();
        let message = step.get("message").map(json::content).unwrap_or_default();
        if !matches!(source, "system" | "user" | "agent") {
            return sink.unread(number, "step without a source", step.to_string().as_bytes());
        }
        sink.record();
        let copied = json::flag(step, "is_copied_context");
        let stamp = step.get("timestamp").filter(|_| self.dated && !copied);
        let at = self.account.stamp(number, stamp, sink);
        let mut spot = Spot { number, order: (self.place.first + number, 0), at, actor: self.place.actor };
        if copied {
            spot.actor = Actor::Replayed;
        } else if step.pointer("/extra/is_sidechain") == Some(&Value::Bool(true)) {
            spot.actor = Actor::SubAgent;
        } else if source != "agent" || step.get("llm_call_count").and_then(Value::as_u64) == Some(0) {
            spot.actor = Actor::Harness;
        }
        let origin = if source == "agent" { TextOrigin::Agent } else { TextOrigin::Prompt };
        if let Some(thought) = step.get("reasoning_content").filter(|thought| !thought.is_null()) {
            self.account.say(spot, origin, json::content(thought), sink);
        }
        let calls = step.get("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty());
        let mut part = 2;
        let mut ids: Vec<Option<String>> = Vec::new();
        let (start, end) = self.endpoints(at);
        for call in calls.into_iter().flatten() {
            let (written, parsed) = json::arguments(call.get("arguments").unwrap_or(&Value::Null), None);
            let id = json::text(call, "tool_call_id").map(|id| self.own(id, copied));
            let tool = json::text(call, "function_name").unwrap_or_default();
            let call = Call {
                id: id.as_deref(),
                tool,
                arguments: written,
                command: prose::keys(&parsed),
                model: json::text(step, "model_name"),
                start,
                end,
                ..Call::default()
            };
            self.account.call(self.at(spot.part(part)), call, &parsed, sink);
            part += 1;
            ids.push(id);
        }
        if calls.is_none() && source == "agent" && step.get("observation").is_some_and(|seen| !seen.is_null()) {
            for (tool, arguments) in prose::calls(&message) {
                let call = Call {
                    tool: &tool,
                    arguments: arguments.to_string(),
                    command: prose::keys(&arguments),
                    model: json::text(step, "model_name"),
                    start,
                    end,
                    ..Call::default()
                };
                self.account.call(self.at(spot.part(part)), call, &arguments, sink);
                part += 1;
                ids.push(None);
            }
        }
        self.account.say(spot.part(1), origin, message, sink);
        self.observation(spot, step, &ids, copied, sink);
        self.before = at.or(self.before);
    }

    /// Where a call stands. Its times were given to it where the stamp of the step is not its own.
    fn at(&self, spot: Spot) -> Spot {
        if self.terminus { Spot { at: None, ..spot } } else { spot }
    }

    /// Bounds of a call where the stamp of its step was set behind it.
    fn endpoints(&self, at: Option<Span>) -> (Option<Endpoint>, Option<Endpoint>) {
        if !self.terminus {
            return (None, None);
        }
        let start = self.before.or(at).map(|span| Endpoint {
            // Of the first one nothing is known but that it was not behind its stamp.
            span: Span::at(span.lo, Basis::OrderOnly),
            kind: EndpointKind::CallRecorded,
        });
        (start.filter(|_| self.before.is_some()), at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }))
    }

    /// The id of a call within the episode: a continuation may repeat those of the file before.
    fn own(&self, id: &str, copied: bool) -> String {
        if copied && self.place.continued { format!("copied:{id}") } else { id.to_owned() }
    }

    fn observation(&mut self, spot: Spot, step: &Value, ids: &[Option<String>], copied: bool, sink: &mut dyn Sink) {
        let results = step.pointer("/observation/results").and_then(Value::as_array);
        for (index, result) in results.into_iter().flatten().enumerate() {
            let output = result.get("content").map(json::content).unwrap_or_default();
            let named = json::text(result, "source_call_id").map(|id| self.own(id, copied));
            // A result that names no call is that of the step's only one, or of all that it has together.
            let id = named.or_else(|| ids.get(index).or(ids.last()).cloned().flatten());
            let part = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1 << 16);
            let spot = Spot { at: None, ..spot.part(part) };
            if id.is_none() && ids.is_empty() {
                self.account.say(spot, TextOrigin::Environment, output, sink);
                continue;
            }
            let told = printed::of(&output);
            let answer = Answer {
                id: id.as_deref(),
                exit_code: told.exit_code,
                not_executed: told.not_executed,
                place: told.place,
                output,
                ..Answer::default()
            };
            if id.is_none() {
                // Several lines were sent, and what came back is shown once: it stands with the last of them.
                self.account.forget(ids.len().saturating_sub(results.map_or(1, Vec::len)));
            }
            self.account.answer(spot, answer, sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_trial_are_one_episode() {
        for (path, episode, name, first) in [
            ("jobs/j/t__a1/agent/trajectory.json", "jobs/j/t__a1", "t__a1", 0),
            ("t__a1/agent/trajectory.cont-2.json", "t__a1", "t__a1", 2 << 32),
            ("agent/trajectory.json", ".", ".", 0),
            ("x/trajectory.json", "x/trajectory.json", "trajectory", 0),
            ("x/agent/other.json", "x/agent/other.json", "other", 0),
        ] {
            let place = Place::of(path);
            assert_eq!((place.episode.as_str(), place.name.as_str(), place.first), (episode, name, first), "{path}");
        }
        assert_eq!(Place::of("a/agent/trajectory.summarization-1-summary.json").actor, Actor::SubAgent);
    }
}
