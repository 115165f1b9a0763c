//! Recordings of asciinema (`.cast`), versions 2 and 3, those of Terminal-Bench among them.
//!
//! Source: docs.asciinema.org, "asciicast v2" and "asciicast v3". The first line is a header with the size of the terminal
//! and the moment when the recording began (seconds since 1970); each further line is `[time, code, data]`: `"o"` what was
//! shown, `"i"` what was typed (only if it was asked for), `"m"` a marker. Times are seconds since the beginning in
//! version 2, since the event before in version 3.

use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Answer, Call, Spot};
use super::super::{json, scan, stamps};
use super::screen::{Entered, Keys, Screen, host, prompt};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Endpoint, EndpointKind, Step, TextOrigin};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// The reader of asciinema's recordings.
pub struct Asciicast;

impl Format for Asciicast {
    fn id(&self) -> &'static str {
        "asciicast"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "asciinema recordings (.cast), versions 2 and 3, as of Terminal-Bench"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let header = scan::members(scan::lines(&head.bytes, 1).next().unwrap_or_default());
        let has = |name: &str| header.iter().any(|(found, _)| *found == name);
        let version = header.iter().find(|(name, _)| *name == "version").map(|(_, value)| *value);
        match version {
            Some(b"2") if has("width") && has("height") => Match::Certain("header of an asciicast v2".to_owned()),
            Some(b"3") if has("term") => Match::Certain("header of an asciicast v3".to_owned()),
            _ => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (episode, name, actor) = place(&input.name);
        let mut recording = Recording {
            account: Account::new(&episode, &name, input.evidence, time),
            time,
            actor,
            version: 0,
            began: None,
            passed: 0,
            at: None,
            screen: Screen::default(),
            keys: Keys::default(),
            prompt: String::new(),
            typed: false,
            entries: Vec::new(),
            kept: 0,
        };
        let outcome = json::lines(input, sink, &mut |number, value, raw, sink| {
            if recording.line(number, value, sink) {
                sink.record();
            } else {
                sink.unread(number, "neither the header nor an event of a recording", raw);
            }
        });
        recording.finish(sink);
        outcome
    }
}

/// Which episode a recording is. Terminal-Bench keeps `TRIAL/sessions/agent.cast`, what the agent's terminal showed, and
/// `tests.cast`, of the harness' tests behind it.
fn place(path: &str) -> (String, String, Actor) {
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    let tests = json::stem(file) == "tests";
    let actor = if tests { Actor::Harness } else { Actor::Policy };
    let trial = if directory == "sessions" { Some(".") } else { directory.strip_suffix("/sessions") };
    match trial {
        Some(trial) => {
            let name = trial.rsplit('/').next().unwrap_or(trial);
            if json::stem(file) == "agent" {
                (trial.to_owned(), name.to_owned(), actor)
            } else {
                let suffix = json::stem(file);
                (format!("{trial}#{suffix}"), format!("{name}#{suffix}"), actor)
            }
        }
        None => (path.to_owned(), json::stem(path).to_owned(), actor),
    }
}

/// A line that was entered, and what came back.
struct Entry {
    number: u64,
    at: Option<Span>,
    actor: Actor,
    /// As it was entered.
    text: String,
    command: Option<String>,
    output: String,
    /// When the next prompt was shown.
    end: Option<Span>,
    /// Entered at this prompt.
    prompt: String,
    ended: bool,
}

/// Bound on the entries and on what is kept of all outputs.
const MOST_ENTRIES: usize = 1_000_000;
const OUTPUTS_KEPT: usize = 64 << 20;

struct Recording<'t> {
    account: Account<'t>,
    time: &'t TimeContext,
    actor: Actor,
    version: u64,
    /// Nanoseconds since 1970.
    began: Option<i64>,
    /// Nanoseconds since the beginning.
    passed: i64,
    at: Option<Span>,
    screen: Screen,
    keys: Keys,
    /// What stood in the line before the first key.
    prompt: String,
    /// Keys were recorded.
    typed: bool,
    entries: Vec<Entry>,
    kept: usize,
}

impl Recording<'_> {
    fn line(&mut self, number: u64, value: &Value, sink: &mut dyn Sink) -> bool {
        if let Some(version) = value.get("version").and_then(Value::as_u64) {
            self.header(number, version, value);
            return true;
        }
        let Some([passed, code, data]) = value.as_array().map(Vec::as_slice) else { return false };
        let (Some(code), Some(data)) = (code.as_str(), data.as_str()) else { return false };
        let Some((passed, _)) = passed.is_number().then(|| stamps::decimal_seconds(&passed.to_string())).flatten()
        else {
            return false;
        };
        self.passed = if self.version == 3 { self.passed.saturating_add(passed) } else { passed };
        self.at = self.began.and_then(|began| Some(self.time.epoch(Instant(began.checked_add(self.passed)?), SECOND)));
        if let Some(at) = self.at {
            self.account.clock.saw(number, at);
        }
        match code {
            "i" => self.pressed(number, data),
            "o" => self.shown(number, data),
            "m" => self.account.say(Spot::of(number, self.at), TextOrigin::Environment, data.to_owned(), sink),
            // A change of size, the exit code of the recorded shell.
            _ => {}
        }
        true
    }

    fn header(&mut self, number: u64, version: u64, header: &Value) {
        self.version = version;
        // The header counts whole seconds: all of the recording lies up to a second later.
        self.began = header.get("timestamp").and_then(Value::as_i64).and_then(|at| at.checked_mul(SECOND));
        let width = header.get("width").or_else(|| header.pointer("/term/cols")).and_then(Value::as_u64);
        self.screen.width = width.and_then(|width| usize::try_from(width).ok()).unwrap_or(0);
        if let Some(began) = self.began {
            self.account.clock.saw(number, self.time.epoch(Instant(began), SECOND));
        }
        self.account.about(About { task: json::text(header, "title"), ..About::default() });
    }

    fn pressed(&mut self, number: u64, data: &str) {
        if !self.typed {
            self.typed = true;
            // With keys at hand, what looked like commands on the screen is not needed.
            self.entries.clear();
            self.kept = 0;
        }
        if self.keys.is_blank() {
            self.prompt = self.screen.line();
        }
        let mut found = Vec::new();
        self.keys.press(data, &mut |entered| found.push(entered));
        for entered in found {
            match entered {
                Entered::Line(line) => {
                    let shown = self.screen.line();
                    // What the shell had fetched or completed is what it showed.
                    let echo =
                        shown.strip_prefix(self.prompt.as_str()).or_else(|| prompt(&shown).map(|(_, line)| line));
                    let text = line.text.trim();
                    let command = if line.edited { echo.unwrap_or_default().trim() } else { text };
                    if text.is_empty() && command.is_empty() {
                        continue;
                    }
                    let by_hand = line.pieces >= 3 && line.text.chars().count() >= 3;
                    let command = command.strip_suffix("; tmux wait -S done").unwrap_or(command);
                    let actor = match self.actor {
                        Actor::Policy if by_hand => Actor::Human,
                        // Terminal-Bench prepares the terminal of the agent.
                        Actor::Policy if command.starts_with("source /installed-agent/") => Actor::Harness,
                        actor => actor,
                    };
                    let command = Some(command.to_owned()).filter(|command| !command.is_empty());
                    self.enter(number, actor, text.to_owned(), command);
                }
                Entered::Key(key) => self.enter(number, self.actor, key.to_owned(), None),
            }
            self.prompt = String::new();
        }
    }

    fn enter(&mut self, number: u64, actor: Actor, text: String, command: Option<String>) {
        if self.entries.len() >= MOST_ENTRIES {
            return;
        }
        if self.account.episode.host.is_none() {
            let found = prompt(&self.prompt).and_then(|(prompt, _)| host(prompt)).map(str::to_owned);
            self.account.about(About { host: found.as_deref(), ..About::default() });
        }
        self.entries.push(Entry {
            number,
            at: self.at,
            actor,
            text,
            command,
            output: String::new(),
            end: None,
            prompt: self.prompt.clone(),
            ended: false,
        });
    }

    fn shown(&mut self, number: u64, data: &str) {
        let mut left = Vec::new();
        self.screen.write(data, &mut |line| left.push(line));
        for line in left {
            let entered = prompt(&line).filter(|(_, command)| !command.is_empty());
            match entered {
                // The echo of a line whose keys are known.
                Some(_) if self.typed => {}
                Some((mark, command)) => {
                    mark.clone_into(&mut self.prompt);
                    self.enter(number, self.actor, command.to_owned(), Some(command.to_owned()));
                }
                None => self.output(&line),
            }
        }
        let shown = self.screen.line();
        let bare = prompt(&shown).is_some_and(|(_, command)| command.is_empty());
        if let Some(entry) = self.entries.last_mut().filter(|entry| !entry.ended)
            && !shown.is_empty()
            && (bare || shown == entry.prompt)
        {
            entry.ended = true;
            entry.end = self.at;
        }
    }

    fn output(&mut self, line: &str) {
        let Some(entry) = self.entries.last_mut().filter(|entry| !entry.ended) else { return };
        if self.kept + line.len() > OUTPUTS_KEPT || entry.output.len() + line.len() > Step::OUTPUT_KEPT {
            return;
        }
        self.kept += line.len() + 1;
        entry.output.push_str(line.trim_end());
        entry.output.push('\n');
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        for entry in std::mem::take(&mut self.entries) {
            let spot = Spot::of(entry.number, entry.at).by(entry.actor);
            let id = format!("line~{}", entry.number);
            let id = if self.account.knows_call(&id) { format!("{id}+") } else { id };
            let call = Call {
                id: Some(&id),
                tool: "terminal",
                arguments: entry.text,
                command: entry.command,
                ..Call::default()
            };
            self.account.call(spot, call, &Value::Null, sink);
            if entry.ended || !entry.output.is_empty() {
                let end = entry.end.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded });
                let answer = Answer { id: Some(&id), output: entry.output, end, ..Answer::default() };
                self.account.answer(Spot { at: None, ..spot }, answer, sink);
            }
        }
        self.account.finish(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_a_trial() {
        for (path, episode, actor) in [
            ("run/t.1/sessions/agent.cast", "run/t.1", Actor::Policy),
            ("run/t.1/sessions/tests.cast", "run/t.1#tests", Actor::Harness),
            ("demo.cast", "demo.cast", Actor::Policy),
        ] {
            let (id, _, by) = place(path);
            assert_eq!((id.as_str(), by), (episode, actor));
        }
    }
}
