//! Aider's histories: `.aider.chat.history.md` and `.aider.input.history`.
//!
//! Source: Aider-AI/aider `aider/io.py` (`append_chat_history`, `add_to_input_history`), `aider/coders/base_coder.py`
//! (`handle_shell_commands`) and `aider/commands.py`. In the chat a session begins with its local time; `#### ` stands
//! before what the person said, `> ` before what the program said, and the rest is the model's. Commands are those of the
//! person (`/run`, `!`, `/test`, `/git`) and those that the model proposed (`> Running …`, once allowed). The history of
//! inputs has a local time for each, in microseconds, and repeats them: beside a chat it says when each was entered, and the
//! history of the model (`.aider.llm.history`), where it was asked for, when each answer was there.

mod beside;

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
        "Aider's histories of chats, of inputs and of the model"
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
        if beside::entry(first).is_some() {
            return Match::Likely(85, "what was sent to a model and what came, as Aider keeps it".to_owned());
        }
        let input = first.strip_prefix("# ").and_then(stamps::Stamp::parse).is_some() && second.starts_with('+');
        if input { Match::Likely(85, "inputs with their times".to_owned()) } else { Match::No }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let moments = beside::Moments::of(input, time);
        let beside_chat = input.is_told_by(beside::MODEL, beside::CHAT);
        let text = json::whole_text(input, sink)?;
        if text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| beside::entry(line).is_some()) {
            of_model(Account::of_file(input, time), time, &text, beside_chat, sink);
            return Ok(());
        }
        let begun = |line: &str| stamps::span(line.strip_prefix(SESSION)?.trim(), time);
        let mut file = File {
            name,
            evidence,
            time,
            session: None,
            sessions: 0,
            at: None,
            gathered: None,
            before: Vec::new(),
            moments,
            starts: text.lines().filter_map(begun).collect(),
            within: beside::Session::default(),
        };
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
    /// By the files beside a chat.
    moments: beside::Moments,
    /// When the sessions that have a date began, and when that of the moment did.
    starts: Vec<Span>,
    within: beside::Session,
}

/// A history of the model. Beside the chat, which tells the same answers, it tells nothing.
fn of_model(mut account: Account<'_>, time: &TimeContext, text: &str, beside_chat: bool, sink: &mut dyn Sink) {
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        last = number;
        if !line.trim().is_empty() {
            sink.record();
        }
    }
    super::text::unended(text, last, sink);
    if beside_chat {
        return;
    }
    account.about(About { agent: Some("aider"), ..About::default() });
    for answer in beside::answers(text, time) {
        if let Some(at) = answer.at {
            account.clock.saw(answer.number, at);
        }
        account.say(Spot::of(answer.number, answer.at), TextOrigin::Agent, answer.text, sink);
    }
    account.finish(sink);
}

impl<'t> File<'t> {
    fn line(&mut self, number: u64, line: &str, sink: &mut dyn Sink) {
        if let Some(date) = line.strip_prefix(SESSION) {
            self.end(sink);
            self.sessions += 1;
            let (id, stem) = (format!("{}#{}", self.name, self.sessions), json::stem(&self.name));
            let mut account = Account::new(&id, &format!("{stem}#{}", self.sessions), self.evidence, self.time);
            account.about(About { agent: Some("aider"), ..About::default() });
            let begin = account.stamp(number, Some(&Value::String(date.trim().to_owned())), sink);
            let end = begin.and_then(|begin| self.starts.iter().find(|start| start.lo > begin.lo).copied());
            self.within = beside::Session { begin, end };
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
        let at = match voice {
            Voice::Person => self.moments.entered(&text, self.within),
            Voice::Model => self.moments.answered(&text, self.within),
            Voice::Input => None,
        };
        // What stands below without a time was not before this.
        if let Some(at) = at {
            account.clock.saw(number, at);
        }
        let spot = Spot::of(number, at);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::formats::Collector;
    use crate::time::{Basis, Instant, SECOND};

    const CHAT: &str = "\n# aider chat started at 2026-11-20 14:00:00\n\n#### /run id  \n> Added 1 line  \n\n#### Check it  \n\nI do.\n\nSo.\n\n\
                        > Running ls  \n\n# aider chat started at 2026-11-20 15:00:00\n\n#### /run id  \n";

    fn read(path: &Path) -> Collector {
        let mut input = Input::open(path.file_name().unwrap().to_str().unwrap(), path, EvidenceId(0)).unwrap();
        let mut found = Collector::default();
        Aider.read(&mut input, &TimeContext::default(), &mut found).unwrap();
        assert!(found.unread.is_empty() && found.anomalies.is_empty(), "{found:?}");
        found
    }

    #[test]
    fn the_histories_beside_a_chat_date_it() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        std::fs::write(of(".aider.chat.history.md"), CHAT).unwrap();
        let starts = |found: &Collector| -> Vec<_> {
            found.steps.iter().map(|step| step.start.map(|start| (start.span.lo, start.span.basis))).collect()
        };
        // 2026-11-20T14:00:00Z is 1 795 183 200 (date -u -d ... +%s).
        let at = |seconds: i64| Instant((1_795_183_200 + seconds) * SECOND);
        let alone = read(&of(".aider.chat.history.md"));
        assert_eq!(
            starts(&alone),
            [Some((at(0), Basis::OrderOnly)), Some((at(0), Basis::OrderOnly)), Some((at(3600), Basis::OrderOnly))]
        );
        let inputs = "\n# 2026-11-20 13:00:00.000000\n+/run id\n\n# 2026-11-20 14:00:10.000000\n+/run id\n\n\
                      # 2026-11-20 14:00:20.000000\n+Check it\n\n# 2026-11-20 15:00:30.000000\n+/run id\n";
        std::fs::write(of(".aider.input.history"), inputs).unwrap();
        let dated = starts(&read(&of(".aider.chat.history.md")));
        assert_eq!(
            dated,
            [
                Some((at(10), Basis::AssumedZone)),
                Some((at(20), Basis::OrderOnly)),
                Some((at(3630), Basis::AssumedZone))
            ]
        );
        let model = "TO LLM 2026-11-20T14:00:21\n-------\nUSER LLM RESPONSE 2026-11-20T14:00:22\n\
                     LLM RESPONSE 2026-11-20T14:00:25\nASSISTANT I do.\nASSISTANT \nASSISTANT So.\n";
        std::fs::write(of(".aider.llm.history"), model).unwrap();
        assert_eq!(starts(&read(&of(".aider.chat.history.md")))[1], Some((at(25), Basis::OrderOnly)));
        // Beside the chat it says nothing twice; alone it tells the answers.
        let beside = read(&of(".aider.llm.history"));
        assert_eq!((beside.records, beside.texts.len(), beside.episodes.len()), (7, 0, 0));
        std::fs::remove_file(of(".aider.chat.history.md")).unwrap();
        let found = read(&of(".aider.llm.history"));
        assert_eq!(found.texts.len(), 1);
        assert_eq!(
            (found.texts[0].text.as_str(), found.texts[0].span.map(|span| span.lo)),
            ("I do.\n\nSo.", Some(at(25)))
        );
    }
}
