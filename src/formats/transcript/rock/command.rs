//! `command.log`: what a rocklet ran, and what came back.
//!
//! Commands and outputs of many lines go on without a head, so that a command can print lines that look like entries. A
//! line counts as the head of an entry only if it fits what is open: a result needs a call of its session and trace that
//! waits for one; a session must have been created, where the log shows any being created; within an output nothing counts
//! up to the exit code of the same request, which the rocklet writes right behind the output; and a run that would lie
//! within the run of another command of the same session is text of that command. Lines that look like entries and do not
//! fit are text, and counted in an anomaly. A forgery that fits all of this, made by who could read the log, cannot be
//! told from an entry: it is read as one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use serde_json::Value;

use super::super::account::{Account, Answer, Call, Spot};
use super::super::shell;
use super::header::Header;
use crate::evidence::{Anomaly, AnomalyKind, Input};
use crate::formats::Sink;
use crate::model::{Endpoint, EndpointKind, Place};
use crate::time::TimeContext;

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    Create,
    Close,
    Input,
    Output,
    Exit,
    Failure,
    /// The first of an operation outside of sessions: a command, a file.
    Operation,
    /// What belongs to the operation of the same trace.
    More,
}

/// Begin of a message, what it tells, and what that is called.
const TAGS: [(&str, Tag, &str); 15] = [
    ("[create_session]:", Tag::Create, ""),
    ("[close_session]:", Tag::Close, ""),
    ("[run_in_session input][", Tag::Input, "run_in_session"),
    ("[run_in_session output][", Tag::Output, ""),
    ("[run_in_session exit_code][", Tag::Exit, ""),
    ("[run_in_session failure_reason][", Tag::Failure, ""),
    ("[execute input]:", Tag::Operation, "execute"),
    ("[execute stdout]:", Tag::More, ""),
    ("[execute stderr]:", Tag::More, ""),
    ("[read_file input]: ", Tag::Operation, "read_file"),
    ("[read_file output]: ", Tag::More, ""),
    ("[write_file input]: ", Tag::Operation, "write_file"),
    ("[write_file content]: ", Tag::More, "content"),
    ("[upload source]: ", Tag::Operation, "upload"),
    ("[upload target]: ", Tag::More, "target"),
];
/// Entries that say nothing more.
const DONE: &str = "[upload output]: ";

/// A line that looks like the head of an entry.
struct Entry<'t> {
    number: u64,
    header: Header<'t>,
    tag: Tag,
    /// Name of the tool or of the part.
    what: &'static str,
    session: &'t str,
    /// Where its line begins, and where what it says begins.
    line: usize,
    body: usize,
    taken: bool,
}

fn tag<'t>(header: &Header<'t>) -> Option<(Tag, &'static str, &'t str, &'t str)> {
    if header.logger != "command" {
        return None;
    }
    if header.message.starts_with(DONE) {
        return Some((Tag::More, "done", "", ""));
    }
    let (start, tag, what) = TAGS.iter().find(|(start, ..)| header.message.starts_with(start))?;
    let rest = header.message.strip_prefix(start)?;
    Some(match tag {
        Tag::Create | Tag::Close => (*tag, *what, rest.trim(), ""),
        Tag::Operation | Tag::More => (*tag, *what, "", rest),
        _ => {
            let (session, body) = rest.split_once("]:")?;
            (*tag, *what, session, body)
        }
    })
}

pub(super) fn is_entry(header: &Header<'_>) -> bool {
    tag(header).is_some()
}

pub(super) fn read(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let text = super::super::text::whole(input, sink)?;
    let mut entries = entries(&text, sink);
    let odd = Fitting::default().fit(&mut entries);
    if let Some(first) = entries.iter().find(|entry| !entry.taken) {
        sink.anomaly(Anomaly {
            record: first.number,
            kind: AnomalyKind::MalformedRecord,
            detail: format!(
                "{odd} lines look like entries of the log and do not fit what was open there; a command may have printed \
                 them, and they were read as text"
            ),
        });
    }
    let last = u64::try_from(text.lines().count()).unwrap_or(u64::MAX);
    super::super::text::unended(&text, last, sink);
    entries.retain(|entry| entry.taken);
    tell(&text, &entries, input, time, sink);
    Ok(())
}

fn entries<'t>(text: &'t str, sink: &mut dyn Sink) -> Vec<Entry<'t>> {
    let mut entries: Vec<Entry<'t>> = Vec::new();
    let mut mixed = None;
    let mut at = 0;
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let begin = at;
        at += whole.len();
        let header = Header::parse(line);
        if let Some(header) = header {
            // In the log of a terminal other loggers write too.
            let mixed = *mixed.get_or_insert(tag(&header).is_none());
            if let Some((tag, what, session, body)) = tag(&header) {
                let body = at - (whole.len() - line.len()) - body.len();
                entries.push(Entry { number, header, tag, what, session, line: begin, body, taken: true });
                sink.record();
                continue;
            }
            if mixed {
                let entry = Entry {
                    number,
                    header,
                    tag: Tag::More,
                    what: "other",
                    session: "",
                    line: begin,
                    body: at,
                    taken: true,
                };
                entries.push(entry);
                sink.record();
                continue;
            }
        }
        match (line.trim().is_empty(), entries.is_empty()) {
            (true, _) => {}
            (false, true) => sink.unread(number, "line before the first entry", line.as_bytes()),
            (false, false) => sink.record(),
        }
    }
    entries
}

/// A command of a session that was handed to its shell.
struct Run {
    entry: usize,
    answers: Vec<usize>,
    /// The result of a run below it came while it was open.
    suspect: bool,
}

/// Which entries fit.
#[derive(Default)]
struct Fitting<'t> {
    /// Sessions that are open, by sandbox. A sandbox of which no session was created in this log is not here.
    sessions: BTreeMap<&'t str, BTreeSet<&'t str>>,
    /// Runs by sandbox and session, the latest last.
    runs: BTreeMap<(&'t str, &'t str), Vec<Run>>,
    /// Traces of operations outside of sessions.
    operations: BTreeSet<(&'t str, &'t str)>,
}

/// How far back a result looks for its call, and what lies between them.
const BACK: usize = 256;

impl<'t> Fitting<'t> {
    /// Marks the entries that do not fit; says how many.
    fn fit(mut self, entries: &mut [Entry<'t>]) -> usize {
        // Where the exit code or the failure of a request stands last.
        let mut last: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if matches!(entry.tag, Tag::Exit | Tag::Failure) {
                last.insert((entry.header.sandbox, entry.header.trace, entry.session), at);
            }
        }
        let mut at = 0;
        while at < entries.len() {
            let taken = self.takes(entries, at);
            let Some(entry) = entries.get_mut(at) else { break };
            entry.taken = taken;
            let key = (entry.header.sandbox, entry.header.trace, entry.session);
            let printed = (taken && entry.tag == Tag::Output).then(|| last.get(&key).copied()).flatten();
            if let Some(end) = printed {
                at = within(entries, at, end);
            }
            at += 1;
        }
        for run in self.runs.into_values().flatten().filter(|run| run.suspect && run.answers.is_empty()) {
            drop_run(entries, &run);
        }
        entries.iter().filter(|entry| !entry.taken).count()
    }

    fn takes(&mut self, entries: &mut [Entry<'t>], at: usize) -> bool {
        let Some(entry) = entries.get(at) else { return false };
        let Header { sandbox, trace, .. } = entry.header;
        let session = entry.session;
        match entry.tag {
            Tag::Create => {
                self.sessions.entry(sandbox).or_default().insert(session);
                true
            }
            Tag::Close => self.sessions.get_mut(sandbox).is_none_or(|open| open.remove(session)),
            Tag::Input => {
                let open = self.sessions.get(sandbox).is_none_or(|open| open.contains(session));
                if open {
                    let run = Run { entry: at, answers: Vec::new(), suspect: false };
                    self.runs.entry((sandbox, session)).or_default().push(run);
                }
                open
            }
            Tag::Output | Tag::Exit | Tag::Failure => self.answers(entries, at),
            Tag::Operation => {
                self.operations.insert((sandbox, trace));
                true
            }
            Tag::More => entry.what == "other" || self.operations.contains(&(sandbox, trace)),
        }
    }

    /// Whether a result has a call. What lies within that call's run is text of it.
    fn answers(&mut self, entries: &mut [Entry<'t>], at: usize) -> bool {
        let Some(entry) = entries.get(at) else { return false };
        let (tag, trace) = (entry.tag, entry.header.trace);
        let Some(runs) = self.runs.get_mut(&(entry.header.sandbox, entry.session)) else { return false };
        let waits = |run: &Run| {
            let same = entries.get(run.entry).is_some_and(|call| call.header.trace == trace);
            let later = |answer: &usize| entries.get(*answer).is_some_and(|answer| answer.tag >= tag);
            same && !run.answers.iter().any(later)
        };
        let Some(back) = runs.iter().rev().take(BACK).position(waits) else { return false };
        let own = runs.len() - 1 - back;
        let inner = runs.split_off(own + 1);
        for mut run in inner {
            if run.answers.is_empty() {
                run.suspect = true;
                runs.push(run);
            } else {
                drop_run(entries, &run);
            }
        }
        if let Some(run) = runs.get_mut(own) {
            run.answers.push(at);
        }
        true
    }
}

fn drop_run(entries: &mut [Entry<'_>], run: &Run) {
    for at in run.answers.iter().chain([&run.entry]) {
        if let Some(entry) = entries.get_mut(*at) {
            entry.taken = false;
        }
    }
}

/// Marks what lies between an output and the exit code or failure of the same request as text; gives the last entry that
/// was. Where another command came under the same trace, the client uses one for all of them, and nothing can be said.
fn within(entries: &mut [Entry<'_>], output: usize, end: usize) -> usize {
    let Some(inner) = entries.get(output + 1..end) else { return output };
    let Some(trace) = entries.get(output).map(|output| output.header.trace) else { return output };
    if inner.iter().any(|entry| entry.tag == Tag::Input && entry.header.trace == trace) {
        return output;
    }
    // A failure stands behind the exit code.
    let same = |at: usize| {
        let (Some(code), Some(failure)) = (entries.get(at), entries.get(end)) else { return false };
        code.tag == Tag::Exit
            && failure.tag == Tag::Failure
            && code.session == failure.session
            && code.header.trace == failure.header.trace
    };
    let first = if end > output + 1 && same(end - 1) { end - 1 } else { end };
    for entry in entries.get_mut(output + 1..first).into_iter().flatten() {
        entry.taken = false;
    }
    first - 1
}

/// Tells the steps, an episode for each sandbox.
fn tell(text: &str, entries: &[Entry<'_>], input: &Input, time: &TimeContext, sink: &mut dyn Sink) {
    let named: BTreeSet<&str> =
        entries.iter().map(|entry| entry.header.sandbox).filter(|sandbox| !sandbox.is_empty()).collect();
    let only = named.first().copied().filter(|_| named.len() == 1);
    let mut accounts: BTreeMap<&str, Telling<'_>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.what == "other" {
            continue;
        }
        // Clients that name no sandbox speak to the one there is.
        let sandbox = if entry.header.sandbox.is_empty() { only.unwrap_or("") } else { entry.header.sandbox };
        let telling = accounts.entry(sandbox).or_insert_with(|| {
            let mut account = Account::of_file(input, time);
            if only.is_none() && !named.is_empty() {
                account.episode.id = format!("{}#{sandbox}", input.name);
            }
            if !sandbox.is_empty() {
                sandbox.clone_into(&mut account.episode.name);
                account.episode.sandbox = Some(sandbox.to_owned());
            }
            account.episode.agent = Some("ROCK rocklet".to_owned());
            Telling { account, time, used: BTreeSet::new(), open: BTreeMap::new() }
        });
        let end = entries.get(at + 1).map_or(text.len(), |next| next.line);
        let body = text.get(entry.body..end).unwrap_or_default();
        telling.entry(entry, body.trim_end_matches(['\n', '\r']), sandbox, sink);
    }
    for telling in accounts.into_values() {
        telling.finish(sink);
    }
}

/// A call that was not told yet, and what came back so far.
struct Open<'t> {
    spot: Spot,
    tool: &'static str,
    text: &'t str,
    /// Parts of a file operation.
    parts: Vec<(&'static str, &'t str)>,
    output: Option<String>,
    exit_code: Option<i32>,
    /// Spot of the first entry of the result.
    answered: Option<Spot>,
}

struct Telling<'t> {
    account: Account<'t>,
    time: &'t TimeContext,
    used: BTreeSet<String>,
    /// By trace and session.
    open: BTreeMap<(&'t str, &'t str), Open<'t>>,
}

impl<'t> Telling<'t> {
    fn entry(&mut self, entry: &Entry<'t>, body: &'t str, sandbox: &str, sink: &mut dyn Sink) {
        let at = entry.header.stamp.span(self.time);
        if let Some(at) = at {
            self.account.clock.saw(entry.number, at);
        }
        let spot = Spot::of(entry.number, at);
        let key = (entry.header.trace, entry.session);
        if matches!(entry.tag, Tag::Input | Tag::Operation) {
            let open = Open {
                spot,
                tool: entry.what,
                text: body,
                parts: Vec::new(),
                output: None,
                exit_code: None,
                answered: None,
            };
            if let Some(before) = self.open.insert(key, open) {
                self.told(key.0, before, sandbox, sink);
            }
            return;
        }
        let Some(open) = self.open.get_mut(&key) else { return };
        match (entry.tag, entry.what) {
            (Tag::More, "content" | "target") => open.parts.push((entry.what, body)),
            (Tag::Exit, _) => {
                open.exit_code = body.trim().parse().ok();
                open.answered.get_or_insert(spot);
            }
            (Tag::Output | Tag::Failure | Tag::More, what) => {
                open.answered.get_or_insert(spot);
                if what != "done" {
                    let output = open.output.get_or_insert_default();
                    if !output.is_empty() {
                        output.push('\n');
                    }
                    output.push_str(body);
                }
            }
            _ => {}
        }
    }

    fn told(&mut self, trace: &str, open: Open<'t>, sandbox: &str, sink: &mut dyn Sink) {
        let id = if !trace.is_empty() && self.used.insert(trace.to_owned()) {
            trace.to_owned()
        } else {
            format!("{trace}#{}", open.spot.number)
        };
        let runs = matches!(open.tool, "run_in_session" | "execute");
        let place = Place { sandbox: Some(sandbox.to_owned()).filter(|id| !id.is_empty()), ..Place::default() };
        let mut arguments = open.text.to_owned();
        if !open.parts.is_empty() {
            let path = [("path", open.text)];
            let members = path.iter().chain(&open.parts).map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
            arguments = Value::Object(members.collect()).to_string();
        }
        let call = Call {
            id: Some(&id),
            tool: open.tool,
            command: runs.then(|| words(open.text).unwrap_or_else(|| open.text.to_owned())),
            arguments,
            start: open.spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolStarted }),
            place,
            ..Call::default()
        };
        self.account.call(open.spot, call, &Value::Null, sink);
        if let Some(spot) = open.answered {
            let answer = Answer {
                id: Some(&id),
                output: open.output.unwrap_or_default(),
                exit_code: open.exit_code,
                end: spot.at.map(|span| Endpoint { span, kind: EndpointKind::ToolEnded }),
                ..Answer::default()
            };
            self.account.answer(spot, answer, sink);
        }
    }

    fn finish(mut self, sink: &mut dyn Sink) {
        let sandbox = self.account.episode.sandbox.clone().unwrap_or_default();
        for ((trace, _), open) in std::mem::take(&mut self.open) {
            self.told(trace, open, &sandbox, sink);
        }
        self.account.finish(sink);
    }
}

/// The text that a shell gets of a list of words as Python prints it: `['bash', '-lc', 'make test']`. `None` if the text
/// is no such list.
fn words(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut words: Vec<String> = Vec::new();
    let mut letters = inner.chars().peekable();
    loop {
        while letters.next_if(|letter| *letter == ' ' || *letter == ',').is_some() {}
        let Some(quote) = letters.next() else { break };
        if quote != '\'' && quote != '"' {
            return None;
        }
        let mut word = String::new();
        loop {
            match letters.next()? {
                letter if letter == quote => break,
                '\\' => match letters.next()? {
                    'n' => word.push('\n'),
                    't' => word.push('\t'),
                    'r' => word.push('\r'),
                    letter @ ('\\' | '\'' | '"') => word.push(letter),
                    letter => word.extend(['\\', letter]),
                },
                letter => word.push(letter),
            }
        }
        words.push(word);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    (!words.is_empty()).then(|| shell::of_words(&words))
}
