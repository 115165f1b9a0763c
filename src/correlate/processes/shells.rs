//! Which shell ran which step: the text that a shell was given to run is the command of the step, word for word.

use std::collections::BTreeMap;

use crate::correlate::attribute::Steps;
use crate::detect::command::base_name;
use crate::intake::ProcessFact;
use crate::time::{Instant, SECOND};

/// How far a shell may begin before its call was recorded, beside what the clocks may be off, in nanoseconds.
const EARLY_NS: i64 = 2 * SECOND;
/// Of a step without times the command alone speaks: shorter ones are run by many.
const SHORTEST: usize = 16;

const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ash", "ksh", "busybox", "fish"];

/// Steps by their command.
#[derive(Default)]
pub(super) struct Shells<'a> {
    by_command: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Shells<'a> {
    pub(super) fn new(steps: &Steps<'a>) -> Self {
        let mut by_command: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for (at, step) in steps.intake.steps.iter().enumerate().filter(|(_, step)| !step.not_executed) {
            if let Some(command) = step.command.as_deref().map(str::trim).filter(|command| !command.is_empty()) {
                by_command.entry(command).or_default().push(at);
            }
        }
        Shells { by_command }
    }

    /// The step whose command a process was begun to run: of those with times the one that began last before it and had
    /// not ended; of those without the only one.
    pub(super) fn step_of(&self, fact: &ProcessFact, at: Instant, steps: &Steps<'_>) -> Option<usize> {
        let candidates = texts(fact.command.as_deref()?)
            .into_iter()
            .find_map(|text| self.by_command.get(text.trim()).map(|steps| (text.trim().len(), steps)));
        let (length, candidates) = candidates?;
        let began = |step: &usize| {
            let time = steps.times.get(*step).filter(|time| time.stamped)?;
            let (start, slack) = (time.start?, time.slack_ns.saturating_add(EARLY_NS));
            let running = time.end.is_none_or(|end| at <= end.plus(slack));
            (start.plus(-slack) <= at && running).then_some(start)
        };
        let timed = candidates.iter().filter_map(|step| Some((began(step)?, *step))).max();
        if timed.is_some() {
            return timed.map(|(_, step)| step);
        }
        let stamped = |step: &usize| steps.times.get(*step).is_some_and(|time| time.stamped);
        match candidates.as_slice() {
            [only] if length >= SHORTEST && !stamped(only) => Some(*only),
            _ => None,
        }
    }
}

/// What a shell was given to run: behind `-c` (and the options that tools put before and after it), and what that text
/// gives to `eval` itself. Arguments are quoted as a shell would, or joined as they are.
fn texts(command: &str) -> Vec<String> {
    let Some((program, mut rest)) = command.split_once(' ') else { return Vec::new() };
    if !SHELLS.contains(&base_name(program).trim_start_matches('-')) {
        return Vec::new();
    }
    let mut given = false;
    // busybox names its applet first.
    rest = rest.strip_prefix("sh ").or(rest.strip_prefix("ash ")).unwrap_or(rest);
    while let Some((option, after)) = rest.split_once(' ').filter(|(option, _)| option.starts_with('-')) {
        given |= !option.starts_with("--") && option.contains('c');
        rest = after;
    }
    if !given {
        return Vec::new();
    }
    let mut found = vec![unquoted(rest), rest.to_owned()];
    let evaluated: Vec<String> =
        found.iter().filter_map(|text| text.split_once("eval ")).map(|(_, inside)| unquoted(inside)).collect();
    found.extend(evaluated);
    found
}

/// The first word of a line, with its quotes taken off (POSIX shell, section 2.2).
fn unquoted(line: &str) -> String {
    let mut word = String::new();
    let mut rest = line.chars();
    let (mut single, mut double) = (false, false);
    while let Some(c) = rest.next() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '\\' if !single => word.extend(rest.next()),
            c if c.is_whitespace() && !single && !double => break,
            c => word.push(c),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_was_given() {
        let has = |command: &str, text: &str| texts(command).iter().any(|one| one == text);
        assert!(has("bash -c 'ssh -R 1:localhost:22 u@h'", "ssh -R 1:localhost:22 u@h"), "quoted, as a trail has it");
        assert!(has("/bin/sh -c ssh -R 1:localhost:22 u@h", "ssh -R 1:localhost:22 u@h"), "joined by blanks");
        assert!(has("/usr/bin/bash -lc ls", "ls") && has("bash -c -l 'ls -l'", "ls -l"));
        assert!(has(r"bash -c 'echo '\''a b'\'''", "echo 'a b'"));
        // A tool that keeps a snapshot of its shell's environment.
        assert!(has(
            r"/bin/bash -c -l 'source /tmp/s.sh && eval '\''./job -o pool:1'\'' < /dev/null && pwd -P >| /tmp/x'",
            "./job -o pool:1"
        ));
        assert!(texts("bash job.sh").is_empty(), "a script is no text");
        assert!(texts("python3 -c 'print(1)'").is_empty(), "no shell");
        assert!(texts("bash -l job.sh").is_empty() && texts("bash --norc job.sh").is_empty(), "nor with other options");
    }
    // POSIX shell, section 2.2: each kind of quote keeps the other, and a backslash keeps one character but within single quotes.
    #[test]
    fn the_first_word_is_taken_out_of_its_quotes() {
        for (line, word) in [
            ("make all", "make"),
            (r"'make all' now", "make all"),
            (r#""make all" now"#, "make all"),
            (r#"'echo "a b" c' d"#, r#"echo "a b" c"#),
            (r#""echo 'a b' c" d"#, "echo 'a b' c"),
            (r#"a"b c"'d e' f"#, "ab cd e"),
            (r"a\ b c", "a b"),
            (r"'a\b' c", r"a\b"),
            (r#""a\"b" c"#, r#"a"b"#),
            ("", ""),
        ] {
            assert_eq!(unquoted(line), word, "{line}");
        }
    }
}
