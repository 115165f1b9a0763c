//! One episode being told: what readers of transcripts do alike, whatever the shape of their files.

use std::collections::VecDeque;

use serde_json::Value;

use super::stamps::{self, Clock};
use super::told::{Conflicts, Told, hashed};
use super::{json, shell};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Input, Record};
use crate::formats::Sink;
use crate::model::{
    Actor, Approval, Endpoint, EndpointKind, Episode, EpisodeText, Place, Step, StepResult, TextOrigin,
};
use crate::time::{Span, TimeContext};

/// Where something stands, when it was recorded, and who did it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// Number of the record within its evidence.
    pub(super) number: u64,
    /// Place in the episode: see [`Step::order`].
    pub(super) order: (u64, u32),
    pub(super) at: Option<Span>,
    pub(super) actor: Actor,
}

impl Spot {
    /// The place of a record whose number is also its place in the episode.
    pub(super) fn of(number: u64, at: Option<Span>) -> Self {
        Spot { number, order: (number, 0), at, actor: Actor::Policy }
    }

    /// The same at another place within the record.
    pub(super) fn part(self, part: u32) -> Self {
        Spot { order: (self.order.0, part), ..self }
    }

    /// The same, done by somebody else.
    pub(super) fn by(self, actor: Actor) -> Self {
        Spot { actor, ..self }
    }
}

/// A tool call as a reader found it.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    /// `None` if the format has no ids: its answer is then the next one without an id.
    pub(super) id: Option<&'a str>,
    pub(super) tool: &'a str,
    /// As the agent wrote them.
    pub(super) arguments: String,
    /// The shell command, where the format says it; else it is looked for in the arguments by the name of the tool.
    pub(super) command: Option<String>,
    pub(super) model: Option<&'a str>,
    /// When it began, where that is not when it was recorded.
    pub(super) start: Option<Endpoint>,
    /// When it ended, where the call itself says so.
    pub(super) end: Option<Endpoint>,
    pub(super) duration_ns: Option<i64>,
    pub(super) background: bool,
    pub(super) not_executed: bool,
    pub(super) approval: Option<Approval>,
    pub(super) place: Place,
    pub(super) reward: Option<f64>,
}

/// The result of a call as a reader found it.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    /// `None` if the format has no ids: it answers the oldest call that waits for one.
    pub(super) id: Option<&'a str>,
    pub(super) output: String,
    /// The format does not keep what came back.
    pub(super) unseen: bool,
    pub(super) exit_code: Option<i32>,
    /// When the tool ended, where that is not when the result was recorded.
    pub(super) end: Option<Endpoint>,
    pub(super) duration_ns: Option<i64>,
    pub(super) not_executed: bool,
    pub(super) approval: Option<Approval>,
    pub(super) place: Place,
    pub(super) reward: Option<f64>,
}

/// An episode, its clock, and which of its calls were told and answered.
pub(super) struct Account<'t> {
    pub(super) episode: Episode,
    pub(super) clock: Clock,
    /// What the stamp of a record says of a call that stands there, and of a result.
    pub(super) stamped: (EndpointKind, EndpointKind),
    /// What the next calls were given.
    pub(super) step_reward: Option<f64>,
    /// The end of calls that state none.
    pub(super) step_end: Option<Endpoint>,
    time: &'t TimeContext,
    evidence: EvidenceId,
    calls: Told,
    answered: Told,
    /// Calls without an id that were not answered.
    waiting: VecDeque<String>,
    /// Calls with an id that were not answered: for writers that keep the ids of calls and drop those of answers.
    open: VecDeque<String>,
    repeated: u64,
    first_repeated: u64,
    conflicts: Conflicts,
}

impl<'t> Account<'t> {
    /// The one episode of a file, under the file's name.
    pub(super) fn of_file(input: &Input, time: &'t TimeContext) -> Self {
        Self::new(&input.name, json::stem(&input.name), input.evidence, time)
    }

    /// An episode of that id and name.
    pub(super) fn new(id: &str, name: &str, evidence: EvidenceId, time: &'t TimeContext) -> Self {
        Account {
            episode: Episode { id: id.to_owned(), name: name.to_owned(), ..Episode::default() },
            clock: Clock::default(),
            stamped: (EndpointKind::CallRecorded, EndpointKind::ResultRecorded),
            step_reward: None,
            step_end: None,
            time,
            evidence,
            calls: Told::default(),
            answered: Told::default(),
            waiting: VecDeque::new(),
            open: VecDeque::new(),
            repeated: 0,
            first_repeated: 0,
            conflicts: Conflicts::default(),
        }
    }

    /// Where a record stands.
    pub(super) fn record(&self, number: u64) -> Record {
        Record { evidence: self.evidence, number }
    }

    /// The moment that a stamp names: ISO 8601 text, or a number since 1970 in seconds, milli-, micro- or nanoseconds
    /// (see [`stamps::of_value`]). It counts for the episode's clock; one that cannot be read is reported.
    pub(super) fn stamp(&mut self, number: u64, value: Option<&Value>, sink: &mut dyn Sink) -> Option<Span> {
        let value = value.filter(|value| !value.is_null())?;
        let span = stamps::of_value(value, self.time);
        match span {
            Some(span) => self.clock.saw(number, span),
            None => sink.anomaly(stamps::unreadable_value(number, value)),
        }
        span
    }

    /// A moment of a call, where a record states one beside its own stamp.
    pub(super) fn endpoint(&self, value: Option<&Value>, kind: EndpointKind) -> Option<Endpoint> {
        Some(Endpoint { span: stamps::of_value(value?, self.time)?, kind })
    }

    /// A text that is no tool call. Blank ones are passed over.
    pub(super) fn say(&self, spot: Spot, origin: TextOrigin, text: String, sink: &mut dyn Sink) {
        if text.trim().is_empty() {
            return;
        }
        sink.text(EpisodeText {
            episode: self.episode.id.clone(),
            origin,
            record: self.record(spot.number),
            span: spot.at,
            order: spot.order,
            text: json::kept(text).0,
        });
    }

    /// A tool call. One whose id was told before is counted as repeated and left out. `arguments` is its parsed form.
    pub(super) fn call(&mut self, spot: Spot, call: Call<'_>, arguments: &Value, sink: &mut dyn Sink) {
        let id = match call.id.filter(|id| !id.is_empty()) {
            Some(id) => {
                let told = Some(hashed(&(call.tool, &call.arguments)));
                if !self.calls.is_new(id, told, spot.number, &mut self.conflicts) {
                    return self.repeat(spot.number);
                }
                self.open.push_back(id.to_owned());
                id.to_owned()
            }
            None => {
                let id = format!("#{}.{}", spot.order.0, spot.order.1);
                self.waiting.push_back(id.clone());
                id
            }
        };
        // What has no stamp was not recorded before what stands above it.
        let recorded = spot.at.or_else(|| self.clock.not_before());
        let start = call.start.or_else(|| recorded.map(|span| Endpoint { span, kind: self.stamped.0 }));
        let background = ["run_in_background", "is_background", "background", "isBackground"];
        sink.step(Step {
            call_id: Some(id),
            actor: spot.actor,
            start,
            end: call.end.or(self.step_end),
            duration_ns: call.duration_ns,
            command: call.command.or_else(|| shell::command(call.tool, arguments)),
            arguments: call.arguments,
            background: call.background || background.iter().any(|key| json::flag(arguments, key)),
            not_executed: call.not_executed,
            model: call.model.filter(|model| self.episode.model.as_deref() != Some(*model)).map(str::to_owned),
            approval: call.approval,
            place: call.place,
            reward: call.reward.or_else(|| self.step_reward.take()),
            ..Step::new(&self.episode.id, spot.order, self.record(spot.number), call.tool)
        });
    }

    /// The result of a call. A second one for the same id is counted as repeated and left out.
    pub(super) fn answer(&mut self, spot: Spot, answer: Answer<'_>, sink: &mut dyn Sink) {
        let id = match answer.id.filter(|id| !id.is_empty()) {
            Some(id) => {
                let told = (!answer.unseen).then(|| hashed(&answer.output));
                if !self.answered.is_new(id, told, spot.number, &mut self.conflicts) {
                    return self.repeat(spot.number);
                }
                // Answers come nearly in the order of their calls.
                if let Some(at) = self.open.iter().take(64).position(|open| open == id) {
                    self.open.remove(at);
                }
                id.to_owned()
            }
            None => match self.waiting.pop_front().or_else(|| self.unanswered()) {
                Some(id) => id,
                None => return self.say(spot, TextOrigin::Environment, answer.output, sink),
            },
        };
        let recorded = spot.at.map(|span| Endpoint { span, kind: self.stamped.1 });
        let (output, output_omitted_bytes) = json::kept(answer.output);
        sink.result(StepResult {
            end: answer.end.or(recorded),
            duration_ns: answer.duration_ns,
            output: (!answer.unseen).then_some(output),
            output_omitted_bytes,
            exit_code: answer.exit_code,
            not_executed: answer.not_executed,
            approval: answer.approval,
            place: answer.place,
            reward: answer.reward,
            ..StepResult::new(&self.episode.id, &id, self.record(spot.number))
        });
    }

    /// Whether a call of that id was told.
    pub(super) fn knows_call(&self, id: &str) -> bool {
        self.calls.knows(id)
    }

    /// Whether a call of that id was answered.
    pub(super) fn knows_answer(&self, id: &str) -> bool {
        self.answered.knows(id)
    }

    /// The oldest call with an id that waits for its answer, now answered.
    fn unanswered(&mut self) -> Option<String> {
        let id = self.open.pop_front()?;
        self.answered.add(&id);
        Some(id)
    }

    /// Gives up waiting for the answers of the oldest calls without an id.
    pub(super) fn forget(&mut self, calls: usize) {
        self.waiting.drain(..calls.min(self.waiting.len()));
    }

    /// Something that was told before and was left out.
    pub(super) fn repeat(&mut self, number: u64) {
        if self.repeated == 0 {
            self.first_repeated = number;
        }
        self.repeated += 1;
    }

    /// What the file says of the episode; what is known stays.
    pub(super) fn about(&mut self, about: About<'_>) {
        let Episode { model, agent, cwd, host, task, sandbox, .. } = &mut self.episode;
        let slots = [
            (model, about.model),
            (agent, about.agent),
            (cwd, about.cwd),
            (host, about.host),
            (task, about.task),
            (sandbox, about.sandbox),
        ];
        for (slot, found) in slots {
            if slot.is_none() {
                *slot = found.filter(|found| !found.is_empty()).map(str::to_owned);
            }
        }
    }

    /// Reports the episode, its clock, and how much was left out because it came twice.
    pub(super) fn finish(mut self, sink: &mut dyn Sink) {
        self.episode.span = match (self.episode.span, self.clock.span) {
            (Some(a), Some(b)) => Some(a.cover(b)),
            (a, b) => a.or(b),
        };
        self.clock.report(sink);
        self.conflicts.report(sink);
        if self.repeated > 0 {
            sink.anomaly(Anomaly {
                record: self.first_repeated,
                kind: AnomalyKind::Duplicate,
                detail: format!(
                    "{} calls or results came again under their ids (a fork, a resumed or a compacted session); the \
                     first of each was used",
                    self.repeated
                ),
            });
        }
        sink.episode(self.episode);
    }
}

/// What a file says of its episode.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    pub(super) model: Option<&'a str>,
    /// The program that ran the agent, with its version.
    pub(super) agent: Option<&'a str>,
    pub(super) cwd: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) task: Option<&'a str>,
    pub(super) sandbox: Option<&'a str>,
}
