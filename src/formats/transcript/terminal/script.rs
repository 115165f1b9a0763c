//! Terminals recorded by script(1): the typescript, and the timing beside it.
//!
//! Source: util-linux `term-utils/script.c`, script(1). A typescript begins with `Script started on DATE` and ends with
//! `Script done on DATE`; between them stands what the terminal showed. The commands are those that stand behind a prompt:
//! their moments lie between the two dates, unless a timing file lies beside it: that has seconds since the event before
//! with numbers of bytes, and in the advanced format the date as well (`H 0.0 START_TIME`), but no text. One of the same
//! number of bytes says when each was shown.

use std::io;

use serde_json::Value;

use super::super::account::{About, Account, Answer, Call, Spot};
use super::super::json;
use super::screen::{Screen, host, prompt};
use super::timing::{self, Timing, date};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::{Endpoint, EndpointKind};
use crate::time::{Basis, Span, TimeContext};

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
            line.split_once(' ')
                .is_some_and(|(delay, bytes)| timing::seconds(delay).is_some() && bytes.parse::<u64>().is_ok())
        };
        if classic(first) && lines.take(4).filter(|line| !line.is_empty()).all(classic) && head.bytes.contains(&b'\n') {
            return Match::Likely(60, "delays and numbers of bytes, as in the timing of script".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let (name, evidence) = (input.name.clone(), input.evidence);
        let beside = timing::beside(input);
        let bytes = timing::whole(input, sink)?;
        let account = Account::new(&name, json::stem(&name), evidence, time);
        if bytes.starts_with(STARTED.as_bytes()) {
            typescript(account, time, &bytes, &beside, sink);
        } else {
            timing::read(&name, account, time, &String::from_utf8_lossy(&bytes), sink);
        }
        Ok(())
    }
}

/// A command, and what was shown behind it.
struct Entry {
    number: u64,
    command: String,
    output: String,
    /// When it was entered, and when the next prompt was shown.
    at: Option<Span>,
    end: Option<Span>,
}

fn typescript(mut account: Account<'_>, time: &TimeContext, bytes: &[u8], beside: &[Timing], sink: &mut dyn Sink) {
    if !bytes.trim_ascii_end().contains(&b'\n') {
        return sink.unread(1, "header of script without a recording", bytes);
    }
    let (mut screen, mut entries, mut number) = (Screen::default(), Vec::<Entry>::new(), 0);
    let (mut done, mut ended) = (None, false);
    let mut clock = Moments::of(bytes, beside, time);
    // What the terminal showed before the line.
    let mut shown_before = 0;
    for whole in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = &*String::from_utf8_lossy(whole);
        number += 1;
        if let Some(rest) = line.strip_prefix(STARTED) {
            sink.record();
            ended = false;
            if let Some(at) = date(rest, time) {
                account.clock.saw(number, at);
            }
            let columns = rest.split_once("COLUMNS=\"").and_then(|(_, rest)| rest.split('"').next());
            screen.width = columns.and_then(|columns| columns.parse().ok()).unwrap_or(0);
            continue;
        }
        if let Some(rest) = line.strip_prefix(DONE) {
            sink.record();
            ended = true;
            done = date(rest, time);
            continue;
        }
        let before = shown_before;
        shown_before += whole.len() as u64;
        if line.trim().is_empty() {
            continue;
        }
        sink.record();
        screen.write(line, &mut |shown| match prompt(&shown) {
            Some((mark, command)) => {
                // The prompt was shown with the first letter of its line, and the line was sent off with the last.
                if let Some(entry) = entries.last_mut() {
                    entry.end = entry.end.or_else(|| clock.at(before));
                }
                if !command.is_empty() {
                    account.about(About { host: host(mark), ..About::default() });
                    let at = clock.at(shown_before.saturating_sub(1));
                    entries.push(Entry { number, command: command.to_owned(), output: String::new(), at, end: None });
                }
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
    let lossy = String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(1)..).unwrap_or_default());
    super::super::text::unended(&lossy, number, sink);
    if !ended {
        let detail = format!(
            "no line \"{}\" ends the recording: it was cut, or script did not come to its end",
            DONE.trim_end()
        );
        sink.anomaly(Anomaly { record: number, kind: AnomalyKind::TruncatedRecord, detail });
    }
    if let Some(said) = clock.misfit() {
        sink.anomaly(Anomaly { record: number, kind: AnomalyKind::Gap, detail: said });
    }
    // All that is known of moments without a timing: between the first and the last.
    let last = done.map(|at| Endpoint { span: Span::at(at.hi, Basis::OrderOnly), kind: EndpointKind::ResultRecorded });
    for entry in entries {
        let end = entry.end.map(|span| Endpoint { span, kind: EndpointKind::ResultRecorded }).or(last);
        for at in [entry.at, entry.end].into_iter().flatten() {
            account.clock.saw(entry.number, at);
        }
        let call = Call {
            tool: "terminal",
            arguments: entry.command.clone(),
            command: Some(entry.command),
            end,
            ..Call::default()
        };
        account.call(Spot::of(entry.number, entry.at), call, &Value::Null, sink);
        let spot = Spot::of(entry.number, None);
        account.answer(spot, Answer { output: entry.output, end, ..Answer::default() }, sink);
    }
    if let Some(done) = done {
        account.clock.saw(number, done);
    }
    account.finish(sink);
}

/// The moments of what a terminal showed, by the timing beside its typescript.
struct Moments<'t> {
    timing: Option<&'t Timing>,
    began: Option<Span>,
    shown: u64,
}

impl<'t> Moments<'t> {
    /// Of the timings that lie beside a typescript the one that has as many bytes: what stands between its header and its
    /// last line. One that has more belongs to a typescript that was cut.
    fn of(bytes: &[u8], beside: &'t [Timing], time: &TimeContext) -> Self {
        let (header, body) = bytes.split_at(memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1));
        // The last line begins with a line break of its own.
        let end = memchr::memmem::rfind(body, b"\nScript done on ").unwrap_or(body.len());
        let shown = body.get(..end).unwrap_or_default().len() as u64;
        let fits = beside.iter().find(|timing| timing.shown == shown);
        let timing = fits.or_else(|| beside.iter().find(|timing| timing.shown > shown && timing.began.is_some()));
        let header = String::from_utf8_lossy(header);
        let began = header.strip_prefix(STARTED).and_then(|rest| date(rest, time));
        let began = timing.and_then(|timing| timing.began.as_deref()).and_then(|at| date(at, time)).or(began);
        Moments { timing, began, shown }
    }

    /// When the byte was shown. The beginning is known to the second.
    fn at(&mut self, byte: u64) -> Option<Span> {
        Some(self.began?.shifted(self.timing?.passed(byte)?))
    }

    fn misfit(&self) -> Option<String> {
        let timing = self.timing.filter(|timing| timing.shown != self.shown)?;
        Some(format!(
            "the timing beside it counts {} bytes, and {} are here: the end of the recording is missing",
            timing.shown, self.shown
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::formats::Collector;
    use crate::time::{Instant, SECOND};

    #[test]
    fn a_timing_beside_its_typescript_dates_the_commands() {
        let folder = tempfile::tempdir().unwrap();
        let body = "bash-5.2$ id\r\nuid=0\r\nbash-5.2$ exit\r\n";
        let text = format!(
            "Script started on 2026-11-20 14:44:49+00:00 []\n{body}\nScript done on 2026-11-20 14:45:00+00:00 []\n"
        );
        // The prompt (10 bytes), the echo of the command and the line break, the output, the next prompt, its line.
        let timing = "H 0.000000 START_TIME 2026-11-20 14:44:49+00:00\nO 0.500000 10\nI 1.000000 3\nO 0.250000 4\nO 2.000000 7\nO 0.125000 10\nO 1.000000 6\n";
        assert_eq!(body.len(), 10 + 4 + 7 + 10 + 6);
        let path = folder.path().join("session.typescript");
        std::fs::write(&path, &text).unwrap();
        let read = || {
            let mut input = Input::open("session.typescript", &path, EvidenceId(0)).unwrap();
            let mut found = Collector::default();
            Script.read(&mut input, &TimeContext::default(), &mut found).unwrap();
            found
        };
        assert!(read().steps.iter().all(|step| step.start.is_none_or(|start| start.span.basis == Basis::OrderOnly)));
        // 2026-11-20T14:44:49Z is 1 795 185 889 (date -u -d '2026-11-20 14:44:49' +%s).
        let at = |ms: i64| Instant(1_795_185_889 * SECOND + ms * 1_000_000);
        std::fs::write(folder.path().join("session.timing"), timing).unwrap();
        let found = read();
        let starts: Vec<_> = found.steps.iter().map(|step| step.start.unwrap().span.lo).collect();
        assert_eq!(starts, [at(1_750), at(4_875)]);
        // The second prompt came with the bytes behind the output.
        assert_eq!(found.results[0].end.unwrap().span.lo, at(3_875));
        assert!(found.anomalies.is_empty(), "{:?}", found.anomalies);
        // A typescript that was cut.
        std::fs::write(&path, text.get(..text.find("\nScript done").unwrap() - 2).unwrap()).unwrap();
        assert!(read().anomalies.iter().any(|anomaly| anomaly.detail.contains("counts 37 bytes, and 35 are here")));
        // A timing of something else dates nothing.
        std::fs::write(folder.path().join("session.timing"), "0.500000 3\n").unwrap();
        assert!(read().steps.iter().all(|step| step.start.is_none_or(|start| start.span.basis == Basis::OrderOnly)));
    }
}
