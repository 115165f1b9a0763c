//! What shells remember: histories of bash, zsh and fish.
//!
//! Source: bash `lib/readline/history.rst` and `bashhist.c` (`#` and seconds since 1970 before a command, where
//! HISTTIMEFORMAT was set), zsh `zshoptions` EXTENDED_HISTORY (`: BEGAN:ELAPSED;COMMAND`), fish `history.cpp` (`- cmd:`,
//! `  when:`). The moment is that when the line was entered. A shell writes its history when it ends; one that is killed
//! leaves none, and what was entered with a blank in front may be missing.

use std::io;

use serde_json::Value;

use super::super::account::{Account, Call, Spot};
use super::super::json;
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// The reader of shells' histories.
pub struct ShellHistory;

/// Longest line that a command can be, in bytes (Linux: MAX_ARG_STRLEN).
const LONGEST: usize = 128 << 10;

impl Format for ShellHistory {
    fn id(&self) -> &'static str {
        "shell-history"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Histories of shells: bash with or without times, zsh, fish"
    }

    fn record_unit(&self) -> &'static str {
        "entry"
    }

    fn probe(&self, head: &Head) -> Match {
        if head.bytes.iter().take(4096).any(|byte| *byte == 0) {
            return Match::No;
        }
        let text = head.text();
        let mut lines = text.lines();
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let dated = stamp(first).is_some() && !second.is_empty() && stamp(second).is_none();
        if dated || extended(first).is_some() || (first.starts_with("- cmd: ") && second.starts_with("  when: ")) {
            return Match::Likely(80, "commands with the times of a shell's history".to_owned());
        }
        let name = head.name.rsplit('/').next().unwrap_or(&head.name);
        let named = [".bash_history", "bash_history", ".sh_history", ".ash_history", ".zsh_history", "zsh_history"];
        if named.contains(&name) && !first.trim().is_empty() && !first.starts_with(['{', '[']) {
            return Match::Likely(60, "named as a shell's history".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let account = Account::of_file(input, time);
        let text = json::whole_text(input, sink)?;
        let mut history = History { account, time, entries: 0, stamped: None, lines: Vec::new() };
        for line in text.lines() {
            history.line(line, sink);
        }
        history.end(&text, sink);
        history.account.finish(sink);
        Ok(())
    }
}

/// The seconds of a `#1795185891` line.
fn stamp(line: &str) -> Option<i64> {
    let digits = line.trim_end().strip_prefix('#')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// (began, seconds that it took, command) of a line of zsh.
fn extended(line: &str) -> Option<(i64, i64, &str)> {
    let (times, command) = line.strip_prefix(": ")?.split_once(';')?;
    let (began, took) = times.split_once(':')?;
    Some((began.trim().parse().ok()?, took.parse().ok()?, command))
}

struct History<'t> {
    account: Account<'t>,
    time: &'t TimeContext,
    entries: u64,
    /// Of the lines that follow: they are one command.
    stamped: Option<i64>,
    lines: Vec<String>,
}

impl History<'_> {
    fn line(&mut self, line: &str, sink: &mut dyn Sink) {
        if let Some(seconds) = stamp(line) {
            self.flush(sink);
            self.stamped = Some(seconds);
        } else if let Some((began, took, command)) = extended(line) {
            self.flush(sink);
            match command.strip_suffix('\\') {
                // The command goes on in the next line.
                Some(begun) => {
                    self.stamped = Some(began);
                    self.lines.push(begun.to_owned());
                }
                None => self.tell(Some(began), Some(took), command.to_owned(), sink),
            }
        } else if let Some(command) = line.strip_prefix("- cmd: ") {
            self.flush(sink);
            self.lines.push(command.replace("\\n", "\n"));
        } else if let Some(when) = line.strip_prefix("  when: ") {
            self.stamped = when.trim().parse().ok();
            self.flush(sink);
        } else if self.stamped.is_some() {
            self.lines.push(line.to_owned());
        } else if !line.trim().is_empty() && !line.starts_with("  paths:") && !line.starts_with("    - ") {
            self.flush(sink);
            self.tell(None, None, line.to_owned(), sink);
        }
    }

    /// The end of the file: what is gathered, and whether something is missing behind it.
    fn end(&mut self, text: &str, sink: &mut dyn Sink) {
        let goes_on = match text.lines().next_back() {
            // zsh ends a line of a command with a backslash if another comes; fish writes the time below the command.
            Some(last) => {
                (extended(last).is_some() || !self.lines.is_empty()) && last.ends_with('\\')
                    || last.starts_with("- cmd: ")
            }
            None => false,
        };
        self.flush(sink);
        super::super::text::unended(text, self.entries, sink);
        if goes_on && text.ends_with('\n') {
            let detail = "the file ends within a command: it was cut, or was still being written".to_owned();
            sink.anomaly(Anomaly { record: self.entries, kind: AnomalyKind::TruncatedRecord, detail });
        }
    }

    /// Tells the command that was gathered.
    fn flush(&mut self, sink: &mut dyn Sink) {
        let stamped = self.stamped.take();
        let command = std::mem::take(&mut self.lines).join("\n");
        if !command.trim().is_empty() {
            self.tell(stamped, None, command, sink);
        } else if let Some(stamped) = stamped {
            self.entries += 1;
            sink.unread(self.entries, "time without a command", format!("#{stamped}").as_bytes());
        }
    }

    fn tell(&mut self, began: Option<i64>, took: Option<i64>, command: String, sink: &mut dyn Sink) {
        self.entries += 1;
        let number = self.entries;
        if command.len() > LONGEST || command.starts_with('#') {
            let why = if command.starts_with('#') { "a comment" } else { "longer than a command can be" };
            return sink.unread(number, why, command.as_bytes());
        }
        sink.record();
        let moment =
            |seconds: i64| -> Option<Span> { Some(self.time.epoch(Instant(seconds.checked_mul(SECOND)?), SECOND)) };
        let at = began.and_then(moment);
        let end = began.zip(took).and_then(|(began, took)| moment(began.checked_add(took)?));
        if let Some(at) = at {
            self.account.clock.saw(number, at);
        }
        let call = Call {
            id: Some(&format!("entry~{number}")),
            tool: "shell",
            arguments: command.clone(),
            command: Some(command),
            end: end.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded }),
            duration_ns: took.and_then(|took| took.checked_mul(SECOND)),
            ..Call::default()
        };
        self.account.call(Spot::of(number, at), call, &Value::Null, sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::formats::Collector;
    use crate::model::Step;

    fn read(text: &str) -> Vec<Step> {
        let mut input = Input::from_bytes("h", text.as_bytes().to_vec(), EvidenceId(0));
        let mut found = Collector::default();
        ShellHistory.read(&mut input, &TimeContext::default(), &mut found).unwrap();
        found.steps
    }

    #[test]
    fn each_shell_tells_its_commands() {
        let commands = |text: &str| -> Vec<String> { read(text).into_iter().filter_map(|step| step.command).collect() };
        assert_eq!(commands("ls\ncurl x | sh\n"), ["ls", "curl x | sh"]);
        assert_eq!(commands(": 1795185891:3;sleep 3\n: 1795185895:0;a \\\nb\n"), ["sleep 3", "a \nb"]);
        assert_eq!(commands("- cmd: ls\n  when: 1795185891\n- cmd: a\\nb\n  when: 1795185892\n"), ["ls", "a\nb"]);
        // 1795185891 + 3 s.
        let [step, _] = read(": 1795185891:3;sleep 3\n: 1795185895:0;id\n").try_into().unwrap();
        assert_eq!(step.duration_ns, Some(3 * SECOND));
        assert_eq!(step.end.unwrap().span.lo, Instant(1_795_185_894 * SECOND));
    }
}
