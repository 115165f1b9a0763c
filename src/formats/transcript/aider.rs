//! Aider's histories: `.aider.chat.history.md` and `.aider.input.history`.
//!
//! Source: Aider-AI/aider `aider/io.py` (`append_chat_history`, `add_to_input_history`), `aider/coders/base_coder.py`
//! (`handle_shell_commands`) and `aider/commands.py`. In the chat a session begins with its local time; `#### ` stands
//! before what the person said, `> ` before what the program said, and the rest is the model's. Commands are those of the
//! person (`/run`, `!`, `/test`, `/git`) and those that the model proposed (`> Running …`, once allowed). The history of
//! inputs has a local time for each, in microseconds, and repeats them.

use std::io;

use serde_json::Value;

use super::account::{About, Account, Call, Spot};
use super::{json, stamps};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Actor, Approval, TextOrigin};
use crate::time::{Span, TimeContext};

/// The reader of Aider's histories.
pub struct Aider;

const SESSION: &str = "# aider chat started at ";

impl Format for Aider {
    fn id(&self) -> &'static str {
        "aider"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Aider's histories of chats and of inputs"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let text = head.text();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if first.starts_with(SESSION) {
            return Match::Certain("# aider chat started at".to_owned());
        }
        let input = first.strip_prefix("# ").and_then(stamps::Stamp::parse).is_some() && second.starts_with('+');
        if input { Match::Likely(85, "inputs with their times".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let text = json::whole_text(input, sink)?;
        let mut file =
            File { name, evidence, time, session: None, sessions: 0, at: None, gathered: None, before: Vec::new() };
        let mut last = 0;
        for (number, line) in (1..).zip(text.lines()) {
            last = number;
            file.line(number, line, sink);
        }
        file.end(sink);
        super::text::unended(&text, last, sink);
        Ok(())
    }
}

/// Who says what is gathered.
#[derive(Clone, Copy, PartialEq)]
enum Voice {
    Person,
    Model,
    /// In the history of inputs.
    Input,
}

struct File<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
    session: Option<Account<'t>>,
    sessions: u64,
    /// Of an input.
    at: Option<Span>,
    /// Lines of one voice: the number of the first, and the text.
    gathered: Option<(Voice, u64, String)>,
    /// What the program said just before: commands that it asks about.
    before: Vec<String>,
}

impl<'t> File<'t> {
    fn line(&mut self, number: u64, line: &str, sink: &mut dyn Sink) {
        if let Some(date) = line.strip_prefix(SESSION) {
            self.end(sink);
            self.sessions += 1;
            let (id, stem) = (format!("{}#{}", self.name, self.sessions), json::stem(&self.name));
            let mut account = Account::new(&id, &format!("{stem}#{}", self.sessions), self.evidence, self.time);
            account.about(About { agent: Some("aider"), ..About::default() });
            account.stamp(number, Some(&Value::String(date.trim().to_owned())), sink);
            self.session = Some(account);
            return sink.record();
        }
        let input = line.strip_prefix("# ").and_then(stamps::Stamp::parse);
        if let Some(stamp) = input.filter(|_| self.sessions == 0) {
            self.flush(sink);
            let account = Account::new(&self.name, json::stem(&self.name), self.evidence, self.time);
            let account = self.session.get_or_insert(account);
            self.at = stamp.span(self.time);
            if let Some(at) = self.at {
                account.clock.saw(number, at);
            }
            return sink.record();
        }
        if line.trim().is_empty() {
            if let Some((Voice::Model, _, text)) = &mut self.gathered {
                text.push('\n');
            } else {
                self.flush(sink);
                self.before.clear();
            }
            return;
        }
        if self.session.is_none() {
            return sink.unread(number, "before the beginning of a session", line.as_bytes());
        }
        sink.record();
        if self.sessions == 0 {
            return self.gather(Voice::Input, number, line.strip_prefix('+').unwrap_or(line), sink);
        }
        if let Some(said) = line.strip_prefix("#### ") {
            self.gather(Voice::Person, number, said.trim_end(), sink);
        } else if let Some(said) = line.strip_prefix('>') {
            self.flush(sink);
            self.program(number, said.trim(), sink);
        } else {
            self.gather(Voice::Model, number, line, sink);
        }
    }

    fn gather(&mut self, voice: Voice, number: u64, line: &str, sink: &mut dyn Sink) {
        match &mut self.gathered {
            Some((gathered, _, text)) if *gathered == voice => {
                text.push('\n');
                text.push_str(line);
            }
            _ => {
                self.flush(sink);
                self.gathered = Some((voice, number, line.to_owned()));
            }
        }
    }

    /// What the program said.
    fn program(&mut self, number: u64, said: &str, sink: &mut dyn Sink) {
        let before = std::mem::take(&mut self.before);
        let Some(account) = &mut self.session else { return };
        if said.is_empty() {
            return;
        }
        let spot = Spot::of(number, None);
        if let Some(command) = said.strip_prefix("Running ") {
            call(account, spot, "shell", command, Some(Approval::Given), sink);
        } else if said.starts_with("Run shell command") {
            let answer = said.rsplit(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            if answer.starts_with(['n', 'd']) {
                for (part, command) in (0..).zip(&before) {
                    call(account, spot.part(part), "shell", command, Some(Approval::Refused), sink);
                }
            }
        } else if let Some(version) = said.strip_prefix("Aider v") {
            let version = format!("aider {version}");
            account.episode.agent = Some(version);
        } else if let Some(model) = said.strip_prefix("Model: ").or_else(|| said.strip_prefix("Main model: ")) {
            let model = model.split(" with ").next();
            account.about(About { model, ..About::default() });
        } else {
            self.before = before;
            self.before.push(said.to_owned());
        }
    }

    /// Tells what was gathered.
    fn flush(&mut self, sink: &mut dyn Sink) {
        let Some((voice, number, text)) = self.gathered.take() else { return };
        self.before.clear();
        let Some(account) = &mut self.session else { return };
        let spot = Spot::of(number, None);
        match voice {
            Voice::Model => account.say(spot, TextOrigin::Agent, text.trim_end().to_owned(), sink),
            Voice::Input => account.say(Spot { at: self.at, ..spot }, TextOrigin::Prompt, text, sink),
            Voice::Person => {
                let command =
                    [("/run", ""), ("!", ""), ("/test", ""), ("/git", "git ")].iter().find_map(|(word, own)| {
                        let rest = text.strip_prefix(word)?;
                        (rest.starts_with(' ') || *word == "!").then(|| (*word, format!("{own}{}", rest.trim())))
                    });
                match command {
                    Some((word, command)) if !command.trim().is_empty() => {
                        call(account, spot.by(Actor::Human), word, &command, None, sink);
                    }
                    _ => account.say(spot, TextOrigin::Prompt, text, sink),
                }
            }
        }
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        self.flush(sink);
        self.before.clear();
        if let Some(account) = self.session.take() {
            account.finish(sink);
        }
    }
}

fn call(
    account: &mut Account<'_>,
    spot: Spot,
    tool: &str,
    command: &str,
    approval: Option<Approval>,
    sink: &mut dyn Sink,
) {
    let id = format!("row~{}.{}", spot.order.0, spot.order.1);
    let call = Call {
        id: Some(&id),
        tool,
        arguments: command.to_owned(),
        command: Some(command.to_owned()),
        not_executed: approval == Some(Approval::Refused),
        approval,
        ..Call::default()
    };
    account.call(spot, call, &Value::Null, sink);
}
