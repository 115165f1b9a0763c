//! Terminals recorded by script(1): the typescript, and the timing beside it.
//!
//! Source: util-linux `term-utils/script.c`, script(1). A typescript begins with `Script started on DATE` and ends with
//! `Script done on DATE`; between them stands what the terminal showed. The commands are those that stand behind a prompt:
//! their moments lie between the two dates. A timing file of the advanced format has the date as well (`H 0.0 START_TIME`),
//! and seconds since the event before with numbers of bytes, but no text.

use std::io;

use chrono::NaiveDateTime;
use serde_json::Value;

use super::super::account::{About, Account, Answer, Call, Spot};
use super::super::{json, stamps};
use super::screen::{Screen, host, prompt};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind};
use crate::time::{Basis, SECOND, Span, TimeContext};

/// The reader of script's recordings.
pub struct Script;

const STARTED: &str = "Script started on ";
const DONE: &str = "Script done on ";

impl Format for Script {
    fn id(&self) -> &'static str {
        "script"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Recordings of script(1): typescripts and timing files"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        if head.bytes.starts_with(STARTED.as_bytes()) {
            return Match::Certain("Script started on".to_owned());
        }
        let text = head.text();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first.starts_with("H ") && first.contains(" START_TIME ") {
            return Match::Certain("timing of script with START_TIME".to_owned());
        }
        let classic = |line: &str| {
            line.split_once(' ').is_some_and(|(delay, bytes)| {
                delay.split_once('.').is_some_and(|(_, fraction)| fraction.len() == 6)
                    && stamps::decimal_seconds(delay).is_some()
                    && bytes.parse::<u64>().is_ok()
            })
        };
        if classic(first) && lines.take(4).filter(|line| !line.is_empty()).all(classic) && head.bytes.contains(&b'\n') {
            return Match::Likely(60, "delays and numbers of bytes, as in the timing of script".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let text = json::whole_text(input, sink)?;
        let account = Account::new(&name, json::stem(&name), evidence, time);
        if !text.starts_with(STARTED) {
            // Delays of the classic format or those of the advanced one.
            timing(&name, account, time, &text, sink);
        } else {
            typescript(account, time, &text, sink);
        }
        Ok(())
    }
}

/// The date in a header: ISO 8601 since util-linux 2.35, `Fri 20 Nov 2026 02:44:49 PM UTC` or the like before (read only
/// where it is `Fri Nov 20 14:44:49 2026`).
fn date(text: &str, time: &TimeContext) -> Option<Span> {
    let text = text.split(" [").next().unwrap_or(text).trim();
    if let Some(span) = stamps::span(text, time) {
        return Some(span);
    }
    let local = NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok()?;
    time.local(local, SECOND)
}

/// A command, and what was shown behind it.
struct Entry {
    number: u64,
    command: String,
    output: String,
}

fn typescript(mut account: Account<'_>, time: &TimeContext, text: &str, sink: &mut dyn Sink) {
    if !text.trim_end().contains('\n') {
        return sink.unread(1, "header of script without a recording", text.as_bytes());
    }
    let (mut screen, mut entries, mut number) = (Screen::default(), Vec::<Entry>::new(), 0);
    let mut done = None;
    for line in text.split_inclusive('\n') {
        number += 1;
        if let Some(rest) = line.strip_prefix(STARTED) {
            sink.record();
            if let Some(at) = date(rest, time) {
                account.clock.saw(number, at);
            }
            let columns = rest.split_once("COLUMNS=\"").and_then(|(_, rest)| rest.split('"').next());
            screen.width = columns.and_then(|columns| columns.parse().ok()).unwrap_or(0);
            continue;
        }
        if let Some(rest) = line.strip_prefix(DONE) {
            sink.record();
            done = date(rest, time);
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        sink.record();
        screen.write(line, &mut |shown| match prompt(&shown).filter(|(_, command)| !command.is_empty()) {
            Some((mark, command)) => {
                account.about(About { host: host(mark), ..About::default() });
                entries.push(Entry { number, command: command.to_owned(), output: String::new() });
            }
            None => {
                if let Some(entry) = entries.last_mut()
                    && entry.output.len() < crate::model::Step::OUTPUT_KEPT
                {
                    entry.output.push_str(shown.trim_end());
                    entry.output.push('\n');
                }
            }
        });
    }
    // All that is known of the moments: between the first and the last.
    let end = done.map(|at| Endpoint { span: Span::at(at.hi, Basis::OrderOnly), kind: EndpointKind::ResultRecorded });
    for entry in entries {
        let spot = Spot::of(entry.number, None);
        let call = Call {
            tool: "terminal",
            arguments: entry.command.clone(),
            command: Some(entry.command),
            end,
            ..Call::default()
        };
        account.call(spot, call, &Value::Null, sink);
        account.answer(spot, Answer { output: entry.output, end, ..Answer::default() }, sink);
    }
    if let Some(done) = done {
        account.clock.saw(number, done);
    }
    account.finish(sink);
}

fn timing(name: &str, mut account: Account<'_>, time: &TimeContext, text: &str, sink: &mut dyn Sink) {
    let (mut number, mut passed) = (0, 0i64);
    let mut began = None;
    let mut events = 0;
    for line in text.split_inclusive('\n') {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let mut words = line.trim_end().splitn(4, ' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (kind, delay, bytes) = match first {
            "H" | "I" | "O" | "S" => (first, second, words.next()),
            delay => ("O", delay, Some(second)),
        };
        let delay = stamps::decimal_seconds(delay);
        let counted = kind == "H" || bytes.is_some_and(|bytes| kind == "S" || bytes.parse::<u64>().is_ok());
        let Some((delay, _)) = delay.filter(|_| counted && line.ends_with('\n')) else {
            sink.unread(number, "no line of a timing", line.as_bytes());
            continue;
        };
        sink.record();
        passed = passed.saturating_add(delay);
        events += usize::from(kind != "H");
        if kind == "H" {
            let value = words.next().unwrap_or_default();
            match bytes {
                Some("START_TIME") => began = date(value, time),
                // The file of the text: both are one episode.
                Some("OUTPUT_LOG") if !value.is_empty() => {
                    let directory = name.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
                    account.episode.id = format!("{}{value}", directory.unwrap_or_default());
                    json::stem(value).clone_into(&mut account.episode.name);
                }
                Some("COMMAND") => account.about(About { agent: Some(value), ..About::default() }),
                _ => {}
            }
        }
    }
    if events == 0 {
        sink.unread(number, "timing without an event", b"");
    }
    if let Some(began) = began {
        account.clock.saw(1, began);
        account.clock.saw(number, began.shifted(passed));
    }
    account.finish(sink);
}
