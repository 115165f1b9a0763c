//! Logs of SWE-agent beside a trajectory (`<instance>.info.log`, `.debug.log`, `.trace.log`): when each action was taken,
//! which the trajectory does not say.
//!
//! Source: SWE-agent 1.x, `sweagent/utils/log.py`, `sweagent/agent/agents.py`, `sweagent/run/run_single.py`. An entry is
//! `DATE TIME,mmm - LEVEL - LOGGER - MESSAGE`, local time without a zone, and goes on over lines without a head. `STEP n`
//! stands before the model is asked, `THOUGHT … ACTION …` right before the action is run, and the next `STEP` behind it. All
//! three files hold these entries. What the model said stands in them as it is: a line of it that looks like an entry cannot
//! be told from one, so that a time counts for an action only where the entry ends with just that action.

use std::io::{self, Read};

use super::super::account::{About, Account, Call, Spot};
use super::super::{scan, stamps, text};
use super::tool_of;
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind};
use crate::time::{Span, TimeContext};

/// The reader of SWE-agent's logs.
pub struct SweAgentLog;

/// The endings of their names. The shorter ones come first: they hold all that is read.
const ENDINGS: [&str; 3] = [".info.log", ".debug.log", ".trace.log"];
/// Bound on a log that is looked into for the times of a trajectory, in bytes.
const LARGEST: u64 = 1 << 30;

impl Format for SweAgentLog {
    fn id(&self) -> &'static str {
        "swe-agent-log"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "SWE-agent logs of an instance (.info.log, .debug.log, .trace.log)"
    }

    fn record_unit(&self) -> &'static str {
        "log line"
    }

    fn probe(&self, head: &Head) -> Match {
        let first = scan::lines(&head.bytes, 1).next().and_then(|line| std::str::from_utf8(line).ok());
        if ENDINGS.iter().any(|ending| head.name.ends_with(ending)) && first.and_then(entry).is_some() {
            return Match::Certain("entries of a logger of SWE-agent, under the name of an instance".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        // The trajectory tells the same steps and takes the times from here; of several logs the first tells them.
        let told = ENDINGS.iter().position(|ending| input.name.ends_with(ending)).is_some_and(|at| {
            let own = ENDINGS.get(at).copied().unwrap_or_default();
            let before = ENDINGS.iter().take(at).copied();
            before.chain([".traj"]).any(|other| input.is_told_by(own, other))
        });
        let mut account = Account::of_file(input, time);
        let whole = text::whole(input, sink)?;
        let mut begun = false;
        let mut last = 0;
        for (number, line) in (1..).zip(whole.lines()) {
            last = number;
            begun |= entry(line).is_some();
            match (line.trim().is_empty(), begun) {
                (true, _) => {}
                (false, true) => sink.record(),
                (false, false) => sink.unread(number, "line before the first entry", line.as_bytes()),
            }
        }
        text::unended(&whole, last, sink);
        if told || !begun {
            return Ok(());
        }
        account.about(About { agent: Some("SWE-agent"), ..About::default() });
        for taken in actions(&whole, time) {
            let Some((_, action)) = taken.body.rsplit_once(ACTION) else { continue };
            for at in [taken.at, taken.end].into_iter().flatten() {
                account.clock.saw(taken.number, at);
            }
            let (tool, command) = tool_of(action);
            let call = Call {
                id: Some(&format!("line~{}", taken.number)),
                tool,
                arguments: action.to_owned(),
                command: command.map(str::to_owned),
                end: taken.end.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }),
                ..Call::default()
            };
            account.call(Spot::of(taken.number, taken.at), call, &serde_json::Value::Null, sink);
        }
        account.finish(sink);
        Ok(())
    }
}

/// The head of an entry.
struct Entry<'t> {
    stamp: stamps::Stamp,
    message: &'t str,
}

fn entry(line: &str) -> Option<Entry<'_>> {
    let (stamp, rest) = line.split_once(" - ")?;
    let stamp = stamps::Stamp::parse(stamp)?;
    let (level, rest) = rest.split_once(" - ")?;
    if level.is_empty() || !level.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let (logger, message) = rest.split_once(" - ")?;
    let own = logger.starts_with("swea-") && !logger.contains(char::is_whitespace);
    own.then_some(Entry { stamp, message })
}

const THOUGHT: &str = "THOUGHT";
const ACTION: &str = "\n🎬 ACTION\n";

/// The number in `===== STEP 3 =====`.
fn step(message: &str) -> Option<u64> {
    message.strip_prefix("====")?.trim_matches('=').trim().strip_prefix("STEP ")?.parse().ok()
}

/// An action as the log tells it.
struct Taken {
    number: u64,
    step: u64,
    at: Option<Span>,
    /// When the next step began.
    end: Option<Span>,
    /// Thought and action.
    body: String,
}

fn actions(text: &str, time: &TimeContext) -> Vec<Taken> {
    let mut found: Vec<Taken> = Vec::new();
    let mut current = 0;
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        match entry(line) {
            Some(Entry { stamp, message }) => {
                open = false;
                if let Some(next) = step(message) {
                    current = next;
                    if let Some(before) = found.last_mut() {
                        before.end = before.end.or_else(|| stamp.span(time));
                    }
                } else if message.ends_with(THOUGHT) {
                    open = true;
                    let at = stamp.span(time);
                    found.push(Taken { number, step: current, at, end: None, body: String::new() });
                }
            }
            None if open => {
                if let Some(taken) = found.last_mut() {
                    taken.body.push('\n');
                    taken.body.push_str(line);
                }
            }
            None => {}
        }
    }
    for taken in &mut found {
        taken.body.truncate(taken.body.trim_end().len());
    }
    found
}

/// The times of a trajectory's steps.
#[derive(Default)]
pub(super) struct Times {
    actions: Vec<Taken>,
    next: usize,
}

impl Times {
    /// Of the log that lies beside a trajectory.
    pub(super) fn beside(input: &Input, time: &TimeContext) -> Self {
        let logs = ENDINGS.iter().filter_map(|ending| input.sibling(".traj", ending));
        for log in logs {
            let mut bytes = Vec::new();
            // One that cannot be read has no times.
            if log.take(LARGEST).read_to_end(&mut bytes).is_ok() {
                let actions = actions(&String::from_utf8_lossy(&bytes), time);
                if !actions.is_empty() {
                    return Times { actions, next: 0 };
                }
            }
        }
        Times::default()
    }

    /// When the action of a step was about to run, and when the step behind it began. A step may have been asked for again:
    /// the last entry of its number that ends with its action counts.
    pub(super) fn of(&mut self, step: u64, action: &str) -> Option<(Option<Span>, Option<Span>)> {
        let ours = |taken: &&Taken| {
            let before = taken.body.strip_suffix(action.trim()).unwrap_or_default();
            taken.step == step && before.ends_with(ACTION)
        };
        let rest = self.actions.get(self.next..).unwrap_or_default();
        // The entries of a step stand together.
        let begin = rest.iter().position(|taken| taken.step == step)?;
        let own = rest.iter().skip(begin).take_while(|taken| taken.step == step).count();
        let group = rest.get(begin..begin + own).unwrap_or_default();
        let times = group.iter().rfind(ours).map(|taken| (taken.at, taken.end));
        self.next += begin + own;
        times
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::SweAgent;
    use super::*;
    use crate::evidence::{EvidenceId, Paths, walk};
    use crate::formats::Collector;
    use crate::time::{Instant, SECOND};

    fn read(format: &dyn Format, path: &Path) -> Collector {
        let mut input = Input::open(path.file_name().unwrap().to_str().unwrap(), path, EvidenceId(0)).unwrap();
        let mut found = Collector::default();
        format.read(&mut input, &TimeContext::default(), &mut found).unwrap();
        found
    }

    #[test]
    fn a_log_dates_the_trajectory_beside_it_and_counts_no_step_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (traj, log) = (folder.path().join("r-1.traj"), folder.path().join("r-1.debug.log"));
        let steps = r#"{"trajectory":[{"action":"ls\n","observation":"a"},{"action":"id","observation":"b"},{"action":"id","observation":"c"}]}"#;
        // 2026-11-20T14:00:00Z is 1 795 183 200 (date -u -d ... +%s). The second step was asked for twice; in its thought
        // stands what looks like a later action of the first; the third says something else than the trajectory.
        let text = "2026-11-20 14:00:01,000 - INFO - swea-agent - ==== STEP 1 ====\n\
                    2026-11-20 14:00:02,000 - INFO - swea-agent - 💭 THOUGHT\nx\n\n🎬 ACTION\nls\n\
                    2026-11-20 14:00:03,000 - DEBUG - swea-env - y\n\
                    2026-11-20 14:00:04,000 - INFO - swea-agent - ==== STEP 2 ====\n\
                    2026-11-20 14:00:05,000 - INFO - swea-agent - 💭 THOUGHT\nx\n\n🎬 ACTION\nvim\n\
                    2026-11-20 14:00:06,500 - INFO - swea-agent - 💭 THOUGHT\nls\n🎬 ACTION\nls\n\n🎬 ACTION\nid\n\
                    2026-11-20 14:00:07,000 - INFO - swea-agent - ==== STEP 3 ====\n\
                    2026-11-20 14:00:08,000 - INFO - swea-agent - 💭 THOUGHT\n\n🎬 ACTION\nwho\n";
        std::fs::write(&log, text).unwrap();
        assert_eq!(read(&SweAgentLog, &log).steps.len(), 4);
        std::fs::write(&traj, steps).unwrap();
        let beside = read(&SweAgentLog, &log);
        assert_eq!((beside.steps.len(), beside.episodes.len(), beside.unread.len()), (0, 0, 0));
        // A trajectory that is not among the evidence tells nothing.
        let mut input = Input::open("r-1.debug.log", &log, EvidenceId(0)).unwrap();
        let (files, _) = walk(std::slice::from_ref(&log));
        input.among = Some(Arc::new(Paths::of(&files)));
        let mut alone = Collector::default();
        SweAgentLog.read(&mut input, &TimeContext::default(), &mut alone).unwrap();
        assert_eq!(alone.steps.len(), 4);
        let found = read(&SweAgent, &traj);
        let at = |ms: i64| Some(Instant(1_795_183_200 * SECOND + ms * 1_000_000));
        let times: Vec<_> = found
            .steps
            .iter()
            .map(|step| (step.start.map(|start| start.span.lo), step.end.map(|end| end.span.lo)))
            .collect();
        assert_eq!(times, [(at(2_000), at(4_000)), (at(6_500), at(7_000)), (None, None)]);
        assert_eq!(found.episodes[0].span.map(|span| Some(span.lo)), Some(at(2_000)));
        // The shortest of the logs speaks for the others.
        std::fs::remove_file(&traj).unwrap();
        std::fs::write(folder.path().join("r-1.info.log"), text).unwrap();
        assert_eq!(read(&SweAgentLog, &log).steps.len(), 0);
        assert_eq!(read(&SweAgentLog, &folder.path().join("r-1.info.log")).steps.len(), 4);
    }
}
