use clap::Args;
use coincident::report::sources;

use super::Format;
use super::engine::{self, InForce};
use super::evidence::{EvidenceArgs, exit_of};
use super::exit::Outcome;
use super::output::Voice;

/// The offset of each source's clock, its support, grade, and the pairs it rests on
#[derive(Args, Debug)]
pub(crate) struct Clocks {
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// What is printed on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

impl Clocks {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let evidence = self.evidence.resolve(voice)?;
        let intake = evidence.take_in(voice)?;
        let clocks = engine::clocks(&intake, &evidence.options, rules);
        match self.format {
            Format::Table => voice.print(sources::clocks_table(&clocks, &intake.sources, voice.screen).as_bytes())?,
            Format::Csv => voice.print(&sources::clocks_csv(clocks, intake.sources.clone())?)?,
            Format::Jsonl => voice.print(sources::clocks_jsonl(&clocks, &intake.sources).as_bytes())?,
        }
        Ok(exit_of(&intake, voice))
    }
}
