//! Logs of Inspect AI: archives (`.eval`) and single JSON files, one episode for each sample and epoch.
//!
//! Source: UKGovernmentBEIS/inspect_ai `src/inspect_ai/log/_log.py`, `log/_recorders/eval.py`,
//! `log/_recorders/chunked/format.py` and `event/`, October 2024 to 2026. A log has `eval` (what was run), and samples
//! with events: each has `timestamp` (its beginning) and, for models, tools and sandboxes, `completed` (its end), in the
//! clock of the machine that ran the evaluation. An archive of a run that crashed has a journal and no header. Long
//! texts, commands among them, stand apart as attachments.

mod archive;
mod links;
mod sample;

use std::io;

use serde_json::Value;

use super::{json, scan};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of Inspect's logs.
pub struct Inspect;

impl Format for Inspect {
    fn id(&self) -> &'static str {
        "inspect"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "Inspect AI logs (.eval archives, deflate and zstd, whole or crashed; .json), 2024 to 2026"
    }

    fn record_unit(&self) -> &'static str {
        "event"
    }

    fn probe(&self, head: &Head) -> Match {
        if head.bytes.starts_with(archive::LOCAL_HEADER) {
            let named = archive::names_in(&head.bytes);
            let own = |name: &&str| name.starts_with("_journal/start.json") || name.starts_with("_journal/summaries/");
            if named.iter().any(own) {
                return Match::Certain("an archive with _journal/start.json".to_owned());
            }
            let sample = |name: &&str| name.starts_with("samples/") && name.contains("_epoch_");
            return if named.iter().any(sample) {
                Match::Certain("an archive with samples/…_epoch_…".to_owned())
            } else {
                Match::No
            };
        }
        let members = scan::members(&head.bytes);
        let eval = members.iter().find(|(name, _)| *name == "eval").map(|(_, value)| scan::members(value));
        let has = |name: &str| members.iter().any(|(found, _)| *found == name);
        let run = eval.is_some_and(|eval| {
            let has = |name: &str| eval.iter().any(|(found, _)| *found == name);
            has("run_id") && has("task")
        });
        if run && has("status") {
            return Match::Certain("eval with run_id and task beside status".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let mut log = Log::new(&input.name, input.evidence, time);
        if input.peek(4)?.starts_with(archive::LOCAL_HEADER) {
            return archive::read(input, &mut log, sink);
        }
        let text = json::whole(input, sink)?;
        let members = scan::members(&text);
        if let Some((_, eval)) = members.iter().rfind(|(name, _)| *name == "eval")
            && let Ok(eval) = serde_json::from_slice::<Value>(eval)
        {
            log.about(&eval);
        }
        let samples = members.iter().rfind(|(name, _)| *name == "samples").map(|(_, samples)| scan::elements(samples));
        let mut torn = false;
        for raw in samples.iter().flatten() {
            torn |= log.sample(&sample::Raw::whole(raw), sink);
        }
        if !torn {
            json::check_whole(&text, log.events + 1, sink);
        }
        if samples.is_none() {
            sink.unread(1, "no samples", text.get(..80).unwrap_or(&text));
        }
        Ok(())
    }
}

/// What is known of all samples of a log, and how many events were told.
struct Log<'t> {
    name: String,
    evidence: EvidenceId,
    time: &'t TimeContext,
    events: u64,
    run: Option<String>,
    task: Option<String>,
    model: Option<String>,
    agent: Option<String>,
}

impl<'t> Log<'t> {
    fn new(name: &str, evidence: EvidenceId, time: &'t TimeContext) -> Self {
        let name = name.to_owned();
        Log { name, evidence, time, events: 0, run: None, task: None, model: None, agent: None }
    }

    /// The `eval` of a header, or of the journal.
    fn about(&mut self, eval: &Value) {
        let text = |key: &str| json::text(eval, key).filter(|text| !text.is_empty()).map(str::to_owned);
        self.run = text("run_id");
        self.task = text("task");
        self.model = text("model").filter(|model| model != "none/none");
        let version = eval.pointer("/packages/inspect_ai").and_then(Value::as_str);
        self.agent = Some(format!("inspect_ai {}", version.unwrap_or_default()).trim().to_owned());
    }
}
