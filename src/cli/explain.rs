use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use coincident::report::lines::Line;
use coincident::report::{explain, jsonl};

use super::engine::{self, InForce};
use super::evidence::ReadingArgs;
use super::exit::{Exit, Outcome, Stop};
use super::output::Voice;

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
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let written = self.directory.join("findings.jsonl");
        let mut exit = Exit::Done;
        let lines = if written.is_file() && self.directory.join("manifest.json").is_file() {
            read(&written)?
        } else {
            let evidence = self.reading.resolve(std::slice::from_ref(&self.directory), voice)?;
            let intake = evidence.take_in(voice)?;
            let (analysis, reading) = engine::analyze_stability(intake, &evidence.options, rules, voice);
            if !reading.problems(&analysis).is_empty() {
                exit = Exit::Unread;
            }
            jsonl::lines(&analysis, &reading)
        };
        let Some(report) = explain::render(&lines, &self.id, voice.screen) else {
            let ids = explain::ids(&lines);
            let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            return Err(Stop::usage(format!("{}: no such finding; findings here: {known}", self.id)));
        };
        voice.print(report.as_bytes())?;
        Ok(exit)
    }
}

fn read(path: &Path) -> Result<Vec<Line>, Stop> {
    let shown = path.display();
    let failed = |error: &std::io::Error| Stop::usage(format!("{shown}: {error}"));
    let file = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut lines = Vec::new();
    for (at, line) in file.lines().enumerate() {
        let line = line.map_err(|error| failed(&error))?;
        let parsed = serde_json::from_str(&line);
        lines.push(parsed.map_err(|error| {
            let what = "is not what this version of `analyze -o` writes";
            Stop::usage(format!("{shown}:{}: {what}: {error}; analyse the evidence again", at + 1))
        })?);
    }
    Ok(lines)
}
