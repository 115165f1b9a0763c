use std::path::PathBuf;

use clap::Args;
use coincident::evaluate::{self, Evaluation};
use coincident::report::evaluation;
use coincident::simulate::Family;

use super::Format;
use super::engine::InForce;
use super::exit::{Exit, Outcome, Stop};
use super::output::{self, OutputDir, Voice};
use super::simulate::named;

/// How well findings match what happened, over worlds with known truth; exit code 1 if a bar is missed
#[derive(Args, Debug)]
pub(crate) struct Evaluate {
    /// Directories of worlds (with truth.json), or above such ones; without any, worlds are simulated
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Worlds of each kind to simulate
    #[arg(long, value_name = "N", default_value_t = 30, conflicts_with = "directories")]
    worlds: u32,
    /// Seed of the simulated worlds
    #[arg(long, value_name = "SEED", default_value_t = 1, conflicts_with = "directories")]
    seed: u64,
    /// Simulate these families alone; may be given several times
    #[arg(long, value_name = "FAMILY", value_parser = named::<Family>, conflicts_with = "directories")]
    family: Vec<Family>,
    /// Write evaluation.csv and evaluation.html into a new or empty directory
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write into a directory that is not empty, replacing an earlier evaluation
    #[arg(long, requires = "output")]
    force: bool,
    /// What is printed on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

const FILES: [&str; 2] = ["evaluation.csv", "evaluation.html"];

impl Evaluate {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let output = match &self.output {
            Some(path) => Some(OutputDir::open(path, &FILES, self.force, &self.directories)?),
            None => None,
        };
        let outcome = self.measured(voice, rules)?;
        if let Some(output) = output {
            output.write(&[
                ("evaluation.csv".to_owned(), evaluation::csv(&outcome)?),
                ("evaluation.html".to_owned(), evaluation::html(&outcome).into_bytes()),
            ])?;
        }
        match self.format {
            Format::Table => voice.print(evaluation::table(&outcome, voice.screen).as_bytes())?,
            Format::Csv => voice.print(&evaluation::csv(&outcome)?)?,
            Format::Jsonl => voice.print(evaluation::jsonl(&outcome).as_bytes())?,
        }
        let missed = outcome.measures.iter().filter(|measure| measure.is_met() == Some(false)).count();
        let judged = outcome.measures.iter().filter(|measure| measure.is_met().is_some()).count();
        voice.say(&format!("{} worlds; {} of {judged} bars met", outcome.worlds, judged - missed));
        Ok(if missed == 0 { Exit::Done } else { Exit::Findings })
    }

    fn measured(&self, voice: Voice, rules: &InForce) -> Result<Evaluation, Stop> {
        if self.directories.is_empty() {
            let cells = evaluate::cells(self.worlds, &self.family);
            let all: u32 = cells.iter().map(|cell| cell.worlds).sum();
            voice.say(&format!("{all} worlds of {} kinds, seed {}", cells.len(), self.seed));
            let scratch =
                tempfile::tempdir().map_err(|error| Stop::write("the directory of temporary files", &error))?;
            return evaluate::simulated(&cells, self.seed, &rules.set, scratch.path())
                .map_err(|error| Stop::usage(error.to_string()));
        }
        let mut worlds = Vec::new();
        for directory in &self.directories {
            output::find_marked(directory, "truth.json", "worlds", &mut worlds)?;
        }
        worlds.sort();
        worlds.dedup();
        if worlds.is_empty() {
            return Err(Stop::usage("no truth.json at or below these directories"));
        }
        evaluate::recorded(&worlds, &rules.set).map_err(|error| Stop::usage(error.to_string()))
    }
}
