//! Logs of ROLL's workers (`log_rank_<WORKER>_<rank>_<world>.log`): what was asked of the environment, in local seconds.
//!
//! `[<time>] [<file> (<line>)] [<level>] [<worker>][PID <pid>] <message>`, read off `roll/utils/logging.py` and
//! `env/sandbox/rock_tb_native_env.py`. What the model said goes on over lines without a head. It knows nothing of the
//! worker's process: lines that look like entries of another worker or process are text of it.
//!
//! Environments of a worker write in turns, and only some entries say which it is: a beginning names its group, an end
//! its number and task. What cannot be told apart stays unjoined.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Call, Spot};
use super::super::protocol::{self, Piece};
use super::super::scan;
use super::super::stamps::Stamp;
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind, StepResult, TextOrigin};
use crate::time::{Span, TimeContext};

/// The reader of ROLL's worker logs.
pub struct RollWorker;

struct Header<'a> {
    stamp: Stamp,
    /// Worker and process.
    who: &'a str,
    message: &'a str,
}

fn header(line: &str) -> Option<Header<'_>> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once("] [")?;
    let stamp = Stamp::parse(stamp)?;
    let (place, rest) = rest.split_once("] [")?;
    if !place.ends_with(')') || !place.contains(" (") {
        return None;
    }
    let (level, rest) = rest.split_once("] [")?;
    if level.is_empty() || !level.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let at = rest.find("][PID ")?;
    let end = at + rest.get(at + 1..)?.find(']')? + 1;
    let message = rest.get(end + 1..)?;
    Some(Header { stamp, who: rest.get(..end)?, message: message.strip_prefix(' ').unwrap_or(message) })
}

const RESET: &str = "[ENV_RESET] Success! - ";
const BEGIN: &str = "[ENV_STEP] START - ";
const END: &str = "[ENV_STEP] Success! - Step ";

impl Format for RollWorker {
    fn id(&self) -> &'static str {
        "roll-worker"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "ROLL worker logs (log_rank_WORKER_R_W.log)"
    }

    fn record_unit(&self) -> &'static str {
        "log line"
    }

    fn probe(&self, head: &Head) -> Match {
        let mut heads = 0;
        for line in scan::lines(&head.bytes, 400) {
            let Some(header) = std::str::from_utf8(line).ok().and_then(header) else { continue };
            if header.message.starts_with("[ENV_STEP]") || header.message.starts_with("[ENV_RESET]") {
                return Match::Certain("entries [ENV_STEP] or [ENV_RESET] of a worker".to_owned());
            }
            heads += 1;
        }
        if heads >= 3 { Match::Likely(60, "entries with a worker and [PID ..]".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let text = super::super::text::whole(input, sink)?;
        let mut file = File {
            name: input.name.clone(),
            input,
            time,
            resets: Vec::new(),
            runs: Vec::new(),
            unclear: 0,
            first_unclear: 0,
        };
        let mut who = None;
        let mut forged = (0u64, 0u64);
        let mut entry: Option<(u64, Header<'_>, String)> = None;
        let mut last = 0;
        for (number, line) in (1..).zip(text.lines()) {
            last = number;
            let found = header(line);
            let own = found.as_ref().is_some_and(|header| *who.get_or_insert(header.who) == header.who);
            match (found.filter(|_| own), &mut entry) {
                (Some(header), _) => {
                    if let Some(entry) = entry.take() {
                        file.entry(&entry, sink);
                    }
                    entry = Some((number, header, header_text(line)));
                    sink.record();
                }
                (None, Some((.., body))) => {
                    if !own && header(line).is_some() {
                        forged = (forged.0 + 1, if forged.0 == 0 { number } else { forged.1 });
                    }
                    body.push('\n');
                    body.push_str(line);
                    if !line.trim().is_empty() {
                        sink.record();
                    }
                }
                (None, None) if line.trim().is_empty() => {}
                (None, None) => sink.unread(number, "line before the first entry", line.as_bytes()),
            }
        }
        if let Some(entry) = entry.take() {
            file.entry(&entry, sink);
        }
        super::super::text::unended(&text, last, sink);
        if forged.0 > 0 {
            let detail = format!(
                "{} lines look like entries of another worker or process; a model may have written them, and they were \
                 read as text",
                forged.0
            );
            sink.anomaly(Anomaly { record: forged.1, kind: AnomalyKind::MalformedRecord, detail });
        }
        file.finish(sink);
        Ok(())
    }
}

fn header_text(line: &str) -> String {
    header(line).map_or("", |header| header.message).to_owned()
}

/// An environment that is ready.
struct Reset {
    task_name: String,
    task_id: String,
    sandbox: String,
    sandbox_ip: String,
}

/// A rollout of a group.
struct Run<'t> {
    group: String,
    task: Option<String>,
    account: Account<'t>,
    step: u64,
    /// Calls of the step that is open.
    open: Vec<String>,
    bound: bool,
}

struct File<'a, 't> {
    name: String,
    input: &'a Input,
    time: &'t TimeContext,
    /// Ready and not in use.
    resets: Vec<Reset>,
    runs: Vec<Run<'t>>,
    unclear: u64,
    first_unclear: u64,
}

/// Members of `TaskID: 5, TaskName: x, image: y`: each name up to a colon, its value up to the next comma and space.
fn fields(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .next()
        .unwrap_or_default()
        .split(", ")
        .filter_map(|part| part.split_once(':'))
        .map(|(k, v)| (k.trim(), v.trim()))
        .collect()
}

impl<'t> File<'_, 't> {
    fn entry(&mut self, (number, header, body): &(u64, Header<'_>, String), sink: &mut dyn Sink) {
        let at = header.stamp.span(self.time);
        if let Some(rest) = body.strip_prefix(RESET) {
            let fields = fields(rest);
            let of = |key: &str| fields.get(key).copied().unwrap_or_default().to_owned();
            self.resets.push(Reset {
                task_name: of("TaskName"),
                task_id: of("TaskID"),
                sandbox: of("sandbox_id"),
                sandbox_ip: of("sandbox_ip"),
            });
        } else if let Some(rest) = body.strip_prefix(BEGIN) {
            self.begin(*number, at, rest, sink);
        } else if let Some(rest) = body.strip_prefix(END) {
            self.end(*number, at, rest, sink);
        }
    }

    fn begin(&mut self, number: u64, at: Option<Span>, rest: &str, sink: &mut dyn Sink) {
        let (about, response) = rest.split_once("Response:").unwrap_or((rest, ""));
        let fields = fields(about.trim_end().trim_end_matches(','));
        let group = fields.get("GroupID").copied().unwrap_or_default().to_owned();
        let step: u64 = fields.get("Step").and_then(|step| step.parse().ok()).unwrap_or_default();
        let task = fields.get("Task").filter(|task| !task.is_empty()).map(|task| (*task).to_owned());
        let current = self.runs.iter().rposition(|run| run.group == group && run.step < step);
        let latest = self.runs.iter().rposition(|run| run.group == group);
        let index = match current.filter(|current| latest == Some(*current)) {
            Some(index) => index,
            None => {
                let id = format!("{}#group {group} run {}", self.name, self.runs.len() + 1);
                let name = format!("group {group} run {}", self.runs.len() + 1);
                let mut account = Account::new(&id, &name, self.input.evidence, self.time);
                account.about(About { agent: Some("ROLL"), task: task.as_deref(), ..About::default() });
                self.runs.push(Run { group, task: task.clone(), account, step: 0, open: Vec::new(), bound: false });
                self.runs.len() - 1
            }
        };
        self.bind(index, task.as_deref());
        let Some(run) = self.runs.get_mut(index) else { return };
        run.step = step;
        run.open.clear();
        if let Some(at) = at {
            run.account.clock.saw(number, at);
        }
        // Some versions write it as JSON.
        let decoded = serde_json::from_str::<Value>(response.trim()).ok();
        let response = decoded.as_ref().and_then(Value::as_str).unwrap_or(response);
        let spot = Spot::of(number, at);
        for (part, piece) in (0u32..).zip(protocol::pieces(response)) {
            let spot = spot.part(part);
            match piece {
                Piece::Call { tool, arguments, parsed } => {
                    let id = format!("#{number}.{part}");
                    let call = Call { id: Some(&id), tool: &tool, arguments, ..Call::default() };
                    run.account.call(spot, call, &parsed, sink);
                    run.open.push(id);
                }
                Piece::Said(text) | Piece::Answer(text) => {
                    run.account.say(spot, TextOrigin::Agent, text.trim().to_owned(), sink);
                }
            }
        }
    }

    /// Gives a run its environment, where only one can be it.
    fn bind(&mut self, index: usize, task: Option<&str>) {
        let Some(run) = self.runs.get_mut(index).filter(|run| !run.bound) else { return };
        let fits: Vec<usize> = self
            .resets
            .iter()
            .enumerate()
            .filter(|(_, reset)| task.is_none_or(|task| reset.task_name == task))
            .map(|(at, _)| at)
            .collect();
        let [only] = fits.as_slice() else { return };
        let reset = self.resets.remove(*only);
        run.bound = true;
        run.task.get_or_insert(reset.task_name.clone());
        let task = if reset.task_name.is_empty() { &reset.task_id } else { &reset.task_name };
        run.account.about(About { task: Some(task), sandbox: Some(&reset.sandbox), ..About::default() });
        run.account.episode.sandbox_ip = reset.sandbox_ip.parse().ok();
    }

    fn end(&mut self, number: u64, at: Option<Span>, rest: &str, sink: &mut dyn Sink) {
        let (step, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let step: u64 = step.parse().unwrap_or_default();
        let fields = fields(rest.trim_start_matches("finished, "));
        let task = fields.get("task").copied().unwrap_or_default();
        let reward: Option<f64> = fields.get("reward").and_then(|reward| reward.parse().ok());
        let open: Vec<usize> = self
            .runs
            .iter()
            .enumerate()
            .filter(|(_, run)| run.step == step && !run.open.is_empty())
            .filter(|(_, run)| run.task.as_deref().is_none_or(|known| known == task))
            .map(|(index, _)| index)
            .collect();
        let [only] = open.as_slice() else {
            if !open.is_empty() {
                self.first_unclear = if self.unclear == 0 { number } else { self.first_unclear };
                self.unclear += 1;
            }
            return;
        };
        let index = *only;
        self.bind(index, Some(task));
        let Some(run) = self.runs.get_mut(index) else { return };
        if let Some(at) = at {
            run.account.clock.saw(number, at);
        }
        run.account.about(About { task: Some(task), ..About::default() });
        run.account.episode.reward = reward.or(run.account.episode.reward);
        for (place, id) in std::mem::take(&mut run.open).into_iter().enumerate() {
            sink.result(StepResult {
                end: at.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }),
                reward: reward.filter(|_| place == 0),
                ..StepResult::new(&run.account.episode.id, &id, run.account.record(number))
            });
        }
    }

    fn finish(self, sink: &mut dyn Sink) {
        if self.unclear > 0 {
            let detail = format!(
                "{} ends of steps fit more than one environment of the worker; those steps have no end",
                self.unclear
            );
            sink.anomaly(Anomaly { record: self.first_unclear, kind: AnomalyKind::Gap, detail });
        }
        for run in self.runs {
            run.account.finish(sink);
        }
    }
}
