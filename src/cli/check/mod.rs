//! `check`: incidents against what is expected of them.

mod compare;
mod expect;

use std::path::{Path, PathBuf};

use clap::Args;
use coincident::report::junit;
use coincident::report::layout::{Align, Table, Tone};

use self::expect::Expect;
use super::engine::{self, InForce};
use super::evidence::ReadingArgs;
use super::exit::{Exit, Outcome, Stop};
use super::output::{self, Voice};

/// Incidents against their expect.toml: a directory with expect.toml and evidence/, or any directory above such ones
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Directories of incidents
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Write the outcome as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let mut incidents = Vec::new();
        for directory in &self.directories {
            output::find_marked(directory, Expect::NAME, "incidents", &mut incidents)?;
        }
        incidents.sort();
        incidents.dedup();
        if incidents.is_empty() {
            return Err(Stop::usage("no expect.toml at or below these directories"));
        }
        // Opened before the work, so that a bad path fails early.
        let junit = match &self.junit {
            Some(path) => {
                let shown = path.display().to_string();
                Some((std::fs::File::create(path).map_err(|error| Stop::write(&shown, &error))?, shown))
            }
            None => None,
        };
        let cases: Vec<junit::Case> = incidents
            .iter()
            .map(|incident| {
                voice.progress(&format!("checking {}", incident.display()));
                run_incident(incident, voice, rules)
            })
            .collect();
        if let Some((mut file, shown)) = junit {
            let xml = junit::render("coincident check", &cases);
            std::io::Write::write_all(&mut file, xml.as_bytes()).map_err(|error| Stop::write(&shown, &error))?;
        }
        voice.print(table(&cases, voice).as_bytes())?;
        let passed = cases.iter().filter(|case| case.failures.is_empty() && case.error.is_none()).count();
        voice.say(&format!("{passed} of {} incidents as expected", cases.len()));
        Ok(if passed == cases.len() { Exit::Done } else { Exit::Findings })
    }
}

fn run_incident(incident: &Path, voice: Voice, rules: &InForce) -> junit::Case {
    let mut case = junit::Case { name: incident.display().to_string(), failures: Vec::new(), error: None };
    match compared(incident, voice, rules) {
        Ok(failures) => case.failures = failures,
        Err(Stop::Message(_, message)) => case.error = Some(message),
        Err(Stop::ClosedPipe) => case.error = Some("interrupted".to_owned()),
    }
    case
}

fn compared(incident: &Path, voice: Voice, rules: &InForce) -> Result<Vec<String>, Stop> {
    let expect = Expect::load(&incident.join(Expect::NAME)).map_err(Stop::usage)?;
    let evidence = incident.join("evidence");
    if !evidence.is_dir() {
        return Err(Stop::usage(format!("{}: no such directory; it holds the evidence", evidence.display())));
    }
    let beside = incident.join("case.toml");
    let reading = ReadingArgs { case: beside.is_file().then_some(beside), ..ReadingArgs::default() };
    let evidence = reading.resolve(&[evidence], Voice { quiet: true, ..voice })?;
    let (analysis, reading) =
        engine::analyze(evidence.take_in(Voice { quiet: true, ..voice })?, &evidence.options, rules, voice);
    Ok(compare::compare(&expect, &analysis, &reading))
}

fn table(cases: &[junit::Case], voice: Voice) -> String {
    let mut table = Table::new(&[("INCIDENT", Align::Left), ("RESULT", Align::Left), ("WHAT", Align::Left)]);
    for case in cases {
        if let Some(error) = &case.error {
            table.toned([(case.name.as_str(), Tone::Plain), ("error", Tone::Alarm), (error, Tone::Plain)]);
        }
        for failure in &case.failures {
            let (result, what) = failure.split_once(": ").unwrap_or(("differs", failure));
            table.toned([(case.name.as_str(), Tone::Plain), (result, Tone::Alarm), (what, Tone::Plain)]);
        }
        if case.error.is_none() && case.failures.is_empty() {
            table.row([case.name.as_str(), "as expected", ""]);
        }
    }
    table.render(voice.screen, "(no incidents)")
}
