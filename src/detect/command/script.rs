//! The text that shells and other interpreters are given to run.

use std::collections::BTreeMap;

use super::peel::operand;
use super::pure::file as file_text;
use super::run::Printed;
use super::{Arg, SimpleCommand};

/// Text that a command is given to run.
pub(super) enum Given {
    /// For a shell, with the word that holds it.
    Shell(Printed, Option<Arg>),
    /// For another interpreter.
    Script(Printed),
}

const SHELLS: [&str; 10] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash", "bash5"];

/// Bound on the calls read out of one script.
const MOST_CALLS: usize = 64;

/// A program that reads shell commands.
pub(super) fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// An interpreter of another language, with the options after which its program text stands.
pub(super) fn interpreter(name: &str) -> Option<&'static [&'static str]> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match stem {
        "python" | "pypy" => Some(&["-c"]),
        "perl" => Some(&["-e", "-E"]),
        "ruby" | "lua" | "Rscript" => Some(&["-e"]),
        "node" | "nodejs" | "bun" | "deno" => Some(&["-e", "--eval", "-p", "--print", "eval"]),
        "php" => Some(&["-r"]),
        _ => None,
    }
}

/// A text that a shell would run, judged by its first line.
pub(super) fn is_shell_text(text: &str) -> bool {
    match text.lines().next().and_then(|line| line.strip_prefix("#!")) {
        Some(line) => line.split_whitespace().any(|word| is_shell(super::base_name(word))),
        None => true,
    }
}

/// What the command is given to run, where the line says so.
pub(super) fn given(
    command: &SimpleCommand,
    stdin: Option<&Printed>,
    files: &BTreeMap<String, String>,
) -> Option<Given> {
    let name = command.name();
    let known = |text: &str| Printed { text: text.to_owned(), complete: true, decoded: false };
    let input = || stdin.filter(|stdin| !stdin.text.is_empty()).cloned();
    if is_shell(name) {
        let mut at = 0;
        while let Some(arg) = command.args.get(at) {
            let text = arg.text.as_str();
            if text == "-" || text == "--" || !text.starts_with(['-', '+']) {
                at += usize::from(text == "--");
                break;
            }
            if !text.starts_with("--") && text.contains('c') {
                let script = command.args.get(at + 1..)?.iter().find(|arg| !arg.text.starts_with('-'))?;
                return Some(Given::Shell(known(&script.text), Some(script.clone())));
            }
            if !text.starts_with("--") && text.contains('s') {
                return input().map(|text| Given::Shell(text, None));
            }
            at += if matches!(text, "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file") { 2 } else { 1 };
        }
        return match command.args.get(at).filter(|arg| arg.text != "-" && arg.text != "/dev/stdin") {
            Some(file) => file_text(files, &file.text).map(|text| Given::Shell(known(text), None)),
            None => input().map(|text| Given::Shell(text, None)),
        };
    }
    match name {
        "eval" => {
            let text: Vec<&str> = command.args.iter().map(|arg| arg.text.as_str()).collect();
            let word = match command.args.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            };
            return (!text.is_empty()).then(|| Given::Shell(known(&text.join(" ")), word));
        }
        "." | "source" => {
            let file = command.args.first()?;
            return file_text(files, &file.text).map(|text| Given::Shell(known(text), None));
        }
        "su" | "script" | "runuser" | "capsh" | "flock" | "sg" => {
            let at = command.args.iter().position(|arg| {
                let letters = arg.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
                arg.text == "--command" || letters.is_some_and(|letters| letters.ends_with('c'))
            })?;
            let script = command.args.get(at + 1)?;
            return Some(Given::Shell(known(&script.text), Some(script.clone())));
        }
        _ => {}
    }
    let options = interpreter(name)?;
    let mut at = 0;
    while let Some(arg) = command.args.get(at) {
        let text = arg.text.as_str();
        if options.contains(&text)
            || (options == ["-c"] && text.starts_with('-') && text.len() < 5 && text.ends_with('c'))
        {
            return command.args.get(at + 1).map(|script| Given::Script(known(&script.text)));
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        at += if matches!(text, "-W" | "-X" | "-I" | "-r") { 2 } else { 1 };
    }
    let at = operand(&command.args, 0, &["-W", "-X", "-m"]).max(at);
    let module = command.args.iter().any(|arg| arg.text == "-m");
    match command.args.get(at).filter(|arg| arg.text != "-") {
        Some(file) => file_text(files, &file.text).map(|text| Given::Script(known(text))),
        None if module => None,
        None => input().map(Given::Script),
    }
}

/// Shell commands that a Python (or Perl, Ruby, PHP) text runs through the usual calls, where their text is literal.
pub(super) fn calls(script: &str) -> Vec<String> {
    const CALLS: [&str; 12] = [
        "os.system(",
        "os.popen(",
        "subprocess.run(",
        "subprocess.call(",
        "subprocess.Popen(",
        "subprocess.check_output(",
        "subprocess.check_call(",
        "subprocess.getoutput(",
        "execSync(",
        "shell_exec(",
        "system(",
        "Popen(",
    ];
    let mut out: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for call in CALLS {
        for (at, _) in script.match_indices(call).take(MOST_CALLS) {
            let open = at + call.len();
            if seen.insert(open) && out.len() < MOST_CALLS {
                out.extend(script.get(open..).and_then(argument));
            }
        }
    }
    out
}

/// The first argument of a call: a string, or a list of strings as shell words.
fn argument(text: &str) -> Option<String> {
    let text = text.trim_start();
    let Some(mut rest) = text.strip_prefix('[') else {
        return string(text).map(|(text, _)| text);
    };
    let mut words: Vec<String> = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() || rest.starts_with(']') || words.len() >= 64 {
            break;
        }
        match string(rest) {
            Some((word, after)) => {
                words.push(format!("'{}'", word.replace('\'', "'\\''")));
                rest = after;
            }
            None => {
                // A name or an expression: its value is not known.
                let end = rest.find([',', ']', '\n']).unwrap_or(rest.len());
                words.push("\"$_\"".to_owned());
                rest = rest.get(end..).unwrap_or("");
            }
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// A string literal at the start of a text and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches(['f', 'r', 'b', 'u', 'F', 'R', 'B']);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let mut out = String::new();
    let body = text.get(quote.len()..)?;
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        if body.get(at..)?.starts_with(quote) {
            return Some((out, body.get(at + quote.len()..)?));
        }
        if at > 16 * 1024 || (quote.len() == 1 && c == '\n') {
            return None;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()?.1 {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            other => out.push(other),
        }
    }
    None
}
