//! Timing files of script(1): how long after the event before how many bytes were shown or typed.
//!
//! Source: util-linux `term-utils/script.c` and `script-playutils.c`. Lines of the classic format are `DELAY BYTES`, of the
//! advanced one `O DELAY BYTES` (shown), `I DELAY BYTES` (typed), `S DELAY SIGNAL ...` and `H DELAY NAME VALUE`, delays in
//! seconds with six digits since the event before, of whatever kind.

use std::io::{self, Read};

use chrono::NaiveDateTime;

use super::super::account::{About, Account};
use super::super::{json, stamps};
use crate::evidence::{Anomaly, AnomalyKind, Input};
use crate::formats::Sink;
use crate::time::{SECOND, Span, TimeContext};

/// Bound on a recording or its timing, in bytes.
const LARGEST: u64 = 256 << 20;

/// The date in a header: ISO 8601 since util-linux 2.35, `Fri 20 Nov 2026 02:44:49 PM UTC` or the like before (read only
/// where it is `Fri Nov 20 14:44:49 2026`).
pub(super) fn date(text: &str, time: &TimeContext) -> Option<Span> {
    let text = text.split(" [").next().unwrap_or(text).trim();
    if let Some(span) = stamps::span(text, time) {
        return Some(span);
    }
    let local = NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok()?;
    time.local(local, SECOND)
}

/// A delay in nanoseconds; script writes all of them with six digits behind the point.
pub(super) fn seconds(delay: &str) -> Option<i64> {
    let (_, fraction) = delay.split_once('.')?;
    if fraction.len() == 6 { stamps::decimal_seconds(delay).map(|(ns, _)| ns) } else { None }
}

/// A recording or its timing. What lies behind 256 MiB is left out, with an anomaly.
pub(super) fn whole(input: &mut dyn Read, sink: &mut dyn Sink) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bytes.truncate(LARGEST as usize);
        let detail = "the file is longer than 256 MiB; what lies behind was left out".to_owned();
        sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::BoundReached, detail });
    }
    Ok(bytes)
}

/// An event of a timing.
struct Event<'a> {
    kind: &'a str,
    delay: i64,
    /// Bytes, or the name of what a header states.
    what: &'a str,
    value: &'a str,
}

/// A line, which ends with a line break: a number of bytes that was cut is a number, too.
fn event(line: &str) -> Option<Event<'_>> {
    let mut words = line.strip_suffix('\n')?.trim_end().splitn(4, ' ');
    let (first, second) = (words.next()?, words.next()?);
    let event = match first {
        "H" | "I" | "O" | "S" => Event {
            kind: first,
            delay: seconds(second)?,
            what: words.next().unwrap_or_default(),
            value: words.next().unwrap_or_default(),
        },
        delay => Event { kind: "O", delay: seconds(delay)?, what: second, value: "" },
    };
    let counted =
        event.kind == "H" || (event.kind == "S" && !event.what.is_empty()) || event.what.parse::<u64>().is_ok();
    counted.then_some(event)
}

/// What a timing beside a typescript says of what was shown.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// As it is written.
    pub(super) began: Option<String>,
    /// Bytes shown up to an event, and nanoseconds passed by then.
    events: Vec<(u64, i64)>,
    /// All bytes that were shown.
    pub(super) shown: u64,
}

impl Timing {
    /// `None` if that is no timing.
    fn of(text: &str) -> Option<Self> {
        let mut timing = Timing::default();
        let mut passed = 0i64;
        // What was typed may be kept in the file of what was shown.
        let (mut typed, mut output) = ("", "");
        for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
            let event = event(line)?;
            passed = passed.saturating_add(event.delay);
            if event.kind == "O" || (event.kind == "I" && !typed.is_empty() && typed == output) {
                timing.shown = timing.shown.saturating_add(event.what.parse().ok()?);
                timing.events.push((timing.shown, passed));
            } else if event.kind == "H" {
                match event.what {
                    "START_TIME" => timing.began = Some(event.value.to_owned()),
                    "INPUT_LOG" => typed = event.value,
                    "OUTPUT_LOG" => output = event.value,
                    _ => {}
                }
            }
        }
        (timing.shown > 0).then_some(timing)
    }

    /// Nanoseconds from the beginning to when the byte was shown.
    pub(super) fn passed(&self, byte: u64) -> Option<i64> {
        let at = self.events.partition_point(|(shown, _)| *shown <= byte);
        self.events.get(at).map(|(_, passed)| *passed)
    }
}

/// The timings that lie beside a typescript, under the names that people give them: NAME.timing, and the name with
/// another extension.
pub(super) fn beside(input: &Input) -> Vec<Timing> {
    let mut found = Vec::new();
    for ending in [".timing", ".tm", ".time"] {
        for file in [input.beside(ending), input.with_extension(ending)].into_iter().flatten() {
            let mut text = String::new();
            // One that cannot be read, or is no text, is no timing.
            if file.take(LARGEST).read_to_string(&mut text).is_ok() {
                found.extend(Timing::of(&text));
            }
        }
    }
    found
}

/// Reads a timing by itself: the span of its episode.
pub(super) fn read(name: &str, mut account: Account<'_>, time: &TimeContext, text: &str, sink: &mut dyn Sink) {
    let (mut number, mut passed) = (0, 0i64);
    let mut began = None;
    let mut events = 0;
    for line in text.split_inclusive('\n') {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let Some(Event { kind, delay, what, value }) = event(line) else {
            sink.unread(number, "no line of a timing", line.as_bytes());
            continue;
        };
        sink.record();
        passed = passed.saturating_add(delay);
        events += usize::from(kind != "H");
        match what {
            _ if kind != "H" => {}
            "START_TIME" => began = date(value, time),
            // The file of the text: both are one episode.
            "OUTPUT_LOG" if !value.is_empty() => {
                let value = value.rsplit('/').next().unwrap_or(value);
                let directory = name.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
                account.episode.id = format!("{}{value}", directory.unwrap_or_default());
                json::stem(value).clone_into(&mut account.episode.name);
            }
            "COMMAND" => account.about(About { agent: Some(value), ..About::default() }),
            _ => {}
        }
    }
    if events == 0 {
        sink.unread(number, "timing without an event", b"");
    }
    // A classic timing names no text and no date: there is nothing to say of an episode.
    if began.is_none() && account.episode.id == name {
        return;
    }
    if let Some(began) = began {
        account.clock.saw(1, began);
        account.clock.saw(number, began.shifted(passed));
    }
    account.finish(sink);
}
