use std::path::PathBuf;

use clap::Args;
use coincident::report::lines::Line;
use coincident::report::{explain, jsonl};

use super::engine::{self, InForce};
use super::evidence::ReadingArgs;
use super::exit::{Exit, Outcome, Stop};
use super::output::Voice;
use super::written;

/// One finding, or what no step explains: steps and events side by side, each term of its strength, its rivals, what would decide
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The output directory of `analyze -o`, or evidence, which is then analysed again
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The finding: F-0001; or a group of signals that no step explains: U-0001
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl Explain {
    /// Explains a finding of an earlier analysis; `None` if the directory is evidence. Nothing is analysed then, so
    /// neither rules nor threads are needed.
    pub(crate) fn run_written(&self, voice: Voice) -> Result<Option<Exit>, Stop> {
        let Some(lines) = written::lines(&self.directory)? else { return Ok(None) };
        self.tell(&lines, voice)?;
        Ok(Some(Exit::Done))
    }

    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let evidence = self.reading.resolve(std::slice::from_ref(&self.directory), voice)?;
        let intake = evidence.take_in(voice)?;
        let (analysis, reading) = engine::analyze_stability(intake, &evidence.options, rules, voice);
        let exit = if reading.problems(&analysis).is_empty() { Exit::Done } else { Exit::Unread };
        self.tell(&jsonl::lines(&analysis, &reading), voice)?;
        Ok(exit)
    }

    fn tell(&self, lines: &[Line], voice: Voice) -> Result<(), Stop> {
        let report = explain::render(lines, &self.id, voice.screen);
        voice.print(report.ok_or_else(|| written::no_such_finding(&self.id, lines))?.as_bytes())
    }
}
