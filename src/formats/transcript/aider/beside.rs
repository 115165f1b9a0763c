//! The files beside a chat that say when: `.aider.input.history` of what was entered, `.aider.llm.history` of what was
//! sent to the model and what came.
//!
//! Source: Aider-AI/aider `aider/io.py` (`add_to_input_history`, `log_llm_history`), `aider/utils.py` (`format_messages`).
//! The second is written where `--llm-history-file` asks for it: `TO LLM STAMP` and `LLM RESPONSE STAMP`, local seconds, each
//! with lines that begin with who says them, so that nothing that is said can begin an entry.

use std::io::Read;

use super::super::stamps::Stamp;
use crate::evidence::Input;
use crate::time::{Span, TimeContext};

/// The endings of the names.
pub(super) const CHAT: &str = ".chat.history.md";
pub(super) const INPUTS: &str = ".input.history";
pub(super) const MODEL: &str = ".llm.history";
/// Bound on a file that is looked into for times, in bytes.
const LARGEST: u64 = 256 << 20;

/// What somebody said, and when.
pub(super) struct Moment {
    pub(super) number: u64,
    pub(super) at: Option<Span>,
    pub(super) text: String,
}

/// What was entered.
pub(super) fn inputs(text: &str, time: &TimeContext) -> Vec<Moment> {
    let mut found: Vec<Moment> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(stamp) = line.strip_prefix("# ").and_then(Stamp::parse) {
            found.push(Moment { number, at: stamp.span(time), text: String::new() });
        } else if let (Some(entered), Some(moment)) = (line.strip_prefix('+'), found.last_mut()) {
            push(&mut moment.text, entered.trim_end());
        }
    }
    found
}

/// The head of an entry of the history of the model: whether it is an answer, and its stamp.
pub(super) fn entry(line: &str) -> Option<(bool, Stamp)> {
    let (answer, stamp) = match line.strip_prefix("LLM RESPONSE ") {
        Some(stamp) => (true, stamp),
        None => (false, line.strip_prefix("TO LLM ")?),
    };
    Some((answer, Stamp::parse(stamp)?))
}

/// What the model answered.
pub(super) fn answers(text: &str, time: &TimeContext) -> Vec<Moment> {
    let mut found: Vec<Moment> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((answer, stamp)) = entry(line) {
            open = answer;
            if answer {
                found.push(Moment { number, at: stamp.span(time), text: String::new() });
            }
        } else if let (true, Some(moment)) = (open, found.last_mut()) {
            let said = line.strip_prefix("ASSISTANT").unwrap_or(line);
            push(&mut moment.text, said.strip_prefix(' ').unwrap_or(said));
        }
    }
    found
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Moments in their order, and how far they were used.
#[derive(Default)]
struct Line {
    moments: Vec<Moment>,
    next: usize,
}

impl Line {
    /// When that was said, within the session: the first moment behind those that were used.
    fn at(&mut self, text: &str, session: Session) -> Option<Span> {
        let within = |moment: &Moment| {
            let at = moment.at?;
            let begun = session.begin.is_none_or(|begin| at.hi >= begin.lo);
            let ended = session.end.is_some_and(|end| at.lo > end.hi);
            (begun && !ended && key(&moment.text) == key(text)).then_some(at)
        };
        let rest = self.moments.get(self.next..)?;
        let (place, at) = rest.iter().enumerate().find_map(|(place, moment)| Some((place, within(moment)?)))?;
        self.next += place + 1;
        Some(at)
    }
}

/// What is compared of a text: not how its lines are broken.
fn key(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// When a session began, and when the next one did.
#[derive(Clone, Copy, Default)]
pub(super) struct Session {
    pub(super) begin: Option<Span>,
    pub(super) end: Option<Span>,
}

/// The moments of a chat.
#[derive(Default)]
pub(super) struct Moments {
    inputs: Line,
    answers: Line,
}

impl Moments {
    /// Of the files that lie beside a chat.
    pub(super) fn of(input: &Input, time: &TimeContext) -> Self {
        let read = |ending: &str| {
            let mut bytes = Vec::new();
            // One that cannot be read has no times.
            input.sibling(CHAT, ending)?.take(LARGEST).read_to_end(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let line = |moments: Option<Vec<Moment>>| Line { moments: moments.unwrap_or_default(), next: 0 };
        Moments {
            inputs: line(read(INPUTS).map(|text| inputs(&text, time))),
            answers: line(read(MODEL).map(|text| answers(&text, time))),
        }
    }

    /// When a person entered that.
    pub(super) fn entered(&mut self, text: &str, session: Session) -> Option<Span> {
        self.inputs.at(text, session)
    }

    /// When that answer of the model was there.
    pub(super) fn answered(&mut self, text: &str, session: Session) -> Option<Span> {
        self.answers.at(text, session)
    }
}
