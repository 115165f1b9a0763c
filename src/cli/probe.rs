use clap::Args;
use coincident::report::sources;

use super::Format;
use super::evidence::{EvidenceArgs, exit_of};
use super::exit::Outcome;
use super::output::Voice;

/// What each file is and why, its records, what was not read, first and last time, hash
#[derive(Args, Debug)]
pub(crate) struct Probe {
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// What is printed on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

impl Probe {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let intake = self.evidence.resolve(voice)?.take_in(voice)?;
        match self.format {
            Format::Table => {
                voice
                    .print(sources::probe_table(&intake.sources, voice.zone, voice.screen, voice.verbose).as_bytes())?;
            }
            Format::Csv => voice.print(&sources::probe_csv(&intake.sources))?,
            Format::Jsonl => voice.print(sources::probe_jsonl(&intake.sources).as_bytes())?,
        }
        Ok(exit_of(&intake, voice))
    }
}
