//! Walks the syntax tree the way a shell would, with variables, loops and nested shells, and writes down the commands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use super::context::{Context, Origin, Printed};
use super::syntax::parse;
use super::tree::{Node, Redirection, Simple};
use super::{Arg, CommandLine, LONGEST_TEXT, Launcher, MOST_COMMANDS, Redirect, SimpleCommand};

/// Bound on the nodes visited.
const MOST_WORK: u32 = 40_000;
/// Bound on the bytes that expansion produces, what keeps them counted in. All rules and scans read that much within a second.
const MOST_BYTES: usize = 4 << 20;
const TOO_MANY_BYTES: &str = "more than 4 MiB of words";
/// Bound on the files of the line whose text is remembered.
const MOST_FILES: usize = 64;

pub(super) struct Runner<'a> {
    pub(super) text: &'a str,
    pub(super) out: CommandLine,
    pub(super) variables: BTreeMap<String, Vec<String>>,
    functions: BTreeMap<String, (Rc<Node>, Origin)>,
    /// Text of files that the line itself wrote.
    pub(super) files: BTreeMap<String, String>,
    /// Programs run by the substitutions of the command at hand.
    pub(super) substituted: Vec<String>,
    pub(super) delay: u64,
    limits: BTreeSet<&'static str>,
    work: u32,
    bytes: usize,
}

/// Reads a command line.
pub(super) fn read(text: &str) -> CommandLine {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).map_or(text, |part| part);
    let mut runner = Runner {
        text,
        out: CommandLine::default(),
        variables: BTreeMap::new(),
        functions: BTreeMap::new(),
        files: BTreeMap::new(),
        substituted: Vec::new(),
        delay: 0,
        limits: BTreeSet::new(),
        work: MOST_WORK,
        bytes: MOST_BYTES,
    };
    if end == LONGEST_TEXT {
        runner.limit("a text of more than 256 KiB: the rest is not read");
    }
    let context = Context {
        origin: Origin::At(0),
        background: false,
        launchers: Vec::new(),
        decoded: false,
        input_from: Rc::default(),
        depth: 0,
    };
    runner.nested(text, &context, None);
    runner.finish()
}

impl Runner<'_> {
    fn finish(mut self) -> CommandLine {
        let mut launchers: BTreeSet<Launcher> = self.out.launchers.iter().copied().collect();
        for command in &self.out.commands {
            launchers.extend(command.launchers.iter().copied());
            launchers.extend(command.delay_s.map(Launcher::SleepDelay));
        }
        self.out.launchers = launchers.into_iter().collect();
        self.out.prefixes.sort_by_key(|prefix| (prefix.net, prefix.range.start, prefix.range.end));
        self.out.limits = self.limits.into_iter().map(str::to_owned).collect();
        self.out
    }

    pub(super) fn limit(&mut self, what: &'static str) {
        self.limits.insert(what);
    }

    /// Whether the budget of steps, commands or bytes is used up.
    fn exhausted(&mut self) -> bool {
        if self.bytes == 0 {
            self.limit(TOO_MANY_BYTES);
        } else if self.work == 0 || self.out.commands.len() >= MOST_COMMANDS {
            self.limit("more than 2048 commands or 40000 steps: the rest is not unrolled");
        } else {
            return false;
        }
        true
    }

    /// Takes from the budget of produced bytes, and says so where it is used up.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let enough = self.bytes >= bytes;
        self.bytes = self.bytes.saturating_sub(bytes);
        if !enough {
            self.limit(TOO_MANY_BYTES);
        }
        enough
    }

    /// Takes a word among others, if the budget has room for it.
    pub(super) fn keep(&mut self, words: &mut Vec<Arg>, word: Arg) {
        if self.spend(size_of::<Arg>()) {
            words.push(word);
        }
    }

    /// The values of a variable; several for an array.
    pub(super) fn value(&self, name: &str) -> Option<Vec<String>> {
        if let Some((array, index)) = name.strip_suffix(']').and_then(|name| name.split_once('['))
            && let Ok(index) = index.parse::<usize>()
        {
            return self.variables.get(array)?.get(index).map(|value| vec![value.clone()]);
        }
        match name.strip_suffix("[@]") {
            Some(array) => self.variables.get(array).cloned(),
            None => self.variables.get(name).map(|values| match name {
                "@" | "*" => values.clone(),
                _ => values.first().cloned().into_iter().collect(),
            }),
        }
    }

    pub(super) fn set(&mut self, name: &str, values: Vec<String>) {
        if self.variables.len() >= 1024 {
            self.limit("more than 1024 variables");
        } else if self.spend(values.iter().map(String::len).sum()) {
            self.variables.insert(name.to_owned(), values);
        }
    }

    /// Reads a text inside the text as commands. `word` is the argument that held it.
    pub(super) fn nested(&mut self, text: &str, context: &Context, word: Option<&Arg>) -> Option<Printed> {
        if !self.spend(text.len()) {
            return None;
        }
        let mut context = context.deeper();
        if !context.within_bounds() {
            self.limit("nested deeper than 48 levels");
            return None;
        }
        if let Some(word) = word {
            let offset = self.text.get(word.range.clone()).and_then(|outer| outer.find(text));
            context.origin = match offset {
                Some(offset) => Origin::At(word.range.start + offset),
                None => Origin::Within(word.range.clone()),
            };
        }
        let (node, limits) = parse(text, context.depth.min(super::syntax::DEEPEST - 4));
        self.limits.extend(limits);
        self.visit(&node, &context, None)
    }

    /// Like [`Runner::nested`], for a text that came out of a decoder or not.
    pub(super) fn piped(&mut self, printed: &Printed, context: &Context, word: &Arg) -> Option<Printed> {
        let mut context = context.clone();
        context.decoded |= printed.decoded;
        context.input_from = Rc::default();
        self.nested(&printed.text, &context, Some(word))
    }

    /// Runs a node; gives what it prints where that is known.
    pub(super) fn visit(&mut self, node: &Node, context: &Context, stdin: Option<&Printed>) -> Option<Printed> {
        if self.exhausted() {
            return None;
        }
        self.work -= 1;
        if !context.within_bounds() {
            self.limit("nested deeper than 48 levels");
            return None;
        }
        match node {
            Node::Simple(simple) => self.simple(simple, context, stdin),
            Node::List(items) => {
                let mut printed = Printed { complete: true, ..Printed::default() };
                for item in items {
                    let mut inner = context.deeper();
                    let delay = self.delay;
                    if item.background {
                        inner.background = true;
                        if !inner.launchers.contains(&Launcher::Background) {
                            inner.launchers.push(Launcher::Background);
                        }
                    }
                    let part = self.visit(&item.node, &inner, stdin);
                    if item.background {
                        self.delay = delay;
                    }
                    printed.join(part);
                }
                Some(printed)
            }
            Node::Pipeline(stages) => {
                let first = self.out.commands.len();
                let mut inner = context.deeper();
                let mut printed: Option<Printed> = None;
                for (at, stage) in stages.iter().enumerate() {
                    printed = self.visit(stage, &inner, if at == 0 { stdin } else { printed.as_ref() });
                    let ran = self.out.commands.get(first..).unwrap_or(&[]).iter().map(|command| &command.program);
                    inner.input_from = context.input_from.iter().chain(ran.take(64)).cloned().collect();
                }
                printed
            }
            Node::Group(body, redirections) => {
                let redirects = self.redirects(redirections, context);
                let input = self.input(redirections, &redirects, context);
                if !redirects.is_empty() {
                    self.bare(redirects, context);
                }
                self.visit(body, &context.deeper(), input.as_ref().or(stdin))
            }
            Node::For(name, words, body) => {
                let values = match words {
                    Some(words) => self.words(words, context),
                    None => Vec::new(),
                };
                let before = self.variables.get(name).cloned();
                let inner = context.deeper();
                if values.is_empty() {
                    self.visit(body, &inner, stdin);
                }
                for value in values {
                    if value.open {
                        self.variables.remove(name);
                    } else {
                        self.set(name, vec![value.text]);
                    }
                    self.visit(body, &inner, stdin);
                    if self.exhausted() {
                        break;
                    }
                }
                match before {
                    Some(before) => self.set(name, before),
                    None => drop(self.variables.remove(name)),
                }
                None
            }
            Node::CountedFor(header, body) => {
                let inner = context.deeper();
                match counted(header) {
                    Some((name, values)) => {
                        for value in values {
                            self.set(&name, vec![value]);
                            self.visit(body, &inner, stdin);
                            if self.exhausted() {
                                break;
                            }
                        }
                        self.variables.remove(&name);
                    }
                    None => drop(self.visit(body, &inner, stdin)),
                }
                None
            }
            Node::Branches(parts, redirections) => {
                let redirects = self.redirects(redirections, context);
                if !redirects.is_empty() {
                    self.bare(redirects, context);
                }
                for part in parts {
                    self.visit(part, &context.deeper(), stdin);
                }
                None
            }
            Node::Function(name, body) => {
                if self.functions.len() < 256 {
                    self.functions.insert(name.clone(), (Rc::clone(body), context.origin.clone()));
                }
                None
            }
        }
    }

    fn redirects(&mut self, redirections: &[Redirection], context: &Context) -> Vec<Redirect> {
        redirections
            .iter()
            .filter(|redirection| redirection.heredoc.is_none() && redirection.operator != "<<<")
            .map(|redirection| Redirect {
                operator: redirection.operator,
                target: self.single(&redirection.target, context),
            })
            .collect()
    }

    /// The text that a here-document, a here-string or a file of the line puts on standard input.
    fn input(&mut self, redirections: &[Redirection], redirects: &[Redirect], context: &Context) -> Option<Printed> {
        let mut input = None;
        for redirection in redirections {
            if let Some(heredoc) = redirection.heredoc.as_ref().and_then(|cell| cell.get()) {
                if !self.spend(heredoc.text.len()) {
                    continue;
                }
                let text = if heredoc.verbatim { heredoc.text.clone() } else { self.textual(&heredoc.text) };
                input = Some(Printed { text, complete: true, decoded: false });
            } else if redirection.operator == "<<<" {
                let word = self.single(&redirection.target, context);
                input = Some(Printed { complete: !word.open, text: word.text, decoded: false });
            }
        }
        for redirect in redirects.iter().filter(|redirect| redirect.operator == "<") {
            if let Some(text) = super::pure::file(&self.files, &redirect.target.text) {
                input = Some(Printed { text: text.clone(), complete: true, decoded: false });
            }
        }
        input
    }

    /// Variables of the line put into a here-document; everything else stays as written.
    fn textual(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(rest.get(..at).unwrap_or(""));
            let after = rest.get(at + 1..).unwrap_or("");
            let braced = after.strip_prefix('{');
            let inner = braced.unwrap_or(after);
            let length = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let name = inner.get(..length).unwrap_or("");
            let closed = braced.is_none() || inner.get(length..).is_some_and(|tail| tail.starts_with('}'));
            let consumed = 1 + length + if braced.is_some() { 2 } else { 0 };
            match self.value(name).filter(|_| closed && !name.is_empty()) {
                Some(values) if self.spend(values.iter().map(String::len).sum()) => {
                    out.push_str(&values.join(" "));
                    rest = rest.get(at + consumed..).unwrap_or("");
                }
                _ => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// A command without a program: only redirections or assignments.
    fn bare(&mut self, redirects: Vec<Redirect>, context: &Context) {
        let range = redirects.first().map_or(0..0, |redirect| redirect.target.range.clone());
        let command = SimpleCommand { redirects, ..self.draft(context, range) };
        self.emit(command);
    }

    fn draft(&mut self, context: &Context, range: Range<usize>) -> SimpleCommand {
        SimpleCommand {
            raw: self.text.get(range.clone()).unwrap_or("").to_owned(),
            range,
            background: context.background,
            launchers: context.launchers.clone(),
            delay_s: (self.delay > 0).then_some(self.delay),
            decoded: context.decoded,
            ..SimpleCommand::default()
        }
    }

    pub(super) fn emit(&mut self, command: SimpleCommand) {
        if self.out.commands.len() >= MOST_COMMANDS {
            self.limit("more than 2048 commands or 40000 steps: the rest is not unrolled");
        } else if self.spend(held(&command)) {
            self.out.commands.push(command);
        }
    }

    fn simple(&mut self, simple: &Simple, context: &Context, stdin: Option<&Printed>) -> Option<Printed> {
        self.substituted.clear();
        let mut assignments = Vec::new();
        for assignment in &simple.assignments {
            let values: Vec<Arg> = if assignment.array {
                self.words(&assignment.values, context)
            } else {
                assignment.values.iter().map(|word| self.single(word, context)).collect()
            };
            let shown = values.iter().map(|value| value.text.as_str()).collect::<Vec<_>>().join(" ");
            if simple.words.is_empty() {
                if values.iter().any(|value| value.open) {
                    self.variables.remove(&assignment.name);
                } else {
                    let mut all =
                        if assignment.append { self.value(&assignment.name).unwrap_or_default() } else { Vec::new() };
                    match (all.last_mut(), assignment.append && !assignment.array) {
                        (Some(last), true) => {
                            values.iter().for_each(|value| last.push_str(&value.text));
                            all.truncate(1);
                        }
                        _ => all.extend(values.into_iter().map(|value| value.text)),
                    }
                    self.set(&assignment.name, all);
                }
            }
            assignments.push((assignment.name.clone(), shown));
        }
        let words = self.words(&simple.words, context);
        let redirects = self.redirects(&simple.redirections, context);
        let input = self.input(&simple.redirections, &redirects, context);
        let mut input_from = context.input_from.to_vec();
        input_from.append(&mut self.substituted);
        let mut command = self.draft(context, context.range(&simple.range));
        command.assignments = assignments;
        command.redirects = redirects;
        command.input_from = input_from;
        let mut words = words.into_iter();
        let Some(program) = words.next() else {
            self.emit(command);
            return None;
        };
        let args: Vec<Arg> = words.collect();
        if let Some((body, origin)) = self.functions.get(&program.text).cloned() {
            let mut inner = context.deeper();
            inner.origin = origin;
            const POSITIONAL: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "@"];
            let before = POSITIONAL.map(|name| (name, self.variables.remove(name)));
            for (index, name) in POSITIONAL.iter().take(9).enumerate() {
                self.set(name, args.get(index).map(|arg| arg.text.clone()).into_iter().collect());
            }
            self.set("@", args.into_iter().map(|arg| arg.text).collect());
            let printed = self.visit(&body, &inner, input.as_ref().or(stdin));
            for (name, values) in before {
                match values {
                    Some(values) => drop(self.variables.insert(name.to_owned(), values)),
                    None => drop(self.variables.remove(name)),
                }
            }
            return printed;
        }
        self.start(command, program, args, context, input.as_ref().or(stdin))
    }

    /// Remembers what a command writes to a file of its own line.
    pub(super) fn remember(&mut self, path: &str, append: bool, printed: &Printed) {
        if self.files.len() >= MOST_FILES {
            self.limit("more than 64 files written");
            return;
        }
        if !self.spend(printed.text.len()) {
            return;
        }
        let file = self.files.entry(path.trim_start_matches("./").to_owned()).or_default();
        if !append {
            file.clear();
        }
        if file.len() < LONGEST_TEXT {
            file.push_str(&printed.text);
        }
    }
}

/// Bytes that a command holds beside its words, which were counted as they came.
fn held(command: &SimpleCommand) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
    let assigned = command.assignments.iter().map(|(name, value)| name.len() + value.len());
    let wrappers = command.wrappers.iter().map(|wrapper| wrapper.program.len() + texts(&wrapper.args));
    let script = command.script.as_ref().map_or(0, String::len);
    size_of::<SimpleCommand>()
        + command.raw.len()
        + script
        + texts(&command.input_from)
        + assigned.sum::<usize>()
        + wrappers.sum::<usize>()
}

/// `i=1; i<=254; i++` as the name and its values, where it is that simple.
fn counted(header: &str) -> Option<(String, Vec<String>)> {
    let mut parts = header.split(';');
    let (name, from) = parts.next()?.split_once('=')?;
    let condition: String = parts.next()?.split_whitespace().collect();
    let step: String = parts.next()?.split_whitespace().collect();
    let name = name.trim();
    let from: i64 = from.trim().parse().ok()?;
    let bound = condition.strip_prefix(name)?;
    let to: i64 = match bound.strip_prefix("<=") {
        Some(to) => to.parse().ok()?,
        None => bound.strip_prefix('<')?.parse::<i64>().ok()?.checked_sub(1)?,
    };
    let by: i64 = match step.strip_prefix("++").or(step.strip_suffix("++")) {
        Some(other) if other == name => 1,
        _ => step.strip_prefix(name)?.strip_prefix("+=")?.parse().ok()?,
    };
    (from <= to && by > 0).then(|| (name.to_owned(), super::expand::sequence(from, to, by)))
}
